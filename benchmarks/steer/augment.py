"""Does adding rows of the rare class help? LightGBM learns from real rows and those added, and is judged on unseen real rows.

    python benchmarks/steer/augment.py                                       # everything not yet done, then the table
    python benchmarks/steer/augment.py --sets fraud,ai4i --seeds 3 --methods none,smote,lookalike
    python benchmarks/steer/augment.py --minutes 2                           # stop after about so long; go on by calling again
    python benchmarks/steer/augment.py --table                               # only print the table
    python benchmarks/steer/augment.py --copies                              # are the rows added copies of the few real ones?

A seed decides the split, the learner and the method. Every cell is kept in `results/augment.json`. What cannot be imported here runs in an
environment of its own (`peers/augment.txt`; SDV in `peers/sdv.txt`).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from run import RESULTS, Results  # noqa: E402  the benchmarks' own modules are not a package
from tools import environment  # noqa: E402

ROOT = HERE.parents[1]
SHARED = Path(os.environ.get("LOOKALIKE_DATA", ROOT.parent / "shared" / "data"))
KEPT = RESULTS / "augment.json"
SEEDS = 10
CAP = 5400
"""Seconds that another tool may take."""
TENTH, HALF, WHOLE = 0.1, 0.5, 1.0
"""Rows added, as a share of what is missing to balance."""


@dataclass(frozen=True)
class Set:
    """A table, its rare class (1), columns left out, numbers that are categories; `share` of the rare class among the rows learned from."""

    path: str
    target: str
    drop: tuple[str, ...] = ()
    cats: tuple[str, ...] = ()
    share: float | None = None
    most: int = 20_000


FRAUD = "fraud/creditcard_fraud_sample/creditcard_fraud_sample.parquet"
SETS = {
    "fraud_true": Set(FRAUD, "Class", ("Time",), share=0.00173),
    "ai4i": Set(
        "predictive_maintenance/ai4i2020/ai4i2020.csv.gz", "Machine_failure", ("UDI", "Product ID", "TWF", "HDF", "PWF", "OSF", "RNF")
    ),
    "fraud": Set(FRAUD, "Class", ("Time",)),
    "credit_default": Set(
        "tabular/credit_default/credit_default.csv.gz",
        "default_payment_next_month",
        ("ID",),
        cats=("SEX", "EDUCATION", "MARRIAGE"),
        most=10_000,
    ),
}


@dataclass(frozen=True)
class Case:
    """Rows to learn from and to judge by. `weight`: of judged rows, so that the rare class is as rare as where rows are learned from."""

    learn: Any
    classes: Any
    judged: Any
    truth: Any
    weight: Any
    seed: int

    @property
    def gap(self) -> int:
        """Rows missing to balance."""
        return int((self.classes == 0).sum() - (self.classes == 1).sum())

    def share(self, part: float) -> dict[int, int]:
        """Rows that the rare class is to have when so much of the gap is filled."""
        return {1: int((self.classes == 1).sum()) + round(part * self.gap)}


def case(name: str, seed: int) -> Case:
    """Seven tenths of the rows of each class to learn from; the rare class thinned out where its true share is lower than the table's."""
    import numpy as np
    import pandas as pd

    of = SETS[name]
    read = pd.read_parquet if of.path.endswith("parquet") else pd.read_csv
    table = read(SHARED / of.path).drop(columns=list(of.drop))
    for column in table.columns:
        if column in of.cats or not pd.api.types.is_numeric_dtype(table[column]):
            table[column] = table[column].astype(str).astype("category")
    y = table.pop(of.target).astype(int)
    table.columns = ["".join(c if c.isalnum() else "_" for c in name) for name in table.columns]  # LightGBM takes no brackets
    rng = np.random.default_rng([seed, 5])
    rare, rest = (rng.permutation(np.flatnonzero(y == value)) for value in (1, 0))
    many, few = int(0.7 * len(rest)), int(0.7 * len(rare))
    if of.share is not None:
        few = round(many * of.share / (1 - of.share))
    scale = min(1.0, of.most / (many + few))
    many, few = int(many * scale), int(few * scale)
    learn, held = rng.permutation(np.r_[rare[:few], rest[:many]]), np.r_[rare[few:], rest[many:]]
    weight = np.ones(len(held))
    weight[: len(rare) - few] = few / many * (len(rest) - many) / (len(rare) - few)
    parts = [part.reset_index(drop=True) for part in (table.iloc[learn], y.iloc[learn], table.iloc[held], y.iloc[held])]
    return Case(*parts, weight, seed)


def learner(seed: int, **more: Any) -> Any:
    """LightGBM on one thread, at its defaults but for a ridge of 1: without one it diverges on some tables of 26 rare rows."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(reg_lambda=1.0, random_state=seed, n_jobs=1, verbose=-1, **more)


def figures(given: Case, X: Any, y: Any, **more: Any) -> dict[str, float]:
    """Average precision (PR-AUC) and recall at 1 % false alarms."""
    import numpy as np
    from sklearn.metrics import average_precision_score

    score = learner(given.seed, **more).fit(X, y).predict_proba(given.judged)[:, 1]
    rare = given.truth.to_numpy() == 1
    bound = np.quantile(score[~rare], 0.99)
    return {
        "precision": float(average_precision_score(rare, score, sample_weight=given.weight)),
        "recall": float((score[rare] > bound).mean()),
    }


def as_it_is(given: Case) -> tuple[Any, Any]:
    """Nothing is added."""
    return given.learn, given.classes


def repeated(given: Case, part: float) -> tuple[Any, Any]:
    """Rare rows are repeated at random."""
    from imblearn.over_sampling import RandomOverSampler

    return RandomOverSampler(sampling_strategy=given.share(part), random_state=given.seed).fit_resample(given.learn, given.classes)


def smote(given: Case, part: float) -> tuple[Any, Any]:
    """SMOTE, or SMOTENC where there are categories."""
    from imblearn.over_sampling import SMOTE, SMOTENC

    cats = list(given.learn.select_dtypes("category"))
    how = {"sampling_strategy": given.share(part), "random_state": given.seed}
    maker = SMOTENC(categorical_features=cats, **how) if cats else SMOTE(**how)
    return maker.fit_resample(given.learn, given.classes)


def adasyn(given: Case, part: float) -> tuple[Any, Any]:
    """ADASYN, which knows no categories: they become columns of 0 and 1, and each row made the likeliest one."""
    import numpy as np
    import pandas as pd
    from imblearn.over_sampling import ADASYN

    cats = list(given.learn.select_dtypes("category"))
    flat = pd.get_dummies(given.learn, dtype=float)
    X, y = ADASYN(sampling_strategy=given.share(part), random_state=given.seed).fit_resample(flat, given.classes)
    for name in cats:
        known = given.learn[name].cat.categories
        mine = [f"{name}_{level}" for level in known]
        X[name] = pd.Categorical.from_codes(np.argmax(X[mine].to_numpy(), axis=1), dtype=given.learn[name].dtype)
        X = X.drop(columns=mine)
    return X[given.learn.columns], y


def lookalike(given: Case, part: float | None, **how: Any) -> tuple[Any, Any]:
    """This project; part None: as it is by default, the share chosen by cross-validation of the learner on the rows learned from."""
    from lookalike.augment import Augmentation

    share = "auto" if part is None else given.share(part)
    judge = learner(given.seed) if part is None else None
    return Augmentation(share=share, judge=judge, seed=given.seed, **how).fit_resample(given.learn, given.classes)


def ctgan(given: Case, part: float) -> tuple[Any, Any]:
    """SDV's CTGAN of all rows, asked for rows of the rare class."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "learn.csv"
        given.learn.assign(y=given.classes.map({0: "no", 1: "yes"})).to_csv(path, index=False)
        rows = str(round(part * given.gap))
        command = [str(environment("sdv")), "-P", str(HERE / "ctgan.py"), str(path), rows, str(given.seed)]
        subprocess.run(command, check=True, capture_output=True, timeout=CAP)
        made = pd.read_csv(path.with_name("made.csv"))[list(given.learn.columns)]
    for name in given.learn:
        made[name] = made[name].astype(str if given.learn[name].dtype == "category" else float).astype(given.learn[name].dtype)
    return pd.concat([given.learn, made], ignore_index=True), pd.concat([given.classes, pd.Series([1] * len(made))], ignore_index=True)


METHODS: dict[str, tuple[str, Callable[[Case], tuple[Any, Any]], dict[str, Any]]] = {
    "none": ("nothing added", as_it_is, {}),
    "weights": ("class weights", as_it_is, {"class_weight": "balanced"}),
    "over": ("rare rows repeated, a tenth of the gap", lambda c: repeated(c, TENTH), {}),
    "smote": ("SMOTE / SMOTENC, a tenth of the gap", lambda c: smote(c, TENTH), {}),
    "adasyn": ("ADASYN, a tenth of the gap", lambda c: adasyn(c, TENTH), {}),
    "lookalike": ("**lookalike**, a tenth of the gap", lambda c: lookalike(c, TENTH), {}),
    "auto": ("**lookalike**, `auto`", lambda c: lookalike(c, None), {}),
    "smote_whole": ("SMOTE / SMOTENC, balanced (its default)", lambda c: smote(c, WHOLE), {}),
    "lookalike_whole": ("**lookalike**, balanced", lambda c: lookalike(c, WHOLE), {}),
    "unchecked": ("lookalike, a tenth, no plausibility check", lambda c: lookalike(c, TENTH, plausible=False), {}),
    "ctgan": ("SDV CTGAN asked for the class, a tenth", lambda c: ctgan(c, TENTH), {}),
}
USUAL = [name for name in METHODS if name != "ctgan"]


def measure_all(given: argparse.Namespace) -> None:
    """Every chosen cell not yet known, all sets and methods of a seed before the next seed."""
    end = time.monotonic() + 60 * given.minutes
    results = Results(KEPT)
    for seed in range(given.seeds):
        for name in given.sets:
            rows = None
            for method in given.methods:
                key = f"{name}/{seed}/{method}"
                if key in results.all:
                    continue
                if time.monotonic() > end:
                    return
                rows = rows or case(name, seed)
                start = time.perf_counter()
                _, make, more = METHODS[method]
                try:
                    X, y = make(rows)
                except subprocess.TimeoutExpired:
                    results.keep(key, {"failed": f"not done in {CAP} s"})
                    continue
                except (ValueError, subprocess.CalledProcessError) as error:
                    results.keep(key, {"failed": str(error)})
                    continue
                took = time.perf_counter() - start
                found = {**figures(rows, X, y, **more), "added": len(X) - len(rows.learn), "seconds": took}
                print(key, {k: round(v, 4) for k, v in found.items()}, flush=True)
                results.keep(key, found)


def table(given: argparse.Namespace) -> str:
    """Means over seeds, and the difference from nothing added with its standard error, in points."""
    import numpy as np

    known = Results(KEPT).all
    lines = []
    for name in given.sets:
        lines += [f"\n| {name} | seeds | PR-AUC | against none | recall at 1 % false alarms | against none | rows added | seconds |"]
        lines += ["|---|--:|--:|--:|--:|--:|--:|--:|"]
        for method in given.methods:
            seeds = [s for s in range(given.seeds) if f"{name}/{s}/{method}" in known and f"{name}/{s}/none" in known]
            failed = [known[f"{name}/{s}/{method}"]["failed"] for s in seeds if "failed" in known[f"{name}/{s}/{method}"]]
            if failed:
                lines.append(f"| {METHODS[method][0]} | {len(seeds)} | failed: {failed[0]} | | | | | |")
            if not seeds or failed:
                continue
            mine, none = ([known[f"{name}/{s}/{m}"] for s in seeds] for m in (method, "none"))
            cells = [METHODS[method][0], str(len(seeds))]
            for figure in ("precision", "recall"):
                own = np.array([m[figure] for m in mine])
                gain = 100 * (own - [n[figure] for n in none])
                error = f" ± {gain.std(ddof=1) / len(gain) ** 0.5:.1f}" if len(gain) > 1 else ""
                cells += [f"{100 * own.mean():.1f}", "" if method == "none" else f"{gain.mean():+.1f}{error}"]
            cells += [f"{np.mean([m['added'] for m in mine]):,.0f}", f"{np.median([m['seconds'] for m in mine]):.1f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def copies(given: argparse.Namespace) -> None:
    """The report on copies, for the rare class alone: rows added, beside those of SMOTE."""
    import numpy as np
    import pandas as pd

    from lookalike.data import Dataset
    from lookalike.rare import copied

    for name in given.sets:
        rows = case(name, 0)
        held = rows.judged[rows.truth.to_numpy() == 1]
        for method in [m for m in given.methods if m in ("over", "smote", "lookalike")]:
            X, _ = METHODS[method][1](rows)
            made = X.iloc[len(rows.learn) :]
            parts = (rows.learn[rows.classes.to_numpy() == 1], made, held)
            whole = Dataset.of(pd.concat(parts, ignore_index=True))
            ends = np.cumsum([0, *map(len, parts)])
            tables = [whole.table().slice(a, b - a) for a, b in pairwise(ends)]
            print(
                f"\n{name}, {METHODS[method][0]}\n" + copied(*tables, schema=whole.schema, rng=np.random.default_rng(0)).text(), flush=True
            )


def arguments() -> argparse.Namespace:
    """What was asked for."""
    asked = argparse.ArgumentParser(description="Augmentation of rare classes, beside other ways.")
    asked.add_argument("--sets", default=",".join(SETS), help="comma-separated (default %(default)s)")
    asked.add_argument("--methods", default=",".join(USUAL), help="comma-separated, also ctgan, which takes long (default %(default)s)")
    asked.add_argument("--seeds", type=int, default=SEEDS)
    asked.add_argument("--minutes", type=float, default=1e6, help="begin no further cell after so long")
    asked.add_argument("--table", action="store_true", help="measure nothing")
    asked.add_argument("--copies", action="store_true", help="only the report on copies")
    given = asked.parse_args()
    given.sets, given.methods = given.sets.split(","), given.methods.split(",")
    for word, known in [(w, SETS) for w in given.sets] + [(w, METHODS) for w in given.methods]:
        if word not in known:
            asked.error(f"{word!r} is not one of {', '.join(known)}")
    return given


def main() -> None:
    """Measure, then print the table; in the environment that has the learner."""
    given = arguments()
    if importlib.util.find_spec("lightgbm") is None or importlib.util.find_spec("imblearn") is None:
        where = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
        raise SystemExit(subprocess.run([str(environment("augment")), str(HERE / "augment.py"), *sys.argv[1:]], env=where).returncode)
    warnings.simplefilter("ignore")
    if given.copies:
        copies(given)
        return
    if not given.table:
        measure_all(given)
    print(table(given))


if __name__ == "__main__":
    main()
