"""Do columns depend on each other, two at a time, as they should?"""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike.compare import pairs
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, Grid, grid
from lookalike.compare.stats import BLOCKS, around, jackknife

BETTER = "lower"
ABOUT = About(
    title="Pair trends",
    definition=(
        "Mean total variation distance of the two-way tables of all pairs of columns, on bins shared by both tables (deciles of "
        "the real column; a heavy single value and missing have bins of their own; the 20 commonest levels). Every pair counts, "
        "also the weakly dependent."
    ),
    source="as SDMetrics' ContingencySimilarity without its threshold and with shared bins; Cramér's V as corrected by Bergsma 2013",
    rank=20,
    area="fidelity",
    unit="%",
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)
COLUMNS = 200
"""More columns than these are sampled."""


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `trend` in percent (0 to 100); detail holds matrices of error, association and correlation for all pairs."""
    names, note = _chosen(real, context.rng)
    if len(names) < 2:
        return [Finding(name="trend", value=None, note="needs two columns that can be compared")]
    bins = grid(real, names)
    p, q = (pairs.tables(f, bins, context.rng) for f in (real, other))
    all_p, all_q = p.sum(0, dtype=np.float64), q.sum(0, dtype=np.float64)
    error = _error(all_p, all_q, bins)
    value = _mean(error)
    out_p = np.array([_mean(_error(all_p - p[g], all_q, bins)) for g in range(BLOCKS)])
    out_q = np.array([_mean(_error(all_p, all_q - q[g], bins)) for g in range(BLOCKS)])
    low, high = around(value, float(np.hypot(jackknife(out_p), jackknife(out_q))), least=0, most=100)
    detail = {"names": list(names), "error": _rounded(error, 2)} | _dependence(real, other, bins, (all_p, all_q))
    return [Finding(name="trend", value=value, low=low, high=high, note=note, detail=detail)]


def _chosen(real: Frame, rng: np.random.Generator) -> tuple[tuple[str, ...], str]:
    if len(real.names) <= COLUMNS:
        return real.names, ""
    keep = np.sort(rng.choice(len(real.names), COLUMNS, replace=False))
    note = f"{COLUMNS * (COLUMNS - 1) // 2:,} pairs of {COLUMNS} random columns, of {len(real.names)} columns"
    return tuple(real.names[i] for i in keep), note


def _error(p: np.ndarray, q: np.ndarray, bins: Grid) -> np.ndarray:
    first = int(bins.sizes[0])
    p_rows, q_rows = p[:first, :first].sum(), q[:first, :first].sum()
    return 50 * pairs.fold(np.abs(p / max(p_rows, 1) - q / max(q_rows, 1)), bins)


def _mean(error: np.ndarray) -> float:
    return float(error[np.triu_indices(len(error), 1)].mean())


def _dependence(real: Frame, other: Frame, bins: Grid, counts: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    numbers = [n for n in bins.names if not real.is_label(n)]
    association = [_rounded(pairs.association(c, bins), 3) for c in counts]
    correlation = [_rounded(pairs.pearson(f, numbers), 3) for f in (real, other)]
    return {
        "association": {"real": association[0], "other": association[1]},
        "correlation": {"names": numbers, "real": correlation[0], "other": correlation[1]},
    }


def _rounded(matrix: np.ndarray, digits: int) -> list[list[float | None]]:
    return [[None if np.isnan(v) else round(float(v), digits) for v in row] for row in matrix]
