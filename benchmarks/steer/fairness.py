"""What a model of the table costs in accuracy for each part of unfairness that it loses, judged on real rows nobody trained on.

    python benchmarks/steer/fairness.py                                      # everything not yet done, then the table
    python benchmarks/steer/fairness.py --sets adult --seeds 1 --small       # 4,000 rows, kept apart
    python benchmarks/steer/fairness.py --mostlyai                           # mostlyai-engine's fairness too (minutes a cell)
    python benchmarks/steer/fairness.py --table                              # only print the table

Judges: histogram gradient boosting and logistic regression, with the protected column among the features and without it. AUC is that of
the real outcome. Demographic parity: the difference between groups in the share selected, where as many are selected as really have the
outcome; equalised odds: the same among those who have it and those who have not, whichever is greater. A seed decides which rows are
learned from and everything that is drawn. Synthetic tables have `TIMES` as many rows as the real one. Kept in `results/fairness.json`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from run import RESULTS, Results  # noqa: E402  the benchmarks' own modules are not a package

ROOT = HERE.parents[1]
SHARED = Path(os.environ.get("LOOKALIKE_DATA", ROOT.parent / "shared" / "data"))
KEPT = RESULTS / "fairness.json"
PEER = HERE.parent / ".envs" / "mostlyai" / "bin" / "python"
TIMES, PILOT = 4, 100_000
THREE = (0.5, 0.8, 1.0)
WAYS = {
    "parity": ({}, THREE),
    "parity, seen": ({"seen": True}, THREE),
    "selection": ({"notion": "selection"}, (1.0,)),
    "selection, seen": ({"notion": "selection", "seen": True}, (0.5, 0.8, 0.85, 0.9, 1.0)),
}
"""What is asked of `Parity`, and at which strengths."""
MOST_LINEAR = 30_000
"""Rows that logistic regression learns from at most."""


@dataclass(frozen=True)
class Set:
    """Rows to learn from and to judge on, the outcome (its second label in order of name is the one wanted) and the protected column."""

    learn: pd.DataFrame
    test: pd.DataFrame
    target: str
    group: str


def adult(seed: int) -> Set:
    """The published parts, nine tenths of what is there to learn from."""
    learn, test = (
        pd.read_csv(SHARED / f"tabular/adult/adult_{part}.csv.gz", keep_default_na=False, na_values=[""]) for part in ("train", "test")
    )
    return Set(learn.sample(frac=0.9, random_state=seed), test, "income", "sex")


def acs(seed: int) -> Set:
    """Income above 50,000 dollars; 30,000 rows to learn from and 20,000 others."""
    frame = pd.read_parquet(SHARED / "tabular/acs_income_2018/acs_income_2018.parquet")
    frame["Income"] = np.where(frame["Income"] > 50_000, ">50K", "<=50K")
    frame = frame.sample(50_000, random_state=seed)
    return Set(frame.iloc[:30_000], frame.iloc[30_000:], "Income", "Gender")


def simulated(seed: int) -> Set:
    """The sex acts on the outcome directly, by a proxy, and by a skill; luck has nothing to do with it."""
    rng, n = np.random.default_rng(seed), 40_000
    man = rng.random(n) < 0.6
    skill, proxy, luck = rng.normal(0.8 * man), rng.normal(1.5 * man), rng.normal(size=n)
    score = skill + 0.8 * proxy + 0.8 * man + luck - 1.9
    rich = rng.random(n) < 1 / (1 + np.exp(-1.5 * score))
    frame = pd.DataFrame(
        {"sex": np.where(man, "m", "f"), "skill": skill, "proxy": proxy, "luck": luck, "rich": np.where(rich, "yes", "no")}
    )
    return Set(frame.iloc[:20_000].round(3), frame.iloc[20_000:].round(3), "rich", "sex")


SETS = {"adult": adult, "acs_income_2018": acs, "simulated": simulated}


# ---------------------------------------------------------------------------------------------------------- judging


class Judges:
    """Models that learn from a table and are judged on the real rows."""

    def __init__(self, data: Set) -> None:
        from sklearn.compose import make_column_transformer
        from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

        self.data, self.columns = data, [c for c in data.learn.columns if c != data.target]
        self.wanted = sorted(data.learn[data.target].unique())[1]
        self.labels = [c for c in self.columns if not pd.api.types.is_numeric_dtype(data.learn[c])]
        numbers = [c for c in self.columns if c not in self.labels]
        known = [data.learn[c].astype(str).value_counts().index[:250].to_numpy() for c in self.labels]
        codes = OrdinalEncoder(categories=known, handle_unknown="use_encoded_value", unknown_value=np.nan)
        self.trees = make_column_transformer((codes, self.labels), ("passthrough", numbers)).fit(self.read(data.learn))
        one = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50)
        self.linear = make_column_transformer((one, self.labels), (StandardScaler(), numbers)).fit(self.read(data.learn))
        self.truth, self.group = self.hit(data.test), data.test[data.group].astype(str).to_numpy()

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Features: labels as text, numbers without gaps."""
        return pd.DataFrame(
            {
                c: frame[c].astype(str) if c in self.labels else frame[c].fillna(self.data.learn[c].median()).astype(float)
                for c in self.columns
            }
        )

    def hit(self, frame: pd.DataFrame) -> np.ndarray:
        """Whether each row has the outcome."""
        return (frame[self.data.target].astype(str) == str(self.wanted)).to_numpy()

    def __call__(self, frame: pd.DataFrame, *, weight: np.ndarray | None = None) -> dict[str, Any]:
        """{judge: [AUC, demographic parity, equalised odds]} on real rows, and the table's own difference between groups."""
        truth, rates = self.hit(frame), frame.assign(hit=self.hit(frame)).groupby(self.data.group, observed=True)["hit"].mean()
        found: dict[str, Any] = {"table": float(rates.max() - rates.min())}
        for sees in (True, False):
            told = self.read(frame), self.read(self.data.test)
            if not sees:  # the column says nothing if all rows have the same
                told = tuple(t.assign(**{self.data.group: self.group[0]}) for t in told)
            for judge, guess in (("trees", self.boosted), ("linear", self.logistic)):
                found[f"{judge}, {'sees' if sees else 'blind'}"] = self.scored(guess(*told, truth, weight))
        return found

    def boosted(self, learn: pd.DataFrame, test: pd.DataFrame, truth: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Chances by histogram gradient boosting."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        kinds = [i < len(self.labels) for i in range(len(self.columns))]
        model = HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.15, early_stopping=False, categorical_features=kinds if self.labels else None, random_state=0
        )
        return model.fit(self.trees.transform(learn), truth, sample_weight=weight).predict_proba(self.trees.transform(test))[:, 1]

    def logistic(self, learn: pd.DataFrame, test: pd.DataFrame, truth: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Chances by logistic regression."""
        from sklearn.linear_model import LogisticRegression

        rows = np.random.default_rng(0).permutation(len(learn))[:MOST_LINEAR]
        model = LogisticRegression(solver="newton-cholesky")
        model.fit(self.linear.transform(learn.iloc[rows]), truth[rows], sample_weight=None if weight is None else weight[rows])
        return model.predict_proba(self.linear.transform(test))[:, 1]

    def scored(self, chance: np.ndarray) -> list[float]:
        """AUC, demographic parity and equalised odds of chances for the real rows."""
        from sklearn.metrics import roc_auc_score

        order = np.argsort(-(chance + 1e-9 * np.random.default_rng(0).random(len(chance))))
        picked = np.zeros(len(chance), bool)
        picked[order[: int(self.truth.sum())]] = True

        def spread(of: np.ndarray) -> float:
            rates = [picked[of & (self.group == g)].mean() for g in np.unique(self.group)]
            return float(max(rates) - min(rates))

        odds = max(spread(self.truth), spread(~self.truth))
        return [float(roc_auc_score(self.truth, chance)), spread(np.ones(len(chance), bool)), odds]


# ---------------------------------------------------------------------------------------------------------- methods


def reweighed(judges: Judges, frame: pd.DataFrame) -> np.ndarray:
    """Weights that make outcome and group independent (Kamiran & Calders 2012)."""
    hit, group = judges.hit(frame), frame[judges.data.group].astype(str).to_numpy()
    weight = np.empty(len(frame))
    for g in np.unique(group):
        for y in (False, True):
            here = (group == g) & (hit == y)
            weight[here] = (group == g).mean() * (hit == y).mean() / max(here.mean(), 1e-12)
    return weight


def methods(data: Set, judges: Judges, seed: int, *, skip: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and figures of every method that is not in `skip`."""
    import lookalike
    from lookalike.data import Dataset
    from lookalike.fair import Parity, Repair

    if "real rows" not in skip:
        yield "real rows", judges(data.learn)
    if "real rows, reweighed" not in skip:
        yield "real rows, reweighed", judges(data.learn, weight=reweighed(judges, data.learn))
    names = ["forest", "forest, selected", *(f"{way} {s:g}" for way, (_, strengths) in WAYS.items() for s in strengths)]
    if all(name in skip for name in names):
        return
    model = lookalike.fit(data.learn, seed=seed)
    rows, pilot = (lookalike.sample(model, n, seed=100 * seed + k) for k, n in ((1, TIMES * len(data.learn)), (2, PILOT)))
    if "forest" not in skip:
        yield "forest", judges(rows)
    if "forest, selected" not in skip:
        weight = reweighed(judges, rows)
        kept = np.random.default_rng(seed).random(len(rows)) < weight / weight.max()
        yield "forest, selected", judges(rows[kept])
    drawn, learned = (Dataset.of(frame, schema=model.schema) for frame in (rows, pilot))
    for way, (asked, strengths) in WAYS.items():
        if all(f"{way} {s:g}" in skip for s in strengths):
            continue
        start = time.perf_counter()
        parity = Parity(target=data.target, group=data.group, **asked)
        repair = Repair.learn(learned.table(), parity, model.schema, rng=np.random.default_rng(1_000 + seed))
        took = time.perf_counter() - start
        for s in (s for s in strengths if f"{way} {s:g}" not in skip):
            made = replace(repair, parity=parity.model_copy(update={"strength": s}))
            table = made.apply(drawn.table(), rng=np.random.default_rng(2_000 + seed))
            account = made.account(drawn.table(), table)
            frame = Dataset.from_arrow({model.schema.table.name: table}, model.schema, like=drawn).native()
            changed = account[2]["achieved"] / len(rows)
            yield f"{way} {s:g}", judges(frame) | {"changed": changed, "learn_s": took, "factor": made.factor}


def mostlyai(data: Set, seed: int, rows: int) -> pd.DataFrame:
    """Rows by mostlyai-engine with its fairness; runs in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        data.learn.to_csv(Path(folder) / "learn.csv", index=False)
        command = [str(PEER), str(HERE / "mostlyai_fair.py"), folder, data.target, data.group, str(rows), str(seed)]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        return pd.read_csv(Path(folder) / "made.csv", keep_default_na=False, na_values=[""])


# ----------------------------------------------------------------------------------------------------------- the run


def table(kept: dict[str, Any]) -> str:
    """Mean ± standard error over the seeds, by set."""
    out = []
    names = ["real rows", "real rows, reweighed", "forest", "forest, selected"]
    names += [*(f"{way} {s:g}" for way, (_, strengths) in WAYS.items() for s in strengths), "mostlyai-engine"]
    for name in SETS:
        cells = {method: [c for k, c in kept.items() if k.split("/")[0] == name and k.split("/", 2)[2] == method] for method in names}
        cells = {method: found for method, found in cells.items() if found}
        if not cells:
            continue
        judges = [k for k, value in next(iter(cells.values()))[0].items() if isinstance(value, list)]
        out += ["", f"`{name}`: AUC · demographic parity · equalised odds", ""]
        out += ["| rows | seeds | table | " + " | ".join(judges) + " |", "|---|--:|--:|" + "--:|" * len(judges)]
        for method, found in cells.items():
            words = [" · ".join(shown([f[j][i] for f in found]) for i in range(3)) for j in judges]
            out.append(f"| {method} | {len(found)} | {shown([f['table'] for f in found])} | " + " | ".join(words) + " |")
    return "\n".join(out)


def shown(values: list[float]) -> str:
    """Mean, with its standard error where there is one."""
    error = f" ± {np.std(values, ddof=1) / len(values) ** 0.5:.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{error}"


def main() -> None:
    """Measure what is not there yet, and print the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sets", default=",".join(SETS))
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--small", action="store_true")
    asked.add_argument("--mostlyai", action="store_true")
    asked.add_argument("--table", action="store_true")
    given = asked.parse_args()
    results = Results(HERE.parent / ".work" / "fairness-small.json" if given.small else KEPT)
    from lookalike.compare.boost import one_thread

    with one_thread():
        for seed in range(0 if given.table else given.seeds):
            for name in given.sets.split(","):
                data = SETS[name](seed)
                data = replace(data, learn=data.learn.head(4_000)) if given.small else data
                judges, head = Judges(data), f"{name}/{seed}/"
                skip = frozenset(key.removeprefix(head) for key in results.all if key.startswith(head))
                for method, cell in methods(data, judges, seed, skip=skip):
                    results.keep(head + method, cell)
                if given.mostlyai and "mostlyai-engine" not in skip:
                    results.keep(head + "mostlyai-engine", judges(mostlyai(data, seed, TIMES * len(data.learn))))
                sys.stderr.write(f"{name} {seed} done\n")
    sys.stdout.write(table(results.all) + "\n")


if __name__ == "__main__":
    main()
