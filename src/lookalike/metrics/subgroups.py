"""Is the table as good inside each group of rows as it is on the whole?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.compare import chance, pairs
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, Grid, grid
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "lower"
ABOUT = About(
    title="Inside subgroups",
    definition=(
        "Groups: the levels of protected columns, of the target and of other labels (up to 12 columns; at least 50 real rows; quarters of "
        "a protected number). Shapes: mean total variation distance of every other column inside a group. Pairs: of every two-way table "
        "inside a group (up to 6 columns of groups). Each group counts the same, large or small; small ones differ more by chance, so the "
        "worst are named by what exceeds it."
    ),
    source="this project; conditional distributions on bins of the real table",
    rank=28,
    area="fidelity",
    unit="%",
    quick=False,
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)
TITLES = {"subgroup_shape": "Shapes inside subgroups", "subgroup_pairs": "Pairs inside subgroups"}
LEAST, BY_COLUMNS, PAIR_BY_COLUMNS, LEVELS, GROUPS = 50, 12, 6, 20, 60
"""Real rows of a group; columns that make groups; those looked at in pairs; levels of such a column; groups in all."""
COLUMNS, PAIR_COLUMNS, SHOWN = 200, 40, 40
QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


@dataclass(frozen=True)
class Group:
    """Rows alike in one column: which, in the real and in the other table."""

    column: str
    level: str
    rows: tuple[np.ndarray, np.ndarray]


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Findings `subgroup_shape` and `subgroup_pairs` in percent (0 to 100); detail names the worst groups with their rows and intervals."""
    found = groups(real, other, first=(*context.protected, *filter(None, [context.target])))
    if not found or len(real.names) < 2 or not other.rows:
        note = f"no label has a level with {LEAST} real rows" if not found else "needs two columns that can be compared"
        return [Finding(name=n, title=t, value=None, note=note) for n, t in TITLES.items()]
    return [_shapes(real, other, found, context.rng), _pairs(real, other, found, context.rng)]


def groups(real: Frame, other: Frame, *, first: tuple[str, ...]) -> list[Group]:
    """Groups of rows by `first`, then by the labels with the fewest levels."""
    levels = {n: int((np.bincount(real[n][real[n] >= 0]) >= LEAST).sum()) for n in real.names if real.is_label(n)}
    rest = sorted((n for n, k in levels.items() if 1 < k <= LEVELS), key=lambda n: levels[n])
    out: list[Group] = []
    for name in list(dict.fromkeys([n for n in first if n in real.names] + rest))[:BY_COLUMNS]:
        if real.is_label(name):
            times = np.bincount(real[name][real[name] >= 0], minlength=len(real.levels[name]))
            commonest = np.argsort(-times, kind="stable")[:LEVELS]
            parts = [(real.levels[name][k], [f[name] == k for f in (real, other)]) for k in commonest.tolist() if times[k] >= LEAST]
        else:
            cuts = np.nanquantile(real[name], [0.25, 0.5, 0.75]) if np.isfinite(real[name]).any() else np.zeros(3)
            quarter = [np.where(np.isnan(f[name]), -1, np.searchsorted(cuts, f[name])) for f in (real, other)]
            parts = [(QUARTERS[k], [q == k for q in quarter]) for k in range(4)]
        out += [Group(name, level, (np.flatnonzero(a), np.flatnonzero(b))) for level, (a, b) in parts if a.sum() >= LEAST]
    return out[:GROUPS]


def _shapes(real: Frame, other: Frame, found: list[Group], rng: np.random.Generator) -> Finding:
    bins = grid(real, real.names[:COLUMNS])
    cells, starts = [bins.codes(f) + pairs.offsets(bins)[:, None] for f in (real, other)], pairs.offsets(bins)
    split = [blocks(f.rows, rng) for f in (real, other)]
    size = int(bins.sizes.sum())
    errors, tests, rows = [], {}, []
    for g in found:
        counts = [
            np.bincount((at * size + c[:, r]).ravel(), minlength=BLOCKS * size).reshape(BLOCKS, size)
            for c, r, at in ((c, r, s[r]) for c, r, s in zip(cells, g.rows, split, strict=True))
        ]
        kept = np.array([n != g.column for n in bins.names])
        by_column = _distances(*counts, bins)[:, kept]
        errors.append(by_column.mean(1))
        sizes = tuple(max(1.0, float(len(r))) for r in g.rows)
        both = [c.sum(0).astype(np.float64) for c in counts]
        by_chance = 100 * np.add.reduceat(chance.total_variation(*both, sizes), starts)[kept]
        names = [n for n in bins.names if n != g.column]
        worst = int((by_column[0] - by_chance).argmax())
        about = {"worst": names[worst], "error": round(float(by_column[0, worst]), 3)}
        rows.append(_row(g, errors[-1], float(by_chance.mean())) | about)
        for name, a, b in zip(bins.names, np.split(both[0], starts[1:]), np.split(both[1], starts[1:]), strict=True):
            if name != g.column and len(g.rows[1]):
                tests[f"{g.column} = {g.level}: {name}"] = chance.chi_square(a, b)[1]
    return _finding("subgroup_shape", errors, rows, tests)


def _pairs(real: Frame, other: Frame, found: list[Group], rng: np.random.Generator) -> Finding:
    columns = list(dict.fromkeys(g.column for g in found))[:PAIR_BY_COLUMNS]
    names = tuple(dict.fromkeys([*columns, *real.names]))[:PAIR_COLUMNS]
    bins = grid(real, names, bins=5, levels=8)
    errors, rows = [], []
    upper = np.triu(np.ones((len(names), len(names)), bool), 1)
    for g in found:
        if g.column not in columns:
            continue
        kept = upper.copy()
        kept[names.index(g.column)] = kept[:, names.index(g.column)] = False
        if not kept.any():
            continue
        p, q = (pairs.tables(f.take(r), bins, rng) for f, r in zip((real, other), g.rows, strict=True))
        all_p, all_q = p.sum(0, dtype=np.float64), q.sum(0, dtype=np.float64)
        one, two = all_p / len(g.rows[0]), all_q / max(1, len(g.rows[1]))
        gaps = [one - two, *(_shares(all_p - part, bins) - two for part in p), *(one - _shares(all_q - part, bins) for part in q)]
        errors.append(np.array([50 * pairs.fold(np.abs(gap), bins)[kept].mean() for gap in gaps]) if len(g.rows[1]) else _lost())
        by_chance = pairs.fold(chance.total_variation(all_p, all_q, tuple(max(1.0, float(len(r))) for r in g.rows)), bins)
        rows.append(_row(g, errors[-1], float(100 * by_chance[kept].mean())))
    return _finding("subgroup_pairs", errors, rows, {})


def _lost() -> np.ndarray:
    return np.full(1 + 2 * BLOCKS, 100.0)


def _shares(counts: np.ndarray, bins: Grid) -> np.ndarray:
    first = int(bins.sizes[0])
    return counts / max(1.0, float(counts[:first, :first].sum()))


def _distances(p: np.ndarray, q: np.ndarray, bins: Grid) -> np.ndarray:
    """Total variation in percent, [1 + 2 × groups, columns]: with all rows, then without each part of either; 100 for a lost group."""
    starts = pairs.offsets(bins)
    if not q.sum():
        return np.repeat(_lost()[:, None], len(starts), 1)

    def shares(counts: np.ndarray) -> np.ndarray:
        whole = counts.sum(0, keepdims=True)
        kept = np.concatenate([whole, whole - counts]).astype(np.float64)
        return kept / np.maximum(kept[:, : int(bins.sizes[0])].sum(1, keepdims=True), 1)

    one, two = shares(p), shares(q)
    gaps = np.abs(np.concatenate([one - two[:1], one[:1] - two[1:]]))
    return 50 * np.add.reduceat(gaps, starts, axis=1)


def _spread(replicates: np.ndarray) -> float:
    return float(np.hypot(jackknife(replicates[1 : BLOCKS + 1]), jackknife(replicates[BLOCKS + 1 :])))


def _row(g: Group, errors: np.ndarray, by_chance: float) -> dict[str, object]:
    low, high = around(float(errors[0]), _spread(errors), least=0, most=100)
    interval = {"value": round(float(errors[0]), 3), "low": round(low, 3), "high": round(high, 3), "chance": round(by_chance, 3)}
    return {"column": g.column, "level": g.level, "rows": [len(r) for r in g.rows]} | interval


def _finding(name: str, errors: list[np.ndarray], rows: list[dict[str, object]], tests: dict[str, float]) -> Finding:
    if not errors:
        return Finding(name=name, title=TITLES[name], value=None, note="needs three columns that can be compared")
    mean = np.mean(errors, axis=0)
    low, high = around(float(mean[0]), _spread(mean), least=0, most=100)
    worst = sorted(rows, key=lambda r: r["chance"] - r["value"])[:SHOWN]
    detail = {"groups": worst, "of": len(rows)}
    return Finding(name=name, title=TITLES[name], value=float(mean[0]), low=low, high=high, tests=tests, detail=detail)
