"""Which row each child names: of the group drawn for it, as often as each row is meant to be named, and not twice where it may not.

Rows are taken in proportion to how often they are meant to be named by systematic sampling, so that each comes that often up to one. What
may not be named twice by one family is exchanged with other children of the same group, which leaves those counts as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["assign", "mixed", "repeated"]

CROWDED = 2.0
"""How much more often than meant the rows of a group may be named before others are named in their stead."""
SWAPS = 40
"""Rounds of exchanges before rows are sought anew."""
SEARCHES = 60
"""Rows tried in vain for a child that must not name one twice, in each of the ever wider groups."""


def assign(
    groups: Sequence[tuple[np.ndarray, np.ndarray]],
    degree: np.ndarray,
    *,
    rng: np.random.Generator,
    family: np.ndarray | None = None,
    once: bool = False,
) -> np.ndarray:
    """int64 [m]: the row that each child names, -1 where there is none for it.

    groups: the group of each child int64 [m] (below 0: names none) and of each row int64 [k]; then wider groups, for children whose own
    has no row left. degree: float [k], how often each row is meant to be named. family: int64 [m], children of one family name different
    rows. once: no row is named twice at all.
    """
    found = np.full(len(groups[0][0]), -1, np.int64)
    used, left = np.zeros(len(degree), bool), np.maximum(degree.astype(np.float64), 0.0)
    left *= (groups[0][0] >= 0).sum() / max(left.sum(), 1e-9)
    for k, (of_child, of_row) in enumerate(groups):
        want = np.flatnonzero((found < 0) & (of_child >= 0))
        able = np.flatnonzero(~used)
        if not len(want) or not len(able):
            break
        if not once and k < len(groups) - 1:
            want = _room(want, of_child, of_row, left, rng)
        found[want] = _systematic(of_child[want], of_row[able], (degree if once else left)[able], once, rng)
        found[want] = np.where(found[want] >= 0, able[found[want]], -1)
        if once:
            used[found[found >= 0]] = True
        else:
            left = np.maximum(left - np.bincount(found[want[found[want] >= 0]], minlength=len(left)), 0.0)
    if family is not None and not once:
        _apart(found, groups, family, rng)
    return found


def _room(want: np.ndarray, of_child: np.ndarray, of_row: np.ndarray, left: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Those of the children `want` for whom there is room in their group; where many more ask than rows are to be named, some at random.

    Groups without any room are left to `_systematic`: their rows are named none the less, if there are any.
    """
    size = int(max(of_child.max(initial=0), of_row.max(initial=0))) + 1
    room = np.bincount(of_row[of_row >= 0], left[of_row >= 0], minlength=size)
    asked = np.bincount(of_child[want], minlength=size)
    share = np.minimum(1.0, (CROWDED * room + 1) / np.maximum(asked, 1))
    return want[rng.random(len(want)) < share[of_child[want]]]


def _systematic(of_child: np.ndarray, of_row: np.ndarray, degree: np.ndarray, once: bool, rng: np.random.Generator) -> np.ndarray:
    """int64 [m]: rows in proportion to their degree, group by group; -1 where a group has none, or (`once`) none left."""
    rows = mixed(of_row, rng)
    names, first, many = np.unique(of_row[rows], return_index=True, return_counts=True)
    weight = np.maximum(degree[rows].astype(np.float64), 0.0)
    children = mixed(of_child, rng)
    at = np.searchsorted(names, of_child[children])
    there = (at < len(names)) & (names[np.minimum(at, len(names) - 1)] == of_child[children])
    children, at = children[there], at[there]
    wanted = np.bincount(at, minlength=len(names))
    rank = np.arange(len(at)) - (np.cumsum(wanted) - wanted)[at]
    place = np.repeat(np.arange(len(names)), many)
    total = np.bincount(place, weight, minlength=len(names))
    if once:
        weight = np.minimum(weight, 1.0)
        total = np.bincount(place, weight, minlength=len(names))
    flat = (total <= 0) | (once & (wanted > total))
    weight = np.where(flat[place], 1.0, weight)
    total = np.bincount(place, weight, minlength=len(names))
    kept = rank < many[at] if once else np.ones(len(at), bool)
    children, at, rank = children[kept], at[kept], rank[kept]
    wanted = np.minimum(wanted, many) if once else wanted
    upto = np.concatenate([[0.0], np.cumsum(weight)])
    point = upto[first][at] + (rank + rng.random(len(names))[at]) / np.maximum(wanted, 1)[at] * total[at]
    chosen = np.clip(np.searchsorted(upto[1:], point, side="right"), first[at], first[at] + many[at] - 1)
    found = np.full(len(of_child), -1, np.int64)
    found[children] = rows[chosen]
    return found


def mixed(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int64: numbers sorted by group, in random order within each."""
    order = rng.permutation(len(group))
    return order[np.argsort(group[order], kind="stable")]


def repeated(family: np.ndarray, row: np.ndarray) -> np.ndarray:
    """bool [m]: children that name a row which an earlier one of their family names; those that name none (-1) do not."""
    there = np.flatnonzero(row >= 0)
    order = there[np.lexsort((there, row[there], family[there]))]
    again = (family[order][1:] == family[order][:-1]) & (row[order][1:] == row[order][:-1])
    out = np.zeros(len(row), bool)
    out[order[1:][again]] = True
    return out


def _apart(found: np.ndarray, groups: Sequence[tuple[np.ndarray, np.ndarray]], family: np.ndarray, rng: np.random.Generator) -> None:
    """Let no family name a row twice: exchange, then seek in ever wider groups, then name none (-1)."""
    of_child = groups[0][0]
    order = mixed(of_child, rng)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    _, first, many = np.unique(of_child[order], return_index=True, return_counts=True)
    start, size = np.repeat(first, many), np.repeat(many, many)
    for _ in range(SWAPS):
        bad = np.flatnonzero(repeated(family, found))
        if not len(bad):
            return
        at = place[bad]
        other = order[start[at] + (rng.random(len(bad)) * size[at]).astype(np.int64)]
        both = np.concatenate([bad, other])
        single = np.isin(both, np.flatnonzero(np.bincount(both, minlength=len(found)) == 1)).reshape(2, -1).all(0)
        bad, other = bad[single & (found[other] >= 0)], other[single & (found[other] >= 0)]
        found[bad], found[other] = found[other], found[bad]
    for child, row in groups:
        rows = mixed(row, rng)
        names, start, size = np.unique(row[rows], return_index=True, return_counts=True)
        for _ in range(SEARCHES):
            bad = np.flatnonzero(repeated(family, found))
            if not len(bad):
                return
            at = np.minimum(np.searchsorted(names, child[bad]), len(names) - 1)
            found[bad] = np.where(names[at] == child[bad], rows[start[at] + (rng.random(len(bad)) * size[at]).astype(np.int64)], found[bad])
    found[repeated(family, found)] = -1
