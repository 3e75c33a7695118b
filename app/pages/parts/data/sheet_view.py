"""Pieces of the pages that export and import: a sample for a spreadsheet, and its labels taken back. They compute
nothing."""

from pathlib import Path
from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.charts.counts import MOST_BARS, count_bars
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.data.files import ask_upload, exports, offer
from app.pages.parts.widgets import begin, latest_of
from app.words import sheet_sentences
from core.errors import RondoError
from core.reports.card_text import escaped
from core.sheets.apply import AppliedSheet, apply
from core.sheets.samples import XLSX
from core.store.database import utc_now
from core.store.tables import FORMATS
from core.trees.snapshots import snapshots

SPLITS = ("train", "validation", "test")
PREVIEW, APPLIED = "sheet-preview", "sheet-applied"
MOST_ROWS = 1_000
"""of the refused rows that a page lists"""


def draw_sample(server: ProjectServer) -> None:
    """What is asked of a sample, the button that writes it in the background, and the file."""
    st.header("A sample for a spreadsheet")
    st.caption(
        "Records without an answer, with an empty column for it. Fill it in, then take the labels back on Import."
    )
    left, middle, right = st.columns(3)
    options: dict[str, Any] = {
        "size": int(left.number_input("Records", 1, 1_000_000, 800, key="sample-size")),
        "diversity": middle.slider(
            "Diversity",
            0.0,
            1.0,
            0.7,
            0.05,
            key="sample-diversity",
            help="Share that is as far from all others as can be",
        ),
        **_ask_depths(server),
    }
    file_format = right.selectbox("Format", [*FORMATS, XLSX], key="sample-format")
    with st.expander("Further options"):
        options["seed"] = st.number_input(
            "Seed", 0, None, None, key="sample-seed", placeholder="the project's", width=220
        )
        excel = file_format == "csv" and st.toggle(
            "For Excel",
            value=True,
            key="sample-excel",
            help="A byte-order mark, and an apostrophe before what would be a formula",
        )
    st.button(
        "Write the sample",
        key="sample",
        icon=":material/edit_note:",
        disabled="samples" in server.activities,
        on_click=_begin_sample,
        args=(server, file_format, {**options, "excel": excel}),
    )
    if result := latest_of(server, "samples"):
        st.text(f"{result.rows:,} of {result.pool:,} records are in {result.file} (seed {result.seed}).")
        offer(Path(result.file), "sample-fetch")


def _ask_depths(server: ProjectServer) -> dict[str, Any]:
    """Only where there are snapshots of folders: which one, and how deep its folders lie."""
    listed = snapshots(server.project, lambda *_: None).snapshots
    if not listed:
        return {}
    names = {one.number: f"{one.number}: {one.name}, {one.made_at[:10]}" for one in listed[::-1]}
    left, middle, right = st.columns(3)
    number = left.selectbox(
        "Folders of snapshot", list(names), None, names.__getitem__, key="sample-snapshot", placeholder="all records"
    )
    usual = (1, 10) if number is not None else (None, None)
    about = "Of folders; 1 is right below the root"
    low = middle.number_input("Depth from", 1, None, usual[0], key=f"sample-low-{number}", help=about)
    high = right.number_input("Depth to", 1, None, usual[1], key=f"sample-high-{number}", help=about)
    return {"snapshot": number, "min_depth": low, "max_depth": high}


def _begin_sample(server: ProjectServer, file_format: str, options: dict[str, Any]) -> None:
    """Into `exports/`, under a name that says when."""
    try:
        target = exports(server.project) / f"sample-{utc_now():%Y%m%d-%H%M%S}.{file_format}"
    except RondoError as error:
        st.error(escaped(error))
        return
    begin(server, "samples", out=str(target), **options)


def draw_sheet(server: ProjectServer) -> None:
    """Labels of a spreadsheet: what would be taken and what not, row by row; then, on a click, they are taken."""
    with st.expander("Labels from a spreadsheet", icon=":material/edit_note:", key="sheet-box"):
        st.caption("Of records that are here: each row names one by its id or path, and a label.")
        if applied := st.session_state.pop(APPLIED, None):
            _draw_rows(applied)
        label = "A spreadsheet: Excel, CSV, TSV, JSON, JSONL or Parquet"
        file = ask_upload(server, label, "sheet")
        options = _ask_meaning()
        if file is None:
            st.session_state.pop(PREVIEW, None)
            return
        if st.button("Look through it", key="sheet-preview-go"):
            st.session_state[PREVIEW] = (str(file), options, _run(server, file, options, preview=True))
        path, looked_at, result = st.session_state.get(PREVIEW, (None, None, None))
        if result is None or (path, looked_at) != (str(file), options):  # of another file, or other options
            return
        _draw_rows(result)
        if st.button("Take the labels", key="sheet-apply", type="primary", disabled=not result.taken):
            taken = _run(server, file, options, preview=False)
            if taken:
                st.session_state[APPLIED] = taken
                del st.session_state[PREVIEW]
                st.rerun()


def _ask_meaning() -> dict[str, Any]:
    """As `apply` takes it."""
    first, second, third, fourth = st.columns(4)
    split = first.selectbox(
        "Split", SPLITS, None, key="sheet-split", placeholder="none", help="Of all rows; records of test become gold"
    )
    id_ = second.text_input("Column with the id", key="sheet-id", placeholder="id, or path")
    label = third.text_input("Column with the label", "label", key="sheet-label")
    annotator = fourth.text_input(
        "Whose answers", key="sheet-annotator", placeholder="the file's own", help="They are that person's answers"
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        encoding = st.text_input("Encoding", "utf-8", key="sheet-encoding", width=160, help="Of CSV and JSONL")
        add = st.toggle("Add labels that are not in the project yet", key="sheet-add")
    return {
        "split": split,
        "id": id_.strip() or None,
        "label": label.strip(),
        "annotator": annotator.strip() or None,
        "encoding": encoding.strip(),
        "add_labels": add,
    }


def _run(server: ProjectServer, file: Path, options: dict[str, Any], *, preview: bool) -> AppliedSheet | None:
    """None where the page has shown why it could not be done."""
    try:
        with st.spinner("Reading it" if preview else "Taking the labels"):
            return server.do(require_right("manage"), apply, file=str(file), **options, preview=preview)
    except RondoError as error:
        st.error(escaped(error))
        return None


def _draw_rows(result: AppliedSheet) -> None:
    for sentence in sheet_sentences(result):
        (st.success if result.applied else st.text)(escaped(sentence) if result.applied else sentence)
    if result.labels:
        bars = count_bars(dict(sorted(result.labels.items(), key=lambda one: -one[1])), "rows", "label")
        draw_chart(bars, key=f"sheet-labels-{result.applied}", alt="How many rows have each label")
        if len(result.labels) > MOST_BARS:
            st.caption(f"The {MOST_BARS} most frequent of {len(result.labels):,} labels.")
    if not result.refused:
        return
    rows = [{"row": one.location, "record": one.record, "why": one.reason} for one in result.refused[:MOST_ROWS]]
    height = min(len(rows), 10) * 35 + 38
    st.dataframe(
        rows, key=f"refused-{result.applied}", hide_index=True, height=height, alt="Rows that are refused, and why"
    )
    if result.refusals > len(rows):
        st.caption(f"The first {len(rows):,} of {result.refusals:,}.")
