"""Tables and queries of three databases, against the real thing; PostgreSQL is a server that this file starts."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lookalike.data import Dataset, Writer
from lookalike.data.read import read
from lookalike.errors import DataError, FileError, MissingExtra, UnknownName

N = 300
ORDERS = pa.table(
    {
        "id": pa.array(range(1000, 1000 + N)),
        "price": [round(1.25 + (i * 7919 % 997) / 8, 2) if i % 9 else None for i in range(N)],
        "state": [("open", "paid", "sent", None)[i % 4] for i in range(N)],
        "day": [dt.date(2024, 1, 1) + dt.timedelta(days=i % 50) for i in range(N)],
        "at": [dt.datetime(2024, 1, 1, 5) + dt.timedelta(minutes=37 * i) for i in range(N)],
        "gift": [i % 3 == 0 for i in range(N)],
        "note": [f"said “hi” to no {i}'s friend; and more words" for i in range(N)],
    }
)


def cells(url: str) -> dict[str, list[object]]:
    raw = read(url)
    return pa.Table.from_batches(list(raw.batches()), raw.schema).to_pydict()


# ------------------------------------------------------------------------------------------------------- the servers


Place = Callable[[str], str]


@pytest.fixture(params=["sqlite", "duckdb", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """From parameters to the URL of a database."""
    if request.param == "postgresql":
        base = request.getfixturevalue("postgres")
        return lambda parameters: f"{base}&{parameters}"
    return lambda parameters: f"{request.param}:///{tmp_path}/shop.db?{parameters}"


def fill(url: str, table: pa.Table = ORDERS, *, overwrite: bool = True) -> Dataset:
    data = Dataset.of(table)
    data.write(url, overwrite=overwrite)
    return data


# ------------------------------------------------------------------------------------------------------ round trips


def test_rows_come_back_as_they_went(place: Place) -> None:
    fill(place("table=orders"))
    data = Dataset.of(place("table=orders"))
    assert data.schema.table.name == "orders"
    back = data.native()
    assert data.table()["id"].cast(pa.string()).to_pylist() == [str(i) for i in range(1000, 1000 + N)]
    for name in ("price", "state", "note"):
        assert [None if v != v else v for v in back[name].tolist()] == ORDERS[name].to_pylist(), name
    assert data.schema.table["day"].kind == "date"
    assert data.table()["day"].to_pylist() == ORDERS["day"].to_pylist()
    assert data.schema.table["at"].kind == "datetime"
    assert data.table()["at"].to_pylist() == ORDERS["at"].to_pylist()
    assert data.schema.table["gift"].kind == "boolean"
    assert data.table()["gift"].to_pylist() == ORDERS["gift"].to_pylist()


def test_a_query_is_a_table(place: Place) -> None:
    fill(place("table=orders"))
    assert cells(place("query=select id, state from orders where state = 'paid' order by id limit 2;")) == {
        "id": [1001, 1005],
        "state": ["paid", "paid"],
    }
    assert cells(place("query=SELECT%20id%2B1%20AS%20next%20FROM%20orders%20ORDER%20BY%20id%20LIMIT%201")) == {"next": [1001]}


def test_names_with_odd_characters(place: Place) -> None:
    table = pa.table({'a "b" c': [1, 2], "select": ["x", "y"], "é": [0.5, 1.5]})
    fill(place("table=my%20odd%20%22table%22"), table)
    assert cells(place("table=my%20odd%20%22table%22")) == table.to_pydict()


def test_columns_can_be_chosen_in_any_order(place: Place) -> None:
    fill(place("table=orders"))
    batch = next(read(place("table=orders")).batches(["state", "id"]))
    assert batch.schema.names == ["state", "id"]
    assert batch["id"].to_pylist() == ORDERS["id"].to_pylist()


# ----------------------------------------------------------------------------------------------- whole or not at all


def test_a_table_is_not_replaced_unless_told(place: Place) -> None:
    fill(place("table=orders"))
    with pytest.raises(FileError, match="exists already"):
        Dataset.of(pa.table({"a": [1, 2]})).write(place("table=orders"))
    assert len(cells(place("table=orders"))["id"]) == N
    Dataset.of(pa.table({"a": [1, 2]})).write(place("table=orders"), overwrite=True)
    assert cells(place("table=orders")) == {"a": [1, 2]}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(place: Place, error: type[BaseException]) -> None:
    data = fill(place("table=orders"), ORDERS.slice(0, 20))
    for parameters, overwrite in (("table=orders", True), ("table=fresh", False)):
        with pytest.raises(error), Writer(place(parameters), data.schema, overwrite=overwrite) as writer:
            writer.append(data.table())
            raise error
    assert len(cells(place("table=orders"))["id"]) == 20
    with pytest.raises(UnknownName):
        read(place("table=fresh"))


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_a_database_that_was_not_there_is_gone_after_an_error(tmp_path: Path, scheme: str) -> None:
    data = Dataset.of(ORDERS)
    with pytest.raises(KeyboardInterrupt), Writer(f"{scheme}:///{tmp_path}/new.db?table=t", data.schema) as writer:
        writer.append(data.table())
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------------------------------------------- what is refused


def test_a_misspelt_table_names_the_near_one(place: Place) -> None:
    fill(place("table=orders"))
    with pytest.raises(UnknownName, match="did you mean"):
        read(place("table=ordres"))


def test_a_wrong_query_tells_what_the_database_says(place: Place) -> None:
    fill(place("table=orders"))
    with pytest.raises(FileError, match="the database says") as caught:
        read(place("query=select nothing from nowhere"))
    assert "nowhere" in str(caught.value)


def test_the_only_table_needs_no_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    fill(url + "?table=orders", ORDERS.slice(0, 5))
    assert read(url).name == "orders"
    fill(url + "?table=clients", ORDERS.slice(0, 5))
    with pytest.raises(FileError, match="2 tables") as caught:
        read(url)
    assert "clients, orders" in caught.value.fix


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_a_missing_database_is_not_made_by_reading(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(FileError, match="no such database file"):
        read(f"{scheme}:///{tmp_path}/none.db?table=t")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "a.db").write_text("this is not a database " * 100)
    with pytest.raises(FileError, match="the database says"):
        read(f"{scheme}:///{tmp_path}/a.db?table=t")


def test_urls_that_mean_something_else(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="stands where a host would"):
        read("sqlite://shop.db?table=orders")
    with pytest.raises(FileError, match="names no table to write"):
        Dataset.of(ORDERS).write(f"sqlite:///{tmp_path}/a.db")


def test_a_password_is_not_shown() -> None:
    with pytest.raises((FileError, MissingExtra)) as caught:
        read("postgresql://me:secret@localhost:1/shop?table=orders")
    assert "secret" not in str(caught.value)


# -------------------------------------------------------------------------------------------------- what each one has


def test_sqlite_columns_take_the_type_of_their_values(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as base:
        base.execute("CREATE TABLE t (i INT, r REAL, late, mixed, none, word TEXT)")
        base.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", [(i, i / 2, i, i, None, "x") for i in range(70_000)])
        base.execute("INSERT INTO t VALUES (NULL, 1, 0.5, 'text', NULL, NULL)")
    base.close()
    raw = read(f"sqlite:///{tmp_path}/a.db?table=t")
    assert [str(t) for t in raw.schema.types] == ["int64", "double", "double", "string", "null", "string"]
    last = list(raw.batches())[-1].to_pylist()[-1]
    assert last == {"i": None, "r": 1.0, "late": 0.5, "mixed": "text", "none": None, "word": None}


def test_sqlite_blobs_are_refused_by_name(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as base:
        base.execute("CREATE TABLE t (id INT, photo BLOB)")
        base.execute("INSERT INTO t VALUES (1, x'00ff')")
    base.close()
    with pytest.raises(DataError, match="holds blobs"):
        read(f"sqlite:///{tmp_path}/a.db?table=t")
    assert cells(f"sqlite:///{tmp_path}/a.db?query=select id from t") == {"id": [1]}


def test_duckdb_types(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as base:
        base.execute(
            "CREATE TABLE t AS SELECT 1::UTINYINT a, 1.50::DECIMAL(5,2) b, 'x'::ENUM('x', 'y') c, INTERVAL 90 MINUTE d, 7::HUGEINT e, "
            "'5a6b1cf0-6d0f-4a57-9b1f-2d4f1f0a8f11'::UUID f, TIMESTAMPTZ '2024-01-01 00:00:00+00' g"
        )
    row = {k: v[0] for k, v in cells(f"duckdb:///{tmp_path}/a.duckdb").items()}
    assert (row["a"], str(row["b"]), row["c"], row["d"], int(str(row["e"]))) == (1, "1.50", "x", dt.timedelta(minutes=90), 7)
    assert row["f"] == "5a6b1cf0-6d0f-4a57-9b1f-2d4f1f0a8f11"


@pytest.mark.postgres
def test_postgres_types(postgres: str) -> None:
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(postgres) as base, base.cursor() as cursor:
        cursor.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
        cursor.execute("CREATE SCHEMA sales")
        cursor.execute(
            "CREATE TABLE sales.t AS SELECT 1.50::numeric(10,2) a, 2.25::numeric b, "
            "'12.30'::money c, '5a6b1cf0-6d0f-4a57-9b1f-2d4f1f0a8f11'::uuid d, '10.0.0.1'::inet e, 'glad'::mood f, interval '90 min' g, "
            "'{\"k\": 1}'::jsonb h, 1.5::real i, 3::smallint j, '2024-01-01 05:00+00'::timestamptz k"
        )
        base.commit()
    row = {k: v[0] for k, v in cells(f"{postgres}&table=sales.t").items()}
    assert [str(row[n]) for n in "abc"] == ["1.50", "2.25", "12.30"]
    assert (row["d"], row["e"], row["f"]) == ("5a6b1cf0-6d0f-4a57-9b1f-2d4f1f0a8f11", "10.0.0.1/32", "glad")
    assert (row["g"], row["h"], row["i"], row["j"]) == (dt.timedelta(minutes=90), '{"k": 1}', 1.5, 3)
    Dataset.of(ORDERS).write(f"{postgres}&table=sales.orders")
    assert len(cells(f"{postgres}&table=sales.orders")["id"]) == N


@pytest.mark.postgres
def test_postgres_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="the database says"):
        read(f"postgresql:///shop?host={tmp_path}&table=orders")


def test_keys_beyond_what_sqlite_holds_say_what_to_do_and_go_in_as_text(tmp_path: Path) -> None:
    import lookalike as la

    keys = np.random.default_rng(0).integers(2**63, 2**64 - 1, 60, dtype=np.uint64, endpoint=True)
    rows, url = pd.DataFrame({"id": keys, "x": np.arange(60) / 7}), f"sqlite:///{tmp_path / 'a.db'}?table=t"
    assert (la.sample(la.fit(rows, model="independent"), 90).id.dtype, rows.id.min() >= 2**63) == (np.uint64, True)
    with pytest.raises(FileError, match="too large") as caught:
        Dataset.of(rows).write(url)
    assert "storage string" in caught.value.fix
    Dataset.of(rows, schema=la.schema(rows).amend("id", storage="string")).write(url)
    assert Dataset.of(url).table().column("id").to_pylist() == [str(k) for k in keys]
