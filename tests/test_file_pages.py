"""What commands do with files, done on pages: folder trees, predictions, samples for a spreadsheet and its labels."""

import csv
import io
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars
import pytest
from streamlit.testing.v1 import AppTest

from app import background
from app.http.upload_routes import uploads
from app.pages.parts.data.files import free_name
from app.pages.parts.frame import OWN_CODE
from app.pages.parts.models.predict_view import _file_name
from app.pages.parts.widgets import RUNS_ALREADY
from core.project import Project, open_project
from core.store.tables import as_excel
from core.trees.gather import gather
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from tests.command_line import rondo
from tests.conftest import quiet, sentences
from tests.folder_project import label_of
from tests.pair_world import products
from tests.people_world import Visit, add
from tests.test_pages import MAIN, shown
from tests.waiting import LATEST_SECONDS, wait_for


@pytest.fixture
def trees(folders: Project) -> Iterator[background.ProjectServer]:
    """36 folders are records, of the snapshot 1; the tree is beside the project."""
    yield background.open_server(lambda: folders)
    background._OPEN.clear()


def ended(page: AppTest, verb: str) -> AppTest:
    """The page once what it began has ended."""
    server = background.opened()
    wait_for(lambda: verb not in server.activities)
    assert not page.exception
    assert server.error_message is None
    return page.run()


def test_a_folder_is_gathered_compared_and_made_into_records_on_its_page(
    trees: background.ProjectServer, tmp_path: Path
) -> None:
    tree = tmp_path / "assets"
    (tree / "Castle").rename(tree / "Fortress")
    (tree / "Ocean").mkdir()
    (tree / "Sea").symlink_to(tree / "Ocean")
    page = shown("folders.py")
    page.text_input(key="tree-source").input(str(tree))
    page.button(key="gather").click().run()
    ended(page, "gather")
    assert page.success[0].value.startswith("Snapshot 2 of assets: 37 folders")
    assert page.dataframe[0].value["left out"].tolist() == [1, 0]
    [skipped] = [one.value for one in page.dataframe if "why" in one.value]
    assert skipped["path"].tolist() == ["Sea"]
    [changed] = [one.value for one in page.dataframe if "what" in one.value]
    assert changed[changed["what"] == "came"]["folder"].tolist() == ["Ocean"]
    assert changed[changed["folder"] == "Castle"]["now"].tolist() == ["Fortress"]
    page.button(key="features").click().run()
    ended(page, "features")
    assert "37 folders, 1 new records, 36 known already." in page.success[1].value
    assert trees.project.store.one("select count(*) from records") == 37
    assert trees.project.store.query("select what, user from audit_log where what = 'gather'")[-1] == (
        "gather",
        "local",
    )


def upload(page: AppTest, key: str, name: str, content: str) -> None:
    """As if a browser had sent it: that is `tests/browser/test_uploads.py`."""
    folder = uploads(background.opened().project) / secrets.token_hex(16)
    folder.mkdir()
    (folder / name).write_text(content, encoding="utf-8")
    page.session_state[f"{key}-upload"] = folder.name


def test_a_listing_is_uploaded_and_gathered(trees: background.ProjectServer) -> None:
    page = shown("folders.py")
    page.segmented_control(key="tree-from").set_value("Upload a listing").run()
    page.button(key="gather").click().run()
    assert "upload a listing" in page.error[0].value
    upload(page, "tree-listing", "music.txt", "music/Bach/a.mp3\nmusic/Cage/b.mp3\n")
    page.run()
    page.button(key="gather").click().run()
    ended(page, "gather")
    assert page.success[0].value == "Snapshot 2 of music: 3 folders, 2 files."


def test_whoever_signs_in_names_no_folder_of_the_machine(trees: background.ProjectServer, tmp_path: Path) -> None:
    page = shown("folders.py")
    page.text_input(key="tree-source").input(str(tmp_path / "assets"))
    add(trees.project, "Max", "manager")
    page.user = dict(Visit(trees.authenticator, "Max").user)
    page.button(key="gather").click().run()
    assert page.error[0].value == "Upload a listing first."
    assert "tree-source" not in {one.key for one in page.text_input}
    assert len(list((trees.project.folder / "snapshots").iterdir())) == 1


def predicted(page: AppTest, file: Path, ending: str) -> AppTest:
    """The page once it has predicted the file."""
    page.segmented_control(key="predict-from").set_value("Path or address").run()
    page.text_input(key="predict-path").input(str(file))
    page.button(key="predict-path-go").click().run()
    wait_for(lambda: any(one.key == "predict" for one in page.run().button))
    page.segmented_control(key="predict-format").set_value(ending).run()
    page.button(key="predict").click().run()
    assert not page.error
    server = background.opened()
    wait_for(lambda: not server.activities)
    assert server.error_message is None
    return page.run()


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_file_that_is_predicted_on_its_page_is_what_the_command_writes(
    played: Path, tmp_path: Path, ending: str
) -> None:
    rows = [{"nr": f"x{number}", "body": text} for number, (text, _) in enumerate(sentences(40))]
    file = tmp_path / "new mails.csv"
    polars.DataFrame([*rows, {"nr": "odd", "body": '=1+1, "quoted"\nin two lines 🎉'}]).write_csv(file)
    for name in ("page", "command"):
        shutil.copytree(played, tmp_path / name)
    background.open_server(lambda: open_project(tmp_path / "page", InProcessRunner()))
    page = predicted(shown("predict.py"), file, ending)
    written = tmp_path / "page" / "exports" / f"new-mails-by-champion{ending}"
    assert any("on 41 rows" in text.value for text in page.text)
    assert len(page.dataframe[-1].value) == 10
    assert page.dataframe[-1].value["predicted"].notna().all()
    background.close_server()
    out = tmp_path / f"out{ending}"
    words = ("--text", "body", "--id", "nr", "--out", out)
    rondo("--project", tmp_path / "command", "predict", "champion", file, *words)
    assert written.read_bytes() == out.read_bytes()


def test_a_file_of_pairs_is_decided_on_the_same_page_as_by_the_command(paired: Path, tmp_path: Path) -> None:
    left, right = ([text.split("\n")[0].partition(": ")[2] for text in side[:6]] for side in products(12))
    file = tmp_path / "pairs.csv"
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([("name_a", "name_b"), *zip(left, [*right[:3], *right[:3]], strict=True)])
    for name in ("page", "command"):
        shutil.copytree(paired, tmp_path / name)
    background.open_server(lambda: open_project(tmp_path / "page", InProcessRunner()))
    page = predicted(shown("predict.py"), file, ".csv")
    assert any(text.value.startswith("6 pairs: ") for text in page.text)
    assert page.dataframe[-1].value["row"].tolist() == ["1", "2", "3", "4", "5", "6"]
    background.close_server()
    sides = ("--left", "name_a", "--right", "name_b")
    words = rondo("--project", tmp_path / "command", "predict-pairs", file, *sides, "--out", tmp_path / "out.csv")
    assert "6 pairs: " in words
    written = tmp_path / "page" / "exports" / "pairs-decided.csv"
    assert written.read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_a_sample_goes_to_a_spreadsheet_and_its_labels_come_back_on_pages(
    trees: background.ProjectServer, tmp_path: Path
) -> None:
    gather(trees.project, quiet, source=str(tmp_path / "assets"))
    page = shown("export.py")
    page.selectbox(key="sample-snapshot").select(1).run()
    page.number_input(key="sample-low-1").set_value(2)
    page.number_input(key="sample-high-1").set_value(2)
    page.number_input(key="sample-size").set_value(5).run()
    page.button(key="sample").click().run()
    ended(page, "samples")
    [file] = (trees.project.folder / "exports").glob("sample-*.csv")
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 5
    assert {row["id"].count("/") for row in rows} == {1}
    sheet = [
        "id,label",
        *(f"{row['id']},{label_of(row['id'])}" for row in rows),
        "nowhere,pack",
        f"{rows[0]['id']},Pack",
    ]
    page = shown("import.py")
    upload(page, "sheet", "labels.csv", "\n".join(sheet))
    page.run()
    page.button(key="sheet-preview-go").click().run()
    assert any("7 rows of labels.csv: 5 labels would be taken" in text.value for text in page.text)
    [refused] = [one.value for one in page.dataframe if "why" in one.value]
    assert refused["record"].tolist() == ["nowhere", rows[0]["id"]]
    assert trees.project.store.one("select count(*) from settled") == 0
    assert not trees.project.store.query("select what from audit_log where what = 'apply'"), "nothing was changed"
    page.button(key="sheet-apply").click().run()
    assert not page.exception
    assert "5 labels taken" in page.success[0].value
    assert trees.project.store.one("select count(*) from settled") == 5
    assert trees.project.store.one("select count(*) from audit_log where what = 'apply'") == 1


def test_predictions_of_files_of_one_name_are_all_kept(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        path = free_name(tmp_path, "mails-by-champion.csv")
        path.touch()
        names.append(path.name)
    assert names == ["mails-by-champion.csv", "mails-by-champion-2.csv", "mails-by-champion-3.csv"]


def test_predictions_open_in_a_spreadsheet_without_a_formula(tmp_path: Path) -> None:
    rows = [
        {"row": 1, "text": '=1+1, "quoted"\nin two lines 🎉', "score": -0.5},
        {"row": 2, "text": "", "score": 0.25},
    ]
    polars.DataFrame(rows).write_csv(tmp_path / "out.csv")
    content = as_excel(tmp_path / "out.csv").decode("utf-8-sig")
    cells = list(csv.reader(io.StringIO(content, newline="")))
    assert cells == [["row", "text", "score"], ["1", '\'=1+1, "quoted"\nin two lines 🎉', "-0.5"], ["2", "", "0.25"]]
    assert as_excel(tmp_path / "out.csv").startswith(b"\xef\xbb\xbfrow,")


@pytest.mark.parametrize(
    "rows", [[("id", "text"), ("#1", "a"), ("2", "b")], [("text",), ("a;b;0",)], [("id|x", "y"), ("1|2", "3")]]
)
def test_a_spreadsheet_gets_the_cells_that_were_written(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    with (tmp_path / "out.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    content = as_excel(tmp_path / "out.csv").decode("utf-8-sig")
    assert [tuple(row) for row in csv.reader(io.StringIO(content, newline=""))] == rows


@pytest.mark.parametrize("title", ["a" * 300 + ".csv", "文" * 80 + ".csv"])
def test_a_long_name_of_a_file_leaves_the_model_in_that_of_its_predictions(title: str) -> None:
    name = _file_name(title, "m0003", "test", ".parquet")
    assert name.endswith("-test-by-m0003.parquet")
    assert len(f".{name}-01234567.partial".encode()) < 255


def test_what_somebody_else_has_begun_is_said_to_run(trees: background.ProjectServer) -> None:
    page = shown("upkeep.py")
    held = trees.begin_task("check_project")
    page.button(key="check-all").click().run()
    assert page.error[0].value == RUNS_ALREADY
    trees.end_task(held)


def test_whoever_adds_the_first_person_is_shown_the_code_and_nothing_of_the_project(
    trees: background.ProjectServer,
) -> None:
    page = shown("team.py")
    page.text_input(key="person-name").input("Max")
    page.button(key="person-add").click().run()
    code = page.session_state[OWN_CODE]
    assert trees.authenticator.try_code("Max", code.rpartition(" ")[2])
    whole = AppTest.from_file(str(MAIN), default_timeout=LATEST_SECONDS)
    whole.session_state[OWN_CODE] = code
    assert [text.value for text in whole.run().text] == [code]
    assert not whole.run().text, "it is shown once"


def test_what_nobody_expected_to_fail_says_so_on_its_page(trees: background.ProjectServer) -> None:
    page = shown("folders.py")
    task = trees.start("gather", source=5)
    wait_for(lambda: "gather" not in trees.activities)
    assert task is not None
    assert [one.value for one in page.run().error] == [background.UNEXPECTED]


def test_a_project_is_backed_up_checked_and_a_record_erased_on_one_page(played: Path, tmp_path: Path) -> None:
    shutil.copytree(played, tmp_path / "project")
    server = background.open_server(lambda: open_project(tmp_path / "project", LocalRunner()))
    page = shown("upkeep.py")
    for key, verb in (("back-up", "backup"), ("archive", "archive"), ("check-all", "check_project")):
        page.button(key=key).click().run()
        ended(page, verb)
    assert [copy.is_dir() for copy in (server.project.folder / "backups").iterdir()] == [True]
    [archive] = (server.project.folder / "exports").glob("*.zip")
    assert zipfile.is_zipfile(archive)
    assert page.success[0].value == "Everything is as it was written."
    assert "tables" in page.dataframe[0].value["part"].tolist()
    page.selectbox(key="erase-kind").select("Records by their ids")
    page.text_input(key="erase-text").input("r1")
    page.button(key="erase-look").click().run()
    [words] = [text.value for text in page.text if text.value.startswith("To be erased: 1 records.")]
    assert archive.name in words, "it holds the text, and stays"
    page.button(key="erase").click().run()
    ended(page, "erase")
    assert server.project.store.one("select count(*) from records") == 59
    background.close_server()
