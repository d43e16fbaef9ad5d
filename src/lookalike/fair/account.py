"""What a repair did to drawn rows, counted so that blocks of rows add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.fair.transport import FEWEST_HERE

YES = ("= true", "= yes")
"""Ends of what is said of an outcome that is named rather than its opposite."""


@dataclass(frozen=True)
class Counts:
    """rows [strata, groups]; sums of each label's hits (of a number, of its values) [labels, strata, groups] before and after; cells."""

    rows: np.ndarray
    before: np.ndarray
    after: np.ndarray
    changed: int
    cells: int

    @classmethod
    def of(
        cls, hits: tuple[np.ndarray, np.ndarray], group: np.ndarray, stratum: np.ndarray, *, size: tuple[int, int], cells: int
    ) -> Counts:
        """From hits [labels, n] before and after, of the rows in groups that are repaired; `cells`: of all rows."""
        at, length = stratum * size[1] + group, size[0] * size[1]
        before, after = (np.stack([np.bincount(at, h, minlength=length).reshape(size) for h in side]) for side in hits)
        changed = int((hits[0] != hits[1]).any(0).sum())
        return cls(np.bincount(at, minlength=length).reshape(size), before, after, changed, cells)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rows + other.rows,
            self.before + other.before,
            self.after + other.after,
            self.changed + other.changed,
            self.cells + other.cells,
        )

    def worst(self, said: tuple[str, ...]) -> int:
        """The label whose greatest difference was greatest; of two alike, the one that says yes, or the rarer."""
        gaps = [difference(hits, self.rows) for hits in self.before]
        return max(range(len(said)), key=lambda i: (round(gaps[i], 6), said[i].lower().endswith(YES), -float(self.before[i].sum())))

    def groups(self, label: int, texts: tuple[str, ...]) -> list[dict[str, Any]]:
        """Rows of each group, and its rate (or mean) before and after; None where it has no rows."""
        rows, was, now = self.rows.sum(0), self.before[label].sum(0), self.after[label].sum(0)
        return [
            {"group": text, "rows": int(n), "before": float(w / n) if n else None, "after": float(v / n) if n else None}
            for text, n, w, v in zip(texts, rows, was, now, strict=True)
        ]


def difference(hits: np.ndarray, rows: np.ndarray) -> float:
    """Greatest less least rate of the groups; from hits and rows [strata, groups].

    With strata it is the rate above that of all who are in the same stratum, over all of a group's rows: differences of single small cells
    would be chance. Groups of fewer than 25 rows are left out.
    """
    kept = rows.sum(0) >= FEWEST_HERE
    if kept.sum() < 2:
        return 0.0
    hits, rows = hits[:, kept], rows[:, kept]
    usual = hits.sum(1, keepdims=True) / np.maximum(rows.sum(1, keepdims=True), 1)
    return float(np.ptp((hits - rows * usual).sum(0) / rows.sum(0)))
