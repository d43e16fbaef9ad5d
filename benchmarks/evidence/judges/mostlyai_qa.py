"""mostlyai-qa: the metrics of its report, and the accuracy of every column and pair of columns that its page shows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mostlyai import qa

PACKAGES = ("mostlyai-qa", "torch", "transformers", "scikit-learn", "numpy", "pandas")


def judge(folder: Path, facts: dict[str, Any], variant: str) -> dict[str, Any]:
    """Figures by name. Similarity and distances are taken beside what it gives for the holdout, as its documentation asks."""
    train, holdout, synthetic = (read(folder / f"{n}.csv", facts) for n in ("train", "holdout", "synthetic"))
    with tempfile.TemporaryDirectory() as place:
        qa.set_random_state(0)
        _, found = qa.report(
            syn_tgt_data=synthetic,
            trn_tgt_data=train,
            hol_tgt_data=holdout,
            report_path=Path(place) / "report.html",
            statistics_path=Path(place) / "statistics",
        )
        if found is None:
            return {"figures": {}}
        figures = headline(found) | details(Path(place) / "statistics")
    return {"figures": {k: float(v) for k, v in figures.items() if v is not None and np.isfinite(v)}}


def read(path: Path, facts: dict[str, Any]) -> pd.DataFrame:
    """A table with its dates as dates and its categories as text."""
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False)
    for name, form in facts["dates"].items():
        frame[name] = pd.to_datetime(frame[name], format=form)
    for name, kind in facts["kinds"].items():
        if kind == "categorical":
            frame[name] = frame[name].astype(str).where(frame[name].notna(), None)
    return frame


def headline(found: Any) -> dict[str, float | None]:
    """What it returns as metrics; where it measures the holdout too, also the difference."""
    accuracy, similarity, distances = (getattr(found, n).model_dump() for n in ("accuracy", "similarity", "distances"))
    out = {f"accuracy {k}": v for k, v in accuracy.items() if not k.endswith("_max")}
    out |= {f"similarity {k}": v for k, v in similarity.items() if k.endswith("synthetic")}
    out |= {f"distances {k}": v for k, v in distances.items()}
    for name in ("cosine_similarity", "discriminator_auc"):
        pair = [similarity[f"{name}_training_{with_}"] for with_ in ("synthetic", "holdout")]
        out[f"similarity {name}, beyond the holdout's"] = None if None in pair else pair[0] - pair[1]
    for name in ("ims", "dcr"):
        pair = [distances[f"{name}_{with_}"] for with_ in ("training", "holdout")]
        out[f"distances {name}, training beyond holdout"] = None if None in pair else pair[0] - pair[1]
    return out


def details(folder: Path) -> dict[str, float]:
    """Accuracy of single columns and of pairs, from the statistics it stores."""
    out = {}
    for file, names in (("univariate_accuracies", ["column"]), ("bivariate_accuracies", ["col1", "col2"])):
        for row in pd.read_parquet(folder / f"{file}.parquet").to_dict("records"):
            out["accuracy " + " × ".join(str(row[n]) for n in names)] = row["accuracy"]
    return out
