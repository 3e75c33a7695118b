"""Backups and archives: whole and checked or not there; what comes back is what was there."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from core import loop
from core.backup.archives import MANIFEST, restore, write_archive
from core.backup.backups import back_up
from core.backup.stored_tables import tables
from core.config.settings import read_settings
from core.data.encoding import encode
from core.errors import BadInput, Damaged, Refused, RondoError
from core.labelling.changes import change_settings
from core.models.artifacts import check_model
from core.models.vectors import open_vectors
from core.project import Project, open_project
from core.reports.overview import status
from core.store.migrations import MIGRATIONS
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet

Rows = dict[str, list[tuple[object, ...]]]


@pytest.fixture
def labelled(played: Path, tmp_path: Path) -> Iterator[Project]:
    """Two batches labelled, two models, and text that no format likes."""
    shutil.copytree(played, tmp_path / "project")
    project = open_project(tmp_path / "project", InProcessRunner())
    change_settings(project, guidelines="say\n'why', \"always\" \u2028 \\ é 標籤")
    yield project
    project.close()


def rows(project: Project) -> Rows:
    """Every row of every table, in its order."""
    with project.store.reading() as cursor:
        return {table: cursor.execute(f"from {table} order by rowid").fetchall() for table in tables(cursor)}


def archived(project: Project, folder: Path) -> Path:
    write_archive(project, quiet, archive=str(folder / "project.rondo"))
    return folder / "project.rondo"


def test_restoring_an_archive_is_the_inverse_of_writing_it(labelled: Project, tmp_path: Path) -> None:
    before, settings = rows(labelled), labelled.settings()
    assert len(before["responses"]) >= 20
    result = restore(archived(labelled, tmp_path), tmp_path / "restored", quiet)
    assert result.tables == {table: len(stored) for table, stored in before.items()}
    opened = open_project(tmp_path / "restored", InProcessRunner())
    assert rows(opened) == before
    assert opened.settings() == settings
    assert (opened.folder / "rondo.toml").read_bytes() == (labelled.folder / "rondo.toml").read_bytes()
    models = [model for (model,) in labelled.store.query("select id from models")]
    assert len(models) == 2
    for model in models:
        assert check_model(opened.models / model) == check_model(labelled.models / model)
    encode(opened, quiet)
    assert (open_vectors(opened.vectors, settings.encoder) == open_vectors(labelled.vectors, settings.encoder)).all()
    assert loop.fit(opened, quiet).labels == loop.fit(labelled, quiet).labels
    opened.close()


def test_an_archive_is_read_without_duckdb(labelled: Project, tmp_path: Path) -> None:
    with zipfile.ZipFile(archived(labelled, tmp_path)) as archive:
        manifest = json.loads(archive.read(MANIFEST))
        responses = pl.read_parquet(archive.open("tables/responses.parquet").read())
        records = pl.read_parquet(archive.open("tables/records.parquet").read())
    assert responses.height == manifest["tables"]["responses"]["rows"]
    assert responses.columns == list(manifest["tables"]["responses"]["columns"])
    assert set(responses["labels"].list.join("|")) == {"weather", "food", "music"}
    assert records["text"][0] == "The rain came before the rain, said witness 0."
    assert manifest["tables"]["records"]["rows"] == 60


def test_an_archive_that_is_not_what_was_written_is_refused_and_leaves_nothing(
    labelled: Project, tmp_path: Path
) -> None:
    good = archived(labelled, tmp_path).read_bytes()
    room = tmp_path / "room"
    room.mkdir()
    bad = room / "bad.rondo"
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        starts = [file.header_offset + 30 + len(file.filename) for file in archive.infolist() if file.compress_size]
    for offset in starts[:: max(len(starts) // 9, 1)]:  # in what is stored: a bit of a file's date does no harm
        bad.write_bytes(good[:offset])
        with pytest.raises(RondoError):
            restore(bad, room / "made", quiet)
        bad.write_bytes(good[:offset] + bytes([good[offset] ^ 8]) + good[offset + 1 :])
        with pytest.raises(RondoError):
            restore(bad, room / "made", quiet)
        assert os.listdir(room) == ["bad.rondo"]


def changed(archive: Path, target: Path, **manifest: object) -> Path:
    """The same archive with another manifest, and with `extra`, a name that it lists, added."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as made:
        facts = json.loads(source.read(MANIFEST)) | manifest
        for name in source.namelist():
            if name != MANIFEST:
                made.writestr(name, source.read(name))
        for name in facts["files"].keys() - set(source.namelist()):
            made.writestr(name, b"x")
        made.writestr(MANIFEST, json.dumps(facts))
    return target


def test_an_archive_writes_nowhere_but_into_its_project_and_of_a_newer_rondo_it_is_left_alone(
    labelled: Project, tmp_path: Path
) -> None:
    archive = archived(labelled, tmp_path)
    files = json.loads(zipfile.ZipFile(archive).read(MANIFEST))["files"]
    for name in ("../escaped", "/tmp/escaped", "models/../../escaped", ".streamlit/secrets.toml"):
        bad = changed(archive, tmp_path / "bad.rondo", files=files | {name: "0"})
        with pytest.raises(Damaged, match=r"no part of a project|not what was written"):
            restore(bad, tmp_path / "made", quiet)
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "escaped").exists()
    with pytest.raises(Refused, match="newer Rondo"):
        restore(changed(archive, tmp_path / "new.rondo", schema=len(MIGRATIONS) + 1), tmp_path / "made", quiet)
    with pytest.raises(BadInput, match="not empty"):
        restore(archive, labelled.folder, quiet)
    with pytest.raises(BadInput, match="never overwrites"):
        write_archive(labelled, quiet, archive=str(archive))


def test_an_archive_brings_no_sql(labelled: Project, tmp_path: Path) -> None:
    archive = archived(labelled, tmp_path)
    stored = json.loads(zipfile.ZipFile(archive).read(MANIFEST))["tables"]
    escaped = tmp_path / "escaped"
    copies = f"n\") select 1; copy (select 1) to '{escaped}'; --"
    for table in (
        {"records": {"rows": 1, "columns": {copies: "VARCHAR"}}},
        {"records": {"rows": 1, "columns": {}}},
        {f"records; copy (select 1) to '{escaped}'": stored["records"]},
    ):
        bad = changed(archive, tmp_path / "bad.rondo", tables=stored | table)
        with pytest.raises(Damaged, match=r"which no Rondo has|has no columns"):
            restore(bad, tmp_path / "made", quiet)
    assert not escaped.exists()
    assert not (tmp_path / "made").exists()


def test_a_backup_is_a_project_with_the_models_that_its_database_names(labelled: Project, tmp_path: Path) -> None:
    before = rows(labelled)
    back_up(labelled, quiet, out=str(tmp_path / "copy"))
    assert sorted(os.listdir(tmp_path / "copy")) == ["models", "rondo.duckdb", "rondo.toml", "rounds"]
    copy = open_project(tmp_path / "copy", InProcessRunner())
    assert rows(copy) == before
    assert status(copy).labelled == status(labelled).labelled
    for (model,) in copy.store.query("select id from models"):
        check_model(copy.models / model)
    copy.close()


def test_a_project_stays_ours_alone_while_and_after_it_is_copied(labelled: Project, tmp_path: Path) -> None:
    back_up(labelled, quiet, out=str(tmp_path / "copy"))
    archived(labelled, tmp_path)
    opens = "import sys\nfrom pathlib import Path\nfrom core.store.database import Store\nStore(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", opens, str(labelled.folder)], capture_output=True, text=True, check=False
    )
    assert "is open in another process" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB, which only root can make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be made only by root, and where mounting is allowed")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_on_a_full_disk_a_backup_and_an_archive_are_one_sentence_and_leave_nothing(
    labelled: Project, small_disk: Path
) -> None:
    with pytest.raises(Refused, match="the disk is full"):
        back_up(labelled, quiet, out=str(small_disk / "deep" / "copy"))
    with pytest.raises(Refused, match="the disk is full"):
        write_archive(labelled, quiet, archive=str(small_disk / "project.rondo"))
    assert os.listdir(small_disk) == []
    assert loop.next_batch(labelled, quiet, size=3).queued == 3


def test_on_a_full_disk_settings_and_answers_stay_as_they_were(labelled: Project, small_disk: Path) -> None:
    folder = small_disk / "project"
    folder.mkdir()
    shutil.copyfile(labelled.folder / "rondo.toml", folder / "rondo.toml")
    before = (folder / "rondo.toml").read_bytes()
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "filler").write_bytes(b"x" * 2_000_000)
    script = (
        "import sys\nfrom pathlib import Path\nfrom app.cli.options import errors\n"
        "from core.config.settings import read_settings, with_changes, write_settings\n"
        "folder = Path(sys.argv[1])\nwith errors():\n"
        "    write_settings(folder, with_changes(read_settings(folder), guidelines='x' * 9000))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("The disk is full")
    assert len(done.stderr.splitlines()) == 1
    assert (folder / "rondo.toml").read_bytes() == before
    assert read_settings(folder) == labelled.settings()
    assert [path.name for path in folder.iterdir()] == ["rondo.toml"]
