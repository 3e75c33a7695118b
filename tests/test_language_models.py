"""What every language model does: the same tests over a server, with the real client, and a model in the process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import BadInput
from core.language_models.answer_cache import AnswerCache
from core.language_models.client import Patience, connect
from core.language_models.providers import provider_of
from core.language_models.remote_model import RemoteModel
from core.language_models.requests import (
    ChatRequest,
    LanguageModel,
    Message,
    read_completions,
    write_completions,
)
from core.language_models.schemas import answer_tokens, bounded, check_schema, is_strict, read_value, strip_answer
from core.language_models.spending import FREE, Budget, CallLog, read_spent
from gpu_jobs.work.language_models.local_model import LocalModel, load_model
from tests.chat_server import ChatServer
from tests.chat_server import chat_server as chat_server  # a fixture
from tests.tiny_language_model import make_language_model

COLOURS = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "blue", "狐狸🦊"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, object]] = {
    "enum": COLOURS,
    "list": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
    "unlimited": {"type": "object", "properties": {"notes": {"type": "string"}, "age": {"type": "integer"}}},
    "nullable": {"type": ["string", "null"], "maxLength": 6},
    "nested": {
        "type": "object",
        "properties": {"who": {"$ref": "#/$defs/person"}},
        "required": ["who"],
        "$defs": {"person": {"type": "object", "properties": {"age": {"type": "integer", "minimum": 3}}}},
    },
    "choice": {"anyOf": [{"type": "boolean"}, {"const": "unknown"}]},
}

Open = Callable[[Path | None], LanguageModel]


def quiet(done: int, total: int) -> None:
    """A report that nobody reads."""


def chat(number: object, **options: object) -> ChatRequest:
    """About a colour."""
    messages = (Message("system", "Answer in JSON."), Message("user", f"What colour has fox {number}?"))
    return ChatRequest(f"r{number}", messages, **{"json_schema": COLOURS, **options})  # type: ignore[arg-type]


def remote(server: ChatServer, cache: Path | None = None, **options: object) -> RemoteModel:
    """With a budget of 100 calls, unless options say otherwise."""
    patience = options.pop("patience", Patience(tries=2, first=0.0, most=0.0))
    there = connect(provider_of(server.url), patience, chat=True, sleep=lambda _: None)  # type: ignore[arg-type]
    options = {"budget": Budget(100, price=FREE), **options}
    return RemoteModel("tiny", there, AnswerCache(cache), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_language_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(params=["remote", "local"])
def engine(request: pytest.FixtureRequest) -> Open:
    """Opens a model of one kind; cache: its file."""
    if request.param == "local":
        folder: Path = request.getfixturevalue("tiny")
        return lambda cache: load_model(folder, None, AnswerCache(cache), threads=1)
    server: ChatServer = request.getfixturevalue("chat_server")
    return lambda cache: remote(server, cache)


def calls_of(model: LanguageModel) -> int:
    """Requests that were answered, without what was known and without probes."""
    if isinstance(model, LocalModel):
        return model.calls
    assert isinstance(model, RemoteModel)
    return model.budget.made - (model.form is not None)


def test_answers_come_in_the_order_of_their_requests_and_equal_ones_cost_once(engine: Open) -> None:
    model = engine(None)
    requests = [chat(number) for number in (3, 1, 2, 1, 3)]
    steps: list[tuple[int, int]] = []
    answers = model.complete(requests, lambda done, total: steps.append((done, total)))
    assert [answer.id for answer in answers] == ["r3", "r1", "r2", "r1", "r3"]
    assert answers[1] == answers[3]
    assert calls_of(model) == 3
    assert steps[0] == (2, 5)
    assert steps[-1] == (5, 5)
    for answer in answers:
        assert answer.state == "valid"
        assert answer.value == json.loads(answer.text)
        assert isinstance(answer.value, dict)
        assert answer.value["colour"] in ("red", "blue", "狐狸🦊")
        assert answer.tokens_in > 5
        assert answer.tokens_out > 0


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_ends_is_valid_and_what_meets_the_limit_is_cut(engine: Open, name: str) -> None:
    schema = SCHEMAS[name]
    answers = engine(None).complete([chat(number, json_schema=schema, max_tokens=40) for number in range(4)], quiet)
    assert {answer.state for answer in answers} <= {"valid", "cut"}
    for answer in answers:
        if answer.state == "valid":
            assert read_value(answer.text, schema) == (answer.value, "")
        else:
            assert answer.value is None


def test_a_low_limit_cuts_and_the_rest_is_not_repaired(engine: Open) -> None:
    answer = engine(None).complete([chat(1, max_tokens=2)], quiet)[0]
    assert (answer.state, answer.value) == ("cut", None)
    assert "limit" in answer.message


def test_without_a_schema_the_answer_is_text(engine: Open) -> None:
    answer = engine(None).complete([chat(1, json_schema=None, max_tokens=8)], quiet)[0]
    assert answer.state in ("valid", "cut")
    assert answer.value is None


def test_known_answers_are_not_sought_again_over_restarts_and_a_cut_line(engine: Open, tmp_path: Path) -> None:
    cache = tmp_path / "cache.jsonl"
    first = engine(cache).complete([chat(number) for number in range(3)], quiet)
    with cache.open("ab") as file:
        file.write(b'{"key": "cut sho')
    again = engine(cache)
    answers = again.complete([chat(number) for number in range(4)], quiet)
    assert [answer.value for answer in answers[:3]] == [answer.value for answer in first]
    assert calls_of(again) == 1
    assert calls_of_all(engine(cache), [chat(3), chat(3, temperature=1.0, seed=1), chat(3, json_schema=None)]) == 2
    assert b"fox" not in cache.read_bytes()


def calls_of_all(model: LanguageModel, requests: list[ChatRequest]) -> int:
    model.complete(requests, quiet)
    return calls_of(model)


def test_the_log_has_a_line_for_each_call_and_no_text(engine: Open, tmp_path: Path) -> None:
    model, path = engine(None), tmp_path / "calls.jsonl"
    assert isinstance(model, RemoteModel | LocalModel)
    model.log = CallLog(path, "trial")
    model.complete([chat(number) for number in range(3)], quiet)
    spent = read_spent(path, "trial")
    assert spent.calls in (3, 4)  # a server is probed first
    assert spent.unpriced == 0
    content = path.read_text()
    assert "fox" not in content
    assert "colour" not in content
    assert read_spent(path, "other").calls == 0


def test_a_dry_run_sends_nothing_and_says_what_it_would_take(engine: Open) -> None:
    model = engine(None)
    assert isinstance(model, RemoteModel | LocalModel)
    model.complete([chat(1)], quiet)
    before = calls_of(model)
    estimate = model.dry_run([chat(1), chat(2), chat(2)])
    assert (estimate.calls, estimate.known, estimate.dollars) == (1, 1, 0.0)
    assert "free" in estimate.sentence
    assert calls_of(model) == before


def test_answers_go_through_a_file_and_back(engine: Open, tmp_path: Path) -> None:
    answers = engine(None).complete([chat(number, logprobs=True) for number in range(2)], quiet)
    write_completions(tmp_path / "answers.jsonl", answers)
    assert read_completions(tmp_path / "answers.jsonl") == answers
    for answer in answers:
        assert answer.confidence is not None
        assert answer.joint is not None
        assert 0.0 <= answer.joint <= answer.confidence <= 1.0


def test_limits_are_set_only_where_a_schema_has_none() -> None:
    limited = bounded(SCHEMAS["unlimited"])
    assert isinstance(limited, dict)
    assert limited["additionalProperties"] is False
    assert limited["properties"]["notes"]["maxLength"] == 400
    assert bounded(SCHEMAS["list"]) == SCHEMAS["list"]
    names = {"type": "object", "properties": {"type": {"type": "array"}}, "enum": [{"type": []}]}
    assert bounded(names)["properties"]["type"]["maxItems"] == 32  # type: ignore[index]
    assert answer_tokens(COLOURS) == 2 + 6 + 6 + len('"狐狸🦊"'.encode()) + 8
    assert answer_tokens({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}) == 2_048
    assert is_strict(COLOURS)
    assert not is_strict(SCHEMAS["unlimited"])


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("<think>It is {red}?\n</think>\n\n{}", "{}"),
        ("It thought without a mark.</think>{}", "{}"),
        ("```json\n{}\n```", "{}"),
        ("Here you are:\n```\n{}\n```\nAnything else?", "{}"),
        ("```\n1\n```\n```\n2\n```", "```\n1\n```\n```\n2\n```"),
        ("  {} ", "{}"),
    ],
)
def test_thoughts_and_fences_are_no_part_of_an_answer(text: str, stripped: str) -> None:
    assert strip_answer(text) == stripped


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '{"colour": NaN}', '{"colour": "green"}', '{"colour": "red", "x": 1}', "[" * 9_000, '"\\ud83e"'],
)
def test_what_does_not_fit_is_invalid_and_says_why(text: str) -> None:
    value, message = read_value(text, COLOURS)
    assert value is None
    assert message


def test_a_schema_that_is_none_is_refused_and_a_reference_elsewhere_fetches_nothing() -> None:
    with pytest.raises(BadInput, match="The step `x` is no JSON Schema"):
        check_schema({"type": "objekt"}, "The step `x`")
    value, message = read_value("1", {"$ref": "http://127.0.0.1:9/schema.json"})
    assert value is None
    assert "cannot be applied" in message


def test_the_answer_does_not_depend_on_what_else_is_in_the_batch(tiny: Path) -> None:
    requests = [chat(f"{number} " * number, json_schema=SCHEMAS["list"], max_tokens=30) for number in range(1, 6)]
    requests += [chat(number, temperature=0.9, seed=number, max_tokens=30) for number in range(3)]
    alone, together = (load_model(tiny, None, AnswerCache(), threads=1) for _ in range(2))
    alone.batch = 1
    texts = [[answer.text for answer in model.complete(requests, quiet)] for model in (alone, together)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 2


def test_a_prompt_that_is_too_long_fails_alone(tiny: Path) -> None:
    model = load_model(tiny, None, AnswerCache(), threads=1)
    answers = model.complete([chat("x " * 600), chat(1)], quiet)
    assert [answer.state for answer in answers] == ["failed", "valid"]
    assert "the model reads 512" in answers[0].message


def test_a_schema_that_cannot_be_held_to_fails_alone(tiny: Path) -> None:
    model = load_model(tiny, None, AnswerCache(), threads=1)
    odd = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    answers = model.complete([chat(1, json_schema=odd), chat(2)], quiet)
    assert [answer.state for answer in answers] == ["failed", "valid"]
    assert "cannot be held to" in answers[0].message


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft under a newer transformers
def test_an_adapter_changes_the_answers_and_belongs_to_its_base(tiny: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    adapter = tmp_path / "adapter"
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
        get_peft_model(AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32), config).save_pretrained(adapter)
    request = [chat(1, json_schema=None, max_tokens=12)]
    plain, tuned = load_model(tiny, None, AnswerCache(), threads=1), load_model(tiny, adapter, AnswerCache(), threads=1)
    assert plain.complete(request, quiet)[0].text != tuned.complete(request, quiet)[0].text
    assert plain.version != tuned.version
    with pytest.raises(BadInput, match="holds no tokenizer"):
        load_model(tmp_path, None, AnswerCache())
