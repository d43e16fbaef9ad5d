"""Rates of a score at few false alarms, with intervals that know that the threshold was estimated too, and what ε they prove."""

from __future__ import annotations

import numpy as np

from lookalike.compare.stats import auc

POINTS = 60
"""Points of a curve that is to be drawn."""
FEWEST = {0.001: 2_000, 0.01: 200, 0.1: 30}
"""Strangers without which a rate of false alarms cannot be judged."""
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Rates of false alarms at which a threshold for ε may lie."""


def clopper(hits: float, rows: float, *, miss: float = 0.05) -> tuple[float, float]:
    """Exact interval of a rate (Clopper & Pearson 1934); `miss` is shared by both sides. Counts need not be whole."""
    from scipy.special import betaincinv

    if rows <= 0:
        return 0.0, 1.0
    low = 0.0 if hits <= 0 else float(betaincinv(hits, rows - hits + 1, miss / 2))
    high = 1.0 if hits >= rows else float(betaincinv(hits + 1, rows - hits, 1 - miss / 2))
    return low, high


def curve(yes: np.ndarray, no: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true alarm rates, both rising, at every threshold; equal scores are one threshold."""
    score = np.concatenate([yes, no])
    truth = np.repeat([1, 0], [len(yes), len(no)])
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    true = np.cumsum(truth[order])[ends]
    false = ends + 1 - true
    x, y = np.concatenate([[0], false / max(len(no), 1)]), np.concatenate([[0], true / max(len(yes), 1)])
    # Of a vertical stretch the lower end: a threshold at the k-th stranger accuses k of them on average, one below it already more.
    first = np.concatenate([[0], np.flatnonzero(np.diff(x)) + 1])
    return x[first], y[first]


def area(yes: np.ndarray, no: np.ndarray) -> tuple[float, float]:
    """Area under the curve and its standard error (DeLong)."""
    truth = np.repeat([True, False], [len(yes), len(no)])
    return auc(truth, np.concatenate([yes, no]))


def found_at(yes: np.ndarray, no: np.ndarray, rate: float, *, miss: float = 0.05) -> tuple[float, float, float] | None:
    """Share of `yes` found when `rate` of `no` raise a false alarm, with its interval; None where there are too few `no` to say.

    The interval is Clopper and Pearson's on as many rows as would give the same variance if the threshold were known: a threshold
    taken from `no` moves, and the share found moves with it by the slope of the curve (against the logarithm of the rate).
    """
    if len(no) < FEWEST[rate] or len(yes) < 10:
        return None
    x, y = curve(yes, no)
    share = float(np.interp(rate, x, y))
    slope = float(np.interp(2 * rate, x, y) - np.interp(rate / 2, x, y)) / np.log(4)
    p = np.clip(share, 1 / (len(yes) + 1), 1 - 1 / (len(yes) + 1))
    own = p * (1 - p) / len(yes)
    rows = len(yes) * own / (own + slope**2 * (1 - rate) / (rate * len(no)))
    return share, *clopper(share * rows, rows, miss=miss)


def bound(yes: np.ndarray, no: np.ndarray, other_yes: np.ndarray, other_no: np.ndarray) -> float:
    """A lower bound, 95 % confident, of the ε of differential privacy that a release has at least.

    The threshold is chosen on `yes` and `no`, and judged once on the others.
    """
    if min(len(yes), len(no), len(other_yes), len(other_no)) < 10:
        return 0.0
    cuts = np.unique(np.quantile(no, [1 - s for s in STEPS], method="higher"))
    best = max(cuts, key=lambda cut: proven(yes, no, cut))
    return max(0.0, proven(other_yes, other_no, best))


def proven(yes: np.ndarray, no: np.ndarray, cut: float) -> float:
    """What scores above `cut` prove of ε: the true alarm rate is at most e^ε times the false one, and so are their complements."""
    low, _ = clopper(float((yes > cut).sum()), len(yes))
    _, false_high = clopper(float((no > cut).sum()), len(no))
    caught = np.log(low / false_high) if low > 0 else -np.inf
    cleared = np.log((1 - false_high) / (1 - low)) if false_high < 1 and low < 1 else -np.inf
    return float(max(caught, cleared))


def drawn(yes: np.ndarray, no: np.ndarray) -> dict[str, list[float]]:
    """The curve on at most `POINTS` points, evenly spaced on a logarithmic axis."""
    x, y = curve(yes, no)
    least = 0.5 / max(len(no), 1)
    grid = np.concatenate([[0], np.geomspace(least, 1, POINTS - 1)])
    return {"fpr": [round(float(v), 5) for v in grid], "tpr": [round(float(v), 5) for v in np.interp(grid, x, y)]}
