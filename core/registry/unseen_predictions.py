"""A model's predictions of gold and audit records that it did not train on. Reads files and rows only."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from core.arrays import Bools, Floats, Ints, Rows
from core.errors import Refused
from core.evaluation.audit import Weights, drawn_only, weigh
from core.ids import ModelId
from core.models.artifacts import check_model, load_fitted, read_manifest
from core.models.hosted_models import hosting
from core.models.out_of_fold import predict_unseen, read_held_out, read_stored
from core.models.vectors import encoded_rows, open_vectors
from core.pairs.pair_keys import pair_key
from core.pairs.recorded_answers import known_answers, measuring_pairs
from core.project import Project
from core.registry.champions import require_files
from core.rounds.draws import read_history
from core.tasks.task import AnswerSpace
from core.tasks.tasks import encode_stored, space_of
from core.training.hosted_model import read_training_keys


@dataclass(frozen=True)
class Truth:
    """The gold and audit records, as they are settled today. rows: (k,) ascending. answers: (k, width). audit: (k,)
    mask.

    not_gold: all asked records that are settled, audit or not, for the weights.
    """

    space: AnswerSpace
    rows: Ints
    answers: Rows
    audit: Bools
    not_gold: Ints


@dataclass(frozen=True)
class UnseenPredictions:
    """A model's predictions of records that it did not train on. rows: (k,) ascending. answers: (k, width)."""

    model: ModelId
    rows: Ints
    answers: Rows

    def of(self, rows: Ints) -> Rows:
        """(rows, width) answers of some rows, all of which must be there."""
        return np.asarray(self.answers[np.searchsorted(self.rows, rows)])


def read_truth(cursor: duckdb.DuckDBPyConnection, space: AnswerSpace) -> Truth:
    """Gold and audit records with their settled answers."""
    rows = cursor.execute(
        "select n, answer, stratum = 'audit' from settled where stratum in ('gold', 'audit') order by n"
    ).fetchall()
    not_gold = cursor.execute("select n from settled where stratum <> 'gold' order by n").fetchnumpy()["n"]
    return Truth(
        space,
        np.array([n for n, *_ in rows], np.int64),
        encode_stored(space, [answer for _, answer, _ in rows]),
        np.array([audit for *_, audit in rows], np.bool_),
        np.asarray(not_gold, np.int64),
    )


def audit_weights(cursor: duckdb.DuckDBPyConnection, truth: Truth, rows: Ints) -> tuple[Ints, Weights]:
    """Those of the audit records `rows` that were drawn from the pool, and their weights in an estimate about it.

    Audit records that are not among them count as never drawn.
    """
    others = np.setdiff1d(truth.not_gold, truth.rows[truth.audit])
    settled, history = read_history(cursor, np.union1d(others, rows).tolist())
    weights = weigh(history)
    return settled[weights.drawn], drawn_only(weights)


def read_predictions(project: Project, model: ModelId, truth: Truth) -> UnseenPredictions:
    """The predictions stored when the model was made, and its own for records that nobody had answered then.

    Raises Damaged for a folder that is no model or gone, Refused for one that was removed, has no head, or does not fit
    what the project asks now.
    """
    require_files(project, model)
    space = space_of(project.settings())
    if hosting(project, model):
        return _recorded(project, model, truth)
    head = load_fitted(project.models / model, space.heads.restore)
    if reason := space.heads.unfit(head.about()):
        raise Refused(f"The model {model} {reason}. Train a new one.")
    stored = read_stored(project.models / model, space.encode(()))
    known, fresh = np.intersect1d(stored.rows, truth.rows), unseen(project, model, truth)
    encoder = project.store.one("select encoder from models where id = ?", [model])
    rows = np.union1d(known, fresh[fresh < encoded_rows(project.vectors, encoder)])

    def direct(part: Bools) -> Floats:
        return head.predict(open_vectors(project.vectors, encoder), rows[part])

    return UnseenPredictions(model, rows, predict_unseen(stored, rows, space.decide, direct).predicted)


def _recorded(project: Project, model: ModelId, truth: Truth) -> UnseenPredictions:
    """Of a hosted model: what is recorded of pairs that it did not train on. What was no decision is wrong."""
    check_model(project.models / model)
    trained = read_training_keys(project.models / model)
    with project.store.reading() as cursor:
        measuring = measuring_pairs(cursor)
        keys = [pair_key(*pair) for pair in measuring.pairs]
        known = known_answers(cursor, model, keys)
    entries = [
        (n, known[key])
        for n, key in zip(measuring.record_nos, keys, strict=True)
        if key in known and key not in trained
    ]
    same = np.array([np.nan if value is None else value for _, value in entries], np.float64)
    answers = truth.space.decide(np.column_stack([1 - same, same]))
    answers[np.isnan(same)] = False
    rows = np.array([n for n, _ in entries], np.int64)
    there = np.isin(rows, truth.rows)
    return UnseenPredictions(model, rows[there], answers[there])


def unseen(project: Project, model: ModelId, truth: Truth) -> Ints:
    """Gold and audit records that cannot have trained the model: gold never does, others if they were answered later.

    Later gold with a text that people had answered before is left out: the model may have trained on that text.
    """
    began = project.store.one(
        "select coalesce((select made_at from jobs where jobs.id = models.id), made_at) from models where id = ?",
        [model],
    )
    early = project.store.query(
        "select distinct n from responses where action = 'submit' and received_at <= ? order by n", [began]
    )
    answered = np.array([n for (n,) in early], np.int64)
    audits = np.setdiff1d(truth.rows[truth.audit], answered)
    late = np.setdiff1d(truth.rows[~truth.audit], answered)
    twins = project.store.query(
        """select t.n from records t join records r using (hash)
           where t.n in (select unnest(?::bigint[])) and r.n in (select unnest(?::bigint[]))""",
        [late.tolist(), answered.tolist()],
    )
    gold = np.setdiff1d(truth.rows[~truth.audit], np.array([n for (n,) in twins], np.int64))
    return np.union1d(gold, audits)


def rows_with_held_out(folder: Path) -> Ints:
    """The records that a trained model was scored on when it was made; none for a round's head. Raises Damaged."""
    held_out = read_held_out(folder, len(read_manifest(folder)["labels"]))
    return held_out.rows if held_out else np.empty(0, np.int64)
