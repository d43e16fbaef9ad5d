"""A masked network tells any columns from any others, and draws them one after the other: an any-order autoregressive model.

While it learns, some columns of each row are hidden and all hidden ones are predicted at once; so any columns can be the condition.
Numbers are cells and a position inside. Columns keep their shares exactly: what each step tells is set right as in use.
(Uria et al. 2014, order-agnostic NADE; Tiwald et al. 2025, TabularARGN; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lookalike.nets import need_torch
from lookalike.nets.settings import Learning, waits
from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.encode import Codebook
    from lookalike.models._masked import Masked
    from lookalike.schema import Schema

__all__ = ["Autoregressive"]

MATCHED_LEAST, MATCHED_MOST = 4_000, 40_000
"""Rows drawn to set the shares right: four times as many as were learned from, within these."""


class Settings(Learning):
    """What can be set."""

    width: int = Field(256, ge=8, le=4_096, description="units of each layer; more can learn more, and are slower")
    depth: int = Field(2, ge=0, le=16, description="residual layers")
    vector: int = Field(32, ge=2, le=256, description="length of the vector that stands for a code")
    drop: float = Field(0.0, ge=0, le=0.9, description="share of the units silenced while learning, against learning by heart")
    chain: float = Field(
        0.7, ge=0, le=1, description="share of learning spent on the order in which columns are drawn; the rest goes to any order"
    )
    order: Literal["table", "small"] = Field("table", description="order of drawing: as in the table, or columns with few levels first")
    patience: int = waits(5)


class Autoregressive:
    """An any-order autoregressive network over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `net_` (the network, on the CPU), `counts_` (int64 [codes], how often each code
    occurred, one part after the other), `shift_` (float32 [codes], added to logits when whole rows are drawn), `trained_` (how the
    training went: `history`, `notes`).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    schema: Schema
    codebook_: Codebook
    net_: Masked
    counts_: np.ndarray
    shift_: np.ndarray
    trained_: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn codebook, network and shares; codes are read in batches and are all that is kept in memory.

        Raises:
            MissingExtra: torch is not installed.
            TrainingError: the training diverged, memory is full, or there is no such device.
            StoreError: the checkpoint is of another training.
        """
        need_torch("autoregressive")
        from lookalike.encode import Codebook
        from lookalike.models._masked import Teller, match
        from lookalike.nets.blocks import start
        from lookalike.nets.rows import codes_of, counts_of
        from lookalike.nets.train import generator, train, whole_threads

        s, (first, second, third) = self.settings, (int(v) for v in rng.integers(0, 1 << 62, 3))
        self.schema = data.schema
        self.codebook_ = Codebook.measure_all(data, protect=s.protect, cells=s.cells, on_step=part(on_step, 0, 0.03))
        (codes,) = codes_of(data, self.codebook_, on_step=part(on_step, 0.03, 0.05))
        self.counts_ = counts_of(codes, tuple(p.size for p in self.codebook_.parts))
        self.net_ = self._net()
        start(self.net_, generator(first))
        done = train(self.net_, (codes,), course=s.course(), seed=second, on_step=part(on_step, 0.05, 0.95), checkpoint=s.checkpoint)
        self.trained_ = done.to_json()
        with whole_threads() as pool:
            rows = min(max(4 * len(codes), MATCHED_LEAST), MATCHED_MOST)
            how = {"order": self._order(), "first": self._firsts(), "rows": rows, "seed": third, "pool": pool}
            self.shift_ = match(Teller(self.net_), self.counts_, **how).numpy()
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

        table: canonical, all columns of the schema. What is missing in other columns is taken as a fact and stays missing.
        Each row may lack other ones of `columns`; a column to be drawn throughout is all null. What is drawn may be missing, as often
        as in the rows that were learned from; not with `fill`, as imputation wants it.

        Raises:
            UnknownName: there is no such column.
        """
        from lookalike.models._given import filled_in

        def draw(codes: np.ndarray, known: np.ndarray) -> pa.Table:
            self._fill(codes, known, rng, whole=False, fill=fill)
            return self._decode(codes, rng, start)

        return filled_in(table, columns, schema=self.schema, codebook=self.codebook_, draw=draw)

    def log_prob(self, data: Dataset) -> np.ndarray:
        """float64 [n]: log of the probability that a row drawn has the cells of each row of `data`; −1e9 or less if it cannot be drawn."""
        import torch

        from lookalike.models._masked import PIECE, Teller, chances

        codes, shift = self.codebook_.encode(data.table()).codes.T, torch.from_numpy(self.shift_)
        found, teller = np.empty(len(codes)), Teller(self.net_)

        def piece(low: int) -> None:
            rows = torch.from_numpy(codes[low : low + PIECE].astype(np.int64))
            found[low : low + PIECE] = chances(teller, rows, order=self._order(), first=self._firsts(), shift=shift).numpy()

        _each(piece, range(0, len(codes), PIECE))
        return found

    def state(self) -> State:
        """The codebook and the course of the training as JSON, weights and counts as arrays."""
        from lookalike.nets.blocks import arrays_of

        arrays = {f"net.{name}": a for name, a in arrays_of(self.net_).items()} | {"counts": self.counts_, "shift": self.shift_}
        return State(card={"codebook": self.codebook_.to_json(), "trained": self.trained_}, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from.

        Raises:
            MissingExtra: torch is not installed.
        """
        need_torch("autoregressive")
        from lookalike.encode import Codebook
        from lookalike.nets.blocks import put_arrays

        self.schema = schema
        self.codebook_ = Codebook.from_json(state.card["codebook"], schema.table)
        self.trained_ = state.card["trained"]
        self.counts_, self.shift_ = state.arrays["counts"], state.arrays["shift"]
        self.net_ = self._net()
        put_arrays(self.net_, {k.removeprefix("net."): a for k, a in state.arrays.items() if k.startswith("net.")})
        return self

    def _net(self) -> Masked:
        """The network, its weights not yet filled."""
        from lookalike.models._masked import Masked
        from lookalike.nets.blocks import Layout

        s = self.settings
        sizes = {"width": s.width, "depth": s.depth, "vector": s.vector, "drop": s.drop, "chain": s.chain}
        return Masked(Layout.of(self.codebook_.parts), self.counts_, order=self._order(), **sizes)

    def _order(self) -> tuple[int, ...]:
        """Parts in the order in which they are drawn; those of a column together."""
        parts, owners = self.codebook_.parts, self.codebook_.owners
        if self.settings.order == "table":
            return tuple(range(len(parts)))
        largest = np.zeros(len(self.codebook_.books), int)
        np.maximum.at(largest, owners, [p.size for p in parts])
        return tuple(int(p) for p in np.lexsort((np.arange(len(parts)), owners, largest[owners])))

    def _firsts(self) -> np.ndarray:
        """For each part, the first part of its column."""
        return np.searchsorted(self.codebook_.owners, self.codebook_.owners)

    def _fill(self, codes: np.ndarray, known: np.ndarray, rng: np.random.Generator, *, whole: bool, fill: bool = False) -> None:
        """Draw `codes` [n, parts] where not `known`, in place.

        whole: rows of which nothing is known keep the columns' shares. fill: nothing that is drawn is missing.
        """
        import torch

        from lookalike.models._masked import PIECE, Teller, draw_rows
        from lookalike.nets.train import generator

        seed, shift = int(rng.integers(0, 1 << 62)), torch.from_numpy(self.shift_) if whole else None
        how = {"order": self._order(), "first": self._firsts(), "shift": shift, "fill": fill}
        teller = Teller(self.net_)

        def piece(low: int) -> None:
            here = slice(low, low + PIECE)
            mine = torch.from_numpy(codes[here].astype(np.int64))
            draw_rows(teller, mine, torch.from_numpy(known[here].copy()), draw=generator(seed, low), **how)
            codes[here] = mine.numpy()

        _each(piece, range(0, len(codes), PIECE))

    def _decode(self, codes: np.ndarray, rng: np.random.Generator, start: int) -> pa.Table:
        """The canonical table of codes [n, parts], positions inside cells drawn anew."""
        from lookalike.encode import Coded

        inside = rng.random((len(self.codebook_.books), len(codes)), dtype=np.float32)
        return self.codebook_.decode(Coded(np.ascontiguousarray(codes.T), inside), start=start)


def _each(work: Callable[[int], None], items: Sequence[int]) -> None:
    """Do `work` for all items, several at a time."""
    from lookalike.nets.train import whole_threads

    with whole_threads() as pool:
        list(pool.map(work, items))
