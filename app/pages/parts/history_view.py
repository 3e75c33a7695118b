"""Pieces of the History page: its lines, its pages, its export. They compute nothing."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from app.auth.identity import demand
from app.background import ProjectServer
from core.errors import RondoError
from core.people.audit_log import PAGE, Line
from core.reports.card_text import escaped
from core.store.database import utc_now

Place = tuple[datetime, int] | None


def trail(query: tuple[object, ...]) -> list[Place]:
    """Where the pages so far began, the one on the screen last; another filter begins anew."""
    if st.session_state.get("history-asked") != query:
        st.session_state["history-asked"] = query
        st.session_state["history-trail"] = [None]
    places: list[Place] = st.session_state["history-trail"]
    return places


def draw_lines(shown: Sequence[Line]) -> None:
    """As a table: names and details are people's own words, and stay text."""
    if not shown:
        st.info("Nothing like this has happened yet.")
        return
    rows = [{"when (UTC)": line.at, "who": line.who, "what": line.what, "detail": line.detail} for line in shown]
    st.dataframe(
        rows, key="history", hide_index=True, height=min(len(rows), 20) * 35 + 38, alt="Who did what, newest first"
    )


def draw_paging(shown: Sequence[Line], places: list[Place]) -> None:
    """Back and on."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Newer", key="newer", disabled=len(places) < 2, on_click=places.__delitem__, args=(-1,))
        last = shown[-1].place if len(shown) == PAGE else None
        st.button("Older", key="older", disabled=last is None, on_click=places.append, args=(last,))
        st.text(f"Page {len(places)}, {len(shown)} lines")


def draw_export(office: ProjectServer, who: str | None, what: str | None, since: datetime | None) -> None:
    """Every line that the filter lets through, as a file in `exports/`."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = st.segmented_control("Format", ["csv", "jsonl"], default="csv", required=True, key="history-format")
        if st.button("Write the file", key="history-write", icon=":material/download:"):
            _write(office, form or "csv", by=who, what=what, since=since.isoformat() if since else None)
    if written := st.session_state.get("history-written"):
        target = Path(written)
        if target.exists():
            st.download_button(f"Fetch {target.name}", target.read_bytes, target.name, key="history-fetch")


def _write(office: ProjectServer, file_format: str, **query: str | None) -> None:
    folder = office.project.folder / "exports"
    folder.mkdir(exist_ok=True)
    target = folder / f"history-{utc_now():%Y%m%d-%H%M%S}.{file_format}"
    options = {**query, "out": str(target), "file_format": file_format}
    try:
        office.run(office.open_ticket("history"), lambda *_: None, who=demand("manage"), **options)
        st.session_state["history-written"] = str(target)
    except RondoError as error:
        st.error(escaped(error))
