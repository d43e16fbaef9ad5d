"""Pairs of levels that a stage draws too seldom: found by a pilot draw, and put in place of some of the drawn codes.

Trees cut levels into groups, and a leaf is as wide as is best on average, so that a strong tie between two rare levels (a diagnosis and its
companion, an airport and its state) is lost among the others. A pilot tells which pairs are missing, and by how much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Pairs", "find_pairs"]

FEWEST = 5
"""Rows that must hold a pair."""
SURE = 2.5
"""Standard errors by which a pair must be drawn too seldom."""
COMMON = 0.25
"""Share of a level's rows from which on a code is left to the trees: to add to it would replace too much of what they know."""
MOST_CELLS = 4_000_000
"""Pairs that are counted at most."""


@dataclass(frozen=True)
class Pairs:
    """Codes that are put in place of drawn ones, by the level of part `of`.

    chance: float32 [levels], how often a code is replaced; `level` int64, `code` uint16, `share` float64 [pairs]: by which, in rising order
    of levels and codes; the shares of a level sum to 1.
    """

    of: int
    chance: np.ndarray
    level: np.ndarray
    code: np.ndarray
    share: np.ndarray

    def put(self, drawn: np.ndarray, codes: np.ndarray, *, seed: int, first: int) -> None:
        """Replace some of `drawn` uint16 [n], in rows with `codes` uint16 [parts, n]; `first`: number of the first row."""
        level = codes[self.of]
        chance, lot = self.chance[level], _uniform(seed, first, len(drawn))
        rows = np.flatnonzero(lot < chance)
        self._write(drawn, rows, level[rows], lot[rows] / chance[rows])  # the lot is below the chance: their ratio is a lot too

    def put_among(self, drawn: np.ndarray, mass: np.ndarray, codes: np.ndarray, weight: np.ndarray, *, seed: int, first: int) -> np.ndarray:
        """As `put`, but only codes that will do; `mass` float64 [n] is the chance that the drawn ones do, and what is returned after it.

        weight: float32 [codes], the share of each code that will do.
        """
        only = np.bincount(self.level, self.share * weight[self.code], len(self.chance))  # of what is put, the share that will do
        level = codes[self.of]
        often = self.chance[level] * only[level]
        kept = (1 - self.chance[level]) * mass
        total = kept + often
        told = self.share * weight[self.code]
        mine = Pairs(self.of, np.zeros_like(self.chance), self.level, self.code, told / np.maximum(only, 1e-300)[self.level])
        lot = _uniform(seed, first, len(drawn))
        rows = np.flatnonzero(lot * total < often)
        mine._write(drawn, rows, level[rows], (lot[rows] * total[rows]) / often[rows])
        return total

    def _write(self, drawn: np.ndarray, rows: np.ndarray, level: np.ndarray, lot: np.ndarray) -> None:
        """Codes for `rows`, by lots in [0, 1) among the pairs of their `level`."""
        starts = np.searchsorted(self.level, np.arange(len(self.chance) + 1))
        upto = np.cumsum(self.share)
        before = np.concatenate([[0.0], upto])[starts[level]]
        at = np.searchsorted(upto, before + lot, side="right")
        drawn[rows] = self.code[np.minimum(at, starts[level + 1] - 1)]

    def told(self, chance: np.ndarray, codes: np.ndarray, own: np.ndarray) -> np.ndarray:
        """float64 [n]: the chance of the codes `own` in rows with `codes`, where it was `chance` before."""
        level = codes[self.of].astype(np.int64)
        size = 1 + max(int(self.code.max()), int(own.max(initial=0)))
        key, wanted = self.level * size + self.code, level * size + own
        at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        often = self.chance[level].astype(np.float64)
        return (1 - often) * chance + often * np.where(key[at] == wanted, self.share[at], 0.0)

    def changed(self, learned: np.ndarray) -> float:
        """Share of the rows with codes `learned` of part `of` in which a code is replaced."""
        return float(self.chance[learned].mean())

    def given(self, learned: np.ndarray, size: int) -> np.ndarray:
        """float64 [size]: share of the rows with codes `learned` of part `of` that get each code."""
        often = np.bincount(learned, minlength=len(self.chance)) / len(learned) * self.chance
        return np.bincount(self.code, often[self.level] * self.share, size)


def find_pairs(of: int, real: tuple[np.ndarray, np.ndarray], drawn: tuple[np.ndarray, np.ndarray], sizes: tuple[int, int]) -> Pairs | None:
    """The pairs that are missing; None if there are none, or more kinds of pairs than can be counted.

    real, drawn: codes of part `of` and of the stage's own part, in rows learned from and in rows of a pilot. sizes: codes of the two.
    """
    size = sizes[1]
    if sizes[0] * size > MOST_CELLS:
        return None
    had, got = (np.bincount(x.astype(np.int64) * size + y, minlength=sizes[0] * size) for x, y in (real, drawn))
    of_real, of_drawn = (counts.reshape(sizes).sum(1) for counts in (had, got))
    cell = np.flatnonzero(had >= FEWEST)
    cell = cell[of_drawn[cell // size] > 0]
    level = cell // size
    due, was = had[cell] / of_real[level], got[cell] / of_drawn[level]
    both = (had[cell] + got[cell]) / (of_real[level] + of_drawn[level])
    sure = (due - was) / np.sqrt(both * (1 - both) * (1 / of_real[level] + 1 / of_drawn[level]) + 1e-12)
    keep = (sure > SURE) & (was < COMMON)
    if not keep.any():
        return None
    level, code, was = level[keep], (cell % size)[keep], was[keep]
    lack = (due[keep] - was) * (1 - 1 / sure[keep] ** 2)  # James & Stein 1961: drawn towards no change
    # What replaces drawn codes takes from these very codes, too.
    chance = np.minimum(np.bincount(level, lack, sizes[0]) / np.maximum(1 - np.bincount(level, was, sizes[0]), COMMON), 1.0)
    put = lack + chance[level] * was
    return Pairs(of, chance.astype(np.float32), level, code.astype(np.uint16), put / np.bincount(level, put, sizes[0])[level])


def _uniform(seed: int, first: int, n: int) -> np.ndarray:
    """float64 [n] in [0, 1): one for each row, by its number (splitmix64, Steele et al. 2014)."""
    x = (np.arange(first, first + n, dtype=np.uint64) + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
