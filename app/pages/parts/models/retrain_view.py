"""The Jobs page's part on retraining: what it would do now, and the button by which the gate decides on the outcome."""

import streamlit as st

from app.background import ProjectServer
from app.pages.parts.models.jobs_view import draw_price
from app.pages.parts.widgets import begin, latest_of
from core.config.settings import FILE, Settings
from core.registry.retraining import RetrainingPlan, retraining_plan
from core.registry.tuning import untunable
from core.reports.card_text import escaped
from core.tasks.tasks import task_of
from core.training.trainers import trainers_for

RETRAIN = "retrain"
"""the verb"""
HOW = (
    "Retraining learns from all labels so far; the gate compares the model with the one in use on records that neither "
    "learnt from. Only one that is better comes into use; Models leads back."
)
STOPPING = (
    "Stop, at the top, leaves the training running: Cancel at its job above ends it. A model that is there and was not "
    "decided on is decided on the next time."
)


def draw_retraining(server: ProjectServer) -> None:
    """Not for answers that are learnt step by step: there each step's models are put in use on Models."""
    settings = server.settings()
    if task_of(settings).steps:
        return
    plan = retraining_plan(server.project)
    with st.expander("Retrain, and let the gate judge", icon=":material/autorenew:", key="retrain-box"):
        st.text(plan.sentence if plan.undecided else f"{plan.sentence} {HOW}")
        st.caption(escaped(_by_itself(settings, plan)))
        names = list(trainers_for(two_sides=task_of(settings).two_sides))
        first = names.index(settings.retrain_trainer) if settings.retrain_trainer in names else 0
        trainer = st.selectbox("Trainer", names, first, key="retrain-trainer")
        busy = RETRAIN in server.activities
        draw_price(server, settings.retrain_on, None)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Retrain and let the gate judge",
                key="retrain",
                icon=":material/autorenew:",
                disabled=busy or bool(plan.why_not),
                on_click=begin,
                args=(server, RETRAIN),
                kwargs={"trainer": trainer},
            )
            if untunable(server.project) is None:
                _draw_tuning(server, settings, busy=busy)
        if plan.why_not:
            st.text(f"Nothing to do now. {plan.why_not}")
        if busy:
            st.caption(STOPPING)
        if result := latest_of(server, RETRAIN):
            st.info(escaped(result.sentence), icon=":material/gavel:")


def _draw_tuning(server: ProjectServer, settings: Settings, *, busy: bool) -> None:
    st.button(
        "Tune the encoder instead",
        key="retrain-tune",
        icon=":material/tune:",
        disabled=busy,
        on_click=begin,
        args=(server, RETRAIN),
        kwargs={"tune": True},
        help=f"As the app does by itself, within {settings.tune_minutes:g} processor minutes; tried out against the "
        "encoder in use in the same job",
    )


def _by_itself(settings: Settings, plan: RetrainingPlan) -> str:
    """When the app does so without being asked, and where that is set."""
    rules = [f"after {settings.retrain_after:,} new labels"] if settings.retrain_after else []
    rules += [f"after {settings.retrain_hours:g} hours with a new label"] if settings.retrain_hours else []
    keys = f"retrain_after, retrain_hours, retrain_trainer and retrain_on under [retraining] in {FILE}"
    if not rules:
        return f"By itself the app does so never: {keys} say when, with what and where."
    due = " It is due now." if plan.due else ""
    return f"By itself the app does so {' or '.join(rules)}.{due} That stands in {keys}."
