"""Are all groups of alike rows there, in their proportions, and no group that real rows do not form?"""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame
from lookalike.compare.near import fit
from lookalike.compare.rows import canonical, hashes
from lookalike.compare.space import Space
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "lower"
ABOUT = About(
    title="Clusters",
    definition=(
        "k-means groups the rows of both tables together (as many of each, the tables not told apart): share of the rows that are in "
        "the wrong cluster (total variation distance of the two occupancies). A cluster that is mostly the table's is an invented "
        "mode, one that the table hardly enters a lost one; the test of each is exact, because the clusters know nothing of the tables."
    ),
    source="as the log-cluster measure of Goncalves et al. 2020, with a test per cluster (binomial)",
    unit="%",
    rank=84,
    area="diversity",
    quick=False,
    real_rows=10_000,
    rows=10_000,
    control_rows=10_000,
)
MOST, ROWS_A_CLUSTER, LEAST = 24, 50, 100
ALPHA, FOLD = 0.01, 3.0
"""A lost or invented mode: so improbable (Bonferroni), and so many times too few or too many."""


@one_thread()
def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `clusters` in percent of the rows (0 to 100); detail has each cluster, tests are of single clusters."""
    rng = context.rng
    if not real.names or min(real.rows, other.rows) < LEAST:
        return [Finding(name="clusters", value=None, note=f"needs {LEAST} rows of each table and a column that can be compared")]
    space = Space(real)
    n = fit(min(real.rows, other.rows), space, most=ABOUT.rows)
    pair = [canonical(f, scale=real).cut(n, rng) for f in (real, other)]
    points = np.concatenate([space.embed(f) for f in pair])
    spots = len(np.unique(np.concatenate([hashes(f, scale=real).sum(0, dtype=np.uint64) for f in pair])))  # equal rows cannot be parted
    cluster = _cluster(points, min(spots, int(np.clip(2 * n // ROWS_A_CLUSTER, 2, MOST))), rng)
    size = int(cluster.max()) + 1
    p, q = (_occupancy(half, size, rng) for half in (cluster[:n], cluster[n:]))
    all_p, all_q = p.sum(0), q.sum(0)
    value = _apart(all_p, all_q)
    of_p, of_q = np.array([_apart(all_p - g, all_q) for g in p]), np.array([_apart(all_p, all_q - g) for g in q])
    low, high = around(value, float(np.hypot(jackknife(of_p), jackknife(of_q))), least=0, most=100)
    chances = _chances(all_p, all_q)
    texts = _words(pair, cluster, size)
    found = [_one(i, int(all_p[i]), int(all_q[i]), n, chances[i] * size, texts[i]) for i in np.argsort(all_q - all_p, kind="stable")]
    tests = {f"{i + 1}: {texts[i]}": float(chances[i]) for i in range(size)}
    flags = {flag: sum(c["flag"] == flag for c in found) for flag in ("lost", "invented")}
    return [Finding(name="clusters", value=value, low=low, high=high, tests=tests, detail={"clusters": found, "rows": n} | flags)]


def _cluster(points: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    from sklearn.cluster import KMeans

    model = KMeans(size, n_init=1, max_iter=50, random_state=int(rng.integers(2**31)))
    found = model.fit_predict(points)
    return np.unique(found, return_inverse=True)[1]


def _occupancy(cluster: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Rows in each cluster, [groups, clusters]."""
    return np.bincount(blocks(len(cluster), rng) * size + cluster, minlength=BLOCKS * size).reshape(BLOCKS, size)


def _apart(p: np.ndarray, q: np.ndarray) -> float:
    return float(50 * np.abs(p / max(p.sum(), 1) - q / max(q.sum(), 1)).sum())


def _chances(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Two-sided p-value of each cluster: its rows fall to either table with even chance."""
    from scipy.stats import binom

    least = np.minimum(p, q)
    return np.minimum(1.0, 2 * binom.cdf(least, p + q, 0.5))


def _one(index: int, real: int, other: int, rows: int, chance: float, words: str) -> dict[str, Any]:
    flag = ""
    if chance < ALPHA:
        flag = "lost" if other * FOLD < real else "invented" if other > FOLD * real else ""
    shares = {"real": round(100 * real / rows, 2), "other": round(100 * other / rows, 2)}
    return {"cluster": int(index) + 1, "words": words, **shares, "p": float(f"{min(1.0, chance):.3g}"), "flag": flag}


def _words(pair: list[Frame], cluster: np.ndarray, size: int) -> list[str]:
    """What sets each cluster apart: its two most unusual columns, as "job = nurse, age high"."""
    oddness: list[np.ndarray] = []
    words: list[list[str]] = []
    rows = np.maximum(np.bincount(cluster, minlength=size), 1)
    for name in pair[0].names:
        values = np.concatenate([f[name] for f in pair])
        if pair[0].is_label(name):
            odd, said = _labels(values, cluster, rows, (name, pair[0].levels[name]))
        else:
            odd, said = _ordered(values, cluster, rows, name)
        oddness.append(odd)
        words.append(said)
    best = np.argsort(-np.array(oddness), axis=0, kind="stable")[:2]
    return [", ".join(words[j][c] for j in best[:, c]) for c in range(size)]


def _labels(codes: np.ndarray, cluster: np.ndarray, rows: np.ndarray, of: tuple[str, tuple[str, ...]]) -> tuple[np.ndarray, list[str]]:
    name, levels = of
    known, size = len(levels) + 1, len(rows)
    counts = np.bincount(cluster * known + codes + 1, minlength=size * known).reshape(size, known)
    lift = counts / rows[:, None] - counts.sum(0) / len(codes)
    best = lift.argmax(1)
    return lift.max(1), [f"{name} = {levels[b - 1] if b else 'missing'}" for b in best]


def _ordered(values: np.ndarray, cluster: np.ndarray, rows: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Mean rank against the middle: 0.5 is as odd as can be, twice that is comparable with a level's lift."""
    from scipy.stats import rankdata

    gone = np.isnan(values)
    rank = np.where(gone, 0.5, rankdata(np.nan_to_num(values)) / len(values))
    mean = np.bincount(cluster, weights=rank, minlength=len(rows)) / rows - 0.5
    lost = np.bincount(cluster, weights=gone, minlength=len(rows)) / rows - gone.mean()
    said = [f"{name} missing" if e > 2 * abs(m) else f"{name} {'high' if m > 0 else 'low'}" for m, e in zip(mean, lost, strict=True)]
    return np.maximum(2 * np.abs(mean), lost), said
