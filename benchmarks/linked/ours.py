"""This project, through its public face: from a folder to a folder, as the command line does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lookalike

SUBJECT = {"chinook": "Customer", "northwind": "Customers", "online_retail": "Customer"}
"""Whose data it is."""
PACKAGES = ("lookalike", "numpy", "pandas", "pyarrow", "scikit-learn", "numba")


def fit(folder: Path, model: str, *, seconds: float) -> tuple[Any, str]:
    """Find keys, links and kinds in the folder, and fit; `open` gives out rare values as they are, as SDV does."""
    real = folder / "real"
    learner = lookalike.model("relational", **({"protect": 1} if model == "open" else {}))
    made = lookalike.fit(real, model=learner, subject=SUBJECT[folder.name], seed=0)
    return (made, folder), ""


def draw(made: Any, out: Path) -> None:
    """As many subjects as were learnt from, straight into a folder."""
    model, folder = made
    about = json.loads((folder / "columns.json").read_text())
    lookalike.sample(model, about["rows"][about["subject"]], seed=1, out=out)
