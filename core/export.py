"""What can be exported, as SQL: labels, suggestions, responses, all. Knows no file format."""

import re
from pathlib import Path

from core.errors import BadInput
from core.files.tables import write_table
from core.project import Project
from core.taxonomy import SEPARATOR, Taxonomy

# {names:...} stands for a column of label ids as names, {active} for the ids that are not retired.
# A duplicate has the label and the suggestion of the first record with its text, and says so.
_SETTLED = """
    select r.n, s.labels, if(r.duplicate_of is null or own.n is not null, s.how, 'duplicate') as how, s.stratum
    from records r left join settled own on own.n = r.n
    join settled s on s.n = coalesce(own.n, r.duplicate_of, r.n)
"""
_SUGGESTED = """
    select r.n, g.labels, g.probability, g.model
    from records r join suggestions g on g.n = coalesce(r.duplicate_of, r.n)
    where list_has_all({active}, g.labels)
"""

_QUERIES = {
    "labels": f"""
        select r.id, r.text, {{names:s.labels}} as label, s.how, s.stratum, r.split, r.source, r.meta::varchar as meta
        from ({_SETTLED}) s join records r using (n) order by r.n""",
    "suggestions": f"""
        select r.id, r.text, {{names:g.labels}} as label, g.probability, g.model
        from ({_SUGGESTED}) g join records r using (n)
        where r.n not in (select n from ({_SETTLED})) order by r.n""",
    "responses": """
        select a.event_id, r.id as record_id, a.annotator, a.action,
               if(a.action = 'submit', {names:a.labels}, null) as label,
               strftime(a.made_at, '%Y-%m-%dT%H:%M:%S.%fZ') as made_at, a.round, a.note, a.undoes, a.model
        from responses a join records r using (n) order by a.received_at, a.made_at, a.seq, a.event_id""",
    "all": f"""
        select r.id, r.text, {{names:s.labels}} as label, s.how, s.stratum,
               {{names:g.labels}} as suggestion, g.probability, r.split, r.source, r.meta::varchar as meta
        from records r left join ({_SETTLED}) s using (n) left join ({_SUGGESTED}) g using (n) order by r.n""",
}

WHAT = tuple(_QUERIES)


def write_export(project: Project, target: Path, file_format: str, what: str) -> int:
    """Rows written. Labels are names, several joined by `|`; times are UTC."""
    if what not in _QUERIES:
        raise BadInput(f"Cannot export {what!r}; there are {', '.join(_QUERIES)}.")
    query = _filled_in(_QUERIES[what], project.settings().taxonomy)
    with project.store.reading() as cursor:
        return write_table(cursor, query, [], target, file_format)


def _filled_in(query: str, taxonomy: Taxonomy) -> str:
    """Labels stand in the query itself, quoted: a map that is bound takes seventeen times as long.

    In one pass, so that nothing in a label's name is ever taken for a place to fill in.
    """
    names = ", ".join(f"{_quoted(label.id)}: {_quoted(label.name)}" for label in taxonomy.labels)
    mapping = f"map {{{names}}}" if names else "map([]::varchar[], []::varchar[])"
    active = f"[{', '.join(_quoted(label.id) for label in taxonomy.active)}]::varchar[]"

    def fill(place: re.Match[str]) -> str:
        if place["column"] is None:
            return active
        return f"array_to_string(list_transform({place['column']}, lambda x: {mapping}[x]), '{SEPARATOR}')"

    return re.sub(r"\{(?:active|names:(?P<column>[a-z.]+))\}", fill, query)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
