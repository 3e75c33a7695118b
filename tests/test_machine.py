"""Machine labels: accepted on a promise, checked blindly, given back when it breaks. A store with figures made up."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from core import loop
from core.errors import Refused
from core.labelling.leases import Holder
from core.labelling.queue import Ask
from core.labelling.responses import Event
from core.labelling.settling import settle
from core.machine.accepting import auto, check, preview, withdraw
from core.machine.promises import announcements, history, standing
from core.measuring.promises import Wanted
from core.project import Project, open_project
from core.records import AUDIT_POOL, POOL
from gpu_jobs.local import InProcessRunner
from tests.conftest import quiet

PAGE = Path(__file__).parent.parent / "app" / "pages" / "machine.py"
ANN = Holder("ann", "1")
PROMISE: dict[str, Any] = {"precision": 0.9, "confidence": 0.9}
AUDITS = 120
LATEST = range(700, 710)


def scored(n: int) -> str:
    """What the model says of a record: every third is ham."""
    return "ham" if n % 3 == 0 else "spam"


def fill(project: Project, records: int, labels: str, truth: str) -> None:
    """Records with suggestions, of which the first 120 were asked for the audit and judged. labels, truth: SQL of n.

    One in ten suggestions is unsure.
    """
    settings = project.settings()
    with project.desk.changing() as cursor:
        cursor.execute(
            """insert into records select n, 'r' || n, 'text ' || n, null, null, 'h' || n, null, null, 'f.csv',
               timestamp '2026-01-01' from range(?) as t(n)""",
            [records],
        )
        cursor.execute("insert into batches values (1, '2026-01-02', 1, 'random', 120, 120, 700, 0, null, '{}', [])")
        cursor.execute(
            "insert into models values ('m1', '2026-01-03', 1, ?, ?, 120, 1, '{}', 1.0)",
            [settings.encoder, settings.taxonomy.version],
        )
        cursor.execute(
            f"""insert into suggestions select n, ({labels})[1], if(n % 10 = 0, 0.55, 0.9 + n % 7 / 100), 0.1, {labels},
                'm1' from records"""
        )
        cursor.execute(
            """insert into queue select n, 1, n, true, false, null, null, 'm1', null, null from records
               where n < 120"""
        )
        cursor.execute(
            f"""insert into responses select 'a' || n, n, 'ann', 'submit', {truth}, null, null, timestamp '2026-01-02',
                0, timestamp '2026-01-02', 1, 1, null, null from queue"""
        )
        settle(cursor, "select n from queue", settings)
        cursor.execute(
            """insert into judged select n, z.stratum, 0.1, z.labels, s.labels, s.label, s.probability, 'm1'
               from settled z join suggestions s using (n)"""
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Project]:
    """700 records in two labels; the unsure suggestions are spam whatever the model says, all others are right."""
    loop.create_project(tmp_path / "mail", ["spam", "ham"])
    project = open_project(tmp_path / "mail", InProcessRunner())
    said = "[if(n % 3 = 0, 'ham', 'spam')]"
    fill(project, 700, said, f"if(n % 10 = 0, ['spam'], {said})")
    yield project
    project.close()


def answer(project: Project, wrong: set[str]) -> int:
    """Answers all that waits as the model would, but wrongly for the labels in `wrong`; none was shown a suggestion."""
    given = 0
    while cards := project.desk.exchange(ANN, Ask(want=50)).cards:
        assert all(card.suggestion is None for card in cards if project.store.one(_CHECKS, [card.id]))
        events = []
        for card in cards:
            said = scored(int(card.id[1:]))
            truth = {"spam": "ham", "ham": "spam"}[said] if said in wrong else said
            events.append(Event(f"e{card.id}", card.id, "submit", (truth,)))
        project.desk.exchange(ANN, Ask(events=tuple(events)))
        given += len(events)
        if not project.store.one(f"select count(*) from ({_OPEN})"):
            break
    return given


_CHECKS = "select count(*) from queue join records using (n) where id = ? and purpose = 'check'"
_OPEN = "select n from queue where purpose = 'check' and n not in (select n from settled)"


def count(project: Project, sql: str) -> int:
    return int(project.store.one(f"select count(*) from {sql}"))


def test_looking_shows_what_would_be_covered_and_changes_nothing(world: Project) -> None:
    told = preview(world, Wanted(**PROMISE))
    assert told["given"]
    assert 500 <= told["covered"] <= told["pool"] == 580
    assert told["bound"] >= 0.9
    assert sum(label["covered"] for label in told["labels"]) == told["covered"]
    json.dumps(told)
    assert count(world, "promises") == count(world, "machine_labels") == count(world, "audit_log") == 0


def test_too_few_audit_labels_are_refused_with_the_number_missing(world: Project) -> None:
    with world.desk.changing() as cursor:
        cursor.execute("delete from judged where n >= 20")
    with pytest.raises(Refused, match=r"takes about \d+ more.*given since the model was made"):
        auto(world, quiet, accept=True, precision=0.95)
    assert count(world, "machine_labels") == 0


def test_where_there_is_no_model_it_says_so(world: Project) -> None:
    with world.desk.changing() as cursor:
        cursor.execute("delete from models")
    with pytest.raises(Refused, match="no model yet"):
        auto(world, quiet)


def test_a_model_of_other_labels_is_refused(world: Project) -> None:
    from core.changes import change_settings

    change_settings(world, rename_label=("spam", "junk"))  # a new version with the same labels
    assert preview(world, Wanted(**PROMISE))["given"]
    change_settings(world, add_label="news")
    with pytest.raises(Refused, match="other labels"):
        auto(world, quiet)


def test_accepted_labels_are_kept_apart_and_a_blind_check_is_queued(world: Project) -> None:
    told = auto(world, quiet, accept=True, who="ann", **PROMISE)
    assert told["accepted"] == told["covered"] == count(world, "machine_labels")
    assert count(world, "settled") == AUDITS
    assert count(world, "queue where purpose = 'check' and not audit and suggestion is null") == told["checks"] >= 30
    assert count(world, f"({POOL}) where n in (select n from machine_labels)") == 0
    found = standing(world)
    assert found is not None
    assert (found["covered"], found["waiting"], found["who"]) == (told["accepted"], told["checks"], "ann")
    assert world.store.one("select what from audit_log") == "accept"


def test_a_new_promise_replaces_the_one_that_stands(world: Project) -> None:
    first = auto(world, quiet, accept=True, **PROMISE)
    second = auto(world, quiet, accept=True, precision=0.85, confidence=0.9)
    assert second["pool"] == first["pool"]  # what the first had labelled, and its check, are looked at anew
    assert [one["state"] for one in history(world)] == ["standing", "replaced"]
    assert count(world, "machine_labels") == second["accepted"]
    assert count(world, "queue where purpose = 'check'") == second["checks"]


def test_a_promise_that_holds_stands_after_its_check(world: Project) -> None:
    told = auto(world, quiet, accept=True, **PROMISE)
    assert answer(world, wrong=set()) >= told["checks"]
    assert check(world, quiet)["broken"] is None
    found = standing(world)
    assert found is not None
    assert (found["right"], found["wrong"], found["waiting"]) == (told["checks"], 0, 0)
    assert found["covered"] == told["accepted"] - told["checks"]  # a person's answer beats a machine label
    assert announcements(world) == []


def test_a_broken_promise_gives_its_records_back_and_is_announced(world: Project) -> None:
    told = auto(world, quiet, accept=True, **PROMISE)
    answer(world, wrong={"spam", "ham"})
    result = check(world, quiet)
    assert result["broken"] == told["promise"]
    assert result["removed"] == told["accepted"] - told["checks"]
    assert standing(world) is None
    assert "is broken" in announcements(world)[0]
    assert count(world, "machine_labels") == count(world, f"({_OPEN})") == 0
    assert count(world, "queue where purpose = 'wanted'") == result["requeued"] == 50
    assert count(world, f"({AUDIT_POOL})") == 580 - told["checks"] - 50
    assert check(world, quiet)["broken"] is None


def test_only_the_label_to_blame_is_given_back(world: Project) -> None:
    told = auto(world, quiet, accept=True, **PROMISE)
    answer(world, wrong={"ham"})
    assert check(world, quiet)["broken"] == told["promise"]
    left = standing(world)
    assert left is not None
    assert [label["id"] for label in left["labels"]] == ["spam"]
    assert list(left["thresholds"]) == ["spam"]
    assert "of 'ham'" in announcements(world)[0]
    assert check(world, quiet)["broken"] is None


def test_a_promise_can_be_withdrawn_while_a_check_is_on_a_screen(world: Project) -> None:
    auto(world, quiet, accept=True, **PROMISE)
    [card] = world.desk.exchange(ANN, Ask(want=1)).cards
    withdraw(world, quiet, who="ann")
    assert count(world, "machine_labels") == 0
    assert count(world, "queue where purpose = 'check'") == 1
    world.desk.exchange(ANN, Ask(events=(Event("e1", card.id, "submit", ("spam",)),)))
    assert count(world, "settled where stratum = 'check'") == 1
    with pytest.raises(Refused, match="No promise stands"):
        withdraw(world, quiet)


def test_records_imported_after_the_audit_are_not_covered(world: Project) -> None:
    with world.desk.changing() as cursor:
        for n in LATEST:
            cursor.execute(
                "insert into records values (?, ?, 'new', null, null, ?, null, null, 'g.csv', '2026-02-01')",
                [n, f"r{n}", f"h{n}"],
            )
            cursor.execute("insert into suggestions values (?, 'spam', 0.99, 0.1, ['spam'], 'm1')", [n])
    told = auto(world, quiet, accept=True, **PROMISE)
    assert told["outside"] == len(LATEST)
    assert count(world, "machine_labels where n >= 700") == 0


def page_of(project: Project) -> AppTest:
    """The page after one run."""
    state.open_office(lambda: project)
    page = AppTest.from_file(str(PAGE), default_timeout=30).run()
    assert not page.exception
    return page


def test_on_the_page_a_promise_is_looked_at_accepted_and_withdrawn(world: Project) -> None:
    page = page_of(world)
    page.number_input(key="precision").set_value(0.9)
    page.button(key="look").click().run()
    assert any("can be labelled by machine, at least 90 % of them right" in text.value for text in page.text)
    page.button(key="accept").click().run()
    assert any("Nothing was checked yet" in text.value for text in page.text)
    assert count(world, "machine_labels") > 400
    page.button(key="withdraw").click().run()
    assert not page.exception
    assert standing(world) is None
    state._OPEN.clear()


def test_the_page_says_what_is_missing_and_what_broke(world: Project) -> None:
    auto(world, quiet, accept=True, **PROMISE)
    answer(world, wrong={"spam", "ham"})
    check(world, quiet)
    page = page_of(world)
    assert "is broken" in page.warning[0].value
    page.number_input(key="precision").set_value(0.99)
    page.button(key="look").click().run()
    assert any("audit labels speak for" in text.value for text in page.text)
    state._OPEN.clear()


def test_where_several_labels_may_hold_all_of_a_record_stand_or_fall_together(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "topics", ["a", "b"], multi=True)
    project = open_project(tmp_path / "topics", InProcessRunner())
    fill(project, 400, "[['a'], ['a', 'b'], []][n % 3 + 1]", "[['a'], ['b', 'a'], []][n % 3 + 1]")
    told = auto(project, quiet, accept=True, **PROMISE)
    assert list(told["thresholds"]) == ["*"]
    assert told["accepted"] == 280
    assert count(project, "machine_labels where len(labels) = 2") > 80
    project.close()
