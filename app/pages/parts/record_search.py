"""The search box and filters of the Records page; all of them stand in the URL. Draws, and finds nothing itself."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.config.settings import Settings
from core.explore.browse import Choices
from core.explore.filters import RecordSearch, describe
from core.explore.label_errors import KINDS
from core.labelling.record_states import STATES
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
        line, button = st.columns([5, 1], vertical_alignment="center")
        line.text(result)
        button.button("Clear", key="clear-filters", on_click=clear, width="stretch")
    return search


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
