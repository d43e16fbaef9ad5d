"""Around a row that was learned from, synthetic rows are denser than real ones."""

from __future__ import annotations

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.compare.threat import NEAR, Guess, Seen, Threat

THREAT = Threat(
    title="Crowded neighbourhood",
    definition=(
        "In balls around the target that reach to its 3rd, 8th and 16th nearest reference row: how many synthetic rows there are, "
        "against how many there would be if they followed the same law (mean of the three logarithms of the ratio)."
    ),
    source="local density and data plagiarism index: Ward et al. 2024; local neighbourhood attack in Synth-MIA 2025",
    knows="the synthetic table, and other real rows of the same law",
    wants="membership",
    strength="medium",
    rank=30,
)
BALLS = (3, 8, 16)


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """Mean log ratio of the density of synthetic rows to that of reference rows."""
    made, real = seen.near(targets, seen.synthetic)[0], seen.near(targets, seen.reference)[0]
    share = seen.synthetic.rows / seen.reference.rows
    found = np.zeros(targets.rows)
    for k in BALLS:
        k = min(k, real.shape[1])
        radius = real[:, k - 1 : k] + 1e-4
        inside = (made <= radius).sum(1).astype(np.float64)
        # More than were looked up: the ball is that much larger than the one that holds them.
        inside += np.where(inside == NEAR, np.log(radius[:, 0] / (made[:, -1] + 1e-4)).clip(0), 0)
        found += np.log((inside + 0.5) / (k * share + 0.5))
    return Guess(found / len(BALLS) - 1e-3 * made[:, 0])
