"""Integers and numbers: cells of about equal mass, shared values as cells of their own, the digits of the source kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.encode import _arrow, _cells, _noisy, _tally
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
_SHORT = ("float", "float32", "halffloat", "float16")

Stats = dict[str, Any]
Book = dict[str, Any]


def measure(values: pa.ChunkedArray | pa.Array, column: Column, *, subjects: np.ndarray | Holders | None = None) -> Stats:
    """{"rows", "missing", "tally", "digits": rows that need 0, 1, … decimals}; NaN and infinities count as missing."""
    x, present = _plain(values, column)
    stats = _arrow.count_missing(values) | {"missing": int(len(x) - present.sum())}
    held = None if subjects is None else subjects[present]
    return stats | {"tally": _tally.tally(x[present], held).to_json(), "digits": _digits(x[present], column)}


def merge(a: Stats, b: Stats) -> Stats:
    """The statistics of both."""
    joined = _tally.merge(Tally.from_json(a["tally"]), Tally.from_json(b["tally"])).to_json()
    digits = [x + y for x, y in zip(a["digits"], b["digits"], strict=True)]
    return _arrow.add_counts(a, b) | {"tally": joined, "digits": digits}


def freeze(stats: Stats, column: Column, *, protect: int = 5, cells: int = 256) -> Book:
    """Cells, see `_cells.freeze`; one part."""
    t = Tally.from_json(stats["tally"])
    line = _cells.freeze(t, _grid(stats, t, column), protect=protect, cells=cells, bounds=_bounds(column))
    protected = {"tails": line.pop("tails"), "thin": line.pop("thin")}
    return {"parts": [_arrow.part(_cells.size(line), ordered=True)], "protected": protected, "line": line}


def noisy(values: pa.ChunkedArray | pa.Array, column: Column, look: Look) -> Stats:
    """The statistics as a private fit may have them: noisy rows by ranges between public (or bought) bounds, on the declared grid."""
    x, present = _plain(values, column)
    low, high = _bounds(column)
    if low is None or high is None:
        look, part = look.part(1 - BOUGHT, ""), look.part(BOUGHT, "")
        seen = part.span(x[present].astype(np.float64))
        low, high = (seen[0] if low is None else low), (seen[1] if high is None else high)
    decimals = 0 if column.kind == "integer" else column.number.decimals if column.number else None
    exact = decimals is not None and (high - low) * 10.0**decimals < _noisy.MOST
    step = 10.0**-decimals if exact and decimals is not None else max(high - low, 1e-300) / _noisy.GRID
    size = max(int(np.rint((high - low) / step)) + exact, 1)
    numbers = np.clip(np.rint((x[present] - low) / step) if exact else np.floor((x[present] - low) / step), 0, size - 1).astype(np.int64)
    ranges = look.tree(numbers, size, int(len(x) - present.sum()) if column.nullable else None)

    def value(at: np.ndarray) -> np.ndarray:
        made = low + at * step
        return np.rint(made).astype(np.int64) if column.kind == "integer" else np.round(made, decimals) if exact else made

    tally, rows = _noisy.tally(ranges, value, open_above=not exact)
    digits = [0] * (DIGITS + 1)
    digits[DIGITS if decimals is None else min(decimals, DIGITS)] = rows
    return {"rows": rows + round(ranges.missing), "missing": round(ranges.missing), "tally": tally.to_json(), "digits": digits}


def held(stats: Stats, book: Book, column: Column) -> list[np.ndarray]:
    """Rows of each code, float64 [size], as the statistics have them."""
    return [_noisy.held(Tally.from_json(stats["tally"]), book["line"], stats["missing"])]


def encode(values: pa.ChunkedArray | pa.Array, book: Book, column: Column) -> np.ndarray:
    """int32 [1, n]: the cell, 0 where missing."""
    x, present = _plain(values, column)
    return np.where(present, _cells.code(x, book["line"]), 0).astype(np.int32)[None]


def decode(codes: np.ndarray, inside: np.ndarray, book: Book, column: Column, *, start: int = 0) -> pa.Array:
    """The values at positions `inside` of the cells; null where the code is 0."""
    x = _cells.value(codes[0], inside, book["line"])
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
