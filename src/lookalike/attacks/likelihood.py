"""A model gives rows it learned from a greater likelihood than it gives rows like them."""

from __future__ import annotations

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.compare.threat import Guess, Seen, Threat

THREAT = Threat(
    title="Likelihood ratio",
    definition=(
        "The model's own log-likelihood of the target, less that of the eight reference rows nearest to it, which say how likely such a "
        "row is anyway; divided by how much these differ."
    ),
    source="LiRA: Carlini et al. 2022; RMIA: Zarifzadeh et al. 2024; neighbours as reference: Mattern et al. 2023",
    knows="the fitted model, which tells the likelihood of any row, and other real rows of the same law",
    wants="membership",
    strength="strong",
    rank=60,
    needs=frozenset({"log_prob"}),
)
NEAREST = 8


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """Log-likelihood against that of neighbours, in their standard deviations."""
    if seen.log_prob is None:
        return Guess(np.zeros(targets.rows), note="the model tells no likelihood")
    own, real = (np.asarray(seen.log_prob(f), np.float64) for f in (targets, seen.reference))
    told = np.concatenate([own[np.isfinite(own)], real[np.isfinite(real)]])
    # A row that the model holds impossible is a little less likely than any other.
    least = float(told.min() - told.std() - 1) if len(told) else 0.0
    own, real = (np.nan_to_num(x, nan=least, neginf=least, posinf=float(told.max(initial=least))) for x in (own, real))
    around = real[seen.near(targets, seen.reference)[1][:, :NEAREST]]
    return Guess((own - around.mean(1)) / (around.std(1) + 0.5 * real.std() + 1e-9))
