"""Gradient-boosted trees on frames: the learner of the classifier test and of utility."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.compare.frame import Frame

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import ThreadpoolController

TREES = 60
BINS, FEWEST_BINS, ALL_BINS = 255, 32, 25_600
"""Bins of a column at most; in a wide table, where histograms take the time, of all columns together, but so many of each."""


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for trees and matrix products: several spin while they wait, and one busy core makes two 10× slower than one."""
    import sklearn.ensemble  # noqa: F401  only libraries that are loaded can be limited

    with _libraries(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """The loaded libraries that have threads. They are looked for again when so many `modules` are no longer those that are loaded: the
    search takes longer than many a metric of a small table."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def matrices(frames: list[Frame], names: tuple[str, ...]) -> tuple[list[np.ndarray], np.ndarray]:
    """Each frame as float64 [rows, columns] with NaN for missing, and which columns are categories."""
    labels = np.array([frames[0].is_label(n) for n in names], bool)
    rarest = _bins(len(names)) - 5  # rarer levels share one native category
    out = [np.empty((f.rows, len(names))) for f in frames]
    for j, name in enumerate(names):
        if labels[j]:
            seen = np.concatenate([f[name][f[name] >= 0] for f in frames])
            counts = np.bincount(seen, minlength=len(frames[0].levels[name]) + 1)
            rank = np.minimum(np.argsort(np.argsort(-counts, kind="stable")), rarest)
        for frame, x in zip(frames, out, strict=True):
            values = frame[name]
            x[:, j] = np.where(values < 0, np.nan, rank[values]) if labels[j] else values
    return out, labels


def classifier(x: np.ndarray, truth: np.ndarray, labels: np.ndarray, *, seed: int) -> HistGradientBoostingClassifier:
    """A classifier fitted to `truth`; `labels`: which columns of `x` are categories."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(**_settings(labels, seed)).fit(_filled(x), truth)


def regressor(x: np.ndarray, truth: np.ndarray, labels: np.ndarray, *, seed: int) -> HistGradientBoostingRegressor:
    """A regressor fitted to `truth`; `labels`: which columns of `x` are categories."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(**_settings(labels, seed)).fit(_filled(x), truth)


def _filled(x: np.ndarray) -> np.ndarray:
    """A column without any value is constant: the learner cannot bin it otherwise."""
    empty = np.isnan(x).all(0)
    return np.where(empty, 0.0, x) if empty.any() else x


def _bins(columns: int) -> int:
    return int(np.clip(ALL_BINS // max(1, columns), FEWEST_BINS, BINS))


def _settings(labels: np.ndarray, seed: int) -> dict[str, Any]:
    return {
        "max_iter": TREES,
        "learning_rate": 0.15,
        "max_leaf_nodes": 31,
        "max_bins": _bins(len(labels)),
        "early_stopping": False,
        "categorical_features": labels if labels.any() else None,
        "random_state": seed,
    }
