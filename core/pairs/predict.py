"""The verb that says of any two texts whether they are the same: by the model in use, or without one."""

import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from core.auto_label.guarantees import guarantee_in_force
from core.data.file_import import import_file
from core.data.ledger import normalise
from core.errors import BadInput, Refused
from core.jobs.bundle import Report
from core.models.encoders.loading import encoder_source
from core.models.in_use import active_model
from core.pairs.predict_job import ANSWERS_OUT, NO_MODEL, PAIRS_IN, POOL_IN, PREDICT_PAIRS, PredictParams
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
    """What is said of a pair. probability: that the two are the same. by: a model's id, or SIMILARITY."""

    decision: Literal["merge", "unsure", "apart"]
    probability: float
    similarity: float
    by: str


@dataclass(frozen=True)
class PairPredictions:
    """In the order of the pairs. merge_from, apart_below: probabilities that decided. guarantee: the share of merges
    that is right at least, None where nothing is guaranteed. reason: why no model said it, else empty. known: pairs
    that were answered before, by the same model on the same pool. new_records: unsure pairs that people are asked about
    from now on."""

    predictions: tuple[PairPrediction, ...]
    model: str | None
    merge_from: float
    apart_below: float
    guarantee: float | None
    reason: str
    known: int
    new_records: int
    seconds: float


def predict_pairs(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    pairs: Sequence[Sequence[str]],
    auto_above: float = AUTO_ABOVE,
    drop_below: float = DROP_BELOW,
    keep_unsure: bool = False,
) -> PairPredictions:
    """Each pair is (text, text), a record's fields one below the other as the project has them; (a, b) is (b, a).

    Under a guarantee nothing is merged below the probability that it rests on. Without a model in use the similarity
    decides, and every answer says so. keep_unsure: such pairs become records of the project, for people to decide.
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
    model = active_model(project)
    answers, reason, known = _answers(project, report, checked, model)
    by = model if model and not reason else SIMILARITY
    predictions = tuple(
        PairPrediction(_decision(same, merge_from, drop_below), round(same, 6), round(alike, 6), by)
        for same, alike in (answers[_key(pair)] for pair in checked)
    )
    return PairPredictions(
        predictions=predictions,
        model=model if by == model else None,
        merge_from=merge_from,
        apart_below=drop_below,
        guarantee=guaranteed if by == model else None,
        reason=reason,
        known=known,
        new_records=_keep(project, report, _unsure(pairs, predictions)) if keep_unsure else 0,
        seconds=round(time.monotonic() - started, 3),
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
        return import_file(project, report, file=str(path), left=["left"], right=["right"]).added


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


def _answers(
    project: Project, report: Report, pairs: Sequence[Pair], model: str | None
) -> tuple[dict[str, tuple[float, float]], str, int]:
    """By key (probability, similarity); why no model said it; how many were known."""
    settings = project.settings()
    version = f"{model}/{settings.encoder}/{project.store.one(f'select {NUMBERS}')}"
    distinct = {_key(pair): pair for pair in pairs}
    with project.store.reading() as cursor:
        known = _known(cursor, version, list(distinct)) if model else {}
    fresh = [pair for key, pair in distinct.items() if key not in known]
    if not fresh:
        return known, "" if model else NO_MODEL, len(known)
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
            {"left": [left for left, _ in fresh], "right": [right for _, right in fresh]},
        )
    result = project.jobs.run(bundle, PREDICT_PAIRS, report, "Comparing pairs")
    with project.store.reading() as cursor:
        rows = cursor.execute(f"select same, similarity from '{quoted(bundle.path / ANSWERS_OUT)}'").fetchall()
    answers = {_key(pair): (same, alike) for pair, (same, alike) in zip(fresh, rows, strict=True)}
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
    return known | answers, result.reason, len(known)


def _known(cursor: duckdb.DuckDBPyConnection, version: str, keys: list[str]) -> dict[str, tuple[float, float]]:
    rows = cursor.execute(
        "select pair, same, similarity from pair_predictions where version = ? and list_contains(?::varchar[], pair)",
        [version, keys],
    ).fetchall()
    return {pair: (same, alike) for pair, same, alike in rows}


def _key(pair: Pair) -> str:
    """No text is kept."""
    return hashlib.sha256("\0".join(map(normalise, pair)).encode()).hexdigest()[:32]
