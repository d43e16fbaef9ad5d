"""What repeats a personal column of another table is personal, too; what only looks alike is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lookalike.data._echoes import personal_too
from lookalike.schema import Column, Link, Table

KEY = {"kind": "key", "nullable": False}
CUSTOMERS = Table(
    name="customers", columns=(Column(name="id", **KEY), Column(name="firm", kind="personal", personal="company")), key=("id",)
)
ORDERS = Table(
    name="orders",
    columns=(Column(name="customer", **KEY), *(Column(name=name, kind="category") for name in ("ship_to", "packer", "same"))),
    links=(Link(columns=("customer",), table="customers", references=("id",)),),
)


def test_a_name_that_orders_repeat_is_personal_and_its_levels_are_not_told() -> None:
    rng = np.random.default_rng(0)
    firms, whose = np.array([f"Firm {k}" for k in range(100)]), rng.integers(0, 100, 900)
    ship = np.where(rng.random(900) < 0.2, "Firm 0", firms[whose])
    cells = {"ship_to": ship, "packer": rng.choice(firms[:2], 900), "same": np.full(900, "Firm 1")}
    ids = np.arange(100).astype(str)
    rows = {
        "customers": pa.table({"id": ids, "firm": firms}),
        "orders": pa.table({"customer": ids[whose], **{name: pa.array(v).dictionary_encode() for name, v in cells.items()}}),
    }
    tables, data, notes = personal_too({"customers": CUSTOMERS, "orders": ORDERS}, rows)
    assert [c.kind for c in tables["orders"]] == ["key", "personal", "category", "category"]
    assert tables["orders"]["ship_to"].personal == "company"
    assert data["orders"]["ship_to"].type == pa.string() and data["orders"]["ship_to"].to_pylist() == ship.tolist()
    assert notes == ["orders.ship_to repeats customers.firm, and is personal as that is: company"]
    assert tables["customers"] is CUSTOMERS and data["customers"] is rows["customers"]


def test_few_rows_show_nothing() -> None:
    rows = {
        "customers": pa.table({"id": ["1", "2"], "firm": ["A", "B"]}),
        "orders": pa.table(
            {"customer": ["1", "2"], **{n: pa.array(["A", "B"]).dictionary_encode() for n in ("ship_to", "packer", "same")}}
        ),
    }
    tables, _, notes = personal_too({"customers": CUSTOMERS, "orders": ORDERS}, rows)
    assert tables["orders"] is ORDERS and not notes
