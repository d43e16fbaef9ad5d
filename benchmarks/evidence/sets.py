"""The real tables of the evidence runs: what each flaw does to them, and how they are cut into disjoint parts of one law."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from data import REAL, read  # noqa: E402  it lives one folder up

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two dependent columns, and the columns whose dependence on `second` is to stay when that with `first` is broken."""

    first: str
    second: str
    keep: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One real table as the flaws see it. A flaw whose entry is empty is not made of it."""

    target: str
    about: str
    strong: Pair
    weak: Pair
    level: tuple[str, str]
    """Column and the rare level that is dropped."""
    tails: tuple[str, ...]
    flip: tuple[str, str, str]
    """Column and its two labels that change places …"""
    group: Mapping[str, str]
    """… in the rows that have these values."""
    dates: Mapping[str, str] = field(default_factory=dict)
    """Columns of dates and their format."""
    shift: int = 0
    """Days."""
    holes: tuple[str, ...] = ()
    """Columns whose missing cells depend on the rest of the row."""
    rows: int = 4_000
    """Rows of each part."""


PLANS = {
    "adult": Plan(
        target="income",
        about="census, 15 columns",
        strong=Pair(first="marital_status", second="relationship", keep=("sex", "age", "income")),
        weak=Pair(first="sex", second="hours_per_week", keep=("age", "occupation", "income")),
        level=("race", "Amer-Indian-Eskimo"),
        tails=("age", "hours_per_week"),
        flip=("income", "<=50K", ">50K"),
        group={"sex": "Female", "education": "Bachelors"},
        holes=("workclass", "occupation"),
    ),
    "airbnb_nyc": Plan(
        target="room_type",
        about="places, dates and missing cells, 11 columns",
        strong=Pair(first="number_of_reviews", second="reviews_per_month", keep=("last_review", "availability_365")),
        weak=Pair(first="neighbourhood_group", second="price", keep=("room_type", "availability_365")),
        level=("neighbourhood_group", "Staten Island"),
        tails=("price", "number_of_reviews"),
        flip=("room_type", "Entire home/apt", "Private room"),
        group={"neighbourhood_group": "Queens"},
        dates={"last_review": "%Y-%m-%d"},
        shift=30,
        holes=("last_review", "reviews_per_month"),
    ),
    "birdstrikes": Plan(
        target="Wildlife Size",
        about="dates, many labels and missing cells, 14 columns",
        strong=Pair(first="Aircraft Airline Operator", second="Aircraft Make Model", keep=("Phase of flight",)),
        weak=Pair(first="Time of day", second="Phase of flight", keep=("Wildlife Size",)),
        level=("Time of day", "Dusk"),
        tails=("Speed IAS in knots",),
        flip=("Wildlife Size", "Small", "Medium"),
        group={"Phase of flight": "Approach"},
        dates={"Flight Date": "%Y-%m-%d"},
        shift=30,
        holes=("Effect Amount of damage", "Speed IAS in knots"),
        rows=2_500,
    ),
}


class Parts(NamedTuple):
    """Disjoint random rows of one table: learned from, never seen, a perfect synthetic table, and what is left over."""

    train: pd.DataFrame
    holdout: pd.DataFrame
    clean: pd.DataFrame
    spare: pd.DataFrame


def whole(name: str, shared: Path) -> pd.DataFrame:
    """All rows of a table, without the columns that number them."""
    import pandas as pd

    real = REAL[name]
    frames = [read(shared / path) for path in (real.path, real.test) if path]
    return pd.concat(frames, ignore_index=True).drop(columns=list(real.drop))


def cut(frame: pd.DataFrame, rng: np.random.Generator, *, rows: int) -> Parts:
    """Parts of `rows` rows each; the spare part is at least as large as one.

    Raises:
        ValueError: the table has fewer than four times as many rows.
    """
    if 4 * rows > len(frame):
        raise ValueError(f"{len(frame)} rows cannot be cut into four parts of {rows}")
    order = rng.permutation(len(frame))
    parts = [order[:rows], order[rows : 2 * rows], order[2 * rows : 3 * rows], order[3 * rows :]]
    return Parts(*(frame.iloc[p].reset_index(drop=True) for p in parts))


def facts(name: str, frame: pd.DataFrame) -> dict[str, Any]:
    """What every judge is told of the columns: all that SDMetrics wants to know, so that none has to guess."""
    plan, cats = PLANS[name], set(REAL[name].cats)
    kinds = {}
    for column in frame.columns:
        number = frame[column].dtype.kind in "iufb" and column not in cats
        kinds[column] = "datetime" if column in plan.dates else "numerical" if number else "categorical"
    return {"target": plan.target, "kinds": kinds, "dates": dict(plan.dates)}
