"""Models of the registry that a provider hosts: where each is, until when, and which of them decides for programs.

They have no vectors, so none can be champion: rounds and suggestions go on with the champion, while programs that ask
about pairs are answered by the hosted model in use. Knows rows, no provider.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from core.errors import Refused
from core.ids import ModelId
from core.project import Project
from core.store.database import utc_now

SOON_DAYS = 60
"""before its end from which a hosted model is warned of"""


@dataclass(frozen=True)
class Hosting:
    """Where a hosted model is. model: its id here; name: at the provider. base: that was tuned. shutdown: the day from
    which it answers no more, ISO 8601, as far as it is known. gone: its provider knows it no more.
    """

    model: ModelId
    name: str
    provider: str
    base_url: str
    base: str
    shutdown: str | None
    gone: bool

    def ended(self, today: date) -> str:
        """Why it answers no more, in a sentence; empty where it still does."""
        if self.gone:
            return f"{self.name} is not at {self.provider} any more."
        if self.shutdown and date.fromisoformat(self.shutdown) <= today:
            return f"{self.name} at {self.provider} ended on {self.shutdown}."
        return ""

    def warning(self, today: date) -> str:
        """That it has ended or ends within SOON_DAYS, and what to do; else empty."""
        if ended := self.ended(today):
            return ended
        days = (date.fromisoformat(self.shutdown) - today).days if self.shutdown else SOON_DAYS + 1
        if days > SOON_DAYS:
            return ""
        return f"{self.name} at {self.provider} ends on {self.shutdown}, in {days:,} days: rondo models rescue."


_COLUMNS = """model, name, provider, base_url, base, strftime(shutdown, '%Y-%m-%d'), gone_at is not null"""


def hostings(project: Project) -> dict[ModelId, Hosting]:
    """Every hosted model of the registry, by its id."""
    rows = project.store.query(f"select {_COLUMNS} from hosted_models")
    return {row[0]: Hosting(*row) for row in rows}


def hosting(project: Project, model: ModelId) -> Hosting | None:
    """None for a model that is no hosted one."""
    rows = project.store.query(f"select {_COLUMNS} from hosted_models where model = ?", [model])
    return Hosting(*rows[0]) if rows else None


def require_hosting(project: Project, model: ModelId) -> Hosting:
    """Raises Refused for a model that is no hosted one."""
    where = hosting(project, model)
    if where is None:
        raise Refused(f"{model} is no hosted model. `rondo hosted models` lists them.")
    return where


def hosted_in_use(project: Project) -> ModelId | None:
    """The id of the hosted model that decides on pairs for programs; None where the champion does."""
    model: ModelId | None = project.store.one("select model from deciders order by since desc, rowid desc limit 1")
    return model


def store_ends(project: Project, known: Sequence[tuple[str, bool, str | None]]) -> None:
    """What providers said of models: (id, whether it is there, the day it ends). None, an unknown day, changes none."""
    with project.store.transaction() as cursor:
        for model, there, shutdown in known:
            cursor.execute(
                """update hosted_models set shutdown = coalesce(?::date, shutdown),
                                            gone_at = if(?, null, coalesce(gone_at, ?)) where model = ?""",
                [shutdown, there, utc_now(), model],
            )
