"""Settings survive being written and read, and a wrong line is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.config.settings import FILE, Settings, check, read_settings, with_changes, write_settings
from core.config.taxonomy import add_label, make_taxonomy, rename_label, retire_label
from core.errors import BadInput, NotAProject
from core.training.hosted import RUNNER
from core.training.trainers import TRAINERS
from gpu_jobs.runners.choice import RUNNERS

names = some.text(min_size=1, max_size=30).filter(lambda name: name.strip() and "|" not in name)


@given(labels=some.lists(names, max_size=5, unique_by=lambda name: name.strip()), guidelines=some.text(max_size=200))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, labels: list[str], guidelines: str
) -> None:
    folder = tmp_path_factory.mktemp("settings")
    try:
        settings = Settings(name="any", guidelines=guidelines.replace("\r", ""), taxonomy=make_taxonomy(labels))
    except BadInput:
        return  # two names that are one after normalisation
    write_settings(folder, settings)
    assert read_settings(folder) == settings


def test_a_persons_comments_stay(tmp_path: Path) -> None:
    write_settings(tmp_path, Settings(name="mine"))
    path = tmp_path / FILE
    path.write_text("# ask Ana before changing\n" + path.read_text())
    write_settings(tmp_path, with_changes(read_settings(tmp_path), batch_size=7))
    assert path.read_text().startswith("# ask Ana before changing\n")
    assert read_settings(tmp_path).batch_size == 7


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[sampling]\nbatch_sise = 3", "batch_sise"),
        ("[sampling]\nbatch_size = 0", "batch_size is 0"),
        ("[sampling]\nbatch_size = 'many'", "int is needed"),
        ("[smapling]\nseed = 1", "smapling"),
        ("[sampling]\nbatch_size = true", "batch_size is True, but a int"),
        ("[sampling]\naudit_share = false", "audit_share is False, but a float"),
        ("[sampling", "cannot be read"),
        ("taxonomy = 3", r"it is a section: \[taxonomy\]"),
        ("[taxonomy]\nversion = 'x'", "taxonomy.version is 'x'"),
        ("[taxonomy]\nversion = 0", "taxonomy.version is 0"),
        ("[taxonomy]\nversion = 99999999999", "taxonomy.version is 99999999999, but a whole number from 1 to"),
        ("[taxonomy]\nlabel = []", "unknown setting taxonomy.label"),
        ("[taxonomy]\nlabels = 3", "taxonomy.labels is 3"),
        ("[taxonomy]\nlabels = ['a']", "needs an id and a name; one is 'a'"),
        ("[[taxonomy.labels]]\nid = 'a'", "needs an id and a name"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 5", "the name of a label is 5, but a str is needed"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 'x'\nretired = 1", "the retired of a label is 1"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 'x'\nshade = 1", "has 'shade'"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 'x'\ncolour = 'red'", "write it as #rrggbb"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 'x'\nexamples = 'one'", "a list of texts is needed"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 'x'\nparent = 'b'", "names 'b', but there is no label"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 'x'\nparent = 'a'", "stands under itself"),
        ("[taxonomy]\nuse = 'v2'\n[[taxonomy.labels]]\nid = 'a'\nname = 'x'", "no taxonomy 'v2'; there are main"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 'x|y'", "separates labels"),
        ('[[taxonomy.labels]]\nid = "a"\nname = "x\\u0000"', "NUL"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 'é'\n[[taxonomy.labels]]\nid = 'b'\nname = 'e\u0301'", "stands twice"),
        ("[[taxonomy.labels]]\nid = 'a'\nname = 'x'\n[[taxonomy.labels]]\nid = 'a'\nname = 'y'", "stands twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / FILE).write_text(line)
    with pytest.raises(BadInput, match=message):
        read_settings(tmp_path)


def test_a_folder_without_settings_is_not_a_project(tmp_path: Path) -> None:
    with pytest.raises(NotAProject, match="rondo init"):
        read_settings(tmp_path)


def test_labels_keep_their_ids_through_rename_retire_and_return() -> None:
    taxonomy = make_taxonomy(["Spam", "Ham"])
    changed = add_label(retire_label(rename_label(taxonomy, "spam", "Junk"), "spam"), "Junk")
    assert [label.id for label in changed.labels] == ["spam", "ham"]
    assert changed.labels[0].name == "Junk"
    assert not changed.labels[0].retired
    assert changed.version == taxonomy.version + 3


@pytest.mark.parametrize("name", ["", "   ", "a|b", "x" * 201, "Ham"])
def test_a_label_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        add_label(make_taxonomy(["Ham"]), name)


def test_retraining_may_name_every_trainer_and_every_runner_and_no_other() -> None:
    for trainer in [name for name, one in TRAINERS.items() if not one.by_step]:  # whose data has to be prepared first
        assert check(Settings(name="x", retrain_trainer=trainer)).retrain_trainer == trainer
    for runner in RUNNERS.keys() - {RUNNER}:  # which carries no training of ours
        assert check(Settings(name="x", retrain_on=runner)).retrain_on == runner
    with pytest.raises(BadInput, match="retrain_on is 'moda'"):
        check(Settings(name="x", retrain_on="moda"))
    with pytest.raises(BadInput, match="one of head, setfit"):
        check(Settings(name="x", retrain_trainer="hed"))
