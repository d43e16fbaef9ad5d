"""What one column owes to others exactly: a level that follows from another column's, a number that equals an expression of others.

A *lookup* gives the code of a column from the code of one other. A *tie* says that a number equals another one, a line of it, or the
sum, difference, product or ratio of two, in some rows or in all; where it holds, the value is computed instead of drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ALWAYS = 0.98
"""An expression of two columns, or a line, must hold in this share of the rows; equality may hold in fewer."""
PARTLY = 0.01
FEWEST = 30
"""Rows in which an equality must hold that shared values alone do not explain."""
SUPPORT = 5
"""Rows for each level of the column that decides, on average, for a lookup to be more than chance."""
PROBE = 3_000
FEW = 100
"""Rows on which pairs of columns are tried first."""
MOST_TIES = 4
SHARED, FEW_SHARED, MOST_SHARED = 0.05, 20, 30
"""Rows in which a number must be the same share of another; values that both must have; how many of the nearest columns are tried."""


@dataclass(frozen=True)
class Tie:
    """`form` of the numbers in columns `of`, times `a` plus `b`, rounded to `decimals` (None: not rounded)."""

    form: str
    of: tuple[int, ...]
    a: float = 1.0
    b: float = 0.0
    decimals: int | None = None

    def value(self, numbers: Mapping[int, np.ndarray]) -> np.ndarray:
        """float64 [n]: what the tie gives; NaN where a number is missing."""
        with np.errstate(all="ignore"):
            made = self.a * FORMS[self.form](*(numbers[c] for c in self.of)) + self.b
        made = np.where(np.isfinite(made), made, np.nan)
        return made if self.decimals is None else np.round(made, self.decimals) + 0.0


FORMS: dict[str, Callable[..., np.ndarray]] = {
    "same": lambda x: x,
    "sum": lambda x, y: x + y,
    "difference": lambda x, y: x - y,
    "product": lambda x, y: x * y,
    "ratio": lambda x, y: x / y,
}


COMMUTATIVE = frozenset({"sum", "product"})


def find_ties(y: np.ndarray, drawn: np.ndarray, earlier: Mapping[int, np.ndarray], decimals: int | None) -> list[Tie]:
    """Ties that explain `y` (float64 [n], NaN is missing) by `earlier` columns, best first.

    drawn: bool [n]: rows whose value is not one that many rows share (two columns that are both 0 are not tied by that).
    """
    rows = np.flatnonzero(~np.isnan(y))
    if len(rows) < FEWEST or not earlier:
        return []
    rows = rows[:: max(1, len(rows) // PROBE)]
    probe = {c: x[rows] for c, x in earlier.items()}
    for tie in [*_lines(y[rows], probe, decimals), *_pairs(y[rows], probe, decimals)]:
        if _holds(tie, y, earlier, decimals).mean(where=~np.isnan(y)) >= ALWAYS:
            return [tie]
    same = {c: Tie("same", (c,), decimals=decimals) for c in earlier}
    equal = sorted(((int((_holds(t, y, earlier, decimals) & drawn).sum()), c) for c, t in same.items()), reverse=True)
    least = max(FEWEST, PARTLY * (~np.isnan(y)).sum())
    held = [same[c] for count, c in equal[:MOST_TIES] if count >= least]
    return [*held, *_shares(y, earlier, decimals)][:MOST_TIES]


def match(ties: Sequence[Tie], y: np.ndarray, numbers: Mapping[int, np.ndarray], decimals: int | None) -> np.ndarray:
    """int64 [n]: the first tie that holds in each row, -1 where none does."""
    found = np.full(len(y), -1)
    for k in range(len(ties) - 1, -1, -1):
        found[_holds(ties[k], y, numbers, decimals)] = k
    return found


def find_lookups(codes: np.ndarray, sizes: Sequence[int], order: Sequence[int]) -> tuple[list[int], dict[int, int]]:
    """Which parts follow from one other: `(order, {part: the part that decides it})`, in an order in which the deciding comes first.

    codes: uint16 [parts, n]. Where two parts decide each other, the first in `order` is taken to decide.
    """
    n = codes.shape[1]
    levels = {p: len(np.unique(codes[p])) for p in order}
    able = [p for p in order if 1 < levels[p] <= n // SUPPORT]
    decides = {
        (x, y) for x in able for y in able if x != y and levels[x] >= levels[y] and _decides(codes[x], codes[y], sizes[y], levels[x])
    }
    arranged = list(order)
    for y in order:
        above = [x for x in able if (x, y) in decides]
        before = [x for x in above if arranged.index(x) < arranged.index(y)]
        later = [x for x in above if (y, x) not in decides]
        if not before and later:
            arranged.remove(y)
            arranged.insert(arranged.index(min(later, key=levels.__getitem__)) + 1, y)
    found: dict[int, int] = {}
    for at, y in enumerate(arranged):
        above = [x for x in arranged[:at] if (x, y) in decides]
        if above:
            found[y] = min(above, key=levels.__getitem__)
    return arranged, found


def lookup_table(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """uint16 [size]: the code of `y` for each code of `x`; codes that never occur get the commonest."""
    table = np.full(size, np.bincount(y).argmax(), np.uint16)
    table[x] = y
    return table


def _decides(x: np.ndarray, y: np.ndarray, size: int, levels: int) -> bool:
    """Whether each level of `x` goes with one level of `y` only."""
    for rows in (FEW, len(x)):
        a, b = x[:rows], y[:rows]
        first = np.full(int(x.max()) + 1, -1, np.int64)
        first[a] = b
        if (first[a] != b).any():
            return False
    return levels > 1 and size > 1


def _holds(tie: Tie, y: np.ndarray, numbers: Mapping[int, np.ndarray], decimals: int | None) -> np.ndarray:
    """bool [n]: rows in which `y` is what the tie gives, up to the rounding of the source."""
    unit = 0.0 if decimals is None or tie.form == "same" else 0.5001 * 10.0**-decimals
    with np.errstate(invalid="ignore"):
        return np.abs(tie.value(numbers) - y) <= np.maximum(unit, 1e-12 * np.abs(y))


def _lines(y: np.ndarray, earlier: Mapping[int, np.ndarray], decimals: int | None) -> list[Tie]:
    """Lines that may hold always, best first."""
    found = []
    for c, x in earlier.items():
        both = ~np.isnan(x) & ~np.isnan(y)
        if both.sum() < FEWEST or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
            continue
        a, b = np.polyfit(x[both] - x[both].mean(), y[both], 1)
        b -= a * x[both].mean()
        short = [Tie("same", (c,), float(f"{a:.{d}g}"), float(f"{b:.{d}g}") + 0.0, decimals) for d in (6, 12)]
        found += [t for t in short if _holds(t, y, earlier, decimals).mean() >= ALWAYS - 0.01][:1]
    return found


def _shares(y: np.ndarray, earlier: Mapping[int, np.ndarray], decimals: int | None) -> list[Tie]:
    """Shares of another number, such as four fifths of a price, that hold in many rows, much more than by chance; the commonest first."""
    found = []
    for c in list(earlier)[-MOST_SHARED:] if decimals else ():
        x = earlier[c]
        both = np.flatnonzero(~np.isnan(x) & ~np.isnan(y) & (x != 0))
        if len(both) < FEWEST or len(np.unique(x[both])) < FEW_SHARED or len(np.unique(y[both])) < FEW_SHARED:
            continue
        shares, count = np.unique(np.round(y[both] / x[both], 2), return_counts=True)
        for k in np.argsort(-count, kind="stable")[:MOST_TIES]:
            a = float(shares[k])
            if a in (0.0, 1.0) or count[k] < SHARED * len(both):
                continue
            tries = [Tie("same", (c,), a, 0.0, d) for d in (decimals, decimals - 1)]
            best = max(tries, key=lambda t: _holds(t, y, earlier, decimals).sum())
            held = _holds(best, y, earlier, decimals)[both].mean()
            other = np.roll(x[both], len(both) // 2)
            if held >= max(SHARED, 3 * _holds(best, y[both], {c: other}, decimals).mean()):
                found.append((held, best))
    return [tie for _, tie in sorted(found, key=lambda f: -f[0])]


def _pairs(y: np.ndarray, earlier: Mapping[int, np.ndarray], decimals: int | None) -> list[Tie]:
    """Sums, differences, products and ratios of two columns that may hold always; all of them are first tried on a few rows at once."""
    columns, step = list(earlier), max(1, len(y) // FEW)
    few = np.stack([earlier[c][::step] for c in columns])
    unit = 0.0 if decimals is None else 0.5001 * 10.0**-decimals
    found = []
    for form, function in FORMS.items():
        if form == "same":
            continue
        with np.errstate(all="ignore"):
            made = function(few[:, None], few[None])
            near = np.abs(made - y[::step]) <= np.maximum(unit, 1e-12 * np.abs(y[::step]))
        for p, q in np.argwhere(near.mean(axis=2) >= ALWAYS - 0.1):
            tie = Tie(form, (columns[p], columns[q]), decimals=decimals)
            if p != q and (p < q or form not in COMMUTATIVE) and _holds(tie, y, earlier, decimals).mean() >= ALWAYS - 0.01:
                found.append(tie)
    return found
