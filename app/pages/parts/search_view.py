"""The part of the Jobs page that asks which values a search shall try, and says what it will take. Starts nothing."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app.pages.parts.parameter_view import as_entry, draw_parameter
from core.errors import RondoError
from core.project import Project
from core.reports.card_text import escaped
from core.training.grid import budget
from core.training.launch import TrainingRequest, order_of
from core.training.space import LISTS, SEARCH, UNFAIR, lay_out, read_search
from core.training.trainers import TRAINERS, Parameter

HOW = ("search", "runs", "at_once")


def draw_search(trainer: str, fixed: Sequence[str]) -> list[str] | None:
    """What `read_search` takes, or None where one run is wanted. fixed: "key=value" of what all runs share."""
    parameters = TRAINERS[trainer].parameters
    if not parameters:
        return None
    if not st.toggle("Try several values", key="several", help="One run for each; the best on held-out records wins."):
        return None
    searchable = [name for name in parameters if name not in (*LISTS, *UNFAIR)]
    over = st.multiselect("Values to try of", searchable, key=f"over-{trainer}", placeholder="Choose parameters")
    tried = {name: _draw_values(trainer, name, parameters) for name in over}
    for column, name in zip(st.columns(len(HOW), vertical_alignment="bottom"), HOW, strict=True):
        with column:
            tried[name] = as_entry(draw_parameter("search", name, SEARCH[name]))
    shared = [entry for entry in fixed if entry.partition("=")[0] not in over]
    return [f"trainer={trainer}", *shared, *(f"{name}={text}" for name, text in tried.items())]


def _draw_values(trainer: str, name: str, parameters: Mapping[str, Parameter]) -> str:
    """Several with commas, or a range, as a person writes them."""
    hint = ", ".join(parameters[name].choices) or "1, 2, 3 or 1..3"
    result = st.text_input(
        f"Values of {name}", key=f"try-{trainer}-{name}", placeholder=hint, help=parameters[name].help
    )
    return "".join((result or "").split()) if not parameters[name].choices else (result or "").strip()


def draw_budget(project: Project, query: TrainingRequest) -> None:
    """What the search will take, or what is still missing to know it."""
    try:
        search = read_search(query.values)
        order = order_of(project, search.trainer, TrainingRequest((), query.on, query.gpu))
        st.text(budget(project, order, len(lay_out(search, project.settings().seed)), search.at_once))
    except RondoError as error:
        st.caption(escaped(error))
