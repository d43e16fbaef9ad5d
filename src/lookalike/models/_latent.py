"""Codes as cuts of normal variables: how levels are parted, what correlation a pair of cuts shows, and the nearest that there can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

__all__ = ["Cuts", "correlation", "halved", "in_order", "nearest", "series"]

TERMS = 24
"""Terms of the series that tells the covariance of two cut variables from their correlation."""
MOST, HALVINGS = 0.995, 14
"""Correlations are looked for within this, by halving so often."""
FLOOR, TURNS = 1e-3, 20
"""Least eigenvalue of a correlation matrix, and turns taken to reach it."""
ALONG = 0.88
"""Levels whose differences lie along one line by this share are put in a row, not halved."""
LEAST = 200
"""Rows of a group of levels that is halved at least; below, there is too little to tell."""


@dataclass(frozen=True)
class Cuts:
    """A tree that parts the codes of one part: each node cuts one normal variable; the root comes first, parents before children.

    goes: int64 [children], the node that a child is, or -1 - its code. mass: int64 [children], rows.
    first: int64 [nodes + 1], the first child of each node.
    """

    goes: np.ndarray
    mass: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, nodes: Sequence[Sequence[tuple[int, int]]]) -> Cuts:
        """From (goes, mass) of the children of each node."""
        children = np.array([c for node in nodes for c in node], np.int64).reshape(-1, 2)
        return cls(children[:, 0], children[:, 1], np.cumsum([0, *(len(node) for node in nodes)], dtype=np.int64))

    def check(self, size: int) -> None:
        """Complain of what is no tree over `size` codes, as a file may hold it: a walk down would not end.

        Raises:
            ValueError: it is none.
        """
        widths, inner = np.diff(self.first), self.goes >= 0
        fine = self.first[0] == 0 and self.first[-1] == len(self.goes) == len(self.mass) and bool((widths > 0).all())
        if fine:
            holder, below = np.repeat(np.arange(self.nodes), widths), self.goes[inner]
            fine = bool((below > holder[inner]).all() and (below < self.nodes).all() and (-1 - self.goes[~inner] < size).all())
            fine = fine and len(np.unique(below)) == len(below) and bool((self.mass >= 0).all())
        if not fine:
            raise ValueError("the cuts are no tree over codes")

    @property
    def nodes(self) -> int:
        """How many normal variables are cut."""
        return len(self.first) - 1

    def children(self, node: int) -> np.ndarray:
        """int64 [children]: where each goes."""
        return self.goes[self.first[node] : self.first[node + 1]]

    def edges(self, node: int) -> np.ndarray:
        """float64 [children + 1]: the shares 0 … 1 at which the children of a node part."""
        mass = self.mass[self.first[node] : self.first[node + 1]]
        return np.concatenate([[0.0], np.cumsum(mass) / mass.sum()])

    @cached_property
    def told(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each node what `series` says of its cuts."""
        return [series(self.edges(node)) for node in range(self.nodes)]

    def paths(self, size: int) -> np.ndarray:
        """int64 [nodes, size]: the child of each node under which each code lies; -1 where it lies under none."""
        found = np.full((self.nodes, size), -1)
        for node in reversed(range(self.nodes)):
            for k, goes in enumerate(self.children(node).tolist()):
                if goes < 0:
                    found[node, -1 - goes] = k
                else:
                    found[node, found[goes] >= 0] = k
        return found

    def scores(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """float32 [size, nodes] twice: the mean of each variable where a code is (0 if the code tells nothing of it), and 1 if it tells."""
        paths = self.paths(size)
        means = np.zeros(paths.shape, np.float32)
        for node, path in enumerate(paths):
            means[node] = np.where(path >= 0, self.told[node][0][path], 0)
        return means.T, (paths >= 0).T.astype(np.float32)


def in_order(counts: np.ndarray) -> Cuts:
    """Cuts of a part by the order of its codes: missing or not by one variable, all others along a second. counts: int64 [codes]."""
    codes, missing = (np.flatnonzero(counts[1:]) + 1).tolist(), int(counts[0])
    if not codes or (len(codes) == 1 and not missing):
        return Cuts.of([])
    row = [(-1 - code, int(counts[code])) for code in codes]
    if not missing:
        return Cuts.of([row])
    goes = 1 if len(codes) > 1 else -1 - codes[0]
    root = [(-1, missing), (goes, int(counts[1:].sum()))]
    return Cuts.of([root, row] if len(codes) > 1 else [root])


def halved(counts: np.ndarray, profile: np.ndarray, *, most: int) -> Cuts:
    """Cuts of a part whose codes have no order: halved again and again where their rows differ most elsewhere.

    counts: int64 [codes]. profile: float64 [codes, features], means of other columns over the rows with each code. most: nodes at most.
    Levels that differ along one line are put in a row, as are those of which there is too little, or no node left.
    """
    codes = np.flatnonzero(counts)
    if len(codes) < 2:
        return Cuts.of([])
    nodes: list[list[tuple[int, int]]] = [[]]
    waiting = [(0.0, 0, codes)]
    while waiting:
        waiting.sort(key=lambda w: w[0])
        _, node, codes = waiting.pop()
        place, along = _line(counts[codes], profile[codes])
        order = np.argsort(place, kind="stable")
        codes, place, mass = codes[order], place[order], counts[codes[order]]
        if len(codes) == 2 or mass.sum() < LEAST or along > ALONG or len(nodes) + 1 >= most:
            nodes[node] = [(-1 - int(c), int(counts[c])) for c in codes]
            continue
        at = _half(mass, place)
        for half in (codes[:at], codes[at:]):
            goes = -1 - int(half[0])
            if len(half) > 1:
                goes = len(nodes)
                nodes.append([])
                waiting.append((float(counts[half].sum()), goes, half))
            nodes[node].append((goes, int(counts[half].sum())))
    return Cuts.of(nodes)


def _line(mass: np.ndarray, profile: np.ndarray) -> tuple[np.ndarray, float]:
    """float64 [codes], the place of each code on the line along which they differ most; and the share of their differences along it."""
    root = np.sqrt(mass)[:, None]
    weighted = (profile - mass @ profile / mass.sum()) * root
    values, vectors = np.linalg.eigh(np.round(weighted @ weighted.T, 6))
    place = vectors[:, -1] / root[:, 0]
    total = values.sum()
    return np.round(place if place[np.argmax(mass)] <= 0 else -place, 9), float(values[-1] / total) if total > 0 else 1.0


def _half(mass: np.ndarray, place: np.ndarray) -> int:
    """Where to part codes that stand in a row, so that the two halves differ most."""
    left, sums = np.cumsum(mass)[:-1], np.cumsum(mass * place)[:-1]
    total = mass.sum()
    apart = sums - left / total * (mass @ place)
    return int(np.argmax(apart**2 / (left * (total - left)))) + 1


def series(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a normal variable cut at the shares `edges`: its mean in each piece, and that step function as a series.

    Returns float64 [pieces] and float64 [TERMS], coefficients of the normalised Hermite polynomials 1 … TERMS. Two variables with
    correlation r, cut to means, have the covariance Σ r^m a_m b_m (Mehler).
    """
    quantile = NormalDist().inv_cdf  # quicker here than the import of SciPy's
    at = np.array([quantile(e) if 0 < e < 1 else np.inf * (e - 0.5) for e in edges.tolist()])
    inner = np.where(np.isfinite(at), at, 0.0)
    density = np.where(np.isfinite(at), np.exp(-(inner**2) / 2) / np.sqrt(2 * np.pi), 0.0)
    means = -np.diff(density) / np.diff(edges)
    steps, last, this = np.empty((TERMS, len(at))), np.zeros(len(at)), density
    for m in range(1, TERMS + 1):
        steps[m - 1] = this / math.sqrt(m)
        last, this = this, (inner * this - math.sqrt(m - 1) * last) / math.sqrt(m)
    return means, np.diff(steps) @ -means


def correlation(shown: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """float64 [d, d]: the correlations at which variables, cut to means, have the covariances `shown` [d, d]; terms: [d, TERMS]."""
    at, to = np.triu_indices(len(shown), 1)
    wanted, products = shown[at, to], (terms[at] * terms[to]).T.copy()
    low, high = np.full(len(at), -MOST), np.full(len(at), MOST)
    for _ in range(HALVINGS):
        middle, told = (low + high) / 2, np.zeros(len(at))
        for product in products[::-1]:
            told = (told + product) * middle
        below = told < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    found = np.eye(len(shown))
    found[at, to] = found[to, at] = (low + high) / 2
    return found


def nearest(wanted: np.ndarray, groups: np.ndarray, *, weight: np.ndarray) -> np.ndarray:
    """float64 [d, d]: a correlation matrix near `wanted`, the nearer the more `weight` (0 … 1) an entry has.

    groups: int64 [d]; variables of one group have no correlation, so that shares stay exact.
    """
    same, one = np.equal.outer(groups, groups), np.eye(len(wanted))
    wanted, weight = np.where(same, one, wanted), np.where(same, 1.0, weight)
    found = wanted
    for _ in range(TURNS):
        values, vectors = np.linalg.eigh(found)
        if values[0] >= FLOOR:
            return np.round(found, 9)
        found = (vectors * np.maximum(values, 2 * FLOOR)) @ vectors.T
        found = found + weight * (wanted - found)
    values, vectors = np.linalg.eigh(found)
    found = (vectors * np.maximum(values, 2 * FLOOR)) @ vectors.T
    turn = np.zeros_like(found)
    for group in np.unique(groups):  # what is left within a group is turned away
        here = np.ix_(groups == group, groups == group)
        values, vectors = np.linalg.eigh(found[here])
        turn[here] = (vectors / np.sqrt(values)) @ vectors.T
    return np.round(np.where(same, one, turn @ found @ turn.T), 9)
