"""What another rule for settling changes in a whole project: said before, done at once, and never undone by halves."""

import json

import pytest

from core import loop
from core.config.settings import FILE
from core.errors import BadInput
from core.labelling.bulk import label_many
from core.labelling.changes import change_settings
from core.labelling.corrections import correct
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.settling import RULES
from core.project import Project, open_project
from core.reports.card_text import as_markdown
from core.reports.datacard import data_card
from core.reports.overview import preview_resettling, settle_rules, status
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.queue_world import ANN, BOB
from tests.test_labels import answer

CAT = Holder("cat", "1")


def labels(project: Project) -> dict[str, tuple[str, str]]:
    """Record -> its label and how it was settled, gold aside."""
    rows = project.store.query(
        "select id, labels[1], how from settled join records using (n) where stratum not in ('gold', 'file')"
    )
    return {id: (label, how) for id, label, how in rows}


@pytest.fixture
def waiting(project: Project) -> list[str]:
    """Three records: one that two agree on, one that two against one do, one that is tied; overlap is 3."""
    change_settings(project, overlap=3)
    loop.next_batch(project, quiet, size=4, strategy="random")
    agreed, outvoted, tied, _ = [
        row[0] for row in project.store.query("select id from queue join records using (n) where not spare")
    ]
    for person in (ANN, BOB):
        answer(project, person, agreed)
    for person, label in ((ANN, "food"), (BOB, "food"), (CAT, "music")):
        answer(project, person, outvoted, label=label)
    for person, label in ((ANN, "food"), (BOB, "music")):
        answer(project, person, tied, label=label)
    return [agreed, outvoted, tied]


def test_every_rule_is_explained_before_it_is_chosen_and_does_that(project: Project, waiting: list[str]) -> None:
    agreed, outvoted, tied = waiting
    assert set(settle_rules()) == set(RULES)
    with project.store.transaction() as cursor:
        cursor.execute("insert into annotators values ('cat', 4.0, '{}', now()), ('ann', 2.0, '{}', now())")
    for rule, counts, matches in (
        ("single", (0, 1, 1), {agreed: "food", outvoted: "music", tied: "music"}),
        ("weighted", (0, 0, 1), {agreed: "food", outvoted: "music", tied: "food"}),
        ("adjudicated", (3, 0, 0), {}),
        ("majority", (0, 2, 0), {agreed: "food", outvoted: "food"}),
    ):
        result = preview_resettling(project, rule)
        assert (result.lost, result.gained, result.changed) == counts
        change_settings(project, settle=rule)
        assert {id: label for id, (label, _) in labels(project).items()} == matches
        assert preview_resettling(project, rule).sentence == "No label changes."


def test_a_rule_that_is_not_there_is_refused_and_nothing_changes(project: Project, waiting: list[str]) -> None:
    before = labels(project)
    with pytest.raises(BadInput, match="settle is 'mean'"):
        change_settings(project, settle="mean")
    assert labels(project) == before
    assert project.store.one("select count(*) from settling") == 0


def test_what_is_not_settled_any_more_is_asked_on_only_where_too_few_have_answered(
    project: Project, waiting: list[str]
) -> None:
    agreed, outvoted, tied = waiting
    change_settings(project, settle="adjudicated")
    entries = {card.id for card in project.label_queue.exchange(Holder("dan", "1"), QueueRequest(want=50)).cards}
    assert {agreed, tied} <= entries
    assert outvoted not in entries
    assert status(project).tied == 1
    assert project.store.one("select detail->>'lost' from audit_log where what = 'settled anew'") == "2"


def test_a_rule_edited_by_hand_settles_anew_when_the_project_is_opened(project: Project, waiting: list[str]) -> None:
    path = project.folder / FILE
    path.write_text(path.read_text().replace('settle = "majority"', 'settle = "single"'))
    project.close()
    opened = open_project(project.folder, InProcessRunner())
    assert labels(opened)[waiting[1]] == ("music", "single")
    assert opened.store.query("select rule from settling") == [("single",)]


def test_what_waits_for_a_decision_is_not_chosen_again(project: Project) -> None:
    change_settings(project, settle="adjudicated")
    before = project.store.one("select count(*) from pool")
    ns = [n for (n,) in project.store.query("select n from pool order by n limit 3")]
    label_many(project, ns, ["food"], "ann")
    assert labels(project) == {}
    assert project.store.one("select count(*) from pool") == before - 3
    assert status(project).tied == 3
    record = project.store.one("select id from records where n = ?", [ns[0]])
    correct(project, record, ["food"], "bob")
    assert labels(project) == {record: ("food", "adjudicated")}
    change_settings(project, retire_label="food")
    assert project.store.one("select count(*) from pool") == before, "whose label was retired is asked again"


def test_the_data_card_names_the_rule(project: Project, waiting: list[str]) -> None:
    change_settings(project, settle="single")
    card = data_card(project)
    assert card["people"]["settled_by"] == "single"
    assert "by the rule 'single'" in as_markdown(card)


def test_the_audit_log_names_who_changed_the_rule(project: Project) -> None:
    change_settings(project, "mia", settle="weighted")
    [(person, detail)] = project.store.query("select user, detail from audit_log where what = 'settings'")
    assert (person, json.loads(detail)) == ("mia", {"settle": "weighted"})
