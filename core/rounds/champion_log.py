"""When a model comes into use: its suggestions, ranking, held-out predictions, and the log of the previous model's.
Knows SQL and a cursor, no job; whoever calls it holds the transaction."""

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from core.evaluation.gate_verdict import GateVerdict
from core.ids import ModelId
from core.project import Project
from core.store.database import utc_now
from core.typed_json import to_json


@dataclass(frozen=True)
class Activation:
    """Which model comes into use, on which vectors, by whom and how: 'round', 'promoted', 'rolled back' or 'retrained'.

    reason: a person's, where the gate refused it. evidence: the gate's verdict.
    """

    model: ModelId
    encoder: str
    how: str
    user: str = "rondo"
    reason: str | None = None
    evidence: GateVerdict | None = None


def load_suggestions(project: Project, file: Path, model: ModelId) -> None:
    """Loads them into a table beside the old one, so that the swap in the transaction is one rename."""
    with project.store.appending() as cursor:  # answers do not wait for it
        cursor.execute("drop table if exists incoming")
        cursor.execute(
            """create table incoming as
               select n, label, probability, score, labels, ?::varchar as model, answer from read_parquet(?)""",
            [model, str(file)],
        )


def log_activation(cursor: duckdb.DuckDBPyConnection, activation: Activation, before: ModelId | None) -> None:
    """Logs the previous model's predictions and its order of the queue, then swaps in the suggestions that were loaded.

    before: the champion so far. Where it is older than this log, its own row is added first.
    """
    if before is not None:
        cursor.execute(_ADMIT, {"model": before})
    log_predictions(cursor)
    cursor.execute("drop table suggestions")
    cursor.execute("alter table incoming rename to suggestions")
    cursor.execute(
        f"insert into champions select ?, ?, ?, ?, ?, ?, ?, ({_WAITING})",
        [
            utc_now(),
            activation.model,
            activation.encoder,
            activation.user,
            activation.how,
            activation.reason,
            None if activation.evidence is None else json.dumps(to_json(activation.evidence)),
        ],
    )


_ADMIT = """
    insert into champions select made_at, id, encoder, 'rondo', 'round', null, null, null from models
    where id = $model and id not in (select model from champions)
"""
# Audit records keep their positions, whoever is champion, and so does what waits to be checked or reviewed.
_WAITING = """
    select to_json(list(json_array(n, position, score) order by position)) from queue
    where not audit and purpose is null and not is_labelled(n)
"""

# Predictions of records that were first answered after the model came into use: made before the truth was known. Only
# the first model's is kept, since the next one trained on the answer.
BEFORE_ANSWERS = "select * from predictions_of_champion"
"""what the model in use said of records before anybody answered them, and the log does not hold yet"""


def log_predictions(cursor: duckdb.DuckDBPyConnection) -> None:
    """Adds to the prediction log those of the suggestions about to be replaced."""
    cursor.execute(f"insert into predictions {BEFORE_ANSWERS}")


def rank_again(cursor: duckdb.DuckDBPyConnection, ranked: str, model: ModelId) -> None:
    """New suggestions for all queued records; those that nobody holds and that are not audit change order."""
    cursor.execute("create or replace temp table ranked as select * from read_parquet(?)", [ranked])
    cursor.execute(
        """update queue set score = ranked.score, suggestion = ranked.suggestion, model = ?
           from ranked where ranked.n = queue.n""",
        [model],
    )
    reorder(cursor)


def reorder(cursor: duckdb.DuckDBPyConnection) -> None:
    """By the temp table `ranked` (n, score), the highest first: records that nobody holds and that are not audit change
    places among themselves."""
    cursor.execute(
        """
        create or replace temp table places as
        with free as (
            select q.n, q.position, ranked.score, q.spare from queue q join ranked using (n)
            where not q.audit and q.purpose is null and q.n not in (select n from leased)
        ),
        slots as (select position, spare, row_number() over (partition by spare order by position) as k from free),
        wanted as (select n, spare, row_number() over (partition by spare order by score desc, n) as k from free)
        select wanted.n, slots.position from wanted join slots using (spare, k)
        """
    )
    cursor.execute("update queue set position = places.position from places where places.n = queue.n")


def store_held_out_predictions(cursor: duckdb.DuckDBPyConnection, predictions: str, model: ModelId) -> None:
    """Those of the model in use replace the ones before."""
    cursor.execute("delete from held_out_predictions")
    cursor.execute(
        """insert into held_out_predictions
           select j.n, s.stratum, j.weight, j.truth, j.predicted, j.label, j.probability, ?, j.truth_answer,
                  j.predicted_answer
           from read_parquet(?) j join settled s using (n)""",
        [model, predictions],
    )
