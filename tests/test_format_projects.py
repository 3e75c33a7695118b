"""Whole projects through every format: exported and imported again they are the same; queries, zips, the Hub."""

import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest

from app import background
from core import loop
from core.data.file_import import ImportSummary, import_file
from core.data.formats.formats import FORMATS
from core.errors import BadInput, Refused
from core.jobs.bundle import Runner
from core.project import Project, open_project
from core.registry.data_push import push_data
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from tests.command_line import rondo
from tests.conftest import quiet
from tests.hub_stub import WRITER, Hub
from tests.hub_stub import hub as hub  # a fixture
from tests.test_pages import shown
from tests.waiting import wait_for

LABELS = ["new york", "rouge", "日本"]
ROWS = [
    ("a", "The parcel 😀", "ann", ["new york", "rouge"], "new york", "mail"),
    ("a", "The parcel 😀", "bob", ["rouge"], "new york", "mail"),
    ("b", "مرحبا בעולם", "ann", [], None, "fax"),
    ("c", "three", "bob", ["日本"], None, "mail"),
    ("c", "three", "ann", ["日本"], None, "mail"),
]
NAMES = ("id", "text", "annotator", "label", "gold", "channel")
FORMS = [name for name, one in FORMATS.items() if one.read and one.write]
PEOPLE = [name for name in FORMS if FORMATS[name].holds is None or "annotator" in (FORMATS[name].holds or ())]


def opened(folder: Path, *labels: str) -> Project:
    loop.create_project(folder, list(labels), multi=True)
    return open_project(folder, InProcessRunner())


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Three records with two people's answers, known answers and metadata; a fourth with a label of a file."""
    folder = tmp_path_factory.mktemp("answered")
    project = opened(folder / "project", *LABELS)
    file = folder / "crowd.jsonl"
    file.write_text("\n".join(json.dumps(dict(zip(NAMES, row, strict=True))) for row in ROWS))
    crowd = {"text": ["text"], "id": "id", "label": "label", "annotator": "annotator", "gold": "gold"}
    import_file(project, quiet, file=str(file), meta=["channel"], **crowd)  # type: ignore[arg-type]
    file.write_text('{"id": "d", "text": "four", "label": ["rouge"], "split": "train"}')
    import_file(project, quiet, file=str(file), text=["text"], id="id", label="label", split="split")
    yield project
    project.close()


def bring(project: Project, file: str | Path, form: str = "", **options: Any) -> ImportSummary:
    """Imports it; of a table its columns are named, of other formats nothing is."""
    names: dict[str, Any] = {} if form in FORMATS and FORMATS[form].names_itself else {"text": ["text"]}
    return import_file(project, quiet, file=str(file), form=form, **(names | options))


def settled(project: Project, columns: str = "r.id, r.text, s.labels, s.stratum, r.split") -> list[tuple[Any, ...]]:
    return project.store.query(f"select {columns} from records r left join settled s using (n) order by r.id, r.text")


def answers(project: Project) -> set[tuple[Any, ...]]:
    query = "select r.id, a.annotator, a.labels from responses a join records r using (n) where a.source <> 'file'"
    return {(record, user, tuple(labels)) for record, user, labels in project.store.query(query)}


@pytest.mark.parametrize("form", PEOPLE)
def test_a_project_whose_answers_are_exported_is_the_same_when_they_are_imported(
    answered: Project, form: str, tmp_path: Path
) -> None:
    out = tmp_path / f"out{FORMATS[form].ending}"
    result = loop.export(answered, quiet, out=str(out), file_format=form, what="answers")
    assert result.rows == 5
    again = opened(tmp_path / "again", *LABELS)
    roles = {"id": "id", "label": "label", "annotator": "annotator", "gold": "gold", "split": "split"}
    bring(again, out, form, **({} if FORMATS[form].names_itself else roles))
    assert answers(again) == answers(answered)
    assert settled(again) == [row for row in settled(answered) if row[0] != "d"]
    if FORMATS[form].meta:
        assert again.store.query("select meta->>'channel' from records order by id") == [("mail",), ("fax",), ("mail",)]
    again.close()


@pytest.mark.parametrize("form", FORMS)
def test_a_project_whose_labels_are_exported_has_the_same_labels_when_they_are_imported(
    answered: Project, form: str, tmp_path: Path
) -> None:
    out = tmp_path / f"out{FORMATS[form].ending}"
    result = loop.export(answered, quiet, out=str(out), file_format=form)
    again = opened(tmp_path / "again", *LABELS)
    bring(again, out, form, **({} if FORMATS[form].names_itself else {"id": "id", "label": "label", "split": "split"}))
    holds = FORMATS[form].holds
    columns = "r.id, r.text, s.labels" if holds is None or "id" in holds else "r.text, s.labels"
    expected = settled(answered, columns)
    if form == "fasttext":
        assert result.changes == ("1 answers that no label fits became texts without a label",)
        expected = [(text, labels or None) for text, labels in expected]
    assert sorted(settled(again, columns), key=repr) == sorted(expected, key=repr)
    assert ("id" in result.lost) == (holds is not None and "id" not in holds)
    again.close()


def test_an_export_by_splits_is_a_file_for_each_and_all_of_them_or_none(answered: Project, tmp_path: Path) -> None:
    result = loop.export(answered, quiet, out=str(tmp_path / "o.csv"), file_format="csv", by_split=True, card=True)
    assert {Path(file).name: rows for file, rows in result.files.items()} == {"o_train.csv": 3, "o_test.csv": 1}
    assert "a,The parcel" in (tmp_path / "o_test.csv").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "o.csv.card.json").read_text())["export"]["file"] == "o.csv"
    (tmp_path / "p_train.csv").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        loop.export(answered, quiet, out=str(tmp_path / "p.csv"), file_format="csv", by_split=True)
    with pytest.raises(BadInput, match="responses has no splits"):
        loop.export(answered, quiet, out=str(tmp_path / "q.csv"), file_format="csv", by_split=True, what="responses")
    with pytest.raises(BadInput, match=r"--format is xlsx, but --out is a\.csv.*name it a\.xlsx"):
        loop.export(answered, quiet, out=str(tmp_path / "a.csv"), file_format="xlsx")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        *("o.csv.card.json", "o.csv.card.md", "o_test.csv", "o_train.csv")
    ]


def test_what_has_no_form_for_an_answer_says_so_and_nothing_is_left(answered: Project, tmp_path: Path) -> None:
    for form, what in (("label-studio", "responses"), ("xml", "labels"), ("fasttext", "answers")):
        with pytest.raises(BadInput, match=r"has no form for responses|Cannot write 'xml'|no room for who"):
            loop.export(answered, quiet, out=str(tmp_path / "out"), file_format=form, what=what)
    assert list(tmp_path.iterdir()) == []
    loop.export(answered, quiet, out=str(tmp_path / "argilla"), file_format="argilla")
    with pytest.raises(BadInput, match="is there already"):
        loop.export(answered, quiet, out=str(tmp_path / "argilla"), file_format="argilla")


def test_formats_of_labels_are_not_offered_to_pairs(paired: Path, tmp_path: Path) -> None:
    project = open_project(shutil.copytree(paired, tmp_path / "project"), InProcessRunner())
    with pytest.raises(BadInput, match="doccano has no form for answers of the task 'pairs'; there are csv, tsv"):
        loop.export(project, quiet, out=str(tmp_path / "a"), file_format="doccano")
    assert loop.export(project, quiet, out=str(tmp_path / "a.xlsx"), file_format="xlsx", what="responses").rows > 0
    project.close()


def test_notes_times_and_suggestions_of_another_program_come_in_as_what_they_are(tmp_path: Path) -> None:
    project = opened(tmp_path / "project")
    result = bring(project, Path(__file__).parent / "foreign_files" / "label_studio.json", "label-studio")
    assert (result.suggestions, result.report.left_out) == (2, ("action",))
    assert {row[0]: row[2] for row in settled(project)}["12"] is None
    assert project.store.one("select count(*) from records where meta::varchar like '%0.75%'") == 0

    def choice(name: str, **more: object) -> dict[str, object]:
        return {"type": "choices", "from_name": "topic", "to_name": "text", "value": {"choices": [name]}, **more}

    by_ann = {"completed_by": "ann", "created_at": "2026-02-03T05:06:07+01:00", "result": [choice("food")]}
    by_bob = {"completed_by": "bob", "result": [choice("music", meta={"text": ["sounds like it"]})]}
    predictions = [{"model_version": "v2", "score": 0.25, "result": [choice("music")]}]
    unknown = [{"model_version": "v2", "score": 0.9, "result": [choice("opera")]}]
    tasks = [
        {"data": {"id": "n1", "text": "a new one"}, "annotations": [by_ann, by_bob], "predictions": predictions},
        {"data": {"id": "n2", "text": "another"}, "annotations": [], "predictions": unknown},
    ]
    (tmp_path / "more.json").write_text(json.dumps(tasks))
    for expected in (1, 1):  # the same again changes nothing
        assert bring(project, tmp_path / "more.json", "label-studio").suggestions == expected
        assert project.store.query(
            "select annotator, note, made_at < received_at, made_at from responses join records r using (n) "
            "where r.id = 'n1' order by 1"
        )[0] == ("ann", None, True, datetime(2026, 2, 3, 4, 6, 7))
        notes = project.store.query("select annotator, note from responses where note is not null")
        assert notes == [("bob", "sounds like it")]
    assert project.store.query(
        "select r.id, model, answer::varchar, confidence from generated_answers join records r using (n) order by 1"
    ) == [
        ("12", "v1", '["music"]', 0.75),
        ("8", "v1", '["music"]', 0.75),
        ("n1", "v2", '["music"]', 0.25),
    ]
    (tmp_path / "more.json").write_text(json.dumps(tasks).replace("2026-02-03T05:06:07+01:00", "yesterday"))
    with pytest.raises(BadInput, match=r"row 1 .*column 'answered_at' holds no time"):
        bring(project, tmp_path / "more.json", "label-studio")
    project.close()


def test_a_query_brings_in_rows_of_files_and_of_a_database(tmp_path: Path) -> None:
    project = opened(tmp_path / "project")
    (tmp_path / "mails.csv").write_text("no,body,kind\n1,hello,x\n2,bye,y\n3,more,x\n")
    sql = "select no as id, body as text, kind as label from 'mails.csv' where kind = 'x'"
    result = bring(project, tmp_path, sql=sql, id="id", label="label")
    assert (result.added, dict(result.report.labels), result.report.file) == (2, {"x": 2}, "query")
    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        connection.execute("create table mails as select 'one text' as body union all select 'another'")
    assert bring(project, tmp_path / "store.duckdb", sql="select body as text from mails order by all").added == 2
    with pytest.raises(BadInput, match="no file or folder"):
        bring(project, tmp_path / "nowhere.duckdb", sql="select 'x' as text")
    project.close()


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("drop table x", "one query that reads"),
        ("select 1; select 2", "one query that reads"),
        ("copy (select 1) to 'x.csv'", "one query that reads"),
        ("attach 'x.db'", "one query that reads"),
        ("select from from", "no SQL"),
        ("select * from 'nowhere.csv'", "The query failed"),
        ("select * from read_csv('https://example.org/x.csv')", "The query failed"),
        ("select * from 'project/rondo.duckdb'", "own open file"),
        ("select 1 as number", "no column 'text'"),
        ("select 'x' as text where false", "no rows"),
        ("select blob '\\xff' as text", "where text is needed"),
    ],
)
def test_a_query_that_does_not_read_is_refused_in_one_sentence(sql: str, sentence: str, tmp_path: Path) -> None:
    project = opened(tmp_path / "project")
    with pytest.raises(BadInput, match=sentence) as caught:
        bring(project, tmp_path, sql=sql)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.csv").exists()
    assert project.store.one("select count(*) from records") == 0
    project.close()


def test_a_zip_of_texts_comes_in_and_a_wicked_one_does_not(tmp_path: Path) -> None:
    project = opened(tmp_path / "project")

    def packed(name: str, **members: bytes) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return tmp_path / name

    good = packed("good.zip", **{"a/1.txt": b"one", "a/2.TXT": "zwei ü".encode(), "x.pdf": b"%", ".h.txt": b"-"})
    assert bring(project, good, "zip").added == 2
    assert project.store.query("select id, text from records order by id") == [
        ("a/1.txt", "one"),
        ("a/2.TXT", "zwei ü"),
    ]
    wicked = {
        "leads out of it": packed("out.zip", **{"../../evil.txt": b"x"}),
        "when it is unpacked": packed("bomb.zip", **{"a.txt": b"a" * (50 << 20)}),
        "cannot be read as utf-8": packed("bytes.zip", **{"a.txt": b"caf\xe9 x"}),
        "holds no .txt file": packed("none.zip", **{"a.csv": b"x"}),
        "NUL character": packed("nul.zip", **{"a.txt": b"a\0b"}),
    }
    for sentence, file in wicked.items():
        with pytest.raises(BadInput, match=sentence):
            bring(project, file)
    assert project.store.one("select count(*) from records") == 2
    project.close()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a server on this machine that has the files of a folder."""
    (tmp_path / "served").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_at_an_address_is_fetched_only_where_it_is_named(address: str, tmp_path: Path) -> None:
    loop.create_project(tmp_path / "project", [])
    project = open_project(tmp_path / "project", InProcessRunner())
    (tmp_path / "served" / "mails.csv").write_text("text,label\nhello,x\nbye,y\n")
    result = bring(project, f"{address}/mails.csv?key=1", label="label")
    assert (result.added, result.report.file) == (2, "mails.csv")
    with pytest.raises(Refused, match=r"cannot be read .*Check the address"):
        bring(project, f"{address}/nowhere.csv")
    with pytest.raises(Refused, match="gs:// needs the package gcsfs"):
        bring(project, "gs://bucket/mails.csv")
    with pytest.raises(BadInput, match="with a password"):
        bring(project, "https://me:secret@example.org/mails.csv")
    for wrong in ("file:///etc/passwd", "simplecache::http://x/y.csv", "zip://a.csv::http://x/y.zip"):
        with pytest.raises(BadInput, match="no address that can be read"):
            bring(project, wrong)
    assert not list((tmp_path / "project" / "jobs").rglob("mails.csv"))
    project.close()


@pytest.fixture(name="reached")
def reach(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The Hub, where the real client looks for it; no token is set."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    return hub


def like(answered: Project, folder: Path, runner: Runner) -> Project:
    """One with its records and labels."""
    loop.create_project(folder, LABELS, multi=True)
    project = open_project(folder, runner)
    file = folder / "all.jsonl"
    loop.export(answered, quiet, out=str(file), file_format="jsonl", what="labels")
    bring(project, file, id="id", label="label", split="split")
    return project


def test_a_data_set_is_pushed_on_the_export_page_which_says_before_what_is_sent(
    answered: Project, reached: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = background.open_server(lambda: like(answered, tmp_path / "like", LocalRunner()))
    page = shown("export.py")
    assert "HF\\_TOKEN is not set" in page.info[-1].value
    monkeypatch.setenv("HF_TOKEN", WRITER)
    page.run()
    page.text_input(key="push_data-repo").input("cities").run()
    assert "is no name of a repository" in page.error[0].value
    page.text_input(key="push_data-repo").input("me/cities").run()
    [said] = [text.value for text in page.text if "huggingface.co/datasets/me/cities" in text.value]
    assert said.startswith("4 rows of labels, with their texts")
    assert "without the annotators' names" in said
    assert ("datasets", "me/cities") not in reached.repositories
    page.button(key="push_data").click().run()
    wait_for(lambda: "push_data" not in server.activities)
    page.run()
    assert not page.exception
    assert page.success[0].value.startswith("Private: ")
    assert reached.repositories["datasets", "me/cities"].private
    background.close_server()


def test_the_export_page_writes_a_file_for_each_split(answered: Project, tmp_path: Path) -> None:
    background.open_server(lambda: like(answered, tmp_path / "like", InProcessRunner()))
    page = shown("export.py")
    page.toggle(key="by-split").set_value(True).run()
    page.button(key="write").click().run()
    assert not page.exception
    names = [text.value.rpartition("/")[2] for text in page.text if " rows are in " in text.value]
    assert [name.rpartition("_")[2] for name in names] == ["train.csv", "test.csv"]
    background.close_server()


def test_a_data_set_is_pushed_and_comes_back(
    answered: Project, reached: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = open_again(tmp_path / "empty")
    with pytest.raises(Refused, match="nothing to push"):
        push_data(empty, quiet, repo="me/cities", token=WRITER)
    empty.close()
    project = like(answered, tmp_path / "project", LocalRunner())
    result = push_data(project, quiet, repo="me/cities", token=WRITER)
    there = reached.repositories["datasets", "me/cities"]
    assert (result.parts, result.commit, there.private) == ({"train": 3, "test": 1}, there.sha, True)
    assert set(there.files) == {"README.md", "card.json", "train.parquet", "test.parquet"}
    card = there.files["README.md"].decode()
    assert "- split: test\n    path: test.parquet" in card
    assert "# Data card" in card
    csv = push_data(project, quiet, repo="me/cities", token=WRITER, file_format="csv", names=True, message="As CSV")
    assert set(there.files) == {"README.md", "card.json", "train.csv", "test.csv"}
    assert csv.commit == there.sha
    assert WRITER not in json.dumps(project.store.query("select detail::varchar from audit_log"))
    again = open_again(tmp_path / "again")
    monkeypatch.setenv("HF_TOKEN", WRITER)
    bring(again, "hf:me/cities", "huggingface")
    assert settled(again) == settled(project)
    with pytest.raises(Refused, match="no data set me/nothing"):
        bring(again, "hf:me/nothing", "huggingface")
    with pytest.raises(BadInput, match="neither a folder here nor OWNER/NAME"):
        bring(again, "hf:nothing", "huggingface")
    project.close()
    again.close()


def open_again(folder: Path) -> Project:
    loop.create_project(folder, LABELS, multi=True)
    return open_project(folder, LocalRunner())


@pytest.mark.usefixtures("jobs_here")
def test_the_commands_read_and_write_formats(tmp_path: Path) -> None:
    rondo("init", tmp_path / "p", "--labels", "weather,food,music", "--multi")
    file = Path(__file__).parent / "foreign_files" / "label_studio.json"
    said = rondo("-p", tmp_path / "p", "import", file)
    assert "Read as label-studio." in said
    assert "2 suggestions of another program's model: no labels, but shown as suggestions" in said
    said = rondo("-p", tmp_path / "p", "export", "--format", "fasttext", "--out", tmp_path / "a.ft")
    assert "Left out, for the format has no room for it: id (3)" in said
    listed = json.loads(rondo("formats", "--json"))
    assert [one["name"] for one in listed] == list(FORMATS)
    told = rondo("export", "--help")
    assert all(name in told for name, one in FORMATS.items() if one.write)
    rondo("-p", tmp_path / "p", "import", "--sql", "select 'of a query' as text", "--text", "text")
    assert "Name a file" in rondo("-p", tmp_path / "p", "import", code=2)
