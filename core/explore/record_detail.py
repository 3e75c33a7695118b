"""Everything about one record: its answers, each model's prediction, and similar records. Changes nothing."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np

from core.errors import Damaged
from core.explore.browse import Line, read_lines
from core.explore.label_errors import Side, pair
from core.explore.nearest import nearest
from core.ids import RecordNo
from core.labelling.cards import named_values
from core.models.artifacts import load_fitted
from core.models.vectors import encoded_rows, open_vectors
from core.project import Project
from core.store.answers import APP, ARGILLA, BULK, CORRECTION, CROWD, FILE, as_given
from core.store.record_numbers import number_of
from core.tasks.task import Answer, Predictions
from core.tasks.tasks import describer, space_of, task_of

NEIGHBOURS = 10
MODELS = 30
"""the newest models that are asked again what they say of a record"""

Describe = Callable[[str | None], str | None]


@dataclass(frozen=True)
class GivenAnswer:
    """An event of a person. answer: in words, or the action where it gave none; how: the way it came. changed: of a
    suggestion in view which parts were changed, where that is known."""

    when: str
    user: str
    answer: str | None
    how: str
    suggestion_in_view: bool
    undone: bool
    round: int
    note: str | None
    changed: str | None


@dataclass(frozen=True)
class HeldOutAnswer:
    """The prediction of a model that did not train on the record, and the label that it had then."""

    label_then: str | None
    held_out_model_says: str | None
    probability: float
    stratum: str


@dataclass(frozen=True)
class MachineLabel:
    """A label of the machine, and the guarantee that it was accepted on. by: the user who accepted it."""

    machine_label: str | None
    probability: float
    threshold: float
    guaranteed_precision: float | None
    confidence: float | None
    accepted: str | None
    by: str | None


@dataclass(frozen=True)
class ModelAnswer:
    """A model's prediction of a record now; None where its files are gone.

    learnt_from_it: the record had a label when the model was made, so the model may have trained on it and its
    prediction proves nothing.
    """

    round: int
    made: str
    labels: int
    suggestion: str | None
    probability: float | None
    learnt_from_it: bool


@dataclass(frozen=True)
class GeneratedLine:
    """What a language model said of the record, of a step where answers have steps. answer: in words; None where it
    cannot be read, and state says why."""

    step: str | None
    model: str
    answer: str | None
    state: str
    confidence: float | None
    made: str


@dataclass(frozen=True)
class RecordDetail:
    """A record with its text in full. line: as it stands in a list. answer: that is settled, None: none yet.

    facts: named texts, the record's own first. answers: every event in the order in which it came. corrections: id of
    each standing correction and who gave it, the newest last. queued: where it waits, or None.
    """

    line: Line
    text: str
    fields: list[dict[str, str]]
    facts: list[dict[str, str]]
    answer: Answer | None
    answers: list[GivenAnswer]
    held_out: list[HeldOutAnswer]
    machine_labels: list[MachineLabel]
    generated: list[GeneratedLine]
    corrections: tuple[tuple[str, str], ...]
    queued: str | None


def record_detail(project: Project, record: str) -> RecordDetail:
    """Raises BadInput where there is no such record."""
    settings = project.settings()
    describe = describer(settings)
    with project.store.reading() as cursor:
        n = number_of(cursor, record)
        line = read_lines(cursor, [n], settings)[0]
        text, fields, meta, source, imported_at, *rest = cursor.execute(_RECORD, [n]).fetchall()[0]
        names = ("split", "same text as", "as models read it", "left out of training")
        about = {"source": source, "imported": _day(imported_at), **dict(zip(names, rest, strict=True))}
        answers, corrections = _answers(cursor, n, describe)
        settled = cursor.execute("select answer from settled where n = ?", [n]).fetchone()
        return RecordDetail(
            line=line,
            text=text,
            fields=named_values(fields),
            facts=[{"name": name, "value": value} for name, value in about.items() if value] + named_values(meta),
            answer=json.loads(settled[0]) if settled else None,
            answers=answers,
            held_out=[] if line.hidden else _held_out(cursor, n, describe),
            machine_labels=[] if line.hidden else _machine_labels(cursor, n, describe),
            generated=[] if line.hidden else _generated(cursor, n, describe),
            corrections=corrections,
            queued=_queued(cursor, n),
        )


def model_answers(project: Project, record: str) -> list[ModelAnswer]:
    """The prediction of each model of the encoder in use, the newest first; none where they are hidden."""
    settings = project.settings()
    with project.store.reading() as cursor:
        n = number_of(cursor, record)
        if read_lines(cursor, [n], settings)[0].hidden or encoded_rows(project.vectors, settings.encoder) <= n:
            return []
        models = cursor.execute(_MODELS, {"n": n, "encoder": settings.encoder, "most": MODELS}).fetchall()
    vector = np.asarray(open_vectors(project.vectors, settings.encoder)[n : n + 1], np.float32)
    space, describe, result = space_of(settings), task_of(settings).describe(settings), []
    for model, made_at, number, labels, learnt in models:
        suggestion, probability = None, None
        with suppress(Damaged):
            head = load_fitted(project.models / model, space.heads.restore)
            predicted = Predictions(space.of_head(head), head.predict(vector))
            [suggestion] = map(describe, predicted.space.decode(predicted.answers))
            of_one = predicted.outputs if predicted.space.categories else predicted.confidence
            probability = float(of_one.max())  # of the likeliest label, where there are labels
        result.append(ModelAnswer(number, _day(made_at), labels, suggestion, probability, learnt))
    return result


def neighbours(project: Project, record: str, count: int = NEIGHBOURS) -> list[tuple[float, Line]]:
    """(cosine, record) of the nearest other records; empty where the record has no vector yet."""
    settings = project.settings()
    with project.store.reading() as cursor:
        n = number_of(cursor, record)
        if encoded_rows(project.vectors, settings.encoder) <= n:
            return []
        rows, cosines = nearest(open_vectors(project.vectors, settings.encoder), n, count)
        record_nos = [RecordNo(row) for row in rows.tolist()]
        lines = {line.record_no: line for line in read_lines(cursor, record_nos, settings)}
    return [(float(cosine), lines[n]) for n, cosine in zip(record_nos, cosines, strict=True) if n in lines]


def twins(project: Project, record_no: RecordNo) -> list[tuple[Side, Side]]:
    """The near-duplicates with another label that were flagged, each beside this record, differences marked."""
    rows = project.store.query(
        """select distinct if(n = $1, other, n) from flags
           where kind = 'near_duplicate' and other is not null and (n = $1 or other = $1) order by 1""",
        [record_no],
    )
    return [pair(project, record_no, other) for (other,) in rows]


_RECORD = """
    select r.text, r.fields::varchar, r.meta::varchar, r.source, r.imported_at, r.split, first.id, c.text,
           (select string_agg(o.reason || coalesce(': ' || t.id, ''), ', ' order by o.step)
            from left_out o left join records t on t.n = o.other where o.n = r.n)
    from records r left join records first on first.n = r.duplicate_of left join cleaned c on c.n = r.n where r.n = ?
"""
_MODELS = """
    select id, made_at, round, labels, exists (
        select 1 from responses a join records r using (n)
        where a.n = $n and a.action = 'submit' and a.received_at < models.made_at and r.split is distinct from 'test'
    ) from models where encoder = $encoder order by made_at desc limit $most::bigint
"""


def _answers(
    cursor: duckdb.DuckDBPyConnection, record_no: RecordNo, describe: Describe
) -> tuple[list[GivenAnswer], tuple[tuple[str, str], ...]]:
    rows = cursor.execute(
        f"""select event_id, annotator, action, {as_given("labels", "answer")}, note, undoes, received_at, round,
                   model is not null, source, difference::varchar
           from responses where n = ? order by stamp""",
        [record_no],
    ).fetchall()
    undone = {(user, undoes) for _, user, _, _, _, undoes, *_ in rows if undoes}
    result = [
        GivenAnswer(
            when=_day(received_at),
            user=user,
            answer=describe(answer) if action == "submit" else action,
            how=_HOW[source],
            suggestion_in_view=with_suggestion,
            undone=(user, eid) in undone,
            round=number,
            note=note,
            changed=_changed(difference),
        )
        for eid, user, action, answer, note, _, received_at, number, with_suggestion, source, difference in rows
    ]
    corrections = [(row[0], row[1]) for row in rows if row[9] == CORRECTION and (row[1], row[0]) not in undone]
    return result, tuple(corrections)


def _changed(difference: str | None) -> str | None:
    """difference: as `responses` has it."""
    if difference is None:
        return None
    return ", ".join(dict.fromkeys(path for part in json.loads(difference).values() for path in part)) or "nothing"


_HOW = {
    APP: "one by one",
    FILE: "with the file",
    BULK: "many at once",
    ARGILLA: "in Argilla",
    CROWD: "with a file, by name",
    CORRECTION: "correction",
}


def _held_out(cursor: duckdb.DuckDBPyConnection, record_no: RecordNo, describe: Describe) -> list[HeldOutAnswer]:
    rows = cursor.execute(
        f"""select {as_given("truth", "truth_answer")}, {as_given("predicted", "predicted_answer")}, probability,
                   stratum from held_out_predictions where n = ?""",
        [record_no],
    ).fetchall()
    return [HeldOutAnswer(describe(truth), describe(predicted), *rest) for truth, predicted, *rest in rows]


def _machine_labels(cursor: duckdb.DuckDBPyConnection, record_no: RecordNo, describe: Describe) -> list[MachineLabel]:
    rows = cursor.execute(
        f"""select {as_given("m.labels", "m.answer")}, m.probability, m.threshold, p.precision, p.confidence,
                  strftime(p.made_at, '%Y-%m-%d %H:%M'), p.user
           from machine_labels m left join guarantees p on p.id = m.guarantee where m.n = ?""",
        [record_no],
    ).fetchall()
    return [MachineLabel(describe(answer), *rest) for answer, *rest in rows]


def _generated(cursor: duckdb.DuckDBPyConnection, record_no: RecordNo, describe: Describe) -> list[GeneratedLine]:
    rows = cursor.execute(
        """select step, model, answer::varchar, state, confidence, made_at from generated_answers
           where n = ? order by made_at, step""",
        [record_no],
    ).fetchall()
    lines = []
    for step, model, answer, state, confidence, made_at in rows:
        whole = json.dumps({"values": {step: json.loads(answer)}, "spans": {}}) if step and answer else answer
        lines.append(GeneratedLine(step or None, model, describe(whole), state, confidence, _day(made_at)))
    return lines


def _queued(cursor: duckdb.DuckDBPyConnection, record_no: RecordNo) -> str | None:
    row = cursor.execute(
        "select batch, spare, purpose from queue where n = ? order by batch desc, purpose nulls last limit 1",
        [record_no],
    ).fetchone()
    if row is None:
        return None
    words = {"review": "for a second look", "check": "to check machine labels", "wanted": "sent by a person"}
    words |= {"calibration": "to calibrate annotators", "test": "a test record, gold by its answer"}
    words |= {"recall": "a pair that no search found, to measure what is missed"}
    return f"round {row[0]}, {words.get(row[2], 'spare' if row[1] else 'chosen')}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
