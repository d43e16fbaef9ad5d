"""Groups of rows that are named alike: by whom and in what company, as far as more than chance tells.

Of each row the mean of the children that name it is estimated as an empirical Bayes estimator does: from its own columns by ridge
regression, and from its own children by as much as their number allows (Robbins 1956; Efron and Morris 1973). Rows are grouped by these
estimates (k-means, Lloyd 1982), at least as many to a group as are needed to hide one.
"""

from __future__ import annotations

import numpy as np

from lookalike.models._kin_pick import mixed

__all__ = ["Spread", "features", "groups", "slots"]

MOST_LEVELS = 12
"""Levels of a category that are looked at one by one."""
MOST_GROUPS = 24
LOOKED_AT = 20_000
"""Rows that centres are found by at most."""
TURNS = 25
WORTH = 0.02
"""Variance between rows, in shares of that within, below which a feature says nothing of whom it is named by."""
RIDGES = (1.0, 10.0, 100.0, 1_000.0)


def features(columns: list[tuple[np.ndarray, bool]], rows: int) -> np.ndarray:
    """float32 [rows, f]: numbers (float64, NaN is missing) as normal scores of their ranks, codes (int, -1 is missing) as indicators."""
    made = []
    for values, ordered in columns:
        if ordered:
            gone = np.isnan(values)
            if gone.any() and not gone.all():
                made.append(gone.astype(np.float32))
            there = np.flatnonzero(~gone)
            if len(there) > 1:
                levels, place, count = np.unique(values[there], return_inverse=True, return_counts=True)
                middle = (np.cumsum(count) - count / 2) / len(there)
                score = np.zeros(len(values), np.float32)
                score[there] = _normal(middle)[place]
                if len(levels) > 1:
                    made.append(score)
        else:
            count = np.bincount(values[values >= 0])
            common = np.argsort(-count, kind="stable")[:MOST_LEVELS]
            made += [(values == level).astype(np.float32) for level in common if 0 < count[level] < len(values)]
    return np.stack(made, axis=1) if made else np.zeros((rows, 0), np.float32)


def _normal(share: np.ndarray) -> np.ndarray:
    """Quantiles of the normal distribution, roughly (Tukey's lambda)."""
    return (share**0.1349 - (1 - share) ** 0.1349) / 0.1975


def groups(own: np.ndarray, to: np.ndarray, children: np.ndarray, *, least: int, rng: np.random.Generator) -> np.ndarray:
    """int64 [k]: the group of each row, from 0.

    own: float [k, f] features of the rows; to: int64 [n], the row that each child names; children: float [n, g] features of the children,
    and of whose they are; least: rows in a group at least.
    """
    rows, most = len(own), min(len(own) // max(least, 1), MOST_GROUPS)
    if most < 2 or not len(to) or not children.shape[1]:
        return np.zeros(rows, np.int64)
    estimate = _estimated(own, to, children.astype(np.float64))
    if not estimate.shape[1]:
        return np.zeros(rows, np.int64)
    return _merged(estimate, _means(estimate, most, rng), least)


def _estimated(own: np.ndarray, to: np.ndarray, children: np.ndarray) -> np.ndarray:
    """float64 [k, g']: what is known of the mean child of each row, in units of the spread within rows; features that differ only."""
    count = np.bincount(to, minlength=len(own)).astype(np.float64)
    sums = np.zeros((len(own), children.shape[1]))
    np.add.at(sums, to, children)
    named = count > 0
    mean = np.divide(sums, count[:, None], out=np.zeros_like(sums), where=named[:, None])
    within = ((children - mean[to]) ** 2).sum(0) / max(len(to) - named.sum(), 1) + 1e-9
    mean, within = mean / np.sqrt(within), 1.0
    centre = np.average(mean[named], axis=0, weights=count[named])
    base = centre + _ridge(own.astype(np.float64), mean - centre, count)
    spread = np.average((mean[named] - base[named]) ** 2, axis=0, weights=count[named])
    between = np.maximum(spread - within * named.sum() / count.sum(), 0.0)
    known = count[:, None] * between / (count[:, None] * between + within)
    estimate = base + known * np.where(named[:, None], mean - base, 0.0)
    return estimate[:, np.average((estimate - centre) ** 2, axis=0, weights=count + 1e-9) > WORTH]


def _ridge(own: np.ndarray, mean: np.ndarray, count: np.ndarray) -> np.ndarray:
    """float64 [k, g]: `mean` as far as `own` tells it, by the ridge that does best on rows left out one by one; else nothing."""
    if not own.shape[1]:
        return np.zeros_like(mean)
    weight = np.sqrt(count)[:, None]
    x = own - np.average(own, axis=0, weights=count)
    u, s, vt = np.linalg.svd(weight * x, full_matrices=False)
    y = weight * mean
    uy = u.T @ y
    best, least = np.zeros_like(mean), (y**2).sum(0)
    for ridge in RIDGES:
        shrunk = s**2 / (s**2 + ridge)
        lever = (u**2 * shrunk).sum(1)[:, None]
        left = ((y - u @ (shrunk[:, None] * uy)) / np.maximum(1 - lever, 1e-3)) ** 2
        loss = left.sum(0)
        better = loss < least
        best[:, better] = (x @ (vt.T @ ((shrunk / np.maximum(s, 1e-12))[:, None] * uy)))[:, better]
        least = np.minimum(loss, least)
    return best


def _means(x: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """float64 [c, g]: centres of `most` groups at most."""
    seen = x[rng.permutation(len(x))[:LOOKED_AT]]
    centres = seen[:1]
    far = ((seen - centres[0]) ** 2).sum(1)
    while len(centres) < most and far.max() > 1e-12:
        chosen = int(np.searchsorted(np.cumsum(far), rng.random() * far.sum()))  # k-means++, Arthur and Vassilvitskii 2007
        centres = np.concatenate([centres, seen[chosen : chosen + 1]])
        far = np.minimum(far, ((seen - centres[-1]) ** 2).sum(1))
    for _ in range(TURNS):
        nearest = _nearest(seen, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, seen)
        count = np.bincount(nearest, minlength=len(centres))[:, None]
        moved = np.where(count > 0, sums / np.maximum(count, 1), centres)
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres


def _merged(x: np.ndarray, centres: np.ndarray, least: int) -> np.ndarray:
    """int64 [k]: the nearest centre of each row; centres with few rows give way, the one with the fewest first."""
    while True:
        nearest = _nearest(x, centres)
        count = np.bincount(nearest, minlength=len(centres))
        if len(centres) < 2 or count.min() >= least:
            return nearest
        centres = np.delete(centres, count.argmin(), axis=0)


def _nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    square = (centres**2).sum(1)
    return np.concatenate([(square - 2 * part @ centres.T).argmin(1) for part in np.array_split(x, max(1, len(x) // LOOKED_AT))])


def slots(to: np.ndarray, whose: np.ndarray, rows: int, *, least: int) -> tuple[np.ndarray, np.ndarray]:
    """(groups int64 [k], degrees float64 [k]) of a table with few rows: each that enough subjects name is its own group.

    to: int64 [n], the row that each child names, of whom each is subject `whose`. The others are of one group, and told apart only by
    whether they are named at all.
    """
    pairs = np.unique(np.stack([to, whose]), axis=1)[0]
    holders, degree = np.bincount(pairs, minlength=rows), np.bincount(to, minlength=rows).astype(np.float64)
    shared = holders >= least
    few = (degree > 0) & ~shared
    degree[few] = degree[few].mean() if few.any() else 0.0
    group = np.full(rows, int(shared.sum()), np.int64)
    group[shared] = np.arange(int(shared.sum()))
    return group, degree


class Spread:
    """How a count is spread over rows, told by blocks of at least so many rows: `share` float64 [b] of the rows in each block, `mean`
    float64 [b] of its counts, `half` float64 [b], how far counts lie from it at most."""

    def __init__(self, share: np.ndarray, mean: np.ndarray, half: np.ndarray) -> None:
        self.share, self.mean, self.half = share, mean, half

    @classmethod
    def of(cls, counts: np.ndarray, least: int) -> Spread:
        """The spread of counts, int64 [n], by blocks of at least `least` rows."""
        values, rows = np.unique(counts, return_counts=True)
        begins, held = [0], 0
        for k in range(len(values)):
            held += rows[k]
            if held >= least and rows[k + 1 :].sum() >= least:
                begins.append(k + 1)
                held = 0
        blocks = list(zip(begins, [*begins[1:], len(values)], strict=True)) if len(values) else []
        share = np.array([rows[a:b].sum() for a, b in blocks]) / max(rows.sum(), 1)
        mean = np.array([np.average(values[a:b], weights=rows[a:b]) for a, b in blocks])
        square = np.array([np.average(values[a:b] ** 2.0, weights=rows[a:b]) for a, b in blocks])
        rounding = (mean % 1) * (1 - mean % 1)  # variance of a whole number at random above or below its mean
        reach = np.sqrt(3 * np.maximum(square - mean**2 - rounding, 0.0))  # of the uniform distribution with the rest of it
        room = np.minimum(np.diff(mean, prepend=0.0), np.diff(mean, append=np.inf))
        return cls(share, mean, np.minimum(reach, room))

    def put(self, drawn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """int64 [n]: counts of this spread, in the order of those `drawn`; those that are equal in random order."""
        n = len(drawn)
        if not n or not len(self.share):
            return np.zeros(n, np.int64)
        rank = np.empty(n)
        rank[np.lexsort((rng.random(n), drawn))] = (np.arange(n) + rng.random()) / n
        block = np.minimum(np.searchsorted(np.cumsum(self.share), rank, side="right"), len(self.share) - 1)
        order = mixed(block, rng)
        many = np.bincount(block, minlength=len(self.share))
        place = np.empty(n)
        place[order] = np.arange(n) - np.repeat(np.cumsum(many) - many, many)
        value = np.maximum(self.mean[block] + self.half[block] * (2 * (place + rng.random(n)) / many[block] - 1), 0.0)
        reach = self.half[block] * (value > 0)
        value += reach * (n * float(self.share @ self.mean) - value.sum()) / max(reach.sum(), 1e-9)  # as many in all as they should be
        upto = np.floor(np.cumsum(np.maximum(value[order], 0.0)) + rng.random() + 1e-9)
        whole = np.empty(n, np.int64)
        whole[order] = np.diff(upto, prepend=0.0).astype(np.int64)
        return whole
