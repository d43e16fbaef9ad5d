"""Canonical batches to a file or database table. What is written appears under its name when it is whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from lookalike._whole import Unfinished, expanded
from lookalike.data import database, formats
from lookalike.data.delimited import SUFFIX as DELIMITED
from lookalike.data.delimited import DelimitedText, textual
from lookalike.data.excel import Workbook
from lookalike.data.frames import typed
from lookalike.data.jsonl import json_lines
from lookalike.data.read import EXCEL, suffix_of
from lookalike.data.source import told
from lookalike.errors import FileError
from lookalike.schema import Schema, Table

if TYPE_CHECKING:
    from typing import Self

_LOOK = 8_192
"""Rows that tell whether values of a column repeat."""
_CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


class Sink(Protocol):
    """Takes raw tables, one after another."""

    def write(self, raw: pa.Table) -> None:
        """Append rows."""

    def close(self) -> None:
        """Complete what was written."""

    def abort(self) -> None:
        """Let go of the file, which is removed."""


class Writer:
    """Writes canonical batches of one table to `place`: a file whose suffix says its type, or a table of a database by URL.

    A file is written beside its place under another name, and takes its name when all is on disk. An error or Ctrl-C inside
    the `with` block leaves what was there before.

    Args:
        overwrite: replace what is there; by default a file is replaced and a table of a database is not.

    Raises:
        FileError: the type is unknown, the place cannot be written, or something is there that may not be replaced.
        MissingExtra: a package for this type is not installed.
    """

    def __init__(self, place: str | Path, schema: Schema | Table, *, overwrite: bool | None = None) -> None:
        self.place, self.overwrite = place, overwrite
        self.table = schema.table if isinstance(schema, Schema) else schema
        self.rows = 0
        self._target: _File | _Rows | None = None

    def __enter__(self) -> Self:
        if database.is_url(str(self.place)):
            self._target = _Rows(str(self.place), self.table, overwrite=bool(self.overwrite))
        else:
            self._target = _File(expanded(self.place), self.table, overwrite=self.overwrite is not False)
        return self

    def append(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Write canonical rows."""
        if self._target is None:
            raise FileError("the writer is not open", where=str(self.place), fix="use it as `with Writer(…) as w: w.append(batch)`")
        self._target.append(batch)
        self.rows += batch.num_rows

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        target, self._target = self._target, None
        if target is None:
            return
        if kind is not None:
            target.abort()
            return
        with ExitStack() as undo:
            undo.callback(target.abort)
            target.close()
            undo.pop_all()  # it went well


class _Rows:
    """A new table of a database."""

    def __init__(self, url: str, table: Table, *, overwrite: bool) -> None:
        self._table = table
        schema = typed(formats.canonical_schema(table).empty_table(), table, moments=True).schema
        self._sink = database.Table(url, schema, overwrite=overwrite)

    def append(self, batch: pa.RecordBatch | pa.Table) -> None:
        self._sink.write(typed(batch, self._table, moments=True))

    def close(self) -> None:
        self._sink.close()

    def abort(self) -> None:
        self._sink.abort()


class _File:
    """A file under a temporary name, with what turns rows into its bytes."""

    def __init__(self, path: Path, table: Table, *, overwrite: bool) -> None:
        self._suffix, pressed = suffix_of(path)
        self._table, self._shown = table, str(path)
        if not overwrite and path.exists():
            raise FileError("the file exists already", where=self._shown, fix="choose another name, or allow it to be replaced")
        self._unfinished = Unfinished(path)
        self._sink: Sink | None = None
        with told(self._shown, "write the file"):
            self._file = self._unfinished.path.open("xb")
        with ExitStack() as undo:
            undo.callback(self.abort)
            with told(self._shown, "write the file"):
                self._sink = _sink(self._suffix, pressed, self._file, table)
            undo.pop_all()  # it went well

    def append(self, batch: pa.RecordBatch | pa.Table) -> None:
        with told(self._shown, "write the file"):
            self._sink.write(self._raw(batch))

    def _raw(self, batch: pa.RecordBatch | pa.Table) -> pa.Table:
        """Text files get what the source wrote, or would have written; typed files get types."""
        if self._suffix not in DELIMITED:
            return typed(batch, self._table, moments=True)
        columns = [formats.restore_column(batch.column(c.name), textual(c), where=self._table.name) for c in self._table]
        return pa.table(columns, names=list(self._table.names))

    def close(self) -> None:
        with told(self._shown, "write the file"):
            self._sink.close()
            self._file.close()
            self._unfinished.keep()

    def abort(self) -> None:
        """Remove what was written. A second complaint of a full disk adds nothing to the first."""
        try:
            if self._sink is not None:
                self._sink.abort()
            self._file.close()
        except (OSError, pa.ArrowException):
            pass
        finally:
            self._unfinished.drop()


# ---------------------------------------------------------------------------------------------------------------- sinks


def _sink(suffix: str, pressed: str, file: Any, table: Table) -> Sink:
    if suffix in EXCEL:
        if suffix != ".xlsx":
            raise FileError(f"{suffix} files are read, but not written", fix="write .xlsx")
        return Workbook(file, table.names)
    if suffix in DELIMITED:
        text = DelimitedText(table.names, table.dialect, suffix)
        return _Bytes(file, pressed, text.rows, head=text.head, tail=text.tail)
    if suffix in (".jsonl", ".ndjson"):
        return _Bytes(file, pressed, lambda raw: json_lines(raw, table.names))
    schema = typed(formats.canonical_schema(table).empty_table(), table, moments=True).schema
    if suffix in (".parquet", ".pq"):
        return _Parquet(file, schema)
    return _Arrow(file, schema)


class _Bytes:
    """Text, compressed if asked."""

    def __init__(
        self,
        file: Any,
        pressed: str,
        rows: Callable[[pa.Table], bytes],
        *,
        head: Callable[[], bytes] = bytes,
        tail: Callable[[], bytes] = bytes,
    ) -> None:
        self._out = pa.CompressedOutputStream(file, _CODECS[pressed]) if pressed else file
        self._rows, self._tail, self._pressed = rows, tail, bool(pressed)
        self._out.write(head())

    def write(self, raw: pa.Table) -> None:
        self._out.write(self._rows(raw))

    def close(self) -> None:
        self._out.write(self._tail())
        self.abort()

    def abort(self) -> None:
        if self._pressed:
            self._out.close()


class _Parquet:
    """Parquet in row groups of at least `_GROUP` rows, or of fewer that are as large as `_HELD` bytes."""

    _GROUP, _HELD = 1 << 18, 1 << 27

    def __init__(self, file: Any, schema: pa.Schema) -> None:
        self._file, self._schema = file, schema
        self._out: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []

    def write(self, raw: pa.Table) -> None:
        self._held.append(raw)
        if sum(t.num_rows for t in self._held) >= self._GROUP or sum(t.nbytes for t in self._held) >= self._HELD:
            self._flush()

    def _flush(self) -> None:
        held, self._held = self._held, []
        table = pa.concat_tables(held) if held else self._schema.empty_table()
        if self._out is None:
            often = [name for name in table.column_names if _repeating(table.column(name))]
            self._out = pq.ParquetWriter(self._file, self._schema, compression="zstd", compression_level=1, use_dictionary=often)
        if held:
            self._out.write_table(table, row_group_size=self._GROUP)

    def close(self) -> None:
        self._flush()
        self._out.close()  # type: ignore[union-attr]

    def abort(self) -> None:
        if self._out is not None:
            self._out.close()


def _repeating(column: pa.ChunkedArray) -> bool:
    """Whether values come often enough for a dictionary of them to be worth while, by the first rows."""
    some = column.slice(0, _LOOK)
    counted = pa.types.is_primitive(some.type) or pa.types.is_string(some.type)
    return not counted or pc.count_distinct(some).as_py() <= len(some) / 2


class _Arrow:
    """An Arrow IPC file (Feather). A dictionary may only grow from batch to batch, so that is what it does."""

    def __init__(self, file: Any, schema: pa.Schema) -> None:
        options = ipc.IpcWriteOptions(compression="zstd", emit_dictionary_deltas=True)
        self._out = ipc.new_file(file, schema, options=options)
        self._schema = schema
        self._known: dict[int, pa.Array] = {}

    def write(self, raw: pa.Table) -> None:
        columns = [
            self._grown(at, column.combine_chunks()) if pa.types.is_dictionary(column.type) else column
            for at, column in enumerate(raw.columns)
        ]
        self._out.write_table(pa.table(columns, schema=self._schema))

    def _grown(self, at: int, column: pa.DictionaryArray) -> pa.DictionaryArray:
        values = column.dictionary_decode()
        known = self._known.get(at, values.slice(0, 0))
        fresh = pc.drop_null(values.unique())
        known = pa.concat_arrays([known, fresh.filter(pc.invert(pc.is_in(fresh, value_set=known)))])
        self._known[at] = known
        indices = pc.index_in(values, value_set=known).cast(column.type.index_type)
        return pa.DictionaryArray.from_arrays(indices, known, ordered=column.type.ordered)

    def close(self) -> None:
        self._out.close()

    def abort(self) -> None:
        self._out.close()
