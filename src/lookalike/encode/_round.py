"""The grid that a column's numbers lie on (so many decimals, or whole multiples of a unit), and how often they are rounder than it.

Between shared values people still round: salaries end in 000, times in :15. Per cell the *ladder* holds, for each rounder
step, the share of rows that were rounded to it, beyond the multiples that would occur by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.encode._tally import Tally

TENS = (5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 100_000, 1_000_000)
"""Ladder of decimal numbers, in grid steps; each divides the next."""
MONEY = 2
"""Up to so many decimals, multiples of five of them are habits of their own; beyond, fewer decimals are."""
_EXACT = 2.0**53
_SLACK = 1e-6


def tens(decimals: int | None) -> tuple[int, ...]:
    """The ladder of numbers with so many decimals: fives and tens; with many decimals, numbers that have fewer, and then fives and tens."""
    if decimals is None or decimals <= MONEY:
        return TENS
    return (*(10**k for k in range(1, decimals + 1)), *(10**decimals * step for step in TENS[:6]))


@dataclass(frozen=True)
class Grid:
    """Floats with `decimals` digits (None: as they come), or, where `unit` is not 0, integers `base` + curve value, multiples of `unit`."""

    decimals: int | None = None
    unit: int = 0
    base: int = 0
    steps: tuple[int, ...] = TENS

    def to_json(self) -> dict[str, Any]:
        return {"decimals": self.decimals, "unit": self.unit, "base": self.base, "steps": list(self.steps)}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Grid:
        return cls(raw["decimals"], raw["unit"], raw["base"], tuple(raw["steps"]))

    @property
    def dtype(self) -> type:
        return np.int64 if self.unit else np.float64

    @property
    def free(self) -> bool:
        """There is no grid: any float will do."""
        return not self.unit and self.decimals is None

    @property
    def half(self) -> float:
        """Half a step, in curve values; 0 without a grid."""
        return 0.0 if self.free else self.unit / 2 if self.unit else 0.5 * 10.0**-self.decimals  # type: ignore[operator]

    def steps_in(self, x: np.ndarray | float) -> Any:
        """`x` in steps of the grid."""
        return x / self.unit if self.unit else x * 10.0**self.decimals  # type: ignore[operator]

    def value_of(self, steps: np.ndarray | float) -> Any:
        """The inverse of `steps_in`; division by a power of ten gives the float that is written with so many digits."""
        return steps * self.unit if self.unit else steps / 10.0**self.decimals  # type: ignore[operator]

    def snap(self, x: np.ndarray) -> np.ndarray:
        """The nearest numbers on the grid, in the column's own type, never -0.0."""
        if not self.free:
            steps = self.steps_in(x)
            x = np.where(np.abs(steps) < _EXACT, self.value_of(np.rint(steps)), x)
        if not self.unit:
            return x + 0.0
        return np.clip(x, -(2.0**63) - min(self.base, 0), 2.0**63 - 1024 - max(self.base, 0)).astype(np.int64) + self.base

    def within(self, low: float, high: float, *, bottom: bool) -> tuple[float, float]:
        """The outermost numbers on the grid that are in [low, high]; where there is none, the one on the inner side."""
        if self.free:
            return low, high
        a, b = np.ceil(self.steps_in(low) - _SLACK), np.floor(self.steps_in(high) + _SLACK)
        a, b = (a, a) if a > b and bottom else (b, b) if a > b else (a, b)
        return float(self.value_of(a)), float(self.value_of(b))

    def edge(self, x: np.ndarray | float) -> Any:
        """The nearest places halfway between two numbers on the grid."""
        return x if self.free else self.value_of(np.rint(self.steps_in(x) - 0.5) + 0.5)

    def between(self, left: float, right: float) -> float:
        """A place to cut: left < cut <= right, near the middle and off the grid if that can be."""
        middle = left / 2 + right / 2
        for cut in (float(self.edge(middle)), middle):
            if left < cut <= right:
                return cut
        return right

    def limits(self, first: float, last: float, *, open_above: bool) -> tuple[float, float]:
        """Least and greatest number that a cell whose curve goes from `first` to `last` may give."""
        if first == last:
            return first, last
        if self.free:
            return first, float(np.nextafter(last, first)) if open_above else last
        a, b = np.ceil(self.steps_in(first) - _SLACK), np.floor(self.steps_in(last) + _SLACK)
        return float(self.value_of(a)), float(self.value_of(max(a, b)))


def settle(cuts: np.ndarray, low: list[float], high: list[float], t: Tally, grid: Grid) -> tuple[list[Any], list[Any], list[Any]]:
    """`(cuts, low, high)` in the column's own type, such that low <= high < cut <= next low; points exactly as they were counted."""
    ends = len(t.low) - 1
    middle = t.middle(grid.base)

    def own(x: float, point: bool) -> Any:
        if point:
            at = min(int(np.searchsorted(middle, x)), ends)
            if middle[at] == x:
                return t.low[at].item()
        return min(max(int(x) + grid.base, -(2**63)), 2**63 - 1) if grid.unit else x + 0.0

    flat = [a == b for a, b in zip(low, high, strict=True)]
    lows = [own(x, p) for x, p in zip(low, flat, strict=True)]
    highs = [own(x, p) for x, p in zip(high, flat, strict=True)]
    placed: list[Any] = [0] * len(cuts)
    for c in range(len(cuts) - 1, -1, -1):
        below = lows[c + 1] - 1 if grid.unit else float(np.nextafter(lows[c + 1], -np.inf))
        highs[c] = min(highs[c], below)
        lows[c] = min(lows[c], highs[c])
        cut = int(np.ceil(cuts[c])) + grid.base if grid.unit else float(cuts[c])
        placed[c] = cut if highs[c] < cut <= lows[c + 1] else lows[c + 1]
    return placed, lows, highs


def ladder(t: Tally, loose: np.ndarray, cell: np.ndarray, cells: int, grid: Grid) -> list[list[float]]:
    """Per cell and step of the grid's ladder the share of rows rounded to that step or a rounder one; [] if none are.

    loose: bool [buckets], the buckets that are no points. cell: int [buckets].
    """
    if grid.free or grid.base or not grid.steps:
        return []
    middle = grid.steps_in(t.middle())
    steps = np.rint(middle)
    usable = loose & t.exact & (np.abs(steps) < _EXACT) & (np.abs(steps - middle) < 1e-3)
    whole, cell, rows = steps[usable].astype(np.int64), cell[usable], t.rows[usable]
    total = np.bincount(cell, rows, cells)
    before, share, last, out = total, np.ones(cells), 1, []
    for step in grid.steps:
        here = np.bincount(cell, rows * (whole % step == 0), cells)
        chance = before * last / step
        excess = here - chance
        sure = excess > 3 * np.sqrt(chance) + 3
        share = np.minimum(np.where(sure, excess / np.maximum(total * (1 - last / step), 1), 0), share)
        out.append(share)
        before, last = here, step
    found = np.round(np.stack(out, axis=1), 4)
    return found.tolist() if found.any() else []


def coarsen(
    x: np.ndarray, u: np.ndarray, cell: np.ndarray, *, share: np.ndarray, limits: tuple[np.ndarray, np.ndarray], grid: Grid
) -> np.ndarray:
    """Round some of `x` further, as the ladder `share` [cells, steps] of each one's `cell` says; never out of the cell's `limits`."""
    x, (low, high) = x.copy(), limits
    lot, at = (u * 104_729) % 1.0, np.arange(len(x))
    for k, step in enumerate(grid.steps):
        at = at[lot[at] < share[cell[at], k]]  # who is rounded to a step is among those who are rounded to the step before
        rounder = grid.value_of(np.rint(grid.steps_in(x[at]) / step) * step)
        fits = (rounder >= low[cell[at]]) & (rounder <= high[cell[at]])
        x[at[fits]] = rounder[fits]
    return x
