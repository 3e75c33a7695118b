"""A job that estimates annotator accuracy, from agreement and from known answers. Knows codes and no store."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.agreement.kappa import Votes
from core.agreement.quality_job import AnnotatorQuality, GoldAccuracy, QualityParams, QualityResult, VoteArrays
from core.arrays import Floats, Ints

LEAST, MOST = 0.05, 5.0
"""of a weight"""
SHRINKAGE = 4.0
"""answers' worth of the crowd's own mean, so that who answered twice is neither genius nor spammer"""
ROUNDS = 40
START = 0.9
SLIGHT = 0.01  # added to each cell of a person's confusion matrix: an empty cell must not mean probability 0


@dataclass(frozen=True)
class Question:
    """One question that people were asked: all labels, or one label against the rest. known: (records,) or -1."""

    votes: Votes
    known: Ints


@dataclass(frozen=True)
class Belief:
    """Posteriors of a question by Dawid and Skene. probs: (records, categories). others: (answers, categories), the
    same without the answer's own author. mace: (people,) probability that each knows rather than guesses.
    """

    probs: Floats
    others: Floats
    mace: Floats


def quality(bundle: Path, params: QualityParams, report: Callable[[int, int], None]) -> QualityResult:
    """Writes out/labels.parquet (place, labels' columns, probability)."""
    started = time.monotonic()
    with np.load(bundle / "in" / "votes.npz", allow_pickle=False) as file:
        arrays = VoteArrays(**{name: file[name] for name in file.files})
    votes = Votes(arrays.record, arrays.annotator, arrays.answer, *(int(size) for size in arrays.sizes))
    shared = only_shared(votes)
    questions = questions_of(shared, arrays, params.multi)
    beliefs = []
    for done, question in enumerate(questions):
        report(done, len(questions))
        beliefs.append(estimate_truth(question))
    report(len(questions), len(questions))
    people = _people(votes, shared, arrays, list(zip(questions, beliefs, strict=True)))
    _write(bundle / "out" / "labels.parquet", shared, beliefs, params.multi)
    return QualityResult(people, len(np.unique(shared.record)), round(time.monotonic() - started, 3))


def only_shared(votes: Votes) -> Votes:
    """The answers to records that two people answered or more."""
    retained = np.bincount(votes.record, minlength=votes.records)[votes.record] > 1
    return replace(
        votes, record=votes.record[retained], annotator=votes.annotator[retained], answer=votes.answer[retained]
    )


def questions_of(votes: Votes, arrays: VoteArrays, multi: bool) -> list[Question]:
    """One, or where several labels may hold one per label; without those to which everybody gave the same answer."""
    if not multi:
        return [Question(votes, arrays.known)] if len(np.unique(votes.answer)) > 1 else []
    members, known = arrays.members, arrays.known
    inside = (known >= 0) & (known < len(members))  # a label set that nobody gave has no code: it counts as unknown
    result = []
    for has in members.T.astype(np.int64):
        truth = np.full(len(known), -1)
        truth[inside] = has[known[inside]]
        one = Question(replace(votes, answer=has[votes.answer], categories=2), truth)
        if len(np.unique(one.votes.answer)) > 1:
            result.append(one)
    return result


def one_coin(question: Question) -> Floats:
    """(people,) accuracy of each, by EM with one parameter per person (one-coin). Zhang et al. 2014, with SHRINKAGE.

    Dawid and Skene's confusion matrices overfit where labels are rare: on Snow's affect sets their weights lost to
    majority. Leaving a person's own answer out of its posterior made all people equal where records had three answers.
    """
    votes = question.votes
    total = np.bincount(votes.annotator, minlength=votes.people)
    right = np.full(votes.people, START)
    for _ in range(ROUNDS):
        sums = np.zeros((votes.records, votes.categories))
        np.add.at(sums, (votes.record, votes.answer), log_odds(right, votes.categories)[votes.annotator])
        probs = _certain(_shares(sums), question.known)
        hits = probs[votes.record, votes.answer]
        mean = hits.mean() if len(hits) else START
        right = (np.bincount(votes.annotator, hits, votes.people) + SHRINKAGE * mean) / (total + SHRINKAGE)
    return right


def log_odds(right: Floats, categories: int) -> Floats:
    """Log odds of being right against any one wrong label: the weight of a vote."""
    share = np.clip(right, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(share / (1 - share)) + np.log(max(categories - 1, 1)))


def weights(right: Floats, categories: int) -> Floats:
    """Weights of votes, LEAST..MOST: no answer counts against the label that it names."""
    return np.clip(log_odds(right, categories), LEAST, MOST)


def _shares(logs: Floats) -> Floats:
    odds = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def _certain(probs: Floats, known: Ints) -> Floats:
    """The same with known labels at probability 1; a label beyond all codes is one that nobody gave."""
    sure = known >= 0
    probs[sure] = 0
    inside = sure & (known < probs.shape[1])
    probs[inside, known[inside]] = 1
    return probs


def estimate_truth(question: Question) -> Belief:
    """Dawid & Skene 1979 and MACE (Hovy et al. 2013) by crowd-kit."""
    probs, errors = dawid_skene(question)
    votes = question.votes
    own = np.log(np.clip(errors[votes.annotator, votes.answer], SLIGHT, 1))
    others = _shares(np.log(np.clip(probs[votes.record], 1e-10, 1)) - own)
    known = question.known[votes.record]
    return Belief(_certain(probs, question.known), _certain(others, known), mace(votes)[0])


def dawid_skene(question: Question) -> tuple[Floats, Floats]:
    """(records, categories) probabilities, and (people, said, truth) confusions; flat where nobody answered."""
    import pandas
    from crowdkit.aggregation.classification.dawid_skene import DawidSkene

    votes, codes = question.votes, range(question.votes.categories)
    table = pandas.DataFrame({"task": votes.record, "worker": votes.annotator, "label": votes.answer})
    usable = np.flatnonzero(np.isin(question.known, np.unique(votes.answer)))
    truth = pandas.Series(question.known[usable], index=usable) if len(usable) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # crowd-kit 1.4.2 says `inplace`, which pandas 4 drops
        warnings.simplefilter("ignore", FutureWarning)
        model = DawidSkene(n_iter=100).fit(table, truth)
    known_probs = model.probas_.reindex(index=range(votes.records), columns=codes)
    probs = known_probs.fillna({code: float(model.priors_.get(code, 0.0)) for code in codes}).to_numpy(np.float64)
    errors = np.full((votes.people, votes.categories, votes.categories), 1 / votes.categories)
    supplied = model.errors_.reindex(columns=codes).fillna(SLIGHT)
    errors[supplied.index.get_level_values(0), supplied.index.get_level_values(1)] = supplied.to_numpy(np.float64)
    return probs, errors


def mace(votes: Votes) -> tuple[Floats, Floats]:
    """(people,) chance that each knows rather than guesses, NaN without an answer; (records, categories) probabilities.

    crowd-kit 1.4.2 pairs indices by first appearance with sorted ones, so the codes are made to be both; and its
    restarts all begin with the same seed, so there is one.
    """
    import pandas
    from crowdkit.aggregation.classification.mace import MACE

    order = np.lexsort((votes.annotator, votes.record))
    columns = {"task": votes.record, "worker": votes.annotator, "label": votes.answer}
    coded = {name: pandas.factorize(values[order]) for name, values in columns.items()}
    table = pandas.DataFrame({name: codes for name, (codes, _) in coded.items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        model = MACE(n_restarts=1).fit(table)
    knows = np.full(votes.people, np.nan)
    knows[coded["worker"][1]] = model.spamming_[:, 1]
    probs = np.full((votes.records, votes.categories), 1 / votes.categories)
    probs[coded["task"][1]] = 0
    probs[np.ix_(coded["task"][1], coded["label"][1])] = model.probas_.to_numpy(np.float64)
    return knows, probs


def _people(
    votes: Votes, shared: Votes, arrays: VoteArrays, result: list[tuple[Question, Belief]]
) -> tuple[AnnotatorQuality, ...]:
    """One per person in the order of their numbers; None for what cannot be estimated."""
    known, gold = arrays.known, arrays.gold
    right = one_coin(Question(with_known(votes, known), known))
    used = max(len(np.unique(votes.answer)), 2)
    informed = _informed(result, votes.people)
    knows = np.array([belief.mace for _, belief in result]).mean(axis=0) if result else np.full(votes.people, np.nan)
    on_gold = gold[votes.record]
    hits = np.bincount(votes.annotator[on_gold], (votes.answer == known[votes.record])[on_gold], votes.people)
    of_gold = np.bincount(votes.annotator[on_gold], minlength=votes.people)
    answers, beside = (np.bincount(one.annotator, minlength=votes.people) for one in (votes, shared))
    value = weights(right, used)
    return tuple(
        AnnotatorQuality(
            annotator="",
            answers=int(answers[person]),
            shared=int(beside[person]),
            gold=_against_gold(int(hits[person]), int(of_gold[person])),
            right=float(right[person]) if beside[person] or of_gold[person] else None,
            informed=_number(informed[person]),
            mace=_number(knows[person]),
            weight=float(value[person]) if beside[person] or of_gold[person] else 1.0,
        )
        for person in range(votes.people)
    )


def with_known(votes: Votes, known: Ints) -> Votes:
    """The answers to records that two people answered or whose label is known."""
    retained = (np.bincount(votes.record, minlength=votes.records) > 1) | (known >= 0)
    retained = retained[votes.record]
    return replace(
        votes, record=votes.record[retained], annotator=votes.annotator[retained], answer=votes.answer[retained]
    )


def _informed(result: list[tuple[Question, Belief]], people: int) -> Floats:
    """(people,) chance-corrected accuracy: 1 for always right, 0 for chance, below 0 for worse; NaN without an answer.

    A kappa: the posterior of each answer given the others' answers, beyond the base rate of that answer.
    """
    above, most = np.zeros(people), np.zeros(people)
    for question, belief in result:
        votes = question.votes
        hits = belief.others[np.arange(len(votes.answer)), votes.answer]
        chance = belief.probs[np.unique(votes.record)].mean(axis=0)
        above += np.bincount(votes.annotator, hits - chance[votes.answer], people)
        most += np.bincount(votes.annotator, 1 - chance[votes.answer], people)
    return np.where(most > 0, above / np.where(most > 0, most, 1), np.nan)


def _against_gold(right: int, total: int) -> GoldAccuracy | None:
    """Beta with Jeffreys' prior."""
    from scipy.stats import beta

    if not total:
        return None
    low, high = (float(beta.ppf(level, right + 0.5, total - right + 0.5)) for level in (0.025, 0.975))
    return GoldAccuracy(total, right / total, low if right else 0.0, high if right < total else 1.0)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _write(path: Path, votes: Votes, beliefs: list[Belief], multi: bool) -> None:
    """row of the record, likeliest code (single) or None, and its probability; several labels: of the least certain
    one.
    """
    import polars

    rows = np.unique(votes.record)
    if multi:
        sure = [np.maximum(belief.probs[rows], 0).max(axis=1) for belief in beliefs]
        probability = np.min(sure, axis=0) if sure else np.ones(len(rows))
        code = np.full(len(rows), -1)
    else:
        probs = beliefs[0].probs[rows] if beliefs else np.ones((len(rows), 1))
        code, probability = probs.argmax(axis=1), probs.max(axis=1)
    polars.DataFrame({"place": rows, "code": code.astype(np.int64), "probability": probability}).write_parquet(path)
