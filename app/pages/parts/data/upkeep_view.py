"""Pieces of the page that keeps a project: copies, and a check of what is stored. They compute nothing."""

import re
from pathlib import Path

import streamlit as st

from app.background import ProjectServer
from app.pages.parts.data.files import exports, offer
from app.pages.parts.widgets import begin, latest_of
from app.words import size_in_words
from core.errors import RondoError
from core.reports.card_text import escaped
from core.store.database import utc_now

BACKUP, ARCHIVE, CHECK = "backup", "archive", "check_project"


def draw_copies(server: ProjectServer) -> None:
    """A copy beside the project, or one file to take along."""
    st.header("Copies")
    st.caption("Database, settings and models, whole and checked, also while people label. Vectors are made again.")
    with st.container(horizontal=True):
        busy = BACKUP in server.activities or ARCHIVE in server.activities
        icon = ":material/backup:"
        st.button("Back up", key="back-up", icon=icon, disabled=busy, on_click=begin, args=(server, BACKUP))
        st.button(
            "Write one file to take along",
            key="archive",
            icon=":material/folder_zip:",
            disabled=busy,
            on_click=_begin_archive,
            args=(server,),
            help="Parquet and JSON, which the page of all projects and rondo restore make a project of again",
        )
    if copied := latest_of(server, BACKUP):
        st.text(f"Copied to {copied.folder} ({size_in_words(copied.bytes)}).")
    if archived := latest_of(server, ARCHIVE):
        st.text(f"{archived.rows:,} rows in {archived.tables} tables ({size_in_words(archived.bytes)}).")
        offer(Path(archived.file), "archive-fetch")


def _begin_archive(server: ProjectServer) -> None:
    name = re.sub(r"[^\w.-]+", "-", server.settings().name).strip(".-") or "project"
    try:
        target = exports(server.project) / f"{name}-{utc_now():%Y%m%d-%H%M%S}.zip"
    except RondoError as error:
        st.error(escaped(error))
        return
    begin(server, ARCHIVE, archive=str(target))


def draw_check(server: ProjectServer) -> None:
    """Reads everything that is stored, and says what is damaged."""
    st.header("Is everything whole?")
    st.button(
        "Check all that is stored",
        key="check-all",
        icon=":material/fact_check:",
        disabled=CHECK in server.activities,
        on_click=begin,
        args=(server, CHECK),
    )
    result = latest_of(server, CHECK)
    if result is None:
        return
    if damages := [one.damage for one in result.findings if one.damage]:
        for damage in damages:
            st.error(escaped(damage), icon=":material/broken_image:")
        if result.advice:
            st.text(result.advice)
        return
    st.success("Everything is as it was written.", icon=":material/check_circle:")
    with st.expander("What was read"):
        rows = [{"part": one.part, "state": "sound"} for one in result.findings]
        st.dataframe(rows, key="checked-parts", hide_index=True, alt="Parts that were read, and their state")
