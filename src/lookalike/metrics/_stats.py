"""What a metric says (`About`, `Finding`), what it is given (`Context`), and the intervals they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lookalike.metrics._frame import Frame

BLOCKS = 20
"""Groups of rows of the delete-a-group jackknife."""
Z = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class About:
    """A metric in words, and how the harness has to run it.

    `rank` orders metrics in a report, the least first.
    `against` names the real rows that take the place of `real`: those the model learned from, or those it never saw.
    `fresh`: the metric also reads `context.fresh`, real rows of the same law that are in neither table.
    `real_rows`, `rows` and `control_rows` cap the rows of the real table, of the synthetic table, and of the ceiling's and floor's.
    """

    title: str
    definition: str
    source: str
    unit: str = ""
    rank: int = 100
    against: Literal["train", "holdout"] = "train"
    fresh: bool = False
    real_rows: int = 100_000
    rows: int = 100_000
    control_rows: int = 100_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One quantity found: its 95 % interval, and JSON-able detail. A `value` of None was not computed; `note` says why."""

    name: str
    title: str = ""
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What a metric may use besides its two frames. `explain`: detail that costs time is wanted."""

    rng: np.random.Generator
    fresh: Frame | None = None
    target: str | None = None
    explain: bool = False


def blocks(rows: int, rng: np.random.Generator) -> np.ndarray:
    """A random group 0..BLOCKS-1 for each row, all of (nearly) the same size."""
    return rng.permutation(np.arange(rows) % BLOCKS)


def without(counts: np.ndarray) -> np.ndarray:
    """Shares with all rows (first) and with each group left out, from `counts` [groups, cells]; shape [groups + 1, cells]."""
    whole = counts.sum(0, keepdims=True)
    kept = np.concatenate([whole, whole - counts])
    return kept / np.maximum(kept.sum(tuple(range(1, kept.ndim)), keepdims=True), 1)


def jackknife(replicates: np.ndarray) -> np.ndarray:
    """Standard error from delete-a-group replicates along the first axis (Kott 2001)."""
    n = len(replicates)
    return np.sqrt((n - 1) / n * ((replicates - replicates.mean(0)) ** 2).sum(0))


def around(value: float, error: float, *, least: float = -np.inf, most: float = np.inf) -> tuple[float, float]:
    """Normal 95 % interval, clipped to what the quantity can be."""
    return float(max(least, value - Z * error)), float(min(most, value + Z * error))


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate."""
    if not rows:
        return 0.0, 1.0
    share, z2 = hits / rows, Z * Z
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = Z / (1 + z2 / rows) * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows * rows))
    # At the ends the root cancels `middle` only up to rounding; the bound itself is exact there.
    return (0.0 if hits == 0 else float(middle - half)), (1.0 if hits == rows else float(middle + half))


def auc(truth: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve and its standard error (DeLong 1988, by midranks as Sun & Xu 2014)."""
    from scipy.stats import rankdata

    yes, no = score[truth], score[~truth]
    m, n = len(yes), len(no)
    ranks = rankdata(np.concatenate([yes, no]))
    above = (ranks[:m] - rankdata(yes)) / n
    below = 1 - (ranks[m:] - rankdata(no)) / m
    error = np.sqrt((above.var(ddof=1) if m > 1 else 0.25) / m + (below.var(ddof=1) if n > 1 else 0.25) / n)
    return float(above.mean()), float(error)
