"""Modal's list prices of a GPU, a core and memory. Knows a table with a date, not bills."""

from collections.abc import Mapping

from core.errors import BadInput
from core.jobs.bundle import Resources

PRICES = {
    "T4": 0.000164,
    "L4": 0.000222,
    "A10": 0.000306,
    "L40S": 0.000542,
    "A100": 0.000583,
    "A100-80GB": 0.000694,
    "H100": 0.001097,
    "H200": 0.001261,
    "B200": 0.001736,
}
"""US dollars a second for one, from the cheapest on, of 2026-10; modal.com/pricing has what holds, regions cost more"""
CORE = 0.0000131
GIB = 0.00000222
"""US dollars a second for a physical core, and for a GiB of memory"""

CPUS = 2.0
MEMORY_MB = 16_384
"""what a job gets besides its GPU when nothing else is asked for"""
_ALIASES = {"A10G": "A10", "A100-40GB": "A100"}
MOST = 8


def price_of(prices: Mapping[str, float], resources: Resources, seconds: float) -> float:
    """US dollars for so long. Raises BadInput for an unknown GPU."""
    each = CORE * (resources.cpu or CPUS) + GIB * (resources.memory_mb or MEMORY_MB) / 1024
    if gpu := resources.gpu:
        name, count = parse_gpu(prices, gpu)
        each += prices[name] * count
    return round(each * seconds, 4)


def parse_gpu(prices: Mapping[str, float], gpu: str) -> tuple[str, int]:
    """("L4", 2) for "l4:2". Raises BadInput that lists the GPUs."""
    name, colon, count = gpu.strip().upper().partition(":")
    name = _ALIASES.get(name, name)
    if name not in prices:
        raise BadInput(f"Modal has no GPU {gpu[:40]!r}; there are {', '.join(prices)}, and L4:2 for two of a kind.")
    if colon and not (count.isdigit() and 1 <= int(count) <= MOST):
        raise BadInput(f"{gpu[:40]!r} asks for {count[:20]!r} GPUs, but it must be 1 to {MOST} of a kind.")
    return name, int(count) if colon else 1
