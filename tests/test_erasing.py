"""What is erased is in no file of the project any more; what stays is whole, and the project goes on."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app import background
from core import loop, simulate, verbs
from core.backup.stored_tables import broken_rules
from core.data.file_import import import_file
from core.data.formats.formats import FORMATS
from core.erasure.erase import erase
from core.erasure.holders import holds
from core.erasure.selection import ErasureSelection
from core.errors import BadInput, Refused
from core.explore.maps import open_map, project_map
from core.explore.saved_views import save_view, saved_views
from core.ids import RecordNo
from core.labelling.corrections import correct
from core.models.vectors import check_vectors, open_vectors
from core.project import Project, open_project
from core.reports.overview import show_status
from core.store.database import note
from gpu_jobs.runners.choice import RUNNERS
from gpu_jobs.runners.local import InProcessRunner
from tests.command_line import figures, rondo
from tests.conftest import plain_kind, quiet, sentences
from tests.format_tables import SINGLE, label_rows, made, write_form
from tests.ports import free_port
from tests.test_pages import shown
from tests.waiting import wait_for

ENCODER = "all-MiniLM-L6-v2"
NAME = "Zyxwvut"
TEXT = f'Mrs {NAME} of Elm Street, "who" said: Ñandú.\nAnd more.'
ID = f"{NAME}@elm.example"
KINDS = [(what, ending) for what in ("all", "responses") for ending in ("csv", "jsonl", "parquet")]


def mentions(folder: Path, word: str = NAME) -> list[str]:
    """Files below the folder that hold the word; of Parquet files what their cells say."""
    import polars

    result = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        cells = str(polars.read_parquet(path).to_dicts()) if path.suffix == ".parquet" else ""
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # the write-ahead file went into the database meanwhile, which was read before
            return mentions(folder, word)
        if word.encode() in content or word in cells:
            result.append(path.relative_to(folder).as_posix())
    return result


@pytest.fixture(scope="module")
def answered(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 labelled records, and two with a text that shall be forgotten: answered, suggested, exported, mapped.

    Made once. It does not lie where it was made: of its copies, the exports there would be files outside the project.
    """
    folder = tmp_path_factory.mktemp("answered")
    shutil.copytree(played, folder / "project")
    project = open_project(folder / "project", InProcessRunner(), RUNNERS)
    rows = [{"id": ID, "text": TEXT}, {"id": "twin", "text": TEXT}, {"id": "last", "text": "The last one."}]
    (folder / "more.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    import_file(project, quiet, file=str(folder / "more.jsonl"), text=["text"], id="id")
    truth = {f"r{number}": (topic,) for number, (_, topic) in enumerate(sentences(60))}
    truth |= {ID: ("food",), "last": ("food",)}
    simulate.simulate_rounds(project, truth, simulate.Budget(1, 60, "random"), quiet)
    (project.folder / "exports").mkdir()
    for what, ending in KINDS:
        out = str(project.folder / "exports" / f"{what}.{ending}")
        verbs.do_verb(project, "export", quiet, out=out, file_format=ending, what=what, card=True)
    project_map(project, quiet)
    project.close()
    return (folder / "project").rename(folder / "answered")


@pytest.fixture
def told(answered: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of it, with an export beside it."""
    shutil.copytree(answered, tmp_path / "project")
    project = open_project(tmp_path / "project", InProcessRunner(), RUNNERS)
    verbs.do_verb(project, "export", quiet, out=str(tmp_path / "out.csv"), file_format="csv", what="all")
    yield project
    project.close()


def test_a_record_that_is_erased_is_in_no_file_of_the_project(told: Project, tmp_path: Path) -> None:
    assert {f"exports/{what}.{ending}" for what, ending in KINDS} <= set(mentions(told.folder))
    save_view(told, "her", {"words": TEXT})
    save_view(told, "like her", {"like": ID})
    save_view(told, "food", {"label": "food", "words": "rain"})
    before = open_vectors(told.vectors, ENCODER)[60].copy()
    result = erase(told, quiet, record=["twin"], sure=True)
    assert (result.records, result.same_text, result.answers, result.labels) == (2, 1, 1, 1)
    assert sorted(result.exports) == sorted(f"exports/{what}.{ending}" for what, ending in KINDS)
    assert result.elsewhere == [str(tmp_path / "out.csv")]
    assert mentions(told.folder) == []
    assert [*saved_views(told)] == ["food"]
    assert not list((told.folder / "exports").iterdir())
    vectors = open_vectors(told.vectors, ENCODER)
    assert not np.allclose(vectors[60], before)
    assert np.array_equal(vectors[60], vectors[61])
    assert check_vectors(told.vectors, ENCODER) == 63
    record_map = open_map(told)
    assert record_map is not None
    assert not set(record_map.record_nos.tolist()) & {60, 61}
    [line] = told.store.query("select detail::varchar from audit_log where what = 'erase'")
    assert json.loads(line[0])["records"] == 2
    assert NAME not in line[0]


def test_uploads_and_predictions_that_are_not_joined_yet_go_too(told: Project, tmp_path: Path) -> None:
    import polars

    upload, other, part = (
        told.folder / ".rondo" / "uploads" / "a" / "mails.tsv",
        told.folder / ".rondo" / "import" / "b" / "others.csv",
        told.folder / "exports" / ".mails-by-m0001.parquet.parts" / "part-000000",
    )
    for path in (upload, other, part):
        path.parent.mkdir(parents=True)
    upload.write_text(f"text\n{TEXT}\n", encoding="utf-8")
    other.write_text("text\nNobody is in it.\n", encoding="utf-8")
    predicted = polars.DataFrame({"id": ["1"], "text": [TEXT]})
    predicted.write_parquet(part, compression="zstd")
    predicted.write_csv(tmp_path / "predicted.csv")
    with told.store.transaction() as cursor:
        note(cursor, "local", "predict", {"out": str(tmp_path / "predicted.csv")})
    result = erase(told, quiet, record=["twin"], sure=True)
    assert str(tmp_path / "predicted.csv") in result.elsewhere
    assert [path.exists() for path in (upload, other, part)] == [False, True, False]


def test_the_project_goes_on_after_an_erasure_and_no_number_is_given_twice(told: Project, tmp_path: Path) -> None:
    erase(told, quiet, record=["last"], sure=True)
    with told.store.reading() as cursor:
        assert broken_rules(cursor) == []
    (tmp_path / "new.csv").write_text("id,text\nnew,A new one about cheese.\n", encoding="utf-8")
    import_file(told, quiet, file=str(tmp_path / "new.csv"), text=["text"], id="id")
    assert told.store.one("select n from records where id = 'new'") == 63
    assert loop.play_round(told, quiet, size=5).labels
    status = show_status(told, quiet)
    assert (status.records, status.encoded) == (63, 63)
    assert verbs.function_of("inspect")(told, quiet).labelled > 0
    assert project_map(told, quiet).points > 60
    with pytest.raises(BadInput, match="no record"):
        erase(told, quiet, record=["last"])


def test_a_preview_says_what_would_go_and_changes_nothing(told: Project) -> None:
    verbs.do_verb(told, "backup", quiet)
    verbs.do_verb(told, "archive", quiet, archive=str(told.folder.parent / "all.zip"))
    aside = told.folder / "damaged" / "yesterday" / "rondo.duckdb"
    aside.parent.mkdir(parents=True)
    aside.write_bytes(b"no database any more")
    before = mentions(told.folder)
    preview = verbs.do_verb(told, "erase", quiet, query=f"elm {NAME.lower()}")
    assert not preview.done
    assert preview.records == 2
    assert preview.shown[0].id == ID
    assert preview.sources == ["more.jsonl"]
    [archive, backup, damaged] = map(Path, preview.backups)
    assert archive.name == "all.zip"
    assert backup.parent == told.folder / "backups"
    assert damaged == aside.parent
    assert set(before) <= set(mentions(told.folder))
    assert told.store.one("select count(*) from records") == 63
    assert not told.store.one("select count(*) from audit_log where what = 'erase'")


def test_a_record_is_erased_on_its_page_once_it_was_shown_what_goes(told: Project) -> None:
    server = background.open_server(lambda: told)
    page = shown("upkeep.py")
    page.text_input(key="erase-text").input("no such words")
    page.button(key="erase-look").click().run()
    assert page.error
    page.text_input(key="erase-text").input(f"elm {NAME.lower()}")
    page.button(key="erase-look").click().run()
    assert any(text.value.startswith("To be erased: 2 records.") for text in page.text)
    assert mentions(told.folder)
    page.button(key="erase").click().run()
    wait_for(lambda: "erase" not in server.activities)
    page.run()
    assert not page.exception
    assert any(text.value.startswith("Erased: 2 records.") for text in page.text)
    assert mentions(told.folder) == []
    background._OPEN.clear()


def test_a_person_is_erased_with_every_answer_and_other_peoples_answers_are_kept(told: Project) -> None:
    truth = {f"r{number}": (topic,) for number, (_, topic) in enumerate(sentences(60))}
    [(oracle,)] = told.store.query("select distinct annotator from responses where not starts_with(event_id, 'file:')")
    both = told.store.query("select id from records join settled using (n) where stratum = 'chosen' limit 3")
    for (record,) in both:
        correct(told, record, list(truth[record]), NAME)
    preview = erase(told, quiet, annotator=NAME)
    assert (preview.answers, preview.labels_lost) == (3, 0)
    assert NAME not in str(erase(told, quiet, annotator=NAME, sure=True).exports)
    assert {user for (user,) in told.store.query("select distinct annotator from responses")} >= {oracle}
    assert not told.store.one("select count(*) from responses where annotator = ?", [NAME])
    assert not told.store.one(
        "select count(*) from audit_log where user = ? or contains(detail::varchar, ?)", [NAME] * 2
    )
    labelled = show_status(told, quiet).labelled
    lost = erase(told, quiet, annotator=oracle, sure=True).labels_lost
    assert show_status(told, quiet).labelled == labelled - lost
    with pytest.raises(BadInput, match="Nobody called"):
        erase(told, quiet, annotator=NAME)


def test_who_may_still_come_in_and_what_a_job_still_needs_are_not_erased(told: Project) -> None:
    verbs.do_verb(told, "people_add", quiet, name="ana")
    with pytest.raises(Refused, match="rondo people remove"):
        erase(told, quiet, annotator="ana", sure=True)
    with pytest.raises(BadInput, match="one of the three"):
        erase(told, quiet, annotator="ana", query="x")
    bundle = told.jobs.prepare(plain_kind("train"), {"trainer": "head"})
    with told.store.transaction() as cursor:
        cursor.execute(f"copy (select n, text from records) to '{bundle.path / 'in' / 'train.parquet'}'")
        cursor.execute("update jobs set runner = 'local', state = 'running' where id = ?", [bundle.path.name])
    with pytest.raises(Refused, match="rondo jobs cancel"):
        erase(told, quiet, record=[ID], sure=True)
    assert told.store.one("select count(*) from records where id = ?", [ID])
    with told.store.transaction() as cursor:
        cursor.execute("update jobs set state = 'cancelled', ended_at = made_at where id = ?", [bundle.path.name])
    assert erase(told, quiet, record=[ID], sure=True).jobs == [bundle.path.name]
    assert mentions(told.folder) == []


def test_prompts_of_a_job_that_did_not_succeed_go_with_their_record(told: Project) -> None:
    text = told.store.one("select text from records where id = ?", [ID])
    bundles = [told.jobs.prepare(plain_kind("train_lora"), {"step": "names"}) for _ in range(3)]
    for bundle, id, said in zip(bundles, ("x", ID, "y"), (f'Who?\n"{text}"', "狐狸", "another"), strict=True):
        row = {"id": id, "prompt": [{"role": "user", "content": said}], "completion": []}
        (bundle.path / "in" / "names_train.jsonl").write_text(json.dumps(row) + '\n{"id": ', encoding="utf-8")
    with told.store.transaction() as cursor:
        cursor.execute("update jobs set state = 'failed', ended_at = made_at where state = 'draft'")
    assert set(erase(told, quiet, record=[ID], sure=True).jobs) == {bundle.path.name for bundle in bundles[:2]}


def test_an_erasure_that_is_killed_is_finished_by_whoever_opens_the_project_next(told: Project) -> None:
    folder = told.folder
    told.close()
    whole = tmp = folder.parent / "whole"
    shutil.copytree(folder, whole)
    for attempt in range(4):
        shutil.rmtree(folder)
        shutil.copytree(tmp, folder)
        words = ["erase", "twin", "--yes", "--project", str(folder)]
        child = subprocess.Popen([sys.executable, "-m", "app", *words], stdout=subprocess.DEVNULL)
        while child.poll() is None and figures_left(folder) == len(KINDS):
            time.sleep(0.001)
        time.sleep(0.05 * attempt)  # it has begun with the files: the rows are gone, the database is not yet rewritten
        child.kill()
        child.wait()
        assert figures(folder)["records"] == 61
        assert mentions(folder) == []


def figures_left(folder: Path) -> int:
    """Exports that still lie there."""
    return sum((folder / "exports" / f"{what}.{ending}").exists() for what, ending in KINDS)


def test_a_paper_with_texts_goes_with_the_record_as_a_zip_and_as_a_folder(told: Project, tmp_path: Path) -> None:
    exports, outside = told.folder / "exports", tmp_path / "paper.zip"
    for target in (exports / "paper-1", outside):
        verbs.do_verb(told, "paper", quiet, out=str(target), texts=True)
    shutil.copy(outside, exports / "paper-2.zip")
    left = told.jobs.prepare(plain_kind("figures"), {"names": []})
    (left.path / "in" / "pace.vl.json").write_text("{}", encoding="utf-8")
    result = erase(told, quiet, record=["twin"], sure=True)
    assert str(outside) in result.elsewhere
    assert not (exports / "paper-2.zip").exists()
    assert mentions(told.folder) == []
    assert not (left.path / "in").exists()
    broken = tmp_path / "broken.zip"
    broken.write_bytes(outside.read_bytes()[:500])
    assert holds(broken, ErasureSelection((RecordNo(1),), ("none",), (TEXT,)))


@pytest.fixture
def served(told: Project) -> Iterator[tuple[Path, str]]:
    """The same project, held by a running server."""
    told.close()
    port = free_port()
    words = ["up", "--project", str(told.folder), "--port", str(port)]
    child = subprocess.Popen([sys.executable, "-m", "app", *words], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: httpx.get(f"{url}/api/health", trust_env=False).is_success)
    yield told.folder, url
    child.send_signal(signal.SIGINT)
    child.wait()


def test_a_record_is_erased_while_a_server_holds_the_project(served: tuple[Path, str]) -> None:
    folder, _ = served
    result: dict[str, Any] = json.loads(rondo("erase", "twin", "--yes", "--json", "--project", folder))
    assert result["done"]
    assert mentions(folder) == []
    assert figures(folder)["records"] == 61
    assert rondo("erase", "twin", "--yes", "--project", folder, code=2).startswith("There is no record 'twin'")


@pytest.mark.parametrize("form", [name for name, one in FORMATS.items() if one.write])
def test_an_export_of_any_format_that_holds_the_text_is_noticed(form: str, tmp_path: Path) -> None:
    write_form(tmp_path, form, label_rows(["one", TEXT, "another one"], several=False), "label", SINGLE)
    written = made(tmp_path, form)
    files = [path for path in written.rglob("*") if path.is_file()] if written.is_dir() else [written]
    assert any(holds(path, ErasureSelection((RecordNo(1),), ("none",), (TEXT,))) for path in files)
    assert not any(holds(path, ErasureSelection((RecordNo(1),), ("none",), ("Quite another text",))) for path in files)
