"""What holds exactly across tables: cells that say what a row named says, numbers that add up rows owned, and numbers that count them off.

A *copy* equals a column of the owner, of the owner's owner, or of a row that is named. A *total* is the number, sum, or sum of products
of rows owned. A *place* counts the rows of an owner: 1, 2, 3 … All are left out of what is learned, or replaced when they can be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.models._family import numbers, taken
from lookalike.models._kin import positions_of
from lookalike.schema import Column, Table

__all__ = [
    "Copy",
    "Place",
    "Total",
    "cast",
    "copied",
    "either",
    "find_copies",
    "find_places",
    "find_totals",
    "from_json",
    "plain",
    "to_json",
]

ALWAYS = 0.995
"""Share of the rows in which something must hold, to hold always."""
MOSTLY = 0.5
"""Share of the rows in which a value must be copied for this to be learned: which rows do, and of the others what they say instead."""
FEWEST = 10
"""Rows by which anything is found."""
PROBE = 300
"""Rows that are looked at first."""
MOST_FACTORS = 8
"""Columns of numbers that are tried in products at most."""
NUMBERS = frozenset({"integer", "number"})
MOMENTS = frozenset({"date", "datetime", "time", "duration"})
NEVER = frozenset({"key", "empty"})


@dataclass(frozen=True)
class Copy:
    """Column `column` equals column `source` of the row at the end of `path`, a chain of links; if `flagged`, in some rows only."""

    column: str
    path: tuple[int, ...]
    source: str
    flagged: bool = False


@dataclass(frozen=True)
class Place:
    """Column `column` numbers the rows of an owner from `base` on."""

    column: str
    base: int


@dataclass(frozen=True)
class Total:
    """Column `column` is told by the rows of `table` that are owned: their number, or the sum of the product of columns `of`.

    decimals: it is rounded to; None: not. less: the last of the columns is a share that is taken off. empty: what it is where no rows
    are owned; None: nothing in particular.
    """

    column: str
    table: str
    of: tuple[str, ...] = ()
    less: bool = False
    decimals: int | None = None
    empty: float | None = None

    def value(self, columns: Mapping[str, np.ndarray], owner: np.ndarray, rows: int) -> np.ndarray:
        """float64 [rows]: by the `columns` float64 [n] of the rows owned, of which each belongs to row `owner` (-1: none)."""
        mine = owner >= 0
        each = np.ones(int(mine.sum()))
        for k, name in enumerate(self.of):
            x = np.nan_to_num(columns[name][mine])
            each = each * (1 - x if self.less and k == len(self.of) - 1 else x)
        made = np.bincount(owner[mine], each, minlength=rows).astype(np.float64)
        return made if self.decimals is None else np.round(made, self.decimals) + 0.0


def find_places(table: Table, rows: pa.Table, owner: np.ndarray) -> list[Place]:
    """Columns that number the rows of each owner."""
    sizes = np.unique(owner[owner >= 0], return_counts=True)[1]
    if not len(sizes) or sizes.max() < 2 or (sizes > 1).sum() < 3:
        return []
    linked = {name for link in table.links for name in link.columns}
    found = []
    for c in table:
        if c.kind not in ("integer", "key") or c.name in linked or table.key == (c.name,):
            continue
        values = rows[c.name]
        if c.kind == "key" and not pc.all(pc.match_substring_regex(values.drop_null(), r"^[0-9]{1,9}$")).as_py():
            continue
        x = values.cast(pa.float64(), safe=False).to_numpy()
        mine = np.flatnonzero(owner >= 0)
        order = mine[np.lexsort((x[mine], owner[mine]))]
        off = x[order] - positions_of(sizes)
        base = float(np.nanmedian(off)) if not np.isnan(off).all() else -1.0
        if base in (0.0, 1.0) and np.mean(off == base) >= ALWAYS:
            found.append(Place(c.name, int(base)))
    return found[:1]


def find_copies(
    table: Table,
    rows: pa.Table,
    left: Sequence[str],
    paths: Sequence[tuple[tuple[int, ...], Table, pa.Table, np.ndarray]],
) -> list[Copy]:
    """Copies among the columns `left`. paths: (links, table that they lead to, its rows, int64 [n], which of them each row is led to)."""
    found = []
    for name in left:
        c = table[name]
        if c.kind in NEVER or rows.num_rows < FEWEST:
            continue
        best: tuple[float, Copy | None] = (0.0, None)
        for path, other, theirs, to in paths:
            there = np.flatnonzero(to >= 0)
            if len(there) < FEWEST:
                continue
            for source in other:
                if source.kind in NEVER or _manner(source) != _manner(c):
                    continue
                share = _same(rows[name], theirs[source.name], there, to, c)
                if share > best[0]:
                    best = share, Copy(name, path, source.name, flagged=share < ALWAYS or (source.nullable and not c.nullable))
        if best[1] is not None and (best[0] >= ALWAYS or (best[0] >= MOSTLY and c.kind not in NUMBERS)):
            found.append(best[1])
    return found


def _manner(column: Column) -> str:
    """Columns of one manner can be compared."""
    return "number" if column.kind in NUMBERS else column.kind if column.kind in MOMENTS else "text"


def _same(mine: pa.ChunkedArray, theirs: pa.ChunkedArray, there: np.ndarray, to: np.ndarray, column: Column) -> float:
    """The share of the rows `there` that say what the rows `to` say; 0 if there is next to nothing to be said."""
    share = 0.0
    for rows in (there[:: max(1, len(there) // PROBE)], there):
        a, b = mine.take(pa.array(rows)), theirs.take(pa.array(to[rows]))
        if a.null_count == len(a):
            return 0.0
        if column.kind not in MOMENTS:
            a, b = (x.cast(pa.float64(), safe=False) if column.kind in NUMBERS else x.cast(pa.string()) for x in (a, b))
        gone = pc.and_(pc.is_null(a), pc.is_null(b))
        same = pc.or_(pc.fill_null(pc.equal(a, b), False), gone)
        share = float(pc.mean(same.cast(pa.float64())).as_py())
        if share < MOSTLY * 0.9:
            return 0.0
    if pc.count_distinct(a.cast(pa.string()), mode="only_valid").as_py() < 2:
        return 0.0
    return share


def copied(copy: Copy, theirs: Any, to: np.ndarray, type_: pa.DataType) -> pa.Array:
    """The column that a copy gives, of canonical type; `to`: int64 [n], rows of `theirs` (columns by name), -1: none, which gives null."""
    return cast(taken(pa.table({copy.source: theirs[copy.source]}), to)[copy.source], type_)


def cast(values: pa.ChunkedArray | pa.Array, type_: pa.DataType) -> pa.Array:
    """Of canonical type; texts and numbers become one another."""
    if isinstance(values, pa.ChunkedArray):
        values = values.unify_dictionaries().combine_chunks() if pa.types.is_dictionary(values.type) else values.combine_chunks()
    if values.type == type_:
        return values
    if pa.types.is_dictionary(type_) or pa.types.is_dictionary(values.type):
        plain = values.cast(pa.string())
        return plain.cast(type_.value_type).dictionary_encode() if pa.types.is_dictionary(type_) else plain.cast(type_)
    return values.cast(type_, safe=False)


def find_totals(table: Table, rows: pa.Table, left: Sequence[str], owned: Mapping[str, tuple[Table, pa.Table, np.ndarray]]) -> list[Total]:
    """Totals among the columns `left`. owned: {table: (its columns, its rows, int64 [n], the row that owns each)}."""
    found = []
    for name in left:
        if table[name].kind not in NUMBERS:
            continue
        y = numbers(rows[name], table[name])
        decimals = _decimals(y) if table[name].kind == "number" else 0
        for child, (spec, theirs, owner) in owned.items():
            total = _total(name, y, decimals, child, _factors(spec, theirs), owner)
            if total is not None:
                found.append(total)
                break
    return found


def _factors(table: Table, rows: pa.Table) -> dict[str, np.ndarray]:
    """Columns of numbers, float64 [n]."""
    found = {}
    for c in table:
        if c.kind in NUMBERS and rows[c.name].null_count < rows.num_rows and len(found) < MOST_FACTORS:
            found[c.name] = numbers(rows[c.name], c)
    return found


def _total(name: str, y: np.ndarray, decimals: int | None, child: str, x: dict[str, np.ndarray], owner: np.ndarray) -> Total | None:
    """The total that column `name` is, if it is one."""
    many = np.bincount(owner[owner >= 0], minlength=len(y))
    full, empty = (many > 0) & ~np.isnan(y), many == 0
    if full.sum() < FEWEST or len(np.unique(y[full])) < 2 or (many > 0).sum() > full.sum() / ALWAYS:
        return None
    none = None
    if empty.any():
        none = 0.0 if (y[empty] == 0).all() else None
    tries = [((), False), *(((a,), False) for a in x), *((p, False) for p in combinations(x, 2))]
    shares = [s for s, v in x.items() if np.nanmin(v) >= 0 and np.nanmax(v) < 1]
    tries += [((*p, s), True) for s in shares for p in (*combinations([a for a in x if a != s], 2), *((a,) for a in x if a != s))]
    slack = 1e-9 * np.maximum(np.abs(y), 1) + (0.0 if decimals is None else 0.5001 * 10.0**-decimals)
    for of, less in tries:
        total = Total(name, child, tuple(of), less, decimals, none)
        if np.mean((np.abs(total.value(x, owner, len(y)) - y) <= slack)[full]) >= ALWAYS:
            return total
    return None


def _decimals(y: np.ndarray) -> int | None:
    """Digits after the point that nearly all numbers need, up to 6; None: more."""
    y = y[~np.isnan(y)]
    for d in range(7):
        if len(y) and np.mean(np.abs(np.round(y, d) - y) <= 1e-9 * np.maximum(1, np.abs(y))) >= ALWAYS:
            return d
    return None


def to_json(found: Copy | Place | Total) -> dict[str, Any]:
    """As JSON values, with what it is."""
    return {"is": type(found).__name__.lower(), **plain(asdict(found))}


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON has them, in which tuples are lists."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in facts.items()}


def from_json(raw: Mapping[str, Any]) -> Copy | Place | Total:
    """The inverse of `to_json`."""
    kinds = {"copy": Copy, "place": Place, "total": Total}
    facts = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "is"}
    return kinds[raw["is"]](**facts)


def either(choose: Any, yes: pa.Array, no: Any) -> pa.Array:
    """`yes` where `choose`, else `no`; of the type of `yes`."""
    choose, no = (x.combine_chunks() if isinstance(x, pa.ChunkedArray) else x for x in (choose, no))
    choose = pc.fill_null(choose, False)
    if pa.types.is_dictionary(yes.type):
        return pc.if_else(choose, yes.cast(pa.string()), no.cast(pa.string())).dictionary_encode()
    return pc.if_else(choose, yes, no.cast(yes.type))
