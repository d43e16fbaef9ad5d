"""Are extreme values as frequent, and as often together in one row, as they should be?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.compare import chance
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "lower"
ABOUT = About(
    title="Tails",
    definition=(
        "Tails: for each ordered column the shares of both tables' rows below the real 1 % and 5 % quantile and above the 95 % and 99 %; "
        "their difference over their sum, mean (100 %: a tail is lost). Joint extremes: for each pair of ordered columns and each of the "
        "four corners, the rows beyond the real 10 % or 90 % quantile of both over the geometric mean of those beyond either (0: extremes "
        "avoid each other, 1: always together, about 0.1: by chance); mean difference."
    ),
    source="exceedance rates; tail dependence at a finite quantile: Coles, Heffernan & Tawn 1999",
    rank=26,
    area="fidelity",
    unit="%",
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)
CUTS = {"below 1 %": 0.01, "below 5 %": 0.05, "above 95 %": 0.95, "above 99 %": 0.99}
OUTER, WIDEST = 0.1, 0.25
"""Share of rows in a corner's side, and the most that ties may make of it."""
FEWEST = 5
"""Rows of a table beyond a cut, with fewer of which in both it is not looked at."""
COLUMNS, SHOWN = 200, 40
JOINT = "Joint extremes"


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Findings `tails` and `tail_dependence` in percent (0 to 100); detail has the shares beyond each cut, and the worst corners."""
    names = [n for n in real.names if not real.is_label(n) and np.isfinite(real[n]).any()]
    if not names or not other.rows:
        note = "no ordered column with values"
        return [_none("tails", note), _none("tail_dependence", note)]
    group = tuple(blocks(f.rows, context.rng, owner=f.owner) for f in (real, other))
    names = names[:COLUMNS]
    return [_single(real, other, names, group), _joint(real, other, names, group)]


def _none(name: str, note: str) -> Finding:
    return Finding(name=name, title=JOINT if name == "tail_dependence" else "", value=None, note=note)


@dataclass(frozen=True)
class _Cut:
    column: str
    name: str
    hits: tuple[np.ndarray, np.ndarray]
    """Rows beyond it, by group, in the real and in the other table."""


def _single(real: Frame, other: Frame, names: list[str], group: tuple[np.ndarray, np.ndarray]) -> Finding:
    found = []
    for name in names:
        at = np.nanquantile(real[name], list(CUTS.values()))
        for (label, share), cut in zip(CUTS.items(), at, strict=True):
            beyond = [(f[name] < cut) if share < 0.5 else (f[name] > cut) for f in (real, other)]
            if max(b.sum() for b in beyond) >= FEWEST:  # where real values end, any number of others beyond is news
                hits = tuple(np.bincount(g[b], minlength=BLOCKS) for b, g in zip(beyond, group, strict=True))
                found.append(_Cut(name, label, hits))
    if not found:
        return _none("tails", "no column has values beyond its 5 % and 95 % quantile")
    sizes = [np.bincount(g, minlength=BLOCKS) for g in group]
    p, q = (_without(np.array([c.hits[k] for c in found]), sizes[k]) for k in (0, 1))
    value = 100 * _contrast(p[:, 0], q[:, 0])
    out = [100 * _contrast(x[:, 1:], y[:, :1]).mean(0) for x, y in ((p, q), (q, p))]
    low, high = around(float(value.mean()), float(np.hypot(jackknife(out[0]), jackknife(out[1]))), least=0, most=100)
    columns: dict[str, dict[str, list[float]]] = {}
    for cut, a, b in zip(found, 100 * p[:, 0], 100 * q[:, 0], strict=True):
        columns.setdefault(cut.column, {})[cut.name] = [round(float(a), 3), round(float(b), 3)]
    tests = {f"{c.column} {c.name}": chance.proportion(int(c.hits[0].sum()), real.rows, int(c.hits[1].sum()), other.rows) for c in found}
    return Finding(name="tails", value=float(value.mean()), low=low, high=high, tests=tests, detail={"columns": columns})


def _without(hits: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Shares with all rows and without each group, [cuts, 1 + groups], from hits [cuts, groups]."""
    whole = hits.sum(1, keepdims=True)
    return np.concatenate([whole, whole - hits], axis=1) / np.maximum(np.append(sizes.sum(), sizes.sum() - sizes), 1)


def _contrast(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.abs(p - q) / np.maximum(p + q, 1e-12)


def _joint(real: Frame, other: Frame, names: list[str], group: tuple[np.ndarray, np.ndarray]) -> Finding:
    sides = [(name, upper, edge) for name in names for upper in (False, True) if (edge := _edge(real[name], upper)) is not None]
    (p, both_p), (q, both_q) = (_corners(f, sides, g) for f, g in zip((real, other), group, strict=True))
    i, j = np.triu_indices(len(sides), 1)
    kept = np.array([sides[a][0] != sides[b][0] for a, b in zip(i, j, strict=True)], bool)
    i, j = i[kept], j[kept]
    if not len(i):
        return _none("tail_dependence", "needs two columns with tails")
    p, q = p[:, i, j], q[:, i, j]
    value = 100 * np.abs(p[0] - q[0])
    out = [100 * np.abs(x[1:] - y[0]).mean(1) for x, y in ((p, q), (q, p))]
    low, high = around(float(value.mean()), float(np.hypot(jackknife(out[0]), jackknife(out[1]))), least=0, most=100)
    titles = [f"{name} {'high' if upper else 'low'}" for name, upper, _ in sides]
    p_values = _tests(both_p, both_q, rows=(real.rows, other.rows))[i, j].tolist()
    tests = {f"{titles[a]} & {titles[b]}": p for a, b, p in zip(i.tolist(), j.tolist(), p_values, strict=True)}
    worst = [
        {"a": titles[i[k]], "b": titles[j[k]], "real": round(float(p[0, k]), 4), "other": round(float(q[0, k]), 4)}
        for k in np.argsort(-value, kind="stable")[:SHOWN].tolist()
    ]
    detail = {"corners": worst}
    return Finding(name="tail_dependence", title=JOINT, value=float(value.mean()), low=low, high=high, tests=tests, detail=detail)


Side = tuple[str, bool, float]
"""A column, whether its high side, and where that begins."""


def _edge(real: np.ndarray, upper: bool) -> float | None:
    """The value from which on the outer tenth lies, ties included unless they make it wider than a quarter; None if nothing is left."""
    x = real if upper else -real
    cut = np.nanquantile(x, 1 - OUTER)
    if (x >= cut).sum() > WIDEST * len(x):
        if not (x > cut).any():
            return None
        cut = np.nanmin(x[x > cut])
    return float(cut if upper else -cut)


def _corners(frame: Frame, sides: list[Side], group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows in both sides over the geometric mean of the rows in each, [1 + groups, sides, sides], 0 if a side is empty; rows in both."""
    beyond = np.zeros((len(sides), frame.rows), np.float32)
    for row, (name, upper, edge) in zip(beyond, sides, strict=True):
        row[:] = frame[name] >= edge if upper else frame[name] <= edge
    both = np.array([beyond[:, group == g] @ beyond[:, group == g].T for g in range(BLOCKS)], np.float64)
    kept = np.concatenate([both.sum(0)[None], both.sum(0) - both])
    one = np.diagonal(kept, axis1=1, axis2=2)
    mean = np.sqrt(one[:, :, None] * one[:, None, :])
    return np.divide(kept, mean, out=np.zeros_like(kept), where=mean > 0), kept[0]


def _tests(p: np.ndarray, q: np.ndarray, *, rows: tuple[int, int]) -> np.ndarray:
    """p-values [sides, sides] that rows meet in both sides alike, however many each side has, from rows in both."""
    ones = [np.diag(x) for x in (p, q)]
    cells = [np.stack([x, o[:, None] - x, o - x, n - o[:, None] - o + x]) for x, o, n in zip((p, q), ones, rows, strict=True)]
    joint = chance.evidence(*cells, rows).sum(1)
    own = chance.evidence(*(np.stack([o, n - o]) for o, n in zip(ones, rows, strict=True)), rows).sum(1)
    share = [(c[0] + c[1]) / sum(rows) for c in zip(*cells, strict=True)]
    a, b = share[0] + share[1], share[0] + share[2]
    spread = a * (1 - a) * b * (1 - b)
    bond = np.divide((share[0] - a * b) ** 2, spread, out=np.zeros_like(spread), where=spread > 0)
    return chance.interaction(joint, own[:, :, None], own[:, None, :], rows=rows, bond=bond)
