"""This project, through its public face, from a path to a path as the command line does it; networks get the cap as their time budget."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import lookalike

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("lookalike", "numpy", "pandas", "pyarrow", "scikit-learn", "numba", "torch")


def plan(train: Path, model: str, *, seconds: float) -> dict[str, float]:
    """The time budget of a network's training: what comes before and after it needs some of the time too."""
    timed = "minutes" in type(lookalike.model(model).settings).model_fields
    return {"minutes": 0.9 * seconds / 60} if timed else {}


def fit(train: Path, model: str, *, seconds: float, **settings: float) -> tuple[Any, str]:
    """Detect the schema and fit; the note says when the time budget, and not the model's own rule, ended the training."""
    start = time.perf_counter()
    made = lookalike.fit(train, model=model, seed=0, settings=settings)
    took = time.perf_counter() - start
    late = took > 60 * settings.get("minutes", float("inf"))
    return made, f"stopped at {took:.0f} s by its own time limit" if late else ""


def draw(made: Any, rows: int, path: Path) -> None:
    """Draw rows straight into the file."""
    lookalike.sample(made, rows, seed=1, out=path)
