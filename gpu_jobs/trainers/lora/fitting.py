"""Will a tuning fit into memory? An estimate before it begins, and what to change. Knows shapes, loads no weights."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import Refused

MB = 2**20
LIBRARIES_MB = 800
"""of torch, transformers and trl in a process; a GPU's memory holds about as much of CUDA's own"""
HIDDEN, INNER = 29, 8
"""numbers of 4 bytes that a token leaves for the backward pass, in widths of a layer and of its inner layer. Measured
with SmolLM2 and adapters on all linear layers: 3.9 MB a token, with its share of TILE, at 256, 512 and 608 tokens a
batch, in float32 and, since adapters compute in float32, in bfloat16"""
TILE = (4_096, 32_768)
"""tokens and words whose logits trl computes at once; about three numbers of each are held"""
ADAPTER_BYTES = 16
"""of a trained weight: itself, its gradient, Adam's two moments"""


@dataclass(frozen=True)
class Shape:
    """Of a model: parameters, those of its linear layers' inputs and outputs together (an adapter has r times as
    many), and its widths."""

    parameters: int
    linear_widths: int
    layers: int
    hidden: int
    inner: int
    vocabulary: int


@dataclass(frozen=True)
class Plan:
    """How it would be tuned. tokens: of the longest row of a batch. weight_bytes: of one base weight; .56 in 4 bits.
    checkpointing: layers are computed twice and leave only their input."""

    batch_size: int
    accumulation: int
    tokens: int
    r: int
    weight_bytes: float
    checkpointing: bool


def read_shape(folder: Path) -> Shape:
    """From the model's configuration alone."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    inner = config.get_text_config()
    linear = [one for name, one in model.named_modules() if isinstance(one, torch.nn.Linear) and "lm_head" not in name]
    return Shape(
        parameters=model.num_parameters(),
        linear_widths=sum(one.in_features + one.out_features for one in linear),
        layers=int(getattr(inner, "num_hidden_layers", 1)),
        hidden=int(inner.hidden_size),
        inner=int(getattr(inner, "intermediate_size", 0) or 4 * inner.hidden_size),
        vocabulary=int(inner.vocab_size),
    )


def estimate_mb(shape: Shape, plan: Plan) -> int:
    """The most that is held at once."""
    layer = 4 * (HIDDEN * shape.hidden + INNER * shape.inner)
    token = layer + 4 * shape.layers * shape.hidden if plan.checkpointing else shape.layers * layer
    tokens = plan.batch_size * plan.tokens
    logits = 3 * 4 * min(tokens, TILE[0]) * min(shape.vocabulary, TILE[1])
    weights = shape.parameters * plan.weight_bytes + shape.linear_widths * plan.r * ADAPTER_BYTES
    return LIBRARIES_MB + round((weights + tokens * token + logits) / MB)


def free_mb() -> int:
    """Of the GPU where one is; else of the machine, or of the container where it is allowed less."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0] // MB)
    process, free = psutil.Process().memory_info().rss, psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    with suppress(OSError, ValueError):  # no container, or one without a limit
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return int((free + process) // MB)


def check_fit(shape: Shape, plan: Plan, available_mb: int, values: Mapping[str, Any]) -> int:
    """The estimate, in MB. Raises Refused where it will not fit, with what to change so that it does."""
    needed = estimate_mb(shape, plan)
    if values["max_memory_mb"]:
        available_mb = min(available_mb, int(values["max_memory_mb"]))
    if needed <= available_mb or not values["memory_check"]:
        return needed
    raise Refused(
        f"It needs about {needed / 1024:.1f} GB with batch_size={plan.batch_size} and rows of up to {plan.tokens:,} "
        f"tokens, and {available_mb / 1024:.1f} GB are free. {_advice(shape, plan, available_mb)} "
        "memory_check=false begins all the same."
    )


def _advice(shape: Shape, plan: Plan, available_mb: int) -> str:
    """Half the batch and twice the accumulation learn the same; then shorter rows; then another machine."""
    smaller = plan
    while smaller.batch_size > 1:
        smaller = replace(smaller, batch_size=smaller.batch_size // 2, accumulation=smaller.accumulation * 2)
        if (needed := estimate_mb(shape, smaller)) <= available_mb:
            return (
                f"Set batch_size={smaller.batch_size} accumulation={smaller.accumulation}: the same steps in about "
                f"{needed / 1024:.1f} GB."
            )
    shorter = smaller
    while shorter.tokens > 256:
        shorter = replace(shorter, tokens=shorter.tokens // 2)
        if (needed := estimate_mb(shape, shorter)) <= available_mb:
            return (
                f"Set batch_size=1 accumulation={shorter.accumulation} max_length={shorter.tokens}, which leaves "
                f"longer examples out: about {needed / 1024:.1f} GB."
            )
    return "Take a smaller base, or a larger machine: --on modal --gpu L4."
