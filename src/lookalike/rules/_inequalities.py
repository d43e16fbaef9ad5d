"""Inequalities, found: one column is never above another, and that is no matter of course.

Two columns whose ranges hardly overlap are always in order, and that says nothing. An inequality counts if the columns, shuffled on
their own, would break it in many rows. Of numbers it counts only if the rows come up to the bound and stop there: if the gaps thin out
before they reach it, as those of columns that just go together do, the order is no rule. What others imply is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np

from lookalike.rules.language import quoted
from lookalike.rules.look import Candidate, Look

FEW = 2_000
"""Rows on which all pairs are tried first."""
TAIL, STOPPED = 100, 0.04
"""Smallest gaps that are looked at; share of as many, at least, that would lie beyond the bound if gaps went on as they come (an
exponential tail; Pickands 1975): 0.14 for gaps that are even down to the bound, 0.01 where the last of a smooth tail just meets it."""
OVERLAP = 0.01
"""Share of the rows, at least, in which columns that know nothing of each other would break the order."""
_GROUPS = {"integer": "number", "number": "number", "date": "moment", "datetime": "moment", "duration": "duration", "time": "time"}
_MOMENTS = frozenset(_GROUPS) - {"integer", "number"}


def inequalities(look: Look, identities: Sequence[Candidate]) -> list[Candidate]:
    """`a <= b`, or `a < b` where equal values would be common and there are none; not what follows from others."""
    given = _given(look, identities)
    copies = {c.about for c in identities if len(c.columns) == 2}
    numbers = {n for n in look.numbers if n not in copies}
    columns = [c for c in look.columns if c.name in numbers or (c.kind in _MOMENTS and c.name not in copies)]
    found: dict[tuple[str, str], bool] = {}
    for a, b in combinations(columns, 2):
        if _GROUPS[a.kind] != _GROUPS[b.kind]:
            continue
        x, y = look.cells.numbers(a.name), look.cells.numbers(b.name)
        if {a.kind, b.kind} == {"date", "datetime"}:
            x, y = (np.floor(v / 8.64e10) for v in (x, y))
        few = slice(None, None, max(1, look.rows // FEW))
        for low, high, u, v in ((a, b, x, y), (b, a, y, x)):
            if (u[few] > v[few]).mean() > 2 * look.slack:
                continue
            strict = _ordered(look, u, v, len(columns) ** 2)
            if strict is not None and (a.name not in look.numbers or _stops(u, v)):
                found[low.name, high.name] = strict
                break
    return [
        Candidate(f"{quoted(a)} {'<' if strict else '<='} {quoted(b)}", "inequality", (a, b), b)
        for (a, b), strict in found.items()
        if (a, b) not in given and not _implied(a, b, {*found, *given})
    ]


def _given(look: Look, identities: Sequence[Candidate]) -> set[tuple[str, str]]:
    """Orders of numbers that stand in one identity: a total is no less than its parts, as long as these are not below 0."""
    given = set()
    for identity in identities:
        for a, b in permutations((n for n in identity.columns if n in look.numbers), 2):
            if not (look.numbers[a] > look.numbers[b]).any():
                given.add((a, b))
    return given


def _ordered(look: Look, u: np.ndarray, v: np.ndarray, tried: int) -> bool | None:
    """Whether `u` is below `v` strictly (True) or not (False) in all rows; None if it is not, or if that says nothing."""
    a, b = _telling(u, v)
    rows = len(a)
    if not rows:
        return None
    broken = int((a > b).sum())
    lower = np.sort(b)
    above, equal = (1 - np.searchsorted(lower, a, side="right") / rows), np.searchsorted(lower, a) / rows
    chance = float(np.searchsorted(lower, a, side="left").mean() / rows)  # of b below a
    ties = float(1 - above.mean() - equal.mean())
    if chance < OVERLAP or not look.enough(broken, rows, chance, tried):
        return None
    return not (a == b).any() and ties * rows > 100


def _telling(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows in which both are known, without those in which both are one and the same common value, such as 0 or a mark."""
    known = ~(np.isnan(u) | np.isnan(v))
    a, b = u[known], v[known]
    values, counts = np.unique(a[a == b], return_counts=True)
    if len(values) and 2 * counts.max() > counts.sum() and counts.max() > 1:
        kept = ~((a == b) & (a == values[counts.argmax()]))
        a, b = a[kept], b[kept]
    return a, b


def _stops(u: np.ndarray, v: np.ndarray) -> bool:
    """Whether the gaps of `v` above `u`, taken relative to the greater if neither is below 0, come up to 0 and stop there."""
    a, b = _telling(u, v)
    gap = b - a
    if (a >= 0).all() and (b >= 0).all():
        gap = gap[b > 0] / b[b > 0]
    k = min(TAIL, len(gap) // 20)
    if k < 2:
        return False
    least = np.sort(np.partition(gap, k)[: k + 1])
    beyond = float((least[-1] - least[:-1]).mean())
    return (beyond <= 0 and least[-1] <= 0) or (beyond > 0 and np.exp(-max(least[-1], 0) / beyond) >= STOPPED)


def _implied(a: str, b: str, found: set[tuple[str, str]]) -> bool:
    """Whether `a <= b` follows from two others or more."""
    reached, front = {a}, [a]
    while front:
        here = front.pop()
        for low, high in found:
            if low == here and (low, high) != (a, b) and high not in reached:
                if high == b:
                    return True
                reached.add(high)
                front.append(high)
    return False
