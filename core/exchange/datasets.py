"""The datasets on the team's server: which there are, their records, and the setup of one. Sends nothing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from core.config.settings import Settings
from core.errors import Refused
from core.exchange.workspace import RemoteEntry, Setup, Workspace
from core.ids import RecordNo
from core.labelling.cards import named_values
from core.store.database import utc_now
from core.tasks.questions import TEXT, TeamForm
from core.tasks.tasks import task_of
from core.typed_json import from_json, to_json

CURRENT, FILLING, REPLACED, GONE = "current", "filling", "replaced", "gone"
_SHORT = 200
"""characters; longer metadata is a text of its own beside the record"""
_LOOKED_AT = 10_000
"""records whose metadata say which are long"""
EARLIER = "answered before"
"""metadatum of what people answered when the labels were others"""
EMBEDDED = "embedded"
"""stands for the address of our own server, which may start on another port"""


@dataclass(frozen=True)
class Dataset:
    """A row of `team_datasets`."""

    id: str
    name: str
    made_at: datetime
    setup: Setup
    state: str


@dataclass(frozen=True)
class DatasetRecord:
    """A row of `team_records`. record: Argilla's id. model: of the suggestion that is or was shown there."""

    record_no: RecordNo
    dataset: str
    record: str
    sent: str
    model: str | None
    made_at: datetime


def parts(values: Sequence[RecordNo], size: int) -> Iterator[list[RecordNo]]:
    """At most `size` at a time."""
    for begin in range(0, len(values), size):
        yield list(values[begin : begin + size])


def server_of(workspace: Workspace) -> str:
    """The key under which the rows of a server are stored."""
    return EMBEDDED if workspace.in_order else workspace.url


def read_datasets(cursor: duckdb.DuckDBPyConnection, server: str) -> list[Dataset]:
    """Those of a server that are still there, the oldest first."""
    rows = cursor.execute(
        "select id, name, made_at, setup, state from team_datasets where server = ? and state <> ? order by made_at",
        [server, GONE],
    ).fetchall()
    return [
        Dataset(id, name, made_at, from_json(Setup, json.loads(setup), f"The dataset {name}"), state)
        for id, name, made_at, setup, state in rows
    ]


def find_current(datasets: Sequence[Dataset], state: str = CURRENT) -> Dataset | None:
    """The newest in that state."""
    return next((one for one in reversed(datasets) if one.state == state), None)


def enter_dataset(cursor: duckdb.DuckDBPyConnection, server: str, dataset: Dataset) -> None:
    """Stores a new row."""
    about = [dataset.id, dataset.name, server, dataset.made_at, json.dumps(to_json(dataset.setup)), dataset.state]
    cursor.execute("insert into team_datasets values (?, ?, ?, ?, ?, ?)", about)


def change_state(cursor: duckdb.DuckDBPyConnection, dataset: str, state: str) -> None:
    """Stores a dataset's new state."""
    cursor.execute("update team_datasets set state = ? where id = ?", [state, dataset])


def change_setup(cursor: duckdb.DuckDBPyConnection, dataset: str, setup: Setup) -> None:
    """Stores the setup that the dataset has on the server."""
    cursor.execute("update team_datasets set setup = ? where id = ?", [json.dumps(to_json(setup)), dataset])


def read_dataset_records(
    cursor: duckdb.DuckDBPyConnection, datasets: Sequence[str], record_nos: Sequence[RecordNo] | None
) -> list[DatasetRecord]:
    """Records in these datasets, some of them or all."""
    rows = cursor.execute(
        """select n, dataset, record, sent, model, made_at from team_records
           where list_contains($datasets::varchar[], dataset)
             and ($all or n in (select unnest($ns::bigint[]))) order by n""",
        {"datasets": list(datasets), "all": record_nos is None, "ns": list(record_nos or [])},
    ).fetchall()
    return [DatasetRecord(*row) for row in rows]


def enter_dataset_records(
    cursor: duckdb.DuckDBPyConnection, dataset: str, entries: Sequence[tuple[RecordNo, str, RemoteEntry]]
) -> None:
    """(n, hash of what was sent, position) each. A model that was ever shown there is kept."""
    if not entries:
        return
    record_nos = [n for n, _, _ in entries]
    known = {entry.record_no: entry for entry in read_dataset_records(cursor, [dataset], record_nos)}
    cursor.execute(
        "delete from team_records where dataset = ? and n in (select unnest(?::bigint[]))", [dataset, record_nos]
    )
    now = utc_now()
    rows = [[n, dataset, one.record, sent, now, *_kept(one, known.get(n))] for n, sent, one in entries]
    marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(rows))
    cursor.execute(f"insert into team_records values {marks}", [value for row in rows for value in row])


def _kept(entry: RemoteEntry, known: DatasetRecord | None) -> tuple[str | None, datetime]:
    if known is None:
        return entry.model, entry.made_at
    return entry.model or known.model, max(entry.made_at, known.made_at)


def required_setup(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> Setup:
    """The setup that a dataset of this project must have now. Raises Refused where Argilla could not ask that."""
    task = task_of(settings)
    form, setup = team_form(settings), task.setup(settings)
    question = form.question(setup)
    fields, (context, metadata) = _field_names(cursor), _metadata_names(cursor)
    if not fields:
        raise Refused("The project has no records yet. Bring some with `rondo import FILE --text COLUMN`.")
    if question.marks:  # in the text as it is, whatever else a record has
        fields = (TEXT, *(name for name in fields if name != TEXT))
    if task.hinted and any(settings.taxonomy.hints(label.id) for label in settings.taxonomy.labels):
        context = (*context, EARLIER)
    guidelines = "\n\n".join(filter(None, (settings.guidelines, form.guide(setup))))
    return Setup(fields, context, metadata, question, guidelines, settings.overlap)


def team_form(settings: Settings) -> TeamForm:
    """The question by which Argilla asks for this project's answers. Raises Refused where it cannot."""
    form = task_of(settings).team
    if form is None:
        raise Refused(f"Argilla has no question for the task {settings.task!r}. Answer the records in the app.")
    return form


def _field_names(cursor: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """In the order in which they come, `text` where records have no named ones."""
    rows = cursor.execute(
        """select name, min(n), min(place) from (
               select n, unnest(json_keys(fields)) as name, unnest(range(len(json_keys(fields)))) as place
               from records where fields is not null
               union all (select n, 'text', 0 from records where fields is null limit 1))
           group by name order by 2, 3, 1"""
    ).fetchall()
    return tuple(name for name, _, _ in rows)


def _metadata_names(cursor: duckdb.DuckDBPyConnection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(long ones, short ones)."""
    longest: dict[str, int] = {}
    documents = cursor.execute("select meta::varchar from records where meta is not null and n < ?", [_LOOKED_AT])
    for (document,) in documents.fetchall():
        for one in named_values(document):
            longest[one["name"]] = max(longest.get(one["name"], 0), len(one["value"]))
    long = tuple(name for name, length in longest.items() if length > _SHORT)
    return long, tuple(name for name in longest if name not in long)
