"""Imputation: Rubin's rules against their formulas, cells that were known stay, intervals hold what is true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.errors import CannotError, DataError, SettingError
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
        ({"tables": 0}, SettingError, "tables"),
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
