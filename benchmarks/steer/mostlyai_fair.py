"""Rows by mostlyai-engine with its fairness; runs in its environment.

mostlyai_fair.py FOLDER TARGET GROUP ROWS SEED    # reads learn.csv and writes made.csv in FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from mostlyai import engine
from mostlyai.engine.domain import FairnessConfig

MINUTES = 3.0


def main() -> None:
    """Fit for three minutes at most, then draw."""
    folder, target, group, rows, seed = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    engine.set_random_state(seed)
    frame, work = pd.read_csv(folder / "learn.csv", keep_default_na=False, na_values=[""]), folder / "work"
    engine.split(workspace_dir=work, tgt_data=frame, model_type="TABULAR")
    engine.analyze(workspace_dir=work)
    engine.encode(workspace_dir=work)
    engine.train(workspace_dir=work, max_training_time=MINUTES)
    engine.generate(workspace_dir=work, sample_size=rows, fairness=FairnessConfig(target_column=target, sensitive_columns=[group]))
    pd.read_parquet(work / "SyntheticData").to_csv(folder / "made.csv", index=False)


if __name__ == "__main__":
    main()
