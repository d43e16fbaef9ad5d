"""Does a model of the table rest on the same columns as a model of real rows?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame
from lookalike.compare.learn import Guess, Task, ready, task, trees
from lookalike.compare.rows import apart
from lookalike.compare.stats import Z, around, jackknife

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
FOLDS, STUDENT = 5, 2.776
"""Parts of the rows, and the 97.5 % quantile of Student's t for them."""
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
    seed, columns = int(rng.integers(2**31)), [what.features.index(n) for n in names]
    # Models of separate parts of each table: how much they differ among themselves is most of the uncertainty.
    parts = [[f.take(i) for i in np.array_split(rng.permutation(f.rows), FOLDS)] for f in (test, *pair)]
    if any(len(np.unique(f[what.target])) < 2 for f in (*parts[1], *parts[2])):
        return [_none(f"a fifth of the rows has a single value of {what.target}")]
    ours, theirs = (
        np.array([_moved(trees(what, f, [t], seed=seed), what, columns, rng=rng) for t, f in zip(parts[0], learn, strict=True)])
        for learn in parts[1:]
    )
    value = _agreement(ours.mean(0), theirs.mean(0))
    if value is None:
        return [_none("a model of real rows rests on no column")]
    left = [_agreement(np.delete(ours, k, 0).mean(0), np.delete(theirs, k, 0).mean(0)) for k in range(FOLDS)]
    error = float(jackknife(np.array([value if v is None else v for v in left])))
    low, high = around(value, STUDENT / Z * error, least=0, most=1)
    return [Finding(name="importance", value=value, low=low, high=high, detail=_detail(names, ours.mean(0), theirs.mean(0), test.rows))]


def _none(note: str) -> Finding:
    return Finding(name="importance", value=None, note=note)


def _moved(
    model: tuple[list[np.ndarray], Callable[[np.ndarray], Guess]], what: Task, columns: list[int], *, rng: np.random.Generator
) -> np.ndarray:
    """Mean squared change of the answers when a column is shuffled, [columns], as shares of one."""
    (rows,), guess = model
    order = rng.permutation(len(rows))
    # All at once: asking the trees costs more by the question than by the row.
    asked = np.repeat(rows[None], len(columns) + 1, axis=0)
    for k, j in enumerate(columns):
        asked[k, :, j] = rows[order, j]
    found = guess(asked.reshape(-1, rows.shape[1]))
    answers = (found.chance if what.label else found.value[:, None]).reshape(len(asked), len(rows), -1)  # type: ignore[index, union-attr]
    out = ((answers[:-1] - answers[-1]) ** 2).sum(2).mean(1)
    return out / max(float(out.sum()), 1e-300)


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
