"""The Models page's part on a hosted model that ends: another takes its place, after the price was agreed to."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from app.background import ProjectServer
from app.pages.parts.models.model_rows import name_of
from app.pages.parts.models.paid_work import PaidWork, ask_base, draw_paid_work
from app.words import rescue_plan_sentences, rescue_sentences
from core.pairs.recorded_answers import BUDGET
from core.registry.models import ModelEntry, ModelList
from core.registry.rescue import HOSTED, LOCAL, MOST_POOL, Rescue, RescuePlan
from core.tasks.tasks import task_of

WAYS = {LOCAL: "The model in use here, fitted anew", HOSTED: "Another model at a provider"}


def _warnings(plan: RescuePlan) -> tuple[str, ...]:
    return plan.estimate.warnings if plan.estimate else ()


RESCUE = PaidWork(
    key="rescue",
    estimate="rescue_plan",
    start="rescue",
    title="Agree, and go on",
    sentences=rescue_plan_sentences,
    warnings=_warnings,
)


def draw_rescue(server: ProjectServer, listed: ModelList) -> None:
    """Nothing where no hosted model ends soon or has ended."""
    today = datetime.now(UTC).date()
    ending = {one.id: one for one in listed.models if one.hosting and one.hosting.warning(today)}
    if not ending or not task_of(server.settings()).two_sides:
        return
    with st.expander("Hand on what it knows, before it ends", icon=":material/move_down:", key="rescue-box"):
        st.caption(
            "Its answers on gold and audit pairs are recorded, another model is trained, the gate compares both on the "
            "same pairs and decides. What was stopped goes on with the same choices."
        )
        options, further = _ask(listed, ending)
        result: Rescue | None = draw_paid_work(server, RESCUE, options, further)
        for sentence in rescue_sentences(result) if result else ():
            st.text(sentence)


def _ask(listed: ModelList, ending: dict[Any, ModelEntry]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Options of the plan, None until they are complete, and those of the rescue alone."""
    names = list(ending)
    first = names.index(listed.decider) if listed.decider in ending else 0
    model = st.selectbox(
        "Model that ends", names, first, format_func=lambda one: name_of(ending[one]), key="rescue-model"
    )
    way = st.segmented_control(
        "In its place", list(WAYS), default=LOCAL, required=True, format_func=WAYS.__getitem__, key="rescue-to"
    )
    base = ask_base("rescue") if way == HOSTED else {}
    left, right = st.columns(2)
    pool = left.number_input(
        "Undecided pairs to ask about, too",
        0,
        MOST_POOL,
        0,
        key="rescue-pool",
        help="A hosted replacement learns from them",
    )
    budget = right.number_input("Requests at most", 0, None, BUDGET, key="rescue-budget")
    options = None if base is None else {"model": model, "to": way or LOCAL, **base, "pool": int(pool)}
    return options, {"budget": int(budget)}
