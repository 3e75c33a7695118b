"""fastText's lines: labels with their prefix, then the text. Knows its form, no record."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from core.data.formats.file_format import ExportTable, FileFormat
from core.data.formats.reading import Lines, open_text
from core.data.formats.row_source import Row, RowSource
from core.errors import BadInput

PREFIX = "__label__"
BLANK = "\u00a0"
"""stands for a blank in a label's name: fastText's words end at blanks of ASCII alone"""
_BREAKS = str.maketrans({mark: " " for mark in "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"})


def _rows(path: Path, encoding: str, requested: Sequence[str]) -> Iterator[Row]:
    """A row for each line that is not blank. One without a label has none."""
    with open_text(path, encoding, newline="\n") as (stream, tell):
        lines = Lines(stream, path.name)
        for line in lines:
            lines.taken = 0
            if line.isspace():
                continue
            labels, rest = [], line.rstrip("\r\n")
            while rest.startswith(PREFIX):
                name, _, rest = rest.partition(" ")
                labels.append(name.removeprefix(PREFIX).replace(BLANK, " "))
            if not rest.strip():
                raise BadInput(f"{path.name}: line {lines.number} has labels and no text; add it or remove the line.")
            cells = {"text": rest, "label": labels or None}
            yield Row(cells, f"line {lines.number}", tell(), len(line))


def write(table: ExportTable, target: Path) -> tuple[str, ...]:
    """A line for each record with a label; line breaks in texts become blanks. Says how many there were."""
    table.require_single("fasttext")
    broken = none = marked = 0
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for row in table.rows():
            names = table.meaning.names(row.get("label"))
            text = str(row["text"]).translate(_BREAKS)
            broken += text != row["text"]
            none += names == []
            if text.startswith(PREFIX):  # it would be read as a label
                text, marked = f" {text}", marked + 1
            labels = "".join(f"{PREFIX}{name.replace(' ', BLANK)} " for name in names or ())
            file.write(f"{labels}{text}\n")
    notes = []
    if broken:
        notes.append(f"line breaks became blanks in {broken:,} texts")
    if none:
        notes.append(f"{none:,} answers that no label fits became texts without a label")
    if marked:
        notes.append(f"{marked:,} texts that begin with {PREFIX} got a blank before it")
    return tuple(notes)


FASTTEXT = FileFormat(
    caption=f"fastText's lines: {PREFIX}NAME before the text",
    ending=".fasttext",
    endings=(".fasttext", ".ft"),
    read=lambda path, encoding: RowSource(path, encoding, _rows),
    write=write,
    holds=frozenset(("text", "label")),
    names_itself=True,
    needs_labels=True,
    changes=("line breaks in texts become blanks", "none of the labels becomes no label"),
)
