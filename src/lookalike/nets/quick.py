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

__all__ = ["Trunk", "add_rows", "folded", "joined", "products"]

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
        self.first: tuple[Tensor, Tensor] | None = None
        for block in blocks:
            up = folded(block.up.weight, block.up.bias, block.norm)
            self.first = self.first or up
            self.layers.append(tuple(x.to(dtype) for x in (*up, block.down.weight, block.down.bias)))
            self.eps.append(block.norm.eps)
        self.eps.append(norm.eps)

    def __call__(self, h: Tensor) -> Tensor:
        """See the class; `h` stays as it is."""
        made = torch.empty(h.shape, dtype=self.dtype)
        _normed(h.numpy(), _bits(made), self._short, F(self.eps[0]))
        return self._on(h, made, None)

    def kept(self, vectors: Tensor) -> Tensor:
        """What to keep of `vectors` float32 [n, width] that are to be summed: float32 [n, width], less their mean, which no layer looks at,
        or [n, 2 width], then also what the first layer makes of them, which is a sum as they are."""
        vectors = vectors - vectors.mean(1, keepdim=True)
        return vectors if self.first is None else torch.cat([vectors, vectors @ self.first[0].T], dim=1)

    def of_sums(self, sums: Tensor) -> Tensor:
        """As the class, of sums of what was `kept`; they stay as they are."""
        if self.first is None:
            return self(sums)
        bent = torch.empty(len(sums), sums.shape[1] // 2, dtype=self.dtype)
        _bent(sums.numpy(), self.first[1].numpy(), _bits(bent), self._short, F(self.eps[0]))
        return self._on(sums, torch.empty_like(bent), bent)

    def _on(self, h: Tensor, made: Tensor, bent: Tensor | None) -> Tensor:
        """All layers: h float32 [n, width or more]; `made`, what the first one begins with, is used up; or `bent`, its hidden units."""
        last = len(self.layers)
        for k, (up, lift, down, drop) in enumerate(self.layers, start=1):
            bent = torch.relu_(nn.functional.linear(made, up, lift)) if bent is None else bent
            more, bent = nn.functional.linear(bent, down, drop), None
            total = torch.empty(more.shape) if k < last else more[:0].float()
            _added_normed(h.numpy(), _bits(more), _bits(made), total.numpy(), self._short, F(self.eps[k]))
            h = total
        return made

    @property
    def _short(self) -> bool:
        return self.dtype == torch.bfloat16


def add_rows(whole: Tensor, table: Tensor, rows: np.ndarray, codes: np.ndarray) -> None:
    """Add row `codes` int64 [m] of `table` float32 [codes, width] to `rows` int64 [m] of `whole` float32 [n, width], in place."""
    _rows_added(whole.numpy(), table.numpy(), rows, codes)


def joined(begun: Tensor, table: Tensor, of: np.ndarray, codes: np.ndarray) -> Tensor:
    """float32 [m, width]: rows `of` int64 [m] of `begun`, and rows `codes` int64 [m] of `table` added, both float32."""
    made = torch.empty(len(of), table.shape[1])
    _joined(begun.numpy(), table.numpy(), of, codes, made.numpy())
    return made


def _bits(x: Tensor) -> np.ndarray:
    """The bits of numbers in float32 or bfloat16, as int32 or int16."""
    return x.view(torch.int16 if x.dtype == torch.bfloat16 else torch.int32).numpy()


@compiled
def _rows_added(whole: Any, table: Any, rows: Any, codes: Any) -> None:
    for i in range(len(rows)):
        mine, more = whole[rows[i]], table[codes[i]]
        for j in range(len(mine)):
            mine[j] += more[j]


@compiled
def _joined(begun: Any, table: Any, of: Any, codes: Any, made: Any) -> None:
    for i in range(len(of)):
        mine, more, row = begun[of[i]], table[codes[i]], made[i]
        for j in range(len(row)):
            row[j] = mine[j] + more[j]


@compiled
def _store(bits: Any, made: Any, short: Any) -> None:
    """Write numbers, `bits` [width] of float32, as float32 or bfloat16."""
    if short:
        for j in range(len(bits)):
            made[j] = (bits[j] + HALF + ((bits[j] >> BITS) & ODD)) >> BITS
    else:
        for j in range(len(bits)):
            made[j] = bits[j]


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
    _store(bits, made, short)


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
def _bent(sums: Any, lift: Any, made: Any, short: Any, eps: Any) -> None:
    """Hidden units of the first layer, of sums of what `Trunk.kept` keeps: `made` gets them as float32 or bfloat16, cut at zero."""
    width = made.shape[1]
    bits = np.zeros(width, np.uint32)
    x = bits.view(np.float32)
    for i in range(len(sums)):
        square = F(0)
        for j in range(width):
            square += sums[i, j] * sums[i, j]
        scale = F(1) / np.sqrt(square / F(width) + eps)
        for j in range(width):
            x[j] = max(sums[i, width + j] * scale + lift[j], F(0))
        _store(bits, made[i], short)


@partial(compiled, fastmath=FREE, error_model="numpy")
def _added_normed(h: Any, more: Any, made: Any, total: Any, short: Any, eps: Any) -> None:
    """Norm of each row of `h` float32, its first numbers, and `more`, the bits of numbers as short as `made`; `total` gets their sum, if it
    has rows."""
    width = made.shape[1]
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
