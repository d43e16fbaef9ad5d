"""The networks of the variational autoencoder: rows to a Gaussian in a latent space, points of that space to all parts of a row."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.nets.blocks import Embedding, Heads, Layout, Linear, Residual
from lookalike.nets.quick import Trunk, folded, products
from lookalike.nets.shares import NEVER
from lookalike.protocol import OnStep, Step

__all__ = ["Prior", "Variational", "Writer"]

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


class Variational(nn.Module):
    """Encoder, prior and decoder.

    counts: int64 [codes], how often each code occurred. beta: weight of the latent law in the loss, reached after the share `warm` of the
    training; `share` is how much of it is over.
    """

    def __init__(
        self, layout: Layout, counts: np.ndarray, *, space: tuple[int, int], width: int, depth: int, vector: int, beta: tuple[float, float]
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
        self.writing = nn.ModuleList(Residual(width, plain=True) for _ in range(depth))
        self.written = nn.LayerNorm(width)
        self.heads = Heads(layout, width, counts=counts)
        self.register_buffer("never", torch.from_numpy(np.where(counts > 0, 0.0, NEVER)).float(), persistent=False)

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        """Mean of −log p(row | z) + β · (log q(z | row) − log p(z)) of rows of codes int64 [n, parts]."""
        (codes,) = batch
        mean, narrow = self.reader(codes)
        noise = torch.randn(mean.shape, generator=draw, device=mean.device)
        z = mean + noise * (0.5 * narrow).exp()
        told = self.heads.loss(self.heads(self.writer(z)), codes, torch.ones_like(codes, dtype=torch.float32))
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
        self.low = products()
        self.out = tuple(x.to(self.low) for x in (net.out.weight, net.out.bias))
        self.trunk = Trunk(net.writing, net.written, self.low)
        weight, bias = folded(*net.heads.table(), net.written)
        self.weight, self.bias = weight.to(self.low), bias + net.never

    def __call__(self, z: Tensor) -> Tensor:
        """Points z float32 [n, latent] → what the heads, `weight` and `bias`, are told from, [n, width]."""
        return self.trunk(nn.functional.linear(z.to(self.low), *self.out).float())
