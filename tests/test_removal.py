"""Models that were removed or lost: what stays of them, what still works, and that the advice given then helps."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.models.models import model_line
from core import loop
from core.config.settings import write_settings
from core.errors import BadInput, Damaged, Refused
from core.ids import ModelId
from core.models.encoders.encoder import OWN
from core.models.in_use import active_model
from core.models.vectors import encoder_folder
from core.project import Project
from core.registry.activation import promote, rollback
from core.registry.champions import RollbackOffer, champion_state, has_files, rollback_offer
from core.registry.models import model, models
from core.registry.removal import model_remove
from tests.conftest import quiet
from tests.registry_world import bad_head, enter, played
from tests.tiny_models import make_encoder

FORCED: dict[str, Any] = {"force": True, "reason": "for this test"}


@pytest.fixture
def two(encoded: Path, tmp_path: Path) -> Iterator[Project]:
    """Two rounds, two heads."""
    with played(encoded, tmp_path / "played") as project:
        yield project


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of 32 dimensions that nobody has taught anything."""
    return make_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


def state(project: Project, model_id: str) -> tuple[str, str]:
    """(state, line in the terminal) as the list has it."""
    result = models(project, quiet)
    [entry] = [row for row in result.models if row.id == model_id]
    return entry.state, model_line(entry)


def test_a_removed_model_leaves_its_line_and_frees_its_files_and_its_vectors(two: Project, tiny: Path) -> None:
    before, own = active_model(two), enter(two, bad_head(dims=32), encoder=tiny)
    promote(two, quiet, model=own, **FORCED)
    with pytest.raises(Refused, match="is the champion"):
        model_remove(two, quiet, models=[own])
    rollback(two, quiet)
    assert encoder_folder(two.vectors, OWN + own).is_dir()
    result = model_remove(two, quiet, models=[own[-6:]], user="ana")
    assert list(result.removed) == [own]
    assert result.bytes > 0
    assert not has_files(two, own)
    assert not encoder_folder(two.vectors, OWN + own).exists()
    assert state(two, own)[0] == "removed"
    assert ", removed 20" in state(two, own)[1]
    assert model(two, quiet, model=own).lineage["trainer"] == "encoder"
    for use in (promote, rollback):
        with pytest.raises(Refused, match=r"was removed on .*Train it again"):
            use(two, quiet, **({"to": own} if use is rollback else {"model": own, **FORCED}))
    assert model_remove(two, quiet, models=[own]).bytes == 0
    assert two.store.one("select user from audit_log where what = 'model remove' limit 1") == "ana"
    loop.fit(two, quiet)
    assert before != active_model(two)


def test_a_model_on_whose_encoder_another_works_goes_only_together_with_it(two: Project, tiny: Path) -> None:
    own = enter(two, bad_head(dims=32), encoder=tiny)
    promote(two, quiet, model=own, **FORCED)
    head = str(loop.fit(two, quiet).model)
    with pytest.raises(Refused, match="encoder in use is that of"):
        model_remove(two, quiet, models=[own])
    rollback(two, quiet)
    with pytest.raises(Refused, match=f"rondo models remove {own} {head}"):
        model_remove(two, quiet, models=[own])
    assert model_remove(two, quiet, models=[own, head]).removed == (own, head)


def test_a_model_whose_folder_somebody_deleted_is_listed_as_such_and_waits_no_more(two: Project) -> None:
    challenger = enter(two, bad_head())
    assert champion_state(two).waiting == challenger
    shutil.rmtree(two.models / challenger)
    assert state(two, challenger)[0] == "missing"
    assert "its files are gone" in state(two, challenger)[1]
    assert champion_state(two).waiting is None
    with pytest.raises(Damaged, match=r"The files of .* are gone"):
        promote(two, quiet, model=challenger, **FORCED)


def test_a_rollback_passes_over_a_champion_whose_files_are_gone(two: Project) -> None:
    rounds = active_model(two)
    first, second = enter(two, bad_head(seed=1)), enter(two, bad_head(seed=2))
    promote(two, quiet, model=first, **FORCED)
    promote(two, quiet, model=second, **FORCED)
    shutil.rmtree(two.models / first)
    assert (rollback_offer(two) or RollbackOffer(ModelId(""), "")).to == rounds
    assert rollback(two, quiet).model == rounds
    for folder in two.models.iterdir():
        shutil.rmtree(folder)
    with pytest.raises(Refused, match="files of every champion before this one are gone"):
        rollback(two, quiet)
    assert rollback_offer(two) is None
    assert loop.fit(two, quiet).labels  # what the error of a lost head says to do


@pytest.mark.parametrize("way", ["settings", "promote"])
def test_when_the_encoder_in_use_is_lost_both_ways_that_the_error_names_help(
    two: Project, tiny: Path, way: str
) -> None:
    own, other = enter(two, bad_head(dims=32), encoder=tiny), enter(two, bad_head())
    promote(two, quiet, model=own, **FORCED)
    shutil.rmtree(two.models / own)
    shutil.rmtree(two.vectors)
    with pytest.raises(BadInput, match=r"rondo models promote MODEL --force.*encoder = \"all-MiniLM-L6-v2\" under"):
        loop.next_batch(two, quiet, size=4)
    if way == "settings":
        write_settings(two.folder, replace(two.settings(), encoder="all-MiniLM-L6-v2"))
    else:
        promote(two, quiet, model=other, **FORCED)
    assert loop.next_batch(two, quiet, size=4).queued == 4
    assert loop.play_round(two, quiet, size=4).labels
