"""Machine labels: what could be guaranteed, accepting it, how the guarantee in force fares, and taking it back."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from app.auth.identity import require_right
from app.background import opened
from app.charts.auto_label import coverage_chart
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.widgets import activity, measured_link, page_header
from core.auto_label import accepting, guarantees
from core.auto_label.guarantee_sentences import (
    how_it_stands,
    past_rows,
    what_accepting_does,
    what_can_be_guaranteed,
)
from core.errors import RondoError
from core.evaluation.guarantee import GuaranteeTerms
from core.project import Project
from core.reports.card_text import escaped
from core.reports.export import stamp

server = opened()
page_header("Machine labels", measured="Machine labels with a guarantee")
st.caption(
    "The model labels the rest by itself, where audit labels prove that it is right often enough. "
    "People check a blind sample afterwards; when the guarantee breaks, its labels are taken back."
)
activity(server)


@st.cache_data(max_entries=4, show_spinner="Calculating what could be guaranteed")
def cached_offer(_project: Project, terms: GuaranteeTerms, at: str) -> guarantees.GuaranteeOffer:
    """Looked at once: a rerun of the page draws it again."""
    return accepting.preview(_project, terms)


def act(change: Callable[[str], object]) -> None:
    """Does it under the name of who is here, and keeps what was wrong, if anything was, for the next run."""
    try:
        change(require_right("manage"))
    except RondoError as error:
        st.session_state["machine-trouble"] = str(error)


def take_back(user: str) -> object:
    """Once: a second click changes nothing."""
    return server.do_alone(user, accepting.withdraw)


def queue_audit(size: int, user: str) -> None:
    """In the background; what it draws is shown without a suggestion."""
    server.start("next", user=user, audit_share=1.0, size=size)
    st.toast("They are being chosen. Then they wait on the Label page; the model learns when all have an answer.")


def accept(terms: GuaranteeTerms, user: str) -> object:
    """The same."""
    each, sure = terms.per_label, terms.confidence
    return server.do_alone(
        user, accepting.auto, precision=terms.precision, per_label=each, confidence=sure, accept=True
    )


for sentence in guarantees.announcements(server.project):
    st.warning(escaped(sentence), icon=":material/warning:")
if error_message := st.session_state.pop("machine-trouble", None):
    st.error(escaped(error_message))

if in_force := guarantees.guarantee_in_force(server.project):
    st.header("The guarantee in force")
    st.text(how_it_stands(in_force))
    columns = st.columns(3)
    columns[0].metric("Machine labels", f"{in_force.covered:,}")
    columns[1].metric("Checked: right / wrong", f"{in_force.right:,} / {in_force.wrong:,}")
    columns[2].metric("Checks to answer", f"{in_force.waiting:,}")
    with st.expander("The numbers"):
        st.dataframe([vars(label) for label in in_force.labels], key="in_force", hide_index=True)
    with st.popover("Withdraw"):
        st.text(f"{in_force.covered:,} machine labels go; their records are in the pool again. Answers stay.")
        st.button("Withdraw it", key="withdraw", on_click=act, args=(take_back,))

if past := guarantees.past_guarantees(server.project):
    with st.expander(f"Guarantees that have ended: {len(past)}"):
        st.dataframe(past_rows(past), key="past", hide_index=True, alt="What was guaranteed, and why it ended")

st.header("A new guarantee" if in_force else "What could be guaranteed?")
precision = st.slider(
    "Right, at least", 0.5, 0.99, 0.95, 0.01, format="percent", key="precision", help="The higher, the fewer records"
)
with st.expander("Further terms"):
    left, right = st.columns(2)
    confidence = left.number_input("With confidence", 0.5, 0.999, 0.95, 0.01, key="confidence", help="Of 1")
    each = right.number_input(
        "Right for each label", 0.5, 0.999, None, 0.01, key="per-label", placeholder="not guaranteed"
    )
terms = GuaranteeTerms(precision, each, confidence)
try:
    offer = cached_offer(server.project, terms, stamp(server.project))
except RondoError as error:
    st.info(escaped(error))
    st.stop()
st.text(what_can_be_guaranteed(offer))
if offer.missing:
    st.button(
        f"Queue {offer.missing:,} audit records",
        key="queue-audit",
        icon=":material/queue:",
        on_click=act,
        args=(partial(queue_audit, offer.missing),),
        disabled="next" in server.activities,
    )
if chart := coverage_chart(offer):
    draw_chart(chart, key="coverage", alt="Precision at least, over the share of the pool that is covered")
    with st.expander("The numbers"):
        rows = offer.labels if offer.why is None else offer.steps
        st.dataframe([vars(row) for row in rows], key="coverage-table", hide_index=True)
    measured_link("Machine labels with a guarantee")
if offer.why is None:
    with st.popover("Accept", type="primary"):
        st.text(what_accepting_does(offer, in_force is not None))
        st.button("Accept them", key="accept", on_click=act, args=(partial(accept, terms),))
