"""Pieces of the Jobs page: what a run is started with, how one fares, what a search found. They compute nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.charts_jobs import evaluation_chart, loss_chart, search_chart
from app.jobs_rows import STATES, cost_of, ended_in, figures_of, how_far, run_rows
from app.places import Place
from app.state import Office
from core.errors import RondoError
from core.jobs import UNDER_WAY, Bundle
from core.reports.card_text import escaped
from core.training.following import entry, listing
from core.training.launch import price_line
from core.training.trainers import TRAINERS, Parameter

Job = Mapping[str, Any]
FIRST = ("base", "by", "loss", "head", "epochs", "samples_per_label", "class_weights")
"""parameters that are in sight; the others are folded"""
MOST = 20
LOG_LINES = 200
MODELS = "pages/models.py"


def act(office: Office, verb: str, **options: Any) -> None:
    """Does it at once; what was wrong, if anything was, is kept until it is drawn. A second click changes nothing."""
    try:
        if ticket := office.open_ticket(verb, alone=True):
            office.run(ticket, lambda *_: None, **options)
    except RondoError as error:
        st.session_state["jobs-trouble"] = str(error)


def draw_trouble() -> None:
    """What the last action was refused with, once."""
    if trouble := st.session_state.pop("jobs-trouble", None):
        st.error(escaped(trouble))


def draw_parameters(trainer: str) -> list[str]:
    """One widget per parameter; returns "name=value" of those that differ from the default."""
    parameters = TRAINERS[trainer].parameters
    values: dict[str, Any] = {}
    for name, column in zip([name for name in parameters if name in FIRST], _places(), strict=False):
        with column:
            values[name] = _draw_parameter(trainer, name, parameters[name])
    rest = [name for name in parameters if name not in FIRST]
    if rest:
        with st.expander("More", key=f"more-{trainer}"):
            for name, column in zip(rest, _places(), strict=False):
                with column:
                    values[name] = _draw_parameter(trainer, name, parameters[name])
    return [f"{name}={_word(value)}" for name, value in values.items() if value != parameters[name].default]


def _places() -> Any:
    """Cells of rows of three, as many as are asked for."""
    while True:
        yield from st.columns(3, vertical_alignment="bottom")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _draw_parameter(trainer: str, name: str, parameter: Parameter) -> Any:
    title, key, default = name.replace("_", " ").capitalize(), f"set-{trainer}-{name}", parameter.default
    if isinstance(default, bool):
        return st.toggle(title, default, key=key, help=parameter.help)
    if parameter.choices:
        return st.selectbox(
            title, parameter.choices, parameter.choices.index(str(default)), key=key, help=parameter.help
        )
    if isinstance(default, str):
        return st.text_input(title, default, key=key, help=parameter.help, placeholder=parameter.help)
    if isinstance(default, int):
        low, high = int(parameter.low), int(parameter.high)
        return st.number_input(title, low, high, default, key=key, help=f"{parameter.help} {low:,} to {high:,}.")
    low_high = f"{parameter.low:g} to {parameter.high:g}."
    step = default / 2 if 0 < default < 0.01 else 0.05
    told = f"{parameter.help} {low_high}"
    return st.number_input(title, parameter.low, parameter.high, default, step, "%g", key=key, help=told)


def draw_places(places: Sequence[Place]) -> tuple[str, str | None]:
    """Where it shall run, and on which GPU; what is not set up says what is missing."""
    ready = {place.on: place for place in places if not place.missing}
    names = {on: place.name for on, place in ready.items()}
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    with left:
        on = st.segmented_control(
            "Where", list(ready), default=places[0].on, required=True, format_func=names.__getitem__, key="where"
        )
    chosen = ready[on or places[0].on]
    gpu = None
    if chosen.gpus:
        gpu = right.selectbox("GPU", chosen.gpus, chosen.gpus.index(chosen.gpu), key="gpu")
    for place in places:
        if place.missing:
            st.caption(f"{place.name}: {escaped(place.missing)}")
    return chosen.on, gpu


def draw_price(office: Office, on: str, gpu: str | None) -> None:
    """What it will cost, said before it is started."""
    try:
        words = price_line(office.project, on, gpu)
    except RondoError as error:
        st.warning(escaped(error), icon=":material/warning:")
        return
    st.text(words or "It costs nothing: it runs on a machine of yours.")


def draw_job(office: Office, job: Job, runs: Sequence[Job] = ()) -> None:
    """One run: how far it is, its curves, what it printed, and what can be done about it. runs: of a search."""
    if how := how_far(job):
        share, words = how
        st.progress(share, text=escaped(words))
    if job.get("message"):
        st.text(job["message"])
    if cost := cost_of(job):
        st.text(cost)
    _draw_curves(job)
    if runs:
        _draw_runs(job, runs)
    if figures := figures_of(job.get("metrics")):
        for column, (title, value, span) in zip(st.columns(len(figures)), figures, strict=True):
            column.metric(title, value, span, delta_color="off", delta_arrow="off")
    _draw_ways(office, job)
    _draw_facts(office, job)


def _draw_curves(job: Job) -> None:
    events = job.get("events") or []
    charts = [
        ("loss", "Loss over steps", loss_chart(events)),
        ("evaluation", "Macro F1 on records held out, over steps", evaluation_chart(events)),
    ]
    drawn = [one for one in charts if one[2] is not None]
    if drawn:
        for column, (name, words, chart) in zip(st.columns(len(drawn)), drawn, strict=True):
            column.altair_chart(chart, key=f"{name}-{job['id']}", alt=words)


def _draw_runs(job: Job, runs: Sequence[Job]) -> None:
    """The runs of a search, best first."""
    rows = run_rows(runs)
    if chart := search_chart(rows):
        st.altair_chart(chart, key=f"search-{job['id']}", alt="Macro F1 of each run with its interval")
    shown = [{name: value for name, value in row.items() if name != "macro_f1"} for row in rows]
    st.dataframe(shown, key=f"runs-{job['id']}", hide_index=True, alt="The runs of this search")


def _draw_ways(office: Office, job: Job) -> None:
    """Stop what goes on, try again what broke, open what came out."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if job["state"] in UNDER_WAY:
            st.button(
                "Stop",
                key=f"stop-{job['id']}",
                icon=":material/stop_circle:",
                disabled=job["state"] == "cancelling",
                on_click=act,
                args=(office, "job_cancel"),
                kwargs={"job": job["id"]},
            )
        elif job["state"] != "succeeded":
            st.button(
                "Retry",
                key=f"retry-{job['id']}",
                icon=":material/replay:",
                on_click=act,
                args=(office, "job_retry"),
                kwargs={"job": job["id"]},
            )
        if job.get("model"):
            query = {"model": str(job["model"])}
            st.page_link(MODELS, label="Its model", query_params=query, icon=":material/model_training:")


def _draw_facts(office: Office, job: Job) -> None:
    """What it printed last, and what it was started with."""
    lines = Bundle(office.project.folder / "jobs" / job["id"]).log(LOG_LINES)
    with st.expander("What it printed", job["state"] != "succeeded", key=f"log-{job['id']}"):
        if lines:
            st.code("\n".join(lines), language=None, height=260)
        else:
            st.text("Nothing yet.")
    with st.expander("What it was started with", key=f"facts-{job['id']}"):
        told = {"id": job["id"], "trainer": job.get("trainer"), "on": job.get("runner"), "made at": job.get("made_at")}
        rows = [{"name": name, "value": str(value)} for name, value in {**told, **(job.get("values") or {})}.items()]
        st.dataframe(rows, key=f"values-{job['id']}", hide_index=True)


@st.fragment(run_every=2)
def draw_jobs(office: Office, opened: str | None) -> None:
    """What goes on in full, what has ended folded, newest first; looked at again every two seconds.

    opened: the id of the job that the address names.
    """
    jobs = listing(office.project)["jobs"]
    draw_trouble()
    tops = [job for job in jobs if not job.get("parent")]
    runs = {job["id"]: [run for run in jobs if run.get("parent") == job["id"]] for job in tops}
    if not tops:
        st.text("No run was started yet.")
    for job in [job for job in tops if job["state"] in UNDER_WAY]:
        with st.container(border=True, key=f"job-{job['id']}"):
            icon, words = STATES[job["state"]]
            st.markdown(f"{icon} **{words}: {escaped(job.get('trainer') or job['kind'])}**")
            draw_job(office, entry(office.project, job["id"]), runs[job["id"]])
    for job in [job for job in tops if job["state"] not in UNDER_WAY][:MOST]:
        icon, words = STATES[job["state"]]
        title = f"{icon} {words}: {escaped(job.get('trainer') or job['kind'])}, {ended_in(job)}"
        there = job["id"] == opened or (job is tops[0] and not opened)
        box = st.expander(title, there, key=f"job-{job['id']}", on_change="rerun")
        if box.open:  # closed ones cost nothing every two seconds
            with box:
                draw_job(office, entry(office.project, job["id"]), runs[job["id"]])
    if len(tops) > MOST:
        with st.expander("The numbers"):
            st.dataframe(run_rows(tops), key="all-jobs", hide_index=True)
