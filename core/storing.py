"""A file's rows go into the store part by part, so that nobody's answer waits for them. Knows no job and no verb.

Once it is decided that a file comes in, all of it does: what a killed process has left over is stored by whoever opens
the project next. So a part can be seen and answered before the next one is in, and no answer is ever taken back.
"""

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from core.errors import Cancelled, Refused
from core.jobs import Bundle, Report
from core.records import NUMBERS, RECORDS, take_in
from core.settings import Settings
from core.store import Store, note

log = logging.getLogger("rondo")
FIRST_ROWS, MOST_ROWS = 1_000, 20_000
PART_SECONDS = 0.2
"""how long a part shall take: so long an answer waits, and then a quarter of that is left to those that waited"""


def begin_import(cursor: duckdb.DuckDBPyConnection, bundle: Bundle, settings: Settings, total: int) -> None:
    """Decides, in the caller's transaction, that the rows which the job has written come in."""
    source = json.loads((bundle.path / "out" / "report.json").read_text(encoding="utf-8"))["file"]
    names = json.dumps({label.id: label.name for label in settings.taxonomy.labels})
    cursor.execute("insert into imports values (?, ?, ?, 0, ?, '{}')", [bundle.path.name, source, names, total])


def go_on(
    store: Store, bundle: Bundle, settings: Callable[[], Settings], report: Report = lambda *_: None
) -> dict[str, Any]:
    """Stores what is not in yet of a file that was begun; returns the counts of all of it. Cannot be cancelled.

    Raises Refused where it cannot go on; then it does when the project is opened next.
    """
    job, size, rest = bundle.path.name, FIRST_ROWS, True
    source, total, counts = "", 0, {}
    while rest:
        started = time.monotonic()
        try:
            with store.transaction() as cursor:
                source, done, total, counts = _part(cursor, bundle, settings(), size)
        except (duckdb.Error, OSError) as error:
            raise Refused(_cut_short(source or job, str(error))) from error
        with suppress(Cancelled):
            report("Storing", done, total)
        rest = done < total
        took = time.monotonic() - started
        size = round(min(MOST_ROWS, max(FIRST_ROWS / 2, size * min(2, PART_SECONDS / took))))
        time.sleep(took / 4 if rest else 0)
    bundle.empty()
    return counts


def finish_imports(store: Store, folder: Path, settings: Callable[[], Settings]) -> None:
    """Stores what a process that was killed has left over; a file that is gone is written down as cut short."""
    for (job,) in store.query("select job from imports"):
        bundle = Bundle(folder / "jobs" / job)
        if all((bundle.path / "out" / name).exists() for name in (RECORDS, NUMBERS)):
            try:
                go_on(store, bundle, settings)
            except Refused as error:
                log.warning("import: %s", error)
        else:
            _drop(store, job)


def _part(
    cursor: duckdb.DuckDBPyConnection, bundle: Bundle, settings: Settings, size: int
) -> tuple[str, int, int, dict[str, Any]]:
    """Takes in the next rows; returns the file, how many of its rows are in, of how many, and the counts so far."""
    job = bundle.path.name
    query = "select source, names, done, total, counts from imports where job = ?"
    source, names, start, total, written = cursor.execute(query, [job]).fetchall()[0]
    stop = min(start + size, total)
    as_in_file = _named(settings, json.loads(names))
    new = take_in(cursor, bundle.path / "out", source, as_in_file, (start, stop))
    before = json.loads(written)
    counts = {name: before.get(name, 0) + value for name, value in new.items()}
    if stop < total:
        cursor.execute("update imports set done = ?, counts = ? where job = ?", [stop, json.dumps(counts), job])
    else:
        cursor.execute("delete from imports where job = ?", [job])
    return source, stop, total, counts


def _named(settings: Settings, names: dict[str, str]) -> Settings:
    """With the labels called as in the file, though somebody may have renamed them since."""
    labels = tuple(replace(label, name=names.get(label.id, label.name)) for label in settings.taxonomy.labels)
    return replace(settings, taxonomy=replace(settings.taxonomy, labels=labels))


def _drop(store: Store, job: str) -> None:
    with store.transaction() as cursor:
        source, done, total = cursor.execute("select source, done, total from imports where job = ?", [job]).fetchall()[
            0
        ]
        cursor.execute("delete from imports where job = ?", [job])
        note(cursor, "rondo", "import cut short", {"file": source, "rows": done, "of": total})
    log.warning("import: only %s of %s rows of %s are in, and the rest is gone. Import it again.", done, total, source)


def _cut_short(source: str, why: str) -> str:
    return (
        f"Not all of {source} could be stored: {why.splitlines()[0]} What is in stays; the rest follows with the next "
        "import, or when the project is opened next."
    )
