"""Training objectives for an encoder, on unit vectors. Knows tensors, no texts and no trainer.

An objective takes the vectors of a batch (k, dims) and its marks, the labels of each text as (k, labels) 0/1, and gives
the mean loss. Parameters of its own, if any, are those of a torch module.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from core.models.encoders.encoder import token_batches
from core.models.heads.head import Head

Tensor = Any
Objective = Callable[..., Tensor]

SHARPNESS = 10.0  # scale: cosines differ by at most 2, where softplus alone is nearly linear
TEMPERATURE = 0.1
TOKENS, GPU_TOKENS = 1_024, 16_384  # that go through the model at once, with padding


def part_hardest(vectors: Tensor, marks: Tensor) -> Tensor:
    """For each text the farthest positive and the nearest negative of the batch. Hermans et al. 2017 (batch hard).

    marks: (k, labels) 0/1. A text without one of the two adds no loss.
    """
    import torch

    near, like, unlike = vectors @ vectors.T, *_relations(marks)
    farthest = near.masked_fill(~like, 2.0).amin(dim=1)
    nearest = near.masked_fill(~unlike, -2.0).amax(dim=1)
    both = like.any(dim=1) & unlike.any(dim=1)
    losses = torch.nn.functional.softplus(SHARPNESS * (nearest - farthest)) * both
    return losses.sum() / both.sum().clamp(min=1)


def contrast_batch(vectors: Tensor, marks: Tensor) -> Tensor:
    """Supervised contrastive loss of each text against all others of the batch. Khosla et al. 2020 (SupCon)."""
    import torch

    like, _ = _relations(marks)
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    logits = (vectors @ vectors.T / TEMPERATURE).masked_fill(itself, -1e4)
    likelihoods = torch.log_softmax(logits, dim=1)
    losses = -(likelihoods * like).sum(dim=1) / like.sum(dim=1).clamp(min=1)
    return losses.sum() / like.any(dim=1).sum().clamp(min=1)


def make_classifier(start: Head) -> Any:
    """A torch module: a linear layer over the labels in use, which starts as that head (Kumar et al. 2022, LP-FT).

    Softmax, or a sigmoid for each label where several may hold.
    """
    import torch

    used = np.abs(start.weights).sum(axis=1) > 0

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(start.weights.shape[1], int(used.sum()))
            with torch.no_grad():
                self.linear.weight.copy_(torch.from_numpy(start.weights[used]))
                self.linear.bias.copy_(torch.from_numpy(start.bias[used]))
            self.used: Tensor
            self.register_buffer("used", torch.from_numpy(np.flatnonzero(used)), persistent=False)

        def forward(self, vectors: Tensor, marks: Tensor) -> Tensor:
            logits, targets = self.linear(vectors), marks[:, self.used]
            if start.multi:
                return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
            return -(targets * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()

    return Classifier()


def make_loss(model: Any, objective: Objective) -> Any:
    """A torch module for sentence-transformers' trainer: the vectors of the batch's texts, and its labels, to the
    objective."""
    import torch

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.objective = objective

        def forward(self, features: Any, labels: Tensor) -> Tensor:
            vectors = torch.nn.functional.normalize(_embed(self.model, features[0]), dim=1)
            return self.objective(vectors, labels.float())

    return Loss()


def _embed(model: Any, features: Mapping[str, Any]) -> Tensor:
    """(texts, dims) float32. Texts of similar length go through the model together, where the tokenizer pads on the
    right.

    One long text would have all others padded to its length: a batch of 50 tweets took four times as long.
    """
    import torch

    mask = features.get("attention_mask")
    if mask is None or not bool(mask[:, 0].all()):
        return model(dict(features))["sentence_embedding"].float()
    lengths, width = mask.sum(dim=1).tolist(), mask.shape[1]
    budget = GPU_TOKENS if mask.is_cuda else TOKENS
    groups = list(token_batches(lengths, budget))
    outputs = []
    for group in groups:
        longest = max(lengths[row] for row in group)
        part = {
            key: value[group, :longest] if torch.is_tensor(value) and value.shape == (len(lengths), width) else value
            for key, value in features.items()
        }
        outputs.append(model(part)["sentence_embedding"].float())
    rows = torch.tensor([row for group in groups for row in group], device=mask.device)
    return torch.cat(outputs)[rows.argsort()]


def _relations(marks: Tensor) -> tuple[Tensor, Tensor]:
    """((k, k), (k, k)) masks: positives share a label; negatives share none, though one of the two has any."""
    import torch

    shared = marks @ marks.T > 0
    some = marks.sum(dim=1) > 0
    itself = torch.eye(len(marks), dtype=torch.bool, device=marks.device)
    return shared & ~itself, ~shared & (some[:, None] | some)
