"""Can each column be predicted from all others as well by a model that learned from the table as by one that learned from real rows?"""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike.compare import boost
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame
from lookalike.compare.rows import canonical
from lookalike.compare.stats import BLOCKS, around, auc, blocks, jackknife

BETTER = "higher"
ABOUT = About(
    title="Each column from the others",
    definition=(
        "A random forest learns each column (up to 12, drawn at random) from all others in the table, and predicts it for real rows that "
        "nobody trained on. Numbers: R², the share of variance that the predicted means explain (0 to 1; values beyond the real 0.5 % and "
        "99.5 % quantile count as there). Labels: 2·AUC − 1, classes weighted by their real rows. Mean over columns. The ceiling is "
        "the same learner taught by as many real rows; the interval is that of the rows it is tested on."
    ),
    source='"global utility" of TabStruct (Jiang et al. 2026), as a score on real rows',
    rank=52,
    area="fidelity",
    against="holdout",
    quick=False,
    real_rows=5_000,
    rows=5_000,
    control_rows=5_000,
)
LEAST, COLUMNS, CLASSES = 100, 12, 12
"""Rows of each table; columns that are predicted; classes of a label, rarer ones taken as one."""
GREATEST = 1e30
"""Forests compare, and add up, in single precision."""


@boost.one_thread()
def measure(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """One finding, `column_prediction` (0 to 1); detail has each column's score and, for labels, the F1 (mean over classes)."""
    if len(real.names) < 2 or min(real.rows, other.rows) < LEAST:
        return [Finding(name="column_prediction", value=None, note=f"needs two columns and {LEAST} rows of each table")]
    real, other = canonical(real, scale=real), canonical(other, scale=real)
    rng = context.rng
    # The same for every table that is compared: controls must be judged by the same columns.
    chosen = np.sort(np.random.default_rng(0).permutation(len(real.names))[:COLUMNS])
    test, x = (np.clip(m, -GREATEST, GREATEST) for m in boost.matrices([real, other], real.names)[0])
    group, seed = blocks(real.rows, rng), int(rng.integers(2**31))
    found: dict[str, dict[str, float]] = {}
    scores = []
    for j in chosen.tolist():
        name = real.names[j]
        side = np.delete(x, j, 1), np.delete(test, j, 1)
        got = (
            _label(real, other, name, side, group=group, seed=seed)
            if real.is_label(name)
            else _number(real, other, name, side, group=group, seed=seed)
        )
        if got is not None:
            scores.append(got[0])
            found[name] = {"value": round(float(got[0][0]), 4)} | got[1]
    if not scores:
        return [Finding(name="column_prediction", value=None, note="no column varies")]
    mean = np.mean(scores, axis=0)
    low, high = around(float(mean[0]), float(jackknife(mean[1:])), least=0, most=1)
    note = f"{len(chosen)} of {len(real.names)} columns, drawn at random" if len(chosen) < len(real.names) else ""
    return [Finding(name="column_prediction", value=float(mean[0]), low=low, high=high, note=note, detail={"columns": found})]


def _settings(seed: int) -> dict[str, Any]:
    return {"n_estimators": 20, "min_samples_leaf": 5, "max_features": 0.3, "random_state": seed, "n_jobs": 1}


Scored = tuple[np.ndarray, dict[str, float]]


def _number(real: Frame, other: Frame, name: str, side: tuple[np.ndarray, np.ndarray], *, group: np.ndarray, seed: int) -> Scored | None:
    """R² [1 + groups]; None where the real column does not vary, 0 where the other's cannot teach."""
    from sklearn.ensemble import RandomForestRegressor

    here = ~np.isnan(real[name])
    if here.sum() < LEAST:
        return None
    ends = np.quantile(real[name][here], [0.005, 0.995])
    truth, lesson = (np.clip(f[name], *ends) for f in (real, other))
    truth, known, group = truth[here], ~np.isnan(lesson), group[here]
    if np.ptp(truth) == 0:
        return None
    if known.sum() < BLOCKS:
        return np.zeros(1 + BLOCKS), {}
    scale = np.abs(truth).max()  # squares of great numbers overflow
    forest = RandomForestRegressor(**_settings(seed)).fit(side[0][known], lesson[known] / scale)
    wrong = truth / scale - forest.predict(side[1][here])

    def explained(keep: np.ndarray) -> float:
        return float(np.clip(1 - (wrong[keep] ** 2).mean() / max((truth[keep] / scale).var(), 1e-18), 0, 1))

    return np.array([explained(group >= 0), *(explained(group != g) for g in range(BLOCKS))]), {}


def _label(real: Frame, other: Frame, name: str, side: tuple[np.ndarray, np.ndarray], *, group: np.ndarray, seed: int) -> Scored | None:
    """2·AUC − 1 [1 + groups], and F1; classes that the other table lacks get chance 0."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import f1_score

    times = np.bincount(real[name][real[name] >= 0], minlength=len(real.levels[name]))
    rank = np.minimum(np.argsort(np.argsort(-times, kind="stable")), CLASSES - 1)
    here, known = real[name] >= 0, other[name] >= 0
    truth, lesson, group = rank[real[name][here]], rank[other[name][known]], group[here]
    classes = np.flatnonzero(np.bincount(truth, minlength=CLASSES) >= BLOCKS)
    if len(truth) < LEAST or len(classes) < 2:
        return None
    if len(np.unique(lesson)) < 2:
        return np.zeros(1 + BLOCKS), {}
    forest = RandomForestClassifier(**_settings(seed)).fit(side[0][known], lesson)
    chances = np.zeros((len(truth), CLASSES))
    chances[:, forest.classes_] = forest.predict_proba(side[1][here])

    def told(keep: np.ndarray) -> float:
        hits = [truth[keep] == c for c in classes]
        weights = np.array([h.sum() for h in hits], float)
        areas = [auc(h, chances[keep, c])[0] if 0 < h.sum() < len(h) else 0.5 for h, c in zip(hits, classes, strict=True)]
        return float(np.clip(2 * np.average(areas, weights=weights) - 1, 0, 1))

    f1 = float(f1_score(truth, chances.argmax(1), average="macro", zero_division=0))
    return np.array([told(group >= 0), *(told(group != g) for g in range(BLOCKS))]), {"f1": round(f1, 4)}
