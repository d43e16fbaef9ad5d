"""JSON Lines: one object a line. Types are those of JSON; a column of several becomes text, and text is never taken for a date here."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from lookalike import _json
from lookalike.data.delimited import joined, occurring, spell
from lookalike.data.source import Source, source, told
from lookalike.errors import DataError

_CHUNK = 1 << 24
_ESCAPED = ("\\", '"', *map(chr, range(32)))  # a backslash first: the others bring one
_BRACKETS = 64
"""Brackets of a line, from which on Python's parser reads it."""
_NESTED = "holds lists or objects, and a cell must be a single value"


def jsonl(path: Path, name: str) -> Source:
    """The source for a file of JSON lines; all of it is read once to learn the columns and their types.

    Raises:
        FileError: it cannot be read.
        DataError: it is empty, a line is not a JSON object, or a value is nested.
    """
    types: dict[str, pa.DataType] = {}
    for block, line in _blocks(path):
        for field in _schema(block, path, line):
            types[field.name] = _wider(types.get(field.name, pa.null()), field.type)
    if not types:
        raise DataError("the file is empty", where=str(path), fix="give a file with one JSON object a line")
    schema = pa.schema(list(types.items()))
    return source(name, str(path), schema, partial(_read, path, schema))


def _read(path: Path, schema: pa.Schema, columns: list[str]) -> Iterator[pa.RecordBatch]:
    wanted = pa.schema([schema.field(c) for c in columns])
    for block, line in _blocks(path):
        yield from _table(block, wanted, path, line).to_batches()


def _blocks(path: Path) -> Iterator[tuple[bytes, int]]:
    """Runs of whole lines, each with the number of its first line."""
    rest, line = b"", 1
    with told(str(path), "read the file"), pa.input_stream(str(path), compression="detect") as stream:
        while chunk := stream.read(_CHUNK):
            whole, end, tail = chunk.rpartition(b"\n")
            if not end:
                rest += chunk
                if len(rest) > _CHUNK:
                    what = f"a line is longer than {_CHUNK:,} bytes"
                    raise DataError(what, where=f"{path}:{line}", fix="give one JSON object a line, each cell a single value")
                continue
            block, rest = rest + whole + end, tail
            _refuse_bytes(block, path, line)
            yield block, line
            line += block.count(b"\n")
    if rest.strip():
        _refuse_bytes(rest, path, line)
        yield rest + b"\n", line


def _refuse_bytes(block: bytes, path: Path, line: int) -> None:
    """Complain of what is no UTF-8: Arrow does not look, and the cells would break everything after it."""
    try:
        block.decode()
    except UnicodeDecodeError as error:
        at = line + block.count(b"\n", 0, error.start)
        raise DataError(f"not UTF-8: {error.reason}", where=f"{path}:{at}", fix="save the file as UTF-8") from None


def _schema(block: bytes, path: Path, line: int) -> pa.Schema:
    """The columns of a block; what Arrow would make a timestamp stays text."""
    try:
        schema = _parsed(block, arrow_json.ParseOptions()).schema
    except pa.ArrowInvalid:
        return _slow_table(block, None, path, line).schema
    return pa.schema([pa.field(f.name, pa.string() if pa.types.is_temporal(f.type) else f.type) for f in schema])


def _table(block: bytes, schema: pa.Schema, path: Path, line: int) -> pa.Table:
    """One block as a table: by Arrow where it can be, else line by line."""
    try:
        return _parsed(block, arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"))
    except pa.ArrowInvalid:
        return _slow_table(block, schema, path, line)


def _parsed(block: bytes, options: arrow_json.ParseOptions) -> pa.Table:
    """A block by Arrow's own parser, cut up so that all cores can work on it."""
    lines = block.split(b"\n")
    if any(line[:1] != b"{" and line.strip()[:1] not in (b"", b"{") for line in lines):
        raise pa.ArrowInvalid("a line is no object")  # of one that is null Arrow's parser dies (apache/arrow, seen in 18 to 26)
    if any(line.count(b"[") + line.count(b"{") > _BRACKETS for line in lines):
        raise pa.ArrowInvalid("nested too deeply")  # which takes Arrow's parser the square of the levels
    longest = max(map(len, lines))
    table = arrow_json.read_json(io.BytesIO(block), arrow_json.ReadOptions(block_size=max(1 << 20, 2 * longest)), options)
    return table if options.explicit_schema is None else table.select(options.explicit_schema.names)


def _slow_table(block: bytes, schema: pa.Schema | None, path: Path, line: int) -> pa.Table:
    """A block that Arrow refuses: its values are of several types, or a line is broken."""
    objects = [_object(text, f"{path}:{at}") for at, text in enumerate(block.splitlines(), start=line) if text.strip()]
    names = schema.names if schema is not None else list(dict.fromkeys(n for o in objects for n in o))
    columns = [_column([o.get(n) for o in objects], schema.field(n).type if schema is not None else None, f"{path}: {n}") for n in names]
    return pa.table(columns, names=names)


def _object(text: bytes, where: str) -> dict[str, Any]:
    try:
        value = _json.read(text.decode(), odd=True)
    except ValueError as error:
        raise DataError(f"not JSON: {error}", where=where, fix="give one JSON object a line") from None
    if not isinstance(value, dict):
        raise DataError(f"a line holds {type(value).__name__}, not an object", where=where, fix="give one JSON object a line")
    return value


def _column(values: list[Any], kind: pa.DataType | None, where: str) -> pa.Array:
    if any(isinstance(v, (list, dict)) for v in values):
        raise DataError(_NESTED, where=where, fix="spread it over columns of its own, or drop it")
    seen = {type(v) for v in values if v is not None}
    if kind is None:
        kind = _kind(values, seen)
    if pa.types.is_string(kind):
        values = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    if pa.types.is_floating(kind):
        values = [v if v is None else float(v) for v in values]
    return pa.array(values, kind)


def _kind(values: list[Any], seen: set[type]) -> pa.DataType:
    """The type of values whose Python types were `seen`; text where there is none, as of numbers of many digits."""
    try:
        if len(seen) < 2:
            return pa.array(values).type
        if seen == {int, float} and all(v is None or math.isfinite(float(v)) or isinstance(v, float) for v in values):
            return pa.float64()
    except (OverflowError, pa.ArrowInvalid):
        pass
    return pa.string()


def _wider(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """The type that holds the values of both."""
    if a == b or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    numbers = all(pa.types.is_integer(t) or pa.types.is_floating(t) for t in (a, b))
    return pa.float64() if numbers else pa.string()


# ---------------------------------------------------------------------------------------------------------- writing


def json_lines(raw: pa.Table | pa.RecordBatch, names: Sequence[str]) -> bytes:
    """The rows of `raw` as lines of JSON; a missing cell is null."""
    if not raw.num_rows:
        return b""
    parts: list[pa.Array | str] = []
    for at, (name, column) in enumerate(zip(names, raw.columns, strict=True)):
        parts += [("," if at else "{") + json.dumps(name, ensure_ascii=False) + ":", _written(column)]
    return joined(pc.binary_join_element_wise(*parts, "}\n", ""))


def _written(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Each cell as JSON text."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))
    text = spell(column)
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        for special in occurring(text, _ESCAPED):
            text = pc.replace_substring(text, special, json.dumps(special)[1:-1])
        text = pc.binary_join_element_wise('"', text, '"', "")
    return pc.fill_null(text, "null")
