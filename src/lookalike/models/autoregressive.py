"""A masked network tells any columns from any others, and draws them one after the other: an any-order autoregressive model.

While it learns, some columns of each row are hidden and all hidden ones are predicted at once; so any columns can be the condition.
Numbers are cells and a position inside. Columns keep their shares exactly: what each step tells is set right as in use.
(Uria et al. 2014, order-agnostic NADE; Tiwald et al. 2025, TabularARGN; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lookalike.errors import CannotError
from lookalike.models._learned import each
from lookalike.models._whole_rows import WholeRows
from lookalike.nets.settings import PrivateLearning, waits
from lookalike.protocol import Can, State
from lookalike.schema import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

    from lookalike.data import Dataset
    from lookalike.encode import Within
    from lookalike.models._masked import Masked

__all__ = ["Autoregressive"]

MATCHED_LEAST, MATCHED_MOST = 4_000, 40_000
"""Rows drawn to set the shares right: four times as many as were learned from, within these."""
MOST_TURNS, FEWEST_BEGUN = 200, 4_096
"""Where something is asked of rows: times that rows are begun at most, and how many at least."""


class Settings(PrivateLearning):
    """What can be set."""

    depth: int = Field(1, ge=0, le=16, description="residual layers")
    drop: float = Field(0.0, ge=0, le=0.9, description="share of the units silenced while learning, against learning by heart")
    chain: float = Field(
        0.7, ge=0, le=1, description="share of learning spent on the order in which columns are drawn; the rest goes to any order"
    )
    order: Literal["table", "small"] = Field("table", description="order of drawing: as in the table, or columns with few levels first")
    patience: int = waits(5)


class Autoregressive(WholeRows):
    """An any-order autoregressive network over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `net_` (the network, on the CPU), `counts_` (int64 [codes], how often each code
    occurred, one part after the other), `shift_` (float32 [codes], added to logits when whole rows are drawn), `trained_` (how the
    training went: `history`, `notes`), `privacy_` (what is promised of a private fit; None of any other), `groups_` (the groups of
    codes that the network of a private fit tells apart; None of any other). The counts of a private fit are noisy: float64.
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), given=True, private=True)

    net_: Masked

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def within(self, n: int, within: Within, *, rng: np.random.Generator, start: int = 0) -> tuple[pa.Table, float]:
        """Draw `n` rows, or fewer if hardly any can be drawn, with cells `within` some codes; and which share of free draws would be.

        What is asked of a row is drawn first, in any order of columns, the rest given that.

        Raises:
            CannotError: none can be drawn.
        """
        codes, chance = self._begun(n, within.weight, rng)
        known = np.zeros(codes.shape, bool)
        asked = {int(self._firsts()[p]) for p in within.weight}
        known[:, [p for p, f in enumerate(self._firsts()) if int(f) in asked]] = True
        self._draw(codes, known, rng, whole=False, fill=False)
        groups = codes
        if self.groups_ is not None:
            codes = self.groups_.fine(groups, rng, weight=within.weight)
        inside = rng.random((len(self.codebook_.books), len(codes)), dtype=np.float32)
        first = {int(self.codebook_.owners[p]): p for p in sorted(within.weight, reverse=True)}
        for column in within.inside:
            inside[column] = within.place(inside[column], codes[:, first[column]], column)
        table = self._decode(codes, rng, start, inside=inside)
        return within.settled(table, {column: codes[:, first[column]] for column in within.put}, rng), chance

    def _begun(self, n: int, weight: dict[int, np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """Codes uint16 [n, parts] (of groups, in a private fit) of rows whose parts are as asked, the others not yet drawn; and the
        chance of such a row. Rows that are likelier as a whole than others go on, also more than once."""
        import torch

        from lookalike.models._guide import LEAST, gate_of, going_on
        from lookalike.models._masked import Teller, begin_within
        from lookalike.nets.train import generator

        if self.groups_ is not None:
            weight = {p: self.groups_.willing(p, w) for p, w in weight.items()}
        told = {p: torch.from_numpy(w) for p, w in weight.items()}
        seed, how = int(rng.integers(0, 1 << 62)), {"order": self._order(), "first": self._firsts()}
        teller, found, weights, gate = Teller(self.net_), [], [], 0.0
        for turn in range(MOST_TURNS):
            codes, _, log = begin_within(teller, max(n, FEWEST_BEGUN), told, draw=generator(seed, turn), **how)
            weights.append(log.exp().numpy())
            gate = gate or gate_of(weights[0])
            found.append(codes.numpy()[going_on(weights[-1], gate, rng)].astype(np.uint16))
            if sum(map(len, found)) >= n:
                break
        chance = float(np.concatenate(weights).mean())
        if chance < LEAST:
            raise CannotError("no row that the model draws meets all conditions at once", where="given", fix="ask for less")
        return np.concatenate(found)[:n], chance

    def log_prob(self, data: Dataset) -> np.ndarray:
        """float64 [n]: log of the probability that a row drawn has the cells of each row of `data`; −1e9 or less if it cannot be drawn."""
        import torch

        from lookalike.models._masked import PIECE, Teller, chances

        codes, shift = self.codebook_.encode(data.table()).codes.T, torch.from_numpy(self.shift_)
        inside = 0.0 if self.groups_ is None else self.groups_.log_share(codes)
        codes = codes if self.groups_ is None else self.groups_.coarse(codes)
        found, teller = np.empty(len(codes)), Teller(self.net_)

        def piece(low: int) -> None:
            rows = torch.from_numpy(codes[low : low + PIECE].astype(np.int64))
            found[low : low + PIECE] = chances(teller, rows, order=self._order(), first=self._firsts(), shift=shift).numpy()

        each(piece, range(0, len(codes), PIECE))
        return found + inside

    def _set_right(self, rows: int, seed: int) -> None:
        """Find what brings the columns' shares to `counts_`, by rows that are drawn."""
        from lookalike.models._masked import Teller, match
        from lookalike.nets.train import whole_threads

        rows = min(max(4 * rows, MATCHED_LEAST), MATCHED_MOST)
        with whole_threads() as pool:
            how = {"order": self._order(), "first": self._firsts(), "rows": rows, "seed": seed, "pool": pool}
            self.shift_ = match(Teller(self.net_), self._told(), **how).numpy()

    def _net(self, state: State | None = None) -> Masked:
        """The network, its weights not yet filled."""
        from lookalike.models._masked import Masked

        s = self.settings
        how = {"depth": s.depth, "drop": s.drop, "chain": s.chain, **self._size()}
        return Masked(self._layout(), self._told(), order=self._order(), **how)

    def _order(self) -> tuple[int, ...]:
        """Parts in the order in which they are drawn; those of a column together."""
        parts, owners = self.codebook_.parts, self.codebook_.owners
        if self.settings.order == "table":
            return tuple(range(len(parts)))
        largest = np.zeros(len(self.codebook_.books), int)
        np.maximum.at(largest, owners, [p.size for p in parts])
        return tuple(int(p) for p in np.lexsort((np.arange(len(parts)), owners, largest[owners])))

    def _draw(self, codes: np.ndarray, known: np.ndarray, rng: np.random.Generator, *, whole: bool, fill: bool) -> None:
        """See `WholeRows`."""
        import torch

        from lookalike.models._masked import PIECE, Teller, draw_rows
        from lookalike.nets.train import generator

        seed, shift = int(rng.integers(0, 1 << 62)), torch.from_numpy(self.shift_) if whole else None
        teller, first = Teller(self.net_), self._firsts()
        how = {"order": self._order(), "first": first, "lots": teller.lots(first, shift=shift, fill=fill)}

        def piece(low: int) -> None:
            here = slice(low, low + PIECE)
            mine = np.ascontiguousarray(codes[here].T, np.int64)
            draw_rows(teller, mine, np.ascontiguousarray(known[here].T), draw=generator(seed, low), **how)
            codes[here] = mine.T

        each(piece, range(0, len(codes), PIECE))
