"""Whose data linked tables are, guessed where nobody says: the table of persons, or else the one on which most rows hang."""

from __future__ import annotations

from collections.abc import Mapping

from lookalike.schema import Schema, Table

__all__ = ["likely"]

PERSONS = frozenset({"name", "first_name", "last_name", "email", "user_name", "phone", "iban", "card", "national_id"})
"""What a row of persons has one of; addresses and companies are also of things."""
FEWEST = 20
"""Rows of a subject's table at least: a handful of employees, shops or years are not those whom a guarantee protects."""


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
