"""mostlyai-engine (TabularARGN) with its defaults; training ends by its own time limit where its early stop has not come by then."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from mostlyai import engine
from mostlyai.engine.domain import DifferentialPrivacyConfig

PACKAGES = ("mostlyai-engine", "torch", "opacus", "transformers", "numpy", "pandas")
NOISE = 1.5
"""Its default noise multiplier. Below ε = 1, where one epoch of it would overspend, 1 / ε times as much."""


def fit(
    train: Path, model: str, *, seconds: float, facts: str = "", epsilon: float | None = None, delta: float = 0.0, seed: int = 0
) -> tuple[Path, str]:
    """Split, analyze, encode and train in a fresh workspace folder.

    With `epsilon` the training is private. The tool takes no public facts but what is a category. It is let read bounds and labels from the
    data free of charge, as the other tools are given them: by default it would pay ε = 1 for them.
    """
    start = time.perf_counter()
    engine.set_random_state(seed)
    folder = Path(tempfile.mkdtemp(dir=train.parent))
    frame, kinds = told(train, facts)
    private = None
    if epsilon is not None:
        noise = NOISE * max(1.0, 1 / epsilon)
        private = DifferentialPrivacyConfig(max_epsilon=epsilon, delta=delta, noise_multiplier=noise, value_protection_epsilon=None)
    engine.split(workspace_dir=folder, tgt_data=frame, model_type="TABULAR", tgt_encoding_types=kinds)
    engine.analyze(workspace_dir=folder, value_protection=private is None)
    engine.encode(workspace_dir=folder)
    left = 0.9 * seconds - (time.perf_counter() - start)
    engine.train(workspace_dir=folder, max_training_time=left / 60, differential_privacy=private)
    took = time.perf_counter() - start
    notes = [f"stopped at {took:.0f} s by its own time limit"] if took > 0.9 * seconds else []
    return folder, "; ".join(notes + ([spent(folder)] if private else []))


def told(train: Path, facts: str) -> tuple[pd.DataFrame, dict[str, str] | None]:
    """The table, and the encodings of its categories where they are public."""
    if not facts:
        return pd.read_csv(train, keep_default_na=False, na_values=[""], low_memory=False), None
    sys.path.append(str(Path(__file__).resolve().parents[1] / "private"))
    from facts import load, read

    known = load(Path(facts))
    kinds = {name: "TABULAR_NUMERIC_AUTO" if fact.numeric else "TABULAR_CATEGORICAL" for name, fact in known.items()}
    return read(train, known), kinds


def spent(folder: Path) -> str:
    """ε of the weights that were kept, by the tool's own account, which leaves out the choice of the epoch by its loss on held-out rows."""
    log = pd.read_csv(folder / "ModelStore" / "model-data" / "progress-messages.csv")
    kept = log[log["is_checkpoint"] == 1]
    return f"ε = {kept['dp_eps'].iloc[-1]:g} by its own account after {kept['epoch'].iloc[-1]:g} epochs"


def draw(made: Path, rows: int, path: Path) -> pd.DataFrame | None:
    """Draw rows: the engine writes Parquet parts itself; they are read back only where CSV is asked."""
    engine.generate(workspace_dir=made, sample_size=rows)
    return pd.read_parquet(made / "SyntheticData") if path.suffix == ".csv" else None
