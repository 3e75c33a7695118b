"""A language model suggests labels: what people see of it, what it is worth, and that it never labels."""

import json
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import loop, simulate
from core.config.settings import Settings, with_changes
from core.config.taxonomy import make_taxonomy
from core.errors import BadInput, Refused
from core.evaluation.curve import Curve
from core.evaluation.metrics import Estimate
from core.labelling.generated_answers import compare_with_head, is_withheld
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project
from core.rounds.weak_labels import measure_answers, weak_labels
from core.suggestions.suggest import SuggestResult, suggest
from core.suggestions.worth import labels_worth, language_model_worth, newcombe
from core.tasks.label_prompt import LABEL_PROMPT
from core.tasks.label_question import LABEL_FORM
from core.tasks.labels import LABELS
from tests.chat_server import ChatServer
from tests.chat_server import chat_server as chat_server  # a fixture
from tests.conftest import TOPICS, quiet
from tests.tiny_language_model import make_language_model

WORDS = {word: topic for topic, words in TOPICS.items() for word in words}


def topic_of(text: str) -> str:
    """What the oracle says of one of the tests' sentences."""
    return next(topic for word, topic in WORDS.items() if f" {word} " in text)


def answer(body: dict[str, Any]) -> str | None:
    """The true label; of every fifth witness the next one."""
    text = body["messages"][-1]["content"]
    if "witness" not in text:
        return None
    names, number = list(TOPICS), int(text.split("witness ")[1].split(".")[0])
    wrong = number % 5 == 0
    return json.dumps({"label": names[(names.index(topic_of(text)) + wrong) % 3]})


@pytest.fixture
def model(project: Project, chat_server: ChatServer) -> ChatServer:
    """A language model that is right on four of five records; the project names it."""
    chat_server.answer = answer
    project.save_settings(
        with_changes(project.settings(), llm_model="tiny", llm_url=chat_server.url, unassisted_share=0.3)
    )
    return chat_server


def ask(project: Project, **options: Any) -> SuggestResult:
    return suggest(project, quiet, **options)


def audited(project: Project, truth: dict[str, tuple[str, ...]], rounds: int = 2) -> None:
    """Half of each batch is audit, so that what there is to measure is there after a few answers."""
    project.save_settings(with_changes(project.settings(), audit_share=0.5))
    simulate.simulate_rounds(project, truth, simulate.Budget(rounds, 12, "default"), quiet)


def test_its_answers_are_suggestions_on_cards_and_never_labels(project: Project, model: ChatServer) -> None:
    result = ask(project, limit=40)
    assert (result.records, result.audit, result.stored, result.failure) == (40, 0, 40, "")
    assert project.store.one("select count(*) from settled where stratum <> 'gold'") == 0
    assert project.store.one("select count(*) from responses where source <> 'file'") == 0
    loop.next_batch(project, quiet, size=30)
    cards = project.label_queue.exchange(Holder("ann", "tab"), QueueRequest(want=30)).cards
    blind = {id for (id,) in project.store.query("select id from queue join records using (n) where audit")}
    answered = dict(project.store.query("select id, answer->>'$[0]' from generated_answers join records using (n)"))
    shown = {card.id: card.suggestion for card in cards}
    settings = project.settings()
    hidden = {id for id in shown if is_withheld(id, settings)}
    assert hidden
    assert blind
    for id, suggestion in shown.items():
        if id in blind or id in hidden or id not in answered:
            assert suggestion is None
        else:
            assert suggestion is not None
            assert suggestion["model"] == "tiny"
            labels: Any = suggestion["labels"]
            assert [label["id"] for label in labels] == [answered[id]]
            assert 0 < labels[0]["probability"] <= 1
    assert any(shown.values())


def test_the_prompt_has_names_descriptions_guidelines_and_similar_answered_records(
    project: Project, model: ChatServer, truth: dict[str, tuple[str, ...]]
) -> None:
    labels = tuple(replace(label, description=f"about {label.name}") for label in project.settings().taxonomy.labels)
    taxonomy = replace(project.settings().taxonomy, labels=labels)
    project.save_settings(replace(project.settings(), taxonomy=taxonomy, guidelines="Only the first noun counts."))
    audited(project, truth)
    ask(project, limit=60)
    audits = {
        text
        for (text,) in project.store.query(
            "select text from records join settled using (n) where stratum in ('audit', 'gold')"
        )
    }
    for body in model.questions:
        system, *examples, last = body["messages"]
        assert "weather: about weather" in system["content"]
        assert "Only the first noun counts." in system["content"]
        assert [one["role"] for one in examples] == ["user", "assistant"] * (len(examples) // 2)
        for user, said in zip(examples[::2], examples[1::2], strict=True):
            assert json.loads(said["content"]) == {"label": topic_of(user["content"])}
            assert user["content"] not in audits
            assert user["content"] != last["content"]
    assert any(len(body["messages"]) == 14 for body in model.questions)


def test_it_reads_what_models_read_and_not_what_cleaning_left_out(
    project: Project, model: ChatServer, truth: dict[str, tuple[str, ...]]
) -> None:
    audited(project, truth, 1)
    with project.store.transaction() as cursor:
        cursor.execute("insert into cleaned select n, 'clean ' || text, 1 from records")
        cursor.execute("insert into left_out select n, 'clean', 'short', null from pool limit 5")
    asked = project.store.one("select count(*) from pool") - project.store.one("select count(*) from left_out")
    assert ask(project, limit=100).records >= asked
    texts = [turn["content"] for body in model.questions for turn in body["messages"] if turn["role"] == "user"]
    assert texts
    assert all(text.startswith("clean ") for text in texts)
    out = "select count(*) from generated_answers where n in (select n from left_out)"
    assert not project.store.one(out)


def test_its_worth_rests_on_the_audit(project: Project, model: ChatServer, truth: dict[str, tuple[str, ...]]) -> None:
    assert language_model_worth(project) is None
    ask(project, limit=5)
    worth = language_model_worth(project)
    assert worth is not None
    assert worth.accuracy is None
    assert "Too few audit records yet" in " ".join(worth.sentences)
    audited(project, truth, 3)
    result = ask(project, limit=60, anyway=True)
    assert result.audit > 10
    worth = result.worth
    assert worth is not None
    assert worth.accuracy is not None
    assert worth.accuracy.low < 0.8 < worth.accuracy.high
    assert {part.name for part in worth.parts} == set(TOPICS)
    assert sum(part.records for part in worth.parts) == worth.audit
    assert worth.spent.calls == len(model.bodies)
    assert worth.states == {"valid": project.store.one("select count(*) from generated_answers")}


def test_where_the_audit_finds_the_head_better_it_is_asked_no_more(
    project: Project, model: ChatServer, truth: dict[str, tuple[str, ...]]
) -> None:
    model.answer = lambda body: '{"label": "weather"}'
    audited(project, truth, 3)
    result = ask(project, limit=60)
    assert "The head is better" in result.stopped
    assert result.stored == result.audit
    seen = len(model.bodies)
    assert "asks it" in ask(project, limit=60).stopped
    assert len(model.bodies) == seen
    assert ask(project, limit=60, anyway=True).stored > 0
    with project.store.reading() as cursor:
        assert compare_with_head(cursor, "tiny").better == "head"


def test_it_teaches_the_head_by_its_measured_precision_and_only_where_it_is_better(
    project: Project, model: ChatServer
) -> None:
    """What people mean here cannot be seen in the words, so the head cannot learn it; the language model knows."""
    names = list(TOPICS)
    hidden: dict[str, tuple[str, ...]] = {f"r{number}": (names[number * 7 % 5 % 3],) for number in range(60)}

    def knows(body: dict[str, Any]) -> str | None:
        parts = body["messages"][-1]["content"].split("witness ")
        return json.dumps({"label": hidden[f"r{parts[1].rstrip('.')}"][0]}) if len(parts) > 1 else None

    def weak() -> Any:
        with project.store.reading() as cursor:
            return weak_labels(cursor, project.settings(), "tiny", 60, "select '' where false")

    model.answer = knows
    ask(project, limit=48)
    assert len(weak().rows) == 0
    audited(project, hidden)
    with project.store.reading() as cursor:
        measured = measure_answers(cursor, project.settings(), "tiny")
        assert compare_with_head(cursor, "tiny").better == "model"
    assert measured.enough
    labels = weak()
    assert 0 < len(labels.rows) <= 48 - 24
    assert ((labels.weight > 0) & (labels.weight < 0.4)).all()
    assert labels.weight.sum() <= 24
    answered = {n for (n,) in project.store.query("select n from settled")}
    assert not answered & set(labels.rows.tolist())
    assert loop.fit(project, quiet).labels == 24  # people's alone
    with project.store.transaction() as cursor:
        cursor.execute("update held_out_predictions set predicted_answer = truth_answer")
    assert len(weak().rows) == 0


def test_how_suggestions_sway_people_is_measured_by_the_records_without(project: Project, model: ChatServer) -> None:
    ask(project, limit=48)
    project.save_settings(with_changes(project.settings(), audit_share=0.0, automatic=False))
    loop.next_batch(project, quiet, size=48)
    reply = project.label_queue.exchange(Holder("ann", "tab"), QueueRequest(want=48))
    events = []
    for card in reply.cards:
        seen = card.suggestion
        label = seen["labels"][0]["id"] if seen else topic_of(card.text)  # type: ignore[index]
        events.append(
            Event(
                str(uuid.uuid4()),
                card.id,
                "submit",
                (label,),
                ts=time.time(),
                model=str(seen["model"]) if seen else None,
            )
        )
    project.label_queue.exchange(Holder("ann", "tab"), QueueRequest(events=tuple(events)))
    worth = language_model_worth(project)
    assert worth is not None
    pull = worth.pull
    assert (pull.shown + pull.hidden, pull.agree_shown.value) == (48, 1.0)
    assert pull.difference is not None
    assert pull.difference.value == pytest.approx(1 - pull.agree_hidden.value)
    assert "points more often when they see its suggestion" in pull.sentence


def test_invalid_answers_are_counted_and_failed_ones_are_asked_again(project: Project, model: ChatServer) -> None:
    model.forms = ()
    model.answer = lambda body: "no JSON at all" if "rain" in body["messages"][-1]["content"] else answer(body)
    project.save_settings(with_changes(project.settings(), llm_calls=12))
    result = ask(project, limit=30)
    assert result.states["invalid"] > 0
    assert result.states["failed"] > 0
    assert "budget of 12 calls" in result.failure
    assert sum(result.states.values()) == 30
    stored = project.store.one("select count(*) from generated_answers")
    assert stored == 30 - result.states["failed"]
    assert project.store.one("select count(*) from generated_answers where state = 'invalid' and answer is null") > 0
    assert "budget of 12 calls is spent" in ask(project, limit=30).stopped


def test_a_dry_run_sends_nothing(project: Project, model: ChatServer) -> None:
    result = ask(project, limit=30, dry_run=True)
    assert result.estimate is not None
    assert result.estimate.calls == 30
    assert "free" in result.estimate.sentence
    assert model.bodies == []


def test_what_cannot_be_asked_says_why(project: Project) -> None:
    with pytest.raises(BadInput, match="llm_model"):
        ask(project)
    with pytest.raises(Refused, match="allow_remote"):
        ask(project, model="gpt", url="openai")
    with pytest.raises(BadInput, match="no suggester"):
        ask(project, using="oracle", model="m")


def test_a_model_in_a_folder_suggests_too(project: Project, tmp_path: Path) -> None:
    folder = make_language_model(tmp_path / "tiny", context=2_048)
    result = ask(project, model=str(folder), limit=6)
    assert (result.model, result.stored, result.cost) == ("tiny", 6, 0.0)
    assert project.store.one("select count(*) from generated_answers where confidence between 0 and 1") == 6


def test_several_labels_or_none_are_read_and_written() -> None:
    setup: dict[str, object] = {
        "labels": [{"id": "a", "name": "Rain", "description": ""}, {"id": "b", "name": "Sun", "description": "hot"}],
        "multi": True,
    }
    schema = LABEL_PROMPT.schema(setup)
    assert schema["required"] == ["labels"]
    assert LABEL_PROMPT.read({"labels": ["Sun", "Rain", "Sun"]}, setup) == ["a", "b"]
    assert LABEL_PROMPT.read({"labels": []}, setup) == []
    assert LABEL_PROMPT.value(["b"], setup) == {"labels": ["Sun"]}
    assert LABEL_PROMPT.value(["gone"], setup) is None
    assert LABEL_PROMPT.value([], {**setup, "multi": False}) is None
    assert "Several may fit" in LABEL_PROMPT.instructions(setup, "")


def test_a_suggestion_of_unknown_probability_is_one_on_the_card_and_in_argilla() -> None:
    labels = make_taxonomy(["rain", "sun"])
    first = labels.labels[0].id
    for multi, value in ((False, first), (True, [first])):
        settings = Settings(name="p", multi=multi, taxonomy=labels)
        alternatives = LABEL_PROMPT.alternatives([first], None)
        shown = LABELS.suggestion(alternatives, settings)
        assert shown == {"labels": [{"id": first, "probability": None}]}
        question = LABEL_FORM.question(LABELS.setup(settings))
        assert LABEL_FORM.proposed(shown, question) == (value, None)


def curve(error: float, share: float, exponent: float, labels: int = 100) -> Curve:
    draws = 2_000
    ones = np.ones(draws)
    return Curve(labels, error * ones, share * ones, exponent * ones, 0 * ones, 0.0, ((50.0, 0.6), (100.0, 1 - error)))


def test_it_is_worth_the_labels_at_which_the_heads_curve_reaches_it() -> None:
    rng = np.random.default_rng(0)
    exact = labels_worth(curve(0.2, 1.0, 1.0), Estimate(0.9, 0.9, 0.9), rng)
    assert exact.labels == pytest.approx(200)
    vague = labels_worth(curve(0.2, 1.0, 1.0), Estimate(0.8, 0.7, 0.87), rng)
    assert vague.labels == pytest.approx(100, rel=0.05)
    assert vague.low < 75 < 130 < (vague.high or 0)
    never = labels_worth(curve(0.2, 0.5, 1.0), Estimate(0.95, 0.94, 0.96), rng)
    assert never.labels is None
    assert "does not reach it" in never.sentence


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    """Newcombe 1998, table II, example (a): 56/70 - 48/80 is .20, from .0524 to .3339 by method 10."""
    from core.evaluation.scores import share

    result = newcombe(share(56, 70), share(48, 80))
    assert (result.value, result.low, result.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
