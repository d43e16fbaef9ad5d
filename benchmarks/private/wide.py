"""A made-up table of 100 columns and 100,000 rows that depend on each other, with its public facts: how far a private fit scales."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEED = 0
COLUMNS, ROWS = 100, 100_000
HIDDEN = 8
"""Hidden causes that the columns share."""
NUMBERS = 0.4
"""Share of the columns that hold numbers."""


def made(rows: int, columns: int, seed: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows and the facts. The law is fixed by SEED, the rows by `seed`."""
    law, rng = np.random.default_rng(SEED), np.random.default_rng([SEED, seed])
    cause = rng.standard_normal((rows, HIDDEN))
    frame, facts = {}, {}
    for at in range(columns):
        name = f"c{at:03}"
        weight = law.standard_normal(HIDDEN) * (law.random(HIDDEN) < 0.3)
        signal = cause @ weight / max(1.0, float(np.linalg.norm(weight))) + 0.7 * rng.standard_normal(rows)
        if at < NUMBERS * columns:
            values = np.round(100 * np.exp(0.5 * signal)) if at % 2 else np.round(500 + 150 * signal)
            frame[name] = np.clip(values, 0, 1000).astype(int)
            facts[name] = {"kind": "integer", "low": 0, "high": 1000}
        else:
            size = int(law.integers(2, 21))
            cuts = np.sort(law.normal(0, 1.1, size - 1))
            labels = np.array([f"v{i}" for i in range(size)])
            frame[name] = labels[np.searchsorted(cuts, signal)]
            facts[name] = {"kind": "category", "levels": labels.tolist()}
    return pd.DataFrame(frame), {"about": "made up", "columns": facts}


def main() -> None:
    """`wide.py FOLDER [--rows N] [--columns M]`: train.csv, holdout.csv with half as many rows, and facts.json."""
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", type=Path)
    asked.add_argument("--rows", type=int, default=ROWS)
    asked.add_argument("--columns", type=int, default=COLUMNS)
    given = asked.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, rows, seed in (("train", given.rows, 0), ("holdout", given.rows // 2, 1)):
        frame, facts = made(rows, given.columns, seed)
        frame.to_csv(given.folder / f"{name}.csv", index=False)
    (given.folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
