"""Programs are answered by the hosted model in use, or instead by the champion, and every answer says so."""

import pytest

from core.erasure.erase import erase
from core.models.in_use import active_model
from core.pairs.predict import predict_pairs
from core.pairs.training_examples import DIFFERENT, prompt
from core.project import Project
from core.registry.activation import promote
from core.registry.hosted_promotion import deactivate
from core.registry.predictions import predictions
from tests.conftest import quiet
from tests.hosted_api import Fault, HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture
from tests.hosted_registry import decided as decided  # a fixture
from tests.hosted_registry import decided_folder as decided_folder  # a fixture
from tests.hosted_registry import name_of, teach, tune

pytestmark = pytest.mark.long
PAIRS = [("name: a lamp\nprice: 4", "name: lamp\nprice: 5"), ("name: a sofa\nprice: 40", "name: a drill\nprice: 80")]


@pytest.fixture
def tuned(decided: Project, hosted_api: HostedApi) -> str:
    """A hosted model in use, which says that two of PAIRS are the same, the other two not."""
    model = tune(decided, hosted_api)
    teach(decided, hosted_api, model)
    hosted_api.answers[name_of(decided, model)][prompt(*PAIRS[1])[1].content] = DIFFERENT
    promote(decided, quiet, model=model, force=True, reason="for this test")
    hosted_api.received.clear()
    return model


def test_the_hosted_model_decides_once_and_whichever_side_is_left(
    decided: Project, hosted_api: HostedApi, tuned: str
) -> None:
    turned = [(right, left) for left, right in PAIRS]
    result = predict_pairs(decided, quiet, pairs=[*PAIRS, *turned], auto_above=0.8)
    assert [one.decision for one in result.predictions] == ["merge", "apart"] * 2
    assert {(one.by, one.reason, one.similarity) for one in result.predictions} == {(tuned, "", None)}
    assert (result.model, result.reason, result.requests, result.known, result.guarantee) == (tuned, "", 2, 0, None)
    again = predict_pairs(decided, quiet, pairs=turned, auto_above=0.8)
    assert (again.requests, again.known, again.predictions) == (0, 2, result.predictions[:2])
    assert hosted_api.count("POST /v1/chat") == 2
    deactivate(decided, quiet)
    assert predict_pairs(decided, quiet, pairs=PAIRS).model == active_model(decided)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(500), "answered 500"),
        (Fault(429, {"error": {"message": "no", "code": "insufficient_quota"}}), "quota is spent"),
        (Fault(404, {"error": {"message": "The model `ft:tiny` does not exist"}}), "does not exist"),
    ],
)
def test_where_it_fails_the_champion_answers_and_every_answer_says_so(
    decided: Project, hosted_api: HostedApi, tuned: str, fault: Fault, why: str
) -> None:
    hosted_api.faults["POST /v1/chat"] = [fault] * 9
    result = predict_pairs(decided, quiet, pairs=PAIRS)
    assert {one.by for one in result.predictions} == {active_model(decided)}
    assert all(why in one.reason and one.similarity is not None for one in result.predictions)
    assert why in result.reason
    assert result.model == active_model(decided)
    hosted_api.faults.clear()
    assert predict_pairs(decided, quiet, pairs=PAIRS).model == tuned


def test_over_the_budget_and_without_a_token_the_champion_answers(
    decided: Project, tuned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = predict_pairs(decided, quiet, pairs=PAIRS, budget=1)
    assert "2 questions to ft:tiny:rondo::ftjob-1 are new, and 1 of the budget of 1 are left" in result.reason
    assert result.model == active_model(decided)
    with decided.store.transaction() as cursor:
        cursor.execute("update hosted_models set provider = 'openai'")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert "OPENAI_API_KEY is not set" in predict_pairs(decided, quiet, pairs=PAIRS).predictions[0].reason
    with decided.store.transaction() as cursor:
        cursor.execute("update hosted_models set provider = 'nobody'")
    assert "There is no provider 'nobody'" in predict_pairs(decided, quiet, pairs=PAIRS).reason


def test_one_answer_that_is_no_decision_falls_back_alone(decided: Project, hosted_api: HostedApi, tuned: str) -> None:
    hosted_api.answers[name_of(decided, tuned)][prompt(*PAIRS[1])[1].content] = "Perhaps."
    result = predict_pairs(decided, quiet, pairs=PAIRS)
    assert [one.by for one in result.predictions] == [tuned, active_model(decided)]
    assert result.predictions[1].reason == "ft:tiny:rondo::ftjob-1 answered what is no decision."
    assert result.predictions[0].reason == ""


def test_one_that_has_ended_is_asked_no_more_but_its_answers_hold(
    decided: Project, hosted_api: HostedApi, tuned: str
) -> None:
    predict_pairs(decided, quiet, pairs=PAIRS[:1])
    with decided.store.transaction() as cursor:
        cursor.execute("update hosted_models set shutdown = date '2026-11-01'")
    result = predict_pairs(decided, quiet, pairs=PAIRS)
    assert [one.by for one in result.predictions] == [tuned, active_model(decided)]
    assert "ended on 2026-11-01" in result.predictions[1].reason
    assert hosted_api.count("POST /v1/chat") == 1


def test_without_any_model_similarity_answers_with_both_reasons(
    decided: Project, hosted_api: HostedApi, tuned: str
) -> None:
    hosted_api.faults["POST /v1/chat"] = [Fault(401)] * 9
    with decided.store.transaction() as cursor:
        cursor.execute("delete from champions")
        cursor.execute("delete from models where trainer is null")
    [first, _] = predict_pairs(decided, quiet, pairs=PAIRS).predictions
    assert first.by == "similarity"
    assert "was refused" in first.reason
    assert "No model is in use yet" in first.reason


def test_its_answers_before_people_decided_are_in_the_log(decided: Project, tuned: str) -> None:
    brought = predict_pairs(decided, quiet, pairs=PAIRS, auto_above=1.0, drop_below=0.0, keep_unsure=True)
    assert brought.new_records == 2
    assert decided.store.one("select count(*) from model_predictions where model = ?", [tuned]) == 0
    with decided.store.transaction() as cursor:
        cursor.execute(
            """insert into responses (event_id, n, annotator, action, labels, answer, made_at, seq, received_at, round,
                                      taxonomy, source, blind, stamp)
               select 'e' || n, n, 'ann', 'submit', [], '{"same":true}', now(), 1, now() + interval 1 minute, 0, 1,
                      'app', true, 1000 + n from hosted_answers where n > 199"""
        )
        cursor.execute(
            """insert into settled (n, labels, how, stratum, round, settled_at, answer)
               select n, [], 'single', 'audit', 0, now(), '{"same":true}' from hosted_answers where n > 199"""
        )
    asked = decided.store.query(
        "select prediction, actual, is_correct, stratum from model_predictions where in_use order by n"
    )
    assert asked == [
        ('{"same":true}', '{"same":true}', True, "audit"),
        ('{"same":false}', '{"same":true}', False, "audit"),
    ]
    [point] = predictions(decided, quiet).over_time
    assert (point.n, point.model, point.accuracy.value) == (2, tuned, 0.5)


def test_with_a_record_a_models_answers_to_it_are_erased(decided: Project, tuned: str) -> None:
    predict_pairs(decided, quiet, pairs=PAIRS, auto_above=1.0, drop_below=0.0, keep_unsure=True)
    count = "select count(*) from hosted_answers"
    before = decided.store.one(count)
    [(record,)] = decided.store.query("select id from records where n = 200")
    erase(decided, quiet, record=[record], sure=True)
    assert decided.store.one(count) == before - 1
    files = [path for path in decided.folder.rglob("*") if path.is_file() and path.suffix in (".json", ".jsonl")]
    assert files
    assert not any(b"a lamp" in path.read_bytes() for path in files)
