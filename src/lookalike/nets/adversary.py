"""A generator and a critic over blocks of modes and places: their losses, training by sampling, and the watch against mode collapse.

Rows are blocks, one a part: a softmax over its modes, and on lines a place in the mode. The critic judges `pac` rows at once
(Lin et al. 2018, PacGAN), by the Wasserstein loss with a gradient penalty (Gulrajani et al. 2017) or the hinge loss with spectral
norm (Miyato et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.nets.blocks import Linear, Residual, draw_codes
from lookalike.nets.train import generator

__all__ = ["Adversaries", "Bank", "Shape", "Watch"]

PENALTY = 10.0
"""Weight of the gradient penalty."""
SOFT = 0.2
"""Temperature of the softmax by which levels are drawn while learning."""
WATCHED = 2_000
"""Rows drawn at each look."""
CLUSTERS = 32
FEW = 5
"""Levels that the watched real rows hold less often than this are not waited for."""
FLAW = 0.6
"""Coverage below which a reader is warned."""
LEAKY = 0.2


@dataclass(frozen=True)
class Bank:
    """The rows to learn from, and for each conditional part its rows by level: training by sampling.

    modes: [n, parts]; places: float32 [n, lines]. For each of the conditional `parts`: `orders`, rows sorted by mode; `ends`, where those
    of each mode end; `counts`, how many they are.
    """

    modes: np.ndarray
    places: np.ndarray
    parts: tuple[int, ...]
    orders: tuple[np.ndarray, ...]
    ends: tuple[np.ndarray, ...]
    counts: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, modes: np.ndarray, places: np.ndarray, parts: Sequence[int], sizes: Sequence[int]) -> Bank:
        """`parts`: those whose levels may be conditions."""
        small = np.uint32 if len(modes) < 2**32 else np.int64
        counts = tuple(np.bincount(modes[:, p], minlength=sizes[p]) for p in parts)
        orders = tuple(np.argsort(modes[:, p], kind="stable").astype(small) for p in parts)
        return cls(modes, places, tuple(parts), orders, tuple(np.cumsum(c) for c in counts), counts)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Conditions: numbers of conditional parts and levels, int64 [n]; levels by log(1 + count), so that rare ones are learned too."""
        which = rng.integers(0, len(self.parts), n)
        level = np.zeros(n, np.int64)
        for k, counts in enumerate(self.counts):
            mine = np.flatnonzero(which == k)
            upto = np.cumsum(np.log1p(counts))
            level[mine] = np.searchsorted(upto, rng.random(len(mine)) * upto[-1], side="right")
        return which, level

    def rows(self, which: np.ndarray, level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """int64 [n]: a row for each condition."""
        found = np.zeros(len(which), np.int64)
        for k, (order, ends, counts) in enumerate(zip(self.orders, self.ends, self.counts, strict=True)):
            mine = np.flatnonzero(which == k)
            at = ends[level[mine]] - 1 - (rng.random(len(mine)) * counts[level[mine]]).astype(np.int64)
            found[mine] = order[at]
        return found


@dataclass(frozen=True)
class Shape:
    """How large the networks are, how many rows the critic judges at once, and by which loss, "wasserstein" or "hinge"."""

    noise: int
    width: int
    depth: int
    pac: int
    loss: str


class Adversaries(nn.Module):
    """Generator and critic. `sizes`: modes of each part; `lined`: parts that have places; conditions are levels of `parts`.

    The loop's rows are only a measure of how many: conditions and rows come from the bank.
    """

    def __init__(self, sizes: Sequence[int], lined: Sequence[int], *, bank: Bank | None, parts: tuple[int, ...], shape: Shape) -> None:
        super().__init__()
        self.sizes, self.lined, self.parts, self.bank = tuple(sizes), tuple(lined), parts, bank
        self.loss, self.pac, self.noise = shape.loss, shape.pac, shape.noise
        self.ends = tuple(int(v) for v in np.cumsum([0, *sizes]))
        conditions = [0, *(sizes[p] for p in parts)]
        self.firsts = np.cumsum(conditions)[:-1]
        self.generator = Generator(self.ends[-1] + len(self.lined), sum(conditions), shape)
        self.critic = Critic(self.ends[-1] + len(self.lined), shape)

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        """The loss of the critic, or of the generator."""
        (rows,) = batch
        rng = np.random.default_rng(int(torch.randint(0, 2**62, (1,), generator=draw, device=draw.device)))
        n = max(self.pac, len(rows) // self.pac * self.pac)
        with torch.autocast(rows.device.type, enabled=False):
            if self.parts:
                which, level = self.bank.draw(n, rng)
                taken = self.bank.rows(which, level, rng)
                condition = torch.from_numpy(self.firsts[which] + level).to(rows.device)
            else:
                which, level, condition = None, None, None
                taken = rng.integers(0, len(self.bank.modes), n)
            told = self.generator(self._noise(n, draw), condition)
            if turn == "critic":
                return self._critic_loss(self.dense(taken, rows.device), self.soft(told, draw).detach(), draw)
            fooled = -self.critic(self.soft(told, draw)).mean()
            return fooled if which is None else fooled + self._missed(told, which, level)

    def _noise(self, n: int, draw: torch.Generator) -> Tensor:
        return torch.randn(n, self.noise, generator=draw, device=draw.device)

    def _critic_loss(self, real: Tensor, made: Tensor, draw: torch.Generator) -> Tensor:
        if self.loss == "hinge":
            return (1 - self.critic(real)).relu().mean() + (1 + self.critic(made)).relu().mean()
        groups = len(real) // self.pac
        mix = torch.rand(groups, 1, 1, generator=draw, device=draw.device)
        between = (mix * real.view(groups, self.pac, -1) + (1 - mix) * made.view(groups, self.pac, -1)).flatten(0, 1).requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=torch.is_grad_enabled())
        steep = ((slope.view(groups, -1) ** 2).sum(1) + 1e-12).sqrt()
        return self.critic(made).mean() - self.critic(real).mean() + PENALTY * ((steep - 1) ** 2).mean()

    def _missed(self, told: Tensor, which: np.ndarray, level: np.ndarray) -> Tensor:
        """Cross-entropy of the conditions, which the generator must obey."""
        lost = told.new_zeros(())
        for k, p in enumerate(self.parts):
            mine = np.flatnonzero(which == k)
            if len(mine):
                wanted = torch.from_numpy(level[mine]).to(told.device)
                logits = told[torch.from_numpy(mine).to(told.device), self.ends[p] : self.ends[p + 1]]
                lost = lost + nn.functional.cross_entropy(logits, wanted, reduction="sum")
        return lost / len(which)

    def dense(self, rows: np.ndarray, device: torch.device) -> Tensor:
        """Rows of the bank as the critic sees them: float32 [n, modes + lines]."""
        found = torch.zeros(len(rows), self.ends[-1] + len(self.lined), device=device)
        at = torch.from_numpy(self.bank.modes[rows].astype(np.int64) + np.array(self.ends[:-1])).to(device)
        found.scatter_(1, at, 1.0)
        found[:, self.ends[-1] :] = torch.from_numpy(self.bank.places[rows]).to(device)
        return found

    def soft(self, told: Tensor, draw: torch.Generator) -> Tensor:
        """What the generator tells, drawn softly (Jang et al. 2017, Gumbel softmax), as the critic sees it."""
        modes = told[:, : self.ends[-1]]
        lots = torch.rand(modes.shape, generator=draw, device=draw.device).clamp_(1e-6, 1 - 1e-6)
        steep = ((modes - (-lots.log()).log()) / SOFT).split(list(self.sizes), dim=1)
        return torch.cat([*(s.softmax(1) for s in steep), told[:, self.ends[-1] :].tanh()], dim=1)

    @torch.no_grad()
    def body(self, n: int, counts: Sequence[np.ndarray], seed: tuple[int, ...]) -> Tensor:
        """What `n` rows are told from, [n, width]; conditions come as often as `counts` (of each part) says."""
        device = next(self.parameters()).device
        draw, rng, condition = generator(*seed, device=device), np.random.default_rng(list(seed)), None
        if self.parts:
            which, lots, level = rng.integers(0, len(self.parts), n), rng.random(n), np.zeros(n, np.int64)
            for k, p in enumerate(self.parts):
                mine, upto = which == k, np.cumsum(counts[p])
                level[mine] = np.searchsorted(upto, lots[mine] * upto[-1], side="right")
            condition = torch.from_numpy(self.firsts[which] + level).to(device)
        return self.generator.body(self._noise(n, draw), condition)

    @torch.no_grad()
    def part(self, body: Tensor, part: int) -> Tensor:
        """Logits of the modes of one part, [n, size]."""
        here = slice(self.ends[part], self.ends[part + 1])
        return nn.functional.linear(body, self.generator.out.weight[here], self.generator.out.bias[here])

    @torch.no_grad()
    def places(self, body: Tensor) -> Tensor:
        """Places on the lines, [n, lines]."""
        here = slice(self.ends[-1], None)
        return nn.functional.linear(body, self.generator.out.weight[here], self.generator.out.bias[here]).tanh()


class Generator(nn.Module):
    """Noise float [n, noise] and a condition, int64 [n] or None → float [n, out]."""

    def __init__(self, out: int, conditions: int, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.into = Linear(shape.noise, width)
        self.wish = Wishes(conditions, width)
        self.blocks = nn.ModuleList(Residual(width) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(width)
        self.out = Linear(width, out)

    def forward(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """See the class."""
        return self.out(self.body(noise, condition))

    def body(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """float [n, width]: what `out` tells from."""
        h = self.into(noise)
        if condition is not None:
            h = h + nn.functional.embedding(condition, self.wish.vectors)
        for block in self.blocks:
            h = block(h)
        return self.norm(h)


class Wishes(nn.Module):
    """A vector for each condition: the conditional vector times its weights, without ever making it."""

    def __init__(self, conditions: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(max(conditions, 1), width))

    def start(self, draw: torch.Generator) -> None:
        """First vectors as long as the noise is."""
        self.vectors.normal_(0, 1, generator=draw)


class Critic(nn.Module):
    """Rows float [n, inner], `pac` at a time → float [n / pac]: how real they look."""

    def __init__(self, inner: int, shape: Shape) -> None:
        super().__init__()
        self.pac, self.spectral = shape.pac, shape.loss == "hinge"
        self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise([inner * shape.pac, *[shape.width] * (shape.depth + 1), 1]))

    def forward(self, rows: Tensor) -> Tensor:
        """See the class."""
        h = rows.view(len(rows) // self.pac, -1)
        for k, layer in enumerate(self.layers):
            h = nn.functional.linear(h, self._held(layer.weight), layer.bias)
            if k < len(self.layers) - 1:
                h = nn.functional.leaky_relu(h, LEAKY)
        return h.squeeze(1)

    def _held(self, weight: Tensor) -> Tensor:
        """The weight, with the hinge loss divided by its largest singular value: found anew each time, so that nothing is kept."""
        if not self.spectral:
            return weight
        with torch.no_grad():
            square = weight @ weight.T
            u = torch.ones(len(weight), device=weight.device)
            for _ in range(8):
                u = nn.functional.normalize(square @ u, dim=0)
            v = nn.functional.normalize(weight.T @ u, dim=0)
        return weight / (u @ weight @ v).clamp_min(1e-6)


class Watch:
    """Looks at what a generator makes, every few epochs, beside some real rows: levels and clusters that are covered, shares that are off.

    coarse: real rows int64 [m, parts], small whole numbers below `sizes`.
    """

    def __init__(self, coarse: np.ndarray, sizes: Sequence[int], *, seed: int) -> None:
        rng = np.random.default_rng([seed, 7])
        self.sizes = tuple(sizes)
        self.real = coarse[rng.permutation(len(coarse))[:WATCHED]]
        pairs = [(a, b) for b in range(len(sizes)) for a in range(b)]
        self.pairs = [pairs[k] for k in rng.permutation(len(pairs))[:60]]
        self.centres = self._centres(rng)
        self.nearest = self._near(self.real)
        self.looks: list[dict[str, float]] = []

    def look(self, made: np.ndarray) -> float:
        """How far the rows `made`, coded as the real ones, are from them, 0 best; `looks` gets an entry."""
        off, held, waited = [], 0, 0
        for p, size in enumerate(self.sizes):
            a, b = (np.bincount(rows[:, p], minlength=size) for rows in (self.real, made))
            off.append(np.abs(a / max(len(self.real), 1) - b / max(len(made), 1)).sum() / 2)
            often = a >= min(FEW, max(len(self.real) // 4, 1))
            held, waited = held + int((often & (b > 0)).sum()), waited + int(often.sum())
        both = [self._pair(made, a, b) for a, b in self.pairs]
        a, b = (np.bincount(c, minlength=len(self.centres)) / max(len(c), 1) for c in (self.nearest, self._near(made)))
        met = int((b[a > 0] >= 0.1 * a[a > 0]).sum())
        entry = {"levels": held / max(waited, 1), "clusters": met / max(int((a > 0).sum()), 1), "off": float(np.mean([*off, *both]))}
        entry["value"] = entry["off"] + float(np.abs(a - b).sum()) / 2 + (1 - entry["levels"])
        self.looks.append({k: round(v, 4) for k, v in entry.items()})
        return entry["value"]

    @torch.no_grad()
    def judge(self, net: Adversaries, counts: Sequence[np.ndarray]) -> float:
        """Look at rows that `net` draws, always of the same noise."""
        body = net.body(WATCHED, counts, (WATCHED,))
        draw = generator(WATCHED, 1, device=body.device)
        return self.look(np.stack([draw_codes(net.part(body, p), draw).cpu().numpy() for p in range(len(net.sizes))], axis=1))

    def flaws(self) -> list[str]:
        """What a reader should be told of the generator that was kept: the one whose `value` was lowest."""
        if not self.looks:
            return []
        best = min(range(len(self.looks)), key=lambda k: self.looks[k]["value"])
        kept, later = self.looks[best], self.looks[best:]
        found = []
        for what in ("levels", "clusters"):
            worst = min(look[what] for look in later)
            if kept[what] < FLAW:
                found.append(f"mode collapse: the generator covers {kept[what]:.0%} of the {what} of a sample of real rows")
            elif worst < FLAW:
                found.append(f"mode collapse: the generator fell to {worst:.0%} of the {what}; the weights before it were kept")
        return found

    def _pair(self, made: np.ndarray, a: int, b: int) -> float:
        """Total variation of two parts together."""
        x, y = (rows[:, a] * self.sizes[b] + rows[:, b] for rows in (self.real, made))
        _, at = np.unique(np.concatenate([x, y]), return_inverse=True)
        p, q = (np.bincount(k, minlength=at.max() + 1) / max(len(k), 1) for k in (at[: len(x)], at[len(x) :]))
        return float(np.abs(p - q).sum() / 2)

    def _centres(self, rng: np.random.Generator) -> np.ndarray:
        """Real rows far from each other, as centres of clusters: each is drawn by its distance from those before."""
        found = self.real[:1]
        for _ in range(CLUSTERS - 1):
            far = np.min([(self.real != c).mean(1) for c in found], axis=0) ** 2
            if far.sum() <= 0:
                break
            found = np.vstack([found, self.real[rng.choice(len(far), p=far / far.sum())]])
        return found

    def _near(self, rows: np.ndarray) -> np.ndarray:
        """int64 [n]: the nearest centre, by the number of parts that differ."""
        return np.argmin([(rows != c).sum(1) for c in self.centres], axis=0)
