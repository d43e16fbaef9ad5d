"""Would an analyst read the same coefficients, with their intervals, out of the table?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.learn import Task, ready, task
from lookalike.compare.stats import BLOCKS, Z, around, blocks, jackknife

BETTER = "higher"
ABOUT = About(
    title="Regression coefficients",
    definition=(
        "The target is regressed on the other columns (least squares; a label's commonest level against the rest, logistic), in real "
        "rows and in as many of the table. Overlap of the two 95 % intervals of a coefficient, as a share of their lengths, meaned over "
        "the coefficients that real rows tell from 0 (all, if there is none). Two samples of real rows reach about 0.7."
    ),
    source="Karr et al. 2006, negative overlaps counted as none; numbers in standard deviations, labels by their commonest levels",
    rank=107,
    area="utility",
    quick=False,
    real_rows=20_000,
    rows=20_000,
    control_rows=20_000,
)
LEVELS, MOST, STEPS, PENALTY = 5, 80, 12, 1.0
"""Levels of a label with a coefficient; coefficients in all; Newton steps; a ridge penalty that only matters where columns coincide."""


@dataclass(frozen=True)
class Design:
    """Columns of the regression, by the real rows: (column, level or None, middle, spread)."""

    parts: tuple[tuple[str, int | None, float, float], ...]

    def of(self, frame: Frame) -> np.ndarray:
        """float64 [rows, 1 + coefficients]; the constant first, missing numbers in the middle."""
        out = np.ones((frame.rows, len(self.parts) + 1))
        for j, (name, level, middle, spread) in enumerate(self.parts, start=1):
            out[:, j] = np.nan_to_num((frame[name] - middle) / spread) if level is None else frame[name] == level
        return out

    def names(self, frame: Frame) -> list[str]:
        """What each coefficient is of."""
        return [n if level is None else f"{n} = {frame.levels[n][level] if level >= 0 else 'missing'}" for n, level, *_ in self.parts]


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `coefficient_overlap` (0 to 1); detail has the coefficients with their intervals."""
    what, rng = task(context.target, real, other), context.rng
    if isinstance(what, str):
        return [Finding(name="coefficient_overlap", value=None, note=what)]
    n = min(real.rows, other.rows, ABOUT.rows)
    a, b = (ready(f, what, rows=n, scale=real, rng=rng) for f in (real, other))
    design = _design(a, what)
    if not design.parts:
        return [Finding(name="coefficient_overlap", value=None, note="no other column varies")]
    y, z = _truth(a, b, what)
    ours, theirs = _fit(design.of(a), y, what.label, rng), _fit(design.of(b), z, what.label, rng)
    each = _overlap(ours, theirs)
    clear = np.abs(ours.weights) > Z * ours.errors
    clear |= not clear.any()
    value = float(each[clear].mean())
    of_a = np.array([_overlap(ours.without(g), theirs)[clear].mean() for g in range(BLOCKS)])
    of_b = np.array([_overlap(ours, theirs.without(g))[clear].mean() for g in range(BLOCKS)])
    low, high = around(value, float(np.hypot(jackknife(of_a), jackknife(of_b))), least=0, most=1)
    names, worst = design.names(a), np.argsort(each, kind="stable")
    shown = [(names[i], bool(clear[i]), round(float(each[i]), 4), ours.shown(i), theirs.shown(i)) for i in worst]
    rows = [dict(zip(("name", "clear", "overlap", "real", "other"), one, strict=True)) for one in shown]
    note = "" if len(design.parts) < MOST else f"the first {MOST} coefficients"
    return [Finding(name="coefficient_overlap", value=value, low=low, high=high, note=note, detail={"coefficients": rows, "rows": n})]


def _truth(a: Frame, b: Frame, what: Task) -> tuple[np.ndarray, np.ndarray]:
    """The target of both tables: 1 for the commonest level and 0 for others, or a number in the real rows' standard deviations."""
    first, second = a[what.target], b[what.target]
    if what.label:
        common = np.bincount(first).argmax()
        return (first == common).astype(float), (second == common).astype(float)
    middle, spread = first.mean(), first.std() or 1.0
    return (first - middle) / spread, (second - middle) / spread


def _design(real: Frame, what: Task) -> Design:
    parts: list[tuple[str, int | None, float, float]] = []
    for name in what.features:
        values = real[name]
        if not real.is_label(name):
            middle, spread = (np.nanmean(values), np.nanstd(values)) if not np.isnan(values).all() else (0.0, 0.0)
            if spread > 0:
                parts.append((name, None, float(middle), float(spread)))
            continue
        seen, times = np.unique(values, return_counts=True)
        common = seen[np.argsort(-times, kind="stable")]
        parts += [(name, int(level), 0.0, 1.0) for level in common[1 : LEVELS + 1]]  # against the commonest and all the rare ones
    return Design(tuple(parts[:MOST]))


@dataclass(frozen=True)
class Fitted:
    """Coefficients without the constant, their standard errors, and the coefficients with each group of rows left out."""

    weights: np.ndarray
    errors: np.ndarray
    left: np.ndarray

    def without(self, group: int) -> Fitted:
        """With the group's rows left out; the errors hardly change."""
        return Fitted(self.left[group], self.errors, self.left)

    def shown(self, i: int) -> list[float]:
        """Coefficient and interval."""
        low, high = around(self.weights[i], float(self.errors[i]))
        return [round(float(v), 4) for v in (self.weights[i], low, high)]


def _fit(x: np.ndarray, y: np.ndarray, label: bool, rng: np.random.Generator) -> Fitted:
    weights, ridge = np.zeros(x.shape[1]), PENALTY * np.eye(x.shape[1])
    ridge[0, 0] = 1e-9
    for _ in range(STEPS if label else 1):
        guess, curve = _links(x @ weights, label)
        bend = (x.T * curve) @ x + ridge
        step = np.linalg.solve(bend, x.T @ (y - guess) - ridge @ weights)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    guess, curve = _links(x @ weights, label)
    bend = (x.T * curve) @ x + ridge
    noise = 1.0 if label else float(((y - guess) ** 2).sum() / max(len(y) - len(weights), 1))
    errors = np.sqrt(noise * np.diag(np.linalg.inv(bend)))
    group, left = blocks(len(y), rng), []
    for g in range(BLOCKS):
        out = group == g
        # One Newton step from the whole table's coefficients: exact for least squares, nearly so for logistic.
        left.append(weights - np.linalg.solve(bend - (x[out].T * curve[out]) @ x[out], x[out].T @ (y[out] - guess[out])))
    return Fitted(weights[1:], errors[1:], np.array(left)[:, 1:])


def _links(scores: np.ndarray, label: bool) -> tuple[np.ndarray, np.ndarray]:
    """Expected target and its slope."""
    if not label:
        return scores, np.ones(len(scores))
    chance = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
    return chance, np.maximum(chance * (1 - chance), 1e-9)


def _overlap(a: Fitted, b: Fitted) -> np.ndarray:
    """Mean of the overlap as a share of either interval, by coefficient; 0 where they are apart."""
    long_a, long_b = 2 * Z * a.errors, 2 * Z * b.errors
    both = np.minimum(a.weights + long_a / 2, b.weights + long_b / 2) - np.maximum(a.weights - long_a / 2, b.weights - long_b / 2)
    return np.maximum(0, both) * (1 / np.maximum(long_a, 1e-12) + 1 / np.maximum(long_b, 1e-12)) / 2
