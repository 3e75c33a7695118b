"""The records of sources, which pairs are of: bringing them in, and what is known of them. Knows no pair's answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from core.data.file_import import read_file, with_new_fields
from core.data.ingest_job import FileReport, IngestParams, Layout
from core.data.records import RECORDS
from core.data.remote_files import full_path
from core.errors import BadInput, Refused, RondoError
from core.jobs.bundle import Bundle, Report
from core.project import Project
from core.store.database import utc_now
from core.store.tables import quoted
from core.tasks.tasks import task_of


@dataclass(frozen=True)
class SourceImport:
    """rows: of the file; added: records that are new; known: that were there already. sources: name -> records now."""

    source: str
    rows: int
    added: int
    known: int
    sources: dict[str, int]
    report: FileReport


def import_source(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    file: str,
    text: Sequence[str],
    id: str | None = None,
    source: str | None = None,
    encoding: str = "utf-8",
) -> SourceImport:
    """Brings in the records of a source, all or none. text: columns, its fields, each COLUMN or COLUMN=FIELD where the
    field is called otherwise. id: column, or by content. source: its name, or the file's.

    The same file again adds what is new in it. Raises BadInput where a known id comes with another text.
    """
    settings, name = project.settings(), source or Path(file).stem
    if not task_of(settings).two_sides:
        raise Refused(f"Records of the task {settings.task!r} are not paired; bring them in with `rondo import`.")
    if not name.strip() or ":" in name:
        raise BadInput(f"A source cannot be called {name!r}: a name is not blank and has no colon. Give one: --source.")
    fields = [column.rpartition("=") for column in text]
    columns, names = (tuple(one if mark else name for one, mark, name in fields), tuple(name for *_, name in fields))
    if repeated := [name for name in names if names.count(name) > 1]:
        raise BadInput(f"Two columns are the field {repeated[0]!r}; give each a field of its own: --text COLUMN=FIELD.")
    layout = Layout(text=columns, names=names, id=id, encoding=encoding, task=settings.task)
    bundle, contents = read_file(project, report, IngestParams(full_path(file), layout))
    with project.storing:
        try:
            added = _store(project, bundle, name, contents)
        except RondoError as error:
            project.jobs.refuse(bundle, error)
            raise
    bundle.empty()
    report("Storing", 1, 1)
    with project.store.reading() as cursor:
        sources = count_sources(cursor)
    return SourceImport(name, contents.rows, added, contents.records - added, sources, contents)


def _store(project: Project, bundle: Bundle, source: str, contents: FileReport) -> int:
    """Returns how many are new."""
    with project.changing_settings() as (current, cursor):
        staged = f"read_parquet('{quoted(bundle.path / 'out' / RECORDS)}')"
        changed = cursor.execute(
            f"""select r.position + 1, r.id from {staged} r join sides s on s.source = ? and s.id = r.id
                where s.text <> r.text order by r.position limit 1""",
            [source],
        ).fetchone()
        if changed:
            raise BadInput(
                f"{contents.file}, row {changed[0]}: the id {changed[1]!r} of {source} is known with another text. A "
                "record's text does not change: give it an id of its own, or the file another --source. Nothing was "
                "imported."
            )
        if not project.jobs.claim_result(bundle, cursor):
            raise Refused("This file was taken in already.")
        added = cursor.execute(
            f"""insert into sides
                select (select coalesce(max(side) + 1, 0) from sides) - 1 + row_number() over (order by position),
                       $source, id, text, fields, hash::varchar, $now
                from {staged} r where not exists (select 1 from sides s where s.source = $source and s.id = r.id)""",
            {"source": source, "now": utc_now()},
        ).fetchall()[0][0]
        requested = with_new_fields(current, contents.fields)
        if requested != current:
            project.save_settings(requested)
    return int(added)


def count_sources(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Name -> records, in the order in which they came."""
    query = "select source, count(*) from sides group by source order by min(side)"
    return dict(cursor.execute(query).fetchall())
