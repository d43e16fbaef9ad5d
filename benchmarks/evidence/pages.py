"""Findings as Markdown: planted flaws, false alarms, time and memory, intervals, attacks."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

import notice
from lines import Origins

TITLES = {
    "shuffled": "every column shuffled on its own",
    "strong_pair": "one strong pair decorrelated",
    "weak_pair": "one weak pair decorrelated",
    "rare_level": "a rare level dropped",
    "tails": "the outer 2 % of two columns cut off",
    "collapse": "modes: 30 % of the rows vary 1 % of them",
    "copies_1": "1 % copied training rows",
    "copies_10": "10 % copied training rows",
    "outliers": "the 1 % most unusual training rows copied",
    "noise": "the training rows with a little noise",
    "missing": "cells missing at random, not where they were",
    "flipped": "a label flipped in a subgroup",
    "dates": "dates 30 days late",
    "smooth": "numbers averaged over five near rows",
}
TOOLS = {
    "words": "lookalike, its verdict",
    "marks": "lookalike, verdict and what it flags",
    "figures": "lookalike, by the rule for the others",
    "reports": "SDMetrics, its two reports",
    "metrics": "SDMetrics, reports and further metrics",
    "qa": "mostlyai-qa",
}
TIMED = {
    "lookalike quick": "lookalike `--quick`",
    "lookalike standard": "lookalike, standard",
    "sdmetrics": "SDMetrics, quality and diagnostic report",
    "mostlyai_qa": "mostlyai-qa",
}
SINGLE = {"sdmetrics": ("report quality", "SDMetrics quality score"), "mostlyai_qa": ("accuracy overall", "mostlyai-qa accuracy")}
"""The figure that readers of the other two look at first, and what it is called."""
BUSY = 0.1
"""Share of the processors in other use from which on a measured time is marked."""

Found = Mapping[str, Any]


def marked(report: Found) -> list[str]:
    """Statements of the verdict, and what a score flags."""
    return notice.words(report) + notice.marks(report)


OWN = {"words": notice.words, "marks": marked}
"""By its own words, without a look at clean tables."""


def table(head: Iterable[str], lines: Iterable[Iterable[object]], *, left: int = 1) -> list[str]:
    """A Markdown table; the first `left` columns are text, the others numbers."""
    head = list(head)
    out = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * left + ["--:"] * (len(head) - left)) + " |"]
    return [*out, *("| " + " | ".join(str(cell).replace("|", "¦") for cell in line) + " |" for line in lines), ""]


def figures(cell: Found, tool: str) -> dict[str, float] | None:
    """The figures by which a tool is judged; None if it has not answered."""
    if tool == "figures":
        found = cell.get("lookalike", {})
        return notice.readings(found["report"]) if "report" in found else None
    found = cell.get("mostlyai_qa" if tool == "qa" else "sdmetrics", {})
    if "figures" not in found:
        return None
    return {k: v for k, v in found["figures"].items() if tool != "reports" or k.startswith("report")}


def noticed(tables: Found, tool: str) -> dict[str, list[str] | None]:
    """For each table what the tool noticed, the clean ones by all other clean ones; None where it gave no answer."""
    if tool in OWN:
        told = {n: OWN[tool](c["lookalike"]["report"]) if "report" in c.get("lookalike", {}) else None for n, c in tables.items()}
        without = told.get("clean_0") or []
        return {n: t if t is None or n.startswith("clean") else notice.beside(t, without) for n, t in told.items()}
    known = {n: figures(c, tool) for n, c in tables.items()}
    clean = {n: f for n, f in known.items() if n.startswith("clean") and f is not None}
    if len(clean) < 3:
        return dict.fromkeys(tables)
    bounds = notice.ranges(clean.values())
    out: dict[str, list[str] | None] = {n: None if f is None else notice.beyond(f, bounds) for n, f in known.items()}
    return out | dict(zip(clean, notice.false_alarms(list(clean.values())), strict=True))


def cell(found: Found | None, *, most: int = 1) -> str:
    """What was noticed, in a few words."""
    if found is None:
        return "no answer"
    if not found["count"]:
        return "–"
    more = f" +{found['count'] - most}" if found["count"] > most else ""
    return "**yes**: " + "; ".join(found["first"][:most]) + more


def short(told: list[str] | None) -> Found | None:
    """How much was noticed, and the first of it."""
    return None if told is None else {"count": len(told), "first": [t[:60] for t in told[:2]]}


def seen(tables: Found) -> dict[str, Any]:
    """Of all findings on one set what its table shows: what each tool noticed, single scores, statements and versions."""
    rows, tables = tables["rows"], {k: v for k, v in tables.items() if k != "rows"}
    told = {tool: {n: short(t) for n, t in noticed(tables, tool).items()} for tool in TOOLS}
    single = {j: {n: f[k] for n in tables if k in (f := tables[n].get(j, {}).get("figures", {}))} for j, (k, _) in SINGLE.items()}
    found = [(judge, answer["versions"]) for one in tables.values() for judge, answer in one.items() if "versions" in answer]
    versions = {judge: numbers for judge, numbers in reversed(found)}
    return {"rows": rows, "told": told, "single": single, "statements": statements(tables), "versions": versions}


def flaws(found: Found) -> list[str]:
    """One table a set, as `seen` tells it, then how often each tool was right."""
    out, hits, alarms = [], dict.fromkeys(TOOLS, (0, 0)), dict.fromkeys(TOOLS, (0, 0))
    for name, one in found.items():
        rows, seen = one["rows"], one["told"]
        planted = [n for n in seen["words"] if not n.startswith("clean")]
        clean = [n for n in seen["words"] if n.startswith("clean")]
        for tool in TOOLS:
            for names, count in ((planted, hits), (clean, alarms)):
                told = [seen[tool][n]["count"] for n in names if seen[tool][n] is not None]
                count[tool] = (count[tool][0] + sum(map(bool, told)), count[tool][1] + len(told))
        out += [f"#### {name}: {rows:,} rows each of train, holdout and synthetic table", ""]
        asked = [t for t in TOOLS if any(told is not None for told in seen[t].values())]
        lines = [[TITLES[n], *(cell(seen[t][n], most=2 if t in OWN else 1) for t in asked)] for n in planted]
        lines += [
            [f"clean table {n.rpartition('_')[2]}", *(cell(seen[t][n]) for t in asked)]
            for n in clean
            if any(seen[t][n] and seen[t][n]["count"] for t in asked)
        ]
        out += table(["planted flaw", *(TOOLS[t] for t in asked)], lines, left=len(asked) + 1)
        out += scores(one["single"], planted, clean)
    head = ["tool", "flaws noticed", "false alarms: clean tables", "rate (95 % interval)"]
    return [*table(head, (right(TOOLS[t], hits[t], alarms[t]) for t in TOOLS)), *alarmed(found), *out, *versions(found)]


def right(title: str, hits: tuple[int, int], alarms: tuple[int, int]) -> list[str]:
    """One line of the summary."""
    low, high = notice.wilson(*alarms)
    rate = f"{100 * alarms[0] / alarms[1]:.0f} % ({100 * low:.0f} to {100 * high:.0f})" if alarms[1] else "–"
    told = [f"{part[0]} of {part[1]}" if part[1] else "not measured" for part in (hits, alarms)]
    return [title, *told, rate]


def statements(tables: Found) -> dict[str, Any]:
    """Of lookalike's verdicts on clean tables: statements, titles of the false alarms, columns, pairs … tested and flagged."""
    reports = [c["lookalike"]["report"] for n, c in tables.items() if n.startswith("clean") and "report" in c.get("lookalike", {})]
    said = [s for r in reports for s in r["verdict"] if s["tone"] != "open"]
    wrong = [s["title"] for s in said if s["tone"] in notice.ALARMS]
    tested = sum(s.get("tested") or 0 for r in reports for s in r["scores"])
    return {"said": len(said), "wrong": wrong, "tested": tested, "marked": sum(len(notice.marks(r)) for r in reports)}


def alarmed(found: Found) -> list[str]:
    """Of all statements of lookalike's verdicts on clean tables: how many are false alarms."""
    said, tested, marked = (sum(one["statements"][key] for one in found.values()) for key in ("said", "tested", "marked"))
    wrong = [title for one in found.values() for title in one["statements"]["wrong"]]
    if not said:
        return []
    share = 100 * len(wrong) / said
    text = f"Of {said:,} statements of lookalike's verdicts on clean tables, {len(wrong)} ({share:.1f} %) were false alarms"
    by = ", ".join(f"{title} {wrong.count(title)}" for title in dict.fromkeys(wrong))
    text += f" ({by})." if by else "."
    if tested:
        text += f" Of {tested:,} columns, pairs … that it tested there, {marked} ({100 * marked / tested:.2f} %) were flagged."
    return [text, ""]


def scores(single: Found, planted: list[str], clean: list[str]) -> list[str]:
    """The single scores that readers of the other two look at first, flawed beside clean."""
    parts = []
    for judge, by in single.items():
        known = [by[n] for n in clean if n in by]
        if known:
            told = ", ".join(f"{TITLES[n]} {100 * by[n]:.1f}" for n in planted if n in by)
            parts.append(f"{SINGLE[judge][1]} in %: clean tables {100 * min(known):.1f} to {100 * max(known):.1f}; {told}.")
    return [line for part in parts for line in (part, "")]


def cost(found: Found) -> list[str]:
    """Seconds and memory by size, and how they grow."""
    sizes = sorted({int(k.rpartition(" ")[2]) for k in found})
    lines, late = [], []
    for tool, title in TIMED.items():
        cells = {s: found.get(f"{tool} {s}", {}) for s in sizes}
        done = [s for s in sizes if "seconds" in cells[s] and "failed" not in cells[s]]
        slope = notice.power([float(s) for s in done[-2:]], [cells[s]["seconds"] for s in done[-2:]])
        whole = notice.power([float(s) for s in done], [cells[s]["seconds"] for s in done])
        late += [f"{title} {s:,}" for s in done if cells[s].get("busy", 0) > BUSY]
        shown = [f"{cells[s]['seconds']:.0f}" if s in done else cells[s].get("failed", "–") for s in sizes]
        memory = max((cells[s]["megabytes"] for s in done), default=0)
        page = max((cells[s].get("page_mb", 0) for s in done), default=0)
        growth = ["–" if g is None else f"{g:.2f}" for g in (whole, slope)]
        lines.append([title, *shown, *growth, f"{memory:,}" if memory else "–", f"{page:.1f}" if page else "–"])
    head = ["report", *(f"{s:,} rows, s" for s in sizes), "growth ∝ rows^", "of the last step", "peak MB", "page MB"]
    out = table(head, lines)
    return out + ([f"More than {BUSY:.0%} of the processors were in other use when these started: {'; '.join(late)}.", ""] if late else [])


def intervals(found: Found) -> list[str]:
    """How often each interval holds the truth."""
    head = ["figure", "the truth is known by", "truth", "mean figure", "repeats", "holds the truth, %", "holds the mean, %"]
    cases = [c for n, c in found.items() if n != "skills"]
    lines = []
    for c in cases:
        share = "–" if c["known"] == "mean of the repeats" else f"{100 * c['held'] / c['repeats']:.1f}"
        mean = "–" if c["known"].startswith("the same model") else f"{100 * c['held_mean'] / c['repeats']:.1f}"
        lines.append([c["name"], c["known"], f"{c['truth']:.4g}", f"{c['mean']:.4g}", c["repeats"], share, mean])
    out = table(head, lines, left=2)
    skills = found.get("skills")
    if skills and skills["asked"]:
        rates = {n: 100 * skills["held"][n] / asked for n, asked in skills["asked"].items()}
        text = f"Skill on fresh real rows, of which the truth is 1 ({skills['rows']:,} rows each, {skills['repeats']} repeats): "
        each = ", ".join(f"`{n}` {r:.1f} %" for n, r in sorted(rates.items(), key=lambda pair: pair[1]))
        out += [f"{text}its interval holds 1 in {statistics.mean(rates.values()):.1f} % on average. {each}.", ""]
    return out


def rate(attack: Found, at: str) -> str:
    """Members found at a rate of false alarms, in percent with its interval."""
    tpr = (attack.get("tpr") or {}).get(at) or {}
    if tpr.get("value") is None:
        return "–"
    return f"{100 * tpr['value']:.1f} ({100 * tpr['low']:.1f} to {100 * tpr['high']:.1f})"


def attacks(found: Found) -> list[str]:
    """Each attack on each forest, then on fresh rows."""
    out: list[str] = []
    forests = {n: f for n, f in found.items() if not n.startswith("fresh")}
    for name, one in forests.items():
        lines = [
            [
                a["title"],
                f"{a['value']:.3f} ({a['low']:.3f} to {a['high']:.3f})",
                rate(a, "0.01"),
                rate(a, "0.1"),
                "–" if a.get("epsilon") is None else f"{a['epsilon']:.2f}",
                "yes" if a.get("informative") else "no",
            ]
            for a in one["attacks"]
            if a["value"] is not None
        ]
        silent = [f"{a['title']} ({a['note']})" for a in one["attacks"] if a["value"] is None]
        out += [f"#### Forest: {name}, {one['rows']:,} rows; exact copies {one['copies']:.2f} %", ""]
        out += table(["attack", "AUC", "TPR at 1 % FPR, %", "TPR at 10 % FPR, %", "ε at least", "notices a planted leak"], lines)
        out += [f"Not tried: {'; '.join(silent)}.", ""] if silent else []
    repeats = [f["attacks"] for n, f in found.items() if n.startswith("fresh")]
    return out + (nominal(repeats) if repeats else [])


def nominal(repeats: list[list[Found]]) -> list[str]:
    """Attacks on fresh rows: means over the repeats, and how often the interval holds what chance gives."""
    lines = []
    for title in dict.fromkeys(a["title"] for r in repeats for a in r):
        runs = [a for r in repeats for a in r if a["title"] == title and a["value"] is not None]
        if not runs:
            continue
        area = [a["value"] for a in runs]
        held = sum(a["low"] <= 0.5 <= a["high"] for a in runs)
        cells = [title, len(runs), spread(area, 0.5), f"{100 * held / len(runs):.0f}"]
        for at in ("0.01", "0.1"):
            told = [a["tpr"][at] for a in runs if a["tpr"].get(at, {}).get("value") is not None]
            within = sum(t["low"] <= float(at) <= t["high"] for t in told)
            cells += [spread([100 * t["value"] for t in told], 100 * float(at)), f"{100 * within / len(told):.0f}"] if told else ["–", "–"]
        lines.append(cells)
    head = [
        "attack",
        "repeats",
        "mean AUC (95 % interval)",
        "holds 0.5, %",
        "mean TPR at 1 % FPR, %",
        "holds 1 %",
        "mean TPR at 10 % FPR, %",
        "holds 10 %",
    ]
    return [f"#### Fresh rows in place of a synthetic table: {len(repeats)} repeats", "", *table(head, lines)]


def spread(values: list[float], chance: float) -> str:
    """Mean and its interval; marked where that does not hold what chance gives."""
    mean = statistics.mean(values)
    half = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    mark = "" if mean - half <= chance <= mean + half or len(values) < 2 else " †"
    return f"{mean:.3g} ({mean - half:.3g} to {mean + half:.3g}){mark}"


SECTIONS = {
    "flaws": ("Planted flaws and false alarms", flaws),
    "cost": ("Time and memory of the report", cost),
    "intervals": ("Do the intervals hold the truth", intervals),
    "attacks": ("Attacks where the answer is known", attacks),
}


def placed(part: str) -> tuple[str, str]:
    """Between which marks of the document a part stands."""
    return f"<!-- evidence, {part}: begin -->", f"<!-- evidence, {part}: end -->"


def drawn(part: str, results: Found) -> str:
    """One part measured, with when and where; empty where it is not known."""
    title, draw = SECTIONS[part]
    cells = {k.partition("/")[2]: c for k, c in results.items() if k.partition("/")[0] == part}
    if not cells:
        return ""
    found = cells[""]["found"] if "" in cells else cells
    return "\n".join([f"### {title}", "", Origins(cells.values()).told(), "", *draw(found)]).rstrip("\n")


def versions(found: Found) -> list[str]:
    """What each tool's environment held, from the first answer of each."""
    known: dict[str, Any] = {}
    for one in found.values():
        known = one["versions"] | known
    lines = [f"{judge}: " + ", ".join(f"{k} {v}" for k, v in numbers.items()) + "." for judge, numbers in known.items()]
    return [" ".join(lines), ""] if lines else []
