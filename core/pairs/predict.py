"""The verb that says of any two texts whether they are the same: by the model in use, or without one."""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb

from core.auto_label.guarantees import guarantee_in_force
from core.data.file_import import import_file
from core.errors import BadInput, Refused
from core.jobs.bundle import Report
from core.models.encoders.loading import encoder_source
from core.models.hosted_models import Hosting, hosted_in_use, require_hosting
from core.models.in_use import active_model
from core.pairs.pair_keys import pair_key
from core.pairs.predict_job import ANSWERS_OUT, NO_MODEL, PAIRS_IN, POOL_IN, PREDICT_PAIRS, PredictParams
from core.pairs.recorded_answers import (
    AT_ONCE,
    BUDGET,
    AskingLimits,
    RecordedAnswers,
    known_answers,
    link_records,
    record_answers,
)
from core.project import Project
from core.store.record_numbers import NUMBERS
from core.store.tables import quoted
from core.tasks.tasks import task_of

AUTO_ABOVE, DROP_BELOW = 0.90, 0.70
"""probability from which two are merged, and below which they are kept apart, unless asked otherwise"""
MOST_PAIRS, MOST_CHARACTERS = 100_000, 100_000
SIMILARITY = "similarity"
UNSURE_FILE = "unsure.jsonl"
"""source of records that a program was unsure of"""
SAME = "same"

Pair = tuple[str, str]


@dataclass(frozen=True)
class PairPrediction:
    """What is said of a pair. probability: that the two are the same. similarity: of the two beside the project's pool,
    None where a hosted model said it, which sees no pool. by: a model's id, or SIMILARITY. reason: why not by the model
    in use, else empty."""

    decision: Literal["merge", "unsure", "apart"]
    probability: float
    similarity: float | None
    by: str
    reason: str = ""


@dataclass(frozen=True)
class PairPredictions:
    """In the order of the pairs. model: in use, of which at least one answer is. merge_from, apart_below: probabilities
    that decided. guarantee: the share of merges that is right at least, None where nothing is guaranteed. reason: why
    the model in use did not say it all, else empty. known: pairs that were answered before, by the same model on the
    same pool. requests: that a hosted model was sent. new_records: unsure pairs that people are asked about from now
    on."""

    predictions: tuple[PairPrediction, ...]
    model: str | None
    merge_from: float
    apart_below: float
    guarantee: float | None
    reason: str
    known: int
    new_records: int
    seconds: float
    requests: int = 0


@dataclass(frozen=True)
class _Answer:
    """Of a pair. fields as in PairPrediction."""

    same: float
    similarity: float | None
    by: str
    reason: str = ""


@dataclass(frozen=True)
class _Answers:
    """by_key: of every pair. reason, known, requests: as in PairPredictions."""

    by_key: dict[str, _Answer]
    reason: str
    known: int
    requests: int = 0


def predict_pairs(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    pairs: Sequence[Sequence[str]],
    auto_above: float = AUTO_ABOVE,
    drop_below: float = DROP_BELOW,
    keep_unsure: bool = False,
    budget: int = BUDGET,
) -> PairPredictions:
    """Each pair is (text, text), a record's fields one below the other as the project has them; (a, b) is (b, a).

    Under a guarantee nothing is merged below the probability that it rests on. Where a hosted model is in use it is
    asked, in so many requests at most (budget); what it does not say the champion does. Without a model the similarity
    decides. Every answer says by what, and why. keep_unsure: such pairs become records of the project, for people to
    decide.
    Raises BadInput for pairs that are no two texts.
    """
    started, settings = time.monotonic(), project.settings()
    if not task_of(settings).two_sides:
        raise Refused(f"Records of the task {settings.task!r} are no pairs.")
    if not 0 <= drop_below <= auto_above <= 1:
        raise BadInput(
            f"Merging from {auto_above:g} and keeping apart below {drop_below:g} does not fit: 0 <= drop <= auto <= 1."
        )
    checked = [_checked(number, pair) for number, pair in enumerate(pairs, 1)]
    if len(checked) > MOST_PAIRS:
        raise BadInput(f"These are {len(checked):,} pairs; up to {MOST_PAIRS:,} are taken at once. Send them in parts.")
    threshold, guaranteed = _guaranteed(project)
    merge_from = max(auto_above, threshold or 0.0)
    answers = _answers(project, report, checked, budget)
    each = [answers.by_key[pair_key(*pair)] for pair in checked]
    predictions = tuple(
        PairPrediction(_decision(one.same, merge_from, drop_below), one.same, one.similarity, one.by, one.reason)
        for one in each
    )
    sources = {one.by for one in predictions}
    model = next((one for one in (hosted_in_use(project), active_model(project)) if one in sources), None)
    return PairPredictions(
        predictions=predictions,
        model=model,
        merge_from=merge_from,
        apart_below=drop_below,
        guarantee=guaranteed if sources == {active_model(project)} else None,
        reason=answers.reason,
        known=answers.known,
        new_records=_keep(project, report, _unsure(pairs, predictions)) if keep_unsure else 0,
        seconds=round(time.monotonic() - started, 3),
        requests=answers.requests,
    )


def _unsure(pairs: Sequence[Sequence[str]], predictions: Sequence[PairPrediction]) -> list[Sequence[str]]:
    return [pair for pair, one in zip(pairs, predictions, strict=True) if one.decision == "unsure"]


def _keep(project: Project, report: Report, pairs: Sequence[Sequence[str]]) -> int:
    """Brings them in as a file of pairs; those that are here already stay as they are. Returns how many are new."""
    if not pairs:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / UNSURE_FILE
        path.write_text("".join(json.dumps({"left": left, "right": right}) + "\n" for left, right in pairs), "utf-8")
        added: int = import_file(project, report, file=str(path), left=["left"], right=["right"]).added
    with project.store.transaction() as cursor:
        link_records(cursor, [(left, right) for left, right in pairs])
    return added


def _checked(number: int, pair: Sequence[str]) -> Pair:
    """The two texts, in an order of their own, so that (a, b) is (b, a)."""
    if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
        raise BadInput(f"Pair {number} is not two texts: [text, text].")
    left, right = pair
    for text in pair:
        if not text.strip():
            raise BadInput(f"Pair {number} has an empty text; both sides need one.")
        if len(text) > MOST_CHARACTERS:
            raise BadInput(f"Pair {number} has a text of {len(text):,} characters; up to {MOST_CHARACTERS:,} are read.")
    return (left, right) if left <= right else (right, left)


def _decision(same: float, merge_from: float, apart_below: float) -> Literal["merge", "unsure", "apart"]:
    if same >= merge_from:
        return "merge"
    return "apart" if same < apart_below else "unsure"


def _guaranteed(project: Project) -> tuple[float | None, float | None]:
    """The least probability of a merge under the guarantee in force, and the precision that it promises."""
    in_force = guarantee_in_force(project)
    if in_force is None or SAME not in in_force.guarantee.thresholds:
        return None, None
    return in_force.guarantee.thresholds[SAME], in_force.guarantee.precision


def _answers(project: Project, report: Report, pairs: Sequence[Pair], budget: int) -> _Answers:
    """Of the hosted model in use, and of the champion or by similarity where it is silent."""
    distinct = {pair_key(*pair): pair for pair in pairs}
    decider = hosted_in_use(project)
    if decider is None:
        return _of_champion(project, report, distinct)
    where = require_hosting(project, decider)
    recorded = _recorded(project, report, where, distinct, budget)
    spoken = {key: _Answer(same, None, decider) for key, same in recorded.by_key.items() if same is not None}
    silent = {key: pair for key, pair in distinct.items() if key not in spoken}
    if not silent:
        return _Answers(spoken, "", recorded.known, recorded.requests)
    instead = _of_champion(project, report, silent)
    unread = f"{where.name} answered what is no decision."
    reasons = {key: unread if key in recorded.by_key else recorded.failure for key in silent}
    by_key = {key: replace(one, reason=f"{reasons[key]} {one.reason}".strip()) for key, one in instead.by_key.items()}
    reason = f"{recorded.failure or unread} {instead.reason}".strip()
    return _Answers(spoken | by_key, reason, recorded.known + instead.known, recorded.requests)


def _recorded(
    project: Project, report: Report, where: Hosting, distinct: Mapping[str, Pair], budget: int
) -> RecordedAnswers:
    """What the hosted model says, and has said before; one that has ended is asked no more."""
    pairs = list(distinct.values())
    if not (ended := where.ended(datetime.now(UTC).date())):
        return record_answers(project, report, where, pairs, AskingLimits(budget, AT_ONCE))
    with project.store.reading() as cursor:
        known = known_answers(cursor, where.model, list(distinct))
    return RecordedAnswers(known, len(known), 0, ended)


def _of_champion(project: Project, report: Report, distinct: Mapping[str, Pair]) -> _Answers:
    """Of the champion beside the project's pool, or without one by similarity."""
    settings, model = project.settings(), active_model(project)
    version = f"{model}/{settings.encoder}/{project.store.one(f'select {NUMBERS}')}"
    with project.store.reading() as cursor:
        known = _known(cursor, version, list(distinct)) if model else {}
    fresh = {key: pair for key, pair in distinct.items() if key not in known}
    reason = "" if model else NO_MODEL
    before = len(known)
    if fresh:
        answers, reason = _compare(project, report, fresh, version)
        known |= answers
    by = model if model and not reason else SIMILARITY
    by_key = {key: _Answer(round(same, 6), round(alike, 6), by, reason) for key, (same, alike) in known.items()}
    return _Answers(by_key, reason, before)


def _compare(
    project: Project, report: Report, fresh: Mapping[str, Pair], version: str
) -> tuple[dict[str, tuple[float, float]], str]:
    """By key (probability, similarity), and why no model said it; what a model said is stored under the version."""
    settings, model = project.settings(), active_model(project)
    task = task_of(settings)
    params = PredictParams(
        encoder_source=encoder_source(project.models, settings.encoder),
        threads=settings.threads,
        cache=str(project.vectors / "cache"),
        model=str(project.models / model) if model else None,
        setup=task.setup(settings),
    )
    bundle = project.jobs.prepare(PREDICT_PAIRS, params)
    with project.store.reading() as cursor:
        if task.features:
            cursor.execute(f"copy ({task.features.query}) to '{quoted(bundle.path / POOL_IN)}'")
        cursor.execute(
            f"""copy (select unnest($left::varchar[]) as left_text, unnest($right::varchar[]) as right_text)
                to '{quoted(bundle.path / PAIRS_IN)}'""",
            {"left": [left for left, _ in fresh.values()], "right": [right for _, right in fresh.values()]},
        )
    result = project.jobs.run(bundle, PREDICT_PAIRS, report, "Comparing pairs")
    with project.store.reading() as cursor:
        rows = cursor.execute(f"select same, similarity from '{quoted(bundle.path / ANSWERS_OUT)}'").fetchall()
    answers = {key: (same, alike) for key, (same, alike) in zip(fresh, rows, strict=True)}
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
        if result.by_model:
            cursor.execute(
                """insert into pair_predictions
                   select $version, unnest($keys::varchar[]), unnest($same::double[]), unnest($alike::double[])""",
                {
                    "version": version,
                    "keys": list(answers),
                    "same": [same for same, _ in answers.values()],
                    "alike": [alike for _, alike in answers.values()],
                },
            )
    bundle.empty()
    return answers, result.reason


def _known(cursor: duckdb.DuckDBPyConnection, version: str, keys: list[str]) -> dict[str, tuple[float, float]]:
    rows = cursor.execute(
        "select pair, same, similarity from pair_predictions where version = ? and list_contains(?::varchar[], pair)",
        [version, keys],
    ).fetchall()
    return {pair: (same, alike) for pair, same, alike in rows}
