"""Putting a model to use on a program's request: waits for the gate, and leaves what takes longer in the background."""

import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from app.background import ProjectServer
from app.http.acts import ApiReply, quiet
from app.http.job_requests import MOST_SECONDS, Unknown, read_whole
from app.http.messages import Activating, Progress
from core.errors import BadInput, Refused
from core.registry.champions import find_model

log = logging.getLogger("rondo")


def known_model(server: ProjectServer, model: str) -> str:
    """The id that a request names. Raises Unknown."""
    try:
        return find_model(server.project, model)
    except BadInput as error:
        raise Unknown(str(error)) from None


def activate(server: ProjectServer, model: str, options: Mapping[str, Any], query: Mapping[str, str]) -> ApiReply:
    """Waits briefly for the gate's verdict; encoding all records anew, or asking a hosted model, continues in the
    background. query: with `wait`, seconds."""
    model, patience = known_model(server, model), read_whole(query, "wait", 10, MOST_SECONDS)
    background_task = server.begin_task("promote", alone=True)
    if background_task is None:
        raise Refused("A model is being activated just now. Wait until GET /api/models says that none is.")
    pool = ThreadPoolExecutor(1, "rondo-promote")
    outcome = pool.submit(server.run, background_task, quiet, model=model, user="api", **options)
    pool.shutdown(wait=False)
    try:
        return ApiReply(outcome.result(patience))
    except TimeoutError:
        outcome.add_done_callback(lambda ended: _keep_trouble(server, ended))
        return ApiReply(Activating(promoted=False, model=model, activating=activating(server)), 202)


def activating(server: ProjectServer) -> Progress | None:
    """Progress of a running promotion, if there is one."""
    activity = server.activities.get("promote")
    return Progress(activity.what, activity.done, activity.total) if activity else None


def _keep_trouble(server: ProjectServer, ended: "Future[object]") -> None:
    """Stores the error of a task that nobody waits for, for a later request."""
    error = ended.exception()
    server.error_message = str(error) if error else None
    if error:
        log.warning("promote: %s", error)
