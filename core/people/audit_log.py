"""The audit log: what is written of a verb, and reading it, newest first. Knows no page; never holds a secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from core.errors import BadInput
from core.jobs.bundle import Report
from core.project import Project
from core.store.database import note
from core.store.tables import write_table
from core.store.targets import refuse_target
from core.typed_json import to_json

PAGE = 100
MOST = 10_000
"""lines that are told at once; an export has them all"""

Detail = Mapping[str, Any]

QUIET = {
    *("status", "jobs", "job", "job_log", "models", "model", "predictions", "compare", "compare_encoders"),
    *("rechoose", "check", "follow"),
    "integrity",
    "people",
}
"""change nothing that anybody asked for"""

_ROUND = ("size", "strategy", "seed", "audit_share")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "import": ("file", "text", "label", "id", "split", "meta", "add_labels", "keep_missing_words"),
    "next": _ROUND,
    "round": _ROUND,
    "map": ("again",),
    "export": ("out", "file_format", "what", "card"),
    "backup": ("out",),
    "archive": ("archive",),
    "train": ("trainer", "on", "gpu", "seed", "note", "values"),
    "job_cancel": ("job",),
    "job_retry": ("job",),
    "job_forget": ("job",),
    "evaluate": ("model", "on"),
    "model_export": ("model", "out"),
}
"""what was asked, by verb; an option that is not named here is not written down"""
_TOLD: dict[str, tuple[str, ...]] = {
    "import": ("rows", "added", "labelled", "changed", "declared_gold"),
    "next": ("batch", "queued"),
    "round": ("batch", "queued"),
    "open": ("batch", "queued"),
    "train": ("id",),
    "encode": ("encoded",),
    "export": ("rows",),
}
"""what came of it"""
_ONLY_IF: dict[str, Callable[[Detail], object]] = {
    "open": lambda result: result.get("batch"),
    "encode": lambda result: result.get("encoded"),
}
"""verbs that often find nothing to do"""


def note_verb(project: Project, who: str, verb: str, options: Detail, result: object) -> None:
    """One line of a verb that does not write its own, where there is anything to say of it."""
    detail = cast(Detail, to_json(result))
    if verb in QUIET or (verb in _ONLY_IF and not _ONLY_IF[verb](detail)):
        return
    entries = {name: options[name] for name in _OPTIONS.get(verb, ()) if options.get(name) not in (None, "", [])}
    came = {name: detail[name] for name in _TOLD.get(verb, ()) if name in detail}
    with project.store.transaction() as cursor:
        note(cursor, who, verb, entries | came)


@dataclass(frozen=True)
class Wanted:
    """Which lines: of whom, of what, since when (UTC); None: all. before: the place of the last line of a page."""

    who: str | None = None
    what: str | None = None
    since: datetime | None = None
    before: tuple[datetime, int] | None = None


@dataclass(frozen=True)
class Line:
    """One line. detail: JSON as text. place: what `Wanted.before` takes."""

    at: str
    who: str
    what: str
    detail: str
    place: tuple[datetime, int]


_COLUMNS = (
    "strftime(logged_at, '%Y-%m-%dT%H:%M:%SZ') as at, user as who, what, coalesce(detail::varchar, '{}') as detail"
)


def lines(project: Project, requested: Wanted, most: int = PAGE) -> list[Line]:
    """The newest first, also among lines of one instant."""
    where, parameters = _where(requested)
    rows = project.store.query(
        f"select {_COLUMNS}, logged_at, rowid from audit_log where {where} order by logged_at desc, rowid desc limit ?",
        [*parameters, most],
    )
    return [Line(at, who, what, detail, (logged, row)) for at, who, what, detail, logged, row in rows]


def kinds(project: Project) -> tuple[list[str], list[str]]:
    """Everybody who stands in it, and every kind of line."""
    query = project.store.query
    return (
        [who for (who,) in query("select distinct user from audit_log order by 1")],
        [what for (what,) in query("select distinct what from audit_log order by 1")],
    )


def history(
    project: Project,
    report: Report,
    *,
    who: str = "local",
    out: str | None = None,
    **requested: Any,
) -> dict[str, Any]:
    """The newest lines, or all of them as a file. wanted: by, what, since (2026-11-27, or with a time), limit (of what
    is told), file_format. An export is a line of the history itself; it is written after the file."""
    limit, file_format = requested.get("limit", PAGE), requested.get("file_format", "csv")
    request = Wanted(requested.get("by"), requested.get("what"), read_time(requested.get("since")))
    if out is None:
        if not 0 < limit <= MOST:
            raise BadInput(f"--limit is {limit}, but it must lie between 1 and {MOST:,}. --out writes all lines.")
        matches = lines(project, request, limit)
        return {"lines": [{"at": x.at, "who": x.who, "what": x.what, "detail": x.detail} for x in matches]}
    refuse_target(project, out)
    where, parameters = _where(request)
    query = f"select {_COLUMNS} from audit_log where {where} order by logged_at, rowid"
    with project.store.reading() as cursor:
        rows = write_table(cursor, query, parameters, Path(out), file_format)
    if project.store.why_read_only:
        return {"file": out, "rows": rows}
    with project.store.transaction() as cursor:
        note(cursor, who, "history exported", {"out": out, "rows": rows})
    return {"file": out, "rows": rows}


def read_time(text: str | None) -> datetime | None:
    """UTC, naive. Raises BadInput."""
    if not text:
        return None
    try:
        matches = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text[:40]!r} is no time. Write 2026-11-27 or 2026-11-27T14:30.") from None
    return matches.astimezone(UTC).replace(tzinfo=None) if matches.tzinfo else matches


def _where(requested: Wanted) -> tuple[str, list[object]]:
    """A condition and its parameters."""
    parts: list[tuple[str, list[object]]] = [("true", [])]
    if requested.who is not None:
        parts.append(("user = ?", [requested.who]))
    if requested.what is not None:
        parts.append(("what = ?", [requested.what]))
    if requested.since is not None:
        parts.append(("logged_at >= ?", [requested.since]))
    if requested.before is not None:
        at, row = requested.before
        parts.append(("(logged_at < ? or (logged_at = ? and rowid < ?))", [at, at, row]))
    return " and ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]
