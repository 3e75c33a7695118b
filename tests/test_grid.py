"""A search over parameters: what is tried (laws), and how its runs start, end, are stopped and survive a restart."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import simulate
from core.errors import BadInput, Refused
from core.jobs.bundle import Handle, Resources, RunStatus
from core.project import Project, open_project
from core.training.entries import read_training_job
from core.training.following import job_cancel
from core.training.grid import advance, advance_all, search, start
from core.training.launch import TrainingRequest
from core.training.space import MOST_RUNS, Outcome, Range, choose, combinations, lay_out, read_search
from core.training.train import train
from core.training.watching import follow
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet, sentences

numbers = st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True)
PAIR = ["trainer=zeroshot", "template=This is about {}.,{}"]
TEMPLATES = ["trainer=zeroshot", "template=This is about {}.,{},Nothing to do with {}."]


@given(numbers, numbers)
def test_a_grid_holds_every_combination_once(epochs: list[int], batches: list[int]) -> None:
    requested = read_search(["trainer=setfit", f"epochs={_listed(epochs)}", f"batch_size={_listed(batches)}"])
    plan = lay_out(requested, 0)
    assert {(run["epochs"], run["batch_size"]) for run in plan} == {(e, b) for e in epochs for b in batches}
    assert len(plan) == len(epochs) * len(batches) == combinations(requested)


def _listed(values: list[int]) -> str:
    return ",".join(map(str, values)) + ("," + str(values[0]) if len(values) == 1 else "")


@given(numbers, st.integers(1, 20), st.integers(0, 2**63))
def test_draws_are_distinct_in_range_and_come_from_the_seed(epochs: list[int], runs: int, seed: int) -> None:
    texts = ["trainer=setfit", "search=random", f"runs={runs}", f"epochs={_listed(epochs)}", "learning_rate=1e-6..1e-3"]
    plan = lay_out(read_search(texts), seed)
    assert plan == lay_out(read_search(texts), seed)
    assert len(plan) == runs == len({tuple(run.items()) for run in plan})
    assert all(run["epochs"] in epochs and 1e-6 <= float(run["learning_rate"]) <= 1e-3 for run in plan)


@given(numbers, st.integers(1, 20), st.integers(0, 99))
def test_no_more_is_drawn_than_there_is(epochs: list[int], runs: int, seed: int) -> None:
    texts = ["trainer=setfit", "search=random", f"runs={runs}", f"epochs={_listed(epochs)}", "patience=1,2"]
    plan = lay_out(read_search(texts), seed)
    assert len(plan) == min(runs, 2 * len(epochs)) == len({tuple(run.items()) for run in plan})


def test_a_wide_range_is_drawn_evenly_over_its_orders_of_magnitude() -> None:
    texts = ["trainer=setfit", "search=random", "runs=100", "learning_rate=1e-6..1e-2"]
    small = sum(float(run["learning_rate"]) < 1e-4 for run in lay_out(read_search(texts), 0))
    assert 35 <= small <= 65


def test_whole_numbers_are_drawn_whole() -> None:
    plan = lay_out(read_search(["trainer=setfit", "search=random", "runs=30", "epochs=2..4"]), 0)
    assert sorted(int(run["epochs"]) for run in plan) == [2, 3, 4]
    assert isinstance(read_search(["trainer=setfit", "search=random", "epochs=2..4"]).space["epochs"], Range)


@given(st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.5, 0.75, 1.0])), max_size=8))
def test_the_winner_has_the_highest_score_and_is_the_first_of_equals(scores: list[float | None]) -> None:
    best = choose([Outcome(score, 20) for score in scores])
    known = [score for score in scores if score is not None]
    assert best == (scores.index(max(known)) if known else None)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["epochs=1,2"], "Say whose parameters"),
        (["trainer=grid", "epochs=1,2"], "must be one of"),
        (["trainer=setfit"], "nothing to search"),
        (["trainer=setfit", "epochs=2"], "nothing to search"),
        (["trainer=setfit", "speed=1,2"], "no parameter 'speed'"),
        (["trainer=setfit", "epochs=1,0"], "between 1 and"),
        (["trainer=setfit", "epochs=1..4"], "search=random"),
        (["trainer=setfit", "search=random", "epochs=4..1"], "lower end comes first"),
        (["trainer=setfit", "search=best", "epochs=1,2"], "grid, random"),
        (["trainer=setfit", "test_size=0.1,0.2"], "different records"),
        (["trainer=setfit", "test_size=0", "epochs=1,2"], "nothing is held out"),
        (["trainer=setfit", "epochs"], "not key=value"),
        (["trainer=setfit", "runs=1000", "epochs=1,2"], f"between 0 and {MOST_RUNS}"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(texts: list[str], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        read_search(texts)


@pytest.mark.parametrize("runs", [[], ["runs=8"]])
def test_more_runs_than_the_limit_are_refused(runs: list[str]) -> None:
    many = [f"epochs={_listed([*range(1, 13)])}", f"batch_size={_listed([*range(1, 13)])}"]
    with pytest.raises(Refused, match="144 combinations"):
        read_search(["trainer=setfit", *many, *runs])


@dataclass
class SlowRunner(InProcessRunner):
    """Does a job when it is looked at for the second time, so that jobs are under way at the same time."""

    looks: dict[str, int] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    most: int = 0

    def start(self, bundle: Path, resources: Resources) -> Handle:
        self.looks[bundle.name] = 0
        self.most = max(self.most, len(self.looks))
        return Handle()

    def poll(self, bundle: Path, handle: Handle) -> RunStatus:
        if bundle.name in self.stopped:
            return RunStatus("cancelled")
        if (looks := self.looks.get(bundle.name, 0)) < 1:
            self.looks[bundle.name] = looks + 1
            return RunStatus("running")
        if not (bundle / "result.json").exists():
            super().start(bundle, Resources())
            self.looks.pop(bundle.name)
        return super().poll(bundle, handle)

    def cancel(self, bundle: Path, handle: Handle) -> None:
        self.stopped.add(bundle.name)


@pytest.fixture
def slow() -> SlowRunner:
    return SlowRunner()


@pytest.fixture
def labelled(played: Path, tmp_path: Path, slow: SlowRunner) -> Iterator[Project]:
    shutil.copytree(played, tmp_path / "labelled")
    opened = open_project(tmp_path / "labelled", InProcessRunner(), {"local": lambda _: slow})
    yield opened
    opened.close()


def test_the_best_run_on_held_out_records_wins_and_is_scored_on_gold(labelled: Project, slow: SlowRunner) -> None:
    result = train(labelled, quiet, trainer="grid", values=[*TEMPLATES, "at_once=2"])
    assert result.state == "succeeded"
    assert [run.tried["template"] for run in result.runs] == ["This is about {}.", "{}", "Nothing to do with {}."]
    scores = [run.score or 0.0 for run in result.runs]
    assert str(result.model) == result.runs[scores.index(max(scores))].id
    assert result.metrics.gold
    assert result.metrics.gold.n == 12
    assert "on gold" in result.sentence
    assert "held-out records that chose it" in result.sentence
    assert slow.most == 2
    assert all(read_training_job(labelled, run.id).parent == result.id for run in result.runs)


def test_the_budget_is_shown_first_and_learns_from_earlier_runs(labelled: Project) -> None:
    message: list[str] = []
    search(labelled, lambda what, done, total: message.append(what), TrainingRequest([*PAIR, "at_once=3"]))
    assert (
        message[0]
        == "2 runs of zeroshot, 2 at once, on local. How long one takes is not known: none has ended there yet."
    )
    again = search(labelled, quiet, TrainingRequest(TEMPLATES), detach=True)
    assert "going by 2 earlier ones" in again.budget
    assert again.state == "running"
    assert len(again.runs) == 2


def test_cancelling_a_search_cancels_its_runs_and_starts_no_more(labelled: Project) -> None:
    seen = search(labelled, quiet, TrainingRequest(TEMPLATES), detach=True)
    job_cancel(labelled, quiet, job=seen.id)
    after = advance(labelled, seen.id)
    assert after.state == "cancelled"
    assert [run.state for run in after.runs] == ["cancelled", "cancelled"]
    assert len(advance(labelled, seen.id).runs) == 2


def test_a_search_goes_on_after_a_restart(labelled: Project, slow: SlowRunner) -> None:
    seen = search(labelled, quiet, TrainingRequest([*PAIR, "at_once=1"]), detach=True)
    labelled.close()
    again = open_project(labelled.folder, InProcessRunner(), {"local": lambda _: slow})
    for _ in range(6):
        follow(again, quiet)
        advance_all(again)
    result = advance(again, seen.id)
    assert (result.state, result.done, result.total) == ("succeeded", 2, 2)
    assert str(result.model) in [run.id for run in result.runs]
    again.close()


def test_labels_given_meanwhile_change_no_run(labelled: Project) -> None:
    seen = search(labelled, quiet, TrainingRequest([*PAIR, "at_once=1"]), detach=True)
    truth = {f"r{number}": (topic,) for number, (_, topic) in enumerate(sentences(60))}
    before = labelled.store.one("select count(*) from settled where stratum = 'chosen'")
    simulate.simulate_rounds(labelled, truth, simulate.Budget(1, 10, "default"), quiet)
    assert labelled.store.one("select count(*) from settled where stratum = 'chosen'") > before
    while (seen := advance(labelled, seen.id)).state == "running":
        pass
    runs = [labelled.models / run.id / "training_info.json" for run in seen.runs]
    assert [json.loads(file.read_text())["records"] for file in runs] == [before, before]


def test_a_run_that_fails_does_not_win_and_does_not_end_the_search(labelled: Project) -> None:
    result = train(labelled, quiet, trainer="grid", values=["trainer=zeroshot", "template=No place for it.,{}"])
    assert [run.state for run in result.runs] == ["failed", "succeeded"]
    assert str(result.model) == result.runs[1].id


def test_a_search_whose_runs_all_fail_says_why(labelled: Project) -> None:
    with pytest.raises(Refused, match="None of the 2 runs can be the best: The template"):
        train(labelled, quiet, trainer="grid", values=["trainer=zeroshot", "template=No place.,None here."])


def test_a_search_that_cannot_start_leaves_no_job(labelled: Project) -> None:
    with pytest.raises(BadInput, match="no runner 'moon'"):
        start(labelled, TrainingRequest(TEMPLATES, on="moon"))
    assert labelled.store.one("select count(*) from jobs where kind = 'grid'") == 0
