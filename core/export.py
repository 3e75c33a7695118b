"""What can be exported, as SQL: labels, suggestions, responses, all. Knows no file format.

Every query binds three lists: $1 label ids and $2 their names, the retired ones too, and $3 the ids still in use.
"""

from pathlib import Path

from core.errors import BadInput
from core.files.tables import write_table
from core.project import Project
from core.taxonomy import SEPARATOR


def _named(column: str) -> str:
    """A list of label ids as their names in one text."""
    return f"array_to_string(list_transform({column}, lambda x: map($1::varchar[], $2::varchar[])[x]), '{SEPARATOR}')"


# A duplicate has the label and the suggestion of the first record with its text, and says so.
_SETTLED = """
    select r.n, s.labels, if(r.duplicate_of is null or own.n is not null, s.how, 'duplicate') as how, s.stratum
    from records r left join settled own on own.n = r.n
    join settled s on s.n = coalesce(own.n, r.duplicate_of, r.n)
"""
_SUGGESTED = """
    select r.n, g.labels, g.probability, g.model
    from records r join suggestions g on g.n = coalesce(r.duplicate_of, r.n)
    where list_has_all($3::varchar[], g.labels)
"""

_QUERIES = {
    "labels": f"""
        select r.id, r.text, {_named("s.labels")} as label, s.how, s.stratum, r.split, r.source, r.meta::varchar as meta
        from ({_SETTLED}) s join records r using (n) order by r.n""",
    "suggestions": f"""
        select r.id, r.text, {_named("g.labels")} as label, g.probability, g.model
        from ({_SUGGESTED}) g join records r using (n)
        where r.n not in (select n from ({_SETTLED})) order by r.n""",
    "responses": f"""
        select a.event_id, r.id as record_id, a.annotator, a.action,
               if(a.action = 'submit', {_named("a.labels")}, null) as label,
               strftime(a.made_at, '%Y-%m-%dT%H:%M:%S.%fZ') as made_at, a.round, a.note, a.undoes, a.model
        from responses a join records r using (n) order by a.received_at, a.made_at, a.seq, a.event_id""",
    "all": f"""
        select r.id, r.text, {_named("s.labels")} as label, s.how, s.stratum,
               {_named("g.labels")} as suggestion, g.probability, r.split, r.source, r.meta::varchar as meta
        from records r left join ({_SETTLED}) s using (n) left join ({_SUGGESTED}) g using (n) order by r.n""",
}

WHAT = tuple(_QUERIES)


def write_export(project: Project, target: Path, file_format: str, what: str) -> int:
    """Rows written. Labels are names, several joined by `|`; times are UTC."""
    if what not in _QUERIES:
        raise BadInput(f"Cannot export {what!r}; there are {', '.join(_QUERIES)}.")
    taxonomy = project.settings().taxonomy
    parameters = [list(taxonomy.names), list(taxonomy.names.values()), [label.id for label in taxonomy.active]]
    with project.store.reading() as cursor:
        return write_table(cursor, _QUERIES[what], parameters, target, file_format)
