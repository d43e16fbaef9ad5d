"""Flawed synthetic tables. Each starts from fresh real rows of the same law, so that the planted flaw is the only one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sets import Pair, Parts, Plan

Make = Callable[[Parts, Plan, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class Flaw:
    """A flaw in words, and how it is planted. `needs`: entry of the plan without which it cannot be."""

    title: str
    make: Make
    needs: str = ""


ATOM = 0.1
"""A value that more than this share of the cells holds is left as it is when noise is added."""


def shuffled(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """Perfect columns without any dependence."""
    return parts.clean.apply(lambda c: pd.Series(rng.permutation(c.to_numpy()), index=c.index))


def strong(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """A strong dependence broken, others kept."""
    return apart(parts.clean, plan.strong, rng)


def weak(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """A weak dependence broken, others kept."""
    return apart(parts.clean, plan.weak, rng)


def apart(frame: pd.DataFrame, pair: Pair, rng: np.random.Generator) -> pd.DataFrame:
    """`pair.second` shuffled among rows that agree in the columns to keep (numbers and dates in five steps)."""
    key = pd.Series("", index=frame.index)
    for name in pair.keep:
        values, text = frame[name], frame[name]
        if values.nunique() > 60:
            text = pd.qcut(values.rank(method="first"), 5, labels=False)
        key = key + "|" + text.astype(object).where(values.notna(), "missing").astype(str)
    out = frame.copy()
    values = frame[pair.second].to_numpy().copy()
    for rows in key.groupby(key).indices.values():
        values[rows] = values[rng.permutation(rows)]
    out[pair.second] = values
    return out


def dropped(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """Fresh rows without the level take the place of the rows that have it."""
    name, level = plan.level
    return instead(parts, parts.clean[name] == level, parts.spare[name] != level, rng)


def trimmed(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """Fresh rows from the middle take the place of rows in the outer 2 % on either side of a column."""
    lows, highs = (parts.train[list(plan.tails)].quantile(q) for q in (0.02, 0.98))

    def outside(frame: pd.DataFrame) -> pd.Series:
        return ((frame[list(plan.tails)] < lows) | (frame[list(plan.tails)] > highs)).any(axis=1)

    return instead(parts, outside(parts.clean), ~outside(parts.spare), rng)


def instead(parts: Parts, bad: pd.Series, good: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    """The clean table with fresh rows that are `good` in the place of those that are `bad`."""
    pool = parts.spare[good]
    fresh = pool.iloc[rng.permutation(len(pool))[: int(bad.sum())]]
    return mixed(parts.clean[~bad], fresh, rng)


def mixed(a: pd.DataFrame, b: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The rows of both in random order."""
    both = pd.concat([a, b], ignore_index=True)
    return both.iloc[rng.permutation(len(both))].reset_index(drop=True)


def collapsed(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """Three rows in ten are variations of one row in a hundred."""
    rows = len(parts.clean)
    modes = rng.permutation(rows)[: max(1, rows // 100)]
    lost = rng.permutation(rows)[: 3 * rows // 10]
    repeats = noisy(parts.clean.iloc[rng.choice(modes, len(lost))].reset_index(drop=True), rng, like=parts.clean, share=0.02)
    return mixed(parts.clean.drop(index=lost), repeats, rng)


def copied(share: float) -> Make:
    """A share of the rows are training rows."""

    def make(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
        many = round(share * len(parts.clean))
        kept = parts.clean.iloc[rng.permutation(len(parts.clean))[many:]]
        return mixed(kept, parts.train.iloc[rng.permutation(len(parts.train))[:many]], rng)

    return make


def exposed(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """One row in a hundred is a training row, and those are the most unusual ones."""
    many = len(parts.clean) // 100
    worst = np.argsort(-surprise(parts.train), kind="stable")[:many]
    kept = parts.clean.iloc[rng.permutation(len(parts.clean))[many:]]
    return mixed(kept, parts.train.iloc[worst], rng)


def surprise(frame: pd.DataFrame) -> np.ndarray:
    """How unusual each row is: minus the logarithm of the share of cells as rare (labels) or as far out (numbers), over all columns."""
    total = np.zeros(len(frame))
    for name in frame.columns:
        values = frame[name]
        if values.dtype.kind in "iuf":
            rank = values.rank(pct=True, method="average").fillna(0.5)
            share = 2 * np.minimum(rank, 1 - rank + 1 / len(frame))
        elif values.nunique() > len(frame) / 4:
            continue  # nearly every value is its own: no row is more unusual than another
        else:
            share = values.map(values.value_counts(dropna=False, normalize=True)).fillna(1.0)
        total -= np.log(np.clip(share.to_numpy(float), 1 / len(frame), 1))
    return total


def veiled(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """The training table itself, numbers blurred a little."""
    return noisy(mixed(parts.train, parts.train[:0], rng), rng, like=parts.train, share=0.05)


def noisy(frame: pd.DataFrame, rng: np.random.Generator, *, like: pd.DataFrame, share: float) -> pd.DataFrame:
    """Normal noise of `share` of a standard deviation on every number but heavy single values; decimals and range are kept."""
    out = frame.copy()
    for name in frame.columns:
        if frame[name].dtype.kind not in "iuf":
            continue
        values = frame[name].to_numpy(float)
        counts = like[name].value_counts(normalize=True)
        free = ~frame[name].isin(counts.index[counts > ATOM]).to_numpy() & ~np.isnan(values)
        moved = values + rng.normal(0, share * float(like[name].std()), len(values))
        out[name] = rounded(np.where(free, moved, values), like[name])
    return out


def rounded(values: np.ndarray, like: pd.Series) -> np.ndarray:
    """Values with the decimals, the range and the type of a column."""
    values = np.clip(values, like.min(), like.max())
    if like.dtype.kind in "iu":
        return np.rint(values).astype(like.dtype)
    known = like.dropna().to_numpy()[:200]
    digits = next((d for d in range(7) if np.allclose(known, np.round(known, d), rtol=0, atol=1e-9)), 7)
    return np.round(values, digits)


def scattered(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """As many missing cells as before, but in random rows."""
    out = parts.clean.copy()
    for name in plan.holes:
        here, many = out[name].dropna().to_numpy(), int(out[name].isna().sum())
        filled = out[name].to_numpy(dtype=object).copy()
        filled[out[name].isna().to_numpy()] = rng.choice(here, many)
        filled[rng.permutation(len(out))[:many]] = None
        out[name] = pd.Series(filled, index=out.index).astype(parts.clean[name].dtype)
    return out


def flipped(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """Two labels change places within one group of rows."""
    name, a, b = plan.flip
    here = pd.Series(True, index=parts.clean.index)
    for column, value in plan.group.items():
        here &= parts.clean[column] == value
    return parts.clean.assign(**{name: parts.clean[name].where(~here, parts.clean[name].replace({a: b, b: a}))})


def shifted(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """Every date some days later."""
    later = {}
    for name, form in plan.dates.items():
        moved = (pd.to_datetime(parts.clean[name], format=form) + pd.Timedelta(days=plan.shift)).dt.strftime(form)
        later[name] = moved.where(parts.clean[name].notna(), None)
    return parts.clean.assign(**later)


def smooth(parts: Parts, plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """Each number is the mean of the row and its four nearest rows of the same target label, as a model that averages would give it."""
    from sklearn.neighbors import NearestNeighbors

    pool = pd.concat([parts.clean, parts.spare.iloc[: len(parts.clean)]], ignore_index=True)
    numbers = [n for n in pool.columns if pool[n].dtype.kind in "iuf"]
    ranks = pool[numbers].rank(pct=True).fillna(-1.0).to_numpy()
    values, out = pool[numbers].to_numpy(float), parts.clean.copy()
    means = values[: len(out)].copy()
    label = pool[plan.target].astype(str).to_numpy()
    for one in np.unique(label):
        rows = np.flatnonzero(label == one)
        asked = rows[rows < len(out)]
        near = NearestNeighbors(n_neighbors=min(5, len(rows))).fit(ranks[rows]).kneighbors(ranks[asked], return_distance=False)
        around = np.ma.masked_invalid(values[rows[near]]).mean(axis=1).filled(np.nan)
        means[asked] = np.where(np.isnan(values[asked]), np.nan, around)
    return out.assign(**{name: rounded(means[:, j], parts.clean[name]) for j, name in enumerate(numbers)})


FLAWS: dict[str, Flaw] = {
    "shuffled": Flaw("every column shuffled on its own", shuffled),
    "strong_pair": Flaw("one strong pair decorrelated", strong),
    "weak_pair": Flaw("one weak pair decorrelated", weak),
    "rare_level": Flaw("a rare level dropped", dropped, "level"),
    "tails": Flaw("the outer 2 % of two columns cut off", trimmed, "tails"),
    "collapse": Flaw("modes: 30 % of the rows vary 1 % of them", collapsed),
    "copies_1": Flaw("1 % copied training rows", copied(0.01)),
    "copies_10": Flaw("10 % copied training rows", copied(0.1)),
    "outliers": Flaw("the 1 % most unusual training rows copied", exposed),
    "noise": Flaw("the training rows with a little noise", veiled),
    "missing": Flaw("cells missing at random, not where they were", scattered, "holes"),
    "flipped": Flaw("a label flipped in a subgroup", flipped, "flip"),
    "dates": Flaw("dates 30 days late", shifted, "dates"),
    "smooth": Flaw("numbers averaged over five near rows", smooth),
}


def fits(flaw: Flaw, plan: Plan) -> bool:
    """Whether the flaw can be planted in this table."""
    return not flaw.needs or bool(getattr(plan, flaw.needs))
