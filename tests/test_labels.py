"""Labels through their changes: by two writers at once, by hand in the file, by an import, and out to a file again."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from core import loop, simulate
from core.config.settings import FILE
from core.data.file_import import import_file
from core.errors import BadInput
from core.labelling.changes import change_settings
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project, open_project
from core.reports.export import write_export
from core.reports.overview import label_counts, status
from core.reports.own_figures import own_figures
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet

Truth = dict[str, tuple[str, ...]]
ANN, BOB = Holder("ann", "tab"), Holder("bob", "tab")
NASTY = ["{active}", "{names:s.labels}", "it's", '"quoted"', "back\\slash", "naïve 標籤", "{suggested}', (select 1), '"]


def answer(project: Project, holder: Holder, record: str, action: str = "submit", label: str = "food") -> str:
    """Stores one event; returns its id."""
    eid = f"{holder.annotator}-{record}-{action}-{label}"
    labels = (label,) if action == "submit" else ()
    undoes = label if action == "undo" else None
    project.label_queue.exchange(
        holder, QueueRequest(events=(Event(eid, record, action, labels, undoes=undoes, ts=2e9),))
    )
    return eid


def exported(project: Project, folder: Path, what: str) -> list[dict[str, str]]:
    """The lines of an export."""
    write_export(project, folder / "out.jsonl", "jsonl", what)
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def reopened(project: Project) -> Project:
    """The same folder as another process would find it."""
    project.close()
    return open_project(project.folder, InProcessRunner())


def versions(project: Project) -> list[int]:
    return [version for (version,) in project.store.query("select version from taxonomies order by made_at, version")]


def test_changes_by_several_people_at_once_are_all_kept(project: Project) -> None:
    names = [f"label {number}" for number in range(8)]
    threads = [threading.Thread(target=change_settings, args=(project,), kwargs={"add_label": name}) for name in names]
    threads.append(threading.Thread(target=change_settings, args=(project,), kwargs={"batch_size": 7}))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(names) < set(project.settings().taxonomy.ids)
    assert project.settings().batch_size == 7
    assert len(versions(project)) == len(set(versions(project))) == 9


def test_retiring_what_machines_gave_ends_the_guarantee_and_its_checks(project: Project) -> None:
    with project.label_queue.changing() as cursor:
        cursor.execute(
            """insert into guarantees values ('p', now(), 'ann', 'm', 'e', 1, .9, null, .95, '{}', '{}', 2, 9,
               'in_force', null, null)"""
        )
        cursor.execute(
            "insert into machine_labels select n, ['food'], .9, .8, 'p', 'm', to_json(['food']) from range(2) t(n)"
        )
        cursor.execute(
            "insert into queue select n, 1, n, false, false, null, null, null, 'check', null from range(2) t(n)"
        )
    answer(project, ANN, "r1")
    change_settings(project, retire_label="food")
    assert project.store.query("select state, why from guarantees") == [("withdrawn", "its labels were retired")]
    assert project.store.query("select n from queue") == [(1,)], "what somebody answered stays a check"


def test_what_is_changed_while_a_file_is_read_stays(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text("text,label\nthe bus was late,traffic\n")

    def meanwhile(what: str, done: int, total: int) -> None:
        if what == "Storing" and done == 0:
            change_settings(project, rename_label=("food", "meals"))

    import_file(project, meanwhile, file=str(file), text=["text"], label="label", add_labels=True)
    assert project.settings().taxonomy.names == {
        "weather": "weather",
        "food": "meals",
        "music": "music",
        "traffic": "traffic",
    }


def test_a_change_that_fails_leaves_file_and_database_as_they_were(project: Project) -> None:
    before, known = (project.folder / FILE).read_bytes(), versions(project)

    def fail() -> None:
        with project.changing_settings() as (settings, cursor):
            cursor.execute("delete from taxonomies")
            project.save_settings(replace(settings, batch_size=7))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (project.folder / FILE).read_bytes() == before
    assert versions(project) == known
    assert project.settings().batch_size == 20


def test_labels_edited_by_hand_are_a_new_version_and_settle_again(project: Project, truth: Truth) -> None:
    loop.next_batch(project, quiet, size=12)
    simulate.answer_queued(project, truth, 12)
    path = project.folder / FILE
    text = path.read_text()
    assert 'name = "food"' in text
    path.write_text(text.replace('name = "food"', 'name = "food"\nretired = true'))
    opened = reopened(project)
    assert opened.settings().taxonomy.version == 2
    assert versions(opened) == [1, 2]
    assert opened.store.one("select count(*) from settled where list_contains(labels, 'food')") == 0
    path.write_text(text)  # as from a backup: version 1 again, but it was followed by another
    again = reopened(opened)
    assert again.settings().taxonomy.version == 3
    assert status(again).labelled == 12
    assert versions(reopened(again)) == [1, 2, 3]


def test_a_file_with_oddly_written_labels_labels_its_records(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "odd", [], multi=True)
    opened = open_project(tmp_path / "odd", InProcessRunner())
    rows = [{"text": "one", "label": "spam\t"}, {"text": "two", "label": "cafe\u0301|café| spam"}]
    (tmp_path / "odd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_file(opened, quiet, file=str(tmp_path / "odd.jsonl"), text=["text"], label="label")
    assert opened.settings().taxonomy.names == {"spam": "spam", "café": "café"}
    assert opened.store.query("select n, labels from settled order by n") == [(0, ["spam"]), (1, ["café", "spam"])]
    opened.close()


def test_a_changed_text_is_named_by_its_row_in_the_file(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text("id,text\nnew1,new\nnew1,new\nnew1,new\nr3,another text for an old id\n")
    with pytest.raises(BadInput, match=r"more\.csv, row 4.*'r3'"):
        import_file(project, quiet, file=str(file), text=["text"], id="id")


@pytest.mark.parametrize("what", ["labels", "suggestions", "responses", "all"])
def test_a_label_may_have_any_name_in_an_export(project: Project, tmp_path: Path, what: str) -> None:
    for name in NASTY:
        change_settings(project, add_label=name)
    ids = project.settings().taxonomy.ids
    records = [f"r{number}" for number in range(40) if number % 5 != 4]
    for name, record in zip(NASTY, records, strict=False):
        answer(project, ANN, record, label=ids[name])
    with project.store.transaction() as cursor:
        cursor.executemany(
            "insert into suggestions values (55, ?, 0.5, 0.5, ?, 'm', null)", [[x, [x]] for x in ids.values()]
        )
    rows = exported(project, tmp_path, what)
    named = {row["label"] for row in rows}
    assert set(NASTY) <= named or what == "all"
    if what == "all":
        assert set(NASTY) <= {row["suggestion"] for row in rows}


def test_a_retired_label_is_suggested_nowhere(project: Project, tmp_path: Path, truth: Truth) -> None:
    simulate.simulate_rounds(project, truth, simulate.Budget(1, 12, "random"), quiet)
    assert "food" in {row["label"] for row in exported(project, tmp_path, "suggestions")}
    change_settings(project, retire_label="food")
    assert {row["label"] for row in exported(project, tmp_path, "suggestions")} == {"weather", "music"}
    assert {row["suggestion"] for row in exported(project, tmp_path, "all")} == {"weather", "music", None}
    assert "food" not in {row.label for row in label_counts(project)}


def test_what_nobody_can_answer_is_not_in_the_queue(project: Project) -> None:
    change_settings(project, overlap=2)
    loop.next_batch(project, quiet, size=2, strategy="random")
    tied, skipped = [
        row[0] for row in project.store.query("select id from queue join records using (n) where not spare")
    ]
    answer(project, ANN, tied, label="food")
    answer(project, BOB, tied, label="music")
    assert (status(project).queued, status(project).tied) == (1, 1)
    answer(project, ANN, skipped, "skip")
    figures = status(project)
    assert (figures.queued, figures.skipped, figures.tied) == (0, 1, 1)
    assert figures.next.startswith("The batch is done")


def test_everything_is_never_claimed_of_less(project: Project, truth: Truth) -> None:
    simulate.simulate_rounds(project, truth, simulate.Budget(1, 48, "random"), quiet)
    assert status(project).next == "Everything is labelled: export it."
    record = project.store.one("select id from queue join records using (n)")
    eid = project.store.one("select event_id from responses join records using (n) where id = ?", [record])
    oracle = Holder("oracle", "tab")
    answer(project, oracle, record, "undo", eid)
    answer(project, oracle, record, "flag")
    assert status(project).next.startswith("All records were asked; 1 were flagged.")


def test_only_answers_that_stand_are_counted_for_a_person(project: Project) -> None:
    skip = answer(project, ANN, "r0", "skip")
    answer(project, ANN, "r0", "undo", skip)
    retained = answer(project, ANN, "r1")
    answer(project, BOB, "r1", "undo", retained)  # of another person: takes nothing back
    answer(project, ANN, "r2", "undo", retained)  # about another record: neither
    counted = [own_figures(project, name) for name in ("ann", "bob")]
    assert [(one["labelled"], one["skipped"], one["flagged"]) for one in counted] == [(1, 0, 0), (0, 0, 0)]
    assert status(project).skipped == 0


def test_a_joint_probability_is_never_shown_as_a_labels(project: Project) -> None:
    with project.store.transaction() as cursor:
        cursor.execute("insert into suggestions select n, 'food', 0.2, 0.5, ['food', 'music'], 'm', null from records")
    single = project.label_queue.exchange(ANN, QueueRequest(want=3)).cards
    assert [card.suggestion for card in single] == [{"labels": [{"id": "food", "probability": 0.2}], "model": "m"}] * 3
    path = project.folder / FILE
    path.write_text(path.read_text().replace("multi = false", "multi = true"))
    with project.label_queue.changing() as cursor:
        cursor.execute("delete from queue")
        cursor.execute("delete from leases")
    assert [card.suggestion for card in project.label_queue.exchange(BOB, QueueRequest(want=3)).cards] == [None] * 3


def test_an_answer_with_several_labels_keeps_those_that_were_not_retired(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "multi", ["rain", "cheese"], multi=True)
    opened = open_project(tmp_path / "multi", InProcessRunner())
    (tmp_path / "two.csv").write_text("id,text,label\nboth,rain on cheese,rain|cheese\none,only rain,rain\n")
    import_file(opened, quiet, file=str(tmp_path / "two.csv"), text=["text"], id="id", label="label")
    change_settings(opened, retire_label="rain")
    settled = opened.store.query("select r.id, s.labels from settled s join records r using (n)")
    assert settled == [("both", ["cheese"])]
    change_settings(opened, add_label="rain")
    assert opened.store.one("select count(*) from settled") == 2
    opened.close()
