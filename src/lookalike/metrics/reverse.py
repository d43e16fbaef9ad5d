"""Does a model of the real rows find the table as hard as it finds real rows?"""

from __future__ import annotations

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.judge import judge
from lookalike.compare.learn import predict, ready, task

BETTER = "target"
ABOUT = About(
    title="Real model on the table",
    definition=(
        "Gradient-boosted trees learn the target from real rows that the table was not made from, and are tested on the table: AUC "
        "(several classes: mean, each against the rest), or R² (not below −1) for a number. The aim is what they reach on other real "
        "rows: below it the table is noisier than real rows or wrong, above it too smooth."
    ),
    source="Esteban, Hyland & Rätsch 2017 (train on real, test on synthetic)",
    rank=103,
    area="utility",
    quick=False,
    against="holdout",
    real_rows=10_000,
    rows=10_000,
    control_rows=10_000,
)


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `real_model`: trained on `real`, tested on `other`; AUC (0 to 1) or R² (-1 to 1)."""
    what = task(context.target, real, other)
    if isinstance(what, str):
        return [Finding(name="real_model", value=None, note=what)]
    learn, test = (ready(f, what, rows=ABOUT.rows, scale=real, rng=context.rng) for f in (real, other))
    guess = predict(what, learn, [test], seed=int(context.rng.integers(2**31)))[0]
    found = judge(test[what.target], guess, context.rng)
    return [Finding(name="real_model", value=found.value, low=found.low, high=found.high, detail=found.detail)]
