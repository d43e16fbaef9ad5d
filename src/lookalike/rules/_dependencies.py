"""Dependencies of levels, found: a column that another decides, groups of columns of which one is 1, columns that identify a row."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from lookalike.rules.language import quoted
from lookalike.rules.look import SURE, Candidate, Look

FEW = 500
"""Rows on which all pairs are tried first."""
COMMON = 20.0
"""Pairs of rows with the same values, at least, that chance would make among columns that are said to be unique."""
MOST_UNIQUE = 40
"""Columns that are looked at two at a time for what identifies a row."""


def dependencies(look: Look, copies: set[str]) -> list[Candidate]:
    """`combination(x, y)` where a level of x goes with one level of y only; chains are told link by link."""
    levels = {n: v for n, v in look.levels.items() if n not in copies}
    decides = {(x, y) for x in levels for y in levels if x != y and _decides(look, *levels[x], *levels[y], len(levels) ** 2)}
    leader: dict[str, str] = {}
    for x in levels:  # columns that decide each other are one
        leader[x] = next((z for z in leader.values() if (x, z) in decides and (z, x) in decides), x)
    found = []
    for x in levels:
        if leader[x] != x:
            found.append(_combined(leader[x], x))
    heads = [x for x in levels if leader[x] == x]
    below = {(x, y) for x, y in decides if x in heads and y in heads}
    for x, y in sorted(below, key=lambda p: (heads.index(p[0]), heads.index(p[1]))):
        if not any((x, z) in below and (z, y) in below for z in heads if z not in (x, y)):
            found.append(_combined(x, y))
    return found


def _combined(x: str, y: str) -> Candidate:
    return Candidate(f"combination({quoted(x)}, {quoted(y)})", "combination", (x, y), x)


def _decides(look: Look, x: np.ndarray, xs: list[str], y: np.ndarray, ys: list[str], tried: int) -> bool:
    """Whether each level of x has one level of y, and chance would hardly make it so."""
    if len(xs) < len(ys):
        return False
    for rows in (FEW, len(x)):
        a, b = x[:rows], y[:rows]
        known = (a >= 0) & (b >= 0)
        a, b = a[known], b[known]
        first = np.full(len(xs), -1, np.int64)
        first[a[::-1]] = b[::-1]
        if (first[a] != b).mean() > look.slack + (0.02 if rows == FEW and look.slack else 0) if len(a) else True:
            return False
    share = np.bincount(b, minlength=len(ys)) / len(b)
    counts, times = np.unique(np.bincount(a, minlength=len(xs)), return_counts=True)
    many = counts > 1
    if not many.any() or (share > 0).sum() < 2:
        return False
    with np.errstate(divide="ignore"):
        same = np.log((share[None] ** counts[many][:, None]).sum(axis=1))  # of all rows of a level to have the same y
    same = np.maximum(same, np.log(share.max()) * counts[many])
    return float((times[many] * same).sum()) < -SURE - np.log(tried)


def groups(look: Look) -> list[Candidate]:
    """Columns of 0 and 1 of which exactly one is 1 in each row."""
    flags = {n: x for n, x in look.flags.items() if not np.isnan(x).any()}
    names, found, used = list(flags), [], set()
    if len(names) < 3:
        return []
    x = np.stack([flags[n] for n in names])
    apart = (x @ x.T) <= look.slack * look.rows
    for start in range(len(names)):
        if names[start] in used:
            continue
        group, total = [start], x[start].copy()
        for other in range(start + 1, len(names)):
            if names[other] not in used and apart[other, group].all():
                group.append(other)
                total = total + x[other]
                if len(group) >= 3 and (total != 1).mean() <= look.slack:
                    break
        if len(group) >= 3 and (total != 1).mean() <= look.slack and _beyond_chance(look, x[group], int((total != 1).sum())):
            chosen = tuple(names[g] for g in group)
            used |= set(chosen)
            found.append(Candidate(f"onehot({', '.join(map(quoted, chosen))})", "one-hot", chosen, chosen[0]))
    return found


def _beyond_chance(look: Look, x: np.ndarray, broken: int) -> bool:
    """Whether columns that know nothing of each other would often have none or several ones in a row."""
    p = x.mean(axis=1)
    none = np.prod(1 - p)
    one = float(none * (p / (1 - p)).sum())
    return look.enough(broken, look.rows, 1 - one, len(look.flags) ** 2)


def uniques(look: Look) -> list[Candidate]:
    """One or two columns in which no two rows agree, though chance would make many agree. Keys are unique anyhow, and not named."""
    able, single = [], []
    for c in look.columns:
        if c.kind in ("category", "integer", "date", "text", "boolean", "datetime"):
            codes = look.cells.labels(c.name)[0]
            if (codes < 0).any():
                continue
            counts = np.bincount(codes)
            agree = float((counts * (counts - 1.0)).sum() / (look.rows * (look.rows - 1.0)))  # of two rows
            if counts.max() == 1:
                values = look.cells.numbers(c.name) if c.kind == "integer" else None
                if values is not None and look.rows**2 / 2 / (np.ptp(values) + 1) > COMMON:
                    single.append(Candidate(f"unique({quoted(c.name)})", "unique", (c.name,), c.name))
                continue
            able.append((c.name, codes, agree))
    pairs = []
    for (a, x, p), (b, y, q) in combinations(able[:MOST_UNIQUE], 2):
        if p * q * look.rows**2 / 2 <= COMMON or x.max() + 1 == 1:
            continue
        key = x * (int(y.max()) + 1) + y
        if len(np.unique(key[:5_000])) < len(key[:5_000]) or len(np.unique(key)) < len(key):
            continue
        pairs.append(Candidate(f"unique({quoted(a)}, {quoted(b)})", "unique", (a, b), b))
    return [*single, *pairs]
