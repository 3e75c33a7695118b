"""A hosted model that ends hands on what it knows: recorded, another trained, compared on the same pairs, switched."""

import json

import pytest

from core.errors import BadInput, Refused
from core.models.hosted_models import hosted_in_use
from core.models.in_use import active_model
from core.pairs.predict import predict_pairs
from core.pairs.recorded_answers import measuring_pairs
from core.pairs.training_examples import DIFFERENT, SAME, prompt
from core.project import Project
from core.registry.activation import promote
from core.registry.hosted_retraining import retrain_hosted
from core.registry.rescue import rescue, rescue_plan
from tests.command_line import rondo
from tests.conftest import quiet
from tests.hosted_api import Fault, HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture
from tests.hosted_registry import GOLD, name_of, teach, tune
from tests.hosted_registry import decided as decided  # a fixture
from tests.hosted_registry import decided_folder as decided_folder  # a fixture

pytestmark = pytest.mark.long


def in_use(project: Project, api: HostedApi, right: int = GOLD) -> str:
    """A hosted model that decides, right on so many of the gold pairs."""
    model = tune(project, api)
    teach(project, api, model, right=right)
    promote(project, quiet, model=model, force=True, reason="for this test")
    return model


def undecided(project: Project, count: int) -> None:
    """So many pairs lose their decisions."""
    with project.store.transaction() as cursor:
        cursor.execute(
            """create or replace temp table open_again as select n from settled where stratum <> 'gold' limit ?""",
            [count],
        )
        cursor.execute("delete from settled where n in (select n from open_again)")
        cursor.execute("delete from responses where n in (select n from open_again)")
        cursor.execute("drop table open_again")


def test_the_local_champion_takes_over_where_the_gate_finds_it_better(decided: Project, hosted_api: HostedApi) -> None:
    hosted_api.shutdown = "2027-01-14"
    old, champion = in_use(decided, hosted_api, right=20), active_model(decided)
    plan = rescue_plan(decided, quiet)
    assert (plan.model, plan.shutdown, plan.questions, plan.estimate) == (old, "2027-01-14", 0, None)
    assert [one.model for one in plan.models] == ["ft:tiny:rondo::ftjob-1"]
    result = rescue(decided, quiet, user="ann")
    assert (result.replacement, result.switched, result.requests) == (champion, True, 0)
    assert (result.measured, result.measuring) == (GOLD, GOLD)
    assert result.gate.passes
    assert f"that of {old} 4" in result.gate.sentence
    assert hosted_in_use(decided) is None
    assert "answered by the champion" in result.sentence
    assert decided.store.one("select user from audit_log where what = 'rescue'") == "ann"


def test_one_that_is_not_worse_goes_on_until_it_ends_and_then_the_champion_answers(
    decided: Project, hosted_api: HostedApi
) -> None:
    old = in_use(decided, hosted_api)
    result = rescue(decided, quiet)
    assert not result.switched
    assert "goes on deciding, for the gate does not find the champion better" in result.sentence
    assert hosted_in_use(decided) == old
    hosted_api.models.clear()
    again = rescue(decided, quiet)
    assert again.switched
    assert again.measured == GOLD, "from what was recorded"
    assert hosted_in_use(decided) is None


def test_what_must_be_paid_is_agreed_to_before(decided: Project, hosted_api: HostedApi) -> None:
    tuned = tune(decided, hosted_api)
    teach(decided, hosted_api, tuned)
    with pytest.raises(Refused, match=r"This costs money: ft:tiny\S* at \S+ is asked about 40 pairs\. Say --yes"):
        rescue(decided, quiet)
    with pytest.raises(Refused, match=r"large at .* is tuned, at most: 160 examples"):
        rescue(decided, quiet, to="hosted", provider=hosted_api.url, base="large")
    assert hosted_api.count("POST /v1/chat") == 0
    assert len(hosted_api.jobs) == 1
    with pytest.raises(Refused, match=r"40 questions .* and 5 of the budget of 5 are left.*goes on with the rest"):
        rescue(decided, quiet, yes=True, budget=5)
    result = rescue(decided, quiet, yes=True)
    assert (result.requests, result.switched) == (GOLD, False)


def test_an_outage_keeps_what_was_recorded_and_the_same_command_goes_on(
    decided: Project, hosted_api: HostedApi
) -> None:
    tuned = tune(decided, hosted_api)
    teach(decided, hosted_api, tuned)
    hosted_api.faults["POST /v1/chat"] = [Fault(401)] * 2
    with pytest.raises(Refused, match="was refused"):
        rescue(decided, quiet, yes=True)
    hosted_api.faults.clear()
    before = hosted_api.count("POST /v1/chat")
    assert rescue(decided, quiet, yes=True).measured == GOLD
    assert hosted_api.count("POST /v1/chat") <= before + GOLD


def test_another_hosted_model_is_tuned_compared_and_takes_over(decided: Project, hosted_api: HostedApi) -> None:
    undecided(decided, 30)
    old = in_use(decided, hosted_api, right=22)
    order = {"to": "hosted", "provider": hosted_api.url, "base": "large", "pool": 12}
    hosted_api.answers["ft:large:rondo::ftjob-2"] = {
        question: answer if index < 22 else answer.replace("true", "*").replace("false", "true").replace("*", "false")
        for index, (question, answer) in enumerate(hosted_api.answers[name_of(decided, old)].items())
    }
    plan = rescue_plan(decided, quiet, **order)  # type: ignore[arg-type]
    assert "is tuned, at most: 142 examples" in plan.sentence, "with what it has not been asked yet"
    asked = hosted_api.count("POST /v1/chat")
    with pytest.raises(Refused, match="has changed since it was agreed to"):
        rescue(decided, quiet, yes=True, agreed="1 example.", **order)  # type: ignore[arg-type]
    assert hosted_api.count("POST /v1/chat") == asked
    result = rescue(decided, quiet, yes=True, agreed=plan.sentence, **order)  # type: ignore[arg-type]
    assert (result.pool, result.borrowed) == (12, 12)
    assert hosted_api.uploads[1].count(b"\n") == 130 + 12
    info = json.loads((decided.models / result.replacement / "training_info.json").read_text())
    assert (info["borrowed"], info["base"]) == (12, "large")
    assert result.gate.passes
    assert result.switched
    assert hosted_in_use(decided) == result.replacement
    jobs, asked = len(hosted_api.jobs), hosted_api.count("POST /v1/chat")
    again = rescue(decided, quiet, model=old, **order)  # type: ignore[arg-type]
    assert (again.replacement, again.requests) == (result.replacement, 0)
    assert (len(hosted_api.jobs), hosted_api.count("POST /v1/chat")) == (jobs, asked), "nothing is done twice"


def test_one_that_has_gone_is_not_asked_and_a_worse_one_does_not_take_its_place(
    decided: Project, hosted_api: HostedApi
) -> None:
    old = in_use(decided, hosted_api)
    hosted_api.models.clear()
    hosted_api.answers["ft:large:rondo::ftjob-2"] = {}
    plan = rescue_plan(decided, quiet, to="hosted", provider=hosted_api.url, base="large")
    assert "is not at" in plan.ended
    assert plan.questions == 0
    result = rescue(decided, quiet, to="hosted", provider=hosted_api.url, base="large", yes=True)
    assert not result.switched
    assert "The gate does not let it in" in result.sentence
    assert hosted_in_use(decided) == old
    assert "is not at" in predict_pairs(decided, quiet, pairs=[["a", "b"]]).reason


def test_options_that_do_not_fit_are_named(decided: Project, hosted_api: HostedApi) -> None:
    with pytest.raises(Refused, match="no hosted model to rescue"):
        rescue(decided, quiet)
    tune(decided, hosted_api)
    with pytest.raises(BadInput, match="must be local or hosted"):
        rescue(decided, quiet, to="elsewhere")
    with pytest.raises(BadInput, match="--to hosted"):
        rescue(decided, quiet, base="large")
    with pytest.raises(Refused, match="is no hosted model"):
        rescue(decided, quiet, model="champion")


def test_commands_list_rescue_and_take_out(decided: Project, hosted_api: HostedApi) -> None:
    hosted_api.shutdown = "2027-01-14"
    old, home = in_use(decided, hosted_api, right=20), decided.folder
    decided.close()
    assert "deciding" in rondo("-p", home, "models", "list")
    shown = rondo("-p", home, "models", "rescue")
    assert "Recorded what ft:tiny:rondo::ftjob-1 says of 40 of 40 gold and audit pairs (0 requests now)." in shown
    assert "answered by the champion" in shown
    assert "No hosted model decides" in rondo("-p", home, "models", "deactivate", code=4)
    assert "keeps the champion" in rondo("-p", home, "models", "promote", old, code=4)
    forced = rondo("-p", home, "models", "promote", old, "--force", "--reason", "for this test", "--budget", 0)
    assert f"answered by {old}" in forced
    assert f"Back again: rondo models promote {old}" in rondo("-p", home, "models", "deactivate")
    assert f"answered by {old}" in rondo("-p", home, "models", "rollback")


def test_retraining_tunes_after_so_many_labels_and_the_gate_decides(decided: Project, hosted_api: HostedApi) -> None:
    order = {"provider": hosted_api.url, "base": "large"}
    hosted_api.steps = ("succeeded",)
    with pytest.raises(Refused, match="Say --yes"):
        retrain_hosted(decided, quiet, **order)  # type: ignore[arg-type]
    old = in_use(decided, hosted_api, right=22)
    assert (
        "0 labels have come since the last tuning; 1 are wanted"
        in retrain_hosted(
            decided,
            quiet,
            yes=True,
            **order,  # type: ignore[arg-type]
        ).sentence
    )
    with decided.store.transaction() as cursor:
        cursor.execute("update responses set received_at = now() + interval 1 minute where n < 30")
    hosted_api.answers["ft:large:rondo::ftjob-2"] = {}
    hosted_api.faults["POST /v1/chat"] = [Fault(401)] * 8
    with pytest.raises(Refused, match="The gate needs what"):
        retrain_hosted(decided, quiet, yes=True, if_new=5, **order)  # type: ignore[arg-type]
    hosted_api.faults.clear()
    kept = retrain_hosted(decided, quiet, yes=True, if_new=5, **order)  # type: ignore[arg-type]
    assert (kept.promoted, len(hosted_api.jobs)) == (False, 2), "the model that was tuned before is decided on"
    assert "The gate keeps what decides now" in kept.sentence
    assert hosted_in_use(decided) == old
    with decided.store.transaction() as cursor:
        cursor.execute("update responses set received_at = now() + interval 1 hour where n < 30")
    with decided.store.reading() as cursor:
        pairs = measuring_pairs(cursor)
    truth = dict(decided.store.query("select n, answer->>'same' = 'true' from settled"))
    hosted_api.answers["ft:large:rondo::ftjob-3"] = {
        prompt(*pair)[1].content: SAME if truth[n] else DIFFERENT
        for n, pair in zip(pairs.record_nos, pairs.pairs, strict=True)
    }
    result = retrain_hosted(decided, quiet, yes=True, if_new=5, **order)  # type: ignore[arg-type]
    assert (result.trained, result.promoted, result.new >= 5) == (True, True, True)
    assert hosted_in_use(decided) == result.model
    assert decided.store.one("select how from deciders order by since desc limit 1") == "retrained"
