"""What a page shows of the exchange with Argilla: what stands there, what came back, what went wrong, two buttons."""

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from core.exchange.exchange_state import Exchange, read_exchange
from core.reports.card_text import escaped

SHOWN = 20
"""refused records that are named"""


def draw_exchange(server: ProjectServer) -> None:
    """Where people answer, how much, and the buttons that push and sync now."""
    exchange = read_exchange(server.project)
    st.header("Argilla")
    if exchange.error_message:
        st.warning(escaped(exchange.error_message), icon=":material/cloud_off:")
    _draw_dataset(exchange)
    push, sync, _ = st.columns([1, 1, 3])
    if push.button("Push now", key="team-push", icon=":material/upload:", type="primary"):
        server.start("team_push", user=require_right("manage"))
        st.rerun()
    if sync.button("Sync now", key="team-sync", icon=":material/sync:", disabled=exchange.dataset is None):
        server.start("team_sync", user=require_right("manage"))
        st.rerun()
    _draw_refused("Argilla refused these records; the others are there", exchange.bad, "team-bad")
    _draw_refused("These answers could not be taken in", exchange.unreadable, "team-unreadable")


def _draw_dataset(exchange: Exchange) -> None:
    if exchange.dataset is None:
        st.text(
            "Nothing was pushed yet. Start a server (below, or by `rondo team start`), or name yours in rondo.toml, "
            "and push."
        )
    else:
        figures: list[tuple[str, str]] = [
            ("Records there", f"{exchange.pushed:,}"),
            ("Answered there", f"{exchange.answered:,}"),
            ("People", f"{exchange.people:,}"),
            ("Last sync (UTC)", f"{exchange.synced_at:%H:%M:%S}" if exchange.synced_at else "not yet"),
        ]
        for column, (title, value) in zip(st.columns(len(figures)), figures, strict=True):
            column.metric(title, value)
        if exchange.link:
            st.link_button(
                f"Answer in {escaped(exchange.dataset)}", exchange.link, key="team-open", icon=":material/open_in_new:"
            )
        for sentence in exchange.details:
            st.text(sentence)
    if exchange.outdated:
        st.info("Labels or fields have changed: the next push makes a new dataset, with everything copied.")
    if exchange.replaced:
        names = ", ".join(repr(name) for name in exchange.replaced)
        st.text(f"Replaced by it: {names}. What is still answered there is taken in.")
    if exchange.gone:
        st.text(f"Deleted in Argilla: {', '.join(map(repr, exchange.gone))}. The answers from there are kept.")


def _draw_refused(title: str, refused: dict[str, str], key: str) -> None:
    if refused:
        with st.expander(f"{title} ({len(refused):,})", key=f"{key}-more"):
            rows = [{"record": record, "why": why} for record, why in list(refused.items())[:SHOWN]]
            st.dataframe(rows, key=key, hide_index=True)
