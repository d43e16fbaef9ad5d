"""Does the table reach every value that real rows take, the rare ones too?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, grid
from lookalike.compare.stats import around

BETTER = "higher"
ABOUT = About(
    title="Values reached",
    definition=(
        "Share of the places of a column that the table has a row in, meaned over columns: the levels of a label, the hundredths of an "
        "ordered column (fewer in a small table), and missing. Rare places: levels that at most 1 % of the real rows have, and the "
        "outermost hundredth on either side; columns weigh by how many they have, up to ten. Real rows miss some places too: how "
        "many is the ceiling."
    ),
    source="as SDMetrics' CategoryCoverage and RangeCoverage, by places instead of the two extreme values; test: hypergeometric",
    unit="%",
    rank=80,
    area="diversity",
)
STEPS, ROWS_A_STEP, RARE, TAIL = 100, 10, 0.01, 0.02
NAMED, HEAVIEST = 8, 10
"""Missed levels that are named; rare places that weigh at most in one column."""
TITLES = {"values_reached": "Values reached", "rare_reached": "Rare levels and tails reached"}


@dataclass(frozen=True)
class Places:
    """One column: rows of the real and of the other table in each place, which places are rare, and a label's levels in words."""

    real: np.ndarray
    other: np.ndarray
    rare: np.ndarray
    texts: tuple[str, ...]

    def share(self, which: np.ndarray) -> tuple[float, float]:
        """Share of the places `which` reached, and its variance were the table drawn again.

        A place that λ rows are expected in is missed with chance e^−λ, which varies by e^−λ − e^−2λ; λ itself is taken to be as
        uncertain as the count leaves it (Jeffreys' prior), so that a place reached by one row only is not taken as safe.
        """
        times = self.other[which]
        varied = 0.5 ** (times + 0.5) - (1 / 3) ** (times + 0.5)
        return float((times > 0).mean()), float(varied.sum()) / len(times) ** 2

    def chance(self) -> float:
        """How likely rows of the same law would miss a place as common as the commonest missed one (Bonferroni over places)."""
        missed = self.other == 0
        if not missed.any():
            return 1.0
        from scipy.special import gammaln

        n, m, c = self.real.sum(), self.other.sum(), self.real[missed].max()
        log = gammaln(n + 1) - gammaln(n - c + 1) - gammaln(n + m + 1) + gammaln(n + m - c + 1)  # all c of n + m rows are real ones
        return float(min(1.0, len(self.real) * np.exp(log)))


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Two findings in percent of the places (0 to 100): `values_reached` and `rare_reached`; tests name the columns."""
    if not real.names or not real.rows or not other.rows:
        return [Finding(name=n, title=t, value=None, note="nothing to compare") for n, t in TITLES.items()]
    places = {name: _places(real, other, name) for name in real.names}
    places = {name: p for name, p in places.items() if len(p.real)}
    tests = {name: p.chance() for name, p in places.items()}
    columns = {name: _column(p, real, other, name) for name, p in places.items()}
    rare = [(*p.share(p.rare), min(int(p.rare.sum()), HEAVIEST)) for p in places.values() if p.rare.any()]
    every = [(*p.share(np.ones(len(p.real), bool)), 1) for p in places.values()]
    count = int(sum(p.rare.sum() for p in places.values()))
    return [
        _mean("values_reached", every, "no column has values", tests=tests, detail={"columns": columns}),
        _mean("rare_reached", rare, "no column has rare levels or tails", detail={"places": count}),
    ]


def _mean(name: str, shares: list[tuple[float, float, int]], note: str, **more: Any) -> Finding:
    """Of columns with (share, its variance, weight)."""
    if not shares:
        return Finding(name=name, title=TITLES[name], value=None, note=note)
    share, varied, weight = np.array(shares).T
    weight = weight / weight.sum()
    value = float((weight * share).sum())
    error = float(np.sqrt((weight**2 * varied).sum()))
    low, high = around(100 * value, 100 * error, least=0, most=100)
    return Finding(name=name, title=TITLES[name], value=100 * value, low=low, high=high, **more)


def _places(real: Frame, other: Frame, name: str) -> Places:
    steps = int(np.clip(real.rows // ROWS_A_STEP, 2, STEPS))
    known = len(real.levels[name]) if real.is_label(name) else 0
    bins = grid(real, [name], bins=steps, levels=known)
    size = int(bins.sizes[0])
    ours, theirs = bins.codes(real)[0], bins.codes(other)[0]
    counts, others = np.bincount(ours, minlength=size), np.bincount(theirs, minlength=size)
    here = counts > 0
    others = others[here]
    share = counts[here] / real.rows
    if not known:
        rare = np.zeros(size, bool)
        rare[[0, max(size - 2, 0)]] = True  # the last bin is for missing cells
        return Places(counts[here], others, rare[here] & (share <= TAIL), ())
    order = np.argsort(bins.rules[0][:known], kind="stable")  # the level of each bin, the commonest first
    texts = [*(real.levels[name][i] for i in order), "missing"]
    kept = [texts[i] if i < len(order) else "missing" for i in np.flatnonzero(here)]
    return Places(counts[here], others, share <= RARE, tuple(kept))


def _column(places: Places, real: Frame, other: Frame, name: str) -> dict[str, Any]:
    times = places.other
    out: dict[str, Any] = {"value": round(float(100 * (times > 0).mean()), 2), "places": len(times), "reached": int((times > 0).sum())}
    if places.texts:
        missed = np.flatnonzero(times == 0)
        commonest = missed[np.argsort(-places.real[missed], kind="stable")][:NAMED]
        out["missed"] = [{"level": places.texts[i], "rows": int(places.real[i])} for i in commonest]
    else:
        out["range"] = _range(real[name], other[name])
    return out


def _range(real: np.ndarray, other: np.ndarray) -> float | None:
    """Percent of the real range, from least to greatest, that the other's range covers."""
    real, other = real[~np.isnan(real)], other[~np.isnan(other)]
    if not len(real) or not len(other) or real.min() == real.max():
        return None
    low, high = max(real.min(), other.min()), min(real.max(), other.max())
    return round(float(100 * max(0.0, high - low) / (real.max() - real.min())), 2)
