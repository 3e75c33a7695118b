"""A file's rows go into the store part by part, so that nobody's answer waits for them. Knows no job and no verb.

Once it is decided that a file comes in, all of it does: what a killed process has left over is stored by whoever opens
the project next. So a part can be seen and answered before the next one is in, and no answer is ever taken back.
"""

import json
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

import duckdb

from core.config.settings import Settings
from core.data.ingest_job import FileReport
from core.data.records import PLACES, RECORDS, ImportCounts, ImportPart, store_records
from core.errors import Cancelled, Refused
from core.jobs.bundle import Bundle, Report
from core.labelling.responses import first_stamp
from core.store.database import Store, note
from core.typed_json import from_json, to_json

log = logging.getLogger("rondo")
Steady = Callable[[], AbstractContextManager[Settings]]
"""the settings, which nobody changes while the block lasts"""

# New records go in beside the writers, so these parts may be large; labels of known ones take a turn like an answer.
LEAST_ROWS, NEW_ROWS = 5_000, 122_880
"""the first part is small: people can begin. NEW_ROWS fill one of DuckDB's groups, which no checkpoint writes again"""
KNOWN_SECONDS = 0.4


def begin_import(
    cursor: duckdb.DuckDBPyConnection, job: str, report: FileReport, settings: Settings, sizes: tuple[int, int]
) -> None:
    """Begins the import of the rows that the job has written, in the caller's transaction.

    sizes: as `number_records` returns them. Answers given from now on are newer than the file.
    """
    names = json.dumps({label.id: label.name for label in settings.taxonomy.labels})
    stamp = first_stamp(cursor, sizes[1] + report.answers + report.known_answers)
    cursor.execute(
        "insert into imports values (?, ?, ?, ?, 0, ?, ?, '{}')",
        [job, report.file, names, stamp, *sizes],
    )


def continue_import(store: Store, bundle: Bundle, steady: Steady, report: Report = lambda *_: None) -> ImportCounts:
    """Stores the remaining rows of an import that was begun; returns the counts of all of them.

    Cannot be cancelled. Raises Refused where it cannot continue; it does when the project is opened next.
    """
    sizes = {store.appending: LEAST_ROWS, store.transaction: LEAST_ROWS}
    with store.checkpoints_aside() as checkpoint:
        while True:
            done, fresh = store.query("select done, fresh from imports where job = ?", [bundle.path.name])[0]
            open_transaction = store.appending if done < fresh else store.transaction
            started = time.monotonic()
            try:
                with steady() as settings, open_transaction() as cursor:
                    done, total, counts = _part(cursor, bundle, settings, sizes[open_transaction])
                took = time.monotonic() - started
                checkpoint()
            except (duckdb.Error, OSError) as error:
                raise Refused(_cut_short(str(error))) from error
            with suppress(Cancelled):
                report("Storing", done, total)
            if done == total:
                bundle.empty()
                return counts
            if open_transaction == store.appending:
                sizes[open_transaction] = NEW_ROWS
            else:
                sizes[open_transaction] = max(LEAST_ROWS, round(sizes[open_transaction] * min(2, KNOWN_SECONDS / took)))
                time.sleep(took / 4)  # who waited comes first


def finish_imports(store: Store, folder: Path, steady: Steady) -> None:
    """Stores the remaining rows after a kill; an import whose files are gone is recorded as incomplete."""
    for (job,) in store.query("select job from imports"):
        bundle = Bundle(folder / "jobs" / job)
        if all((bundle.path / "out" / name).exists() for name in (RECORDS, PLACES)):
            try:
                continue_import(store, bundle, steady)
            except Refused as error:
                log.warning("import: %s", error)
        else:
            _drop(store, job)


def _part(
    cursor: duckdb.DuckDBPyConnection, bundle: Bundle, settings: Settings, size: int
) -> tuple[int, int, ImportCounts]:
    """Stores the next rows, all of new or all of known records; returns how many are stored, of how many, and the
    counts.
    """
    job = bundle.path.name
    query = "select source, names, stamp, done, fresh, total, counts from imports where job = ?"
    source, names, stamp, done, fresh, total, written = cursor.execute(query, [job]).fetchall()[0]
    end = min(done + size, fresh if done < fresh else total)
    as_in_file = _named(settings, json.loads(names))
    new = store_records(cursor, bundle.path / "out", source, as_in_file, ImportPart(done, end, stamp))
    counts = from_json(ImportCounts, json.loads(written), "The counts of an import").plus(new)
    stamp += new.labelled + new.answers
    if end < total:
        cursor.execute(
            "update imports set stamp = ?, done = ?, counts = ? where job = ?",
            [stamp, end, json.dumps(to_json(counts)), job],
        )
    else:
        cursor.execute("delete from imports where job = ?", [job])
    return end, total, counts


def _named(settings: Settings, names: dict[str, str]) -> Settings:
    """With the labels' names as in the file, though they may have been renamed since."""
    labels = tuple(replace(label, name=names.get(label.id, label.name)) for label in settings.taxonomy.labels)
    return replace(settings, taxonomy=replace(settings.taxonomy, labels=labels))


def _drop(store: Store, job: str) -> None:
    with store.transaction() as cursor:
        query = "delete from imports where job = ? returning source, done, total"
        source, done, total = cursor.execute(query, [job]).fetchall()[0]
        note(cursor, "rondo", "import cut short", {"file": source, "rows": done, "of": total})
    log.warning("import: only %s of %s rows of %s are in, and the rest is gone. Import it again.", done, total, source)


def _cut_short(why: str) -> str:
    return (
        f"Not all of the file could be stored: {why.splitlines()[0]} What is in stays; the rest follows with the next "
        "import, or when the project is opened next."
    )
