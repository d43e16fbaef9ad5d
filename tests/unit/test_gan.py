"""The adversarial model: it learns what pairs of columns do not show, and any of its columns can be the condition."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

import lookalike as la
from lookalike.data import Dataset
from lookalike.errors import UnknownName
from lookalike.models._filling import Filling
from lookalike.models.gan import Gan
from lookalike.nets.adversary import Blocks, Shape, critic_loss
from lookalike.nets.blocks import start
from lookalike.nets.train import generator

SMALL = {
    "width": 64,
    "depth": 1,
    "noise": 16,
    "critic": 2,
    "epochs": 60,
    "batch": 256,
    "rate": 0.006,
    "patience": 60,
    "line": 60,
    "given": 0.7,
}


def frame(rows: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """`flip` follows from `left` and `right` together and from neither alone, and no pair of them shows it; `size` follows from `flip`."""
    rng = np.random.default_rng(seed)
    left, right = rng.choice(["a", "b"], rows), rng.choice(["x", "y"], rows)
    flip = np.where((left == "a") ^ (right == "x"), "up", "down")
    town = rng.choice(list("klmnop"), rows, p=[0.5, 0.2, 0.1, 0.1, 0.06, 0.04])
    size = np.where(rng.random(rows) < 0.2, 0.0, rng.normal(np.where(flip == "up", 4, -4), 1)).round(3)
    paid = np.where(rng.random(rows) < 0.1, np.nan, np.exp(rng.normal(0, 0.5, rows)).round(2))
    return pd.DataFrame({"left": left, "right": right, "town": town, "size": size, "paid": paid, "flip": flip})


def without(table: pa.Table, names: list[str]) -> pa.Table:
    """The table with nothing in some columns."""
    for name in names:
        at = table.schema.get_field_index(name)
        gone = pc.if_else(True, None, table[name].cast("string")).cast(table[name].type)
        table = table.set_column(at, table.schema.field(at), gone)
    return table


def agreement(made: pd.DataFrame) -> float:
    """Share of the rows that keep the rule."""
    return float((((made.left == "a") ^ (made.right == "x")) == (made.flip == "up")).mean())


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return frame()


@pytest.fixture(scope="module")
def model(real: pd.DataFrame) -> Gan:
    return la.fit(real, model="gan", settings=SMALL, seed=1)


@pytest.fixture(scope="module")
def unseen(model: Gan) -> pa.Table:
    return Dataset.of(frame(1_500, seed=9), schema=model.schema).table()


def test_what_only_three_columns_together_show_is_learned(model: Gan) -> None:
    made = la.sample(model, 4_000, seed=2)
    assert agreement(made) > 0.85
    there = made[made["size"] != 0]
    assert ((there["size"] > 0) == (there.flip == "up")).mean() > 0.85
    for one, other in itertools.combinations(("left", "right", "flip"), 2):
        assert abs(np.corrcoef(made[one] == made[one][0], made[other] == made[other][0])[0, 1]) < 0.1


@pytest.mark.parametrize("drawn", [["flip"], ["left"], ["right", "town"], ["town", "size", "flip"], ["left", "paid"]], ids=" ".join)
def test_any_columns_are_drawn_given_any_others(model: Gan, unseen: pa.Table, drawn: list[str]) -> None:
    made = model.complete(without(unseen, drawn), drawn, rng=np.random.default_rng(3))
    assert made.schema == unseen.schema
    for name in unseen.schema.names:
        assert name in drawn or made[name].equals(unseen[name]), "what is known is obeyed"
    assert agreement(made.to_pandas()) > 0.85


def test_numbers_follow_from_what_is_known_and_what_is_known_from_numbers(model: Gan, unseen: pa.Table) -> None:
    given = unseen.to_pandas()
    sized = model.complete(without(unseen, ["size"]), ["size"], rng=np.random.default_rng(3)).to_pandas()
    there = sized["size"] != 0
    assert ((sized["size"] > 0) == (given.flip == "up"))[there].mean() > 0.9
    assert abs(there.mean() - 0.8) < 0.1
    others = ["left", "right", "flip"]
    flipped = model.complete(without(unseen, others), others, rng=np.random.default_rng(3)).to_pandas()
    assert ((flipped.flip == "up") == (given["size"] > 0))[given["size"] != 0].mean() > 0.75


def test_only_what_is_missing_is_filled_in(model: Gan, unseen: pa.Table) -> None:
    made = model.complete(unseen, ["paid"], rng=np.random.default_rng(3))
    gone = pc.is_null(unseen["paid"])
    assert made["paid"].filter(pc.invert(gone)).equals(unseen["paid"].filter(pc.invert(gone)))
    assert made["paid"].null_count < 0.4 * unseen["paid"].null_count, "missing is a value that may be drawn, as often as it was seen"
    assert model.complete(unseen, ["paid"], rng=np.random.default_rng(3), fill=True)["paid"].null_count == 0
    assert model.complete(unseen, ["town"], rng=np.random.default_rng(3)).equals(unseen), "a missing value in another column is a fact"
    with pytest.raises(UnknownName, match="did you mean 'town'"):
        model.complete(unseen, ["twon"], rng=np.random.default_rng(3))


def test_columns_keep_their_shares_and_places(model: Gan, real: pd.DataFrame) -> None:
    made = la.sample(model, 20_000, seed=2)
    for name in ("left", "town", "flip"):
        was, now = (f[name].value_counts(normalize=True) for f in (real, made))
        assert (was - now).abs().max() < 0.015, name
    assert abs(made.paid.isna().mean() - real.paid.isna().mean()) < 0.015
    assert abs((made["size"] == 0).mean() - (real["size"] == 0).mean()) < 0.015
    assert np.abs(np.quantile(made["size"], [0.1, 0.3, 0.9]) - np.quantile(real["size"], [0.1, 0.3, 0.9])).max() < 0.35


@pytest.mark.parametrize("loss", ["wasserstein", "hinge"])
def test_seeds_decide(real: pd.DataFrame, loss: str) -> None:
    few = SMALL | {"epochs": 2, "loss": loss}
    a, b, c = (la.sample(la.fit(real.head(400), model="gan", settings=few, seed=s), 50, seed=1) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(a, b)
    assert not a.equals(c)


def test_it_is_stored_and_drawn_from_again(model: Gan, unseen: pa.Table, tmp_path: Path) -> None:
    again = la.load(la.save(model, tmp_path / "a.lookalike"))
    pd.testing.assert_frame_equal(la.sample(again, 300, seed=1), la.sample(model, 300, seed=1))
    one, other = (m.complete(without(unseen, ["flip"]), ["flip"], rng=np.random.default_rng(3)) for m in (again, model))
    assert one.equals(other)
    assert again.trained_["watch"] == model.trained_["watch"]
    assert all(0 <= look["levels"] <= 1 and 0 <= look["clusters"] <= 1 for look in model.trained_["watch"])


def test_two_hundred_rows_are_enough_and_unknown_levels_tell_nothing() -> None:
    many = frame(200).assign(code=[f"c{k}" for k in np.random.default_rng(0).integers(0, 40, 200)])
    model = la.fit(many, model="gan", settings=SMALL | {"epochs": 2})
    assert len(la.sample(model, 50)) == 50
    strange = Dataset.of(many.head(60).assign(town="q", size=99.0), schema=model.schema).table()
    made = model.complete(without(strange, ["flip"]), ["flip"], rng=np.random.default_rng(1))
    assert made["flip"].null_count == 0 and made["size"].equals(strange["size"])


def filling(loss: str = "wasserstein", given: float = 0.5) -> Filling:
    """Networks of two columns, the second of two parts, of which one is a line with two bare modes."""
    shape = Shape(noise=4, width=16, depth=1, pac=1, loss=loss)
    net = Filling(Blocks((3, 2, 6), (2,), (2,)), np.array([0, 1, 1]), given=given, shape=shape)
    start(net, generator(1))
    return net


def test_the_generator_is_blind_to_what_is_unknown_and_bare_modes_have_no_place() -> None:
    net = filling()
    modes, places = torch.tensor([[1, 1, 4], [2, 0, 3]]), torch.tensor([[0.5], [-0.5]])
    known = torch.tensor([[True, False], [True, False]])
    other = torch.tensor([[1, 0, 1], [2, 1, 5]])
    assert torch.equal(net.seen(modes, places, known), net.seen(other, places + 1, known))
    assert not torch.equal(net.seen(modes, places, ~known), net.seen(other, places + 1, ~known))
    told = torch.zeros(4, 11 + 6)
    told[:, 5 + 1] = 100.0
    told[:, 11:] = 1.0
    assert net._made(told, generator(1))[:, -1].abs().max() < 1e-6, "drawn in a bare mode"
    told[:, 5 + 4] = 1_000.0
    assert (net._made(told, generator(1))[:, -1] - np.tanh(1)).abs().max() < 1e-4


def test_a_critic_as_steep_as_it_should_be_where_rows_may_differ_is_not_punished() -> None:
    shape, draw = Shape(noise=4, width=16, depth=1, pac=1, loss="wasserstein"), generator(1)
    real, made = torch.randn(64, 4, generator=draw), torch.randn(64, 4, generator=draw)
    free = torch.tensor([True, False, False, False]).expand(64, 4)
    made = torch.where(free, made, real)

    def lost(slope: float, beyond: float, free: torch.Tensor | None) -> float:
        return float(critic_loss(lambda rows: slope * rows[:, 0] + beyond * rows[:, 1], real, made, shape=shape, draw=draw, free=free))

    apart = float((made - real)[:, 0].mean())
    assert abs(lost(1, 5, free) - apart) < 1e-4
    assert abs(lost(3, 0, free) - 3 * apart - 10 * 4) < 1e-3
    assert lost(1, 5, None) > apart + 100
