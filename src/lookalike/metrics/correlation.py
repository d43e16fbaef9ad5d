"""Do numbers rise together, and differ between groups, as they should?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lookalike.compare import pairs
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, Grid, grid
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "lower"
ABOUT = About(
    title="Correlations",
    definition=(
        "Correlation: mean difference of Spearman's rank correlation over all pairs of ordered columns, halved so that 100 % is from −1 "
        "to 1; one outlier moves a rank by nothing. Correlation ratio: mean difference of η, the share of a number's spread that lies "
        "between the groups of a label (square root; corrected for chance; values beyond the real 0.5 % and 99.5 % quantile count as "
        "there), over all pairs of a label and an ordered column."
    ),
    source="Spearman 1904 (half the difference as SDMetrics' CorrelationSimilarity); η: Pearson 1905, corrected by Kelley 1935",
    rank=22,
    area="fidelity",
    unit="%",
    real_rows=25_000,
    rows=25_000,
    control_rows=25_000,
)
TITLES = {"correlation": "Correlations", "correlation_ratio": "Differences between groups"}
COLUMNS = 100
"""More ordered columns, or labels, than these are not looked at."""
SHOWN = 60
FACTOR = {"correlation": 50, "correlation_ratio": 100}


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Findings `correlation` and `correlation_ratio` in percent (0 to 100); detail names the pairs that differ most."""
    every = [[n for n in real.names if real.is_label(n) == label] for label in (False, True)]
    numbers, labels = (names[:COLUMNS] for names in every)
    note = f"the first {COLUMNS} ordered columns and labels" if max(map(len, every)) > COLUMNS else ""
    group = tuple(blocks(f.rows, context.rng, owner=f.owner) for f in (real, other))
    enough = real.rows > 2 and other.rows > 2
    rows = real.rows, other.rows
    if len(numbers) > 1 and enough:
        ranks = [ranked(f, numbers) for f in (real, other)]
        upper = np.triu_indices(len(numbers), 1)
        one = [_spearman(r, g)[:, *upper] for r, g in zip(ranks, group, strict=True)]
        names = [(numbers[i], numbers[j]) for i, j in zip(*upper, strict=True)]
        first = _finding("correlation", one, names, rows)
    else:
        first = _none("correlation", "needs two ordered columns")
    if numbers and labels and enough:
        ends = {n: np.nanquantile(real[n], [0.005, 0.995]) if np.isfinite(real[n]).any() else np.zeros(2) for n in numbers}
        bins = grid(real, labels)
        two = [_ratios(f, bins, ends, g).reshape(BLOCKS + 1, -1) for f, g in zip((real, other), group, strict=True)]
        second = _finding("correlation_ratio", two, [(a, b) for a in labels for b in numbers], rows)
    else:
        second = _none("correlation_ratio", "needs a label and an ordered column")
    return [f if f.value is None else replace(f, note=note) for f in (first, second)]


def ranked(frame: Frame, names: list[str]) -> np.ndarray:
    """Midranks of each column's present values from −1 to 1, NaN where missing, float64 [columns, rows]."""
    from scipy.stats import rankdata

    out = np.full((len(names), frame.rows), np.nan)
    for row, name in zip(out, names, strict=True):
        here = ~np.isnan(frame[name])
        row[here] = (2 * rankdata(frame[name][here]) - 1) / max(1, here.sum()) - 1
    return out


def _none(name: str, note: str) -> Finding:
    return Finding(name=name, title=TITLES[name], value=None, note=note)


def _finding(name: str, both: list[np.ndarray], pairs_: list[tuple[str, str]], rows: tuple[int, int]) -> Finding:
    """`both`: coefficients [1 + groups, pairs] of the two tables, NaN where a column does not vary in one."""
    p, q = both
    factor = FACTOR[name]
    # A pair that varies in one table only has lost, or gained, all of its correlation.
    gone = np.isnan(p[0]) & np.isnan(q[0])
    if gone.all():
        return _none(name, "no pair of columns varies")
    p, q = (np.nan_to_num(x[:, ~gone]) for x in both)
    kept = [pair for pair, g in zip(pairs_, gone, strict=True) if not g]
    value = factor * np.abs(p[0] - q[0])
    out = np.array([(factor * np.abs(x[1:] - y[0])).mean(1) for x, y in ((p, q), (q, p))])
    low, high = around(float(value.mean()), float(np.hypot(jackknife(out[0]), jackknife(out[1]))), least=0, most=100)
    worst = [
        {"a": kept[i][0], "b": kept[i][1], "real": round(float(p[0, i]), 4), "other": round(float(q[0, i]), 4)}
        for i in np.argsort(-value, kind="stable")[:SHOWN].tolist()
    ]
    tests = dict(zip((f"{a} × {b}" for a, b in kept), _chance(p, q, rows).tolist(), strict=True))
    return Finding(name=name, title=TITLES[name], value=float(value.mean()), low=low, high=high, tests=tests, detail={"pairs": worst})


def _chance(p: np.ndarray, q: np.ndarray, rows: tuple[int, int]) -> np.ndarray:
    """p-values [pairs] of equal coefficients, from the jackknife's error or that of a correlation of normal columns, if that is more.

    Student's t, for a jackknife of few groups has few degrees of freedom (Welch and Satterthwaite's).
    """
    from scipy.special import stdtr

    squared = [np.maximum(jackknife(x[1:]), (1 - x[0] ** 2) / np.sqrt(n)) ** 2 + 1e-12 for x, n in zip((p, q), rows, strict=True)]
    freedom = (BLOCKS - 1) * (squared[0] + squared[1]) ** 2 / (squared[0] ** 2 + squared[1] ** 2)
    return 2 * stdtr(freedom, -np.abs(p[0] - q[0]) / np.sqrt(squared[0] + squared[1]))


def _spearman(ranks: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Correlation of ranks over rows with both present, with all rows and without each group: [1 + groups, columns, columns]."""
    here = ~np.isnan(ranks)
    x, w = np.where(here, ranks, 0), here.astype(np.float64)
    parts = np.empty((BLOCKS, 4, len(x), len(x)))
    for g in range(BLOCKS):
        v, k = x[:, group == g], w[:, group == g]
        parts[g] = k @ k.T, v @ k.T, (v * v) @ k.T, v @ v.T
    whole = parts.sum(0)
    kept = np.concatenate([whole[None], whole - parts])
    n, s, ss, cross = (kept[:, i] for i in range(4))
    own = n * ss - s * s
    spread, top = own * own.transpose(0, 2, 1), n * cross - s * s.transpose(0, 2, 1)
    fine = (n > 2) & (own > 1e-9 * n * n) & (own.transpose(0, 2, 1) > 1e-9 * n * n)
    return np.clip(np.divide(top, np.sqrt(np.maximum(spread, 0)), out=np.full_like(top, np.nan), where=fine), -1, 1)


def _ratios(frame: Frame, bins: Grid, ends: dict[str, np.ndarray], group: np.ndarray) -> np.ndarray:
    """η of each label with each number, with all rows and without each group: [1 + groups, labels, numbers]."""
    codes, starts, cells = bins.codes(frame), pairs.offsets(bins), int(bins.sizes.sum())
    x = np.array([np.clip(frame[n], *end) - end.mean() for n, end in ends.items()])
    x /= np.array([max(float(np.ptp(end)), 1e-300) for end in ends.values()])[:, None]
    here = ~np.isnan(x)
    x = np.where(here, x, 0)
    parts = np.empty((BLOCKS, 3, cells, len(x)))
    for g in range(BLOCKS):
        at = np.flatnonzero(group == g)
        hot = np.zeros((len(at), cells))
        for j, start in enumerate(starts):
            hot[np.arange(len(at)), start + codes[j, at]] = 1
        v, k = x[:, at].T, here[:, at].T.astype(np.float64)
        parts[g] = hot.T @ k, hot.T @ v, hot.T @ (v * v)
    whole = parts.sum(0)
    kept = np.concatenate([whole[None], whole - parts])
    n, s, ss = (np.add.reduceat(kept[:, i], starts, axis=1) for i in range(3))
    between = np.add.reduceat(np.divide(kept[:, 1] ** 2, kept[:, 0], out=np.zeros_like(kept[:, 0]), where=kept[:, 0] > 0), starts, axis=1)
    groups = np.add.reduceat((kept[:, 0] > 0).astype(np.float64), starts, axis=1)
    total = ss - s * s / np.maximum(n, 1)
    fine = (n > groups + 1) & (total > 1e-12 * np.maximum(n, 1))
    within = np.divide(ss - between, total, out=np.ones_like(total), where=fine)
    share = 1 - within * (n - 1) / np.maximum(n - groups, 1)
    return np.where(fine, np.sqrt(np.clip(share, 0, 1)), np.nan)
