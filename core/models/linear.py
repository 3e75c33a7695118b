"""Weighted logistic regression on soft targets, by L-BFGS. Knows matrices, not labels, pools or calibration.

One solver for one-of-many (softmax) and any-of-many (sigmoid), all labels at once: with hundreds of labels a loop over
labels would take minutes. The objective is scikit-learn's, C * sum(weighted losses) + |W|^2 / 2, biases not penalised.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

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


def fit_linear(inputs: Floats, targets: Floats, weights: Floats, loss: Loss, strength: float) -> tuple[Floats, Floats]:
    """(weights (labels, dims), bias (labels,)) float32. inputs: (n, dims) float32; strength: C, higher = freer."""
    from scipy.optimize import minimize

    labels = targets.shape[1]
    padded = np.concatenate([inputs, np.ones((len(inputs), 1), np.float32)], axis=1)
    scale = float(len(inputs) * strength)
    ridge = np.ones((1, padded.shape[1]))
    ridge[0, -1] = 0

    def objective(flat: Floats) -> tuple[float, Floats]:
        matrix = flat.reshape(labels, -1)
        value, slope = loss(padded @ matrix.T.astype(np.float32), targets, weights)
        penalised = ridge * matrix
        gradient = (slope.T @ padded) / len(inputs) + penalised / scale
        return value / len(inputs) + float((penalised * matrix).sum()) / (2 * scale), gradient.ravel().astype(float)

    start = np.zeros(labels * padded.shape[1])
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 100, "gtol": 1e-5, "ftol": 1e-7}
    )
    matrix = found.x.reshape(labels, -1).astype(np.float32)
    return matrix[:, :-1], matrix[:, -1]
