"""All two-way tables at once: the product of a one-hot matrix with itself holds the contingency table of every pair of columns."""

from __future__ import annotations

import numpy as np

from lookalike.compare import chance
from lookalike.compare.frame import Frame, Grid
from lookalike.compare.stats import BLOCKS, blocks


def tables(frame: Frame, bins: Grid, rng: np.random.Generator) -> np.ndarray:
    """Two-way counts, float32 [groups, cells, cells]; cells are the bins of all columns in a row (float32 is exact below 2^24)."""
    codes, starts = bins.codes(frame), offsets(bins)
    cells, group = int(bins.sizes.sum()), blocks(frame.rows, rng, owner=frame.owner)
    out = np.empty((BLOCKS, cells, cells), np.float32)
    for g in range(BLOCKS):
        part = codes[:, group == g]
        hot = np.zeros((part.shape[1], cells), np.float32)
        for j, start in enumerate(starts):
            hot[np.arange(len(hot)), start + part[j]] = 1
        np.matmul(hot.T, hot, out=out[g])
    return out


def offsets(bins: Grid) -> np.ndarray:
    """First cell of each column."""
    return np.concatenate([[0], np.cumsum(bins.sizes)[:-1]])


def fold(cells: np.ndarray, bins: Grid) -> np.ndarray:
    """Sums over the cells of each pair of columns: [cells, cells] → [columns, columns]."""
    starts = offsets(bins)
    return np.add.reduceat(np.add.reduceat(cells, starts, axis=0), starts, axis=1)


def association(counts: np.ndarray, bins: Grid) -> np.ndarray:
    """Cramér's V of every pair, [columns, columns] in 0..1, corrected for chance (Bergsma 2013); 1 on the diagonal."""
    starts = offsets(bins)
    rows = max(float(counts[: bins.sizes[0], : bins.sizes[0]].sum()), 2.0)
    shares = counts / rows
    one = np.diag(shares)
    expected = np.outer(one, one)
    phi = fold(np.divide(shares * shares, expected, out=np.zeros_like(shares), where=expected > 0), bins) - 1
    levels = np.add.reduceat((one > 0).astype(float), starts)
    phi = np.maximum(0, phi - np.outer(levels - 1, levels - 1) / (rows - 1))
    fair = levels - (levels - 1) ** 2 / (rows - 1)
    least = np.minimum.outer(fair, fair) - 1
    v = np.sqrt(np.divide(phi, least, out=np.zeros_like(phi), where=least > 1e-9))
    np.fill_diagonal(v, 1.0)
    return np.clip(v, 0, 1)


def information(counts: np.ndarray, bins: Grid, *, corrected: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Mutual information of every pair in nats [columns, columns], and each column's entropy; corrected for chance (Miller 1955)."""
    rows = max(float(counts[: bins.sizes[0], : bins.sizes[0]].sum()), 1.0)
    shares = counts / rows
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -fold(shares * logs, bins)
    if corrected:
        entropy += (fold((shares > 0).astype(np.float64), bins) - 1) / (2 * rows)
    own = np.diag(entropy)
    return np.maximum(own[:, None] + own - entropy, 0), own


def normalised(counts: np.ndarray, bins: Grid, *, corrected: bool = True) -> np.ndarray:
    """Mutual information of every pair over the mean of the two entropies (0..1), [columns, columns]; 1 on the diagonal."""
    mutual, own = information(counts, bins, corrected=corrected)
    mean = (own[:, None] + own) / 2
    out = np.divide(mutual, mean, out=np.zeros_like(mutual), where=mean > 1e-9)
    np.fill_diagonal(out, 1.0)
    return np.minimum(out, 1)


def theil(counts: np.ndarray, bins: Grid, *, corrected: bool = True) -> np.ndarray:
    """Theil's U: the share of the first column's entropy that the second explains (0..1), [columns, columns]; 1 on the diagonal."""
    mutual, own = information(counts, bins, corrected=corrected)
    out = np.divide(mutual, own[:, None], out=np.zeros_like(mutual), where=own[:, None] > 1e-9)
    np.fill_diagonal(out, 1.0)
    return np.minimum(out, 1)


def differ(p: np.ndarray, q: np.ndarray, bins: Grid) -> np.ndarray:
    """p-values [columns, columns] that each pair depends alike in two tables of counts, whatever the columns' own distributions."""
    first = int(bins.sizes[0])
    rows = float(p[:first, :first].sum()), float(q[:first, :first].sum())
    if min(rows) < 1:
        return np.ones((len(bins.names), len(bins.names)))
    joint = np.stack([fold(part, bins) for part in chance.evidence(p, q, rows)])
    own = np.diagonal(joint, axis1=1, axis2=2)
    share = (p + q) / sum(rows)
    one = np.diag(share)
    expected = np.outer(one, one)
    bond = fold(np.divide(share * share, expected, out=np.zeros_like(share), where=expected > 0), bins) - 1
    return chance.interaction(joint, own[:, :, None], own[:, None, :], rows=rows, bond=np.maximum(bond, 0))


def pearson(frame: Frame, names: list[str]) -> np.ndarray:
    """Pearson correlation of ordered columns over the rows where both are present; NaN where one does not vary."""
    if not names:
        return np.empty((0, 0))
    x = np.array([frame[n] for n in names])
    here = ~np.isnan(x)
    x = x / np.maximum(np.abs(np.where(here, x, 0)).max(1, initial=0), 1e-300)[:, None]  # squares of great numbers overflow
    n = np.maximum(here.sum(1), 1)
    centre = np.where(here, x, 0).sum(1) / n
    x = np.where(here, x - centre[:, None], 0)
    scale = np.sqrt((x * x).sum(1) / n)
    x /= np.where(scale > 0, scale, 1)[:, None]
    w = here.astype(np.float64)
    n2, s, ss, cross = w @ w.T, x @ w.T, (x * x) @ w.T, x @ x.T
    spread = (n2 * ss - s * s) * (n2 * ss - s * s).T
    top = n2 * cross - s * s.T
    return np.divide(top, np.sqrt(np.maximum(spread, 0)), out=np.full_like(top, np.nan), where=spread > 1e-9)
