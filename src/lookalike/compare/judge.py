"""How good predictions are: area under the curve or R² with its interval, and accuracy, F1, calibration, RMSE beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lookalike.compare.learn import Guess
from lookalike.compare.stats import BLOCKS, around, auc, blocks, jackknife

BINS = 10


@dataclass(frozen=True)
class Verdict:
    """The main figure, its 95 % interval, and the others (JSON-able)."""

    value: float
    low: float
    high: float
    detail: dict[str, Any] = field(default_factory=dict)


def judge(truth: np.ndarray, guess: Guess, rng: np.random.Generator) -> Verdict:
    """Area under the ROC curve (several classes: mean, each against the rest) or R² (not below −1). Every class of `truth` counts."""
    if guess.value is not None:
        return _number(truth, guess.value, rng)
    present = np.unique(truth)
    score = np.stack([guess.of(int(c)) for c in present], axis=1)
    value = figure(truth, guess)
    if len(present) == 2:
        error = auc(truth == present[1], score[:, 1] - score[:, 0])[1]
    else:
        group = blocks(len(truth), rng)
        error = float(jackknife(np.array([_macro(truth[group != g], score[group != g], present) for g in range(BLOCKS)])))
    low, high = around(value, error, least=0, most=1)
    said = present[score.argmax(1)]
    detail = {
        "measure": "AUC",
        "classes": len(present),
        "rows": len(truth),
        "accuracy": round(float((said == truth).mean()), 4),
        "f1": round(_f1(truth, said, present), 4),
        "brier": round(float(((score - (truth[:, None] == present)) ** 2).sum(1).mean()), 4),
        "calibration_error": round(calibration_error((truth[:, None] == present).ravel(), score.ravel()), 4),
    }
    return Verdict(value, low, high, detail)


def figure(truth: np.ndarray, guess: Guess) -> float:
    """The main figure alone."""
    if guess.value is not None:
        return _r2(truth, guess.value)
    present = np.unique(truth)
    score = np.stack([guess.of(int(c)) for c in present], axis=1)
    return auc(truth == present[1], score[:, 1] - score[:, 0])[0] if len(present) == 2 else _macro(truth, score, present)


def losses(truth: np.ndarray, guess: Guess) -> np.ndarray:
    """Squared error of each row in units of what the best constant guess costs: 1 minus the mean is R², or the Brier skill of a label.

    Finer than the area under a curve, which hardly moves once rows are well ordered.
    """
    if guess.value is not None:
        return (truth - guess.value) ** 2 / max(float(truth.var()), 1e-300)
    present, times = np.unique(truth, return_counts=True)
    share = times / len(truth)
    wrong = sum(((guess.of(int(c)) - (truth == c)) ** 2 for c in present), np.zeros(len(truth)))
    return wrong / max(float((share * (1 - share)).sum()), 1e-300)


def calibration_error(truth: np.ndarray, chance: np.ndarray) -> float:
    """Mean gap between chance said and share found, in ten bins of equally many rows."""
    order = np.argsort(chance, kind="stable")
    parts = [p for p in np.array_split(order, BINS) if len(p)]
    return float(sum(len(p) * abs(chance[p].mean() - truth[p].mean()) for p in parts) / max(len(truth), 1))


def _macro(truth: np.ndarray, score: np.ndarray, present: np.ndarray) -> float:
    hits = truth[:, None] == present
    return float(np.mean([auc(hits[:, k], score[:, k])[0] for k in range(len(present)) if 0 < hits[:, k].sum() < len(hits)]))


def _f1(truth: np.ndarray, said: np.ndarray, present: np.ndarray) -> float:
    """Mean over classes."""
    found = [2 * ((said == c) & (truth == c)).sum() / max((said == c).sum() + (truth == c).sum(), 1) for c in present]
    return float(np.mean(found))


def _r2(truth: np.ndarray, value: np.ndarray) -> float:
    return max(-1.0, 1 - float(((truth - value) ** 2).sum() / max(((truth - truth.mean()) ** 2).sum(), 1e-300)))


def _number(truth: np.ndarray, value: np.ndarray, rng: np.random.Generator) -> Verdict:
    group = blocks(len(truth), rng)
    found = _r2(truth, value)
    error = float(jackknife(np.array([_r2(truth[group != g], value[group != g]) for g in range(BLOCKS)])))
    low, high = around(found, error, least=-1, most=1)
    spread = float(value.var())
    slope = float(np.cov(value, truth, bias=True)[0, 1] / spread) if spread > 0 else 0.0
    detail = {
        "measure": "R²",
        "rows": len(truth),
        "rmse": float(f"{np.sqrt(((truth - value) ** 2).mean()):.5g}"),
        "mae": float(f"{np.abs(truth - value).mean():.5g}"),
        "calibration_slope": round(slope, 4),
    }
    return Verdict(found, low, high, detail)
