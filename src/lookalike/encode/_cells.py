"""The line cut into cells: values that many share stand alone, the rest is cut into stretches of about equal mass.

A frozen column is one monotone curve from mass to value. Flat pieces of the curve are *points*: values held by at least
`protect` subjects. Between points it runs through *knots*, each the mean over a window in which no subject has more than
1/`protect` of the weight; runs too thin for that are left out, and their rows go to the nearest cell. A cell is a piece of
the curve, and a position in [0, 1) inside it is mass: reading the curve there gives the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lookalike.encode import _round
from lookalike.encode._people import UNIT
from lookalike.encode._tally import Tally

KNOTS = 4
"""Knots a cell, about; and points that are not cells of their own, in the same measure."""
DISCRETE = 8
"""A column with at most DISCRETE x cells shared values that make up half of its rows has all of them as points."""
SPIKE = 4
"""Elsewhere a point has at least SPIKE times the rows of a typical value."""
TABLE = 1 << 16
"""Integers in a narrower range are looked up in a table."""
ALMOST_ONE = 1 - 2.0**-30
MANY = 4_096
"""From so many values on, compiled code is worth the time that it takes to load."""


Bounds = tuple[float | None, float | None]


@dataclass(frozen=True)
class Curve:
    """Mass to value, all float64 [k], each rising: rows so far, weight so far (in subjects), value."""

    rows: np.ndarray
    weight: np.ndarray
    value: np.ndarray


def freeze(
    t: Tally,
    grid: _round.Grid,
    *,
    protect: int,
    cells: int,
    bounds: Bounds = (None, None),
    neutral: float = 0,
    alone: Sequence[float] | np.ndarray = (),
) -> dict[str, Any]:
    """Cells of a tally as JSON: {"cuts", "low", "high", "key", "value", "coarse", "tails", "thin", grid}.

    cells: at most so many. bounds: publicly known limits; the tail is drawn out towards them, and no value leaves them.
    neutral: what is told where nothing may be told, within the bounds. alone: values that have cells of their own beyond those. tails,
    thin: rows beyond the outermost knots, and in runs too thin to keep.
    """
    points = _points(t, protect, cells) | (t.exact & np.isin(t.low, alone))
    pieces = _apart(_pieces(t, points, grid, protect=protect, cells=cells), alone)
    if not pieces:
        only = [_neutral(neutral, bounds, grid)] if len(t.low) else []
        flat = [float(v) for v in only for _ in "ab"]
        return _empty(only, flat) | {"tails": 0, "thin": int(t.rows.sum()), **replace(grid, base=0).to_json()}
    curve = _join(_extend(pieces, bounds))
    cuts = _cuts(pieces, curve, grid, protect=protect, cells=cells, alone=alone)
    book = _cells(curve, cuts, t, grid)
    kept = sum(p.rows[-1] for p in pieces)
    outside = (t.high < book["low"][0]) | (t.low > book["high"][-1])
    book |= {"tails": int(t.rows[outside].sum()), "thin": int(t.rows.sum() - round(kept)), **grid.to_json()}
    return book | {"coarse": _round.ladder(t, ~points, code(t.low, book) - 1, len(book["low"]), grid)}


def _empty(only: list[Any], flat: list[float]) -> dict[str, Any]:
    """Cells of a column of which nothing may be told, or that has no values at all."""
    return {"cuts": [], "low": only, "high": only, "key": [1.0, 2.0][: len(flat)], "value": flat, "coarse": []}


def _neutral(value: float, bounds: Bounds, grid: _round.Grid) -> Any:
    """`value`, or the public bound that is nearest to it, on the grid."""
    low, high = bounds
    inside = min(max(value, -np.inf if low is None else low), np.inf if high is None else high)
    return replace(grid, base=0).snap(np.array([inside])).item()


def size(book: dict[str, Any]) -> int:
    """Number of codes, 0 (missing) included."""
    return len(book["low"]) + 1


def code(values: np.ndarray, book: dict[str, Any]) -> np.ndarray:
    """int64 [n], 1 …: the cell of each value; the nearest where a value is in none."""
    if not book["low"]:
        return np.zeros(len(values), np.int64)
    cuts = np.asarray(book["cuts"], values.dtype)
    first, last = (book["cuts"][0] - 1, book["cuts"][-1]) if len(cuts) else (0, 0)
    if values.dtype == np.int64 and last - first < TABLE and -(2**62) < first and last < 2**62:
        table = np.searchsorted(cuts, np.arange(first, last + 1), side="right") + 1
        return table[np.clip(values, first, last) - first]
    return np.searchsorted(cuts, values, side="right") + 1


def locate(values: np.ndarray, codes: np.ndarray, book: dict[str, Any]) -> np.ndarray:
    """float64 [n] in [0, 1): positions of `values` in their cells `codes`; the middle of a flat piece, 0.5 where missing."""
    spread = np.append([False], np.asarray(book["low"]) != np.asarray(book["high"]))
    inside = np.full(len(values), 0.5)
    wide = np.flatnonzero(spread[codes])
    if not len(wide):
        return inside
    key, value, scale = _scaled(book)
    x = _relative(values[wide], codes[wide], book) * scale
    with np.errstate(all="ignore"):  # flat pieces have no slope; they are met only at their value, and told from `exact`
        slope = np.diff(key, append=key[-1]) / np.diff(value, append=value[-1])
        at = np.maximum(np.searchsorted(value, x, side="right") - 1, 0)
        found = np.where(x > value[at], key[at] + (x - value[at]) * slope[at], _middles(key, value)[at]) - codes[wide]
    inside[wide] = np.clip(np.where(np.isfinite(found), found, 0.5), 0, ALMOST_ONE)
    return inside


def _middles(key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """float64 [knots]: the key of each knot's own value; the middle of the flat piece that ends there, if one does."""
    flat = np.append(False, value[1:] == value[:-1])
    return np.where(flat, (key + np.append(key[0], key[:-1])) / 2, key)


def value(codes: np.ndarray, inside: np.ndarray, book: dict[str, Any]) -> np.ndarray:
    """[n], int64 or float64 as the grid is: the value at position `inside` of cell `codes`; anything where the code is 0."""
    grid = _round.Grid.from_json(book)
    if not book["low"]:
        return np.zeros(len(codes), grid.dtype)
    low = np.asarray(book["low"], grid.dtype)
    high = np.asarray(book["high"], grid.dtype)
    cell = np.maximum(codes, 1) - 1
    if np.array_equal(low, high):
        return low[cell]
    key, values, scale = _scaled(book)
    at = np.clip(inside, 0, ALMOST_ONE)
    if len(cell) >= MANY:
        return _read(codes, at, (key, values, scale), (low, high), book["coarse"], grid)
    x = np.interp(cell + 1 + at, key, values) / scale
    if book["coarse"]:
        x = _round.coarsen(x, at, cell, share=np.asarray(book["coarse"]), limits=(low, high), grid=grid)
    return np.clip(grid.snap(x), low[cell], high[cell])


def _read(
    codes: np.ndarray,
    at: np.ndarray,
    curve: tuple[np.ndarray, np.ndarray, float],
    limits: tuple[np.ndarray, np.ndarray],
    coarse: list[list[float]],
    grid: _round.Grid,
) -> np.ndarray:
    """What the lines for few values give, to the last bit, of few looks: the knots of a cell are near together."""
    from lookalike.encode._curve import floats, wholes

    key, values, scale = curve
    upto = np.searchsorted(key, np.arange(1, len(limits[0]) + 2), side="right") - 1
    with np.errstate(all="ignore"):  # keys that fall together have no slope, and are met only at their value
        slope = np.diff(values) / np.diff(key)
    steps = np.asarray(grid.steps, np.float64)
    share = np.asarray(coarse, np.float64).reshape(len(coarse), len(steps))
    told = (codes, at, (np.maximum(upto, 0), key, values, slope, scale), (share, steps), *limits)
    return wholes(*told, grid.unit, grid.base) if grid.unit else floats(*told, 0.0 if grid.free else 10.0**grid.decimals)  # type: ignore[operator]


def _relative(values: np.ndarray, codes: np.ndarray, book: dict[str, Any]) -> np.ndarray:
    """Values as the curve has them: floats, integers less their base."""
    if not book["unit"]:
        return values
    low, high = np.asarray(book["low"], np.int64), np.asarray(book["high"], np.int64)
    return (np.clip(values, low[codes - 1], high[codes - 1]) - book["base"]).astype(np.float64)


def _scaled(book: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, float]:
    """Keys, values and the power of two by which values were multiplied, so that slopes neither overflow nor vanish."""
    key, values = np.asarray(book["key"], np.float64), np.asarray(book["value"], np.float64)
    most = np.abs(values).max()
    scale = 2.0**-200 if most > 1e150 else 2.0**500 if 0 < most < 1e-150 else 1.0
    return key, values * scale, scale


def _points(t: Tally, protect: int, cells: int) -> np.ndarray:
    """bool [buckets]: single values that enough subjects hold, and that matter."""
    held = t.exact & (t.holders >= protect)
    if not held.any() or (held.sum() <= DISCRETE * cells and 2 * t.rows[held].sum() >= t.rows.sum()):
        return held
    held &= t.rows >= SPIKE * np.median(t.rows)
    most = KNOTS * cells
    if held.sum() > most:
        held &= t.rows > np.partition(t.rows[held], -most - 1)[-most - 1]
    return held


def _pieces(t: Tally, points: np.ndarray, grid: _round.Grid, *, protect: int, cells: int) -> list[Curve]:
    """Points and the runs between them, in order, each as a curve that starts at 0."""
    middle, pieces = t.middle(grid.base), []
    step = t.rows.sum() / (KNOTS * cells)
    starts = np.concatenate([[0], np.flatnonzero(points) + 1])
    ends = np.append(starts[1:] - 1, len(middle))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        weight = t.weight[start:end] / UNIT
        if weight.sum() >= protect:
            edges = (start == 0, end == len(middle))
            pieces.append(_run(middle[start:end], t.rows[start:end], weight, grid, protect=protect, step=step, edges=edges))
        if end < len(middle):
            mass = np.array([0, max(t.weight[end] / UNIT, protect)])
            pieces.append(Curve(np.array([0, t.rows[end]], np.float64), mass, np.repeat(middle[end], 2)))
    return pieces


def _apart(pieces: list[Curve], alone: Sequence[float] | np.ndarray) -> list[Curve]:
    """Runs that end beside a point of `alone`, not half a step beyond it."""
    made = list(pieces)
    for at, point in enumerate(pieces):
        if point.value[0] == point.value[-1] and point.value[0] in alone:
            low, high = (float(np.nextafter(point.value[0], side)) for side in (-np.inf, np.inf))
            if at:
                made[at - 1] = replace(made[at - 1], value=np.minimum(made[at - 1].value, low))
            if at + 1 < len(made):
                made[at + 1] = replace(made[at + 1], value=np.maximum(made[at + 1].value, high))
    return made


def _run(
    values: np.ndarray, rows: np.ndarray, weight: np.ndarray, grid: _round.Grid, *, protect: int, step: float, edges: tuple[bool, bool]
) -> Curve:
    """The smoothed curve of a run of values none of which may be told: every knot is the mean over `protect` subjects' weight."""
    edge = np.concatenate([[0], np.cumsum(weight)])
    mass = edge[-1]
    count = max(1, int(min(mass / (2 * protect), rows.sum() / step)))
    at = np.linspace(0, mass, count + 1)
    left = np.clip(at - protect / 2, 0, mass - protect)
    right = np.minimum(left + protect, mass)
    first = np.searchsorted(edge, left, side="right") - 1
    last = np.searchsorted(edge, right, side="left")
    size = last - first
    begin, window = np.cumsum(size) - size, np.repeat(np.arange(count + 1), size)
    at_value = np.arange(len(window)) + (first - begin)[window]  # of every window one value after the other
    share = np.minimum(edge[at_value + 1], right[window]) - np.maximum(edge[at_value], left[window])
    whole = np.add.reduceat(share, begin)
    knots = np.clip(np.add.reduceat(values[at_value] * (share / whole[window]), begin), values[first], values[last - 1])
    low, high = grid.within(knots[0], knots[-1], bottom=edges[0] and not edges[1])
    knots = np.clip(np.maximum.accumulate(knots), low, high)
    knots[0], knots[-1] = low - grid.half, high + grid.half
    return Curve(np.interp(at, edge, np.concatenate([[0], np.cumsum(rows)])), at, knots)


def _extend(pieces: list[Curve], bounds: Bounds) -> list[Curve]:
    """Draw the outermost runs out towards public bounds, by as much as their last two knots differ; cut off what is beyond."""
    low, high = bounds
    made = list(pieces)
    for at, bound, sign in ((0, low, -1), (-1, high, 1)):
        value = made[at].value.copy()
        if bound is None or value[0] == value[-1]:
            continue
        gap = value[-1] - value[-2] if sign > 0 else value[1] - value[0]
        value[at] += sign * min(gap, max(sign * (bound - value[at]), 0))
        made[at] = Curve(made[at].rows, made[at].weight, value)
    least, most = (-np.inf if low is None else low), (np.inf if high is None else high)
    return [Curve(p.rows, p.weight, np.clip(p.value, least, most)) for p in made]


def _join(pieces: list[Curve]) -> Curve:
    """One curve of consecutive pieces."""
    rows = np.cumsum([0, *(p.rows[-1] for p in pieces)])
    weight = np.cumsum([0, *(p.weight[-1] for p in pieces)])
    return Curve(
        np.concatenate([p.rows + r for p, r in zip(pieces, rows[:-1], strict=True)]),
        np.concatenate([p.weight + w for p, w in zip(pieces, weight[:-1], strict=True)]),
        np.maximum.accumulate(np.concatenate([p.value for p in pieces])),
    )


def _cuts(
    pieces: list[Curve], curve: Curve, grid: _round.Grid, *, protect: int, cells: int, alone: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Values at which a new cell begins: on both sides of a heavy point, and at even mass in the stretches between."""
    total = curve.rows[-1]
    flat = np.array([p.value[0] == p.value[-1] for p in pieces])
    heavy = flat & (len(pieces) <= cells)
    if len(pieces) > cells:
        heavy = np.array([p.rows[-1] for p in pieces]) > 2 * total / max(cells - 2, 1)
        heavy = flat & (heavy | np.isin([p.value[0] for p in pieces], alone))
    own = np.where(heavy, -1 - np.arange(len(pieces)), np.cumsum(heavy) if len(pieces) > cells else np.arange(len(pieces)))
    ends = np.flatnonzero(np.append(own[1:] != own[:-1], True))
    starts = np.concatenate([[0], ends[:-1] + 1])
    spare = max(cells - len(ends), 0)
    at = np.cumsum([0, *(len(p.rows) for p in pieces)])
    loose = sum(curve.rows[at[e + 1] - 1] - curve.rows[at[s]] for s, e in zip(starts, ends, strict=True) if not heavy[s])
    cuts: list[float] = []
    for s, e in zip(starts, ends, strict=True):
        if s:
            cuts.append(grid.between(curve.value[at[s] - 1], curve.value[at[s]]))
        if not heavy[s]:
            span = slice(at[s], at[e + 1])
            stretch = Curve(curve.rows[span], curve.weight[span], curve.value[span])
            cuts += _even(stretch, spare * (stretch.rows[-1] - stretch.rows[0]) / loose, grid, protect)
    return np.unique(cuts)


def _even(c: Curve, most: float, grid: _round.Grid, protect: int) -> list[float]:
    """At most `most` cuts of a stretch at even mass, with the weight of `protect` subjects and more between any two."""
    rows, mass = c.rows[-1] - c.rows[0], c.weight[-1] - c.weight[0]
    pieces = int(min(most + 1, rows / (4 * protect), mass / (2 * protect)))
    if pieces < 2:
        return []
    wanted = np.interp(c.rows[0] + rows * np.arange(1, pieces) / pieces, c.rows, c.value)
    cuts = np.unique(grid.edge(wanted))
    cuts = cuts[(cuts > c.value[0]) & (cuts < c.value[-1])]
    kept, before = [], c.weight[0]
    for cut, here in zip(cuts.tolist(), _mass_below(cuts, c.value, c.weight).tolist(), strict=True):
        if here - before >= protect and c.weight[-1] - here >= protect:
            kept.append(cut)
            before = here
    return kept


def _mass_below(x: np.ndarray, value: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Mass of the curve below each x; a flat piece at x itself is not below."""
    scale = 2.0**-200 if np.abs(value).max() > 1e150 else 1.0
    return -np.interp(-x * scale, -value[::-1] * scale, -mass[::-1])


def _cells(curve: Curve, cuts: np.ndarray, t: Tally, grid: _round.Grid) -> dict[str, Any]:
    """The curve cut up: per cell its limits, and keys (cell number + position) with their values."""
    rank = _mass_below(cuts, curve.value, curve.rows)
    keep = np.diff(rank, prepend=0.0, append=curve.rows[-1]) > 0
    last_full = keep[-1]
    cuts, rank = cuts[keep[:-1]], rank[keep[:-1]]
    if not last_full and len(cuts):
        cuts, rank = cuts[:-1], rank[:-1]
    ranks = np.concatenate([[0.0], rank, curve.rows[-1:]])
    first = np.concatenate([[0], np.searchsorted(curve.value, cuts, side="left"), [len(curve.value)]])
    key, values, low, high = [], [], [], []
    for c in range(len(ranks) - 1):
        at, v = curve.rows[first[c] : first[c + 1]], curve.value[first[c] : first[c + 1]]
        if not len(at) or at[0] > ranks[c]:
            at, v = np.append(ranks[c], at), np.append(cuts[c - 1], v)
        if at[-1] < ranks[c + 1]:
            at, v = np.append(at, ranks[c + 1]), np.append(v, cuts[c])
        a, b = grid.limits(v[0], v[-1], open_above=c < len(cuts) and v[-1] >= cuts[c])
        low.append(a)
        high.append(b)
        key.append(c + 1 + np.clip((at - ranks[c]) / (ranks[c + 1] - ranks[c]), 0, 1))
        values.append(v)
    placed, lows, highs = _round.settle(cuts, low, high, t, grid)
    return {"cuts": placed, "low": lows, "high": highs, "key": np.concatenate(key).tolist(), "value": np.concatenate(values).tolist()}
