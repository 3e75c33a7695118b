"""What DuckDB reads and writes: the result of a query as batches of columns, and tables in forms that it knows.

Knows SQL; not what a column means, and neither the project's store nor a record.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.formats.arrow_files import cells_of
from core.data.formats.file_format import ExportTable
from core.data.formats.reading import BATCH_ROWS, RowBatch
from core.errors import BadInput
from core.store.tables import quoted

DATABASES = (".duckdb", ".db", ".ddb")
STORE = "rondo.duckdb"
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "4GB",
    "threads": "2",
}


@dataclass(frozen=True)
class SqlSource:
    """The rows of a query on local files. path: a database of DuckDB, which is opened to be read, or a folder in which
    the query runs. Nothing is fetched from a network, and nothing can be written."""

    path: Path
    query: str

    @property
    def total(self) -> int:
        """Rows are not known before."""
        return 0

    def columns(self, requested: Sequence[str]) -> list[str]:
        """Those of the result."""
        with self._run() as relation:
            return list(relation.columns)

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """In the order of the query."""
        first = 1
        with self._run() as relation:
            for part in relation.to_arrow_reader(BATCH_ROWS):
                columns = {name: cells_of("The query", part.column(name), first, name, {}) for name in requested}
                first += part.num_rows
                yield RowBatch(first - part.num_rows, columns, first - 1, "row {}".format)

    @contextmanager
    def _run(self) -> Iterator[Any]:
        """The relation that the query makes. Raises BadInput in one line."""
        import duckdb

        query = _single_query(self.query)
        if STORE in self.query or self.path.name == STORE:
            raise BadInput(
                f"A query does not read {STORE}, the project's own open file. Use `rondo export` for its rows."
            )
        if not self.path.exists():
            raise BadInput(f"There is no file or folder {self.path} for --sql to query; check its path.")
        connection = duckdb.connect(config=_SETTINGS)
        try:
            if self.path.is_file():
                connection.execute(f"attach '{quoted(self.path)}' as source (read_only)")
                connection.execute("use source")
            else:
                connection.execute(f"set file_search_path = '{quoted(self.path)}'")
            connection.execute("set lock_configuration = true")
            yield connection.sql(query)
        except duckdb.Error as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise BadInput(f"The query failed: {lines[0][:400] if lines else 'no reason'} Correct it.") from None
        finally:
            connection.close()


def _single_query(text: str) -> str:
    """Raises BadInput unless it is one SELECT."""
    import duckdb

    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise BadInput(f"That is no SQL: {str(error).splitlines()[0][:300]} Correct it.") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise BadInput("--sql takes one query that reads: SELECT ... FROM 'file.csv', or FROM a table.")
    return str(statements[0].query).strip().rstrip(";")


def written_by(options: str) -> Callable[[ExportTable, Path], tuple[str, ...]]:
    """A writer of tables: DuckDB's, with these options of its COPY."""

    def write(table: ExportTable, target: Path) -> tuple[str, ...]:
        import duckdb

        with duckdb.connect() as connection:
            connection.execute(f"copy (select * from '{quoted(table.path)}') to '{quoted(target)}' ({options})")
        return ()

    return write
