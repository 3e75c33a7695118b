"""The data card: every figure from the store, people without their names, and no text in it that is followed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import simulate
from core.evaluation.metrics import Estimate, Metrics, Score
from core.labelling.changes import change_settings
from core.labelling.corrections import correct
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project
from core.reports.batches import batches
from core.reports.card_text import as_markdown, escaped
from core.reports.datacard import data_card
from core.store.answers import APP, BULK
from core.typed_json import to_json
from tests.conftest import quiet

Truth = dict[str, tuple[str, ...]]


def say(project: Project, user: str, record: str, label: str, source: str = APP) -> None:
    event = Event(f"{user}-{record}-{label}", record, "submit", (label,), ts=2e9, source=source)
    project.label_queue.exchange(Holder(user, "tab"), QueueRequest(events=(event,)))


def guarantee(project: Project, state: str, records: int) -> None:
    """A guarantee and its machine labels: that records from number 20 on are about food; 24 and 29 are gold."""
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into guarantees values ('p1', now()::timestamp, 'me', 'm1', 'all-MiniLM-L6-v2', 1, 0.9, null,
               0.95, '{}', '{}', ?, 48, ?, null, null)""",
            [records, state],
        )
        cursor.execute(
            """insert into machine_labels
               select n, ['food'], .9, .8, 'p1', 'm1', answer_of(['food']) from range(20, ?) t(n)""",
            [20 + records],
        )


def test_a_new_project_has_a_card_that_claims_nothing(project: Project) -> None:
    card = data_card(project)
    assert card["data"]["records"] == 60
    assert card["model"] is None
    assert card["agreement"] is None
    assert any("nothing is claimed about accuracy" in limit for limit in card["limits"])
    assert "No model was made yet." in as_markdown(card)


def test_the_card_of_a_played_project_says_how_its_records_were_chosen_and_how_good_its_model_is(
    project: Project, truth: Truth
) -> None:
    simulate.simulate_rounds(project, truth, simulate.Budget(2, 12, "default"), quiet)
    facts = data_card(project)
    card = json.loads(json.dumps(to_json(facts)))
    first, second = card["choosing"]["batches"]
    assert (first["seed"], second["seed"]) == (1, 2)
    assert first["rows_md5"] != second["rows_md5"]
    assert [batch.rows_md5 for batch in batches(project)] == [second["rows_md5"], first["rows_md5"]]
    assert card["choosing"]["labels_by_stratum"]["audit"] == card["choosing"]["audit"] == 2
    assert card["model"]["labels_learnt_from"] > 0
    assert card["model"]["encoder_fingerprint"]
    assert set(card["model"]["scores"]) == {"audit", "gold"}
    assert any("Only 2 audit labels" in limit for limit in card["limits"])
    text = as_markdown(facts)
    assert "### On 12 gold records" in text
    assert f"Made {card['made_at']} by Rondo {card['rondo']}" in text


def test_annotators_are_named_only_when_asked(project: Project) -> None:
    say(project, "ann@example.org", "r0", "food")
    assert "ann@example.org" not in json.dumps(to_json(data_card(project))) + as_markdown(data_card(project))
    assert data_card(project, names=True)["people"]["answers"][0]["annotator"] == "ann@example.org"
    assert data_card(project)["people"]["annotators"] == 1
    assert data_card(project)["people"]["answers_from_files"] == 12


def test_agreement_counts_pairs_of_answers_and_forgets_what_was_changed(project: Project) -> None:
    for user, label in (("ann", "food"), ("bob", "food"), ("cid", "music")):
        say(project, user, "r0", label)
    assert data_card(project)["agreement"] == {"records": 1, "pairs": 3, "share": pytest.approx(1 / 3, abs=1e-3)}
    say(project, "cid", "r0", "food")
    assert data_card(project)["agreement"]["share"] == 1


def test_one_sided_corrections_and_bulk_answers_are_listed_as_limits(project: Project) -> None:
    say(project, "ann", "r0", "food")
    correct(project, "r0", ["music"], "bob")
    say(project, "ann", "r1", "food", source=BULK)
    limits = " ".join(data_card(project)["limits"])
    assert "looked at them again: 1. Such looks are one-sided" in limits
    assert "(how = bulk): 1." in limits


def test_machine_labels_are_distinguished_with_their_checks(project: Project) -> None:
    guarantee(project, "in_force", 10)
    with project.store.transaction() as cursor:
        for n, label in ((20, "food"), (21, "music")):
            cursor.execute(
                "insert into settled values ($1, [$2], 'single', 'check', 1, now()::timestamp, answer_of([$2]))",
                [n, label],
            )
    machine = data_card(project)["machine"]
    assert machine["labels"] == 10 - 2 - 2
    assert machine["checked"] == {"right": 1, "wrong": 1}
    assert "Checked blindly: 2, of which 1 were right." in as_markdown(data_card(project))
    with project.store.transaction() as cursor:
        cursor.execute("update guarantees set state = 'broken', why = 'too many wrong'")
    assert data_card(project)["machine"]["labels"] == 0
    assert "too many wrong" in as_markdown(data_card(project))


@given(st.text())
def test_no_text_of_a_project_can_leave_its_table_cell(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    assert not [at for at, sign in enumerate(shown) if sign in "|<[`*_#" and _slashes_before(shown, at) % 2 == 0]


def _slashes_before(text: str, at: int) -> int:
    return len(text[:at]) - len(text[:at].rstrip("\\"))


def test_a_hostile_label_and_guideline_stay_text(project: Project) -> None:
    hostile = "<img src=x onerror=alert(1)> ![](http://x)"
    change_settings(project, add_label=hostile, guidelines=f"Say **yes**.\n# No {hostile}")
    text = as_markdown(data_card(project))
    assert text.count("img src=x") == text.count("\\<img src=x") == 2
    assert text.count("[") == text.count("\\[") == 2
    assert escaped("spam\u202egnp\u2066") == "spam(U+202E)gnp(U+2066)"
    assert "> Say \\*\\*yes\\*\\*.\n> \\# No" in text
    card: dict[str, Any] = data_card(project)
    assert card["taxonomy"]["labels"][-1]["name"].startswith("<img")


def test_what_cannot_be_estimated_is_reported_for_the_audit_and_once(project: Project) -> None:
    wide = Estimate(0.5, 0.0, 1.0)
    gold = Score(9, wide, wide, wide, unsaid=("too few gold",))
    metrics = Metrics(gold=gold, audit=Score(9, wide, wide, wide, uncovered=7, unsaid=("too late",)))
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into models
               values ('m1', now()::timestamp, 1, 'all-MiniLM-L6-v2', 1, 9, 1, ?, 1.0, null, null, null, null, null)""",
            [json.dumps(to_json(metrics))],
        )
    limits = data_card(project)["limits"]
    assert "too late" in limits
    assert not [limit for limit in limits if ("gold" in limit and "few" in limit) or "imports" in limit]
