"""Whether the arrays of a stored stage are such as a fit writes: compiled code checks no bounds, and a file may be from anybody.

What is looked at: every number that compiled code takes for a place in memory, and that each walk down a tree ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lookalike.errors import StoreError
from lookalike.models._orders import ORDERED

if TYPE_CHECKING:
    from lookalike.models._boost import Boost
    from lookalike.models._orders import Pair
    from lookalike.models._pairs import Pairs
    from lookalike.models._stage import Stage
    from lookalike.models._trees import Trees

__all__ = ["check_maps", "check_orders", "check_part", "check_stage"]

_BINS, _CODES = 256, 1 << 16


def check_maps(maps: Sequence[np.ndarray], sizes: Sequence[int]) -> None:
    """Refuse maps that give not each code of a part a bin.

    Raises:
        StoreError: they are damaged.
    """
    for codes, size in zip(maps, sizes, strict=True):
        _need(_is(codes, np.uint8, 1) and len(codes) >= size, "a map of codes to bins")


def check_stage(stage: Stage) -> None:
    """Refuse a stage that would look beyond its arrays, or never come to a leaf.

    Raises:
        StoreError: it is damaged.
    """
    codes = stage.size + len(stage.ties) if type(stage.size) is int else 0
    _need(0 < codes <= _CODES and _index(stage.plain, codes), "the codes")
    if stage.table is not None:
        _need(_is(stage.table, np.uint16, 1) and _below(stage.table, codes), "the lookup")
        return
    _need(stage.trees is not None and len(stage.features) > 0 and len(stage.boosts) < _BINS, "the trees")
    _check_levels(stage, codes)
    _check_trees(stage.trees, len(stage.features) + len(stage.boosts), codes, fine=len(stage.groups) > 0)
    _need(stage.keep is None or (_is(stage.keep, np.float32, 1) and len(stage.keep) >= codes), "what is kept")
    for boost in stage.boosts:
        _check_boost(boost, len(stage.features))


def check_orders(orders: object, kinds: Sequence[str]) -> tuple[Pair, ...]:
    """Pairs of columns that have an order. kinds: of all columns.

    Raises:
        StoreError: they are damaged.
    """
    _need(isinstance(orders, list), "the orders")
    for pair in orders:
        _need(isinstance(pair, list) and len(pair) == 2 and pair[0] != pair[1], "an order")
        _need(all(_index(c, len(kinds)) and kinds[c] in ORDERED for c in pair), "an order")
    return tuple((low, high) for low, high in orders)


def check_part(stage: Stage, sizes: Sequence[int], columns: int) -> None:
    """Refuse a stage of parts and columns that a codebook does not have. sizes: codes of each part.

    Raises:
        StoreError: it is damaged.
    """
    parts = len(sizes)
    _need(_index(stage.part, parts) and stage.size == sizes[stage.part] and _index(stage.plain, stage.size), "the part")
    _need(all(_index(f, parts) for f in stage.features), "the features")
    for tie in stage.ties:
        _need(all(_index(c, columns) for c in tie.of), "a tie")
    if stage.table is not None:
        _need(_index(stage.decider, parts), "the lookup")
        _need(len(stage.table) >= sizes[stage.decider], "the lookup")
    for pairs in stage.pairs:
        _check_pairs(pairs, sizes, stage.size)


def _check_levels(stage: Stage, codes: int) -> None:
    """Groups of codes that follow one another."""
    groups, edges = stage.groups, stage.edges
    _need(_is(groups, np.int32, 1) and _is(edges, np.int64, 1) and len(groups) in (0, codes), "the groups")
    if len(groups):
        _need(len(edges) >= 2 and edges[0] == 0 and edges[-1] == codes and bool((np.diff(edges) > 0).all()), "the groups")
        _need(bool((groups == np.repeat(np.arange(len(edges) - 1), np.diff(edges))).all()), "the groups")


def _check_trees(trees: Trees, features: int, codes: int, *, fine: bool) -> None:
    nodes, n, held = trees.nodes, len(trees.nodes), len(trees.donors)
    _need(_is(nodes, np.int32, 2) and nodes.shape[1] == 3 and n > 0, "the nodes")
    _need(_is(trees.root, np.int32, 1) and len(trees.root) > 0 and _below(trees.root, n), "the roots")
    _need(_is(trees.sets, np.uint64, 2) and trees.sets.shape[1] * 64 == _BINS, "the sets")
    _need(_is(trees.donors, np.uint16, 1) and _below(trees.donors, codes), "the donors")
    inner = nodes[:, 0] >= 0
    at, left = np.flatnonzero(inner), nodes[inner, 2]
    _need(_below(nodes[inner, 0], features) and bool((nodes[inner, 1] >= -len(trees.sets)).all()), "the cuts")
    _need(bool((left > at).all()) and _below(left, n - 1), "the branches")  # onwards only: a walk ends
    low, high = nodes[~inner, 1], nodes[~inner, 2]
    _need(bool((low >= 0).all()) and bool((low < high).all()) and bool((high <= held).all()), "the leaves")
    _need(_is(trees.wide, np.int32, 2) and trees.wide.shape[1] == 2 and _is(trees.fine, np.uint16, 1), "the wider leaves")
    if fine:
        low, high = trees.wide[~inner[: len(trees.wide)]].T if len(trees.wide) == n else (np.full(1, -1), np.full(1, -1))
        _need(bool((low >= 0).all()) and bool((low < high).all()) and bool((high <= len(trees.fine)).all()), "the wider leaves")
        _need(_below(trees.fine, codes), "the wider leaves")


def _check_boost(boost: Boost, features: int) -> None:
    trees, inner, folds = len(boost.feature), boost.feature.shape[-1], len(boost.base)
    _need(_is(boost.base, np.float64, 1) and _is(boost.ends, np.int32, 1) and len(boost.ends) == folds + 1, "the folds of a score")
    rising = bool((np.diff(boost.ends) >= 0).all()) and boost.ends[0] >= 0 and boost.ends[-1] <= trees
    _need(rising, "the folds of a score")
    shapes = boost.feature.shape == boost.cut.shape == (trees, inner) and boost.value.shape == (trees, inner + 1)
    types = _is(boost.feature, np.int16, 2) and _is(boost.cut, np.uint8, 2) and _is(boost.value, np.float32, 2)
    _need(types and shapes and inner + 1 == 1 << _depth(), "the trees of a score")
    _need(_below(boost.feature, features), "the features of a score")
    _need(_is(boost.recode, np.uint8, 2) and boost.recode.shape == (features, _BINS), "the bins of a score")
    _need(_is(boost.edges, np.float64, 1) and len(boost.edges) < _BINS, "the limits of a score")


def _check_pairs(pairs: Pairs, sizes: Sequence[int], size: int) -> None:
    _need(_index(pairs.of, len(sizes)) and _is(pairs.chance, np.float32, 1) and len(pairs.chance) >= sizes[pairs.of], "pairs of levels")
    same = len(pairs.level) == len(pairs.code) == len(pairs.share) > 0
    types = _is(pairs.level, np.int64, 1) and _is(pairs.code, np.uint16, 1) and _is(pairs.share, np.float64, 1)
    _need(types and same and _below(pairs.level, len(pairs.chance)) and _below(pairs.code, size), "pairs of levels")


def _depth() -> int:
    from lookalike.models._boost import DEPTH

    return DEPTH


def _is(array: np.ndarray | None, kind: type[np.generic], dimensions: int) -> bool:
    """Whether it is an array of this type, in one piece."""
    return array is not None and array.dtype == kind and array.ndim == dimensions and array.flags.c_contiguous


def _index(value: object, size: int) -> bool:
    return type(value) is int and 0 <= value < size


def _below(values: np.ndarray, size: int) -> bool:
    """Whether all are places in something of `size`."""
    return not len(values) or (0 <= int(values.min()) and int(values.max()) < size)


def _need(fine: bool | np.bool_, what: str) -> None:
    if not fine:
        raise StoreError(f"{what}: numbers that no fit writes")
