"""Details of any score as tables of text, so that what a metric found is on the page without the page knowing the metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ROWS = 12
"""Lines of a table; the metrics put the worst first."""
DRAWN = {
    "trend": {"names", "error", "chance", "association", "correlation"},
    "shape": {"columns"},
    "c2st": {"reasons", "pairs", "rules", "saturated", "rows"},
    "dcr_share": {"distances"},
    "missing": {"columns"},
}
"""Details that have a drawing of their own."""
CURVE = ("share", "reached")
"""Lists that are drawn as a line: what should be reached, and what is."""
WORDS = {"other": "synthetic", "a": "first", "b": "second", "p": "p", "q": "q"}


def drill(score: Mapping[str, Any]) -> dict[str, Any]:
    """`facts`: (name, text) of single values; `tables`: see `table`; `curves`: lines by what they are of, or nothing."""
    detail = score["detail"].get("synthetic") or {}
    curves = {role: line for role in ("synthetic", "ceiling") if (line := _curve(score["detail"].get(role) or {}))}
    facts, tables = [], []
    for key, value in detail.items():
        if key in DRAWN.get(score["name"], ()) or value is None or value == [] or value == {} or (curves and key in CURVE):
            continue
        lines = table(key, value, worst_low=score.get("better") == "higher")
        if lines:
            tables.append(lines)
        else:
            facts.append((word(key), text(value)))
    return {"facts": facts, "tables": tables, "curves": curves}


def _curve(detail: Mapping[str, Any]) -> str | None:
    """Points of a line, x to the right and y down, 0 to 100, of two lists of shares; None if there are none."""
    x, y = (detail.get(key) for key in CURVE)
    if not (isinstance(x, list) and isinstance(y, list) and len(x) == len(y) > 2):
        return None
    return " ".join(f"{100 * a:.4g},{100 - 100 * b:.4g}" for a, b in zip(x, y, strict=True) if a is not None and b is not None)


def word(key: str) -> str:
    """A key of the report as a reader calls it."""
    return WORDS.get(key, key.replace("_", " "))


def text(value: Any) -> str:
    """A value of the report in a few words."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _parts(value)
    return _several(value)


def _several(values: Sequence[Any]) -> str:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if numbers and len(values) == 2:
        return f"{text(values[0])} → {text(values[1])}"
    if numbers and len(values) == 3 and values[1] <= values[0] <= values[2]:
        return f"{text(values[0])} ({text(values[1])} – {text(values[2])})"
    shown = ", ".join(text(v) for v in values[:ROWS])
    return (shown + (f" and {len(values) - ROWS} more" if len(values) > ROWS else "")) or "none"


def _parts(value: Mapping[str, Any]) -> str:
    """A figure with its interval, a real and a synthetic value, or names and values."""
    middle = next((k for k in ("value", "rate") if k in value), None)
    if middle and "low" in value and "high" in value:
        said = f"{text(value[middle])} ({text(value['low'])} – {text(value['high'])})"
        return said + (f" of {text(value['rows'])}" if "rows" in value else "")
    if set(value) == {"real", "other"}:
        return f"{text(value['real'])} → {text(value['other'])}"
    return ", ".join(f"{word(k)} {text(v)}" for k, v in value.items()) or "–"


def table(key: str, value: Any, *, worst_low: bool = False) -> dict[str, Any] | None:
    """Lists of things, and things by name (the worst first), as a table: `title`, `head`, `rows` (cells of text), `left` (which columns
    are text) and `left_out` (lines); None if it is neither."""
    if isinstance(value, Mapping) and value and all(isinstance(v, Mapping) for v in value.values()):
        rows = [{"name": name, **v} for name, v in value.items()]
        if all(isinstance(r.get("value"), int | float) for r in rows):
            rows.sort(key=lambda r: r["value"], reverse=not worst_low)
    elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
        rows = [dict(v) for v in value]
    else:
        return None
    rows = [_joined(r) for r in rows]
    head = [k for k in dict.fromkeys(k for r in rows for k in r) if any(r.get(k) not in ("", None) for r in rows)]
    lines = [[text(r[k]) if k in r else "–" for k in head] for r in rows[:ROWS]]
    left = [all(isinstance(r.get(k), str | list | type(None)) and not _numeric(r.get(k)) for r in rows) for k in head]
    return {"title": word(key), "head": [word(k) for k in head], "left": left, "rows": lines, "left_out": max(0, len(rows) - ROWS)}


def _joined(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose figure and its interval are one cell."""
    if not {"value", "low", "high"} <= set(row):
        return row
    return {k: [row["value"], row["low"], row["high"]] if k == "value" else v for k, v in row.items() if k not in ("low", "high")}


def _numeric(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, int | float) for v in value)
