"""A model's head as the file that SetFit loads. Knows weights, no model and no texts."""

from pathlib import Path

from core.registry.model_export import SetFitHeadParams, SetFitHeadResult
from gpu_jobs.trainers.trainer_types import Progress

FILE = "model_head.pkl"
"""as setfit 1.2 names it; it reads a pickle and nothing else, so an export for it holds one"""


def write_head(bundle: Path, params: SetFitHeadParams, report: Progress) -> SetFitHeadResult:
    """SetFit's head in torch, of the weights in `in/head.safetensors`, into `out`."""
    import joblib
    import torch
    from safetensors.torch import load_file
    from setfit import SetFitHead

    stored = load_file(bundle / "in" / "head.safetensors")
    labels, dims = stored["weights"].shape
    head = SetFitHead(dims, labels, device="cpu", multitarget=params.multi)
    with torch.no_grad():
        head.linear.weight.copy_(stored["weights"] / params.temperature)
        head.linear.bias.copy_(stored["bias"] / params.temperature)
    joblib.dump(head, bundle / "out" / FILE)
    return SetFitHeadResult(FILE, labels)
