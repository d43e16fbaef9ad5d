"""Series cut into windows: what overlaps is not judged by, numbers come out as exact as drawn, and the net is told nothing it never saw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lookalike import models
from lookalike.data import Dataset
from lookalike.models._windows_cells import Line
from lookalike.models._windows_table import Frame

torch = pytest.importorskip("torch")

from lookalike.models import series  # noqa: E402  it needs torch

LENGTH, COUNT = 24, 400


def windows(x: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """float32 [windows × LENGTH, columns]: stretches of x, one after the other."""
    return np.concatenate([x[s : s + LENGTH] for s in starts]).astype(np.float32)


def cut(x: np.ndarray, starts: np.ndarray) -> Dataset:
    """A dataset of windows, each of which is a subject."""
    frame = pd.DataFrame({"who": np.repeat(np.arange(len(starts)), LENGTH), "t": np.tile(np.arange(LENGTH), len(starts))})
    cells = windows(x, starts)
    frame[[f"x{c}" for c in range(x.shape[1])]] = cells
    found = Dataset.of(frame).schema
    table = found.table.model_copy(update={"order": "t", "key": ()})
    return Dataset.of(frame, schema=found.model_copy(update={"tables": (table,), "subject": "who"}))


def plain(sizes: np.ndarray, seed: int) -> np.ndarray:
    """Rows of the subjects that are kept aside where none overlap."""
    aside = np.random.default_rng(seed).permutation(len(sizes))[: round(series.HELD * len(sizes))]
    return np.flatnonzero(np.isin(np.repeat(np.arange(len(sizes)), sizes), aside))


def test_rows_that_judge_are_in_no_window_that_is_learned() -> None:
    rng = np.random.default_rng(0)
    x, starts = rng.standard_normal((1_000, 3)), rng.integers(0, 1_000 - LENGTH, COUNT)
    learn, held = series._parted(np.full(COUNT, LENGTH), windows(x, starts), np.random.default_rng(1))
    at = (starts[:, None] + np.arange(LENGTH)).ravel()
    whose = np.repeat(np.arange(COUNT), LENGTH)
    mine = {h: set(at[whose == h]) for h in np.unique(whose[held])}
    for one in np.unique(whose[learn]):
        shared = [len(mine[h] & set(at[whose == one])) for h in mine]
        left = set(at[learn][whose[learn] == one])
        assert all(not (mine[h] & left) for h, n in zip(mine, shared, strict=True) if n >= series.RUN)
    assert 0.05 < len(np.unique(at[held])) / 1_000 < 0.2 and len(learn) > 0.7 * COUNT * LENGTH


def test_windows_apart_are_kept_aside_whole_as_ever() -> None:
    x, starts = np.random.default_rng(0).standard_normal((COUNT * LENGTH, 3)), np.arange(COUNT) * LENGTH
    sizes = np.full(COUNT, LENGTH)
    learn, held = series._parted(sizes, windows(x, starts), np.random.default_rng(1))
    assert (held == plain(sizes, 1)).all() and (np.union1d(learn, held) == np.arange(COUNT * LENGTH)).all()


@pytest.mark.parametrize("levels", [2, 12])
def test_rows_that_are_alike_by_chance_are_learned(levels: int) -> None:
    sizes, rng = np.full(COUNT, LENGTH), np.random.default_rng(0)
    state = (rng.integers(0, levels, COUNT * LENGTH)[:, None] == np.arange(levels)).astype(np.float32)
    learn, held = series._parted(sizes, state, np.random.default_rng(1))
    assert (held == plain(sizes, 1)).all() and len(learn) > 0.88 * COUNT * LENGTH


def test_what_few_cells_hold_is_drawn_as_exact_as_it_was() -> None:
    rng = np.random.default_rng(0)
    walk = np.exp(np.cumsum(0.01 * rng.standard_normal((12_000, 1)), axis=0)) * 100
    x = np.where(rng.random(walk.shape) < 0.9, np.round(walk, 2), np.round(walk, 4))
    data = cut(x, np.arange(400) * 30)
    frame, rows = Frame.of(data, protect=5, cells=64, rng=np.random.default_rng(0))
    channel = next(c for c in frame.cells.channels if c.kind == "number")
    line = frame.cells.lines[channel.part]
    assert line.digits == 2 and line.rounded == pytest.approx(0.901, abs=0.02)
    made = frame._decoded(rows.state, rows.there, rng=np.random.default_rng(0), start=0)["x0"].to_numpy()
    real = data.table()["x0"].to_numpy()
    inner = (real > line.low) & (real < line.high)
    assert np.quantile(np.abs(made - real)[inner], 0.9) <= 0.006
    other = rows.state + rng.normal(0, 1e-3, rows.state.shape).astype(np.float32)
    made = frame._decoded(other, rows.there, rng=np.random.default_rng(0), start=0)["x0"].to_numpy()
    assert np.isclose(made, np.round(made, 2), atol=1e-5).mean() == pytest.approx(0.91, abs=0.03)


def test_one_place_on_a_line_is_written_in_one_way() -> None:
    from lookalike.encode._round import Grid

    line = Line("same", low=-10, high=10, spread=1.0, digits=1, rounded=0.5)
    y = np.random.default_rng(0).uniform(-3, 3, 4_000).astype(np.float32)
    first, second = line.written(y, Grid(decimals=4)), line.written(y[::-1].copy(), Grid(decimals=4))[::-1]
    assert (first == second).all() and np.abs(first - y).max() <= 0.0501
    assert (np.round(first, 1) == first).mean() == pytest.approx(0.5, abs=0.03)


def test_the_net_is_told_no_past_beyond_what_was_learned() -> None:
    x = np.random.default_rng(0).standard_normal((COUNT * LENGTH, 2)).round(3)
    data = cut(x, np.arange(COUNT) * LENGTH)
    small = {"width": 16, "depth": 1, "steps": 20, "batch": 256, "modes": 2}
    model = models.build("series", small).fit(data, rng=np.random.default_rng(0))
    net = model.net_
    past = torch.randn(6, net.past + net.beside) * 100
    age = torch.tensor([0, 1, 5, 23, 40, 200])
    told = net.read_by(past, age, torch.zeros(6, net.ahead))
    assert told.shape == (6, net.read) and (told[:, : net.past].abs() < 20).all()
    assert (told[:, net.past : net.past + net.beside] == past[:, net.past :]).all()
    inside = torch.zeros(6, net.past + net.beside)
    assert (net.read_by(inside, age, torch.zeros(6, net.ahead))[:, : net.lags] == 0).all()
    wide = net.reach[0, 1] - net.reach[0, 0]
    grown = net.reach[1, 1] - net.reach[1, 0]
    assert (grown < 0.8 * wide).sum() >= 4  # a mean over a whole stretch varies less than one of its first rows
    again = models.build("series", small).restore(data.schema, model.state())
    assert (again.net_.reach == net.reach).all()
    old = model.state()
    old.arrays.pop("buffer.reach")
    assert not torch.isfinite(models.build("series", small).restore(data.schema, old).net_.reach).any()


def test_a_subject_wilder_than_all_that_were_learned_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).standard_normal((COUNT * LENGTH, 1)).round(3)
    small = {"width": 16, "depth": 1, "steps": 20, "batch": 256, "modes": 2}
    model = models.build("series", small).fit(cut(x, np.arange(COUNT) * LENGTH), rng=np.random.default_rng(0))
    plain_draw, turns = model._drawn, []

    def wild(sizes: np.ndarray, beside: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        state, there = plain_draw(sizes, beside, rng)
        turns.append(len(sizes))
        if len(turns) == 1:
            state[3 * LENGTH : 4 * LENGTH] *= 5
        return state, there

    monkeypatch.setattr(model, "_drawn", wild)
    made = model.sample(40, rng=np.random.default_rng(1)).table()["x0"].to_numpy().reshape(40, LENGTH)
    steps = np.abs(np.diff(made, axis=1)).mean(axis=1)
    assert turns[:2] == [40, 1] and steps.max() < 2.5
    again = models.build("series", small).restore(model.schema, model.state())
    assert (again.pace_ == model.pace_).all() and again.pace_.shape == (1,)


def test_seasons_of_windows_are_found_where_windows_come_back() -> None:
    rng, t = np.random.default_rng(0), np.arange(96)
    phase = rng.integers(0, 24, 200)[:, None]
    daily = np.sin(2 * np.pi * (t + phase) / 24) + 0.3 * rng.standard_normal((200, 96))
    walks = np.cumsum(rng.standard_normal((200, 96)), axis=1)
    sizes = np.full(200, 96)
    found = {n: series._seasons_of_all(x.reshape(-1, 1), sizes, lags=8, window=96) for n, x in (("daily", daily), ("walk", walks))}
    assert found["walk"] == () and len(found["daily"]) == 2
    assert all(abs(season - k) <= 1 for season, k in zip(found["daily"], (24, 48), strict=True))
    short = daily[:, :24].reshape(-1, 1)
    assert series._seasons_of_all(short, np.full(200, 24), lags=8, window=24) == ()
