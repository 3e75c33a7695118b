"""Where a page has a file of records from: an upload; for whoever runs this machine also a path, an address, a data set
of the Hugging Face Hub, or a dataset of an Argilla server. What was named is looked into behind the page.

page: keeps what the pages ask for apart."""

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from annotation.dataset_copy import DatasetAddress
from annotation.server import KEY_VARIABLE
from app.auth.identity import is_signed_in, require_right
from app.background import ProjectServer, opened
from app.pages.parts.data.files import take_upload
from app.pages.parts.data.upload_box import draw_upload_box
from app.words import progress_line
from core.data.remote_files import HUB
from core.errors import Refused, RondoError
from core.home import folders
from core.reports.card_text import escaped
from core.store.private_files import FOLDER, private_folder
from core.tasks.tasks import task_of

if TYPE_CHECKING:
    from app.home.drafts import Draft, Drafts

ENCODINGS = ("utf-8", "cp1252", "latin-1", "utf-16")
"""that are offered; others are written in"""
UNDER_WAY = ("reading", "checking")
"""phases of a draft"""


@cache
def _drafts(folder: Path, two_sides: bool) -> "Drafts":
    """One for each project of this process."""
    from app.home.drafts import Drafts

    return Drafts(folder / FOLDER / "import", two_sides)


def _drafts_of(server: ProjectServer) -> "Drafts":
    private_folder(server.project.folder, "import", folders.PRIVATE, "drafts")
    return _drafts(server.project.folder, task_of(server.settings()).two_sides)


def draw_source(
    server: ProjectServer, page: str = "import", *, queries: bool = False, unread: bool = False
) -> "Draft | None":
    """The choice, and what was chosen once its beginning is known; None until then. queries: may it be one? unread: a
    file that has no rows of its own is given back, too, without a preview."""
    drafts = _drafts_of(server)
    sources = SOURCES | (QUERY if queries else {})
    chosen = next(iter(sources))
    if not is_signed_in():  # then only whoever runs the app reaches it
        chosen = st.segmented_control(
            "Where the records are",
            list(sources),
            default=chosen,
            required=True,
            key=f"{page}-from",
            label_visibility="collapsed",
            on_change=drop_draft,
            args=(server, page),
        )
    sources[chosen or next(iter(sources))](drafts, page)
    draft = _present(drafts, page)
    if draft is None:
        return None
    if draft.phase in UNDER_WAY:
        _wait(drafts, draft, page)
        return None
    if draft.phase == "failed":
        st.error(escaped(draft.error))
    _ask_encoding(drafts, draft, page)
    return draft if draft.phase == "ready" or (unread and draft.source) else None


def _ask_encoding(drafts: "Drafts", draft: "Draft", page: str) -> None:
    """Another one reads the beginning anew."""
    if not draft.source or draft.sql:
        return
    encoding = st.selectbox(
        "Character encoding, of CSV, JSONL and text files",
        ENCODINGS,
        key=f"{page}-encoding-{draft.id}",
        accept_new_options=True,
        width=320,
    )
    if encoding and encoding != draft.encoding:
        drafts.check(draft, {}, encoding, two_sides=drafts.two_sides)
        st.rerun()


def drop_draft(server: ProjectServer, page: str = "import") -> None:
    """Nothing is left of what this visit named; an upload that is still shown is not begun again."""
    drafts = _drafts_of(server)
    if draft := _present(drafts, page):
        drafts.drop(draft)
    st.session_state.pop(f"{page}-draft", None)


def _present(drafts: "Drafts", page: str) -> "Draft | None":
    try:
        return drafts.get(st.session_state.get(f"{page}-draft", ""))
    except RondoError:  # it was kept for a day, or is of a server before
        return None


def require_operator() -> None:
    """Raises Refused where people sign in: what this machine reads for a person is its operator's to ask for."""
    if is_signed_in():
        raise Refused("Only whoever runs this app may name files of its machine and other servers. Upload a file.")


def _begin(drafts: "Drafts", page: str, make: "Callable[[], Draft]", *, machine: bool = True) -> None:
    """machine: what this machine reads for the person."""
    if draft := _present(drafts, page):
        drafts.drop(draft)
    st.session_state.pop(f"{page}-draft", None)
    try:
        require_right("manage")
        if machine:
            require_operator()
        st.session_state[f"{page}-draft"] = make().id
    except RondoError as error:
        st.error(escaped(error))


def _draw_upload(drafts: "Drafts", page: str) -> None:
    draft = _present(drafts, page)
    label = "A file: CSV, TSV, JSON, JSONL, Excel, Parquet or Arrow"
    event = draw_upload_box(label, f"{page}-file", draft.title if draft else "")
    if event.removed:
        drop_draft(opened(), page)
        st.rerun()
    if event.uploaded and event.uploaded != st.session_state.get(f"{page}-taken"):  # Streamlit may hand it over twice
        st.session_state[f"{page}-taken"] = event.uploaded
        _begin(drafts, page, lambda: _taken(drafts, event.uploaded), machine=False)
        if _present(drafts, page):
            st.rerun()


def _taken(drafts: "Drafts", identifier: str) -> "Draft":
    """Of an upload, which is the draft's from now on."""
    folder = drafts.folder()
    try:
        file = take_upload(opened(), identifier, folder)
    except RondoError:
        folder.rmdir()
        raise
    return drafts.begin(folder, str(file), file.name)


def _draw_path(drafts: "Drafts", page: str) -> None:
    with st.form(f"{page}-path-form", border=False):
        path = st.text_input(
            "File or folder on this machine, or an address",
            key=f"{page}-path",
            placeholder="/data/mails.csv, https://…, s3://…",
        )
        if st.form_submit_button("Read", key=f"{page}-path-go") and path.strip():
            _begin(drafts, page, lambda: drafts.name_file(path.strip()))


def _draw_hub(drafts: "Drafts", page: str) -> None:
    with st.form(f"{page}-hub-form", border=False):
        name = st.text_input("Data set on the Hugging Face Hub", key=f"{page}-hub", placeholder="OWNER/NAME")
        if st.form_submit_button("Fetch", key=f"{page}-hub-go") and name.strip():
            _begin(drafts, page, lambda: drafts.name_file(HUB + name.strip().removeprefix(HUB)))


def _draw_argilla(drafts: "Drafts", page: str) -> None:
    with st.form(f"{page}-argilla-form", border=False):
        url = st.text_input("Address", key=f"{page}-argilla-url", placeholder="https://argilla.example.org")
        left, middle, right = st.columns(3)
        workspace = left.text_input("Workspace", key=f"{page}-argilla-workspace")
        dataset = middle.text_input("Dataset", key=f"{page}-argilla-dataset")
        question = right.text_input("Question, where several ask for labels", key=f"{page}-argilla-question")
        key = st.text_input("API key", type="password", key=f"{page}-argilla-key", autocomplete="off")
        st.caption(f"Used for this once, and stored nowhere. Empty: {KEY_VARIABLE} of the environment.")
        if st.form_submit_button("Fetch", key=f"{page}-argilla-go"):
            _begin(drafts, page, lambda: drafts.fetch(DatasetAddress(url, workspace, dataset, question, key)))


def _draw_query(drafts: "Drafts", page: str) -> None:
    with st.form(f"{page}-query-form", border=False):
        source = st.text_input(
            "Folder with the files, or a DuckDB database, on this machine",
            key=f"{page}-query-place",
            placeholder="/data/mails, /data/archive.duckdb",
        )
        sql = st.text_area(
            "Query",
            key=f"{page}-query",
            placeholder="select no as id, body from 'mails/*.parquet' where lang = 'de'",
            help="One SELECT of DuckDB: it reads, writes nothing, and fetches nothing",
        )
        if st.form_submit_button("Read", key=f"{page}-query-go") and source.strip() and sql.strip():
            _begin(drafts, page, lambda: drafts.query(source.strip(), sql.strip()))


SOURCES: dict[str, "Callable[[Drafts, str], None]"] = {
    "A file": _draw_upload,
    "Path or address": _draw_path,
    "Hugging Face": _draw_hub,
    "Argilla": _draw_argilla,
}
"""the first is everybody's"""
QUERY: dict[str, "Callable[[Drafts, str], None]"] = {"A query": _draw_query}


@st.fragment(run_every=0.5)
def _wait(drafts: "Drafts", draft: "Draft", page: str) -> None:
    """How far the reading is, with a button that stops it; draws the page again when it has ended."""
    if draft.phase not in UNDER_WAY:
        st.rerun()
    left, right = st.columns([5, 1], vertical_alignment="center")
    what, done, total = draft.progress
    line = progress_line(what or "Reading", done, total, time.monotonic() - draft.since)
    left.progress(min(done / total, 1.0) if total else 0.0, text=escaped(line))
    if right.button("Cancel", key=f"{page}-cancel"):
        drafts.drop(draft)
        st.session_state.pop(f"{page}-draft", None)
        st.rerun()
