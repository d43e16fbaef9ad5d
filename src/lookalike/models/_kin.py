"""How tables hang together: whose row each row is, which rows it names besides, and in which order tables can be drawn.

Each table that links to others has one *owner*, through whose rows its own are drawn; its other links are *references*. Links of a table to
itself, and those that close a circle of tables, are *late*: they are assigned when the rows they name are there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import Dataset
from lookalike.errors import CannotError, DataError
from lookalike.schema import Link, Schema, Table

__all__ = ["Kin", "links_of", "named", "positions_of", "sorted_by"]

FEWEST = 10
"""Rows below which a table owns none: how many rows each has could not be learned from so few."""
TOWARDS = 1_000.0
"""Preference for a link that leads to the declared subject."""


def _check_shared(table: Table, link: Link) -> None:
    """Refuse a link by which rows have a column of the row that they name, and that row has it of yet another: nobody draws it."""
    if link.table == table.name:
        others = {c for other in table.links if other != link for c in other.columns}
        shared = [c for c in link.columns if c in link.references and c not in others]
        if shared:
            what = f"{' and '.join(shared)} would be that of the row of {table.name} that is named, and nothing says whence that has it"
            fix = "leave this link out: its columns are then drawn as others are"
            raise CannotError(what, where=named(table, link), fix=fix)


@dataclass(frozen=True)
class Kin:
    """The plan. Links are numbers into `Table.links`.

    order: tables as they are drawn. owner: the link to the owner; None: rows of the table are drawn for themselves. early, late:
    references that can be assigned before the row's own columns are drawn, and those that cannot.
    """

    order: tuple[str, ...]
    owner: dict[str, int | None]
    early: dict[str, tuple[int, ...]] = field(default_factory=dict)
    late: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def plan(cls, schema: Schema, links: Mapping[str, Sequence[np.ndarray]], rows: Mapping[str, int]) -> Kin:
        """The plan for tables of so many `rows`, of which `links` says, for each link, the row that is named (-1: none).

        Raises:
            CannotError: a public table names rows of one that is not; a table links to itself by a column of the key that is named.
        """
        for t in schema.tables:
            for link in t.links:
                _check_shared(t, link)
                if t.public and not schema[link.table].public:
                    what = f"a public table names rows of {link.table!r}, which is not public: its keys will be others"
                    raise CannotError(what, where=named(t, link), fix=f"declare {link.table!r} public, too, or {t.name!r} not")
        owner = _owners(schema, links, rows)
        order: list[str] = [t.name for t in schema.tables if t.public]
        early: dict[str, tuple[int, ...]] = dict.fromkeys(order, ())
        late: dict[str, tuple[int, ...]] = dict.fromkeys(order, ())
        left = [t for t in schema.tables if not t.public]
        while left:
            able = [t for t in left if owner[t.name] is None or t.links[owner[t.name]].table in order]
            waits = {t.name: [k for k, link in enumerate(t.links) if k != owner[t.name] and link.table not in order] for t in able}
            best = min(able, key=lambda t: sum(t.links[k].table != t.name for k in waits[t.name]))
            early[best.name] = tuple(k for k in range(len(best.links)) if k != owner[best.name] and k not in waits[best.name])
            late[best.name] = tuple(waits[best.name])
            order.append(best.name)
            left.remove(best)
        return cls(tuple(order), owner, early, late)

    def owner_of(self, table: Table) -> str | None:
        """The name of the owner of a table."""
        at = self.owner[table.name]
        return None if at is None else table.links[at].table

    def owned(self, schema: Schema, table: str) -> list[str]:
        """Names of the tables whose owner is `table`."""
        return [t.name for t in schema.tables if self.owner_of(t) == table]

    def references(self, schema: Schema, table: str) -> list[tuple[str, int]]:
        """`(table, link)` of the references that lead to `table`."""
        found = []
        for t in schema.tables:
            found += [(t.name, k) for k in (*self.early[t.name], *self.late[t.name]) if t.links[k].table == table]
        return found

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        listed = {name: {t: list(k) for t, k in getattr(self, name).items()} for name in ("early", "late")}
        return {"order": list(self.order), "owner": self.owner, **listed}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Kin:
        """The inverse of `to_json`."""
        listed = {name: {t: tuple(k) for t, k in raw[name].items()} for name in ("early", "late")}
        return cls(tuple(raw["order"]), dict(raw["owner"]), **listed)


def named(table: Table, link: Link) -> str:
    """What a link is called where something is told of it: Order.customer_id."""
    return f"{table.name}.{'+'.join(link.columns)}"


def links_of(data: Dataset) -> dict[str, list[np.ndarray]]:
    """{table: for each link int64 [rows], the number of the row that is named; -1 where none is}.

    Raises:
        DataError: a key names no row, or several.
    """
    schema = data.schema
    return {t.name: [_matched(data, t, link) for link in t.links] for t in schema.tables}


def _matched(data: Dataset, table: Table, link: Link) -> np.ndarray:
    mine, theirs = _joined(data.table(table.name), link.columns), _joined(data.table(link.table), link.references)
    distinct = pc.count_distinct(theirs, mode="only_valid").as_py()
    if distinct < len(theirs) - theirs.null_count:
        where = f"{link.table}.{'+'.join(link.references)}"
        what = f"{len(theirs) - theirs.null_count - distinct:,} rows have a key that another row has"
        raise DataError(what, where=where, fix=f"{named(table, link)} names rows by it: give each row its own")
    found = pc.index_in(mine, value_set=theirs)
    orphans = found.null_count - mine.null_count
    if orphans:
        what = f"{orphans:,} of {len(mine):,} rows name a row of {link.table!r} that is not there"
        raise DataError(what, where=named(table, link), fix="add the rows that are named, or leave out those that name them")
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _joined(table: pa.Table, columns: Sequence[str]) -> pa.Array:
    """One string for each row, null where one of the columns is."""
    parts = [table[name].cast(pa.string()) for name in columns]
    joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "\x1f")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _owners(schema: Schema, links: Mapping[str, Sequence[np.ndarray]], rows: Mapping[str, int]) -> dict[str, int | None]:
    """The link to the owner of each table: that by which rows hang together most, so that no table owns itself in the end."""
    subject = None if schema.subject is None else schema.subject_table.name
    near = {subject, *schema.descendants(subject)} if subject else set()
    scored = []
    for t in schema.tables:
        for k, link in enumerate(t.links):
            able = not schema[link.table].public and rows[link.table] >= FEWEST
            if able and not t.public and t.name != schema.subject_table.name and link.table != t.name:
                to = links[t.name][k]
                size = max(rows[link.table], 1)
                held = len(np.unique(to[to >= 0])) / size
                score = held * math.log(1 + size) * (float((to >= 0).mean()) if len(to) else 1.0)
                scored.append((score + TOWARDS * (link.table in near), -k, t.name, link.table, k))
    found: dict[str, int | None] = {t.name: None for t in schema.tables}
    above: dict[str, str] = {}
    for _, _, name, parent, k in sorted(scored, key=lambda s: (-s[0], s[2], -s[1])):
        line = [parent]
        while line[-1] in above:
            line.append(above[line[-1]])
        if found[name] is None and name not in line:
            found[name], above[name] = k, parent
    return found


def sorted_by(owner: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
    """int64 [n]: rows grouped by their owner's number, in each by `order` (ranks) or as they stand; those without one (-1) come last."""
    key = np.where(owner < 0, np.iinfo(np.int64).max, owner)
    return np.argsort(key, kind="stable") if order is None else np.lexsort((order, key))


def positions_of(sizes: np.ndarray) -> np.ndarray:
    """int64 [sum of sizes]: the place of each row in its family, from 0."""
    starts = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
