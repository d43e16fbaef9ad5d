"""This project's models of series: each window is a subject, its steps are in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from peer import serve

from lookalike import models
from lookalike.data import Dataset


def fit(windows: np.ndarray, model: str, *, seconds: float) -> tuple[Any, str]:
    """With default settings, but within the time."""
    n, length, columns = windows.shape
    frame = pd.DataFrame({"window": np.repeat(np.arange(n), length), "step": np.tile(np.arange(length), n)})
    frame[[f"x{c}" for c in range(columns)]] = windows.reshape(-1, columns).astype(np.float32)
    found = Dataset.of(frame).schema
    table = found.table.model_copy(update={"order": "step", "key": ()})
    data = Dataset.of(frame, schema=found.model_copy(update={"tables": (table,), "subject": "window"}))
    settings = {"minutes": seconds / 60} if "minutes" in models.settings_of(model).model_fields else {}
    made = models.build(model, settings).fit(data, rng=np.random.default_rng(0))
    return (made, (length, columns)), ""


def draw(made: Any, rows: int) -> np.ndarray:
    """Windows float [rows, length, columns]."""
    model, (length, columns) = made
    table = model.sample(rows, rng=np.random.default_rng(1)).table()
    x = np.stack([table[f"x{c}"].to_numpy() for c in range(columns)], axis=1)
    return x.reshape(rows, length, columns)


if __name__ == "__main__":
    serve(fit, draw)
