"""`rondo` and `python -m app`: hands over to the command line."""

import os
import signal
from types import FrameType


def main() -> None:
    """Runs one command and exits with its code. Ctrl-C before it has begun, or after it has ended, ends it quietly."""
    signal.signal(signal.SIGINT, _end)
    from app.cli.root import app

    try:
        app()
    finally:
        signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    """Exits at once: nothing needs cleaning up, and a half-imported library would show a traceback."""
    os._exit(130)


if __name__ == "__main__":
    main()
