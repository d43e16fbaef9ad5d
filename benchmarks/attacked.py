"""Attacks on the tables that this project's models drew in the main benchmark; the table goes into docs/benchmarks.md.

    python benchmarks/attacked.py                                # everything not yet done, then the table
    python benchmarks/attacked.py --sets adult --again
    python benchmarks/attacked.py --table                        # only the table, from what is known

`benchmarks/run.py` must have run. Each table is attacked by the quick report, which knows training rows, unseen ones and the drawn ones;
an attack is only counted if it notices planted leaks. Kept in `results/attacked.json`.
"""

from __future__ import annotations

import argparse
from typing import Any

import table
from data import REAL
from lines import Origins
from run import HERE, RESULTS, ROOT, Results
from tools import TOOLS

FULL = HERE / ".work" / "full"
MARKS = ("<!-- attacked: begin -->", "<!-- attacked: end -->")
SETS = tuple(name for name, real in REAL.items() if real.models)
MODELS = tuple(tool for tool in TOOLS if tool.startswith("lookalike"))


def attacked(name: str, tool: str) -> dict[str, Any]:
    """Of the rows a model drew: the `best` attack; of those that notice planted leaks the `greatest` AUC and the titles `above` chance."""
    import lookalike as la

    folder, target = FULL / name, REAL[name].target
    how = {"holdout": folder / "holdout.csv", "target": target, "effort": "quick", "seed": 0}
    report = la.report(folder / "train.csv", folder / tool / "synthetic.csv", **how).json()
    found = {a["name"]: a for a in report["attacks"] if a.get("value") is not None}
    known = [a for name, a in found.items() if name != "best" and a["informative"]]
    cell = {"best": found["best"], "greatest": max(known, key=lambda a: a["value"])}
    told = {key: {k: a[k] for k in ("title", "value", "low", "high")} for key, a in cell.items()}
    return told | {"above": [a["title"] for a in known if a["low"] > 0.5]}


def lines(results: dict[str, Any]) -> list[str]:
    """The table in Markdown: the greatest AUC of all attacks that notice leaks, and which; the best attack, chosen on other rows."""
    origins = Origins(results.values())
    out = [origins.told(), ""]
    out += ["| table | model | best attack, chosen on other rows | greatest of all | attacks above chance |", "|---|---|--:|--:|---|"]
    for name in SETS:
        for tool in MODELS:
            cell = results.get(f"{name}/{tool}")
            if cell is None:
                continue
            shown = [f"{a['value']:.3f} ({a['low']:.3f} to {a['high']:.3f})" for a in (cell["best"], cell["greatest"])]
            above = ", ".join(cell["above"]).lower() or "none"
            title = TOOLS[tool].title.removeprefix("lookalike, ") + origins.mark(cell)
            out.append(f"| {name} | {title} | {shown[0]} | {shown[1]}, {cell['greatest']['title'].lower()} | {above} |")
    return out


def main() -> None:
    """Attack, keep, write."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    asked.add_argument("--again", action="store_true", help="attack chosen tables again that are done")
    asked.add_argument("--table", action="store_true", help="only write the table from what is known")
    given = asked.parse_args()
    results = Results(RESULTS / "attacked.json")
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
