"""mostlyai's SDK in local mode: each table's link to the longest table is its context, the others are not; training shares the time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mostlyai.sdk import MostlyAI

PACKAGES = ("mostlyai", "mostlyai-engine", "torch", "numpy", "pandas")


def fit(folder: Path, model: str, *, seconds: float) -> tuple[Any, str]:
    """A trained generator; a key of several columns is none for it, a link to the table itself is left out."""
    keys = json.loads((folder / "real" / "keys.json").read_text())["tables"]
    columns = json.loads((folder / "columns.json").read_text())["columns"]
    client = MostlyAI(local=True, local_dir=str(folder / "mostlyai"), quiet=True)
    tables, notes = [], []
    for name, about in keys.items():
        text = [n for n, kind in columns[name].items() if kind == "id"]
        rows = pd.read_csv(
            folder / "real" / f"{name}.csv", dtype=dict.fromkeys(text, "string"), keep_default_na=False, na_values=[""], low_memory=False
        )
        for column, kind in columns[name].items():
            if kind == "datetime":
                rows[column] = pd.to_datetime(rows[column])
        links, longest = [], max((keys[k["references"]]["rows"] for k in about["foreign_keys"] if k["references"] != name), default=0)
        for link in about["foreign_keys"]:
            if link["references"] == name:
                notes.append(f"{name}: the link to itself left out, as its model of it fails")
                continue
            context = keys[link["references"]]["rows"] == longest and not any(k["is_context"] for k in links)
            links.append({"column": link["columns"][0], "referenced_table": link["references"], "is_context": context})
        config = {"name": name, "data": rows, "foreign_keys": links}
        config["tabular_model_configuration"] = {
            "max_training_time": max(0.05, 0.5 * seconds / 60 / len(keys)),
            "enable_model_report": False,
        }
        if len(about["primary_key"]) == 1:
            config["primary_key"] = about["primary_key"][0]
        elif about["primary_key"]:
            notes.append(f"{name}: a key of several columns left out")
        tables.append(config)
    made = client.train(config={"name": folder.name, "tables": tables}, start=True, wait=True, progress_bar=False)
    return (client, made), "; ".join(notes)


def draw(made: Any, out: Path) -> None:
    """As many rows as were learnt from."""
    client, generator = made
    out.mkdir()
    found = client.generate(generator, start=True, wait=True, progress_bar=False).data()
    for name, rows in found.items():
        rows.to_csv(out / f"{name}.csv", index=False)
