"""How a person gives an answer on a page: among the task's categories, in a form of fields, or as text."""

import numpy as np
import streamlit as st

from core.config.settings import Settings
from core.errors import BadInput
from core.extract.answer_form import FormField, form_answer, form_fields
from core.reports.card_text import escaped
from core.tasks.task import Answer, AnswerSpace
from core.tasks.tasks import task_of


def answer_input(
    settings: Settings, title: str, key: str, before: Answer | None = None, *, plural: str | None = None
) -> Answer | None:
    """What is chosen, or typed as the task reads it; None where nothing is typed, or what is no answer, which is said
    under the field. before: stands in it at first. plural: the title where several categories may be chosen."""
    task = task_of(settings)
    setup = task.setup(settings)
    space = task.space(setup)
    if space.categories:
        return _choose(space, title if space.exclusive else plural or title, key, before)
    typed = st.text_input(title, "" if before is None else task.text(before, setup), key=key)
    try:
        return task.read_text(typed, setup) if typed.strip() else None
    except BadInput as error:
        st.error(escaped(error))
        return None


def form_input(settings: Settings, key: str, before: Answer | None, text: str) -> Answer | None:
    """The same for an answer of several fields to a record with this text, which is looked through for new values."""
    typed = {one.path: _field(one, f"{key}-{one.path}") for one in form_fields(settings.steps, before)}
    if not any(value is not None and value != "" for value in typed.values()):
        return None
    try:
        return form_answer(settings.steps, typed, before, text)
    except BadInput as error:
        st.error(escaped(error))
        return None


def _field(field: FormField, key: str) -> object:
    match field.kind:
        case "choice":
            index = field.options.index(field.value) if field.value in field.options else None
            return st.selectbox(field.title, field.options, index, key=key, placeholder="none", format_func=_option)
        case "line":
            return st.text_input(field.title, str(field.value), key=key)
        case "lines":
            return st.text_area(f"{field.title}, one on each line", str(field.value), key=key, height=100)
        case "json":
            return st.text_area(f"{field.title}, as JSON", str(field.value), key=key, height=140)


def _option(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _choose(space: AnswerSpace, title: str, key: str, before: Answer | None) -> Answer:
    """Of one category, or of several where they may hold; none is an answer too, which the task may refuse."""
    names = dict(zip(space.categories, space.names, strict=True))
    held = np.zeros(len(names), np.bool_) if before is None else space.encode([before])[0]
    chosen = [category for category, holds in zip(names, held, strict=True) if holds]
    if space.exclusive:
        index = list(names).index(chosen[0]) if chosen else None
        one = st.selectbox(title, list(names), index, format_func=names.__getitem__, key=key)
        chosen = [one] if one else []
    else:
        chosen = st.multiselect(title, list(names), chosen, format_func=names.__getitem__, key=key)
    [answer] = space.decode(np.array([[category in chosen for category in names]]))
    return answer
