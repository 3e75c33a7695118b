"""What machine labels may be accepted on: the audits that speak for the pool, the model, what changed meanwhile."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.auto_label.accepting import auto, check, preview
from core.errors import Refused
from core.evaluation.guarantee import GuaranteeTerms
from core.jobs.bundle import Report
from core.labelling.changes import change_settings
from core.project import Project
from tests.conftest import quiet
from tests.guarantee_world import GUARANTEE, LATEST, answer, count, import_latest, made_up


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Project]:
    with made_up(tmp_path / "mail") as project:
        yield project


@pytest.mark.parametrize(("seen", "imported_at"), [("700", "2026-01-01"), ("null", "2026-02-01")])
def test_records_that_the_draw_of_the_audit_did_not_see_are_not_covered(
    world: Project, seen: str, imported_at: str
) -> None:
    """They came while the round was played; or after it, in a project that did not write down what a draw saw."""
    import_latest(world, imported_at)
    with world.label_queue.changing() as cursor:
        cursor.execute(f"update batches set records = {seen}")
    result = auto(world, quiet, accept=True, **GUARANTEE)
    assert result.outside == len(LATEST)
    assert count(world, "machine_labels where n >= 700") == 0


def test_an_audit_drawn_after_an_import_covers_it(world: Project) -> None:
    import_latest(world, "2026-01-01")
    with world.label_queue.changing() as cursor:
        cursor.execute("update batches set records = 710")
    result = auto(world, quiet, accept=True, **GUARANTEE)
    assert (result.outside, result.pool) == (0, 590)
    assert count(world, "machine_labels where n >= 700") == len(LATEST)


def test_what_was_audited_before_an_import_without_a_pool_still_counts(world: Project) -> None:
    """Ten audit records were drawn after it, and nothing of it is left to label."""
    with world.label_queue.changing() as cursor:
        cursor.execute("insert into batches select * replace (2 as batch, 710 as records) from batches")
        cursor.execute("update queue set batch = 2 where n < 100")
    assert preview(world, GuaranteeTerms(**GUARANTEE)).audits > 100


def meanwhile(change: Callable[[], object]) -> Report:
    """A report that does something between looking and accepting."""

    def told(what: str, done: int, total: int) -> None:
        if (what, done) == ("Accepting", 0):
            change()

    return told


def test_a_label_retired_during_a_preview_is_not_accepted(world: Project) -> None:
    retire = meanwhile(lambda: change_settings(world, retire_label="ham"))
    with pytest.raises(Refused, match="other labels"):
        auto(world, retire, accept=True, **GUARANTEE)
    assert count(world, "machine_labels") == count(world, "guarantees") == 0


def test_a_new_model_during_a_preview_is_not_accepted(world: Project) -> None:
    def learn() -> None:
        with world.label_queue.changing() as cursor:
            cursor.execute("insert into models select * replace ('m2' as id, now()::timestamp as made_at) from models")
            cursor.execute("update suggestions set model = 'm2'")

    with pytest.raises(Refused, match="changed meanwhile"):
        auto(world, meanwhile(learn), accept=True, **GUARANTEE)
    assert count(world, "machine_labels") == count(world, "guarantees") == 0


def test_only_previewed_records_are_accepted(world: Project) -> None:
    result = auto(world, meanwhile(lambda: import_latest(world, "2026-01-01")), accept=True, **GUARANTEE)
    assert result.accepted == result.covered
    assert count(world, "machine_labels where n >= 700") == 0


def test_too_few_audit_labels_are_refused_with_the_number_missing(world: Project) -> None:
    with world.label_queue.changing() as cursor:
        cursor.execute("delete from held_out_predictions where n >= 20")
    with pytest.raises(Refused, match=r"takes about \d+ more.*given since the model was made"):
        auto(world, quiet, accept=True, precision=0.95)
    assert count(world, "machine_labels") == 0


def test_where_there_is_no_model_it_says_so(world: Project) -> None:
    with world.label_queue.changing() as cursor:
        cursor.execute("delete from models")
    with pytest.raises(Refused, match="no model yet"):
        auto(world, quiet)


def test_a_model_of_other_labels_is_refused(world: Project) -> None:
    change_settings(world, rename_label=("spam", "junk"))  # a new version with the same labels
    assert preview(world, GuaranteeTerms(**GUARANTEE)).why is None
    change_settings(world, add_label="news")
    with pytest.raises(Refused, match="other labels"):
        auto(world, quiet)


def test_a_model_whose_guarantee_broke_gets_no_other(world: Project) -> None:
    auto(world, quiet, accept=True, **GUARANTEE)
    answer(world, wrong={"spam", "ham"})
    check(world, quiet)
    for accept in (False, True):
        with pytest.raises(Refused, match=r"broke on 20\d\d-.*train the next one"):
            auto(world, quiet, accept=accept, precision=0.6)
    with world.label_queue.changing() as cursor:
        cursor.execute("insert into models select * replace ('m2' as id, now()::timestamp as made_at) from models")
        cursor.execute("update suggestions set model = 'm2'")
    assert auto(world, quiet, accept=True, precision=0.6).accepted
