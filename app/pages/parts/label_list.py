"""The labels as one list in the browser: dragged or moved by keys, each with colour, meaning, place and examples.

Knows what a label says of itself; not what a change of it touches.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from core.config.taxonomy import Taxonomy
from core.config.taxonomy_steps import LabelDraft

_FOLDER = Path(__file__).parent
_HTML = '<ul class="labels"></ul><p class="status" role="status"></p>'


@cache
def _sources() -> tuple[str, str]:
    """CSS and JavaScript."""
    style, script = (_FOLDER / f"label_list.{ending}" for ending in ("css", "js"))
    return style.read_text(encoding="utf-8"), script.read_text(encoding="utf-8")


def draw_label_list(taxonomy: Taxonomy, edition: int) -> list[LabelDraft] | None:
    """The labels that are offered; what they are to be once somebody has changed one of them, else None.

    edition: another number draws them anew, as they are.
    """
    version = f"{taxonomy.version}.{edition}"
    labels = [
        {
            "id": label.id,
            "name": label.name,
            "description": label.description,
            "colour": label.colour,
            "parent": label.parent,
            "examples": list(label.examples),
            "counter_examples": list(label.counter_examples),
        }
        for label in taxonomy.active
    ]
    parents = [{"id": label.id, "path": taxonomy.path(label.id)} for label in taxonomy.current]
    css, js = _sources()
    draw = st.components.v2.component("rondo_labels", html=_HTML, css=css, js=js)
    result = draw(
        key="label-list",
        data={"version": version, "labels": labels, "parents": parents},
        on_drafts_change=lambda: None,
    )
    sent = result.get("drafts")
    if not sent or sent["version"] != version:  # of labels that are no more
        return None
    return [_draft(one) for one in sent["labels"]]


def _draft(entry: Mapping[str, Any]) -> LabelDraft:
    return LabelDraft(
        id=entry["id"],
        description=entry["description"],
        colour=entry["colour"],
        parent=entry["parent"],
        examples=tuple(entry["examples"]),
        counter_examples=tuple(entry["counter_examples"]),
    )
