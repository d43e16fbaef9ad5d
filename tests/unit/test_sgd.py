"""DP-SGD: rows come by chance, none moves a sum by more than the clip, noise is as wide as it says; and tests notice when not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import lookalike as la
from lookalike.data import Dataset
from lookalike.encode import Part
from lookalike.errors import BudgetError, SettingError
from lookalike.models._grouped import grouped
from lookalike.models._masked import Masked
from lookalike.models._noised import Noised
from lookalike.models._plan import Plan as Steps
from lookalike.models._plan import points, schedule
from lookalike.nets.blocks import Layout, Linear, start
from lookalike.nets.rowwise import RULES
from lookalike.nets.train import generator, whole_threads
from lookalike.privacy import sgd
from lookalike.privacy.accounting import Budget, total
from lookalike.privacy.ledger import Ledger
from lookalike.privacy.sgd import Plan, noisy_means, planned, train

LAYOUT = Layout((4, 40, 9, 3, 25), (False, True, False, False, True))
CHANCE = 1e-8
"""Chance with which one check fails though all is well; a test has up to a hundred."""


class Ballot(nn.Module):
    """The gradient of row i is 1000 at place i, and 0 elsewhere: what a step does shows which rows were in it."""

    def __init__(self, rows: int, *, weight: float = 1_000.0) -> None:
        super().__init__()
        self.layer, self.weight, self.most = Linear(rows, 1, bias=False), weight, 0
        start(self, generator(1))

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        self.most = max(self.most, len(batch[0]))
        return self.weight * self.layer(batch[0]).mean()


class Still(Masked):
    """Hides the same parts of every row, in each view others."""

    def __init__(self, views: int, **sizes: int) -> None:
        counts = np.arange(LAYOUT.offsets[-1])
        super().__init__(LAYOUT, counts, order=tuple(range(5)), chain=0.5, width=16, depth=2, vector=4, drop=0.0, **sizes)
        self.pattern = torch.rand(views, self.parts, generator=generator(3)) < 0.5
        self.pattern[:, 0] = False
        start(self, generator(1))

    def _seen(self, n: int, draw: torch.Generator) -> Tensor:
        return self.pattern.repeat(n // len(self.pattern), 1)


class Calm(Noised):
    """The same of the network of the diffusion model, which it has in a private fit."""

    def __init__(self, views: int) -> None:
        counts = np.arange(LAYOUT.offsets[-1])
        line = points(LAYOUT, counts)
        steps = Steps.of(line, schedule(LAYOUT, counts, line, levels=1), np.arange(5), steps=None)
        super().__init__(LAYOUT, counts, steps, given=0.25, width=16, depth=2, vector=4, drop=0.0)
        self.trust.requires_grad_(False)
        self.pattern = (torch.rand(views, self.parts, generator=generator(3)) < 0.5).long()
        self.pattern[:, 0] = 1
        start(self, generator(1))

    def _levels(self, n: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.zeros(n, dtype=torch.int64), self.pattern.repeat(n // len(self.pattern), 1)


class Steep(nn.Module):
    """Numbers of any size through two layers and a norm, in 64 bits."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two = Linear(3, 5), nn.LayerNorm(5), Linear(5, 1)
        start(self, generator(1))
        self.double()

    def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
        return self.two(self.norm(self.one(batch[0].double())).exp()).mean()


def plan(**other: Any) -> Plan:
    return Plan(**{"steps": 1, "rate": 1.0, "batch": 8.0, "clip": 0.5, "noise": 1.0} | other)


def allowance(epsilon: float = 1e9) -> Any:
    return Ledger(Budget(epsilon, 1e-6)).allow()


def codes(rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, k, rows) for k in LAYOUT.sizes], 1).astype(np.uint8)


def length(tensors: list[Tensor]) -> float:
    return float(torch.cat([t.detach().double().flatten() for t in tensors]).norm())


def clipped(net: nn.Module, arrays: tuple[np.ndarray, ...], rows: Any, how: Plan) -> list[Tensor]:
    with sgd._Clipped(net, arrays, how, RULES) as sums:
        return sums(np.asarray(rows))


# ------------------------------------------------------------------------------------------------------------ clipping


@pytest.mark.parametrize("kind", [Still, Calm])
@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("clip", [0.7, 1e6], ids=["clipped", "whole"])
def test_sums_are_those_of_gradients_made_one_by_one(kind: type[Still | Calm], views: int, clip: float) -> None:
    net, table = kind(views), codes(11)
    weights = [w for w in net.parameters() if w.requires_grad]
    wanted = [torch.zeros_like(w) for w in weights]
    for row in table:
        one = torch.from_numpy(row.astype(np.int64)).repeat(views, 1)
        gradients = torch.autograd.grad(net((one,), generator(0), ""), weights, materialize_grads=True)
        for sum_, gradient in zip(wanted, gradients, strict=True):
            sum_ += gradient * min(1.0, clip / length(list(gradients)))
    found = clipped(net, (table,), range(11), plan(clip=clip, views=views))
    assert length(wanted) > 1
    for a, b in zip(found, wanted, strict=True):
        assert torch.allclose(a, b, rtol=2e-5, atol=1e-5)


def shifts(sums: Callable[[Any], list[Tensor]], rows: int) -> np.ndarray:
    """How far each row moves the sum over all the others."""
    everyone = np.arange(rows)
    whole = sums(everyone)
    rest = (sums(np.delete(everyone, k)) for k in range(rows))
    return np.array([length([a - b for a, b in zip(whole, part, strict=True)]) for part in rest])


EXTREME = np.array([[0, 0, 0], [1, -1, 2], [1e30, 0, 0], [-1e30, 1e30, 1e-30], [3e38, 3e38, -3e38], [1e-38, 0, 0], [5, 5, 5]])


def test_no_row_moves_a_sum_by_more_than_the_clip() -> None:
    """In 64 bits, where rounding is no excuse; rows may be as large as numbers get."""
    how = plan(clip=0.25)
    moved = shifts(lambda rows: clipped(Steep(), (EXTREME,), rows, how), len(EXTREME))
    assert moved.max() <= 0.25
    assert np.median(moved) > 0.2499


def test_clipping_the_mean_instead_of_rows_is_noticed() -> None:
    class Late(sgd._Clipped):
        """Planted: the batch is clipped, not its rows."""

        def _summed(self, factors: list[Any]) -> list[Tensor]:
            self.plan = plan(clip=1e9)
            sums, n = super()._summed(factors), len(factors[0][1].values if hasattr(factors[0][1], "values") else factors[0][1].left)
            return [s * min(1.0, 0.25 * n / length(sums)) for s in sums]

    def sums(rows: Any) -> list[Tensor]:
        with Late(Steep(), (EXTREME[[0, 1, 5, 6, 6, 6]] * 10,), plan(clip=0.25), RULES) as late:
            return late(np.asarray(rows))

    assert shifts(sums, 6).max() > 0.25


@pytest.mark.parametrize("kind", [Still, Calm])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e15], ids=str)
def test_rows_of_codes_are_no_longer_than_the_clip(kind: type[Still | Calm], scale: float) -> None:
    """Whatever the weights are: those of a training that went astray may be huge."""
    net, table = kind(2), codes(15)
    with torch.no_grad():
        for weight in net.parameters():
            weight *= scale
    table[0], table[1] = 0, np.array(LAYOUT.sizes) - 1
    alone = [length(clipped(net, (table,), [k], plan(views=2))) for k in range(15)]
    assert max(alone) <= 0.5
    assert scale > 1e9 or min(alone) > 0.49


def test_a_row_that_is_no_number_adds_nothing_and_spoils_nothing() -> None:
    rows = np.vstack([EXTREME[:2], [[np.nan, 0, 0], [np.inf, 0, 1]]])
    with_, without = (clipped(Steep(), (rows,), range(n), plan()) for n in (4, 2))
    assert length(with_) > 0
    assert all(torch.equal(a, b) or torch.allclose(a, b, rtol=1e-12) for a, b in zip(with_, without, strict=True))


def test_a_net_that_cannot_be_clipped_is_refused() -> None:
    class More(Steep):
        """Has a weight of its own, for which there is no rule."""

        def __init__(self) -> None:
            super().__init__()
            self.extra = nn.Parameter(torch.zeros(2))

    class Twice(Steep):
        """Uses a layer twice."""

        def forward(self, batch: tuple[Tensor, ...], draw: torch.Generator, turn: str) -> Tensor:
            return super().forward((self.one(batch[0].double())[:, :3],), draw, turn)

    with pytest.raises(SettingError, match="extra"):
        clipped(More(), (EXTREME,), [0], plan())
    with pytest.raises(SettingError, match="more than once"):
        clipped(Twice(), (EXTREME,), [0], plan())


# ---------------------------------------------------------------------------------------------------- chance and noise


def means(net: nn.Module, arrays: tuple[Any, ...], how: Plan, **other: Any) -> Iterator[list[Tensor]]:
    return noisy_means(net, arrays, plan=how, rules=RULES, **{"allowance": allowance()} | other)


def noise(how: Plan, entries: int = 400) -> np.ndarray:
    """What is in the steps where all gradients are 0: noise, float64 [steps · entries], that of a sum."""
    still, rows = Ballot(entries, weight=0.0), np.eye(8, entries)
    return np.concatenate([m[0].numpy().ravel() for m in means(still, (rows,), how)]) * how.batch


def is_normal(values: np.ndarray, sigma: float) -> bool:
    """Normal, around 0, of standard deviation `sigma`: by a chance of CHANCE it is said not to be though it is."""
    low, high = stats.chi2.ppf([CHANCE / 2, 1 - CHANCE / 2], len(values))
    right = low < (values**2).sum() / sigma**2 < high
    return bool(right and stats.kstest(values / sigma, "norm").pvalue > CHANCE)


def test_noise_is_as_wide_as_it_says() -> None:
    for how in (plan(steps=200, noise=1.7, clip=0.3), plan(steps=200, noise=0.8, clip=2.0, per_unit=3, rate=0.25, batch=5.0)):
        found = noise(how)
        assert is_normal(found, how.noise * how.clip * how.per_unit)
        assert not is_normal(found / 2, how.sigma), "half the noise is not noticed"
        assert not is_normal(np.round(found), how.sigma), "whole numbers are not noticed"
        assert abs(np.corrcoef(found.reshape(200, -1))[np.triu_indices(200, 1)]).max() < 7 / np.sqrt(400)  # of 20,000 pairs


def test_global_random_numbers_are_left_alone_and_fix_nothing() -> None:
    def state() -> str:
        return repr((np.random.get_state()[1].tolist(), np.random.get_state()[2], torch.get_rng_state().tolist()))

    kept = np.random.get_state(), torch.get_rng_state()
    try:
        found = []
        for _ in range(2):
            np.random.seed(7)
            torch.random.manual_seed(7)
            before = state()
            found.append((noise(plan(steps=2)), sgd.chosen(1_000, 0.5), sgd._draw(torch.device("cpu")).initial_seed()))
            assert state() == before
        assert all(np.all(a != b) if a.dtype == float else np.any(a != b) for a, b in zip(*map(lambda f: f[:2], found), strict=True))
        assert found[0][2] != found[1][2]
    finally:
        np.random.set_state(kept[0])
        torch.set_rng_state(kept[1])


ROWS = 60


def voted(how: Plan) -> np.ndarray:
    """float64 [steps, rows]: what each row added to each step, as a multiple of the clip: 1 where it was in, but for the noise."""
    steps = means(Ballot(ROWS), (np.eye(ROWS),), how)
    return np.array([m[0].double().numpy()[0] for m in steps]) * how.batch / how.clip


def inside(hits: np.ndarray, chance: float) -> bool:
    """Independent `hits`, 0 or 1, are compatible with `chance` (Clopper and Pearson 1934)."""
    found = stats.binomtest(int(hits.sum()), hits.size, chance).proportion_ci(1 - CHANCE, "exact")
    return found.low <= chance <= found.high


def is_poisson(votes: np.ndarray, rate: float) -> bool:
    """Each row is in each step by a coin of its own, and in by 1: batches are as long as chance makes them."""
    steps, rows = votes.shape
    seen = np.rint(votes)
    whole = np.abs(votes - seen).max() < 0.4 and set(np.unique(seen)) <= {0.0, 1.0}
    each = whole and all(inside(column, rate) for column in seen.T)
    again = inside(seen[1::2] * seen[: steps - steps % 2 : 2], rate**2)
    beside = inside(seen[:, 1::2] * seen[:, : rows - rows % 2 : 2], rate**2)
    low, high = stats.chi2.ppf([CHANCE / 2, 1 - CHANCE / 2], steps)
    spread = low < ((seen.sum(1) - rows * rate) ** 2).sum() / (rows * rate * (1 - rate)) < high
    return bool(each and again and beside and spread)


QUIET = {"steps": 600, "rate": 0.25, "batch": 15.0, "noise": 0.04}


def test_rows_come_by_coins_of_their_own_and_sums_are_divided_by_a_public_number() -> None:
    assert is_poisson(voted(plan(**QUIET)), 0.25)
    assert not is_poisson(voted(plan(**QUIET)), 0.3), "another rate is not noticed"


def test_shuffled_batches_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, left = np.random.default_rng(0), []

    def shuffled(units: int, rate: float) -> np.ndarray:
        if not left:
            left.extend(np.array_split(rng.permutation(units), round(1 / rate)))
        return np.isin(np.arange(units), left.pop())

    monkeypatch.setattr(sgd, "chosen", shuffled)
    assert not is_poisson(voted(plan(**QUIET)), 0.25)


def test_division_by_the_length_of_the_batch_is_noticed() -> None:
    votes = voted(plan(**QUIET))
    assert not is_poisson(votes * 15 / np.rint(votes).sum(1, keepdims=True).clip(1), 0.25)


def test_rows_of_a_subject_come_together_and_the_noise_is_for_all_of_them() -> None:
    units = np.repeat(np.arange(20), 3)
    how = plan(steps=40, rate=0.5, batch=30.0, noise=0.02, per_unit=3)
    steps = means(Ballot(ROWS), (np.eye(ROWS),), how, units=units)
    seen = np.rint(np.array([m[0].numpy()[0] for m in steps]) * how.batch / how.clip).reshape(40, 20, 3)
    assert (seen == seen[:, :, :1]).all()
    assert 0.4 < seen.mean() < 0.6
    with pytest.raises(SettingError, match="more than 2 rows"):
        next(means(Ballot(ROWS), (np.eye(ROWS),), plan(per_unit=2), units=units))


def test_a_step_without_rows_is_a_step() -> None:
    how = plan(steps=30, rate=2.0**-32, batch=1.0)
    found = [m[0].numpy() for m in means(Ballot(4), (np.eye(4),), how)]
    assert len(found) == 30
    assert np.abs(found).min() > 0


def test_memory_does_not_hang_on_the_batch() -> None:
    rows = np.ones((5_000, 3), np.float32)
    for views in (1, 4):
        net = Ballot(3)
        how = plan(batch=5_000.0, noise=0.05, views=views)
        (step,) = means(net, (rows,), how)
        assert net.most <= sgd.PIECE
        assert length(step) == pytest.approx(how.clip, rel=1e-3)


def test_threads_add_up_to_the_same() -> None:
    rows = np.random.default_rng(0).normal(size=(6_000, 3))
    how = plan(batch=6_000.0, noise=0.05)
    (alone,) = means(Steep(), (rows,), how)
    with whole_threads() as pool:
        (shared,) = means(Steep(), (rows,), how, pool=pool)
    assert length(alone) > 0.01
    assert length([a - b for a, b in zip(alone, shared, strict=True)]) < 1e-4


# -------------------------------------------------------------------------------------------------------------- budget


class Watched:
    """Rows that know when they were read."""

    def __init__(self, rows: np.ndarray, purse: Any) -> None:
        self.rows, self.purse, self.booked = rows, purse, []

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: np.ndarray) -> np.ndarray:
        self.booked.append(len(self.purse.entries))
        return self.rows[at]


def test_all_is_booked_before_the_first_row_is_read() -> None:
    purse = allowance()
    rows = Watched(np.eye(ROWS), purse)
    how = plan(steps=5, rate=0.5, noise=2.0)
    list(means(Ballot(ROWS), (rows,), how, allowance=purse))
    (entry,) = purse.entries
    assert rows.booked == [1] * 5
    assert (entry.cost.sampled.noise, entry.cost.sampled.rate, entry.cost.sampled.steps) == (2.0, 0.5, 5)


def test_a_training_that_costs_too_much_is_refused_before_it_reads() -> None:
    purse = allowance(1.0)
    rows, net = Watched(np.eye(ROWS), purse), Ballot(ROWS)
    before = net.layer.weight.detach().clone()
    with pytest.raises(BudgetError):
        train(net, (rows,), plan=plan(steps=3, rate=0.5, noise=0.4), rules=RULES, allowance=purse)
    assert rows.booked == []
    assert purse.entries == ()
    assert torch.equal(net.layer.weight, before)


def test_a_net_is_not_listened_to_any_longer() -> None:
    net = Ballot(ROWS)
    drawn = means(net, (np.eye(ROWS),), plan(steps=2, rate=0.5, noise=4.0))
    next(drawn)
    assert net.layer._forward_hooks
    list(drawn)
    assert not net.layer._forward_hooks


def test_what_is_planned_spends_what_is_left_and_no_more() -> None:
    purse = allowance(2.0)
    how = planned(purse, rows=10_000.4, batch=300, steps=100, clip=1.0)
    assert how.rate * 2**32 == round(how.rate * 2**32)
    assert how.rate == pytest.approx(0.03, rel=1e-4)
    assert how.batch == how.rate * 10_000.4
    assert how.per_unit == 1
    next(means(Ballot(ROWS), (np.eye(ROWS),), how, allowance=purse))
    spent = total([e.cost for e in purse.entries], delta=1e-6)
    assert 1.95 < spent <= 2.0
    with pytest.raises((BudgetError, SettingError)):
        next(means(Ballot(ROWS), (np.eye(ROWS),), how, allowance=purse))
    assert planned(allowance(1.0), rows=100, batch=300, steps=10, clip=1.0).rate == 1.0
    assert planned(allowance(1.0), rows=-7.5, batch=3, steps=10, clip=1.0).batch == 1.0


# --------------------------------------------------------------------------------------------------------------- model

SMALL = {"width": 32, "depth": 1, "vector": 8, "private_steps": 80, "private_batch": 1_000, "private_rate": 0.03, "views": 2}


def table(rows: int = 4_000) -> pd.DataFrame:
    """`flip` follows from `left` and `right` together and from neither alone; `gone` is missing every other time."""
    rng = np.random.default_rng(0)
    left, right = rng.choice(["a", "b"], rows), rng.integers(0, 8, rows)
    gone = np.where(rng.random(rows) < 0.5, None, "here")
    return pd.DataFrame({"left": left, "right": right, "gone": gone, "flip": np.where((left == "a") ^ (right > 3), "up", "down")})


def declared(frame: pd.DataFrame) -> la.Schema:
    found = la.privacy.skeleton(la.schema(frame))
    for name, levels in (("left", ("a", "b")), ("gone", ("here",)), ("flip", ("up", "down"))):
        found = found.amend(name, kind="category", levels=levels, nullable=name == "gone")
    return found.amend("right", kind="integer", low=0, high=7)


def learned(epsilon: float, seed: int = 0, *, model: str = "autoregressive", **settings: Any) -> Any:
    frame = table()
    asked = la.Private(la.model(model, **SMALL | settings), epsilon=epsilon)
    return la.fit(frame, schema=declared(frame), model=asked, seed=seed)


@pytest.fixture(scope="module")
def generous() -> Any:
    return learned(20.0)


def agreement(made: pd.DataFrame) -> float:
    """Share of the rows that keep the rule; half of them do by chance."""
    return float((((made.left == "a") ^ (made.right > 3)) == (made.flip == "up")).mean())


def test_a_generous_budget_learns_what_only_three_columns_together_show(generous: Any) -> None:
    made = la.sample(generous, 4_000, seed=1)
    assert agreement(made) > 0.85  # 0.97 ± 0.02
    assert set(made.left) == {"a", "b"}
    assert abs(made.gone.isna().mean() - 0.5) < 0.05


def test_a_small_budget_learns_less(generous: Any) -> None:
    tight = learned(0.1)
    assert agreement(la.sample(tight, 4_000, seed=1)) < 0.75
    assert tight.privacy_["epsilon"] == 0.1
    assert tight.privacy_["spent"] <= 0.1
    assert 19 < generous.privacy_["spent"] <= 20


def test_seeds_fix_no_noise() -> None:
    one, other = (learned(3.0, private_steps=2) for _ in "ab")
    assert not np.array_equal(one.counts_, other.counts_)
    assert not torch.isclose(one.net_.into.weight, other.net_.into.weight, rtol=1e-6, atol=0).all(1).any()


def test_a_private_model_is_stored_with_its_promise(generous: Any, tmp_path: Path) -> None:
    la.save(generous, tmp_path / "m.lookalike")
    again = la.load(tmp_path / "m.lookalike")
    assert again.privacy_ == generous.privacy_
    pd.testing.assert_frame_equal(la.sample(again, 300, seed=4), la.sample(generous, 300, seed=4))


def test_the_loss_is_told_to_nobody() -> None:
    frame, steps = table(600), []
    asked = la.Private(la.model("autoregressive", **SMALL | {"private_steps": 8}), epsilon=1.0)
    model = la.fit(frame, schema=declared(frame), model=asked, on_step=steps.append)
    assert {s.note for s in steps} == {"counting columns alone", "training", "setting shares right"}
    assert model.trained_["history"] == []
    assert "loss" not in str(model.trained_)


SEEING = [("autoregressive", "epochs", 3), ("autoregressive", "patience", 2), ("autoregressive", "minutes", 1.0)]
SEEING += [("autoregressive", "checkpoint", "there"), ("diffusion", "rate", 0.01), ("diffusion", "levels", 4)]


@pytest.mark.parametrize(("model", "name", "value"), SEEING)
def test_settings_that_a_private_training_cannot_take_are_refused(model: str, name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=name):
        learned(1.0, model=model, **{name: value})


def test_a_spent_ledger_learns_nothing(tmp_path: Path) -> None:
    frame, file = table(600), tmp_path / "ledger.json"
    asked = la.Private(la.model("autoregressive", **SMALL | {"private_steps": 5}), epsilon=1.0, ledger=file)
    la.fit(frame, schema=declared(frame), model=asked)
    booked = json.loads(file.read_text(encoding="utf-8"))["entries"]
    assert [e["sampled"]["steps"] for e in booked if "sampled" in e] == [5]
    assert len(booked) > 1
    with pytest.raises(BudgetError):
        la.fit(frame, schema=declared(frame), model=asked)
    assert json.loads(file.read_text(encoding="utf-8"))["entries"] == booked


def test_codes_in_groups_come_as_often_as_they_were_counted() -> None:
    rng = np.random.default_rng(0)
    parts = [Part("a", "", 3, False), Part("b", "", 40, True), Part("c", "", 30, False)]
    counts = np.concatenate([[0, 5, 7], rng.random(40), rng.random(30)])
    counts[13], counts[20:23] = 30, 0
    made = grouped(parts, counts, 8)
    assert made.sizes[0] == 3
    assert max(made.sizes) <= 12
    assert (made.of[[3, 43]] == 0).all() and (made.of[4:43] > 0).all()
    assert (made.of == made.of[13])[3:43].sum() == 1, "a heavy code is alone"
    assert (np.diff(made.of[3:43]) >= 0).all(), "neighbours go together"
    shares = [x / x.sum() for x in np.split(counts, [3, 43])]
    real = np.stack([rng.choice(len(x), 100_000, p=x) for x in shares], 1)
    drawn = made.fine(made.coarse(real), rng)
    assert (made.coarse(drawn) == made.coarse(real)).all()
    for p, share in enumerate(shares):
        found = np.bincount(drawn[:, p], minlength=len(share))
        assert stats.chisquare(found[share > 0], share[share > 0] * 100_000).pvalue > CHANCE
        assert not found[share == 0].any()


def test_rows_in_groups_have_their_probabilities() -> None:
    """Of all rows there can be, the probabilities sum to 1, and rows come as often as they say."""
    model = learned(20.0, groups=3, private_steps=40)
    values = itertools.product(["a", "b"], range(8), [None, "here"], ["up", "down"])
    every = pd.DataFrame(list(values), columns=["left", "right", "gone", "flip"])
    chances = np.exp(model.log_prob(Dataset.of(every, schema=model.schema)))
    assert chances.sum() == pytest.approx(1, abs=1e-4)
    made = la.sample(model, 20_000, seed=2).fillna("").value_counts().reindex(pd.MultiIndex.from_frame(every.fillna("")), fill_value=0)
    expected = chances / chances.sum() * 20_000
    few = expected < 10  # chi-square wants more: they are taken together
    pairs = [np.append(x[~few], x[few].sum() + 10) for x in (made.to_numpy(), expected)]
    assert stats.chisquare(*pairs).pvalue > CHANCE


def test_gaps_are_filled_in_groups_and_what_is_known_stays(generous: Any) -> None:
    rows = Dataset.of(table(500), schema=generous.schema).table()
    rows = rows.set_column(3, rows.field(3), pa.nulls(500, rows.field(3).type))
    made = generous.complete(rows, ["flip"], rng=np.random.default_rng(0))
    assert made.drop_columns(["flip"]).equals(rows.drop_columns(["flip"]))
    assert agreement(made.to_pandas()) > 0.85
