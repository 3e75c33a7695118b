"""What goes on in a server: rounds take turns, stopping one thing stops nothing else, leftovers are settled."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import background
from app.client import call, write_address
from core import loop, simulate
from core.backup.backups import back_up
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import BadInput, Cancelled
from core.project import Project, open_project
from core.reports.overview import show_status
from core.rounds.run_round import apply_finished_rounds
from core.store.private_files import private_folder
from core.verbs import VERBS, function_of, name_of, read_options
from gpu_jobs.runners.local import LocalRunner
from tests.conftest import quiet

Truth = dict[str, tuple[str, ...]]


@pytest.fixture
def server(encoded: Path, tmp_path: Path) -> Iterator[background.ProjectServer]:
    """A project with jobs in processes of their own."""
    import shutil

    shutil.copytree(encoded, tmp_path / "project")
    yield background.open_server(lambda: open_project(tmp_path / "project", LocalRunner()))
    background.close_server()


def run(server: background.ProjectServer, verb: str, **options: Any) -> object:
    """The verb with a task of its own."""
    background_task = server.begin_task(verb)
    assert background_task is not None
    result: object = server.run(background_task, quiet, **options)
    return result


def test_two_rounds_at_once_take_turns_and_choose_different_records(server: background.ProjectServer) -> None:
    threads = [threading.Thread(target=run, args=(server, "next"), kwargs={"size": 6}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batches = server.project.store.query("select batch, size from batches order by batch")
    queued = server.project.store.query("select n from queue where not spare")
    assert batches == [(1, 6), (2, 6), (3, 6)]
    assert len(queued) == len(set(queued)) == 18


def test_stopping_one_verb_stops_no_other(server: background.ProjectServer) -> None:
    server.start("next")
    background_task = server.begin_task("export")
    assert background_task is not None
    background_task.stop.set()
    with pytest.raises(Cancelled):
        server.run(background_task, quiet, out="unused.csv", file_format="csv")
    while server.activities:
        time.sleep(0.05)
    assert server.error_message is None
    assert server.project.store.one("select count(*) from batches") == 1


def test_a_verb_that_runs_alone_is_not_started_twice(server: background.ProjectServer) -> None:
    server.start("next")
    server.start("next")
    while server.activities:
        time.sleep(0.05)
    assert server.project.store.one("select count(*) from batches") == 1


def test_closing_stops_what_runs_and_starts_nothing_more(server: background.ProjectServer) -> None:
    server.start("round")
    server.close()
    with pytest.raises(Cancelled):
        server.begin_task("next")


def left_over(project: Project) -> str:
    """A round whose owner was killed after its process had finished; returns the job's id."""
    loop.next_batch(project, quiet, size=4)
    row = project.store.query("select id from jobs where kind = 'round' order by made_at desc limit 1")[0]
    with project.store.transaction() as cursor:
        handle = json.dumps({"pid": 1})
        cursor.execute("update jobs set state = 'running', handle = ? where id = ?", [handle, row[0]])
    return str(row[0])


def test_a_stale_result_is_not_taken_in_over_newer_state(project: Project) -> None:
    left_over(project)
    loop.next_batch(project, quiet, size=4)
    before = project.store.query("select batch, size, rows from batches order by batch")
    assert apply_finished_rounds(project, quiet) == 0
    assert project.store.query("select batch, size, rows from batches order by batch") == before
    assert project.store.one("select count(*) from jobs where state = 'running'") == 0


def test_a_backup_never_overwrites_a_project(project: Project, tmp_path: Path) -> None:
    for target in (project.folder, tmp_path / "copy"):
        if target != project.folder:
            back_up(project, quiet, out=str(target))
        with pytest.raises(BadInput, match="holds a project or a backup already"):
            back_up(project, quiet, out=str(target))
    with pytest.raises(BadInput, match="place of the project itself"):
        loop.export(project, quiet, out=str(project.folder / "rondo.duckdb"), file_format="parquet")


def test_a_test_record_with_a_twin_in_training_trains_nothing(project: Project, truth: Truth, tmp_path: Path) -> None:
    text = project.store.one("select text from records where split = 'test' order by n limit 1")
    file = tmp_path / "twins.csv"
    file.write_text(f'id,text,label\ntwin,"{text.upper()}",food\nother,"bread and soup, said nobody",food\n')
    import_file(project, quiet, file=str(file), text=["text"], id="id", label="label")
    assert loop.fit(project, quiet).labels == 1


def test_vectors_that_the_database_never_asked_for_are_made_again(project: Project, tmp_path: Path) -> None:
    backup = Path(back_up(project, quiet).folder)
    for name in ("first", "second"):
        (tmp_path / f"{name}.csv").write_text(f"text\nonly in the {name} file\n")
    import_file(project, quiet, file=str(tmp_path / "first.csv"), text=["text"])
    encode(project, quiet)
    project.close()
    (project.folder / "rondo.duckdb").write_bytes((backup / "rondo.duckdb").read_bytes())
    restored = open_project(project.folder, project.jobs.runner)
    import_file(restored, quiet, file=str(tmp_path / "second.csv"), text=["text"])
    assert encode(restored, quiet).encoded == 61
    restored.close()


def test_a_model_of_another_encoder_is_not_used(project: Project, truth: Truth) -> None:
    simulate.simulate_rounds(project, truth, simulate.Budget(1, 10, "random"), quiet)
    with project.store.transaction() as cursor:
        cursor.execute("update models set encoder = 'another'")
        cursor.execute("update champions set encoder = 'another'")
    assert loop.next_batch(project, quiet, size=3).queued == 3
    assert project.store.one("select model from batches order by batch desc limit 1") is None


def test_the_address_of_a_killed_server_is_no_obstacle(encoded: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "project"
    shutil.copytree(encoded, folder)
    private_folder(folder)
    write_address(folder, "http://127.0.0.1:9", "key of a server that is gone", "http://127.0.0.1:9/label")
    assert call(folder, show_status, quiet).records == 60


@pytest.mark.parametrize(
    ("verb", "sent", "sentence"),
    [
        ("next", {"size": "many"}, "next: the option `size`: Input should be a valid integer"),
        ("next", {"sise": 5}, "next has no option `sise`; there are audit_share, seed, size, spare, strategy, user."),
        ("job", {}, "job needs the option `job`."),
        ("erase", {"record": "r1"}, "erase: the option `record`"),
        ("auto", {"precision": None}, "auto: the option `precision`"),
    ],
)
def test_options_that_a_verb_cannot_take_are_one_sentence_that_names_them(
    verb: str, sent: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BadInput) as error:
        read_options(verb, sent)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_options_of_every_verb_are_read_as_its_signature_says() -> None:
    sent: dict[str, object] = {"values": ["a=1"], "trainer": "head", "on": "local", "user": "ann"}
    assert read_options("train", sent) == sent
    for verb in VERBS:
        with pytest.raises(BadInput, match="has no option `no_such`"):
            read_options(verb, {"no_such": 1})
        assert name_of(function_of(verb)) == verb
