"""The labels on the Settings page: names, order, what each says, and the steps that touch answers, said beforehand."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.auth.identity import is_signed_in, require_right
from app.background import ProjectServer
from app.pages.parts.label_list import draw_label_list
from app.words import change_sentences
from core.config.taxonomy import Taxonomy
from core.config.taxonomy_steps import TEMPLATES
from core.errors import RondoError
from core.labelling.taxonomy_changes import STEPS
from core.reports.card_text import escaped
from core.reports.overview import retiring_sentence

Options = dict[str, Any] | None
"""of a step, None before all was said that it needs"""


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
            retire.button(
                "Bring back", key=f"back-{label.id}", width="stretch", on_click=change, kwargs={"add_label": label.name}
            )
            continue
        rename.button("Rename", key=f"rename-{label.id}", width="stretch", on_click=_rename_to, args=(label.id, change))
        with retire.popover("Retire", width="stretch"):
            st.text(retiring_sentence(server.project, label.id))
            st.button("Retire it", key=f"retire-{label.id}", on_click=change, kwargs={"retire_label": label.id})
    with st.form("add", clear_on_submit=True):
        added = st.text_input("New label", key="new-label")
        if st.form_submit_button("Add label", key="add-label"):
            change(add_label=added)
            st.rerun()
    if taxonomy.current:
        _draw_list(server, taxonomy)
        _draw_steps(server, taxonomy)


def _rename_to(label_id: str, change: Callable[..., None]) -> None:
    """Takes what stands in the field now: arguments of a callback come from the run before."""
    change(rename_label=(label_id, st.session_state[f"name-{label_id}"]))


def _draw_list(server: ProjectServer, taxonomy: Taxonomy) -> None:
    """All labels that are offered; what was changed is said, and saved as one step."""
    st.caption(
        "What each label means stands beside the card, and models that read names read it. Drag a label to its place "
        "in lists and keys, or press the arrow keys on its handle."
    )
    edition = st.session_state.setdefault("label-edition", 0)
    drafts = draw_label_list(taxonomy, edition)
    if drafts is None:
        return
    try:
        preview = STEPS["arrange"](server.project, _quiet, labels=drafts, preview=True)
    except RondoError as error:
        st.error(escaped(str(error)))
    else:
        if not preview.changes:
            return
        st.text("\n".join(change_sentences(preview)))
        if st.button("Save labels", key="save-labels", type="primary"):
            _do_step(server, "arrange", labels=drafts)
    if st.button("Discard", key="discard-labels"):
        st.session_state["label-edition"] = edition + 1
        st.rerun()


def _ask_merge(taxonomy: Taxonomy) -> Options:
    names = [label.name for label in taxonomy.active]
    into = st.selectbox("Into", names, None, key="merge-into")
    merged = st.multiselect("These labels", [name for name in names if name != into], key="merge-labels")
    return {"labels": merged, "into": into} if merged and into else None


def _ask_split(taxonomy: Taxonomy) -> Options:
    label = st.selectbox("Label", [label.name for label in taxonomy.active], None, key="split-label")
    named = st.text_input("Into these labels, with commas between", key="split-into").split(",")
    parts = [part.strip() for part in named if part.strip()]
    return {"label": label, "into": parts} if label and parts else None


def _ask_use(taxonomy: Taxonomy) -> Options:
    others = [name for name in taxonomy.taxonomies if name != taxonomy.in_use]
    name = st.selectbox(f"Taxonomy; in use is {taxonomy.in_use}", others, None, key="use-taxonomy")
    return {"name": name} if name else None


def _ask_load(taxonomy: Taxonomy) -> Options:
    """A file of this machine is for its operator to name."""
    source = st.selectbox(
        "Template" if is_signed_in() else "Template, or a TOML file of this machine with [[taxonomy.labels]]",
        list(TEMPLATES),
        None,
        key="load-taxonomy",
        accept_new_options=not is_signed_in(),
    )
    return {"source": source} if source and (source in TEMPLATES or not is_signed_in()) else None


def _ask_map(taxonomy: Taxonomy) -> Options:
    """None of the others: its mappings are taken back."""
    words = {label.id: f"{label.taxonomy}: {label.name}" for label in taxonomy.labels if not label.retired}
    label = st.selectbox("Answers with", list(words), None, format_func=words.__getitem__, key="map-label")
    others = [one for one in words if label and taxonomy.by_id[one].taxonomy != taxonomy.by_id[label].taxonomy]
    to = st.multiselect("Are hints at", others, key="map-to", format_func=words.__getitem__, placeholder="nothing more")
    return {"label": label, "to": to} if label else None


def _ask_migrate(taxonomy: Taxonomy) -> Options:
    source = st.selectbox("Answers of", taxonomy.taxonomies, None, key="migrate-from")
    to = st.selectbox(
        "Count in",
        [one for one in taxonomy.taxonomies if one != source],
        None,
        key="migrate-to",
        help="Where their label is mapped to one label of it",
    )
    return {"source": source, "to": to} if source and to else None


ASKING: dict[str, tuple[str, Callable[[Taxonomy], Options]]] = {
    "merge": ("Merge labels", _ask_merge),
    "split": ("Split a label", _ask_split),
    "use": ("Use another taxonomy", _ask_use),
    "load": ("Add taxonomies beside these", _ask_load),
    "map": ("Map a label to those of another taxonomy", _ask_map),
    "migrate": ("Count answers of one taxonomy in another", _ask_migrate),
    "undo": ("Take a step back", lambda _: {}),
}
"""step -> what it is called, and what it asks for before it can be looked at"""


def _draw_steps(server: ProjectServer, taxonomy: Taxonomy) -> None:
    """Each says what it touches before it is done."""
    step = st.selectbox(
        "Change the taxonomy", list(ASKING), None, format_func=lambda name: ASKING[name][0], key="taxonomy-step"
    )
    options = ASKING[step][1](taxonomy) if step else None
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
        change = STEPS[step](server.project, _quiet, user=require_right("manage"), **options)
        if change.switched or change.answers:
            server.start("refit")
        st.toast("Saved")
    except RondoError as error:
        st.session_state["settings-trouble"] = str(error)
    st.rerun()


def _quiet(what: str, done: int, total: int) -> None:
    """Steps take no time worth a report."""
