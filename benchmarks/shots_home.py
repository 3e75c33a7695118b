"""The pictures of the home and of the page that makes a project, from a home with three of the samples."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page

from app.home.samples import SAMPLES
from benchmarks.screens import OUT, SCREENS, wait_for
from core.home.folders import open_home, rename

PORT = 8597
URL = f"http://127.0.0.1:{PORT}"
UNENCODED = ("messages", "tales")
FEEDBACK = (
    ("The new search finds nothing that I type", "8841", "en", "complaint", ""),
    ("Wie ändere ich meine Adresse?", "8842", "de", "question", ""),
    ("Great work, thank you all", "8843", "en", "praise", "test"),
    ("حسابي لا يعمل منذ أمس", "8844", "ar", "", ""),
    ("Can I export to Excel?", "8845", "en", "Question", ""),
    ("It stops after the second page every time", "8846", "en", "complaint", "test"),
    ("", "8847", "en", "praise", ""),
)


def take(browser: Browser, played: Path) -> None:
    """played: a project with rounds in it, which is copied into the home."""
    folder = open_home(played.parent / "shots-home")
    shutil.copytree(played, folder / "docstrings", ignore=shutil.ignore_patterns(".rondo", "*.jsonl"))
    rename(folder, "docstrings", SAMPLES["docstrings"].title)
    for name in UNENCODED:
        SAMPLES[name].fill(folder / name, lambda *_: None)
        rename(folder, name, SAMPLES[name].title)
    file = played.parent / "feedback.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("message", "ticket", "lang", "kind", "set"), *FEEDBACK])
    server = subprocess.Popen(
        [sys.executable, "-m", "app", "up", "--home", str(folder), "--no-token", "--port", str(PORT)]
    )
    try:
        wait_for(URL)
        for width, scheme in (SCREENS[0], SCREENS[-1]):
            page = browser.new_page(viewport={"width": width, "height": 860}, color_scheme=scheme)
            _take(page, file, f"{width}-{scheme}")
            page.close()
    finally:
        server.terminate()
        server.wait(20)


def _take(page: Page, file: Path, suffix: str) -> None:
    page.goto(URL)
    page.get_by_role("listitem").first.wait_for()
    page.add_style_tag(content="#where { visibility: hidden }")  # a folder of this machine
    page.screenshot(path=OUT / f"home-{suffix}.png")
    page.goto(f"{URL}/new")
    page.get_by_label("File with your texts").set_input_files(file)
    page.get_by_label("kind", exact=True).select_option("label")
    page.get_by_role("button", name="Merge into question").click()
    page.get_by_role("button", name="take the 3 from").click()
    page.get_by_text("The first record comes at once").wait_for()
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=OUT / f"new-{suffix}.png")
