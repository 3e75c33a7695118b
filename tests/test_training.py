"""A training job from order to model: what it may learn from, what it says, and that it is taken in once."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars
import pytest

from core import verbs
from core.errors import BadInput, Cancelled, Refused
from core.jobs.bundle import Bundle
from core.models.out_of_fold import read_held_out, write_held_out
from core.project import Project, open_project
from core.training import following
from core.training.entries import list_training_jobs, read_training_job, summarise_metrics
from core.training.launch import TrainingRequest, launch, order_of, wait
from core.training.train import train
from core.training.trainers import ALIASES, TRAINERS, in_todays_names, read_values
from core.training.training_files import write_training_files
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from tests.conftest import plain_kind, quiet


@pytest.fixture
def train_rows(played: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of it, whose jobs run where they are started."""
    shutil.copytree(played, tmp_path / "taught")
    opened = open_project(tmp_path / "taught", InProcessRunner(), {"local": lambda settings: InProcessRunner()})
    yield opened
    opened.close()


def test_a_head_is_trained_scored_and_stored(train_rows: Project) -> None:
    result = train(train_rows, quiet, trainer="head")
    assert result.state == "succeeded"
    assert str(result.model) == str(result.id)
    gold, audit = result.metrics.gold, result.metrics.audit
    assert gold
    assert audit
    assert gold.n == 12
    assert summarise_metrics(result.metrics)["judged_on"] == "gold"
    assert gold.macro_f1
    assert summarise_metrics(result.metrics)["macro_f1"] == gold.macro_f1.value
    assert audit.n == train_rows.store.one("select count(*) from settled where stratum = 'audit'")
    assert (train_rows.models / str(result.model) / "manifest.json").exists()
    row = train_rows.store.query("select trainer, encoder, labels from models where id = ?", [result.model])
    teaching = train_rows.store.one("select count(*) from settled where stratum = 'chosen'")
    assert row == [("head", "all-MiniLM-L6-v2", teaching)]


def test_audit_and_gold_records_are_never_trained_on(train_rows: Project) -> None:
    bundle = train_rows.jobs.prepare(plain_kind("train"), {})
    write_training_files(train_rows, bundle, train_rows.settings())
    taught_rows = set(polars.read_parquet(bundle.path / "in" / "train.parquet")["n"].to_list())
    scored_rows = set(polars.read_parquet(bundle.path / "in" / "judge.parquet")["n"].to_list())
    blind = {n for (n,) in train_rows.store.query("select n from settled where stratum in ('gold', 'audit')")}
    assert scored_rows == blind
    assert not taught_rows & blind


def test_a_result_is_taken_in_once(train_rows: Project) -> None:
    job = launch(train_rows, order_of(train_rows, "head", TrainingRequest()))
    for _ in range(3):
        following.refresh_job(train_rows, job)
    assert train_rows.store.one("select count(*) from models where id = ?", [job]) == 1


def test_a_result_that_was_changed_on_the_way_is_refused_and_leaves_nothing(train_rows: Project) -> None:
    job = launch(train_rows, order_of(train_rows, "head", TrainingRequest()))
    bundle = Bundle(train_rows.folder / "jobs" / job)
    write_held_out(bundle.path / "out" / "model", np.arange(3), np.ones((3, 3)))
    seen = following.refresh_job(train_rows, job)
    assert seen.state == "failed"
    assert "changed on the way" in seen.message
    assert not (train_rows.models / job).exists()


def test_detached_jobs_are_found_again_by_a_new_owner(train_rows: Project) -> None:
    train_rows.runners = {"local": lambda settings: LocalRunner(1)}
    result = train(train_rows, quiet, trainer="head", detach=True)
    assert result.state == "queued"
    train_rows.close()
    again = open_project(train_rows.folder, InProcessRunner(), {"local": lambda settings: LocalRunner(1)})
    assert wait(again, quiet, result.id).state == "succeeded"
    again.close()


def test_being_stopped_leaves_the_job_running_and_cancel_ends_it(train_rows: Project) -> None:
    train_rows.runners = {"local": lambda settings: LocalRunner(1)}

    def impatient(what: str, done: int, total: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="goes on without you"):
        train(train_rows, impatient, trainer="head")
    job = list_training_jobs(train_rows).jobs[0].id
    assert following.job_cancel(train_rows, quiet, job=job).state == "cancelled"
    assert following.refresh_job(train_rows, job).state == "cancelled"
    with pytest.raises(Refused, match="already"):
        following.job_cancel(train_rows, quiet, job=job)


def test_a_cancelled_job_can_be_started_again(train_rows: Project) -> None:
    train_rows.runners = {"local": lambda settings: LocalRunner(1)}
    job = train(train_rows, quiet, trainer="head", detach=True).id
    following.job_cancel(train_rows, quiet, job=job)
    train_rows.runners = {"local": lambda settings: InProcessRunner()}
    verbs.function_of("job_retry")(train_rows, quiet, job=job)
    assert following.refresh_job(train_rows, job).state == "succeeded"


def test_a_job_that_breaks_says_so_and_the_champion_stays(train_rows: Project) -> None:
    before = train_rows.store.one("select count(*) from models")
    job = launch(train_rows, order_of(train_rows, "head", TrainingRequest()))
    shutil.rmtree(train_rows.folder / "jobs" / job / "out")
    following.refresh_job(train_rows, job)
    assert read_training_job(train_rows, job).state == "failed"
    assert train_rows.store.one("select count(*) from models") == before


def test_what_is_written_of_a_training_has_its_time_and_counts_and_no_number_of_a_record(train_rows: Project) -> None:
    result = train(train_rows, quiet, trainer="zeroshot")
    info = json.loads((train_rows.models / str(result.model) / "training_info.json").read_text())
    judged = read_held_out(train_rows.models / str(result.model), 3)
    assert judged is not None
    assert (info["training_records"], info["validation_records"]) == (0, len(judged.held_out))
    assert info["records"] == len(judged.held_out) > 0
    assert info["made_at"] >= result.made_at
    assert not [value for value in info.values() if isinstance(value, list)]
    head = train(train_rows, quiet, trainer="head")
    info = json.loads((train_rows.models / str(head.model) / "training_info.json").read_text())
    assert (info["training_records"], info["validation_records"]) == (info["records"], 0)
    assert {"numpy", "torch", "transformers"} <= info["versions"].keys()


def test_nothing_to_learn_from_is_refused_before_anything_is_written(project: Project) -> None:
    project.runners = {"local": lambda settings: InProcessRunner()}
    with pytest.raises(Refused, match="labels of two kinds"):
        train(project, quiet, trainer="head")
    assert project.store.one("select count(*) from jobs where kind = 'train'") == 0


@pytest.mark.parametrize(
    ("trainer", "supplied", "message"),
    [
        ("hed", [], "no trainer 'hed'"),
        ("setfit", ["epoch=3"], "no parameter 'epoch'. Did you mean epochs"),
        ("setfit", ["hard_negs=3"], r"Did you mean hard_negatives"),
        ("encoder", ["hardneg-k=3"], "no parameter 'hardneg_k'. setfit has it"),
        ("setfit", ["epochs"], "not key=value"),
        ("setfit", ["epochs=many"], "whole number"),
        ("setfit", ["epochs=0"], "between 1 and"),
        ("setfit", ["loss=hinge"], "one of contrastive"),
        ("transformer", ["class_weights=maybe"], "true or false"),
    ],
)
def test_what_cannot_be_set_is_named(trainer: str, supplied: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_values(trainer, supplied)


@pytest.mark.parametrize(
    ("trainer", "entry", "name", "value"),
    [
        ("setfit", "num_epochs=8", "epochs", 8),
        ("setfit", "--learning-rate=1e-5", "learning_rate", 1e-5),
        ("setfit", "hardneg-k=2", "hard_negatives", 2),
        ("setfit", "hardneg_min_sim=0.5", "min_similarity", 0.5),
        ("setfit", "hardneg_labels=a,b", "hard_labels", "a,b"),
        ("setfit", "no-triplet-loss=true", "loss", "contrastive"),
        ("setfit", "no_triplet_loss=false", "loss", "triplet"),
        ("encoder", "balance_classes=true", "oversample", True),
        ("transformer", "balance_classes=false", "class_weights", False),
        ("transformer", "model-for-training-finetune=x/y", "base", "x/y"),
    ],
)
def test_a_parameter_goes_by_the_name_that_other_tools_give_it(
    trainer: str, entry: str, name: str, value: object
) -> None:
    assert read_values(trainer, [entry]) == {**read_values(trainer, []), name: value}


def test_every_alias_means_a_parameter_and_none_hides_one() -> None:
    names = {name for trainer in TRAINERS.values() for name in trainer.parameters}
    assert not ALIASES.keys() & names
    assert {meant for of in ALIASES.values() for meant in of} <= names


def test_a_job_of_an_earlier_version_keeps_the_cap_that_went_by_another_name() -> None:
    assert in_todays_names({"samples_per_label": 7, "epochs": 1}) == {"max_per_label": 7, "epochs": 1}
    today = read_values("encoder", ["samples_per_label=7"])
    assert in_todays_names(today) == today


@pytest.mark.parametrize("name", TRAINERS)
def test_every_default_lies_in_its_own_range(name: str) -> None:
    supplied = [f"{key}={parameter.default}" for key, parameter in TRAINERS[name].parameters.items()]
    assert read_values(name, supplied) == read_values(name, [])


def test_an_unknown_runner_is_named(train_rows: Project) -> None:
    with pytest.raises(BadInput, match="no runner 'moon'"):
        train(train_rows, quiet, trainer="head", on="moon")


def test_the_bundle_names_its_input_and_its_code(train_rows: Project) -> None:
    job = launch(train_rows, order_of(train_rows, "head", TrainingRequest(seed=5, note="trial")))
    stored = json.loads((train_rows.folder / "jobs" / job / "job.json").read_text())
    assert len(stored["input_sha256"]) == 64
    assert len(stored["code"]) == 12
    assert stored["params"]["seed"] == 5
    assert read_training_job(train_rows, job).note == "trial"
