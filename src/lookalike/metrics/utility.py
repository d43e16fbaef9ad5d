"""Does a model trained on the table do as well on real, unseen rows as one trained on real rows?"""

from __future__ import annotations

import numpy as np

from lookalike.compare import pairs
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, grid
from lookalike.compare.judge import judge
from lookalike.compare.learn import known, predict, task

BETTER = "higher"
ABOUT = About(
    title="Utility",
    definition=(
        "Gradient-boosted trees learn the target from the table and are tested on real rows that nobody trained on: area under "
        "the ROC curve (several classes: mean, each against the rest), or R² (not below −1) for a number. The ceiling is the "
        "same learner trained on as many real rows."
    ),
    source="Esteban, Hyland & Rätsch 2017 (train on synthetic, test on real)",
    rank=50,
    area="utility",
    against="holdout",
    rows=20_000,
    control_rows=20_000,
)
CLASSES = 20
"""A label with more levels than these is no target."""
LOOKED_AT = 60
"""Columns, and labels among them, that a guess of the target looks at."""
LIKELY = ("target", "label", "class", "y", "outcome", "income", "response", "churn", "default")


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `utility`: trained on `other`, tested on `real`; AUC (0 to 1) or R² (-1 to 1)."""
    what = task(context.target, other, real)
    if isinstance(what, str):
        return [Finding(name="utility", value=None, note=what)]
    learn, test = (known(f, what.target) for f in (other, real))
    seed = int(context.rng.integers(2**31))
    found = judge(test[what.target], predict(what, learn, [test], seed=seed)[0], context.rng)
    return [Finding(name="utility", value=found.value, low=found.low, high=found.high, detail=found.detail)]


def guess(real: Frame) -> tuple[str | None, str]:
    """A likely target and why: the last column if it has few levels, else a telling name, else the most dependent label."""
    few = [n for n in real.names if real.is_label(n) and 2 <= len(np.unique(real[n][real[n] >= 0])) <= CLASSES]
    if real.names and real.names[-1] in few:
        return real.names[-1], "the last column, with few levels"
    named = [n for n in real.names if n.lower() in LIKELY and (n in few or not real.is_label(n))]
    if named:
        return named[0], "by its name"
    if len(real.names) > 1 and few:
        names = tuple(dict.fromkeys([*_spread(few), *_spread(list(real.names))]))
        bins = grid(real, names)
        bond = pairs.association(pairs.tables(real, bins, np.random.default_rng(0)).sum(0, dtype=np.float64), bins)
        best = max(_spread(few), key=lambda n: float((bond[names.index(n)] ** 2).sum()))
        return best, "the label that depends most on the other columns"
    ordered = [c.name for c in real.columns if c.kind in ("integer", "number")]
    return (ordered[-1], "the last number") if ordered else (None, "no column is suitable")


def _spread(names: list[str]) -> list[str]:
    """At most `LOOKED_AT` of the names, evenly spread: pairs of a thousand columns would take gigabytes."""
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, LOOKED_AT).astype(int))]
