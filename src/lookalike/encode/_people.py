"""Counting people, not rows: how many subjects hold a value, and how much of a set of values any one of them can own."""

from __future__ import annotations

import numpy as np

from lookalike.data.holders import Holders

UNIT = 1 << 20
"""The weight of one subject, in whole numbers so that sums are exact in any order."""


def count(ids: np.ndarray, size: int, subjects: np.ndarray | Holders | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(rows, holders, weight)`, int64 [size], of the values numbered `ids` [n].

    holders: distinct subjects that hold the value. weight: each subject spreads UNIT evenly over the values it holds, so the
    sum over any set of values, divided by UNIT, is at most the number of distinct subjects in that set. Of `Holders` both are the
    numbers of rows where these are more.
    """
    rows = np.bincount(ids, minlength=size)
    if subjects is None:
        return rows, rows.copy(), rows * UNIT
    if isinstance(subjects, Holders):
        _, holders, weight = count(ids[subjects.rows], size, subjects.subjects)
        return rows, np.maximum(rows, holders), np.maximum(rows * UNIT, weight)
    _, who = np.unique(subjects, return_inverse=True)
    people = int(who.max(initial=0)) + 1
    value, person = np.divmod(np.unique(ids.astype(np.int64) * people + who), people)
    share = UNIT // np.bincount(person, minlength=people).clip(1)
    weight = np.zeros(size, np.int64)
    np.add.at(weight, value, share[person])
    return rows, np.bincount(value, minlength=size), weight
