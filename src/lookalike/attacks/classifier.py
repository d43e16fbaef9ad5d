"""A learner that tells synthetic rows from real ones takes a row that was learned from for a synthetic one."""

from __future__ import annotations

import numpy as np

from lookalike.compare import boost
from lookalike.compare.frame import Frame
from lookalike.compare.threat import Guess, Seen, Threat

THREAT = Threat(
    title="Classifier ratio",
    definition="Gradient-boosted trees learn to tell synthetic from reference rows; their log-odds at the target are the score.",
    source="density ratio by classification, as in Synth-MIA 2025",
    knows="the synthetic table, and other real rows of the same law",
    wants="membership",
    strength="medium",
    rank=50,
    quick=False,
)
ROWS = 20_000


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """Log-odds of being synthetic."""
    sides = [f.cut(ROWS, rng) for f in (seen.synthetic, seen.reference)]
    (made, real, x), labels = boost.matrices([*sides, targets], targets.names)
    truth = np.repeat([1, 0], [len(made), len(real)])
    model = boost.classifier(np.concatenate([made, real]), truth, labels, seed=int(rng.integers(2**31)))
    return Guess(model.decision_function(x).astype(np.float64))
