"""Chains of words or letters, as small numbers: which step follows a context, and how often; many rows walk at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike.encode import _fresh

__all__ = ["holds", "keyed", "step", "table", "uniform"]


def table(steps: dict[Any, list[int]]) -> dict[str, Any]:
    """Steps sorted by where they come from: {"from": distinct contexts, "first": their first step, "to", "edge": rising counts}."""
    order = sorted(steps)
    contexts = sorted({s[:-1] for s in order})
    index = {c: i for i, c in enumerate(contexts)}
    first = np.searchsorted([index[s[:-1]] for s in order], np.arange(len(contexts) + 1)).tolist() if order else [0]
    edge = np.cumsum([steps[s][0] for s in order]).tolist()
    return {"from": [list(c) for c in contexts], "first": first, "to": [s[-1] for s in order], "edge": edge}


def keyed(table: dict[str, Any], size: int) -> dict[str, np.ndarray]:
    """A table of steps as arrays, contexts as one number each."""
    key = np.array([c[0] if len(c) == 1 else c[0] * size + c[1] for c in table["from"]], np.int64)
    edge = np.concatenate([[0], np.array(table["edge"], np.int64)])
    first, to = np.array(table["first"]), np.array(table["to"], np.int64)
    step = np.repeat(np.arange(len(key)), np.diff(first)) * size + to if len(key) else to
    return {"key": key, "first": first, "to": to, "edge": edge, "step": step, "width": np.int64(size)}


def step(table: dict[str, np.ndarray], context: np.ndarray, u: np.ndarray) -> np.ndarray:
    """int64 [n]: what follows, by the lots `u` in [0, 1); -1 where the context is not known."""
    if not len(table["key"]):
        return np.full(len(context), -1)
    at = np.minimum(np.searchsorted(table["key"], context), len(table["key"]) - 1)
    low, high = table["edge"][table["first"][at]], table["edge"][table["first"][at + 1]]
    pick = np.searchsorted(table["edge"], low + u * (high - low), side="right") - 1
    pick = np.minimum(pick, table["first"][at + 1] - 1)
    return np.where(table["key"][at] == context, table["to"][pick], -1)


def holds(table: dict[str, np.ndarray], context: np.ndarray, to: np.ndarray) -> np.ndarray:
    """bool [n]: the table has a step from the context to `to`."""
    if not len(table["key"]):
        return np.zeros(len(context), bool)
    at = np.minimum(np.searchsorted(table["key"], context), len(table["key"]) - 1)
    steps, width = table["step"], table["width"]
    place = np.minimum(np.searchsorted(steps, at * width + to), len(steps) - 1)
    return (table["key"][at] == context) & (steps[place] == at * width + to)


def uniform(lot: np.ndarray, salt: int) -> np.ndarray:
    """float64 [n] in [0, 1), another for each salt."""
    return (_fresh.mix(lot + np.uint64((salt + 1) * 0x9E37_79B1)) >> np.uint64(11)) * 2.0**-53
