"""A chart as it is saved: on white and of a fixed width, and its data as CSV. Knows specifications of Vega-Lite."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

Spec = Mapping[str, Any]
WIDTH = 560
_CONFIG = {"font": "Helvetica, Arial, sans-serif", "view": {"stroke": None}, "axis": {"labelLimit": 260}}


def print_spec(spec: Spec) -> dict[str, Any]:
    """For paper: pages draw it as wide as they are, in the colours of the screen."""
    width = {} if "width" in spec else {"width": WIDTH}
    return {**spec, **width, "background": "white", "config": {**_CONFIG, **spec.get("config", {})}}


def chart_csv(spec: Spec) -> str:
    """The rows of the layer that has most to say, a column for each field; empty where there are none."""
    tables = list(_tables(spec, spec.get("datasets", {})))
    rows = max(tables, key=lambda rows: sum(map(len, rows)), default=[])
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _tables(spec: Spec, datasets: Mapping[str, list[dict[str, object]]]) -> Iterator[list[dict[str, object]]]:
    data = spec.get("data", {})
    if rows := data.get("values") or datasets.get(data.get("name", ""), []):
        yield rows
    for layer in spec.get("layer", ()):
        yield from _tables(layer, datasets)
