"""`kill -9` at random moments of make, fit, sample, report and a load into a database: `python tests/abuse/killed.py` (make abuse).

After each kill what stands under the name that was asked for is whole, or what was there before, or nothing; and the same command, run
again, ends well. A training with a checkpoint goes on where it was and ends in the same model.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import lookalike as la

ROWS = 400


@dataclass(frozen=True)
class Deed:
    """A command, what it writes, and whether that is whole: `check` raises if it is not."""

    command: tuple[str, ...]
    place: str
    check: Callable[[Path], object]


def deeds(folder: Path) -> dict[str, Deed]:
    """Commands on a small table in `folder`, a model of it and two linked tables, which are made."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.integers(18, 90, ROWS), "sex": rng.choice(["f", "m"], ROWS), "pay": rng.gamma(2, 900, ROWS).round(2)})
    table.to_csv(folder / "t.csv", index=False)
    la.save(la.fit(table, model="independent", seed=0), folder / "t.lookalike")
    sampled = ("sample", "t.lookalike", "--quiet", "-n", "300000", "--out")

    def rows(read: Callable[[Path], pd.DataFrame]) -> Callable[[Path], object]:
        return lambda place: _equal(len(read(place)), 300_000)

    return {
        "make": Deed(("make", "t.csv", "--model", "independent", "--quiet", "--out", "made"), "made", _made),
        "fit": Deed(("fit", "t.csv", "--quiet", "--out", "m.lookalike"), "m.lookalike", lambda p: la.sample(la.load(p), 10)),
        "csv": Deed((*sampled, "s.csv"), "s.csv", lambda p: _lines(p, 300_000)),
        "parquet": Deed((*sampled, "s.parquet"), "s.parquet", rows(pd.read_parquet)),
        "report": Deed(("report", "t.csv", "t.csv", "--quick", "--quiet", "--out", "r.json"), "r.json", _reported),
        "database": Deed((*sampled, "sqlite:///s.db?table=t"), "s.db", _loaded),
    }


def _reported(place: Path) -> None:
    """The report is JSON to its end."""
    assert json.loads(place.read_text(encoding="utf-8"))["verdict"]


def _made(place: Path) -> None:
    """All that `make` writes is there, and can be used."""
    _lines(place / "synthetic.csv", ROWS)
    json.loads((place / "report.json").read_text(encoding="utf-8"))
    la.schema(str(place / "schema.json"))
    assert (place / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    la.sample(la.load(place / "model.lookalike"), 10)


def _lines(place: Path, rows: int) -> None:
    with place.open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))
    _equal(len(found), rows + 1)
    assert {len(row) for row in found} == {3}


def _loaded(place: Path) -> None:
    """The table is there with all rows, or not there at all."""
    base = sqlite3.connect(place)
    tables = base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables:
        _equal(base.execute("SELECT count(*) FROM t").fetchone()[0], 300_000)
    base.close()


def _equal(found: int, wanted: int) -> None:
    assert found == wanted, f"{found:,} rows, not {wanted:,}"


def run(command: tuple[str, ...], folder: Path, *, after: float | None = None) -> tuple[int, float]:
    """Exit code and seconds of a command that is killed `after` so many seconds, if it still runs."""
    began = time.monotonic()
    whole, env = [sys.executable, "-m", "lookalike", *command], os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(whole, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
    try:
        _, told = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    else:
        assert process.returncode in (0, -signal.SIGKILL), told.decode()
    return process.returncode, time.monotonic() - began


def tried(deed: Deed, folder: Path, rng: random.Random, seconds: float, *, before: bool) -> str:
    """Kill a deed at a random moment, with or without an older result in its place; what stands there afterwards."""
    place = folder / deed.place
    old = _state(place) if before else None
    if not before:
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    moment = seconds * rng.uniform(0.15, 1.05)
    if place.suffix == ".db" and before:
        base = sqlite3.connect(place)
        base.execute("DROP TABLE IF EXISTS t")  # into a file that is there
        base.close()
    code, _ = run(deed.command, folder, after=moment)
    if not place.exists():
        assert not before or place.is_dir() or code, f"{place.name} is gone"
        found = "gone" if before else "nothing"
    else:
        deed.check(place)
        found = "whole" if not before else "old" if _state(place) == old else "new"
    return found


def _state(place: Path) -> list[tuple[str, int, int]]:
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    return [(f.name, f.stat().st_ino, f.stat().st_size) for f in files]


def resumed(folder: Path, kills: int, rng: random.Random) -> str:
    """A training with a checkpoint, killed again and again, ends in the model of one that was never killed."""
    rows = np.random.default_rng(1)
    n = 6_000
    table = {"a": rows.integers(0, 9, n), "b": rows.normal(size=n).round(2), "c": rows.choice(list("abcdef"), n)}
    pd.DataFrame(table).to_csv(folder / "d.csv", index=False)
    plain = ("fit", "d.csv", "--model", "autoregressive", "--quiet", "--set", "epochs=30", "--set", "patience=30", "--set", "device=cpu")
    _, seconds = run((*plain, "--out", "never.lookalike"), folder)
    kept = (*plain, "--set", f"checkpoint={folder / 'training'}", "--out", "killed.lookalike")
    went = 0
    for _ in range(kills):
        code, _ = run(kept, folder, after=seconds * rng.uniform(0.4, 0.8))
        went += code != 0
        if code == 0:
            break
    code, _ = run(kept, folder)
    models = [la.load(folder / name) for name in ("never.lookalike", "killed.lookalike")]
    a, b = (la.sample(m, 500, seed=1) for m in models)
    same = a.equals(b)
    assert code == 0 and same, "the model of a training that was killed is another one"
    return f"killed {went} times, then the same model"


def main() -> None:
    """Kill at many moments, and say what was found."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("deeds", nargs="*", metavar="DEED", help="make, fit, csv, parquet, report, database, resume; all if none")
    asked.add_argument("--moments", type=int, default=8, help="kills of each deed")
    asked.add_argument("--seed", type=int, default=0)
    args = asked.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="killed-") as name:
        folder = Path(name)
        known = deeds(folder)
        for title in args.deeds or [*known, "resume"]:
            if title == "resume":
                say(f"{title:<10} {resumed(folder, 3, rng)}")
                continue
            deed = known[title]
            _, seconds = run(deed.command, folder)
            deed.check(folder / deed.place)
            found = [tried(deed, folder, rng, seconds, before=k % 2 == 1 and (folder / deed.place).exists()) for k in range(args.moments)]
            counts = ", ".join(f"{what} {found.count(what)}" for what in dict.fromkeys(found))
            left = len([f for f in folder.iterdir() if f.name.startswith(".")])
            say(f"{title:<10} {len(found)} kills in {seconds:.1f} s of work: {counts}; {left} hidden leftovers")


def say(line: str) -> None:
    """One line for whoever waits."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
