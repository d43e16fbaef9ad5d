"""How a forest draws when something is asked of its rows: each stage draws only what will do, and knows how likely it was to.

Parts are drawn in a fixed order, so what is asked of a late one says something of those before it. Rows go on in proportion to the chance
that each stage gives to what is asked: the unlikely end, the likely are drawn on more than once (sequential Monte Carlo by splitting and
Russian roulette, Kahn and Harris 1951). Where much is known of single rows, copies of each compete (particle filter, Gordon et al. 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from lookalike.encode import Within
    from lookalike.models._stage import Stage

__all__ = ["LEAST", "Guide", "Inside", "Known", "decided", "gate_of", "going_on"]

LEAST = 1e-30
"""A chance below this is none."""
DOUBT, UNTOLD = 1e-4, 0.02
"""Share of the marginal mixed into the chance of what is known, so that there is always some; the chance, in shares of the marginal, below
which a copy does not explain it."""
SPLIT, MOST_COPIES = 0.98, 20
"""Share of the rows that go on once at most; and how often any row may go on."""


class Guide(Protocol):
    """What is asked of rows."""

    def draw(self, stage: Stage, bins: np.ndarray, codes: np.ndarray, *, seed: int, first: int) -> np.ndarray:
        """Codes uint16 [n] of a stage, for rows whose earlier parts have `bins` and `codes`."""
        ...

    def settle(self, *, seed: int) -> np.ndarray | None:
        """Which rows go on, by number, after the last draw; None if all do."""
        ...


class Inside:
    """Cells within some codes, the same for all rows.

    gates: {part: chance for which a row goes on once}; without them this is a pilot, which finds them, and in which as many rows go on
    as there were. `rate`: the share of rows that go on to the end, as a pilot has found it; 0 where none could. `chance`: that of a row
    that is drawn freely to be within.
    """

    def __init__(self, weight: dict[int, np.ndarray], gates: dict[int, float] | None = None) -> None:
        self.weight, self.gates, self.pilot = weight, {} if gates is None else gates, gates is None
        self.rate = self.chance = 1.0
        self._last: tuple[int, np.ndarray] | None = None

    def draw(self, stage: Stage, bins: np.ndarray, codes: np.ndarray, *, seed: int, first: int) -> np.ndarray:
        """See `Guide`."""
        self._last = None
        if stage.part not in self.weight:
            return stage.draw(bins, codes, seed=seed, first=first)
        drawn, mass = stage.draw_among(bins, codes, self.weight[stage.part], seed=seed, first=first)
        self._last = stage.part, mass
        return drawn

    def settle(self, *, seed: int) -> np.ndarray | None:
        """See `Guide`."""
        if self._last is None:
            return None
        (part, mass), rng = self._last, np.random.default_rng(seed)
        if self.pilot:
            self.gates[part] = gate = gate_of(mass)
            self.chance *= float(mass.mean())
            self.rate *= float(mass.mean()) / gate
            if self.rate < LEAST:
                self.rate = 0.0
                return None
            return systematic(mass[None] / mass.sum(), rng)[0]
        return going_on(mass, self.gates[part], rng)


def gate_of(weight: np.ndarray) -> float:
    """The weight with which a row goes on once: few have more, and none so much more that it would be drawn on all too often."""
    return max(float(np.quantile(weight, SPLIT)), float(weight.max()) / MOST_COPIES, LEAST)


def going_on(weight: np.ndarray, gate: float, rng: np.random.Generator) -> np.ndarray:
    """Numbers of the rows that go on, those above the `gate` more than once: on average as often as their weight is to it."""
    return np.repeat(np.arange(len(weight)), np.floor(weight / gate + rng.random(len(weight))).astype(np.int64))


class Known:
    """Rows of which some parts are known, each its own: `own` uint16 and `known` bool [parts, n]. Each row is there `beam` times in turn.

    `told` float64 [n]: log of how likely what is known was, as far as it hangs on what was drawn. fill: parts that are drawn are not
    missing, where there is anything else. `lost` bool [n / beam]: rows none of whose copies explained something that is known.
    """

    def __init__(self, own: np.ndarray, known: np.ndarray, *, beam: int, fill: bool) -> None:
        self.own, self.known, self.beam, self.fill = own, known, beam, fill
        self.told, self._begun = np.zeros(own.shape[1]), np.zeros(own.shape[1], bool)
        self.lost = np.zeros(own.shape[1] // beam, bool)

    def draw(self, stage: Stage, bins: np.ndarray, codes: np.ndarray, *, seed: int, first: int) -> np.ndarray:
        """See `Guide`."""
        p = stage.part
        known, drawn = self.known[p], self.own[p].copy()
        rows = np.flatnonzero(known & self._begun)
        if len(rows):
            told = stage.chance(bins[:, rows], codes[:, rows], self.own[p, rows], doubt=DOUBT)
            self.told[rows] += np.log(np.maximum(told, LEAST))
            best = np.ones(len(self.lost))
            best[rows // self.beam] = 0
            np.maximum.at(best, rows // self.beam, told / stage.share(self.own[p, rows]))
            self.lost |= best < UNTOLD
        if not known.all():
            drawn[~known] = self._free(stage, bins, codes, seed=seed, first=first)[~known]
            self._begun |= ~known
        return drawn

    def settle(self, *, seed: int) -> np.ndarray | None:
        """Where few of a row's copies have nearly all the weight, those go on in place of the others."""
        if self.beam == 1:
            return None
        told = self.told.reshape(-1, self.beam)
        share = np.exp(told - told.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        poor = np.flatnonzero(1 / (share**2).sum(1) < self.beam / 2)
        if not len(poor):
            return None
        kept = np.arange(self.told.size).reshape(told.shape)
        kept[poor] = poor[:, None] * self.beam + systematic(share[poor], np.random.default_rng(seed))
        told[poor] = 0.0
        return kept.ravel()

    def choose(self, rng: np.random.Generator) -> np.ndarray:
        """int64 [n / beam]: one of each row's copies, by their weights."""
        told = self.told.reshape(-1, self.beam)
        lot = told - np.log(rng.exponential(size=told.shape))  # the greatest is drawn in proportion to its weight (Gumbel 1954)
        return np.arange(len(told)) * self.beam + lot.argmax(1)

    def _free(self, stage: Stage, bins: np.ndarray, codes: np.ndarray, *, seed: int, first: int) -> np.ndarray:
        """What is drawn where nothing is known."""
        if not self.fill or stage.size < 2:
            return stage.draw(bins, codes, seed=seed, first=first)
        weight = np.ones(stage.size, np.float32)
        weight[0] = 0
        return stage.draw_among(bins, codes, weight, seed=seed, first=first)[0]


def systematic(share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int64 [n, k]: which of k copies go on in each row, about in proportion to `share` [n, k] (Kitagawa 1996)."""
    n, k = share.shape
    upto = np.minimum(np.cumsum(share, axis=1), 1.0)
    upto[:, -1] = 1.0
    lots = (np.arange(k) + rng.random((n, 1))) / k
    row = 2.0 * np.arange(n)[:, None]
    found = np.searchsorted((upto + row).ravel(), (lots + row).ravel(), side="right").reshape(n, k)
    return np.minimum(found - np.arange(n)[:, None] * k, k - 1)


def decided(within: Within, stages: Sequence[Stage]) -> dict[int, np.ndarray]:
    """The weights of `within`, and what they mean for parts that decide others exactly."""
    weight = dict(within.weight)
    for stage in reversed(stages):
        if stage.table is not None and stage.part in weight:
            through = weight[stage.part][stage.table]
            weight[stage.decider] = weight[stage.decider] * through if stage.decider in weight else through
    return weight
