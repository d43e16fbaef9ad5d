"""How many rows are copies of the model's training rows, and how many would be by chance?"""

from __future__ import annotations

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.rows import among, hashes
from lookalike.compare.stats import wilson

BETTER = "lower"
ABOUT = About(
    title="Copies",
    definition=(
        "Exact copies: share of rows that equal a training row in all compared columns (numbers to 9 digits; keys left out). "
        "Near copies: that equal one in all columns but at most one. Fresh real rows repeat training rows too: that natural "
        "rate is the ceiling, and copies of rows that the holdout repeats as well are called forced."
    ),
    source="this project; exact copies as SDMetrics' NewRowSynthesis turned round",
    rank=60,
    area="privacy",
    unit="%",
    real_rows=1_000_000,
    rows=20_000,
    control_rows=20_000,
    fresh=True,
)


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Two findings in percent of the rows of `other` (0 to 100): `exact_copies` and `near_copies`."""
    if not real.names or not other.rows:
        return [Finding(name=n, title=_title(n), value=None, note="nothing to compare") for n in ("exact_copies", "near_copies")]
    cells, known = hashes(other, scale=real), hashes(real, scale=real)
    rows, known_rows = cells.sum(0, dtype=np.uint64), known.sum(0, dtype=np.uint64)
    exact = among(rows, known_rows)
    near = exact.copy()
    for j in range(len(cells)):
        # A sum of hashes minus one column's is the hash of the row without it.
        near[~near] = among(rows[~near] - cells[j, ~near], known_rows - known[j])
    detail: dict[str, object] = {"rows": other.rows}
    if context.fresh is not None:
        common = among(rows, hashes(context.fresh, scale=real).sum(0, dtype=np.uint64))
        detail["forced"] = float(100 * (exact & common).mean())
    note = "with so few columns, equal rows are common by chance" if len(cells) < 4 else ""
    return [_rate("exact_copies", exact, note=note, detail=detail), _rate("near_copies", near, note=note, detail={"rows": other.rows})]


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _rate(name: str, hits: np.ndarray, *, note: str, detail: dict[str, object]) -> Finding:
    low, high = wilson(int(hits.sum()), len(hits))
    return Finding(name=name, title=_title(name), value=float(100 * hits.mean()), low=100 * low, high=100 * high, note=note, detail=detail)
