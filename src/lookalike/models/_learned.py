"""What models that are networks have in common: how they begin to learn, are stored and taken up again, and complete rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.nets import need_torch
from lookalike.protocol import OnStep, State, part

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.encode import Codebook
    from lookalike.models._modes import Modes
    from lookalike.nets.settings import Learning
    from lookalike.schema import Schema

__all__ = ["Completes", "OverCodes", "OverModes", "each", "numbers"]

OVERFLOW = 1 << 62


def numbers(rng: np.random.Generator, many: int) -> tuple[int, ...]:
    """Seeds for what is drawn apart."""
    return tuple(int(v) for v in rng.integers(0, OVERFLOW, many))


def each(work: Callable[[int], None], items: Sequence[int]) -> None:
    """Do `work` for all items, several at a time."""
    from lookalike.nets.train import whole_threads

    with whole_threads() as pool:
        list(pool.map(work, items))


def measured(data: Dataset, settings: Learning, on_step: OnStep) -> Codebook:
    """The codebook of what is learned from."""
    from lookalike.encode import Codebook

    return Codebook.measure_all(data, protect=settings.protect, cells=settings.cells, on_step=part(on_step, 0, 0.03))


class Completes:
    """A model that draws what is missing of rows."""

    schema: Schema
    codebook_: Codebook

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
            return self._completed(codes, known, rng=rng, start=start, fill=fill)

        return filled_in(table, columns, schema=self.schema, codebook=self.codebook_, draw=draw)

    def _completed(self, codes: np.ndarray, known: np.ndarray, *, rng: np.random.Generator, start: int, fill: bool) -> pa.Table:
        """The canonical table of rows drawn given `codes` [n, parts] where they are `known`; fill: nothing that is drawn is missing."""
        raise NotImplementedError


class OverCodes:
    """A network with a softmax for each part of the codebook.

    `codebook_`: how cells become codes; `net_`: the network, on the CPU; `trained_`: how the training went; `counts_` int64 [codes]: how
    often each code occurred, one part after the other; `shift_` float32: added to logits so that drawn columns keep their shares.
    """

    settings: Learning
    schema: Schema
    codebook_: Codebook
    net_: Any
    trained_: dict[str, Any]
    counts_: np.ndarray
    shift_: np.ndarray

    def _coded(self, data: Dataset, on_step: OnStep) -> np.ndarray:
        """The rows as codes uint16 [n, parts]; the codebook is learned and codes are counted on the way."""
        from lookalike.nets.rows import codes_of, counts_of

        self.schema, self.codebook_ = data.schema, measured(data, self.settings, on_step)
        (codes,) = codes_of(data, self.codebook_, on_step=part(on_step, 0.03, 0.05))
        self.counts_ = counts_of(codes, tuple(p.size for p in self.codebook_.parts))
        return codes

    def _train(self, codes: np.ndarray, seeds: tuple[int, int], on_step: OnStep) -> None:
        """Fill the weights of `net_` and train them; seeds: of the weights, and of the training."""
        from lookalike.nets.blocks import start
        from lookalike.nets.train import generator, train

        start(self.net_, generator(seeds[0]))
        how = {"course": self.settings.course(), "seed": seeds[1], "checkpoint": self.settings.checkpoint}
        self.trained_ = train(self.net_, (codes,), on_step=on_step, **how).to_json()

    def state(self) -> State:
        """The codebook and the course of the training as JSON; weights and counts as arrays."""
        from lookalike.nets.blocks import arrays_of

        arrays = {f"net.{name}": a for name, a in arrays_of(self.net_).items()} | {"counts": self.counts_, "shift": self.shift_}
        return State(card={"codebook": self.codebook_.to_json(), "trained": self.trained_}, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from.

        Raises:
            MissingExtra: torch is not installed.
        """
        need_torch(type(self).__module__.rpartition(".")[2])
        from lookalike.encode import Codebook
        from lookalike.nets.blocks import put_arrays

        self.schema = schema
        self.codebook_ = Codebook.from_json(state.card["codebook"], schema.table)
        self.trained_ = state.card["trained"]
        self.counts_, self.shift_ = state.arrays["counts"], state.arrays["shift"]
        self.net_ = self._remade(state)
        put_arrays(self.net_, {k.removeprefix("net."): a for k, a in state.arrays.items() if k.startswith("net.")})
        return self

    def _remade(self, state: State) -> Any:
        """The network of `state`, its weights not yet filled."""
        raise NotImplementedError

    def _firsts(self) -> np.ndarray:
        """For each part, the first part of its column."""
        return np.searchsorted(self.codebook_.owners, self.codebook_.owners)

    def _decode(self, codes: np.ndarray, rng: np.random.Generator, start: int, *, inside: np.ndarray | None = None) -> pa.Table:
        """The canonical table of codes [n, parts] at positions `inside` float32 [columns, n] of their cells, drawn anew if not given."""
        from lookalike.encode import Coded

        inside = rng.random((len(self.codebook_.books), len(codes)), dtype=np.float32) if inside is None else inside
        return self.codebook_.decode(Coded(np.ascontiguousarray(codes.T), inside), start=start)


class OverModes:
    """A generator and a critic: `modes_` (how codes become modes and places, how often each occurred, and what brings drawn rows to that);
    `trained_` also has `watch`, coverage of levels and clusters at each look."""

    settings: Any
    schema: Schema
    codebook_: Codebook
    modes_: Modes
    net_: Any
    trained_: dict[str, Any]

    def _moded(self, data: Dataset, seed: int, on_step: OnStep) -> tuple[Modes, np.ndarray, np.ndarray]:
        """Modes, and the rows as modes and places; the codebook is learned on the way."""
        from lookalike.models._modes import Modes

        self.schema, self.codebook_ = data.schema, measured(data, self.settings, on_step)
        how = {"line": self.settings.line, "rng": np.random.default_rng(seed), "on_step": part(on_step, 0.03, 0.05)}
        return Modes.learn(data, self.codebook_, **how)

    def _contest(self, shown: tuple[np.ndarray, ...], rows: np.ndarray, seeds: tuple[int, int, int], on_step: OnStep) -> None:
        """Fill the weights of `net_` and train them on what is `shown` of `rows`; seeds: of the weights, and two of the training."""
        from lookalike.nets.adversary import contest
        from lookalike.nets.blocks import start
        from lookalike.nets.train import generator

        start(self.net_, generator(seeds[0]))
        told = {"settings": self.settings, "critic": self.settings.critic, "seeds": seeds[1:], "on_step": part(on_step, 0.05, 0.95)}
        self.trained_ = contest(self.net_, shown, rows, **told)

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows; they are the same on any number of threads."""
        from lookalike.data import Dataset

        (seed,) = numbers(rng, 1)
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
        need_torch(type(self).__module__.rpartition(".")[2])
        from lookalike.models._modes import Modes, put_generator

        self.schema, self.trained_ = schema, state.card["trained"]
        self.modes_ = Modes.of(schema.table, state)
        self.codebook_ = self.modes_.codebook
        self.net_ = self._net(self.modes_)
        put_generator(self.net_, state)
        return self

    def _net(self, modes: Modes) -> Any:
        """The networks, their weights not yet filled."""
        raise NotImplementedError
