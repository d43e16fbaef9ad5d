"""Reading the curve of a column at many places, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike._compile import compiled


@compiled
def interpolated(cell: Any, at: Any, upto: Any, key: Any, value: Any, slope: Any) -> Any:
    """float64 [n]: the curve through `key` and `value` at cell + 1 + at. upto: the last knot that is not beyond each whole number 1, 2, …;
    slope: of each piece."""
    found = np.empty(len(cell))
    last = len(key) - 1
    for i in range(len(cell)):
        x = float(cell[i]) + 1.0 + float(at[i])
        low, high = upto[cell[i]], upto[cell[i] + 1]
        while low < high:
            middle = (low + high + 1) // 2
            if key[middle] <= x:
                low = middle
            else:
                high = middle - 1
        flat = low == last or key[low] == x or x < key[low]
        found[i] = value[low] if flat else slope[low] * (x - key[low]) + value[low]
    return found
