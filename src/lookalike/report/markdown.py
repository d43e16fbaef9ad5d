"""The report as Markdown, for a pull request or a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lookalike.privacy.statement import Statement
from lookalike.report import tables
from lookalike.report.tables import Grid

MARKS = {"good": "✅", "fair": "🟡", "poor": "❌", "open": "❔"}
GATES = {True: "✅ met", False: "❌ not met", None: "❔ not measured"}
SPECIAL = re.compile(r"[\\`*{}\[\]|~$#]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown reads as more than itself; an underscore only at the edge of a word."""
RULES = 30
"""Rules that are shown at most."""
SECRET = "This report is as confidential as the data."


def render(data: Mapping[str, Any]) -> str:
    """`data` as Markdown with GitHub's tables; all names and texts in it are escaped."""
    parts = ["# Lookalike report", escape(tables.sizes(data))]
    if data["audience"] != "public":
        parts.append(f"**{SECRET}**")
    parts.append(f"**Split**: {MARKS[data['split']['tone']]} {escape(data['split']['text'])}")
    parts += _listed(data["notes"])
    parts += [*_verdict(data), *_gates(data), "## What limits this", *_listed(data["limits"])]
    parts += [*_figures(data), *_linked(data), *_rules(data), *_attacks(data), *_promised(data), *_untested(data), *_about(data)]
    return "\n\n".join(parts) + "\n"


def escape(words: object) -> str:
    """Words from outside on one line, in which nothing is a mark of Markdown or HTML."""
    line = " ".join(str(words).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(lambda mark: "\\" + mark[0], line)


def _listed(texts: Iterable[object]) -> list[str]:
    lines = [f"- {escape(t)}" for t in texts]
    return ["\n".join(lines)] if lines else []


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, figures: bool = True) -> str:
    head = list(head)
    lines = [head, ["---", *(["--:" if figures else "---"] * (len(head) - 1))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _drawn(grid: Grid, level: str, of: str = "") -> list[str]:
    parts = [f"{level} {grid.title}{escape(of)}"]
    if grid.rows:
        parts.append(_table(map(escape, grid.head), ([escape(c) for c in row] for row in grid.rows)))
    return parts + _listed(grid.notes)


def _verdict(data: Mapping[str, Any]) -> list[str]:
    found, parts = tables.synthetic(data), ["## Verdict"]
    if len(found) > 1:
        grid = tables.verdicts(data)
        parts.append(_table(map(escape, grid.head), ([escape(c) for c in row] for row in grid.rows), figures=False))
    for table in found:
        if len(found) > 1:
            parts.append(f"### {escape(table['name'])}")
        rows = ([MARKS[v["tone"]], escape(v["title"]), escape(v["text"])] for v in table["verdict"])
        parts.append(_table(("", "", ""), rows, figures=False))
    return parts


def _gates(data: Mapping[str, Any]) -> list[str]:
    lines = [f"- {GATES[met]}: {escape(text)}" for met, text in tables.gates(data)]
    return ["## Required", "\n".join(lines)] if lines else []


def _figures(data: Mapping[str, Any]) -> list[str]:
    beside = bool(data["others"])
    parts = ["## Figures", "Real rows: what as many real rows score that the model never saw. Independent: every column drawn on its own."]
    for grid in tables.areas(data, wide=True, beside=beside):
        parts += _drawn(grid, "###")
    target = data["target"]
    why = "given" if target["given"] else f"guessed: {target['why']}" if target["why"] else "guessed"
    return [*parts, f"Utility predicts {escape(target['name'])} ({escape(why)})."] if target["name"] else parts


def _linked(data: Mapping[str, Any]) -> list[str]:
    return [part for grid in tables.linked(data, wide=True) for part in _drawn(grid, "##")]


def _rules(data: Mapping[str, Any]) -> list[str]:
    return [part for grid in tables.rules(data, most=RULES) for part in _drawn(grid, "##")]


def _attacks(data: Mapping[str, Any]) -> list[str]:
    found, parts = tables.synthetic(data), []
    for table in found:
        grid = tables.attacks(data, table, wide=True)
        if grid.rows or grid.notes:
            parts += _drawn(grid, "##", f" on {table['name']}" if len(found) > 1 else "")
    return parts


def _promised(data: Mapping[str, Any]) -> list[str]:
    if not data["privacy"]:
        return []
    made = Statement.from_json(data["privacy"])
    of = f"Differential privacy: ε = {made.epsilon:g}, δ = {made.delta:g}, for one {made.unit}."
    return ["## What is promised", escape(of), *_listed(made.meaning())]


def _untested(data: Mapping[str, Any]) -> list[str]:
    lines = [f"- **{escape(u['what'])}**: {escape(u['why'])}" for u in data["untested"]]
    return ["## Not tested", "\n".join(lines)] if lines else []


def _about(data: Mapping[str, Any]) -> list[str]:
    lines = [f"- {escape(name)}: {escape(text)}" for name, text in data["about"].items()]
    return ["## About", "\n".join(lines)] if lines else []
