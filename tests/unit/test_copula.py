"""The Gaussian copula: correlations come back through any cut, shares stay exact, and what it draws is a table like the one it saw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.models._latent import correlation, in_order, nearest, series
from lookalike.models.copula import Copula

ROWS, R = 6_000, 0.7
TOWNS = {"k": 1.5, "l": -1.0, "m": 0.0, "n": 0.5}


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    """Pairs that hang together: numbers, a number and levels with and without order, missing values, and two spikes."""
    rng = np.random.default_rng(5)
    x, e, town = rng.normal(size=ROWS), rng.normal(size=(5, ROWS)), rng.choice(list(TOWNS), ROWS, p=[0.1, 0.5, 0.25, 0.15])
    y, grade, debt = (R * x + np.sqrt(1 - R**2) * e[k] for k in range(3))
    debt = np.where(debt < 0.5, 0.0, np.where(debt > 1.8, 999.0, np.exp(debt).round(2)))
    place = np.array([TOWNS[t] for t in town])
    return pd.DataFrame(
        {
            "tail": np.exp(2 * x).round(3),
            "number": y.round(4),
            "grade": np.digitize(grade, [-1, 0, 1.2]),
            "debt": debt,
            "town": town,
            "far": (place + 0.5 * e[3]).round(3),
            "ill": np.where(town == "m", "yes", np.where(rng.random(ROWS) < 0.1, "yes", "no")),
            "asked": np.where(x + 0.5 * e[4] > 1, np.nan, rng.integers(0, 100, ROWS)),
            "same": "here",
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta((500 + 100 * x).round(), unit="D"),
        }
    )


@pytest.fixture(scope="module")
def model(real: pd.DataFrame) -> Copula:
    return la.fit(real, model="copula")


@pytest.fixture(scope="module")
def made(model: Copula) -> pd.DataFrame:
    return la.sample(model, 4 * ROWS, seed=1)


def rank(frame: pd.DataFrame, a: str, b: str) -> float:
    """Rank correlation of two columns."""
    return float(frame[a].rank().corr(frame[b].rank()))


@pytest.mark.parametrize("other", ["number", "grade", "debt", "day"])
def test_correlation_with_a_heavy_tailed_number_comes_back(real: pd.DataFrame, made: pd.DataFrame, other: str) -> None:
    assert rank(real, "tail", other) > 0.5
    assert abs(rank(made, "tail", other) - rank(real, "tail", other)) < 0.03


def test_hidden_correlation_is_that_of_the_uncut_variables(model: Copula) -> None:
    names = [model.codebook_.parts[p].column for p, c in enumerate(model.cuts_) for _ in range(c.nodes)]
    tail, number, debt = (names.index(n) for n in ("tail", "number", "debt"))
    assert model.correlation_[tail, number] == pytest.approx(R, abs=0.03)
    assert model.correlation_[tail, debt] == pytest.approx(R, abs=0.03)  # though two thirds of it are zeros


def test_levels_without_order_move_a_number(real: pd.DataFrame, made: pd.DataFrame) -> None:
    wanted, got = (f.groupby("town")["far"].mean() for f in (real, made))
    assert got.rank().equals(wanted.rank())
    assert (got - wanted).abs() @ real["town"].value_counts(normalize=True).reindex(wanted.index) < 0.1


def test_levels_without_order_go_together(real: pd.DataFrame, made: pd.DataFrame) -> None:
    wanted, got = (pd.crosstab(f["town"], f["ill"], normalize=True) for f in (real, made))
    alone = np.outer(wanted.sum(axis=1), wanted.sum(axis=0))
    assert (got - wanted).abs().to_numpy().sum() < 0.35 * (wanted - alone).abs().to_numpy().sum()


def test_one_variable_for_all_levels_is_worse(real: pd.DataFrame, made: pd.DataFrame) -> None:
    row = la.sample(la.fit(real, model="copula", settings={"variables": 1}), 4 * ROWS, seed=1)
    wanted, halves, line = (pd.crosstab(f["town"], [f["ill"], f["far"] > 0], normalize=True).to_numpy() for f in (real, made, row))
    assert abs(halves - wanted).sum() < abs(line - wanted).sum()


@pytest.mark.parametrize("column", ["grade", "town", "ill", "same"])
def test_shares_stay(real: pd.DataFrame, made: pd.DataFrame, column: str) -> None:
    wanted, got = (f[column].value_counts(normalize=True) for f in (real, made))
    error = np.sqrt(wanted * (1 - wanted) / len(made))
    assert (got.reindex(wanted.index) - wanted).abs().le(4 * error).all()
    assert set(got.index) == set(wanted.index)


def test_spikes_and_tails_stay(real: pd.DataFrame, made: pd.DataFrame) -> None:
    for value in (0.0, 999.0):
        assert abs((made["debt"] == value).mean() - (real["debt"] == value).mean()) < 0.013
    for q in (0.01, 0.1, 0.5, 0.9, 0.99):
        assert abs((made["tail"] <= real["tail"].quantile(q)).mean() - q) < 0.013


def test_what_is_missing_hangs_on_other_columns(real: pd.DataFrame, made: pd.DataFrame) -> None:
    wanted, got = (f.loc[f["asked"].isna(), "tail"].median() / f["tail"].median() for f in (real, made))
    assert abs(made["asked"].isna().mean() - real["asked"].isna().mean()) < 0.013
    assert wanted > 3
    assert abs(np.log(got / wanted)) < 0.3


def test_few_rows_and_many_columns() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(200, 30)).round(2)).add_prefix("x").assign(c=rng.choice(list("abcdefgh"), 200))
    frame["x29"] = frame["x0"] * 2
    made = la.sample(la.fit(frame, model="copula"), 500, seed=1)
    assert rank(made, "x0", "x29") > 0.9
    assert abs(rank(made, "x1", "x2") - rank(frame, "x1", "x2")) < 0.15
    assert made.shape == (500, 31) and not made.isna().any().any()


def test_nothing_but_constants() -> None:
    made = la.sample(la.fit(pd.DataFrame({"a": ["x"] * 50, "b": [3] * 50}), model="copula"), 20)
    assert (made["a"] == "x").all() and (made["b"] == 3).all()


def test_a_longer_draw_begins_like_a_shorter_one_of_whole_blocks(model: Copula) -> None:
    short, long = la.sample(model, 65_536, seed=3), la.sample(model, 65_600, seed=3)
    pd.testing.assert_frame_equal(short, long.head(65_536))


def test_correlation_is_found_through_cuts() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=400_000)
    for r in (-0.9, 0.3, 0.8):
        y = r * x + np.sqrt(1 - r**2) * rng.normal(size=len(x))
        shares = (np.array([0, 0.9, 1.0]), np.array([0, 0.2, 0.5, 0.6, 1.0]))
        means, terms = zip(*(series(s) for s in shares), strict=True)
        cut = [m[np.searchsorted(np.quantile(v, s[1:-1]), v)] for m, s, v in zip(means, shares, (x, y), strict=True)]
        assert correlation(np.cov(cut), np.array(terms))[0, 1] == pytest.approx(r, abs=0.02)


def test_nearest_correlation_matrix_keeps_what_weighs_more() -> None:
    wanted = np.array([[1, 0.9, 0.9, 0], [0.9, 1, -0.9, 0.2], [0.9, -0.9, 1, 0], [0, 0.2, 0, 1]], float)
    weight = np.full((4, 4), 0.01)
    weight[0, 1] = weight[1, 0] = 1
    found = nearest(wanted, np.array([0, 1, 2, 0]), weight=weight)
    assert np.linalg.eigvalsh(found)[0] > 0 and np.allclose(np.diag(found), 1) and found[0, 3] == 0
    assert abs(found[0, 1] - 0.9) < 0.1 < abs(found[0, 2] - 0.9)
    fine = np.array([[1, 0.5], [0.5, 1]])
    assert np.array_equal(nearest(fine, np.arange(2), weight=np.ones((2, 2))), fine)


def test_missing_values_have_a_variable_of_their_own() -> None:
    cuts = in_order(np.array([10, 30, 0, 60]))
    assert cuts.nodes == 2
    assert cuts.edges(0).tolist() == [0, 0.1, 1] and cuts.edges(1) == pytest.approx([0, 1 / 3, 1])
    assert cuts.paths(4).tolist() == [[0, 1, -1, 1], [-1, 0, -1, 1]]
    assert in_order(np.array([0, 5, 0])).nodes == 0
