"""A picture of counts by name: how many there are of each. Knows no project."""

from collections.abc import Mapping

import altair as alt

from app.charts.axes import INK

BLUE = "#2f6fed"
MOST_BARS = 30


def count_bars(counts: Mapping[str, int], title: str, what: str) -> alt.LayerChart:
    """A bar for each name, in their order, with its count; the first MOST_BARS of many. title: what is counted; what: a
    name is one."""
    rows = [{"name": name, "count": count} for name, count in list(counts.items())[:MOST_BARS]]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
        x=alt.X("count:Q", title=title, axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1)),
        tooltip=[alt.Tooltip("name:N", title=what), alt.Tooltip("count:Q", title=title, format=",")],
    )
    numbers = base.mark_text(align="left", dx=4, color=INK).encode(text=alt.Text("count:Q", format=","))
    return (base.mark_bar(color=BLUE) + numbers).properties(height=alt.Step(22))
