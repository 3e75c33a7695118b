"""Random questions to the embedded engine, and what plain Python answers. Runs in Argilla's venv."""

import random
import uuid
from typing import Any

import numpy as np

from tests.engine_world import FIELDS, HOSTILE, PEOPLE, STATES, World, build, fits, random_tree, tokens

Ids = set[Any]


async def ask_all(rng: random.Random, count: int) -> World:
    """Each kind of question `count` times, or as often as makes sense."""
    from annotation.engine.search import Embedded

    world = await build(rng)
    engine = await Embedded.new_instance()
    await engine.ping()  # indexes what it has not seen
    for _ in range(count):
        await ask_words(world, engine)
        await ask_filters(world, engine)
    for _ in range(count // 4):
        await ask_order(world, engine)
        await ask_nearest(world, engine)
    for query in HOSTILE:
        match = await engine.search(world.dataset, query=query, limit=500)
        world.compare("hostile", query[:50], len(match.items) == match.total <= 150, True)
    await ask_turns(world, engine)
    await ask_after_changes(world, engine)
    return world


def with_words(world: World, node: Any, names: tuple[str, ...]) -> Ids:
    """Ids of the records that the tree asks for."""
    return {one.id for one in world.records if fits(tuple(tokens(one.fields[name]) for name in names), node)}


async def ask_words(world: World, engine: Any) -> None:
    from argilla_server.search_engine.base import TextQuery

    node, message = random_tree(world.rng)
    name = world.rng.choice([None, None, *FIELDS])
    match = await engine.search(world.dataset, query=TextQuery(q=message, field=name), limit=500)
    expected = with_words(world, node, (name,) if name else FIELDS)
    world.compare("words", (message, name), {item.record_id for item in match.items}, expected)
    world.compare("words, counted", message, match.total, len(expected))


def values_of(value: Any) -> list[Any]:
    """One value or several, as a list."""
    return [] if value is None else value if isinstance(value, list) else [value]


def random_filter(world: World) -> tuple[Any, Any]:
    """(Argilla's filter, a predicate on a record)."""
    from argilla_server.search_engine import base

    rng = world.rng
    kind = rng.choice(["terms", "range", "suggestion", "score", "agent", "status", "answer", "id", "pending"])
    user = world.users[rng.choice(PEOPLE)] if rng.random() < 0.7 else None
    if kind == "terms":
        requested = rng.sample("xyz", 2)
        made = base.TermsFilter(base.MetadataFilterScope("kind"), requested)
        return made, lambda one: bool({*values_of(one.metadata_.get("kind"))} & {*requested})
    if kind == "range":
        name, low, high = rng.choice(["number", "whole"]), rng.uniform(-5, 3), rng.choice([None, rng.uniform(0, 9)])
        made = base.RangeFilter(base.MetadataFilterScope(name), low, high)
        return made, lambda one: within(one.metadata_.get(name), low, high)
    if kind in ("suggestion", "score", "agent"):
        return of_suggestions(rng, kind, world)
    if kind == "id":
        ids = [one.id for one in rng.sample(world.records, 20)]
        made = base.TermsFilter(base.RecordFilterScope("id"), [str(one) for one in ids] + ["no id"])
        return made, lambda one: one.id in ids
    if kind == "answer":
        requested = rng.sample("pqr", 1)
        made = base.TermsFilter(base.ResponseFilterScope("several", user=user), requested)
        return made, lambda one: any({*r.values["several"]["value"]} & {*requested} for r in by(one, user))
    states = ["pending"] if kind == "pending" else rng.sample([*STATES, "pending"], rng.randint(1, 3))
    made = base.TermsFilter(base.ResponseFilterScope(property="status", user=user), states)
    return made, lambda one: in_state(one, user, states)


def of_suggestions(rng: random.Random, kind: str, world: World) -> tuple[Any, Any]:
    from argilla_server.search_engine import base

    name = rng.choice(["label", "several"])
    if kind == "score":
        low, high = sorted((rng.random(), rng.random()))
        made = base.RangeFilter(base.SuggestionFilterScope(name, "score"), low, high)
        return made, lambda one: any(
            within(value, low, high) for s in response_values(one, name) for value in values_of(s.score)
        )
    if kind == "agent":
        made = base.TermsFilter(base.SuggestionFilterScope(name, "agent"), ["m1"])
        return made, lambda one: any(s.agent == "m1" for s in response_values(one, name))
    requested = rng.sample("abpqr", 2)
    made = base.TermsFilter(base.SuggestionFilterScope(name, rng.choice(["value", "None"])), requested)
    return made, lambda one: any({*values_of(s.value)} & {*requested} for s in response_values(one, name))


def response_values(record: Any, question: str) -> list[Any]:
    """Suggestions for a question: those for 'several' are lists."""
    return [one for one in record.suggestions if isinstance(one.value, list) == (question == "several")]


def within(value: Any, low: float | None, high: float | None) -> bool:
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def by(record: Any, user: Any) -> list[Any]:
    return [one for one in record.responses if user is None or one.user_id == user.id]


def in_state(record: Any, user: Any, states: list[str]) -> bool:
    entries = {str(getattr(one.status, "value", one.status)) for one in by(record, user)}
    return bool(entries & {*states}) or ("pending" in states and not entries)


async def ask_filters(world: World, engine: Any) -> None:
    from argilla_server.search_engine.base import AndFilter

    made = [random_filter(world) for _ in range(world.rng.randint(1, 3))]
    node, query = random_tree(world.rng) if world.rng.random() < 0.3 else (None, None)
    and_filter = AndFilter([one for one, _ in made])
    match = await engine.search(world.dataset, query=query, filter=and_filter, limit=500)
    expected = {one.id for one in world.records if all(holds(one) for _, holds in made)}
    expected &= with_words(world, node, FIELDS) if query else expected
    world.compare("filters", (query, and_filter), {item.record_id for item in match.items}, expected)


async def ask_order(world: World, engine: Any) -> None:
    """By metadata; what has none comes last either way; then pages join without gap or repetition."""
    from argilla_server.search_engine.base import MetadataFilterScope, Order

    name, way = world.rng.choice(["number", "whole"]), world.rng.choice(["asc", "desc"])
    size = world.rng.randint(1, 60)
    ids: list[Any] = []
    for offset in range(0, 150, size):
        order = [Order(MetadataFilterScope(name), way)]
        page = await engine.search(world.dataset, sort=order, offset=offset, limit=size)
        ids += [item.record_id for item in page.items]
    known = {one.id: one.metadata_.get(name) for one in world.records}
    values = [known[one] for one in ids]
    there = sorted((one for one in known.values() if one is not None), reverse=way == "desc")
    world.compare("order", (name, way), values, there + [None] * (150 - len(there)))
    world.compare("pages", size, len({*ids}), 150)


async def ask_nearest(world: World, engine: Any) -> None:
    from argilla_server.enums import SimilarityOrder

    made, holds = random_filter(world)
    far = world.rng.random() < 0.5
    near = SimilarityOrder.least_similar if far else SimilarityOrder.most_similar
    value = [world.rng.gauss(0, 1) for _ in range(4)]
    matches = await engine.similarity_search(
        world.dataset, world.vector, value=value, filter=made, max_results=10, order=near
    )
    scores = {}
    for one in world.records:
        if one.vectors and holds(one):
            vector = np.array(one.vectors[0].value)
            cosine = float(vector @ value / np.linalg.norm(vector) / np.linalg.norm(value))
            scores[one.id] = (1 + (-cosine if far else cosine)) / 2
    best = sorted(scores, key=lambda one: -scores[one])[:10]
    world.compare("nearest", (made, far), [item.record_id for item in matches.items], best)
    close = all(abs(item.score - scores[item.record_id]) < 1e-4 for item in matches.items if item.record_id in scores)
    world.compare("nearest, scores", made, close, True)


async def ask_turns(world: World, engine: Any) -> None:
    """Laws of the queue: all get every record once; the shares of a tier do not meet; tiers come in their order."""
    from annotation.engine.turns import AHEAD

    rank = {one.id: one.metadata_.get("queue_rank", 99) for one in world.records}
    heads: list[list[Any]] = []
    for user in world.users.values():
        match = await engine.search(world.dataset, limit=500, user_id=user.id)
        ids = [item.record_id for item in match.items]
        world.compare("turns, all", user.username, {*ids}, {*rank})
        world.compare("turns, once", user.username, len(ids), len({*ids}))
        first = [one for one in ids if rank[one] == 1]
        heads.append(first[: len(first) // len(PEOPLE) // 2])
        late = max(index for index, one in enumerate(ids) if rank[one] == 1)
        behind = sum(rank[one] > 1 for one in ids[:late])
        world.compare("turns, in order", user.username, behind <= AHEAD * len(PEOPLE), True)
    shared = sum(len({*one} & {*other}) for index, one in enumerate(heads) for other in heads[:index])
    world.compare("turns, apart", [len(one) for one in heads], shared, 0)
    stranger = await engine.search(world.dataset, limit=500, user_id=uuid.uuid4())
    ranks = [rank[item.record_id] for item in stranger.items]
    world.compare("turns, of others", ranks, ranks, sorted(ranks))


async def ask_after_changes(world: World, engine: Any) -> None:
    """A changed text is found by its new words only, a deleted record by none."""
    changed, gone = world.records[0], world.records[1]
    changed.fields = {"text": "quokka", "note": "wombat"}
    await engine.index_records(world.dataset, [changed])
    await engine.delete_records(world.dataset, [gone])
    for query, expected in (("quokka wombat", {changed.id}), ("quokka -wombat", set())):
        match = await engine.search(world.dataset, query=query, limit=500)
        world.compare("changed", query, {item.record_id for item in match.items}, expected)
    words = " ".join(tokens(gone.fields["text"]))
    match = await engine.search(world.dataset, query=f'"{words}"', limit=500)
    world.compare("deleted", words, gone.id in {item.record_id for item in match.items}, False)
    await engine.delete_index(world.dataset)
    match = await engine.search(world.dataset, query="card", limit=500)
    world.compare("deleted", "index", match.total, 0)
