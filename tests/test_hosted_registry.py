"""A model that a provider tuned is a model of the registry: listed, judged by the gate, put to use and taken out."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import Refused
from core.ids import ModelId
from core.models.artifacts import check_model
from core.models.hosted_models import hosted_in_use, hosting
from core.models.in_use import active_model
from core.pairs.pair_keys import pair_key
from core.project import Project
from core.registry.activation import promote, rollback
from core.registry.gate import gate
from core.registry.hosted_promotion import deactivate, unmeasured
from core.registry.models import model as show
from core.registry.models import models
from core.registry.removal import model_remove
from core.registry.retraining import new_labels
from core.training.hosted import hosted_models
from tests.conftest import quiet
from tests.hosted_api import TOKEN, Fault, HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture
from tests.hosted_registry import GOLD, name_of, reopen, teach, tune
from tests.hosted_registry import decided as decided  # a fixture
from tests.hosted_registry import decided_folder as decided_folder  # a fixture

pytestmark = pytest.mark.long


def test_a_tuned_model_is_an_artifact_and_a_line_of_the_registry(decided: Project, hosted_api: HostedApi) -> None:
    hosted_api.shutdown = "2027-01-14"
    before = new_labels(decided)
    tuned = tune(decided, hosted_api, note="the first")
    folder = decided.models / tuned
    assert check_model(folder)["trainer"] == "hosted"
    assert len(json.loads((folder / "training_pairs.json").read_text())) == 160
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"sony" not in written
    assert TOKEN.encode() not in written
    entry = next(one for one in models(decided, quiet).models if one.id == tuned)
    assert (entry.state, entry.trainer, entry.labels, entry.notes, entry.parent) == (
        *("challenger", "hosted", 160, "the first"),
        active_model(decided),
    )
    assert entry.hosting is not None
    assert (entry.hosting.name, entry.hosting.shutdown) == ("ft:tiny:rondo::ftjob-1", "2027-01-14")
    assert show(decided, quiet, model=tuned).training_info["base"] == "tiny"
    assert active_model(decided) != tuned
    assert new_labels(decided) == before


def test_the_gate_keeps_the_champion_where_the_hosted_model_is_worse(decided: Project, hosted_api: HostedApi) -> None:
    tuned = tune(decided, hosted_api)
    teach(decided, hosted_api, tuned, right=20)
    assert unmeasured(decided, ModelId(tuned)) == GOLD
    with pytest.raises(Refused, match=r"The gate keeps the champion. On 40 gold records .* It is worse"):
        promote(decided, quiet, model=tuned)
    assert hosted_api.count("POST /v1/chat") == GOLD
    assert hosted_in_use(decided) is None
    verdict = gate(decided, model=ModelId(tuned))
    assert verdict.champion == active_model(decided)
    assert verdict.strata[1].accuracy.second == pytest.approx(0.5)
    assert hosted_api.count("POST /v1/chat") == GOLD, "what is recorded is not asked again"


def test_it_is_asked_within_a_budget_and_what_is_no_decision_is_wrong(decided: Project, hosted_api: HostedApi) -> None:
    tuned = tune(decided, hosted_api)
    with pytest.raises(Refused, match=r"40 questions to ft:tiny.* are new, and 39 of the budget of 39"):
        promote(decided, quiet, model=tuned, budget=39)
    assert hosted_api.count("POST /v1/chat") == 0
    hosted_api.answer = "I would say so."
    with pytest.raises(Refused, match="It is worse"):
        promote(decided, quiet, model=tuned)
    assert gate(decided, model=ModelId(tuned)).strata[1].accuracy.second == 0


def test_an_outage_leaves_what_was_answered_and_promotes_nothing(decided: Project, hosted_api: HostedApi) -> None:
    tuned = tune(decided, hosted_api)
    hosted_api.faults["POST /v1/chat"] = [Fault(401)] * GOLD
    with pytest.raises(Refused, match=r"The gate needs what .* the token in RONDO_HOSTED_TOKEN was refused"):
        promote(decided, quiet, model=tuned, force=True, reason="it is good")
    assert hosted_in_use(decided) is None


def test_it_decides_until_it_is_taken_out_and_the_log_says_so(decided: Project, hosted_api: HostedApi) -> None:
    champion, tuned = active_model(decided), tune(decided, hosted_api)
    teach(decided, hosted_api, tuned)
    settings = decided.settings()
    promoted = promote(decided, quiet, model=tuned, force=True, reason="our customer wants it", user="ann")
    assert (promoted.model, promoted.before, promoted.promoted) == (tuned, champion, True)
    assert (hosted_in_use(decided), active_model(decided), decided.settings()) == (tuned, champion, settings)
    listed = models(decided, quiet)
    assert {one.id: one.state for one in listed.models} == {tuned: "deciding", champion: "champion"}
    assert listed.rollback is not None
    assert "The champion decides again" in listed.rollback.sentence
    [line] = show(decided, quiet, model=tuned).history
    assert (line.how, line.user) == ("promoted", "ann")
    with pytest.raises(Refused, match="decides for programs already"):
        promote(decided, quiet, model=tuned)
    with pytest.raises(Refused, match="rondo models deactivate"):
        model_remove(decided, quiet, models=[tuned])
    folder = decided.folder
    decided.close()
    again = reopen(folder)
    assert hosted_in_use(again) == tuned
    taken = deactivate(again, quiet, user="bob", reason="it costs too much")
    assert (taken.model, taken.champion, hosted_in_use(again)) == (tuned, champion, None)
    with pytest.raises(Refused, match="No hosted model decides"):
        deactivate(again, quiet)
    logged = again.store.query(
        "select user, what, detail->>'model' from audit_log where what in ('promote', 'deactivate') order by logged_at"
    )
    assert logged == [("ann", "promote", tuned), ("bob", "deactivate", None)]
    model_remove(again, quiet, models=[tuned])
    assert models(again, quiet).models[0].state == "removed"
    again.close()


def test_a_better_one_takes_the_place_and_rollback_undoes_one_decision_at_a_time(
    decided: Project, hosted_api: HostedApi
) -> None:
    champion = active_model(decided)
    first, second = tune(decided, hosted_api), tune(decided, hosted_api, "large")
    teach(decided, hosted_api, first, right=22)
    teach(decided, hosted_api, second)
    promote(decided, quiet, model=first, force=True, reason="for this test")
    promoted = promote(decided, quiet, model=second)
    assert promoted.gate is not None
    assert (promoted.gate.passes, promoted.gate.champion, promoted.before) == (True, first, first)
    assert promoted.rollback is not None
    assert promoted.rollback.to == first
    assert rollback(decided, quiet).model == first
    assert hosted_in_use(decided) == first
    assert rollback(decided, quiet).model == champion
    assert hosted_in_use(decided) is None
    assert rollback(decided, quiet, to=second).model == second
    with pytest.raises(Refused, match="never decided"):
        rollback(decided, quiet, to=tune(decided, hosted_api, "other"))


def test_pairs_that_it_trained_on_do_not_measure_it(decided: Project, hosted_api: HostedApi) -> None:
    tuned = tune(decided, hosted_api)
    teach(decided, hosted_api, tuned)
    promote(decided, quiet, model=tuned, force=True, reason="for this test")
    [(left, right)] = decided.store.query(
        "select fields->>'left', fields->>'right' from records join settled using (n) where stratum <> 'gold' limit 1"
    )
    assert pair_key(left, right) in json.loads((decided.models / tuned / "training_pairs.json").read_text())
    with decided.store.transaction() as cursor:
        cursor.execute(
            """update settled set stratum = 'gold' where n in (
                   select n from records where fields->>'left' = ? and fields->>'right' = ?)""",
            [left, right],
        )
        cursor.execute("insert into hosted_answers values (?, ?, null, 1.0, now())", [tuned, pair_key(left, right)])
    verdict = gate(decided, model=ModelId(tuned))
    assert (verdict.n, verdict.strata[1].unjudged) == (GOLD, 1)


def test_one_that_has_ended_is_not_put_to_use_and_one_that_ends_soon_is_warned_of(
    decided: Project, hosted_api: HostedApi
) -> None:
    today = datetime.now(UTC).date()
    hosted_api.shutdown = str(today + timedelta(days=20))
    tuned = tune(decided, hosted_api)
    [warning] = models(decided, quiet).warnings
    assert warning.endswith(f"ends on {hosted_api.shutdown}, in 20 days: rondo models rescue.")
    hosted_api.shutdown = str(today)
    hosted_models(decided, quiet)
    entry = models(decided, quiet).models[0]
    assert (entry.id, entry.state) == (tuned, "ended")
    with pytest.raises(Refused, match=f"ended on {today}"):
        promote(decided, quiet, model=tuned, force=True, reason="all the same")
    hosted_api.models.clear()
    hosted_models(decided, quiet)
    where = hosting(decided, ModelId(tuned))
    assert where is not None
    assert where.gone
    assert name_of(decided, tuned) in where.ended(today)


def test_a_damaged_artifact_is_refused(decided: Project, hosted_api: HostedApi) -> None:
    tuned = tune(decided, hosted_api)
    (Path(decided.models) / tuned / "training_pairs.json").write_text("[]")
    with pytest.raises(Exception, match="changed after it was saved"):
        promote(decided, quiet, model=tuned)
