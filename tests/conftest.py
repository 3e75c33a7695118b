"""What tests share: a project on real files with real vectors, small enough to be quick."""

import compileall
import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: threads that wait for a busy core cost ten times as much

from core import loop, simulate
from core.data.encoding import encode
from core.data.file_import import import_file
from core.jobs.kinds import JobKind
from core.labelling.changes import change_settings
from core.project import Project, open_project
from core.store.database import Store
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import serve_argilla  # noqa: F401 - the fixture argilla: a real server for all files
from tests.command_line import jobs_here
from tests.extract_project import make_extracted  # noqa: F401 - the fixture extracted: one of a third task
from tests.folder_project import folder_template, folders  # noqa: F401 - fixtures: records that are folders
from tests.modal_plane.fixture import serve_modal  # noqa: F401 - the fixture modal_plane: one for all files
from tests.pair_project import make_paired  # noqa: F401 - the fixture paired: a project of another task
from tests.people_world import make_peopled  # noqa: F401 - the fixture peopled: a project with people
from tests.ray_cluster import serve_ray  # noqa: F401 - the fixture ray_cluster

settings.register_profile("rondo", deadline=None)  # a test never asserts a time
settings.load_profile("rondo")

SHARED = {
    "argilla": (
        *("test_argilla_server", "test_argilla_client", "test_argilla", "test_webhook"),
        *("test_exchange", "test_exchange_law", "test_exchange_killed", "test_exchange_page", "test_exchange_pairs"),
        "test_exchange_extract",
    ),
    "browser": (
        *("test_journeys", "test_card", "test_keyboards", "test_map", "test_records", "test_adjudication"),
        "test_palette",
    ),
    "runners": (
        *("test_modal", "test_ray", "test_runners", "test_steps_elsewhere", "test_encode_elsewhere"),
        *("test_predict_elsewhere", "test_candidates_elsewhere"),
    ),
    "language_models": (
        *("test_lora", "test_train_steps", "test_causal_models", "test_language_models"),
        *("test_step_suggestions", "test_step_replay"),
    ),
    "trainers": (
        *("test_transformer", "test_setfit", "test_encoder_training", "test_zeroshot", "test_cross_encoder"),
        *("test_encoders", "test_recipes"),
    ),
}
"""files that share a process: for their servers (Argilla; a few projects, served; Modal's plane and a Ray cluster), or
because what they train with takes ten seconds to load"""

SERVERS = {"argilla": "argilla", "modal_plane": "runners", "ray_cluster": "runners", "odd_server": "browser"}
"""fixture -> its files"""

SYSTEM = {*SERVERS, "own", "served"}
"""fixtures of tests that need a server, or the app in a process of its own; so does all of tests/browser"""


LONG = (
    *SHARED["language_models"],
    *SHARED["trainers"],
    *("test_interrupts", "test_training"),
    *("test_runners", "test_encode_elsewhere", "test_home", "test_predict", "test_blocking_recall"),
    *("test_readme", "test_crash", "test_upkeep", "test_erasing", "test_storage", "test_store", "test_vectors"),
    *("test_registry", "test_removal", "test_retraining", "test_model_export", "test_tracking", "test_replay"),
    *("test_recipe_folders", "test_folder_card"),
    *("test_accessibility", "test_sign_in", "test_unsigned_access", "test_many_labels", "test_rounds", "test_proxies"),
)
"""files that train networks, start and kill processes again and again, or serve a project of their own"""


def pytest_configure(config: pytest.Config) -> None:
    """Compiles what is tested once, before several processes begin with it; else each command and job would do so."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if not hasattr(config, "workerinput"):
        for package in ("core", "app", "gpu_jobs", "annotation"):
            compileall.compile_dir(config.rootpath / package, quiet=2)


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


def pytest_collection_finish() -> None:
    """The libraries and the tests themselves stay: the garbage collector need not go through them again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: Any, nextitem: pytest.Item | None) -> Iterator[None]:
    """Ends the servers of a group with its last test: an idle Ray cluster takes a tenth of a core."""
    yield
    group = server_of(item.path.stem)
    if group and (nextitem is None or server_of(nextitem.path.stem) != group):
        for name in (name for name, files in SERVERS.items() if files == group):
            for fixture in item.session._fixturemanager.getfixturedefs(name, item) or ():
                fixture.finish(item._request)


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
    gc.unfreeze()
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


@contextmanager
def copy_of(template: Path, folder: Path) -> Iterator[Project]:
    """An open copy of a project, closed with the block."""
    shutil.copytree(template, folder)
    opened = open_project(folder, InProcessRunner())
    yield opened
    opened.close()


@pytest.fixture(scope="session", autouse=True)
def libraries_prepare_once() -> Iterator[None]:
    """For each page under test Streamlit reads about every installed package, and for each command typer makes all of
    them anew: half of what a page, or a command, costs here and would cost once in a process of its own."""
    from streamlit.components.v2 import manifest_scanner
    from typer.main import get_command

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(name="jobs_here")
def run_jobs_here() -> Iterator[None]:
    """`jobs_here` for the test."""
    with jobs_here():
        yield


PlayRounds = Callable[..., Path]
"""(rounds, size, audit_share) -> a project in which so many batches of that size were labelled"""


@pytest.fixture(scope="session")
def play_rounds(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> PlayRounds:
    """Plays what was not played before in this session, for tests that copy it. audit_share: 0 for the usual one."""

    @cache
    def play(rounds: int, size: int, audit_share: float = 0.0) -> Path:
        folder = tmp_path_factory.mktemp("played") / "project"
        with copy_of(encoded, folder) as opened:
            if audit_share:
                change_settings(opened, audit_share=audit_share)
            simulate.simulate_rounds(opened, topic_of_each(), simulate.Budget(rounds, size, "default"), quiet)
        return folder

    return play


@pytest.fixture(scope="session")
def played(play_rounds: PlayRounds) -> Path:
    """`encoded` with two batches labelled, audit records among them; tests work on copies of it."""
    return play_rounds(2, 10)


@pytest.fixture
def project(encoded: Path, tmp_path: Path) -> Iterator[Project]:
    """48 unlabelled records in three topics, 12 gold ones, all encoded, nothing queued."""
    with copy_of(encoded, tmp_path / "project") as opened:
        yield opened


@pytest.fixture
def truth() -> dict[str, tuple[str, ...]]:
    """Record id to label id, for an oracle."""
    return topic_of_each()


def topic_of_each() -> dict[str, tuple[str, ...]]:
    """The labels that `sentences` says, by record id."""
    return {f"r{number}": (topic,) for number, (_, topic) in enumerate(sentences(60))}
