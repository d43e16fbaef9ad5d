"""Can a good classifier tell the table from fresh real rows, and by what: which columns, which pairs, which rules?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from lookalike.compare import boost
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, stack
from lookalike.compare.rows import hashes
from lookalike.compare.rules import rules
from lookalike.compare.stats import around, auc

BETTER = "lower"
ABOUT = About(
    title="Classifier test",
    definition=(
        "Area under the ROC curve of gradient-boosted trees that tell the table's rows from real rows the model never saw: "
        "equal sizes, 5-fold cross-validation, a row and its equal in the other table kept in one fold. 0.5: they cannot; 1: "
        "always. Tested against the holdout, so that copying does not help. All rows of an owner are in one fold, where rows have owners."
    ),
    source="Lopez-Paz & Oquab 2017; interval: DeLong 1988, widened for folds by Nadeau & Bengio 2003",
    rank=40,
    area="fidelity",
    against="holdout",
    real_rows=20_000,
    rows=20_000,
    control_rows=5_000,
)
FOLDS = 5
LEAST = 50
WIDE = 100
"""Columns beyond which not each one is shuffled to see what gives the table away."""
PAIRED, NOTICED = 6, 0.01
"""Columns whose pairs are looked at, and the loss of AUC below which a pair is not named."""
CELLS = 2_000_000
"""Of shuffled tables that are predicted at once, at most."""
SATURATED = 0.98
"""Beyond this area nearly every row is told, and the value can hardly tell bad from worse."""


@boost.one_thread()
def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `c2st` (0 to 1). Detail: `reasons`, each column's importance, the loss of AUC when it is shuffled in unseen rows;
    `pairs`, the loss when two columns no longer go together; `rules`, met by many more rows of one table; `saturated`.
    """
    rng, n = context.rng, min(real.rows, other.rows)
    if n < LEAST or not real.names:
        return [Finding(name="c2st", value=None, note=f"needs {LEAST} rows of each table, has {n}")]
    pair = [real.cut(n, rng), other.cut(n, rng)]
    (a, b), labels = boost.matrices(pair, real.names)
    x, truth = np.concatenate([a, b]), np.repeat([False, True], [len(a), len(b)])
    owner = stack(pair).owner
    # An owner's rows are alike: unless all are in one fold, whose rows they are tells which table they come from.
    group = _groups(*(hashes(f, scale=real).sum(0, dtype=np.uint64) for f in pair)) if owner is None else owner
    fold = rng.permutation(np.arange(group.max() + 1) % FOLDS)[group] if owner is None else _level(group, truth, rng)
    score = np.empty(len(truth))
    seed = int(rng.integers(2**31))
    for k in range(FOLDS):
        model = boost.classifier(x[fold != k], truth[fold != k], labels, seed=seed)
        score[fold == k] = model.predict_proba(x[fold == k])[:, 1]
        if owner is not None:
            score[fold == k] = _odds(score[fold == k]) - _odds(truth[fold != k].mean())
    value, error = auc(truth, score, owner=owner)
    # Folds share the rows they learn from, so that their errors go together (Nadeau & Bengio 2003).
    low, high = around(value, error * np.sqrt(1 + FOLDS / (FOLDS - 1)), least=0, most=1)
    detail: dict[str, object] = {"rows": n, "saturated": value > SATURATED, "reasons": []}
    if context.explain:
        keep = rng.permutation(np.flatnonzero(fold == k))[:2_000]
        losses = _importance(model, x[keep], truth[keep], rng)
        best = sorted(losses, key=lambda j: -losses[j])
        detail["reasons"] = [{"name": real.names[j], "loss": losses[j]} for j in best]
        told = _pairs(model, x[keep], truth[keep], best[:PAIRED], rng) if low > 0.5 else []
        detail["pairs"] = [{"a": real.names[i], "b": real.names[j], "loss": round(loss, 4)} for i, j, loss in told]
        detail["rules"] = rules((pair[0], pair[1]), score, [real.names[j] for j in best], rng) if low > 0.5 else []
    note = "the classifier is nearly always right: the value cannot tell bad from worse" if value > SATURATED else ""
    return [Finding(name="c2st", value=value, low=low, high=high, note=note, detail=detail)]


def _groups(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A number for each row of both tables; a row and its equal in the other table share one.

    The k-th of several equal rows is paired with the k-th in the other table. Repeats beyond that are left apart: that one table has
    more of them is a difference to be found.
    """
    value = np.unique(np.concatenate([a, b]), return_inverse=True)[1]
    turn = np.concatenate([_turns(value[: len(a)]), _turns(value[len(a) :])])
    return np.unique(value * (turn.max() + 1) + turn, return_inverse=True)[1]


def _level(owner: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fold for each row, all of an owner in one, and of either table about as many rows in each: large owners are dealt first."""
    out = np.empty(len(owner), np.int64)
    for side in (False, True):
        rows = np.flatnonzero(truth == side)
        _, code, sizes = np.unique(owner[rows], return_inverse=True, return_counts=True)
        order = np.lexsort((rng.random(len(sizes)), -sizes))
        place = np.empty(len(sizes), np.int64)
        turn = np.arange(len(sizes))
        # There and back: 0 1 2 3 4 4 3 2 1 0 …
        place[order] = np.where(turn // FOLDS % 2 == 0, turn % FOLDS, FOLDS - 1 - turn % FOLDS)
        out[rows] = place[code]
    return out


def _odds(share: np.ndarray) -> np.ndarray:
    """Log odds. Less those of the rows learned from, scores of all folds can be ranked together: a fold with more rows of one table than
    the others has learned from fewer."""
    kept = np.clip(share, 1e-6, 1 - 1e-6)
    return np.log(kept / (1 - kept))


def _turns(values: np.ndarray) -> np.ndarray:
    """How many equal values came before each."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    out = np.empty(len(values), np.int64)
    out[order] = np.arange(len(values)) - np.searchsorted(ranked, ranked)
    return out


def _importance(model: object, x: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> dict[int, float]:
    """Loss of AUC per column when its values are shuffled among unseen rows; in a wide table, in the blocks that matter most."""

    def losses(groups: Sequence[np.ndarray]) -> list[float]:
        shuffled = ((columns, rng.permutation(len(x))) for columns in groups)
        whole, *found = _areas(model, x, truth, [(np.arange(0), np.arange(len(x))), *shuffled])
        return [whole - area for area in found]

    chosen = np.arange(x.shape[1])
    if len(chosen) > WIDE:
        blocks = np.array_split(chosen, 2 * len(chosen) // WIDE)
        heaviest = np.argsort([-loss for loss in losses(blocks)], kind="stable")[:2]
        chosen = np.sort(np.concatenate([blocks[i] for i in heaviest]))
    return dict(zip(chosen.tolist(), losses([np.array([j]) for j in chosen]), strict=True))


def _pairs(model: object, x: np.ndarray, truth: np.ndarray, columns: list[int], rng: np.random.Generator) -> list[tuple[int, int, float]]:
    """Loss of AUC by how two columns go together.

    Columns are shuffled inside each table, so that their own distributions stay as telling as they were. What is lost when each of two
    columns is shuffled alone, but not when both are shuffled together, is what lay between the two.
    """
    sides = [np.flatnonzero(truth == side) for side in (False, True)]
    both = [(i, j) for n, i in enumerate(columns) for j in columns[n + 1 :]]
    asked = [*((j,) for j in columns), *both]

    def order() -> np.ndarray:
        rows = np.arange(len(x))
        for side in sides:
            rows[side] = rng.permutation(side)
        return rows

    whole, *areas = _areas(model, x, truth, [(np.arange(0), np.arange(len(x))), *((np.array(a), order()) for a in asked for _ in range(3))])
    losses = dict(zip(asked, np.mean(np.reshape([whole - area for area in areas], (-1, 3)), axis=1).tolist(), strict=True))
    found = [(i, j, (losses[i,] + losses[j,] - losses[i, j]) / 2) for i, j in both]
    return sorted([f for f in found if f[2] > NOTICED], key=lambda f: -f[2])


def _areas(model: object, x: np.ndarray, truth: np.ndarray, moved: Iterable[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """AUC of a classifier on `x` with some columns in another order of rows, for each such pair of columns and order.

    Many small tables are predicted as one: each call costs as much as a thousand rows.
    """
    found: list[float] = []
    together = max(1, CELLS // x.size)
    waiting = iter(moved)
    while part := list(islice(waiting, together)):
        stacked = np.tile(x, (len(part), 1))
        for block, (columns, order) in zip(np.split(stacked, len(part)), part, strict=True):
            block[:, columns] = x[np.ix_(order, columns)]
        chance = model.predict_proba(stacked)[:, 1]
        found += [float(auc(truth, c)[0]) for c in np.split(chance, len(part))]
    return found
