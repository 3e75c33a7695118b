"""doccano's JSONL of classified texts: a text with a list of labels, and metadata beside them. Knows no record."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.data.formats.file_format import Cells, ExportTable, FileFormat, own_columns, provenance
from core.data.formats.row_source import json_rows
from core.errors import BadInput

OWN = "rondo"
_KNOWN = ("id", "text", "data", "label", "labels", "annotator", "split", "Comments", "comments", OWN)


def _entries(entry: Mapping[str, object], location: str, requested: Sequence[str]) -> Iterator[Cells]:
    """One row for each line. The text is called `data` where doccano exports as JSON."""
    text = entry.get("text", entry.get("data"))
    if not isinstance(text, str):
        raise BadInput(f"{location} has no `text`; correct it, or say what the file is (--format).")
    columns = own_columns({name: value for name, value in entry.items() if name not in _KNOWN}, entry.get(OWN))
    own = entry.get(OWN)
    own_id = own.get("id") if isinstance(own, Mapping) else None
    columns |= {"text": text, "id": entry.get("id") if own_id is None else own_id, "label": _labels(entry, location)}
    if isinstance(own, Mapping) and own.get("split") is not None:
        columns["split"] = own["split"]
    comments = entry.get("Comments", entry.get("comments"))
    if isinstance(comments, list) and comments:
        columns["note"] = "\n".join(map(str, comments))
    yield columns


def _labels(entry: Mapping[str, object], location: str) -> list[str] | None:
    """None for an empty list: doccano does not tell a text without an answer from one that no label fits."""
    labels = entry.get("label", entry.get("labels"))
    if labels is None or labels == []:
        return [] if isinstance(own := entry.get(OWN), Mapping) and own.get("none_of_them") is True else None
    if isinstance(labels, str):
        return [labels]
    if isinstance(labels, list) and any(isinstance(one, list | Mapping) for one in labels):
        raise BadInput(f"{location} holds spans with offsets, which are no labels of a whole text.")
    if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
        raise BadInput(f"{location}: `label` must be a list of names; correct it.")
    return labels


def write(table: ExportTable, target: Path) -> tuple[str, ...]:
    """A line for each record. What doccano takes as metadata stands beside the text."""
    table.require_single("doccano")
    with target.open("w", encoding="utf-8") as file:
        for number, row in enumerate(table.rows(), 1):
            names = table.meaning.names(row.get("label"))
            meta = {f"meta.{name}" if name in _KNOWN else name: value for name, value in row["meta"].items()}
            own: Cells = {"id": row.get("id")} | provenance(row)
            own |= {"split": row["split"]} if row.get("split") is not None else {}
            own |= {"none_of_them": True} if names == [] else {}
            line = {"id": number, "text": row["text"], "label": names or [], **meta, OWN: own}
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    return ()


def _is_entry(first: Mapping[str, object]) -> bool:
    text, labels = first.get("text", first.get("data")), first.get("label", first.get("labels"))
    listed = isinstance(labels, list) and all(isinstance(one, str | list) for one in labels)
    return isinstance(text, str) and listed and ("Comments" in first or "id" in first)


DOCCANO = FileFormat(
    caption="doccano's JSONL of texts with a list of labels",
    ending=".jsonl",
    recognise=_is_entry,
    read=json_rows(_entries),
    write=write,
    holds=frozenset(
        (
            *("id", "text", "label", "split", "meta", "source", "how", "stratum", "annotators", "settled_at", "by"),
            *("model", "threshold", "guarantee", "guaranteed_precision", "confidence", "machine_label"),
            *("machine_probability", "machine_threshold", "machine_model"),
        )
    ),
    names_itself=True,
    meta=True,
    needs_labels=True,
)
