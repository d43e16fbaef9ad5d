"""Do columns go together, three at a time, as they should?"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from lookalike.compare import chance
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, grid
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "lower"
ABOUT = About(
    title="Three-way marginals",
    definition=(
        "Mean total variation distance of the three-way tables of columns, all or 500 drawn at random, on bins shared by both tables "
        "(quintiles of the real column; heavy values and missing apart; the 8 commonest levels). Samples of one law differ too: that "
        "expected error stands beside it in detail."
    ),
    source="k-marginal score of NIST (SDNist) as an error; expected error: mean of a half-normal, as mostlyai-qa",
    rank=24,
    area="fidelity",
    unit="%",
    quick=False,
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)
TRIPLES = 500
SHOWN = 30


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `three_way` in percent (0 to 100); detail has the error expected by chance and the triples farthest above it."""
    if len(real.names) < 3 or not real.rows or not other.rows:
        return [Finding(name="three_way", value=None, note="needs three columns that can be compared")]
    bins = grid(real, real.names, bins=5, levels=8)
    triples, note = _triples(len(real.names))
    tables = [bins.codes(f).astype(np.int64) for f in (real, other)]
    group = [blocks(f.rows, context.rng, owner=f.owner) for f in (real, other)]
    rows = real.rows, other.rows
    errors, by_chance = np.empty((len(triples), 1 + 2 * BLOCKS)), np.empty(len(triples))
    for n, (i, j, k) in enumerate(triples):
        a, b, c = bins.sizes[[i, j, k]].tolist()
        cells = (((g * a + t[i]) * b + t[j]) * c + t[k] for g, t in zip(group, tables, strict=True))
        p, q = (np.bincount(at, minlength=BLOCKS * a * b * c).reshape(BLOCKS, a * b * c) for at in cells)
        errors[n] = _errors(p, q)
        by_chance[n] = 100 * chance.total_variation(p.sum(0), q.sum(0), rows).sum()
    mean = errors.mean(0)
    spread = np.hypot(jackknife(mean[1 : BLOCKS + 1]), jackknife(mean[BLOCKS + 1 :]))
    low, high = around(float(mean[0]), float(spread), least=0, most=100)
    worst = np.argsort(by_chance - errors[:, 0], kind="stable")[:SHOWN].tolist()
    shown = [
        {"columns": [real.names[i] for i in triples[t]], "value": round(float(errors[t, 0]), 3), "chance": round(float(by_chance[t]), 3)}
        for t in worst
    ]
    detail = {"chance": round(float(by_chance.mean()), 4), "triples": len(triples), "worst": shown}
    return [Finding(name="three_way", value=float(mean[0]), low=low, high=high, note=note, detail=detail)]


def _triples(columns: int) -> tuple[list[tuple[int, int, int]], str]:
    rng = np.random.default_rng(0)  # the same for every table that is compared: controls must be judged by the same triples
    total = columns * (columns - 1) * (columns - 2) // 6
    if total <= 2 * TRIPLES:
        every = list(combinations(range(columns), 3))
        if total <= TRIPLES:
            return every, ""
        chosen = [every[i] for i in np.sort(rng.choice(total, TRIPLES, replace=False))]
    else:
        found: set[tuple[int, int, int]] = set()
        while len(found) < TRIPLES:
            a, b, c = sorted(rng.choice(columns, 3, replace=False).tolist())
            found.add((a, b, c))
        chosen = sorted(found)
    return chosen, f"{TRIPLES} of {total:,} triples, drawn at random"


def _errors(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Total variation distance in percent [1 + 2 × groups] from counts [groups, cells]."""
    whole_p, whole_q = p.sum(0), q.sum(0)
    one, two = whole_p / whole_p.sum(), whole_q / whole_q.sum()
    out_p, out_q = whole_p - p, whole_q - q
    gaps = [one - two], out_p / np.maximum(out_p.sum(1, keepdims=True), 1) - two, one - out_q / np.maximum(out_q.sum(1, keepdims=True), 1)
    return 50 * np.abs(np.concatenate(gaps)).sum(1)
