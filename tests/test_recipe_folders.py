"""The recipe of folders does what it says: its commands run on a small tree, and its table names real options."""

import csv
import re
import shlex
from pathlib import Path

import pytest

from app.cli.root import app
from tests.command_line import rondo, rondo_json
from tests.folder_project import make_tree

RECIPE = (Path(__file__).parent.parent / "docs" / "recipes" / "folders.md").read_text(encoding="utf-8")
BY_HAND = re.compile(r"# by hand: fill in the column label of (\S+)")
ROLES = ("collection", "subject", "media_format")
SMALLER = 60
"""the recipe's sizes by this: the tree has 36 folders"""


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", RECIPE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def fill_in(file: Path) -> None:
    """What a person does with a spreadsheet: a label for each row, in another order, with a column of notes."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    for row in rows:
        row |= {"label": ROLES[row["path"].count("/")], "note": 'seen, "really"'}
    with file.open("w", encoding="utf-8-sig", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(reversed(rows))


def smaller(line: str) -> str:
    """The same on a small tree; a head stands in for the network, whose training has tests of its own."""
    line = line.replace("--below .6", "--below 1")  # of so plain a tree the head is sure
    line = re.sub(r"--size (\d+)", lambda size: f"--size {max(4, int(size[1]) // SMALLER)}", line)
    return re.sub(r"--trainer setfit.*", "--trainer head", line)


@pytest.mark.usefixtures("jobs_here")
def test_the_commands_of_the_recipe_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "assets")
    monkeypatch.chdir(tmp_path)
    said = []
    for line in commands():
        if by_hand := BY_HAND.fullmatch(line):
            fill_in(Path(by_hand[1]))
        elif line.startswith("cd "):
            monkeypatch.chdir(line.removeprefix("cd "))
        else:
            assert line.startswith("rondo "), line
            said.append(rondo(*shlex.split(smaller(line))[1:]))
        if line.startswith("rondo compare"):
            (tmp_path / "assets" / "Castle").rename(tmp_path / "assets" / "Fortress")
    home = tmp_path / "roles"
    labels = rondo_json(home, "export", "--what", "labels", "--format", "jsonl", "--out", home / "labels.jsonl")
    assert labels["rows"] == 4 + 16 + 4, "the test split, the sample, and what the model was not sure of"
    assert (home / "baseline_results.csv").exists()
    assert (home / "finetuned_test_results.csv").exists()
    assert any("B minus A" in text for text in said)
    assert "9 moved" in said[-1]


def test_the_table_names_options_and_labels_that_there_are() -> None:
    table = [line.split("|")[2] for line in RECIPE.splitlines() if line.startswith("| ") and "Yours" not in line]
    assert len(table) >= 20
    words = [word for cell in table for word in re.findall(r"`rondo ([^`]+)`", cell)]
    assert len(words) >= 12
    from typer.main import get_command

    known = get_command(app)
    for one in words:
        first, *rest = [word for word in one.split() if word not in ("MODEL", "M", "N", "F", "D", "PATH", "DIR")]
        command = known.commands[first]  # type: ignore[attr-defined]
        if rest and not rest[0].startswith("-") and hasattr(command, "commands"):
            command = command.commands[rest[0]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, one
