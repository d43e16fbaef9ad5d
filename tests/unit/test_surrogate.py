"""The vector autoregression: known processes, margins and labels come back, without a network."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from lookalike import models
from lookalike.data import Dataset
from lookalike.errors import DataError
from lookalike.protocol import Model


def ordered(frame: pd.DataFrame, order: str = "t", subject: str | None = None) -> Dataset:
    """A dataset of a frame whose rows are in order."""
    found = Dataset.of(frame).schema
    key = tuple(k for k in found.table.key if k != order)
    table = found.table.model_copy(update={"order": order, "key": key})
    return Dataset.of(frame, schema=found.model_copy(update={"tables": (table,), "subject": subject}))


def fitted(data: Dataset, **settings: object) -> Model:
    return models.build("surrogate", settings).fit(data, rng=np.random.default_rng(0))


def numbers(data: Dataset, *names: str) -> np.ndarray:
    return np.stack([data.table()[name].to_numpy(zero_copy_only=False).astype(float) for name in names], axis=1)


def correlations(x: np.ndarray, lag: int) -> np.ndarray:
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    return z[: len(z) - lag].T @ z[lag:] / (len(z) - lag)


def process(n: int, seed: int) -> np.ndarray:
    """float64 [n, 2]: a vector autoregression of order two, whose second column is bent afterwards."""
    rng, x = np.random.default_rng(seed), np.zeros((n + 200, 2))
    noise = rng.multivariate_normal([0, 0], [[1, -0.4], [-0.4, 1]], n + 200)
    for t in range(2, n + 200):
        x[t] = x[t - 1] @ np.array([[1.2, 0.0], [0.2, 0.5]]) + x[t - 2] @ np.array([[-0.5, 0.1], [0.0, 0.0]]) + noise[t]
    return np.stack([x[200:, 0], np.exp(x[200:, 1] / 2)], axis=1).round(4)


def test_autocorrelations_and_margins_of_a_known_process_come_back() -> None:
    x = process(6_000, 0)
    model = fitted(ordered(pd.DataFrame({"t": np.arange(6_000), "a": x[:, 0], "b": x[:, 1]})), lags=8)
    made, truth = numbers(model.sample(20_000, rng=np.random.default_rng(1)), "a", "b"), process(50_000, 9)
    scores = [np.stack([v[:, 0], np.log(v[:, 1])], axis=1) for v in (made, truth)]
    for lag in (0, 1, 3, 6):
        assert np.abs(correlations(scores[0], lag) - correlations(scores[1], lag)).max() < 0.06, lag
    for c in range(2):
        quantiles = [np.quantile(v[:, c], (0.1, 0.25, 0.5, 0.75, 0.9)) for v in (made, x)]
        assert np.abs(quantiles[0] - quantiles[1]).max() < 0.15 * x[:, c].std()
    assert made.min(axis=0)[1] >= x[:, 1].min() and made.max(axis=0)[1] <= x[:, 1].max()


def test_a_season_keeps_its_frequency_and_follows_the_calendar() -> None:
    hours = np.arange(2_400)
    x = np.sin(2 * np.pi * hours / 24) + 0.3 * np.random.default_rng(0).standard_normal(2_400)
    model = fitted(ordered(pd.DataFrame({"t": pd.date_range("2024-01-01", periods=2_400, freq="h"), "x": x.round(4)})))
    made = numbers(model.sample(1_200, rng=np.random.default_rng(1)), "x")[:, 0]
    assert np.argmax(np.abs(np.fft.rfft(made))[1:]) + 1 == 50
    assert np.corrcoef(made, np.sin(2 * np.pi * hours[:1_200] / 24))[0, 1] > 0.85


def test_levels_missing_cells_and_subjects() -> None:
    rng, rows = np.random.default_rng(0), []
    for k in range(200):
        kind = "big" if k % 4 == 0 else "small"
        mode, level = "off", rng.normal(20.0 if kind == "big" else 0.0, 1)
        for t in range(15):
            mode = mode if rng.random() < 0.8 else str(rng.choice(["off", "on", "idle"], p=[0.5, 0.3, 0.2]))
            rows.append((f"S{k:03d}", t, kind, mode, None if rng.random() < 0.2 else round(level + rng.normal(0, 0.5), 3)))
    data = ordered(pd.DataFrame(rows, columns=["who", "t", "kind", "mode", "x"]), subject="who")
    model = fitted(data)
    made = model.sample(300, rng=np.random.default_rng(1)).table().to_pandas()
    real = data.table().to_pandas()
    assert made["who"].nunique() == 300 and set(made.groupby("who").size()) == {15}
    assert abs(made["x"].isna().mean() - real["x"].isna().mean()) < 0.03
    shares = [frame["mode"].value_counts(normalize=True) for frame in (made, real)]
    assert (shares[0] - shares[1]).abs().max() < 0.05
    gap = made.groupby("kind")["x"].mean()
    assert gap["big"] > 15 and abs(gap["small"]) < 3
    within, across = made.groupby("who")["x"].std().mean(), made.groupby(["kind", "who"])["x"].mean().groupby("kind").std().mean()
    assert within < 1.2 and 0.5 < across


def test_the_same_seed_gives_the_same_rows_after_keeping() -> None:
    x = process(500, 3)
    data = ordered(pd.DataFrame({"t": np.arange(500), "a": x[:, 0], "b": x[:, 1]}))
    model = fitted(data, lags=4)
    again = models.build("surrogate").restore(data.schema, model.state())
    first, second, other = (m.sample(50, rng=np.random.default_rng(s)).table() for m, s in ((model, 4), (again, 4), (model, 5)))
    assert first.equals(second) and not first.equals(other)
    assert [int(t) for t in first["t"].to_pylist()] == list(range(50))


def test_what_would_run_away_is_held_back() -> None:
    x = np.exp(np.arange(400) / 100) + np.random.default_rng(0).standard_normal(400) * 0.01
    model = fitted(ordered(pd.DataFrame({"t": np.arange(400), "x": x.round(4)})))
    made = numbers(model.sample(5_000, rng=np.random.default_rng(0)), "x")
    assert np.isfinite(made).all() and made.min() >= x.min() - 0.01 and made.max() <= x.max() + 0.01


def test_rows_in_memory_are_bounded() -> None:
    import tracemalloc

    rows = 20_000
    x = np.cumsum(np.random.default_rng(0).standard_normal((rows, 1)), axis=0).round(2)
    data = ordered(pd.DataFrame({"t": np.arange(rows), "x": x[:, 0]}))
    tracemalloc.start()
    fitted(data, lags=32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * rows * 32 * 6  # five arrays of regressors


def test_rows_of_nobody_are_left_out_and_not_completed() -> None:
    whose = [None if k % 50 == 7 else f"P{k // 20:03d}" for k in range(600)]
    data = ordered(pd.DataFrame({"who": whose, "t": [k % 20 for k in range(600)], "x": np.arange(600) % 7}), subject="who")
    model = fitted(data)
    assert model.trained_["notes"][0] == "12 rows without who were left out: whose they are is not known"
    with pytest.raises(DataError, match=r"who: 12 of 600 rows lack it"):
        model.frame_.lot_of(data.table(), ["x"], rng=np.random.default_rng(0))
    nobody = ordered(pd.DataFrame({"who": pd.array([None] * 600, "string"), "t": range(600), "x": range(600)}), subject="who")
    with pytest.raises(DataError, match="no row has a subject"):
        fitted(nobody)


def test_it_needs_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    x = process(100, 0)
    model = fitted(ordered(pd.DataFrame({"t": np.arange(100), "a": x[:, 0]})))
    assert model.sample(5, rng=np.random.default_rng(0)).table().num_rows == 5
