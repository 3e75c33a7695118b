"""The labels on the Settings page: names, order, what each says, and the steps that touch answers, said beforehand."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.words import change_sentences
from core.config.taxonomy import Taxonomy
from core.config.taxonomy_steps import LabelDraft
from core.errors import RondoError
from core.labelling.taxonomy_changes import STEPS
from core.reports.card_text import escaped
from core.reports.overview import retiring_sentence

TABLE = {
    "order": st.column_config.NumberColumn("Order", step=1, required=True),
    "name": st.column_config.TextColumn("Label", disabled=True),
    "description": st.column_config.TextColumn("Means", width="large"),
    "colour": st.column_config.TextColumn("Colour", help="#rrggbb", validate="^(#[0-9a-fA-F]{6})?$"),
    "examples": st.column_config.ListColumn("Such as"),
    "counter_examples": st.column_config.ListColumn("But not"),
}


def draw_labels(server: ProjectServer, change: Callable[..., None]) -> None:
    """What each label is called and whether it is offered, one more, what each says, and the greater steps."""
    st.header("Labels")
    taxonomy = server.settings().taxonomy
    for label in taxonomy.current:
        name, rename, retire = st.columns([4, 1, 1], vertical_alignment="bottom")
        name.text_input(
            "Name", label.name, key=f"name-{label.id}", label_visibility="collapsed", disabled=label.retired
        )
        if label.retired:
            retire.button("Bring back", key=f"back-{label.id}", on_click=change, kwargs={"add_label": label.name})
            continue
        rename.button("Rename", key=f"rename-{label.id}", on_click=_rename_to, args=(label.id, change))
        with retire.popover("Retire", width="stretch"):
            st.text(retiring_sentence(server.project, label.id))
            st.button("Retire it", key=f"retire-{label.id}", on_click=change, kwargs={"retire_label": label.id})
    with st.form("add", clear_on_submit=True):
        added = st.text_input("New label", key="new-label")
        if st.form_submit_button("Add label", key="add-label"):
            change(add_label=added)
            st.rerun()
    if taxonomy.current:
        _draw_table(server, taxonomy)
        _draw_steps(server, taxonomy)


def _rename_to(label_id: str, change: Callable[..., None]) -> None:
    """Takes what stands in the field now: arguments of a callback come from the run before."""
    change(rename_label=(label_id, st.session_state[f"name-{label_id}"]))


def _draw_table(server: ProjectServer, taxonomy: Taxonomy) -> None:
    """One list of all labels that are offered; it is saved as one step."""
    paths = {taxonomy.path(label.id): label.id for label in taxonomy.current}
    rows: list[dict[str, Any]] = [
        {
            "order": order,
            "name": label.name,
            "description": label.description,
            "colour": label.colour,
            "under": taxonomy.path(label.parent) if label.parent else "",
            "examples": list(label.examples),
            "counter_examples": list(label.counter_examples),
        }
        for order, label in enumerate(taxonomy.active, 1)
    ]
    under = st.column_config.SelectboxColumn("Under", options=["", *paths])
    with st.form("label-table"):
        st.caption("What each label means stands beside the card, and models that read names read it.")
        edited = st.data_editor(
            rows, column_config=TABLE | {"under": under}, key="label-rows", hide_index=True, width="stretch"
        )
        if st.form_submit_button("Save labels", key="save-labels", type="primary"):
            ids = [label.id for label in taxonomy.active]
            drafts = [
                (float(row["order"]), position, _draft(ids[position], row, paths))
                for position, row in enumerate(edited)
            ]
            _do_step(server, "arrange", labels=[draft for _, _, draft in sorted(drafts, key=lambda one: one[:2])])


def _draft(label: str, row: Mapping[str, Any], paths: Mapping[str, str]) -> LabelDraft:
    return LabelDraft(
        id=label,
        description=(row["description"] or "").strip(),
        colour=row["colour"] or "",
        parent=paths.get(row["under"] or "", ""),
        examples=tuple(row["examples"] or ()),
        counter_examples=tuple(row["counter_examples"] or ()),
    )


def _draw_steps(server: ProjectServer, taxonomy: Taxonomy) -> None:
    """Merge, split, another taxonomy, the way back: each says what it touches before it is done."""
    steps = {
        "merge": "Merge labels",
        "split": "Split a label",
        "use": "Use another taxonomy",
        "undo": "Take a step back",
    }
    step = st.selectbox("Change the taxonomy", steps, None, format_func=steps.__getitem__, key="taxonomy-step")
    names = [label.name for label in taxonomy.active]
    options: dict[str, Any] | None = {}
    if step == "merge":
        into = st.selectbox("Into", names, None, key="merge-into")
        merged = st.multiselect("These labels", [name for name in names if name != into], key="merge-labels")
        options = {"labels": merged, "into": into} if merged and into else None
    elif step == "split":
        label = st.selectbox("Label", names, None, key="split-label")
        parts = st.text_input("Into these labels, with commas between", key="split-into").split(",")
        parts = [part.strip() for part in parts if part.strip()]
        options = {"label": label, "into": parts} if label and parts else None
    elif step == "use":
        others = [name for name in taxonomy.taxonomies if name != taxonomy.in_use]
        name = st.selectbox(f"Taxonomy; in use is {taxonomy.in_use}", others, None, key="use-taxonomy")
        options = {"name": name} if name else None
    if step is None or options is None:
        return
    try:
        preview = STEPS[step](server.project, _quiet, **options, preview=True)
    except RondoError as error:
        st.error(escaped(str(error)))
        return
    st.text("\n".join(change_sentences(preview)))
    if st.button("Do it", key="do-step", type="primary"):
        _do_step(server, step, **options)


def _do_step(server: ProjectServer, step: str, **options: Any) -> None:
    """Does it and draws the page anew, or says what was wrong."""
    try:
        STEPS[step](server.project, _quiet, user=require_right("manage"), **options)
        st.toast("Saved")
    except RondoError as error:
        st.session_state["settings-trouble"] = str(error)
    st.rerun()


def _quiet(what: str, done: int, total: int) -> None:
    """Steps take no time worth a report."""
