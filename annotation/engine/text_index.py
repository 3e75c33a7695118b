"""The full-text index of the records' fields: the one thing that search needs and Argilla's database lacks.

Its tables are in the same file, so that a copy of the file is a copy of all.
"""

import json
from collections.abc import Iterable, Mapping
from uuid import UUID

from argilla_server.database import AsyncSessionLocal, async_engine
from argilla_server.models import Dataset, Field, Record
from sqlalchemy import select, text
from sqlalchemy.orm import selectinload

COLUMNS = [f"f{number}" for number in range(16)]
"""fields past the sixteenth are not searched"""
TABLES = (
    "CREATE TABLE IF NOT EXISTS rondo_texts (rowid INTEGER PRIMARY KEY, record_id TEXT UNIQUE, dataset_id TEXT)",
    "CREATE INDEX IF NOT EXISTS rondo_texts_dataset ON rondo_texts(dataset_id)",
    f"CREATE VIRTUAL TABLE IF NOT EXISTS rondo_words USING fts5({', '.join(COLUMNS)}, tokenize='unicode61')",
)
GONE = (
    "DELETE FROM rondo_words WHERE rowid IN (SELECT t.rowid FROM rondo_texts t WHERE {which})",
    "DELETE FROM rondo_texts WHERE rowid IN (SELECT t.rowid FROM rondo_texts t WHERE {which})",
)
NOT_THERE = "NOT EXISTS (SELECT 1 FROM records r WHERE r.id = t.record_id)"
NOT_INDEXED = (
    "SELECT DISTINCT r.dataset_id FROM records r "
    "WHERE NOT EXISTS (SELECT 1 FROM rondo_texts t WHERE t.record_id = r.id)"
)


def searched_fields(dataset: Dataset) -> list[Field]:
    """Those of the columns, in their order."""
    return sorted(dataset.fields, key=lambda field: (field.inserted_at, str(field.id)))[: len(COLUMNS)]


def readable(value: object) -> str:
    """The words of a field's value: a text, a chat's messages, or whatever else."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(str(part.get("content", part)) if isinstance(part, dict) else str(part) for part in value)
    return json.dumps(value, ensure_ascii=False)


async def set_up_index() -> None:
    """At the server's start: makes the tables, and indexes what a kill between two commits left out."""
    async with async_engine.begin() as connection:
        for statement in TABLES:
            await connection.execute(text(statement))
        for statement in GONE:
            await connection.execute(text(statement.format(which=NOT_THERE)))
        missing = (await connection.execute(text(NOT_INDEXED))).scalars().all()
    for dataset_id in missing:
        async with AsyncSessionLocal() as db:
            statement = select(Dataset).filter_by(id=UUID(dataset_id)).options(selectinload(Dataset.fields))
            dataset = (await db.execute(statement)).scalar_one()
            records = (await db.execute(select(Record).filter_by(dataset_id=dataset.id))).scalars().all()
        await write_texts(dataset, records)


async def write_texts(dataset: Dataset, records: Iterable[Record]) -> None:
    """Indexes records, new ones and changed ones."""
    fields = [(column, field) for column, field in zip(COLUMNS, searched_fields(dataset), strict=False)]
    rows = [
        {"id": record.id.hex}
        | {
            column: "" if field.is_image else readable((record.fields or {}).get(field.name))
            for column, field in fields
        }
        for record in records
    ]
    if not rows:
        return
    names = [column for column, _ in fields]
    rowid = "(SELECT t.rowid FROM rondo_texts t WHERE t.record_id = :id)"
    known = f"INSERT INTO rondo_texts(record_id, dataset_id) VALUES (:id, '{dataset.id.hex}') ON CONFLICT DO NOTHING"
    words = f"INSERT INTO rondo_words(rowid, {', '.join(names)}) VALUES ({rowid}, {', '.join(':' + n for n in names)})"
    async with async_engine.begin() as connection:
        await connection.execute(text(known), rows)
        await connection.execute(text(f"DELETE FROM rondo_words WHERE rowid = {rowid}"), rows)
        await connection.execute(text(words), rows)


async def forget_texts(which: str, values: Mapping[str, str]) -> None:
    """which: a condition on a row `t` of the index."""
    async with async_engine.begin() as connection:
        for statement in GONE:
            await connection.execute(text(statement.format(which=which)), values)
