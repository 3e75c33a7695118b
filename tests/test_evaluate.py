"""The verbs `evaluate` and `compare`, from what a person asks to figures, lines and what is kept."""

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import background
from app.charts.evaluation import difference_chart, label_bars, label_differences
from app.cli.models.evaluation import comparison_lines, encoder_lines, evaluation_lines
from core import loop, simulate
from core.errors import BadInput, Damaged, Refused
from core.evaluation.metrics import Metrics, Score, read_metrics
from core.evaluation.reporting import shown_label
from core.models.artifacts import Making, check_model, load_head, seal_model
from core.models.in_use import active_model
from core.models.out_of_fold import write_held_out
from core.project import Project, open_project
from core.registry.evaluate import _hand_over, compare, compare_encoders, evaluate, saved_evaluations
from core.registry.evaluation_jobs import EvaluateResult
from core.reports.error_analysis import NamedScore, calibration
from core.training.train import train
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import TOPICS, quiet, sentences, write_csv
from tests.test_pages import shown

FILE: dict[str, Any] = {"text": ["text"], "label": "topic", "id": "id"}
OnFile = tuple[EvaluateResult, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def played(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a round's head, and a head that was trained without audit records."""
    folder = tmp_path_factory.mktemp("judged") / "project"
    shutil.copytree(encoded, folder)
    opened = open_project(folder, InProcessRunner(), {"local": lambda settings: InProcessRunner()})
    wrong = {3: "music", 10: "weather", 21: "food"}  # people err
    truth = {f"r{number}": (wrong.get(number, topic),) for number, (_, topic) in enumerate(sentences(60))}
    simulate.simulate_rounds(opened, truth, simulate.Budget(2, 15, "default"), quiet)
    train(opened, quiet, trainer="head")
    opened.close()
    return folder


@pytest.fixture(scope="module")
def on_file(played: Path, tmp_path_factory: pytest.TempPathFactory) -> OnFile:
    """What the trained head says of sixty labelled records in a file: figures and lines."""
    folder = tmp_path_factory.mktemp("file")
    opened = open_project(played, InProcessRunner())
    file, out = write_csv(folder / "mine.csv", 60), folder / "lines.jsonl"
    result = evaluate(opened, quiet, model=trained(opened), on=str(file), out=str(out), top_k=2, **FILE)
    opened.close()
    return result, lines_of(out)


@pytest.fixture
def judged(played: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of it."""
    shutil.copytree(played, tmp_path / "project")
    opened = open_project(tmp_path / "project", InProcessRunner())
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Sixty labelled records, as the project has them."""
    return write_csv(tmp_path / "mine.csv", 60)


def trained(project: Project) -> str:
    """The id of the head that `rondo train` made."""
    return str(project.store.one("select id from models where trainer = 'head'"))


def score_in(result: EvaluateResult) -> Score:
    """Its figures as a model's metrics have them."""
    return Score(**{field.name: getattr(result, field.name) for field in fields(Score)})


def metrics_of(project: Project, model: str) -> Metrics:
    return read_metrics(str(project.store.one("select metrics from models where id = ?", [model])), model)


def named_scores(result: EvaluateResult) -> list[NamedScore]:
    return [NamedScore(label, label, shown_label(score, result.n)) for label, score in result.per_label.items()]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("stratum", ["gold", "audit"])
def test_a_rounds_head_gets_the_figures_that_its_round_measured(judged: Project, stratum: str) -> None:
    champion = active_model(judged)
    assert champion is not None
    result = evaluate(judged, quiet, on=stratum)
    assert result.model == champion
    assert score_in(result) == metrics_of(judged, champion).on(stratum)
    there = calibration(judged, stratum)
    assert (there is None) is (result.calibration is None) is (stratum == "audit")  # its four records are too few
    if there is not None and result.calibration is not None:
        assert result.calibration.error == pytest.approx(there.error)


def test_training_records_of_a_head_are_scored_by_out_of_fold_decisions_with_a_note(judged: Project) -> None:
    result = evaluate(judged, quiet, on="audit")
    assert result.top == ()
    assert "top-k accuracy cannot be computed" in " ".join(result.notes)
    assert [top.k for top in evaluate(judged, quiet, on="gold").top] == [1, 2, 3]


def test_a_trained_model_gets_the_figures_that_its_training_measured(judged: Project) -> None:
    metrics = metrics_of(judged, trained(judged))
    for stratum in ("gold", "audit"):
        result = evaluate(judged, quiet, model=trained(judged), on=stratum)
        assert score_in(result) == metrics.on(stratum)
        assert result.top


def test_a_file_gets_one_line_per_record_and_figures_that_follow_from_them(on_file: OnFile) -> None:
    result, lines = on_file
    assert [line["id"] for line in lines] == [f"r{number}" for number in range(60)]
    assert result.accuracy is not None
    assert result.accuracy.value == pytest.approx(np.mean([line["correct"] for line in lines]))
    second = np.mean([line["truth"] in line["guesses"] for line in lines])
    assert result.top[1].accuracy.value == pytest.approx(second)
    for line in lines:
        assert line["scores"] == sorted(line["scores"], reverse=True)
        assert (line["guesses"][0] == line["truth"]) == line["correct"]
    assert "stand in the project with a label" in " ".join(result.notes)


def test_each_line_says_whether_the_truth_is_among_the_first_and_csv_says_the_same(
    judged: Project, on_file: OnFile, file: Path
) -> None:
    for line in on_file[1]:
        assert line["top_1"] == line["correct"]
        assert line["top_2"] == (line["truth"] in line["guesses"][:2])
    out = file.with_name("lines.csv")
    result = evaluate(judged, quiet, model=trained(judged), on=str(file), out=str(out), **FILE)
    with out.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["text"] for row in rows] == [line["text"] for line in on_file[1]]
    assert [row["top_1"] == "true" for row in rows] == [line["correct"] for line in on_file[1]]
    assert {row["top_3"] for row in rows} == {"true"}
    assert result.top[1].accuracy.value == pytest.approx(np.mean([row["top_2"] == "true" for row in rows]))
    assert float(rows[0]["score_1"]) >= float(rows[0]["score_2"])
    with pytest.raises(BadInput, match=r"shall end in \.jsonl .* or \.csv"):
        evaluate(judged, quiet, on=str(file), out=str(file.with_name("lines.xlsx")), **FILE)


def test_records_without_a_label_are_predicted_but_not_scored(judged: Project, tmp_path: Path) -> None:
    file, out = write_csv(tmp_path / "half.csv", 60, labelled=False), tmp_path / "out.jsonl"
    result = evaluate(judged, quiet, on=str(file), out=str(out), **FILE)
    assert (result.records, result.n) == (60, 12)
    assert sum(line["correct"] is None for line in lines_of(out)) == 48


def test_they_are_left_out_if_requested(judged: Project, tmp_path: Path) -> None:
    file, out = write_csv(tmp_path / "half.csv", 20, labelled=False), tmp_path / "out.jsonl"
    result = evaluate(judged, quiet, on=str(file), out=str(out), labeled_only=True, **FILE)
    assert (result.records, result.n, len(lines_of(out))) == (4, 4, 4)


def test_without_any_label_a_file_is_only_predicted_and_without_out_refused(judged: Project, file: Path) -> None:
    out = file.with_name("out.jsonl")
    result = evaluate(judged, quiet, on=str(file), out=str(out), text=["text"])
    assert (result.n, result.accuracy) == (0, None)
    assert len(lines_of(out)) == 60
    assert "nothing is scored" in " ".join(map(str, evaluation_lines(result)))
    with pytest.raises(Refused, match="--label"):
        evaluate(judged, quiet, on=str(file), text=["text"])


def test_labels_that_the_model_does_not_know_count_as_wrong(judged: Project, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    texts = [("The rain came.", "weather"), ("The soup came.", "food"), ("The ball flew.", "sport")] * 4
    file.write_text("text,topic\n" + "\n".join(f"{text},{label}" for text, label in texts), encoding="utf-8")
    result = evaluate(judged, quiet, on=str(file), text=["text"], label="topic")
    assert result.unknown == {"sport": 4}
    assert result.accuracy is not None
    assert result.accuracy.value <= 2 / 3 + 1e-9
    assert result.per_label["sport"].recall is not None
    assert result.per_label["sport"].recall.value == 0
    assert "'sport' (4)" in " ".join(result.notes)


def test_a_file_of_other_labels_only_is_refused_with_both_sets(judged: Project, file: Path) -> None:
    with pytest.raises(BadInput, match=r"None of the 2 labels of mine.csv .*'train'.* can give .*'weather'"):
        evaluate(judged, quiet, on=str(file), text=["text"], label="split")


def test_the_baseline_needs_no_training_and_takes_a_files_labels(tmp_path: Path, file: Path) -> None:
    loop.create_project(tmp_path / "empty", [])
    empty = open_project(tmp_path / "empty", InProcessRunner())
    result = evaluate(empty, quiet, model="baseline", on=str(file), **FILE)
    assert result.trainer == "zeroshot"
    assert set(result.labels.values()) == set(TOPICS)
    assert result.accuracy is not None
    assert result.accuracy.value > 0.9
    with pytest.raises(Refused, match="labels by their names"):
        evaluate(empty, quiet, model="baseline", on=str(file), text=["text"])
    empty.close()


def test_an_artifacts_folder_is_evaluated_where_no_project_is(played: Path, on_file: OnFile, tmp_path: Path) -> None:
    result, _ = on_file
    shutil.copytree(played / "models" / result.model, tmp_path / "elsewhere")
    loop.create_project(tmp_path / "empty", [])
    empty, file = open_project(tmp_path / "empty", InProcessRunner()), str(write_csv(tmp_path / "mine.csv", 60))
    elsewhere = evaluate(empty, quiet, model=str(tmp_path / "elsewhere"), on=file, **FILE)
    assert score_in(elsewhere) == score_in(result)
    with pytest.raises(Refused, match="no model of this project"):
        evaluate(empty, quiet, model=str(tmp_path / "elsewhere"), on=file, save=True, **FILE)
    empty.close()


def test_a_model_that_was_tampered_with_is_not_evaluated(judged: Project) -> None:
    head = judged.models / trained(judged) / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(Damaged, match="changed after it was saved"):
        evaluate(judged, quiet, model=trained(judged), on="gold")


def test_what_is_saved_is_found_again_newest_first_and_leaves_the_model_whole(judged: Project) -> None:
    result = evaluate(judged, quiet, model=trained(judged), on="gold", save=True)
    other = evaluate(judged, quiet, on="gold", save=True)
    assert saved_evaluations(judged, trained(judged)) == [result]
    assert {one.model for one in saved_evaluations(judged)} == {trained(judged), other.model}
    check_model(judged.models / trained(judged))


def test_files_of_one_name_are_kept_apart_and_one_called_audit_is_no_audit(judged: Project, tmp_path: Path) -> None:
    model = trained(judged)
    files = [tmp_path / "a" / "test.csv", tmp_path / "b" / "test.csv"]
    for file in files:
        file.parent.mkdir()
        shutil.copyfile(write_csv(tmp_path / "mine.csv", 12), file)
    for on in (*files, files[0]):
        evaluate(judged, quiet, model=model, on=str(on), save=True, **FILE)
    assert [result.on for result in saved_evaluations(judged, model)] == ["test.csv", "test.csv"]
    check_model(judged.models / model)
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "one.txt").write_text("The rain came.")
    result = evaluate(judged, quiet, model=model, on=str(tmp_path / "audit"), out=str(tmp_path / "out.jsonl"))
    assert (result.on, result.records) == ("file audit", 1)


def test_a_model_is_named_by_the_end_of_its_id_here_too(judged: Project) -> None:
    model = trained(judged)
    assert evaluate(judged, quiet, model=model[-6:], on="gold").model == model
    assert compare(judged, quiet, first="champion", second=model[-6:]).second == model
    with pytest.raises(BadInput, match=r"no model 'nobody'.*A folder with a manifest.json"):
        evaluate(judged, quiet, model="nobody")


def test_lines_that_cannot_be_written_are_refused_and_leave_nothing(judged: Project, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="could not be written"):
        _hand_over(tmp_path / "nothing.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(BadInput, match="cannot be written"):
        evaluate(judged, quiet, on="gold", out=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_held_out_records_are_scored_by_predictions_from_before_the_final_fit(judged: Project) -> None:
    """The finished model may have learnt from these records since; its own word on them is not asked."""
    rows = judged.store.query("select n, labels[1] from settled where stratum = 'chosen' order by n limit 10")
    head = load_head(judged.models / trained(judged))
    probs = np.full((10, 3), 0.1, np.float32)
    for row, (_, label) in enumerate(rows):
        probs[row, (head.labels.index(label) + (row == 0)) % 3] = 0.8  # one miss
    folder = judged.models / "made"
    folder.mkdir()
    write_held_out(folder, np.array([n for n, _ in rows]), probs)
    info = {"held_out": [n for n, _ in rows], "label_names": {}}
    seal_model(folder, Making("setfit", "all-MiniLM-L6-v2", head.labels, False, info), head)
    result = evaluate(judged, quiet, model=str(folder), on="split")
    assert result.accuracy is not None
    assert result.n == 10
    assert result.accuracy.value == pytest.approx(0.9)
    assert "nothing about the pool" in " ".join(result.notes)
    assert "more labelled records are needed" in " ".join(result.unsaid)
    assert "audit" not in " ".join(result.unsaid)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": "nobody"}, BadInput, "no model 'nobody'"),
        ({"on": "nowhere.csv"}, BadInput, "no file nowhere.csv"),
        ({"on": "split"}, Refused, "held out no record"),
        ({"top_k": 0}, BadInput, "--top-k is 0"),
        ({"out": "/no/such/folder/x.jsonl"}, BadInput, "cannot be written"),
    ],
)
def test_what_cannot_be_evaluated_is_reported(
    judged: Project, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        evaluate(judged, quiet, **{"model": trained(judged), **options})


def test_no_model_no_gold_and_no_audit_are_reported(project: Project) -> None:
    with pytest.raises(Refused, match="no champion yet: `rondo fit`"):
        evaluate(project, quiet)
    with pytest.raises(Refused, match="No audit record"):
        evaluate(project, quiet, model="baseline", on="audit")


@pytest.mark.parametrize("on", ["gold", "audit", "file"])
def test_two_models_are_compared_on_the_same_records(judged: Project, file: Path, on_file: OnFile, on: str) -> None:
    options = {"on": str(file), **FILE} if on == "file" else {"on": on}
    first = "baseline" if on == "file" else "champion"
    result = compare(judged, quiet, first=first, second=trained(judged), **options)
    alone = on_file[0] if on == "file" else evaluate(judged, quiet, model=trained(judged), on=on)
    assert result.n == alone.n
    assert alone.accuracy is not None
    assert result.accuracy.second == pytest.approx(alone.accuracy.value)
    assert sum(one.right == "first" for one in result.examples) == min(result.only_first, 20)
    assert {row.id for row in result.per_label} <= set(TOPICS)
    assert any(result.verdict in line for line in comparison_lines(result))


def test_a_model_is_not_compared_with_itself_nor_on_what_the_other_may_have_trained_on(judged: Project) -> None:
    with pytest.raises(BadInput, match="the same model"):
        compare(judged, quiet, first="champion", second=str(active_model(judged)))
    with pytest.raises(Refused, match="may have been trained"):
        compare(judged, quiet, first="champion", second="baseline", on="split")


def test_encoders_are_set_side_by_side_on_labelled_records(judged: Project) -> None:
    vectors = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float16)
    keep_vectors(judged, "noise", vectors)
    result = compare_encoders(judged, quiet, names=["champion", "noise"])
    real, noise = result.rows
    assert (real.dims, noise.dims) == (384, 8)
    for measure in ("knn_accuracy", "purity", "silhouette"):
        assert getattr(real, measure).value > getattr(noise, measure).value + 0.1
    assert [row.per_label for row in real.few_label_accuracy] == [1, 4]
    assert any("nearest neighbours" in line for line in encoder_lines(result))
    drawn = AppTest.from_function(encoders_page, kwargs={"result": result}).run()
    assert not drawn.exception
    assert len(drawn.dataframe[0].value) == 2 * (3 + 2)
    assert "noise is worse than all-MiniLM-L6-v2" in result.verdict
    assert (result.clusters, real.difference) == (12, None)
    assert noise.difference is not None
    assert noise.difference.knn_accuracy.high < 0
    assert 1 / 3 <= result.chance.purity < 1
    nearly = vectors + 0.001 * np.random.default_rng(1).standard_normal((60, 8))
    keep_vectors(judged, "other", nearly.astype(np.float16))
    three = compare_encoders(judged, quiet, names=["noise", "other", "champion"], clusters=5, sample=20)
    assert ([row.encoder for row in three.rows][2], three.clusters) == ("all-MiniLM-L6-v2", 5)
    assert three.records == 20
    assert "other is not distinguishable from noise" in three.verdict
    with pytest.raises(Refused, match="records for 100 clusters"):
        compare_encoders(judged, quiet, names=["champion", "noise"], clusters=100)
    with pytest.raises(BadInput, match=r"the same encoder, all-MiniLM"):  # a model's, named by the end of its id
        compare_encoders(judged, quiet, names=[trained(judged)[-6:], "all-MiniLM-L6-v2"])
    with pytest.raises(BadInput, match="the same encoder"):
        compare_encoders(judged, quiet, names=["champion", "all-MiniLM-L6-v2"])


def encoders_page(result: object) -> None:
    """A page with nothing else."""
    from app.pages.parts.models.evaluation_view import draw_encoders
    from core.registry.evaluation_jobs import CompareEncodersResult

    assert isinstance(result, CompareEncodersResult)
    draw_encoders(result)


def keep_vectors(project: Project, encoder: str, vectors: np.ndarray) -> None:
    """As an encode job leaves them."""
    from core.models.vectors import EncodedFacts, append_shards, shard_path, write_facts

    out = project.folder / "made"
    out.mkdir(exist_ok=True)
    np.save(shard_path(out, 0), vectors)
    write_facts(out, EncodedFacts(len(vectors), vectors.shape[1], len(vectors), "f"))
    append_shards(project.vectors, encoder, out, 0)


def test_terminal_and_pictures_take_what_the_verbs_return(judged: Project, on_file: OnFile) -> None:
    result, _ = on_file
    assert label_bars(named_scores(evaluate(judged, quiet, on="gold"))) is None  # four of each label
    assert any("macro F1" in str(line) for line in evaluation_lines(result))
    assert (chart := label_bars(named_scores(result))) is not None
    assert len(chart.to_dict()["layer"]) == 2
    compared = compare(judged, quiet, first=trained(judged), second="champion")
    assert difference_chart(compared).to_dict()
    differences = label_differences(compared)
    assert differences is not None
    assert differences.to_dict()


def test_the_models_page_evaluates_and_compares_on_demand(judged: Project) -> None:
    background.open_server(lambda: judged)
    page = shown("models.py")
    page.selectbox(key="model").set_value(trained(judged)).run()
    page.button(key="evaluate").click().run()
    page.button(key="compare").click().run()
    background._OPEN.clear()
    assert not page.exception
    assert [one.on for one in saved_evaluations(judged, trained(judged))] == ["gold"]
    columns = [set(table.value.columns) for table in page.dataframe]
    for requested in (
        {"measure", "95 %"},
        {"label", "precision", "f1"},
        {"truth", "predicted", "share"},
        {"first", "second"},
    ):
        assert any(requested <= there for there in columns)
    assert any("tells" in text.value or "better" in text.value for text in page.text)
