"""A Gaussian copula: columns are cuts of normal variables that hang together by their correlations alone. Quick, and right in each column.

Codes of a column are drawn by their shares exactly: spikes, heavy tails and missing values stay as they are. Levels without order are
halved where they differ, each halving with a variable of its own. Correlations are those of the uncut variables: what cutting hides of
them is made good. What three columns show only together, it cannot learn.
(Sklar 1959; Olsson 1979, polychoric correlation; Nelsen 2006; Patki et al. 2016, SDV; docs/decisions.md has what was tried.)
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.encode import Codebook, Coded
    from lookalike.models._latent import Cuts
    from lookalike.schema import Schema

__all__ = ["Copula"]

PIECE = 16_384
"""Rows drawn by one thread at a time, and rows learned from at a time."""
FEW = 16
"""Numbers with so many codes at most are taken as levels, whose order need not be that of what they go with."""
ENOUGH = 200
"""Rows for each such code; fewer would make an order of chance."""
PROFILED, TOLD = 20_000, 64
"""Rows, and the most frequent levels of each other column, by which levels are told apart."""


class Settings(BaseModel):
    """What can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variables: int = Field(
        32, ge=1, le=256, description="normal variables that a column of levels gets at most; 1 puts its levels in a row"
    )
    shrink: float = Field(
        1.0, ge=0, le=100, description="squared standard errors that a correlation must exceed; it is drawn towards none by their share"
    )
    protect: int = Field(5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are")
    cells: int = Field(256, ge=4, le=4_096, description="cells that a number or a moment is cut into at most")


class Copula:
    """A Gaussian copula over the parts of a codebook.

    Fitted attributes: `codebook_` (how cells become codes), `cuts_` (for each part, how normal variables are cut into its codes),
    `only_` (int64 [parts], the most frequent code, all there is where nothing is cut), `correlation_` (float64 [variables, variables]).
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    schema: Schema
    codebook_: Codebook
    cuts_: list[Cuts]
    only_: np.ndarray
    correlation_: np.ndarray

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Learn codebook, cuts and correlations; codes are read in batches and are all that is kept in memory."""
        from lookalike.encode import Codebook
        from lookalike.nets.rows import codes_of, counts_of

        s = self.settings
        self.schema = data.schema
        self.codebook_ = Codebook.measure_all(data, protect=s.protect, cells=s.cells, on_step=part(on_step, 0, 0.4))
        (codes,) = codes_of(data, self.codebook_, on_step=part(on_step, 0.4, 0.7))
        sizes, owners = [p.size for p in self.codebook_.parts], self.codebook_.owners
        counts = np.split(counts_of(codes, tuple(sizes)), np.cumsum(sizes)[:-1])
        for p in np.flatnonzero(owners[1:] == owners[:-1]) + 1:
            counts[p][0] = 0  # later parts of a column are missing where the first is
        self.only_ = np.array([np.argmax(c) for c in counts], np.int64)
        rows = rng.permutation(len(codes))[:PROFILED]
        self.cuts_ = self._parted(counts, codes[np.sort(rows)])
        on_step(Step(8, 10, "parting levels"))
        self._learn(codes)
        on_step(Step(1, 1, "correlations"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows; they are the same on any number of threads."""
        from lookalike.data import Dataset
        from lookalike.encode import Coded

        root = np.linalg.cholesky(self.correlation_).astype(np.float32)
        coded = Coded(np.empty((len(self.codebook_.parts), n), np.uint16), rng.random((len(self.codebook_.books), n), dtype=np.float32))
        seed = int(rng.integers(0, 1 << 62))

        def piece(low: int) -> None:
            here = slice(low, min(low + PIECE, n))
            free = np.random.default_rng([seed, low]).standard_normal((len(root), here.stop - low), dtype=np.float32)
            self._cut(root @ free, Coded(coded.codes[:, here], coded.inside[:, here]))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(piece, range(0, n, PIECE)))
        return Dataset.from_arrow({self.schema.table.name: self.codebook_.decode(coded, start=start)}, self.schema)

    def state(self) -> State:
        """The codebook as JSON, cuts and correlations as arrays."""
        arrays = {
            name: np.concatenate([np.zeros(0, np.int64), *(getattr(c, name) for c in self.cuts_)]) for name in ("goes", "mass", "first")
        }
        arrays |= {"nodes": np.array([c.nodes for c in self.cuts_], np.int64), "only": self.only_, "correlation": self.correlation_}
        return State(card={"codebook": self.codebook_.to_json()}, arrays=arrays)

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.encode import Codebook
        from lookalike.models._latent import Cuts

        self.schema, arrays = schema, state.arrays
        self.codebook_ = Codebook.from_json(state.card["codebook"], schema.table)
        self.only_, self.correlation_ = arrays["only"], arrays["correlation"]
        firsts = np.split(arrays["first"], np.cumsum(arrays["nodes"] + 1)[:-1])
        ends = np.cumsum([f[-1] for f in firsts])[:-1]
        goes, mass = np.split(arrays["goes"], ends), np.split(arrays["mass"], ends)
        self.cuts_ = [Cuts(g, m, f) for g, m, f in zip(goes, mass, firsts, strict=True)]
        for cuts, about in zip(self.cuts_, self.codebook_.parts, strict=True):
            cuts.check(about.size)
        return self

    def _parted(self, counts: list[np.ndarray], codes: np.ndarray) -> list[Cuts]:
        """Cuts of each part. counts: rows of each code. codes [rows, parts]: some rows, by which levels are told apart."""
        from lookalike.models._latent import halved, in_order

        parts, owners = self.codebook_.parts, self.codebook_.owners
        levels = [not q.ordered or (c > 0).sum() <= min(FEW, c.sum() / ENOUGH) for q, c in zip(parts, counts, strict=True)]
        cuts = [in_order(c) for c in counts]
        if not any(levels):
            return cuts
        features = []
        for p, (mine, count) in enumerate(zip(codes.T, counts, strict=True)):
            top = np.argsort(-count, kind="stable")[:TOLD]
            shown = (mine[:, None] == top[count[top] > 0]).astype(np.float32) if levels[p] else cuts[p].scores(parts[p].size)[0][mine]
            features.append(shown - shown.mean(axis=0))
        of = np.repeat(owners, [f.shape[1] for f in features])
        table = np.concatenate(features, axis=1)
        for p in np.flatnonzero(levels):
            profile = _means(table, codes[:, p], parts[p].size)[:, of != owners[p]]
            cuts[p] = halved(counts[p], profile, most=self.settings.variables)
        return cuts

    def _learn(self, codes: np.ndarray) -> None:
        """Correlations of the normal variables, from all rows of `codes` [n, parts]."""
        from lookalike.models._latent import correlation, nearest

        groups = np.repeat(np.arange(len(self.cuts_)), [c.nodes for c in self.cuts_])
        d = len(groups)
        self.correlation_ = np.eye(d)
        if d < 2:
            return
        tables = [c.scores(q.size) for c, q in zip(self.cuts_, self.codebook_.parts, strict=True)]
        sums = np.zeros((2 * d, 2 * d))
        for low in range(0, len(codes), PIECE):
            block = codes[low : low + PIECE].T
            known = np.concatenate([table[mine] for k in (0, 1) for table, mine in zip((t[k] for t in tables), block, strict=True)], axis=1)
            sums += known.T @ known
        both = np.maximum(sums[d:, d:], 1)  # rows that tell of both variables
        shift = sums[:d, d:] / both
        terms = np.array([told for c in self.cuts_ for _, told in c.told])
        found = correlation(sums[:d, :d] / both - shift * shift.T, terms)
        known = both * np.outer(terms[:, 0], terms[:, 0])  # one over the squared standard error
        found *= np.maximum(0, 1 - self.settings.shrink / np.maximum(known * found**2, 1e-9))
        np.fill_diagonal(found, 1)
        weight = np.where(np.equal.outer(groups, groups), 0.0, known)
        self.correlation_ = nearest(found, groups, weight=weight / max(weight.max(), 1e-9))

    def _cut(self, normal: np.ndarray, coded: Coded) -> None:
        """Fill `coded` from the normal variables [variables, n]; positions inside cells where a column has one part that is in order."""
        from scipy.special import ndtr, ndtri

        owners, base = self.codebook_.owners, 0
        single = np.bincount(owners, minlength=len(self.codebook_.books))[owners] == 1
        for p, cuts in enumerate(self.cuts_):
            codes = coded.codes[p]
            codes[:] = self.only_[p]
            todo = [(0, np.arange(normal.shape[1]))] if cuts.nodes else []
            while todo:
                node, rows = todo.pop()
                edges, goes, mine = cuts.edges(node), cuts.children(node), normal[base + node][rows]
                child = np.searchsorted(ndtri(edges[1:-1]).astype(np.float32), mine, side="right")
                codes[rows] = np.maximum(-1 - goes[child], 0)
                if single[p] and self.codebook_.parts[p].ordered and (goes < 0).all() and (np.diff(goes) < 0).all():
                    place = (ndtr(mine.astype(np.float64)) - edges[child]) / np.diff(edges)[child]
                    coded.inside[owners[p], rows] = np.clip(place, 0, 1 - 2**-24)
                todo += [(int(goes[k]), rows[child == k]) for k in np.flatnonzero(goes >= 0)]
            base += cuts.nodes
            if p and owners[p] == owners[p - 1]:
                codes[coded.codes[p - 1] == 0] = 0


def _means(table: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """float64 [size, features]: means of the rows of `table` with each code; 0 where there are none."""
    ends, sorted_ = np.cumsum(np.bincount(codes, minlength=size)), table[np.argsort(codes, kind="stable")]
    found = np.zeros((size, table.shape[1]))
    for code, (low, high) in enumerate(pairwise([0, *ends.tolist()])):
        if high > low:
            found[code] = sorted_[low:high].mean(axis=0)
    return found
