"""Noisy marginals, chosen, measured and put together: the classical way to a table under differential privacy, and without it.

Every column is counted alone, with noise, and cut into groups by what was counted; then marginals of two and three columns are
measured where the table made so far is most wrong; the table of greatest entropy that agrees with them is drawn from.
(McKenna, Miklau, Sheldon 2021, MST; McKenna et al. 2022, AIM; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.encode import Codebook
    from lookalike.models._grouped import Groups
    from lookalike.models._junction import Junction, Measured
    from lookalike.privacy.ledger import Allowance
    from lookalike.schema import Schema

__all__ = ["Marginals"]

ALONE = 0.3
"""Share of the budget that counts columns alone."""
NOISE_A_CELL = 8.0
"""Groups of a column are so many that a cell of a pair of columns has so many times more rows than noise, about."""
FEWEST_GROUPS = 4
CELLS_A_ROW = 20
"""Cells of the junction tree for each row, at most: more would only be filled by chance."""
AIMED = 2.0
"""How much more marginals with the target matter."""


class Settings(BaseModel):
    """What can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: int = Field(256, ge=4, le=4_096, description="cells that a number or a moment is cut into at most")
    groups: int = Field(64, ge=2, le=512, description="groups of cells or levels that marginals tell apart at most; fewer under noise")
    largest: int = Field(20_000, ge=100, le=1_000_000, description="cells that one marginal may have", examples=[100])
    tree: int = Field(
        400_000, ge=1_000, le=50_000_000, description=f"cells of the whole junction tree, {CELLS_A_ROW} a row at most", examples=[1_000]
    )
    looks: int = Field(60, ge=0, le=2_000, description="marginals measured without a budget; a budget says itself how many are worth it")
    target: str | None = Field(None, description="column whose marginals matter twice as much; the same budget for all if not given")
    protect: int = Field(
        5,
        ge=1,
        le=1_000,
        description="values held by fewer subjects than this are not given out as they are; a private fit protects them all",
    )


class Marginals:
    """The table of greatest entropy that has the marginals that were measured.

    Fitted attributes: `codebook_` (how cells become codes), `counts_` (float64 [codes], rows of each code, one part after the other),
    `groups_` (groups of codes: what marginals tell apart), `tree_` (the junction tree over groups), `beliefs_` (probabilities
    of each clique's cells), `privacy_` (what is promised, as JSON; None if nothing is).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), private=True)

    schema: Schema
    codebook_: Codebook
    counts_: np.ndarray
    groups_: Groups
    tree_: Junction
    beliefs_: list[np.ndarray]
    privacy_: dict[str, Any] | None

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet, allowance: Allowance | None = None) -> Self:
        """Count columns, choose marginals, measure them and put them together; with an `allowance` all of it with noise, and spent from it.

        Raises:
            SchemaError: a private fit needs facts that are not declared.
            CannotError: a private fit of free text.
            BudgetError: the allowance does not go so far.
        """
        from lookalike.encode import Codebook
        from lookalike.models._grouped import grouped
        from lookalike.models._select import Exact, Noisy, Search
        from lookalike.privacy import domain

        self.schema, s = data.schema, self.settings
        if s.target is not None:
            data.schema.column(s.target)
        if allowance is None:
            looker: Exact | Noisy = Exact(s.looks)
            codes, sigma = self._codes(data, on_step=part(on_step, 0, 0.2)), 1.0
        else:
            domain.check(data.schema, buy=allowance.buy)
            data = domain.bounded(data, allowance.most)
            rho = ALONE * allowance.rho_with(Codebook.chance(data.schema, allowance))
            codes, sigma = self._private_codes(data, allowance, rho), self._alone_sigma(allowance, rho)
            looker = Noisy(allowance, rho=allowance.left, sensitivity=allowance.most)
        on_step(Step(2, 10, "counting columns alone"))
        total = max(float(self._alone()[0].sum()), 1.0)
        self.groups_ = grouped(self.codebook_.parts, self.counts_, self._most_groups(looker.noise(len(codes)), total))
        ready = [self._in_groups(k, sigma) for k in range(len(codes))]
        values = np.ascontiguousarray(self.groups_.coarse(codes.T).T)
        largest = (s.largest, min(s.tree, max(int(CELLS_A_ROW * total), sum(self.groups_.sizes))))
        search = Search(values, self.groups_.sizes, total, looker, self._weights(), largest, ready)
        search.run(rng=rng, on_step=part(on_step, 0.2, 1))
        self.tree_, self.beliefs_ = search.tree, search.beliefs
        self.privacy_ = None if allowance is None else self._statement(allowance)
        on_step(Step(1, 1, "done"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows: groups from the tree, codes within groups as often as they were counted, positions inside cells evenly."""
        from lookalike.data import Dataset
        from lookalike.encode import Coded

        codes = np.ascontiguousarray(self.groups_.fine(self.tree_.draw(self.beliefs_, n, rng), rng).T)
        made = self.codebook_.decode(Coded(codes, rng.random((len(self.codebook_.books), n), dtype=np.float32)), start=start)
        return Dataset.from_arrow({self.schema.table.name: made}, self.schema)

    def log_prob(self, data: Dataset) -> np.ndarray:
        """float64 [n]: log of the probability that a row drawn has the cells of each row of `data`; −1e9 or less if it cannot be drawn."""
        codes = self.codebook_.encode(data.table()).codes.T
        found = self.tree_.log_prob(self.beliefs_, self.groups_.coarse(codes)) + self.groups_.log_share(codes)
        return np.maximum(found, -1e9)

    def state(self) -> State:
        """Codebook, cliques and what is promised as JSON; counts, groups and probabilities as arrays."""
        tree = {"cliques": [list(c) for c in self.tree_.cliques], "parents": list(self.tree_.parents), "sizes": list(self.tree_.sizes)}
        arrays = {f"clique.{k}": b.astype(np.float32) for k, b in enumerate(self.beliefs_)}
        card = {"codebook": self.codebook_.to_json(), "tree": tree, "privacy": self.privacy_}
        return State(card=card, arrays=arrays | {"counts": self.counts_, "groups": self.groups_.of})

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.encode import Codebook
        from lookalike.models._grouped import Groups
        from lookalike.models._junction import Junction

        self.schema = schema
        self.codebook_ = Codebook.from_json(state.card["codebook"], schema.table)
        tree = state.card["tree"]
        self.tree_ = Junction(tuple(tree["sizes"]), tuple(tuple(c) for c in tree["cliques"]), tuple(tree["parents"]))
        self.beliefs_ = [state.arrays[f"clique.{k}"].astype(np.float64) for k in range(len(self.tree_.cliques))]
        self.counts_ = state.arrays["counts"]
        self.groups_ = Groups(state.arrays["groups"], self.counts_, [0, *np.cumsum([p.size for p in self.codebook_.parts]).tolist()])
        self.privacy_ = state.card["privacy"]
        return self

    def _codes(self, data: Dataset, *, on_step: OnStep) -> np.ndarray:
        """uint16 [parts, n]: the rows in codes, after codebook and counts were made of them."""
        from lookalike.encode import Codebook

        s = self.settings
        self.codebook_ = Codebook.measure_all(data, protect=s.protect, cells=s.cells, on_step=on_step)
        codes = self.codebook_.encode(data.table()).codes
        counted = [np.bincount(c, minlength=p.size) for c, p in zip(codes, self.codebook_.parts, strict=True)]
        self.counts_ = np.concatenate(counted).astype(np.float64)
        return codes

    def _private_codes(self, data: Dataset, allowance: Allowance, rho: float) -> np.ndarray:
        """The same of a codebook and counts that were made with noise; what must not be missing is then the first code that is there."""
        from lookalike.encode import Codebook

        self.codebook_, counts = Codebook.private(data, allowance, rho=rho, sensitivity=allowance.most, cells=self.settings.cells)
        self.counts_ = np.concatenate(counts)
        codes, table = self.codebook_.encode(data.table()).codes, self.schema.table
        there = np.array([not table[p.column].nullable and p.size > 1 for p in self.codebook_.parts])
        return np.where(there[:, None], np.maximum(codes, 1), codes)

    def _alone(self) -> list[np.ndarray]:
        """Rows of each code, by part."""
        return np.split(self.counts_, np.cumsum([p.size for p in self.codebook_.parts])[:-1])

    def _alone_sigma(self, allowance: Allowance, rho: float) -> float:
        """About the deviation of a count of one column alone."""
        return allowance.most * math.sqrt(len(self.codebook_.parts) / (2 * rho))

    def _most_groups(self, sigma: float, total: float) -> int:
        """So many groups that noise of deviation `sigma` leaves a pair of columns something to tell."""
        return int(min(self.settings.groups, max(math.sqrt(total / max(NOISE_A_CELL * sigma, 1e-9)), FEWEST_GROUPS)))

    def _in_groups(self, k: int, sigma: float) -> Measured:
        """The counts of part `k` alone, by group; noise of deviation `sigma` is in every code of it."""
        from lookalike.models._junction import Measured

        first, last = self.groups_.spans[k]
        of = self.groups_.of[first:last]
        counts = np.bincount(of, weights=self.counts_[first:last])
        return Measured((k,), counts, sigma * math.sqrt(np.bincount(of).max()) if sigma > 1 else 1.0)

    def _weights(self) -> np.ndarray:
        """float64 [parts]: how much marginals with each part matter."""
        return np.array([AIMED if p.column == self.settings.target else 1.0 for p in self.codebook_.parts])

    def _statement(self, allowance: Allowance) -> dict[str, Any]:
        """What is promised of this fit."""
        from lookalike.privacy.statement import state

        made = state(
            allowance,
            covered=[
                "counts of every column alone",
                "the choice of marginals",
                "the counts of marginals",
                "all that is drawn from the model",
            ],
            public=["names and order of columns, kinds, formats, declared levels and bounds", "the settings of the model"],
            uncovered=["how the file is written: delimiter and quotes"],
            numerics="whole numbers: exact discrete Gaussian noise, and an exact noisy maximum",
            accountant="zCDP",
            rows="not told: a noisy count stands for it",
        )
        return made.to_json()
