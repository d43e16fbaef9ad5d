"""How many real rows teach as much as the whole table?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.judge import losses
from lookalike.compare.learn import predict, ready, task
from lookalike.compare.rows import apart
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "higher"
ABOUT = About(
    title="Worth in real rows",
    definition=(
        "Trees learn the target from ever smaller samples of real rows, which gives a learning curve (explained share of real rows "
        "that nobody trained on: Brier skill of a label, R² of a number), and from as many rows of the table as of the greatest "
        "sample. The size at which the curve reaches what the table taught, in percent of that greatest sample; never more than 100."
    ),
    source="as SDNist's equivalent sub-sample, for learning; a power law is fitted to the curve, as by Hestness et al. 2017",
    unit="%",
    rank=105,
    area="utility",
    quick=False,
    against="holdout",
    real_rows=5_000,
    rows=6_000,
    control_rows=6_000,
)
SIZES = 6
REPEATS = 2
"""Samples of each size below a half; their figures are meaned."""
FEWEST = 25
POWERS = np.linspace(0.1, 1.5, 29)


@dataclass(frozen=True)
class Curve:
    """Explained share = `top` − `fall` · rows^−`power`; `noise`: standard deviation of single points around it."""

    top: float
    fall: float
    power: float
    noise: float

    def rows(self, share: float, most: int) -> float:
        """The size that reaches the share, from one row to `most`."""
        gap = self.top - share
        return float(most if gap <= 0 else np.clip((self.fall / gap) ** (1 / self.power), 1, most))


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `worth_real_rows` in percent (0 to 100); detail has the learning curve."""
    if context.train is None:
        return [_none("needs the rows that the model learned from")]
    train, rng = apart(context.train, real), context.rng
    what = task(context.target, other, real, train)
    if isinstance(what, str):
        return [_none(what)]
    most = min(train.rows, other.rows, ABOUT.rows)
    counts = ((real, ABOUT.real_rows), (train, most), (other, most))
    test, learn, table = (ready(f, what, rows=n, scale=real, rng=rng) for f, n in counts)
    seed, truth = int(rng.integers(2**31)), test[what.target]

    def lost(rows: Frame) -> np.ndarray:
        return losses(truth, predict(what, rows, [test], seed=seed)[0])

    sizes, points = _points(learn, lost, what.target, rng)
    if len(sizes) < 4:
        return [_none("too few real rows, or too few kinds of them, for a learning curve")]
    shares = 1 - points.mean(1)
    curve, mine = _fitted(np.array(sizes), shares), lost(table)
    if curve.fall <= 0:
        return [_none("more real rows do not teach more: the learning curve is flat")]
    share, group = 1 - float(mine.mean()), blocks(test.rows, rng)
    nearest = points[np.argmin(np.abs(shares - share))]  # tested rows that are hard are hard for both
    error = np.hypot(jackknife(np.array([(mine - nearest)[group != g].mean() for g in range(BLOCKS)])), curve.noise)
    value, low, high = (100 * curve.rows(at, sizes[-1]) / sizes[-1] for at in (share, *around(share, float(error))))
    detail = {
        "curve": [{"rows": int(n), "value": round(float(p), 4)} for n, p in zip(sizes, shares, strict=True)],
        "table": {"rows": table.rows, "value": round(share, 4)},
        "rows": round(value * sizes[-1] / 100),
    }
    return [Finding(name="worth_real_rows", value=value, low=low, high=high, detail=detail)]


def _none(note: str) -> Finding:
    return Finding(name="worth_real_rows", value=None, note=note)


def _points(learn: Frame, lost: Callable[[Frame], np.ndarray], target: str, rng: np.random.Generator) -> tuple[list[int], np.ndarray]:
    """Sizes, rising, and the loss of each tested row after learning from so many, [sizes, rows]."""
    sizes: list[int] = []
    out: list[np.ndarray] = []
    for step in range(SIZES):
        size = learn.rows >> step
        if size < FEWEST:
            break
        samples = [learn.cut(size, rng) for _ in range(1 if step < 2 else REPEATS)]
        samples = [s for s in samples if len(np.unique(s[target])) > 1]
        if samples:
            sizes.append(size)
            out.append(np.mean([lost(s) for s in samples], axis=0))
    return sizes[::-1], np.array(out[::-1])


def _fitted(sizes: np.ndarray, shares: np.ndarray) -> Curve:
    """Least squares: of each power the best top and fall, then the best power."""
    best, least = Curve(float(shares.mean()), 0.0, 1.0, float(shares.std())), np.inf
    for power in POWERS:
        design = np.stack([np.ones(len(sizes)), -((sizes / sizes[-1]) ** -power)], axis=1)
        (top, fall), *_ = np.linalg.lstsq(design, shares, rcond=None)
        square = float(((design @ (top, fall) - shares) ** 2).sum())
        if square < least:
            noise = float(np.sqrt(square / max(len(sizes) - 3, 1)))
            best, least = Curve(float(top), float(fall * sizes[-1] ** power), float(power), noise), square
    return best
