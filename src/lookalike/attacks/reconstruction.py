"""Counts that the synthetic table gives away are solved, as linear equations, for one secret of everybody at once."""

from __future__ import annotations

import numpy as np

from lookalike.compare import boost
from lookalike.compare.frame import Frame, grid
from lookalike.compare.threat import Guess, Seen, Threat, once

THREAT = Threat(
    title="Reconstruction from marginals",
    definition=(
        "One secret with two values. The attacker knows all other cells of the targets, counts in the synthetic table how the secret "
        "departs, in each cell of many three-way tables, from what those cells make one expect, and solves these counts (ridge least "
        "squares) for the secret of each target."
    ),
    source="linear reconstruction: Dinur & Nissim 2003; on synthetic tables: Annamalai, Gadotti & Rocher 2024",
    knows="the synthetic table, other real rows of the same law, and all cells of many rows but the secret",
    wants="reconstruct",
    strength="medium",
    rank=130,
    quick=False,
    targets=8_000,
)
TABLES, OTHERS, ROWS = 80, 12, 100_000
STEPS, DAMP = 40, 1.0


def attack(targets: Frame, seen: Seen, *, rng: np.random.Generator) -> Guess:
    """How far, and to which side, the target's secret was moved from what one would expect: to the truth is positive."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import lsqr

    secret = _secret(seen.reference)
    if secret is None or len(targets.names) < 3:
        return Guess(np.zeros(targets.rows), note="no column that is one of two things for many rows")
    name, cut = secret
    made = seen.synthetic.cut(ROWS, rng)
    own = once(seen.kept, ("expected", name, id(targets)), lambda: _expected(seen.reference, targets, name, cut))
    gap = _sign(made, name, cut) - _expected(seen.reference, made, name, cut)
    bins = grid(seen.reference, rng.permutation([n for n in targets.names if n != name])[:OTHERS], bins=8, levels=10)
    mine, theirs = bins.codes(targets).astype(np.int64), bins.codes(made).astype(np.int64)
    equations, counts, wide = [], [], targets.rows / 2
    for _ in range(TABLES):
        three = rng.choice(len(mine), min(3, len(mine)), replace=False)
        step = np.cumprod(np.concatenate([[1], bins.sizes[three][:-1]]))
        cells, place = np.unique(step @ mine[three], return_inverse=True)
        at = np.searchsorted(cells, step @ theirs[three]).clip(max=len(cells) - 1)
        known = cells[at] == step @ theirs[three]
        total = np.bincount(at[known], weights=gap[known], minlength=len(cells)) * wide / made.rows
        # A count of many rows is the less sure: its noise grows with their root.
        weight = 1 / np.sqrt(np.bincount(at[known], minlength=len(cells)) * wide / made.rows + 1)
        equations.append((place + sum(map(len, counts)), weight[place]))
        counts.append(total * weight)
    rows, weights = (np.concatenate(x) for x in zip(*equations, strict=True))
    matrix = csr_matrix((weights, (rows, np.tile(np.arange(targets.rows), TABLES))))
    moved = lsqr(matrix, np.concatenate(counts), damp=DAMP * np.sqrt(TABLES), iter_lim=STEPS)[0]
    truth = _sign(targets, name, cut)
    right = np.where(truth == 0, np.nan, (np.sign(own + moved) == truth).astype(np.float64))
    alone = np.where(truth == 0, np.nan, (np.sign(own) == truth).astype(np.float64))
    return Guess(truth * moved, {(name, "synthetic"): right, (name, "real"): alone})


def _secret(known: Frame) -> tuple[str, float] | None:
    """The column that splits most evenly in two: a label by its commonest level (its code), a number by its median; missing rows aside."""
    best, found = 0.1, None
    for name in known.names:
        values = known[name][~known.missing(name)]
        if len(values) < 50:
            continue
        label = known.is_label(name)
        if label and len(np.unique(values)) != 2:
            continue
        cut = float(np.bincount(values).argmax()) if label else float(np.median(values))
        share = float((values == cut).mean() if label else (values > cut).mean())
        even = min(share, 1 - share) * (1 if label else 0.5)  # a true two-way column first
        if even > best:
            best, found = even, (name, cut)
    return found


def _sign(rows: Frame, name: str, cut: float) -> np.ndarray:
    """float64: 1, -1, or 0 where the secret is missing."""
    yes = rows[name] == cut if rows.is_label(name) else rows[name] > cut
    return np.where(rows.missing(name), 0.0, np.where(yes, 1.0, -1.0))


def _expected(known: Frame, rows: Frame, name: str, cut: float) -> np.ndarray:
    """float64 in -1..1: what the other cells of `rows` make one expect of the secret's sign, as learned from `known`."""
    known = known.take(np.flatnonzero(~known.missing(name)))
    (x, asked), labels = boost.matrices([known, rows], tuple(n for n in known.names if n != name))
    return 2 * boost.classifier(x, _sign(known, name, cut) > 0, labels, seed=0).predict_proba(asked)[:, 1] - 1
