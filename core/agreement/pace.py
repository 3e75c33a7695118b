"""Who labelled how much and how fast. Knows times and names, not how good the answers are.

Answers from a file or in bulk have no pace, and a gap of more than PAUSE between two answers is a pause.
"""

from dataclasses import dataclass

from core.labelling.settling import ANSWERS, answer_parameters
from core.project import Project

PAUSE = 300
"""seconds"""
HOURLY_DAYS = 2
"""days up to which answers are counted by the hour"""


@dataclass(frozen=True)
class PersonWork:
    """A person's current answers, median seconds between two of them, answers per hour of work, time of the last."""

    annotator: str
    labels: int
    skipped: int
    flagged: int
    seconds: float | None
    per_hour: int | None
    last: str | None


@dataclass(frozen=True)
class AnswersAt:
    """How many answers a person gave in the hour or day that began at `at` (UTC)."""

    annotator: str
    at: str
    answers: int


@dataclass(frozen=True)
class CalibrationWork:
    """How many calibration records a person has answered of those that there are."""

    annotator: str
    answered: int
    of: int


_ONE_BY_ONE = """
    select annotator, made_at, received_at,
           date_diff('millisecond', lag(made_at) over (partition by annotator order by made_at, seq), made_at) / 1000
               as gap
    from responses
    where action <> 'undo' and source not in ('file', 'crowd', 'bulk')
"""
_WORK = f"""
    with standing as (
        select annotator, count(*) filter (action = 'submit') as given, count(*) filter (action = 'skip') as skipped,
               count(*) filter (action = 'flag') as flagged
        from ({ANSWERS.format(ns="select n from responses")}) where not from_file group by annotator
    ), paced as (
        select annotator, median(gap) filter (gap <= {PAUSE}) as pause, count(gap) filter (gap <= {PAUSE}) as steps,
               sum(gap) filter (gap <= {PAUSE}) as seconds, max(received_at) as last
        from ({_ONE_BY_ONE}) group by annotator
    )
    select annotator, given, skipped, flagged, pause, if(seconds > 0, 3600 * steps / seconds, null), last
    from standing left join paced using (annotator) order by given desc, annotator
"""


def work(project: Project) -> list[PersonWork]:
    """Of everybody, the busiest first."""
    with project.store.reading() as cursor:
        rows = cursor.execute(_WORK, answer_parameters(project.settings())).fetchall()
    return [
        PersonWork(
            annotator=user,
            labels=supplied,
            skipped=skipped,
            flagged=flagged,
            seconds=None if pause is None else round(pause, 1),
            per_hour=None if hourly is None else round(hourly),
            last=None if last is None else f"{last:%Y-%m-%d %H:%M}",
        )
        for user, supplied, skipped, flagged, pause, hourly, last in rows
    ]


def over_time(project: Project, people: int) -> list[AnswersAt]:
    """Answers per person and hour, or per day where they span more than HOURLY_DAYS.

    people: so many of the busiest have rows of their own, the others together are 'others'.
    """
    span = project.store.one(f"select date_diff('day', min(made_at), max(made_at)) from ({_ONE_BY_ONE})")
    unit = "hour" if span is not None and span < HOURLY_DAYS else "day"
    rows = project.store.query(
        f"""with work as ({_ONE_BY_ONE}), busiest as (
                select annotator from work group by annotator order by count(*) desc, annotator limit ?::bigint)
            select if(annotator in (select annotator from busiest), annotator, null) as who,
                   date_trunc('{unit}', made_at) as began, count(*)
            from work group by who, began order by began, who nulls last""",
        [people],
    )
    return [
        AnswersAt("others" if user is None else user, f"{at:%Y-%m-%dT%H:%M:%SZ}", count) for user, at, count in rows
    ]


def calibration(project: Project) -> list[CalibrationWork]:
    """Of everybody who answered any."""
    with project.store.reading() as cursor:
        rows = cursor.execute(
            f"""select annotator, count(*), (select count(distinct n) from queue where purpose = 'calibration')
                from ({ANSWERS.format(ns="select n from queue where purpose = 'calibration'")})
                where not from_file and action = 'submit' group by annotator order by count(*) desc, annotator""",
            answer_parameters(project.settings()),
        ).fetchall()
    return [CalibrationWork(*row) for row in rows]
