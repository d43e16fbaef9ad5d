"""Rows made to obey what can be computed: totals, steps, cells that must be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lookalike.data.formats import canonical
from lookalike.rules import nodes
from lookalike.rules.cells import Cells
from lookalike.rules.language import decimals
from lookalike.schema import Column

if TYPE_CHECKING:
    from lookalike.rules.rules import Rules

_ROUNDS = 4
"""Totals of totals are computed one after the other, so often at most."""


def mended(rules: Rules, table: pa.Table) -> pa.Table:
    """See `Rules.mend`."""
    whole = table
    for _ in range(_ROUNDS):
        before = whole
        for rule in rules.rules:
            made = _made(rule.condition, rules, whole)
            whole = whole if made is None else made
        if whole.equals(before):
            break
    table = _kept(rules, table, whole)
    for rule in rules.rules:  # rows in which not all can be done at once
        made = _made(rule.condition, rules, table)
        table = table if made is None else _kept(rules, table, made)
    return table


def _kept(rules: Rules, old: pa.Table, new: pa.Table) -> pa.Table:
    """`new`, but for the rows in which a rule breaks that held."""
    others = [r for r in rules.rules if not isinstance(r.condition, nodes.Unique | nodes.Custom)]
    able = np.ones(old.num_rows, bool)
    a, b = Cells(old), Cells(new)
    for rule in others:
        if isinstance(rule.condition, nodes.Combination) and rule.condition.allowed is None:
            continue
        able &= (rule.condition.truth(b) >= 0) | (rule.condition.truth(a) < 0)
    if able.all():
        return new
    rows = np.where(able, np.arange(old.num_rows) + old.num_rows, np.arange(old.num_rows))
    return pa.concat_tables([old, new]).unify_dictionaries().take(pa.array(rows)).combine_chunks()


def _made(condition: nodes.Condition, rules: Rules, table: pa.Table) -> pa.Table | None:
    """The table with what the condition lets be computed; None if it is of another sort."""
    cells = Cells(table)
    if isinstance(condition, nodes.Compare) and condition.sign == "=":
        for side, other in ((condition.left, condition.right), (condition.right, condition.left)):
            if isinstance(side, nodes.Name) and side.column not in other.columns and other.columns:
                wrong = condition.truth(cells) < 0
                return _with(table, rules.table[side.column], np.where(wrong, other.of(cells), cells.numbers(side.column)))
    if isinstance(condition, nodes.Step):
        x, size, offset = cells.numbers(condition.column), condition.size, condition.offset
        snapped = np.rint((x - offset) / size) * size + offset
        return _with(table, rules.table[condition.column], np.where(condition.truth(cells) < 0, snapped, x))
    if isinstance(condition, nodes.Both) and not condition.every and len(condition.parts) == 2:
        last = condition.parts[1]
        if isinstance(last, nodes.Missing) and not last.known and rules.table[last.column].nullable:
            wrong = condition.truth(cells) < 0
            column = table.column(last.column).combine_chunks()
            emptied = column.filter(pa.array(~wrong)).take(pa.array(np.cumsum(~wrong) - 1, mask=wrong))
            return table.set_column(table.schema.get_field_index(last.column), last.column, emptied)
    return None


def _with(table: pa.Table, column: Column, x: np.ndarray) -> pa.Table:
    """The table with the numbers `x` in a column."""
    return table.set_column(table.schema.get_field_index(column.name), column.name, column_of(x, column))


def column_of(x: np.ndarray, column: Column) -> pa.Array:
    """Numbers as `Cells.numbers` gives them, in the canonical type of `column`, rounded as it is; NaN becomes null."""
    gone = ~np.isfinite(x)
    x = np.where(gone, 0.0, x)
    if column.kind == "number":
        digits = decimals(column)
        return pa.array(x if digits is None else np.round(x, digits) + 0.0, mask=gone)
    whole = pa.array(np.rint(x).astype(np.int64), mask=gone)
    if column.kind == "integer":
        return whole
    if column.kind == "boolean":
        return whole.cast(pa.bool_())
    if column.kind == "date":
        return whole.cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    return whole.cast(canonical(column))
