"""Moving the distribution of a score within each group to that of all groups between them, step by step.

A row is moved by the mean of its groups' shifts, weighted with the chance that it is in each: where the group is seen, one step does all.
Where it is not, the score stays a function of what is seen, and steps are repeated until the groups' distributions agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Finish = Callable[[np.ndarray], np.ndarray]

FEWEST_HERE = 25
"""Rows that a group needs in a stratum to be moved there."""
KNOTS = (np.arange(256) + 0.5) / 256
"""Quantiles by which distributions are moved."""
STEPS, NEAR = 40, 0.01
"""Steps at most; they end when groups are this near: on average, in standard deviations of the score, or in the share that is selected."""
WIDTH = 0.15
"""Reach about a threshold, in standard deviations of the score."""


@dataclass(frozen=True)
class Move:
    """One step in one stratum: how far scores of each group and column are shifted at their quantiles, both [groups, columns, knots]."""

    knots: np.ndarray
    shifts: np.ndarray

    def __call__(self, scores: np.ndarray, chances: np.ndarray) -> np.ndarray:
        """Moved scores [n, columns]; `chances` [n, groups]: of being in each."""
        out = scores.copy()
        for g in range(len(self.knots)):
            for c in range(scores.shape[1]):
                if self.shifts[g, c].any():
                    out[:, c] += chances[:, g] * np.interp(scores[:, c], self.knots[g, c], self.shifts[g, c])
        return out


@dataclass(frozen=True)
class Transport:
    """The steps of a repair: for each a move by stratum. `gaps`: mean distance of groups from their middle, before and after."""

    steps: tuple[dict[int, Move], ...]
    finish: Finish
    gaps: tuple[float, float]
    idle: float
    """Share of the rows whose group was too small in its stratum to be moved."""

    @classmethod
    def learn(
        cls, scores: np.ndarray, chances: np.ndarray, *, group: np.ndarray, stratum: np.ndarray, finish: Finish, share: np.ndarray | None
    ) -> Transport:
        """Learn from the scores [n, columns] of pilot rows.

        chances: [n, groups], of being in each. group, stratum: [n], where rows are. finish: what keeps scores in bounds. share: for each
        column that of the rows that are selected, if parity is asked at that threshold only.
        """
        steps: list[dict[int, Move]] = []
        spread = np.maximum(scores.std(0), 1e-12)
        parts = {int(b): np.flatnonzero(stratum == b) for b in np.unique(stratum)}
        idle, gaps = 0, []
        for _ in range(STEPS + 1):
            found = {b: _move(scores[rows], group[rows], chances.shape[1], spread, share) for b, rows in parts.items()}
            idle = sum(few for _, _, few in found.values())
            gaps.append(sum(gap * len(parts[b]) for b, (_, gap, _) in found.items()) / len(scores))
            if gaps[-1] < NEAR or len(steps) == STEPS:
                break
            steps.append({b: move for b, (move, _, _) in found.items()})
            scores = finish(_stepped(scores, chances, parts, steps[-1]))
        return cls(tuple(steps), finish, (gaps[0], gaps[-1]), idle / len(scores))

    def __call__(self, scores: np.ndarray, chances: np.ndarray, stratum: np.ndarray) -> np.ndarray:
        """The repaired scores [n, columns] of rows with these chances [n, groups] and strata [n]."""
        parts = {int(b): np.flatnonzero(stratum == b) for b in np.unique(stratum)}
        for step in self.steps:
            scores = self.finish(_stepped(scores, chances, parts, step))
        return scores


def _stepped(scores: np.ndarray, chances: np.ndarray, parts: dict[int, np.ndarray], step: dict[int, Move]) -> np.ndarray:
    out = scores.copy()
    for b, rows in parts.items():
        if b in step:
            out[rows] = step[b](scores[rows], chances[rows])
    return out


def _move(scores: np.ndarray, group: np.ndarray, groups: int, spread: np.ndarray, share: np.ndarray | None) -> tuple[Move, float, int]:
    """The step of one stratum, the mean distance of its groups from their middle, and the rows of groups too small to be moved."""
    knots = np.zeros((groups, scores.shape[1], len(KNOTS)))
    shifts, gap, counts = np.zeros_like(knots), 0.0, np.bincount(group, minlength=groups)
    moved = np.flatnonzero(counts >= FEWEST_HERE)
    for c in range(scores.shape[1] if len(moved) > 1 else 0):
        quantiles = np.stack([np.quantile(scores[group == g, c], KNOTS) for g in moved])
        middle = counts[moved] @ quantiles / counts[moved].sum()
        reach, far = np.ones(len(KNOTS)), np.abs(quantiles - middle).mean(1) / spread[c]
        if share is not None:
            cut = np.interp(1 - share[c], KNOTS, middle)
            reach = np.exp(-0.5 * ((middle - cut) / (WIDTH * spread[c])) ** 2)
            far = np.abs((quantiles > cut).mean(1) - (middle > cut).mean())
        gap += float(far.mean()) / scores.shape[1]
        knots[moved, c] = quantiles
        shifts[moved, c] = np.maximum.accumulate(quantiles + reach * (middle - quantiles), axis=1) - quantiles
    return Move(knots, shifts), gap, int(counts[counts < FEWEST_HERE].sum())
