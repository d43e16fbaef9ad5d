"""Outside judges of linked tables: SDMetrics' multi-table report, SyntheRela's C2ST-Agg, and a SQLite database with all constraints on.

    python judge.py REAL SYNTHETIC COLUMNS OUT

Errors in percent, 0 is best; C2ST-Agg is the accuracy of gradient-boosted trees, 0.5 is best, the mean over tables that others refer to.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MOST = 20_000
"""Rows of a table that the classifier looks at: SyntheRela one-hot encodes all levels."""
LATE = "DEFERRABLE INITIALLY DEFERRED"
LEVELS = 200
"""Levels beyond which a column is not one-hot encoded for it."""


def read(folder: Path, columns: dict[str, dict[str, str]]) -> dict[str, pd.DataFrame]:
    """The tables in the kinds that the judges are told; what cannot be read as its kind is missing."""
    out = {}
    for table, kinds in columns.items():
        rows = pd.read_csv(folder / f"{table}.csv", dtype="object", keep_default_na=False, na_values=[""])
        for name, kind in kinds.items():
            if kind == "numerical":
                rows[name] = pd.to_numeric(rows[name], errors="coerce")
            elif kind == "datetime":
                rows[name] = pd.to_datetime(rows[name], errors="coerce", format="ISO8601")
        out[table] = rows[list(kinds)]
    return out


def metadata(keys: dict[str, Any], columns: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Tables and links as SDMetrics wants them; keys of several columns and links of a table to itself it does not know."""
    tables = {}
    for name, about in keys.items():
        tables[name] = {"columns": {c: {"sdtype": kind} for c, kind in columns[name].items()}}
        if len(about["primary_key"]) == 1:
            tables[name]["primary_key"] = about["primary_key"][0]
    links = [
        {
            "parent_table_name": f["references"], "child_table_name": name,
            "parent_primary_key": f["ref_columns"][0], "child_foreign_key": f["columns"][0],
        }
        for name, about in keys.items()
        for f in about["foreign_keys"]
        if f["references"] != name
    ]  # fmt: skip
    return {"tables": tables, "relationships": links}


def reported(real: dict[str, pd.DataFrame], made: dict[str, pd.DataFrame], about: dict[str, Any]) -> dict[str, float]:
    """SDMetrics' four properties, turned into errors in percent."""
    from sdmetrics.reports.multi_table import QualityReport

    report = QualityReport()
    report.generate(real, made, about, verbose=False)
    found = report.get_properties().set_index("Property")["Score"]
    names = {"shape": "Column Shapes", "trend": "Column Pair Trends", "cardinality": "Cardinality", "link_trend": "Intertable Trends"}
    return {short: 100 * (1 - float(found[name])) for short, name in names.items() if name in found}


def told(real: dict[str, pd.DataFrame], made: dict[str, pd.DataFrame], about: dict[str, Any]) -> dict[str, Any]:
    """SyntheRela's C2ST-Agg by parent table: accuracies."""
    from syntherela.metadata import Metadata
    from syntherela.metrics.multi_table.detection import AggregationDetection
    from xgboost import XGBClassifier

    known = json.loads(json.dumps(about))
    for name, table in known["tables"].items():
        for column, entry in table["columns"].items():
            if entry["sdtype"] == "categorical" and real[name][column].nunique() > LEVELS:
                entry["sdtype"] = "id"
    rng = np.random.default_rng(0)
    sides = [{n: t for n, t in side.items()} for side in (real, made)]
    schema = Metadata.load_from_dict(known | {"METADATA_SPEC_VERSION": "MULTI_TABLE_V1"})
    judge = AggregationDetection(XGBClassifier, classifier_args={"seed": 0, "n_jobs": 1}, random_state=42)
    out = {}
    for name in schema.get_tables():
        if not judge.is_applicable(schema, name):
            continue
        rows = min(len(side[name]) for side in sides)
        if rows < 20:
            continue
        cut = [{**side, name: side[name].iloc[rng.permutation(len(side[name]))[:MOST]]} for side in sides]
        try:
            found = judge.run(*cut, schema, target_table=name)
        except (ValueError, KeyError, TypeError) as error:
            print(name, type(error).__name__, error)
            continue
        out[name] = {"accuracy": float(found["accuracy"]), "error": float(found["SE"]), "rows": rows}
    return out


def loaded(folder: Path, keys: dict[str, Any]) -> dict[str, Any]:
    """Whether a database with primary and foreign keys takes the tables, and how many references and keys are broken."""
    tables = {n: pd.read_csv(folder / f"{n}.csv", dtype="object", keep_default_na=False, na_values=[""]) for n in keys}
    broken = 0
    for name, about in keys.items():
        rows = tables[name]
        if about["primary_key"]:
            key = rows[about["primary_key"]]
            broken += int(key.duplicated().sum() + key.isna().any(axis=1).sum())
        for f in about["foreign_keys"]:
            mine, theirs = rows[f["columns"]].dropna(), tables[f["references"]][f["ref_columns"]]
            known = set(map(tuple, theirs.astype(str).to_numpy()))
            broken += sum(tuple(r) not in known for r in mine.astype(str).to_numpy())
    base = sqlite3.connect(":memory:")
    error = ""
    try:
        for name, about in keys.items():
            parts = [f'"{c}" TEXT' for c in tables[name].columns]
            parts += [f"PRIMARY KEY ({_quoted(about['primary_key'])})"] if about["primary_key"] else []
            parts += [
                f'FOREIGN KEY ({_quoted(f["columns"])}) REFERENCES "{f["references"]}" ({_quoted(f["ref_columns"])}) {LATE}'
                for f in about["foreign_keys"]
            ]
            base.execute(f'CREATE TABLE "{name}" ({", ".join(parts)}) STRICT')
        base.execute("PRAGMA foreign_keys = ON")
        with base:
            for name, rows in tables.items():
                marks = ", ".join("?" * len(rows.columns))
                cells = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
                base.executemany(f'INSERT INTO "{name}" VALUES ({marks})', cells)
    except sqlite3.Error as failed:
        error = str(failed)
    return {"violations": broken, "loads": not error, "error": error}


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{n}"' for n in names)


def main() -> None:
    """Judge one folder of tables."""
    warnings.simplefilter("ignore")
    real, made, where, out = (Path(a) for a in sys.argv[1:5])
    columns = json.loads(where.read_text())["columns"]
    keys = json.loads((real / "keys.json").read_text())["tables"]
    found: dict[str, Any] = loaded(made, keys)
    sides, about = [read(f, columns) for f in (real, made)], metadata(keys, columns)
    found["rows"] = {n: len(t) for n, t in sides[1].items()}
    found |= reported(*sides, about)
    agg = told(*sides, about)
    found["c2st_agg"] = float(np.mean([a["accuracy"] for a in agg.values()])) if agg else None
    found["c2st_agg_tables"] = agg
    out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
