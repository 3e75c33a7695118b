"""Recorded answers of a language model, from a file: id, label and perhaps probability. Asks nobody."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from core.errors import BadInput
from core.ids import RecordNo
from core.labelling.generated_answers import VALID, WHOLE, GeneratedRow, store_generated
from core.project import Project
from core.store.tables import quoted
from core.suggestions.prompts import form_of
from core.tasks.tasks import task_of

_READERS = {
    ".csv": "read_csv('{}', all_varchar = true, header = true)",
    ".jsonl": "read_json('{}', format = 'newline_delimited')",
    ".parquet": "read_parquet('{}')",
}


@dataclass(frozen=True)
class RecordedAnswers:
    """model: the file's name. answers: to records of the project; invalid: those of them that name no label it has.
    unknown: rows whose id is no record's.
    """

    model: str
    answers: int
    invalid: int
    unknown: int


def load_recorded(project: Project, file: Path) -> RecordedAnswers:
    """They stand as a language model's answers, as if it had just been asked. Raises BadInput."""
    settings = project.settings()
    form_of(settings)
    task, setup = task_of(settings), task_of(settings).setup(settings)
    rows = _read(file)
    numbers: dict[str, RecordNo] = dict(project.store.query("select id, n from records"))
    stored, invalid = [], 0
    for record, label, probability in rows:
        if record not in numbers:
            continue
        try:
            answer, state = task.canonical(task.read_text(label, setup)), VALID
        except BadInput:
            answer, state, invalid = None, "invalid", invalid + 1
        stored.append(
            GeneratedRow(
                record_no=numbers[record],
                step=WHOLE,
                model=file.stem,
                state=state,
                answer=answer,
                confidence=probability,
                raw=label,
            )
        )
    if not stored:
        raise BadInput(f"{file}: none of its {len(rows):,} ids is that of a record. Name the column of ids with --id.")
    with project.label_queue.changing() as cursor:
        store_generated(cursor, stored)
    return RecordedAnswers(file.stem, len(stored), invalid, len(rows) - len(stored))


def _read(file: Path) -> list[tuple[str, str, float | None]]:
    """(id, label, probability). Raises BadInput."""
    reader = _READERS.get(file.suffix.lower())
    if reader is None or not file.is_file():
        raise BadInput(f"{file} is no file of recorded answers; it must be a {', '.join(_READERS)} with id and label.")
    source = reader.format(quoted(file))
    with duckdb.connect(config={"threads": 1}) as connection:
        try:
            names = [name for name, *_ in connection.execute(f"describe select * from {source}").fetchall()]
            if missing := [name for name in ("id", "label") if name not in names]:
                raise BadInput(f"{file} has no column {missing[0]!r}; it needs id, label, and may have probability.")
            sure = "probability::double" if "probability" in names else "null"
            query = f"select id::varchar, coalesce(label::varchar, ''), {sure} from {source} where id is not null"
            return connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise BadInput(f"{file} cannot be read: {str(error).splitlines()[0]}") from None
