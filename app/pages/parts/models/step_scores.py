"""Language models of structured answers on the Models page: how good each is, step by step, and putting one in use."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.charts.evaluation import examples_chart, score_bars
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.data.files import exports, offer
from app.pages.parts.models.models_view import set_going
from app.pages.parts.widgets import begin, measured_link, outcome_of
from app.words import prepared_sentences
from core.errors import RondoError
from core.extract.prepare import Prepared
from core.extract.step_models import HEAD, ModelScore, StepReport, StepReports, report_stamp, step_report
from core.reports.card_text import escaped
from core.store.database import utc_now
from core.tasks.tasks import task_of

LIMIT = 200
PREPARE = "prepare"
"""the verb"""


@st.cache_data(max_entries=4, show_spinner="Scoring …")
def _report(_server: ProjectServer, stamp: tuple[object, ...]) -> StepReports:
    return step_report(_server.project, lambda *_: None)


def draw_step_models(server: ProjectServer) -> None:
    """Nothing for a task without steps."""
    settings = server.settings()
    if not task_of(settings).steps or not settings.steps:
        return
    st.header("Language models, step by step")
    result = _report(server, report_stamp(server.project))
    st.caption(
        f"Measured on {result.measured:,} audit and gold records, whose answers taught none of them. Ranges are 95 %. "
        "Later steps were given what the model said of earlier ones."
    )
    measured_link("Structured answers")
    _draw_asking(server)
    for step in result.steps:
        _draw_step(server, step)
    _draw_training_data(server, [step.name for step in settings.steps])


def _draw_asking(server: ProjectServer) -> None:
    left, middle, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    settings = server.settings()
    model = left.text_input("Model", settings.llm_model or "SmolLM2-135M-Instruct", key="step-model")
    most = middle.number_input("Records", 1, 100_000, LIMIT, key="step-most")
    if right.button("Ask it", key="step-ask", icon=":material/chat:", disabled="suggest_steps" in server.activities):
        server.start("suggest_steps", user=require_right("manage"), model=model.strip(), most=int(most))
        st.rerun()


def _draw_training_data(server: ProjectServer, steps: Sequence[str]) -> None:
    """Two files for each step, or three; those that this visit wrote last, to be fetched."""
    with st.expander("Training data for other programs", icon=":material/download:", key="prepare-box"):
        st.caption(
            "People's answers as instructions (STEP_train.jsonl) and as chats (STEP_chat.jsonl), as a tuning here or "
            "at a provider learns them. Answers to gold and audit records are left out: they measure."
        )
        left, right = st.columns(2)
        chosen = left.multiselect("Steps", steps, key="prepare-steps", placeholder="all steps")
        base = right.text_input(
            "Written by the chat template of",
            key="prepare-base",
            placeholder="no model",
            help="As STEP_text.jsonl, too",
        ).strip()
        st.button(
            "Write the files",
            key="prepare",
            icon=":material/download:",
            disabled=PREPARE in server.activities,
            on_click=_prepare,
            args=(server,),
            kwargs={"steps": chosen, "base": base},
        )
        prepared: Prepared | None = outcome_of(server, PREPARE)
        if prepared:
            for sentence in prepared_sentences(prepared):
                st.text(sentence)
            with st.container(horizontal=True):
                for file in (Path(name) for step in prepared.steps if step.examples for name in step.files):
                    offer(file, f"fetch-{file.name}")


def _prepare(server: ProjectServer, *, steps: list[str], base: str) -> None:
    try:
        out = exports(server.project) / f"training-{utc_now():%Y%m%d-%H%M%S}"
    except RondoError as error:
        st.session_state[f"{PREPARE}-trouble"] = str(error)
        return
    begin(server, PREPARE, out=str(out), steps=steps, base=base)


def _draw_step(server: ProjectServer, step: StepReport) -> None:
    st.subheader(step.step, anchor=False)
    if step.unscored:
        names = ", ".join(f"{model} ({records:,})" for model, records in step.unscored.items())
        st.text(f"Too few measured records yet: {names}.")
    if not step.models:
        if not step.unscored:
            st.text("No language model has answered it yet.")
        return
    rows = [(_name(one), one.score.records, one.score.field_f1) for one in step.models]
    draw_chart(score_bars(rows, "mean F1 of the fields, 95 %"), key=f"scores-{step.step}", alt=f"F1 of {step.step}")
    if chart := examples_chart([(one.examples, one.score.field_f1) for one in step.models if one.examples is not None]):
        draw_chart(chart, key=f"curve-{step.step}", alt=f"F1 of {step.step} by examples that it was tuned on")
    with st.expander("The numbers"):
        st.dataframe([row for one in step.models for row in _rows(one)], key=f"table-{step.step}", hide_index=True)
        st.caption(
            "Changed: in how many answers people changed what was suggested. They were chosen, not drawn at random."
        )
    others = [one.model for one in step.models if not one.in_use and one.model != HEAD]
    if others:
        chosen = st.selectbox("Put in use", others, key=f"choose-{step.step}")
        st.button(
            "If it is better, suggest its answers",
            key=f"promote-{step.step}",
            on_click=set_going,
            args=(server, "step_promote"),
            kwargs={"step": step.step, "model": chosen},
        )
    if any(one.in_use for one in step.models):
        ways = {"step_rollback": "Back to the model before", "step_deactivate": "Suggest no model's answers"}
        with st.container(horizontal=True):
            for verb, words in ways.items():
                key = f"{verb}-{step.step}"
                st.button(words, key=key, on_click=set_going, args=(server, verb), kwargs={"step": step.step})


def _name(one: ModelScore) -> str:
    if one.model == HEAD:
        return "plain classifier"
    return f"{one.model} (in use)" if one.in_use else one.model


def _rows(one: ModelScore) -> list[dict[str, object]]:
    """A line of the whole step, then of each field."""
    score, shown = one.score, one.corrections.shown
    whole: dict[str, object] = {
        "model": escaped(_name(one)),
        "field": "",
        "tuned on": one.examples,
        "records": score.records,
        "valid": score.validity.value,
        "exact": score.exact.value,
        "F1": score.field_f1.value,
    }
    return [whole] + [
        {
            "model": "",
            "field": field.path,
            "records": field.records,
            "exact": field.exact.value,
            "F1": field.f1.value,
            "span F1": field.span_f1.value if field.span_f1 else None,
            "changed": f"{one.corrections.changed.get(field.path, 0)} of {shown}" if shown else None,
        }
        for field in score.fields
    ]
