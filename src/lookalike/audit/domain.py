"""Tables made up from a schema's public facts alone: a crowd of equal rows, the row least like them, and rows scattered over the domain."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import Dataset
from lookalike.data.formats import CATEGORY, canonical, canonical_schema
from lookalike.privacy.domain import check
from lookalike.schema import Column, Schema

DAY = 86_400_000_000
"""Microseconds."""
LAST = np.nextafter(1.0, 0.0)
STRANGERS = 1_000_000_000
"""The number from which on canaries are numbered, where a column names the subject of a row."""
RANGES = 32
"""Ranges that the domain of a number is cut into, to count who shares one."""


def crowd(schema: Schema, rows: int) -> Dataset:
    """Rows that are all the same: the first level, the lowest value of every column; each of its own subject.

    Raises:
        SchemaError: facts that are needed are not declared.
        CannotError: a column is free text.
    """
    return _made(schema, np.zeros((len(schema.table.columns), rows)), start=0)


def stranger(schema: Schema, *, rows: int = 1) -> Dataset:
    """Equal rows of one subject that share nothing with a crowd: the last level, the highest value of every column.

    Raises:
        SchemaError: facts that are needed are not declared.
        CannotError: a column is free text.
    """
    return repeated(_made(schema, np.full((len(schema.table.columns), 1), LAST), start=STRANGERS), np.ones(1, bool), rows)


def scattered(schema: Schema, rows: int, rng: np.random.Generator) -> Dataset:
    """Rows whose values lie evenly over each column's domain, put together at random (McKay et al. 1979, Latin hypercube).

    Raises:
        SchemaError: facts that are needed are not declared.
        CannotError: a column is free text.
    """
    places = [(rng.permutation(rows) + rng.random(rows)) / max(rows, 1) for _ in schema.table]
    return _made(schema, np.minimum(np.array(places), LAST), start=STRANGERS)


def repeated(canaries: Dataset, inside: np.ndarray, rows: int) -> Dataset:
    """The canaries that are `inside` (bool), each with so many equal rows; with one where each row is a subject of its own."""
    return canaries.take(np.repeat(np.flatnonzero(inside), 1 if canaries.schema.subject is None else rows))


def joined(first: Dataset, second: Dataset) -> Dataset:
    """The rows of both, of one schema."""
    name = first.schema.table.name
    both = pa.concat_tables([first.table(), second.table()]).unify_dictionaries()
    return Dataset.from_arrow({name: both}, first.schema, like=first)


def _made(schema: Schema, places: np.ndarray, *, start: int) -> Dataset:
    """Rows at these places [columns, rows] of each column's domain, 0 its first value and 1 behind its last."""
    check(schema)
    table = schema.table
    subject = None if schema.subject is None else schema.column(schema.subject)[1].name
    numbers = start + np.arange(places.shape[1])
    made = [
        _names(c, numbers) if c.name == subject or c.kind in ("key", "personal") else _values(c, at)
        for c, at in zip(table, places, strict=True)
    ]
    return Dataset.from_arrow({table.name: pa.Table.from_arrays(made, schema=canonical_schema(table))}, schema)


def _names(column: Column, numbers: np.ndarray) -> pa.Array:
    """A name of its own for each row, whatever the column's kind."""
    made = pa.array(numbers, pa.int64())
    return made.cast(pa.string()).dictionary_encode().cast(CATEGORY) if column.kind == "category" else made.cast(canonical(column))


def _values(column: Column, at: np.ndarray) -> pa.Array:
    """Canonical values at these places [rows] of a column's public domain."""
    kind = column.kind
    if kind == "empty":
        return pa.nulls(len(at))
    if kind == "boolean":
        return pa.array(at >= 0.5)
    if kind in ("category", "constant"):
        levels = pa.array(column.levels or (), pa.string())
        index = pa.array((at * len(levels)).astype(np.int32), mask=np.full(len(at), not len(levels)))
        return pa.DictionaryArray.from_arrays(index, levels) if kind == "category" else levels.take(index)
    if kind == "number":
        low, high = float(column.low), float(column.high)  # type: ignore[arg-type]
        decimals = column.number.decimals if column.number else None
        made = low + at * (high - low)
        return pa.array(np.clip(made if decimals is None else np.round(made, decimals), low, high))
    low, high = _ends(column)
    made = pa.array(low + np.floor(at * (high - low + 1)).astype(np.int64).clip(0, high - low), pa.int64())
    return made.cast(pa.int32()).cast(pa.date32()) if kind == "date" else made.cast(canonical(column))


def _ends(column: Column) -> tuple[int, int]:
    """First and last value of a column of whole numbers (days of a date, microseconds of other moments)."""
    if column.kind == "time":
        return 0, DAY - 1
    if column.kind == "integer":
        return int(np.ceil(float(column.low))), int(np.floor(float(column.high)))  # type: ignore[arg-type]
    types = {"date": pa.date32(), "datetime": pa.timestamp("us")}
    ends = []
    for end in (column.low, column.high):
        moment = pa.scalar(end).cast(types.get(column.kind, pa.int64())) if isinstance(end, str) else pa.scalar(int(end))  # type: ignore[arg-type]
        ends.append(int(moment.cast(pa.int32() if column.kind == "date" else pa.int64()).as_py()))
    return ends[0], ends[1]


def cells(data: Dataset) -> np.ndarray:
    """int64 [columns, rows]: which level or range of the public domain each value is; -1 where it is missing, 0 of what is made afresh."""
    return np.array([_cell(data.table().column(c.name), c) for c in data.schema.table])


def _cell(values: pa.ChunkedArray, column: Column) -> np.ndarray:
    """int64 [rows] of one column."""
    present = values.is_valid().to_numpy()
    if column.kind in ("key", "personal", "constant", "empty", "text"):
        return np.where(present, 0, -1)
    if column.kind == "category":
        place = pa.array(column.levels or (), pa.string())
        found = pc.index_in(values.cast(pa.string()), value_set=place)
        return np.where(present, found.fill_null(len(place)).to_numpy(), -1).astype(np.int64)
    if column.kind == "boolean":
        return np.where(present, values.fill_null(False).to_numpy().astype(np.int64), -1)
    if column.kind in ("integer", "number"):
        numbers, (low, high) = values.cast(pa.float64(), safe=False), (float(column.low), float(column.high))  # type: ignore[arg-type]
    else:
        whole = values.cast(pa.int32()).cast(pa.int64()) if column.kind == "date" else values.cast(pa.int64())
        numbers, (low, high) = whole.cast(pa.float64(), safe=False), _ends(column)
    share = (numbers.fill_null(low).to_numpy() - low) / max(high - low, 1e-300)
    return np.where(present, np.clip(np.floor(share * RANGES), 0, RANGES - 1), -1).astype(np.int64)
