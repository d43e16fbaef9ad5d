"""Whose data tables are, guessed where nobody says: of linked tables that of persons, or else the one on which most rows hang; of a single
table only a hint is given, where rows of one identifier stand together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from lookalike.data import _names, formats
from lookalike.schema import Schema, Table

__all__ = ["HINT", "hint", "likely"]

PERSONS = frozenset({"name", "first_name", "last_name", "email", "user_name", "phone", "iban", "card", "national_id"})
"""What a row of persons has one of; addresses and companies are also of things."""
FEWEST = 20
"""Rows of a subject's table at least: a handful of employees, shops or years are not those whom a guarantee protects."""

TOGETHER = 0.9
"""Share of the rows of a value that stand next to another of it, from which rows stand together."""
FEW, MANY = 1.5, 1_000
"""Rows of a subject, on average, at least and at most: a department or country is none."""
HINT = "rows that share a value of "


def hint(table: Table, rows: pa.Table) -> str | None:
    """What is to be told of a single table without a subject, in which rows that have the same identifier stand together; else None."""
    found = []
    for c in table:
        named = _names.is_id(c.name) and not {"unnamed", "rowid", "index"} & set(_names.words(c.name))
        if not named or c.unique or c.name in table.key or c.kind not in ("key", "category", "integer", "text", "personal"):
            continue
        values = formats.whole(rows.column(c.name)).drop_null()
        values = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        codes = values.indices.to_numpy(zero_copy_only=False)
        count = len(np.unique(codes))
        if count < FEWEST or not FEW <= len(codes) / count <= MANY:
            continue
        if (codes[1:] == codes[:-1]).sum() >= TOGETHER * (len(codes) - count):
            found.append((count, c.name, len(codes) / count))
    if not found:
        return None
    _, name, each = min(found)
    return (
        f"{HINT}{name} stand together, {each:.1f} on average: if they are of one person or thing, name it as the subject "
        f"(--subject {name}, subject={name!r} in Python), as each row is else taken for somebody's own"
    )


def likely(schema: Schema, rows: Mapping[str, int]) -> str | None:
    """`table.column`, the key of the likeliest subject; None if no table with a key of one column and enough rows is linked to.

    rows: of each table.
    """
    able = [t for t in schema.tables if len(t.key) == 1 and not t.public and rows[t.name] >= FEWEST and schema.descendants(t.name)]
    if not able:
        return None

    def rank(table: Table) -> tuple[bool, int]:
        hanging = sum(rows[name] for name in schema.descendants(table.name))
        return any(c.personal in PERSONS for c in table), hanging

    best = max(able, key=rank)
    return f"{best.name}.{best.key[0]}"
