"""One person's own answers, counted for that person. Knows nothing of others, of gold, or of what is right."""

from typing import Any

from core.labelling.settling import ANSWERS, answer_parameters
from core.project import Project
from core.store.database import count

DAYS = 14

_STANDING = f"""
    select count(*) from ({ANSWERS.format(ns="select n from responses where annotator = $me")})
    where annotator = $me and action = $action
"""
_BY_DAY = """
    select strftime(received_at, '%Y-%m-%d') as day, count(*) filter (action = 'submit') as labels,
           count(*) filter (action = 'skip') as skipped, count(*) filter (action = 'undo') as taken_back
    from responses where annotator = ? and received_at >= now()::timestamp - interval (?) day
    group by day order by day desc
"""


def own_figures(project: Project, name: str) -> dict[str, Any]:
    """labelled, skipped, flagged: this person's answers that stand. days: the last DAYS with an answer, newest first,
    by UTC, with what was given on each."""
    with project.store.reading() as cursor:
        settled = answer_parameters(project.settings())
        counts = {
            word: count(cursor, _STANDING, {**settled, "me": name, "action": action})
            for word, action in (("labelled", "submit"), ("skipped", "skip"), ("flagged", "flag"))
        }
        rows = cursor.execute(_BY_DAY, [name, DAYS]).fetchall()
    days = [dict(zip(("day", "labels", "skipped", "taken back"), row, strict=True)) for row in rows]
    return {**counts, "days": days}
