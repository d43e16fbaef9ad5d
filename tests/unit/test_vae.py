"""The variational autoencoder: it learns what pairs of columns do not show, and its latent space can be walked in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.data import Dataset
from lookalike.errors import DataError, SettingError
from lookalike.models.vae import Vae
from lookalike.protocol import Step

SMALL = {
    "width": 64,
    "depth": 1,
    "vector": 8,
    "cells": 255,
    "latent": 6,
    "modes": 32,
    "epochs": 40,
    "batch": 256,
    "rate": 0.01,
    "patience": 20,
    "beta": 0.2,
}


def frame(rows: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """`flip` follows from `left` and `right` together and from neither alone, nor does any pair of columns show it."""
    rng = np.random.default_rng(seed)
    left, right = rng.choice(["a", "b"], rows), rng.normal(0, 1, rows).round(3)
    flip = np.where((left == "a") ^ (right > 0), "up", "down")
    town = rng.choice(list("klmnop"), rows, p=[0.5, 0.2, 0.1, 0.1, 0.06, 0.04])
    paid = np.where(rng.random(rows) < 0.1, np.nan, np.exp(rng.normal(np.char.equal(town, "k"), 0.5)).round(2))
    return pd.DataFrame({"left": left, "right": right, "town": town, "paid": paid, "flip": flip})


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return frame()


@pytest.fixture(scope="module")
def model(real: pd.DataFrame) -> Vae:
    return la.fit(real, model="vae", settings=SMALL, seed=1)


def one(model: Vae, frame: pd.DataFrame, row: int) -> Dataset:
    return Dataset.of(frame, schema=model.schema).take(np.array([row]))


def agreement(made: pd.DataFrame) -> float:
    """Share of the rows that keep the rule."""
    return float((((made.left == "a") ^ (made.right > 0)) == (made.flip == "up")).mean())


def test_what_only_three_columns_together_show_is_learned(model: Vae) -> None:
    assert agreement(la.sample(model, 4_000, seed=2)) > 0.89  # .86 where `flip` is told from the point alone


def test_columns_keep_their_shares(model: Vae, real: pd.DataFrame) -> None:
    made = la.sample(model, 20_000, seed=2)
    for name in ("left", "town", "flip"):
        was, now = (f[name].value_counts(normalize=True) for f in (real, made))
        assert (was - now).abs().max() < 0.016, name
    assert abs(made.paid.isna().mean() - real.paid.isna().mean()) < 0.01
    assert np.abs(np.quantile(made.right, [0.1, 0.5, 0.9]) - np.quantile(real.right, [0.1, 0.5, 0.9])).max() < 0.08


def test_rows_come_back_from_their_points(model: Vae) -> None:
    rows = frame(1_000, seed=5)
    z = model.encode(Dataset.of(rows, schema=model.schema))
    assert z.shape == (1_000, 6) and z.dtype == np.float32
    back = model.decode(z, rng=np.random.default_rng(3)).table().to_pandas()
    for name in ("left", "flip"):
        assert (back[name].to_numpy() == rows[name].to_numpy()).mean() > 0.85, name
    assert np.corrcoef(back.right, rows.right)[0, 1] > 0.85


def test_a_way_between_two_rows_has_both_at_its_ends(model: Vae, real: pd.DataFrame) -> None:
    low, high = int(real.right.argmin()), int(real.right.argmax())
    way = model.interpolate(one(model, real, low), one(model, real, high), 40, rng=np.random.default_rng(3)).table().to_pandas()
    assert len(way) == 40
    assert way.right[:5].mean() < -1 and way.right[-5:].mean() > 1
    assert np.corrcoef(way.right, np.arange(40))[0, 1] > 0.7
    with pytest.raises(SettingError, match="at least 2"):
        model.interpolate(one(model, real, 0), one(model, real, 1), 1, rng=np.random.default_rng(3))


def test_what_is_around_a_row_is_like_it(model: Vae, real: pd.DataFrame) -> None:
    near, far = (model.around(one(model, real, 7), 300, radius, rng=np.random.default_rng(3)).table().to_pandas() for radius in (0.05, 2.0))
    same = [(f.town == real.town[7]).mean() for f in (near, far)]
    assert same[0] > 0.85 and same[0] > same[1]
    assert np.abs(near.right - real.right[7]).mean() < np.abs(far.right - real.right[7]).mean()
    with pytest.raises(DataError, match="one row"):
        model.around(Dataset.of(real, schema=model.schema), 3, 0.1, rng=np.random.default_rng(3))
    with pytest.raises(SettingError, match="finite"):
        model.decode(np.full((2, 6), np.nan), rng=np.random.default_rng(3))


def test_seeds_decide(real: pd.DataFrame) -> None:
    few = SMALL | {"epochs": 2}
    a, b, c = (la.sample(la.fit(real.head(400), model="vae", settings=few, seed=s), 50, seed=1) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(a, b)
    assert not a.equals(c)


def test_beta_rises_while_it_learns(model: Vae) -> None:
    """At first only the rows count, so the latent space is not given up before it is of use."""
    clock, told = model.net_.clock(lambda step: told.append(step.done)), []
    clock(Step(5, 10))
    assert model.net_.share == 0.5 and told == [5]
    clock(Step(10, 10))
    assert model.net_.share == 1.0


def test_two_hundred_rows_are_enough() -> None:
    model = la.fit(frame(200), model="vae", settings={"epochs": 3})
    assert len(la.sample(model, 50)) == 50


def test_it_is_stored_and_drawn_from_again(model: Vae, tmp_path: Path) -> None:
    again = la.load(la.save(model, tmp_path / "a.lookalike"))
    pd.testing.assert_frame_equal(la.sample(again, 300, seed=1), la.sample(model, 300, seed=1))
    assert again.trained_["history"] == model.trained_["history"]
