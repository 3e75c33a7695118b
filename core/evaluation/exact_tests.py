"""Exact tests that a share of the rest is right, and a sequential test (e-value) of the same. Knows counts."""

import numpy as np
import numpy.typing as npt

from core.arrays import Floats


def hypergeometric_p_value(
    audits: npt.ArrayLike, wrong: npt.ArrayLike, pool: npt.ArrayLike, guaranteed: float
) -> Floats:
    """p-value of "fewer than `guaranteed` of the pool's records are right" when so few of the audits were wrong.

    Audits and the rest of a region are one population without order, so the audits among it are a draw without
    replacement: with W wrong in both together, P(at most w of the audits are wrong) is hypergeometric, and the worst
    case that breaks the guarantee is W = w + 1 + the most that may be wrong in the rest. For a large rest this is the
    binomial test; for a small one the binomial would be too sure, since the right audits are no longer in the rest.
    """
    most = np.floor((1 - guaranteed) * np.asarray(pool) + 1e-9).astype(np.int64)
    return _chance_of_so_few(audits, wrong, pool, most)


def _chance_of_so_few(audits: npt.ArrayLike, wrong: npt.ArrayLike, pool: npt.ArrayLike, most: npt.ArrayLike) -> Floats:
    """most: how many of the rest may be wrong."""
    parts = np.broadcast_arrays(*(np.asarray(part, np.int64) for part in (audits, wrong, pool, most)))
    n, w, m, most = (part.ravel() for part in parts)
    possible = (n > 0) & (m > 0) & (w < n)
    p_values = np.ones(n.shape)
    n, w, m, most = n[possible], w[possible], m[possible], most[possible]
    total = np.minimum(most + 1 + w, n + m)
    which = np.repeat(np.arange(len(n)), w + 1)  # one term for each number of wrong audits up to w
    wrong_drawn = np.arange(len(which)) - np.repeat(np.cumsum(w + 1) - w - 1, w + 1)
    terms = _log_choose(total[which], wrong_drawn) + _log_choose((n + m - total)[which], n[which] - wrong_drawn)
    sums = np.bincount(which, np.exp(terms - _log_choose(n + m, n)[which]), len(n))
    p_values[possible] = np.minimum(sums, 1.0)
    return p_values.reshape(parts[0].shape)


def lower_bound(audits: npt.ArrayLike, wrong: npt.ArrayLike, pool: npt.ArrayLike, risk: float) -> Floats:
    """The largest precision of a region's rest that `hypergeometric_p_value` proves at this risk; 0 for none."""
    m = np.maximum(np.asarray(pool, np.int64), 1)
    low, high = np.full(m.shape, -1), m.copy()  # the fewest wrong that can be guaranteed lie in (low, high]
    while (high - low > 1).any():
        middle = (low + high) // 2
        passed = _chance_of_so_few(audits, wrong, pool, np.maximum(middle, 0)) <= risk
        low, high = np.where(passed, low, middle), np.where(passed, np.maximum(middle, low + 1), high)
    return np.asarray(1 - high / m)


def evidence_against(right: int, wrong: int, accepted: int, guaranteed: float) -> float:
    """How much more likely blind answers are when the guarantee is broken: an e-value, valid at every look.

    While the guarantee holds, the probability that it ever exceeds 1 / risk is at most `risk` (Ville 1939). Answers are
    a draw without replacement from the accepted records; the null is the best case that keeps the guarantee, the
    alternative a mixture over precisions (Beta, around three times the wrong ones that are allowed): a prior-posterior
    ratio, Waudby-Smith and Ramdas 2020, which does not depend on the order.
    """
    from scipy.special import betaln

    most = int(np.floor((1 - guaranteed) * accepted + 1e-9))
    checked = right + wrong
    if not checked or not accepted:
        return 1.0
    if wrong > most:
        return float("inf")
    a = 1.5
    b = a / min(3 * (1 - guaranteed), 0.75) - a
    broken = betaln(wrong + a, right + b) - betaln(a, b)
    likeliest = (accepted + 1) * wrong // checked + np.arange(-1, 2)
    wrong_labels = np.clip(likeliest, wrong, min(most, accepted - right))
    held = (_log_choose(accepted - checked, wrong_labels - wrong) - _log_choose(accepted, wrong_labels)).max()
    return float(np.exp(min(broken - held, 700.0)))


def _log_choose(n: npt.ArrayLike, k: npt.ArrayLike) -> Floats:
    """-inf where there is no way to choose."""
    from scipy.special import gammaln

    n, k = np.asarray(n, np.float64), np.asarray(k, np.float64)
    possible = (k >= 0) & (k <= n)
    k = np.where(possible, k, 0)
    return np.where(possible, gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1), -np.inf)
