"""The recipes' commands do what they say: every block marked `sh` runs, in order, on a small file."""

import json
import random
import re
import shlex
from pathlib import Path

import pytest

from core.store.database import FILE
from tests.command_line import rondo, rondo_json

RECIPES = Path(__file__).parent.parent / "docs" / "recipes"
SUBJECTS = {
    "phy": ("laser", "optics", "quantum", "plasma"),
    "bio": ("cell", "genome", "enzyme", "forest"),
    "his": ("empire", "treaty", "revolution", "archive"),
}


def commands(recipe: str) -> list[list[str]]:
    """The words of each line, trainings cut to two steps."""
    text = (RECIPES / recipe).read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    short = [re.sub(r"epochs=\d+", "max_steps=2", line) for line in lines]
    return [shlex.split(line) for line in short if line.strip()]


def run(recipe: str, folder: Path, patch: pytest.MonkeyPatch) -> list[str]:
    """What each command prints. MODEL is the newest model."""
    patch.chdir(folder)
    printed = []
    for words in commands(recipe):
        if words[0] == "cd":
            patch.chdir(words[1])
            continue
        if "MODEL" in words:
            newest = rondo_json(Path.cwd(), "models")["models"][0]["id"]
            words = [newest if word == "MODEL" else word for word in words]
        printed.append(rondo(*words[1:]))
    return printed


@pytest.mark.usefixtures("jobs_here")
def test_the_recipe_for_a_catalogue_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    for number in range(72):
        subject = list(SUBJECTS)[number % 3]
        words = SUBJECTS[subject]
        title = f"The {words[number % 4]} and the {words[number // 3 % 4]}, volume {number}"
        abstract = (
            f"<p>A study of the {words[number // 12 % 4]} &amp; of {number} more things.</p> --Provided by publisher"
        )
        domains = [subject, "rest"] if number % 9 == 0 else [subject]
        rows.append({"id": f"b{number}", "title": title, "abstract": abstract, "domains": domains})
    rows += [
        {"id": f"r{n}", "title": f"Miscellany {n}", "abstract": "Of no subject", "domains": ["rest"]} for n in range(6)
    ]
    source = tmp_path / "library.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    printed = run("library.md", tmp_path, monkeypatch)
    assert any("credits: 72 texts" in text for text in printed)
    assert any("top 3" in text.lower() or "top-3" in text.lower() for text in printed)
    assert len((tmp_path / "parts_train.jsonl").read_text("utf-8").splitlines()) > 40
    parts = {
        name: [json.loads(line) for line in (tmp_path / f"prepared_{name}.jsonl").read_text("utf-8").splitlines()]
        for name in ("train", "validation", "test")
    }
    assert len(parts["test"]) > len(parts["validation"]) > 0
    assert not [row for rows in parts.values() for row in rows if "<p>" in row["text"] or row["label"] == "rest"]
    assert len((tmp_path / "classified.jsonl").read_text("utf-8").splitlines()) == len(parts["test"])


@pytest.mark.usefixtures("jobs_here")
def test_the_recipe_for_tweets_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"hate": "hail", "offensive": "thunder", "neither": "sunshine"}
    rng, others = random.Random(0), [word for words in SUBJECTS.values() for word in words]
    lines = [
        f'{n},"RT @ann{n}: {words[label]} &amp; {" ".join(rng.sample(others, 6))} #GoodDay https://x.org/{n}",{label}'
        for n, label in enumerate(list(words) * 20)
    ]
    (tmp_path / "tweets.csv").write_text("\n".join(["id,tweet,class", *lines]) + "\n", encoding="utf-8")
    printed = run("tweets.md", tmp_path, monkeypatch)
    assert any("names: 60 texts" in text for text in printed)
    assert (tmp_path / "tweets" / FILE).exists()
    assert "oversample = true" in (tmp_path / "tweets" / "rondo.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("recipe", ["library.md", "tweets.md"])
def test_every_option_that_a_recipe_names_is_there(recipe: str) -> None:
    text = (RECIPES / recipe).read_text(encoding="utf-8")
    named = re.findall(r"(?:`|    )rondo ((?:models )?[a-z-]+)([^`\n]*)", text)
    assert len(named) > 10
    for command, rest in named:
        shown = rondo(*command.split(), "--help")
        options = re.findall(r"--[a-z-]+", rest)
        assert not [option for option in options if option not in shown], command
