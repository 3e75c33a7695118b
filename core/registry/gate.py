"""Whether a challenger may replace the champion: both judged on the same records. Changes nothing."""

import hashlib
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from core.arrays import Bools
from core.errors import Damaged, Refused
from core.evaluation.audit import Weights, plain
from core.evaluation.paired import Difference, Paired, paired
from core.evaluation.scores import FEW
from core.models.in_use import active_model
from core.project import Project
from core.registry.held_out import Said, Truth, audit_weights, read_said, read_truth

RULE = (
    "A challenger replaces the champion where its macro F1 is higher on records that neither has learnt from and the "
    "95 % interval of the difference leaves out zero. These are the audit records, or gold where the audit has fewer "
    f"than {FEW} for each label."
)
MOST_MORE = 10_000
"""records beyond which nobody is told how many more exactly would decide"""


@dataclass(frozen=True)
class Compared:
    """Champion and challenger on one stratum. unjudged: its records that one of them has learnt from or not judged.

    lacking: how many more are needed to compare macro F1.
    """

    stratum: str
    matches: Paired
    unjudged: int
    lacking: int

    @property
    def is_measurable(self) -> bool:
        """Are there enough records to compare macro F1?"""
        return not self.matches.unsaid


def gate(project: Project, *, model: str) -> dict[str, Any]:
    """The verdict on a challenger with its evidence, JSON-able.

    passes; sentence; rule; champion; challenger; stratum and n: what decided, None and 0 where nothing could; measure;
    difference (value, low, high), champion_score, challenger_score; accuracy: the same of accuracy; missing: records
    that would have to be labelled for a verdict, None where nobody can say; unjudged; strata: all that was compared.
    Challengers that are no better pass one time in forty: who asks often for such ones will see one come in.
    A champion that is lost or damaged lets nobody pass. Raises Damaged or Refused where the challenger cannot be put to
    use at all.
    """
    champion = active_model(project)
    result: dict[str, Any] = {"rule": RULE, "champion": champion, "challenger": model, "measure": "macro_f1"}
    with project.store.reading() as cursor:
        truth = read_truth(cursor, [label.id for label in project.settings().taxonomy.active])
        challenger = read_said(project, model, truth)
        try:
            incumbent = _incumbent(project, champion, truth)
        except Damaged as error:
            return result | _unopposed(f"The champion cannot be compared: {error}") | {"passes": False}
        if isinstance(incumbent, str):
            return result | _unopposed(incumbent)
        strata = [_compare(cursor, stratum, truth, incumbent, challenger) for stratum in ("audit", "gold")]
    decisive = next((one for one in strata if one.is_measurable), None)
    return result | _verdict(decisive, strata)


def _incumbent(project: Project, champion: str | None, truth: Truth) -> Said | str:
    """What the champion says, or why there is nothing to beat. Raises Damaged for one whose files are gone or changed:
    it is the champion all the same, and only a person puts another in its place."""
    if champion is None:
        return "There is no champion yet, so there is nothing to beat."
    try:
        return read_said(project, champion, truth)
    except Refused:
        return "The champion speaks of other labels than the project does now, so there is nothing to beat."


def _compare(cursor: Any, stratum: str, truth: Truth, incumbent: Said, challenger: Said) -> Compared:
    ours = truth.rows[truth.audit == (stratum == "audit")]
    rows = np.intersect1d(np.intersect1d(ours, incumbent.rows), challenger.rows)
    weights: Weights = plain(len(rows))
    unjudged = len(ours) - len(rows)
    if stratum == "audit":
        rows, weights = audit_weights(cursor, truth, rows)
    true, first, second = truth.labels[np.searchsorted(truth.rows, rows)], incumbent.of(rows), challenger.of(rows)
    matches = _answered(_Question.of(true, first, second, weights))
    labels = (true | first | second).any(axis=0).sum() if matches.n else true.shape[1]
    return Compared(stratum, matches, unjudged, max(FEW * int(labels) - matches.n, 0))


@dataclass(frozen=True)
class _Question:
    """What `paired` is asked, known by its digest: the same question has the same answer."""

    digest: bytes
    truth: Bools = field(compare=False)
    first: Bools = field(compare=False)
    second: Bools = field(compare=False)
    weights: Weights = field(compare=False)

    @classmethod
    def of(cls, truth: Bools, first: Bools, second: Bools, weights: Weights) -> "_Question":
        """Shapes are part of the digest, for bits alone do not tell three labels from four."""
        bits = [np.packbits(part).tobytes() for part in (truth, first, second, weights.drawn)]
        numbers = [part.tobytes() for part in (weights.weight, weights.known)]
        size = repr((truth.shape, weights.effective, weights.population, weights.uncovered)).encode()
        return cls(hashlib.sha256(b"".join([size, *bits, *numbers])).digest(), truth, first, second, weights)


@lru_cache(maxsize=16)
def _answered(query: _Question) -> Paired:
    """A page asks the gate with every click, and a bootstrap of thousands of records takes a second of the server's."""
    return paired(query.truth, query.first, query.second, query.weights)


def _unopposed(why: str) -> dict[str, Any]:
    return {
        "passes": True,
        "sentence": why,
        "stratum": None,
        "n": 0,
        "difference": None,
        "missing": 0,
        "unjudged": 0,
        "strata": [],
    }


def _verdict(decisive: Compared | None, strata: list[Compared]) -> dict[str, Any]:
    evidence = {"strata": [{"stratum": one.stratum, "unjudged": one.unjudged} | asdict(one.matches) for one in strata]}
    if decisive is None:
        return evidence | _undecided(strata)
    matches = decisive.matches
    passes = matches.macro_f1.low > 0
    more = 0 if passes else _more(matches)
    return {
        **evidence,
        "passes": passes,
        "sentence": _sentence(decisive, passes, more),
        "stratum": decisive.stratum,
        "n": matches.n,
        "difference": _difference(matches.macro_f1),
        "champion_score": {"value": matches.macro_f1.first},
        "challenger_score": {"value": matches.macro_f1.second},
        "accuracy": asdict(matches.accuracy),
        "missing": more,
        "unjudged": decisive.unjudged,
    }


def _undecided(strata: list[Compared]) -> dict[str, Any]:
    """Too few records of either kind. How many more: of the stratum that lacks the fewest."""
    audit, gold = (one.matches for one in strata)
    unjudged = sum(one.unjudged for one in strata)
    missing = min(one.lacking for one in strata)
    why = (
        f"Only {audit.n} audit and {gold.n} gold records judge both, too few to compare macro F1 on: "
        f"{missing} more are needed."
    )
    return {
        "passes": False,
        "sentence": why,
        "stratum": None,
        "n": 0,
        "difference": None,
        "missing": missing,
        "unjudged": unjudged,
    }


def _difference(difference: Difference) -> dict[str, float]:
    return {"value": difference.value, "low": difference.low, "high": difference.high}


def _more(matches: Paired) -> int | None:
    """Records that would decide if the difference stays as it is: intervals shrink with the root of their number."""
    lead = matches.macro_f1.value
    if lead <= 0:
        return None
    needed = matches.n * ((lead - matches.macro_f1.low) / lead) ** 2
    return int(np.ceil(needed)) - matches.n if needed < MOST_MORE else None


def _sentence(decisive: Compared, passes: bool, more: int | None) -> str:
    matches, difference = decisive.matches, decisive.matches.macro_f1
    predicted = (
        f"On {matches.n} {decisive.stratum} records its macro F1 is {difference.second:.1%}, the champion's "
        f"{difference.first:.1%}: {100 * difference.value:+.1f} points "
        f"(95 %: {100 * difference.low:+.1f} to {100 * difference.high:+.1f})."
    )
    if passes:
        return predicted
    if difference.high < 0:
        return f"{predicted} It is worse."
    if difference.value <= 0:
        return f"{predicted} It is not better."
    requested = f"About {more:,}" if more else f"More than {MOST_MORE:,}"
    return f"{predicted} That may be chance. {requested} more {decisive.stratum} records would tell."
