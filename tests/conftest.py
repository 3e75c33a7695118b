"""What tests share: a project on real files with real vectors, small enough to be quick."""

import gc
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: threads that wait for a busy core cost ten times as much

from core import loop, simulate
from core.data.encoding import encode
from core.jobs.kinds import JobKind
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import serve_argilla  # noqa: F401 - the fixture argilla: a real server for all files
from tests.modal_plane.fixture import serve_modal  # noqa: F401 - the fixture modal_plane: one for all files
from tests.ray_cluster import serve_ray  # noqa: F401 - the fixture ray_cluster

settings.register_profile("rondo", deadline=None)  # a test never asserts a time
settings.load_profile("rondo")

SERVERS = {
    "argilla": "argilla",
    "own": "argilla",
    "odd_server": "browser",
    "few_server": "browser",
    "server": "browser",
    "ray_cluster": "ray",
    "ray": "ray",
    "modal_plane": "modal",
    "modal": "modal",
    "chromium": "",
    "served": "",
}
"""a fixture (or the name of a runner that a test is repeated with) -> the server behind it; "": one of its own file"""

LONG = ("argilla", "browser", "ray", "modal")
"""servers and files whose tests take longest, longest first: what is begun last should be short"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, those of one server go to one process, and so do those of one file."""
    groups = {}
    for item in items:
        servers = [SERVERS[name] for name in SERVERS if name in needs(item)]
        groups[item] = next(filter(None, servers), item.path.stem)
        item.add_marker(pytest.mark.xdist_group(groups[item]))
        if servers:
            item.add_marker(pytest.mark.system)
    items.sort(key=lambda item: LONG.index(groups[item]) if groups[item] in LONG else len(LONG))


def needs(item: pytest.Item) -> Sequence[str]:
    """Its fixtures, and what it is repeated with."""
    repeated = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return [*getattr(item, "fixturenames", ()), *(value for value in repeated if isinstance(value, str))]


def pytest_unconfigure() -> None:
    """Hypothesis leaves a function with the garbage collector; by it DuckDB's module outlives the interpreter."""
    gc.callbacks.clear()


TOPICS = {
    "weather": ("rain", "sun", "storm", "wind", "snow", "fog"),
    "food": ("bread", "soup", "cheese", "apple", "rice", "cake"),
    "music": ("violin", "drum", "song", "piano", "choir", "guitar"),
}


def quiet(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def plain_kind(name: str) -> JobKind[dict[str, Any], dict[str, Any]]:
    """A kind of job by its name alone, for tests of what carries jobs."""
    return JobKind(name, dict, dict)


def sentences(count: int) -> list[tuple[str, str]]:
    """(text, topic), all different, topics in turn."""
    names = list(TOPICS)
    result = []
    for number in range(count):
        topic = names[number % len(names)]
        words = TOPICS[topic]
        first, second = words[number % len(words)], words[(number // 7) % len(words)]
        result.append((f"The {first} came before the {second}, said witness {number}.", topic))
    return result


def write_csv(path: Path, count: int, *, labelled: bool = True) -> Path:
    """id, text, topic, split: every fifth row is test; topics stand only in test rows unless `labelled`."""
    lines = ["id,text,topic,split"]
    for number, (text, topic) in enumerate(sentences(count)):
        split = "test" if number % 5 == 4 else "train"
        lines.append(f'r{number},"{text}",{topic if labelled or split == "test" else ""},{split}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


COLUMNS: dict[str, Any] = {"text": ["text"], "id": "id", "label": "topic", "split": "split"}


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of 60 records, imported and encoded once; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("template") / "project"
    loop.create_project(folder, list(TOPICS))
    project = open_project(folder, InProcessRunner())
    file = write_csv(folder.parent / "topics.csv", 60, labelled=False)
    loop.import_file(project, quiet, file=str(file), **COLUMNS)
    encode(project, quiet)
    project.close()
    return folder


@pytest.fixture(scope="session")
def played(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with two batches labelled, audit records among them; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("played") / "project"
    shutil.copytree(encoded, folder)
    opened = open_project(folder, InProcessRunner())
    truth = {f"r{number}": (topic,) for number, (_, topic) in enumerate(sentences(60))}
    simulate.play(opened, truth, simulate.Budget(2, 10, "default"), quiet)
    opened.close()
    return folder


@pytest.fixture
def project(encoded: Path, tmp_path: Path) -> Iterator[Project]:
    """48 unlabelled records in three topics, 12 gold ones, all encoded, nothing queued."""
    folder = tmp_path / "project"
    shutil.copytree(encoded, folder)
    opened = open_project(folder, InProcessRunner())
    yield opened
    opened.close()


@pytest.fixture
def truth() -> dict[str, tuple[str, ...]]:
    """Record id to label id, for an oracle."""
    return {f"r{number}": (topic,) for number, (_, topic) in enumerate(sentences(60))}
