"""Input and result of the job that cleans texts. Knows no store and no rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.jobs.kinds import JobKind

REASONS: Mapping[str, str] = {
    "empty": "nothing is left of the text",
    "language": "the text is surely in another language",
    "short": "the text has too few characters",
    "long": "the text has too many characters",
    "near_empty": "its words say next to nothing, by their TF-IDF weights",
    "boilerplate": "it consists of words that very many records have, by their TF-IDF weights",
    "leak": "its text is that of a gold or audit record, or nearly",
    "duplicate": "its cleaned text is that of another record",
    "near_duplicate": "its cleaned text is nearly that of another record",
}
"""why a record may be left out; of several the first counts, and one that applies before one that does not"""
CHOOSABLE = ("near_empty", "boilerplate", "leak", "duplicate", "near_duplicate")
"""those that are only reported unless a person chooses them; the others follow from what was set"""


@dataclass(frozen=True)
class CleanParams:
    """rules: names, in their order. languages: ISO 639 codes that stay, none: all. shortest, longest: characters, 0: no
    limit. near_empty: least sum of the IDF weights of a text's words; boilerplate: least mean of them. near_duplicates:
    look for them too, which takes much longer. left_out: reasons that are applied, of CHOOSABLE.
    """

    rules: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    shortest: int = 0
    longest: int = 0
    near_empty: float = 5.0
    boilerplate: float = 2.0
    near_duplicates: bool = False
    left_out: tuple[str, ...] = ()

    def applies(self, reason: str) -> bool:
        """Are records left out for that reason?"""
        return reason not in CHOOSABLE or reason in self.left_out


@dataclass(frozen=True)
class CleanResult:
    """rules: of each how many texts it changes by itself. reasons: how many records there are for each. languages: how
    many texts are in each, most frequent first; "un" is unknown. protected: gold and audit records, which are cleaned
    but never left out, that there would be a reason for.

    `out/cleaned.parquet` has n, text of what changed, `out/left_out.parquet` n, reason, other (a record that it
    repeats), `out/examples.parquet` kind ("rule", or "reason"), name, id, before, after, other_id.
    """

    records: int
    changed: int
    rules: Mapping[str, int]
    reasons: Mapping[str, int]
    protected: int
    seconds: float
    languages: Mapping[str, int] = field(default_factory=dict)


CLEAN = JobKind("clean", CleanParams, CleanResult)
