"""Sections of the Export page: a look at the rows, the files that were written, the data card. Computes nothing."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.pages.parts.data.files import exports, offer
from app.pages.parts.widgets import measured_link
from app.words import loss_lines
from core.data.formats.formats import FORMATS
from core.errors import RondoError
from core.loop import export
from core.project import Project
from core.reports.card_text import as_markdown, escaped
from core.reports.datacard import data_card
from core.reports.export import count_rows, first_rows, stamp
from core.store.database import utc_now
from core.typed_json import to_json


@st.cache_data(max_entries=20, show_spinner=False)
def _preview(_project: Project, what: str, at: str) -> tuple[tuple[int, int], list[dict[str, Any]]]:
    return count_rows(_project, what), first_rows(_project, what)


@st.cache_data(max_entries=4, show_spinner=False)
def _card(_project: Project, names: bool, at: str) -> dict[str, Any]:
    return data_card(_project, names=names)


def draw_preview(project: Project, what: str) -> int:
    """The first rows and how many there are."""
    (count, gold), rows = _preview(project, what, stamp(project))
    if not count:
        st.info("This export would be empty: there is nothing of this kind yet.")
        return 0
    words = f"{count:,} rows" + (f", {gold:,} of them gold that came with a file" if gold else "")
    st.text(words + (f"; the first {len(rows)}:" if count > len(rows) else ":"))
    st.dataframe(rows, key="preview", hide_index=True, alt="The first rows of the export")
    return count


def rows_of(project: Project, what: str) -> int:
    """Of an export."""
    (count, _), _ = _preview(project, what, stamp(project))
    return count


def write_file(server: ProjectServer, what: str, file_format: str, **form: bool) -> None:
    """Into the project's `exports/`, under a name that says what and when. form: card, excel, by_split of `export`."""
    ending = FORMATS[file_format].ending
    suffix = "" if ending == f".{file_format}" else f"-{file_format}"
    target = exports(server.project) / f"{what}{suffix}-{utc_now():%Y%m%d-%H%M%S}{ending}"
    try:
        result = server.do(
            require_right("manage"),
            export,
            out=str(target),
            file_format=file_format,
            what=what,
            **form,
        )
    except RondoError as error:
        st.error(escaped(error))
        return
    st.session_state["written"] = {
        "files": result.files or {result.file: result.rows},
        "cards": [f"{target}.card.md", f"{target}.card.json"] if form["card"] else [],
        "losses": loss_lines(result.lost, result.changes),
    }


def draw_written() -> None:
    """The files that this visit wrote last, to be fetched."""
    written = st.session_state.get("written")
    if not written or not all(Path(name).exists() for name in written["files"]):
        return
    for name, rows in written["files"].items():
        st.text(f"{rows:,} rows are in {name}")
    for line in written["losses"]:
        st.text(line)
    with st.container(horizontal=True):
        for file in map(Path, (*written["files"], *written["cards"])):
            offer(file, f"fetch-{file.name}")


def draw_card(project: Project) -> None:
    """What the data are and how far to trust them, to read and to take along."""
    names = st.toggle("With the annotators' names", key="names", help="Else they are numbered")
    with st.spinner("Gathering what is known"):
        card = _card(project, names, stamp(project))
    st.markdown("\n".join(f"- {escaped(limit)}" for limit in card["limits"]))
    measured_link("Two kinds of labels")
    text = as_markdown(card)
    with st.container(horizontal=True):
        save = partial(st.download_button, icon=":material/download:", on_click="ignore")
        save("data-card.md", text, "data-card.md", "text/markdown", key="card-md")
        save(
            "data-card.json", json.dumps(to_json(card), indent=1), "data-card.json", "application/json", key="card-json"
        )
    with st.expander("Read it"):
        st.code(text, language="markdown", wrap_lines=True)
