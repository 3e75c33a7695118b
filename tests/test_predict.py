"""`rondo predict`: the same numbers from every way, goes on after a stop, whole or absent, and says what is right."""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from typer.testing import CliRunner

import rondo as programs
from app import background
from app.cli.root import app
from app.http.program_routes import api_routes
from core.data.clean import clean
from core.errors import BadInput, Cancelled, Damaged, Refused
from core.evaluation.scores import macro_f1
from core.models.encoders.encoder import EMBEDDED
from core.project import Project, open_project
from core.registry.evaluate import evaluate
from core.registry.model_export import export_model
from core.registry.predict import (
    MOST_TEXTS,
    TextColumns,
    model_in_folder,
    predict,
    predict_texts,
    setting_outside,
    text_source,
)
from core.registry.text_prediction_job import PredictFileParams
from gpu_jobs.runners.local import InProcessRunner
from gpu_jobs.work.registry.predict_file import PART, predict_file
from tests.command_line import rondo
from tests.conftest import TOPICS, quiet, sentences, write_csv
from tests.model_world import head, put_to_use
from tests.tiny_models import make_encoder

Lines = list[dict[str, Any]]


@pytest.fixture
def in_use(project: Project, tmp_path: Path) -> Project:
    """A fine-tuned model is the champion."""
    put_to_use(project, make_encoder(tmp_path / "tiny"))
    return project


@pytest.fixture
def exported(in_use: Project, tmp_path: Path) -> Path:
    """The champion, as somebody else gets it."""
    export_model(in_use, quiet, out=str(tmp_path / "exported"))
    return tmp_path / "exported"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Records with texts of all lengths, one of them without a text."""
    rows = [{"nr": f"x{number}", "body": text, "topic": topic} for number, (text, topic) in enumerate(sentences(40))]
    odd = ["", "🙂 שלום, rain", "rain " * 5_000, "soup", 'a "quoted" song,\nin two lines']
    rows += [{"nr": f"odd{number}", "body": text, "topic": "music"} for number, text in enumerate(odd)]
    polars.DataFrame(rows).write_csv(tmp_path / "new.csv")
    return tmp_path / "new.csv"


def lines_of(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_same(lines: Lines, predictions: list[Any]) -> None:
    """predictions: objects, or JSON of them."""
    for line, one in zip(lines, predictions, strict=True):
        values = one if isinstance(one, dict) else vars(one)
        assert (line["labels"], line["scores"]) == (list(values["labels"]), list(values["scores"]))
        assert line["predicted"] == values["predicted"]


@pytest.fixture(scope="module")
def embedded(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project whose champion is a head on the encoder that is always there, and an export of it."""
    folder = tmp_path_factory.mktemp("embedded")
    shutil.copytree(encoded, folder / "project")
    project = open_project(folder / "project", InProcessRunner())
    put_to_use(project, EMBEDDED, head(384))
    export_model(project, quiet, out=str(folder / "exported"))
    project.close()
    return folder


@pytest.mark.usefixtures("jobs_here")
def test_the_same_file_in_and_outside_of_a_project_and_the_same_numbers_in_a_program(
    embedded: Path, file: Path, tmp_path: Path
) -> None:
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    words = ("--text", "body", "--id", "nr", "--keep", "topic")
    rondo("--project", embedded / "project", "predict", "champion", file, "--out", here, *words)
    shown = rondo("--project", tmp_path, "predict", embedded / "exported", file, "--out", there, *words)
    assert "on 45 rows" in shown
    assert "1 have no text, and so no prediction." in shown
    assert here.read_bytes() == there.read_bytes()
    lines = lines_of(here)
    assert [line["id"] for line in lines] == polars.read_csv(file)["nr"].to_list()
    assert list(lines[0]) == ["id", "text", "topic", "predicted", "labels", "scores"]
    texts = [line["text"] for line in lines]
    model = programs.load(embedded / "exported", threads=1)
    assert_same(lines, model.predict(texts))
    assert_same(lines[7:9], model.predict(texts[7:9]))
    assert model.labels == tuple(TOPICS)
    assert not list(tmp_path.glob(".*"))


def test_a_fine_tuned_model_gives_the_same_numbers_whatever_is_asked_with_a_text(
    in_use: Project, exported: Path, file: Path, tmp_path: Path
) -> None:
    result = predict(in_use, quiet, file=str(file), out=str(tmp_path / "out.jsonl"), text=["body"])
    assert (result.rows, result.blank, result.resumed) == (45, 1, 0)
    lines = lines_of(tmp_path / "out.jsonl")
    assert [line["id"] for line in lines] == list(range(1, 46))
    texts, model = [line["text"] for line in lines], programs.load(exported, threads=1)
    assert_same(lines, model.predict(texts))
    assert_same(lines[3:4], model.predict(texts[3:4]))
    assert_same(lines[::-1], list(predict_texts(in_use, quiet, texts=texts[::-1]).predictions))


def test_an_export_cleans_texts_as_its_project_does(in_use: Project, tmp_path: Path) -> None:
    texts = ["RT @bob: the rain &amp; the wind", "the rain & the wind", "a song"]
    before = predict_texts(in_use, quiet, texts=texts).predictions
    clean(in_use, quiet, apply=True, rules=["tweets"])
    export_model(in_use, quiet, out=str(tmp_path / "exported"))
    here, there = (
        predict_texts(in_use, quiet, texts=texts).predictions,
        programs.load(tmp_path / "exported").predict(texts),
    )
    assert list(here) == there
    assert before[0].scores != there[0].scores == there[1].scores
    assert "Texts are cleaned before" in (tmp_path / "exported" / "README.md").read_text()
    about = json.loads((tmp_path / "exported" / "rondo.json").read_text())
    (tmp_path / "exported" / "rondo.json").write_text(json.dumps({**about, "rules": ["polish"]}))
    with pytest.raises(Damaged, match="cleans texts by 'polish', which this version"):
        programs.load(tmp_path / "exported")


def params_of(exported: Path, source: Path, out: Path, **columns: Any) -> PredictFileParams:
    model = model_in_folder(str(exported))
    assert model is not None
    setting = setting_outside(exported.parent, 1, (), EMBEDDED)
    requested = cast(TextColumns, {"file": str(source), **columns})
    return PredictFileParams(setting, model, text_source(requested), str(out), 2, False)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_run_that_was_stopped_goes_on_where_it_was_and_writes_the_same_bytes(
    exported: Path, tmp_path: Path, ending: str
) -> None:
    source, out, straight = tmp_path / "many.csv", tmp_path / f"out.{ending}", tmp_path / f"straight.{ending}"
    texts = [text for text, _ in sentences(50)]
    source.write_text("text\n" + "".join(f'"{texts[row % 50]}"\n' for row in range(2 * PART + 10)))

    def stop(done: int, total: int, **figures: float) -> None:
        assert done <= total
        if done > PART:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        predict_file(tmp_path / "job", params_of(exported, source, out), stop)
    assert not out.exists()
    assert (tmp_path / f".{out.name}.parts" / "part-000000.json").exists()
    reports: list[tuple[int, int]] = []
    result = predict_file(
        tmp_path / "job", params_of(exported, source, out), lambda done, total, **_: reports.append((done, total))
    )
    assert (result.rows, result.resumed) == (2 * PART + 10, PART)
    assert reports[-1] == (PART + 10, PART + 10)  # of what was left
    whole = predict_file(tmp_path / "job", params_of(exported, source, straight), lambda *_, **__: None)
    assert (whole.resumed, whole.predicted) == (0, result.predicted)
    assert out.read_bytes() == straight.read_bytes()
    assert not list(tmp_path.glob(".*.parts"))


def test_a_second_run_to_the_same_file_is_refused_while_the_first_one_writes_it(exported: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "few.csv", tmp_path / "out.csv"
    source.write_text("text\nrain\n")
    seconds: list[str] = []

    def second(*_: object, **__: object) -> None:
        if out.exists():  # the last word comes when it is written
            return
        with pytest.raises(Refused, match=rf"is being written by another run \(process {os.getpid()}\)") as refused:
            predict_file(tmp_path / "job", params_of(exported, source, out), lambda *_, **__: None)
        seconds.append(str(refused.value))

    assert predict_file(tmp_path / "job", params_of(exported, source, out), second).rows == 1
    assert seconds
    assert predict_file(tmp_path / "job", params_of(exported, source, out), lambda *_, **__: None).rows == 1
    assert not list(tmp_path.glob(".*"))


def test_parts_of_another_input_or_of_other_options_are_not_gone_on_with(exported: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "many.csv", tmp_path / "out.csv"
    source.write_text("text\n" + "rain\n" * (PART + 1))

    def stop(done: int, total: int, **figures: float) -> None:
        if done > PART:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        predict_file(tmp_path / "job", params_of(exported, source, out), stop)
    source.write_text("text\n" + "song\n" * (PART + 1))
    assert predict_file(tmp_path / "job", params_of(exported, source, out), lambda *_, **__: None).resumed == 0
    assert {row["text"] for row in csv.DictReader(io.StringIO(source.read_text()))} == {"song"}
    assert {row["label_1"] for row in rows_of(out)} == {programs.load(exported).predict(["song"])[0].predicted}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def test_figures_follow_from_the_lines_and_csv_and_parquet_say_what_json_lines_say(
    in_use: Project, file: Path, tmp_path: Path
) -> None:
    columns: dict[str, Any] = {"file": str(file), "text": ["body"], "label": "topic", "top_k": 2}
    results = [predict(in_use, quiet, out=str(tmp_path / f"o.{end}"), **columns) for end in ("jsonl", "csv", "parquet")]
    lines = lines_of(tmp_path / "o.jsonl")
    scored = [line for line in lines if line["correct"] is not None]
    first = results[0]
    assert first.scored == len(scored) == 44
    assert first.accuracy is not None
    assert first.macro_f1 is not None
    assert first.accuracy.value == pytest.approx(np.mean([line["correct"] for line in scored]))
    assert first.accuracy.low < first.accuracy.value < first.accuracy.high
    for top in first.top:
        assert top.accuracy.value == pytest.approx(
            np.mean([line["truth"] in line["labels"][: top.k] for line in scored])
        )
    marks = [np.array([[line[key] == topic for topic in TOPICS] for line in scored]) for key in ("truth", "predicted")]
    assert first.macro_f1.value == pytest.approx(macro_f1(*marks))
    assert results[1].macro_f1 == results[2].macro_f1 == first.macro_f1
    table = polars.read_parquet(tmp_path / "o.parquet").to_dicts()
    assert [{**line, "id": str(line["id"])} for line in lines] == table
    for line, row in zip(lines, rows_of(tmp_path / "o.csv"), strict=True):
        assert row["text"] == line["text"]
        assert row["correct"] == {True: "true", False: "false", None: ""}[line["correct"]]
        assert [row[f"label_{rank}"] for rank in (1, 2)] == (line["labels"] or ["", ""])
        assert [float(row[f"score_{rank}"] or -1) for rank in (1, 2)] == (line["scores"] or [-1, -1])


def test_only_the_rows_of_a_split_and_labels_that_the_model_does_not_know_count_as_wrong(
    in_use: Project, tmp_path: Path
) -> None:
    source, out = write_csv(tmp_path / "r.csv", 60), tmp_path / "o.jsonl"
    source.write_text(source.read_text().replace(",music,test", ",opera,test"))
    result = predict(in_use, quiet, file=str(source), out=str(out), label="topic", split="test", id="id")
    lines = lines_of(out)
    assert [line["id"] for line in lines] == [f"r{number}" for number in range(4, 60, 5)]
    assert result.unknown == {"opera": 4}
    assert not any(line["correct"] or line["top_3"] for line in lines if line["truth"] == "opera")
    assert "does not know 1 of the labels" in " ".join(result.notes)


def test_where_several_labels_may_hold_all_that_are_proposed_are_reported(project: Project, tmp_path: Path) -> None:
    put_to_use(project, make_encoder(tmp_path / "tiny"), head(multi=True))
    source = tmp_path / "s.jsonl"
    rows = [{"text": text, "topic": [topic, "food"] if topic != "food" else []} for text, topic in sentences(9)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = predict(project, quiet, file=str(source), out=str(tmp_path / "o.jsonl"), label="topic")
    lines = lines_of(tmp_path / "o.jsonl")
    assert [line["truth"] for line in lines[:3]] == [["weather", "food"], [], ["music", "food"]]
    for line in lines:
        assert sorted(line["predicted"]) == sorted(
            label for label, chance in zip(line["labels"], line["scores"], strict=True) if chance >= 0.5
        )
        assert line["correct"] == (set(line["predicted"]) == set(line["truth"]))
    assert result.scored == 9
    predict(project, quiet, file=str(source), out=str(tmp_path / "o.csv"), label="topic")
    assert [row["predicted"] for row in rows_of(tmp_path / "o.csv")] == ["|".join(one["predicted"]) for one in lines]


@pytest.mark.usefixtures("jobs_here")
def test_a_folder_of_texts_and_standard_input_are_read(embedded: Path, tmp_path: Path) -> None:
    texts, exported = tmp_path / "texts", embedded / "exported"
    (texts / "deep").mkdir(parents=True)
    for name, text in (("a.txt", "rain"), ("deep/b.txt", "soup"), ("empty.txt", "")):
        (texts / name).write_text(text)
    rondo("--project", tmp_path, "predict", exported, texts, "--out", tmp_path / "o.csv")
    rows = rows_of(tmp_path / "o.csv")
    assert [(row["id"], row["text"]) for row in rows] == [("a.txt", "rain"), ("deep/b.txt", "soup"), ("empty.txt", "")]
    assert rows[2]["predicted"] == rows[2]["score_1"] == ""
    words = ["-p", str(tmp_path), "predict", str(exported), "-", "--out", str(tmp_path / "o.jsonl"), "--no-text"]
    done = CliRunner().invoke(app, words, input='{"text":"rain"}\n{"text":"soup"}\n')
    assert done.exit_code == 0, done.stderr
    lines = lines_of(tmp_path / "o.jsonl")
    assert [list(line) for line in lines] == [["id", "predicted", "labels", "scores"]] * 2
    assert [line["predicted"] for line in lines] == [row["predicted"] for row in rows[:2]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"out": "o.txt"}, "must end in .csv, .jsonl, .parquet"),
        ({"out": "gone/o.csv"}, "in a folder that is there"),
        ({"out": "new.csv"}, "the file to be predicted itself"),
        ({"file": "missing.csv"}, "There is no file"),
        ({"text": ["boddy"]}, "has no column 'boddy' .* did you mean 'body'"),
        ({"keep": ["nr", "nr"]}, "carried over twice"),
        ({"keep": ["nr"], "id": "nr", "top_k": 0}, "--top-k is 0"),
        ({"split": "test", "split_column": "topic"}, "no row whose 'topic' is 'test'"),
        ({"model": "nothing"}, "There is no model 'nothing'"),
    ],
)
def test_what_does_not_fit_is_reported_and_nothing_is_left(
    in_use: Project, file: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    before = set(tmp_path.rglob("*.csv"))
    chosen = {"file": "new.csv", "out": "o.csv", "text": ["body"], **options}
    chosen |= {name: str(tmp_path / chosen[name]) for name in ("file", "out")}
    with pytest.raises(BadInput, match=words):
        predict(in_use, quiet, **chosen)
    assert set(tmp_path.rglob("*.csv")) == before
    assert not list(tmp_path.glob(".*"))


def test_a_row_that_cannot_be_read_is_named_and_nothing_is_left(exported: Path, tmp_path: Path) -> None:
    source = tmp_path / "bad.jsonl"
    source.write_text('{"text": "rain"}\n{"text": ["soup"]}\n')
    with pytest.raises(BadInput, match=r"bad.jsonl: row 2 \(line 2\), column 'text' holds a list"):
        predict_file(tmp_path / "job", params_of(exported, source, tmp_path / "o.csv"), lambda *_, **__: None)
    source.write_text('{"text": "rain", "labels": 1}\n')
    with pytest.raises(BadInput, match="The column 'labels' cannot be carried over"):
        predict_file(
            tmp_path / "job", params_of(exported, source, tmp_path / "o.csv", keep=["labels"]), lambda *_, **__: None
        )
    assert not list(tmp_path.glob(".o.csv*"))


def test_an_export_that_was_damaged_or_could_run_code_is_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no exported model"):
        programs.load(tmp_path)
    (exported / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(Damaged, match="may be a pickle"):
        programs.load(exported)
    (exported / "pytorch_model.bin").unlink()
    about = json.loads((exported / "rondo.json").read_text())
    (exported / "rondo.json").write_text(json.dumps({**about, "labels": about["labels"][:2]}))
    with pytest.raises(Damaged, match="does not fit its 2 labels"):
        programs.load(exported)
    with pytest.raises(BadInput, match="takes a list of texts"):
        programs.Model("m", (), False, None).predict("rain")  # type: ignore[arg-type]


@pytest.mark.usefixtures("jobs_here")
def test_without_training_the_names_of_the_labels_predict_in_a_project_and_outside(
    project: Project, tmp_path: Path
) -> None:
    source = tmp_path / "s.csv"
    source.write_text("text\nheavy rain and a storm\nbread with cheese\na violin and a piano\n")
    result = predict(project, quiet, file=str(source), out=str(tmp_path / "here.csv"), model="baseline")
    assert (result.model, sum(result.predicted.values())) == ("baseline", 3)
    labels = [word for label in TOPICS for word in ("--labels", label)]
    rondo("--project", tmp_path, "predict", "baseline", source, "--out", tmp_path / "there.csv", *labels)
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "there.csv").read_bytes()
    assert [row["predicted"] for row in rows_of(tmp_path / "here.csv")] == list(TOPICS)
    complaint = rondo("--project", tmp_path, "predict", "baseline", source, "--out", tmp_path / "x.csv", code=2)
    assert "--labels ONE --labels OTHER" in complaint


@pytest.fixture
def client(in_use: Project, exported: Path) -> Iterator[TestClient]:
    folder = in_use.folder
    in_use.close()
    server = background.open_server(lambda: open_project(folder, InProcessRunner()))
    with TestClient(Starlette(routes=api_routes(lambda: server, "token"))) as client:
        client.headers["authorization"] = "Bearer token"
        yield client
    background.close_server()


def test_a_program_asks_over_http_within_limits(client: TestClient, exported: Path) -> None:
    texts = ["rain and wind", "", "🙂 soup", "rain and wind"]
    reply = client.post("/api/predict", json={"texts": texts, "top_k": 2}).json()
    said = [vars(one) for one in programs.load(exported).predict(texts, 2)]
    assert_same([one | {name: list(one[name]) for name in ("labels", "scores")} for one in said], reply["predictions"])
    assert reply["predictions"][1] == {"predicted": None, "labels": [], "scores": []}
    for body, words in (
        ({"texts": []}, "no text to predict"),
        ({"texts": ["a"] * (MOST_TEXTS + 1)}, "up to 1,000 are taken at once"),
        ({"texts": ["a" * 100_001]}, "Text 1 has 100,001 characters"),
        ({"texts": ["a"], "model": "nothing"}, "There is no model 'nothing'"),
        ({"texts": ["a"], "top_k": 0}, "--top-k is 0"),
        ({"texts": "a"}, "`texts` must be"),
        ({}, "`texts` is missing"),
    ):
        answer = client.post("/api/predict", json=body)
        assert answer.status_code == 422, body
        assert words in answer.json()["error"]
    assert client.post("/api/predict", content=b"[" + b" " * 4_000_001).status_code == 400
    assert client.post("/api/predict", json={"texts": ["a"]}, headers={"authorization": "no"}).status_code == 401


def test_the_head_of_a_round_predicts_before_anything_was_fine_tuned(played: Path, tmp_path: Path) -> None:
    shutil.copytree(played, tmp_path / "project")
    project = open_project(tmp_path / "project", InProcessRunner())
    source = write_csv(tmp_path / "r.csv", 60)
    result = predict(project, quiet, file=str(source), out=str(tmp_path / "o.csv"), label="topic")
    project.close()
    assert result.model == project.models.joinpath(result.model).name
    assert set(result.predicted) <= set(TOPICS)
    assert result.accuracy is not None
    assert result.accuracy.value > 0.8


def test_progress_says_how_many_are_right_so_far(exported: Path, tmp_path: Path) -> None:
    source, events = tmp_path / "many.csv", list[dict[str, float]]()
    source.write_text(
        "text,topic\n" + "".join(f'"{text}",{topic}\n' for text, topic in sentences(40)) * (PART // 40 + 1)
    )
    params = params_of(exported, source, tmp_path / "o.csv", label="topic")
    result = predict_file(tmp_path / "job", params, lambda done, total, **figures: events.append(figures))
    assert result.accuracy is not None
    assert events[-2]["accuracy"] == pytest.approx(result.accuracy.value, abs=0.01)
    assert events[0] == {}


def test_evaluating_an_export_on_a_file_gives_the_accuracy_that_predicting_it_says(
    in_use: Project, exported: Path, tmp_path: Path
) -> None:
    source = write_csv(tmp_path / "r.csv", 60)
    predicted = predict(in_use, quiet, file=str(source), out=str(tmp_path / "o.csv"), label="topic", id="id", top_k=99)
    evaluated = evaluate(in_use, quiet, model=str(exported), on=str(source), text=["text"], label="topic", id="id")
    assert predicted.accuracy is not None
    assert evaluated.accuracy is not None
    assert predicted.accuracy.value == evaluated.accuracy.value
    assert [top.accuracy.value for top in predicted.top] == [top.accuracy.value for top in evaluated.top]
    assert len(predicted.top) == len(TOPICS)
