"""Linked tables to be judged, read as far as they fit the real ones' schema: broken keys and links are what the report is there to find."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lookalike.data import Dataset, formats
from lookalike.data.formats import Misfit
from lookalike.data.infer import conform, parsed
from lookalike.data.several import several
from lookalike.data.source import Source
from lookalike.errors import DataError
from lookalike.schema import Schema, Table


def fitting(source: Any, schema: Schema, *, role: str) -> tuple[Dataset, list[str]]:
    """`source` read by as much of `schema` as fits it, and what to say of the rest. Keys and links are not checked.

    Raises:
        DataError: it is one table, or lacks one.
    """
    if isinstance(source, Dataset):
        return source, []
    raw = several(source, named=True)
    if raw is None:
        return Dataset.of(source, schema=schema), []
    lost = [t.name for t in schema.tables if t.name not in raw.sources]
    if lost:
        what = f"the {role} database lacks {', '.join(map(repr, lost[:8]))} (it has {', '.join(map(repr, raw.sources))})"
        raise DataError(what, where=raw.where, fix="compare a database with its own synthetic version: all tables, under the same names")
    tables, rows, notes = [], {}, []
    for table in schema.tables:
        kept, rows[table.name], said = _some(raw.sources[table.name], table, role)
        tables.append(kept)
        notes += said
    return Dataset.from_arrow(rows, schema.model_copy(update={"tables": tuple(tables)})), notes


def _some(source: Source, table: Table, role: str) -> tuple[Table, pa.Table, list[str]]:
    """The rows of a table in the columns that are there and fit, its schema without the others, and what to say of what does not fit."""
    there, notes = set(source.schema.names), list[str]()
    while True:
        kept = _narrowed(table, there)
        if not kept.columns:
            raise DataError(f"no column of the {role} table is of the kind that the real one has", where=table.name, fix="; ".join(notes))
        try:
            found = conform(source, kept)
        except Misfit as error:
            there.discard(error.column)
            notes.append(
                f"In the {role} table {table.name!r} {error.column!r} is not of the kind that the real one has: {error.what}. Not compared."
            )
            continue
        whole = found.canonical
        if whole is None:
            whole = pa.Table.from_batches(list(parsed(source, kept)), formats.canonical_schema(kept)).unify_dictionaries()
        return kept, whole, notes


def _narrowed(table: Table, there: set[str]) -> Table:
    """The schema of the columns that are there; a key, link or order over others is none."""
    facts = {
        "columns": tuple(c for c in table.columns if c.name in there),
        "key": table.key if set(table.key) <= there else (),
        "links": tuple(link for link in table.links if set(link.columns) <= there),
        "order": table.order if table.order in there else None,
    }
    return table.model_copy(update=facts)
