"""A query's result as a file: what comes out goes in again, and nobody finds half a file."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.files.tables import FORMATS, write_table
from core.taxonomy import clean_name
from gpu_jobs.ingest import ingest

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
    params = {"file": str(file), "text": ["text"], "id": "id", "label": "label"}
    ingest(folder, params, lambda done, total: None)
    query = f"select id, text, label from read_parquet('{folder / 'out' / 'records.parquet'}') order by position"
    return DATABASE.execute(query).fetchall()


@pytest.mark.parametrize("file_format", FORMATS)
@settings(max_examples=40, deadline=None)
@given(records=RECORDS)
@example(records=[("=1+1", '"', None), ("-2", "\rx", "a|b"), (" 3 ", "\ufeffx", "@x"), ("4", "\x1a\u2028x", "#")])
def test_import_then_export_then_import_is_identity(
    file_format: str, records: list[Record], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    once, twice = folder / f"once.{file_format}", folder / f"twice.{file_format}"
    assert write_table(stored(records), COLUMNS, [], once, file_format) == len(records)
    first = imported(once, folder / "1")
    given = [(id, text, label and (clean_name(label) or None)) for id, text, label in records]
    assert first == given
    write_table(stored(first), COLUMNS, [], twice, file_format)
    assert imported(twice, folder / "2") == given


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
from core.files.tables import write_table
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_table(duckdb.connect(), "select uuid() from range(100000)", [], Path(sys.argv[1]), sys.argv[2])
except Refused as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk_leaves_the_old_file_and_is_told_in_one_sentence(file_format: str, tmp_path: Path) -> None:
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
