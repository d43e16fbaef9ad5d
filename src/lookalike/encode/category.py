"""Categories: levels that enough subjects share are kept as they are; rarer ones are handed to them, or pooled.

A rare level is encoded as a kept one, drawn by its share from a hash of the level's own text: the same level always goes the
same way, whatever the row or batch, and the shares stay as they were. Only where most of a column is rare does it get a level
of its own, "(rare)".
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.encode import _arrow, _people
from lookalike.schema import Column

if TYPE_CHECKING:
    from lookalike.data.holders import Holders
    from lookalike.privacy.look import Look

KINDS = frozenset({"category"})
RARE = "(rare)"
MOST = 65_533
"""Levels at most, so that codes fit 16 bits with missing and the pool."""

Stats = dict[str, Any]
Book = dict[str, Any]


def measure(values: pa.ChunkedArray | pa.Array, column: Column, *, subjects: np.ndarray | Holders | None = None) -> Stats:
    """{"rows", "missing", "levels": {level: [rows, subjects]}}."""
    levels, index, present = _indexed(values)
    held = None if subjects is None else subjects[present]
    rows, holders, _ = _people.count(index[present], len(levels), held)
    found = {level: [int(r), int(h)] for level, r, h in zip(levels, rows, holders, strict=True) if r}
    return _arrow.count_missing(values) | {"levels": found}


def merge(a: Stats, b: Stats) -> Stats:
    """The statistics of both."""
    levels = {level: list(counts) for level, counts in a["levels"].items()}
    for level, (rows, holders) in b["levels"].items():
        old = levels.get(level, [0, 0])
        levels[level] = [old[0] + rows, old[1] + holders]
    return _arrow.add_counts(a, b) | {"levels": levels}


def freeze(stats: Stats, column: Column, *, protect: int = 5, cells: int = 256) -> Book:
    """{"levels": in order of code, "share": rows of each, "pool": rare ones have a code of their own}; `cells` is not used."""
    seen: dict[str, list[int]] = stats["levels"]
    if column.levels is not None:
        kept = list(column.levels)
    else:
        kept = sorted((v for v, (_, holders) in seen.items() if holders >= protect), key=lambda v: (-seen[v][0], v))[:MOST]
    numeric = all(_is_number(v) for v in seen)
    ordered = bool(kept) and all(_is_number(v) for v in kept)
    if ordered and column.levels is None:
        kept.sort(key=lambda v: (float(v), v))
    share = [seen.get(v, [0, 0])[0] for v in kept]
    rare = sum(rows for rows, _ in seen.values()) - sum(share)
    pool = not numeric and rare > 0 and rare >= sum(share)
    named = set(kept)
    protected = {"levels": sum(v not in named for v in seen), "rows": rare}
    if pool:
        kept, share, ordered = [*kept, RARE], [*share, rare], False
    return {"parts": [_arrow.part(len(kept) + 1, ordered=ordered)], "protected": protected, "levels": kept, "share": share, "pool": pool}


def noisy(values: pa.ChunkedArray | pa.Array, column: Column, look: Look) -> Stats:
    """The statistics as a private fit may have them: of public levels, or of those that are many enough to be told.

    Rows whose level is not among the public ones are not counted.
    """
    levels, index, present = _indexed(values)
    gone = int(len(index) - present.sum()) if column.nullable else 0
    if column.levels is None:
        exact = np.bincount(index[present], minlength=len(levels))
        kept, missing = look.levels({level: int(n) for level, n in zip(levels, exact, strict=True) if n}, gone)
        return {"rows": sum(kept.values()) + missing, "missing": missing, "levels": {v: [n, n] for v, n in kept.items()}}
    place = {level: i for i, level in enumerate(column.levels, start=1)}
    codes = np.array([*(place.get(level, -1) for level in levels), 0], np.int64)[index]
    codes = codes[codes >= (0 if column.nullable else 1)]
    rows = look.counts(codes, len(column.levels) + 1)
    missing = float(rows[0]) if column.nullable else 0.0
    found = {level: [float(n), float(n)] for level, n in zip(column.levels, rows[1:], strict=True)}
    return {"rows": float(rows.sum()), "missing": missing, "levels": found}


def held(stats: Stats, book: Book, column: Column) -> list[np.ndarray]:
    """Rows of each code, float64 [size], as the statistics have them."""
    return [np.array([stats["missing"], *book["share"]], np.float64)]


def encode(values: pa.ChunkedArray | pa.Array, book: Book, column: Column) -> np.ndarray:
    """int32 [1, n]: the level's number, 0 where missing (and where no level at all could be kept)."""
    levels, index, _ = _indexed(values)
    known = {level: i for i, level in enumerate(book["levels"], start=1)}
    edges = np.cumsum(book["share"])
    table = [known.get(level) or _stand_in(level, book, edges) for level in levels]
    return np.array([*table, 0], np.int32)[index][None]


def decode(codes: np.ndarray, inside: np.ndarray, book: Book, column: Column, *, start: int = 0) -> pa.Array:
    """dictionary<int32, string> [n]; null where the code is 0."""
    index = pa.array(codes[0].astype(np.int32) - 1, mask=codes[0] <= 0)
    return pa.DictionaryArray.from_arrays(index, pa.array(book["levels"], pa.string()))


def locate(values: pa.ChunkedArray | pa.Array, book: Book, column: Column, *, codes: np.ndarray | None = None) -> np.ndarray:
    """float64 [n]: 0.5, levels have no inside."""
    return np.full(len(values), 0.5)


def _indexed(values: pa.ChunkedArray | pa.Array) -> tuple[list[str], np.ndarray, np.ndarray]:
    """`(levels, index, present)`: index [n] into levels, -1 where missing."""
    if isinstance(values, pa.ChunkedArray) and pa.types.is_dictionary(values.type):
        values = values.unify_dictionaries()
    one = _arrow.whole(values)
    if not pa.types.is_dictionary(one.type):
        one = one.dictionary_encode()
    levels = one.dictionary.to_pylist()
    index, present = _arrow.split(one.indices, like=pa.int64())
    if None in levels:
        present &= index != levels.index(None)
    return ["" if v is None else v for v in levels], np.where(present, index, -1), present


def _stand_in(level: str, book: Book, edges: np.ndarray) -> int:
    """The code that a level without its own gets."""
    if book["pool"]:
        return len(edges)
    if not len(edges) or not edges[-1]:
        return min(len(edges), 1)
    lot = zlib.crc32(level.encode()) / 2**32 * edges[-1]
    return int(np.searchsorted(edges, lot, side="right")) + 1


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False
