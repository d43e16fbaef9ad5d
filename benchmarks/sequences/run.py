"""Sequences beside other tools in one command: half of the subjects are learned from, the other half judges.

    python benchmarks/sequences/run.py                                # everything not yet done
    python benchmarks/sequences/run.py --sets visits --tools ours --again
    python benchmarks/sequences/run.py --table                        # only the table, from what is known

Beside every figure stand the learned half itself (the ceiling: real subjects against others) and that half with the rows of each subject
shuffled (the floor). Finished cells stay in `.work/sequences/results.json`.
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
sys.path.insert(0, str(HERE.parent))

from run import SHARED, Results, machine  # noqa: E402  the benchmarks' own modules are not a package
from tools import environment, last, watch  # noqa: E402

WORK = HERE.parent / ".work" / "sequences"
SETS = ("visits", "invoices", "engines", "stays")
TOOLS = {
    "ours": ("lookalike, `sequence`", "ours", "default", ""),
    "open": ("lookalike, rare values given out", "ours", "open", ""),
    "mostly": ("mostlyai-engine, sequential", "mostly", "default", "mostlyai"),
    "par": ("SDV PAR", "par", "default", "sdv"),
}
"""Title, script, model and environment."""
CONTROLS = {"train": "ceiling: the real half learned from", "shuffled": "floor: its rows shuffled within each subject"}
COLUMNS = {
    "c2st": ("C2ST, AUC", 3),
    "discriminative": ("discriminative", 3),
    "predictive": ("predictive", 3),
    "autocorrelation": ("autocorr.", 3),
}
WORKER = HERE.parent / "linked" / "worker.py"


def one(name: str, tool: str, cap: int) -> dict[str, Any]:
    """Fit, draw and judge."""
    _, script, model, env = TOOLS[tool]
    out = WORK / "out" / f"{name}-{tool}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    log = out / "log.txt"
    command = [str(environment(env)), "-P", str(WORKER), str(HERE / f"{script}.py"), str(WORK / name), str(out), model]
    ran = watch([*command, "--cap", str(cap)], log=log)
    cell = out / "cell.json"
    found = json.loads(cell.read_text()) if cell.exists() else {}
    found |= {"process_mb": ran["megabytes"], "wall_s": ran["seconds"]}
    if "draw_s" not in found:
        step = "fit" if "fit_s" not in found else "draw"
        found["failed"] = f"{step} not done in {cap} s" if ran["code"] == -signal.SIGALRM else f"{step} failed: {last(log)}"
        return found
    return found | judged(name, out / "tables" / "made.csv", out)


def judged(name: str, made: Path, out: Path) -> dict[str, Any]:
    """What the judge says of a table."""
    seen, log, folder = out / "judged.json", out / "judged.txt", WORK / name
    command = [sys.executable, "-P", str(HERE / "judge.py"), str(folder / "test.csv"), str(made), str(folder / "about.json"), str(seen)]
    ran = watch(command, log=log, env={"OMP_NUM_THREADS": "1"})  # one thread: cores may be shared
    return {"judged": json.loads(seen.read_text()) if ran["code"] == 0 else {"failed": last(log)}}


def lines(results: dict[str, Any]) -> Iterator[str]:
    """The table in Markdown."""
    about = results.get("machine", {})
    yield f"Measured {about.get('date')} on {about.get('cores')} cores ({about.get('cpu')}, {about.get('memory_gb')} GB)."
    yield ""
    heads = ["rows", "tool", *(title for title, _ in COLUMNS.values()), "fit s", "draw s", "MB"]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * 2}{'--:|' * (len(heads) - 2)}"
    for name in SETS:
        for tool, title in {**CONTROLS, **{t: known[0] for t, known in TOOLS.items()}}.items():
            cell = results.get(f"{name}/{tool}")
            if cell is not None:
                yield f"| {name} | {title} | {' | '.join(row(cell))} |"
    notes = [f"{name}, {TOOLS[t][0]}: {c['note']}." for name in SETS for t in TOOLS if (c := results.get(f"{name}/{t}")) and c.get("note")]
    yield from ["", *(f"- {n}" for n in notes)]


def row(cell: dict[str, Any]) -> list[str]:
    """The figures of a line; a failure in their place."""
    if "failed" in cell:
        return [cell["failed"], *["–"] * (len(COLUMNS) + 2)]
    shown = [figure(cell["judged"].get(n), digits) for n, (_, digits) in COLUMNS.items()]
    return [*shown, *(figure(cell.get(n), digits) for n, digits in (("fit_s", 1), ("draw_s", 1), ("process_mb", 0)))]


def figure(value: float | None, digits: int) -> str:
    """A figure, or a dash."""
    return "–" if value is None else f"{value:,.{digits}f}"


def main() -> None:
    """Prepare, measure, show."""
    asked = argparse.ArgumentParser(description="Sequences: lookalike beside other tools.")
    asked.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    asked.add_argument("--tools", nargs="*", default=list(TOOLS), choices=TOOLS)
    asked.add_argument("--cap", type=int, default=600, help="seconds that a fit, and a draw, may take (default %(default)s)")
    asked.add_argument("--again", action="store_true", help="measure chosen cells again that are done")
    asked.add_argument("--table", action="store_true", help="only show what is known")
    given = asked.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    results = Results(WORK / "results.json")
    if not given.table:
        os.environ.setdefault("OMP_NUM_THREADS", "2")
        results.keep("machine", machine())
        for name in given.sets:
            if not (WORK / name / "about.json").exists():
                subprocess.run([sys.executable, "-P", str(HERE / "sets.py"), name, str(SHARED), str(WORK / name)], check=True)
            for control in CONTROLS:
                if f"{name}/{control}" not in results.all:
                    out = WORK / "out" / f"{name}-{control}"
                    out.mkdir(parents=True, exist_ok=True)
                    results.keep(f"{name}/{control}", judged(name, WORK / name / f"{control}.csv", out))
                    print(name, control, *row(results.all[f"{name}/{control}"]), flush=True)
        for tool in given.tools:
            for name in given.sets:
                if given.again or f"{name}/{tool}" not in results.all:
                    results.keep(f"{name}/{tool}", one(name, tool, given.cap))
                    print(name, tool, *row(results.all[f"{name}/{tool}"]), flush=True)
    page = "\n".join(lines(results.all)) + "\n"
    (WORK / "table.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
