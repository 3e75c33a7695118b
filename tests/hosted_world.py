"""A project with decided pairs, and what it takes to have a model tuned on them at a provider of the tests."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.hosted.fine_tuning import HostedTuningParams
from core.ids import JobId
from core.language_models.client import Patience
from core.loop import create_project
from core.pairs.training_examples import decided_pairs, training_examples
from core.project import Project, open_project
from core.store.database import utc_now
from core.tasks.tasks import TASKS
from core.training.hosted import launch_hosted
from gpu_jobs.runners.hosted import HostedRunner
from gpu_jobs.runners.local import LocalRunner
from tests.hosted_api import TOKEN, HostedApi
from tests.number_task import NUMBER


@dataclass(frozen=True)
class Decided:
    """A pair and what people decided."""

    left: str
    right: str
    same: bool
    stratum: str = "chosen"


def pairs_of(same: int, different: int, audit: int = 0) -> list[Decided]:
    """So many of each kind, and of the audit."""
    return [
        *(Decided(f"camera {number}", f"CAMERA no. {number}", True) for number in range(same)),
        *(Decided(f"drill {number}", f"lamp {number}", False) for number in range(different)),
        *(Decided(f"audit {number}", f"AUDIT {number}", True, "audit") for number in range(audit)),
    ]


def store_pairs(project: Project, pairs: list[Decided]) -> None:
    """As import and settling leave them."""
    with project.store.transaction() as cursor:
        for n, pair in enumerate(pairs):
            fields = json.dumps({"left": pair.left, "right": pair.right})
            cursor.execute(
                """insert into records (n, id, text, fields, hash, source, imported_at)
                   values (?, ?, ?, ?, ?, 'x', ?)""",
                [n, f"p{n}", f"{pair.left}\n{pair.right}", fields, f"h{n}", utc_now()],
            )
            cursor.execute(
                """insert into settled (n, labels, how, stratum, round, settled_at, answer)
                   values (?, [], ?, ?, 0, ?, ?)""",
                [n, "single", pair.stratum, utc_now(), json.dumps({"same": pair.same})],
            )


def pairs_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project of the task; where the app does not have it yet, another one stands for it."""
    if "pairs" not in TASKS:
        monkeypatch.setitem(TASKS, "pairs", NUMBER)
    create_project(folder, [], task="pairs")
    return folder


@pytest.fixture
def pairs_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """60 pairs the same, 55 different, 5 of the audit."""
    monkeypatch.setenv("RONDO_HOSTED_TOKEN", TOKEN)
    folder = pairs_folder(tmp_path / "project", monkeypatch)
    project = open_project(folder, LocalRunner(1), {"hosted": lambda _: HostedRunner(1)})
    store_pairs(project, pairs_of(60, 55, 5))
    yield project
    project.close()


def begin(project: Project, api: HostedApi, **values: object) -> JobId:
    """A detached job that looks often; its id."""
    data = training_examples(decided_pairs(project))
    patience = Patience(tries=2, first=0.0, most=0.0, longest=5.0, timeout=20.0)
    params = HostedTuningParams(api.url, "", "tiny", None, 60, 55, 0, 100, None, poll_seconds=0.05, patience=patience)
    return launch_hosted(project, replace(params, **values), data)  # type: ignore[arg-type]
