"""One tool, one database, one process: fit, draw as many subjects as were learnt from, write down seconds. Runs in the tool's environment.

python worker.py SCRIPT MODEL FOLDER OUT --cap SECONDS
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import signal
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def installed(names: tuple[str, ...]) -> dict[str, str]:
    """Versions of the packages that are there."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Fit and draw; figures go to OUT/cell.json as they come, tables to OUT/tables. The alarm ends what takes longer than the cap."""
    asked = argparse.ArgumentParser()
    for name in ("script", "folder", "out"):
        asked.add_argument(name, type=Path)
    asked.add_argument("model")
    asked.add_argument("--cap", type=int, required=True)
    given = asked.parse_args()
    warnings.simplefilter("ignore")
    spec = importlib.util.spec_from_file_location("tool", given.script)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    cell: dict[str, Any] = {"versions": installed(tool.PACKAGES)}

    def keep(**figures: Any) -> None:
        cell.update(figures, peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        (given.out / "cell.json").write_text(json.dumps(cell))

    def cpu() -> float:
        """Seconds of processor time, of ended children too: what other work on the machine does not change much."""
        return sum(r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))

    signal.alarm(given.cap)
    start, work = time.perf_counter(), cpu()
    made, note = tool.fit(given.folder, given.model, seconds=given.cap)
    keep(fit_s=time.perf_counter() - start, fit_cpu_s=cpu() - work, note=note)
    signal.alarm(given.cap)
    start, work = time.perf_counter(), cpu()
    tool.draw(made, given.out / "tables")
    keep(draw_s=time.perf_counter() - start, draw_cpu_s=cpu() - work)
    signal.alarm(0)


if __name__ == "__main__":
    main()
