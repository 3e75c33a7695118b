"""What a comparison of encoders says, and when the next one is due. Computes nothing, loads nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass

FEWEST = 20  # records that judge, below which nothing is compared
WINS = 2  # checks in a row that the same vectors must win
GROWTH = 1.5  # labels until the next check, times those of the last
MOST = 1_000  # labelled records that take part


@dataclass(frozen=True)
class FeatureCheck:
    """labels: so far. unbiased: those that no doubt has chosen, which judge. in_use: the encoder. scores: of each, the
    share right with every label counting alike. better: the one that clearly wins, "" for none. wins: checks in a row.
    """

    labels: int
    unbiased: int
    in_use: str
    scores: Mapping[str, float]
    better: str = ""
    wins: int = 0

    @property
    def decided(self) -> str:
        """The encoder to change to; "" to stay."""
        return self.better if self.wins >= WINS else ""


def is_due(labels: int, last: FeatureCheck | None) -> bool:
    """Is it time to compare, with so many labels?"""
    return labels >= (FEWEST if last is None else max(FEWEST, GROWTH * last.labels))


def feature_sentence(check: FeatureCheck) -> str:
    """What the check says, in one sentence."""
    scores = ", ".join(f"{name} {score:.2f}" for name, score in sorted(check.scores.items(), key=lambda one: -one[1]))
    result = "none is clearly better than the one in use"
    if check.better:
        result = f"{check.better} is clearly better than the one in use"
        more = (
            "rounds use it once all records are encoded by it, `rondo encode`" if check.decided else "seen once so far"
        )
        result += f" ({check.wins} of {WINS}: {more})"
    return (
        f"Vectors in use: {check.in_use}. Cross-validated on {check.unbiased:,} of {check.labels:,} labels: {scores}; "
        f"{result}."
    )
