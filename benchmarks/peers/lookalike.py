"""This project, through its public face, from a path to a path as the command line does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lookalike

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("lookalike", "numpy", "pandas", "pyarrow", "scikit-learn", "numba")


def fit(train: Path, model: str, *, seconds: float) -> tuple[Any, str]:
    """Detect the schema and fit."""
    return lookalike.fit(train, model=model, seed=0), ""


def draw(made: Any, rows: int, path: Path) -> None:
    """Draw rows straight into the file."""
    lookalike.sample(made, rows, seed=1, out=path)
