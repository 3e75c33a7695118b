"""`rondo` and `python -m app`: hands over to the command line."""


def main() -> None:
    """Runs one command and exits with its code."""
    from app.cli import app

    app()


if __name__ == "__main__":
    main()
