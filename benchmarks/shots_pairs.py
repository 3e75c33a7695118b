"""The pictures of deciding on pairs: two invented shops, what two people have decided, and the pair that is asked next.

`python -m benchmarks.shots_pairs` takes these alone.
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.screens import FLAGS, OUT, SCREENS, wait_for
from core import loop
from core.config.settings import Settings, write_settings
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.reviews import send_to_queue
from core.pairs.blocking.find_candidates import candidates
from core.pairs.sides import import_source
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner

PORT = 8597
FIELDS = ("name", "description", "price", "brand")
SHOPS = {
    "shop A": """
        4411 | Lumo 24" monitor LM24Q-B | 24-inch panel, 75 Hz, VGA and HDMI | 129.00 |
        9020 | Lumo LM24Q-B display, black | 24-inch, 75 Hz, VGA, HDMI | 131.00 | Lumo
        4412 | Lumo LM24G-B monitor | 24-inch panel, 75 Hz, HDMI twice | 134.90 | Lumo
        5001 | Kaffa espresso machine K500 | 15 bar, milk frother, steel | 219.00 | Kaffa
        5002 | Kaffa burr grinder G20 | conical burr, 40 steps | 59.00 | Kaffa
        5003 | Kaffa burr grinder G40 | conical burr, 60 steps, timer | 89.00 | Kaffa
        6100 | Nordlys desk lamp D7 | LED, dimmable, 7 W | 34.50 | Nordlys
        6101 | Nordlys floor lamp F12 | LED, dimmable, 12 W | 79.00 | Nordlys
        7300 | Tonal headphones H310 | over-ear, wired | 49.00 | Tonal
        7301 | Tonal headphones H310BT | over-ear, wireless, 30 h | 79.00 | Tonal
        8200 | Brisa fan V30 | 30 cm, three speeds | 29.90 | Brisa
        8201 | Brisa fan V40 | 40 cm, three speeds, remote | 44.90 | Brisa""",
    "shop B": """
        k-55 | Lumo LM 24Q-B monitor 24" | VGA, HDMI, 75 Hz | 129.90 | Lumo
        k-98 | LUMO LM24G-B 24 inch display | 24-inch panel, 75 Hz, two HDMI, stand | 134.90 | Lumo
        k-12 | KAFFA K-500 espresso maker | 15 bar pump, milk frother | 219 | KAFFA
        k-13 | Kaffa coffee grinder G-20 | burr grinder, 40 settings | 59 | Kaffa
        k-14 | Kaffa coffee grinder G-40 | burr grinder, 60 settings | 92 | Kaffa
        k-31 | Desk lamp Nordlys D-7, LED | 7 watts, can be dimmed | 35 |
        k-32 | Floor lamp Nordlys F-12 | 12 watts, can be dimmed | 79 | Nordlys
        k-41 | Tonal H310 headphones | wired, over the ear | 47 | Tonal
        k-42 | Tonal H310-BT wireless headphones | Bluetooth, 30 hours | 82 | Tonal
        k-61 | Fan Brisa V-30 | three speeds, 30 cm | 29 | Brisa
        k-62 | Fan Brisa V-40 | remote control, 40 cm | 45 | Brisa""",
}
SAME = {
    "4411 k-55",
    "9020 k-55",
    "4412 k-98",
    "5001 k-12",
    "5002 k-13",
    "5003 k-14",
    "6100 k-31",
    "6101 k-32",
    "7300 k-41",
    "7301 k-42",
    "8200 k-61",
    "8201 k-62",
}
ASKED = "shop A:4411|shop B:k-98"


def prepare(folder: Path) -> None:
    """A project in which all candidates but one are decided, and that one waits with a model's word."""
    folder.mkdir(parents=True)
    write_settings(folder, Settings(name="shops", task="pairs", batch_size=200, automatic=False))
    project = open_project(folder, InProcessRunner())
    for shop, table in SHOPS.items():
        file = folder.parent / f"{shop}.csv"
        with file.open("w", encoding="utf-8", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(["id", *FIELDS])
            writer.writerows([cell.strip() for cell in line.split(" | ")] for line in _rows(table))
        import_source(project, _quiet, file=str(file), text=list(FIELDS), id="id")
    candidates(project, _quiet)
    loop.play_round(project, _quiet)
    for user, share in (("ana", 40), ("ben", 200)):
        _decide(project, user, share)
    loop.play_round(project, _quiet)
    send_to_queue(project, [project.store.one("select n from records where id = ?", [ASKED])], "ana")
    project.close()


def _rows(table: str) -> list[str]:
    return [f"{line.strip()} " for line in table.strip().splitlines()]


def _decide(project: Project, user: str, most: int) -> None:
    """Up to so many as they are; the pair that shall be asked is skipped."""
    holder = Holder(user, "tab")
    while most > 0 and (cards := project.label_queue.exchange(holder, QueueRequest(want=min(most, 40))).cards):
        events = tuple(_event(user, card.id) for card in cards)
        project.label_queue.exchange(holder, QueueRequest(events=events))
        most -= len(cards)


def _event(user: str, record: str) -> Event:
    if record == ASKED:
        return Event(f"{user}-{record}", record, "skip")
    left, right = (side.rpartition(":")[2] for side in record.split("|"))
    return Event(f"{user}-{record}", record, "submit", {"same": f"{left} {right}" in SAME})


def _quiet(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def take(browser: Browser) -> None:
    """The card and the page of clusters, wide and narrow, light and dark."""
    folder = Path(tempfile.mkdtemp(prefix="rondo-shots-")) / "shops"
    prepare(folder)
    command = [sys.executable, "-m", "app", "--project", str(folder), "up", "--no-token", "--port", str(PORT)]
    server = subprocess.Popen(command)
    try:
        wait_for(f"http://127.0.0.1:{PORT}")
        for width, scheme in SCREENS:
            page = browser.new_page(viewport={"width": width, "height": 860}, color_scheme=scheme)
            page.goto(f"http://127.0.0.1:{PORT}/label?annotator=me")
            page.wait_for_selector(f'[data-record-id="{ASKED}"]')
            page.wait_for_timeout(1500)
            page.screenshot(path=OUT / f"pair-{width}-{scheme}.png")
            page.goto(f"http://127.0.0.1:{PORT}/clusters")
            page.wait_for_selector("h1")
            page.wait_for_timeout(3000)
            page.screenshot(path=OUT / f"clusters-{width}-{scheme}.png")
            page.close()
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    with sync_playwright() as playwright:
        take(playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS))
