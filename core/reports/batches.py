"""All batches, for the Rounds page: their counts, and the results of their self-tests. Changes nothing."""

import json
from dataclasses import dataclass, fields

from core.evaluation.reporting import with_minus
from core.project import Project
from core.sampling.selftest import SelfTest
from core.typed_json import from_json


@dataclass(frozen=True)
class BatchSummary:
    """pool, labelled_before: how many records it was chosen from, and how many had a label by then. answered: how many
    of its records have one now. model: that chose them. rows_md5: of the chosen record numbers, in order.
    """

    round: int
    made_at: str
    strategy: str
    seed: int
    size: int
    audit: int
    pool: int
    labelled_before: int
    answered: int
    model: str | None
    rows_md5: str
    self_test: SelfTest


def batches(project: Project) -> list[BatchSummary]:
    """Newest first."""
    rows = project.store.query(
        """with chosen as (select batch, unnest(list_distinct(rows)) as n from batches),
           settled_of as (select batch, count(*) as records from chosen join settled using (n) group by batch)
           select b.batch, strftime(b.made_at, '%Y-%m-%dT%H:%M:%SZ'), b.strategy, b.seed, b.size, b.audit, b.pool,
                  b.labelled, coalesce(a.records, 0), b.model, md5(array_to_string(b.rows, ',')), b.self_test
           from batches b left join settled_of a on a.batch = b.batch order by b.batch desc"""
    )
    names = [field.name for field in fields(BatchSummary)]
    return [BatchSummary(**dict(zip(names, (*facts, self_test_of(written)), strict=True))) for *facts, written in rows]


def self_test_of(written: str) -> SelfTest:
    """As a round stored it."""
    return from_json(SelfTest, json.loads(written), "The self-test of a batch")


def round_table(rounds: list[BatchSummary]) -> list[dict[str, object]]:
    """Batches as rows, the self-test's figures beside them: None where the batch was too small, or had no model."""
    shown = ("round", "made_at", "strategy", "seed", "size", "audit", "pool", "labelled_before", "answered")
    return [{name: getattr(batch, name) for name in shown} | _self_test_cells(batch.self_test) for batch in rounds]


def _self_test_cells(test: SelfTest) -> dict[str, object]:
    mine, chance = test.shape, test.shape_by_chance
    return {
        "spread": test.spread,
        "lift": test.lift,
        "redundancy": mine.redundancy if mine else None,
        "redundancy_by_chance": chance.redundancy if chance else None,
        "near_duplicates": mine.near_duplicates if mine else None,
        "warnings": len(test.warnings),
    }


def self_test_sentence(batch: BatchSummary) -> str:
    """The result of one batch's self-test in a sentence."""
    test = batch.self_test
    parts = [f"{batch.size} of {batch.pool:,} records, {batch.audit} of them audit; seed {batch.seed}."]
    if test.lift is not None:
        lift = with_minus(f"{test.lift:+.2f}")
        parts.append(f"Its records are {lift} less sure than the pool's mean (0 would be chance).")
    if test.shape and test.shape_by_chance:
        parts.append(
            f"The nearest two records in it have a mean cosine of {test.shape.redundancy:.2f}; "
            f"in random batches it is {test.shape_by_chance.redundancy:.2f}."
        )
    return " ".join(parts)
