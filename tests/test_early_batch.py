"""The first batch does not wait until all records are encoded, and no order of the file shows in it."""

from pathlib import Path

import pytest

from core import loop
from core.data.encode_elsewhere import encode_if_needed
from core.data.file_import import import_file
from core.models.vectors import encoded_rows
from core.project import Project, open_project
from core.rounds import early_batch
from core.rounds.rechoosing import rechoose
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import TOPICS, quiet, sentences


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """1,200 records, nothing encoded, no label: first all of one topic, then all of the next."""
    loop.create_project(tmp_path / "project", list(TOPICS))
    texts = sorted(sentences(1_200), key=lambda one: one[1])
    (tmp_path / "a.csv").write_text("text\n" + "".join(f'"{text}"\n' for text, _ in texts), encoding="utf-8")
    project = open_project(tmp_path / "project", InProcessRunner())
    import_file(project, quiet, file=str(tmp_path / "a.csv"), text=["text"])
    return project


def test_records_are_asked_before_they_are_encoded_and_the_audit_is_drawn_from_all(fresh: Project) -> None:
    result = early_batch.early_batch(fresh, quiet, {"audit_share": 0.5})
    assert result is not None
    assert (result.queued, result.audit) == (20, 10)
    assert encoded_rows(fresh.vectors, fresh.settings().encoder) == 0
    assert fresh.store.query("select pool, records from batches") == [(1_200, 1_200)]
    queue = [n for (n,) in fresh.store.query("select n from queue")]
    assert len(queue) == 20 + 200
    assert {n // 400 for n in queue} == {0, 1, 2}, "each topic stands in a third of the file"
    assert not any((fresh.folder / "jobs").glob("*/ckpt/*")), "its vectors are gone"
    assert rechoose_after_encoding(fresh)
    fresh.close()


def rechoose_after_encoding(project: Project) -> bool:
    """The round can be played again by the vectors that all records have then; and none is early any more."""
    with project.encoding_now:  # as if another thread were encoding: a later batch must be drawn from all, too
        assert early_batch.early_batch(project, quiet, {}) is not None
    encode_if_needed(project, quiet)
    assert early_batch.early_batch(project, quiet, {}) is None
    return rechoose(project, quiet, batch=1).same
