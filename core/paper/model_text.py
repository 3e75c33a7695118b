"""What a paper says of the models and of how they were measured. Knows facts; has no figure that they have not."""

from collections.abc import Iterator

from core.evaluation.reporting import FEW, FEWEST
from core.paper.facts import PaperFacts
from core.registry.model_card import public_name
from core.registry.models import ROUND_HEAD
from core.tasks.tasks import task_of

DES_RAJ = "by the estimator for ordered sampling without replacement (Des Raj 1956; Farquhar et al. 2021)"


def about_models(facts: PaperFacts) -> Iterator[str]:
    """How each round's head is made, the model in use, and what else came into use."""
    model = facts.card["model"]
    if model is None or facts.model is None:
        yield "No model was made." if model is None else "No model is in use."
        return
    yield from _heads(facts)
    print_of = f" (fingerprint of its weights {model.encoder_fingerprint})" if model.encoder_fingerprint else ""
    own = ", which learnt from the project's own labels" if facts.has_own_encoder else ""
    yield f"The encoder of the model in use is {public_name(model.encoder)}{print_of}{own}."
    trainer = f", made by the trainer {facts.entry.trainer!r}" if facts.entry and facts.is_trained else ""
    yield (
        f"The model in use, {model.id}{trainer}, learnt from {model.labels_learnt_from:,} records with the seed "
        f"{model.seed}."
    )
    yield from _in_use(facts)


def _heads(facts: PaperFacts) -> Iterator[str]:
    task, settings = task_of(facts.settings), facts.settings
    if task.two_sides:
        yield (
            "In a round pairs are compared by how alike their two sides are; few decisions teach a logistic "
            "regression, more a random forest and boosted trees as well, whose probabilities are averaged."
        )
    else:
        parts = (
            "; it predicts the enumerated fields alone, and language models suggest the others" if task.steps else ""
        )
        yield (
            "In a round texts are encoded as unit vectors by an encoder that the round does not change, on which a "
            f"linear (logistic) head is fitted anew{parts}."
        )
    yield (
        "The head learns from the settled answers, those of audit records among them, but from none to gold, to "
        "another record with the text of a gold or audit record, or to a record that is left out of training."
    )
    if facts.blocking:
        yield "Pairs that were asked to measure the search for candidates do not teach."
    if facts.deeds.left_out:
        yield f"{facts.deeds.left_out:,} records are left out of training now, by cleaning or balancing."
    if task.taxonomy and settings.label_names:
        yield (
            "By the settings as they are now, the labels' names are examples, too; each weighs less the more records "
            "have its label."
        )
    if not task.two_sides and not _allows_several(facts):
        yield (
            "Unanswered records teach as well, with a smaller weight, where their neighbours among the vectors and the "
            "head agree on a guess (pseudo-labels)."
        )
    if task.language and facts.deeds.generated:
        yield (
            "Answers of a language model to records that nobody answered are weak examples in those rounds in which, "
            "on audit records, it was measured to be better than the head."
        )


def _allows_several(facts: PaperFacts) -> bool:
    return bool(facts.card.get("taxonomy", {}).get("several_labels_per_record"))


def _in_use(facts: PaperFacts) -> Iterator[str]:
    trained = sum(one.trainer != ROUND_HEAD for one in facts.models.models)
    if trained:
        yield f"Models that no round made: {trained:,}; the table of models has all."
    encoders = [public_name(one) for one in facts.deeds.encoders]
    if len(encoders) > 1:
        yield f"Models of {len(encoders):,} encoders were in use, first each in this order: {', '.join(encoders)}."
    if facts.deeds.forced:
        yield (
            "A person put these into use though the comparison with the model before did not support it: "
            f"{', '.join(facts.deeds.forced)}."
        )


def about_audit(facts: PaperFacts) -> Iterator[str]:
    """How audit records were drawn, and what their figures estimate."""
    choosing = facts.card["choosing"]
    if not choosing["audit"]:
        yield "No audit records were drawn."
        return
    drawing, rounds = sum(one.audit > 0 for one in facts.rounds), len(facts.rounds)
    when = "In each round" if drawing == rounds else f"In {drawing:,} of {rounds:,} rounds"
    yield (
        f"{when} a part of the batch was drawn uniformly at random from all records that nobody had answered or was "
        f"to answer, {choosing['audit']:,} of {choosing['chosen']:,} chosen records in all "
        f"({choosing['audit_share']:.1%})."
    )
    yield "Annotators saw these audit records among the others, unmarked and without a model's suggestion."
    if facts.model is None:
        return
    if facts.is_drawn_only:
        yield from _drawn_only(facts)
        return
    yield (
        "No head scores a record that it trained on (cross-fitting): each asked record is predicted by a head fitted "
        "without its fold."
    )
    yield (
        f"Figures about all records weigh the audit of each round as a sample of that round's pool, {DES_RAJ}. Records "
        "chosen by the strategy represent themselves alone."
    )


def _drawn_only(facts: PaperFacts) -> Iterator[str]:
    if facts.is_trained:
        yield "Training leaves out audit records and records with their text; they measure the model in use."
    else:
        yield (
            "The encoder of the model in use learnt from answers to records that were asked, but from none to audit "
            "records. So audit records alone measure the model, each by a head fitted without its fold."
        )
    yield (
        f"The audit of each round is weighed as a sample of that round's pool, {DES_RAJ}. Records chosen by the "
        "strategy do not count: the figures are about the records that were not asked."
    )


def meaning_of(facts: PaperFacts, stratum: str) -> str:
    """What figures on these records say."""
    if stratum == "gold":
        return (
            "They were set apart, their answers came with a file or from people who saw no suggestion, and no model "
            "learns from them; figures on them estimate records like them."
        )
    whom = "the records that were not asked" if facts.is_drawn_only else "all records"
    return (
        "They were drawn at random before each batch was chosen, were answered without a suggestion in view, and are "
        f"predicted by a model that had not learnt from them; figures on them estimate {whom}."
    )


def about_estimates(facts: PaperFacts) -> Iterator[str]:
    """How intervals are computed, and from how many records on a figure is shown."""
    if not facts.stratum:
        return
    yield "All intervals are 95 % intervals."
    if facts.labels:
        several = _allows_several(facts)
        yield (
            f"{'Accuracy and prevalence' if several else 'Accuracy, micro F1 (which is accuracy) and prevalence'} have "
            "Clopper-Pearson intervals at the effective number of random records; precision, recall and F1 of a label "
            f"have Wilson intervals; macro F1 {'and micro F1 have' if several else 'has'} a bootstrap interval made "
            "safe for few records."
        )
    else:
        yield "Accuracy has Clopper-Pearson intervals at the effective number of random records."
    if facts.metrics.audit and not facts.is_drawn_only:
        yield (
            "In accuracy and prevalence on the audit, the records that represent themselves have an uncertainty of "
            "their own, for other folds would have predicted some of them otherwise; the squares of the half-widths "
            "are added (Zou & Donner 2008)."
        )
    yield (
        f"A figure is shown from {FEWEST} records of its kind on, and one of a single label from {FEW} records on; "
        "elsewhere a dash says that too few records tell."
    )
