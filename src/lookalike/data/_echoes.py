"""Columns that repeat personal ones of the row that they refer to, such as the name that an order is shipped to: they are personal, too.

Alone such a column looks like a category, as each value comes many times: and its levels, which are somebody's name, would be given out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.data.linked import owners
from lookalike.schema import Column, Table

MOSTLY, FEWEST = 0.5, 10
"""Share of the rows that repeat what the row referred to says; rows by which this is found at least."""
ABLE = frozenset({"category", "text"})


def personal_too(tables: Mapping[str, Table], rows: Mapping[str, pa.Table]) -> tuple[dict[str, Table], dict[str, pa.Table], list[str]]:
    """Tables and canonical rows in which such columns are personal, and notes that say which."""
    made, data, notes = dict(tables), dict(rows), []
    for name, table in tables.items():
        for link in table.links:
            parent = tables[link.table]
            theirs = [c for c in parent if c.kind == "personal"]
            mine = [c for c in made[name] if c.kind in ABLE and c.name not in link.columns]
            if name == link.table or not theirs or not mine:
                continue
            to = owners(rows, name, link)
            for column in mine:
                like = _repeated(rows[name][column.name], rows[link.table], theirs, to)
                if like is not None:
                    made[name], data[name] = _as_personal(made[name], data[name], column, like)
                    notes.append(f"{name}.{column.name} repeats {link.table}.{like.name}, and is personal as that is: {like.personal}")
    return made, data, notes


def _repeated(values: pa.ChunkedArray, rows: pa.Table, theirs: list[Column], to: np.ndarray) -> Column | None:
    """Which of the personal columns is repeated the most, if one is."""
    there = np.flatnonzero((to >= 0) & values.is_valid().to_numpy(zero_copy_only=False))
    if len(there) < FEWEST:
        return None
    mine = values.take(pa.array(there)).cast(pa.string())
    if pc.count_distinct(mine).as_py() < 2:
        return None
    shares = [pc.mean(pc.equal(mine, rows[c.name].take(pa.array(to[there]))).fill_null(False).cast(pa.float64())).as_py() for c in theirs]
    best = int(np.argmax(shares))
    return theirs[best] if shares[best] >= MOSTLY else None


def _as_personal(table: Table, rows: pa.Table, column: Column, like: Column) -> tuple[Table, pa.Table]:
    """The table in which `column` is personal as `like` is."""
    facts = {"kind": "personal", "personal": like.personal, "locale": like.locale, "format": like.format, "unique": False}
    columns = tuple(c.model_copy(update=facts) if c.name == column.name else c for c in table)
    at = rows.schema.get_field_index(column.name)
    return table.model_copy(update={"columns": columns}), rows.set_column(at, column.name, rows[column.name].cast(pa.string()))
