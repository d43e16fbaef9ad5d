"""Missing cells drawn several times over, and what is then known of an estimate: multiple imputation (Rubin 1987).

A row is completed by a model that has not seen it: it would else recall the row by what is known of it, and find its missing cells to be
like missing ones. Each table has models of its own, so that what is not known of the model is in the spread between tables as well. Cells
are taken to be missing at random: by what is known of the row, not by their value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.condition import LABELLED, MADE
from lookalike.data import Dataset
from lookalike.errors import CannotError, DataError, SettingError
from lookalike.protocol import OnStep, part, quiet

if TYPE_CHECKING:
    from lookalike.protocol import Model

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
        return pool([t[0] for t in told], [t[1] for t in told], rows=self.datasets[0].rows)

    def single(self) -> Any:
        """One frame, whose missing cells are the mean (numbers and moments) or the commonest level of those drawn.

        Best for a guess of each cell; it understates spread and overstates how columns hang together, so estimate on `frames`.
        """
        return self.best().native()

    def best(self) -> Dataset:
        """The dataset of `single`."""
        first, tables = self.datasets[0], [d.table() for d in self.datasets]
        columns = [_middle([t[c.name] for t in tables], c.kind) for c in first.schema.table]
        made = pa.table(columns, schema=tables[0].schema)
        return Dataset.from_arrow({first.schema.table.name: made}, first.schema, like=first)


def impute(data: Dataset, learner: Model, *, tables: int, seed: int, on_step: OnStep = quiet) -> Imputed:
    """`tables` completed copies of `data`; `learner` is a model not yet fitted that can complete rows.

    Keys, and texts that are made anew, stay as they are.

    Raises:
        CannotError: the model cannot draw given any columns.
        DataError: nothing is missing, or a column is missing throughout.
        SettingError: `tables` is not a whole number from 1 up.
    """
    if isinstance(tables, bool) or not isinstance(tables, int) or not 1 <= tables <= MOST:
        raise SettingError(f"tables must be a whole number from 1 to {MOST:,}, not {tables!r}", fix="five are usual")
    if not hasattr(learner, "complete"):
        raise CannotError("the model cannot draw the missing cells of a row", where="model", fix="take the model forest")
    table = data.table()
    drawn = {c.name: table[c.name].null_count for c in data.schema.table if c.kind not in MADE and table[c.name].null_count}
    if not drawn:
        raise DataError("no cell is missing that could be drawn", where=data.schema.table.name, fix="there is nothing to do")
    for name, count in drawn.items():
        if count == table.num_rows:
            raise DataError("is missing in all rows: nothing is known of it", where=name, fix="leave the column out")
    made = []
    for k in range(tables):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
        whole = _completed(data, learner, list(drawn), rng=rng, on_step=part(on_step, k / tables, (k + 1) / tables))
        made.append(Dataset.from_arrow({data.schema.table.name: whole}, data.schema, like=data))
    return Imputed(tuple(made), drawn)


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


def _middle(columns: list[pa.ChunkedArray], kind: str) -> pa.ChunkedArray:
    """Cell by cell the mean of numbers and moments, the commonest of labels; of other kinds those of the first."""
    first = columns[0]
    if len(columns) == 1 or kind in MADE or all(c.equals(first) for c in columns[1:]):
        return first
    if kind in LABELLED and kind != "boolean":
        texts = pa.chunked_array([c for column in columns for c in column.cast(pa.string()).chunks])
        whole = texts.combine_chunks().dictionary_encode()
        votes = whole.indices.to_numpy(zero_copy_only=False).reshape(len(columns), -1)
        return pa.chunked_array([whole.dictionary.take(pa.array(_commonest(votes))).cast(first.type)])
    plain = pa.int32() if kind == "date" else pa.int64() if pa.types.is_temporal(first.type) else None
    numbers = [(c if plain is None else c.cast(plain)).cast(pa.float64(), safe=False).to_numpy() for c in columns]
    mean = np.mean(numbers, axis=0)
    if kind == "boolean":
        return pa.chunked_array([pa.array(mean >= 0.5)])
    whole = pa.array(mean if kind == "number" else np.rint(mean).astype(np.int64), from_pandas=True)
    return pa.chunked_array([whole.cast(first.type if plain is None else plain).cast(first.type)])


def _commonest(votes: np.ndarray) -> np.ndarray:
    """int64 [n]: the commonest of the votes [tables, n], the first drawn of those that tie."""
    best, most = votes[0].copy(), np.zeros(votes.shape[1], int)
    for one in votes:
        count = (votes == one).sum(0)
        better = count > most
        best[better], most[better] = one[better], count[better]
    return best
