"""What a hosted model said of pairs: asked in a job, within a budget, and recorded without texts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from core.errors import Cancelled, RondoError
from core.ids import RecordNo
from core.jobs.bundle import Report, write_json
from core.language_models.client import Patience
from core.language_models.providers import provider_of, token_of
from core.models.hosted_models import Hosting
from core.pairs.hosted_answers_job import ANSWERS_FILE, HOSTED_ANSWERS, PAIRS_FILE, HostedAnswersParams
from core.pairs.pair_keys import pair_key
from core.pairs.training_examples import MEASURING
from core.project import Project
from core.store.database import utc_now
from core.store.private_files import private_folder

CACHE = "hosted-answers.jsonl"
BUDGET = 5_000
"""requests, unless more are allowed"""

Pair = tuple[str, str]


@dataclass(frozen=True)
class AskingLimits:
    """budget: requests at most. patience: with the provider."""

    budget: int = BUDGET
    patience: Patience = field(default_factory=Patience)


AT_ONCE = Patience(tries=2, longest=10.0, timeout=30.0)
"""for a program that waits"""


@dataclass(frozen=True)
class RecordedAnswers:
    """by_key: probability that the two are the same, None where the model said what is no decision; a pair that it was
    not asked about is missing, and then `failure` says why. known: pairs recorded before. requests: that were made."""

    by_key: dict[str, float | None]
    known: int
    requests: int
    failure: str


@dataclass(frozen=True)
class MeasuringPairs:
    """The settled gold and audit pairs. record_nos: of each, ascending."""

    record_nos: tuple[RecordNo, ...]
    pairs: tuple[Pair, ...]


def measuring_pairs(cursor: duckdb.DuckDBPyConnection) -> MeasuringPairs:
    """No hosted model trains on them, so what it says of them measures it."""
    rows = cursor.execute(
        """select n, r.fields->>'left', r.fields->>'right' from settled s join records r using (n)
           where list_contains(?, s.stratum) order by n""",
        [list(MEASURING)],
    ).fetchall()
    return MeasuringPairs(tuple(n for n, *_ in rows), tuple((left or "", right or "") for _, left, right in rows))


def known_answers(cursor: duckdb.DuckDBPyConnection, model: str, keys: Sequence[str]) -> dict[str, float | None]:
    """What is recorded of these pairs, by `pair_key`."""
    rows = cursor.execute(
        "select pair, same from hosted_answers where model = ? and pair in (select unnest(?::varchar[]))",
        [model, list(keys)],
    ).fetchall()
    return dict(rows)


def unrecorded(cursor: duckdb.DuckDBPyConnection, model: str, pairs: Sequence[Pair]) -> list[Pair]:
    """Those that it was not asked about, one of each."""
    by_key = {pair_key(*pair): pair for pair in pairs}
    known = known_answers(cursor, model, list(by_key))
    return [pair for key, pair in by_key.items() if key not in known]


def record_answers(
    project: Project,
    report: Report,
    where: Hosting,
    pairs: Sequence[Pair],
    limits: AskingLimits,
) -> RecordedAnswers:
    """Asks about the pairs that are not recorded, in a job, and records the answers. Never raises for the provider's
    sake: `failure` says why pairs were not asked about.

    A job that was stopped goes on where it was: its answers are in a cache that holds no texts either.
    """
    keys = list({pair_key(*pair): None for pair in pairs})
    with project.store.reading() as cursor:
        fresh = unrecorded(cursor, where.model, pairs)
    failure, requests = "", 0
    if fresh:
        try:
            token_of(provider_of(where.provider, where.base_url))
            requests, failure = _ask(project, report, where, fresh, limits)
        except Cancelled:
            raise
        except RondoError as error:
            failure = str(error)
    with project.store.reading() as cursor:
        by_key = known_answers(cursor, where.model, keys)
    return RecordedAnswers(by_key, len(keys) - len(fresh), requests, failure)


def _ask(
    project: Project, report: Report, where: Hosting, pairs: Sequence[Pair], limits: AskingLimits
) -> tuple[int, str]:
    cache = private_folder(project.folder) / CACHE
    params = HostedAnswersParams(
        where.provider, where.base_url, where.name, str(cache), limits.budget, patience=limits.patience
    )
    bundle = project.jobs.prepare(HOSTED_ANSWERS, params)
    write_json(bundle.path / "in" / PAIRS_FILE, [list(pair) for pair in pairs])
    what = f"Asking {where.name} about {len(pairs):,} pairs"
    try:
        result = project.jobs.run(bundle, HOSTED_ANSWERS, report, what)
        values = json.loads((bundle.path / "out" / ANSWERS_FILE).read_text(encoding="utf-8"))
    except RondoError:
        bundle.empty()
        raise
    with project.store.transaction() as cursor:
        if project.jobs.claim_result(bundle, cursor):
            _store(cursor, where.model, pairs[: len(values)], values)
    bundle.empty()
    return result.requests, result.failure


def _store(
    cursor: duckdb.DuckDBPyConnection, model: str, pairs: Sequence[Pair], values: Sequence[float | None]
) -> None:
    cursor.execute(
        """insert into hosted_answers
           select $model, pair, null, same, $now from (
               select unnest($keys::varchar[]) as pair, unnest($values::double[]) as same)
           where pair not in (select pair from hosted_answers where model = $model)""",
        {"model": model, "now": utc_now(), "keys": [pair_key(*pair) for pair in pairs], "values": list(values)},
    )
    link_records(cursor, pairs)


def link_records(cursor: duckdb.DuckDBPyConnection, pairs: Sequence[Pair]) -> None:
    """Answers about pairs that are records of the project know so: what people decide on them shows how right they
    were, and with a record its answers are erased."""
    both = [*pairs, *((right, left) for left, right in pairs)]
    cursor.execute(
        """update hosted_answers set n = known.n from (
               select min(r.n) as n, pair from records r join (
                   select unnest($left::varchar[]) as left_text, unnest($right::varchar[]) as right_text,
                          unnest($keys::varchar[]) as pair
               ) on r.fields->>'left' = left_text and r.fields->>'right' = right_text group by pair
           ) known where known.pair = hosted_answers.pair and hosted_answers.n is null""",
        {
            "left": [left for left, _ in both],
            "right": [right for _, right in both],
            "keys": [pair_key(*pair) for pair in both],
        },
    )
