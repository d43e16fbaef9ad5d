"""Which rows are named: how it is told of each link, learned, and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.models._kin_pick import assign, repeated
from lookalike.models._kin_world import Rows, World, ancestors, within
from lookalike.schema import Column, Table

__all__ = ["Naming", "codes", "labels", "single", "whole"]

AGAIN = 0.01
"""Share of rows that must name what a sibling names, for this to be learned."""
DEEPEST = 100
"""Levels of a table that names itself; in deeper ones a row is named whatever its level."""


class Naming:
    """How the rows that link `link` of a table names are found.

    once: no row is named twice. apart: links whose rows, together, never name a row twice; None: they may. within: see `_kin_world`.
    depth: rows name only rows of the level above. loops: rows that name nobody name themselves. nullable: there may be none.
    """

    def __init__(self, table: Table, link: int, **facts: Any) -> None:
        self.table, self.link, self.facts = table, link, facts

    def __getattr__(self, name: str) -> Any:
        if name in ("facts", "__setstate__"):
            raise AttributeError(name)
        return self.facts[name]

    @property
    def label(self) -> str:
        """The column that says in which group the row is that is named."""
        return f"(group of) {'+'.join(self.table.links[self.link].columns)}"

    @property
    def again(self) -> str:
        """The column that says whether a sibling names the same row."""
        return f"(again) {'+'.join(self.table.links[self.link].columns)}"

    @property
    def level(self) -> str:
        """The column that says how many rows are above."""
        return f"(level) {'+'.join(self.table.links[self.link].columns)}"

    @classmethod
    def from_json(cls, table: Table, link: int, facts: Mapping[str, Any]) -> Naming:
        """The inverse of `facts`, whose tuples JSON makes lists."""
        return cls(table, link, **{k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()})

    def columns(self, *, late: bool) -> list[Column]:
        """What is drawn of it."""
        found = [Column(name=self.label, kind="category")]
        if self.again_ and not late:
            found.append(Column(name=self.again, kind="boolean"))
        if self.depth:
            found.append(Column(name=self.level, kind="integer"))
        return found

    @classmethod
    def study(cls, world: World, table: Table, link: int, *, late: bool) -> Naming:
        """What holds of a link in the data."""
        rows, mine = world.rows[table.name], table.links[link]
        to, at = rows.links[link], world.kin.owner[table.name]
        here = to[to >= 0]
        distinct = len(np.unique(here)) == len(here)
        others = world.rows[mine.table].n
        once = distinct and (single(table, link) or (len(here) >= 20 and len(here) > 0.3 * others))
        keyed = [k for k, other in enumerate(table.links) if k != link and set(other.columns) <= set(table.key)]
        apart: tuple[int, ...] | None = None
        if set(mine.columns) <= set(table.key) and keyed and {c for k in (*keyed, link) for c in table.links[k].columns} == set(table.key):
            apart = tuple(keyed)
        elif at is not None and not repeated(rows.links[at], to)[rows.links[at] >= 0].any():
            apart = (at,)
        self_ = mine.table == table.name
        loops = bool(self_ and (to == np.arange(len(to))).any())
        levels = _levels(to) if self_ else None
        again = 0.0
        if at is not None and len(to):
            again = float(repeated(np.where(rows.links[at] < 0, -1 - np.arange(len(to)), rows.links[at]), to).mean())
        facts = {
            "once": once,
            "apart": apart,
            "within": within(world, table, link),
            "depth": levels is not None and int(levels.max(initial=0)) <= DEEPEST,
            "loops": loops,
            "nullable": all(table[c].nullable for c in mine.columns) and bool((to < 0).any()),
            "again_": bool(not late and apart is None and not once and again >= AGAIN),
        }
        return cls(table, link, **facts)

    def shares(self, world: World) -> dict[str, float]:
        """{group: how often its rows are to be named}, where any of them may be."""
        theirs, key = world.rows[self.table.links[self.link].table], (self.table.name, self.link)
        if self.once or self.within is not None or not theirs.n:
            return {}
        return {str(g): float(often) for g, often in enumerate(np.bincount(theirs.groups[key], theirs.degrees[key]))}

    def told(self, world: World) -> dict[str, pa.Array]:
        """The columns of the data."""
        rows = world.rows[self.table.name]
        to = rows.links[self.link]
        if self.loops:
            to = np.where(to == np.arange(len(to)), -1, to)
        theirs = world.rows[self.table.links[self.link].table].groups[(self.table.name, self.link)]
        group = np.where(to >= 0, theirs[np.maximum(to, 0)] if len(theirs) else -1, -1)
        made: dict[str, pa.Array] = {self.label: labels(group)}
        if self.depth:
            made[self.level] = pa.array(_levels(rows.links[self.link]))
        if self.again_:
            at = world.kin.owner[self.table.name]
            owner = rows.links[at]
            made[self.again] = pa.array(repeated(np.where(owner < 0, -1 - np.arange(len(to)), owner), to))
        return made

    def found(self, world: World, drawn: Mapping[str, pa.Array | pa.ChunkedArray], n: int, rng: np.random.Generator) -> np.ndarray:
        """int64 [n]: the rows that are named, by what was `drawn`; -1: none."""
        mine, other = world.rows[self.table.name], world.rows[self.table.links[self.link].table]
        theirs, degree = other.groups[(self.table.name, self.link)], other.degrees[(self.table.name, self.link)]
        label = codes(drawn[self.label])
        wants = label >= 0 if self.nullable or self.depth else np.ones(n, bool)
        must, its = np.zeros(n, np.int64), np.zeros(other.n, np.int64)
        if self.depth:
            level = _dense(whole(drawn[self.level]), rng)
            wants, must, its = level > 0, level, level + 1
        if self.within is not None:
            up, above = self.within
            a = ancestors(world, self.table, up, np.arange(n))
            b = ancestors(world, world.schema[self.table.links[self.link].table], above, np.arange(other.n))
            must, its = _paired([must, a], [its, b])
        shared = self._shared(world)
        least = (np.zeros(n, np.int64), np.zeros(other.n, np.int64))
        if shared:
            ours, others = zip(*shared, strict=True)
            least = _paired([*ours], [*others])
            must, its = _paired([must, *ours], [its, *others])
        again = self.again_ and not shared  # a sibling may have others of the columns that links share
        fresh = wants.copy()
        leads = np.arange(n)
        if again:
            leads = self._leads(world, drawn, label, wants, rng)
            fresh &= leads == np.arange(n)
        near = _paired([must, label], [its, theirs])
        wider = [near, (must, its)]
        if self.within is not None or (self.depth and not self.nullable):
            wider = wider if self.nullable else [*wider, least]
        asked = [(np.where(fresh, a, -1), b) for a, b in wider]
        family = self._family(mine, n) if self.apart is not None else None
        row = assign(asked, degree, rng=rng, family=family, once=self.once)
        if self.depth and self.loops:
            row = np.where(level == 0, np.arange(n), row)
        return np.where(wants, row[leads], row) if again else row

    def _shared(self, world: World) -> list[tuple[np.ndarray, np.ndarray]]:
        """Where columns of the link are told by another link, too: codes of what that says of each row, int64 [n], and of what each
        row that could be named says, int64 [others]. A key of several columns (branch and number) holds only where both are of one row."""
        link, found = self.table.links[self.link], []
        for name, source in zip(link.columns, link.references, strict=True):
            mine = _told(world, self.table, name, but=self.link)
            theirs = None if mine is None else _told(world, world.schema[link.table], source)
            if theirs is not None:
                both = pa.chunked_array([mine.cast(pa.string()), theirs.cast(pa.string())]).combine_chunks().dictionary_encode().indices
                said = pc.fill_null(both, -1).to_numpy(zero_copy_only=False).astype(np.int64)
                found.append((said[: len(mine)], np.where(said[len(mine) :] < 0, -2, said[len(mine) :])))
        return found

    def _family(self, rows: Rows, n: int) -> np.ndarray:
        """int64 [n]: rows that must not name the same row have the same number."""
        whose = [rows.links[k] for k in self.apart]
        gone = np.any([w < 0 for w in whose], axis=0)
        number = np.unique(np.stack(whose), axis=1, return_inverse=True)[1].ravel()
        return np.where(gone, -1 - np.arange(n), number)

    def _leads(self, world: World, drawn: Mapping[str, Any], label: np.ndarray, wants: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """int64 [n]: the sibling whose row is named again; the row itself where none is."""
        n = len(label)
        owner = world.rows[self.table.name].links[world.kin.owner[self.table.name]]
        again = pc.fill_null(drawn[self.again], False)
        again = np.asarray(again.to_numpy(zero_copy_only=False) if isinstance(again, pa.Array) else again.to_numpy()) & wants & (owner >= 0)
        order = np.lexsort((np.arange(n), label, owner))
        order = order[wants[order]]
        new = np.ones(len(order), bool)
        new[1:] = (owner[order][1:] != owner[order][:-1]) | (label[order][1:] != label[order][:-1])
        start = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
        rank = np.arange(len(order)) - start
        chosen = start + (rng.random(len(order)) * np.maximum(rank, 1)).astype(np.int64)
        lead = np.where(again[order] & (rank > 0), chosen, np.arange(len(order)))
        while True:
            further = lead[lead]
            if (further == lead).all():
                break
            lead = further
        out = np.arange(n)
        out[order] = order[lead]
        return out


def _told(world: World, table: Table, column: str, *, but: int | None = None) -> pa.Array | None:
    """The cells of a column as far as they are drawn: its own, or those of the rows that are named by it, not by the link `but`."""
    rows = world.rows[table.name]
    if column in rows.table:
        cells = rows.table[column]
        return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    for k, link in enumerate(table.links):
        if k != but and k in rows.links and column in link.columns and link.table != table.name:
            theirs = _told(world, world.schema[link.table], link.references[link.columns.index(column)])
            if theirs is not None:
                return theirs.take(pa.array(rows.links[k], mask=rows.links[k] < 0))
    return None


def single(table: Table, link: int) -> bool:
    """Whether a link is declared to name each row once at most."""
    columns = table.links[link].columns
    return table.key == columns or any(table[c].unique for c in columns)


def labels(group: np.ndarray) -> pa.Array:
    """Groups (below 0: none) as a category."""
    levels = pa.array([str(g) for g in range(int(group.max(initial=-1)) + 1)], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(group.astype(np.int32), mask=group < 0), levels)


def codes(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """int64 [n]: the groups of a category, -1: none."""
    plain = values.cast(pa.string())
    plain = plain.combine_chunks() if isinstance(plain, pa.ChunkedArray) else plain
    coded = plain.dictionary_encode()
    table = np.array([*(int(v) if v.isdigit() else -1 for v in coded.dictionary.to_pylist()), -1], np.int64)
    return table[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)]


def whole(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """int64 [n]: whole numbers, 0 where missing or below."""
    values = pc.fill_null(values, 0)
    return np.maximum(values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy(), 0).astype(np.int64)


def _dense(level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int64 [n]: levels without gaps, from 0; where no row is at the top, one of the highest is put there."""
    level = level.copy()
    if len(level) > 1 and level.min() > 0:
        level[rng.choice(np.flatnonzero(level == level.min()))] = 0
    return np.unique(level, return_inverse=True)[1].ravel()


def _levels(to: np.ndarray) -> np.ndarray | None:
    """int64 [n]: how many rows are above each, by the row that it names (-1 or itself: none); None if rows are above themselves."""
    up = np.where(to == np.arange(len(to)), -1, to)
    level, at = np.zeros(len(up), np.int64), up.copy()
    for _ in range(DEEPEST + 1):
        live = at >= 0
        if not live.any():
            return level
        level += live
        at = np.where(live, up[np.maximum(at, 0)], -1)
    return None


def _paired(of_child: list[np.ndarray], of_row: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers for pairs of codes, the same for children and rows; children with a code below 0 have a number that no row has."""
    child, row = np.stack(of_child), np.stack(of_row)
    number = np.unique(np.concatenate([child, row], axis=1), axis=1, return_inverse=True)[1].ravel()
    return number[: child.shape[1]], number[child.shape[1] :]
