"""What chance alone would make of two samples of one law: expected errors, and p-values of single columns and of pairs."""

from __future__ import annotations

import numpy as np

FEWEST = 5
"""Expected rows of a level in either table, below which levels are tested as one."""


def total_variation(p: np.ndarray, q: np.ndarray, rows: tuple[float, float]) -> np.ndarray:
    """By cell, its part of the total variation distance (0..1) expected of two samples of one law with these counts together.

    Of a cell's rows in both tables, each is in the first by chance: the gap's mean is that of a binomial's distance from its mean
    (de Moivre's closed form, also right for sparse cells), less what fixed totals take away. Sum over cells for the whole distance.
    """
    from scipy.special import gammaln, xlogy

    (n, m), both = rows, (p + q).astype(np.float64)
    share, total = n / (n + m), n + m
    k = np.floor(both * share) + 1
    logs = gammaln(both + 1) - gammaln(k + 1) - gammaln(np.maximum(both - k, 0) + 1) + xlogy(k, share) + (both - k + 1) * np.log1p(-share)
    away = np.where(k <= both, 2 * k * np.exp(logs), 0.0)
    return 0.5 * away * total / (n * m) * np.sqrt(np.maximum(1 - both / total, 0))


def chi_square(p: np.ndarray, q: np.ndarray) -> tuple[float, float]:
    """Pearson's statistic that two rows of counts have one law, and its p-value; rare cells are pooled, 1.0 where nothing is left."""
    from scipy.special import chdtrc

    n, m = float(p.sum()), float(q.sum())
    if not n or not m:
        return 0.0, 1.0
    both = (p + q).astype(np.float64)
    rare = both * min(n, m) / (n + m) < FEWEST
    gap = (p / n - q / m).astype(np.float64)
    both, gap = (np.append(x[~rare], x[rare].sum()) for x in (both, gap))
    keep = both > 0
    value = float(n * m * (gap[keep] ** 2 / both[keep]).sum())
    freedom = int(keep.sum()) - 1
    return value, float(chdtrc(freedom, value)) if freedom > 0 else 1.0


def kolmogorov(gap: float, n: int, m: int) -> float:
    """p-value of the greatest gap (0..1) of two cumulative distributions of `n` and `m` values; conservative with ties."""
    from scipy.stats import kstwo

    return float(kstwo.sf(gap, max(1, round(n * m / max(n + m, 1)))))


def proportion(hits: int, rows: int, other_hits: int, other_rows: int) -> float:
    """p-value that two shares are the same (two-sided, pooled normal; 1.0 with too few hits to tell)."""
    p = np.array([hits, rows - hits]), np.array([other_hits, other_rows - other_hits])
    return chi_square(*p)[1]


def interaction(joint: np.ndarray, first: np.ndarray, second: np.ndarray, *, rows: tuple[float, float], bond: np.ndarray) -> np.ndarray:
    """p-values that two columns depend on each other alike in two tables, whatever their own distributions.

    `joint`, `first`, `second` are [3, ...]: Pearson's statistic of (table × cells), cells seen, and the sum of 1/rows over cells; of the
    pair's cells and of each column's. The pair's statistic less the columns' has, under one law, mean (seen cells' freedom) and variance
    2·mean + 4φ² (φ², `bond`: the pair's own dependence, by which the columns' statistics correlate) plus a term for sparse cells
    (Haldane 1940). A gamma law of that mean and variance gives the p-value.
    """
    from scipy.special import gammaincc

    n, m = rows
    share = n / (n + m)
    spread = share * (1 - share)
    statistic = joint[0] - first[0] - second[0]
    mean = joint[1] - first[1] - second[1] + 1
    variance = 2 * mean + 4 * bond + np.maximum((1 - 6 * spread) / spread, 0) * joint[2]
    told = (mean >= 1) & (statistic > 0)
    mean, variance = np.where(told, mean, 1), np.where(told, variance, 2)
    return np.where(told, gammaincc(mean * mean / variance, np.maximum(statistic, 0) * mean / variance), 1.0)


def evidence(p: np.ndarray, q: np.ndarray, rows: tuple[float, float]) -> np.ndarray:
    """By cell of two tables' counts [3, ...]: its part of Pearson's statistic, whether it was seen, 1/rows; sums serve `interaction`."""
    n, m = rows
    both = p + q
    seen = both > 0
    one = np.divide(1.0, both, out=np.zeros(both.shape), where=seen)
    return np.stack([n * m * (p / n - q / m) ** 2 * one, seen.astype(np.float64), one])
