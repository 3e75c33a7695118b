"""Looking into a file before it is imported: its columns, first rows, and every row that cannot be a record. Changes
nothing. Knows columns and texts; no store.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from core.data.cells import NO_TEXT, is_text, string_of
from core.data.column_roles import FEW_VALUES, ColumnSample, guess_roles
from core.data.formats.formats import FORMATS
from core.data.formats.reading import RowBatch, Source
from core.data.formats.sources import open_source, recognised
from core.data.formats.sql_tables import SqlSource
from core.data.ingest import named_layout
from core.data.ingest_job import Layout
from core.data.ledger import normalised_hashes
from core.data.preview_job import LeftOutRow, Preview, PreviewColumn, PreviewParams
from core.errors import BadInput
from core.store.whole_files import write_whole

SHOWN_ROWS, SAMPLED_ROWS = 12, 1_000
SHOWN_CELL = 300
"""characters of a cell; who wants all of it opens the file"""
MOST_COLUMNS = 200
SHOWN_LEFT_OUT, MOST_LEFT_OUT = 50, 100_000
SHOWN_LABELS = 1_000
LEFT_OUT = "left_out.json"
"""of the job's output: numbers of all rows that cannot be records"""

Progress = Callable[[int, int], None]
Cell = str | None


def preview(params: PreviewParams, out: Path, report: Progress) -> Preview:
    """With roles the whole file is read and checked, without them its beginning, and roles are guessed.

    Raises BadInput for a file that cannot be read at all.
    """
    name, source, form = _opened(params)
    columns = list(dict.fromkeys(source.columns([])))
    if not columns:
        raise BadInput(f"{name} is empty; it needs at least one record.")
    if len(columns) > MOST_COLUMNS:
        raise BadInput(f"{name} has {len(columns):,} columns; leave {MOST_COLUMNS} in it at most.")
    batches = source.batches(columns)
    first = next((batch for batch in batches if any(batch.columns.values())), None)
    if first is None:
        raise BadInput(f"{name} has no rows; it needs at least one record.")
    samples = [
        ColumnSample(name, tuple(_shown(cell) for cell in islice(first.columns[name], SAMPLED_ROWS)))
        for name in columns
    ]
    own_form = form if form and FORMATS[form].names_itself else ""
    roles = params.roles or (
        _named_roles(columns, own_form) if own_form else guess_roles(samples, two_sides=params.two_sides)
    )
    rows = tuple(zip(*(one.values[:SHOWN_ROWS] for one in samples), strict=True))
    if params.roles is None:
        return Preview(_columns(samples, roles), rows, len(samples[0].values), False, own_form)
    checked = _Check(source, {name: params.roles.get(name, "none") for name in columns})
    for batch in chain([first], batches):
        checked.enter(batch)
        report(batch.done, source.total)
    write_whole(out / LEFT_OUT, json.dumps(checked.left_out[:MOST_LEFT_OUT]).encode(), alone=True)
    return checked.result(_columns(samples, roles), rows, own_form)


def _opened(params: PreviewParams) -> tuple[str, Source, str]:
    """What it is called, its rows, and its format; a query has none."""
    file = Path(params.file)
    if params.sql:
        return "The query", SqlSource(file, params.sql), ""
    form = params.form or recognised(file, params.encoding, by_content=True)
    return file.name, open_source(file, params.encoding, form), form


def _shown(cell: object) -> Cell:
    """As much of a cell as a table shows; what is nested as JSON."""
    try:
        text = string_of(cell)
    except TypeError:
        text = json.dumps(cell, ensure_ascii=False, default=str)
    if text is None:
        return None
    return "".join("\ufffd" if not is_text(letter) else letter for letter in text[:SHOWN_CELL])


def _columns(samples: list[ColumnSample], roles: Mapping[str, str]) -> tuple[PreviewColumn, ...]:
    described = []
    for one in samples:
        counts = one.counts
        values = tuple(counts.most_common(FEW_VALUES)) if len(counts) <= FEW_VALUES else ()
        described.append(PreviewColumn(one.name, roles.get(one.name, "none"), len(one.filled), len(counts), values))
    return tuple(described)


def _named_roles(columns: list[str], form: str) -> dict[str, str]:
    """Of a format that says itself what its columns are."""
    layout = named_layout(columns, Layout(form=form))
    roles = dict.fromkeys(columns, "none") | dict.fromkeys(layout.meta, "context")
    named = {"text": layout.text[0], "label": layout.label, "id": layout.id}
    named |= {"split": layout.split, "annotator": layout.annotator}
    return roles | {name: role for role, name in named.items() if name in columns}


@dataclass
class _Check:
    """Grows with the ids and hashes of a file, not with its texts."""

    source: Source
    roles: Mapping[str, str]
    left_out: list[int] = field(default_factory=list)
    shown: list[LeftOutRow] = field(default_factory=list)
    rows: int = 0
    unusable: int = 0
    labelled: int = 0
    gold: int = 0
    blank: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    _ids: dict[str, tuple[int, int]] = field(default_factory=dict)
    _hashes: set[int] = field(default_factory=set)
    _duplicates: int = 0

    def named(self, *roles: str) -> list[str]:
        """The columns of these roles."""
        return [name for name, role in self.roles.items() if role in roles]

    def enter(self, batch: RowBatch) -> None:
        """Counts the rows of a batch."""
        self.blank += batch.blank
        if not any(batch.columns.values()):
            return
        texts, texts_of = [], self.named("text", "left", "right")
        for index, cells in enumerate(zip(*(batch.columns[name] for name in texts_of), strict=True)):
            self.rows += 1
            reason, text = self._text(dict(zip(texts_of, cells, strict=True)))
            reason = reason or self._identity(batch, index, text)
            if reason:
                self._leave_out(batch, index, reason)
                continue
            texts.append(text)
            self._count(batch, index)
        for hashed in normalised_hashes(texts).tolist():
            self._duplicates += hashed in self._hashes
            self._hashes.add(hashed)

    def _text(self, cells: Mapping[str, object]) -> tuple[str, str]:
        """(why it is none, the text)."""
        parts: dict[str, list[str]] = defaultdict(list)
        for name, cell in cells.items():
            try:
                part = string_of(cell) or ""
            except TypeError:
                return f"column '{name}' holds a {type(cell).__name__}, not text", ""
            if not is_text(part):
                return f"column '{name}' {NO_TEXT.partition(';')[0]}", ""
            if part and not part.isspace():
                parts[self.roles[name]].append(part)
        needed = ("left", "right") if self.named("left", "right") else ("text",)
        if missing := [role for role in needed if not parts[role]]:
            return "has no text" if missing == ["text"] else f"has no text on the {missing[0]} side", ""
        return "", "\n\n".join(chain.from_iterable(parts.values()))

    def _identity(self, batch: RowBatch, index: int, text: str) -> str:
        for name in self.named("id"):
            try:
                known = string_of(batch.columns[name][index]) or ""
            except TypeError:
                return "has an id that is not text"
            if not known or known.isspace():
                return "has no id"
            row = batch.first + index
            first, content = self._ids.setdefault(known, (row, hash(text)))
            if content != hash(text):
                return f"repeats the id {known[:40]!r} of row {first:,} with another text"
        return ""

    def _leave_out(self, batch: RowBatch, index: int, reason: str) -> None:
        row = batch.first + index
        self.unusable += 1
        self.left_out.append(row)
        if len(self.shown) < SHOWN_LEFT_OUT:
            self.shown.append(LeftOutRow(row, batch.location(row), reason))

    def _count(self, batch: RowBatch, index: int) -> None:
        for name in self.named("label"):
            names = _names(batch.columns[name][index])
            self.labelled += bool(names)
            self.labels.update(names)
        for name in self.named("split"):
            word = _shown(batch.columns[name][index]) or ""
            self.splits[word.strip().lower()] += 1
            self.gold += word.strip().lower() == "test"

    def result(self, columns: tuple[PreviewColumn, ...], rows: tuple[tuple[Cell, ...], ...], form: str) -> Preview:
        """All that was counted."""
        return Preview(
            columns,
            rows,
            self.rows,
            True,
            form,
            self.unusable,
            tuple(self.shown),
            self._duplicates,
            tuple(self.labels.most_common(SHOWN_LABELS)),
            self.labelled,
            tuple(_alike(self.labels)),
            self.gold,
            tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        if self.blank:
            yield f"{self.blank:,} rows of empty fields are passed over."
        if self._duplicates:
            yield f"{self._duplicates:,} rows have the text of an earlier one: nobody is asked twice."
        if len(self.labels) > SHOWN_LABELS:
            yield f"The column of labels has {len(self.labels):,} different values: is it one?"
        if self.unusable > MOST_LEFT_OUT:
            yield f"More than {MOST_LEFT_OUT:,} rows cannot be records: choose another column of texts."


def _names(cell: object) -> list[str]:
    if isinstance(cell, list):
        return [name for one in cell if (name := _shown(one))]
    text = (_shown(cell) or "").strip()
    return [text] if text else []


def _alike(labels: Counter[str]) -> list[tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        groups[" ".join(label.casefold().split())].append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1][:10]
