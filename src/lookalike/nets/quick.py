"""Residual layers made ready for much telling: norms and sums compiled into one pass, between products in the precision that is quick.

What a norm multiplies and adds is folded into the product that follows it, once, where weights no longer change.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lookalike._compile import compiled
from lookalike.nets.train import precision

if TYPE_CHECKING:
    from lookalike.nets.blocks import Residual

__all__ = ["Trunk", "add_rows", "folded", "products"]

HALF, ODD, BITS = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)
"""How a float32 becomes the nearest bfloat16, a tie the even one: its upper half, after half of a last place has been added."""
FREE = {"nsz", "arcp", "contract", "reassoc"}
"""What the compiler may take for granted of floats: sums in any order."""
F, INT = np.float32, np.int32


def products() -> torch.dtype:
    """The type that products of matrices have on this processor, see `precision`."""
    with precision(torch.device("cpu")):
        return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32


def folded(weight: Tensor, bias: Tensor | None, norm: nn.LayerNorm) -> tuple[Tensor, Tensor]:
    """Weight [outer, inner] and bias [outer] of a product, after what `norm` multiplies and adds; both float32."""
    more = weight @ norm.bias
    return weight * norm.weight, more if bias is None else bias + more


class Trunk:
    """Plain residual layers and the norm after them: float32 [n, width] → [n, width] in the precision of products.

    What the last norm multiplies and adds is left to the product that follows, see `folded`.
    """

    @torch.no_grad()
    def __init__(self, blocks: Iterable[Residual], norm: nn.LayerNorm, dtype: torch.dtype) -> None:
        self.dtype, self.layers, self.eps = dtype, [], []
        for block in blocks:
            up = folded(block.up.weight, block.up.bias, block.norm)
            self.layers.append(tuple(x.to(dtype) for x in (*up, block.down.weight, block.down.bias)))
            self.eps.append(block.norm.eps)
        self.eps.append(norm.eps)

    def __call__(self, h: Tensor) -> Tensor:
        """See the class; `h` stays as it is."""
        made, last = torch.empty(h.shape, dtype=self.dtype), len(self.layers)
        _normed(h.numpy(), _bits(made), self._short, F(self.eps[0]))
        for k, (up, lift, down, drop) in enumerate(self.layers, start=1):
            more = nn.functional.linear(torch.relu_(nn.functional.linear(made, up, lift)), down, drop)
            total = torch.empty_like(h) if k < last else h[:0]
            _added_normed(h.numpy(), _bits(more), _bits(made), total.numpy(), self._short, F(self.eps[k]))
            h = total
        return made

    @property
    def _short(self) -> bool:
        return self.dtype == torch.bfloat16


def add_rows(whole: Tensor, table: Tensor, rows: Tensor, codes: Tensor) -> None:
    """Add row `codes` int64 [m] of `table` float32 [codes, width] to `rows` int64 [m] of `whole` float32 [n, width], in place."""
    _rows_added(whole.numpy(), table.numpy(), rows.numpy(), codes.numpy())


def _bits(x: Tensor) -> np.ndarray:
    """The bits of numbers in float32 or bfloat16, as int32 or int16."""
    return x.view(torch.int16 if x.dtype == torch.bfloat16 else torch.int32).numpy()


@compiled
def _rows_added(whole: Any, table: Any, rows: Any, codes: Any) -> None:
    for i in range(len(rows)):
        mine, more = whole[rows[i]], table[codes[i]]
        for j in range(len(mine)):
            mine[j] += more[j]


@partial(compiled, fastmath=FREE, error_model="numpy")
def _put(x: Any, bits: Any, made: Any, short: Any, eps: Any) -> None:
    """Write `x`, less its mean and over its spread, as float32 or bfloat16; `x` float32 [width] is changed, `bits` are its own."""
    width = len(x)
    total = F(0)
    for j in range(width):
        total += x[j]
    mean, square = total / F(width), F(0)
    for j in range(width):
        x[j] -= mean
        square += x[j] * x[j]
    scale = F(1) / np.sqrt(square / F(width) + eps)
    for j in range(width):
        x[j] *= scale
    if short:
        for j in range(width):
            made[j] = (bits[j] + HALF + ((bits[j] >> BITS) & ODD)) >> BITS
    else:
        for j in range(width):
            made[j] = bits[j]


@partial(compiled, fastmath=FREE, error_model="numpy")
def _normed(h: Any, made: Any, short: Any, eps: Any) -> None:
    """Norm of each row of `h` float32 [n, width]."""
    bits = np.zeros(h.shape[1], np.uint32)
    x = bits.view(np.float32)
    for i in range(len(h)):
        for j in range(len(x)):
            x[j] = h[i, j]
        _put(x, bits, made[i], short, eps)


@partial(compiled, fastmath=FREE, error_model="numpy")
def _added_normed(h: Any, more: Any, made: Any, total: Any, short: Any, eps: Any) -> None:
    """Norm of each row of `h` float32 and `more`, the bits of numbers as short as `made`; `total` gets their sum, if it has rows."""
    width = h.shape[1]
    bits, moved = np.zeros(width, np.uint32), np.zeros(width, np.int32)
    x, added = bits.view(np.float32), moved.view(np.float32)
    left = INT(16 if short else 0)
    for i in range(len(h)):
        for j in range(width):
            moved[j] = INT(more[i, j]) << left
        for j in range(width):
            x[j] = h[i, j] + added[j]
        if len(total):
            for j in range(width):
                total[i, j] = x[j]
        _put(x, bits, made[i], short, eps)
