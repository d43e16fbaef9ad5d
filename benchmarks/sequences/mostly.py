"""mostlyai-engine, sequential: owners by a flat model, their rows by a model with them as context; training ends by its own time limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mostlyai import engine

PACKAGES = ("mostlyai-engine", "torch", "numpy", "pandas")
SHARE = 0.2
"""Of the time, for the table of owners."""
KINDS = {"number": "TABULAR_NUMERIC_AUTO", "category": "TABULAR_CATEGORICAL", "datetime": "TABULAR_DATETIME"}


def trained(folder: Path, seconds: float, **data: Any) -> Path:
    """A workspace in which the engine has learned."""
    engine.set_random_state(0)
    engine.split(workspace_dir=folder, model_type="TABULAR", **data)
    engine.analyze(workspace_dir=folder)
    engine.encode(workspace_dir=folder)
    engine.train(workspace_dir=folder, max_training_time=seconds / 60)
    return folder


def fit(folder: Path, model: str, *, seconds: float) -> tuple[Any, str]:
    """Owners, if there is anything to know of them, and rows."""
    about = json.loads((folder / "about.json").read_text())
    subject, kinds, statics = about["subject"], about["kinds"], [c for c in about["statics"] if c not in about["constant"]]
    dates = [c for c, kind in kinds.items() if kind == "datetime"]
    labels = {c: "str" for c, kind in kinds.items() if kind == "category"}
    rows = pd.read_csv(folder / "train.csv", parse_dates=dates, dtype=labels, keep_default_na=False, na_values=[""])
    spaces = {name: folder / f"mostly-{name}" for name in ("owners", "rows")}
    events = rows.drop(columns=about["statics"])
    known = {c: KINDS[kinds[c]] for c in events if c != subject}
    data = {"tgt_data": events, "tgt_context_key": subject, "tgt_encoding_types": known}
    if statics:
        owners = rows.groupby(subject, sort=False)[statics].first().reset_index()
        about_owners = {c: KINDS[kinds[c]] for c in statics}
        trained(spaces["owners"], SHARE * 0.85 * seconds, tgt_data=owners, tgt_primary_key=subject, tgt_encoding_types=about_owners)
        data |= {"ctx_data": owners, "ctx_primary_key": subject, "ctx_encoding_types": about_owners}
    trained(spaces["rows"], (1 - SHARE) * 0.85 * seconds, **data)
    return (spaces, about, statics, rows), ""


def draw(made: Any, out: Path) -> None:
    """As many subjects as are held out, with the columns that have one value only."""
    spaces, about, statics, rows = made
    out.mkdir()
    if statics:
        engine.generate(workspace_dir=spaces["owners"], sample_size=about["subjects"])
        owners = pd.read_parquet(spaces["owners"] / "SyntheticData")
        engine.generate(workspace_dir=spaces["rows"], ctx_data=owners)
        events = pd.read_parquet(spaces["rows"] / "SyntheticData").merge(owners, on=about["subject"])
    else:
        engine.generate(workspace_dir=spaces["rows"], sample_size=about["subjects"])
        events = pd.read_parquet(spaces["rows"] / "SyntheticData")
    for name in about["constant"]:
        events[name] = rows[name].iloc[0]
    events.to_csv(out / "made.csv", index=False)
