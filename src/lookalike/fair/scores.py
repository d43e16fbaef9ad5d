"""What a repair must know of rows: columns as numbers, groups, strata of legitimate columns, and scores that trees learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.compare import boost
from lookalike.compare.frame import code
from lookalike.schema import Column

FEWEST = 50
"""Drawn rows that a group needs to be repaired."""
STRATA, STRATUM = 32, 200
"""Strata of the legitimate columns at most, and rows of each at least."""
ROUNDS, RATE, LEAF = 60, 0.1, 40
"""Rounds of boosting, learning rate, and fewest rows of a leaf."""


@dataclass(frozen=True)
class Matrix:
    """Columns as float64 [rows, columns]: labels as ranks of the commonest levels, missing as NaN; alike for every block of rows."""

    columns: tuple[Column, ...]
    levels: dict[str, dict[str, int]]

    @classmethod
    def of(cls, table: pa.Table, columns: tuple[Column, ...]) -> Matrix:
        """The coding of a table's columns; those without any value tell nothing and are left out."""
        frame, levels = code({"": table}, columns)[""], {}
        frame = frame.only(name for name in frame.names if not frame.missing(name).all())
        for name, texts in frame.levels.items():
            counts = np.bincount(frame[name][frame[name] >= 0], minlength=len(texts))
            common = np.argsort(-counts, kind="stable")[: boost.BINS - 5]
            levels[name] = {texts[i]: rank for rank, i in enumerate(common)}
        return cls(frame.columns, levels)

    @property
    def labels(self) -> np.ndarray:
        """Bool per column: it is a label."""
        return np.array([c.name in self.levels for c in self.columns], bool)

    def __call__(self, table: pa.Table) -> np.ndarray:
        """The rows of a table; levels that were not common are one."""
        frame = code({"": table}, self.columns)[""]
        out = np.empty((frame.rows, len(self.columns)))
        for j, column in enumerate(self.columns):
            values = frame[column.name]
            if column.name in self.levels:
                known = self.levels[column.name]
                ranks = np.array([*(known.get(text, len(known)) for text in frame.levels[column.name]), np.nan], np.float64)
                values = ranks[values]
            out[:, j] = values
        return out

    def only(self, names: tuple[str, ...]) -> Matrix:
        """Some of the columns."""
        return Matrix(tuple(c for c in self.columns if c.name in names), {k: v for k, v in self.levels.items() if k in names})


@dataclass(frozen=True)
class Groups:
    """Who is in which group: cells of the protected columns (missing is a level of its own) that have enough rows."""

    matrix: Matrix
    cuts: dict[str, np.ndarray]
    cells: dict[tuple[float, ...], int]
    texts: tuple[str, ...]
    small: tuple[str, ...]

    @classmethod
    def of(cls, table: pa.Table, columns: tuple[Column, ...]) -> Groups:
        """The groups of a table's rows."""
        matrix = Matrix.of(table, columns)
        x, cuts = matrix(table), {}
        for j, column in enumerate(columns):
            known = x[:, j][~np.isnan(x[:, j])]
            if column.name not in matrix.levels and len(known):
                cuts[column.name] = np.unique(np.quantile(known, [0.25, 0.5, 0.75], method="inverted_cdf"))
        found, counts = np.unique(_digits(matrix, cuts, table), axis=0, return_counts=True)
        texts = [_called(matrix, cuts, cell) for cell in found]
        kept = np.flatnonzero(counts >= FEWEST)
        small = tuple(f"{text} ({n} rows)" for text, n in zip(texts, counts, strict=True) if n < FEWEST)
        return cls(matrix, cuts, {tuple(found[i]): rank for rank, i in enumerate(kept)}, tuple(texts[i] for i in kept), small)

    def __call__(self, table: pa.Table) -> np.ndarray:
        """int64 [rows]: group of each row, -1 where it is in none that is repaired."""
        cells, back = np.unique(_digits(self.matrix, self.cuts, table), axis=0, return_inverse=True)
        return np.array([self.cells.get(tuple(cell), -1) for cell in cells], np.int64)[back.ravel()]


def _digits(matrix: Matrix, cuts: dict[str, np.ndarray], table: pa.Table) -> np.ndarray:
    """Level or quarter of each row in each column, -1 where missing."""
    x = matrix(table)
    for j, column in enumerate(matrix.columns):
        if column.name in cuts:
            x[:, j] = np.where(np.isnan(x[:, j]), np.nan, np.searchsorted(cuts[column.name], x[:, j], side="right"))
    return np.nan_to_num(x, nan=-1.0)


def _called(matrix: Matrix, cuts: dict[str, np.ndarray], cell: np.ndarray) -> str:
    words = []
    for column, digit in zip(matrix.columns, cell.astype(int), strict=True):
        if digit < 0:
            words.append(f"{column.name} missing")
        elif column.name in matrix.levels:
            words.append(f"{column.name} = {next((t for t, r in matrix.levels[column.name].items() if r == digit), 'rare')}")
        else:
            words.append(f"{column.name} in quarter {digit + 1}")
    return ", ".join(words)


Predict = Callable[[np.ndarray], np.ndarray]


def crossed(x: np.ndarray, y: np.ndarray, labels: np.ndarray, *, classes: int, rng: np.random.Generator) -> tuple[np.ndarray, Predict]:
    """Boosted trees for `y` by two halves: what each guesses of the other's rows, and what they guess of new rows, in turns.

    Not their mean, which would be spread less than what the repair was learned from.

    Guesses: float64 [rows, classes] of chances, or [rows, 1] of means where `classes` is 0.
    """
    half, made = rng.permutation(len(x)) % 2, []
    out = np.empty((len(x), max(classes, 1)))

    def guess(model: Any, rows: np.ndarray) -> np.ndarray:
        if not classes:
            return model.predict(rows)[:, None]
        chance = np.zeros((len(rows), classes))
        chance[:, model.classes_.astype(int)] = model.predict_proba(rows)
        return chance

    for side in (0, 1):
        learn = half != side
        made.append(_grown(x[learn], y[learn], labels, number=not classes, seed=int(rng.integers(2**31))))
        out[~learn] = guess(made[-1], x[~learn])

    def predict(rows: np.ndarray) -> np.ndarray:
        scores, side = np.empty((len(rows), out.shape[1])), np.arange(len(rows)) % 2
        for s in (0, 1):
            if (side == s).any():
                scores[side == s] = guess(made[s], rows[side == s])
        return scores

    return out, predict


def _grown(x: np.ndarray, y: np.ndarray, labels: np.ndarray, *, number: bool, seed: int) -> Any:
    """Trees that are grown more slowly than judges' are: chances must be right on average, or the repair overshoots."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    trees = (HistGradientBoostingRegressor if number else HistGradientBoostingClassifier)(
        max_iter=ROUNDS,
        learning_rate=RATE,
        min_samples_leaf=LEAF,
        early_stopping=False,
        categorical_features=labels if labels.any() else None,
        random_state=seed,
    )
    return trees.fit(x, y)


@dataclass(frozen=True)
class Strata:
    """Leaves of a tree on the legitimate columns: within one, score and group depend on them no longer."""

    matrix: Matrix
    ranks: tuple[np.ndarray | None, ...]
    tree: Any

    @property
    def size(self) -> int:
        """Above the number of any stratum."""
        return int(self.tree.tree_.node_count)

    @classmethod
    def of(cls, table: pa.Table, matrix: Matrix, scores: np.ndarray, group: np.ndarray) -> Strata:
        """Strata that tell scores [rows, k] and groups apart as well as the legitimate columns can."""
        from sklearn.tree import DecisionTreeRegressor

        x, ranks = np.nan_to_num(matrix(table), nan=-1.0), []
        for j, label in enumerate(matrix.labels):
            ranks.append(_means(x[:, j], scores[:, -1]) if label else None)
            x[:, j] = ranks[j][x[:, j].astype(int) + 1] if label else x[:, j]
        member = np.eye(int(group.max()) + 1)[group]
        aims = np.hstack([(a - a.mean(0)) / np.maximum(a.std(0), 1e-12) for a in (scores, member)])
        tree = DecisionTreeRegressor(max_leaf_nodes=STRATA, min_samples_leaf=STRATUM, random_state=0).fit(x, aims)
        return cls(matrix, tuple(ranks), tree)

    def __call__(self, table: pa.Table) -> np.ndarray:
        """int64 [rows]: the stratum."""
        x = np.nan_to_num(self.matrix(table), nan=-1.0)
        for j, means in enumerate(self.ranks):
            if means is not None:
                levels = x[:, j].astype(int) + 1
                x[:, j] = np.where(levels < len(means), means[np.minimum(levels, len(means) - 1)], means.mean())
        return self.tree.apply(x)


def _means(codes: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Mean score of each level, missing first: a tree splits levels in this order (Breiman et al. 1984)."""
    levels = codes.astype(int) + 1
    return np.bincount(levels, score) / np.maximum(np.bincount(levels), 1)
