"""dpmm's MST and AIM pipelines with their defaults, told the public facts.

It finds its bins in the data, for ε = 0.1 by default; here for a tenth of ε, which is within the ε of the table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpmm.pipelines import AIMPipeline, MSTPipeline

sys.path.append(str(Path(__file__).resolve().parents[1] / "private"))

from facts import Fact, load, read, tidy

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = ("dpmm", "opendp", "numpy", "pandas", "scikit-learn")
PIPELINES = {"mst": MSTPipeline, "aim": AIMPipeline}
BINNING = 0.1
"""Share of ε for the bins."""
GAP = "<missing>"
"""The tool's categories cannot be missing."""


def domain(facts: dict[str, Fact]) -> dict[str, dict[str, Any]]:
    """The facts as the tool wants them."""
    return {
        name: {"lower": fact.low, "upper": fact.high} if fact.numeric else {"categories": [*fact.levels, *[GAP][: fact.nullable]]}
        for name, fact in facts.items()
    }


def fit(train: Path, model: str, *, seconds: float, facts: str, epsilon: float, delta: float, seed: int) -> tuple[Any, str]:
    """Read and fit. Its noise takes no seed."""
    known = load(Path(facts))
    frame = read(train, known).fillna({name: GAP for name, fact in known.items() if not fact.numeric})
    made = PIPELINES[model](epsilon=(1 - BINNING) * epsilon, delta=delta, proc_epsilon=BINNING * epsilon)
    made.fit(frame, domain(known))
    return (made, known), ""


def draw(made: tuple[Any, dict[str, Fact]], rows: int, path: Path) -> pd.DataFrame:
    """Draw rows; the caller writes them."""
    pipeline, known = made
    return tidy(pipeline.generate(n_records=rows).replace(GAP, float("nan")), known)
