"""A picture of clusters: how many there are of each size. Knows no project."""

from collections.abc import Sequence

import altair as alt

from core.merges.merges import SizeCount

BLUE = "#2f6fed"


def size_chart(sizes: Sequence[SizeCount]) -> alt.Chart:
    """A bar for each size, single records among them; on a root scale, for most clusters are small."""
    return (
        alt.Chart(alt.Data(values=[vars(one) for one in sizes]))
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("size:O", title="records in a cluster", axis=alt.Axis(labelAngle=0)),
            y=alt.Y(
                "clusters:Q", title="clusters", scale=alt.Scale(type="sqrt"), axis=alt.Axis(format=",d", tickCount=4)
            ),
            tooltip=[alt.Tooltip("size:O", title="records"), alt.Tooltip("clusters:Q", format=",")],
        )
        .properties(height=160)
    )
