"""Steps of the labels over real answers: what they touch is said before, no answer is rewritten, all can be undone."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from core import loop, simulate
from core.config.taxonomy_steps import TEMPLATES, LabelDraft, load_taxonomies
from core.errors import BadInput, Refused
from core.exchange.datasets import EARLIER, required_setup
from core.exchange.outgoing import plan_push, read_outgoing
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.taxonomy_changes import (
    STEPS,
    TaxonomyChange,
    taxonomy_diff,
    taxonomy_list,
)
from core.models.in_use import active_model
from core.project import Project, open_project
from core.reports.export import write_export
from gpu_jobs.runners.local import InProcessRunner
from tests.command_line import rondo, rondo_json
from tests.conftest import quiet

Truth = dict[str, tuple[str, ...]]
SETTLED = "select n, labels from settled order by n"
RESPONSES = "select * from responses order by stamp"
SIDE = """
[[taxonomy.labels]]
id = "sound"
name = "sound"
taxonomy = "senses"
maps_to = ["music"]
[[taxonomy.labels]]
id = "rest"
name = "rest"
taxonomy = "senses"
description = "what is not heard"
"""


@pytest.fixture
def answered(project: Project, truth: Truth) -> Project:
    """Twelve people's answers beside the twelve gold ones."""
    loop.next_batch(project, quiet, size=12)
    simulate.answer_queued(project, truth, 12)
    return project


def step(project: Project, name: str, /, **options: object) -> TaxonomyChange:
    return STEPS[name](project, quiet, **options)


def settled_as(project: Project, label: str) -> list[int]:
    return [n for n, labels in project.store.query(SETTLED) if labels == [label]]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("add", {"name": "news", "under": "music"}),
        ("rename", {"label": "food", "name": "meals"}),
        ("retire", {"label": "food"}),
        ("merge", {"labels": ["food", "music"], "into": "weather"}),
        ("split", {"label": "food", "into": ["sweet", "salty"]}),
        ("move", {"label": "food", "under": "music"}),
        ("describe", {"label": "food", "description": "what is eaten", "examples": ["bread"], "colour": "#112233"}),
        ("arrange", {"labels": [LabelDraft("music", "what is heard", "#00ff00"), LabelDraft("food", parent="music")]}),
        ("load", {"source": "folders"}),
    ],
)
def test_a_step_says_before_what_it_touches_rewrites_nothing_and_is_taken_back(
    answered: Project, name: str, options: dict[str, object]
) -> None:
    before, settled, responses = answered.settings(), answered.store.query(SETTLED), answered.store.query(RESPONSES)
    preview = step(answered, name, **options, preview=True)
    assert not preview.applied
    assert answered.settings() == before
    assert answered.store.query(SETTLED) == settled
    done = step(answered, name, **options)
    assert done.applied
    assert (done.changes, done.touched, done.records) == (preview.changes, preview.touched, preview.records)
    changed = {n for n, labels in settled if (n, labels) not in answered.store.query(SETTLED)}
    assert len(changed) == done.records
    assert answered.store.query(RESPONSES) == responses
    assert step(answered, "undo").applied
    assert answered.settings().taxonomy.labels == before.taxonomy.labels
    assert answered.store.query(SETTLED) == settled


def test_merged_labels_count_as_one_and_a_chain_of_merges_ends_at_its_end(answered: Project) -> None:
    food, music = settled_as(answered, "food"), settled_as(answered, "music")
    step(answered, "merge", labels=["food"], into="music")
    assert settled_as(answered, "music") == sorted(food + music)
    step(answered, "merge", labels=["music"], into="weather")
    assert len(settled_as(answered, "weather")) == len(answered.store.query(SETTLED)) == 24
    with pytest.raises(BadInput, match="'music' is retired"):
        step(answered, "merge", labels=["weather"], into="music")
    step(answered, "add", name="food")
    assert settled_as(answered, "food") == food, "brought back it has its own answers again"


def test_steps_are_taken_back_one_after_the_other_and_new_ones_after_that(answered: Project) -> None:
    def names() -> list[str]:
        return [label.name for label in answered.settings().taxonomy.active]

    for name in ("one", "two"):
        step(answered, "add", name=name)
    step(answered, "undo")
    assert names() == ["weather", "food", "music", "one"]
    step(answered, "add", name="three")
    step(answered, "undo")
    assert names() == ["weather", "food", "music", "one"]
    step(answered, "undo")
    assert names() == ["weather", "food", "music"]
    with pytest.raises(Refused, match="no earlier version"):
        step(answered, "undo")


def test_a_label_that_was_given_since_is_retired_by_an_undo_and_its_answers_stay(answered: Project) -> None:
    step(answered, "add", name="news")
    event = Event("e", "r40", "submit", ("news",), ts=2e9)
    answered.label_queue.exchange(Holder("ann", "tab"), QueueRequest(events=(event,)))
    step(answered, "undo")
    assert answered.settings().taxonomy.by_id["news"].retired
    assert answered.store.one("select count(*) from responses where list_contains(labels, 'news')") == 1


def test_split_records_are_asked_again_with_the_old_label_as_a_hint(answered: Project) -> None:
    food = settled_as(answered, "food")
    gold = [n for (n,) in answered.store.query("select n from records where split = 'test'")]
    split = step(answered, "split", label="food", into=["sweet", "salty"])
    assert not set(food) & {n for n, _ in answered.store.query(SETTLED)}
    people = {n for n in food if n not in gold}
    reply = answered.label_queue.exchange(Holder("oracle", "tab"), QueueRequest(want=40))
    hints = {card.id: card.suggestion for card in reply.cards if card.suggestion}
    blind = {f"r{n}" for (n,) in answered.store.query("select n from queue where audit")}
    assert hints.keys() == {f"r{n}" for n in people} - blind
    assert split.queued == len(hints)
    assert {card.id for card in reply.cards[: len(hints)]} == hints.keys(), "they come before the batch"
    assert next(iter(hints.values())) == {
        "labels": [{"id": "sweet", "probability": None}, {"id": "salty", "probability": None}],
        "was": "food",
        "model": "an earlier answer",
    }


def test_another_taxonomy_over_the_same_records_keeps_the_answers_of_both(answered: Project, tmp_path: Path) -> None:
    (tmp_path / "side.toml").write_text(SIDE)
    step(answered, "load", source=str(tmp_path / "side.toml"))
    before = answered.store.query(SETTLED)
    assert taxonomy_diff(answered, quiet, target="senses").records == len(before)
    step(answered, "use", name="senses")
    assert answered.store.query(SETTLED) == []
    assert [label.name for label in answered.settings().taxonomy.active] == ["sound", "rest"]
    event = Event("e", "r1", "submit", ("rest",), ts=2e9)
    answered.label_queue.exchange(Holder("ann", "tab"), QueueRequest(events=(event,)))
    step(answered, "map", label="main:music", to=["sound"])
    assert answered.store.query(SETTLED) == [(1, ["rest"])], "a mapping alone is a hint"
    step(answered, "migrate", source="main")
    sounds = settled_as(answered, "sound")
    assert sounds == [n for n, labels in before if labels == ["music"] and n != 1]
    write_export(answered, tmp_path / "out.csv", "csv", "labels")
    assert (tmp_path / "out.csv").read_text().count(",sound,") == len(sounds)
    step(answered, "use", name="main")
    assert [row for row in answered.store.query(SETTLED) if row[0] != 1] == [row for row in before if row[0] != 1]
    listed = taxonomy_list(answered, quiet)
    assert [(one.name, one.in_use) for one in listed.taxonomies] == [("main", True), ("senses", False)]
    assert [one.answers for one in listed.taxonomies[1].labels] == [0, 1]
    assert listed.taxonomies[0].labels[2].counts_as == ("senses:sound",)
    again = reopened(answered)
    assert again.settings().taxonomy.version == listed.version
    again.close()


def reopened(project: Project) -> Project:
    project.close()
    return open_project(project.folder, InProcessRunner())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("use", {"name": "v9"}, "no taxonomy 'v9'; there are main"),
        ("rename", {"label": "fod", "name": "x"}, "no label 'fod'; there are weather, food, music"),
        ("merge", {"labels": ["food"], "into": "food"}, "merged into itself"),
        ("split", {"label": "food", "into": ["sweet"]}, "at least two"),
        ("split", {"label": "food", "into": ["food", "sweet"]}, "none of its parts can have its name"),
        ("move", {"label": "food", "under": "food"}, "stands under itself"),
        ("move", {"label": "food", "before": "food"}, "cannot stand before itself"),
        ("describe", {"label": "food", "colour": "red"}, "#rrggbb"),
        ("map", {"label": "food", "to": ["music"]}, "are of one taxonomy"),
        ("migrate", {"source": "main"}, "migrated to itself"),
        ("load", {"source": "no.toml"}, "no file 'no.toml' and no template"),
        ("undo", {"version": 99}, "no version 99"),
    ],
)
def test_a_step_that_cannot_be_is_refused_and_changes_nothing(
    project: Project, name: str, options: dict[str, object], message: str
) -> None:
    before = (project.folder / "rondo.toml").read_bytes()
    with pytest.raises(BadInput, match=message):
        step(project, name, **options)
    assert (project.folder / "rondo.toml").read_bytes() == before
    assert project.store.one("select count(*) from taxonomies") == 1


def test_labels_are_put_in_another_order_and_those_of_other_taxonomies_stay_where_they_were(project: Project) -> None:
    step(project, "load", source="folders")
    step(project, "arrange", labels=[LabelDraft("music"), LabelDraft("food", parent="music"), LabelDraft("weather")])
    taxonomy = project.settings().taxonomy
    assert [label.id for label in taxonomy.labels][:4] == ["music", "food", "weather", "primary_author"]
    assert taxonomy.path("food") == "music / food"
    with pytest.raises(BadInput, match="of another taxonomy than 'content'"):
        step(project, "move", label="food", before="v1:content")
    with pytest.raises(BadInput, match="no label 'primary_author' in the taxonomy in use"):
        step(project, "arrange", labels=[LabelDraft("primary_author")])


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_label_of_a_template_is_described_and_mapped_only_to_other_taxonomies(template: str) -> None:
    taxonomy = load_taxonomies(template)
    assert all(label.description for label in taxonomy.labels)
    targets: Sequence[tuple[str, str]] = [
        (label.taxonomy, taxonomy.by_id[one].taxonomy) for label in taxonomy.labels for one in label.maps_to
    ]
    assert targets
    assert all(own != other for own, other in targets)


@pytest.mark.usefixtures("jobs_here")
def test_a_project_of_three_taxonomies_is_made_switched_and_edited_by_commands(tmp_path: Path) -> None:
    folder = tmp_path / "roles"
    rondo("init", folder, "--taxonomies", "folders", "--taxonomy", "v1")
    (tmp_path / "a.csv").write_text("text,label\nwinter,descriptor\nnight,descriptor\nanna,person_or_group\n")
    rondo("--project", folder, "import", tmp_path / "a.csv", "--text", "text", "--label", "label")
    assert [one["name"] for one in rondo_json(folder, "taxonomy", "list")["taxonomies"]] == ["legacy", "v1", "v2"]
    shown = rondo("--project", folder, "taxonomy", "use", "v2", "--preview")
    assert "v1:descriptor counts as nothing, till now as descriptor: 2 answers to 2 records" in shown
    assert "Nothing was changed." in shown
    rondo("--project", folder, "taxonomy", "use", "v2")
    done = rondo_json(folder, "taxonomy", "migrate", "v1")
    assert (done["answers"], done["records"]) == (1, 1), "descriptor is mapped to nothing there"
    assert rondo_json(folder, "status")["labelled"] == 1
    assert "no label 'x'" in rondo("--project", folder, "taxonomy", "retire", "x", code=2)


def test_a_model_of_another_taxonomy_is_no_champion_and_suggests_nothing(answered: Project, tmp_path: Path) -> None:
    loop.fit(answered, quiet)
    champion, suggested = active_model(answered), answered.store.one("select count(*) from suggestions")
    (tmp_path / "side.toml").write_text(SIDE)
    step(answered, "load", source=str(tmp_path / "side.toml"))
    assert step(answered, "use", name="senses").switched
    assert active_model(answered) is None
    assert not answered.store.one("select exists(from suggestions) or exists(from held_out_predictions)")
    assert loop.refit(answered, quiet).model is None, "nothing counts here"
    step(answered, "map", label="main:food", to=["senses:rest"])
    step(answered, "map", label="main:music", to=["senses:sound"])
    step(answered, "migrate", source="main", to="senses")
    assert loop.refit(answered, quiet).model is not None
    assert {label for (label,) in answered.store.query("select label from suggestions")} <= {"sound", "rest"}
    step(answered, "use", name="main")
    assert active_model(answered) == champion
    assert loop.refit(answered, quiet).model is not None
    assert answered.store.one("select count(*) from suggestions") == suggested


def test_argilla_shows_where_a_label_stands_what_it_means_and_what_was_answered_before(answered: Project) -> None:
    step(answered, "split", label="food", into=["sweet", "salty"])
    step(answered, "move", label="sweet", under="music")
    step(answered, "describe", label="sweet", examples=["a cake"])
    settings = answered.settings()
    with answered.store.reading() as cursor:
        required = required_setup(cursor, settings)
        plan = plan_push(cursor, settings, [], 1)
        sent = read_outgoing(cursor, plan, list(plan.ranks), settings, required.question)
    assert "music / sweet" in [one.text for one in required.question.options]
    assert '- sweet (under music)\n  such as: "a cake"' in required.guidelines
    assert required.context == (EARLIER,)
    before = [one.metadata[EARLIER] for n, one in sent.items() if EARLIER in one.metadata and n not in plan.blind]
    assert before
    assert set(before) == {"food"}
    assert not [n for n, one in sent.items() if n in plan.blind and EARLIER in one.metadata]
