"""What goes to Argilla and comes back means the same on both sides, whatever people and models write."""

from hypothesis import given
from hypothesis import strategies as st

from annotation import convert
from core.exchange.workspace import LAST, Outgoing, Setup, Suggested
from core.labelling.responses import NOTE_LIMIT
from core.tasks.label_question import LABEL_FORM, SEVERAL
from core.tasks.questions import NONE, Question

TEXT = st.text(max_size=40)
IDS = st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=6, unique=True).filter(
    lambda ids: NONE not in ids
)


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    labels = [
        {"id": id, "name": draw(st.text(min_size=1, max_size=600)), "description": draw(st.text(max_size=1200))}
        for id in draw(IDS)
    ]
    question = LABEL_FORM.question({"labels": labels, "multi": draw(st.booleans())})
    names = draw(st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=5, unique=True))
    cut = draw(st.integers(1, len(names)))
    return Setup(tuple(names[:cut]), tuple(names[cut:]), ("source", "queue_rank"), question, "", 1)


def ids_of(setup: Setup) -> list[str]:
    return [value for value in setup.question.values if value != NONE]


@given(setups(), st.data(), st.text(max_size=NOTE_LIMIT + 50))
def test_an_answer_that_goes_there_comes_back_as_it_was(setup: Setup, data: st.DataObject, note: str) -> None:
    several = setup.question.kind == SEVERAL
    ids, least, most = ids_of(setup), 0 if several else 1, None if several else 1
    labels = data.draw(st.lists(st.sampled_from(ids), min_size=least, max_size=most, unique=True))
    values = convert.response_values(LABEL_FORM.to_value(labels, setup.question), note)
    response = {"values": values, "status": "submitted", "updated_at": "2026-05-04T12:00:00.250000", "user_id": "u"}
    received = convert.remote_answer(response, "ann")
    assert LABEL_FORM.from_value(received.value, {}) == sorted(labels)
    assert (received.note or "") == note.strip()[:NOTE_LIMIT].rstrip()
    assert convert.fits(response, setup)


@given(setups())
def test_what_asks_for_labels_is_what_argilla_takes(setup: Setup) -> None:
    options = convert.options(setup.question.options)
    assert len({one["value"] for one in options}) == len(options) >= 2
    assert all(1 <= len(one["text"]) <= 500 for one in options)
    assert all(one["description"] is None or 1 <= len(one["description"]) <= 1000 for one in options)
    names = [one["name"] for one in convert.field_bodies(setup)]
    assert len(set(names)) == len(names)
    assert [one["required"] for one in convert.field_bodies(setup)].count(True) == 1
    ours = [one["name"] for one in convert.metadata_bodies(setup)]
    assert len(set(ours)) == len(ours)


@given(setups(), st.dictionaries(TEXT, TEXT), st.dictionaries(TEXT, TEXT), st.integers(0, 9) | st.just(LAST), st.data())
def test_a_record_keeps_what_others_wrote_and_names_no_strange_label(
    setup: Setup, metadata: dict[str, str], others: dict[str, str], rank: int, data: st.DataObject
) -> None:
    labels = data.draw(st.lists(st.sampled_from([*ids_of(setup), "retired"]), min_size=1, max_size=3, unique=True))
    shown = {"labels": [{"id": id, "probability": 0.5} for id in labels], "model": "m1"}
    proposed = LABEL_FORM.proposed(shown, setup.question)
    suggested = None if proposed is None else Suggested(*proposed, "m1")
    record = Outgoing("r1", {setup.fields[0]: "text"}, metadata, rank, suggested)
    body = convert.record_body(record, setup, {"label": "q"}, others)
    long = {convert.metadata_name(name) for name in setup.context}
    entries = {name: value for name, value in others.items() if name not in {*metadata, *long, *convert.RESERVED}}
    assert entries.items() <= body["metadata"].items()
    assert body["metadata"][convert.RANK] == rank
    assert (body["metadata"][convert.STATE] == convert.DONE) == (rank == LAST)
    for one in body.get("suggestions", []):
        value = one["value"]
        assert set(value if isinstance(value, list) else [value]) <= set(ids_of(setup))


def test_none_of_these_beside_a_label_is_the_label() -> None:
    values = {"label": {"value": [NONE, "spam"]}}
    response = {"values": values, "status": "submitted", "updated_at": "2026-05-04T12:00:00Z", "user_id": "u"}
    assert LABEL_FORM.from_value(convert.remote_answer(response, "ann").value, {}) == ["spam"]


def test_a_question_that_is_a_text_takes_any_text_and_nothing_else() -> None:
    setup = Setup(("text",), (), (), Question("text", "How many?"), "", 1)
    assert convert.question_bodies(setup)[0]["settings"] == {"type": "text", "use_markdown": False}
    record = Outgoing("r1", {"text": "x"}, {}, 0, Suggested("3", None, "m1"))
    [suggestion] = convert.record_body(record, setup, {"label": "q"}, {})["suggestions"]
    assert suggestion == {"question_id": "q", "type": "model", "agent": "m1", "value": "3"}
    kept = {"values": {"label": {"value": "7"}}, "status": "submitted"}
    assert convert.fits(kept, setup)
    assert not convert.fits({"values": {"label": {"value": ["a"]}}}, setup)
