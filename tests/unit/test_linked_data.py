"""Linked tables in and out: keys and links found or read, refused where they do not hold, split whole, written with constraints on."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.data import Dataset, LinkedWriter, columns_of, draw, linked, subject
from lookalike.errors import DataError, FileError, LookalikeError, SchemaError, UnknownName
from lookalike.schema import Column, Link, Schema, Table

REAL = Path(__file__).parents[3] / "shared" / "data" / "relational"
N = 40


def shop() -> dict[str, pd.DataFrame]:
    """Customers, some brought by others, with two addresses; orders of them, and lines of orders, without a key of their own."""
    i = np.arange(N)
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(
        {
            "customer_id": i + 1,
            "name": [f"name of {k}" for k in i],
            "billing_address_id": rng.integers(1, 61, N),
            "shipping_address_id": rng.integers(1, 61, N),
            "referred_by": pd.array([None if k % 3 == 0 else k // 2 + 1 for k in i], "Int64"),
        }
    )
    orders = pd.DataFrame(
        {"order_id": 5000 + np.arange(120) * 3, "customer_id": rng.integers(1, N + 1, 120), "paid": rng.integers(1, 99, 120) / 4}
    )
    lines = pd.DataFrame(
        {"order_id": np.repeat(orders["order_id"].to_numpy(), 2), "line_no": np.tile([1, 2], 120), "quantity": rng.integers(1, 9, 240)}
    )
    addresses = pd.DataFrame({"address_id": np.arange(1, 61), "street": [f"{k} long street" for k in range(60)]})
    return {"addresses": addresses, "customers": customers, "orders": orders, "order_lines": lines}


@cache
def the_shop() -> Dataset:
    """The shop, read once."""
    return Dataset.of(shop())


LINKS = {
    ("customers", "billing_address_id", "addresses", "address_id"),
    ("customers", "shipping_address_id", "addresses", "address_id"),
    ("customers", "referred_by", "customers", "customer_id"),
    ("orders", "customer_id", "customers", "customer_id"),
    ("order_lines", "order_id", "orders", "order_id"),
}


def links_of(schema: Schema) -> set[tuple[str, str, str, str]]:
    return {(t.name, "+".join(x.columns), x.table, "+".join(x.references)) for t in schema.tables for x in t.links}


def keys_of(schema: Schema) -> dict[str, tuple[str, ...]]:
    return {t.name: t.key for t in schema.tables}


def cells(data: Dataset) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of each table as texts, sorted; floats and dates as Python writes them."""
    return {t.name: sorted(zip(*(map(str, c) for c in data.table(t.name).to_pydict().values()), strict=True)) for t in data.schema.tables}


# ------------------------------------------------------------------------------------------------------------- detection


def test_keys_and_links_are_found_in_a_dict_of_frames() -> None:
    data = the_shop()
    assert links_of(data.schema) == LINKS
    assert keys_of(data.schema) == {
        "addresses": ("address_id",),
        "customers": ("customer_id",),
        "orders": ("order_id",),
        "order_lines": ("order_id", "line_no"),
    }
    assert "orders.customer_id → customers.customer_id" in " ".join(data.notes)
    assert data.schema["order_lines"]["line_no"].kind != "key"  # a part of a key that is no link stays what it is


def test_columns_of_both_ends_hold_the_same_values() -> None:
    """pandas keeps integers with gaps as floats, and writes them so; they are keys all the same, and go out as they came."""
    tables = shop()
    tables["customers"]["referred_by"] = tables["customers"]["referred_by"].astype("float64")
    data = Dataset.of(tables)
    ends = data.schema["customers"]["referred_by"], data.schema["customers"]["customer_id"]
    assert {c.kind for c in ends} == {"key"}
    table = data.table("customers")
    assert set(table["referred_by"].drop_null().to_pylist()) <= set(table["customer_id"].to_pylist())
    assert data.native()["customers"]["referred_by"].dtype == "float64"


def test_a_text_file_keeps_its_spelling_of_keys_with_gaps(tmp_path: Path) -> None:
    tables = shop()
    tables["customers"]["referred_by"] = tables["customers"]["referred_by"].astype("float64")
    for name, frame in tables.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    data = Dataset.of(tmp_path)
    assert "1.0" in (tmp_path / "customers.csv").read_text()
    assert set(data.table("customers")["referred_by"].drop_null().to_pylist()) <= {str(k) for k in range(1, N + 1)}
    data.write(tmp_path / "again")
    for name in tables:
        assert (tmp_path / "again" / f"{name}.csv").read_bytes() == (tmp_path / f"{name}.csv").read_bytes()


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there: detection was NOT measured on Chinook and Northwind")
@pytest.mark.parametrize("name", ["chinook", "northwind"])
@pytest.mark.parametrize("how", ["as they are", "id"])
def test_all_keys_and_links_of_real_databases_are_found(name: str, how: str) -> None:
    """`id`: tables and columns in snake_case, and every key of one column called id."""
    from lookalike.data._names import words

    truth = json.loads((REAL / name / "keys.json").read_text())["tables"]

    def renamed(table: str, column: str) -> tuple[str, str]:
        if how == "as they are":
            return table, column
        return "_".join(words(table)), "id" if truth[table]["primary_key"] == [column] else "_".join(words(column))

    frames = {}
    for table in truth:
        frame = pd.read_csv(REAL / name / f"{table}.csv")
        frames[renamed(table, "")[0]] = frame.rename(columns={c: renamed(table, c)[1] for c in frame.columns})
    found = Dataset.of(frames).schema
    assert links_of(found) == {
        (*renamed(table, x["columns"][0]), *renamed(x["references"], x["ref_columns"][0]))
        for table, said in truth.items()
        for x in said["foreign_keys"]
    }
    assert keys_of(found) == {
        renamed(table, "")[0]: tuple(renamed(table, c)[1] for c in said["primary_key"]) for table, said in truth.items()
    }


def test_values_tell_where_names_do_not() -> None:
    rng = np.random.default_rng(1)
    ids = [str(uuid.UUID(int=int.from_bytes(rng.bytes(16), "big"))) for _ in range(60)]
    tables = {
        "t1": pd.DataFrame({"a": ids, "b": rng.normal(size=60)}),
        "t2": pd.DataFrame({"c": [*rng.choice(ids, 199), None], "d": rng.normal(size=200)}),
    }
    assert links_of(Dataset.of(tables).schema) == {("t2", "c", "t1", "a")}


def test_small_numbers_lie_in_every_key_and_show_nothing() -> None:
    """Ratings of 1 to 5, counts and years are values of any longer key."""
    rng = np.random.default_rng(2)
    shops = pd.DataFrame({"shop_id": np.arange(1, 61), "floors": rng.integers(1, 4, 60), "rating": rng.integers(1, 6, 60)})
    visits = pd.DataFrame(
        {"visit_id": np.arange(1, 901), "basket": rng.integers(1, 61, 900), "weekday": rng.integers(1, 8, 900), "x": rng.normal(size=900)}
    )
    data = Dataset.of({"shops": shops, "visits": visits})
    assert links_of(data.schema) == set()
    assert "no links" in " ".join(data.notes)


@pytest.mark.parametrize(
    ("column", "key", "parent"),
    [
        ("kunden_nr", "KundenNr", "tbl_kunden"),
        ("fk_customer", "customer_key", "customers"),
        ("cust_id", "id", "customer"),
        ("o_custkey", "c_custkey", "customer"),
        ("home_team_id", "team_id", "teams"),
        ("manager_id", "emp_no", "employees"),
        ("kategorie", "id", "Kategorien"),
        ("category_id", "id", "categories"),
    ],
)
def test_names_of_many_manners(column: str, key: str, parent: str) -> None:
    rng = np.random.default_rng(3)
    n = 70
    parents = pd.DataFrame({key: np.arange(1, n + 1), "c_note": [f"some words {k}" for k in range(n)], "c_size": rng.normal(size=n)})
    children = pd.DataFrame({"sale": np.arange(900, 1500) * 7, column: rng.integers(1, n + 1, 600), "o_day": rng.integers(1, 8, 600)})
    assert links_of(Dataset.of({parent: parents, "sales": children}).schema) == {("sales", column, parent, key)}


def test_a_guessed_circle_that_no_row_could_begin_loses_its_weakest_link() -> None:
    stores = pd.DataFrame({"store_id": np.arange(1, 31), "manager_employee_id": np.arange(1, 31)})
    staff = pd.DataFrame({"employee_id": np.arange(1, 31), "store_id": np.arange(1, 31)[::-1]})
    found = links_of(Dataset.of({"stores": stores, "employees": staff}).schema)
    assert len(found) == 1
    assert found <= {("stores", "manager_employee_id", "employees", "employee_id"), ("employees", "store_id", "stores", "store_id")}


def test_a_bridge_has_a_key_of_two_links_and_a_table_of_details_one() -> None:
    rng = np.random.default_rng(4)
    pairs = [(a, b) for a in range(1, 81) for b in rng.choice(np.arange(1, 21), 3, replace=False)]
    tables = {
        "students": pd.DataFrame({"student_id": np.arange(1, 81), "height": rng.normal(size=80)}),
        "courses": pd.DataFrame({"course_id": np.arange(1, 21), "hours": rng.integers(10, 60, 20)}),
        "enrolments": pd.DataFrame(pairs, columns=["student_id", "course_id"]),
        "student_details": pd.DataFrame({"student_id": np.arange(1, 81), "note": [f"words {k} words" for k in range(80)]}),
    }
    schema = Dataset.of(tables).schema
    assert schema["enrolments"].key == ("student_id", "course_id")
    assert schema["student_details"].key == ("student_id",)
    assert ("student_details", "student_id", "students", "student_id") in links_of(schema)
    assert schema["student_details"]["student_id"].unique
    assert not schema["enrolments"]["student_id"].unique


def test_a_link_to_a_key_of_two_columns() -> None:
    tables = shop()
    at = np.random.default_rng(5).permutation(240)[:90]
    back = tables["order_lines"].iloc[at][["order_id", "line_no"]].reset_index(drop=True)
    tables["returns"] = back.assign(return_id=np.arange(90) + 1, weight=np.linspace(0, 1, 90))
    schema = Dataset.of(tables).schema
    assert {x for x in links_of(schema) if x[0] == "returns"} == {("returns", "order_id+line_no", "order_lines", "order_id+line_no")}


# ------------------------------------------------------------------------------------------------------- folders and files


def test_a_folder_goes_out_and_comes_back(tmp_path: Path) -> None:
    data = the_shop()
    data.write(tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["addresses.csv", "customers.csv", "keys.json", "order_lines.csv", "orders.csv"]
    back = Dataset.of(tmp_path / "out")
    assert (links_of(back.schema), keys_of(back.schema)) == (LINKS, keys_of(data.schema))
    assert cells(back) == cells(data)
    data.write(tmp_path / "out")  # what holds nothing but these tables is replaced
    (tmp_path / "out" / "letter.txt").write_text("mine")
    with pytest.raises(FileError, match="other files"):
        data.write(tmp_path / "out")
    data.write(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "letter.txt").read_text() == "mine"


def test_the_type_of_the_source_is_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, frame in shop().items():
        frame.to_parquet(tmp_path / "in" / f"{name}.parquet")
    data = Dataset.of(tmp_path / "in")
    data.write(tmp_path / "out")
    assert (tmp_path / "out" / "orders.parquet").exists()
    again = Dataset.of(tmp_path / "out")
    assert cells(again) == cells(data)
    assert again.native()["customers"].dtypes.to_dict() == data.native()["customers"].dtypes.to_dict()


def test_files_of_equal_columns_are_shards_and_others_are_tables(tmp_path: Path) -> None:
    tables = shop()
    for name, rows in (("orders-1", slice(0, 50)), ("orders-2", slice(50, None))):
        tables["orders"].iloc[rows].to_csv(tmp_path / f"{name}.csv", index=False)
    assert not Dataset.of(tmp_path).schema.linked
    tables["customers"].drop(columns=["billing_address_id", "shipping_address_id"]).to_csv(tmp_path / "customers.csv", index=False)
    data = Dataset.of(tmp_path)
    assert {t.name: data.table(t.name).num_rows for t in data.schema.tables} == {"customers": N, "orders": 120}
    assert "2 tables: customers, orders" in data.notes[0]
    assert "customers.referred_by" in columns_of(tmp_path)
    (tmp_path / "orders-3.csv").write_text("order_id,customer\n1,2\n")
    with pytest.raises(DataError, match="not a shard of the same table"):
        Dataset.of(tmp_path)


def test_a_catalogue_decides(tmp_path: Path) -> None:
    data = the_shop()
    schema = data.schema.amend_table("order_lines", order="line_no").amend_table("addresses", public=True)
    data = Dataset.of(data, schema=schema.model_copy(update={"subject": "customers.customer_id"}))
    data.write(tmp_path / "out")
    back = Dataset.of(tmp_path / "out")
    assert back.schema["order_lines"].order == "line_no"
    assert back.schema["addresses"].public
    assert back.schema.subject == "customers.customer_id"
    assert not any("found by names" in n for n in back.notes)
    (tmp_path / "out" / "spare.csv").write_text("a,b\n1,2\n")
    assert "spare.csv" in " ".join(Dataset.of(tmp_path / "out").notes)


def write_keys(folder: Path, **changes: Any) -> Path:
    """Two tables and their keys.json, with one entry of the child changed."""
    folder.mkdir(exist_ok=True)
    (folder / "parent.csv").write_text("parent_id,x\n1,2.5\n2,3.5\n3,4.25\n")
    (folder / "child.csv").write_text("child_id,parent_id,y\n1,1,0.5\n2,3,1.25\n3,,2.5\n")
    child = {
        "primary_key": ["child_id"],
        "foreign_keys": [{"columns": ["parent_id"], "references": "parent", "ref_columns": ["parent_id"]}],
        "file": "child.csv",
    } | changes
    (folder / "keys.json").write_text(
        json.dumps({"tables": {"parent": {"primary_key": ["parent_id"], "file": "parent.csv"}, "child": child}})
    )
    return folder


def test_a_catalogue_that_is_wrong_is_refused_by_name(tmp_path: Path) -> None:
    assert links_of(Dataset.of(write_keys(tmp_path)).schema) == {("child", "parent_id", "parent", "parent_id")}
    lost = [{"columns": ["parent_id"], "references": "parnt", "ref_columns": ["parent_id"]}]
    with pytest.raises(DataError, match=r"child\.parent_id: links to the table 'parnt'") as caught:
        Dataset.of(write_keys(tmp_path, foreign_keys=lost))
    assert "'parent'" in caught.value.fix
    lost[0] |= {"references": "parent", "ref_columns": ["parent"]}
    with pytest.raises(SchemaError, match=r"no column named 'parent'"):
        Dataset.of(write_keys(tmp_path, foreign_keys=lost))
    with pytest.raises(UnknownName, match="no column named 'childid'"):
        Dataset.of(write_keys(tmp_path, primary_key=["childid"]))
    with pytest.raises(FileError, match=r"unknown entry 'primary_keys', did you mean 'primary_key'"):
        Dataset.of(write_keys(tmp_path, primary_keys=["child_id"]))
    with pytest.raises(DataError, match=r"names the table 'child' in kid\.csv, and the file is not there"):
        Dataset.of(write_keys(tmp_path, file="kid.csv"))
    (tmp_path / "keys.json").write_text("{not json")
    with pytest.raises(FileError, match="not JSON"):
        Dataset.of(tmp_path)


def test_one_file_cannot_hold_several_tables(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="4 tables do not fit into one file"):
        the_shop().write(tmp_path / "all.csv")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("place", ["out", "sqlite", "duckdb"])
def test_all_or_nothing(tmp_path: Path, place: str, error: type[BaseException]) -> None:
    data = the_shop()
    target = tmp_path / place if place == "out" else f"{place}:///{tmp_path}/new.db"
    with pytest.raises(error), LinkedWriter(target, data.schema) as writer:
        writer.append("addresses", data.table("addresses"))
        raise error
    assert os.listdir(tmp_path) == []


def test_a_table_name_that_is_no_file_name(tmp_path: Path) -> None:
    tables = {("sales/" + name if name == "orders" else name): frame for name, frame in shop().items()}
    data = Dataset.of(tables)
    data.write(tmp_path / "out")
    assert (tmp_path / "out" / "sales_orders.csv").exists()
    assert cells(Dataset.of(tmp_path / "out")) == cells(data)


# ------------------------------------------------------------------------------------------------------------- databases


@pytest.fixture(params=["sqlite", "duckdb", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        import adbc_driver_postgresql.dbapi as driver

        server = request.getfixturevalue("postgres")
        with driver.connect(server) as base, base.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE")
            cursor.execute("CREATE SCHEMA public")
            base.commit()
        return server
    return f"{request.param}:///{tmp_path}/shop.db"


def test_a_database_goes_out_and_comes_back_with_its_constraints(url: str) -> None:
    data = the_shop()
    data.write(url, overwrite=True)
    back = Dataset.of(url)
    assert (links_of(back.schema), keys_of(back.schema)) == (LINKS, keys_of(data.schema))  # its own catalogue says so
    assert cells(back) == cells(data)
    assert all("was taken as a subject" in note for note in back.notes)
    with pytest.raises(FileError, match="tables exist already"):
        data.write(url)
    part = data.take(np.arange(10))
    part.write(url, overwrite=True)
    assert cells(Dataset.of(url)) == cells(part)


def broken(data: Dataset) -> Dataset:
    """The same with an order of a customer that is not there; not checked, as models make it."""
    orders = data.table("orders")
    at = orders.column_names.index("customer_id")
    orders = orders.set_column(at, orders.schema.field(at), pa.array(["777", *orders["customer_id"].to_pylist()[1:]]))
    return Dataset.from_arrow({t.name: orders if t.name == "orders" else data.table(t.name) for t in data.schema.tables}, data.schema)


def test_a_link_that_leads_nowhere_does_not_get_into_a_database(url: str, tmp_path: Path) -> None:
    data = the_shop()
    data.write(url, overwrite=True)
    with pytest.raises(LookalikeError):
        broken(data).write(url, overwrite=True)
    assert cells(Dataset.of(url)) == cells(data)


def test_sqlite_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    the_shop().write(f"sqlite:///{tmp_path}/shop.db")
    with sqlite3.connect(tmp_path / "shop.db") as base:
        assert base.execute("PRAGMA foreign_key_check").fetchall() == []
        assert len(base.execute("PRAGMA foreign_key_list(customers)").fetchall()) == 3
        base.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            base.execute("UPDATE orders SET customer_id = 777 WHERE order_id = 5000")
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            base.execute("UPDATE orders SET order_id = 5003 WHERE order_id = 5000")
        with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
            base.execute("UPDATE order_lines SET order_id = NULL")
    base.close()


def test_duckdb_itself_keeps_the_constraints(tmp_path: Path) -> None:
    the_shop().write(f"duckdb:///{tmp_path}/shop.db")
    with duckdb.connect(str(tmp_path / "shop.db")) as base:
        with pytest.raises(duckdb.ConstraintException, match="foreign key"):
            base.execute("INSERT INTO orders VALUES (1, 777, 0.5)")
        with pytest.raises(duckdb.ConstraintException, match=r"[Dd]uplicate key"):
            base.execute("INSERT INTO orders VALUES (5000, 1, 0.5)")


def test_rows_come_in_batches_and_before_those_that_they_refer_to(url: str) -> None:
    data = the_shop()
    with LinkedWriter(url, data.schema) as writer:
        for name in linked.parents_first(data.schema):
            rows = data.table(name)
            for start in reversed(range(0, rows.num_rows, 8)):
                writer.append(name, rows.slice(start, 8))
    assert writer.rows == {"addresses": 60, "customers": 40, "orders": 120, "order_lines": 240}
    assert cells(Dataset.of(url)) == cells(data)


def circle() -> dict[str, pd.DataFrame]:
    """Departments have a head, who may be missing, and employees a department."""
    heads = pd.array([3, None, 8, 20], "Int64")
    return {
        "departments": pd.DataFrame({"department_id": [1, 2, 3, 4], "head_employee_id": heads}),
        "employees": pd.DataFrame({"employee_id": np.arange(1, 25), "department_id": np.arange(24) % 4 + 1, "pay": np.arange(24) / 8}),
    }


def test_a_circle_with_a_link_that_may_be_null(url: str) -> None:
    data = Dataset.of(circle())
    assert links_of(data.schema) == {
        ("departments", "head_employee_id", "employees", "employee_id"),
        ("employees", "department_id", "departments", "department_id"),
    }
    assert linked.parents_first(data.schema) == ("departments", "employees")
    data.write(url, overwrite=True)
    back = Dataset.of(url)
    assert cells(back) == cells(data)
    if not url.startswith("duckdb"):  # which has no constraints that wait, nor any that are added later
        assert links_of(back.schema) == links_of(data.schema)


def test_a_database_made_by_others(tmp_path: Path) -> None:
    """Composite keys, names in another case, a link without named columns, a unique column, a view, and a table with no key."""
    with sqlite3.connect(tmp_path / "a.db") as base:
        base.executescript(
            "CREATE TABLE Land (code TEXT PRIMARY KEY, title TEXT);"
            "CREATE TABLE Person (id INTEGER PRIMARY KEY, land TEXT REFERENCES land, passport TEXT UNIQUE);"
            "CREATE TABLE Stay (person INT, nr INT, nights INT, PRIMARY KEY (person, nr), FOREIGN KEY (PERSON) REFERENCES Person (ID));"
            "CREATE TABLE Bill (person INT, nr INT, total REAL, FOREIGN KEY (person, nr) REFERENCES Stay (person, nr));"
            "CREATE VIEW Guests AS SELECT * FROM Person;"
        )
        base.executemany("INSERT INTO Land VALUES (?, ?)", [("DE", "a"), ("FR", "b")])
        base.executemany("INSERT INTO Person VALUES (?, ?, ?)", [(i, ("DE", "FR", None)[i % 3], f"P{i * 977:06d}") for i in range(1, 31)])
        base.executemany("INSERT INTO Stay VALUES (?, ?, ?)", [(i, k, i % 5) for i in range(1, 31) for k in (1, 2)])
        base.executemany("INSERT INTO Bill VALUES (?, ?, ?)", [(i, 1 + i % 2, i / 8) for i in range(1, 31)])
    base.close()
    data = Dataset.of(f"sqlite:///{tmp_path}/a.db")
    assert links_of(data.schema) == {
        ("Person", "land", "Land", "code"),
        ("Stay", "person", "Person", "id"),
        ("Bill", "person+nr", "Stay", "person+nr"),
    }
    assert keys_of(data.schema) == {"Land": ("code",), "Person": ("id",), "Stay": ("person", "nr"), "Bill": ()}
    assert data.schema["Person"]["land"].kind == "key"
    assert data.schema["Bill"]["nr"].kind == data.schema["Stay"]["nr"].kind
    assert all("was taken as a subject" in note for note in data.notes)
    data.write(f"sqlite:///{tmp_path}/b.db")
    with (
        sqlite3.connect(tmp_path / "b.db") as base,
        pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE constraint failed: Person\.passport"),
    ):
        base.execute("UPDATE Person SET passport = 'P000977' WHERE id = 2")
    base.close()
    data.write(tmp_path / "folder")
    assert Dataset.of(tmp_path / "folder").schema["Person"]["passport"].declared == ("unique",)


def test_a_database_without_any_links_is_searched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as base:
        for name, frame in shop().items():
            frame.to_sql(name, base, index=False)
    base.close()
    data = Dataset.of(f"sqlite:///{tmp_path}/a.db")
    assert links_of(data.schema) == LINKS


# -------------------------------------------------------------------------------------------------------------- bad input


def amended(tables: dict[str, pd.DataFrame], **changes: pd.DataFrame) -> Dataset:
    """Other rows under the schema of the good ones."""
    return Dataset.of(tables | changes, schema=the_shop().schema)


def test_orphans_are_counted_and_not_shown() -> None:
    tables = shop()
    orders = tables["orders"].copy()
    orders.loc[[4, 9, 11], "customer_id"] = [987654, 987654, 123456]
    with pytest.raises(
        DataError, match=r"orders\.customer_id: 3 of 120 rows link to no row of customers\.customer_id \(2 distinct"
    ) as caught:
        amended(tables, orders=orders)
    assert "987654" not in str(caught.value)
    assert "first is in row 5" in str(caught.value)
    assert "take the link out" in caught.value.fix
    assert "mend" in caught.value.fix


def test_keys_that_repeat_or_are_missing() -> None:
    tables = shop()
    schema = the_shop().schema
    twice = pd.concat([tables["customers"], tables["customers"].iloc[:2]])
    with pytest.raises(DataError, match=r"customers\.customer_id: the primary key is not unique: 2 of 42 rows"):
        Dataset.of(tables | {"customers": twice}, schema=schema)
    lines = pd.concat([tables["order_lines"], tables["order_lines"].iloc[:1]])
    with pytest.raises(DataError, match=r"order_lines\.order_id\+line_no: the primary key is not unique: 1 of 241"):
        Dataset.of(tables | {"order_lines": lines}, schema=schema)
    loose = schema.amend("customers.customer_id", nullable=True)
    gaps = tables["customers"].assign(customer_id=tables["customers"]["customer_id"].astype("Int64"))
    gaps.loc[3, "customer_id"] = None
    with pytest.raises(DataError, match=r"customers\.customer_id: part of the primary key, and missing in 1 of 40 rows"):
        Dataset.of(tables | {"customers": gaps}, schema=loose)


def test_a_link_to_what_repeats() -> None:
    tables = shop()
    link = {"columns": ("customer_id",), "table": "addresses", "references": ("street",)}
    tables["addresses"]["street"] = "the same"
    schema = Dataset.of(tables).schema.amend_table("orders", links=[link])
    with pytest.raises(DataError, match=r"orders\.customer_id: links to addresses\.street, which is not unique: 59 rows"):
        Dataset.of(tables, schema=schema)


def test_a_table_that_is_not_there() -> None:
    tables = shop()
    schema = the_shop().schema
    del tables["customers"]
    with pytest.raises(DataError, match=r"no table 'customers' in the data, and orders\.customer_id links to it"):
        Dataset.of(tables, schema=schema)
    with pytest.raises(DataError, match="one table, where the schema has 4"):
        Dataset.of(tables["orders"], schema=schema)


def test_a_circle_without_a_beginning() -> None:
    tables = circle()
    schema = Dataset.of(tables).schema.amend("departments.head_employee_id", nullable=False)
    tables["departments"]["head_employee_id"] = [1, 2, 3, 4]
    with pytest.raises(SchemaError, match=r"departments → employees → departments|employees → departments → employees") as caught:
        Dataset.of(tables, schema=schema)
    assert "nullable" in caught.value.fix


def test_orders_of_rows() -> None:
    tables = shop()
    schema = the_shop().schema.amend_table("order_lines", order="quantity")
    twice = int(tables["order_lines"].duplicated(["order_id", "quantity"]).sum())
    assert twice > 0
    notes = Dataset.of(tables, schema=schema).notes
    assert any(n.startswith(f"order_lines.quantity: {twice} of 240 rows have the same place") for n in notes)
    lines = tables["order_lines"].assign(quantity=tables["order_lines"]["quantity"].astype("Int64"))
    lines.loc[[1, 2], "quantity"] = None
    with pytest.raises(DataError, match=r"order_lines\.quantity: orders the rows, and is missing in 2 of 240 rows"):
        Dataset.of(tables | {"order_lines": lines}, schema=schema.amend("order_lines.quantity", nullable=True))


def test_orders_of_rows_of_a_single_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = pd.DataFrame({"who": np.arange(300) % 20, "step": np.arange(300) // 20 % 14, "x": np.arange(300) / 8})
    log.to_csv(tmp_path / "log.csv", index=False)
    schema = Dataset.of(tmp_path / "log.csv").schema.amend_table("log", order="step").model_copy(update={"subject": "who"})
    for held in (1 << 28, 100):  # in memory, and streamed
        monkeypatch.setattr("lookalike.data.infer.HELD", held)
        notes = Dataset.of(tmp_path / "log.csv", schema=schema).notes
        assert notes == (
            "log.step: 20 of 300 rows have the same place as an earlier row of the same who; such rows keep the order they are in",
        )
    log["step"] = log["step"].astype("Int64").mask(log.index == 7)
    log.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(DataError, match=r"log\.step: orders the rows, and is missing in 1 of 300 rows"):
        Dataset.of(tmp_path / "log.csv", schema=schema.amend("step", nullable=True))


@pytest.mark.parametrize(
    ("tables", "what"),
    [
        ({}, "there are no tables"),
        ({"a": pd.DataFrame({"x": []}), "b": pd.DataFrame({"y": [1]})}, "no rows"),
        ({"a": [1]}, "is not a table"),
    ],
)
def test_dicts_that_are_refused(tables: dict[str, Any], what: str) -> None:
    with pytest.raises(DataError, match=what):
        Dataset.of(tables)


def test_what_the_schema_does_not_name_is_left_out() -> None:
    tables = shop()
    schema = Dataset.of({n: tables[n] for n in ("addresses", "customers")}).schema
    data = Dataset.of(tables, schema=schema)
    assert set(data.native()) == {"addresses", "customers"}
    assert any("orders, order_lines" in note for note in data.notes)


# ------------------------------------------------------------------------------------------------------- choosing and split


def is_whole(data: Dataset) -> bool:
    """Whether every link leads to a row."""
    tables = {t.name: data.table(t.name) for t in data.schema.tables}
    return all((linked.owners(tables, t.name, x) > -2).all() for t in data.schema.tables for x in t.links)


@cache
def by_customer() -> Dataset:
    data = the_shop()
    return Dataset.of(data, schema=data.schema.model_copy(update={"subject": "customers.customer_id"}))


def test_rows_are_those_of_the_subject() -> None:
    data = by_customer()
    assert len(data) == data.rows == N
    assert set(data.native()) == set(shop())
    subjects = data.subjects()
    assert subjects is not None
    assert len(set(subjects.tolist())) == N


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_split_is_a_partition_that_keeps_every_link(seed: int, share: float) -> None:
    data = by_customer()
    rest, held = data.split(share, rng=np.random.default_rng(seed))
    assert is_whole(rest)
    assert is_whole(held)
    for name in ("customers", "orders", "order_lines"):
        key = list(data.schema[name].key)
        parts = [p.table(name).select(key).to_pandas().apply(tuple, axis=1).tolist() for p in (rest, held)]
        assert sorted(parts[0] + parts[1]) == sorted(data.table(name).select(key).to_pandas().apply(tuple, axis=1).tolist())
    theirs = set(held.table("customers")["customer_id"].to_pylist())
    assert set(held.table("orders")["customer_id"].to_pylist()) <= theirs
    assert not set(rest.table("orders")["customer_id"].to_pylist()) & theirs
    for part in (rest, held):  # these depend on nobody
        assert part.table("addresses").equals(data.table("addresses"))
    assert held.rows == min(max(1, round(share * N)), N - 1)


def test_a_row_of_two_owners_goes_with_the_one_that_was_drawn() -> None:
    """A message whose sender was drawn and whose receiver was not loses the link if it may, and else itself."""
    users = pd.DataFrame({"user_id": np.arange(1, 51)})
    pairs = [(a, b) for a in range(1, 51) for b in (a % 50 + 1, (a * 7) % 50 + 1)]
    for optional in (True, False):
        messages = pd.DataFrame(pairs, columns=["sender_id", "receiver_id"]).assign(message_id=np.arange(1, 101))
        if optional:
            messages["receiver_id"] = messages["receiver_id"].astype("Int64").mask(messages["message_id"] == 7)
        link = [{"columns": [c], "table": "users", "references": ["user_id"]} for c in ("sender_id", "receiver_id")]
        found = Dataset.of({"users": users, "messages": messages})
        data = Dataset.of(found, schema=found.schema.amend_table("messages", links=link))
        rest, held = data.split(0.3, rng=np.random.default_rng(0))
        assert is_whole(rest)
        assert is_whole(held)
        drawn = set(map(int, held.table("users")["user_id"].to_pylist()))
        both = sum(a in drawn and b in drawn for a, b in pairs)
        none = sum(a not in drawn and b not in drawn for a, b in pairs)
        assert rest.table("messages").num_rows == none
        assert any("outside of this part" in n for n in held.notes)
        if not optional:
            assert held.table("messages").num_rows == both


def test_take_some_subjects() -> None:
    data = by_customer()
    part = data.take(np.array([3, 1]))
    assert part.table("customers")["customer_id"].to_pylist() == ["2", "4"]
    assert set(part.table("orders")["customer_id"].to_pylist()) <= {"2", "4"}
    assert is_whole(part)
    assert data.take(np.ones(N, bool)).table("orders").equals(data.table("orders"))


def test_rows_without_an_owner_are_dealt_out() -> None:
    owners = pd.DataFrame({"owner_id": np.arange(1, 101)})
    cars = pd.DataFrame({"car_id": np.arange(1, 2001), "owner_id": pd.array([None] * 1900 + list(range(1, 101)), "Int64")})
    rest, held = Dataset.of({"owners": owners, "cars": cars}).split(0.25, rng=np.random.default_rng(0))
    alone = held.table("cars")["owner_id"].null_count
    assert rest.table("cars")["owner_id"].null_count + alone == 1900
    assert abs(alone - 475) < 4 * np.sqrt(1900 * 0.25 * 0.75)


def test_owners_of_one_column_and_of_two() -> None:
    tables = {
        "p": pa.table({"a": ["1", "1", "2"], "b": ["x", "y", "x"], "k": ["r", "s", "t"]}),
        "c": pa.table({"a": ["1", None, "2", "2"], "b": ["y", "x", "y", "x"], "k": ["t", "r", None, "q"]}),
    }
    assert linked.owners(tables, "c", Link(columns=("k",), table="p", references=("k",))).tolist() == [2, 0, -1, -2]
    assert linked.owners(tables, "c", Link(columns=("a", "b"), table="p", references=("a", "b"))).tolist() == [1, -1, -2, 2]


# ----------------------------------------------------------------------------------------------------------------- schema


def test_tables_can_be_amended() -> None:
    schema = the_shop().schema
    bare = schema.amend_table("orders", links=[])
    assert links_of(bare) == {x for x in LINKS if x[0] != "orders"}
    assert links_of(schema) == LINKS
    link = Link(columns=("customer_id",), table="customers", references=("customer_id",))
    assert bare.amend_table("orders", links=[link]) == schema
    assert Schema.from_json(schema.amend_table("orders", order="paid").to_json())["orders"].order == "paid"
    with pytest.raises(UnknownName, match="did you mean 'orders'"):
        schema.amend_table("order", public=True)
    with pytest.raises(UnknownName, match="did you mean 'order'"):
        schema.amend_table("orders", ordre="paid")
    with pytest.raises(SchemaError, match="no table named 'customer'"):
        schema.amend_table("orders", links=[{"columns": ["customer_id"], "table": "customer", "references": ["customer_id"]}])


def test_columns_become_keys_when_a_person_says_so() -> None:
    columns = (Column(name="a", kind="integer", unique=False), Column(name="b", kind="category"))
    other = (Column(name="x", kind="integer"),)
    schema = Schema(tables=(Table(name="t", columns=columns), Table(name="p", columns=other)))
    schema = schema.amend_table("p", key=["x"]).amend_table("t", links=[{"columns": ["a"], "table": "p", "references": ["x"]}])
    assert (schema["p"]["x"].kind, schema["p"]["x"].unique, schema["p"]["x"].nullable) == ("key", True, False)
    assert (schema["t"]["a"].kind, schema["t"]["b"].kind) == ("key", "category")


def test_a_table_with_a_dot_in_its_name() -> None:
    schema = Schema(
        tables=(
            Table(name="sales", columns=(Column(name="t.id", kind="key"),)),
            Table(name="sales.t", columns=(Column(name="id", kind="key"),)),
        )
    )
    assert schema.column("sales.t.id")[0].name == "sales.t"


# ---------------------------------------------------------------------------------------------------------------- drawing


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    root = ET.fromstring(svg)
    return [
        tuple(float(r.get(a, "0")) for a in ("x", "y", "width", "height"))  # type: ignore[misc]
        for r in root.iter("{http://www.w3.org/2000/svg}rect")
    ]


def test_a_picture_shows_every_table_key_and_link_and_nothing_overlaps() -> None:
    data = Dataset.of(shop() | {"odd <&> table": pd.DataFrame({"odd": [1.5, 2.5]})})
    svg = draw.svg(data.schema, rows={"orders": 120})
    texts = [t.text for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert set(data.schema["customers"].names) | {"odd <&> table", "120", "PK", "FK", "PK·FK"} <= set(texts)
    titles = [t.text for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == len(LINKS)
    assert "orders.customer_id → customers.customer_id" in titles
    drawn = boxes(svg)
    assert len(drawn) == 5
    for at, (x, y, w, h) in enumerate(drawn):
        assert not any(x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in drawn[:at])
    root = ET.fromstring(svg)
    assert max(x + w for x, _, w, _ in drawn) < float(root.get("width", "0"))
    assert max(y + h for _, y, _, h in drawn) < float(root.get("height", "0"))


def test_a_long_table_is_cut_and_says_so() -> None:
    wide = pd.DataFrame({f"x{i}": [0.5, 1.5, 2.25] for i in range(30)}).assign(order_id=[5000, 5003, 5006])
    svg = draw.svg(Dataset.of(shop() | {"wide": wide}).schema)
    assert "more columns" in svg
    assert ">order_id<" in svg
    assert ">x29<" not in svg


def test_a_drawing_for_the_terminal() -> None:
    data = by_customer()
    lines = draw.text(data.schema, rows={"customers": N}).splitlines()
    names = [line.split(" [")[0] for line in lines if not line.startswith(" ")]
    for child, _, parent, _ in LINKS:
        assert names.index(parent) <= names.index(child)
    assert "customers [customer_id]  (40 rows, the subject)" in lines
    assert any(line.split() == ["referred_by", ">──o┤", "customers.customer_id"] for line in lines)
    assert any(line.split() == ["customer_id", ">───┤", "customers.customer_id"] for line in lines)


def test_whose_data_linked_tables_are_is_guessed() -> None:
    """Persons before things, and of things what most rows hang on; a handful of rows are nobody's."""
    text, key = {"kind": "text"}, {"kind": "key", "unique": True, "nullable": False}
    person = {"kind": "personal", "personal": "email"}

    def table(name: str, to: dict[str, str], **columns: dict[str, object]) -> Table:
        links = tuple(Link(columns=(c,), table=t, references=("id",)) for c, t in to.items())
        made = {"id": key, **{c: {"kind": "key"} for c in to}, **columns}
        return Table(name=name, key=("id",), links=links, columns=tuple(Column(name=n, **facts) for n, facts in made.items()))

    shops, clerks = table("shops", {}, city=text), table("clerks", {"shop": "shops"}, mail=person)
    buyers, sales = table("buyers", {"clerk": "clerks"}, mail=person), table("sales", {"buyer": "buyers", "shop": "shops"}, note=text)
    schema = Schema(tables=(sales, buyers, clerks, shops))
    assert subject.likely(schema, {"shops": 500, "clerks": 9, "buyers": 60, "sales": 900}) == "buyers.id"
    assert subject.likely(schema, {"shops": 500, "clerks": 90, "buyers": 60, "sales": 900}) == "clerks.id"
    plain = Schema(tables=(sales, table("buyers", {}, age=text), shops))
    assert subject.likely(plain, {"shops": 50, "buyers": 60, "sales": 900}) in ("buyers.id", "shops.id")
    assert subject.likely(plain, {"shops": 5, "buyers": 6, "sales": 900}) is None


def test_a_key_that_repeats_is_told_though_nobody_named_it() -> None:
    """The link to it would else be lost without a word."""
    tables = shop()
    customers = tables["customers"].copy()
    customers.iloc[5, 0] = customers.iloc[4, 0]
    with pytest.raises(DataError, match="not unique: 1 of") as caught:
        Dataset.of(tables | {"customers": customers})
    assert str(caught.value).startswith("customers.customer_id")
    alone = Dataset.of({"customers": customers, "addresses": tables["addresses"]})  # nothing leads to it: no key is meant
    assert alone.schema["customers"].key == ()


def test_tables_with_a_subject_go_out_as_they_came_in(tmp_path: Path) -> None:
    import polars as pl

    import lookalike as la

    rng = np.random.default_rng(0)
    tables = {
        "customers": pl.DataFrame({"customer_id": range(1, 101), "age": rng.integers(20, 80, 100)}),
        "orders": pl.DataFrame({"order_id": range(1, 301), "customer_id": rng.integers(1, 101, 300), "paid": rng.normal(size=300)}),
    }
    for name, table in tables.items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    small = la.model("relational", inner="independent")
    assert {type(t) for t in la.sample(la.fit(tables, model=small, subject="customers"), 20).values()} == {pl.DataFrame}
    la.sample(la.fit(tmp_path, model=small, subject="customers"), 20, out=tmp_path / "drawn")
    assert {f.suffix for f in (tmp_path / "drawn").iterdir()} == {".parquet", ".json"}


def test_a_single_table_whose_rows_seem_to_name_each_other_says_so() -> None:
    """By names and values, as between tables; years and quantities name nobody."""
    rng = np.random.default_rng(0)
    boss = pd.array([None, *(int(rng.integers(1, i // 4 + 2)) for i in range(1, 120))], "Int64")
    staff = pd.DataFrame({"emp_id": np.arange(1, 121), "manager_id": boss, "pay": rng.integers(20, 90, 120)})
    (note,) = Dataset.of(staff).notes
    assert note.startswith("rows of table seem to name other rows of it (manager_id → emp_id)")
    schema = Dataset.of(staff).schema
    links = json.loads(note.partition('"links": ')[2])
    assert Dataset.of(staff, schema=schema.amend_table("table", links=links)).notes == ()
    assert Dataset.of(staff.rename(columns={"manager_id": "quantity"})).notes == ()


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_rows_that_break_a_constraint_of_a_database_are_told_as_such(scheme: str, tmp_path: Path) -> None:
    """Neither the URL nor rights are at fault; what was there before stays."""
    data = the_shop()
    url, table = f"{scheme}:///{tmp_path / 'shop.db'}", data.table("addresses")
    Dataset.of(pd.DataFrame({"n": range(9)})).write(f"{url}?table=older")
    with (
        pytest.raises(DataError, match=r"the database says: .*(UNIQUE|[Dd]uplicate key)") as caught,
        LinkedWriter(url, data.schema) as many,
    ):
        many.append("addresses", pa.concat_tables([table, table.slice(0, 1)]))
    assert "mend the rows" in caught.value.fix and "rights" not in caught.value.fix
    assert Dataset.of(url).schema.table.name == "older" and Dataset.of(url).rows == 9
    data.write(url)
    with pytest.raises(FileError, match="tables exist already") as caught:
        data.write(url)
    assert "drop these tables" in caught.value.fix


def test_a_table_of_sqlite_whose_name_differs_in_capitals_only_is_in_the_way(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}?table="
    Dataset.of(pd.DataFrame({"n": range(9)})).write(url + "Orders")
    with pytest.raises(FileError, match="already exists") as caught:
        Dataset.of(pd.DataFrame({"n": range(9)})).write(url + "orders")
    assert "capitals" in caught.value.fix


def test_a_line_number_is_part_of_a_key_rather_than_a_second_link() -> None:
    """No order names a product twice, which may be by chance; that lines are counted within orders is not."""
    rng = np.random.default_rng(0)
    named = [rng.choice(np.arange(1, 61), rng.integers(1, 5), replace=False) for _ in range(90)]
    lines = [(o, n, p) for o, some in enumerate(named, start=1) for n, p in enumerate(some, start=1)]
    tables = {
        "orders": pd.DataFrame({"order_id": np.arange(1, 91), "paid": rng.normal(size=90)}),
        "products": pd.DataFrame({"product_id": np.arange(1, 61), "weight": rng.normal(size=60)}),
        "order_lines": pd.DataFrame(lines, columns=["order_id", "line_no", "product_id"]).assign(pieces=rng.integers(1, 9, len(lines))),
    }
    schema = Dataset.of(tables).schema
    assert schema["order_lines"].key == ("order_id", "line_no")
    assert ("order_lines", "product_id", "products", "product_id") in links_of(schema)
