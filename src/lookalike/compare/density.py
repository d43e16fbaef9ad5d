"""Densities of rows by kernels whose width is set by how far apart real rows lie there: tables are crowded here and empty there."""

from __future__ import annotations

import numpy as np

LEAST = 1e-3
"""Distances below this are equal: single precision cannot tell them apart."""


def width(real: np.ndarray, *, nearest: int, share: float) -> np.ndarray:
    """[rows, 1]: this share of the distance to the `nearest`-th real row; `real` are rising distances [rows, k]."""
    return share * (real[:, min(nearest, real.shape[1]) - 1 : min(nearest, real.shape[1])].astype(np.float64) + LEAST)


def log_mean(distances: np.ndarray, wide: np.ndarray, rows: int) -> np.ndarray:
    """float64 [rows]: log of the mean of Gaussian kernels of `rows` rows, of which the nearest, at these distances, tell nearly all."""
    power = -0.5 * ((distances + LEAST) / wide) ** 2
    most = power.max(1, keepdims=True)
    return most[:, 0] + np.log(np.exp(power - most).sum(1)) - np.log(rows)
