"""One judge, many tables, one process: each table's findings are written as soon as they are there, so that a stop loses only one.

Runs inside the judge's own environment. The alarm ends the process when one table takes longer than the cap.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from worker import installed, load  # noqa: E402  it lives one folder up


def main() -> None:
    """`judging.py SCRIPT FACTS --tables FOLDER… --out NAME.json --cap SECONDS [--variant WORD]`."""
    asked = argparse.ArgumentParser()
    asked.add_argument("script", type=Path)
    asked.add_argument("facts", type=Path)
    asked.add_argument("--tables", type=Path, nargs="+", required=True)
    asked.add_argument("--out", required=True)
    asked.add_argument("--cap", type=int, required=True)
    asked.add_argument("--variant", default="")
    given = asked.parse_args()
    warnings.simplefilter("ignore")
    judge, facts = load(given.script), json.loads(given.facts.read_text())
    versions = installed(judge.PACKAGES)
    for folder in given.tables:
        signal.alarm(given.cap)
        start, work = time.perf_counter(), time.process_time()
        found = judge.judge(folder, facts, given.variant)
        signal.alarm(0)
        found |= {"seconds": time.perf_counter() - start, "cpu": time.process_time() - work, "versions": versions}
        found["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        part = folder / f".{given.out}.{os.getpid()}"
        part.write_text(json.dumps(found))
        part.replace(folder / given.out)
        print(folder.name, f"{found['seconds']:.1f} s", flush=True)


if __name__ == "__main__":
    main()
