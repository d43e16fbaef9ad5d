"""Learning with differential privacy: rows come by chance, none moves a step by more than a known length, and noise hides which did.

DP-SGD (Abadi et al. 2016), as its accounting asks for it. Each unit (a row, or all rows of a subject) is in a step or not by a coin of its
own, tossed with random bits of the operating system; sums are divided by a public number, never by the length of the batch that was
drawn; the number of steps is fixed; all noise is paid for before the first row is read. Gradients are clipped row by row without being
made: of a layer that sees rows as vectors, the length of a row's gradient follows from what went in and what came back (Goodfellow 2015;
Bu et al. 2023), so a step costs little more than an ordinary one.

    plan = planned(allowance, rows=32_000, batch=2_048, steps=500, clip=1.0)
    train(net, (codes,), plan=plan, rules=RULES, allowance=allowance)

Arithmetic is taken to be exact, noise to be real numbers: what floating point adds to the loss of privacy is not counted.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.errors import SettingError, TrainingError

if TYPE_CHECKING:
    from typing import Self

    from lookalike.privacy.ledger import Allowance

__all__ = ["Outer", "Plan", "Spread", "Stacked", "Tap", "Whole", "chosen", "noisy_mean", "noisy_means", "planned", "train"]

GRID = 1 << 32
"""Chances are multiples of 1 / GRID, so that coins of 32 bits have them exactly."""
PIECE = 1_024
"""Rows, times views, whose gradients are computed at once by one thread: memory does not hang on the batch."""
SLACK = 2.0**-17
"""What lengths are overstated by, relatively: more than they can be off by rounding."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a private training goes. All of it is public: it hangs on the rows only by what was paid for."""

    steps: int
    rate: float
    """Chance of each unit to be in a step, a multiple of 1 / GRID."""
    batch: float
    """Rows of a step if there are as many as was said; what sums are divided by."""
    clip: float
    """Longest gradient of a row."""
    noise: float
    """Standard deviation of the noise, as a multiple of the most that a unit can add to a sum: `clip` times `per_unit`."""
    per_unit: int = 1
    """Rows of a unit at most. They come together or not at all."""
    views: int = 1
    """How often the net sees each row in a step, with other random numbers; it is the mean of their gradients that is clipped."""
    speed: float = 3e-3
    """Highest learning rate of Adam; it falls along a cosine."""
    betas: tuple[float, float] = (0.9, 0.99)
    average: float = 0.98
    """Weights are averaged with this memory, and the averages kept."""

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise in each entry of a sum of gradients."""
        return self.noise * self.clip * self.per_unit


def planned(allowance: Allowance, *, rows: float, batch: int, steps: int, clip: float, per_unit: int = 1, **more: Any) -> Plan:
    """The plan that spends what is left of `allowance`. `rows`: how many there are, declared or counted with noise; `more`: see Plan.

    Raises:
        BudgetError: nothing is left for the training.
    """
    rows = max(float(rows), 1.0)
    rate = min(max(round(GRID * batch / rows), 1), GRID) / GRID
    noise = allowance.noise(rate=rate, steps=steps)
    return Plan(steps=steps, rate=rate, batch=rate * rows, clip=clip, noise=noise, per_unit=per_unit, **more)


# ------------------------------------------------------------------------------------------------------------ chance and noise


def chosen(units: int, rate: float) -> np.ndarray:
    """bool [units]: each True with chance `rate` (a multiple of 1 / GRID), by itself, by random bits of the operating system."""
    coins = np.frombuffer(os.urandom(4 * units), np.uint32)
    return coins < np.uint64(round(rate * GRID))


def noisy_mean(sums: Sequence[Tensor], plan: Plan) -> list[Tensor]:
    """Sums of clipped gradients with noise, divided by the public `plan.batch`. Each call has random numbers from 128 new bits."""
    draw = np.random.Generator(np.random.Philox(key=np.frombuffer(os.urandom(16), np.uint64)))
    found = []
    for added in sums:
        noise = torch.from_numpy(draw.standard_normal(tuple(added.shape)) * plan.sigma)  # in 64 bits: 32 cut the tails off
        found.append(((added.double() + noise.to(added.device)) / plan.batch).to(added.dtype))
    return found


# ------------------------------------------------------------------------------------------- gradients of rows, without making them


class Factor(Protocol):
    """The gradients of one parameter by each row's loss, in a form from which their lengths and sums follow."""

    def squares(self) -> Tensor:
        """[n]: the squared length of each row's gradient, or a little more."""
        ...

    def total(self, weights: Tensor) -> Tensor:
        """The weighted sum of the rows' gradients, in the shape of the parameter; weights [n]."""
        ...

    def take(self, rows: Tensor) -> Factor:
        """Some of the rows, bool [n]."""
        ...


@dataclass(frozen=True)
class Whole:
    """The gradients themselves: [n, *shape]."""

    values: Tensor

    def squares(self) -> Tensor:
        """See Factor."""
        return self.values.flatten(1).square().sum(1)

    def total(self, weights: Tensor) -> Tensor:
        """See Factor."""
        return torch.tensordot(weights, self.values, 1)

    def take(self, rows: Tensor) -> Whole:
        """See Factor."""
        return Whole(self.values[rows])


@dataclass(frozen=True)
class Outer:
    """Sums over views of products of two vectors: left [n, views, o] and right [n, views, i] make gradients [n, o, i]."""

    left: Tensor
    right: Tensor

    def squares(self) -> Tensor:
        """See Factor. Views may cancel each other; so what rounding may hide of them is added."""
        most = self.left.norm(dim=2) * self.right.norm(dim=2)
        if self.left.shape[1] == 1:
            return most.squeeze(1).square()
        both = (self.left @ self.left.mT) * (self.right @ self.right.mT)
        return both.sum((1, 2)).clamp_min(0) + SLACK * most.sum(1).square()

    def total(self, weights: Tensor) -> Tensor:
        """See Factor."""
        left, right, weights = self.left, self.right, weights[:, None, None]
        left, right = (left * weights, right) if left.shape[2] < right.shape[2] else (left, right * weights)
        return left.flatten(0, 1).T @ right.flatten(0, 1)

    def take(self, rows: Tensor) -> Outer:
        """See Factor."""
        return Outer(self.left[rows], self.right[rows])


@dataclass(frozen=True)
class Spread:
    """Gradients of a table of vectors, [size, width]: of row i, values[i, j] at at[i, j], and 0 elsewhere; no place twice in at[i]."""

    at: Tensor
    values: Tensor
    size: int

    def squares(self) -> Tensor:
        """See Factor."""
        return self.values.flatten(1).square().sum(1)

    def total(self, weights: Tensor) -> Tensor:
        """See Factor."""
        weighted = (self.values * weights[:, None, None]).flatten(0, 1)
        return weighted.new_zeros(self.size, weighted.shape[1]).index_add_(0, self.at.flatten(), weighted)

    def take(self, rows: Tensor) -> Spread:
        """See Factor."""
        return Spread(self.at[rows], self.values[rows], self.size)


@dataclass(frozen=True)
class Stacked:
    """One factor for each slice of a parameter along its first dimension; there is at least one."""

    slices: tuple[Factor, ...]

    def squares(self) -> Tensor:
        """See Factor."""
        return torch.stack([s.squares() for s in self.slices]).sum(0)

    def total(self, weights: Tensor) -> Tensor:
        """See Factor."""
        return torch.stack([s.total(weights) for s in self.slices])

    def take(self, rows: Tensor) -> Stacked:
        """See Factor."""
        return Stacked(tuple(s.take(rows) for s in self.slices))


@dataclass(frozen=True)
class Tap:
    """What a layer was given, `seen`, what it made of it, and `back`: the gradient of the summed loss by that."""

    layer: Any
    seen: tuple[Any, ...]
    made: Tensor
    views: int
    back: Tensor | None = None

    def views_of(self, x: Tensor) -> Tensor:
        """[n · views, …] as float [n, views, …]."""
        return x.detach().to(torch.promote_types(x.dtype, torch.float32)).unflatten(0, (-1, self.views))


Rule = Callable[[Tap], list[tuple[nn.Parameter, Factor]]]
"""The factors of all parameters of a layer. Its rows must not mix: nothing that comes out for one may hang on another."""


class _Clipped:
    """Sums of clipped gradients of the rows of `arrays`. While it is open, it listens to the layers of `net` that have a rule."""

    def __init__(self, net: nn.Module, arrays: Sequence[np.ndarray], plan: Plan, rules: Mapping[type, Rule]) -> None:
        self.net, self.arrays, self.plan, self.rules = net, arrays, plan, rules
        self.weights = [w for w in net.parameters() if w.requires_grad]  # others stay as they are, whatever the rows say
        self.place = {id(w): k for k, w in enumerate(self.weights)}
        self.layers = [m for m in net.modules() if type(m) in rules]
        covered = [id(w) for layer in self.layers for w in layer.parameters()]
        if sorted(covered) != sorted(self.place):
            bare = [name for name, w in net.named_parameters() if w.requires_grad and covered.count(id(w)) != 1]
            raise SettingError(f"no rule, or more than one, tells how long the gradients of {', '.join(bare)} are")
        self.here = threading.local()

    def __enter__(self) -> Self:
        self.hooks = [layer.register_forward_hook(self._listen) for layer in self.layers]
        return self

    def __exit__(self, *error: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def _listen(self, layer: nn.Module, seen: tuple[Any, ...], made: Tensor) -> None:
        self.here.taps.append(Tap(layer, seen, made, self.plan.views))

    def __call__(self, rows: np.ndarray) -> list[Tensor]:
        """One sum for each parameter. A row whose gradient is not finite adds nothing."""
        device, views = self.weights[0].device, self.plan.views
        batch = tuple(_tensor(a[rows], device).repeat_interleave(views, 0) for a in self.arrays)
        self.here.taps = []
        loss = self.net(batch, _draw(device), "") * len(rows)
        taps, self.here.taps = self.here.taps, []
        if len(taps) != len(self.layers) or {id(t.layer) for t in taps} != {id(layer) for layer in self.layers}:
            raise SettingError("a layer was used more than once, or not at all: its gradients cannot be told row by row")
        backs = torch.autograd.grad(loss, [t.made for t in taps], materialize_grads=True)
        told = [Tap(t.layer, t.seen, t.made, views, back) for t, back in zip(taps, backs, strict=True)]
        factors = [pair for tap in told for pair in self.rules[type(tap.layer)](tap)]
        return self._summed(factors)

    @torch.no_grad()
    def _summed(self, factors: list[tuple[nn.Parameter, Factor]]) -> list[Tensor]:
        lengths = torch.stack([f.squares() for _, f in factors]).sum(0).sqrt() * (1 + SLACK)
        fair = lengths.isfinite()
        if not fair.all():
            factors, lengths = [(w, f.take(fair)) for w, f in factors], lengths[fair]
        weights = (self.plan.clip / lengths).clamp_max(1)
        sums = [torch.zeros_like(w) for w in self.weights]
        for parameter, factor in factors:
            sums[self.place[id(parameter)]] += factor.total(weights)
        return sums


def noisy_means(
    net: nn.Module,
    arrays: Sequence[np.ndarray],
    *,
    plan: Plan,
    rules: Mapping[type, Rule],
    allowance: Allowance,
    units: np.ndarray | None = None,
    pool: Executor | None = None,
) -> Iterator[list[Tensor]]:
    """For each step of the plan, the noisy mean of the clipped gradients of rows drawn anew: one tensor a parameter of `net`.

    What is done with them in between, and all that is made of them, costs nothing more. All is booked before the first row is read.

    Args:
        net: see `lookalike.nets.train`; its loss is a mean over rows that do not mix.
        arrays: the same number of rows each.
        plan: how it goes.
        rules: for types of layers, which have all parameters of the net, what their gradients are made of.
        allowance: what pays.
        units: int64 [rows], the subject of each row, 0 … ; None: each row is its own.
        pool: threads that share the work.

    Raises:
        BudgetError: the plan costs more than may be spent; nothing was read or booked.
        SettingError: a unit has more rows than the plan says, or some parameter has no rule.
    """
    from lookalike.privacy.accounting import Cost, Sampled

    if units is not None and int(np.bincount(units).max(initial=0)) > plan.per_unit:
        raise SettingError(f"a subject has more than {plan.per_unit} rows", fix="drop the rest of its rows, or plan for more")
    clipped = _Clipped(net, arrays, plan, rules)
    cost = Cost(sampled=Sampled(plan.noise, plan.rate, plan.steps))
    allowance.spend(cost, f"{plan.steps} noisy gradients, each of a share {plan.rate:.4g} of the units")
    count, most = len(arrays[0]) if units is None else int(units.max(initial=-1)) + 1, max(1, PIECE // plan.views)
    with clipped:
        for _ in range(plan.steps):
            here = chosen(count, plan.rate)
            rows = np.flatnonzero(here if units is None else here[units])
            pieces = [rows[low : low + most] for low in range(0, len(rows), most)]
            sums = [torch.zeros_like(w) for w in clipped.weights]
            for found in (pool.map if pool else map)(clipped, pieces):
                torch._foreach_add_(sums, found)
            yield noisy_mean(sums, plan)


def train(
    net: nn.Module,
    arrays: Sequence[np.ndarray],
    *,
    on_step: Callable[[int], None] | None = None,
    device: torch.device | str = "cpu",
    plan: Plan,
    **how: Any,
) -> nn.Module:
    """Train `net` in place by `noisy_means`, which takes `how`; it ends on the CPU, in eval mode, with averaged weights.

    on_step: told how many steps are done, and nothing else: the loss of private rows would be a look at them.

    Raises:
        BudgetError, SettingError: see `noisy_means`.
        TrainingError: the weights grew beyond all numbers, or memory is full.
    """
    net.to(device).train()
    weights = [w for w in net.parameters() if w.requires_grad]
    mean = [w.detach().clone() for w in weights]
    adam = torch.optim.Adam(weights, plan.speed, plan.betas)
    try:
        for step, gradients in enumerate(noisy_means(net, arrays, plan=plan, **how)):
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient
            for group in adam.param_groups:
                group["lr"] = plan.speed * (1 + math.cos(math.pi * step / plan.steps)) / 2
            adam.step()
            adam.zero_grad()
            torch._foreach_lerp_(mean, [w.detach() for w in weights], 1 - min(plan.average, (step + 1) / (step + 10)))
            if on_step is not None:
                on_step(step + 1)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise TrainingError("out of memory while training", fix="make the network smaller") from error
    if not all(bool(m.isfinite().all()) for m in mean):
        raise TrainingError("the training diverged", fix="lower the learning rate")
    with torch.no_grad():
        for weight, average in zip(weights, mean, strict=True):
            weight.copy_(average)
    return net.to("cpu").eval()


def _draw(device: torch.device) -> torch.Generator:
    """Random numbers for what the loss leaves to chance, new each time."""
    return torch.Generator(device=device).manual_seed(int.from_bytes(os.urandom(8)) >> 1)


def _tensor(rows: np.ndarray, device: torch.device) -> Tensor:
    """Rows as int64 or float32."""
    return torch.from_numpy(rows.astype(np.int64 if rows.dtype.kind in "iub" else np.float32)).to(device)
