"""The autoregressive network: it learns what pairs of columns do not show, obeys conditions, and knows how likely a row is."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

import lookalike as la
from lookalike.data import Dataset
from lookalike.errors import StoreError, UnknownName
from lookalike.models.autoregressive import Autoregressive

SMALL = {"width": 64, "depth": 1, "vector": 8, "epochs": 60, "batch": 256, "rate": 0.01, "patience": 20}

SHORT = SMALL | {"epochs": 12}


def frame(rows: int = 3_000, seed: int = 0) -> pd.DataFrame:
    """`flip` follows from `left` and `right` together and from neither alone, nor does any pair of columns show it."""
    rng = np.random.default_rng(seed)
    left, right = rng.choice(["a", "b"], rows), rng.normal(0, 1, rows).round(3)
    flip = np.where((left == "a") ^ (right > 0), "up", "down")
    town = rng.choice(list("klmnop"), rows, p=[0.5, 0.2, 0.1, 0.1, 0.06, 0.04])
    paid = np.where(rng.random(rows) < 0.1, np.nan, np.exp(rng.normal(np.char.equal(town, "k"), 0.5)).round(2))
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D")
    return pd.DataFrame({"left": left, "right": right, "town": town, "paid": paid, "day": day, "flip": flip})


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return frame()


@pytest.fixture(scope="module")
def model(real: pd.DataFrame) -> Autoregressive:
    return la.fit(real, model="autoregressive", settings=SMALL, seed=1)


@pytest.fixture(scope="module")
def any_order(real: pd.DataFrame) -> Autoregressive:
    return la.fit(real, model="autoregressive", settings=SMALL | {"chain": 0.0}, seed=1)


def agreement(made: pd.DataFrame) -> float:
    """Share of the rows that keep the rule."""
    return float((((made.left == "a") ^ (made.right > 0)) == (made.flip == "up")).mean())


def test_what_only_three_columns_together_show_is_learned(model: Autoregressive) -> None:
    made = la.sample(model, 4_000, seed=2)
    assert agreement(made) > 0.95
    for one, other in itertools.combinations(("left", "flip"), 2):
        assert abs(np.corrcoef(made[one] == made[one][0], made[other] == made[other][0])[0, 1]) < 0.06


def test_columns_keep_their_shares(model: Autoregressive, real: pd.DataFrame) -> None:
    made = la.sample(model, 20_000, seed=2)
    for name in ("left", "town", "flip"):
        was, now = (f[name].value_counts(normalize=True) for f in (real, made))
        assert (was - now).abs().max() < 0.012, name
    assert abs(made.paid.isna().mean() - real.paid.isna().mean()) < 0.01
    assert np.abs(np.quantile(made.right, [0.1, 0.5, 0.9]) - np.quantile(real.right, [0.1, 0.5, 0.9])).max() < 0.08


def test_any_columns_are_drawn_given_any_others(any_order: Autoregressive) -> None:
    table = Dataset.of(frame(1_500, seed=9), schema=any_order.schema).table()
    rng = np.random.default_rng(3)
    for drawn in (["flip"], ["left"], ["right", "day"], ["left", "town", "paid"]):
        emptied = table
        for name in drawn:
            at = table.schema.get_field_index(name)
            emptied = emptied.set_column(
                at, table.schema.field(at), pc.if_else(True, None, table[name].cast("string")).cast(table[name].type)
            )
        made = any_order.complete(emptied, drawn, rng=rng)
        assert made.schema == table.schema
        for name in table.schema.names:
            assert (name in drawn) or made[name].equals(table[name])
        assert agreement(made.to_pandas()) > 0.88, drawn


def test_only_what_is_missing_is_filled_in(model: Autoregressive) -> None:
    table = Dataset.of(frame(400, seed=9), schema=model.schema).table()
    made = model.complete(table, ["paid"], rng=np.random.default_rng(3))
    gone = pc.is_null(table["paid"])
    assert made["paid"].filter(pc.invert(gone)).equals(table["paid"].filter(pc.invert(gone)))
    assert 0 < made["paid"].null_count < 0.4 * table["paid"].null_count, "missing is a value that may be drawn"
    filled = model.complete(table, ["paid"], rng=np.random.default_rng(3), fill=True)
    assert filled["paid"].null_count == 0
    left = model.complete(table, ["town"], rng=np.random.default_rng(3))
    assert left.equals(table), "a missing value in another column is a fact"
    with pytest.raises(UnknownName, match="did you mean 'town'"):
        model.complete(table, ["twon"], rng=np.random.default_rng(3))


def test_likely_rows_are_told_from_unlikely_ones(model: Autoregressive) -> None:
    good = frame(1_000, seed=5)
    bad = good.assign(flip=np.where(good.flip == "up", "down", "up"))
    one, other = (model.log_prob(Dataset.of(f, schema=model.schema)) for f in (good, bad))
    assert one.shape == (1_000,) and one.dtype == np.float64
    assert (one > other).mean() > 0.95


def test_chances_add_up_to_one() -> None:
    """Over all rows that there can be of a small table."""
    rng = np.random.default_rng(0)
    small = pd.DataFrame({"x": rng.choice(list("abc"), 300), "y": rng.choice(list("uv"), 300)})
    small.loc[small.x == "a", "y"] = "u"
    model = la.fit(small, model="autoregressive", settings=SMALL)
    every = pd.DataFrame(list(itertools.product("abc", "uv")), columns=["x", "y"])
    told = np.exp(model.log_prob(Dataset.of(every, schema=model.schema)))
    assert abs(told.sum() - 1) < 1e-5
    drawn = la.sample(model, 20_000, seed=3).value_counts(normalize=True)
    assert all(abs(drawn.get((r.x, r.y), 0.0) - p) < 0.015 for r, p in zip(every.itertuples(), told, strict=True))


def test_two_hundred_rows_are_enough() -> None:
    model = la.fit(frame(200), model="autoregressive", settings={"epochs": 3})
    assert len(la.sample(model, 50)) == 50


def test_it_is_stored_and_drawn_from_again(model: Autoregressive, tmp_path: Path) -> None:
    again = la.load(la.save(model, tmp_path / "a.lookalike"))
    pd.testing.assert_frame_equal(la.sample(again, 300, seed=1), la.sample(model, 300, seed=1))
    assert again.trained_["history"] == model.trained_["history"]
    assert "checkpoint" not in again.state().card


FIT = """
import os, sys, time; sys.path.insert(0, sys.argv[1])
import test_autoregressive as t
from lookalike.nets import checkpoint
checkpoint.EVERY = 0.0
waits = lambda step: os.path.exists(sys.argv[2]) and time.sleep(600)  # to be killed
t.la.fit(t.frame(800), model="autoregressive", settings=t.SHORT | {"checkpoint": sys.argv[2]}, on_step=waits)
"""


def test_a_killed_fit_goes_on_to_the_same_model(tmp_path: Path) -> None:
    path, here = tmp_path / "unfinished.safetensors", str(Path(__file__).parent)
    child = subprocess.Popen([sys.executable, "-c", FIT, here, str(path)], env={**os.environ})
    try:
        while not path.exists() and child.poll() is None:
            time.sleep(0.02)
        assert child.poll() is None, "it was over before it was killed"
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    with pytest.raises(StoreError, match="another training"):
        la.fit(frame(800), model="autoregressive", seed=5, settings=SHORT | {"checkpoint": str(path)})
    resumed = la.fit(frame(800), model="autoregressive", settings=SHORT | {"checkpoint": str(path)})
    straight = la.fit(frame(800), model="autoregressive", settings=SHORT)
    assert any("taken up again" in note for note in resumed.trained_["notes"])
    curves = [[h["judged"] for h in m.trained_["history"]] for m in (straight, resumed)]
    assert np.allclose(*curves, rtol=1e-4)
    assert not path.exists()
