"""The Export page's section on a paper: writing its bundle, and fetching it. Computes nothing."""

from pathlib import Path

import streamlit as st

from app.auth.identity import has_right, require_right
from app.background import ProjectServer
from app.pages.parts.data.files import exports
from core.errors import RondoError
from core.paper.paper import PaperBundle, paper
from core.reports.card_text import escaped
from core.store.database import utc_now

ABOUT = (
    "Text for the section on methods, tables (LaTeX, Markdown, CSV), figures (SVG, PNG), seeds, versions, the answers "
    "in the order in which they came, and the commands by which a reviewer chooses the rounds again. Every figure in "
    "it was measured here; what was not is named."
)


def draw_paper(server: ProjectServer) -> None:
    """One button, and the zip that this visit wrote last."""
    st.header("For a paper")
    st.caption(ABOUT)
    if not has_right("manage"):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Write the paper bundle", key="paper", icon=":material/article:")
        texts = st.toggle("With texts", key="paper-texts", help="Texts of the records, and people's notes")
        names = st.toggle("With names", key="paper-names", help="Of the annotators; else they are numbered")
    if pressed:
        with st.spinner("Writing text, tables and figures"):
            _write(server, texts=texts, names=names)
    if written := st.session_state.get("paper-written"):
        _draw_written(written)


def _write(server: ProjectServer, *, texts: bool, names: bool) -> None:
    try:
        target = exports(server.project) / f"paper-{utc_now():%Y%m%d-%H%M%S}.zip"
        result = server.do(require_right("manage"), paper, out=str(target), texts=texts, names=names)
    except RondoError as error:
        st.error(escaped(error))
        return
    st.session_state["paper-written"] = result


def _draw_written(result: PaperBundle) -> None:
    file = Path(result.path)
    if not file.exists():
        return
    words = f"{len(result.tables)} tables, {len(result.figures)} figures, {result.answers:,} answers"
    st.download_button(
        f"{file.name} ({words})",
        file.read_bytes,  # read when it is clicked, not before
        file.name,
        "application/zip",
        key="paper-fetch",
        icon=":material/download:",
        on_click="ignore",
    )
    if result.missing:
        with st.expander("What it cannot say"):
            st.markdown("\n".join(f"- {escaped(sentence)}" for sentence in result.missing))
