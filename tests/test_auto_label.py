"""Machine labels: accepted on a guarantee, checked blindly, given back when it breaks. A store with figures made up."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from core import loop
from core.auto_label.accepting import auto, check, preview, withdraw
from core.auto_label.guarantees import announcements, answers_to_check, guarantee_in_force, past_guarantees
from core.errors import Refused
from core.evaluation.guarantee import GuaranteeTerms
from core.labelling.corrections import correct
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project, open_project
from core.typed_json import to_json
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.guarantee_world import ANN, AUDITS, GUARANTEE, OPEN, answer, count, fill, made_up

PAGE = Path(__file__).parent.parent / "app" / "pages" / "auto_label.py"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Project]:
    with made_up(tmp_path / "mail") as project:
        yield project


def test_a_preview_shows_what_would_be_covered_and_changes_nothing(world: Project) -> None:
    result = preview(world, GuaranteeTerms(**GUARANTEE))
    assert result.why is None
    assert 500 <= result.covered <= result.pool == 580
    assert result.bound >= 0.9
    assert sum(label.covered for label in result.labels) == result.covered
    json.dumps(to_json(result))
    assert count(world, "guarantees") == count(world, "machine_labels") == count(world, "audit_log") == 0


def test_accepted_labels_are_kept_apart_and_a_blind_check_is_queued(world: Project) -> None:
    result = auto(world, quiet, accept=True, user="ann", **GUARANTEE)
    assert result.accepted == result.covered == count(world, "machine_labels")
    assert count(world, "settled") == AUDITS
    assert count(world, "queue where purpose = 'check' and not audit and suggestion is null") == result.checks >= 30
    assert count(world, "pool where n in (select n from machine_labels)") == 0
    matches = guarantee_in_force(world)
    assert matches is not None
    assert (matches.covered, matches.waiting, matches.guarantee.user) == (result.accepted, result.checks, "ann")
    assert world.store.one("select what from audit_log") == "accept"


def test_a_new_guarantee_replaces_the_one_in_force(world: Project) -> None:
    first = auto(world, quiet, accept=True, **GUARANTEE)
    second = auto(world, quiet, accept=True, precision=0.85, confidence=0.9)
    assert second.pool == first.pool  # what the first had labelled, and its check, are looked at anew
    in_force = guarantee_in_force(world)
    assert in_force is not None
    assert in_force.guarantee.id == second.guarantee
    [past] = past_guarantees(world)
    assert (past.id, past.state, past.why) == (first.guarantee, "replaced", f"replaced by {second.guarantee}")
    assert count(world, "machine_labels") == second.accepted
    assert count(world, "queue where purpose = 'check'") == second.checks


def test_a_guarantee_that_holds_stays_in_force_after_its_check(world: Project) -> None:
    result = auto(world, quiet, accept=True, **GUARANTEE)
    assert answer(world, wrong=set()) >= result.checks
    assert check(world, quiet).broken is None
    matches = guarantee_in_force(world)
    assert matches is not None
    assert (matches.right, matches.wrong, matches.waiting) == (result.checks, 0, 0)
    assert matches.covered == result.accepted - result.checks  # a person's answer beats a machine label
    assert announcements(world) == []


def test_a_broken_guarantee_gives_its_records_back_and_is_announced(world: Project) -> None:
    summary = auto(world, quiet, accept=True, **GUARANTEE)
    answer(world, wrong={"spam", "ham"})
    result = check(world, quiet)
    assert result.broken == summary.guarantee
    assert result.removed == summary.accepted - summary.checks
    assert guarantee_in_force(world) is None
    assert "is broken" in announcements(world)[0]
    assert count(world, "machine_labels") == count(world, f"({OPEN})") == 0
    assert count(world, "queue where purpose = 'wanted'") == result.requeued == 50
    assert count(world, "audit_pool") == 580 - summary.checks - 50
    assert check(world, quiet).broken is None


def test_only_the_label_to_blame_is_given_back(world: Project) -> None:
    result = auto(world, quiet, accept=True, precision=0.95, confidence=0.9)  # of 66 checks enough are ham
    answer(world, wrong={"ham"})
    assert check(world, quiet).broken == result.guarantee
    left = guarantee_in_force(world)
    assert left is not None
    assert [label.id for label in left.labels] == ["spam"]
    assert list(left.guarantee.thresholds) == ["spam"]
    assert left.guarantee.covered == count(world, "machine_labels") < result.accepted
    assert "of 'ham'" in announcements(world)[0]
    assert check(world, quiet).broken is None


def test_withdrawing_counts_the_labels_that_no_person_had_answered(world: Project) -> None:
    result = auto(world, quiet, accept=True, **GUARANTEE)
    answered = answer(world, wrong=set())
    assert withdraw(world, quiet).withdrawn == result.accepted - answered > 0
    assert count(world, "settled") == AUDITS + answered


def test_a_guarantee_can_be_withdrawn_while_a_check_is_on_a_screen(world: Project) -> None:
    auto(world, quiet, accept=True, **GUARANTEE)
    [card] = world.label_queue.exchange(ANN, QueueRequest(want=1)).cards
    withdraw(world, quiet, user="ann")
    assert past_guarantees(world)[0].why == "withdrawn by a person"
    assert world.store.one("select user from audit_log where what = 'withdraw'") == "ann"
    assert count(world, "machine_labels") == 0
    assert count(world, "queue where purpose = 'check'") == 1
    world.label_queue.exchange(ANN, QueueRequest(events=(Event("e1", card.id, "submit", ("spam",)),)))
    assert count(world, "settled where stratum = 'check'") == 1
    with pytest.raises(Refused, match="No guarantee is in force"):
        withdraw(world, quiet)


def test_the_server_checks_the_guarantee_only_after_answers_to_machine_labels(world: Project) -> None:
    auto(world, quiet, accept=True, **GUARANTEE)
    answers, due = answers_to_check(world, 0)
    assert (answers, due) == (AUDITS, False)
    correct(world, "r1", ["ham"], "ann")
    assert answers_to_check(world, answers) == (AUDITS + 1, False)
    correct(world, world.store.one("select id from records join machine_labels using (n)"), ["spam"], "ann")
    assert answers_to_check(world, answers) == (AUDITS + 2, True)
    assert answers_to_check(world, AUDITS + 2) == (AUDITS + 2, False)


def test_a_guarantee_breaks_by_itself_after_the_answers_that_break_it(world: Project) -> None:
    server = background.open_server(lambda: world)
    result = auto(world, quiet, accept=True, **GUARANTEE)
    answer(world, wrong={"spam", "ham"})
    server.after_events()
    while server.activities:
        time.sleep(0.01)
    [past] = past_guarantees(world)
    assert (past.id, past.state) == (result.guarantee, "broken")
    background._OPEN.clear()


def page_of(project: Project) -> AppTest:
    """The page after one run."""
    background.open_server(lambda: project)
    page = AppTest.from_file(str(PAGE.parent.parent / "main.py"), default_timeout=120)
    page.switch_page(f"pages/{PAGE.name}").run()
    assert not page.exception
    return page


def test_on_the_page_a_guarantee_is_previewed_accepted_and_withdrawn(world: Project) -> None:
    page = page_of(world)
    page.slider(key="precision").set_value(0.9).run()
    assert any("can be labelled by machine, at least 90 % of them right" in text.value for text in page.text)
    page.button(key="accept").click().run()
    assert any("Nothing was checked yet" in text.value for text in page.text)
    overview = AppTest.from_file(str(PAGE.parent.parent / "main.py"), default_timeout=120).run()
    assert not overview.exception
    assert count(world, "machine_labels") > 400
    page.button(key="withdraw").click().run()
    assert not page.exception
    assert guarantee_in_force(world) is None
    background._OPEN.clear()


def test_the_page_says_what_is_missing_and_what_broke(world: Project) -> None:
    auto(world, quiet, accept=True, **GUARANTEE)
    answer(world, wrong={"spam", "ham"})
    check(world, quiet)
    page = page_of(world)
    assert "is broken" in page.warning[0].value
    [past] = page.dataframe[0].value.to_dict("records")
    assert (past["how"], past["by"]) == ("broken", "local")
    assert "at least 90 % of them right" in past["guaranteed"]
    assert past["why"] in page.warning[0].value
    assert "guarantee on this model broke" in page.info[0].value
    with world.label_queue.changing() as cursor:
        cursor.execute("update guarantees set model = 'm0'")
    page.slider(key="precision").set_value(0.99).run()
    assert any("audit labels speak for" in text.value for text in page.text)
    assert page.button(key="queue-audit").label.endswith("audit records")
    background._OPEN.clear()


def test_checks_are_mixed_into_what_nobody_has_answered(world: Project) -> None:
    """Two records were skipped long ago, far in front of a batch of 100."""
    with world.label_queue.changing() as cursor:
        cursor.execute(
            """insert into queue select n, 2, if(n < 202, n - 9000, n), false, false, null, null, 'm1', null, null
               from records where n between 200 and 301"""
        )
        cursor.execute(
            """insert into responses select 's' || n, n, 'ann', 'skip', [], null, null, now()::timestamp, 0,
               now()::timestamp, 1, 1, null, null, 0, 'app', true, null, null from records where n in (200, 201)"""
        )
    auto(world, quiet, accept=True, **GUARANTEE)
    [(first, last)] = world.store.query("select min(position), max(position) from queue where purpose = 'check'")
    assert 202 <= first < last <= 302


def test_where_several_labels_may_hold_all_of_a_record_stand_or_fall_together(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "topics", ["a", "b"], multi=True)
    project = open_project(tmp_path / "topics", InProcessRunner())
    fill(project, 400, "[['a'], ['a', 'b'], []][n % 3 + 1]", "[['a'], ['b', 'a'], []][n % 3 + 1]")
    result = auto(project, quiet, accept=True, **GUARANTEE)
    assert list(result.thresholds) == ["*"]
    assert result.accepted == 280
    assert count(project, "machine_labels where len(labels) = 2") > 80
    project.close()
