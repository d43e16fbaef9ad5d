"""Each column alone: codes are drawn by how often they occur, with no tie between columns. The floor every other model must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lookalike.protocol import Can, OnStep, State, Step, part, quiet
from lookalike.schema import KINDS

if TYPE_CHECKING:
    from typing import Self

    from lookalike.data import Dataset
    from lookalike.encode import Codebook
    from lookalike.schema import Schema

__all__ = ["Independent"]


class Settings(BaseModel):
    """What can be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protect: int = Field(5, ge=1, le=1_000, description="values held by fewer subjects than this are not given out as they are")
    cells: int = Field(256, ge=4, le=4_096, description="cells that a number or a moment is cut into at most")


class Independent:
    """Draws every column on its own.

    Fitted attributes: `codebook_` (how cells become codes), `counts_` (int64, for each part of the codebook the number of rows with
    each code, one part after the other). A column's second and later parts are counted where its first is not missing.
    """

    can: ClassVar[Can] = Can(kinds=frozenset(KINDS))

    schema: Schema
    codebook_: Codebook
    counts_: np.ndarray

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)

    def fit(self, data: Dataset, *, rng: np.random.Generator, on_step: OnStep = quiet) -> Self:
        """Count codes in one pass over `data` after the pass that makes the codebook; `rng` is not needed."""
        import pyarrow as pa

        from lookalike.encode import Codebook

        self.schema = data.schema
        self.codebook_ = Codebook.measure_all(data, protect=self.settings.protect, cells=self.settings.cells, on_step=part(on_step, 0, 0.5))
        self.counts_ = np.zeros(sum(p.size for p in self.codebook_.parts), dtype=np.int64)
        counting, seen, rows = part(on_step, 0.5, 1), 0, data.rows
        for batch in data.batches():
            self._count(self.codebook_.encode(pa.Table.from_batches([batch])).codes)
            seen += batch.num_rows
            counting(Step(seen, rows, "counting"))
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        """Draw `n` rows."""
        from lookalike.data import Dataset
        from lookalike.encode import Coded

        codes = np.empty((len(self.codebook_.parts), n), dtype=np.uint16)
        for row, counts in zip(codes, self._split(), strict=True):
            row[:] = _draw(counts, rng.random(n))
        table = self.schema.table
        drawn = self.codebook_.decode(Coded(codes=codes, inside=rng.random((len(table.columns), n), dtype=np.float32)), start=start)
        return Dataset.from_arrow({table.name: drawn}, self.schema)

    def state(self) -> State:
        """The codebook as JSON, the counts as an array."""
        return State(card={"codebook": self.codebook_.to_json()}, arrays={"counts": self.counts_})

    def restore(self, schema: Schema, state: State) -> Self:
        """Become the model that `state` was taken from."""
        from lookalike.encode import Codebook

        self.schema = schema
        self.codebook_ = Codebook.from_json(state.card["codebook"], schema.table)
        self.counts_ = np.asarray(state.arrays["counts"], dtype=np.int64)
        return self

    def _count(self, codes: np.ndarray) -> None:
        """Add the rows of `codes` [parts, n] to the counts."""
        owners, there = self.codebook_.owners, np.ones(codes.shape[1], dtype=bool)
        for k, (row, counts) in enumerate(zip(codes, self._split(), strict=True)):
            first = k == 0 or owners[k] != owners[k - 1]
            there = row > 0 if first else there
            counts += np.bincount(row if first else row[there], minlength=len(counts))

    def _split(self) -> list[np.ndarray]:
        """`counts_` as one view for each part."""
        return np.split(self.counts_, np.cumsum([p.size for p in self.codebook_.parts])[:-1])


def _draw(counts: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Codes drawn by `counts`, at the quantiles `where` in [0, 1); 0 where nothing was counted."""
    upto = np.cumsum(counts)
    return np.searchsorted(upto, where * upto[-1], side="right") if upto[-1] else np.zeros(len(where), dtype=np.intp)
