"""Settles existing answers again by another rule or other weights. Knows no queue; its callers reload the queue."""

import duckdb

from core.config.settings import Settings
from core.labelling.settling import answer_parameters, settle, verdicts
from core.store.database import utc_now

_ANSWERED = "select distinct n from responses"


def adopt_rule(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> bool:
    """Stores the settings' rule; returns whether it differs from the one that labels were settled by so far."""
    row = cursor.execute("select rule from settling order by since desc limit 1").fetchone()
    if settings.settle == (row[0] if row else "majority"):
        return False
    cursor.execute("insert into settling values (?, ?)", [utc_now(), settings.settle])
    return True


def settle_all(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, int]:
    """Settles every answered record anew; returns the changes, as `compare` does."""
    counts = compare(cursor, settings)
    settle(cursor, _ANSWERED, settings)
    return counts


def compare(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> dict[str, int]:
    """How many records would lose their label, gain one, or get another, by this rule and the weights of today."""
    row = cursor.execute(
        f"""select count(*) filter (new.n is null), count(*) filter (old.n is null),
                   count(*) filter (old.labels <> new.labels)
            from (select n, labels from settled where n in ({_ANSWERED})) as old
            full join ({verdicts(_ANSWERED, settings)}) as new on new.n = old.n""",
        answer_parameters(settings),
    ).fetchone()
    return dict(zip(("lost", "gained", "changed"), row or (0, 0, 0), strict=True))


def change_sentence(counts: dict[str, int]) -> str:
    """The counts in a sentence."""
    if not any(counts.values()):
        return "No label changes."
    return (
        f"{counts['changed']:,} records get another label, {counts['gained']:,} get one that have none now, and "
        f"{counts['lost']:,} have none any more: those are asked on where fewer people answered than are wanted, else "
        "they wait for somebody to decide. No answer is deleted."
    )
