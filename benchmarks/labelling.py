"""Ten people label at three keys a second in real Chromium against the real server: how long, and is anything wrong?

`python -m benchmarks.labelling [--people 10] [--keys 60] [--rate 3] [--learning]`
"""

import argparse
import asyncio
import json
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from playwright.async_api import Browser, Page, async_playwright

from tests.browser.real import FLAGS, Server, find_chromium

LABELS = ("delivery", "praise", "question", "bug")

# Runs in the page. A key's time is the browser's own stamp of the press. The next record counts as painted in the task
# after the frame that follows its coming up; an answer counts as saved when the page says that so few are pending that
# it is not among them.
WATCH = """(record) => {
    const saved = record.getRootNode().querySelector("[data-testid=saved]");
    const seen = {keys: [], painted: [], saved: [], waiting: []};
    globalThis.seen = seen;
    globalThis.onPress = (event) => {
        seen.keys.push([record.dataset.recordId, event.key]);
        seen.waiting.push(event.timeStamp);
        requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => seen.painted.push(performance.now() - event.timeStamp);
            channel.port2.postMessage(0);
        });
    };
    new MutationObserver(() => {
        while (seen.waiting.length > Number(saved.dataset.pending)) {
            seen.saved.push(performance.now() - seen.waiting.shift());
        }
    }).observe(saved, {attributes: true});
}"""


LISTEN = "window.addEventListener('keydown', (event) => globalThis.onPress?.(event), {capture: true})"


@dataclass
class Seen:
    """One person's keys: (record on the screen, key) at each press, and times in milliseconds."""

    keys: list[tuple[str, str]] = field(default_factory=list)
    painted: list[float] = field(default_factory=list)
    saved: list[float] = field(default_factory=list)


async def open_card(browser: Browser, server: Server, name: str) -> Page:
    """A context of its own, as if on another machine; ready when the first record is there."""
    page = await (await browser.new_context()).new_page()
    await page.add_init_script(LISTEN)  # before the card listens
    await page.goto(server.url(name))
    await page.locator("[data-testid=record]:not([data-record-id=''])").wait_for(timeout=60_000)
    await page.get_by_test_id("record").evaluate(WATCH)
    return page


async def type_keys(page: Page, keys: int, rate: float, rng: random.Random) -> Seen:
    """Presses number keys at this rate with the jitter of a hand; waits until all is saved."""
    loop = asyncio.get_running_loop()
    start = loop.time() + rng.random() / rate
    for number in range(keys):
        await asyncio.sleep(max(0.0, start + (number + rng.uniform(-0.2, 0.2)) / rate - loop.time()))
        await page.keyboard.press(rng.choice("1234"))
    await page.locator("[data-testid=saved][data-pending='0']").wait_for(timeout=60_000)
    text = await page.evaluate("JSON.stringify(globalThis.seen)")
    values = json.loads(text)
    return Seen([(record, key) for record, key in values["keys"]], values["painted"], values["saved"])


async def run(server: Server, names: list[str], keys: int, rate: float) -> tuple[dict[str, Seen], float]:
    """Everybody at once. Also the seconds of CPU that the server took while they typed."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        pages = [await open_card(browser, server, name) for name in names]
        jobs = [type_keys(page, keys, rate, random.Random(number)) for number, page in enumerate(pages)]
        before = cpu_seconds(server)
        seen = await asyncio.gather(*jobs)
        used = cpu_seconds(server) - before
        await browser.close()
    return dict(zip(names, seen, strict=True)), used


def faults(server: Server, seen: dict[str, Seen]) -> dict[str, int]:
    """Presses and stored answers, compared one to one."""
    presses = [(name, record, LABELS[int(key) - 1]) for name, one in seen.items() for record, key in one.keys]
    pressed = Counter(press for press in presses if press[1])
    events = server.events(*seen)
    stored = Counter((event["annotator"], event["record_id"], event["label"]) for event in events)
    people = Counter(record for record in {(event["record_id"], event["annotator"]) for event in events})
    shared = Counter(record for record, _ in people)
    return {
        "keys": len(presses),
        "with no record on the screen": len(presses) - pressed.total(),
        "stored": stored.total(),
        "lost": max(0, pressed.total() - stored.total()),
        "doubled": max(0, stored.total() - pressed.total()),
        "on the wrong record or label": (pressed - stored).total(),
        "records given to two people": sum(count > 1 for count in shared.values()),
    }


def cpu_seconds(server: Server) -> float:
    """What the server has used so far."""
    times = psutil.Process(server.process.pid).cpu_times()
    return times.user + times.system


def show(name: str, values: list[float], requested: float) -> None:
    """One line of the table."""
    p50, p95, worst = (float(np.percentile(values, share)) for share in (50, 95, 100))
    print(f"| {name} | {p50:.0f} | {p95:.0f} | {worst:.0f} | {requested:.0f} |")


def main() -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--keys", type=int, default=60, help="per person")
    parser.add_argument("--rate", type=float, default=3.0, help="keys per second and person")
    parser.add_argument("--learning", action="store_true", help="rounds of 100 start by themselves meanwhile")
    wish = parser.parse_args()
    settings = {"batch_size = 20": "batch_size = 100"}
    if not wish.learning:
        settings["automatic = true"] = "automatic = false"
    texts = [f"Message {number}: the parcel came on day {number % 7}." for number in range(3000)]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "project", ",".join(LABELS), texts, settings)
        try:
            names = [f"person{number}" for number in range(wish.people)]
            seen, used = asyncio.run(run(server, names, wish.keys, wish.rate))
            counts = faults(server, seen)
        finally:
            server.kill()
    print(f"{wish.people} people, {wish.rate:g} keys/s each, {wish.keys} keys each, learning: {wish.learning}\n")
    print("| from key press to | p50 ms | p95 ms | worst ms | wanted p95 |\n|---|---|---|---|---|")
    show("next record painted", [time for one in seen.values() for time in one.painted], 50)
    show("saved", [time for one in seen.values() for time in one.saved], 250)
    print(f"\nserver: {1000 * used / max(1, counts['stored']):.0f} ms of CPU per answer")
    print(", ".join(f"{name}: {count}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
