"""Counts of numbers in bounded memory that merge exactly.

Every distinct value has its own bucket until there are more than CAP; then buckets are joined by dropping low bits of the
order-preserving integer image of the values, at the finest level that fits. Levels nest and the number of buckets only falls
with the level, so the level of a union never depends on the order in which its parts were counted.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.encode import _people

if TYPE_CHECKING:
    from lookalike.data.holders import Holders

CAP = 65_536
_COUNTED = ("low", "high", "rows", "holders", "weight")


@dataclass(frozen=True)
class Tally:
    """Sorted buckets, all arrays [buckets]: smallest and largest value in each, rows, and subjects as `_people.count` gives them."""

    level: int
    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray
    holders: np.ndarray
    weight: np.ndarray

    @property
    def exact(self) -> np.ndarray:
        """bool [buckets]: the bucket holds one value only."""
        return self.low == self.high

    def __getitem__(self, chosen: np.ndarray) -> Tally:
        return Tally(self.level, *(getattr(self, k)[chosen] for k in _COUNTED))

    def middle(self, base: int = 0) -> np.ndarray:
        """float64 [buckets]: the value, or the midpoint of a bucket that holds several; less `base`, if integers."""
        low, high = ((x - base if base else x).astype(np.float64) for x in (self.low, self.high))
        return np.where(self.exact, low, low / 2 + high / 2)

    def to_json(self) -> dict[str, Any]:
        columns = {name: getattr(self, name).tolist() for name in ("low", "rows", "holders", "weight")}
        high = None if self.exact.all() else self.high.tolist()
        return {"level": self.level, "whole": self.low.dtype == np.int64, "high": high, **columns}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Tally:
        kind = np.int64 if raw["whole"] else np.float64
        low = np.asarray(raw["low"], kind)
        high = low if raw["high"] is None else np.asarray(raw["high"], kind)
        return cls(raw["level"], low, high, *(np.asarray(raw[k], np.int64) for k in ("rows", "holders", "weight")))


def tally(values: np.ndarray, subjects: np.ndarray | Holders | None) -> Tally:
    """Count `values` [n], int64 or float64 without NaN; `subjects` [n] or None."""
    if subjects is None:
        distinct, rows = np.unique(values, return_counts=True)
        return _fit(Tally(0, distinct, distinct, rows, rows, rows * _people.UNIT))
    distinct, ids = np.unique(values, return_inverse=True)
    rows, holders, weight = _people.count(ids, len(distinct), subjects)
    return _fit(Tally(0, distinct, distinct, rows, holders, weight))


def merge(a: Tally, b: Tally) -> Tally:
    """The tally of both; exact, provided that no subject is in both."""
    level = max(a.level, b.level)
    low = np.concatenate([a.low, b.low])
    order = np.argsort(_image(low) >> level, kind="stable")
    both = (np.concatenate([getattr(a, k), getattr(b, k)])[order] for k in ("high", "rows", "holders", "weight"))
    return _fit(_group(Tally(level, low[order], *both), level))


def beside(a: Tally, b: Tally) -> Tally:
    """The buckets of both in order, none of them joined."""
    order = np.argsort(np.concatenate([a.middle(), b.middle()]), kind="stable")
    return Tally(max(a.level, b.level), *(np.concatenate([getattr(a, k), getattr(b, k)])[order] for k in _COUNTED))


def base(t: Tally) -> int:
    """A round number near large integers, less which they are exact as floats; 0 where that is not needed or cannot be."""
    if t.low.dtype != np.int64 or not len(t.low):
        return 0
    least, most = int(t.low[0]), int(t.high[-1])
    near = (int(t.low[len(t.low) // 2]) >> 32) << 32
    needed = max(-least, most) > 1 << 53
    return near if needed and -(1 << 62) < least - near and most - near < 1 << 62 else 0


def _fit(t: Tally) -> Tally:
    """`t` at the finest level with at most CAP buckets."""
    if len(t.low) <= CAP:
        return t
    image = _image(t.low)
    level = bisect_left(range(64), True, lo=t.level, key=lambda bits: np.count_nonzero(np.diff(image >> bits)) < CAP)
    return _group(t, level)


def _group(t: Tally, level: int) -> Tally:
    """Join buckets, sorted by image, that are the same at `level`."""
    if not len(t.low):
        return Tally(level, t.low, t.high, t.rows, t.holders, t.weight)
    image = _image(t.low) >> level
    starts = np.flatnonzero(np.concatenate([[True], image[1:] != image[:-1]]))
    sums = (np.add.reduceat(x, starts) for x in (t.rows, t.holders, t.weight))
    return Tally(level, np.minimum.reduceat(t.low, starts), np.maximum.reduceat(t.high, starts), *sums)


def _image(values: np.ndarray) -> np.ndarray:
    """int64 [n], in the order of `values`; for floats the low bits are those of the mantissa."""
    if values.dtype == np.int64:
        return values
    bits = values.view(np.int64)
    return bits ^ ((bits >> 63) & np.iinfo(np.int64).max)
