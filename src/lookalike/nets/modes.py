"""Mode-specific normalisation: a place on a line of cells becomes a mode and a place inside it (Xu et al. 2019, CTGAN).

Modes are the Gaussians of a variational mixture, and the heavy points, each of its own. The mixture is found from counts of cells, so
it costs the same for any number of rows, needs no sample and no random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Axis", "axis", "mixture"]

MODES = 10
"""Gaussians of a line at most."""
SPIKE = 0.02
"""A code that holds this share of a line is a mode of its own."""
LEAST = 0.005
"""Gaussians with a smaller share are left out."""
ROUNDS = 60
"""Rounds of variational Bayes."""
REACH = 4.0
"""Standard deviations from the centre of a mode to its ends."""
KNOTS = 65
"""Quantiles by which places drawn are brought to those that were seen."""


@dataclass(frozen=True)
class Axis:
    """How the codes of one part are told: as they are (`light` None), or as modes and places.

    Modes: 0 missing, then `spikes` (codes), then Gaussians with `centre` and `spread` on the line of the `light` codes, whose places are
    0 … len(light). `knots` [Gaussians, KNOTS]: quantiles of the places of each.
    """

    size: int
    light: np.ndarray | None = None
    spikes: np.ndarray | None = None
    centre: np.ndarray | None = None
    spread: np.ndarray | None = None
    knots: np.ndarray | None = None

    def code(self, codes: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Modes int64 [n], drawn by their chances, and places in −1 … 1, float32 [n], 0 where there is none."""
        if self.light is None:
            return codes.astype(np.int64), np.zeros(len(codes), np.float32)
        mode, place = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.float32)
        for k, spike in enumerate(self.spikes):
            mode[codes == spike] = 1 + k
        soft = np.flatnonzero((codes > 0) & (mode == 0))
        if len(soft):
            x = np.searchsorted(self.light, codes[soft]) + inside[soft]
            chance = np.exp(-0.5 * ((x[:, None] - self.centre) / self.spread) ** 2) / self.spread + 1e-12
            upto = np.cumsum(chance, axis=1)
            which = (upto < rng.random(len(soft))[:, None] * upto[:, -1:]).sum(1)
            mode[soft] = 1 + len(self.spikes) + which
            place[soft] = np.clip((x - self.centre[which]) / (REACH * self.spread[which]), -1, 1)
        return mode, place

    def with_knots(self, mode: np.ndarray, place: np.ndarray) -> Axis:
        """The axis, with the quantiles of the places of each Gaussian."""
        if self.light is None:
            return self
        return Axis(self.size, self.light, self.spikes, self.centre, self.spread, self.quantiles(mode, place))

    def quantiles(self, mode: np.ndarray, place: np.ndarray) -> np.ndarray:
        """float64 [Gaussians, KNOTS], strictly rising; of a mode without places, those of all from −1 to 1."""
        found = np.tile(np.linspace(-1, 1, KNOTS), (len(self.centre), 1))
        for k in range(len(found)):
            mine = place[mode == 1 + len(self.spikes) + k]
            if len(mine):
                found[k] = np.quantile(mine, np.linspace(0, 1, KNOTS))
        return np.maximum.accumulate(found, axis=1) + np.arange(KNOTS) * 1e-7

    def uncode(self, mode: np.ndarray, place: np.ndarray, drawn: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Codes int64 [n] and positions inside them. drawn: the quantiles of places that are drawn, which are brought to `knots`."""
        inside = rng.random(len(mode))
        if self.light is None:
            return mode, inside
        codes = np.append(0, self.spikes)[np.minimum(mode, len(self.spikes))]
        for k in range(len(self.centre)):
            rows = np.flatnonzero(mode == 1 + len(self.spikes) + k)
            if not len(rows):
                continue
            jitter = 1e-3 * (rng.random(len(rows)) - 0.5)  # a generator that always says the same has ties, and these part them
            at = np.interp(place[rows] + jitter, drawn[k], self.knots[k])
            x = np.clip(self.centre[k] + REACH * self.spread[k] * at, 0, len(self.light) - 1e-6)
            codes[rows], inside[rows] = self.light[x.astype(int)], x % 1
        return codes, inside

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but the size."""
        names = ("light", "spikes", "centre", "spread", "knots")
        return {} if self.light is None else {name: np.asarray(getattr(self, name)) for name in names}

    @classmethod
    def of(cls, size: int, arrays: dict[str, Any]) -> Axis:
        """The inverse of `arrays`."""
        return cls(size, **arrays)


def axis(counts: np.ndarray, *, ordered: bool, line: int) -> Axis:
    """How to tell a part whose codes occurred `counts` times: ordered ones with more than `line` codes as modes and places."""
    seen = np.flatnonzero(counts[1:]) + 1
    if not ordered or len(seen) <= line:
        return Axis(len(counts))
    spikes = seen[counts[seen] >= SPIKE * counts[1:].sum()]
    light = np.setdiff1d(seen, spikes)
    if len(light) <= 2:
        return Axis(len(counts))
    centre, spread = mixture(np.arange(len(light)) + 0.5, counts[light].astype(np.float64))
    return Axis(1 + len(spikes) + len(centre), light, spikes, centre, spread)


def mixture(x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres and standard deviations of a variational Gaussian mixture of points x [n] with weights; Gaussians that are not needed vanish.

    (Bishop 2006, 10.2, in one dimension, with a Dirichlet prior of weight 0.001.)
    """
    from scipy.special import digamma

    low, wide = x.min(), np.ptp(x) or 1.0
    x, n = (x - low) / wide, weight.sum()
    upto = (np.cumsum(weight) - weight / 2) / n
    start = np.interp((np.arange(MODES) + 0.5) / MODES, upto, x)
    r = np.exp(-0.5 * ((x[:, None] - start) * MODES) ** 2) + 1e-300
    prior = np.average((x - np.average(x, weights=weight)) ** 2, weights=weight) / MODES**2 + 1e-6
    for _ in range(ROUNDS):
        r *= (weight / r.sum(1))[:, None]
        held = r.sum(0) + 1e-10
        mean = (r * x[:, None]).sum(0) / held
        gap = (r * (x[:, None] - mean) ** 2).sum(0)
        sure, shape, scale = 1e-3 + held, 1 + held / 2, prior + gap / 2
        share = digamma(1e-3 + held) - digamma(MODES * 1e-3 + n)
        log = share + 0.5 * (digamma(shape) - np.log(scale)) - 0.5 * (1 / sure + shape / scale * (x[:, None] - mean) ** 2)
        r = np.exp(log - log.max(1, keepdims=True)) + 1e-300
    kept = held >= max(LEAST * n, held.max() * LEAST)
    spread = np.sqrt(scale / shape)
    return mean[kept] * wide + low, np.maximum(spread[kept] * wide, 0.5)
