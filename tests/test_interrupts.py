"""Ctrl-C at any moment of a command: what was stored stays and is told, what was not leaves nothing, no traceback."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import loop
from core.models.vectors import check_vectors
from tests.command_line import figures, rondo
from tests.ports import free_port

ROWS = 12_000
"""they are stored in two parts"""
ENDS = (0, 130, -signal.SIGINT)
"""done, stopped; or done, and Python was just going home"""


def interrupt(words: list[str], seconds: float) -> tuple[int, str, str]:
    """Starts a command, presses Ctrl-C after some time; (exit code, what it said, what it complained of)."""
    child = subprocess.Popen([sys.executable, "-m", "app", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(seconds)
    child.send_signal(signal.SIGINT)
    out, complaint = child.communicate()
    return child.returncode, out.decode(), complaint.decode()


@pytest.fixture(scope="module")
def seconds() -> dict[str, float]:
    """How long a command takes on this machine, by its verb; measured by the first test that asks."""
    return {}


def measure(words: list[str]) -> float:
    """A process of its own, as the one that is stopped later."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "app", *words], check=True, capture_output=True)
    return time.monotonic() - began


def left_over(folder: Path) -> list[Path]:
    """What nobody will go on with."""
    partials = [path for path in folder.rglob("*") if ".partial" in path.name]
    return partials + [path for path in folder.glob("jobs/*/in") if "-encode-" not in path.parent.name]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.6, 0.7, 0.8, 0.86, 0.92, 0.97])
def test_an_import_that_is_stopped_is_reported_with_its_progress(
    tmp_path: Path, seconds: dict[str, float], share: float
) -> None:
    lines = (f"r{number},record {number} says something,{'ab'[number % 2]}" for number in range(ROWS))
    (tmp_path / "large.csv").write_text("id,text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    words = ["import", str(tmp_path / "large.csv"), "--text", "text", "--id", "id", "--label", "label", "--project"]
    if "import" not in seconds:
        loop.create_project(tmp_path / "whole", [])
        seconds["import"] = measure([*words, str(tmp_path / "whole")])
    folder = tmp_path / "stopped"
    loop.create_project(folder, [])
    code, out, complaint = interrupt([*words, str(folder)], share * seconds["import"])
    assert "Traceback" not in complaint
    assert code in ENDS
    matches = figures(folder)
    assert (matches["records"], matches["labelled"], len(matches["labels"])) in {(0, 0, 0), (ROWS, ROWS, 2)}
    assert (matches["records"] > 0) == (f"{ROWS:,} new records" in out)
    assert not left_over(folder)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.95])
def test_encoding_choosing_and_exporting_that_are_stopped_leave_all_whole(
    encoded: Path, tmp_path: Path, seconds: dict[str, float], share: float
) -> None:
    folder, out = tmp_path / "project", tmp_path / "out.csv"

    def prepare(verb: str) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(encoded, folder)
        if verb == "encode":
            shutil.rmtree(folder / "vectors")

    commands = {
        "encode": ["encode"],
        "next": ["next", "--size", "5"],
        "export": ["export", "--format", "csv", "--what", "all", "--out", str(out), "--card"],
    }
    for verb, words in commands.items():
        prepare(verb)
        if verb not in seconds:
            seconds[verb] = measure([*words, "--project", str(folder)])
            out.unlink(missing_ok=True)
            prepare(verb)
        code, message, complaint = interrupt([*words, "--project", str(folder)], share * seconds[verb])
        assert "Traceback" not in complaint, (verb, complaint)
        assert code in ENDS, (verb, complaint)
        matches = figures(folder)
        assert matches["queued"] in ((0, 5) if verb == "next" else (0,))
        assert matches["encoded"] == check_vectors(folder / "vectors", "all-MiniLM-L6-v2")
        if verb != "encode":
            assert (code != 130) == bool(message), (verb, message)
        if out.exists():
            assert len(out.read_text(encoding="utf-8").splitlines()) == 61
        assert not left_over(folder)
        assert not list(tmp_path.glob(".*.partial"))


def test_a_command_that_a_server_works_for_says_what_became_of_it(tmp_path: Path, encoded: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(encoded, folder)
    lines = (f"n{number},record {number} says something" for number in range(ROWS))
    (tmp_path / "large.csv").write_text("id,text\n" + "\n".join(lines) + "\n", encoding="utf-8")
    port = str(free_port())
    server = subprocess.Popen(
        [sys.executable, "-m", "app", "up", "--project", str(folder), "--port", port],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        while not (folder / ".rondo" / "server.json").exists():
            time.sleep(0.05)
        words = ["import", str(tmp_path / "large.csv"), "--text", "text", "--id", "id", "--project", str(folder)]
        code, out, complaint = interrupt(words, 2.5)
        records = json.loads(rondo("status", "--json", "--project", folder))["records"]
        assert "Traceback" not in complaint
        assert (code, records) in {(0, 60 + ROWS), (130, 60)}, (out, complaint)
    finally:
        server.send_signal(signal.SIGINT)
        _, server_complaint = server.communicate()
    assert b"Traceback" not in server_complaint
