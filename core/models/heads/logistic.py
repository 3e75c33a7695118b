"""Weighted logistic regression on soft targets, by L-BFGS. Knows matrices, not labels, pools or calibration.

One solver for one-of-many (softmax) and any-of-many (sigmoid), all labels at once: with hundreds of labels a loop over
labels would take minutes. The objective is scikit-learn's, C * sum(weighted losses) + |W|^2 / 2, biases not penalised.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.arrays import Floats

Loss = Callable[[Floats, Floats, Floats], tuple[float, Floats]]
"""(logits, targets, weights) -> (summed loss, its gradient by the logits). All (n, labels); weights may be (n, 1)."""


def softmax(logits: Floats) -> Floats:
    """Rows that sum to 1."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def softmax_loss(logits: Floats, targets: Floats, weights: Floats) -> tuple[float, Floats]:
    """Cross-entropy of rows that sum to 1."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponents = np.exp(shifted)
    total = exponents.sum(axis=1, keepdims=True)
    loss = weights * (np.log(total) - (targets * shifted).sum(axis=1, keepdims=True))
    return float(loss.sum(dtype=np.float64)), weights * (exponents / total - targets)


def sigmoid_loss(logits: Floats, targets: Floats, weights: Floats) -> tuple[float, Floats]:
    """Binary cross-entropy of every label by itself."""
    loss = weights * (np.logaddexp(0, logits) - targets * logits)
    return float(loss.sum(dtype=np.float64)), weights * (sigmoid(logits) - targets)


@dataclass(frozen=True)
class Examples:
    """What the solver sees. inputs: (n, dims) float32. targets: (n, labels) 0..1. weights: (n, 1) or (n, labels)."""

    inputs: Floats
    targets: Floats
    weights: Floats


def fit_linear(examples: Examples, loss: Loss, strength: float) -> Floats:
    """(labels, dims + 1) float32, the bias last. strength: C, higher = freer."""
    from scipy.optimize import minimize

    targets, weights = examples.targets, examples.weights
    count, labels = targets.shape
    padded = np.concatenate([examples.inputs, np.ones((count, 1), np.float32)], axis=1)
    ridge = np.append(np.ones(padded.shape[1] - 1), 0.0) / (count * strength)

    def objective(flat: Floats) -> tuple[float, Floats]:
        matrix = flat.reshape(labels, -1)
        value, slope = loss(padded @ matrix.T.astype(np.float32), targets, weights)
        penalty = ridge * matrix
        return value / count + float((penalty * matrix).sum()) / 2, ((slope.T @ padded) / count + penalty).ravel()

    solution = minimize(
        objective,
        np.zeros(labels * padded.shape[1]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 100, "gtol": 1e-5, "ftol": 1e-7, "maxcor": 5},
    )
    return np.asarray(solution.x.reshape(labels, -1), dtype=np.float32)
