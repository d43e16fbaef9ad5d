"""What a user of the command line waits for: start, help, one `make` from file to report, and the largest table whole."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from data import REAL
from tools import TOOLS, measure, watch


def repeated(command: list[str], times: int, log: Path) -> float:
    """Median seconds of several runs after one that warms the disk cache."""
    took = []
    for _ in range(times + 1):
        ran = watch(command, log=log)
        if ran["code"]:
            raise SystemExit(f"{' '.join(command[1:])} ended with {ran['code']}, see {log}")
        took.append(ran["seconds"])
    return statistics.median(took[1:])


def clock(shared: Path, work: Path) -> dict[str, Any]:
    """Seconds (and MB) of each wait."""
    work.mkdir(parents=True, exist_ok=True)
    python, log = sys.executable, work / "log.txt"
    found: dict[str, Any] = {
        "bare_s": repeated([python, "-c", "import numpy, pyarrow"], 9, log),
        "import_s": repeated([python, "-c", "import lookalike"], 9, log),
        "help_s": repeated([python, "-m", "lookalike", "--help"], 9, log),
    }
    adult = REAL["adult"]
    make = [
        python,
        "-m",
        "lookalike",
        "make",
        str(shared / adult.path),
        "--out",
        str(work / "made"),
        "--target",
        adult.target,
        "--seed",
        "0",
        "--force",
    ]
    with tempfile.TemporaryDirectory(dir=work) as fresh:
        first = watch(make, log=log, env={"NUMBA_CACHE_DIR": fresh})
    found |= {"first_make_s": first["seconds"], "make_s": repeated(make, 3, log), "make_mb": first["megabytes"]}
    whole = measure(TOOLS["lookalike"], shared / REAL["diabetes130"].path, work / "whole", rows=1000, cap=600, million=False)
    return found | {"whole_s": whole.get("fit_s"), "whole_mb": whole.get("fit_mb")}
