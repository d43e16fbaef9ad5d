"""What the page and the texts show of linked tables: figures of tables and links beside those of fresh rows, and bars of children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lookalike.report.view import number

TABLE = {
    "shape": "Shapes",
    "trend": "Pairs",
    "c2st": "Classifier",
    "cardinality": "Cardinality",
    "c2st_agg": "With children",
    "step_dependence": "Row to row",
    "c2st_sequence": "Sequences",
}
"""Figures of a table, as the heads of its columns."""
LINK = {"link_trend": "trends", "link_dependence": "dependence"}
HOP = {"hop_trend": "Trends", "hop_dependence": "Dependence"}
HEIGHT, STEP = 52.0, 26
"""Of the bars, in the units of their drawing."""


def linked(data: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the section on tables and links is drawn from."""
    found = data["linked"]
    heads = [(name, title) for name, title in TABLE.items() if any(s["name"] == name for t in found["tables"] for s in t["scores"])]
    return {
        "table_figures": heads,
        "linked_tables": [_table(t, [name for name, _ in heads]) for t in found["tables"]],
        "linked_links": [_link(entry) for entry in found["links"]],
        "linked_hops": [_hop(h) for h in found["hops"]],
        "hop_figures": list(HOP.values()),
    }


def shown(score: Mapping[str, Any]) -> dict[str, str] | None:
    """A figure, that of fresh rows, and how the one stands to the other; None where there is none."""
    if score["value"] is None:
        return None
    return {"value": number(score["value"], score["unit"]), "ceiling": number(score["ceiling"], score["unit"]), "tone": score["tone"]}


def _figures(scores: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, str] | None]:
    by = {s["name"]: s for s in scores}
    return [shown(by[n]) if n in by else None for n in names]


def _table(table: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    rows = table["rows"]
    notes = ["public, given out as it is"] if table["same"] else []
    notes += [f"in the order of {table['ordered']}"] if table["ordered"] else []
    return {
        "name": table["name"],
        "note": ", ".join(notes),
        "rows": f"{rows['real']:,} → {rows['synthetic']:,}",
        "figures": _figures(table["scores"], names),
    }


def _link(link: Mapping[str, Any]) -> dict[str, Any]:
    children = link["children"]
    most = max([1e-9, *(b for role in ("real", "synthetic") for b in children[role] if b is not None)])
    bars = []
    for i, (label, real, made) in enumerate(zip(children["labels"], children["real"], children["synthetic"], strict=True)):
        said = f"real {'fewer than five rows' if real is None else f'{real:g} %'}, synthetic {made:g} %"
        height = {"real": None if real is None else round(HEIGHT * real / most, 1), "synthetic": round(HEIGHT * made / most, 1)}
        bars.append({"x": i * STEP + 3, "label": label, "short": _short(label), "said": said, **height})
    if not any(children["real"]):
        bars = []  # of few parents no bar may be shown
    missing = [link[role]["missing"] / max(1, link[role]["rows"]) for role in ("real", "synthetic")]
    mean = children["mean"]
    return {
        "title": link["title"],
        "columns": ", ".join(link["columns"]),
        "broken": link["broken"]["synthetic"],
        "rows": link["synthetic"]["rows"],
        "missing": f"{100 * missing[0]:.1f} % → {100 * missing[1]:.1f} %" if any(missing) else "",
        "bars": bars,
        "width": len(bars) * STEP,
        "said": "; ".join(f"{b['label']}: {b['said']}" for b in bars),
        "mean": f"{mean['real']:.2f} → {mean['synthetic']:.2f}",
        "figures": [{"title": LINK[s["name"]], **f} for s in link["scores"] if s["name"] in LINK and (f := shown(s))],
        "worst": next((s["worst"] for s in link["scores"] if s["worst"]), []),
    }


def _short(label: str) -> str:
    """Where a bar begins, in few letters: 3, 20+, 2k."""
    first, more = label.partition("–")[0].partition(" ")[0], "+" if " and more" in label else ""
    return (first if int(first) < 1_000 else f"{int(first) / 1_000:.0f}k") + more


def _hop(hop: Mapping[str, Any]) -> dict[str, Any]:
    worst = next((s["worst"] for s in hop["scores"] if s["worst"]), [])
    said = f"{worst[0]['name']}: {worst[0]['real']:.3f} → {worst[0]['synthetic']:.3f}" if worst else "–"
    return {"title": hop["title"], "figures": _figures(hop["scores"], list(HOP)), "worst": said}
