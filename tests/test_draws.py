"""How records left the pool: what the store remembers is what happened, whatever way they were asked."""

from pathlib import Path

import numpy as np
import pytest

from core import loop, simulate
from core.data.encoding import encode
from core.data.file_import import import_file
from core.evaluation.audit import weigh
from core.ids import RecordNo
from core.labelling.bulk import label_many
from core.labelling.corrections import correct
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.reviews import queue_for_review
from core.project import Project
from core.reports.model_quality import caveats, newest_model
from core.reports.overview import status
from core.rounds.draws import read_history
from tests.conftest import COLUMNS, quiet, write_csv

Truth = dict[str, tuple[str, ...]]


def asked_records(project: Project) -> list[RecordNo]:
    return [n for (n,) in project.store.query("select n from settled where stratum <> 'gold' order by n")]


def test_each_draw_is_one_of_the_batch_or_of_the_spare_records_behind_it(project: Project, truth: Truth) -> None:
    for share in (0.5, 0.25):
        queued = loop.next_batch(project, quiet, size=8, audit_share=share, spare=4).queued
        simulate.answer_queued(project, truth, queued + 2)  # two of the spare ones
    with project.store.reading() as cursor:
        rows, history = read_history(cursor, asked_records(project))
    assert len(rows) == 20
    assert history.wave_sizes.tolist() == [48]
    counts = dict(zip(*np.unique(history.left, return_counts=True), strict=True))
    assert counts == {0: 8, 1: 2, 2: 8, 3: 2}
    own = np.isin(history.left, (0, 2))
    assert (history.audited & own).sum() == 4 + 2


def test_weights_of_the_asked_records_sum_to_one_and_audit_records_carry_nearly_all(
    project: Project, truth: Truth
) -> None:
    simulate.simulate_rounds(project, truth, simulate.Budget(3, 8, "default"), quiet)
    with project.store.reading() as cursor:
        _, history = read_history(cursor, asked_records(project))
    weights = weigh(history)
    assert weights.weight.sum() == pytest.approx(1)
    assert weights.population == 48
    rows = project.store.query(
        "select stratum, sum(weight) from held_out_predictions where stratum <> 'gold' group by 1 order by 1"
    )
    strata = dict(rows)
    assert strata["audit"] == pytest.approx(weights.weight[weights.drawn].sum())
    assert strata["audit"] > strata["chosen"]


def test_records_imported_later_are_not_claimed_until_one_of_them_was_drawn(
    project: Project, truth: Truth, tmp_path: Path
) -> None:
    loop.next_batch(project, quiet, size=12, audit_share=0.5, spare=0)
    simulate.answer_queued(project, truth, 12)
    file = write_csv(tmp_path / "more.csv", 90, labelled=False)
    import_file(project, quiet, file=str(file), **COLUMNS)
    encode(project, quiet)
    loop.fit(project, quiet)
    model = newest_model(project)
    assert model is not None
    assert model.metrics.audit is not None
    assert model.metrics.audit.uncovered == 24  # thirty more rows, six of them gold
    assert any("24 records came with imports" in sentence for sentence in caveats(project))
    assert any("24 records came with imports" in sentence for sentence in status(project).caveats)


def test_bulk_answers_represent_themselves_alone(project: Project, truth: Truth) -> None:
    ns = [n for (n,) in project.store.query("select n from records where split is distinct from 'test' order by n")]
    label_many(project, ns[:10], ("food",), "ana")
    loop.next_batch(project, quiet, size=6, audit_share=1.0, spare=0)
    simulate.answer_queued(project, truth, 6)
    with project.store.reading() as cursor:
        rows, history = read_history(cursor, asked_records(project))
    weights = weigh(history)
    bulk = np.isin(rows, ns[:10])
    assert not history.audited[bulk].any()
    assert weights.weight[bulk] == pytest.approx(1 / 48)
    assert weights.weight[~bulk] == pytest.approx(38 / 48 / 6)


def test_labels_of_a_file_train_but_have_no_audit_weight(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "known.csv"
    file.write_text("id,text,topic,split\nk1,Old bread is hard.,food,train\nk2,A drum is loud.,music,train\n")
    import_file(project, quiet, file=str(file), **COLUMNS)
    with project.store.reading() as cursor:
        rows, history = read_history(cursor, asked_records(project))
    assert len(rows) == 0
    assert history.wave_sizes.sum() == 48
    assert loop.fit(project, quiet).labels == 2


def test_records_imported_while_a_batch_is_chosen_do_not_count_as_seen_by_it(project: Project, tmp_path: Path) -> None:
    """What a draw could take from is what had a vector then, not what was there when its result was taken in."""
    loop.next_batch(project, quiet, size=6, audit_share=1.0, spare=0)
    file = write_csv(tmp_path / "more.csv", 90, labelled=False)
    import_file(project, quiet, file=str(file), **COLUMNS)
    with project.store.transaction() as cursor:
        cursor.execute("update batches set made_at = made_at + interval 1 hour")
    with project.store.reading() as cursor:
        _, history = read_history(cursor, [])
    assert history.wave_opens.tolist() == [0, 2]
    assert history.wave_sizes.tolist() == [48, 24]


def test_a_review_does_not_change_when_a_record_left_the_pool(project: Project, truth: Truth) -> None:
    ns = [n for (n,) in project.store.query("select n from records where split is distinct from 'test' order by n")]
    label_many(project, ns[:4], ("food",), "ana")
    for _ in range(2):
        simulate.answer_queued(project, truth, loop.next_batch(project, quiet, size=6, spare=0).queued)
    with project.store.reading() as cursor:
        before = read_history(cursor, asked_records(project))[1]
    queue_for_review(project, ns[:4], "bob")
    correct(project, "r0", ("music",), "bob")
    with project.store.reading() as cursor:
        after = read_history(cursor, asked_records(project))[1]
    assert before.left.tolist() == after.left.tolist()
    assert before.left.min() == -1


def test_a_label_from_a_file_stays_outside_when_a_person_reviews_it(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "known.csv"
    file.write_text("id,text,topic,split\nk1,Old bread is hard.,food,train\nk2,A drum is loud.,music,train\n")
    import_file(project, quiet, file=str(file), **COLUMNS)
    correct(project, "k1", ("music",), "bob")
    with project.store.reading() as cursor:
        rows, history = read_history(cursor, asked_records(project))
    assert (len(rows), history.wave_sizes.sum()) == (0, 48)


def test_audit_records_without_a_label_that_counts_and_later_imports_are_named(
    project: Project, truth: Truth, tmp_path: Path
) -> None:
    loop.next_batch(project, quiet, size=14, audit_share=1.0, spare=0)
    simulate.answer_queued(project, truth, 12)
    left = [card.id for card in project.label_queue.exchange(Holder("ana", "tab"), QueueRequest(want=5)).cards]
    events = (Event("1", left[0], "flag", ts=1.0), Event("2", left[1], "skip", ts=1.0))
    project.label_queue.exchange(Holder("ana", "tab"), QueueRequest(events=events))
    loop.fit(project, quiet)
    file = write_csv(tmp_path / "more.csv", 90, labelled=False)
    import_file(project, quiet, file=str(file), **COLUMNS)
    result = " ".join(caveats(project))
    assert "2 audit records are not in the figures: 0 were answered without settling a label, 1 flagged" in result
    assert "24 records were imported after the newest audit" in result
