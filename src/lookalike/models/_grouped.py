"""Codes in groups: under noise a network learns of groups, and within a group codes are as frequent as they were counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lookalike.models._junction import pick

__all__ = ["Groups", "grouped"]


class Groups:
    """The groups of the codes of all parts.

    of: int64 [codes], the group of each code in its part, from 0 up without gaps, one part after the other.
    counts: float64 [codes], how often each code occurs. offsets: where parts begin in both, and last where they end.
    """

    def __init__(self, of: np.ndarray, counts: np.ndarray, offsets: Sequence[int]) -> None:
        self.of, self.spans = of, list(pairwise(offsets))
        sizes = np.repeat(np.diff(offsets), np.diff(offsets))
        if of.shape != counts.shape or of.shape != sizes.shape or ((of < 0) | (of >= sizes)).any():  # a file may hold anything
            raise ValueError("the groups are not of these codes")
        self.sizes = tuple(int(of[a:b].max()) + 1 for a, b in self.spans)
        firsts = np.cumsum([0, *self.sizes])
        at = of + np.repeat(firsts[:-1], [b - a for a, b in self.spans])
        self.counts = np.bincount(at, weights=counts, minlength=firsts[-1])
        members = np.bincount(at, minlength=firsts[-1])
        whole = self.counts[at]
        self.share = np.where(whole > 0, counts / np.where(whole > 0, whole, 1), 1 / members[at])

    def coarse(self, codes: np.ndarray) -> np.ndarray:
        """Groups, uint16 [n, parts], of `codes` [n, parts]."""
        return np.stack([self.of[a:b][codes[:, p]] for p, (a, b) in enumerate(self.spans)], axis=1).astype(np.uint16)

    def willing(self, part: int, weight: np.ndarray) -> np.ndarray:
        """float32 [groups]: the share of each group of a part that will do, where `weight` [size] says so of its codes."""
        a, b = self.spans[part]
        return np.bincount(self.of[a:b], self.share[a:b] * weight, self.sizes[part]).astype(np.float32)

    def fine(self, groups: np.ndarray, rng: np.random.Generator, *, weight: Mapping[int, np.ndarray] | None = None) -> np.ndarray:
        """Codes, uint16 [n, parts], of `groups` [n, parts], drawn as often as they were counted.

        weight: {part: float32 [size]}, the share of each code that will do.
        """
        codes = np.empty(groups.shape, np.uint16)
        for p, (a, b) in enumerate(self.spans):
            inside = np.where(self.of[a:b] == np.arange(self.sizes[p])[:, None], self.share[a:b], 0.0)
            if weight is not None and p in weight:
                inside = inside * weight[p]
                inside /= np.maximum(inside.sum(1, keepdims=True), 1e-300)
            codes[:, p] = pick(inside, groups[:, p], rng)
        return codes

    def log_share(self, codes: np.ndarray) -> np.ndarray:
        """float64 [n]: log of the probability of `codes` [n, parts] given their groups; −1e9 or less where one never occurs."""
        with np.errstate(divide="ignore"):
            logs = np.maximum(np.log(self.share), -1e9)
        return sum((logs[a:b][codes[:, p]] for p, (a, b) in enumerate(self.spans)), np.zeros(len(codes)))


def grouped(parts: Sequence[Any], counts: np.ndarray, most: int) -> Groups:
    """Groups of about equal mass, about `most` of each part; code 0, missing, is one of its own, and so is every heavy code.

    parts: as a codebook has them. counts: float64 [codes], 0 or more. Neighbours go together in ordered parts; in others the heaviest
    levels stay alone, and all the rest are one group.
    """
    offsets = [0, *np.cumsum([p.size for p in parts]).tolist()]
    found = [_groups(counts[a:b], most, ordered=p.ordered) for p, (a, b) in zip(parts, pairwise(offsets), strict=True)]
    return Groups(np.concatenate([np.zeros(0, np.int64), *found]), counts, offsets)


def _groups(counts: np.ndarray, most: int, *, ordered: bool) -> np.ndarray:
    """int64 [codes]: the groups of one part."""
    mass = counts[1:]
    if len(mass) <= most:
        return np.arange(len(counts))
    if not ordered:
        rank = np.empty(len(mass), np.int64)
        rank[np.argsort(-mass, kind="stable")] = np.arange(len(mass))
        return np.append(0, 1 + np.minimum(rank, most - 1))
    total = max(float(mass.sum()), 1e-9)
    slot = ((np.cumsum(mass) - mass / 2) * most / total).astype(np.int64)
    heavy = mass * most > total
    new = (np.diff(slot, prepend=-1) > 0) | heavy | np.append(False, heavy[:-1])
    return np.append(0, np.cumsum(new))
