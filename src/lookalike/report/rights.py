"""How often an attacker guesses right: of rows that were learned from, of strangers, and one who holds real rows instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from lookalike.compare.stats import Z, around, wilson

REAL = "real"


class Cast(Protocol):
    """What is known of the rows that were attacked."""

    role: np.ndarray
    plain: np.ndarray


def success(hits: Mapping[tuple[str, str], np.ndarray], cast: Cast, choice: np.ndarray) -> dict[str, Any]:
    """`success` over all items and `items` one by one: rates of members (role 1) and strangers (role 0) with their intervals.

    Where an attacker has several methods, each item's is the one that did best on the members in `choice`; all rates are then of the
    other rows.
    """
    items = list(dict.fromkeys(item for item, _ in hits))
    methods = {item: [who for i, who in hits if i == item and who != REAL] for item in items}
    several = any(len(m) > 1 for m in methods.values())
    judged = cast.plain & ~choice if several else cast.plain
    picked = {i: max(m, key=lambda who, i=i: _mean(hits[i, who][cast.plain & choice & (cast.role == 1)])) for i, m in methods.items()}
    members, strangers = judged & (cast.role == 1), judged & (cast.role == 0)
    mine = np.array([hits[i, picked[i]] for i in items])
    out: dict[str, Any] = {"success": {"members": _share(mine[:, members]), "strangers": _share(mine[:, strangers])}}
    out["success"] |= _gap(mine[:, members], mine[:, strangers])
    with_real = [i for i in items if (i, REAL) in hits]
    if with_real:
        out["success"]["real"] = _share(np.array([hits[i, REAL] for i in with_real])[:, members | strangers])
    out["items"] = [
        {
            "name": i,
            "method": picked[i],
            "members": _rate(hits[i, picked[i]][members]),
            "strangers": _rate(hits[i, picked[i]][strangers]),
            "real": _rate(hits[i, REAL][members | strangers]) if (i, REAL) in hits else None,
        }
        for i in items
    ]
    return out


def _mean(hits: np.ndarray) -> float:
    told = hits[~np.isnan(hits)]
    return float(told.mean()) if len(told) else 0.0


def _rate(hits: np.ndarray) -> dict[str, Any]:
    told = hits[~np.isnan(hits)]
    if not len(told):
        return {"value": None, "low": None, "high": None, "rows": 0}
    low, high = wilson(int(told.sum()), len(told))
    return {"value": rounded(told.mean()), "low": rounded(low), "high": rounded(high), "rows": len(told)}


def _rows(hits: np.ndarray) -> np.ndarray:
    """Mean success of each row over the items that could be guessed."""
    told = ~np.isnan(hits)
    counts = told.sum(0)
    return (np.where(told, hits, 0).sum(0) / np.maximum(counts, 1))[counts > 0]


def _share(hits: np.ndarray) -> dict[str, Any]:
    """Mean over items, with an interval over rows: a row's items succeed together."""
    if len(hits) == 1:
        return _rate(hits[0])
    rows = _rows(hits)
    if len(rows) < 2:
        return {"value": None, "low": None, "high": None, "rows": len(rows)}
    low, high = around(float(rows.mean()), float(rows.std(ddof=1) / np.sqrt(len(rows))), least=0, most=1)
    return {"value": rounded(rows.mean()), "low": rounded(low), "high": rounded(high), "rows": len(rows)}


def _gap(members: np.ndarray, strangers: np.ndarray) -> dict[str, Any]:
    """The leak: how much better the guesses about members are, and the same as a share of what was left to be gained."""
    a, b = _rows(members), _rows(strangers)
    if min(len(a), len(b)) < 2:
        return {"leak": None, "risk": None}
    gap = float(a.mean() - b.mean())
    error = float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
    left = max(1 - float(b.mean()), 1e-9)
    low, high = gap - Z * error, gap + Z * error
    leak = {"value": rounded(gap), "low": rounded(low), "high": rounded(high)}
    return {"leak": leak, "risk": {k: rounded(np.clip(v / left, -1, 1)) for k, v in leak.items()}}


def rounded(value: float) -> float:
    """To five digits."""
    return round(float(value), 5)
