"""The state of the exchange with Argilla, for a page and a terminal. Asks no server."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from core.errors import Refused
from core.exchange.datasets import EMBEDDED, GONE, REPLACED, find_current, read_datasets, required_setup
from core.exchange.push import dataset_link
from core.project import Project
from core.store.answers import ARGILLA


@dataclass(frozen=True)
class Exchange:
    """What stands there. answered: records with an answer from Argilla that stands. people: who gave them.

    dataset: its name, None before the first push. link: where people answer, empty while no server was reached. told:
    what works otherwise here than with the embedded server. replaced: older datasets, newest first. outdated: labels
    or fields have changed since the dataset was made, so the next push makes another.
    """

    dataset: str | None
    link: str
    details: tuple[str, ...]
    pushed: int
    answered: int
    people: int
    replaced: tuple[str, ...]
    gone: tuple[str, ...]
    outdated: bool
    synced_at: datetime | None
    error_message: str | None
    bad: dict[str, str]
    unreadable: dict[str, str]


def has_exchange(project: Project) -> bool:
    """Whether anything was ever pushed."""
    return bool(project.store.one("select count(*) from team_datasets"))


def newest_batch(project: Project) -> int | None:
    """None before the first."""
    value: int | None = project.store.one("select max(batch) from batches")
    return value


def answers_from_elsewhere(project: Project) -> int:
    """Events that did not come from Argilla: each may complete a record there."""
    result = "select count(*) from responses where source <> ?"
    return int(project.store.one(result, [ARGILLA]))


def read_exchange(project: Project) -> Exchange:
    """As the project knows it now."""
    settings, link = project.settings(), project.team
    server = settings.team_url.rstrip("/") or EMBEDDED
    with project.store.reading() as cursor:
        datasets = read_datasets(cursor, server)
        current = find_current(datasets)
        gone = cursor.execute("select name from team_datasets where server = ? and state = ?", [server, GONE])
        gone_names = tuple(name for (name,) in gone.fetchall())
        row = cursor.execute(_FIGURES, [current.id if current else "", ARGILLA]).fetchall()[0]
        outdated = False
        with suppress(Refused):  # labels too few to ask for: nothing can be made of them
            outdated = current is not None and not current.setup.takes(required_setup(cursor, settings))
    return Exchange(
        dataset=current.name if current else None,
        link=dataset_link(link.url, current.id, in_order=link.in_order) if current and link.url else "",
        details=tuple(sentence for holds, sentence in ((link.in_order, _ORDER), (link.called, _CALLED)) if not holds),
        pushed=row[0],
        answered=row[1],
        people=row[2],
        replaced=tuple(one.name for one in reversed(datasets) if one.state == REPLACED),
        gone=gone_names,
        outdated=outdated,
        synced_at=link.synced_at,
        error_message=link.error_message,
        bad=dict(link.bad),
        unreadable=dict(link.unreadable),
    )


_ORDER = "This Argilla hands records out in an order of its own. The link sorts them by the queue: send people there."
_CALLED = "This Argilla cannot reach the app at its address, so answers arrive with the next sync, within a minute."
_FIGURES = """
    select (select count(*) from team_records where dataset = ?), count(distinct n), count(distinct annotator)
    from responses_in_force where source = ?
"""
