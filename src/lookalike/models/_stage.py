"""One step of the chain: how the codes of one part are drawn, given the parts before it. By lookup, or by trees that may use a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from lookalike.models._boost import FOLDS, Boost, cross_fit
from lookalike.models._grow import grow
from lookalike.models._pairs import Pairs, find_pairs
from lookalike.models._sound import check_stage
from lookalike.models._ties import Tie
from lookalike.models._trees import LOOK, Trees, chance, cut_back, draw_among, positions, sorted_leaves, tell, tells
from lookalike.models._walk import draw

BINS = 128
"""Bins of an ordered feature and of a score; nominal features have up to 255, the rarest levels together."""
GROUPS = 24
"""Groups of a target's levels that splits are judged by."""
MOST_FEATURES = 64
"""Earlier parts that a stage looks at at most."""
LEAVES = np.array([3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 350, 600, 1_000, 2_000, 4_000, 1 << 30])
JUDGED = 3_000
"""Rows on which the size of leaves is judged."""
DOUBT = 0.02
"""Share of the marginal mixed in where a code is judged by its chance, so that one never seen in a leaf costs much, but not all."""
TREE_ROWS, MOST_TREE_ROWS = 60_000, 150_000
"""Rows that a tree learns from at most; and where all trees together would then see less than all rows."""
SMALLEST = 5
"""Fewest rows in the leaf of a tree before it is cut back."""
WORTH = 2.0
"""Nats that a cut must gain on the rows it is chosen by; less is chance."""
PILOTS, FEWEST_PILOTS, PILOT_CELLS = 30_000, 1_000, 3_000_000
"""Rows of a pilot draw, fewest of them that a stage is tilted by, and cells of the whole pilot at most."""
PAIRINGS, PAIRS_WORTH, SCARCE = 8, 0.005, 0.05
"""Parts at most whose pairs with the own part are put right; share of the rows that this must change; least a code may be kept for it."""
EXPECTED, BY_CHANCE, TURNS, MOST_TILT = 200, 1.3, 3, 2.0
"""Rows that a group of codes is expected to have in a pilot; excess that chance explains; turns; how far a weight may go from 1."""
PAIRED = ("chance", "level", "code", "share")
JUDGES = 8
"""Trees by which the size of leaves is judged; the others grow to that size only."""


@dataclass(frozen=True)
class Growing:
    """How trees are grown: how many, on which share of the rows, fewest rows in the leaf of a number, share of features tried."""

    trees: int
    sample: float
    leaf: int
    features: float


@dataclass(frozen=True)
class Target:
    """What one stage learns: codes uint16 [n] (ties from `size` on), whether they are ordered, and the ties.

    clusters: int64 [n], rows that belong together, such as those of one owner: they are learned from together, or together left out.
    """

    part: int
    codes: np.ndarray
    size: int
    ordered: bool
    ties: tuple[Tie, ...] = ()
    clusters: np.ndarray | None = None


@dataclass(frozen=True)
class Stage:
    """How part `part` is drawn from the bins of the parts `features` and from `boosts`; or by `table` from one part's codes.

    Codes from `size` on mean the value of `ties`. `groups` int32, `edges` int64, `keep` float32: see `_walk.draw`; `plain`: the
    commonest code that is no tie, for rows in which a tie cannot be computed. `pairs`: put in place of some of the drawn codes.
    """

    part: int
    features: tuple[int, ...]
    size: int
    ties: tuple[Tie, ...] = ()
    boosts: tuple[Boost, ...] = ()
    trees: Trees | None = None
    groups: np.ndarray | None = None
    edges: np.ndarray | None = None
    keep: np.ndarray | None = None
    plain: int = 0
    decider: int = -1
    table: np.ndarray | None = None
    pairs: tuple[Pairs, ...] = ()

    def draw(self, bins: np.ndarray, codes: np.ndarray, *, seed: int, first: int) -> np.ndarray:
        """uint16 [n]: codes for rows whose earlier parts have `bins` (uint8 [parts, n]) and `codes`; `first`: number of the first row."""
        if self.table is not None:
            return self.table[codes[self.decider]]
        out = np.empty(bins.shape[1], np.uint16)
        trees, levels, keep = self._drawn()
        draw(self._rows(bins, first), (trees[0], *self.trees.paths, *trees[3:]), levels, keep, out, seed, first)
        for k, pairs in enumerate(self.pairs, 1):
            pairs.put(out, codes, seed=seed + k, first=first)
        return out

    def draw_among(
        self, bins: np.ndarray, codes: np.ndarray, weight: np.ndarray, *, seed: int, first: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Codes uint16 [n] as of `draw`, but only such as will do; and float64 [n], the chance that `draw` draws one of them.

        weight: float32 [size], the share of each code that will do. What a tie will give is not known before: it is taken to do.
        """
        if self.table is not None:
            drawn = self.table[codes[self.decider]]
            return drawn, weight[drawn].astype(np.float64)
        size = max(self.size + len(self.ties), int(self.trees.donors.max(initial=0)) + 1)
        will = np.concatenate([weight, np.ones(size - self.size, np.float32)])
        trees, levels, keep = self._drawn()
        out, mass = np.empty(bins.shape[1], np.uint16), np.empty(bins.shape[1])
        among = will * keep[:size] if keep.size else will
        draw_among(self._rows(bins, first), trees, levels, (keep, among), (out, mass), seed, first)
        for k, pairs in enumerate(self.pairs, 1):
            mass = pairs.put_among(out, mass, codes, weight, seed=seed + k, first=first)
        return out, mass

    def chance(self, bins: np.ndarray, codes: np.ndarray, own: np.ndarray, *, doubt: float = DOUBT) -> np.ndarray:
        """float64 [n], above 0: the chance that `draw` gives the codes `own`. One that it does not give has that of a mistake (`doubt`)."""
        own = own.astype(np.uint16)
        if self.table is not None:
            return np.where(self.table[codes[self.decider]] == own, 1.0, doubt / self.size)
        found = np.empty(len(own))
        trees, *how = self._drawn()
        chance(self._rows(bins, 0), (*trees[:3], self._sorted, *trees[4:]), *how, own, found)
        for pairs in self.pairs:
            found = pairs.told(found, codes, own)
        return (1 - doubt) * found + doubt * self.share(own)

    def share(self, own: np.ndarray) -> np.ndarray:
        """float64 [n], above 0: how often the codes `own` are drawn, whatever the row."""
        if self.table is not None:
            return np.full(len(own), 1 / self.size)
        counts = np.bincount(self.trees.donors, minlength=int(own.max(initial=0)) + 1) + 1.0
        return counts[own] / counts.sum()

    @cached_property
    def _sorted(self) -> np.ndarray:
        return sorted_leaves(self.trees.nodes, self.trees.donors)

    def _rows(self, bins: np.ndarray, first: int) -> np.ndarray:
        """What trees look at, uint8 [n, features]: a row's bins and binned scores lie together, for fewer cache misses."""
        X = np.empty((bins.shape[1], len(self.features) + len(self.boosts)), np.uint8)
        for k, f in enumerate(self.features):
            X[:, k] = bins[f]
        fold = (first + np.arange(len(X))) % FOLDS
        for k, boost in enumerate(self.boosts, len(self.features)):
            X[:, k] = boost.bins(X[:, : len(self.features)], fold)
        return X

    def _drawn(self) -> tuple:
        """What compiled code draws from: trees, levels, keep."""
        keep = np.ones(0, np.float32) if self.keep is None else self.keep
        return tuple(getattr(self.trees, f.name) for f in fields(Trees)), (self.groups, self.edges), keep

    def tilted(self, bins: np.ndarray, codes: np.ndarray, rows: np.ndarray, *, seed: int) -> Stage:
        """This stage, drawing its codes as often as they were learned, whatever became of the parts before it.

        Along a chain small errors add up: the parts before a stage are drawn a little unlike those it learned from, and so is what it
        draws. A pilot tells by how much (`bins`, `codes`: its earlier parts; `rows`: those that count); codes drawn too often are then
        kept less often. Differences that chance explains are left alone.
        """
        if self.trees is None or len(rows) < FEWEST_PILOTS:
            return self
        size = self.size + len(self.ties)
        learned = np.bincount(self.trees.donors, minlength=size) / max(len(self.trees.donors), 1)
        expected, stage, weight = learned * len(rows), self, np.ones(size)
        group = np.unique((np.cumsum(expected) - expected / 2) // max(EXPECTED, len(rows) / 100), return_inverse=True)[1]
        due = np.bincount(group, expected)
        for turn in range(TURNS):
            got = np.bincount(group[stage.draw(bins, codes, seed=seed + turn, first=0)[rows]], minlength=len(due))
            excess = ((got - due) ** 2 / np.maximum(due, 1)).sum() / max(len(due) - 1, 1)  # 1 if there is nothing but chance
            if excess < BY_CHANCE:
                break
            ratio = 1 + (1 - 1 / excess) * (due / np.maximum(got, 1) - 1)  # James & Stein 1961: drawn towards no change
            weight = np.clip(weight * ratio[group], 1 / MOST_TILT, MOST_TILT)
            stage = self._kept(weight, learned)
        return stage

    def paired(self, learned: np.ndarray, bins: np.ndarray, codes: np.ndarray, among: Mapping[int, int], *, seed: int) -> Stage:
        """This stage, drawing pairs of levels with earlier parts as often as they were learned, where that is much too seldom.

        learned: uint16 [parts, n], rows learned from. bins, codes: a pilot, as in `tilted`. among: the codes that nominal parts have.
        """
        if self.trees is None or self.ties or self.part not in among or self.size <= GROUPS or codes.shape[1] < FEWEST_PILOTS:
            return self
        stage, own = self, np.bincount(learned[self.part], minlength=self.size) / learned.shape[1]
        for turn in range(PAIRINGS):
            drawn, best, most = stage.draw(bins, codes, seed=seed + turn, first=0), None, PAIRS_WORTH
            for q in sorted(set(self.features) & set(among)):
                found = find_pairs(q, (learned[q], learned[self.part]), (codes[q], drawn), (among[q], self.size))
                if found is not None and found.changed(learned[q]) > most:
                    best, most = found, found.changed(learned[q])
            if best is None:
                break
            # What is put is drawn less often elsewhere: shares stay as they are.
            rest = (own - best.given(learned[best.of], self.size)) / np.maximum(own, 1e-12) / (1 - most)
            stage = replace(stage._kept(np.clip(rest, SCARCE, 1 / SCARCE), own), pairs=(*stage.pairs, best))
        return stage

    def _kept(self, weight: np.ndarray, learned: np.ndarray) -> Stage:
        """This stage, keeping codes by `weight` times as often as it did, where they were `learned`."""
        whole = weight * (1.0 if self.keep is None else self.keep)
        return replace(self, keep=(whole / whole[learned > 0].max()).astype(np.float32))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """JSON values and arrays."""
        card = {"part": self.part, "features": list(self.features), "size": self.size, "plain": self.plain, "decider": self.decider}
        arrays = {name: getattr(self, name) for name in ("groups", "edges", "keep", "table") if getattr(self, name) is not None}
        arrays |= {f"trees.{f.name}": getattr(self.trees, f.name) for f in fields(Trees) if self.trees is not None}
        for k, boost in enumerate(self.boosts):
            arrays |= {f"boost{k}.{f.name}": getattr(boost, f.name) for f in fields(Boost)}
        for k, pairs in enumerate(self.pairs):
            arrays |= {f"pairs{k}.{name}": getattr(pairs, name) for name in PAIRED}
        card |= {"ties": [{**asdict(t), "of": list(t.of)} for t in self.ties], "boosts": len(self.boosts)}
        return card | {"pairs": [pairs.of for pairs in self.pairs]}, arrays

    @classmethod
    def restore(cls, card: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Stage:
        """The inverse of `state`; see `check_stage` for what is refused."""
        ties = tuple(Tie(**{**t, "of": tuple(t["of"])}) for t in card["ties"])
        boosts = tuple(Boost(**{f.name: arrays[f"boost{k}.{f.name}"] for f in fields(Boost)}) for k in range(card["boosts"]))
        trees = Trees(**{f.name: arrays[f"trees.{f.name}"] for f in fields(Trees)}) if "trees.root" in arrays else None
        pairs = tuple(Pairs(of, **{name: arrays[f"pairs{k}.{name}"] for name in PAIRED}) for k, of in enumerate(card.get("pairs", [])))
        rest = {name: arrays.get(name) for name in ("groups", "edges", "keep", "table")} | {"pairs": pairs}
        plain = {name: card[name] for name in ("part", "size", "plain", "decider")}
        made = cls(features=tuple(card["features"]), ties=ties, boosts=boosts, trees=trees, **plain, **rest)
        check_stage(made)
        return made


def bin_map(counts: np.ndarray, *, ordered: bool) -> np.ndarray:
    """uint8 [codes]: the bin of each code, 0 for missing; ordered codes share a bin by the square root of their rows."""
    most = BINS if ordered else 256
    if len(counts) <= most:
        return np.arange(len(counts), dtype=np.uint8)
    if not ordered:
        return np.minimum(np.arange(len(counts)), most - 1).astype(np.uint8)  # levels come by frequency
    weight = np.sqrt(counts[1:])
    middle = np.cumsum(weight) - weight / 2
    bins = 1 + np.minimum(middle / max(weight.sum(), 1e-9) * (most - 1), most - 2).astype(np.int64)
    return np.concatenate([[0], np.unique(bins, return_inverse=True)[1] + 1]).astype(np.uint8)


def telling(target: Target, features: Sequence[int], bins: np.ndarray) -> list[int]:
    """The features, at most MOST_FEATURES of them: in a wide table those that alone say most of the target."""
    if len(features) <= MOST_FEATURES:
        return list(features)
    groups = _group(np.bincount(target.codes, minlength=target.size + len(target.ties)), target)
    y = groups[target.codes[:LOOK]]
    gain = tells(np.ascontiguousarray(bins[list(features), :LOOK]), y, int(groups.max()) + 1, _entropy(len(y)))
    best = np.argsort(-gain, kind="stable")[:MOST_FEATURES]
    return [features[i] for i in np.sort(best)]


def _entropy(most: int) -> np.ndarray:
    """x·log x for whole numbers up to `most`."""
    x = np.arange(most + 1, dtype=np.float64)
    x[1:] *= np.log(x[1:])
    return x


def learn(
    target: Target,
    features: Sequence[int],
    bins: np.ndarray,
    nominal: np.ndarray,
    *,
    how: Growing,
    boosts: Sequence[tuple[Boost, np.ndarray]],
    rows: np.ndarray | None,
    rng: np.random.Generator,
) -> Stage:
    """Learn to draw `target` from the `bins` (uint8 [parts, n]) of parts `features`.

    nominal: bool [parts]; boosts: scores and their bins for all n rows; rows: those to learn from (None: all).
    """
    X = bins[list(features)] if len(features) else np.zeros((1, bins.shape[1]), np.uint8)
    flags = nominal[list(features)] if len(features) else np.zeros(1, bool)
    X = np.ascontiguousarray(np.concatenate([X, *(b[None] for _, b in boosts)]))
    flags = np.concatenate([flags, np.zeros(len(boosts), bool)])
    y = target.codes
    if rows is not None:
        X, y = np.ascontiguousarray(X[:, rows]), y[rows]
        target = replace(target, clusters=None if target.clusters is None else target.clusters[rows])
    counts = np.bincount(y, minlength=target.size + len(target.ties))
    groups = _group(counts, target)
    trees, split = _forest(X, flags, y, groups, target, how, len(boosts), rng)
    edges = np.searchsorted(groups, np.arange(groups.max() + 2))
    own = {"groups": groups, "edges": edges} if split else {"groups": np.zeros(0, np.int32), "edges": np.zeros(0, np.int64)}
    plain = int(counts[: target.size].argmax())
    used = tuple(int(f) for f in features) or (0,)
    return Stage(target.part, used, target.size, target.ties, tuple(b for b, _ in boosts), trees, plain=plain, **own)


def _group(counts: np.ndarray, target: Target) -> np.ndarray:
    """int32 [codes]: the group of each code; codes of a group follow one another, each tie is its own."""
    own = counts[: target.size]
    if target.size <= GROUPS:
        groups = np.arange(target.size)
    elif target.ordered:
        rows = own[1:]
        middle = np.cumsum(rows) - rows / 2
        bins = 1 + np.minimum(middle / max(rows.sum(), 1) * (GROUPS - 1), GROUPS - 2).astype(np.int64)
        groups = np.concatenate([[0], np.unique(bins, return_inverse=True)[1] + 1])
    else:
        groups = np.minimum(np.arange(target.size), GROUPS - 1)
    return np.concatenate([groups, groups.max() + 1 + np.arange(len(target.ties))]).astype(np.int32)


def _forest(
    X: np.ndarray,
    nominal: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    target: Target,
    how: Growing,
    always: int,
    rng: np.random.Generator,
) -> tuple[Trees, bool]:
    """The trees, and whether a level is drawn within its group apart.

    A number with many cells gets small leaves: its cells are near one another, and trees are averaged. Elsewhere the size of the
    leaves is the one that gives rows not learned from the greatest likelihood. Who asks for leaves below SMALLEST gets them everywhere.
    """
    n, n_groups = len(y), int(groups.max()) + 1
    grouped, codes = groups[y], y.astype(np.int32)
    fixed = how.leaf < SMALLEST or (target.ordered and n_groups < len(groups))
    seen = min(max(int(n * how.sample), 1), max(TREE_ROWS, min(n // how.trees, MOST_TREE_ROWS)))
    tried = max(1, int(np.ceil(how.features * (len(X) - always))))
    limits = (how.leaf if fixed else SMALLEST, tried, always, target.ordered, WORTH if how.leaf >= SMALLEST else 0.0)
    entropy = _entropy(seen)
    judged = np.sort(rng.permutation(n)[:JUDGED])
    told = (np.zeros((len(LEAVES), len(judged))), np.zeros((len(LEAVES), len(judged))), np.zeros(len(judged), np.int64))
    grown, beside = [], np.ascontiguousarray(X.T)
    for k, seed in enumerate(rng.integers(0, 1 << 62, how.trees)):
        if k == JUDGES and not fixed:
            limits = (max(SMALLEST, min(_choose(told, groups, y, judged)[0], seen)), *limits[1:])
        rows = _chosen(n, target.clusters, how.sample, seen, np.random.default_rng(seed)).astype(np.int32)
        own = np.arange(len(rows), dtype=np.int32)  # what a tree learns from lies together, for fewer cache misses
        tree = grow(beside[rows], nominal, grouped[rows], n_groups, own, limits, int(seed), entropy)
        rows = rows[own]
        grown.append((tree, codes[rows]))
        if not fixed and k < JUDGES:
            _judge(X, judged, rows, tree, (grouped, n_groups), (codes, len(groups)), told)
    if fixed:
        return Trees.join([_whole(cut_back(tree, 1, 1), donors, False) for tree, donors in grown]), False
    leaf, wide = _choose(told, groups, y, judged)
    split = n_groups < len(groups)
    return Trees.join([_whole(cut_back(tree, leaf, wide), donors, split) for tree, donors in grown]), split


def _chosen(n: int, clusters: np.ndarray | None, share: float, most: int, rng: np.random.Generator) -> np.ndarray:
    """int64, at most `most`, in random order: the rows of about `share` of the clusters; of no clusters, all rows."""
    if clusters is None:
        return rng.permutation(n)[:most] if n <= 2 * most else rng.choice(n, most, replace=False)
    sizes = np.bincount(clusters)
    order = rng.permutation(np.flatnonzero(sizes))
    kept = np.zeros(len(sizes), bool)
    kept[order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), share * n, side="right")))]] = True
    return rng.permutation(np.flatnonzero(kept[clusters]))[:most]


def _judge(X: np.ndarray, judged: np.ndarray, rows: np.ndarray, tree: tuple, grouped: tuple, codes: tuple, told: tuple) -> None:
    """Let one tree tell of the judged rows that it has not learned from."""
    unseen = np.ones(X.shape[1], bool)
    unseen[rows] = False
    where = np.flatnonzero(unseen[judged])
    if not len(where):
        return
    held = [(*positions(values[rows], size), values) for values, size in (grouped, codes)]
    mine = (np.zeros((len(LEAVES), len(where))), np.zeros((len(LEAVES), len(where))), np.zeros(len(where), np.int64))
    tell(X, judged[where], tree, held[0], held[1], LEAVES, mine)
    for total, part in zip(told, mine, strict=True):
        total[..., where] += part


def _choose(told: tuple, groups: np.ndarray, y: np.ndarray, judged: np.ndarray) -> tuple[int, int]:
    """Fewest rows in a leaf, and in the wider leaf that levels are drawn from within their group, by likelihood."""
    heard = told[2] > 0
    if not heard.any():
        return int(LEAVES[-1]), int(LEAVES[-1])
    of_code = np.bincount(y, minlength=len(groups)) / len(y)
    of_group = np.bincount(groups, weights=of_code)
    code = y[judged[heard]]
    marginal = of_group[groups[code]], of_code[code] / of_group[groups[code]]
    group, within = (
        np.log((1 - DOUBT) * share[:, heard] / told[2][heard] + DOUBT * plain).mean(axis=1)
        for share, plain in zip(told, marginal, strict=False)
    )
    leaf = int(LEAVES[group.argmax()])
    return leaf, max(leaf, int(LEAVES[within.argmax()]))


def _whole(tree: tuple, donors: np.ndarray, split: bool) -> Trees:
    """`Trees` of one tree."""
    feature, cut, left, low, high, sets, wide_low, wide_high = tree
    leaf = feature < 0
    nodes = np.column_stack([feature, np.where(leaf, low, cut), np.where(leaf, high, left)]).astype(np.int32)
    donors = donors.astype(np.uint16)
    wide = np.column_stack([wide_low, wide_high])[: len(leaf) if split else 0]
    fine = donors.copy() if split else np.zeros(0, np.uint16)
    for a, b in {(a, b) for a, b in wide[leaf[: len(wide)]].tolist()}:
        fine[a:b].sort()
    return Trees(np.zeros(1, np.int32), nodes, sets, donors, wide, fine)


def score(
    target: Target, bins: np.ndarray, nominal: np.ndarray, *, rounds: int, most: int, rng: np.random.Generator, worth: float
) -> list[tuple[Boost, np.ndarray]]:
    """Boosted scores of a target that explain at least `worth` of it: its rank if it is ordered, else one for each of few levels."""
    counts = np.bincount(target.codes)
    present = np.flatnonzero(counts)
    if target.ordered and len(present) > 2:
        known = np.append(0, counts[1:])  # missing is not a low value: a score tells of those that are there
        rank = (np.cumsum(known) - known / 2) / max(known.sum(), 1)
        rank[0] = np.nan
        aims = [(rank[target.codes], False)]
    else:
        common = present[np.argsort(-counts[present], kind="stable")]
        aims = [((target.codes == c).astype(np.float64), True) for c in common[1:8]]
    found = []
    for y, logistic in aims:
        effort, whose = (rounds, most), target.clusters
        boost, score_, worth_ = cross_fit(bins, nominal, y, logistic=logistic, effort=effort, bins=BINS, rng=rng, clusters=whose)
        if worth_ >= worth:
            found.append((boost, score_))
    return found
