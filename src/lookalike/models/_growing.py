"""How a forest is learned: in which order its parts are drawn, which ties and scores each may use, and the stages themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.models._boost import transfer
from lookalike.models._stage import Growing, Stage, Target, bin_map, learn, score, telling
from lookalike.models._ties import find_lookups, find_ties, lookup_table, match
from lookalike.protocol import OnStep, Step, quiet

if TYPE_CHECKING:
    import pyarrow as pa

    from lookalike.encode import Codebook
    from lookalike.models._boost import Boost
    from lookalike.models._ties import Tie
    from lookalike.models.forest import Settings

FEW_SUBJECTS = 20
"""With fewer subjects than this, trees learn from rows chosen at random, whosever they are."""
FEW_LEVELS = 20
"""A last column with so many levels at most is taken for the target if none is named."""
TRIED_ROWS, TRIED_PARTS = 8_000, 200
"""Rows on which each place of the target is tried; in wider tables the target comes last."""
SCORED_ROWS, AIM_ROWS = 15_000, 40_000
"""Rows that a fold of a score learns from at most, and of a score of the target."""
SCORED_CELLS = 24
"""Ordered parts with more levels than this get a boosted score, as does the target."""
WORTH = 0.05
"""Share of a part that a score must explain; the target's is always used."""
NUMBERS = frozenset({"integer", "number"})
MOST_EARLIER = 60
"""Earlier columns that a number is compared with for ties, the nearest first."""


class Plan:
    """What is needed while a forest is fitted: codes uint16 [parts, n], their bins, numbers {column: float64 [n]}, lookups.

    settings: those of the forest. Parts of its `context` come first, and have no stage.
    """

    def __init__(self, settings: Settings, codebook: Codebook, codes: np.ndarray, numbers: dict[int, np.ndarray], table: pa.Table) -> None:
        self.settings, self.codebook, self.codes, self.numbers = settings, codebook, codes, numbers
        self.parts, self.owners = codebook.parts, codebook.owners
        self.clusters = _shared(table[settings.together]) if settings.together in settings.context else None
        self.given = {p for p, about in enumerate(self.parts) if about.column in settings.context}
        self.maps = [bin_map(np.bincount(c, minlength=p.size), ordered=p.ordered) for c, p in zip(codes, self.parts, strict=True)]
        self.bins = (
            np.stack([m[c] for m, c in zip(self.maps, codes, strict=True)]) if len(self.parts) else np.zeros((0, codes.shape[1]), np.uint8)
        )
        self.nominal = np.array([not p.ordered for p in self.parts])
        self.lookups: dict[int, int] = {}

    def order(self, rng: np.random.Generator) -> list[int]:
        """Parts in the order in which they are drawn: as in the table, deciding before decided, the target where rows serve it best."""
        single = [p for p in range(len(self.parts)) if (self.owners == self.owners[p]).sum() == 1]
        single.sort(key=lambda p: p not in self.given)
        order, self.lookups = find_lookups(self.codes, [p.size for p in self.parts], single)
        for p in range(len(self.parts)):  # parts of moments, which come in twos, go where they stand in the table
            if p not in single:
                order.insert(p, p)
        if self.given:
            order.sort(key=lambda p: p not in self.given)
            self.lookups = {p: x for p, x in self.lookups.items() if p not in self.given}
            return order
        aim = self._target()
        if aim is None or aim in self.lookups:
            return order
        follow = [p for p in order if p == aim or self.lookups.get(p) == aim]
        others = [p for p in order if p not in follow]
        return self._better([*others, *follow], [*follow, *others], aim, rng) if others else order

    def learn(self, order: Sequence[int], rng: np.random.Generator, *, on_step: OnStep = quiet, trial: bool = False) -> list[Stage]:
        """Stages for the parts in `order` but those that are given. `trial`: few trees."""
        aim = None if trial else self._target()
        seeds, told, done = rng.integers(0, 1 << 62, len(order)), Lock(), len(self.given)

        def stage(at: int) -> Stage:
            nonlocal done
            p, mine = order[at], np.random.default_rng(seeds[at])
            features = [q for q in order[:at] if self.parts[q].size > 1]
            if p in self.lookups and not self._ties(p, order[:at]):  # a tie gives the number, a lookup only its cell
                x = self.lookups[p]
                made = Stage(p, (), self.parts[p].size, decider=x, table=lookup_table(self.codes[x], self.codes[p], self.parts[x].size))
            else:
                target, rows = self._aim(p, order[:at])
                features = telling(target, features, self.bins)
                boosts = self._scores(replace(target, codes=self.codes[p]), features, p == aim, mine) if rows is None else []
                made = learn(target, features, self.bins, self.nominal, how=self._how(p, trial), boosts=boosts, rows=rows, rng=mine)
            with told:
                done += 1
                on_step(Step(done, len(order), f"learning {self.parts[p].column}"))
            return made

        return each(stage, range(len(self.given), len(order)))

    def _scores(self, target: Target, features: list[int], aim: bool, rng: np.random.Generator) -> list[tuple[Boost, np.ndarray]]:
        """Boosted scores of a part and their bins: of the target (`aim`), and of ordered parts with many levels."""
        if not features or not self.settings.rounds or not (aim or (target.ordered and target.size > SCORED_CELLS)):
            return []
        rounds, most = self.settings.rounds * (3 if aim else 1), AIM_ROWS if aim else SCORED_ROWS
        bins, nominal = np.ascontiguousarray(self.bins[features]), self.nominal[features]
        return score(target, bins, nominal, rounds=rounds, most=most, rng=rng, worth=0.0 if aim else WORTH)

    def _how(self, p: int, trial: bool) -> Growing:
        """How the trees of a part are grown; a part with one level needs no more than one row."""
        s = self.settings
        if (self.codes[p] == self.codes[p, 0]).all():
            return Growing(1, 0.0, 1, 1.0)
        return Growing(min(s.trees, 6) if trial else s.trees, s.sample, s.leaf, s.features)

    def _aim(self, p: int, earlier: Sequence[int]) -> tuple[Target, np.ndarray | None]:
        """What is to be learned for part `p`, and the rows to learn from: for later parts of a column those that are not missing."""
        codes, this = self.codes[p], self.parts[p]
        rows = None
        if p and self.owners[p] == self.owners[p - 1]:
            there = np.flatnonzero(self.codes[int(np.searchsorted(self.owners, self.owners[p]))] > 0)
            rows = there if len(there) else None
        ties = self._ties(p, earlier)
        if ties:
            column = int(self.owners[p])
            found = match(ties, self.numbers[column], self.numbers, decimals(self.codebook, column))
            codes = np.where(found >= 0, this.size + found, codes).astype(np.uint16)
        return Target(p, codes, this.size, this.ordered, tuple(ties), self.clusters), rows

    def _ties(self, p: int, earlier: Sequence[int]) -> list[Tie]:
        """Ties of the number that part `p` belongs to with numbers drawn before."""
        column = int(self.owners[p])
        if column not in self.numbers or self.parts[p].size <= 3:
            return []
        before = [int(self.owners[q]) for q in earlier if int(self.owners[q]) in self.numbers and self.parts[q].size > 3]
        y = self.numbers[column]
        _, where, count = np.unique(y, return_inverse=True, return_counts=True)
        shared = count[where] > 0.005 * len(y)
        return find_ties(y, ~shared, {c: self.numbers[c] for c in before[-MOST_EARLIER:]}, decimals(self.codebook, column))

    def _target(self) -> int | None:
        """The part of the target column, if there is one that can be predicted."""
        names = self.codebook.table.names
        if self.given and self.settings.target is None:
            return None
        column = names.index(self.settings.target) if self.settings.target else len(names) - 1
        mine = [int(p) for p in np.flatnonzero(self.owners == column)]
        if len(mine) != 1 or (self.settings.target is None and self.parts[mine[0]].size > FEW_LEVELS + 1):
            return None
        return mine[0]

    def _better(self, last: list[int], first: list[int], aim: int, rng: np.random.Generator) -> list[int]:
        """The order by which synthetic rows teach more of the target, tried on part of the rows and judged on others."""
        rows = rng.permutation(self.codes.shape[1])[: 2 * TRIED_ROWS]
        half = len(rows) // 2
        if half < 500 or len(last) > TRIED_PARTS:
            return last
        seed = int(rng.integers(0, 1 << 62))
        loss = [self._loss(order, aim, rows[:half], rows[half:], seed) for order in (last, first)]
        return last if loss[0] <= loss[1] else first

    def _loss(self, order: list[int], aim: int, seen: np.ndarray, unseen: np.ndarray, seed: int) -> float:
        """Loss on the rows `unseen` of boosted trees that learned from rows drawn by a forest that learned from the rows `seen`."""
        plan = copy(self)
        plan.codes, plan.bins, plan.numbers = self.codes[:, seen], np.ascontiguousarray(self.bins[:, seen]), {}
        stages = plan.learn(order, np.random.default_rng(seed), trial=True)
        codes, bins = np.zeros(plan.codes.shape, np.uint16), np.zeros(plan.codes.shape, np.uint8)
        for k, stage in enumerate(stages):
            codes[stage.part] = stage.draw(bins, codes, seed=seed + k, first=0)
            bins[stage.part] = self.maps[stage.part][codes[stage.part]]
        others = [p for p in order if p != aim]
        pair = (codes[aim], self.codes[aim, unseen])
        return transfer(bins[others], self.bins[others][:, unseen], *pair, nominal=self.nominal[others], ordered=self.parts[aim].ordered)


def decimals(codebook: Codebook, column: int) -> int | None:
    """Decimals of the numbers of a column; None if they have no grid."""
    if codebook.table.columns[column].kind == "integer":
        return 0
    return codebook.books[column]["line"]["decimals"]


def numbers_of(table: pa.Table, codebook: Codebook, *, columns: Iterable[int] | None = None) -> dict[int, np.ndarray]:
    """{column: float64 [n], NaN is missing} of the integers and numbers of a canonical table, or of some of its `columns`."""
    found = {}
    for k in range(len(codebook.books)) if columns is None else columns:
        if codebook.table.columns[k].kind in NUMBERS:
            found[k] = table.column(k).cast("float64", safe=False).to_numpy()  # the nearest, of integers that a float cannot hold
    return found


def values_of(numbers: np.ndarray, kind: str) -> pa.Array:
    """A canonical array of numbers; NaN becomes null."""
    import pyarrow as pa

    missing = np.isnan(numbers)
    if kind == "integer":
        return pa.array(np.rint(np.where(missing, 0, numbers)).astype(np.int64), mask=missing)
    return pa.array(numbers, mask=missing)


def _shared(values: pa.ChunkedArray) -> np.ndarray | None:
    """int64 [n]: a number for each value, rows without one apart; None if there are too few."""
    one = values.combine_chunks() if hasattr(values, "combine_chunks") else values
    numbers = one.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    alone = np.flatnonzero(numbers < 0)
    numbers[alone] = numbers.max(initial=-1) + 1 + np.arange(len(alone))
    return numbers if numbers.max(initial=-1) + 1 >= FEW_SUBJECTS else None


def each(work: Callable[[Any], Any], items: Sequence[Any], *, threads: int | None = None) -> list[Any]:
    """`work` of each item, on as many threads as there are cores, or as are asked for; the first error ends it."""
    if len(items) == 1 or threads == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [f.result() for f in futures]
        finally:
            pool.shutdown(cancel_futures=True)
