"""Linked tables are judged by what lies between them, not only by what lies in each."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import lookalike
from lookalike.compare.database import Database, databases, owners
from lookalike.compare.views import gathered, unowned
from lookalike.data import Dataset
from lookalike.errors import DataError
from lookalike.report import Report, build, integrity, linked
from lookalike.report.items import LINKED, SUBJECT
from lookalike.report.verdict import tone
from lookalike.report.views import Measured, View, measured, staged, table_views
from lookalike.schema import Column, Link, Schema, Table

pytestmark = pytest.mark.usefixtures("fewer_trees")

CUSTOMERS = 300


def key(name: str) -> Column:
    return Column(name=name, kind="key", storage="int64")


SCHEMA = Schema(
    tables=(
        Table(name="customer", columns=(key("id"), Column(name="age", kind="integer"), Column(name="land", kind="category")), key=("id",)),
        Table(
            name="order",
            columns=(key("no"), key("customer"), Column(name="amount", kind="number"), Column(name="way", kind="category")),
            key=("no",),
            links=(Link(columns=("customer",), table="customer", references=("id",)),),
        ),
        Table(
            name="line",
            columns=(key("order"), key("product"), Column(name="price", kind="number")),
            links=(
                Link(columns=("order",), table="order", references=("no",)),
                Link(columns=("product",), table="product", references=("code",)),
            ),
        ),
        Table(name="product", columns=(key("code"), Column(name="sort", kind="category")), key=("code",), public=True),
    ),
    subject="customer.id",
)
PRODUCTS = pa.table({"code": pa.array(range(8)), "sort": pa.array(["food", "toys"] * 4).dictionary_encode()})


def shop(seed: int, *, customers: int = CUSTOMERS) -> dict[str, pa.Table]:
    """Older customers have more orders, and of greater amounts; toys are dear, and cost more in one land."""
    rng = np.random.default_rng(seed)
    age, land = rng.integers(18, 80, customers), rng.choice(["de", "fr", "pl"], customers)
    orders = rng.poisson(age / 20)
    whose = np.repeat(np.arange(customers), orders)
    amount = np.round(age[whose] * 2 + rng.normal(0, 12, len(whose)), 2)
    way = np.where(rng.random(len(whose)) < np.where(land[whose] == "pl", 0.8, 0.2), "post", "shop")
    of = np.repeat(np.arange(len(whose)), rng.integers(1, 4, len(whose)))
    product = rng.integers(0, 8, len(of))
    price = np.round(amount[of] / 3 + 30 * (product % 2) + rng.normal(0, 4, len(of)), 2)
    return {
        "customer": pa.table({"id": pa.array(range(customers)), "age": pa.array(age), "land": pa.array(land).dictionary_encode()}),
        "order": pa.table(
            {
                "no": pa.array(range(len(whose))),
                "customer": pa.array(whose),
                "amount": pa.array(amount),
                "way": pa.array(way).dictionary_encode(),
            }
        ),
        "line": pa.table({"order": pa.array(of), "product": pa.array(product), "price": pa.array(price)}),
        "product": PRODUCTS,
    }


def data(tables: dict[str, pa.Table], schema: Schema = SCHEMA) -> Dataset:
    return Dataset.from_arrow(tables, schema)


def changed(table: str, column: str, values: object, *, seed: int = 3) -> dict[str, pa.Table]:
    """A second sample in which one column is another."""
    made = shop(seed)
    at = made[table].column_names.index(column)
    return made | {table: made[table].set_column(at, column, pa.array(values))}


def damaged(what: str) -> dict[str, pa.Table]:
    rng = np.random.default_rng(5)
    second = shop(3)
    whose, size = second["order"]["customer"].to_numpy(), CUSTOMERS
    return {
        "nothing": second,
        "links": changed("order", "customer", rng.permutation(whose)),
        "orphans": changed("order", "customer", np.where(np.arange(len(whose)) < 25, size + 7, whose)),
        "keys": changed("customer", "id", np.maximum(np.arange(size) - 3, 0)),
        "products": changed("line", "product", rng.permutation(second["line"]["product"].to_numpy())),
    }[what]


@cache
def judged(what: str) -> Report:
    """The whole report on a second sample with this damage."""
    return build(data(shop(1)), data(damaged(what)), holdout=data(shop(2)))


def bases(synthetic: dict[str, pa.Table]) -> dict[str, Database]:
    found = databases({"real": shop(1), "synthetic": synthetic, "holdout": shop(2)}, SCHEMA)
    path = owners(found["real"])
    return {role: base.owned(path) for role, base in found.items()}


@cache
def figures(what: str) -> Measured:
    """All figures but the classifiers', which take the time."""
    views = list(table_views(bases(damaged(what)), {"customer", "order", "line"}, {"product"}))
    cheap = [i for i in LINKED if i.metric != "c2st"]
    return measured(views, cheap, seed=0, effort="quick", subject=None, on_view=lambda _: None)[0]


def few(**others: str) -> Report:
    """A report on so few rows that there is no classifier to wait for."""
    return build(data(shop(1, customers=15)), data(shop(3, customers=15)), holdout=data(shop(2, customers=15)), **others)


def said(report: Report) -> dict[str, str]:
    return {v["title"]: v["tone"] for v in report.json()["verdict"]}


def off(what: str, name: str) -> bool:
    """Whether the figure is worse than that of fresh rows by more than both intervals."""
    found = next(s for s in figures(what).scores if s.name == name)
    return found.low > found.ceiling_interval[1]


def test_a_second_sample_of_the_law_is_as_good_as_real() -> None:
    report = judged("nothing")
    tones = said(report)
    # The attacks notice no leak among so few, and say so.
    assert tones.pop("Attacks on whole subjects") == "open"
    assert set(tones.values()) == {"good"}, report.text()
    for found in report.json()["scores"]:
        assert found["name"] == "missing" or (found["value"] is not None and found["ceiling"] is not None), found["name"]
        assert found["skill_high"] is None or found["skill_high"] > 0.8, found["name"]


def test_a_shuffled_link_is_seen_where_single_tables_are_perfect() -> None:
    report = judged("links")
    tones = said(report)
    assert tones["Single columns"] == tones["Pairs of columns in a table"] == tones["Keys and links"] == "good"
    assert tones["Pairs across a link"] == tones["Pairs two links away"] == "poor"
    assert off("links", "link_dependence")
    assert next(s for s in report.json()["scores"] if s["name"] == "c2st_agg")["low"] > 0.6
    # The number of orders stayed with the customer.
    assert not off("links", "cardinality")


def test_wrong_numbers_of_children_are_seen() -> None:
    second = shop(3)
    same = pa.array(np.arange(second["order"].num_rows) % CUSTOMERS)
    wrong = second | {"order": second["order"].set_column(1, "customer", same)}
    counted = [v for v in table_views(bases(wrong), {"customer", "order", "line"}, set()) if (v.kind, v.title) == ("counts", "customer")]
    found = measured(counted, LINKED, seed=0, effort="quick", subject=None, on_view=lambda _: None)[0].by_view["counts", "customer"][0]
    assert found.name == "cardinality" and found.low > found.ceiling_interval[1] and tone(found) == "poor"


def test_broken_links_and_keys_are_counted() -> None:
    def state(what: str) -> dict[str, list[dict[str, object]]]:
        return integrity.checked({"real": shop(1), "synthetic": damaged(what)}, SCHEMA)

    orphans, keys = state("orphans"), state("keys")
    assert next(e for e in orphans["links"] if e["table"] == "order")["broken"] == {"real": 0, "synthetic": 25}
    assert next(e for e in keys["keys"] if e["table"] == "customer")["broken"] == {"real": 0, "synthetic": 3}
    # The three keys that are gone leave orders behind.
    gone = int((shop(3)["order"]["customer"].to_numpy() >= CUSTOMERS - 3).sum())
    assert integrity.violations(keys) == 3 + gone
    rows = sum(e["synthetic"]["rows"] for part in orphans.values() for e in part)
    assert integrity.score(orphans).value == pytest.approx(100 * 25 / rows)
    assert integrity.score(state("nothing")).value == 0


def test_a_link_that_must_be_given_and_one_to_one_links_are_checked() -> None:
    real, made = shop(1), damaged("nothing")
    lost = made["order"]["customer"].to_numpy().astype(float)
    lost[:4] = np.nan
    made["order"] = made["order"].set_column(1, "customer", pa.array(lost, from_pandas=True).cast(pa.int64()))
    found = integrity.checked({"real": real, "synthetic": made}, SCHEMA)["links"][0]
    assert found["synthetic"]["missing"] == 4 and found["broken"]["synthetic"] == 4
    once = shop(1)
    once["order"] = once["order"].slice(0, 50).set_column(1, "customer", pa.array(range(50)))
    found = integrity.checked({"real": once, "synthetic": shop(3)}, SCHEMA)["links"][0]
    customers = shop(3)["order"]["customer"].to_numpy()
    assert found["broken"]["synthetic"] == len(customers) - len(np.unique(customers))


def test_the_second_parent_matters_too() -> None:
    assert off("products", "link_dependence")
    assert not off("nothing", "link_dependence")


def test_two_tables_two_links_apart() -> None:
    # Prices go with the customer's age through the order's amount.
    assert off("links", "hop_dependence")
    assert not off("products", "hop_dependence")


def test_a_copy_of_the_training_database_loses_privacy() -> None:
    whole = View("subject", "customer", {role: unowned(gathered(b, "customer")) for role, b in bases(shop(1)).items()}, "customer")
    stage = staged(whole, 0)
    found, raids = measured([whole], SUBJECT, seed=0, effort="quick", subject=stage, on_view=lambda _: None)
    scores = {s.name: s for s in found.scores}
    assert scores["exact_copies"].value == 100 and scores["exact_copies"].ceiling < 10
    assert scores["dcr_share"].low > 0.8
    assert next(a for a in raids if a["name"] == "best")["value"] > 0.9


def test_the_same_seed_gives_the_same_report() -> None:
    assert few().json() == few().json()
    json.dumps(few().json(), allow_nan=False)


def test_without_a_holdout_memory_is_not_judged() -> None:
    report = build(data(shop(1, customers=45)), data(shop(3, customers=45)))
    assert said(report)["Memory of whole subjects"] == "open"
    assert report.json()["attacks"] == []
    assert next(s for s in report.json()["scores"] if s["name"] == "link_trend")["ceiling"] is not None
    assert any("No holdout" in n for n in report.json()["notes"])


def test_few_subjects_are_said_to_be_few() -> None:
    report = few()
    assert any("too few" in n for n in report.json()["notes"])
    assert "good" not in {t for title, t in said(report).items() if "subjects" in title}


def test_a_missing_table_is_refused() -> None:
    tables = [t for t in SCHEMA.tables if t.name in ("customer", "order")]
    less = data({t.name: shop(3)[t.name] for t in tables}, Schema(tables=tuple(tables)))
    with pytest.raises(DataError, match="the synthetic database lacks 'line', 'product'"):
        build(data(shop(1)), less)


def without(column: str, table: str) -> Dataset:
    tables = tuple(
        t.model_copy(update={"columns": tuple(c for c in t.columns if c.name != column), "key": (), "links": ()}) if t.name == table else t
        for t in SCHEMA.tables
    )
    made = shop(3, customers=15)
    return data(made | {table: made[table].drop_columns([column])}, Schema(tables=tables))


def test_a_missing_column_is_told_of_and_a_missing_link_is_refused() -> None:
    real = data(shop(1, customers=15))
    report = build(real, without("price", "line"))
    assert any("lacks 'price'" in n for n in report.json()["notes"])
    assert "line.price" not in report.json()["compared"]["columns"]
    with pytest.raises(DataError, match="lacks 'customer', which its key, links or order are made of"):
        build(real, without("customer", "order"))


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(DataError, match="the synthetic table 'order' has no rows"):
        build(data(shop(1)), data(shop(3) | {"order": shop(3)["order"].slice(0, 0)}))


def test_gates_read_the_figures_of_linked_tables() -> None:
    outcomes = judged("links").require(["integrity<=0", "link_dependence<=0.5", "c2st_agg<=0.6"])
    assert [o.met for o in outcomes] == [True, False, False]


def test_the_public_report_gives_no_figure_of_a_table_away() -> None:
    report = few(audience="public")
    assert not report.json().get("linked") and report.json()["columns"] == []
    assert "order → customer" not in report.html()


def test_all_faces_can_be_drawn() -> None:
    report = judged("links")
    assert "Children per parent" in report.text()
    for face in (report.html(), report.markdown(), report.text()):
        assert "order → customer" in face
    assert len(report.html()) < 3_000_000


def test_of_very_many_rows_some_subjects_are_looked_at_and_all_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linked, "MOST_ROWS", 60)
    made = damaged("orphans")
    report = build(data(shop(1)), data(made), holdout=data(shop(2)))
    assert any("of the subjects, drawn at random" in n for n in report.json()["notes"])
    rows = {t["name"]: t["rows"] for t in report.json()["linked"]["tables"]}
    assert rows["line"] == {role: t["line"].num_rows for role, t in (("real", shop(1)), ("synthetic", made), ("holdout", shop(2)))}
    assert next(e for e in report.json()["linked"]["links"] if e["table"] == "order")["broken"]["synthetic"] == 25


def test_broken_tables_are_read_from_files_and_judged(tmp_path: Path) -> None:
    real, made = tmp_path / "real", tmp_path / "made"
    data(shop(1, customers=15)).write(real)
    data(shop(3, customers=15)).write(made)
    orders = [line.split(",") for line in (made / "order.csv").read_text().splitlines()]
    for row in orders[1:4]:
        row[1] = "977"
    (made / "order.csv").write_text("\n".join(map(",".join, orders)) + "\n")
    lines = (made / "line.csv").read_text().splitlines()
    (made / "line.csv").write_text("\n".join([lines[0], *(f"{line.rsplit(',', 1)[0]},dear" for line in lines[1:])]) + "\n")
    report = lookalike.report(real, made, effort="quick", schema=SCHEMA)
    order = next(e for e in report.json()["linked"]["links"] if e["table"] == "order")
    assert order["broken"]["synthetic"] == 3
    assert any("'price' is not of the kind" in n for n in report.json()["notes"])
    assert not any("lacks" in n for n in report.json()["notes"])
    (made / "line.csv").unlink()
    (made / "keys.json").unlink()
    with pytest.raises(DataError, match="the synthetic database lacks 'line'"):
        lookalike.report(real, made, schema=SCHEMA)
