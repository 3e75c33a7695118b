"""What a hosted model says of pairs: probabilities, the cache, the budget, and what is recorded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.ids import ModelId
from core.language_models.answer_cache import AnswerCache
from core.language_models.client import Patience, connect
from core.language_models.providers import provider_of
from core.language_models.remote_model import ModelUnavailable, RemoteModel
from core.language_models.requests import Completion
from core.language_models.spending import Budget
from core.models.hosted_models import Hosting
from core.pairs.hosted_judge import HostedJudge, probability
from core.pairs.recorded_answers import AskingLimits, record_answers
from core.project import Project
from tests.conftest import quiet
from tests.hosted_api import TOKEN, Fault, HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture
from tests.hosted_world import pairs_project as pairs_project  # a fixture

PAIRS = [(f"camera {number}", f"lamp {number}") for number in range(12)]


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_HOSTED_TOKEN", TOKEN)


def judge(api: HostedApi, cache: Path | None = None, budget: int = 100, timeout: float = 20.0) -> HostedJudge:
    patience = Patience(tries=2, first=0.0, most=0.0, timeout=timeout)
    there = connect(provider_of(api.url), patience, chat=True, sleep=lambda _: None)
    return HostedJudge(RemoteModel("ft:tiny", there, AnswerCache(cache), Budget(budget), workers=3))


def test_a_probability_comes_from_the_log_probabilities(hosted_api: HostedApi) -> None:
    expected = np.exp(-0.1) / (np.exp(-0.1) + np.exp(-2.35))
    assert judge(hosted_api).predict(PAIRS[:1]) == pytest.approx([expected])
    hosted_api.answer = '{"same": false}'
    text_wins = judge(hosted_api).predict(PAIRS[:1])
    assert text_wins.tolist() == [0.0]


def test_without_log_probabilities_it_is_one_or_zero_and_they_are_asked_for_no_more(hosted_api: HostedApi) -> None:
    hosted_api.logprobs = False
    asked = judge(hosted_api)
    assert asked.predict(PAIRS[:1]).tolist() == [1.0]
    hosted_api.answer = '```json\n{"same": false}\n```'
    assert asked.predict(PAIRS[1:2]).tolist() == [0.0]
    assert len(hosted_api.received) == 3


@pytest.mark.parametrize("text", ["", "same", "{}", '{"same": "yes"}', "[true]", '{"same": tr', "{" * 5_000])
def test_an_answer_that_is_no_decision_is_nan(text: str) -> None:
    assert np.isnan(probability(Completion("0", "valid", text)))


def test_tokens_may_be_cut_in_any_way() -> None:
    for tokens in (
        [{"true": -0.2, "false": -1.7}],
        [{"{": 0.0}, {" t": -0.2, "f": -1.7}],
        [{":true": -0.2, ":f": -1.7}],
    ):
        expected = np.exp(-0.2) / (np.exp(-0.2) + np.exp(-1.7))
        assert probability(Completion("0", "valid", '{"same": true}', tokens=tuple(tokens))) == pytest.approx(expected)


def test_a_pair_costs_once_whichever_side_is_left_and_over_restarts(hosted_api: HostedApi, tmp_path: Path) -> None:
    cache = tmp_path / "answers.jsonl"
    first = judge(hosted_api, cache).predict([*PAIRS, *PAIRS[:3], *[(right, left) for left, right in PAIRS]])
    assert len(hosted_api.received) == len(PAIRS)
    with cache.open("ab") as file:
        file.write(b'{"key": "cut sho')
    again = judge(hosted_api, cache, budget=1)
    assert again.predict(PAIRS).tolist() == first[:12].tolist()
    again.predict([("new", "pair")])
    assert judge(hosted_api, cache, budget=0).predict([("pair", "new")]).shape == (1,)
    assert len(hosted_api.received) == len(PAIRS) + 1
    assert b"camera" not in cache.read_bytes()


def test_no_more_than_so_many_are_asked_at_a_time(hosted_api: HostedApi) -> None:
    judge(hosted_api).predict(PAIRS)
    assert 1 <= hosted_api.most_at_once <= 3


def test_over_the_budget_nothing_is_asked(hosted_api: HostedApi) -> None:
    with pytest.raises(ModelUnavailable, match="12 questions to ft:tiny are new, and 11 of the budget of 11 are left"):
        judge(hosted_api, budget=11).predict(PAIRS)
    assert hosted_api.received == []


def test_what_was_answered_before_an_outage_is_kept(hosted_api: HostedApi, tmp_path: Path) -> None:
    asked = judge(hosted_api, tmp_path / "answers.jsonl")
    asked.predict(PAIRS[:2])
    hosted_api.faults["POST /v1/chat"] = [Fault(503)] * 60
    with pytest.raises(ModelUnavailable, match=r"answered 503.*\(2 tries\)"):
        asked.predict(PAIRS)
    assert asked.predict(PAIRS[:2]).shape == (2,)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(500), "answered 500"),
        (Fault(429, {"error": {"message": "no", "code": "insufficient_quota"}}), "quota is spent"),
        (Fault(200, b"<html>"), "makes no sense"),
        (Fault(200, {"choices": []}), "it has no choices"),
        (Fault(hang=True), "did not answer within"),
        (Fault(404, {"error": {"message": "The model `ft:tiny` does not exist"}}), "does not exist"),
    ],
)
def test_whatever_goes_wrong_is_one_kind_of_error_that_says_why(hosted_api: HostedApi, fault: Fault, why: str) -> None:
    hosted_api.faults["POST /v1/chat"] = [fault] * 4
    with pytest.raises(ModelUnavailable, match=why):
        judge(hosted_api, timeout=0.3 if fault.hang else 20.0).predict(PAIRS[:2])


def test_one_answer_that_is_no_decision_is_nan_alone(hosted_api: HostedApi) -> None:
    asked = judge(hosted_api)
    asked.predict(PAIRS[:1])
    hosted_api.answer = "I would say so."
    assert np.isnan(asked.predict(PAIRS[:2])).tolist() == [False, True]


def test_what_it_says_is_recorded_and_asked_once(pairs_project: Project, hosted_api: HostedApi) -> None:
    where = Hosting(ModelId("m"), "ft:tiny", hosted_api.url, "", "tiny", None, gone=False)
    hosted_api.faults["POST /v1/chat"] = [Fault(401)] * 8
    failed = record_answers(pairs_project, quiet, where, PAIRS, AskingLimits(patience=Patience(tries=1)))
    assert "was refused" in failed.failure
    hosted_api.faults.clear()
    turned = [(right, left) for left, right in PAIRS]
    recorded = record_answers(pairs_project, quiet, where, [*PAIRS, *turned], AskingLimits())
    assert (recorded.failure, len(recorded.by_key)) == ("", 12)
    assert all(value is not None and value > 0.5 for value in recorded.by_key.values())
    again = record_answers(pairs_project, quiet, where, PAIRS, AskingLimits(0))
    assert (again.by_key, again.known, again.requests) == (recorded.by_key, 12, 0)
    jobs = [path for path in (pairs_project.folder / "jobs").rglob("*") if path.is_file()]
    assert not any(b"camera" in path.read_bytes() for path in jobs)
    other = replace(where, model=ModelId("o"), name="other")
    over = record_answers(pairs_project, quiet, other, PAIRS, AskingLimits(0))
    assert "are new, and 0 of the budget of 0" in over.failure
    assert over.by_key == {}
