"""The encoder is tuned behind people's backs: it starts by itself, the gate decides, old vectors serve until then."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from app import background
from core import loop, simulate
from core.config.settings import TrainerValues, read_settings, write_settings
from core.data.encoding import encode
from core.data.file_import import import_file
from core.jobs.bundle import Bundle, Handle, Resources
from core.labelling.changes import change_settings
from core.models.encoders.embedded import EmbeddedEncoder
from core.models.encoders.encoder import OWN
from core.models.encoders.int8 import OWN_PEAKS, write_peaks
from core.models.encoders.loading import load_encoder
from core.models.encoders.torch_encoder import TorchEncoder
from core.models.in_use import active_model
from core.models.vectors import encoded_rows
from core.project import Project, open_project
from core.registry.activation import rollback
from core.registry.champions import champion_history
from core.registry.retraining import tuning_due
from core.registry.tuning import first_encoder, tuning_table, tunings
from gpu_jobs.runners.local import InProcessRunner
from gpu_jobs.trainers.encoder import PLAN, STEP, train
from tests.conftest import TOPICS, quiet
from tests.tiny_models import lessons, make_classifier, make_encoder, make_run, puzzles
from tests.waiting import LATEST_SECONDS, wait_for

RECORDS, FIRST = 160, 80
FILLING = 3
TINY = TrainerValues("encoder", (("learning_rate", "0.003"), ("max_steps", "60"), ("batch_size", "24")))
PUZZLES = puzzles(RECORDS, filling=FILLING)
TRUTH = {f"r{number}": (topic,) for number, (_, topic) in enumerate(PUZZLES)}


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty records answered and learnt from, on vectors of a random encoder that one word in ten says little to."""
    folder = tmp_path_factory.mktemp("tuning") / "project"
    loop.create_project(folder, list(TOPICS))
    base = make_encoder(folder.parent / "tiny")
    settings = replace(read_settings(folder), encoder=str(base), audit_share=0.2, automatic=False, train=(TINY,))
    write_settings(folder, settings)
    project = open_project(folder, InProcessRunner())
    lines = [f'r{number},"{text}"' for number, (text, _) in enumerate(PUZZLES)]
    (folder.parent / "puzzles.csv").write_text("\n".join(["id,text", *lines]) + "\n")
    import_file(project, quiet, file=str(folder.parent / "puzzles.csv"), text=["text"], id="id")
    encode(project, quiet)
    simulate.simulate_rounds(project, TRUTH, simulate.Budget(1, FIRST, "random"), quiet)
    project.close()
    return folder


@pytest.fixture
def project(answered: Path, tmp_path: Path) -> Iterator[Project]:
    yield from _opened(answered, tmp_path)


def _opened(answered: Path, tmp_path: Path) -> Iterator[Project]:
    import shutil

    shutil.copytree(answered, tmp_path / "project")
    opened = open_project(tmp_path / "project", InProcessRunner(), {"local": lambda _: InProcessRunner()})
    yield opened
    opened.close()


class HaltingRunner(InProcessRunner):
    """Stops before it encodes with a tuned encoder, until it may go on."""

    def __init__(self) -> None:
        self.arrived, self.allowed = threading.Event(), threading.Event()

    def start(self, bundle: Path, resources: Resources) -> Handle:
        job = json.loads((bundle / "job.json").read_text())
        if Bundle(bundle).kind == "encode" and job["params"]["encoder"].startswith(OWN):
            self.arrived.set()
            assert self.allowed.wait(LATEST_SECONDS)
        return super().start(bundle, resources)


def test_tuning_starts_by_itself_and_old_vectors_serve_until_the_new_ones_are_whole(
    answered: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(answered, tmp_path / "project")
    runner = HaltingRunner()
    server = background.open_server(
        lambda: open_project(tmp_path / "project", runner, {"local": lambda _: InProcessRunner()})
    )
    try:
        project, before = server.project, server.settings().encoder
        server.watch()
        wait_for(runner.arrived.is_set)
        batch = loop.next_batch(project, quiet, size=4, spare=0)
        assert simulate.answer_queued(project, TRUTH, 4) == 4
        assert (server.settings().encoder, batch.queued) == (before, 4)
        assert loop.fit(project, quiet).model == active_model(project)
        runner.allowed.set()
        wait_for(lambda: tunings(project)[0].promoted)
        [tuning] = tunings(project)
        assert (tuning.promoted, tuning.model) == (True, active_model(project))
        assert "is in use. On " in tuning.sentence
        assert encoded_rows(project.vectors, server.settings().encoder) == RECORDS
        assert (project.models / str(tuning.model) / "encoder" / OWN_PEAKS).exists()
        wait_for(lambda: not server.activities)
        assert first_encoder(project, server.settings().encoder) == before
        assert not tuning_due(project)
        loop.fit(project, quiet)
        assert rollback(project, quiet, to=None).encoder == before
    finally:
        runner.allowed.set()
        background.close_server()


def test_an_encoder_that_is_no_better_is_refused_and_nothing_changes(project: Project) -> None:
    encoder, short = project.settings().encoder, (("learning_rate", "1e-8"), ("max_steps", "2"))
    change_settings(project, train=(TrainerValues("encoder", short),))
    points = simulate.simulate_rounds(project, TRUTH, simulate.Budget(2, 10, "random", tune=True), quiet)
    result, later = points[0].tuned, points[1].tuned
    assert result is not None
    assert later is None  # not before there are half as many labels again
    assert (result.trained, result.promoted) == (True, False)
    assert project.settings().encoder == encoder
    assert result.model not in {change.model for change in champion_history(project)}
    [tuning] = tunings(project)
    assert tuning.sentence.startswith("The encoder was tuned on 72 labels and is not put to use. On 90 labelled")
    assert tuning.trial is not None
    assert (tuning.trial.n, tuning.trial.audits) == (90, 18)
    assert tuning_table([tuning])[0]["put to use"] == "no"
    simulate.simulate_rounds(project, TRUTH, simulate.Budget(1, 40, "random"), quiet)
    assert tuning_due(project)


def test_a_budget_becomes_a_number_of_steps_that_gives_the_same_weights_again(tmp_path: Path) -> None:
    base, material = make_encoder(tmp_path / "tiny"), lessons(48)
    supplied = ("epochs=1000", "max_steps=40", "batch_size=8", "test_size=0", "frozen_layers=1", "learning_rate=0.003")
    run = make_run("encoder", base, tmp_path / "first", *supplied, "max_minutes=0.00001")
    first = train(material, run)
    plan = json.loads((run.checkpoints / PLAN).read_text())
    assert (first.info["steps"], plan["steps"]) == (STEP, STEP)  # no fewer, however short the time
    again = make_run("encoder", base, tmp_path / "again", *supplied, "max_minutes=1000")
    (again.checkpoints / PLAN).write_text(json.dumps(plan))  # as an attempt that was killed leaves it
    second = train(material, again)
    one, other, before = (load_file(f / "model.safetensors") for f in (first.encoder, second.encoder, base) if f)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    words = "embeddings.word_embeddings.weight"
    assert np.array_equal(one[words], before[words])
    assert any(not np.array_equal(one[name], before[name]) for name in one)


def test_a_tuned_encoder_runs_as_a_graph_and_gives_the_same_vectors(tmp_path: Path) -> None:
    folder, texts = make_encoder(tmp_path / "tiny"), [text for text, _ in puzzles(40)]
    exact = load_encoder(str(folder), tmp_path, 1)
    assert write_peaks(folder, texts, np.random.default_rng(0))
    quick = load_encoder(str(folder), tmp_path, 1)
    assert (type(exact), type(quick)) == (TorchEncoder, EmbeddedEncoder)
    assert (exact.encode(texts) * quick.encode(texts)).sum(axis=1).min() > 0.99
    assert exact.fingerprint != quick.fingerprint
    assert not write_peaks(make_classifier(tmp_path / "other"), texts, np.random.default_rng(0))
