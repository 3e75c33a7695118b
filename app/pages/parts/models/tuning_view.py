"""The Models page's part about tuning at a provider: the jobs, having a model tuned, its training data as a file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.pages.parts.data.files import exports, offer
from app.pages.parts.models.job_rows import STATES
from app.pages.parts.models.paid_work import PaidWork, ask_base, draw_paid_work
from app.pages.parts.widgets import begin, outcome_of
from app.words import estimate_sentences, hosted_model_sentences, training_file_sentence
from core.config.settings import Settings
from core.errors import RondoError
from core.hosted.training_data import FORMATS
from core.jobs.job_states import UNDER_WAY
from core.reports.card_text import escaped
from core.store.database import utc_now
from core.tasks.tasks import task_of
from core.training.hosted import HostedJob, hosted_jobs, list_hosted_jobs

CANCEL, LOOK_UP, DATA = "hosted_cancel", "hosted_models", "training_data"
"""verbs"""
PAIRS = PaidWork(
    key="tune",
    estimate="hosted_estimate",
    start="hosted_tune",
    title="Agree, send the texts and start",
    sentences=estimate_sentences,
    warnings=lambda estimate: estimate.warnings,
)
STEPS = replace(PAIRS, estimate="step_hosted_estimate", start="step_hosted_tune")
FORMS = {"openai_jsonl": "chats", "json": "JSON with counts", "csv": "CSV"}
"""format of training data -> what people are told that it is"""
COLUMNS = {
    "open": st.column_config.LinkColumn("job", display_text="open", width="small"),
    "USD": st.column_config.NumberColumn(format="%.2f"),
}


def draw_tuning(server: ProjectServer) -> None:
    """Nothing where there is nothing that a provider could tune on."""
    settings = server.settings()
    if not tunes(settings):
        return
    st.header("Tuned at a provider")
    _draw_jobs(server)
    with st.expander("Have a model tuned", icon=":material/cloud_upload:", key="tune-box"):
        _draw_form(server, settings)
    if task_of(settings).two_sides:
        with st.expander("Training data as a file", icon=":material/download:", key="training-data-box"):
            _draw_data(server)


def tunes(settings: Settings) -> bool:
    """Are there pairs or steps?"""
    task = task_of(settings)
    return task.two_sides or bool(task.steps and settings.steps)


def _draw_form(server: ProjectServer, settings: Settings) -> None:
    """First what it would take, then the button that starts it."""
    st.caption(
        "A provider tunes a language model of its own on what people decided here: the texts are sent there, and the "
        "provider bills it. Nothing is sent before you agree to what it would take."
    )
    steps = [step.name for step in settings.steps] if task_of(settings).steps else []
    chosen: dict[str, Any] = {"step": st.selectbox("Step", steps, key="tune-step")} if steps else {}
    base = ask_base("tune")
    note = st.text_input("Note", key="tune-note", max_chars=200, placeholder="What to remember this job by").strip()
    options = None if base is None else {**chosen, **base}
    work = STEPS if steps else PAIRS
    started: HostedJob | None = draw_paid_work(server, work, options, {"note": note, "detach": True})
    if started:
        st.success(escaped(f"Begun: {started.id}. It goes on without this page, and stands above."))


def _draw_jobs(server: ProjectServer) -> None:
    """Those under way in full, with a way to cancel them; those that have ended in a table."""
    jobs = list_hosted_jobs(server.project)
    if error_message := st.session_state.pop("tuning-trouble", None):
        st.error(escaped(error_message))
    outcome_of(server, CANCEL)
    if not jobs:
        st.text("No model was tuned at a provider yet.")
        return
    under_way = [job for job in jobs if job.state in UNDER_WAY]
    if under_way:
        _draw_under_way(server, [job.id for job in under_way])
    ended = [job for job in jobs if job.state not in UNDER_WAY]
    if ended:
        rows = [_row(job) for job in ended]
        st.dataframe(
            rows,
            key="tuned-jobs",
            hide_index=True,
            column_config=COLUMNS,
            alt="Tuning jobs that have ended, newest first",
        )
    if any(job.result for job in ended):
        by_step = task_of(server.settings()).steps
        st.caption(
            "Ask one above, by its id." if by_step else "It is one of the versions: the gate decides on it above."
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Look again", key="tuning-refresh", icon=":material/refresh:", on_click=_refresh, args=(server,))
        st.button(
            "Ask when the models end",
            key="tuning-ask",
            icon=":material/event:",
            disabled=LOOK_UP in server.activities,
            on_click=begin,
            args=(server, LOOK_UP),
            help="Asks each provider whether its model is still there, and until when it answers",
        )
    if known := outcome_of(server, LOOK_UP):
        for line in hosted_model_sentences(known):
            st.text(line)


@st.fragment(run_every=2)
def _draw_under_way(server: ProjectServer, shown: Sequence[str]) -> None:
    """As they were last seen; the whole page is drawn again once one of them has ended."""
    jobs = [job for job in list_hosted_jobs(server.project) if job.id in shown]
    if any(job.state not in UNDER_WAY for job in jobs):
        st.rerun()
    for job in jobs:
        with st.container(border=True, key=f"tuning-{job.id}"):
            icon, words = STATES[job.state]
            st.markdown(f"{icon} **{words}: {escaped(job.base)}**")
            st.text(_how_it_stands(job))
            with st.container(horizontal=True, vertical_alignment="center"):
                _draw_cancel(server, job)
                link = {"job": str(job.id)}
                st.page_link("pages/jobs.py", label="Its job", query_params=link, icon=":material/rocket_launch:")


def _how_it_stands(job: HostedJob) -> str:
    there = f"{job.job}: {job.word or job.status}" if job.job else "not known there yet"
    price = "the price was unknown" if job.dollars is None else f"about {job.dollars:,.2f} USD were estimated"
    facts = [f"At {job.provider}: {there}", f"{_examples(job):,} examples", price, f"begun {job.made_at}"]
    return ", ".join(facts) + "." + "".join(f" {one}." for one in (job.message.rstrip("."), job.note) if one)


def _examples(job: HostedJob) -> int:
    return job.approved + job.rejected + job.partial


def _draw_cancel(server: ProjectServer, job: HostedJob) -> None:
    with st.popover("Cancel", icon=":material/cancel:", key=f"tuning-cancel-box-{job.id}"):
        st.text("It is cancelled here and at the provider. What it has cost so far is spent.")
        st.button(
            "Cancel it now",
            key=f"tuning-cancel-{job.id}",
            disabled=CANCEL in server.activities or job.state == "cancelling",
            on_click=begin,
            args=(server, CANCEL),
            kwargs={"job": job.id},
        )


def _row(job: HostedJob) -> dict[str, object]:
    result = job.result
    return {
        "open": f"jobs?job={job.id}",
        "state": STATES[job.state][1],
        "base": job.base,
        "provider": job.provider,
        "at the provider": f"{job.job}: {job.word or job.status}" if job.job else "",
        "examples": _examples(job),
        "USD": job.dollars,
        "model": result.model if result else "",
        "answers until": (result.shutdown or "") if result else "",
        "begun": job.made_at,
        "note": job.note,
        "why": job.message,
        "id": job.id,
    }


def _refresh(server: ProjectServer) -> None:
    try:
        server.do(require_right("manage"), hosted_jobs)
    except RondoError as error:
        st.session_state["tuning-trouble"] = str(error)


def _draw_data(server: ProjectServer) -> None:
    """What a provider would be sent, to be looked at or taken elsewhere."""
    st.caption("The decided pairs that may train, as a provider is sent them. Pairs that measure models are left out.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = st.segmented_control(
            "Format", FORMATS, default=FORMATS[0], required=True, format_func=FORMS.__getitem__, key="training-form"
        )
        st.button(
            "Write the file",
            key="training-write",
            icon=":material/download:",
            disabled=DATA in server.activities,
            on_click=_write_data,
            args=(server, form or FORMATS[0]),
        )
    if written := outcome_of(server, DATA):
        st.text(training_file_sentence(written))
        offer(Path(st.session_state["training-file"]), "training-fetch")


def _write_data(server: ProjectServer, form: str) -> None:
    try:
        folder = exports(server.project)
    except RondoError as error:
        st.session_state["tuning-trouble"] = str(error)
        return
    ending = "jsonl" if form == FORMATS[0] else form
    file = folder / f"training-{utc_now():%Y%m%d-%H%M%S}.{ending}"
    st.session_state["training-file"] = str(file)
    begin(server, DATA, file_format=form, statistics=form == "json", out=str(file))
