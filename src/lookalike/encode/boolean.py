"""Booleans: missing, false, true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.encode import _arrow
from lookalike.schema import Column

if TYPE_CHECKING:
    from lookalike.data.holders import Holders
    from lookalike.privacy.look import Look

KINDS = frozenset({"boolean"})

Stats = dict[str, Any]
Book = dict[str, Any]


def measure(values: pa.ChunkedArray | pa.Array, column: Column, *, subjects: np.ndarray | Holders | None = None) -> Stats:
    """{"rows", "missing", "true"}; both words are known of every boolean, so nothing needs to be protected."""
    x, present = _arrow.split(values, like=pa.int8())
    return _arrow.count_missing(values) | {"true": int(x[present].sum(dtype=np.int64))}


def merge(a: Stats, b: Stats) -> Stats:
    """The statistics of both."""
    return _arrow.add_counts(a, b) | {"true": a["true"] + b["true"]}


def freeze(stats: Stats, column: Column, *, protect: int = 5, cells: int = 256) -> Book:
    """One part of three codes."""
    return {"parts": [_arrow.part(3, ordered=True)], "protected": {}}


def noisy(values: pa.ChunkedArray | pa.Array, column: Column, look: Look) -> Stats:
    """The statistics as a private fit may have them."""
    x, present = _arrow.split(values, like=pa.int8())
    codes = np.where(present, x + 1, 0) if column.nullable else x + 1
    rows = look.counts(codes.astype(np.int64), 3)
    return {"rows": float(rows.sum()), "missing": float(rows[0]) if column.nullable else 0.0, "true": float(rows[2])}


def held(stats: Stats, book: Book, column: Column) -> list[np.ndarray]:
    """Rows of each code, float64 [3], as the statistics have them."""
    return [np.array([stats["missing"], max(stats["rows"] - stats["missing"] - stats["true"], 0), stats["true"]], np.float64)]


def encode(values: pa.ChunkedArray | pa.Array, book: Book, column: Column) -> np.ndarray:
    """int32 [1, n]: 0 missing, 1 false, 2 true."""
    x, present = _arrow.split(values, like=pa.int8())
    return np.where(present, x + 1, 0).astype(np.int32)[None]


def decode(codes: np.ndarray, inside: np.ndarray, book: Book, column: Column, *, start: int = 0) -> pa.Array:
    """bool [n]; null where the code is 0."""
    return _arrow.join(codes[0] == 2, codes[0] > 0, like=pa.bool_())


def locate(values: pa.ChunkedArray | pa.Array, book: Book, column: Column, *, codes: np.ndarray | None = None) -> np.ndarray:
    """float64 [n]: 0.5, truth has no inside."""
    return np.full(len(values), 0.5)
