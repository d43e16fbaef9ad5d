"""A shop wants to know what its database does with ten times the trade: customers, their invoices and their lines are made, and loaded with constraints on.

Online retail: a forest learns how customers, invoices and lines hang together; ten times as many customers go straight into SQLite, or PostgreSQL with
--database postgresql://user@host/empty. Questions that a shop asks are put to both databases, and timed.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import numpy as np
import pandas as pd
from common import MADE, REAL, asked, keep, panels

import lookalike as la

FILE = "ecommerce/online_retail/online_retail.parquet"
TIMES = 10
COUNT = 'SELECT count(*) FROM "{}"'
LOST = 'SELECT count(*) FROM "lines" l LEFT JOIN "invoices" i ON l."InvoiceNo" = i."InvoiceNo" WHERE i."InvoiceNo" IS NULL'
BEST = """SELECT c."CustomerID", sum(l."Quantity" * l."UnitPrice") AS spent FROM "customers" c JOIN "invoices" i ON i."CustomerID" = c."CustomerID"
    JOIN "lines" l ON l."InvoiceNo" = i."InvoiceNo" GROUP BY c."CustomerID" ORDER BY spent DESC"""


def tables(sold: pd.DataFrame, most: int) -> dict[str, pd.DataFrame]:
    """The flat file as three linked tables, of the first customers."""
    sold = sold[sold.CustomerID.notna() & ~sold.InvoiceNo.str.startswith("C")]
    sold = sold[sold.CustomerID.isin(sold.CustomerID.drop_duplicates().sample(frac=1, random_state=0)[:most])]
    sold = sold.assign(line_id=np.arange(1, len(sold) + 1), CustomerID=sold.CustomerID.astype(int))
    return {
        "customers": sold.drop_duplicates("CustomerID")[["CustomerID", "Country"]],
        "invoices": sold.drop_duplicates("InvoiceNo")[["InvoiceNo", "CustomerID", "InvoiceDate"]],
        "lines": sold[["line_id", "InvoiceNo", "StockCode", "Quantity", "UnitPrice"]],
    }


def connected(url: str) -> Any:
    """A connection to SQLite or PostgreSQL."""
    if url.startswith("sqlite:///"):
        return sqlite3.connect(url.removeprefix("sqlite:///"))
    import adbc_driver_postgresql.dbapi

    return adbc_driver_postgresql.dbapi.connect(url)


def ask(cursor: Any, question: str) -> list[Any]:
    """The answer of a database."""
    cursor.execute(question)
    return cursor.fetchall()


def main() -> None:
    args = asked(__doc__, FILE, rows=800)
    real = tables(pd.read_parquet(args.data / FILE), args.rows)
    url = args.database or f"sqlite:///{args.out / 'shop.db'}"
    if not args.database:
        (args.out / "shop.db").unlink(missing_ok=True)
    start = time.perf_counter()
    model = la.fit(real, subject="customers", seed=0)
    fitted = time.perf_counter()
    la.sample(model, scale=TIMES, seed=1, out=url)
    drawn = time.perf_counter()
    print(f"learned in {fitted - start:.0f} s; drawn and loaded, keys and links checked by the database, in {drawn - fitted:.0f} s")

    with connected(url) as base:
        cursor = base.cursor()
        sizes = {name: ask(cursor, COUNT.format(name))[0][0] for name in real}
        (lost,), asked_at = ask(cursor, LOST)[0], time.perf_counter()
        spent = np.array([float(row[1]) for row in ask(cursor, BEST)])
        took = time.perf_counter() - asked_at
    paid = (real["lines"].assign(x=lambda x: x.Quantity * x.UnitPrice).merge(real["invoices"]).groupby("CustomerID").x.sum()).to_numpy()
    top = [100 * np.sort(v)[-len(v) // 10 :].sum() / v.sum() for v in (paid, spent)]

    figure, (rows, curve) = panels("Rows of each table", "What a customer spends")
    for shift, counts, colour in ((-0.2, [len(t) for t in real.values()], REAL), (0.2, list(sizes.values()), MADE)):
        rows.bar_label(rows.bar(np.arange(3) + shift, counts, 0.38, color=colour), [f"{n:,}" for n in counts], fontsize=7)
    rows.set(xticks=range(3), xticklabels=list(real), yscale="log")
    for values, colour, name in ((paid, REAL, "real"), (spent, MADE, f"made, × {TIMES}")):
        curve.plot(np.sort(values[values > 0]), np.linspace(100, 0, (values > 0).sum()), color=colour, label=name)
    curve.set(xscale="log", xlabel="pounds, all invoices together", ylabel="% of customers spend more")
    curve.legend(frameon=False, fontsize=8)
    keep(figure, args.out / "shop.png")
    print(
        f"Gained: {sizes['lines']:,} lines of {sizes['customers']:,} made-up customers in {url.partition(':')[0]}, {lost} without an invoice; the best customers "
        f"come out in {took:.2f} s, and a tenth of them brings {top[1]:.0f} % of the sales (real: {top[0]:.0f} %)."
    )


if __name__ == "__main__":
    main()
