"""A project with a trained model in use, made in a moment: a tiny encoder, a head, and their rows."""

import json
import shutil
from pathlib import Path

import numpy as np

from core.models.artifacts import INSIDE, Making, seal_model
from core.models.encoders.encoder import FEATURES
from core.models.heads.head import Head
from core.models.out_of_fold import write_held_out
from core.project import Project
from core.store.database import utc_now
from tests.conftest import TOPICS

MODEL = "20261121-101112-train-ab12cd"
SCORE = {
    "n": 12,
    "accuracy": {"value": 0.75, "low": 0.5, "high": 0.9},
    "macro_f1": {"value": 0.7, "low": 0.4, "high": 0.85},
    "micro_f1": {"value": 0.75, "low": 0.5, "high": 0.9},
    "per_label": {"food": {"records": 4, "precision": None, "recall": None, "f1": None, "prevalence": None}},
}


def head(dims: int = 32, *, multi: bool = False) -> Head:
    """Random, of the topics."""
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(3, dims)).astype(np.float32) * 5, rng.normal(size=3).astype(np.float32)
    return Head(weights, bias, 0.7, tuple(TOPICS), multi, 0.04)


def put_to_use(project: Project, encoder: Path | str, model_head: Head | None = None, *, base: str = "") -> str:
    """A model with that encoder inside (a folder) or beside it (a name), as `rondo train` and promoting leave it."""
    folder, retained = project.models / MODEL, model_head or head()
    folder.mkdir(parents=True)
    inside = isinstance(encoder, Path)
    if isinstance(encoder, Path):
        shutil.copytree(encoder, folder / "encoder")
    write_held_out(folder, np.arange(3), np.zeros((3, 3), np.float32))
    info = {
        "base": base or ("/home/me/mini" if inside else str(encoder)),
        "label_names": {topic: topic for topic in TOPICS},
        "counts": dict.fromkeys(TOPICS, 16),
        "held_out": [3, 5, 8],
        "values": {"epochs": 2, "learning_rate": 2e-5},
        "versions": {"torch": "2.13.0"},
    }
    seal_model(
        folder, Making("encoder", INSIDE if inside else str(encoder), retained.labels, retained.multi, info), retained
    )
    named = f"model:{MODEL}" if inside else str(encoder)
    with project.changing_settings() as (settings, cursor):
        cursor.execute(
            """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds, trainer,
                                   parent, responses) values (?, ?, 1, ?, 1, 48, 7, ?, 1.5, 'encoder', null, 50)""",
            [MODEL, utc_now(), named, json.dumps({"gold": SCORE, "held_out": SCORE})],
        )
        cursor.execute(
            "insert into champions (since, model, encoder, user, how) values (?, ?, ?, 'me', 'promoted')",
            [utc_now(), MODEL, settings.encoder],
        )
    return MODEL


def fake_encoder(folder: Path) -> Path:
    """What looks like an encoder to everybody who does not load it."""
    from safetensors.numpy import save_file

    (folder / "1_Pooling").mkdir(parents=True)
    save_file({"weights": np.zeros((2, 2), np.float32)}, folder / "model.safetensors")
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for name, result in {"modules.json": modules, "config.json": {}, "1_Pooling/config.json": {}}.items():
        (folder / name).write_text(json.dumps(result))
    return folder


def mark_as_classifier(folder: Path) -> Path:
    """A saved sequence classifier serves as an encoder."""
    (folder / FEATURES).write_text(json.dumps({"schema": 1, "layer": "classifier", "dims": 32, "longest": 16}))
    return folder
