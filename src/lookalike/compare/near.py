"""Distances of many rows to many rows, a block at a time: the neighbours of each, and never all distances at once.

Matrix products beat trees at the widths tables have once labels have axes of their own (10,000 × 10,000 rows, one core: 20 axes
0.4 s against 0.9 s of a ball tree and 1.4 s of a k-d tree; 150 axes 0.6 s against 10 s and 16 s). faiss takes half the time, which
is not worth another compiled dependency.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lookalike.compare.space import Space

WORK = 2e11
"""Multiplications of one table of distances, at most; wide tables get fewer rows."""
EQUAL = 1e-5
"""Squared distances as near as this are equal: single precision cannot tell them apart."""


def fit(rows: int, space: Space, *, most: int) -> int:
    """So many of `rows` that all distances between as many rows cost at most `WORK`."""
    return int(min(rows, most, max(500, (WORK / (2 * max(space.width, 1))) ** 0.5)))


def gaps(a: np.ndarray, b: np.ndarray, *, step: int = 512) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared Euclidean distances of a block of `a` to all of `b`: (rows of `a`, float32 [block, rows of b])."""
    square, turned = (b * b).sum(1), np.ascontiguousarray(b.T)
    for i in range(0, len(a), step):
        part = a[i : i + step]
        gap = part @ turned
        gap *= -2
        gap += square
        gap += (part * part).sum(1)[:, None]
        yield slice(i, i + len(part)), np.maximum(gap, 0, out=gap)


def radii(points: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each point to its k-th nearest other point."""
    out = np.empty(len(points), np.float32)
    for rows, gap in gaps(points, points):
        gap[np.arange(len(gap)), np.arange(rows.start, rows.stop)] = 0  # itself, exactly
        out[rows] = np.partition(gap, k, axis=1)[:, k]
    return out


def closest(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each row of `a`: the nearest row of `b` and its squared distance."""
    index, distance = np.empty(len(a), np.int64), np.empty(len(a), np.float32)
    for rows, gap in gaps(a, b):
        index[rows] = gap.argmin(1)
        distance[rows] = gap[np.arange(len(gap)), index[rows]]
    return index, distance
