"""Diffusion: it learns what pairs of columns do not show, keeps spikes and tails, and leaves alone what is known."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

import lookalike as la
from lookalike.data import Dataset
from lookalike.errors import UnknownName
from lookalike.models import _plan
from lookalike.models.diffusion import Diffusion
from lookalike.nets.blocks import Layout

SMALL = {"width": 64, "depth": 1, "vector": 8, "epochs": 40, "batch": 256, "rate": 0.01, "patience": 40, "cells": 64, "levels": 4}


def frame(rows: int = 2_500, seed: int = 0) -> pd.DataFrame:
    """`flip` follows from `left` and `right` together and from neither alone; `paid` has a spike at 0, missing values and a heavy tail."""
    rng = np.random.default_rng(seed)
    left, right = rng.choice(["a", "b"], rows), rng.normal(0, 1, rows).round(3)
    flip = np.where((left == "a") ^ (right > 0), "up", "down")
    paid = np.where(rng.random(rows) < 0.5, 0.0, (rng.pareto(1.2, rows) * 100).round(2))
    return pd.DataFrame({"left": left, "right": right, "paid": np.where(rng.random(rows) < 0.1, np.nan, paid), "flip": flip})


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return frame()


@pytest.fixture(scope="module")
def model(real: pd.DataFrame) -> Diffusion:
    return la.fit(real, model="diffusion", settings=SMALL | {"given": 0.5}, seed=1)


@pytest.fixture(scope="module")
def made(model: Diffusion) -> pd.DataFrame:
    return la.sample(model, 8_000, seed=2)


def agreement(made: pd.DataFrame) -> float:
    """Share of the rows that keep the rule."""
    return float((((made.left == "a") ^ (made.right > 0)) == (made.flip == "up")).mean())


def test_what_only_three_columns_together_show_is_learned(made: pd.DataFrame) -> None:
    assert agreement(made) > 0.9
    for one, other in itertools.combinations(("left", "flip"), 2):
        assert abs(np.corrcoef(made[one] == made[one][0], made[other] == made[other][0])[0, 1]) < 0.07


def test_spikes_missing_values_and_heavy_tails_are_kept(made: pd.DataFrame, real: pd.DataFrame) -> None:
    assert abs((made.paid == 0).mean() - (real.paid == 0).mean()) < 0.02
    assert abs(made.paid.isna().mean() - real.paid.isna().mean()) < 0.015
    was, now = (np.log1p(f.paid[f.paid > 0]).quantile([0.05, 0.5, 0.95]) for f in (real, made))
    assert (was - now).abs().max() < 0.3
    assert 5 < made.paid.max() / made.paid.quantile(0.95) < 5_000, "the tail is neither cut off nor drawn out"


def test_columns_keep_their_shares(made: pd.DataFrame, real: pd.DataFrame) -> None:
    assert abs((made.left == "a").mean() - (real.left == "a").mean()) < 0.02
    assert np.abs(np.quantile(made.right, [0.1, 0.5, 0.9]) - np.quantile(real.right, [0.1, 0.5, 0.9])).max() < 0.1


def test_what_is_known_is_obeyed(model: Diffusion) -> None:
    table = Dataset.of(frame(1_000, seed=9), schema=model.schema).table()
    for drawn in (["flip"], ["paid", "flip"]):
        emptied = table
        for name in drawn:
            at = table.schema.get_field_index(name)
            gone = pc.if_else(True, None, table[name].cast("string")).cast(table[name].type)
            emptied = emptied.set_column(at, table.schema.field(at), gone)
        made = model.complete(emptied, drawn, rng=np.random.default_rng(3))
        assert made.schema == table.schema
        assert all(made[name].equals(table[name]) for name in table.schema.names if name not in drawn)
        assert made["flip"].null_count == 0
        assert agreement(made.to_pandas()) > 0.9, drawn


def test_only_what_is_missing_is_filled_in(model: Diffusion) -> None:
    table = Dataset.of(frame(400, seed=9), schema=model.schema).table()
    made = model.complete(table, ["paid"], rng=np.random.default_rng(3))
    there = pc.is_valid(table["paid"])
    assert made["paid"].filter(there).equals(table["paid"].filter(there))
    assert 0 < made["paid"].null_count < 0.5 * table["paid"].null_count, "missing is a value that may be drawn"
    assert model.complete(table, ["paid"], rng=np.random.default_rng(3), fill=True)["paid"].null_count == 0
    assert model.complete(table, ["left"], rng=np.random.default_rng(3)).equals(table), "a missing value in another column is a fact"
    with pytest.raises(UnknownName, match="did you mean 'paid'"):
        model.complete(table, ["piad"], rng=np.random.default_rng(3))


def test_seeds_decide(model: Diffusion, real: pd.DataFrame) -> None:
    short = SMALL | {"epochs": 2}
    one, same, other = (la.fit(real[:300], model="diffusion", settings=short, seed=s) for s in (3, 3, 4))
    pd.testing.assert_frame_equal(la.sample(one, 100, seed=1), la.sample(same, 100, seed=1))
    assert not la.sample(one, 100, seed=1).equals(la.sample(other, 100, seed=1))
    assert not la.sample(one, 100, seed=1).equals(la.sample(one, 100, seed=2))


def test_few_steps_and_two_hundred_rows_are_enough() -> None:
    model = la.fit(frame(200), model="diffusion", settings={"epochs": 3, "steps": 2})
    assert len(model.net_.plan.groups) == 2
    assert len(la.sample(model, 50)) == 50


def test_it_is_stored_and_drawn_from_again(model: Diffusion, tmp_path: Path) -> None:
    again = la.load(la.save(model, tmp_path / "a.lookalike"))
    pd.testing.assert_frame_equal(la.sample(again, 300, seed=1), la.sample(model, 300, seed=1))
    assert again.trained_["history"] == model.trained_["history"]


def test_each_level_tells_as_much_more() -> None:
    """Checked by drawing: what noised values tell of their codes, by the entropy of the exact posterior."""
    layout, rng = Layout((2, 41), (False, True)), np.random.default_rng(0)
    counts = np.concatenate([[0, 500], [0], rng.integers(1, 40, 40)])
    line = _plan.points(layout, counts)
    sigma = _plan.schedule(layout, counts, line, levels=4)
    assert sigma[0].max() == 0 and (np.diff(sigma[1, 1:4]) > 0).all()
    share, at = counts[2:] / counts[2:].sum(), line[2:]
    share, at = share[1:] / share[1:].sum(), at[1:]
    code = rng.choice(len(share), 20_000, p=share)
    whole = -(share * np.log(share)).sum()
    for level, part in ((1, 0.75), (2, 0.5), (3, 0.25)):
        x = at[code] + sigma[1, level] * rng.normal(size=len(code))
        chance = share * np.exp(-((x[:, None] - at) ** 2) / (2 * sigma[1, level] ** 2))
        chance /= chance.sum(1, keepdims=True)
        told = whole + np.log(chance[np.arange(len(code)), code]).mean()
        assert abs(told / whole - part) < 0.03


def test_a_plan_ends_with_every_part_clear_and_a_columns_first_part_first() -> None:
    sigma = np.zeros((4, 5))
    sigma[1, 1:4] = sigma[3, 1:4] = 0.1, 0.4, 1.0
    plan = _plan.Plan.of(np.zeros(0), sigma, np.array([0, 1, 1, 3]), steps=None)
    level = plan.top.copy()
    for (part, to), before in zip(plan.events, plan.states, strict=True):
        assert (before == level).all() and to == level[part] - 1
        assert part != 2 or level[1] == 0, "the second part of a column was told before its first"
        level[part] = to
    assert (level == 0).all() and len(plan.events) == 1 + 4 + 1 + 4
    few = _plan.Plan.of(np.zeros(0), sigma, np.array([0, 1, 1, 3]), steps=3)
    assert few.events == plan.events and len(few.groups) == 3


def test_without_torch_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['torch'] = None; import lookalike as la, pandas as pd; "
    code += "la.fit(pd.DataFrame({'x': list(range(20))}), model='diffusion')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode != 0
    assert "MissingExtra" in ran.stderr and "torch" in ran.stderr
