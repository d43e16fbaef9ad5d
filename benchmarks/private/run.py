"""Private models side by side: the same rows, public facts and budgets for every tool; the tables go into docs/benchmarks.md.

    python benchmarks/private/run.py                                        # everything not yet done, then the tables
    python benchmarks/private/run.py --sets adult --tools dpmm-mst --epsilon 1,3 --seeds 1
    python benchmarks/private/run.py --tools marginals --again              # this project's model anew
    python benchmarks/private/run.py --small                                # 2,000 rows of each table; touches no document
    python benchmarks/private/run.py --table                                # only draw the tables again

Parts: cells (tools at every budget), limit (a budget that hides nothing, beside models that are not private), wide (100 columns).
Every cell is kept in `results/private.json` as soon as it is there: a run that was stopped goes on where it was. All cells come
before any repeat. This process itself loads nothing heavy: on Linux a child inherits the peak memory of the process that started it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import run as bench  # noqa: E402  the benchmark one folder up
import sheet  # noqa: E402
import table  # noqa: E402
from prepared import SETS, judged, known  # noqa: E402
from tools import Tool, environment, measure  # noqa: E402

DELTA = 1e-6
LIMIT = 1000.0
"""A budget that hides nothing."""
PARTS = ("cells", "limit", "wide")
SMALL = 2_000
CALM = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""For the judge, whose time is not measured: threads that wait for each other spin."""


def script(name: str, *words: object) -> Any:
    """What a script of this folder prints, which is JSON."""
    command = [sys.executable, str(HERE / f"{name}.py"), *map(str, words)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout or "null")


def ready(tool: Tool) -> str:
    """Why a tool's environment cannot be made; nothing if it is there."""
    try:
        environment(tool.env)
    except subprocess.CalledProcessError:
        return "its environment could not be installed"
    return ""


def cell(tool: Tool, place: Path, out: Path, *, settings: dict[str, Any], rows: int, cap: int) -> dict[str, Any]:
    """Fit and draw, then the distances of the marginals. `place` holds train.csv; the facts are named by `settings`, or are facts.json."""
    why = ready(tool)
    found = {"failed": why} if why else measure(tool, place / "train.csv", out, rows=rows, cap=cap, million=False, settings=settings)
    if "draw_s" in found:
        found["error"] = script("margins", place / "facts.json", place / "train.csv", out / "synthetic.csv")
    return found


def scored(found: dict[str, Any], name: str, place: Path, synthetic: Path, judge: Path) -> dict[str, Any]:
    """A cell with the outside judge's figures, where it has rows and there is a judge."""
    if "draw_s" in found and judge.is_file():
        found["score"] = bench.judge(judged(name), place, synthetic, judge, env=CALM)
    return found


def told(key: str, found: dict[str, Any]) -> str:
    """One line for the terminal."""
    figures = [f"{k} {found[k]:.2f}" for k in ("fit_s", "draw_s") if k in found] + [
        f"{k} {v:.2f}" for k, v in found.get("error", {}).items()
    ]
    figures += [f"{k} {found['score'][k]:.3f}" for k in ("c2st_auc_hold", "tstr", "dcr_share") if k in found.get("score", {})]
    words = [w for w in (found.get("failed"), found.get("note"), "BUSY MACHINE" if found.get("busy", 0) > table.BUSY else "") if w]
    return f"{key:44} {'  '.join(figures + words)}"


def place_of(name: str, work: Path, given: argparse.Namespace, kept: bench.Results) -> Path:
    """The folder of a set, prepared, with its sizes and its ceiling known."""
    place = work / name
    if not (place / "facts.json").exists() or f"{name}/sizes" not in kept.all:
        sizes = script("prepared", name, bench.SHARED, place, *(["--most", SMALL] if given.small else []))
        (place / "facts.json").write_text(known(name).read_text(encoding="utf-8"))
        kept.keep(f"{name}/sizes", sizes)
    if f"{name}/ceiling" not in kept.all:
        found = {"draw_s": 0.0, "error": script("margins", place / "facts.json", place / "train.csv", place / "holdout.csv")}
        kept.keep(f"{name}/ceiling", scored(found, name, place, place / "judge-holdout.csv", given.judge))
    return place


def once(name: str, tool: str, epsilon: float | None, seed: int, *, work: Path, given: argparse.Namespace, kept: bench.Results) -> None:
    """One cell, unless it is known, or a tool that did not get through at the first try would be tried again."""
    key, first = (sheet.key(name, tool, epsilon, s) for s in (seed, 0))
    if (key in kept.all and not given.again) or (seed and "failed" in kept.all.get(first, {})):
        return
    place = place_of(name, work, given, kept)
    private = {"facts": str(place / "facts.json"), "epsilon": epsilon, "delta": DELTA} if epsilon is not None else {}
    cap = given.long if tool.endswith("-aim") else given.cap
    out = place / key.partition("/")[2].replace("/", "-")
    rows = kept.all[f"{name}/sizes"]["rows"]
    found = cell(sheet.TOOLS[tool], place, out, settings={**private, "seed": seed}, rows=rows, cap=cap)
    kept.keep(key, scored(found, name, place, out / "synthetic.csv", given.judge))
    print(told(key, kept.all[key]), flush=True)


def cells(given: argparse.Namespace, work: Path, kept: bench.Results) -> None:
    """Every tool at every budget."""
    for seed in range(given.seeds):
        for name in given.sets:
            for epsilon in given.epsilon:
                for tool in given.tools:
                    if tool not in sheet.OPEN:
                        once(name, tool, epsilon, seed, work=work, given=given, kept=kept)


def limit(given: argparse.Namespace, work: Path, kept: bench.Results) -> None:
    """This project's private models at a budget that hides nothing, and the models that are not private."""
    for seed in range(given.seeds):
        for name in given.sets:
            for tool in given.tools:
                if tool in (*sheet.OWN, *sheet.OPEN):
                    once(name, tool, None if tool in sheet.OPEN else LIMIT, seed, work=work, given=given, kept=kept)


def wide(given: argparse.Namespace, work: Path, kept: bench.Results) -> None:
    """`marginals` on the wide table at ε = 1."""
    key = "wide/marginals/1/0"
    if "marginals" not in given.tools or (key in kept.all and not given.again):
        return
    place, rows, columns = work / "wide", SMALL if given.small else 100_000, 100
    script("wide", place, "--rows", rows, "--columns", columns)
    kept.keep("wide/sizes", {"rows": rows, "columns": columns})
    kept.keep("wide/ceiling", {"error": script("margins", place / "facts.json", place / "train.csv", place / "holdout.csv")})
    settings = {"facts": str(place / "facts.json"), "epsilon": 1.0, "delta": DELTA, "seed": 0}
    kept.keep(key, cell(sheet.TOOLS["marginals"], place, place / "marginals", settings=settings, rows=rows, cap=given.long))
    print(told(key, kept.all[key]), flush=True)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    asked = argparse.ArgumentParser(description="Measure private models side by side.")
    asked.add_argument("--parts", default=",".join(PARTS), help="comma-separated, of: %(default)s")
    asked.add_argument("--sets", default=",".join(SETS), help="comma-separated, of: %(default)s")
    asked.add_argument("--tools", default=",".join(sheet.TOOLS), help="comma-separated, of: %(default)s")
    asked.add_argument("--epsilon", default="0.3,1,3,10", help="budgets (default %(default)s)")
    asked.add_argument("--seeds", type=int, default=3, help="repeats of each cell (default %(default)s)")
    asked.add_argument("--cap", type=int, default=240, help="seconds that one fit may take (default %(default)s)")
    asked.add_argument("--long", type=int, default=900, help="the same for AIM of other tools and the wide table (default %(default)s)")
    asked.add_argument("--small", action="store_true", help=f"learn from {SMALL} rows, tables to the terminal")
    asked.add_argument("--again", action="store_true", help="measure chosen cells again that are done")
    asked.add_argument("--table", action="store_true", help="measure nothing, only draw the tables")
    asked.add_argument("--judge", type=Path, default=bench.JUDGE, help="the judging script (or LOOKALIKE_JUDGE)")
    given = asked.parse_args()
    for name, every in (("parts", PARTS), ("sets", SETS), ("tools", sheet.TOOLS)):
        words = getattr(given, name).split(",")
        wrong = [w for w in words if w not in every]
        if wrong:
            asked.error(f"{wrong[0]!r} is not one of {', '.join(every)}")
        setattr(given, name, words)
    given.epsilon = [float(e) for e in given.epsilon.split(",")]
    return given


def main() -> None:
    """Measure, keep, write."""
    given = arguments()
    work = HERE.parent / ".work" / ("private-small" if given.small else "private")
    work.mkdir(parents=True, exist_ok=True)
    kept = bench.Results(work / "results.json" if given.small else bench.RESULTS / "private.json")
    if not given.table:
        if not bench.SHARED.is_dir():
            raise SystemExit(f"no data at {bench.SHARED}: set LOOKALIKE_DATA to the folder of real tables")
        if not given.judge.is_file():
            print(f"WARNING: no judge at {given.judge}: quality is NOT measured. Set LOOKALIKE_JUDGE.", file=sys.stderr)
        environment("judge")
        for part in given.parts:
            {"cells": cells, "limit": limit, "wide": wide}[part](given, work, kept)
    page = sheet.page(kept.all)
    if given.small:
        print(page)
    else:
        table.write(HERE.parents[1] / "docs" / "benchmarks.md", page, marks=sheet.MARKS)


if __name__ == "__main__":
    os.chdir(HERE.parents[1])
    main()
