"""The real tables of the benchmark: each is cut once, by a fixed seed, into rows to learn from and unseen rows, as plain CSV.

Columns that number the rows are left out for every tool: fresh keys are made by design, so no tool can be judged on them.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SEED = 0
HOLDOUT = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Real:
    """One real table and what must be known to judge copies of it."""

    path: str
    target: str
    about: str
    test: str = ""
    """File of unseen rows, where the source publishes one."""
    drop: tuple[str, ...] = ()
    """Columns that number the rows or repeat another column as text."""
    cats: tuple[str, ...] = ()
    """Categories written as integers; told to the judge, not to the tools."""
    moments: tuple[str, ...] = ()
    """Dates and times, which the judge reads as days since 1970; the tools get them as they are."""
    subject: str = ""
    """Column (dropped) whose rows stay on one side of the cut."""
    rows: int | None = None
    """Use a random part of so many rows."""
    fast: bool = False
    """Skip the judge's logistic regression: its one-hot matrix would need many GB."""
    peers: bool = False
    """Run the other tools on it too."""
    models: bool = False
    """Run this project's other models on it too."""


REAL = {
    "adult": Real(
        path="tabular/adult/adult_train.csv.gz",
        test="tabular/adult/adult_test.csv.gz",
        target="income",
        peers=True,
        models=True,
        about="census, mixed",
    ),
    "credit_default": Real(
        path="tabular/credit_default/credit_default.csv.gz",
        target="default_payment_next_month",
        drop=("ID",),
        peers=True,
        models=True,
        cats=("SEX", "EDUCATION", "MARRIAGE", "PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6"),
        about="amounts with many zeros, codes",
    ),
    "online_shoppers": Real(
        path="ecommerce/online_shoppers/online_shoppers_intention.csv.gz",
        target="Revenue",
        peers=True,
        models=True,
        cats=("OperatingSystems", "Browser", "Region", "TrafficType"),
        about="skewed numbers, rates",
    ),
    "diabetes130": Real(
        path="healthcare/diabetes130/diabetic_data.parquet",
        target="readmitted",
        drop=("encounter_id", "patient_nbr"),
        subject="patient_nbr",
        cats=("admission_type_id", "discharge_disposition_id", "admission_source_id"),
        fast=True,
        peers=True,
        about="large, 700-label codes",
    ),
    "california_housing": Real(
        path="tabular/california_housing/california_housing.csv.gz",
        target="median_house_value",
        peers=True,
        models=True,
        about="numeric, capped",
    ),
    "communities_crime": Real(
        path="tabular/communities_crime/communities_crime.csv.gz",
        target="PctPopUnderPov",
        drop=("communityname",),
        cats=("countyCode", "communityCode", "fold"),
        about="wide, few rows",
    ),
    "airbnb_nyc": Real(
        path="tabular/airbnb_nyc/airbnb_nyc.csv.gz", target="price", moments=("last_review",), about="missing, dates, places"
    ),
    "flights_20k": Real(path="tabular/flights_20k/flights_20k.csv.gz", target="delay", moments=("date",), about="time stamps, many labels"),
    "creditcard_fraud": Real(
        path="fraud/creditcard_fraud_sample/creditcard_fraud_sample.parquet", target="Class", about="rare class, 2.3 %"
    ),
    "ai4i2020": Real(
        path="predictive_maintenance/ai4i2020/ai4i2020.csv.gz",
        target="Machine_failure",
        drop=("UDI", "Product ID"),
        cats=("TWF", "HDF", "PWF", "OSF", "RNF"),
        about="rare failures",
    ),
    "wine_quality": Real(path="tabular/wine_quality/wine_quality.csv.gz", target="quality", about="numeric, repeated rows"),
    "acs_income_2018": Real(
        path="tabular/acs_income_2018/acs_income_2018.parquet", target="Income", rows=60_000, fast=True, about="529-label occupations"
    ),
    "birdstrikes": Real(
        path="tabular/birdstrikes/birdstrikes.csv.gz",
        target="Effect Amount of damage",
        moments=("Flight Date",),
        about="target 89 % missing",
    ),
    "nyc_squirrel_census": Real(
        path="tabular/nyc_squirrel_census/nyc_squirrel_census.csv.gz",
        target="Primary Fur Color",
        drop=("Unique Squirrel ID", "Lat/Long"),
        about="free text, missing-heavy",
    ),
}


def read(path: Path) -> pd.DataFrame:
    """A table as its file has it: in CSV only the empty cell is missing."""
    import pandas as pd

    return (
        pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False)
    )


def cut(frame: pd.DataFrame, real: Real) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows to learn from, unseen rows), at random by SEED; a subject's rows stay together."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    if real.rows is not None and real.rows < len(frame):
        frame = frame.iloc[np.sort(rng.permutation(len(frame))[: real.rows])]
    owner = frame[real.subject].to_numpy() if real.subject else np.arange(len(frame))
    names = np.unique(owner)
    unseen = np.isin(owner, rng.permutation(names)[: round(len(names) * HOLDOUT)])
    return frame[~unseen], frame[unseen]


def parts(real: Real, shared: Path, *, most: int | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows to learn from, unseen rows) of one set without the columns left out; no more than `most` and half as many, if given."""
    whole = read(shared / real.path)
    train, test = (whole, read(shared / real.test)) if real.test else cut(whole, real)
    if most is not None:
        train, test = train.sample(min(most, len(train)), random_state=SEED), test.sample(min(most // 2, len(test)), random_state=SEED)
    drop = list(real.drop)
    return train.drop(columns=drop), test.drop(columns=drop)


def prepare(name: str, shared: Path, folder: Path, *, most: int | None = None) -> dict[str, int]:
    """Write train.csv and holdout.csv of one set into `folder`, and what the judge reads; give back the sizes.

    With `most`, no more rows than that to learn from and half as many unseen ones.
    """
    real = REAL[name]
    train, test = parts(real, shared, most=most)
    folder.mkdir(parents=True, exist_ok=True)
    for part, frame in (("train", train), ("holdout", test)):
        frame.to_csv(folder / f"{part}.csv", index=False)
        judged(frame, real).to_csv(folder / f"judge-{part}.csv", index=False)
    return {"rows": len(train), "unseen": len(test), "columns": train.shape[1]}


def plain(name: str) -> str:
    """A column's name as the judge can take it: LightGBM refuses brackets and the like."""
    return re.sub(r"\W", "_", name)


def judged(frame: pd.DataFrame, real: Real) -> pd.DataFrame:
    """The table as the judge reads it: plain names, and moments as days since 1970 (as text each would be a category of its own)."""
    import pandas as pd

    day = pd.Timedelta(days=1)
    days = {c: (pd.to_datetime(frame[c], errors="coerce") - pd.Timestamp(0)) / day for c in real.moments}
    return frame.assign(**days).rename(columns=plain)


def main() -> None:
    """`data.py prepare NAME SHARED FOLDER [--most N]` or `data.py judged NAME CSV OUT`; prints the sizes as JSON."""
    asked = argparse.ArgumentParser()
    asked.add_argument("verb", choices=("prepare", "judged"))
    asked.add_argument("name", choices=sorted(REAL))
    asked.add_argument("source", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("--most", type=int)
    given = asked.parse_args()
    if given.verb == "prepare":
        sizes = prepare(given.name, given.source, given.out, most=given.most)
    else:
        frame = judged(read(given.source), REAL[given.name])
        frame.to_csv(given.out, index=False)
        sizes = {"rows": len(frame)}
    sys.stdout.write(json.dumps(sizes))


if __name__ == "__main__":
    main()
