"""All that is known of one record: its story, what each model says of it, and what is like it. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np

from core.arrays import Floats
from core.errors import Damaged
from core.explore.browse import Line, named, read_lines
from core.explore.label_errors import Side, pair
from core.explore.nearest import nearest
from core.labelling.cards import named_values
from core.models.artifacts import load_head
from core.models.heads.head import decide, predict
from core.models.vectors import encoded_rows, open_vectors
from core.project import Project
from core.store.answers import APP, ARGILLA, BULK, CORRECTION, CROWD, FILE
from core.store.pool import number_of

NEIGHBOURS = 10
MODELS = 30
"""the newest models that are asked again what they say of a record"""

Names = dict[str, str]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Dossier:
    """A record with its text in full. line: as it stands in a list. labels: ids of its settled labels, None: none yet.

    facts: named texts, the record's own first. answers: every event in the order in which it came. verdicts: what
    heads that did not see the record say of it. guarantees: the machine label and what it was accepted on. corrections:
    id of each standing correction and who gave it, the newest last. queued: where it waits, or None.
    """

    line: Line
    text: str
    fields: Rows
    facts: Rows
    labels: tuple[str, ...] | None
    answers: Rows
    verdicts: Rows
    guarantees: Rows
    corrections: tuple[tuple[str, str], ...]
    queued: str | None


def read_dossier(project: Project, record: str) -> Dossier:
    """Raises BadInput where there is no such record."""
    settings = project.settings()
    names = settings.taxonomy.names
    with project.store.reading() as cursor:
        n = number_of(cursor, record)
        line = read_lines(cursor, [n], settings)[0]
        text, fields, meta, *about = _one(cursor, _RECORD, n)
        answers, corrections = _answers(cursor, n, names)
        settled = _one(cursor, "select labels from settled where n = ?", n)
        return Dossier(
            line=line,
            text=text,
            fields=named_values(fields),
            facts=_facts(about) + named_values(meta),
            labels=tuple(settled[0]) if settled else None,
            answers=answers,
            verdicts=[] if line.hidden else _verdicts(cursor, n, names),
            guarantees=[] if line.hidden else _guarantees(cursor, n, names),
            corrections=corrections,
            queued=_queued(cursor, n),
        )


def told_by_models(project: Project, record: str) -> Rows:
    """What each model of the encoder in use says of the record now, the newest first; nothing where it is hidden.

    `learnt from it`: the record had a label when the model was made, so what that model says of it proves nothing.
    """
    settings = project.settings()
    with project.store.reading() as cursor:
        n = number_of(cursor, record)
        if read_lines(cursor, [n], settings)[0].hidden or encoded_rows(project.vectors, settings.encoder) <= n:
            return []
        models = cursor.execute(_MODELS, {"n": n, "encoder": settings.encoder, "most": MODELS}).fetchall()
    vector = np.asarray(open_vectors(project.vectors, settings.encoder)[n : n + 1], np.float32)
    return [
        {
            "round": number,
            "made": _day(made_at),
            "labels": labels,
            **_said(project, model, vector),
            "learnt from it": seen,
        }
        for model, made_at, number, labels, seen in models
    ]


def neighbours(project: Project, record: str, count: int = NEIGHBOURS) -> list[tuple[float, Line]]:
    """(cosine, record) of the nearest other records; empty where the record has no vector yet."""
    settings = project.settings()
    with project.store.reading() as cursor:
        n = number_of(cursor, record)
        if encoded_rows(project.vectors, settings.encoder) <= n:
            return []
        rows, cosines = nearest(open_vectors(project.vectors, settings.encoder), n, count)
        lines = {line.n: line for line in read_lines(cursor, [int(row) for row in rows], settings)}
    return [(float(cosine), lines[int(row)]) for row, cosine in zip(rows, cosines, strict=True) if int(row) in lines]


def twins(project: Project, n: int) -> list[tuple[Side, Side]]:
    """The near-duplicates with another label that were flagged, each beside this record, differences marked."""
    rows = project.store.query(
        """select distinct if(n = $1, other, n) from flags
           where kind = 'near_duplicate' and other is not null and (n = $1 or other = $1) order by 1""",
        [n],
    )
    return [pair(project, n, other) for (other,) in rows]


_RECORD = """
    select r.text, r.fields::varchar, r.meta::varchar, r.source, r.imported_at, r.split, first.id
    from records r left join records first on first.n = r.duplicate_of where r.n = ?
"""
_MODELS = """
    select id, made_at, round, labels, exists (
        select 1 from responses a join records r using (n)
        where a.n = $n and a.action = 'submit' and a.received_at < models.made_at and r.split is distinct from 'test'
    ) from models where encoder = $encoder order by made_at desc limit $most::bigint
"""


def _one(cursor: duckdb.DuckDBPyConnection, query: str, n: int) -> tuple[Any, ...]:
    return cursor.execute(query, [n]).fetchone() or ()


def _facts(about: Sequence[Any]) -> Rows:
    source, imported_at, split, first = about
    result = {"source": source, "imported": _day(imported_at), "split": split, "same text as": first}
    return [{"name": name, "value": value} for name, value in result.items() if value]


def _answers(cursor: duckdb.DuckDBPyConnection, n: int, names: Names) -> tuple[Rows, tuple[tuple[str, str], ...]]:
    rows = cursor.execute(
        """select event_id, annotator, action, labels, note, undoes, received_at, round, model is not null, source
           from responses where n = ? order by stamp""",
        [n],
    ).fetchall()
    undone = {(who, undoes) for _, who, _, _, _, undoes, *_ in rows if undoes}
    result = [
        {
            "when": _day(received_at),
            "who": who,
            "answer": named(labels, names) if action == "submit" else action,
            "how": _HOW[source],
            "suggestion in view": with_suggestion,
            "undone": (who, eid) in undone,
            "round": number,
            "note": note,
        }
        for eid, who, action, labels, note, _, received_at, number, with_suggestion, source in rows
    ]
    corrections = [(row[0], row[1]) for row in rows if row[9] == CORRECTION and (row[1], row[0]) not in undone]
    return result, tuple(corrections)


_HOW = {
    APP: "one by one",
    FILE: "with the file",
    BULK: "many at once",
    ARGILLA: "in Argilla",
    CROWD: "with a file, by name",
    CORRECTION: "correction",
}


def _verdicts(cursor: duckdb.DuckDBPyConnection, n: int, names: Names) -> Rows:
    rows = cursor.execute(
        "select truth, predicted, probability, stratum from held_out_predictions where n = ?", [n]
    ).fetchall()
    return [
        {
            "label then": named(truth, names),
            "held-out model says": named(predicted, names),
            "probability": p,
            "stratum": s,
        }
        for truth, predicted, p, s in rows
    ]


def _guarantees(cursor: duckdb.DuckDBPyConnection, n: int, names: Names) -> Rows:
    rows = cursor.execute(
        """select m.labels, m.probability, m.threshold, p.precision, p.confidence, p.made_at, p.user
           from machine_labels m left join guarantees p on p.id = m.guarantee where m.n = ?""",
        [n],
    ).fetchall()
    return [
        {
            "machine label": named(labels, names),
            "probability": probability,
            "threshold": threshold,
            "guaranteed precision": precision,
            "confidence": confidence,
            "accepted": None if made_at is None else _day(made_at),
            "by": who,
        }
        for labels, probability, threshold, precision, confidence, made_at, who in rows
    ]


def _queued(cursor: duckdb.DuckDBPyConnection, n: int) -> str | None:
    row = cursor.execute(
        "select batch, spare, purpose from queue where n = ? order by batch desc, purpose nulls last limit 1", [n]
    ).fetchone()
    if row is None:
        return None
    words = {"review": "for a second look", "check": "to check machine labels", "wanted": "sent by a person"}
    words |= {"calibration": "to calibrate annotators", "test": "a test record, gold by its answer"}
    return f"round {row[0]}, {words.get(row[2], 'spare' if row[1] else 'chosen')}"


def _said(project: Project, model: str, vector: Floats) -> dict[str, Any]:
    """What it would suggest; None where the model's files are gone."""
    try:
        head = load_head(project.models / model)
    except Damaged:
        return {"suggestion": None, "probability": None}
    chances = predict(head, vector)[0]
    best = decide(chances[None], head.multi)[0]
    labels = [label for label, chosen in zip(head.labels, best, strict=True) if chosen]
    names = project.settings().taxonomy.names
    return {"suggestion": named(labels, names), "probability": float(chances.max())}


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
