"""The job that reads a person's file into its bundle. Knows the bundle and the parameters; not the project's store."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from core.data.ingest import Layout
from core.data.ingest import ingest as ingest_file


def ingest(bundle: Path, params: Mapping[str, object], report: Callable[[int, int], None]) -> dict[str, object]:
    """Writes what `core.data.ingest` does to out/. params: `file`, the fields of Layout, `near_duplicates`."""
    supplied = cast(Mapping[str, Any], params)
    layout = Layout(
        text=tuple(supplied["text"]),
        label=supplied.get("label"),
        id=supplied.get("id"),
        split=supplied.get("split"),
        meta=tuple(supplied.get("meta") or ()),
        multi=bool(supplied.get("multi")),
        encoding=supplied.get("encoding") or "utf-8",
        annotator=supplied.get("annotator"),
        gold=supplied.get("gold"),
        known=tuple(supplied.get("known") or ()),
        keep_missing_words=bool(supplied.get("keep_missing_words")),
        many_labels=bool(supplied.get("many_labels")),
    )
    near = bool(supplied.get("near_duplicates"))
    return ingest_file(Path(supplied["file"]), layout, bundle / "out", report, near_duplicates=near)
