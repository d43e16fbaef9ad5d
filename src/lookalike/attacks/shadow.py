"""The attacker fits the same model to rows of their own, with and without the target, and learns what its presence changes."""

from __future__ import annotations

import numpy as np

from lookalike.compare.frame import Frame, Grid, grid, stack
from lookalike.compare.space import neighbours
from lookalike.compare.threat import Guess, Refit, Seen, Threat, once

THREAT = Threat(
    title="Shadow models",
    definition=(
        "Several shadow models learn reference rows and a random half of the targets. Queries (distances to the nearest shadow rows, and "
        "how many shadow rows agree with the target in random sets of two to five columns), each against its mean over the shadow models, "
        "train one logistic regression to tell which targets a model had learned; it is then asked about the synthetic table. Only the "
        "rows that lie farthest from all others are attacked: they are the most vulnerable."
    ),
    source="Stadler et al. 2022; queries: Houssiau et al. 2022; choice of targets: Meeus et al. 2023",
    knows="the synthetic table, other real rows of the same law, the kind of model and its settings",
    wants="membership",
    strength="strong",
    rank=70,
    quick=False,
    targets=500,
    unusual=True,
    needs=frozenset({"refit"}),
)
MODELS, ROWS, QUERIES, NEAREST = 10, 5_000, 40, 5


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """Log-odds of having been learned from."""
    from sklearn.linear_model import LogisticRegression

    if seen.refit is None:
        return Guess(np.zeros(targets.rows), note="needs a model that can be fitted again")
    refit = seen.refit
    had, told, asked = once(seen.kept, ("shadows", id(targets)), lambda: _shadows(targets, seen, refit, rng))
    usual, spread = told.mean(0), told.std(0) + 1e-2
    x = ((told - usual) / spread).reshape(-1, told.shape[2])
    model = LogisticRegression(C=0.1, max_iter=500).fit(x, had.reshape(-1))
    return Guess(model.decision_function((asked.of(targets, seen.synthetic, seen) - usual) / spread))


def _shadows(targets: Frame, seen: Seen, refit: Refit, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, _Queries]:
    """Which targets each shadow model had, bool [models, targets]; what queries say of them, float64 [models, targets, queries]."""
    asked = _Queries(seen.reference, rng)
    # Each target is in exactly half of the models: its mean then stands between being there and not.
    order = np.argsort(rng.random((MODELS, targets.rows)), axis=0)
    had = order < MODELS // 2
    told = []
    for mine in had:
        learned = stack([targets.take(np.flatnonzero(mine)), seen.reference.cut(ROWS, rng)])
        told.append(asked.of(targets, refit(learned), seen))
    return had, np.array(told), asked


class _Queries:
    """Questions about a target that any synthetic table can answer."""

    def __init__(self, known: Frame, rng: np.random.Generator) -> None:
        names = known.names
        self.bins: Grid = grid(known, names, bins=20)
        self.sets = [rng.choice(len(names), min(len(names), int(rng.integers(2, 6))), replace=False) for _ in range(QUERIES)]

    def of(self, targets: Frame, made: Frame, seen: Seen) -> np.ndarray:
        """float64 [targets, queries]: log distances, and log shares of rows that agree."""
        near = neighbours(seen.points(targets), seen.cloud.points(made), NEAREST)[0].astype(np.float64)
        told = [-np.log(near[:, k] + 1e-3) for k in (0, near.shape[1] - 1)]
        mine, theirs = self.bins.codes(targets).astype(np.int64), self.bins.codes(made).astype(np.int64)
        for columns in self.sets:
            step = np.cumprod(np.concatenate([[1], self.bins.sizes[columns][:-1]]))
            cells, counts = np.unique(step @ theirs[columns], return_counts=True)
            at = np.searchsorted(cells, step @ mine[columns]).clip(max=len(cells) - 1)
            agree = np.where(cells[at] == step @ mine[columns], counts[at], 0)
            told.append(np.log((agree + 0.5) / (made.rows + 1)))
        return np.array(told).T
