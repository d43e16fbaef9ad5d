"""Intervals that metrics and attacks share: groups of rows left out, rates, areas under curves."""

from __future__ import annotations

import numpy as np

BLOCKS = 20
"""Groups of rows of the delete-a-group jackknife."""
Z = 1.959963984540054


def blocks(rows: int, rng: np.random.Generator, *, owner: np.ndarray | None = None) -> np.ndarray:
    """A random group 0..BLOCKS-1 for each row, all of (nearly) the same size; all rows of an `owner` (int64 per row) in one group.

    What is left out together then is what hangs together: the jackknife's error is that of drawing other owners, not other rows.
    """
    if owner is None:
        return rng.permutation(np.arange(rows) % BLOCKS)
    seen, code = np.unique(owner, return_inverse=True)
    return rng.permutation(np.arange(len(seen)) % BLOCKS)[code]


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


def auc(truth: np.ndarray, score: np.ndarray, *, owner: np.ndarray | None = None) -> tuple[float, float]:
    """Area under the ROC curve and its standard error (DeLong 1988, by midranks as Sun & Xu 2014).

    `owner` (int64 per row): rows of one owner are no independent draws, and their parts are summed first (Obuchowski 1997).
    """
    from scipy.stats import rankdata

    yes, no = score[truth], score[~truth]
    m, n = len(yes), len(no)
    ranks = rankdata(np.concatenate([yes, no]))
    above = (ranks[:m] - rankdata(yes)) / n
    below = 1 - (ranks[m:] - rankdata(no)) / m
    if owner is not None:
        parts = (above, owner[truth]), (below, owner[~truth])
        return float(above.mean()), float(np.sqrt(sum(_clustered(part, whose) for part, whose in parts)))
    error = np.sqrt((above.var(ddof=1) if m > 1 else 0.25) / m + (below.var(ddof=1) if n > 1 else 0.25) / n)
    return float(above.mean()), float(error)


def _clustered(part: np.ndarray, owner: np.ndarray) -> float:
    """Variance of the mean of `part`, whose values of one owner go together."""
    _, code = np.unique(owner, return_inverse=True)
    sums = np.bincount(code, weights=part - part.mean())
    return float(len(sums) / (len(sums) - 1) * (sums**2).sum() / len(part) ** 2) if len(sums) > 1 else 0.25


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
