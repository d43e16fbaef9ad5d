"""Does a model of the table rest on the same columns as a model of real rows?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame
from lookalike.compare.learn import Guess, Task, ready, task, trees
from lookalike.compare.rows import apart
from lookalike.compare.stats import BLOCKS, around, blocks, jackknife

BETTER = "higher"
ABOUT = About(
    title="Importance of columns",
    definition=(
        "Two models of gradient-boosted trees, one of real rows and one of the table, are asked about real rows that neither has seen. A "
        "column is as important as the answers change (squared) when its values are shuffled. Agreement: the share of importance that "
        "both give to the same columns; 1 is full agreement."
    ),
    source="after permutation importance (Breiman 2001), by the answers instead of their errors: what a model rests on, right or wrong",
    rank=106,
    area="utility",
    quick=False,
    against="holdout",
    real_rows=1_000,
    rows=5_000,
    control_rows=5_000,
)
SHOWN = 30
MOST = 60
"""Columns that are shuffled; in a wider table the others are left alone."""


@one_thread()
def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `importance` (0 to 1); detail has the importances of the columns that matter."""
    if context.train is None:
        return [_none("needs the rows that the model learned from")]
    train, rng = apart(context.train, real), context.rng
    what = task(context.target, other, real, train)
    if isinstance(what, str):
        return [_none(what)]
    test = ready(real, what, rows=ABOUT.real_rows, scale=real, rng=rng)
    pair = [ready(f, what, rows=min(train.rows, other.rows, ABOUT.rows), scale=real, rng=rng) for f in (train, other)]
    names = what.features if len(what.features) <= MOST else tuple(sorted(rng.permutation(what.features)[:MOST]))
    if len(names) < 2:
        return [_none("needs two columns besides the target")]
    seed, group = int(rng.integers(2**31)), blocks(test.rows, rng)
    columns, order = [what.features.index(n) for n in names], rng.permutation(test.rows)
    ours, theirs = (_moved(trees(what, learn, [test], seed=seed), what, columns, order=order) for learn in pair)
    value = _agreement(ours.mean(1), theirs.mean(1))
    if value is None:
        return [_none("a model of real rows rests on no column")]
    left = [_agreement(ours[:, group != g].mean(1), theirs[:, group != g].mean(1)) for g in range(BLOCKS)]
    low, high = around(value, float(jackknife(np.array([value if v is None else v for v in left]))), least=0, most=1)
    return [Finding(name="importance", value=value, low=low, high=high, detail=_detail(names, ours.mean(1), theirs.mean(1), test.rows))]


def _none(note: str) -> Finding:
    return Finding(name="importance", value=None, note=note)


def _moved(
    model: tuple[list[np.ndarray], Callable[[np.ndarray], Guess]], what: Task, columns: list[int], *, order: np.ndarray
) -> np.ndarray:
    """Squared change of each row's answer when a column is put in another order, [columns, rows]."""
    (rows,), guess = model

    def answers() -> np.ndarray:
        found = guess(rows)
        return found.chance if what.label else found.value[:, None]  # type: ignore[index, return-value]

    plain, out = answers(), []
    for j in columns:
        before = rows[:, j].copy()
        rows[:, j] = before[order]
        out.append(((answers() - plain) ** 2).sum(1))
        rows[:, j] = before
    return np.array(out)


def _agreement(a: np.ndarray, b: np.ndarray) -> float | None:
    """1 − total variation distance of the shares of importance; None where the first has none."""
    if a.sum() <= 0:
        return None
    return float(np.minimum(a / a.sum(), b / b.sum()).sum()) if b.sum() > 0 else 0.0


def _detail(names: tuple[str, ...], ours: np.ndarray, theirs: np.ndarray, rows: int) -> dict[str, object]:
    ours, theirs = (x / max(float(x.sum()), 1e-300) for x in (ours, theirs))
    first = np.argsort(-np.maximum(ours, theirs), kind="stable")[:SHOWN]
    columns = [{"name": names[i], "real": round(float(ours[i]), 4), "other": round(float(theirs[i]), 4)} for i in first]
    return {"columns": columns, "rows": rows}
