"""Blocks of networks over the parts of a codebook: embeddings of codes, residual layers, one softmax for each part.

Weights are made empty and filled by `start` from a generator: torch's own layers would draw from its global random numbers.
Ordered parts with many codes share what they learn along the line: code vectors are a table plus a smooth function of rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["Embedding", "Heads", "Layout", "Linear", "Residual", "arrays_of", "draw_codes", "put_arrays", "start"]

WAVES = 8
"""Sines and cosines, each, that a smooth function of rank is made of."""
SMOOTH = 12
"""Ordered parts with more codes than this are smooth."""
STEEP = 40.0
"""Logits beyond ± this are taken less the largest of their part, so that no exponential overflows."""


@dataclass(frozen=True)
class Layout:
    """Where the codes of each part lie, one part after the other, in a row of logits: `offsets` int [parts + 1]."""

    sizes: tuple[int, ...]
    ordered: tuple[bool, ...]

    @classmethod
    def of(cls, parts: Sequence[Any]) -> Layout:
        """The layout of `Codebook.parts`."""
        return cls(tuple(p.size for p in parts), tuple(p.ordered for p in parts))

    @property
    def offsets(self) -> tuple[int, ...]:
        """First code of each part; last, how many there are."""
        return tuple(int(v) for v in np.cumsum([0, *self.sizes]))

    @property
    def smooth(self) -> tuple[int, ...]:
        """Parts whose codes lie on a line and are many."""
        return tuple(p for p, (k, o) in enumerate(zip(self.sizes, self.ordered, strict=True)) if o and k > SMOOTH)


class Linear(nn.Module):
    """x W' + b, x float [..., inner] → [..., outer]. `scale`: of the first weights."""

    def __init__(self, inner: int, outer: int, *, scale: float = 1.0, bias: bool = True) -> None:
        super().__init__()
        self.scale, self.weight = scale, nn.Parameter(torch.empty(outer, inner))
        self.bias = nn.Parameter(torch.empty(outer)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return nn.functional.linear(x, self.weight, self.bias)

    def start(self, draw: torch.Generator) -> None:
        """First weights: variance is kept from layer to layer."""
        self.weight.uniform_(-1, 1, generator=draw).mul_(self.scale * math.sqrt(3 / self.weight.shape[1]))
        if self.bias is not None:
            self.bias.zero_()


class Residual(nn.Module):
    """h + f(norm(h)), f with one hidden layer; `drop`: share of the hidden units silenced while training.

    plain: the quick kind, with as many hidden units as the width, cut at zero; otherwise twice as many, and smooth (SiLU).
    """

    def __init__(self, width: int, *, drop: float = 0.0, plain: bool = False) -> None:
        super().__init__()
        self.bend, hidden = (torch.relu, width) if plain else (nn.functional.silu, 2 * width)
        self.norm, self.up, self.down, self.drop = nn.LayerNorm(width), Linear(width, hidden), Linear(hidden, width, scale=0.5), drop

    def forward(self, h: Tensor, draw: torch.Generator | None = None) -> Tensor:
        """float [n, width] → the same; `draw` is needed where `drop` is to work."""
        x = self.bend(self.up(self.norm(h)))
        return h + self.down(dropped(x, self.drop if self.training else 0.0, draw))


def dropped(x: Tensor, share: float, draw: torch.Generator | None) -> Tensor:
    """`x` with a share of its entries silenced, the others raised to make up for it."""
    if not share or draw is None:
        return x
    keep = torch.empty(x.shape, dtype=torch.uint8, device=x.device).random_(0, 256, generator=draw) >= round(256 * share)
    return x * keep * (1 / (1 - share))


class Embedding(nn.Module):
    """Codes int64 [n, parts] → float [n, parts, width]; where `seen` is False, what stands for an unknown code."""

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        self.layout, self.parts = layout, len(layout.sizes)
        self.vectors = _Vectors(layout, width, extra=self.parts)
        self.register_buffer("first", torch.tensor(layout.offsets[:-1], dtype=torch.int64))
        self.register_buffer("unknown", layout.offsets[-1] + torch.arange(self.parts))

    def table(self) -> Tensor:
        """float [codes + parts, width]: the vectors of all codes, then of the unknowns; may be computed once and given to `forward`."""
        return self.vectors()

    def forward(self, codes: Tensor, seen: Tensor | None = None, *, table: Tensor | None = None) -> Tensor:
        """See the class; `seen` bool [n, parts]."""
        table = self.table() if table is None else table
        at = codes + self.first
        if seen is not None:
            at = torch.where(seen, at, self.unknown)
        return nn.functional.embedding(at, table)

    def start(self, draw: torch.Generator) -> None:
        """First vectors: of about unit length in each entry."""
        self.vectors.start(draw, 0.5)


class Heads(nn.Module):
    """float [n, width] → logits of every code of every part, float [n, codes]; at first those of the shares `counts` [codes]."""

    def __init__(self, layout: Layout, width: int, *, counts: np.ndarray | None = None) -> None:
        super().__init__()
        self.layout = layout
        self.vectors = _Vectors(layout, width)
        self.bias = nn.Parameter(torch.empty(layout.offsets[-1]))
        self.counts = None if counts is None else np.asarray(counts, dtype=np.float64)

    def table(self) -> tuple[Tensor, Tensor]:
        """Weights and biases; may be computed once and given to `part`."""
        return self.vectors(), self.bias

    def forward(self, h: Tensor) -> Tensor:
        """See the class."""
        return nn.functional.linear(h, self.vectors(), self.bias)

    def part(self, h: Tensor, part: int, *, table: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Logits of one part, float32 [n, size]."""
        weight, bias = self.table() if table is None else table
        here = slice(*self.layout.offsets[part : part + 2])
        return nn.functional.linear(h, weight[here], bias[here]).float()

    def loss(self, logits: Tensor, codes: Tensor, weights: Tensor) -> Tensor:
        """Mean over rows of the weighted sum over parts of −log p(code); codes int64 and weights float32 [n, parts]."""
        return _Surprise.apply(logits, codes, weights, self.layout.offsets)

    def start(self, draw: torch.Generator) -> None:
        """First weights small, first biases the log shares."""
        self.vectors.start(draw, 0.1 / math.sqrt(self.vectors.free.shape[1]))
        self.bias.zero_()
        if self.counts is not None:
            for a, b in pairwise(self.layout.offsets):
                share = (self.counts[a:b] + 0.1) / (self.counts[a:b] + 0.1).sum()
                self.bias[a:b] = torch.from_numpy(np.log(share)).float()


class _Vectors(nn.Module):
    """One vector a code: a table of its own, plus in smooth parts waves along the line. `extra`: vectors at the end."""

    def __init__(self, layout: Layout, width: int, *, extra: int = 0) -> None:
        super().__init__()
        self.spans = [layout.offsets[p : p + 2] for p in layout.smooth]
        self.free = nn.Parameter(torch.empty(layout.offsets[-1] + extra, width))
        self.along = nn.Parameter(torch.empty(len(self.spans), 2 * WAVES + 1, width))
        self.waves: dict[torch.device, list[Tensor]] = {}

    def forward(self) -> Tensor:
        """[codes + extra, width]; in the precision that products have here."""
        device = self.free.device
        low = torch.is_autocast_enabled(device.type)
        dtype = torch.get_autocast_dtype(device.type) if low else torch.float32
        if device not in self.waves:
            self.waves[device] = [_waves(b - a).to(device) for a, b in self.spans]
        return _Joined.apply(self.free, self.along, self.spans, self.waves[device], dtype)

    def start(self, draw: torch.Generator, scale: float) -> None:
        """First vectors with entries of about `scale`."""
        self.free.normal_(0, scale, generator=draw)
        self.along.normal_(0, scale, generator=draw)


class _Joined(torch.autograd.Function):
    """free + waves @ along in each span, in one copy of the table."""

    @staticmethod
    def forward(ctx: Any, free: Tensor, along: Tensor, spans: list[tuple[int, int]], waves: list[Tensor], dtype: torch.dtype) -> Tensor:
        ctx.spans, ctx.waves = spans, waves
        table = free.to(dtype, copy=True)
        with torch.autocast(free.device.type, enabled=False):
            for (a, b), wave, vectors in zip(spans, waves, along, strict=True):
                table[a:b] += (wave @ vectors).to(dtype)
        return table

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grown: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grown = grown.float()
        pieces = [wave.T @ grown[a:b] for (a, b), wave in zip(ctx.spans, ctx.waves, strict=True)]
        along = torch.stack(pieces) if pieces else grown.new_empty(0, 2 * WAVES + 1, grown.shape[1])
        return grown, along, None, None, None


def _waves(size: int) -> Tensor:
    """float32 [size, 2 WAVES + 1]: functions of the place of codes 1 … on the line; none for code 0, missing."""
    at = torch.linspace(0, 1, max(size - 1, 2))[: size - 1, None]
    turns = math.pi * torch.arange(1, WAVES + 1)
    waves = torch.cat([2 * at - 1, torch.sin(at * turns), torch.cos(at * turns)], dim=1)
    return torch.cat([torch.zeros_like(waves[:1]), waves])


class _Surprise(torch.autograd.Function):
    """Cross-entropy of many softmaxes side by side. The gradient is made on the way, in place: half the passes over the logits."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, codes: Tensor, weights: Tensor, offsets: tuple[int, ...]) -> Tensor:
        steep, spans = logits.to(torch.float32, copy=True), list(pairwise(offsets))
        if max(abs(float(end)) for end in steep.aminmax()) > STEEP:
            for low, high in spans:
                steep[:, low:high] -= steep[:, low:high].amax(1, keepdim=True)
        at = codes + torch.tensor(offsets[:-1], device=codes.device)
        told = steep.gather(1, at)
        steep.exp_()
        total = torch.stack([steep[:, a:b].sum(1) for a, b in spans], dim=1)
        loss = ((total.log() - told) * weights).sum() / len(codes)
        if ctx.needs_input_grad[0]:
            part = weights / total
            for p, (a, b) in enumerate(spans):
                steep[:, a:b].mul_(part[:, p : p + 1])
            steep.scatter_add_(1, at, -weights).div_(len(codes))
            ctx.save_for_backward(steep.to(logits.dtype))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grown: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grown, None, None, None


def draw_codes(logits: Tensor, draw: torch.Generator) -> Tensor:
    """int64 [n]: codes drawn by softmax of `logits` float32 [n, size]; one whose logit lies 100 below the highest never is."""
    upto = (logits - logits.amax(1, keepdim=True)).exp_().cumsum(1)
    last = upto[:, -1:]
    where = torch.rand(len(logits), 1, generator=draw, device=logits.device) * last
    where = torch.minimum(where, torch.nextafter(last, torch.zeros_like(last)))  # rounded up to the end, it would be beyond
    return torch.searchsorted(upto, where, right=True).squeeze(1)


def start(net: nn.Module, draw: torch.Generator) -> None:
    """Fill all weights of `net` from `draw`: every block that has a `start` of its own, in order."""
    with torch.no_grad():
        for block in net.children():
            if hasattr(block, "start"):
                block.start(draw)
            else:
                start(block, draw)


def arrays_of(net: nn.Module) -> dict[str, np.ndarray]:
    """The weights of `net` by their names, float32, for `State.arrays`."""
    return {name: w.detach().cpu().numpy().copy() for name, w in net.named_parameters()}


def put_arrays(net: nn.Module, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """Give `net` the weights that `arrays_of` took, and set it to be used; KeyError or ValueError if they are of another net."""
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if arrays[name].shape != tuple(weight.shape):
                raise ValueError(f"weights {name} have shape {arrays[name].shape}, not {tuple(weight.shape)}")
            weight.copy_(torch.from_numpy(np.ascontiguousarray(arrays[name])))
    return net.eval()
