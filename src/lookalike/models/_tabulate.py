"""Counting rows by combinations of columns, and what a junction tree would grow to: the two loops that choosing marginals is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lookalike._compile import compiled
from lookalike.models._junction import Clique, Junction


@compiled
def _count(values: np.ndarray, columns: np.ndarray, strides: np.ndarray, cells: int) -> np.ndarray:
    """int64 [cells]: rows of `values` [columns, n] by the number that their values in `columns` make."""
    out = np.zeros(cells, np.int64)
    for i in range(values.shape[1]):
        at = 0
        for k in range(len(columns)):
            at += values[columns[k], i] * strides[k]
        out[at] += 1
    return out


@compiled
def _grown(near: np.ndarray, logs: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """float64 [candidates]: cells of the junction tree over `near` (uint64 [columns], bits) with one more clique; see `_junction`."""
    columns = len(near)
    one, out = np.uint64(1), np.zeros(len(extra))
    for e in range(len(extra)):
        now, gone = near.copy(), np.uint64(0)
        for c in range(columns):
            if extra[e] >> np.uint64(c) & one:
                now[c] |= extra[e] & ~(one << np.uint64(c))
        kept = np.zeros(columns, np.uint64)
        for step in range(columns):
            best, least = -1, np.inf
            for c in range(columns):
                if gone >> np.uint64(c) & one:
                    continue
                cost = logs[c]
                for b in range(columns):
                    if now[c] >> np.uint64(b) & one:
                        cost += logs[b]
                if cost < least - 1e-12:
                    best, least = c, cost
            bit = one << np.uint64(best)
            gone |= bit
            around = now[best]
            kept[step] = around | bit
            for b in range(columns):
                if around >> np.uint64(b) & one:
                    now[b] = (now[b] | around) & ~(one << np.uint64(b)) & ~bit
            inside = False
            for k in range(step):
                inside |= kept[k] & kept[step] == kept[step]
            if not inside:
                out[e] += np.exp(least)
    return out


def count(values: np.ndarray, clique: Clique, sizes: Sequence[int]) -> np.ndarray:
    """int64 [cells]: rows of `values` (uint16 [columns, n]) with each combination of the clique's values, the last one running fastest."""
    shape = [sizes[c] for c in clique]
    strides = np.cumprod([1, *shape[:0:-1]])[::-1].astype(np.int64)
    return _count(values, np.array(clique, np.int64), strides, math.prod(shape))


def each(work: Callable[[int], float], items: int) -> np.ndarray:
    """float64 [items]: `work` for each number, several at a time."""
    with ThreadPoolExecutor() as pool:
        return np.fromiter(pool.map(work, range(items)), np.float64, items)


def grown(sizes: Sequence[int], have: Sequence[Clique], candidates: Sequence[Clique]) -> np.ndarray:
    """float64 [candidates]: cells of the junction tree that holds `have` and the candidate; for at most 64 columns."""
    near = np.zeros(len(sizes), np.uint64)
    for clique in have:
        bits = _mask(clique)
        for c in clique:
            near[c] |= bits & ~(np.uint64(1) << np.uint64(c))
    return _grown(near, np.log(np.maximum(sizes, 1)), np.array([_mask(c) for c in candidates], np.uint64))


def stretched(tree: Junction, pairs: Sequence[Clique]) -> np.ndarray:
    """float64 [pairs]: cells that `tree` would have at most with one more pair of columns: one goes along all cliques between them."""
    weights = [math.prod(tree.shape(c)) for c in tree.cliques]
    near: list[list[int]] = [[] for _ in tree.cliques]
    for k, p in enumerate(tree.parents):
        if p >= 0:
            near[k].append(p)
            near[p].append(k)
    far = np.full((len(tree.sizes), len(tree.sizes)), np.inf)
    for a, size in enumerate(tree.sizes):
        todo = [(k, 0.0) for k, c in enumerate(tree.cliques) if a in c]
        seen = {k for k, _ in todo}
        while todo:
            k, cost = todo.pop()
            for b in tree.cliques[k]:
                far[a, b] = min(far[a, b], cost)
            for other in near[k]:
                if other not in seen:
                    seen.add(other)
                    todo.append((other, cost + weights[other] * (size - 1)))
    both = np.minimum(far, far.T)
    return tree.cells + np.array([both[a, b] for a, b in pairs])


def _mask(clique: Clique) -> np.uint64:
    """The clique's columns as bits."""
    return np.uint64(sum(1 << c for c in clique))
