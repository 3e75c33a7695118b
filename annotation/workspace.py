"""An Argilla workspace over its HTTP API. Knows no store; `convert` makes and reads the JSON.

Does not use Argilla's client, which erases metadata, fails whole batches, cannot sort, and is heavy.
"""

import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from annotation import convert
from annotation.convert import Json
from annotation.home import forget_deleted, team_folder
from annotation.server import find_connection
from core.config.settings import Settings
from core.errors import Refused
from core.exchange.workspace import (
    Gone,
    Outgoing,
    PutResult,
    RemoteEntry,
    RemoteRecord,
    Setup,
    TeamAnswer,
    Unfit,
    Unreachable,
)
from core.tasks.questions import TEXT

if TYPE_CHECKING:  # it draws in a program of its own; most servers have no Argilla
    import httpx

SECONDS = 60.0
_EVENTS = ["response.created", "response.updated", "response.deleted"]
_WORDS = {
    401: "does not accept the key",
    403: "does not allow it with this key: it needs one of an owner, or of an admin of the workspace",
}


_NAMES: dict[str, dict[str, str]] = {}
"""server -> id of a person -> name: asking anew at each answer would take longer than all the rest"""


class ArgillaWorkspace:
    """One connection; not for several threads at once."""

    def __init__(self, url: str, api_key: str, name: str, *, embedded: bool, home: Path | None = None) -> None:
        """home: the embedded server's folder."""
        self._url = url.rstrip("/")
        self._name = name
        self._embedded = embedded
        self._home = home
        self._client = client_for(self._url, api_key, trust_env=not embedded)
        self._names = _NAMES.setdefault(self._url, {})
        self._questions: dict[str, dict[str, str]] = {}

    @property
    def url(self) -> str:
        """Where people reach it."""
        return self._url

    @property
    def in_order(self) -> bool:
        """Only ours orders by queue_rank."""
        return self._embedded

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def annotators(self) -> list[str]:
        """Members of the workspace; owners may answer too, but seldom do."""
        return sorted(one["username"] for one in self._ask("GET", f"/workspaces/{self._workspace}/users")["items"])

    def people(self) -> list[str]:
        """All users of the server that the key may list."""
        return sorted(self._read_people().values())

    def make_dataset(self, name: str, setup: Setup) -> str:
        """Published; an empty one of this name that was left over is replaced. Raises Unfit where a full one has it."""
        for old in self._ask("GET", "/me/datasets", params={"workspace_id": self._workspace})["items"]:
            if old["name"] == convert.cut(name, "name"):
                if self._ask("GET", f"/datasets/{old['id']}/records", params={"limit": 1})["total"]:
                    raise Unfit(f"There is a dataset {name!r} in the workspace {self._name!r} already.")
                self._ask("DELETE", f"/datasets/{old['id']}")
        dataset = str(self._ask("POST", "/datasets", json=convert.dataset_body(name, setup, self._workspace))["id"])
        for body in convert.field_bodies(setup):
            self._ask("POST", f"/datasets/{dataset}/fields", json=body)
        for body in convert.question_bodies(setup):
            self._ask("POST", f"/datasets/{dataset}/questions", json=body)
        for body in convert.metadata_bodies(setup):
            self._ask("POST", f"/datasets/{dataset}/metadata-properties", json=body)
        self._ask("PUT", f"/datasets/{dataset}/publish")
        return dataset

    def change_dataset(self, dataset: str, old: Setup, new: Setup) -> None:
        """Only what differs: a change of the dataset itself makes the server recount every record's answers."""
        if convert.shared_body(old) != convert.shared_body(new):
            self._ask("PATCH", f"/datasets/{dataset}", json=convert.shared_body(new))
        before = convert.question_settings(old)
        for name, settings in convert.question_settings(new).items():
            if settings != before.get(name):
                self._ask("PATCH", f"/questions/{self._questions_of(dataset)[name]}", json={"settings": settings})

    def retire_dataset(self, dataset: str, name: str, result: str) -> None:
        """Renames it, with guidelines that point to the new dataset."""
        body = {"name": convert.cut(name, "name"), "guidelines": convert.cut(result, "guidelines")}
        self._ask("PATCH", f"/datasets/{dataset}", json=body)

    def put(self, dataset: str, setup: Setup, records: Sequence[Outgoing], known: Collection[str]) -> PutResult:
        """At most a few hundred at once. One that the server refuses does not affect the others."""
        there = {one["external_id"]: one for one in self._find_records(dataset, sorted(known), ())}
        others = {id: _not_ours(one.get("metadata") or {}, setup) for id, one in there.items()}
        questions = self._questions_of(dataset)
        bodies = [convert.record_body(record, setup, questions, others.get(record.id, {})) for record in records]
        return _in_parts(lambda part: self._upsert(dataset, part), bodies)

    def strip(self, record: str) -> None:
        """Takes the suggestions of a record away."""
        self._ask("PATCH", f"/records/{record}", json={"suggestions": []})

    def erase(self, dataset: str, records: Sequence[str]) -> None:
        """A few in a request: their ids are in its URL. An embedded server's file keeps no trace of them."""
        for begin in range(0, len(records), 50):
            with suppress(Gone):
                ids = ",".join(records[begin : begin + 50])
                self._ask("DELETE", f"/datasets/{dataset}/records", params={"ids": ids})
        if self._home is not None:
            forget_deleted(self._home)

    def read(self, dataset: str, ids: Sequence[str]) -> list[RemoteRecord]:
        """At most a few hundred at once. Answers of people whom the server does not list are left out."""
        records = self._find_records(dataset, ids, ("responses", "suggestions"))
        questions = self._questions_of(dataset) if records else {}
        return [
            RemoteRecord(convert.remote_entry(one, questions, _text(one)), tuple(self._answers(one))) for one in records
        ]

    def copy(self, old: str, new: str, setup: Setup, ids: Sequence[str]) -> PutResult:
        """At most a few hundred at once. Copied again as long as somebody answers meanwhile: no answer is lost."""
        sent, previous = PutResult(()), None
        questions = self._questions_of(new), self._questions_of(old)
        for _ in range(5):
            records = self._find_records(old, ids, ("responses", "suggestions"))
            now = sorted((one["id"], one["updated_at"]) for record in records for one in record.get("responses") or [])
            if now == previous:
                break
            bodies = [convert.copied_body(record, setup, *questions) for record in records]
            sent, previous = _in_parts(lambda part: self._upsert(new, part), bodies), now
        return sent

    def carry(self, dataset: str, answers: Sequence[tuple[str, TeamAnswer]]) -> None:
        """Adds answers to the dataset; those that do not fit stay where they are."""
        users = {name: id for id, name in self._read_people().items()}
        entries: dict[str, list[tuple[str, TeamAnswer]]] = {}
        for record, one in answers:
            if one.annotator not in users:  # removed meanwhile
                continue
            entries.setdefault(record, []).append((users[one.annotator], one))
        texts = self._texts(dataset, list(entries)) if any(isinstance(one.value, Mapping) for _, one in answers) else {}
        bodies = [convert.carried_body(record, answer, texts.get(record, "")) for record, answer in entries.items()]
        _in_parts(lambda part: self._upsert(dataset, part), bodies)

    def activity(self, dataset: str) -> str:
        """When somebody answered last."""
        return str(self._ask("GET", f"/datasets/{dataset}")["last_activity_at"])

    def listen(self, url: str, description: str) -> str:
        """Creates or changes the webhook of this description."""
        body: Json = {"url": url, "events": _EVENTS, "description": description}
        ours = [one for one in self._ask("GET", "/webhooks")["items"] if one["description"] == description]
        for one in ours[1:]:
            self._ask("DELETE", f"/webhooks/{one['id']}")
        if not ours:
            return str(self._ask("POST", "/webhooks", json=body)["secret"])
        body |= {"enabled": True}
        return str(self._ask("PATCH", f"/webhooks/{ours[0]['id']}", json=body)["secret"])

    def _upsert(self, dataset: str, bodies: list[Json]) -> list[RemoteEntry]:
        if not bodies:
            return []
        result = self._ask("PUT", f"/datasets/{dataset}/records/bulk", json={"items": bodies})
        return [convert.remote_entry(one) for one in result["items"]]

    def _find_records(self, dataset: str, ids: Sequence[str], include: Sequence[str]) -> list[Json]:
        """The server's records with these ids of ours."""
        if not ids:
            return []
        scope = {"entity": "record", "property": "external_id"}
        query = {"filters": {"and": [{"type": "terms", "scope": scope, "values": list(ids)}]}}
        params: dict[str, str | int | list[str]] = {"limit": len(ids), "include": list(include)}
        result = self._ask("POST", f"/datasets/{dataset}/records/search", json=query, params=params)
        return [one["record"] for one in result["items"]]

    def _answers(self, record: Json) -> list[TeamAnswer]:
        responses = record.get("responses") or []
        if any(one["user_id"] not in self._names for one in responses):
            self._read_people()  # somebody new
        return [
            convert.remote_answer(one, self._names[one["user_id"]], _text(record))
            for one in responses
            if one["user_id"] in self._names
        ]

    def _read_people(self) -> dict[str, str]:
        """id -> name. Only an owner may ask for all of them."""
        users = [self._ask("GET", "/me")]
        try:
            users += self._ask("GET", "/users")["items"]
        except Refused:
            users += self._ask("GET", f"/workspaces/{self._workspace}/users")["items"]
        people = {str(one["id"]): str(one["username"]) for one in users}
        self._names.update(people)
        return people

    @cached_property
    def _workspace(self) -> str:
        """Made where it is not there."""
        for one in self._ask("GET", "/me/workspaces")["items"]:
            if one["name"] == self._name:
                return str(one["id"])
        return str(self._ask("POST", "/workspaces", json={"name": self._name})["id"])

    def _texts(self, dataset: str, ids: Sequence[str]) -> dict[str, str]:
        """Our record id -> the text in which pieces are marked."""
        records = self._find_records(dataset, ids, ())
        return {one["external_id"]: str(one["fields"].get(TEXT, "")) for one in records}

    def _questions_of(self, dataset: str) -> dict[str, str]:
        """Name -> id of those that ask for the answer."""
        if dataset not in self._questions:
            items = self._ask("GET", f"/datasets/{dataset}/questions")["items"]
            self._questions[dataset] = {one["name"]: one["id"] for one in items if one["name"] != convert.NOTE}
        return self._questions[dataset]

    def _ask(
        self,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        params: Mapping[str, str | int | list[str]] | None = None,
    ) -> Json:
        return ask_server(self._client, self._url, method, path, json=json, params=params)


def ask_server(  # noqa: PLR0913 - an option is an argument
    client: "httpx.Client",
    url: str,
    method: str,
    path: str,
    *,
    json: Json | None = None,
    params: Mapping[str, str | int | list[str]] | None = None,
) -> Json:
    """The answer's JSON. Raises Unreachable, Gone, Refused, Unfit, each with a sentence for people."""
    from httpx import HTTPError

    try:
        reply = client.request(method, path, json=json, params=params)
    except HTTPError as error:
        raise Unreachable(
            f"The Argilla server at {url} does not answer ({type(error).__name__}). Start it with "
            "`rondo team start`, or look whether the address is right; nothing is lost, it is tried again."
        ) from None
    if reply.is_success:
        return dict(reply.json()) if reply.content else {}
    where = f"The Argilla server at {url}"
    if reply.status_code == 404:
        raise Gone(f"{where} has no {path.split('?')[0]} any more.")
    if reply.status_code in _WORDS:
        raise Refused(f"{where} {_WORDS[reply.status_code]}.")
    if reply.status_code in (400, 409, 413, 422):
        raise Unfit(_reason(reply))
    raise Unreachable(f"{where} answered {reply.status_code}. Its log says why; it is tried again.")


def client_for(url: str, api_key: str, *, trust_env: bool) -> "httpx.Client":
    """Of the API of a server; the key is in the client alone."""
    import httpx

    return httpx.Client(
        base_url=f"{url}/api/v1",
        headers={"X-Argilla-Api-Key": api_key},
        timeout=httpx.Timeout(SECONDS, connect=5),
        trust_env=trust_env,
        verify=_certificates(),
    )


@cache
def _certificates() -> ssl.SSLContext:
    """Reading them takes longer than an answer."""
    import httpx

    return httpx.create_ssl_context()


def _in_parts(send: Callable[[list[Json]], list[RemoteEntry]], bodies: list[Json]) -> PutResult:
    """Sends all at once; where the server refuses, halves, down to the record at fault."""
    try:
        return PutResult(tuple(send(bodies)))
    except Unfit as error:
        if len(bodies) == 1:
            return PutResult((), {str(bodies[0]["external_id"]): str(error)})
    middle = len(bodies) // 2
    parts = [_in_parts(send, part) for part in (bodies[:middle], bodies[middle:])]
    return PutResult(parts[0].entries + parts[1].entries, {**parts[0].bad, **parts[1].bad})


def _text(record: Json) -> str:
    """In which pieces are marked."""
    return str(record["fields"].get(TEXT, ""))


def _not_ours(metadata: Json, setup: Setup) -> Json:
    ours = {convert.metadata_name(name) for name in setup.metadata}
    return {name: value for name, value in metadata.items() if name not in ours}


def _reason(reply: "httpx.Response") -> str:
    """The server's error message, in one line."""
    detail: object = reply.text
    with suppress(ValueError):
        detail = reply.json()
    if isinstance(detail, dict):
        detail = detail.get("detail", detail)
    return " ".join(str(detail).split())[:500]


def connect(project: Path, settings: Settings) -> ArgillaWorkspace:
    """The server that the project works with. Raises Refused, with what to do, where none is found."""
    connection = find_connection(project, settings)
    home = team_folder(project) if connection.embedded else None
    return ArgillaWorkspace(
        connection.url, connection.api_key, settings.team_workspace, embedded=connection.embedded, home=home
    )
