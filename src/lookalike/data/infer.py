"""From a raw source to a schema that fits every row: detected on a sample, checked against the rest, widened where the rest disagrees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import detect, formats
from lookalike.data.delimited import textual
from lookalike.data.source import Source
from lookalike.errors import DataError
from lookalike.schema import Column, Table

HELD = 256 << 20
"""Raw bytes up to which a source is held in memory; a larger one is streamed."""
SAMPLE = 100_000
"""Rows that detection looks at in a source of more than twice as many."""
_ROUNDS = 3


@dataclass(frozen=True)
class Found:
    """What a source holds: its table, the number of rows, and all of them in canonical form, unless they are too many."""

    table: Table
    rows: int
    canonical: pa.Table | None


def infer(source: Source) -> Found:
    """The schema that is read from a source.

    Raises:
        DataError: there are no rows.
    """
    look = _look(source)
    table = detect.detect(look.sample, name=source.name, rows=look.rows, text=_is_written(source)).model_copy(
        update={"dialect": source.dialect}
    )
    if look.raw is None:
        return Found(_widened(source, table, look), look.rows, None)
    settled = [_settled(look.raw.column(c.name), c, look, text=_is_written(source)) for c in table]
    table = table.model_copy(update={"columns": tuple(column for column, _ in settled)})
    return Found(table, look.rows, pa.table([values for _, values in settled], schema=formats.canonical_schema(table)))


def conform(source: Source, table: Table) -> Found:
    """A source read by a schema that was given, which is not widened.

    Raises:
        DataError: there are no rows, a column is not there, or a cell does not fit; names table.column, row and value.
    """
    table = table.model_copy(update={"columns": tuple(_spelled(c, source) for c in table)})
    look = _look(source)
    if look.raw is not None:
        return Found(table, look.rows, formats.parse(look.raw, table))
    for _ in parsed(source, table):
        pass
    return Found(table, look.rows, None)


def _is_written(source: Source) -> bool:
    """Whether cells are text that somebody wrote, where an empty one is missing."""
    return source.dialect is not None or all(formats.is_text(t) for t in source.schema.types)


def _spelled(column: Column, source: Source) -> Column:
    """A given column as this source may spell it: a typed one as text, and in delimited text a missing cell as an empty one."""
    if column.name not in source.schema.names or not formats.is_text(source.schema.field(column.name).type):
        return column
    column = textual(column)
    if source.dialect is None or not column.nullable or "" in column.missing:
        return column
    return column.model_copy(update={"missing": (*column.missing, "")})


def parsed(source: Source, table: Table) -> Iterator[pa.RecordBatch]:
    """The rows of a source in canonical form, in batches."""
    start = 0
    for batch in source.batches([n for n in table.names if n in source.schema.names]):
        yield formats.parse(batch, table, start=start)
        start += batch.num_rows


# ----------------------------------------------------------------------------------------------------------- looking


@dataclass(frozen=True)
class _Look:
    """One pass over a source: all of it, if it can be held, a sample spread over all of it, and the number of rows."""

    raw: pa.Table | None
    sample: pa.Table
    rows: int


def _look(source: Source) -> _Look:
    held: list[pa.RecordBatch] = []
    size = 0
    stream = source.batches()
    for batch in stream:
        held.append(batch)
        size += batch.nbytes
        if size > HELD:
            return _sampled(pa.Table.from_batches(held), stream)
    raw = pa.Table.from_batches(held, source.schema)
    if not raw.num_rows:
        raise DataError("there are no rows, only column names", where=source.where, fix="give a table with rows")
    return _Look(raw, _some(raw, SAMPLE) if raw.num_rows > 2 * SAMPLE else raw, raw.num_rows)


def _sampled(head: pa.Table, rest: Iterator[pa.RecordBatch]) -> _Look:
    """Between one and two times `SAMPLE` rows of a stream, each row as likely as any other."""
    rng = np.random.default_rng(0)
    rows = head.num_rows
    rate = min(1.0, 2 * SAMPLE / rows)
    kept = [_thinned(head, rate, rng)]
    for batch in rest:
        rows += batch.num_rows
        kept.append(_thinned(pa.Table.from_batches([batch]), rate, rng))
        if sum(k.num_rows for k in kept) > 2 * SAMPLE:
            kept, rate = [_thinned(pa.concat_tables(kept), 0.5, rng)], rate / 2
    return _Look(None, pa.concat_tables(kept).combine_chunks(), rows)


def _thinned(table: pa.Table, rate: float, rng: np.random.Generator) -> pa.Table:
    return table if rate >= 1 else table.take(pa.array(np.flatnonzero(rng.random(table.num_rows) < rate)))


def _some(table: pa.Table, rows: int) -> pa.Table:
    """Random rows in their order."""
    chosen = np.random.default_rng(0).choice(table.num_rows, rows, replace=False)
    return table.take(pa.array(np.sort(chosen)))


# ---------------------------------------------------------------------------------------------------------- checking


def _settled(cells: pa.ChunkedArray, column: Column, look: _Look, *, text: bool) -> tuple[Column, pa.Array]:
    """A column that fits all its cells, and the cells in canonical form."""
    values = _fitted(cells, column, look.sample)
    if values is None:
        column = detect.widen(cells, column, rows=look.rows, text=text)
        values = _fitted(cells, column, pa.table({column.name: cells}))
    if values is None:
        column = _text(column.name, cells.type)
        values = formats.parse_column(cells, column)
    return column, values


def _widened(source: Source, table: Table, look: _Look) -> Table:
    """`table` with each column that a later cell contradicts detected again from the sample and the rows that contradict it."""
    columns = {c.name: c for c in table}
    text = _is_written(source)
    pending = list(columns)
    for last in range(_ROUNDS):
        misfits = _misfits(source, [columns[n] for n in pending], look.sample)
        pending = list(misfits)
        for name, cells in misfits.items():
            seen = pa.chunked_array([*look.sample.column(name).chunks, *cells])
            seen = pa.chunked_array([pc.unique(seen)]) if columns[name].unique and not _repeats(cells) else seen
            columns[name] = detect.widen(seen, columns[name], rows=look.rows, text=text) if last < _ROUNDS - 1 else _text(name, seen.type)
        if not misfits:
            break
    return table.model_copy(update={"columns": tuple(columns[n] for n in table.names)})


def _misfits(source: Source, columns: list[Column], sample: pa.Table) -> dict[str, list[pa.Array]]:
    """For each column, the cells of the first batches that it does not fit, `SAMPLE` of them or a few more."""
    found: dict[str, list[pa.Array]] = {}
    for batch in source.batches([c.name for c in columns]):
        for column, cells in zip(columns, batch.columns, strict=True):
            full = sum(map(len, found.get(column.name, ()))) >= SAMPLE
            if not full and _fitted(cells, column, sample) is None:
                found.setdefault(column.name, []).append(cells)
    return found


def _fitted(cells: pa.Array | pa.ChunkedArray, column: Column, sample: pa.Table) -> pa.Array | None:
    """The cells in canonical form, or None if the column does not fit them."""
    if column.kind in ("constant", "empty") and not _among(cells, sample.column(column.name)):
        return None
    try:
        values = formats.parse_column(cells, column)
    except DataError:
        return None
    return None if column.unique and _repeats([values]) else values


def _among(cells: pa.Array | pa.ChunkedArray, known: pa.ChunkedArray) -> bool:
    """Whether no cell has a value that is not known."""
    if pa.types.is_null(known.type):
        return cells.null_count == len(cells)
    values = cells.unique()
    fresh = pc.invert(pc.is_in(values, value_set=known.unique().cast(values.type)))
    return not pc.any(pc.and_(fresh, pc.is_valid(values))).as_py()


def _repeats(cells: list[pa.Array]) -> bool:
    """Whether a value occurs twice."""
    values = pc.drop_null(pa.chunked_array(cells))
    return pc.count_distinct(values).as_py() < len(values)


def _text(name: str, kind: pa.DataType) -> Column:
    """The column that fits whatever is there."""
    return Column(name=name, kind="text", storage=str(kind))
