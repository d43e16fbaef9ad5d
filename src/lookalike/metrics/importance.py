"""Does a model of the table rest on the same columns as a model of real rows?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lookalike.compare.about import About, Context, Finding
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame
from lookalike.compare.learn import Guess, ready, task, trees
from lookalike.compare.rows import apart
from lookalike.compare.stats import Z, around, jackknife

BETTER = "higher"
ABOUT = About(
    title="Importance of columns",
    definition=(
        "Two models of gradient-boosted trees, one of real rows and one of the table, are asked about real rows that neither has seen. A "
        "column is as important as the answers change (squared) when its values are shuffled, chance taken out. Agreement: the share of "
        "importance that both give to the same columns, of the greater sum; 1 is full agreement."
    ),
    source="after permutation importance (Breiman 2001), by the answers instead of their errors: what a model rests on, right or wrong",
    rank=106,
    area="utility",
    quick=False,
    against="holdout",
    real_rows=400,
    rows=5_000,
    control_rows=5_000,
)
FOLDS, STUDENT = 5, 2.776
"""Parts of the rows, and the 97.5 % quantile of Student's t for them."""
SHOWN = 30
MOST = 60
"""Columns that are shuffled; in a wider table the others are left alone."""

Model = tuple[list[np.ndarray], Callable[[np.ndarray], Guess]]


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
    # Models of separate parts of each table: what they agree on is no chance, and how they differ is the uncertainty.
    parts = [[f.take(i) for i in np.array_split(rng.permutation(f.rows), FOLDS)] for f in pair]
    if any(len(np.unique(f[what.target])) < 2 for f in (*parts[0], *parts[1])):
        return [_none(f"a fifth of the rows has a single value of {what.target}")]
    order = rng.permutation(test.rows)
    classes = [int(c) for c in np.unique(test[what.target])] if what.label else []
    ours, theirs = ([_moved(trees(what, f, [test], seed=seed), columns, order=order, classes=classes) for f in learn] for learn in parts)
    value = _agreement(_shared(ours), _shared(theirs))
    if value is None:
        return [_none("models of real rows agree on no column")]
    left = [_agreement(_shared(ours[:k] + ours[k + 1 :]), _shared(theirs[:k] + theirs[k + 1 :])) for k in range(FOLDS)]
    error = float(jackknife(np.array([value if v is None else v for v in left])))
    low, high = around(value, STUDENT / Z * error, least=0, most=1)
    return [Finding(name="importance", value=value, low=low, high=high, detail=_detail(names, _shared(ours), _shared(theirs), test.rows))]


def _none(note: str) -> Finding:
    return Finding(name="importance", value=None, note=note)


def _moved(model: Model, columns: list[int], *, order: np.ndarray, classes: list[int]) -> np.ndarray:
    """Change of each row's answers when a column is put in another order, [columns, rows × classes]."""
    (rows,), guess = model
    # All at once: asking the trees costs more by the question than by the row.
    asked = np.repeat(rows[None], len(columns) + 1, axis=0)
    for k, j in enumerate(columns):
        asked[k, :, j] = rows[order, j]
    found = guess(asked.reshape(-1, rows.shape[1]))
    answers = np.stack([found.of(c) for c in classes], axis=1) if found.value is None else found.value
    answers = answers.reshape(len(asked), -1)
    return answers[:-1] - answers[-1]


def _shared(changes: list[np.ndarray]) -> np.ndarray:
    """Importance of each column: the mean product of two models' changes, so that what one has by chance does not count."""
    together, alone = np.sum(changes, axis=0), np.sum([(c**2).sum(1) for c in changes], axis=0)
    return np.maximum((together**2).sum(1) - alone, 0) / (len(changes) * (len(changes) - 1))


def _agreement(a: np.ndarray, b: np.ndarray) -> float | None:
    """What both give to the same columns, of the greater sum; None where the first gives none."""
    return float(np.minimum(a, b).sum() / max(a.sum(), b.sum())) if a.any() else None


def _detail(names: tuple[str, ...], ours: np.ndarray, theirs: np.ndarray, rows: int) -> dict[str, object]:
    whole = max(float(ours.sum()), 1e-300)
    ours, theirs = ours / whole, theirs / whole
    first = np.argsort(-np.maximum(ours, theirs), kind="stable")[:SHOWN]
    columns = [{"name": names[i], "real": round(float(ours[i]), 4), "other": round(float(theirs[i]), 4)} for i in first]
    return {"columns": columns, "rows": rows}
