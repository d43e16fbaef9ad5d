"""smartnoise-synth's MST and AIM with their defaults, told the public facts, so that all of ε is for the model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snsynth import Synthesizer
from snsynth.transform import BinTransformer, LabelTransformer, TableTransformer

sys.path.append(str(Path(__file__).resolve().parents[1] / "private"))

from facts import Fact, load, read, tidy

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = ("smartnoise-synth", "mbi", "jax", "torch", "opendp", "numpy", "pandas")
BINS = 32
"""Bins of equal width; its own default is 10."""


def transformer(fact: Fact) -> Any:
    """A column's transformer, fitted on what is public alone."""
    if fact.numeric:
        low, high, bins = fact.grid(BINS)
        made = BinTransformer(bins=bins, lower=low, upper=high, nullable=fact.nullable)
        made.fit([low, high])
    else:
        made = LabelTransformer(nullable=fact.nullable)
        made.fit(list(fact.levels))
    return made


def fit(train: Path, model: str, *, seconds: float, facts: str, epsilon: float, delta: float, seed: int) -> tuple[Any, str]:
    """Read and fit. Its noise takes no seed."""
    known = load(Path(facts))
    made = Synthesizer.create(model, epsilon=epsilon, delta=delta)
    made.fit(read(train, known), transformer=TableTransformer([transformer(fact) for fact in known.values()]))
    return (made, known), ""


def draw(made: tuple[Any, dict[str, Fact]], rows: int, path: Path) -> pd.DataFrame:
    """Draw rows; the caller writes them."""
    synthesizer, known = made
    return tidy(synthesizer.sample(rows), known)
