"""Missing cells drawn back: how near they are to what was there, and what a classifier makes of the completed table.

    python benchmarks/steer/impute.py                        # everything not yet done, then the table
    python benchmarks/steer/impute.py --sets adult --shares 0.3 --again
    python benchmarks/steer/impute.py --table                # only print the table

Cells are taken out of all columns but the target: at random (MCAR), or more often the greater the first number of a row is (MAR). RMSE:
of numbers, over their standard deviation; accuracy: of labels; both over the cells taken out, averaged over columns. AUC (R² for a number):
of boosted trees that learn from the completed rows, tested on whole ones. Beside the project's best guesses, `impute(tables=0).single()`,
stand the column's mean or mode, scikit-learn's IterativeImputer at its defaults (Bayesian ridge, labels as numbers rounded), and the same
with random forests, as missForest does. Kept in `results/impute.json`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from run import RESULTS, Results  # noqa: E402  the benchmarks' own modules are not a package

ROOT = HERE.parents[1]
SHARED = Path(os.environ.get("LOOKALIKE_DATA", ROOT.parent / "shared" / "data"))
KEPT = RESULTS / "impute.json"
ROWS = 1_500
SETS = {
    "adult": ("tabular/adult/adult_train.csv.gz", "income"),
    "credit_default": ("tabular/credit_default", "default_payment_next_month"),
    "online_shoppers": ("ecommerce/online_shoppers", "Revenue"),
    "california_housing": ("tabular/california_housing", "median_house_value"),
}


def read(name: str) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Rows to be completed and as many others to test on, whole ones only; and the target."""
    where, target = SETS[name]
    path = SHARED / where
    file = path if path.is_file() else next(f for f in sorted(path.iterdir()) if f.suffix in (".csv", ".gz", ".parquet"))
    frame = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    frame = frame.drop(columns="ID", errors="ignore")  # it numbers the rows
    frame = frame.dropna().sample(2 * ROWS, random_state=0).reset_index(drop=True)
    for column in frame.columns:
        if frame[column].dtype.kind not in "if" or frame[column].nunique() <= 12:
            frame[column] = frame[column].astype(str)
    return frame.iloc[:ROWS].reset_index(drop=True), frame.iloc[ROWS:].reset_index(drop=True), target


def emptied(whole: pd.DataFrame, target: str, share: float, how: str, seed: int) -> pd.DataFrame:
    """The rows with cells taken out."""
    rng, holey = np.random.default_rng(seed), whole.copy()
    numbers = [c for c in whole.columns if whole[c].dtype.kind in "if" and c != target]
    lead = whole[numbers[0]].rank(pct=True).to_numpy()
    for column in whole.columns.drop(target):
        chance = np.full(len(whole), share) if how == "MCAR" or column == numbers[0] else np.clip(2 * share * lead, 0, 0.95)
        holey.loc[rng.random(len(whole)) < chance, column] = np.nan if whole[column].dtype.kind in "if" else None
    return holey


def plain(holey: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Means and modes."""
    return holey.apply(lambda c: c.fillna(c.mean() if c.dtype.kind in "if" else c.mode()[0]))


def iterative(holey: pd.DataFrame, seed: int, *, trees: bool = False) -> pd.DataFrame:
    """scikit-learn's IterativeImputer on labels as numbers."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401  it is what makes the next import possible
    from sklearn.impute import IterativeImputer

    levels = {c: sorted(holey[c].dropna().unique()) for c in holey if holey[c].dtype.kind not in "if"}
    coded = holey.copy()
    for c, known in levels.items():
        coded[c] = coded[c].map({v: k for k, v in enumerate(known)}).astype(float)
    learner = {"estimator": ExtraTreesRegressor(50, min_samples_leaf=5, n_jobs=1, random_state=seed), "max_iter": 4} if trees else {}
    made = pd.DataFrame(IterativeImputer(random_state=seed, **learner).fit_transform(coded), columns=holey.columns)
    for c, known in levels.items():
        made[c] = made[c].round().clip(0, len(known) - 1).astype(int).map(dict(enumerate(known)))
    return made


def own(holey: pd.DataFrame, seed: int) -> pd.DataFrame:
    """This project's."""
    import lookalike as la

    return la.impute(holey, tables=0, seed=seed).single()


TOOLS: dict[str, Callable[..., pd.DataFrame]] = {
    "lookalike": own,
    "mean or mode": plain,
    "IterativeImputer": iterative,
    "with random forests": lambda holey, seed: iterative(holey, seed, trees=True),
}


def judged(made: pd.DataFrame, holey: pd.DataFrame, whole: pd.DataFrame, test: pd.DataFrame, target: str) -> dict[str, float]:
    """How near the cells are, and what is learned of the rows."""
    errors, hits = [], []
    for c in whole.columns.drop(target):
        gone = holey[c].isna()
        if whole[c].dtype.kind in "if":
            errors.append(np.sqrt(((made[c] - whole[c])[gone] ** 2).mean()) / whole[c].std())
        else:
            hits.append((made[c].astype(str) == whole[c])[gone].mean())
    return {
        "rmse": float(np.mean(errors)),
        "accuracy": float(np.mean(hits)) if hits else float("nan"),
        "learned": learned(made, test, target),
    }


def learned(rows: pd.DataFrame, test: pd.DataFrame, target: str) -> float:
    """AUC or R² on `test` of boosted trees that learn from `rows`."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    def coded(frame: pd.DataFrame) -> np.ndarray:
        columns = [c for c in test.columns if c != target]
        levels = {c: {v: k for k, v in enumerate(sorted(test[c].unique()))} for c in columns if test[c].dtype.kind not in "if"}
        return np.column_stack([frame[c].astype(str).map(levels[c]).fillna(-1) if c in levels else frame[c].astype(float) for c in columns])

    if test[target].dtype.kind in "if":
        return float(HistGradientBoostingRegressor(random_state=0).fit(coded(rows), rows[target]).score(coded(test), test[target]))
    from sklearn.metrics import roc_auc_score

    yes = sorted(test[target].unique())[-1]
    judge = HistGradientBoostingClassifier(random_state=0).fit(coded(rows), rows[target].astype(str) == yes)
    return float(roc_auc_score(test[target] == yes, judge.predict_proba(coded(test))[:, 1]))


def main() -> None:
    """Measure what is not known, and print the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sets", default=",".join(SETS), help="comma-separated, of: %(default)s")
    asked.add_argument("--shares", default="0.1,0.3,0.5", help="of the cells that are taken out")
    asked.add_argument("--tools", default=",".join(TOOLS), help="comma-separated, of: %(default)s")
    asked.add_argument("--again", action="store_true", help="measure anew what is known")
    asked.add_argument("--table", action="store_true", help="measure nothing")
    given = asked.parse_args()
    results = Results(KEPT)
    for name in () if given.table else given.sets.split(","):
        whole, test, target = read(name)
        if f"{name}|whole" not in results.all:
            results.keep(f"{name}|whole", {"learned": learned(whole, test, target)})
        for share in map(float, given.shares.split(",")):
            for how in ("MCAR", "MAR"):
                holey = emptied(whole, target, share, how, 0)
                for tool in given.tools.split(","):
                    key = f"{name}|{share:g}|{how}|{tool}"
                    if key in results.all and not given.again:
                        continue
                    began = time.process_time()
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        made = TOOLS[tool](holey, 0)
                    took = time.process_time() - began
                    results.keep(key, {**judged(made, holey, whole, test, target), "seconds": took})
    print(table(results.all))


def table(kept: dict[str, Any]) -> str:
    """What was measured, as Markdown: RMSE / accuracy / AUC (R²)."""
    lines = [f"| table, cells taken out | {' | '.join(TOOLS)} | whole rows |", f"|---|{'--:|' * (len(TOOLS) + 1)}"]
    for name in SETS:
        for share in ("0.1", "0.3", "0.5"):
            for how in ("MCAR", "MAR"):
                cells = [kept.get(f"{name}|{share}|{how}|{tool}") for tool in TOOLS]
                if any(cells):
                    shown = ["" if c is None else f"{c['rmse']:.3f} / {c['accuracy']:.3f} / {c['learned']:.3f}" for c in cells]
                    lines.append(
                        f"| {name}, {100 * float(share):.0f} % {how} | {' | '.join(shown)} | {kept[f'{name}|whole']['learned']:.3f} |"
                    )
    return "\n".join(lines).replace(" / nan / ", " / – / ")


if __name__ == "__main__":
    main()
