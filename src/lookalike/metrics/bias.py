"""Does the table favour the groups that real rows favour, as much and no more?"""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.chance import chi_square
from lookalike.compare.frame import Frame
from lookalike.compare.groups import Facet, facets, positive, protected, selected
from lookalike.compare.learn import known, task
from lookalike.compare.rows import canonical
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife, wilson

BETTER = "target"
ABOUT = About(
    title="Bias amplification",
    definition=(
        "How often a group has the outcome, less how often all rows have it, is its advantage. The mean over rows and protected columns "
        "of how much the table's advantages are greater than the real ones, in their direction: above 0 the table exaggerates the "
        "differences between groups, below 0 it levels them. Tests name the groups whose rate has changed."
    ),
    source="as directional bias amplification (Wang & Russakovsky 2021); rates: Wilson 1927; tests: chi-squared",
    rank=110,
    area="fairness",
    real_rows=50_000,
    rows=50_000,
    control_rows=50_000,
)


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `bias_amplification` (-1 to 1); detail has the rate of every group, tests are of single groups."""
    what = task(context.target, real, other)
    names, note = protected(real, context.protected, target=context.target)
    if isinstance(what, str) or not names:
        return [Finding(name="bias_amplification", value=None, note=what if isinstance(what, str) else note)]
    pair = [canonical(known(f, what.target), scale=real) for f in (real, other)]
    parts = facets(pair[0], names)
    if not parts:
        return [Finding(name="bias_amplification", value=None, note="no protected column has two groups of 50 rows")]
    outcome, said = positive(pair[0], what.target)
    counts = [[_counts(f, part, selected(f, what.target, outcome), context.rng) for f in pair] for part in parts]
    alone = [c for c, part in zip(counts, parts, strict=True) if len(part.columns) == 1]
    value = _amplified([(p.sum(0), q.sum(0)) for p, q in alone])
    of_real = np.array([_amplified([(p.sum(0) - p[g], q.sum(0)) for p, q in alone]) for g in range(BLOCKS)])
    of_other = np.array([_amplified([(p.sum(0), q.sum(0) - q[g]) for p, q in alone]) for g in range(BLOCKS)])
    low, high = around(value, float(np.hypot(jackknife(of_real), jackknife(of_other))), least=-1, most=1)
    groups, tests = [], {}
    for part, (p, q) in zip(parts, counts, strict=True):
        for i, text in enumerate(part.texts):
            chance = chi_square(p.sum(0)[i], q.sum(0)[i])[1]
            tests[text] = chance
            groups.append({"facet": part.name, "group": text, "real": _rate(p.sum(0)[i]), "other": _rate(q.sum(0)[i])})
    detail = {"outcome": said, "groups": groups, "parity": [_parity(part, c) for part, c in zip(parts, counts, strict=True)]}
    return [Finding(name="bias_amplification", value=value, low=low, high=high, note=note, tests=tests, detail=detail)]


def _counts(frame: Frame, part: Facet, hit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows without and with the outcome, [groups of the jackknife, groups + 1, 2]; the last is of rows in no group."""
    size = len(part.cells) + 1
    code = part.codes(frame)
    cell = (blocks(frame.rows, rng) * size + np.where(code < 0, size - 1, code)) * 2 + hit
    return np.bincount(cell, minlength=BLOCKS * size * 2).reshape(BLOCKS, size, 2)


def _amplified(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    out = []
    for p, q in pairs:
        ours, theirs = _advantage(p), _advantage(q)
        there = (p[:-1].sum(1) > 0) & (q[:-1].sum(1) > 0)
        weight = p[:-1].sum(1) * there
        out.append(float((weight * np.sign(ours) * (theirs - ours)).sum() / max(weight.sum(), 1)))
    return float(np.mean(out))


def _advantage(counts: np.ndarray) -> np.ndarray:
    """Rate of each group less that of all rows."""
    rates = counts[:, 1] / np.maximum(counts.sum(1), 1)
    return rates[:-1] - counts[:, 1].sum() / max(counts.sum(), 1)


def _rate(counts: np.ndarray) -> dict[str, Any]:
    """Rows, rate of the outcome and its interval."""
    rows, hits = int(counts.sum()), int(counts[1])
    low, high = wilson(hits, rows)
    return {"rows": rows, "rate": round(hits / max(rows, 1), 4), "low": round(low, 4), "high": round(high, 4)}


def _parity(part: Facet, counts: list[np.ndarray]) -> dict[str, Any]:
    """Demographic parity: greatest less least rate of the groups, and least divided by greatest."""
    out: dict[str, Any] = {"facet": part.name}
    for name, c in zip(("real", "other"), counts, strict=True):
        whole = c.sum(0)[:-1]
        rates = (whole[:, 1] / np.maximum(whole.sum(1), 1))[whole.sum(1) > 0]
        most = float(rates.max(initial=0))
        least = float(rates.min(initial=most))
        out[name] = {"difference": round(most - least, 4), "ratio": round(least / most, 4) if most > 0 else None}
    return out
