"""Splits are even for every label, leave groups whole, repeat by their seed, and make gold of the test part alone."""

import json
import shutil
from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pytest

from core.data.clean import clean
from core.data.file_import import import_file
from core.data.split import split
from core.data.split_job import SplitParams
from core.errors import BadInput, Refused
from core.loop import create_project
from core.project import Project, open_project
from core.rounds.run_round import known_now
from gpu_jobs.runners.local import InProcessRunner
from gpu_jobs.work.data.split import split as split_work
from tests.command_line import rondo, rondo_json
from tests.conftest import TOPICS, quiet, sentences


def write_file(folder: Path, count: int = 90) -> Path:
    """id, text, topic, author: thirty of each topic, three authors for every ten records, the last text twice."""
    rows = sentences(count)
    rows[-1] = (rows[-4][0], rows[-1][1])
    lines = [f'r{n},"{text}",{topic},author {n // 10}' for n, (text, topic) in enumerate(rows)]
    file = folder / "labelled.csv"
    file.write_text("\n".join(["id,text,topic,author", *lines]) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def labelled(tmp_path: Path) -> Project:
    """Ninety records with labels of a file, no gold, nothing encoded."""
    folder = tmp_path / "project"
    create_project(folder, list(TOPICS))
    opened = open_project(folder, InProcessRunner())
    import_file(opened, quiet, file=str(write_file(tmp_path)), text=["text"], id="id", label="topic", meta=["author"])
    return opened


def unseen(done: int, total: int, **figures: float) -> None:
    """Progress that nobody reads."""


def splits(project: Project) -> dict[str, str | None]:
    return dict(project.store.query("select id, split from records order by n"))


def test_a_preview_counts_and_changes_nothing(labelled: Project) -> None:
    result = split(labelled, quiet, train=0.7, val=0.1, test=0.2)
    assert not result.applied
    assert (result.train, result.validation, result.test) == (63, 9, 18)
    assert {label.name: (label.train, label.validation, label.test) for label in result.labels} == {
        topic: (21, 3, 6) for topic in TOPICS
    }
    assert set(splits(labelled).values()) == {None}
    labelled.close()


def test_applied_test_is_gold_and_trains_no_more_and_equal_texts_stay_together(labelled: Project) -> None:
    result = split(labelled, quiet, train=0.7, val=0.1, test=0.2, apply=True)
    counts = Counter(splits(labelled).values())
    assert (counts["train"], counts["validation"], counts["test"]) == (63, 9, 18)
    assert labelled.store.one("select count(*) from settled where stratum = 'gold'") == result.test
    arrays, _ = known_now(labelled, labelled.settings())
    assert not set(arrays["train_rows"]) & set(arrays["gold_rows"])
    assert splits(labelled)["r89"] == splits(labelled)["r86"]
    with pytest.raises(Refused, match="18 gold records already"):
        split(labelled, quiet, apply=True)
    more = split(labelled, quiet, test=0.5, add_to_gold=True, apply=True)
    assert more.gold == 18
    assert Counter(splits(labelled).values())["test"] == 18 + more.test
    labelled.close()


def test_the_same_seed_splits_alike_and_another_does_not(labelled: Project) -> None:
    first = split(labelled, quiet, seed=3, apply=True)
    drawn = splits(labelled)
    with labelled.store.transaction() as cursor:
        cursor.execute("update records set split = null")
        cursor.execute("update settled set stratum = 'file'")
    assert split(labelled, quiet, seed=3, apply=True) == first
    assert splits(labelled) == drawn
    labelled.close()


def test_groups_stay_whole(labelled: Project) -> None:
    result = split(labelled, quiet, test=0.3, by="author", apply=True)
    assert result.groups == 9
    by_author = labelled.store.query("select meta->>'author', count(distinct split) from records group by 1")
    assert {parts for _, parts in by_author} == {1}
    with pytest.raises(BadInput, match="called 'writer'; there are author"):
        split(labelled, quiet, by="writer", add_to_gold=True)
    labelled.close()


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"train": 0.5, "val": 0.1, "test": 0.2}, "do not add up to 1"),
        ({"test": 1.2}, "between 0 and 1"),
        ({"test": 1.0}, "Nothing would be left to train on"),
    ],
)
def test_shares_that_cannot_be_are_refused(labelled: Project, shares: dict[str, float], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        split(labelled, quiet, **shares)  # type: ignore[arg-type]
    labelled.close()


def test_what_a_strategy_chose_is_no_test_set_unless_somebody_says_so(played: Path, tmp_path: Path) -> None:
    folder = tmp_path / "played"
    shutil.copytree(played, folder)
    project = open_project(folder, InProcessRunner())
    audit = project.store.query("select n from settled where stratum = 'audit'")
    with pytest.raises(Refused, match="chosen by a strategy"):
        split(project, quiet, add_to_gold=True)
    result = split(project, quiet, add_to_gold=True, chosen_too=True, apply=True)
    assert result.audit == len(audit) > 0
    assert project.store.query("select n from settled where stratum = 'audit'") == audit
    assert result.stopped_teaching == result.test > 0
    project.close()


def test_what_was_left_out_is_not_split(labelled: Project) -> None:
    clean(labelled, quiet, longest=47, apply=True)
    out = labelled.store.one("select count(*) from left_out")
    result = split(labelled, quiet, apply=True)
    assert (result.records, result.left_out) == (90 - out, out)
    assert 0 < out < 90
    labelled.close()


def test_many_labels_are_even_and_rare_ones_are_counted(tmp_path: Path) -> None:
    """Of several labels a record, and of some that a single record has."""
    rng = np.random.default_rng(0)
    labels = [[f"l{label}" for label in range(40) if rng.random() < 0.3 / (1 + label)] for _ in range(2_000)]
    labels[7].append("only here")
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    rows = [{"n": n, "unit": n, "categories": names} for n, names in enumerate(labels)]
    source = tmp_path / "rows.json"
    source.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    duckdb.connect().execute(f"copy (from read_json('{source}')) to '{tmp_path / 'in' / 'records.parquet'}'")
    result = split_work(tmp_path, SplitParams((0.7, 0.09, 0.21), 5), unseen)
    assert result.sizes == (1400, 180, 420)
    for sizes in (sizes for sizes in result.counts.values() if sum(sizes) >= 40):
        assert abs(sizes[2] / sum(sizes) - 0.21) < 0.05
    assert result.uneven >= 1
    assert sum(result.counts["only here"]) == 1


@pytest.mark.usefixtures("jobs_here")
def test_the_command_writes_a_file_per_split(labelled: Project, tmp_path: Path) -> None:
    folder = labelled.folder
    labelled.close()
    assert "Nothing was changed" in rondo("--project", folder, "split", "--test", "0.2")
    out = tmp_path / "topics.jsonl"
    assert "goes with --apply" in rondo("--project", folder, "split", "--out", out, code=2)
    done = rondo("--project", folder, "split", "--train", "0.8", "--test", "0.2", "--apply", "--out", out)
    assert "Wrote 18 rows" in done
    assert {path.name for path in tmp_path.glob("topics*")} == {"topics_train.jsonl", "topics_test.jsonl"}
    rows = [json.loads(line) for line in (tmp_path / "topics_test.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter(row["label"] for row in rows) == dict.fromkeys(TOPICS, 6)
    assert set(rows[0]) == {"id", "text", "original", "label", "split"}
    assert rondo_json(folder, "status")["gold"] == 18
