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
    from lookalike.models._junction import Junction, Measured
    from lookalike.privacy.ledger import Allowance
    from lookalike.schema import Schema

__all__ = ["Marginals"]

ALONE = 0.3
"""Share of the budget that counts columns alone."""
NOISE_A_CELL = 1.0
"""Groups of a column are so many that a pair of columns has about this much noise in a cell, beside the rows in it."""
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
    `groups_` (int32 [codes], the group of each code in its part), `tree_` (the junction tree over groups), `beliefs_` (probabilities
    of each clique's cells), `privacy_` (what is promised, as JSON; None if nothing is).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS), private=True)

    schema: Schema
    codebook_: Codebook
    counts_: np.ndarray
    groups_: np.ndarray
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
        total = self._total()
        alone = self._alone()
        self.groups_ = self._grouped(looker.noise(len(alone)), total)
        ready = [self._in_groups(k, x, sigma) for k, x in enumerate(alone)]
        values = np.stack([g[c] for g, c in zip(self._per_part(self.groups_), codes, strict=True)]).astype(np.uint16)
        sizes = tuple(len(m.counts) for m in ready)
        largest = (s.largest, min(s.tree, max(int(CELLS_A_ROW * total), sum(sizes))))
        search = Search(values, sizes, total, looker, self._weights(), largest, ready)
        search.run(rng=rng, on_step=part(on_step, 0.2, 1))
        self.tree_, self.beliefs_ = search.tree, search.beliefs
        self.privacy_ = None if allowance is None else self._statement(allowance)
        on_step(Step(1, 1, "done"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows: groups from the tree, codes within groups as often as they were counted, positions inside cells evenly."""
        from lookalike.data import Dataset
        from lookalike.encode import Coded
        from lookalike.models._junction import pick

        rows = self.tree_.draw(self.beliefs_, n, rng)
        codes = np.empty((len(self.codebook_.parts), n), np.uint16)
        for k, (groups, counts) in enumerate(zip(self._per_part(self.groups_), self._alone(), strict=True)):
            inside = np.where(groups == np.arange(groups.max() + 1)[:, None], np.maximum(counts, 0), 0.0)
            codes[k] = pick(_filled(inside, groups), rows[:, k], rng)
        made = self.codebook_.decode(Coded(codes, rng.random((len(self.codebook_.books), n), dtype=np.float32)), start=start)
        return Dataset.from_arrow({self.schema.table.name: made}, self.schema)

    def log_prob(self, data: Dataset) -> np.ndarray:
        """float64 [n]: log of the probability that a row drawn has the cells of each row of `data`; −1e9 or less if it cannot be drawn."""
        codes = self.codebook_.encode(data.table()).codes
        groups = self._per_part(self.groups_)
        rows = np.stack([g[c] for g, c in zip(groups, codes, strict=True)], axis=1)
        found = self.tree_.log_prob(self.beliefs_, rows)
        for g, counts, mine in zip(groups, self._alone(), codes, strict=True):
            share = counts / np.maximum(np.bincount(g, weights=counts), 1e-300)[g]
            found += np.log(np.maximum(share, 1e-300))[mine]
        return np.maximum(found, -1e9)

    def state(self) -> State:
        """Codebook, cliques and what is promised as JSON; counts, groups and probabilities as arrays."""
        tree = {"cliques": [list(c) for c in self.tree_.cliques], "parents": list(self.tree_.parents), "sizes": list(self.tree_.sizes)}
        arrays = {f"clique.{k}": b.astype(np.float32) for k, b in enumerate(self.beliefs_)}
        card = {"codebook": self.codebook_.to_json(), "tree": tree, "privacy": self.privacy_}
        return State(card=card, arrays=arrays | {"counts": self.counts_, "groups": self.groups_})

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.encode import Codebook
        from lookalike.models._junction import Junction

        self.schema = schema
        self.codebook_ = Codebook.from_json(state.card["codebook"], schema.table)
        tree = state.card["tree"]
        self.tree_ = Junction(tuple(tree["sizes"]), tuple(tuple(c) for c in tree["cliques"]), tuple(tree["parents"]))
        self.beliefs_ = [state.arrays[f"clique.{k}"].astype(np.float64) for k in range(len(self.tree_.cliques))]
        self.counts_, self.groups_ = state.arrays["counts"], state.arrays["groups"]
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

    def _per_part(self, array: np.ndarray) -> list[np.ndarray]:
        """An array over all codes as one view for each part."""
        return np.split(array, np.cumsum([p.size for p in self.codebook_.parts])[:-1])

    def _alone(self) -> list[np.ndarray]:
        """Rows of each code, by part."""
        return self._per_part(self.counts_)

    def _total(self) -> float:
        """Rows, as far as is known: those of any part."""
        return max(float(self._alone()[0].sum()), 1.0)

    def _alone_sigma(self, allowance: Allowance, rho: float) -> float:
        """About the deviation of a count of one column alone."""
        return allowance.most * math.sqrt(len(self.codebook_.parts) / (2 * rho))

    def _grouped(self, sigma: float, total: float) -> np.ndarray:
        """int32 [codes]: the group of each code; so many groups that noise of deviation `sigma` leaves pairs something to tell."""
        wanted = math.sqrt(total / max(NOISE_A_CELL * sigma, 1e-9))
        most = int(min(self.settings.groups, max(wanted, FEWEST_GROUPS)))
        parts = zip(self.codebook_.parts, self._alone(), strict=True)
        return np.concatenate([_groups(counts, ordered=p.ordered, most=most) for p, counts in parts]).astype(np.int32)

    def _in_groups(self, k: int, counts: np.ndarray, sigma: float) -> Measured:
        """The counts of part `k` alone, by group."""
        from lookalike.models._junction import Measured

        groups = self._per_part(self.groups_)[k]
        codes = np.bincount(groups).max() if sigma > 1 else 1
        return Measured((k,), np.bincount(groups, weights=counts), sigma * math.sqrt(codes))

    def _weights(self) -> np.ndarray:
        """float64 [parts]: how much marginals with each part matter."""
        return np.array([AIMED if p.column == self.settings.target else 1.0 for p in self.codebook_.parts])

    def _statement(self, allowance: Allowance) -> dict[str, Any]:
        """What is promised of this fit."""
        from lookalike.privacy.statement import state

        each = allowance.most
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
            bound=None if allowance.unit == "row" else f"at most {each} row{'s' * (each > 1)} of one {allowance.unit}, chosen at random",
        )
        return made.to_json()


def _groups(counts: np.ndarray, *, ordered: bool, most: int) -> np.ndarray:
    """int64 [codes]: groups of about equal mass, at most `most`.

    Code 0, missing, is a group of its own if it has rows, and else never drawn. ordered: neighbours go together, and a code heavier than
    a group is one by itself. Otherwise the heaviest levels stay alone and all others are one group.
    """
    mass = np.maximum(counts, 0)
    first = int(mass[0] > 0 or len(mass) == 1)
    rest, room = mass[1:], max(most - first, 1)
    if len(rest) <= room:
        there = np.arange(len(rest))
    elif ordered:
        there = _stretches(rest, room)
    else:
        there = np.empty(len(rest), np.int64)
        there[np.argsort(-rest, kind="stable")] = np.minimum(np.arange(len(rest)), room - 1)
    return np.append(0, np.unique(there, return_inverse=True)[1] + first)


def _stretches(mass: np.ndarray, most: int) -> np.ndarray:
    """int64 [codes], rising: at most `most` stretches of about equal mass; heavier codes are alone, and share no stretch."""
    heavy = mass > mass.sum() / most
    while True:
        stretches = max(most - 2 * int(heavy.sum()), 1)
        more = ~heavy & (mass > mass[~heavy].sum() / stretches)
        if not more.any() or 2 * int((heavy | more).sum()) >= most:
            break
        heavy |= more
    light = np.where(heavy, 0.0, mass)
    at = np.floor((np.cumsum(light) - light / 2) / max(light.sum(), 1e-9) * stretches).astype(np.int64)
    new = np.diff(at, prepend=at[0]) != 0
    new |= heavy | np.append(False, heavy[:-1])
    return np.cumsum(new)


def _filled(inside: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The same shares, where a group without any gets the same for all of its codes."""
    empty = inside.sum(axis=1) <= 0
    same = (groups == np.arange(len(inside))[:, None]).astype(np.float64)
    same[:, 0] *= np.bincount(groups)[groups[0]] == 1  # missing is drawn only where it is a group of its own
    return np.where(empty[:, None], same, inside)
