"""What can be exported of pairs and clusters, as SQL on temporary tables: ours, Splink's and dedupe's forms.

Knows no file format but dedupe's.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from core.config.settings import Settings
from core.merges.golden import field_rules, golden_record
from core.merges.merges import read_survivors, read_versions
from core.merges.project_clusters import ProjectClusters, read_clusters
from core.project import Project
from core.store.whole_files import whole_file

DEDUPE = "dedupe"
PAIR_CAPTIONS = {
    "pairs": "decisions in force on pairs of records: by whom, and of a model's how probable",
    "clusters": "every record of every source with its cluster, single ones too",
    "golden": "one row for each cluster: the record that survives, and the fields of its golden record",
    "mapping": "the id of every record with the id of its cluster, and of the record that survives",
    "splink_pairs": "decisions in force in Splink's form of predictions and of clerical labels",
    "splink_clusters": "records and their clusters in Splink's form",
    DEDUPE: "people's decisions as dedupe's training file (JSON), which its read_training reads",
}

_SIDES = "join sides l on l.side = d.left_side join sides r on r.side = d.right_side"
_PAIRS = f"""
    select d.record, l.source as left_source, l.id as left_id, r.source as right_source, r.id as right_id,
           if(d.same, 'same', 'different') as decision, if(d.by_person, 'person', 'machine') as by, s.how, g.annotators,
           if(d.by_person, null, d.probability) as probability, p.similarity
    from pair_decisions d {_SIDES}
    left join records k on k.id = d.record left join pairs p on p.n = k.n
    left join settled s on s.n = coalesce(k.duplicate_of, k.n) left join ({{annotators}}) g on g.n = s.n
    where {{which}} order by d.place"""
_QUERIES = {
    "clusters": """
        select c.cluster, s.source, s.id, c.size
        from side_clusters c join sides s using (side) order by c.oldest, side""",
    "golden": "select * exclude (place) from golden_records order by place",
    "mapping": """
        select s.source, s.id, c.cluster, c.survivor, t.source as survivor_source, t.id as survivor_id
        from side_clusters c join sides s using (side) join sides t on t.side = c.survivor_side order by side""",
    "splink_pairs": f"""
        select if(d.same, d.probability, 1 - d.probability) as match_probability,
               l.source as source_dataset_l, l.id as unique_id_l, r.source as source_dataset_r, r.id as unique_id_r,
               if(d.by_person, if(d.same, 1.0, 0.0), null)::double as clerical_match_score
        from pair_decisions d {_SIDES} order by d.place""",
    "splink_clusters": """
        select c.cluster as cluster_id, s.source as source_dataset, s.id as unique_id
        from side_clusters c join sides s using (side) order by c.oldest, side""",
}


def pair_query(project: Project, cursor: duckdb.DuckDBPyConnection, what: str, annotators: str) -> str:
    """what: one of PAIR_CAPTIONS; makes the temporary tables that it asks. annotators: SQL of who answered a record."""
    clusters = read_clusters(project, cursor)
    if what in ("pairs", DEDUPE, "splink_pairs"):
        _write_decisions(cursor, clusters)
    else:
        _write_clusters(cursor, clusters)
    if what == "golden":
        _write_golden(cursor, clusters, project.settings())
    if what in ("pairs", DEDUPE):
        return _PAIRS.format(annotators=annotators, which="true" if what == "pairs" else "d.by_person")
    return _QUERIES[what]


def _write_decisions(cursor: duckdb.DuckDBPyConnection, clusters: ProjectClusters) -> None:
    rows, sides = clusters.decisions, clusters.sides
    cursor.execute(
        """create or replace temp table pair_decisions as
           select unnest($record::varchar[]) as record, unnest($one::bigint[]) as left_side,
                  unnest($other::bigint[]) as right_side, unnest($same::boolean[]) as same,
                  unnest($person::boolean[]) as by_person, unnest($probability::double[]) as probability,
                  unnest(range($count)) as place""",
        {
            "record": [row.record for row in rows],
            "one": [sides[row.left] for row in rows],
            "other": [sides[row.right] for row in rows],
            "same": [row.same for row in rows],
            "person": [row.by_person for row in rows],
            "probability": [row.probability for row in rows],
            "count": len(rows),
        },
    )


def _write_clusters(cursor: duckdb.DuckDBPyConnection, clusters: ProjectClusters) -> None:
    sides, survivors = clusters.sides, _survivors(cursor, clusters)
    rows = [
        (sides[name], cluster, len(members), sides[cluster], survivors.get(cluster, cluster))
        for cluster, members in clusters.clusters.members.items()
        for name in members
    ]
    cursor.execute(
        """create or replace temp table side_clusters as
           select unnest($side::bigint[]) as side, unnest($cluster::varchar[]) as cluster,
                  unnest($size::bigint[]) as size, unnest($oldest::bigint[]) as oldest,
                  unnest($survivor::varchar[]) as survivor, unnest($by::bigint[]) as survivor_side""",
        {
            "side": [row[0] for row in rows],
            "cluster": [row[1] for row in rows],
            "size": [row[2] for row in rows],
            "oldest": [row[3] for row in rows],
            "survivor": [row[4] for row in rows],
            "by": [sides[row[4]] for row in rows],
        },
    )


def _survivors(cursor: duckdb.DuckDBPyConnection, clusters: ProjectClusters) -> dict[str, str]:
    """Cluster -> the record that a person chose last among its members."""
    chosen = sorted(read_survivors(cursor, list(clusters.names)), key=lambda row: str(row[2]))
    names = [clusters.names[side] for side, *_ in chosen]
    return {clusters.cluster_of[name]: name for name in names}


OWN_COLUMNS = ("cluster", "survivor", "records", "place")


def _write_golden(cursor: duckdb.DuckDBPyConnection, clusters: ProjectClusters, settings: Settings) -> None:
    """A field that is called like a column of ours gets an underscore."""
    rules = field_rules(settings)
    versions = {one.side: one for one in read_versions(cursor, list(clusters.names), list(rules))}
    survivors, sides = _survivors(cursor, clusters), clusters.sides
    columns: dict[str, list[str | None]] = {field: [] for field in rules}
    groups = clusters.clusters.members
    for cluster, members in groups.items():
        chosen = survivors.get(cluster)
        golden = golden_record([versions[sides[name]] for name in members], rules, sides[chosen] if chosen else None)
        for field, one in golden.items():
            columns[field].append(one.value or None)
    fields = [f"{name}_" if name.casefold() in OWN_COLUMNS else name for name in rules]
    unnested = ", ".join(
        f'unnest($f{index}::varchar[]) as "{name.replace(chr(34), chr(34) * 2)}"' for index, name in enumerate(fields)
    )
    cursor.execute(
        f"""create or replace temp table golden_records as
            select unnest($cluster::varchar[]) as cluster, unnest($survivor::varchar[]) as survivor,
                   unnest($records::bigint[]) as records, {unnested}, unnest(range($count)) as place""",
        {
            "cluster": list(groups),
            "survivor": [survivors.get(cluster, cluster) for cluster in groups],
            "records": [len(members) for members in groups.values()],
            "count": len(groups),
        }
        | {f"f{index}": values for index, values in enumerate(columns.values())},
    )


def write_dedupe(project: Project, cursor: duckdb.DuckDBPyConnection, target: Path) -> int:
    """`{"match": [...], "distinct": [...]}` of pairs of records, each a tuple as dedupe writes them; how many pairs.

    A field without a value is null, as dedupe wants it.
    """
    clusters = read_clusters(project, cursor)
    names = list(field_rules(project.settings()))
    decisions = [one for one in clusters.decisions if one.by_person]
    needed = {clusters.sides[name] for one in decisions for name in (one.left, one.right)}
    versions = {one.side: one for one in read_versions(cursor, sorted(needed), names)}

    def records(same: bool) -> Iterator[dict[str, Any]]:
        for one in decisions:
            if one.same == same:
                pair = (versions[clusters.sides[name]].fields for name in (one.left, one.right))
                yield {
                    "__class__": "tuple",
                    "__value__": [{name: fields[name] or None for name in names} for fields in pair],
                }

    document = {"match": list(records(True)), "distinct": list(records(False))}
    with whole_file(target.resolve()) as partial:
        partial.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return len(decisions)
