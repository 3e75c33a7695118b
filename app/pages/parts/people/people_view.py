"""The Team page's part on who may use the app, and as what. An access code is shown in the run that makes it, only."""

import streamlit as st

from app.auth.identity import has_right, require_right
from app.background import ProjectServer
from app.pages.parts.frame import OWN_CODE
from core.errors import RondoError
from core.people.people import ListedPerson, add_person, list_people, new_code, remove_person, set_role
from core.people.roles import ROLES
from core.reports.card_text import escaped

ABOUT = "annotator labels; adjudicator corrects and settles, too; manager may do everything."
NEWS = "people-news"


def draw_people(server: ProjectServer) -> None:
    """Who there is, adding one, and changing one; nothing for who may not."""
    if not has_right("manage"):
        return
    st.header("People")
    if news := st.session_state.pop(NEWS, None):
        words, failed = news
        (st.error if failed else st.success)(escaped(words))
    if code := st.session_state.pop(OWN_CODE, None):  # where accounts let people in, and go on
        st.success(escaped(code))
    listed = st.container()
    with st.expander("Add somebody", key="people-add"):
        _draw_adding(server, first=not _people(server))
    people = _people(server)  # with who was added just now
    if people:
        with st.expander("Change somebody", key="people-change"):
            _draw_changing(server, people)
    with listed:
        _draw_list(people)


def _people(server: ProjectServer) -> list[ListedPerson]:
    return list_people(server.project, lambda *_: None).people


def _draw_list(people: list[ListedPerson]) -> None:
    if not people:
        st.text("Nobody yet: whoever reaches the app is a manager. Once somebody is added, everybody has to sign in.")
        return
    rows = [{"name": one.name, "role": one.role, "email": one.email, "since": one.since} for one in people]
    st.dataframe(rows, key="people", hide_index=True, alt="Who may use the app")


def _draw_adding(server: ProjectServer, *, first: bool) -> None:
    with st.form("person-form", border=False):
        left, middle, right = st.columns([2, 1, 2])
        name = left.text_input("Name", key="person-name", max_chars=80, help="Under which the answers are kept")
        roles = ["manager"] if first else list(ROLES)
        role = middle.selectbox("Role", roles, key=f"person-role-{len(roles)}", disabled=first, help=ABOUT)
        email = right.text_input(
            "E-mail, for accounts",
            key="person-email",
            max_chars=254,
            help="By which OIDC knows them, where it is set up",
        )
        if first:
            st.text("From then on the app asks everybody to sign in, you too: keep the code that is shown then.")
            st.caption("Another one, in a terminal: `rondo people code NAME`.")
        pressed = st.form_submit_button("Add", key="person-add", type="primary")
    if pressed:
        try:
            user = require_right("manage")
            added = server.do(user, add_person, name=name, role=role, email=email.strip() or None)
        except RondoError as error:
            st.error(escaped(error))
            return
        if first:
            _end_visit(added.name, added.code)
        _draw_code(added.name, added.code)


def _draw_changing(server: ProjectServer, people: list[ListedPerson]) -> None:
    roles = {one.name: one.role for one in people}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Who", list(roles), key="person")
        role = st.selectbox("Role", list(ROLES), list(ROLES).index(roles[name]), key=f"role-of-{name}", help=ABOUT)
        if st.button("Change the role", key="person-set-role", disabled=role == roles[name]):
            _change(server, name, role)
        pressed = st.button("New access code", key="person-code", help="The old one ends at once")
        with st.popover("Remove"):
            st.text(f"What {name} has open ends at once. Every answer stays.")
            if st.button("Remove", key="person-remove"):
                _change(server, name, None)
    if pressed:
        try:
            user = require_right("manage")
            made = server.do(user, new_code, name=name)
        except RondoError as error:
            st.error(escaped(error))
            return
        if made.name == user:
            _end_visit(made.name, made.code)
        _draw_code(made.name, made.code)


def _change(server: ProjectServer, name: str, role: str | None) -> None:
    """Another role, or out."""
    try:
        user = require_right("manage")
        if role:
            changed = server.do(user, set_role, name=name, role=role)
            news = f"{changed.name} has the role {changed.role} now, and had {changed.before}."
        else:
            news = f"{server.do(user, remove_person, name=name).name} is out; every answer is kept."
        st.session_state[NEWS] = (news, False)
    except RondoError as error:
        st.session_state[NEWS] = (str(error), True)
    st.rerun()


def _end_visit(name: str, code: str) -> None:
    """The code opens what it has just shut: nothing more would be sent here, but for the run that begins now."""
    st.session_state[OWN_CODE] = f"The access code of {name}, shown this once: {code}"
    st.rerun()


def _draw_code(name: str, code: str) -> None:
    """In this run alone: it is stored nowhere but as a hash."""
    st.success(escaped(f"The access code of {name}, shown this once:"))
    st.code(code, language=None)
