"""Do rows lie nearer to the training rows than to fresh rows of the same law?"""

from __future__ import annotations

import numpy as np

from lookalike.metrics._frame import Frame
from lookalike.metrics._stats import About, Context, Finding, around

BETTER = "target"
ABOUT = About(
    title="Nearness to training rows",
    definition=(
        "Share of rows whose nearest training row is nearer than their nearest holdout row (as many of each; ties count half). "
        "0.5: training rows are not favoured. Numbers are scaled to their range between the 1 % and 99 % quantile, a different "
        "level or missing counts 1, distances are Euclidean. A copy detector: 0.5 does not prove privacy."
    ),
    source="DCR share as in TabSyn (Zhang et al. 2024); its limits: Yao et al., The DCR Delusion, 2025",
    rank=70,
    fresh=True,
    rows=10_000,
    control_rows=5_000,
)
REFERENCES = 20_000
WORK = 2e11
"""Multiplications at most; wide tables get fewer rows."""
LEVELS = 30


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `dcr_share` (0 to 1); detail has quantiles of the distances."""
    fresh, rng = context.fresh, context.rng
    if fresh is None:
        return [Finding(name="dcr_share", value=None, note="needs a holdout")]
    if not real.names or min(real.rows, fresh.rows, other.rows) < 50:
        return [Finding(name="dcr_share", value=None, note="needs 50 rows of each table")]
    space = _Space(real)
    n = min(real.rows, fresh.rows, REFERENCES)
    queries = min(other.rows, max(500, int(WORK / (4 * n * space.width))))
    here = space.embed(other.cut(queries, rng))
    train, hold = (_nearest(here, space.embed(f.cut(n, rng))) for f in (real, fresh))
    nearer = np.where(np.abs(train - hold) < 1e-4, 0.5, train < hold)
    value = float(nearer.mean())
    low, high = around(value, float(nearer.std() / np.sqrt(len(nearer))), least=0, most=1)
    steps = np.linspace(0, 1, 41)
    distances = {"share": steps.tolist(), "train": _quantiles(train, steps), "holdout": _quantiles(hold, steps)}
    return [Finding(name="dcr_share", value=value, low=low, high=high, detail={"distances": distances, "rows": len(here), "references": n})]


def _quantiles(values: np.ndarray, steps: np.ndarray) -> list[float]:
    return [round(float(v), 4) for v in np.quantile(values, steps)]


class _Space:
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


def _nearest(a: np.ndarray, b: np.ndarray, *, step: int = 512) -> np.ndarray:
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
