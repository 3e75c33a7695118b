"""A query's result as a file: what comes out goes in again, and nobody finds half a file. What people and machines say
is told apart in it."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core import loop
from core.config.taxonomy import clean_name, number_key
from core.data.ingest_job import IngestParams, Layout
from core.errors import BadInput, Refused
from core.labelling.changes import change_settings
from core.labelling.corrections import correct
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project
from core.reports.export import CAPTIONS, count_rows, first_rows, stamp, write_export
from core.store.tables import EXCEL, FORMATS, write_table
from core.tasks.columns import MISSING_WORDS
from gpu_jobs.work.data.ingest import ingest
from tests.conftest import quiet

Record = tuple[str, str, str | None]

VALID = st.characters(codec="utf-8", exclude_characters="\0")
FILLED = st.text(VALID | st.sampled_from("\",;\t|\n\r\\'#=\u2028\ufeff\x1a"), min_size=1).filter(
    lambda text: text.strip()
)
RECORDS = st.lists(st.tuples(FILLED, FILLED, st.none() | FILLED), min_size=1, max_size=12, unique_by=lambda row: row[0])
COLUMNS = "select id, text, label from records order by position"


DATABASE = duckdb.connect()  # opening one takes longer than a whole trip


def stored(records: list[Record]) -> duckdb.DuckDBPyConnection:
    """A database with these records."""
    DATABASE.execute("create or replace table records (position bigint, id varchar, text varchar, label varchar)")
    for position, record in enumerate(records):
        DATABASE.execute("insert into records values (?, ?, ?, ?)", [position, *record])
    return DATABASE


def imported(file: Path, folder: Path) -> list[Record]:
    """What an import makes of the file."""
    ingest(folder, IngestParams(str(file), Layout(("text",), label="label", id="id")), lambda done, total: None)
    query = f"select id, text, label from read_parquet('{folder / 'out' / 'records.parquet'}') order by position"
    return DATABASE.execute(query).fetchall()


@pytest.mark.parametrize("file_format", FORMATS)
@settings(max_examples=40, deadline=None)
@given(records=RECORDS)
@example(
    records=[
        ("=1+1", '"', None),
        ("-2", "\rx", "a|b"),
        (" 3 ", "\ufeffx", "@x"),
        ("5", "n", "None"),
        ("4", "\x1a\u2028x", "#"),
    ]
)
def test_import_then_export_then_import_is_identity(
    file_format: str, records: list[Record], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    once, twice = folder / f"once.{file_format}", folder / f"twice.{file_format}"
    assert write_table(stored(records), COLUMNS, [], once, file_format) == len(records)
    first = imported(once, folder / "1")
    names = (
        None if label is None or clean_name(label) in MISSING_WORDS else clean_name(label) for *_, label in records
    )
    supplied = [
        (id, text, name and (number_key(name) or None)) for (id, text, _), name in zip(records, names, strict=True)
    ]
    assert first == supplied
    write_table(stored(first), COLUMNS, [], twice, file_format)
    assert imported(twice, folder / "2") == supplied


def test_a_csv_for_excel_has_a_mark_and_no_formula(tmp_path: Path) -> None:
    texts = ["=1+1", " @SUM(A1)", "＝cmd", "\tx", "-", "+49 30", "-2.5", "a=b", "'quoted'", "à côté"]
    target = tmp_path / "excel.csv"
    write_table(stored([(str(n), text, None) for n, text in enumerate(texts)]), COLUMNS, [], target, EXCEL)
    assert target.read_bytes().startswith(b"\xef\xbb\xbfid,")
    with target.open(encoding="utf-8-sig", newline="") as file:
        cells = [row["text"] for row in csv.DictReader(file)]
    assert cells == [f"'{text}" for text in texts[:6]] + texts[6:]


def test_excel_is_refused_for_what_is_no_csv(project: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--format csv"):
        loop.export(project, quiet, out=str(tmp_path / "x.jsonl"), file_format="jsonl", excel=True)
    assert not (tmp_path / "x.jsonl").exists()
    loop.export(project, quiet, out=str(tmp_path / "x.csv"), file_format="csv", excel=True, what="all")
    assert (tmp_path / "x.csv").read_bytes().startswith(b"\xef\xbb\xbfid,")


@pytest.mark.parametrize("file_format", FORMATS)
def test_parameters_are_bound_and_rows_keep_the_order_of_the_query(file_format: str, tmp_path: Path) -> None:
    connection = stored([(str(n), f"text {n}", None) for n in range(1000)])
    target = tmp_path / f"it's.{file_format}"
    query = "select id, text, label from records where position >= ? order by position desc"
    assert write_table(connection, query, [10], target, file_format) == 990
    assert [row[0] for row in imported(target, tmp_path)] == [str(n) for n in range(999, 9, -1)]


def test_cells_that_look_like_formulas_are_left_as_they_are(tmp_path: Path) -> None:
    write_table(stored([("1", "=1+1", "@x")]), COLUMNS, [], tmp_path / "a.csv", "csv")
    assert (tmp_path / "a.csv").read_text() == "id,text,label\n1,=1+1,@x\n"


def test_an_empty_result_still_has_its_header(tmp_path: Path) -> None:
    assert write_table(stored([]), COLUMNS, [], tmp_path / "a.csv", "csv") == 0
    assert (tmp_path / "a.csv").read_text() == "id,text,label\n"


def test_what_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    connection = stored([])
    with pytest.raises(BadInput, match="Cannot write 'xlsx'; the formats are csv, jsonl, parquet"):
        write_table(connection, COLUMNS, [], tmp_path / "a.xlsx", "xlsx")
    with pytest.raises(BadInput, match="There is no folder"):
        write_table(connection, COLUMNS, [], tmp_path / "nowhere" / "a.csv", "csv")
    with pytest.raises(BadInput, match="is a folder"):
        write_table(connection, COLUMNS, [], tmp_path, "csv")


def test_an_export_that_breaks_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    query = "select if(x < 900000, x, error('half way')) from range(1000000) t(x)"
    with pytest.raises(duckdb.InvalidInputException, match="half way"):
        write_table(duckdb.connect(), query, [], target, "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert target.read_text() == "old"


FULL_DISK = """
import duckdb, resource, sys
from pathlib import Path
from core.errors import Refused
from core.store.tables import write_table
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_table(duckdb.connect(), "select uuid() from range(100000)", [], Path(sys.argv[1]), sys.argv[2])
except Refused as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk_leaves_the_old_file_and_is_reported_in_one_sentence(file_format: str, tmp_path: Path) -> None:
    target = tmp_path / f"a.{file_format}"
    target.write_text("old")
    ended = subprocess.run([sys.executable, "-c", FULL_DISK, str(target), file_format], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"refused: {target} could not be written (")
    assert ended.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "old"


def test_a_link_keeps_pointing_at_the_file_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("old")
    (tmp_path / "here.csv").symlink_to(tmp_path / "there.csv")
    write_table(stored([]), COLUMNS, [], tmp_path / "here.csv", "csv")
    assert (tmp_path / "here.csv").is_symlink()
    assert (tmp_path / "there.csv").read_text() == "id,text,label\n"


def say(project: Project, user: str, record: str, label: str, undoes: str | None = None) -> None:
    eid = f"{user}-{record}-{label}{'-undo' if undoes else ''}"
    event = Event(eid, record, "undo" if undoes else "submit", () if undoes else (label,), undoes=undoes, ts=2e9)
    project.label_queue.exchange(Holder(user, "tab"), QueueRequest(events=(event,)))


def guaranteed(project: Project, records: str) -> None:
    """A guarantee in force that these records are about music, and a duplicate of r0."""
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into guarantees values ('p1', now()::timestamp, 'me', 'm1', 'all-MiniLM-L6-v2', 1, 0.9, null,
               0.95, '{}', '{}', 3, 48, 'in_force', null, null)"""
        )
        cursor.execute(
            f"""insert into machine_labels select n, ['music'], 0.9, 0.8, 'p1', 'm1', null
                from records where id in ({records})"""
        )
        cursor.execute("insert into records select 60, 'twin', text, null, null, hash, 0, null, source, imported_at from records where n = 0")  # fmt: skip  # noqa: E501


def exported(project: Project, folder: Path, what: str) -> dict[str, dict[str, Any]]:
    """The lines of an export by record, without those of gold."""
    write_export(project, folder / "out.jsonl", "jsonl", what)
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    return {line["id"]: line for line in lines if line.get("stratum") != "gold"}


def test_complete_takes_peoples_labels_before_the_machines_and_says_which_is_which(
    project: Project, tmp_path: Path
) -> None:
    guaranteed(project, "'r0', 'r1'")
    say(project, "ann", "r1", "food")
    rows = exported(project, tmp_path, "complete")
    result = {record: (row["label"], row["by"], row["how"]) for record, row in rows.items()}
    assert result == {
        "r0": ("music", "machine", "machine"),
        "r1": ("food", "person", "single"),
        "twin": ("music", "machine", "duplicate"),
    }
    assert (rows["r0"]["annotators"], rows["r0"]["guarantee"], rows["r0"]["probability"]) == (None, "p1", 0.9)
    assert (rows["r0"]["threshold"], rows["r0"]["model"]) == (0.8, "m1")
    assert (rows["r1"]["annotators"], rows["r1"]["guarantee"], rows["r1"]["model"]) == ("ann", None, None)


def test_machine_labels_are_exported_with_what_was_guaranteed_and_no_longer_when_it_broke(
    project: Project, tmp_path: Path
) -> None:
    guaranteed(project, "'r0', 'r1'")
    say(project, "ann", "r1", "food")
    rows = exported(project, tmp_path, "machine")
    assert set(rows) == {"r0", "twin"}
    facts = {key: rows["r0"][key] for key in ("threshold", "guaranteed_precision", "confidence", "model")}
    assert facts == {"threshold": 0.8, "guaranteed_precision": 0.9, "confidence": 0.95, "model": "m1"}
    everything = exported(project, tmp_path, "all")
    assert (everything["r0"]["label"], everything["r0"]["machine_label"]) == (None, "music")
    result = [everything["r0"][f"machine_{key}"] for key in ("model", "probability", "threshold")]
    assert [*result, everything["r0"]["guarantee"]] == ["m1", 0.9, 0.8, "p1"]
    assert (everything["r1"]["label"], everything["r1"]["machine_label"]) == ("food", None)
    with project.store.transaction() as cursor:
        cursor.execute("update guarantees set state = 'broken'")
    assert exported(project, tmp_path, "machine") == {}
    assert exported(project, tmp_path, "all")["r0"]["machine_label"] is None


def test_a_retired_label_is_no_machine_label(project: Project, tmp_path: Path) -> None:
    guaranteed(project, "'r0'")
    change_settings(project, retire_label="music")
    assert exported(project, tmp_path, "machine") == exported(project, tmp_path, "complete") == {}


def test_a_label_names_those_who_gave_it_and_not_those_who_took_it_back(project: Project, tmp_path: Path) -> None:
    change_settings(project, overlap=3)
    for user, label in (("bob", "food"), ("ann", "food"), ("cid", "music"), ("dan", "food")):
        say(project, user, "r0", label)
    say(project, "dan", "r0", "food", undoes="dan-r0-food")
    row = exported(project, tmp_path, "labels")["r0"]
    assert (row["label"], row["annotators"], row["how"]) == ("food", "ann|bob", "majority")
    assert row["settled_at"].endswith("Z")
    correct(project, "r0", ["music"], "eve")
    assert exported(project, tmp_path, "labels")["r0"]["annotators"] == "cid|eve"


@pytest.mark.parametrize("what", CAPTIONS)
def test_what_is_shown_before_is_what_is_written(project: Project, tmp_path: Path, what: str) -> None:
    guaranteed(project, "'r0', 'r1', 'r2'")
    say(project, "ann", "r1", "food")
    rows = write_export(project, tmp_path / "out.jsonl", "jsonl", what)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert count_rows(project, what) == (rows, sum(line.get("stratum") == "gold" for line in lines))
    assert first_rows(project, what, 5) == lines[:5]


def test_the_stamp_changes_with_an_answer_and_with_the_taxonomy(project: Project) -> None:
    stamps = [stamp(project), stamp(project)]
    say(project, "ann", "r1", "food")
    stamps.append(stamp(project))
    change_settings(project, rename_label=("food", "meals"))
    stamps.append(stamp(project))
    assert len(stamps) == len(set(stamps)) + 1


def test_a_card_comes_beside_the_file_and_counts_its_rows(project: Project, tmp_path: Path) -> None:
    rows = write_export(project, tmp_path / "a.csv", "csv", "labels", card=True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "a.csv",
        "a.csv.card.json",
        "a.csv.card.md",
    ]
    card = json.loads((tmp_path / "a.csv.card.json").read_text())
    assert card["export"] == {"file": "a.csv", "what": "labels", "is": CAPTIONS["labels"], "rows": rows}
    assert f"a.csv holds {rows} rows" in (tmp_path / "a.csv.card.md").read_text()


def test_neither_file_nor_card_is_written_where_one_of_them_cannot_be(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(BadInput, match="Cannot write 'xlsx'"):
        write_export(project, folder / "a.xlsx", "xlsx", "labels", card=True)
    (folder / "a.csv.card.json").mkdir()
    with pytest.raises(Refused, match=r"a\.csv\.card\.json is a folder"):
        write_export(project, folder / "a.csv", "csv", "labels", card=True)
    with pytest.raises(BadInput, match="There is no folder"):
        write_export(project, tmp_path / "nowhere" / "a.csv", "csv", "labels", card=True)
    assert [path.name for path in folder.iterdir()] == ["a.csv.card.json"]
