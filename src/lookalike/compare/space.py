"""Rows as points: numbers on one axis each, levels on one axis a level, and the nearest of many points."""

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


def nearest(a: np.ndarray, b: np.ndarray, *, step: int = 512) -> np.ndarray:
    """Euclidean distance from each row of `a` to the nearest of `b`, in blocks: memory is `step` × rows of `b`."""
    out, square = np.empty(len(a), np.float32), (b * b).sum(1)
    turned = np.ascontiguousarray(b.T)
    for i in range(0, len(a), step):
        part = a[i : i + step]
        gap = part @ turned
        gap *= -2
        gap += square
        out[i : i + step] = gap.min(1) + (part * part).sum(1)
    return np.sqrt(np.maximum(out, 0))
