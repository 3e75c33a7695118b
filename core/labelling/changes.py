"""What a person changes about a project while it runs: settings and taxonomy, with everything that follows from it."""

from dataclasses import replace
from typing import Any

from core.config.settings import Settings, check
from core.config.taxonomy import Taxonomy, add_label, rename_label, retire_label
from core.errors import BadInput
from core.labelling.taxonomy_versions import adopt_taxonomy
from core.project import Project
from core.store.database import note
from core.typed_json import to_json

_TAXONOMY = {
    "add_label": add_label,
    "rename_label": lambda taxonomy, pair: rename_label(taxonomy, *pair),
    "retire_label": retire_label,
}


def change_settings(project: Project, user: str = "local", **changes: Any) -> Settings:
    """Settings by name, or one of add_label=name, rename_label=(id, name), retire_label=id.

    Responses stay as they are. An answer with a retired label no longer settles its record, which is asked again.
    Raises BadInput with nothing changed.
    """
    with project.changing_settings() as (settings, cursor):
        requested = _changed(settings, changes)
        if requested == settings:
            return settings
        adopt_taxonomy(cursor, settings)  # a person may have edited the file
        requested = adopt_taxonomy(cursor, requested)
        note(cursor, user, "settings", {name: to_json(value) for name, value in changes.items()})
        project.save_settings(requested)
    project.label_queue.reload()
    return requested


def _changed(settings: Settings, changes: dict[str, Any]) -> Settings:
    taxonomy: Taxonomy = settings.taxonomy
    plain = {}
    for key, value in changes.items():
        if key in _TAXONOMY:
            taxonomy = _TAXONOMY[key](taxonomy, value)
        elif hasattr(settings, key) and key not in ("taxonomy", "name"):
            plain[key] = value
        else:
            raise BadInput(f"There is no setting {key!r}.")
    return check(replace(settings, taxonomy=taxonomy, **plain))
