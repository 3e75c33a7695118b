"""Which model is in use: the champion on the vectors that are in use. Changes nothing."""

from core.ids import ModelId
from core.project import Project


def active_model(project: Project) -> ModelId | None:
    """The id of the champion: the model activated last on the vectors that are in use.

    Where the log has none (an old project, or an encoder set by hand) it is the newest round's head. What
    `rondo train` made is never champion by itself.
    """
    encoder = project.settings().encoder
    model: ModelId | None = project.store.one(_CHAMPION, [encoder]) or project.store.one(
        "select id from models where encoder = ? and trainer is null order by made_at desc limit 1", [encoder]
    )
    return model


_CHAMPION = """
    select c.model from champions c where c.encoder = ? and c.model in (select id from models)
    order by c.since desc, c.rowid desc limit 1
"""
