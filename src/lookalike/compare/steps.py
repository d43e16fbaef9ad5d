"""Ordered rows as flat tables: each row beside the one before it, and each owner's rows as one row of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lookalike.compare.frame import Frame
from lookalike.schema import Column

BEFORE = "{} before"
NOW, EARLIER = "now", "before"
SHARES = 5
"""Commonest levels whose share of an owner's rows is a feature."""


@dataclass(frozen=True)
class Sequences:
    """Rows sorted by owner and order: `frame` [n], `owner` (int64 [n], whose row it is), `order` (float64 [n]).

    `group`: whose owner is whose, int64 [n], where owners belong to someone themselves; None: each owner stands for itself.
    """

    frame: Frame
    owner: np.ndarray
    order: np.ndarray
    group: np.ndarray | None = None

    @property
    def firsts(self) -> np.ndarray:
        """Where each owner's rows begin, int64 [owners]."""
        return np.flatnonzero(np.diff(self.owner, prepend=self.owner[0] - 1)) if len(self.owner) else np.empty(0, np.int64)

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each owner, int64 [owners]."""
        return np.diff(np.append(self.firsts, len(self.owner)))

    @property
    def whose(self) -> np.ndarray:
        """Of each row, who counts as one draw."""
        return self.owner if self.group is None else self.group


def sequences(frame: Frame, owner: np.ndarray, order: np.ndarray, *, group: np.ndarray | None = None) -> Sequences:
    """The rows sorted by owner (negative: nobody's, left out) and order; of equal ones, as they came."""
    index = np.lexsort((order, owner))
    index = index[owner[index] >= 0]
    return Sequences(frame.take(index), owner[index], order[index], None if group is None else group[index])


def steps(of: Sequences) -> tuple[Frame, dict[str, str]]:
    """Each row that has one before it, beside that: the columns now, then those before; and which of the two each column is."""
    later = np.flatnonzero(np.diff(of.owner, prepend=-1) == 0)
    columns, values, levels, part = [], {}, {}, {}
    for side, index, name in ((NOW, later, "{}"), (EARLIER, later - 1, BEFORE)):
        for column in of.frame.columns:
            called = name.format(column.name)
            columns.append(column.model_copy(update={"name": called}))
            values[called] = of.frame[column.name][index]
            part[called] = side
            if of.frame.is_label(column.name):
                levels[called] = of.frame.levels[column.name]
    return Frame(tuple(columns), values, levels, len(later), of.whose[later]), part


def gaps(of: Sequences) -> Frame:
    """What lies between each row and the one before it, in units of the order: one column, `interval`."""
    later = np.flatnonzero(np.diff(of.owner, prepend=-1) == 0)
    values = {"interval": of.order[later] - of.order[later - 1]}
    return Frame((Column(name="interval", kind="number"),), values, {}, len(later), of.whose[later])


def lengths(of: Sequences) -> Frame:
    """Rows of each owner: one column, `length`."""
    group = None if of.group is None else of.group[of.firsts]
    values = {"length": of.sizes.astype(np.float64)}
    return Frame((Column(name="length", kind="integer"),), values, {}, len(of.sizes), group)


def commonest(frame: Frame) -> dict[str, np.ndarray]:
    """Of each label the codes of its commonest levels: they must be the same for all tables that are compared."""
    return {n: np.argsort(-np.bincount(v[v >= 0], minlength=len(frame.levels[n])), kind="stable")[:SHARES] for n, v in _labels(frame)}


def _labels(frame: Frame) -> list[tuple[str, np.ndarray]]:
    return [(n, frame[n]) for n in frame.names if frame.is_label(n)]


def features(of: Sequences, levels: Mapping[str, np.ndarray]) -> Frame:
    """Each owner's rows as one, all features numbers: length; of a number mean, spread, first, last, slope by place and correlation with
    the row before; of a label the shares of `levels` (codes by column) and how often it changes. NaN where there are too few values.
    """
    rank = np.arange(len(of.owner)) - np.repeat(of.firsts, of.sizes)
    number = np.repeat(np.arange(len(of.sizes)), of.sizes)
    values: dict[str, np.ndarray] = {"length": of.sizes.astype(np.float64)}
    for name in of.frame.names:
        cells = of.frame[name]
        if of.frame.is_label(name):
            for code in levels[name].tolist():
                values[f"{name} is {of.frame.levels[name][code]}"] = np.bincount(number, weights=cells == code) / of.sizes
            later = np.flatnonzero(rank > 0)
            changed = np.bincount(number[later], weights=cells[later] != cells[later - 1], minlength=len(of.sizes))
            values[f"{name} changes"] = np.where(of.sizes > 1, changed / np.maximum(of.sizes - 1, 1), np.nan)
        else:
            values |= {f"{name} {what}": v for what, v in _numbers(cells, number, rank, len(of.sizes)).items()}
    group = None if of.group is None else of.group[of.firsts]
    return Frame(tuple(Column(name=n, kind="number") for n in values), values, {}, len(of.sizes), group)


def _numbers(cells: np.ndarray, number: np.ndarray, rank: np.ndarray, owners: int) -> dict[str, np.ndarray]:
    """Features of a number by owner; `number`: the owner's place of each cell, `rank`: the cell's place among its owner's."""
    seen = np.flatnonzero(~np.isnan(cells))
    x, who, at = cells[seen], number[seen], rank[seen].astype(np.float64)
    many = np.bincount(who, minlength=owners)

    def mean(v: np.ndarray) -> np.ndarray:
        return np.bincount(who, weights=v, minlength=owners) / np.maximum(many, 1)

    middle, centre = mean(x), mean(at)
    away, along = x - middle[who], at - centre[who]
    spread, reach = np.sqrt(mean(away**2)), mean(along**2)
    slope = np.divide(mean(away * along), reach, out=np.full(owners, np.nan), where=reach > 0)
    first, last = np.full(owners, np.nan), np.full(owners, np.nan)
    first[who[::-1]], last[who] = x[::-1], x  # the last one written stays
    return {
        "mean": np.where(many > 0, middle, np.nan),
        "spread": np.where(many > 1, spread, np.nan),
        "first": first,
        "last": last,
        "slope": slope,
        "with the one before": _lagged(away, who, spread, owners),
    }


def _lagged(away: np.ndarray, who: np.ndarray, spread: np.ndarray, owners: int) -> np.ndarray:
    """Correlation of each owner's values with the ones before, of at least four values; NaN where they do not vary."""
    later = np.flatnonzero(np.diff(who, prepend=-1) == 0)
    many = np.bincount(who, minlength=owners)
    product = np.bincount(who[later], weights=away[later] * away[later - 1], minlength=owners)
    told = (many >= 4) & (spread > 1e-12 * np.maximum(1.0, np.abs(spread)))
    return np.divide(product, many * spread**2, out=np.full(owners, np.nan), where=told)
