"""SDV's single-table synthesizers with their defaults and SDV's own metadata detection; networks get fewer epochs where 300 do not fit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from sdv import single_table
from sdv.metadata import Metadata

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("sdv", "ctgan", "rdt", "torch", "numpy", "pandas")
EPOCHS = 300
NAMES = {"copula": "GaussianCopulaSynthesizer", "ctgan": "CTGANSynthesizer", "tvae": "TVAESynthesizer"}


def plan(train: Path, model: str, *, seconds: float) -> dict[str, Any]:
    """Number of epochs that fits: the default, or what trials of one and of eleven epochs say fills 9/10 of the time."""
    if model == "copula":
        return {}
    took = []
    for epochs in (1, 1, 11):  # the first is slow, as all is loaded then
        start = time.perf_counter()
        learn(train, model, epochs=epochs)
        took.append(time.perf_counter() - start)
    each = max((took[2] - took[1]) / 10, 1e-3)
    fits = int((0.9 * seconds - (took[1] - each)) / each)
    return {"epochs": max(1, min(EPOCHS, fits))}


def learn(train: Path, model: str, **settings: int) -> Any:
    """A fitted synthesizer."""
    torch.manual_seed(0)
    frame = pd.read_csv(train, keep_default_na=False, na_values=[""], low_memory=False)
    metadata = Metadata.detect_from_dataframes({"table": frame}, infer_keys=None)
    made = getattr(single_table, NAMES[model])(metadata, **settings)
    made.fit({"table": frame})
    return made


def fit(train: Path, model: str, *, seconds: float, epochs: int = EPOCHS) -> tuple[Any, str]:
    """Fit; the note says when the epochs were cut."""
    if model == "copula":
        return learn(train, model), ""
    return learn(train, model, epochs=epochs), "" if epochs == EPOCHS else f"{epochs} of {EPOCHS} epochs"


def draw(made: Any, rows: int, path: Path) -> pd.DataFrame:
    """Draw rows; the caller writes them."""
    return made.sample(rows)["table"]
