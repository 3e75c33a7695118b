"""A task that the app does not have comes from files, goes back into files, to Argilla and into a replay."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.cli.import_file import import_lines
from core.config.settings import Settings, write_settings
from core.data.file_import import ImportSummary, import_file
from core.errors import BadInput
from core.project import Project, open_project
from core.tasks.tasks import TASKS
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.number_task import NUMBER


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project that asks for numbers and has no records yet."""
    monkeypatch.setitem(TASKS, "number", NUMBER)
    (tmp_path / "numbers").mkdir()
    write_settings(tmp_path / "numbers", Settings(name="numbers", task="number"))
    project = open_project(tmp_path / "numbers", InProcessRunner())
    yield project
    project.close()


Row = tuple[str, ...]
COLUMNS = ("id", "text", "count", "split")


def bring(project: Project, rows: Sequence[Row], columns: Sequence[str] = COLUMNS, **options: Any) -> ImportSummary:
    """Imports rows of a file with these columns."""
    file = project.folder.parent / "baskets.csv"
    file.write_text("\n".join(",".join(row) for row in [tuple(columns), *rows]) + "\n")
    named: dict[str, Any] = {"split": "split"} if "split" in columns else {}
    return import_file(project, quiet, file=str(file), text=["text"], id="id", label="count", **named, **options)


def settled(project: Project) -> dict[str, tuple[object, str, str]]:
    """Record id -> answer, how it was settled, stratum."""
    rows = project.store.query("select id, answer, labels, how, stratum from settled join records using (n)")
    assert all(labels == [] for _, _, labels, *_ in rows)
    return {id: (json.loads(answer), how, stratum) for id, answer, _, how, stratum in rows}


KNOWN: list[Row] = [
    ("a", "three apples", "3", "train"),
    ("b", "three pears", "3.0", "validation"),
    ("c", "seven figs", "7", "test"),
    ("d", "some plums", "", "train"),
    ("e", "no nuts", "NA", "train"),
]


def test_known_answers_of_a_file_settle_its_records_and_what_was_understood_is_said(empty: Project) -> None:
    summary = bring(empty, KNOWN)
    assert settled(empty) == {
        "a": ({"number": 3.0}, "single", "file"),
        "b": ({"number": 3.0}, "single", "file"),
        "c": ({"number": 7.0}, "single", "gold"),
    }
    lines = import_lines(summary)
    assert "3 came with an answer." in lines
    assert "2 different answers, such as 3, 7." in lines
    assert "No answer where the file says NA 1 (as answers: --keep-missing-words)." in lines
    assert not [line for line in lines if "label" in line.replace("rondo up (label it)", "")]


def test_a_file_that_changes_answers_holds_and_the_same_file_again_changes_nothing(empty: Project) -> None:
    bring(empty, KNOWN)
    again = bring(empty, KNOWN)
    assert (again.new, again.changed, again.same) == (0, 0, 3)
    other = bring(empty, [("a", "three apples", "4", "train")])
    assert (other.changed, other.contradicted) == (1, 0)
    assert settled(empty)["a"] == ({"number": 4.0}, "single", "file")


@pytest.mark.parametrize(("cell", "reason"), [("many", "'many' is not a number"), ("99", "from 0 to 50 is needed")])
def test_a_cell_that_holds_no_answer_is_named_by_file_row_and_column(empty: Project, cell: str, reason: str) -> None:
    with pytest.raises(BadInput, match=rf"baskets.csv: row 2 .*, column 'count' holds no answer .*{reason}"):
        bring(empty, [("a", "three apples", "3", "train"), ("b", "pears", cell, "train")])
    assert not empty.store.one("select count(*) from records")


def test_texts_with_different_answers_in_one_file_are_named(empty: Project) -> None:
    summary = bring(empty, [("a", "a basket", "3", "train"), ("b", "A  basket", "4", "train")])
    assert summary.report.contradictions is not None
    assert summary.report.contradictions.examples[0].labels == ("3", "4")
    assert summary.clashing == 2


CROWD = ("id", "text", "count", "who", "known")


def test_answers_of_people_in_a_file_are_theirs_and_known_ones_make_gold(empty: Project) -> None:
    rows = [
        ("a", "apples", "3", "ann", ""),
        ("a", "apples", "3.0", "bob", ""),
        ("b", "pears", "4", "ann", "5"),
        ("b", "pears", "5", "bob", "5"),
        ("c", "figs", "1", "ann", ""),
        ("c", "figs", "2", "bob", ""),
    ]
    summary = bring(empty, rows, CROWD, annotator="who", gold="known")
    assert (summary.answers, summary.annotators, summary.made_gold) == (6, 2, 1)
    assert settled(empty) == {
        "a": ({"number": 3.0}, "majority", "chosen"),
        "b": ({"number": 5.0}, "single", "gold"),
    }
    with pytest.raises(BadInput, match=r"gives the record 'a' the answer '4', but '3' in row 1 .*, both by 'ann'"):
        bring(empty, [("a", "apples", "3", "ann", ""), ("a", "apples", "4", "ann", "")], CROWD, annotator="who")
