"""Replays a file of annotations: an oracle answers, a language model is tuned on the answers, and judged. No store."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from core.config.settings import Settings
from core.config.steps import Step, StepField
from core.extract.mapping import absent_values, ground_values
from core.extract.prepare import AnsweredRecord, PreparedExample, examples, lora_examples
from core.extract.prompts import answer_schema, messages, step_input
from core.extract.replay_job import (
    DOUBT,
    Measured,
    StepCurve,
    StepFigures,
    StepReplayParams,
    StepReplayResult,
)
from core.extract.scores import Scored, score_step
from core.language_models.answer_cache import AnswerCache
from core.language_models.requests import ChatRequest, Completion, Message
from core.models.adapters import ADAPTER
from core.models.encoders.loading import load_encoder
from core.models.heads.kind import TrainingRecords
from core.tasks.extract import EXTRACT
from core.tasks.extract_answers import Json, canonical_value, fits, value_of, values_of
from core.training.lora_job import LoraParams, write_lora_files
from core.training.trainers import LORA
from gpu_jobs.language_models.bases import SMOLLM2, find_base, user_cache
from gpu_jobs.trainers.memory import peak_memory_mb
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.extract.replay_data import ReplayData, read_replay_data
from gpu_jobs.work.language_models.local_model import LocalModel, load_model
from gpu_jobs.work.language_models.train_lora import train_lora

EXAMPLES, TOKENS, CHARACTERS = 8, 900, 3
"""of a training step: examples, tokens that are computed at once (5 MB each), and characters of a token"""
CANDIDATES = 3
"""records whose suggestion is looked at for each that DOUBT chooses"""


class _Clock:
    """Seconds of tuning and of answering, and how far all is."""

    def __init__(self, report: Progress, total: int) -> None:
        self.tuning = self.answering = 0.0
        self._report, self._total, self._done = report, total, 0

    def step(self) -> None:
        """One more part is done."""
        self._done += 1
        self._report(self._done * 1000, self._total * 1000)

    def within(self, done: int, total: int, **_: object) -> None:
        """So much of the part under way."""
        self._report(self._done * 1000 + 1000 * done // max(total, 1), self._total * 1000)


def step_replay(bundle: Path, params: StepReplayParams, report: Progress) -> StepReplayResult:
    """Tunes anew at each number of answers. Writes no file that stays."""
    data = read_replay_data(params)
    budget = min(params.budget, len(data.pool))
    answers = tuple(range(params.batch, budget + 1, params.batch))
    answers = answers if answers and answers[-1] == budget else (*answers, budget)
    parts = len(data.steps) * (1 + bool(params.few_shot) + 2 * len(answers) * len(params.strategies) * params.seeds)
    clock = _Clock(report, parts)
    base = find_base(params.base or SMOLLM2, user_cache()).folder
    model = load_model(base, None, AnswerCache(), threads=params.threads)
    untuned = _measure(data, {step.name: model for step in data.steps}, clock)
    order = np.random.default_rng(0).permutation(len(data.pool))
    classifier = _classify(params, data, [data.pool[i] for i in order], answers)  # seconds, tuning takes hours
    few_shot = None
    if params.few_shot:
        shown = [data.pool[i] for i in order[:budget]]
        few_shot = _measure(data, {step.name: model for step in data.steps}, clock, (shown, params.few_shot))
    curves = tuple(
        StepCurve(
            strategy,
            tuple(
                tuple(_play(bundle, params, data, (strategy, seed), answers, (base, model), clock))
                for seed in range(params.seeds)
            ),
        )
        for strategy in params.strategies
    )
    return StepReplayResult(
        pool=len(data.pool),
        test=len(data.test),
        answers=answers,
        untuned=untuned,
        few_shot=few_shot,
        classifier=classifier,
        curves=curves,
        faults=data.faults,
        tuning=round(clock.tuning, 1),
        answering=round(clock.answering, 1),
        memory_mb=peak_memory_mb(),
    )


def _play(  # noqa: PLR0913 - one run needs all of it
    bundle: Path,
    params: StepReplayParams,
    data: ReplayData,
    run: tuple[str, int],
    answers: Sequence[int],
    base: tuple[Path, LocalModel],
    clock: _Clock,
) -> list[Measured]:
    """One strategy with one seed: what is reached at each number of answers."""
    strategy, seed = run
    rng = np.random.default_rng([seed, 1])
    models = {step.name: base[1] for step in data.steps}
    left, chosen = list(range(len(data.pool))), list[int]()
    results = []
    for count in answers:
        size = count - len(chosen)
        picked = _choose(data, models, left, size, rng) if strategy == DOUBT else rng.permutation(left)[:size].tolist()
        chosen += picked
        left = sorted(set(left) - set(picked))
        models = {}
        for step in data.steps:
            rows = list(examples(step, [data.pool[i] for i in chosen]))
            models[step.name] = _tune(bundle, params, step, rows, (seed, base[0]), clock)
        results.append(_measure(data, models, clock))
    return results


def _tune(  # noqa: PLR0913 - one training needs all of it
    bundle: Path,
    params: StepReplayParams,
    step: Step,
    rows: Sequence[PreparedExample],
    start: tuple[int, Path],
    clock: _Clock,
) -> LocalModel:
    seed, base = start
    folder = bundle / "ckpt" / "tuning"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    write_lora_files(folder / "in", step.name, lora_examples(rows), answer_schema(step))
    values = {**params.values, "base": str(base), **(_batches(rows) if params.fit else {})}
    started = time.monotonic()
    train_lora(folder, LoraParams(LORA, values, step.name, seed, params.threads, 1), clock.within)
    clock.tuning += time.monotonic() - started
    clock.step()
    return load_model(base, folder / "out" / "model" / ADAPTER, AnswerCache(), threads=params.threads)


def _batches(rows: Sequence[PreparedExample]) -> dict[str, int]:
    """As many examples at once as TOKENS allow, and so many batches to a step that it has EXAMPLES of them."""
    longest = max(sum(len(turn["content"]) for turn in (*row.prompt, *row.completion)) for row in rows)
    size = max(1, min(EXAMPLES, TOKENS * CHARACTERS // max(longest, 1)))
    return {"batch_size": size, "accumulation": max(1, EXAMPLES // size)}


def _choose(
    data: ReplayData, models: Mapping[str, LocalModel], left: Sequence[int], size: int, rng: np.random.Generator
) -> list[int]:
    """The most doubtful of a random sample: invalid, not in the text, of low token probability."""
    sample = rng.permutation(left)[: size * CANDIDATES].tolist()
    records = [data.pool[i] for i in sample]
    doubt = np.zeros(len(records))
    known: list[dict[str, Json]] = [{} for _ in records]
    for step in data.steps:
        for row, one in enumerate(_ask(models[step.name], step, records, known)):
            value = _value(step, one)
            doubt[row] += 1 - (one.confidence or 0.0) + (value is None)
            if value is not None:
                known[row][step.name] = value
                spans, _ = ground_values({step.name: value}, records[row].fields["text"], [step])
                doubt[row] += bool(absent_values(step, value, spans))
    return [sample[i] for i in np.argsort(-doubt, kind="stable")[:size]]


def _ask(
    model: LocalModel,
    step: Step,
    records: Sequence[AnsweredRecord],
    known: Sequence[Mapping[str, Json]],
    shown: Callable[[AnsweredRecord], list[Message]] | None = None,
) -> list[Completion]:
    """known: what was predicted of each record's earlier steps. shown: examples that come before its prompt."""
    schema = answer_schema(step)
    requests = []
    for number, (record, earlier) in enumerate(zip(records, known, strict=True)):
        turns = [Message(**turn) for turn in messages(step, step_input(step, record.fields, earlier))]
        before = shown(record) if shown else []
        requests.append(ChatRequest(str(number), (*turns[:-1], *before, turns[-1]), json_schema=schema))
    return model.complete(requests, lambda done, total: None)


def _value(step: Step, completion: Completion) -> Json:
    """None where it is not valid."""
    if completion.state != "valid":
        return None
    value = canonical_value(step, completion.value)
    return value if fits(step, {"values": {step.name: value}}) else None


def _measure(
    data: ReplayData,
    models: Mapping[str, LocalModel],
    clock: _Clock,
    shots: tuple[Sequence[AnsweredRecord], int] | None = None,
) -> Measured:
    """On the test records; later steps are given what earlier ones predicted. shots: answered records, how many."""
    started, cut = time.monotonic(), 0
    known: list[dict[str, Json]] = [{} for _ in data.test]
    figures = []
    for step in data.steps:
        shown = _similar_examples(step, *shots) if shots else None
        completions = _ask(models[step.name], step, data.test, known, shown)
        cut += sum(one.state == "cut" for one in completions)
        scored = []
        for record, earlier, one in zip(data.test, known, completions, strict=True):
            value = _value(step, one)
            if value is not None:
                earlier[step.name] = value
            suggested = None if value is None else {"values": {step.name: value}}
            scored.append(Scored({"values": dict(record.values)}, suggested))
        figures.append(_figures(step, scored))
        clock.step()
    clock.answering += time.monotonic() - started
    answered = [one for one in figures if one.records]
    validity, field_f1 = (fmean(values) for values in zip(*((x.validity, x.field_f1) for x in answered), strict=True))
    return Measured(validity, field_f1, tuple(figures), cut)


def _figures(step: Step, scored: Sequence[Scored]) -> StepFigures:
    result = score_step(step, scored)
    choices = {one.path: round(one.macro_f1, 4) for one in result.fields if one.macro_f1 is not None}
    return StepFigures(
        step.name,
        result.records,
        round(result.validity.value, 4),
        round(result.exact.value, 4),
        round(result.field_f1.value, 4),
        choices,
    )


def _similar_examples(
    step: Step, answered: Sequence[AnsweredRecord], most: int
) -> Callable[[AnsweredRecord], list[Message]]:
    """Of a record the turns of its most similar answered ones, the most similar last."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = list(examples(step, answered))
    texts = {record.id: record.fields["text"] for record in answered}
    vectoriser = TfidfVectorizer(sublinear_tf=True)
    matrix = vectoriser.fit_transform([texts[row.id] for row in rows])

    def shown(record: AnsweredRecord) -> list[Message]:
        similarity = (matrix @ vectoriser.transform([record.fields["text"]]).T).toarray()[:, 0]
        nearest = np.argsort(-similarity, kind="stable")[:most][::-1]
        return [Message(**turn) for i in nearest for turn in (rows[i].prompt[-1], rows[i].completion[0])]

    return shown


def _classify(
    params: StepReplayParams, data: ReplayData, order: Sequence[AnsweredRecord], answers: Sequence[int]
) -> dict[str, tuple[float, ...]]:
    """Encoder and head on the enumerations."""
    settings = Settings(name="replay", task="extract", steps=data.steps)
    space = EXTRACT.space(EXTRACT.setup(settings))
    if not space.learns:
        return {}
    used = order[: answers[-1]]
    encoder = load_encoder(params.encoder or settings.encoder, Path(params.cache), params.threads)
    vectors = np.asarray(encoder.encode([one.fields["text"] for one in [*used, *data.test]]), np.float32)
    truth = space.encode([{"values": dict(one.values)} for one in used])
    result: dict[str, list[float]] = {}
    for count in answers:
        head = space.heads.fit(TrainingRecords(vectors[:count], truth[:count]), None)
        predicted = space.decode(space.decide(head.predict(vectors[len(used) :])))
        scored = [
            Scored({"values": dict(one.values)}, answer) for one, answer in zip(data.test, predicted, strict=True)
        ]
        for step in data.steps:
            for field in step.fields:
                if field.choices:
                    result.setdefault(field.path, []).append(_share_right(field, scored))
    return {path: tuple(values) for path, values in result.items()}


def _share_right(field: StepField, scored: Sequence[Scored]) -> float:
    """Among those whose truth answers the step; 0 without any."""
    step = field.path.partition(".")[0]
    among = [one for one in scored if step in values_of(one.truth)]
    right = [value_of(one.truth, field) == value_of(one.suggested, field) for one in among]
    return round(fmean(right), 4) if right else 0.0
