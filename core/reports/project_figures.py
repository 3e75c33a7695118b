"""The few figures that stand beside every page: how far the batch is, how good the model is, what is open."""

from dataclasses import dataclass

from core.agreement.conflicts import read_conflicts
from core.evaluation.metrics import Estimate
from core.evaluation.reporting import best_score, figures
from core.project import Project
from core.reports.model_quality import newest_model


@dataclass(frozen=True)
class ProjectFigures:
    """name, task: of the project. size, answered: records of the newest batch, and those of them with an answer.
    accuracy: of the champion, None where too few records judge it; stratum: what these are, "" where there are none.
    """

    name: str
    task: str
    records: int
    waiting: int
    size: int
    answered: int
    rounds: int
    conflicts: int
    accuracy: Estimate | None
    stratum: str

    @property
    def share(self) -> float:
        """Of the newest batch, 0..1."""
        return min(self.answered / self.size, 1.0) if self.size else 0.0

    @property
    def quality(self) -> str:
        """'61 % (54 to 67)', 'nothing measured yet'."""
        return whole_percent(self.accuracy) if self.accuracy else "nothing measured yet"


def whole_percent(estimate: Estimate) -> str:
    """'61 % (54 to 67)': tenths of a percent say more than a few hundred records can."""
    return f"{estimate.value:.0%} ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})".replace("%", " %", 1)


def project_figures(project: Project) -> ProjectFigures:
    """As of now."""
    settings = project.settings()
    progress = project.label_queue.progress()
    model = newest_model(project)
    stratum, score = best_score(model.metrics) or ("", None) if model else ("", None)
    return ProjectFigures(
        name=settings.name,
        task=settings.task,
        records=progress["records"],
        waiting=progress["waiting"],
        size=progress["size"],
        answered=progress["answered"],
        rounds=project.store.one("select coalesce(max(batch), 0) from batches"),
        conflicts=read_conflicts(project, 0)[1],
        accuracy=figures(score)["accuracy"] if score else None,
        stratum=stratum,
    )
