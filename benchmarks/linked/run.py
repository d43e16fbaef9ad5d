"""Linked tables beside other tools in one command: who learns them, how well, how fast, and whether a database takes what they draw.

    python benchmarks/linked/run.py                               # everything not yet done
    python benchmarks/linked/run.py --sets northwind --tools ours hma --again
    python benchmarks/linked/run.py --table                       # only the table, from what is known

Each tool learns all rows and draws as many subjects. Outside judges (SDMetrics, SyntheRela) and this project's report look at the tables.
Finished cells stay in `.work/linked/results.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from run import SHARED, Results, machine  # noqa: E402  the benchmarks' own modules are not a package
from tools import environment, last, watch  # noqa: E402

WORK = HERE.parent / ".work" / "linked"
SETS = ("chinook", "northwind", "online_retail")
TOOLS = {
    "ours": ("lookalike, `relational`", "ours", "default", ""),
    "open": ("lookalike, rare values given out", "ours", "open", ""),
    "hma": ("SDV HMA", "hma", "default", "sdv"),
    "mostly": ("mostlyai SDK, local", "mostly", "default", "mostlyai_sdk"),
}
"""Title, script, model and environment."""
CONTROLS = {"floor": "floor: columns and links shuffled", "second": "one half of the real subjects against the other"}
COLUMNS = {
    "shape": ("shape %", 1), "trend": ("pairs %", 1), "cardinality": ("cardinality %", 1), "link_trend": ("across links %", 1),
    "c2st_agg": ("C2ST-Agg, accuracy", 3),
}  # fmt: skip
OWN = {"link_dependence": ("dependence across links %", 1), "c2st_agg": ("C2ST-Agg, AUC", 3)}


def one(name: str, tool: str, cap: int) -> dict[str, Any]:
    """Fit, draw and judge."""
    _, script, model, env = TOOLS[tool]
    out = WORK / "out" / f"{name}-{tool}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    log = out / "log.txt"
    command = [str(environment(env)), "-P", str(HERE / "worker.py"), str(HERE / f"{script}.py"), str(WORK / name), str(out), model]
    ran = watch([*command, "--cap", str(cap)], log=log)
    cell = out / "cell.json"
    found = json.loads(cell.read_text()) if cell.exists() else {}
    found |= {"process_mb": ran["megabytes"], "wall_s": ran["seconds"]}
    if "draw_s" not in found:
        step = "fit" if "fit_s" not in found else "draw"
        found["failed"] = f"{step} not done in {cap} s" if ran["code"] == -signal.SIGALRM else f"{step} failed: {last(log)}"
        return found
    return found | judged(WORK / name / "real", out / "tables", name)


def judged(real: Path, made: Path, name: str) -> dict[str, Any]:
    """What the outside judges and this project's report say of the tables."""
    seen, log = made.with_suffix(".judged.json"), made.with_suffix(".judged.txt")
    columns = str(WORK / name / "columns.json")
    ran = watch([str(environment("syntherela")), "-P", str(HERE / "judge.py"), str(real), str(made), columns, str(seen)], log=log)
    out: dict[str, Any] = {"outside": json.loads(seen.read_text()) if ran["code"] == 0 else {"failed": last(log)}}
    seen, log = made.with_suffix(".report.json"), made.with_suffix(".report.txt")
    ran = watch([sys.executable, "-P", str(HERE / "own.py"), str(real), str(made), str(seen)], log=log)
    out["own"] = json.loads(seen.read_text()) if ran["code"] == 0 else {"failed": last(log)}
    return out


def lines(results: dict[str, Any]) -> Iterator[str]:
    """The table in Markdown."""
    about = results.get("machine", {})
    yield f"Measured {about.get('date')} on {about.get('cores')} cores ({about.get('cpu')}, {about.get('memory_gb')} GB)."
    yield ""
    heads = ["tables", "tool", *(t for t, _ in COLUMNS.values()), *(t for t, _ in OWN.values())]
    heads += ["broken", "SQLite", "fit s (CPU)", "draw s (CPU)", "MB"]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * 2}{'--:|' * (len(heads) - 2)}"
    for name in SETS:
        for tool, title in {**{t: about[0] for t, about in TOOLS.items()}, **CONTROLS}.items():
            cell = results.get(f"{name}/{tool}")
            if cell is not None:
                yield f"| {name} | {title} | {' | '.join(row(cell, len(heads) - 2))} |"
    notes = [f"{name}, {TOOLS[t][0]}: {c['note']}." for name in SETS for t in TOOLS if (c := results.get(f"{name}/{t}")) and c.get("note")]
    yield from ["", *(f"- {n}" for n in notes)]


def row(cell: dict[str, Any], width: int) -> list[str]:
    """The figures of a line; a failure in their place."""
    if "failed" in cell:
        return [cell["failed"], *["–"] * (width - 1)]
    out, own = cell["outside"], cell.get("own", {})
    shown = [figure(out.get(n), digits) for n, (_, digits) in COLUMNS.items()] + [
        figure(own.get(n), digits) for n, (_, digits) in OWN.items()
    ]
    state = [f"{out['violations']:,}" if "violations" in out else "–", {True: "yes", False: "no"}.get(out.get("loads"), "–")]
    return [*shown, *state, *(seconds(cell, step) for step in ("fit", "draw")), figure(cell.get("process_mb"), 0)]


def seconds(cell: dict[str, Any], step: str) -> str:
    """Seconds on the clock, and of processor time."""
    took, work = cell.get(f"{step}_s"), cell.get(f"{step}_cpu_s")
    return figure(took, 1) + (f" ({work:,.1f})" if work is not None else "")


def figure(value: float | None, digits: int) -> str:
    """A figure, or a dash."""
    return "–" if value is None else f"{value:,.{digits}f}"


def main() -> None:
    """Prepare, measure, show."""
    asked = argparse.ArgumentParser(description="Linked tables: lookalike beside other tools.")
    asked.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    asked.add_argument("--tools", nargs="*", default=list(TOOLS), choices=TOOLS)
    asked.add_argument("--cap", type=int, default=600, help="seconds that a fit, and a draw, may take (default %(default)s)")
    asked.add_argument("--again", action="store_true", help="measure chosen cells again that are done")
    asked.add_argument("--judge", action="store_true", help="judge the tables that were drawn once more")
    asked.add_argument("--table", action="store_true", help="only show what is known")
    given = asked.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    results = Results(WORK / "results.json")
    if not given.table:
        os.environ.setdefault("OMP_NUM_THREADS", "2")
        results.keep("machine", machine())
        for name in given.sets:
            if not (WORK / name / "columns.json").exists():
                subprocess.run([sys.executable, "-P", str(HERE / "sets.py"), name, str(SHARED), str(WORK / name)], check=True)
            for tool in given.tools:
                if given.judge and (WORK / "out" / f"{name}-{tool}" / "tables").is_dir():
                    anew = judged(WORK / name / "real", WORK / "out" / f"{name}-{tool}" / "tables", name)
                    results.keep(f"{name}/{tool}", results.all.get(f"{name}/{tool}", {}) | anew)
                elif given.again or f"{name}/{tool}" not in results.all:
                    results.keep(f"{name}/{tool}", one(name, tool, given.cap))
                    print(name, tool, *row(results.all[f"{name}/{tool}"], 12), flush=True)
            for control in CONTROLS:
                if given.judge or f"{name}/{control}" not in results.all:
                    real = "first" if control == "second" else "real"
                    shutil.copy(WORK / name / "real" / "keys.json", WORK / name / "first" / "keys.json")
                    results.keep(f"{name}/{control}", judged(WORK / name / real, WORK / name / control, name))
                    print(name, control, *row(results.all[f"{name}/{control}"], 12), flush=True)
    page = "\n".join(lines(results.all)) + "\n"
    (WORK / "table.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
