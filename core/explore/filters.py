"""Search filters of records, and their SQL. Runs no query."""

from dataclasses import dataclass

from core.config.settings import Settings
from core.errors import BadInput
from core.explore.label_errors import FLAGGED, KINDS
from core.labelling.record_states import STATES, WITHIN
from core.labelling.waiting import BLIND, MAY_BE_BLIND, asked_parameters

MOST_WORDS = 20


@dataclass(frozen=True)
class RecordSearch:
    """What a record must be like to be listed; what is None, empty or False does not matter. Labels are ids.

    words: each stands somewhere in the text, whatever its case. sure: (low, high) probability of the suggestion, 0..1.
    like: a record id, the nearest ones first. rows: record numbers, in this order. kind: of a flag, the most suspicious
    first. truth, predicted: a cell of the confusion matrix, as held-out heads judged. Else the order is that of import.
    """

    words: str = ""
    label: str | None = None
    suggestion: str | None = None
    sure: tuple[float, float] | None = None
    annotator: str | None = None
    batch: int | None = None
    stratum: str | None = None
    kind: str | None = None
    state: str | None = None
    machine: bool = False
    truth: str | None = None
    predicted: str | None = None
    like: str | None = None
    rows: tuple[int, ...] = ()


_SEEN = f"n not in ({BLIND.format(ns=f'select n from ({MAY_BE_BLIND}) where true {WITHIN}')})"
_FILTERS = {
    "label": f"n in (select n from settled where list_contains(labels, $label) {WITHIN})",
    "stratum": f"n in (select n from settled where stratum = $stratum {WITHIN})",
    "suggestion": f"""n in (select n from suggestions where list_contains(labels, $suggestion) {WITHIN})
                      and {_SEEN}""",
    "annotator": f"n in (select n from responses_in_force where annotator = $annotator {WITHIN})",
    "batch": f"""n in (select q.n from queue q
                 where q.batch = $batch and (not q.spare or q.n in (select a.n from responses a)) {WITHIN})""",
    "kind": f"n in ({FLAGGED})",
    "machine": f"n in (select n from machine_labels where true {WITHIN}) and {_SEEN}",
    "truth": f"n in (select n from held_out_predictions where list_contains(truth, $truth) {WITHIN})",
    "predicted": f"""n in (select n from held_out_predictions where list_contains(predicted, $predicted) {WITHIN})
                     and {_SEEN}""",
}
_SURE = f"""n in (select n from suggestions where probability between $low and $high {WITHIN}) and {_SEEN}"""


def conditions(search: RecordSearch, settings: Settings, within: str = "true") -> tuple[str, dict[str, object]]:
    """The condition on a row of `records`, and its parameters. within: one on n that holds besides."""
    parts, bound = ["true"], asked_parameters(settings)
    for name, condition in _FILTERS.items():
        if (value := getattr(search, name)) not in (None, False, ""):
            parts.append(condition)
            bound[name] = value
    if search.sure is not None:
        parts.append(_SURE)
        bound |= {"low": search.sure[0], "high": search.sure[1]}
    if search.state:
        parts.append(_state(search.state))
    words = sorted(set(search.words.split()), key=len, reverse=True)  # the longest first: it leaves the fewest
    if len(words) > MOST_WORDS:
        raise BadInput(f"The search has {len(words)} words; at most {MOST_WORDS} are looked for. Leave some out.")
    parts += [f"regexp_matches(text, regexp_escape($word{number}), 'i')" for number in range(len(words))]
    bound |= {f"word{index}": word for index, word in enumerate(words)}
    condition = " and ".join(parts).replace(WITHIN, f"and {within}")
    return condition, {name: value for name, value in bound.items() if f"${name}" in condition}


def _state(name: str) -> str:
    if name not in STATES:
        raise BadInput(f"{name!r} is no state of a record; there are {', '.join(STATES)}.")
    return STATES[name]


def describe(search: RecordSearch, names: dict[str, str]) -> str:
    """The filters in words, for a line above the results; the search words are shown elsewhere."""
    low, high = search.sure or (0.0, 1.0)
    result = {
        "like": search.like,
        "listed": f"{len(search.rows):,} records" if search.rows else None,
        "truth": names.get(search.truth or "", search.truth),
        "model says": names.get(search.predicted or "", search.predicted),
        "state": search.state,
        "label": names.get(search.label or "", search.label),
        "suggestion": names.get(search.suggestion or "", search.suggestion),
        "probability": f"{low:.0%} to {high:.0%}" if search.sure else None,
        "answered by": search.annotator,
        "round": search.batch,
        "stratum": search.stratum,
        "flag": KINDS.get(search.kind or "", search.kind),
        "machine label": "yes" if search.machine else None,
    }
    return " · ".join(f"{name}: {value}" for name, value in result.items() if value not in (None, ""))
