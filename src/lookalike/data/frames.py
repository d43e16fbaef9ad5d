"""Frames of other libraries, in and out by Arrow: the kind that came in goes out. No library is imported before its frame is seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data import formats
from lookalike.data.source import Source, refuse_twins, source
from lookalike.errors import DataError
from lookalike.schema import Column, Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Frame:
    """What a frame was, beyond its values: the library, and what pandas or polars knew of its columns."""

    kind: str = "pandas"
    labels: dict[str, Any] = field(default_factory=dict)
    dtypes: dict[str, Any] = field(default_factory=dict)
    index: tuple[str, ...] = ()


def take_in(frame: Any) -> tuple[Source, Frame]:
    """The source for a frame in memory, and what the frame was.

    Raises:
        DataError: it is no frame, or a column cannot be read.
    """
    library = type(frame).__module__.partition(".")[0]
    if library == "pandas":
        return _from_pandas(frame)
    if library == "polars" and hasattr(frame, "collect"):
        frame = frame.collect()
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    if not hasattr(frame, "__arrow_c_stream__"):
        raise DataError(
            f"{type(frame).__name__} is not a table",
            where="the data",
            fix="give a path, a database URL, or a pandas, polars, pyarrow or duckdb frame",
        )
    kind = library if library in ("polars", "duckdb") else "arrow"
    dtypes = dict(frame.schema) if library == "polars" else {}
    if library == "duckdb" and hasattr(frame, "project"):
        frame = frame.project("*")  # before DuckDB 1.3 reading a relation closes it
    return _source(pa.table(frame)), Frame(kind, dtypes=dtypes)


def give_back(canonical: pa.Table, table: Table, frame: Frame) -> Any:
    """Canonical rows as a frame of the kind that came in."""
    if table.dialect is not None and frame.kind == "pandas":
        return _to_pandas(_as_read(typed(canonical, table, moments=False), canonical, table), frame)
    raw = formats.restore(canonical, table)
    if frame.kind == "polars":
        return _to_polars(raw, frame)
    if frame.kind == "duckdb":
        import duckdb

        return duckdb.from_arrow(raw)
    return _to_pandas(raw, frame) if frame.kind == "pandas" else raw


def typed(canonical: pa.Table | pa.RecordBatch, table: Table, *, moments: bool) -> pa.Table:
    """Rows as typed columns, also those that the source wrote as text: plain numbers are numbers, the rest is as it was written.

    Args:
        moments: dates and times written as text become dates and times.
    """
    convert = _raw if table.dialect is None else partial(_typed, moments=moments)
    return pa.table([convert(canonical.column(c.name), c, table.name) for c in table], names=list(table.names))


def _raw(values: pa.Array | pa.ChunkedArray, column: Column, where: str) -> pa.Array:
    return formats.restore_column(values, column, where=where)


def _typed(values: pa.Array | pa.ChunkedArray, column: Column, where: str, *, moments: bool) -> pa.Array | pa.ChunkedArray:
    if column.kind in ("integer", "number") and _is_plain(column):
        return values
    if column.kind == "empty" or (moments and column.kind in ("date", "datetime", "time", "duration")):
        return values
    if column.kind == "boolean" and column.labels is not None:
        if {label.lower() for label in column.labels} == {"true", "false"}:
            return values
        if set(column.labels) == {"0", "1"}:
            return _raw(values, column.model_copy(update={"storage": "int64"}), where)
    if column.kind == "key" and column.number is not None and is_whole(values):
        return values.cast(pa.int64())
    text = _raw(values, column, where)
    return pc.if_else(values.is_null(), pa.scalar(None, pa.string()), text) if values.null_count else text


def is_whole(values: pa.Array | pa.ChunkedArray) -> bool:
    """Whether texts are all integers, without leading zeros; nulls may be among them."""
    return pc.all(pc.match_substring_regex(values, r"^(0|-?[1-9]\d{0,17})$")).as_py() is not False


def _as_read(rows: pa.Table, canonical: pa.Table, table: Table) -> pa.Table:
    """Texts that are all integers, without leading zeros, as integers; of a category all levels, whichever are there.

    A column that is text though it holds digits has leading zeros somewhere, and stays text where these rows happen to have none.
    """
    columns = []
    for column, mine in zip(rows.columns, table, strict=True):
        plain = column.type == pa.string() and column.null_count < len(column) and mine.kind != "text" and is_whole(column)
        if plain and pa.types.is_dictionary(canonical.column(mine.name).type):
            plain = all(is_whole(chunk.dictionary) for chunk in canonical.column(mine.name).chunks)
        columns.append(column.cast(pa.int64()) if plain else column)
    return pa.table(columns, names=rows.column_names)


def _is_plain(column: Column) -> bool:
    """Whether a number is written as a program writes it."""
    n = column.number
    return n is None or not (n.thousands or n.prefix or n.suffix or n.width or n.limits or n.point != ".")


# --------------------------------------------------------------------------------------------------------------- pandas


def _from_pandas(frame: Any) -> tuple[Source, Frame]:
    """A named index becomes columns and comes back as the index; a nameless one is row numbers, and left out."""
    import pandas as pd

    frame = frame.to_frame() if isinstance(frame, pd.Series) else frame
    named = [n for n in frame.index.names if n is not None]
    index = tuple(map(str, named)) if len(named) == frame.index.nlevels else ()
    notes = () if index or isinstance(frame.index, pd.RangeIndex) else ("the nameless index was left out",)
    frame = frame.reset_index() if index else frame
    names = [str(label) for label in frame.columns]
    refuse_twins(names, "the data frame")
    columns, said = [], []
    for at, name in enumerate(names):
        array, note = _from_series(frame.iloc[:, at], name)
        columns.append(array)
        said += note
    labels = dict(zip(names, frame.columns, strict=True))
    dtypes = dict(zip(names, frame.dtypes, strict=True))
    return _source(pa.table(columns, names=names), notes=(*notes, *said)), Frame("pandas", labels, dtypes, index)


def _from_series(series: pd.Series, name: str) -> tuple[pa.Array, list[str]]:
    """A column as Arrow; one of several Python types is read as text, periods by the moment that they begin at, intervals as text.

    Raises:
        DataError: it holds what is no single value, or periods of years that no datetime has.
    """
    import pandas as pd

    if isinstance(series.dtype, pd.PeriodDtype):
        return _begins(series, name), []
    if isinstance(series.dtype, pd.IntervalDtype):
        return pa.array(series.astype("string"), pa.string(), from_pandas=True), [f"{name} holds intervals, and was read as text"]
    if isinstance(series.dtype, pd.CategoricalDtype) and isinstance(series.cat.categories.dtype, pd.IntervalDtype):
        series = series.cat.rename_categories(list(map(str, series.cat.categories)))
    try:
        return pa.array(series, from_pandas=True), []
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        if any(isinstance(v, (list, dict, set, tuple, bytes)) for v in series.head(1000)):
            raise DataError(
                "holds lists, records or bytes, and a cell must be a single value", where=name, fix="spread it over columns"
            ) from None
        text = series.astype("string")
        return pa.array(text, pa.string(), from_pandas=True), [f"{name} holds values of several types, and was read as text"]


def _begins(series: pd.Series, name: str) -> pa.Array:
    """Periods as the days that they begin at, or the moments, if some are no days."""
    try:
        begins = series.dt.to_timestamp(how="start")
    except ValueError:
        fix = "give them as text, or leave the column out"
        raise DataError("holds periods of years that no datetime has", where=name, fix=fix) from None
    days = bool((begins.dt.normalize() == begins)[begins.notna()].all())
    return pa.array(begins, pa.timestamp("us"), from_pandas=True, safe=False).cast(pa.date32() if days else pa.timestamp("us"), safe=False)


def _to_pandas(raw: pa.Table, frame: Frame) -> pd.DataFrame:
    out = raw.to_pandas(date_as_object=bool(frame.dtypes))
    for name in raw.column_names:
        if name in frame.dtypes:
            out[name] = _as(out[name], frame.dtypes[name])
    if frame.labels:
        out.columns = [frame.labels[n] for n in raw.column_names]
    return out.set_index([frame.labels[n] for n in frame.index]) if frame.index else out


def _as(series: pd.Series, dtype: Any) -> pd.Series:
    """A column in the dtype that it came in, where its values allow; a categorical knows only the categories that occur."""
    import pandas as pd

    if isinstance(dtype, pd.PeriodDtype):
        moments = pd.to_datetime(series, errors="coerce")
        return series if (moments.isna() & series.notna()).any() else moments.dt.to_period(dtype.freq)
    if isinstance(dtype, pd.CategoricalDtype):
        if isinstance(dtype.categories.dtype, pd.IntervalDtype):
            series = series.astype("object").map({str(c): c for c in dtype.categories})
        present = set(series.dropna())
        known = [c for c in dtype.categories if c in present]
        return series.astype(pd.CategoricalDtype(known + sorted(present - set(known)), dtype.ordered))
    try:
        return series if series.dtype == dtype else series.astype(dtype)
    except (ValueError, TypeError, OverflowError):
        return series


# --------------------------------------------------------------------------------------------------------------- others


def _to_polars(raw: pa.Table, frame: Frame) -> Any:
    import polars as pl

    out = pl.from_arrow(raw)
    casts = [pl.col(n).cast(t, strict=False) for n, t in frame.dtypes.items() if n in out.columns and out.schema[n] != t]
    return out.with_columns(casts)


def _source(table: pa.Table, *, notes: tuple[str, ...] = ()) -> Source:
    return source("table", "the data frame", table.schema, lambda columns: iter(table.select(columns).to_batches()), notes=notes)
