"""Splitting labelled records into train, validation and test; test is gold from then on. Knows no model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from core.data.split_job import SPLIT, SPLIT_NAMES, SplitJobResult, SplitParams
from core.errors import BadInput, Refused
from core.jobs.bundle import Bundle, Report
from core.labelling.gold import declare_gold, take_gold_off_queue
from core.project import Project
from core.store.database import count
from core.store.tables import quoted
from core.tasks.tasks import task_of

USUAL_TEST = 0.2
TOLERANCE = 1e-6
_FREE = "s.stratum in ('chosen', 'file') and r.split is distinct from 'test' and r.n not in (select n from left_out)"
"""settled records s of records r that may still become anything"""


@dataclass(frozen=True)
class LabelSplit:
    """Records with a label, or an answer, in each split."""

    name: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Split:
    """applied: False for a preview, which changes nothing. groups: that stayed whole, 0 without `by`. labels: most
    frequent first. uneven: labels that are too rare to be in every split. gold, audit: records that were so before, and
    stay. left_out: labelled ones that cleaning or balancing left out. chosen: of those that are split, how many were
    chosen by a strategy. stopped_teaching: test records that models may have trained on before.
    """

    applied: bool
    seed: int
    records: int
    groups: int
    train: int
    validation: int
    test: int
    gold: int
    audit: int
    left_out: int
    chosen: int
    uneven: int
    stopped_teaching: int = 0
    labels: tuple[LabelSplit, ...] = field(default=())

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be minded, in sentences."""
        stay = {"gold": self.gold, "audit": self.audit, "left out": self.left_out}
        staying = ", ".join(f"{name} {records:,}" for name, records in stay.items() if records)
        notes = {
            f"{self.groups:,} groups, none of which is divided; the shares are of groups.": self.groups,
            f"{self.uneven:,} labels are too rare to be in every split.": self.uneven,
            f"Not split: {staying} records.": staying,
            f"{self.chosen:,} of the records were chosen by a strategy: gold of them is no random sample.": self.chosen,
            f"{self.stopped_teaching:,} test records taught until now: what was trained before has seen them, so train "
            "anew before you trust a score.": self.stopped_teaching,
        }
        return tuple(sentence for sentence, holds in notes.items() if holds)


def split(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    train: float | None = None,
    val: float | None = None,
    test: float | None = None,
    by: str | None = None,
    seed: int | None = None,
    add_to_gold: bool = False,
    chosen_too: bool = False,
    apply: bool = False,
) -> Split:
    """A preview; with `apply` the test records are gold for good, and validation records choose checkpoints.

    by: a field or a column of the metadata, whose values are never divided. Equal texts are not divided either.
    add_to_gold: split the others where there is gold already. chosen_too: those too that a strategy chose. Raises
    BadInput for shares that do not add up, Refused where a split would hurt what is claimed.
    """
    shares = read_shares(train, val, test)
    settings = project.settings()
    if task_of(settings).two_sides:
        raise Refused(
            "Records of this task are pairs, and two pairs may share a record: import them with their splits."
        )
    seed = settings.seed if seed is None else seed
    if not 0 <= seed < 2**63:
        raise BadInput(f"The seed is {seed}; it must be 0 or more.")
    params = SplitParams(shares, seed)
    with project.store.reading() as cursor:
        facts = _facts(cursor)
        _refuse(facts, shares, add_to_gold=add_to_gold, chosen_too=chosen_too)
        unit = _unit(cursor, by)
    bundle = project.jobs.prepare(SPLIT, params)
    with project.store.reading() as cursor:
        cursor.execute(_RECORDS.format(unit=unit, target=quoted(bundle.path / "in" / "records.parquet")), _named(by))
    result = project.jobs.run(bundle, SPLIT, report, "Splitting")
    stopped = _apply(project, bundle) if apply else _end(project, bundle)
    return Split(
        applied=apply,
        seed=seed,
        records=result.records,
        groups=result.units if by else 0,
        **dict(zip(SPLIT_NAMES, result.sizes, strict=True)),
        gold=facts["gold"],
        audit=facts["audit"],
        left_out=facts["left_out"],
        chosen=facts["chosen"],
        uneven=result.uneven,
        stopped_teaching=stopped,
        labels=label_splits(result, settings.taxonomy.names),
    )


def read_shares(train: float | None, val: float | None, test: float | None) -> tuple[float, float, float]:
    """Of SPLIT_NAMES. What is not said is the rest; of validation 0, of test USUAL_TEST where train is not said either.

    Raises BadInput where they do not add up.
    """
    supplied = [share for share in (train, val, test) if share is not None]
    if any(not 0 <= share <= 1 for share in supplied):
        raise BadInput(f"Shares lie between 0 and 1; one is {next(s for s in supplied if not 0 <= s <= 1):g}.")
    if test is None:
        test = USUAL_TEST if train is None else 1 - train - (val or 0)
    val = (0.0 if train is None else 1 - train - test) if val is None else val
    train = 1 - val - test if train is None else train
    if abs(train + val + test - 1) > TOLERANCE or min(train, val, test) < -TOLERANCE:
        raise BadInput(f"The shares train {train:g}, val {val:g} and test {test:g} do not add up to 1.")
    if train <= TOLERANCE:
        raise BadInput("Nothing would be left to train on. Take a larger share for --train.")
    return train, 0.0 if val < TOLERANCE else val, 0.0 if test < TOLERANCE else test


def _facts(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    row = cursor.execute(f"""
        select count(*) filter ({_FREE}) as free,
               count(*) filter ({_FREE} and s.stratum = 'chosen') as chosen,
               count(*) filter (s.stratum = 'gold') as gold,
               count(*) filter (s.stratum = 'audit') as audit,
               count(*) filter (s.stratum in ('chosen', 'file') and r.n in (select n from left_out)) as left_out
        from settled s join records r using (n)""").fetchone()
    return dict(zip(("free", "chosen", "gold", "audit", "left_out"), row or (0,) * 5, strict=True))


def _refuse(
    facts: Mapping[str, int], shares: tuple[float, float, float], *, add_to_gold: bool, chosen_too: bool
) -> None:
    if not facts["free"]:
        raise Refused("There is no labelled record to split: gold and audit records stay what they are.")
    if shares[2] and facts["gold"] and not add_to_gold:
        raise Refused(
            f"There are {facts['gold']:,} gold records already, on which models are scored; gold stays gold. Split the "
            "other labelled records all the same with --add-to-gold, or without a test part: --test 0."
        )
    if shares[2] and facts["chosen"] and not chosen_too:
        raise Refused(
            f"{facts['chosen']:,} of the labelled records were chosen by a strategy, so a test set of them is no "
            "random sample: scores on it would say little about the rest. The audit measures without one. To split "
            "them all the same: --chosen-too; without a test part: --test 0."
        )


def records_stamp(project: Project) -> str:
    """A text that changes whenever a verb may have changed records, but not with every answer; takes no time."""
    counts = project.store.query("select (select count(*) from records), (select count(*) from audit_log)")
    return repr((project.folder, counts))


def group_columns(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """Fields and metadata of the records, whose values a split need not divide. Reads all of them."""
    query = """select distinct unnest(list_concat(coalesce(json_keys(fields), []), coalesce(json_keys(meta), [])))
               from records order by 1"""
    return [name for (name,) in cursor.execute(query).fetchall()]


def _has_column(cursor: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Ends with the first record that has it."""
    query = "select exists(from records where json_exists(meta, $path) or json_exists(fields, $path))"
    return bool(cursor.execute(query, {"path": path_of(name)}).fetchall()[0][0])


def _unit(cursor: duckdb.DuckDBPyConnection, by: str | None) -> str:
    """SQL of what is not divided; a record without a value is one by itself. Raises BadInput for a name of nothing."""
    if by is None:
        return "r.hash"
    if not _has_column(cursor, by):
        names = group_columns(cursor)
        there = f"there are {', '.join(names)}" if names else "records have none: import with --meta COLUMN"
        raise BadInput(f"Records have no field or metadata called {by!r}; {there}.")
    return "coalesce('by ' || nullif(coalesce(json_value(r.meta, $path), json_value(r.fields, $path)), ''), r.hash)"


def _named(by: str | None) -> dict[str, str]:
    return {} if by is None else {"path": path_of(by)}


def path_of(name: str) -> str:
    """DuckDB's path of an entry of an object."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'$."{escaped}"'


_RECORDS = f"""
    copy (
        select r.n, {{unit}} as unit,
               if(len(s.labels) > 0 or s.answer::varchar = '[]', s.labels, [s.answer::varchar]) as categories
        from settled s join records r using (n) where {_FREE} order by r.n
    ) to '{{target}}' (format parquet)
"""


def _end(project: Project, bundle: Bundle) -> int:
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    bundle.empty()
    return 0


def _apply(project: Project, bundle: Bundle) -> int:
    """Returns how many test records may have taught. A record that changed meanwhile keeps its split."""
    with project.holding_settings() as settings, project.store.transaction() as cursor:
        if not project.jobs.claim_result(bundle, cursor):
            raise Refused("These splits were taken in already.")
        cursor.execute(f"""
            create or replace temp table staged as
            select r.id, p.split from read_parquet('{quoted(bundle.path / "out" / "splits.parquet")}') p
            join records r using (n) join settled s using (n) where {_FREE}""")
        declared = declare_gold(cursor)
        take_gold_off_queue(cursor, settings)
        cursor.execute("drop table staged")
        models = count(cursor, "select count(*) from models")
    bundle.empty()
    project.label_queue.reload()
    return declared["stopped_teaching"] if models else 0


def label_splits(result: SplitJobResult, names: Mapping[str, str]) -> tuple[LabelSplit, ...]:
    """The most frequent first. names: id -> name of those that have another one."""
    ordered = sorted(result.counts.items(), key=lambda entry: (-sum(entry[1]), entry[0]))
    return tuple(LabelSplit(names.get(category, category), *sizes) for category, sizes in ordered)
