"""`make`: schema, split, fit, sample and report in one go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from lookalike import _asking, _told
from lookalike._api import offers, save
from lookalike._asking import PlanLike, SchemaLike
from lookalike._drawing import FIT, SPLIT, Drawn, about_rows, randomness, whole_number
from lookalike._whole import NewFolder
from lookalike.data import Dataset
from lookalike.errors import SettingError
from lookalike.private import Private, rows_told
from lookalike.protocol import Model, OnStep, Step, part, quiet

if TYPE_CHECKING:
    from lookalike.report import Report
    from lookalike.schema import Schema
    from lookalike.steer import Account

HELD_SHARE, HELD_MOST = 0.2, 20_000
"""What `make` keeps aside to judge by, if no holdout is given."""


class Asked(TypedDict, total=False):
    """What `make` may be asked besides; see there."""

    rows: int | None
    target: str | None
    plan: PlanLike | None
    subject: str | None
    order: str | Sequence[str] | None


def make(
    source: Any,
    *,
    schema: SchemaLike | None = None,
    model: str | Model | Private | None = None,
    seed: int = 0,
    holdout: Any = None,
    on_step: OnStep = quiet,
    **asked: Unpack[Asked],
) -> Made:
    """Schema, split, fit, sample and report in one go.

    A fifth of the rows, 20,000 at most, is kept aside and never shown to the model, so that the report can judge by it; all rows
    are learned from if a `holdout` is given. Where rows belong to subjects, whole subjects are. Nothing is written: see `Made.write`.

    Args:
        source: a file, glob, folder or database URL; or a pandas, polars, pyarrow or duckdb frame; or a dict of several linked tables.
        schema: what is known of the columns, or a JSON file of it; detected if not given.
        model: a name; a model not yet fitted, such as `lookalike.model("forest", leaf=20)`; or `lookalike.Private(epsilon=1.0)`. If not
            given: forest for one table, relational for linked tables, sequence for the rows of subjects in an order, series for one series.
        seed: the same seed on the same machine gives the same result.
        holdout: real rows to judge by, of the same columns.
        on_step: called with a `Step` as the work goes on.
        asked: `rows`, how many to draw, as many as `source` has if not given, of a private model as it learned from by its noisy count,
            of a model of linked tables or sequences how many subjects; `target`, the column that is to be predicted, by the report and by
            a model that has a setting of this name, guessed if not given; `plan`, what is asked of the rows, or a file of it; `subject`,
            the column that says whose a row is, of linked tables also the name of a table; `order`, the column that orders rows, or a list.

    Raises:
        UnknownName: no such model or target; names the near matches.
        SettingError: `rows` or `seed` has a bad value.
        CannotError: the model does not take such columns or tables; names one that does.
        DataError: too few rows, or nothing but missing values.
    """
    from lookalike.report import build
    from lookalike.steer import check

    rows, target, plan = asked.get("rows"), asked.get("target"), _asking.plan_of(asked.get("plan"))
    if plan.fix is not None:
        raise SettingError("rows that are given in part come as they are, not as many as the data has", where="fix", fix="use sample")
    if model is not None:
        _asking.learner(model, None)  # a name that is none is refused before anything is read
    if rows is not None:
        whole_number(rows, "rows", least=1)
    rng = randomness(seed, SPLIT)
    reading, fitting, drawing, judging = _stages(on_step, reading=0.05, fitting=0.4, drawing=0.1, judging=0.45)
    reading(Step(0, 1, "reading"))
    data = _asking.read(source, schema=schema, subject=asked.get("subject"), order=asked.get("order"))
    learner = _asking.aimed(_asking.learner(model, None, schema=data.schema), target)
    about_rows(plan, data.schema, learner.can.unit)
    if not plan.empty:
        check(plan, data.schema, private=isinstance(learner, Private))
    _asking.check(data, learner)
    if target is not None:
        data.schema.column(target)
    train, held, how, lost = _split(data, holdout, rng)
    reading(Step(1, 1, "read"))
    fitted = _asking.like(learner.fit(train, rng=randomness(seed, FIT), on_step=fitting), data)
    wanted = rows or rows_told(fitted) or _asking.units(data, fitted)
    steered = Drawn(fitted, plan, wanted, seed)
    drawn = steered.together(drawing)
    about = {"source": _told.called(source), "holdout": how, "model": _told.described(fitted), **_told.tried(fitted), "seed": str(seed)}
    notes = [*(f"The model {note}." for note in fitted.notes_), *lost]
    found = {"target": target, "protected": _told.protected(fitted), "privacy": _told.promise(fitted)}
    found |= {"about": about, "notes": notes, "seed": seed}
    if plan.empty:
        found |= offers(fitted, wanted, seed)
        found["notes"] += [f"The synthetic tables: {note}." for note in steered.account().notes]
    else:
        found["notes"] += [
            "The rows were drawn as a plan asks, and are to be unlike the data in that:",
            *map(_told.line, steered.account().lines),
            *steered.account().notes,
        ]
    judged = build(train, drawn, holdout=held, on_step=judging, **found)
    return Made(model=fitted, report=judged, drawn=drawn, held=held, suffix=_told.suffix(source), account=steered.account())


@dataclass(frozen=True)
class Made:
    """What `make` made: a fitted model, the synthetic rows, the report on them, and the account of what a plan asked."""

    model: Model
    report: Report
    drawn: Dataset
    held: Dataset
    account: Account
    suffix: str = ".csv"

    @property
    def schema(self) -> Schema:
        """The schema that the model learned by."""
        return self.model.schema

    @property
    def synthetic(self) -> Any:
        """The synthetic rows, as a frame of the kind that the source was."""
        return self.drawn.native()

    @property
    def holdout(self) -> Any:
        """The real rows that were kept aside, as a frame of the kind that the source was."""
        return self.held.native()

    def write(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write synthetic rows, report.html, report.json, schema.json and model.lookalike into `folder`.

        Rows come in the source's own format, those of linked tables in a folder of files. The folder appears when all of it is written.
        An older one is replaced if nothing else is in it; with `overwrite`, in any case, file by file.

        Raises:
            FileError: the folder cannot be written, or holds other files.
        """
        with NewFolder(folder, overwrite=overwrite) as unfinished:
            self.drawn.write(unfinished / ("synthetic" if self.schema.linked else f"synthetic{self.suffix}"))
            self.report.write(unfinished / "report.html")
            self.report.write(unfinished / "report.json")
            save(self.schema, unfinished / "schema.json")
            save(self.model, unfinished / "model.lookalike")
        return Path(folder)


def _split(data: Dataset, holdout: Any, rng: np.random.Generator) -> tuple[Dataset, Dataset, str, list[str]]:
    """Rows to learn from, rows to judge by, a sentence on how they were told apart, and what to say of columns that do not fit."""
    if holdout is not None:
        from lookalike.report.fitting import fitting

        held, lost = fitting(holdout, data.schema, role="holdout")
        return data, held, f"given: {held.rows:,} rows of {_told.called(holdout)}", lost
    train, held = data.split(HELD_SHARE, rng=rng, most=HELD_MOST)
    return train, held, f"{held.rows:,} of {data.rows:,} rows, drawn at random and never shown to the model", []


def _stages(on_step: OnStep, **shares: float) -> list[OnStep]:
    """One progress function for each stage, which take the whole one after the other."""
    ends = np.cumsum([0.0, *shares.values()])
    return [part(on_step, low, high) for low, high in pairwise(ends)]
