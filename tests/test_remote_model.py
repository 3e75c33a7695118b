"""What servers do that speak OpenAI's API in their own ways, and what asking them costs."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.language_models.client import Patience
from core.language_models.requests import ChatRequest, Message
from core.language_models.spending import Budget, CallLog, Price, read_spent
from tests.chat_server import ChatServer
from tests.chat_server import chat_server as chat_server  # a fixture
from tests.hosted_api import Fault
from tests.test_language_models import COLOURS, chat, quiet, remote

QUOTA = Fault(429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}})
BUSY = Fault(429, {"error": {"message": "slow down"}}, {"retry-after": "0"})


@pytest.mark.parametrize(
    ("forms", "ignores", "form"),
    [
        (("json_schema", "json_object"), (), "json_schema"),
        (("json_object",), (), "json_object"),
        ((), (), "text"),
        (("json_schema", "json_object"), ("json_schema",), "json_object"),
        (("json_schema", "json_object"), ("json_schema", "json_object"), "text"),
    ],
)
def test_one_probe_finds_how_a_server_takes_a_schema(
    chat_server: ChatServer, forms: tuple[str, ...], ignores: tuple[str, ...], form: str
) -> None:
    chat_server.forms, chat_server.ignores = forms, ignores
    chat_server.answer = lambda body: '{"colour": "red"}' if "fox" in str(body) else None
    model = remote(chat_server)
    answers = model.complete([chat(1), chat(2)], quiet)
    assert model.form == form
    probes = len(chat_server.bodies) - len(chat_server.questions)
    assert [answer.value for answer in answers] == [{"colour": "red"}] * 2
    model.complete([chat(3)], quiet)
    assert len(chat_server.bodies) - len(chat_server.questions) == probes <= 2
    body = chat_server.questions[-1]
    assert ("JSON Schema" in body["messages"][-1]["content"]) == (form != "json_schema")
    assert body.get("response_format", {}).get("type", "text") == form


def test_nothing_that_comes_back_is_taken_unchecked(chat_server: ChatServer) -> None:
    texts = {
        "1": '<think>Red? "colour"</think>\n```json\n{"colour": "blue"}\n```',
        "2": '{"colour": "green"}',
        "3": "I think it is red.",
        "4": "",
    }
    chat_server.answer = lambda body: next(
        (text for key, text in texts.items() if f"fox {key}" in str(body["messages"])), None
    )
    answers = remote(chat_server).complete([chat(number) for number in range(1, 5)], quiet)
    assert [answer.state for answer in answers] == ["valid", "invalid", "invalid", "refused"]
    assert answers[0].value == {"colour": "blue"}
    assert "green" in answers[1].message
    assert "no JSON" in answers[2].message


def test_a_refusal_and_a_cut_answer_are_states(chat_server: ChatServer) -> None:
    model = remote(chat_server, form="json_schema")
    chat_server.refusal = "I can't help with that."
    refused = model.complete([chat(1)], quiet)[0]
    assert (refused.state, refused.message) == ("refused", "I can't help with that.")
    chat_server.refusal, chat_server.finish = None, "length"
    assert model.complete([chat(2)], quiet)[0].state == "cut"


def test_without_usage_tokens_are_counted_here_and_without_probabilities_there_is_no_confidence(
    chat_server: ChatServer,
) -> None:
    chat_server.usage = chat_server.logprobs = False
    model = remote(chat_server)
    answer = model.complete([chat(1, logprobs=True)], quiet)[0]
    assert (answer.state, answer.confidence, model.logprobs) == ("valid", None, False)
    assert answer.tokens_in > 5
    assert answer.tokens_out > 0
    model.complete([chat(2, logprobs=True)], quiet)
    assert "logprobs" not in chat_server.bodies[-1]


def test_parameters_that_a_model_refuses_are_left_out(chat_server: ChatServer) -> None:
    chat_server.refuses = ("max_tokens", "temperature", "seed")
    model = remote(chat_server)
    assert [one.state for one in model.complete([chat(1, temperature=0.5, seed=3)], quiet)] == ["valid"]
    body = chat_server.bodies[-1]
    assert body["max_completion_tokens"] > 0
    assert not {"max_tokens", "temperature", "seed"} & body.keys()


def test_a_busy_server_is_waited_for_and_a_spent_quota_is_not(chat_server: ChatServer) -> None:
    model = remote(chat_server, form="json_schema", workers=1)
    chat_server.faults = [BUSY, Fault(503), BUSY]
    assert [one.state for one in model.complete([chat(1), chat(2)], quiet)] == ["failed", "failed"]
    chat_server.faults = [BUSY]
    assert model.complete([chat(1)], quiet)[0].state == "valid"
    seen = len(chat_server.bodies)
    chat_server.faults = [QUOTA] * 10
    answers = model.complete([chat(number) for number in range(10, 16)], quiet)
    assert {one.state for one in answers} == {"failed"}
    assert all("quota is spent" in one.message for one in answers)
    assert len(chat_server.bodies) == seen + 1


def test_a_server_that_does_not_answer_is_given_up(chat_server: ChatServer) -> None:
    chat_server.faults = [Fault(hang=True)] * 2
    model = remote(chat_server, patience=Patience(tries=1, timeout=0.3))
    answer = model.complete([chat(1)], quiet)[0]
    assert "did not answer within 0.3 s" in answer.message


def test_one_request_that_is_rejected_costs_no_other_its_answer(chat_server: ChatServer) -> None:
    too_long = Fault(400, {"error": {"message": "This model's maximum context length is 10 tokens"}})
    chat_server.faults = [too_long]
    model = remote(chat_server, form="json_schema", workers=1)
    answers = model.complete([chat(number) for number in range(3)], quiet)
    assert [one.state for one in answers] == ["failed", "valid", "valid"]
    assert "maximum context" in answers[0].message
    chat_server.faults = [too_long] * 20
    answers = model.complete([chat(number) for number in range(10, 20)], quiet)
    assert len(chat_server.bodies) == 3 + 5
    assert "one request after the other" in answers[-1].message


def test_a_server_that_cuts_prompts_without_a_word_is_seen(chat_server: ChatServer) -> None:
    chat_server.context = 2_048
    model = remote(chat_server, form="json_schema")
    requests = [chat("x" * length) for length in (40, 80, 120, 200, 4_800, 8_800)]
    states = [one.state for one in model.complete(requests[:5], quiet)]
    assert states == ["valid"] * 5
    [cut] = model.complete(requests[5:], quiet)  # by itself: what comes before short prompts cannot be compared
    assert cut.state == "cut"
    assert "it cuts prompts" in cut.message


def test_requests_go_a_few_at_a_time(chat_server: ChatServer) -> None:
    answers = remote(chat_server, workers=3).complete([chat(number) for number in range(12)], quiet)
    assert len(answers) == 12
    assert 1 <= chat_server.most_at_once <= 3


def test_the_budget_of_calls_is_hard(chat_server: ChatServer) -> None:
    model = remote(chat_server, budget=Budget(5, price=Price(1.0, 1.0)), workers=4)
    answers = model.complete([chat(number) for number in range(9)], quiet)
    assert len(chat_server.bodies) == 5
    assert [one.state for one in answers].count("valid") == 4  # one call was the probe
    assert any("budget of 5 calls is spent" in one.message for one in answers)


def test_the_budget_of_money_is_hard(chat_server: ChatServer, tmp_path: Path) -> None:
    log = CallLog(tmp_path / "calls.jsonl")
    price = Price(150.0, 600.0)
    model = remote(chat_server, budget=Budget(1_000, 0.1, price), workers=4, form="json_schema", log=log)
    answers = model.complete([chat(number) for number in range(60)], quiet)
    assert any(one.state == "valid" for one in answers)
    assert any("of the budget of 0.1000 are left" in one.message for one in answers)
    spent = read_spent(tmp_path / "calls.jsonl")
    assert 0.05 < spent.dollars <= 0.1
    assert spent.dollars == pytest.approx(model.budget.cost)


def test_a_budget_in_money_needs_a_price(chat_server: ChatServer) -> None:
    model = remote(chat_server, budget=Budget(1_000, 0.1, None))
    assert "price of this model is unknown" in model.complete([chat(1)], quiet)[0].message
    assert chat_server.bodies == []
    assert "the price is unknown here" in model.dry_run([chat(1)]).sentence


def test_strict_mode_is_for_schemas_that_it_takes(chat_server: ChatServer) -> None:
    remote(chat_server).complete([chat(1), chat(2, json_schema={"type": "array", "items": {"type": "string"}})], quiet)
    sent: list[Any] = [body["response_format"]["json_schema"] for body in chat_server.questions]
    strict = {json.dumps(one["schema"]).count("enum"): one["strict"] for one in sent}
    assert strict[1] is True
    assert any("maxItems" in one["schema"] and "maxLength" in one["schema"]["items"] for one in sent)


def test_an_estimate_is_no_less_than_what_is_paid(chat_server: ChatServer) -> None:
    model = remote(chat_server, form="json_schema", budget=Budget(100, price=Price(2.0, 8.0)))
    request = ChatRequest("a", (Message("user", "fox " * 200),), COLOURS)
    dollars = model.dry_run([request]).dollars
    model.complete([request], quiet)
    assert dollars is not None
    assert 0 < model.budget.cost <= dollars * 1.2
