"""What a report may say in public: a short list of what is let through, coarsely; whatever is not on it stays inside.

Figures that tell how near a table comes to its training rows, told exactly and often, give those rows away (Ganev & De Cristofaro 2023).
So no figure of privacy, of a column, a pair or a row is let through, and of the others only whole percents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SAID = {
    "good": "As real rows.",
    "fair": "Near real rows.",
    "poor": "Far from real rows.",
    "open": "Cannot be said.",
}
LEFT_OUT = (
    "This page is for the public: it has only coarse figures, because exact ones would tell of the real rows. It is no proof of privacy."
)
WORDS = ("name", "title", "metric", "area", "unit", "better")
NUMBERS = ("value", "ceiling", "floor", "skill")
ATTACK = ("name", "title", "threat", "informative")
DEFINITION = ("name", "kind", "title", "text", "source", "area", "better", "rows", "control_rows", "against")
EMPTY_SCORE: dict[str, Any] = {
    "low": None,
    "high": None,
    "ceiling_interval": None,
    "floor_interval": None,
    "copy": None,
    "uniform": None,
    "zero": None,
    "skill_low": None,
    "skill_high": None,
    "draws": [],
    "detectable": None,
    "tested": 0,
    "flagged": [],
    "note": "",
    "detail": {},
}
EMPTY_ATTACK: dict[str, Any] = {
    "value": None,
    "low": None,
    "high": None,
    "tpr": {},
    "epsilon": None,
    "roc": {"fpr": [], "tpr": []},
    "controls": {},
    "outliers": None,
    "rows": {},
    "note": "",
    "detail": {},
}


def public(data: Mapping[str, Any]) -> dict[str, Any]:
    """The public version of an internal report's `data`, of the same shape."""
    target = data["target"]["name"]
    return {
        "format": data["format"],
        "version": data["version"],
        "audience": "public",
        "effort": data["effort"],
        "name": data["name"],
        "rows": {role: _two_digits(n) for role, n in data["rows"].items()},
        "about": {k: data["about"][k] for k in ("model",) if k in data["about"]},
        "target": {"name": target, "given": data["target"]["given"], "why": ""},
        "protected_columns": list(data["protected_columns"]),
        "notes": [],
        "seed": None,
        "compared": {"columns": list(data["compared"]["columns"]), "left_out": []},
        "split": {"tone": data["split"]["tone"], "text": SAID[data["split"]["tone"]], "c2st": None, "overlap": None, "doubts": []},
        "verdict": _verdict(data["verdict"]),
        "limits": [LEFT_OUT],
        "scores": _scores(data["scores"]),
        "attacks": _attacks(data["attacks"]),
        "rules": [],
        "columns": [],
        "map": None,
        "protected": {},
        "privacy": data["privacy"],
        "untested": [{"what": u["what"], "why": u["why"]} for u in data["untested"]],
        "definitions": [{k: d[k] for k in DEFINITION} for d in data["definitions"] if d["area"] != "privacy" or d["kind"] == "attack"],
        "others": [_other(o) for o in data["others"]],
        "gates": [{"require": g["require"], "met": g["met"], "table": g["table"], "text": ""} for g in data["gates"]],
    }


def _other(other: Mapping[str, Any]) -> dict[str, Any]:
    rows = {role: _two_digits(n) for role, n in other["rows"].items()}
    parts = {"scores": _scores(other["scores"]), "attacks": _attacks(other["attacks"]), "verdict": _verdict(other["verdict"]), "rules": []}
    return {"name": other["name"], "rows": rows, **parts}


def _scores(scores: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {k: s[k] for k in WORDS} | {k: _coarse(s[k], s["unit"] if k != "skill" else "") for k in NUMBERS} | EMPTY_SCORE
        for s in scores
        if s["area"] != "privacy"
    ]


def _attacks(attacks: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{k: a[k] for k in ATTACK} | EMPTY_ATTACK for a in attacks]


def _verdict(said: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"tone": v["tone"], "area": v["area"], "title": v["title"], "text": SAID[v["tone"]]} for v in said]


def _coarse(value: float | None, unit: str) -> float | None:
    """A whole percent."""
    return None if value is None else float(round(value)) if unit == "%" else round(value, 2)


def _two_digits(count: int | None) -> int | None:
    return None if count is None else int(float(f"{count:.1e}"))
