"""What charts share: axes that begin where their data do, and names where lines end. Knows no figures."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor
from typing import Any

import altair as alt

Rows = Sequence[Mapping[str, Any]]
INK = "#7c8189"
"""of words in a chart: it can be read on both schemes' backgrounds"""


def zoomed(lows: Iterable[float], highs: Iterable[float] = (1.0,)) -> alt.Scale:
    """Of shares: from a tenth at or below the least to one at or above the greatest, and at least two tenths wide."""
    low, high = floor(10 * min(lows) + 1e-9) / 10, ceil(10 * max(highs) - 1e-9) / 10
    low, high = max(0.0, min(low, high - 0.2)), min(1.0, high)
    return alt.Scale(domain=[low, max(high, low + 0.2)], nice=False)


def zoomed_to(rows: Rows) -> alt.Scale:
    """The same of rows that have `low` and `high`."""
    return zoomed([float(row["low"]) for row in rows], [float(row["high"]) for row in rows])


def percent() -> alt.Axis:
    """Whole percents, few of them."""
    return alt.Axis(format="%", tickCount=5)


def line_names(rows: Rows, x: str, y: str, name: str, colour: alt.Color) -> alt.LayerChart:
    """The name of each line at its last row, in the line's colour, above the others' names where two lines end close to
    each other. rows: of all lines, in the order of x."""
    ends = {row[name]: row for row in rows}
    ordered = sorted(ends.values(), key=lambda row: -float(row[y]))
    values = [{**row, "above": -10 if rank < len(ordered) / 2 else 14} for rank, row in enumerate(ordered)]
    base = alt.Chart(alt.Data(values=values)).encode(x=f"{x}:Q", y=f"{y}:Q", text=f"{name}:N", color=colour)
    layers = [
        base.transform_filter(alt.datum.above == offset).mark_text(align="right", dx=-4, dy=offset, fontWeight=600)
        for offset in (-10, 14)
    ]
    return alt.layer(*layers)


def word_at(x: object, y: object, word: str, *, align: str = "left", dy: float = -6) -> alt.Chart:
    """A word in the chart, beside these values."""
    row = {"x": x, "y": y, "word": word}
    base = alt.Chart(alt.Data(values=[row])).mark_text(align=align, dx=5 if align == "left" else -5, dy=dy, color=INK)
    return base.encode(x="x:Q", y="y:Q", text="word:N")
