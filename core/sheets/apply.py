"""Taking the labels of a spreadsheet back, as those of a file or of a person. Knows no card and no queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.data.answer_cells import SPLITS
from core.data.file_import import store_read_file
from core.data.ingest_job import ExactDuplicates, FileReport, RepeatedIds
from core.data.records import ANSWERS, RECORDS, ImportCounts
from core.errors import BadInput, Cancelled, RondoError
from core.jobs.bundle import Bundle, Report
from core.people.names import check_name
from core.project import Project
from core.sheets.sheet_jobs import READ_SHEET, ReadSheet, RefusedRow, SheetParams
from core.store.tables import quoted
from core.tasks.tasks import about_columns


@dataclass(frozen=True, kw_only=True)
class AppliedSheet(ImportCounts):
    """The counts of stored labels, and of all rows. taken: rows whose label is in, or would be were it applied; blank:
    rows without one; repeated: rows that say again what another said. labels: how many of those that are taken have
    each. refusals: how many rows were refused; refused: which, and why."""

    file: str
    applied: bool
    taken: int
    blank: int
    repeated: int
    labels: Mapping[str, int]
    refusals: int
    refused: tuple[RefusedRow, ...]


def apply(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    file: str,
    split: str | None = None,
    id: str | None = None,
    label: str = "label",
    annotator: str | None = None,
    encoding: str = "utf-8",
    add_labels: bool = False,
    preview: bool = False,
) -> AppliedSheet:
    """Stores the labels of all rows that can be taken, and says of each other row why not. preview: stores nothing.

    A row names its record by the column `id`, or `path`; its order and other columns do not matter. split: of all the
    rows, test makes gold of them. annotator: whose answers they are; without one they are the file's, of which the last
    one holds. Raises BadInput where the file has no such columns, and where no row can be taken but some are refused.
    """
    if split is not None and split.casefold() not in SPLITS:
        raise BadInput(f"There is no split {split!r}; there are train, validation and test.")
    annotator = check_name(annotator) if annotator else None
    settings, name = project.settings(), Path(file).name
    about = about_columns(settings)
    params = SheetParams(str(Path(file).resolve()), encoding, id, label, settings.task, about, add_labels)
    bundle = project.jobs.prepare(READ_SHEET, params)
    with project.store.reading() as cursor:
        target = quoted(bundle.path / "in" / "records.parquet")
        cursor.execute(f"copy ({_NAMES}) to '{target}' (format parquet)")
    try:
        sheet = project.jobs.run(bundle, READ_SHEET, report, f"Reading {name}")
        if sheet.refusals and not sheet.labelled and not preview:
            raise BadInput(_nothing_taken(name, sheet))
    except Cancelled:
        bundle.empty()
        raise Cancelled(f"Reading {name}: stopped. Nothing was taken.") from None
    except RondoError as error:
        project.jobs.refuse(bundle, error)
        raise
    counts = ImportCounts()
    if sheet.labelled and not preview:
        _complete(project, bundle, SPLITS[split.casefold()] if split else None, annotator)
        contents = _report(name, sheet, by_person=annotator is not None)
        stored = store_read_file(project, report, bundle, contents, about=about, add_labels=add_labels)
        counts = ImportCounts(**{field: getattr(stored, field) for field in vars(counts)})
    else:
        with project.store.transaction() as cursor:
            project.jobs.claim_result(bundle, cursor)
        bundle.empty()
    return AppliedSheet(
        **{**vars(counts), "rows": sheet.rows},
        file=name,
        applied=not preview,
        taken=sheet.labelled,
        blank=sheet.blank,
        repeated=sheet.repeated,
        labels=sheet.answers.labels,
        refusals=sheet.refusals,
        refused=sheet.refused,
    )


# A record is called by its id, or by the path of its folder where that is nobody's id.
_NAMES = """
    select id as name, id from records
    union all
    select path as name, any_value(id) as id from (
        select meta->>'path' as path, id from records where meta->>'tree' is not null and meta->>'path' is not null
    ) where path not in (select id from records) group by path having count(*) = 1
"""
_COMPLETE = """
    copy (
        select s.position, r.id, r.text, r.fields::varchar as fields, r.meta::varchar as meta, r.hash, {label} as label,
               {split}::varchar as split
        from read_parquet('{labels}') s join records r on r.id = s.id order by s.position
    ) to '{target}' (format parquet)
"""
_ANSWERS = """
    copy (select id, '{annotator}' as annotator, label from read_parquet('{labels}')) to '{target}' (format parquet)
"""


def _complete(project: Project, bundle: Bundle, split: str | None, annotator: str | None) -> None:
    """The job's labels beside their records, as an import of a file has them. Where they are a person's, the records
    stand without, and the answers in a table of their own."""
    out = bundle.path / "out"
    labels = quoted(out / "labels.parquet")
    with project.store.reading() as cursor:
        cursor.execute(
            _COMPLETE.format(
                labels=labels,
                target=quoted(out / RECORDS),
                label="null::varchar" if annotator else "s.label",
                split=f"'{split}'" if split else "null",
            )
        )
        if annotator:
            cursor.execute(_ANSWERS.format(annotator=quoted(annotator), labels=labels, target=quoted(out / ANSWERS)))


def _report(name: str, sheet: ReadSheet, *, by_person: bool) -> FileReport:
    return FileReport(
        file=name,
        rows=sheet.labelled,
        records=sheet.labelled,
        blank_rows=0,
        repeated_ids=RepeatedIds(sheet.repeated, 0),
        relabelled_rows=(),
        exact_duplicates=ExactDuplicates(0, 0),
        splits={},
        unknown_splits={},
        answers=sheet.labelled if by_person else 0,
        annotators=1 if by_person else 0,
        known_answers=0,
        repeated_answers=0,
        **vars(sheet.answers),
    )


def _nothing_taken(name: str, sheet: ReadSheet) -> str:
    shown = "; ".join(f"{one.location}: {one.reason}" for one in sheet.refused[:3])
    more = f"; and {sheet.refusals - 3:,} more" if sheet.refusals > 3 else ""
    return f"{name}: no row could be taken. {shown}{more}. Nothing was changed."
