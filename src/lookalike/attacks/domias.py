"""Where the synthetic table is denser than the law of the real rows, the model has put weight that only its training rows explain."""

from __future__ import annotations

import numpy as np

from lookalike.compare.density import log_mean, width
from lookalike.compare.frame import Frame
from lookalike.compare.threat import Guess, Seen, Threat

THREAT = Threat(
    title="Density ratio",
    definition=(
        "Log ratio of two kernel densities at the target, of synthetic and of reference rows. The kernel is a quarter as wide as the "
        "distance to the fifth nearest reference row."
    ),
    source="DOMIAS: van Breugel et al. 2023",
    knows="the synthetic table, and other real rows of the same law",
    wants="membership",
    strength="medium",
    rank=20,
)


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """log p_synthetic(x) - log p_reference(x)."""
    made, real = (seen.near(targets, other)[0] for other in (seen.synthetic, seen.reference))
    wide = width(real, nearest=5, share=0.25)
    return Guess(log_mean(made, wide, seen.synthetic.rows) - log_mean(real, wide, seen.reference.rows))
