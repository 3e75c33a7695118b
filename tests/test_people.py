"""People, roles and codes: what may be added and changed, and that codes are kept only as hashes."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput, Refused
from core.people import access_codes, people
from core.people.roles import ROLES, holders
from core.project import Project
from core.verbs import do_verb
from tests.conftest import quiet
from tests.people_world import add, add_all


def roles(project: Project) -> dict[str, str]:
    return {one.name: one.role for one in people.everybody(project.store)}


def test_the_first_person_is_a_manager_and_the_next_an_annotator(project: Project) -> None:
    add(project, "Max")
    add(project, "Ann")
    assert roles(project) == {"Max": "manager", "Ann": "annotator"}


def test_the_first_person_cannot_be_less_than_a_manager(project: Project) -> None:
    with pytest.raises(BadInput, match="first person must be a manager"):
        add(project, "Ann", "annotator")
    assert roles(project) == {}


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\nb\u0000", "MAX", "ｍａｘ", "local", "Rondo", "a\u202eb"])
def test_a_name_that_is_none_or_looks_like_another_is_refused(project: Project, name: str) -> None:
    add(project, "Max")
    with pytest.raises(BadInput):
        add(project, name)
    assert list(roles(project)) == ["Max"]


@pytest.mark.parametrize("email", ["x", "a@b@c", "a b@c", "a@b\u0000", f"{'a' * 255}@b"])
def test_an_address_that_is_none_is_refused(project: Project, email: str) -> None:
    with pytest.raises(BadInput):
        add(project, "Max", email=email)


def test_two_people_do_not_share_an_address(project: Project) -> None:
    add(project, "Max", email="Max@Example.org")
    with pytest.raises(BadInput, match="another person's"):
        add(project, "Ann", email="max@example.ORG")


def test_the_last_manager_stays_while_others_are_there(project: Project) -> None:
    add(project, "Max M")
    add(project, "Ann")
    with pytest.raises(Refused, match=r"only manager.*role Ann manager"):
        people.remove_person(project, quiet, name="Max M")
    with pytest.raises(Refused, match="only manager"):
        people.set_role(project, quiet, name="Max M", role="adjudicator")
    people.set_role(project, quiet, name="Ann", role="manager")
    people.remove_person(project, quiet, name="Max M")
    assert people.remove_person(project, quiet, name="Ann").left == 0


def test_an_unknown_name_or_role_is_refused_with_what_there_is(project: Project) -> None:
    add(project, "Max")
    with pytest.raises(BadInput, match="there is Max"):
        people.new_code(project, quiet, name="Moritz")
    with pytest.raises(BadInput, match="annotator, adjudicator, manager"):
        people.set_role(project, quiet, name="Max", role="king")


def test_a_code_is_shown_once_and_stored_as_a_salted_hash(project: Project) -> None:
    code = add(project, "Max")
    retained = [one.code for one in people.everybody(project.store)]
    assert code not in json.dumps(project.store.query("select * from people"), default=str)
    assert code not in json.dumps(project.store.query("select * from audit_log"), default=str)
    assert access_codes.hash_code(code) != access_codes.hash_code(code)
    assert access_codes.fits(code, retained[0])
    assert [one.code for one in people.list_people(project, quiet).people] == [True]


def test_a_new_code_ends_the_old_one(project: Project) -> None:
    old = add(project, "Max")
    new = people.new_code(project, quiet, name="max").code
    retained = people.everybody(project.store)[0].code
    assert access_codes.fits(new, retained)
    assert not access_codes.fits(old, retained)


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_a_code_fits_what_is_the_same_but_for_case_spaces_and_hyphens(first: str, second: str) -> None:
    retained = access_codes.hash_code(first, b"0" * access_codes.SALT_BYTES)
    assert access_codes.fits(first, retained)
    assert access_codes.fits(f" {first}-", retained)
    assert access_codes.fits(second, retained) == (
        access_codes.normal(first).encode("utf-8", "replace") == access_codes.normal(second).encode("utf-8", "replace")
    )
    assert not access_codes.fits(first, "")


def test_codes_are_all_different_and_hard_to_misread() -> None:
    made = {access_codes.make_code() for _ in range(500)}
    assert len(made) == 500
    assert not set("".join(made)) & set("0O1Il")
    assert len(access_codes.LETTERS) ** (access_codes.GROUPS * access_codes.GROUP) > 2**75


def test_each_role_may_do_all_that_the_one_before_it_may() -> None:
    sets = list(ROLES.values())
    assert all(less < more for less, more in itertools.pairwise(sets))
    assert holders("look") == "adjudicators and managers"


def test_somebody_who_comes_back_is_somebody_new(project: Project) -> None:
    add_all(project)
    before = next(one for one in people.everybody(project.store) if one.name == "Ann")
    people.remove_person(project, quiet, name="Ann")
    assert people.is_taken(project.store, "ANN")
    add(project, "Ann")
    after = next(one for one in people.everybody(project.store) if one.name == "Ann")
    assert before.stamp != after.stamp


def test_who_changed_people_is_in_the_history(project: Project) -> None:
    do_verb(project, "people_add", quiet, user="Max", name="Max")
    do_verb(project, "people_add", quiet, user="Max", name="Ann")
    do_verb(project, "people_role", quiet, user="Max", name="Ann", role="adjudicator")
    do_verb(project, "people_code", quiet, user="Max", name="Ann")
    do_verb(project, "people_remove", quiet, user="Max", name="Ann")
    result = project.store.query("select user, what from audit_log where user = 'Max' order by rowid")
    kinds = ["person added", "person added", "role changed", "new code", "person removed"]
    assert result == [("Max", kind) for kind in kinds]
