"""Small linked tables: moments that lie close together, draws that come out as they should in all, and counts that add up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike
from lookalike.models._kin_even import evenly, turns
from lookalike.models._kin_gaps import Gaps
from lookalike.models._kin_groups import Spread
from lookalike.schema import Column, Table

CUSTOMERS, CLERKS = 60, 6


def shop() -> dict[str, pd.DataFrame]:
    """Customers and their orders: due 7 or 28 days after they came in, sent 1 to 3 days after; each by one of six clerks."""
    rng = np.random.default_rng(5)
    customers = pd.DataFrame({"customer_id": np.arange(CUSTOMERS) + 1, "kind": rng.choice(["shop", "inn"], CUSTOMERS)})
    owner = np.repeat(customers.customer_id.to_numpy(), rng.integers(1, 9, CUSTOMERS))
    n = len(owner)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D")
    orders = pd.DataFrame(
        {
            "order_id": 1_000 + np.arange(n),
            "customer_id": owner,
            "clerk_id": rng.choice(CLERKS, n, p=[0.35, 0.25, 0.2, 0.1, 0.06, 0.04]) + 11,
            "ordered": day,
            "due": day + pd.to_timedelta(rng.choice([7, 28], n), unit="D"),
            "sent": (day + pd.to_timedelta(rng.integers(1, 4, n), unit="D")).where(rng.random(n) < 0.9),
        }
    )
    clerks = pd.DataFrame({"clerk_id": np.arange(CLERKS) + 11, "desk": ["north", "south"] * (CLERKS // 2)})
    return {"customers": customers, "clerks": clerks, "orders": orders}


@pytest.fixture(scope="module")
def real() -> dict[str, pd.DataFrame]:
    return shop()


@pytest.fixture(scope="module")
def model(real: dict[str, pd.DataFrame]) -> object:
    return lookalike.fit(real, model=lookalike.model("relational", inner_settings={"trees": 4}), subject="customers", seed=0)


@pytest.fixture(scope="module")
def made(model: object) -> dict[str, pd.DataFrame]:
    return lookalike.sample(model, CUSTOMERS, seed=1)


def days(a: pd.Series, b: pd.Series) -> list[float]:
    """The days from one column to the other, where both are there."""
    return ((pd.to_datetime(b) - pd.to_datetime(a)) / pd.Timedelta(days=1)).dropna().tolist()


def test_moments_keep_their_distance(made: dict[str, pd.DataFrame]) -> None:
    orders = made["orders"]
    assert set(days(orders.ordered, orders.due)) == {7, 28}
    assert set(days(orders.ordered, orders.sent)) == {1, 2, 3}
    assert 0.03 < orders.sent.isna().mean() < 0.2


def test_a_small_table_has_as_many_rows_as_it_had_and_names_others_as_often(
    made: dict[str, pd.DataFrame], real: dict[str, pd.DataFrame]
) -> None:
    assert len(made["orders"]) == len(real["orders"])
    counts = [sorted(side["orders"].clerk_id.value_counts()) for side in (made, real)]
    assert np.abs(np.subtract(*counts)).max() <= 2


def test_a_stored_model_draws_the_same_moments(model: object, made: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    lookalike.save(model, tmp_path / "shop.lookalike")
    again = lookalike.sample(lookalike.load(tmp_path / "shop.lookalike"), CUSTOMERS, seed=1)
    pd.testing.assert_frame_equal(again["orders"], made["orders"])


def moments(**columns: list[object]) -> tuple[Table, pa.Table]:
    """Columns of dates."""
    told = Table(name="t", columns=tuple(Column(name=name, kind="date") for name in columns))
    return told, pa.table({name: pa.array(values, pa.date32()) for name, values in columns.items()})


def test_gaps_are_found_where_one_moment_follows_from_another_and_come_back() -> None:
    rng = np.random.default_rng(0)
    start = rng.integers(10_000, 12_000, 80)
    end = [None if k % 9 == 0 else int(x) for k, x in enumerate(start + rng.integers(1, 20, 80))]
    told, rows = moments(end=end, start=start.tolist(), other=rng.integers(10_000, 12_000, 80).tolist())
    found = Gaps.of(told, rows, ["end", "start", "other"])
    assert found.computed == {"end"}
    assert [(c.name, c.kind) for c in found.columns] == [("(gap) end", "integer")]
    learned = found.told({name: rows[name] for name in rows.column_names})
    stored = Gaps.from_json(json.loads(json.dumps(found.to_json())))
    assert stored.put({"start": rows["start"], **learned})["end"].to_pylist() == rows["end"].to_pylist()


def test_gaps_are_not_found_where_moments_are_far_apart_few_or_held_fast() -> None:
    rng = np.random.default_rng(0)
    start = rng.integers(10_000, 12_000, 80)
    told, rows = moments(birth=start.tolist(), hired=(start + rng.integers(0, 2_000, 80)).tolist())
    assert Gaps.of(told, rows, ["birth", "hired"]).computed == set()
    told, rows = moments(start=start.tolist(), end=(start + 1).tolist())
    assert Gaps.of(told, rows, ["start"]).computed == set()
    assert Gaps.of(told, rows, ["start", "end"]).computed == {"end"}
    assert Gaps.of(told, rows.slice(0, 19), ["start", "end"]).computed == set()


def test_a_moment_whose_base_is_missing_stands_alone() -> None:
    start: list[object] = [10_000 + 30 * k for k in range(400)]
    end = [x + 3 for x in start]
    start[7] = end[300] = end[301] = None
    told, rows = moments(start=start, end=end)
    found = Gaps.of(told, rows, ["end"])
    assert [c.name for c in found.columns] == ["(gap) end", "(alone) end"]
    learned = found.told({name: rows[name] for name in rows.column_names})
    assert found.put({"start": rows["start"], **learned})["end"].to_pylist() == rows["end"].to_pylist()


def drawn(seed: int, rows: int = 90, draws: int = 8) -> tuple[list[tuple[np.ndarray, bool]], np.ndarray]:
    """Draws of rows, one after the other: a number, some of which are missing, and two labels that go together."""
    rng = np.random.default_rng(seed)
    a = rng.choice(5, rows * draws, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    b = np.where(rng.random(rows * draws) < 0.7, a, rng.integers(0, 5, rows * draws))
    x = np.where(rng.random(rows * draws) < 0.2, np.nan, rng.normal(size=rows * draws) + a)
    return [(x, True), (a, False), (b, False)], np.arange(rows * draws).reshape(draws, rows).T


def misses(columns: list[tuple[np.ndarray, bool]], at: np.ndarray) -> float:
    """The greatest difference in the share of a label, or of a number below a bound, between some of the draws and all."""
    (x, _), *labels = columns
    ends = np.nanquantile(x, [0.1, 0.25, 0.5, 0.75, 0.9])
    off = [np.abs(np.bincount(v[at], minlength=5) / len(at) - np.bincount(v, minlength=5) / len(v)).max() for v, _ in labels]
    return max(*off, np.abs((x[at][:, None] <= ends).mean(0) - (x[:, None] <= ends).mean(0)).max())


def test_of_several_draws_those_are_taken_that_come_out_as_all_do() -> None:
    for seed in range(5):
        columns, index = drawn(seed)
        taken = evenly(columns, index, np.random.default_rng(seed))
        alone, together = (misses(columns, at) for at in (index[:, 0], index[np.arange(90), taken]))
        assert together <= 0.02 < 0.04 < alone


def test_wanted_shares_of_a_label_are_met() -> None:
    columns, index = drawn(0)
    taken = evenly(columns, index, np.random.default_rng(0), wanted={1: {0: 2.0, 1: 2.0, 2: 2.0, 3: 2.0, 4: 1.0}})
    count = np.bincount(columns[1][0][index[np.arange(90), taken]], minlength=5)
    assert np.abs(count - [20, 20, 20, 20, 10]).max() <= 1


def test_what_is_taken_already_stays_where_it_does() -> None:
    columns, index = drawn(1)
    first = evenly(columns, index, np.random.default_rng(1))
    again = evenly(columns, index, np.random.default_rng(2), taken=first)
    assert (first != again).mean() < 0.2
    assert evenly(columns, index[:1], np.random.default_rng(0)).tolist() == [0]
    assert evenly(columns, index[:, :1], np.random.default_rng(0)).tolist() == [0] * 90


def test_large_tables_are_drawn_once() -> None:
    assert [turns(n) for n in (0, 1, 9, 900, 12_000, 10**7)] == [16, 16, 16, 13, 1, 1]


def test_counts_add_up_to_what_they_were() -> None:
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(1, 0.1, 90)
    spread = Spread.of(counts, 5)
    for seed in range(20):
        made = spread.put(rng.permutation(90), np.random.default_rng(seed))
        assert made.sum() == counts.sum()
        assert np.abs(np.sort(made) - np.sort(counts)).max() <= 0.25 * counts.max()
    assert abs(spread.put(rng.permutation(45), rng).sum() - counts.sum() / 2) <= 0.02 * counts.sum()
