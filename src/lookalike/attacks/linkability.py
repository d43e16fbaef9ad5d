"""Two halves of a person's columns, each known to somebody else, are joined by the synthetic row that is nearest to both."""

from __future__ import annotations

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.compare.space import Cloud, neighbours
from lookalike.compare.threat import Guess, Seen, Threat, once

THREAT = Threat(
    title="Linkability",
    definition=(
        "The columns are split in two halves. An attacker who knows both halves of the target, but not that they belong together, links "
        "them if a synthetic row is among the five nearest in both halves. Success with rows the model learned from is compared with "
        "success with rows it never saw."
    ),
    source="Article 29 Working Party opinion 05/2014; definition after Giomi et al. 2023 (anonymeter), re-implemented",
    knows="the synthetic table, and two halves of the target's columns that came from two places",
    wants="link",
    strength="weak",
    rank=110,
    targets=1_000,
)
NEAREST = 5


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """1 where the two halves meet in a synthetic row."""
    if len(targets.names) < 2:
        return Guess(np.zeros(targets.rows), note="needs two columns")
    order = rng.permutation(len(targets.names))
    found = []
    for side in (order[::2], order[1::2]):
        names = tuple(targets.names[j] for j in np.sort(side))
        known, *frames = (f.only(names) for f in (seen.reference, targets, seen.synthetic))
        cloud = once(seen.kept, ("half", names), lambda known=known: Cloud(known))
        found.append(neighbours(cloud.points(frames[0]), cloud.points(frames[1]), NEAREST)[1])
    met = (found[0][:, :, None] == found[1][:, None, :]).any((1, 2)).astype(np.float64)
    return Guess(met, {("both halves", "synthetic"): met})
