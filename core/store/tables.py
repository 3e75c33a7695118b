"""A query's result as a file, whole or not at all. Knows SQL results and file formats; not what is exported or why."""

import csv
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from core.errors import BadInput, Refused
from core.store.whole_files import whole_file

if TYPE_CHECKING:
    import duckdb

FORMATS = {
    "csv": "format csv, header true",
    "jsonl": "format json, array false",
    "parquet": "format parquet, compression zstd",
}
"""What a person may ask for, and how DuckDB is told. All are UTF-8, without a byte-order mark."""


MARK = "\ufeff"
EXCEL = "excel"
"""CSV as a spreadsheet opens it: with a byte-order mark, and no cell is a formula"""

# Excel reads a cell as a formula by its first character, other programs also after white space; numbers are safe.
_FORMULA = r"^\s*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]|^[\t\r\n]"
_NUMBER = r"^[+\-]?[0-9]+([.,][0-9]+)?$"


def write_table(
    connection: "duckdb.DuckDBPyConnection", query: str, parameters: Sequence[object], target: Path, file_format: str
) -> int:
    """Writes the rows of `query`, in its order, and returns how many. An existing target is replaced at the very end.

    Cells are data: those that begin with = + - or @ are written as they are, so that an import gives back the same
    text. Only the format EXCEL puts an apostrophe before them. In CSV, NULL is an empty field and "" is quoted.
    """
    import duckdb

    excel, file_format = file_format == EXCEL, "csv" if file_format == EXCEL else file_format
    if file_format not in FORMATS:
        raise BadInput(f"Cannot write {file_format!r}; the formats are {', '.join(FORMATS)}.")
    if target.is_dir():
        raise BadInput(f"{target} is a folder; name a file to write to.")
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent}; make it first or choose another.")
    # what the query raises must be raised before the file is begun: DuckDB 2.0.0 may wait for ever when the query of a
    # parallel copy to CSV fails half way
    connection.execute(f"create or replace temp table exported as {query}", list(parameters))
    source = _for_excel(connection) if excel else "from exported"
    try:
        with whole_file(target.resolve()) as partial:
            copy = f"copy ({source}) to '{quoted(partial)}' ({FORMATS[file_format]})"
            row = connection.execute(copy).fetchone()
    except (duckdb.IOException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise Refused(f"{target} could not be written ({reason}); free space or choose another place.") from error
    connection.execute("drop table exported")
    return int(row[0]) if row else 0


LONGEST_CELL = 1 << 24
"""characters of a cell of CSV that is read back"""


def head_rows(file: Path, most: int) -> list[dict[str, object]]:
    """The first rows of CSV, JSON lines or Parquet that was written here; cells of CSV are text."""
    import duckdb

    ending, path = file.suffix.lower(), quoted(file)
    if ending == ".jsonl":
        with file.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in islice(lines, most)]
    if ending == ".csv":
        csv.field_size_limit(LONGEST_CELL)  # of the whole process, and there is no other way
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return [dict(row) for row in islice(csv.DictReader(lines), most)]
    with duckdb.connect(config={"threads": 1}) as connection:
        rows = connection.execute(f"from read_parquet('{path}') limit {int(most)}")
        names = [column[0] for column in rows.description or ()]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def as_excel(file: Path) -> bytes:
    """CSV that was written here, in the form EXCEL."""
    import duckdb

    written = "delim = ',', quote = '\"', escape = '\"', comment = '', skip = 0, header = true, all_varchar = true"
    rows = f"from read_csv(?, {written}, parallel = false, max_line_size = {LONGEST_CELL})"
    with TemporaryDirectory(prefix="rondo-excel-") as folder, duckdb.connect(config={"threads": 1}) as connection:
        target = Path(folder) / file.name
        write_table(connection, rows, [str(file)], target, EXCEL)
        return target.read_bytes()


def _for_excel(connection: "duckdb.DuckDBPyConnection") -> str:
    """The rows with an apostrophe before what a spreadsheet would compute; numbers stay. The mark begins the header."""
    columns = connection.execute("select column_name, column_type from (describe exported)").fetchall()
    cells = []
    for index, (name, kind) in enumerate(columns):
        cell = '"' + name.replace('"', '""') + '"'
        formula = f"regexp_matches({cell}, '{_FORMULA}') and not regexp_matches({cell}, '{_NUMBER}')"
        harmless = f"if({formula}, chr(39) || {cell}, {cell})" if kind == "VARCHAR" else cell
        cells.append(f"{harmless} as {cell if index else cell[0] + MARK + cell[1:]}")
    return f"select {', '.join(cells)} from exported"


def quoted(text: str | Path) -> str:
    """A text or path as it stands between the quotes of a SQL string."""
    return str(text).replace("'", "''")
