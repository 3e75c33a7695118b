"""A dataset of any Argilla server, fetched as the folder that Argilla's own client writes, which an import reads.

Changes nothing there. The key is in the connection alone: no file and no message has it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from annotation.convert import RESERVED, Json
from annotation.workspace import ask_server, client_for
from core.data.formats.programs.argilla_records import LABEL_QUESTIONS, NAMES, OWN, RECORDS, SETTINGS
from core.errors import BadInput, Refused
from core.exchange.workspace import Gone, Unreachable
from core.store.whole_files import disk_errors
from core.tasks.questions import NONE

if TYPE_CHECKING:
    import httpx

PAGE = 500
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class DatasetAddress:
    """question: whose answers are taken, "" where only one asks for labels. api_key: of an owner, or of an admin."""

    url: str
    workspace: str
    dataset: str
    question: str = ""
    api_key: str = field(default="", repr=False)


def check_address(address: DatasetAddress) -> DatasetAddress:
    """Without spaces around. Raises BadInput, which never has the key in it."""
    url, key = address.url.strip().rstrip("/"), address.api_key.strip()
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that is not closed, a port that is no number
        whole = False
    if not whole:
        raise BadInput(f"{url[:80]!r} is no address of an Argilla server: it begins with https:// or http://.")
    if parts.username or parts.password:
        raise BadInput("An address with a password would be written down. Put the API key into its own field.")
    if not key:
        raise BadInput("Argilla wants an API key: of an owner, or of an admin of the workspace.")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise BadInput("The API key has characters that no key has. Copy it again, without anything around it.")
    workspace, dataset = address.workspace.strip(), address.dataset.strip()
    if not workspace or not dataset:
        raise BadInput("Name the workspace and the dataset, as Argilla shows them.")
    return DatasetAddress(url, workspace, dataset, address.question.strip(), key)


def copy_dataset(address: DatasetAddress, folder: Path, report: Progress) -> Path:
    """Writes the dataset to a new folder below this one, and returns that. report: (records, of so many).

    Raises BadInput where there is no such workspace, dataset or question, Refused where the key is not enough,
    Unreachable.
    """
    from httpx import InvalidURL

    try:
        with (
            client_for(address.url, address.api_key, trust_env=True) as client,
            disk_errors(f"The dataset {address.dataset}"),
        ):
            return _Source(client, address).write(folder / "argilla", report)
    except Unreachable as error:
        raise Refused(f"{str(error).partition('. ')[0]}. Look whether the address is right, and try again.") from None
    except Gone:
        raise BadInput(f"{address.url} is no Argilla server of version 2, or the dataset has just gone.") from None
    except (InvalidURL, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{address.url} does not answer as an Argilla server of version 2 does ({type(error).__name__})."
        ) from None


@dataclass
class _Source:
    """One dataset of one server."""

    client: "httpx.Client"
    address: DatasetAddress

    def write(self, folder: Path, report: Progress) -> Path:
        """The records last: a folder without them is no dataset."""
        dataset = self._dataset()
        question = self._question(dataset)
        people = self._people()
        (folder / SETTINGS).parent.mkdir(parents=True)
        questions = [{"name": question["name"], "settings": {"type": question["settings"]["type"]}}] if question else []
        (folder / SETTINGS).write_text(json.dumps({"questions": questions}), encoding="utf-8")
        with (folder / RECORDS).open("w", encoding="utf-8") as file:
            file.write("[")
            for number, record in enumerate(self._records(dataset, report)):
                file.write(
                    (",\n" if number else "\n") + json.dumps(_on_disk(record, question, people), ensure_ascii=False)
                )
            file.write("\n]\n")
        return folder

    def _get(self, path: str, **params: str | int | list[str]) -> Json:
        return ask_server(self.client, self.address.url, "GET", path, params=params)

    def _dataset(self) -> str:
        workspaces = {one["name"]: str(one["id"]) for one in self._get("/me/workspaces")["items"]}
        if self.address.workspace not in workspaces:
            raise BadInput(_missing("workspace", self.address.workspace, workspaces))
        listed = self._get("/me/datasets", workspace_id=workspaces[self.address.workspace])["items"]
        datasets = {one["name"]: str(one["id"]) for one in listed}
        if self.address.dataset not in datasets:
            raise BadInput(_missing("dataset", self.address.dataset, datasets))
        return datasets[self.address.dataset]

    def _question(self, dataset: str) -> Json | None:
        """None for a dataset that asks for no labels: its texts are still worth having."""
        every = self._get(f"/datasets/{dataset}/questions")["items"]
        questions = {str(one["name"]): dict(one) for one in every if one["settings"]["type"] in LABEL_QUESTIONS}
        requested = self.address.question
        if requested and requested not in questions:
            raise BadInput(_missing("question that asks for labels", requested, questions))
        if not requested and len(questions) > 1:
            names = ", ".join(questions)
            raise BadInput(f"The dataset asks for labels in several questions: {names}. Name the one to take.")
        return questions.get(requested) if requested else next(iter(questions.values()), None)

    def _people(self) -> dict[str, str]:
        """Id to name; only an owner may ask for all."""
        users = [self._get("/me")]
        with suppress(Refused):  # the others stand under their numbers
            users += self._get("/users")["items"]
        return {str(one["id"]): str(one["username"]) for one in users}

    def _records(self, dataset: str, report: Progress) -> Iterator[Json]:
        done = 0
        while True:
            page = self._get(
                f"/datasets/{dataset}/records", offset=done, limit=PAGE, include=["responses", "suggestions"]
            )
            yield from page["items"]
            done += len(page["items"])
            report(done, int(page["total"]))
            if not page["items"] or done >= page["total"]:
                return


def _missing(what: str, name: str, there: Mapping[str, object]) -> str:
    names = ", ".join(list(there)[:10]) or "none that this key may see"
    return f"There is no {what} {name[:80]!r} on this Argilla server; there is {names}."


def _on_disk(record: Json, question: Json | None, people: Mapping[str, str]) -> Json:
    """A record as the client writes it, with the names of those who answered."""
    metadata = {name: value for name, value in (record.get("metadata") or {}).items() if name not in RESERVED}
    made: Json = {"id": record.get("external_id") or str(record["id"]), "fields": record["fields"], "suggestions": {}}
    made |= {"responses": {}, "metadata": metadata}
    if question is None:
        return made
    options = question["settings"]["options"]
    name, texts = str(question["name"]), {str(one["value"]): str(one["text"]) for one in options}
    for one in record.get("suggestions") or []:
        if str(one["question_id"]) == str(question["id"]):
            value = {"value": _in_words(one["value"], texts)}
            made["suggestions"] = {name: value | {part: one.get(part) for part in ("score", "agent")}}
    answers = [
        {"user_id": str(one["user_id"]), "value": _in_words(one["values"][name]["value"], texts)}
        for one in record.get("responses") or []
        if one["status"] == "submitted" and name in (one.get("values") or {})
    ]
    if answers:
        made["responses"] = {name: answers}
        own = _own(metadata.get(OWN))
        users = [str(one["user_id"]) for one in answers]
        names = {user: {"name": people.get(user, user)} for user in users}
        own[NAMES] = names | own.get(NAMES, {})
        metadata[OWN] = json.dumps(own, ensure_ascii=False)
    return made


def _in_words(value: object, texts: Mapping[str, str]) -> object:
    """As people see the options; no label at all where one of ours says so."""
    if isinstance(value, list):
        return [texts.get(str(one), str(one)) for one in value if one != NONE]
    return texts.get(value, value) if isinstance(value, str) else value


def _own(text: object) -> Json:
    """What Rondo wrote into the metadata when it exported the dataset; nothing where it did not."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    return dict(value) if isinstance(value, dict) else {}
