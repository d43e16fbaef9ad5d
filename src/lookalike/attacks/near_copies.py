"""A synthetic row that repeats many cells of the target, among them rare ones, was not made without it."""

from __future__ import annotations

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.compare.threat import Guess, Seen, Threat

THREAT = Threat(
    title="Near copies",
    definition=(
        "Of the synthetic rows nearest to the target, the one that repeats the most of it: cells that agree (numbers to 1 % of all "
        "ranks) count by how rare they are among reference rows. The same for reference rows is subtracted: what is repeated by "
        "chance gives nobody away."
    ),
    source="this project; true against phantom disclosure",
    knows="the synthetic table, and other real rows of the same law",
    wants="membership",
    strength="weak",
    rank=0,
)
LOOKED_AT = 32
CLOSE = 0.01


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """Surprise, in nats, of the best agreement with a synthetic row, less that with a reference row."""
    sides = [_best(targets, other, seen) for other in (seen.synthetic, seen.reference)]
    return Guess(sides[0] - sides[1])


def _best(targets: Frame, other: Frame, seen: Seen) -> np.ndarray:
    rows = seen.near(targets, other)[1][:, :LOOKED_AT]
    total, known = np.zeros(rows.shape), seen.reference
    for name in targets.names:
        mine, theirs = targets[name], other[name]
        if targets.is_label(name):
            counts = np.bincount(known[name] + 1, minlength=len(known.levels[name]) + 1)
            worth = -np.log((counts + 1) / (known.rows + len(counts)))[mine + 1]
            same = theirs[rows] == mine[:, None]
        else:
            order = np.sort(known[name][~known.missing(name)])
            # Where many rows have the same number, agreeing in it is no surprise.
            low, high = (np.searchsorted(order, mine, side=side) / max(len(order), 1) for side in ("left", "right"))
            worth = -np.log(np.clip(np.where(np.isnan(mine), known.missing(name).mean(), high - low), CLOSE, 1))
            place = (np.searchsorted(order, theirs) + np.searchsorted(order, theirs, side="right")) / max(2 * len(order), 1)
            gap = np.abs(place[rows] - ((low + high) / 2)[:, None])
            gone = np.isnan(mine)[:, None], np.isnan(theirs)[rows]
            same = np.where(gone[0] | gone[1], gone[0] & gone[1], gap <= CLOSE / 2)
        total += worth[:, None] * same
    return total.max(1)
