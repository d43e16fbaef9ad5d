"""Rows of an owner that follow one another, as one of several linked tables: a chain, with what it needs to be stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lookalike.models._chain import Chain, How
from lookalike.protocol import OnStep, State
from lookalike.schema import Column, Table

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Line"]

KNOWN = ("trees", "sample", "leaf", "features", "rounds", "protect", "cells")
"""Settings of the forest that a chain has as well."""


class Line:
    """Learns and draws the rows of owners, ordered by column `order`, as a `Family` does those whose order says little."""

    chain_: Chain

    def __init__(self, drawn: tuple[Column, ...], owners: tuple[Column, ...], order: str, settings: Mapping[str, Any]) -> None:
        self.drawn, self.owners, self.order = drawn, owners, order
        self.settings = {k: v for k, v in settings.items() if k in KNOWN}

    def _unfitted(self) -> Chain:
        rows = Table(name="rows", columns=self.drawn, order=self.order)
        return Chain(Table(name="owners", columns=self.owners), rows, How(**self.settings))

    def fit(self, owners: pa.Table | None, rows: pa.Table, sizes: np.ndarray, *, rng: np.random.Generator, on_step: OnStep) -> Self:
        """Learn `rows` [n], sorted by owner and order; `sizes` int64 [m] sum to n."""
        mine = rows.select([c.name for c in self.drawn])
        self.chain_ = self._unfitted().fit(pa.table({}) if owners is None else owners, mine, sizes, rng=rng, on_step=on_step)
        return self

    def draw(self, owners: pa.Table | None, sizes: np.ndarray, *, rng: np.random.Generator, start: int = 0) -> pa.Table:
        """The rows of `owners` [m], `sizes` int64 [m] each, one owner's after the other's."""
        return self.chain_.draw(pa.table({}) if owners is None else owners, sizes, rng=rng, start=start)

    def state(self) -> State:
        """What was learned."""
        inner = self.chain_.state()
        card = {name: [c.model_dump(mode="json", exclude_defaults=True) for c in getattr(self, name)] for name in ("drawn", "owners")}
        return State(card=card | {"order": self.order, "settings": self.settings, "chain": inner.card}, arrays=inner.arrays)

    @classmethod
    def restore(cls, state: State) -> Line:
        """The inverse of `state`."""
        card = state.card
        made = cls(*(tuple(Column(**c) for c in card[name]) for name in ("drawn", "owners")), card["order"], card["settings"])
        made.chain_ = made._unfitted().restore(State(card=card["chain"], arrays=state.arrays))
        return made
