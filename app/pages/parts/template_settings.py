"""The Settings page's part that keeps a project's settings as a template for others like it."""

from pathlib import Path

import streamlit as st

from app.auth.identity import is_signed_in, require_right
from app.background import ProjectServer
from core.config.new_project import template_files
from core.config.settings import Settings
from core.errors import RondoError
from core.home.folders import default_home
from core.home.own_templates import LONGEST_CAPTION, SavedTemplate, home_of, template_save, templates_folder
from core.reports.card_text import escaped
from core.tasks.tasks import task_of


def draw_template(server: ProjectServer) -> None:
    """Name, description, and where it is offered. One of this name is replaced only on purpose, and only by whoever
    runs the app: it may be another project's."""
    home = home_of(server.project.folder)
    with st.expander("Save as a template", icon=":material/content_copy:", key="template-box"):
        st.text(
            f"{_content(server.settings())} as they are now, to make other projects from; no record, answer or person "
            f"is in it. It is offered under New project of the home {home}{_by_command(home)}."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input(
                "Name", key="template-name", max_chars=40, placeholder="letters, digits, hyphens"
            ).strip()
            st.text_input(
                "Description", key="template-caption", max_chars=LONGEST_CAPTION, placeholder="One line: what it is for"
            )
        taken = name in template_files(templates_folder(home))
        overwrite = False
        if taken:
            st.warning(f"There is a template {escaped(name)} already.", icon=":material/warning:")
            overwrite = not is_signed_in() and st.toggle("Replace it", key=f"template-replace-{name}")
        st.button(
            "Save the template",
            key="template-save",
            icon=":material/save:",
            disabled=not name or (taken and not overwrite),
            on_click=_save,
            args=(server, name),
            kwargs={"overwrite": overwrite},
        )
        if error_message := st.session_state.pop("template-trouble", None):
            st.error(escaped(error_message))
        saved: SavedTemplate | None = st.session_state.get("template-saved")
        if saved:
            st.success(escaped(f"{'Replaced' if saved.replaced else 'Saved'} {saved.name}: {saved.file}"))


def _by_command(home: Path) -> str:
    """The command looks into one home alone."""
    return ", and to rondo init --template NAME" if home.resolve() == default_home().resolve() else ""


def _content(settings: Settings) -> str:
    task = task_of(settings)
    parts = [*(["labels"] if task.taxonomy else []), *(["steps"] if task.steps else []), "guidelines"]
    return f"Task, {' and '.join(parts)}"


def _save(server: ProjectServer, name: str, *, overwrite: bool) -> None:
    """Nothing where another name stands there by now: it was asked of this one whether to replace it. The fields are
    empty once it is done, so a click that comes twice saves once."""
    entered, caption = (str(st.session_state[key]).strip() for key in ("template-name", "template-caption"))
    if entered != name:
        return
    st.session_state.pop("template-saved", None)
    try:
        user = require_right("manage")
        saved = server.do(user, template_save, name=name, caption=caption, overwrite=overwrite)
        st.session_state.update({"template-saved": saved, "template-name": "", "template-caption": ""})
    except RondoError as error:
        st.session_state["template-trouble"] = str(error)
