"""Authentication: on trust, with an access code, or by the organisation's accounts. Knows no page, no HTTP."""

import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from app.auth.public_address import PublicAddress, host_name
from app.auth.tokens import VALID_SECONDS, claimed, key_for, project_id, sign, verify
from core.errors import BadInput, Refused
from core.people.access_codes import SALT_BYTES, fits, hash_code, normal
from core.people.names import check_name
from core.people.people import ANNOTATOR, MANAGER, Person, everybody, folded, is_taken
from core.store.database import Store, utc_now

LEAST_SHARED = 12
"""letters of a code that a whole team shares"""
OWN_NAMES = ("127.0.0.1", "localhost", "::1")
LINK_SECONDS = 30 * 86_400
"""that a browser is known by, once it has opened the link"""


class AuthMode(Enum):
    """How people sign in."""

    TRUST = "this machine alone: whoever reaches it is a manager, under any name"
    CODES = "a name and an access code"
    ACCOUNTS = "an account that OIDC knows, of somebody in `rondo people`"
    SHUT = "nobody"


@dataclass(frozen=True)
class Binding:
    """How the server was started. loopback: only this machine reaches it; shared: a code for all, or empty; accounts:
    secrets.toml has [auth]; token: part of the link that opens the app where names are taken on trust, empty where
    everybody on this machine has access; host: that it listens on.
    """

    loopback: bool = True
    shared: str = ""
    accounts: bool = False
    token: str = ""
    host: str = "127.0.0.1"
    public: PublicAddress | None = None

    @property
    def names(self) -> frozenset[str]:
        """Host names accepted where names are taken on trust; others are another site's (DNS rebinding)."""
        public = {host_name(self.public.authority)} if self.public else set()
        return frozenset({self.host.lower(), *OWN_NAMES, *public})


TRUSTED = Binding()


def choose_auth_mode(bound: Binding, people: int) -> AuthMode:
    """The one place that decides it. people: how many there are in the table; each has a code."""
    if bound.accounts:
        return AuthMode.ACCOUNTS
    if people or bound.shared:
        return AuthMode.CODES
    return AuthMode.TRUST if bound.loopback else AuthMode.SHUT


@dataclass
class Authenticator:
    """Reads the table of people each time, so that a removed person loses access at once."""

    store: Store
    secret: bytes
    bound: Binding = TRUSTED
    _shared: str = ""
    """the hash of the code that all share"""
    _ended: set[str] = field(default_factory=set)
    """sessions that were signed out of and have not ended by themselves"""
    _busy: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))
    """checks of codes at once: each takes 16 MB"""

    def __post_init__(self) -> None:
        if self.bound.shared:
            if len(normal(self.bound.shared)) < LEAST_SHARED:
                raise BadInput(f"RONDO_ACCESS_CODE is too short: it must have at least {LEAST_SHARED} characters.")
            salt = key_for(self.secret, "shared", "")[:SALT_BYTES]
            self._shared = hash_code(self.bound.shared, salt)
        with self.store.transaction() as cursor:
            past = utc_now() - timedelta(seconds=VALID_SECONDS)
            cursor.execute("delete from ended_sessions where ended_at < ?", [past])
            self._ended |= {session for (session,) in cursor.execute("select session from ended_sessions").fetchall()}

    @property
    def cookie(self) -> str:
        """Its name: browsers share cookies between ports, so each project has its own."""
        return f"rondo_{project_id(self.secret)}"

    @property
    def link_cookie(self) -> str:
        """Name of the cookie that marks a browser that has opened the link."""
        return f"{self.cookie}_link"

    def open_link(self, token: str, now: float) -> str | None:
        """The new value of that cookie, None where the token is wrong. Another server of the project, with a token of
        its own, accepts the cookie too.
        """
        if not self.bound.token or not hmac.compare_digest(token.encode(), self.bound.token.encode()):
            return None
        return sign("link", key_for(self.secret, "link", ""), now, LINK_SECONDS)

    def knows_link(self, cookie: str, now: float) -> bool:
        """Did this browser open the link, or need none?"""
        return not self.bound.token or verify(cookie, key_for(self.secret, "link", ""), now) is not None

    def auth_mode(self) -> AuthMode:
        """The present mode."""
        return choose_auth_mode(self.bound, len(everybody(self.store)))

    def person(self, name: str) -> Person | None:
        """The person of this name if access is allowed now, else None."""
        people = everybody(self.store)
        result = next((one for one in people if folded(one.name) == folded(name)), None)
        if result or self.bound.accounts or not self._shared:
            return result
        # with the shared code no name may be used that is or was a person's own
        return None if is_taken(self.store, name) else Person(name, ANNOTATOR, code=self._shared)

    def try_code(self, name: str, code: str) -> Person | None:
        """The person of this name and code, or None. Takes the same time for an unknown name."""
        try:
            person = self.person(check_name(name))
        except BadInput:
            person = None
        with self._busy:
            right = fits(code[:200], person.code if person else "")
        return person if right else None

    def open_session(self, person: Person, now: float) -> str:
        """The cookie's value; the session ends after its time, by `end_session`, or when the person's stamp changes."""
        return sign(f"{secrets.token_hex(8)}:{person.name}", key_for(self.secret, "session", person.stamp), now)

    def session(self, cookie: str, now: float) -> Person | None:
        """The person of a session that is still valid, else None."""
        text = claimed(cookie) or ""
        number, _, name = text.partition(":")
        person = self.person(name) if name and number not in self._ended else None
        if person is None or verify(cookie, key_for(self.secret, "session", person.stamp), now) is None:
            return None
        return person

    def end_session(self, cookie: str, now: float) -> Person | None:
        """Ends it and returns its person. Pages that are still open with it end, too."""
        person = self.session(cookie, now)
        if person:
            number = (claimed(cookie) or "").partition(":")[0]
            with self.store.transaction() as cursor:
                cursor.execute("insert into ended_sessions values (?, ?)", [number, utc_now()])
            self._ended.add(number)
        return person

    def account(self, claims: Mapping[str, object]) -> Person | None:
        """Who this is, by an e-mail address that the provider has checked."""
        address = claims.get("email")
        if not claims.get("is_logged_in") or not isinstance(address, str) or claims.get("email_verified") is False:
            return None
        address = address.strip().casefold()
        return next((one for one in everybody(self.store) if address and one.email == address), None)

    def label_token(self, person: Person, now: float) -> str:
        """The token that the card sends with every request; it ends when the person is removed or gets another code."""
        return sign(person.name, self._label_key(person), now)

    def annotator(self, token: str, now: float, auth_mode: AuthMode) -> Person | None:
        """The person of a valid token, else None. auth_mode: the present one."""
        name = claimed(token)
        if not name:
            return None
        person = Person(name, MANAGER) if auth_mode is AuthMode.TRUST else self.person(name)
        if person is None or verify(token, self._label_key(person), now) is None:
            return None
        return person

    def _label_key(self, person: Person) -> bytes:
        return self.secret if not person.code and not person.since else key_for(self.secret, "label", person.stamp)


def refuse_open_door(authenticator: Authenticator, host: str) -> None:
    """Raises Refused where everybody, or nobody, would have access."""
    people = everybody(authenticator.store)
    address = authenticator.bound.public.url if authenticator.bound.public else host
    if authenticator.auth_mode() is AuthMode.SHUT:
        raise Refused(
            f"On {address} anyone who reaches this machine could label and change everything. Give people access codes "
            "(`rondo people add NAME`), or set RONDO_ACCESS_CODE or [auth] in .streamlit/secrets.toml, and start again."
        )
    if authenticator.auth_mode() is AuthMode.ACCOUNTS and not any(one.email and one.role == MANAGER for one in people):
        raise Refused(
            "[auth] in .streamlit/secrets.toml lets in only people with an address, and no manager has one: "
            "`rondo people add NAME --role manager --email ADDRESS`."
        )
