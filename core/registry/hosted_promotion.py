"""Putting a hosted model in charge of what programs ask, and taking it out again. Its word is recorded before."""

from dataclasses import dataclass
from datetime import UTC, datetime

from core.errors import Refused
from core.ids import ModelId
from core.jobs.bundle import Report
from core.models.artifacts import check_model
from core.models.hosted_models import Hosting, hosted_in_use, require_hosting
from core.models.in_use import active_model
from core.pairs.recorded_answers import AskingLimits, RecordedAnswers, measuring_pairs, record_answers, unrecorded
from core.project import Project
from core.registry.champions import require_files
from core.registry.deciders import DeciderChange, decide_by
from core.store.database import utc_now
from core.tasks.tasks import task_of


@dataclass(frozen=True)
class Deactivated:
    """model: that decided for programs. champion: the local model that does now, None where there is none yet."""

    model: ModelId
    champion: ModelId | None
    sentence: str


def check_hosted(project: Project, model: ModelId) -> Hosting:
    """Raises Refused for the one that decides already, and for one that has ended; Damaged for a broken one."""
    where = require_hosting(project, model)
    if task_of(project.settings()).steps:
        raise Refused(f"{model} answers one step of records: `rondo extract promote` puts it to use for that step.")
    if model == hosted_in_use(project):
        raise Refused(f"{model} decides for programs already.")
    require_files(project, model)
    check_model(project.models / model)
    if ended := where.ended(datetime.now(UTC).date()):
        raise Refused(f"{ended} It answers no more, so it cannot be put to use.")
    return where


def unmeasured(project: Project, model: ModelId) -> int:
    """Gold and audit pairs that the model was not asked about: so many requests promoting it takes."""
    with project.store.reading() as cursor:
        return len(unrecorded(cursor, model, measuring_pairs(cursor).pairs))


def record_measuring(project: Project, report: Report, where: Hosting, budget: int) -> RecordedAnswers:
    """What it says of all gold and audit pairs. Raises Refused where it cannot be asked, or is over the budget."""
    with project.store.reading() as cursor:
        pairs = measuring_pairs(cursor).pairs
    recorded = record_answers(project, report, where, pairs, AskingLimits(budget))
    if recorded.failure:
        raise Refused(f"The gate needs what {where.name} says of gold and audit pairs. {recorded.failure}")
    return recorded


def deactivate(project: Project, report: Report, *, reason: str | None = None, user: str = "local") -> Deactivated:
    """The champion decides for programs again. Raises Refused where no hosted model does."""
    model = hosted_in_use(project)
    if model is None:
        raise Refused("No hosted model decides for programs: the champion does. `rondo models list` shows it.")
    decide_by(project, DeciderChange(utc_now(), None, user, "deactivated", (reason or "").strip() or None))
    return Deactivated(model, active_model(project), f"{model} decides no more. {who_decides(project)}")


def who_decides(project: Project) -> str:
    """In a sentence: who answers programs that ask about pairs."""
    if model := hosted_in_use(project):
        return f"Programs that ask about pairs are answered by {model}."
    if champion := active_model(project):
        return f"Programs that ask about pairs are answered by the champion, {champion}."
    return "Programs that ask about pairs are answered by similarity until a model is fitted."
