"""Records out to a real Argilla and answers back: nothing is sent twice, lost, doubled, or leant on where it judges."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from annotation.home import team_folder
from core import loop
from core.data.file_import import import_file
from core.erasure.erase import erase
from core.errors import Refused
from core.exchange.exchange_state import read_exchange
from core.exchange.pull import Synced
from core.exchange.pull import sync as sync_now
from core.exchange.push import Pushed
from core.exchange.push import push as push_now
from core.exchange.workspace import LAST
from core.explore.record_detail import record_detail
from core.labelling.changes import change_settings
from core.labelling.corrections import correct
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.reviews import queue_for_review
from core.project import Project
from tests.argilla_server import ArgillaServer
from tests.conftest import quiet
from tests.exchange_world import Team, answers_in_force, dataset_of, line_to, where


@pytest.fixture
def team(argilla: ArgillaServer, project: Project) -> Iterator[Team]:
    """A workspace that the project fills; 20 records wait, 4 of them for the audit."""
    made = Team(argilla)
    made.join(project)
    loop.next_batch(project, quiet, size=20, audit_share=0.2)
    yield made
    made.close()


def suggest(project: Project, label: str = "food", model: str = "m1") -> None:
    """As a round does: every queued record gets a suggestion, those for the audit too."""
    with project.label_queue.changing() as cursor:
        cursor.execute("update queue set suggestion = ?, model = ?", [json.dumps([[label, 0.75]]), model])


def push(project: Project) -> Pushed:
    return push_now(project, quiet)


def sync(project: Project) -> Synced:
    return sync_now(project, quiet)


def audited(project: Project) -> set[str]:
    """Of what stands there the records that the audit drew."""
    rows = project.store.query("select id from queue join records using (n) where audit")
    return {id for (id,) in rows} & set(where(project))


def test_a_push_brings_the_queue_with_suggestions_but_for_the_audit(team: Team, project: Project) -> None:
    suggest(project)
    result = push(project)
    there = team.records(dataset_of(project))
    assert result.sent == len(there) == 20
    assert {one["external_id"] for one in there if not one["suggestions"]} == audited(project)
    shown = next(one for one in there if one["suggestions"])
    (suggestion,) = shown["suggestions"]
    assert (suggestion["value"], suggestion["score"], suggestion["agent"]) == ("food", 0.75, "m1")
    assert shown["fields"]["text"].startswith("The ")
    assert shown["metadata"]["queue_rank"] == 0


def test_a_second_push_sends_nothing(team: Team, project: Project) -> None:
    push(project)
    result = push(project)
    assert (result.sent, result.unchanged) == (0, 20)


def test_a_change_is_sent_and_erases_nothing_that_others_wrote(team: Team, project: Project) -> None:
    push(project)
    record = next(iter(where(project).values()))
    theirs = {**team.record(record)["metadata"], "reviewed_by": "the legal team"}
    assert team.owner.patch(f"/records/{record}", json={"metadata": theirs}).is_success
    suggest(project)
    assert push(project).sent == 16  # the audit's have no suggestion, so they did not change
    assert team.record(record)["metadata"] == theirs
    assert len(team.records(dataset_of(project))) == 20


def test_a_bad_record_is_reported_and_keeps_no_other_out(team: Team, project: Project) -> None:
    suggest(project)
    bad = project.store.one("select n from queue where not audit order by position limit 1")
    with project.label_queue.changing() as cursor:
        cursor.execute("update queue set suggestion = ? where n = ?", [json.dumps([["food", 7.5]]), bad])
    result = push(project)
    assert result.sent == 19
    assert list(result.bad) == [project.store.one("select id from records where n = ?", [bad])]
    assert push(project).sent == 0
    suggest(project)
    assert push(project).sent == 1


def test_suggestions_are_taken_away_where_they_may_no_longer_be_shown(team: Team, project: Project) -> None:
    suggest(project)
    push(project)
    change_settings(project, show_suggestions=False)
    push(project)
    assert not any(one["suggestions"] for one in team.records(dataset_of(project)))


def test_an_answer_that_ever_could_lean_on_a_suggestion_never_counts_as_blind(team: Team, project: Project) -> None:
    (user,) = team.add("ann")
    suggest(project)
    push(project)
    change_settings(project, show_suggestions=False)
    push(project)
    for record in where(project).values():
        team.answer(user, record, ["food"])
    sync(project)
    strata = project.store.query("select r.id, stratum from settled join records r using (n) where stratum <> 'gold'")
    assert {record for record, stratum in strata if stratum == "audit"} == audited(project)
    assert len(strata) == 20


def test_answers_notes_and_skips_come_back_and_are_people_s(team: Team, project: Project) -> None:
    (user,) = team.add("ann")
    push(project)
    first, second, third = list(where(project))[:3]
    remote_ids = where(project)
    team.answer(user, remote_ids[first], ["food"], "a doubt")
    team.answer(user, remote_ids[second], ["food"], "unreadable", status="discarded")
    team.answer(user, remote_ids[third], ["food"], status="draft")
    assert sync(project) == Synced(records=20, stored=2, refused=0)
    assert answers_in_force(project) == {
        (first, user): ("submit", ("food",), "a doubt"),
        (second, user): ("skip", (), "unreadable"),
    }
    assert record_detail(project, first).answers[0].how == "in Argilla"
    assert sync(project).stored == 0
    exchange = read_exchange(project)
    assert (exchange.pushed, exchange.answered, exchange.people, exchange.error_message) == (20, 2, 1, None)


def test_an_edit_a_draft_and_a_deletion_are_followed(team: Team, project: Project) -> None:
    (user,) = team.add("ann")
    push(project)
    first, second, third = list(where(project))[:3]
    remote_ids = where(project)
    for record in (first, second, third):
        team.answer(user, remote_ids[record], ["food"])
    sync(project)
    team.answer(user, remote_ids[first], ["music"])
    team.answer(user, remote_ids[second], ["food"], status="draft")
    team.take_back(user, remote_ids[third])
    sync(project)
    assert answers_in_force(project) == {(first, user): ("submit", ("music",), None)}
    team.answer(user, remote_ids[second], ["food"])
    sync(project)
    assert answers_in_force(project)[(second, user)] == ("submit", ("food",), None)


def test_going_back_to_an_earlier_answer_is_an_event_of_its_own(team: Team, project: Project) -> None:
    (user,) = team.add("ann")
    push(project)
    record, remote_id = next(iter(where(project).items()))
    for label in ("food", "music", "food"):
        team.answer(user, remote_id, [label])
        sync(project)
    assert answers_in_force(project)[(record, user)] == ("submit", ("food",), None)
    assert project.store.one("select count(*) from responses where source = 'argilla'") == 3


def test_a_record_that_argilla_answered_is_not_handed_out_here(team: Team, project: Project) -> None:
    (user,) = team.add("ann")
    push(project)
    remote_ids = where(project)
    answered = list(remote_ids)[:5]
    for record in answered:
        team.answer(user, remote_ids[record], ["food"])
    sync(project)
    cards = project.label_queue.exchange(Holder("bob", "1"), QueueRequest(want=50)).cards
    assert not {card.id for card in cards} & set(answered)


def test_what_was_answered_here_goes_last_there_and_is_marked(team: Team, project: Project) -> None:
    push(project)
    record, remote_id = next(iter(where(project).items()))
    event = Event("e1", record, "submit", ("food",))
    project.label_queue.exchange(Holder("bob", "1"), QueueRequest(events=(event,)))
    push(project)
    metadata = team.record(remote_id)["metadata"]
    assert (metadata["queue_rank"], metadata["rondo_state"]) == (LAST, "answered in Rondo")


def test_an_answer_taken_back_here_stays_taken_back_until_it_is_changed_there(team: Team, project: Project) -> None:
    (user,) = team.add("ann")
    push(project)
    record, remote_id = next(iter(where(project).items()))
    team.answer(user, remote_id, ["food"])
    sync(project)
    value = project.store.one("select event_id from responses where annotator = ?", [user])
    undo = Event("u1", record, "undo", undoes=value)
    project.label_queue.exchange(Holder(user, "1"), QueueRequest(events=(undo,)))
    sync(project)
    assert answers_in_force(project) == {}
    team.answer(user, remote_id, ["music"])
    sync(project)
    assert answers_in_force(project)[(record, user)] == ("submit", ("music",), None)


def test_a_correction_here_outlasts_a_sync(team: Team, project: Project) -> None:
    (user,) = team.add("ann")
    push(project)
    record, remote_id = next(iter(where(project).items()))
    team.answer(user, remote_id, ["food"])
    sync(project)
    correct(project, record, ["music"], "boss")
    sync(project)
    assert record_detail(project, record).answer == ["music"]


def test_a_review_is_not_sent_there(team: Team, project: Project) -> None:
    push(project)
    n = project.store.one("select min(n) from settled")
    queue_for_review(project, [n], "boss")
    assert push(project).sent == 0


def test_an_external_server_is_recognised_by_its_link(argilla: ArgillaServer, project: Project) -> None:
    team = Team(argilla, embedded=False)
    team.join(project)
    loop.next_batch(project, quiet, size=10)
    change_settings(project, team_url=argilla.url)
    assert "sort=metadata.queue_rank.asc" in str(push(project).url)
    assert any("sorts them" in sentence for sentence in read_exchange(project).details)
    team.close()


def test_a_renamed_label_keeps_the_dataset(team: Team, project: Project) -> None:
    push(project)
    before = dataset_of(project)
    change_settings(project, rename_label=("food", "Meals"), guidelines="Look twice.", overlap=2)
    assert push(project).replaced is None
    assert dataset_of(project) == before
    items = team.owner.get(f"/datasets/{before}/questions").json()["items"]
    assert "Meals" in [option["text"] for option in items[0]["settings"]["options"]]
    dataset = team.owner.get(f"/datasets/{before}").json()
    assert (dataset["guidelines"], dataset["distribution"]["min_submitted"]) == ("Look twice.", 2)


def test_a_new_label_makes_a_dataset_with_everything_of_the_old_one(team: Team, project: Project) -> None:
    ann, bob, cyd = team.add("ann", "bob", "cyd")
    suggest(project)
    push(project)
    old, remote_ids = dataset_of(project), where(project)
    first, second, third, late = [record for record in remote_ids if record not in audited(project)][:4]
    team.answer(ann, remote_ids[first], ["food"], "why not")
    team.answer(bob, remote_ids[second], ["music"], status="draft")
    team.answer(cyd, remote_ids[third], ["music"], status="discarded")
    sync(project)
    assert team.owner.patch(f"/records/{remote_ids[first]}", json={"metadata": {"ours": "kept"}}).is_success
    change_settings(project, add_label="sport")
    assert read_exchange(project).outdated
    assert push(project).replaced
    new = {one["external_id"]: one for one in team.records(dataset_of(project))}
    assert dataset_of(project) != old
    assert set(new) == set(remote_ids)
    assert {one["status"] for record in (first, second, third) for one in new[record]["responses"]} == {
        *("submitted", "draft", "discarded")
    }
    assert new[first]["metadata"]["ours"] == "kept"
    assert new[late]["suggestions"]
    assert team.owner.get(f"/datasets/{old}").json()["name"].count("replaced")
    before = answers_in_force(project)
    assert sync(project).stored == 0
    team.answer(ann, remote_ids[late], ["weather"])  # in the old one, whose page was still open
    team.take_back(ann, where(project)[first])
    sync(project)
    before[(late, ann)] = ("submit", ("weather",), None)
    del before[(first, ann)]
    assert answers_in_force(project) == before
    assert read_exchange(project).replaced


def test_answers_with_a_retired_label_stand_and_the_record_is_asked_again(team: Team, project: Project) -> None:
    (user,) = team.add("ann")
    push(project)
    record, remote_id = next(iter(where(project).items()))
    team.answer(user, remote_id, ["food"])
    sync(project)
    change_settings(project, add_label="sport")
    change_settings(project, retire_label="food")
    push(project)
    sync(project)
    assert answers_in_force(project)[(record, user)] == ("submit", ("food",), None)
    assert team.record(where(project)[record])["responses"] == []


def test_a_dataset_deleted_there_takes_no_answer_with_it(team: Team, project: Project) -> None:
    (user,) = team.add("ann")
    push(project)
    record, remote_id = next(iter(where(project).items()))
    team.answer(user, remote_id, ["food"])
    sync(project)
    assert team.owner.delete(f"/datasets/{dataset_of(project)}").is_success
    sync(project)
    assert answers_in_force(project)[(record, user)] == ("submit", ("food",), None)
    assert read_exchange(project).gone
    push(project)
    assert record not in where(project)


def test_a_line_cut_at_any_byte_of_a_push_leaves_nothing_twice(argilla: ArgillaServer, project: Project) -> None:
    with line_to(argilla.url) as line:
        team = Team(argilla, url=line.url)
        team.join(project)
        loop.next_batch(project, quiet, size=20)
        for left in (300, 1_500, 3_000, 6_000, 9_000, 20_000):
            line.left = left
            with suppress(Refused):
                push(project)
        line.left = None
        push(project)
        assert project.team.error_message is None
        datasets = team.owner.get("/me/datasets", params={"workspace_id": team.connect()._workspace}).json()["items"]
        assert len(datasets) == 1
        assert sorted(one["external_id"] for one in team.records(dataset_of(project))) == sorted(where(project))
        assert len(where(project)) == 20
        team.close()


def test_several_labels_may_hold_and_none_is_an_option(argilla: ArgillaServer, project: Project) -> None:
    with project.changing_settings() as (settings, _):
        project.save_settings(replace(settings, multi=True))
    project.label_queue.reload()
    team = Team(argilla)
    team.join(project)
    (user,) = team.add("ann")
    loop.next_batch(project, quiet, size=10)
    push(project)
    (first, one), (second, two) = list(where(project).items())[:2]
    team.answer(user, one, ["music", "food"], multi=True)
    team.answer(user, two, ["(none)"], multi=True)
    sync(project)
    assert answers_in_force(project) == {
        (first, user): ("submit", ("food", "music"), None),
        (second, user): ("submit", (), None),
    }
    team.close()


def test_a_record_that_is_erased_is_in_no_file_of_argilla_and_the_others_stay(
    team: Team, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "one.csv").write_text("id,text\nmrs,Mrs Zyxwvutsrq of Elm Street\n", encoding="utf-8")
    import_file(project, quiet, file=str(tmp_path / "one.csv"), text=["text"], id="id")
    loop.next_batch(project, quiet, size=60)
    push(project)
    home = team_folder(team.server.project)
    record, there = where(project)["mrs"], len(team.records(dataset_of(project)))
    assert erase(project, quiet, record=["mrs"], sure=True).argilla == 1
    assert "mrs" not in where(project)
    assert not team.owner.get(f"/records/{record}").is_success
    assert len(team.records(dataset_of(project))) == there - 1
    assert not [path.name for path in home.glob("*.db*") if b"yxwvutsrq" in path.read_bytes().lower()]
    assert push(project).sent == 0
