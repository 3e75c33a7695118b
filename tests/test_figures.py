"""A figure is the same figure on every page, with the same rule for too few to say, and gold is named apart."""

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from app.charts.quality import learning_chart
from app.cli.status import status_lines
from app.cli.terminal import present
from app.pages.parts.models.model_rows import version_rows
from core import loop, simulate
from core.evaluation.metrics import Estimate, LabelScore, Missing, Score
from core.evaluation.reporting import TOO_FEW, shown, shown_label, shown_score, with_minus
from core.project import Project
from core.registry.models import models
from core.reports.card_text import as_markdown
from core.reports.datacard import data_card
from core.reports.model_quality import NOTHING_LEFT, caveats, learning_curve, prospects
from core.reports.overview import label_counts, status
from tests.conftest import quiet
from tests.test_pages import shown as page_of
from tests.test_pages import unfolded_overview

Truth = dict[str, tuple[str, ...]]
WORDS = "too few audit records yet (3 of 10)"


@pytest.fixture
def server(project: Project) -> Iterator[background.ProjectServer]:
    yield background.open_server(lambda: project)
    background._OPEN.clear()


def texts(page: AppTest) -> str:
    return "\n".join(one.value for kind in ("text", "caption", "info", "warning") for one in getattr(page, kind))


def test_three_audit_records_are_too_few_to_say_everywhere(
    server: background.ProjectServer, truth: Truth, capsys: pytest.CaptureFixture[str]
) -> None:
    project = server.project
    simulate.simulate_rounds(project, truth, simulate.Budget(1, 30, "default"), quiet)
    matches = status(project)
    assert matches.model is not None
    assert matches.model.metrics.audit is not None
    assert matches.model.metrics.audit.n == 3
    present(matches, status_lines, as_json=False)
    assert f"  audit (3 records): {WORDS}\n" in capsys.readouterr().out
    chart = learning_chart(learning_curve(project), "accuracy")
    assert chart is not None
    assert {row["stratum"] for row in chart.to_dict()["data"]["values"]} == {"gold"}
    for drawn in (unfolded_overview(), page_of("models.py")):
        assert WORDS in texts(drawn)
        assert [metric.label for metric in drawn.metric if "audit records" in metric.label] == []
    rounds = page_of("rounds.py")
    rounds.session_state["tabs"] = "Labels"
    rounds.segmented_control(key="stratum").set_value("audit").run()
    table = next(frame.value for frame in rounds.dataframe if "precision" in frame.value)
    assert set(table["recall"]) == {TOO_FEW}
    [version] = version_rows(models(project, quiet).models)
    assert version["judged on"] == "12 gold"
    card = data_card(project)
    assert card["model"].scores["audit"].accuracy is None
    assert matches.model.metrics.gold is not None
    assert card["model"].scores["gold"].accuracy == matches.model.metrics.gold.accuracy
    assert "### On 3 audit records" in as_markdown(card)
    assert f"| {TOO_FEW} | {TOO_FEW} | {TOO_FEW} |" in as_markdown(card)


def test_an_exhausted_pool_is_not_asked_to_label_more(
    server: background.ProjectServer, truth: Truth, capsys: pytest.CaptureFixture[str]
) -> None:
    project = server.project
    simulate.simulate_rounds(project, truth, simulate.Budget(2, 20, "default"), quiet)
    assert any("more audit labels" in sentence for sentence in caveats(project))
    assert any("more audit labels" in sentence for sentence in data_card(project)["limits"])
    queued = loop.next_batch(project, quiet, size=20, spare=0).queued
    waiting = "select id from records join queue using (n) where not audit and n not in (select n from settled) limit 1"
    left = project.store.one(waiting)
    simulate.answer_queued(
        project, {record: labels for record, labels in truth.items() if record != left}, queued
    )  # skips it
    loop.fit(project, quiet)
    matches = status(project)
    assert matches.next == "All records were asked; 1 were skipped. Export the labels."
    assert matches.warnings == ()
    present(matches, status_lines, as_json=False)
    advice = ("more audit labels", "label on", "more labels")
    for sentences in (matches.caveats, data_card(project)["limits"], capsys.readouterr().out.splitlines()):
        assert not [sentence for sentence in sentences if any(words in sentence for words in advice)]
    assert matches.model is not None
    assert matches.model.metrics.forecast == prospects(project).forecast == Missing(NOTHING_LEFT)
    assert "label on" not in texts(page_of("overview.py"))
    assert "label on" not in texts(page_of("rounds.py"))


def test_labelled_counts_peoples_answers_and_gold_is_named_apart(
    server: background.ProjectServer, truth: Truth
) -> None:
    project = server.project
    simulate.simulate_rounds(project, truth, simulate.Budget(1, 10, "default"), quiet)
    matches, counts, card = status(project), label_counts(project), data_card(project)
    assert (matches.labelled, matches.gold) == (10, 12)
    assert sum(row.labelled for row in counts) == card["people"]["settled"] == 10
    assert sum(row.gold for row in counts) == sum(row["gold"] for row in card["taxonomy"]["labels"]) == 12
    assert sum(row["records"] for row in card["taxonomy"]["labels"]) == 10
    overview = unfolded_overview()
    assert {("Labelled", "10"), ("Gold", "12")} <= {(metric.label, metric.value) for metric in overview.metric}
    assert {"Accuracy on 12 gold records", "Macro F1 on 12 gold records"} <= {one.label for one in overview.metric}
    assert "22 rows, 12 of them gold that came with a file; the first 20:" in texts(page_of("export.py"))


def test_a_figure_needs_ten_records_and_a_label_five_of_its_own() -> None:
    wide, good = Estimate(0.4, 0.0, 1.0), Estimate(0.5, 0.2, 0.8)
    assert (shown(good, 9), shown(good, 10), shown(wide, 1000)) == (None, good, None)
    score = shown_score(Score(12, good, wide, good))
    assert (score.accuracy, score.macro_f1, score.micro_f1) == (good, None, good)
    label = LabelScore(good, good, good, good, records=4, predicted=9)
    assert shown_label(label, 50) == LabelScore(good, None, good, good, records=4, predicted=9)
    assert shown_label(label, 9) == LabelScore(None, None, None, None, records=4, predicted=9)


def test_negative_figures_in_sentences_have_a_minus_and_dates_and_ranges_none() -> None:
    assert with_minus("bring -1 to 2 (95 %: -1.5 to +2.0)") == "bring \u22121 to 2 (95 %: \u22121.5 to +2.0)"
    assert with_minus("on 2026-11-30, of model m-3, 54-67") == "on 2026-11-30, of model m-3, 54-67"
