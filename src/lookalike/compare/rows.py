"""Rows as numbers: one hash a cell, so that rows (and rows without one column) are compared by adding."""

from __future__ import annotations

import numpy as np

from lookalike.compare.frame import Frame

DIGITS = 9
"""Numbers equal to this many digits of their column's greatest are the same."""

HELD = 0.99
"""Share of held rows found in a table, from which they count as drawn from it."""


def hashes(frame: Frame, *, scale: Frame) -> np.ndarray:
    """uint64 [columns, rows]; numbers are rounded by the columns of `scale`, which must be the same for all frames compared."""
    out = np.empty((len(frame.columns), frame.rows), np.uint64)
    for j, column in enumerate(frame.columns):
        values = frame[column.name]
        if column.kind == "number":
            values = values / _unit(scale[column.name])
        if not frame.is_label(column.name):
            values = np.where(np.isnan(values), -1.5, np.rint(values)) + 0.0  # half a step is free for missing; + 0.0 unites the two zeros
            values = values.astype(np.float64).view(np.uint64)
        out[j] = _mix(values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15 * (j + 1) % 2**64))
    return out


def canonical(frame: Frame, *, scale: Frame) -> Frame:
    """The rows in an order that only their content decides, so that what is drawn from them does not depend on how they were sorted."""
    return frame.take(np.argsort(hashes(frame, scale=scale).sum(0, dtype=np.uint64), kind="stable")) if frame.columns else frame


def apart(train: Frame, held: Frame) -> Frame:
    """`train` without the rows of `held`, if those are (nearly) all in it: then the held rows were drawn from it.

    Rows that equal each other by chance stay: each held row takes one equal row away, and only where most held rows have one.
    """
    if not train.columns or not held.rows or not train.rows:
        return train
    ours, theirs = (hashes(f, scale=train).sum(0, dtype=np.uint64) for f in (train, held))
    order = np.argsort(ours, kind="stable")
    ranked, (values, times) = ours[order], np.unique(theirs, return_counts=True)
    first = np.searchsorted(ranked, values)
    there = np.searchsorted(ranked, values, side="right") - first
    taken = np.minimum(there, times)
    if taken.sum() < HELD * held.rows or held.rows >= train.rows:
        return train
    gone = np.concatenate([order[a : a + t] for a, t in zip(first, taken, strict=True)])
    return train.take(np.setdiff1d(np.arange(train.rows), gone))


def among(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Bool per row: its hash is among the known. Known ones whose low bits nobody asks for are dropped before they are sorted."""
    asked = np.zeros(1 << 22, bool)
    low = np.uint64(len(asked) - 1)
    asked[rows & low] = True
    return np.isin(rows, known[asked[known & low]])


def _unit(values: np.ndarray) -> float:
    greatest = np.abs(values[~np.isnan(values)]).max(initial=0.0)
    return 10.0 ** (np.ceil(np.log10(greatest)) - DIGITS) if greatest > 0 else 1.0


def _mix(x: np.ndarray) -> np.ndarray:
    """Splitmix64's finaliser: every bit depends on every bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
