"""Pieces of the Clusters page: the list, one cluster with its members, and what a person decides about it."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.charts.clusters import size_chart
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.records.record_list import name_box
from app.pages.parts.widgets import measured_link
from core.errors import RondoError
from core.merges.merge_edits import MergeEdit, merges_decide, merges_pick, merges_redo, merges_survivor, merges_undo
from core.merges.merges import ClusterDetail, HeldLine, Member, MergeList, merge
from core.pairs.blocking.blocking_recall import recall_if_sought
from core.reports.card_text import escaped

BESIDE, MOST = 3, 30
"""members in a row, and how many are shown"""
OUTCOME = "cluster-outcome"


def draw_list(result: MergeList) -> str:
    """The clusters, the doubtful ones first; returns the one that is open."""
    st.text(f"{result.clusters:,} clusters of {result.clustered:,} records; doubtful ones first")
    names = [one.cluster for one in result.lines]
    rows = [
        {
            "cluster": one.cluster,
            "records": one.size,
            "doubt": f"{one.held} held" if one.held else f"{one.least:.1%}" if one.by_machine else "people",
            "first record": one.text,
        }
        for one in result.lines
    ]
    st.dataframe(
        rows,
        key="clusters",
        hide_index=True,
        height=min(len(rows), 14) * 35 + 38,
        selection_mode="single-cell",
        on_select=lambda: _open(names),
        column_config={"records": st.column_config.NumberColumn(width="small")},
    )
    st.caption(
        "Click one to open it. Doubt: a merge that was held because it contradicts what was said, or the lowest "
        "probability of a machine's decision that joins it."
    )
    if result.matching > len(names):
        st.caption(f"{len(names):,} of {result.matching:,} are shown; `rondo merges list` has them all.")
    if result.awaiting:
        st.caption(f"{result.awaiting:,} machine decisions wait for a blind answer and join nothing till then.")
    search = st.text_input("The cluster of a record", key="cluster-search", placeholder="SOURCE:ID", max_chars=200)
    return search.strip() or st.query_params.get("cluster") or names[0]


def _open(names: list[str]) -> None:
    for row, _ in st.session_state["clusters"]["selection"]["cells"]:
        st.query_params["cluster"] = names[row]
        st.session_state["cluster-search"] = ""


def draw_figures(result: MergeList) -> None:
    """How large clusters are."""
    st.header("Sizes")
    draw_chart(size_chart(result.sizes), key="sizes", alt="How many clusters there are of each size")
    with st.expander("The numbers"):
        st.dataframe([vars(one) for one in result.sizes], key="sizes-table", hide_index=True)
    measured_link("Merges with a guarantee")


def draw_recall(server: ProjectServer) -> None:
    """What share of the matches is among the candidates, and what that rests on."""
    recall = recall_if_sought(server.project)
    if recall is None:
        return
    st.text(recall.sentence)
    measured_link("Blocking recall")
    with st.expander("How many matches the search misses"):
        rows = [
            {"pairs": name, "there are": one.population, "decided": one.decided, "matches": one.matches}
            for name, one in (("next in rank, no candidates", recall.near), ("further away", recall.far))
        ]
        rows.insert(
            0,
            {
                "pairs": "candidates",
                "there are": recall.candidates,
                "decided": recall.audits,
                "matches": round(recall.matches.value),
            },
        )
        st.dataframe(rows, key="recall-table", hide_index=True)
        for note in recall.notes:
            st.text(note)
        st.caption(
            "Of candidates the matches are estimated from the audit. The others were drawn at random from pairs that "
            "no search found, and are asked blind beside the batches."
        )


def draw_outcome(server: ProjectServer) -> None:
    """What the last click did, and a way back."""
    outcome = st.session_state.get(OUTCOME)
    if not outcome:
        return
    text, edit, failed = outcome
    (st.error if failed else st.success)(escaped(text))
    if edit and st.button("Take it back", key="take-back", icon=":material/undo:"):
        _act(server, lambda user: _redo(server, user, edit))


def _redo(server: ProjectServer, user: str, edit: str) -> tuple[str, None]:
    result = server.do(user, merges_redo, edit=edit)
    return f"Took {result.decisions:,} decisions back.", None


def _act(server: ProjectServer, change: Callable[[str], tuple[str, str | None]]) -> None:
    """change: of the name of who acts; returns what was done, and the edit to take back."""
    try:
        st.session_state[OUTCOME] = (*change(require_right("adjudicate")), False)
        server.after_events()
    except RondoError as error:
        st.session_state[OUTCOME] = (str(error), None, True)
    st.rerun()


def edit_sentence(result: MergeEdit) -> str:
    """How many decisions were written, and what was not decided."""
    parts = [f"{result.decided:,} decisions written ({result.same:,} same, {result.decided - result.same:,} different)"]
    parts += [f"{result.unchanged:,} pairs were decided so already"] if result.unchanged else []
    parts += [f"{result.missing:,} pairs are no candidates and stay undecided"] if result.missing else []
    parts += [f"{result.waiting:,} wait for a blind answer and were left out"] if result.waiting else []
    joined = [f"{one.cluster} ({one.size:,})" for one in result.clusters if one.size > 1]
    return f"{'; '.join(parts)}. Clusters now: {', '.join(joined) or 'none'}."


def draw_cluster(server: ProjectServer, name: str) -> None:
    """Held merges, members side by side, what to do, the golden record, the decisions behind it."""
    detail = merge(server.project, lambda *_: None, cluster=name)
    st.markdown(f"**{escaped(detail.cluster)}** · {len(detail.members):,} records")
    user = name_box()
    for index, one in enumerate(detail.held):
        _draw_held(server, one, index, ready=bool(user))
    picked = _draw_members(detail)
    if len(detail.members) > 1:
        _draw_buttons(server, detail, picked, ready=bool(user))
        _draw_golden(server, detail, ready=bool(user))
    _draw_decisions(detail)


def _draw_held(server: ProjectServer, one: HeldLine, index: int, *, ready: bool) -> None:
    """A contradiction, with the ways out of it."""
    source = "a person" if one.by_person else f"a machine ({one.probability:.1%})"
    why = "are of one source, of which a cluster has one" if one.one_source else "were said to be apart"
    with st.container(border=True):
        st.text(f"Held: {one.left} = {one.right}, says {source}. But {' and '.join(one.apart)} {why}.")
        st.text(" = ".join(one.path))
        with st.container(horizontal=True):
            if not one.one_source and st.button("All are the same", key=f"held-same-{index}", disabled=not ready):
                _decide(server, *one.apart, same=True)
            if st.button(
                f"{escaped(one.left)} and {escaped(one.right)} are different",
                key=f"held-apart-{index}",
                disabled=not ready,
            ):
                _decide(server, one.left, one.right, same=False)


def _decide(server: ProjectServer, left: str, right: str, *, same: bool) -> None:
    _edit(server, lambda user: server.do(user, merges_decide, left=left, right=right, same=same))


def _edit(server: ProjectServer, change: Callable[[str], MergeEdit]) -> None:
    def outcome(user: str) -> tuple[str, str | None]:
        result = change(user)
        return edit_sentence(result), result.edit

    _act(server, outcome)


def _draw_members(detail: ClusterDetail) -> list[str]:
    """Side by side, each with a box to pick it; returns those that are picked."""
    picked = []
    shown = detail.members[:MOST]
    for start in range(0, len(shown), BESIDE):
        row = shown[start : start + BESIDE]
        for column, (index, one) in zip(st.columns(BESIDE), enumerate(row, start), strict=False):
            with column.container(border=True, key=f"member-{index}"):
                if len(detail.members) > 1 and st.checkbox(escaped(one.name), key=f"pick-{detail.cluster}-{index}"):
                    picked.append(one.name)
                st.text(_member_text(one))
                st.caption(escaped(_member_note(detail, one)))
    if len(detail.members) > MOST:
        st.caption(f"{MOST} of {len(detail.members):,} records are shown.")
    return picked


def _member_text(one: Member) -> str:
    return one.text if len(one.text) < 600 else f"{one.text[:600]} …"


def _member_note(detail: ClusterDetail, one: Member) -> str:
    words = [one.source]
    if one.name == detail.survivor:
        words.append("stands for the cluster")
    if one.duplicate_of:
        words.append(f"same text as {one.duplicate_of}")
    elif len(one.path) > 2:
        words.append(f"through {' = '.join(one.path)}")
    return " · ".join(words)


def _draw_buttons(server: ProjectServer, detail: ClusterDetail, picked: list[str], *, ready: bool) -> None:
    def button(label: str, key: str, disabled: bool = False, **options: Any) -> bool:
        why = None if ready else "Write your name first."
        return st.button(label, key=key, disabled=disabled or not ready, help=why, **options)

    with st.container(horizontal=True):
        weight = "primary" if ready else "secondary"  # a button that is off would be white on white
        if button("Approve all", "approve", type=weight, icon=":material/check:"):
            _edit(server, lambda user: server.do(user, merges_pick, cluster=detail.cluster))
        if button("Only the picked", "pick", len(picked) < 2, icon=":material/call_split:"):
            _edit(server, lambda user: server.do(user, merges_pick, cluster=detail.cluster, together=picked))
        if button("Set all apart", "reject", icon=":material/close:"):
            _edit(server, lambda user: server.do(user, merges_undo, cluster=detail.cluster))
    st.caption(
        "Only the picked: they belong together, and apart from the others. Pick two or more. Written are decisions on "
        "pairs, as if they had been asked one by one."
    )


def _draw_golden(server: ProjectServer, detail: ClusterDetail, *, ready: bool) -> None:
    """The record that would stand for all of them, and who chooses it."""
    st.markdown("**Golden record**")
    rows = [
        {"field": one.field, "value": one.value, "from": one.member, "rule": one.rule.replace("_", " ")}
        for one in detail.golden
    ]
    st.dataframe(rows, key="golden", hide_index=True, placeholder="")
    names = [one.name for one in detail.members]
    choice = st.selectbox("Stands for the cluster", names, names.index(detail.survivor), key=f"stands-{detail.cluster}")
    with st.container(horizontal=True):
        if st.button("Choose this record", key="survivor", disabled=not ready or choice == detail.survivor):
            _survive(server, detail.cluster, choice)
        if detail.chosen_by and st.button("By the rules again", key="by-rules", disabled=not ready):
            _survive(server, detail.cluster, None)


def _survive(server: ProjectServer, cluster: str, record: str | None) -> None:
    def outcome(user: str) -> tuple[str, str | None]:
        result = server.do(user, merges_survivor, cluster=cluster, record=record)
        return f"{result.survivor} stands for the cluster {result.cluster}.", None

    _act(server, outcome)


def _draw_decisions(detail: ClusterDetail) -> None:
    with st.expander(f"Decisions ({len(detail.decisions):,}) and history"):
        rows = [
            {
                "left": one.left,
                "decision": "same" if one.same else "different",
                "right": one.right,
                "by": "a person" if one.by_person else f"a machine, {one.probability:.1%}",
            }
            for one in detail.decisions
        ]
        st.dataframe(rows, key="cluster-decisions", hide_index=True)
        events = [
            {"at": one.at, "cluster": one.cluster, "became": one.fate, "now": ", ".join(one.now)}
            for one in detail.history
        ]
        st.dataframe(events, key="cluster-history", hide_index=True)
