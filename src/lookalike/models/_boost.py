"""Boosted trees that tell where a row's value lies, given the others: one score, cross-fitted, that the forest may split on.

A forest finds sharp, local dependence; a sum of many shallow trees finds what adds up over many columns. The score of a row comes from
a model that has not seen it, so that the forest can trust it as much for rows to be drawn as for rows it learns from.
(Friedman 2001; cross-fitting as in stacking, Wolpert 1992.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike._compile import compiled

FOLDS = 2
DEPTH = 5
RATE = 0.12
PATIENCE = 8
FEWEST = 20
"""Rows in a leaf at least."""
RIDGE = 1.0
ABOUT = 32
"""Features that a tree looks at in a wide table."""
ABREAST = 512
"""Rows scored at once."""


@dataclass(frozen=True)
class Boost:
    """A cross-fitted score.

    `base` float64 [folds]; for each fold one tree after the other, `ends` int32 [folds + 1]; complete trees of depth DEPTH: `feature`
    int16 and `cut` uint8 [trees, 2^DEPTH − 1] (255: all go left), `value` float32 [trees, 2^DEPTH]; `recode` uint8 [features, 256]: bins
    in the order in which they are cut; `edges` float64: limits of the score's bins.
    """

    base: np.ndarray
    ends: np.ndarray
    feature: np.ndarray
    cut: np.ndarray
    value: np.ndarray
    recode: np.ndarray
    edges: np.ndarray

    def bins(self, X: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """uint8 [n]: the binned scores of rows X (uint8 [n, features]), each by the model that `fold` (int) names."""
        score = np.empty(len(X))
        _score(X, self.recode, (self.base, self.ends, self.feature, self.cut, self.value), fold, score)
        return np.searchsorted(self.edges, score).astype(np.uint8)


def cross_fit(
    X: np.ndarray,
    nominal: np.ndarray,
    y: np.ndarray,
    *,
    logistic: bool,
    effort: tuple[int, int],
    bins: int,
    rng: np.random.Generator,
    clusters: np.ndarray | None = None,
) -> tuple[Boost, np.ndarray, float]:
    """Fit a score of `y` (NaN: a row that is not learned from) on the bins X (uint8 [features, n]).

    effort: rounds, and rows learned from in each fold. clusters: int64 [n], rows that are in one fold together. Returns the model, the
    binned score of each row, and the share of the variance (of the log-loss, if `logistic`) that it explains on rows not learned from.
    """
    n, (rounds, most) = len(y), effort
    of = np.arange(n) if clusters is None else clusters
    fold = np.empty(int(of.max(initial=0)) + 1, np.int64)
    fold[rng.permutation(len(fold))] = np.arange(len(fold)) % FOLDS
    fold = fold[of]
    told = ~np.isnan(y)
    same = np.arange(256, dtype=np.uint8)
    recode = np.stack([_by_mean(x[told], y[told]) if named else same for x, named in zip(X, nominal, strict=True)])
    sizes = X.max(axis=1).astype(np.int64) + 1
    models, loss, plain = [], 0.0, 0.0
    for k in range(FOLDS):
        seen, unseen = np.flatnonzero((fold != k) & told), np.flatnonzero((fold == k) & told)
        seen, unseen = (rng.permutation(r)[:most] for r in (seen, unseen))
        both = np.concatenate([seen, unseen])
        recoded = np.stack([r[x[both]] for r, x in zip(recode, X, strict=True)])
        base, feature, cut, value, fit, dull = _boost(recoded, sizes, y[both], len(seen), logistic, rounds)
        models.append((base, feature, cut, value))
        loss, plain = loss + fit, plain + dull
    score = np.empty(n)
    ends = np.cumsum([0, *(len(m[1]) for m in models)]).astype(np.int32)
    joined = [np.concatenate([m[i] for m in models]) for i in (1, 2, 3)]
    base = np.array([m[0] for m in models])
    _score(np.ascontiguousarray(X.T), recode, (base, ends, *joined), fold, score)
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1]))
    boost = Boost(base, ends, *joined, recode, edges)
    return boost, np.searchsorted(edges, score).astype(np.uint8), 1 - loss / plain if plain > 0 else 0.0


def _by_mean(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """uint8 [256]: the rank of each bin by the mean of `y` in it, drawn towards the overall mean where it has few rows."""
    count, total = np.bincount(x, minlength=256), np.bincount(x, weights=y, minlength=256)
    order = np.argsort((total + 5 * y.mean()) / (count + 5), kind="stable")
    rank = np.empty(256, np.uint8)
    order = np.concatenate([order[count[order] > 0], order[count[order] == 0]])
    rank[order] = np.arange(256)
    return rank


@compiled
def _split(X: np.ndarray, sizes: np.ndarray, sums: np.ndarray, rows: int, where: np.ndarray, at: tuple, tree: tuple, spaces: tuple) -> None:
    """Find the best cut of every node of one level of a tree; `sums` float64 [n, 2]: gradient and curvature; at: (tree, level); tree:
    its features and cuts; spaces: see `_spaces`.

    Each tree looks at about half of the features, or at ABOUT of them where there are many.
    """
    number, level = at
    feature, cut = tree
    best, total, held, table, counts = spaces
    skipping = max(2, X.shape[0] // ABOUT)
    nodes = 1 << level
    first = nodes - 1
    best[:nodes], total[:nodes], held[:nodes] = 1e-6, 0, 0
    for i in range(rows):
        total[where[i], 0] += sums[i, 0]
        total[where[i], 1] += sums[i, 1]
        held[where[i]] += 1
    for f in range(X.shape[0]):
        if sizes[f] < 2 or (X.shape[0] > 4 and ((number * 2_654_435_761 + f * 40_503) >> 4) % skipping):
            continue
        table[:nodes, : sizes[f]], counts[:nodes, : sizes[f]] = 0, 0
        for i in range(rows):
            b = X[f, i]
            table[where[i], b, 0] += sums[i, 0]
            table[where[i], b, 1] += sums[i, 1]
            counts[where[i], b] += 1
        for w in range(nodes):
            g, h, c = 0.0, 0.0, 0
            whole = total[w, 0] ** 2 / (total[w, 1] + RIDGE)
            for b in range(min(sizes[f], 255)):
                if counts[w, b] == 0:
                    continue
                g += table[w, b, 0]
                h += table[w, b, 1]
                c += counts[w, b]
                if c < FEWEST:
                    continue
                if held[w] - c < FEWEST:
                    break
                gain = g * g / (h + RIDGE) + (total[w, 0] - g) ** 2 / (total[w, 1] - h + RIDGE) - whole
                if gain > best[w]:
                    best[w], feature[first + w], cut[first + w] = gain, f, b


@compiled
def _leaf(X: np.ndarray, i: int, feature: np.ndarray, cut: np.ndarray) -> int:
    """The leaf of a complete tree in which row `i` ends."""
    w = 0
    for level in range(DEPTH):
        at = (1 << level) - 1 + w
        w = 2 * w + (X[feature[at], i] > cut[at])
    return w


@compiled
def _loss(pred: float, y: float, logistic: bool) -> float:
    """Log-loss of a log-odds, or squared error."""
    if logistic:
        return np.log1p(np.exp(-pred)) if y > 0.5 else np.log1p(np.exp(pred))
    return (pred - y) ** 2


def _boost(X: np.ndarray, sizes: np.ndarray, y: np.ndarray, seen: int, logistic: bool, rounds: int) -> tuple:
    """Boost on the first `seen` rows until the loss on the others rises. Returns (base, feature, cut, value, loss, loss of base)."""
    n, cuts = len(y), (1 << DEPTH) - 1
    trees = np.zeros((rounds, cuts), np.int16), np.full((rounds, cuts), 255, np.uint8), np.zeros((rounds, cuts + 1), np.float32)
    rows = np.empty(n), np.ones((n, 2)), np.zeros(n, np.int32)
    base, kept, best, dull = _boosted(X, sizes, y, (seen, logistic), trees, rows, _spaces(int(sizes.max())))
    return base, *(part[:kept] for part in trees), best, dull


def _spaces(bins: int) -> tuple[np.ndarray, ...]:
    """Scratch: of each node of a level the best gain, its sums and rows, and both by bins; sums float64, rows whole numbers."""
    nodes = 1 << (DEPTH - 1)
    by_bin = np.empty((nodes, bins, 2)), np.empty((nodes, bins), np.int32)
    return np.empty(nodes), np.empty((2 * nodes, 2)), np.empty(nodes, np.int64), *by_bin


@compiled
def _boosted(X: np.ndarray, sizes: np.ndarray, y: np.ndarray, how: tuple, trees: tuple, rows: tuple, spaces: tuple) -> tuple:
    """See `_boost`, which makes room for all that is written here: what makes arrays is slow to compile. Returns (base, trees, losses).

    how: (seen, logistic); trees: (feature, cut, value), of which cuts are 255 at first: all go left; rows: (what is predicted; sums, at
    first 1; the node of each).
    """
    seen, logistic = how
    feature, cut, value = trees
    pred, sums, where = rows
    n, mean = y.size, 0.0
    for i in range(seen):
        mean += y[i]
    mean = mean / seen if seen > 0 else np.nan
    base = np.log(max(mean, 1e-6) / max(1 - mean, 1e-6)) if logistic else mean
    pred[:] = base
    dull = 0.0
    for i in range(seen, n):
        dull += _loss(base, y[i], logistic)
    best, kept = dull, 0
    for t in range(feature.shape[0]):
        for i in range(seen):
            p = 1 / (1 + np.exp(-pred[i])) if logistic else pred[i]
            sums[i, 0] = p - y[i]
            if logistic:
                sums[i, 1] = max(p * (1 - p), 1e-6)
        where[:] = 0
        for level in range(DEPTH):
            _split(X, sizes, sums, seen, where, (t, level), (feature[t], cut[t]), spaces)
            for i in range(seen):
                at = (1 << level) - 1 + where[i]
                where[i] = 2 * where[i] + (X[feature[t, at], i] > cut[t, at])
        total = spaces[1]
        total[:] = 0
        for i in range(seen):
            total[where[i], 0] += sums[i, 0]
            total[where[i], 1] += sums[i, 1]
        for w in range(1 << DEPTH):
            value[t, w] = -RATE * total[w, 0] / (total[w, 1] + RIDGE)
        for i in range(seen):
            pred[i] += value[t, where[i]]
        now = 0.0
        for i in range(seen, n):
            pred[i] += value[t, _leaf(X, i, feature[t], cut[t])]
            now += _loss(pred[i], y[i], logistic)
        if now < best:
            best, kept = now, t + 1
        elif t + 1 - kept >= PATIENCE:
            break
    return base, kept, best, dull


@compiled
def _ask(bins: np.ndarray, cut: int, out: np.ndarray) -> None:
    """1 where a row turns right, else 0; all are uint8, and there are ABREAST rows, so that the processor takes many at a time."""
    for i in range(ABREAST):
        out[i] = np.uint8(bins[i] > cut)


@compiled
def _choose(left: np.ndarray, right: np.ndarray, turn: np.ndarray, out: np.ndarray) -> None:
    """`right` where the turn is 1, else `left`; all are uint8."""
    for i in range(ABREAST):
        out[i] = np.uint8(left[i] ^ np.uint8(np.uint8(left[i] ^ right[i]) & turn[i]))


@compiled
def _leaves(row: np.ndarray, feature: np.ndarray, cut: np.ndarray, way: np.ndarray, leaf: np.ndarray) -> None:
    """The leaf of each of ABREAST rows (row: uint8 [features, ABREAST]) in a tree, into `leaf` uint8.

    Every cut is asked of every row, and then the answers are chosen that a row's way leads by: quicker than to look, for each row, where
    to look next. way: uint8 [2^(DEPTH - 1) + DEPTH, ABREAST], scratch: answers, then the turns of each row.
    """
    turns = way[1 << (DEPTH - 1) :]
    for level in range(DEPTH):
        width = 1 << level
        for k in range(width):
            _ask(row[feature[width - 1 + k]], cut[width - 1 + k], way[k])
        for past in range(level - 1, -1, -1):
            width >>= 1
            for k in range(width):
                _choose(way[2 * k], way[2 * k + 1], turns[past], way[k])
        for i in range(ABREAST):  # one by one: an array put into another is slow to compile
            turns[level, i] = way[0, i]
    leaf[:] = 0
    for level in range(DEPTH):
        for i in range(ABREAST):
            leaf[i] = np.uint8(leaf[i] << 1) | turns[level, i]


def _score(X: np.ndarray, recode: np.ndarray, models: tuple, fold: np.ndarray, out: np.ndarray) -> None:
    """The score of each row of X (uint8 [n, features]), by the model of its fold; models: (base, ends, feature, cut, value)."""
    block, way = np.zeros((X.shape[1], ABREAST), np.uint8), np.zeros(((1 << (DEPTH - 1)) + DEPTH, ABREAST), np.uint8)
    spaces = block, np.zeros(ABREAST, np.uint8), way, np.empty(ABREAST)
    for k in range(len(models[0])):
        _scored(X, recode, k, models, np.flatnonzero(fold == k), out, spaces)


@compiled
def _scored(X: np.ndarray, recode: np.ndarray, k: int, models: tuple, mine: np.ndarray, out: np.ndarray, spaces: tuple) -> None:
    """See `_score`: of the rows `mine` (int64), by model `k`. spaces: uint8 [features, ABREAST], two as `_leaves` takes them, float64
    [ABREAST], scratch.
    """
    base, ends, feature, cut, value = models
    row, leaf, way, score = spaces
    for start in range(0, mine.size, ABREAST):
        rows = mine[start : start + ABREAST]
        for i in range(rows.size):
            for f in range(X.shape[1]):
                row[f, i] = recode[f, X[rows[i], f]]
        score[:] = base[k]
        for t in range(ends[k], ends[k + 1]):
            _leaves(row, feature[t], cut[t], way, leaf)
            for i in range(ABREAST):
                score[i] += value[t, leaf[i]]
        for i in range(rows.size):
            out[rows[i]] = score[i]


def transfer(
    X: np.ndarray, X_real: np.ndarray, y: np.ndarray, y_real: np.ndarray, *, nominal: np.ndarray, ordered: bool, rounds: int = 60
) -> float:
    """Loss on real rows of boosted trees that learn from synthetic ones: squared error of the rank, or log-loss summed over levels.

    X, X_real: uint8 [features, n], [features, m]; y, y_real: codes.
    """
    both = np.concatenate([y, y_real])
    counts = np.bincount(both)
    if ordered and (counts > 0).sum() > 2:
        rank = (np.cumsum(counts) - counts / 2) / len(both)
        aims = [(rank[both], False)]
    else:
        levels = np.argsort(-counts, kind="stable")[: min(8, int((counts > 0).sum()))]
        aims = [((both == c).astype(np.float64), True) for c in levels[1:]]
    sizes = np.full(len(X), 256, np.int64)
    total = 0.0
    for aim, logistic in aims:
        recode = [_by_mean(x, aim[: len(y)]) if named else np.arange(256, dtype=np.uint8) for x, named in zip(X, nominal, strict=True)]
        joined = np.stack([r[np.concatenate(pair)] for r, *pair in zip(recode, X, X_real, strict=True)])
        total += _boost(joined, sizes, aim, len(y), logistic, rounds)[4]
    return total / len(y_real)
