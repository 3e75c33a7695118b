"""Which model is in use: the champion on the vectors and of the taxonomy that are in use. Changes nothing."""

from core.config.taxonomy import MAIN
from core.ids import ModelId
from core.project import Project


def active_model(project: Project) -> ModelId | None:
    """The id of the champion: the model activated last on the vectors and of the taxonomy that are in use.

    Where the log has none (an old project, or an encoder set by hand) it is the newest round's head. What
    `rondo train` made is never champion by itself.
    """
    settings = project.settings()
    in_use = [settings.encoder, settings.taxonomy.in_use]
    model: ModelId | None = project.store.one(_CHAMPION, in_use) or project.store.one(_NEWEST, in_use)
    return model


_OF_TAXONOMY = f"""
    select m.id from models m left join taxonomy_documents d on d.version = m.taxonomy
    where coalesce(d.document->>'use', '{MAIN}') = ?
"""
_CHAMPION = f"""
    select c.model from champions c where c.encoder = ? and c.model in ({_OF_TAXONOMY})
    order by c.since desc, c.rowid desc limit 1
"""
_NEWEST = f"""
    select id from models where encoder = ? and trainer is null and id in ({_OF_TAXONOMY})
    order by made_at desc limit 1
"""
