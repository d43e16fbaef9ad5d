"""Attacks on the tables that this project's models drew in the main benchmark; the table goes into docs/benchmarks.md.

    python benchmarks/attacked.py                                # everything not yet done, then the table
    python benchmarks/attacked.py --sets adult --again
    python benchmarks/attacked.py --table                        # only the table, from what is known

`benchmarks/run.py` must have run. Each table is attacked by the quick report, which knows training rows, unseen ones and the drawn ones;
an attack is only counted if it notices planted leaks. Kept in `.work/attacked.json`.
"""

from __future__ import annotations

import argparse
from typing import Any

import table
from data import REAL
from run import HERE, ROOT, Results
from tools import TOOLS

FULL = HERE / ".work" / "full"
MARKS = ("<!-- attacked: begin -->", "<!-- attacked: end -->")
SETS = tuple(name for name, real in REAL.items() if real.models)
MODELS = tuple(tool for tool in TOOLS if tool.startswith("lookalike"))


def attacked(name: str, tool: str) -> dict[str, Any]:
    """{attack: AUC, limits of its interval, whether it notices planted leaks}, of the rows a model drew."""
    import lookalike as la

    folder, target = FULL / name, REAL[name].target
    how = {"holdout": folder / "holdout.csv", "target": target, "effort": "quick", "seed": 0}
    report = la.report(folder / "train.csv", folder / tool / "synthetic.csv", **how).json()
    found = [a for a in report["attacks"] if a.get("value") is not None]
    return {a["name"]: {"title": a["title"], **{k: a[k] for k in ("value", "low", "high", "informative")}} for a in found}


def lines(results: dict[str, Any]) -> list[str]:
    """The table in Markdown: the greatest AUC of all attacks that notice leaks, and which; the best attack, chosen on other rows."""
    out = ["| table | model | best attack, chosen on other rows | greatest of all | attacks above chance |", "|---|---|--:|--:|---|"]
    for name in SETS:
        for tool in MODELS:
            cell = results.get(f"{name}/{tool}")
            if cell is None:
                continue
            known = {k: a for k, a in cell.items() if k != "best" and a["informative"]}
            most = max(known, key=lambda k: known[k]["value"])
            above = [a["title"].lower() for a in known.values() if a["low"] > 0.5]
            shown = [f"{a['value']:.3f} ({a['low']:.3f} to {a['high']:.3f})" for a in (cell["best"], known[most])]
            title = TOOLS[tool].title.removeprefix("lookalike, ")
            out.append(f"| {name} | {title} | {shown[0]} | {shown[1]}, {known[most]['title'].lower()} | {', '.join(above) or 'none'} |")
    return out


def main() -> None:
    """Attack, keep, write."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    asked.add_argument("--again", action="store_true", help="attack chosen tables again that are done")
    asked.add_argument("--table", action="store_true", help="only write the table from what is known")
    given = asked.parse_args()
    results = Results(HERE / ".work" / "attacked.json")
    for name in () if given.table else given.sets:
        for tool in MODELS:
            if (FULL / name / tool / "synthetic.csv").exists() and (given.again or f"{name}/{tool}" not in results.all):
                results.keep(f"{name}/{tool}", attacked(name, tool))
                print(name, tool, flush=True)
    page = "\n".join(lines(results.all))
    print(page)
    table.write(ROOT / "docs" / "benchmarks.md", page, marks=MARKS)


if __name__ == "__main__":
    main()
