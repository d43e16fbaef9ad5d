"""The network of the diffusion model: every part of a row is clear, noised or hidden, each to a degree of its own.

Codes of ordered parts lie on a line, and noise is added to them there; other parts are clear or hidden. The net tells the code of each
part: by its noised value, which is known exactly, and by all the other parts, which is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.models._plan import Plan
from lookalike.nets.blocks import Embedding, Heads, Layout, Linear, Residual
from lookalike.nets.shares import NEVER, drawn_after, shifted
from lookalike.nets.train import generator, precision

__all__ = ["PIECE", "Noised", "Teller", "draw_rows", "match"]

PIECE = 2_048
"""Rows told by one thread at a time: what they take stays near the processor."""
BINS, FAR = 4_096, 8.0
"""The line from -FAR to FAR is looked up in so many bins."""


@dataclass
class Rows:
    """Rows on the way, [n, parts] each.

    codes: int64, of a noised part the code that it is most likely of. at: float32, the noised value. level: int64, see `Plan`.
    """

    codes: Tensor
    at: Tensor
    level: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Rows:
        """Some of the rows."""
        return Rows(self.codes[rows], self.at[rows], self.level[rows])


class Noised(nn.Module):
    """Embeddings scaled by how noised they are, a trunk of residual layers, one softmax a part.

    counts: int64 [codes], how often each code occurred. given: share of the rows in training of which some parts are clear from the start.
    """

    def __init__(
        self, layout: Layout, counts: np.ndarray, plan: Plan, *, given: float, width: int, depth: int, vector: int, drop: float
    ) -> None:
        super().__init__()
        self.layout, self.parts, self.given, self.plan = layout, len(layout.sizes), given, plan
        self.embedding = Embedding(layout, vector)
        self.trust = _Trust(plan, vector)
        self.into = Linear(self.parts * vector, width)
        self.blocks = nn.ModuleList(Residual(width, drop=drop) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.heads = Heads(layout, width, counts=counts)
        line = torch.from_numpy(plan.line).float()
        kept = {
            "never": torch.from_numpy(np.where(counts > 0, 0.0, NEVER)).float(),
            "line": line,
            "curves": torch.stack([line, line**2, torch.ones_like(line)]),
            "sigma": torch.from_numpy(plan.sigma).float().flatten(),
            "degree": plan.sigma.shape[1] * torch.arange(self.parts),
            "top": torch.from_numpy(plan.top),
            "states": torch.from_numpy(plan.states),
            "moved": torch.from_numpy(plan.moved),
            "soft": torch.tensor(plan.soft, dtype=torch.int64),
            "nearest": torch.from_numpy(_nearest(layout, plan)),
        }
        for name, tensor in kept.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        """Mean loss of rows of codes int64 [n, parts], noised anew; when not training, about the sum over all steps of −log p(code)."""
        (codes,) = batch
        step, level = self._levels(len(codes), draw)
        rows = self.noised(codes, level, draw)
        logits = self.heads(self.trunk(self.embedded(rows).flatten(1), draw)).float()
        for p in self.plan.soft:
            a, b = self.layout.offsets[p : p + 2]
            self.weigh(logits[:, a:b], rows, p)
        hidden, now = (level > 0).float(), self.moved[step]
        each = hidden / self.top  # a step that tells a quarter of a code is a quarter of its loss
        if self.training:  # what the next step needs counts twice; the rest is learned for its own sake
            weights = each * ((self.parts / hidden.sum(1, keepdim=True).clamp_min(1)).sqrt() + now)
        else:
            weights = each * now * len(self.states)
        return self.heads.loss(logits, codes, weights)

    def _levels(self, n: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """A step of the plan for each row, int64 [n], and levels as they are before it, but that some parts may be clear."""
        device = self.states.device
        step = (torch.rand(n, generator=draw, device=device) * len(self.states)).long().clamp_max(len(self.states) - 1)
        clear = torch.rand(n, self.parts, generator=draw, device=device) < torch.rand(n, 1, generator=draw, device=device)
        some = torch.rand(n, 1, generator=draw, device=device) < self.given
        return step, torch.where(clear & some, 0, self.states[step])

    def noised(self, codes: Tensor, level: Tensor, draw: torch.Generator) -> Rows:
        """Rows of codes with noise of those levels."""
        rows = Rows(codes.clone(), torch.zeros(codes.shape, device=codes.device), level)
        for k, p in enumerate(self.plan.soft):
            sigma = self.noise(level[:, p], p)
            at = self.line[self.layout.offsets[p] + codes[:, p]] + sigma * torch.randn(sigma.shape, generator=draw, device=sigma.device)
            rows.at[:, p] = at
            rows.codes[:, p] = torch.where(sigma > 0, self.likely(k, at, sigma), codes[:, p])
        return rows

    def noise(self, level: Tensor, part: int) -> Tensor:
        """float32 [n]: noise of levels of a part; 0 where clear or hidden."""
        return self.sigma[level + self.degree[part]]

    def likely(self, k: int, at: Tensor, sigma: Tensor) -> Tensor:
        """int64 [n]: codes that noised values of the soft part number `k` are most likely of, as far as a normal law tells."""
        place = (at / (1 + sigma**2) + FAR) * (BINS / (2 * FAR))
        return self.nearest[k][place.long().clamp_(0, BINS - 1)]

    def embedded(self, rows: Rows, *, table: Tensor | None = None, trust: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """float [n, parts, vector]."""
        vectors = self.embedding(rows.codes, rows.level < self.top, table=table)
        scale, shift = (self.trust.scale, self.trust.shift) if trust is None else trust
        degree = rows.level + self.degree
        return torch.addcmul(
            nn.functional.embedding(degree, shift).to(vectors.dtype), vectors, nn.functional.embedding(degree, scale).to(vectors.dtype)
        )

    def weigh(self, logits: Tensor, rows: Rows, part: int) -> None:
        """Add, in place, what noised values say of their own codes, to logits float32 [n, size] of a soft part."""
        at, sigma = rows.at[:, part], self.noise(rows.level[:, part], part)
        much = torch.where(sigma > 0, 0.5 / sigma.clamp_min(1e-6) ** 2, 0.0)
        here = slice(*self.layout.offsets[part : part + 2])
        best = self.line[here][self.likely(self.plan.soft.index(part), at, torch.zeros_like(at))]
        factors = torch.stack([2 * much * at, -much, much * best * (best - 2 * at)], dim=1)
        with torch.autocast(logits.device.type, enabled=False):
            logits.addmm_(factors, self.curves[:, here])

    def trunk(self, x: Tensor, draw: torch.Generator | None = None) -> Tensor:
        """Embedded rows float [n, parts · vector] → float [n, width]."""
        h = self.into(x)
        for block in self.blocks:
            h = block(h, draw)
        return self.norm(h)


class _Trust(nn.Module):
    """How the vectors of each part are scaled and shifted at each of its levels: noised ones tell less."""

    def __init__(self, plan: Plan, vector: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(plan.sigma.size, vector))
        self.shift = nn.Parameter(torch.empty(plan.sigma.size, vector))
        self.signal = torch.from_numpy(1 / (1 + plan.sigma.flatten() ** 2)).float()

    def start(self, draw: torch.Generator) -> None:
        """At first, a vector counts by how much of it is signal."""
        self.scale.copy_(self.signal[:, None].expand_as(self.scale))
        self.shift.zero_()


def _nearest(layout: Layout, plan: Plan) -> np.ndarray:
    """int64 [soft parts, BINS]: the code whose point is nearest to the middle of each bin of the line."""
    middles, found = (np.arange(BINS) + 0.5) * (2 * FAR / BINS) - FAR, np.zeros((len(plan.soft), BINS), np.int64)
    for k, p in enumerate(plan.soft):
        line = plan.line[slice(*layout.offsets[p : p + 2])]
        found[k] = np.searchsorted((line[1:] + line[:-1]) / 2, middles)
    return found


class Teller:
    """A trained net, made ready once for much telling: weights in the precision of products, vectors of codes computed."""

    def __init__(self, net: Noised) -> None:
        self.layout, self.plan, self.net = net.layout, net.plan, deepcopy(net)
        with torch.no_grad(), precision(torch.device("cpu")):
            self.vectors, self.heads = net.embedding.table(), net.heads.table()
        for block in (self.net.into, self.net.blocks, self.net.norm):
            block.to(self.vectors.dtype)
        self.trust = (net.trust.scale.detach().to(self.vectors.dtype), net.trust.shift.detach().to(self.vectors.dtype))

    def strange(self, codes: Tensor, known: Tensor) -> Tensor:
        """bool [n, parts]: codes that are given, but were never met while learning, and so tell nothing."""
        return known & (self.net.never[codes + self.net.embedding.first] < 0)

    def seen(self, rows: Rows) -> Tensor:
        """What the trunk makes of rows, [n, width]."""
        return self.net.trunk(self.net.embedded(rows, table=self.vectors, trust=self.trust).flatten(1))

    def logits(self, part: int, rows: Rows, seen: Tensor) -> Tensor:
        """float32 [n, size], by what the trunk has made of the same rows."""
        here = slice(*self.layout.offsets[part : part + 2])
        weight, bias = self.heads
        told = nn.functional.linear(seen, weight[here]).float().add_(bias[here])
        if self.plan.top[part] > 1:
            self.net.weigh(told, rows, part)
        return told.add_(self.net.never[here])

    def move(self, rows: Rows, which: slice | Tensor, event: tuple[int, int], drawn: Tensor, draw: torch.Generator) -> None:
        """Bring a part of the rows `which` to a level, in place: what is left of their noise, around the codes `drawn`."""
        part, to = event
        if to == 0:
            rows.codes[which, part], rows.level[which, part] = drawn, 0
            return
        net = self.net
        before, after = net.noise(rows.level[which, part], part), net.sigma[to + net.degree[part]]
        kept = torch.where(before > 0, (after / before.clamp_min(1e-6)) ** 2, 0.0)
        point = net.line[self.layout.offsets[part] + drawn]
        fresh = after * (1 - kept).sqrt() * torch.randn(point.shape, generator=draw)
        at = point + kept * (rows.at[which, part] - point) + fresh
        rows.at[which, part], rows.level[which, part] = at, to
        rows.codes[which, part] = net.likely(self.plan.soft.index(part), at, after)


@torch.inference_mode()
def draw_rows(
    teller: Teller,
    codes: Tensor,
    known: Tensor,
    *,
    first: np.ndarray,
    draw: torch.Generator,
    shift: Sequence[Tensor] | None,
    fill: bool,
) -> Tensor:
    """`codes` int64 [n, parts], drawn anew where not `known`, one step of the plan after the other; what is known stays clear.

    first: for each part, the first part of its column. shift: added to the logits at each event. fill: code 0, missing, is not drawn
    where there are others.
    """
    clear = known & ~teller.strange(codes, known)
    rows = Rows(codes.clone(), torch.zeros(codes.shape), torch.where(clear, 0, teller.net.top))
    lacking = [torch.nonzero(~known[:, p]).squeeze(1) for p in range(codes.shape[1])]
    for group in teller.plan.groups:
        if not any(len(lacking[teller.plan.events[e][0]]) for e in group):
            continue
        seen = teller.seen(rows)
        for e in group:
            p = teller.plan.events[e][0]
            which = slice(None) if len(lacking[p]) == len(codes) else lacking[p]
            told = teller.logits(p, rows[which], seen[which])
            if shift is not None:
                told += shift[e]
            if fill and (told[:1, 1:] > NEVER / 2).any():
                told[:, 0] = NEVER
            head = rows.codes[which, int(first[p])] if first[p] != p else None
            drawn = drawn_after(told, head, draw)
            teller.move(rows, which, teller.plan.events[e], drawn, draw)
    return rows.codes


@torch.no_grad()
def match(teller: Teller, counts: np.ndarray, *, first: np.ndarray, rows: int, seed: int, pool: Executor) -> list[Tensor]:
    """For each event, float32 [size]: what is added to the logits so that drawn columns have the shares that were counted.

    Small errors of each step would add up along the way. So `rows` rows are drawn as in use, and at each event the shares that are told on
    average are set right: they must be those that were counted, however noised the rows still are.
    """
    plan, parts = teller.plan, len(teller.layout.sizes)
    state = Rows(torch.zeros(rows, parts, dtype=torch.int64), torch.zeros(rows, parts), teller.net.top.repeat(rows, 1))
    pieces = [slice(low, low + PIECE) for low in range(0, rows, PIECE)]
    shifts: list[Tensor] = []
    for group in plan.groups:
        seen = list(pool.map(lambda here: teller.seen(state[here]), pieces))
        for e in group:
            p = plan.events[e][0]
            told = list(pool.map(lambda here, s, p=p: teller.logits(p, state[here], s), pieces, seen))
            heads = [state.codes[here, int(first[p])] if first[p] != p else None for here in pieces]
            wanted = torch.from_numpy(counts[slice(*teller.layout.offsets[p : p + 2])].astype(np.float64))
            if first[p] != p:
                wanted[0] = 0
                for t in told:
                    t[:, 0] = NEVER
            kept = [t if head is None else t[head > 0] for t, head in zip(told, heads, strict=True)]
            fair = bool(wanted.sum() > 0) and sum(map(len, kept)) > 0
            shifts.append(shifted(kept, wanted / wanted.sum(), pool) if fair else torch.zeros(len(wanted)))
            for k, (here, head) in enumerate(zip(pieces, heads, strict=True)):
                draw = generator(seed, e, k)
                teller.move(state, here, plan.events[e], drawn_after(told[k] + shifts[e], head, draw), draw)
    return shifts
