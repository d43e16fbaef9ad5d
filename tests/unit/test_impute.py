"""Imputation: Rubin's rules against their formulas, cells that were known stay, intervals hold what is true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.errors import CannotError, DataError, SettingError, UnknownName
from lookalike.impute import pool


def table(n: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table, and the same with cells missing at random: y more often where x is great."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, n).round(2)
    whole = pd.DataFrame(
        {
            "x": x,
            "y": (2 * x + rng.normal(0, 1, n)).round(2),
            "kind": np.where(rng.random(n) < 1 / (1 + np.exp(-2 * x)), "up", "down"),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "flag": x > 0,
        }
    )
    holey = whole.copy()
    holey.loc[rng.random(n) < np.where(x > 0, 0.5, 0.1), "y"] = np.nan
    holey.loc[rng.random(n) < 0.3, "kind"] = None
    holey.loc[rng.random(n) < 0.1, "day"] = pd.NaT
    return whole, holey


WHOLE, HOLEY = table(3_000)


@pytest.fixture(scope="module")
def made() -> Any:
    return la.impute(HOLEY, tables=5, seed=0)


def test_known_cells_stay_and_all_others_are_drawn(made: Any) -> None:
    assert made.drawn == {name: int(HOLEY[name].isna().sum()) for name in ("y", "kind", "day")}
    for frame in (*made.frames, made.single()):
        assert frame.notna().all().all()
        assert list(frame.columns) == list(HOLEY.columns)
        for name in HOLEY:
            known = HOLEY[name].notna()
            assert (frame[name][known] == HOLEY[name][known]).all()


def test_what_is_drawn_undoes_the_bias_of_what_is_missing(made: Any) -> None:
    true = WHOLE.y.mean()
    assert abs(HOLEY.y.mean() - true) > 0.3  # those known are the lower ones
    pooled = made.pool(lambda f: (f.y.mean(), f.y.var() / len(f)))
    assert abs(pooled.estimate[0] - true) < 0.15 * abs(HOLEY.y.mean() - true)
    assert pooled.low[0] < true < pooled.high[0]
    assert 0 < pooled.lost[0] < 0.6


def test_single_guesses_are_nearer_than_any_draw(made: Any) -> None:
    gone = HOLEY.y.isna()

    def error(frame: pd.DataFrame) -> float:
        return float(np.sqrt(((frame.y - WHOLE.y)[gone] ** 2).mean()))

    assert error(made.single()) < min(error(f) for f in made.frames)
    lost = HOLEY.kind.isna()
    voted = la.impute(HOLEY[["x", "kind"]], tables=9, seed=0).single()  # who knows the law is right in three of four
    assert (voted.kind == WHOLE.kind)[lost].mean() > 0.72


def test_rubins_rules_are_as_they_are_written() -> None:
    q, u = np.array([[1.0, 10.0], [2.0, 10.0], [3.0, 10.0]]), np.array([[0.5, 1.0], [0.7, 2.0], [0.9, 3.0]])
    got = pool(q, u)
    between = q.var(0, ddof=1)
    total = u.mean(0) + 4 / 3 * between
    assert np.allclose(got.estimate, [2.0, 10.0])
    assert np.allclose(got.variance, total)
    r = 4 / 3 * between[0] / u.mean(0)[0]
    assert np.isclose(got.freedom[0], 2 * (1 + 1 / r) ** 2)
    assert np.isclose(got.lost[0], (r + 2 / (got.freedom[0] + 3)) / (r + 1))
    assert got.freedom[1] > 1e6 and np.isclose(got.high[1] - got.low[1], 2 * 1.959964 * np.sqrt(2.0))
    few = pool(q, u, rows=20)
    assert few.freedom[0] < got.freedom[0] and few.freedom[1] < 20  # Barnard and Rubin 1999: never more than the rows give


@pytest.mark.slow
def test_intervals_hold_what_is_true_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(60):
        _, holey = table(600, seed)
        pooled = la.impute(holey, tables=5, seed=seed).pool(lambda f: (f.y.mean(), f.y.var() / len(f)))
        held += pooled.low[0] < 0 < pooled.high[0]
    assert held >= 52  # of 60 expected 57; fewer than 52 by chance once in a hundred times


@pytest.mark.parametrize(
    ("change", "kind", "what"),
    [
        ({"tables": -1}, SettingError, "tables"),
        ({"tables": True}, SettingError, "tables"),
        ({"model": "copula"}, CannotError, "forest"),
        ({"source": WHOLE}, DataError, "no cell is missing"),
    ],
)
def test_what_cannot_be_done_is_refused(change: dict[str, Any], kind: type, what: str) -> None:
    given = {"source": HOLEY} | change
    with pytest.raises(kind) as told:
        la.impute(given.pop("source"), **given)
    assert what in str(told.value)


def test_one_table_cannot_be_pooled() -> None:
    with pytest.raises(SettingError, match="two tables"):
        pool([1.0], [1.0])


def test_the_same_seed_draws_the_same_cells() -> None:
    one, two = (la.impute(HOLEY.head(300), tables=1, seed=3).frames[0] for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def bill(n: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bills whose total is the sum of two parts and whose country decides the currency, and the same with cells missing everywhere."""
    rng = np.random.default_rng(seed)
    country = rng.choice(["DE", "FR", "GB", "US", "JP", "CH"], n)
    money = {"DE": "EUR", "FR": "EUR", "GB": "GBP", "US": "USD", "JP": "JPY", "CH": "CHF"}
    goods, freight = rng.gamma(2, 50, n).round(2), rng.gamma(2, 5, n).round(2)
    whole = pd.DataFrame(
        {
            "country": country,
            "currency": [money[c] for c in country],
            "goods": goods,
            "freight": freight,
            "total": (goods + freight).round(2),
            "stars": rng.choice([0.0, 0.5, 1.0], n),
        }
    )
    return whole, whole.mask(rng.random(whole.shape) < 0.2)


def test_what_follows_from_the_row_is_filled_exactly_in_all_tables_and_in_the_guess() -> None:
    whole, holey = bill(800)
    made = la.impute(holey, tables=1, seed=0)
    known = holey.notna()
    sums = ["goods", "freight", "total"]
    for frame in (made.single(), made.frames[0]):
        for name in sums:
            others = [c for c in sums if c != name]
            told = ~known[name] & known[others].all(axis=1)
            assert told.sum() > 50
            assert np.allclose(frame[name][told], whole[name][told], atol=1e-9)
        decided = ~known["currency"] & known["country"]
        assert (frame["currency"][decided] == whole["currency"][decided]).all()
    gone = ~known["total"] & ~known["goods"]
    best = made.single()
    assert gone.sum() > 10 and np.allclose((best.goods + best.freight)[gone], best.total[gone], atol=0.011)


def test_a_number_with_few_values_is_guessed_to_be_one_of_them() -> None:
    _, holey = bill(400)
    best = la.impute(holey, tables=0, seed=0).single()
    assert set(best["stars"]) <= {0.0, 0.5, 1.0}
    assert best["goods"].nunique() > 100


def test_guesses_are_nearer_than_the_mean_of_five_draws(made: Any) -> None:
    gone, lost = HOLEY.y.isna(), HOLEY.kind.isna()
    best, mean = made.single(), np.mean([f.y for f in made.frames], axis=0)
    truth = WHOLE.y[gone]
    assert ((best.y[gone] - truth) ** 2).mean() < 0.95 * ((mean[gone] - truth) ** 2).mean()
    votes = np.mean([f.kind == "up" for f in made.frames], axis=0) > 0.5
    right = (np.where(votes, "up", "down") == WHOLE.kind)[lost].mean()
    assert (best.kind == WHOLE.kind)[lost].mean() > right + 0.01


def test_guesses_are_the_same_for_any_number_of_tables(made: Any) -> None:
    pd.testing.assert_frame_equal(la.impute(HOLEY, tables=0, seed=0).single(), made.single())
    assert la.impute(HOLEY, tables=0, seed=0).frames == []


def test_only_named_columns_are_completed() -> None:
    made = la.impute(HOLEY.head(500), tables=1, columns=["kind", "day"], seed=0)
    assert set(made.drawn) == {"kind", "day"}
    for frame in (*made.frames, made.single()):
        pd.testing.assert_series_equal(frame.y, HOLEY.head(500).y)
        assert frame[["kind", "day"]].notna().all().all()


@pytest.mark.parametrize(
    ("columns", "kind", "what"),
    [
        (["y", "nothing"], UnknownName, "nothing"),
        ("y", SettingError, "list of names"),
        ([], SettingError, "list of names"),
        (["x"], DataError, "no cell is missing"),
        (["id"], SettingError, "made anew"),
    ],
)
def test_columns_that_cannot_be_completed_are_refused(columns: Any, kind: type, what: str) -> None:
    with pytest.raises(kind, match=what):
        la.impute(HOLEY.assign(id=[f"K{k:05d}" for k in range(len(HOLEY))]), columns=columns, tables=0)


def test_odd_tables_have_guesses() -> None:
    few = pd.DataFrame({"a": [1.5, None, 3.5, 4.5] * 4, "b": ["x", "x", None, "x"] * 4, "n": [None, *range(15)]})
    best = la.impute(few, tables=0).single()
    assert best.notna().all().all() and set(best.b) == {"x"}
    assert len(la.impute(few[["a"]], tables=0).single()) == 16  # no other column to go by
    rng = np.random.default_rng(0)
    many = pd.DataFrame({"code": [f"c{k % 300}" for k in range(3_000)], "t": pd.to_timedelta(rng.integers(0, 9_000, 3_000), unit="s")})
    many["when"] = pd.Timestamp("2024-05-01 12:00") + many.t
    best = la.impute(many.mask(rng.random(many.shape) < 0.1), tables=0).single()
    assert best.notna().all().all() and list(best.dtypes) == list(many.dtypes)


def test_a_column_that_no_row_has_together_with_the_guessed_one_is_no_help() -> None:
    rng = np.random.default_rng(0)
    paid = rng.random(200) < 0.6
    money = pd.DataFrame({"debit": rng.gamma(2, 50, 200).round(2), "credit": rng.gamma(2, 90, 200).round(2), "day": np.arange(200)})
    money["debit"], money["credit"] = money.debit.where(paid), money.credit.where(~paid)
    best = la.impute(money, tables=0).single()
    assert best.notna().all().all()
    assert best.debit.between(money.debit.min(), money.debit.max()).all()
