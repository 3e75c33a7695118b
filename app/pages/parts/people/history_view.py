"""Pieces of the History page: its lines, its pages, its export. They compute nothing."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.pages.parts.data.files import exports
from core.errors import RondoError
from core.people.audit_log import HistoryLine, HistoryPage, LinePosition, history
from core.reports.card_text import escaped
from core.store.database import utc_now


def trail(filters: tuple[object, ...]) -> list[LinePosition | None]:
    """Where the pages so far began, the one on the screen last; another filter begins anew."""
    if st.session_state.get("history-asked") != filters:
        st.session_state["history-asked"] = filters
        st.session_state["history-trail"] = [None]
    positions: list[LinePosition | None] = st.session_state["history-trail"]
    return positions


def draw_lines(shown: Sequence[HistoryLine]) -> None:
    """As a table: names and details are people's own words, and stay text."""
    if not shown:
        st.info("Nothing like this has happened yet.")
        return
    rows = [{"when (UTC)": line.at, "who": line.user, "what": line.what, "detail": line.detail} for line in shown]
    st.dataframe(
        rows, key="history", hide_index=True, height=min(len(rows), 20) * 35 + 38, alt="Who did what, newest first"
    )


def draw_paging(shown: HistoryPage, positions: list[LinePosition | None]) -> None:
    """Back and on."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Newer", key="newer", disabled=len(positions) < 2, on_click=positions.__delitem__, args=(-1,))
        st.button("Older", key="older", disabled=shown.next is None, on_click=positions.append, args=(shown.next,))
        st.text(f"Page {len(positions)}, {len(shown.lines)} lines")


def draw_export(server: ProjectServer, user: str | None, what: str | None, since: datetime | None) -> None:
    """Every line that the filter lets through, as a file in `exports/`."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = st.segmented_control("Format", ["csv", "jsonl"], default="csv", required=True, key="history-format")
        if st.button("Write the file", key="history-write", icon=":material/download:"):
            target = exports(server.project) / f"history-{utc_now():%Y%m%d-%H%M%S}.{form or 'csv'}"
            day = since.isoformat() if since else None
            try:
                server.do(
                    require_right("manage"),
                    history,
                    by=user,
                    what=what,
                    since=day,
                    out=str(target),
                    file_format=form or "csv",
                )
                st.session_state["history-written"] = str(target)
            except RondoError as error:
                st.error(escaped(error))
    if written := st.session_state.get("history-written"):
        target = Path(written)
        if target.exists():
            st.download_button(f"Fetch {target.name}", target.read_bytes, target.name, key="history-fetch")
