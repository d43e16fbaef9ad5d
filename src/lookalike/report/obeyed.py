"""Rules that the real rows obey, found by a quick look, and the share of the synthetic rows that obey each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.data import Dataset
from lookalike.errors import SettingError
from lookalike.rules import Found, Rules, find
from lookalike.schema import Schema

ROWS, COLUMNS = 5_000, 100
"""Real rows that are searched for rules, and columns, the first, at most: a second or two."""
HOLDS = 0.99
"""Share of all real rows in which a rule must hold that holds in all rows searched."""
MOST = 200
"""Rules that are told at most."""

Told = list[dict[str, Any]]


def rules(tables: Mapping[str, pa.Table], schema: Schema, names: Sequence[str], seed: int) -> dict[str, Told]:
    """{role of each synthetic table: what is told of each rule}, the rule broken most often first.

    Each has text, kind, columns, and the percent of the rows that obey: of the `real` table, the `holdout` (None without one) and the
    `synthetic` one. A row in which a cell is missing that the rule needs obeys. names: the columns that are compared.
    """
    roles = [role for role in tables if role == "synthetic" or role.startswith("other: ")]
    real = _narrowed(tables["real"], schema, names)
    rows = np.sort(np.random.default_rng([seed, 7]).permutation(real.rows)[:ROWS])
    kept = [found for found in find(real.take(rows)) if set(found.columns) <= set(real.schema.table.names)]
    read = _read(kept, real)
    shares = {role: _shares(read, tables[role], real) for role in ("real", "holdout", *roles) if role in tables}
    told: dict[str, Told] = {}
    for role in roles:
        lines = [
            {"text": one.text, "kind": one.kind, "columns": list(one.columns)}
            | {"real": shares["real"][k], "holdout": shares["holdout"][k] if "holdout" in shares else None, "synthetic": shares[role][k]}
            for k, (one, _) in enumerate(read)
            if shares["real"][k] >= 100 * HOLDS
        ]
        told[role] = sorted(lines, key=lambda line: line["synthetic"])[:MOST]
    return told


def _narrowed(table: pa.Table, schema: Schema, names: Sequence[str]) -> Dataset:
    """The real table with the first of the compared columns, and that of its subject."""
    whole = schema.table
    subject = None if schema.subject is None else schema.column(schema.subject)[1].name
    chosen = {*list(names)[:COLUMNS], *([subject] if subject is not None else [])}
    columns = tuple(c for c in whole.columns if c.name in chosen)
    there = {c.name for c in columns}
    facts = {
        "columns": columns,
        "key": whole.key if set(whole.key) <= there else (),
        "order": whole.order if whole.order in there else None,
        "dialect": None,
    }
    made = Schema(tables=(whole.model_copy(update=facts),), subject=schema.subject)
    return Dataset.from_arrow({whole.name: table.select([c.name for c in columns])}, made)


def _read(found: Sequence[Found], real: Dataset) -> list[tuple[Found, Rules]]:
    """The rules, with the combinations that the real rows have."""
    read = []
    for one in found:
        try:
            read.append((one, Rules.of([one.text], real.schema).learn(real, protect=1)))
        except SettingError:  # beyond what the rules of a schema may say
            continue
    return read


def _shares(read: Sequence[tuple[Found, Rules]], table: pa.Table, real: Dataset) -> list[float]:
    """The percent of the rows of a table that obey each rule."""
    rows = table.select(list(real.schema.table.names))
    return [100 * float(next(iter(rules.holds(rows).values())).mean()) for _, rules in read]
