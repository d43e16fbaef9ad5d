"""A generator learns to deceive a critic, with conditions: CTGAN over the codes of a table.

Numbers are modes and places in them, levels that are rare are learned from as often as their logarithm says, and the critic judges
several rows at once. A reader finds the noise that a row could be made of, so that the generator also learns to rebuild rows, and it is
taught their second moments. The generator that comes nearest to the real rows is kept, and columns keep their shares exactly.
(Xu et al. 2019, CTGAN; Lin et al. 2018, PacGAN; Larsen et al. 2016, VAE-GAN; Li et al. 2017, MMD-GAN;
docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lookalike.nets import need_torch
from lookalike.nets.settings import Learning, budget, passes, waits
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.encode import Codebook
    from lookalike.models._modes import Modes
    from lookalike.nets.adversary import Adversaries, Bank
    from lookalike.schema import Schema

__all__ = ["Ctgan"]


class Settings(Learning):
    """What can be set."""

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
    epochs: int = passes(40)
    rebuild: float = Field(1.0, ge=0, le=100, description="weight of rebuilding rows from what a reader finds in them; 0: critic alone")
    moments: float = Field(10.0, ge=0, le=1_000, description="weight of having the rows' second moments; 0: critic alone")
    patience: int = waits(15, "looks at the generator", epochs=20, batch=128)
    minutes: float | None = budget(25)


class Ctgan:
    """A conditional generative adversarial network over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `modes_` (how codes become modes and places, how often each occurred, and what
    brings drawn rows to that), `net_` (generator and critic, on the CPU), `trained_` (`history`, `notes`, and `watch`: coverage of levels
    and clusters at each look).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    schema: Schema
    codebook_: Codebook
    modes_: Modes
    net_: Adversaries
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
        from lookalike.models._modes import Modes
        from lookalike.nets.adversary import Bank, contest
        from lookalike.nets.blocks import start
        from lookalike.nets.train import generator

        s, (first, second, third, fourth) = self.settings, (int(v) for v in rng.integers(0, 1 << 62, 4))
        self.schema = data.schema
        self.codebook_ = Codebook.measure_all(data, protect=s.protect, cells=s.cells, on_step=part(on_step, 0, 0.03))
        how = {"line": s.line, "rng": np.random.default_rng(fourth), "on_step": part(on_step, 0.03, 0.05)}
        modes, rows, places = Modes.learn(data, self.codebook_, **how)
        bank = Bank.of(rows, places, _conditions(modes), modes.blocks.sizes)
        self.net_ = self._net(modes, bank)
        start(self.net_, generator(first))
        told = {"settings": s, "critic": s.critic, "seeds": (second, fourth), "on_step": part(on_step, 0.05, 0.95)}
        self.trained_ = contest(self.net_, (np.arange(len(rows)),), rows, **told)
        self.net_.bank = None
        self.modes_ = modes.settled(self.net_, third)
        on_step(Step(1, 1, "setting shares right"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows; they are the same on any number of threads."""
        from lookalike.data import Dataset

        seed = int(rng.integers(0, 1 << 62))
        table = self.modes_.table(*self.modes_.draw(self.net_, n, seed=seed), seed=seed, rng=rng, start=start)
        return Dataset.from_arrow({self.schema.table.name: table}, self.schema)

    def state(self) -> State:
        """The codebook and the course of the training as JSON; weights, counts and modes as arrays."""
        return self.modes_.state(self.net_, self.trained_)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from; the critic, which is of no more use, is not kept.

        Raises:
            MissingExtra: torch is not installed.
        """
        need_torch("ctgan")
        from lookalike.models._modes import Modes, put_generator

        self.schema, self.trained_ = schema, state.card["trained"]
        self.modes_ = Modes.of(schema.table, state)
        self.codebook_ = self.modes_.codebook
        self.net_ = self._net(self.modes_, None)
        put_generator(self.net_, state)
        return self

    def _net(self, modes: Modes, bank: Bank | None) -> Adversaries:
        """The networks, their weights not yet filled."""
        from lookalike.nets.adversary import Adversaries, Lessons, Shape

        s = self.settings
        shape = Shape(noise=s.noise, width=s.width, depth=s.depth, pac=s.pac, loss=s.loss)
        lessons = Lessons(moments=s.moments, rows=s.rebuild)
        return Adversaries(modes.blocks, modes.counts, bank=bank, parts=_conditions(modes), shape=shape, lessons=lessons)


def _conditions(modes: Modes) -> tuple[int, ...]:
    """Parts whose levels are conditions: those told as levels, that have two at least."""
    return tuple(p for p, counts in enumerate(modes.counts) if p not in modes.lined and (counts > 0).sum() > 1)
