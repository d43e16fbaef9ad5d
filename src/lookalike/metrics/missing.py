"""Are cells missing as often, and in the same rows, as they should be?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lookalike.compare import chance, pairs
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, Grid, grid
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife, without

BETTER = "lower"
ABOUT = About(
    title="Missing cells",
    definition=(
        "Share of the missing cells that are too many, too few, or in the wrong place: for each column with missing cells and "
        "each other column, the total variation distance of (missing or not × bin of the other), as a share of the cells that "
        "could be misplaced. Patterns: total variation distance of which cells are missing together in a row (the 100 commonest "
        "patterns of the real table, all others as one)."
    ),
    source="this project",
    rank=30,
    area="fidelity",
    unit="%",
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)
COLUMNS = 200
"""More columns than these are sampled."""
TOGETHER = "Missing together"
PATTERNS, SHOWN, FEWEST = 100, 20, 5
"""Patterns with a cell of their own; those shown, and the real rows that one must have to be shown."""


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Findings `missing` and `missing_patterns` in percent (0 to 100); detail: rate and strongest bond of each column, and the patterns."""
    holes = [n for n in real.names if real.missing(n).any() or other.missing(n).any()]
    note = "no column has missing cells" if not holes else "needs two columns that can be compared" if len(real.names) < 2 else ""
    if note or not real.rows or not other.rows:
        note = note or "a table is empty"
        return [Finding(name=n, title=t, value=None, note=note) for n, t in (("missing", ""), ("missing_patterns", TOGETHER))]
    return [_places(real, other, holes, context.rng), _patterns(real, other, holes, context.rng)]


def _places(real: Frame, other: Frame, holes: list[str], rng: np.random.Generator) -> Finding:
    names = real.names
    if len(names) > COLUMNS:  # the same for every table that is compared
        chosen = np.sort(np.random.default_rng(0).choice(len(names), COLUMNS, replace=False))
        names = tuple(real.names[i] for i in chosen)
        holes = [n for n in holes if n in set(names)]
    if not holes:
        return Finding(name="missing", value=None, note=f"none of {COLUMNS} random columns has missing cells")
    bins = grid(real, names, bins=5, levels=10)
    p, q = (_counts(f, holes, bins, rng) for f in (real, other))
    all_p, all_q = p.sum(0), q.sum(0)
    errors = _errors(all_p, all_q, bins)
    out_p = np.array([_value(all_p - g, all_q, bins) for g in p])
    out_q = np.array([_value(all_p, all_q - g, bins) for g in q])
    value = _value(all_p, all_q, bins)
    low, high = around(value, float(np.hypot(jackknife(out_p), jackknife(out_q))), least=0, most=100)
    columns = _columns(real, other, bins, _Bonds(holes, errors, _bonds(all_p, bins, holes), _bonds(all_q, bins, holes)))
    tests = _tests(all_p, all_q, bins, holes)
    return Finding(name="missing", value=value, low=low, high=high, tests=tests, detail={"columns": columns})


def _patterns(real: Frame, other: Frame, holes: list[str], rng: np.random.Generator) -> Finding:
    """Total variation of which cells of a row are missing together."""
    seen, codes = _common(real, other, holes)
    size = seen.shape[1] + 1
    p, q = (
        np.bincount(blocks(len(c), rng, owner=f.owner) * size + c, minlength=BLOCKS * size).reshape(BLOCKS, size)
        for f, c in zip((real, other), np.split(codes, [real.rows]), strict=True)
    )
    (one, two), (all_p, all_q) = (without(p), without(q)), (p.sum(0), q.sum(0))
    errors = [50 * np.abs(x - y[:1]).sum(1) for x, y in ((one, two), (two, one))]
    value = float(errors[0][0])
    low, high = around(value, float(np.hypot(jackknife(errors[0][1:]), jackknife(errors[1][1:]))), least=0, most=100)
    shown, tests = [], {}
    for k in np.flatnonzero(all_p[:-1] >= FEWEST)[:SHOWN].tolist():
        names = [n for n, bit in zip(holes, np.unpackbits(seen[:, k]), strict=False) if bit]
        shown.append({"missing": names, "real": round(float(one[0, k]), 5), "other": round(float(two[0, k]), 5)})
        p_value = chance.proportion(int(all_p[k]), real.rows, int(all_q[k]), other.rows)
        tests["missing: " + (", ".join(names) or "nothing")] = p_value
    detail = {"patterns": shown, "unusual": {"real": round(float(one[0, -1]), 5), "other": round(float(two[0, -1]), 5)}}
    return Finding(name="missing_patterns", title=TOGETHER, value=value, low=low, high=high, tests=tests, detail=detail)


def _common(real: Frame, other: Frame, holes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The commonest patterns of the real rows as bits [bytes, patterns], and each row's, real ones first; the rest share the last."""
    sides = [np.packbits(np.array([f.missing(n) for n in holes]), axis=0) for f in (real, other)]
    seen, codes = np.unique(np.concatenate(sides, axis=1), axis=1, return_inverse=True)
    times = np.bincount(codes.ravel()[: real.rows], minlength=seen.shape[1])
    kept = np.argsort(-times, kind="stable")[: min(PATTERNS, int(np.count_nonzero(times)))]
    rule = np.full(len(times), len(kept))
    rule[kept] = np.arange(len(kept))
    return seen[:, kept], rule[codes.ravel()]


def _tests(p: np.ndarray, q: np.ndarray, bins: Grid, holes: list[str]) -> dict[str, float]:
    """p-values that a column's missing cells depend alike on each other column, whatever the rates."""
    starts, first = pairs.offsets(bins), slice(0, int(bins.sizes[0]))
    states = [t[:, :, first].sum(2) for t in (p, q)]
    rows = float(states[0][0].sum()), float(states[1][0].sum())
    joint = np.add.reduceat(chance.evidence(p, q, rows).sum(2), starts, axis=2)
    own = chance.evidence(*states, rows).sum(2)[:, :, None]
    second = np.add.reduceat(chance.evidence(p.sum(1), q.sum(1), rows), starts, axis=2)
    bond = _bonds(p + q, bins, holes) ** 2
    found = chance.interaction(joint, own, second, rows=rows, bond=bond)
    return {f"{h} missing × {n}": float(found[i, j]) for i, h in enumerate(holes) for j, n in enumerate(bins.names) if n != h}


def _counts(frame: Frame, holes: list[str], bins: Grid, rng: np.random.Generator) -> np.ndarray:
    """Counts [groups, holes, 2, cells]: present or missing × the bins of every column."""
    group, cells, starts = blocks(frame.rows, rng, owner=frame.owner), int(bins.sizes.sum()), pairs.offsets(bins)
    codes = bins.codes(frame)
    out = np.empty((BLOCKS, len(holes), 2, cells))
    for h, name in enumerate(holes):
        state = group * 2 + frame.missing(name)
        for start, size, own in zip(starts, bins.sizes, codes, strict=True):
            found = np.bincount(state * size + own, minlength=BLOCKS * 2 * size)
            out[:, h, :, start : start + size] = found.reshape(BLOCKS, 2, size)
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


class _Bonds(NamedTuple):
    """Columns with missing cells, the error of each, and what it is bound to in either table [holes, columns]."""

    holes: list[str]
    errors: np.ndarray
    real: np.ndarray
    other: np.ndarray


def _columns(real: Frame, other: Frame, bins: Grid, found: _Bonds) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for h, name in enumerate(found.holes):
        best = int(found.real[h].argmax())
        rate = {"real": float(real.missing(name).mean()), "other": float(other.missing(name).mean())}
        bond = {"with": bins.names[best], "real": float(found.real[h, best]), "other": float(found.other[h, best])}
        rows.append({"name": name, "error": float(found.errors[h]), "rate": rate, "bond": bond})
    return rows
