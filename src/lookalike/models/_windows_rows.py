"""Rows of regularly sampled series in their order: whose they are, how far apart they lie, and what the calendar says of each.

Steps are regular if they are all the same, or all the same number of calendar months. Where they are not, as with trading days or a
logger that stops, how long it is since the row before is a column of its own (`GAP`), learned and drawn like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.errors import CannotError, DataError, SchemaError
from lookalike.schema import ORDERING, Column, Schema, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from lookalike.data import Dataset

__all__ = [
    "FIRST",
    "GAP",
    "ROWS",
    "Clock",
    "Ordered",
    "check_places",
    "in_order",
    "keyed",
    "named",
    "owned",
    "owner_rows",
    "owners",
    "statics",
]

GAP, ROWS, FIRST = "(gap)", "(rows)", "(first)"
"""Reserved names: time since the row before; rows of a subject, and its first order value."""
DAY = {"date": 1.0, "datetime": 86_400e6}
"""Units of a day in the whole numbers of a kind."""
TURNS = {"day": 1.0, "week": 7.0, "year": 365.2425}
"""Cycles of the calendar, in days."""
WAVES = {"day": 3, "week": 2, "year": 1}
"""Sines and cosines, each, that tell the place in a cycle."""
NAME_ANOTHER = "name a column of numbers, dates or moments as order"
TIGHT = 1e-6
"""Relative difference within which two steps are the same."""


@dataclass(frozen=True)
class Clock:
    """How order values go on: `step` units of `kind` apart, `months` if these are calendar months, 0 if rows have gaps of their own.

    first: where the series begins. cycles: those of the calendar that are told of each row.
    """

    kind: str
    step: float
    months: bool
    first: float
    cycles: tuple[str, ...]

    def values(self, first: np.ndarray, at: np.ndarray, gaps: np.ndarray | None) -> np.ndarray:
        """Order values: `first` of each row's series, `at` its number in it, or `gaps` summed up since (both [n])."""
        if gaps is not None:
            return first + gaps
        if not self.months:
            return first + at * self.step
        unit = DAY[self.kind]
        days = np.floor(first / unit).astype(np.int64)
        start = days.astype("datetime64[D]").astype("datetime64[M]")
        within = first - start.astype("datetime64[D]").astype(np.int64) * unit
        return (start + np.rint(at * self.step).astype(np.int64)).astype("datetime64[D]").astype(np.int64) * unit + within

    def told(self, values: np.ndarray) -> np.ndarray:
        """float32 [n, waves]: sines and cosines of the place in each cycle."""
        if not self.cycles:
            return np.zeros((len(values), 0), np.float32)
        days = np.asarray(values, np.float64) / DAY[self.kind]
        angles = [2 * np.pi * k * days / TURNS[c] for c in self.cycles for k in range(1, WAVES[c] + 1)]
        return np.concatenate([np.sin(angles), np.cos(angles)]).T.astype(np.float32)

    def write(self, values: np.ndarray, column: Column) -> pa.Array:
        """Order values as the column has them."""
        import pyarrow as pa

        from lookalike.data import formats

        kind = formats.canonical(column)
        if column.kind == "number":
            return pa.array(values.astype(np.float64)).cast(kind)
        whole = pa.array(np.rint(values).astype(np.int64))
        return whole.cast(pa.int32()).cast(kind) if column.kind == "date" else whole.cast(kind)


@dataclass(frozen=True)
class Ordered:
    """Rows sorted by subject, as they come first, and order. sort int64 [n]: where each was; sizes: rows of each; order, gaps [n]."""

    table: pa.Table
    sort: np.ndarray
    sizes: np.ndarray
    order: np.ndarray
    gaps: np.ndarray | None
    clock: Clock
    notes: list[str]

    @property
    def starts(self) -> np.ndarray:
        """int64 [subjects]: the first row of each."""
        return np.cumsum(self.sizes) - self.sizes


def named(schema: Schema, model: str) -> tuple[Column | None, Column]:
    """The columns of subject, if any, and order.

    Raises:
        SchemaError: no column is named that orders rows, or it is the subject.
    """
    table = schema.table
    if table.order is None:
        fix = "name it as `order` of the table in the schema; where rows have no order, take the model forest"
        raise SchemaError(f"no column is named that orders the rows, as {model} needs", where=table.name, fix=fix)
    subject = None if schema.subject is None else schema.column(schema.subject)[1]
    if subject is not None and subject.name == table.order:
        raise SchemaError("one column is both subject and order", where=f"{table.name}.{subject.name}", fix="name another column as order")
    return subject, table[table.order]


def owned(data: Dataset) -> tuple[pa.Table, np.ndarray, list[str]]:
    """The rows whose subject is known, int64 [n] which it is, numbered as they come first, and a note on those that were left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table, whose, notes = data.table(), data.subjects(), []
    if whose is None:
        return table, np.zeros(table.num_rows, np.int64), notes
    name = data.schema.column(str(data.schema.subject))[1].name
    there = pc.is_valid(table[name]).to_numpy()
    if not there.all():
        notes.append(f"{(~there).sum():,} rows without {name} were left out: whose they are is not known")
        table, whose = table.filter(pa.array(there)), whose[there]
    _, first, whose = np.unique(whose, return_index=True, return_inverse=True)
    return table, np.argsort(np.argsort(first))[whose], notes


def check_places(table: pa.Table, schema: Schema, model: str) -> None:
    """Complain about rows that are to be completed, and of which it is not known whose they are or where they stand.

    Raises:
        DataError: there are such rows.
    """
    for column in named(schema, model):
        if column is not None and (gone := table[column.name].null_count):
            where = f"{schema.table.name}.{column.name}"
            what, fix = f"{gone:,} of {table.num_rows:,} rows lack it", "a row is completed given its subject and place"
            raise DataError(what, where=where, fix=fix)


def in_order(data: Dataset, model: str) -> Ordered:
    """Rows by subject and order, checked; not those whose subject is not known.

    Raises:
        SchemaError: see `named`.
        CannotError: the order column is of a kind without order.
        DataError: order values are missing, or occur twice; no subject is known.
    """
    import pyarrow as pa

    subject, order = named(data.schema, model)
    where = f"{data.schema.table.name}.{order.name}"
    table, whose, notes = owned(data)
    if subject is not None and not len(whose):
        what, fix = "no row has a subject", "name another column as subject, or none for one long series"
        raise DataError(what, where=f"{data.schema.table.name}.{subject.name}", fix=fix)
    values = _numbers(table[order.name], order, where)
    sort = np.arange(len(values))
    if (np.diff(whose) < 0).any() or ((np.diff(values) <= 0) & (np.diff(whose) == 0)).any():
        sort = np.lexsort((values, whose))
        table, values, whose = table.take(pa.array(sort)), values[sort], whose[sort]
        notes.append(f"rows were sorted by {order.name}" + (f" within each {subject.name}" if subject is not None else ""))
    sizes = np.bincount(whose, minlength=1)
    steps, inside = np.diff(values), np.diff(whose) == 0
    same = int(((steps == 0) & inside).sum())
    if same:
        fix = (
            "name the column whose rows they are as subject"
            if subject is None
            else "leave out the repeated rows, or take the model sequence"
        )
        raise DataError(f"{same:,} of {len(values):,} rows have the same value as the row before", where=where, fix=fix)
    clock, gaps = _clock(values, steps, inside, order)
    if gaps is not None:
        odd = int((np.abs(steps[inside] - np.median(steps[inside])) > TIGHT * np.median(steps[inside])).sum())
        notes.append(f"{odd:,} of {int(inside.sum()):,} steps of {order.name} differ from the usual one: gaps are learned and drawn")
    return Ordered(table, sort, sizes, values, gaps, clock, notes)


def check_order(values: pa.ChunkedArray, column: Column, where: str) -> None:
    """Complain about a column that cannot order rows, or not all.

    Raises:
        CannotError: its kind has no order.
        DataError: values are missing.
    """
    if column.kind not in ORDERING:
        raise CannotError(f"rows cannot be put in order by a column of kind {column.kind!r}", where=where, fix=NAME_ANOTHER)
    if values.null_count:
        what = f"{values.null_count:,} of {len(values):,} rows have no value by which to order them"
        raise DataError(what, where=where, fix="fill them, or leave those rows out")


def _numbers(values: pa.ChunkedArray, column: Column, where: str) -> np.ndarray:
    """int64 or float64 [n]: order values as numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    check_order(values, column, where)
    one = values.combine_chunks()
    if pa.types.is_string(one.type):
        if not pc.all(pc.match_substring_regex(one, r"^-?[0-9]{1,18}$")).as_py():
            what = "rows cannot be put in order by keys that are not whole numbers"
            raise CannotError(what, where=where, fix=NAME_ANOTHER)
        return one.cast(pa.int64()).to_numpy()
    if column.kind == "number":
        found = one.cast(pa.float64()).to_numpy(zero_copy_only=False)
        if not np.isfinite(found).all():
            raise DataError(f"{int((~np.isfinite(found)).sum()):,} order values are not finite", where=where, fix="leave those rows out")
        return found
    wide = one.cast(pa.int32()).cast(pa.int64()) if column.kind == "date" else one.cast(pa.int64())
    return wide.to_numpy(zero_copy_only=False)


def _clock(values: np.ndarray, steps: np.ndarray, inside: np.ndarray, column: Column) -> tuple[Clock, np.ndarray | None]:
    """How order values go on, and the gaps float64 [n] where steps are not the same (0 at the first row of a subject)."""
    first, mine = float(values[0]), steps[inside]
    usual = float(np.median(mine)) if len(mine) else 1.0
    cycles: tuple[str, ...] = ()
    if column.kind in DAY and len(mine):
        day, span = DAY[column.kind], float(values.max() - values.min())
        cycles = tuple(name for name, days in TURNS.items() if span >= 2 * days * day and usual <= days * day / 3)
    if not len(mine) or (np.abs(mine - usual) <= TIGHT * usual).all():
        return Clock(column.kind, usual, False, first, cycles), None
    if column.kind in DAY:
        unit = DAY[column.kind]
        dates = np.floor(values / unit).astype(np.int64).astype("datetime64[D]")
        months = dates.astype("datetime64[M]").astype(np.int64)
        within = values - dates.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) * unit
        apart = np.diff(months)[inside]
        if (apart == apart[0]).all() and apart[0] > 0 and (within == within[0]).all():
            return Clock(column.kind, float(apart[0]), True, first, cycles), None
    gaps = np.concatenate([[usual], np.where(inside, steps, usual)]).astype(np.float64)
    return Clock(column.kind, usual, False, first, ()), gaps


def statics(table: pa.Table, sizes: np.ndarray, schema: Schema) -> tuple[str, ...]:
    """Names of the columns that are the same in all rows of each subject; none where there is no subject."""
    if schema.subject is None:
        return ()
    apart = (schema.column(schema.subject)[1].name, schema.table.order)
    first, found = np.repeat(np.cumsum(sizes) - sizes, sizes), []
    for column in schema.table:
        if column.name in apart:
            continue
        one = table[column.name].combine_chunks()
        values = one.indices if hasattr(one, "indices") else None if column.kind == "empty" else one.dictionary_encode().indices
        codes = np.zeros(len(one), np.int64) if values is None else values.fill_null(-1).to_numpy(zero_copy_only=False)
        if (codes == codes[first]).all():
            found.append(column.name)
    return tuple(found)


def owners(schema: Schema, names: tuple[str, ...], *, firsts: bool = False) -> Table:
    """The table of subjects: key, what never changes, how many rows there are and, where they differ, the first order value."""
    subject, order = named(schema, "series")
    if subject is None:
        raise SchemaError("no subject is named", where=schema.table.name, fix="name its column")
    if subject.kind != "personal":
        subject = Column(name=subject.name, kind="key", unique=True, nullable=False, storage=subject.storage)
    columns: tuple[Any, ...] = (subject, *(schema.table[name] for name in names), Column(name=ROWS, kind="integer", nullable=False))
    if firsts:
        kind = "integer" if order.kind == "key" else order.kind
        columns = (*columns, order.model_copy(update={"name": FIRST, "kind": kind, "unique": False, "nullable": False}))
    return Table(name=schema.table.name, columns=columns, key=(subject.name,) if subject.kind == "key" else ())


def owner_rows(table: pa.Table, sizes: np.ndarray, spec: Table) -> pa.Table:
    """The rows of `spec`, as `owners` describes it without the first order value, of a table in which those of a subject lie together."""
    import pyarrow as pa

    names = [name for name in spec.names if name not in (ROWS, FIRST)]
    first = table.select(names).take(pa.array(np.cumsum(sizes) - sizes))
    if spec[names[0]].kind == "key":
        first = first.set_column(0, names[0], first[names[0]].cast(pa.string()))
    return first.append_column(ROWS, pa.array(sizes.astype(np.int64)))


def keyed(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """Fresh keys as a column of the subject's own kind has them."""
    from lookalike.data import formats

    kind = formats.canonical(column)
    if values.type == kind:
        return values
    if column.kind == "category":
        return values.cast(kind.value_type).dictionary_encode().cast(kind)
    return values.cast(kind)
