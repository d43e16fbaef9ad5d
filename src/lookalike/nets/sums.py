"""Sums that rows keep while they are drawn part by part: compiled, one pass for the sum and its copy in the precision of products."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lookalike._compile import compiled

__all__ = ["Sums"]

HALF, ODD, BITS = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)
"""How a float32 becomes the nearest bfloat16, a tie the even one: its upper half, after half of a last place has been added."""


class Sums:
    """float32 [n, width], to which vectors are added row by row; `low`: the same in the precision of products, [n, width]."""

    def __init__(self, begun: Tensor, dtype: torch.dtype) -> None:
        self.whole = begun.contiguous()
        self.low = self.whole.to(dtype)
        self._short = dtype == torch.bfloat16

    def add(self, table: Tensor, rows: Tensor, codes: Tensor) -> None:
        """Add row `codes` int64 [m] of `table` float32 [codes, width] to `rows` int64 [m]."""
        whole, of, at = self.whole.numpy(), codes.numpy(), rows.numpy()
        if self._short:
            _added_short(whole, whole.view(np.uint32), self.low.view(torch.int16).numpy().view(np.uint16), table.numpy(), at, of)
            return
        _added(whole, table.numpy(), at, of)
        self.low = self.whole if self.low.dtype == torch.float32 else self.whole.to(self.low.dtype)


@compiled
def _added(whole: Any, table: Any, rows: Any, codes: Any) -> None:
    for i in range(len(rows)):
        mine, more = whole[rows[i]], table[codes[i]]
        for j in range(len(mine)):
            mine[j] += more[j]


@compiled
def _added_short(whole: Any, bits: Any, low: Any, table: Any, rows: Any, codes: Any) -> None:
    """As `_added`; bits: those of `whole`; low: those of its copy in bfloat16, finite numbers only."""
    for i in range(len(rows)):
        mine, more, seen, short = whole[rows[i]], table[codes[i]], bits[rows[i]], low[rows[i]]
        for j in range(len(mine)):
            mine[j] += more[j]
        for j in range(len(mine)):
            short[j] = (seen[j] + HALF + ((seen[j] >> BITS) & ODD)) >> BITS
