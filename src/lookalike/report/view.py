"""How figures are written, for every view alike."""

from __future__ import annotations

from typing import Any


def number(value: float | None, unit: str) -> str:
    """A score's figure: percent with two digits, shares and AUC with three."""
    if value is None:
        return "–"
    if unit == "%":
        return f"{value:z.2f} %" if value < 10 else f"{value:z.1f} %"
    return f"{value:z.3f}"  # z: what rounds to nothing has no sign


def span(score: dict[str, Any]) -> str:
    """The interval of a score's value."""
    if score["low"] is None or score["high"] is None:
        return "–"
    return f"{number(score['low'], score['unit']).removesuffix(' %')} – {number(score['high'], score['unit'])}"
