"""What tells two tables apart, in words: short rules that more rows of one table meet than of the other.

Rules are judged on rows they were not made from. They give no value away that fewer than 5 real rows stand behind: thresholds are
rounded, and values of rules (or of parts of rules) that hardly any real row meets are hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any, Literal

import numpy as np

from lookalike.compare import chance
from lookalike.compare.frame import Frame

PROTECT = 5
"""Real rows that must stand behind a value that is shown."""
LEVELS, COLUMNS, MOST, DOUBT = 12, 30, 8, 0.01
"""Levels of a label that rules may name; columns they may use; rules at most; p-value of all together beyond which one is dropped."""
CLOSE = 6
"""Columns that are looked at singly and two at a time besides."""
ALIKE = 0.4
"""Rows that two rules share, of those that either is met by, from which on the second says nothing new."""
OPEN = " (or missing)"
GREATEST = 1e30
"""Trees compare, and add up, in single precision."""


@dataclass(frozen=True)
class Part:
    """One condition: the column, what is said of it, which rows meet it (real ones first), and whether its value had to be hidden.

    `plainer`: that the cell is missing, or known, where the condition says that and more.
    """

    column: str
    says: Literal["is", "is not", "missing", "known", "above", "below"]
    value: str
    met: np.ndarray
    hidden: bool = False
    plainer: Part | None = None


def rules(pair: tuple[Frame, Frame], scores: np.ndarray, names: list[str], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Rules from small trees, made on half of the rows and judged on the rest.

    One tree follows the scores that a classifier gave to unseen rows; others look for what tells the tables apart by one column or two.
    `pair`: real and other table; `scores`: of the rows of both, one table after the other; `names`: the columns to use, best first.

    Returns: text, columns, and shares in percent (`real`, `other`) of each rule, the clearest first; columns' values hidden where needed.
    """
    truth = np.arange(len(scores)) >= pair[0].rows
    half, seed = rng.permutation(len(scores)) % 2 == 0, int(rng.integers(2**31))
    axes = {name: found for name in names[:COLUMNS] if (found := _axes(pair, name))}
    if not axes or not half.any():
        return []
    chances = np.clip(scores, 1e-3, 1 - 1e-3)
    close = list(axes)[:CLOSE]
    made = _grown([a for found in axes.values() for a in found], np.log(chances / (1 - chances)), half, size=(4, 14), seed=seed)
    for few in (*((n,) for n in close), *combinations(close, 2)):
        made += _grown([a for n in few for a in axes[n]], truth.astype(float), half, size=(len(few) + 1, 6), seed=seed)
    short = [_shortened([_part(axis, above, cut, pair) for axis, above, cut in path], truth, half) for path in made]
    judged = sorted(((_evidence(parts, truth, ~half), parts) for parts in short), key=lambda rule: -rule[0][1])
    out: dict[str, dict[str, Any]] = {}
    told: list[np.ndarray] = []
    for (table, _, p), parts in judged:
        met = _met(parts)
        if p < DOUBT / len(judged) and len(out) < MOST and not any(_alike(met, other) or _alike(~met, other) for other in told):
            told.append(met)
            rule = _written(parts, 100 * table[:, 0] / np.maximum(table.sum(1), 1), int(met[: pair[0].rows].sum()))
            out.setdefault(rule["text"], rule)
    return list(out.values())


@dataclass(frozen=True)
class _Axis:
    """A feature of the tree: a level met or not (`level`: its text), missing or not (""), or a number (None), missing below all."""

    column: str
    values: np.ndarray
    level: str | None = None
    bottom: float | None = None


def _axes(pair: tuple[Frame, Frame], name: str) -> list[_Axis]:
    both, gone = np.concatenate([f[name] for f in pair]), np.concatenate([f.missing(name) for f in pair])
    if not pair[0].is_label(name):
        if gone.all():
            return []
        low, high = np.nanmin(both), np.nanmax(both)
        bottom = float(max(low - max(high - low, 1.0), -GREATEST)) if gone.any() else None
        return [_Axis(name, np.clip(np.where(gone, bottom or 0.0, both), -GREATEST, GREATEST), None, bottom)]
    out = [_Axis(name, gone.astype(float), "")] if gone.any() else []
    times = np.bincount(pair[0][name][pair[0][name] >= 0], minlength=len(pair[0].levels[name]))
    for k in np.argsort(-times, kind="stable")[:LEVELS].tolist():
        if times[k] >= PROTECT:
            out.append(_Axis(name, (both == k).astype(float), pair[0].levels[name][k]))
    rare = ~gone & (times[both] < PROTECT)
    return [*out, _Axis(name, rare.astype(float), "(a level that hardly any real row has)")] if rare.any() else out


Path = list[tuple[_Axis, bool, float]]
"""Conditions: the axis, whether above or not, and the threshold."""


def _grown(axes: list[_Axis], aim: np.ndarray, rows: np.ndarray, *, size: tuple[int, int], seed: int) -> list[Path]:
    """The leaves of a regression tree of so many levels and leaves."""
    from sklearn.tree import DecisionTreeRegressor

    x = np.stack([axis.values for axis in axes], axis=1)
    least = max(20, len(aim) // 200)
    tree = DecisionTreeRegressor(max_depth=size[0], max_leaf_nodes=size[1], min_samples_leaf=least, random_state=seed)
    return [[(axes[axis], above, cut) for (axis, above), cut in path.items()] for path in _leaves(tree.fit(x[rows], aim[rows]).tree_)]


def _leaves(tree: Any) -> list[dict[tuple[int, bool], float]]:
    """For each leaf, the tightest bound on each axis: (axis, above) → threshold."""
    out, stack = [], [(0, {})]
    while stack:
        node, path = stack.pop()
        if tree.children_left[node] < 0:
            out.append(path)
            continue
        axis, cut = int(tree.feature[node]), float(tree.threshold[node])
        stack.append((int(tree.children_left[node]), path | {(axis, False): min(cut, path.get((axis, False), np.inf))}))
        stack.append((int(tree.children_right[node]), path | {(axis, True): max(cut, path.get((axis, True), -np.inf))}))
    return [path for path in out if path]


def _part(axis: _Axis, above: bool, cut: float, pair: tuple[Frame, Frame]) -> Part:
    if axis.level is not None:
        met = (axis.values > 0.5) == above
        if not axis.level:
            return Part(axis.column, "missing" if above else "known", "", met)
        others = [level for level in pair[0].levels[axis.column] if level != axis.level]
        if not above and len(others) == 1 and not any(f.missing(axis.column).any() for f in pair):
            return Part(axis.column, "is", others[0], met)
        return Part(axis.column, "is" if above else "is not", axis.level, met)
    known = axis.values != axis.bottom
    plainer = Part(axis.column, "known" if above else "missing", "", known == above) if axis.bottom is not None else None
    if plainer is not None and cut < axis.values[known].min():  # the cut lies between the missing cells and all others
        return plainer
    cut, text = _rounded(cut, pair[0][axis.column], _kind(pair[0], axis.column))
    met = (axis.values > cut) == above
    real = met[: pair[0].rows], known[: pair[0].rows]
    few = min(int((real[0] & real[1]).sum()), int((~real[0] & real[1]).sum())) < PROTECT
    return Part(axis.column, "above" if above else "below", text, met, few, plainer)


def _kind(frame: Frame, name: str) -> str:
    return next(c.kind for c in frame.columns if c.name == name)


def _rounded(cut: float, real: np.ndarray, kind: str) -> tuple[float, str]:
    """A threshold to about a fiftieth of the column's spread, and how it is written."""
    if kind in ("date", "datetime"):
        unit = 1 if kind == "date" else 86_400_000_000
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=float(np.clip(cut / unit, -700_000, 2_900_000)))
        month = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return (month - datetime(1970, 1, 1, tzinfo=UTC)).days * float(unit), f"{month:%Y-%m-%d}"
    if kind in ("time", "duration"):
        hours = float(np.rint(cut / 3.6e9 * 4) / 4)
        return hours * 3.6e9, f"{hours:g} h"
    values = real[np.isfinite(real)]
    spread = float(np.subtract(*np.quantile(values, [0.95, 0.05]))) if len(values) else 0.0
    step = 10.0 ** np.floor(np.log10(spread / 10)) if spread > 0 else 10.0 ** np.floor(np.log10(max(abs(cut), 1e-9)))
    near = float(np.rint(cut / step) * step)
    return near, f"{near:,.{max(0, -int(np.floor(np.log10(step))))}f}" + " characters" * (kind == "text")


def _met(parts: list[Part]) -> np.ndarray:
    return np.all([p.met for p in parts], axis=0)


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a & b).sum() > ALIKE * (a | b).sum())


def _evidence(parts: list[Part], truth: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Rows met and not met [real or other, 2] among `rows`, with Pearson's statistic and its p-value."""
    met = _met(parts)
    table = np.array([[np.sum(met & rows & (truth == side)), np.sum(~met & rows & (truth == side))] for side in (False, True)])
    return table, *chance.chi_square(*table)


def _shortened(parts: list[Part], truth: np.ndarray, rows: np.ndarray) -> list[Part]:
    """Without the conditions that hardly matter, on the rows that the rule was made from; and just missing or known if that does."""
    for part in parts:
        simple = [part.plainer if p is part and part.plainer else p for p in parts]
        if part.plainer and _evidence(simple, truth, rows)[1] > 0.9 * _evidence(parts, truth, rows)[1]:
            parts = simple
    while len(parts) > 1:
        whole = _evidence(parts, truth, rows)[1]
        tries = [[p for p in parts if p is not drop] for drop in parts]
        value, best = max(((_evidence(t, truth, rows)[1], i) for i, t in enumerate(tries)), key=lambda v: v[0])
        if value < 0.9 * whole:
            break
        parts = tries[best]
    return parts


def _written(parts: list[Part], shares: np.ndarray, meet: int) -> dict[str, Any]:
    columns = sorted({part.column for part in parts})
    shown = meet >= PROTECT or all(part.hidden or part.says in ("missing", "known") for part in parts)
    text = " and ".join(_wording([p for p in parts if p.column == name]) for name in columns)
    if not shown:
        text = " and ".join(columns) + (" together" if len(columns) > 1 else "") + " (values hidden: hardly any real row has them)"
    hidden = not shown or any(part.hidden for part in parts)
    return {"text": text, "columns": columns, "hidden": hidden, "real": round(float(shares[0]), 2), "other": round(float(shares[1]), 2)}


def _wording(parts: list[Part]) -> str:
    """The conditions on one column in words."""
    name, said = parts[0].column, {p.says: p for p in parts}
    if "is" in said:  # whatever else it is not
        return f"{name} is {said['is'].value}"
    words = []
    if unlike := [p.value for p in parts if p.says == "is not"]:
        words.append(f"{name} is not {' or '.join(sorted(unlike))}")
    for says, sign, side in (("above", ">", "high"), ("below", "≤", "low")):
        if says in said:
            words.append(f"{name} {side} (value hidden)" if said[says].hidden else f"{name} {sign} {said[says].value}")
    open_ = "below" in said and said["below"].plainer is not None and not {"above", "known"} & set(said)
    if "missing" in said:
        return f"{name} missing"
    if "known" in said and not words:
        return f"{name} known"
    return " and ".join(words) + (OPEN if open_ else "")
