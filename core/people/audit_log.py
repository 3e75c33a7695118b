"""The audit log: the entry of each verb, and reading entries, newest first. Knows no page; never holds a secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from core.errors import BadInput
from core.jobs.bundle import Report
from core.project import Project
from core.store.database import note
from core.store.tables import write_table
from core.store.targets import refuse_target
from core.typed_json import to_json

PAGE = 100
MOST = 10_000
"""lines that are shown at once; an export has them all"""

Detail = Mapping[str, object]

QUIET = {
    "home_entry",
    *("status", "jobs", "job", "job_log", "models", "model", "predictions", "compare", "compare_encoders"),
    *("rechoose", "check", "follow"),
    *("integrity", "check_project", "people", "merges", "merge", "predict_pairs", "predict_texts", "blocking_recall"),
    *("snapshots", "snapshot", "snapshot_diff", "taxonomy_list", "taxonomy_diff"),
    *(
        "encode_elsewhere_estimate",
        "predict_elsewhere_estimate",
        "candidates_elsewhere_estimate",
        "rescue_plan",
        "step_hosted_estimate",
        "hosted_estimate",
        "hosted_job",
        "hosted_jobs",
        "hosted_models",
    ),
}
"""change nothing that anybody asked for"""

_ROUND = ("size", "strategy", "seed", "audit_share")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "import": ("file", "form", "sql", "text", "label", "id", "split", "meta", "add_labels", "keep_missing_words"),
    "import_source": ("file", "source", "text", "id"),
    "gather": ("source", "name"),
    "features": ("snapshot",),
    "samples": ("out", "snapshot", "size", "diversity"),
    "apply": ("file", "split", "annotator"),
    "clean": ("rules", "languages", "shortest", "longest", "left_out", "apply", "undo"),
    "balance": ("labels_to_filter", "reduce_majority_to", "oversample", "seed", "apply", "undo"),
    "split": ("train", "val", "test", "by", "seed", "add_to_gold", "chosen_too", "apply"),
    "candidates": ("per_record", "most", "within", "near", "far"),
    "candidates_elsewhere": ("per_record", "most", "within", "near", "far", "on", "gpu", "workers"),
    "dedup_project": ("precision", "confidence", "out"),
    "next": _ROUND,
    "round": _ROUND,
    "map": ("again",),
    "export": ("out", "file_format", "what", "card", "by_split"),
    "paper": ("out", "texts", "names"),
    "backup": ("out",),
    "archive": ("archive",),
    "train": ("trainer", "on", "gpu", "seed", "note", "values"),
    "train_steps": ("steps", "on", "gpu", "seed", "note", "values"),
    "training_data": ("file_format", "out"),
    "prepare": ("steps", "base", "out"),
    "hosted_tune": ("provider", "base", "epochs", "note"),
    "step_hosted_tune": ("step", "provider", "base", "epochs", "note"),
    "hosted_cancel": ("job",),
    "job_cancel": ("job",),
    "job_retry": ("job",),
    "job_forget": ("job",),
    "evaluate": ("model", "on"),
    "predict": ("model", "file", "out"),
    "predict_pair_file": ("file", "out", "keep_unsure"),
    "encode_elsewhere": ("on", "gpu", "workers"),
    "predict_elsewhere": ("model", "file", "out", "on", "gpu", "workers"),
    "model_export": ("model", "out", "library"),
    "model_merge": ("model", "out", "form"),
}
"""what was asked, by verb; an option that is not named here is not written down"""
_RESULTS: dict[str, tuple[str, ...]] = {
    "import": ("rows", "added", "labelled", "changed", "declared_gold"),
    "import_source": ("rows", "added"),
    "gather": ("snapshot", "folders", "files"),
    "features": ("snapshot", "added", "moved", "vanished"),
    "samples": ("rows", "seed"),
    "apply": ("rows", "taken", "refusals", "declared_gold"),
    "clean": ("changed", "left_out", "restored", "applied"),
    "balance": ("left_out", "applied"),
    "split": ("train", "validation", "test", "applied"),
    "candidates": ("candidates", "added", "left_out", "drawn"),
    "candidates_elsewhere": ("candidates", "added", "left_out", "drawn"),
    "dedup_project": ("rows", "clusters"),
    "next": ("batch", "queued"),
    "round": ("batch", "queued"),
    "open": ("batch", "queued"),
    "train": ("id",),
    "hosted_tune": ("id", "job"),
    "step_hosted_tune": ("id", "job"),
    "template_save": ("name", "file", "replaced"),
    "encode": ("encoded",),
    "encode_elsewhere": ("encoded",),
    "export": ("rows",),
    "paper": ("answers", "path"),
    "predict": ("rows",),
    "predict_pair_file": ("rows", "new_records"),
    "predict_elsewhere": ("rows",),
}
"""what came of it"""
_ONLY_IF: dict[str, Callable[[Detail], object]] = {
    "open": lambda result: result.get("batch"),
    "encode": lambda result: result.get("encoded"),
    "encode_elsewhere": lambda result: result.get("encoded"),
    "apply": lambda result: result.get("applied"),
    "clean": lambda result: result.get("applied"),
    "balance": lambda result: result.get("applied"),
    "split": lambda result: result.get("applied"),
}
"""verbs that often find nothing to do"""


def note_verb(project: Project, user: str, verb: str, options: Detail, result: object) -> None:
    """The entry of a verb that does not write its own, where there is anything to record."""
    detail = cast(Detail, to_json(result))
    if verb in QUIET or (verb in _ONLY_IF and not _ONLY_IF[verb](detail)):
        return
    entries = {name: options[name] for name in _OPTIONS.get(verb, ()) if options.get(name) not in (None, "", [])}
    came = {name: detail[name] for name in _RESULTS.get(verb, ()) if detail.get(name) is not None}
    with project.store.transaction() as cursor:
        note(cursor, user, verb, entries | came)


LinePosition = tuple[datetime, int]
"""of a line: when it was written, and its number among those of one instant"""


@dataclass(frozen=True)
class HistoryFilter:
    """Which entries: by whom, of which kind, since when (UTC); None: all. before: those older than the entry at this
    position.
    """

    user: str | None = None
    what: str | None = None
    since: datetime | None = None
    before: LinePosition | None = None


@dataclass(frozen=True)
class HistoryLine:
    """One entry: who did what, and when. detail: JSON as text."""

    at: str
    user: str
    what: str
    detail: str


@dataclass(frozen=True)
class HistoryPage:
    """The newest lines first. next: the `before` of the page after it, None where this is the last."""

    lines: list[HistoryLine]
    next: LinePosition | None


_COLUMNS = "strftime(logged_at, '%Y-%m-%dT%H:%M:%SZ') as at, user, what, coalesce(detail::varchar, '{}') as detail"


def read_history(project: Project, chosen: HistoryFilter, most: int = PAGE) -> HistoryPage:
    """The newest first, also among lines of one instant."""
    where, parameters = _where(chosen)
    rows = project.store.query(
        f"select {_COLUMNS}, logged_at, rowid from audit_log where {where} order by logged_at desc, rowid desc limit ?",
        [*parameters, most],
    )
    lines = [HistoryLine(at, user, what, detail) for at, user, what, detail, *_ in rows]
    return HistoryPage(lines, (rows[-1][4], rows[-1][5]) if len(rows) == most else None)


def kinds(project: Project) -> tuple[list[str], list[str]]:
    """All users in the log, and all kinds of entries."""
    query = project.store.query
    return (
        [user for (user,) in query("select distinct user from audit_log order by 1")],
        [what for (what,) in query("select distinct what from audit_log order by 1")],
    )


@dataclass(frozen=True)
class History:
    """The newest entries, or the file to which all of them were written, and how many."""

    lines: list[HistoryLine]
    file: str | None = None
    rows: int | None = None


def history(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    user: str = "local",
    by: str | None = None,
    what: str | None = None,
    since: str | None = None,
    limit: int = PAGE,
    out: str | None = None,
    file_format: str = "csv",
) -> History:
    """The newest entries, or with `out` all of them as a file, which is an entry itself.

    by: only this user's. since: 2026-11-27, or with a time. limit: entries that are shown.
    """
    chosen = HistoryFilter(by, what, read_time(since))
    if out is None:
        if not 0 < limit <= MOST:
            raise BadInput(f"--limit is {limit}, but it must lie between 1 and {MOST:,}. --out writes all lines.")
        return History(read_history(project, chosen, limit).lines)
    refuse_target(project, out)
    where, parameters = _where(chosen)
    query = f"select {_COLUMNS} from audit_log where {where} order by logged_at, rowid"
    with project.store.reading() as cursor:
        rows = write_table(cursor, query, parameters, Path(out), file_format)
    if not project.store.why_read_only:
        with project.store.transaction() as cursor:
            note(cursor, user, "history exported", {"out": out, "rows": rows})
    return History([], out, rows)


def read_time(text: str | None) -> datetime | None:
    """UTC, naive. Raises BadInput."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text[:40]!r} is no time. Write 2026-11-27 or 2026-11-27T14:30.") from None
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _where(chosen: HistoryFilter) -> tuple[str, list[object]]:
    """A condition and its parameters."""
    parts: list[tuple[str, list[object]]] = [("true", [])]
    if chosen.user is not None:
        parts.append(("user = ?", [chosen.user]))
    if chosen.what is not None:
        parts.append(("what = ?", [chosen.what]))
    if chosen.since is not None:
        parts.append(("logged_at >= ?", [chosen.since]))
    if chosen.before is not None:
        at, row = chosen.before
        parts.append(("(logged_at < ? or (logged_at = ? and rowid < ?))", [at, at, row]))
    return " and ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]
