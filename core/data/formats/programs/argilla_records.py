"""Argilla's records on disk: a dataset's folder, or its records in JSON, with responses and suggestions.

Knows the form that Argilla's client writes and reads, not the client and no record of a project.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from core.data.formats.file_format import STANDARD, Cells, ExportTable, FileFormat, own_columns, provenance
from core.data.formats.json_files import JsonFile
from core.data.formats.reading import Source
from core.data.formats.row_source import Row, RowSource, object_at, objects_at
from core.errors import BadInput

QUESTION, FIELD = "label", "text"
"""what they are called in what is written"""
OWN, NAMES, EMPTY = "rondo", "people", "none_of_them"
"""what Rondo adds to the metadata: Argilla takes no answer without a label, and users by their numbers alone"""
PEOPLE = "rondo/people"
"""the agent of a suggestion that is a settled label: a response needs a user of the server that it comes to"""
SETTINGS, DATASET, RECORDS = ".argilla/settings.json", ".argilla/dataset.json", "records.json"
LABEL_QUESTIONS = ("label_selection", "multi_label_selection")


def _open(path: Path, encoding: str) -> Source:
    if path.is_dir() and not (path / RECORDS).is_file():
        raise BadInput(f"The folder {path} holds no {RECORDS}; write the dataset with its records.")
    return RowSource(path / RECORDS if path.is_dir() else path, encoding, _rows)


def _rows(path: Path, encoding: str, requested: Sequence[str]) -> Iterator[Row]:
    """A row for each user who responded; one for a record without responses."""
    questions = _questions(path.parent / SETTINGS)
    for location, done, size, record in JsonFile(path, encoding, arrays=True).objects():
        try:
            for cells in _Record(record, location, requested, questions).rows():
                yield Row(cells, location, done, size)
        except BadInput as error:
            raise BadInput(f"{path.name}: {error}") from None


def _questions(settings: Path) -> tuple[str, ...]:
    """Names of the questions that ask for labels, if the settings are there."""
    if not settings.is_file():
        return ()
    try:
        questions = json.loads(settings.read_text(encoding="utf-8"))["questions"]
        return tuple(str(one["name"]) for one in questions if one["settings"]["type"] in LABEL_QUESTIONS)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"{SETTINGS} are no settings of Argilla ({type(error).__name__}); write them again.") from None


@dataclass(frozen=True)
class _Record:
    """One of a file. questions: those of labels, where the settings say."""

    record: Mapping[str, object]
    location: str
    requested: Sequence[str]
    questions: tuple[str, ...]

    def rows(self) -> Iterator[Cells]:
        base, own = self._base()
        question = self._question()
        suggestion = object_at(self.record.get("suggestions") or {}, self.location, "suggestions").get(question)
        if isinstance(suggestion, Mapping):
            label = self._labels(suggestion.get("value"))
            if suggestion.get("agent") == PEOPLE:
                base["label"] = label
            else:
                values = {
                    "suggestion": label,
                    "probability": _least(suggestion.get("score")),
                    "model": suggestion.get("agent"),
                }
                base |= {name: value for name, value in values.items() if value is not None}
        if own.get(EMPTY) is True:
            base["label"] = []
        named = own.get(NAMES)
        people: Mapping[str, object] = named if isinstance(named, Mapping) else {}
        responses = object_at(self.record.get("responses") or {}, self.location, "responses").get(question)
        by_user: dict[str, Mapping[str, object]] = {
            str(one.get("user_id")): one for one in objects_at(responses, self.location, "responses")
        }
        rows = []
        for user in dict.fromkeys([*people, *by_user]):
            stored = people.get(user)
            about: Mapping[str, object] = stored if isinstance(stored, Mapping) else {}
            none: list[str] | None = [] if about.get(EMPTY) else None
            label = self._labels(by_user[user].get("value")) if user in by_user else none
            cells: Cells = {"annotator": about.get("name", user), "label": label}
            cells |= {name: about[name] for name in ("note", "answered_at") if about.get(name) is not None}
            rows.append(base | cells)
        yield from rows or [base]

    def _base(self) -> tuple[Cells, Mapping[str, object]]:
        """(what all rows have, what Rondo wrote beside it)"""
        fields = object_at(self.record.get("fields"), self.location, "fields")
        texts = [name for name, value in fields.items() if isinstance(value, str)]
        text = FIELD if FIELD in fields else texts[0] if len(texts) == 1 else ""
        meta = self.record.get("metadata")
        meta = dict(meta) if isinstance(meta, Mapping) else {}
        own = _own(meta.pop(OWN, None))
        stored = own.get("meta")
        columns = own_columns(stored if isinstance(stored, Mapping) else meta, own)
        columns |= own_columns({name: value for name, value in fields.items() if name != text}, None)
        columns |= {"text": fields[text]} if text else {}
        columns["id"] = self.record.get("id") or self.record.get("_server_id")
        columns |= {name: own[name] for name in ("split", "suggestion", "probability") if own.get(name) is not None}
        if own.get("gold") is not None:
            columns |= {"gold": own["gold"], "annotator": None, "label": None}
        return columns, own

    def _question(self) -> str:
        """The requested one, else the only one of labels."""
        there = dict.fromkeys(self.questions)
        for name in ("responses", "suggestions"):
            if isinstance(answers := self.record.get(name), Mapping):
                there |= dict.fromkeys(answers) if not self.questions else {}
        if named := [name for name in there if name in self.requested]:
            return str(named[0])
        if len(there) > 1:
            shown = ", ".join(repr(str(name)[:40]) for name in list(there)[:5])
            raise BadInput(f"{self.location} answers several questions: {shown}; name the one to take: --label NAME.")
        return str(next(iter(there), QUESTION))

    def _labels(self, value: object) -> list[str] | None:
        if value is None:
            return None
        if isinstance(value, str):
            return [value]
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return value
        raise BadInput(f"{self.location}: an answer is neither a label nor a list of them.")


def _least(score: object) -> object:
    """Of the scores of several labels."""
    numbers = [one for one in score if isinstance(one, int | float)] if isinstance(score, list) else []
    return min(numbers) if numbers else None if isinstance(score, list) else score


def _own(text: object) -> Mapping[str, object]:
    """What Rondo wrote into the metadata, as JSON: Argilla has room for texts and numbers there."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, Mapping) else {}


def write(table: ExportTable, target: Path) -> tuple[str, ...]:
    """The folder that `Dataset.to_disk` of Argilla 2.8 makes and `Dataset.from_disk` reads."""
    (target / SETTINGS).parent.mkdir(parents=True)
    for name, content in ((SETTINGS, _settings(table)), (DATASET, {"name": table.meaning.title, "status": "draft"})):
        (target / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    with (target / RECORDS).open("w", encoding="utf-8") as file:
        file.write("[")
        for number, rows in enumerate(table.records()):
            record = _record(table, rows)
            file.write((",\n" if number else "\n") + json.dumps(record, ensure_ascii=False, default=str))
        file.write("\n]\n")
    return ()


def _settings(table: ExportTable) -> dict[str, object]:
    kind = "multi_label_selection" if table.meaning.several else "label_selection"
    options = [{"value": name, "text": name, "description": None} for name in table.meaning.labels]
    question = {"type": kind, "options": options, "visible_options": None}
    question |= {"options_order": "natural"} if table.meaning.several else {}
    field = {"type": "text", "use_markdown": False}
    return {
        "guidelines": None,
        "questions": [
            {
                "name": QUESTION,
                "title": "Label",
                "description": None,
                "required": True,
                "settings": question,
            }
        ],
        "fields": [{"name": FIELD, "title": "Text", "required": True, "settings": field}],
        "vectors": [],
        "metadata": [],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


def _record(table: ExportTable, rows: Sequence[Cells]) -> dict[str, object]:
    first, meaning = rows[0], table.meaning
    meta = first["meta"]
    own: dict[str, object] = {**provenance(first), **({"meta": meta} if meta else {})}
    own |= {"split": first["split"]} if first.get("split") is not None else {}
    own |= {"gold": meaning.names(first["gold"])} if first.get("gold") is not None else {}
    responses, people = [], {}
    for row in rows:
        if row.get("annotator") is not None:
            user = str(uuid5(NAMESPACE_URL, str(row["annotator"])))
            names = ("note", "answered_at")
            people[user] = {"name": row["annotator"]} | {name: row[name] for name in names if row.get(name) is not None}
            if meaning.names(row.get("label")) == []:
                people[user] |= {EMPTY: True}
            elif row.get("label") is not None:
                responses.append({"value": _value(table, row["label"]), "user_id": user})
    suggestions = {}
    if meaning.names(first.get("suggestion")):
        value, score = _value(table, first["suggestion"]), first.get("probability")
        scores = [score] * len(value) if isinstance(value, list) and score is not None else score
        suggested = {"value": value, "score": scores}
        suggestions[QUESTION] = {**suggested, "agent": first.get("model")}
    if not table.by_person and meaning.names(first.get("label")) == []:
        own[EMPTY] = True
    elif not table.by_person and first.get("label") is not None:
        if suggestions:  # a question has one suggestion
            own |= {"suggestion": meaning.names(first["suggestion"]), "probability": first.get("probability")}
        suggestions[QUESTION] = {"value": _value(table, first["label"]), "score": None, "agent": PEOPLE}
    if people:
        own[NAMES] = people
    scalars = {name: value for name, value in meta.items() if isinstance(value, str | int | float)}
    return {
        "id": first.get("id"),
        "fields": {FIELD: first["text"]},
        "metadata": {**scalars, OWN: json.dumps(own, ensure_ascii=False, default=str)},
        "suggestions": suggestions,
        "responses": {QUESTION: responses} if responses else {},
        "vectors": {},
    }


def _value(table: ExportTable, label: object) -> object:
    names = table.meaning.names(label) or []
    return names if table.meaning.several else names[0] if names else None


def _is_record(first: Mapping[str, object]) -> bool:
    return isinstance(first.get("fields"), Mapping) and bool({"responses", "suggestions"} & first.keys())


ARGILLA = FileFormat(
    caption="Argilla's dataset on disk: records with responses and suggestions",
    ending="",
    recognise=_is_record,
    recognise_folder=lambda folder: (folder / SETTINGS).is_file() and (folder / RECORDS).is_file(),
    read=_open,
    write=write,
    holds=frozenset((*STANDARD, "meta")) - {"action"},
    names_itself=True,
    meta=True,
    needs_labels=True,
    folder=True,
    changes=("skips and flags have no form in it", "a settled label stands as a suggestion of rondo/people"),
)
