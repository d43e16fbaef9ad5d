"""Several tables and what holds between them: whose row a row is, whether keys keep what they promise, and parts that keep it, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import formats
from lookalike.errors import DataError, SchemaError
from lookalike.schema import Link, Schema, Table

if TYPE_CHECKING:
    from lookalike.data.dataset import Dataset

Tables = Mapping[str, pa.Table]


# ------------------------------------------------------------------------------------------------------------ who is whose


def owners(tables: Tables, table: str, link: Link) -> np.ndarray:
    """int64 [rows]: per row of `table` the number of the row that its link names; -1 where the link is null, -2 where there is none."""
    mine = [formats.whole(tables[table].column(c)) for c in link.columns]
    theirs = [formats.whole(tables[link.table].column(c)) for c in link.references]
    absent = np.zeros(len(mine[0]), bool)
    for column in mine:
        absent |= column.is_null().to_numpy(zero_copy_only=False)
    child, parent = _one(mine, theirs)
    found = pc.index_in(child, value_set=parent, skip_nulls=True).fill_null(-2).to_numpy(zero_copy_only=False).astype(np.int64)
    found[absent] = -1
    return found


def _one(mine: Sequence[pa.Array], theirs: Sequence[pa.Array]) -> tuple[pa.Array, pa.Array]:
    """Keys of one column or several, of both tables, as single arrays that can be compared."""
    if len(mine) == 1:
        return _plain(mine[0]), _plain(theirs[0])
    codes = np.zeros(len(mine[0]) + len(theirs[0]), np.int64)
    absent = np.zeros(len(codes), bool)
    for a, b in zip(mine, theirs, strict=True):
        both = pa.concat_arrays([_plain(a), _plain(b)]).dictionary_encode()
        absent |= both.indices.is_null().to_numpy(zero_copy_only=False)
        codes = codes * max(len(both.dictionary), 1) + both.indices.fill_null(0).to_numpy(zero_copy_only=False)
        codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    joined = pa.array(codes, mask=absent)
    return joined.slice(0, len(mine[0])), joined.slice(len(mine[0]))


def _plain(values: pa.Array) -> pa.Array:
    """Keys as text, whatever they are."""
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def repeats(columns: Sequence[pa.Array | pa.ChunkedArray]) -> int:
    """Rows whose key, of one column or several, an earlier row has; a key with a null in it is none."""
    whole = [formats.whole(c) for c in columns]
    empty = [c.slice(0, 0) for c in whole]
    keys = _one(whole, empty)[0].drop_null()
    return len(keys) - pc.count_distinct(keys).as_py()


def parents_first(schema: Schema) -> tuple[str, ...]:
    """Names of the tables, each after those that it links to; in a cycle after those that it links to by a link that is never null.

    Raises:
        SchemaError: tables link to each other in a circle, and no link of it may be null.
    """
    names = [t.name for t in schema.tables]
    all_links = {t.name: [x.table for x in t.links if x.table != t.name] for t in schema.tables}
    firm = {t.name: [x.table for x in t.links if x.table != t.name and not optional(t, x)] for t in schema.tables}
    for graph in (all_links, firm):
        try:
            order = list(TopologicalSorter({n: graph[n] for n in names}).static_order())
        except CycleError as error:
            circle = error.args[1][::-1]
            continue
        return tuple(order)
    raise SchemaError(
        f"tables link to each other in a circle, and no link of it may be null: {' → '.join(circle)}",
        where=circle[0],
        fix="no row could be the first: set nullable to true for a column of one of these links, or take a link out of the schema",
    )


def optional(table: Table, link: Link) -> bool:
    """Whether a row need not have what the link leads to."""
    return any(table[c].nullable for c in link.columns)


# ---------------------------------------------------------------------------------------------------------------- checking


def check(data: Dataset, *, strict: bool = True) -> tuple[str, ...]:
    """What a reader should be told of linked tables; complains of those whose keys and links do not hold, or tells that as well where
    it is not `strict`.

    Raises:
        DataError: a table without rows; a key that is null or occurs twice; a link to a column that is not unique, or to a row that is
            not there; a column that orders rows and is null. Names table.column and counts, never a value.
        SchemaError: tables link to each other in a circle that has no beginning.
    """
    schema = data.schema
    parents_first(schema)
    tables = {t.name: data.table(t.name) for t in schema.tables}
    lost: list[str] = []
    for error in _broken(schema, tables):
        if strict:
            raise error
        lost.append(f"{error.where}: {error.what}; {error.fix}")
    return (*lost, *(note for t in schema.tables for note in check_order(schema, t, tables[t.name])))


def _broken(schema: Schema, tables: Tables) -> Iterator[DataError]:
    """What keys and links promise and do not keep, one complaint after another."""
    for t in schema.tables:
        if not tables[t.name].num_rows:
            yield DataError("there are no rows", where=t.name, fix="give a table with rows, or leave it and the links to it out")
        if t.key:
            yield from _broken_key(t, tables[t.name])
    for t in schema.tables:
        for link in t.links:
            yield from _broken_link(t, link, tables)


def _broken_key(table: Table, rows: pa.Table) -> Iterator[DataError]:
    where = f"{table.name}.{'+'.join(table.key)}"
    for name in table.key:
        if nulls := rows.column(name).null_count:
            yield DataError(
                f"part of the primary key, and missing in {nulls:,} of {rows.num_rows:,} rows", where=f"{table.name}.{name}",
                fix="fill the cells, or name another key in the schema",
            )  # fmt: skip
    if twice := repeats([rows.column(c) for c in table.key]):
        yield DataError(
            f"the primary key is not unique: {twice:,} of {rows.num_rows:,} rows repeat the key of an earlier row", where=where,
            fix="remove the repeated rows, or name another key in the schema",
        )  # fmt: skip


def _broken_link(table: Table, link: Link, tables: Tables) -> Iterator[DataError]:
    where, leads = f"{table.name}.{'+'.join(link.columns)}", f"{link.table}.{'+'.join(link.references)}"
    theirs = [tables[link.table].column(c) for c in link.references]
    if link.references != () and (twice := repeats(theirs)):
        yield DataError(
            f"links to {leads}, which is not unique: {twice:,} rows repeat the value of an earlier one", where=where,
            fix=f"link to a key of {link.table}, or take the link out of the schema",
        )  # fmt: skip
    found = owners(tables, table.name, link)
    lost = found == -2
    if lost.any():
        columns = [tables[table.name].column(c).filter(pa.array(lost)) for c in link.columns]
        distinct = len(
            pa.table(columns, names=[str(i) for i in range(len(columns))]).group_by(list("0123456789")[: len(columns)]).aggregate([])
        )
        yield DataError(
            f"{int(lost.sum()):,} of {len(found):,} rows link to no row of {leads} ({distinct:,} distinct values; "
            f"the first is in row {int(np.argmax(lost)) + 1:,})", where=where,
            fix=f"mend them (add the rows to {link.table}, or empty the cells), or take the link out of the schema",
        )  # fmt: skip


def check_order(schema: Schema, table: Table, rows: pa.Table) -> tuple[str, ...]:
    """What a reader should be told of the column that orders rows, if there is one: rows with the same place.

    Raises:
        DataError: the column is missing in some rows.
    """
    if table.order is None:
        return ()
    places = rows.column(table.order)
    where = f"{table.name}.{table.order}"
    if places.null_count:
        raise DataError(
            f"orders the rows, and is missing in {places.null_count:,} of {rows.num_rows:,} rows", where=where,
            fix="fill the cells, remove the rows, or name another column as order in the schema",
        )  # fmt: skip
    whose, owner = owner_of(schema, table)
    twice = repeats([*(rows.column(c) for c in whose), places])
    if not twice:
        return ()
    within = f" of the same {owner}" if owner else ""
    told = (
        f"{where}: {twice:,} of {rows.num_rows:,} rows have the same place as an earlier row{within}; such rows keep the order they are in"
    )
    return (told,)


def owner_of(schema: Schema, table: Table) -> tuple[tuple[str, ...], str]:
    """The columns that say whose a row is, and what to call the owner: of a single table the subject's, of linked ones those of the
    link to the owner. Nothing, if rows are nobody's."""
    if not schema.linked:
        column = schema.column(schema.subject)[1].name if schema.subject is not None else ""
        return ((column,) if column else ()), column
    link = owner_link(schema, table)
    return ((), "") if link is None else (link.columns, link.table)


def owner_link(schema: Schema, table: Table) -> Link | None:
    """The link to the owner of a table's rows: of those that lead to the subject's table or its descendants the first that is never
    null, else the first of all; None if it links to no other table."""
    near = {schema.subject_table.name, *schema.descendants(schema.subject_table.name)}
    links = sorted((x for x in table.links if x.table != table.name), key=lambda x: (x.table not in near, optional(table, x)))
    return links[0] if links else None


# ------------------------------------------------------------------------------------------------------------------- parts


def parts(schema: Schema, tables: Tables, chosen: np.ndarray, *, rng: np.random.Generator | None = None) -> tuple[Chosen, Chosen]:
    """Rows of each table that go with the chosen rows (bool) of the subject's table, and those that go with the others.

    A row that leads, by any path of links, to a chosen row goes with it; one that leads to no row of the subject's table is in either
    part by chance (evenly without `rng`). Tables that do not depend on the subject's are in both parts whole.
    """
    subject = schema.subject_table.name
    below = schema.descendants(subject)
    share = float(chosen.mean())
    held: dict[str, np.ndarray] = {subject: chosen}
    links = {n: [x for x in schema[n].links if x.table in below or x.table == subject] for n in below}
    leads = {n: [(x.table, owners(tables, n, x)) for x in links[n]] for n in below}
    for name in below:
        alone = np.all([rows < 0 for _, rows in leads[name]], axis=0)
        picked = np.zeros(len(alone), bool)
        count = int(alone.sum())
        even = np.floor(np.arange(1, count + 1) * share) > np.floor(np.arange(count) * share)
        picked[alone] = even if rng is None else rng.random(count) < share
        held[name] = picked
    changed = True
    while changed:  # a circle or a self reference needs more than one round
        changed = False
        for name in (n for n in parents_first(schema) if n in below):
            now = held[name].copy()
            for other, rows in leads[name]:
                now |= (rows >= 0) & held[other][np.maximum(rows, 0)]
            if (now != held[name]).any():
                held[name], changed = now, True
    other = {n: ~mask for n, mask in held.items()}
    return Chosen(schema, tables, held), Chosen(schema, tables, other)


class Chosen:
    """Some rows of linked tables, mended so that no link leads out of them: `tables`, and `cut`, what that took.

    A link to a row that is not among them is emptied where it may be null; else its row is left out.
    """

    def __init__(self, schema: Schema, tables: Tables, masks: Mapping[str, np.ndarray]) -> None:
        self.cut: dict[str, int] = {}
        keep = {n: mask.copy() for n, mask in masks.items()}
        empty: dict[tuple[str, int], np.ndarray] = {}
        changed = True
        while changed:
            changed = False
            for name in (n for n in parents_first(schema) if n in keep):
                for at, link in enumerate(schema[name].links):
                    if link.table not in keep:
                        continue
                    rows = owners(tables, name, link)
                    lost = keep[name] & (rows >= 0) & ~keep[link.table][np.maximum(rows, 0)]
                    if optional(schema[name], link):
                        empty[name, at] = lost
                    elif lost.any():
                        keep[name] &= ~lost
                        changed = True
                        self.cut[name] = self.cut.get(name, 0) + int(lost.sum())
        self.tables = {n: self._rows(schema[n], t, keep, empty) for n, t in tables.items()}
        for (name, at), lost in empty.items():
            if count := int((lost & keep[name]).sum()):
                where = f"{name}.{'+'.join(schema[name].links[at].columns)}"
                self.cut[where] = count

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell of it."""
        return tuple(
            f"{where}: {count:,} links to rows outside of this part were emptied" if "." in where else
            f"{where}: {count:,} rows with links to rows outside of this part were left out"
            for where, count in self.cut.items()
        )  # fmt: skip

    @staticmethod
    def _rows(table: Table, rows: pa.Table, keep: Mapping[str, np.ndarray], empty: Mapping[tuple[str, int], np.ndarray]) -> pa.Table:
        for at, link in enumerate(table.links):
            lost = empty.get((table.name, at))
            if lost is None or not lost.any():
                continue
            for name in (c for c in link.columns if table[c].nullable):
                values = formats.whole(rows.column(name))
                mended = pc.if_else(pa.array(lost), pa.scalar(None, values.type), values)
                rows = rows.set_column(rows.schema.get_field_index(name), name, mended)
        return rows if table.name not in keep else rows.filter(pa.array(keep[table.name]))
