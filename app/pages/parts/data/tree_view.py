"""Pieces of the page of folder trees: gathering one, a snapshot, two compared, its records. They compute nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app.auth.identity import is_signed_in
from app.background import ProjectServer
from app.charts.counts import count_bars
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.data.files import ask_upload, offer
from app.pages.parts.data.import_source import require_operator
from app.pages.parts.widgets import begin, latest_of
from app.words import difference_sentence, features_sentences, size_in_words
from core.errors import RondoError
from core.project import Project
from core.reports.card_text import escaped
from core.tasks.tasks import task_of
from core.trees.snapshots import Snapshot, SnapshotDetail, SnapshotDifference, snapshot, snapshot_diff, snapshot_folder
from core.trees.tree import SKIPPED

MACHINE, LISTING = "Folder or listing on this machine", "Upload a listing"
FOLDER = "folder"
"""kind of a snapshot that is none of a listing"""


@st.cache_data(max_entries=8, show_spinner="Reading the snapshot")
def _detail(_project: Project, number: int, made_at: str) -> SnapshotDetail:
    """A snapshot never changes; made_at tells it from one of the same number that was deleted."""
    return snapshot(_project, lambda *_: None, number=number)


@st.cache_data(max_entries=8, show_spinner="Comparing the snapshots")
def _difference(_project: Project, older: int, newer: int, made_at: tuple[str, str]) -> SnapshotDifference:
    return snapshot_diff(_project, lambda *_: None, older=older, newer=newer)


def draw_gather(server: ProjectServer, newest: Snapshot | None) -> None:
    """Which tree, and the button that takes a snapshot of it in the background. newest: begins the form again."""
    chosen = LISTING
    if not is_signed_in():  # then only whoever runs the app reaches it
        kinds = [MACHINE, LISTING]
        chosen = st.segmented_control(
            "Where the tree is",
            kinds,
            default=MACHINE,
            required=True,
            key="tree-from",
            label_visibility="collapsed",
        )
    uploaded = None
    if chosen == LISTING:
        label = "A listing: a text file with a path a line, or CSV, JSONL or Parquet with a column of paths"
        uploaded = ask_upload(server, label, "tree-listing")
    again = newest if newest and newest.kind == FOLDER and chosen == MACHINE else None
    with st.form("tree", border=False):
        left, right = st.columns([3, 1])
        source = ""
        if chosen == MACHINE:
            source = left.text_input(
                "Folder, or a file with a path a line",
                again.source if again else "",
                key="tree-source",
                placeholder="/data/assets",
            )
        (right if chosen == MACHINE else left).text_input(
            "What the tree is called",
            again.name if again else "",
            max_chars=80,
            key=f"tree-name-{chosen == MACHINE}",
            placeholder="the folder's or file's name",
            help="A later snapshot of the same tree has the same name: then it is known what moved and vanished",
        )
        options = _draw_options(chosen == MACHINE)
        pressed = st.form_submit_button(
            "Gather",
            key="gather",
            type="primary",
            icon=":material/account_tree:",
            disabled="gather" in server.activities,
        )
    if pressed:
        name = st.session_state[f"tree-name-{chosen == MACHINE}"].strip()
        _gather(server, source.strip(), uploaded, {**options, "name": name or None})


def _draw_options(machine: bool) -> dict[str, Any]:
    with st.expander("Further options"):
        left, middle, right = st.columns(3)
        column = left.text_input("Column with the paths", key="tree-column", placeholder="path", help="Of a table")
        root = middle.text_input(
            "Beginning of every path", key="tree-root", help="Of a listing: what is taken off every path"
        )
        encoding = right.text_input("Encoding", "utf-8", key="tree-encoding", help="Of a listing as text or CSV")
        follow = machine and st.toggle(
            "Go into links to folders",
            key="tree-follow",
            help="Each folder once. Off: links are reported and left out",
        )
    return {"column": column.strip() or None, "root": root, "encoding": encoding.strip(), "follow_links": follow}


def _gather(server: ProjectServer, source: str, uploaded: Path | None, options: dict[str, Any]) -> None:
    """source: named by the person, which its operator alone may do."""
    if not (source or uploaded):
        st.error("Name a folder, or upload a listing." if not is_signed_in() else "Upload a listing first.")
        return
    if source:
        try:
            require_operator()
        except RondoError as error:
            st.error(escaped(error))
            return
    begin(server, "gather", source=str(uploaded or Path(source).expanduser().resolve()), **options)
    st.rerun()


def draw_gathered(server: ProjectServer) -> None:
    """What the last gathering made, and what it left out."""
    if result := latest_of(server, "gather"):
        size = f", {size_in_words(result.bytes)}" if result.bytes is not None else ""
        counts = f"{result.folders:,} folders, {result.files:,} files{size}"
        st.success(escaped(f"Snapshot {result.snapshot} of {result.name}: {counts}."))


def draw_snapshots(listed: Sequence[Snapshot]) -> Snapshot:
    """All of them, the newest first; returns the one that is looked at."""
    newest = listed[::-1]
    rows = [
        {
            "snapshot": one.number,
            "tree": one.name,
            "folders": one.folders,
            "files": one.files,
            "size": size_in_words(one.bytes) if one.bytes is not None else None,
            "left out": one.skipped,
            "made at (UTC)": one.made_at.rstrip("Z").replace("T", " "),
            "from": one.source if one.kind == FOLDER else Path(one.source).name,
        }
        for one in newest
    ]
    height = min(len(rows), 8) * 35 + 38
    st.dataframe(rows, key="snapshots", hide_index=True, height=height, alt="All snapshots, the newest first")
    names = {one.number: f"{one.number}: {one.name}, {one.made_at[:10]}" for one in newest}
    key = f"snapshot-of-{newest[0].number}"  # a new one is looked at first
    number = st.selectbox("Look at", list(names), format_func=names.__getitem__, key=key, width=420)
    return next(one for one in newest if one.number == number)


def draw_snapshot(project: Project, one: Snapshot) -> None:
    """Depths, extensions, the largest folders, and what was left out and why."""
    detail = _detail(project, one.number, one.made_at)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Folders by depth", anchor=False)
        depths = {str(depth): count for depth, count in detail.depths.items()}
        draw_chart(count_bars(depths, "folders", "depth"), key="depths", alt="Folders at each depth")
    with right:
        st.subheader("Most frequent extensions", anchor=False)
        named = {name or "(none)": count for name, count in detail.extensions.items()}
        draw_chart(count_bars(named, "files", "extension"), key="extensions", alt="Files of each extension")
    with st.expander("Largest folders"):
        rows = [{"folder": path, "files": count} for path, count in detail.largest.items()]
        st.dataframe(rows, key="largest", hide_index=True, alt="Folders with the most files below them")
    if not one.skipped:
        st.caption("Nothing was left out.")
        return
    with st.expander(f"Left out: {one.skipped:,}", expanded=True):
        for reason, count in one.reasons.items():
            st.text(f"{count:,} × {reason}")
        rows = [{"path": left_out.path, "why": left_out.reason} for left_out in detail.skipped]
        st.dataframe(rows, key="skipped", hide_index=True, alt="The first that were left out, and why")
        if one.skipped > len(rows):
            st.caption(f"The first {len(rows)} of them. The file has them all.")
            offer(snapshot_folder(project, one.number) / SKIPPED, "skipped-file")


def draw_records(server: ProjectServer, one: Snapshot) -> None:
    """The button that makes a record of each folder, and what became of them."""
    st.header("Records of the folders")
    if task_of(server.settings()).two_sides:
        st.info("Records of this project have two sides, which a folder has not.")
        return
    st.caption(
        "A record for each folder, with what is around and in it. A later snapshot adds records and marks others."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = st.number_input("Folders written at a time", 1, 1_000_000, 1000, key="batch-size", width=220)
        st.button(
            f"Make records of snapshot {one.number}",
            key="features",
            type="primary",
            icon=":material/note_add:",
            disabled="features" in server.activities,
            on_click=begin,
            args=(server, "features"),
            kwargs={"snapshot": one.number, "batch_size": int(size)},
        )
    if result := latest_of(server, "features"):
        st.success(escaped(" ".join(features_sentences(result))))
        st.page_link("pages/records.py", label="See the records", icon=":material/table_rows:")


def draw_difference(project: Project, listed: Sequence[Snapshot]) -> None:
    """What came, went and moved between two of them."""
    st.header("What changed between two snapshots")
    by_number = {one.number: one for one in listed}
    names = {number: f"{number}: {one.name}, {one.made_at[:10]}" for number, one in by_number.items()}
    newest = listed[-1]
    before = next((one.number for one in listed[-2::-1] if one.name == newest.name), listed[-2].number)
    left, right = st.columns(2)
    older = left.selectbox("Older", list(names), list(names).index(before), names.__getitem__, key="older")
    newer = right.selectbox("Newer", list(names), len(names) - 1, names.__getitem__, key="newer")
    if older == newer:
        st.info("Choose two different ones.")
        return
    result = _difference(project, older, newer, (by_number[older].made_at, by_number[newer].made_at))
    st.text(difference_sentence(result))
    rows = [{"what": "came", "folder": path, "now": path} for path in result.added_paths]
    rows += [{"what": "vanished", "folder": path, "now": ""} for path in result.vanished_paths]
    rows += [{"what": "moved", "folder": path, "now": target} for path, target in result.moved_paths.items()]
    rows += [{"what": "files changed", "folder": path, "now": path} for path in result.changed_paths]
    if rows:
        st.dataframe(rows, key="difference", hide_index=True, alt="Folders that came, vanished, moved or changed")
        st.caption("The first 10 of each kind.")
