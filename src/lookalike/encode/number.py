"""Integers and numbers: cells of about equal mass, shared values as cells of their own, the digits of the source kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.data._limits import beside
from lookalike.encode import _arrow, _cells, _noisy, _round, _tally
from lookalike.encode._round import Grid, tens
from lookalike.encode._tally import Tally
from lookalike.schema import Column

if TYPE_CHECKING:
    from lookalike.data.holders import Holders
    from lookalike.privacy.look import Look

KINDS = frozenset({"integer", "number"})
DIGITS = 16
"""Decimals are counted up to here; a number that needs as many or more has no grid."""
MOST = 0.995
"""A column has as many decimals as this share of its rows need."""
BOUGHT = 0.15
"""Share of a column's budget that buys its bounds, where they are not public."""
SURE = 0.02
"""Share of the rows, as far as noise shows it, from which on a private fit takes a bound (<0.5) for one that the data have."""
_SHORT = ("float", "float32", "halffloat", "float16")

Stats = dict[str, Any]
Book = dict[str, Any]


def measure(values: pa.ChunkedArray | pa.Array, column: Column, *, subjects: np.ndarray | Holders | None = None) -> Stats:
    """{"rows", "missing", "tally", "digits": rows that need 0, 1, … decimals}; NaN and infinities count as missing."""
    x, present = _plain(values, column)
    stats = _arrow.count_missing(values) | {"missing": int(len(x) - present.sum()), "digits": _digits(x[present], column)}
    told = {"tally": present}
    if _limited(column):
        limit = beside(x, column.number) != 0
        told = {"tally": present & ~limit, "limits": present & limit}
    return stats | {name: _tally.tally(x[at], None if subjects is None else subjects[at]).to_json() for name, at in told.items()}


def merge(a: Stats, b: Stats) -> Stats:
    """The statistics of both."""
    joined = {n: _tally.merge(Tally.from_json(a[n]), Tally.from_json(b[n])).to_json() for n in ("tally", "limits") if n in a}
    digits = [x + y for x, y in zip(a["digits"], b["digits"], strict=True)]
    return _arrow.add_counts(a, b) | joined | {"digits": digits}


def freeze(stats: Stats, column: Column, *, protect: int = 5, cells: int = 256) -> Book:
    """Cells, see `_cells.freeze`; one part. Bounds (<0.5) that may be told have cells of their own: "limits" lists them."""
    t, limits = _told(stats)
    common = np.flatnonzero(limits.exact & (limits.holders >= protect))
    told = limits.low[np.sort(common[np.argsort(-limits.rows[common], kind="stable")][: cells // 2])]
    line = _cells.freeze(t, _grid(stats, t, column), protect=protect, cells=cells, bounds=_bounds(column), alone=told)
    protected = {"tails": line.pop("tails"), "thin": line.pop("thin")}
    book = {"parts": [_arrow.part(_cells.size(line), ordered=True)], "protected": protected, "line": line}
    return book | ({"limits": told.tolist()} if _limited(column) else {})


def noisy(values: pa.ChunkedArray | pa.Array, column: Column, look: Look) -> Stats:
    """The statistics as a private fit may have them: noisy rows by ranges between public (or bought) bounds, on the declared grid.

    Where numbers may be marked as bounds, each number on the grid has places just below and above it.
    """
    x, present = _plain(values, column)
    low, high = _bounds(column)
    if low is None or high is None:
        look, part = look.part(1 - BOUGHT, ""), look.part(BOUGHT, "")
        seen = part.span(x[present].astype(np.float64))
        low, high = (seen[0] if low is None else low), (seen[1] if high is None else high)
    form, bounded = column.number, _limited(column)
    decimals = 0 if column.kind == "integer" else form.decimals if form else None
    if bounded:
        decimals = max(decimals, form.limits.decimals)
    exact = decimals is not None and (high - low) * 10.0**decimals < _noisy.MOST
    step = 10.0**-decimals if exact and decimals is not None else max(high - low, 1e-300) / _noisy.GRID
    size = max(int(np.rint((high - low) / step)) + exact, 1)
    numbers = np.clip(np.rint((x[present] - low) / step) if exact else np.floor((x[present] - low) / step), 0, size - 1).astype(np.int64)
    places = 3 if exact and bounded else 1
    if places > 1:
        numbers = places * numbers + 1 + beside(x[present], form)
    ranges = look.tree(numbers, places * size, int(len(x) - present.sum()) if column.nullable else None)

    def value(at: np.ndarray) -> np.ndarray:
        made = low + at // places * step
        made = np.rint(made).astype(np.int64) if column.kind == "integer" else np.round(made, decimals) if exact else made
        return made if places == 1 else _moved(made, at % places - 1)

    tally, rows = _noisy.tally(ranges, value, open_above=not exact)
    digits = [0] * (DIGITS + 1)
    digits[DIGITS if decimals is None else min(decimals, DIGITS)] = rows
    stats = {"rows": rows + round(ranges.missing), "missing": round(ranges.missing), "digits": digits}
    limit = tally.exact & (beside(tally.low, form) != 0) & (tally.rows >= SURE * rows) if bounded else None
    return stats | ({"tally": tally.to_json()} if limit is None else {"tally": tally[~limit].to_json(), "limits": tally[limit].to_json()})


def _moved(x: np.ndarray, side: np.ndarray) -> np.ndarray:
    """The floats just below `x` where `side` is -1, just above where it is 1; `x` where it is 0."""
    return np.where(side == 0, x, np.nextafter(x, np.where(side > 0, np.inf, -np.inf)))


def held(stats: Stats, book: Book, column: Column) -> list[np.ndarray]:
    """Rows of each code, float64 [size], as the statistics have them."""
    return [_noisy.held(_told(stats)[0], book["line"], stats["missing"])]


def encode(values: pa.ChunkedArray | pa.Array, book: Book, column: Column) -> np.ndarray:
    """int32 [1, n]: the cell, 0 where missing."""
    x, present = _plain(values, column)
    return np.where(present, _cells.code(x, book["line"]), 0).astype(np.int32)[None]


def decode(codes: np.ndarray, inside: np.ndarray, book: Book, column: Column, *, start: int = 0) -> pa.Array:
    """The values at positions `inside` of the cells; null where the code is 0."""
    x = _cells.value(codes[0], inside, book["line"])
    if "limits" in book:  # nothing else is just beside a number
        x = np.where(np.isin(x, book["limits"]), x, _round.Grid.from_json(book["line"]).snap(x))
    if column.kind == "number" and column.storage in _SHORT:
        x = x.astype(np.float32).astype(np.float64)  # what the source can hold
    return _arrow.join(x, codes[0] > 0)


def locate(values: pa.ChunkedArray | pa.Array, book: Book, column: Column, *, codes: np.ndarray | None = None) -> np.ndarray:
    """float64 [n]: position in the cell; 0.5 for points and where missing. `codes`: what `encode` gave, if at hand."""
    codes = encode(values, book, column) if codes is None else codes
    return _cells.locate(_plain(values, column)[0], codes[0], book["line"])


def _plain(values: pa.ChunkedArray | pa.Array, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """`(numbers, present)`; numbers int64 or float64 by the column's kind."""
    if column.kind == "integer":
        return _arrow.split(values, like=pa.int64())
    x, present = _arrow.split(values, like=pa.float64())
    finite = np.isfinite(x)
    x = x + 0.0  # -0.0 becomes 0.0
    return (x, present) if finite.all() else (np.where(finite, x, 0.0), present & finite)


def _limited(column: Column) -> bool:
    """Some numbers are known as bounds only, and are marked as such."""
    return column.number is not None and column.number.limits is not None


def _told(stats: Stats) -> tuple[Tally, Tally]:
    """`(all, limits)`: the tally of numbers and bounds, in order, and of bounds alone, which are never joined with numbers near them."""
    plain = Tally.from_json(stats["tally"])
    if "limits" not in stats:
        return plain, _tally.tally(plain.low[:0], None)
    limits = Tally.from_json(stats["limits"])
    return _tally.beside(plain, limits), limits


def _digits(x: np.ndarray, column: Column) -> list[int]:
    """Rows that need 0 … DIGITS decimals to be written; for 32-bit sources, to be written as such."""
    counts = [0] * (DIGITS + 1)
    if column.kind == "integer":
        counts[0] = len(x)
        return counts
    short = column.storage in _SHORT
    left = x[np.abs(x) < 2.0**53]
    counts[0] = len(x) - len(left)
    for d in range(DIGITS):
        rounded = np.rint(left * 10.0**d) / 10.0**d
        same = rounded.astype(np.float32) == left.astype(np.float32) if short else rounded == left
        counts[d] += int(same.sum())
        left = left[~same]
        if not len(left):
            break
    counts[DIGITS] += len(left)
    return counts


def _grid(stats: Stats, t: Tally, column: Column) -> Grid:
    """The grid: whole numbers, or the decimals that are written or were seen; none where they are too many for a float."""
    if column.kind == "integer":
        return Grid(unit=1, base=_tally.base(t))
    decimals = column.number.decimals if column.number else None
    if decimals is None:
        decimals = int(np.searchsorted(np.cumsum(stats["digits"]), MOST * sum(stats["digits"])))
    most = max(abs(float(t.low[0])), abs(float(t.high[-1]))) if len(t.low) else 0.0
    fits = decimals < DIGITS and most < 1e250
    decimals = decimals if fits else None
    return Grid(decimals=decimals, steps=tens(decimals))


def _bounds(column: Column) -> tuple[float | None, float | None]:
    """Limits that are public; a column's kind says that they are numbers."""
    return tuple(float(x) if x is not None else None for x in (column.low, column.high))  # type: ignore[return-value]
