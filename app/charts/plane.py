"""The picture of a map, as an ECharts option, and the shapes that a person drew on it. Knows no project."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.explore.map_points import MapPoints, Polygon

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

PALETTE = (
    "#5555ff",
    "#eabf00",
    "#d44000",
    "#95d4aa",
    "#5540aa",
    "#bfbfff",
    "#aa0000",
    "#8095ff",
    "#ff6a55",
    "#5580aa",
)
"""ten that stay apart for red- and green-blind eyes too (no two nearer than 0.11 in OKLab) and show on both themes"""

RAMP = (
    "#440154",
    "#482878",
    "#3e4989",
    "#31688e",
    "#26828e",
    "#1f9e89",
    "#35b779",
    "#6ece58",
    "#b5de2b",
    "#fde725",
)
"""viridis: its lightness alone tells the order; its lightest end is left out on white, its darkest on black"""

GREYS = {"light": ("#9aa5b1", "#c3cad2"), "dark": ("#6b7683", "#48525e")}
"""of the groups without a colour: the other ones, and those with nothing to tell"""


NAMED = 0.01
"""of the points: a group with as many is named where most of it lies"""


def map_chart(
    shown: MapPoints, theme: str | None, label_colours: Mapping[str, str], captions: Sequence[str]
) -> dict[str, object]:
    """An option for `st.echarts_chart`: one series for each group that has points, grey ones beneath.

    label_colours: name of a group to its colour, where it has one everywhere. captions: of each point, what its card
    says above the text.
    """
    order = [*range(shown.coloured, len(shown.groups)), *range(shown.coloured)]
    tables = {index: _table(shown, index, captions) for index in order}
    drawn = [index for index in order if tables[index].num_rows]
    dark = theme == "dark"
    colours = _colours(shown, "dark" if dark else "light")
    colours = [label_colours.get(name, colour) for name, colour in zip(shown.groups, colours, strict=False)]
    size = 4 if len(shown.record_nos) > 5_000 else 6 if len(shown.record_nos) > 500 else 9
    return _FRAME | {
        "legend": _LEGEND | {"data": [shown.groups[index] for index in sorted(drawn)]},
        "dataset": [{"source": tables[index]} for index in drawn],
        "series": [
            {
                "type": "scatter",
                "name": shown.groups[index],
                "datasetIndex": position,
                "encode": {"x": "x", "y": "y"},
                "symbolSize": size,
                "itemStyle": {"color": colours[index], "opacity": 0.85 if index < shown.coloured else 0.6},
                "progressive": 0,
                **(_name_at(shown, index, dark=dark) if index < shown.coloured and not shown.ordered else {}),
            }
            for position, index in enumerate(drawn)
        ],
    }


def _name_at(shown: MapPoints, group: int, *, dark: bool) -> dict[str, object]:
    """The group's name in the middle of its points: by the median, since some lie far from the others."""
    mine = shown.xy[shown.group == group]
    if len(mine) < max(NAMED * len(shown.xy), 3):
        return {}
    middle = [float(value) for value in np.median(mine, axis=0)]
    ink, edge = ("#fff", "#16171a") if dark else ("#1f2328", "#fff")
    font = {"fontSize": 12, "fontWeight": "bold", "color": ink, "textBorderColor": edge, "textBorderWidth": 3}
    label = {"show": True, "formatter": "{b}", **font}
    data = [{"name": shown.groups[group], "coord": middle}]
    return {"markPoint": {"symbol": "circle", "symbolSize": 1, "silent": True, "label": label, "data": data}}


_CARD = '<div style="font-weight: 600; margin-bottom: 4px">{@caption}</div><div dir="auto">{@text}</div>'
"""of the point under the mouse; Streamlit puts the values in as text"""
_AXIS = {"type": "value", "min": -1.06, "max": 1.06, "show": False}  # the axes of such a map mean nothing
_TOOLS = {"polygon": "Lasso", "rect": "Box", "clear": "Clear"}
_LEGEND = {"type": "scroll", "top": 44, "left": 0, "icon": "circle"}
_FRAME: dict[str, object] = {
    "animation": False,
    "grid": {"left": 2, "right": 2, "top": 76, "bottom": 2},
    "xAxis": _AXIS,
    "yAxis": _AXIS,
    "toolbox": {
        "left": 0,
        "top": 0,
        "itemSize": 20,
        "itemGap": 14,
        "iconStyle": {"borderColor": "#3872e6"},
        "feature": {"brush": {"type": list(_TOOLS), "title": _TOOLS}},
    },
    "brush": {
        "xAxisIndex": "all",
        "yAxisIndex": "all",
        "brushMode": "single",
        "throttleType": "debounce",
        "throttleDelay": 250,
        "outOfBrush": {"colorAlpha": 0.2},
    },
    "dataZoom": [{"type": "inside", "xAxisIndex": 0}, {"type": "inside", "yAxisIndex": 0}],
    "tooltip": {
        "confine": True,
        "padding": [10, 14],
        "formatter": _CARD,
        "extraCssText": "max-width: 24rem; white-space: normal; border-radius: 10px; line-height: 1.45;",
    },
}


def drawn_shapes(event: Mapping[str, Any]) -> list[Polygon]:
    """The lassos and boxes of the chart's selection, as polygons in the map's coordinates."""
    shapes: list[Polygon] = []
    for area in event["selection"]["areas"]:
        if area["brush_type"] == "rect":
            (left, right), (low, high) = area["coord_range"]
            shapes.append([(left, low), (right, low), (right, high), (left, high)])
        elif area["brush_type"] == "polygon":
            shapes.append([(x, y) for x, y in area["coord_range"]])
    return shapes


def _colours(shown: MapPoints, mode: str) -> list[str]:
    """One per group, in their order."""
    greys = list(GREYS[mode][-max(len(shown.groups) - shown.coloured, 1) :])
    if not shown.ordered:
        return [*PALETTE[: shown.coloured], *greys]
    ramp = RAMP[2:] if mode == "dark" else RAMP[:8][::-1]
    steps = max(shown.coloured - 1, 1)
    return [*(ramp[round(step * 7 / steps)] for step in range(shown.coloured)), *greys]


def _table(shown: MapPoints, group: int, captions: Sequence[str]) -> "pyarrow.Table":
    """Arrow: the chart carries twenty thousand points, and lists of them would be slow."""
    import pyarrow

    mine = shown.group == group
    taken = np.flatnonzero(mine).tolist()
    words = {"text": [shown.records[row].text for row in taken], "caption": [captions[row] for row in taken]}
    return pyarrow.table({"x": shown.xy[mine, 0], "y": shown.xy[mine, 1], **words})
