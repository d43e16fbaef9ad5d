"""Linked tables beside other tools in one command: who learns them, how well, how fast, and whether a database takes what they draw.

    python benchmarks/linked/run.py                               # everything not yet done, then the table
    python benchmarks/linked/run.py --sets northwind --tools ours hma --again
    python benchmarks/linked/run.py --table                       # only the table, from what is known

Each tool learns all rows and draws as many subjects. Outside judges (SDMetrics, SyntheRela) and this project's report look at the tables.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lines import figure  # noqa: E402  the benchmarks' own modules are not a package
from run import SHARED  # noqa: E402
from side import Side, ran, told  # noqa: E402
from tools import environment  # noqa: E402

TOOLS = {
    "ours": ("lookalike, `relational`", "ours", "default", ""),
    "open": ("lookalike, rare values given out (`protect=1`)", "ours", "open", ""),
    "hma": ("SDV HMA", "hma", "default", "sdv"),
    "mostly": ("mostlyai SDK, local", "mostly", "default", "mostlyai_sdk"),
}
COLUMNS = {
    "shape": ("shape %", 1), "trend": ("pairs %", 1), "cardinality": ("cardinality %", 1), "link_trend": ("across links %", 1),
    "c2st_agg": ("C2ST-Agg, accuracy", 3),
}  # fmt: skip
OWN = {"link_dependence": ("dependence across links %", 1), "c2st_agg": ("C2ST-Agg, AUC", 3)}


def prepare(name: str) -> None:
    """The real tables and the controls, if they are not there."""
    folder = BENCH.work / name
    if not (folder / "columns.json").exists():
        subprocess.run([sys.executable, "-P", str(HERE / "sets.py"), name, str(SHARED), str(folder)], check=True)
    shutil.copy(folder / "real" / "keys.json", folder / "first" / "keys.json")


def one(name: str, tool: str, cap: int) -> dict[str, Any]:
    """Fit, draw and judge."""
    _, script, model, env = TOOLS[tool]
    out, found = ran("linked", HERE / f"{script}.py", BENCH.work / name, f"{name}-{tool}", cap, model=model, env=env)
    return found if "failed" in found else found | judged(BENCH.work / name / "real", out / "tables", name)


def control(name: str, which: str) -> dict[str, Any]:
    """The judges of tables that no tool drew."""
    return judged(BENCH.work / name / ("first" if which == "second" else "real"), BENCH.work / name / which, name)


def again(name: str, tool: str) -> dict[str, Any] | None:
    """The judges of what was drawn, if it is kept."""
    made = BENCH.work / "out" / f"{name}-{tool}" / "tables"
    return judged(BENCH.work / name / "real", made, name) if made.is_dir() else None


def judged(real: Path, made: Path, name: str) -> dict[str, Any]:
    """What the outside judges and this project's report say of the tables."""
    seen, own = made.with_suffix(".judged.json"), made.with_suffix(".report.json")
    outside = [str(environment("syntherela")), "-P", str(HERE / "judge.py"), str(real), str(made), str(BENCH.work / name / "columns.json")]
    inside = [sys.executable, "-P", str(HERE / "own.py"), str(real), str(made), str(own)]
    return {
        "outside": told([*outside, str(seen)], seen, made.with_suffix(".judged.txt")),
        "own": told(inside, own, made.with_suffix(".report.txt")),
    }


def figures(cell: dict[str, Any]) -> list[str]:
    """The figures of a line."""
    out, own = cell["outside"], cell.get("own", {})
    shown = [figure(out.get(n), digits) for n, (_, digits) in COLUMNS.items()]
    shown += [figure(own.get(n), digits) for n, (_, digits) in OWN.items()]
    state = [f"{out['violations']:,}" if "violations" in out else "–", {True: "yes", False: "no"}.get(out.get("loads"), "–")]
    return [*shown, *state, *(seconds(cell, step) for step in ("fit", "draw")), figure(cell.get("process_mb"), 0)]


def seconds(cell: dict[str, Any], step: str) -> str:
    """Seconds on the clock, and of processor time."""
    took, work = cell.get(f"{step}_s"), cell.get(f"{step}_cpu_s")
    return figure(took, 1) + (f" ({work:,.1f})" if work is not None else "")


BENCH = Side(
    name="linked",
    sets=("chinook", "northwind", "online_retail"),
    tools=TOOLS,
    controls={"floor": "floor: columns and links shuffled", "second": "one half of the real subjects against the other"},
    heads=(
        *(title for title, _ in (*COLUMNS.values(), *OWN.values())),
        "broken",
        "SQLite",
        "fit s (CPU)",
        "draw s (CPU)",
        "MB",
    ),
    figures=figures,
    prepare=prepare,
    one=one,
    control=control,
    judged=again,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
