"""mostlyai-engine (TabularARGN) with its defaults; training ends by its own time limit where its early stop has not come by then."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from mostlyai import engine
from mostlyai.engine.domain import DifferentialPrivacyConfig
from opacus.accountants.utils import get_noise_multiplier

PACKAGES = ("mostlyai-engine", "torch", "opacus", "transformers", "numpy", "pandas")
BATCH, EPOCHS, SHARE = 256, 15, 0.8
"""Of private training: rows of a batch, epochs that ε is to last, and the tool's share of rows that train. Its default noise, 1.5 times the
clip, overspends a small ε in the first epoch and could never spend a large one."""


def fit(
    train: Path, model: str, *, seconds: float, facts: str = "", epsilon: float | None = None, delta: float = 0.0, seed: int = 0
) -> tuple[Path, str]:
    """Split, analyze, encode and train in a fresh workspace folder.

    With `epsilon` the training is private, with as much noise as spends ε in EPOCHS epochs. The tool takes no public facts but what
    is a category. It may read bounds and labels from the data free of charge, as the others are given them; by default it pays ε = 1.
    """
    start = time.perf_counter()
    engine.set_random_state(seed)
    folder = Path(tempfile.mkdtemp(dir=train.parent))
    frame, kinds = told(train, facts)
    private, limits = None, {}
    if epsilon is not None:
        noise = get_noise_multiplier(
            target_epsilon=epsilon, target_delta=delta, sample_rate=BATCH / (SHARE * len(frame)), epochs=EPOCHS, accountant="rdp"
        )
        private = DifferentialPrivacyConfig(max_epsilon=epsilon, delta=delta, noise_multiplier=noise, value_protection_epsilon=None)
        limits = {"batch_size": BATCH, "max_epochs": EPOCHS}
    engine.split(workspace_dir=folder, tgt_data=frame, model_type="TABULAR", tgt_encoding_types=kinds)
    engine.analyze(workspace_dir=folder, value_protection=private is None)
    engine.encode(workspace_dir=folder)
    left = 0.9 * seconds - (time.perf_counter() - start)
    engine.train(workspace_dir=folder, max_training_time=left / 60, differential_privacy=private, **limits)
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
