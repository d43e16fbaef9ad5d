"""Linked tables, sequences and series through the public verbs and the command line: what is taken, counted, refused and said."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.cli import main
from lookalike.data import Dataset, LinkedWriter
from lookalike.errors import CannotError, DataError, SchemaError, SettingError, UnknownName
from lookalike.protocol import Step

pytestmark = pytest.mark.usefixtures("few_trees")

CUSTOMERS, STAYS = 90, 40
LIGHT = {"inner": "independent"}


@pytest.fixture(scope="module")
def shop() -> dict[str, pd.DataFrame]:
    """Customers and their orders."""
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(CUSTOMERS), rng.integers(1, 4, CUSTOMERS))
    customers = pd.DataFrame({"customer_id": 1 + np.arange(CUSTOMERS), "sex": rng.choice(["f", "m"], CUSTOMERS)})
    orders = pd.DataFrame({"order_id": 5_001 + np.arange(len(of)), "customer_id": 1 + of, "paid": rng.integers(1, 9, len(of)) / 2})
    return {"customers": customers, "orders": orders}


@pytest.fixture(scope="module")
def vitals() -> pd.DataFrame:
    """Six hours of each stay."""
    rng = np.random.default_rng(1)
    hour = np.tile(np.arange(6), STAYS)
    pulse = 60 + 2 * hour + rng.integers(-3, 4, len(hour))
    return pd.DataFrame({"stay": np.repeat(np.arange(STAYS), 6), "hour": hour, "ward": np.repeat(["A", "B"], 3 * STAYS), "pulse": pulse})


@pytest.fixture(scope="module")
def heat() -> pd.DataFrame:
    """One series."""
    t = np.arange(300)
    noise = np.random.default_rng(2).normal(0, 0.3, 300)
    return pd.DataFrame({"time": pd.date_range("2024-01-01", periods=300, freq="h"), "heat": (20 + 4 * np.sin(t / 4) + noise).round(2)})


@pytest.fixture(scope="module")
def linked(shop: dict[str, pd.DataFrame]) -> Any:
    return la.fit(shop, model=la.model("relational", **LIGHT), subject="customers")


@pytest.fixture(scope="module")
def stays(vitals: pd.DataFrame) -> Any:
    return la.fit(vitals, model=la.model("sequence", trees=3), subject="stay", order="hour")


@pytest.fixture(scope="module")
def series(heat: pd.DataFrame) -> Any:
    return la.fit(heat, model="surrogate", order="time")


def ask(*args: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(args))
    return int(stopped.value.code or 0)


def test_the_data_decide_which_model_learns_them(shop: dict[str, pd.DataFrame], vitals: pd.DataFrame) -> None:
    from lookalike._asking import sequenced, usual

    flat = la.schema(vitals)
    assert usual(la.schema(shop)) == "relational"
    assert usual(flat) == "forest"
    assert usual(sequenced(flat, subject="stay", order=["hour"])) == "sequence"
    assert usual(sequenced(flat, subject=None, order=["hour"])) == "series"


def test_subjects_are_counted_and_come_with_all_their_rows(linked: Any, stays: Any) -> None:
    tables = la.sample(linked, 30)
    assert len(tables["customers"]) == 30 and tables["orders"].customer_id.isin(tables["customers"].customer_id).all()
    assert len(la.sample(linked, scale=2)["customers"]) == 2 * CUSTOMERS
    drawn = la.sample(stays, 7)
    assert drawn.stay.nunique() == 7 and drawn.groupby("stay").hour.is_monotonic_increasing.all()
    assert la.sample(stays, scale=0.5).stay.nunique() == STAYS // 2


@pytest.mark.parametrize("place", ["folder", "sqlite", "duckdb"])
def test_tables_are_written_part_by_part_parents_first(linked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr("lookalike.models.relational.BLOCK", 60)  # about twenty customers at a time
    came: list[str] = []
    append = LinkedWriter.append
    monkeypatch.setattr(LinkedWriter, "append", lambda self, table, batch: (came.append(table), append(self, table, batch))[1])
    steps: list[Step] = []
    out = tmp_path / "out" if place == "folder" else f"{place}:///{tmp_path / 'out.db'}"
    la.sample(linked, 70, seed=3, out=out, on_step=steps.append)
    assert came[:4] == ["customers", "orders", "customers", "orders"]
    assert len(came) > 4
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 70)
    there, whole = Dataset.of(out), la.sample(linked, 70, seed=3)
    for name, frame in whole.items():
        rows = there.table(name).to_pandas()
        assert set(zip(*(rows[c].astype(str) for c in rows), strict=True)) == set(zip(*(frame[c].astype(str) for c in frame), strict=True))


def test_what_is_written_part_by_part_is_all_or_nothing(linked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lookalike.models.relational.BLOCK", 60)
    many = type(linked).pieces

    def stops(self: Any, n: int, **given: Any) -> Any:
        for done, tables in many(self, n, **given):
            if done > 40:
                raise OSError("the disk is full")
            yield done, tables

    monkeypatch.setattr(type(linked), "pieces", stops)
    for out in (tmp_path / "out", f"sqlite:///{tmp_path / 'out.db'}"):
        with pytest.raises(OSError, match="disk is full"):
            la.sample(linked, 70, out=out)
    assert not list(tmp_path.iterdir())


def test_a_series_counts_steps_and_has_them_all(series: Any, heat: pd.DataFrame) -> None:
    drawn = la.sample(series, 500)
    assert len(drawn) == 500 and (drawn.time.diff().dropna() == pd.Timedelta(hours=1)).all()


@pytest.mark.parametrize("scale", [0, -1.0, float("inf"), float("nan"), "2", True])
def test_a_scale_that_is_none_is_refused(linked: Any, scale: Any) -> None:
    with pytest.raises(SettingError, match="number above 0"):
        la.sample(linked, scale=scale)


def test_a_scale_beside_a_number_or_of_a_model_that_does_not_count_is_refused(linked: Any, series: Any) -> None:
    with pytest.raises(SettingError, match="given beside a number"):
        la.sample(linked, 5, scale=2)
    with pytest.raises(CannotError, match="how many rows it learned from"):
        la.sample(series, scale=2)


def test_a_plan_is_for_rows_that_stand_alone(linked: Any, stays: Any, series: Any) -> None:
    for model, given in ((linked, {"sex": "f"}), (stays, {"ward": "A"}), (series, {"heat": {"low": 20}})):
        with pytest.raises(CannotError, match="a plan is about rows"):
            la.sample(model, 5, plan={"given": given})


def test_a_plan_is_refused_before_a_series_is_learned(heat: pd.DataFrame) -> None:
    with pytest.raises(CannotError, match="no row can be left out"):
        la.make(heat, model="surrogate", order="time", plan={"given": {"heat": {"low": 20}}})


def test_odd_subjects_and_orders_are_refused(shop: dict[str, pd.DataFrame], vitals: pd.DataFrame) -> None:
    for facts, error, said in (
        ({"subject": "sty", "order": "hour"}, UnknownName, "stay"),
        ({"subject": "stay", "order": "ward"}, SchemaError, "puts no rows in order"),
        ({"subject": "hour", "order": "hour"}, SchemaError, "both the subject and the order"),
        ({"subject": "stay", "order": ["hour", "pulse"]}, SchemaError, "'hour' and 'pulse' are both to order the rows"),
        ({"subject": "stay", "order": "hour", "model": "forest"}, CannotError, "in which order"),
    ):
        with pytest.raises(error, match=said):
            la.fit(vitals, **facts)
    with pytest.raises(UnknownName, match="customers"):
        la.fit(shop, subject="custmers")
    with pytest.raises(CannotError, match="takes 1 table, not 2"):
        la.fit(shop, model="forest")
    with pytest.raises(CannotError, match="bound what a subject adds"):
        la.fit(shop, model=la.Private(epsilon=1.0))
    for verb in (la.impute, la.rules):
        with pytest.raises(CannotError, match=r"one table|1 table"):
            verb(shop)


def test_a_stream_is_of_one_table(linked: Any) -> None:
    with pytest.raises(CannotError, match="linked tables"):
        la.stream(linked, 5)


def test_a_dict_of_linked_tables_is_one_database_to_a_report(shop: dict[str, pd.DataFrame], linked: Any) -> None:
    report = la.report(shop, la.sample(linked, CUSTOMERS), effort="quick")
    assert [t["name"] for t in report.json()["linked"]["tables"]] == ["customers", "orders"]


def test_a_stored_model_says_its_notes_once(vitals: pd.DataFrame, tmp_path: Path) -> None:
    mixed = vitals.sample(frac=1, random_state=0)
    model = la.fit(mixed, model=la.model("sequence", trees=2), subject="stay", order="hour")
    assert model.notes_ == ["sequence: rows were sorted by hour within each stay"]
    la.save(model, tmp_path / "m.lookalike")
    again = la.load(tmp_path / "m.lookalike")
    assert again.trained_["notes"] == ["rows were sorted by hour within each stay"]


def test_the_command_line_draws_into_a_database_and_as_a_picture(
    shop: dict[str, pd.DataFrame], linked: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, frame in shop.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    la.save(linked, tmp_path / "m.lookalike")
    base = f"sqlite:///{tmp_path}/out.db"
    assert ask("sample", f"{tmp_path}/m.lookalike", "--scale", "0.5", "--out", base) == 0
    assert f"Wrote {CUSTOMERS // 2} subjects, with all their rows," in capfd.readouterr().err
    with sqlite3.connect(tmp_path / "out.db") as found:
        assert found.execute("SELECT count(*) FROM customers").fetchone() == (CUSTOMERS // 2,)
        assert not found.execute("PRAGMA foreign_key_check").fetchall()
    found.close()
    assert ask("schema", str(folder), "--draw", f"{tmp_path}/er.svg") == 0
    assert "orders" in (tmp_path / "er.svg").read_text(encoding="utf-8")
    assert ask("schema", str(folder), "--draw", f"{tmp_path}/er.png") == 2
    assert ask("sample", f"{tmp_path}/m.lookalike", "-n", "5") == 2
    assert "linked tables need a place" in capfd.readouterr().err


def test_rows_of_a_table_that_links_to_itself_are_counted_as_rows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    boss = [None if i < 5 else f"E{draw.integers(0, i):04d}" for i in range(120)]
    staff = pd.DataFrame({"emp_id": [f"E{i:04d}" for i in range(120)], "manager_id": boss, "pay": draw.integers(20, 90, 120)})
    schema = la.schema(staff)
    schema = schema.amend_table("table", links=[{"columns": ["manager_id"], "table": "table", "references": ["emp_id"]}])
    la.save(la.fit(staff, schema=schema, model=la.model("relational", **LIGHT)), tmp_path / "m.lookalike")
    assert ask("sample", f"{tmp_path}/m.lookalike", "-n", "7", "--out", f"{tmp_path}/new.csv") == 0
    assert "Wrote 7 rows to" in capfd.readouterr().err


def test_rows_that_were_filled_are_counted_as_rows(
    stays: Any, vitals: pd.DataFrame, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    partly = vitals.head(12).astype({"pulse": "Int64"})
    partly.loc[partly.hour > 3, "pulse"] = pd.NA
    partly.to_csv(tmp_path / "partly.csv", index=False)
    la.save(stays, tmp_path / "m.lookalike")
    assert ask("sample", f"{tmp_path}/m.lookalike", "--fix", f"{tmp_path}/partly.csv", "--out", f"{tmp_path}/full.csv") == 0
    assert "Wrote 12 rows to" in capfd.readouterr().err
    full = pd.read_csv(tmp_path / "full.csv")
    assert full.pulse.notna().all() and (full.pulse[full.hour <= 3] == vitals.head(12).pulse[full.hour <= 3]).all()


def test_fit_names_the_model_that_the_data_chose(vitals: pd.DataFrame, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    vitals.to_csv(tmp_path / "v.csv", index=False)
    out = f"{tmp_path}/m.lookalike"
    assert ask("fit", f"{tmp_path}/v.csv", "--subject", "stay", "--order", "hour", "--out", out, "--json", "-q") == 0
    assert json.loads(capfd.readouterr().out)["name"] == "sequence"


def test_schema_tells_of_links_that_lead_nowhere_and_fit_refuses_them(
    shop: dict[str, pd.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The schema is where such a link is taken out."""
    folder = tmp_path / "shop"
    folder.mkdir()
    shop["customers"].to_csv(folder / "customers.csv", index=False)
    shop["orders"].assign(customer_id=shop["orders"].customer_id.replace({5: 777, 6: 778})).to_csv(folder / "orders.csv", index=False)
    lost = int(shop["orders"].customer_id.isin([5, 6]).sum())
    with pytest.raises(SystemExit) as ended:
        main(["schema", str(folder), "--out", str(tmp_path / "s.json")])
    assert ended.value.code == 0
    said = capsys.readouterr().err
    assert f"note: orders.customer_id: {lost} of {len(shop['orders'])} rows link to no row of customers.customer_id" in said
    assert "take the link out of the schema" in said and "777" not in said
    with pytest.raises(DataError, match="link to no row"):
        la.fit(str(folder), model=la.model("relational", **LIGHT), schema=tmp_path / "s.json")
    free = la.schema(str(folder)).amend_table("orders", links=[])
    la.fit(str(folder), model=la.model("relational", **LIGHT), schema=free)
