"""The settings file in other hands: saved by odd editors, emptied, cut short, edited while the app runs."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import background
from core import loop, simulate
from core.backup.repair import repair
from core.config.settings import FILE, LAST_GOOD, Settings, read_settings, with_changes, write_settings
from core.config.taxonomy import make_taxonomy
from core.data.file_import import import_file
from core.errors import BadInput, Damaged
from core.ids import JobId
from core.labelling.changes import change_settings
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project, open_project
from core.registry.retraining import retrain
from core.training.entries import read_training_job
from core.training.launch import TrainingRequest, order_of
from core.training.trainers import parameters_in
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import copy_of, quiet
from tests.waiting import wait_for

Truth = dict[str, tuple[str, ...]]
STATE = (
    "select n, labels, how from settled order by n",
    "select n, label, probability from suggestions order by n",
    "select n, batch, position, suggestion from queue order by n",
    "select event_id, labels from responses order by event_id",
    "select version, labels from taxonomies order by version",
)


@pytest.fixture
def answered(played: Path, tmp_path: Path) -> Iterator[Project]:
    """Two rounds answered; suggestions and a queue."""
    with copy_of(played, tmp_path / "project") as project:
        loop.next_batch(project, quiet, size=5)
        yield project


def stored(project: Project) -> list[list[tuple[object, ...]]]:
    return [project.store.query(sql) for sql in STATE]


def without(text: str, label: str) -> str:
    """The file without the section of one label."""
    start = text.index(f'[[taxonomy.labels]]\nid = "{label}"')
    end = text.find("[[taxonomy", start + 1)
    return text[:start] + (text[end:] if end > 0 else "")


@pytest.mark.parametrize(
    ("shorten", "reason"),
    [
        (lambda text: "", "lost labels that are in use"),
        (lambda text: text[: text.index("[taxonomy]")], "lost labels that are in use"),
        (lambda text: text[: text.rindex("[[taxonomy")], "lost labels that are in use: 'music'"),
        (lambda text: text[: text.rindex("name = ")], "needs an id and a name"),
        (lambda text: text[: len(text) // 2] + '\n"', "cannot be read"),
        (lambda text: "\0" * len(text), "cannot be read"),
        (lambda text: without(text, "food"), r"lost labels that are in use: 'food' \(\d+ records\)"),
    ],
)
def test_a_settings_file_that_lost_labels_is_refused_and_the_last_good_one_brings_all_back(
    answered: Project, shorten: Callable[[str], str], reason: str
) -> None:
    before, file = stored(answered), answered.folder / FILE
    answered.close()
    whole = file.read_text()
    file.write_text(shorten(whole))
    for _ in range(2):
        with pytest.raises(BadInput, match=reason) as error:
            open_project(answered.folder, InProcessRunner())
        assert f"cp {answered.folder / LAST_GOOD}" in str(error.value)
    shutil.copyfile(answered.folder / LAST_GOOD, file)
    opened = open_project(answered.folder, InProcessRunner())
    assert stored(opened) == before
    assert file.read_text() == whole
    opened.close()


def test_labels_that_nothing_uses_may_go_but_not_all_of_them(project: Project) -> None:
    file = project.folder / FILE
    whole = file.read_text()
    change_settings(project, add_label="never")
    project.close()
    file.write_text(whole)
    again = open_project(project.folder, InProcessRunner())
    assert "never" not in again.settings().taxonomy.ids
    again.close()
    loop.create_project(project.folder.parent / "new", ["a", "b"])
    open_project(project.folder.parent / "new", InProcessRunner()).close()
    (project.folder.parent / "new" / FILE).write_text("")
    with pytest.raises(BadInput, match="lost all 2 labels"):
        open_project(project.folder.parent / "new", InProcessRunner())


def test_several_labels_are_not_lost_to_a_setting(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "many", [], multi=True)
    project = open_project(tmp_path / "many", InProcessRunner())
    (tmp_path / "many.csv").write_text("text,label\none,a|b\ntwo,a\n")
    import_file(project, quiet, file=str(tmp_path / "many.csv"), text=["text"], label="label")
    file = project.folder / FILE
    file.write_text(file.read_text().replace("multi = true", "multi = false"))
    assert project.settings().multi
    with pytest.raises(BadInput, match="1 records have several labels"):
        project.adopt_edits()
    project.close()


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    settings = Settings(name="mine", guidelines="two\nlines", taxonomy=make_taxonomy(["a", "ü"]))
    write_settings(tmp_path, settings)
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_settings(tmp_path) == settings
    write_settings(tmp_path, with_changes(settings, batch_size=7))
    assert read_settings(tmp_path).batch_size == 7


def test_a_settings_file_that_is_gone_is_not_taken_for_no_project_and_repair_brings_it_back(answered: Project) -> None:
    answered.close()
    whole = (answered.folder / FILE).read_text()
    (answered.folder / FILE).unlink()
    with pytest.raises(Damaged, match=LAST_GOOD):
        open_project(answered.folder, InProcessRunner())
    repair(answered.folder, quiet)
    assert (answered.folder / FILE).read_text() == whole


def test_an_edit_while_the_app_runs_holds_as_a_whole_or_not_at_all(answered: Project) -> None:
    file, before = answered.folder / FILE, answered.settings()
    whole = file.read_text()
    edited = whole.replace("overlap = 1", "overlap = 2") + '\n[[taxonomy.labels]]\nid = "news"\nname = "news"\n'
    file.write_text(edited)
    assert answered.settings() == before, "labels wait for the database"
    answered.adopt_edits()
    assert answered.settings().overlap == 2
    assert "news" in answered.settings().taxonomy.ids
    assert answered.store.one("select max(version) from taxonomies") == answered.settings().taxonomy.version == 2
    held, good = answered.settings(), (answered.folder / LAST_GOOD).read_text()
    for broken in ("", "[sampling", without(whole, "food").replace("overlap = 1", "overlap = 3")):
        file.write_text(broken)
        assert answered.settings() == held
        with pytest.raises(BadInput, match="last-good"):
            change_settings(answered, batch_size=9)
        assert answered.settings() == held
        assert file.read_text() == broken, "what a person wrote is not written over"
        assert answered.settings.error_message
        assert (answered.folder / LAST_GOOD).read_text() == good
    event = Event("e", answered.store.one("select id from records where n = 1"), "submit", ("food",), ts=2e9)
    assert answered.label_queue.exchange(Holder("ann", "tab"), QueueRequest(events=(event,))).statuses == {
        "e": "stored"
    }
    shutil.copyfile(answered.folder / LAST_GOOD, file)
    assert change_settings(answered, batch_size=9).batch_size == 9
    assert answered.settings.error_message is None


@pytest.fixture
def server(encoded: Path, tmp_path: Path) -> Iterator[background.ProjectServer]:
    shutil.copytree(encoded, tmp_path / "served")
    yield background.open_server(lambda: open_project(tmp_path / "served", InProcessRunner()))
    background.close_server()


def test_a_running_app_adopts_labels_from_the_file_by_itself(server: background.ProjectServer) -> None:
    file = server.project.folder / FILE
    file.write_text(file.read_text() + '\n[[taxonomy.labels]]\nid = "news"\nname = "news"\n')
    server.watch()
    wait_for(lambda: "news" in server.settings().taxonomy.ids)
    assert server.project.store.one("select max(version) from taxonomies") == 2


def test_parameters_of_a_trainer_in_the_file_hold_where_none_is_named_with_a_training(
    project: Project, truth: Truth
) -> None:
    simulate.simulate_rounds(project, truth, simulate.Budget(2, 15, "default"), quiet)
    path = project.folder / FILE
    path.write_text(
        path.read_text() + "\n[train.head]\nlabel_names = false  # measured\n\n[train.setfit]\nepochs = 8\n"
    )
    assert order_of(project, "setfit", TrainingRequest()).values["epochs"] == 8
    assert order_of(project, "setfit", TrainingRequest(["epochs=2"])).values["epochs"] == 2
    assert order_of(project, "encoder", TrainingRequest()).values["epochs"] == 6
    assert parameters_in(project.settings(), "setfit")["epochs"].default == 8
    project.runners = {"local": lambda _: InProcessRunner()}
    simulate.answer_queued(project, truth, 8)
    result = retrain(project, quiet, trainer="head")
    assert read_training_job(project, result.job or JobId("")).values["label_names"] is False
    change_settings(project, batch_size=7)
    assert "[train.head]\nlabel_names = false  # measured" in path.read_text()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[train.sefit]\nepochs = 3", r"\[train.sefit\]: There is no trainer 'sefit'"),
        ("[train.setfit]\nepocs = 3", "no parameter 'epocs'. Did you mean epochs"),
        ("[train.setfit]\nepochs = 0", "epochs is 0, but it must lie between"),
        ("[train.setfit]\nepochs = [1]", "a text or a number is needed"),
        ("[train]\nsetfit = 3", r"it is a section: \[train.setfit\]"),
    ],
)
def test_a_parameter_that_there_is_not_is_refused_when_the_file_is_read(
    project: Project, written: str, words: str
) -> None:
    path = project.folder / FILE
    path.write_text(path.read_text() + f"\n{written}\n")
    with pytest.raises(BadInput, match=words):
        project.adopt_edits()
    assert project.settings().train == ()
