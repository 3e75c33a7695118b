"""`make shots`: the screenshots of README and docs, taken from the running demo, so that they stay true.

`python -m benchmarks.shots --project FOLDER` keeps what was played and trained in FOLDER/docstrings, and takes the
pictures from there the next time: minutes less.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks import shots_extract, shots_home, shots_pairs, shots_team
from benchmarks.screens import FLAGS, OUT, SCREENS, wait_for
from core.config.settings import read_settings, write_settings

PORT = 8599
TRAINED = (
    ("zeroshot",),
    ("setfit", "max_steps=120", "eval_steps=20", "batch_size=16", "max_length=64", "iterations=10"),
)
URL = f"http://127.0.0.1:{PORT}"
EVERYWHERE = ("", "rounds", "settings")
BOTH_ENDS = (
    "records",
    "records?record={record}",
    "map",
    "auto_label",
    "prepare",
    "export",
    "predict",
    "folders",
    "upkeep",
    "jobs?job={job}",
    "models",
    "team?annotator=me",
)
"""pages that are shown wide and light, narrow and dark"""


def main() -> None:
    """Plays a demo, starts the app on it, and takes every picture wide and narrow, light and dark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path)
    kept = parser.parse_args().project
    OUT.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="rondo-shots-")) / "docstrings"
    rondo = [sys.executable, "-m", "app"]
    if kept is None or not (kept / "docstrings").exists():
        _play(rondo, folder)
        if kept is not None:
            shutil.copytree(folder, kept / "docstrings")
    else:
        shutil.copytree(kept / "docstrings", folder)
    write_settings(folder, replace(read_settings(folder), tune=False))  # its progress would stand on every page
    record = json.loads((folder / "docstrings.jsonl").read_text(encoding="utf-8").splitlines()[7])["id"]
    password = shots_team.prepare(folder)
    job = json.loads(subprocess.check_output([*rondo, "--project", str(folder), "jobs", "--json"]))["jobs"][0]["id"]
    server = subprocess.Popen([*rondo, "up", "--no-token", "--project", str(folder), "--port", str(PORT)])
    try:
        wait_for(URL)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            for width, scheme in SCREENS:
                narrow = width < 500  # a phone has no keys, and nothing hovers
                context = browser.new_context(
                    viewport={"width": width, "height": 860}, color_scheme=scheme, has_touch=narrow, is_mobile=narrow
                )
                _take(context.new_page(), f"{width}-{scheme}", {"record": record, "job": job})
                context.close()
            shots_team.take_argilla(browser, password, OUT / "argilla-1280-light.png")
            shots_team.ask_for_codes(folder)
            for width, scheme in (SCREENS[0], SCREENS[-1]):
                page = browser.new_page(viewport={"width": width, "height": 860}, color_scheme=scheme)
                page.goto(f"{URL}/sign-in")
                page.screenshot(path=OUT / f"sign-in-{width}-{scheme}.png")
            shots_home.take(browser, folder)
            shots_pairs.take(browser)
            shots_extract.take(browser)
            browser.close()
    finally:
        server.terminate()
        server.wait(20)
        shots_team.end(folder)


def _play(rondo: list[str], folder: Path) -> None:
    """Rounds, a map, suspicious labels and two more models."""
    subprocess.run([*rondo, "demo", "--oracle", "--rounds", "12", "--project", str(folder)], check=True)
    for verb in ("inspect", "map"):
        subprocess.run([*rondo, "--project", str(folder), verb], check=True)
    for trainer, *supplied in TRAINED:
        options = [part for value in supplied for part in ("--set", value)]
        subprocess.run([*rondo, "--project", str(folder), "train", "--trainer", trainer, *options], check=True)


def _take(page: Page, suffix: str, shown: dict[str, str]) -> None:
    page.goto(f"{URL}/label?annotator=me-{suffix}")
    page.wait_for_selector('[data-testid="record"]:not([data-record-id=""])')
    for _ in range(5):  # the last answers stand beside the card, and a record with a suggestion in it
        blind = page.locator("[data-action=accept]").is_disabled()
        page.keyboard.press("Space" if blind else "Enter")
        page.wait_for_timeout(300)
    if page.locator("[data-action=accept]").is_disabled():
        page.keyboard.press("Space")
    page.wait_for_timeout(1500)
    page.screenshot(path=OUT / f"label-{suffix}.png")
    both = BOTH_ENDS if suffix in ("1280-light", "390-dark") else ()
    for address in (*EVERYWHERE, *both):
        page.goto(f"{URL}/{address.format(**shown)}")
        page.wait_for_selector("h1")
        page.wait_for_selector('[data-test-script-state="notRunning"]')
        page.wait_for_timeout(4000)
        if address.startswith("team"):
            page.wait_for_selector('[data-testid="record"]:not([data-record-id=""])')
            page.get_by_role("heading", name="Conflicts").evaluate("heading => heading.scrollIntoView()")
            page.wait_for_timeout(1000)
        if "job=" in address:
            page.locator('[data-testid="stVegaLiteChart"]').first.scroll_into_view_if_needed()
            page.wait_for_timeout(1000)
        name = "record" if "record=" in address else address.split("?")[0] or "overview"
        page.screenshot(path=OUT / f"{name}-{suffix}.png", full_page=False)


if __name__ == "__main__":
    main()
