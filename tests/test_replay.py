"""Replay plays the real loop: its figures have the guaranteed shape, and knowing more never hides in the choice."""

import json
from pathlib import Path

import pytest

from app.cli.replay import FullScore, Gain, Replay, ReplayOptions, TuningPoint, replay_lines, run_replay, summarise
from core.errors import BadInput
from core.evaluation.gate_verdict import GateVerdict
from core.evaluation.metrics import Estimate, Metrics, Score
from core.ids import JobId, ModelId
from core.registry.retraining import Retrained
from core.simulate import Point
from core.typed_json import to_json
from tests.conftest import quiet, write_csv


def replay_options(file: Path, **changes: object) -> ReplayOptions:
    """Two strategies, two seeds, three rounds of eight."""
    from dataclasses import replace

    plain = ReplayOptions(file, ("text",), "topic", "split", ("default", "random"), 24, 8, 2)
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_replay_reports_a_curve_per_seed_and_strategy(tmp_path: Path) -> None:
    result = run_replay(replay_options(write_csv(tmp_path / "t.csv", 90), out=tmp_path / "chart.svg"), quiet)
    assert set(result.strategies) == {"default", "random"}
    for one in result.strategies.values():
        assert one.labels == [8, 16, 24]
        assert [len(curve) for curve in one.macro_f1] == [3, 3]
        assert all(0 <= value <= 1 for curve in one.macro_f1 for value in curve)
    assert result.strategies["random"].against_random == Gain(0, 0, [0, 0])
    assert 0.8 < result.full.macro_f1 <= 1
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")
    json.dumps(to_json(result))


def test_the_same_seeds_give_the_same_curves(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "t.csv", 60)
    first, second = (run_replay(replay_options(file, seeds=1, strategies=("default",)), quiet) for _ in range(2))
    assert first == second


def test_a_file_without_a_split_is_scored_on_records_held_out(tmp_path: Path) -> None:
    result = run_replay(replay_options(write_csv(tmp_path / "t.csv", 60), split=None, seeds=1), quiet)
    assert result.records == 48


def score_of(value: float) -> Score:
    estimate = Estimate(value, 0.0, 1.0)
    return Score(30, estimate, estimate, estimate)


@pytest.mark.parametrize(
    "changes", [{"strategies": ("magic",)}, {"budget": 0}, {"label": "no such column"}, {"out": Path("a.doc")}]
)
def test_what_cannot_be_replayed_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        run_replay(replay_options(write_csv(tmp_path / "t.csv", 30), **changes), quiet)


def test_labels_that_are_all_the_same_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text("text,topic\n" + "".join(f"Message {number},praise\n" for number in range(10)))
    with pytest.raises(BadInput, match="all labels in 'topic' are the same"):
        run_replay(replay_options(file, split=None), quiet)


def test_labels_to_a_target_are_counted_on_the_mean_over_seeds() -> None:
    runs = [
        [Point(labels, Metrics(gold=score_of(value))) for labels, value in zip((10, 20, 30), curve, strict=True)]
        for curve in ((0.5, 0.8, 0.95), (0.7, 0.9, 0.95))
    ]
    result = summarise(runs, 1.0, None)
    assert (result.to90, result.to95, result.to90_per_seed) == (30, 30, [30, 20])
    assert result.aulc == pytest.approx(0.8)


def test_a_replay_says_when_it_tuned_what_the_gate_said_and_what_it_brought() -> None:
    verdict = GateVerdict(ModelId("m"), passes=True, sentence="Better.", difference=Estimate(0.05, 0.01, 0.09))
    tuned = Retrained(True, 20, JobId("m"), ModelId("m"), True, verdict, ModelId("m"), "It is in use. Better.")
    metrics = [Metrics(gold=score_of(value)) for value in (0.5, 0.8)]
    curves = summarise([[Point(10, metrics[0], tuned), Point(20, metrics[1])]], 1.0, None)
    [[tuning]] = curves.tunings
    assert tuning == TuningPoint(10, True, "It is in use. Better.", 0.5, 0.8, 0.05, 0.01, 0.09)
    lines = replay_lines(Replay(FullScore(1.0), 30, {"default": curves}))
    assert "encoder tuned once, put to use once, +0.300 macro F1 by the next round" in str(lines[-1])


def test_recorded_answers_of_a_language_model_play_along(tmp_path: Path) -> None:
    file, recorded = write_csv(tmp_path / "t.csv", 90), tmp_path / "tiny.csv"
    topics = [line.rsplit(",", 2)[1] for line in file.read_text().splitlines()[1:]]
    lines = [f"r{number},{topic if number % 4 else 'nonsense'},0.9" for number, topic in enumerate(topics)]
    recorded.write_text("\n".join(["id,label,probability", *lines, "elsewhere,food,1"]) + "\n")
    options = replay_options(file, strategies=("random",), seeds=1, batch=20, budget=60, llm=recorded, id="id")
    result = run_replay(options, quiet)
    assert set(result.strategies) == {"random", "random+llm"}
    assert result.llm is not None
    assert (result.llm.model, result.llm.answers, result.llm.invalid, result.llm.unknown) == ("tiny", 90, 23, 1)
    assert result.llm.right == pytest.approx(0.75, abs=0.03)
    with pytest.raises(BadInput, match="none of its"):
        run_replay(replay_options(file, llm=recorded), quiet)
    (tmp_path / "bare.csv").write_text("name,label\nr1,food\n")
    with pytest.raises(BadInput, match="has no column 'id'"):
        run_replay(replay_options(file, llm=tmp_path / "bare.csv"), quiet)
