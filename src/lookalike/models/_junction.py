"""Junction trees: the table of greatest entropy that has given marginals, its marginals, its rows, and the odds of a row.

Noisy marginals over few columns each leave a table's distribution open; of all that fit them best, the one of greatest entropy is a
product over cliques. A junction tree of these cliques makes its marginals by passing messages, in time linear in the cliques' sizes.
(McKenna, Sheldon, Miklau 2019, private-PGM; Lauritzen, Spiegelhalter 1988. Mirror descent is scaled cell by cell here, see `fit`.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Clique = tuple[int, ...]

STEADY = 1e-4
"""Fitting ends when an iteration takes off less than this share of what is off."""
BOLD = 2.0
"""No cell's log probability moves by more than this at once."""


@dataclass(frozen=True)
class Measured:
    """Noisy counts of the value combinations of a clique's columns, shaped as those columns are, with the deviation of the noise."""

    clique: Clique
    counts: np.ndarray
    sigma: float


@dataclass(frozen=True)
class Junction:
    """A tree of cliques over columns with `sizes` values each.

    cliques: columns of each, rising. parents: for each clique the number of the one before it that it hangs on, -1 for the first.
    """

    sizes: tuple[int, ...]
    cliques: tuple[Clique, ...]
    parents: tuple[int, ...]

    @classmethod
    def of(cls, sizes: Sequence[int], wanted: Iterable[Clique]) -> Junction:
        """The tree whose cliques hold all `wanted` ones and every column."""
        found = _maximal(_eliminate(_neighbours(len(sizes), wanted), sizes))
        order, parents = _span(found)
        return cls(tuple(sizes), tuple(found[k] for k in order), tuple(parents))

    def shape(self, clique: Clique) -> tuple[int, ...]:
        """Values of each column of a clique."""
        return tuple(self.sizes[c] for c in clique)

    @cached_property
    def cells(self) -> int:
        """Cells of all cliques together."""
        return sum(math.prod(self.shape(c)) for c in self.cliques)

    @cached_property
    def seams(self) -> tuple[Clique, ...]:
        """For each clique the columns that it shares with its parent."""
        return tuple(
            tuple(c for c in clique if c in self.cliques[p]) if p >= 0 else () for clique, p in zip(self.cliques, self.parents, strict=True)
        )

    def home(self, clique: Clique) -> int | None:
        """The smallest clique that holds all columns of `clique`; None if none does."""
        fits = [k for k, c in enumerate(self.cliques) if set(clique) <= set(c)]
        return min(fits, key=lambda k: math.prod(self.shape(self.cliques[k]))) if fits else None

    def zeros(self) -> list[np.ndarray]:
        """Log potentials of the table in which nothing depends on anything."""
        return [np.zeros(self.shape(c)) for c in self.cliques]

    def calibrate(self, logs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Probabilities of each clique's cells, by one pass of messages up the tree and one down."""
        beliefs = [np.exp(x - x.max()) for x in logs]
        up: list[np.ndarray] = [np.ones(())] * len(logs)
        for k in range(len(logs) - 1, 0, -1):
            message = summed(beliefs[k], self.cliques[k], self.seams[k])
            up[k] = message / max(message.max(), 1e-300)
            p = self.parents[k]
            beliefs[p] *= spread(up[k], self.seams[k], self.cliques[p])
        beliefs[0] /= beliefs[0].sum()
        for k in range(1, len(logs)):
            p = self.parents[k]
            down = summed(beliefs[p], self.cliques[p], self.seams[k])
            ratio = np.divide(down, up[k], out=np.zeros_like(down), where=up[k] > 0)
            beliefs[k] *= spread(ratio, self.seams[k], self.cliques[k])
            beliefs[k] /= max(beliefs[k].sum(), 1e-300)
        return beliefs

    def moved(self, old: Junction, logs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The potentials of another tree of the same columns, each in a clique of this tree; those that fit in none are left out."""
        made = self.zeros()
        for clique, x in zip(old.cliques, logs, strict=True):
            home = self.home(clique)
            if home is not None:
                made[home] += spread(x, clique, self.cliques[home])
        return made

    def draw(self, beliefs: Sequence[np.ndarray], n: int, rng: np.random.Generator) -> np.ndarray:
        """int64 [n, columns]: rows whose cliques hold as many of each cell as they should, but for rounding; in random order."""
        rows = np.zeros((n, len(self.sizes)), np.int64)
        for clique, seam, belief in zip(self.cliques, self.seams, beliefs, strict=True):
            new = tuple(c for c in clique if c not in seam)
            if not new:
                continue
            order = [clique.index(c) for c in (*seam, *new)]
            given = math.prod(self.shape(seam))
            chances = belief.transpose(order).reshape(given, -1)
            at = np.ravel_multi_index([rows[:, c] for c in seam], self.shape(seam)) if seam else np.zeros(n, np.int64)
            picked = pick(chances, at, rng)
            for c, values in zip(new, np.unravel_index(picked, self.shape(new)), strict=True):
                rows[:, c] = values
        return rows

    def log_prob(self, beliefs: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        """float64 [n]: log probability of each of `rows` [n, columns]."""
        total = np.zeros(len(rows))
        with np.errstate(divide="ignore"):
            for clique, seam, belief in zip(self.cliques, self.seams, beliefs, strict=True):
                total += np.log(belief)[tuple(rows[:, c] for c in clique)]
                if seam:
                    total -= np.log(np.maximum(summed(belief, clique, seam), 1e-300))[tuple(rows[:, c] for c in seam)]
        return total


def fit(
    tree: Junction, logs: list[np.ndarray], measured: Sequence[Measured], *, total: float, most: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """`(logs, beliefs)` that come nearest to what was measured, by squares weighted with the noise; `logs` is where to begin.

    Every iteration moves each log potential against the gradient over its own curvature: rare cells then learn as fast as common ones,
    where plain mirror descent needs a thousand iterations. A move that makes things worse is taken back and halved.
    """
    homes = [tree.home(m.clique) for m in measured]
    ready = [k for k, home in enumerate(homes) if home is not None]
    beliefs, pace, before = tree.calibrate(logs), 1.0, math.inf
    tried, kept = logs, beliefs
    for _ in range(most):
        off, gradient, curve = 0.0, tree.zeros(), tree.zeros()
        for k in ready:
            m, home = measured[k], homes[k]
            clique = tree.cliques[home]
            mean = total * summed(beliefs[home], clique, m.clique)
            gap = mean - m.counts
            off += 0.5 * float((gap**2).sum()) / m.sigma**2
            gradient[home] += spread(gap * (total / m.sigma**2), m.clique, clique)
            curve[home] += spread((mean + 0.3 * m.sigma) * (total / m.sigma**2), m.clique, clique)
        if off > before:
            pace /= 2
            if pace < 1e-3:
                break
        else:
            if before - off < STEADY * off and pace > 0.05:
                return tried, beliefs
            logs, kept, before = tried, beliefs, off
            step = [np.clip(np.divide(g, c, out=np.zeros_like(g), where=c > 0), -BOLD, BOLD) for g, c in zip(gradient, curve, strict=True)]
            pace = min(1.0, pace * 1.2)
        tried = [x - pace * s for x, s in zip(logs, step, strict=True)]
        beliefs = tree.calibrate(tried)
    return logs, kept


def summed(array: np.ndarray, clique: Clique, onto: Clique) -> np.ndarray:
    """`array` over the columns of `clique`, summed to those of `onto`, which are among them."""
    away = tuple(i for i, c in enumerate(clique) if c not in onto)
    return array.sum(axis=away) if away else array


def spread(array: np.ndarray, clique: Clique, onto: Clique) -> np.ndarray:
    """`array` over `clique` in a shape that broadcasts against one over `onto`, which holds those columns."""
    shape = iter(array.shape)
    return array.reshape([next(shape) if c in clique else 1 for c in onto])


def pick(chances: np.ndarray, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int64 [n]: a column of `chances` [given, choices] for each row number of `at` [n], as often as it should, but for rounding.

    Rows with the same number are put in random order and share out the line from 0 to 1 evenly (systematic sampling).
    """
    upto = np.cumsum(chances, axis=1)
    whole = upto[:, -1:]
    upto = np.where(whole > 0, upto / np.maximum(whole, 1e-300), np.linspace(0, 1, chances.shape[1] + 1)[1:])
    n, given = len(at), len(chances)
    order = np.argsort(at + rng.random(n))  # by number, and in random order within it
    sizes = np.bincount(at, minlength=given)
    rank = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    where = np.empty(n)
    where[order] = (rank + rng.random(n)) / np.repeat(sizes, sizes)
    line = (upto + np.arange(given)[:, None]).ravel()
    found = np.searchsorted(line, at + np.minimum(where, 1 - 2**-40), side="right") - at * chances.shape[1]
    return np.clip(found, 0, chances.shape[1] - 1)


def _neighbours(columns: int, wanted: Iterable[Clique]) -> list[int]:
    """For each column the columns it shares a clique with, as bits."""
    near = [0] * columns
    for clique in wanted:
        bits = sum(1 << c for c in clique)
        for c in clique:
            near[c] |= bits & ~(1 << c)
    return near


def _bits(mask: int) -> list[int]:
    """The numbers of the bits that are set, rising."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def _eliminate(near: list[int], sizes: Sequence[int]) -> list[int]:
    """Cliques, as bits, that remain when columns are taken out one by one, the one with the smallest clique first."""
    near = list(near)
    logs = [math.log(max(s, 1)) for s in sizes]
    cost = [logs[c] + sum(logs[b] for b in _bits(near[c])) for c in range(len(sizes))]
    left, cliques = set(range(len(sizes))), []
    while left:
        c = min(left, key=lambda c: (cost[c], c))
        left.remove(c)
        around = near[c]
        cliques.append(around | 1 << c)
        for b in _bits(around):
            near[b] = (near[b] | around) & ~(1 << b) & ~(1 << c)
        for b in _bits(around):
            cost[b] = logs[b] + sum(logs[x] for x in _bits(near[b]))
    return cliques


def cells(sizes: Sequence[int], wanted: Iterable[Clique]) -> int:
    """Cells of the junction tree that would hold all `wanted` cliques."""
    masks = _eliminate(_neighbours(len(sizes), wanted), sizes)
    return sum(math.prod(sizes[c] for c in clique) for clique in _maximal(masks))


def _maximal(masks: list[int]) -> list[Clique]:
    """Those that are in no other, as columns."""
    kept: list[int] = []
    for mask in sorted(set(masks), key=lambda m: (-m.bit_count(), m)):
        if not any(mask & k == mask for k in kept):
            kept.append(mask)
    return [tuple(_bits(m)) for m in kept]


def _span(cliques: list[Clique]) -> tuple[list[int], list[int]]:
    """`(order, parents)`: a spanning tree in which neighbours share as many columns as can be; parents are numbers in the order."""
    sets = [set(c) for c in cliques]
    order, parents, left = [0], [-1], set(range(1, len(cliques)))
    best = {k: (len(sets[0] & sets[k]), 0) for k in left}
    while left:
        k = min(left, key=lambda k: (-best[k][0], k))
        left.remove(k)
        parents.append(best[k][1])
        order.append(k)
        for other in left:
            shared = len(sets[k] & sets[other])
            if shared > best[other][0]:
                best[other] = (shared, len(order) - 1)
    return order, parents
