"""Whoever opens a project sweeps what a kill left behind and takes in what has ended; folders may move or be copied."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from core.project import open_project
from gpu_jobs.runners.choice import RUNNERS
from gpu_jobs.runners.local import LocalRunner
from tests.command_line import figures, rondo
from tests.conftest import plain_kind
from tests.waiting import wait_for

SLOW = ("--set", "epochs=400", "--set", "patience=0")


def test_what_kills_left_behind_goes_with_the_next_command(encoded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(encoded, folder)
    project = open_project(folder, LocalRunner(1), RUNNERS)
    orders: dict[str, dict[str, str]] = {"ingest": {}, "train": {"trainer": "head"}}
    dead = [project.jobs.prepare(plain_kind(name), params) for name, params in orders.items()]
    with project.store.transaction() as cursor:
        for bundle in dead:
            cursor.execute(f"copy (select text from records) to '{bundle.path / 'in' / 'texts.parquet'}'")
        cursor.execute("update jobs set state = 'running', handle = '{\"pid\": 1}' where kind = 'ingest'")
        cursor.execute("update jobs set runner = 'local', state = 'failed' where kind = 'train'")
    project.close()
    (folder / "exports").mkdir()
    names = ("exports/.labels.csv.ab12cd34.partial", "rondo.partial", "models/m.partial", "rounds/00001.partial.npz")
    uploads = (".rondo/uploads/a/mails.csv", ".rondo/import/.home/drafts/b/mails.csv")
    left = [folder / name for name in (*names, *uploads)]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("somebody's text")
    own = folder / "notes.partial"
    own.write_text("a person's own")
    assert figures(folder)["records"] == 60
    assert not any(path.exists() for path in left)
    assert own.exists()
    assert not (dead[0].path / "in").exists()
    assert (dead[1].path / "in").exists(), "it can be tried again"
    project = open_project(folder, LocalRunner(1), RUNNERS)
    with project.store.transaction() as cursor:
        cursor.execute("update jobs set ended_at = now() - interval 15 days where kind = 'train'")
    project.close()
    assert figures(folder)["records"] == 60
    assert not (dead[1].path / "in").exists()


@pytest.fixture
def training(played: Path, tmp_path: Path) -> tuple[Path, str]:
    """A project and the id of a job that trains on its own."""
    folder = tmp_path / "project"
    shutil.copytree(played, folder)
    job = json.loads(rondo("train", "--trainer", "head", "--detach", "--json", "--project", folder))["id"]
    return folder, job


def ended(folder: Path, job: str) -> None:
    """Waits until it has."""
    wait_for((folder / "jobs" / job / "result.json").exists)


@pytest.mark.parametrize("words", [("models",), ("status",)], ids=lambda words: words[0])
def test_a_detached_job_that_has_ended_is_taken_in_by_the_next_command(
    training: tuple[Path, str], words: tuple[str, ...]
) -> None:
    folder, job = training
    ended(folder, job)
    rondo(*words, "--project", folder)
    assert (folder / "models" / job / "manifest.json").exists()
    assert job in rondo("models", "--project", folder)


def running(folder: Path) -> tuple[str, psutil.Process]:
    """A detached job that takes long, and its process."""
    stored = json.loads(rondo("train", "--trainer", "encoder", *SLOW, "--detach", "--json", "--project", folder))

    def works(process: psutil.Process) -> bool:
        return (process.info["cmdline"] or [])[-1:] == [stored["id"]]

    return stored["id"], wait_for(lambda: next(filter(works, psutil.process_iter(["cmdline"])), None))


def state(folder: Path, job: str) -> dict[str, str]:
    return dict(json.loads(rondo("jobs", "show", job, "--json", "--project", folder)))


def test_a_job_goes_along_with_a_project_that_is_renamed_and_is_cancelled_for_real(
    played: Path, tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(played, before)
    job, process = running(before)
    before.rename(after)
    assert state(after, job)["state"] == "running"
    rondo("jobs", "cancel", job, "--project", after)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert state(after, job)["state"] == "cancelled"
    assert not before.exists()


def test_a_copy_of_a_project_says_that_its_job_runs_elsewhere_and_leaves_it_alone(played: Path, tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    shutil.copytree(played, original)
    job, process = running(original)
    shutil.copytree(original, copy)
    try:
        result = state(copy, job)
        assert result["state"] == "lost"
        assert str(original) in result["message"]
        rondo("jobs", "cancel", job, "--project", copy)
        assert process.is_running()
        assert str(original) in state(copy, job)["message"]
        assert state(original, job)["state"] == "running"
    finally:
        rondo("jobs", "cancel", job, "--project", original)


# Root may write everywhere: the process becomes somebody else first.
_AS_NOBODY = """
import os, sys
from pathlib import Path
import duckdb, encodings.utf_8_sig, psutil, pydantic.type_adapter, app.auth.secret_file, core.loop, core.upkeep
import core.project, gpu_jobs.runners.choice, annotation.workspace
from app.client import call
from core.errors import Refused
from core.loop import export, next_batch
from core.reports.overview import show_status
from core.verbs import VERBS, function_of
folder, out = Path(sys.argv[1]), sys.argv[2]
for verb in VERBS:
    function_of(verb)
if os.geteuid() == 0:
    os.seteuid(65534)
quiet = lambda *_: None
print(call(folder, show_status, quiet).records)
print(call(folder, export, quiet, out=out, file_format="csv", what="all").rows)
try:
    call(folder, next_batch, quiet)
except Refused as error:
    print(error)
"""


def test_a_folder_that_may_not_be_written_to_can_be_looked_at_and_says_why(encoded: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        shutil.copytree(encoded, home / "project")
        (home / "out").mkdir()
        for path in (home, *home.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (home / "out").chmod(0o777)
        if os.geteuid():
            for path in (home / "project", *(home / "project").rglob("*")):
                path.chmod(path.stat().st_mode & ~stat.S_IWUSR)
        words = [sys.executable, "-c", _AS_NOBODY, str(home / "project"), str(home / "out" / "all.csv")]
        done = subprocess.run(words, capture_output=True, text=True)
        for path in (home / "project").rglob("*"):
            path.chmod(0o755)
        assert done.returncode == 0, done.stderr
        records, rows, refusal = done.stdout.splitlines()
        assert (records, rows) == ("60", "60")
        assert "may not be written to by you" in refusal
        assert "backups" not in refusal
