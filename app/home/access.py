"""Who a request to a home comes from, and which projects they see. Knows no route.

Whoever opened the link that the home printed runs this machine: the operator, who sees all. Others sign in with the
name and access code that a project gave them, and see the projects that know both. The cookies are the projects' own,
so that signing in at the home signs in to them, and the other way round.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from starlette.requests import HTTPConnection

from app.auth.authenticator import LINK_SECONDS, Binding
from app.auth.public_address import host_name
from app.auth.tokens import claimed, key_for, project_id, sign, verify
from app.background import read_secret
from app.home.entries import Entries
from core.config.settings import FILE as SETTINGS
from core.home import folders
from core.home.summary import HomeEntry
from core.people.access_codes import fits
from core.people.people import Person, folded

MANAGE = "manage"
CODE_LIMIT = 200


@dataclass(frozen=True)
class Visitor:
    """operator: runs this machine. people: key of a project -> as whom they are signed in to it. put_away: as whom
    they manage one that is archived or in the trash, where they see no other."""

    operator: bool = False
    people: Mapping[str, Person] = field(default_factory=dict)
    put_away: Person | None = None

    @property
    def known(self) -> bool:
        """Is there anything for them here?"""
        return self.operator or bool(self.people) or self.put_away is not None

    @property
    def may_create(self) -> bool:
        """May they make projects: whoever manages one, or all?"""
        return self.operator or any(MANAGE in person.rights for person in self.people.values())

    def sees(self, key: str) -> bool:
        """Is the project in their list?"""
        return self.operator or key in self.people

    def manages(self, key: str) -> bool:
        """May they rename, archive, back up or delete it?"""
        return self.operator or (key in self.people and MANAGE in self.people[key].rights)

    @property
    def manager(self) -> Person | None:
        """As whom they will manage a project that they make; None for the operator, who needs no name."""
        if self.operator:
            return None
        return next((person for person in self.people.values() if MANAGE in person.rights), None)


@dataclass(frozen=True)
class Access:
    """secret: by which the home signs; bound: where it listens, and the token of its link."""

    entries: Entries
    secret: bytes
    bound: Binding

    @property
    def cookie(self) -> str:
        """That marks a browser which opened the link."""
        return f"rondo_home_{project_id(self.secret)}"

    def open_link(self, token: str, now: float) -> str | None:
        """The value of that cookie; None where the token is wrong, or nobody can be the operator by a link."""
        right = self.bound.loopback and hmac.compare_digest(token.strip().encode(), self.bound.token.encode())
        return sign("link", key_for(self.secret, "link", ""), now, LINK_SECONDS) if self.bound.token and right else None

    def visitor(self, cookies: Mapping[str, str]) -> Visitor:
        """Reads the people of all projects, so call it in a thread."""
        if self.bound.loopback and (not self.bound.token or self._knows_link(cookies)):
            return Visitor(operator=True)
        people = {}
        for key in self.entries.project_keys():
            if person := self._signed_in(self.entries.home / key, partial(self.entries.of, key), cookies):
                people[key] = person
        if people:
            return Visitor(people=people)
        managers = (self._manager_of(folder, cookies) for folder in self.put_away())
        return Visitor(put_away=next((one for one in managers if one), None))

    def manages_put_away(self, visitor: Visitor, folder: Path, cookies: Mapping[str, str]) -> bool:
        """May they take the project out of the archive or the trash, or delete it?"""
        return visitor.operator or self._manager_of(folder, cookies) is not None

    def put_away(self) -> list[Path]:
        """Folders of the projects that are archived or in the trash."""
        home = self.entries.home
        trash = (folders.private(home, "trash", one.id) for one in folders.trashed(home))
        archived = (folders.private(home, "archived", key) for key in folders.archived_keys(home))
        return [*archived, *(folder for folder in trash if (folder / SETTINGS).is_file())]

    def managers(self, folder: Path) -> list[Person]:
        """Of a project that is put away: those who may take it out by their code."""
        if self.entries.by_accounts(folder):
            return []
        return [person for person in self.entries.put_away(folder).people if MANAGE in person.rights]

    def _manager_of(self, folder: Path, cookies: Mapping[str, str]) -> Person | None:
        person = self._signed_in(folder, lambda: self.entries.put_away(folder), cookies)
        return person if person and MANAGE in person.rights else None

    def _knows_link(self, cookies: Mapping[str, str]) -> bool:
        return verify(cookies.get(self.cookie, ""), key_for(self.secret, "link", ""), time.time()) is not None

    def _signed_in(self, folder: Path, entry_of: Callable[[], HomeEntry], cookies: Mapping[str, str]) -> Person | None:
        secret = read_secret(folder)
        cookie = cookies.get(f"rondo_{project_id(secret)}", "")
        if not cookie or self.entries.by_accounts(folder):
            return None
        number, _, name = (claimed(cookie) or "").partition(":")
        entry = entry_of()
        person = _named(entry.people, name)
        if person is None or number in entry.ended:
            return None
        return person if verify(cookie, key_for(secret, "session", person.stamp), time.time()) else None

    def try_code(self, name: str, code: str) -> dict[Path, Person]:
        """Project's folder -> who has this name, where the code is theirs; of one that is put away a manager. No
        project with accounts. An unknown name takes as long as one project."""
        opened = {key: self.entries.home / key for key in self.entries.project_keys()}
        candidates = {
            folder: _named(self.entries.of(key).people, name)
            for key, folder in opened.items()
            if not self.entries.by_accounts(folder)
        }
        candidates |= {folder: _named(self.managers(folder), name) for folder in self.put_away()}
        known = {folder: person for folder, person in candidates.items() if person}
        if not known:
            fits(code[:CODE_LIMIT], "")
        return {folder: person for folder, person in known.items() if fits(code[:CODE_LIMIT], person.code)}

    def session_cookie(self, folder: Path, person: Person) -> tuple[str, str]:
        """Name and value of the cookie by which the project knows the person."""
        secret = read_secret(folder)
        text = f"{secrets.token_hex(8)}:{person.name}"
        return f"rondo_{project_id(secret)}", sign(text, key_for(secret, "session", person.stamp), time.time())

    def operators_cookie(self, key: str) -> dict[str, str]:
        """By which a project where nobody is registered knows the operator."""
        secret = read_secret(self.entries.home / key)
        return {f"rondo_{project_id(secret)}_link": sign("link", key_for(secret, "link", ""), time.time())}

    def lets_in_itself(self, key: str) -> bool:
        """Has the project a sign-in that the home has not: a code for all, or accounts?"""
        return bool(self.bound.shared) or self.entries.by_accounts(self.entries.home / key)

    def is_own_host(self, connection: HTTPConnection) -> bool:
        """Where names are taken on trust: is it this machine's name, and not another site's that resolves to it?"""
        return not self.bound.loopback or host_name(connection.headers.get("host", "")) in self.bound.names

    def is_own_page(self, connection: HTTPConnection) -> bool:
        """Is the request from no page, or from one of this home?"""
        origin = connection.headers.get("origin", "")
        if not origin or (self.bound.public and origin == self.bound.public.origin):
            return True
        authority = origin.partition("://")[2]
        if self.bound.loopback and host_name(authority) not in self.bound.names:
            return False
        same = connection.headers.get("sec-fetch-site") == "same-origin"  # a proxy may have changed the Host
        return same or authority == connection.headers.get("host", "").lower()


def _named(people: Iterable[Person], name: str) -> Person | None:
    return next((person for person in people if folded(person.name) == folded(name)), None)
