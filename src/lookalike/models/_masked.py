"""The network of the autoregressive model: some parts of a row seen, the others hidden; all hidden ones are told at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from itertools import pairwise

import numpy as np
import torch
from torch import Generator, Tensor, nn

from lookalike.nets.blocks import Embedding, Heads, Layout, Linear, Residual
from lookalike.nets.lots import Lots
from lookalike.nets.quick import Trunk, add_rows, folded, joined, products
from lookalike.nets.shares import NEVER, drawn_after, shifted
from lookalike.nets.train import generator

__all__ = ["PIECE", "Masked", "Teller", "begin_within", "chances", "draw_rows", "match"]

PIECE, BIT = 4_096, 1_024
"""Rows drawn by one thread at a time, and rows told at once: what they take stays near the processor."""
SHARED = 0.8
"""While rows of a piece have fewer beginnings than this share of them, each beginning is told once."""


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
        self.blocks = nn.ModuleList(Residual(width, drop=drop, plain=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.heads = Heads(layout, width, counts=counts)
        place = np.argsort(np.asarray(order))
        self.register_buffer("place", torch.from_numpy(place), persistent=False)
        self.register_buffer("never", torch.from_numpy(np.where(counts > 0, 0.0, NEVER)).float(), persistent=False)

    def forward(self, batch: tuple[Tensor, ...], draw: Generator, turn: str) -> Tensor:
        """Mean loss of rows of codes int64 [n, parts]; when not training, an unbiased guess of −log p(row)."""
        (codes,) = batch
        seen = self._seen(len(codes), draw)
        hidden = (~seen).float()
        few = self.parts / hidden.sum(1, keepdim=True)
        h = self.trunk(self.embedding(codes, seen).flatten(1), draw)
        return self.heads.loss(self.heads(h), codes, hidden * (few.sqrt() if self.training else few))

    def trunk(self, x: Tensor, draw: Generator | None = None) -> Tensor:
        """Embedded rows float [n, parts · vector] → float [n, width]."""
        return self.rest(self.into(x), draw)

    def rest(self, h: Tensor, draw: Generator | None = None) -> Tensor:
        """What follows on the first layer, float [n, width]."""
        for block in self.blocks:
            h = block(h, draw)
        return self.norm(h)

    def _seen(self, n: int, draw: Generator) -> Tensor:
        """bool [n, parts]: any number of parts, fewer than all; the first ones of the order, or any."""
        device = self.place.device
        count = (torch.rand(n, 1, generator=draw, device=device) * self.parts).floor()
        anywhere = torch.rand(n, self.parts, generator=draw, device=device).argsort(1).argsort(1)
        chained = torch.rand(n, 1, generator=draw, device=device) < self.chain
        return torch.where(chained, self.place[None], anywhere) < count


class Teller:
    """A trained net, made ready once for much telling: weights in the precision of products, norms folded into them.

    The first layer is a sum over parts, and so is what the layer after it makes of it, but for a factor (`Trunk.kept`). `steps` of each
    part, float32 [size, kept], is what both grow by when the part, which was not known, gets a code, and `nothing` [kept] what they are
    when no part is known; so rows that are drawn part by part keep the sums, and add one vector at a time.
    """

    @torch.no_grad()
    def __init__(self, net: Masked) -> None:
        self.layout, self.never, self.first, low = net.layout, net.never, net.embedding.first, products()
        weight, self.bias = folded(*net.heads.table(), net.norm)
        self.spans = [slice(*ends) for ends in pairwise(self.layout.offsets)]
        self.weights = [weight[here].to(low) for here in self.spans]
        self.trunk = Trunk(net.blocks, net.norm, low)
        vectors, into = net.embedding.table(), net.into.weight.unflatten(1, (len(self.layout.sizes), -1))
        nothing, steps = net.into.bias.clone(), torch.empty(self.layout.offsets[-1], into.shape[0])
        for p, here in enumerate(self.spans):
            unknown = vectors[net.embedding.unknown[p]] @ into[:, p].T
            steps[here] = vectors[here] @ into[:, p].T - unknown
            nothing += unknown
        self.nothing, kept = self.trunk.kept(nothing[None])[0], self.trunk.kept(steps)
        self.steps = [kept[here] for here in self.spans]

    def strange(self, codes: Tensor, seen: Tensor) -> Tensor | None:
        """bool [n, parts]: codes that are given, but were never met while learning, and so tell nothing; None if there are none."""
        found = seen & (self.never[codes + self.first] < 0)
        return found if found.any() else None

    def begun(self, codes: Tensor, seen: Tensor) -> Tensor:
        """float32 [n, kept]: the sums of rows of codes int64 and seen bool [n, parts]."""
        h = self.nothing.repeat(len(codes), 1)
        for p in torch.nonzero(seen.any(0)).squeeze(1).tolist():
            rows = torch.nonzero(seen[:, p]).squeeze(1)
            h[rows] += self.steps[p][codes[rows, p]]
        return h

    def raw(self, part: int, begun: Tensor) -> Tensor:
        """Logits of one part as products give them, [n, size], from the sums float32 [n, kept]; `added` is still to be added."""
        told = [nn.functional.linear(self.trunk.of_sums(h), self.weights[part]) for h in begun.split(BIT)]
        return told[0] if len(told) == 1 else torch.cat(told)

    def added(self, part: int, shift: Tensor | None = None) -> Tensor:
        """float32 [size]: what is added to the logits of one part; `shift` [codes] too."""
        here = self.spans[part]
        own = self.bias[here] + self.never[here]
        return own if shift is None else own + shift[here]

    def logits(self, part: int, codes: Tensor, *, seen: Tensor, shift: Tensor | None = None) -> Tensor:
        """float32 [n, size] of rows of codes int64 and seen bool [n, parts]; `shift` [codes] is added. Codes never met: NEVER."""
        return self.raw(part, self.begun(codes, seen)).float().add_(self.added(part, shift))

    def lots(self, first: np.ndarray, *, shift: Tensor | None = None, fill: bool = False) -> list[Lots]:
        """How each part is drawn. first: for each, the first part of its column. fill: code 0, missing, only where there are no others."""
        found = []
        for p in range(len(self.layout.sizes)):
            added = self.added(p, shift).numpy().copy()
            if first[p] != p or (fill and (added[1:] > NEVER / 2).any()):
                added[0] = NEVER
            found.append(Lots([added]))
        return found


@torch.inference_mode()
def draw_rows(
    teller: Teller, codes: np.ndarray, seen: np.ndarray, *, order: tuple[int, ...], first: np.ndarray, draw: Generator, lots: list[Lots]
) -> None:
    """Fill `codes` int64 where not `seen` bool, both [parts, n], part after part.

    first: for each part, the first part of its column. lots: see `Teller.lots`. Rows that begin alike, as rows of which nothing is known
    do for some parts, are told together.
    """
    n, how = codes.shape[1], {"first": first, "draw": draw, "lots": lots}
    done, alike = 0, None
    if seen.any():
        given, known = torch.from_numpy(codes.T), torch.from_numpy(seen.T)
        strange = teller.strange(given, known)
        begun = teller.begun(given, known if strange is None else known & ~strange)
    else:
        done, alike = _begin_alike(teller, codes, order=order, **how)
    for low in range(0, n if done < len(order) else 0, BIT):
        here = slice(low, low + BIT)
        sums = alike(here) if alike else begun[here]
        for p in order[done:]:
            _draw_part(teller, p, sums, codes[:, here], seen[:, here], **how)


def _draw_part(
    teller: Teller, p: int, sums: Tensor, codes: np.ndarray, seen: np.ndarray, *, first: np.ndarray, draw: Generator, lots: list[Lots]
) -> None:
    """Draw one part of rows where it is not seen; `sums`, see `Teller`, grow by it."""
    rows = np.flatnonzero(~seen[p])
    if not len(rows):
        return
    here = slice(None) if len(rows) == codes.shape[1] else rows
    drawn = np.empty((1, len(rows)), np.int64)
    lots[p].draw(teller.raw(p, sums[here]), drawn, draw)
    if first[p] != p:
        drawn[0] *= codes[first[p], here] > 0
    codes[p, here] = drawn[0]
    add_rows(sums, teller.steps[p], rows, drawn[0])


def _begin_alike(
    teller: Teller, codes: np.ndarray, *, order: tuple[int, ...], first: np.ndarray, draw: Generator, lots: list[Lots]
) -> tuple[int, Callable[[slice], Tensor]]:
    """Draw parts, of rows of which nothing is known, while many begin alike; how many were drawn, and what tells the sums of some rows."""
    begun, of = teller.nothing[None], np.zeros(codes.shape[1], np.int64)
    for done, p in enumerate(order, start=1):
        lots[p].draw(teller.raw(p, begun), codes[p : p + 1], draw, of=of)
        if first[p] != p:
            codes[p] *= codes[first[p]] > 0
        size = teller.layout.sizes[p]
        kinds, again = np.unique(of * size + codes[p], return_inverse=True)
        if len(kinds) > SHARED * len(of) or done == len(order):
            break
        begun, of = joined(begun, teller.steps[p], kinds // size, kinds % size), again
    return done, lambda here: joined(begun, teller.steps[p], of[here], codes[p, here])


@torch.inference_mode()
def begin_within(
    teller: Teller, n: int, weight: Mapping[int, Tensor], *, order: tuple[int, ...], first: np.ndarray, draw: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Begin `n` rows with the parts of which something is asked: codes int64 and seen bool [n, parts], and log of a weight float64 [n], by
    which rows go on so that they are as likely as if they had been drawn freely and found to be as asked.

    weight: {part: float32 [size]}, the share of each code that will do. All parts of a column come together.
    """
    codes = torch.zeros(n, len(order), dtype=torch.int64)
    seen, told_of = torch.zeros_like(codes, dtype=torch.bool), torch.zeros(n, dtype=torch.float64)
    asked = {int(first[p]) for p in weight}
    for p in (p for p in order if int(first[p]) in asked):
        told = teller.logits(p, codes, seen=seen)
        head = codes[:, int(first[p])] if first[p] != p else None
        if p in weight:
            will = weight[p].log().clamp_min(NEVER)
            if head is not None:
                told[:, 0] = NEVER
            mass = (told.double() + will).logsumexp(1) - told.double().logsumexp(1)
            told_of += mass if head is None else torch.where(head > 0, mass, 0.0)
            told = told + will
        codes[:, p] = drawn_after(told, head, draw)
        seen[:, p] = True
    return codes, seen, told_of


@torch.inference_mode()
def chances(teller: Teller, codes: Tensor, *, order: tuple[int, ...], first: np.ndarray, shift: Tensor | None) -> Tensor:
    """float64 [n]: log of the probability that rows of `codes` are drawn."""
    seen, total = torch.zeros_like(codes, dtype=torch.bool), torch.zeros(len(codes), dtype=torch.float64)
    for p in order:
        told = teller.logits(p, codes, seen=seen, shift=shift).double()
        if first[p] != p:
            told[:, 0] = NEVER
        chance = told.log_softmax(1).gather(1, codes[:, p : p + 1]).squeeze(1)
        total += chance if first[p] == p else torch.where(codes[:, int(first[p])] > 0, chance, 0.0)
        seen[:, p] = True
    return total


@torch.no_grad()
def match(teller: Teller, counts: np.ndarray, *, order: tuple[int, ...], first: np.ndarray, rows: int, seed: int, pool: Executor) -> Tensor:
    """float32 [codes]: what is added to the logits so that drawn columns have the shares that were counted.

    Small errors of each step would add up along the chain. So `rows` rows are drawn as in use, and at each part the shares that are
    told on average are set right before it is drawn.
    """
    codes = torch.zeros(rows, len(order), dtype=torch.int64)
    shift = torch.zeros(teller.layout.offsets[-1])
    pieces = [slice(low, low + PIECE) for low in range(0, rows, PIECE)]
    begun = [teller.nothing.repeat(len(codes[here]), 1) for here in pieces]

    def telling(p: int, k: int) -> Tensor:
        with torch.no_grad():
            told = teller.raw(p, begun[k]).float().add_(teller.added(p))
        if first[p] != p:
            told[:, 0] = NEVER
        return told

    for p in order:
        span = teller.spans[p]
        wanted = torch.from_numpy(counts[span].astype(np.float64))
        told = list(pool.map(lambda k, p=p: telling(p, k), range(len(pieces))))
        heads = [codes[here, int(first[p])] if first[p] != p else None for here in pieces]
        if first[p] != p:
            wanted[0] = 0
        kept = [t if head is None else t[head > 0] for t, head in zip(told, heads, strict=True)]
        if wanted.sum() > 0 and sum(map(len, kept)):
            shift[span] = shifted(kept, wanted / wanted.sum(), pool)
        for k, (here, head) in enumerate(zip(pieces, heads, strict=True)):
            codes[here, p] = drawn_after(told[k] + shift[span], head, generator(seed, p, k))
            begun[k] += teller.steps[p][codes[here, p]]
    return shift
