"""A language model is tuned at Modal and answers on a Ray cluster: the same weights and answers as on this machine."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.config.steps import steps_in
from core.extract.import_annotations import import_annotations
from core.extract.suggest import suggest_steps
from core.extract.train_steps import train_steps
from core.loop import create_project, next_batch
from core.models.adapters import ADAPTER
from core.project import Project, Runners, open_project
from gpu_jobs.language_models.tiny import tiny_model
from gpu_jobs.runners.local import InProcessRunner
from gpu_jobs.runners.ray.ray_runner import RayRunner
from tests.conftest import quiet
from tests.ray_cluster import RayCluster
from tests.test_modal import quick
from tests.test_train_steps import SETTINGS, STEPS

pytest.importorskip("modal")
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def project(tmp_path: Path, modal_plane: Any, ray_cluster: RayCluster) -> Iterator[Project]:
    """Twelve tales with answers, four without."""
    create_project(tmp_path / "p", [], task="extract", steps=steps_in(tomllib.loads(STEPS)))
    rows: list[dict[str, object]] = [{"id": f"t{n}", "text": f"Tale {n} of Mara."} for n in range(16)]
    rows = [row | ({"people": ["Mara"], "mood": "glad"} if n < 12 else {}) for n, row in enumerate(rows)]
    (tmp_path / "tales.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    runners: Runners = {
        "local": lambda _: InProcessRunner(),
        "modal": lambda _: quick(),
        "ray": lambda _: RayRunner(ray_cluster.address, str(ray_cluster.folder)),
    }
    opened = open_project(tmp_path / "p", InProcessRunner(), runners)
    import_annotations(opened, quiet, file=str(tmp_path / "tales.jsonl"))
    yield opened
    opened.close()


def test_the_same_weights_and_answers_wherever_they_are_made(project: Project, tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "tiny")
    models = []
    for place in ("local", "modal"):
        [job] = train_steps(project, quiet, steps=["mood"], values=[f"base={base}", *SETTINGS], on=place).jobs
        assert (job.state, job.runner) == ("succeeded", place)
        models.append(str(job.model))
    weights = [
        {path.name: path.read_bytes() for path in (project.models / model / ADAPTER).iterdir()} for model in models
    ]
    assert weights[0]["adapter_model.safetensors"] == weights[1]["adapter_model.safetensors"]

    next_batch(project, quiet, size=4)
    answers = []
    for place, model in (("local", models[0]), ("ray", models[1])):
        [result] = suggest_steps(project, quiet, steps=["mood"], model=model, on=place, records=["waiting"]).steps
        assert result.states == {"valid": 4}
        stored = "select n, answer::varchar, confidence from generated_answers where model = ? order by n"
        answers.append(project.store.query(stored, [model]))
    assert [row[:2] for row in answers[0]] == [row[:2] for row in answers[1]]
    assert [row[2] for row in answers[1]] == pytest.approx([row[2] for row in answers[0]], abs=1e-4)
