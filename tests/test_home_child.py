"""Work of a home in a process of its own: what it says is read, whatever else prints; who listens no more ends it."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from app.home.child import follow

WORK = """
import os, sys
from app.home.child import speak

def work(report):
    print("loss 0.5")
    os.system("echo from a process")
    report("Training", 1, 2)
    return {"rounds": 2}

speak(work, "Stopped.")
"""


def test_what_work_prints_is_no_word_of_it() -> None:
    listens, speaks = os.pipe()  # its end would stop the work
    done = subprocess.run([sys.executable, "-c", WORK], stdin=listens, capture_output=True, text=True)
    os.close(listens)
    os.close(speaks)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"progress": ["Training", 1, 2]},
        {"result": {"rounds": 2}},
    ]
    assert "loss 0.5" in done.stderr
    assert "from a process" in done.stderr


def test_a_process_that_nobody_listens_to_ends(encoded: Path, tmp_path: Path) -> None:
    project = shutil.copytree(encoded, tmp_path / "project")

    def progress(what: str, done: int, total: int) -> None:
        raise ValueError(what)

    with pytest.raises(ValueError, match="Reading"):
        follow("app.home.tending", ["repair", project], tmp_path / "log", threading.Event(), progress)
    here = {"app.home.tending", str(project)}
    assert not [one for one in psutil.process_iter(["cmdline"]) if here <= set(one.info["cmdline"] or ())]
