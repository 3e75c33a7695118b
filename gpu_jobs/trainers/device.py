"""What a training runs on, in a sentence: for its log, and for whoever waits. Knows no trainer."""

import sys

from core.training.train_job import ON_DEVICE
from core.training.trainers import TRAINERS


def say_device(trainer: str, threads: int) -> None:
    """Into the log, before anything else; nothing of a trainer that has no use for a GPU."""
    if TRAINERS[trainer].remote:
        sys.stdout.write(f"{ON_DEVICE}{_device(threads)}\n")
        sys.stdout.flush()


def _device(threads: int) -> str:
    """'NVIDIA L4 with 22 GB, in bfloat16.', or that there is no GPU."""
    import torch

    from core.models.encoders.torch_encoder import multiplies_bfloat16

    precision = "in bfloat16" if multiplies_bfloat16() else "in float32"
    if torch.cuda.is_available():
        gpu, count = torch.cuda.get_device_properties(0), torch.cuda.device_count()
        others = f", the first of {count}" if count > 1 else ""
        return f"{gpu.name} with {gpu.total_memory >> 30} GB{others}, {precision}."
    cores = threads or torch.get_num_threads()
    return f"the processor, {cores} {'thread' if cores == 1 else 'threads'}, {precision}: no GPU was found."
