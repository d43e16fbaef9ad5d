"""The linked tables that are learnt from: a folder of CSV files with `keys.json` each, and what the outside judges are told of the columns.

python sets.py NAME SHARED FOLDER    # writes FOLDER/real, FOLDER/floor, FOLDER/first, FOLDER/second and FOLDER/columns.json
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SUBJECT = {"chinook": "Customer.CustomerId", "northwind": "Customers.CustomerID", "online_retail": "Customer.CustomerID"}
"""Whose data it is."""
ADDRESSES = {
    "chinook": {"Invoice": ("BillingCity", "BillingPostalCode")},
    "northwind": {"Orders": ("ShipName", "ShipCity", "ShipPostalCode")},
}
"""Columns that repeat a person's or firm's name and address: they are not judged, as those are not."""
JUDGED = {"integer": "numerical", "number": "numerical", "category": "categorical", "boolean": "categorical", "constant": "categorical"}
JUDGED |= {"date": "datetime", "datetime": "datetime"}
"""What SDMetrics and SyntheRela are told of a kind of column; all others (keys, names, addresses, free text) are not judged."""


def prepare(name: str, shared: Path, folder: Path) -> None:
    """Write the real tables, the floor (each column but the keys shuffled on its own, references too), and two halves by subject."""
    real = folder / "real"
    shutil.rmtree(folder, ignore_errors=True)
    real.mkdir(parents=True)
    if name == "online_retail":
        retail(shared / "ecommerce" / "online_retail" / "online_retail.parquet", real)
    else:
        plain(shared / "relational" / name, real)
    keys = json.loads((real / "keys.json").read_text())["tables"]
    floor(real, folder / "floor", keys)
    halves(real, folder, keys)


def read(file: Path, keys: set[str]) -> pd.DataFrame:
    """A table with its keys as text, as they stand in the file."""
    return pd.read_csv(file, dtype=dict.fromkeys(keys, "string"), keep_default_na=False, na_values=[""], low_memory=False)


def key_columns(keys: dict[str, Any], table: str) -> set[str]:
    """All columns of a table's keys and links."""
    about = keys[table]
    named = {*about["primary_key"], *(c for f in about["foreign_keys"] for c in f["columns"])}
    return named | {c for t in keys.values() for f in t["foreign_keys"] if f["references"] == table for c in f["ref_columns"]}


def plain(source: Path, real: Path) -> None:
    """Copy a folder; whole numbers that a missing cell made into fractions (5.0) are written as whole numbers."""
    keys = json.loads((source / "keys.json").read_text())
    for table, about in keys["tables"].items():
        rows = read(source / about["file"], key_columns(keys["tables"], table))
        for column in key_columns(keys["tables"], table):
            rows[column] = rows[column].str.replace(r"\.0$", "", regex=True)
        rows.to_csv(real / f"{table}.csv", index=False)
        about["file"] = f"{table}.csv"
    (real / "keys.json").write_text(json.dumps(keys, indent=1))


def retail(source: Path, real: Path) -> None:
    """The retailer's lines as three tables; a line without a customer stands in an invoice without one."""
    lines = pd.read_parquet(source)
    lines["CustomerID"] = lines["CustomerID"].astype("Int64").astype("string")
    customers = lines.dropna(subset=["CustomerID"]).drop_duplicates("CustomerID")[["CustomerID", "Country"]]
    invoices = lines.drop_duplicates("InvoiceNo")[["InvoiceNo", "CustomerID", "InvoiceDate"]]
    items = lines[["InvoiceNo", "StockCode", "Quantity", "UnitPrice"]].copy()
    items.insert(0, "LineNo", np.arange(1, len(items) + 1))
    tables = {"Customer": customers, "Invoice": invoices, "Line": items}
    links = {"Customer": [], "Invoice": [("CustomerID", "Customer")], "Line": [("InvoiceNo", "Invoice")]}
    first = {"Customer": "CustomerID", "Invoice": "InvoiceNo", "Line": "LineNo"}
    keys = {}
    for name, rows in tables.items():
        rows.to_csv(real / f"{name}.csv", index=False)
        foreign = [{"columns": [c], "references": t, "ref_columns": [c], "orphans": 0} for c, t in links[name]]
        keys[name] = {"primary_key": [first[name]], "foreign_keys": foreign, "file": f"{name}.csv", "rows": len(rows)}
    (real / "keys.json").write_text(json.dumps({"tables": keys}, indent=1))


def floor(real: Path, out: Path, keys: dict[str, Any]) -> None:
    """Each column shuffled on its own, references with them: single columns and numbers of children are perfect, all else is gone."""
    rng = np.random.default_rng(0)
    out.mkdir()
    for table, about in keys.items():
        rows = read(real / about["file"], key_columns(keys, table))
        fixed = set(about["primary_key"]) | {
            c for t in keys.values() for f in t["foreign_keys"] if f["references"] == table for c in f["ref_columns"]
        }
        for column in rows.columns:
            if column not in fixed:
                rows[column] = rows[column].to_numpy()[rng.permutation(len(rows))]
        rows.to_csv(out / f"{table}.csv", index=False)


def halves(real: Path, folder: Path, keys: dict[str, Any]) -> None:
    """Two halves by subject, what does not hang on it in both; and what the judges are told of the columns."""
    from lookalike.data import Dataset

    whole = Dataset.of(real)
    whole = Dataset.of(real, schema=whole.schema.model_copy(update={"subject": SUBJECT[folder.name]}))
    for part, name in zip(whole.split(0.5, rng=np.random.default_rng(0)), ("first", "second"), strict=True):
        part.write(folder / name)
    columns = {t.name: {c.name: JUDGED.get(c.kind, "id") for c in t} for t in whole.schema.tables}
    for table, found in columns.items():
        found |= dict.fromkeys((*key_columns(keys, table), *ADDRESSES.get(folder.name, {}).get(table, ())), "id")
    about = {
        "columns": columns,
        "subject": whole.schema.subject_table.name,
        "rows": {t.name: whole.table(t.name).num_rows for t in whole.schema.tables},
    }
    (folder / "columns.json").write_text(json.dumps(about, indent=1))


if __name__ == "__main__":
    prepare(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
