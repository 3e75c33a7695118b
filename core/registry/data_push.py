"""Pushes texts and labels to the Hugging Face Hub as a data set. Knows what to send, not how it is sent.

The token goes to the job through its environment: it is in no file, no row and no log.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from core.data.formats.write_job import TABLE
from core.errors import BadInput, Refused
from core.jobs.bundle import Bundle, Report, Resources
from core.jobs.job_states import LOST, change_state
from core.jobs.kinds import JobKind
from core.project import Project
from core.registry.push_job import TOKEN, PushedRepository, check_repo, check_token
from core.reports.export import write_export
from core.reports.format_export import WITH_SPLITS
from core.store.database import note
from core.store.tables import quoted

FORMS = ("parquet", "csv")
CARD, CARD_TEXT = "card.json", "card.md"


@dataclass(frozen=True)
class DataPushParams:
    """repo: OWNER/NAME. file_format: of FORMS. message: of the commit. title: of the data set on its card."""

    repo: str
    private: bool
    message: str
    file_format: str
    title: str


@dataclass(frozen=True)
class DataPushResult:
    """The commit. parts: split -> rows."""

    repo: str
    url: str
    commit: str
    private: bool
    files: int
    bytes: int
    parts: Mapping[str, int]


@dataclass(frozen=True)
class SentData:
    """What the job gives back."""

    repository: PushedRepository
    parts: Mapping[str, int]


PUSH_DATA = JobKind("push_data", DataPushParams, SentData)


def push_data(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    repo: str,
    user: str = "local",
    what: str = "labels",
    file_format: str = "parquet",
    token: str = "",
    private: bool = True,
    names: bool = False,
    message: str = "",
) -> DataPushResult:
    """Sends an export as train, validation and test, with the data card, as one commit.

    token: with write access; else HF_TOKEN of the process. names: of annotators, and their notes, go with it. A data
    set that is there gets a new commit if it holds what Rondo pushed before.
    """
    check_repo(repo)
    environment = {TOKEN: check_token(token)}
    if file_format not in FORMS:
        raise BadInput(f"A data set is pushed as {' or '.join(FORMS)}, not as {file_format[:40]!r}.")
    if what not in WITH_SPLITS:
        raise BadInput(f"Cannot push {what[:40]!r}; there are {', '.join(WITH_SPLITS)}.")
    summary = message or f"{what.capitalize()} by Rondo"
    params = DataPushParams(repo, private, summary, file_format, project.settings().name)
    bundle = project.jobs.prepare(PUSH_DATA, params)
    try:
        _write_table(project, bundle, what, names=names)
        sent = project.jobs.run(bundle, PUSH_DATA, report, f"Pushing {repo}", Resources(environment=environment))
        result = DataPushResult(**vars(sent.repository), parts=sent.parts)
        with project.store.transaction() as cursor:
            if project.jobs.claim_result(bundle, cursor):
                note(cursor, user, "push_data", {**asdict(result), "parts": dict(sent.parts)})
    finally:
        bundle.empty()  # what was to be sent lies in the project anyway; a job that never began is lost
        with project.store.transaction() as cursor:
            change_state(cursor, bundle.id, LOST, ["draft"])
    return result


def _write_table(project: Project, bundle: Bundle, what: str, *, names: bool) -> None:
    """in/table.parquet and the card, without who labelled unless that is meant."""
    folder = bundle.path / "in"
    whole = folder / "whole.parquet"
    if not write_export(project, whole, "parquet", what, card=True, name="this data set"):
        raise Refused("There is nothing to push yet. Label some records first, or choose another --what.")
    columns = "*" if names else "* exclude (annotators)"
    if what == "answers":
        number = "'annotator ' || dense_rank() over (order by annotator)"
        columns = "*" if names else f"* exclude (note) replace ({number} as annotator)"
    with project.store.reading() as cursor:
        source = f"select {columns} from '{quoted(whole)}'"
        cursor.execute(f"copy ({source}) to '{quoted(folder / TABLE)}' (format parquet)")
    card = folder / "whole.parquet.card.json"
    stored = json.loads(card.read_text(encoding="utf-8"))
    (folder / CARD).write_text(json.dumps(stored, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / CARD_TEXT).write_bytes((folder / "whole.parquet.card.md").read_bytes())
    for path in (whole, card, folder / "whole.parquet.card.md"):
        path.unlink()
