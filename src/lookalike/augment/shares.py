"""How many rows each class is to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lookalike.errors import SettingError, near_matches


def wanted(counts: Sequence[int], share: Any, *, names: Sequence[Any] | None = None) -> np.ndarray:
    """int64 [classes]: rows that each class is to have, never fewer than there are.

    counts: rows there are. share: "balanced", as many as the largest; a number, the least share of all rows that every class but the
    largest is to have; or {name: rows} (whole numbers from 1) or {name: share of all rows} (below 1) for some classes. names: of the
    classes, for the last form.

    Raises:
        SettingError: the share is none of these, cannot be reached, or asks for fewer rows than there are.
    """
    have = np.asarray(counts, np.int64)
    if isinstance(share, str) and share == "balanced":
        return np.full(len(have), have.max(initial=0))
    if isinstance(share, Mapping):
        return _named(have, share, list(names if names is not None else range(len(have))))
    if isinstance(share, bool) or not isinstance(share, int | float | np.integer | np.floating) or not 0 < share < 1:
        what = f"share must be 'auto', 'balanced', a number between 0 and 1, or a dict, not {share!r}"
        raise SettingError(what, where="share", fix="0.2 raises every smaller class to a fifth of all rows")
    return _raised(have, np.where(np.arange(len(have)) == have.argmax(), 0.0, float(share)), exact=False)


def _named(have: np.ndarray, share: Mapping[Any, Any], names: list[Any]) -> np.ndarray:
    """What a dict asks for."""
    asked = np.zeros(len(have))
    for name, value in share.items():
        if name not in names:
            near = near_matches(str(name), [str(n) for n in names])
            fix = f"did you mean {' or '.join(map(repr, near))}?" if near else f"classes: {', '.join(map(repr, names[:12]))}"
            raise SettingError(f"no class {name!r}", where="share", fix=fix)
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating) or not value > 0:
            raise SettingError(f"{value!r} for class {name!r} is neither a number of rows nor a share", where="share", fix="500, or 0.2")
        asked[names.index(name)] = value
    given = asked[asked > 0]
    if (given >= 1).all():
        rows = np.where(asked > 0, np.rint(asked), have).astype(np.int64)
    elif (given < 1).all():
        rows = _raised(have, asked, exact=True)
    else:
        raise SettingError("rows and shares of rows are mixed", where="share", fix="give whole numbers of rows, or shares below 1")
    _no_fewer(have, rows, names)
    return rows


def _raised(have: np.ndarray, least: np.ndarray, *, exact: bool) -> np.ndarray:
    """Rows of each class once all have their least share; classes that have it, or are asked for none, stay as they are.

    exact: shares are to be met, not only reached: all named classes count, also those that have more than their share now.
    """
    raised = least > 0
    if least.sum() >= 1 - 1e-9 and not (exact and raised.all() and abs(least.sum() - 1) < 1e-6):
        raise SettingError(
            f"shares sum to {least.sum():.3g}: nothing is left for the other classes", where="share", fix="give smaller shares"
        )
    while True:
        if raised.all():
            total = float((have / np.maximum(least, 1e-300)).max())
        else:
            total = float(have[~raised].sum() / (1 - least[raised].sum()))
        rows = np.where(raised, np.rint(least * total), have).astype(np.int64)
        over = raised & (rows < have)
        if exact or not over.any():
            return rows
        raised &= ~over  # it has more than its share already


def _no_fewer(have: np.ndarray, rows: np.ndarray, names: Sequence[Any]) -> None:
    for name, there, asked in zip(names, have, rows, strict=True):
        if asked < there:
            what = f"{asked:,} rows of class {name!r}, of which there are {there:,}"
            raise SettingError(what, where="share", fix="no real row is taken away: ask for as many at least, or take a sample first")
