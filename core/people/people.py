"""The people of a project, their roles and access codes: adding, changing, removing. Knows no page and no session."""

import hashlib
import unicodedata
from dataclasses import dataclass
from shlex import quote

import duckdb

from core.errors import BadInput, Refused
from core.jobs.bundle import Report
from core.people.access_codes import hash_code, make_code
from core.people.names import check_name
from core.people.roles import ROLES
from core.project import Project
from core.store.database import Store, note, utc_now

RESERVED = ("local", "rondo", "api", "nobody", "argilla")
"""what stands in the history where no person of the table acted"""
MANAGER, ANNOTATOR = "manager", "annotator"


@dataclass(frozen=True)
class Person:
    """Somebody who may sign in. code: the hash of the access code, or empty; since: when this row was made."""

    name: str
    role: str
    email: str = ""
    code: str = ""
    since: str = ""

    @property
    def rights(self) -> frozenset[str]:
        """What this person may do. A role that there is no more has none."""
        return ROLES.get(self.role, frozenset())

    @property
    def stamp(self) -> str:
        """Changes with a new code, and when somebody is removed and added again: earlier sessions and tokens end."""
        return hashlib.sha256("\0".join((self.name, self.email, self.code, self.since)).encode()).hexdigest()


def folded(name: str) -> str:
    """The same for names that look alike but for case and width."""
    return unicodedata.normalize("NFKC", name).casefold()


def everybody(store: Store) -> list[Person]:
    """All people who may sign in, the longest-standing first."""
    rows = store.query(
        "select name, role, coalesce(email, ''), coalesce(code, ''), added_at::varchar from people "
        "where removed_at is null order by added_at, name"
    )
    return [Person(*row) for row in rows]


def is_taken(store: Store, name: str) -> bool:
    """Whether the name is, or ever was, a person's, or has another meaning in the history."""
    names = {folded(known) for (known,) in store.query("select distinct name from people")}
    return folded(name) in names | set(RESERVED)


@dataclass(frozen=True)
class ListedPerson:
    """A person as others may see them. code: whether there is one."""

    name: str
    role: str
    email: str
    code: bool
    since: str


@dataclass(frozen=True)
class People:
    """All people who may sign in, the longest-standing first."""

    people: list[ListedPerson]


def list_people(project: Project, report: Report) -> People:
    """The same without secrets."""
    return People([ListedPerson(p.name, p.role, p.email, bool(p.code), p.since[:16]) for p in everybody(project.store)])


@dataclass(frozen=True)
class AddedPerson:
    """code: the access code, shown here only. first: from now on everybody has to sign in."""

    name: str
    role: str
    email: str
    code: str
    first: bool


def add_person(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    name: str,
    role: str | None = None,
    email: str | None = None,
    user: str = "local",
) -> AddedPerson:
    """Adds somebody with a new access code. Without a role the first person is a manager, others are annotators.

    Raises BadInput.
    """
    name, email, code = check_name(name), _address(email), make_code()
    with project.store.transaction() as cursor:
        there = _active(cursor)
        role = _role(role or (ANNOTATOR if there else MANAGER))
        if not there and role != MANAGER:
            raise BadInput(
                f"The first person must be a manager, else nobody could change anything in the app: "
                f"`rondo people add {quote(name)} --role manager`."
            )
        if folded(name) in {folded(known) for known, *_ in there} | set(RESERVED):
            raise BadInput(f"The name {name!r} is taken, or too much like one that is. Choose another.")
        if email and email in {known for _, _, known in there}:
            raise BadInput(f"{email} is another person's address already.")
        row = [name, email or None, role, hash_code(code), utc_now(), None]
        cursor.execute("insert into people values (?, ?, ?, ?, ?, ?)", row)
        note(cursor, user, "person added", {"name": name, "role": role, "email": email})
    return AddedPerson(name, role, email, code, first=not there)


@dataclass(frozen=True)
class RemovedPerson:
    """left: people who may still sign in."""

    name: str
    left: int


def remove_person(project: Project, report: Report, *, name: str, user: str = "local") -> RemovedPerson:
    """Ends all their sessions at once; their answers are kept. Raises BadInput, Refused for the last manager."""
    with project.store.transaction() as cursor:
        known, role = _find(cursor, name)
        _keep_a_manager(cursor, known, "removed")
        cursor.execute("update people set removed_at = ? where name = ? and removed_at is null", [utc_now(), known])
        note(cursor, user, "person removed", {"name": known, "role": role})
        left = len(_active(cursor))
    return RemovedPerson(known, left)


@dataclass(frozen=True)
class ChangedRole:
    """before: the previous role."""

    name: str
    role: str
    before: str


def set_role(project: Project, report: Report, *, name: str, role: str, user: str = "local") -> ChangedRole:
    """Raises BadInput, Refused for the last manager."""
    with project.store.transaction() as cursor:
        known, before = _find(cursor, name)
        if _role(role) != MANAGER:
            _keep_a_manager(cursor, known, f"made {role}")
        cursor.execute("update people set role = ? where name = ? and removed_at is null", [role, known])
        note(cursor, user, "role changed", {"name": known, "from": before, "to": role})
    return ChangedRole(known, role, before)


@dataclass(frozen=True)
class NewCode:
    """code: the access code, shown here only."""

    name: str
    code: str


def new_code(project: Project, report: Report, *, name: str, user: str = "local") -> NewCode:
    """Makes a new access code; the old one and sessions opened with it end at once."""
    code = make_code()
    with project.store.transaction() as cursor:
        known, _ = _find(cursor, name)
        cursor.execute("update people set code = ? where name = ? and removed_at is null", [hash_code(code), known])
        note(cursor, user, "new code", {"name": known})
    return NewCode(known, code)


def _active(cursor: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """(name, role, email)."""
    sql = "select name, role, coalesce(email, '') from people where removed_at is null"
    return [(str(name), str(role), str(email)) for name, role, email in cursor.execute(sql).fetchall()]


def _find(cursor: duckdb.DuckDBPyConnection, name: str) -> tuple[str, str]:
    """Name and role as they stand in the table."""
    there = _active(cursor)
    for known, role, _ in there:
        if folded(known) == folded(check_name(name)):
            return known, role
    some = ", ".join(known for known, *_ in there[:20]) or "nobody yet"
    raise BadInput(f"There is no {check_name(name)!r}; there is {some}.")


def _keep_a_manager(cursor: duckdb.DuckDBPyConnection, name: str, what: str) -> None:
    others = [(known, role) for known, role, _ in _active(cursor) if known != name]
    if others and MANAGER not in [role for _, role in others]:
        raise Refused(
            f"{name} is the only manager and cannot be {what} while others are there. "
            f"Make another first: `rondo people role {quote(others[0][0])} manager`."
        )


def _role(role: str) -> str:
    if role not in ROLES:
        raise BadInput(f"There is no role {role[:80]!r}; there are {', '.join(ROLES)}.")
    return role


def _address(email: str | None) -> str:
    """In the form that is compared: providers differ in case."""
    text = (email or "").strip().casefold()
    if text and (text.count("@") != 1 or not text.isprintable() or " " in text or len(text) > 254):
        raise BadInput(f"{text[:80]!r} is no e-mail address.")
    return text
