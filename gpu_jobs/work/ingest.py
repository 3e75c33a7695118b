"""The job that reads a person's file into its bundle. Knows the bundle and the parameters; not the project's store."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from core.data.ingest import Layout
from core.data.ingest import ingest as ingest_file


def ingest(bundle: Path, params: Mapping[str, object], report: Callable[[int, int], None]) -> dict[str, object]:
    """Writes what `core.data.ingest` does to out/. params: `file`, the fields of Layout, `near_duplicates`."""
    given = cast(Mapping[str, Any], params)
    layout = Layout(
        text=tuple(given["text"]),
        label=given.get("label"),
        id=given.get("id"),
        split=given.get("split"),
        meta=tuple(given.get("meta") or ()),
        multi=bool(given.get("multi")),
        encoding=given.get("encoding") or "utf-8",
        annotator=given.get("annotator"),
        gold=given.get("gold"),
        known=tuple(given.get("known") or ()),
        keep_missing_words=bool(given.get("keep_missing_words")),
        many_labels=bool(given.get("many_labels")),
    )
    near = bool(given.get("near_duplicates"))
    return ingest_file(Path(given["file"]), layout, bundle / "out", report, near_duplicates=near)
