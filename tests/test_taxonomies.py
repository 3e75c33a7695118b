"""Several taxonomies over the same records: what labels say of themselves, what answers count as, and the way back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.config.settings import Settings, read_settings, write_settings
from core.config.taxonomy import Label, Taxonomy, add_label, make_taxonomy, retire_label
from core.evaluation.audit import equal_weights
from core.evaluation.held_out import HeldOutPredictions, level_scores, score_of
from core.evaluation.metrics import Metrics, Score
from core.reports.error_analysis import level_table
from core.tasks.label_prompt import instructions
from core.tasks.labels import LABELS, hinted, labels_space, setup, still_meant, suggestion
from core.typed_json import from_json, to_json

TREE = Taxonomy(
    (
        Label("animal", "Animal", "Lives and moves", colour="#aa0000"),
        Label("cat", "Cat", parent="animal", examples=("a tabby",), counter_examples=("a lion", "a 'cat' command")),
        Label("plant", "Plant"),
        Label("pet", "Pet", taxonomy="use", counts_as=("cat",)),
        Label("wild", "Plant", taxonomy="use", maps_to=("cat", "plant")),
    )
)


def test_what_a_label_says_of_itself_survives_the_file_and_an_old_file_stays_as_it_was(tmp_path: Path) -> None:
    settings = Settings(name="any", taxonomy=replace(TREE, in_use="use", version=4))
    write_settings(tmp_path, settings)
    assert read_settings(tmp_path) == settings
    write_settings(tmp_path, Settings(name="any", taxonomy=retire_label(make_taxonomy(["a", "b"]), "a")))
    labels = (tmp_path / "rondo.toml").read_text().partition("[taxonomy]")[2]
    a, b = '[[taxonomy.labels]] id = "a" name = "a" retired = true', '[[taxonomy.labels]] id = "b" name = "b"'
    assert " ".join(labels.split()) == f"version = 2 {a} {b}"


def test_descriptions_examples_and_paths_reach_the_language_model_and_the_encoder() -> None:
    made = setup(Settings(name="any", taxonomy=TREE))
    prompt = instructions(made, "")
    assert '- Animal: Lives and moves\n- Cat (under Animal)\n  such as: "a tabby"\n  but not: "a lion"' in prompt
    assert LABELS.space(made).texts == ("Animal Lives and moves", "Animal Cat", "Plant")


def test_an_answer_counts_as_what_its_label_counts_as_now() -> None:
    settings = Settings(name="any", taxonomy=TREE, multi=True)
    assert still_meant(["cat", "pet"], settings) == (["cat"], True)
    assert still_meant(["wild"], settings) == ([], False)
    assert TREE.hints("wild") == ("cat", "plant")
    assert TREE.hints("pet") == ("cat",)
    other = replace(settings, taxonomy=replace(TREE, in_use="use"))
    assert still_meant(["cat", "wild"], other) == (["wild"], True)
    assert suggestion([("pet", 0.2), ("cat", 0.3), ("plant", 0.4), ("wild", 0.1)], settings) == {
        "labels": [{"id": "cat", "probability": 0.5}, {"id": "plant", "probability": 0.4}]
    }


def test_only_an_answer_whose_labels_are_gone_is_a_hint() -> None:
    settings = Settings(name="any", taxonomy=TREE)
    assert hinted(None, ["cat", "plant"], settings) is None, "several labels where one may hold"
    assert hinted(None, ["never"], settings) is None
    model: dict[str, object] = {
        "labels": [{"id": "plant", "probability": 0.9}, {"id": "cat", "probability": 0.1}],
        "model": "m",
    }
    targets = [{"id": "plant", "probability": 0.9}, {"id": "cat", "probability": 0.1}]
    assert hinted(model, ["wild"], settings) == {"labels": targets, "was": "Plant", "model": "an earlier answer"}


def test_names_are_unique_within_a_taxonomy_only() -> None:
    grown = add_label(replace(TREE, in_use="use"), "Cat")
    assert [(label.id, label.taxonomy) for label in grown.labels if label.name == "Cat"] == [
        ("cat", "main"),
        ("cat_2", "use"),
    ]
    assert grown.ids == {"Pet": "pet", "Plant": "wild", "Cat": "cat_2"}


def test_a_label_is_known_by_its_path_and_stands_for_itself_above_its_level() -> None:
    assert TREE.path("cat") == "Animal / Cat"
    assert TREE.depth == 2
    assert [TREE.ancestor(label, 1) for label in ("cat", "animal")] == ["animal", "animal"]
    assert TREE.ancestor("animal", 2) == "animal"


def test_a_level_takes_each_label_for_the_one_above_it() -> None:
    labels = ("animal", "cat", "plant")
    truth, predicted = (np.eye(3, dtype=np.bool_)[rows] for rows in ([0, 1, 1, 2], [1, 1, 2, 2]))
    space = labels_space(labels, several=False)
    predictions = HeldOutPredictions(space, np.arange(4), truth, predicted, equal_weights(4))
    top, deepest = level_scores(predictions, labels, {one: TREE.line(one) for one in labels})
    assert (top.level, top.labels, top.score.accuracy.value) == (1, 2, 0.75), "a cat is an animal"
    assert (deepest.level, deepest.labels, deepest.score.accuracy.value) == (2, 3, 0.5)
    assert deepest.score.macro_f1 == score_of(predictions).macro_f1
    assert top.score.macro_f1
    assert top.score.macro_f1.value == pytest.approx((0.8 + 2 / 3) / 2)
    assert list(level_scores(predictions, labels, {one: (one,) for one in labels})) == []
    measured = score_of(replace(predictions, space=LABELS.space(setup(Settings(name="any", taxonomy=TREE)))), labels)
    assert [one.score.accuracy.value for one in measured.levels] == [0.75, 0.5], "stored with the score"
    stored = from_json(Score, to_json(measured), "it")
    assert [one.score.accuracy for one in stored.levels] == [one.score.accuracy for one in measured.levels]
    assert [row["level"] for row in level_table(Metrics(gold=measured), "gold")] == [1, 2]
