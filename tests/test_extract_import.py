"""Grounding, other people's annotation files, chunks, and training data of a step."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import BadInput
from core.extract.grounding import ARTICLE_LESS, EXACT, FOLDED, SIMILAR_WORDS, ground
from core.extract.import_annotations import Chunking, chunks, import_annotations
from core.extract.mapping import Mapped
from core.extract.prepare import prepare, training_rows
from core.extract.step_files import load_steps
from core.loop import create_project
from core.project import Project, open_project
from core.tasks.extract_answers import MOST_SPANS
from gpu_jobs.language_models.tiny import tiny_model
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet

TALE = "Mara the weaver lent her red kite to Pim. Pim let it go, and the crow Old Ink carried it home. 牛郎和织女相会。"


@pytest.mark.parametrize(
    ("value", "said", "how"),
    [
        ("Pim", ["Pim", "Pim"], EXACT),
        ("织女", ["织女"], EXACT),
        ("RED   kite!", ["red kite"], FOLDED),
        ("A crow old ink", ["crow Old Ink"], ARTICLE_LESS),
        ("carried at home", ["carried it home"], SIMILAR_WORDS),
        ("Zorro", [], ""),
        ("", [], ""),
    ],
)
def test_a_value_is_located_word_for_word_folded_or_by_what_is_most_alike(
    value: str, said: list[str], how: str
) -> None:
    located = ground(value, TALE)
    assert ([TALE[start:end] for start, end in located.spans], located.how) == (said, how)


def test_offsets_are_code_points_of_the_original_whatever_folding_makes_of_it() -> None:
    text = "🪁 ﬁne „Straße“ — Ｍara’s  KITE"
    assert [text[start:end] for start, end in ground("strasse", text).spans] == ["Straße"]
    assert [text[start:end] for start, end in ground("mara's kite", text).spans] == ["Ｍara’s  KITE"]
    assert ground("in", "Tina has one ink").spans == ((1, 3), (13, 15)), "inside words only where nowhere else"
    assert ground("ink", "Tinka has one ink").spans == ((14, 17),)


EVENTS = [
    {
        "id": "e1",
        "text_span": {"start": 0, "end": 41, "text": TALE[:41]},
        "agents": ["Mara"],
        "targets": ["Pim"],
        "instrument": "red kite",
        "relationships": [
            {"agent": "Mara", "target": "Pim", "relationship_level1": "Social & Alliance", "sentiment": "Positive"}
        ],
        "action_layer": {"category": "transaction", "type": "give", "status": "success", "function": "setup"},
    },
    {
        "id": "e2",
        "text_span": {"start": 3, "end": 41, "text": "Pim let it go"},
        "agents": ["Zed"],
        "targets": "",
        "instrument": None,
        "relationships": [],
        "action_layer": {"category": "flying", "type": "give", "status": "success", "function": "setup"},
    },
]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    create_project(tmp_path / "p", [], task="extract", steps=load_steps("folktales"))
    opened = open_project(tmp_path / "p", InProcessRunner())
    yield opened
    opened.close()


def write_tales(folder: Path) -> Path:
    folder.mkdir()
    story = {
        "metadata": {"id": "t1", "title": "Kite"},
        "source_info": {"text_content": TALE},
        "narrative_events": EVENTS,
        "analysis": {"propp_functions": [{"fn": "RECEIPT_OF_AGENT", "narrative_event_id": "e1"}]},
    }
    (folder / "a.json").write_text(json.dumps(story, ensure_ascii=False))
    (folder / "b.json").write_text('{"metadata": ')
    (folder / "c.json").write_text(json.dumps({"metadata": {"id": "t3"}, "source_info": {"text_content": None}}))
    return folder


def test_nested_annotations_come_in_with_what_fits_and_the_rest_is_named(project: Project, tmp_path: Path) -> None:
    folder = write_tales(tmp_path / "tales")
    result = import_annotations(project, quiet, file=str(folder), map="folktales")
    assert (result.documents, result.unread, result.records.added) == (3, 2, 2)
    assert result.answered == {
        "character": 2,
        "instrument": 1,
        "relationship": 1,
        "action": 1,
        "stac": 0,
        "event_type": 1,
    }
    joined = "\n".join(result.faults)
    assert "t1/2: each.text_span: not at 3 to 41 but at 42 to 55" in joined
    assert "t1/2: action.category is wrong: 'flying'" in joined
    assert "b.json is no JSON" in joined
    assert "c: there is no text at 'source_info.text_content'" in joined
    assert result.absent == ("t1/2: character.doers: 'Zed' is not in the text; nearest is 'let' (33 % alike)",)
    answer = project.store.one("select answer::varchar from settled join records using (n) where id = 't1/1'")
    stored = json.loads(answer)
    assert stored["values"]["relationship"] == [
        {"agent": "Mara", "level1": "social and alliance", "sentiment": "positive", "target": "Pim"}
    ]
    assert stored["spans"]["instrument.instrument"] == {"red kite": [[25, 33]]}
    with pytest.raises(BadInput, match="nothing could be read"):
        import_annotations(project, quiet, file=str(folder / "b.json"), map="folktales")


def test_one_document_that_cannot_be_a_record_keeps_no_other_out(project: Project, tmp_path: Path) -> None:
    def story(id: str, text: str) -> str:
        return json.dumps({"metadata": {"id": id}, "source_info": {"text_content": text}, "narrative_events": [{}]})

    contents = {
        "a": story("t1", TALE),
        "b": "[" * 100_000,
        "c": story("t3", "half a pair \ud800"),
        "d": story("t4", " "),
        "e": story("t1", "Another tale."),
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.json").write_text(content)
    result = import_annotations(project, quiet, file=str(tmp_path), map="folktales")
    assert (result.documents, result.unread, result.records.added) == (5, 2, 1)
    assert [fault.partition(":")[2] or fault for fault in result.faults] == [
        "b.json holds lists too deep to be read.",
        "c holds a NUL character or half a surrogate pair, which is not text; remove it.",
        " its text is empty",
        " another text before it has the same id",
    ]
    many = {"metadata": {"id": "t6"}, "source_info": {"text_content": "Pim ran. " * 6_000}}
    (tmp_path / "f.json").write_text(json.dumps(many | {"narrative_events": [{"agents": ["Pim"]}]}))
    import_annotations(project, quiet, file=str(tmp_path / "f.json"), map="folktales")
    answer = json.loads(
        project.store.one("select answer::varchar from settled join records using (n) where id = 't6/1'")
    )
    assert len(answer["spans"]["character.doers"]["Pim"]) == MOST_SPANS
    with pytest.raises(BadInput, match="nothing could be read: t4/1: its text is empty"):
        import_annotations(project, quiet, file=str(tmp_path / "d.json"), map="folktales")


def test_training_data_of_a_step_is_prompts_with_earlier_answers_and_complete_completions(
    project: Project, tmp_path: Path
) -> None:
    import_annotations(project, quiet, file=str(write_tales(tmp_path / "tales")), map="folktales")
    [row] = training_rows(project, "instrument")
    assert row.prompt[-1]["content"].endswith(f"Doers: Mara\nReceivers: Pim\nPassage: {TALE[:41]}")
    assert (row.completion, row.inputs) == (
        [{"role": "assistant", "content": '{"instrument": "red kite"}'}],
        {"character": "gold"},
    )
    result = prepare(project, quiet, out=str(tmp_path / "out"), steps=["character", "stac"])
    assert [(step.step, step.examples, step.without) for step in result.steps] == [("character", 2, 0), ("stac", 0, 2)]
    first = json.loads((tmp_path / "out" / "character_train.jsonl").read_text().splitlines()[0])
    assert (first["input"], list(json.loads(first["output"]))) == (
        "",
        ["doers", "receivers", "new_characters", "notes"],
    )
    tiny = tiny_model(tmp_path / "tiny")
    prepare(project, quiet, out=str(tmp_path / "text"), steps=["instrument"], base=str(tiny))
    text = json.loads((tmp_path / "text" / "instrument_text.jsonl").read_text())["text"]
    assert text.startswith("<|im_start|>system\nYou are an expert")
    assert text.endswith('<|im_start|>assistant\n{"instrument": "red kite"}<|im_end|>\n')
    again = prepare(
        project, quiet, out=str(tmp_path / "again"), data_dir=str(tmp_path / "tales"), map="folktales", steps=["action"]
    )
    assert (again.steps[0].examples, len(again.unread)) == (1, 2)
    with pytest.raises(BadInput, match="no step 'weather'"):
        prepare(project, quiet, out=str(tmp_path / "no"), steps=["weather"])


def test_a_long_text_is_cut_where_a_sentence_ends_and_no_character_is_lost() -> None:
    text = "One sentence follows another. " * 40
    parts = list(chunks(Mapped("s", text, "", {"title": "x"}, {"values": {}, "spans": {}}), Chunking(200, 50)))
    starts = [int(part.meta["start"]) for part in parts]
    assert all(text[start : start + len(part.text)] == part.text for start, part in zip(starts, parts, strict=True))
    assert starts[0] == 0
    assert starts[-1] + len(parts[-1].text) == len(text)
    assert all(
        after <= start + len(part.text) for start, part, after in zip(starts, parts, starts[1:], strict=False)
    ), "no gap"
    assert all(part.text.rstrip().endswith(".") for part in parts)
    assert parts[1].meta == {"title": "x", "story": "s", "chunk": f"2 of {len(parts)}", "start": str(starts[1])}
    with pytest.raises(BadInput, match="at most half"):
        Chunking(100, 80)
