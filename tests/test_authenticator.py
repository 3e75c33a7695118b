"""Who gets in: the kinds of door, sessions that end, throttling, tokens of the card."""

import itertools
import time

import pytest

from annotation.engine.throttle import FIRST_WAIT, FORGET_AFTER, FREE_TRIES, LONGEST_WAIT, MOST_KEPT, Throttle
from app.auth.authenticator import LEAST_SHARED, AuthMode, Binding, choose_auth_mode, refuse_open_door
from app.auth.tokens import VALID_SECONDS
from core.errors import BadInput, Refused
from core.people.people import MANAGER, Person, new_code, remove_person, set_role
from core.project import Project
from tests.conftest import quiet
from tests.people_world import NAMES, Visit, add, add_all, entrance_of

NOW = 1_700_000_000.0
SHARED = "correct horse battery"
CASES = list(itertools.product([True, False], ["", SHARED], [True, False], [0, 1, 5]))


@pytest.mark.parametrize(("loopback", "shared", "accounts", "people"), CASES)
def test_names_are_believed_only_where_nobody_else_can_come_and_nobody_has_a_code(
    loopback: bool, shared: str, accounts: bool, people: int
) -> None:
    auth_mode = choose_auth_mode(Binding(loopback, shared, accounts), people)
    assert (auth_mode is AuthMode.TRUST) == (loopback and not shared and not accounts and not people)
    assert (auth_mode is AuthMode.SHUT) == (not loopback and not shared and not accounts and not people)
    assert (auth_mode is AuthMode.ACCOUNTS) == accounts
    assert (auth_mode is AuthMode.CODES) == (not accounts and bool(shared or people))


@pytest.mark.parametrize(("shared", "people"), [("", False), (SHARED, False), ("", True)])
def test_an_open_server_without_sign_in_is_refused_with_what_helps(project: Project, shared: str, people: bool) -> None:
    if people:
        add(project, "Max")
    authenticator = entrance_of(project, Binding(loopback=False, shared=shared))
    if shared or people:
        refuse_open_door(authenticator, "0.0.0.0")
        return
    with pytest.raises(Refused, match=r"rondo people add.*RONDO_ACCESS_CODE.*\[auth\]"):
        refuse_open_door(authenticator, "0.0.0.0")


def test_accounts_that_would_let_no_manager_in_are_refused(project: Project) -> None:
    authenticator = entrance_of(project, Binding(accounts=True))
    with pytest.raises(Refused, match="--email"):
        refuse_open_door(authenticator, "127.0.0.1")
    add(project, "Max", email="max@example.org")
    refuse_open_door(authenticator, "127.0.0.1")


def test_a_name_and_its_code_let_in_and_nothing_else_does(project: Project) -> None:
    codes = add_all(project)
    authenticator = entrance_of(project)
    matches = authenticator.try_code(" ann ", codes["annotator"].upper())
    assert matches is not None
    assert (matches.name, matches.role) == ("Ann", "annotator")
    wrong = [("Ann", codes["manager"]), ("Ann", ""), ("Bob", codes["annotator"]), ("", ""), ("x" * 90, "x")]
    assert [authenticator.try_code(*pair) for pair in wrong] == [None] * len(wrong)


def test_the_shared_code_makes_annotators_but_not_under_a_name_that_is_or_was_somebodys(project: Project) -> None:
    codes = add_all(project)
    add(project, "Gone")
    remove_person(project, quiet, name="Gone")
    authenticator = entrance_of(project, Binding(shared=SHARED))
    guest = authenticator.try_code("Bob", SHARED)
    assert guest is not None
    assert (guest.name, guest.role) == ("Bob", "annotator")
    assert [authenticator.try_code(name, SHARED) for name in ("max", "GONE", "local", "rondo")] == [None] * 4
    own = authenticator.try_code("Max", codes["manager"])
    assert own is not None
    assert own.role == "manager"


def test_a_shared_code_that_is_soon_guessed_is_refused_without_being_quoted(project: Project) -> None:
    with pytest.raises(BadInput) as result:
        entrance_of(project, Binding(shared="horse horse"))
    assert str(LEAST_SHARED) in str(result.value)
    assert "horse" not in str(result.value)


def test_another_shared_code_ends_what_the_old_one_opened(project: Project) -> None:
    before = entrance_of(project, Binding(shared=SHARED))
    session = Visit(before, "Bob").session
    assert before.session(session, time.time()) is not None
    assert entrance_of(project, Binding(shared=SHARED)).session(session, time.time()) is not None, "a restart"
    assert entrance_of(project, Binding(shared=SHARED + "!")).session(session, time.time()) is None


def test_a_session_ends_with_removal_a_new_code_time_and_signing_out(project: Project) -> None:
    add_all(project)
    authenticator = entrance_of(project)
    person = authenticator.person("Ann")
    assert person is not None
    session = authenticator.open_session(person, NOW)
    assert authenticator.session(session, NOW + VALID_SECONDS - 1) == person
    assert authenticator.session(session, NOW + VALID_SECONDS) is None
    set_role(project, quiet, name="Ann", role="adjudicator")
    matches = authenticator.session(session, NOW)
    assert matches is not None
    assert matches.role == "adjudicator"
    new_code(project, quiet, name="Ann")
    assert authenticator.session(session, NOW) is None
    again = authenticator.person("Ann")
    assert again is not None
    first, second = authenticator.open_session(again, NOW), authenticator.open_session(again, NOW)
    assert authenticator.end_session(first, NOW) == again
    assert (authenticator.session(first, NOW), authenticator.session(second, NOW)) == (None, again)
    remove_person(project, quiet, name="Ann")
    assert authenticator.session(second, NOW) is None


def test_a_forged_session_is_nobodys(project: Project) -> None:
    add_all(project)
    authenticator = entrance_of(project)
    ann, manager = authenticator.person("Ann"), authenticator.person("Max")
    assert ann
    assert manager
    own, other = authenticator.open_session(ann, NOW), authenticator.open_session(manager, NOW)
    swapped = f"{other.split('.')[0]}.{own.split('.')[1]}"
    forged = ["", "x", ".", "a.b", swapped, own[:-2], own + "x", authenticator.label_token(ann, NOW), "ä.ö", "\u0000"]
    assert [authenticator.session(one, NOW) for one in forged] == [None] * len(forged)


def test_the_cards_token_ends_with_its_person_and_trust_ends_with_the_first_person(project: Project) -> None:
    authenticator = entrance_of(project)
    trusted = authenticator.label_token(Person("Ann", MANAGER), NOW)
    assert authenticator.annotator(trusted, NOW, authenticator.auth_mode()) == Person("Ann", MANAGER)
    add_all(project)
    assert authenticator.annotator(trusted, NOW, authenticator.auth_mode()) is None
    ann = authenticator.person("Ann")
    assert ann
    token = authenticator.label_token(ann, NOW)
    assert authenticator.annotator(token, NOW, authenticator.auth_mode()) == ann
    session, mode = authenticator.open_session(ann, NOW), authenticator.auth_mode()
    assert authenticator.annotator(session, NOW, mode) is None, "a session is no token"
    remove_person(project, quiet, name="Ann")
    assert authenticator.annotator(token, NOW, authenticator.auth_mode()) is None


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"is_logged_in": True, "email": "ANN@example.org", "email_verified": True}, "Ann"),
        ({"is_logged_in": True, "email": "ann@example.org"}, "Ann"),
        ({"is_logged_in": True, "email": "ann@example.org", "email_verified": False}, None),
        ({"is_logged_in": False, "email": "ann@example.org"}, None),
        ({"is_logged_in": True, "email": "stranger@example.org"}, None),
        ({"is_logged_in": True, "email": ""}, None),
        ({"is_logged_in": True, "email": ["ann@example.org"]}, None),
        ({"is_logged_in": True}, None),
        ({}, None),
    ],
)
def test_an_account_is_somebody_only_by_an_address_in_the_table(
    project: Project, claims: dict[str, object], name: str | None
) -> None:
    add_all(project)
    add(project, "No Address")
    matches = entrance_of(project, Binding(accounts=True)).account(claims)
    assert (matches.name if matches else None) == name


def test_names_are_all_let_in_by_their_own_code(project: Project) -> None:
    codes = add_all(project)
    authenticator = entrance_of(project)
    entries = {role: authenticator.try_code(NAMES[role], code) for role, code in codes.items()}
    assert {role: one.role for role, one in entries.items() if one} == {role: role for role in codes}


def keys(name: str, address: str) -> tuple[tuple[str, str], ...]:
    return (("name and address", f"{name} {address}"), ("address", address))


def test_the_wait_grows_to_a_limit_and_is_forgotten() -> None:
    throttle, now, waits = Throttle(), 0.0, []
    for _ in range(FREE_TRIES["name and address"]):
        assert throttle.admit(keys("ann", "here"), now) == 0
    for number in range(14):
        wait = throttle.admit(keys("ann", "here"), now)
        assert wait > 0
        assert throttle.admit(keys("ann", f"elsewhere {number}"), now) == 0, "nobody locks others out"
        waits.append(wait)
        now += wait
        assert throttle.admit(keys("ann", "here"), now) == 0
    assert waits[0] == FIRST_WAIT
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT["name and address"]
    assert throttle.admit(keys("ann", "here"), now + FORGET_AFTER) == 0
    assert throttle.admit(keys("ann", "here"), now + FORGET_AFTER) == 0


def test_others_at_one_address_wait_seconds_at_most() -> None:
    throttle, now = Throttle(), 0.0
    for number in range(200):
        now += throttle.admit(keys(f"n{number}", "office"), now)
    assert 0 < throttle.admit(keys("ann", "office"), now) <= LONGEST_WAIT["address"] < 60


def test_one_address_cannot_go_through_the_names() -> None:
    throttle = Throttle()
    free = [throttle.admit(keys(f"n{number}", "here"), 0.0) for number in range(FREE_TRIES["address"] + 5)]
    assert [wait > 0 for wait in free] == [False] * FREE_TRIES["address"] + [True] * 5


def test_a_right_code_starts_the_name_anew_but_not_the_address() -> None:
    throttle = Throttle()
    for number in range(FREE_TRIES["address"] - 1):
        throttle.admit(keys(f"n{number}", "here"), 0.0)
    throttle.admit(keys("own", "here"), 0.0)
    throttle.forgive(keys("own", "here"))
    assert throttle.admit(keys("x", "here"), 0.0) == 0
    assert throttle.admit(keys("y", "here"), 0.0) > 0


def test_the_throttle_keeps_no_more_than_it_must() -> None:
    throttle = Throttle()
    for number in range(MOST_KEPT):
        throttle.admit(keys(f"n{number}", f"a{number}"), 0.0)
    assert len(throttle._tries) == MOST_KEPT
