"""Sequences beside other tools in one command: half of the subjects are learned from, the other half judges.

    python benchmarks/sequences/run.py                                # everything not yet done, then the table
    python benchmarks/sequences/run.py --sets visits --tools ours --again
    python benchmarks/sequences/run.py --table                        # only the table, from what is known

Beside every figure stand the learned half itself (the ceiling: real subjects against others) and that half with the rows of each subject
shuffled (the floor).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lines import figure  # noqa: E402  the benchmarks' own modules are not a package
from run import SHARED  # noqa: E402
from side import Side, ran, told  # noqa: E402

TOOLS = {
    "ours": ("lookalike, `sequence`", "ours", "default", ""),
    "open": ("lookalike, rare values given out (`protect=1`)", "ours", "open", ""),
    "mostly": ("mostlyai-engine, sequential", "mostly", "default", "mostlyai"),
    "par": ("SDV PAR", "par", "default", "sdv"),
}
COLUMNS = {
    "c2st": ("C2ST, AUC", 3),
    "discriminative": ("discriminative", 3),
    "predictive": ("predictive", 3),
    "autocorrelation": ("autocorr.", 3),
}
SECONDS = {"fit_s": ("fit s", 1), "fit_cpu_s": ("fit CPU s", 1), "draw_s": ("draw s", 1), "process_mb": ("MB", 0)}


def prepare(name: str) -> None:
    """The two halves, if they are not there."""
    if not (BENCH.work / name / "about.json").exists():
        subprocess.run([sys.executable, "-P", str(HERE / "sets.py"), name, str(SHARED), str(BENCH.work / name)], check=True)


def one(name: str, tool: str, cap: int) -> dict[str, Any]:
    """Fit, draw and judge."""
    _, script, model, env = TOOLS[tool]
    out, found = ran("sequences", HERE / f"{script}.py", BENCH.work / name, f"{name}-{tool}", cap, model=model, env=env)
    return found if "failed" in found else found | judged(name, out / "tables" / "made.csv", out)


def control(name: str, which: str) -> dict[str, Any]:
    """The judge of a table that no tool drew."""
    out = BENCH.work / "out" / f"{name}-{which}"
    out.mkdir(parents=True, exist_ok=True)
    return judged(name, BENCH.work / name / f"{which}.csv", out)


def again(name: str, tool: str) -> dict[str, Any] | None:
    """The judge of what was drawn, if it is kept."""
    out = BENCH.work / "out" / f"{name}-{tool}"
    made = out / "tables" / "made.csv"
    return judged(name, made, out) if made.exists() else None


def judged(name: str, made: Path, out: Path) -> dict[str, Any]:
    """What the judge says of a table."""
    seen, folder = out / "judged.json", BENCH.work / name
    command = [sys.executable, "-P", str(HERE / "judge.py"), str(folder / "test.csv"), str(made), str(folder / "about.json"), str(seen)]
    return {"judged": told(command, seen, out / "judged.txt", env={"OMP_NUM_THREADS": "1"})}  # one thread: cores may be shared


def figures(cell: dict[str, Any]) -> list[str]:
    """The figures of a line."""
    shown = [figure(cell["judged"].get(n), digits) for n, (_, digits) in COLUMNS.items()]
    return [*shown, *(figure(cell.get(n), digits) for n, (_, digits) in SECONDS.items())]


BENCH = Side(
    name="sequences",
    sets=("visits", "invoices", "engines", "stays", "lines"),
    tools=TOOLS,
    controls={"train": "ceiling: the real half learned from", "shuffled": "floor: its rows shuffled within each subject"},
    heads=tuple(title for title, _ in (*COLUMNS.values(), *SECONDS.values())),
    figures=figures,
    prepare=prepare,
    one=one,
    control=control,
    judged=again,
)

if __name__ == "__main__":
    BENCH.main(__doc__)
