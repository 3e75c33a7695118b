"""The Overview in sentences: how good the model is, what more labels bring, what is unfinished. Changes nothing."""

from dataclasses import dataclass

from core.agreement.conflicts import read_conflicts
from core.evaluation.metrics import Forecast, Savings
from core.evaluation.reporting import with_minus
from core.project import Project
from core.reports.model_quality import Prospects
from core.reports.overview import Status
from core.reports.quality_news import QualityNews

AHEAD = 100
"""further labels that the outlook is about"""


@dataclass(frozen=True)
class Unfinished:
    """Something that waits for a person. page: file of the page where it is done; query: its address beyond that."""

    sentence: str
    page: str
    query: dict[str, str]


def quality_sentence(now: Status, news: QualityNews | None) -> str:
    """How good the model is, in one sentence."""
    if now.model is None:
        return "There is no model yet."
    if news is None:
        return "The model was judged on too few records to say how good it is."
    value, low, high = (round(100 * share) for share in (news.value, news.low, news.high))
    return f"The model gets {value} of 100 records right (95 %: between {low} and {high})."


def outlook(now: Status, prospects: Prospects) -> str:
    """What more labels would bring, and what those so far have saved, as far as that can be said."""
    sentences = []
    if isinstance(prospects.forecast, Forecast):
        gain = next((one for one in prospects.forecast.gains if one.more == AHEAD), None)
        if gain:
            low, high = round(100 * gain.low), round(100 * gain.high)
            bring = f"{low} to {high} points" if low != high else f"{low} {'point' if low == 1 else 'points'}"
            sentences.append(with_minus(f"The next hundred labels bring {bring} more."))
    if isinstance(prospects.savings, Savings):
        sentences.append(prospects.savings.sentence)
    return " ".join(sentences) or f"{now.labelled:,} records have a label from people."


def unfinished(project: Project, now: Status) -> list[Unfinished]:
    """What waits for a person, the most pressing first."""
    conflicts = read_conflicts(project, 0)[1]
    result = []
    if conflicts:
        words = "answer is" if conflicts == 1 else "answers are"
        result.append(Unfinished(f"{conflicts:,} {words} in conflict or flagged", "team", {}))
    if now.tied:
        words = "record has" if now.tied == 1 else "records have"
        result.append(Unfinished(f"{now.tied:,} answered {words} no label", "records", {"state": "tied"}))
    if now.skipped:
        words = "record was" if now.skipped == 1 else "records were"
        result.append(Unfinished(f"{now.skipped:,} {words} skipped", "records", {"state": "skipped"}))
    if now.records > now.encoded:
        missing = now.records - now.encoded
        result.append(
            Unfinished(f"{missing:,} {'record is' if missing == 1 else 'records are'} not encoded yet", "", {})
        )
    return result
