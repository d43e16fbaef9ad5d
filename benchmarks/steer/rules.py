"""Rules: are those found that were planted, does what is drawn obey, what does it cost, and is it as good as without.

    python benchmarks/steer/rules.py                  # all parts, Markdown rows
    python benchmarks/steer/rules.py --quick          # small sizes
    python benchmarks/steer/rules.py --parts found,real

Parts: found (planted rules, and random tables in which there are none), real (rules of real tables, to be judged by eye), obeyed
(violations in a million rows), speed (rows a second beside the plain model, in turns), quality (how well boosted trees tell drawn rows from
fresh ones; 0.5 is not at all).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from planted import FOLLOWS, PLANTED, orders

from lookalike import models
from lookalike.compare.frame import code
from lookalike.data import Dataset
from lookalike.rules import find

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("LOOKALIKE_DATA", ROOT.parent / "shared" / "data"))

REAL = (
    "tabular/adult/adult_train.csv.gz",
    "tabular/credit_default/credit_default.csv.gz",
    "relational/northwind/Order_Details.csv",
    "relational/northwind/Orders.csv",
    "tabular/birdstrikes/birdstrikes.csv.gz",
    "ecommerce/online_retail/online_retail.parquet",
    "tabular/california_housing/california_housing.csv.gz",
    "predictive_maintenance/ai4i2020/ai4i2020.csv.gz",
    "timeseries/sp500_daily_120/sp500_daily.parquet",
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def independent(rows: int, seed: int) -> pd.DataFrame:
    """Thirty columns that know nothing of each other."""
    g = rng(seed)
    frame = pd.DataFrame(
        {f"i{k}": g.integers(0, 3 ** (k + 1), rows) for k in range(8)}
        | {f"f{k}": g.lognormal(3, 1, rows).round(2) for k in range(6)}
        | {f"c{k}": g.choice(list("abcdefghijkl")[: k + 2], rows) for k in range(7)}
        | {f"b{k}": g.random(rows) < 0.02 * (k + 1) ** 2 for k in range(5)}
        | {f"d{k}": pd.Timestamp("2020-01-01") + pd.to_timedelta(g.integers(0, 900, rows), "D") for k in range(4)}
    )
    for name, share in (("i5", 0.02), ("f2", 0.2), ("c2", 0.6), ("c5", 0.97), ("d1", 0.5)):
        frame.loc[g.random(rows) < share, name] = None
    return frame


def found(quick: bool) -> None:
    """Planted rules, and tables without any."""
    print("\n| table | rows × columns | planted found | true besides | false | CPU s |\n|---|---|---|---|---|---|")
    ways = {way for said in PLANTED.values() for way in said}
    for seed, rows in enumerate((1_000, 10_000) if quick else (1_000, 5_000, 50_000, 50_000, 100_000)):
        data = Dataset.of(orders(rows, seed))
        began = time.process_time()
        texts = {f.text for f in find(data)}
        took = time.process_time() - began
        hit = sum(bool(texts & set(said)) for said in PLANTED.values())
        false = sorted(texts - ways - FOLLOWS)
        shape = f"{rows:,} × {len(data.schema.table.columns)}"
        print(
            f"| planted, seed {seed} | {shape} | {hit} of {len(PLANTED)} | {len(texts & FOLLOWS)} | {', '.join(false) or 0} | {took:.1f} |"
        )
    total, worst = 0, 0.0
    runs = [(rows, seed) for rows in ((1_000, 5_000) if quick else (1_000, 5_000, 20_000, 50_000)) for seed in range(10)]
    for rows, seed in runs:
        data = Dataset.of(independent(rows, seed))
        began = time.process_time()
        total += len(find(data))
        worst = max(worst, time.process_time() - began)
    print(f"| independent, {len(runs)} tables | {runs[0][0]:,} to {runs[-1][0]:,} × 30 | – | – | {total} in all | {worst:.1f} at most |")


def real(quick: bool) -> None:
    """What is found in real tables."""
    print("\n| table | rows × columns | CPU s | kind | rule | support |\n|---|---|---|---|---|---|")
    for path in REAL[:4] if quick else REAL:
        data = Dataset.of(SHARED / path)
        began = time.process_time()
        rules = find(data)
        took = time.process_time() - began
        name, shape = Path(path).name.split(".")[0], f"{data.rows:,} × {len(data.schema.table.columns)}"
        for f in rules or [None]:
            said = f"{f.kind} | `{f.text}` | {f.support:,}" if f else "– | none | –"
            print(f"| {name} | {shape} | {took:.1f} | {said} |")
            name = shape = ""


def fitted(rows: int, inner: str = "forest") -> tuple[Any, Any, Dataset, float, float]:
    """The plain and the ruled model of the planted table, the data, and the seconds that each fit took."""
    data = Dataset.of(orders(rows, 0))
    models.build(inner).fit(data.take(np.arange(300)), rng=rng())  # compiles
    began = time.perf_counter()
    plain = models.build(inner).fit(data, rng=rng())
    middle = time.perf_counter()
    ruled = models.build("ruled", {"rules": list(PLANTED), "inner": inner}).fit(data, rng=rng())
    return plain, ruled, data, middle - began, time.perf_counter() - middle


def obeyed(quick: bool, both: tuple[Any, ...]) -> None:
    """Violations among a million rows, and among as many of the plain model."""
    plain, ruled, *_ = both
    blocks = 2 if quick else 16
    rows, size = 0, 65_536
    broken: dict[str, list[int]] = {text: [0, 0] for text in ruled.rules_.texts}
    keys: list[np.ndarray] = []
    for k in range(blocks):
        for side, model in enumerate((ruled, plain)):
            table = model.sample(size, rng=rng(100 + k), start=k * size).table()
            for text, held in ruled.rules_.holds(table).items():
                broken[text][side] += int((~held).sum())
            if side == 0:
                rows += table.num_rows
                keys.append(pd.util.hash_array(np.asarray(table["order_no"].to_pylist(), object), categorize=False))
    print(f"\n| rule | broken in {rows:,} rows of `ruled` | of the plain model |\n|---|---|---|")
    for text, (mine, other) in broken.items():
        print(f"| `{text}` | {mine} | {other:,} |")
    print(f"\nKeys: {len(np.unique(np.concatenate(keys))):,} distinct of {rows:,}. Accepted: {ruled.accepted_:.1%} of the rows drawn.")


def speed(quick: bool, both: tuple[Any, ...], inner: str) -> None:
    """Rows a second of both models, drawn in turns."""
    plain, ruled, _, fit_plain, fit_ruled = both
    size, took = 65_536, {0: [], 1: []}
    for k in range(3 if quick else 7):
        for side, model in enumerate((plain, ruled)):
            began = time.perf_counter()
            model.sample(size, rng=rng(k))
            took[side].append(time.perf_counter() - began)
    a, b = (size / float(np.median(took[side])) for side in (0, 1))
    print("\n| inner | plain, rows/s | ruled, rows/s | ratio | fit plain, s | fit ruled, s | accepted |\n|---|---|---|---|---|---|---|")
    print(f"| {inner} | {a:,.0f} | {b:,.0f} | {b / a:.2f} | {fit_plain:.1f} | {fit_ruled:.1f} | {ruled.accepted_:.1%} |")


def told_apart(real_: pa.Table, made: pa.Table, data: Dataset, seed: int) -> float:
    """Area under the curve of boosted trees that tell drawn rows from fresh ones, by five folds."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    columns = [c for c in data.schema.table if c.kind not in ("key", "personal", "empty")]
    frames = code({"a": real_, "b": made}, columns)
    x = np.concatenate([np.column_stack([f[c.name].astype(float) for c in columns]) for f in (frames["a"], frames["b"])])
    y = np.arange(len(x)) >= real_.num_rows
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    scores = cross_val_predict(HistGradientBoostingClassifier(random_state=seed), x, y, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(y, scores))


def quality(quick: bool, both: tuple[Any, ...]) -> None:
    """How surely drawn rows are told from fresh ones, beside the plain model and beside fresh against fresh."""
    plain, ruled, data, *_ = both
    rows = 4_000 if quick else 10_000
    print("\n| seed | plain | ruled | fresh rows (floor) |\n|---|---|---|---|")
    for seed in range(1 if quick else 3):
        fresh, other = (Dataset.of(orders(rows, 1_000 + 2 * seed + k), schema=data.schema).table() for k in (0, 1))
        drawn = [m.sample(rows, rng=rng(50 + seed)).table() for m in (plain, ruled)]
        told = [told_apart(fresh, t, data, seed) for t in (*drawn, other)]
        print(f"| {seed} | {told[0]:.3f} | {told[1]:.3f} | {told[2]:.3f} |")


def main() -> None:
    """The parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", default="found,real,obeyed,speed,quality")
    parser.add_argument("--inner", default="forest")
    given = parser.parse_args()
    parts = given.parts.split(",")
    if "found" in parts:
        found(given.quick)
    if "real" in parts:
        real(given.quick)
    if {"obeyed", "speed", "quality"} & set(parts):
        both = fitted(5_000 if given.quick else 50_000, given.inner)
        if "obeyed" in parts:
            obeyed(given.quick, both)
        if "speed" in parts:
            speed(given.quick, both, given.inner)
        if "quality" in parts:
            quality(given.quick, both)


if __name__ == "__main__":
    main()
