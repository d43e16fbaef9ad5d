"""A generator and a critic over blocks of modes and places: their losses, training by sampling, and the watch against mode collapse.

Rows are blocks, one a part: a softmax over its modes, and on lines a place in the mode. The critic judges `pac` rows at once
(Lin et al. 2018, PacGAN), by the Wasserstein loss with a gradient penalty (Gulrajani et al. 2017) or the hinge loss with spectral
norm (Miyato et al. 2018). Beside deceiving it, a generator can be taught to rebuild rows from what a reader finds in them (Larsen et al.
2016, VAE-GAN) and to have the second moments of the rows (Li et al. 2017, MMD GAN): what small tables and short trainings need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.nets.blocks import Linear, Residual, draw_codes
from lookalike.nets.train import Turn, generator, train
from lookalike.protocol import OnStep, Step

if TYPE_CHECKING:
    from lookalike.nets.settings import Learning

__all__ = [
    "Adversaries",
    "Bank",
    "Blocks",
    "Critic",
    "Generator",
    "Lessons",
    "Maker",
    "Placing",
    "Shape",
    "Watch",
    "contest",
    "critic_loss",
]

PENALTY = 10.0
"""Weight of the gradient penalty."""
SOFT = 0.2
"""Temperature of the softmax by which levels are drawn while learning."""
WATCHED, WATCHED_FROM = 2_000, 20_000
"""Rows drawn at each look, and real rows, at most, that those to compare with are taken from."""
CLUSTERS = 32
FEW = 5
"""Levels that the watched real rows hold less often than this are not waited for."""
FLAW = 0.6
"""Coverage below which a reader is warned."""
LEAKY = 0.2
RARE, PLACED = 0.02, 0.5
"""Moments: a mode counts as if it had this share more, so that rare ones do not drown the others; and what a place counts beside a mode."""
PIECE = 256
"""Rows learned from by one thread at a time."""
FADES, LEFT = 2.0, 0.1
"""Lessons count less and less over the first half of the training, and then this share of what they did: at last the critic decides."""
NEAR = 0.15
"""Standard deviation of a place that is rebuilt."""
NARROW, WIDE = -10.0, 2.0
"""Logarithms of variances stay between these."""


@dataclass(frozen=True)
class Blocks:
    """Rows as critics see them: the modes of each part, one part after the other, and then the places of the parts that are `lined`.

    sizes: modes of each part. bare: of each line, its modes without places, which come first.
    """

    sizes: tuple[int, ...]
    lined: tuple[int, ...]
    bare: tuple[int, ...]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """First mode of each part; last, how many there are."""
        return tuple(int(v) for v in np.cumsum([0, *self.sizes]))

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return self.ends[-1] + len(self.lined)

    def dense(self, modes: Tensor, places: Tensor) -> Tensor:
        """Rows of modes int64 [n, parts] and places float32 [n, lines], float32 [n, width]."""
        found = torch.zeros(len(modes), self.width, device=modes.device)
        found.scatter_(1, modes + torch.tensor(self.ends[:-1], device=modes.device), 1.0)
        found[:, self.ends[-1] :] = places
        return found

    def soft(self, told: Tensor, draw: torch.Generator) -> Tensor:
        """Modes drawn softly by their logits `told` [n, modes] (Jang et al. 2017, Gumbel softmax)."""
        lots = torch.rand(told.shape, generator=draw, device=draw.device).clamp_(1e-6, 1 - 1e-6)
        steep = ((told - (-lots.log()).log()) / SOFT).split(list(self.sizes), dim=1)
        return torch.cat([s.softmax(1) for s in steep], dim=1)


class Placing(nn.Module):
    """Places of lines, one for each mode of a line, so that a place fits the mode that is drawn; modes that come first are bare of them."""

    def __init__(self, blocks: Blocks) -> None:
        super().__init__()
        ends, self.bare = blocks.ends, blocks.bare
        lines = [np.arange(ends[p], ends[p + 1]) for p in blocks.lined]
        self.spans = list(pairwise(np.cumsum([0, *map(len, lines)]).tolist()))
        self.width = self.spans[-1][1] if lines else 0
        placed = [np.arange(len(line)) >= bare for line, bare in zip(lines, blocks.bare, strict=True)]
        kept = {
            "line": np.concatenate([np.zeros(0, np.int64), *lines]),
            "placed": np.concatenate([np.zeros(0, bool), *placed]),
            "lined": np.array(blocks.lined, np.int64),
            "first": np.array([a for a, _ in self.spans], np.int64),
            "least": np.array(blocks.bare, np.int64),
        }
        for name, array in kept.items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    def forward(self, modes: Tensor, told: Tensor) -> Tensor:
        """Places [n, lines] of modes that are drawn softly, [n, modes], from what is told of all places, [n, width]; 0 for bare modes."""
        places = modes[:, self.line] * self.placed * told.tanh()
        return torch.cat([places[:, :0], *(places[:, a:b].sum(1, keepdim=True) for a, b in self.spans)], dim=1)

    def at(self, modes: Tensor, told: Tensor) -> Tensor:
        """Places [n, lines] of modes int64 [n, parts]."""
        return told.gather(1, modes[:, self.lined] + self.first).tanh()

    def there(self, modes: Tensor) -> Tensor:
        """bool [n, lines]: whether the mode has a place at all."""
        return modes[:, self.lined] >= self.least


class Maker(nn.Module):
    """What rows are drawn from: a network that tells all parts of a row from one body."""

    blocks: Blocks
    generator: Generator
    placing: Placing

    def body(self, n: int, seed: tuple[int, ...]) -> Tensor:
        """What `n` rows are told from, [n, width]; the same for the same seed."""
        raise NotImplementedError

    @torch.no_grad()
    def part(self, body: Tensor, part: int) -> Tensor:
        """Logits of the modes of one part, [n, size]."""
        return self.generator.told(body, slice(*self.blocks.ends[part : part + 2]))

    @torch.no_grad()
    def every(self, body: Tensor) -> Tensor:
        """The same of all parts, [n, modes]."""
        return self.generator.told(body, slice(self.blocks.ends[-1]))

    @torch.no_grad()
    def places(self, body: Tensor, modes: Tensor) -> Tensor:
        """Places on the lines, [n, lines], of rows of which the modes int64 [n, parts] are drawn."""
        return self.placing.at(modes, self.generator.told(body, slice(self.blocks.ends[-1], None)).float())


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


@dataclass(frozen=True)
class Lessons:
    """What a generator learns beside deceiving the critic: weights in its loss, 0 for nothing.

    moments: to have the second moments of the rows. rows: to rebuild rows from what a reader finds in them; space: weight, in that, of
    what is found being like noise.
    """

    moments: float = 0.0
    rows: float = 0.0
    space: float = 0.5


class Adversaries(Maker):
    """Generator and critic. counts: of each part, how often each mode occurred; conditions are levels of `parts`.

    The loop's rows are only a measure of how many: conditions and rows come from the bank, and with it the generator gets its `lessons`.
    """

    def __init__(
        self,
        blocks: Blocks,
        counts: Sequence[np.ndarray],
        *,
        bank: Bank | None,
        parts: tuple[int, ...],
        shape: Shape,
        lessons: Lessons = Lessons(),
    ) -> None:
        super().__init__()
        self.blocks, self.counts, self.parts, self.bank, self.shape, self.lessons = blocks, tuple(counts), parts, bank, shape, lessons
        self.share = 0.0
        conditions = [0, *(blocks.sizes[p] for p in parts)]
        self.firsts = np.cumsum(conditions)[:-1]
        self.placing = Placing(blocks)
        told = blocks.ends[-1] + self.placing.width
        reads = blocks.width if bank is not None and lessons.rows else None
        self.generator = Generator(told, Wishes(sum(conditions), shape.width), shape, reads=reads)
        self.critic = Critic(blocks.width, shape)
        if bank is not None and lessons.moments:
            self.moments = Moments(blocks, counts, bank.places)

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        """The loss of the critic, or of the generator."""
        (rows,) = batch
        rng = np.random.default_rng(int(torch.randint(0, 2**62, (1,), generator=draw, device=draw.device)))
        pac, device = self.shape.pac, rows.device
        n = max(pac, len(rows) // pac * pac)
        which = level = condition = None
        if self.parts:
            which, level = self.bank.draw(n, rng)
            condition = torch.from_numpy(self.firsts[which] + level).to(device)
        taken = self.bank.rows(which, level, rng) if self.parts else rng.integers(0, len(self.bank.modes), n)
        modes = torch.from_numpy(self.bank.modes[taken].astype(np.int64)).to(device)
        real = self.blocks.dense(modes, torch.from_numpy(self.bank.places[taken]).to(device))
        with torch.set_grad_enabled(turn != "critic" and torch.is_grad_enabled()):
            told = self.generator(self._noise(n, draw), condition).float()
            made = self._made(told, draw)
        if turn == "critic":
            return critic_loss(self.critic, real, made, shape=self.shape, draw=draw)
        loss = -self.critic(made).mean()
        left = max(1 - FADES * self.share, LEFT)
        if self.lessons.moments:
            loss = loss + left * self.lessons.moments * self.moments(real, made)
        if self.lessons.rows:
            loss = loss + left * self.lessons.rows * self._rebuilt(real, modes, condition, draw)
        return loss if which is None else loss + self._missed(told, which, level)

    def _noise(self, n: int, draw: torch.Generator) -> Tensor:
        return torch.randn(n, self.shape.noise, generator=draw, device=draw.device)

    def _made(self, told: Tensor, draw: torch.Generator) -> Tensor:
        """What the generator tells, as the critic sees it."""
        ends = self.blocks.ends[-1]
        modes = self.blocks.soft(told[:, :ends], draw)
        return torch.cat([modes, self.placing(modes, told[:, ends:])], dim=1)

    def _rebuilt(self, real: Tensor, modes: Tensor, condition: Tensor | None, draw: torch.Generator) -> Tensor:
        """−log of the chance to rebuild rows from what is found in them, and how unlike noise that is (Kingma and Welling 2014)."""
        mean, narrow = self.generator.reader(real)
        noise = mean + torch.randn(mean.shape, generator=draw, device=draw.device) * (0.5 * narrow).exp()
        told, ends = self.generator(noise, condition).float(), self.blocks.ends
        each = [(real[:, a:b] * told[:, a:b].log_softmax(1)).sum() for a, b in pairwise(ends)]
        off = (self.placing.at(modes, told[:, ends[-1] :]) - real[:, ends[-1] :]) * self.placing.there(modes)
        gap = 0.5 * (mean**2 + narrow.exp() - 1 - narrow).sum()
        return ((off / NEAR) ** 2 / 2).sum().add(self.lessons.space * gap).sub(torch.stack(each).sum()) / len(real)

    def _missed(self, told: Tensor, which: np.ndarray, level: np.ndarray) -> Tensor:
        """Cross-entropy of the conditions, which the generator must obey."""
        lost = told.new_zeros(())
        for k, p in enumerate(self.parts):
            mine = np.flatnonzero(which == k)
            if len(mine):
                wanted = torch.from_numpy(level[mine]).to(told.device)
                logits = told[torch.from_numpy(mine).to(told.device), self.blocks.ends[p] : self.blocks.ends[p + 1]]
                lost = lost + nn.functional.cross_entropy(logits, wanted, reduction="sum")
        return lost / len(which)

    @torch.no_grad()
    def body(self, n: int, seed: tuple[int, ...]) -> Tensor:
        """What `n` rows are told from, [n, width]; conditions come as often as `counts` says."""
        device = next(self.parameters()).device
        draw, rng, condition = generator(*seed, device=device), np.random.default_rng(list(seed)), None
        if self.parts:
            which, lots, level = rng.integers(0, len(self.parts), n), rng.random(n), np.zeros(n, np.int64)
            for k, p in enumerate(self.parts):
                mine, upto = which == k, np.cumsum(self.counts[p])
                level[mine] = np.searchsorted(upto, lots[mine] * upto[-1], side="right")
            condition = torch.from_numpy(self.firsts[which] + level).to(device)
        return self.generator.body(self._noise(n, draw), condition)


def critic_loss(
    critic: Callable[[Tensor], Tensor], real: Tensor, made: Tensor, *, shape: Shape, draw: torch.Generator, free: Tensor | None = None
) -> Tensor:
    """The Wasserstein loss with a penalty on steep critics, or the hinge loss.

    critic: rows float [n, inner] → float [n / pac]. free: bool [n, inner], where made rows may differ from real ones: only there is it of
    interest how steep the critic is; everywhere if not given.
    """
    if shape.loss == "hinge":
        return (1 - critic(real)).relu().mean() + (1 + critic(made)).relu().mean()
    pac, groups = shape.pac, len(real) // shape.pac
    mix = torch.rand(groups, 1, 1, generator=draw, device=draw.device)
    between = (mix * real.view(groups, pac, -1) + (1 - mix) * made.view(groups, pac, -1)).flatten(0, 1).requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    if free is not None:
        slope = slope * free
    steep = ((slope.view(groups, -1) ** 2).sum(1) + 1e-12).sqrt()
    return critic(made).mean() - critic(real).mean() + PENALTY * ((steep - 1) ** 2).mean()


class Generator(nn.Module):
    """Noise float [n, noise], and a condition or None → float [n, out]. `wish` turns conditions into float [n, width].

    reads: numbers of a row, if a reader learns with it that finds the noise a row is made of.
    """

    def __init__(self, out: int, wish: nn.Module, shape: Shape, *, reads: int | None = None) -> None:
        super().__init__()
        width = shape.width
        self.into = Linear(shape.noise, width)
        self.wish = wish
        self.blocks = nn.ModuleList(Residual(width) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(width)
        self.out = Linear(width, out)
        if reads is not None:
            self.reader = Reader(reads, shape)

    def forward(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """See the class."""
        return self.out(self.body(noise, condition))

    def body(self, noise: Tensor, condition: Tensor | None) -> Tensor:
        """float [n, width]: what `out` tells from."""
        h = self.into(noise.to(self.into.weight.dtype))
        if condition is not None:
            h = h + self.wish(condition)
        for block in self.blocks:
            h = block(h)
        return self.norm(h)

    def told(self, body: Tensor, here: slice) -> Tensor:
        """Some of the numbers that `out` tells."""
        return nn.functional.linear(body, self.out.weight[here], self.out.bias[here])


class Reader(nn.Module):
    """Rows float [n, inner] → means and logarithms of variances, float32 [n, noise], of the noise that such a row is made of."""

    def __init__(self, inner: int, shape: Shape) -> None:
        super().__init__()
        self.into = Linear(inner, shape.width, scale=math.sqrt(inner) / 6)
        self.block, self.norm = Residual(shape.width), nn.LayerNorm(shape.width)
        self.mean, self.spread = Linear(shape.width, shape.noise), Linear(shape.width, shape.noise, scale=0.1)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        h = self.norm(self.block(self.into(rows)))
        return self.mean(h).float(), self.spread(h).float().clamp(NARROW, WIDE)


class Moments(nn.Module):
    """How far made rows are from real ones in means and second moments, weighted as in a test of independence, without bias.

    It is the squared maximum mean discrepancy by the kernel s + s², s the product of two rows whose modes count the more the rarer.
    """

    def __init__(self, blocks: Blocks, counts: Sequence[np.ndarray], places: np.ndarray) -> None:
        super().__init__()
        share = np.concatenate([c / max(c.sum(), 1) for c in counts])
        spread = PLACED / np.maximum(places.std(0), 0.01)
        centre, scale = np.append(share, places.mean(0)), np.append((share + RARE) ** -0.5, spread) / math.sqrt(len(counts))
        self.register_buffer("centre", torch.from_numpy(centre).float(), persistent=False)
        self.register_buffer("scale", torch.from_numpy(scale).float(), persistent=False)

    def forward(self, real: Tensor, made: Tensor) -> Tensor:
        """A scalar, but for what real rows have among themselves. real, made: float [n, width], as critics see them."""
        x, y = ((rows - self.centre) * self.scale for rows in (real, made))
        own, both = (y @ y.T).float(), (y @ x.T).float()
        own, n = own + own**2, len(y)
        return (own.sum() - own.diagonal().sum()) / max(n * (n - 1), 1) - 2 * (both + both**2).mean()


class Wishes(nn.Module):
    """A vector for each condition, int64 [n] → float [n, width]: the conditional vector times its weights, without ever making it."""

    def __init__(self, conditions: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(max(conditions, 1), width))

    def forward(self, condition: Tensor) -> Tensor:
        """See the class."""
        return nn.functional.embedding(condition, self.vectors)

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
        return h.squeeze(1).float()

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
        self.real = coarse[rng.permutation(len(coarse))[:WATCHED]].astype(np.int64)  # pairs of levels are more than small types hold
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
    def judge(self, net: Maker) -> float:
        """Look at rows that `net` draws, always of the same noise."""
        body = net.body(WATCHED, (WATCHED,))
        draw = generator(WATCHED, 1, device=body.device)
        return self.look(np.stack([draw_codes(net.part(body, p), draw).cpu().numpy() for p in range(len(self.sizes))], axis=1))

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


def contest(
    net: nn.Module,
    arrays: Sequence[np.ndarray],
    modes: np.ndarray,
    *,
    settings: Learning,
    critic: int,
    seeds: tuple[int, int],
    on_step: OnStep,
) -> dict[str, Any]:
    """Train generator and critic in turn, `critic` steps of it to one, and keep the generator that a `Watch` finds nearest to real rows.

    net: a `Maker` with parts `generator` and `critic`. arrays: see `train`. modes: real rows [n, parts]. seeds: of training and watch.
    Returns what became of it, as JSON values: `history`, `notes`, and `watch`, coverage of levels and clusters at each look.
    """
    some = np.random.default_rng(seeds[1]).permutation(len(modes))[:WATCHED_FROM]
    watch = Watch(modes[some], net.blocks.sizes, seed=seeds[1])
    turns = (Turn("critic", of="critic", times=critic), Turn("generator", of="generator"))
    course = settings.course(turns=turns, betas=(0.5, 0.9), decay=1e-6, piece=PIECE)

    def told(step: Step) -> None:
        net.share = step.done / step.total
        on_step(step)

    done = train(net, arrays, course=course, seed=seeds[0], on_step=told, judge=watch.judge, checkpoint=settings.checkpoint)
    done.notes.extend(watch.flaws())
    return done.to_json() | {"watch": watch.looks}
