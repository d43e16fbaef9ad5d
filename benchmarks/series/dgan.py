"""DoppelGANger (Lin et al. 2020) by gretel-synthetics, with its defaults; steps an LSTM cell tells are about a tenth of the length."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gretel_synthetics.timeseries_dgan.config import DGANConfig
from gretel_synthetics.timeseries_dgan.dgan import DGAN
from peer import epochs_within, serve

EPOCHS = 400


def fit(windows: np.ndarray, model: str, *, seconds: float) -> tuple[Any, Any]:
    """As many epochs as fit."""
    n, length, _ = windows.shape
    sample = max(k for k in range(1, max(2, length // 8 + 1)) if length % k == 0)

    def one(epochs: int) -> Any:
        torch.manual_seed(0)
        np.random.seed(0)
        made = DGAN(DGANConfig(max_sequence_len=length, sample_len=sample, epochs=epochs, batch_size=min(1024, n), cuda=False))
        made.train_numpy(features=windows.astype(np.float64))
        return made

    made, note, spent = epochs_within(one, seconds, EPOCHS)
    return made, (note, spent)


def draw(made: Any, rows: int) -> np.ndarray:
    """Windows float [rows, length, columns]."""
    return np.asarray(made.generate_numpy(rows)[1])


if __name__ == "__main__":
    serve(fit, draw)
