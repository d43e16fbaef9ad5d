"""The networks of the variational autoencoder: rows to a Gaussian in a latent space, points of that space to all parts of a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.nets.blocks import Embedding, Heads, Layout, Linear, Residual
from lookalike.nets.quick import Trunk, folded, products
from lookalike.nets.shares import NEVER, drawn_after, settle, shifted
from lookalike.nets.train import generator, whole_threads
from lookalike.protocol import OnStep, Step

__all__ = ["Prior", "Variational", "Writer", "settled"]

HIDDEN = 32
"""Units by which a late part is told."""
NARROW, WIDE = -10.0, 2.0
"""Logarithms of variances stay between these."""


class Prior(nn.Module):
    """A mixture of Gaussians in the latent space, learned with the rest: where rows lie (Tomczak and Welling 2018)."""

    def __init__(self, modes: int, latent: int) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.empty(modes, latent))
        self.spread = nn.Parameter(torch.empty(modes, latent))
        self.weight = nn.Parameter(torch.empty(modes))

    def start(self, draw: torch.Generator) -> None:
        """Centres of the standard normal law."""
        self.centre.normal_(0, 1, generator=draw)
        self.spread.fill_(-1.0)
        self.weight.zero_()

    def log_prob(self, z: Tensor) -> Tensor:
        """float32 [n]: log density at z [n, latent]."""
        narrow = self.spread.clamp(NARROW, WIDE)
        sharp = (-narrow).exp()
        far = (z * z) @ sharp.T - 2 * z @ (self.centre * sharp).T + (self.centre**2 * sharp).sum(1)
        each = self.weight.log_softmax(0) - 0.5 * (far + narrow.sum(1) + z.shape[1] * math.log(2 * math.pi))
        return each.logsumexp(1)

    def sample(self, n: int, draw: torch.Generator) -> Tensor:
        """float32 [n, latent]."""
        upto, scale = self.weight.softmax(0).cumsum(0), (0.5 * self.spread.clamp(NARROW, WIDE)).exp()
        which = torch.searchsorted(upto, torch.rand(n, generator=draw) * upto[-1], right=True).clamp_max(len(upto) - 1)
        noise = torch.randn(n, self.centre.shape[1], generator=draw)
        return torch.addcmul(self.centre[which], noise, scale[which])


class Late(nn.Module):
    """Parts that are told one after the other, each from the decoder's last layer and all parts drawn before it.

    Columns are drawn side by side from a point, and so an outcome goes with what the point says of the others, not with what came out. Told
    of these, it goes with them. parts: in the order in which they are drawn, all others come before.
    """

    def __init__(self, layout: Layout, parts: Sequence[int], width: int) -> None:
        super().__init__()
        self.layout, self.parts = layout, tuple(parts)
        self.early = [p for p in range(len(layout.sizes)) if p not in self.parts]
        self.vectors = Embedding(layout, HIDDEN)
        self.hint = Linear(width, HIDDEN)
        self.turns = nn.ModuleList(Linear(HIDDEN, layout.sizes[p], scale=0.1) for p in self.parts)
        self.register_buffer("weights", torch.tensor([float(p in self.parts) for p in range(len(layout.sizes))]), persistent=False)

    def forward(self, h: Tensor, codes: Tensor, logits: Tensor) -> Tensor:
        """`logits` float [n, codes] of all parts with what is added to those of late ones, for rows of `codes` int64 [n, parts]."""
        vectors, more = self.vectors(codes), torch.zeros_like(logits)
        total = self.hint(h) + vectors[:, self.early].sum(1)
        for p, turn in zip(self.parts, self.turns, strict=True):
            more[:, slice(*self.layout.offsets[p : p + 2])] = turn(torch.relu(total)).to(more.dtype)
            total = total + vectors[:, p]
        return logits + more


class Variational(nn.Module):
    """Encoder, prior and decoder.

    counts: int64 [codes], how often each code occurred. late: parts that are told after the others. beta: weight of the latent law in the
    loss, reached after the share `warm` of the training; `share` is how much of it is over.
    """

    def __init__(
        self,
        layout: Layout,
        counts: np.ndarray,
        *,
        space: tuple[int, int],
        width: int,
        depth: int,
        vector: int,
        beta: tuple[float, float],
        late: Sequence[int],
    ) -> None:
        super().__init__()
        self.layout, self.parts, self.share = layout, len(layout.sizes), 1.0
        (latent, modes), (self.beta, self.warm) = space, beta
        self.embedding = Embedding(layout, vector)
        self.into = Linear(self.parts * vector, width)
        self.reading = nn.ModuleList(Residual(width) for _ in range(depth))
        self.read = nn.LayerNorm(width)
        self.mean, self.spread = Linear(width, latent), Linear(width, latent, scale=0.1)
        self.prior = Prior(modes, latent)
        self.out = Linear(latent, width)
        self.writing = nn.ModuleList(Residual(width, plain=True) for _ in range((depth + 1) // 2))
        self.written = nn.LayerNorm(width)
        self.heads = Heads(layout, width, counts=counts)
        self.late = Late(layout, late, width)
        self.register_buffer("never", torch.from_numpy(np.where(counts > 0, 0.0, NEVER)).float(), persistent=False)

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        """Mean of −log p(row | z) + β · (log q(z | row) − log p(z)) of rows of codes int64 [n, parts]."""
        (codes,) = batch
        mean, narrow = self.reader(codes)
        noise = torch.randn(mean.shape, generator=draw, device=mean.device)
        z = mean + noise * (0.5 * narrow).exp()
        h = self.writer(z)
        logits, each = self.heads(h), torch.ones_like(codes, dtype=torch.float32)
        told = self.heads.loss(logits, codes, each)
        if self.late.parts:  # what late parts learn besides leaves the points as they are: these tell all parts as well as they can
            told = told + self.heads.loss(self.late(h.detach(), codes, logits.detach()), codes, each * self.late.weights)
        with torch.autocast(z.device.type, enabled=False):
            log_q = -0.5 * (noise**2 + narrow + math.log(2 * math.pi)).sum(1)
            gap = (log_q - self.prior.log_prob(z)).mean()
        beta = self.beta * min(1.0, self.share / self.warm) if self.training and self.warm else self.beta
        return told + beta * gap

    def reader(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of q(z | row), float32 [n, latent]."""
        h = self.into(self.embedding(codes).flatten(1))
        for block in self.reading:
            h = block(h)
        h = self.read(h)
        return self.mean(h).float(), self.spread(h).float().clamp(NARROW, WIDE)

    def writer(self, z: Tensor) -> Tensor:
        """Points z [n, latent] → what the heads are told from, [n, width]."""
        h = self.out(z)
        for block in self.writing:
            h = block(h)
        return self.written(h)

    def clock(self, on_step: OnStep) -> OnStep:
        """`on_step`, that also keeps `share`."""

        def told(step: Step) -> None:
            self.share = step.done / step.total
            on_step(step)

        return told


class Writer:
    """A trained decoder, made ready for much drawing: weights in the precision of products, norms folded into them."""

    @torch.no_grad()
    def __init__(self, net: Variational) -> None:
        self.low, self.late, self.offsets = products(), net.late, net.layout.offsets
        self.out = tuple(x.to(self.low) for x in (net.out.weight, net.out.bias))
        self.trunk = Trunk(net.writing, net.written, self.low)
        weight, bias = folded(*net.heads.table(), net.written)
        self.weight, self.bias = weight.to(self.low), bias + net.never
        self.vectors, self.first = net.late.vectors.table(), np.asarray(self.offsets[:-1])
        hint = folded(net.late.hint.weight, net.late.hint.bias, net.written)
        self.hint = (torch.cat([hint[0], *(weight[span] for span in self._late_spans)]).to(self.low), hint[1])

    @property
    def _late_spans(self) -> list[slice]:
        return [slice(*self.offsets[p : p + 2]) for p in self.late.parts]

    def __call__(self, z: Tensor) -> Tensor:
        """Points z float32 [n, latent] → what the heads, `weight` and `bias`, are told from, [n, width]."""
        return self.trunk(nn.functional.linear(z.to(self.low), *self.out).float())

    def told(self, hidden: Tensor, part: int) -> Tensor:
        """Logits of an early part, without its bias, float32 [n, size]."""
        return nn.functional.linear(hidden, self.weight[slice(*self.offsets[part : part + 2])]).float()

    def begun(self, hidden: Tensor, codes: np.ndarray) -> tuple[Tensor, list[Tensor]]:
        """What late parts are told from where the early ones came out as `codes` [early parts, n]: float32 [n, units], to be carried on,
        and of each late part what the point alone says of it, float32 [n, size]."""
        at = torch.from_numpy(np.ascontiguousarray((codes + self.first[self.late.early, None]).T))
        both = nn.functional.linear(hidden, self.hint[0]).float()
        total = both[:, :HIDDEN] + self.hint[1] + nn.functional.embedding_bag(at, self.vectors, mode="sum")
        sizes = [span.stop - span.start for span in self._late_spans]
        return total, list(both[:, HIDDEN:].split(sizes, dim=1))

    def late_told(self, turn: int, total: Tensor, alone: Tensor) -> Tensor:
        """Logits of the late part whose turn it is, without its bias, float32 [n, size]."""
        return alone + self.late.turns[turn](torch.relu(total))

    def on(self, turn: int, total: Tensor, codes: np.ndarray) -> Tensor:
        """`total` after that part came out as `codes` [n]."""
        return total + self.vectors[torch.from_numpy(codes + self.first[self.late.parts[turn]])]


def settled(net: Variational, counts: Sequence[np.ndarray], *, first: np.ndarray, pieces: int, rows: int, seed: int) -> np.ndarray:
    """float32 [codes]: what is added to logits so that drawn rows have the shares that were counted.

    Late parts are set right after the early ones were drawn so. counts: of each part, int64 [size]. first: for each early part, the first
    early part of its column. pieces, rows: how many points are drawn for it, and at once.
    """
    writer, early = Writer(net), net.late.early
    bias = [writer.bias[slice(*ends)] for ends in pairwise(writer.offsets)]
    found = [torch.zeros(len(c)) for c in counts]

    @torch.inference_mode()
    def points(k: int) -> Tensor:
        return writer(net.prior.sample(rows, generator(seed, k)))

    @torch.inference_mode()
    def told(at: int, k: int) -> Tensor:
        return writer.told(hidden[k], early[at]) + bias[early[at]]

    @torch.inference_mode()
    def begun(k: int) -> tuple[Tensor, list[Tensor]]:
        draw, codes = generator(seed, 1, k), []
        for at, p in enumerate(early):
            codes.append(drawn_after(told(at, k) + found[p], None if first[at] == at else codes[first[at]], draw))
        return writer.begun(hidden[k], torch.stack(codes).numpy())

    with whole_threads() as pool, torch.inference_mode():
        hidden = list(pool.map(points, range(pieces)))
        shifts = settle(told, pieces, [counts[p] for p in early], first=first, seed=seed, pool=pool)
        for p, shift in zip(early, shifts, strict=True):
            found[p] = shift
        totals, alone = zip(*pool.map(begun, range(pieces)), strict=True) if net.late.parts else ([], [])
        for turn, p in enumerate(net.late.parts):
            logits = [writer.late_told(turn, total, some[turn]) + bias[p] for total, some in zip(totals, alone, strict=True)]
            found[p] = shifted(logits, torch.from_numpy(counts[p] / counts[p].sum()), pool)
            codes = [drawn_after(x + found[p], None, generator(seed, 2, turn, k)).numpy() for k, x in enumerate(logits)]
            totals = [writer.on(turn, total, some) for total, some in zip(totals, codes, strict=True)]
    return torch.cat(found).numpy()
