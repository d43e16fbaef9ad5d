"""What a search for rules looks at: a sample of the rows as numbers and codes, and what chance would make of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lookalike.rules.cells import Cells
from lookalike.rules.language import decimals
from lookalike.schema import Column

SURE = 25.0
"""Minus the logarithm of how likely a rule may at most hold by chance, before the number of rules tried is counted in."""
MOST_LEVELS = 1_000
"""Distinct values of a column, at most, that it counts as levels; and no more than one for each `ROWS_A_LEVEL` rows."""
ROWS_A_LEVEL = 5


@dataclass(frozen=True)
class Candidate:
    """A rule as the search proposes it: text, kind, the columns in it, and the one that it is about."""

    text: str
    kind: str
    columns: tuple[str, ...]
    about: str


class Look:
    """A sample of rows. `slack`: share of the rows in which a rule may be broken."""

    def __init__(self, cells: Cells, columns: Iterable[Column], *, slack: float, protect: int, holders: np.ndarray | None) -> None:
        self.cells, self.columns = cells, tuple(columns)
        self.slack, self.protect, self.holders = slack, protect, holders
        self.named = {c.name: c for c in self.columns}

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.cells.rows

    @cached_property
    def numbers(self) -> dict[str, np.ndarray]:
        """{column: float64 [n]} of the numbers that have more than two values."""
        found = {c.name: self.cells.numbers(c.name) for c in self.columns if c.kind in ("integer", "number")}
        return {name: x for name, x in found.items() if _distinct(x, 3)}

    @cached_property
    def flags(self) -> dict[str, np.ndarray]:
        """{column: float64 [n]} of the columns that are 0 or 1, and both."""
        found = {c.name: self.cells.numbers(c.name) for c in self.columns if c.kind in ("integer", "number", "boolean")}
        return {name: x for name, x in found.items() if ((x == 0) | (x == 1) | np.isnan(x)).all() and (x == 0).any() and (x == 1).any()}

    @cached_property
    def levels(self) -> dict[str, tuple[np.ndarray, list[str]]]:
        """{column: (codes int64 [n], texts)} of the columns with few values for their rows."""
        found = {}
        for c in self.columns:
            if c.kind not in ("category", "boolean", "integer", "number"):
                continue
            codes, texts = self.cells.labels(c.name)
            used = np.unique(codes[codes >= 0])
            if 2 <= len(used) <= min(MOST_LEVELS, max(2, self.rows // ROWS_A_LEVEL)):
                moved = np.full(len(texts) + 1, -1, np.int64)
                moved[used] = np.arange(len(used))
                found[c.name] = moved[codes], [texts[k] for k in used]
        return found

    def unit(self, name: str) -> float:
        """How far apart two numbers may be that a rule about the column calls equal."""
        digits = decimals(self.named[name])
        return 0.0 if digits is None else 0.5000001 * 10.0**-digits

    def people(self, rows: np.ndarray) -> int:
        """How many subjects the rows (bool [n]) belong to."""
        return int(rows.sum()) if self.holders is None else len(np.unique(self.holders[rows]))

    def enough(self, broken: int, rows: int, chance: float, tried: int) -> bool:
        """Whether `broken` of `rows` is so few that chance, which breaks the rule in a share `chance` of them, does not explain it."""
        if rows <= 0 or chance <= 0 or broken > self.slack * rows:
            return False
        return rows * _divergence(broken / rows, min(chance, 1 - 1e-12)) > SURE + np.log(max(tried, 1))


def _divergence(seen: float, chance: float) -> float:
    """Kullback-Leibler divergence of two shares; 0 where as much or more is seen than by chance (Chernoff's bound on a binomial tail)."""
    if seen >= chance:
        return 0.0
    left = seen * np.log(seen / chance) if seen > 0 else 0.0
    return float(left + (1 - seen) * np.log((1 - seen) / (1 - chance)))


def _distinct(x: np.ndarray, least: int) -> bool:
    """Whether there are at least so many distinct numbers."""
    known = x[~np.isnan(x)]
    return len(np.unique(known[:2_000])) >= least or len(np.unique(known)) >= least


def close(a: np.ndarray, b: np.ndarray, unit: float) -> np.ndarray:
    """Bool: no further apart than rounding explains; true where either is unknown."""
    with np.errstate(all="ignore"):
        return ~(np.abs(a - b) > np.maximum(unit, 1e-9 * (np.abs(a) + np.abs(b))))
