"""What tuning is likely to cost: tokens times epochs times a list price. An estimate, and it says where it has none."""

import re
from dataclasses import dataclass

from core.hosted.training_data import TrainingData
from core.language_models.spending import estimate_tokens

EPOCHS = 3
"""assumed where the provider chooses"""
PRICES_READ = "2026-11-29"
PER_MILLION: dict[str, dict[str, float]] = {
    "openai": {
        "gpt-4o-2024-08-06": 25.0,
        "gpt-4o-mini-2024-07-18": 3.0,
    },
}
"""provider -> base model -> US dollars per million training tokens, list prices"""
BY_SIZE: dict[str, tuple[tuple[float, float], ...]] = {"fireworks": ((16.0, 0.50), (80.0, 3.00))}
"""provider -> (billions of parameters at most, US dollars per million training tokens), supervised with LoRA"""
PRICE_PAGES = {
    "openai": "https://developers.openai.com/api/docs/pricing",
    "together": "https://www.together.ai/pricing",
    "fireworks": "https://fireworks.ai/pricing",
}
_SIZE = re.compile(r"(?<![\d.])(\d+(?:[.p]\d+)?)b(?![a-z0-9])")


@dataclass(frozen=True)
class PriceEstimate:
    """tokens: of the examples, once. dollars: of all epochs, None where no price is known. sentence: for people."""

    tokens: int
    epochs: int
    dollars: float | None
    sentence: str


def count_tokens(data: TrainingData) -> int:
    """About how many tokens the chats have; no tokenizer is asked."""
    return sum(estimate_tokens(example.messages) for example in data.examples)


def estimate_price(data: TrainingData, provider: str, base: str, epochs: int | None) -> PriceEstimate:
    """epochs: None where the provider chooses."""
    tokens, passes = count_tokens(data), epochs or EPOCHS
    per_million = _price(provider, base)
    counted = f"{len(data.examples):,} examples of about {tokens:,} tokens, {passes} epochs"
    counted += "" if epochs else " (the provider chooses; assumed)"
    if per_million is None:
        page = PRICE_PAGES.get(provider, "the provider's price list")
        return PriceEstimate(
            tokens, passes, None, f"{counted}: the price of {base} is unknown here; see {page} before you agree."
        )
    dollars = tokens * passes * per_million / 1_000_000
    return PriceEstimate(
        tokens,
        passes,
        dollars,
        f"{counted}: about {dollars:,.2f} USD at {per_million:g} USD per million tokens (an estimate from list prices "
        f"of {PRICES_READ}; asking the model later costs extra).",
    )


def _price(provider: str, base: str) -> float | None:
    if base in PER_MILLION.get(provider, {}):
        return PER_MILLION[provider][base]
    size = _SIZE.search(base.lower())
    if size is None:
        return None
    billions = float(size[1].replace("p", "."))
    return next((price for most, price in BY_SIZE.get(provider, ()) if billions <= most), None)
