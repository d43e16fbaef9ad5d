"""Trees that hold, in each leaf, the codes of the rows that fell into it: a draw is a walk to a leaf and a pick of one of its codes.

Features are bins (uint8, 0 = missing); splits cut an ordered feature, or part the levels of a nominal one, so that the entropy of
the target's groups falls most. Compiled by numba; every function releases the interpreter lock and is deterministic in its seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lookalike._compile import compiled, inlined

WORDS = 4
"""A set of bins is a row of four 64-bit words."""
LOOK = 2_048
"""Rows by which a cut is chosen, and features of a wide table."""
TRIES = 8
"""Times that a code is drawn again at most."""
LEAF, NAMED, DISTANT, HALF = np.int64(62), np.int64(61), np.int64(60), np.int64(32)
CHILD, FEATURE, SIX, ONE = np.int64(0xFFFFFFFF), np.int64(0xFFFF), np.int64(63), np.int64(1)
"""What the bits of a path mean, see `Trees.paths`."""


@dataclass(frozen=True)
class Trees:
    """Several trees of one target, one after the other.

    `root` int32 [trees]; `nodes` int32 [nodes, 3]: feature, cut and left child (the right one follows it), where a cut is the last bin
    that goes left, or -1 - row of `sets` for a nominal feature; a leaf has -1 and its slice of `donors` uint16, the target's codes;
    `sets` uint64 [., 4]: bins that go left. Where the target has more levels than groups, `fine` uint16 holds the same codes sorted
    within the wider slices `wide` int32 [nodes, 2]: the group is drawn from the leaf, the level within it from the wider slice.
    """

    root: np.ndarray
    nodes: np.ndarray
    sets: np.ndarray
    donors: np.ndarray
    wide: np.ndarray
    fine: np.ndarray

    @cached_property
    def paths(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 [nodes, 2], all that a walk asks of a node side by side; and `sets`, without rows if no walk needs them.

        The first number: the node that follows, to the left, and from bit 32 on the feature; from bit 60 on what the second number is:
        the row of `sets` that goes left, the first 64 bins that go left (no other does), or a leaf's slice of `donors`, two halves of
        it; else the last bin that goes left. A leaf is followed by itself.
        """
        made = np.empty((len(self.nodes), 2), np.int64)
        return made, self.sets if _paths(self.nodes, self.sets, made) else self.sets[:0]

    @staticmethod
    def join(parts: list[Trees]) -> Trees:
        """One forest of several."""
        at = [np.cumsum([0, *(len(getattr(p, name)) for p in parts)]) for name in ("nodes", "sets", "donors")]
        root = np.concatenate([p.root + a for p, a in zip(parts, at[0], strict=False)]).astype(np.int32)
        nodes = np.concatenate([_shifted(p.nodes, *by) for p, *by in zip(parts, *at, strict=False)])
        wide = np.concatenate([p.wide + a for p, a in zip(parts, at[2], strict=False)]).astype(np.int32)
        rest = [np.concatenate([getattr(p, name) for p in parts]) for name in ("sets", "donors", "fine")]
        return Trees(root, nodes, rest[0], rest[1], wide, rest[2])


@compiled
def _paths(nodes: np.ndarray, sets: np.ndarray, paths: np.ndarray) -> bool:
    """See `Trees.paths`; whether `sets` are still needed."""
    broad = False
    for i in range(nodes.shape[0]):
        feature, cut, child = np.int64(nodes[i, 0]), np.int64(nodes[i, 1]), np.int64(nodes[i, 2])
        if feature < 0:
            paths[i, 0], paths[i, 1] = np.int64(i) | (ONE << LEAF), cut | (child << HALF)
            continue
        paths[i, 0], paths[i, 1] = child | (feature << HALF), cut
        if cut < 0:
            mine = sets[-1 - cut]
            far = (mine[1] | mine[2] | mine[3]) != np.uint64(0)
            paths[i, 0] |= ONE << (DISTANT if far else NAMED)
            paths[i, 1] = -1 - cut if far else np.int64(mine[0])
            broad = broad or far
    return broad


def _shifted(nodes: np.ndarray, by: int, sets: int, donors: int) -> np.ndarray:
    """The nodes of a tree before which there are so many nodes, sets and donors."""
    leaf, named = nodes[:, 0] < 0, nodes[:, 1] < 0
    cut = nodes[:, 1] + np.where(leaf, donors, np.where(named, -sets, 0))
    return np.column_stack([nodes[:, 0], cut, nodes[:, 2] + np.where(leaf, donors, by)]).astype(np.int32)


@inlined
def random(state: np.ndarray) -> np.uint64:
    """The next 64 bits (splitmix64, Steele et al. 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inlined
def uniform(state: np.ndarray) -> float:
    """The next number in [0, 1)."""
    return (random(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@inlined
def goes_left(bin_: int, cut: int, sets: np.ndarray) -> bool:
    """Whether a row with `bin_` goes left."""
    if cut >= 0:
        return bin_ <= cut
    return (sets[-1 - cut, bin_ >> 6] >> np.uint64(bin_ & 63)) & np.uint64(1) != np.uint64(0)


@compiled
def _count(bins: np.ndarray, groups: np.ndarray, rows: np.ndarray, table: np.ndarray, totals: np.ndarray, present: np.ndarray) -> int:
    """Cross table of bin × group of `rows`; returns how many bins occur, listed in rising order in `present`."""
    for i in range(rows.size):
        b = bins[rows[i]]
        table[b, groups[i]] += 1
        totals[b] += 1
    k = 0
    for b in range(totals.size):
        if totals[b] > 0:
            present[k] = b
            k += 1
    return k


def tells(X: np.ndarray, groups: np.ndarray, n_groups: int, entropy: np.ndarray) -> np.ndarray:
    """Nats that each feature of X (uint8 [features, n]) says of a row's group (int32 [n]), times rows, less what chance would say."""
    spaces = np.zeros((256, n_groups), np.int32), np.zeros(256, np.int32), np.zeros(256, np.int64)
    gain, rows = np.zeros(len(X)), np.arange(len(groups), dtype=np.int32)
    _told(X, groups, np.bincount(groups, minlength=n_groups), rows, entropy, spaces, gain)
    return gain


@compiled
def _told(
    X: np.ndarray, groups: np.ndarray, all_: np.ndarray, rows: np.ndarray, entropy: np.ndarray, spaces: tuple, gain: np.ndarray
) -> None:
    """See `tells`. all_: rows of each group; rows: int32, all of them; spaces: int32 [256, groups], int32 [256], int64 [256], scratch."""
    table, totals, present = spaces
    n_groups, least, seen = all_.size, 0.0, 0
    for g in range(n_groups):
        least -= entropy[all_[g]]
        seen += all_[g] > 0
    for f in range(X.shape[0]):
        k = _count(X[f], groups, rows, table, totals, present)
        h = entropy[groups.size] + least
        for q in range(k):
            b = present[q]
            h -= entropy[totals[b]]
            for g in range(n_groups):
                h += entropy[table[b, g]]
            totals[b] = 0
            table[b] = 0
        gain[f] = h - (k - 1) * (seen - 1) / 2


@compiled
def positions(codes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """For each code where its occurrences begin in the second array, which lists their positions in rising order."""
    start = np.zeros(size + 1, np.int64)
    for i in range(codes.size):
        start[codes[i] + 1] += 1
    for k in range(size):
        start[k + 1] += start[k]
    at, where = start[:-1].copy(), np.empty(codes.size, np.int32)
    for i in range(codes.size):
        where[at[codes[i]]] = i
        at[codes[i]] += 1
    return start, where


@compiled
def _between(start: np.ndarray, where: np.ndarray, code: int, low: int, high: int) -> int:
    """How often `code` occurs at positions low ≤ p < high."""
    mine = where[start[code] : start[code + 1]]
    return np.searchsorted(mine, high) - np.searchsorted(mine, low)


@compiled
def tell(X: np.ndarray, rows: np.ndarray, tree: tuple, groups: tuple, codes: tuple, levels: np.ndarray, told: tuple) -> None:
    """Add, for each row that the tree has not seen, the share of its group in the leaf and of its code within the group.

    levels: int64 rising, fewest rows in a leaf at which the tree could be cut back; groups, codes: (start, where, own value of each row).
    told: (share of group, share of code within group, trees), [levels, rows], [levels, rows], [rows].
    """
    feature, cut, left, low, high, sets = tree
    for r in range(rows.size):
        i, node, q = rows[r], 0, levels.size - 1
        g, c = groups[2][i], codes[2][i]
        while q >= 0:
            last = feature[node] < 0
            smaller = 0
            if not last:
                k = left[node]
                smaller = min(high[k] - low[k], high[k + 1] - low[k + 1])
            if last or smaller < levels[q]:
                a = _between(groups[0], groups[1], g, low[node], high[node])
                b = _between(codes[0], codes[1], c, low[node], high[node])
                while q >= 0 and (last or smaller < levels[q]):
                    told[0][q, r] += a / (high[node] - low[node])
                    told[1][q, r] += b / a if a > 0 else 0.0
                    q -= 1
            if not last:
                node = left[node] if goes_left(X[feature[node], i], cut[node], sets) else left[node] + 1
        told[2][r] += 1


def cut_back(tree: tuple, leaf: int, wide: int) -> tuple:
    """The tree with no leaf of fewer than `leaf` rows, and for each of its leaves the wider slice of the ancestor with ≥ `wide`.

    Returns (feature, cut, left, low, high, sets, wide_low, wide_high).
    """
    feature, _, _, low, high, sets = tree
    n, wider = len(feature), (low.copy(), high.copy())
    short = np.full(n, -1, np.int16), np.zeros(n, np.int32), np.zeros(n, np.int32)
    kept, source = np.zeros(n, np.int32), np.zeros(n, np.int32)
    new = _cut_back(tree, leaf, wide, short, wider, (kept, source), (np.zeros(n, np.bool_), np.zeros(n + 1, np.int32)))
    source = source[:new]
    return *(part[:new] for part in short), low[source], high[source], sets, *(part[source] for part in wider)


@compiled
def _cut_back(tree: tuple, leaf: int, wide: int, short: tuple, wider: tuple, places: tuple, spaces: tuple) -> int:
    """See `cut_back`, which makes room for all that is written here: what makes arrays is slow to compile. Returns how many nodes remain.

    places: the place of each node in the new tree, and the node at each; spaces: bool [nodes], int32 [nodes + 1], scratch.
    """
    feature, cut, left, low, high, _ = tree
    feature2, cut2, left2 = short
    wide_low, wide_high = wider
    kept, source = places
    held, stack = spaces
    new, waiting = 1, 1
    while waiting > 0:
        waiting -= 1
        node = stack[waiting]
        k, at = left[node], kept[node]
        smaller = 0 if feature[node] < 0 else min(high[k] - low[k], high[k + 1] - low[k + 1])
        held[node] = held[node] or smaller < wide
        if feature[node] < 0 or smaller < leaf:
            continue
        feature2[at], cut2[at], left2[at] = feature[node], cut[node], new
        for side in range(2):
            child = k + side
            kept[child] = new + side
            held[child] = held[node]
            if held[node]:
                wide_low[child], wide_high[child] = wide_low[node], wide_high[node]
        stack[waiting], stack[waiting + 1] = k, k + 1
        waiting, new = waiting + 2, new + 2
    for node in range(feature.size):
        if node == 0 or kept[node] > 0:
            source[kept[node]] = node
    return new


@compiled
def sorted_leaves(nodes: np.ndarray, donors: np.ndarray) -> np.ndarray:
    """The donors, those of each leaf in rising order: as good to draw from, and quicker to count."""
    out = donors.copy()
    for k in range(nodes.shape[0]):
        if nodes[k, 0] < 0:
            out[nodes[k, 1] : nodes[k, 2]].sort()
    return out


@compiled
def chance(X: np.ndarray, trees: tuple, levels: tuple, keep: np.ndarray, codes: np.ndarray, out: np.ndarray) -> None:
    """The chance that `draw` draws the code of each row (uint16 [n]), into `out` float64 [n]; arguments as there, donors `sorted_leaves`.

    What is drawn again because it is not kept is taken to be drawn until one is.
    """
    root, nodes, sets, donors, wide, fine = trees
    groups, edges = levels
    held = np.full(nodes.shape[0], -1.0)  # the mean chance to be kept, of each leaf that was met
    for i in range(out.size):
        found, total, code = 0.0, 0.0, codes[i]
        for t in range(root.size):
            node = root[t]
            while nodes[node, 0] >= 0:
                node = nodes[node, 2] + (0 if goes_left(X[i, nodes[node, 0]], nodes[node, 1], sets) else 1)
            leaf = donors[nodes[node, 1] : nodes[node, 2]]
            if held[node] < 0:
                held[node] = 1.0
                if keep.size > 0:
                    kept = 0.0
                    for c in leaf:
                        kept += keep[c]
                    held[node] = kept / leaf.size
            total += held[node]
            first, last = (edges[groups[code]], edges[groups[code] + 1]) if groups.size > 0 else (code, code + 1)
            share = (np.searchsorted(leaf, last) - np.searchsorted(leaf, first)) / leaf.size
            if groups.size > 0 and share > 0:
                g = groups[code]
                if edges[g + 1] - edges[g] > 1:
                    mine = fine[wide[node, 0] : wide[node, 1]]
                    all_ = np.searchsorted(mine, edges[g + 1]) - np.searchsorted(mine, edges[g])
                    share *= (np.searchsorted(mine, code + 1) - np.searchsorted(mine, code)) / all_
            found += share
        if keep.size > 0:
            found *= keep[code]
        out[i] = found / max(total, 1e-12)


@compiled
def _leaf(X: np.ndarray, i: int, root: int, nodes: np.ndarray, sets: np.ndarray) -> int:
    """The leaf in which row `i` ends."""
    node = root
    while nodes[node, 0] >= 0:
        node = nodes[node, 2] + (0 if goes_left(X[i, nodes[node, 0]], nodes[node, 1], sets) else 1)
    return node


@compiled
def _group_weights(node: int, trees: tuple, levels: tuple, among: np.ndarray, out: np.ndarray) -> None:
    """Into `out` [groups]: the mean of `among` over the codes that are drawn for each group in a leaf."""
    wide, fine = trees[4], trees[5]
    edges = levels[1]
    mine = fine[wide[node, 0] : wide[node, 1]]
    at = 0
    for g in range(out.size):
        total, count = 0.0, 0
        while at < mine.size and mine[at] < edges[g + 1]:
            if mine[at] >= edges[g]:
                total += among[mine[at]]
                count += 1
            at += 1
        out[g] = total / count if count > 0 and edges[g + 1] - edges[g] > 1 else among[edges[g]]


def draw_among(X: np.ndarray, trees: tuple, levels: tuple, weights: tuple, made: tuple, seed: int, first: int) -> None:
    """Draw a code for each row as `draw` does, but only those that will do.

    weights: (keep as in `draw`; among float32 [codes], by which share a code will do, times `keep`). made: (out as in `draw`; mass float64
    [n], the chance that `draw` draws a code that will do). A row in which none does has mass 0, and any code.
    """
    nodes, roots, groups = len(trees[1]), len(trees[0]), max(len(levels[1]) - 1, 1)
    spaces = np.full(nodes, -1.0), np.zeros(nodes), np.zeros(groups), np.empty(roots, np.int64), np.empty(1, np.uint64)
    _drawn_among(X, trees, levels, weights, made, (seed, first, int(np.argmax(weights[1]))), spaces)


@compiled
def _drawn_among(X: np.ndarray, trees: tuple, levels: tuple, weights: tuple, made: tuple, which: tuple, spaces: tuple) -> None:
    """See `draw_among`, which makes room for all that is written here: what makes arrays is slow to compile.

    which: (seed, first, the code where none will do). spaces: float64 [nodes], of each leaf that was met the mean chance to be kept, else
    -1; float64 [nodes], that to be kept and to do; float64 [groups], int64 [trees], uint64 [1], scratch.
    """
    root, nodes, sets, donors, _, _ = trees
    out, mass = made
    groups, _ = levels
    keep, among = weights
    seed, first, spare = which
    kept, done, local, leaves, state = spaces
    for i in range(out.size):
        state[0] = np.uint64(seed) + np.uint64(first + i) * np.uint64(0xD1342543DE82EF95)
        random(state)
        total, right = 0.0, 0.0
        for t in range(root.size):
            node = _leaf(X, i, root[t], nodes, sets)
            leaves[t] = node
            if kept[node] < 0:
                if groups.size > 0:
                    _group_weights(node, trees, levels, among, local)
                all_, some = 0.0, 0.0
                for c in donors[nodes[node, 1] : nodes[node, 2]]:
                    all_ += keep[c] if keep.size > 0 else 1.0
                    some += local[groups[c]] if groups.size > 0 else among[c]
                size = nodes[node, 2] - nodes[node, 1]
                kept[node], done[node] = all_ / size, some / size
            total += kept[node]
            right += done[node]
        mass[i] = right / max(total, 1e-12)
        out[i] = spare
        if right > 0:
            lot, t = uniform(state) * right, 0
            while t < root.size - 1 and lot >= done[leaves[t]]:
                lot -= done[leaves[t]]
                t += 1
            out[i] = _one_among(leaves[t], trees, levels, among, local, state)


@compiled
def _one_among(node: int, trees: tuple, levels: tuple, among: np.ndarray, local: np.ndarray, state: np.ndarray) -> int:
    """A code of a leaf, each as often as it is drawn there times its share of what will do: by trying, then by looking at all."""
    nodes, donors, wide, fine = trees[1], trees[3], trees[4], trees[5]
    groups, edges = levels
    leaf = donors[nodes[node, 1] : nodes[node, 2]]
    for _ in range(leaf.size):
        code = leaf[int(uniform(state) * leaf.size)]
        if groups.size > 0:
            code = _level(groups[code], node, trees, levels, state)
        if uniform(state) < among[code]:
            return code
    if groups.size > 0:
        _group_weights(node, trees, levels, among, local)
    total = 0.0
    for c in leaf:
        total += local[groups[c]] if groups.size > 0 else among[c]
    lot, code = uniform(state) * total, -1
    for c in leaf:
        w = local[groups[c]] if groups.size > 0 else among[c]
        if w > 0:
            code = c
            lot -= w
            if lot < 0:
                break
    if groups.size == 0:
        return code
    g = groups[code]
    mine = fine[wide[node, 0] : wide[node, 1]]
    a, b = np.searchsorted(mine, edges[g]), np.searchsorted(mine, edges[g + 1])
    if edges[g + 1] - edges[g] <= 1 or a == b:
        return edges[g]
    lot = uniform(state) * local[g] * (b - a)
    for c in mine[a:b]:
        if among[c] > 0:
            code = c
            lot -= among[c]
            if lot < 0:
                break
    return code


@compiled
def _level(g: int, node: int, trees: tuple, levels: tuple, state: np.ndarray) -> int:
    """A code of a group, as it is drawn in a leaf."""
    wide, fine, edges = trees[4], trees[5], levels[1]
    if edges[g + 1] - edges[g] <= 1:
        return edges[g]
    mine = fine[wide[node, 0] : wide[node, 1]]
    a = np.searchsorted(mine, edges[g])
    b = np.searchsorted(mine, edges[g + 1])
    return mine[a + int(uniform(state) * (b - a))] if b > a else edges[g]
