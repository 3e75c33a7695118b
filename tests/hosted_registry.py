"""A project of decided pairs with gold ones and a champion, in which models are tuned at a provider of the tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import loop
from core.data.encoding import encode
from core.data.file_import import import_file
from core.ids import ModelId
from core.pairs.recorded_answers import measuring_pairs
from core.pairs.training_examples import DIFFERENT, SAME, prompt
from core.project import Project, open_project
from core.training.hosted import hosted_tune
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.hosted_api import TOKEN, HostedApi
from tests.pair_world import write_pairs

COUNT = 50
GOLD = 40
"""pairs that measure, 10 of them the same"""


def reopen(folder: Path) -> Project:
    """Its jobs run here: tests/test_hosted_tuning.py is about their processes."""
    return open_project(folder, InProcessRunner(), {"hosted": lambda _: InProcessRunner()})


@pytest.fixture(scope="session")
def decided_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 pairs from a file with decisions, 40 of them gold, and the head that learnt the others; made once."""
    folder = tmp_path_factory.mktemp("decided") / "pairs"
    loop.create_project(folder, [], task="pairs")
    project = reopen(folder)
    path = write_pairs(folder.parent / "pairs.csv", COUNT)
    import_file(project, quiet, file=str(path), left=["text"], right=["text_b"], label="label", split="split")
    encode(project, quiet)
    loop.fit(project, quiet)
    project.close()
    return folder


@pytest.fixture
def decided(decided_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("RONDO_HOSTED_TOKEN", TOKEN)
    project = reopen(Path(shutil.copytree(decided_folder, tmp_path / "pairs")))
    yield project
    project.close()


def tune(project: Project, api: HostedApi, base: str = "tiny", **options: str) -> ModelId:
    """A model that the provider tuned; its id in the registry."""
    api.steps = ("succeeded",)
    job = hosted_tune(project, quiet, provider=api.url, base=base, yes=True, **options)  # type: ignore[arg-type]
    return ModelId(job.id)


def name_of(project: Project, model: str) -> str:
    return str(project.store.one("select name from hosted_models where model = ?", [model]))


def teach(project: Project, api: HostedApi, model: str, *, right: int = GOLD) -> None:
    """What the model says of the gold pairs: the truth of so many, of the others the opposite."""
    with project.store.reading() as cursor:
        pairs = measuring_pairs(cursor)
    truth = dict(project.store.query("select n, answer->>'same' = 'true' from settled"))
    said = {}
    for index, (n, (left, other)) in enumerate(zip(pairs.record_nos, pairs.pairs, strict=True)):
        said[prompt(left, other)[1].content] = SAME if truth[n] == (index < right) else DIFFERENT
    api.answers[name_of(project, model)] = said
