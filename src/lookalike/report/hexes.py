"""The map of the rows as drawings: one path a shade, so that thousands of hexagons stay small and print sharp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHADES = 6
HEXAGON = "l5,2.9v5.8l-5,2.9-5-2.9v-5.8z"
"""Ten wide, from its top."""


def panels(plane: Mapping[str, Any], *, held: str) -> dict[str, Any]:
    """`view` (of all drawings), `tables` and `gaps`: drawings with `title`, `kind` and `paths` of (class, path).

    `held` is what the third table is called. Both gaps have one scale: what real rows differ by from real rows is chance.
    """
    cells = plane["cells"]
    spots = [(round(10 * x, 1), round(-10 * y, 1)) for x, y, *_ in cells]
    left, top = min(x for x, _ in spots) - 6, min(y for _, y in spots) - 7
    wide, tall = max(x for x, _ in spots) - left + 6, max(y for _, y in spots) - top + 7
    real, synthetic, holdout = ([c[i] for c in cells] for i in (2, 3, 4))
    most = max((v for role in (real, synthetic, holdout) for v in role if v is not None), default=1.0)
    named = (("real", "real", real), ("synthetic", "synthetic", synthetic), (held, "holdout", holdout))
    # Halves of the scale are roots: a few full hexagons would leave all others blank.
    tables = [
        {"title": title.capitalize(), "kind": kind, "paths": _paths(spots, [None if v is None else (v / most) ** 0.5 for v in values])}
        for title, kind, values in named
    ]
    gaps = {"Synthetic less real": _gap(synthetic, real), f"{held.capitalize()} less real": _gap(holdout, real)}
    reach = max((abs(v) for gap in gaps.values() for v in gap), default=0.0) or 1.0
    signed = [{"title": t, "kind": "gap", "paths": _signed(spots, [v / reach for v in gap])} for t, gap in gaps.items()]
    return {"view": f"{left:.1f} {top:.1f} {wide:.1f} {tall:.1f}", "tables": tables, "gaps": signed, "most": most, "reach": reach}


def _gap(values: Sequence[float | None], real: Sequence[float | None]) -> list[float]:
    return [(v or 0.0) - (r or 0.0) for v, r in zip(values, real, strict=True)]


def _paths(spots: Sequence[tuple[float, float]], shares: Sequence[float | None]) -> list[tuple[str, str]]:
    """Shares from 0 to 1 by shade; None is not drawn."""
    drawn: dict[int, list[str]] = {}
    for (x, y), share in zip(spots, shares, strict=True):
        if share is not None:
            drawn.setdefault(min(SHADES, int(share * SHADES) + 1), []).append(f"M{x:g},{y - 5.8:.4g}{HEXAGON}")
    return [(f"h{shade}", "".join(parts)) for shade, parts in sorted(drawn.items())]


def _signed(spots: Sequence[tuple[float, float]], gaps: Sequence[float]) -> list[tuple[str, str]]:
    more = [g if g > 0.5 / SHADES else None for g in gaps]
    less = [-g if g < -0.5 / SHADES else None for g in gaps]
    return [
        *((f"plus {c}", p) for c, p in _paths(spots, more)),
        *((f"minus {c}", p) for c, p in _paths(spots, less)),
    ]
