"""Diffusion in which every column has a noise of its own: rows grow out of noise, numbers from rough to fine, categories at once.

A number's cells lie on a line of normal scores, where Gaussian noise is added; a category, a spike among the cells or a missing value is a
code like any other, and hidden (absorbed) at the end. The net tells which code is under the noise, and a step of the sampler draws one and
keeps the noise that the next level leaves: exact for each column, however few steps there are. A column that is known is clear from
the start, so conditions need no guidance. With levels=1, the default, nothing is noised, only hidden, and one column is told at each
step: masked diffusion, which is an autoregressive model of any order. It was the best of what was tried (docs/decisions.md).
(Sohl-Dickstein et al. 2015; Austin et al. 2021, absorbing diffusion; Dieleman et al. 2022, noise told by classification; Chen et al. 2024,
a noise for each part; Shi et al. 2025, TabDiff, a schedule for each column.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from lookalike.models._learned import WholeRows, each, numbers
from lookalike.nets import need_torch
from lookalike.nets.settings import Learning
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.models._noised import Noised

__all__ = ["Diffusion"]

MATCHED_LEAST, MATCHED_MOST = 10_000, 40_000
"""Rows drawn to set the shares right: twice as many as were learned from, within these; fewer would tell of their own chance."""


class Settings(Learning):
    """What can be set."""

    width: int = Field(256, ge=8, le=4_096, description="units of each layer; more can learn more, and are slower")
    depth: int = Field(2, ge=0, le=16, description="residual layers")
    vector: int = Field(32, ge=2, le=256, description="length of the vector that stands for a code")
    drop: float = Field(0.0, ge=0, le=0.9, description="share of the units silenced while learning, against learning by heart")
    levels: int = Field(
        1, ge=1, le=32, description="times that a number is told more of, from noise to its cell; 1: at once, as categories are"
    )
    steps: int | None = Field(None, ge=1, le=10_000, description="steps from noise to a row at most; not given: one column moves at each")
    given: float = Field(
        0.25, ge=0, le=1, description="share of learning spent on rows of which some columns are known, as conditions want it"
    )


class Diffusion(WholeRows):
    """Diffusion over the parts of a codebook, each with a noise level of its own.

    Fitted attributes: `codebook_` (how cells become codes), `net_` (the network, on the CPU; its `plan` has levels and steps), `counts_`
    (int64 [codes], how often each code occurred, one part after the other), `shift_` (float32, added to the logits of each event of
    the plan, one after the other, when whole rows are drawn), `trained_` (how the training went: `history`, `notes`).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    net_: Noised

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn codebook, levels, network and shares; codes are read in batches and are all that is kept in memory.

        Raises:
            MissingExtra: torch is not installed.
            TrainingError: the training diverged, memory is full, or there is no such device.
            StoreError: the checkpoint is of another training.
        """
        need_torch("diffusion")
        from lookalike.models._noised import Teller, match
        from lookalike.models._plan import points, schedule
        from lookalike.nets.blocks import Layout
        from lookalike.nets.train import whole_threads

        first, second, third = numbers(rng, 3)
        codes = self._coded(data, on_step)
        layout = Layout.of(self.codebook_.parts)
        line = points(layout, self.counts_)
        self.net_ = self._net(line, schedule(layout, self.counts_, line, levels=self.settings.levels))
        self._train(codes, (first, second), part(on_step, 0.05, 0.95))
        rows = min(max(2 * len(codes), MATCHED_LEAST), MATCHED_MOST)
        with whole_threads() as pool:
            shifts = match(Teller(self.net_), self.counts_, first=self._firsts(), rows=rows, seed=third, pool=pool)
        self.shift_ = np.concatenate([shift.numpy() for shift in shifts])
        on_step(Step(1, 1, "setting shares right"))
        return self

    def state(self) -> State:
        """The codebook and the course of the training as JSON; weights, counts and levels as arrays."""
        made = super().state()
        return State(card=made.card, arrays=made.arrays | {"line": self.net_.plan.line, "sigma": self.net_.plan.sigma})

    def _remade(self, state: State) -> Noised:
        """The network of `state`, its weights not yet filled."""
        return self._net(state.arrays["line"], state.arrays["sigma"])

    def _net(self, line: np.ndarray, sigma: np.ndarray) -> Noised:
        """The network, its weights not yet filled."""
        from lookalike.models._noised import Noised
        from lookalike.models._plan import Plan
        from lookalike.nets.blocks import Layout

        s = self.settings
        plan = Plan.of(line, sigma, self._firsts(), steps=s.steps)
        sizes = {"width": s.width, "depth": s.depth, "vector": s.vector, "drop": s.drop}
        return Noised(Layout.of(self.codebook_.parts), self.counts_, plan, given=s.given, **sizes)

    def _fill(self, codes: np.ndarray, known: np.ndarray, rng: np.random.Generator, *, whole: bool, fill: bool = False) -> None:
        """Draw `codes` [n, parts] where not `known`, in place.

        whole: rows of which nothing is known keep the columns' shares. fill: nothing that is drawn is missing.
        """
        import torch

        from lookalike.models._noised import PIECE, Teller, draw_rows
        from lookalike.nets.train import generator

        (seed,), teller = numbers(rng, 1), Teller(self.net_)
        sizes = [teller.layout.sizes[p] for p, _ in teller.plan.events]
        shift = torch.from_numpy(self.shift_).split(sizes) if whole else None

        def piece(low: int) -> None:
            here = slice(low, low + PIECE)
            mine = torch.from_numpy(codes[here].astype(np.int64))
            rows = draw_rows(
                teller,
                mine,
                torch.from_numpy(known[here].copy()),
                first=self._firsts(),
                draw=generator(seed, low),
                shift=shift,
                fill=fill,
            )
            codes[here] = rows.numpy()

        each(piece, range(0, len(codes), PIECE))
