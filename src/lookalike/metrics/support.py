"""Do the rows lie where real rows lie, and everywhere where real rows lie?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.near import EQUAL, fit, gaps, radii
from lookalike.compare.rows import canonical
from lookalike.compare.space import Space
from lookalike.compare.stats import BLOCKS, around, jackknife

BETTER = "higher"
ABOUT = About(
    title="Support",
    definition=(
        "Each row has a ball that reaches to its 5th nearest row of the same table. Precision: the share of the table's rows that lie "
        "in a ball of a real row. Coverage of neighbourhoods: the share of real rows whose ball holds one of the table's rows. "
        "Recall (share of real rows in a ball of the table's) and density are in the detail: recall grows when the table is "
        "scattered. Both tables have the same number of rows."
    ),
    source="Kynkäänniemi et al. 2019; Naeem et al. 2020 (as the package prdc, with rows at the same place inside the ball)",
    rank=82,
    area="diversity",
    quick=False,
    real_rows=6_000,
    rows=6_000,
    control_rows=6_000,
)
NEAREST = 5
LEAST = 100
TITLES = {"precision": "Precision (rows among real rows)", "neighbourhoods": "Coverage of neighbourhoods"}


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Two findings, `precision` and `neighbourhoods` (0 to 1); detail of the first has recall and density."""
    if not real.names or min(real.rows, other.rows) < LEAST:
        note = f"needs {LEAST} rows of each table and a column that can be compared"
        return [Finding(name=n, title=t, value=None, note=note) for n, t in TITLES.items()]
    space, rng = Space(real), context.rng
    n = fit(min(real.rows, other.rows), space, most=ABOUT.rows)
    a, b = (space.embed(_shuffled(canonical(f, scale=real), n, rng)) for f in (real, other))
    found = prdc(a, b, NEAREST)
    detail = {"rows": n, "nearest": NEAREST, "recall": round(found.recall, 4), "density": round(found.density, 4)}
    values = {"precision": found.precision(), "neighbourhoods": found.coverage()}
    return [
        Finding(name=name, title=TITLES[name], value=value, low=low, high=high, detail=detail if name == "precision" else {"rows": n})
        for name, (value, low, high) in values.items()
    ]


def _shuffled(frame: Frame, rows: int, rng: np.random.Generator) -> Frame:
    return frame.take(rng.permutation(frame.rows)[:rows])


@dataclass(frozen=True)
class Found:
    """Who lies in whose ball, by groups of rows: `inside` [other rows, real groups] and `reached` [other groups, real rows], both bool."""

    inside: np.ndarray
    reached: np.ndarray
    recall: float
    density: float

    def precision(self) -> tuple[float, float, float]:
        """Value and 95 % interval."""
        return _interval(self.inside)

    def coverage(self) -> tuple[float, float, float]:
        """Value and 95 % interval."""
        return _interval(self.reached.T)


def prdc(real: np.ndarray, other: np.ndarray, k: int) -> Found:
    """Precision, recall, density and coverage of points; a block of distances at a time."""
    real_radii, other_radii = radii(real, k) + EQUAL, radii(other, k) + EQUAL
    starts = _starts(len(real))
    inside = np.zeros((len(other), BLOCKS), bool)
    reached = np.zeros((BLOCKS, len(real)), bool)
    recalled, dense = np.zeros(len(real), bool), 0
    group = np.searchsorted(_starts(len(other)), np.arange(len(other)), side="right") - 1
    for rows, gap in gaps(other, real):
        within = gap <= real_radii
        dense += int(np.count_nonzero(within))
        inside[rows] = np.logical_or.reduceat(within, starts, axis=1)
        for g in np.unique(group[rows]):
            reached[g] |= within[group[rows] == g].any(0)
        recalled |= (gap <= other_radii[rows, None]).any(0)
    return Found(inside, reached, float(recalled.mean()), dense / (k * len(other)))


def _starts(rows: int) -> np.ndarray:
    """First row of each group; rows come in random order."""
    return np.arange(BLOCKS) * rows // BLOCKS


def _interval(hits: np.ndarray) -> tuple[float, float, float]:
    """Share of rows hit by any group; the error counts the drawing of these rows and of the groups that hit them."""
    times = hits.sum(1)
    value = float((times > 0).mean())
    groups = np.array([((times - hits[:, g]) > 0).mean() for g in range(BLOCKS)])
    rows = value * (1 - value) / len(hits)
    low, high = around(value, float(np.sqrt(jackknife(groups) ** 2 + rows)), least=0, most=1)
    return value, low, high
