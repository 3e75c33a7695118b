"""How long an answer waits while a large file is imported into the app that serves: `python -m benchmarks.answering`.

One person answers at five keys a second over HTTP, as the card does, before, during and after. Knows the route; not how
a file is stored.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.make_large import LABELS, make_large
from tests.browser.real import Server

PAUSE = 0.2


@dataclass
class Person:
    """Answers until told to stop. waits: (when, seconds) of every request, by time.monotonic."""

    address: str
    waits: list[tuple[float, float]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        with httpx.Client(base_url=self.address, timeout=120) as client:
            token = client.post("/api/label/token", json={"annotator": "ana"}).json()["token"]
            headers = {"X-Rondo-Token": token, "X-Rondo-Tab": "bench"}
            cards: list[str] = []
            while not self.stop.wait(PAUSE):
                events = [
                    {"eid": f"e{len(self.waits)}", "record": card, "action": "skip", "seq": 1, "ts": time.time()}
                    for card in cards[:1]
                ]
                cards = cards[1:]
                body = {"events": events, "have": cards, "want": 40 - len(cards), "turn": len(self.waits) + 1}
                start = time.monotonic()
                reply = client.post("/api/label/events", headers=headers, json=body)
                self.waits.append((start, time.monotonic() - start))
                cards += [card["id"] for card in reply.raise_for_status().json()["cards"]]


def measure(folder: Path, rows: int) -> dict[str, list[float]]:
    """part -> how long each answer waited in it, in seconds."""
    large = folder / "large.csv"
    make_large(large, rows)
    texts = (f"record {number} says something" for number in range(500))
    server = Server(folder / "project", ",".join(LABELS), texts, {"automatic = true": "automatic = false"})
    command = [sys.executable, "-m", "app", "--project", str(server.folder), "import", str(large), "--text", "text"]
    try:
        person = Person(f"http://127.0.0.1:{server.port}")
        thread = threading.Thread(target=person.work)
        thread.start()
        time.sleep(10)
        began = time.monotonic()
        columns = ["--id", "id", "--label", "label", "--split", "split"]
        subprocess.run([*command, *columns], check=True, stdout=subprocess.DEVNULL)
        ended = time.monotonic()
        time.sleep(5)
        person.stop.set()
        thread.join()
    finally:
        server.kill()
    print(f"{rows:,} rows took {ended - began:.0f} s from the command to its end.")
    return {
        "before": [wait for at, wait in person.waits if at < began],
        "meanwhile": [wait for at, wait in person.waits if began <= at < ended],
        "after": [wait for at, wait in person.waits if at >= ended],
    }


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    with tempfile.TemporaryDirectory() as name:
        parts = measure(Path(name), parser.parse_args().rows)
    print("| an answer waits, in seconds | answers | median | 99 of 100 | worst |")
    print("|---|---:|---:|---:|---:|")
    for part, waits in parts.items():
        most = sorted(waits)[int(0.99 * (len(waits) - 1))]
        print(f"| {part} | {len(waits)} | {statistics.median(waits):.3f} | {most:.3f} | {max(waits):.3f} |")


if __name__ == "__main__":
    main()
