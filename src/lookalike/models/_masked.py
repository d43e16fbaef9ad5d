"""The network of the autoregressive model: some parts of a row seen, the others hidden; all hidden ones are told at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.nets.blocks import Embedding, Heads, Layout, Linear, Residual, draw_codes
from lookalike.nets.train import precision

__all__ = ["Masked", "chances", "draw_rows", "match"]

NEVER = -1e9
"""Logit of a code that never occurred."""
TURNS, STEP_MOST = 6, 1.0
"""Corrections of one part's shares, and the longest."""


class Masked(nn.Module):
    """Embeddings, a trunk of residual layers, one softmax a part.

    order: parts as they are drawn. chain: share of the rows in training where the hidden parts are the last ones of that order,
    instead of any. counts: int64 [codes], how often each code occurred.
    """

    def __init__(
        self, layout: Layout, counts: np.ndarray, *, order: tuple[int, ...], chain: float, width: int, depth: int, vector: int, drop: float
    ) -> None:
        super().__init__()
        self.layout, self.parts, self.chain = layout, len(layout.sizes), chain
        self.embedding = Embedding(layout, vector)
        self.into = Linear(self.parts * vector, width)
        self.blocks = nn.ModuleList(Residual(width, drop=drop) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.heads = Heads(layout, width, counts=counts)
        place = np.argsort(np.asarray(order))
        self.register_buffer("place", torch.from_numpy(place), persistent=False)
        self.register_buffer("never", torch.from_numpy(np.where(counts > 0, 0.0, NEVER)).float(), persistent=False)

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        """Mean loss of rows of codes int64 [n, parts]; when not training, an unbiased guess of −log p(row)."""
        (codes,) = batch
        seen = self._seen(len(codes), draw)
        hidden = (~seen).float()
        few = self.parts / hidden.sum(1, keepdim=True)
        h = self.trunk(self.embedding(codes, seen).flatten(1), draw)
        return self.heads.loss(self.heads(h), codes, hidden * (few.sqrt() if self.training else few))

    def trunk(self, x: Tensor, draw: torch.Generator | None = None) -> Tensor:
        """Embedded rows float [n, parts · vector] → float [n, width]."""
        h = self.into(x)
        for block in self.blocks:
            h = block(h, draw)
        return self.norm(h)

    def _seen(self, n: int, draw: torch.Generator) -> Tensor:
        """bool [n, parts]: any number of parts, fewer than all; the first ones of the order, or any."""
        device = self.place.device
        count = (torch.rand(n, 1, generator=draw, device=device) * self.parts).floor()
        anywhere = torch.rand(n, self.parts, generator=draw, device=device).argsort(1).argsort(1)
        chained = torch.rand(n, 1, generator=draw, device=device) < self.chain
        return torch.where(chained, self.place[None], anywhere) < count


class _Teller:
    """What is told of parts of some rows, given what is seen of them: codes int64 and seen bool, both [n, parts]."""

    def __init__(self, net: Masked, codes: Tensor, seen: Tensor) -> None:
        self.net, self.codes, self.seen = net, codes, seen
        strange = seen & (net.never[codes + net.embedding.first] < 0)  # given, but never met while learning: tells nothing
        self.strange = strange if strange.any() else None
        self.vectors, self.heads = net.embedding.table(), net.heads.table()

    def logits(self, part: int, rows: Tensor | slice, shift: Tensor | None = None) -> Tensor:
        """float32 [rows, size]; those of codes that never occurred are NEVER. `shift` [codes] is added."""
        net = self.net
        here = slice(*net.layout.offsets[part : part + 2])
        seen = self.seen[rows] if self.strange is None else self.seen[rows] & ~self.strange[rows]
        with precision(self.codes.device):
            h = net.trunk(net.embedding(self.codes[rows], seen, table=self.vectors).flatten(1))
            told = net.heads.part(h, part, table=self.heads)
        told = told + net.never[here]
        return told if shift is None else told + shift[here]


@torch.no_grad()
def draw_rows(
    net: Masked,
    codes: Tensor,
    seen: Tensor,
    *,
    order: tuple[int, ...],
    first: np.ndarray,
    draw: torch.Generator,
    shift: Tensor | None,
    fill: bool,
) -> None:
    """Fill `codes` where not `seen` (both are changed), part after part.

    first: for each part, the first part of its column. fill: code 0, missing, is not drawn where there are others.
    """
    teller = _Teller(net, codes, seen)
    for p in order:
        rows = torch.nonzero(~seen[:, p]).squeeze(1)
        if len(rows):
            whole = len(rows) == len(codes)
            told = teller.logits(p, slice(None) if whole else rows, shift)
            if fill and (told[0, 1:] > NEVER / 2).any():
                told[:, 0] = NEVER
            head = codes[rows, int(first[p])] if first[p] != p else None
            codes[rows, p] = _drawn(told, head, draw)
            seen[:, p] = True


def _drawn(told: Tensor, head: Tensor | None, draw: torch.Generator) -> Tensor:
    """Codes drawn; a later part is missing exactly where the first part of its column, `head`, is."""
    if head is not None:
        told[:, 0] = NEVER
    drawn = draw_codes(told, draw)
    return drawn if head is None else drawn * (head > 0)


@torch.no_grad()
def chances(net: Masked, codes: Tensor, *, order: tuple[int, ...], first: np.ndarray, shift: Tensor | None) -> Tensor:
    """float64 [n]: log of the probability that rows of `codes` are drawn."""
    seen = torch.zeros_like(codes, dtype=torch.bool)
    teller, total = _Teller(net, codes, seen), torch.zeros(len(codes), dtype=torch.float64)
    for p in order:
        told = teller.logits(p, slice(None), shift).double()
        if first[p] != p:
            told[:, 0] = NEVER
        chance = told.log_softmax(1).gather(1, codes[:, p : p + 1]).squeeze(1)
        total += chance if first[p] == p else torch.where(codes[:, int(first[p])] > 0, chance, 0.0)
        seen[:, p] = True
    return total


@torch.no_grad()
def match(net: Masked, counts: np.ndarray, *, order: tuple[int, ...], first: np.ndarray, rows: int, draw: torch.Generator) -> Tensor:
    """float32 [codes]: what is added to the logits so that drawn columns have the shares that were counted.

    Small errors of each step would add up along the chain. So `rows` rows are drawn as in use, and at each part the shares that are
    told on average are set right before it is drawn.
    """
    codes = torch.zeros(rows, net.parts, dtype=torch.int64)
    seen = torch.zeros_like(codes, dtype=torch.bool)
    teller, shift = _Teller(net, codes, seen), torch.zeros(net.layout.offsets[-1])
    for p in order:
        here = slice(*net.layout.offsets[p : p + 2])
        wanted = torch.from_numpy(counts[here].astype(np.float64))
        told, head = teller.logits(p, slice(None)), codes[:, int(first[p])] if first[p] != p else None
        there = slice(None) if head is None else head > 0
        if head is not None:
            wanted[0] = 0
            told[:, 0] = NEVER
        if wanted.sum() > 0 and len(told[there]):
            shift[here] = _shifted(told[there], wanted / wanted.sum())
        codes[:, p] = _drawn(told + shift[here], head, draw)
        seen[:, p] = True
    return shift


def _shifted(told: Tensor, wanted: Tensor) -> Tensor:
    """float32 [size]: what brings the mean of softmax(told) to `wanted`; codes that are not wanted stay as they are."""
    shift = torch.zeros(len(wanted))
    for _ in range(TURNS):
        mean = (told + shift).softmax(1).mean(0, dtype=torch.float64)
        shift += torch.where(wanted > 0, (wanted / mean.clamp_min(1e-12)).clamp_min(1e-12).log(), 0.0).clamp(-STEP_MOST, STEP_MOST).float()
    return shift
