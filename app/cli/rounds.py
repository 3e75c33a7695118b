"""Commands of a round: choose, learn, both, and choose again. Each prints what came of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import (
    AuditOption,
    JsonOption,
    ProjectOption,
    SeedOption,
    SizeOption,
    StrategyOption,
    folder_of,
    run_verb,
)
from app.cli.terminal import present
from app.words import score_lines
from core.evaluation.metrics import Metrics
from core.models.feature_check import feature_sentence

if TYPE_CHECKING:
    from core.rounds.rechoosing import Rechosen
    from core.rounds.round_results import RoundSummary


def next_(
    context: typer.Context,
    size: SizeOption = None,
    strategy: StrategyOption = None,
    seed: SeedOption = None,
    audit_share: AuditOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose the next batch and queue it."""
    from core.loop import next_batch

    folder = folder_of(context, project)
    result = run_verb(folder, next_batch, size=size, strategy=strategy, seed=seed, audit_share=audit_share)
    present(result, _batch_lines, as_json=as_json)


def fit(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Learn from the labels so far, score the pool, measure."""
    from core.loop import fit

    present(run_verb(folder_of(context, project), fit), _model_lines, as_json=as_json)


def round_(
    context: typer.Context,
    size: SizeOption = None,
    strategy: StrategyOption = None,
    seed: SeedOption = None,
    audit_share: AuditOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """fit, then next."""
    from core.loop import play_round

    def lines(result: "RoundSummary") -> Iterator[str]:
        yield from _model_lines(result)
        yield from _batch_lines(result)
        if not result.queued:
            yield "Nothing was queued: every record is labelled or queued already."

    folder = folder_of(context, project)
    result = run_verb(folder, play_round, size=size, strategy=strategy, seed=seed, audit_share=audit_share)
    present(result, lines, as_json=as_json)


def rechoose(
    context: typer.Context,
    batch: Annotated[int, typer.Argument(metavar="ROUND", help="Its number.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose a past round's batch again by its seed, and say whether it is the same."""
    from core.rounds.rechoosing import rechoose

    def lines(result: "Rechosen") -> Iterator[str]:
        if result.same:
            yield f"Round {result.round}: the same {result.records} records in the same order."
        else:
            yield f"Round {result.round}: NOT the same. {result.other_records} of {result.records} records differ."

    present(run_verb(folder_of(context, project), rechoose, batch=batch), lines, as_json=as_json)


def _model_lines(result: "RoundSummary") -> Iterator[str]:
    """How many labels the head was trained on, and its scores; nothing where none was fitted."""
    if result.labels is None:
        return
    yield f"Learnt from {result.labels:,} labels in {result.seconds:.1f} s."
    if result.labels == result.labels_before:
        yield "  As many as the model before learnt from, so nothing changes."
    yield from score_lines(result.metrics or Metrics())
    if result.metrics and result.metrics.features:
        yield feature_sentence(result.metrics.features)


def _batch_lines(result: "RoundSummary") -> Iterator[str]:
    if result.batch is not None:
        test = f", {result.test} test records" if result.test else ""
        yield f"Queued {result.queued} records as batch {result.batch}, {result.audit} of them audit{test}."
        if result.recall:
            yield f"Beside them {result.recall} pairs that no search found: they measure what the candidates miss."
    elif result.test:
        yield f"Queued {result.test} test records: their answers are gold."
    for warning in result.self_test.warnings if result.self_test else ():
        yield f"Warning: {warning}"
