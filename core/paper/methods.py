"""How labels and figures came about, in plain English for a paper. It has no figure that the store has not, and says of
what was not measured that it was not.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.auto_label.guarantee_sentences import what_is_guaranteed
from core.evaluation.guarantee import GuaranteeTerms
from core.evaluation.metrics import Forecast, Missing, Savings
from core.evaluation.reporting import FEWEST, STRATA, figures
from core.labelling.settling import RULES
from core.paper.facts import PaperFacts
from core.paper.markup import Markup
from core.paper.model_text import about_audit, about_estimates, about_models, meaning_of
from core.paper.tables import cell_text
from core.registry.model_card import public_name
from core.tasks.tasks import space_of, task_of

AHEAD = 100
"""further labels that the forecast in the text is about"""


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it: plain text, a sentence each, no markup."""

    title: str
    sentences: tuple[str, ...]


def methods(facts: PaperFacts) -> list[Section]:
    """In the order of a paper's section on methods; what there is nothing to say of is left out."""
    parts = {
        "Data": _data,
        "Labels": _labels,
        "Annotators": _annotators,
        "Selection of records": _selection,
        "Models": about_models,
        "Audit": about_audit,
        "Estimates and intervals": about_estimates,
        "Quality": _quality,
        "Stopping": _stopping,
        "Labels saved": _saved,
        "Machine labels": _machine,
        "Software and reproduction": _software,
    }
    sections = [Section(title, tuple(part(facts))) for title, part in parts.items()]
    return [one for one in sections if one.sentences]


def not_measured(facts: PaperFacts) -> list[str]:
    """What a reader may look for and will not find, each with why."""
    result = list(facts.card["limits"])
    if not facts.stratum:
        result.append("Quality is not reported: no model was measured on audit or gold records.")
    for stratum, scores in facts.labels.items():
        if not any(one.score.f1 for one in scores):
            result.append(f"Figures by label are not reported on {stratum} records: too few of them have each label.")
    if facts.agreement is None and facts.step_agreement is None:
        result.append("Agreement is not reported: fewer than two people answered.")
    elif facts.agreement and facts.agreement.overall.value is None:
        result.append(facts.agreement.sentence)
    if facts.calibration is None:
        result.append("Calibration is not reported: too few measured records have a prediction with a probability.")
    if not facts.confusion:
        result.append(_why_no_confusion(facts))
    result += [*_missing_curve(facts), *_not_repeatable(facts)]
    for figure in (facts.prospects.forecast, facts.prospects.savings):
        if isinstance(figure, Missing):
            result.append(figure.missing)
    return list(dict.fromkeys(result))


def _why_no_confusion(facts: PaperFacts) -> str:
    score = facts.metrics.on(facts.stratum) if facts.stratum else None
    if not task_of(facts.settings).taxonomy:
        why = "the task's answers are no labels of a taxonomy"
    elif score and score.n < FEWEST:
        why = f"{score.n:,} {facts.stratum} records are too few"
    else:
        why = "no measured record has a stored prediction of the model in use"
    return f"There is no confusion matrix: {why}."


def _missing_curve(facts: PaperFacts) -> Iterator[str]:
    if facts.curve and facts.card["choosing"]["audit"] and not any(model.metrics.audit for model in facts.curve):
        yield (
            "Audit figures after each round are not reported: the model in use has none of the rounds' models beside "
            "its own."
        )
    if facts.model and not facts.curve:
        yield "There is no learning curve: no round made a model."


def _not_repeatable(facts: PaperFacts) -> Iterator[str]:
    if facts.deeds.unrepeatable:
        rounds = ", ".join(map(str, facts.deeds.unrepeatable))
        yield f"What these rounds chose from, or the model that chose, is gone; they cannot be chosen again: {rounds}."
    if facts.deeds.erased:
        yield (
            f"{facts.deeds.erased:,} records were erased; a round that they were in, or were to choose from, may not "
            "come out the same when it is chosen again."
        )


def as_text(sections: Sequence[Section], show: Markup, heading: str, tables: Sequence[str] = ()) -> str:
    """A paragraph under each heading. heading: with {} for the title. tables: finished, set behind the text."""
    parts = [f"{heading.format(show(one.title))}\n\n{' '.join(map(show, one.sentences))}" for one in sections]
    return "\n\n".join([*parts, *tables]) + "\n"


def _data(facts: PaperFacts) -> Iterator[str]:
    data = facts.card["data"]
    yield f"The data are {data['records']:,} records."
    if data["duplicates"]:
        yield f"Of these {data['duplicates']:,} have the text of an earlier one and carry its label."
    for source in data["sources"]:
        yield f"{source['records']:,} came from {public_name(source['source'] or 'a source without a name')}."
    if data["declared_gold"]:
        yield f"{data['declared_gold']:,} were set apart as gold: their answers measure models and never train one."


def _labels(facts: PaperFacts) -> Iterator[str]:
    if taxonomy := facts.card.get("taxonomy"):
        offered = [one["name"] for one in taxonomy["labels"] if not one["retired"]]
        how = "Any number of labels may" if taxonomy["several_labels_per_record"] else "Exactly one label may"
        yield f"{how} hold for a record, of {len(offered):,} (version {taxonomy['version']} of the taxonomy)."
        if len(offered) <= 30:
            yield f"They are: {', '.join(offered)}."
    else:
        about = facts.card["task"]
        yield f"The task is {about['name']!r}."
        if about["categories"]:
            yield f"An answer is one of: {', '.join(about['categories'])}."
    if not facts.settings.guidelines.strip():
        yield "No written guidelines are stored with the project."


def _annotators(facts: PaperFacts) -> Iterator[str]:
    people = facts.card["people"]
    count = people["annotators"]
    if not count:
        yield "Nobody has answered a record in the project itself."
    else:
        answers, skipped, flagged = (sum(one[name] for one in people["answers"]) for name in _ACTIONS)
        group = "One annotator" if count == 1 else f"{count:,} annotators"
        yield f"{group} gave {_count(answers, 'answer')}, skipped {_count(skipped, 'record')} and flagged {flagged:,}."
        yield (
            f"By the settings as they are now, each record is to be answered by {people['asked_per_record']:,} of them."
        )
        yield from _what_was_seen(facts)
    if people["answers_from_files"]:
        yield f"{_count(people['answers_from_files'], 'further answer')} came with imported files."
    rule = RULES[people["settled_by"]].caption
    yield (
        f"A record's answer is settled from all answers to it by the rule {people['settled_by']!r}: {rule}. An earlier "
        "rule, if there was one, is not named here."
    )
    yield f"{people['settled']:,} records have a settled answer."
    yield from _agreement(facts)


def _what_was_seen(facts: PaperFacts) -> Iterator[str]:
    deeds = facts.deeds
    yield (
        f"Of the answers that were given one by one, those taken back or replaced among them, {deeds.seeing:,} were "
        f"given with a model's suggestion in view and {deeds.blind:,} without."
    )
    for model, records in deeds.generated.items():
        yield (
            f"{_count(records, 'record')} also had an answer of {public_name(model)}, a language model or one whose "
            "answers came in a file; where people saw suggestions it could be among them."
        )
    if deeds.bulk:
        yield f"{_count(deeds.bulk, 'answer')} were given to many records at once, not one by one."
    if deeds.again:
        yield f"{_count(deeds.again, 'settled record')} went to people for another look, without a suggestion."


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


_ACTIONS = ("labels", "skipped", "flagged")


def _agreement(facts: PaperFacts) -> Iterator[str]:
    if facts.agreement and facts.agreement.overall.value is not None:
        yield facts.agreement.sentence
        yield "Its interval is a bootstrap over records."
        kappas = [one.kappa.value for one in facts.agreement.pairs if one.kappa.value is not None]
        if kappas:
            busiest = f" of the {len(facts.agreement.people):,} busiest" if facts.agreement.left_out else ""
            yield f"Cohen's kappa of two people{busiest} is between {min(kappas):.2f} and {max(kappas):.2f}."
    elif facts.step_agreement:
        records = facts.step_agreement.records
        yield f"{_count(records, 'record')} had answers of several people; agreement is measured field by field."
    else:
        yield "Agreement between annotators could not be measured."


def _selection(facts: PaperFacts) -> Iterator[str]:
    from core.sampling.strategies import STRATEGIES

    if not facts.rounds:
        yield "No batch was chosen by active learning."
        return
    sizes = [one.size for one in facts.rounds]
    span = f"{sizes[0]:,}" if len(set(sizes)) == 1 else f"{min(sizes):,} to {max(sizes):,}"
    names = Counter(one.strategy for one in facts.rounds)
    how = " by active learning" if names["random"] < len(sizes) else ""
    yield (
        f"Records were chosen for annotation{how} in {_count(len(sizes), 'round')} of {span} records, "
        f"{sum(sizes):,} in all."
    )
    if names["random"]:
        yield f"{_count(names['random'], 'round')} of them drew at random, without a model."
    for name, count in names.most_common():
        about = _strategy(facts, name, STRATEGIES[name].__doc__ or "") if name in STRATEGIES else ""
        yield f"The query strategy of {_count(count, 'round')} was {name!r}{': ' + about if about else '.'}"
    flagged = sum(bool(one.self_test.warnings) for one in facts.rounds)
    yield (
        f"Each batch was compared with random batches of the same size; {flagged:,} of {len(sizes):,} drew a warning."
    )
    if facts.deeds.by_request:
        records = _count(facts.deeds.by_request, "record")
        yield f"Beside the batches people had {records} put in the queue at their own choice."
    yield (
        "The seed of every batch stands in the table of rounds. A batch can be chosen again from it while the project "
        "still has the records, vectors and models that there were."
    )


def _strategy(facts: PaperFacts, name: str, doc: str) -> str:
    """In words. The default one begins otherwise where a model needs no labels to have a doubt."""
    cold = space_of(facts.settings).cold
    if name == "default" and not task_of(facts.settings).taxonomy:
        start = f"central records until {cold:,} are labelled, then those" if cold else "the records"
        prior = ""
        if task_of(facts.settings).two_sides:
            prior = " Before the first model how alike the two sides are tells how sure one is."
        return (
            f"{start} that the model is least sure of, thinned so that no two ask the same; central ones where it "
            f"predicts the same for every record.{prior}"
        )
    return " ".join(doc.split()).replace(" The default.", "")


def _quality(facts: PaperFacts) -> Iterator[str]:
    if not facts.model:
        return
    for stratum in STRATA:
        score = facts.metrics.on(stratum)
        if score is None:
            continue
        measured = {name: one for name, one in figures(score).items() if one}
        if not measured:
            yield f"The {score.n:,} {stratum} records are too few to say how good the model is."
            continue
        words = ", ".join(f"{name} is {cell_text(one)}" for name, one in measured.items())
        yield f"On {score.n:,} {stratum} records {words}."
        yield meaning_of(facts, stratum)
    if facts.calibration and facts.stratum:
        one = facts.calibration
        yield (
            f"The expected calibration error on {one.records:,} {facts.stratum} records is {one.error:.1%}; a "
            f"perfectly calibrated model would show {one.by_chance:.1%} with as many."
        )
    if facts.blocking:
        yield from (facts.blocking.sentence, *facts.blocking.notes)


def _stopping(facts: PaperFacts) -> Iterator[str]:
    if not facts.rounds:
        return
    if facts.exhausted:
        yield "Every record was asked: nothing was left to choose from."
    else:
        yield (
            "No rule ended the annotation: the software reports what further labels would bring, and people decide. "
            f"When this was written {facts.card['people']['settled']:,} records had a settled answer."
        )
    forecast = facts.prospects.forecast
    if isinstance(forecast, Forecast) and (gain := next((one for one in forecast.gains if one.more == AHEAD), None)):
        yield (
            f"By an inverse power law fitted to the learning curve, {AHEAD} further labels would change accuracy by "
            f"{100 * gain.mean:+.1f} points (95 %: {100 * gain.low:+.1f} to {100 * gain.high:+.1f})."
        )
    if facts.prospects.agreement:
        yield (
            f"The model in use and the one before it agree with Cohen's kappa of {facts.prospects.agreement.kappa:.2f} "
            f"({facts.prospects.agreement.decisions:,} decisions)."
        )


def _saved(facts: PaperFacts) -> Iterator[str]:
    savings = facts.prospects.savings
    if isinstance(savings, Savings):
        yield savings.sentence
        yield (
            "This compares the learning curve with a second one that is estimated from the audit records alone, which "
            "are a random sample as random labelling would have been."
        )


def _machine(facts: PaperFacts) -> Iterator[str]:
    machine = facts.card["machine"]
    if not machine["guarantees"]:
        yield "No labels were accepted from a model: all come from people or with the data."
        return
    for one in machine["guarantees"]:
        terms = GuaranteeTerms(one["precision"], one["per_label"], one["confidence"])
        yield (
            f"On {one['made_at'][:10]} {one['covered']:,} labels of {one['pool']:,} records without an answer were "
            f"accepted from model {one['model']} on the guarantee of {what_is_guaranteed(terms)} "
            f"(state: {one['state'].replace('_', ' ')})."
        )
    checked = machine["checked"]
    if total := checked["right"] + checked["wrong"]:
        yield f"A random sample of them was asked blindly: {checked['right']:,} of {total:,} were right."
    else:
        yield "None of them has been checked blindly yet."
    yield "Thresholds come from the audit by learn-then-test (Angelopoulos et al. 2021)."


def _software(facts: PaperFacts) -> Iterator[str]:
    versions = ", ".join(f"{name} {number}" for name, number in facts.versions.items() if name != "rondo")
    yield f"The software is Rondo {facts.versions.get('rondo', '')} (code {facts.code}), with {versions}."
    yield (
        f"The project's seed is {facts.settings.seed}. Settings, batches and answers in the order in which they came "
        "are in the supplement, with the commands that choose the batches again."
    )
