"""Values of rows that are nobody's own count by the subjects that reach them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike import models
from lookalike.data import Dataset
from lookalike.data.holders import Holders
from lookalike.encode import Codebook, _people
from lookalike.schema import Column, Link, Schema, Table

NAMES = ["ale", "bun", "cod", "dip", "egg", "fig"]
CUSTOMERS = 40


def test_pairs_are_counted_once_and_chosen_rows_keep_theirs() -> None:
    held = Holders.of(4, np.array([2, 0, 2, 2, 3]), np.array([7, 1, 7, 8, 1]))
    assert len(held) == 4
    assert held.rows.tolist() == [0, 2, 2, 3] and held.subjects.tolist() == [1, 7, 8, 1]
    for chosen in (np.array([2, 1, 2]), np.array([3, 0])):
        some = held[chosen]
        for new, old in enumerate(chosen):
            assert some.subjects[some.rows == new].tolist() == held.subjects[held.rows == old].tolist()
    assert held[np.array([False, True, True, False])].subjects.tolist() == [7, 8]
    assert len(Holders.of(3, np.zeros(0, np.int64), np.zeros(0, np.int64))[np.array([1])].rows) == 0


@pytest.mark.parametrize("most", [1, 3, 64])
def test_of_many_subjects_some_are_kept_and_never_others(most: int) -> None:
    rng = np.random.default_rng(0)
    rows, subjects = rng.integers(0, 5, 400), rng.integers(0, 90, 400)
    every, some = Holders.of(5, rows, subjects), Holders.of(5, rows, subjects, most=most)
    for row in range(5):
        mine, kept = every.subjects[every.rows == row], some.subjects[some.rows == row]
        assert len(kept) == min(most, len(mine))
        assert set(kept) <= set(mine)


def test_a_value_counts_by_its_subjects_or_by_its_rows_whichever_is_more() -> None:
    ids = np.array([0, 0, 1, 2, 2, 2])
    held = Holders.of(6, np.array([0, 0, 1, 2, 2, 2, 3]), np.array([4, 5, 4, 1, 2, 3, 9]))
    rows, holders, weight = _people.count(ids, 3, held)
    assert rows.tolist() == [2, 1, 3]
    assert holders.tolist() == [2, 3, 3]  # subjects 4 and 5; 1, 2 and 3; three rows, though of one subject
    assert (weight >= rows * _people.UNIT).all() and weight.sum() <= 8 * _people.UNIT


def test_what_enough_subjects_reach_is_told() -> None:
    table = Table(columns=(Column(name="name", kind="category"), Column(name="price", kind="number")))
    rows = pa.table({"name": pa.array(NAMES).dictionary_encode(), "price": [1.25, 2.5, 3.75, 4.5, 5.25, 6.75]})
    pairs = np.array([(row, who) for row in range(5) for who in range(6)])  # nobody bought the fig
    schema = Schema(tables=(table,))
    plain = Codebook.measure_all(Dataset.from_arrow({table.name: rows}, schema))
    reached = Codebook.measure_all(Dataset.from_arrow({table.name: rows}, schema, holders=Holders.of(6, *pairs.T)))
    assert plain.books[0]["levels"] == ["(rare)"]
    assert reached.books[0]["levels"] == NAMES[:5]
    made = reached.decode(reached.encode(rows))
    assert made["price"].to_pylist()[:5] == rows["price"].to_pylist()[:5]
    assert made["name"].to_pylist()[5] != "fig"


def shop(*, persons: bool) -> Dataset:
    """Customers who buy things of six names from a list, to each of which one customer alone adds one of his own."""
    rng = np.random.default_rng(3)
    key, text = {"kind": "key", "storage": "string"}, pa.string()
    about = (Column(name="mail", kind="personal", personal="email", locale="en_US"),) if persons else ()
    tables = (
        Table(name="customers", columns=(Column(name="id", unique=True, **key),), key=("id",)),
        Table(
            name="bought",
            columns=(Column(name="customer", **key), Column(name="thing", **key)),
            links=(
                Link(columns=("customer",), table="customers", references=("id",)),
                Link(columns=("thing",), table="things", references=("id",)),
            ),
        ),
        Table(name="things", columns=(Column(name="id", unique=True, **key), Column(name="name", kind="category"), *about), key=("id",)),
    )
    ids = [f"c{k:03}" for k in range(CUSTOMERS)]
    who = np.repeat(np.arange(CUSTOMERS), 3)
    things = [f"t{k:02}" for k in range(7)]
    bought = np.array(things)[np.append(rng.integers(0, 6, len(who)), 6)]
    names: dict[str, Any] = {"id": pa.array(things, text), "name": pa.array([*NAMES, "gin"]).dictionary_encode()}
    if persons:
        names["mail"] = pa.array([f"{name}@maker.org" for name in (*NAMES, "gin")], text)
    arrow = {
        "customers": pa.table({"id": pa.array(ids, text)}),
        "bought": pa.table({"customer": pa.array([ids[k] for k in (*who, 0)], text), "thing": pa.array(bought, text)}),
        "things": pa.table(names),
    }
    return Dataset.from_arrow(arrow, Schema(tables=tables, subject="customers.id"))


def names_drawn(data: Dataset) -> set[str]:
    model = models.build("relational", {}).fit(data, rng=np.random.default_rng(0))
    return set(model.sample(CUSTOMERS, rng=np.random.default_rng(1)).table("things")["name"].to_pylist())


def test_a_linked_list_keeps_the_names_that_customers_reach_and_no_other() -> None:
    drawn = names_drawn(shop(persons=False))
    assert drawn <= set(NAMES) and len(drawn) > 2  # "gin" was bought by one alone


def test_rows_that_are_persons_count_by_themselves() -> None:
    assert not names_drawn(shop(persons=True)) & {*NAMES, "gin"}


def test_chosen_rows_keep_their_holders() -> None:
    table = Table(columns=(Column(name="name", kind="category"),))
    rows = pa.table({"name": pa.array(NAMES).dictionary_encode()})
    data = Dataset.from_arrow({table.name: rows}, Schema(tables=(table,)), holders=Holders.of(6, np.array([0, 5]), np.array([3, 4])))
    some = data.take(np.array([5, 1]))
    assert some.holders.rows.tolist() == [0] and some.holders.subjects.tolist() == [4]
    assert sum(len(part.holders.rows) for part in data.split(0.5, rng=np.random.default_rng(0))) == 2
