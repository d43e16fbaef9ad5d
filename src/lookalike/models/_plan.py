"""The way from noise to a row: how much noise a part has at each level, and which part is told more of at each step.

Levels of a part are a schedule of its own: with each one it tells as much more of its code as with the one before. So a price is known to
be low or high before it is known to the cent, a column that is nearly always 0 is told at once, and no step tells much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.nets.blocks import Layout

__all__ = ["Plan", "points", "schedule"]

LEAST = 1.5
"""Nats: a part that has less to tell is told at once."""
NODES, PICKED, CODES = 8, 64, 256
"""Nodes at which a normal law is integrated, codes for which it is, evenly by their share; codes at most, others are joined."""
SIGMAS = np.geomspace(4.0, 0.004, 24)
"""Noises tried."""
BEYOND = 1.5
"""Missing lies so far below the lowest value."""


@dataclass(frozen=True)
class Plan:
    """Levels and steps.

    line: float64 [codes], where codes of ordered parts lie. sigma: float64 [parts, levels], the noise of each level, 0 where there is none:
    level 0 is clear, level `top` [parts] is hidden. events: (part, level to which it is brought), in order. groups: which events are one
    step. states: int64 [steps, parts], levels before each step. moved: float32 [steps, parts], 1 for the parts that a step moves.
    """

    line: np.ndarray
    sigma: np.ndarray
    top: np.ndarray
    events: tuple[tuple[int, int], ...]
    groups: tuple[tuple[int, ...], ...]
    states: np.ndarray
    moved: np.ndarray

    @property
    def soft(self) -> tuple[int, ...]:
        """Parts that are ever noised; the others are only hidden."""
        return tuple(int(p) for p in np.flatnonzero(self.top > 1))

    @classmethod
    def of(cls, line: np.ndarray, sigma: np.ndarray, first: np.ndarray, *, steps: int | None) -> Plan:
        """The plan of these levels; first: for each part, the first part of its column, which is told before it; steps: at most."""
        top = 1 + (sigma > 0).sum(1)
        events = _events(top, first)
        groups = np.array_split(np.arange(len(events)), min(steps or len(events), len(events)))
        level, states = top.copy(), np.zeros((len(groups), len(top)), np.int64)
        moved = np.zeros(states.shape, np.float32)
        for k, group in enumerate(groups):
            states[k] = level
            for e in group:
                part, level[part] = events[e][0], events[e][1]
                moved[k, part] = 1
        return cls(line, sigma, top, tuple(events), tuple(tuple(g.tolist()) for g in groups), states, moved)


def points(layout: Layout, counts: np.ndarray) -> np.ndarray:
    """float64 [codes]: normal scores of the middles of the codes' shares, part by part; missing lies below all."""
    from scipy.special import ndtri

    line = np.zeros(layout.offsets[-1])
    for a, b in zip(layout.offsets[:-1], layout.offsets[1:], strict=True):
        there = counts[a + 1 : b] + 0.5
        line[a + 1 : b] = ndtri((np.cumsum(there) - there / 2) / there.sum())
        line[a] = line[a + 1 : b].min(initial=0.0) - BEYOND
    return line


def schedule(layout: Layout, counts: np.ndarray, line: np.ndarray, *, levels: int) -> np.ndarray:
    """float64 [parts, levels + 1]: noises of level 1, 2 …, rising, at which a part tells even shares of its information."""
    sigma = np.zeros((len(layout.sizes), levels + 1))
    for p, ordered in enumerate(layout.ordered):
        here = slice(*layout.offsets[p : p + 2])
        share, at = _joined(counts[here], line[here])
        entropy = float(-(share * np.log(share)).sum())
        if not ordered or entropy < LEAST:
            continue
        told = np.array([_told(share, at, s) for s in SIGMAS])
        wanted = entropy * np.arange(levels - 1, 0, -1) / levels
        sigma[p, 1:levels] = np.exp(np.interp(wanted, told, np.log(SIGMAS)))
    return sigma


def _joined(counts: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares and places of the codes that occur; neighbours are joined where they are more than CODES."""
    there = np.flatnonzero(counts)
    share = counts[there] / max(counts.sum(), 1)
    starts = np.unique(np.linspace(0, len(there), CODES + 1).astype(int)[:-1]) if len(there) > CODES else np.arange(len(there))
    if not len(starts):
        return np.zeros(0), np.zeros(0)
    joined = np.add.reduceat(share, starts)
    return joined, np.add.reduceat(share * line[there], starts) / joined


def _told(share: np.ndarray, at: np.ndarray, sigma: float) -> float:
    """Nats that a value with noise `sigma` tells of its code."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    picked = np.searchsorted(np.cumsum(share), (np.arange(PICKED) + 0.5) / PICKED).clip(max=len(share) - 1)
    away = (at[picked, None, None] + sigma * nodes[:, None] - at) / sigma
    density = np.log(np.exp(away * away * -0.5) @ share)
    return float(((-(nodes**2) / 2 - density) @ (weights / weights.sum())).mean())


def _events(top: np.ndarray, first: np.ndarray) -> list[tuple[int, int]]:
    """What happens to which part, in order: all parts are told more of side by side, those told at once are spread over the way."""
    once = np.flatnonzero(top == 1)
    found: list[tuple[float, int, int]] = []
    ended: dict[int, float] = {}
    for p, levels in enumerate(top.tolist()):
        times = (np.arange(levels) + 0.5) / levels if levels > 1 else (np.searchsorted(once, [p]) + 0.5) / len(once)
        if first[p] != p:
            times = ended[int(first[p])] + (1 - ended[int(first[p])]) * times
        ended[p] = float(times[-1])
        found += [(float(t), p, levels - 1 - j) for j, t in enumerate(times)]
    return [(p, level) for _, p, level in sorted(found, key=lambda f: f[:2])]
