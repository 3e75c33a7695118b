"""Cleaning: what models read of a text, and which records they do without. The text itself stays as it came."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TypedDict, Unpack

import duckdb

from core.data.clean_job import CHOOSABLE, CLEAN, REASONS, CleanParams, CleanResult
from core.data.clean_rules import RULES, read_rules
from core.errors import BadInput, Refused
from core.jobs.bundle import Report
from core.project import Project
from core.store.database import Store, count
from core.store.tables import quoted
from core.tasks.tasks import task_of
from core.typed_json import from_json, to_json

PROTECTED = """(
    r.split is not distinct from 'test'
    or r.n in (select n from settled where stratum not in ('chosen', 'file'))
    or r.n in (select n from queue where audit or purpose is not null))"""
"""records r that claims rest on, or will: gold, audit, and those of any blind check"""
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)?")
_TEXTS = f"""
    select r.n, r.id, r.text, {PROTECTED} as protected, is_labelled(r.n) as labelled from records r order by r.n
"""


class CleanOptions(TypedDict, total=False):
    """rules: sets or names of rules; the rest as in `CleanParams`."""

    rules: list[str]
    languages: list[str]
    shortest: int
    longest: int
    near_empty: float
    boilerplate: float
    near_duplicates: bool
    left_out: list[str]


@dataclass(frozen=True)
class CleanExample:
    """A text before and after; of a record that repeats another one, that one's id and text."""

    id: str
    before: str
    after: str
    other_id: str = ""


@dataclass(frozen=True)
class RuleReport:
    """What a rule does by itself. about: in a sentence. texts: that it changes."""

    rule: str
    about: str
    texts: int
    examples: tuple[CleanExample, ...] = ()


@dataclass(frozen=True)
class ReasonReport:
    """Records that there is a reason to leave out. applies: whether they are left out, or only reported."""

    reason: str
    about: str
    records: int
    applies: bool
    examples: tuple[CleanExample, ...] = ()


@dataclass(frozen=True)
class Cleaning:
    """changed: texts that models read otherwise than they came. protected: gold and audit records with a reason, which
    stay. left_out: records. applied: False for a preview, which changes nothing. restored: records that an undo brought
    back. encode: those that the next `rondo encode` encodes again.
    """

    records: int
    changed: int
    left_out: int
    protected: int
    applied: bool
    rules: tuple[RuleReport, ...] = ()
    reasons: tuple[ReasonReport, ...] = ()
    languages: Mapping[str, int] = field(default_factory=dict)
    restored: int = 0
    encode: int = 0

    @property
    def undone(self) -> bool:
        """Whether it took every cleaning back."""
        return self.applied and not self.changed and self.encode + self.restored > 0

    @property
    def sentence(self) -> str:
        """What models read of it, and what they do without."""
        if self.undone:
            return f"All texts are as they came again, and {self.restored:,} records are back."
        return (
            f"models read {self.changed:,} of {self.records:,} texts cleaned; "
            f"{self.left_out:,} records are left out of asking and training."
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be minded, in sentences."""
        stay = f"{self.protected:,} gold or audit records have such reasons, too, but they stay: they measure."
        return (stay,) if self.protected else ()


@dataclass(frozen=True)
class CleaningInForce:
    """changed: texts that models read otherwise than they came. left_out: records, by reason, most frequent first."""

    params: CleanParams
    changed: int
    left_out: Mapping[str, int]


def cleaning_in_force(store: Store) -> CleaningInForce | None:
    """None where nothing was cleaned, or all of it was undone."""
    stored = store.one("select options::varchar from cleanings order by run desc limit 1")
    if stored in (None, "null"):
        return None
    reasons = store.query(
        "select reason, count(*) from left_out where step = 'clean' group by reason order by count(*) desc, reason"
    )
    changed = store.one("select count(*) from cleaned where text is not null")
    return CleaningInForce(from_json(CleanParams, json.loads(stored), "The stored cleaning"), changed, dict(reasons))


def rules_in_force(store: Store) -> tuple[str, ...]:
    """By which texts from elsewhere are cleaned before a model of this project reads them."""
    return tuple(store.one("select rules from cleanings order by run desc limit 1") or ())


def clean(
    project: Project,
    report: Report,
    *,
    apply: bool = False,
    undo: bool = False,
    **options: Unpack[CleanOptions],
) -> Cleaning:
    """A preview; with `apply` it holds in place of every cleaning before, with `undo` there is none.

    Raises BadInput for unknown rules and reasons, Refused where records have two sides.
    """
    if undo:
        if apply or options:
            raise BadInput("--undo brings back every text as it came, and takes no other option.")
        return _undo(project)
    params = read_clean_options(options)
    if task_of(project.settings()).two_sides:
        raise Refused(
            "Records of this task have two sides, of which models and the search for candidates read every field: "
            "nothing would read a cleaned text beside them. Clean the file before it is imported: "
            "rondo clean FILE --text COLUMN --out FILE."
        )
    if not project.store.one("select count(*) from records"):
        raise Refused("The project has no records yet. Bring some with `rondo import FILE --text COLUMN`.")
    bundle = project.jobs.prepare(CLEAN, params)
    with project.store.reading() as cursor:
        cursor.execute(f"copy ({_TEXTS}) to '{quoted(bundle.path / 'in' / 'texts.parquet')}'")
    result = project.jobs.run(bundle, CLEAN, report, "Cleaning")
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
        cursor.execute(_STAGE.format(out=quoted(bundle.path / "out")))
        left_out = count(cursor, "select count(*) from staged_left_out")
        examples = cursor.execute("select kind, name, id, before, after, other_id from staged_examples").fetchall()
        encode = _store(cursor, params) if apply else 0
        for name in ("cleaned", "left_out", "examples"):
            cursor.execute(f"drop view staged_{name}")
    bundle.empty()
    if apply:
        project.label_queue.reload()
    cleaning = Cleaning(result.records, result.changed, left_out, result.protected, apply, encode=encode)
    return replace(cleaning, languages=result.languages, **reports(params, result, examples))


def read_clean_options(options: CleanOptions) -> CleanParams:
    """Raises BadInput for what cannot be meant."""
    left_out = _read_reasons(options.get("left_out") or [])
    params = CleanParams(
        rules=read_rules(options.get("rules") or []),
        languages=tuple(code.strip().lower() for code in options.get("languages") or [] if code.strip()),
        shortest=options.get("shortest") or 0,
        longest=options.get("longest") or 0,
        near_empty=options.get("near_empty", CleanParams.near_empty),
        boilerplate=options.get("boilerplate", CleanParams.boilerplate),
        near_duplicates=options.get("near_duplicates", False) or "near_duplicate" in left_out,
        left_out=left_out,
    )
    if min(params.shortest, params.longest) < 0 or 0 < params.longest < params.shortest:
        raise BadInput(f"No text has {params.shortest:,} to {params.longest:,} characters. Take other limits.")
    if not (isfinite(params.near_empty) and isfinite(params.boilerplate)):
        raise BadInput(f"{params.near_empty:g} and {params.boilerplate:g} are no two weights. Take numbers.")
    if unknown := [code for code in params.languages if not _LANGUAGE.fullmatch(code)]:
        raise BadInput(f"{unknown[0]!r} is no code of a language; they are like en, de, zh.")
    return params


def _read_reasons(words: Sequence[str]) -> tuple[str, ...]:
    chosen = {part.strip() for word in words for part in word.split(",") if part.strip()}
    if "all" in chosen:
        chosen = (chosen - {"all"}) | set(CHOOSABLE)
    if unknown := sorted(chosen - set(CHOOSABLE)):
        raise BadInput(
            f"Records cannot be left out for {unknown[0]!r}; choose of {', '.join(CHOOSABLE)}, or all. Languages and "
            "lengths are left out by --language, --shortest and --longest."
        )
    return tuple(name for name in CHOOSABLE if name in chosen)


_STAGE = """
    create or replace temp view staged_cleaned as from read_parquet('{out}/cleaned.parquet');
    create or replace temp view staged_left_out as from read_parquet('{out}/left_out.parquet');
    create or replace temp view staged_examples as from read_parquet('{out}/examples.parquet');
"""
# A text that is again what it was before keeps the run that made it so: its vectors hold.
_MERGE = """
    create or replace temp table merged as
    select n, s.text, if(c.n is not null and c.text is not distinct from s.text, c.run, {run}) as run
    from cleaned c full join staged_cleaned s using (n)
    where n in (select n from records);
    delete from cleaned;
    insert into cleaned select n, text, run from merged;
    drop table merged;
"""
_LEAVE_OUT = """
    delete from left_out where step = 'clean';
    insert into left_out select s.n, 'clean', s.reason, nullif(s.other, -1)
    from staged_left_out s join records r using (n) where not {protected};
    delete from queue where n in (select n from left_out where step = 'clean') and not is_labelled(n)
        and n not in (select n from responses where source <> 'file') and n not in (select n from leased);
    delete from machine_labels where n in (select n from left_out where step = 'clean');
"""


def _store(cursor: duckdb.DuckDBPyConnection, params: CleanParams) -> int:
    """In the caller's transaction; returns how many texts changed since the run before."""
    run = _new_run(cursor, params)
    cursor.execute(_MERGE.format(run=run))
    cursor.execute(_LEAVE_OUT.format(protected=PROTECTED))
    return count(cursor, "select count(*) from cleaned where run = ?", [run])


def _new_run(cursor: duckdb.DuckDBPyConnection, params: CleanParams | None) -> int:
    """Later than every run before, whatever the clock says."""
    run = max(time.time_ns() // 1_000_000, count(cursor, "select coalesce(max(run), 0) + 1 from cleanings"))
    rules = list(params.rules) if params else []
    cursor.execute("insert into cleanings values (?, ?, ?)", [run, rules, json.dumps(to_json(params))])
    return run


def _undo(project: Project) -> Cleaning:
    with project.store.transaction() as cursor:
        if not count(cursor, "select count(*) from cleanings where options::varchar <> 'null'"):
            raise Refused("Nothing was cleaned yet, so there is nothing to undo.")
        run = _new_run(cursor, None)
        changed = count(cursor, "select count(*) from cleaned where text is not null")
        cursor.execute("update cleaned set text = null, run = ? where text is not null", [run])
        left_out = count(cursor, "select count(*) from left_out where step = 'clean'")
        cursor.execute("delete from left_out where step = 'clean'")
        records = count(cursor, "select count(*) from records")
    project.label_queue.reload()
    return Cleaning(records, 0, 0, 0, True, restored=left_out, encode=changed)


class Reports(TypedDict):
    """Two fields of a `Cleaning`."""

    rules: tuple[RuleReport, ...]
    reasons: tuple[ReasonReport, ...]


def reports(params: CleanParams, result: CleanResult, rows: Sequence[tuple[str, ...]]) -> Reports:
    """What each rule and each reason comes to. rows: kind, name and an example."""

    def examples(kind: str, name: str) -> tuple[CleanExample, ...]:
        return tuple(CleanExample(*rest) for one, other, *rest in rows if (one, other) == (kind, name))

    return {
        "rules": tuple(
            RuleReport(name, (RULES[name].__doc__ or "").strip(), texts, examples("rule", name))
            for name, texts in result.rules.items()
        ),
        "reasons": tuple(
            ReasonReport(name, REASONS[name], records, params.applies(name), examples("reason", name))
            for name, records in result.reasons.items()
            if records
        ),
    }
