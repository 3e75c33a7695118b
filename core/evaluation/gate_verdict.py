"""The gate's verdict on a challenger, as it is stored with every change of champion. Compares nothing."""

import json
from dataclasses import dataclass

from core.evaluation.metrics import Estimate
from core.evaluation.paired import Difference
from core.ids import ModelId
from core.typed_json import from_json

MEASURES = {"macro_f1": "macro F1", "accuracy": "accuracy"}
"""what can decide -> in words"""
TRIAL = "trial"
"""the stratum of a comparison by twins, see `Trial`"""


@dataclass(frozen=True)
class StratumComparison:
    """Champion (first) and challenger (second) on one stratum. unjudged: its records that one of them trained on or did
    not predict. n to unsaid: as in `Paired`. macro_f1: None where answers are no choice among categories.
    """

    stratum: str
    unjudged: int
    n: int
    effective: float | None
    accuracy: Difference
    macro_f1: Difference | None
    only_first: int
    only_second: int
    unsaid: tuple[str, ...]

    @property
    def decisive(self) -> Difference:
        """The figure that the gate goes by."""
        return self.accuracy if self.macro_f1 is None else self.macro_f1


@dataclass(frozen=True)
class GateVerdict:
    """Whether a challenger may replace the champion, and why.

    measure: a key of MEASURES. stratum and n: what decided, None and 0 where nothing could. difference: of the measure.
    accuracy: difference of accuracy. missing: records that would have to be labelled for a verdict, None where that is
    unknown. strata: all that was compared.
    """

    challenger: ModelId
    passes: bool
    sentence: str
    champion: ModelId | None = None
    rule: str = ""
    measure: str = "macro_f1"
    stratum: str | None = None
    n: int = 0
    difference: Estimate | None = None
    accuracy: Difference | None = None
    missing: int | None = 0
    unjudged: int = 0
    strata: tuple[StratumComparison, ...] = ()

    @property
    def common_stratum(self) -> str:
        """The stratum on whose records both models can be compared; empty where twins were, or nothing."""
        return "" if self.stratum in (None, TRIAL) else str(self.stratum)

    @property
    def measure_name(self) -> str:
        """In words."""
        return MEASURES[self.measure]


def read_verdict(stored: str) -> GateVerdict:
    """From the JSON in the log of champions, in that of hosted models, or in the audit log."""
    return from_json(GateVerdict, json.loads(stored), "What the gate said")
