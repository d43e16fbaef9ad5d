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

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from lookalike.nets import need_torch
from lookalike.nets.settings import Learning
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.encode import Codebook
    from lookalike.models._noised import Noised
    from lookalike.schema import Schema

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


class Diffusion:
    """Diffusion over the parts of a codebook, each with a noise level of its own.

    Fitted attributes: `codebook_` (how cells become codes), `net_` (the network, on the CPU; its `plan` has levels and steps), `counts_`
    (int64 [codes], how often each code occurred, one part after the other), `shift_` (float32, added to the logits of each event of
    the plan, one after the other, when whole rows are drawn), `trained_` (how the training went: `history`, `notes`).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    schema: Schema
    codebook_: Codebook
    net_: Noised
    counts_: np.ndarray
    shift_: np.ndarray
    trained_: dict[str, Any]

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
        from lookalike.encode import Codebook
        from lookalike.models._noised import Teller, match
        from lookalike.models._plan import points, schedule
        from lookalike.nets.blocks import Layout, start
        from lookalike.nets.rows import codes_of, counts_of
        from lookalike.nets.train import generator, train, whole_threads

        s, (first, second, third) = self.settings, (int(v) for v in rng.integers(0, 1 << 62, 3))
        self.schema = data.schema
        self.codebook_ = Codebook.measure_all(data, protect=s.protect, cells=s.cells, on_step=part(on_step, 0, 0.03))
        (codes,) = codes_of(data, self.codebook_, on_step=part(on_step, 0.03, 0.05))
        layout = Layout.of(self.codebook_.parts)
        self.counts_ = counts_of(codes, layout.sizes)
        line = points(layout, self.counts_)
        self.net_ = self._net(line, schedule(layout, self.counts_, line, levels=s.levels))
        start(self.net_, generator(first))
        done = train(self.net_, (codes,), course=s.course(), seed=second, on_step=part(on_step, 0.05, 0.95), checkpoint=s.checkpoint)
        self.trained_ = done.to_json()
        rows = min(max(2 * len(codes), MATCHED_LEAST), MATCHED_MOST)
        with whole_threads() as pool:
            shifts = match(Teller(self.net_), self.counts_, first=self._firsts(), rows=rows, seed=third, pool=pool)
        self.shift_ = np.concatenate([shift.numpy() for shift in shifts])
        on_step(Step(1, 1, "setting shares right"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows; they are the same on any number of threads."""
        from lookalike.data import Dataset

        codes = np.zeros((n, len(self.codebook_.parts)), np.uint16)
        self._fill(codes, np.zeros(codes.shape, bool), rng, whole=True)
        return Dataset.from_arrow({self.schema.table.name: self._decode(codes, rng, start)}, self.schema)

    def complete(
        self, table: pa.Table, columns: Sequence[str], *, rng: np.random.Generator, start: int = 0, fill: bool = False
    ) -> pa.Table:
        """Draw the missing values of `columns`, given all the rest of each row: conditions and imputation in one.

        table: canonical, all columns of the schema. What is known is clear from the first step to the last, and the net has learned from
        such rows. What is missing in other columns is taken as a fact and stays missing. Each row may lack other ones of `columns`; a
        column to be drawn throughout is all null. What is drawn may be missing, as often as in the rows that were learned from;
        not with `fill`, as imputation wants it.

        Raises:
            UnknownName: there is no such column.
        """
        from lookalike.models._given import filled_in

        def draw(codes: np.ndarray, known: np.ndarray) -> pa.Table:
            self._fill(codes, known, rng, whole=False, fill=fill)
            return self._decode(codes, rng, start)

        return filled_in(table, columns, schema=self.schema, codebook=self.codebook_, draw=draw)

    def state(self) -> State:
        """The codebook and the course of the training as JSON; weights, counts and levels as arrays."""
        from lookalike.nets.blocks import arrays_of

        arrays = {f"net.{name}": a for name, a in arrays_of(self.net_).items()} | {"counts": self.counts_, "shift": self.shift_}
        arrays |= {"line": self.net_.plan.line, "sigma": self.net_.plan.sigma}
        return State(card={"codebook": self.codebook_.to_json(), "trained": self.trained_}, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from.

        Raises:
            MissingExtra: torch is not installed.
        """
        need_torch("diffusion")
        from lookalike.encode import Codebook
        from lookalike.nets.blocks import put_arrays

        self.schema = schema
        self.codebook_ = Codebook.from_json(state.card["codebook"], schema.table)
        self.trained_ = state.card["trained"]
        self.counts_, self.shift_ = state.arrays["counts"], state.arrays["shift"]
        self.net_ = self._net(state.arrays["line"], state.arrays["sigma"])
        put_arrays(self.net_, {k.removeprefix("net."): a for k, a in state.arrays.items() if k.startswith("net.")})
        return self

    def _net(self, line: np.ndarray, sigma: np.ndarray) -> Noised:
        """The network, its weights not yet filled."""
        from lookalike.models._noised import Noised
        from lookalike.models._plan import Plan
        from lookalike.nets.blocks import Layout

        s = self.settings
        plan = Plan.of(line, sigma, self._firsts(), steps=s.steps)
        sizes = {"width": s.width, "depth": s.depth, "vector": s.vector, "drop": s.drop}
        return Noised(Layout.of(self.codebook_.parts), self.counts_, plan, given=s.given, **sizes)

    def _firsts(self) -> np.ndarray:
        """For each part, the first part of its column."""
        return np.searchsorted(self.codebook_.owners, self.codebook_.owners)

    def _fill(self, codes: np.ndarray, known: np.ndarray, rng: np.random.Generator, *, whole: bool, fill: bool = False) -> None:
        """Draw `codes` [n, parts] where not `known`, in place.

        whole: rows of which nothing is known keep the columns' shares. fill: nothing that is drawn is missing.
        """
        import torch

        from lookalike.models._noised import PIECE, Teller, draw_rows
        from lookalike.nets.train import generator, whole_threads

        seed, teller = int(rng.integers(0, 1 << 62)), Teller(self.net_)
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

        with whole_threads() as pool:
            list(pool.map(piece, range(0, len(codes), PIECE)))

    def _decode(self, codes: np.ndarray, rng: np.random.Generator, start: int) -> pa.Table:
        """The canonical table of codes [n, parts], positions inside cells drawn anew."""
        from lookalike.encode import Coded

        inside = rng.random((len(self.codebook_.books), len(codes)), dtype=np.float32)
        return self.codebook_.decode(Coded(np.ascontiguousarray(codes.T), inside), start=start)
