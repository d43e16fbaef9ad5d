"""The tables on which time and memory are measured: real rows of 50 columns, in three sizes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from sets import REAL, read

SET, WIDTH, TARGET = "acs_income_2018", 50, "Income"
SIZES = (10_000, 30_000, 100_000)


def widened(frame: pd.DataFrame, columns: int, rng: np.random.Generator) -> pd.DataFrame:
    """Each row beside the first columns of another row, drawn without replacement, until there are so many columns."""
    more = frame.iloc[rng.permutation(len(frame)), : columns - frame.shape[1]].reset_index(drop=True)
    return pd.concat([frame.reset_index(drop=True), more.add_prefix("Neighbour: ")], axis=1)


def parts(rows: int, have: int) -> tuple[int, int, int]:
    """Rows of train, synthetic and holdout: as many each, the holdout fewer where the table has no more."""
    return rows, rows, min(rows, have - 2 * rows)


def prepare(shared: Path, out: Path, *, sizes: tuple[int, ...]) -> None:
    """A folder for each size with train.csv, synthetic.csv (fresh real rows) and holdout.csv; facts.json beside them."""
    rng = np.random.default_rng(0)
    frame = widened(read(shared / REAL[SET].path), WIDTH, rng)
    frame = frame.iloc[rng.permutation(len(frame))]
    kinds = {c: "numerical" if frame[c].dtype.kind in "iuf" else "categorical" for c in frame.columns}
    out.mkdir(parents=True, exist_ok=True)
    (out / "facts.json").write_text(json.dumps({"target": TARGET, "kinds": kinds, "dates": {}}))
    for rows in sizes:
        folder, at = out / str(rows), 0
        folder.mkdir(exist_ok=True)
        for name, many in zip(("train", "synthetic", "holdout"), parts(rows, len(frame)), strict=True):
            frame.iloc[at : at + many].to_csv(folder / f"{name}.csv", index=False)
            at += many


def main() -> None:
    """`cost.py SHARED OUT --sizes N…`."""
    asked = argparse.ArgumentParser()
    asked.add_argument("shared", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    given = asked.parse_args()
    prepare(given.shared, given.out, sizes=tuple(given.sizes))


if __name__ == "__main__":
    main()
