"""SDV's PAR (probabilistic autoregressive, a recurrent network) with its defaults, but for as many epochs as fit into the time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from sdv.metadata import Metadata
from sdv.sequential import PARSynthesizer

PACKAGES = ("sdv", "deepecho", "rdt", "torch", "numpy", "pandas")
EPOCHS = 128


def read(folder: Path) -> tuple[pd.DataFrame, dict[str, Any], Metadata]:
    """The rows, and whose and how they are ordered."""
    about = json.loads((folder / "about.json").read_text())
    dates = [c for c, kind in about["kinds"].items() if kind == "datetime"]
    labels = {c: "str" for c, kind in about["kinds"].items() if kind == "category"}
    rows = pd.read_csv(folder / "train.csv", parse_dates=dates, dtype=labels, keep_default_na=False, na_values=[""])
    kinds = {"number": "numerical", "category": "categorical", "datetime": "datetime"}
    columns: dict[str, dict[str, str]] = {about["subject"]: {"sdtype": "id"}}
    columns |= {c: {"sdtype": kinds[kind]} for c, kind in about["kinds"].items()}
    for name in dates:
        columns[name]["datetime_format"] = "%Y-%m-%d %H:%M:%S"
        rows[name] = rows[name].dt.strftime("%Y-%m-%d %H:%M:%S")
    table = {"columns": columns, "sequence_key": about["subject"], "sequence_index": about["order"]}
    return rows, about, Metadata.load_from_dict({"tables": {"table": table}, "relationships": []})


def learn(rows: pd.DataFrame, about: dict[str, Any], metadata: Metadata, epochs: int) -> tuple[PARSynthesizer, float]:
    """A fitted synthesizer, and seconds."""
    torch.manual_seed(0)
    start = time.perf_counter()
    made = PARSynthesizer(metadata, context_columns=about["statics"], epochs=epochs, cuda=False, verbose=False)
    made.fit({"table": rows})
    return made, time.perf_counter() - start


def fit(folder: Path, model: str, *, seconds: float) -> tuple[Any, str]:
    """As many epochs as fit, by trials of one and of two; if even those are too long, the one."""
    rows, about, metadata = read(folder)
    start = time.perf_counter()
    made, first = learn(rows, about, metadata, 1)
    if 3.5 * first > seconds:
        return (made, about), f"1 of {EPOCHS} epochs"
    _, second = learn(rows, about, metadata, 3)
    each = max((second - first) / 2, 1e-3)
    left = 0.85 * seconds - (time.perf_counter() - start)
    epochs = max(1, min(EPOCHS, int((left - max(first - each, 0)) / each)))
    made, _ = learn(rows, about, metadata, epochs)
    return (made, about), "" if epochs == EPOCHS else f"{epochs} of {EPOCHS} epochs"


def draw(made: Any, out: Path) -> None:
    """As many subjects as are held out."""
    model, about = made
    out.mkdir()
    model.sample_sequences(num_sequences=about["subjects"])["table"].to_csv(out / "made.csv", index=False)
