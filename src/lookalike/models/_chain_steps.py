"""Which columns are learned as the step from the row before, and the numbers that dates, moments and durations are while one steps.

The order of rows is always a step (the gap since the row before), as is what only grows or only falls, and what moves by little beside
how far it goes: cut into cells, a level would jump where the column glides. All else is learned as its level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lookalike.data import formats
from lookalike.encode import Codebook, encoder
from lookalike.schema import Column

STEPPING = frozenset({"integer", "number", "date", "datetime", "time", "duration"})
"""Kinds that can be learned as steps."""
SMOOTH, RARE = 0.01, 0.1
"""Variance of the steps, beside that of the levels, below which a column is learned by its steps; and of one that most rows lack, whose
few values are too few to be cut finely by the last one."""
FEWEST = 30
"""Steps at least from which this is read."""
EXACT = 2.0**52
"""Greatest number whose steps are exact."""
DAY = 86_400_000_000


@dataclass(frozen=True)
class Glide:
    """A column that is learned by steps: its number in the table, that of its step, decimals (None: any), the range that it keeps to."""

    column: int
    step: int
    decimals: int | None
    low: float
    high: float

    def add(self, last: np.ndarray, step: np.ndarray, *, free: bool) -> np.ndarray:
        """float64 [n]: where `step` leads from `last`; within the range unless `free`."""
        made = last + step
        made = made if self.decimals is None else np.round(made, self.decimals)
        return made if free else np.clip(made, self.low, self.high)


@dataclass(frozen=True)
class Span:
    """How long the rows of an owner last: as share of the time that there is after its start (`share`), or for each row.

    `column`: the number of the span in the widened table; `high`: the last order value that enough owners reach.
    """

    column: int
    share: bool
    high: float

    def told(self, x: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """float64 [n]: the span in the first row of each owner that has more than one, NaN elsewhere."""
        first = np.cumsum(sizes) - sizes
        more = np.flatnonzero(sizes > 1)
        start, end = x[first[more]], x[first[more] + sizes[more] - 1]
        whole = self.high - start if self.share else sizes[more] - 1
        made = np.full(len(x), np.nan)
        made[first[more]] = np.divide(end - start, whole, out=np.full(len(more), np.nan), where=whole > 0)
        return made

    def end(self, start: np.ndarray, span: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """float64 [m]: where a span leads from `start`; NaN where there is none."""
        return np.minimum(start + span * (self.high - start if self.share else sizes - 1), np.maximum(self.high, start))


SPAN = Column(name="(span)", kind="number")
"""The reserved column of spans."""
REGULAR = 0.9
"""Share of equal gaps from which rows are taken to come at regular times: how many there are then says how long they last."""
LONG = 0.1
"""Share of the whole time that owners' rows last, half of them at least as long, from which the end of that time is felt."""


def span(x: np.ndarray, sizes: np.ndarray, column: int, protect: int) -> Span | None:
    """How spans of order values `x` are told; None if the number of rows tells them."""
    first = np.cumsum(sizes) - sizes
    gaps = (x - before(x, sizes))[np.arange(len(x)) != np.repeat(first, sizes)]
    if len(gaps) < FEWEST or np.unique(gaps, return_counts=True)[1].max() > REGULAR * len(gaps):
        return None
    more = np.flatnonzero(sizes > 1)
    start, end = x[first[more]], x[first[more] + sizes[more] - 1]
    high = float(np.sort(end)[-min(protect, len(end))])
    share = bool(np.median(end - start) > LONG * (high - x.min()) and np.ptp(start) > 0)
    return Span(column, share, high)


def numbers(values: pa.ChunkedArray | pa.Array, column: Column) -> np.ndarray:
    """float64 [n], NaN where missing: integers and numbers as they are, days, microseconds."""
    one = formats.whole(values)
    if column.kind == "date":
        one = one.cast(pa.int32())
    elif column.kind not in ("integer", "number"):
        one = one.cast(pa.int64())
    return one.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def values(made: np.ndarray, column: Column) -> pa.Array:
    """The canonical array of numbers; NaN becomes null."""
    gone = np.isnan(made)
    if column.kind == "number":
        return pa.array(made, mask=gone)
    whole = np.rint(np.where(gone, 0, made)).astype(np.int64)
    if column.kind == "date":
        return pa.array(whole.astype(np.int32), mask=gone).cast(pa.date32())
    return pa.array(whole, mask=gone).cast(formats.canonical(column))


def before(x: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """float64 [n]: the last known number of the same owner before each row; NaN where there is none."""
    n = len(x)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    at = np.where(np.isnan(x), -1, np.arange(n))
    known = np.append(-1, np.maximum.accumulate(at)[:-1]) if n else at
    return np.where(known >= first, x[np.maximum(known, 0)], np.nan)


def step_column(column: Column, taken: Sequence[str]) -> Column:
    """What the steps of `column` are: whole numbers, numbers, or durations."""
    name = f"{column.name} (step)"
    while name in taken:
        name += "'"
    kind = {"integer": "integer", "number": "number", "date": "integer"}.get(column.kind, "duration")
    return Column(
        name=name, kind=kind, number=column.number if kind == "number" else None, storage=column.storage if kind == "number" else "string"
    )


def glides(x: np.ndarray, last: np.ndarray) -> bool:
    """Whether a column with numbers `x`, which came after `last`, is learned by its steps."""
    steps = (x - last)[~np.isnan(x) & ~np.isnan(last)]
    if len(steps) < FEWEST or not steps.any() or np.nanmax(np.abs(x)) > EXACT:
        return False
    smooth = RARE if np.isnan(x).mean() > 0.5 else SMOOTH
    return bool((steps >= 0).all() or (steps <= 0).all() or np.var(steps) < smooth * np.nanvar(x))


def limits(codebook: Codebook, column: int) -> tuple[float, float]:
    """The range of what can be decoded of a column; (-inf, inf) if nothing can be."""
    spec, book = codebook.table.columns[column], codebook.books[column]
    tops = [p["size"] - 1 for p in book["parts"]]
    if min(tops) < 1:
        return -np.inf, np.inf
    ends = np.array([[1, top] for top in tops], np.int32)
    found = numbers(encoder(spec).decode(ends, np.array([0, 1 - 2**-24], np.float32), book, spec), spec)
    return float(found[0]), float(found[1])


def decimals(codebook: Codebook, column: int) -> int | None:
    """Decimals that a column keeps to; None if it has no grid."""
    return codebook.books[column]["line"]["decimals"] if codebook.table.columns[column].kind == "number" else 0


def drawn_back(order: np.ndarray, sizes: np.ndarray, glide: Glide, column: Column) -> np.ndarray:
    """The order values (float64 [n]) of owners whose last lies beyond the range, moved back into it: by whole days, if moments."""
    if not len(order) or not np.isfinite(glide.high):
        return order
    ends = np.cumsum(sizes)
    first, last = order[np.maximum(ends - sizes, 0).clip(max=len(order) - 1)], order[np.maximum(ends - 1, 0)]
    unit = DAY if column.kind == "datetime" else 10.0 ** -(glide.decimals or 0)
    over = np.where((last > glide.high) & (sizes > 0), np.ceil((last - glide.high) / unit) * unit, 0.0)
    fits = last - first <= glide.high - glide.low
    over = np.where(fits, np.minimum(over, np.maximum(first - glide.low, last - glide.high)), over)
    moved = order - np.repeat(over, sizes)
    squeeze = np.repeat(np.divide(glide.high - glide.low, last - first, out=np.ones(len(sizes)), where=~fits), sizes)
    pressed = glide.low + (order - np.repeat(first, sizes)) * squeeze
    pressed = pressed if glide.decimals is None else np.round(pressed, glide.decimals)
    return np.where(np.repeat(fits, sizes), moved, pressed)
