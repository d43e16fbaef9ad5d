"""What every tool of this benchmark shares: windows in, windows out, seconds told. Runs inside the tool's own environment."""

from __future__ import annotations

import argparse
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Fit = Callable[..., tuple[Any, str]]
Draw = Callable[[Any, int], np.ndarray]
LATE = 2.0
"""Times the cap after which a fit that planned to end in time, or a draw, is ended."""


def serve(fit: Fit, draw: Draw) -> None:
    """Learn windows float32 [n, length, columns], draw as many as asked, write both times; `fit` gets a model and a cap in seconds."""
    ask = argparse.ArgumentParser()
    for name in ("model", "train", "out"):
        ask.add_argument(name)
    ask.add_argument("--rows", type=int, required=True)
    ask.add_argument("--cap", type=float, required=True)
    got = ask.parse_args()
    windows = np.load(got.train)
    signal.alarm(round(LATE * got.cap))
    start, busy = time.perf_counter(), time.process_time()
    made, note = fit(windows, got.model, seconds=got.cap)
    told: dict[str, Any] = {"fit_s": time.perf_counter() - start, "cpu_s": time.process_time() - busy, "note": note}
    if isinstance(note, tuple):  # trials are no part of the training
        told["note"], told["fit_s"] = note
    out = Path(got.out)
    (out / "cell.json").write_text(json.dumps(told))
    signal.alarm(round(LATE * got.cap))
    start = time.perf_counter()
    drawn = np.asarray(draw(made, got.rows), np.float32)
    told["draw_s"] = time.perf_counter() - start
    np.save(out / "made.npy", drawn)
    (out / "cell.json").write_text(json.dumps(told))


def scale(windows: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Columns between 0 and 1, as these tools want them, and the way back."""
    low, high = windows.min(axis=(0, 1)), windows.max(axis=(0, 1))
    wide = np.where(high > low, high - low, 1)
    return ((windows - low) / wide).astype(np.float32), lambda x: x * wide + low


def epochs_within(one: Callable[[int], Any], seconds: float, most: int) -> tuple[Any, str, float]:
    """(what `one(epochs)` makes, note, seconds) with as many epochs as fit in `seconds` by a trial of one, `most` at most.

    The alarm ends the process where even the trial takes longer.
    """
    signal.alarm(round(seconds))
    one(1)  # the first is slow, as all is loaded and compiled then
    signal.alarm(round(seconds))
    start = time.perf_counter()
    one(1)
    each = max(time.perf_counter() - start, 1e-3)
    epochs = max(1, min(most, int(0.95 * seconds / each)))
    signal.alarm(round(LATE * seconds))
    start = time.perf_counter()
    made = one(epochs)
    return made, "" if epochs == most else f"{epochs} of {most} epochs", time.perf_counter() - start
