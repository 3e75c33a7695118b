"""What tests share: a project on real files with real vectors, small enough to be quick."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: threads that wait for a busy core cost ten times as much

from core import loop, simulate
from core.data.encoding import encode
from core.data.file_import import import_file
from core.jobs.kinds import JobKind
from core.project import Project, open_project
from core.store.database import Store
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import serve_argilla  # noqa: F401 - the fixture argilla: a real server for all files
from tests.extract_project import make_extracted  # noqa: F401 - the fixture extracted: one of a third task
from tests.folder_project import folder_template, folders  # noqa: F401 - fixtures: records that are folders
from tests.modal_plane.fixture import serve_modal  # noqa: F401 - the fixture modal_plane: one for all files
from tests.pair_project import make_paired  # noqa: F401 - the fixture paired: a project of another task
from tests.ray_cluster import serve_ray  # noqa: F401 - the fixture ray_cluster

settings.register_profile("rondo", deadline=None)  # a test never asserts a time
settings.load_profile("rondo")

SHARED = {
    "argilla": (
        *("test_argilla_server", "test_argilla_client", "test_argilla", "test_webhook"),
        *("test_exchange", "test_exchange_law", "test_exchange_killed", "test_exchange_page", "test_exchange_pairs"),
        "test_exchange_extract",
    ),
    "browser": ("test_journeys", "test_card", "test_keyboards", "test_map", "test_records", "test_adjudication"),
    "runners": ("test_modal", "test_ray", "test_runners", "test_steps_elsewhere"),
}
"""files that share servers, and so a process: Argilla; a few projects, served; Modal's plane and a Ray cluster"""

SERVERS = {"argilla": "argilla", "modal_plane": "runners", "ray_cluster": "runners", "odd_server": "browser"}
"""fixture -> its files"""

SYSTEM = {*SERVERS, "own", "served"}
"""fixtures of tests that need a server, or the app in a process of its own; so does all of tests/browser"""


LONG = (
    *("test_interrupts", "test_transformer", "test_setfit", "test_encoder_training", "test_zeroshot", "test_training"),
    *("test_readme", "test_crash", "test_upkeep", "test_erasing", "test_storage", "test_store", "test_vectors"),
    *("test_registry", "test_removal", "test_retraining", "test_model_export", "test_tracking", "test_replay"),
    *("test_recipe_folders", "test_folder_card"),
    "test_recipes",
    *("test_accessibility", "test_sign_in", "test_unsigned_access", "test_many_labels", "test_rounds", "test_proxies"),
)
"""files that train networks, start and kill processes again and again, or serve a project of their own"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs a server or takes long, and puts it first: what is begun last should be short."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        served = not names.isdisjoint(SYSTEM) or any(f"[{runner}" in item.name for runner in ("modal", "ray"))
        if served or "browser" in item.path.parts or "argilla" in item.path.stem:
            item.add_marker(pytest.mark.system)
        elif item.path.stem in LONG:
            item.add_marker(pytest.mark.long)
        for name in names & SERVERS.keys():
            assert item.path.stem in SHARED[SERVERS[name]], f"{item.path.name} asks for {name}: it belongs into SHARED"
    order = {name: index for index, name in enumerate([*SHARED, *LONG])}
    items.sort(key=lambda item: order.get(server_of(item.path.stem) or item.path.stem, len(order)))


def server_of(stem: str) -> str:
    """Of a file: the name in SHARED, or nothing."""
    return next((server for server, stems in SHARED.items() if stem in stems), "")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Several processes share the tests file by file; files that share a server stay together.

    Not by xdist's own marks of groups: version 3.8 writes them where pytest 9.2 does not read any more.
    """
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda nodeid: server_of(Path(nodeid.partition("::")[0]).stem) or nodeid.partition("::")[0]
    return scheduler


def pytest_unconfigure() -> None:
    """DuckDB complains of what outlives the interpreter.

    That is what a function that Hypothesis leaves in the garbage collector refers to, and a store left open: its timer.
    """
    gc.callbacks.clear()
    for store in [one for one in gc.get_objects() if type(one) is Store]:  # isinstance asks torch's proxies, which warn
        store.close()


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
    import_file(project, quiet, file=str(file), **COLUMNS)
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
    simulate.simulate_rounds(opened, truth, simulate.Budget(2, 10, "default"), quiet)
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
