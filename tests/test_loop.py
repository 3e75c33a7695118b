"""The loop through its verbs: import, encode, choose, answer, learn, choose again."""

from pathlib import Path

import pytest

from core import loop, simulate, verbs
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import BadInput, Refused
from core.labelling.changes import change_settings
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project
from core.reports.overview import status
from core.rounds.rechoosing import rechoose
from tests.conftest import COLUMNS, quiet, write_csv

Truth = dict[str, tuple[str, ...]]


def test_a_person_who_answers_truly_gets_a_model_that_is_scored_on_gold_and_audit(
    project: Project, truth: Truth
) -> None:
    loop.next_batch(project, quiet, size=12, seed=3)
    assert status(project).queued == 12
    simulate.answer_queued(project, truth, 12)
    result = loop.play_round(project, quiet, size=6)
    figures = status(project)
    assert figures.labelled == 12
    assert figures.queued == 6
    assert figures.round == 2
    assert result.metrics
    assert result.metrics.gold
    assert result.metrics.gold.n == 12
    assert result.metrics.gold.accuracy.value > 0.6
    assert result.metrics.gold.accuracy.low < result.metrics.gold.accuracy.value


def test_a_batch_can_be_replayed_from_its_seed(project: Project, truth: Truth) -> None:
    loop.next_batch(project, quiet, size=10, seed=5, strategy="default")
    first = project.store.one("select rows from batches")
    with project.store.transaction() as cursor:
        cursor.execute("delete from queue")
        cursor.execute("delete from batches")
    loop.next_batch(project, quiet, size=10, seed=5, strategy="default")
    assert project.store.one("select rows from batches") == first


def test_every_round_can_be_chosen_again_and_gives_the_same_records(project: Project, truth: Truth) -> None:
    simulate.simulate_rounds(project, truth, simulate.Budget(3, 8, "default"), quiet)
    for batch in (1, 2, 3):
        assert rechoose(project, quiet, batch=batch).same
    before = project.store.query("select n, batch from queue order by all")
    with project.store.transaction() as cursor:
        cursor.execute("update batches set rows = list_reverse(rows) where batch = 2")
    result = rechoose(project, quiet, batch=2)
    assert (result.same, result.other_records) == (False, 0)
    assert project.store.query("select n, batch from queue order by all") == before
    with pytest.raises(Refused, match="no round 9"):
        verbs.function_of("rechoose")(project, quiet, batch=9)


def test_audit_records_train_but_never_the_head_that_scores_them_and_never_show_a_suggestion(
    project: Project, truth: Truth
) -> None:
    change_settings(project, audit_share=0.5)
    loop.next_batch(project, quiet, size=12)
    simulate.answer_queued(project, truth, 12)
    result = loop.play_round(project, quiet, size=12)
    audits = status(project).audit
    assert result.metrics
    assert result.metrics.audit
    assert audits == result.metrics.audit.n == 6
    assert result.labels == 12
    judged = project.store.query(
        "select stratum, count(*), sum(weight) from held_out_predictions group by 1 order by 1"
    )
    assert [(stratum, count) for stratum, count, _ in judged] == [("audit", 6), ("chosen", 6), ("gold", 12)]
    assert sum(weight for *_, weight in judged) == pytest.approx(1)
    cards = project.label_queue.exchange(Holder("ana", "tab"), QueueRequest(want=12)).cards
    blind = {card.id for card in cards if card.suggestion is None}
    rows = project.store.query("select r.id from queue q join records r using (n) where q.audit and q.batch = 2")
    assert {row[0] for row in rows} & {card.id for card in cards} <= blind
    assert any(card.suggestion for card in cards)


def test_gold_records_are_never_asked(project: Project, truth: Truth) -> None:
    loop.next_batch(project, quiet, size=1000)
    queued = project.store.query("select r.split from queue q join records r using (n)")
    assert len(queued) == 48
    assert "test" not in {row[0] for row in queued}


def test_waiting_records_are_ranked_again_and_those_on_a_screen_stay(project: Project, truth: Truth) -> None:
    change_settings(project, audit_share=0.0)
    loop.next_batch(project, quiet, size=30, strategy="random")
    simulate.answer_queued(project, truth, 9)
    held = project.label_queue.exchange(Holder("ana", "tab"), QueueRequest(want=2)).cards
    before = dict(project.store.query("select n, position from queue"))
    loop.fit(project, quiet)
    after = dict(project.store.query("select n, position from queue"))
    on_screen = {row[0] for row in project.store.query("select n from leases where annotator = 'ana'")}
    assert len(on_screen) == len(held) == 2
    assert all(before[n] == after[n] for n in on_screen)
    assert before != after
    waiting = project.store.query(
        """select score from queue where not spare and n not in (select n from leases)
           and n not in (select n from settled) order by position"""
    )
    assert waiting == sorted(waiting, reverse=True)


def test_retiring_a_label_keeps_responses_and_asks_its_records_again(project: Project, truth: Truth) -> None:
    loop.next_batch(project, quiet, size=12)
    simulate.answer_queued(project, truth, 12)
    responses = project.store.one("select count(*) from responses")
    change_settings(project, retire_label="food")
    assert project.store.one("select count(*) from responses") == responses
    assert project.store.one("select count(*) from settled where list_contains(labels, 'food')") == 0
    again = project.label_queue.exchange(Holder("oracle", "replay"), QueueRequest(want=3)).cards
    assert {truth[card.id] for card in again} == {("food",)}
    change_settings(project, add_label="food")
    assert status(project).labelled == 12
    assert project.store.one("select count(*) from taxonomies") >= 3


def test_learning_without_a_label_is_refused_with_what_to_do(project: Project) -> None:
    with pytest.raises(Refused, match="no label to learn from"):
        loop.fit(project, quiet)


def test_one_label_so_far_and_a_label_nobody_used_are_no_error(project: Project) -> None:
    change_settings(project, add_label="never used")
    loop.next_batch(project, quiet, size=2, strategy="random")
    cards = project.label_queue.exchange(Holder("ana", "tab"), QueueRequest(want=2)).cards
    events = tuple(Event(f"e{card.id}", card.id, "submit", ("food",)) for card in cards)
    project.label_queue.exchange(Holder("ana", "tab"), QueueRequest(events=events))
    result = loop.play_round(project, quiet, size=3)
    assert result.queued == 3


def test_importing_the_same_file_again_changes_nothing(project: Project, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "topics.csv", 60, labelled=False)
    before = status(project)
    result = import_file(project, quiet, file=str(file), **COLUMNS)
    assert (result.added, result.known) == (0, 60)
    assert status(project) == before


def test_a_known_id_with_another_text_imports_nothing(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text("id,text\nnew1,something new\nr3,another text for an old id\n")
    with pytest.raises(BadInput, match=r"more\.csv, row 2.*'r3'"):
        import_file(project, quiet, file=str(file), text=["text"], id="id")
    assert status(project).records == 60


def test_unknown_labels_in_a_file_are_refused_unless_asked_for(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text("text,label\nthe bus was late,traffic\n")
    with pytest.raises(BadInput, match="traffic"):
        import_file(project, quiet, file=str(file), text=["text"], label="label")
    assert status(project).records == 60
    import_file(project, quiet, file=str(file), text=["text"], label="label", add_labels=True)
    assert "traffic" in status(project).labels
    assert status(project).labelled == 1


def test_labels_in_a_file_are_responses_of_an_annotator_named_after_it(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "old answers.csv"
    file.write_text("text,label\nthe bus had soup,food\n")
    import_file(project, quiet, file=str(file), text=["text"], label="label")
    rows = project.store.query("select action, labels from responses where annotator = 'old answers.csv'")
    assert rows == [("submit", ["food"])]


def test_only_what_is_new_is_encoded(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text("text\nthe tram was late\nthe train was early\n")
    import_file(project, quiet, file=str(file), text=["text"])
    assert encode(project, quiet).encoded == 2
    assert encode(project, quiet).encoded == 0


def test_the_last_records_of_a_pool_can_be_asked_and_then_there_are_none(project: Project, truth: Truth) -> None:
    points = simulate.simulate_rounds(project, truth, simulate.Budget(10, 20, "margin_kmeans"), quiet)
    assert points[-1].labels == 48
    assert status(project).next.startswith("Everything is labelled")
    with pytest.raises(Refused, match="labelled or queued already"):
        loop.next_batch(project, quiet)


def test_a_changed_strategy_name_is_refused(project: Project) -> None:
    with pytest.raises(BadInput, match="no strategy 'magic'"):
        loop.next_batch(project, quiet, strategy="magic")


def test_settings_are_read_again_when_a_person_edits_the_file(project: Project) -> None:
    path = project.folder / "rondo.toml"
    path.write_text(path.read_text().replace("batch_size = 20", "batch_size = 5"))
    assert project.settings().batch_size == 5
    assert loop.next_batch(project, quiet).queued == 5


def test_several_labels_at_once_are_trained_on_and_suggested(tmp_path: Path) -> None:
    from core.project import open_project
    from gpu_jobs.runners.local import InProcessRunner

    loop.create_project(tmp_path / "multi", ["rain", "cheese"], multi=True)  # not in the order of their ids
    opened = open_project(tmp_path / "multi", InProcessRunner())
    lines = ["text,label,split"]
    for number in range(60):
        topics = [name for name, every in (("rain", 2), ("cheese", 3)) if number % every == 0]
        split = "test" if number % 5 == 0 else ""
        supplied = "|".join(topics) if number < 40 else ""
        lines.append(f"witness {number} saw {' and '.join(topics) or 'nothing'},{supplied},{split}")
    (tmp_path / "multi.csv").write_text("\n".join(lines))
    import_file(opened, quiet, file=str(tmp_path / "multi.csv"), text=["text"], label="label", split="split")
    result = loop.play_round(opened, quiet, size=10)
    assert result.metrics
    assert result.metrics.gold
    assert result.metrics.gold.micro_f1
    assert result.metrics.gold.micro_f1.value > 0.5
    both = opened.store.one("select count(*) from suggestions where len(labels) = 2")
    none = opened.store.one("select count(*) from suggestions where label is null and len(labels) = 0")
    assert both > 0
    assert none > 0
    canonical = [("suggestions", "answer", "labels"), ("held_out_predictions", "predicted_answer", "predicted")]
    for table, answer, labels in canonical:
        assert opened.store.one(f"select count(*) from {table} where {answer} <> answer_of({labels})") == 0
    opened.close()


def test_a_folder_of_texts_needs_no_column_names(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.txt").write_text(f"letter {name}", encoding="utf-8")
    assert import_file(project, quiet, file=str(folder), text=[], id=None).added == 2
    assert import_file(project, quiet, file=str(folder), text=[], id=None).added == 0
    assert project.store.one("select count(*) from records where id = 'one.txt'") == 1


def test_a_round_says_how_many_labels_the_model_before_had(project: Project, truth: Truth) -> None:
    loop.next_batch(project, quiet, size=8, spare=0)
    simulate.answer_queued(project, truth, 8)
    first, again = loop.fit(project, quiet), loop.fit(project, quiet)
    assert (first.labels_before, first.labels) == (0, 8)
    assert (again.labels_before, again.labels) == (8, 8)
