"""Does each column, looked at alone, have the right distribution?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.compare import chance
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, grid
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife, without

BETTER = "lower"
ABOUT = About(
    title="Column shapes",
    definition=(
        "Three mean errors of the single columns. Shape: the greatest difference between the two cumulative distributions "
        "(Kolmogorov–Smirnov) of ordered columns, the total variation distance of labels. Moved mass: Wasserstein-1 distance of ordered "
        "columns, scaled to the real values' range between their 1 % and 99 % quantile (what lies beyond counts as there). "
        "Jensen–Shannon distance (base 2) over levels, or 20 quantile bins of the real column: the most sensitive to what only one table "
        "has. A missing cell is a value of its own, but for moved mass; free text is compared by its length."
    ),
    source="Massey 1951; Vallender 1974; Endres & Schindelin 2003; as SDMetrics' KSComplement and TVComplement, turned into an error",
    rank=10,
    area="fidelity",
    unit="%",
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)
TITLES = {"shape": "Column shapes", "wasserstein": "Moved mass", "jensen_shannon": "Jensen–Shannon distance"}
FINE = 1_024
"""Cells of a column that intervals are computed on; values themselves use every distinct value."""
FEW = 30
"""Distinct values up to which a column is tested value by value, else by Kolmogorov–Smirnov."""


@dataclass(frozen=True)
class _Column:
    """Errors in percent [1 + 2 × groups]: with all rows, without each group of the real table, then of the other."""

    errors: dict[str, np.ndarray]
    variation: float
    tests: dict[str, float]


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Findings `shape`, `wasserstein`, `jensen_shannon` in percent (0 to 100); the columns' errors in each one's `detail["columns"]`."""
    group = tuple(blocks(f.rows, context.rng, owner=f.owner) for f in (real, other))
    if not real.names or not real.rows or not other.rows:
        return [Finding(name=n, title=t, value=None, note="no column can be compared") for n, t in TITLES.items()]
    found = {c.name: _column(real, other, c.name, group, c.kind) for c in real.columns}
    return [_finding(name, found) for name in TITLES]


def _finding(name: str, found: dict[str, _Column]) -> Finding:
    errors = {column: c.errors[name] for column, c in found.items() if name in c.errors}
    if not errors:
        return Finding(name=name, title=TITLES[name], value=None, note="no column has an order")
    mean = np.mean(list(errors.values()), axis=0)
    low, high = around(float(mean[0]), float(_spread(mean)), least=0, most=100)
    columns = {column: _interval(e) for column, e in errors.items()}
    tests: dict[str, float] = {}
    if name == "shape":
        for column, c in found.items():
            columns[column]["variation"] = round(c.variation, 4)
            tests |= c.tests
    return Finding(name=name, title=TITLES[name], value=float(mean[0]), low=low, high=high, tests=tests, detail={"columns": columns})


def _interval(errors: np.ndarray) -> dict[str, float]:
    low, high = around(float(errors[0]), float(_spread(errors)), least=0, most=100)
    return {"value": round(float(errors[0]), 4), "low": round(low, 4), "high": round(high, 4)}


def _spread(replicates: np.ndarray) -> np.ndarray:
    """Standard error of both samples together; the first is the value itself, then one replicate a group of each table."""
    return np.hypot(jackknife(replicates[1 : BLOCKS + 1]), jackknife(replicates[BLOCKS + 1 :]))


def _column(real: Frame, other: Frame, name: str, group: tuple[np.ndarray, np.ndarray], kind: str) -> _Column:
    if real.is_label(name):
        size = len(real.levels[name]) + 1
        p, q = (_counts(np.where(f[name] < 0, size - 1, f[name]), g, size) for f, g in zip((real, other), group, strict=True))
        gaps = _replicates(without(p), without(q))
        variation = 50 * np.abs(gaps).sum(1)
        errors = {"shape": variation, "jensen_shannon": _jensen(p, q)}
        return _Column(errors, float(variation[0]), {name: chance.chi_square(p.sum(0), q.sum(0))[1]})
    seen, codes = np.unique(np.concatenate([real[name], other[name]]), return_inverse=True)
    cells = codes if len(seen) <= FINE else codes.astype(np.int64) * FINE // len(seen)
    size = min(len(seen), FINE)
    p, q = (_counts(c, g, size) for c, g in zip((cells[: real.rows], cells[real.rows :]), group, strict=True))
    gaps = _replicates(without(p), without(q))
    shape = 100 * np.abs(np.cumsum(gaps, axis=1)).max(1)
    exact = [np.bincount(c, minlength=len(seen)) for c in (codes[: real.rows], codes[real.rows :])]
    shape[0] = 100 * np.abs(np.cumsum(exact[0] / real.rows - exact[1] / other.rows)).max()
    errors, tests = {"shape": shape}, {}
    if np.isfinite(real[name]).any() and np.isfinite(other[name]).any():
        places = _places(real[name], seen)
        ends = np.minimum((np.arange(size) * len(seen) + size - 1) // size, len(seen) - 1) if size < len(seen) else np.arange(size)
        errors["wasserstein"] = _moved(places[ends], p, q)
        errors["wasserstein"][0] = _moved(places, exact[0][None], exact[1][None])[0]
    bins = grid(real, [name], bins=20)
    p, q = (_counts(bins.codes(f)[0], g, int(bins.sizes[0])) for f, g in zip((real, other), group, strict=True))
    errors["jensen_shannon"] = _jensen(p, q)
    few = len(seen) <= FEW
    tests[name] = chance.chi_square(*exact)[1] if few else chance.kolmogorov(shape[0] / 100, real.rows, other.rows)
    tests |= _habits(real[name], other[name], name, kind)
    total = p.sum(0), q.sum(0)
    return _Column(errors, float(50 * np.abs(total[0] / real.rows - total[1] / other.rows).sum()), tests)


def _replicates(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.concatenate([p - q[:1], p[:1] - q[1:]])


def _counts(codes: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(group * size + codes, minlength=BLOCKS * size).reshape(BLOCKS, size)


def _places(real: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Where on the real column's central range (0..1) each distinct value lies; NaN for missing."""
    values = real[np.isfinite(real)]
    low, high = np.quantile(values, [0.01, 0.99])
    if high <= low:
        low, high = values.min(), values.max()
    return np.clip((seen - low) / (high - low), 0, 1) if high > low else np.sign(seen - low)


def _moved(places: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Wasserstein-1 distance in percent, [replicates], of the values present."""
    here = ~np.isnan(places)
    gaps = _replicates(without(p[:, here]), without(q[:, here]))
    return 100 * (np.abs(np.cumsum(gaps, axis=1))[:, :-1] * np.diff(places[here])).sum(1)


def _jensen(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen–Shannon distance, base 2, in percent, [replicates]."""
    p, q = without(p), without(q)
    p, q = np.concatenate([p, np.repeat(p[:1], len(q) - 1, 0)]), np.concatenate([np.repeat(q[:1], len(p), 0), q[1:]])
    middle = (p + q) / 2

    def apart(a: np.ndarray) -> np.ndarray:
        ratio = np.divide(a, middle, out=np.ones_like(a), where=a > 0)
        return (a * np.log2(ratio)).sum(1) / 2

    return 100 * np.sqrt(np.clip(apart(p) + apart(q), 0, 1))


def _habits(real: np.ndarray, other: np.ndarray, name: str, kind: str) -> dict[str, float]:
    """p-values of what a column's order hides: days of the week, hours, last digits. A shift of three days moves no quantile."""
    views = {
        "date": {"weekday": lambda v: v % 7},
        "datetime": {"weekday": lambda v: v // 86_400_000_000 % 7, "hour": lambda v: v // 3_600_000_000 % 24},
        "integer": {"last digit": lambda v: np.abs(v) % 10},
        "number": {"decimals": _decimals},
    }.get(kind, {})
    sides = [v[np.isfinite(v)] for v in (real, other)]
    out = {}
    for view, of in views.items():
        p, q = (np.bincount(of(v).astype(np.int64), minlength=24) for v in sides)
        out[f"{name} ({view})"] = chance.chi_square(p, q)[1]
    return out


def _decimals(values: np.ndarray) -> np.ndarray:
    """Decimal places a number is written with, 0 to 5 (more count as 5)."""
    out = np.full(len(values), 5)
    for places in range(4, -1, -1):
        scaled = values * 10.0**places
        out[np.abs(scaled - np.rint(scaled)) < 1e-6 * np.maximum(1, np.abs(values))] = places
    return out
