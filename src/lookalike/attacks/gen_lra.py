"""If the target had been learned from, the synthetic rows around it would be likelier: by how much?"""

from __future__ import annotations

import numpy as np

from lookalike.compare.density import LEAST, log_mean, width
from lookalike.compare.frame import Frame
from lookalike.compare.space import neighbours
from lookalike.compare.threat import NEAR, Guess, Seen, Threat

THREAT = Threat(
    title="Influence on the likelihood",
    definition=(
        "How much likelier the synthetic rows nearest to the target become when the target joins the reference rows, under a kernel "
        "density. Adding one row to a kernel density has a closed form, so nothing is refitted."
    ),
    source="Gen-LRA: Ward et al. 2025; the closed form is this project's",
    knows="the synthetic table, and other real rows of the same law",
    wants="membership",
    strength="medium",
    rank=40,
)
NEAREST = 4


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """Sum of log-likelihood gains over the nearest synthetic rows."""
    distance, rows = (x[:, :NEAREST] for x in seen.near(targets, seen.synthetic))
    used, where = np.unique(rows, return_inverse=True)
    where = where.reshape(rows.shape)
    real = neighbours(seen.points(seen.synthetic)[used], seen.points(seen.reference), NEAR)[0]
    wide = width(real, nearest=16, share=0.25)
    # Kernels are summed, not averaged: one row more adds its kernel. What one row more changes for all, (n + 1)/n, is left out.
    plain = log_mean(real, wide, 1)[where]
    own = -0.5 * ((distance + LEAST) / wide[:, 0][where]) ** 2
    return Guess((np.logaddexp(plain, own) - plain).sum(1))
