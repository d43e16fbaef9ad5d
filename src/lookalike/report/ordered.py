"""Ordered rows of one table: whose they are, what is measured of their order, and whole subjects as rows of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.compare import steps
from lookalike.compare.boost import one_thread
from lookalike.compare.database import codes, ordering
from lookalike.compare.frame import Frame
from lookalike.report import items, windowed
from lookalike.report.measure import Stage
from lookalike.report.plan import Plan
from lookalike.report.views import View, measured, ordered_views, staged
from lookalike.schema import Schema
from lookalike.score import Score

NOTE = (
    "Rows of one {subject} go together: intervals are those of drawing other subjects. Copies, nearness and attacks are of whole subjects."
)

GAPS = "The holdout has other gaps between rows than the training part: it is no stretch of the series, and order is judged without it."


@dataclass(frozen=True)
class Whose:
    """The subjects of a table: `owners` by role, int64 per row; None for a table whose rows stand for themselves."""

    name: str
    owners: Mapping[str, np.ndarray]


def whose(tables: Mapping[str, pa.Table], schema: Schema) -> Whose | None:
    """Whose each row is, where the schema names a subject that all tables have; a row without one stands for itself."""
    if schema.subject is None:
        return None
    name = schema.column(schema.subject)[1].name
    if any(name not in t.column_names for t in tables.values()):
        return None
    found = {}
    for role, table in tables.items():
        (owner,) = codes([(table, (name,))])
        alone = np.flatnonzero(owner < 0)
        owner[alone] = owner.max(initial=-1) + 1 + np.arange(len(alone))
        found[role] = owner
    return Whose(name, found)


def owned(frames: Mapping[str, Frame], of: Whose | None) -> dict[str, Frame]:
    """The frames with their owners; where each row has an owner of its own there is none to speak of."""
    if of is None or all(len(np.unique(o)) == len(o) for o in of.owners.values()):
        return dict(frames)
    return {role: replace(f, owner=of.owners[role]) for role, f in frames.items()}


@dataclass(frozen=True)
class Order:
    """What is measured of the order of rows: the views, and the stage on which whole subjects are judged (None: too few, or none)."""

    views: tuple[View, ...]
    subjects: Stage | None
    windows: Mapping[str, windowed.Windows] | None
    note: str = ""

    def scores(self, plan: Plan) -> list[Score]:
        """The figures of all views and windows."""
        found = measured(self.views, items.ORDERED, seed=plan.seed, effort=plan.effort, subject=None, on_view=lambda _: None)[0].scores
        if self.windows is not None:
            with one_thread():
                found += windowed.scores(self.windows, plan.seed, plan.effort)
        return found


def order(tables: Mapping[str, pa.Table], schema: Schema, frames: Mapping[str, Frame], seed: int) -> Order | None:
    """The views of the rows in their order; None where the schema names no order, or the tables have none."""
    table = schema.table
    if table.order is None or any(table.order not in t.column_names for t in tables.values()):
        return None
    told = {role: ordering(t, table, frames[role]) for role, t in tables.items()}
    alone, note = all(f.owner is None for f in frames.values()), ""
    if alone and "holdout" in told and not _alike(told["real"], told["holdout"]):
        # Rows taken out here and there are no stretch of the series, and nothing follows anything in them.
        told, note = {role: t for role, t in told.items() if role != "holdout"}, GAPS
    frames = {role: frames[role] for role in told}
    owner = {role: f.owner if f.owner is not None else np.zeros(f.rows, np.int64) for role, f in frames.items()}
    free = {role: replace(f, owner=None) for role, f in frames.items()}
    of = {role: steps.sequences(f.only(n for n in f.names if n != table.order), owner[role], told[role]) for role, f in free.items()}
    found = [v for v in ordered_views(of, table.name) if not (alone and v.kind in ("lengths", "features"))]
    features = next((v for v in found if v.kind == "features"), None)
    subjects = None if features is None else staged(View("subject", features.title, features.frames), seed)
    return Order(tuple(found), subjects, windowed.windows(of, seed), note)


def _alike(real: np.ndarray, held: np.ndarray) -> bool:
    """Whether the rows of two parts of one series follow each other at about the same distance."""
    gaps = [float(np.median(np.diff(np.sort(t)))) for t in (real, held) if len(t) > 1]
    return len(gaps) == 2 and max(gaps) <= 1.5 * max(min(gaps), 1e-12)


def definitions(found: list[Score]) -> list[dict[str, Any]]:
    """What the figures of order mean."""
    shown = {s.metric for s in found}
    entries = {i.called: i.entry() for i in items.ORDERED if i.called in shown}
    return [*entries.values(), *windowed.definitions(shown)]
