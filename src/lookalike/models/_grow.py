"""How one tree is grown: at each node the cut, along an ordered feature or between sets of a nominal one's levels, after which the
groups of the target are least mixed.

Entropies are reckoned in whole numbers: they are the same in whatever order rows and groups are added up, and so two features that cut
the same rows off are exactly as good.
"""

from __future__ import annotations

import numpy as np

from lookalike._compile import compiled
from lookalike.models._trees import LOOK, WORDS, goes_left, uniform

BLIND = 8
"""Nodes with at least 1/BLIND of the rows are cut even where no cut gains anything."""
NAT = 2.0**32
"""One nat, as entropies are reckoned."""
NONE = 1 << 62
"""More than any entropy: there is no cut."""
SHORT = 16
"""So many bins are arranged one by one, and merged with the next ones: sorting of others is slow to compile."""
ENTROPY, STEP, SEEN, TOTALS, PRESENT, BEST, PLACE, SORTED, LEFT, RIGHT, ALL = range(11)
"""Lines of one table, int64 [11, ≥ LOOK + 1], in which a cut is looked for. For numbers of rows: x·log x, and by how much it grows with one
more row; of rows: their bins, and their groups in the order of bins; of bins: how often each occurs, those that do, those of the best cut,
where the rows of each go; of groups: rows on either side, and all."""


@compiled
def _tally(X: np.ndarray, f: int, rows: np.ndarray, s: np.ndarray) -> int:
    """The bins that `rows` have of a feature into SEEN, how often each occurs into TOTALS; those that do into PRESENT; their number."""
    low, high, k = 255, 0, 0
    for i in range(rows.size):
        b = X[rows[i], f]
        s[SEEN, i] = b
        s[TOTALS, b] += 1
        low, high = min(low, b), max(high, b)
    for b in range(low, high + 1):
        if s[TOTALS, b] > 0:
            s[PRESENT, k] = b
            k += 1
    return k


@compiled
def _arrange(k: int, groups: np.ndarray, weights: np.ndarray, mean: np.ndarray, s: np.ndarray) -> None:
    """Sort the `k` bins of PRESENT by the mean weight of their rows' groups; bins of one mean keep their order.

    mean: float64 [256], scratch; so is SORTED.
    """
    present = s[PRESENT, :k]
    for b in present:
        mean[b] = 0
    for i in range(groups.size):
        mean[s[SEEN, i]] += weights[groups[i]]
    for b in present:
        mean[b] /= s[TOTALS, b]
    for low in range(0, k, SHORT):
        for q in range(low + 1, min(low + SHORT, k)):
            b, p = present[q], q
            while p > low and mean[present[p - 1]] > mean[b]:
                present[p] = present[p - 1]
                p -= 1
            present[p] = b
    width = SHORT
    while width < k:
        for low in range(0, k, 2 * width):
            i, j, middle, end = low, low + width, min(low + width, k), min(low + 2 * width, k)
            for q in range(low, end):
                first = i < middle and (j >= end or mean[present[i]] <= mean[present[j]])
                s[SORTED, q] = present[i if first else j]
                i, j = (i + 1, j) if first else (i, j + 1)
        for q in range(k):
            present[q] = s[SORTED, q]
        width *= 2


@compiled
def _by_bins(k: int, groups: np.ndarray, table: np.ndarray, leaf: int, s: np.ndarray) -> tuple[int, int]:
    """(remaining entropy × rows, bins that go left) of the best cut along PRESENT, by the cross table of bin × group.

    (NONE, 0) if no cut keeps `leaf` rows on each side.
    """
    for i in range(groups.size):
        table[s[SEEN, i], groups[i]] += 1
    best, at, rows = NONE, 0, 0
    for q in range(k - 1):
        b = s[PRESENT, q]
        rows += s[TOTALS, b]
        for g in range(table.shape[1]):
            s[LEFT, g] += table[b, g]
            s[RIGHT, g] -= table[b, g]
        if rows < leaf:
            continue
        if groups.size - rows < leaf:
            break
        h = s[ENTROPY, rows] + s[ENTROPY, groups.size - rows]
        for g in range(table.shape[1]):
            h -= s[ENTROPY, s[LEFT, g]] + s[ENTROPY, s[RIGHT, g]]
        if h < best:
            best, at = h, q + 1
    for q in range(k):
        for g in range(table.shape[1]):
            table[s[PRESENT, q], g] = 0
    return best, at


@compiled
def _by_rows(k: int, groups: np.ndarray, n_groups: int, leaf: int, s: np.ndarray) -> tuple[int, int]:
    """The same by the groups of the rows, in the order of their bins: quicker where there are few rows for each bin and group."""
    end, split = 0, 0
    for q in range(k):
        b = s[PRESENT, q]
        s[PLACE, b] = end
        end += s[TOTALS, b]
    for i in range(groups.size):
        b = s[SEEN, i]
        s[SORTED, s[PLACE, b]] = groups[i]
        s[PLACE, b] += 1
    for g in range(n_groups):
        split += s[ENTROPY, s[RIGHT, g]]
    best, at, rows = NONE, 0, 0
    for q in range(k - 1):
        end = rows + s[TOTALS, s[PRESENT, q]]
        for i in range(rows, end):
            g = s[SORTED, i]
            a, b = s[LEFT, g], s[RIGHT, g] - 1
            split += s[STEP, a] - s[STEP, b]
            s[LEFT, g], s[RIGHT, g] = a + 1, b
        rows = end
        if rows < leaf:
            continue
        if groups.size - rows < leaf:
            break
        h = s[ENTROPY, rows] + s[ENTROPY, groups.size - rows] - split
        if h < best:
            best, at = h, q + 1
    return best, at


@compiled
def _search(
    X: np.ndarray,
    nominal: np.ndarray,
    groups: np.ndarray,
    rows: np.ndarray,
    bounds: tuple,
    spaces: tuple,
    state: np.ndarray,
) -> tuple[int, int, int]:
    """The best (feature, bins that go left, remaining entropy) among a random choice of features and the always tried; -1 if none.

    `bounds`: (leaf, tried, always, ranked); `spaces`: (int64 [11, .] as named above, with ALL filled; table, shuffled, weights, mean),
    scratch; the bins of the best cut are left in BEST.
    """
    leaf, tried, always, ranked = bounds
    s, table, shuffled, weights, mean = spaces
    chosen, bins_left, least = -1, 0, NONE
    k, done = X.shape[1] - always, 0
    last = X.shape[1]
    while (k > 0 and done < tried) or last > X.shape[1] - always:
        if last > X.shape[1] - always:
            last -= 1
            f = last
        else:
            r = int(uniform(state) * k)
            k -= 1
            f = shuffled[r]
            shuffled[r], shuffled[k] = shuffled[k], f
        found = _tally(X, f, rows, s)
        if found > 1:
            done += 1
            if nominal[f] and found > 2:
                if not ranked:
                    for g in range(weights.size):
                        weights[g] = uniform(state)
                _arrange(found, groups, weights, mean, s)
            for g in range(weights.size):
                s[LEFT, g], s[RIGHT, g] = 0, s[ALL, g]
            if found * weights.size <= 2 * rows.size:
                h, at = _by_bins(found, groups, table, leaf, s)
            else:
                h, at = _by_rows(found, groups, weights.size, leaf, s)
            if h < least:
                chosen, bins_left, least = f, at, h
                for q in range(found):
                    s[BEST, q] = s[PRESENT, q]
        for q in range(found):
            s[TOTALS, s[PRESENT, q]] = 0
    return chosen, bins_left, least


@compiled
def _part(X: np.ndarray, f: int, rows: np.ndarray, groups: np.ndarray, cut: int, sets: np.ndarray, spare: np.ndarray) -> int:
    """Move the rows that go left, and their groups, to the front, keeping the order; returns how many. spare: int32 [2, ≥ n]."""
    a, c = 0, 0
    for i in range(rows.size):
        if goes_left(X[rows[i], f], cut, sets):
            rows[a], groups[a] = rows[i], groups[i]
            a += 1
        else:
            spare[0, c], spare[1, c] = rows[i], groups[i]
            c += 1
    for i in range(c):
        rows[a + i], groups[a + i] = spare[0, i], spare[1, i]
    return a


def grow(
    X: np.ndarray, nominal: np.ndarray, groups: np.ndarray, n_groups: int, rows: np.ndarray, limits: tuple, seed: int, entropy: np.ndarray
) -> tuple:
    """Grow one tree on `rows` (int32, sorted in place into leaf order).

    X: uint8 [n, features], a row's bins together; nominal: bool [features]; groups: int32 [n]; limits: (leaf, tried, always, ranked,
    worth): fewest rows in a leaf, features tried at a node, how many of the last features are tried at every node, whether groups are in
    order, nats that a cut must gain; entropy: table of x·log x. Returns (feature, cut, left, low, high, sets).
    """
    leaf, tried, always, ranked, worth = limits
    most, known = 2 * (rows.size // leaf) + 3, min(rows.size, LOOK) + 1
    feature, numbers = np.full(most, -1, np.int16), np.zeros((4, most), np.int32)
    sets = np.zeros((min(most, 32_000), WORDS), np.uint64)
    s = np.zeros((ALL + 1, max(LOOK, n_groups) + 1), np.int64)
    s[ENTROPY, :known] = np.rint(entropy[:known] * NAT)
    s[STEP, : known - 1] = np.diff(s[ENTROPY, :known])
    spaces = (s, np.zeros((256, n_groups), np.int32), np.arange(X.shape[1]), np.arange(n_groups, dtype=np.float64), np.empty(256))
    held = (groups[rows], np.empty((2, rows.size), np.int32))
    state, stack = np.full(1, seed, np.uint64), np.zeros(most, np.int32)
    bounds = (leaf, tried, always, ranked, int(worth * NAT))
    nodes, n_sets = _grown(X, nominal, rows, held, bounds, (feature, *numbers, sets), spaces, (state, stack))
    return feature[:nodes], *numbers[:, :nodes], sets[:n_sets]


@compiled
def _grown(
    X: np.ndarray, nominal: np.ndarray, rows: np.ndarray, held: tuple, limits: tuple, tree: tuple, spaces: tuple, waits: tuple
) -> tuple[int, int]:
    """See `grow`, which makes room for all that is written here: what makes arrays is slow to compile. Returns numbers of nodes and sets.

    held: (group of each of `rows`; int32 [2, rows], scratch); tree: what `grow` returns, with room for all nodes and sets; waits: (uint64
    [1], the state of what is drawn; int32 [nodes], scratch).
    """
    leaf, tried, always, ranked, wanted = limits
    feature, cut, left, low, high, sets = tree
    grouped, spare = held
    state, stack = waits
    s, n_groups = spaces[0], spaces[1].shape[1]
    nodes, n_sets, waiting = 1, 0, 1
    high[0], stack[0] = rows.size, 0
    while waiting > 0:
        waiting -= 1
        node = stack[waiting]
        mine, mine_groups = rows[low[node] : high[node]], grouped[low[node] : high[node]]
        if mine.size < 2 * leaf or n_sets >= sets.shape[0]:
            continue
        look = min(mine.size, LOOK)  # rows are in random order: the first will do
        s[ALL, :n_groups] = 0
        for i in range(look):
            s[ALL, mine_groups[i]] += 1
        h = s[ENTROPY, look]
        for g in range(n_groups):
            h -= s[ENTROPY, s[ALL, g]]
        if h <= wanted:
            continue
        bounds = (max(1, leaf * look // mine.size), tried, always, ranked)
        f, bins_left, least = _search(X, nominal, mine_groups[:look], mine[:look], bounds, spaces, state)
        blind = mine.size * BLIND >= rows.size  # what two columns say together may show in neither alone
        if f < 0 or (h - least <= wanted and not blind):
            continue
        if nominal[f]:
            for q in range(bins_left):
                sets[n_sets, s[BEST, q] >> 6] |= np.uint64(1) << np.uint64(s[BEST, q] & 63)
            n_sets += 1
            cut[node] = -n_sets
        else:
            cut[node] = s[BEST, bins_left - 1]
        middle = low[node] + _part(X, f, mine, mine_groups, cut[node], sets, spare)
        if min(middle - low[node], high[node] - middle) < leaf:
            continue
        feature[node], left[node] = f, nodes
        low[nodes], high[nodes], low[nodes + 1], high[nodes + 1] = low[node], middle, middle, high[node]
        stack[waiting], stack[waiting + 1] = nodes, nodes + 1
        waiting, nodes = waiting + 2, nodes + 2
    return nodes, n_sets
