"""Does a model trained on the table do as well on real, unseen rows as one trained on real rows?"""

from __future__ import annotations

import numpy as np

from lookalike.compare import boost, pairs
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, grid
from lookalike.compare.stats import BLOCKS, around, auc, blocks, jackknife

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


@boost.one_thread()
def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `utility`: trained on `other`, tested on `real`; AUC (0 to 1) or R² (-1 to 1)."""
    name = context.target
    if name is None or name not in real.names:
        return [_none("no target: name one")]
    kept = [f.take(np.flatnonzero(~f.missing(name))) for f in (other, real)]
    features = tuple(n for n in real.names if n != name)
    if not features:
        return [_none("no column besides the target")]
    if min(f.rows for f in kept) < 50:
        return [_none("fewer than 50 rows with a known target")]
    (x, test), labels = boost.matrices(kept, features)
    truth = [f[name] for f in kept]
    if any(len(np.unique(t)) < 2 for t in truth):
        return [_none(f"{name} has a single value in one of the tables")]
    seed = int(context.rng.integers(2**31))
    if real.is_label(name):
        model = boost.classifier(x, truth[0], labels, seed=seed)
        return [_classes(truth[1], model.predict_proba(test), model.classes_, context.rng)]
    return [_number(truth[1], boost.regressor(x, truth[0], labels, seed=seed).predict(test), context.rng)]


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


def _none(note: str) -> Finding:
    return Finding(name="utility", value=None, note=note)


def _classes(truth: np.ndarray, chance: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> Finding:
    """Every class of the real rows counts, also one that the learner never met (chance 0)."""
    present = np.unique(truth)
    score = np.zeros((len(truth), len(present)))
    for k, c in enumerate(present):
        at = np.flatnonzero(classes == c)
        if len(at):
            score[:, k] = chance[:, at[0]]
    if len(present) == 2:
        value, error = auc(truth == present[1], score[:, 1] - score[:, 0])
    else:
        value = _macro(truth, score, present)
        group = blocks(len(truth), rng)
        error = float(jackknife(np.array([_macro(truth[group != g], score[group != g], present) for g in range(BLOCKS)])))
    low, high = around(value, error, least=0, most=1)
    return Finding(name="utility", value=value, low=low, high=high, detail={"measure": "AUC", "classes": len(present), "rows": len(truth)})


def _macro(truth: np.ndarray, score: np.ndarray, present: np.ndarray) -> float:
    hits = truth[:, None] == present
    return float(np.mean([auc(hits[:, k], score[:, k])[0] for k in range(len(present)) if 0 < hits[:, k].sum() < len(hits)]))


def _number(truth: np.ndarray, guessed: np.ndarray, rng: np.random.Generator) -> Finding:
    def fit(keep: np.ndarray) -> float:
        t, g = truth[keep], guessed[keep]
        return max(-1.0, 1 - float(((t - g) ** 2).sum() / max(((t - t.mean()) ** 2).sum(), 1e-300)))

    group = blocks(len(truth), rng)
    value = fit(group >= 0)
    error = float(jackknife(np.array([fit(group != g) for g in range(BLOCKS)])))
    low, high = around(value, error, least=-1, most=1)
    return Finding(name="utility", value=value, low=low, high=high, detail={"measure": "R²", "rows": len(truth)})
