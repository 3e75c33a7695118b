"""A language model's suggestions for steps: requests, answers that are checked, grounded and stored."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from core.config.steps import Step
from core.errors import BadInput, Refused
from core.extract.mapping import absent_values, ground_values
from core.extract.prepare import CORRECTED, GOLD, PREDICTED, find_steps, record_fields
from core.extract.prompts import StepInput, answer_schema, messages
from core.ids import ModelId, RecordNo
from core.jobs.bundle import Report
from core.labelling.generated_answers import GeneratedRow, store_generated
from core.language_models.generation import (
    Generation,
    ModelChoice,
    chosen_model,
    generate,
    planned,
    require_allowed,
    require_answers,
)
from core.language_models.requests import ChatRequest, Completion, Message
from core.language_models.spending import Estimate
from core.models.adapters import ADAPTER
from core.models.hosted_models import hosting
from core.project import Project
from core.registry.adapter_export import adapter_facts, base_of
from core.rounds.champion_log import reorder
from core.tasks.extract_answers import Json, canonical, canonical_value, faults, spans_of, values_of
from core.tasks.tasks import task_of

WAITING, MEASURED, ALL = "waiting", "measured", "all"
_RECORDS = {
    WAITING: "select n from queue where n not in (select n from settled)",
    MEASURED: "select n from settled where stratum in ('audit', 'gold')",
    ALL: """select n from records where duplicate_of is null and n not in (select n from settled)
        and n not in (select o.n from left_out o where o.step = 'clean')""",
}
"""which records -> SQL of their numbers"""
MOST, MOST_SAMPLES = 100_000, 20
TEMPERATURE, SAMPLE = 0.8, "#"
"""of answers that are drawn; what stands before their number in an id"""


@dataclass(frozen=True)
class StepSuggestions:
    """states: how many answers are valid, invalid, cut, refused, failed. known: records that this model had answered
    before. ungrounded: values that should be in the text and are not. seconds, tokens: of the job. failure: of the
    first answer that failed, or empty."""

    step: str
    model: str
    requested: int
    known: int
    states: Mapping[str, int]
    ungrounded: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class SuggestedSteps:
    """plan: of a dry run, by step; then nothing was requested."""

    steps: tuple[StepSuggestions, ...] = ()
    plan: Mapping[str, Estimate] | None = None


def suggest_steps(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    steps: Sequence[str] = (),
    model: str = "",
    url: str = "",
    on: str = "local",
    records: Sequence[str] = (WAITING, MEASURED),
    most: int = 1000,
    again: bool = False,
    doubtful_first: bool = False,
    samples: int = 0,
    dry_run: bool = False,
) -> SuggestedSteps:
    """What a model says of the steps, in their order, for records that it has not answered yet.

    steps: none means all. model: an adapter of the registry, a model at `url`, a folder, or an embedded one; none: the
    settings' one. records: WAITING in the queue, MEASURED (audit and gold), ALL of the pool. again: those that it has
    answered, too. doubtful_first: those that wait change places, so that people see first what is not valid, not in the
    text, or of low confidence. samples: so many more answers to each, drawn at TEMPERATURE; the confidence is then the
    share of them that say the same, else the mean probability of the tokens. dry_run: what it would take, nothing else.
    """
    settings = project.settings()
    if not task_of(settings).steps:
        raise Refused(f"Only tasks with steps are suggested step by step, and this project's is {settings.task!r}.")
    if unknown := [name for name in records if name not in _RECORDS]:
        raise BadInput(f"There are no records {unknown[0]!r}; there are {', '.join(_RECORDS)}.")
    if not 1 <= most <= MOST or not 0 <= samples <= MOST_SAMPLES:
        raise BadInput(
            f"most is {most:,} and samples {samples}; there may be 1 to {MOST:,} records, and up to {MOST_SAMPLES} "
            "more answers to each."
        )
    chosen = find_steps(settings.steps, steps)
    named = [(step, *model_for(project, step, model, url, on)) for step in chosen]
    for _, choice, _ in named:
        require_allowed(settings, choice)
    results: list[StepSuggestions] = []
    plan: dict[str, Estimate] = {}
    for step, choice, name in named:
        with project.store.reading() as cursor:
            inputs = step_inputs(cursor, step, records, most)
            known = set() if again else _answered(cursor, step, name)
        fresh = {n: one for n, one in inputs.items() if n not in known}
        requests = [sample for n, one in fresh.items() for sample in request(step, n, one.prompt, samples)]
        if dry_run:
            plan[step.name] = planned(project, choice, requests)
            continue
        generation = generate(project, report, choice, requests, f"suggest {step.name}")
        rows = _rows(step, name, fresh, generation.completions)
        with project.store.transaction() as cursor:
            store_generated(cursor, rows)
        results.append(_summary(step, name, generation, rows, len(inputs) - len(fresh)))
        require_answers(generation)
    if results:
        if doubtful_first:
            _order_by_doubt(project, {step.name: (step, name) for step, _, name in named})
        project.label_queue.reload()
    return SuggestedSteps(tuple(results), plan if dry_run else None)


def model_for(project: Project, step: Step, model: str, url: str, on: str) -> tuple[ModelChoice, str]:
    """What answers a step, and the name under which its answers are stored.

    Raises BadInput for an adapter of another step.
    """
    if model and not url and (hosted := hosting(project, ModelId(model))):
        return ModelChoice(hosted.name, hosted.base_url or hosted.provider), model
    if model and not url and project.store.one("select count(*) from models where id = ?", [model]):
        facts, base = adapter_facts(project, ModelId(model)), base_of(project, ModelId(model))
        if facts.step != step.name:
            raise BadInput(f"{model} answers the step {facts.step!r}, not {step.name!r}.")
        return ModelChoice(base, "", str(project.models / model / ADAPTER), on), model
    choice = chosen_model(project.settings(), model, url)
    choice = ModelChoice(choice.model, choice.url, choice.adapter, on)
    return choice, choice.name


@dataclass(frozen=True)
class RecordInput:
    """prompt: what it is made of. origins: step -> whose answer of it is in the prompt."""

    record_no: RecordNo
    text: str
    prompt: StepInput
    origins: Mapping[str, str]


def step_inputs(
    cursor: duckdb.DuckDBPyConnection, step: Step, records: Sequence[str], most: int
) -> dict[RecordNo, RecordInput]:
    """The records with what the step's prompt needs of them, at most so many; those that wait longest first.

    A needed step's answer is people's where the record is settled, but a model's for records that measure: they are to
    say how good the model is where nobody has answered.
    """
    parts = [f"select n, {number} as rank from ({_RECORDS[name]})" for number, name in enumerate(records)]
    rows = cursor.execute(
        f"""select r.n, r.text, r.fields::varchar, r.meta::varchar, s.answer::varchar, s.stratum,
                   (select list([g.step, g.answer::varchar] order by g.made_at) from generated_answers g
                    where g.n = r.n and g.state = 'valid')
            from (select n, min(rank) as rank from ({" union all ".join(parts)}) group by n) join records r using (n)
            left join settled s using (n) order by rank, n limit ?""",
        [most],
    ).fetchall()
    result: dict[RecordNo, RecordInput] = {}
    for n, text, fields, meta, answer, stratum, generated in rows:
        predicted = {name: json.loads(value) for name, value in generated or ()}
        settled = values_of(json.loads(answer)) if answer and stratum not in ("audit", "gold") else {}
        answers: dict[str, Json] = {}
        origins = {}
        for name in step.needs:
            if name in settled:
                answers[name], origins[name] = settled[name], GOLD if stratum == "file" else CORRECTED
            elif name in predicted:
                answers[name], origins[name] = predicted[name], PREDICTED
        result[RecordNo(n)] = RecordInput(
            RecordNo(n), text, StepInput(record_fields(text, fields, meta), answers), origins
        )
    return result


def _answered(cursor: duckdb.DuckDBPyConnection, step: Step, model: str) -> set[int]:
    """Whom this model has answered; what failed is tried again."""
    query = "select n from generated_answers where step = ? and model = ? and state <> 'failed'"
    return {n for (n,) in cursor.execute(query, [step.name, model]).fetchall()}


def request(step: Step, record_no: RecordNo, prompt: StepInput, samples: int = 0) -> list[ChatRequest]:
    """To a language model: the likeliest answer, whose id is the record's number, and so many others."""
    turns = tuple(Message(**turn) for turn in messages(step, prompt))
    first = ChatRequest(str(record_no), turns, json_schema=answer_schema(step), logprobs=True)
    return [
        first,
        *(
            replace(first, id=f"{record_no}{SAMPLE}{seed}", temperature=TEMPERATURE, seed=seed)
            for seed in range(1, samples + 1)
        ),
    ]


def _rows(
    step: Step, model: str, records: Mapping[RecordNo, RecordInput], completions: Sequence[Completion]
) -> list[GeneratedRow]:
    """A row for each record, of its likeliest answer."""
    others: dict[str, list[Json]] = {}
    for one in completions:
        number, sample, _ = one.id.partition(SAMPLE)
        if sample:
            others.setdefault(number, []).append(canonical_value(step, one.value) if one.state == "valid" else None)
    rows = []
    for one in completions:
        if SAMPLE not in one.id:
            row = generated_row(step, model, records[RecordNo(int(one.id))], one)
            if drawn := others.get(one.id):
                same = sum(value is not None and value == canonical_value(step, row.answer) for value in drawn)
                row = replace(row, confidence=same / len(drawn))
            rows.append(row)
    return rows


def generated_row(step: Step, model: str, record: RecordInput, completion: Completion) -> GeneratedRow:
    """As it is stored: checked against the step's own schema once more, and grounded."""
    state, value, spans = completion.state, completion.value, None
    if state == "valid":
        value = canonical_value(step, value)
        if faults(step, value):
            state, value = "invalid", None
        else:
            located, _ = ground_values({step.name: value}, record.text, [step])
            answer = canonical({"values": {step.name: value}, "spans": located})
            value, spans = values_of(answer)[step.name], spans_of(answer)
    return GeneratedRow(
        record_no=record.record_no,
        step=step.name,
        model=model,
        state=state,
        answer=value if state == "valid" else None,
        spans=spans,
        confidence=completion.confidence,
        inputs=record.origins,
        raw=completion.text,
        tokens_in=completion.tokens_in,
        tokens_out=completion.tokens_out,
        cost=completion.cost,
        seconds=completion.seconds,
    )


def _order_by_doubt(project: Project, models: Mapping[str, tuple[Step, str]]) -> None:
    """models: step -> itself, and whose answers count."""
    doubt: dict[int, float] = {}
    with project.store.transaction() as cursor:
        for step, model in models.values():
            for n, state, confidence, answer, spans in cursor.execute(
                """select n, state, confidence, answer::varchar, spans::varchar from generated_answers
                   where step = ? and model = ? and n not in (select n from settled)""",
                [step.name, model],
            ).fetchall():
                value, located = json.loads(answer or "null"), json.loads(spans or "{}")
                absent = absent_values(step, value, located)
                doubt[n] = doubt.get(n, 0.0) + (state != "valid") + 1 - (confidence or 0.0) + bool(absent)
        cursor.execute("create or replace temp table ranked (n bigint, score double)")
        if doubt:
            cursor.executemany("insert into ranked values (?, ?)", [list(pair) for pair in doubt.items()])
        reorder(cursor)


def _summary(
    step: Step, model: str, generation: Generation, rows: Sequence[GeneratedRow], known: int
) -> StepSuggestions:
    result = generation.result
    return StepSuggestions(
        step.name,
        model,
        len(rows),
        known,
        dict(Counter(row.state for row in rows)),
        sum(len(absent_values(step, row.answer, row.spans)) for row in rows),
        result.tokens_in if result else 0,
        result.tokens_out if result else 0,
        result.cost if result else None,
        result.seconds if result else 0.0,
        result.failure if result else "",
    )
