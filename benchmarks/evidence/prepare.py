"""Write the tables of the flaw part: for each draw a folder with train.csv, holdout.csv and synthetic.csv, and facts.json beside them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from flaws import FLAWS, fits
from sets import PLANS, Parts, cut, facts, whole


def save(parts: Parts, folder: Path, synthetic: object = None) -> None:
    """One table to judge, with the rows it is judged against."""
    folder.mkdir(parents=True, exist_ok=True)
    judged = parts.clean if synthetic is None else synthetic
    for name, frame in (("train", parts.train), ("holdout", parts.holdout), ("synthetic", judged)):
        frame.to_csv(folder / f"{name}.csv", index=False)


def prepare(name: str, shared: Path, out: Path, *, rows: int | None, clean: int) -> list[str]:
    """All tables of one set that are not there yet; gives their names: every flaw, then the clean ones.

    `clean_0` is what the flaws were planted in; every other clean one is a new cut of the table.
    """
    plan, frame = PLANS[name], whole(name, shared)
    rows = rows or plan.rows
    out.mkdir(parents=True, exist_ok=True)
    (out / "facts.json").write_text(json.dumps(facts(name, frame)))
    made = []
    first = cut(frame, np.random.default_rng([0, 0]), rows=rows)
    for at, (key, flaw) in enumerate(FLAWS.items()):
        if fits(flaw, plan):
            made.append(key)
            if not (out / key / "synthetic.csv").exists():
                save(first, out / key, flaw.make(first, plan, np.random.default_rng([1, at])))
    for seed in range(clean):
        made.append(f"clean_{seed}")
        if not (out / f"clean_{seed}" / "synthetic.csv").exists():
            save(cut(frame, np.random.default_rng([0, seed]), rows=rows), out / f"clean_{seed}")
    return made


def main() -> None:
    """`prepare.py NAME SHARED OUT [--rows N] [--clean K]`; prints the names of the tables as JSON."""
    asked = argparse.ArgumentParser()
    asked.add_argument("name", choices=sorted(PLANS))
    asked.add_argument("shared", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("--rows", type=int)
    asked.add_argument("--clean", type=int, default=10)
    given = asked.parse_args()
    sys.stdout.write(json.dumps(prepare(given.name, given.shared, given.out, rows=given.rows, clean=given.clean)))


if __name__ == "__main__":
    main()
