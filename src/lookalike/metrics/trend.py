"""Do columns go together, two at a time, as they should?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lookalike.compare import chance, pairs
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, Grid, grid
from lookalike.compare.stats import around, jackknife

BETTER = "lower"
ABOUT = About(
    title="Pair trends",
    definition=(
        "Two errors over all pairs of columns, on bins shared by both tables (deciles of the real column; a heavy single value and "
        "missing have bins of their own; the 20 commonest levels). Trend: mean total variation distance of the two-way tables; every "
        "pair counts, also the weakly dependent. Dependence: mean difference of normalised mutual information, corrected for chance, "
        "which a shift of a single column leaves alone."
    ),
    source=(
        "as SDMetrics' ContingencySimilarity without its threshold and with shared bins; normalised mutual information: Strehl & Ghosh "
        "2002, Miller 1955; Cramér's V as corrected by Bergsma 2013; Theil's U: Theil 1970"
    ),
    rank=20,
    area="fidelity",
    unit="%",
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)
COLUMNS = 200
"""More columns than these are sampled."""
WIDE, WORK = 100, 6e10
"""Columns beyond which bins are coarser; rows × cells², the multiplications of the tables, at which wide tables get fewer rows."""
SHOWN = 60
"""Pairs named in detail: those whose dependence differs most."""


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Findings `trend` and `dependence` in percent (0 to 100); detail holds matrices for all pairs, and the pairs that differ most."""
    names, note = _chosen(real)
    if len(names) < 2 or not real.rows or not other.rows:
        note = "needs two columns that can be compared"
        return [Finding(name="trend", value=None, note=note), Finding(name="dependence", title="Dependence", value=None, note=note)]
    looked = _looked_at(names, context.across)
    if not looked.any():
        note = "no pair of columns of two tables"
        return [Finding(name="trend", value=None, note=note), Finding(name="dependence", title="Dependence", value=None, note=note)]
    bins = grid(real, names) if len(names) <= WIDE else grid(real, names, bins=6, levels=8)
    most = max(5_000, int(WORK / float(bins.sizes.sum()) ** 2))
    p, q = (pairs.tables(f.cut(most, context.rng), bins, context.rng) for f in (real, other))
    all_p, all_q = p.sum(0, dtype=np.float64), q.sum(0, dtype=np.float64)
    error, bond_p, bond_q = _error(all_p, all_q, bins), pairs.normalised(all_p, bins), pairs.normalised(all_q, bins)

    def mean(pair: np.ndarray) -> float:
        return float(pair[looked].mean())

    out_p = np.array([(mean(_error(all_p - g, all_q, bins)), mean(abs(pairs.normalised(all_p - g, bins) - bond_q))) for g in p])
    out_q = np.array([(mean(_error(all_p, all_q - g, bins)), mean(abs(bond_p - pairs.normalised(all_q - g, bins)))) for g in q])
    spread = np.hypot(jackknife(out_p), jackknife(out_q)) * np.array([1.0, 100.0])
    value = mean(error), 100 * mean(abs(bond_p - bond_q))
    (low, high), (least, most) = (around(v, float(s), least=0, most=100) for v, s in zip(value, spread, strict=True))
    by_chance = mean(100 * pairs.fold(chance.total_variation(all_p, all_q, _rows(all_p, all_q, bins)), bins))
    detail = {"names": list(names), "error": _rounded(error, 2), "chance": round(by_chance, 4)}
    detail |= _dependence(real, other, bins, (all_p, all_q))
    p_values = pairs.differ(all_p, all_q, bins)
    tests = {f"{names[i]} × {names[j]}": float(p_values[i, j]) for i, j in _pairs(looked)}
    worst = {"pairs": _worst(bins, (all_p, all_q), (bond_p, bond_q), p_values, _pairs(looked))}
    return [
        Finding(name="trend", value=value[0], low=low, high=high, note=note, detail=detail),
        Finding(name="dependence", title="Dependence", value=value[1], low=least, high=most, note=note, tests=tests, detail=worst),
    ]


def _chosen(real: Frame) -> tuple[tuple[str, ...], str]:
    if len(real.names) <= COLUMNS:
        return real.names, ""
    # The same for every table that is compared: controls must be judged by the same columns.
    keep = np.sort(np.random.default_rng(0).choice(len(real.names), COLUMNS, replace=False))
    note = f"{COLUMNS * (COLUMNS - 1) // 2:,} pairs of {COLUMNS} random columns, of {len(real.names)} columns"
    return tuple(real.names[i] for i in keep), note


def _looked_at(names: tuple[str, ...], across: Mapping[str, str] | None) -> np.ndarray:
    """Bool [columns, columns]: the pairs that count, each once; only those of two parts, where columns come from several."""
    part = np.array(names if across is None else [across[n] for n in names])
    return np.triu(part[:, None] != part[None, :], 1)


def _pairs(looked: np.ndarray) -> list[tuple[int, int]]:
    return [(int(i), int(j)) for i, j in np.argwhere(looked)]


def _rows(p: np.ndarray, q: np.ndarray, bins: Grid) -> tuple[float, float]:
    first = int(bins.sizes[0])
    return max(float(p[:first, :first].sum()), 1.0), max(float(q[:first, :first].sum()), 1.0)


def _error(p: np.ndarray, q: np.ndarray, bins: Grid) -> np.ndarray:
    p_rows, q_rows = _rows(p, q, bins)
    return 50 * pairs.fold(np.abs(p / p_rows - q / q_rows), bins)


def _dependence(real: Frame, other: Frame, bins: Grid, counts: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    numbers = [n for n in bins.names if not real.is_label(n)]
    association = [_rounded(pairs.association(c, bins), 3) for c in counts]
    correlation = [_rounded(pairs.pearson(f, numbers), 3) for f in (real, other)]
    return {
        "association": {"real": association[0], "other": association[1]},
        "correlation": {"names": numbers, "real": correlation[0], "other": correlation[1]},
    }


def _worst(
    bins: Grid,
    counts: tuple[np.ndarray, np.ndarray],
    bonds: tuple[np.ndarray, np.ndarray],
    p_values: np.ndarray,
    looked: list[tuple[int, int]],
) -> list[dict[str, object]]:
    """Pairs whose mutual information differs most: [real, other] of it, of Cramér's V, and of Theil's U both ways."""
    v, u = [pairs.association(c, bins) for c in counts], [pairs.theil(c, bins) for c in counts]
    at = sorted(looked, key=lambda ij: -abs(bonds[0][ij] - bonds[1][ij]))[:SHOWN]
    return [
        {
            "a": bins.names[i],
            "b": bins.names[j],
            "information": _both(bonds, i, j),
            "cramer": _both(v, i, j),
            "explained": {"a": _both(u, i, j), "b": _both(u, j, i)},
            "p": float(f"{p_values[i, j]:.3g}"),
        }
        for i, j in at
    ]


def _both(matrices: Any, i: int, j: int) -> list[float]:
    return [round(float(m[i, j]), 4) for m in matrices]


def _rounded(matrix: np.ndarray, digits: int) -> list[list[float | None]]:
    return [[None if np.isnan(v) else round(float(v), digits) for v in row] for row in matrix]
