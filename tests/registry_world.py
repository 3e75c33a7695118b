"""A project that has played two rounds, and challengers entered as `rondo train` leaves them: good, bad, and tiny."""

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np

from core import simulate
from core.ids import ModelId
from core.labelling.changes import change_settings
from core.models.artifacts import INSIDE, Making, seal_model
from core.models.encoders.encoder import OWN
from core.models.encoders.loading import load_encoder
from core.models.heads.head import Head, LabelledVectors, fit_head
from core.models.out_of_fold import write_held_out
from core.models.vectors import open_vectors
from core.project import Project, open_project
from core.registry.unseen_predictions import read_truth
from core.store.database import utc_now
from core.tasks.labels import labels_space
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import TOPICS, quiet, sentences

LABELS = tuple(TOPICS)
Truth = dict[str, tuple[str, ...]]


@contextmanager
def played(encoded: Path, folder: Path, rounds: int = 2) -> Iterator[Project]:
    """Rounds of 16 records, half of them audit, answered truly and learnt from: played once, then copied."""
    template = encoded.parent / f"played-{rounds}"
    if not template.exists():
        shutil.copytree(encoded, template)
        project = open_project(template, InProcessRunner())
        change_settings(project, audit_share=0.5, automatic=False)
        simulate.simulate_rounds(project, answers(), simulate.Budget(rounds, 16, "default"), quiet)
        project.close()
    shutil.copytree(template, folder)
    project = open_project(folder, InProcessRunner())
    yield project
    project.close()


def answers() -> Truth:
    """Record id to label id, of all records."""
    return {f"r{number}": (topic,) for number, (_, topic) in enumerate(sentences(60))}


def good_head(project: Project) -> Head:
    """Taught by all records, whoever has labelled them: as good as one can be."""
    vectors = np.asarray(open_vectors(project.vectors, "all-MiniLM-L6-v2")[:60], np.float32)
    targets = np.array([[label in answers()[f"r{n}"] for label in LABELS] for n in range(60)], np.float32)
    return fit_head(LabelledVectors(vectors, targets, LABELS), None, np.random.default_rng(0))


def bad_head(dims: int = 384, seed: int = 0) -> Head:
    """Guesses."""
    weights = np.random.default_rng(seed).normal(size=(3, dims)).astype(np.float32)
    return Head(weights * 5, np.zeros(3, np.float32), 1.0, LABELS, False)


def enter(
    project: Project, head: Head, *, encoder: Path | None = None, trainer: str = "encoder", note: str = ""
) -> ModelId:
    """A trained model with its artifact, job row and verdicts on gold and audit; its encoder inside, if it has one."""
    now = utc_now()
    model = ModelId(f"{now:%Y%m%d-%H%M%S}-train-{secrets.token_hex(3)}")
    folder = project.models / model
    folder.mkdir(parents=True)
    name = "all-MiniLM-L6-v2" if encoder is None else OWN + model
    if encoder is not None:
        shutil.copytree(encoder, folder / "encoder")
    with project.store.reading() as cursor:
        rows = read_truth(cursor, labels_space(LABELS, several=False)).rows
    write_held_out(folder, rows, head.predict(_vectors(project, encoder, rows)))
    seal_model(folder, Making(trainer, name if encoder is None else INSIDE, LABELS, False, {"seed": 3}), head)
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds, trainer)
               values (?, ?, 2, ?, 1, 16, 3, '{}', 1.0, ?)""",
            [model, now, name, trainer],
        )
        cursor.execute(
            """insert into jobs (id, kind, state, made_at, params, runner)
               values (?, 'train', 'succeeded', ?, ?, 'local')""",
            [model, now - timedelta(milliseconds=1), json.dumps({"note": note})],
        )
    return model


def _vectors(project: Project, encoder: Path | None, rows: np.ndarray) -> np.ndarray:
    if encoder is None:
        return np.asarray(open_vectors(project.vectors, "all-MiniLM-L6-v2")[rows], np.float32)
    texts = dict(project.store.query("select n, text from records"))
    return load_encoder(str(encoder), project.vectors / "cache", 1).encode([texts[n] for n in rows.tolist()])


def stored_predictions(project: Project) -> list[tuple[object, ...]]:
    """All suggestions."""
    return project.store.query("select n, answer, probability, score, model from suggestions order by n")


def waiting(project: Project) -> list[tuple[int, float]]:
    """(n, position) of what waits, in order."""
    rows = project.store.query(
        "select n, position from queue where n not in (select n from settled) order by position, n"
    )
    return [(n, position) for n, position in rows]
