"""The tables of a paper: rounds, quality, labels, agreement, models, savings, guarantees. Knows facts, no markup."""

from collections.abc import Iterator, Mapping

from core.evaluation.metrics import Savings, Score
from core.evaluation.reporting import STRATA, best_score, figures, headline
from core.paper.facts import PaperFacts
from core.paper.tables import Cell, PaperTable, table_of
from core.registry.model_card import public_name

Rows = list[Mapping[str, Cell]]
INTERVALS = "Intervals are 95 %."


def result_tables(facts: PaperFacts) -> list[PaperTable]:
    """Those that there is something to show in."""
    makers = (_rounds, _quality, _models, _labels, _distribution, _confusion, _calibration, _agreement, _savings)
    return [table for make in (*makers, _guarantees, _steps) for table in make(facts) if table]


def _rounds(facts: PaperFacts) -> Iterator[PaperTable | None]:
    rows: Rows = [
        {
            "round": one.round,
            "strategy": one.strategy,
            "records": one.size,
            "audit": one.audit,
            "seed": str(one.seed),
            "pool": one.pool,
            "labelled before": one.labelled_before,
            "answered": one.answered,
            "warnings": len(one.self_test.warnings),
        }
        for one in facts.rounds
    ]
    yield table_of("rounds", "Rounds: what was chosen, from how many records, and with which seed.", rows)


def _quality(facts: PaperFacts) -> Iterator[PaperTable | None]:
    rows: Rows = [
        {"round": model.round, "labels": model.labels, "measured on": stratum, "records": score.n, **_figures(score)}
        for model in facts.curve
        for stratum in STRATA
        if (score := model.metrics.on(stratum))
    ]
    note = (
        "Audit figures are on the audit records that there were when the model in use was measured. Gold figures are "
        "on gold as it was when each model was made; those on another number of gold records than the newest are left "
        "out."
    )
    yield table_of("quality", f"Quality of the last model of each round. {note} {INTERVALS}", rows)


def _figures(score: Score) -> dict[str, Cell]:
    return {name: one for name, one in figures(score).items() if name != "micro F1"}


def _models(facts: PaperFacts) -> Iterator[PaperTable | None]:
    rows: Rows = []
    for model in reversed(facts.models.models):
        best = best_score(model.metrics)
        name, figure = headline(best[1]) if best else ("", None)
        rows.append(
            {
                "model": model.id,
                "trainer": model.trainer,
                "encoder": public_name(model.encoder or ""),
                "labels": model.labels,
                "seed": str(model.seed),
                "state": model.state,
                "measured on": f"{best[1].n:,} {best[0]}" if best else None,
                "measure": name if figure else None,
                "score": figure,
            }
        )
    note = "Each as measured when it was made: figures on different records do not compare models."
    yield table_of("models", f"All models, in the order in which they were made. {note} {INTERVALS}", rows)


def _labels(facts: PaperFacts) -> Iterator[PaperTable | None]:
    for stratum, scores in facts.labels.items():
        rows: Rows = [
            {
                "label": one.label,
                "records": one.score.records,
                "precision": one.score.precision,
                "recall": one.score.recall,
                "F1": one.score.f1,
            }
            for one in scores
        ]
        score = facts.metrics.on(stratum)
        if not any(one.score.precision or one.score.recall or one.score.f1 for one in scores):
            continue
        where = f"on {score.n:,} {stratum} records" if score else ""
        yield table_of(
            f"labels-{stratum}", f"Quality by label {where} (records: those that have it). {INTERVALS}", rows
        )


def _distribution(facts: PaperFacts) -> Iterator[PaperTable | None]:
    shares = {one.label: one.score.prevalence for one in facts.labels.get("audit", ())}
    whom = "the records that were not asked" if facts.is_drawn_only else "all records"
    rows: Rows = [
        {"label": name, "answered by people": people, "gold": gold, f"share of {whom}": shares.get(name)}
        for name, (people, gold) in facts.answered.items()
    ]
    yield table_of(
        "distribution",
        "Labels: records that people answered so and known answers"
        + (f"; the share of {whom} is estimated from the audit. {INTERVALS}" if any(shares.values()) else "."),
        rows,
    )


def _confusion(facts: PaperFacts) -> Iterator[PaperTable | None]:
    whom = "the records that were not asked" if facts.is_drawn_only else "all records"
    whole = f"share of {whom}" if facts.stratum == "audit" else f"share of {facts.stratum} records"
    rows: Rows = [
        {"true label": one.truth, "predicted": one.predicted, "records": one.records, whole: one.share}
        for one in facts.confusion
        if one.records
    ]
    yield table_of("confusion", f"True and predicted labels on {facts.stratum} records, the most frequent first.", rows)


def _calibration(facts: PaperFacts) -> Iterator[PaperTable | None]:
    bins = facts.calibration.bins if facts.calibration else ()
    rows: Rows = [
        {"stated": one.stated, "right": one.right, "low": one.low, "high": one.high, "records": one.records}
        for one in bins
    ]
    yield table_of(
        "calibration",
        f"Stated probability and share that is right, in bins of equally many {facts.stratum} records; low and high: "
        "95 % (Wilson).",
        rows,
    )


def _agreement(facts: PaperFacts) -> Iterator[PaperTable | None]:
    if facts.agreement and facts.agreement.overall.value is not None:
        result = facts.agreement
        entries = [("all", result.overall), *((one.label, one.agreement) for one in result.labels)]
        alphas: Rows = [
            {"label": name, "alpha": one.value, "low": one.low, "high": one.high, "records": one.records}
            for name, one in entries
        ]
        caption = (
            "Agreement of annotators: Krippendorff's alpha with its 95 % interval, of each label against the rest."
        )
        yield table_of("agreement", caption, alphas)
        pairs: Rows = [
            {
                "first": facts.people.get(one.first, one.first),
                "second": facts.people.get(one.second, one.second),
                "kappa": one.kappa.value,
                "same answer": one.kappa.same,
                "records": one.kappa.records,
            }
            for one in result.pairs
        ]
        whom = f"of the {len(result.people):,} busiest annotators" if result.left_out else "annotators"
        yield table_of("agreement-pairs", f"Cohen's kappa of each two {whom} on the records that both answered.", pairs)
    if facts.step_agreement:
        fields: Rows = [
            {
                "field": one.path,
                "alpha": one.alpha.value,
                "low": one.alpha.low,
                "high": one.alpha.high,
                "overlap (F1)": one.overlap,
                "spans (F1)": one.spans,
                "pairs of answers": one.pairs,
            }
            for one in facts.step_agreement.fields
        ]
        yield table_of(
            "agreement", "Agreement of annotators by field: Krippendorff's alpha with its 95 % interval.", fields
        )


def _savings(facts: PaperFacts) -> Iterator[PaperTable | None]:
    one = facts.prospects.savings
    if not isinstance(one, Savings):
        return
    rows: Rows = [
        {"figure": "labels given", "median": one.labels, "low": None, "high": None},
        _saved("random labels for as good a model", one.needed, one.needed_low, one.needed_high),
        _saved("labels saved", one.saved, one.saved_low, one.saved_high),
    ]
    caption = (
        f"Labels saved against random labelling, from {one.audits:,} audit records ({one.verdict}). Low and high: 95 %."
    )
    yield table_of("savings", caption, rows)


def _saved(figure: str, *labels: float | None) -> Mapping[str, Cell]:
    median, low, high = (None if one is None else round(one) for one in labels)
    return {"figure": figure, "median": median, "low": low, "high": high}


def _guarantees(facts: PaperFacts) -> Iterator[PaperTable | None]:
    machine = facts.card["machine"]
    rows: Rows = [
        {
            "made": one["made_at"][:10],
            "state": one["state"].replace("_", " "),
            "precision at least": one["precision"],
            "of each label": one["per_label"],
            "confidence": one["confidence"],
            "covered": one["covered"],
            "pool": one["pool"],
            "model": one["model"],
        }
        for one in machine["guarantees"]
    ]
    yield table_of("guarantees", "Machine labels that were accepted on a guarantee.", rows)
    checks: Rows = [
        {
            "label": one["label"],
            "machine labels": one["machine_labels"],
            "checked and right": one["checked_right"],
            "checked and wrong": one["checked_wrong"],
        }
        for one in machine["per_label"]
    ]
    yield table_of(
        "guarantee-checks", "Machine labels in force, and the blind checks of a random sample of them.", checks
    )


def _steps(facts: PaperFacts) -> Iterator[PaperTable | None]:
    rows: Rows = [
        {
            "step": step.step,
            "model": one.model,
            "field": part.path if part else "(whole step)",
            "records": part.records if part else one.score.records,
            "exact": part.exact if part else one.score.exact,
            "F1": part.f1 if part else one.score.field_f1,
            "spans (F1)": part.span_f1 if part else None,
        }
        for step in (facts.steps.steps if facts.steps else ())
        for one in step.models
        for part in (None, *one.score.fields)
    ]
    yield table_of("steps", f"Suggested answers, step by step, on audit and gold records. {INTERVALS}", rows)
