"""The Team page's part on the project's own Argilla server, for whoever runs the app: it is a process of this machine.

A password is shown in the run that gets it, only, and stored nowhere.
"""

from collections.abc import Callable
from functools import partial

import streamlit as st

from annotation import accounts
from annotation import server as argilla
from annotation.home import TeamBackup, api_key, back_up
from app.auth.identity import is_signed_in, require_right
from app.background import ProjectServer
from app.pages.parts.widgets import RUNS_ALREADY, latest_of
from app.words import size_in_words
from core.errors import Refused, RondoError
from core.jobs.bundle import Report
from core.reports.card_text import escaped
from core.store.database import note

START, BACKUP = "argilla_start", "argilla_backup"
BOX, NEWS = "argilla", "argilla-news"
PORT = 6900
ABOUT = "annotator answers; admin sees the answers of all; owner may do everything, and add people."


def draw_argilla(server: ProjectServer) -> None:
    """State, start, stop, backup, people; nothing for who signs in to the app."""
    if is_signed_in():
        return
    if START in server.latest:  # for whoever comes back: what came of it is shown once
        st.session_state[BOX] = True
    box = st.expander("Argilla server", key=BOX, on_change="rerun")
    if not box.open:  # then the server is not asked
        return
    with box:
        busy = START in server.activities
        _draw_news()
        _draw_started(latest_of(server, START), server)
        if busy:
            st.text("It is being started; the line at the top of the page shows how far it is, and stops it.")
        elif url := server.settings().team_url:
            st.text(f"Settings name an Argilla server of yours, {url}: it is started and stopped where it runs.")
            _draw_people(server)
        else:
            _draw_state(server, argilla.status(server.project.folder))


def _draw_state(server: ProjectServer, status: argilla.ServerStatus) -> None:
    if not status.running:
        st.text("It does not run. What people did in it is kept.")
        _draw_start(server)
    elif status.answers:
        st.text(
            f"Argilla {status.version} runs since {status.since}, with {status.datasets:,} datasets "
            f"({status.memory_mb:,} MB of memory)."
        )
    else:
        st.warning("It runs, but does not answer. Stop it and start it again; .rondo/team/log.txt may say why.")
    with st.container(horizontal=True):
        if status.answers and status.url:
            st.link_button("Open it", status.url, key="argilla-open", icon=":material/open_in_new:")
        if status.running:
            _draw_stop(server)
        if api_key(server.project.folder):  # it was started before
            _draw_backup(server)
    if (copied := latest_of(server, BACKUP)) is not None:
        st.text(f"Copied to {copied.folder} ({size_in_words(copied.bytes)}).")
    if status.answers:
        _draw_people(server)


def _draw_news() -> None:
    if news := st.session_state.pop(NEWS, None):
        words, failed = news
        (st.error if failed else st.success)(escaped(words))


def _draw_started(result: argilla.Started | None, server: ProjectServer) -> None:
    """What came of the last start, once."""
    if result is None:
        return
    server.latest.pop(START)
    if result.already:
        st.info(escaped(f"It ran already at {result.url}."))
    else:
        st.success(escaped(f"Argilla runs at {result.url}. It goes on until it is stopped here, also without the app."))
    if result.warning:
        st.warning(escaped(result.warning))
    if result.owner:
        st.text(f"Its owner signs in there as {result.owner.username} with this password, shown this once:")
        st.code(result.owner.password, language=None)
        st.text("API key, for programs; it is kept in .rondo/team/ of the project, which only you can read:")
        st.code(result.owner.api_key, language=None)


def _draw_start(server: ProjectServer) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        host = st.text_input(
            "Listens on",
            "127.0.0.1",
            key="argilla-host",
            max_chars=253,
            help="127.0.0.1: this machine alone reaches it. 0.0.0.0: others, too, who sign in without encryption.",
        )
        port = st.number_input("Port", 1, 65_535, PORT, key="argilla-port")
        pressed = st.button("Start", key="argilla-start", type="primary", icon=":material/play_arrow:")
    st.caption("The first start on a machine installs it, about 580 MB in a minute or more; later ones take seconds.")
    if pressed:
        _begin(server, START, partial(_start, server, host.strip(), int(port)))


def _start(server: ProjectServer, host: str, port: int, report: Report) -> argilla.Started:
    result = argilla.start(server.project.folder, host, port, report)
    _note(server, "argilla started", url=result.url)
    return result


def _draw_stop(server: ProjectServer) -> None:
    with st.popover("Stop it …", icon=":material/stop:", key="argilla-stop-box"):
        st.text("Whoever answers there is cut off until it is started again. Everything is kept.")
        if not st.button("Stop Argilla", key="argilla-stop"):
            return
        try:
            _require_operator()
            with st.spinner("Stopping Argilla …"):
                stopped = argilla.stop(server.project.folder).stopped
            _note(server, "argilla stopped")
            st.session_state[NEWS] = ("Argilla is stopped." if stopped else "No Argilla server ran.", False)
        except RondoError as error:
            st.session_state[NEWS] = (str(error), True)
        st.rerun()


def _draw_backup(server: ProjectServer) -> None:
    if st.button("Back up", key="argilla-backup", icon=":material/backup:", help="Its database and its secrets"):
        _begin(server, BACKUP, partial(_back_up, server))


def _back_up(server: ProjectServer, report: Report) -> TeamBackup:
    report("Copying Argilla's database", 0, 1)
    result = back_up(server.project.folder, None)
    _note(server, "argilla backup", folder=result.folder)
    return result


def _draw_people(server: ProjectServer) -> None:
    """Who there is, and adding one."""
    st.subheader("People of Argilla", anchor=False)
    listed = st.container()
    with st.form("argilla-person-form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", key="argilla-name", max_chars=50, help="Letters, digits and _ . @ -")
        role = st.selectbox("Role", accounts.ROLES, key="argilla-role", help=ABOUT)
        pressed = st.form_submit_button("Add", key="argilla-add")
    if pressed:
        _add(server, name.strip(), role)
    try:
        team = accounts.list_team(server.project.folder)
    except RondoError as error:
        listed.error(escaped(error))
        return
    rows = [{"name": one.name, "role": one.role, "in this project": one.member} for one in team.users]
    listed.dataframe(rows, key="argilla-people", hide_index=True, alt="Who may sign in to Argilla")


def _add(server: ProjectServer, name: str, role: str) -> None:
    try:
        _require_operator()
        added = accounts.add_to_team(server.project.folder, name, role)
        _note(server, "argilla person added", name=added.name, role=added.role)
    except RondoError as error:
        st.error(escaped(error))
        return
    st.success(escaped(f"{added.name} signs in at {added.url} with this password, shown this once:"))
    st.code(added.password, language=None)


def _begin(server: ProjectServer, name: str, work: Callable[[Report], object]) -> None:
    try:
        _require_operator()
        if server.start_work(name, work) is None:
            raise Refused(RUNS_ALREADY)
    except RondoError as error:
        st.error(escaped(error))
        return
    st.rerun()


def _require_operator() -> None:
    """Raises Refused where people sign in, since this page was drawn or before."""
    require_right("manage")
    if is_signed_in():
        raise Refused("Only whoever runs this app starts, stops and fills its Argilla server: `rondo team`.")


def _note(server: ProjectServer, what: str, **detail: str) -> None:
    """A line of the history. Of a password there is none."""
    with server.project.store.transaction() as cursor:
        note(cursor, "local", what, detail)
