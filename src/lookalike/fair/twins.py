"""Counterfactual twins: the same rows with another group, to see whether a model treats them alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.compare.frame import LABELS, ORDERED, code
from lookalike.data import Dataset
from lookalike.errors import DataError, SettingError
from lookalike.fair.parity import effects, ordered
from lookalike.protocol import inner

Edges = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Twins:
    """`table`: the rows in their order, of another group. `redrawn` columns follow from it, `kept` are the row's own; `note` says so."""

    table: pa.Table
    redrawn: tuple[str, ...]
    kept: tuple[str, ...]
    note: str
    given: Dataset

    @property
    def frame(self) -> Any:
        """The rows as a frame of the kind that was given."""
        return Dataset.from_arrow({self.given.schema.table.name: self.table}, self.given.schema, like=self.given).native()


def twins(model: Any, rows: Any, group: str | Sequence[str], *, rng: np.random.Generator, graph: Edges | None = None) -> Twins:
    """Each row with the group of another row, drawn from those of other groups.

    Without a graph nothing else changes: what a model makes of the pair tells its direct use of the group. With one, what the group
    brings about is redrawn by `model` given all else, if it can (`complete`). Redrawn cells are fresh draws, not the row's own fate
    under another group: read differences over many rows, not of one.

    Args:
        rows: of the columns of `model`: a frame, a file, or a canonical table.
        graph: edges (cause, effect).

    Raises:
        UnknownName: there is no such column; names the near match.
        SettingError: the graph has a cycle.
        DataError: all rows are of one group.
    """
    names = tuple(dict.fromkeys((group,) if isinstance(group, str) else group))
    schema = model.schema
    canonical = isinstance(rows, pa.Table)
    given = Dataset.from_arrow({schema.table.name: rows}, schema) if canonical else Dataset.of(rows, schema=schema)
    table = given.table()
    columns = tuple(schema.column(name)[1] for name in names)
    for edge in graph or ():
        schema.column(edge[0]), schema.column(edge[1])
    if not names or any(c.kind not in LABELS | ORDERED for c in columns):
        raise SettingError(f"{', '.join(names) or 'no column'} cannot be a group", where="group", fix="name a category, a number or a date")
    frame = code({"": table}, columns)[""]
    values = np.stack([np.nan_to_num(frame[name].astype(np.float64), nan=-np.inf) for name in names], axis=1)
    found, member = np.unique(values, axis=0, return_inverse=True)
    member = member.ravel()
    if len(found) < 2:
        raise DataError("all rows are of one group, so that no row has a twin", where=", ".join(names), fix="give rows of two groups")
    donor = np.empty(len(member), np.int64)
    for g in range(len(found)):
        here = member == g
        donor[here] = rng.choice(np.flatnonzero(~here), here.sum())
    for name in names:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), table[name].take(pa.array(donor)))
    follow = effects(ordered(tuple(graph)), names) if graph is not None else frozenset()
    drawing = inner(model)
    able = hasattr(drawing, "complete")
    redrawn = tuple(name for name in schema.table.names if name in follow and able)
    if redrawn:
        for name in redrawn:
            at = table.schema.get_field_index(name)
            field = table.schema.field(at)
            table = table.set_column(at, field, pa.nulls(table.num_rows, field.type))
        table = drawing.complete(table, redrawn, rng=rng)
    kept = tuple(name for name in schema.table.names if name not in redrawn and name not in names)
    return Twins(table, redrawn, kept, _said(names, redrawn, follow, able, graph is not None), given)


def _said(names: tuple[str, ...], redrawn: tuple[str, ...], follow: frozenset[str], able: bool, graph: bool) -> str:
    who = ", ".join(names)
    if redrawn:
        return f"{who} is another, and {', '.join(redrawn)} were redrawn given the rest; all other columns are the row's own"
    if follow and not able:
        return f"{who} is another; what follows from it ({', '.join(sorted(follow))}) was kept, since this model cannot redraw it"
    reason = "nothing follows from it in the graph" if graph else "no graph says what follows from it"
    return f"{who} is another, all other columns are the row's own: {reason}"
