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

from lookalike.models._learned import each, numbers
from lookalike.models._whole_rows import PUBLIC_ONLY, WholeRows
from lookalike.nets.settings import PrivateLearning
from lookalike.protocol import Can, State
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from lookalike.models._noised import Noised

__all__ = ["Diffusion"]

MATCHED_LEAST, MATCHED_MOST = 10_000, 40_000
"""Rows drawn to set the shares right: twice as many as were learned from, within these; fewer would tell of their own chance."""


class Settings(PrivateLearning):
    """What can be set."""

    depth: int = Field(2, ge=0, le=16, description="residual layers")
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
    the plan, one after the other, when whole rows are drawn), `trained_` (how the training went: `history`, `notes`), `privacy_` and
    `groups_` of a private fit.
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), private=True)
    public_only: ClassVar[tuple[str, ...]] = (*PUBLIC_ONLY, "levels")

    net_: Noised

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def state(self) -> State:
        """The codebook and the course of the training as JSON; weights, counts and levels as arrays."""
        made = super().state()
        return State(card=made.card, arrays=made.arrays | {"line": self.net_.plan.line, "sigma": self.net_.plan.sigma})

    def _net(self, state: State | None = None) -> Noised:
        """The network, its weights not yet filled; points on the line and noise of levels are those of `state`, if there is one."""
        from lookalike.models._noised import Noised
        from lookalike.models._plan import Plan, points, schedule

        s, layout, counts = self.settings, self._layout(), self._told()
        if state is None:
            line = points(layout, counts)
            sigma = schedule(layout, counts, line, levels=s.levels)
        else:
            line, sigma = state.arrays["line"], state.arrays["sigma"]
        plan = Plan.of(line, sigma, self._firsts(), steps=s.steps)
        net = Noised(layout, counts, plan, given=s.given, depth=s.depth, drop=s.drop, **self._size())
        net.trust.requires_grad_(self.groups_ is None)  # of codes that are clear or hidden it has little to tell, and no rule of clipping
        return net

    def _set_right(self, rows: int, seed: int) -> None:
        """Find what brings the columns' shares to `counts_`, by rows that are drawn."""
        from lookalike.models._noised import Teller, match
        from lookalike.nets.train import whole_threads

        rows = min(max(2 * rows, MATCHED_LEAST), MATCHED_MOST)
        with whole_threads() as pool:
            shifts = match(Teller(self.net_), self._told(), first=self._firsts(), rows=rows, seed=seed, pool=pool)
        self.shift_ = np.concatenate([shift.numpy() for shift in shifts])

    def _draw(self, codes: np.ndarray, known: np.ndarray, rng: np.random.Generator, *, whole: bool, fill: bool) -> None:
        """See `WholeRows`."""
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
