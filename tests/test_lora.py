"""The trainer `lora`: what it learns from, that a kill changes nothing, what it refuses."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadInput, Damaged, Refused
from core.models.adapters import ADAPTER, AdapterFacts, LengthReport, read_adapter
from core.models.artifacts import Making, check_model, seal_model
from core.models.encoders.torch_encoder import fingerprint_of
from core.training.lora_job import LoraExample, LoraParams, LoraResult, write_lora_files
from core.typed_json import to_json
from gpu_jobs.language_models.adapters import merge_adapter, put_on, save_adapter
from gpu_jobs.language_models.bases import CausalBase, find_base
from gpu_jobs.language_models.causal import CausalModel, Generated, load_causal
from gpu_jobs.language_models.chat import load_tokenizer
from gpu_jobs.language_models.tiny import tiny_model
from gpu_jobs.trainers.lora.examples import Examples, encode_rows, hold_out, read_rows, those_that_fit
from gpu_jobs.trainers.lora.fitting import Plan, Shape, check_fit, estimate_mb, read_shape
from gpu_jobs.trainers.lora.scores import compare
from gpu_jobs.trainers.lora.tuning import TunedModel, fine_tune, make_trainer
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.language_models.train_lora import train_lora
from tests.lora_world import SCHEMA, STEP, make_data, make_lora_run, make_rows
from tests.test_causal_models import smollm2
from tests.tiny_models import unheard

pytestmark = pytest.mark.filterwarnings(  # peft asks transformers by a name that is to go
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)
BY_HEART = ("batch_size=10", "accumulation=1", "epochs=120", "learning_rate=0.02", "dropout=0", "eval_steps=60")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> CausalBase:
    folder = tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    return find_base(str(folder), folder)


@pytest.fixture(scope="module")
def tuned(tiny: CausalBase, tmp_path_factory: pytest.TempPathFactory) -> TunedModel:
    run = make_lora_run(tmp_path_factory.mktemp("run"), *BY_HEART, "patience=0")
    return fine_tune(*make_data(tiny.folder, run, make_rows(10), make_rows(10)), run)


@pytest.fixture(scope="module")
def artifact(tiny: CausalBase, tuned: TunedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    save_adapter(tuned.model, folder / ADAPTER, tiny)
    facts = AdapterFacts(tiny.name, fingerprint_of(tiny.folder), STEP, "", 3, 10, 10, LengthReport(99, 10))
    seal_model(folder, Making("lora", "", (), False, {"adapter": to_json(facts)}), None)
    return folder


def asking(row: LoraExample, text: str) -> LoraExample:
    return replace(row, prompt=({"role": "user", "content": text},))


def logits(causal: CausalModel) -> Any:
    import torch

    with torch.inference_mode():
        return causal.model.eval()(input_ids=torch.arange(30, 90)[None]).logits.float().numpy()


def test_it_learns_ten_answers_by_heart(tuned: TunedModel) -> None:
    assert tuned.before is not None
    assert tuned.after is not None
    assert tuned.before.exact == tuned.before.valid == 0
    assert (tuned.after.n, tuned.after.valid, tuned.after.exact) == (10, 10, 10)
    assert {name: score.exact for name, score in tuned.after.fields.items()} == {"doers": 10, "element": 10}


def test_an_adapter_is_the_same_when_it_is_saved_and_opened(
    tiny: CausalBase, tuned: TunedModel, artifact: Path
) -> None:
    opened = put_on(load_causal(tiny.folder, "float32"), artifact / ADAPTER)

    before = logits(CausalModel(tuned.model, opened.tokenizer, 0, tiny.folder))
    assert np.abs(logits(opened) - before).max() < 1e-4, "but for the order in which threads add"
    assert not np.allclose(logits(load_causal(tiny.folder, "float32")), logits(opened), atol=0.1)
    assert sorted(check_model(artifact)["files"]) == [
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "adapter/base.json",
        "training_info.json",
    ]
    assert str(tiny.folder) not in (artifact / ADAPTER / "adapter_config.json").read_text(encoding="utf-8")


def test_a_merged_model_answers_as_base_and_adapter_do(tiny: CausalBase, artifact: Path, tmp_path: Path) -> None:
    merge_adapter(artifact / ADAPTER, tiny, tmp_path / "merged")

    merged = find_base(str(tmp_path / "merged"), tmp_path)

    apart = put_on(load_causal(tiny.folder, "float32"), artifact / ADAPTER)
    assert np.allclose(logits(load_causal(merged.folder, "float32")), logits(apart), atol=2e-3)


def test_an_adapter_is_put_on_no_other_base(artifact: Path, tmp_path: Path) -> None:
    other = find_base(str(tiny_model(tmp_path / "other", seed=1)), tmp_path)
    with pytest.raises(BadInput, match="trained on other files"):
        put_on(load_causal(other.folder), artifact / ADAPTER)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="is no adapter of"):
        put_on(load_causal(other.folder), tmp_path / "empty")


def test_a_kill_changes_nothing(tiny: CausalBase, tmp_path: Path) -> None:
    """Dropout, several evaluations, and a second kill while a checkpoint was being written."""
    settings = (
        "batch_size=2",
        "accumulation=2",
        "epochs=4",
        "eval_steps=2",
        "learning_rate=0.01",
        "eval_examples=2",
        "patience=0",
    )

    def attempt(folder: Path, report: Progress = unheard) -> bytes:
        run = make_lora_run(folder, *settings, report=report)
        result = fine_tune(*make_data(tiny.folder, run, make_rows(8), make_rows(4)), run)
        save_adapter(result.model, folder / "adapter", tiny)
        return (folder / "adapter" / "adapter_model.safetensors").read_bytes()

    def until(step: int) -> Progress:
        def report(done: int, total: int, **figures: float) -> None:
            if done >= step:
                raise KeyboardInterrupt

        return report

    for step in (3, 7):
        with pytest.raises(KeyboardInterrupt):
            attempt(tmp_path / "stopped", until(step))
    newest = sorted((tmp_path / "stopped" / "checkpoints").glob("checkpoint-*"))[-1]
    (newest / "adapter_model.safetensors").write_bytes(b"cut short")

    again: list[int] = []
    stopped = attempt(tmp_path / "stopped", lambda done, total, **figures: again.append(done))

    assert again[0] == 3  # from the best one, of step 2: the newest, of step 6, does not open
    assert stopped == attempt(tmp_path / "whole")


@pytest.mark.parametrize("packing", ["on", "off"])
def test_answers_alone_are_learnt_packed_or_not(tiny: CausalBase, tmp_path: Path, packing: str) -> None:
    import torch

    run = make_lora_run(tmp_path, "batch_size=10", f"packing={packing}")
    causal, adapter, data = make_data(tiny.folder, run, make_rows(10))

    trainer = make_trainer(causal, adapter, data, run, Examples((), ()))

    learnt = [token for row in trainer.train_dataset["labels"] for token in row if token != -100]
    answers = [token for one in data.train.tokens for token in one.ids[one.answer :]]
    assert sorted(learnt) == sorted(answers)
    batch = trainer.data_collator([dict(row) for row in trainer.train_dataset])
    with torch.no_grad():
        loss = float(trainer.compute_loss(trainer.model.eval(), batch))
    assert loss == pytest.approx(8.7338, abs=1e-3)


def test_examples_that_are_too_long_are_reported_and_never_trained(tiny: CausalBase) -> None:
    rows = make_rows(6)
    encoded = encode_rows(load_tokenizer(tiny.folder), rows)
    rows[1] = asking(rows[1], "x" * 500)
    longest = max(len(one.ids) for one in encoded.tokens)
    examples = encode_rows(load_tokenizer(tiny.folder), rows)

    fit, lengths = those_that_fit(examples, longest - 1)

    too_long = [row.id for row, one in zip(examples.rows, examples.tokens, strict=True) if len(one.ids) >= longest]
    assert lengths.beyond == ("r1",)
    assert sorted((*lengths.cut, *lengths.beyond)) == sorted(too_long)
    assert not {row.id for row in fit.rows} & set(too_long)
    assert lengths.fits == len(fit.rows) == 6 - len(too_long)
    with pytest.raises(Refused, match="Raise max_length"):
        those_that_fit(examples, 20)


@pytest.mark.parametrize(("share", "count"), [(0.25, 40), (0.1, 100), (0.5, 12)])
def test_texts_are_held_out_whole(tiny: CausalBase, share: float, count: int) -> None:
    examples = encode_rows(load_tokenizer(tiny.folder), make_rows(count, group=3))

    train, held_out = hold_out(examples, share, 2, seed=5)

    assert not {row.group for row in train.rows} & {row.group for row in held_out.rows}
    assert sorted((*train.rows, *held_out.rows), key=lambda row: row.id) == sorted(
        examples.rows, key=lambda row: row.id
    )
    assert share * count <= len(held_out.rows) <= share * count + 3
    assert hold_out(examples, share, 2, seed=5) == (train, held_out)
    assert hold_out(examples, share, 2, seed=6)[1] != held_out
    assert hold_out(examples, share, count, seed=5)[1].rows == ()


def test_scores_count_valid_cut_and_right_fields() -> None:
    truth = [{"doers": ["Mara", "Pim"], "element": "action"}] * 5
    texts = [
        '{"element": "action", "doers": ["Pim", "Mara"]}',
        '{"doers": ["Mara"], "element": "action"}',
        '{"doers": ["Mara", "Pim"], "element": "weather"}',
        '```json\n{"doers": ["Mara", "Pim"], "element": "action"}\n```',
        '{"doers": ["Mara", "Pim"], "element": "action"}',
    ]
    answers = [Generated(text, number == 4, 9) for number, text in enumerate(texts)]

    scores = compare(answers, truth, SCHEMA, STEP)

    assert (scores.n, scores.valid, scores.cut, scores.exact) == (5, 2, 1, 1)
    assert (scores.fields["doers"].exact, scores.fields["element"].exact) == (1, 2)
    assert scores.fields["doers"].f1 == pytest.approx((1 + 2 / 3) / 5)
    assert scores.score == pytest.approx((2 / 5 + ((1 + 2 / 3) / 5 + 2 / 5) / 2) / 2)
    arrays = compare([Generated("[1]", False, 1)], [[1]], {"type": "array"}, STEP)
    assert arrays.fields[STEP].exact == 1


SMALL = Shape(parameters=10**9, linear_widths=10**6, layers=20, hidden=2_000, inner=6_000, vocabulary=100_000)


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    plan = Plan(batch_size=4, accumulation=4, tokens=2_048, r=16, weight_bytes=2.0, checkpointing=False)
    values = {"memory_check": True, "max_memory_mb": 0}
    half = Plan(batch_size=2, accumulation=8, tokens=2_048, r=16, weight_bytes=2.0, checkpointing=False)

    with pytest.raises(Refused, match="Set batch_size=2 accumulation=8"):
        check_fit(SMALL, plan, estimate_mb(SMALL, half), values)
    with pytest.raises(Refused, match="max_length=1024"):
        check_fit(SMALL, plan, estimate_mb(SMALL, half) // 3, values)
    with pytest.raises(Refused, match="smaller base"):
        check_fit(SMALL, plan, 2_000, values)
    with pytest.raises(Refused, match=r"0\.5 GB are free"):
        check_fit(SMALL, plan, 10**6, {**values, "max_memory_mb": 500})
    assert check_fit(SMALL, plan, 2_000, {**values, "memory_check": False}) == estimate_mb(SMALL, plan)


def test_the_estimate_counts_the_models_own_shape(tiny: CausalBase) -> None:
    shape = read_shape(tiny.folder)
    assert (shape.parameters, shape.layers, shape.hidden, shape.inner, shape.vocabulary) == (99_136, 2, 64, 128, 392)
    assert shape.linear_widths == 2 * (2 * 128 + 2 * 96 + 3 * 192)


def make_bundle(folder: Path, rows: Sequence[Any]) -> Path:
    for name in ("in", "out", "ckpt"):
        (folder / name).mkdir(parents=True)
    write_lora_files(folder / "in", STEP, rows, SCHEMA)
    return folder


def run_job(bundle: Path, base: Path, *, seed: int = 3, **values: Any) -> LoraResult:
    settings = {"base": str(base), "precision": "float32", "max_steps": 2, "batch_size": 2, **values}
    params = LoraParams("lora", settings, STEP, seed, 1, 1, fed={"summary": {"gold": 2, "predicted": 1}})
    return train_lora(bundle, params, unheard)


def test_a_job_leaves_an_artifact_with_its_lineage(tiny: CausalBase, tmp_path: Path) -> None:
    rows = make_rows(12, group=2)
    rows[4] = asking(rows[4], "x" * 900)

    result = run_job(make_bundle(tmp_path / "bundle", rows), tiny.folder, max_length=200, fewest_held_out=2)

    model = tmp_path / "bundle" / "out" / "model"
    facts = read_adapter(model)
    assert check_model(model)["trainer"] == "lora"
    assert (facts.base, facts.base_hash, facts.step) == ("tiny", fingerprint_of(tiny.folder), STEP)
    assert facts.examples + facts.held_out == 11
    assert facts.held_out == 2
    assert facts.fed == {"summary": {"gold": 2, "predicted": 1}}
    assert facts.before is not None
    assert facts.after is not None
    assert result.adapter is not None
    assert result.adapter.lengths.beyond == ("r4",)
    assert "r4" in result.remark
    assert "r4" not in (model / "training_info.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in (model / "training_info.json").read_text(encoding="utf-8")
    assert result.metrics.held_out is not None
    assert result.labels == facts.examples


def test_rows_that_are_none_are_named_by_their_line(tiny: CausalBase, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", make_rows(3))
    path = bundle / "in" / f"{STEP}_train.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"id": "x", "prompt": [\n', encoding="utf-8")
    with pytest.raises(BadInput, match="line 4"):
        read_rows(bundle / "in", STEP)
    with pytest.raises(BadInput, match="'other' cannot be read"):
        read_rows(bundle / "in", "other")
    with pytest.raises(Damaged, match="is no adapter"):
        read_adapter(tmp_path)


def test_the_embedded_model_learns_from_a_few_tokens(tmp_path: Path) -> None:
    losses: list[float] = []
    base = CausalBase("SmolLM2", smollm2())
    run = make_lora_run(
        tmp_path,
        *("batch_size=2", "accumulation=1", "max_steps=3", "epochs=3", "learning_rate=0.002", "warmup_steps=0"),
        report=lambda done, total, **figures: losses.append(figures["loss"]) if "loss" in figures else None,
    )
    causal, adapter, data = make_data(base.folder, run, make_rows(2))
    assert data.train.longest < 90

    result = fine_tune(causal, adapter, data, run)

    assert losses[-1] < losses[0] / 2
    save_adapter(result.model, tmp_path / "adapter", base)
    names = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))["target_modules"]
    assert names == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
