"""Attacks where the answer is known: a forest made to memorise must be caught, fresh rows must not be taken for a leak."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sets import REAL, Parts, cut, whole

import lookalike
from lookalike.compare import frame
from lookalike.data import Dataset
from lookalike.report import attacked, measure

MEMORY: dict[str, Any] = {"trees": 1, "leaf": 1, "sample": 1.0, "features": 1.0, "rounds": 0, "protect": 1}
"""A forest that learns by heart: one tree on all rows and columns, a row a leaf, nothing smoothed, nothing protected."""
FORESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "one tree, leaf 1": ("california_housing", MEMORY),
    "20 trees, leaf 1": ("california_housing", {"leaf": 1, "sample": 1.0, "rounds": 0, "protect": 1}),
    "default": ("california_housing", {}),
    "one tree, leaf 1 (adult)": ("adult", MEMORY),
    "default (adult)": ("adult", {}),
}
SET = "adult"
"""Whose fresh rows must not be taken for a leak."""


def slim(attacks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the table shows of each attack."""
    keep = ("name", "title", "threat", "value", "low", "high", "tpr", "epsilon", "informative", "outliers", "rows", "note")
    return [{k: a[k] for k in keep if k in a} for a in attacks]


def forest(parts: Parts, settings: dict[str, Any], target: str) -> dict[str, Any]:
    """Attacks on as many rows as were learned from, by attackers who have the model too."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        parts.train.to_csv(folder / "train.csv", index=False)
        parts.holdout.to_csv(folder / "holdout.csv", index=False)
        model = lookalike.fit(folder / "train.csv", settings=settings, seed=0)
        lookalike.sample(model, len(parts.train), seed=1, out=folder / "synthetic.csv")
        asked: dict[str, Any] = {"holdout": folder / "holdout.csv", "target": target, "seed": 0, "effort": "standard"}
        found = lookalike.report(folder / "train.csv", folder / "synthetic.csv", model=model, **asked).json()
    copies = {s["name"]: s["value"] for s in found["scores"]}.get("exact_copies")
    return {"attacks": slim(found["attacks"]), "copies": copies, "rows": len(parts.train), "seconds": time.perf_counter() - start,
            "verdict": found["verdict"]}  # fmt: skip


def fresh(parts: Parts, target: str, seed: int, effort: str) -> dict[str, Any]:
    """Attacks on fresh rows of the same law: nobody was learned from."""
    first = Dataset.of(parts.train)
    roles = {"real": parts.train, "holdout": parts.holdout, "synthetic": parts.clean}
    tables = {role: Dataset.of(table, schema=first.schema).table() for role, table in roles.items()}
    setting = measure.stage(frame.code(tables, first.schema.table.columns), target=target, rng=np.random.default_rng(seed))
    return {"attacks": slim(attacked.attacked(setting, seed=seed, effort=effort))}


def main() -> None:
    """`attack.py SHARED OUT.json --rows N --repeats K --effort E`; what is in the file already is not done again."""
    asked = argparse.ArgumentParser()
    asked.add_argument("shared", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("--rows", type=int, default=4_000)
    asked.add_argument("--repeats", type=int, default=50)
    asked.add_argument("--effort", default="standard")
    given = asked.parse_args()
    done: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    tables: dict[str, Any] = {}

    def parts(name: str, seed: int) -> Parts:
        if name not in tables:
            tables[name] = whole(name, given.shared)
        return cut(tables[name], np.random.default_rng([5, seed]), rows=min(given.rows, len(tables[name]) // 4))

    def keep(name: str, found: dict[str, Any]) -> None:
        done[name] = found
        part = given.out.with_suffix(".part")
        part.write_text(json.dumps(done))
        part.replace(given.out)
        print(name, file=sys.stderr, flush=True)

    for name, (table, settings) in FORESTS.items():
        if name not in done:
            keep(name, forest(parts(table, 0), settings, REAL[table].target))
    for repeat in range(given.repeats):
        if f"fresh {repeat}" not in done:
            keep(f"fresh {repeat}", fresh(parts(SET, repeat + 1), REAL[SET].target, repeat, given.effort))


if __name__ == "__main__":
    main()
