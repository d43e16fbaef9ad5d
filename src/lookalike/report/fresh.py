"""Columns that are not compared, and why; of personal ones, whether their values are fresh: made anew, not those of real people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lookalike.compare.stats import wilson
from lookalike.schema import Column

ROWS = 100_000
"""Rows of a table whose values are looked up."""
SUBJECT, UNLIKE = "says whose a row is", "not of one kind in all tables"
WHY = {"key": "a key: values are made afresh", "personal": "personal: values are made afresh", "empty": "no values"}


def left_out(
    columns: tuple[Column, ...], kept: tuple[str, ...], tables: Mapping[str, pa.Table], why: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Each column that is not compared: `name` and `why`, as given for some; of a personal one also `copied`, the share of synthetic values
    that stand in the training column, and `chance`, the share of held-out real values that do (None without a holdout)."""
    found: list[dict[str, Any]] = []
    for column in columns:
        if column.name in kept:
            continue
        entry: dict[str, Any] = {"name": column.name, "why": why.get(column.name) or WHY.get(column.kind, "not in all tables")}
        if column.kind == "personal" and all(column.name in t.column_names for t in tables.values()):
            entry |= _copied(column.name, tables)
        found.append(entry)
    return found


def copied(entries: list[dict[str, Any]]) -> list[str]:
    """What to say of personal columns of which more values stand in the training rows than of fresh rows."""
    said = []
    for entry in entries:
        if entry.get("copied") is None or entry["low"] <= max(entry["chance"] or 0.0, 0.01):
            continue
        beside = "" if entry["chance"] is None else f", and {100 * entry['chance']:.1f} % of the held-out ones"
        share = f"{100 * entry['copied']:.1f} % of the synthetic values of the personal column {entry['name']!r}"
        said.append(f"{share} are values of real rows{beside}.")
    return said


def _copied(name: str, tables: Mapping[str, pa.Table]) -> dict[str, Any]:
    known = pc.unique(tables["real"].column(name).cast(pa.string())).drop_null()

    def share(role: str) -> tuple[float, float] | None:
        values = tables[role].column(name).cast(pa.string()).slice(0, ROWS).drop_null()
        if not len(values):
            return None
        hits = int(pc.sum(pc.is_in(values, value_set=known)).as_py())
        return hits / len(values), wilson(hits, len(values))[0]

    mine = share("synthetic")
    chance = share("holdout") if "holdout" in tables else None
    if mine is None:
        return {"copied": None, "low": None, "chance": None, "why": WHY["personal"]}
    beside = "" if chance is None else f", {100 * chance[0]:.1f} % of held-out ones"
    why = f"{WHY['personal']}; {100 * mine[0]:.1f} % of them are in the training rows{beside}"
    return {"copied": mine[0], "low": mine[1], "chance": chance and chance[0], "why": why}
