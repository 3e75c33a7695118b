"""The engine's oracle: a small Argilla database whose every query is also answered by plain Python. In Argilla's venv:

`python -m tests.engine_world FOLDER SEED COUNT` prints {"asked": {kind: n}, "wrong": [what differed]} as its last line.
"""

import asyncio
import json
import random
import re
import sys
import unicodedata
import uuid
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from annotation.engine import serve

WORDS = (
    *("card", "cash", "payment", "Bank", "account", "charged", "rate"),
    *("top-up", "café", "Zürich", "naïve", "money_order", "42", "don't"),
)
FIELDS = ("text", "note")
PEOPLE = ("ann", "ben", "eva")
STATES = ("submitted", "draft", "discarded")
HOSTILE = (
    *("", " ", ")", "(", "-", "--", "+", "|", "*", '"', '""', "'", "((((card", "card))))", "a-b", "- -card", "~2"),
    *("NEAR(card cash)", "AND OR NOT", "f0:card", "text : card", "{f0} : card", "card~2", "ca*", "*card", "^card"),
    *("'; DROP TABLE records;--", "card\0cash", "%", "_", "\\", "card AND", "😀", "\u202ecard", "NOT card", "card +"),
    *(
        "(" * 5000,
        ")" * 5000,
        "-" * 5001 + "card",
        "card " * 5000,
        "(card | " * 300 + "cash",
        "card | -" * 300 + "cash",
    ),
    *("é" * 20_000, '"' + "card " * 3000 + '"', "card*cash*", '"card', "a" * 100_000),
)


@dataclass
class World:
    """What both sides are asked about."""

    rng: random.Random
    dataset: Any = None
    records: list[Any] = field(default_factory=list)
    users: dict[str, Any] = field(default_factory=dict)
    vector: Any = None
    requested: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def compare(self, kind: str, question: object, matches: object, expected: object) -> None:
        """Notes what differs."""
        self.requested[kind] += 1
        if matches != expected:
            self.wrong.append(f"{kind} {question!r}: found {matches!r}, expected {expected!r}"[:600])


@cache  # each text is asked about thousands of times
def tokens(text: str) -> tuple[str, ...]:
    """As FTS5's unicode61 cuts and folds."""
    plain = "".join(one for one in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(one))
    return tuple(re.findall(r"[^\W_]+", plain))


@cache
def holds(documents: tuple[tuple[str, ...], ...], term: str) -> bool:
    """Whether a phrase stands in one of the documents; the last word of one that ends with * is a beginning."""
    requested = tokens(term)
    begins = term.endswith("*")
    for words in documents:
        for start in range(len(words) - len(requested) + 1):
            here = words[start : start + len(requested)]
            if here[:-1] == requested[:-1] and (
                here[-1].startswith(requested[-1]) if begins else here[-1] == requested[-1]
            ):
                return True
    return False


def random_tree(rng: random.Random, depth: int = 0) -> tuple[Any, str]:
    """(tree for `fits`, the same as a person types it)."""
    chance = rng.random()
    if depth > 3 or chance < 0.45:
        word = rng.choice(WORDS)
        term = rng.choice([word, word, word[: rng.randint(1, 4)].rstrip("-_'") + "*", f'"{word} {rng.choice(WORDS)}"'])
        return term, term
    if chance < 0.6:
        node, message = random_tree(rng, depth + 1)
        return ("not", node), f"-{message}" if isinstance(node, str) else f"-({message})"
    word = rng.choice(["and", "or", "plain"])
    parts = [random_tree(rng, depth + 1) for _ in range(rng.randint(2, 3))]
    sign = {"and": " + ", "or": " | ", "plain": " "}[word]
    return ("or" if word == "or" else "and", [node for node, _ in parts]), sign.join(
        f"({message})" for _, message in parts
    )


def fits(documents: tuple[tuple[str, ...], ...], node: Any) -> bool:
    """Whether a record with these documents is what the tree asks for."""
    if isinstance(node, str):
        return holds(documents, node)
    if node[0] == "not":
        return not fits(documents, node[1])
    return (all if node[0] == "and" else any)(fits(documents, part) for part in node[1])


async def build(rng: random.Random) -> World:
    """150 records with every kind of thing that can be filtered on, some of it missing."""
    from argilla_server import database, models
    from argilla_server.enums import DatasetStatus, UserRole

    world = World(rng)
    async with database.AsyncSessionLocal() as db:
        space = await models.Workspace.get_by(db, name="rondo")
        for name in PEOPLE:
            user = models.User(first_name=name, username=name, role=UserRole.annotator, password_hash="x", api_key=name)
            user.workspaces = [space]
            db.add(user)
            world.users[name] = user
        dataset = models.Dataset(name="d", workspace_id=space.id, status=DatasetStatus.ready)
        dataset.distribution = {"strategy": "overlap", "min_submitted": 1}
        db.add(dataset)
        await db.flush()
        own = {"dataset_id": dataset.id}
        for name in FIELDS:
            db.add(models.Field(name=name, title=name, settings={"type": "text"}, **own))
        questions = [models.Question(name=name, title=name, settings={}, **own) for name in ("label", "several")]
        names = {"number": "float", "whole": "integer", "kind": "terms", "queue_rank": "integer"}
        for name, kind in names.items():
            db.add(models.MetadataProperty(name=name, title=name, settings={"type": kind}, **own))
        world.vector = models.VectorSettings(name="v", title="v", dimensions=4, **own)
        db.add_all([*questions, world.vector])
        await db.flush()
        for _ in range(150):
            world.records.append(random_record(rng, own, questions, world))
        db.add_all(world.records)
        await db.commit()
        for name in ("fields", "metadata_properties"):
            await getattr(dataset.awaitable_attrs, name)
        for record in world.records:
            for name in ("responses", "suggestions", "vectors"):
                await getattr(record.awaitable_attrs, name)
    world.dataset = dataset
    return world


def random_record(rng: random.Random, own: dict[str, Any], questions: list[Any], world: World) -> Any:
    from argilla_server import models

    metadata = {
        "number": round(rng.uniform(-5, 5), 2),
        "whole": rng.randint(0, 9),
        "kind": rng.choice(["x", "y", ["x", "z"], []]),
        "queue_rank": rng.randint(1, 3),
    }
    metadata = {name: value for name, value in metadata.items() if rng.random() < 0.8}
    texts = {"text": " ".join(rng.choices(WORDS, k=6)), "note": " ".join(rng.choices(WORDS, k=2))}
    record = models.Record(id=uuid.UUID(int=rng.getrandbits(128), version=4), fields=texts, metadata_=metadata, **own)
    record.suggestions = [
        models.Suggestion(value=value, score=score, agent=rng.choice(["m1", "m2", None]), question_id=question.id)
        for question, value, score in (
            (questions[0], rng.choice("ab"), round(rng.random(), 3)),
            (questions[1], rng.sample("pqr", 2), [round(rng.random(), 3), round(rng.random(), 3)]),
        )
        if rng.random() < 0.7
    ]
    for name in PEOPLE:
        if rng.random() < 0.4:
            values = {"label": {"value": rng.choice("ab")}, "several": {"value": rng.sample("pqr", 2)}}
            response = models.Response(values=values, status=rng.choice(STATES), user_id=world.users[name].id)
            record.responses.append(response)
    if rng.random() < 0.8:
        vector = models.Vector(value=[rng.gauss(0, 1) for _ in range(4)], vector_settings_id=world.vector.id)
        record.vectors = [vector]
    return record


def main(folder: Path, seed: int, count: int) -> None:
    """Builds, asks, prints."""
    from tests import engine_questions

    serve.prepare(folder)
    serve.set_up(serve.ServerOptions(folder, "", 0, "owner", "password", "key", "rondo"))
    world = asyncio.run(engine_questions.ask_all(random.Random(seed), count))
    sys.stdout.write("\n" + json.dumps({"asked": world.requested, "wrong": world.wrong[:20]}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
