"""Rows under exact conditions from another tool; runs in that tool's environment.

given_rival.py TOOL LEARN.csv ASKED.json ROWS    # TOOL: sdv-copula, mostlyai; writes K.csv and times.json beside LEARN.csv

ASKED.json is a list of {column: value}. mostlyai-engine is given three minutes to train, all else is at its defaults.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

MINUTES = 3.0
Draw = Callable[[dict[str, Any], int], pd.DataFrame]


def sdv(frame: pd.DataFrame, folder: Path) -> Draw:
    """SDV's Gaussian copula, which conditions natively."""
    from sdv.metadata import Metadata
    from sdv.sampling import Condition
    from sdv.single_table import GaussianCopulaSynthesizer

    made = GaussianCopulaSynthesizer(Metadata.detect_from_dataframes({"table": frame}, infer_keys=None))
    made.fit({"table": frame})
    return lambda asked, rows: made.sample_from_conditions([Condition(num_rows=rows, column_values=asked)])["table"]


def mostlyai(frame: pd.DataFrame, folder: Path) -> Draw:
    """mostlyai-engine, whose seed data are the conditions."""
    from mostlyai import engine

    work = folder / "work"
    engine.set_random_state(0)
    engine.split(workspace_dir=work, tgt_data=frame, model_type="TABULAR")
    engine.analyze(workspace_dir=work)
    engine.encode(workspace_dir=work)
    engine.train(workspace_dir=work, max_training_time=MINUTES)

    def draw(asked: dict[str, Any], rows: int) -> pd.DataFrame:
        shutil.rmtree(work / "SyntheticData", ignore_errors=True)
        engine.generate(workspace_dir=work, seed_data=pd.DataFrame([asked] * rows))
        return pd.read_parquet(work / "SyntheticData")

    return draw


def main() -> None:
    """Fit once, then draw under each set of conditions."""
    tool, path, asked, rows = sys.argv[1], Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text()), int(sys.argv[4])
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    began = time.perf_counter()
    draw = {"sdv-copula": sdv, "mostlyai": mostlyai}[tool](frame, path.parent)
    times: dict[str, Any] = {"fit": time.perf_counter() - began, "draws": []}
    for k, conditions in enumerate(asked):
        began = time.perf_counter()
        try:
            draw(conditions, rows).to_csv(path.parent / f"{k}.csv", index=False)
            times["draws"].append(time.perf_counter() - began)
        except (ValueError, RuntimeError) as error:
            times["draws"].append(str(error).splitlines()[0])
    (path.parent / "times.json").write_text(json.dumps(times))


if __name__ == "__main__":
    main()
