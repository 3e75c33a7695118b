"""The Prepare page's tabs that even out how often labels train, and that split off what judges."""

from dataclasses import asdict
from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.charts.quality import training_chart
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.widgets import begin, outcome_of
from core.data.balance import Balance, balance, left_out_by_balancing
from core.data.split import Split, group_columns, records_stamp
from core.errors import RondoError
from core.project import Project
from core.reports.card_text import escaped
from core.reports.export import stamp

MOST_BARS = 40
"""labels in the picture; the table has all of them"""
SPLIT = "split"
BALANCE_TROUBLE, SPLIT_OPTIONS = "balance-trouble", "split-options"
"""of this visit: what was wrong with a balance, and what the last split was asked"""


@st.cache_data(max_entries=8, show_spinner="Counting labels")
def _balance(_project: Project, options: dict[str, Any], at: str) -> Balance:
    return balance(_project, lambda *_: None, **options)


@st.cache_data(max_entries=4, show_spinner="Reading which fields the records have")
def _columns(_project: Project, at: str) -> list[str]:
    with _project.store.reading() as cursor:
        return group_columns(cursor)


def draw_balance(server: ProjectServer) -> None:
    """How often each label trains with what is chosen, and the button that makes it so."""
    settings = server.settings()
    chart = st.container()
    if error_message := st.session_state.pop(BALANCE_TROUBLE, None):
        st.error(escaped(error_message))
    names = [label.name for label in settings.taxonomy.active]
    left, middle, right = st.columns([3, 2, 1])
    filtered = left.multiselect(
        "Labels to leave out", names, key="balance-labels", help="Leave out of training what has no other label"
    )
    most = middle.number_input(
        "At most, of a label", 1, None, None, key="balance-most", placeholder="all", help="Records, drawn at random"
    )
    seed = right.number_input("Seed", 0, None, settings.seed, key="balance-seed")
    oversample = st.toggle(
        "Oversample rare labels",
        settings.oversample,
        key="balance-oversample",
        help="Trainers repeat (encoder) or weigh (transformer) rare labels; the records stay as they are. SetFit draws "
        "as many like as unlike pairs; a round's head weighs nothing, for its probabilities must stay true.",
    )
    options = {"labels_to_filter": filtered, "reduce_majority_to": most, "oversample": oversample, "seed": seed}
    try:
        result = _balance(server.project, options, stamp(server.project))
    except RondoError as error:
        st.error(escaped(error))
        return
    with chart:
        _draw_balance(result)
    left_out = left_out_by_balancing(server.project.store)
    oversampled = " and rare labels are oversampled" if settings.oversample else ""
    st.text(f"In force now: {left_out:,} records are left out by balancing{oversampled}.")
    with st.container(horizontal=True):
        st.button("Apply", key="balance-apply", type="primary", on_click=_apply_balance, args=(server, options))
        if left_out or settings.oversample:
            st.button("Undo: everything trains", key="balance-undo", on_click=_undo_balance, args=(server,))


def _draw_balance(result: Balance) -> None:
    if not result.training:
        st.info("No label trains yet: answer some records, or import labels. Gold and audit records never train.")
        return
    draw_chart(
        training_chart(result.labels[:MOST_BARS]), key="balance", alt="Records of each label that train or are left out"
    )
    st.text(f"{result.left_out:,} of {result.training:,} labelled records are left out of training by this choice.")
    for sentence in result.notes:
        st.text(sentence)
    with st.expander("The numbers"):
        titles = {"name": "label", "training": "can train", "after": "trains"}
        rows = [asdict(label) for label in result.labels]
        st.dataframe(rows, key="balance-table", hide_index=True, column_config=titles)


def _apply_balance(server: ProjectServer, options: dict[str, Any]) -> None:
    _change_balance(server, {**options, "apply": True})


def _undo_balance(server: ProjectServer) -> None:
    _change_balance(server, {"undo": True})
    for key in ("balance-labels", "balance-most", "balance-oversample"):  # the choice is as new again
        st.session_state.pop(key, None)


def _change_balance(server: ProjectServer, options: dict[str, Any]) -> None:
    """Under the name of who is here; keeps what was wrong, if anything was, for the next run."""
    try:
        result = server.do(require_right("manage"), balance, **options)
    except RondoError as error:
        st.session_state[BALANCE_TROUBLE] = str(error)
        return
    st.toast(f"{result.left_out:,} of {result.training:,} records are left out of training")


def draw_split(server: ProjectServer) -> None:
    """Shares, a preview by label, and the button that makes gold of the test part."""
    st.text(
        "Test becomes gold, for good: it judges models, is never asked, and never teaches. Equal texts stay together."
    )
    options, pressed = _ask_split(server)
    if pressed:
        st.session_state[SPLIT_OPTIONS] = options
        begin(server, SPLIT, **options)
        st.rerun()
    result: Split | None = outcome_of(server, SPLIT)
    if result:
        _draw_split(server, result)


def _ask_split(server: ProjectServer) -> tuple[dict[str, Any], bool]:
    with st.form("split-form"):
        shares = st.columns(3)
        words = {"train": ("Train", "the rest"), "val": ("Validation", "none"), "test": ("Test", "0.2, or the rest")}
        values = {
            name: column.number_input(title, 0.0, 1.0, None, 0.05, key=f"split-{name}", placeholder=usual)
            for column, (name, (title, usual)) in zip(shares, words.items(), strict=True)
        }
        left, right = st.columns([2, 1])
        by = left.selectbox(
            "Never divide",
            _columns(server.project, records_stamp(server.project)),
            None,
            key="split-by",
            placeholder="equal texts alone",
            help="A field or metadata whose values stay together: author, document …",
        )
        seed = right.number_input(
            "Seed", 0, None, server.settings().seed, key="split-seed", help="The same one gives the same splits"
        )
        more = st.toggle(
            "Add to gold", key="split-gold", help="There is gold: split the other labelled records (`--add-to-gold`)"
        )
        chosen = st.toggle(
            "Records that a strategy chose, too",
            key="split-chosen",
            help="A test set of them is no random sample (`--chosen-too`)",
        )
        pressed = st.form_submit_button("Preview", key="split-preview", type="primary")
    return {**values, "by": by, "seed": seed, "add_to_gold": more, "chosen_too": chosen}, pressed


def _draw_split(server: ProjectServer, result: Split) -> None:
    sizes = {"Train": result.train, "Validation": result.validation, "Test": result.test}
    for column, (title, records) in zip(st.columns(len(sizes)), sizes.items(), strict=True):
        column.metric(title, f"{records:,}")
    rows = [asdict(label) for label in result.labels]
    st.dataframe(
        rows, key="split-table", hide_index=True, column_config={"name": "label"}, alt="Records of each label by split"
    )
    for sentence in result.notes:
        st.text(sentence)
    if result.applied:
        st.success(f"Done, with seed {result.seed}: {result.test:,} records are gold.")
        st.page_link("pages/export.py", label="Export the splits", icon=":material/download:")
        return
    with st.popover("Apply", type="primary"):
        st.text(f"{result.test:,} records become gold. This cannot be taken back.")
        options = {**st.session_state[SPLIT_OPTIONS], "apply": True}
        st.button("Split them", key="split-apply", on_click=begin, args=(server, SPLIT), kwargs=options)
