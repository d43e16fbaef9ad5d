"""Reading the curve of a column at many places and putting what is read on its grid: compiled, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike._compile import compiled, inlined

F = np.float32
EXACT = 2.0**53
LOT = F(104_729)
"""Positions in a cell, times this prime, less the whole: lots by which values are rounded further."""
LEAST, MOST = -(2.0**63), 2.0**63 - 1024
"""What an int64 can hold, as floats."""


@inlined
def _read(cell: Any, at: Any, upto: Any, key: Any, value: Any, slope: Any) -> Any:
    """The curve through `key` and `value` at cell + 1 + at. upto: the last knot that is not beyond each whole number 1, 2, …; slope: of
    each piece."""
    x = float(cell) + 1.0 + float(at)
    low, high = upto[cell], upto[cell + 1]
    while low < high:
        middle = (low + high + 1) // 2
        if key[middle] <= x:
            low = middle
        else:
            high = middle - 1
    flat = low == len(key) - 1 or key[low] == x or x < key[low]
    return value[low] if flat else slope[low] * (x - key[low]) + value[low]


@inlined
def _rounded(x: Any, step: Any, unit: Any, tens: Any) -> Any:
    """The nearest multiple of `step` grid steps. unit: of whole numbers, else 0; tens: grid steps in 1."""
    steps = x / unit if unit else x * tens
    whole = np.rint(steps / step) * step
    return whole * unit if unit else whole / tens


@inlined
def _coarsened(x: Any, at: Any, share: Any, steps: Any, low: Any, high: Any, unit: Any, tens: Any) -> Any:
    """Rounded further, as often as `share` [steps] says, never out of `low` … `high`."""
    lot = at * LOT
    lot = lot - np.floor(lot)
    for k in range(len(steps)):
        if not lot < share[k]:
            break
        rounder = _rounded(x, steps[k], unit, tens)
        if low <= rounder <= high:
            x = rounder
    return x


@compiled
def floats(codes: Any, inside: Any, curve: Any, rounding: Any, low: Any, high: Any, tens: Any) -> Any:
    """float64 [n]: values at positions `inside` float32 of cells `codes` − 1, of a grid of 1 / `tens`; none if that is 0.

    curve: upto, key, value, slope as `_read` has them, and how many times too large values are. rounding: float64 [cells, steps], how often
    values are rounded further to each of the steps, and these. low, high: float64 [cells].
    """
    (upto, key, value, slope, scale), (share, steps) = curve, rounding
    found = np.empty(len(codes))
    for i in range(len(codes)):
        cell, at = max(codes[i], 1) - 1, inside[i]
        x = _read(cell, at, upto, key, value, slope) / scale
        if len(share):
            x = _coarsened(x, at, share[cell], steps, low[cell], high[cell], 0, tens)
        if tens and abs(x * tens) < EXACT:
            x = _rounded(x, 1, 0, tens)
        found[i] = min(max(x + 0.0, low[cell]), high[cell])
    return found


@compiled
def wholes(codes: Any, inside: Any, curve: Any, rounding: Any, low: Any, high: Any, unit: Any, base: Any) -> Any:
    """As `floats`, int64 [n]: `base` and a multiple of `unit`; low, high: int64 [cells]."""
    (upto, key, value, slope, scale), (share, steps) = curve, rounding
    found = np.empty(len(codes), np.int64)
    least, most = LEAST - min(base, 0), MOST - max(base, 0)
    for i in range(len(codes)):
        cell, at = max(codes[i], 1) - 1, inside[i]
        x = _read(cell, at, upto, key, value, slope) / scale
        if len(share):
            x = _coarsened(x, at, share[cell], steps, float(low[cell]), float(high[cell]), unit, 1.0)
        if abs(x / unit) < EXACT:
            x = _rounded(x, 1, unit, 1.0)
        found[i] = min(max(np.int64(min(max(x, least), most)) + base, low[cell]), high[cell])
    return found
