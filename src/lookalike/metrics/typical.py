"""Are the rows as typical as real rows, and do they reach as far out?"""

from __future__ import annotations

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.near import EQUAL, closest, fit, gaps, radii
from lookalike.compare.rows import canonical
from lookalike.compare.space import Space
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "higher"
ABOUT = About(
    title="Typical and rare rows",
    definition=(
        "Rows are ordered by their distance from the middle of the real rows. α-precision: for every α, the share of the table's rows "
        "among the α most typical real rows should be α; 1 minus twice the mean gap. β-recall: for every β, the share of real rows "
        "that have one of the β most typical rows of the table as near as their nearest other real row; 1 minus twice the mean gap. "
        "Fresh real rows do not reach 1. Both tables have the same number of rows."
    ),
    source=(
        "Alaa et al. 2022, in the space of the rows themselves; authenticity (in the detail) with the index of the nearest real row, "
        "which the authors' code and its copies confuse with the row's own"
    ),
    rank=83,
    area="diversity",
    quick=False,
    real_rows=6_000,
    rows=6_000,
    control_rows=6_000,
)
LEAST = 100
STEPS = np.linspace(0, 1, 31)
TITLES = {"alpha_precision": "α-precision (rows as typical as real rows)", "beta_recall": "β-recall (real rows that are met)"}


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Two findings, `alpha_precision` and `beta_recall` (0 to 1); detail has both curves and the authenticity."""
    if not real.names or min(real.rows, other.rows) < LEAST:
        note = f"needs {LEAST} rows of each table and a column that can be compared"
        return [Finding(name=n, title=t, value=None, note=note) for n, t in TITLES.items()]
    space, rng = Space(real), context.rng
    n = fit(min(real.rows, other.rows), space, most=ABOUT.rows)
    a, b = (space.embed(canonical(f, scale=real).cut(n, rng)) for f in (real, other))
    group = blocks(n, rng)
    ours, theirs = (np.sqrt(_from(x, a.mean(0, keepdims=True))) for x in (a, b))
    alpha = _typical(ours, theirs)
    of_real = np.array([_score(_typical(ours[group != g], theirs)) for g in range(BLOCKS)])
    beta, authentic = _met(a, b)
    found = {"alpha_precision": (alpha, jackknife(of_real)), "beta_recall": (beta, 0.0)}
    return [_found(name, ranks, group, float(more), authentic) for name, (ranks, more) in found.items()]


def _found(name: str, ranks: np.ndarray, group: np.ndarray, more: float, authentic: np.ndarray) -> Finding:
    """`more`: standard error of the other table's rows."""
    value = _score(ranks)
    error = float(jackknife(np.array([_score(ranks[group != g]) for g in range(BLOCKS)])))
    low, high = around(value, float(np.hypot(error, more)), least=0, most=1)
    detail = {"rows": len(ranks), "share": STEPS.round(4).tolist(), "reached": _curve(ranks).round(4).tolist()}
    if name == "beta_recall":
        detail["authenticity"] = round(float(authentic.mean()), 4)
    return Finding(name=name, title=TITLES[name], value=value, low=low, high=high, detail=detail)


def _typical(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """For each row of the table the least α that takes it in, by distances from the middle; inf: farther out than every real row."""
    alpha = np.searchsorted(np.sort(ours), theirs - EQUAL, side="left") / len(ours)
    return np.where(alpha >= 1, np.inf, alpha)


def _met(real: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each real row the least β (inf: none), and which of the table's rows are authentic."""
    own = radii(real, 1)
    index, gap = closest(real, other)
    typical = np.sqrt(_from(other, other.mean(0, keepdims=True)))
    ranked = np.searchsorted(np.sort(typical), typical - EQUAL, side="left") / len(other)
    beta = np.where(gap <= own + EQUAL, ranked[index], np.inf)
    index, gap = closest(other, real)
    return beta, gap > own[index] + EQUAL


def _from(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Squared distance of each point from the one centre."""
    return np.concatenate([gap[:, 0] for _, gap in gaps(points, centre)])


def _curve(ranks: np.ndarray) -> np.ndarray:
    """Share of rows taken in at each step."""
    return np.searchsorted(np.sort(ranks), STEPS, side="right") / len(ranks)


def _score(ranks: np.ndarray) -> float:
    return float(1 - 2 * np.trapezoid(np.abs(_curve(ranks) - STEPS), STEPS))
