"""A table as modes and places, for networks that make rows of them; and back, with the shares and places that were seen.

What adversarial models have in common around their networks: coding, drawing, setting right, and what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.encode import Codebook, Coded
from lookalike.nets.adversary import Blocks
from lookalike.nets.blocks import arrays_of, put_arrays
from lookalike.nets.lots import Lots
from lookalike.nets.modes import Axis, axis
from lookalike.nets.rows import codes_of, counts_of
from lookalike.nets.shares import NEVER, settle
from lookalike.nets.train import generator, precision, whole_threads
from lookalike.protocol import OnStep, State

if TYPE_CHECKING:
    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.nets.adversary import Maker
    from lookalike.schema import Table

__all__ = ["Modes", "put_generator"]

PIECE = 2_048
"""Rows drawn by one thread at a time."""
Given = Callable[["Maker", int, int], Tensor]
"""(net, first row, rows) → what rows are told from of which something is known."""
SETTLED = 20_480
"""Rows by which shares and places are set right."""


@dataclass(frozen=True)
class Modes:
    """How the codes of each part are told as modes and places, and what brings rows that are made to those that were seen.

    axes: of each part. counts: of each part, int64 [size], how often each mode occurred. Empty until `settled`: shifts, of each part,
    float32 [size], what is added to its logits; drawn, of each line, quantiles of the places that the network draws.
    """

    codebook: Codebook
    axes: tuple[Axis, ...]
    counts: tuple[np.ndarray, ...]
    shifts: tuple[np.ndarray, ...] = ()
    drawn: tuple[np.ndarray, ...] = ()

    @classmethod
    def learn(
        cls, data: Dataset, codebook: Codebook, *, line: int, rng: np.random.Generator, on_step: OnStep
    ) -> tuple[Modes, np.ndarray, np.ndarray]:
        """Also the rows: modes uint16 [n, parts] and places float32 [n, lines]. Ordered parts with more codes than `line` are lines."""
        codes, inside = codes_of(data, codebook, inside=True, on_step=on_step)
        modes, places, axes = np.empty(codes.shape, np.uint16), [], []
        for p, about in enumerate(codebook.parts):
            found = axis(np.bincount(codes[:, p], minlength=about.size), ordered=about.ordered, line=line)
            owner = _sole(codebook, p)
            mode, place = found.code(codes[:, p], rng.random(len(codes)) if owner is None else inside[:, owner], rng)
            axes.append(found.with_knots(mode, place))
            modes[:, p] = mode
            if found.light is not None:
                places.append(place)
        counts = [counts_of(modes[:, [p]], (one.size,)) for p, one in enumerate(axes)]
        held = np.stack(places, axis=1) if places else np.zeros((len(codes), 0), np.float32)
        return cls(codebook, tuple(axes), tuple(counts)), modes, held

    @property
    def blocks(self) -> Blocks:
        """How rows look to networks."""
        bare = tuple(1 + len(self.axes[p].spikes) for p in self.lined)
        return Blocks(tuple(one.size for one in self.axes), self.lined, bare)

    @property
    def lined(self) -> tuple[int, ...]:
        """Parts that have places."""
        return tuple(p for p, one in enumerate(self.axes) if one.light is not None)

    @property
    def firsts(self) -> np.ndarray:
        """For each part, the first part of its column."""
        return np.searchsorted(self.codebook.owners, self.codebook.owners)

    @property
    def never(self) -> tuple[np.ndarray, ...]:
        """Of each part, float32 [size]: what keeps modes that never occurred from being drawn."""
        return tuple(np.where(c > 0, 0.0, NEVER).astype(np.float32) for c in self.counts)

    def code(self, codes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Modes int64 [n, parts] and places float32 [n, lines] of codes [n, parts], somewhere inside their cells."""
        told = [one.code(codes[:, p], rng.random(len(codes)), rng) for p, one in enumerate(self.axes)]
        places = [told[p][1] for p in self.lined]
        held = np.stack(places, axis=1) if places else np.zeros((len(codes), 0), np.float32)
        return np.stack([mode for mode, _ in told], axis=1), held

    def settled(self, net: Maker, seed: int) -> Modes:
        """With what brings rows drawn from `net` to the shares and places that were learned from."""
        never = [torch.from_numpy(n) for n in self.never]
        with whole_threads() as pool, torch.inference_mode():
            pieces = range(SETTLED // PIECE)
            quick = _ready(net)
            bodies = list(pool.map(lambda k: quick.body(PIECE, (seed, k)), pieces))
            how = {"first": self.firsts, "seed": seed, "pool": pool}
            shifts = settle(lambda p, k: quick.part(bodies[k], p).float() + never[p], len(pieces), self.counts, **how)
        found = replace(self, shifts=tuple((s + n).numpy() for s, n in zip(shifts, never, strict=True)))
        modes, places = found.draw(net, SETTLED, seed=seed + 1)
        lines = zip(self.lined, places, strict=True)
        return replace(found, drawn=tuple(self.axes[p].quantiles(modes[p], place) for p, place in lines))

    def draw(self, net: Maker, n: int, *, seed: int, given: Given | None = None, fill: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Modes uint16 [parts, n] and places float32 [lines, n] of rows drawn; they are the same on any number of threads.

        given: what rows are told from of which something is known; the net alone tells their shares. Not given: nothing is known, and
        columns keep the shares that were seen. fill: nothing that is drawn is missing, where there is more.
        """
        added = [s.copy() for s in (self.shifts if given is None else self.never)]
        for more, counts in zip(added, self.counts, strict=True):
            if fill and (counts[1:] > 0).any():
                more[0] = NEVER
        lots, quick = Lots(added, first=self.firsts), _ready(net)
        modes, places = np.zeros((len(self.axes), n), np.uint16), np.zeros((len(self.lined), n), np.float32)

        def piece(low: int) -> None:
            here, draw, rows = slice(low, low + PIECE), generator(seed, 1, low), min(PIECE, n - low)
            with torch.inference_mode():
                body = quick.body(rows, (seed, 0, low)) if given is None else given(quick, low, rows)
                lots.draw(quick.every(body), modes[:, here], draw)
                places[:, here] = quick.places(body, torch.from_numpy(modes[:, here].T.astype(np.int64))).T.numpy()

        with whole_threads() as pool:
            list(pool.map(piece, range(0, n, PIECE)))
        return modes, places

    def table(self, modes: np.ndarray, places: np.ndarray, *, seed: int, rng: np.random.Generator, start: int) -> pa.Table:
        """The canonical table of rows that `draw` made; `start`: rows made before."""
        lines = {p: (place, drawn) for p, place, drawn in zip(self.lined, places, self.drawn, strict=True)}
        codes = np.empty(modes.shape, np.uint16)
        inside = rng.random((len(self.codebook.books), modes.shape[1]), dtype=np.float32)
        for p, one in enumerate(self.axes):
            codes[p], at = one.uncode(modes[p], *lines.get(p, (modes[p], self.counts[p])), np.random.default_rng([seed, p]))
            owner = _sole(self.codebook, p)
            if p in lines and owner is not None:
                inside[owner] = np.minimum(at, np.float32(1 - 2**-24))
        return self.codebook.decode(Coded(codes, inside), start=start)

    def state(self, net: nn.Module, trained: dict[str, Any]) -> State:
        """Codebook and course of the training as JSON; modes and the weights of the generator as arrays; critic and reader are done."""
        made = ((name, a) for name, a in arrays_of(net).items() if name.startswith("generator."))
        arrays = {f"net.{name}": a for name, a in made if not name.startswith("generator.reader.")}
        arrays |= {"counts": np.concatenate(self.counts), "shift": np.concatenate(self.shifts)}
        arrays |= {f"axis.{p}.{name}": a for p, one in enumerate(self.axes) for name, a in one.arrays().items()}
        arrays |= {f"drawn.{k}": a for k, a in enumerate(self.drawn)}
        sizes = [one.size for one in self.axes]
        return State(card={"codebook": self.codebook.to_json(), "trained": trained, "sizes": sizes}, arrays=arrays)

    @classmethod
    def of(cls, table: Table, state: State) -> Modes:
        """Those that `state` was taken from.

        Raises:
            StoreError: the codebook is of another table.
        """
        sizes: Sequence[int] = state.card["sizes"]
        found: list[dict[str, np.ndarray]] = [{} for _ in sizes]
        for name, array in state.arrays.items():
            if name.startswith("axis."):
                _, p, key = name.split(".")
                found[int(p)][key] = array
        axes = tuple(Axis.of(size, arrays) for size, arrays in zip(sizes, found, strict=True))
        counts, shifts = (tuple(np.split(state.arrays[name], np.cumsum(sizes)[:-1])) for name in ("counts", "shift"))
        drawn = tuple(state.arrays[f"drawn.{k}"] for k in range(sum(one.light is not None for one in axes)))
        return cls(Codebook.from_json(state.card["codebook"], table), axes, counts, shifts, drawn)


def put_generator(net: nn.Module, state: State) -> None:
    """Give `net` the generator of `state`, and set it to be used."""
    put_arrays(net.generator, {k.removeprefix("net.generator."): a for k, a in state.arrays.items() if k.startswith("net.generator.")})
    net.eval()


def _ready(net: Maker) -> Maker:
    """A copy of `net` for much drawing, its weights in the precision of products."""
    with precision(torch.device("cpu")):
        low = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    quick = copy(net)
    quick._modules = dict(net._modules) | {"generator": deepcopy(net.generator).to(low)}
    return quick


def _sole(codebook: Codebook, part: int) -> int | None:
    """The column whose only part this is; None if it has others."""
    owners = codebook.owners
    return int(owners[part]) if (owners == owners[part]).sum() == 1 else None
