"""synthpop's sequential CART (synthpop-py) with its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from synthpop import Synthesiser

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("synthpop-py", "scikit-learn", "numpy", "pandas")


def fit(train: Path, model: str, *, seconds: float) -> tuple[Any, str]:
    """Read and fit."""
    return Synthesiser(random_seed=0).fit(pd.read_csv(train, keep_default_na=False, na_values=[""], low_memory=False)), ""


def draw(made: Any, rows: int, path: Path) -> pd.DataFrame:
    """Draw rows; the caller writes them."""
    return made.generate(rows)
