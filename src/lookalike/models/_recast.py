"""Tables recast so that rules hold by construction: a gap instead of the upper of two columns, no column that others give, one level for
several columns that go together, whole numbers of steps. Each step has a way there and a way back.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.data import formats
from lookalike.rules import nodes
from lookalike.rules.cells import DAY, Cells
from lookalike.rules.language import decimals
from lookalike.rules.mending import column_of
from lookalike.rules.nodes import Expression
from lookalike.schema import Column, NumberFormat, Table

CHUNK = 2_000
"""Rare combinations that are compared with the kept ones at a time."""


@dataclass(frozen=True)
class Derived:
    """A column that others give: equal to an expression, or that plus (`above`) or minus (`below`) a gap, which is learned instead.

    of: the expressions; of several the greatest (above) or the least (below) that is known counts. gap: the column that is learned, None if
    equal. alone: its values where no expression is known. there: whether it is known where an expression is.
    """

    column: Column
    sign: str
    of: tuple[Expression, ...]
    gap: Column | None = None
    alone: Column | None = None
    there: Column | None = None
    low: float | None = None
    high: float | None = None

    @property
    def made(self) -> tuple[Column, ...]:
        """What stands in its place."""
        return tuple(c for c in (self.gap, self.there, self.alone) if c is not None)

    def base(self, cells: Cells) -> np.ndarray:
        """float64 [n]: what the expressions give, NaN where none is known."""
        if len(self.of) == 1:
            return self.of[0].of(cells)
        return (np.fmax if self.sign == "above" else np.fmin).reduce([e.of(cells) for e in self.of])

    def there_(self, table: pa.Table) -> pa.Table:
        """The table with what is learned instead of the column."""
        cells = Cells(table)
        y, base = cells.numbers(self.column.name), self.base(cells)
        made: list[pa.Array] = []
        if self.gap is not None:
            made.append(_gap((y - base if self.sign == "above" else base - y) / _size(self.gap, self.column), self.gap))
        if self.there is not None:
            made.append(pa.array(~np.isnan(y), mask=np.isnan(base)))
        if self.alone is not None:
            made.append(column_of(np.where(np.isnan(base), y, np.nan), self.alone))
        return _replaced(table, [self.column.name], dict(zip((c.name for c in self.made), made, strict=True)))

    def back(self, table: pa.Table) -> pa.Table:
        """The table with the column, computed."""
        cells = Cells(table)
        base = self.base(cells)
        y = base
        if self.gap is not None:
            size = _size(self.gap, self.column)
            y = base + (1 if self.sign == "above" else -1) * size * cells.numbers(self.gap.name)
        if self.there is not None:
            y = np.where(cells.numbers(self.there.name) == 1, y, np.nan)
        if self.alone is not None:
            y = np.where(np.isnan(base), cells.numbers(self.alone.name), y)
        return _replaced(table, [c.name for c in self.made], {self.column.name: column_of(y, self.column)})

    def fits(self, table: pa.Table) -> np.ndarray:
        """Bool [n]: the column that was computed lies where it may, and is there if it must be."""
        y = Cells(table).numbers(self.column.name)
        fine = np.full(len(y), self.column.nullable) | ~np.isnan(y)
        for bound, sign in ((self.low, 1), (self.high, -1)):
            if bound is not None:
                fine &= ~(sign * y < sign * bound)
        return fine


@dataclass(frozen=True)
class Joint:
    """Columns that go together as one category, whose levels stand for the rows of values in `kept` (texts; None is missing).

    guides: those of the columns that stay beside it, so that a model which sees many levels only roughly sees the coarse ones well.
    ordered: `kept` is in the order of numbers, and the levels are numbers, so that an encoder knows.
    """

    columns: tuple[Column, ...]
    kept: tuple[tuple[str | None, ...], ...]
    column: Column
    guides: tuple[Column, ...] = ()
    ordered: bool = False

    @property
    def made(self) -> tuple[Column, ...]:
        """What stands in their place."""
        return (self.column, *self.guides)

    def there_(self, table: pa.Table) -> pa.Table:
        """The table with the category instead; a combination that was not kept becomes a kept one that is most like it."""
        cells, state = Cells(table), np.zeros(table.num_rows, np.int64)
        kept = np.empty((len(self.kept), len(self.columns)), np.int64)
        coded = np.empty((table.num_rows, len(self.columns)), np.int64)
        for k, column in enumerate(self.columns):
            codes, texts = cells.labels(column.name)
            numbers: dict[str | None, int] = {text: i for i, text in enumerate(texts)} | {None: -1}
            kept[:, k] = [numbers.get(row[k], -2) for row in self.kept]
            coded[:, k] = codes
            _, state = np.unique(state * (len(texts) + 1) + codes + 1, return_inverse=True)
        _, first, times = np.unique(state, return_index=True, return_counts=True)
        words = [[*cells.labels(c.name)[1], ""] for c in self.columns]  # the last: missing
        nearest = _nearest(coded[first], kept, times, words)
        levels = pa.array([f"{k}" if self.ordered else f"c{k}" for k in range(len(self.kept))], pa.string())
        made = pa.DictionaryArray.from_arrays(pa.array(nearest[state].astype(np.int32)), levels)
        guides = {c.name: table.column(c.name) for c in self.guides}
        return _replaced(table, [c.name for c in self.columns], {self.column.name: made, **guides})

    def back(self, table: pa.Table) -> pa.Table:
        """The table with the columns."""
        values = formats.whole(table.column(self.column.name))
        texts = values.dictionary.to_pylist()
        digits = [t.removeprefix("c") for t in texts]
        numbers = np.array([int(t) if t.isdigit() else 0 for t in digits], np.int32)  # a pool of rare levels: the first
        rows = pa.array(numbers[values.indices.fill_null(0).to_numpy(zero_copy_only=False)])
        made = {}
        for k, column in enumerate(self.columns):
            values = pa.array([row[k] for row in self.kept], pa.string())
            if column.kind == "category":
                coded = values.dictionary_encode()
                made[column.name] = pa.DictionaryArray.from_arrays(coded.indices.take(rows), coded.dictionary)
            else:
                made[column.name] = values.cast(formats.canonical(column)).take(rows)
        return _replaced(table, [c.name for c in self.made], made)


@dataclass(frozen=True)
class Steps:
    """A number as how many steps it is from an offset."""

    column: Column
    size: float
    offset: float
    made_: Column

    @property
    def made(self) -> tuple[Column, ...]:
        """What stands in its place."""
        return (self.made_,)

    def there_(self, table: pa.Table) -> pa.Table:
        """The table with whole numbers of steps."""
        x = Cells(table).numbers(self.column.name)
        return _replaced(table, [self.column.name], {self.made_.name: column_of(np.rint((x - self.offset) / self.size), self.made_)})

    def back(self, table: pa.Table) -> pa.Table:
        """The table with the numbers."""
        x = Cells(table).numbers(self.made_.name) * self.size + self.offset
        return _replaced(table, [self.made_.name], {self.column.name: column_of(np.round(x, 12), self.column)})


Step = Derived | Joint | Steps


# ── ways there and back ─────────────────────────────────────────────────────────────────────────────────────────────


def there(table: pa.Table, steps: Iterable[Step]) -> pa.Table:
    """The table that is learned."""
    for step in steps:
        table = step.there_(table)
    return table


def back(table: pa.Table, steps: Iterable[Step], names: Iterable[str]) -> tuple[pa.Table, np.ndarray]:
    """The table that was recast, columns in the order of `names`; and bool [n], rows whose computed columns lie where they may."""
    fine = np.ones(table.num_rows, bool)
    for step in reversed(list(steps)):
        table = step.back(table)
        if isinstance(step, Derived):
            fine &= step.fits(table)
    return table.select(list(names)), fine


def columns_of(table: Table, steps: Iterable[Step]) -> tuple[Column, ...]:
    """The columns of the table that is learned."""
    columns = list(table.columns)
    for step in steps:
        gone = [c.name for c in (step.columns if isinstance(step, Joint) else (step.column,))]
        at = next(k for k, c in enumerate(columns) if c.name == gone[0])
        columns = [*(c for c in columns[:at] if c.name not in gone), *step.made, *(c for c in columns[at:] if c.name not in gone)]
    return tuple(columns)


def _replaced(table: pa.Table, gone: list[str], made: Mapping[str, pa.Array]) -> pa.Table:
    """The table without some columns, and with others where the first of them was (at the end if there was none)."""
    kept = [(n, table.column(n)) for n in table.column_names if n not in gone]
    at = len([n for n in table.column_names[: table.column_names.index(gone[0])] if n not in gone]) if gone else len(kept)
    kept[at:at] = list(made.items())
    return pa.table([v for _, v in kept], names=[n for n, _ in kept])


def _nearest(rows: np.ndarray, kept: np.ndarray, times: np.ndarray, words: list[list[str]]) -> np.ndarray:
    """The kept combination that each row of codes is, or becomes.

    A rare one becomes one of those that it has the most values in common with, drawn by their share from a hash of its own texts: the same
    always goes the same way, and shares stay as they were.

    rows: int64 [n, columns], distinct, `times` each. kept: int64 [m, columns]. words: texts of each column's codes.
    """
    chunks = (rows[at : at + CHUNK, None, :] == kept[None] for at in range(0, len(rows), CHUNK))
    alike = np.concatenate([c.sum(axis=2, dtype=np.int8) for c in chunks])
    found = alike.argmax(axis=1)
    exact = alike.max(axis=1, initial=0) == rows.shape[1]
    share = np.bincount(found[exact], times[exact], minlength=len(kept))
    for r in np.flatnonzero(~exact).tolist():
        able = np.flatnonzero(alike[r] == alike[r].max())
        edges = np.cumsum(share[able] + 1e-9)
        text = "\0".join(words[k][code] for k, code in enumerate(rows[r].tolist()))
        lot = zlib.crc32(text.encode()) / 2**32 * edges[-1]
        found[r] = able[min(int(np.searchsorted(edges, lot, side="right")), len(able) - 1)]
    return found


# ── gaps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def gap_column(column: Column, of: Iterable[Expression], named: Mapping[str, Column], gap: np.ndarray, name: str) -> Column:
    """The column for a gap: whole days between dates, durations between moments, numbers with the digits that both sides have."""
    known = gap[~np.isnan(gap)]
    if column.kind == "date" and bool((known % DAY == 0).all()):
        return Column(name=name, kind="integer")
    if column.kind not in ("integer", "number"):
        return Column(name=name, kind="duration")
    if column.kind == "integer" and bool((known == np.rint(known)).all()):
        return Column(name=name, kind="integer")
    sides = [decimals(column), *(decimals(named[c]) for e in of for c in e.columns)]
    plain = all(isinstance(e, nodes.Name) for e in of) and None not in sides
    return Column(name=name, kind="number", number=NumberFormat(decimals=max(d for d in sides if d is not None)) if plain else None)


def _size(gap: Column, column: Column) -> float:
    """What one of a gap's numbers is in the numbers of the column."""
    return float(DAY) if gap.kind == "integer" and column.kind == "date" else 1.0


def _gap(values: np.ndarray, gap: Column) -> pa.Array:
    if gap.kind == "number" and gap.number is None:
        values = np.round(values, 9)
    return column_of(values, gap)


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def to_json(step: Step) -> dict[str, Any]:
    """A step as JSON values."""
    if isinstance(step, Steps):
        return {"step": step.column.name, "size": step.size, "offset": step.offset, "made": _dump(step.made_), "column": _dump(step.column)}
    if isinstance(step, Joint):
        facts = {"kept": [list(r) for r in step.kept], "column": _dump(step.column), "ordered": step.ordered}
        return {"joint": [_dump(c) for c in step.columns], "guides": [_dump(c) for c in step.guides], **facts}
    made = {k: _dump(c) for k, c in (("gap", step.gap), ("alone", step.alone), ("there", step.there)) if c is not None}
    of = [expression_to_json(e) for e in step.of]
    return {"derived": _dump(step.column), "sign": step.sign, "of": of, "low": step.low, "high": step.high, **made}


def from_json(raw: Mapping[str, Any]) -> Step:
    """The inverse of `to_json`."""
    if "step" in raw:
        return Steps(Column(**raw["column"]), raw["size"], raw["offset"], Column(**raw["made"]))
    if "joint" in raw:
        kept = tuple(tuple(r) for r in raw["kept"])
        columns, guides = (tuple(Column(**c) for c in raw[k]) for k in ("joint", "guides"))
        return Joint(columns, kept, Column(**raw["column"]), guides, raw["ordered"])
    made = {k: Column(**raw[k]) for k in ("gap", "alone", "there") if k in raw}
    of = tuple(expression_from_json(e) for e in raw["of"])
    return Derived(Column(**raw["derived"]), raw["sign"], of, low=raw["low"], high=raw["high"], **made)


def _dump(column: Column) -> dict[str, Any]:
    return column.model_dump(mode="json", exclude_defaults=True)


def expression_to_json(e: Expression) -> list[Any]:
    """An expression as nested lists."""
    if isinstance(e, nodes.Literal):
        return ["literal", e.value, e.type]
    if isinstance(e, nodes.Name):
        return ["name", e.column, e.type]
    if isinstance(e, nodes.Applied):
        return ["applied", e.function, expression_to_json(e.inner), e.type]
    return ["binary", e.operation, expression_to_json(e.left), expression_to_json(e.right), e.type]


def expression_from_json(raw: list[Any]) -> Expression:
    """The inverse of `expression_to_json`."""
    head, *rest = raw
    if head == "literal":
        return nodes.Literal(*rest)
    if head == "name":
        return nodes.Name(*rest)
    if head == "applied":
        return nodes.Applied(rest[0], expression_from_json(rest[1]), rest[2])
    return nodes.Binary(rest[0], expression_from_json(rest[1]), expression_from_json(rest[2]), rest[3])
