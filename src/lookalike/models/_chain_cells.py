"""How the columns of rows are cut into cells where each owner has many rows.

A value counts by how many owners hold it, and no value is told that fewer than `protect` of them do. Between such values the line is cut
by how often owners and values meet: were it cut by owners alone, a hundred engines of two hundred cycles would give ten cells. What fewer
than `protect` owners ever reach, above or below, is not told either.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from lookalike.encode import Codebook, encoder
from lookalike.models import _chain_steps as steps
from lookalike.schema import Table

TRIMMED = 4
"""Times `protect` owners at least, for both ends to be left out; of fewer little would be left, and only means of several are told."""
PAIRED = frozenset({"integer", "number", "date", "time", "duration"})
"""Kinds of one part whose values are cut by pairs of owner and value."""


def measured(rows: pa.Table, table: Table, sizes: np.ndarray, *, protect: int, cells: int, order: int | None = None) -> Codebook:
    """The codebook of `rows` [n], one owner's after the other's; `sizes` int64 [m], all above 0 but where there are no rows.

    order: the column that orders the rows. Only first values are drawn by its cells, so that these make up half of their weight: where
    all begin at 1 and go on to 300, 1 would else share a cell with 2.
    """
    owner = np.repeat(np.arange(len(sizes)), sizes)

    def one(k: int) -> dict:
        spec, held, values = table.columns[k], owner, rows.column(k)
        if spec.kind in PAIRED and len(owner):
            x = steps.numbers(values, spec)
            low, high = shared(x, sizes, protect)
            values = pa.chunked_array([steps.values(np.where((x >= low) & (x <= high), x, np.nan), spec)])
            distinct, code = np.unique(x, return_inverse=True)
            held = owner * len(distinct) + code
            if k == order:
                first = (np.cumsum(sizes) - sizes)[sizes > 0]
                at = np.concatenate([np.arange(len(x)), np.repeat(first, max(1, len(x) // len(first)))])
                values, held = values.take(pa.array(at)), held[at]
        return encoder(spec).freeze(encoder(spec).measure(values, spec, subjects=held), spec, protect=protect, cells=cells)

    book = Codebook(table, tuple({"parts": []} for _ in table.columns))  # imports all encoders, before there are threads
    with ThreadPoolExecutor() as pool:
        return Codebook(book.table, tuple(pool.map(one, range(len(table.columns)))))


def shared(x: np.ndarray, sizes: np.ndarray, protect: int) -> tuple[float, float]:
    """The range that at least `protect` owners reach, below and above: of their least values the greatest of the first so many."""
    first = (np.cumsum(sizes) - sizes)[sizes > 0]
    least, most = np.fmin.reduceat(x, first), np.fmax.reduceat(x, first)
    least, most = np.sort(least[~np.isnan(least)]), np.sort(most[~np.isnan(most)])
    if len(least) < TRIMMED * protect:
        return -np.inf, np.inf
    at = min(protect, len(least)) - 1
    return min(least[at], most[-1 - at]), max(least[at], most[-1 - at])
