"""A data card: the contents, origin and reliability of a set of labels, for its users. Changes nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import duckdb

from core.auto_label.guarantees import count_checks
from core.config.settings import Settings
from core.evaluation.metrics import read_metrics
from core.evaluation.reporting import FEW_AUDITS, STRATA, ShownScore, audit_notes, shown_score
from core.labelling.settling import ANSWERS, answer_parameters
from core.models.in_use import active_model
from core.models.vectors import MANIFEST, encoder_folder
from core.project import Project
from core.reports.error_analysis import NamedScore, label_scores, level_table
from core.reports.model_quality import differences, is_exhausted
from core.store.database import utc_now
from core.tasks.tasks import space_of, task_of

Card = dict[str, Any]
Cursor = duckdb.DuckDBPyConnection


def data_card(project: Project, *, names: bool = False) -> Card:
    """A snapshot, for `to_json`. names: of the annotators, who are otherwise only counted."""
    with project.store.reading() as cursor:
        return read_card(project, cursor, names=names)


def read_card(project: Project, cursor: Cursor, *, names: bool = False) -> Card:
    """The same in the caller's transaction."""
    settings = project.settings()
    card: Card = {
        "project": settings.name,
        "made_at": f"{utc_now():%Y-%m-%dT%H:%M:%SZ}",
        "rondo": version("rondo"),
        "data": _data(cursor),
        **_answers(cursor, settings),
        "choosing": _choosing(cursor),
        "people": _people(cursor, settings, names),
        "agreement": _agreement(cursor, settings),
        "model": _model(project, cursor, settings),
        "machine": _machine(cursor, settings),
    }
    card["limits"] = _limits(cursor, card, exhausted=is_exhausted(cursor, settings))
    return card


def _rows(cursor: Cursor, sql: str, parameters: Any = None) -> list[Card]:
    cursor.execute(sql, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _data(cursor: Cursor) -> Card:
    [counts] = _rows(
        cursor,
        """select count(*) as records, count(duplicate_of) as duplicates,
                  count(*) filter (split = 'test') as declared_gold from records""",
    )
    keys = "select distinct unnest(json_keys({0})) as key from records where {0} is not null order by key"
    return {
        **counts,
        "fields": [row["key"] for row in _rows(cursor, keys.format("fields"))] or ["text"],
        "metadata": [row["key"] for row in _rows(cursor, keys.format("meta"))],
        "sources": _rows(
            cursor,
            """select source, count(*) as records, strftime(min(imported_at), '%Y-%m-%d') as first_import,
                      strftime(max(imported_at), '%Y-%m-%d') as last_import
               from records group by source order by min(imported_at), source""",
        ),
    }


def _answers(cursor: Cursor, settings: Settings) -> Card:
    """The taxonomy, or the setup of a task that has none."""
    task = task_of(settings)
    if task.taxonomy:
        return {"taxonomy": _taxonomy(cursor, settings)}
    setup, categories = task.setup(settings), list(space_of(settings).names)
    about = {"name": settings.task, "categories": categories, "setup": setup, "guidelines": settings.guidelines}
    return {"task": about}


def _taxonomy(cursor: Cursor, settings: Settings) -> Card:
    counted = _rows(
        cursor,
        "select unnest(labels) as label, stratum = 'gold' as gold, count(*) as records from settled group by 1, 2",
    )
    records = {(row["label"], row["gold"]): row["records"] for row in counted}
    return {
        "version": settings.taxonomy.version,
        "several_labels_per_record": settings.multi,
        "labels": [
            {
                "id": label.id,
                "name": label.name,
                "description": label.description,
                "retired": label.retired,
                "records": records.get((label.id, False), 0),
                "gold": records.get((label.id, True), 0),
            }
            for label in settings.taxonomy.labels
        ],
        "guidelines": settings.guidelines,
    }


def _choosing(cursor: Cursor) -> Card:
    batches = _batches(cursor)
    strata = _rows(cursor, "select stratum, count(*) as records from settled group by 1 order by 2 desc, 1")
    size, audit = sum(one["size"] for one in batches), sum(one["audit"] for one in batches)
    return {
        "chosen": size,
        "audit": audit,
        "audit_share": round(audit / size, 4) if size else None,
        "labels_by_stratum": {row["stratum"]: row["records"] for row in strata},
        "batches": batches[::-1],
    }


def _batches(cursor: Cursor) -> list[Card]:
    return _rows(
        cursor,
        """select batch as round, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ') as made_at, strategy, size, audit, seed, pool,
                  labelled as labelled_before, model, md5(array_to_string(rows, ',')) as rows_md5
           from batches order by batch desc""",
    )


def _people(cursor: Cursor, settings: Settings, names: bool) -> Card:
    current_answers = f"({ANSWERS.format(ns='select n from responses')})"
    each = _rows(
        cursor,
        f"""select annotator, from_file,
                   count(*) filter (action = 'submit') as labels,
                   count(*) filter (action = 'skip') as skipped, count(*) filter (action = 'flag') as flagged
            from {current_answers} group by annotator, from_file order by labels desc, annotator""",
        answer_parameters(settings),
    )
    files = sum(one["labels"] for one in each if one["from_file"])
    people = [{key: value for key, value in one.items() if key != "from_file"} for one in each if not one["from_file"]]
    for number, one in enumerate(people, 1):
        one["annotator"] = one["annotator"] if names else f"annotator {number}"
    how = _rows(
        cursor,
        "select how, count(*) as records from settled where stratum <> 'gold' group by how order by 2 desc, 1",
    )
    return {
        "annotators": len(people),
        "answers": people,
        "answers_from_files": files,
        "settled_by": settings.settle,
        "settled": sum(row["records"] for row in how),
        "settled_how": {row["how"]: row["records"] for row in how},
        "asked_per_record": settings.overlap,
    }


def _agreement(cursor: Cursor, settings: Settings) -> Card | None:
    """Over all pairs of people's answers to a record; None where no record has two."""
    [row] = _rows(
        cursor,
        f"""with given as (
                select n, answer::varchar as answer, count(*) as votes
                from ({ANSWERS.format(ns="select n from responses")})
                where action = 'submit' and counts and not from_file group by all
            ), records as (
                select sum(votes) as answers, sum(votes * (votes - 1)) / 2 as alike from given group by n
            )
            select count(*) as records, sum(answers * (answers - 1)) / 2 as pairs, sum(alike) as alike
            from records where answers > 1""",
        answer_parameters(settings),
    )
    if not row["records"]:
        return None
    return {
        "records": row["records"],
        "pairs": int(row["pairs"]),
        "share": round(row["alike"] / row["pairs"], 4),
    }


@dataclass(frozen=True)
class ModelFacts:
    """The champion, or where there is none the newest model. scores, per_label, levels: by stratum, less what too few
    can tell. drift: sentences."""

    id: str
    made_at: str
    round: int
    encoder: str
    taxonomy: int
    seed: int
    labels_learnt_from: int
    encoder_fingerprint: str | None
    scores: Mapping[str, ShownScore]
    per_label: Mapping[str, Sequence[NamedScore]]
    levels: Mapping[str, Sequence[Mapping[str, str | int]]]
    drift: Sequence[str]


def _model(project: Project, cursor: Cursor, settings: Settings) -> ModelFacts | None:
    row = cursor.execute(
        """select id, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), round, encoder, taxonomy, seed, labels, metrics
           from models order by models.id is not distinct from ? desc, models.made_at desc limit 1""",
        [active_model(project)],
    ).fetchone()
    if row is None:
        return None
    *facts, stored = row
    metrics = read_metrics(stored, facts[0])
    manifest = encoder_folder(project.vectors, facts[3]) / MANIFEST
    known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    scores = {stratum: shown_score(score) for stratum in STRATA if (score := metrics.on(stratum))}
    per_label = {stratum: label_scores(metrics, stratum, settings.taxonomy) for stratum in scores}
    levels = {stratum: level_table(metrics, stratum) for stratum in scores}
    return ModelFacts(*[*facts, known.get("fingerprint"), scores, per_label, levels, differences(metrics)])


def _machine(cursor: Cursor, settings: Settings) -> Card:
    """All guarantees, and per label of the one in force: labels, and blind answers that agree and disagree."""
    guarantees = _rows(
        cursor,
        """select id, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ') as made_at, state, precision, per_label, confidence,
                  model, covered, pool, why
           from guarantees order by guarantees.made_at""",
    )
    space = space_of(settings)
    counts = [
        checked
        for guarantee in guarantees
        if guarantee["state"] == "in_force"
        for checked in count_checks(cursor, guarantee["id"], settings)
    ]
    return {
        "guarantees": guarantees,
        "labels": sum(one.left for one in counts),
        "checked": {"right": sum(one.right for one in counts), "wrong": sum(one.wrong for one in counts)},
        "per_label": [
            {
                "label": space.part_names.get(one.label, one.label),
                "machine_labels": one.left,
                "checked_right": one.right,
                "checked_wrong": one.wrong,
            }
            for one in counts
        ],
    }


def _limits(cursor: Cursor, card: Card, *, exhausted: bool) -> list[str]:
    """Caveats, in sentences."""
    [counts] = _rows(
        cursor,
        """select count(*) filter (how = 'bulk') as bulk, count(*) filter (how = 'adjudicated') as corrected,
                  count(*) filter (stratum = 'audit') as audit from settled""",
    )
    model: ModelFacts | None = card["model"]
    result, chosen = [], "error rates"
    if categories := "taxonomy" in card or bool(card["task"]["categories"]):
        chosen = "label shares and error rates"
    if model is None or not model.scores:
        result.append("No audit or gold record has been judged by a model: nothing is claimed about accuracy.")
    elif counts["audit"] < FEW_AUDITS:
        rare = ", and rare labels are hardly measured" if categories else ""
        result.append(f"Only {counts['audit']:,} audit labels: intervals are wide{rare}.")
    if model is not None:
        result += [*audit_notes(model.scores.get("audit"), exhausted=exhausted), *model.drift]
    if counts["corrected"]:
        result.append(
            f"Labels corrected after somebody looked at them again: {counts['corrected']:,}. Such looks are one-sided: "
            "they find errors where they were suspected, and none elsewhere."
        )
    if counts["bulk"]:
        result.append(f"Labels given to many records at once, not one by one (how = bulk): {counts['bulk']:,}.")
    if card["data"]["duplicates"]:
        result.append(f"Records that repeat the text of another: {card['data']['duplicates']:,}. They carry its label.")
    result.append(
        f"Labels of the stratum 'chosen' were picked because they teach most: their {chosen} are "
        "not those of all records. Only audit and gold estimate those."
    )
    return result
