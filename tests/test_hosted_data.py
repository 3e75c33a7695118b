"""Decided pairs as training data: who is an example, the prompt, the counts, the files, the price."""

import csv
import io
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput, Refused
from core.hosted.prices import estimate_price
from core.hosted.shutdowns import announced_end, base_notice, shutdown_notice
from core.hosted.training_data import Statistics, as_text, few_examples, require_enough
from core.pairs.training_examples import (
    LONGEST,
    DecidedPair,
    decided_pairs,
    mark_partial,
    prompt,
    training_examples,
)
from core.project import Project
from core.training.hosted import training_data
from tests.conftest import quiet
from tests.hosted_world import pairs_project as pairs_project  # a fixture

PAIRS = [
    DecidedPair("red pen", "pen, red", True),
    DecidedPair("red pen", "blue\npen", False),
    DecidedPair("gold", "GOLD", True, stratum="gold"),
]


def test_what_measures_models_is_no_example_nor_is_the_same_pair_the_other_way_round() -> None:
    data = training_examples([*PAIRS, DecidedPair("GOLD", "gold", True)])
    assert data.statistics == Statistics(1, 1, 0, held_back=2)
    assert not any("gold" in message.content for example in data.examples for message in example.messages)


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_prompt_is_the_same_whichever_side_is_left(left: str, right: str) -> None:
    assert prompt(left, right) == prompt(right, left)


def test_an_example_begins_with_the_prompt_that_inference_sends() -> None:
    example = training_examples(PAIRS).examples[1]
    assert example.messages[:-1] == prompt("red pen", "blue\npen")
    assert [message.role for message in example.messages] == ["system", "user", "assistant"]
    assert json.loads(example.messages[-1].content) == {"same": False}


def test_a_text_of_a_hundred_kilobytes_is_cut_and_counted() -> None:
    data = training_examples([DecidedPair("x" * 100_000, "y", True)])
    assert data.statistics.cut == 1
    assert len(data.examples[0].messages[1].content) < LONGEST + 100


def test_a_merge_is_partial_where_a_third_of_the_group_was_kept_apart() -> None:
    group = [DecidedPair("a", "b", True), DecidedPair("b", "c", False), DecidedPair("a", "c", False)]
    alone = [DecidedPair("d", "e", True), DecidedPair("e", "f", False)]
    assert [pair.partial for pair in mark_partial([*group, *alone])] == [True, False, False, False, False]
    assert [
        pair.partial for pair in mark_partial([DecidedPair(left, right, True) for left, right in ("ab", "bc", "ac")])
    ] == [False] * 3
    assert training_examples(mark_partial(group)).statistics == Statistics(0, 2, 1)


def test_chats_are_lines_of_json_as_openai_has_them() -> None:
    lines = as_text(training_examples(PAIRS), "openai_jsonl").splitlines()
    assert len(lines) == 2
    assert [turn["role"] for turn in json.loads(lines[1])["messages"]] == ["system", "user", "assistant"]


def test_json_has_the_counts_where_they_are_asked_for_and_csv_reads_back() -> None:
    data = training_examples(PAIRS)
    assert json.loads(as_text(data, "json", statistics=True))["statistics"]["held_back"] == 1
    assert "statistics" not in json.loads(as_text(data, "json"))
    rows = list(csv.DictReader(io.StringIO(as_text(data, "csv"))))
    assert rows[1] == {
        **{"left": "red pen", "right": "blue\npen", "same": "false"},
        **{"partial": "false", "kind": "rejected"},
    }
    with pytest.raises(BadInput, match="'xml', but it must be one of openai_jsonl, json, csv"):
        as_text(data, "xml")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((0, 0, 0), "No training data available: 0 approved and 0 rejected"),
        ((9, 30, 0), "Insufficient training data: 9 approved and 30 rejected decisions, and at least 10"),
        ((20, 9, 3), "Insufficient training data: 23 approved and 9 rejected"),
    ],
)
def test_too_little_is_refused_with_both_numbers(counts: tuple[int, int, int], message: str) -> None:
    with pytest.raises(Refused, match=message):
        require_enough(Statistics(*counts))


def test_ten_of_either_kind_do_and_below_fifty_there_is_a_warning() -> None:
    require_enough(Statistics(4, 10, 6))
    assert "10 approved and 10 rejected" in few_examples(Statistics(4, 10, 6))
    assert few_examples(Statistics(50, 50, 0)) == ""


def test_the_decided_pairs_of_a_project_are_its_settled_answers(pairs_project: Project) -> None:
    data = training_data(pairs_project, quiet, file_format="json", statistics=True)
    assert data.statistics == Statistics(60, 55, 0, held_back=5)
    assert json.loads(data.content)["examples"][0] == {
        **{"left": "camera 0", "right": "CAMERA no. 0", "same": True},
        **{"partial": False, "kind": "approved"},
    }


def test_a_project_of_labels_has_no_pairs(project: Project) -> None:
    with pytest.raises(Refused, match="learns from decisions on pairs; answers of the task 'labels' are none"):
        decided_pairs(project)


def test_a_price_is_tokens_times_epochs_and_unknown_where_no_price_is_known() -> None:
    data = training_examples(PAIRS)
    known = estimate_price(data, "openai", "gpt-4o-mini-2024-07-18", 4)
    assert known.dollars == pytest.approx(known.tokens * 4 * 3 / 1_000_000)
    small = estimate_price(data, "fireworks", "accounts/fireworks/models/llama-v3p1-8b-instruct", None)
    assert small.dollars == pytest.approx(small.tokens * 3 * 0.5 / 1_000_000)
    for provider, base in (("together", "Qwen/Qwen3-8B"), ("openai", "o9"), ("fireworks", "x-405b"), ("h", "m-8b")):
        unknown = estimate_price(data, provider, base, None)
        assert unknown.dollars is None
        assert f"the price of {base} is unknown here" in unknown.sentence


def test_what_a_provider_announced_is_reported_with_its_source() -> None:
    notice = shutdown_notice("openai", date(2026, 12, 1))
    assert "takes new fine-tuning jobs until 2027-01-06" in notice
    assert "2027-01-14" in notice
    assert "https://developers.openai.com" in notice
    assert "took its last new fine-tuning jobs on" in shutdown_notice("openai", date(2027, 1, 6))
    assert shutdown_notice("together", date(2027, 1, 6)) == ""
    assert announced_end("openai", "gpt-4o-mini-2024-07-18") == date(2027, 1, 14)
    assert announced_end("openai", "gpt-4.1-nano-2025-04-14") == date(2026, 10, 23)
    assert announced_end("openai", "other") is None
    assert "gpt-4.1-nano-2025-04-14 ended on 2026-10-23" in base_notice(
        "openai", "gpt-4.1-nano-2025-04-14", date(2026, 12, 1)
    )
    assert base_notice("openai", "gpt-4o-mini-2024-07-18", date(2026, 12, 1)) == ""
