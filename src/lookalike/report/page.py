"""The report as one HTML page that needs nothing from outside: texts drawn here, charts drawn by the script that it carries."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from lookalike.report.view import number, span

PAIRS = 15
REASONS = 12
PROTECTED = {
    "levels": "rare levels pooled",
    "rows": "rows with a rare level",
    "tails": "rows beyond the outermost published values",
    "thin": "rows in stretches too thin to publish",
    "keys": "keys made afresh",
    "words": "rare words withheld",
}
"""What a codebook counts, in words."""
TONES = {"good": "As real", "fair": "Near", "poor": "Far", "open": "Open"}


def render(data: Mapping[str, Any]) -> str:
    """The page of a report's `data`; all names and texts in it are escaped."""
    from jinja2 import Environment, StrictUndefined

    here = resources.files(__package__)
    scripts = [(here / name).read_text(encoding="utf-8") for name in ("vendor/echarts.min.js", "page.js")]
    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    by_name = {s["name"]: s for s in data["scores"]}
    return engine.from_string((here / "page.html").read_text(encoding="utf-8")).render(
        data=data,
        style=(here / "page.css").read_text(encoding="utf-8"),
        scripts=scripts,
        policy=" ".join(f"'sha256-{_digest(s)}'" for s in scripts),
        payload=_payload(data, by_name),
        score=by_name,
        rows=[_row(s) for s in data["scores"]],
        cards=_cards(data, by_name.get("shape")),
        pairs=_worst_pairs(by_name.get("trend")),
        holes=_holes(by_name.get("missing")),
        protected=[_protected(name, facts) for name, facts in data["protected"].items()],
        tones=TONES,
        number=number,
        span=span,
    )


def _digest(script: str) -> str:
    """What the page's content security policy names a script by."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _payload(data: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    """What the charts need, as JSON that can stand inside a script element."""
    trend, near, told = (scores.get(n, {}).get("detail", {}).get("synthetic", {}) for n in ("trend", "dcr_share", "c2st"))
    payload = {
        "columns": [{"name": c["name"], **c["chart"]} for c in data["columns"]],
        "pairs": {k: trend[k] for k in ("names", "association")} if trend else None,
        "distances": near.get("distances"),
        "reasons": told.get("reasons", [])[:REASONS],
        "holdout": bool(data["rows"]["holdout"]),
    }
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _row(score: Mapping[str, Any]) -> dict[str, Any]:
    """A score's line of the overview, with the places of its marks on a scale of its own, in percent of the width."""
    ceiling, floor = score["detail"].get("ceiling_interval"), score["detail"].get("floor_interval")
    marks = {"value": score["value"], "low": score["low"], "high": score["high"], "ceiling": score["ceiling"], "floor": score["floor"]}
    marks |= {"ceiling_low": ceiling and ceiling[0], "ceiling_high": ceiling and ceiling[1]}
    known = [v for v in (*marks.values(), *(floor or [])) if v is not None]
    start, end = _scale(score["name"], known)
    places = {k: None if v is None else round(100 * (v - start) / (end - start), 2) for k, v in marks.items()}
    ends = [number(v, score["unit"]) for v in (start, end)]
    return {"score": score, "at": places, "ends": ends, "title": score["detail"]["title"]}


def _scale(name: str, known: list[float]) -> tuple[float, float]:
    """From the best to the worst that can be, or to what was seen."""
    least, most = min(known, default=0.0), max(known, default=1.0)
    if name == "c2st":
        return min(0.45, least), 1.0
    if name == "dcr_share":
        reach = max(0.1, 1.1 * (most - 0.5), 1.1 * (0.5 - least))
        return 0.5 - reach, 0.5 + reach
    if name == "utility":
        room = max(0.02, 0.06 * (most - least))
        return least - room, min(1.0, most + room)
    return 0.0, (1.08 * most if most > 0 else 1.0)


def _cards(data: Mapping[str, Any], shape: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The columns, the greatest error first."""
    found = shape["detail"]["synthetic"].get("columns", {}) if shape else {}
    usual = shape["detail"].get("ceiling", {}).get("columns", {}) if shape else {}
    cards = []
    for i, column in enumerate(data["columns"]):
        error, fresh = found.get(column["name"]), usual.get(column["name"])
        beyond = bool(error and fresh and error["low"] > max(fresh["high"], fresh["value"]))
        cards.append({"index": i, "column": column, "error": error, "fresh": fresh, "beyond": beyond})
    return sorted(cards, key=lambda c: -c["error"]["value"] if c["error"] else 0.0)


def _worst_pairs(trend: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The pairs whose error is furthest beyond what real rows show."""
    found = trend["detail"]["synthetic"] if trend else {}
    if not found:
        return []
    names, error, bond = found["names"], found["error"], found["association"]
    usual = trend["detail"].get("ceiling", {}).get("error") if trend else None
    correlation = found["correlation"]
    at = {n: i for i, n in enumerate(correlation["names"])}
    rows = []
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            fresh = usual[i][j] if usual else None
            row = {
                "a": names[i],
                "b": names[j],
                "error": error[i][j],
                "fresh": fresh,
                "v": (bond["real"][i][j], bond["other"][i][j]),
                "r": None,
            }
            if names[i] in at and names[j] in at:
                x, y = at[names[i]], at[names[j]]
                row["r"] = (correlation["real"][x][y], correlation["other"][x][y])
            rows.append(row)
    return sorted(rows, key=lambda r: (r["fresh"] or 0) - r["error"])[:PAIRS]


def _holes(missing: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    found = missing["detail"]["synthetic"].get("columns", []) if missing else []
    return sorted(found, key=lambda c: -c["rate"]["real"])


def _protected(name: str, facts: Any) -> dict[str, str]:
    """One line of what was not published: counts by what they count, or a text."""
    if isinstance(facts, Mapping):
        facts = ", ".join(f"{n:,} {PROTECTED.get(str(what), str(what).replace('_', ' '))}" for what, n in facts.items())
    return {"name": str(name), "text": str(facts)}
