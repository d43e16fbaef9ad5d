"""Keys and links counted: values of keys that stand twice or are missing, references that lead nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.compare.database import Broken, codes, key_state, link_state
from lookalike.schema import Schema
from lookalike.score import Score

DEFINITION = {
    "name": "integrity",
    "kind": "metric",
    "title": "Broken keys and links",
    "text": (
        "Of all keys and links, how many are broken: keys that stand a second time or are missing; references that lead to no row, or are "
        "missing where no real one is; a parent that has several children where no real one has more than one. A database that checks "
        "its constraints takes the tables only if there is none."
    ),
    "source": "referential and entity integrity: Codd 1970",
    "area": "fidelity",
    "better": "lower",
    "against": "train",
    "rows": 0,
    "control_rows": 0,
}
Tables = Mapping[str, Mapping[str, pa.Table]]


def checked(tables: Tables, schema: Schema) -> dict[str, list[dict[str, Any]]]:
    """`keys` and `links` of all tables: `real` and `synthetic` counts of what is wrong, and `broken`, those that count as violations."""
    keys = []
    for table in schema.tables:
        for columns in _keys(schema, table.name):
            state = {role: key_state(tables[role], table, columns) for role in ("real", "synthetic")}
            bad = {role: s.missing + s.repeated for role, s in state.items()}
            keys.append({"table": table.name, "columns": list(columns), **_counts(state), "broken": bad})
    links = []
    for table in schema.tables:
        for number, link in enumerate(table.links):
            state = {role: link_state(tables[role], table, link) for role in ("real", "synthetic")}
            several = {role: _several(tables[role][table.name], link.columns) for role in ("real", "synthetic")}
            given = not state["real"].missing
            bad = {r: s.orphans + s.missing * given + several[r] * (not several["real"]) for r, s in state.items()}
            entry = {"table": table.name, "number": number, "columns": list(link.columns), "to": link.table}
            links.append({**entry, "references": list(link.references), **_counts(state), "broken": bad})
    return {"keys": keys, "links": links}


def _keys(schema: Schema, name: str) -> list[tuple[str, ...]]:
    """The primary key, and what other tables refer to, where that is something else."""
    referred = [lk.references for t in schema.tables for lk in t.links if lk.table == name]
    return [k for k in dict.fromkeys((schema[name].key, *referred)) if k]


def _several(table: pa.Table, columns: tuple[str, ...]) -> int:
    """Rows that refer to a row to which one before them refers."""
    (found,) = codes([(table, columns)])
    there = found[found >= 0]
    return int(len(there) - len(np.unique(there)))


def _counts(state: Mapping[str, Broken]) -> dict[str, Any]:
    return {role: {"rows": s.rows, "orphans": s.orphans, "missing": s.missing, "repeated": s.repeated} for role, s in state.items()}


def score(found: Mapping[str, list[dict[str, Any]]]) -> Score:
    """The share of keys and links that are broken, in percent, beside that of the real tables."""
    every = [*found["keys"], *found["links"]]
    value, real = (100 * sum(e["broken"][r] for e in every) / max(1, sum(e[r]["rows"] for e in every)) for r in ("synthetic", "real"))
    return Score(
        name="integrity",
        title="Broken keys and links",
        metric="integrity",
        area="fidelity",
        unit="%",
        better="lower",
        value=value,
        low=value,
        high=value,
        ceiling=real,
        ceiling_interval=(real, real),
        copy=real,
    )


def violations(found: Mapping[str, list[dict[str, Any]]]) -> int:
    """Broken keys and links of the synthetic tables."""
    return sum(e["broken"]["synthetic"] for part in found.values() for e in part)
