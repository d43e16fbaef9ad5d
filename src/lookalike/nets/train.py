"""One training loop for all deep models: held-out rows, early stopping, averaged weights, a time budget, checkpoints, any device.

A batch is cut into pieces whose gradients are added in a fixed order, and random numbers belong to a step and a piece. So threads and
devices change nothing but the time, and a training that was killed goes on as if it had not been.

    course = Course(epochs=60, batch=1024)
    done = train(net, (codes, inside), course=course, seed=7, on_step=on_step, checkpoint=path)

`net` is a `torch.nn.Module` on the CPU whose `forward(batch, draw, turn)` returns the mean loss (a scalar tensor) of `batch`, one tensor
for each array given, using `draw` (a `torch.Generator`) for all that is random. Networks with several losses, such as a GAN, have
several turns, each of which moves the weights of one of its parts.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.errors import TrainingError
from lookalike.nets.checkpoint import Checkpoint
from lookalike.protocol import OnStep, Step, quiet

__all__ = ["Course", "Trained", "Turn", "choose_device", "generator", "precision", "train", "whole_threads"]

PIECE = 512
"""Rows of a batch whose gradients are computed at once, by one thread, where a course says nothing else."""
PIECES = 8
"""Pieces of a batch at most."""
HELD_SHARE, HELD_MOST, HELD_FEWEST = 0.1, 5_000, 40
"""Rows kept aside to judge by; of fewer than HELD_FEWEST rows none are, and all judge."""
ROUND_LEAST, ROUND_MOST = 10, 400
"""Steps between two judgements: an epoch, but no fewer and no more than this."""
LAST = 0.02
"""Share of the learning rate that is left at the end."""
BAD_MOST = 10
"""Steps in a row without a finite loss after which the training has diverged."""


@dataclass(frozen=True)
class Turn:
    """One kind of step: `forward` gets `name`, and the weights of the part `of` ("" for all) move, `times` times before the next turn."""

    name: str = ""
    of: str = ""
    times: int = 1
    rate: float = 1.0
    """Learning rate of this turn, as a multiple of the course's."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a training goes."""

    epochs: int
    """Passes over the rows at most."""
    batch: int = 1_024
    """Rows a step; less if that would make fewer than eight steps an epoch."""
    piece: int = PIECE
    """Rows of a batch, about, whose gradients are computed at once, by one thread."""
    rate: float = 3e-3
    """Highest learning rate of AdamW, reached after `warm` steps; then it falls along a cosine."""
    patience: int = 10
    """Judgements without a better one before the training stops."""
    round: int = ROUND_MOST
    """Steps between two judgements at most."""
    minutes: float | None = None
    """Time budget; the learning rate falls so that it ends with it."""
    decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    warm: int = 50
    clip: float = 10.0
    """Longest gradient."""
    average: float = 0.995
    """Weights are averaged with this memory, and it is the averages that are judged and kept; 0: none."""
    turns: tuple[Turn, ...] = (Turn(),)
    device: str = "auto"
    """auto, cpu, cuda or mps."""


@dataclass
class Trained:
    """What became of a training: one entry a judgement, and what a reader of the model should be told."""

    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON values, for a model's card."""
        return asdict(self)


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; `auto`: the first of cuda, mps and cpu that is there.

    Raises:
        TrainingError: it is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(d for d, ok in there.items() if ok))
    if not there.get(name):
        raise TrainingError(f"there is no device {name!r}", fix="device=auto takes what is there")
    return torch.device(name)


def generator(*seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Random numbers of their own for `seed`; torch's global ones are left alone."""
    mixed = np.random.SeedSequence([s & 0xFFFF_FFFF_FFFF_FFFF for s in seed]).generate_state(1)[0]
    return torch.Generator(device=device).manual_seed(int(mixed))


@contextmanager
def precision(device: torch.device) -> Iterator[None]:
    """Products of matrices in bfloat16 where the hardware has units for it (AMX, AVX-512, graphics cards): two to six times as fast.

    Weights are cast at each use. A cast kept for the next use is shared by all threads, and dropped when one of them is done: whether
    the gradients of two uses are added before or after they are rounded would then be a matter of chance.
    """
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        fast = bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    else:
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    with torch.autocast(device.type, torch.bfloat16, cache_enabled=False) if fast else nullcontext():
        yield


@contextmanager
def whole_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads, as many as torch was allowed, in which torch uses no further ones: what they compute does not hang on how many they are."""
    allowed = torch.get_num_threads()
    torch.set_num_threads(1)  # threads started from here on take it over
    try:
        with ThreadPoolExecutor(max(1, min(allowed, os.cpu_count() or 1))) as pool:
            yield pool
    finally:
        torch.set_num_threads(allowed)


def train(
    net: nn.Module,
    arrays: Sequence[np.ndarray],
    *,
    course: Course,
    seed: int,
    on_step: OnStep = quiet,
    judge: Callable[[nn.Module], float] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Trained:
    """Train `net` in place; it ends on the CPU, in eval mode, with the weights that were judged best.

    Args:
        net: see the module. Weights are those it starts from (`blocks.start`).
        arrays: the same number of rows each, rows first; memory-mapped ones will do. Whole numbers reach `net` as int64, others as float32.
        course: how the training goes.
        seed: decides held-out rows, their order and all random numbers of the losses.
        on_step: told of loss and judgement.
        judge: gives the averaged net a value, lower is better; the mean loss (of the last turn) on held-out rows if not given.
        checkpoint: a file where the training is kept as it goes, from which it goes on if it is there, and which is removed at the end.

    Raises:
        TrainingError: not one finite loss, out of memory, or no such device. The checkpoint stays.
        StoreError: the checkpoint is of another training.
    """
    run = _Run(net, arrays, course, seed)
    run.keep = None if checkpoint is None else Checkpoint(checkpoint, fingerprint=run.fingerprint())
    try:
        with whole_threads() as pool:
            run.go(pool, on_step, judge)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _too_large(course) from error
    except RuntimeError as error:
        if "allocat" not in str(error):
            raise
        raise _too_large(course) from error
    return run.done


def _too_large(course: Course) -> TrainingError:
    fix = f"make the batch smaller (batch={max(32, course.batch // 4)}), the network, or the number of cells"
    return TrainingError("out of memory while training", fix=fix)


class _Run:
    """A training under way."""

    def __init__(self, net: nn.Module, arrays: Sequence[np.ndarray], course: Course, seed: int) -> None:
        self.net, self.arrays, self.course, self.seed = net, arrays, course, seed
        rows, first = len(arrays[0]), choose_device(course.device)
        count = torch.cuda.device_count() if first.type == "cuda" else 1
        self.devices = [torch.device("cuda", k) for k in range(count)] if count > 1 else [first]
        self.kept = np.random.default_rng([seed, 0]).permutation(rows)
        held = min(int(rows * HELD_SHARE), HELD_MOST) if rows >= HELD_FEWEST else 0
        self.held, self.kept = (self.kept[:held], self.kept[held:]) if held else (self.kept, self.kept)
        self.batch = max(1, min(course.batch, max(32, len(self.kept) // 8)))
        self.epoch_steps = math.ceil(len(self.kept) / self.batch)
        self.steps = course.epochs * self.epoch_steps
        self.round = min(max(self.epoch_steps, ROUND_LEAST), course.round)
        self.weights = list(net.parameters())
        self.step, self.spent, self.bad, self.stale, self.best = 0, 0.0, 0, 0, math.inf
        self.total, self.counted = 0.0, 0
        self.order: tuple[int, np.ndarray] = (-1, self.kept)
        self.done = Trained()
        self.keep: Checkpoint | None = None

    def fingerprint(self) -> dict[str, Any]:
        """What a checkpoint must agree with; batch, rate and length may be other ones."""
        shapes = [list(w.shape) for w in self.weights]
        return {"seed": self.seed % 2**53, "rows": len(self.arrays[0]), "weights": shapes, "turns": [t.name for t in self.course.turns]}

    def go(self, pool: ThreadPoolExecutor, on_step: OnStep, judge: Callable[[nn.Module], float] | None) -> None:
        """All steps."""
        self.net.to(self.devices[0]).train()
        self.pool, self.on_step = pool, on_step
        self.turns = [(t, list((self.net.get_submodule(t.of) if t.of else self.net).parameters())) for t in self.course.turns]
        fused = self.devices[0].type != "mps"
        self.makers = [
            torch.optim.AdamW(ws, self.course.rate, self.course.betas, weight_decay=self.course.decay, fused=fused) for _, ws in self.turns
        ]
        self.mean = [w.detach().clone() for w in self.weights]
        self.top = [w.detach().clone() for w in self.weights]
        if self.keep is not None:
            self._resume(self.keep)
        began, before = time.monotonic(), self.spent
        try:
            while not self._over():
                self._one_step()
                self.spent = before + time.monotonic() - began
                if self.step % self.round == 0 or self._ended():
                    self._judge(judge)
                    self.spent = before + time.monotonic() - began
                    self._save()
        finally:
            copy_all(self.top, self.weights)
            self.net.to("cpu").eval()
        if not math.isfinite(self.best):
            raise TrainingError(
                "the training diverged: not one finite loss", fix=f"lower the learning rate (rate={self.course.rate / 10:g})"
            )
        on_step(Step(self.steps, self.steps, self._note()))
        if self.keep is not None:
            self.keep.remove()

    def _over(self) -> bool:
        """Nothing more is to be learned, or no time is left; the last judgement may lie a few steps back."""
        return self._ended() or self.stale >= self.course.patience

    def _ended(self) -> bool:
        late = self.course.minutes is not None and self.spent >= 60 * self.course.minutes
        return late or self.step >= self.steps or self.bad > BAD_MOST

    def _share(self) -> float:
        """How much of the course is over, 0 … 1."""
        timed = self.spent / (60 * self.course.minutes) if self.course.minutes else 0.0
        return min(max(self.step / self.steps, timed), 1.0)

    def _rows(self) -> np.ndarray:
        """Numbers of the rows of this step; each epoch has an order of its own."""
        epoch, at = divmod(self.step, self.epoch_steps)
        if self.order[0] != epoch:
            self.order = (epoch, np.random.default_rng([self.seed, 1, epoch]).permutation(self.kept))
        return self.order[1][at * self.batch : (at + 1) * self.batch]

    def _one_step(self) -> None:
        """One step of every turn, then the averages."""
        rows = self._rows()
        warm = min(1.0, (self.step + 1) / max(self.course.warm, 1))
        rate = self.course.rate * warm * (LAST + (1 - LAST) * (1 + math.cos(math.pi * self._share())) / 2)
        for k, ((turn, weights), maker) in enumerate(zip(self.turns, self.makers, strict=True)):
            for again in range(turn.times):
                loss, gradients = self._gradients(turn, weights, rows, (self.step, k, again))
                length = float(torch.stack(torch._foreach_norm(gradients)).norm())
                if not (math.isfinite(loss) and math.isfinite(length)):
                    self.bad += 1
                    continue
                self.bad = 0
                if length > self.course.clip:
                    torch._foreach_mul_(gradients, self.course.clip / length)
                for group in maker.param_groups:
                    group["lr"] = rate * turn.rate
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight.grad = gradient
                maker.step()
                maker.zero_grad()
                if k == len(self.turns) - 1:
                    self.total, self.counted = self.total + loss, self.counted + 1
        self.step += 1
        memory = min(self.course.average, self.step / (self.step + 9))
        torch._foreach_lerp_(self.mean, [w.detach() for w in self.weights], 1 - memory)
        self._tell()

    def _gradients(self, turn: Turn, weights: list[nn.Parameter], rows: np.ndarray, seed: tuple[int, ...]) -> tuple[float, list[Tensor]]:
        """Mean loss of the rows, and its gradients: piece by piece, added in their order."""
        count = len(self.devices) if self.devices[0].type != "cpu" else max(1, min(round(len(rows) / self.course.piece), PIECES))
        pieces = np.array_split(rows, min(count, len(rows)))

        def one(k: int) -> tuple[Tensor, tuple[Tensor, ...]]:
            device = self.devices[k % len(self.devices)]
            loss = self._loss(pieces[k], generator(self.seed, 2, *seed, k, device=device), turn.name, device)
            loss = loss.to(self.devices[0]) * (len(pieces[k]) / len(rows))
            return loss.detach(), torch.autograd.grad(loss, weights, materialize_grads=True)

        found = list(self.pool.map(one, range(len(pieces)))) if len(pieces) > 1 else [one(0)]
        gradients = list(found[0][1])
        for _, more in found[1:]:
            torch._foreach_add_(gradients, more)
        return float(sum(loss for loss, _ in found)), gradients

    def _loss(self, rows: np.ndarray, draw: torch.Generator, turn: str, device: torch.device) -> Tensor:
        """The loss of some rows; on a further device the weights are lent, and gradients find their way back by themselves."""
        batch = tuple(_tensor(a[rows], device) for a in self.arrays)
        with precision(device):
            if device == self.devices[0]:
                return self.net(batch, draw, turn)
            lent = {name: w.to(device) for name, w in (*self.net.named_parameters(), *self.net.named_buffers())}
            return torch.func.functional_call(self.net, lent, (batch, draw, turn))

    def _judge(self, judge: Callable[[nn.Module], float] | None) -> None:
        """Give the averages a value, and keep them if it is the best so far."""
        if self.bad > BAD_MOST:
            self.done.notes.append(f"the training diverged at step {self.step}; the weights judged best before were kept")
            return
        mine = [w.detach().clone() for w in self.weights]
        copy_all(self.mean, self.weights)
        self.net.eval()
        with torch.no_grad():
            value = float(judge(self.net)) if judge is not None else self._held_loss()
        self.net.train()
        loss = self.total / max(self.counted, 1)
        self.total, self.counted = 0.0, 0
        entry = {"step": self.step, "epoch": round(self.step / self.epoch_steps, 2), "seconds": round(self.spent, 2)}
        self.done.history.append(entry | {k: v for k, v in (("loss", loss), ("judged", value)) if math.isfinite(v)})
        if value < self.best:
            self.best, self.stale = value, 0
            copy_all(self.mean, self.top)
        else:
            self.stale += 1
        copy_all(mine, self.weights)
        self._tell()

    def _held_loss(self) -> float:
        """Mean loss of the held-out rows, always with the same random numbers."""
        turn, device = self.course.turns[-1].name, self.devices[0]
        pieces = np.array_split(self.held, math.ceil(len(self.held) / 1_024))

        def one(k: int) -> float:
            with torch.no_grad():
                return len(pieces[k]) * float(self._loss(pieces[k], generator(self.seed, 3, k, device=device), turn, device))

        return sum(self.pool.map(one, range(len(pieces)))) / len(self.held)

    def _tell(self) -> None:
        if not self._ended():
            self.on_step(Step(int(self._share() * self.steps), self.steps, self._note()))

    def _note(self) -> str:
        """The last loss, and the best judgement so far."""
        last = self.done.history[-1] if self.done.history else {}
        if "judged" not in last:
            return "training"
        return f"training: held-out loss {last['judged']:.3f}, best {self.best:.3f}"

    def _save(self) -> None:
        """Write the checkpoint, if there is one and it is time to."""
        if self.keep is None or not (self._ended() or self.keep.due()):
            return
        arrays = {f"{kind}.{k}": w for kind in ("weights", "mean", "top") for k, w in enumerate(getattr(self, kind))}
        for m, maker in enumerate(self.makers):
            for k, state in maker.state_dict()["state"].items():
                arrays |= {f"maker.{m}.{k}.{name}": torch.as_tensor(value) for name, value in state.items()}
        names = ("step", "spent", "bad", "stale", "total", "counted")
        card = {name: getattr(self, name) for name in names} | {"best": self.best if math.isfinite(self.best) else None}
        self.keep.write(card | {"done": self.done.to_json()}, {k: v.detach().cpu().numpy() for k, v in arrays.items()})

    def _resume(self, keep: Checkpoint) -> None:
        """Go on from the checkpoint, if it is there."""
        found = keep.read()
        if found is None:
            return
        card, arrays = found
        for kind in ("weights", "mean", "top"):
            copy_all([torch.from_numpy(arrays[f"{kind}.{k}"]) for k in range(len(self.weights))], getattr(self, kind))
        for m, maker in enumerate(self.makers):
            state: dict[int, dict[str, Tensor]] = {}
            for name, array in arrays.items():
                if name.startswith(f"maker.{m}."):
                    _, _, k, key = name.split(".")
                    state.setdefault(int(k), {})[key] = torch.from_numpy(array)
            maker.load_state_dict({"state": state, "param_groups": maker.state_dict()["param_groups"]})
        self.best = math.inf if card["best"] is None else card["best"]
        for name in ("step", "spent", "bad", "stale", "total", "counted"):
            setattr(self, name, card[name])
        self.done = Trained(**card["done"])
        self.done.notes.append(f"the training was taken up again at step {self.step}")


def copy_all(source: Sequence[Tensor], target: Sequence[Tensor]) -> None:
    """Copy tensors, one by one, into others of the same shapes."""
    with torch.no_grad():
        for a, b in zip(source, target, strict=True):
            b.copy_(a)


def _tensor(rows: np.ndarray, device: torch.device) -> Tensor:
    """Rows as int64 or float32."""
    return torch.from_numpy(rows.astype(np.int64 if rows.dtype.kind in "iub" else np.float32)).to(device, non_blocking=True)
