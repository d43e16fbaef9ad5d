"""Do rows lie nearer to the training rows than to fresh rows of the same law?"""

from __future__ import annotations

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.near import closest
from lookalike.compare.space import Space
from lookalike.compare.stats import around, wilson

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
CROWD = 30
"""Fewer nearest real rows than these, shared by all, make an interval of their own: a table far away from all real rows has one."""


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
    found = [closest(here, space.embed(f.cut(n, rng))) for f in (real, fresh)]
    train, hold = (np.sqrt(squared) for _, squared in found)
    tied = np.abs(train - hold) < 1e-4
    nearer = np.where(tied, 0.5, train < hold)
    value = float(nearer.mean())
    low, high = around(value, float(nearer.std() / np.sqrt(len(nearer))), least=0, most=1)
    told, note = 0 if tied.all() else min(_distinct(rows[~tied]) for rows, _ in found), ""
    if 0 < told < CROWD:
        # All rows that share their nearest rows fall on one side together: so many independent rows tell as much.
        share = 1 - float(tied.mean())
        ends = [share * end + (1 - share) / 2 for end in wilson(round(float(nearer[~tied].mean()) * told), told)]
        low, high = min(low, ends[0]), max(high, ends[1])
        if share > 0.5:
            note = f"its rows are nearest to the same {told} real row{'s' if told > 1 else ''}, far from most others, so this says little"
    steps = np.linspace(0, 1, 41)
    distances = {"share": steps.tolist(), "train": _quantiles(train, steps), "holdout": _quantiles(hold, steps)}
    detail = {"distances": distances, "rows": len(here), "references": n}
    return [Finding(name="dcr_share", value=value, low=low, high=high, note=note, detail=detail)]


def _distinct(rows: np.ndarray) -> int:
    """How many equally common nearest rows would be shared as much as these are."""
    times = np.unique(rows, return_counts=True)[1]
    return max(1, round(len(rows) ** 2 / float((times.astype(np.float64) ** 2).sum())))


def _quantiles(values: np.ndarray, steps: np.ndarray) -> list[float]:
    return [round(float(v), 4) for v in np.quantile(values, steps)]
