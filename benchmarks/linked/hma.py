"""SDV's HMASynthesizer with its defaults; keys, links and the kinds of columns are told, what it cannot have (several columns in a key,
links to the same table) is left out and noted. It refuses more than five tables or links more than two deep: there its check is off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from sdv.errors import SynthesizerInputError
from sdv.metadata import Metadata
from sdv.multi_table import HMASynthesizer

PACKAGES = ("sdv", "rdt", "copulas", "numpy", "pandas")


def fit(folder: Path, model: str, *, seconds: float) -> tuple[Any, str]:
    """A fitted synthesizer."""
    keys = json.loads((folder / "real" / "keys.json").read_text())["tables"]
    columns = json.loads((folder / "columns.json").read_text())["columns"]
    tables = {n: _read(folder / "real" / f"{n}.csv", columns[n]) for n in keys}
    metadata = Metadata.detect_from_dataframes(tables, infer_keys=None)
    notes = []
    for name, about in keys.items():
        for column, kind in columns[name].items():
            if kind == "datetime":
                metadata.update_column(table_name=name, column_name=column, sdtype="datetime", datetime_format="%Y-%m-%d %H:%M:%S")
            elif kind != "id" or column in _named(keys, name):
                metadata.update_column(table_name=name, column_name=column, sdtype=kind)
        if len(about["primary_key"]) == 1:
            metadata.set_primary_key(table_name=name, column_name=about["primary_key"][0])
        elif about["primary_key"]:
            notes.append(f"{name}: a key of several columns left out")
    for name, about in keys.items():
        for link in about["foreign_keys"]:
            if link["references"] == name:
                notes.append(f"{name}: the link to itself left out")
                continue
            metadata.add_relationship(
                parent_table_name=link["references"],
                child_table_name=name,
                parent_primary_key=link["ref_columns"][0],
                child_foreign_key=link["columns"][0],
            )
    try:
        made = HMASynthesizer(metadata, verbose=False)
    except SynthesizerInputError:
        notes.insert(0, "refused: more than five tables, or links more than two deep; its check was switched off")
        HMASynthesizer._validate_schema_complexity = lambda self: None
        made = HMASynthesizer(metadata, verbose=False)
    made.fit(tables)
    about = json.loads((folder / "columns.json").read_text())
    return (made, about["subject"], about["rows"][about["subject"]]), "; ".join(notes)


def _named(keys: dict[str, Any], table: str) -> set[str]:
    about = keys[table]
    named = {*about["primary_key"], *(c for f in about["foreign_keys"] for c in f["columns"])}
    return named | {c for t in keys.values() for f in t["foreign_keys"] if f["references"] == table for c in f["ref_columns"]}


def _read(file: Path, kinds: dict[str, str]) -> pd.DataFrame:
    names = [n for n, kind in kinds.items() if kind == "id"]
    rows = pd.read_csv(file, dtype=dict.fromkeys(names, "object"), keep_default_na=False, na_values=[""], low_memory=False)
    for name, kind in kinds.items():
        if kind == "datetime":
            rows[name] = pd.to_datetime(rows[name]).dt.strftime("%Y-%m-%d %H:%M:%S")
    return rows


def draw(made: Any, out: Path) -> None:
    """As many rows as were learnt from."""
    out.mkdir()
    synthesizer, subject, count = made
    for name, rows in synthesizer.sample(num_rows=count, main_table_name=subject).items():
        rows.to_csv(out / f"{name}.csv", index=False)
