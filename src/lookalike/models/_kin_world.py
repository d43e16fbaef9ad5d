"""Linked tables as they are while they are learned from or drawn: rows by number, the rows that they name, and what others see of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lookalike.data.holders import Holders
from lookalike.models._family import numbers, taken
from lookalike.models._kin import Kin
from lookalike.schema import Column, Schema, Table

__all__ = ["Rows", "World", "ancestors", "link_name", "packed", "together", "unpacked", "within"]

MOST_TOGETHER = 8
"""Columns of the rows of one link of which it is told at most what they are together."""
MOST_COUNTED = 3
"""Links by which rows are named that are counted for this, at most."""
SEVERAL = 1.2
"""Rows that a row must own, or be named by, on average for this to be told."""
ORDERED = frozenset({"integer", "number", "date", "datetime", "duration"})
MOST_SEEN = 60
"""Columns of others that a row is drawn given at most; those of the nearest come first."""


@dataclass
class Rows:
    """Rows of a table. table: canonical columns, as far as they are there; seen: what others are drawn by; links: {link: row named, or -1};
    groups: {(table, link): int64 [n], the group for those who name rows by that link}, degrees: float64 [n], how often they do;
    counts: {table: int64 [n], rows of it that each row owns}."""

    n: int
    table: dict[str, pa.Array | pa.ChunkedArray] = field(default_factory=dict)
    seen: dict[str, pa.Array | pa.ChunkedArray] = field(default_factory=dict)
    links: dict[int, np.ndarray] = field(default_factory=dict)
    groups: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    degrees: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    counts: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class World:
    """All tables; `columns` {table: what others see of it}; `holders` {table: the subjects who reach its rows, if it is nobody's own}."""

    schema: Schema
    kin: Kin
    columns: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    rows: dict[str, Rows] = field(default_factory=dict)
    holders: dict[str, Holders] = field(default_factory=dict)

    def owner_paths(self, table: Table) -> list[tuple[int, ...]]:
        """Chains of links to what a row's owner is seen by: itself, its own owner, the rows that it names."""
        at = self.kin.owner[table.name]
        return [] if at is None else [(at, *path) for path in ((), *self._near(self.schema[table.links[at].table]))]

    def beside_paths(self, table: Table) -> list[tuple[int, ...]]:
        """Chains of links to what a row names itself: those rows, and their owners."""
        found = [(k,) for k in self.kin.early[table.name]]
        for k in self.kin.early[table.name]:
            up = self.kin.owner[table.links[k].table]
            found += [] if up is None else [(k, up)]
        return found

    def _near(self, table: Table) -> list[tuple[int, ...]]:
        up = self.kin.owner[table.name]
        return [*([] if up is None else [(up,)]), *((k,) for k in self.kin.early[table.name])]

    def led_to(self, table: Table, path: Sequence[int]) -> Table:
        """The table at the end of a chain of links."""
        for k in path:
            table = self.schema[table.links[k].table]
        return table

    def follow(self, table: Table, path: Sequence[int], rows: np.ndarray) -> np.ndarray:
        """int64: the row at the end of a chain of links, for `rows` of a table (-1: none)."""
        for k in path:
            to = self.rows[table.name].links[k]
            rows = np.where(rows >= 0, to[np.maximum(rows, 0)], -1) if len(to) else np.full(len(rows), -1)
            table = self.schema[table.links[k].table]
        return rows

    def seen_columns(self, table: Table, paths: Sequence[Sequence[int]]) -> tuple[Column, ...]:
        """What is seen at the ends of chains of links."""
        found = []
        for path in paths:
            for c in self.columns[self.led_to(table, path).name]:
                found.append(c.model_copy(update={"name": f"{link_name(table, path)}.{c.name}", "nullable": True, "unique": False}))
        return tuple(found[:MOST_SEEN])

    def look(self, table: Table, paths: Sequence[Sequence[int]], rows: np.ndarray, *, owner: bool) -> pa.Table | None:
        """The columns of `seen_columns` for rows; `owner`: rows are of the owner (the first link of each chain is already gone)."""
        wanted = {c.name for c in self.seen_columns(table, paths)}
        made = {}
        for path in paths:
            at = self.schema[table.links[path[0]].table] if owner else table
            other = self.led_to(table, path)
            names = {f"{link_name(table, path)}.{c.name}": c.name for c in self.columns[other.name]}
            if not wanted & set(names):
                continue
            to = self.follow(at, path[1:] if owner else path, rows)
            found = taken(pa.table(self.rows[other.name].seen), to)
            made |= {name: found[source] for name, source in names.items() if name in wanted}
        return pa.table(made) if made else None

    def root(self, table: Table) -> np.ndarray:
        """int64 [n]: the number of the row that all owners lead to in the end; rows without an owner are their own."""
        n = self.rows[table.name].n
        at = self.kin.owner[table.name]
        if at is None:
            return np.arange(n)
        owner, above = self.rows[table.name].links[at], self.root(self.schema[table.links[at].table])
        most = int(above.max(initial=-1)) + 1
        return np.where(owner >= 0, above[np.maximum(owner, 0)] if len(above) else -1, most + np.arange(n))


def link_name(table: Table, path: Sequence[int]) -> str:
    """A chain of links as text: the columns of the first, and how many follow."""
    first = "+".join(table.links[path[0]].columns)
    return first if len(path) == 1 else f"{first}>{'>'.join(map(str, path[1:]))}"


def within(world: World, table: Table, k: int) -> tuple[int, int] | None:
    """Whether rows named by link `k` are always of the same owner, or owner's owner, as the row itself: how many owners up each is."""
    other = world.schema[table.links[k].table]
    to = world.rows[table.name].links[k]
    rows = np.flatnonzero(to >= 0)
    for up in (0, 1, 2):
        for theirs in (1, 2):
            a, b = _chain(world, table, up), _chain(world, other, theirs)
            if a is None or b is None or world.led_to(table, a).name != world.led_to(other, b).name or len(rows) < 10:
                continue
            mine, its = world.follow(table, a, rows), world.follow(other, b, to[rows])
            if len(np.unique(mine)) > 1 and np.mean(mine == its) >= 0.995:
                return up, theirs
    return None


def _chain(world: World, table: Table, up: int) -> tuple[int, ...] | None:
    """The links to the owner so many steps up."""
    found: list[int] = []
    for _ in range(up):
        at = world.kin.owner[table.name]
        if at is None:
            return None
        found.append(at)
        table = world.schema[table.links[at].table]
    return tuple(found)


def together(world: World, table: Table, k: int) -> dict[str, pa.Array]:
    """What the rows that name a row by link `k` of `table` are together: of each column of numbers or moments mean, least and most.

    Children drawn given these differ between families as they do in the data; by their siblings alone they differ less.
    """
    rows, n = world.rows[table.name], world.rows[table.links[k].table].n
    to = rows.links[k]
    if (to >= 0).sum() < SEVERAL * len(np.unique(to[to >= 0])):
        return {}
    found: dict[str, pa.Array] = {}
    for name, x in _told(world, table).items():
        there = (to >= 0) & ~np.isnan(x)
        order = np.flatnonzero(there)[np.argsort(to[there], kind="stable")]
        whose, first, many = np.unique(to[order], return_index=True, return_counts=True)
        for what, add in (("mean", np.add), ("least", np.minimum), ("most", np.maximum)):
            made = np.full(n, np.nan)
            if len(order):
                made[whose] = add.reduceat(x[order], first) / (many if what == "mean" else 1)
            found[f"({what}) {table.name}.{k}.{name}"] = pa.array(made, mask=np.isnan(made))
    return found


def _told(world: World, table: Table) -> dict[str, np.ndarray]:
    """Numbers and moments of which it is told what they are together, float64 [n]: columns, and how many rows own or name each row."""
    rows, seen = world.rows[table.name], {c.name for c in world.columns[table.name]}
    own = [c for c in table if c.name in seen and c.kind in ORDERED][:MOST_TOGETHER]
    found = {c.name: numbers(rows.table[c.name], c) for c in own}
    links = [
        (t.name, j) for t in world.schema.tables if not t.public for j, link in enumerate(t.links) if link.table == table.name != t.name
    ]
    for child, j in links[:MOST_COUNTED]:
        to = world.rows[child].links[j]
        found[f"(rows) {child}.{j}"] = np.bincount(to[to >= 0], minlength=rows.n).astype(np.float64)
    return found


def ancestors(world: World, table: Table, up: int, rows: np.ndarray) -> np.ndarray:
    """int64: the owner of rows so many steps up, -1 where there is none."""
    return world.follow(table, _chain(world, table, up) or (), rows)


def packed(table: pa.Table) -> np.ndarray:
    """A table as bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return np.frombuffer(sink.getvalue(), np.uint8)


def unpacked(raw: np.ndarray) -> pa.Table:
    """The inverse of `packed`."""
    return pa.ipc.open_stream(pa.py_buffer(raw.tobytes())).read_all()
