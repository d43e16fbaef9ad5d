"""A row that was learned from lies nearer to synthetic rows than real rows usually do."""

from __future__ import annotations

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.compare.threat import Guess, Seen, Threat

THREAT = Threat(
    title="Nearest row",
    definition=(
        "How much nearer the nearest synthetic row is to the target than real rows of the same law are (relative difference of the "
        "distance to the nearest synthetic row and the mean distance to the five nearest reference rows)."
    ),
    source="distance to closest record, calibrated by reference rows (DCR-Diff in Synth-MIA 2025); why DCR alone fails: Yao et al. 2025",
    knows="the synthetic table, and other real rows of the same law",
    wants="membership",
    strength="weak",
    rank=10,
)


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """Relative difference of two distances, -1 to 1."""
    made = seen.near(targets, seen.synthetic)[0][:, 0].astype(np.float64)
    real = seen.near(targets, seen.reference)[0][:, :5].mean(1, dtype=np.float64)
    return Guess((real - made) / (real + made + 1e-3))
