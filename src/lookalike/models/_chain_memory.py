"""What a row is drawn by beside its owner: the rows before it, as codes and as running summaries, kept up step by step.

The same code runs over the rows learned from and over the rows that are drawn, so that both look back in the same way. Everything is in
codes: cells of a column have about equal mass, so that a mean of codes is a mean of ranks, which no outlier moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

RATES = (0.3, 0.08)
"""Weight of the newest value in running levels (exponential smoothing, Brown 1956): a quick one, and one that follows a slow trend."""
LEVELS = 8
"""A nominal part with so many levels at most has the share of each of them so far as a feature."""
AGED = 4_095
"""Steps that are told apart since a part changed."""
TENTH = 10
"""Bins for each doubling of a count."""
TOP = 126


def counted(x: np.ndarray) -> np.ndarray:
    """uint8: bins of whole numbers ≥ 0 that are exact for small ones and TENTH for each doubling beyond."""
    return np.minimum(TENTH * np.log2(1.0 + np.maximum(x, 0)), TOP + 1).astype(np.uint8)


_AGE = counted(np.arange(AGED + 1))


@dataclass(frozen=True)
class Layout:
    """Which features there are: for parts with `sizes` int64 [parts] (missing counted), `ordered` bool, `gaps` bool (may be missing).

    `maps` uint8 [parts, most codes]: the bin of each code; `lags`: how many rows before are looked at one by one.
    """

    sizes: np.ndarray
    ordered: np.ndarray
    gaps: np.ndarray
    maps: np.ndarray
    lags: int

    @cached_property
    def _held(self) -> np.ndarray:
        return np.flatnonzero(self.gaps)

    @cached_property
    def _ranked(self) -> np.ndarray:
        return np.flatnonzero(self.ordered & (self.sizes > 2))

    @cached_property
    def _levels(self) -> tuple[np.ndarray, np.ndarray]:
        """Part and code of each level that is counted."""
        few = np.flatnonzero(~self.ordered & (self.sizes <= LEVELS + 1) & (self.sizes > 2))
        found = [(p, c) for p in few for c in range(1, self.sizes[p])]
        both = np.array(found, np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    @cached_property
    def about(self) -> np.ndarray:
        """int64 [features]: the part that each feature is of."""
        every = np.arange(len(self.sizes))
        return np.concatenate([*[every] * self.lags, self._held, every, every, *[self._ranked] * (1 + len(RATES)), self._levels[0]])

    @cached_property
    def nominal(self) -> np.ndarray:
        """bool [features]: whether the bins of a feature have no order."""
        named, rest = ~self.ordered, len(self.about) - self.lags * len(self.sizes) - len(self._held)
        return np.concatenate([*[named] * self.lags, named[self._held], np.zeros(rest, bool)])


class Memory:
    """What has been so far, for `n` owners side by side; owners whose rows have ended must come last."""

    def __init__(self, layout: Layout, n: int) -> None:
        self.layout, self.steps = layout, 0
        parts = len(layout.sizes)
        self.before = np.zeros((layout.lags, parts, n), np.uint16)
        self.last = np.zeros((parts, n), np.uint16)
        self.age, self.changes = np.zeros((parts, n), np.int16), np.zeros((parts, n), np.float32)
        ranked = len(layout._ranked)
        self.total, self.count = np.zeros((ranked, n), np.float32), np.zeros((ranked, n), np.float32)
        self.level = np.zeros((len(RATES), ranked, n), np.float32)
        self.tally = np.zeros((len(layout._levels[0]), n), np.float32)

    def features(self, a: int) -> np.ndarray:
        """uint8 [features, a]: the bins of the first `a` owners, for their next row."""
        of = self.layout
        every = np.arange(len(of.sizes))[:, None]
        made = [of.maps[every, lag[:, :a]] for lag in self.before]
        made.append(of.maps[of._held[:, None], self.last[of._held, :a]])
        made.append(_AGE[self.age[:, :a]])
        made.append((self.changes[:, :a] * (TOP / max(self.steps, 1))).astype(np.uint8))
        size = of.sizes[of._ranked][:, None].astype(np.float32)
        count = self.count[:, :a]
        made.append(np.where(count > 0, 1 + self.total[:, :a] / np.maximum(count, 1) / size * TOP, 0).astype(np.uint8))
        made += [np.where(count > 0, 1 + level[:, :a] / size * TOP, 0).astype(np.uint8) for level in self.level]
        made.append((self.tally[:, :a] * (TOP / max(self.steps, 1))).astype(np.uint8))
        return np.concatenate(made)

    def update(self, codes: np.ndarray) -> None:
        """Take in the rows `codes` (uint16 [parts, a]) of the first owners."""
        a, of = codes.shape[1], self.layout
        known = codes > 0
        held = self.last[:, :a]
        same = ~known | (codes == held)
        self.age[:, :a] = np.where(same, np.minimum(self.age[:, :a] + 1, AGED), 0)
        self.changes[:, :a] += ~same & (held > 0)
        self.last[:, :a] = np.where(known, codes, held)
        for k in range(of.lags - 1, 0, -1):
            self.before[k, :, :a] = self.before[k - 1, :, :a]
        if of.lags:
            self.before[0, :, :a] = codes
        ranked = codes[of._ranked].astype(np.float32)
        there = ranked > 0
        self.total[:, :a] += ranked
        self.count[:, :a] += there
        first = self.count[:, :a] <= 1
        for rate, level in zip(RATES, self.level[:, :, :a], strict=True):
            level += np.where(there, np.where(first, 1, np.float32(rate)) * (ranked - level), 0)
        part, code = of._levels
        self.tally[:, :a] += codes[part] == code[:, None]
        self.steps += 1


def looking_back(layout: Layout, codes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """uint8 [features, n]: for each row of `codes` (uint16 [parts, n], one owner's rows after the other) what came before it."""
    out = np.zeros((len(layout.about), codes.shape[1]), np.uint8)
    order = np.argsort(-sizes, kind="stable")
    starts = (np.cumsum(sizes) - sizes)[order]
    memory = Memory(layout, len(sizes))
    for t, a in enumerate(active(sizes[order])):
        at = starts[:a] + t
        out[:, at] = memory.features(a)
        memory.update(codes[:, at])
    return out


def active(sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    """int64 [longest]: how many owners have a row at each step; `sizes` falling."""
    sizes = np.asarray(sizes)
    longest = int(sizes.max(initial=0))
    return np.searchsorted(-sizes, -np.arange(longest), side="left")
