"""Putting a model to use changes everything at once, going back restores it, and a kill leaves one of the two."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import loop, simulate, verbs
from core.auto_label.evidence import trusted_model
from core.config.settings import write_settings
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import BadInput, Damaged, Refused
from core.ids import ModelId
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.models.encoders.encoder import OWN
from core.models.encoders.loading import encoder_source
from core.models.in_use import active_model
from core.models.vectors import encoded_rows
from core.project import Project, open_project
from core.registry.activation import promote, rollback
from core.registry.champions import RollbackOffer, champion_history, champion_state, eras, rollback_offer
from core.registry.models import model, model_note, models
from core.typed_json import to_json
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import copy_of, quiet
from tests.registry_world import answers, bad_head, enter, good_head, played, stored_predictions, waiting
from tests.tiny_models import make_encoder

FORCED: dict[str, Any] = {"force": True, "reason": "for this test"}


@pytest.fixture(scope="module")
def two_played(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two") / "played"
    with played(encoded, folder) as project:
        loop.next_batch(project, quiet, size=8, spare=4)
    return folder


@pytest.fixture
def two(two_played: Path, tmp_path: Path) -> Iterator[Project]:
    """Two rounds, and a third batch of eight records that wait."""
    with copy_of(two_played, tmp_path / "played") as project:
        yield project


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of 32 dimensions that nobody has taught anything."""
    return make_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


def test_a_promotion_changes_champion_suggestions_queue_and_verdicts_at_once(two: Project) -> None:
    before, old, order = active_model(two), stored_predictions(two), waiting(two)
    challenger = enter(two, bad_head())
    result = promote(two, quiet, model=challenger, user="ana", **FORCED)
    assert (result.model, result.before, active_model(two)) == (challenger, before, challenger)
    assert stored_predictions(two) != old
    assert waiting(two) != order
    assert {model for (model,) in two.store.query("select distinct model from suggestions")} == {challenger}
    judged = two.store.query(
        "select stratum, count(*), sum(weight), any_value(model) from held_out_predictions group by 1 order by 1"
    )
    assert judged == [("audit", 16, pytest.approx(1), challenger), ("gold", 12, 0, challenger)]
    with two.store.reading() as cursor:
        assert trusted_model(two, cursor) == challenger


def test_a_rollback_restores_suggestions_verdicts_and_the_order_of_what_waits(two: Project) -> None:
    before, old, order = active_model(two), stored_predictions(two), waiting(two)
    verdicts = two.store.query("select * from held_out_predictions order by n, stratum")
    promote(two, quiet, model=enter(two, bad_head()), **FORCED)
    assert (rollback_offer(two) or RollbackOffer(ModelId(""), "")).to == before
    result = rollback(two, quiet, user="ana")
    assert (active_model(two), stored_predictions(two), waiting(two)) == (before, old, order)
    assert two.store.query("select * from held_out_predictions order by n, stratum") == verdicts
    assert result.restored > 0
    assert [row.how for row in champion_history(two)[:2]] == ["rolled back", "promoted"]


def test_after_a_rollback_answered_and_held_records_stay_as_they_are_and_the_rest_is_as_before(two: Project) -> None:
    order = waiting(two)
    promote(two, quiet, model=enter(two, bad_head()), **FORCED)
    simulate.answer_queued(two, answers(), 2)
    two.label_queue.exchange(Holder("ana", "tab"), QueueRequest(want=4))
    on_screen = {n for (n,) in two.store.query("select n from leases where annotator = 'ana'")}
    seen = {n: position for n, position in waiting(two) if n in on_screen}
    assert seen != {n: position for n, position in order if n in on_screen}
    rollback(two, quiet)
    assert seen == {n: position for n, position in waiting(two) if n in on_screen}
    left = [n for n, _ in waiting(two) if n not in on_screen]
    assert len(left) == len(order) - 6
    assert left == [n for n, _ in order if n in left]


def test_a_rollback_undoes_decisions_one_by_one_and_can_name_any_former_champion(two: Project) -> None:
    rounds = active_model(two)
    first, second = enter(two, bad_head(seed=1)), enter(two, bad_head(seed=2))
    for challenger in (first, second):
        promote(two, quiet, model=challenger, **FORCED)
    loop.fit(two, quiet)
    assert len(eras(two)) == 3
    assert rollback(two, quiet).model == first
    assert rollback(two, quiet).model == rounds
    assert rollback(two, quiet, to=second).model == second
    with pytest.raises(Refused, match="never champion"):
        rollback(two, quiet, to=enter(two, bad_head()))


def test_without_a_decision_a_rollback_goes_one_round_back_and_then_no_further(two: Project) -> None:
    heads = [row.model for row in champion_history(two)][::-1]
    assert rollback(two, quiet).model == heads[0]
    with pytest.raises(Refused, match="no champion to go back to"):
        rollback(two, quiet)


def test_the_loop_goes_on_with_the_vectors_of_a_promoted_encoder_and_comes_back(two: Project, tiny: Path) -> None:
    before, old = active_model(two), stored_predictions(two)
    challenger = enter(two, bad_head(dims=32), encoder=tiny)
    promote(two, quiet, model=challenger, **FORCED)
    assert two.settings().encoder == OWN + challenger
    assert encoded_rows(two.vectors, OWN + challenger) == encoded_rows(two.vectors, "all-MiniLM-L6-v2") == 60
    simulate.answer_queued(two, answers(), 8)
    result = loop.play_round(two, quiet, size=4)
    [row] = two.store.query("select encoder, parent, trainer from models where id = ?", [result.model])
    assert row == (OWN + challenger, challenger, None)
    assert active_model(two) == result.model
    assert result.metrics
    assert result.metrics.audit
    assert result.metrics.audit.n == two.store.one("select count(*) from settled where stratum = 'audit'")
    strata = two.store.query("select distinct stratum from held_out_predictions order by 1")
    assert strata == [("audit",), ("gold",)]  # the encoder may have learnt from the chosen ones
    rollback(two, quiet)
    assert (active_model(two), two.settings().encoder) == (before, "all-MiniLM-L6-v2")
    assert stored_predictions(two) == old
    assert (loop.fit(two, quiet).labels or 0) > (result.labels_before or 0)


def test_a_project_can_be_moved_with_the_encoder_that_it_uses(two: Project, tiny: Path, tmp_path: Path) -> None:
    challenger = enter(two, bad_head(dims=32), encoder=tiny)
    promote(two, quiet, model=challenger, **FORCED)
    two.close()
    two.folder.rename(tmp_path / "elsewhere")
    moved = open_project(tmp_path / "elsewhere", InProcessRunner())
    file = tmp_path / "more.csv"
    file.write_text("text\nThe storm came before the soup.\n")
    import_file(moved, quiet, file=str(file), text=["text"])
    assert encode(moved, quiet).encoded == 1
    assert str(tmp_path) not in (moved.folder / "rondo.toml").read_text()
    shutil.rmtree(moved.models / challenger / "encoder")
    with pytest.raises(BadInput, match="is missing"):
        encoder_source(moved.models, moved.settings().encoder)
    moved.close()


def test_an_encoder_that_was_changed_since_encodes_no_new_record(two: Project, tiny: Path) -> None:
    model_id = enter(two, bad_head(32), encoder=tiny)
    promote(two, quiet, model=model_id, **FORCED)
    settings = two.models / model_id / "encoder" / "config.json"
    settings.write_text(settings.read_text() + " ")
    assert encode(two, quiet).encoded == 0  # nothing to encode, so nothing is loaded
    file = two.folder.parent / "more.csv"
    file.write_text("text\nOne more about the rain.\n", encoding="utf-8")
    import_file(two, quiet, file=str(file), text=["text"])
    with pytest.raises(Damaged, match="changed after it was saved"):
        encode(two, quiet)
    assert encoded_rows(two.vectors, OWN + model_id) < two.store.one("select count(*) from records")


def test_records_imported_after_a_promotion_are_encoded_before_a_rollback_scores_them(
    two: Project, tiny: Path, tmp_path: Path
) -> None:
    promote(two, quiet, model=enter(two, bad_head(dims=32), encoder=tiny), **FORCED)
    file = tmp_path / "more.csv"
    file.write_text("text\nThe storm came before the soup.\n")
    import_file(two, quiet, file=str(file), text=["text"])
    rollback(two, quiet)
    assert two.store.one("select count(*) from suggestions") == 61


def test_a_guarantee_about_machine_labels_outlives_its_model_and_the_promotion_says_so(two: Project) -> None:
    before = active_model(two)
    with two.store.transaction() as cursor:
        cursor.execute(
            """insert into guarantees values ('p', now(), 'ana', ?, 'all-MiniLM-L6-v2', 1, 0.9, null, 0.95, '{}', '{}',
               1, 10, 'in_force', null, null)""",
            [before],
        )
        cursor.execute(
            "insert into machine_labels values (50, ['food'], 0.99, 0.9, 'p', ?, to_json(['food']))", [before]
        )
    result = promote(two, quiet, model=enter(two, bad_head()), **FORCED)
    assert result.guarantee is not None
    assert result.guarantee.labels == 1
    assert f"machine labels of {before} stay" in result.sentence
    assert two.store.query("select state from guarantees") == [("in_force",)]
    assert two.store.one("select count(*) from machine_labels") == 1


def test_a_promotion_that_was_killed_behind_the_settings_file_leaves_the_old_champion_whole(
    two: Project, tiny: Path
) -> None:
    before, old = active_model(two), stored_predictions(two)
    challenger = enter(two, bad_head(dims=32), encoder=tiny)
    params = {"encoder": OWN + challenger, "before": two.settings().encoder}
    with two.store.transaction() as cursor:
        cursor.execute(
            "insert into jobs (id, kind, state, made_at, params) values ('a', 'activate', 'running', now(), ?)",
            [json.dumps(params)],
        )
    write_settings(two.folder, replace(two.settings(), encoder=OWN + challenger))
    two.close()
    again = open_project(two.folder, InProcessRunner())
    assert again.settings().encoder == "all-MiniLM-L6-v2"
    assert (active_model(again), stored_predictions(again)) == (before, old)
    again.close()
    write_settings(two.folder, replace(again.settings(), encoder=OWN + challenger))  # a person's own wish, not undone
    once_more = open_project(two.folder, InProcessRunner())
    assert once_more.settings().encoder == OWN + challenger
    once_more.close()


_KILLED = """
import sys, threading
from pathlib import Path
from core.project import open_project
from core.registry.activation import promote
from gpu_jobs.runners.local import InProcessRunner
project = open_project(Path(sys.argv[1]), InProcessRunner())
print("open", flush=True)
promote(project, lambda *_: None, model=sys.argv[2], force=True, reason="to be killed")
print("done", flush=True)
"""


@pytest.mark.parametrize("seconds", [0.2, 0.5])
def test_a_killed_promotion_leaves_the_old_champion_or_the_new_one(two: Project, seconds: float) -> None:
    before, old = active_model(two), stored_predictions(two)
    challenger = enter(two, bad_head())
    two.close()
    child = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(two.folder), challenger],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(seconds)
    child.kill()
    child.communicate()
    again = open_project(two.folder, InProcessRunner())
    now, kinds = active_model(again), {row[-1] for row in stored_predictions(again)}
    assert (now, kinds) in [(before, {before}), (challenger, {challenger})]
    assert now == challenger or stored_predictions(again) == old
    assert again.store.one("select any_value(model) from held_out_predictions") == now
    again.close()


def test_the_list_says_who_is_champion_who_was_and_who_wants_to_be(two: Project) -> None:
    heads = [row.model for row in champion_history(two)]
    challenger, headless = enter(two, bad_head(seed=1)), enter(two, bad_head(seed=2))
    with two.store.transaction() as cursor:
        cursor.execute("update models set encoder = '', trainer = 'zeroshot' where id = ?", [headless])
    with pytest.raises(Refused):
        promote(two, quiet, model=challenger)
    result = models(two, quiet)
    states = {row.id: row.state for row in result.models}
    assert states == {heads[0]: "champion", heads[1]: "former", challenger: "challenger", headless: "evaluate-only"}
    assert result.champion == heads[0]
    [row] = [row for row in result.models if row.id == challenger]
    assert row.gate is not None
    assert row.gate.passes is False
    assert (champion_state(two).champion, champion_state(two).waiting) == (heads[0], challenger)
    json.dumps(to_json(result))
    verbs.function_of("status")(two, quiet)


def test_a_model_tells_what_it_came_from(two: Project) -> None:
    champion = active_model(two) or ""
    result = model(two, quiet, model="champion")
    lineage = result.lineage
    assert (lineage["labels learnt from"], lineage["taxonomy version"], lineage["job"]) == (32, 1, champion)
    assert lineage["responses there were"] == two.store.one("select count(*) from responses")
    assert len(str(lineage["input hash"])) == 64
    assert len(str(lineage["encoder fingerprint"])) == 16
    assert lineage["champion when it was made"] == champion_history(two)[1].model
    assert "head.safetensors" in result.artifact
    assert [row.how for row in result.history] == ["round"]
    model_note(two, quiet, model="champion", text=" after the second batch ")
    assert model(two, quiet, model=champion).notes == "after the second batch"
    trained = model(two, quiet, model=enter(two, good_head(two)))
    assert trained.training_info["seed"] == 3
    json.dumps(to_json([result, trained]))
