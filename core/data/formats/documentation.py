"""What every format is and holds, in words: for the command `rondo formats` and the table in docs/formats.md."""

from dataclasses import dataclass

from core.data.formats.file_format import STANDARD, FileFormat
from core.data.formats.formats import FORMATS

GROUPS = {
    "id": ("id",),
    "text": ("text",),
    "labels": ("label",),
    "splits": ("split",),
    "metadata": ("meta",),
    "annotators": ("annotator",),
    "notes": ("note",),
    "known answers": ("gold",),
    "suggestions with probability": ("suggestion", "probability"),
    "provenance": ("how", "stratum", "settled_at"),
}
"""what may survive, and in which columns it stands"""


@dataclass(frozen=True)
class FormatLine:
    """One format. ways: read, written or both. holds: what survives; lost: what does not."""

    name: str
    caption: str
    ways: str
    endings: tuple[str, ...]
    holds: tuple[str, ...]
    lost: tuple[str, ...]
    changes: tuple[str, ...]


def format_lines() -> list[FormatLine]:
    """In the order of the dict."""
    return [_line(name, one) for name, one in FORMATS.items()]


def _line(name: str, form: FileFormat) -> FormatLine:
    ways = "read and written" if form.read and form.write else "read" if form.read else "written"
    columns = set((*STANDARD, "meta")) if form.holds is None else form.holds
    if form.write is None and form.names_itself:  # texts alone
        columns = {"id", "text"}
    held = tuple(group for group, names in GROUPS.items() if columns.issuperset(names))
    lost = tuple(group for group in GROUPS if group not in held)
    return FormatLine(name, form.caption, ways, form.endings or (form.ending,), held, lost, form.changes)


def formats_table() -> str:
    """As Markdown."""
    head = ["| format | is | | holds | cannot hold; changes |", "|---|---|---|---|---|"]
    rows = []
    for one in format_lines():
        holds = ", ".join(one.holds) if one.lost else "everything"
        lost = "; ".join([*([", ".join(one.lost)] if one.lost else []), *one.changes])
        rows.append(f"| `{one.name}` | {one.caption} | {one.ways} | {holds} | {lost} |")
    return "\n".join([*head, *rows]) + "\n"
