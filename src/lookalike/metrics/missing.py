"""Are cells missing as often, and in the same rows, as they should be?"""

from __future__ import annotations

import numpy as np

from lookalike.compare import pairs
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, Grid, grid
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "lower"
ABOUT = About(
    title="Missing cells",
    definition=(
        "Share of the missing cells that are too many, too few, or in the wrong place: for each column with missing cells and "
        "each other column, the total variation distance of (missing or not × bin of the other), as a share of the cells that "
        "could be misplaced."
    ),
    source="this project",
    rank=30,
    area="fidelity",
    unit="%",
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `missing` in percent (0 to 100); detail has rate and strongest dependence of each column with missing cells."""
    holes = [n for n in real.names if real.missing(n).any() or other.missing(n).any()]
    if not holes:
        return [Finding(name="missing", value=None, note="no column has missing cells")]
    if len(real.names) < 2:
        return [Finding(name="missing", value=None, note="needs two columns that can be compared")]
    bins = grid(real, real.names, bins=5, levels=10)
    p, q = (_counts(f, holes, bins, context.rng) for f in (real, other))
    all_p, all_q = p.sum(0), q.sum(0)
    errors = _errors(all_p, all_q, bins)
    out_p = np.array([_value(all_p - g, all_q, bins) for g in p])
    out_q = np.array([_value(all_p, all_q - g, bins) for g in q])
    value = _value(all_p, all_q, bins)
    low, high = around(value, float(np.hypot(jackknife(out_p), jackknife(out_q))), least=0, most=100)
    columns = _columns(real, other, holes, errors, _bonds(all_p, bins, holes), _bonds(all_q, bins, holes))
    return [Finding(name="missing", value=value, low=low, high=high, detail={"columns": columns})]


def _counts(frame: Frame, holes: list[str], bins: Grid, rng: np.random.Generator) -> np.ndarray:
    """Counts [groups, holes, 2, cells]: present or missing × the bins of every column."""
    group, cells, starts = blocks(frame.rows, rng), int(bins.sizes.sum()), pairs.offsets(bins)
    codes = bins.codes(frame)
    out = np.zeros((BLOCKS, len(holes), 2, cells))
    for h, name in enumerate(holes):
        state = (group * 2 + frame.missing(name)) * cells
        for j, start in enumerate(starts):
            out[:, h] += np.bincount(state + start + codes[j], minlength=BLOCKS * 2 * cells).reshape(BLOCKS, 2, cells)
    return out


def _parts(p: np.ndarray, q: np.ndarray, bins: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Misplaced share of rows [holes], mean over the other columns, and the greater missing rate of the two tables [holes]."""
    starts = pairs.offsets(bins)
    first = slice(0, int(bins.sizes[0]))
    p, q = (t / np.maximum(t[:, :, first].sum((1, 2), keepdims=True), 1) for t in (p, q))
    rate_p, rate_q = p[:, 1, first].sum(1), q[:, 1, first].sum(1)
    change = np.abs(rate_p - rate_q)
    wrong = np.add.reduceat(np.abs(p[:, 1] - q[:, 1]), starts, axis=1) / 2 + change[:, None] / 2
    # A column's own bins tell nothing of where its missing cells are, only how many: the change of rate, to be taken out again.
    return (wrong.sum(1) - change) / (len(starts) - 1), np.maximum(rate_p, rate_q)


def _errors(p: np.ndarray, q: np.ndarray, bins: Grid) -> np.ndarray:
    wrong, rate = _parts(p, q, bins)
    return 100 * wrong / np.maximum(rate, 1e-12)


def _value(p: np.ndarray, q: np.ndarray, bins: Grid) -> float:
    wrong, rate = _parts(p, q, bins)
    return float(100 * wrong.sum() / max(rate.sum(), 1e-12))


def _bonds(counts: np.ndarray, bins: Grid, holes: list[str]) -> np.ndarray:
    """Cramér's V of each column's missingness with every column, [holes, columns]; 0 with itself."""
    starts, first = pairs.offsets(bins), slice(0, int(bins.sizes[0]))
    rows = max(float(counts[0, :, first].sum()), 2.0)
    share = counts / rows
    expected = share[:, :, first].sum(2)[:, :, None] * share.sum(1, keepdims=True)
    chi = np.divide(share * share, expected, out=np.zeros_like(share), where=expected > 0).sum(1)
    phi = np.add.reduceat(chi, starts, axis=1) - 1
    bonds = np.sqrt(np.clip(phi - (bins.sizes - 1) / (rows - 1), 0, 1))
    for h, name in enumerate(holes):
        bonds[h, bins.names.index(name)] = 0
    return bonds


def _columns(real: Frame, other: Frame, holes: list[str], errors: np.ndarray, p: np.ndarray, q: np.ndarray) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for h, name in enumerate(holes):
        best = int(p[h].argmax())
        rate = {"real": float(real.missing(name).mean()), "other": float(other.missing(name).mean())}
        bond = {"with": real.names[best], "real": float(p[h, best]), "other": float(q[h, best])}
        rows.append({"name": name, "error": float(errors[h]), "rate": rate, "bond": bond})
    return rows
