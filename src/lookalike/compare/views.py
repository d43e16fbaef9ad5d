"""Linked tables as flat ones: children beside their parents, parents with what their children are together.

Each view is a frame like any other, so that what judges one table judges them as well. Names of columns say where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lookalike.compare.database import Database
from lookalike.compare.frame import Frame
from lookalike.schema import Column, Link, Schema

COUNT = "number of {}"
PARENT, CHILD = "parent", "child"


@dataclass(frozen=True)
class Way:
    """Two tables that are `hops` links apart: rows of `base` reach one of them by `left`, the other by `right` (link numbers)."""

    base: str
    left: tuple[int, ...]
    right: tuple[int, ...]

    @property
    def hops(self) -> int:
        """How many links lie between the two tables."""
        return len(self.left) + len(self.right)

    def text(self, schema: Schema) -> str:
        """The tables on the way, as a reader would name them: InvoiceLine → Invoice → Customer, or Invoice ← InvoiceLine → Track."""
        up, down = (_walked(schema, self.base, path) for path in (self.left, self.right))
        return "".join([*(f"{name} ← " for name in reversed(up)), self.base, *(f" → {name}" for name in down)])


def _walked(schema: Schema, base: str, path: tuple[int, ...]) -> list[str]:
    """The tables that a path leads through, with the linking column where a table has several links to it."""
    out = []
    for number in path:
        link = schema[base].links[number]
        out.append(named(schema, base, link))
        base = link.table
    return out


def named(schema: Schema, table: str, link: Link) -> str:
    """What the parent is called in a view of the child."""
    alone = sum(other.table == link.table for other in schema[table].links) == 1 and link.table != table
    return link.table if alone else f"{link.table} by {'+'.join(link.columns)}"


def ways(schema: Schema, hops: int) -> Iterator[Way]:
    """All pairs of tables that are so many links apart (1 or 2), seen from the rows that hold the links."""
    for table in schema.tables:
        for first, link in enumerate(table.links):
            if hops == 1:
                yield Way(table.name, (), (first,))
                continue
            for second in range(len(schema[link.table].links)):
                yield Way(table.name, (), (first, second))
            for second in range(first + 1, len(table.links)):
                yield Way(table.name, (first,), (second,))


def pair(base: Database, way: Way) -> tuple[Frame, dict[str, str]]:
    """The columns of both tables of a way, a row for each row of its base that reaches both; and which part each column is of."""
    frame = base.frames[way.base]
    ends = [base.follow(way.base, path) for path in (way.left, way.right)]
    there = np.flatnonzero((ends[0] >= 0) & (ends[1] >= 0))
    columns: list[Column] = []
    values: dict[str, np.ndarray] = {}
    levels: dict[str, tuple[str, ...]] = {}
    part: dict[str, str] = {}
    for path, at, side in zip((way.left, way.right), ends, (CHILD, PARENT), strict=True):
        walked = [way.base, *_walked(base.schema, way.base, path)]
        end = base.frames[_end(base.schema, way.base, path)]
        for column in end.columns:
            name = f"{walked[-1]}.{column.name}"
            columns.append(column.model_copy(update={"name": name}))
            values[name] = end[column.name][at[there]]
            part[name] = side
            if end.is_label(column.name):
                levels[name] = end.levels[column.name]
    owner = None if frame.owner is None else frame.owner[there]
    return Frame(tuple(columns), values, levels, len(there), owner), part


def _end(schema: Schema, table: str, path: tuple[int, ...]) -> str:
    for number in path:
        table = schema[table].links[number].table
    return table


def children(schema: Schema, table: str) -> list[tuple[str, int]]:
    """The links that lead to a table, by place."""
    return [(t.name, k) for t in schema.tables for k, link in enumerate(t.links) if link.table == table]


def counted(schema: Schema, place: tuple[str, int]) -> str:
    """What the number of children by a link is called."""
    child, number = place
    link = schema[child].links[number]
    alone = sum(other.table == link.table for other in schema[child].links) == 1
    return COUNT.format(child) if alone else f"{COUNT.format(child)} by {'+'.join(link.columns)}"


def counts(base: Database, table: str) -> Frame:
    """The numbers of children of each row of a table, 0 for rows without any: a column for each link to it."""
    rows, values = base.frames[table].rows, {}
    for place in children(base.schema, table):
        up = base.up[place]
        values[counted(base.schema, place)] = np.bincount(up[up >= 0], minlength=rows).astype(np.float64)
    columns = tuple(Column(name=name, kind="integer") for name in values)
    return Frame(columns, values, {}, rows, base.frames[table].owner)


def gathered(base: Database, table: str, *, deep: bool = True) -> Frame:
    """Each row of a table with what its children are together: how many, and of each of their columns the mean, least and greatest
    number, or the most frequent level and how many levels. `deep`: children have their own children's numbers and means.
    """
    frame = base.frames[table]
    parts = [counts(base, table)]
    for child, number in children(base.schema, table):
        below = base.frames[child]
        if deep and child != table:
            below = beside(below, [counts(base, child), *_means(base, child)])
        link = base.schema[child].links[number]
        name = child if counted(base.schema, (child, number)) == COUNT.format(child) else f"{child} by {'+'.join(link.columns)}"
        parts.append(together(below, base.up[child, number], frame.rows, name))
    return beside(frame, parts)


def _means(base: Database, table: str) -> list[Frame]:
    """The means of the children's numbers, for each row of a table."""
    out = []
    for child, number in children(base.schema, table):
        if child == table:
            continue
        made = together(base.frames[child], base.up[child, number], base.frames[table].rows, child)
        out.append(made.only(n for n in made.names if n.endswith(" mean")))
    return out


def beside(frame: Frame, others: list[Frame]) -> Frame:
    """Frames of the same rows with all their columns; a name that is taken gets a number."""
    columns, values, levels = list(frame.columns), dict(frame.values), dict(frame.levels)
    for other in others:
        for column in other.columns:
            name, turn = column.name, 2
            while name in values:
                name, turn = f"{column.name} {turn}", turn + 1
            columns.append(column.model_copy(update={"name": name}))
            values[name] = other[column.name]
            if other.is_label(column.name):
                levels[name] = other.levels[column.name]
    return Frame(tuple(columns), values, levels, frame.rows, frame.owner)


def together(child: Frame, up: np.ndarray, rows: int, name: str) -> Frame:
    """What the children of each of `rows` parents are together: `up` is each child's parent, -1 for none."""
    columns: list[Column] = []
    values: dict[str, np.ndarray] = {}
    levels: dict[str, tuple[str, ...]] = {}
    for column in child.columns:
        label = f"{name}.{column.name}"
        seen = np.flatnonzero((up >= 0) & ~child.missing(column.name))
        whose, cells = up[seen], child[column.name][seen]
        if child.is_label(column.name):
            often, many = _modes(whose, cells, rows)
            made = {f"{label} commonest": often, f"{label} different": many}
            levels[f"{label} commonest"] = child.levels[column.name]
            columns.append(Column(name=f"{label} commonest", kind="category"))
        else:
            made = _moments(whose, cells, rows, label)
        columns += [Column(name=n, kind="number") for n in made if n not in levels]
        values |= made
    return Frame(tuple(columns), values, levels, rows)


def _modes(whose: np.ndarray, cells: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each parent the commonest code (int32, -1: none; of equals the least), and how many different ones (float64)."""
    size = int(cells.max(initial=0)) + 1
    seen, times = np.unique(whose.astype(np.int64) * size + cells, return_counts=True)
    parent, code = seen // size, seen % size
    often = np.full(rows, -1, np.int32)
    order = np.lexsort((-code, times))
    often[parent[order]] = code[order]  # the last one written stays: the most frequent
    return often, np.bincount(parent, minlength=rows).astype(np.float64)


def _moments(whose: np.ndarray, cells: np.ndarray, rows: int, label: str) -> dict[str, np.ndarray]:
    """Mean, least and greatest of each parent's values, float64; NaN where there are none."""
    number = np.bincount(whose, minlength=rows)
    none = number == 0
    mean = np.bincount(whose, weights=cells, minlength=rows) / np.maximum(number, 1)
    least, most = np.full(rows, np.inf), np.full(rows, -np.inf)
    np.minimum.at(least, whose, cells)
    np.maximum.at(most, whose, cells)
    made = {"mean": mean, "least": least, "most": most}
    return {f"{label} {what}": np.where(none, np.nan, v) for what, v in made.items()}


def unowned(frame: Frame) -> Frame:
    """The same rows, each for itself."""
    return replace(frame, owner=None)


def parts(frame: Frame, of: Mapping[str, str]) -> set[str]:
    """Which parts the columns of a view come from."""
    return {of[n] for n in frame.names}
