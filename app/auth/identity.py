"""Who has a page open, and whether they may act. Knows no page; routes ask `guard`."""

from app.auth.authenticator import AuthMode
from app.background import opened
from core.errors import Refused
from core.people.names import check_name
from core.people.people import MANAGER, Person
from core.people.roles import holders

SESSION = "rondo_session"
"""the key in st.user"""
NOBODY = "local"
"""stands for whoever has this machine, where no name was given"""


def current_person() -> Person | None:
    """Who has this page open, checked anew each time; None without access. Where names are taken on trust, a manager
    without a name; `require_right` knows the name of this visit.
    """
    import time

    import streamlit as st

    authenticator = opened().authenticator
    auth_mode, user = authenticator.auth_mode(), st.user
    if auth_mode is AuthMode.TRUST:
        return Person(NOBODY, MANAGER)
    if auth_mode is AuthMode.ACCOUNTS:
        return authenticator.account(dict(user)) if "is_logged_in" in user and user.is_logged_in else None
    session = user.get(SESSION)
    return authenticator.session(session, time.time()) if isinstance(session, str) else None


def is_signed_in() -> bool:
    """Whether names are authenticated, not just typed."""
    return opened().authenticator.auth_mode() is not AuthMode.TRUST


def has_right(right: str) -> bool:
    """Whether who has this page open has the right now."""
    person = current_person()
    return person is not None and right in person.rights


def require_right(right: str) -> str:
    """The name of who acts, who has the right. Raises Refused: a page may be older than a change of roles."""
    import streamlit as st

    person, state = current_person(), st.session_state
    if person is None:
        raise Refused("Nobody is signed in here any more. Reload the page.")
    if not is_signed_in():
        typed = state.get("records-name") or state.get("annotator") or st.query_params.get("annotator")
        person = Person(check_name(typed) if typed else NOBODY, MANAGER)
    if right not in person.rights:
        raise Refused(forbidden(person, right))
    return person.name


def forbidden(person: Person, right: str) -> str:
    """One sentence."""
    return f"Only {holders(right)} may do this; {person.name} is signed in here, with the role {person.role}."
