"""How long every page of a project of many records takes until it can be used, opened first, again, and by a click.

    python -m benchmarks.page_times [FOLDER] [--rows 10000] [--pages records,rounds]

Makes the project that `benchmarks.scale` makes (or takes the one that FOLDER holds), with one round and a map, serves
it, and opens each page in a Chromium that has been there before: by its address in a new tab, for the first time since
the server began and again, then by a click in the menu, from the History page. Processor seconds are of the server's
process: they count, for the clock of a busy machine says how busy it is. A page can be used when its heading (on Label
the record) is there and its script has ended.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import BrowserContext, Page, sync_playwright

from app.navigation import ENTRIES
from benchmarks.scale import make_project, timed
from benchmarks.screens import FLAGS, wait_for
from core import loop, verbs
from core.explore.maps import project_map
from core.project import open_project
from gpu_jobs.runners.local import LocalRunner
from tests.ports import free_port

CARD = "[data-testid=record]:not([data-record-id=''])"
HOW = ("first", "again", "click")
TITLES = {entry.file: entry.title for entry in ENTRIES}
BESIDE = "history"
"""from which the other pages are opened by a click"""
WARM = "measurement"
"""opened before all others: what Python and Streamlit load once is no page's own"""

BATCHES = """
    insert into batches
    select batch, now()::timestamp - to_minutes(60 - batch), batch, 'default', count(*), count(*) filter (audit),
           (select count(*) from pool), batch, null, '{}', list(n), (select count(*) from records)
    from queue group by batch
"""
"""those that the synthetic queue speaks of"""


def prepare(folder: Path, rows: int) -> None:
    """Records, labels, vectors; then what a round and a map leave."""
    if not (folder / "rondo.toml").exists():
        with timed(f"{rows:,} records"):
            make_project(folder, rows)
    project = open_project(folder, LocalRunner(1))
    with project.store.transaction() as cursor:
        cursor.execute(BATCHES)
    for verb in (loop.fit, loop.next_batch, project_map):
        with timed(verbs.name_of(verb)):
            verb(project, lambda *_: None)
    project.close()
    path = folder / "rondo.toml"
    text = path.read_text(encoding="utf-8")
    for name in ("automatic", "tune"):  # nothing begins by itself while pages are measured
        text = text.replace(f"\n{name} = true", f"\n{name} = false")
    path.write_text(text, encoding="utf-8")


def addresses(some: list[str]) -> list[str]:
    """Pages of a project of labels, some in a further state; all of them, or those whose name is asked for."""
    pages = [entry.file for entry in ENTRIES if not entry.sides]
    further = ["records?record=t77", "records?words=no-such-word", "records?label=praise", "rounds?round=1"]
    return [one for one in sorted({*pages, *further}) if not some or one.partition("?")[0] in some]


@contextmanager
def served(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The app on this project, until the block ends."""
    command = [sys.executable, "-m", "app", "--project", str(folder), "up", "--no-token", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}")
        yield server
    finally:
        server.terminate()
        server.wait(20)


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """Of the server alone: jobs have processes of their own."""
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def wait_usable(page: Page, *, card: bool = False) -> None:
    """Until there is something to work with and nothing is still computed."""
    page.locator(CARD if card else "h1").first.wait_for(timeout=120_000)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=120_000)


@dataclass(frozen=True)
class Opening:
    """What one opening took: seconds of the server's processor, and by the clock."""

    processor: float
    clock: float


@contextmanager
def taken(server: subprocess.Popen[bytes], openings: list[Opening]) -> Iterator[None]:
    """Adds what the block took."""
    before, since = processor_seconds(server), time.perf_counter()
    yield
    openings.append(Opening(processor_seconds(server) - before, time.perf_counter() - since))


def open_address(page: Page, url: str) -> None:
    """As somebody who follows a link: all of the page is loaded."""
    page.goto(f"{url}{'&' if '?' in url else '?'}annotator=somebody")
    wait_usable(page, card=url.endswith("/label"))


def click_in_menu(page: Page, name: str) -> bool:
    """As somebody who is in the app; False where the menu has no such page."""
    link = page.get_by_test_id("stSidebarNavLink").filter(has_text=re.compile(f"{TITLES[name]}$"))
    if not link.count():
        return False
    before = page.locator("h1").first.element_handle()
    link.click()
    page.wait_for_function("before => !before.isConnected || before.innerText !== 'History'", arg=before)
    wait_usable(page)  # Label asks for a name first
    return True


def measure_page(browser: BrowserContext, server: subprocess.Popen[bytes], url: str) -> list[Opening]:
    """By its address in a new tab, the same again, and by a click from the History page, where the menu has it."""
    openings: list[Opening] = []
    for _ in range(2):
        page = browser.new_page()
        with taken(server, openings):
            open_address(page, url)
        page.close()
    base, _, name = url.rpartition("/")
    if name in TITLES and name != BESIDE:
        page = browser.new_page()
        open_address(page, f"{base}/{BESIDE}")
        with taken(server, openings):
            there = click_in_menu(page, name)
        page.close()
        return openings if there else openings[:2]
    return openings


def measure(folder: Path, some: list[str]) -> None:
    """A row for each page, and the slowest by the clock."""
    port, rows = free_port(), {}
    url = f"http://127.0.0.1:{port}"
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        browser = playwright.chromium.launch_persistent_context(
            profile, executable_path="/usr/bin/chromium", args=FLAGS, viewport={"width": 1280, "height": 860}
        )
        with served(folder, port):  # the browser has been here before: what it loads once, it has
            for address in addresses(some) * 2:
                page = browser.new_page()
                open_address(page, f"{url}/{address}")
                page.close()
        with served(folder, port) as server:
            page = browser.new_page()
            open_address(page, f"{url}/{WARM}")
            page.close()
            print(
                "| page | first: processor s | clock s | again: processor s | clock s | click: processor s | clock s |"
            )
            print("|---|---|---|---|---|---|---|")
            for address in addresses(some):
                rows[address] = measure_page(browser, server, f"{url}/{address}")
                figures = " | ".join(f"{one.processor:.2f} | {one.clock:.1f}" for one in rows[address])
                print(f"| {address} | {figures} |", flush=True)
        browser.close()
    print(json.dumps({"slowest": max(rows, key=lambda one: max(opening.clock for opening in rows[one]))}))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--pages", default="", help="only these, separated by commas")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary) / "project"
        if not (folder / "models").exists():
            prepare(folder, args.rows)
        measure(folder, [name for name in args.pages.split(",") if name])


if __name__ == "__main__":
    main()
