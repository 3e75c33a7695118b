"""A project on one line of a list: task, progress, quality, people, last activity. Reads a database that is open here
or that nobody has open; changes nothing.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from core.config.settings import Settings, read_settings
from core.errors import BadInput, RondoError
from core.evaluation.metrics import read_metrics
from core.evaluation.reporting import best_score, figures
from core.jobs.bundle import Report
from core.people.people import Person
from core.project import Project
from core.store.damage import is_damage, is_lock
from core.store.database import CONFIG, StoreHeld, refuse_held, unsound_wal
from core.store.database import FILE as DATABASE


@dataclass(frozen=True)
class ShownQuality:
    """Accuracy of the model in use with its 95 % interval, 0..1. stratum: what it rests on."""

    stratum: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ProjectSummary:
    """task: name of what an answer is. settled: records with an answer that counts. people: who may sign in, else who
    answered. last: newest answer or import, UTC, empty for none. note: why the figures are missing. damaged: whether
    that is because it cannot be opened as it is.
    """

    name: str
    task: str = ""
    records: int = 0
    settled: int = 0
    quality: ShownQuality | None = None
    people: tuple[str, ...] = ()
    last: str = ""
    note: str = ""
    damaged: bool = False


DAMAGED = "Its database is damaged, so it cannot be opened. Nothing was changed."
_FIGURES = """
    select (select count(*) from records), (select count(*) from settled),
           (select strftime(greatest(max(received_at), (select max(imported_at) from records)), '%Y-%m-%dT%H:%M:%SZ')
            from responses where source <> 'file')
"""
_NEWEST = """
    select m.id, m.metrics from models m
    where m.id = coalesce((select c.model from champions c where c.encoder = $encoder order by c.since desc limit 1),
                          (select id from models where encoder = $encoder and trainer is null
                           order by made_at desc limit 1))
"""
_SIGNED_IN = """
    select name, role, coalesce(email, ''), coalesce(code, ''), added_at::varchar from people
    where removed_at is null order by added_at, name
"""
_ANSWERED = """
    select annotator from responses where source <> 'file' group by annotator order by count(*) desc limit 20
"""


@dataclass(frozen=True)
class HomeEntry:
    """What a home must know of a project. people: who may sign in, with the hashes of their codes; ended: sessions that
    were signed out of."""

    summary: ProjectSummary
    people: tuple[Person, ...] = ()
    ended: tuple[str, ...] = ()


def home_entry(project: Project, report: Report) -> HomeEntry:
    """Of a project that is open here."""
    with project.store.reading() as cursor:
        return _read(cursor, project.settings())


def read_closed(folder: Path) -> HomeEntry:
    """Of a project that is open nowhere; a note in place of figures where they cannot be read.

    Never call it in a process that has the project open: closing the file gives up that process's lock. Raises
    duckdb.IOException while another process has it open.
    """
    try:
        settings = read_settings(folder)
    except RondoError as error:
        return HomeEntry(ProjectSummary(folder.name, note=str(error), damaged=True))
    plain = ProjectSummary(settings.name, settings.task)
    if not (folder / DATABASE).exists():
        return HomeEntry(plain)
    try:
        if unsound_wal(folder / DATABASE):
            refuse_held(folder / DATABASE)  # whoever has it open writes there
            return HomeEntry(replace(plain, note=DAMAGED, damaged=True))
        with duckdb.connect(str(folder / DATABASE), read_only=True, config=CONFIG) as file:
            return _read(file, settings)
    except StoreHeld:
        raise duckdb.IOException("locked") from None
    except duckdb.Error as error:
        if is_lock(error):
            raise
        if is_damage(error) or isinstance(error, duckdb.InternalException | duckdb.SerializationException):
            return HomeEntry(replace(plain, note=DAMAGED, damaged=True))
        # of an older Rondo: opening it brings it up to date
        return HomeEntry(replace(plain, note="Open it once: its figures cannot be read from outside."))


def _read(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> HomeEntry:
    records, settled, last = cursor.execute(_FIGURES).fetchall()[0]
    rows = cursor.execute(_NEWEST, {"encoder": settings.encoder}).fetchall()
    people = tuple(Person(*row) for row in cursor.execute(_SIGNED_IN).fetchall())
    names = [one.name for one in people] or [name for (name,) in cursor.execute(_ANSWERED).fetchall()]
    ended = tuple(session for (session,) in cursor.execute("select session from ended_sessions").fetchall())
    quality = _quality(*rows[0]) if rows else None
    figures = ProjectSummary(settings.name, settings.task, records, settled, quality, tuple(names), last or "")
    return HomeEntry(figures, people, ended)


def _quality(model: str, stored: str | None) -> ShownQuality | None:
    """What the project's own pages say; None where there are too few records to say."""
    with suppress(BadInput):
        best = best_score(read_metrics(stored, model)) if stored and json.loads(stored) else None
        if best and (accuracy := figures(best[1]).get("accuracy")):
            return ShownQuality(best[0], accuracy.value, accuracy.low, accuracy.high)
    return None
