"""How a private fit looks at a column: noisy histograms and trees, and what encoders make of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike as la
from lookalike.encode import Codebook, encoder, key, moment
from lookalike.privacy.accounting import Budget
from lookalike.privacy.domain import skeleton
from lookalike.privacy.ledger import Ledger
from lookalike.privacy.look import Look, Rows, project, smoothed
from lookalike.schema import Column, Schema, Table

SURE = 1e5
"""A budget with which nothing is noisy."""


def look(rho: float = SURE, **more: object) -> Look:
    return Look(Ledger(Budget(1e6, 1e-6)).allow(), rho, "x", **more)


def test_projection_is_the_nearest_point_with_that_sum() -> None:
    noisy = np.array([50.0, -20.0, 3.0, 30.0, 1.0])
    made = project(noisy, 60.0)
    assert made.min() >= 0
    assert np.isclose(made.sum(), 60.0)
    rng = np.random.default_rng(0)
    others = rng.dirichlet(np.ones(5), 20_000) * 60
    assert ((others - noisy) ** 2).sum(1).min() >= ((made - noisy) ** 2).sum()


def test_the_number_of_rows_is_best_known_from_few_bins() -> None:
    rows = Rows()
    rows.hear(1_000.0, 4.0)
    assert 999 < rows.hear(2_000.0, 4_000.0) < 1_002
    assert rows.estimate >= 1


@pytest.mark.parametrize("size", [1, 2, 200, 256, 257, 4_097, 1_000_003])
def test_a_tree_without_noise_counts_every_range_right(size: int) -> None:
    rng = np.random.default_rng(size)
    numbers = np.where(rng.random(5_000) < 0.5, size // 2, rng.integers(0, size, 5_000))
    found = look(cells=64).tree(numbers, size, 100)
    assert np.isclose(found.missing, 100, atol=1)
    assert (found.first[1:] == found.last[:-1] + 1).all()
    assert (found.first[0], found.last[-1]) == (0, size - 1)
    exact = [((numbers >= a) & (numbers <= b)).sum() for a, b in zip(found.first, found.last, strict=True)]
    np.testing.assert_allclose(found.rows, exact, atol=1)
    spike = np.searchsorted(found.last, size // 2)
    assert found.first[spike] == found.last[spike]


def test_a_tree_under_noise_spends_what_it_may_and_sees_the_spike() -> None:
    ledger = Ledger(Budget(1.0, 1e-6))
    allowance = ledger.allow()
    numbers = np.where(np.arange(20_000) % 2, 0, np.random.default_rng(0).integers(0, 100_000, 20_000))
    found = Look(allowance, allowance.rho / 2, "gain").tree(numbers, 100_000, None)
    assert 0 < sum(e.cost.rho for e in ledger.entries) <= allowance.rho / 2 * (1 + 1e-9)
    assert (found.first[0], found.last[0]) == (0, 0)
    assert abs(found.rows[0] - 10_000) < 1_000
    assert found.missing == 0


def test_bounds_are_found_to_the_next_power_of_two() -> None:
    values = np.concatenate([np.full(500, 3.0), np.full(500, 900.0), [1e9]])  # the last is one person's
    low, high = look(rho=1.0).span(values)
    assert (low, high) == (2.0, 1_024.0)
    assert look(rho=1.0).span(np.full(500, -5.0)) == (-8.0, -4.0)


def test_days_of_which_the_budget_shows_nothing_lie_in_two_public_centuries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in 1970, and wherever they lie: few rows and none give the same limits."""
    sizes: list[int] = []
    tree = Look.tree
    monkeypatch.setattr(Look, "tree", lambda self, numbers, size, missing: (sizes.append(size), tree(self, numbers, size, missing))[1])
    for facts in ({}, {"low": "2015-01-01"}):
        column = Column(name="day", kind="date", nullable=False, **facts)
        for days in ([], [16_500], [-40_000, 60_000]):
            seen = moment.noisy(pa.array(days, pa.int32()).cast(pa.date32()), column, look(rho=0.001))["day"]
            assert all(-25_567 <= day <= 47_481 for day in seen["low"])
    assert sizes == [73_049] * 3 + [47_481 - 16_436 + 1] * 3


KINDS = {
    "integer": (pa.array([*range(90), None] * 20, pa.int64()), {"low": 0, "high": 120}),
    "number": (pa.array([round(x * 0.37, 2) for x in range(1_000)]), {"low": 0, "high": 400}),
    "category": (pa.array(["a", "b", "b", None] * 50).dictionary_encode(), {"levels": ("a", "b", "c")}),
    "boolean": (pa.array([True, False, False, None] * 50), {}),
    "date": (pa.array(range(15_000, 15_400), pa.int32()).cast(pa.date32()), {"low": "2010-01-01", "high": "2013-12-31"}),
    "datetime": (
        pa.array([1_400_000_000_000_000 + 7_000_000_000 * i for i in range(400)], pa.timestamp("us")),
        {"low": "2010-01-01", "high": "2016-12-31"},
    ),
    "time": (pa.array([60_000_000 * i for i in range(1_000)], pa.time64("us")), {}),
    "duration": (pa.array([1_000_000 * i for i in range(500)], pa.duration("us")), {"low": 0, "high": 600_000_000}),
    "key": (pa.array([f"A-{i}" for i in range(300)]), {}),
    "constant": (pa.array(["same", None] * 100), {"levels": ("same",)}),
    "empty": (pa.nulls(100), {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_a_private_codebook_counts_its_own_codes_right(kind: str) -> None:
    values, facts = KINDS[kind]
    table = pa.table({"x": values})
    schema = Schema(tables=(Table(columns=(Column(name="x", kind=kind, **facts),)),))
    data = la.Dataset.from_arrow({"table": table}, schema)
    book, counts = Codebook.private(data, Ledger(Budget(1e6, 1e-6)).allow(), rho=SURE)
    codes = book.encode(table).codes
    for row, part, told in zip(codes, book.parts, counts, strict=True):
        exact = np.bincount(row, minlength=part.size)
        assert len(told) == part.size
        assert np.abs(told - exact).sum() <= 0.1 * len(row), (kind, told, exact)
    if kind not in ("empty", "key"):
        again = book.decode(type(book.encode(table))(codes, np.full((1, table.num_rows), 0.5, np.float32)))
        assert again.column(0).type == values.type or kind == "category"


class Seen:
    """A look that keeps what it is asked to count."""

    def levels(self, found: dict[str, int], missing: int) -> tuple[dict[str, float], float]:
        self.found = {**found, None: missing}
        return {level: float(n) for level, n in found.items()}, float(missing)


@pytest.mark.parametrize("kind", ["category", "constant"])
@pytest.mark.parametrize("more", ["a", "m", "z", None])
def test_one_row_more_moves_what_is_counted_by_one(kind: str, more: str | None) -> None:
    rows, found = ["b", "c", "c", "x", None] * 20, []
    for values in (rows, [*rows, more]):
        seen, array = Seen(), pa.array(values)
        encoder(Column(name="x", kind=kind)).noisy(
            array.dictionary_encode() if kind == "category" else array, Column(name="x", kind=kind), seen
        )
        found.append(seen.found)
    assert sum(abs(found[1].get(v, 0) - found[0].get(v, 0)) for v in {*found[0], *found[1]}) == 1


def test_the_skeleton_of_a_skeleton_is_the_same() -> None:
    schema = skeleton(la.schema(pd.DataFrame({"a": ["x", "y"] * 20, "b": range(40)})))
    assert skeleton(schema) == schema


def test_neighbours_are_smoothed_and_spikes_stay() -> None:
    rng, sigma = np.random.default_rng(0), 40.0
    truth = 300 * np.exp(-(((np.arange(100) - 40) / 20) ** 2))
    truth[70] = 2_000
    off, was = [], []
    for _ in range(50):
        noisy = truth + rng.normal(scale=sigma, size=100)
        made = smoothed(noisy, sigma)
        assert made.sum() == pytest.approx(noisy.sum(), rel=1e-6)
        assert abs(made[70] - truth[70]) < 6 * sigma
        off.append(np.abs(made - truth).mean())
        was.append(np.abs(noisy - truth).mean())
    assert np.mean(off) < 0.6 * np.mean(was)
    assert smoothed(truth[:3], sigma).tolist() == truth[:3].tolist()
    assert np.allclose(smoothed(truth, 1e-9), truth)


@pytest.mark.parametrize("storage", ["int64", "int32", "int16", "string"])
def test_keys_of_two_columns_are_not_the_same_ones(storage: str) -> None:
    """Of a private fit nothing is known of them; by their names they begin elsewhere, and have room all the same."""
    made = []
    for name in ("id", "account_id"):
        column = Column(name=name, kind="key", unique=True, nullable=False, storage=storage)
        book = key.freeze(key.noisy(pa.array([], pa.string()), column, look()), column)
        keys = key.decode(np.ones((1, 100), np.int32), np.full(100, 0.5), book, column).cast(pa.int64()).to_pylist()
        assert len(set(keys)) == 100 and (storage == "string" or max(keys) <= np.iinfo(storage).max)
        made.append(keys)
    assert all(a != b for a, b in zip(*made, strict=True))
