"""Linked tables as frames that share one coding, with each link as the number of the row that it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.compare.frame import Frame, code
from lookalike.schema import Column, Link, Schema, Table

FEWEST_OWNERS = 40
"""Rows that an ancestor must have for a table's rows to be told apart by it: fewer make no interval."""
Place = tuple[str, int]
"""A link: the table that has it, and its number there."""


@dataclass(frozen=True)
class Database:
    """Tables of one role: `frames` by name, and for each link, by its place, the parent's row of each row (int64, -1: none).

    `orders`: of each ordered table, float64 per row, what its rows are ordered by.
    """

    schema: Schema
    frames: Mapping[str, Frame]
    up: Mapping[Place, np.ndarray]
    orders: Mapping[str, np.ndarray]

    def follow(self, table: str, path: tuple[int, ...]) -> np.ndarray:
        """Row of the ancestor that each row of `table` reaches by these links, int64; -1 where one of them leads nowhere."""
        at = np.arange(self.frames[table].rows)
        for number in path:
            up = self.up[table, number]
            at = np.where(at >= 0, up[at], -1) if len(up) else np.full(len(at), -1)
            table = self.schema[table].links[number].table
        return at

    def owned(self, paths: Mapping[str, tuple[int, ...]]) -> Database:
        """The same tables, whose rows belong to the ancestor that their path leads to; rows that reach none stand for themselves."""
        frames = dict(self.frames)
        for name, path in paths.items():
            owner = self.follow(name, path)
            alone = np.flatnonzero(owner < 0)
            owner[alone] = owner.max(initial=-1) + 1 + np.arange(len(alone))
            frames[name] = replace(frames[name], owner=owner)
        return replace(self, frames=frames)


def databases(tables: Mapping[str, Mapping[str, pa.Table]], schema: Schema) -> dict[str, Database]:
    """Databases by role from canonical tables by role and name, all of which have the columns of `schema`.

    Raises:
        DataError: a column's values are not of its kind.
    """
    frames: dict[str, dict[str, Frame]] = {role: {} for role in tables}
    for table in schema.tables:
        coded = code({role: of[table.name] for role, of in tables.items()}, table.columns)
        holes = [lk for lk in table.links if any(_holed(of[table.name], lk) for of in tables.values())]
        for role, frame in coded.items():
            for link in holes:
                frame = _with_link(frame, tables[role][table.name], link)
            frames[role][table.name] = frame
    out = {}
    for role, of in tables.items():
        up = {(t.name, k): _leads(of[t.name], of[lk.table], lk) for t in schema.tables for k, lk in enumerate(t.links)}
        orders = {t.name: ordering(of[t.name], t, frames[role][t.name]) for t in schema.tables if t.order is not None}
        out[role] = Database(schema, frames[role], up, orders)
    return out


def _holed(table: pa.Table, link: Link) -> bool:
    return any(table.column(c).null_count for c in link.columns)


def _with_link(frame: Frame, table: pa.Table, link: Link) -> Frame:
    """The frame with a column that tells whether the link is given: where it may be missing, that is data as well."""
    there = np.ones(frame.rows, bool)
    for name in link.columns:
        there &= table.column(name).is_valid().to_numpy(zero_copy_only=False)
    name = f"{'+'.join(link.columns)} given"
    columns = (*frame.columns, Column(name=name, kind="boolean"))
    levels = {**frame.levels, name: ("false", "true")}
    return Frame(columns, {**frame.values, name: there.astype(np.int32)}, levels, frame.rows, frame.owner)


def codes(tables: list[tuple[pa.Table, tuple[str, ...]]]) -> list[np.ndarray]:
    """Numbers for the rows of several tables by what stands in these columns, int64: equal where all cells are, -1 if one is missing."""
    sizes = [t.num_rows for t, _ in tables]
    whole, gone = np.zeros(sum(sizes), np.int64), np.zeros(sum(sizes), bool)
    for j in range(len(tables[0][1])):
        cells = [t.column(names[j]) for t, names in tables]
        cells = [c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in cells]
        if len({c.type for c in cells}) > 1:
            cells = [c.cast(pa.string()) for c in cells]
        found = pc.dictionary_encode(pa.chunked_array([k for c in cells for k in c.chunks], cells[0].type).combine_chunks()).indices
        number = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        gone |= number < 0
        whole = np.unique(whole * (number.max(initial=0) + 2) + number, return_inverse=True)[1]
    whole = np.where(gone, -1, whole)
    return np.split(whole, np.cumsum(sizes)[:-1])


def _leads(child: pa.Table, parent: pa.Table, link: Link) -> np.ndarray:
    """Row of the parent that each row of the child refers to, -1 where to none; of several equal keys, the first row."""
    mine, theirs = codes([(child, link.columns), (parent, link.references)])
    where = np.full(int(max(mine.max(initial=-1), theirs.max(initial=-1))) + 2, -1, np.int64)  # the last entry answers -1
    known = np.flatnonzero(theirs >= 0)[::-1]
    where[theirs[known]] = known
    where[-1] = -1
    return where[mine]


def ordering(table: pa.Table, about: Table, frame: Frame) -> np.ndarray:
    """What the rows of an ordered table are ordered by, float64: the column's value, or its rank where it is no number."""
    name = str(about.order)
    if name in frame.names and not frame.is_label(name):
        return frame[name]
    column = table.column(name)
    column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    rank = pc.rank(column.combine_chunks(), sort_keys="ascending", null_placement="at_end", tiebreaker="dense")
    return rank.to_numpy(zero_copy_only=False).astype(np.float64)


def owners(real: Database) -> dict[str, tuple[int, ...]]:
    """By table, the links that lead from its rows to whose they are: to the subject's table, else to the farthest ancestor of enough rows.

    A table without a path stands for itself: each of its rows is a draw of its own.
    """
    schema, subject = real.schema, real.schema.subject_table.name
    out = {}
    for table in schema.tables:
        if table.name == subject:
            continue
        paths = ways(schema, table.name)
        found = next((p for end, p in paths if end == subject), None)
        if found is None:
            enough = [p for end, p in paths if real.frames[end].rows >= FEWEST_OWNERS and end != table.name]
            found = max(enough, key=len, default=None)
        if found is not None:
            out[table.name] = found
    return out


def ways(schema: Schema, table: str) -> list[tuple[str, tuple[int, ...]]]:
    """Each ancestor with the shortest path of link numbers that leads to it, the nearest first."""
    found: dict[str, tuple[int, ...]] = {}
    front: list[tuple[str, tuple[int, ...]]] = [(table, ())]
    while front:
        ahead = []
        for at, path in front:
            for number, link in enumerate(schema[at].links):
                if link.table not in found and link.table != table:
                    found[link.table] = (*path, number)
                    ahead.append((link.table, (*path, number)))
        front = ahead
    return list(found.items())


@dataclass(frozen=True)
class Broken:
    """What a link or key has of `rows`: `orphans` lead to no row, `missing` are not given, `repeated` stand for a second time."""

    rows: int
    orphans: int = 0
    missing: int = 0
    repeated: int = 0


def link_state(tables: Mapping[str, pa.Table], table: Table, link: Link) -> Broken:
    """How many references of a link lead nowhere, and how many are not given."""
    child = tables[table.name]
    missing = np.zeros(child.num_rows, bool)
    for name in link.columns:
        missing |= child.column(name).is_null().to_numpy(zero_copy_only=False)
    lost = (_leads(child, tables[link.table], link) < 0) & ~missing
    return Broken(child.num_rows, orphans=int(lost.sum()), missing=int(missing.sum()))


def key_state(tables: Mapping[str, pa.Table], table: Table, columns: tuple[str, ...]) -> Broken:
    """How many values of a key stand for a second time, and how many are missing."""
    (found,) = codes([(tables[table.name], columns)])
    there = found[found >= 0]
    return Broken(len(found), missing=int(len(found) - len(there)), repeated=int(len(there) - len(np.unique(there))))
