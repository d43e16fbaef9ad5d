"""Could a row be real: does it lie where real rows lie, and does a learner of real rows take it for one of them?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.compare import boost, near
from lookalike.compare.frame import Frame
from lookalike.compare.space import Space

NEIGHBOURS = 5
"""A real row vouches for what is as near to it as its neighbour of this rank."""
POINTS = 5_000
"""Real rows at most whose surroundings are the support."""
LONELY = 0.05
"""Share of the real rows that may lie outside the surroundings of all others."""
FOLDS = 3
MORE, FEWEST = 10, 2_000
"""A learner sees so many times as many other rows as rows of the kind in question, and so many where there are: what is rare stays seen."""
DOUBT = 0.1
"""Share of the real rows that a learner, which has not seen them, may take for something else without a row like them being refused."""


@dataclass(frozen=True)
class Verdict:
    """Bool [n]: each row judged is `inside` the support of real rows, and `accepted` by the learner; `score` float64 [n]: its log-odds."""

    inside: np.ndarray
    accepted: np.ndarray
    score: np.ndarray

    @property
    def plausible(self) -> np.ndarray:
        """bool [n]: both."""
        return self.inside & self.accepted

    def account(self) -> dict[str, Any]:
        """How many rows were judged and refused, and why; JSON-able."""
        return {
            "rows": len(self.inside),
            "plausible": int(self.plausible.sum()),
            "outside": int((~self.inside).sum()),
            "not_accepted": int((~self.accepted).sum()),
        }


def judged(yes: Frame, no: Frame, made: Frame, *, rng: np.random.Generator, doubt: float = DOUBT) -> Verdict:
    """Whether each row of `made` could be one of `yes`, told from `no`; the frames were coded together.

    yes: real rows of the kind in question; no: rows of the other kinds (or rows drawn, if any real row will do). A learner that cannot
    be made, as there are too few rows, refuses nothing.
    """
    inside = supported(yes, made, rng=rng)
    own, score = told(yes, no, made, rng=rng)
    least = np.quantile(own, doubt) if len(own) else -np.inf
    return Verdict(inside, score >= least, score)


def supported(real: Frame, made: Frame, *, rng: np.random.Generator, k: int = NEIGHBOURS) -> np.ndarray:
    """bool [n]: the row is about as near to some real row as that row's k-th neighbour (the precision of Kynkäänniemi et al. 2019).

    About: surroundings are widened alike until all but few real rows lie in those of others, as in many dimensions many do not.
    """
    if not made.rows or not real.names:
        return np.ones(made.rows, bool)
    space = Space(real)
    points = space.embed(real.cut(near.fit(max(real.rows, made.rows), space, most=POINTS), rng))
    if len(points) < 2:
        return np.ones(made.rows, bool)
    reach = near.radii(points, min(k, len(points) - 1)) + near.EQUAL
    wide = max(1.0, float(np.quantile(_depths(points, points, reach, own=True), 1 - LONELY)))
    return _depths(space.embed(made), points, reach) <= wide


def _depths(a: np.ndarray, points: np.ndarray, reach: np.ndarray, *, own: bool = False) -> np.ndarray:
    """float32 [rows of a]: least squared distance to a point in units of its reach; `own`: the same points, each but to itself."""
    out = np.empty(len(a), np.float32)
    for rows, gap in near.gaps(a, points):
        gap /= reach
        if own:
            gap[np.arange(len(gap)), np.arange(rows.start, rows.stop)] = np.inf
        out[rows] = gap.min(1)
    return out


def told(yes: Frame, no: Frame, made: Frame, *, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of being `yes`, by boosted trees: of the rows `yes`, each by trees that have not seen it, and of `made`, by all of them.

    Empty and zeros where there are too few rows to learn from.
    """
    folds = min(FOLDS, yes.rows, no.rows)
    if folds < 2 or not yes.names or not made.rows:
        return np.empty(0), np.zeros(made.rows)
    no = no.cut(max(MORE * yes.rows, FEWEST), rng)
    (x, other, asked), labels = boost.matrices([yes, no, made], yes.names)
    fold, group = (rng.permutation(np.arange(len(m)) % folds) for m in (x, other))
    own, score, seed = np.empty(len(x)), np.zeros(len(asked)), int(rng.integers(2**31))
    with boost.one_thread():
        for f in range(folds):
            rows = np.concatenate([x[fold != f], other[group != f]])
            truth = np.repeat([1, 0], [(fold != f).sum(), (group != f).sum()])
            model = boost.classifier(rows, truth, labels, seed=seed)
            own[fold == f] = model.decision_function(x[fold == f])
            score += model.decision_function(asked) / folds
    return own, score
