"""A generator learns to deceive a critic, with conditions: CTGAN over the codes of a table.

Numbers are modes and places in them, levels that are rare are learned from as often as their logarithm says, and the critic judges
several rows at once. The generator that comes nearest to the real rows is kept, and columns keep their shares exactly.
(Xu et al. 2019, CTGAN; Lin et al. 2018, PacGAN; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lookalike.nets import need_torch
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from torch import Tensor

    from lookalike.data import Dataset
    from lookalike.encode import Codebook
    from lookalike.nets.adversary import Adversaries, Bank
    from lookalike.nets.modes import Axis
    from lookalike.schema import Schema

__all__ = ["Ctgan"]

PIECE = 2_048
"""Rows drawn by one thread at a time."""
SETTLED = 20_480
"""Rows by which shares and places are set right."""


class Settings(BaseModel):
    """What can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise: int = Field(64, ge=1, le=4_096, description="numbers drawn that a row is made of")
    width: int = Field(256, ge=8, le=4_096, description="units of each layer; more can learn more, and are slower")
    depth: int = Field(2, ge=0, le=16, description="layers of generator and critic, each")
    pac: int = Field(2, ge=1, le=64, description="rows that the critic judges at once: many show it when rows are all alike")
    line: int = Field(40, ge=4, le=1_024, description="numbers with more cells than this are told as modes and places, others as levels")
    loss: Literal["wasserstein", "hinge"] = Field(
        "wasserstein",
        description="what the critic learns by: Wasserstein with gradient penalty, or the faster hinge loss with spectral norm",
    )
    critic: int = Field(2, ge=1, le=20, description="steps of the critic for each of the generator")
    epochs: int = Field(30, ge=1, le=10_000, description="passes over the rows at most")
    batch: int = Field(512, ge=16, le=65_536, description="rows of one step")
    rate: float = Field(0.003, gt=0, le=0.1, description="highest learning rate")
    patience: int = Field(
        15,
        ge=1,
        le=1_000,
        description="looks at the generator without a better one before learning stops",
        json_schema_extra={"inert": "it ends learning where held-out rows get worse; the training loop has its own test"},
    )
    minutes: float | None = Field(None, ge=0.0001, le=10_000, description="time budget of the training in minutes; not given: none")
    protect: int = Field(5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are")
    cells: int = Field(255, ge=4, le=1_024, description="cells that a number or a moment is cut into at most")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto",
        description="where to train: auto takes a graphics card if there is one",
        json_schema_extra={"inert": "where it is computed is no part of the model"},
    )
    checkpoint: str | None = Field(
        None,
        description="file that keeps an unfinished training; the same fit goes on from it, and removes it at the end",
        json_schema_extra={"inert": "a training that was taken up again ends in the same model"},
        exclude=True,
    )


class Ctgan:
    """A conditional generative adversarial network over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `axes_` (how codes become modes and places), `counts_` (int64, how often each
    mode occurred, one part after the other), `net_` (generator and critic, on the CPU), `shift_` (float32, added to logits of rows that
    are drawn), `drawn_` (quantiles of the places drawn on each line), `trained_` (`history`, `notes`, and `watch`: coverage of levels and
    clusters at each look).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    schema: Schema
    codebook_: Codebook
    axes_: list[Axis]
    counts_: np.ndarray
    net_: Adversaries
    shift_: np.ndarray
    drawn_: list[np.ndarray]
    trained_: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn codebook, modes, networks and shares; the coded table is what is kept in memory.

        Raises:
            MissingExtra: torch is not installed.
            TrainingError: the training diverged, memory is full, or there is no such device.
            StoreError: the checkpoint is of another training.
        """
        need_torch("ctgan")
        from lookalike.encode import Codebook
        from lookalike.nets.adversary import Watch
        from lookalike.nets.blocks import start
        from lookalike.nets.train import Course, Turn, generator, train

        s, (first, second, third, fourth) = self.settings, (int(v) for v in rng.integers(0, 1 << 62, 4))
        self.schema = data.schema
        self.codebook_ = Codebook.measure_all(data, protect=s.protect, cells=s.cells, on_step=part(on_step, 0, 0.03))
        bank = self._bank(data, np.random.default_rng(fourth), part(on_step, 0.03, 0.05))
        self.net_ = self._net(bank)
        start(self.net_, generator(first))
        watch = Watch(bank.modes[np.random.default_rng(fourth).permutation(len(bank.modes))[:20_000]], self.net_.sizes, seed=fourth)
        turns = (Turn("critic", of="critic", times=s.critic), Turn("generator", of="generator"))
        how = {"epochs": s.epochs, "batch": s.batch, "rate": s.rate, "patience": s.patience, "minutes": s.minutes, "device": s.device}
        course = Course(turns=turns, betas=(0.5, 0.9), decay=1e-6, **how)
        rows = np.arange(len(bank.modes))
        told = {"on_step": part(on_step, 0.05, 0.95), "checkpoint": s.checkpoint}
        done = train(self.net_, (rows,), course=course, seed=second, judge=lambda net: watch.judge(net, self._counts()), **told)
        done.notes.extend(watch.flaws())
        self.trained_ = done.to_json() | {"watch": watch.looks}
        self.net_.bank = None
        self._settle(third)
        on_step(Step(1, 1, "setting shares right"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows; they are the same on any number of threads."""
        from lookalike.data import Dataset
        from lookalike.encode import Coded

        seed = int(rng.integers(0, 1 << 62))
        modes, places = self._modes(n, seed)
        owners, lined = self.codebook_.owners, self.net_.lined
        codes = np.empty((len(self.axes_), n), np.uint16)
        inside = rng.random((len(self.codebook_.books), n), dtype=np.float32)
        for p, axis in enumerate(self.axes_):
            place = places[lined.index(p)] if p in lined else modes[p]
            drawn = self.drawn_[lined.index(p)] if p in lined else self.counts_
            codes[p], at = axis.uncode(modes[p], place, drawn, np.random.default_rng([seed, p]))
            if p in lined and (owners == owners[p]).sum() == 1:
                inside[owners[p]] = np.minimum(at, np.float32(1 - 2**-24))
        table = self.codebook_.decode(Coded(codes, inside), start=start)
        return Dataset.from_arrow({self.schema.table.name: table}, self.schema)

    def state(self) -> State:
        """The codebook and the course of the training as JSON; weights, counts and modes as arrays."""
        from lookalike.nets.blocks import arrays_of

        arrays = {f"net.{name}": a for name, a in arrays_of(self.net_).items() if name.startswith("generator.")}
        arrays |= {"counts": self.counts_, "shift": self.shift_}
        arrays |= {f"axis.{p}.{name}": a for p, axis in enumerate(self.axes_) for name, a in axis.arrays().items()}
        arrays |= {f"drawn.{k}": a for k, a in enumerate(self.drawn_)}
        sizes = [axis.size for axis in self.axes_]
        return State(card={"codebook": self.codebook_.to_json(), "trained": self.trained_, "sizes": sizes}, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from; the critic, which is of no more use, is not kept.

        Raises:
            MissingExtra: torch is not installed.
        """
        need_torch("ctgan")
        from lookalike.encode import Codebook
        from lookalike.nets.blocks import put_arrays
        from lookalike.nets.modes import Axis

        self.schema = schema
        self.codebook_ = Codebook.from_json(state.card["codebook"], schema.table)
        self.trained_ = state.card["trained"]
        found: list[dict[str, np.ndarray]] = [{} for _ in state.card["sizes"]]
        for name, array in state.arrays.items():
            if name.startswith("axis."):
                _, p, key = name.split(".")
                found[int(p)][key] = array
        self.axes_ = [Axis(size, **arrays) for size, arrays in zip(state.card["sizes"], found, strict=True)]
        self.counts_, self.shift_ = state.arrays["counts"], state.arrays["shift"]
        self.net_ = self._net(None)
        self.drawn_ = [state.arrays[f"drawn.{k}"] for k in range(len(self.net_.lined))]
        put_arrays(self.net_.generator, {k.removeprefix("net.generator."): a for k, a in state.arrays.items() if k.startswith("net.")})
        return self

    def _bank(self, data: Dataset, rng: np.random.Generator, on_step: OnStep) -> Bank:
        """The rows as modes and places; finds `axes_` and `counts_`."""
        from lookalike.nets.adversary import Bank
        from lookalike.nets.modes import axis
        from lookalike.nets.rows import codes_of, counts_of

        codes, inside = codes_of(data, self.codebook_, inside=True, on_step=on_step)
        parts, owners = self.codebook_.parts, self.codebook_.owners
        modes, places, self.axes_ = np.empty(codes.shape, np.uint16), [], []
        for p, about in enumerate(parts):
            found = axis(np.bincount(codes[:, p], minlength=about.size), ordered=about.ordered, line=self.settings.line)
            alone = (owners == owners[p]).sum() == 1
            mode, place = found.code(codes[:, p], inside[:, owners[p]] if alone else rng.random(len(codes)), rng)
            self.axes_.append(found.with_knots(mode, place))
            modes[:, p] = mode
            if found.light is not None:
                places.append(place)
        self.counts_ = counts_of(modes, tuple(a.size for a in self.axes_))
        held = np.stack(places, axis=1) if places else np.zeros((len(codes), 0), np.float32)
        return Bank.of(modes, held, self._conditions(), [a.size for a in self.axes_])

    def _net(self, bank: Bank | None) -> Adversaries:
        """The networks, their weights not yet filled."""
        from lookalike.nets.adversary import Adversaries, Shape

        s, lined = self.settings, [p for p, axis in enumerate(self.axes_) if axis.light is not None]
        shape = Shape(noise=s.noise, width=s.width, depth=s.depth, pac=s.pac, loss=s.loss)
        return Adversaries([a.size for a in self.axes_], lined, bank=bank, parts=self._conditions(), shape=shape)

    def _conditions(self) -> tuple[int, ...]:
        """Parts whose levels are conditions: those told as levels, that have two at least."""
        counts = self._counts()
        return tuple(p for p, a in enumerate(self.axes_) if a.light is None and (counts[p] > 0).sum() > 1)

    def _counts(self) -> list[np.ndarray]:
        """`counts_` of each part."""
        return np.split(self.counts_, np.cumsum([a.size for a in self.axes_])[:-1])

    def _firsts(self) -> np.ndarray:
        """For each part, the first part of its column."""
        return np.searchsorted(self.codebook_.owners, self.codebook_.owners)

    def _settle(self, seed: int) -> None:
        """Find what brings drawn rows to the shares and places that were learned from."""
        import torch

        from lookalike.nets.shares import NEVER, settle
        from lookalike.nets.train import whole_threads

        counts, never = self._counts(), [torch.from_numpy(np.where(c > 0, 0.0, NEVER)).float() for c in self._counts()]
        with whole_threads() as pool, torch.inference_mode():
            pieces = range(SETTLED // PIECE)
            bodies = list(pool.map(lambda k: self.net_.body(PIECE, counts, (seed, k)), pieces))
            how = {"first": self._firsts(), "seed": seed, "pool": pool}
            shifts = settle(lambda p, k: self.net_.part(bodies[k], p) + never[p], len(pieces), counts, **how)
        self.shift_ = torch.cat([s + n for s, n in zip(shifts, never, strict=True)]).numpy()
        modes, places = self._modes(SETTLED, seed + 1)
        lines = zip(self.net_.lined, places, strict=True)
        self.drawn_ = [self.axes_[p].quantiles(modes[p], place) for p, place in lines]

    def _modes(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Modes int64 [parts, n] and places float32 [lines, n] of rows drawn."""
        import torch

        from lookalike.nets.shares import drawn_after
        from lookalike.nets.train import generator, whole_threads

        net, counts, first = self.net_, self._counts(), self._firsts()
        shifts = [torch.from_numpy(s) for s in np.split(self.shift_, net.ends[1:-1])]
        modes, places = np.zeros((len(self.axes_), n), np.int64), np.zeros((len(net.lined), n), np.float32)

        def piece(low: int) -> None:
            here, draw = slice(low, low + PIECE), generator(seed, 1, low)
            with torch.inference_mode():
                body = net.body(min(PIECE, n - low), counts, (seed, 0, low))
                places[:, here] = net.places(body).T.numpy()
                for p in range(len(self.axes_)):
                    head: Tensor | None = torch.from_numpy(modes[first[p], here]) if first[p] != p else None
                    modes[p, here] = drawn_after(net.part(body, p) + shifts[p], head, draw).numpy()

        with whole_threads() as pool:
            list(pool.map(piece, range(0, n, PIECE)))
        return modes, places
