"""A task that the app does not have comes from files, goes back into files, to Argilla and into a replay."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annotation.convert import remote_answer, response_values
from app.cli.data.import_file import import_lines
from app.cli.replay import ReplayOptions, replay_lines, run_replay
from core.agreement.agreement import SharedAnswers, agreement, confused
from core.agreement.conflicts import read_conflicts
from core.config.settings import Settings, write_settings
from core.data.file_import import ImportSummary, import_file
from core.errors import BadInput, Refused
from core.exchange.datasets import required_setup, team_form
from core.labelling.corrections import correct
from core.project import Project, open_project
from core.reports.export import count_rows, first_rows, write_export
from core.tasks.questions import Question
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
    rows = project.store.query("select id, answer, labels, how, stratum from settled join records using (n) order by n")
    assert all(labels == [] for _, _, labels, *_ in rows)
    return {id: (json.loads(answer), how, stratum) for id, answer, _, how, stratum in rows}


KNOWN: list[Row] = [
    ("a", "three apples", "3", "train"),
    ("b", "three pears", "3.0", "validation"),
    ("c", "seven figs", "7", "test"),
    ("d", "some plums", "", "train"),
    ("e", "no nuts", "NA", "train"),
]


def test_known_answers_of_a_file_settle_its_records_and_what_was_understood_is_reported(empty: Project) -> None:
    summary = bring(empty, KNOWN)
    assert settled(empty) == {
        "a": ({"number": 3.0}, "single", "file"),
        "b": ({"number": 3.0}, "single", "file"),
        "c": ({"number": 7.0}, "single", "gold"),
    }
    lines = import_lines(summary)
    assert "3 came with a number." in lines
    assert "2 different numbers, such as 3, 7." in lines
    assert "No number where the file says NA 1 (as numbers: --keep-missing-words)." in lines
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
    with pytest.raises(BadInput, match=rf"baskets.csv: row 2 .*, column 'count' holds no number .*{reason}"):
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
    with pytest.raises(BadInput, match=r"gives the record 'a' the number '4', but '3' in row 1 .*, both by 'ann'"):
        bring(empty, [("a", "apples", "3", "ann", ""), ("a", "apples", "4", "ann", "")], CROWD, annotator="who")


def exported(project: Project, what: str) -> list[dict[str, Any]]:
    """The rows of an export."""
    file = project.folder.parent / f"{what}.jsonl"
    rows = write_export(project, file, "jsonl", what)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert (rows, first_rows(project, what, 3)) == (count_rows(project, what)[0], lines[:3])
    return lines


def test_an_export_says_answers_in_the_words_of_the_task_and_as_json(empty: Project) -> None:
    bring(empty, [*KNOWN, ("f", "three  Apples", "", "train")])
    correct(empty, "d", {"number": 2.5}, "max")
    assert {row["id"]: (row["label"], row["annotators"], row["how"]) for row in exported(empty, "labels")} == {
        "a": ("3", "baskets.csv", "single"),
        "b": ("3", "baskets.csv", "single"),
        "c": ("7", "baskets.csv", "single"),
        "d": ("2.5", "max", "single"),
        "f": ("3", "baskets.csv", "duplicate"),
    }
    assert [(row["label"], row["answer"]) for row in exported(empty, "responses")] == [
        ("3", '{"number":3.0}'),
        ("3", '{"number":3.0}'),
        ("7", '{"number":7.0}'),
        ("2.5", '{"number":2.5}'),
    ]
    assert [row["label"] for row in exported(empty, "all")] == ["3", "3", "7", "2.5", None, "3"]
    assert [row["by"] for row in exported(empty, "complete")] == ["person"] * 5
    assert exported(empty, "machine") == exported(empty, "suggestions") == []


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_an_export_that_is_imported_gives_the_same_answers(empty: Project, tmp_path: Path, file_format: str) -> None:
    values = (0.0, 50.0, 0.1, 1 / 3, 2.675, 49.999999999999993)
    bring(empty, [(f"r{n}", f"text {n}", repr(value), "test") for n, value in enumerate(values)])
    file = tmp_path / f"out.{file_format}"
    write_export(empty, file, file_format, "labels")
    (tmp_path / "again").mkdir()
    write_settings(tmp_path / "again", Settings(name="again", task="number"))
    again = open_project(tmp_path / "again", InProcessRunner())
    import_file(again, quiet, file=str(file), text=["text"], id="id", label="label", split="split")
    assert settled(again) == settled(empty)
    assert [answer for answer, *_ in settled(again).values()] == [{"number": value} for value in values]
    again.close()


def test_a_replay_asks_for_numbers_and_compares_strategies_by_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "number", NUMBER)
    file = tmp_path / "baskets.csv"
    lines = [f"{n},basket {n} has {n % 12} {word},{n % 12}" for n, word in enumerate(["figs", "nuts", "plums"] * 25)]
    file.write_text("\n".join(["id,text,count", *lines]) + "\n")
    options = ReplayOptions(file, ("text",), "count", None, ("default", "random"), 45, 15, 1, task="number")
    result = run_replay(options, quiet)
    assert (result.measure, result.records) == ("accuracy", 60)
    assert [one.labels for one in result.strategies.values()] == [[15, 30, 45]] * 2
    for one in result.strategies.values():
        assert all(0 < value <= 1 for value in one.macro_f1[0])
    assert replay_lines(result)[0] == f"All labels: accuracy {result.full.macro_f1:.3f}"


def test_people_agree_as_far_as_their_answers_are_the_same(empty: Project) -> None:
    rows = [(f"r{n}", f"basket {n}", str(n % 3), user, "") for n in range(12) for user in ("ann", "bob")]
    rows[1] = ("r0", "basket 0", "9", "bob", "")
    bring(empty, rows, CROWD, annotator="who")
    report = agreement(empty)
    assert (report.overall.records, report.labels) == (12, [])
    [pair] = report.pairs
    assert pair.kappa.same == pytest.approx(11 / 12)
    assert confused(empty, "ann", "bob")[0] == SharedAnswers("0", "0", 3)
    conflicts, total = read_conflicts(empty, 5)
    assert ([one.id for one in conflicts], total) == (["r0"], 1)


def test_an_answer_goes_to_argilla_as_text_and_comes_back(empty: Project) -> None:
    bring(empty, KNOWN)
    with empty.store.reading() as cursor:
        setup = required_setup(cursor, empty.settings())
    form = team_form(empty.settings())
    assert setup.question == Question("text", "How many? (0 to 50)")
    for number in (0.0, 3.0, 2.5, 1 / 3):
        value = form.to_value({"number": number}, setup.question)
        response = {"values": response_values(value, None), "status": "submitted", "updated_at": "2026-05-04T12:00:00Z"}
        assert form.from_value(remote_answer(response, "ann").value, {}) == {"number": number}
    with pytest.raises(BadInput, match="not a number"):
        form.from_value("a few", {})


def test_a_task_that_argilla_cannot_ask_is_refused_in_one_sentence(
    empty: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(empty, KNOWN)
    monkeypatch.setitem(TASKS, "number", replace(NUMBER, team=None))
    with empty.store.reading() as cursor, pytest.raises(Refused, match="Argilla has no question for the task 'number'"):
        required_setup(cursor, empty.settings())
