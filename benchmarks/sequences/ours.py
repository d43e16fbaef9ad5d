"""This project, through its public face."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lookalike

PACKAGES = ("lookalike", "numpy", "pyarrow", "numba")


def fit(folder: Path, model: str, *, seconds: float) -> tuple[Any, str]:
    """Fit with default settings; `open` gives out rare values as they are, as SDV does."""
    about = json.loads((folder / "about.json").read_text())
    learner = lookalike.model("sequence", **({"protect": 1} if model == "open" else {}))
    made = lookalike.fit(folder / "train.csv", model=learner, subject=about["subject"], order=about["order"], seed=0)
    return (made, about), ""


def draw(made: Any, out: Path) -> None:
    """As many subjects as are held out."""
    model, about = made
    out.mkdir()
    lookalike.sample(model, about["subjects"], seed=1, out=out / "made.csv")
