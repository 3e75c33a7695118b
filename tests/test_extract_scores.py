"""Scores of structured answers: what is right, in part right, in the same position, and what an invalid one costs."""

import pytest

from core.extract.scores import Scored, field_f1, overlapping, same_span, score_step
from core.extract.step_files import load_steps
from core.overlap import bag_f1, normal, same_json

CHARACTER, INSTRUMENT, RELATIONSHIP, ACTION, *_ = load_steps("folktales")


def character(doers: list[str], receivers: list[str] | None = None) -> dict[str, object]:
    return {"values": {"character": {"doers": doers, "receivers": receivers or [], "new_characters": []}}}


def test_a_step_is_scored_by_fields_and_what_does_not_fit_is_wrong_everywhere() -> None:
    truth = character(["Mara", "Old Ink"], ["Pim"])
    scored = [
        Scored(truth, truth),
        Scored(truth, character(["the Mara!"], ["Pim"])),
        Scored(truth, None),
        Scored(truth, {"values": {"character": {"doers": "Mara"}}}),
        Scored({"values": {}}, truth),
    ]
    result = score_step(CHARACTER, scored)
    assert (result.records, result.validity.value, result.exact.value) == (4, 0.5, 0.25)
    doers = result.fields[0]
    assert (doers.path, doers.exact.value, doers.f1.value) == ("character.doers", 0.25, (1 + 2 / 3) / 4)
    assert field_f1(CHARACTER, scored[1]) == (2 / 3 + 1 + 1 + 1) / 4
    assert result.field_f1.value == pytest.approx((1 + field_f1(CHARACTER, scored[1])) / 4)
    assert result.field_f1.low < result.field_f1.value < result.field_f1.high
    assert score_step(INSTRUMENT, scored).records == 0


def test_choices_have_a_macro_f1_and_texts_that_of_their_words() -> None:
    def action(category: str, type: str) -> dict[str, object]:
        return {"values": {"action": {"category": category, "type": type, "status": "success", "function": "setup"}}}

    truth = [action("mental", "to think hard"), action("physical", "fight"), action("physical", "run")]
    guess = [action("mental", "think"), action("mental", "fight"), action("physical", "run away")]
    category, type_, *_ = score_step(ACTION, [Scored(*pair) for pair in zip(truth, guess, strict=True)]).fields
    assert category.macro_f1 == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert category.f1.value == category.exact.value == pytest.approx(2 / 3)
    assert type_.f1.value == pytest.approx((0.5 + 1 + 2 / 3) / 3)
    assert type_.macro_f1 is None


def test_lists_of_objects_are_compared_entry_by_entry_whatever_their_order() -> None:
    one = {"agent": "Mara", "target": "Pim", "level1": "family", "sentiment": "positive", "level2": None}
    other = {"agent": "Pim", "target": "Ink", "level1": "exchange", "sentiment": "neutral", "level2": ""}
    truth = {"values": {"relationship": [one, other]}}
    result = score_step(RELATIONSHIP, [Scored(truth, {"values": {"relationship": [other, one]}})])
    assert (result.exact.value, result.fields[0].f1.value) == (1.0, 1.0)
    result = score_step(RELATIONSHIP, [Scored(truth, {"values": {"relationship": [one]}})])
    assert result.exact.value == 0.0
    assert result.fields[0].f1.value == pytest.approx(2 / 3)


def test_spans_are_the_same_but_for_an_edge_and_overlap_where_they_share_a_character() -> None:
    truth = character(["Mara"]) | {"spans": {"character.doers": {"Mara": [[0, 4], [50, 54]]}}}
    guess = character(["Mara"]) | {"spans": {"character.doers": {"Mara": [[0, 5], [70, 74]]}}}
    score = score_step(CHARACTER, [Scored(truth, guess)]).fields[0].span_f1
    assert score is not None
    assert score.value == 0.5
    assert not same_span(("a", 0, 4), ("a", 2, 4))
    assert overlapping(("a", 0, 4), ("a", 3, 9))
    assert not overlapping(("a", 0, 4), ("a", 4, 9))
    assert not overlapping(("a", 0, 4), ("b", 0, 4))


def test_normal_texts_have_no_case_articles_or_punctuation() -> None:
    assert normal("The  Ｋing's  Cat!") == "king s cat"
    from collections import Counter

    assert bag_f1(Counter(), Counter()) == 1.0


def test_json_is_the_same_whatever_the_order_of_keys_and_entries_and_not_with_two_fields_exchanged() -> None:
    one = {"deeds": [{"who": "Mara", "whom": "Ned"}, {"who": "Ned", "times": 2}]}
    assert same_json(one, {"deeds": [{"times": 2.0, "who": "Ned"}, {"whom": "Ned", "who": "Mara"}]})
    assert not same_json(one, {"deeds": [{"who": "Ned", "whom": "Mara"}, {"who": "Ned", "times": 2}]})
    assert not same_json(["a", "a"], ["a"])
    assert not same_json(1, "1")
