"""Moments of a row that lie close together, such as ordered, due and shipped: the gap is learned instead of the later one.

Where a moment lies follows from another far more closely than a tree's leaves can tell, which hold rows of many weeks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.models._recast import Derived, from_json, gap_column, to_json
from lookalike.rules.cells import Cells
from lookalike.rules.nodes import Name
from lookalike.schema import Column, Table

__all__ = ["Gaps"]

KINDS = frozenset({"date", "datetime"})
FEWEST = 20
"""Rows with both moments by which a gap is found."""
CLOSE = 0.25
"""Spread of the gap, in shares of that of the moment, up to which the gap is learned: the middle four fifths of each."""
KNOWN = 0.995
"""Share of the rows with a moment in which that which it follows must be known."""


class Gaps:
    """The moments of a table that follow from others, each after the one that it follows from."""

    def __init__(self, steps: Iterable[Derived] = ()) -> None:
        self.steps = tuple(steps)

    @classmethod
    def of(cls, table: Table, rows: pa.Table, left: Sequence[str]) -> Gaps:
        """Those of the columns `left` that follow from another moment of their row."""
        moments = [c for c in table if c.kind in KINDS and rows[c.name].null_count < rows.num_rows]
        if len(moments) < 2 or rows.num_rows < FEWEST:
            return cls()
        cells = Cells(rows.select([c.name for c in moments]))
        known = {c.name: cells.numbers(c.name) for c in moments}
        moments.sort(key=lambda c: (rows[c.name].null_count, float(np.nanmedian(known[c.name]))))
        found = []
        for k, column in enumerate(moments):
            y = known[column.name]
            near = [(_spread(y - known[base.name]), i) for i, base in enumerate(moments[:k]) if _follows(y, known[base.name])]
            if column.name in left and near and min(near)[0] <= CLOSE * _spread(y):
                found.append(_gap(column, moments[min(near)[1]], cells))
        return cls(found)

    @property
    def computed(self) -> set[str]:
        """Names of the columns that follow."""
        return {step.column.name for step in self.steps}

    @property
    def columns(self) -> list[Column]:
        """What is learned instead."""
        return [c for step in self.steps for c in step.made]

    def told(self, rows: Mapping[str, Any]) -> dict[str, pa.Array]:
        """The columns that are learned instead, of rows by column."""
        found: dict[str, pa.Array] = {}
        for step in self.steps:
            made = step.there_(pa.table({name: rows[name] for name in (*step.of[0].columns, step.column.name)}))
            found |= {c.name: made[c.name] for c in step.made}
        return found

    def put(self, rows: Mapping[str, Any]) -> dict[str, pa.Array]:
        """The columns that follow, of rows by column."""
        found: dict[str, pa.Array] = {}
        for step in self.steps:
            there = {**rows, **found}
            names = (*step.of[0].columns, *(c.name for c in step.made))
            found[step.column.name] = step.back(pa.table({name: there[name] for name in names}))[step.column.name]
        return found

    def to_json(self) -> list[dict[str, Any]]:
        """As JSON values."""
        return [to_json(step) for step in self.steps]

    @classmethod
    def from_json(cls, raw: Iterable[Mapping[str, Any]]) -> Gaps:
        """The inverse of `to_json`."""
        return cls(from_json(step) for step in raw)


def _follows(y: np.ndarray, base: np.ndarray) -> bool:
    """Whether enough rows have both."""
    there = ~np.isnan(y)
    both = there & ~np.isnan(base)
    return bool(both.sum() >= max(FEWEST, KNOWN * there.sum()))


def _spread(x: np.ndarray) -> float:
    """How far apart the middle four fifths lie."""
    low, high = np.nanquantile(x, [0.1, 0.9])
    return float(high - low)


def _gap(column: Column, base: Column, cells: Cells) -> Derived:
    """The step that learns how far `column` lies behind `base`."""
    y, start = cells.numbers(column.name), cells.numbers(base.name)
    of = (Name(base.name, base.kind),)
    gap = gap_column(column, of, {}, y - start, f"(gap) {column.name}")
    alone = None
    if (~np.isnan(y) & np.isnan(start)).any():
        alone = column.model_copy(update={"name": f"(alone) {column.name}", "nullable": True, "unique": False})
    return Derived(column, "above", of, gap, alone)
