"""Tuning the encoder while people label: when, from what, how, and what came of it. Trains and decides nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.evaluation.gate_verdict import GateVerdict, read_verdict
from core.ids import JobId, ModelId
from core.jobs.job_states import UNDER_WAY
from core.models.encoders.encoder import EMBEDDED, MULTILINGUAL, OWN
from core.project import Project
from core.tasks.tasks import task_of
from core.training.train_job import TrainResult, Trial
from core.training.trainers import entries_in, split_entry
from core.typed_json import from_json

TUNER = "encoder"
STEPS = 120
"""of a training, at most"""
BATCH = 16
LEAST_LABELS = 60
"""records with a label, audit records among them, before the encoder is tuned for the first time"""
EACH = 4
"""of them for each label in use, on average"""
GROWTH = 1.5
"""how many labels there must be for the next attempt, as a multiple of those at the last one"""
FAILED = "retraining failed"
"""in the audit log: an attempt that raised"""
_TRIED = "kind = 'train' and params->>'trial' is not null"


def tunable(project: Project) -> bool:
    """Is the encoder tuned by itself here?"""
    return project.settings().tune and untunable(project) is None


def untunable(project: Project) -> str | None:
    """Why there is no tuning now though a person asked for one, or None."""
    task = task_of(project.settings())
    if not task.taxonomy or task.two_sides:
        return "The encoder is tuned on labels of texts, and this project asks for something else."
    if first_encoder(project, project.settings().encoder) == MULTILINGUAL:
        return f"{MULTILINGUAL} cannot be tuned: it is no transformer. `rondo train --set base=NAME` tunes another one."
    return None


def enough_labels(project: Project) -> bool:
    """For a first attempt, or half as many again as at the last one, whatever came of it."""
    last: datetime | None = project.store.one(
        f"""select max(moment) from (
               select made_at as moment from jobs where {_TRIED}
               union all select logged_at from audit_log where what = ?)""",
        [FAILED],
    )
    labels = answered_since(project, None)
    if labels < LEAST_LABELS:
        return False
    if last is not None:
        return labels >= GROWTH * (labels - answered_since(project, last))
    used = project.store.one(
        "select count(distinct label) from (select unnest(labels) as label from settled where stratum <> 'gold')"
    )
    return bool(used > 1 and labels >= EACH * used)


def answered_since(project: Project, since: datetime | None) -> int:
    """Records, gold left out, that were answered since and have a label now; None: ever."""
    value: int = project.store.one(
        """select count(distinct n) from responses join settled using (n)
           where action = 'submit' and stratum <> 'gold' and received_at > coalesce(?, timestamp '1970-01-01')""",
        [since],
    )
    return value


def tuning_values(project: Project) -> list[str]:
    """The trainer's parameters, as "key=value"; what `rondo.toml` says of this trainer wins."""
    settings = project.settings()
    own = {split_entry(entry)[0] for entry in entries_in(settings, TUNER)}
    values = {
        "base": first_encoder(project, settings.encoder),
        "loss": "softmax",
        "epochs": 1_000,
        "max_steps": STEPS,
        "batch_size": BATCH,
        "learning_rate": 5e-5,
        "test_size": 0,
        "frozen_layers": 1,
        "max_minutes": settings.tune_minutes,
    }
    return [f"{name}={value}" for name, value in values.items() if name not in own]


def first_encoder(project: Project, encoder: str) -> str:
    """The encoder that the line of tuned ones began with. Each attempt starts from it: what one of them had wrong is
    not handed on, and no twin has seen the half that judges it. Where rounds have changed to the multilingual one,
    which cannot be tuned, the default one, for then the texts did not ask for another."""
    seen: set[str] = set()
    while encoder.startswith(OWN) and encoder not in seen:
        seen.add(encoder)
        encoder = (
            project.store.one("select params->>'encoder' from jobs where id = ?", [encoder.removeprefix(OWN)])
            or encoder
        )
    first = project.store.one(
        "select detail->>'before' from audit_log where what = 'encoder' order by logged_at limit 1"
    )
    return EMBEDDED if encoder == MULTILINGUAL and first not in (None, MULTILINGUAL) else encoder


@dataclass(frozen=True)
class Tuning:
    """One attempt. state: of its job. labels, trial: once it has ended. verdict: the gate's, None before it was asked.
    promoted: did it come into use by that verdict?"""

    job: JobId
    made_at: str
    state: str
    model: ModelId | None
    trial: Trial | None
    verdict: GateVerdict | None
    promoted: bool

    @property
    def sentence(self) -> str:
        """What was tried, and what it brought."""
        if self.state in UNDER_WAY:
            return "The encoder is being tuned; nobody need wait for it."
        if self.trial is None:
            return f"{_ENDED.get(self.state, self.state)} The Jobs page says why, or `rondo jobs show {self.job}`."
        did = f"The encoder was tuned on {self.trial.labels:,} labels"
        if self.promoted:
            return f"{did} and is in use. {self.verdict.sentence if self.verdict else ''}"
        if self.verdict is None:
            return f"{did}; the gate has not decided yet."
        return f"{did} and is not put to use. {self.verdict.sentence}"


_ENDED = {
    "failed": "Tuning the encoder failed.",
    "cancelled": "Tuning the encoder was cancelled.",
    "timed_out": "Tuning the encoder took longer than it may.",
    "lost": "Tuning the encoder was interrupted: its process ended.",
}


def tunings(project: Project) -> list[Tuning]:
    """Newest first."""
    rows = project.store.query(
        f"""select id, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), state, result,
               (select evidence from champions c where c.model = jobs.id and how = 'retrained' limit 1),
               (select detail->>'evidence' from audit_log where what = 'gate' and detail->>'model' = jobs.id
                order by logged_at desc limit 1)
            from jobs where {_TRIED} order by jobs.made_at desc"""
    )
    return [_tuning(row) for row in rows]


def _tuning(row: Sequence[str]) -> Tuning:
    job, made_at, state, result, promoted, refused = row
    trial = from_json(TrainResult, json.loads(result), f"The result of {job}").trial if result else None
    evidence = promoted or refused
    verdict = read_verdict(evidence) if evidence else None
    model = ModelId(job) if state == "succeeded" else None
    return Tuning(JobId(job), made_at, state, model, trial, verdict, bool(promoted))


def tuning_sentence(project: Project) -> str:
    """Of the newest attempt; empty where there was none."""
    attempts = tunings(project)
    return attempts[0].sentence if attempts else ""


def tuning_table(attempts: Sequence[Tuning]) -> list[dict[str, str | int | float | None]]:
    """A row for each; figures are those of the trial, in points."""
    rows: list[dict[str, str | int | float | None]] = []
    for one in attempts:
        difference = one.verdict.difference if one.verdict else None
        rows.append(
            {
                "begun": one.made_at,
                "labels": one.trial.labels if one.trial else None,
                "compared on": one.trial.n if one.trial else None,
                "steps": one.trial.steps if one.trial else None,
                "measure": one.verdict.measure_name if one.verdict else None,
                "gain": round(100 * difference.value, 1) if difference else None,
                "at least": round(100 * difference.low, 1) if difference else None,
                "at most": round(100 * difference.high, 1) if difference else None,
                "put to use": "yes" if one.promoted else "no",
            }
        )
    return rows


def read_trial(project: Project, model: ModelId) -> Trial | None:
    """Of a model that was tried out when it was trained."""
    result = project.store.one(f"select result from jobs where id = ? and {_TRIED}", [model])
    return from_json(TrainResult, json.loads(result), f"The result of {model}").trial if result else None
