"""Columns with one value or none: only missing or not is learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.encode import _arrow, _people
from lookalike.schema import Column

if TYPE_CHECKING:
    from lookalike.data.holders import Holders
    from lookalike.privacy.look import Look

KINDS = frozenset({"constant", "empty"})

Stats = dict[str, Any]
Book = dict[str, Any]


def measure(values: pa.ChunkedArray | pa.Array, column: Column, *, subjects: np.ndarray | Holders | None = None) -> Stats:
    """{"rows", "missing", "values": {value: [rows, subjects]}}; one value is expected, the first two in order are kept."""
    one = _arrow.whole(values)
    found: dict[str, list[int]] = {}
    if column.kind == "constant" and one.null_count < len(one):
        coded = one.dictionary_encode()
        index, present = _arrow.split(coded.indices, like=pa.int64())
        held = None if subjects is None else subjects[present]
        rows, holders, _ = _people.count(index[present], len(coded.dictionary), held)
        found = {v: [int(r), int(h)] for v, r, h in zip(coded.dictionary.to_pylist(), rows, holders, strict=True)}
    return _arrow.count_missing(values) | {"values": _first(found)}


def merge(a: Stats, b: Stats) -> Stats:
    """The statistics of both."""
    both = {v: list(n) for v, n in a["values"].items()}
    for v, (rows, holders) in b["values"].items():
        old = both.get(v, [0, 0])
        both[v] = [old[0] + rows, old[1] + holders]
    return _arrow.add_counts(a, b) | {"values": _first(both)}


def freeze(stats: Stats, column: Column, *, protect: int = 5, cells: int = 256) -> Book:
    """{"value"}: the value if enough subjects hold it (or it is declared), else None; then every row is missing."""
    value, (rows, holders) = next(iter(stats["values"].items()), (None, (0, 0)))
    known = column.levels[0] if column.levels else value if holders >= protect else None
    protected = {"levels": 1, "rows": rows} if value is not None and known is None else {}
    return {"parts": [_arrow.part(1 if known is None else 2)], "protected": protected, "value": known}


def noisy(values: pa.ChunkedArray | pa.Array, column: Column, look: Look) -> Stats:
    """The statistics as a private fit may have them: how often the public value is there, or one that enough subjects share."""
    if column.kind == "constant" and not column.levels:
        # All values, not the first two that `measure` keeps: one row more could push out a value that many rows have.
        counted = _arrow.whole(values).value_counts().to_pylist()
        found = {c["values"]: c["counts"] for c in counted if c["values"] is not None}
        kept, missing = look.levels(found, values.null_count)
        return {"rows": sum(kept.values()) + missing, "missing": missing, "values": {v: [n, n] for v, n in kept.items()}}
    if column.kind == "empty" or not column.nullable:
        rows = look.rows.estimate
        return {"rows": rows, "missing": rows if column.kind == "empty" else 0.0, "values": {v: [rows, rows] for v in column.levels or ()}}
    rows = look.counts(_arrow.presence(values)[0].astype(np.int64), 2)
    return {"rows": float(rows.sum()), "missing": float(rows[0]), "values": {column.levels[0]: [float(rows[1])] * 2}}


def held(stats: Stats, book: Book, column: Column) -> list[np.ndarray]:
    """Rows of each code, float64 [size], as the statistics have them."""
    both = [stats["missing"], stats["rows"] - stats["missing"]]
    return [np.array(both if book["value"] is not None else [stats["rows"]], np.float64)]


def encode(values: pa.ChunkedArray | pa.Array, book: Book, column: Column) -> np.ndarray:
    """int32 [1, n]: 0 missing, 1 there."""
    return _arrow.presence(values) * (book["value"] is not None)


def decode(codes: np.ndarray, inside: np.ndarray, book: Book, column: Column, *, start: int = 0) -> pa.Array:
    """string [n] for a constant, null [n] for an empty column."""
    if column.kind == "empty":
        return pa.nulls(codes.shape[1])
    index = pa.array(np.zeros(codes.shape[1], np.int32), mask=codes[0] <= 0)
    return pa.array([book["value"] or ""], pa.string()).take(index)


def locate(values: pa.ChunkedArray | pa.Array, book: Book, column: Column, *, codes: np.ndarray | None = None) -> np.ndarray:
    """float64 [n]: 0.5."""
    return np.full(len(values), 0.5)


def _first(found: dict[str, list[int]]) -> dict[str, list[int]]:
    """The first two values in order: the smallest two of a union are among the smallest two of its parts."""
    return {v: found[v] for v in sorted(found)[:2]}
