"""A widget for anything that can be set on a trainer, made from its declaration. Knows no trainer."""

from collections.abc import Iterator, Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.training.trainers import Parameter, Value

FIRST = ("base", "by", "loss", "head", "epochs", "max_per_label", "class_weights")
"""parameters that are in sight; the others are folded"""


def draw_parameters(trainer: str, parameters: Mapping[str, Parameter]) -> list[str]:
    """One widget per parameter; returns "name=value" of those that differ from the default."""
    values: dict[str, Value] = {}
    for name, place in zip([name for name in parameters if name in FIRST], _places(), strict=False):
        with place:
            values[name] = draw_parameter(trainer, name, parameters[name])
    rest = [name for name in parameters if name not in FIRST]
    if rest:
        with st.expander("More", key=f"more-{trainer}"):
            for name, place in zip(rest, _places(), strict=False):
                with place:
                    values[name] = draw_parameter(trainer, name, parameters[name])
    return [f"{name}={as_entry(value)}" for name, value in values.items() if value != parameters[name].default]


def _places() -> Iterator[DeltaGenerator]:
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
        place = parameter.choices.index(str(default))
        return str(st.selectbox(title, parameter.choices, place, **result))
    if isinstance(default, str):
        return st.text_input(title, default, placeholder=parameter.help, **result) or ""
    result["help"] = f"{parameter.help} {parameter.low:,g} to {parameter.high:,g}."
    if isinstance(default, int):
        return int(st.number_input(title, int(parameter.low), int(parameter.high), default, **result))
    step = default / 2 if 0 < default < 0.01 else 0.05
    return float(st.number_input(title, parameter.low, parameter.high, default, step, "%g", **result))
