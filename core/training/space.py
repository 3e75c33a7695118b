"""Search space: the requested values as a grid or random draws, and which run wins. Starts nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import exp, log, prod

import numpy as np

from core.errors import BadInput, Refused
from core.training.trainers import (
    ONE_SIDED,
    TRAINERS,
    Parameter,
    Value,
    read_entry,
    read_value,
    read_values,
    split_entry,
)

MOST_RUNS = 100
DRAWS = 8
"""runs of a random search where nobody says how many"""

SEARCH: dict[str, Parameter] = {
    "trainer": Parameter("", "The trainer whose parameters are searched.", choices=ONE_SIDED),
    "search": Parameter("grid", "Every combination, or some at random.", choices=("grid", "random")),
    "runs": Parameter(0, "Trainings; 0: every combination, or 8 at random.", 0, MOST_RUNS),
    "at_once": Parameter(2, "Trainings at the same time.", 1, MOST_RUNS),
}
"""what can be set on the search itself; every other key is the trainer's, a,b,c or low..high for some of its values"""

LISTS = ("hard_labels",)
"""parameters in whose values a comma is part"""

UNFAIR = ("test_size", "downsample")
"""parameters that change which records judge: runs would be compared on different ones"""


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, drawn evenly; evenly in their logarithms where high is ten times low or more."""

    low: float
    high: float
    whole: bool

    def draw(self, rng: np.random.Generator) -> Value:
        """A random one, to three digits."""
        low, high = self.low, self.high
        steep = low > 0 and high / low >= 10
        number = exp(rng.uniform(log(low), log(high))) if steep else rng.uniform(low, high)
        number = min(max(float(f"{number:.3g}"), low), high)
        return round(number) if self.whole else number


@dataclass(frozen=True)
class ParameterSearch:
    """A requested search. fixed: values that all runs share; space: the possible values of each other parameter."""

    trainer: str
    fixed: Mapping[str, Value]
    space: Mapping[str, tuple[Value, ...] | Range]
    random: bool
    runs: int
    at_once: int


@dataclass(frozen=True)
class Outcome:
    """One run, ended. score: macro F1 on the records that it held out, None where it has none. held_out: how many."""

    score: float | None
    held_out: int


def read_search(supplied: Sequence[str]) -> ParameterSearch:
    """From "key=value", "key=a,b,c" and "key=low..high". Raises BadInput."""
    own: dict[str, Value] = {name: parameter.default for name, parameter in SEARCH.items()}
    texts: dict[str, str] = {}
    for name, text in map(split_entry, supplied):
        if name in SEARCH:
            own[name] = read_value(name, SEARCH[name], text)
        else:
            texts[name] = text
    trainer = str(own["trainer"])
    if not trainer:
        raise BadInput(f"Say whose parameters to search: --set trainer=setfit (there are {', '.join(TRAINERS)}).")
    texts = dict(read_entry(trainer, name, text) for name, text in texts.items())
    read_values(trainer, [f"{name}={_first(name, text)}" for name, text in texts.items()])
    space = {name: _choices(trainer, name, text) for name, text in texts.items() if _is_searched(name, text)}
    fixed = {name: read_value(name, TRAINERS[trainer].parameters[name], texts[name]) for name in texts.keys() - space}
    search = ParameterSearch(trainer, fixed, space, own["search"] == "random", int(own["runs"]), int(own["at_once"]))
    _check(search)
    return search


def _is_searched(name: str, text: str) -> bool:
    return name not in LISTS and ("," in text or ".." in text)


def _first(name: str, text: str) -> str:
    """One of the values, to see whether there is such a parameter at all."""
    return text.partition("..")[0].partition(",")[0] if _is_searched(name, text) else text


def _choices(trainer: str, name: str, text: str) -> tuple[Value, ...] | Range:
    parameter = TRAINERS[trainer].parameters[name]
    number = isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool)
    low, dots, high = text.partition("..")
    if dots and number:
        ends = [read_value(name, parameter, end) for end in (low, high)]
        if not float(ends[0]) < float(ends[1]):
            raise BadInput(f"{name}={text} is no range: the lower end comes first.")
        return Range(float(ends[0]), float(ends[1]), isinstance(parameter.default, int))
    return tuple(dict.fromkeys(read_value(name, parameter, one.strip()) for one in text.split(",")))


def _check(search: ParameterSearch) -> None:
    if not TRAINERS[search.trainer].holds_out:
        raise BadInput(f"{search.trainer} holds nothing out that could say which run is best. Search another trainer.")
    if not search.space:
        raise BadInput("There is nothing to search: give a parameter several values, as in learning_rate=1e-5,2e-5.")
    if unfair := [name for name in UNFAIR if name in search.space]:
        raise BadInput(f"{unfair[0]} cannot be searched: the runs would be scored on different records.")
    if search.fixed.get("test_size", 1) == 0:
        raise BadInput("With test_size=0 nothing is held out that could say which run is best. Leave it at 0.2.")
    ranges = [name for name, choices in search.space.items() if isinstance(choices, Range)]
    if ranges and not search.random:
        raise BadInput(f"{ranges[0]} is a range: take search=random, or list its values with commas.")
    if not search.random and (search.runs or MOST_RUNS) < (count := combinations(search)):
        raise Refused(
            f"There are {count} combinations, but the limit is {search.runs or MOST_RUNS} runs. Give fewer values, "
            f"or take search=random with runs={search.runs or DRAWS}."
        )


def combinations(search: ParameterSearch) -> int:
    """How many there are of the listed values; a range counts as one."""
    return prod(len(choices) for choices in search.space.values() if not isinstance(choices, Range))


def lay_out(search: ParameterSearch, seed: int) -> list[dict[str, Value]]:
    """The differing values of each run, no two alike: the grid, the first parameter changing slowest, or random draws.

    Random draws are fewer than requested only where there are no more combinations. Bergstra & Bengio 2012.
    """
    lists = {name: choices for name, choices in search.space.items() if not isinstance(choices, Range)}
    requested = search.runs or DRAWS
    if not search.random or (len(lists) == len(search.space) and combinations(search) <= requested):
        return [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]
    rng, result = np.random.default_rng(seed), list[dict[str, Value]]()
    for _ in range(100 * requested):  # a range of whole numbers can have few values
        drawn = {
            name: choices.draw(rng) if isinstance(choices, Range) else choices[int(rng.integers(len(choices)))]
            for name, choices in search.space.items()
        }
        if drawn not in result and len(result) < requested:
            result.append(drawn)
    return result


def choose(outcomes: Sequence[Outcome]) -> int | None:
    """The index of the winner: the highest score, of equal ones the first. None where no run has a score."""
    scored = [index for index, outcome in enumerate(outcomes) if outcome.score is not None]
    return max(scored, key=lambda run: (outcomes[run].score or 0.0, -run), default=None)
