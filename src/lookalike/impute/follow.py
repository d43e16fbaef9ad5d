"""Missing cells that follow from the rest of their row: by an identity, or because another column decides them.

Models see rows in which some cells are missing, and of a total whose parts are missing here and there they hardly learn that it is one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.condition import LABELLED, ORDERED
from lookalike.data import Dataset
from lookalike.data.formats import whole
from lookalike.rules import Rule, Rules, find, nodes
from lookalike.rules.cells import DAY, Cells
from lookalike.rules.mending import column_of
from lookalike.schema import Column

__all__ = ["filled", "followed", "identities"]

ROUNDS = 4
"""What follows from what follows is filled in, so often at most."""
EXACT = frozenset({"identity", "combination"})
"""Kinds of rules by which cells follow."""


def followed(data: Dataset, names: Sequence[str]) -> tuple[pa.Table, Rules]:
    """The canonical table of `data` with those missing cells of the columns `names` filled that follow, and the rules by which they do.

    The rules hold in all rows of `data`, and not by chance.
    """
    table = data.table()
    told = [one for one in find(data) if one.kind in EXACT and any(table[name].null_count for name in one.columns)]
    rules = Rules.of([one.text for one in told], data.schema) if told else Rules((), data.schema.table)
    for _ in range(ROUNDS if told else 0):
        lacking = sum(column.null_count for column in table.columns)
        for rule, one in zip(rules, told, strict=True):
            for name in one.columns:
                if name in names and table[name].null_count:
                    table = _with(table, data.schema.table[name], rule, one.columns)
        if sum(column.null_count for column in table.columns) == lacking:
            break
    return table, rules


def identities(rules: Rules) -> Rules:
    """Those of the rules that are identities of numbers."""
    return Rules(tuple(r for r in rules if isinstance(r.condition, nodes.Compare) and _numeric(r, rules)), rules.table)


def filled(known: pa.ChunkedArray, guess: np.ndarray) -> pa.Array:
    """The cells of a column with the `guess` [missing] where they are missing: numbers as `Cells` has them, or labels as texts."""
    values, kind = whole(known), known.type
    lacks = values.is_null()
    if guess.dtype == object:
        return pc.replace_with_mask(values.cast(pa.string()), lacks, pa.array(guess, pa.string())).cast(kind)
    if pa.types.is_floating(kind):
        return pc.replace_with_mask(values, lacks, pa.array(guess, mask=np.isnan(guess)))
    plain = pa.int32() if pa.types.is_date(kind) else pa.int64()
    rounded = np.rint(np.nan_to_num(guess) / (DAY if pa.types.is_date(kind) else 1)).astype(np.int64)
    return pc.replace_with_mask(values.cast(plain), lacks, pa.array(rounded, mask=np.isnan(guess)).cast(plain)).cast(kind)


def _numeric(rule: Rule, rules: Rules) -> bool:
    return all(rules.table[name].kind in ORDERED for name in rule.columns)


def _with(table: pa.Table, column: Column, rule: Rule, names: Sequence[str]) -> pa.Table:
    """The table with the cells of a column that follow by one rule about the columns `names`."""
    cells, gone = Cells(table), np.flatnonzero(table[column.name].is_null().to_numpy())
    if isinstance(rule.condition, nodes.Combination) or column.kind in LABELLED:
        others = [name for name in names if name != column.name]
        made = _looked_up(cells, others[0], column, gone) if len(others) == 1 else None
    else:
        made = _solved(table, rule.condition, column)[gone]
    return (
        table
        if made is None
        else table.set_column(table.schema.get_field_index(column.name), column.name, filled(table[column.name], made))
    )


def _looked_up(cells: Cells, by: str, column: Column, gone: np.ndarray) -> np.ndarray | None:
    """The cells of the rows `gone` as the column `by` decides them; None if it does not: it may be the other way round."""
    (x, xs), (y, ys) = cells.labels(by), cells.labels(column.name)
    both = (x >= 0) & (y >= 0)
    table = np.full(len(xs) + 1, len(ys))
    table[x[both]] = y[both]
    if (table[x[both]] != y[both]).any():
        return None
    numbers = column.kind not in LABELLED
    values = np.array([*map(float, ys), np.nan]) if numbers else np.array([*ys, None], object)
    return values[table[x[gone]]]


def _solved(table: pa.Table, condition: nodes.Condition, column: Column) -> np.ndarray:
    """float64 [n]: what a column must be for an identity to hold that is linear in it; NaN where that cannot be told."""
    assert isinstance(condition, nodes.Compare)
    at, unit = table.schema.get_field_index(column.name), 1.0 if column.kind in ("integer", "number") else float(DAY)

    def put(x: np.ndarray) -> Cells:
        return Cells(table.set_column(at, column.name, column_of(x, column)))

    def left_over(x: float) -> np.ndarray:
        cells = put(np.full(table.num_rows, x * unit))
        return condition.left.of(cells) - condition.right.of(cells)

    with np.errstate(all="ignore"):
        none, one, two = left_over(0), left_over(1), left_over(2)
        value = -none / (one - none) * unit
        line = np.isfinite(value) & (np.abs(two - 2 * one + none) <= 1e-9 * (np.abs(two) + 2 * np.abs(one) + np.abs(none)))
    value = np.where(line, value, np.nan)
    return np.where(condition.truth(put(value)) > 0, value, np.nan)
