"""A chart on a page, with a way to save it: as SVG and PNG, and its data as CSV. Knows no project's figures."""

import threading
from functools import partial
from typing import Any

import altair as alt
import streamlit as st

from app.background import opened
from app.charts.saving import chart_csv, print_spec
from core.paper.figure_job import draw_figures

_DRAWING = threading.Lock()
"""one process at a time, however often people press the button"""
MIMES = {"svg": "image/svg+xml", "png": "image/png", "csv": "text/csv"}


def draw_chart(chart: alt.TopLevelMixin, *, key: str, alt: str, **options: Any) -> Any:
    """As `st.altair_chart`, whose result it returns. alt: what it shows, in words.

    Nothing is drawn for a file before somebody asks for it: that takes a second, in a process of its own.
    """
    result = st.altair_chart(chart, key=key, alt=alt, **options)
    box = st.popover("Save", icon=":material/download:", type="tertiary", key=f"save-{key}", help=f"Save: {alt}")
    with box:
        for form, words in (("svg", "Chart as SVG"), ("png", "Chart as PNG"), ("csv", "Data as CSV")):
            make = partial(_csv if form == "csv" else _drawn, chart, form)
            file = f"{key}.{form}"
            st.download_button(words, make, file, MIMES[form], key=f"{form}-{key}", on_click="ignore", width="stretch")
    return result


def _csv(chart: alt.TopLevelMixin, form: str) -> bytes:
    return chart_csv(chart.to_dict()).encode()


def _drawn(chart: alt.TopLevelMixin, form: str) -> bytes:
    specs = {"chart": print_spec(chart.to_dict())}
    with _DRAWING:
        [content] = draw_figures(opened().project, lambda *_: None, specs, (form,)).values()
    return content
