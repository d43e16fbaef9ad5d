"""Conditions on cells as conditions on codes: which codes of a part may be drawn, where inside a cell, and which values are put there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.condition import LABELLED, MADE, ORDERED, Condition, along, unknown_level
from lookalike.errors import CannotError
from lookalike.schema import Column

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Within", "bound"]

LAST = np.float32(1 - 2**-24)
THIN = 1e-3
"""Share of a cell that a value has at least that was asked for by name."""


@dataclass(frozen=True)
class Within:
    """What codes rows are to have.

    weight: {part: float32 [size]}, the share of each code's cell that will do, 0 where none of it does. inside: {column: float32 [2,
    size]}, between which positions of a cell that is. put: {column: (code of each value, canonical values)}, where values are named.
    """

    weight: dict[int, np.ndarray] = field(default_factory=dict)
    inside: dict[int, np.ndarray] = field(default_factory=dict)
    put: dict[int, tuple[np.ndarray, pa.Array]] = field(default_factory=dict)

    def place(self, inside: np.ndarray, codes: np.ndarray, column: int) -> np.ndarray:
        """Positions float32 [n] of `column`, moved to where they will do in cells `codes`."""
        if column not in self.inside:
            return inside
        low, high = self.inside[column][:, codes]
        return np.minimum(low + inside * (high - low), LAST)

    def settled(self, table: pa.Table, codes: Mapping[int, np.ndarray], rng: np.random.Generator) -> pa.Table:
        """`table` with the values that are named; codes: of the first part of those columns of `put` in which they are to be put."""
        for column, mine in codes.items():
            chosen, hit = self._chosen(column, mine, rng)
            before = table.column(column)
            plain = before.cast(before.type.value_type) if pa.types.is_dictionary(before.type) else before
            made = pc.if_else(pa.array(hit), chosen.cast(plain.type), plain.combine_chunks())
            table = table.set_column(column, table.schema.field(column), made.cast(before.type))
        return table

    def named(self, numbers: np.ndarray, codes: np.ndarray, column: int, rng: np.random.Generator) -> np.ndarray:
        """`numbers` float64 [n] of a column of `put`, whose cells are `codes`, with the values that are named."""
        chosen, hit = self._chosen(column, codes, rng)
        return np.where(hit, chosen.cast("float64").to_numpy(zero_copy_only=False), numbers)

    def _chosen(self, column: int, codes: np.ndarray, rng: np.random.Generator) -> tuple[pa.Array, np.ndarray]:
        """One of the values that are named in the cell of each row, and where there is one: a row that may be missing, and is, stays so."""
        of, values = self.put[column]
        lot = rng.random((len(of), len(codes)), dtype=np.float32)
        lot[codes[None] != of[:, None]] = -1
        return values.take(pa.array(lot.argmax(0))), (lot >= 0).any(0)


def bound(
    columns: tuple[Column, ...],
    books: tuple[dict[str, Any], ...],
    firsts: np.ndarray,
    conditions: Mapping[str, Condition],
    encoder: Any,
) -> Within:
    """What `conditions` mean for codes. firsts: number of the first part of each column.

    Raises:
        UnknownName: a level that the model does not know.
        CannotError: no cell that it draws would do.
    """
    made = Within()
    for k, (column, book) in enumerate(zip(columns, books, strict=True)):
        condition = conditions.get(column.name)
        if condition is None:
            continue
        part, size = int(firsts[k]), book["parts"][0]["size"]
        if condition.missing is not None or column.kind in MADE:
            made.weight[part] = _presence(condition, size)
        elif column.kind in LABELLED:
            made.weight[part] = _levels(condition, column, book, encoder(column))
        elif condition.values is not None:
            _named(made, condition, (k, part), (column, book), encoder(column))
        else:
            _ranged(made, condition, (k, part), (column, book), encoder(column))
        if not made.weight[part].any():
            raise CannotError(f"the model never draws {condition.text()}", where=column.name, fix=_drawn(column, book, encoder(column)))
    return made


def _presence(condition: Condition, size: int) -> np.ndarray:
    weight = np.ones(size, np.float32)
    weight[0], weight[1:] = (1, 0) if condition.wants_missing else (0, 1)
    return weight


def _levels(condition: Condition, column: Column, book: dict[str, Any], codec: ModuleType) -> np.ndarray:
    """Weights of the codes of labels."""
    size = book["parts"][0]["size"]
    drawn = codec.decode(np.arange(1, size, dtype=np.int32)[None], np.full(size - 1, 0.5), book, column)
    known = pc.cast(drawn, pa.string()).to_pylist()
    wanted = pc.cast(condition.listed(column), pa.string()).to_pylist()
    for level in wanted:
        if level not in known:
            raise unknown_level(level, [k for k in known if k is not None], column)
    among = np.array([k in wanted for k in known], bool)
    weight = np.zeros(size, np.float32)
    weight[1:] = ~among if condition.none_of is not None else among
    weight[0] = None in (condition.values or ())
    return weight


def _ends(column: Column, book: dict[str, Any], codec: ModuleType) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest value of each cell of the first part, from code 1 on, along the line."""
    size = book["parts"][0]["size"]
    several = len(book["parts"]) > 1
    found = []
    for at in (0.0, float(LAST)):
        codes = np.arange(1, size, dtype=np.int32)[None]
        if several:
            last = 1 if at == 0 else book["parts"][1]["size"] - 1
            codes = np.concatenate([codes, np.full_like(codes, last)])
        found.append(along(codec.decode(codes, np.full(size - 1, at), book, column)))
    return np.minimum(*found), np.maximum(*found)


def _unit(column: Column, book: dict[str, Any]) -> float:
    """The least by which two values differ, 0 where there is no such thing."""
    if column.kind in ("integer", "date"):
        return 1.0
    decimals = book.get("line", {}).get("decimals")
    return 10.0**-decimals if decimals is not None else 0.0


def _coded(line: np.ndarray, column: Column, book: dict[str, Any], codec: ModuleType) -> tuple[np.ndarray, np.ndarray]:
    """Codes int32 [parts, n] and positions of places on the line."""
    kind = {"integer": pa.int64(), "number": pa.float64(), "date": pa.int32()}.get(column.kind, pa.int64())
    exact = np.clip(line, -(2.0**62), 2.0**62).astype(np.int64) if kind != pa.float64() else line
    values = pa.array(exact, pa.int64() if kind != pa.float64() else kind).cast(kind)
    if column.kind in ("date", "datetime", "time", "duration"):
        from lookalike.data import formats

        values = values.cast(formats.canonical(column))
    codes = codec.encode(values, book, column)
    return codes, codec.locate(values, book, column, codes=codes)


def _named(made: Within, condition: Condition, at: tuple[int, int], what: tuple[Column, dict[str, Any]], codec: ModuleType) -> None:
    """Values of an ordered kind that are named: any place in their cells will do, as they are put there."""
    (k, part), (column, book) = at, what
    values = condition.listed(column)
    made.weight[part] = np.zeros(book["parts"][0]["size"], np.float32)
    made.weight[part][0] = None in condition.values
    if not len(values):
        return
    line, unit = along(values), _unit(column, book)
    codes, _ = _coded(line, column, book, codec)
    low, high = _ends(column, book, codec)
    gone = (line < low.min() - unit) | (line > high.max() + unit)
    if gone.any():
        what_ = f"the model never draws {condition.values[int(np.flatnonzero(gone)[0])]}"
        raise CannotError(what_, where=column.name, fix=_drawn(column, book, codec))
    width = high - low + unit
    share = np.where(width > 0, unit / np.maximum(width, 1e-300), 1.0)[codes[0] - 1]
    np.add.at(made.weight[part], codes[0], np.clip(share, THIN, 1).astype(np.float32))
    np.minimum(made.weight[part], 1, out=made.weight[part])
    for q in range(1, len(codes)):
        made.weight[part + q] = np.zeros(book["parts"][q]["size"], np.float32)
        made.weight[part + q][codes[q]] = 1
    made.put[k] = (codes[0], values)


def _ranged(made: Within, condition: Condition, at: tuple[int, int], what: tuple[Column, dict[str, Any]], codec: ModuleType) -> None:
    """Bounds, or values that are ruled out: cells that overlap with what will do, and where inside them that is."""
    (k, part), (column, book) = at, what
    size = book["parts"][0]["size"]
    made.weight[part] = np.ones(size, np.float32)
    made.weight[part][0] = 0
    low, high = _ends(column, book, codec)
    if condition.none_of is not None:
        ruled = along(condition.listed(column)) if len(condition.listed(column)) else np.zeros(0)
        made.weight[part][1:] = ~((low == high) & np.isin(low, ruled))
        return
    least, most = condition.bounds(column)
    made.weight[part][1:] = (high >= least) & (low <= most)
    if len(book["parts"]) > 1 or not made.weight[part].any():
        return
    ends, unit = np.stack([np.zeros(size, np.float32), np.ones(size, np.float32)]), _unit(column, book)
    for side, edge in ((0, least - unit), (1, most + unit)):
        if np.isfinite(edge) and low.min() < edge < high.max():
            codes, place = _coded(np.array([edge]), column, book, codec)
            c = int(codes[0, 0])
            if low[c - 1] < high[c - 1] and made.weight[part][c]:
                ends[side, c] = place[0]
    ends[1] = np.maximum(ends[1], ends[0] + THIN)
    made.weight[part] *= ends[1] - ends[0]
    made.inside[k] = ends


def _drawn(column: Column, book: dict[str, Any], codec: ModuleType) -> str:
    """What it draws instead."""
    size = book["parts"][0]["size"]
    if size < 2:
        return "the column is always missing"
    if column.kind in ORDERED:
        low, high = _ends(column, book, codec)
        first, last = int(low.argmin()) + 1, int(high.argmax()) + 1
        codes = np.array([[first, last]] * len(book["parts"]), np.int32)
        codes[1:] = [1, book["parts"][-1]["size"] - 1]
        shown = codec.decode(codes, np.array([0.0, LAST]), book, column).to_pylist()
        return f"it draws {shown[0]} to {shown[1]}" + ("" if column.nullable else ", and nothing is missing")
    return "ask for something that occurs in the data"
