"""Who knows all but one cell of a person guesses the last one from the synthetic table: better if the person was learned from?"""

from __future__ import annotations

import numpy as np

from lookalike.compare import boost
from lookalike.compare.frame import Frame
from lookalike.compare.space import Cloud, neighbours
from lookalike.compare.threat import Guess, Seen, Threat, once

THREAT = Threat(
    title="Attribute inference",
    definition=(
        "Several columns in turn are secret. The attacker guesses the secret from all other cells of the target, by the nearest "
        "synthetic row and by gradient-boosted trees that learned from the synthetic table; a number is guessed if it is within a "
        "twentieth of its usual range. What the table says of everybody is no leak: the leak is what rows that were learned from lose more "
        "than rows never seen. An attacker with real rows of the same law shows what could be learned without any synthetic table."
    ),
    source="Giomi et al. 2023 (nearest neighbour); Annamalai et al. 2024 (trees, against a holdout)",
    knows="the synthetic table, and all cells of the target but the secret one",
    wants="attribute",
    strength="medium",
    rank=100,
    quick=False,
)
SECRETS, MOST_LEVELS, ROWS = 4, 10, 10_000
CLOSE = 0.05


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """Mean success over secrets and methods; `hits` has each."""
    secrets = _secrets(seen.reference)
    if not secrets or len(targets.names) < 2:
        return Guess(np.zeros(targets.rows), note="no column with few levels, and no number, to be guessed")
    seed, hits = int(rng.integers(2**31)), {}
    made, real = seen.synthetic.cut(ROWS, rng), seen.reference.cut(ROWS, rng)
    for name in secrets:
        hits[name, "nearest row"] = _right(targets, _nearest(targets, seen.synthetic, name, seen), name, seen.reference)
        hits[name, "trees"] = _right(targets, _learned(targets, made, name, seed), name, seen.reference)
        hits[name, "real"] = once(
            seen.kept,
            ("secret", name, id(targets)),
            lambda name=name: _right(targets, _learned(targets, real, name, seed), name, seen.reference),
        )
    mine = np.array([h for (_, who), h in hits.items() if who != "real"])
    told = ~np.isnan(mine)
    return Guess(np.where(told, mine, 0).sum(0) / np.maximum(told.sum(0), 1), hits)


def _secrets(known: Frame) -> list[str]:
    """Columns that can be guessed, evenly spread over the table."""
    able = []
    for name in known.names:
        values = known[name][~known.missing(name)]
        levels = len(np.unique(values[:5_000]))
        if levels >= 2 and (not known.is_label(name) or levels <= MOST_LEVELS):
            able.append(name)
    return [able[i] for i in np.unique(np.linspace(0, len(able) - 1, SECRETS).astype(int))] if able else []


def _nearest(targets: Frame, made: Frame, name: str, seen: Seen) -> np.ndarray:
    """The secret of the synthetic row nearest in all other columns."""
    others = tuple(n for n in targets.names if n != name)
    cloud = once(seen.kept, ("all but", name), lambda: Cloud(seen.reference.only(others)))
    made = made.take(np.flatnonzero(~made.missing(name)))
    if not made.rows:
        return np.full(targets.rows, np.nan)
    return made[name][neighbours(cloud.points(targets.only(others)), cloud.points(made.only(others)), 1)[1][:, 0]].astype(np.float64)


def _learned(targets: Frame, made: Frame, name: str, seed: int) -> np.ndarray:
    """The secret as trees guess it that learned from `made`."""
    others = tuple(n for n in targets.names if n != name)
    made = made.take(np.flatnonzero(~made.missing(name)))
    if made.rows < 20 or len(np.unique(made[name])) < 2:
        return np.full(targets.rows, made[name][0] if made.rows else np.nan, np.float64)
    (x, asked), labels = boost.matrices([made, targets], others)
    learn = boost.classifier if made.is_label(name) else boost.regressor
    return learn(x, made[name], labels, seed=seed).predict(asked).astype(np.float64)


def _right(targets: Frame, guessed: np.ndarray, name: str, known: Frame) -> np.ndarray:
    """1 for a right guess, 0 for a wrong one, NaN where the target's own cell is missing."""
    truth = targets[name].astype(np.float64)
    if targets.is_label(name):
        right = guessed == truth
    else:
        low, high = np.nanquantile(known[name], [0.01, 0.99])
        right = np.abs(guessed - truth) <= CLOSE * max(high - low, 1e-12)
    return np.where(targets.missing(name), np.nan, right)
