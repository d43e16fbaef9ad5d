"""What a private fit knows of a line of numbers: noisy ranges become a tally, and a tally the rows of each code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.encode import _cells
from lookalike.encode._people import UNIT
from lookalike.encode._tally import Tally

if TYPE_CHECKING:
    from lookalike.privacy.look import Ranges

GRID = 1 << 20
"""Ranges, at the finest, of a number without a known number of decimals."""
MOST = 2.0**52
"""Values that a public grid may have."""
PIECES = 8
"""Pieces of equal mass and width that stand for a range which was not cut further."""


def tally(ranges: Ranges, value: Callable[[np.ndarray], np.ndarray], *, open_above: bool) -> tuple[Tally, int]:
    """The tally of noisy ranges, and its rows; `value` turns value numbers into values.

    open_above: value numbers are stretches, not points; a range then reaches up to where the next one begins.
    """
    wide = ranges.last - ranges.first + 1
    count = np.where(wide > 1, np.minimum(PIECES, wide), 1)
    piece = np.concatenate([np.arange(c) for c in count]) if len(count) else np.zeros(0, np.int64)
    of = np.repeat(np.arange(len(count)), count)
    first = ranges.first[of] + wide[of] * piece // count[of]
    last = ranges.first[of] + wide[of] * (piece + 1) // count[of] - 1
    rows = np.diff(np.rint(np.cumsum(np.append(0.0, ranges.rows[of] / count[of])))).astype(np.int64)
    low, high = value(first), value(last + open_above)
    low, high, rows = low[rows > 0], high[rows > 0], rows[rows > 0]
    return Tally(0, low, high, rows, rows.copy(), rows * UNIT), int(rows.sum())


def held(t: Tally, line: dict[str, Any], missing: float) -> np.ndarray:
    """float64 [codes]: rows of each cell of `line`, missing ones first."""
    middle = t.low + (t.high - t.low) // 2 if t.low.dtype == np.int64 else t.middle()
    found = np.bincount(_cells.code(middle, line), weights=t.rows, minlength=_cells.size(line)).astype(np.float64)
    return np.append(missing, found[1:])
