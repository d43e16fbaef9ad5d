"""One guess of each missing cell: the mean of a number or a moment, the likeliest level of a label.

Two kinds of trees learn a column from the rows that have it, and are averaged. Boosted ones take what else a row lacks as missing;
extremely randomized ones see rows that the boosted ones have completed, levels as probabilities. Either alone is further off: boosted
trees where many columns each tell a little, randomized ones where what was completed is trusted too much.
(Friedman 2001; Geurts et al. 2006; Stekhoven & Bühlmann 2012; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.compare.boost import one_thread
from lookalike.condition import LABELLED, ORDERED
from lookalike.models._stage import BINS, Target, telling
from lookalike.rules.cells import Cells
from lookalike.schema import Column

__all__ = ["GUESSED", "guesses"]

GUESSED = ORDERED | LABELLED
"""Kinds of columns whose cells can be guessed."""
MOST_LEVELS = 60
"""Levels of a label that are told apart, the commonest; of the others none is guessed."""
FEW = 12
"""Values of a number that has few: its mean is then moved to the nearest of them."""
BOOSTED_ROWS, RANDOM_ROWS = 50_000, 10_000
"""Rows that boosted trees and randomized trees learn a column from at most."""
BOOSTED, LEAST_BOOSTED, TREES = 60, 10, 40
"""Rounds of boosting, at least so many where each round takes a tree for each of many levels; randomized trees."""
LEAF = 5
"""Rows in a leaf of a randomized tree at least."""
PIECE = 65_536
"""Rows guessed at a time."""


def guesses(table: pa.Table, columns: Sequence[Column], asked: Sequence[str], *, seed: int) -> dict[str, np.ndarray]:
    """{name: guesses of the missing cells of a column, in the order of the rows}, for the columns of `asked` of a kind in GUESSED.

    Guesses of ordered kinds are float64, as `Cells.numbers` has them; of labels object, as `Cells.labels` writes them.
    """
    cells, rng = Cells(table), np.random.default_rng(seed)
    views = [_View.of(cells, c) for c in columns if c.kind in GUESSED]
    lacking = [v for v in views if len(v.gone)]
    bins = np.stack([v.bins for v in views]) if views else np.zeros((0, table.num_rows), np.uint8)
    beside = {v.name: _beside(v, views, bins) for v in lacking}
    found: dict[str, np.ndarray] = {}
    with one_thread():
        first = {v.name: _boosted(v, beside[v.name], int(rng.integers(1 << 31))) for v in lacking}
        for v in lacking:
            if v.name in asked:
                second = _randomized(v, beside[v.name], first, int(rng.integers(1 << 31)))
                found[v.name] = v.settled((first[v.name] + second) / 2)
    return found


@dataclass(frozen=True)
class _View:
    """A column as trees see it: `value` float64 [n], numbers or the ranks of labels by frequency, NaN where missing."""

    name: str
    value: np.ndarray
    levels: np.ndarray | None

    @classmethod
    def of(cls, cells: Cells, column: Column) -> _View:
        """The view of a column."""
        if column.kind in ORDERED:
            return cls(column.name, cells.numbers(column.name), None)
        codes, texts = cells.labels(column.name)
        order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(texts)), kind="stable")
        rank = np.full(len(texts) + 1, np.nan)
        rank[order] = np.minimum(np.arange(len(texts)), MOST_LEVELS)
        return cls(column.name, rank[codes], np.array(texts, object)[order[:MOST_LEVELS]])

    @cached_property
    def gone(self) -> np.ndarray:
        """int64: the rows that lack the cell."""
        return np.flatnonzero(np.isnan(self.value))

    @cached_property
    def known(self) -> np.ndarray:
        """int64: the rows that have it."""
        return np.flatnonzero(~np.isnan(self.value))

    @cached_property
    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        """The values that occur, rising, and the share of the rows below each."""
        values, counts = np.unique(self.value[self.known], return_counts=True)
        return (values, (np.cumsum(counts) - counts / 2) / counts.sum()) if len(values) else (np.zeros(1), np.zeros(1))

    @cached_property
    def width(self) -> int:
        """Numbers that say what is known of a cell: 1, or the probability of each level and of all rarer ones together."""
        return 1 if self.levels is None else int(np.nanmax(self.value, initial=0)) + 1

    @cached_property
    def plain(self) -> np.ndarray:
        """float64 [width]: what is known of a cell of a row of which nothing else is."""
        mine = self.value[self.known]
        if self.levels is None:
            return np.array([mine.mean()])
        return np.bincount(mine.astype(np.int64), minlength=self.width) / len(mine)

    def ranked(self, value: np.ndarray) -> np.ndarray:
        """Float64: the place of numbers among those known, 0 to 1: trees that cut at random are not led astray by a long tail."""
        return np.interp(value, *self._grid)

    @cached_property
    def rank(self) -> np.ndarray:
        """float64 [n]: `value`, numbers by their place; NaN where missing."""
        return self.ranked(self.value) if self.levels is None else self.value

    @cached_property
    def bins(self) -> np.ndarray:
        """uint8 [n]: `value` in at most BINS bins, 0 where missing."""
        bins = self.value if self.levels is not None else np.floor(self.rank * (BINS - 2))
        return np.where(np.isnan(self.value), 0, bins + 1).astype(np.uint8)

    def told(self, rows: np.ndarray, guess: np.ndarray | None) -> np.ndarray:
        """float32 [rows, features]: what is known of the cells of some rows; guess: float64 [gone, width] of those missing."""
        value = self.rank[rows]
        lacks = np.isnan(value)
        at = np.searchsorted(self.gone, rows[lacks])
        if self.levels is None:
            if guess is not None:
                value[lacks] = self.ranked(guess[at, 0])
            return value[:, None].astype(np.float32)
        out = np.zeros((len(rows), self.width), np.float32)
        out[~lacks, value[~lacks].astype(np.int64)] = 1
        if guess is not None:
            out[lacks] = guess[at]
        return out[:, 1:] if self.width == 2 else out

    def settled(self, guess: np.ndarray) -> np.ndarray:
        """The guesses as `guesses` returns them, of float64 [gone, width]."""
        if self.levels is None:
            values, mean = self._grid[0], guess[:, 0]
            if len(values) > FEW:
                return np.clip(mean, values[0], values[-1])
            return values[np.abs(mean[:, None] - values).argmin(axis=1)]
        return self.levels[guess[:, : len(self.levels)].argmax(axis=1)]


def _beside(view: _View, views: Sequence[_View], bins: np.ndarray) -> list[_View]:
    """The columns by which one is guessed; in a wide table those that say most of it."""
    own = next(k for k, v in enumerate(views) if v is view)
    codes = bins[own, view.known].astype(np.uint16)
    others = [k for k in range(len(views)) if k != own and len(views[k].known)]
    target = Target(own, codes, int(codes.max(initial=0)) + 1, view.levels is None)
    return [views[k] for k in telling(target, others, bins[:, view.known])]


def _boosted(view: _View, beside: Sequence[_View], seed: int) -> np.ndarray:
    """float64 [gone, width]: guesses by boosted trees, which take missing cells as such."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    shown = _some(view.known, BOOSTED_ROWS, seed)
    beside = [v for v in beside if not np.isnan(v.rank[shown]).all()]  # debit and credit: neither is known where the other is
    rounds = BOOSTED if view.levels is None else int(np.clip(2 * BOOSTED // view.width, LEAST_BOOSTED, BOOSTED))
    named = np.array([v.levels is not None for v in beside], bool)
    how: dict[str, Any] = {
        "max_iter": rounds,
        "learning_rate": 0.08,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 15,
        "early_stopping": False,
        "categorical_features": named if named.any() else None,
        "random_state": seed,
    }
    learner = HistGradientBoostingRegressor(**how) if view.levels is None else HistGradientBoostingClassifier(**how)

    def seen(rows: np.ndarray) -> np.ndarray:
        return np.column_stack([v.rank[rows] for v in beside])

    return _learned(learner, view, seen if beside else None, rows=shown)


def _randomized(view: _View, beside: Sequence[_View], first: Mapping[str, np.ndarray], seed: int) -> np.ndarray:
    """float64 [gone, width]: guesses by extremely randomized trees, from rows completed by the `first` guesses."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    how: dict[str, Any] = {"n_estimators": TREES, "min_samples_leaf": LEAF, "n_jobs": 1, "random_state": seed}
    if view.levels is None:
        learner: Any = ExtraTreesRegressor(max_features=1.0, **how)
    else:
        learner = ExtraTreesClassifier(max_features=0.5, **how)

    def seen(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([v.told(rows, first.get(v.name)) for v in beside], axis=1)

    return _learned(learner, view, seen if beside else None, rows=_some(view.known, RANDOM_ROWS, seed))


def _some(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """The rows, or as many of them at random."""
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _learned(learner: Any, view: _View, seen: Any, *, rows: np.ndarray) -> np.ndarray:
    """float64 [gone, width]: what a learner that was shown `rows` says of the rows that lack the cell; seen: (rows) → features, or None."""
    out = np.tile(view.plain, (len(view.gone), 1))
    y = view.value[rows]
    if seen is None or (y == y[0]).all():
        return out
    centre, scale = (y.mean(), y.std()) if view.levels is None else (0.0, 1.0)  # microseconds are beyond the accuracy of a tree
    model = learner.fit(seen(rows), (y - centre) / scale)
    for low in range(0, len(view.gone), PIECE):
        here = slice(low, low + PIECE)
        if view.levels is None:
            out[here, 0] = centre + scale * model.predict(seen(view.gone[here]))
        else:
            out[here] = 0
            out[here, model.classes_.astype(np.int64)] = model.predict_proba(seen(view.gone[here]))
    return out
