"""`rondo replay --task extract`: a language model is tuned on a file's answers and judged, with a tiny one."""

import json
from pathlib import Path

import pytest

from gpu_jobs.language_models.tiny import tiny_model
from tests.command_line import rondo

STEPS = """
[[steps]]
name = "animal"
instruction = "Animal? {text}"
[steps.output]
type = "object"
required = ["kind"]
[steps.output.properties.kind]
type = "string"
enum = ["cat", "dog"]
[map]
id = "id"
split = "split"
[map.values]
"animal.kind" = "label"
"""


@pytest.mark.long
def test_a_replay_says_what_tuning_gains_over_the_untuned_model_and_the_plain_classifier(tmp_path: Path) -> None:
    steps, file = tmp_path / "steps.toml", tmp_path / "animals.jsonl"
    steps.write_text(STEPS)
    with file.open("w") as lines:
        for n in range(24):
            kind = ("cat", "dog")[n % 2]
            row = {"id": n, "text": f"{kind} {n}", "label": kind, "split": "test" if n < 6 else "train"}
            lines.write(json.dumps(row) + "\n")
        lines.write(json.dumps({"id": 99, "text": "cow", "label": "cow", "split": "train"}) + "\n")
    words = ("replay", file, "--task", "extract", "--steps", steps, "--budget", "12", "--batch", "6")
    more = ("--base", tiny_model(tmp_path / "tiny"), "--strategies", "random,doubt", "--set", "max_steps=3")
    result = json.loads(rondo(*words, *more, "--json"))
    assert (result["records"], result["test"], result["faults"], result["answers"]) == (18, 6, 1, [0, 6, 12])
    assert set(result["strategies"]) == {"random", "doubt"}
    for curves in result["strategies"].values():
        assert curves["labels"] == [0, 6, 12]
        assert all(len(curve) == 3 for curve in curves["field_f1"])
        assert curves["validity"] == [[1.0, 1.0, 1.0]], "two choices always end"
    assert result["field_f1"] == result["strategies"]["random"]["field_f1"][0][-1]
    assert len(result["classifier"]["animal.kind"]) == 2
    assert result["untuned"]["steps"][0]["records"] == 6


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "Which steps"),
        (("--steps", "nowhere.toml"), "no template of that name"),
        (("--steps", "fairytale_questions", "--strategies", "margin"), "no strategy 'margin' for steps"),
        (("--steps", "fairytale_questions", "--budget", "0"), "--budget is 0"),
    ],
)
def test_a_replay_that_cannot_be_is_refused_at_once(words: tuple[str, ...], why: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "setting", "answer": "b", "split": "train"}\n')
    assert why in rondo("replay", tmp_path / "a.jsonl", "--task", "extract", *words, code=2)
