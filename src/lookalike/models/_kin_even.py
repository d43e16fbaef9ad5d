"""Even draws of small tables: several draws of each row, of which one is taken so that all columns together come out as they should.

Rows drawn on their own miss the shares of a column by about the root of their number, which in a table of ninety rows is a tenth of them.
Of several draws of each row, all of the same distribution, those are taken by which shares, and shares of pairs of labels, are nearest to
those of all draws: a balanced sample (Deville and Tillé 2004), sought row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["evenly", "turns"]

DRAWN = 12_000
"""Rows that are drawn in all, about, of which some are taken."""
MOST = 16
"""Draws of a row at most."""
STEPS = 16
"""Quantiles of a number that are to be met."""
LEVELS = 24
"""Levels of a label, and pairs of such, that are to be met, the commonest first."""
SWEEPS = 3
HEED = 4.0
"""How much more what is wanted counts than what all draws have on average."""


def turns(rows: int) -> int:
    """How often each of so many rows is drawn."""
    return int(np.clip(DRAWN // max(rows, 1), 1, MOST))


Levels = Mapping[int, float]
"""How many rows are to have a code."""


def evenly(
    columns: Sequence[tuple[np.ndarray, bool]],
    index: np.ndarray,
    rng: np.random.Generator,
    *,
    taken: np.ndarray | None = None,
    wanted: Mapping[int, Levels] | None = None,
) -> np.ndarray:
    """int64 [rows]: which draw of each row is taken.

    columns: of all draws, numbers (float64, NaN is missing; True) or codes (int, -1 is missing; False). index: int64 [rows, draws], where
    those of each row stand. taken: from which the search sets out. wanted: {column: rows that are to have its codes}, for others as many
    as in all draws on average.
    """
    rows, draws = index.shape
    taken = np.zeros(rows, np.int64) if taken is None else taken.copy()
    if draws < 2 or rows < 2:
        return taken
    seen, due = _indicators(columns, index, wanted or {})
    seen = seen[index]
    off = seen[np.arange(rows), taken].sum(0) - due
    for _ in range(SWEEPS):
        moved = False
        for i in rng.permutation(rows):
            step = seen[i] - seen[i, taken[i]]
            best = int((2 * step @ off + (step * step).sum(1)).argmin())
            if best != taken[i]:
                off += step[best]
                taken[i], moved = best, True
        if not moved:
            break
    return taken


def _indicators(
    columns: Sequence[tuple[np.ndarray, bool]], index: np.ndarray, wanted: Mapping[int, Levels]
) -> tuple[np.ndarray, np.ndarray]:
    """float64 [all draws, f] of each column, and of pairs of labels; float64 [f], how much of each is due."""
    made, due, coded = [np.zeros((int(index.max(initial=-1)) + 1, 0))], [np.zeros(0)], []

    def add(seen: np.ndarray) -> None:
        made.append(seen)
        due.append(seen[index].mean(1).sum(0))

    for k, (values, ordered) in enumerate(columns):
        if not ordered:
            coded.append(values)
            seen, levels = _levels(values)
            add(seen)
            if k in wanted:
                share = np.array([wanted[k].get(int(level), 0.0) for level in levels])
                known = levels >= 0
                share *= due[-1][known].sum() / max(share[known].sum(), 1e-9)
                made[-1], due[-1] = HEED * made[-1], HEED * np.where(known, share, due[-1])
            continue
        gone = np.isnan(values)
        if gone.all():
            continue
        ends = np.unique(np.quantile(values[~gone], np.arange(1, STEPS) / STEPS))
        add((np.where(gone, np.inf, values)[:, None] <= ends[None]) / np.sqrt(STEPS / 4))
        if gone.any():
            add(gone[:, None].astype(np.float64))
    for k, a in enumerate(coded):
        for b in coded[:k]:
            add(_levels((a + 1) * (int(b.max(initial=0)) + 2) + b + 1)[0])
    return np.concatenate(made, axis=1), np.concatenate(due)


def _levels(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(float64 [n, levels], int64 [levels]): the commonest levels, one column each."""
    names, place, count = np.unique(codes, return_inverse=True, return_counts=True)
    common = np.argsort(-count, kind="stable")[:LEVELS]
    return (place[:, None] == common[None]).astype(np.float64), names[common]
