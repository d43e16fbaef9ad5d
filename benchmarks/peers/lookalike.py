"""This project, through its public face, from a path to a path as the command line does it; networks get the cap as their time budget."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

import lookalike
from lookalike.schema import NumberFormat, Schema

LIBRARIES = ("numba", "pandas", "pyarrow.compute", "pyarrow.csv", "pyarrow.dataset", "pyarrow.parquet", "scipy.stats")
"""Loaded before the clock starts, as scripts of other tools load theirs at their top; networks need torch too."""
PACKAGES = ("lookalike", "numpy", "pandas", "pyarrow", "scikit-learn", "numba", "torch", "opendp", "dp-accounting")


def plan(train: Path, model: str, *, seconds: float) -> dict[str, float]:
    """The time budget of a network's training: what comes before and after it needs some of the time too."""
    timed = "minutes" in type(lookalike.model(model).settings).model_fields
    for name in (*LIBRARIES, *(["torch"] if timed else [])):
        importlib.import_module(name)
    return {"minutes": 0.9 * seconds / 60} if timed else {}


def declared(train: Path, facts: Path) -> Schema:
    """The detected schema with the facts of the file, in which all that a private fit asks for is declared public."""
    from lookalike.privacy.domain import skeleton

    sys.path.append(str(Path(__file__).resolve().parents[1] / "private"))
    from facts import load

    schema = lookalike.schema(train)
    for name, fact in load(facts).items():
        said: dict[str, Any] = {"kind": fact.kind, "nullable": fact.nullable}
        if fact.numeric:
            said |= {"low": fact.low, "high": fact.high, "number": NumberFormat(decimals=fact.decimals)}
        else:
            said |= {"levels": fact.levels, "number": None}
        schema = schema.amend(name, **said)
    return skeleton(schema)


def fit(train: Path, model: str, *, seconds: float, seed: int = 0, facts: str = "", **settings: float) -> tuple[Any, str]:
    """Detect the schema and fit; the note says when the time budget, and not the model's own rule, ended the training.

    With `facts`, a file of public facts, the fit is private: `epsilon` and `delta` are its budget.
    """
    start = time.perf_counter()
    budget = {name: settings.pop(name) for name in ("epsilon", "delta") if name in settings}
    if budget:
        settings.pop("minutes", None)  # a private training takes its steps as they were set before
    learner = lookalike.model(model, **settings)
    schema = declared(train, Path(facts)) if facts else None
    made = lookalike.fit(train, schema=schema, model=lookalike.Private(learner, **budget) if budget else learner, seed=seed)
    took = time.perf_counter() - start
    late = took > 60 * settings.get("minutes", float("inf"))
    return made, f"stopped at {took:.0f} s by its own time limit" if late else ""


def draw(made: Any, rows: int, path: Path) -> None:
    """Draw rows straight into the file."""
    lookalike.sample(made, rows, seed=1, out=path)
