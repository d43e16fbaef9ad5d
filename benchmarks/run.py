"""The benchmark in one command: every tool on every table in one run, judged by a script that stands outside this project.

    python benchmarks/run.py                                    # everything not yet done, then docs/benchmarks.md
    python benchmarks/run.py --quick --tools lookalike          # small trial; touches no document
    python benchmarks/run.py --sets adult --tools lookalike --again
    python benchmarks/run.py --sets diabetes130 --tools lookalike-vae   # named both: also where it is not run by default

Finished cells stay in `results/tables.json`, so a run that was stopped goes on where it was. This process itself loads nothing heavy: on
Linux a child inherits the peak memory of the process that started it.
"""

from __future__ import annotations

import argparse
import compileall
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import rivals
import table
from clock import clock
from data import REAL, Real, plain
from tools import HERE, TOOLS, environment, last, measure, watch

ROOT = HERE.parent
SHARED = Path(os.environ.get("LOOKALIKE_DATA", ROOT.parent / "shared" / "data"))
JUDGE = Path(os.environ.get("LOOKALIKE_JUDGE", ROOT.parent / "shared" / "bench" / "score.py"))
RESULTS = HERE / "results"
QUICK_ROWS = 2_000


class Results:
    """What is known so far: cells by name in one JSON file, a line each, written after every step.

    Those of `benchmarks/results` belong to the repository, so that no machine takes them with it. Each cell says when and where it was
    measured; floats have eight digits.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.all: dict[str, Any] = {}
        self._read()

    def _read(self) -> None:
        """What the file holds."""
        if self.path.exists():
            self.all = json.loads(self.path.read_text(encoding="utf-8"))

    def keep(self, key: str, value: dict[str, Any]) -> None:
        """Remember and write, whole or not at all, with today's date and this machine; what another run has written meanwhile stays."""
        self._read()
        self.all[key] = rounded(value) | {"date": datetime.date.today().isoformat(), "machine": machine()}
        part = self.path.with_suffix(".part")
        cells = (f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in sorted(self.all.items()))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("{\n" + ",\n".join(cells) + "\n}\n", encoding="utf-8")
        part.replace(self.path)


def rounded(value: Any) -> Any:
    """The same with all floats to eight digits."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value


def machine() -> str:
    """What figures are measured on: the cores that may be used, their kind and the memory."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} core{'s' * (cores != 1)} ({names[0] if names else platform.machine()}), {round(memory)} GB"


def prepare(name: str, folder: Path, most: int | None) -> dict[str, int]:
    """Cut one real table, in a process of its own."""
    command = [sys.executable, "-P", str(HERE / "data.py"), "prepare", name, str(SHARED), str(folder)]
    done = subprocess.run(command + ([] if most is None else ["--most", str(most)]), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def judge(real: Real, folder: Path, synthetic: Path, script: Path, *, env: dict[str, str] | None = None) -> dict[str, Any]:
    """The outside judge's figures for one table as data.judged shows it, or under `failed` why there are none."""
    out, log = synthetic.with_suffix(".score.json"), synthetic.with_suffix(".score.txt")
    command = [
        str(environment("judge")),
        str(script),
        "--train",
        str(folder / "judge-train.csv"),
        "--test",
        str(folder / "judge-holdout.csv"),
    ]
    command += ["--syn", str(synthetic), "--target", plain(real.target), "--cats", ",".join(map(plain, real.cats)), "--out", str(out)]
    ran = watch(command + (["--fast"] if real.fast else []), log=log, env=env)
    return json.loads(out.read_text()) if ran["code"] == 0 else {"failed": last(log)}


def one(name: str, tool: str, folder: Path, given: argparse.Namespace, rows: int) -> dict[str, Any]:
    """One cell: run the tool, then let its rows be judged."""
    out = folder / tool
    cell = measure(TOOLS[tool], folder / "train.csv", out, rows=rows, cap=given.cap, million=not given.quick)
    if "draw_s" in cell and given.judge.is_file():
        seen = out / "judged.csv"
        show = [sys.executable, "-P", str(HERE / "data.py"), "judged", name, str(out / "synthetic.csv"), str(seen)]
        subprocess.run(show, check=True, stdout=subprocess.DEVNULL)
        cell["score"] = judge(REAL[name], folder, seen, given.judge)
    return cell


def told(name: str, tool: str, cell: dict[str, Any]) -> str:
    """One line for the terminal."""
    score = cell.get("score", {})
    figures = [f"{k} {cell[k]:.2f}" for k in ("fit_s", "draw_s", "million_s") if cell.get(k) is not None]
    figures += [f"{k} {score[k]:.3f}" for k in ("shape_err", "trend_err", "c2st_auc_hold", "tstr", "dcr_share") if score.get(k) is not None]
    words = [w for w in (cell.get("failed"), score.get("failed"), cell.get("note")) if w]
    return f"{name:20} {tool:24} {'  '.join(figures + words)}" + ("  BUSY MACHINE" if cell.get("busy", 0) > table.BUSY else "")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    asked = argparse.ArgumentParser(description="Measure lookalike beside other tools.")
    asked.add_argument("--tools", help=f"comma-separated, of: {', '.join(TOOLS)}; each runs on the tables meant for it, or on all --sets")
    asked.add_argument("--sets", help=f"comma-separated, of: {', '.join(REAL)}")
    asked.add_argument("--cap", type=int, default=600, help="seconds that one fit may take (default %(default)s)")
    asked.add_argument("--quick", action="store_true", help=f"learn from {QUICK_ROWS} rows, no million rows, leave the document alone")
    asked.add_argument("--again", action="store_true", help="measure chosen cells again that are done")
    asked.add_argument("--install", action="store_true", help="only make the environments")
    asked.add_argument("--table", action="store_true", help="only write the document from what is known")
    asked.add_argument("--no-clock", action="store_true", help="leave out start, help, make and the whole large table")
    asked.add_argument("--judge", type=Path, default=JUDGE, help="the judging script (or LOOKALIKE_JUDGE)")
    given = asked.parse_args()
    given.both = bool(given.tools and given.sets)
    given.tools = given.tools.split(",") if given.tools else list(TOOLS)
    given.sets = given.sets.split(",") if given.sets else list(REAL)
    for word, known in [(w, TOOLS) for w in given.tools] + [(w, REAL) for w in given.sets]:
        if word not in known:
            asked.error(f"{word!r} is not one of {', '.join(known)}")
    return given


def meant(tool: str, name: str) -> bool:
    """Whether a tool runs on a table without being asked to by both names."""
    on = TOOLS[tool].on
    return on == "all" or getattr(REAL[name], on)


def measure_all(given: argparse.Namespace, work: Path, results: Results) -> None:
    """Every chosen cell not yet known."""
    for name in given.sets:
        folder = work / name
        sizes = prepare(name, folder, QUICK_ROWS if given.quick else None)
        results.keep(f"{name}/sizes", sizes)
        if given.judge.is_file() and f"{name}/ceiling" not in results.all:
            results.keep(f"{name}/ceiling", {"score": judge(REAL[name], folder, folder / "judge-holdout.csv", given.judge)})
        for tool in given.tools:
            done = f"{name}/{tool}" in results.all
            if not (given.both or meant(tool, name)) or (done and not given.again):
                continue
            results.keep(f"{name}/{tool}", one(name, tool, folder, given, sizes["rows"]))
            print(told(name, tool, results.all[f"{name}/{tool}"]), flush=True)


def main() -> None:
    """Install, measure, write."""
    given = arguments()
    compileall.compile_dir(str(ROOT / "src"), quiet=1)  # as pip does with what it installs: other tools are
    work = HERE / ".work" / ("quick" if given.quick else "full")
    work.mkdir(parents=True, exist_ok=True)
    results = Results(work / "results.json" if given.quick else RESULTS / "tables.json")
    if not given.table:
        if not SHARED.is_dir():
            raise SystemExit(f"no data at {SHARED}: set LOOKALIKE_DATA to the folder of real tables")
        if not given.judge.is_file():
            print(f"WARNING: no judge at {given.judge}: quality is NOT measured. Set LOOKALIKE_JUDGE.", file=sys.stderr)
        for env in dict.fromkeys(["judge", *(TOOLS[tool].env for tool in given.tools)]):
            environment(env)
        if given.install:
            return
        measure_all(given, work, results)
        if not given.no_clock and ("clock" not in results.all or given.again):
            results.keep("clock", clock(SHARED, work / "clock"))
    page = table.page(results.all)
    if given.quick:
        print(page)
    else:
        table.write(ROOT / "docs" / "benchmarks.md", page)
        table.write(ROOT / "docs" / "models.md", rivals.overview(results.all))


if __name__ == "__main__":
    main()
