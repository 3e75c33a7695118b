"""Which language model's answers are suggested for a step: scores on audit and gold records, the gate, the log."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np

from core.config.steps import Step
from core.errors import BadInput, Refused
from core.evaluation.paired import Difference, paired
from core.evaluation.reporting import FEWEST, with_minus
from core.extract.prepare import find_step, find_steps
from core.extract.scores import Scored, StepScore, score_step
from core.jobs.bundle import Report
from core.labelling.generated_answers import models_in_use
from core.models.in_use import active_model
from core.project import Project
from core.registry.unseen_predictions import read_predictions, read_truth
from core.store.database import note, utc_now
from core.tasks.extract import MODELS
from core.tasks.extract_answers import right_step, values_of
from core.tasks.tasks import space_of, task_of
from core.training.trainers import LORA
from core.typed_json import to_json

HEAD = "head"
"""the plain classifier on vectors, beside the names of language models"""


@dataclass(frozen=True)
class Corrections:
    """shown: answers that stand and were given with the model's suggestion in view. changed: path of a field of the
    step -> in how many of them its value or its place in the text was changed."""

    shown: int
    changed: Mapping[str, int]


@dataclass(frozen=True)
class ModelScore:
    """model: a language model, or HEAD, which answers the enumerations alone. in_use: its answers are suggested. audit:
    records of `score` that are audit; the others are gold. inputs: step -> whose answers of it were in the prompts ->
    records. examples: that it was tuned on here, 0 for an adapter of none, None: not tuned here. corrections: what
    people changed where they saw its suggestion; on records that were chosen, so no claim rests on it."""

    model: str
    in_use: bool
    score: StepScore
    audit: int
    inputs: Mapping[str, Mapping[str, int]]
    examples: int | None = None
    corrections: Corrections = field(default_factory=lambda: Corrections(0, {}))


@dataclass(frozen=True)
class StepReport:
    """unscored: models that have answered too few measured records (FEWEST) -> how many."""

    step: str
    models: tuple[ModelScore, ...]
    unscored: Mapping[str, int]


@dataclass(frozen=True)
class StepReports:
    """measured: audit and gold records with an answer of people's."""

    steps: tuple[StepReport, ...]
    measured: int


@dataclass(frozen=True)
class StepModelChange:
    """model: whose answers are suggested now, None: nobody's. accuracy: share of measured records on which all of the
    step is right, before and after, where both were compared. outdone: enumerations in which the head is better."""

    step: str
    model: str | None
    before: str | None
    changed: bool
    sentence: str
    accuracy: Difference | None = None
    records: int = 0
    outdone: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Measured:
    """truth: record number -> settled answer. audit: of these the audit records. suggested: model -> record number ->
    answer of the step alone, None where it is not valid. inputs: as in `ModelScore`."""

    truth: Mapping[int, object]
    audit: frozenset[int]
    suggested: Mapping[str, Mapping[int, object | None]]
    inputs: Mapping[str, Mapping[str, Mapping[str, int]]]

    def scored(self, model: str) -> dict[int, Scored]:
        """Those that the model has answered."""
        return {n: Scored(self.truth[n], answer) for n, answer in self.suggested.get(model, {}).items()}


def step_report(project: Project, report: Report, *, steps: Sequence[str] = ()) -> StepReports:
    """Every model that has answered enough measured records, the best first. steps: none means all."""
    settings = project.settings()
    if not task_of(settings).steps:
        raise Refused(f"Only tasks with steps have a report by step, and this project's is {settings.task!r}.")
    chosen = find_steps(settings.steps, steps)
    heads = _head_answers(project, chosen)
    corrected = _corrected(project)
    results = []
    for number, step in enumerate(chosen):
        report("Scoring", number, len(chosen))
        results.append(_report(project, step, heads, corrected))
    measured = project.store.one("select count(*) from settled where stratum in ('audit', 'gold')")
    report("Scoring", len(chosen), len(chosen))
    return StepReports(tuple(results), measured)


def report_stamp(project: Project) -> tuple[object, ...]:
    """Changes whenever a report may."""
    return project.store.query(
        """select (select stamp from clock), (select count(*) from settled), (select max(since) from step_models),
                  (select max(made_at) from generated_answers), (select count(*) from generated_answers),
                  (select max(since) from champions), (select max(version) from taxonomies)"""
    )[0]


_Answers = Mapping[int, object | None]
"""record number -> answer"""


def _report(
    project: Project, step: Step, heads: _Answers, corrected: Sequence[tuple[list[str], Mapping[str, object]]]
) -> StepReport:
    known = _read(project, step, heads)
    in_use = model_in_use(project, step.name)
    tuned = dict(project.store.query("select id, labels from models where trainer = ?", [LORA]))
    models, unscored = [], {}
    for model in known.suggested:
        scored = known.scored(model)
        score = score_step(step, list(scored.values()))
        if score.records < FEWEST:
            unscored[model] = score.records
            continue
        audit = sum(n in known.audit and step.name in values_of(one.truth) for n, one in scored.items())
        corrections = _corrections(step, [changed for names, changed in corrected if model in names])
        inputs = known.inputs.get(model, {})
        models.append(ModelScore(model, model == in_use, score, audit, inputs, tuned.get(model), corrections))
    models.sort(key=lambda one: -one.score.field_f1.value)
    return StepReport(step.name, tuple(models), unscored)


def _corrected(project: Project) -> list[tuple[list[str], Mapping[str, object]]]:
    """(models whose suggestion was in view, what was changed of it) of each answer of which that is known."""
    rows = project.store.query(
        "select model, difference::varchar from responses_in_force where difference is not null and model is not null"
    )
    return [(model.split(MODELS), json.loads(difference)) for model, difference in rows]


def _corrections(step: Step, answers: Sequence[Mapping[str, object]]) -> Corrections:
    """answers: what was changed in each."""
    changed: dict[str, int] = {}
    for one in answers:
        paths = {path for part in one.values() if isinstance(part, Mapping) for path in part}
        for each in step.fields:
            if any(path == each.path or path in each.grounded for path in paths):
                changed[each.path] = changed.get(each.path, 0) + 1
    return Corrections(len(answers), changed)


def model_in_use(project: Project, step: str) -> str | None:
    """By the log; None where it names none."""
    with project.store.reading() as cursor:
        return models_in_use(cursor).get(step)


def _read(project: Project, step: Step, heads: _Answers) -> _Measured:
    """heads: what the head says of measured records."""
    with project.store.reading() as cursor:
        rows = cursor.execute(
            "select n, answer::varchar, stratum from settled where stratum in ('audit', 'gold') order by n"
        ).fetchall()
        truth = {n: json.loads(answer) for n, answer, _ in rows}
        suggested, inputs = _generated(cursor, step, truth)
    if heads and _answered_by_head(step):
        suggested[HEAD] = dict(heads)
    return _Measured(truth, frozenset(n for n, _, stratum in rows if stratum == "audit"), suggested, inputs)


def _generated(
    cursor: duckdb.DuckDBPyConnection, step: Step, truth: Mapping[int, object]
) -> tuple[dict[str, dict[int, object | None]], dict[str, dict[str, dict[str, int]]]]:
    suggested: dict[str, dict[int, object | None]] = {}
    inputs: dict[str, dict[str, dict[str, int]]] = {}
    for n, model, state, answer, spans, fed in cursor.execute(
        """select n, model, state, answer::varchar, spans::varchar, inputs::varchar from generated_answers
           where step = ? and n in (select n from settled where stratum in ('audit', 'gold')) order by model, n""",
        [step.name],
    ).fetchall():
        if n not in truth or state == "failed":
            continue
        valid = state == "valid" and answer is not None
        suggested.setdefault(model, {})[n] = (
            {"values": {step.name: json.loads(answer)}, "spans": json.loads(spans or "{}")} if valid else None
        )
        for name, origin in json.loads(fed or "{}").items():
            counts = inputs.setdefault(model, {}).setdefault(name, {})
            counts[origin] = counts.get(origin, 0) + 1
    return suggested, inputs


def _answered_by_head(step: Step) -> bool:
    """Has it enumerations alone?"""
    return all(each.choices for each in step.fields)


def _head_answers(project: Project, steps: Sequence[Step]) -> _Answers:
    """What the head in use says of measured records that it did not learn from; none where it answers none of the
    steps."""
    model = active_model(project)
    measured = project.store.one("select count(*) from settled where stratum in ('audit', 'gold')")
    if model is None or not measured or not any(map(_answered_by_head, steps)):
        return {}
    space = space_of(project.settings())
    with project.store.reading() as cursor:
        truth = read_truth(cursor, space)
    predictions = read_predictions(project, model, truth)
    answers = space.decode(np.asarray(predictions.answers))
    return {int(n): answer for n, answer in zip(predictions.rows, answers, strict=True)}


def step_promote(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    step: str,
    model: str,
    user: str = "local",
    reason: str | None = None,
    force: bool = False,
) -> StepModelChange:
    """The model's answers are suggested from now on, if the gate lets it pass, or by force with a reason.

    The gate: on the audit and gold records that both have answered the share that is wholly right is higher, and its 95
    % interval says so. Where no model is in use, being right at all is enough.
    """
    chosen = find_step(project.settings().steps, step)
    known, before = _read(project, chosen, _head_answers(project, [chosen])), model_in_use(project, step)
    if model == HEAD or model not in known.suggested:
        names = ", ".join(name for name in known.suggested if name != HEAD) or "none yet"
        raise BadInput(f"{model!r} has answered no audit or gold record of the step {step}; there are: {names}.")
    if force and not (reason or "").strip():
        raise BadInput("A promotion past the gate needs a reason: --reason.")
    difference, records = _compare(chosen, known, before, model)
    sentence = _sentence(step, model, before, difference, records)
    passes = difference is not None and difference.low > 0
    outdone = tuple(_outdone(chosen, known, model))
    change = StepModelChange(step, model, before, passes or force, sentence, difference, records, outdone)
    if change.changed:
        evidence = {"sentence": sentence, "records": records, "outdone": list(outdone), "forced": not passes}
        _log(project, change, user, "promoted", reason, evidence)
    return change if change.changed else StepModelChange(step, before, before, False, sentence, difference, records)


def _compare(step: Step, known: _Measured, before: str | None, model: str) -> tuple[Difference | None, int]:
    """None for too few records."""
    second = known.scored(model)
    first = known.scored(before) if before else {n: Scored(one.truth, None) for n, one in second.items()}
    both = [n for n in second if n in first and step.name in values_of(second[n].truth)]
    if len(both) < FEWEST:
        return None, len(both)
    right = [
        np.array([[right_step(step, scored[n].truth, scored[n].suggested)] for n in both], np.bool_)
        for scored in (first, second)
    ]
    return paired(np.ones_like(right[0]), right[0], right[1]).accuracy, len(both)


def _sentence(step: str, model: str, before: str | None, difference: Difference | None, records: int) -> str:
    if difference is None:
        return (
            f"Only {records} audit and gold records judge {model} on {step}, and {FEWEST} are needed: answer more, "
            f"then `rondo extract suggest --records measured --model {model}`."
        )
    whose = before or "no model"
    verdict = "" if difference.low > 0 else " It is worse." if difference.high < 0 else " That may be chance."
    return with_minus(
        f"On {records} audit and gold records {model} has {step} wholly right in {difference.second:.1%}, {whose} in "
        f"{difference.first:.1%}: {100 * difference.value:+.1f} points (95 %: {100 * difference.low:+.1f} to "
        f"{100 * difference.high:+.1f}).{verdict}"
    )


def _outdone(step: Step, known: _Measured, model: str) -> list[str]:
    """Enumerations in which the head has more records right than the model, on those that both have answered."""
    if HEAD not in known.suggested:
        return []
    ours, heads = known.scored(model), known.scored(HEAD)
    both = [n for n in ours if n in heads]
    if len(both) < FEWEST:
        return []
    by_model = score_step(step, [ours[n] for n in both])
    by_head = score_step(step, [heads[n] for n in both])
    return [
        one.path
        for one, other in zip(by_head.fields, by_model.fields, strict=True)
        if one.exact.value > other.exact.value
    ]


def step_deactivate(
    project: Project, report: Report, *, step: str, user: str = "local", reason: str | None = None
) -> StepModelChange:
    """No language model's answers are suggested for the step any more."""
    find_step(project.settings().steps, step)
    before = model_in_use(project, step)
    change = StepModelChange(step, None, before, True, f"No language model suggests {step} any more.")
    _log(project, change, user, "deactivated", reason, {})
    return change


def step_rollback(
    project: Project, report: Report, *, step: str, user: str = "local", reason: str | None = None
) -> StepModelChange:
    """Back to the model before the last promotion, or to none. Raises Refused where there was no change."""
    find_step(project.settings().steps, step)
    rows = project.store.query(
        "select model, evidence::varchar, how from step_models where step = ? order by since, rowid", [step]
    )
    history: list[tuple[str | None, str | None]] = [(None, None)]
    for model, evidence, how in rows:
        if how == "rolled back":
            history.pop()
        else:
            history.append((model, evidence))
    if len(history) < 2:
        raise Refused(f"There is nothing to roll back: no model of the step {step} was promoted.")
    former = history[-2]
    sentence = f"{former[0] or 'No model'} suggests {step}."
    change = StepModelChange(step, former[0], model_in_use(project, step), True, sentence)
    _log(project, change, user, "rolled back", reason, json.loads(former[1] or "{}"))
    return change


def _log(  # noqa: PLR0913 - what a line of the log has
    project: Project, change: StepModelChange, user: str, how: str, reason: str | None, evidence: Mapping[str, object]
) -> None:
    with project.store.transaction() as cursor:
        cursor.execute(
            "insert into step_models (since, step, user, model, how, reason, evidence) values (?, ?, ?, ?, ?, ?, ?)",
            [utc_now(), change.step, user, change.model, how, reason, json.dumps(to_json(dict(evidence)))],
        )
        note(cursor, user, f"step model {how}", {"step": change.step, "model": change.model, "reason": reason})
    project.label_queue.reload()
