"""Sequences cut into halves of whole subjects: what is learned from, what it is judged by, and the learned half shuffled as a floor.

python sets.py NAME SHARED FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd


def invoices(shared: Path) -> tuple[pd.DataFrame, str, str]:
    """Online retail: an invoice a row, those of a customer in time."""
    lines = pd.read_parquet(shared / "ecommerce" / "online_retail" / "online_retail.parquet")
    lines = lines[lines["CustomerID"].notna()]
    lines["amount"] = lines["Quantity"] * lines["UnitPrice"]
    grouped = lines.groupby(["CustomerID", "InvoiceNo"], sort=False)
    whole = {"InvoiceDate": ("InvoiceDate", "min"), "Country": ("Country", "first"), "lines": ("StockCode", "size")}
    rows = grouped.agg(**whole, items=("Quantity", "sum"), amount=("amount", "sum")).reset_index()
    rows["amount"], rows["cancelled"] = rows["amount"].round(2), rows["InvoiceNo"].str.startswith("C").map({True: "yes", False: "no"})
    return rows.drop(columns="InvoiceNo"), "CustomerID", "InvoiceDate"


def lines(shared: Path) -> tuple[pd.DataFrame, str, str]:
    """Online retail: a line of an invoice a row, those of a customer in time."""
    rows = pd.read_parquet(shared / "ecommerce" / "online_retail" / "online_retail.parquet")
    rows = rows.loc[rows["CustomerID"].notna(), ["CustomerID", "InvoiceDate", "StockCode", "Quantity", "UnitPrice", "Country"]]
    return rows.assign(UnitPrice=rows["UnitPrice"].round(2)), "CustomerID", "InvoiceDate"


def stays(shared: Path) -> tuple[pd.DataFrame, str, str]:
    """The eICU demo: an hour of a stay in intensive care a row, with what is known of the patient."""
    folder = shared / "healthcare" / "eicu_demo_icu"
    dyn, sta, out = (pd.read_parquet(folder / f"{name}.parquet") for name in ("dyn", "sta", "outc"))
    rows = dyn.merge(sta, on="stay_id").merge(out.rename(columns={"label": "died"}), on="stay_id")
    return rows.assign(died=rows["died"].map({0: "no", 1: "yes"})), "stay_id", "hour"


def engines(shared: Path) -> tuple[pd.DataFrame, str, str]:
    """C-MAPSS FD001: a cycle of an engine a row, up to its failure."""
    return pd.read_parquet(shared / "predictive_maintenance" / "cmapss_fd001" / "train_FD001.parquet"), "unit", "cycle"


def visits(shared: Path) -> tuple[pd.DataFrame, str, str]:
    """A web access log: a request a row, those of a visitor in time."""
    rows = pd.read_csv(shared / "clickstream" / "web_access_log" / "web_access_log.csv.gz")
    rows["time"], rows["status"] = pd.to_datetime(rows["time"]), rows["status"].astype(str)
    return rows, "visitor", "time"


SETS = {"invoices": invoices, "stays": stays, "engines": engines, "visits": visits, "lines": lines}


def kind(values: pd.Series) -> str:
    """number, datetime or category."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return "datetime"
    return "number" if pd.api.types.is_numeric_dtype(values) else "category"


def shuffled(rows: pd.DataFrame, subject: str, order: str, rng: np.random.Generator) -> pd.DataFrame:
    """The rows of each subject in random order, but for the column that orders them: every value stays, nothing follows on anything."""
    mixed = rows.iloc[np.lexsort((rng.random(len(rows)), pd.factorize(rows[subject])[0]))].reset_index(drop=True)
    return mixed.assign(**{order: rows[order].to_numpy()})


def main(name: str, shared: Path, folder: Path) -> None:
    """Write train.csv, test.csv, shuffled.csv and about.json."""
    rows, subject, order = SETS[name](shared)
    rows = rows.iloc[np.lexsort((np.arange(len(rows)), rows[order], rows[subject]))].reset_index(drop=True)
    rng = np.random.default_rng(7)
    ids = rng.permutation(rows[subject].unique())
    learned = rows[subject].isin(ids[: len(ids) // 2])
    folder.mkdir(parents=True, exist_ok=True)
    train, test = rows[learned].reset_index(drop=True), rows[~learned].reset_index(drop=True)
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    shuffled(train, subject, order, rng).to_csv(folder / "shuffled.csv", index=False)
    kinds = {c: kind(rows[c]) for c in rows if c != subject}
    statics = [c for c in kinds if c != order and (train.groupby(subject)[c].nunique(dropna=False) == 1).all()]
    constant = [c for c in statics if train[c].nunique(dropna=False) == 1]
    about = {"subject": subject, "order": order, "kinds": kinds, "statics": statics, "constant": constant}
    about |= {"subjects": int(test[subject].nunique()), "rows": len(train), "longest": int(train[subject].value_counts().max())}
    (folder / "about.json").write_text(json.dumps(about, indent=1))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
