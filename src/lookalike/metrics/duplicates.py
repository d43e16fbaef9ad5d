"""Does the table repeat its own rows more often, or less, than real rows repeat each other?"""

from __future__ import annotations

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.rows import hashes
from lookalike.compare.stats import wilson

BETTER = "target"
ABOUT = About(
    title="Repeated rows",
    definition=(
        "Share of the table's rows that equal another of its rows in all compared columns (numbers to 9 digits; keys left out). "
        "As many real rows repeat each other so often: neither more nor less is the aim."
    ),
    source="this project",
    unit="%",
    rank=85,
    area="diversity",
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)
SHOWN = 20


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `duplicates` in percent of the rows (0 to 100); detail has how often rows come twice, three times …"""
    if not real.names or not other.rows:
        return [Finding(name="duplicates", value=None, note="nothing to compare")]
    times = np.unique(hashes(other, scale=real).sum(0, dtype=np.uint64), return_counts=True)[1]
    repeated = int(times[times > 1].sum())
    low, high = wilson(repeated, other.rows)
    often = np.bincount(np.minimum(times, SHOWN))
    detail = {
        "rows": other.rows,
        "distinct": len(times),
        "most": int(times.max()),
        "times": [{"times": int(t), "rows": int(often[t])} for t in np.flatnonzero(often)],
    }
    return [Finding(name="duplicates", value=100 * repeated / other.rows, low=100 * low, high=100 * high, detail=detail)]
