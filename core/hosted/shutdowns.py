"""When providers end what was tuned there, as they announced it. Dated: `GET /v1/models` of the provider is newer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Shutdown:
    """No new fine-tuning jobs from `jobs_end` on; models tuned on one of `bases` answer until `models_end`, those on
    one of `earlier` until its own day.

    announced: by the provider, in its words or close to them. source: where it stood on the day `read`.
    """

    jobs_end: date
    models_end: date
    bases: tuple[str, ...]
    earlier: Mapping[str, date]
    announced: str
    source: str
    read: date


SHUTDOWNS: dict[str, Shutdown] = {
    "openai": Shutdown(
        jobs_end=date(2027, 1, 6),
        models_end=date(2027, 1, 14),
        bases=("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14"),
        earlier=dict.fromkeys(("gpt-4.1-nano-2025-04-14", "gpt-3.5-turbo-0125", "gpt-4-0613"), date(2026, 10, 23)),
        announced="Self-serve fine-tuning: active customers can create fine-tuning jobs until January 6, 2027; since "
        "July 2, 2026 not those that asked no fine-tuned model for 60 days. "
        "Inference on fine-tuned models will continue to be available until the underlying base models are deprecated; "
        "fine-tuned versions follow the shutdown of their base, January 14, 2027.",
        source="https://developers.openai.com/api/docs/deprecations",
        read=date(2026, 11, 30),
    ),
}
"""provider -> what it announced"""


def shutdown_notice(provider: str, today: date) -> str:
    """What to know before tuning there, in two sentences and their source; empty where nothing was announced."""
    known = SHUTDOWNS.get(provider)
    if known is None:
        return ""
    ended = "took its last new fine-tuning jobs on" if today >= known.jobs_end else "takes new fine-tuning jobs until"
    gone = "answered" if today >= known.models_end else "answer"
    return (
        f"{provider} {ended} {known.jobs_end}, and models tuned there on {', '.join(known.bases)} {gone} until "
        f"{known.models_end}. {known.announced} ({known.source}, read {known.read}.)"
    )


def base_notice(provider: str, base: str, today: date) -> str:
    """That models tuned on this base answer no more, so that tuning one is refused or in vain; else empty."""
    end = announced_end(provider, base)
    if end is None or today < end:
        return ""
    return f"Models tuned on {base} ended on {end}, as {provider} announced: choose another base."


def announced_end(provider: str, base: str) -> date | None:
    """When models tuned on this base stop answering, as far as it was announced."""
    known = SHUTDOWNS.get(provider)
    if known is None:
        return None
    return known.models_end if base in known.bases else known.earlier.get(base)
