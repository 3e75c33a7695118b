"""Several people's structured answers become one, field by field; a tie anywhere leaves the record open."""

from collections.abc import Sequence

import pytest

from core.tasks.extract_answers import canonical
from core.tasks.extract_settling import settle_fields


def answer(doers: list[str], kind: str | None = None, spans: list[list[int]] | None = None) -> dict[str, object]:
    values: dict[str, object] = {"character": {"doers": doers}}
    if kind:
        values["action"] = {"category": kind, "type": "give"}
    return canonical({"values": values, "spans": {"character.doers": {"Mara": spans}} if spans else {}})


def test_most_people_decide_each_field_and_each_entry_of_a_list() -> None:
    votes = [
        (answer(["Mara", "Pim"], "mental", [[0, 4]]), 1.0),
        (answer(["Mara"], "physical", [[0, 4], [9, 13]]), 1.0),
        (answer(["Mara", "Ink"], "physical"), 1.0),
    ]
    assert settle_fields(votes) == {
        "values": {"action": {"category": "physical", "type": "give"}, "character": {"doers": ["Mara"]}},
        "spans": {"character.doers": {"Mara": [[0, 4]]}},
    }


@pytest.mark.parametrize(
    "votes",
    [
        [(answer(["Mara"]), 1.0), (answer(["Pim"]), 1.0)],
        [(answer(["Mara"], "mental"), 1.0), (answer(["Mara"], "physical"), 1.0)],
        [(answer(["Mara"], "mental"), 1.0), (answer(["Mara"]), 1.0)],
    ],
)
def test_a_tie_in_a_value_an_entry_or_a_step_settles_nothing(votes: Sequence[tuple[object, float]]) -> None:
    assert settle_fields(votes) is None
    heavier = [(votes[0][0], 2.0), votes[1]]
    assert settle_fields(heavier) == votes[0][0]


def test_what_all_say_is_what_holds() -> None:
    one = answer(["Mara", "Pim"], "mental", [[0, 4]])
    assert settle_fields([(one, 1.0), (one, 1.0)]) == one
