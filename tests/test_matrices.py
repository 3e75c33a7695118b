"""What the Rounds page draws: cells that add up, bins that say when a model is too sure, labels with their figures."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core import simulate
from core.evaluation.metrics import Estimate, LabelScore, Metrics, Score
from core.evaluation.reporting import TOO_FEW
from core.project import Project
from core.reports.error_analysis import (
    calibration,
    calibration_sentence,
    confusion,
    heat_cells,
    label_order,
    label_scores,
    label_table,
    most_confused,
    scored_strata,
)
from core.reports.model_quality import newest_model
from tests.conftest import TOPICS, quiet

Verdict = tuple[str, float, list[str], list[str]]
LABEL = st.sampled_from([*TOPICS, "gone"])
ONE = st.lists(LABEL, min_size=1, max_size=1)
SHARED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def store_held_out(project: Project, verdicts: list[Verdict], probabilities: list[float] | None = None) -> None:
    """Fills `judged` with (stratum, weight, truth, said)."""
    rows = [
        [n, stratum, weight, truth, message, message[0] if message else None, probability, "m"]
        for n, ((stratum, weight, truth, message), probability) in enumerate(
            zip(verdicts, probabilities or [0.5] * len(verdicts), strict=True)
        )
    ]
    with project.store.transaction() as cursor:
        cursor.execute("delete from held_out_predictions")
        cursor.executemany(
            "insert into held_out_predictions values ($1, $2, $3, $4, $5, $6, $7, $8, answer_of($4), answer_of($5))",
            rows,
        )


def cells(project: Project, stratum: str) -> dict[tuple[str | None, str | None], tuple[int, float]]:
    """(true id, said id) to records and share."""
    matches = confusion(project, stratum)
    return {(cell.truth_id, cell.predicted_id): (cell.records, round(cell.share, 9)) for cell in matches}


def test_a_cell_counts_the_drawn_records_and_weighs_all_that_were_asked(project: Project) -> None:
    store_held_out(
        project,
        [
            ("audit", 0.6, ["food"], ["music"]),
            ("audit", 0.3, ["food"], ["food"]),
            ("chosen", 0.1, ["food"], ["music"]),
            ("gold", 0.0, ["music"], ["music"]),
        ],
    )
    assert cells(project, "audit") == {("food", "music"): (1, 0.7), ("food", "food"): (1, 0.3)}
    assert cells(project, "gold") == {("music", "music"): (1, 1.0)}


@SHARED
@given(st.lists(st.tuples(st.sampled_from(["audit", "chosen", "gold"]), st.floats(0.01, 1), ONE, ONE), min_size=1))
def test_with_one_label_each_the_cells_hold_every_record_once(project: Project, verdicts: list[Verdict]) -> None:
    store_held_out(project, verdicts)
    for stratum in ("audit", "gold"):
        matches = confusion(project, stratum)
        mine = [one for one in verdicts if one[0] == stratum]
        assert sum(cell.records for cell in matches) == len(mine)
        if matches:
            assert sum(cell.share for cell in matches) == pytest.approx(1)


def test_where_several_labels_hold_a_missed_one_is_paired_with_a_wrong_one_or_none(project: Project) -> None:
    store_held_out(
        project,
        [
            ("gold", 0, ["food", "music"], ["food", "weather"]),
            ("gold", 0, ["food", "music"], ["food"]),
            ("gold", 0, ["food"], ["food", "weather"]),
            ("gold", 0, [], []),
        ],
    )
    counts = {pair: records for pair, (records, _) in cells(project, "gold").items()}
    assert counts == {
        ("food", "food"): 3,
        ("music", "weather"): 1,
        ("music", None): 1,
        (None, "weather"): 1,
        (None, None): 1,
    }


@SHARED
@given(st.lists(st.tuples(st.just("gold"), st.just(0.0), ONE, ONE), min_size=1), st.integers(2, 4))
@example([("gold", 0.0, ["food"], ["music"]), ("gold", 0.0, ["gone"], ["gone"])], 2)
def test_the_picture_keeps_to_its_size_and_shows_the_worst_confusion(
    project: Project, verdicts: list[Verdict], most: int
) -> None:
    store_held_out(project, verdicts)
    matches = confusion(project, "gold")
    shown = heat_cells(matches, "records", most)
    assert len(label_order(project.settings().taxonomy, shown)) <= most
    worst = most_confused(matches)[:1]
    assert all(
        pair in [(cell.pair.truth, cell.pair.predicted) for cell in shown]
        for pair in [(one.truth, one.predicted) for one in worst]
    )
    assert all(0 < cell.of_truth <= 1 for cell in shown)


def test_the_matrix_of_a_round_has_the_accuracy_that_was_measured(
    project: Project, truth: dict[str, tuple[str, ...]]
) -> None:
    simulate.simulate_rounds(project, truth, simulate.Budget(2, 12, "random"), quiet)
    model = newest_model(project)
    assert model is not None
    assert scored_strata(model.metrics) == ["gold", "audit"]
    for stratum in ("gold", "audit"):
        right = sum(share for (true, message), (_, share) in cells(project, stratum).items() if true == message)
        score = model.metrics.on(stratum)
        assert score is not None
        assert right == pytest.approx(score.accuracy.value)
    scores = label_scores(model.metrics, "gold", project.settings().taxonomy)
    table = label_table(scores)
    assert [row["label"] for row in table] == list(TOPICS)
    assert sum(row.score.records for row in scores) == 12


@pytest.mark.parametrize(("right", "message"), [(0.7, False), (0.3, True)])
def test_calibration_says_more_than_chance_only_of_a_model_that_is_too_sure(
    project: Project, right: float, message: bool
) -> None:
    hits = np.random.default_rng(1).random(200) < right
    verdicts: list[Verdict] = [("gold", 0, ["food"], ["food" if hit else "music"]) for hit in hits]
    store_held_out(project, verdicts, [0.7] * len(hits))
    matches = calibration(project, "gold")
    assert matches is not None
    assert ("by more than chance" in calibration_sentence(matches, "gold")) is message
    assert sum(one.records for one in matches.bins) == 200
    assert all(one.low <= one.right <= one.high for one in matches.bins)
    assert calibration(project, "audit") is None


def test_a_bin_of_unequal_weights_is_less_certain(project: Project) -> None:
    spans = []
    for heavy in (1.0, 20.0):
        verdicts: list[Verdict] = [("audit", heavy if n == 0 else 1.0, ["food"], ["food"]) for n in range(12)]
        store_held_out(project, verdicts)
        matches = calibration(project, "audit")
        assert matches is not None
        spans.append(1 - matches.bins[0].low)
    assert spans[0] < spans[1]


def test_a_label_is_reported_as_far_as_its_records_allow(project: Project) -> None:
    estimate = Estimate(0.5, 0.25, 0.75)
    taxonomy = project.settings().taxonomy
    label = LabelScore(estimate, None, None, estimate, records=6, predicted=6)
    score = Score(90, estimate, estimate, estimate, per_label={"food": label})
    [row] = label_table(label_scores(Metrics(audit=score), "audit", taxonomy))
    assert (row["precision"], row["recall"], row["records"]) == ("50.0% (25.0 to 75.0)", TOO_FEW, 6)
    assert label_scores(Metrics(audit=replace(score, n=0)), "audit", taxonomy) == []
