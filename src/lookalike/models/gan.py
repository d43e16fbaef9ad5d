"""A generator fills in rows and a critic tells them from real ones: a GAN in which any columns can be the condition.

Some rows in training come with some columns known. The generator tells the rest, and the critic sees the row filled in and what was
known. Numbers are modes and places in them. The generator that comes nearest to the real rows is kept, and columns keep their shares.
(Goodfellow et al. 2014; Gulrajani et al. 2017, WGAN-GP; Miyato et al. 2018, spectral norm; Mirza and Osindero 2014, conditions;
docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from lookalike.models._learned import Completes, OverModes, numbers
from lookalike.nets import need_torch
from lookalike.nets.settings import Contest
from lookalike.protocol import Can, OnStep, Step, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa
    from torch import Tensor

    from lookalike.data import Dataset
    from lookalike.models._filling import Filling
    from lookalike.models._modes import Modes

__all__ = ["Gan"]


class Settings(Contest):
    """What can be set."""

    given: float = Field(
        0.5, ge=0, le=1, description="share of learning spent on rows of which some columns are known, as conditions want it"
    )


class Gan(Completes, OverModes):
    """A generative adversarial network over the parts of a codebook, conditional on any of its columns.

    Fitted attributes: `codebook_` (how cells become codes), `modes_` (how codes become modes and places, how often each occurred, and what
    brings drawn rows to that), `net_` (generator and critic, on the CPU), `trained_` (`history`, `notes`, and `watch`: coverage of levels
    and clusters at each look).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    net_: Filling

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn codebook, modes, networks and shares; the coded table is what is kept in memory.

        Raises:
            MissingExtra: torch is not installed.
            TrainingError: the training diverged, memory is full, or there is no such device.
            StoreError: the checkpoint is of another training.
        """
        need_torch("gan")
        first, second, third, fourth = numbers(rng, 4)
        modes, rows, places = self._moded(data, fourth, on_step)
        self.net_ = self._net(modes)
        self._contest((rows, places), rows, (first, second, fourth), on_step)
        self.modes_ = modes.settled(self.net_, third)
        on_step(Step(1, 1, "setting shares right"))
        return self

    def _completed(self, codes: np.ndarray, known: np.ndarray, *, rng: np.random.Generator, start: int, fill: bool) -> pa.Table:
        """See `Completes`."""
        (seed,) = numbers(rng, 1)
        modes, places = self._filled(codes, known, rng, seed=seed, fill=fill)
        return self.modes_.table(modes, places, seed=seed, rng=rng, start=start)

    def _net(self, modes: Modes) -> Filling:
        """The networks, their weights not yet filled."""
        from lookalike.models._filling import Filling
        from lookalike.nets.adversary import Shape

        s = self.settings
        shape = Shape(noise=s.noise, width=s.width, depth=s.depth, pac=1, loss=s.loss)
        return Filling(modes.blocks, self.codebook_.owners, given=s.given, shape=shape)

    def _filled(
        self, codes: np.ndarray, known: np.ndarray, rng: np.random.Generator, *, seed: int, fill: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Modes [parts, n] and places [lines, n] of rows drawn given `codes` [n, parts] where they are `known`, column by column.

        A column with a mode that was never met while learning tells nothing, and counts as not known.
        """
        import torch

        modes, places = self.modes_.code(codes, rng)
        met = np.stack([counts[mode] > 0 for counts, mode in zip(self.modes_.counts, modes.T, strict=True)], axis=1)
        starts = np.unique(self.modes_.firsts)
        told = np.logical_and.reduceat(known & met, starts, axis=1)

        def given(net: Filling, low: int, rows: int) -> Tensor:
            here = slice(low, low + rows)
            seen = net.seen(*(torch.from_numpy(a[here]) for a in (modes, places, told)))
            return net.body(rows, (seed, 0, low), seen=seen.to(net.generator.into.weight.dtype))

        return self.modes_.draw(self.net_, len(codes), seed=seed, given=given, fill=fill)
