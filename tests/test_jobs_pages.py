"""The Jobs and Models pages: a job is started, told, cancelled and retried; models are compared and put to use."""

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import background
from app.charts.evaluation import gate_chart, reach_of
from app.charts.training import LOSSES, evaluation_chart, loss_chart, points_of
from app.pages.parts.models.job_rows import STATES, expectation, figures_of, how_far, run_rows
from app.pages.parts.models.model_rows import BAR, bar_title, interval_rows, version_rows, what_promoting_does
from app.runner_readiness import runner_readiness
from core.config.settings import Settings
from core.evaluation.metrics import Estimate, Metrics, Score
from core.ids import JobId, ModelId
from core.jobs.bundle import Handle, Resources, RunStatus
from core.jobs.job_states import ENDED, UNDER_WAY
from core.models.in_use import active_model
from core.project import open_project
from core.registry.models import ModelEntry
from core.training.entries import TrainingJob, list_training_jobs
from core.training.expected import expected_run
from core.training.train import train
from core.training.trainers import TRAINERS, trainers_for
from core.training.watching import follow
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.running import running
from tests.test_pages import HOSTILE, shown, text_of
from tests.waiting import wait_for

JOB = TrainingJob(
    id=JobId("20261121-101112-train-ab12cd"),
    kind="train",
    state="running",
    runner="local",
    parent=None,
    resources=Resources(),
    made_at="2026-11-21T10:11:12Z",
    started_at="2026-11-21T10:11:14Z",
    ended_at=None,
    trainer="setfit",
    values={},
    note="",
    message="",
    model=None,
    metrics=Metrics(),
    seconds=None,
    memory_mb=None,
    remark="",
    dollars=None,
    done=30,
    total=100,
    events=(
        {"done": 10, "total": 100, "at": 1000.0, "loss": 0.9},
        {"done": 30, "total": 100, "at": 1040.0, "loss": 0.5, "eval_loss": 0.6, "eval_macro_f1": 0.7},
    ),
)


@pytest.fixture
def server(played: Path, tmp_path: Path) -> Iterator[background.ProjectServer]:
    """Two rounds were played, and jobs end before they have started."""
    folder = tmp_path / "project"
    shutil.copytree(played, folder)
    runners = {"local": lambda _: InProcessRunner()}
    yield background.open_server(lambda: open_project(folder, InProcessRunner(), runners))
    background.close_server()


def test_every_state_of_a_job_has_words_and_an_icon() -> None:
    assert set(STATES) == {*UNDER_WAY, *ENDED, "lost"}
    assert len({words for _, words in STATES.values()}) == len(STATES)


def test_the_rate_of_a_run_that_goes_on_from_a_checkpoint_is_that_of_this_attempt() -> None:
    share, words = how_far(JOB) or (0.0, "")
    assert share == 0.3
    assert words == "Step 30 of 100 (30%), 2.0 s per step, 2 min to go"  # 20 steps in 40 s, 70 to go


@given(st.lists(st.tuples(st.integers(0, 99), st.one_of(st.none(), st.floats(), st.text()))))
def test_what_is_drawn_of_a_run_is_every_finite_figure_and_nothing_else(told: list[tuple[int, Any]]) -> None:
    events = [{"done": done, "total": 99, "at": 0.0, "loss": loss} for done, loss in told]
    drawn = [(one["step"], one["value"]) for one in points_of(events, LOSSES)]
    assert drawn == [(done, loss) for done, loss in told if isinstance(loss, float) and isfinite(loss)]


def test_a_run_without_figures_has_no_curve_and_one_with_a_single_figure_has() -> None:
    assert loss_chart([{"done": 1, "total": 2, "at": 0.0, "loss": float("nan")}]) is None
    assert evaluation_chart(JOB.events[:1]) is None
    assert json.dumps(evaluation_chart(JOB.events).to_dict(), allow_nan=False)  # type: ignore[union-attr]
    tuned = evaluation_chart([{"done": 1, "total": 2, "at": 0.0, "eval_validity": 1.0, "eval_exact": 0.5}])
    assert {row["figure"] for row in tuned.to_dict()["data"]["values"]} == {"valid answers", "wholly right answers"}  # type: ignore[union-attr]


def test_a_search_shows_what_differs_between_its_runs_and_the_best_on_held_out_records_first() -> None:
    held_out = [Metrics(held_out=score(value, 0.1, 0.9, 20)) for value in (0.5, 0.8)]
    runs = [replace(JOB, values={"epochs": 4, "base": "x"}, metrics=held_out[0])]
    runs.append(replace(JOB, values={"epochs": 2, "base": "x"}, metrics=held_out[1]))
    rows = run_rows(runs)
    assert [(row["run"], row["epochs"], row["macro F1, held out"]) for row in rows] == [("2", 2, 0.8), ("1", 4, 0.5)]
    assert "base" not in rows[0]


def test_a_runner_that_is_not_set_up_says_what_to_do() -> None:
    result = {one.on: one.missing for one in runner_readiness(Settings("p"), {"MODAL_CONFIG_PATH": "/nowhere/at/all"})}
    assert result["local"] == ""
    assert "modal" in result["modal"]
    assert "ray" in result["ray"]


@pytest.mark.parametrize("trainer", trainers_for(two_sides=False))
def test_a_trainer_starts_out_with_its_defaults_and_every_parameter_has_a_widget(
    server: background.ProjectServer, trainer: str
) -> None:
    page = shown("jobs.py")
    page.button(key=f"trainer-{trainer}").click().run()
    kinds = (page.number_input, page.text_input, page.selectbox, page.toggle)
    keys = {one.key for kind in kinds for one in kind}
    assert {f"set-{trainer}-{name}" for name in TRAINERS[trainer].parameters} <= keys


def test_a_job_is_started_ends_and_names_its_model(server: background.ProjectServer) -> None:
    page = shown("jobs.py")
    page.button(key="start").click().run()
    follow(server.project, quiet)
    page.run()
    assert [box.label.split(", ")[0] for box in page.expander if box.label.startswith(":")] == [
        ":material/check_circle: Succeeded: head"
    ]
    [job] = list_training_jobs(server.project).jobs
    page.switch_page("pages/models.py").run()
    assert page.selectbox(key="model").value == job.model


class Endless:
    """A machine on which a run goes on until somebody stops it."""

    def __init__(self) -> None:
        self.status = RunStatus("running")

    def start(self, bundle: Path, resources: Resources) -> Handle:
        self.status = RunStatus("running")
        (bundle / "events.jsonl").write_text('{"done": 1, "total": 9, "at": 0.0, "loss": 0.5}\n', encoding="utf-8")
        return Handle()

    def poll(self, bundle: Path, handle: Handle) -> RunStatus:
        return self.status

    def cancel(self, bundle: Path, handle: Handle) -> None:
        self.status = RunStatus("cancelled")

    def forget(self, bundle: Path, handle: Handle) -> None:
        """It keeps nothing."""

    def price(self, resources: Resources, seconds: float) -> float:
        return 0.0001 * seconds


def test_a_job_that_goes_on_is_shown_live_cancelled_and_retried(server: background.ProjectServer) -> None:
    machine = Endless()
    server.project.runners = {"local": lambda _: machine}
    page = shown("jobs.py")
    page.button(key="start").click().run()
    follow(server.project, quiet)
    page.run()
    assert any("Running: head" in line.value for line in page.markdown)
    assert any("0.36" in text.value for text in page.text)  # dollars an hour, before it is started
    [job] = list_training_jobs(server.project).jobs
    page.button(key=f"cancel-{job.id}").click().run()
    assert [one.state for one in list_training_jobs(server.project).jobs] == ["cancelled"]
    page.button(key=f"retry-{job.id}").click().run()
    assert [one.state for one in list_training_jobs(server.project).jobs] == ["queued"]
    assert not page.exception


def test_a_search_says_its_budget_first_and_then_shows_its_runs(server: background.ProjectServer) -> None:
    machine = Endless()
    server.project.runners = {"local": lambda _: machine}
    page = shown("jobs.py")
    page.button(key="trainer-encoder").click().run()
    page.toggle(key="several").set_value(True).run()
    page.multiselect(key="over-encoder").set_value(["epochs"]).run()
    page.text_input(key="try-encoder-epochs").set_value("1, 2, 3").run()
    assert any("3 runs of encoder, 2 at once" in text.value for text in page.text)
    page.button(key="start").click().run()
    assert not page.error
    assert [job.kind for job in list_training_jobs(server.project).jobs].count("grid") == 1
    [table] = wait_for(lambda: [one.value for one in page.run().dataframe if "run" in one.value.columns])
    assert sorted(table["epochs"]) == [1, 2]


def test_a_job_that_cannot_be_started_says_why_beside_the_button(server: background.ProjectServer) -> None:
    server.project.runners = {}
    page = shown("jobs.py")
    page.button(key="start").click().run()
    assert any("There is no runner" in error.value for error in page.error)
    assert list_training_jobs(server.project).jobs == ()


def test_a_job_is_started_while_a_command_waits_for_another(server: background.ProjectServer) -> None:
    with running(server, "train"):
        page = shown("jobs.py")
        page.button(key="start").click().run()
        assert not page.error
        assert len(list_training_jobs(server.project).jobs) == 1


@pytest.fixture
def challenged(server: background.ProjectServer) -> background.ProjectServer:
    """A trained head wants the place of the round's."""
    train(server.project, quiet, trainer="head")
    return server


def test_a_model_is_put_in_use_against_the_gate_only_with_a_reason(challenged: background.ProjectServer) -> None:
    page = shown("models.py")
    before, model = active_model(challenged.project), page.selectbox(key="model").value
    for reason, champion in (("", before), ("I know better.", model)):
        page.text_input(key="promote-reason").set_value(reason)
        page.button(key="promote").click().run()
        finish(challenged)
        assert active_model(challenged.project) == champion
    page.run()
    page.button(key="rollback").click().run()
    finish(challenged)
    assert active_model(challenged.project) == before


def test_a_second_promotion_says_that_one_goes_on(challenged: background.ProjectServer) -> None:
    page, before = shown("models.py"), active_model(challenged.project)
    with running(challenged, "promote"):
        page.text_input(key="promote-reason").set_value("I know better.")
        page.button(key="promote").click().run()
        assert any("put in use just now" in error.value for error in page.error)
        assert active_model(challenged.project) == before


@pytest.mark.parametrize(("verb", "button"), [("evaluate", "evaluate"), ("compare", "compare")])
def test_a_model_is_evaluated_while_a_command_evaluates_another(
    challenged: background.ProjectServer, verb: str, button: str
) -> None:
    with running(challenged, verb):
        page = shown("models.py")
        tables = len(page.dataframe)
        page.button(key=button).click().run()
        assert not page.exception
        assert len(page.dataframe) > tables or page.error


def test_a_model_is_written_as_files_that_are_fetched_from_its_page(challenged: background.ProjectServer) -> None:
    page = shown("models.py")
    page.button(key="model_export").click().run()
    wait_for(lambda: "model_export" not in challenged.activities)
    page.run()
    assert not page.exception
    [file] = (challenged.project.folder / "exports").glob("*.zip")
    assert any(f"to {file}: " in text.value for text in page.text)


def test_known_answers_are_slipped_in_by_a_click(challenged: background.ProjectServer) -> None:
    page = shown("team.py")
    page.number_input(key="calibrate-size").set_value(2)
    page.button(key="calibrate").click().run()
    assert not page.exception
    assert page.success[0].value.startswith("2 are queued")
    page.number_input(key="calibrate-size").set_value(9_999)
    page.button(key="calibrate").click().run()
    assert "Ask for fewer" in page.error[0].value


def test_a_note_under_a_name_that_cannot_be_kept_says_so(challenged: background.ProjectServer) -> None:
    page = shown("models.py")
    model = page.selectbox(key="model").value
    page.query_params["annotator"] = "x" * 1_000
    page.text_area(key=f"note-of-{model}").set_value("Keep this.")
    page.button(key=f"keep-{model}").click().run()
    assert not page.exception
    assert page.error
    assert challenged.activities == {}


def test_retraining_says_what_it_would_do_and_lets_the_gate_decide(server: background.ProjectServer) -> None:
    page = shown("jobs.py")
    assert any("labels have come since the last training. Retraining learns from all" in one.value for one in page.text)
    assert any("By itself the app does so never" in one.value for one in page.caption)
    champion = active_model(server.project)
    page.button(key="retrain").click().run()
    finish(server)
    page.run()
    assert any("The gate keeps the champion" in one.value for one in page.info)
    assert active_model(server.project) == champion
    [job] = list_training_jobs(server.project).jobs
    noted = server.project.store.query("select user, detail->>'job' from audit_log where what = 'retrain'")
    assert noted == [("local", job.id)]
    assert page.button(key="retrain").disabled
    assert any("No label has come since the last training." in one.value for one in page.text)


def finish(server: background.ProjectServer) -> None:
    """Waits for what goes on in the background."""
    for thread in server._threads:
        thread.join()


def test_a_note_that_is_markup_is_kept_and_not_followed(challenged: background.ProjectServer) -> None:
    page = shown("models.py")
    model = page.selectbox(key="model").value
    page.text_area(key=f"note-of-{model}").set_value(HOSTILE[0])
    page.button(key=f"keep-{model}").click().run()
    page.run()
    assert page.text_area(key=f"note-of-{model}").value == HOSTILE[0]
    assert "](" not in text_of(page)


def score(value: float, low: float, high: float, n: int) -> Score:
    estimate = Estimate(value, low, high)
    return Score(n, estimate, estimate, estimate)


MODEL = ModelEntry(
    id=ModelId("m2"),
    made_at="2026-11-21T10:11:12Z",
    removed_at=None,
    trainer="setfit",
    encoder="model:m2",
    labels=40,
    taxonomy=1,
    seed=0,
    parent=None,
    responses=None,
    round=1,
    notes=None,
    seconds=1.0,
    job=JobId("m2"),
    metrics=Metrics(audit=score(0.7, 0.6, 0.8, 40), gold=score(0.9, 0.0, 1.0, 3)),
    state="challenger",
    gate=None,
    files=True,
)


def test_a_version_is_identified_by_the_same_records_as_its_job() -> None:
    [row] = version_rows([MODEL])
    [result, _] = figures_of(MODEL.metrics)
    assert result[0] == "Macro F1 on 40 audit records"
    assert row["encoder"] == "its own"
    assert (row["judged on"], row["macro F1"], row["from"], row["to"]) == ("40 audit", 0.7, 0.6, 0.8)


def test_a_score_that_could_be_anything_is_no_figure() -> None:
    [row] = version_rows([replace(MODEL, metrics=Metrics(gold=score(0.9, 0.0, 1.0, 3)))])
    assert row["macro F1"] is None
    assert [one[BAR] for one in interval_rows([row], "macro F1")] == [None]


def test_the_interval_of_a_version_is_drawn_in_its_row_on_an_axis_that_all_rows_share() -> None:
    rows = version_rows([MODEL, replace(MODEL, id=ModelId("m4"), state="champion")])
    images = [str(one[BAR]).partition(",")[2] for one in interval_rows(rows, "macro F1")]
    first, second = (base64.b64decode(image).decode() for image in images)
    assert bar_title(rows, "macro F1") == "60% to 80%"
    assert '<rect x="6.0" y="8.5" width="108.0"' in first  # from 60 to 80 %
    assert "<circle" in first
    assert "<circle" not in second  # the champion is a diamond
    assert 'fill="none"' not in first + second


def test_a_version_judged_on_other_records_than_the_one_in_use_is_drawn_hollow() -> None:
    other = replace(MODEL, metrics=Metrics(audit=score(0.7, 0.6, 0.8, 60)))
    rows = interval_rows(version_rows([other, replace(MODEL, state="champion")]), "macro F1")
    hollow, filled = (base64.b64decode(str(one[BAR]).partition(",")[2]).decode() for one in rows)
    assert 'fill="none"' in hollow
    assert 'fill="none"' not in filled


def test_a_run_is_expected_to_take_what_runs_took_for_each_label_and_costs_what_that_time_costs(
    server: background.ProjectServer,
) -> None:
    project = server.project
    project.runners = {"local": lambda _: Endless()}
    assert expected_run(project, "head", "local", 100).why == "no such run has ended there yet"
    with project.store.transaction() as cursor:
        for job, seconds in (("a", 20), ("b", 40)):
            cursor.execute(
                """insert into jobs (id, kind, state, made_at, params, runner, resources, started_at, ended_at)
                   values (?, 'train', 'succeeded', now()::timestamp, '{"trainer": "head", "values": {}}', 'local',
                           '{}', timestamp '2026-01-01', timestamp '2026-01-01' + to_seconds(?))""",
                [job, seconds],
            )
            cursor.execute(
                """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds, trainer)
                   values (?, now()::timestamp, 1, 'e', 1, 50, 0, '{}', 1, 'head')""",
                [job],
            )
        for job, values, labels in (("c", {"max_minutes": 1}, 50), ("d", {"downsample": 9}, 50), ("e", {}, 0)):
            cursor.execute(
                """insert into jobs (id, kind, state, made_at, params, runner, resources, started_at, ended_at)
                   values ($1, 'train', 'succeeded', now()::timestamp,
                           json_object('trainer', if($3 = 0, 'zeroshot', 'head'), 'values', $2::json), 'local', '{}',
                           timestamp '2026-01-02', timestamp '2026-01-02' + to_seconds(9))""",
                [job, json.dumps(values), labels],
            )
            cursor.execute(
                """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds, trainer)
                   values (?, now()::timestamp, 1, 'e', 1, ?, 0, '{}', 1, 'head')""",
                [job, labels],
            )
    assert "learn from no labels" in expected_run(project, "zeroshot", "local", 100).why
    run = expected_run(project, "head", "local", 100)
    assert run.runs == 2  # not those with a limit
    assert (run.low, run.seconds, run.high) == pytest.approx((40, 60, 80))
    assert run.dollars == pytest.approx(0.006)
    assert expectation(run, "Here") == "Here: about 60 s (40 s to 80 s), by 2 runs before; about 0.01 USD"
    far = expected_run(project, "head", "local", 1_000)
    assert far.seconds is None
    assert "learnt from much less" in expectation(far, "Here")


def test_a_model_with_vectors_of_its_own_says_that_all_records_are_encoded_again() -> None:
    other = replace(MODEL, id=ModelId("m1"), encoder="all-MiniLM-L6-v2")
    assert "encoded again" in what_promoting_does(MODEL, other)
    assert "encoded again" not in what_promoting_does(replace(other, id=ModelId("m3")), other)


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_picture_of_a_difference_shows_all_of_its_interval(value: float, below: float, above: float) -> None:
    result = {"value": value, "low": max(value - below, -1.0), "high": min(value + above, 1.0)}
    reach = reach_of([result])
    assert all(abs(part) < reach for part in result.values())


def test_the_picture_of_the_gate_can_be_drawn() -> None:
    assert json.dumps(gate_chart(Estimate(0.02, -0.01, 0.05), "macro F1").to_dict(), allow_nan=False)
