"""What a file says that a model of another program suggests: never an answer, stored as what a model said of a record.

Knows cells, a table of its own beside the records, and the store; no file format.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from core.config.settings import Settings
from core.data.cells import Column
from core.data.ingest_job import SUGGESTIONS
from core.labelling.generated_answers import VALID, WHOLE
from core.store.database import count, utc_now
from core.store.tables import quoted
from core.tasks.columns import ColumnReader
from core.tasks.tasks import stored_query, task_of

Write = Callable[[Sequence[str], Column, ColumnReader, Column | None, Column | None], None]
"""(ids, suggestions, how they are read, models, probabilities) of a batch"""


@contextmanager
def suggestions_writer(target: Path, program: str) -> Iterator[Write]:
    """A function that adds those of a batch. program: whose they are where a row names no model."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    text = arrow.string()
    schema = arrow.schema(
        [("id", text), ("model", text), ("label", text), ("names", arrow.int64()), ("probability", text)]
    )

    def write(
        ids: Sequence[str], column: Column, reader: ColumnReader, models: Column | None, chances: Column | None
    ) -> None:
        labels, cells = reader.read(column), column.batch.columns[column.name]
        nothing: list[str | None] = [None] * len(ids)
        by = models.filled() if models else nothing
        sure = chances.strings() if chances else nothing
        rows = [
            (ids[row], by[row] or program, label, len(set(map(str, cell))) if isinstance(cell, list) else 1, sure[row])
            for row, (label, cell) in enumerate(zip(labels, cells, strict=True))
            if label is not None
        ]
        if rows:
            columns = [
                arrow.array(values, kind.type) for values, kind in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))

    with parquet.ParquetWriter(target, schema) as writer:
        yield write


def store_suggestions(cursor: duckdb.DuckDBPyConnection, out: Path, settings: Settings) -> int:
    """Those of the rows in `staged`, in the caller's transaction; returns how many.

    What models of this project suggest stands in other tables, and labels that there are not cannot be suggested: both
    are passed over. So is what stands for answered audit records, which may have taught the model of the file: what it
    is worth would be measured on them.
    """
    file = out / SUGGESTIONS
    if not file.exists() or task_of(settings).columns is None:
        return 0
    cursor.execute(
        f"""create or replace temp table suggested as
            select r.n, s.* from read_parquet('{quoted(file)}') s join records r using (id)
            where s.id in (select id from staged) and s.model not in (select id from models)
                and r.n not in (select z.n from settled z where z.stratum = 'audit')
            qualify row_number() over (partition by r.n, s.model) = 1"""
    )
    # whose they are stands where the query of answers has the annotator
    rows = stored_query(cursor, "select id, model as annotator, label from suggested", settings)
    cursor.execute(
        f"""create or replace temp table read_suggestions as
            select s.n, s.model, g.answer, try_cast(s.probability as double) as probability, s.label
            from suggested s join ({rows}) g on g.id = s.id and g.annotator = s.model
            where len(g.labels) = s.names or s.label = ''"""
    )
    cursor.execute(
        """insert or replace into generated_answers
               (n, step, model, answer, state, confidence, inputs, raw, tokens_in, tokens_out, seconds, made_at)
           select n, ?, model, answer, ?, if(probability between 0 and 1, probability, null), '{}', label, 0, 0, 0, ?
           from read_suggestions""",
        [WHOLE, VALID, utc_now()],
    )
    stored = count(cursor, "select count(*) from read_suggestions")
    cursor.execute("drop table suggested; drop table read_suggestions")
    return stored
