"""What an encoder can be taught by, on unit vectors. Knows tensors, no texts and no trainer.

An objective takes the vectors that belong together, one tensor (k, dims) each, and what is known of them, the marks
(k, ...), and gives the mean loss. Fine-tuned parameters of its own, if any, are those of a torch module.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools
from core.models.encoders.encoder import token_batches
from core.models.heads.head import Head

Tensor = Any
Objective = Callable[..., Tensor]

MARGIN = 0.25  # of cosines, as in SetFit
SHARPNESS = 10.0  # cosines differ by less than 2: without it the softplus would be flat
TEMPERATURE = 0.1
TOKENS, GPU_TOKENS = 1_024, 16_384  # that go through the model at once, with padding


def match_cosines(left: Tensor, right: Tensor, marks: Tensor) -> Tensor:
    """Squared distance of the cosine from the mark, (k, 1). Reimers & Gurevych 2019 (cosine similarity loss)."""
    return ((left * right).sum(dim=1) - marks[:, 0]).square().mean()


def part_triplets(anchor: Tensor, positive: Tensor, negative: Tensor, marks: Tensor) -> Tensor:
    """The positive is to be nearer than the negative, by MARGIN. Schroff et al. 2015 (triplet loss)."""
    return (MARGIN - (anchor * (positive - negative)).sum(dim=1)).clamp(min=0).mean()


def part_hardest(vectors: Tensor, marks: Tensor) -> Tensor:
    """For each text the farthest like one of the batch and the nearest unlike one. Hermans et al. 2017 (batch hard).

    marks: (k, labels) 0/1. A text without one of the two teaches nothing.
    """
    import torch

    near, like, unlike = vectors @ vectors.T, *_relations(marks)
    farthest = near.masked_fill(~like, 2.0).amin(dim=1)
    nearest = near.masked_fill(~unlike, -2.0).amax(dim=1)
    both = like.any(dim=1) & unlike.any(dim=1)
    losses = torch.nn.functional.softplus(SHARPNESS * (nearest - farthest)) * both
    return losses.sum() / both.sum().clamp(min=1)


def contrast_batch(vectors: Tensor, marks: Tensor) -> Tensor:
    """Each text against all others of the batch: like ones are to be found first. Khosla et al. 2020 (SupCon)."""
    import torch

    like, _ = _relations(marks)
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    logits = (vectors @ vectors.T / TEMPERATURE).masked_fill(itself, -1e4)
    matches = torch.log_softmax(logits, dim=1)
    losses = -(matches * like).sum(dim=1) / like.sum(dim=1).clamp(min=1)
    return losses.sum() / like.any(dim=1).sum().clamp(min=1)


def make_classifier(start: Head, balanced: Bools | None) -> Any:
    """A torch module: a linear layer over the labels in use, which starts as that head (Kumar et al. 2022, LP-FT).

    Softmax, or a sigmoid for each label where several may hold. balanced: (n, labels) targets, so that small labels
    count as much as large ones in sum; None: each record counts the same. `head()` is the layer as a head.
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
            self.counts: Tensor
            self.register_buffer("counts", torch.from_numpy(_weights(used, start.multi, balanced)), persistent=False)
            self.used: Tensor
            self.register_buffer("used", torch.from_numpy(np.flatnonzero(used)), persistent=False)

        def forward(self, vectors: Tensor, marks: Tensor) -> Tensor:
            logits, targets = self.linear(vectors), marks[:, self.used]
            if start.multi:
                losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
                return (losses * torch.where(targets > 0, self.counts[1], self.counts[0])).mean()
            losses = -(targets * torch.log_softmax(logits, dim=1)).sum(dim=1)
            return (losses * (targets @ self.counts[1])).mean()

        def head(self) -> Head:
            weights, bias = start.weights.copy(), start.bias.copy()
            weights[used] = self.linear.weight.detach().cpu().numpy()
            bias[used] = self.linear.bias.detach().cpu().numpy()
            return replace(start, weights=weights, bias=bias)

    return Classifier()


def _weights(used: Bools, multi: bool, targets: Bools | None) -> npt.NDArray[np.float32]:
    """(2, labels in use): what the no and the yes of a label count, 1 on average."""
    if targets is None:
        return np.ones((2, int(used.sum())), np.float32)
    yes = targets[:, used].sum(axis=0)
    counts = np.maximum(np.stack([len(targets) - yes, yes]), 1)
    return np.asarray(len(targets) / ((2 if multi else int(used.sum())) * counts), np.float32)


def make_loss(model: Any, objective: Objective, arity: int) -> Any:
    """A torch module for sentence-transformers' trainer: vectors of the batch's texts, once each, to the objective.

    labels: (k, arity + marks): which texts of the batch belong together, then the marks.
    """
    import torch

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.objective = objective

        def forward(self, features: Any, labels: Tensor) -> Tensor:
            vectors = torch.nn.functional.normalize(_embed(self.model, features[0]), dim=1)
            parts = [vectors[labels[:, column].long()] for column in range(arity)]
            return self.objective(*parts, labels[:, arity:])

    return Loss()


def _embed(model: Any, features: Mapping[str, Any]) -> Tensor:
    """(texts, dims) float32. Texts of like length go through the model together, where padding stands behind them.

    One long text would have all others padded to its length: a batch of 50 tweets took four times as long.
    """
    import torch

    mask = features.get("attention_mask")
    if mask is None or not bool(mask[:, 0].all()):
        return model(dict(features))["sentence_embedding"].float()
    lengths, width = mask.sum(dim=1).tolist(), mask.shape[1]
    budget = GPU_TOKENS if mask.is_cuda else TOKENS
    groups = list(token_batches(lengths, budget))
    matches = []
    for group in groups:
        longest = max(lengths[place] for place in group)
        part = {
            key: value[group, :longest] if torch.is_tensor(value) and value.shape == (len(lengths), width) else value
            for key, value in features.items()
        }
        matches.append(model(part)["sentence_embedding"].float())
    places = torch.tensor([place for group in groups for place in group], device=mask.device)
    return torch.cat(matches)[places.argsort()]


def _relations(marks: Tensor) -> tuple[Tensor, Tensor]:
    """((k, k), (k, k)): a label in common, but not with itself; no label in common, though one of the two has any."""
    import torch

    shared = marks @ marks.T > 0
    some = marks.sum(dim=1) > 0
    itself = torch.eye(len(marks), dtype=torch.bool, device=marks.device)
    return shared & ~itself, ~shared & (some[:, None] | some)
