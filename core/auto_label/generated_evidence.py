"""What audits say of language models' answers, where a guarantee may be about them. Changes nothing."""

from collections.abc import Mapping, Sequence
from math import prod

import duckdb
import numpy as np

from core.auto_label.evidence import AUDITED, UNASKED, AuditEvidence, Columns, evidence_from, refuse_broken
from core.config.settings import Settings
from core.errors import Refused
from core.evaluation.guarantee import GuaranteeTerms, fewest
from core.labelling.generated_answers import models_in_use, read_generated
from core.project import Project
from core.store.answers import answer_text
from core.store.database import count
from core.tasks.tasks import right_machine_labels, space_of, task_of


def read_generated_evidence(
    project: Project, cursor: duckdb.DuckDBPyConnection, terms: GuaranteeTerms
) -> AuditEvidence:
    """Of the models in use, one for each step. Audit answers taught none of them, but the gate chose by them among all
    models that have answered them: `compared` is how many choices there were.

    Raises Refused as `trusted_models`, and where the models have not answered every record of the pool: the audit is a
    sample of all, not of those that somebody chose to have answered.
    """
    settings = project.settings()
    model, compared = trusted_models(settings, cursor), _compared(settings, cursor)
    unasked = [n for (n,) in cursor.execute(f"select n from ({UNASKED}) order by n").fetchall()]
    _require_answers(settings, cursor, unasked)
    whole = _whole_answers(settings, cursor, unasked)
    pool = _columns(list(whole), [sure for _, sure in whole.values()])
    audit, guide = (_checked(settings, cursor, stratum) for stratum in ("audit", "gold"))
    enough = fewest(terms.shared(compared))
    evidence, retained = evidence_from(space_of(settings).parts, pool, audit, guide, enough)
    answers = [answer for (answer, _), covered in zip(whole.values(), retained, strict=True) if covered]
    late = count(cursor, "select count(*) from settled where stratum = 'audit'") - len(audit["n"])
    outside = int((~retained).sum())
    return AuditEvidence(evidence, pool["n"][retained], model, outside, late, tuple(answers), compared)


def trusted_models(settings: Settings, cursor: duckdb.DuckDBPyConnection) -> str:
    """The models whose answers may be accepted, by name.

    Raises Refused where a step has none in use, and where a guarantee on them broke.
    """
    in_use = models_in_use(cursor)
    if bare := [step.name for step in settings.steps if step.name not in in_use and not step.optional]:
        raise Refused(
            "Machine labels are whole answers, and the model of the rounds predicts only some fields of one. A "
            f"language model may say the rest, but none is in use for {', '.join(bare)}: `rondo extract report`, then "
            "`rondo extract promote`."
        )
    model = ", ".join(dict.fromkeys(in_use[step.name] for step in settings.steps if step.name in in_use))
    refuse_broken(cursor, model, "rondo train --trainer lora --all-steps")
    return model


def _compared(settings: Settings, cursor: duckdb.DuckDBPyConnection) -> int:
    """The product over the steps of the models that have answered audit records."""
    rows = cursor.execute(
        """select step, count(distinct model) from generated_answers
           where n in (select n from settled where stratum = 'audit') group by step"""
    ).fetchall()
    names = {step.name for step in settings.steps}
    return prod(models for step, models in rows if step in names)


def _require_answers(settings: Settings, cursor: duckdb.DuckDBPyConnection, unasked: Sequence[int]) -> None:
    in_use = models_in_use(cursor)
    for step in (one.name for one in settings.steps if one.name in in_use):
        answered = count(
            cursor,
            """select count(*) from generated_answers
               where step = ? and model = ? and state <> 'failed' and n in (select unnest(?::bigint[]))""",
            [step, in_use[step], list(unasked)],
        )
        if missing := len(unasked) - answered:
            raise Refused(
                f"{in_use[step]} has not answered {step} for {missing:,} of {len(unasked):,} records of the pool, and "
                f"an audit says something of all or of none: `rondo extract suggest --steps {step} "
                f"--records all,measured --most {len(unasked) + count(cursor, 'select count(*) from settled'):,}`."
            )


def _whole_answers(
    settings: Settings, cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[int]
) -> Mapping[int, tuple[str, float]]:
    """Record number, ascending -> answer as it is stored, and how sure; records that have no whole one are missing."""
    composed = task_of(settings).composed
    result = {}
    for n, generated in read_generated(cursor, record_nos, promoted=True).items():
        if composed and (whole := composed(generated, settings)):
            result[n] = (answer_text(whole[0]), whole[1])
    return dict(sorted(result.items()))


def _checked(settings: Settings, cursor: duckdb.DuckDBPyConnection, stratum: str) -> Columns:
    """Records of a stratum with a whole answer; truth is what stands now."""
    rows = cursor.execute(
        f"""{AUDITED} select n, answer::varchar, coalesce(seen, 0) from settled left join audited using (n)
            where stratum = ? order by n""",
        [stratum],
    ).fetchall()
    whole = _whole_answers(settings, cursor, [n for n, *_ in rows])
    among = [row for row in rows if row[0] in whole]
    columns = _columns([n for n, *_ in among], [whole[n][1] for n, *_ in among])
    columns["seen"] = np.array([seen for *_, seen in among], np.int64)
    truth, answers = [text for _, text, _ in among], [whole[n][0] for n, *_ in among]
    columns["is_right"] = right_machine_labels(settings, truth, answers)
    return columns


def _columns(record_nos: Sequence[int], chances: Sequence[float]) -> Columns:
    return {
        "n": np.array(record_nos, np.int64),
        "place": np.zeros(len(record_nos), np.int64),
        "probability": np.array(chances, np.float64),
    }
