"""A `Source` is one raw table, in the types of wherever it is kept, that can be read again and again, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat

import pyarrow as pa

from lookalike.errors import DataError, FileError, LookalikeError
from lookalike.schema import Dialect

ROWS = 65_536


@dataclass(frozen=True)
class Source:
    """One raw table: what it is called, where it is, its Arrow schema, and how to read some of its columns from the start."""

    name: str
    where: str
    schema: pa.Schema
    read: Callable[[list[str]], Iterator[pa.RecordBatch]]
    dialect: Dialect | None = None
    notes: tuple[str, ...] = ()

    def batches(self, columns: Sequence[str] | None = None, *, rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """The rows in order, `rows` at a time at most, with the named columns in the named order."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(c) for c in columns])
        for batch in self.read(schema.names):
            tidy = pa.RecordBatch.from_arrays([_cast(c, f, self.name) for c, f in zip(batch.columns, schema, strict=True)], schema=schema)
            for start in range(0, tidy.num_rows, rows):
                yield tidy.slice(start, rows)


def source(name: str, where: str, schema: pa.Schema, read: Callable[[list[str]], Iterator[pa.RecordBatch]], **more: object) -> Source:
    """A `Source` whose schema was checked: no column twice, no nested columns, nothing hidden in metadata.

    Raises:
        DataError: a column is named twice, or holds lists, records or bytes.
    """
    refuse_twins(schema.names, where)
    return Source(name, where, pa.schema([_field(f, f"{name}.{f.name}") for f in schema]), read, **more)  # type: ignore[arg-type]


_TWINS = "rename or drop one of each; or, if this line names groups of columns, and the next one the columns, remove it"


def refuse_twins(names: Sequence[str], where: str) -> None:
    """Raise a DataError if a column is named twice, saying which and at which places."""
    places: dict[str, list[int]] = {}
    for at, name in enumerate(names, start=1):
        places.setdefault(name, []).append(at)
    twins = [f"{n!r} (columns {', '.join(map(str, at))})" for n, at in places.items() if len(at) > 1]
    if twins:
        raise DataError(f"a column is named twice: {'; '.join(twins)}", where=where, fix=_TWINS)


def _field(field: pa.Field, where: str) -> pa.Field:
    """`field` without metadata (which may list private values), bytes read as text, extension types as what they store."""
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_nested(kind):
        raise DataError(
            f"holds {kind}, and a cell must be a single value", where=where, fix="spread it over columns of its own, or drop it"
        )
    if pa.types.is_interval(kind):
        raise DataError("holds calendar intervals", where=where, fix="turn them into a duration or a number of days, or drop the column")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind) or kind == pa.binary_view():
        kind = pa.string()
    return pa.field(field.name, _plainer(kind))


def _plainer(kind: pa.DataType) -> pa.DataType:
    """Arrow has few functions for its string views; moments and decimals that are held as categories are what they are without."""
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_dictionary(kind) and (pa.types.is_temporal(kind.value_type) or pa.types.is_decimal(kind.value_type)):
        return kind.value_type
    if pa.types.is_dictionary(kind) and pa.types.is_string_view(kind.value_type):
        return pa.dictionary(kind.index_type, pa.string(), kind.ordered)
    return kind


def _cast(array: pa.Array, field: pa.Field, table: str) -> pa.Array:
    kind = field.type
    if isinstance(array, pa.UuidArray):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], kind)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if array.type == kind:
        return array
    if pa.types.is_dictionary(kind) and pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(
            array.indices.cast(kind.index_type), array.dictionary.cast(kind.value_type), ordered=kind.ordered
        )
    try:
        return array.cast(kind)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"holds {array.type} that is not {kind}: {error}",
            where=f"{table}.{field.name}",
            fix="leave the column out, or give it another type",
        ) from error


@contextmanager
def told(where: str, doing: str) -> Iterator[None]:
    """Turn what the system or Arrow complains of, while `doing` something at `where`, into an error that says what to do."""
    try:
        yield
    except LookalikeError:
        raise
    except OSError as error:
        raise FileError.of(error, where=where, doing=doing) from error
    except (pa.ArrowException, UnicodeError) as error:
        raise DataError(f"cannot {doing}: {error}", where=where, fix="is the file whole, and of the type that its name says?") from error


def column_names(header: Sequence[object]) -> tuple[list[str], tuple[str, ...]]:
    """Column names for a header, and those of them that were blank: the third column, if nameless, becomes `column_3`."""
    names = [str(n) if n is not None else "" for n in header]
    blank = []
    for at, name in enumerate(names):
        if not name.strip():
            fresh = f"column_{at + 1}"
            for tail in repeat("_"):
                if fresh not in names:
                    break
                fresh += tail
            names[at] = fresh
            blank.append(fresh)
    return names, tuple(blank)


def blank_note(blank: Sequence[str]) -> tuple[str, ...]:
    """What to tell about columns without a header."""
    return (f"columns without a name were called {', '.join(blank)}",) if blank else ()
