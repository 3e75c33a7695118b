"""Pieces of the frame around pages: the pages somebody gets, who is signed in, the way in and out."""

from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app.auth.authenticator import AuthMode
from app.auth.oidc import provider_names
from app.background import opened
from app.navigation import ENTRIES, home
from core.errors import RondoError
from core.people.people import Person
from core.reports.card_text import escaped
from core.tasks.tasks import task_of

STYLE = """<style>
.stApp { --pale: color-mix(in srgb, light-dark(#000, #fff) 72%, light-dark(#fff, #000));
  --on-primary: light-dark(#fff, #0b1020); }
div[data-testid="stCaptionContainer"] { opacity: 1; }
div[data-testid="stCaptionContainer"] :is(p, li, code) { color: var(--pale); }
.stApp [data-testid^="stBaseButton-primary"]:not(:disabled) { &, p { color: var(--on-primary); } }
.stApp [data-baseweb="tag"] :is(span, svg) { color: var(--on-primary); }
</style>"""
"""what Streamlit draws too faintly: captions, and white words on the primary colour of the dark scheme"""


@dataclass(frozen=True)
class OfferedPage:
    """A page and the right that it needs."""

    page: StreamlitPage
    right: str


def pages_for(person: Person, *, signed_in: bool) -> list[OfferedPage]:
    """All pages; those that this person may not open are not in the menu, and their address leads to a refusal. Nor are
    those in the menu that the project's task has no use for: they say so."""
    labels, sides = _task_has()
    first = home(person.rights) if signed_in else ENTRIES[0].file
    return [
        OfferedPage(
            st.Page(
                f"pages/{entry.file}.py",
                title=entry.title,
                icon=f":material/{entry.icon}:",
                url_path=entry.file,
                default=entry.file == first,
                visibility="visible"
                if entry.in_menu(person.rights, signed_in=signed_in, labels=labels, sides=sides)
                else "hidden",
            ),
            entry.right,
        )
        for entry in ENTRIES
    ]


def _task_has() -> tuple[bool, bool]:
    """Are answers labels, are records two sides? As of labels where a project cannot be read: the page will say so."""
    try:
        task = task_of(opened().settings())
    except RondoError:
        return True, False
    return task.taxonomy, task.two_sides


def draw_style() -> None:
    """Contrast that people with weak eyes can read by, in both schemes."""
    st.html(STYLE)


def draw_visitor(person: Person) -> None:
    """Whose page this is, and the way out."""
    with st.sidebar:
        st.text(f"{person.name} ({person.role})")
        if opened().authenticator.auth_mode() is AuthMode.ACCOUNTS:
            if st.button("Sign out", key="sign-out", icon=":material/logout:"):
                st.logout()
        else:
            st.html('<a href="sign-out" style="color: inherit">Sign out</a>')


def draw_sign_in() -> None:
    """For somebody who is not let in: the way in, or that there is none. Nothing of the project."""
    if opened().authenticator.auth_mode() is not AuthMode.ACCOUNTS:
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
