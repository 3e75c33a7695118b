"""The audit log: everything that changes something leaves a line, pages of it fit together, and it exports."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from core.errors import BadInput, RondoError
from core.ids import RecordNo
from core.jobs.bundle import Report
from core.labelling.changes import change_settings
from core.labelling.corrections import correct, withdraw
from core.labelling.reviews import queue_for_review
from core.people.audit_log import _OPTIONS, PAGE, QUIET, HistoryFilter, history, kinds, read_history, read_time
from core.project import Project
from core.store.database import note
from core.verbs import VERBS, do_verb, function_of
from tests.conftest import quiet, write_csv
from tests.waiting import LATEST_SECONDS

MAIN = Path(__file__).parent.parent / "app" / "main.py"


def log(project: Project) -> list[tuple[str, str]]:
    """(who, what), the newest first."""
    return [(line.user, line.what) for line in read_history(project, HistoryFilter(), 1000).lines]


def test_what_is_declared_of_verbs_is_declared_of_verbs_that_there_are() -> None:
    assert VERBS.keys() >= QUIET
    assert _OPTIONS.keys() <= VERBS.keys()
    signed = {verb for verb in VERBS if "user" in signature(function_of(verb)).parameters}
    assert {"auto", "withdraw", "promote", "rollback", "retrain", "model_note", "push", "people_add"} <= signed
    assert not QUIET & signed


ASKED: dict[str, dict[str, Any]] = {
    "next": {"size": 3},
    "fit": {},
    "inspect": {},
    "map": {},
    "export": {"file_format": "csv"},
    "backup": {},
}


@pytest.mark.parametrize("verb", ASKED)
def test_a_verb_that_changes_something_leaves_one_line_under_the_name_of_who_asked(
    played_project: Project, tmp_path: Path, verb: str
) -> None:
    options = ASKED[verb] | ({"out": str(tmp_path / "out.csv")} if verb == "export" else {})
    before = len(log(played_project))
    do_verb(played_project, verb, quiet, user="Max", **options)
    new = log(played_project)[: len(log(played_project)) - before]
    assert [(user, what) for user, what in new if user == "Max"] == [("Max", verb)]


@pytest.fixture
def played_project(played: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of the project in which two batches are labelled."""
    import shutil

    from core.project import open_project
    from gpu_jobs.runners.local import InProcessRunner

    shutil.copytree(played, tmp_path / "played")
    opened = open_project(tmp_path / "played", InProcessRunner())
    yield opened
    opened.close()


def test_an_import_says_what_came_of_it(project: Project, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "more.csv", 70)
    do_verb(project, "import", quiet, user="Max", file=str(file), text=["text"], id="id")
    detail = json.loads(read_history(project, HistoryFilter(what="import"), 1).lines[0].detail)
    assert detail["file"] == str(file)
    assert (detail["rows"], detail["added"]) == (70, 10)


def test_what_fails_leaves_no_line(project: Project) -> None:
    before = log(project)
    with pytest.raises(RondoError):
        do_verb(project, "export", quiet, out=str(project.folder / "rondo.toml"), file_format="csv")
    assert log(project) == before


def test_what_only_reads_leaves_no_line(project: Project) -> None:
    before = log(project)
    for verb in ("status", "models", "jobs", "people", "check"):
        do_verb(project, verb, quiet, user="Max")
    do_verb(project, "encode", quiet, user="Max")  # everything is encoded already
    assert log(project) == before


def secretive(project: Project, report: Report, **options: object) -> dict[str, str]:
    """A verb that is declared nowhere else."""
    return {"answer": "hidden"}


def test_an_option_that_is_not_named_is_never_written_down(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERBS, "secretive", f"{__name__}.secretive")
    do_verb(project, "secretive", quiet, user="Max", token="hf_secret", password="x")
    newest = read_history(project, HistoryFilter(), 1).lines[0]
    assert (newest.user, newest.what, newest.detail) == ("Max", "secretive", "{}")


def test_settings_corrections_and_reviews_stand_under_their_authors(project: Project) -> None:
    change_settings(project, "Max", batch_size=7)
    event = correct(project, "r4", ["food"], "Joy")
    withdraw(project, "r4", event, "Joy")
    queue_for_review(project, [RecordNo(4)], "Joy")
    result = log(project)[:4]
    assert result == [("Joy", "review"), ("Joy", "correction taken back"), ("Joy", "correct"), ("Max", "settings")]


def fill(project: Project, count: int) -> None:
    """Lines of one instant and of three people."""
    with project.store.transaction() as cursor:
        cursor.execute("delete from audit_log")
        cursor.execute(
            """insert into audit_log
               select timestamp '2026-01-01' + interval (n // 7) second, 'p' || n % 3, 'k' || n % 5, json_object('n', n)
               from range(?) as t(n)""",
            [count],
        )


ONE_OF_ALL = HistoryFilter("p0", "k0", datetime(2026, 1, 1, 0, 0, 9))


@pytest.mark.parametrize(
    "requested",
    [
        HistoryFilter(),
        HistoryFilter(user="p1"),
        HistoryFilter(what="k4"),
        HistoryFilter("p0", "k0", datetime(2026, 1, 1, 0, 0, 9)),
    ],
)
def test_the_pages_of_it_hold_every_line_once_newest_first(project: Project, requested: HistoryFilter) -> None:
    fill(project, 701)
    matches: list[int] = []
    page = read_history(project, requested, 50)
    while page.next:
        matches += [json.loads(line.detail)["n"] for line in page.lines]
        page = read_history(project, replace(requested, before=page.next), 50)
    matches += [json.loads(line.detail)["n"] for line in page.lines]
    fits = [n for n in range(701) if requested.user in (None, f"p{n % 3}") and requested.what in (None, f"k{n % 5}")]
    assert matches == [n for n in reversed(fits) if requested.since is None or n // 7 >= 9]


def test_a_page_of_a_million_lines_is_a_page(project: Project) -> None:
    fill(project, 1_000_000)
    first = read_history(project, HistoryFilter())
    second = read_history(project, HistoryFilter(before=first.next))
    numbers = [json.loads(line.detail)["n"] for line in first.lines + second.lines]
    assert numbers == list(range(999_999, 999_999 - 2 * PAGE, -1))
    assert kinds(project) == (["p0", "p1", "p2"], ["k0", "k1", "k2", "k3", "k4"])


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_an_export_holds_every_line_with_its_words_and_is_a_line_itself(
    project: Project, tmp_path: Path, file_format: str
) -> None:
    fill(project, 5)
    odd = {"text": 'a "quoted", \n odd <b>word</b> ü'}
    with project.store.transaction() as cursor:
        note(cursor, "Zoë, =1+1", "odd", odd)
    out = tmp_path / f"history.{file_format}"
    result = history(project, quiet, user="Max", out=str(out), file_format=file_format)
    text = out.read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines(keepends=True))) if file_format == "csv" else None
    rows = rows or [json.loads(line) for line in text.splitlines()]
    assert result.rows == len(rows) == 6
    assert [row["user"] for row in rows] == ["p0", "p1", "p2", "p0", "p1", "Zoë, =1+1"]
    assert json.loads(rows[-1]["detail"]) == odd
    assert log(project)[0] == ("Max", "history exported")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-27", datetime(2026, 11, 27)),
        ("2026-11-27T14:30", datetime(2026, 11, 27, 14, 30)),
        ("2026-11-27T14:30+02:00", datetime(2026, 11, 27, 12, 30, tzinfo=UTC).replace(tzinfo=None)),
        ("", None),
    ],
)
def test_a_time_is_utc(text: str, time: datetime | None) -> None:
    assert read_time(text) == time


def test_a_time_that_is_none_and_a_limit_out_of_range_are_refused(project: Project) -> None:
    with pytest.raises(BadInput, match="2026-11-27T14:30"):
        history(project, quiet, since="yesterday")
    for limit in (0, 10_001):
        with pytest.raises(BadInput, match="--out"):
            history(project, quiet, limit=limit)
    with pytest.raises(BadInput, match="place of the project"):
        history(project, quiet, out=str(project.folder / "rondo.duckdb"))


def test_the_page_filters_goes_back_in_time_and_writes_a_file(project: Project) -> None:
    fill(project, 450)
    background.open_server(lambda: project)
    page = AppTest.from_file(str(MAIN), default_timeout=LATEST_SECONDS)
    page.switch_page("pages/history.py").run()
    page.button(key="older").click().run()
    assert "Page 2" in page.text[-1].value
    page.selectbox(key="who").select("p1").run()
    assert set(page.dataframe[0].value["who"]) == {"p1"}
    assert "Page 1" in page.text[-1].value
    page.button(key="history-write").click().run()
    assert not page.exception
    written = list((project.folder / "exports").glob("history-*.csv"))
    assert len(written) == 1
    assert written[0].read_text().count("\n") == 151
    background._OPEN.clear()
