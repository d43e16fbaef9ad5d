"""A combination of values that only one synthetic row has may single out one person as well."""

from __future__ import annotations

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.compare.threat import Guess, Seen, Threat

THREAT = Threat(
    title="Singling out",
    definition=(
        "From random synthetic rows the attacker makes statements (this level; at least, or at most, this number), adding columns in "
        "random order until one holds for no other synthetic row. The target is singled out if such a statement holds for it and for no "
        "other row attacked."
    ),
    source="Article 29 Working Party opinion 05/2014; definition after Giomi et al. 2023 (anonymeter), re-implemented",
    knows="the synthetic table only",
    wants="single out",
    strength="weak",
    rank=120,
    quick=False,
)
ROWS, STATEMENTS, MOST_COLUMNS = 30_000, 30_000, 10


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """1 where a statement that is unique among synthetic rows holds for the target alone."""
    made = seen.synthetic.cut(ROWS, rng)
    middle = {n: float(np.nanmedian(made[n])) for n in made.names if not made.is_label(n) and not made.missing(n).all()}
    alone, names = np.zeros(targets.rows, bool), np.array(targets.names)
    for row in rng.choice(made.rows, min(STATEMENTS, made.rows), replace=False):
        said, left = [], np.ones(made.rows, bool)
        for name in rng.permutation(names)[:MOST_COLUMNS]:
            said.append((name, made[name][row], middle.get(name, 0.0)))
            left &= _holds(made, *said[-1])
            if np.count_nonzero(left) == 1:
                hit = np.ones(targets.rows, bool)
                for what in said:
                    hit &= _holds(targets, *what)
                if np.count_nonzero(hit) == 1:
                    alone |= hit
                break
    score = alone.astype(np.float64)
    return Guess(score, {("a statement", "synthetic"): score})


def _holds(rows: Frame, name: str, value: float, middle: float) -> np.ndarray:
    """Bool per row: the statement holds that is taken from `value` of column `name`."""
    cells = rows[name]
    if rows.is_label(name):
        return cells == value
    if np.isnan(value):
        return np.isnan(cells)
    return cells >= value if value >= middle else cells <= value
