"""Does each column, looked at alone, have the right distribution?"""

from __future__ import annotations

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife, without

BETTER = "lower"
ABOUT = About(
    title="Column shapes",
    definition=(
        "Mean error of the single columns: the greatest difference between the two cumulative distributions "
        "(Kolmogorov–Smirnov) of ordered columns, the total variation distance of labels. A missing cell is a value of its own; "
        "free text is compared by its length."
    ),
    source="Massey 1951; as SDMetrics' KSComplement and TVComplement, turned into an error",
    rank=10,
    area="fidelity",
    unit="%",
)


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `shape` in percent (0 to 100), with the error of each column and its interval in `detail["columns"]`."""
    a, b = blocks(real.rows, context.rng), blocks(other.rows, context.rng)
    tables = {name: _errors(real, other, name, a, b) for name in real.names}
    if not tables:
        return [Finding(name="shape", value=None, note="no column can be compared")]
    all_errors = np.array(list(tables.values()))  # [columns, 1 + 2 × groups]
    values, spread = all_errors[:, 0], _spread(all_errors.T)
    columns = {name: _column(v, s) for name, v, s in zip(tables, values, spread, strict=True)}
    mean = all_errors.mean(0)
    low, high = around(mean[0], float(_spread(mean)), least=0, most=100)
    return [Finding(name="shape", value=float(mean[0]), low=low, high=high, detail={"columns": columns})]


def _column(value: float, error: float) -> dict[str, float]:
    low, high = around(float(value), float(error), least=0, most=100)
    return {"value": float(value), "low": low, "high": high}


def _spread(replicates: np.ndarray) -> np.ndarray:
    """Standard error of both samples together; the first row is the value itself, then one replicate a group of each table."""
    return np.hypot(jackknife(replicates[1 : BLOCKS + 1]), jackknife(replicates[BLOCKS + 1 :]))


def _errors(real: Frame, other: Frame, name: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Error in percent with all rows, then with each group of `real` left out, then with each group of `other`."""
    codes, size = _dense(real, other, name)
    p = without(_counts(codes[: real.rows], a, size))
    q = without(_counts(codes[real.rows :], b, size))
    gaps = np.concatenate([p - q[:1], p[:1] - q[1:]])
    if real.is_label(name):
        return 50 * np.abs(gaps).sum(1)
    return 100 * np.abs(np.cumsum(gaps, axis=1)).max(1)


def _dense(real: Frame, other: Frame, name: str) -> tuple[np.ndarray, int]:
    """Ranks of the distinct values of both tables together; missing comes last."""
    both = np.concatenate([real[name], other[name]])
    if real.is_label(name):
        size = len(real.levels[name]) + 1
        return np.where(both < 0, size - 1, both), size
    seen, codes = np.unique(both, return_inverse=True)
    return codes, len(seen)


def _counts(codes: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(group * size + codes, minlength=BLOCKS * size).reshape(BLOCKS, size)
