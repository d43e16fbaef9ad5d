"""Do rows lie nearer to the training rows than to fresh rows of the same law?"""

from __future__ import annotations

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.space import Space, nearest
from lookalike.compare.stats import around

BETTER = "target"
ABOUT = About(
    title="Nearness to training rows",
    definition=(
        "Share of rows whose nearest training row is nearer than their nearest holdout row (as many of each; ties count half). "
        "0.5: training rows are not favoured. Numbers are scaled to their range between the 1 % and 99 % quantile, a different "
        "level or missing counts 1, distances are Euclidean. A copy detector: 0.5 does not prove privacy."
    ),
    source="DCR share as in TabSyn (Zhang et al. 2024); its limits: Yao et al., The DCR Delusion, 2025",
    rank=70,
    area="privacy",
    fresh=True,
    rows=10_000,
    control_rows=5_000,
)
REFERENCES = 20_000
WORK = 2e11
"""Multiplications at most; wide tables get fewer rows."""


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `dcr_share` (0 to 1); detail has quantiles of the distances."""
    fresh, rng = context.fresh, context.rng
    if fresh is None:
        return [Finding(name="dcr_share", value=None, note="needs a holdout")]
    if not real.names or min(real.rows, fresh.rows, other.rows) < 50:
        return [Finding(name="dcr_share", value=None, note="needs 50 rows of each table")]
    space = Space(real)
    n = min(real.rows, fresh.rows, REFERENCES)
    queries = min(other.rows, max(500, int(WORK / (4 * n * space.width))))
    here = space.embed(other.cut(queries, rng))
    train, hold = (nearest(here, space.embed(f.cut(n, rng))) for f in (real, fresh))
    nearer = np.where(np.abs(train - hold) < 1e-4, 0.5, train < hold)
    value = float(nearer.mean())
    low, high = around(value, float(nearer.std() / np.sqrt(len(nearer))), least=0, most=1)
    steps = np.linspace(0, 1, 41)
    distances = {"share": steps.tolist(), "train": _quantiles(train, steps), "holdout": _quantiles(hold, steps)}
    return [Finding(name="dcr_share", value=value, low=low, high=high, detail={"distances": distances, "rows": len(here), "references": n})]


def _quantiles(values: np.ndarray, steps: np.ndarray) -> list[float]:
    return [round(float(v), 4) for v in np.quantile(values, steps)]
