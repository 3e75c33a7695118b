"""The search box and filters of the Records page; all of them stand in the URL. Draws, and finds nothing itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.auth.identity import require_right
from app.background import ProjectServer
from core.config.settings import Settings
from core.errors import RondoError
from core.explore.browse import Choices
from core.explore.filters import RecordSearch, describe
from core.explore.label_errors import KINDS
from core.explore.saved_views import remove_view, save_view, saved_views
from core.labelling.record_states import STATES
from core.reports.card_text import escaped
from core.tasks.tasks import task_of

BOUND = ("q", "state", "label", "suggestion", "sure", "flag", "batch", "by", "stratum", "machine")
LINKED = ("truth", "predicted", "like", "rows")
"""what only a link sets: from the confusion matrix, from a record, from the map"""


def ask_search(settings: Settings, there: Choices) -> RecordSearch:
    """What the person wants to see, by the widgets and by the link that led here."""
    # a link says all that is wanted: filters that were set before it would hide some of what it leads to
    link = {name: st.query_params[name] for name in LINKED if name in st.query_params}
    if link and link != st.session_state.get("records-link"):
        for key in BOUND:
            if key not in st.query_params:
                st.session_state.pop(key, None)
    st.session_state["records-link"] = link
    words = st.text_input(
        "Search",
        key="q",
        bind="query-params",
        label_visibility="collapsed",
        placeholder="Words in the text, or a record's id",
        icon=":material/search:",
    )
    with st.expander("Filters", icon=":material/tune:"):
        search = _filters(settings, there)
    truth, predicted, like = (st.query_params.get(name) or None for name in ("truth", "predicted", "like"))
    linked = (st.query_params.get("rows") or "").split(",")
    rows = tuple(int(row) for row in linked if row.isdecimal() and len(row) < 16)
    search = replace(search, words=words or "", truth=truth, predicted=predicted, like=like, rows=rows)
    if result := describe(search, settings.taxonomy.names):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.text(result)
            for name, title in chips().items():
                mark: dict[str, Any] = {"icon": ":material/close:", "icon_position": "right"}
                st.button(escaped(title), key=f"chip-{name}", on_click=drop, args=(name,), **mark)
            st.button("Clear", key="clear-filters", type="tertiary", on_click=clear)
    return search


def chips() -> dict[str, str]:
    """What is filtered by, each as it stands in the address: name to words."""
    query, names = st.query_params, [name for name in (*BOUND, *LINKED) if name not in ("q", "sure")]
    return {name: f"{name}: {query[name]}"[:60] for name in names if query.get(name)}


def drop(name: str) -> None:
    """One filter less."""
    if name in BOUND:
        st.session_state[name] = {"q": "", "sure": (0, 100), "machine": False}.get(name)
    st.query_params.pop(name, None)


def draw_views(server: ProjectServer) -> None:
    """Saved searches, a click away, and saving the one that is shown."""
    views = saved_views(server.project)
    query = {name: st.query_params[name] for name in (*BOUND, *LINKED) if st.query_params.get(name)}
    if not views and not query:
        return
    with st.container(horizontal=True, gap="small"):
        for name, saved in views.items():
            st.page_link("pages/records.py", label=escaped(name), query_params=saved, icon=":material/bookmark:")
        if query or views:
            with st.popover("Views", icon=":material/bookmark_add:", type="tertiary"):
                _edit_views(server, query, list(views))


def _edit_views(server: ProjectServer, query: dict[str, str], names: list[str]) -> None:
    name = st.text_input("Name of what is shown now", key="view-name", max_chars=60, disabled=not query)
    if st.button("Save", key="save-view", type="primary", disabled=not (query and name.strip())):
        try:
            require_right("adjudicate")
            save_view(server.project, name, query)
            st.rerun()
        except RondoError as error:
            st.error(escaped(error))
    if names:
        gone = st.selectbox("Remove", names, None, key="gone-view", placeholder="none")
        if gone and st.button("Remove it", key="remove-view"):
            require_right("adjudicate")
            remove_view(server.project, gone)
            st.rerun()


def clear() -> None:
    """No filter, no words."""
    for key in BOUND:
        st.session_state[key] = {"q": "", "sure": (0, 100), "machine": False}.get(key)
    for name in LINKED:
        if name in st.query_params:
            del st.query_params[name]


def _filters(settings: Settings, there: Choices) -> RecordSearch:
    first, second = st.columns(4), st.columns(4, vertical_alignment="bottom")
    state = _choose(first[0], "State", "state", list(STATES))
    label = suggestion = flag = None
    ids = settings.taxonomy.ids
    if task_of(settings).taxonomy:
        labels = [label.name for label in settings.taxonomy.labels]
        label = _choose(first[1], "Label", "label", labels)
        suggestion = _choose(first[2], "Suggestion", "suggestion", labels)
        flag = _choose(first[3], "Flag", "flag", list(KINDS))
    person = _choose(second[0], "Answered by", "by", there.annotators)
    batch = _choose(second[1], "Round", "batch", [str(batch) for batch in there.batches])
    stratum = _choose(second[2], "Stratum", "stratum", there.strata)
    machine = second[3].toggle("Labelled by machine", key="machine", bind="query-params")
    low, high = st.slider(
        "Probability of the suggestion", 0, 100, (0, 100), key="sure", bind="query-params", format="%d %%"
    )
    return RecordSearch(
        label=ids[label] if label else None,
        suggestion=ids[suggestion] if suggestion else None,
        sure=None if (low, high) == (0, 100) else (low / 100, high / 100),
        state=state,
        kind=flag,
        annotator=person,
        stratum=stratum,
        batch=int(batch) if batch else None,
        machine=machine,
    )


def _choose(container: DeltaGenerator, title: str, key: str, options: Sequence[str]) -> str | None:
    return container.selectbox(title, list(options), index=None, key=key, bind="query-params", placeholder="any")
