"""Learning a column of one table from its other columns, and predicting it in others: trees, a linear model, nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lookalike.compare import boost
from lookalike.compare.frame import Frame
from lookalike.compare.rows import canonical
from lookalike.compare.space import Space, neighbours

Learner = Literal["trees", "linear", "neighbours"]

LEAST = 50
"""Rows with a known target that a table must have."""
NEIGHBOURS, PENALTY, STEPS = 25, 1.0, 80


@dataclass(frozen=True)
class Task:
    """The column to be learned, those it is learned from, and whether it is a label."""

    target: str
    features: tuple[str, ...]
    label: bool


@dataclass(frozen=True)
class Guess:
    """Predictions for the rows of one table: `chance` [rows, classes] of the codes `classes` for a label, else `value` [rows]."""

    classes: np.ndarray | None = None
    chance: np.ndarray | None = None
    value: np.ndarray | None = None

    def of(self, code: int) -> np.ndarray:
        """Chance of a class, 0 for one that the learner never met."""
        assert self.classes is not None and self.chance is not None
        at = np.flatnonzero(self.classes == code)
        return self.chance[:, at[0]] if len(at) else np.zeros(len(self.chance))

    def take(self, keep: np.ndarray) -> Guess:
        """The predictions for some of the rows."""
        cut = lambda x: None if x is None else x[keep]  # noqa: E731
        return Guess(self.classes, cut(self.chance), cut(self.value))


def task(target: str | None, *frames: Frame) -> Task | str:
    """The task for these tables, or why there is none."""
    first = frames[0]
    if target is None or target not in first.names:
        return "no target: name one"
    features = tuple(n for n in first.names if n != target)
    if not features:
        return "no column besides the target"
    rows = [f[target][~f.missing(target)] for f in frames]
    if min(len(r) for r in rows) < LEAST:
        return f"fewer than {LEAST} rows with a known target"
    if any((r == r[0]).all() for r in rows):
        return f"{target} has a single value in one of the tables"
    return Task(target, features, first.is_label(target))


def known(frame: Frame, target: str) -> Frame:
    """The rows whose target is known."""
    gone = frame.missing(target)
    return frame.take(np.flatnonzero(~gone)) if gone.any() else frame


def ready(frame: Frame, what: Task, *, rows: int, scale: Frame, rng: np.random.Generator) -> Frame:
    """At most so many rows whose target is known, drawn alike however the table is sorted."""
    return canonical(known(frame, what.target), scale=scale).cut(rows, rng)


def predict(what: Task, learn: Frame, tests: list[Frame], *, by: Learner = "trees", seed: int = 0) -> list[Guess]:
    """Learn from `learn` and predict each of `tests`; all rows must have a known target. One thread."""
    with boost.one_thread():
        return _BY[by](what, learn, tests, seed)


def trees(what: Task, learn: Frame, tests: list[Frame], *, seed: int = 0) -> tuple[list[np.ndarray], Callable[[np.ndarray], Guess]]:
    """The tests' features as matrices, a column a feature, and what trees that learned from `learn` guess for such a matrix."""
    (x, *others), labels = boost.matrices([learn, *tests], what.features)
    if not what.label:
        number = boost.regressor(x, learn[what.target], labels, seed=seed)
        return others, lambda rows: Guess(value=number.predict(rows))
    label = boost.classifier(x, learn[what.target], labels, seed=seed)
    return others, lambda rows: Guess(label.classes_, label.predict_proba(rows))


def _trees(what: Task, learn: Frame, tests: list[Frame], seed: int) -> list[Guess]:
    matrices, guess = trees(what, learn, tests, seed=seed)
    return [guess(rows) for rows in matrices]


def _points(what: Task, learn: Frame, tests: list[Frame]) -> list[np.ndarray]:
    """Points of the features, with the ranges and levels of `learn`."""
    frames = [features(f, what.features) for f in (learn, *tests)]
    space = Space(frames[0])
    return [space.embed(f) for f in frames]


def features(frame: Frame, names: tuple[str, ...]) -> Frame:
    """The frame with these columns only."""
    columns = tuple(c for c in frame.columns if c.name in names)
    levels = {k: v for k, v in frame.levels.items() if k in names}
    return Frame(columns, {c.name: frame[c.name] for c in columns}, levels, frame.rows)


def _neighbours(what: Task, learn: Frame, tests: list[Frame], seed: int) -> list[Guess]:
    x, *others = _points(what, learn, tests)
    k = int(np.clip(len(x) // 20, 1, NEIGHBOURS))
    near = [neighbours(other, x, k)[1] for other in others]
    truth = learn[what.target]
    if not what.label:
        return [Guess(value=truth[rows].mean(1)) for rows in near]
    classes, codes = np.unique(truth, return_inverse=True)
    base = np.bincount(codes) / len(codes)
    # One neighbour's weight of the shares of all: no class is impossible.
    votes = [np.stack([(codes[rows] == c).sum(1) for c in range(len(classes))], axis=1) for rows in near]
    return [Guess(classes, (v + base) / (k + 1)) for v in votes]


def _linear(what: Task, learn: Frame, tests: list[Frame], seed: int) -> list[Guess]:
    x, *others = (np.hstack([p.astype(np.float64), np.ones((len(p), 1))]) for p in _points(what, learn, tests))
    truth = learn[what.target]
    if what.label:
        classes, codes = np.unique(truth, return_inverse=True)
        weights = softmax_weights(x, codes, len(classes))
        return [Guess(classes, softmax(other @ weights)) for other in others]
    centre, spread = truth.mean(), truth.std() or 1.0
    weights = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ ((truth - centre) / spread))
    return [Guess(value=centre + spread * (other @ weights)) for other in others]


def softmax(scores: np.ndarray) -> np.ndarray:
    """Chances from scores, by row."""
    top = np.exp(scores - scores.max(1, keepdims=True))
    return top / top.sum(1, keepdims=True)


def softmax_weights(x: np.ndarray, codes: np.ndarray, classes: int) -> np.ndarray:
    """Weights [columns, classes] of a multinomial logistic model with a ridge penalty on all but the last column (the constant)."""
    from scipy.optimize import minimize

    rows, ridge = np.arange(len(x)), np.full((x.shape[1], 1), PENALTY)
    ridge[-1] = 1e-6

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(x.shape[1], classes)
        chance = softmax(x @ weights)
        value = -np.log(np.maximum(chance[rows, codes], 1e-300)).sum() + 0.5 * float((ridge * weights**2).sum())
        chance[rows, codes] -= 1
        return value / len(x), ((x.T @ chance + ridge * weights) / len(x)).ravel()

    start = np.zeros((x.shape[1], classes))
    start[-1] = np.log(np.maximum(np.bincount(codes, minlength=classes), 0.5) / len(codes))
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return found.x.reshape(x.shape[1], classes)


_BY = {"trees": _trees, "linear": _linear, "neighbours": _neighbours}
