"""How rows are drawn from trees, many at a time: rows of one tree one after the other, so that its nodes stay in the processor's cache,
and steps of many rows side by side, as each step of a row waits for memory that its last one names.
"""

from __future__ import annotations

import numpy as np

from lookalike._compile import compiled, inlined
from lookalike.models._trees import CHILD, DISTANT, FEATURE, HALF, LEAF, NAMED, ONE, SIX, TRIES, random, uniform

ABREAST = 256
"""Rows that walk side by side."""
U = np.uint64


@compiled
def _leaves(X: np.ndarray, rows: np.ndarray, at: np.ndarray, paths: np.ndarray, sets: np.ndarray, walk: tuple) -> None:
    """Let `rows` walk to their leaves, from the nodes `at` uint32 [rows] that they begin at.

    paths: of `Trees`; sets: those of the trees, or none where no path needs them; walk: (uint16 [ABREAST], uint64 [ABREAST]), scratch.
    Whether a cut is of order or of levels, and whether a node is a leaf, is reckoned, not branched: a guess of the processor is as often
    wrong as right.
    """
    flat, words, width, broad = X.ravel(), paths.ravel(), U(X.shape[1]), sets.shape[0] > 0
    left, begins = walk
    for q in range(rows.size):
        left[q], begins[q] = q, U(rows[q]) * width
    waiting = rows.size
    while waiting > 0:
        k = 0
        for q in range(waiting):
            j = left[q]
            node = U(2) * U(at[j])
            head, more = words[node], words[node + U(1)]
            b = np.int64(flat[begins[j] + U((head >> HALF) & FEATURE)])
            over, outside = np.int64(b > more), (((more >> (b & SIX)) & ONE) ^ ONE) | np.int64(b > SIX)
            right = over ^ ((over ^ outside) & (head >> NAMED) & ONE)
            if broad:
                distant = (head >> DISTANT) & ONE
                word = np.int64(sets[U(more * distant), U(b >> 6)])
                right ^= (right ^ ((word >> (b & SIX)) & ONE) ^ ONE) & distant
            at[j] = np.uint32((head & CHILD) + right)
            left[k] = j
            k += ONE ^ ((head >> LEAF) & ONE)
        waiting = k


@inlined
def _level(code: int, span: np.ndarray, fine: np.ndarray, groups: np.ndarray, edges: np.ndarray, state: np.ndarray) -> int:
    """A level of the group of `code`, drawn from a slice (its two ends) of `fine`."""
    g = groups[code]
    if edges[g + 1] - edges[g] > 1:
        mine = fine[span[0] : span[1]]
        a = np.searchsorted(mine, edges[g])
        b = np.searchsorted(mine, edges[g + 1])
        code = mine[a + int(uniform(state) * (b - a))] if b > a else edges[g]
    return code


@compiled
def _by_tree(rows: np.ndarray, states: np.ndarray, state: np.ndarray, root: np.ndarray, turns: tuple) -> None:
    """A random tree for each of `rows`: they in the order of their trees, and the root that each begins at.

    turns: both, uint32; and (int32 [rows], int64 [trees + 1]), scratch.
    """
    arranged, at, tree, ends = turns
    ends[:] = 0
    for q in range(rows.size):
        state[0] = states[rows[q]]
        tree[q] = int(uniform(state) * root.size)
        states[rows[q]] = state[0]
        ends[tree[q] + 1] += 1
    for t in range(root.size):
        ends[t + 1] += ends[t]
    for q in range(rows.size):
        place = ends[tree[q]]
        ends[tree[q]] += 1
        arranged[place], at[place] = rows[q], root[tree[q]]


def draw(X: np.ndarray, trees: tuple, levels: tuple, keep: np.ndarray, out: np.ndarray, seed: int, first: int) -> None:
    """Draw a code for each row: a random tree, a walk to its leaf, a random donor; then a level of the donor's group.

    X: uint8 [n, features], a row's bins together; trees: the fields of `Trees` in order, with `Trees.paths` for `nodes` and `sets`; levels:
    (groups int32 [codes], the group of each code, empty if every code is its own; edges int64 [groups + 1], codes of a group lie between
    two of them); keep: float32 [codes], the chance that a code is kept rather than drawn again, empty if all are; out: uint16 [n]; first:
    number of the first row, by which rows are the same in whatever pieces they are drawn.
    """
    n = len(out)
    turns = np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(n, np.int32), np.empty(len(trees[0]) + 1, np.int64)
    walk = np.empty(ABREAST, np.uint16), np.empty(ABREAST, np.uint64)
    spaces = np.empty(n, np.uint64), np.empty(1, np.uint64), np.empty(n, np.uint32), walk
    _drawn(X, trees, levels, keep, out, (seed, first), turns, spaces)


@compiled
def _drawn(
    X: np.ndarray, trees: tuple, levels: tuple, keep: np.ndarray, out: np.ndarray, which: tuple, turns: tuple, spaces: tuple
) -> None:
    """See `draw`, which makes room for all that is written here: what makes arrays is slow to compile.

    which: (seed, first); turns: see `_by_tree`; spaces: uint64 [n], the state of each row; uint64 [1] and uint32 [n], scratch; and what
    `_leaves` asks for.
    """
    root, paths, sets, donors, wide, fine = trees
    groups, edges = levels
    seed, first = which
    states, state, waiting, walk = spaces
    rows, at = turns[:2]
    for i in range(out.size):
        state[0] = np.uint64(seed) + np.uint64(first + i) * np.uint64(0xD1342543DE82EF95)
        random(state)
        states[i], waiting[i] = state[0], i
    left = out.size
    for turn in range(TRIES + 1 if keep.size > 0 else 1):
        _by_tree(waiting[:left], states, state, root, turns)
        again = 0
        for low in range(0, left, ABREAST):
            mine, end = rows[low : min(low + ABREAST, left)], at[low : min(low + ABREAST, left)]
            _leaves(X, mine, end, paths, sets, walk)
            for j in range(mine.size):
                i = mine[j]
                state[0] = states[i]
                few, most = paths[end[j], 1] & CHILD, (paths[end[j], 1] >> HALF) & CHILD
                code = donors[few + int(uniform(state) * (most - few))]
                out[i] = code if groups.size == 0 else _level(code, wide[end[j]], fine, groups, edges, state)
                if keep.size > 0 and turn < TRIES and uniform(state) >= keep[out[i]]:
                    waiting[again] = i
                    again += 1
                states[i] = state[0]
        left = again
