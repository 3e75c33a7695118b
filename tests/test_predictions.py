"""What a champion said before the truth was known is kept, whoever is champion when it comes; nothing else is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import loop, simulate
from core.errors import BadInput
from core.labelling.changes import change_settings
from core.models.in_use import active_model
from core.project import Project
from core.registry.activation import promote
from core.registry.predictions import predictions
from tests.conftest import quiet
from tests.registry_world import answers, bad_head, enter, played


@pytest.fixture
def two(encoded: Path, tmp_path: Path) -> Iterator[Project]:
    """Two rounds, of which the second was answered after the first model had judged it; a third batch waits."""
    with played(encoded, tmp_path / "played") as project:
        loop.next_batch(project, quiet, size=8, spare=0)
        yield project


def test_what_the_champion_predicted_of_the_next_batch_meets_the_truth_when_it_is_answered(two: Project) -> None:
    result = predictions(two, quiet)
    assert [(point.when, point.n) for point in result.over_time] == [("2", 8)]
    assert [(point.when, point.n) for point in result.chosen] == [("2", 8)]
    simulate.answer_queued(two, answers(), 8)
    again = predictions(two, quiet)
    assert [point.when for point in again.over_time] == ["2", "3"]
    assert [point.model for point in again.over_time][-1] == active_model(two)
    assert sum(point.n for point in again.over_time) + sum(row.n for row in again.chosen) == 24


def test_the_log_is_kept_when_the_next_model_takes_over_and_never_takes_what_that_one_trained_on(two: Project) -> None:
    champion = active_model(two)
    simulate.answer_queued(two, answers(), 8)
    before = predictions(two, quiet)
    loop.fit(two, quiet)
    assert predictions(two, quiet) == before
    loop.fit(two, quiet)
    assert predictions(two, quiet) == before
    rows = two.store.query("select model, count(*) from predictions group by 1 order by max(predicted_at)")
    assert [count for _, count in rows] == [16, 8]
    assert rows[-1][0] == champion


def test_a_promotion_keeps_the_predictions_of_the_champion_before(two: Project) -> None:
    champion = active_model(two)
    simulate.answer_queued(two, answers(), 3)
    challenger = enter(two, bad_head())
    promote(two, quiet, model=challenger, force=True, reason="to see")
    simulate.answer_queued(two, answers(), 5)
    rows = two.store.query("select model, count(*) from predictions group by 1")
    assert dict(rows)[champion] == 3
    assert {point.model for point in predictions(two, quiet).over_time[1:]} <= {champion, challenger}
    worst = predictions(two, quiet).worst
    assert challenger in {miss.model for miss in worst}
    assert all(miss.predicted != miss.truth for miss in worst)
    assert [miss.probability for miss in worst] == sorted((miss.probability for miss in worst), reverse=True)


def test_a_correction_changes_the_truth_and_not_the_prediction(two: Project) -> None:
    simulate.answer_queued(two, answers(), 8)
    loop.fit(two, quiet)
    before = {row.record_no for row in predictions(two, quiet).worst}
    [(n, labels)] = two.store.query("select n, labels from predictions where n not in (select unnest(?::bigint[])) "
                                    "order by n limit 1", [list(before)])  # fmt: skip
    other = next(label for label in ("food", "music", "weather") if label not in labels)
    with two.store.transaction() as cursor:
        cursor.execute("update settled set labels = [$1], answer = answer_of([$1]) where n = $2", [other, n])
    after = predictions(two, quiet).worst
    assert {row.record_no for row in after} == before | {n}
    assert next(row for row in after if row.record_no == n).truth == other


def test_a_record_that_waits_for_a_second_blind_answer_is_not_among_the_misses(two: Project) -> None:
    promote(two, quiet, model=enter(two, bad_head()), force=True, reason="to have misses")
    simulate.answer_queued(two, answers(), 8)
    missed = {row.record_no for row in predictions(two, quiet).worst}
    audits = {n for (n,) in two.store.query("select n from queue where audit")}
    change_settings(two, overlap=2)
    shown = {row.record_no for row in predictions(two, quiet).worst}
    assert missed & audits
    assert shown == missed - audits


def test_it_can_be_listed_by_week_and_other_words_are_refused(two: Project) -> None:
    result = predictions(two, quiet, by="week", worst=0)
    assert [point.n for point in result.over_time] == [8]
    assert result.worst == ()
    with pytest.raises(BadInput, match="by round or week"):
        predictions(two, quiet, by="moon")


def test_before_any_model_there_is_nothing_to_tell(project: Project) -> None:
    result = predictions(project, quiet)
    assert (result.over_time, result.chosen, result.worst) == ((), (), ())
    assert "No suggestion has met the truth yet" in result.sentence
