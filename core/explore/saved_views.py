"""Searches of records that people have given a name to, for everybody of a project. Knows no page and no record."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from core.errors import BadInput
from core.project import Project
from core.store.whole_files import write_whole

FILE = "views.json"
MOST = 50
LONGEST = 60
"""characters of a name"""
MUCH = 20
"""characters of a text, from which they say whose it is: fewer may be anybody's words"""


def saved_views(project: Project) -> dict[str, dict[str, str]]:
    """Name to the query of the Records page's address, in the order of saving. A file that cannot be read has none."""
    try:
        stored = json.loads(_path(project).read_text(encoding="utf-8"))
        return {str(name): {str(key): str(value) for key, value in query.items()} for name, query in stored.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def save_view(project: Project, name: str, query: Mapping[str, str]) -> None:
    """One of this name is replaced. Raises BadInput for a name or a query that is empty, and for one view too many."""
    views = saved_views(project)
    if not 0 < len(name.strip()) <= LONGEST:
        raise BadInput(f"A view's name has 1 to {LONGEST} characters, not {len(name.strip())}.")
    if not query:
        raise BadInput("Nothing is searched for or filtered: choose something first, then save it.")
    if name.strip() not in views and len(views) >= MOST:
        raise BadInput(f"There are {MOST} saved views, which is the most. Remove one first.")
    _write(project, {**views, name.strip(): dict(query)})


def remove_view(project: Project, name: str) -> None:
    """Nothing where there is none."""
    _write(project, {other: query for other, query in saved_views(project).items() if other != name})


def forget_in_views(project: Project, exactly: Collection[str], texts: Collection[str]) -> None:
    """Removes the views that ask for one of the values, or for a text or much of one. Nothing where there is none."""
    views = saved_views(project)
    left = {
        name: query
        for name, query in views.items()
        if not any(_holds(value, exactly, texts) for value in (name, *query.values()))
    }
    if left != views:
        _write(project, left)


def _holds(value: str, exactly: Collection[str], texts: Collection[str]) -> bool:
    return value in exactly or any(text in value or (len(value) >= MUCH and value in text) for text in texts if text)


def _write(project: Project, views: Mapping[str, Mapping[str, str]]) -> None:
    write_whole(_path(project), json.dumps(views, ensure_ascii=False, indent=1).encode())


def _path(project: Project) -> Path:
    return project.folder / FILE
