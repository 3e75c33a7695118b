"""Balancing says how often each label trains, and leaves out of training what was asked; gold stays as it is."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.data.balance import Balance, balance
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import BadInput, Refused
from core.loop import create_project
from core.project import Project, open_project
from core.reports.export import write_export
from core.rounds.run_round import known_now
from core.training.launch import TrainingRequest, order_of
from gpu_jobs.runners.local import InProcessRunner
from tests.command_line import rondo, rondo_json
from tests.conftest import quiet

SIZES = {"weather": 30, "food": 12, "music": 4}


@pytest.fixture
def skewed(tmp_path: Path) -> Iterator[Project]:
    """46 labelled records, and three gold ones."""
    folder = tmp_path / "project"
    create_project(folder, list(SIZES))
    opened = open_project(folder, InProcessRunner())
    rows = [f'{topic}{n},"{topic} number {n}",{topic},train' for topic, size in SIZES.items() for n in range(size)]
    rows += [f'gold {topic},"gold of {topic}",{topic},test' for topic in SIZES]
    file = tmp_path / "skewed.csv"
    file.write_text("\n".join(["id,text,topic,split", *rows]) + "\n", encoding="utf-8")
    import_file(opened, quiet, file=str(file), text=["text"], id="id", label="topic", split="split")
    yield opened
    opened.close()


def sizes(result: Balance) -> dict[str, tuple[int, int]]:
    return {label.name: (label.training, label.after) for label in result.labels}


def training(project: Project) -> Counter[str]:
    """Labels of what a round would train on."""
    encode(project, quiet)
    arrays, _ = known_now(project, project.settings())
    rows = project.store.query("select n, labels[1] from settled")
    return Counter(label for n, label in rows if n in set(arrays["train_rows"].tolist()))


def test_without_options_it_only_shows_the_distribution(skewed: Project) -> None:
    result = balance(skewed, quiet)
    assert sizes(result) == {topic: (size, size) for topic, size in SIZES.items()}
    assert [label.gold for label in result.labels] == [1, 1, 1]
    assert (result.applied, result.left_out, result.training) == (False, 0, 46)


def test_the_majority_is_reduced_and_labels_are_left_out_of_training_until_undone(skewed: Project) -> None:
    preview = balance(skewed, quiet, labels_to_filter=["music"], reduce_majority_to=10)
    assert not skewed.store.one("select count(*) from left_out")
    result = balance(skewed, quiet, labels_to_filter=["music"], reduce_majority_to=10, apply=True)
    assert sizes(result) == sizes(preview) == {"weather": (30, 10), "food": (12, 10), "music": (4, 0)}
    assert training(skewed) == {"weather": 10, "food": 10}
    assert skewed.store.one("select count(*) from settled where stratum = 'gold'") == 3
    again = balance(skewed, quiet, reduce_majority_to=20, apply=True)
    assert sizes(again)["music"] == (4, 4)
    balance(skewed, quiet, undo=True)
    assert training(skewed) == SIZES
    with pytest.raises(Refused, match="nothing to undo"):
        balance(skewed, quiet, undo=True)


def test_the_seed_decides_who_trains(skewed: Project) -> None:
    drawn = []
    for seed in (1, 1, 2):
        balance(skewed, quiet, reduce_majority_to=5, seed=seed, apply=True)
        drawn.append(skewed.store.query("select n from left_out order by n"))
    assert drawn[0] == drawn[1] != drawn[2]


def test_oversampling_is_a_setting_of_trainers_and_repeats_rows_in_a_file_alone(
    skewed: Project, tmp_path: Path
) -> None:
    assert order_of(skewed, "encoder", TrainingRequest()).values["oversample"] is False
    assert balance(skewed, quiet, oversample=True, apply=True).oversample
    assert skewed.settings().oversample
    assert order_of(skewed, "encoder", TrainingRequest()).values["oversample"] is True
    assert order_of(skewed, "encoder", TrainingRequest(["oversample=false"])).values["oversample"] is False
    assert order_of(skewed, "setfit", TrainingRequest()).values["epochs"]
    write_export(skewed, tmp_path / "train.jsonl", "jsonl", "train")
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter(row["label"] for row in rows) == {"weather": 30, "food": 36, "music": 32}
    assert skewed.store.one("select count(*) from records") == 49
    assert write_export(skewed, tmp_path / "test.jsonl", "jsonl", "test") == 3


def test_a_record_with_a_rarer_label_trains_though_its_other_label_is_reduced(tmp_path: Path) -> None:
    create_project(tmp_path / "many", ["a", "b"], multi=True)
    project = open_project(tmp_path / "many", InProcessRunner())
    rows = [f'{n},"text {n}",{"a|b" if n < 3 else "a"}' for n in range(20)]
    (tmp_path / "many.csv").write_text("\n".join(["id,text,label", *rows]) + "\n", encoding="utf-8")
    import_file(project, quiet, file=str(tmp_path / "many.csv"), text=["text"], id="id", label="label")
    result = balance(project, quiet, reduce_majority_to=5, apply=True)
    assert sizes(result)["b"] == (3, 3)
    assert 5 <= sizes(result)["a"][1] <= 8
    project.close()


def test_what_cannot_be_meant_is_refused(skewed: Project) -> None:
    with pytest.raises(BadInput, match="no label 'wether'; there are weather"):
        balance(skewed, quiet, labels_to_filter=["wether"])
    with pytest.raises(BadInput, match="take 1 or more"):
        balance(skewed, quiet, reduce_majority_to=0)
    with pytest.raises(BadInput, match="takes no other option"):
        balance(skewed, quiet, undo=True, oversample=True)


def test_the_command_shows_and_does(skewed: Project, paired: Path) -> None:
    folder = skewed.folder
    skewed.close()
    shown = rondo("--project", folder, "balance", "--labels-to-filter", "music,food", "--reduce-majority-to", 7)
    assert "Nothing was changed" in shown
    assert "which does not train" in shown
    done = rondo_json(folder, "balance", "--reduce-majority-to", 7, "--oversample", "--apply")
    assert (done["left_out"], done["oversample"]) == (28, True)
    assert "oversample = true" in (folder / "rondo.toml").read_text(encoding="utf-8")
    assert "labels" in rondo("--project", paired, "balance", code=4)
