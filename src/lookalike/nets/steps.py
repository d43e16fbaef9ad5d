"""A network that tells the next step of a series from a summary of what went before: one law for each part, one part after the other.

Numbers have a mixture of normal laws about a linear forecast, in units of what the forecast leaves: the net begins as that forecast with
normal errors, and learns what is not linear and not normal. Levels have a softmax, marks (missing, said again) a logit. Any row of a batch
is one step, so that nothing is computed step after step while learning.
(Salinas et al. 2020, DeepAR; Bishop 1994, mixture densities; Germain et al. 2015, MADE.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lookalike.nets.blocks import Linear, Residual

__all__ = ["Head", "Steps"]

NARROW, WIDE = -6.0, 4.0
"""Logarithms that spreads are held within, in units of the forecast's error."""
FAR = 5.0
"""Errors are told to later heads within ± this."""


@dataclass(frozen=True)
class Head:
    """One thing that is told: a `number`, a `mark` (0 or 1) or a `level` of `size`."""

    kind: str
    size: int = 1


class Steps(nn.Module):
    """Laws of the next step. read: numbers that sum up what went before. inner: units of each head; modes: normal laws of a number."""

    def __init__(
        self, heads: Sequence[Head], read: int, *, width: int, depth: int, inner: int = 32, modes: int = 8, drop: float = 0.0
    ) -> None:
        super().__init__()
        self.heads, self.inner, self.modes = tuple(heads), inner, modes
        self.sizes = [h.size for h in heads]
        self.ends = [0]
        for size in self.sizes:
            self.ends.append(self.ends[-1] + size)
        self.enter = Linear(read, width)
        self.layers = nn.ModuleList(Residual(width, drop=drop) for _ in range(depth))
        self.open = Linear(width, len(heads) * inner)
        self.tell = _Tell(self.heads, inner, modes)

    def trunk(self, x: Tensor, draw: torch.Generator | None = None) -> Tensor:
        """float [n, heads, inner]: what each head goes by, before the heads before it are known. x [n, read]."""
        h = self.enter(x)
        for layer in self.layers:
            h = layer(h, draw)
        return self.open(nn.functional.silu(h)).view(len(x), len(self.heads), self.inner)

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        """Mean over rows of the sum of what heads fail to tell (negative log-likelihood), over how many heads there are.

        batch: what is read [n, read]; outcomes [n, sum of sizes]: the error of a number in units of the forecast's, 0/1 of marks and
        levels; weights [n, heads], 0 where there is nothing to tell.
        """
        x, outcome, weight = batch
        inner = self.trunk(x, draw).float()
        with torch.autocast(x.device.type, enabled=False):
            inner = nn.functional.silu(inner + self.tell.hint(outcome.clamp(-FAR, FAR)))
            loss = sum(
                self.tell.loss(k, inner[:, k], outcome[:, self.ends[k] : self.ends[k + 1]]) * weight[:, k] for k in range(len(self.heads))
            )
        return loss.mean() / len(self.heads)


class _Tell(nn.Module):
    """The heads: each sees the outcomes of those before it."""

    def __init__(self, heads: Sequence[Head], inner: int, modes: int) -> None:
        super().__init__()
        self.heads, self.modes = tuple(heads), modes
        total = sum(h.size for h in heads)
        self.among = nn.Parameter(torch.empty(total, len(heads), inner))
        out = [3 * modes if h.kind == "number" else h.size for h in heads]
        self.close = nn.ParameterList(nn.Parameter(torch.empty(inner, k)) for k in out)
        self.base = nn.ParameterList(nn.Parameter(torch.empty(k)) for k in out)
        owner = torch.repeat_interleave(torch.arange(len(heads)), torch.tensor([h.size for h in heads]))
        self.register_buffer("before", (owner[:, None] < torch.arange(len(heads))).float()[:, :, None], persistent=False)

    def start(self, draw: torch.Generator) -> None:
        """First weights: the normal laws of a number lie about the standard one."""
        self.among.uniform_(-1, 1, generator=draw).mul_(math.sqrt(1 / len(self.among)))
        for head, close, base in zip(self.heads, self.close, self.base, strict=True):
            close.uniform_(-1, 1, generator=draw).mul_(0.1 * math.sqrt(3 / len(close)))
            base.zero_()
            if head.kind == "number":
                base[self.modes : 2 * self.modes].uniform_(-0.3, 0.3, generator=draw)
                base[2 * self.modes :].uniform_(-1.0, 0.3, generator=draw)

    def hint(self, outcome: Tensor) -> Tensor:
        """float [n, heads, inner]: what the outcomes [n, sum of sizes] of heads before tell each head."""
        weight = self.among * self.before
        return (outcome @ weight.flatten(1)).view(len(outcome), *weight.shape[1:])

    def logits(self, k: int, inner: Tensor) -> Tensor:
        """What head `k` tells, of float [n, inner]."""
        return inner @ self.close[k] + self.base[k]

    def loss(self, k: int, inner: Tensor, outcome: Tensor) -> Tensor:
        """float [n]: negative log-likelihood of the outcome [n, size]."""
        told, kind = self.logits(k, inner), self.heads[k].kind
        if kind == "mark":
            return nn.functional.binary_cross_entropy_with_logits(told, outcome, reduction="none")[:, 0]
        if kind == "level":
            return -(torch.log_softmax(told, 1) * outcome).sum(1)
        share, centre, spread = told.split(self.modes, 1)
        spread = spread.clamp(NARROW, WIDE)
        each = torch.log_softmax(share, 1) - spread - 0.5 * ((outcome - centre) * torch.exp(-spread)) ** 2
        return 0.5 * math.log(2 * math.pi) - torch.logsumexp(each, 1)

    def draw(self, k: int, inner: Tensor, draw: torch.Generator) -> Tensor:
        """float [n, size]: outcomes of head `k` drawn by float [n, inner]."""
        told, kind = self.logits(k, inner), self.heads[k].kind
        chance = torch.empty((len(told), 1)).uniform_(generator=draw)
        if kind == "mark":
            return (chance < torch.sigmoid(told)).float()
        if kind == "level":
            at = (torch.softmax(told, 1).cumsum(1) < chance).sum(1).clamp(max=told.shape[1] - 1)
            return nn.functional.one_hot(at, told.shape[1]).float()
        share, centre, spread = told.split(self.modes, 1)
        at = (torch.softmax(share, 1).cumsum(1) < chance).sum(1, keepdim=True).clamp(max=self.modes - 1)
        width = torch.exp(spread.gather(1, at).clamp(NARROW, WIDE))
        return centre.gather(1, at) + width * torch.empty((len(told), 1)).normal_(generator=draw)
