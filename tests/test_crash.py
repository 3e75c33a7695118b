"""A command killed with -9 leaves a project that is as before or as after, and the same command finishes it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core import loop
from tests.command_line import figures, rondo

ROWS = 60_000


def kill_after(words: list[str], seconds: float, *, jobs_too: bool) -> None:
    """Starts a command and kills it, with the job that it started or without."""
    child = subprocess.Popen(
        [sys.executable, "-m", "app", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    family = psutil.Process(child.pid).children(recursive=True) if jobs_too and child.poll() is None else []
    child.kill()
    for one in family:
        one.kill()
    child.wait()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that takes about a second to import, labels and all."""
    file = tmp_path / "large.csv"
    lines = (f"r{number},record {number} says something,{'ab'[number % 2]}" for number in range(ROWS))
    file.write_text("id,text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_an_import_that_is_killed_is_done_or_undone(tmp_path: Path, large: Path) -> None:
    folder = tmp_path / "project"
    loop.create_project(folder, ["a", "b"])
    words = ["import", str(large), "--text", "text", "--id", "id", "--label", "label", "--project", str(folder)]
    for attempt in range(5):
        kill_after(words, 0.5 + 0.5 * attempt, jobs_too=attempt % 2 == 0)
        matches = figures(folder)
        assert (matches["records"], matches["labelled"]) in {(0, 0), (ROWS, ROWS)}
    stored = json.loads(rondo(*words, "--json"))
    assert stored["rows"] == ROWS
    assert (figures(folder)["records"], figures(folder)["labelled"]) == (ROWS, ROWS)


def test_an_encoding_that_is_killed_goes_on_and_is_whole_in_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    loop.create_project(folder, ["a", "b"])
    file = tmp_path / "some.csv"
    file.write_text("text\n" + "\n".join(f"record {number} says something" for number in range(3_000)) + "\n")
    rondo("import", file, "--text", "text", "--project", folder)
    for attempt in range(3):
        kill_after(["encode", "--project", str(folder)], 1.0 + 0.7 * attempt, jobs_too=attempt != 1)
        assert figures(folder)["encoded"] in {0, 3_000}
    rondo("encode", "--project", folder)
    assert figures(folder)["encoded"] == 3_000
    from core.models.vectors import check_vectors

    assert check_vectors(folder / "vectors", "all-MiniLM-L6-v2") == 3_000
