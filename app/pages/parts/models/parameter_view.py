"""What a training job is started with, as widgets made from declarations: parameters, or values for a search to try.

Knows no trainer, and starts nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import RondoError
from core.project import Project
from core.reports.card_text import escaped
from core.training.grid import budget
from core.training.launch import TrainingRequest, order_of
from core.training.space import LISTS, SEARCH, UNFAIR, lay_out, read_search
from core.training.trainers import TRAINERS, Parameter, Value

FIRST = ("base", "by", "loss", "head", "epochs", "max_per_label", "class_weights")
"""parameters that are in sight; the others are folded"""
HOW = ("search", "runs", "at_once")
"""parameters of the search itself"""


def draw_parameters(trainer: str, parameters: Mapping[str, Parameter]) -> list[str]:
    """One widget per parameter; returns "name=value" of those that differ from the default."""
    values: dict[str, Value] = {}
    for name, column in zip([name for name in parameters if name in FIRST], _columns(), strict=False):
        with column:
            values[name] = draw_parameter(trainer, name, parameters[name])
    rest = [name for name in parameters if name not in FIRST]
    if rest:
        with st.expander("More", key=f"more-{trainer}"):
            for name, column in zip(rest, _columns(), strict=False):
                with column:
                    values[name] = draw_parameter(trainer, name, parameters[name])
    return [f"{name}={as_entry(value)}" for name, value in values.items() if value != parameters[name].default]


def _columns() -> Iterator[DeltaGenerator]:
    """Cells of rows of three, as many as are asked for."""
    while True:
        yield from st.columns(3, vertical_alignment="bottom")


def as_entry(value: Value) -> str:
    """As a person would write it after `key=`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def draw_parameter(owner: str, name: str, parameter: Parameter) -> Value:
    """A switch, a menu, a line of text or a number, by the default's type. owner: keeps its key apart from others."""
    result: dict[str, Any] = {"key": f"set-{owner}-{name}", "help": parameter.help}
    title, default = name.replace("_", " ").capitalize(), parameter.default
    if isinstance(default, bool):
        return st.toggle(title, default, **result)
    if parameter.choices:
        index = parameter.choices.index(str(default))
        return str(st.selectbox(title, parameter.choices, index, **result))
    if isinstance(default, str):
        return st.text_input(title, default, placeholder=parameter.help, **result) or ""
    result["help"] = f"{parameter.help} {parameter.low:,g} to {parameter.high:,g}."
    if isinstance(default, int):
        return int(st.number_input(title, int(parameter.low), int(parameter.high), default, **result))
    step = default / 2 if 0 < default < 0.01 else 0.05
    return float(st.number_input(title, parameter.low, parameter.high, default, step, "%g", **result))


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


def draw_budget(project: Project, request: TrainingRequest) -> None:
    """What the search will take, or what is still missing to know it."""
    try:
        search = read_search(request.values)
        order = order_of(project, search.trainer, TrainingRequest((), request.on, request.gpu))
        st.text(budget(project, order, len(lay_out(search, project.settings().seed)), search.at_once))
    except RondoError as error:
        st.caption(escaped(error))
