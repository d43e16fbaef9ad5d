"""Which marginals a private fit measures: those that the table made so far gets most wrong, beyond what noise would hide anyway.

Rounds of choosing (by noisy maximum) and measuring (with discrete Gaussian noise), all booked before they look. What a round
brings says how much the next may spend: while the answers are mostly noise, the budget of a look is quadrupled.
(McKenna, Mullins, Sheldon, Miklau 2022, AIM. Here several marginals are chosen a round, from a table that is drawn, not summed out.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from lookalike.models._junction import Clique, Junction, Measured, fit, summed
from lookalike.models._tabulate import count, each, grown, stretched
from lookalike.privacy.look import project

if TYPE_CHECKING:
    from lookalike.privacy.ledger import Allowance
    from lookalike.protocol import OnStep

ONE_CELL = math.sqrt(2 / math.pi)
"""What noise of deviation 1 adds to one cell of an absolute difference."""
CHOOSING = 0.1
"""Share of a look's budget that goes into choosing what to look at."""
LOOKS = 2.0
"""Looks a column that the budget is cut into at first."""
WIDE = 30
"""Tables of more columns are asked for pairs only: of all threes there would be too many."""
DRAWN, DRAWN_LEAST, DRAWN_MOST = 2, 50_000, 400_000
"""Rows drawn to see what the table so far gets wrong: twice those there are, within these."""
NEVER = -1e6
"""Log potential of what is not there."""
ITERATIONS = 40, 300
"""Steps of fitting after each round, and at the end."""


class Exact:
    """Looks without noise and without a budget: `looks` marginals, those that are most wrong."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def noise(self, columns: int) -> float:
        """What groups are to be made for: exact counts bear cells of two rows."""
        return 0.25

    def batch(self, columns: int) -> int:
        """Marginals to choose in the next round."""
        return min(max(1, columns // 4), self.left)

    def choose(self, wrong: np.ndarray, cells: np.ndarray, weight: np.ndarray) -> int:
        """The number of the marginal to measure."""
        return int(np.argmax(weight * (wrong - ONE_CELL * cells)))

    def measure(self, exact: np.ndarray) -> tuple[np.ndarray, float]:
        """The counts, and the deviation of their noise, which is taken to be 1 so that no cell is thought to be sure."""
        self.left -= 1
        return exact, 1.0

    def likely(self, counts: np.ndarray, total: float) -> np.ndarray:
        """What the table is to agree with: the counts."""
        return counts

    def heard(self, moved: float, cells: float) -> None:
        """What a round brought: nothing follows."""


class Noisy:
    """Looks with noise, out of an allowance: zCDP `rho` in all, of which a look takes what rounds so far say it should."""

    def __init__(self, allowance: Allowance, *, rho: float, sensitivity: int) -> None:
        self.allowance, self.sensitivity = allowance, sensitivity
        self.rho, self.left, self.look = rho, rho, 0.0

    @property
    def sigma(self) -> float:
        """The deviation of the noise of a look."""
        return self.sensitivity / math.sqrt(2 * self.look * (1 - CHOOSING))

    def noise(self, columns: int) -> float:
        """What groups are to be made for: the noise of a look, if the budget goes to one a column."""
        return self.sensitivity / math.sqrt(2 * self.rho / columns)

    def batch(self, columns: int) -> int:
        """Marginals to choose in the next round; the last ones take all that is left."""
        if not self.look:
            self.look = self.rho / (LOOKS * columns)
        if self.left < 1e-6 * self.rho:
            return 0
        batch = max(1, columns // 4)
        if self.left < 2 * batch * self.look:
            batch = max(1, min(batch, int(self.left / self.look)))
            self.look = self.left / batch
        return batch

    def choose(self, wrong: np.ndarray, cells: np.ndarray, weight: np.ndarray) -> int:
        """The number of the marginal to measure: the most wrong beyond what noise would hide, by noisy maximum."""
        from lookalike.privacy import mechanisms

        scores = weight * (wrong - ONE_CELL * self.sigma * cells)
        sensitivity = float(self.sensitivity * weight.max())
        rho = self.look * CHOOSING
        return mechanisms.best(scores, self.allowance, rho=rho, what="choice of a marginal", sensitivity=sensitivity)

    def measure(self, exact: np.ndarray) -> tuple[np.ndarray, float]:
        """Noisy counts, and the deviation of their noise."""
        from lookalike.privacy import mechanisms

        self.left -= self.look
        rho = self.look * (1 - CHOOSING)
        return mechanisms.counts(exact, self.allowance, rho=rho, what="counts of a marginal", sensitivity=self.sensitivity)

    def likely(self, counts: np.ndarray, total: float) -> np.ndarray:
        """What the table is to agree with: counts as near as can be, none below 0, that sum to `total`.

        Cells without rows, of which there are many, would else draw rows towards them: noise above 0 is believed, below 0 it cannot be.
        """
        return project(counts, total)

    def heard(self, moved: float, cells: float) -> None:
        """What a round brought: if it is no more than noise, a look takes four times as much from now on."""
        if moved <= ONE_CELL * self.sigma * cells:
            self.look *= 4


@dataclass
class Search:
    """A fit under way: the tree, its potentials and probabilities, and what was measured.

    values: uint16 [columns, n], looked at only through `looker` if that is private. total: rows, as far as is known. weights: of each
    column in what matters. largest: cells that a clique, and that all cliques together, may have. measured: of each column alone.
    """

    values: np.ndarray
    sizes: tuple[int, ...]
    total: float
    looker: Exact | Noisy
    weights: np.ndarray
    largest: tuple[int, int]
    measured: list[Measured]

    def __post_init__(self) -> None:
        self.tree = Junction.of(self.sizes, [m.clique for m in self.measured])
        self.never = [m.clique[0] for m in self.measured if len(m.counts) > 1 and m.counts[0] <= 0]
        logs = self._without_missing(self.tree, self.tree.zeros())
        self.logs, self.beliefs = fit(self.tree, logs, self.measured, total=self.total, most=ITERATIONS[1])
        self.known: dict[Clique, np.ndarray] = {}

    def run(self, *, rng: np.random.Generator, on_step: OnStep) -> None:
        """Rounds of choosing and measuring, until the looker has had enough."""
        from lookalike.protocol import Step

        columns = [c for c, size in enumerate(self.sizes) if size > 1]
        open_ = self._open(columns)
        while open_ and (batch := self.looker.batch(len(columns))):
            wrong = self._wrong(open_, rng)
            chosen: list[Clique] = []
            while len(chosen) < batch and (clique := self._choose(open_, wrong, chosen)):
                chosen.append(clique)
                self._measure(clique)
            if not chosen:
                break
            before = [self._told(c) for c in chosen]
            self._refit(ITERATIONS[0])
            moved = sum(float(np.abs(self._told(c) - x).sum()) for c, x in zip(chosen, before, strict=True))
            self.looker.heard(moved, sum(x.size for x in before))
            on_step(Step(len(self.measured), 4 * len(self.sizes) + len(self.measured), f"measured {len(self.measured):,} marginals"))
        self._refit(ITERATIONS[1])

    def _open(self, columns: Sequence[int]) -> list[Clique]:
        """Cliques that may be measured: of two columns or three, and not too large."""
        most = 3 if len(columns) <= WIDE else 2
        every = (c for size in range(2, most + 1) for c in combinations(columns, size))
        return [c for c in every if math.prod(self.sizes[x] for x in c) <= self.largest[0]]

    def _wrong(self, open_: Sequence[Clique], rng: np.random.Generator) -> np.ndarray:
        """float64: absolute differences between real rows and the table so far, summed, for each clique. Not noisy: for `_choose` only."""
        n = int(min(max(DRAWN * self.total, DRAWN_LEAST), DRAWN_MOST))
        self.drawn = np.ascontiguousarray(self.tree.draw(self.beliefs, n, rng).T.astype(np.uint16))

        def off(k: int) -> float:
            clique = open_[k]
            if clique not in self.known:
                self.known[clique] = count(self.values, clique, self.sizes).astype(np.int32)
            return float(np.abs(self.known[clique] - count(self.drawn, clique, self.sizes) * (self.total / n)).sum())

        return each(off, len(open_))

    def _choose(self, open_: Sequence[Clique], wrong: np.ndarray, taken: Sequence[Clique]) -> Clique | None:
        """The clique to measure, of those that keep the tree small enough; None if there is none."""
        fits = np.flatnonzero(self._grown(open_, taken) <= self.largest[1])
        fits = [k for k in fits.tolist() if open_[k] not in taken]
        if not fits:
            return None
        sizes = np.array([math.prod(self.sizes[c] for c in open_[k]) for k in fits])
        weight = np.array([self.weights[list(open_[k])].max() for k in fits])
        return open_[fits[self.looker.choose(wrong[fits], sizes, weight)]]

    def _grown(self, open_: Sequence[Clique], taken: Sequence[Clique]) -> np.ndarray:
        """Cells of the tree with each clique, besides all that are measured and chosen."""
        have = [*self.tree.cliques, *taken]
        if len(self.sizes) <= WIDE:
            return grown(self.sizes, have, open_)
        return stretched(Junction.of(self.sizes, have) if taken else self.tree, open_)

    def _measure(self, clique: Clique) -> None:
        """Count the combinations of the clique's values."""
        counts, sigma = self.looker.measure(count(self.values, clique, self.sizes))
        counts = self.looker.likely(counts.astype(np.float64), self.total)
        self.measured.append(Measured(clique, counts.reshape([self.sizes[c] for c in clique]), sigma))

    def _told(self, clique: Clique) -> np.ndarray:
        """What the table so far says of a clique: its counts, flat; those of the drawn rows where no clique of the tree holds it."""
        home = self.tree.home(clique)
        if home is not None:
            return self.total * summed(self.beliefs[home], self.tree.cliques[home], clique).ravel()
        return count(self.drawn, clique, self.sizes) * (self.total / self.drawn.shape[1])

    def _refit(self, iterations: int) -> None:
        """The tree that holds all that was measured, fitted on from where it was."""
        tree = Junction.of(self.sizes, [m.clique for m in self.measured])
        logs = self._without_missing(tree, tree.moved(self.tree, self.logs)) if tree != self.tree else self.logs
        self.tree = tree
        self.logs, self.beliefs = fit(tree, logs, self.measured, total=self.total, most=iterations)

    def _without_missing(self, tree: Junction, logs: list[np.ndarray]) -> list[np.ndarray]:
        """Potentials under which columns that are never missing (first value: missing) are not."""
        for column in self.never:
            home = tree.home((column,))
            if home is not None:
                np.moveaxis(logs[home], tree.cliques[home].index(column), 0)[0] = NEVER
        return logs
