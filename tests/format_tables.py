"""Tables of every kind of answer, written in a format and read again: what tests of file formats share."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.data.formats.file_format import Meaning
from core.data.formats.formats import FORMATS
from core.data.formats.sources import open_source
from core.data.formats.write_job import WHOLE, WriteParams, WrittenParts, write_parts

LABELS = ("new york", "rouge", "日本", "a,b;c")
SEVERAL, SINGLE = Meaning(LABELS, several=True, title="cities"), Meaning(LABELS, title="cities")
TEXTS = (
    "The parcel never came, and nobody answers.",
    "Ünïcode „quotes“ 'single' \"double\" 😀 emoji",
    "مرحبا בעולם right to left",
    "=1+1",
    "__label__x is no label",
    " begins and ends with a blank ",
    "commas, semicolons; tabs\tand | bars",
    "a\\b and \\u0041 and _x0041_ and &amp; <b>",
    "NA",
    "x" * 30_000,
)
LINES = ("one\ntwo\n\nthree", "carriage\r\nreturn", "line\u2028separator and\x0bothers")
COLUMNS = {
    "label": ("id", "text", "label", "split", "source", "meta", "how", "stratum", "annotators", "settled_at"),
    "person": ("id", "text", "annotator", "label", "action", "note", "answered_at", "gold", "split", "source", "meta"),
    "all": ("id", "text", "label", "split", "source", "meta", "how", "suggestion", "probability", "model"),
}


def label_rows(texts: Sequence[str], *, several: bool) -> list[dict[str, Any]]:
    """A record for each text: labelled, answered with none (of several labels), or without a label."""
    rows = []
    for number, text in enumerate(texts):
        label = LABELS[number % 4]
        if several:
            label = ["|".join(LABELS[:2]), LABELS[2], "[]"][number % 3]
        row: dict[str, Any] = {"id": f"r{number}", "text": text, "label": None if number % 5 == 4 else label}
        row |= {
            "split": [None, "test", "train"][number % 3],
            "source": "here.csv",
            "how": "single",
            "stratum": "chosen",
        }
        row |= {"annotators": "ann", "settled_at": f"2026-01-0{number % 9 + 1}T00:00:00.000000Z"}
        row["meta"] = json.dumps({"sender": f"s{number}", "label": "meant otherwise"}) if number % 2 else None
        rows.append(row)
    return rows


def person_rows(texts: Sequence[str], *, several: bool) -> list[dict[str, Any]]:
    """Two people's answers to each record; some have a note, some a known answer."""
    rows = []
    for row in label_rows(texts, several=several):
        number = int(row["id"][1:])
        gold = LABELS[number % 4] if number % 4 == 1 else None
        for user in ("ann", "bob@example.org"):
            label = row["label"] or LABELS[0]
            entry = {name: row[name] for name in ("id", "text", "split", "source", "meta")}
            entry |= {"annotator": user, "label": label, "action": "submit", "gold": gold}
            entry |= {"note": f"why {number}" if user == "ann" and label != "[]" else None}
            rows.append(entry | {"answered_at": "2026-01-02T03:04:05.000000Z"})
    return rows


def suggested_rows(texts: Sequence[str], *, several: bool) -> list[dict[str, Any]]:
    """A suggestion for each record, beside a label that some have."""
    rows = label_rows(texts, several=several)
    return [
        row | {"suggestion": LABELS[number % 4], "probability": 0.25 + number / 100, "model": "m1", "how": "single"}
        for number, row in enumerate(rows)
    ]


def write_table(folder: Path, rows: list[dict[str, Any]], kind: str) -> Path:
    """The rows as the table that an export makes. kind: of COLUMNS."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    columns = {}
    for name in COLUMNS[kind]:
        form = arrow.float64() if name == "probability" else arrow.string()
        columns[name] = arrow.array([row.get(name) for row in rows], form)
    folder.mkdir(exist_ok=True)
    parquet.write_table(arrow.table(columns), folder / "table.parquet")
    return folder / "table.parquet"


def write_form(folder: Path, form: str, rows: list[dict[str, Any]], kind: str, meaning: Meaning) -> WrittenParts:
    """folder/made.ENDING in this format."""
    table, out = write_table(folder, rows, kind), folder / "out"
    out.mkdir(exist_ok=True)
    written = write_parts(WriteParams(form, meaning), table, out)
    (out / WHOLE).rename(made(folder, form))
    return written


def made(folder: Path, form: str) -> Path:
    return folder / f"made{FORMATS[form].ending}"


def read_form(path: Path, form: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """All rows with these columns, as the reader gives them."""
    source = open_source(path, form=form)
    there = source.columns([])
    rows: list[dict[str, Any]] = []
    for batch in source.batches([name for name in columns if name in there]):
        rows += [dict(zip(batch.columns, cells, strict=True)) for cells in zip(*batch.columns.values(), strict=True)]
    return [{name: row.get(name) for name in columns} for row in rows]
