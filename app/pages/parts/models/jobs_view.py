"""Pieces of the Jobs page: what a job is started with, how one fares, what a search found. They compute nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.charts.training import evaluation_chart, loss_chart, search_chart
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.models.job_rows import STATES, cost_of, expectation, figures_of, how_far, job_rows, run_rows
from app.pages.parts.widgets import measured_link
from app.runner_readiness import RunnerOption
from app.words import ended_in
from core.errors import RondoError
from core.jobs.bundle import Bundle
from core.jobs.job_states import UNDER_WAY
from core.reports.card_text import escaped
from core.training.entries import TrainingJob, list_training_jobs, read_training_job
from core.training.expected import expected_run, labels_now
from core.training.following import GRID
from core.training.grid import search_summary
from core.training.launch import price_line
from core.training.trainers import Trainer

MOST = 20
CARDS = 3
"""beside each other"""
LOG_LINES = 200
MODELS = "pages/models.py"


def act(server: ProjectServer, verb: str, **options: Any) -> None:
    """Does it at once, beside whatever else goes on; what was wrong, if anything was, is kept until it is drawn."""
    try:
        user = require_right("manage")
        server.run(server.begin_task(verb), lambda *_: None, user=user, **options)
    except RondoError as error:
        st.session_state["jobs-trouble"] = str(error)


def draw_trouble() -> None:
    """What the last action was refused with, once."""
    if error_message := st.session_state.pop("jobs-trouble", None):
        st.error(escaped(error_message))


def draw_trainers(server: ProjectServer, trainers: Mapping[str, Trainer], runners: Sequence[RunnerOption]) -> str:
    """A card for each, with what it is expected to take and cost where it can run; returns the chosen one's name."""
    names = list(trainers)
    if st.session_state.get("trainer") not in names:
        st.session_state["trainer"] = names[0]
    chosen, labels = str(st.session_state["trainer"]), labels_now(server.project)
    ready = [runner for runner in runners if not runner.missing]
    for first in range(0, len(names), CARDS):
        for name, column in zip(names[first : first + CARDS], st.columns(CARDS), strict=False):
            with column.container(border=True, height="stretch", key=f"card-{name}"):
                st.markdown(f"**{name}**")
                st.caption(trainers[name].caption)
                for runner in ready if trainers[name].remote else ready[:1]:
                    st.caption(escaped(_expected(server, name, runner, labels)))
                st.space("stretch")
                st.button(
                    "Chosen" if name == chosen else "Choose",
                    key=f"trainer-{name}",
                    type="primary" if name == chosen else "secondary",
                    icon=":material/check:" if name == chosen else None,
                    help=f"Train with {name}",
                    on_click=_choose_trainer,
                    args=(name,),
                )
    return chosen


def _choose_trainer(name: str) -> None:
    st.session_state["trainer"] = name


def _expected(server: ProjectServer, trainer: str, runner: RunnerOption, labels: int) -> str:
    try:
        return expectation(expected_run(server.project, trainer, runner.on, labels), runner.name)
    except RondoError as error:
        return f"{runner.name}: {error}"


def draw_runners(runners: Sequence[RunnerOption]) -> tuple[str, str | None]:
    """Where it shall run, and on which GPU; what is not set up says what is missing."""
    ready = {runner.on: runner for runner in runners if not runner.missing}
    names = {on: runner.name for on, runner in ready.items()}
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    with left:
        on = st.segmented_control(
            "Where", list(ready), default=runners[0].on, required=True, format_func=names.__getitem__, key="where"
        )
    chosen = ready[on or runners[0].on]
    gpu = None
    if chosen.gpus:
        gpu = right.selectbox("GPU", chosen.gpus, chosen.gpus.index(chosen.gpu), key="gpu")
    for runner in runners:
        if runner.missing:
            st.caption(f"{runner.name}: {escaped(runner.missing)}")
    return chosen.on, gpu


def draw_price(server: ProjectServer, on: str, gpu: str | None) -> None:
    """What it will cost, said before it is started."""
    try:
        words = price_line(server.project, on, gpu)
    except RondoError as error:
        st.warning(escaped(error), icon=":material/warning:")
        return
    st.text(words or "It costs nothing: it runs on a machine of yours.")


def draw_job(server: ProjectServer, job: TrainingJob) -> None:
    """One job: how far it is, its curves, what it printed, and what can be done about it."""
    if how := how_far(job):
        share, line = how
        st.progress(share, text=escaped(line))
    for sentence in dict.fromkeys(filter(None, [job.sentence, job.message, job.remark])):
        st.text(sentence)
    if cost := cost_of(job):
        st.text(cost)
    events = job.events
    charts = [
        ("loss", "Loss over steps", loss_chart(events)),
        ("evaluation", "Macro F1 on records held out, over steps", evaluation_chart(events)),
    ]
    drawn = [one for one in charts if one[2] is not None]
    if drawn:
        for column, (name, words, chart) in zip(st.columns(len(drawn)), drawn, strict=True):
            with column:
                draw_chart(chart, key=f"{name}-{job.id}", alt=words)
    if job.runs:
        rows = run_rows(job.runs)
        if picture := search_chart(rows):
            draw_chart(picture, key=f"search-{job.id}", alt="Macro F1 of each run with its interval")
        shown = [{name: value for name, value in row.items() if name != "macro_f1"} for row in rows]
        st.dataframe(shown, key=f"runs-{job.id}", hide_index=True, alt="The runs of this search")
    if figures := figures_of(job.metrics):
        for column, (title, value, span) in zip(st.columns(len(figures)), figures, strict=True):
            column.metric(title, value, span, delta_color="off", delta_arrow="off")
        measured_link("Evaluating a model, comparing two")
    _draw_ways(server, job)
    _draw_facts(server, job)


def _draw_ways(server: ProjectServer, job: TrainingJob) -> None:
    """Cancel what goes on, try again what broke, open what came out."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.state in UNDER_WAY:
            st.button(
                "Cancel",
                key=f"cancel-{job.id}",
                icon=":material/cancel:",
                disabled=job.state == "cancelling",
                on_click=act,
                args=(server, "job_cancel"),
                kwargs={"job": job.id},
            )
        elif job.state != "succeeded":
            st.button(
                "Retry",
                key=f"retry-{job.id}",
                icon=":material/replay:",
                on_click=act,
                args=(server, "job_retry"),
                kwargs={"job": job.id},
            )
        if job.state not in UNDER_WAY:
            with st.popover("Forget", icon=":material/delete:", key=f"forget-box-{job.id}"):
                st.text("What it was given and has left is deleted: texts, labels, checkpoints. Its line and log stay.")
                st.button(
                    "Delete its files",
                    key=f"forget-{job.id}",
                    on_click=act,
                    args=(server, "job_forget"),
                    kwargs={"job": job.id},
                )
        if job.model:
            query = {"model": str(job.model)}
            st.page_link(MODELS, label="Its model", query_params=query, icon=":material/model_training:")


def _draw_facts(server: ProjectServer, job: TrainingJob) -> None:
    """What it printed last, and what it was started with."""
    if lines := Bundle(server.project.folder / "jobs" / job.id).log(LOG_LINES):
        with st.expander("What it printed", job.state != "succeeded", key=f"log-{job.id}"):
            st.code("\n".join(lines), language=None, height=260)
    with st.expander("What it was started with", key=f"facts-{job.id}"):
        facts = {"id": job.id, "trainer": job.trainer, "on": job.runner, "made at": job.made_at}
        rows = [{"name": name, "value": str(value)} for name, value in {**facts, **job.values}.items()]
        st.dataframe(rows, key=f"values-{job.id}", hide_index=True)


def _in_full(server: ProjectServer, job: TrainingJob) -> TrainingJob:
    """With its progress, and of a search with its runs."""
    return search_summary(server.project, job.id) if job.kind == GRID else read_training_job(server.project, job.id)


@st.fragment(run_every=2)
def draw_jobs(server: ProjectServer, opened: str | None) -> None:
    """What goes on in full, what has ended folded, newest first; looked at again every two seconds.

    opened: the id of the job that the address names.
    """
    jobs = list_training_jobs(server.project).jobs
    draw_trouble()
    tops = [job for job in jobs if not job.parent or job.id == opened]
    if not tops:
        st.text("No job was started yet. Choose a trainer below.")
    for job in [job for job in tops if job.state in UNDER_WAY]:
        with st.container(border=True, key=f"job-{job.id}"):
            icon, words = STATES[job.state]
            st.markdown(f"{icon} **{words}: {escaped(job.trainer or job.kind)}**")
            draw_job(server, _in_full(server, job))
    for job in [job for job in tops if job.state not in UNDER_WAY][:MOST]:
        icon, words = STATES[job.state]
        title = f"{icon} {words}: {escaped(job.trainer or job.kind)}, {ended_in(job)}"
        there = job.id == opened or (job is tops[0] and not opened)
        box = st.expander(title, there, key=f"job-{job.id}", on_change="rerun")
        if box.open:  # closed ones cost nothing every two seconds
            with box:
                draw_job(server, _in_full(server, job))
    if len(tops) > MOST:
        with st.expander("The numbers"):
            st.dataframe(job_rows(tops), key="all-jobs", hide_index=True)
