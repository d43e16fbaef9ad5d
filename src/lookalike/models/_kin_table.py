"""One of several linked tables: what is learned of it, and how its rows are drawn when those they belong to are there.

First of the rows that are named, group by group, given the owner; then, when it is known which they are, of the row's own columns. Among
these are how many rows of other tables it owns, how often it is named, and in which group it is named: so that all that is learned jointly.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import Dataset, formats
from lookalike.encode import Codebook, Coded
from lookalike.models import _kin_exact as exact
from lookalike.models import _kin_keys as keys
from lookalike.models._family import VISIBLE, Family, featured, numbers
from lookalike.models._kin import positions_of, sorted_by
from lookalike.models._kin_gaps import Gaps
from lookalike.models._kin_groups import Spread, features, groups, slots
from lookalike.models._kin_line import Line
from lookalike.models._kin_naming import Naming, codes, labels, single, whole
from lookalike.models._kin_world import Rows, World, packed, together, unpacked
from lookalike.protocol import OnStep, State, part
from lookalike.schema import Column, Schema, Table

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Branch"]

FEW = 255
"""Rows of a public table that are groups of their own at most."""
SMALL = 50
"""Rows below which a table's rows are named as they are, one by one, if enough subjects name them."""
SORTING = frozenset({"integer", "number", "date", "datetime"})
FEWEST_PAIRS, RISING = 50, 0.2
"""Siblings that follow one another, by which it is told that they are sorted; share of them in which the column must rise."""
TINY = 10
"""Rows below which a table is too small to learn from."""


class Branch:
    """One table. Fitted attributes: what holds exactly (`copies_`, `places_`, `totals_`), `namings_` {link: Naming}, `keys_` the codebook
    of fresh keys, `structure_` and `own_`, which draw; `spreads_` of counts, `slots_` of rows that are named one by one."""

    def __init__(self, table: Table, inner: str, settings: Mapping[str, Any]) -> None:
        self.table, self.inner, self.settings = table, inner, dict(settings)
        self.copies_: list[exact.Copy] = []
        self.places_: list[exact.Place] = []
        self.gaps_ = Gaps()
        self.sorted_: str | None = None
        self.line_: Line | None = None
        self.structure_: Family | None = None
        self.own_: Family | None = None
        self.left_out_ = 0
        self.tiny_ = False
        self.totals_: list[exact.Total] = []
        self.namings_: dict[int, Naming] = {}
        self.spreads_: dict[str, Spread] = {}
        self.slots_: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}

    # ------------------------------------------------------------------------------------------------------ learning

    def look(self, world: World, data: Dataset) -> Self:
        """Find out what holds exactly, and what is seen of the table's rows; tables are to be looked at in the order of drawing."""
        table, kin = self.table, world.kin
        rows = world.rows[table.name]
        whole = data.table(table.name)
        at = kin.owner[table.name]
        owner = rows.links[at] if at is not None else np.full(rows.n, -1)
        self.rows_, self.alone_ = rows.n, int((owner < 0).sum())
        if table.public:
            self.attributes_ = tuple(c for c in table if c.kind in VISIBLE)
        else:
            self.places_ = exact.find_places(table, whole, owner)
            linked = {c for link in table.links for c in link.columns}
            gone = linked | {p.column for p in self.places_}
            left = [c.name for c in table if c.name not in gone and c.name not in table.key]
            paths = [*world.owner_paths(table)[:2], *world.beside_paths(table)]
            led = []
            for path in paths:
                other = world.led_to(table, path)
                led.append((path, other, data.table(other.name), world.follow(table, path, np.arange(rows.n))))
            self.copies_ = exact.find_copies(table, whole, left, led)
            told = {c.column for c in self.copies_}
            self.gaps_ = Gaps.of(table, whole, [name for name in left if name not in told and name != table.order])
            gone |= {c.column for c in self.copies_ if not c.flagged} | self.gaps_.computed
            self.fresh_ = tuple(c for c in table if c.kind == "key" and c.name not in gone)
            self.attributes_ = tuple(c for c in table if c.name not in gone and c.kind != "key")
        rows.table = {name: whole[name] for name in whole.column_names}
        rows.seen = {c.name: whole[c.name] for c in self.attributes_ if c.kind in VISIBLE}
        world.columns[table.name] = tuple(c for c in self.attributes_ if c.kind in VISIBLE)
        return self

    def relate(self, world: World, data: Dataset, protect: int, rng: np.random.Generator) -> Self:
        """Find groups of the rows that are named, and what else holds of links; all tables have been looked at."""
        table = self.table
        if table.public:
            return self
        rows = world.rows[table.name]
        owned = {
            name: (world.schema[name], data.table(name), world.rows[name].links[world.kin.owner[name]])
            for name in world.kin.owned(world.schema, table.name)
        }
        self.totals_ = exact.find_totals(table, data.table(table.name), [c.name for c in self.attributes_], owned)
        paths = world.owner_paths(table)
        above = None if not paths else world.look(table, paths, rows.links[world.kin.owner[table.name]], owner=True)
        columns = [*featured(self.attributes_, rows.table), *featured(world.seen_columns(table, paths), above)]
        mine = features(columns, rows.n)
        for k in (*world.kin.early[table.name], *world.kin.late[table.name]):
            other = world.schema[table.links[k].table]
            theirs, to = world.rows[other.name], rows.links[k]
            theirs.degrees[(table.name, k)] = np.bincount(to[to >= 0], minlength=theirs.n).astype(np.float64)
            if other.public and theirs.n <= FEW:
                theirs.groups[(table.name, k)] = np.arange(theirs.n)
            elif theirs.n < SMALL and other.name != table.name:
                whose = world.root(table) if self._guarded(world) else np.arange(rows.n)
                found = slots(to[to >= 0], whose[to >= 0], theirs.n, least=protect)
                theirs.groups[(table.name, k)], theirs.degrees[(table.name, k)] = found
            else:
                own = features(featured(world.columns[other.name], theirs.seen), theirs.n)
                theirs.groups[(table.name, k)] = groups(own, to[to >= 0], mine[to >= 0], least=protect, rng=rng)
        return self

    def fit(self, world: World, protect: int, *, rng: np.random.Generator, on_step: OnStep) -> Self:
        """Learn what is drawn; all tables have been related."""
        table, kin = self.table, world.kin
        if table.public:
            self.kept_, self.public_ = pa.table(world.rows[table.name].table), world.rows[table.name]
            return self
        rows = world.rows[table.name]
        self.tiny_ = 0 < rows.n < TINY and table.name not in world.holders
        self._name(world)
        self._spreads(world, protect)
        at = kin.owner[table.name]
        owner = rows.links[at] if at is not None else None
        order = np.arange(rows.n) if owner is None else sorted_by(owner, self._ranks(world, owner, rng))
        count = np.ones(rows.n, np.int64) if owner is None else self._sizes(owner, world.rows[table.links[at].table].n)
        work = {**self._worked(world), **{n: v for k in kin.early[table.name] for n, v in self.namings_[k].told(world).items()}}
        mine = pa.table(work).take(pa.array(order)) if work else None
        paths = world.owner_paths(table)
        whose = self._owners(len(count), owner, world)
        above = world.look(table, paths, whose, owner=True) if paths else None
        root = None if owner is None else world.root(table)[order][np.cumsum(count)[count > 0] - 1]
        subject = None
        if root is not None:
            subject = np.zeros(len(count), np.int64)
            subject[count > 0] = root
        first = tuple(c for k in kin.early[table.name] for c in self.namings_[k].columns(late=False))
        near, told = world.seen_columns(table, paths), part(on_step, 0.4 if first else 0, 1)
        if self._follows(world):
            self.line_ = Line((*first, *self.drawn_), near, str(table.order), self.settings).fit(
                above, mine, count, rng=rng, on_step=on_step
            )
        else:
            guarded = self._guarded(world)
            self.structure_ = Family(first, near, (), self.inner, self.settings, guarded=guarded)
            early = part(on_step, 0, 0.4 if first else 0)
            holders = world.holders[table.name][order] if table.name in world.holders else None
            how: dict[str, Any] = {"rng": rng, "whose": subject, "holders": holders}
            self.structure_.fit(above, mine, count, on_step=early, **how)
            beside = self._beside(world, order, mine)
            self.own_ = Family(self.drawn_, near, self._beside_columns(world), self.inner, self.settings, guarded=guarded)
            self.own_.fit(above, mine, count, beside=beside, on_step=told, **how)
        self.keys_ = self._keyed(rows, protect)
        return self

    def _follows(self, world: World) -> bool:
        """Whether rows of an owner follow one another by a column that is drawn."""
        drawn = {c.name for c in self.drawn_}
        return self.rows_ > 0 and world.kin.owner[self.table.name] is not None and self.table.order in drawn

    def _guarded(self, world: World) -> bool:
        """Whether rows belong to the rows of a table that was declared to be the subject's."""
        schema, name = world.schema, self.table.name
        while schema.subject is not None and name != schema.subject_table.name and world.kin.owner[name] is not None:
            name = schema[name].links[world.kin.owner[name]].table
        return schema.subject is not None and name == schema.subject_table.name != self.table.name

    def _name(self, world: World) -> None:
        """Settle the columns that are drawn."""
        kin, table = world.kin, self.table
        for k in kin.early[table.name]:
            self.namings_[k] = Naming.study(world, table, k, late=False)
        for k in kin.late[table.name]:
            self.namings_[k] = Naming.study(world, table, k, late=True)
        columns = [c.model_copy(update={"unique": False}) for c in self.attributes_]
        columns += [Column(name=f"(copied) {c.column}", kind="boolean", nullable=False) for c in self.copies_ if c.flagged]
        columns += self.gaps_.columns
        columns += [Column(name=f"(there) {c.name}", kind="boolean", nullable=False) for c in self._gappy(world)]
        for k in kin.late[table.name]:
            columns += self.namings_[k].columns(late=True)
        for name, k in self._learned(world):
            columns.append(Column(name=f"(named) {name}.{k}", kind="integer", nullable=False))
            columns.append(Column(name=f"(group) {name}.{k}", kind="category", nullable=False))
        columns += [Column(name=f"(rows) {name}", kind="integer", nullable=False) for name in kin.owned(world.schema, table.name)]
        columns += [Column(name=name, kind="number") for name in self._together(world)]
        self.drawn_ = tuple(columns)
        seen = [c for k in kin.early[table.name] for c in self.namings_[k].columns(late=False)]
        world.columns[table.name] = tuple(c for c in (*seen, *columns) if c.kind in VISIBLE)

    def _gappy(self, world: World) -> list[Column]:
        """Keys that are missing in some rows."""
        return [c for c in self.fresh_ if world.rows[self.table.name].table[c.name].null_count]

    def _together(self, world: World) -> dict[str, pa.Array]:
        """What the rows that are owned, or that name a row, are together."""
        links = [(name, world.kin.owner[name]) for name in world.kin.owned(world.schema, self.table.name)]
        found: dict[str, pa.Array] = {}
        for name, k in (*links, *self._learned(world)):
            found |= together(world, world.schema[name], k)
        return found

    def _learned(self, world: World) -> list[tuple[str, int]]:
        """References that lead here, of which it is learned how often and by whom a row is named; else rows have `slots_`."""
        small = self.rows_ < SMALL
        return [(name, k) for name, k in world.kin.references(world.schema, self.table.name) if not small or name == self.table.name]

    def _spreads(self, world: World, protect: int) -> None:
        """How counts are spread, and the slots of a table with few rows."""
        rows, kin = world.rows[self.table.name], world.kin
        for name in kin.owned(world.schema, self.table.name):
            owner = world.rows[name].links[kin.owner[name]]
            self.spreads_[f"(rows) {name}"] = Spread.of(np.bincount(owner[owner >= 0], minlength=rows.n), protect)
        for k in kin.late[self.table.name]:
            if self.namings_[k].depth:
                level = self.namings_[k].level
                self.spreads_[level] = Spread.of(self.namings_[k].told(world)[level].to_numpy(), protect)
        for name, k in kin.references(world.schema, self.table.name):
            if (name, k) in self._learned(world):
                self.spreads_[f"(named) {name}.{k}"] = Spread.of(rows.degrees[(name, k)].astype(np.int64), protect)
            else:
                self.slots_[(name, k)] = rows.groups[(name, k)], rows.degrees[(name, k)]

    def _worked(self, world: World) -> dict[str, Any]:
        """The columns of the data that are learned."""
        kin, table = world.kin, self.table
        rows = world.rows[table.name]
        made: dict[str, Any] = {c.name: rows.table[c.name] for c in self.attributes_}
        for copy in self.copies_:
            if copy.flagged:
                to = world.follow(table, copy.path, np.arange(rows.n))
                there = pa.table(world.rows[world.led_to(table, copy.path).name].table)
                mine = pa.table(rows.table)[copy.column].cast(pa.string())
                theirs = exact.copied(copy, there, to, pa.string())
                gone = pc.and_(pc.is_null(mine), pc.is_null(theirs))
                made[f"(copied) {copy.column}"] = pc.or_(pc.fill_null(pc.equal(mine, theirs), False), gone)
        made |= self.gaps_.told(rows.table)
        made |= {f"(there) {c.name}": pc.is_valid(rows.table[c.name]) for c in self._gappy(world)}
        for k in kin.late[table.name]:
            made |= self.namings_[k].told(world)
        for name, k in self._learned(world):
            made[f"(named) {name}.{k}"] = pa.array(rows.degrees[(name, k)].astype(np.int64))
            made[f"(group) {name}.{k}"] = labels(rows.groups[(name, k)])
        for name in kin.owned(world.schema, table.name):
            owner = world.rows[name].links[kin.owner[name]]
            made[f"(rows) {name}"] = pa.array(np.bincount(owner[owner >= 0], minlength=rows.n))
        made |= self._together(world)
        rows.seen = {c.name: made[c.name] for c in world.columns[table.name] if c.name in made}
        for k in kin.early[table.name]:
            rows.seen |= self.namings_[k].told(world)
        return made

    def _ranks(self, world: World, owner: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """int64 [n]: in which order siblings are learned, if not as they stand: by their place, at random if a column sorts them."""
        rows = world.rows[self.table.name]
        by = self.places_[0].column if self.places_ else self.table.order if self._follows(world) else None
        if by is None:
            self.sorted_ = self._sorting(rows, owner)
            return None if self.sorted_ is None else rng.permutation(rows.n)
        values = rows.table[by].cast(pa.float64(), safe=False) if self.places_ else rows.table[by]
        at = pc.array_sort_indices(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values).to_numpy()
        ranks = np.empty(len(at), np.int64)
        ranks[at] = np.arange(len(at))
        return ranks

    def _sorting(self, rows: Rows, owner: np.ndarray) -> str | None:
        """The column that siblings are sorted by as they stand, if there is one."""
        order = sorted_by(owner)
        same = (owner[order][1:] == owner[order][:-1]) & (owner[order][1:] >= 0)
        for c in self.attributes_:
            if c.kind in SORTING and same.sum() >= FEWEST_PAIRS and not rows.table[c.name].null_count:
                step = np.diff(numbers(rows.table[c.name], c)[order])[same]
                if np.mean(step >= 0) >= exact.ALWAYS and np.mean(step > 0) >= RISING:
                    return c.name
        return None

    @staticmethod
    def _sizes(owner: np.ndarray, owners: int) -> np.ndarray:
        """int64: rows of each owner, then one for each row that has none."""
        return np.concatenate([np.bincount(owner[owner >= 0], minlength=owners), np.ones(int((owner < 0).sum()), np.int64)])

    @staticmethod
    def _owners(families: int, owner: np.ndarray | None, world: World) -> np.ndarray:
        """int64 [families]: the owner of each, -1 where there is none."""
        lone = 0 if owner is None else int((owner < 0).sum())
        return np.concatenate([np.arange(families - lone), np.full(lone, -1)])

    def _beside_columns(self, world: World) -> tuple[Column, ...]:
        first = [c for k in world.kin.early[self.table.name] for c in self.namings_[k].columns(late=False)]
        return (*world.seen_columns(self.table, world.beside_paths(self.table)), *first)

    def _beside(self, world: World, rows: np.ndarray, mine: pa.Table | None) -> pa.Table | None:
        """What is seen of the rows that are named; mine: a table in which it says how they were found."""
        columns = self._beside_columns(world)
        if not columns:
            return None
        seen = world.look(self.table, world.beside_paths(self.table), rows, owner=False)
        made = {} if seen is None else {name: seen[name] for name in seen.column_names}
        return pa.table(made | {c.name: mine[c.name] for c in columns if c.name not in made})

    def _keyed(self, rows: Rows, protect: int) -> Codebook | None:
        """The codebook of keys that are made afresh, in patterns that `protect` of them share."""
        if not self.fresh_:
            return None
        own = {c.name for c in self.fresh_ if c.name in self.table.key}
        columns = tuple(c.model_copy(update={"unique": c.unique or c.name in own}) for c in self.fresh_)
        spec = Table(name=self.table.name, columns=columns)
        table = pa.table({c.name: rows.table[c.name] for c in columns})
        return Codebook.measure_all(Dataset.from_arrow({spec.name: table}, Schema(tables=(spec,))), protect=protect)

    # ------------------------------------------------------------------------------------------------------- drawing

    def draw(self, world: World, scale: float, *, rng: np.random.Generator, start: int = 0) -> Rows:
        """Rows of the table, whose owner is there; late links are not yet. start: rows that were drawn before."""
        table, kin = self.table, world.kin
        self.left_out_ = 0
        if table.public:
            return self._given(world)
        at = kin.owner[table.name]
        if at is None:
            sizes, owner = np.ones(max(round(self.rows_ * scale), min(self.rows_, 1)), np.int64), None
            whose = np.full(len(sizes), -1)
        else:
            above = world.rows[table.links[at].table]
            sizes = above.counts[table.name]
            sizes = np.concatenate([sizes, np.ones(round(self.alone_ * scale), np.int64)])
            whose = np.concatenate([np.arange(above.n), np.full(len(sizes) - above.n, -1)])
            owner = np.repeat(whose, sizes)
        rows = world.rows[table.name] = Rows(int(sizes.sum()))
        if at is not None:
            rows.links[at] = owner
        paths = world.owner_paths(table)
        context = world.look(table, paths, whose, owner=True) if paths else None
        if not rows.n:
            return self._none(world, rows)
        made = None if self.line_ is None else self.line_.draw(context, sizes, rng=rng, start=start)
        shares = {n.label: found for k in kin.early[table.name] if (found := (n := self.namings_[k]).shares(world))}
        mine = self.structure_.draw(context, sizes, rng=rng, start=start, wanted=shares) if made is None else made
        kept = self._named(world, mine, rng)
        if not kept.all():
            sizes = self._left(rows, kept, sizes)
            mine, made = (None if x is None else x.filter(pa.array(kept)) for x in (mine, made))
        if made is None:
            beside, place = self._beside(world, np.arange(rows.n), mine), np.repeat(np.arange(len(sizes)), sizes)
            made = self.own_.draw(context, sizes, rng=rng, beside=beside, start=start)

            def again(twice: np.ndarray, turn: int) -> pa.Table:
                few, near = np.bincount(place[twice], minlength=len(sizes)), None if beside is None else beside.take(pa.array(twice))
                return self.own_.draw(context, few, rng=rng, beside=near, start=start + (turn + 1) * rows.n)

            made = keys.apart(made, partial(self._taken, rows), again)
        if (twice := self._taken(rows, made)).any():
            sizes = self._left(rows, ~twice, sizes)
            mine, made = (None if x is None else x.filter(pa.array(~twice)) for x in (mine, made))
        if self.sorted_ is not None and made is not None:
            made, mine = self._in_order(rows, made, mine, sizes)
        drawn = {} if made is None else {name: made[name] for name in made.column_names}
        return self._finish(world, rows, drawn, mine, sizes, rng=rng, start=start)

    def _named(self, world: World, mine: pa.Table | None, rng: np.random.Generator) -> np.ndarray:
        """bool [n]: rows that are kept; of all it is found which rows they name. Those that must name one and cannot are left out."""
        rows, table = world.rows[self.table.name], self.table
        kept = np.ones(rows.n, bool)
        told = {} if mine is None else {name: mine[name] for name in mine.column_names}
        for k in world.kin.early[table.name]:
            rows.links[k] = self.namings_[k].found(world, told, rows.n, rng)
            if not self.namings_[k].nullable:
                kept &= rows.links[k] >= 0
        return kept

    def _left(self, rows: Rows, kept: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Leave out the rows that are not `kept` (bool [n]); how many rows of each owner are left."""
        self.left_out_ += int((~kept).sum())
        rows.n = int(kept.sum())
        rows.links = {k: to[kept] for k, to in rows.links.items()}
        return np.bincount(np.repeat(np.arange(len(sizes)), sizes)[kept], minlength=len(sizes))

    def _taken(self, rows: Rows, made: pa.Table | None) -> np.ndarray:
        """bool [n]: rows whose key of several columns an earlier row has."""
        return keys.taken(self.table, rows, made, [c.column for c in self.copies_])

    def _in_order(self, rows: Rows, made: pa.Table, mine: pa.Table | None, sizes: np.ndarray) -> tuple[pa.Table, pa.Table | None]:
        """Siblings sorted by the column that they are sorted by."""
        place = np.repeat(np.arange(len(sizes)), sizes)
        order = np.lexsort((numbers(made[self.sorted_], self.table[self.sorted_]), place))
        rows.links = {k: to[order] for k, to in rows.links.items()}
        return made.take(pa.array(order)), None if mine is None else mine.take(pa.array(order))

    def _given(self, world: World) -> Rows:
        """The rows of a public table, with how often they are to be named."""
        learned = self.public_
        rows = world.rows[self.table.name] = Rows(self.kept_.num_rows, {n: self.kept_[n] for n in self.kept_.column_names})
        rows.links, rows.groups = dict(learned.links), dict(learned.groups)
        rows.degrees = dict(learned.degrees)
        rows.seen = {c.name: self.kept_[c.name] for c in world.columns[self.table.name]}
        return rows

    def _none(self, world: World, rows: Rows) -> Rows:
        """A table without a row."""
        early = [c for k in world.kin.early[self.table.name] for c in self.namings_[k].columns(late=False)]
        rows.links |= {k: np.zeros(0, np.int64) for k in world.kin.early[self.table.name]}
        drawn = {c.name: pa.nulls(0, formats.canonical(c)) for c in (*self.drawn_, *early)}
        return self._finish(world, rows, drawn, None, np.zeros(0, np.int64), rng=np.random.default_rng(0), start=0)

    def _finish(
        self,
        world: World,
        rows: Rows,
        drawn: dict[str, Any],
        mine: pa.Table | None,
        sizes: np.ndarray,
        *,
        rng: np.random.Generator,
        start: int,
    ) -> Rows:
        """All columns that do not hang on late links."""
        table, kin = self.table, world.kin
        for name in kin.owned(world.schema, table.name):
            spread = self.spreads_[f"(rows) {name}"]
            rows.counts[name] = spread.put(whole(drawn[f"(rows) {name}"]), rng)
            if single(world.schema[name], kin.owner[name]):
                rows.counts[name] = np.minimum(rows.counts[name], 1)
            drawn[f"(rows) {name}"] = pa.array(rows.counts[name])
        for name, k in self._learned(world):
            spread = self.spreads_[f"(named) {name}.{k}"]
            rows.degrees[(name, k)] = spread.put(whole(drawn[f"(named) {name}.{k}"]), rng).astype(np.float64)
            rows.groups[(name, k)] = codes(drawn[f"(group) {name}.{k}"])
        for key, (group, degree) in self.slots_.items():
            turns = -(-rows.n // max(len(group), 1))
            order = np.concatenate([np.zeros(0, np.int64), *(rng.permutation(len(group)) for _ in range(turns))])[: rows.n]
            rows.groups[key], rows.degrees[key] = group[order], degree[order]
        for k in kin.late[table.name]:
            level = self.namings_[k].level
            if level in self.spreads_:
                drawn[level] = pa.array(self.spreads_[level].put(whole(drawn[level]), rng))
        for place in self.places_:
            drawn[place.column] = pa.array(positions_of(sizes) + place.base).cast(formats.canonical(table[place.column]))
        for copy in self.copies_:
            to, other = world.follow(table, copy.path, np.arange(rows.n)), world.led_to(table, copy.path)
            values = exact.copied(copy, world.rows[other.name].table, to, formats.canonical(table[copy.column]))
            if copy.flagged:
                choose = drawn[f"(copied) {copy.column}"]
                choose = choose if table[copy.column].nullable else pc.and_(choose, pc.is_valid(values))
                values = exact.either(choose, values, drawn[copy.column])
            drawn[copy.column] = values
        drawn |= self.gaps_.put(drawn)
        if self.keys_ is not None:
            drawn |= self._fresh(rows.n, drawn, start)
        rows.table = drawn
        rows.seen = {c.name: drawn[c.name] for c in world.columns[table.name] if c.name in drawn}
        if mine is not None:
            rows.seen |= {c.name: mine[c.name] for c in world.columns[table.name] if c.name not in drawn}
        return rows

    def _fresh(self, n: int, drawn: Mapping[str, Any], start: int) -> dict[str, pa.Array]:
        """Keys that nobody has."""
        code = np.ones((len(self.keys_.owners), n), np.uint16)
        for k, c in enumerate(self.keys_.table):
            there = drawn.get(f"(there) {c.name}")
            if there is not None:
                code[k] = np.asarray(there.to_numpy(zero_copy_only=False) if isinstance(there, pa.Array) else there.to_numpy())
            if self.keys_.books[k]["parts"][0]["size"] < 2:
                code[k] = 0
        made = self.keys_.decode(Coded(code, np.full((len(self.keys_.books), n), 0.5, np.float32)), start=start)
        return {name: made[name] for name in made.column_names}

    def name_late(self, world: World, rng: np.random.Generator) -> None:
        """Find the rows that late links name; all tables have been drawn."""
        rows = world.rows[self.table.name]
        for k in () if self.table.public else world.kin.late[self.table.name]:
            rows.links[k] = self.namings_[k].found(world, rows.table, rows.n, rng)

    def linked(self, world: World, made: Mapping[str, pa.Table]) -> pa.Table:
        """The table as it is given out. made: tables that were drawn before."""
        if self.table.public:
            return self.kept_
        rows, kin, spec = world.rows[self.table.name], world.kin, self.table
        columns = {c.name: rows.table[c.name] for c in spec if c.name in rows.table}
        at = kin.owner[spec.name]
        for k in (*([] if at is None else [at]), *kin.early[spec.name], *kin.late[spec.name]):
            link = spec.links[k]
            theirs = made[link.table] if link.table in made else pa.table({n: v for n, v in world.rows[link.table].table.items()})
            theirs = pa.table(columns) if link.table == spec.name else theirs
            for name, source in zip(link.columns, link.references, strict=True):
                if name not in columns:
                    columns[name] = exact.copied(exact.Copy(name, (k,), source), theirs, rows.links[k], formats.canonical(spec[name]))
        types = [formats.canonical(c) for c in spec]
        return pa.table([exact.cast(columns[c.name], t) for c, t in zip(spec, types, strict=True)], names=list(spec.names))

    def notes(self) -> list[str]:
        """What a reader should be told of the fit."""
        if not self.tiny_:
            return []
        what = f"{self.table.name} has {self.rows_} rows, too few to learn from without telling of single ones"
        return [f"{what}; if it is a list that anybody may see, declare it public"]

    def lost(self) -> list[str]:
        """What a reader should be told of the last draw."""
        if not self.left_out_:
            return []
        return [f"{self.table.name}: {self.left_out_:,} drawn rows were left out, as there was no row left that they could name, or no key"]

    # --------------------------------------------------------------------------------------------------------- storing

    def state(self) -> State:
        """What was learned."""
        card: dict[str, Any] = {"rows": self.rows_, "alone": self.alone_, "sorted": self.sorted_, "tiny": self.tiny_}
        if self.table.public:
            arrays = {"kept": packed(self.kept_)}
            arrays |= {f"links.{k}": to for k, to in self.public_.links.items()}
            for what in ("groups", "degrees"):
                arrays |= {f"{what}.{k}.{name}": x for (name, k), x in getattr(self.public_, what).items()}
            return State(card=card, arrays=arrays)
        card["exact"] = [exact.to_json(x) for x in (*self.copies_, *self.places_, *self.totals_)]
        card["gaps"] = self.gaps_.to_json()
        card["namings"] = {str(k): exact.plain(n.facts) for k, n in self.namings_.items()}
        card["drawn"] = [c.model_dump(mode="json", exclude_defaults=True) for c in self.drawn_]
        card["keys"] = None if self.keys_ is None else self.keys_.to_json()
        card["fresh"] = [] if self.keys_ is None else [c.model_dump(mode="json", exclude_defaults=True) for c in self.keys_.table]
        arrays = {f"spread.{what}.{name}": getattr(x, what) for name, x in self.spreads_.items() for what in ("share", "mean", "half")}
        for (name, k), (group, degree) in self.slots_.items():
            arrays |= {f"slot.group.{k}.{name}": group, f"slot.degree.{k}.{name}": degree}
        for name in ("structure", "own", "line"):
            if getattr(self, f"{name}_") is None:
                continue
            inner = getattr(self, f"{name}_").state()
            card[name] = inner.card
            arrays |= {f"{name}.{key}": array for key, array in inner.arrays.items()}
        return State(card=card, arrays=arrays)

    def restore(self, state: State) -> Self:
        """Become the branch that `state` was taken from."""
        card, arrays = state.card, state.arrays
        self.rows_, self.alone_, self.sorted_, self.tiny_ = card["rows"], card["alone"], card["sorted"], card["tiny"]
        if self.table.public:
            self.kept_ = unpacked(arrays["kept"])
            self.public_ = Rows(self.kept_.num_rows)
            for key, array in arrays.items():
                what, _, tail = key.partition(".")
                if what == "links":
                    self.public_.links[int(tail)] = array
                elif what != "kept":
                    k, _, name = tail.partition(".")
                    getattr(self.public_, what)[(name, int(k))] = array
            return self
        found = [exact.from_json(x) for x in card["exact"]]
        for kind, name in ((exact.Copy, "copies_"), (exact.Place, "places_"), (exact.Total, "totals_")):
            setattr(self, name, [x for x in found if isinstance(x, kind)])
        self.gaps_ = Gaps.from_json(card.get("gaps", ()))
        self.namings_ = {int(k): Naming.from_json(self.table, int(k), facts) for k, facts in card["namings"].items()}
        self.drawn_ = tuple(Column(**c) for c in card["drawn"])
        spec = Table(name=self.table.name, columns=tuple(Column(**c) for c in card["fresh"]))
        self.keys_ = None if card["keys"] is None else Codebook.from_json(card["keys"], spec)
        for key, array in arrays.items():
            kind, _, tail = key.partition(".")
            what, _, name = tail.partition(".")
            if kind == "spread" and what == "share":
                self.spreads_[name] = Spread(array, arrays[f"spread.mean.{name}"], arrays[f"spread.half.{name}"])
            elif kind == "slot" and what == "group":
                k, _, child = name.partition(".")
                self.slots_[(child, int(k))] = array, arrays[f"slot.degree.{name}"]
        for name, kind in (("structure", Family), ("own", Family), ("line", Line)):
            mine = {key.partition(".")[2]: array for key, array in arrays.items() if key.startswith(name + ".")}
            setattr(self, f"{name}_", kind.restore(State(card=card[name], arrays=mine)) if name in card else None)
        return self

    def add_up(self, world: World) -> None:
        """Put what rows owned add up to in place of what was drawn; tables that are owned have been added up."""
        rows = world.rows[self.table.name]
        for total in self.totals_:
            theirs = world.rows[total.table]
            spec, owner = world.schema[total.table], theirs.links[world.kin.owner[total.table]]
            value = total.value({c: numbers(theirs.table[c], spec[c]) for c in total.of}, owner, rows.n)
            own = numbers(rows.table[total.column], self.table[total.column])
            full = np.bincount(owner[owner >= 0], minlength=rows.n) > 0
            value = np.where(full, value, own if total.empty is None else total.empty)
            gone = np.isnan(value)
            made = pa.array(np.where(gone, 0, value), mask=gone)
            if self.table[total.column].kind == "integer":
                made = pa.array(np.rint(np.where(gone, 0, value)).astype(np.int64), mask=gone)
            rows.table[total.column] = made
