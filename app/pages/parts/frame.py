"""Pieces of the frame around pages: the menu, the project above it, who is signed in, the way in and out."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app.auth.authenticator import AuthMode
from app.auth.oidc import provider_names
from app.background import ProjectServer, opened
from app.navigation import ENTRIES, FIRST, home
from core.errors import RondoError
from core.people.people import Person
from core.project import Project
from core.reports.card_text import escaped
from core.reports.export import stamp
from core.reports.project_figures import ProjectFigures, project_figures
from core.tasks.tasks import task_of

NAVIGATION_WIDTH = 220
"""pixels"""


@dataclass(frozen=True)
class OfferedPage:
    """A page, the right that it needs, and its group in the menu; in none where it is hidden."""

    page: StreamlitPage
    right: str
    file: str
    title: str
    group: str


def pages_for(person: Person, *, signed_in: bool) -> list[OfferedPage]:
    """All pages; those that this person may not open are not in the menu, and their address leads to a refusal. Nor are
    those in the menu that the project's task has no use for: they say so."""
    trains, sides = _task_has()
    first = home(person.rights) if signed_in else FIRST
    offered = []
    for entry in ENTRIES:
        listed = entry.in_menu(person.rights, signed_in=signed_in, trains=trains, sides=sides)
        page = st.Page(
            f"pages/{entry.file}.py",
            title=entry.title,
            icon=f":material/{entry.icon}:",
            url_path=entry.file,
            default=entry.file == first,
            visibility="visible" if listed else "hidden",
        )
        offered.append(OfferedPage(page, entry.right, entry.file, entry.title, entry.group if listed else ""))
    return offered


def sections(pages: Sequence[OfferedPage]) -> dict[str, list[StreamlitPage]]:
    """The pages by their groups, in order; hidden ones among those of the first group, for an empty group has a
    heading."""
    groups = [one.group for one in pages if one.group]
    result: dict[str, list[StreamlitPage]] = {group: [] for group in groups}
    for one in pages:
        result.setdefault(one.group or (groups[0] if groups else ""), []).append(one.page)
    return result


def _task_has() -> tuple[bool, bool]:
    """Has the task trainers, are records two sides? As of labels where a project cannot be read: its page says so."""
    try:
        task = task_of(opened().settings())
    except RondoError:
        return True, False
    return task.taxonomy or task.two_sides or task.steps, task.two_sides


@cache
def _style() -> str:
    return (Path(__file__).parent / "frame.css").read_text(encoding="utf-8")


def draw_style() -> None:
    """What the theme cannot say."""
    st.html(f"<style>{_style()}</style>")


@st.cache_data(max_entries=8, show_spinner=False)
def _figures(_project: Project, at: str) -> ProjectFigures:
    return project_figures(_project)


def figures_now(server: ProjectServer) -> ProjectFigures:
    """Read anew when something was answered, measured or changed."""
    return _figures(server.project, stamp(server.project))


def draw_counts(now: ProjectFigures, title: str) -> None:
    """The numbers beside the menu's entries, and which page is waited for: numbers and our own titles alone, so a style
    can carry them."""
    left = now.size - now.answered or now.waiting
    counts = {
        "label": f"{left:,}" if left else "",
        "records": f"{now.records:,}" if now.records else "",
        "rounds": f"{now.rounds:,}" if now.rounds else "",
        "team": f"{now.conflicts:,} open" if now.conflicts else "",
    }
    rules = (
        f'[data-testid="stSidebarNavLink"][href$="/{file}"]::after {{ content: "{count}" }}'
        for file, count in counts.items()
        if count
    )
    st.html(f'<style>.stApp {{ --opening: "Opening {title} …" }} {" ".join(rules)}</style>')


def draw_visitor(person: Person) -> None:
    """Whose page this is, and the way out."""
    with st.sidebar:
        words = f"{person.name} ({person.role})"
        if opened().authenticator.auth_mode() is AuthMode.ACCOUNTS:
            st.text(words)
            if st.button("Sign out", key="sign-out", icon=":material/logout:"):
                st.logout()
        else:
            st.text(words)
            st.html('<a class="rondo-out" href="sign-out">Sign out</a>')


OWN_CODE = "own-code"
"""of a visit: a sentence with an access code whose making has just ended the visit"""


@cache
def load_ahead() -> None:
    """Begins, once, to import in the background what the first page with a chart or a guarantee would wait for."""

    def load() -> None:
        import altair  # noqa: F401
        import scipy.special  # noqa: F401

    threading.Thread(target=load, name="rondo-load-ahead", daemon=True).start()


def draw_sign_in() -> None:
    """For somebody who is not let in: the way in, or that there is none. Nothing of the project."""
    if opened().authenticator.auth_mode() is not AuthMode.ACCOUNTS:
        if code := st.session_state.pop(OWN_CODE, None):  # by what is loaded already: nothing more is sent to nobody
            st.text(code)
            st.html('<p><a href="sign-in" style="color: inherit">Sign in</a> with it.</p>')
            return
        st.html('<p>You are not signed in any more. <a href="sign-in" style="color: inherit">Sign in</a></p>')
        return
    if "is_logged_in" in st.user and st.user.is_logged_in:
        address = st.user.get("email") or "This account"
        st.text(f"{address} is not let in here. Ask a manager of this project for: rondo people add")
        if st.button("Use another account", key="sign-out", icon=":material/logout:"):
            st.logout()
        return
    st.title("Rondo")
    for name in provider_names(st.secrets["auth"]):
        words = "Sign in" if name == "default" else escaped(f"Sign in with {name}")
        if st.button(words, key=f"sign-in-{name}", type="primary", icon=":material/login:"):
            st.login(None if name == "default" else name)
