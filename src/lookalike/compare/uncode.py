"""Frames turned back into canonical tables, so that a model can learn from rows that an attack has chosen."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.compare.frame import Frame, code
from lookalike.schema import Column

LOST = frozenset({"text"})
"""Kinds of which a frame holds only a shadow, the length."""


def columns(frame: Frame) -> tuple[Column, ...]:
    """The columns whose cells can be had back."""
    return tuple(c for c in frame.columns if c.kind not in LOST)


def uncode(frame: Frame) -> pa.Table:
    """The canonical table of a frame, without what cannot be had back."""
    return pa.table({c.name: _cells(frame, c) for c in columns(frame)})


def recode(table: pa.Table, like: Frame) -> Frame:
    """A canonical table coded as `like` is; levels that it does not know, and columns that the table lacks, are missing."""
    known = tuple(c for c in like.columns if c.name in table.column_names)
    found = code({"rows": table}, known)["rows"]
    values: dict[str, np.ndarray] = {}
    for c in like.columns:
        if c.name not in found.values:
            values[c.name] = np.full(table.num_rows, np.nan)
        elif like.is_label(c.name):
            values[c.name] = _levels(found, c.name, like.levels[c.name])[found[c.name]]
        else:
            values[c.name] = found[c.name]
    return Frame(like.columns, values, like.levels, table.num_rows)


def _levels(found: Frame, name: str, levels: tuple[str, ...]) -> np.ndarray:
    """The code of each level in `levels`; the spare last entry answers code -1 (missing)."""
    at = {text: i for i, text in enumerate(levels)}
    return np.array([*(at.get(text, -1) for text in found.levels[name]), -1], np.int32)


def _cells(frame: Frame, column: Column) -> pa.Array:
    values, gone = frame[column.name], frame.missing(column.name)
    if frame.is_label(column.name):
        texts = pa.array(np.where(gone, 0, values), pa.int32(), mask=gone)
        texts = pc.take(pa.array(frame.levels[column.name], pa.string()), texts)
        return texts.dictionary_encode() if column.kind == "category" else texts.cast(pa.bool_()) if column.kind == "boolean" else texts
    if column.kind == "number":
        return pa.array(values, pa.float64(), mask=gone)
    whole = pa.array(np.where(gone, 0, np.rint(np.where(gone, 0, values))).astype(np.int64), mask=gone)
    types = {
        "date": pa.date32(),
        "datetime": pa.timestamp("us", column.zone),
        "time": pa.time64("us"),
        "duration": pa.duration("us"),
    }
    kind = types.get(column.kind)
    if kind is None:
        return whole
    return whole.cast(pa.int32()).cast(kind) if column.kind == "date" else whole.cast(kind)
