"""What a model says of gold and audit records that it did not learn from. Reads files and rows, computes no figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from core.arrays import Bools, Ints, label_matrix
from core.errors import Refused
from core.evaluation.audit import Weights, drawn_only, weigh
from core.models.artifacts import load_head, read_manifest
from core.models.heads.head import Head, decide, predict
from core.models.out_of_fold import read_crossed, read_held_out
from core.models.vectors import encoded_rows, open_vectors
from core.project import Project
from core.registry.champions import require_files
from core.rounds.draws import read_history


@dataclass(frozen=True)
class Truth:
    """The records that judge, as they are settled today. rows: (k,) ascending. labels: (k, labels). audit: (k,) mask.

    asked: the records that people were asked for and that are settled, audit or not: what the weights are made of.
    """

    rows: Ints
    labels: Bools
    audit: Bools
    requested: Ints


@dataclass(frozen=True)
class Said:
    """What a model says of records that it did not learn from. rows: (k,) ascending. labels: (k, labels)."""

    model: str
    rows: Ints
    labels: Bools

    def of(self, rows: Ints) -> Bools:
        """(rows, labels); all of the rows are among ours."""
        return np.asarray(self.labels[np.searchsorted(self.rows, rows)])


def read_truth(cursor: duckdb.DuckDBPyConnection, labels: Sequence[str]) -> Truth:
    """Gold and audit records with the labels that people settled."""
    rows = cursor.execute(
        "select n, labels, stratum = 'audit' from settled where stratum in ('gold', 'audit') order by n"
    ).fetchall()
    query = cursor.execute("select n from settled where stratum <> 'gold' order by n").fetchnumpy()["n"]
    return Truth(
        np.array([n for n, *_ in rows], np.int64),
        label_matrix([answer for _, answer, _ in rows], labels),
        np.array([audit for *_, audit in rows], np.bool_),
        np.asarray(query, np.int64),
    )


def audit_weights(cursor: duckdb.DuckDBPyConnection, truth: Truth, rows: Ints) -> tuple[Ints, Weights]:
    """Those of the audit records `rows` that were drawn from the pool, and what each counts in a claim about it.

    Audit records that are not among them count as never drawn.
    """
    others = np.setdiff1d(truth.requested, truth.rows[truth.audit])
    query, history = read_history(cursor, np.union1d(others, rows).tolist())
    weights = weigh(history)
    return query[weights.drawn], drawn_only(weights)


def read_said(project: Project, model: str, truth: Truth) -> Said:
    """By what was kept when the model was made, and directly of records that nobody had answered then.

    Raises Damaged for a folder that is no model or gone, Refused for one that was removed, has no head, or speaks of
    other labels than the project.
    """
    require_files(project, model)
    folder = project.models / model
    head = load_head(folder)
    settings = project.settings()
    if head.labels != tuple(label.id for label in settings.taxonomy.active) or head.multi != settings.multi:
        raise Refused(f"The model {model} speaks of other labels than the project does now. Train a new one.")
    rows, predicted = _kept(folder, head)
    ours = np.isin(rows, truth.rows)
    rows, predicted = rows[ours], predicted[ours]
    fresh = np.setdiff1d(unseen(project, model, truth), rows)
    more = _directly(project, model, head, fresh)
    rows, predicted = np.concatenate([rows, more.rows]), np.concatenate([predicted, more.labels])
    order = np.argsort(rows, kind="stable")
    return Said(model, rows[order], predicted[order])


def unseen(project: Project, model: str, truth: Truth) -> Ints:
    """Records that judge and cannot have taught the model: gold never does, others if they were answered later.

    Gold that came later with a text that people had answered before does not judge: the model knows that text.
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


def judged_rows(folder: Path) -> Ints:
    """The records that judged a trained model when it was made; none for a round's head. Raises Damaged."""
    judged = read_held_out(folder, len(read_manifest(folder)["labels"]))
    return judged.rows if judged else np.empty(0, np.int64)


def _kept(folder: Path, head: Head) -> tuple[Ints, Bools]:
    labels = len(head.labels)
    if crossed := read_crossed(folder, labels):
        return crossed.rows, crossed.predicted
    judged = read_held_out(folder, labels)
    if judged and len(judged.rows):
        return judged.rows, decide(judged.probs, head.multi)
    return np.empty(0, np.int64), np.empty((0, labels), np.bool_)


def _directly(project: Project, model: str, head: Head, rows: Ints) -> Said:
    """By the head, of those that have a vector of the model's encoder."""
    encoder = project.store.one("select encoder from models where id = ?", [model])
    rows = rows[rows < encoded_rows(project.vectors, encoder)]
    if not len(rows):
        return Said(model, rows, np.empty((0, len(head.labels)), np.bool_))
    return Said(model, rows, decide(predict(head, open_vectors(project.vectors, encoder), rows), head.multi))
