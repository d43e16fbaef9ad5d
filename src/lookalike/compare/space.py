"""Rows as points: numbers on one axis each, levels on one axis a level, or turned onto few axes; and the nearest of many points."""

from __future__ import annotations

import numpy as np

from lookalike.compare.frame import Frame

LEVELS = 30
"""Levels of a label with an axis of their own; rarer ones share one."""


class Space:
    """The space in which rows are near: one axis a number, one a level."""

    def __init__(self, real: Frame) -> None:
        self.ranges = {n: _range(real[n]) for n in real.names if not real.is_label(n)}
        self.commonest = {n: _commonest(real[n], len(real.levels[n])) for n in real.names if real.is_label(n)}
        self.width = 2 * len(self.ranges) + sum(int(rank.max()) + 1 for rank in self.commonest.values())

    def embed(self, frame: Frame) -> np.ndarray:
        """float32 [rows, width]."""
        out = np.zeros((frame.rows, self.width), np.float32)
        at = 0
        half = np.float32(0.5**0.5)  # two levels differ on two axes: the distance of a mismatch is then 1
        for name, (low, high) in self.ranges.items():
            gone = frame.missing(name)
            out[:, at] = np.where(gone, 0.5, (np.clip(frame[name], 2 * low - high, 2 * high - low) - low) / (high - low))
            out[gone, at + 1] = 1
            at += 2
        for name, rank in self.commonest.items():
            out[np.arange(frame.rows), at + rank[frame[name]]] = half
            at += int(rank.max()) + 1
        return out


def _range(values: np.ndarray) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = np.quantile(values, [0.01, 0.99])
    if low == high:
        low, high = values.min(), values.max()
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _commonest(codes: np.ndarray, known: int) -> np.ndarray:
    """Axis of each level, the commonest first; the rest share one, missing (code -1, the last entry) has its own."""
    counts = np.bincount(codes[codes >= 0], minlength=known)
    rank = np.minimum(np.argsort(np.argsort(-counts, kind="stable")), LEVELS)
    return np.append(rank, rank.max(initial=-1) + 1)


AXES = 32
"""Axes of a cloud: those along which rows differ most."""
FALL = 3.0
"""Distance between the least and the greatest number, where two levels are 1 apart."""
CHUNK = 32


class Cloud:
    """Rows as points for attacks: numbers by their rank, which spreads crowds out, turned onto the axes on which rows differ most."""

    def __init__(self, known: Frame) -> None:
        self.ranks = {n: np.sort(known[n][~known.missing(n)]) for n in known.names if not known.is_label(n)}
        self.commonest = {n: _commonest(known[n], len(known.levels[n])) for n in known.names if known.is_label(n)}
        sample = self._raw(known.take(np.arange(0, known.rows, max(1, known.rows // 20_000))))
        self.centre = sample.mean(0, dtype=np.float64).astype(np.float32) if len(sample) else np.zeros(sample.shape[1], np.float32)
        sample -= self.centre
        spread, turn = np.linalg.eigh(sample.T @ sample / max(len(sample), 1))
        kept = [i for i in np.argsort(-spread)[:AXES] if spread[i] > 1e-6 * max(float(spread.max(initial=0)), 1e-12)]
        self.turn, self.scale = np.ascontiguousarray(turn[:, kept]), np.sqrt(spread[kept])

    def points(self, frame: Frame) -> np.ndarray:
        """float32 [rows, axes], the widest axis first; `scale` has the standard deviations along the axes."""
        out = np.empty((frame.rows, self.turn.shape[1]), np.float32)
        for i in range(0, frame.rows, 8_192):
            here = np.arange(i, min(i + 8_192, frame.rows))
            out[here] = (self._raw(frame.take(here)) - self.centre) @ self.turn
        return out

    def _raw(self, frame: Frame) -> np.ndarray:
        width = 2 * len(self.ranks) + sum(int(rank.max()) + 1 for rank in self.commonest.values())
        out, at, half = np.zeros((frame.rows, width), np.float32), 0, np.float32(0.5**0.5)
        for name, known in self.ranks.items():
            gone, values = frame.missing(name), frame[name]
            rank = (np.searchsorted(known, values) + np.searchsorted(known, values, side="right")) / max(2 * len(known), 1)
            out[:, at] = FALL * np.where(gone, 0.5, rank)
            out[gone, at + 1] = 1
            at += 2
        for name, rank in self.commonest.items():
            out[np.arange(frame.rows), at + rank[frame[name]]] = half
            at += int(rank.max()) + 1
        return out


def neighbours(a: np.ndarray, b: np.ndarray, k: int, *, step: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Distances (float32, rising) and rows of the `k` nearest of `b` to each row of `a`; memory is `step` × rows of `b`.

    Exact: the k nearest lie in the k chunks of `b` with the least minima. Blocked products beat trees here: 4,000 × 100,000 rows on
    12 axes take as long as a k-d tree, and their time hardly grows with the axes (150 axes: a twentieth of the tree's).
    """
    k, n = min(k, len(b)), len(b)
    wide = -(-n // CHUNK)  # a chunk is every so many-th row: minima are then taken of whole lines of memory
    turned = np.zeros((b.shape[1] + 1, wide * CHUNK), np.float32)
    turned[:-1, :n], turned[-1, :n], turned[-1, n:] = -2 * b.T, (b * b).sum(1), np.inf
    near, rows = np.empty((len(a), k), np.float32), np.empty((len(a), k), np.int64)
    for i in range(0, len(a), step):
        part = a[i : i + step]
        gap = np.concatenate([part, np.ones((len(part), 1), np.float32)], axis=1) @ turned
        found = _few(gap.reshape(len(part), CHUNK, wide).min(1), min(k, wide))
        at = (found[:, None, :] + (wide * np.arange(CHUNK))[None, :, None]).reshape(len(part), -1)
        at = np.take_along_axis(at, _few(np.take_along_axis(gap, at, 1), k), 1)
        value = ((part[:, None, :] - b[at]) ** 2).sum(2)  # anew: of products of near rows little is left but rounding
        order = np.argsort(value, axis=1, kind="stable")
        near[i : i + step] = np.sqrt(np.maximum(np.take_along_axis(value, order, 1), 0))
        rows[i : i + step] = np.take_along_axis(at, order, 1)
    return near, rows


def _few(values: np.ndarray, k: int) -> np.ndarray:
    """Positions of the `k` least in each row, in no order."""
    return np.argpartition(values, k - 1, axis=1)[:, :k] if k < values.shape[1] else np.tile(np.arange(values.shape[1]), (len(values), 1))
