"""Columns of a row that are never out of order, such as start and end: found in the rows learned from, and kept in those that are drawn.

Trees draw from leaves, in which rows with an earlier start lie beside rows with a later one, so that an end may be drawn before its start.
Such a column is drawn once more for that row, given all that was drawn before it, until it fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from lookalike.encode import Coded
    from lookalike.models._stage import Stage
    from lookalike.schema import Column

__all__ = ["ORDERED", "Lot", "Span", "broken", "find_orders", "notes", "spans"]

ORDERED = frozenset({"integer", "number", "date", "datetime", "duration", "time"})
"""Kinds that have an order."""
FEWEST, ROWS, MOST = 200, 20_000, 200
"""Rows in which an order is found at least; rows that are looked at first; columns that are compared with each other at most."""
NARROW = 0.1
"""Usual gap of a pair, in shares of the middle half of the upper column, below which it is told that the gap is better learned."""

Pair = tuple[int, int]
"""Numbers of two columns, of which the first is never above the second."""


@dataclass(frozen=True)
class Lot:
    """Rows on their way: codes and positions, bins of the codes, and the numbers that are known of columns."""

    coded: Coded
    bins: np.ndarray
    numbers: dict[int, np.ndarray]

    def of(self, rows: np.ndarray) -> Lot:
        """A copy of some rows."""
        from lookalike.encode import Coded

        coded = Coded(self.coded.codes[:, rows], self.coded.inside[:, rows])
        return Lot(coded, self.bins[:, rows], {c: x[rows] for c, x in self.numbers.items()})

    def put(self, rows: np.ndarray, other: Lot, columns: Iterable[int]) -> None:
        """Those rows are as in `other`, in which `columns` are new."""
        self.coded.codes[:, rows], self.coded.inside[:, rows], self.bins[:, rows] = other.coded.codes, other.coded.inside, other.bins
        for column in columns:
            if column in other.numbers:
                self.numbers[column][rows] = other.numbers[column]
            else:
                self.numbers.pop(column, None)


@dataclass(frozen=True)
class Span:
    """Stages that are drawn once more where a column is out of order. first: the first of them; column: the one that they end with."""

    first: int
    column: int
    pairs: tuple[Pair, ...]


def find_orders(table: pa.Table, columns: Sequence[Column]) -> tuple[Pair, ...]:
    """Pairs of columns of a canonical table that are in order in all rows, would not be by chance, and come up to each other."""
    from lookalike.rules._inequalities import inequalities
    from lookalike.rules.cells import Cells
    from lookalike.rules.look import Look

    able = [c for c in columns if c.kind in ORDERED]
    if table.num_rows < FEWEST or not 2 <= len(able) <= MOST:
        return ()
    every, cells = max(1, table.num_rows // ROWS), Cells(table)
    few = table if every == 1 else table.take(np.arange(0, table.num_rows, every))
    names = [c.name for c in columns]
    look = Look(Cells(few), able, slack=0.0, protect=1, holders=None)
    found = (candidate.columns for candidate in inequalities(look, ()))
    return tuple((names.index(a), names.index(b)) for a, b in found if not (cells.numbers(a) > cells.numbers(b)).any())


def notes(table: pa.Table, columns: Sequence[Column], orders: Sequence[Pair]) -> tuple[str, ...]:
    """What to tell of pairs that lie much nearer to each other than leaves can tell: the rule by which their gap is learned itself."""
    from lookalike.rules.cells import Cells
    from lookalike.rules.language import quoted

    cells, found = Cells(table), []
    for low, high in orders:
        x, y = (cells.numbers(columns[c].name) for c in (low, high))
        wide = np.diff(np.nanquantile(y, [0.25, 0.75]))[0]
        gap = y - x
        if not np.nanmax(gap):
            continue  # they are equal: what is computed from the other has no gap
        if np.nanmedian(gap) < NARROW * wide:
            rule = f"{quoted(columns[low].name)} <= {quoted(columns[high].name)}"
            found.append(f"{columns[high].name} lies close above {columns[low].name}: --rule '{rule}' learns the gap between them")
    return tuple(found)


def broken(pairs: Sequence[Pair], numbers: Mapping[int, np.ndarray], n: int) -> np.ndarray:
    """bool [n]: rows in which one of the pairs is out of order; not those that lack one of the two."""
    found = np.zeros(n, bool)
    for low, high in pairs:
        found |= numbers[low] > numbers[high]
    return found


def spans(stages: Sequence[Stage], owners: np.ndarray, orders: Sequence[Pair]) -> dict[int, Span]:
    """What is drawn once more after which stage: a column with all its parts, once those that it must fit are drawn."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for at, stage in enumerate(stages):
        column = int(owners[stage.part])
        first.setdefault(column, at)
        last[column] = at
    found: dict[int, Span] = {}
    for pair in orders:
        column = max(pair, key=lambda c: last.get(c, -1))  # without a stage: it is given
        if column in last:
            span = found.get(last[column], Span(first[column], column, ()))
            found[last[column]] = Span(span.first, column, (*span.pairs, pair))
    return found
