"""Numbers: the shape, the digits and the spikes stay; the extremes and the values of few do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.encode import _cells, number
from lookalike.encode._round import Grid
from lookalike.schema import Column, NumberFormat


def frozen(
    x: Any, kind: str = "number", *, subjects: np.ndarray | None = None, cells: int = 256, **facts: Any
) -> tuple[dict[str, Any], Column]:
    column = Column(name="x", kind=kind, **facts)
    return number.freeze(number.measure(pa.array(x), column, subjects=subjects), column, cells=cells), column


def redrawn(x: Any, kind: str = "number", **options: Any) -> np.ndarray:
    """New values: codes of the real rows, positions drawn anew."""
    book, column = frozen(x, kind, **options)
    codes = number.encode(pa.array(x), book, column)
    return number.decode(codes, np.random.default_rng(0).random(len(x)), book, column).to_numpy()


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Kolmogorov–Smirnov distance."""
    at = np.unique(np.concatenate([a, b]))
    return float(np.abs(np.searchsorted(np.sort(a), at, "right") / len(a) - np.searchsorted(np.sort(b), at, "right") / len(b)).max())


@pytest.mark.parametrize("n", [200, 5_000, 100_000])
@pytest.mark.parametrize("shape", ["normal", "lognormal", "integers", "spiky"])
def test_the_distribution_stays(shape: str, n: int) -> None:
    rng = np.random.default_rng(1)
    x = {
        "normal": rng.normal(size=n),
        "lognormal": np.round(rng.lognormal(8, 2, n), 2),
        "integers": rng.integers(-500, 500, n),
        "spiky": np.where(rng.random(n) < 0.9, 0, rng.integers(1, 10**5, n)),
    }[shape]
    kind = "integer" if x.dtype == np.int64 else "number"
    assert distance(x, redrawn(x, kind)) < 0.004 + 8 / n


def test_points_come_back_exactly_and_everything_else_nearly() -> None:
    rng = np.random.default_rng(2)
    x = np.where(rng.random(20_000) < 0.3, 99_999, rng.integers(0, 90_000, 20_000))
    book, column = frozen(x, "integer")
    codes, inside = number.encode(pa.array(x), book, column), number.locate(pa.array(x), book, column)
    back = number.decode(codes, inside, book, column).to_numpy()
    assert (back[x == 99_999] == 99_999).all()
    middle = (x > np.sort(x)[50]) & (x < 89_000)
    assert np.abs(back - x)[middle].max() <= 90_000 / 256
    assert np.median(np.abs(back - x)) <= 20


def test_every_integer_of_a_cell_has_its_share() -> None:
    """No edge bias: sums of uniform integers stay uniform, first and last included."""
    x = np.random.default_rng(3).integers(0, 1_000, 400_000)
    counts = np.bincount(redrawn(x, "integer", cells=16), minlength=1_000)
    assert len(counts) == 1_000
    assert abs(counts[[0, -1]].mean() - 400) < 120
    assert ((counts - 400) ** 2 / 400).mean() < 4


def test_digits_are_those_of_the_source() -> None:
    rng = np.random.default_rng(4)
    prices = np.round(rng.lognormal(3, 1, 5_000), 2)
    made = redrawn(prices)
    assert (made == np.round(made, 2)).all()
    short = prices.astype(np.float32).astype(np.float64)
    made = redrawn(short, storage="float")
    assert (made.astype(np.float32) == np.round(made, 2).astype(np.float32)).all() and (made == made.astype(np.float32)).all()
    made = redrawn(np.where(rng.random(5_000) < 0.002, np.pi, prices))
    assert (made == np.round(made, 2)).mean() > 0.99
    made = redrawn(rng.normal(size=5_000), number=NumberFormat(decimals=3))
    assert (made == np.round(made, 3)).all()
    zeros = redrawn(np.round(rng.normal(0, 0.2, 5_000), 1))
    assert (zeros == 0).any() and not np.signbit(zeros[zeros == 0]).any()


def test_round_numbers_stay_as_frequent() -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(20_000, 90_000, 20_000)
    x = np.where(rng.random(20_000) < 0.4, x // 100 * 100, x)
    made = redrawn(x, "integer")
    for step in (10, 100, 1_000):
        assert abs((made % step == 0).mean() - (x % step == 0).mean()) < 0.02, step


def test_the_most_extreme_person_is_not_told() -> None:
    rng = np.random.default_rng(6)
    for x in (np.append(rng.normal(size=999), 1e9), np.append(rng.integers(0, 99, 999), 100)):
        kind = "integer" if x.dtype == np.int64 else "number"
        book, column = frozen(x, kind)
        top = np.full((1, 1_000), book["parts"][0]["size"] - 1)
        assert number.decode(top, np.linspace(0, 1, 1_000), book, column).to_numpy().max() < x.max()
        assert sum(book["protected"].values()) > 0


def test_public_bounds_hold_and_draw_the_tail_out() -> None:
    x = np.random.default_rng(7).exponential(10, 5_000)
    made, wide = redrawn(x, high=50.0, low=1.0), redrawn(x, high=1_000.0)
    assert made.min() >= 1 and made.max() <= 50
    assert redrawn(x).max() < wide.max() <= 1_000


def test_one_persons_many_rows_make_no_point_and_no_cell() -> None:
    """4 people with 100 rows each of a value of their own are still 4 people."""
    others = np.random.default_rng(8).normal(size=2_000)
    x = np.append(others, np.repeat([50.0], 400))
    who = np.append(np.arange(2_000), np.repeat(np.arange(4), 100) + 5_000)
    assert 50.0 in redrawn(x) and 50.0 not in redrawn(x, subjects=who)


def test_cells_are_as_many_as_the_rows_bear() -> None:
    rng = np.random.default_rng(9)
    sizes = [frozen(rng.normal(size=n))[0]["parts"][0]["size"] for n in (1, 10, 100, 1_000, 10_000, 100_000)]
    assert sizes == sorted(sizes) and sizes[0] == 2 and sizes[2] <= 11 and sizes[-1] == 257
    for cells in (1, 2, 5, 64):
        for x in (rng.normal(size=3_000), rng.integers(0, 40, 3_000).astype(float), np.round(rng.lognormal(0, 3, 3_000))):
            assert frozen(x, cells=cells)[0]["parts"][0]["size"] <= cells + 1


def test_large_and_odd_numbers() -> None:
    nanoseconds = 1_700_000_000_000_000_000 + np.random.default_rng(10).integers(0, 10**6, 3_000)
    made = redrawn(nanoseconds, "integer")
    assert distance(nanoseconds, made) < 0.01 and len(np.unique(made % 64)) == 64
    ends = np.repeat([-(2**63), -(2**63) + 1, 2**63 - 2, 2**63 - 1], 6)
    book, _ = frozen(ends, "integer")
    assert set(redrawn(ends, "integer")) <= set(ends.tolist())
    assert len(book["line"]["low"]) == 4 or set(book["line"]["low"]) <= set(ends.tolist())
    far = np.repeat([-(2**63) + 512, 0, 2**63 - 512], 6)
    assert (np.sort(redrawn(far, "integer")) == far).all()
    huge = redrawn(np.concatenate([np.linspace(-1, 1, 999) * 1e308, [5e-324] * 9]))
    assert np.isfinite(huge).all() and np.abs(huge).max() <= 1e308


def test_more_distinct_values_than_buckets() -> None:
    """Beyond the cap the statistics stay small, merge exactly and still have the shape."""
    rng, column = np.random.default_rng(11), Column(name="x", kind="number")
    parts = [rng.normal(size=60_000) for _ in range(3)]
    one, two, three = (number.measure(pa.array(p), column) for p in parts)
    left, right = number.merge(number.merge(one, two), three), number.merge(one, number.merge(three, two))
    whole = number.measure(pa.array(np.concatenate(parts)), column)
    assert left == right == whole and len(whole["tally"]["low"]) <= 65_536 and whole["tally"]["level"] > 0
    assert distance(np.concatenate(parts), redrawn(np.concatenate(parts))) < 0.003


def test_numbers_with_many_decimals_have_fewer_as_often_as_they_had() -> None:
    rng = np.random.default_rng(0)
    halves, thirds = rng.integers(1, 9_000, 4_000) / 2, rng.integers(1, 9_000, 4_000) / 3
    real = pa.array(np.round(np.concatenate([halves, thirds]), 6))
    made = redrawn(real)
    for decimals in (0, 1):
        was, now = (np.isclose(x, np.round(x, decimals), rtol=0, atol=1e-9).mean() for x in (real.to_numpy(), made))
        assert abs(was - now) < 0.06


def test_the_curve_is_read_as_numpy_reads_it_to_the_last_bit() -> None:
    """Also at knots, at keys that fall together, and before and after all of them: many values, and few, which NumPy itself reads."""
    rng = np.random.default_rng(4)
    key = np.sort(np.concatenate([[1.0, 2.0, 2.0, 4.0], rng.uniform(1, 5, 40), [5.0]]))
    value = np.sort(rng.normal(0, 1e6, len(key)))
    at = np.concatenate([rng.random(4_990), np.zeros(5), key[:5] % 1])
    cell = np.concatenate([rng.integers(0, 4, 4_990), [0, 1, 2, 3, 3], key[:5].astype(int) - 1])
    apart = np.full(4, -np.inf), np.full(4, np.inf)
    found = _cells._read(cell + 1, at, (key, value, 1.0), apart, [], Grid())
    assert np.array_equal(found, np.interp(cell + 1 + at, key, value))


@pytest.mark.parametrize("kind", ["money", "count", "huge", "free"])
def test_many_values_are_read_as_few_are_to_the_last_bit(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On their grid, rounded further as often as the source did, within their cells."""
    rng = np.random.default_rng(6)
    x = rng.lognormal(8, 1, 6_000)
    x = np.where(rng.random(6_000) < 0.3, np.round(x, -2), x)
    made = {"money": x.round(2), "count": x.astype(np.int64), "huge": x.astype(np.int64) + (1 << 60), "free": x}[kind]
    book = frozen(made, "integer" if made.dtype == np.int64 else "number")[0]["line"]
    assert (len(book["coarse"]) > 0) == (kind in ("money", "count"))
    codes, inside = rng.integers(0, _cells.size(book), 20_000).astype(np.int32), rng.random(20_000, dtype=np.float32)
    many = _cells.value(codes, inside, book)
    monkeypatch.setattr(_cells, "MANY", 1 << 60)
    few = _cells.value(codes, inside, book)
    assert many.dtype == few.dtype and np.array_equal(many, few)
