"""SDV's PAR (Zhang et al. 2022): each window is a sequence of its own. It learns few windows in the time, so it gets a part of them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch
from peer import epochs_within, serve
from sdv.metadata import Metadata
from sdv.sequential import PARSynthesizer

EPOCHS, WINDOWS = 128, 1_000


def fit(windows: np.ndarray, model: str, *, seconds: float) -> tuple[Any, Any]:
    """As many epochs as fit."""
    warnings.simplefilter("ignore")
    windows = windows[:WINDOWS]
    n, length, columns = windows.shape
    frame = pd.DataFrame({"window": np.repeat(np.arange(n), length), "step": np.tile(np.arange(length), n)})
    frame[[f"x{c}" for c in range(columns)]] = windows.reshape(-1, columns).astype(np.float64)
    kinds = {"window": {"sdtype": "id"}, "step": {"sdtype": "numerical"}} | {f"x{c}": {"sdtype": "numerical"} for c in range(columns)}
    table = {"columns": kinds, "sequence_key": "window", "sequence_index": "step"}
    metadata = Metadata.load_from_dict({"METADATA_SPEC_VERSION": "V1", "tables": {"table": table}})

    def one(epochs: int) -> Any:
        torch.manual_seed(0)
        made = PARSynthesizer(metadata, epochs=epochs, cuda=False)
        made.fit({"table": frame})
        return made

    made, note, spent = epochs_within(one, seconds, EPOCHS)
    note = "; ".join(filter(None, [note, f"{n:,} windows"]))
    return (made, (length, columns)), (note, spent)


def draw(made: Any, rows: int) -> np.ndarray:
    """Windows float [rows, length, columns]."""
    model, (length, columns) = made
    frame = model.sample_sequences(num_sequences=rows, sequence_length=length)["table"]
    return frame[[f"x{c}" for c in range(columns)]].to_numpy(float).reshape(rows, length, columns)


if __name__ == "__main__":
    serve(fit, draw)
