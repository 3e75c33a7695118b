"""Files that can be made again may be damaged or gone: work goes on, and what is missing is said."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import loop, verbs
from core.errors import BadInput, Damaged, Refused
from core.labelling.bulk import label_many
from core.project import Project
from core.reports.model_quality import caveats, learning_curve, prospects
from core.reports.overview import show_status
from core.rounds.rechoosing import rechoose
from tests.conftest import PlayRounds, copy_of, quiet


@pytest.fixture
def played(play_rounds: PlayRounds, tmp_path: Path) -> Iterator[Project]:
    """Three rounds, three models."""
    with copy_of(play_rounds(3, 10), tmp_path / "project") as project:
        yield project


def models(project: Project) -> list[Path]:
    """Their folders, the oldest first."""
    return [project.models / model for (model,) in project.store.query("select id from models order by made_at")]


@pytest.mark.parametrize("file", ["verdicts.safetensors", "head.safetensors", "manifest.json"])
def test_an_earlier_model_that_cannot_be_read_is_left_out_of_the_curve_and_named(played: Project, file: str) -> None:
    oldest = models(played)[0]
    (oldest / file).write_bytes(b"zz")
    loop.fit(played, quiet)
    assert learning_curve(played)[0].metrics.audit is None
    assert any(oldest.name in sentence for sentence in caveats(played))


def test_a_damaged_neighbour_graph_is_made_again(played: Project) -> None:
    [graph] = played.vectors.glob("*/graph-*.npz")
    graph.write_bytes(b"zz")
    assert loop.fit(played, quiet).labels == 30
    assert verbs.function_of("inspect")(played, quiet).labelled == 42


def test_a_damaged_learning_curve_counts_as_not_measured(played: Project) -> None:
    from core.labelling.changes import change_settings

    change_settings(played, label_cost=1.0, error_cost=9.0)
    for folder in models(played):
        (folder / "curve.json").write_text("zz")
    assert prospects(played).worth is None


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_a_round_whose_record_is_gone_or_damaged_cannot_be_chosen_again_and_that_is_reported(
    played: Project, ending: str
) -> None:
    file = played.folder / "rounds" / f"00002{ending}"
    file.write_bytes(b"zz")
    with pytest.raises(Damaged, match="cannot be chosen again"):
        rechoose(played, quiet, batch=2)
    file.unlink()
    with pytest.raises(Refused, match="was not kept"):
        rechoose(played, quiet, batch=2)


@pytest.mark.parametrize("name", ["vectors/x.csv", "models/m/manifest.json", "RONDO.TOML", "rondo.duckdb", "jobs/x"])
def test_an_export_never_writes_over_the_project(played: Project, name: str) -> None:
    with pytest.raises(BadInput, match="place of the project itself"):
        loop.export(played, quiet, out=str(played.folder / name), file_format="csv")


def test_an_export_never_replaces_a_pipe_with_a_file(played: Project, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "labels.csv.card.md")
    for name in ("pipe", "labels.csv"):
        with pytest.raises(BadInput, match="no plain file"):
            loop.export(played, quiet, out=str(tmp_path / name), file_format="csv", card=True)
    with pytest.raises(BadInput, match="NUL"):
        loop.export(played, quiet, out="a\0b", file_format="csv")


def test_a_recheck_that_outlived_its_owner_is_not_taken_in_as_a_round(played: Project) -> None:
    before = played.store.query("select batch, rows from batches order by batch")
    with played.store.transaction() as cursor:
        cursor.execute(
            "insert into jobs (id, kind, state, made_at, params) values ('j', 'rechoose', 'running', now(), '{}')"
        )
    loop.catch_up(played, quiet)
    assert played.store.query("select batch, rows from batches where batch <= 3 order by batch") == before
    assert played.store.one("select state from jobs where id = 'j'") == "lost"


def test_bulk_labels_alone_train_a_model_without_scores(project: Project) -> None:
    ns = [n for (n,) in project.store.query("select n from records where split is distinct from 'test' order by n")]
    label_many(project, ns[:6], ("food",), "ana")
    label_many(project, ns[6:12], ("music",), "ana")
    result = loop.fit(project, quiet)
    assert result.metrics
    assert result.metrics.audit is None
    assert result.metrics.gold
    assert result.metrics.gold.n == 12


def test_a_row_about_a_record_that_is_lost_does_not_keep_the_figures_away(project: Project) -> None:
    before = show_status(project, quiet)
    with project.store.transaction() as cursor:  # what a repair leaves where the records' pages were damaged
        cursor.execute("insert into left_out (n, step, reason) values (10000, 'clean', 'empty')")
    assert show_status(project, quiet).unqueued == before.unqueued
