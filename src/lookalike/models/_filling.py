"""The networks of the adversarial model: a generator that tells the unknown columns of a row, and a critic that sees the row filled in.

What is known is given to both: rows with the unknown blanked, and which columns are known. So any columns can be the condition, as in
conditional adversarial networks (Mirza and Osindero 2014) and in imputation by them (Yoon et al. 2018, GAIN).
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from lookalike.nets.adversary import Blocks, Critic, Generator, Maker, Placing, Shape, critic_loss
from lookalike.nets.blocks import Linear
from lookalike.nets.train import generator

__all__ = ["Filling"]

LONE = 0.5
"""Of the rows of which some columns are known, the share of which all but one are."""


class Filling(Maker):
    """Generator and critic. owners: the column of each part. given: share of the rows in training of which some columns are known.

    A line has a place for each of its modes, so that a place fits the mode that is drawn.
    """

    def __init__(self, blocks: Blocks, owners: np.ndarray, *, given: float, shape: Shape) -> None:
        super().__init__()
        self.blocks, self.given, self.shape, self.columns = blocks, given, shape, int(owners[-1]) + 1
        self.placing = Placing(blocks)
        inner, told = blocks.width + self.columns, blocks.ends[-1] + self.placing.width
        known = Linear(inner, shape.width, scale=math.sqrt(inner), bias=False)  # each number known weighs as much as all the noise
        self.generator = Generator(told, known, shape)
        self.critic = Critic(inner, shape)
        owner = np.concatenate([np.repeat(owners, blocks.sizes), owners[list(blocks.lined)]])
        self.register_buffer("owner", torch.from_numpy(owner), persistent=False)

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        """The loss of the critic, or of the generator, on rows of modes int64 [n, parts] and places float32 [n, lines]."""
        modes, places = batch
        known = self._masks(len(modes), draw)
        real, free = self.blocks.dense(modes, places), ~known[:, self.owner]
        with torch.set_grad_enabled(turn != "critic" and torch.is_grad_enabled()):
            told = self.generator(self._noise(len(modes), draw), self._seen(real, known)).float()
            made = torch.where(free, self._made(told, draw), real)

        def critic(rows: Tensor) -> Tensor:
            return self.critic(torch.cat([rows, known.float()], dim=1))

        if turn == "critic":
            return critic_loss(critic, real, made, shape=self.shape, draw=draw, free=free)
        return self._missed(told, real, known) - critic(made).mean()

    def _masks(self, n: int, draw: torch.Generator) -> Tensor:
        """bool [n, columns]: which are known: none, any share of them, or all but one."""
        where = {"generator": draw, "device": draw.device}
        known = torch.rand(n, self.columns, **where) < torch.rand(n, 1, **where)
        known |= torch.rand(n, 1, **where) < LONE
        known.scatter_(1, torch.randint(self.columns, (n, 1), **where), False)
        return known & (torch.rand(n, 1, **where) < self.given)

    def _missed(self, told: Tensor, real: Tensor, known: Tensor) -> Tensor:
        """Cross-entropy where one column alone is unknown: there it is exact, as nothing else is drawn that could hang together with it.

        Without it, what is known is hardly listened to: the critic is deceived by rows that are made of noise alone long before.
        """
        lone = (~known).sum(1, keepdim=True) == 1
        wanted = real * (lone & ~known[:, self.owner])
        each = [(wanted[:, a:b] * told[:, a:b].log_softmax(1)).sum() for a, b in pairwise(self.blocks.ends)]
        return -torch.stack(each).sum() / len(told)

    def _noise(self, n: int, draw: torch.Generator) -> Tensor:
        return torch.randn(n, self.shape.noise, generator=draw, device=draw.device)

    def _seen(self, real: Tensor, known: Tensor) -> Tensor:
        """What the generator sees of rows, float32 [n, inner]."""
        return torch.cat([real * known[:, self.owner], known.float()], dim=1)

    def _made(self, told: Tensor, draw: torch.Generator) -> Tensor:
        """What the generator tells, as the critic sees it: the place of a line is that of its mode, 0 where the mode has none."""
        ends = self.blocks.ends[-1]
        modes = self.blocks.soft(told[:, :ends], draw)
        return torch.cat([modes, self.placing(modes, told[:, ends:])], dim=1)

    @torch.no_grad()
    def seen(self, modes: Tensor, places: Tensor, known: Tensor) -> Tensor:
        """What is to be given to `body` of rows of which the columns `known`, bool [n, columns], are known."""
        return self._seen(self.blocks.dense(modes, places), known)

    @torch.no_grad()
    def body(self, n: int, seed: tuple[int, ...], *, seen: Tensor | None = None) -> Tensor:
        """What `n` rows are told from, [n, width]; nothing is known of them if `seen` is not given."""
        return self.generator.body(self._noise(n, generator(*seed, device=self.owner.device)), seen)
