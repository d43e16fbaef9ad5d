"""Do real rows together with the table teach more than the real rows alone?"""

from __future__ import annotations

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.judge import judge, losses
from lookalike.compare.learn import LEAST, Guess, predict, ready, task
from lookalike.compare.rows import apart
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "higher"
ABOUT = About(
    title="Gain from adding the table",
    definition=(
        "Gradient-boosted trees learn the target from real rows, a quarter as many as the table's, and from the same rows with the table "
        "added; both are tested on real rows that nobody trained on: gain of the explained share (Brier skill of a label, R² of a "
        "number), the mean of three draws of the few real rows. The ceiling is the gain from so many more real rows; below zero, the table "
        "harms."
    ),
    source="as synthcity's augmentation test; interval: paired, by leaving out groups of tested rows, and by the draws",
    rank=104,
    area="utility",
    quick=False,
    against="holdout",
    real_rows=10_000,
    rows=10_000,
    control_rows=10_000,
)
FEWER = 4
"""Real rows are scarce where rows are added: so many times fewer."""
DRAWS = 3
"""Draws of the few real rows: which they are decides much."""


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `augmentation`: the gain (-1 to 1)."""
    if context.train is None:
        return [Finding(name="augmentation", value=None, note="needs the rows that the model learned from")]
    train, rng = apart(context.train, real), context.rng
    what = task(context.target, other, real, train)
    if isinstance(what, str):
        return [Finding(name="augmentation", value=None, note=what)]
    test = ready(real, what, rows=ABOUT.real_rows, scale=real, rng=rng)
    few = max(LEAST, min(ABOUT.rows, other.rows) // FEWER)
    scarce = ready(train, what, rows=DRAWS * few, scale=real, rng=rng)
    added = ready(other, what, rows=ABOUT.rows, scale=real, rng=rng)
    draws = [scarce.take(rows) for rows in np.array_split(rng.permutation(scarce.rows), max(1, min(DRAWS, scarce.rows // few)))]
    if any(len(np.unique(draw[what.target])) < 2 for draw in draws):
        return [Finding(name="augmentation", value=None, note=f"{few:,} real rows have a single value of {what.target}")]
    truth, group, seed = test[what.target], blocks(test.rows, rng), int(rng.integers(2**31))
    guesses = [[predict(what, rows, [test], seed=seed)[0] for rows in (learn, _together(learn, added))] for learn in draws]
    gains = np.array([losses(truth, alone) - losses(truth, together) for alone, together in guesses])
    gain, (learn, (alone, together)) = gains.mean(0), (draws[0], guesses[0])
    value = float(np.clip(gain.mean(), -1, 1))
    of_rows = float(jackknife(np.array([gain[group != g].mean() for g in range(BLOCKS)])))
    of_draws = float(gains.mean(1).std(ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else 0.0
    low, high = around(value, float(np.hypot(of_rows, of_draws)), least=-1, most=1)
    detail = {"rows": {"real": learn.rows, "added": added.rows, "tested": test.rows}} | _beside(truth, alone, together, rng)
    return [Finding(name="augmentation", value=value, low=low, high=high, detail=detail)]


def _together(learn: Frame, added: Frame) -> Frame:
    values = {name: np.concatenate([column, added[name]]) for name, column in learn.values.items()}
    return Frame(learn.columns, values, learn.levels, learn.rows + added.rows)


def _beside(truth: np.ndarray, alone: Guess, together: Guess, rng: np.random.Generator) -> dict[str, object]:
    found = {name: judge(truth, guess, rng) for name, guess in (("alone", alone), ("together", together))}
    return {name: {"value": round(v.value, 4)} | v.detail for name, v in found.items()}
