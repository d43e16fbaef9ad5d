"""A shop wants to know what its database does with ten times the trade: customers, invoices and lines are made, and loaded.

Online retail: a forest learns how the three hang together; ten times as many customers go straight into SQLite, constraints on, or with
--database postgresql://user@host/empty into PostgreSQL. A question that a shop asks is put to the database, and timed.
"""

from __future__ import annotations

import importlib
import sqlite3
import time

import numpy as np
import pandas as pd
from common import MADE, REAL, asked, keep, panels

import lookalike as la

FILE = "ecommerce/online_retail/online_retail.parquet"
LOST = 'SELECT count(*) FROM "lines" l LEFT JOIN "invoices" i ON l."InvoiceNo" = i."InvoiceNo" WHERE i."InvoiceNo" IS NULL'
BEST = 'SELECT sum(l."Amount") FROM "invoices" i JOIN "lines" l ON l."InvoiceNo" = i."InvoiceNo" GROUP BY i."CustomerID"'


def tables(sold: pd.DataFrame, most: int) -> dict[str, pd.DataFrame]:
    """The flat file as three linked tables, of customers drawn at random."""
    sold = sold[sold.CustomerID.notna() & ~sold.InvoiceNo.str.startswith("C") & (sold.Quantity < 10_000)]  # 2 were errors, cancelled later
    sold = sold[sold.CustomerID.isin(sold.CustomerID.drop_duplicates().sample(frac=1, random_state=0)[:most])]
    sold["Amount"] = (sold.Quantity * sold.UnitPrice).round(2)
    sold = sold.assign(line_id=np.arange(1, len(sold) + 1), CustomerID=sold.CustomerID.astype(int))
    lines = sold[["line_id", "InvoiceNo", "StockCode", "Quantity", "UnitPrice", "Amount"]]
    invoices = sold.drop_duplicates("InvoiceNo")[["InvoiceNo", "CustomerID", "InvoiceDate"]]
    return {"customers": sold.drop_duplicates("CustomerID")[["CustomerID", "Country"]], "invoices": invoices, "lines": lines}


def connected(url: str) -> sqlite3.Connection:
    """A connection to SQLite, or one alike to PostgreSQL."""
    if url.startswith("sqlite:///"):
        return sqlite3.connect(url.removeprefix("sqlite:///"))
    return importlib.import_module("adbc_driver_postgresql.dbapi").connect(url)


def main() -> None:
    args = asked(__doc__, FILE, rows=800)
    real = tables(pd.read_parquet(args.data / FILE), args.rows)
    (args.out / "shop.db").unlink(missing_ok=True)
    url = args.database or f"sqlite:///{args.out / 'shop.db'}"
    clock = [time.perf_counter()]
    model = la.fit(real, subject="customers", seed=0)
    clock.append(time.perf_counter())
    la.sample(model, scale=10, seed=1, out=url)
    clock.append(time.perf_counter())
    with connected(url) as base:
        cursor = base.cursor()
        counts = {name: cursor.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in real}
        lost = cursor.execute(LOST).fetchone()[0]
        clock.append(time.perf_counter())
        spent = np.array([float(row[0]) for row in cursor.execute(BEST).fetchall()])
        clock.append(time.perf_counter())
    paid = real["lines"].merge(real["invoices"]).groupby("CustomerID").Amount.sum().to_numpy()
    top = [100 * np.sort(v)[-len(v) // 10 :].sum() / v.sum() for v in (paid, spent)]

    figure, (rows, curve) = panels("Rows of each table", "What a customer spends")
    for shift, sizes, colour in ((-0.2, [len(t) for t in real.values()], REAL), (0.2, list(counts.values()), MADE)):
        rows.bar_label(rows.bar(np.arange(3) + shift, sizes, 0.38, color=colour), [f"{n:,}" for n in sizes], fontsize=7)
    rows.set(xticks=range(3), xticklabels=list(real), yscale="log")
    for values, colour, name in ((paid, REAL, "real"), (spent, MADE, "made, × 10")):
        curve.plot(np.sort(values), np.linspace(100, 0, len(values)), color=colour, label=name)
    curve.set(xscale="log", xlabel="pounds, all invoices together", ylabel="% of customers spend more")
    learned, loaded, _, took = np.diff(clock)
    keep(
        figure,
        args.out / "shop.png",
        f"{counts['lines']:,} lines of {counts['customers']:,} made-up customers, learned in {learned:.0f} s and loaded in {loaded:.0f} s,",
        f"{lost} of them without an invoice; the sales of all customers are added up in {took:.2f} s, and the best tenth of them",
        f"brings {top[1]:.0f} % (real: {top[0]:.0f} %).",
    )


if __name__ == "__main__":
    main()
