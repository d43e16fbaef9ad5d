"""Raw cells ⇄ canonical columns, driven only by the schema: what a source wrote is what comes back.

A text column is converted one distinct value at a time and spread over the rows again; a typed column by Arrow casts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import _dates, _limits, _numbers
from lookalike.errors import DataError, SchemaError, joined, near_matches
from lookalike.schema import Column, NumberFormat, Table

Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)

CATEGORY = pa.dictionary(pa.int32(), pa.string())
_CANONICAL: dict[str, pa.DataType] = {
    "integer": pa.int64(), "number": pa.float64(), "category": CATEGORY, "boolean": pa.bool_(), "date": pa.date32(),
    "time": pa.time64("us"), "duration": pa.duration("us"), "empty": pa.null(),
    **dict.fromkeys(("text", "key", "personal", "constant"), pa.string()),
}  # fmt: skip
_DEFAULT_FORMAT = {"date": "%Y-%m-%d", "datetime": "%Y-%m-%d %H:%M:%S", "time": "%H:%M:%S", "duration": "%H:%M:%S"}
TRUTH = (
    ("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("0", "1"), ("0.0", "1.0"), ("off", "on"), ("nein", "ja"), ("non", "oui"),
    ("falsch", "wahr"),
)  # fmt: skip
"""Spellings of false and true, in lower case."""


class Misfit(DataError):
    """A cell that does not fit its column: `column`, `row` (data rows counted from 1) and `value` name it."""

    def __init__(self, what: str, *, table: str, column: str, row: int, value: object, fix: str) -> None:
        self.column, self.row, self.value = column, row, value
        super().__init__(f"row {row}: {what}", where=f"{table}.{column}", fix=fix)


def canonical(column: Column) -> pa.DataType:
    """The canonical Arrow type of a column."""
    return pa.timestamp("us", column.zone) if column.kind == "datetime" else _CANONICAL[column.kind]


def canonical_schema(table: Table) -> pa.Schema:
    """The Arrow schema of the canonical table."""
    return pa.schema([(c.name, canonical(c)) for c in table])


def storage_schema(table: Table) -> pa.Schema:
    """The Arrow schema of the raw table."""
    return pa.schema([(c.name, storage_type(c)) for c in table])


def parse(raw: Rows, table: Table, *, start: int = 0) -> Rows:
    """The canonical form of raw rows; columns that the schema does not name are left out.

    Args:
        start: data rows that came before these, so that a message names the right row.

    Raises:
        Misfit: a cell does not fit; names table.column, the row (data rows counted from 1) and the value.
        DataError: a column of the schema is not there.
    """
    lacking = [n for n in table.names if n not in raw.schema.names]
    if lacking:
        raise DataError(
            f"no column {', '.join(map(repr, lacking[:3]))}{' …' if len(lacking) > 3 else ''} in the data", where=table.name,
            fix=joined(_near(lacking[0], raw.schema.names), "mend the data, or drop the column from the schema"),
        )  # fmt: skip
    columns = [parse_column(raw.column(c.name), c, where=table.name, start=start) for c in table]
    return _like(raw, columns, canonical_schema(table))


def _near(name: str, known: Sequence[str]) -> str:
    """What a column that is not there may have meant."""
    near = near_matches(name, known)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else f"columns there: {', '.join(known[:12])}"


def restore(rows: Rows, table: Table) -> Rows:
    """Canonical rows in the types and spellings of the source; the inverse of `parse`.

    Raises:
        DataError: a value does not fit the source's type (300 in an int8 column).
    """
    columns = [restore_column(rows.column(c.name), c, where=table.name) for c in table]
    return _like(rows, columns, storage_schema(table))


def parse_column(raw: pa.Array | pa.ChunkedArray, column: Column, *, where: str = "table", start: int = 0) -> pa.Array:
    """One column in canonical form.

    Raises:
        Misfit: a cell does not fit.
    """
    values = whole(raw)
    if pa.types.is_null(values.type):
        values = values.cast(pa.string())
    parsed, fits = _parse_text(values, column) if is_text(values.type) else _parse_typed(values, column)
    if not bool(fits.all()):
        row = int(np.argmin(fits))
        raise _misfit(values[row].as_py(), column, table=where, row=start + row + 1)
    if not column.nullable and parsed.null_count:
        row = int(np.argmax(parsed.is_null().to_numpy(zero_copy_only=False)))
        raise Misfit(
            f"{values[row].as_py()!r} is missing, where nothing may be",
            table=where,
            column=column.name,
            row=start + row + 1,
            value=values[row].as_py(),
            fix="fill the cell, or set nullable to true in the schema",
        )
    return parsed


def restore_column(values: pa.Array | pa.ChunkedArray, column: Column, *, where: str = "table") -> pa.Array:
    """One canonical column in the type and spelling of the source.

    Raises:
        DataError: a value does not fit the source's type.
    """
    canon, target = whole(values), storage_type(column)
    try:
        if is_text(target):
            texts = _to_text(canon, column)
            return (texts.fill_null(column.missing[0]) if column.missing else texts).cast(target)
        if pa.types.is_dictionary(target):
            coded = canon if pa.types.is_dictionary(canon.type) else _to_text(canon, column).dictionary_encode()
            labels = coded.dictionary.cast(target.value_type)
            return pa.DictionaryArray.from_arrays(coded.indices.cast(target.index_type), labels, ordered=target.ordered)
        return _mark_missing(_to_typed(canon, column, target), column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"a value does not fit the source's type {column.storage}: {str(error).splitlines()[0]}", where=f"{where}.{column.name}",
            fix="give the column a wider storage in the schema, for example string or double",
        ) from None  # fmt: skip


def is_text(kind: pa.DataType) -> bool:
    """Is this one of Arrow's string types?"""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


_PARAMETRIC: tuple[tuple[re.Pattern[str], Callable[..., pa.DataType]], ...] = (
    (re.compile(r"timestamp\[(\w+), tz=(.+)\]"), pa.timestamp),
    (re.compile(r"decimal128\((\d+), (-?\d+)\)"), lambda p, s: pa.decimal128(int(p), int(s))),
    (re.compile(r"decimal256\((\d+), (-?\d+)\)"), lambda p, s: pa.decimal256(int(p), int(s))),
    (
        re.compile(r"dictionary<values=(\w+), indices=(\w+), ordered=([01])>"),
        lambda v, i, o: pa.dictionary(pa.type_for_alias(i), pa.type_for_alias(v), ordered=o == "1"),
    ),
)


def storage_type(column: Column) -> pa.DataType:
    """The Arrow type that `column.storage` names.

    Raises:
        SchemaError: no such type.
    """
    for pattern, build in _PARAMETRIC:
        found = pattern.fullmatch(column.storage)
        if found:
            return build(*found.groups())
    try:
        return pa.type_for_alias(column.storage)
    except ValueError:
        raise SchemaError(
            f"storage {column.storage!r} is no Arrow type",
            where=column.name,
            fix="for example string, int64, double, timestamp[us], decimal128(10, 2)",
        ) from None


# ── text → canonical ────────────────────────────────────────────────────────────────────────────────────────────────


def _parse_text(values: pa.Array, column: Column) -> tuple[pa.Array, np.ndarray]:
    """Texts, plain or dictionary-encoded, in canonical form, and a mask of the cells that fit."""
    coded = values if pa.types.is_dictionary(values.type) else values.cast(pa.string()).dictionary_encode()
    texts = coded.dictionary
    if column.missing:
        absent = pc.is_in(texts, value_set=pa.array(column.missing, pa.string()))
        coded, texts = _without(coded, absent)
    parsed = _FROM_TEXT[column.kind](texts, column)
    good = parsed.is_valid().to_numpy(zero_copy_only=False) if column.kind != "empty" else np.zeros(len(texts), bool)
    fits = np.ones(len(values), bool)
    if not good.all():
        fits = pc.fill_null(pa.array(good).take(coded.indices), True).to_numpy(zero_copy_only=False)
    if column.kind == "category":
        return pa.DictionaryArray.from_arrays(coded.indices.cast(pa.int32()), parsed), fits
    return (pa.nulls(len(values)) if column.kind == "empty" else parsed.take(coded.indices)), fits


def _without(coded: pa.DictionaryArray, absent: pa.BooleanArray) -> tuple[pa.DictionaryArray, pa.Array]:
    """The same rows with some dictionary entries made null and left out."""
    gone = absent.to_numpy(zero_copy_only=False)
    if not gone.any():
        return coded, coded.dictionary
    moved = pa.array(np.cumsum(~gone) - 1, pa.int32(), mask=gone)
    texts = coded.dictionary.filter(pc.invert(absent))
    return pa.DictionaryArray.from_arrays(moved.take(coded.indices), texts), texts


def _moments_from_text(texts: pa.Array, column: Column) -> pa.Array:
    """Texts as date, datetime or time; null where they do not fit."""
    pattern = column.format or _DEFAULT_FORMAT[column.kind]
    if pattern in _dates.EPOCHS:
        return _from_epoch(_numbers.read(texts, column.number or _numbers.PLAIN, whole=True), column)
    compiled = _dates.compile_pattern(pattern)
    micros, fits = _dates.read(texts, compiled)
    return _moments(micros, ~fits, column, local="z" not in compiled.fields)


def _moments(micros: np.ndarray, missing: np.ndarray, column: Column, *, local: bool) -> pa.Array:
    """Microseconds as a canonical column; a `local` clock is moved to UTC by the column's zone."""
    if column.kind == "date":
        return pa.array((micros // _dates.DAY).astype(np.int32), pa.int32(), mask=missing).cast(pa.date32())
    if column.kind == "time":
        return pa.array(micros, pa.int64(), mask=missing).cast(pa.time64("us"))
    if local and column.zone:
        offset = _offset(column.zone)
        if offset is None:
            naive = pa.array(micros, pa.int64(), mask=missing).cast(pa.timestamp("us"))
            return pc.assume_timezone(naive, column.zone, ambiguous="earliest", nonexistent="latest")
        micros = micros - offset
    return pa.array(micros, pa.int64(), mask=missing).cast(canonical(column))


def _offset(zone: str) -> int | None:
    """Microseconds east of UTC of a fixed zone; None for a named one, whose clock changes."""
    if zone in ("UTC", "Z", "GMT"):
        return 0
    found = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", zone)
    return (-1 if found[1] == "-" else 1) * (int(found[2]) * 60 + int(found[3])) * 60_000_000 if found else None


def _from_epoch(counts: pa.Array, column: Column) -> pa.Array:
    """Units since 1970 as a canonical column."""
    unit = column.format or "s"
    us = pc.multiply(counts, _dates.EPOCHS[unit]) if unit != "ns" else pc.divide(counts, 1000)
    return _moments(us.fill_null(0).to_numpy(zero_copy_only=False), us.is_null().to_numpy(zero_copy_only=False), column, local=False)


def _spans_from_text(texts: pa.Array, column: Column) -> pa.Array:
    """Texts as durations; null where they do not fit."""
    pattern = column.format or _DEFAULT_FORMAT["duration"]
    micros, fits = _dates.read_iso(texts) if pattern == "iso" else _dates.read(texts, _dates.compile_pattern(pattern), span=True)
    return pa.array(micros, pa.int64(), mask=~fits).cast(pa.duration("us"))


def _truth_from_text(texts: pa.Array, column: Column) -> pa.Array:
    """Texts as booleans: the column's own labels, or any known pair, whatever the case."""
    no, yes = column.labels or ("False", "True")
    pairs = [(no.lower(), yes.lower())] if column.labels else TRUTH
    lower = pc.utf8_lower(texts)
    true, false = (pc.is_in(lower, value_set=pa.array([p[side] for p in pairs])) for side in (1, 0))
    return pc.if_else(pc.or_(true, false), true, None)


def _same(texts: pa.Array, column: Column) -> pa.Array:
    return texts


def _key_from_text(texts: pa.Array, column: Column) -> pa.Array:
    """Keys; those that are numbers without what pandas adds to integers with gaps (7.0 is 7), so that they match other tables'."""
    if column.number is None and not column.storage.startswith(("int", "uint", "double", "float")):
        return texts
    return pc.replace_substring_regex(texts, r"^(-?[0-9]+)\.0+$", r"\1")


def _only(texts: pa.Array, column: Column) -> pa.Array:
    """The first of the distinct texts; a second does not fit a constant."""
    return pc.if_else(pa.array(np.arange(len(texts)) == 0), texts, None)


_FROM_TEXT: dict[str, Callable[[pa.Array, Column], pa.Array]] = {
    "integer": lambda t, c: _numbers.read(t, c.number or _numbers.PLAIN, whole=True),
    "number": lambda t, c: _limits.read(t, c.number or _numbers.PLAIN),
    "boolean": _truth_from_text, "duration": _spans_from_text,
    "date": _moments_from_text, "datetime": _moments_from_text, "time": _moments_from_text,
    "category": _same, "text": _same, "key": _key_from_text, "personal": _same, "constant": _only, "empty": _same,
}  # fmt: skip


# ── typed → canonical ───────────────────────────────────────────────────────────────────────────────────────────────


def _parse_typed(values: pa.Array, column: Column) -> tuple[pa.Array, np.ndarray]:
    """Typed cells in canonical form, and a mask of the cells that fit."""
    if pa.types.is_dictionary(values.type):
        return _parse_text(plainly_labelled(values), column)
    values = _drop_missing(values, column)
    parsed = _typed(values, column)
    fits = pc.or_(parsed.is_valid(), values.is_null()).to_numpy(zero_copy_only=False)
    if column.kind in ("category", "empty"):
        return (parsed.dictionary_encode().cast(CATEGORY), fits) if column.kind == "category" else (pa.nulls(len(values)), fits)
    return parsed, fits


def _typed(values: pa.Array, column: Column) -> pa.Array:
    """Typed values as the canonical type (categories still as text); null where one does not fit."""
    kind, source, target = column.kind, values.type, canonical(column)
    if kind in ("category", "key", "personal", "text"):
        return as_text(values)
    if kind == "constant":
        first = values.drop_null()[:1]
        return as_text(pc.if_else(pc.is_in(values, value_set=first), values, None))
    if kind == "empty":
        return pa.nulls(len(values), pa.string())
    counted = pa.types.is_integer(source) or pa.types.is_floating(source) or pa.types.is_decimal(source)
    if kind in _DEFAULT_FORMAT and counted:
        return _moments_from_counts(values, column)
    if kind == "boolean" and counted:
        truth = values.cast(pa.float64())
        return pc.if_else(pc.or_(pc.equal(truth, 0), pc.equal(truth, 1)), pc.equal(truth, 1), None)
    if kind == "integer" and not pa.types.is_integer(source) and counted:
        return _numbers.to_whole(values.cast(pa.float64()))
    if kind == "date" and pa.types.is_timestamp(source):
        days = pc.floor_temporal(values, unit="day")
        return pc.if_else(pc.equal(days, values), values, None).cast(target, safe=False)
    try:
        return values.cast(target, safe=kind not in ("date", "datetime", "time", "duration"))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(values), target)


def _moments_from_counts(values: pa.Array, column: Column) -> pa.Array:
    """Typed numbers as moments: an epoch, or digits such as 20150319."""
    whole = _numbers.to_whole(values.cast(pa.float64())) if not pa.types.is_integer(values.type) else values.cast(pa.int64())
    if column.format is None or column.format in _dates.EPOCHS:
        return _from_epoch(whole, column)
    width = 6 if column.format == "%Y%m" else 8
    return _moments_from_text(pc.utf8_lpad(whole.cast(pa.string()), width, "0"), column)


def _drop_missing(values: pa.Array, column: Column) -> pa.Array:
    """NaN, infinity and the declared missing numbers as null."""
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())  # older Arrow does not calculate with halves
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_finite(values), values, None)
    marks = [m for m in map(_number_of, column.missing) if m is not None]
    if marks and (pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_decimal(values.type)):
        absent = pc.is_in(values.cast(pa.float64(), safe=False), value_set=pa.array(marks, pa.float64()))
        return pc.if_else(absent, None, values)
    return values


def _number_of(text: str) -> float | None:
    """The finite number that a missing spelling is (-999), if it is one."""
    found = _numbers.read(pa.array([text]), _numbers.PLAIN, whole=False)[0].as_py()
    return found


def as_text(values: pa.Array) -> pa.Array:
    """Typed values as text; whole floats as integers (17850.0 as 17850)."""
    if pa.types.is_floating(values.type):
        return _numbers.write(values.cast(pa.float64()), NumberFormat())
    return values.cast(pa.string())


# ── canonical → raw ─────────────────────────────────────────────────────────────────────────────────────────────────


def _to_text(values: pa.Array, column: Column) -> pa.Array:
    """A canonical column as texts, missing still null."""
    if pa.types.is_dictionary(values.type):
        return values.cast(pa.string())
    if column.kind in ("integer", "number"):
        form = column.number or NumberFormat()
        return _distinct(values, lambda v: _limits.write(v, form))
    if column.kind == "boolean":
        no, yes = column.labels or ("False", "True")
        return pc.if_else(values, yes, no)
    if column.kind in _DEFAULT_FORMAT:
        return _distinct(values, lambda v: _moments_to_text(v, column))
    if column.kind == "key" and column.number is not None and column.number.pad:
        return pc.replace_substring_regex(values.cast(pa.string()), "^(-?[0-9]+)$", r"\1." + "0" * column.number.pad)
    return values.cast(pa.string())


def _distinct(values: pa.Array, write: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """`write` of the distinct values only, where there are few of them."""
    if len(values) < 1_000 or pa.types.is_floating(values.type):
        return write(values)  # floats are mostly distinct, and -0.0 must stay apart from 0.0
    coded = values.dictionary_encode()
    return write(coded.dictionary).take(coded.indices)


def _micros(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """A temporal column as int64 microseconds and its missing mask."""
    if pa.types.is_date(values.type):
        whole = pc.multiply(values.cast(pa.int32()).cast(pa.int64()), _dates.DAY)
    else:
        whole = values.cast(pa.int64())
    return whole.fill_null(0).to_numpy(zero_copy_only=False), values.is_null().to_numpy(zero_copy_only=False)


def _moments_to_text(values: pa.Array, column: Column) -> pa.Array:
    """A canonical temporal column as texts."""
    pattern = column.format or _DEFAULT_FORMAT[column.kind]
    if pattern in _dates.EPOCHS:
        return _to_epoch(values, pattern).cast(pa.string())
    if pattern == "iso":
        return _dates.write_iso(*_micros(values))
    compiled = _dates.compile_pattern(pattern)
    if column.kind == "datetime" and column.zone and _offset(column.zone) is None:
        if "z" in compiled.fields:
            raise SchemaError(
                f"{column.zone} has no fixed offset to write with %z",
                where=column.name,
                fix="set zone to UTC or to an offset such as +02:00",
            )
        values = pc.local_timestamp(values)
    offset = (_offset(column.zone) or 0) if column.zone else 0
    return _dates.write(*_micros(values), compiled, offset=offset, span=column.kind == "duration")


def _to_epoch(values: pa.Array, unit: str) -> pa.Array:
    """A canonical temporal column as units since 1970."""
    micros, missing = _micros(values)
    counts = micros * 1000 if unit == "ns" else micros // _dates.EPOCHS[unit]
    return pa.array(counts, pa.int64(), mask=missing)


def _to_typed(values: pa.Array, column: Column, target: pa.DataType) -> pa.Array:
    """A canonical column as a typed one."""
    counted = pa.types.is_integer(target) or pa.types.is_floating(target) or pa.types.is_decimal(target)
    if column.kind == "category":
        return values.dictionary.cast(target).take(values.indices) if counted else values.cast(pa.string()).cast(target)
    if column.kind in _DEFAULT_FORMAT and counted:
        pattern = column.format or "s"
        counts = _to_epoch(values, pattern) if pattern in _dates.EPOCHS else _moments_to_text(values, column).cast(pa.int64())
        return counts.cast(target)
    if column.kind == "number" and column.number and column.number.decimals is not None and counted:
        values = _rounded(values, column.number.decimals)
    if pa.types.is_decimal(target) and not is_text(values.type):
        texts = _numbers.write(values, NumberFormat(decimals=target.scale, pad=max(target.scale, 0)))
        return texts.cast(target)
    if column.kind == "boolean" and counted:
        return values.cast(pa.int8()).cast(target)
    loose = pa.types.is_temporal(target) or pa.types.is_float32(target) or pa.types.is_float16(target)
    return values.cast(target, safe=not loose)


def _rounded(values: pa.Array, decimals: int) -> pa.Array:
    """float64 rounded; those too large to be rounded exactly stay as they are."""
    x = values.fill_null(0).to_numpy(zero_copy_only=False)
    exact = np.abs(x) * 10.0**decimals < _numbers.EXACT
    return pa.array(np.where(exact, np.round(x, decimals), x), mask=values.is_null().to_numpy(zero_copy_only=False))


def _mark_missing(values: pa.Array, column: Column) -> pa.Array:
    """Missing values as the source's own mark (NaN, -999), where it has one."""
    if not column.missing or not values.null_count:
        return values
    mark = column.missing[0]
    if pa.types.is_floating(values.type) and mark == "NaN":
        return values.fill_null(float("nan"))
    number = _number_of(mark)
    counted = pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_decimal(values.type)
    return values.fill_null(pa.scalar(number).cast(values.type)) if number is not None and counted else values


# ── helpers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array of all chunks."""
    if isinstance(values, pa.Array):
        return values
    if values.num_chunks == 1:
        return values.chunk(0)
    chunks = values.unify_dictionaries().chunks
    return pa.concat_arrays(chunks) if chunks else pa.nulls(0, values.type)


def plainly_labelled(values: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same rows with labels of type string."""
    return pa.DictionaryArray.from_arrays(values.indices, values.dictionary.cast(pa.string()))


def _like(rows: Rows, columns: list[pa.Array], schema: pa.Schema) -> Rows:
    """Columns as a table or record batch, whichever `rows` is."""
    return type(rows).from_arrays(columns, schema=schema)


def _misfit(value: object, column: Column, *, table: str, row: int) -> Misfit:
    """The error that names a cell which does not fit."""
    number = column.number or NumberFormat()
    shown = {
        "integer": f"a whole number, {_numbers.write(pa.array([1234]), number)[0]}",
        "number": f"a number, {_numbers.write(pa.array([1234.5]), number)[0]}",
        "boolean": " or ".join(column.labels or ("False", "True")),
        "empty": "nothing, as no value was seen",
        "constant": "one value only",
    }.get(column.kind, f"a {column.kind} written {column.format or _DEFAULT_FORMAT.get(column.kind)}")
    fix = f"expected {shown}; mend the cell, list {value!r} in the column's missing, or change its kind in the schema"
    what = f"{value!r} does not fit the kind {column.kind}"
    return Misfit(what, table=table, column=column.name, row=row, value=value, fix=fix)
