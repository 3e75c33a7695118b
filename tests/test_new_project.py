"""Templates of projects: ours, and those that somebody saves."""

from pathlib import Path

import pytest

from core.config.new_project import OURS, read_template, steps_for, templates_in, with_labels
from core.config.settings import read_settings
from core.home.folders import open_home
from tests.command_line import rondo


@pytest.mark.parametrize("name", sorted(path.stem for path in OURS.glob("*.toml")))
def test_a_project_can_be_made_of_every_template(tmp_path: Path, name: str) -> None:
    template = templates_in(None)[name]
    assert template.caption
    rondo("init", tmp_path / "project", "--template", name)
    settings = read_settings(tmp_path / "project")
    assert settings == template.settings("project")


def test_a_saved_template_makes_the_same_project_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_HOME", str(tmp_path / "home"))
    rondo("init", tmp_path / "one", "--template", "toxicity")
    assert "Saved" in rondo("--project", tmp_path / "one", "template", "save", "ours", "--caption", "At first")
    assert "already" in rondo("--project", tmp_path / "one", "template", "save", "ours", code=4)
    assert "no name" in rondo("--project", tmp_path / "one", "template", "save", "../x", code=2)
    rondo("--project", tmp_path / "one", "template", "save", "ours", "--overwrite", "--caption", "As we do it")
    assert "As we do it" in rondo("template", "list")
    rondo("init", tmp_path / "two", "--template", "ours")
    one, two = read_settings(tmp_path / "one"), read_settings(tmp_path / "two")
    assert (two.taxonomy.labels, two.guidelines, two.multi) == (one.taxonomy.labels, one.guidelines, one.multi)
    (tmp_path / "home" / "templates" / "broken.toml").write_text("task = [", encoding="utf-8")
    assert "broken.toml cannot be read" in rondo("template", "list", code=2)


def test_labels_that_are_typed_stand_in_place_of_the_templates(tmp_path: Path) -> None:
    spam = read_template(OURS / "spam.toml", ours=True)
    changed = with_labels(spam, ["spam", "news"])
    assert changed.labels == ["spam", "news"]
    assert changed.taxonomy.labels[0].description == spam.taxonomy.by_id["spam"].description
    assert [one.path for one in steps_for(["Due date", "Amount"])[0].fields] == ["values.due_date", "values.amount"]


def test_a_template_is_kept_in_the_home_that_its_project_lies_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RONDO_HOME", str(tmp_path / "elsewhere"))
    home = open_home(tmp_path / "home")
    rondo("init", home / "one", "--template", "spam")
    printed = rondo("--project", home / "one", "template", "save", "mails")
    assert f"Next: RONDO_HOME={home} rondo init FOLDER --template mails" in " ".join(printed.split())
    assert templates_in(home / "templates")["mails"].labels == templates_in(None)["spam"].labels
    assert not (tmp_path / "elsewhere").exists()


def test_one_of_ours_is_replaced_on_purpose_alone(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    rondo("init", home / "one", "--template", "spam")
    refused = rondo("--project", home / "one", "template", "save", "topics", code=4)
    assert "There is a template topics already" in " ".join(refused.split())
    rondo("--project", home / "one", "template", "save", "topics", "--overwrite")
    assert templates_in(home / "templates")["topics"].labels == templates_in(None)["spam"].labels
