"""One tool, one table, one process: fit, draw as many rows as were learnt from, draw a million, and write down seconds and memory.

Runs inside the tool's own environment. The alarm ends the process when a step takes longer than the cap.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import shutil
import signal
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

MILLION = 1_000_000
PATIENCE = 120
"""A million rows are drawn where that should take no more than so many seconds, else the time is reckoned from the first draw."""


def load(script: Path) -> ModuleType:
    """The tool's script as a module named `tool`, so that it cannot hide the package of the same name."""
    spec = importlib.util.spec_from_file_location("tool", script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peak() -> int:
    """Most memory this process has held so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def installed(names: tuple[str, ...]) -> dict[str, str]:
    """Versions of the packages that are there."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def draw(tool: ModuleType, made: Any, rows: int, path: Path) -> float:
    """Seconds to draw `rows` rows into `path`, writing included."""
    start = time.perf_counter()
    frame = tool.draw(made, rows, path)
    if frame is not None and path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif frame is not None:
        frame.to_parquet(path, index=False)
    return time.perf_counter() - start


def measure(tool: ModuleType, given: argparse.Namespace) -> None:
    """Fill `cell.json` step by step, so that what was done stays known when a later step is ended; the rows go to `synthetic.csv`."""
    cell: dict[str, Any] = {"versions": installed(tool.PACKAGES)}

    def keep(**figures: Any) -> None:
        cell.update(figures)
        (given.out / "cell.json").write_text(json.dumps(cell))

    signal.alarm(given.cap)
    planned = tool.plan(given.train, given.model, seconds=given.cap) if hasattr(tool, "plan") else {}
    signal.alarm(2 * given.cap if planned else given.cap)  # planned to end in time: a little late is still an answer
    start, work = time.perf_counter(), time.process_time()
    made, note = tool.fit(given.train, given.model, seconds=given.cap, **given.settings, **planned)
    keep(fit_s=time.perf_counter() - start, fit_cpu_s=time.process_time() - work, fit_mb=peak(), note=note)
    signal.alarm(given.cap)
    took = draw(tool, made, given.rows, given.out / "synthetic.csv")
    reckoned = took * MILLION / given.rows
    keep(draw_s=took, million_s=reckoned, reckoned=True, peak_mb=peak())
    if given.million and reckoned <= PATIENCE:
        signal.alarm(2 * PATIENCE)
        keep(million_s=draw(tool, made, MILLION, given.out / "million.parquet"), reckoned=False, peak_mb=peak())
    signal.alarm(0)
    if isinstance(made, Path):
        shutil.rmtree(made)


def main() -> None:
    """Measure one cell; the figures and the synthetic rows go into the folder given."""
    asked = argparse.ArgumentParser()
    asked.add_argument("script", type=Path)
    asked.add_argument("model")
    asked.add_argument("train", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("--rows", type=int, required=True)
    asked.add_argument("--cap", type=int, required=True)
    asked.add_argument("--million", action="store_true")
    asked.add_argument("--settings", type=json.loads, default={}, help="JSON object that goes to the fit of the script")
    given = asked.parse_args()
    warnings.simplefilter("ignore")
    measure(load(given.script), given)


if __name__ == "__main__":
    main()
