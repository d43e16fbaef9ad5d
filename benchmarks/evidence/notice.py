"""What "notices" means, for each tool, fixed before anything was measured. Plain arithmetic on the findings; loads nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

ALARMS = frozenset({"fair", "poor"})
"""Tones of a statement of lookalike's verdict that say: not as real rows."""
LEAST = 1e-3
"""A figure must move by more than this, also where it was the same on all clean tables."""

Figures = Mapping[str, float]


def words(report: Mapping[str, Any]) -> list[str]:
    """Lookalike: titles of the verdict's statements that say the table is not as good, or not as private, as fresh real rows."""
    return [f"{s['title']} ({s['tone']})" for s in report["verdict"] if s["tone"] in ALARMS]


def marks(report: Mapping[str, Any]) -> list[str]:
    """Lookalike: single columns, pairs … that a score flags after correction for their number."""
    return [f"{s['name']}: {f['name']}" for s in report["scores"] for f in s.get("flagged") or ()]


def beside(found: list[str], without: list[str]) -> list[str]:
    """What was noticed of a flawed table, less what was noticed of the same table before the flaw was planted."""
    return [f for f in found if f not in set(without)]


def readings(report: Mapping[str, Any]) -> dict[str, float]:
    """Lookalike: its figures without its words, for the rule by which the other tools are judged."""
    out = {s["name"]: s["value"] for s in report["scores"] if s["value"] is not None}
    out |= {f"attack {a['name']}": a["value"] for a in report.get("attacks") or () if a.get("value") is not None}
    return {k: float(v) for k, v in out.items() if math.isfinite(v)}


def ranges(clean: Iterable[Figures]) -> dict[str, tuple[float, float]]:
    """For each figure the bounds beyond which it notices: the range over the clean tables, made wider by its own width on either side.

    A figure that is missing on a clean table has no bounds and cannot notice.
    """
    tables = list(clean)
    out = {}
    for name in tables[0] if tables else ():
        values = [t[name] for t in tables if name in t]
        if len(values) == len(tables):
            low, high = min(values), max(values)
            margin = max(high - low, LEAST)
            out[name] = (low - margin, high + margin)
    return out


def beyond(figures: Figures, bounds: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names of the figures outside their bounds, the farthest out (in widths of the bounds) first."""
    out = []
    for name, (low, high) in bounds.items():
        if name in figures and not low <= figures[name] <= high:
            out.append((max(low - figures[name], figures[name] - high) / (high - low), name))
    return [name for _, name in sorted(out, reverse=True)]


def false_alarms(clean: list[Figures]) -> list[list[str]]:
    """What would be noticed on each clean table, judged by all the others."""
    return [beyond(one, ranges(clean[:i] + clean[i + 1 :])) for i, one in enumerate(clean)]


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927)."""
    if not rows:
        return 0.0, 1.0
    z2, share = 1.959963984540054**2, hits / rows
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = math.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows * rows))) / (1 + z2 / rows)
    return max(0.0, middle - half), min(1.0, middle + half)


def power(sizes: list[float], costs: list[float]) -> float | None:
    """Exponent of growth: slope of log cost over log size by least squares; None with fewer than two sizes."""
    if len(sizes) < 2:
        return None
    x, y = [math.log(s) for s in sizes], [math.log(c) for c in costs]
    mx, my = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)
