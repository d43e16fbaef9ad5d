"""How a private fit looks at one column: a noisy histogram where the values are few, a noisy tree of ranges where they are many.

A tree is measured from coarse to fine, and a range is cut further only if its noisy count says that enough rows are in it. Every row
is in one range of a level, so a level costs what one histogram costs; spikes are found exactly, and empty stretches are
not paid for. (Zhang, Xiao, Xie 2016, PrivTree; Hay et al. 2010 for counts that agree with those above them.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lookalike.privacy.ledger import Allowance

DENSE = 256
"""A column of at most so many values is measured value by value."""
FAN = 16
TOP = 64
"""Ranges of the coarsest level, at most; each is cut into FAN."""
DEEPER = 0.6
"""What a level may spend, beside the one above it: what is still to be cut further down is large, and bears more noise."""
SURE = 4.0
"""A range is cut if its count is so many times the noise of a part of it."""
EMPTY = 5.0
"""A power of two is between the limits if its count is so many times its noise: of 160 empty ones none is, in 10,000 fits but one."""


class Rows:
    """The noisy number of rows, told by every histogram, the better the fewer bins it has."""

    def __init__(self) -> None:
        self.weight, self.sum = 0.0, 0.0

    def hear(self, total: float, variance: float) -> float:
        """What is known of the number of rows with one more estimate of it; 1 at least."""
        self.weight += 1 / variance
        self.sum += total / variance
        return self.estimate

    @property
    def estimate(self) -> float:
        """Rows, as far as is known."""
        return max(self.sum / self.weight, 1.0) if self.weight else 1.0


@dataclass(frozen=True)
class Ranges:
    """A noisy tree's leaves, in order: first and last value number of each, float64 rows; and rows that are missing."""

    first: np.ndarray
    last: np.ndarray
    rows: np.ndarray
    missing: float


@dataclass(frozen=True)
class Look:
    """What one column may spend: zCDP `rho`, out of `allowance`; a subject changes `sensitivity` rows at most.

    cells: ranges with fewer than 1/cells of the rows are not cut. delta: the chance, outside of `rho`, that finding levels may take.
    """

    allowance: Allowance
    rho: float
    what: str
    rows: Rows = field(default_factory=Rows)
    sensitivity: int = 1
    cells: int = 256
    delta: float = 0.0

    def part(self, share: float, what: str) -> Look:
        """A share of this look, for one of several things that are looked at."""
        return Look(
            allowance=self.allowance, rho=self.rho * share, what=f"{self.what} {what}", rows=self.rows, sensitivity=self.sensitivity,
            cells=self.cells, delta=self.delta * share,
        )  # fmt: skip

    def counts(self, ids: np.ndarray, size: int) -> np.ndarray:
        """float64 [size], 0 or more: noisy rows with each id of `ids` [n], which sum to the noisy number of rows."""
        from lookalike.privacy import mechanisms

        exact = np.bincount(ids, minlength=size).astype(np.int64)
        noisy, sigma = mechanisms.counts(exact, self.allowance, rho=self.rho, what=self.what, sensitivity=self.sensitivity)
        return project(noisy.astype(np.float64), self.rows.hear(float(noisy.sum()), size * sigma**2))

    def levels(self, found: Mapping[str, int], missing: int) -> tuple[dict[str, float], float]:
        """Levels that enough subjects share, with noisy rows, and noisy missing rows; the rows of others are nowhere."""
        from lookalike.privacy import mechanisms

        half = self.rho / 2
        kept = mechanisms.levels(
            found, self.allowance, rho=half, delta=self.delta, what=f"levels of {self.what}", sensitivity=self.sensitivity,
            per_unit=self.sensitivity, length=self.sensitivity,
        )  # fmt: skip
        gone, _ = mechanisms.counts(np.array([missing]), self.allowance, rho=half, what=self.what, sensitivity=self.sensitivity)
        return {level: float(n) for level, n in kept.items()}, max(float(gone[0]), 0.0)

    def span(self, values: np.ndarray, *, otherwise: tuple[float, float] = (0.0, 1.0)) -> tuple[float, float]:
        """Limits of `values` [n], to the next power of two: the outermost powers that hold more rows than noise would make of none.

        Where none does, `otherwise`, which must be public.
        """
        from lookalike.privacy import mechanisms

        edges = 2.0 ** np.arange(-20, 61)
        edges = np.concatenate([-edges[::-1], [0.0], edges])
        exact = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].astype(np.int64)
        noisy, sigma = mechanisms.counts(exact, self.allowance, rho=self.rho, what=f"limits of {self.what}", sensitivity=self.sensitivity)
        full = np.flatnonzero(noisy > EMPTY * sigma + 1)
        return (float(edges[full[0]]), float(edges[full[-1] + 1])) if len(full) else otherwise

    def tree(self, numbers: np.ndarray, size: int, missing: int | None) -> Ranges:
        """Noisy rows by ranges of the value numbers 0 … size-1; `numbers` int64 [n], of rows that are not missing; None: none may be."""
        widths = _widths(size)
        shares = DEEPER ** np.arange(len(widths))
        shares *= self.rho / shares.sum()
        done: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        starts, gone, rows = np.arange(0, size, widths[0]), 0.0, np.zeros(0)
        for level, width in enumerate(widths):
            noisy, sigma = self._level(numbers, starts, width, rho=shares[level], missing=missing if level == 0 else None)
            if level == 0:
                total = self.rows.hear(float(noisy.sum()), len(noisy) * sigma**2)
                noisy[: len(starts)] = smoothed(noisy[: len(starts)], sigma)
                fitted = project(noisy, total)
                rows, gone = (fitted, 0.0) if missing is None else (fitted[:-1], float(fitted[-1]))
            else:
                rows = _families(noisy, rows, sigma)
            last = np.minimum(starts + width, size) - 1
            finest = level + 1 == len(widths)
            child = np.inf if finest else self.sensitivity / np.sqrt(2 * shares[level + 1])
            cut = (rows >= max(self.rows.estimate / self.cells, SURE * child)) & (last > starts)
            done.append((starts[~cut], last[~cut], rows[~cut]))
            if not cut.any():
                break
            starts = (starts[cut, None] + np.arange(0, width, widths[level + 1])).ravel()
            starts, rows = starts[starts < size], rows[cut]  # what lies beyond the last value has no rows
        first, last, rows = (np.concatenate(x) for x in zip(*done, strict=True))
        order = np.argsort(first)
        return Ranges(first[order], last[order], rows[order], gone)

    def _level(self, numbers: np.ndarray, starts: np.ndarray, width: int, *, rho: float, missing: int | None) -> tuple[np.ndarray, float]:
        """Noisy counts of the ranges at `starts`, float64, with that of missing rows at the end if given; and the noise's deviation."""
        from lookalike.privacy import mechanisms

        at = np.searchsorted(starts, numbers, side="right") - 1
        here = (at >= 0) & (numbers - starts[np.maximum(at, 0)] < width)
        exact = np.bincount(at[here], minlength=len(starts)).astype(np.int64)
        exact = exact if missing is None else np.append(exact, missing)
        noisy, sigma = mechanisms.counts(exact, self.allowance, rho=rho, what=self.what, sensitivity=self.sensitivity)
        return noisy.astype(np.float64), sigma


def smoothed(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """Counts of neighbouring ranges, float64 [n], without such differences as noise of deviation `sigma` makes: spikes stay.

    Haar wavelets at every place, those within the universal threshold set to 0 (Donoho and Johnstone 1994; Coifman and Donoho 1995).
    """
    n = len(noisy)
    if n < 4:
        return noisy
    means, gaps = np.concatenate([noisy, noisy[::-1]]), []  # mirrored, so that the ends are no neighbours
    reach, least = 1, sigma * np.sqrt(2 * np.log(n))
    while reach < n:
        ahead = np.roll(means, -reach)
        least /= np.sqrt(2)
        gap = (means - ahead) / 2
        gaps.append((reach, np.where(np.abs(gap) > least, gap, 0.0)))
        means, reach = (means + ahead) / 2, 2 * reach
    for reach, gap in reversed(gaps):
        means = (means + gap + np.roll(means - gap, reach)) / 2
    return means[:n]


def project(counts: np.ndarray, total: float) -> np.ndarray:
    """The nearest counts, none below 0, that sum to `total` (Duchi et al. 2008): what is too much is taken off all alike."""
    if not len(counts):
        return counts
    falling = np.sort(counts)[::-1]
    excess = (np.cumsum(falling) - total) / np.arange(1, len(counts) + 1)
    last = np.flatnonzero(falling > excess)
    return np.maximum(counts - excess[last[-1]], 0.0) if len(last) else np.full(len(counts), total / len(counts))


def _widths(size: int) -> list[int]:
    """Values in a range of each level, from the coarsest to 1."""
    widths = [1]
    if size > DENSE:
        while -(-size // widths[-1]) > TOP:
            widths.append(widths[-1] * FAN)
    return widths[::-1]


def _families(noisy: np.ndarray, above: np.ndarray, sigma: float) -> np.ndarray:
    """The counts of each family of FAN ranges (the last may be smaller), made to sum to the count of the range they were cut from."""
    ends = np.minimum(np.arange(1, len(above) + 1) * FAN, len(noisy))
    parts = np.split(noisy, ends[:-1])
    return np.concatenate([project(part, float(total)) for part, total in zip(parts, above, strict=True)])
