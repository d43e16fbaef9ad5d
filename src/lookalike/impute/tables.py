"""Missing cells drawn several times over, and what is then known of an estimate: multiple imputation (Rubin 1987).

A row is completed by a model that has not seen it: it would else recall the row by what is known of it, and find its missing cells to be
like missing ones. Each table has models of its own, so that what is not known of the model is in the spread between tables as well. Cells
are taken to be missing at random: by what is known of the row, not by their value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.condition import MADE
from lookalike.data import Dataset
from lookalike.data.formats import whole
from lookalike.errors import CannotError, DataError, SettingError, UnknownName
from lookalike.impute.follow import filled, followed, identities
from lookalike.impute.guess import guesses
from lookalike.models._given import either
from lookalike.protocol import OnStep, part, quiet

if TYPE_CHECKING:
    from lookalike.protocol import Model
    from lookalike.rules import Rules
    from lookalike.schema import Table

__all__ = ["Imputed", "Pooled", "impute", "pool"]

MOST = 1_000
"""Tables at most."""
FOLDS = 3
"""Parts of the rows, each completed by a model of the others."""


@dataclass(frozen=True)
class Pooled:
    """An estimate from several tables by Rubin's rules. All arrays float64 [k], one entry for each quantity.

    estimate: mean over tables. variance: within and between tables together. freedom: degrees of freedom (Barnard and Rubin 1999 where the
    rows are told, else Rubin 1987). low, high: 95 % interval. lost: share of the information that is lost to missing cells.
    """

    estimate: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray
    low: np.ndarray
    high: np.ndarray
    lost: np.ndarray


@dataclass(frozen=True)
class Imputed:
    """Completed tables. drawn: {column: how many of its cells were missing}."""

    datasets: tuple[Dataset, ...]
    drawn: dict[str, int]
    _holey: Dataset = field(repr=False)
    _followed: pa.Table = field(repr=False)
    _exact: Rules = field(repr=False)
    _seed: int = field(repr=False)

    @property
    def frames(self) -> list[Any]:
        """The completed tables, as frames of the kind that came in."""
        return [d.native() for d in self.datasets]

    def pool(self, estimate: Callable[[Any], tuple[Any, Any]]) -> Pooled:
        """Rubin's rules for `estimate`: a function of a frame that returns numbers and their variances (squares of standard errors).

        Raises:
            SettingError: there is one table only.
        """
        told = [estimate(frame) for frame in self.frames]
        return pool([t[0] for t in told], [t[1] for t in told], rows=self._holey.rows)

    def single(self) -> Any:
        """One frame of best guesses: the mean of a number or a moment given the rest of its row, the likeliest level of a label.

        They come from trees of their own, not from the tables, and are the same for any number of them. Nearest to each cell by itself,
        they understate spread and overstate how columns hang together, so estimate on `frames`.
        """
        return self.best().native()

    def best(self) -> Dataset:
        """The dataset of `single`."""
        return self._best

    @cached_property
    def _best(self) -> Dataset:
        """See `best`; where identities hold, totals are those of the guesses."""
        holey, schema = self._holey.table(), self._holey.schema
        table, lacks = self._followed, {name: whole(self._followed[name]).is_null() for name in self.drawn}
        for name, cells in guesses(holey, schema.table.columns, [*self.drawn], seed=self._seed).items():
            table = _put(table, name, lacks[name], filled(holey[name], cells))
        mended = self._exact.mend(table)
        for name in self.drawn:
            table = _put(table, name, lacks[name], mended[name])
        return Dataset.from_arrow({schema.table.name: table}, schema, like=self._holey)


def impute(
    data: Dataset, learner: Model, *, tables: int, seed: int, columns: Sequence[str] | None = None, on_step: OnStep = quiet
) -> Imputed:
    """`tables` completed copies of `data`; `learner` is a model not yet fitted that can complete rows; columns: those completed, or all.

    Keys, and texts that are made anew, stay as they are.

    Raises:
        CannotError: the model cannot draw given any columns.
        DataError: nothing is missing, or a column is missing throughout.
        SettingError: `tables` is not a whole number from 0 (best guesses alone) up; a column is named that is made anew.
        UnknownName: there is no such column.
    """
    if isinstance(tables, bool) or not isinstance(tables, int) or not 0 <= tables <= MOST:
        raise SettingError(f"tables must be a whole number from 0 to {MOST:,}, not {tables!r}", fix="five are usual")
    if not hasattr(learner, "complete"):
        raise CannotError("the model cannot draw the missing cells of a row", where="model", fix="take the model forest")
    table, wanted = data.table(), _wanted(data.schema.table, columns)
    drawn = {name: table[name].null_count for name in wanted if table[name].null_count}
    if not drawn:
        raise DataError("no cell is missing that could be drawn", where=data.schema.table.name, fix="there is nothing to do")
    for name, count in drawn.items():
        if count == table.num_rows:
            raise DataError("is missing in all rows: nothing is known of it", where=name, fix="leave the column out")
    table, rules = followed(data, [*drawn])
    known, made = Dataset.from_arrow({data.schema.table.name: table}, data.schema, like=data), []
    for k in range(tables):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
        done = _completed(known, learner, list(drawn), rng=rng, on_step=part(on_step, k / tables, (k + 1) / tables))
        made.append(Dataset.from_arrow({data.schema.table.name: done}, data.schema, like=data))
    return Imputed(tuple(made), drawn, data, table, identities(rules), seed)


def _wanted(table: Table, columns: Sequence[str] | None) -> list[str]:
    """The names of the columns that are to be completed, in the order of the table."""
    able = [c.name for c in table if c.kind not in MADE]
    if columns is None:
        return able
    if isinstance(columns, str) or not columns:
        raise SettingError(f"columns must be a list of names, not {columns!r}", where="columns", fix='write columns=["age", "income"]')
    for name in columns:
        if name not in table.names:
            raise UnknownName(name, table.names, what="column", where="columns")
        if name not in able:
            what = f"a {table[name].kind} is made anew, and cannot be told from the rest of a row"
            raise SettingError(what, where=name, fix="leave it out of columns")
    return [name for name in able if name in columns]


def pool(estimates: Sequence[Any], variances: Sequence[Any], *, rows: int | None = None) -> Pooled:
    """Rubin's rules: estimates and their variances [tables, k] of several completed tables; rows: of the table, for small ones.

    Raises:
        SettingError: fewer than two tables, or not as many variances as estimates.
    """
    from scipy.stats import t

    q, u = (np.atleast_2d(np.asarray(x, float).reshape(len(estimates), -1)) for x in (estimates, variances))
    if len(q) < 2 or q.shape != u.shape:
        raise SettingError("Rubin's rules need two tables or more, and a variance for each estimate", fix="impute with tables=5")
    m = len(q)
    within, between = u.mean(0), q.var(0, ddof=1)
    total = within + (1 + 1 / m) * between
    share = np.divide((1 + 1 / m) * between, total, out=np.zeros_like(total), where=total > 0)
    old = (m - 1) / np.maximum(share, 1e-12) ** 2
    free = old
    if rows is not None:
        complete = max(rows - q.shape[1], 1)
        seen = (complete + 1) / (complete + 3) * complete * (1 - share)
        free = 1 / (1 / old + 1 / np.maximum(seen, 1e-12))
    half = t.ppf(0.975, free) * np.sqrt(total)
    ratio = np.divide((1 + 1 / m) * between, within, out=np.full_like(total, np.inf), where=within > 0)
    with np.errstate(invalid="ignore"):
        lost = np.where(np.isfinite(ratio), (ratio + 2 / (free + 3)) / (ratio + 1), 1.0)
    middle = q.mean(0)
    return Pooled(middle, total, free, middle - half, middle + half, lost)


def _completed(data: Dataset, learner: Model, columns: list[str], *, rng: np.random.Generator, on_step: OnStep) -> pa.Table:
    """The rows with the missing cells of `columns` drawn, a part of the rows at a time by a model of the others."""
    table = data.table()
    folds = min(FOLDS, table.num_rows)
    fold, found, places = rng.permutation(table.num_rows) % folds, [], []
    for k in range(folds):
        mine = np.flatnonzero(fold == k)
        model = type(learner)(**learner.settings.model_dump())
        model = model.fit(data.take(fold != k), rng=rng, on_step=part(on_step, k / folds, (k + 1) / folds))
        found.append(model.complete(table.take(pa.array(mine)), columns, rng=rng, fill=True))
        places.append(mine)
    order = np.argsort(np.concatenate(places))
    return pa.concat_tables(found).unify_dictionaries().take(pa.array(order)).combine_chunks()


def _put(table: pa.Table, name: str, where: pa.Array, cells: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The table with `cells` in the rows `where` (bool [n]) of a column."""
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), either(where, cells, table[name]))
