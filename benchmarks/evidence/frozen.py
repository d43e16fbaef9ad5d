"""Small tables and what SDMetrics says of them, for the tests, which do not need SDMetrics installed.

benchmarks/.envs/sdmetrics/bin/python benchmarks/evidence/frozen.py > tests/golden/sdmetrics-0.32.0.json
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
from sdmetrics.single_column import CategoryCoverage, KSComplement, MissingValueSimilarity, TVComplement
from sdmetrics.single_table import NewRowSynthesis

ROWS = 80


def table(rng: np.random.Generator, *, shift: float) -> pd.DataFrame:
    """Two dependent numbers with ties, two dependent labels, a number with missing cells."""
    height = np.round(rng.normal(shift, 1, ROWS), 6)
    weight = np.round(0.6 * height + rng.normal(0, 1, ROWS), 1)
    town = rng.choice(list("abcde" if shift == 0 else "abcd"), ROWS)
    kind = np.where(rng.random(ROWS) < np.where(town < "c", 0.8, 0.3 + shift / 2), "x", "y")
    paid = np.where(rng.random(ROWS) < 0.2 + shift / 4, np.nan, np.round(rng.exponential(10, ROWS)))
    return pd.DataFrame({"height": height, "weight": weight, "town": town, "kind": kind, "paid": paid})


def scores(real: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    """Each metric where its definition is sound: columns without missing cells, pairs of the same kind, labels for equal rows."""
    out = {f"KSComplement {n}": KSComplement.compute(real[n], other[n]) for n in ("height", "weight")}
    out |= {f"TVComplement {n}": TVComplement.compute(real[n], other[n]) for n in ("town", "kind")}
    out |= {f"CategoryCoverage {n}": CategoryCoverage.compute(real[n], other[n]) for n in ("town", "kind")}
    out["MissingValueSimilarity paid"] = MissingValueSimilarity.compute(real["paid"], other["paid"])
    labels, numbers = ["town", "kind"], ["height", "weight"]
    out["ContingencySimilarity"] = ContingencySimilarity.compute(real[labels], other[labels])
    for word in ("Pearson", "Spearman"):
        out[f"CorrelationSimilarity {word}"] = CorrelationSimilarity.compute(real[numbers], other[numbers], coefficient=word)
    metadata = {"columns": {n: {"sdtype": "categorical"} for n in labels}}
    few = other[labels].assign(town=other["town"].where(other.index % 4 > 0, "z"))  # a town that the real table has not
    out["NewRowSynthesis"] = NewRowSynthesis.compute(real[labels].copy(), few, metadata=metadata)
    return {k: float(v) for k, v in out.items()}


def main() -> None:
    """Print tables and scores as JSON."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(7)
    real, other = table(rng, shift=0.0), table(rng, shift=0.5)
    made = f"benchmarks/evidence/frozen.py with sdmetrics {version('sdmetrics')}"
    cells = {k: f.astype(object).where(f.notna(), None).to_dict("list") for k, f in (("real", real), ("other", other))}
    sys.stdout.write(json.dumps({"made": made, **cells, "scores": scores(real, other)}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
