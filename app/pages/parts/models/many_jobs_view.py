"""Work that can be done by many jobs at once: where, how many, what it will take, and the button that starts it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.runner_readiness import runner_readiness
from core.errors import RondoError
from core.jobs.fan_out import MOST_WORKERS
from core.jobs.many_jobs import MANY, WORKERS, PoolEstimate
from core.reports.card_text import escaped

NO_GPU = "none"


@dataclass(frozen=True)
class ManyJobs:
    """key: begins the widgets' keys. title: on the button. measuring: what is said while the estimate is made. start:
    called with the options once it was said what they take."""

    key: str
    title: str
    measuring: str
    estimate: Callable[..., PoolEstimate]
    start: Callable[[dict[str, Any]], None]


def draw_many_jobs(server: ProjectServer, work: ManyJobs, options: Mapping[str, Any]) -> None:
    """options: of the verb, beside those that are asked for here."""
    key = work.key
    runners = {runner.on: runner for runner in runner_readiness(server.settings()) if not runner.missing}
    names = {on: runner.name for on, runner in runners.items()}
    on = st.segmented_control(
        f"{work.title} on",
        list(runners),
        default="local",
        required=True,
        format_func=names.__getitem__,
        key=f"{key}-on",
    )
    on = on or "local"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        workers = st.number_input("Jobs at once", 1, MOST_WORKERS, WORKERS.get(on, MANY), key=f"{key}-workers-{on}")
        gpus = runners[on].gpus
        gpu = st.selectbox("GPU of each", (NO_GPU, *gpus), key=f"{key}-gpu") if gpus else None
        pressed = st.button("What will it take?", key=f"{key}-estimate")
    request = {**options, "on": on, "workers": int(workers), "gpu": None if gpu in (None, NO_GPU) else gpu}
    if pressed:
        _estimate(server, work, request)
    if st.session_state.get(f"{key}-options") == request:
        st.text(st.session_state[f"{key}-sentence"])
        st.button(work.title, key=f"{key}-start", type="primary", on_click=work.start, args=(request,))


def _estimate(server: ProjectServer, work: ManyJobs, request: dict[str, Any]) -> None:
    """Kept for these options alone: others have another price."""
    try:
        with st.spinner(work.measuring):
            estimate = server.do(require_right("manage"), work.estimate, **request)
    except RondoError as error:
        st.error(escaped(error))
        return
    st.session_state[f"{work.key}-options"] = request
    st.session_state[f"{work.key}-sentence"] = estimate.sentence
