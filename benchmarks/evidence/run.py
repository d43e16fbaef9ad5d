"""What the report can and cannot see, in one command; the tables go into docs/benchmarks.md.

    python benchmarks/evidence/run.py                              # everything not yet done, then the tables
    python benchmarks/evidence/run.py --small                      # small trial; prints the tables, touches no document
    python benchmarks/evidence/run.py --parts flaws --judges lookalike --again
    python benchmarks/evidence/run.py --table                      # only draw the tables again

Parts: flaws (planted flaws, false alarms), cost (time and memory), intervals (do they hold the truth), attacks (on models that memorise, on
fresh rows).
Every finding is kept under `.work/evidence` as soon as it is there: a run that was stopped goes on where it was. What the tables show is
kept in `results/evidence.json`; a part that is not there stays in the document as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import pages  # noqa: E402
import run as bench  # noqa: E402  the benchmark one folder up
import table  # noqa: E402
from tools import busy, environment, last, watch  # noqa: E402

PARTS = ("flaws", "cost", "intervals", "attacks")
JUDGES = {"lookalike": "", "sdmetrics": "sdmetrics", "mostlyai_qa": "mostlyai_qa"}
"""The tools and their environments; the project's own is the interpreter that runs this."""
SETS = ("adult", "airbnb_nyc")
CHUNK = 6
"""Tables that one process judges: imports take seconds."""
CALM = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
"""Where time is not measured, one thread each: threads that wait for each other spin."""


def script(name: str, *words: object) -> list[str]:
    """A script of this folder, run by this interpreter."""
    return [sys.executable, str(HERE / f"{name}.py"), *map(str, words)]


def judged(judge: str, facts: Path, tables: list[Path], given: argparse.Namespace) -> None:
    """Let one tool judge tables in one process; a table on which it ends without an answer is marked as failed, the others go on."""
    variant = {"lookalike": given.effort, "sdmetrics": "all"}.get(judge, "")
    while tables:
        out, log = f"{judge}.json", tables[0] / f"{judge}.txt"
        command = [str(environment(JUDGES[judge])), "-P", str(HERE / "judging.py"), str(HERE / "judges" / f"{judge}.py"), str(facts)]
        command += ["--tables", *map(str, tables), "--out", out, "--cap", str(given.cap), "--variant", variant]
        ran = watch(command, log=log, env=CALM)
        left = [t for t in tables if not (t / out).exists()]
        if left:
            why = f"not done in {given.cap} s" if ran["code"] == -14 else last(log)
            (left[0] / out).write_text(json.dumps({"failed": why}))
            left = left[1:]
        print(f"{judge:12} {facts.parent.name:12} {len(tables) - len(left)} tables in {ran['seconds']:.0f} s", flush=True)
        tables = left


def flaws(given: argparse.Namespace, work: Path, kept: bench.Results) -> None:
    """What every tool finds on every table."""
    for name in given.sets:
        folder = work / "flaws" / name
        asked = script("prepare", name, bench.SHARED, folder, "--clean", given.clean, *(["--rows", given.rows] if given.rows else []))
        names = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
        tables = [folder / n for n in names]
        for judge in given.judges:
            open_ = [t for t in tables if given.again or not (t / f"{judge}.json").exists()]
            for one in open_:
                (one / f"{judge}.json").unlink(missing_ok=True)
            chunks = [open_[i : i + CHUNK] for i in range(0, len(open_), CHUNK)]
            with ThreadPoolExecutor(given.jobs) as pool:
                list(pool.map(lambda chunk: judged(judge, folder / "facts.json", chunk, given), chunks))  # noqa: B023  done before the next
        found: dict[str, Any] = {t.name: {j: read(t / f"{j}.json") for j in JUDGES} for t in tables}
        kept.keep(f"flaws/{name}", pages.seen(found | {"rows": rows_of(tables[0] / "train.csv")}))


def read(path: Path) -> dict[str, Any]:
    """Findings in a file; empty if there are none yet."""
    return json.loads(path.read_text()) if path.exists() else {}


def rows_of(path: Path) -> int:
    """Rows of a CSV without line ends within cells."""
    with path.open("rb") as file:
        return sum(1 for _ in file) - 1


def cost(given: argparse.Namespace, work: Path, kept: bench.Results) -> None:
    """Seconds and megabytes of whole processes, one after the other, with each tool's own number of threads."""
    folder = work / "cost"
    sizes = [str(s) for s in given.sizes]
    if not all((folder / s / "holdout.csv").exists() for s in sizes):
        subprocess.run(script("cost", bench.SHARED, folder, "--sizes", *sizes), check=True)
    for size in sizes:
        place = folder / size
        for tool in ("lookalike quick", "lookalike standard", "sdmetrics", "mostlyai_qa"):
            key = f"cost/{tool} {size}"
            if tool.split()[0] not in given.judges or (key in kept.all and not given.again):
                continue
            kept.keep(key, timed(tool, place, given.cap))
            print(key, kept.all[key], flush=True)


def timed(tool: str, place: Path, cap: int) -> dict[str, Any]:
    """One tool on one table, as its user would run it."""
    judge, _, effort = tool.partition(" ")
    log = place / f"{tool.replace(' ', '-')}.txt"
    load = busy()
    if effort:
        page = place / f"report-{effort}.html"
        command = [sys.executable, "-m", "lookalike", "report", str(place / "train.csv"), str(place / "synthetic.csv")]
        command += ["--holdout", str(place / "holdout.csv"), "--target", "Income", f"--{effort}", "--out", str(page), "--quiet"]
        command = ["timeout", "--signal=ALRM", str(cap), *command]
    else:
        command = [str(environment(judge)), "-P", str(HERE / "judging.py"), str(HERE / "judges" / f"{judge}.py")]
        command += [str(place.parent / "facts.json"), "--tables", str(place), "--out", f"{judge}.json", "--cap", str(cap)]
        command += ["--variant", "reports"]
    ran = watch(command, log=log)
    cell = {"seconds": ran["seconds"], "megabytes": ran["megabytes"], "busy": load}
    if effort and page.exists():
        cell["page_mb"] = page.stat().st_size / 1e6
    if ran["code"]:
        cell["failed"] = f"not done in {cap} s" if ran["seconds"] >= cap else last(log)
    return cell


def simulations(given: argparse.Namespace) -> list[object]:
    """How often the intervals are tried."""
    return ["--repeats", given.repeats, "--skills", given.skills]


def process(name: str, out: Path, *words: object, again: bool) -> dict[str, Any]:
    """Findings of one script of this folder, which keeps them itself."""
    if again:
        out.unlink(missing_ok=True)
    ran = watch(script(name, *words), log=out.with_suffix(".txt"), env=CALM)
    if ran["code"]:
        print(f"{name} ended with {ran['code']}, see {out.with_suffix('.txt')}", file=sys.stderr)
    return read(out)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    asked = argparse.ArgumentParser(description="Measure what lookalike's report notices, beside other reports.")
    asked.add_argument("--parts", default=",".join(PARTS), help="comma-separated, of: %(default)s")
    asked.add_argument("--sets", default=",".join(SETS), help="tables that are flawed, also birdstrikes (default %(default)s)")
    asked.add_argument("--judges", default=",".join(JUDGES), help="comma-separated, of: %(default)s")
    asked.add_argument("--effort", default="standard", help="lookalike's report: quick or standard (default)")
    asked.add_argument("--rows", type=int, help="rows of train, holdout and synthetic table each")
    asked.add_argument("--clean", type=int, default=8, help="clean tables of each set (default %(default)s)")
    asked.add_argument("--repeats", type=int, default=400, help="of each simulation (default %(default)s)")
    asked.add_argument("--skills", type=int, default=100, help="repeats of a whole report on simulated tables (default %(default)s)")
    asked.add_argument("--fresh", type=int, default=50, help="repeats of the attacks on fresh rows (default %(default)s)")
    asked.add_argument("--sizes", default="10000,30000,100000", help="rows of the tables that are timed")
    asked.add_argument("--cap", type=int, default=900, help="seconds that one report may take (default %(default)s)")
    asked.add_argument("--jobs", type=int, default=2, help="reports at a time where time is not measured (default %(default)s)")
    asked.add_argument("--small", action="store_true", help="fewer rows and repeats, tables to the terminal")
    asked.add_argument("--again", action="store_true", help="measure anew what is known")
    asked.add_argument("--table", action="store_true", help="measure nothing, draw the tables again")
    given = asked.parse_args()
    if given.small:
        given.rows, given.clean, given.sizes = 2_000, 4, "2000,5000"
        given.repeats, given.skills, given.fresh = 20, 3, 3
    for name in ("parts", "sets", "judges"):
        setattr(given, name, getattr(given, name).split(","))
    given.sizes = [int(s) for s in given.sizes.split(",")]
    return given


def measure(given: argparse.Namespace, work: Path, kept: bench.Results) -> None:
    """Every part asked for."""
    if not bench.SHARED.is_dir():
        raise SystemExit(f"no data at {bench.SHARED}: set LOOKALIKE_DATA to the folder of real tables")
    for judge in given.judges:
        environment(JUDGES[judge])
    simulated, attacked = work / "intervals.json", work / "attacks.json"
    if "flaws" in given.parts:
        flaws(given, work, kept)
    if "cost" in given.parts:
        cost(given, work, kept)
    if "intervals" in given.parts:
        kept.keep("intervals", {"found": process("intervals", simulated, simulated, *simulations(given), again=given.again)})
    if "attacks" in given.parts:
        found = process("attack", attacked, bench.SHARED, attacked, "--repeats", given.fresh, again=given.again)
        kept.keep("attacks", {"found": found})


def main() -> None:
    """Measure, keep, write."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended with this process
    given = arguments()
    work = HERE.parent / ".work" / "evidence" / ("small" if given.small else "full")
    work.mkdir(parents=True, exist_ok=True)
    kept = bench.Results(work / "results.json" if given.small else bench.RESULTS / "evidence.json")
    if not given.table:
        measure(given, work, kept)
    for part in given.parts:
        text = pages.drawn(part, kept.all)
        if given.small:
            print(text)
        elif text:
            table.write(HERE.parents[1] / "docs" / "benchmarks.md", text, marks=pages.placed(part))


if __name__ == "__main__":
    os.chdir(HERE.parents[1])
    main()
