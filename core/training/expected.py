"""What a training run is expected to take and cost, by the speed of runs that have ended. Knows no trainer's work."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from core.jobs.bundle import Resources
from core.project import Project, runner_of
from core.training.trainers import parameters_in

RECENT = 5
"""ended runs of a trainer that tell its speed, the newest"""
LIMIT = 3.0
"""how many times more or less work than the runs measured a figure is given for"""

SHAPE = ("base", "max_length")
"""parameters that change what a pass over a record takes: only runs with what they are by default tell"""
LIMITS = ("max_steps", "max_minutes", "downsample")
"""parameters that end a run early, or leave records out; 0: they do not"""

# A pass over a record is the unit of work. Runs that tried an encoder in a given time say nothing of a whole run's.
_ENDED = """
    select epoch(j.ended_at) - epoch(j.started_at), m.labels, (j.params -> 'values')::varchar
    from jobs j join models m on m.id = j.id
    where j.state = 'succeeded' and j.runner = ? and j.params ->> 'trainer' = ?
      and j.started_at is not null and j.ended_at > j.started_at
      and j.params ->> 'trial' is null
      and (j.resources ->> 'gpu') is not distinct from ?
    order by j.ended_at desc
"""
_LABELS = """
    select count(*) from settled join records r using (n)
    where stratum in ('chosen', 'file', 'check') and n not in (select n from left_out)
      and r.hash not in (select t.hash from records t join settled s using (n) where s.stratum in ('gold', 'audit'))
"""


@dataclass(frozen=True)
class ExpectedRun:
    """One trainer on one runner. runs: ended ones that it goes by. seconds, low, high: median and range of what these
    say; dollars: at the median, None where it is free or unknown. hour: price of an hour, None where it is free. why:
    in words what is missing, empty where nothing is."""

    trainer: str
    on: str
    labels: int
    runs: int
    seconds: float | None = None
    low: float | None = None
    high: float | None = None
    dollars: float | None = None
    hour: float | None = None
    why: str = ""


def labels_now(project: Project) -> int:
    """Records that a training run would learn from or hold out."""
    return int(project.store.one(_LABELS))


def expected_run(project: Project, trainer: str, on: str, labels: int) -> ExpectedRun:
    """With the settings' GPU and the trainer's parameters as they are by default.

    From the seconds that earlier runs took for a pass over a record, from their start to their end. Raises BadInput for
    a GPU that is not on offer.
    """
    settings = project.settings()
    gpu = settings.gpu if on == "modal" else None
    runner, resources = runner_of(project, on), Resources(settings.job_seconds, gpu)
    hour = runner.price(resources, 3600) or None
    defaults = {name: one.default for name, one in parameters_in(settings, trainer).items()}
    ended = [
        (seconds, count * float(values.get("epochs", 1)))
        for seconds, count, stored in project.store.query(_ENDED, [on, trainer, gpu])
        if _is_whole(values := json.loads(stored or "{}"), defaults)
    ][:RECENT]
    work = labels * float(defaults.get("epochs", 1))
    known = [(seconds / size, size) for seconds, size in ended if size > 0]
    if not known:
        why = "its runs learn from no labels, which time is counted by" if ended else "no such run has ended there yet"
        return ExpectedRun(trainer, on, labels, 0, hour=hour, why=why)
    sizes = [size for _, size in known]
    if not min(sizes) / LIMIT <= work <= max(sizes) * LIMIT:
        why = f"the runs that have ended learnt from much {'less' if work > max(sizes) else 'more'}"
        return ExpectedRun(trainer, on, labels, len(known), hour=hour, why=why)
    speeds = [speed for speed, _ in known]
    seconds, low, high = (pick(speeds) * work for pick in (median, min, max))
    dollars = runner.price(resources, seconds) if hour else None
    return ExpectedRun(trainer, on, labels, len(known), seconds, low, high, dollars, hour)


def _is_whole(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Whether a run with these parameters did what one with the defaults would do."""
    alike = all(values.get(name, defaults.get(name)) == defaults.get(name) for name in SHAPE)
    return alike and not any(float(values.get(name, 0)) for name in LIMITS)
