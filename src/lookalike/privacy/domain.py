"""What must be public before a private fit: every fact of a schema that was not declared was read from the data, and would leak.

`undeclared` lists what is missing, `skeleton` writes down what a person is to look at, fill in and thereby declare, and `bounded` keeps to
so many rows of a subject as the guarantee is stated for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lookalike.errors import CannotError, SchemaError
from lookalike.schema import Column, Schema

if TYPE_CHECKING:
    from lookalike.data import Dataset

BOUNDED = frozenset({"integer", "number", "date", "datetime", "duration"})
LISTED = frozenset({"category", "constant"})
VALUES = ("levels", "low", "high")
"""Facts that are values, and are never read from the data into a skeleton."""
_ALWAYS = ("kind", "nullable")
_UNSAID = ("name", "declared", "note")
SHOWN = 8


def undeclared(schema: Schema, *, buy: bool = False) -> list[str]:
    """`column: facts` that a private fit needs and the schema does not declare; with `buy`, values may be bought and are not needed."""
    return [f"{c.name}: {', '.join(lacking)}" for c in schema.table if (lacking := _lacking(c, buy=buy))]


def check(schema: Schema, *, buy: bool = False) -> None:
    """Refuse a private fit on facts that were read from the data.

    Raises:
        SchemaError: facts that are needed are not declared; lists them, and the command that writes a skeleton.
        CannotError: a column is free text, of which nothing can be told privately.
    """
    for c in schema.table:
        if c.kind == "text":
            fix = "leave the column out, or declare it a category with levels, or a key"
            raise CannotError("free text cannot be learned privately", where=f"{schema.table.name}.{c.name}", fix=fix)
    lacking = undeclared(schema, buy=buy)
    if not lacking:
        return
    shown = "; ".join(lacking[:SHOWN]) + (f"; and {len(lacking) - SHOWN} more columns" if len(lacking) > SHOWN else "")
    bought = "" if buy else ", or let levels and bounds be bought from the budget: --buy"
    fix = f"write them down in a schema: lookalike schema DATA --public --out schema.json, and give it: --schema schema.json{bought}; "
    fix += "in Python: lookalike.privacy.skeleton(schema).amend(column, levels=…, low=…, high=…)"
    raise SchemaError(f"a private fit needs public facts, and these were read from the data: {shown}", where=schema.table.name, fix=fix)


def skeleton(schema: Schema) -> Schema:
    """The schema as a person would publish it: how columns are written is declared, values (levels, bounds) are left to be filled in.

    What a person declared before stays. Whoever takes the skeleton over says that what stands in it is public.
    """
    made = schema
    for c in schema.table:
        hidden = {fact: None for fact in VALUES if fact not in c.declared and getattr(c, fact) is not None}
        known = tuple(sorted({*c.declared, *_said(c), *_ALWAYS, *_valued(c)}))
        changed = c.model_copy(update={**hidden, "declared": known, "note": _note(c)})
        columns = tuple(changed if x.name == c.name else x for x in made.table.columns)
        made = made.model_copy(update={"tables": (made.table.model_copy(update={"columns": columns}),)})
    return made


def published(schema: Schema) -> Schema:
    """The schema as a private model may carry it: without notes, in which detection may have quoted the data."""
    tables = []
    for table in schema.tables:
        columns = tuple(c.model_copy(update={"note": None}) for c in table.columns)
        tables.append(table.model_copy(update={"columns": columns}))
    return schema.model_copy(update={"tables": tuple(tables)})


def bounded(data: Dataset, most: int) -> Dataset:
    """At most `most` rows of each subject, chosen at random without regard to any other subject; rows without a subject are left out.

    Where each row is a subject of its own, all rows.
    """
    if data.schema.subject is None:
        return data
    import secrets

    _, column = data.schema.column(data.schema.subject)
    known = np.concatenate([b.column(column.name).is_valid().to_numpy(zero_copy_only=False) for b in data.batches()])
    subjects = data.subjects()
    lots = np.random.default_rng(secrets.randbits(128)).random(len(known))
    order = np.lexsort((lots, subjects))
    first = np.flatnonzero(np.diff(subjects[order], prepend=-1))
    rank = np.empty(len(known), np.int64)
    rank[order] = np.arange(len(known)) - np.repeat(first, np.diff(np.append(first, len(known))))
    return data.take(known & (rank < most))


def _lacking(c: Column, *, buy: bool) -> list[str]:
    """Facts of one column that are needed and not declared."""
    needed = dict.fromkeys([*_ALWAYS, *_said(c), *([] if buy else _valued(c))])
    return [fact for fact in needed if fact not in c.declared or (fact in VALUES and getattr(c, fact) is None)]


def _valued(c: Column) -> list[str]:
    """Facts of a column that are values, and without which it cannot be counted."""
    return ["low", "high"] if c.kind in BOUNDED else ["levels"] if c.kind in LISTED else []


def _said(c: Column) -> list[str]:
    """Facts of a column that say something: those that are not as they would be of a column of which nothing is known."""
    plain = Column(name=c.name, kind="text")
    return [fact for fact in Column.model_fields if fact not in _UNSAID and getattr(c, fact) != getattr(plain, fact)]


def _note(c: Column) -> str | None:
    """What is to be filled in, where something is; what detection noted may quote the data."""
    open_ = [fact for fact in _valued(c) if fact not in c.declared or getattr(c, fact) is None]
    return f"fill in {' and '.join(open_)}, from what is publicly known" if open_ else None
