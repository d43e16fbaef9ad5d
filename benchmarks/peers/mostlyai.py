"""mostlyai-engine (TabularARGN) with its defaults; training ends by its own time limit where its early stop has not come by then."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pandas as pd
from mostlyai import engine

PACKAGES = ("mostlyai-engine", "torch", "transformers", "numpy", "pandas")


def fit(train: Path, model: str, *, seconds: float) -> tuple[Path, str]:
    """Split, analyze, encode and train in a fresh workspace folder."""
    start = time.perf_counter()
    engine.set_random_state(0)
    folder = Path(tempfile.mkdtemp(dir=train.parent))
    frame = pd.read_csv(train, keep_default_na=False, na_values=[""], low_memory=False)
    engine.split(workspace_dir=folder, tgt_data=frame, model_type="TABULAR")
    engine.analyze(workspace_dir=folder)
    engine.encode(workspace_dir=folder)
    left = 0.9 * seconds - (time.perf_counter() - start)
    engine.train(workspace_dir=folder, max_training_time=left / 60)
    took = time.perf_counter() - start
    return folder, f"stopped at {took:.0f} s by its own time limit" if took > 0.9 * seconds else ""


def draw(made: Path, rows: int, path: Path) -> pd.DataFrame | None:
    """Draw rows: the engine writes Parquet parts itself; they are read back only where CSV is asked."""
    engine.generate(workspace_dir=made, sample_size=rows)
    return pd.read_parquet(made / "SyntheticData") if path.suffix == ".csv" else None
