"""A table that does not quite fit the real one's schema: what fits is read, the rest is left out and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lookalike.data import Dataset, columns_of
from lookalike.data.formats import Misfit
from lookalike.errors import DataError
from lookalike.report import fitting_linked
from lookalike.schema import Schema, Table


def fitting(source: Any, schema: Schema, *, role: str) -> tuple[Dataset, list[str]]:
    """`source` read by as much of `schema` as fits it, and what to say of the rest.

    Raises:
        DataError: it is no table, has no rows, or not one column of the schema.
    """
    if schema.linked:
        return fitting_linked.fitting(source, schema, role=role)
    try:
        return Dataset.of(source, schema=schema), []
    except Misfit as error:
        if error.column not in schema.table.names:
            raise
    except DataError:
        if not set(schema.table.names) - set(columns_of(source)):
            raise
    return _some(source, schema, role)


def _some(source: Any, schema: Schema, role: str) -> tuple[Dataset, list[str]]:
    there = columns_of(source)
    kept = [n for n in schema.table.names if n in there]
    notes = []
    if not kept:
        seen = ", ".join(map(repr, there[:8]))
        what = f"the real and the {role} table have no column in common (real: {_listed(schema.table)}; {role}: {seen})"
        raise DataError(what, where="report", fix="compare a table with its own synthetic version")
    while kept:
        try:
            return Dataset.of(source, schema=_narrowed(schema, kept)), notes
        except Misfit as error:
            kept = [n for n in kept if n != error.column]
            notes.append(
                f"In the {role} table {error.column!r} is not of the kind that the real table has ({error.what}): it was not compared."
            )
    raise DataError(f"no column of the {role} table is of the kind that the real table has", where="report", fix=notes[0])


def unlike(columns: Sequence[str], notes: Sequence[str]) -> set[str]:
    """Those of the columns of which `notes` say that a table has them, and of another kind."""
    return {name for name in columns if any(f" {name!r} is not of the kind that the real " in note for note in notes)}


def _listed(table: Table) -> str:
    return ", ".join(map(repr, table.names[:8]))


def _narrowed(schema: Schema, kept: list[str]) -> Schema:
    """The schema of some of the columns, in which cells may be missing unless a person said that none may; a key or order over others is
    none."""
    columns = tuple(c if "nullable" in c.declared else c.model_copy(update={"nullable": True}) for c in schema.table if c.name in kept)
    return Schema(tables=(schema.table.model_copy(update={"columns": columns, "key": (), "links": (), "order": None}),))
