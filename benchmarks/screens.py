"""What pictures are taken of and with: sizes of screens, the browser's flags, the folder of the pictures."""

import time
from pathlib import Path
from typing import Literal

import httpx

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OUT = Path(__file__).parent.parent / "docs" / "shots"
SCREENS: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (1280, "light"),
    (1280, "dark"),
    (390, "light"),
    (390, "dark"),
)


def wait_for(address: str) -> None:
    """Until an app answers there."""
    for _ in range(300):
        try:
            if httpx.get(f"{address}/api/health", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit("The app did not start.")
