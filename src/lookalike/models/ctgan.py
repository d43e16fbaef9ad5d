"""A generator learns to deceive a critic, with conditions: CTGAN over the codes of a table.

Numbers are modes and places in them, levels that are rare are learned from as often as their logarithm says, and the critic judges
several rows at once. A reader finds the noise that a row could be made of, so that the generator also learns to rebuild rows, and it is
taught their second moments. The generator that comes nearest to the real rows is kept, and columns keep their shares exactly.
(Xu et al. 2019, CTGAN; Lin et al. 2018, PacGAN; Larsen et al. 2016, VAE-GAN; Li et al. 2017, MMD-GAN;
docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from lookalike.models._learned import OverModes, numbers
from lookalike.nets import need_torch
from lookalike.nets.settings import Contest, passes
from lookalike.protocol import Can, OnStep, Step, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.models._modes import Modes
    from lookalike.nets.adversary import Adversaries, Bank

__all__ = ["Ctgan"]


class Settings(Contest):
    """What can be set."""

    pac: int = Field(2, ge=1, le=64, description="rows that the critic judges at once: many show it when rows are all alike")
    epochs: int = passes(40)
    rebuild: float = Field(1.0, ge=0, le=100, description="weight of rebuilding rows from what a reader finds in them; 0: critic alone")
    moments: float = Field(10.0, ge=0, le=1_000, description="weight of having the rows' second moments; 0: critic alone")


class Ctgan(OverModes):
    """A conditional generative adversarial network over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `modes_` (how codes become modes and places, how often each occurred, and what
    brings drawn rows to that), `net_` (generator and critic, on the CPU), `trained_` (`history`, `notes`, and `watch`: coverage of levels
    and clusters at each look).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    net_: Adversaries

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
        from lookalike.nets.adversary import Bank

        first, second, third, fourth = numbers(rng, 4)
        modes, rows, places = self._moded(data, fourth, on_step)
        self.net_ = self._net(modes, Bank.of(rows, places, _conditions(modes), modes.blocks.sizes))
        self._contest((np.arange(len(rows)),), rows, (first, second, fourth), on_step)
        self.net_.bank = None
        self.modes_ = modes.settled(self.net_, third)
        on_step(Step(1, 1, "setting shares right"))
        return self

    def _net(self, modes: Modes, bank: Bank | None = None) -> Adversaries:
        """The networks, their weights not yet filled."""
        from lookalike.nets.adversary import Adversaries, Lessons, Shape

        s = self.settings
        shape = Shape(noise=s.noise, width=s.width, depth=s.depth, pac=s.pac, loss=s.loss)
        lessons = Lessons(moments=s.moments, rows=s.rebuild)
        return Adversaries(modes.blocks, modes.counts, bank=bank, parts=_conditions(modes), shape=shape, lessons=lessons)


def _conditions(modes: Modes) -> tuple[int, ...]:
    """Parts whose levels are conditions: those told as levels, that have two at least."""
    return tuple(p for p, counts in enumerate(modes.counts) if p not in modes.lined and (counts > 0).sum() > 1)
