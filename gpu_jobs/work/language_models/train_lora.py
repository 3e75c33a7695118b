"""Tunes a language model for one step: the rows, the base, the adapter, its scores and lineage, as an artifact."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.evaluation.metrics import Metrics, Score
from core.evaluation.scores import interval
from core.jobs.code_version import library_versions
from core.models.adapters import ADAPTER, AdapterFacts, AnswerScores, LengthReport
from core.models.artifacts import Making, seal_model
from core.models.encoders.torch_encoder import fingerprint_of, multiplies_bfloat16
from core.store.whole_files import sha256_of
from core.training.lora_job import BASE, LoraParams, LoraResult, rows_file
from core.training.trainers import TRAINERS
from core.typed_json import to_json
from gpu_jobs.language_models.adapters import save_adapter
from gpu_jobs.language_models.bases import CausalBase, find_base
from gpu_jobs.language_models.chat import load_tokenizer
from gpu_jobs.trainers.callbacks import evaluations
from gpu_jobs.trainers.device import say_device
from gpu_jobs.trainers.lora.examples import encode_rows, hold_out, read_rows, those_that_fit
from gpu_jobs.trainers.lora.fitting import Plan, check_fit, free_mb, read_shape
from gpu_jobs.trainers.lora.loading import four_bit, has_unsloth, load_for_tuning
from gpu_jobs.trainers.lora.tuning import StepData, TunedModel, fine_tune, packs
from gpu_jobs.trainers.memory import memory_limit, peak_memory_mb
from gpu_jobs.trainers.trainer_types import Progress, TrainingRun

SHOWN = 5
"""ids in a sentence"""


def train_lora(bundle: Path, params: LoraParams, report: Progress) -> LoraResult:
    """Leaves the adapter in `out/model`. An attempt that was killed goes on from its newest complete checkpoint.

    Raises BadInput for a base or rows that cannot be used, Refused for too few examples or too little memory.
    """
    started = time.monotonic()
    run = _run(bundle, params, report)
    if has_unsloth():
        import unsloth  # noqa: F401 - it changes transformers, so it comes before it
    say_device(params.trainer, params.threads)
    base = _find_base(bundle, run)
    rows, schema = read_rows(bundle / "in", params.step)
    examples, lengths = those_that_fit(encode_rows(load_tokenizer(base.folder), rows), _longest(base, run))
    share, fewest = float(run.values["test_size"]), int(run.values["fewest_held_out"])
    data = StepData(params.step, schema, *hold_out(examples, share, fewest, run.seed))
    estimate = _check_memory(base, data, run)
    print(f"{_lengths_in_words(lengths)} About {estimate:,} MB of memory are needed.", flush=True)  # noqa: T201 - its log
    with memory_limit(int(run.values["max_memory_mb"])):
        causal, adapter = load_for_tuning(base.folder, run)
        tuned = fine_tune(causal, adapter, data, run)
    folder = bundle / "out" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    save_adapter(tuned.model, folder / ADAPTER, base)
    facts = AdapterFacts(
        base=base.name,
        base_hash=fingerprint_of(base.folder),
        step=params.step,
        rows_hash=sha256_of(bundle / "in" / rows_file(params.step)),
        seed=run.seed,
        examples=len(data.train.rows),
        held_out=len(data.held_out.rows),
        lengths=lengths,
        values={**run.values, "base": base.name},
        fed=params.fed,
        before=tuned.before,
        after=tuned.after,
        steps=tuned.state.global_step,
        best_step=tuned.state.best_global_step or tuned.state.global_step,
    )
    seconds, memory = round(time.monotonic() - started, 3), peak_memory_mb()
    history = {"evaluations": evaluations(tuned.state.log_history)}
    info = _info(params, facts) | history | {"seconds": seconds, "memory_mb": memory, "memory_estimate_mb": estimate}
    seal_model(folder, Making(params.trainer, "", (), False, info), None)
    return LoraResult(
        metrics=_metrics(tuned),
        labels=facts.examples,
        seconds=seconds,
        memory_mb=memory,
        own_encoder=False,
        has_head=False,
        remark=_remark(facts),
        adapter=facts,
    )


def _run(bundle: Path, params: LoraParams, report: Progress) -> TrainingRun:
    work = bundle / "ckpt" / "work"
    work.mkdir(parents=True, exist_ok=True)
    defaults = {name: parameter.default for name, parameter in TRAINERS[params.trainer].parameters.items()}
    return TrainingRun(
        values={**defaults, **params.values},
        base="",
        cache=Path(params.cache or bundle.parent / "cache"),
        work=work,
        checkpoints=bundle / "ckpt",
        seed=params.seed,
        threads=params.threads,
        report=report,
    )


def _find_base(bundle: Path, run: TrainingRun) -> CausalBase:
    """The carried one where it was a folder of the machine that the job comes from."""
    name, carried = str(run.values["base"]), bundle / "in" / BASE
    if carried.is_dir():
        return CausalBase(Path(name).name, find_base(str(carried), run.cache).folder)
    return find_base(name, run.cache, download=bool(run.values["download"]))


def _longest(base: CausalBase, run: TrainingRun) -> int:
    """Tokens that an example may have: no more than the model has positions for."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(base.folder, local_files_only=True).get_text_config()
    most = int(run.values["max_length"])
    return min(most, int(getattr(config, "max_position_embeddings", most) or most))


def _check_memory(base: CausalBase, data: StepData, run: TrainingRun) -> int:
    """The estimate in MB. Raises Refused with advice."""
    import torch

    values = run.values
    narrow = values["precision"] == "bfloat16" or (values["precision"] == "auto" and multiplies_bfloat16())
    longest = max(data.train.longest, data.held_out.longest)
    total = sum(len(one.ids) for one in data.train.tokens)
    plan = Plan(
        batch_size=min(int(values["batch_size"]), len(data.train.rows)),
        accumulation=int(values["accumulation"]),
        tokens=min(int(values["max_length"]), total) if packs(values) else longest,
        r=int(values["r"]),
        weight_bytes=0.56 if four_bit(values) else 2 if narrow else 4,
        checkpointing=torch.cuda.is_available(),
    )
    return check_fit(read_shape(base.folder), plan, free_mb(), values)


def _info(params: LoraParams, facts: AdapterFacts) -> dict[str, Any]:
    """Counts and no texts: it goes out with the model. The ids of examples left out stay in the job's result."""
    return {
        "trainer": params.trainer,
        "base": facts.base,
        "values": facts.values,
        "seed": facts.seed,
        "adapter": to_json(replace(facts, lengths=replace(facts.lengths, cut=(), beyond=()))),
        "records": facts.examples + facts.held_out,
        "left_out": {"answer cut": len(facts.lengths.cut), "answer beyond": len(facts.lengths.beyond)},
        "training_records": facts.examples,
        "validation_records": facts.held_out,
        "taxonomy": params.taxonomy,
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "versions": library_versions(),
    }


def _metrics(tuned: TunedModel) -> Metrics:
    """A whole answer being right, on held-out examples. They chose the checkpoint: it monitors training alone."""
    if tuned.after is None or not tuned.after.n:
        return Metrics()
    n = tuned.after.n
    return Metrics(held_out=Score(n, interval(tuned.after.exact / n, n)))


def _remark(facts: AdapterFacts) -> str:
    """What it learnt from, and base against tuned, in sentences."""
    lines = [_lengths_in_words(facts.lengths)]
    if facts.before is None or facts.after is None:
        lines.append("No example was held out, so it has no score: answer more, or lower fewest_held_out.")
    else:
        lines.append(f"On {facts.after.n:,} held-out examples: {_compared(facts.before, facts.after)}.")
    return " ".join(lines)


def _compared(before: AnswerScores, after: AnswerScores) -> str:
    parts = [f"valid {after.valid} (base {before.valid})", f"wholly right {after.exact} (base {before.exact})"]
    for name, score in after.fields.items():
        base = before.fields.get(name)
        parts.append(f"{name} {score.exact} of {score.n} (base {base.exact if base else 0})")
    return ", ".join(parts)


def _lengths_in_words(lengths: LengthReport) -> str:
    """Which examples are left out because they are too long."""

    def some(ids: tuple[str, ...]) -> str:
        return ", ".join(ids[:SHOWN]) + (" ..." if len(ids) > SHOWN else "")

    parts = [f"{lengths.fits:,} examples fit, the longest has {lengths.longest:,} tokens."]
    if lengths.cut:
        parts.append(f"Left out, for their answer would be cut: {len(lengths.cut):,} ({some(lengths.cut)}).")
    if lengths.beyond:
        parts.append(f"Left out, for their answer lies beyond: {len(lengths.beyond):,} ({some(lengths.beyond)}).")
    return " ".join(parts)
