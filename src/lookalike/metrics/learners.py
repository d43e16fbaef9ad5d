"""Does the table teach other kinds of models as well as real rows do?"""

from __future__ import annotations

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.judge import judge
from lookalike.compare.learn import Learner, predict, ready, task

BETTER = "higher"
ABOUT = About(
    title="Utility for other learners",
    definition=(
        "As utility, with a linear model (logistic or least squares, ridge penalty, one weight a level) and with the 25 nearest "
        "neighbours in place of trees: trained on the table, tested on real rows. AUC (several classes: mean, each against the "
        "rest), or R² (not below −1) for a number."
    ),
    source="Esteban, Hyland & Rätsch 2017 (train on synthetic, test on real)",
    rank=101,
    area="utility",
    quick=False,
    against="holdout",
    real_rows=5_000,
    rows=10_000,
    control_rows=10_000,
)
LEARNERS: dict[str, tuple[Learner, str]] = {
    "utility_linear": ("linear", "Utility for a linear model"),
    "utility_neighbours": ("neighbours", "Utility for nearest neighbours"),
}


def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Two findings, `utility_linear` and `utility_neighbours`: AUC (0 to 1) or R² (-1 to 1)."""
    what = task(context.target, other, real)
    if isinstance(what, str):
        return [Finding(name=n, title=t, value=None, note=what) for n, (_, t) in LEARNERS.items()]
    learn, test = (ready(f, what, rows=ABOUT.rows, scale=real, rng=context.rng) for f in (other, real))
    out = []
    for name, (by, title) in LEARNERS.items():
        found = judge(test[what.target], predict(what, learn, [test], by=by)[0], context.rng)
        out.append(Finding(name=name, title=title, value=found.value, low=found.low, high=found.high, detail=found.detail))
    return out
