"""Files between a browser and this machine: an upload that a verb reads, and what a verb wrote, to be fetched."""

from functools import partial
from pathlib import Path

import streamlit as st

from app.background import ProjectServer
from app.http.upload_routes import uploads
from app.pages.parts.data.upload_box import draw_upload_box
from app.uploads import drop_kept, kept_file
from core.errors import BadInput
from core.project import Project
from core.reports.card_text import escaped
from core.store.tables import as_excel
from core.store.whole_files import disk_errors

LARGEST = 200_000_000
"""bytes that a browser is given; a larger file is fetched from where it lies"""
MIMES = {".csv": "text/csv", ".jsonl": "application/jsonl", ".md": "text/markdown", ".json": "application/json"}


def ask_upload(server: ProjectServer, label: str, key: str) -> Path | None:
    """Where a file that a person uploads lies, under its own name, for as long as the visit shows it."""
    folder, name = uploads(server.project), f"{key}-upload"
    file = kept_file(folder, st.session_state.get(name, ""))
    event = draw_upload_box(label, key, file.name if file else "")
    uploaded = event.uploaded != st.session_state.get(name) and event.uploaded  # Streamlit may hand it over twice
    if uploaded or event.removed:
        drop_kept(folder, st.session_state.pop(name, ""))
        if uploaded:
            st.session_state[name] = uploaded
        st.rerun()
    return file


def take_upload(server: ProjectServer, identifier: str, folder: Path) -> Path:
    """Moves an upload into this folder, which lies in the project. Raises BadInput where it is gone."""
    file = kept_file(uploads(server.project), identifier)
    if file is None:
        raise BadInput("The file that was uploaded is gone. Upload it again.")
    target = file.rename(folder / file.name)
    drop_kept(uploads(server.project), identifier)
    return target


def exports(project: Project) -> Path:
    """The folder that pages write files into; made if it is missing. Raises Refused for a full disk."""
    folder = project.folder / "exports"
    with disk_errors(f"The folder {folder}"):
        folder.mkdir(exist_ok=True)
    return folder


def offer(file: Path, key: str) -> None:
    """A button that fetches it, or where it lies if it is too large; nothing where it is gone."""
    if not file.is_file():
        return
    if file.stat().st_size > LARGEST:
        st.text(f"{file.name} is too large for the browser; fetch it from its folder.")
        return
    mime, read = MIMES.get(file.suffix, "application/octet-stream"), file.read_bytes  # read when clicked, not before
    st.download_button(escaped(file.name), read, file.name, mime, key, icon=":material/download:", on_click="ignore")


def offer_for_excel(file: Path, key: str) -> None:
    """The same for CSV as a spreadsheet opens it, made when it is fetched."""
    if not file.is_file() or file.suffix != ".csv" or file.stat().st_size > LARGEST:
        return
    st.download_button(
        "For Excel",
        partial(as_excel, file),
        f"{file.stem}-excel.csv",
        MIMES[".csv"],
        key,
        icon=":material/download:",
        on_click="ignore",
        help="With a byte-order mark, and an apostrophe before cells that would be formulas",
    )


def free_name(folder: Path, name: str) -> Path:
    """The file of this name in the folder; where there is one already, with the first number that is free."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path
