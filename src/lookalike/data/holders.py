"""Whose rows are, where a row is not one subject's: a product that a hundred customers bought is of all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Holders"]


@dataclass(frozen=True)
class Holders:
    """Which subjects hold each of `n` rows: pairs of a row's number and a subject's, int64 [p], sorted by row, each once.

    What only few hold is protected. Of such rows a value counts by the subjects that it is reached by or by the rows that have it,
    whichever is more.
    """

    n: int
    rows: np.ndarray
    subjects: np.ndarray

    @classmethod
    def of(cls, n: int, rows: np.ndarray, subjects: np.ndarray, *, most: int | None = None) -> Holders:
        """Of pairs int64 [p] in any order, with repetitions; of each row `most` of its subjects at most."""
        if not len(rows):
            return cls(n, np.zeros(0, np.int64), np.zeros(0, np.int64))
        width = int(subjects.max()) + 1
        rows, subjects = np.divmod(np.unique(rows.astype(np.int64) * width + subjects), width)
        if most is not None:
            first = np.searchsorted(rows, rows, side="left")
            many = np.bincount(rows, minlength=n)[rows]
            turn = np.arange(len(rows)) - first  # those kept lie evenly among the row's subjects
            kept = (many <= most) | ((turn + 1) * most // many > turn * most // many)
            rows, subjects = rows[kept], subjects[kept]
        return cls(n, rows, subjects)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, chosen: np.ndarray) -> Holders:
        """Of the rows that are chosen: bool [n], or numbers int64 [k] in any order."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        count = np.bincount(self.rows, minlength=self.n)
        first = np.cumsum(count) - count
        many = count[numbers]
        new = np.repeat(np.arange(len(numbers)), many)
        at = np.arange(len(new)) - np.repeat(np.cumsum(many) - many, many) + np.repeat(first[numbers], many)
        return Holders(len(numbers), new, self.subjects[at])
