"""Rows of the class `yes` from SDV's CTGAN at its defaults; runs in SDV's environment.

ctgan.py LEARN.csv ROWS SEED    # writes made.csv beside it
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sdv.metadata import Metadata
from sdv.sampling import Condition
from sdv.single_table import CTGANSynthesizer

MOST_BATCHES = 20_000


def main() -> None:
    """Fit, then draw rows of the class."""
    path, rows, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    settings = {"epochs": int(sys.argv[4])} if len(sys.argv) > 4 else {}
    torch.manual_seed(seed)
    np.random.seed(seed)  # SDV draws from it
    frame = pd.read_csv(path)
    made = CTGANSynthesizer(Metadata.detect_from_dataframes({"table": frame}, infer_keys=None), **settings)
    made.fit({"table": frame})
    asked = [Condition(num_rows=rows, column_values={"y": "yes"})]
    drawn = made.sample_from_conditions(asked, max_tries_per_batch=MOST_BATCHES)["table"]
    drawn.to_csv(path.with_name("made.csv"), index=False)


if __name__ == "__main__":
    main()
