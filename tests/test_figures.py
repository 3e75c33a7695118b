"""A figure is the same figure on every page, with the same rule for too few to say, and gold is named apart."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from app.charts.quality import learning_chart
from app.cli.status import status_lines
from app.cli.terminal import present
from app.pages.parts.models.model_rows import version_rows
from core import loop, simulate
from core.data.file_import import import_file
from core.erasure.erase import erase
from core.evaluation.metrics import Estimate, LabelScore, Missing, Score
from core.evaluation.reporting import TOO_FEW, shown, shown_label, shown_score, with_minus
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project
from core.registry.models import models
from core.reports.card_text import as_markdown
from core.reports.datacard import data_card
from core.reports.model_quality import NOTHING_LEFT, caveats, learning_curve, pool_exhausted, prospects
from core.reports.overview import label_counts, status
from core.store.database import utc_now
from tests.conftest import quiet
from tests.test_pages import shown as page_of
from tests.test_pages import unfolded_overview
from tests.waiting import wait_for

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


def figures(project: Project) -> tuple[object, ...]:
    now = status(project)
    counts = (now.records, now.labelled, now.gold, now.queued, now.unqueued, now.skipped, now.machine, now.left_out)
    return *counts, pool_exhausted(project), tuple((row.labelled, row.suggested) for row in label_counts(project))


def test_kept_figures_are_those_of_now_after_every_kind_of_change(project: Project, tmp_path: Path) -> None:
    desk, ann = project.label_queue, Holder("ann", "tab")
    record = "r1"

    def press(*event: str) -> None:
        desk.exchange(ann, QueueRequest((Event(event[0], record, event[1], ("food",), undoes="".join(event[2:])),)))

    def write(sql: str) -> None:
        with project.store.transaction() as cursor:
            cursor.execute(sql)

    file = tmp_path / "more.csv"
    file.write_text("id,text\nnew,A text that nobody has seen\n")
    suggested = "insert into suggestions select n, 'food', 0.9, 0.1, ['food'], 'm', '[\"food\"]' from records"
    machine = "insert into machine_labels select n, ['food'], 0.9, 0.9, 'g', 'm', null from records where id = 'r5'"
    until = utc_now() + timedelta(hours=1)
    lease = f"insert into leases select n, 'bob', 'tab', '{until}' from queue where spare limit 1"
    changes: dict[str, Callable[[], object]] = {
        "suggestions": lambda: write(suggested),
        "an answer": lambda: press("e1", "submit"),
        "a withdrawal": lambda: press("e2", "undo", "e1"),
        "a skip": lambda: press("e3", "skip"),
        "an import": lambda: import_file(project, quiet, file=str(file), text=["text"], id="id"),
        "a batch": lambda: loop.next_batch(project, quiet, size=6, spare=6),
        "a lease": lambda: write(lease),
        "machine labels": lambda: write(machine),
        "what is left out": lambda: write("insert into left_out select n, 'clean', 'short', null from records limit 1"),
        "erasure": lambda: erase(project, quiet, record=["r7"], sure=True),
    }
    for what, change in changes.items():
        before = figures(project)
        change()
        kept = figures(project)
        assert kept != before, what
        with project.store.transaction():
            pass  # nothing is kept over a commit
        assert kept == figures(project), what


def test_a_lease_that_ends_changes_kept_figures_though_nothing_is_stored(project: Project) -> None:
    loop.next_batch(project, quiet, size=6, spare=6)
    for seconds in (1.5, 10, 60):  # longer where the machine is too slow to see it held
        until = utc_now() + timedelta(seconds=seconds)
        with project.store.transaction() as cursor:
            cursor.execute("delete from leases")
            cursor.execute("insert into leases select n, 'bob', 'tab', ? from queue where spare limit 1", [until])
        held = status(project).unqueued
        if utc_now() < until:
            break
    wait_for(lambda: utc_now() > until)
    assert status(project).unqueued == held + 1


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
