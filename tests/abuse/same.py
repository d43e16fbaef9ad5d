"""The same seed gives the same rows, whatever surrounds it: `python tests/abuse/same.py` (make abuse).

Models are fitted, stored and drawn from by processes of 1, 2 and 8 threads, again, under other hashes of text, in another time zone and
language, and with assertions off; tables are large enough that work is divided.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

AROUND = {
    "1 thread": {"threads": "1"},
    "2 threads": {"threads": "2"},
    "8 threads": {"threads": "8"},
    "8 threads again": {"threads": "8"},
    "hashes of text": {"threads": "2", "PYTHONHASHSEED": "11"},
    "time zone": {"threads": "2", "TZ": "Pacific/Chatham"},
    "language": {"threads": "2", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no assertions": {"threads": "2", "PYTHONOPTIMIZE": "1"},
}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "ARROW_NUM_THREADS")


ROWS, DRAWN = 3_000, 40_000


def tasks() -> dict[str, tuple[Any, dict[str, Any], int]]:
    """For each model what it is fitted on, how, and how much is drawn."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=ROWS), rng.integers(0, 40, ROWS)
    day = pd.Timestamp("2024-03-30") + pd.to_timedelta(rng.integers(0, 10_000, ROWS), unit="min")
    flat = pd.DataFrame({"a": a.round(3), "b": b, "c": rng.choice(list("abcdefg"), ROWS), "d": (a + b / 9).round(2)})
    flat["day"] = day.strftime("%Y-%m-%d %H:%M")
    deep, few = {"epochs": 2}, {"trees": 6, "rounds": 10}
    who, at = np.divmod(np.arange(ROWS), 8)
    steps = pd.DataFrame({"who": who, "at": at, "x": rng.normal(size=ROWS).cumsum().round(2), "c": rng.choice(["a", "b"], ROWS)})
    line = steps.assign(at=np.arange(ROWS)).drop(columns="who")
    shop = {
        "parent": pd.DataFrame({"id": np.arange(400), "kind": rng.choice(["x", "y"], 400)}),
        "child": pd.DataFrame({"id": np.arange(ROWS), "of": rng.integers(0, 400, ROWS), "pay": rng.gamma(2, 9, ROWS).round(2)}),
    }
    known: dict[str, tuple[Any, dict[str, Any], int]] = {
        name: (flat, {"model": name, "settings": settings}, DRAWN)
        for name, settings in {
            **dict.fromkeys(("autoregressive", "ctgan", "diffusion", "gan", "vae"), deep),
            "copula": {},
            "forest": few,
            "independent": {},
            "marginals": {},
            "ruled": {"rules": ["b >= 0"], "inner_settings": few},
        }.items()
    }
    known["sequence"] = (steps, {"subject": "who", "order": "at", "settings": few}, 2_000)
    known["surrogate"] = (line, {"order": "at", "model": "surrogate", "settings": {"lags": 4}}, ROWS)
    known["series"] = (line, {"order": "at", "model": "series", "settings": {"steps": 40, "window": 32}}, ROWS)
    known["relational"] = (shop, {"subject": "parent", "settings": {"inner_settings": few}}, 2_000)
    return known


def digests(names: list[str]) -> dict[str, str]:
    """For each model a digest of its file's arrays and of the rows that it draws, after a fit in this process."""
    import lookalike as la
    from lookalike import store

    found, known = {}, tasks()
    with tempfile.TemporaryDirectory() as folder:
        for name in names or known:
            data, how, n = known[name]
            path = la.save(la.fit(data, seed=1, **how), Path(folder) / f"{name}.lookalike")
            drawn = la.sample(la.load(path), n, seed=3)
            text = "".join(t.to_csv() for t in (drawn.values() if isinstance(drawn, dict) else [drawn]))
            with zipfile.ZipFile(path) as file:
                arrays = file.read(store.ARRAYS)
            found[name] = f"{zlib.crc32(arrays):08x} {zlib.crc32(text.encode()):08x}"
    return found


def main() -> None:
    """Compare all surroundings with the first."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("models", nargs="*", metavar="MODEL", help="all if none is named")
    asked.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = asked.parse_args()
    if args.child:
        sys.stdout.write(json.dumps(digests(args.models)) + "\n")
        return
    first: dict[str, str] = {}
    wrong = 0
    for name, env in AROUND.items():
        began, threads = time.monotonic(), env["threads"]
        whole = os.environ | dict.fromkeys(THREADS, threads) | {k: v for k, v in env.items() if k != "threads"}
        done = subprocess.run([sys.executable, __file__, "--child", *args.models], env=whole, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr[-3000:]}")
        found = json.loads(done.stdout.splitlines()[-1])
        first = first or found
        other = [model for model in first if found[model] != first[model]]
        wrong += len(other)
        said = f"others: {', '.join(other)}" if other else "all the same"
        sys.stderr.write(f"{name:<16} {len(found)} models, {said}  {time.monotonic() - began:.0f} s\n")
        sys.stderr.flush()
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
