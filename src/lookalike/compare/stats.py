"""Intervals that metrics and attacks share: groups of rows left out, rates, areas under curves."""

from __future__ import annotations

import numpy as np

BLOCKS = 20
"""Groups of rows of the delete-a-group jackknife."""
Z = 1.959963984540054


def blocks(rows: int, rng: np.random.Generator) -> np.ndarray:
    """A random group 0..BLOCKS-1 for each row, all of (nearly) the same size."""
    return rng.permutation(np.arange(rows) % BLOCKS)


def without(counts: np.ndarray) -> np.ndarray:
    """Shares with all rows (first) and with each group left out, from `counts` [groups, cells]; shape [groups + 1, cells]."""
    whole = counts.sum(0, keepdims=True)
    kept = np.concatenate([whole, whole - counts])
    return kept / np.maximum(kept.sum(tuple(range(1, kept.ndim)), keepdims=True), 1)


def jackknife(replicates: np.ndarray) -> np.ndarray:
    """Standard error from delete-a-group replicates along the first axis (Kott 2001)."""
    n = len(replicates)
    return np.sqrt((n - 1) / n * ((replicates - replicates.mean(0)) ** 2).sum(0))


def around(value: float, error: float, *, least: float = -np.inf, most: float = np.inf) -> tuple[float, float]:
    """Normal 95 % interval, clipped to what the quantity can be."""
    return float(max(least, value - Z * error)), float(min(most, value + Z * error))


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate."""
    if not rows:
        return 0.0, 1.0
    share, z2 = hits / rows, Z * Z
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = Z / (1 + z2 / rows) * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows * rows))
    # At the ends the root cancels `middle` only up to rounding; the bound itself is exact there.
    return (0.0 if hits == 0 else float(middle - half)), (1.0 if hits == rows else float(middle + half))


def auc(truth: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve and its standard error (DeLong 1988, by midranks as Sun & Xu 2014)."""
    from scipy.stats import rankdata

    yes, no = score[truth], score[~truth]
    m, n = len(yes), len(no)
    ranks = rankdata(np.concatenate([yes, no]))
    above = (ranks[:m] - rankdata(yes)) / n
    below = 1 - (ranks[m:] - rankdata(no)) / m
    error = np.sqrt((above.var(ddof=1) if m > 1 else 0.25) / m + (below.var(ddof=1) if n > 1 else 0.25) / n)
    return float(above.mean()), float(error)


def false_discovery(p: np.ndarray) -> np.ndarray:
    """The least false discovery rate at which each of many tests would be called a finding (Benjamini & Hochberg 1995)."""
    order = np.argsort(p, kind="stable")
    rates = p[order] * len(p) / np.arange(1, len(p) + 1)
    out = np.empty(len(p))
    out[order] = np.minimum(np.minimum.accumulate(rates[::-1])[::-1], 1.0)
    return out


def variance(value: float, interval: tuple[float | None, float | None] | None) -> float:
    """Of a figure with this 95 % interval, by its longer side: the other may have been cut off at what is possible. 0 if unknown."""
    if interval is None or interval[0] is None or interval[1] is None:
        return 0.0
    return float((max(interval[1] - value, value - interval[0], 0.0) / Z) ** 2)
