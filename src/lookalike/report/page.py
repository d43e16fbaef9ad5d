"""The report as one HTML page that needs nothing from outside: texts drawn here, charts drawn by the script that it carries."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from lookalike.privacy.statement import Statement
from lookalike.report import drill, hexes, page_links, tracks
from lookalike.report import tables as words_of
from lookalike.report.view import number, span

if TYPE_CHECKING:
    from jinja2 import Template

PAIRS, RULES = 15, 30
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
GROUPS = 16
PER_COLUMN = {"wasserstein", "jensen_shannon", "column_prediction"}
SECTIONS = {
    "verdict": "Verdict",
    "compared": "Side by side",
    "overview": "Overview",
    "database": "Tables and links",
    "classifier": "Classifier test",
    "map": "Map",
    "columns": "Columns",
    "pairs": "Pairs",
    "rules": "Rules",
    "fidelity": "Fidelity",
    "diversity": "Diversity",
    "utility": "Utility",
    "fairness": "Fairness",
    "privacy": "Privacy",
    "promised": "Promise",
    "protected": "Protected",
    "untested": "Not tested",
    "definitions": "Definitions",
}
ALONE = {"classifier", "pairs", "rules", "diversity", "utility", "fairness"}
"""Sections that only a page on a single table has."""
INTERNAL = {"database", "classifier", "map", "columns", "pairs", "rules", "fidelity", "diversity", "utility", "fairness", "protected"}
"""Sections that a public page has not."""
NAMED = (
    "shape",
    "trend",
    "missing",
    "c2st",
    "c2st_agg",
    "utility",
    "exact_copies",
    "near_copies",
    "dcr_share",
    "bias_amplification",
    "demographic_parity",
)
"""Scores of which the page has a drawing of its own, if they are there."""
MODELS = {
    "selected": "How many a model selects, among real held-out rows",
    "true_positive": "How many it selects of those who have the outcome",
}
TONES = {"good": "As real", "fair": "Near", "poor": "Far", "open": "Open"}


def render(data: Mapping[str, Any]) -> str:
    """The page of a report's `data`, internal or public; all names and texts in it are escaped."""
    here = resources.files(__package__)
    scripts = [(here / name).read_text(encoding="utf-8") for name in ("vendor/echarts.min.js", "page.js")]
    public = data["audience"] == "public"
    held = "held-out real" if data["rows"]["holdout"] else "other half of real"
    known = {
        "data": data,
        "public": public,
        "held": held,
        "tones": TONES,
        "number": number,
        "span": span,
        "figure": tracks.figure,
        "between": _between,
        "linked": data.get("linked"),
    }
    by_name = dict.fromkeys(NAMED) | {s["name"]: s for s in data["scores"]}
    text = _template().render(
        **known,
        **_summary(data, public=public),
        **({} if public else _details(data, by_name, held)),
        score=by_name,
        style=(here / "page.css").read_text(encoding="utf-8"),
        scripts=scripts,
        policy=" ".join(f"'sha256-{_digest(s)}'" for s in scripts),
        payload=_payload(data, by_name),
    )
    return text.lstrip()


@cache
def _template() -> Template:
    """The page's template; kept, since reading it takes longer than filling it in."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    here = resources.files(__package__)
    engine = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: (here / name).read_text(encoding="utf-8")),
    )
    return engine.get_template("page.html")


def _summary(data: Mapping[str, Any], *, public: bool) -> dict[str, Any]:
    """What every page has: sections, overview and comparison."""
    tables = [{k: data[k] for k in ("name", "rows", "scores", "attacks", "verdict")}, *data["others"]]
    several = len(tables) > 1
    left_out = {"compared"} if not several else set()
    left_out |= set() if data["map"] else {"map"}
    left_out |= set() if data.get("rules") else {"rules"}
    left_out |= set() if data["privacy"] else {"promised"}
    left_out |= INTERNAL if public else set()
    left_out |= ALONE if data.get("linked") else {"database"}
    doubtful = data["split"]["tone"] in ("fair", "poor")
    said = [v for v in data["verdict"] if not (doubtful and v["text"] == data["split"]["text"])]  # that stands above all
    return {
        "sections": [(id, title) for id, title in SECTIONS.items() if id not in left_out],
        "doubtful": doubtful,
        "said": said,
        "area_titles": {a: tracks.AREAS.get(a, a.capitalize()) for a in dict.fromkeys(v["area"] for v in said)},
        "overview": tracks.overview(data["scores"], coarse=public),
        "tables": tables,
        "promise": Statement.from_json(data["privacy"]) if data["privacy"] else None,
        "compared": tracks.compared(tables, coarse=public) if several else [],
        "raided": tracks.compared_attacks(tables) if several else [],
        "toned": tracks.tones(tables) if several else [],
    }


def _details(data: Mapping[str, Any], scores: Mapping[str, Any], held: str) -> dict[str, Any]:
    """What only an internal page has."""
    told = (scores["c2st"] or {}).get("detail", {}).get("synthetic") or {}
    words = {d["name"]: d for d in data["definitions"] if d["kind"] == "attack"}
    # The best comes last in the report, and is read first; attacks by who holds the model itself are of another kind.
    raids = sorted(data["attacks"], key=lambda a: (a["threat"].get("holds") == "model", a["name"] != "best"))
    rules = [{"rule": r["text"], "% of real rows": r["real"], "% of synthetic rows": r["other"]} for r in told.get("rules", [])]
    if data.get("linked"):
        agg = (scores["c2st_agg"] or {}).get("detail", {}).get("synthetic") or {}
        told = {"reasons": sorted([*told.get("reasons", []), *agg.get("reasons", [])], key=lambda r: -r["loss"])}
    return {
        **(page_links.linked(data) if data.get("linked") else {}),
        "areas_known": {area: _drills(data, area) for area in tracks.AREAS},
        "cards": _cards(data, scores),
        "pairs": _worst_pairs(scores["trend"]),
        "holes": _holes(scores["missing"]),
        "reasons": _bars(told.get("reasons", [])[:REASONS]),
        "told_pairs": [[f"{p['a']} × {p['b']}", f"{p['loss']:.3f}"] for p in told.get("pairs", [])[:REASONS]],
        "rules": drill.table("what holds far more often in one table", rules),
        "obeyed": [_ruled(grid) for grid in words_of.rules(data, most=RULES)],
        "plane": hexes.panels(data["map"], held=held) if data["map"] else None,
        "axes": [_axis_words(a) for a in data["map"]["axes"]] if data["map"] else [],
        "rates": _rates(scores),
        "attacks": tracks.attacks(raids),
        "tried": any(a["value"] is not None for a in raids),
        "holders": any(a["threat"].get("holds") == "model" for a in raids),
        "attack_words": {a["name"]: words.get(a["name"]) for a in raids},
        "found_by": [drill.drill({"name": a["name"], "detail": {"synthetic": a["detail"]}}) for a in raids],
        "curves": [(a["title"], a["name"] == "best") for a in _curves(data)],
        "protected": [_protected(name, facts) for name, facts in data["protected"].items()],
    }


def _ruled(grid: words_of.Grid) -> dict[str, Any]:
    """A table of rules as the page draws one, with what stands below it."""
    left = [True] + [False] * (len(grid.head) - 1)
    return {"title": grid.title, "head": grid.head, "left": left, "rows": grid.rows, "left_out": 0, "note": " ".join(grid.notes)}


def _drills(data: Mapping[str, Any], area: str) -> list[dict[str, Any]]:
    """Everything that is known of each score of an area."""
    words = {d["name"]: d for d in data["definitions"] if d["kind"] == "metric"}
    here = [s for s in data["scores"] if s["area"] == area]
    firsts: dict[str, str] = {}
    for s in here:
        firsts.setdefault(s["metric"], s["title"])
    return [
        {
            "score": s,
            "first": firsts[s["metric"]] == s["title"],
            "with": firsts[s["metric"]],
            "row": tracks.row(s),
            "definition": words.get(s["metric"]),
            "drill": drill.drill(s),
            "flagged": [[f["name"], f"{f['p']:.2g}", f"{f['q']:.2g}"] for f in s["flagged"][: drill.ROWS]],
        }
        for s in here
    ]


def _bars(reasons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Columns by what the classifier loses, with the width of a bar in percent."""
    most = max([0.01, *(r["loss"] for r in reasons)])
    return [{**r, "width": round(max(0.0, 100 * r["loss"] / most), 1)} for r in reasons]


def _axis_words(axis: Mapping[str, Any]) -> str:
    names = ", ".join(f"{c['name']} ({100 * c['weight']:.0f} %)" for c in axis["columns"]) or "no single column"
    return f"{names}, {100 * axis['share']:.0f} % of the variance"


def _rates(scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rates by group, real and synthetic: of the outcome in the tables, of selection by models."""
    out = []
    bias = ((scores["bias_amplification"] or {}).get("detail") or {}).get("synthetic") or {}
    if bias.get("groups"):
        caption = f"How many have the outcome ({bias['outcome']}), in the tables themselves"
        out.append(
            {"caption": caption, "sides": ("Real", "Synthetic")}
            | tracks.rates((g["group"], g["real"], g["other"]) for g in bias["groups"][:GROUPS])
        )
    parity = (scores["demographic_parity"] or {}).get("detail") or {}
    if parity.get("synthetic", {}).get("groups") and parity.get("ceiling", {}).get("groups"):
        usual = {g["group"]: g for g in parity["ceiling"]["groups"]}
        for what, said in MODELS.items():
            groups = [(g["group"], _three(usual.get(g["group"]), what), _three(g, what)) for g in parity["synthetic"]["groups"][:GROUPS]]
            out.append({"caption": said, "sides": ("Trained on real", "on synthetic")} | tracks.rates(groups))
    return out


def _three(group: Mapping[str, Any] | None, what: str) -> dict[str, Any] | None:
    found = group and group.get(what)
    return {"rate": found[0], "low": found[1], "high": found[2]} if found else None


def _curves(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Attacks that have a curve of ranks, not of right and wrong."""
    return [a for a in data["attacks"] if a["value"] is not None and a["threat"]["wants"] == "membership" and a["roc"]["fpr"]]


def _between(found: Mapping[str, Any]) -> str:
    """The interval of an area under the curve."""
    return "–" if found["low"] is None else f"{found['low']:.3f} – {found['high']:.3f}"


def _digest(script: str) -> str:
    """What the page's content security policy names a script by."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _payload(data: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    """What the charts need, as JSON that can stand inside a script element."""
    trend, near = ((scores[n] or {}).get("detail", {}).get("synthetic") or {} for n in ("trend", "dcr_share"))
    payload = {
        "columns": [{"name": c["name"], **c["chart"]} for c in data["columns"]],
        "pairs": {k: trend[k] for k in ("names", "association")} if "names" in trend else None,
        "distances": near.get("distances"),
        "roc": [{"title": a["title"], "best": a["name"] == "best", **a["roc"]} for a in _curves(data)],
        "holdout": bool(data["rows"]["holdout"]),
    }
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _cards(data: Mapping[str, Any], scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns, the greatest error first, each with what single figures say of it."""
    shape = scores["shape"] or {"detail": {}}
    found, usual = ((shape["detail"].get(role) or {}).get("columns", {}) for role in ("synthetic", "ceiling"))
    details = [
        (s["title"], (s["detail"].get("synthetic") or {}).get("columns"), s["unit"]) for s in data["scores"] if s["name"] in PER_COLUMN
    ]
    cards = []
    for i, column in enumerate(data["columns"]):
        name = column["name"]
        error, fresh = found.get(name), usual.get(name)
        beyond = bool(error and fresh and error["low"] > max(fresh["high"], fresh["value"]))
        more = [(t, number(c[name]["value"], unit)) for t, c, unit in details if isinstance(c, Mapping) and "value" in c.get(name, {})]
        cards.append({"index": i, "column": column, "error": error, "fresh": fresh, "beyond": beyond, "more": more})
    return sorted(cards, key=lambda c: -c["error"]["value"] if c["error"] else 0.0)


def _worst_pairs(trend: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The pairs whose error is furthest beyond what real rows show."""
    found = (trend["detail"].get("synthetic") or {}) if trend else {}
    if "names" not in found:
        return []
    names, error, bond = found["names"], found["error"], found["association"]
    usual = (trend["detail"].get("ceiling") or {}).get("error") if trend else None
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
    found = (missing["detail"].get("synthetic") or {}).get("columns", []) if missing else []
    return sorted(found, key=lambda c: -c["rate"]["real"])


def _protected(name: str, facts: Any) -> dict[str, str]:
    """One line of what was not published: counts by what they count, or a text."""
    if isinstance(facts, Mapping):
        facts = ", ".join(f"{n:,} {PROTECTED.get(str(what), str(what).replace('_', ' '))}" for what, n in facts.items())
    return {"name": str(name), "text": str(facts)}
