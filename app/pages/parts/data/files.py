"""Files between a browser and this machine: an upload laid down for a verb, and what a verb wrote, to be fetched."""

import secrets
import shutil
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.background import ProjectServer
from core.errors import RondoError
from core.project import Project
from core.reports.card_text import escaped
from core.store.private_files import private_folder
from core.store.whole_files import disk_errors

LARGEST = 200_000_000
"""bytes that a browser is given; a larger file is fetched from where it lies"""
MIMES = {".csv": "text/csv", ".jsonl": "application/jsonl", ".md": "text/markdown", ".json": "application/json"}


def ask_upload(server: ProjectServer, label: str, key: str) -> Path | None:
    """Where a file that a person uploads lies, under its own name, for as long as the visit shows it."""
    file, name = st.file_uploader(label, key=key), f"{key}-lies"
    identifier, path = st.session_state.get(name, (None, None))
    if file is not None and identifier == file.file_id:
        return Path(path)
    if path is not None:
        shutil.rmtree(Path(path).parent, ignore_errors=True)
        del st.session_state[name]
    if file is None:
        return None
    try:
        target = lay_down(file, private_folder(server.project.folder, "uploads") / secrets.token_hex(8))
    except RondoError as error:
        st.error(escaped(error))
        return None
    st.session_state[name] = (file.file_id, str(target))
    return target


def lay_down(upload: UploadedFile, folder: Path) -> Path:
    """The upload as a file of its own name in the folder, which is made if it is missing. Raises Refused for a full
    disk, and leaves nothing then."""
    target = folder / (Path(upload.name).name.lstrip(".") or "file")
    try:
        with disk_errors(f"The upload {upload.name}"):
            folder.mkdir(mode=0o700, exist_ok=True)
            target.write_bytes(upload.getbuffer())
    except RondoError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
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
