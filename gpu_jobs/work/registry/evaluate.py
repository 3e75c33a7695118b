"""The job that evaluates one model on records whose truth is known, or only predicts. Knows files, no store."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.arrays import Bools
from core.errors import Refused
from core.evaluation.audit import Weights, equal_weights, weigh
from core.evaluation.held_out import HeldOutPredictions, level_scores
from core.evaluation.known_truth import evaluate_predictions
from core.registry.evaluation_jobs import (
    EvaluatedFolder,
    EvaluateParams,
    EvaluateResult,
    Miss,
    Setting,
    TopAccuracy,
)
from core.tasks.choice import confidence
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.held_out import audit_records, load_arrays, read_history, subsample
from gpu_jobs.work.registry.evaluated_model import BASELINE, EvaluatedModel, open_model, part_of, some_of
from gpu_jobs.work.registry.evaluation_data import (
    Collected,
    Collector,
    Columns,
    Records,
    columns_of,
    count_training_texts,
    draw,
    records_of_file,
    records_of_project,
)
from gpu_jobs.work.registry.prediction_lines import writing_lines

MOST_WORST = 20


def evaluate(bundle: Path, params: EvaluateParams, report: Progress) -> EvaluateResult:
    """Figures of one model, and one line per record in `out` if asked.

    Raises BadInput for a file that cannot be read or has none of the model's labels, Refused where no record can be
    scored, Damaged for a model that was tampered with.
    """
    started = time.monotonic()
    setting = params.setting
    (evaluated,), records = open_all(bundle, setting, params.models, report)
    if not records.labelled and not params.write:
        raise Refused("No record has a label, so there is nothing to judge by. Name the column with --label.")
    columns = columns_of([evaluated], records, setting.names)
    retained, weights = choose_scored(bundle, setting, records, columns, [evaluated])
    gathered, done, rights = Collector(columns, [evaluated], retained), 0, list[Bools]()
    lines = params.write and writing_lines(bundle / "out" / params.write, columns, evaluated, params.top_k)
    with lines or nullcontext() as write:
        report(0, records.total)
        for chunk in records.chunks():
            done += len(chunk.texts)
            if params.labeled_only:
                chunk = part_of(chunk, np.array([labels is not None for labels in chunk.labels], np.bool_))
            predictions = evaluated.predict(chunk)
            selected = gathered.pick(chunk)
            gathered.keep(part_of(chunk, selected), [some_of(predictions, selected)])
            rights.append(gathered.newest_rights())
            if write is not None:
                write(chunk, predictions)
            scored = np.concatenate(rights)
            report(done, records.total, **({"accuracy": float(scored.mean())} if len(scored) else {}))
    notes = [*_notes(params, records, columns, retained)]
    if evaluated.name != BASELINE:
        notes += leakage_notes(count_training_texts(bundle, records), records.labelled)
    result = EvaluateResult(
        model=evaluated.name,
        on=setting.on,
        trainer=evaluated.trainer,
        multi=evaluated.multi,
        records=records.labelled if params.labeled_only else records.total,
        labelled=records.labelled,
        unknown=columns.unknown,
        labels=columns.names,
        notes=tuple(notes),
        seconds=0.0,
    )
    if records.labelled:
        result = _with_figures(result, params, gathered, weights)
    return replace(result, seconds=round(time.monotonic() - started, 3))


def open_all(
    bundle: Path, setting: Setting, models: tuple[EvaluatedFolder, ...], report: Progress
) -> tuple[list[EvaluatedModel], Records]:
    """The models, and the records to score them on. Without given labels the baseline takes those of the file."""
    work = bundle / "ckpt" / "work"
    opened = {model: open_model(model, setting, work) for model in models if model.folder}
    multi = next((model.multi for model in opened.values()), setting.multi)
    if setting.file:
        known = {
            name for names in (setting.names, *(model.names for model in opened.values())) for name in names.values()
        }
        file = replace(setting.file, known=tuple(sorted(known)))
        records = records_of_file(bundle, file, report, multi=multi, rules=setting.rules)
    else:
        records = records_of_project(bundle, setting.on, multi=multi)
    if not setting.names:
        setting = replace(setting, names={label: label for label in sorted(records.counts)})
    if len(opened) < len(models) and len(setting.names) < (1 if multi else 2):
        raise Refused(
            f"The baseline chooses among labels by their names, and there {'is one' if setting.names else 'is none'}. "
            "Name the column with --label, or add labels to the project."
        )
    return [opened.get(model) or open_model(model, setting, work) for model in models], records


def choose_scored(
    bundle: Path, setting: Setting, records: Records, columns: Columns, evaluated_models: Sequence[EvaluatedModel]
) -> tuple[Bools, Weights | None]:
    """(labelled records,) mask of those scored, and their weights; None: a simple random sample.

    A round's head alone is scored on all asked records, as on the Rounds page; else only on the audit, since models
    trained on the rest.
    """
    if setting.on != "audit":
        return draw(records, columns, len(evaluated_models), setting.seed), None
    rows, arrays = records.rows(), load_arrays(bundle / "in" / "history.npz")
    if len(evaluated_models) > 1 or not evaluated_models[0].has_out_of_fold:
        return audit_records(arrays, rows)
    sampled, weights = subsample(arrays["asked_rows"], weigh(read_history(arrays)))
    return np.isin(rows, sampled), weights


def _notes(params: EvaluateParams, records: Records, columns: Columns, retained: Bools) -> Iterator[str]:
    """What a reader must know about the records."""
    on = params.setting.on
    if not records.labelled:
        yield "No record has a label: the model only predicted, nothing is scored. Name the column with --label."
    elif records.labelled < records.total and not params.labeled_only:
        yield f"{records.total - records.labelled:,} records have no label: they are predicted, but not scored."
    if on != "audit" and retained.sum() < len(retained):
        yield (
            f"The figures rest on {retained.sum():,} of {len(retained):,} records, drawn at random; all were predicted."
        )
    yield from unknown_label_notes(columns.unknown)
    if on == "split":
        yield (
            "These records were held out of training, but they chose when it stopped, and they were picked to be "
            "learnt from: they say how training went, nothing about the pool."
        )


def _with_figures(
    result: EvaluateResult, params: EvaluateParams, gathered: Collector, weights: Weights | None
) -> EvaluateResult:
    (evaluated,), columns, collected = gathered.evaluated_models, gathered.columns, gathered.collected()
    predictions = _predictions(evaluated, columns, collected, weights or equal_weights(len(collected.truth)))
    measured = evaluate_predictions(predictions, columns.labels, columns.names, params.top_k, params.setting.seed)
    levels = level_scores(predictions, columns.labels, params.setting.lines, params.setting.seed)
    return replace(
        result,
        **vars(replace(measured.score, levels=tuple(levels))),
        top=tuple(TopAccuracy(k, estimate) for k, estimate in enumerate(measured.top, 1)),
        calibration=measured.reliability,
        confusion=measured.confusion,
        worst=tuple(_worst(predictions, columns, collected)),
        notes=(*_lacking(predictions), *result.notes),
    )


def _predictions(
    evaluated: EvaluatedModel, columns: Columns, collected: Collected, weights: Weights
) -> HeldOutPredictions:
    """Where only decisions are known of some records, certainty is the stored one, or None."""
    proposed, certainty = collected.predicted[0], collected.stated
    known, own = bool(proposed.known.all()), columns.of(evaluated)
    if known:
        certainty = confidence(proposed.outputs[:, own], proposed.predicted[:, own], several=evaluated.multi)
    return replace(
        collected.held_out(0, weights),
        outputs=proposed.outputs if known else None,
        certainty=None if np.isnan(certainty).any() else np.asarray(certainty, np.float64),
    )


def _worst(predictions: HeldOutPredictions, columns: Columns, collected: Collected) -> Iterator[Miss]:
    """The errors of which the model was most confident; where that is not known, the first ones."""
    wrong = np.flatnonzero(~predictions.right & predictions.weights.drawn)
    certainty = predictions.certainty
    if certainty is not None:
        wrong = wrong[np.argsort(-certainty[wrong], kind="stable")]
    truth, predicted = predictions.marks
    for row in wrong[:MOST_WORST].tolist():
        yield Miss(
            id=collected.ids[row],
            text=collected.texts[row],
            truth=named(truth[row], columns),
            predicted=named(predicted[row], columns),
            probability=None if certainty is None else float(certainty[row]),
        )


def named(row: Bools, columns: Columns) -> tuple[str, ...]:
    """Names of the labels in one row."""
    return tuple(columns.names[columns.labels[column]] for column in np.flatnonzero(row))


def _lacking(predictions: HeldOutPredictions) -> Iterator[str]:
    """Which figures are missing, and why, as sentences."""
    if predictions.outputs is None:
        lost = "top-k accuracy" if predictions.certainty is not None else "top-k accuracy and calibration"
        yield (
            "The model was trained on some of these records. They are scored by out-of-fold predictions, of which only "
            f"the decisions are stored: {lost} cannot be computed. Gold records give both."
        )
    truth, _ = predictions.marks
    if truth.any(axis=0).sum() == 1 and (truth.sum(axis=1) == 1).all():
        yield "All scored records have the same label, so the figures do not show how well labels are separated."


def unknown_label_notes(unknown: Mapping[str, int]) -> Iterator[str]:
    """The labels that a model cannot give, in words."""
    if unknown:
        shown = ", ".join(f"{name!r} ({count:,})" for name, count in list(unknown.items())[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        yield (
            f"The model does not know {len(unknown)} of the labels: {shown}{more}. Their records count as wrong, and "
            "each of these labels counts in macro F1."
        )


def leakage_notes(known: int, labelled: int) -> Iterator[str]:
    """A warning that models may have trained on the records that they are scored on."""
    if known:
        yield (
            f"{known:,} of the {labelled:,} labelled records stand in the project with a label. A model that learnt "
            "from them is judged too well; gold, audit or a file of new records is fair."
        )
