"""Audits: bounds against known values and by simulation, planted bugs that must be caught, sound mechanisms that must not be accused.

What must not happen by chance is tested at a confidence of 99.99 % where the noise is seeded, and of all but one in ten million where it
is not: our own mechanisms draw from the operating system.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom, norm

from lookalike.audit import Audit, Claim, audit, canary, each, mechanism, one_run
from lookalike.audit.bounds import guessed, least_epsilon, least_rho, p_value
from lookalike.audit.domain import cells, crowd, joined, scattered, stranger
from lookalike.audit.fits import found, guesses, shown
from lookalike.data import Dataset
from lookalike.errors import CannotError, SchemaError, SettingError
from lookalike.protocol import Step
from lookalike.schema import Column, NumberFormat, Schema, Table

SURE, SURER = 0.9999, 1 - 1e-7
RUNS = 20_000

# -------------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    ("canaries", "guessed_", "right", "delta", "bound"),
    [
        (1_000, 100, 75, 1e-4, 0.673),  # Steinke, Nasr, Jagielski 2023, Appendix D
        (100_000, 1_510, 1_439, 1e-5, 2.675),  # the same, section 7
        (100, 100, 100, 0.0, 3.493),  # (e^ε / (1 + e^ε))^100 = 0.05
        (1_000, 1_000, 500, 0.0, 0.0),
        (100, 0, 0, 1e-6, 0.0),
    ],
)
def test_one_run_bound_is_the_papers(canaries: int, guessed_: int, right: int, delta: float, bound: float) -> None:
    assert guessed(canaries, guessed_, right, delta=delta, miss=0.05) == pytest.approx(bound, abs=1e-3)


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
def test_p_value_by_hand(epsilon: float) -> None:
    q = 1 / (1 + math.exp(-epsilon))
    assert p_value(1, 1, 1, epsilon=epsilon, delta=0.01) == pytest.approx(min(1, q + 2 * 0.01 * (1 - q)))
    one, none = 2 * q * (1 - q), (1 - q) ** 2
    steepest = max(one, (one + none) / 2)
    assert p_value(5, 2, 2, epsilon=epsilon, delta=0.001) == pytest.approx(q * q + 2 * 5 * 0.001 * steepest)
    assert p_value(5, 2, 0, epsilon=epsilon, delta=0.001) == 1


@pytest.mark.parametrize(("epsilon", "delta"), [(1.0, 0.0), (3.0, 0.0), (1.0, 1e-5)])
def test_one_run_bound_holds_for_randomised_response(epsilon: float, delta: float) -> None:
    """Each bit kept with chance e^ε/(1 + e^ε), or told outright with chance δ: the bound may exceed ε in 5 % of all runs at most."""
    rng, many, times = np.random.default_rng(5), 2_000, 100
    found_ = []
    for _ in range(times):
        inside = rng.random(many) < 0.5
        kept = (rng.random(many) < 1 / (1 + math.exp(-epsilon))) | (rng.random(many) < delta)
        found_.append(guesses(inside, np.where(inside == kept, 1.0, -1.0), delta=delta, confidence=0.95)[0])
    assert sum(f > epsilon for f in found_) <= binom.isf(1e-4, times, 0.05)
    assert np.mean(found_) > 0.8 * epsilon


def test_scores_that_are_no_numbers_are_guesses_too() -> None:
    inside = np.arange(64) % 2 == 0
    sure = np.where(inside, np.inf, -np.inf)
    assert guesses(inside, sure, delta=0.0, confidence=0.95)[0] > 2
    assert guesses(inside, np.full(64, np.nan), delta=0.0, confidence=0.95)[0] == 0


def test_epsilon_of_an_event_by_hand() -> None:
    assert least_epsilon((0.7, 0.7), (0.2, 0.2), 0.0) == pytest.approx(math.log(3.5))
    assert least_epsilon((0.7, 0.7), (0.2, 0.2), 0.1) == pytest.approx(math.log(3.0))
    assert least_epsilon((0.2, 0.2), (0.7, 0.7), 0.1) == pytest.approx(math.log(3.0))
    assert least_epsilon((0.9, 0.9), (0.8, 0.8), 0.0) == pytest.approx(math.log(2.0))  # by the complement
    assert least_epsilon((0.3, 0.5), (0.4, 0.6), 0.0) == 0


def test_rho_of_an_event_is_a_divergence() -> None:
    p, q = 0.7, 0.3
    kl = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert least_rho((p, p), (q, q)) == pytest.approx(kl, rel=1e-6)
    two = math.log(0.01**2 / 1e-4 + 0.99**2 / 0.9999) / 2  # of a rare event a higher order shows more
    assert least_rho((0.01, 0.01), (1e-4, 1e-4)) > two
    assert least_rho((0.2, 0.4), (0.3, 0.5)) == 0
    assert least_rho((0.05, 0.05), (1e-9, 1e-9), slack=0.05) == 0  # all of it may lie outside the guarantee
    assert least_rho((0.06, 0.06), (1e-9, 1e-9), slack=0.05) > 0


@pytest.mark.parametrize("shift", [0.1, 1.0, 4.0])
def test_no_event_shows_more_than_the_rho_of_gaussian_noise(shift: float) -> None:
    cuts = np.linspace(-6, 10, 200)
    shown_ = [least_rho((p, p), (q, q)) for p, q in zip(norm.sf(cuts - shift), norm.sf(cuts), strict=True)]
    assert max(shown_) <= shift**2 / 2
    assert max(shown_) > 0.6 * shift**2 / 2


def test_bounds_hold_as_often_as_they_say() -> None:
    rng, times = np.random.default_rng(8), 300

    def laplace(value: float, runs: int) -> np.ndarray:
        return value + rng.laplace(size=runs)

    found_ = [mechanism(laplace, 1.0, 0.0, claim=Claim(epsilon=1, delta=0), runs=400, confidence=0.9).epsilon for _ in range(times)]
    assert sum(f > 1 for f in found_) <= binom.isf(1e-4, times, 0.1)
    assert mechanism(laplace, 1.0, 0.0, claim=Claim(epsilon=1, delta=0), runs=100_000).epsilon > 0.85


# ---------------------------------------------------------------------------------------------- toy bugs: caught


def held(run: Any, one: Any, other: Any, claim: Claim, *, runs: int = RUNS, confidence: float = SURE) -> Audit:
    return mechanism(run, one, other, claim=claim, runs=runs, confidence=confidence)


def gaussian(rho: float, *, scale: float = 1.0) -> Callable[[np.ndarray, int], np.ndarray]:
    """Counts with noise for zCDP `rho` at sensitivity 1; a scale of 0.5 halves the noise."""
    rng = np.random.default_rng(1)
    return lambda counts, runs: counts + rng.normal(scale=scale / math.sqrt(2 * rho), size=(runs, len(counts)))


ONE, OTHER = np.array([10, 3, 0, 7]), np.array([10, 3, 1, 7])


def test_half_noise_is_caught() -> None:
    claim = Claim(epsilon=1, delta=1e-6, rho=0.0163)
    assert held(gaussian(0.0163), ONE, OTHER, claim, runs=100_000).passed
    broken = held(gaussian(0.0163, scale=0.5), ONE, OTHER, claim, runs=100_000)
    assert not broken.passed
    assert broken.rho > 1.5 * claim.rho
    assert "accounting is wrong" in broken.text()


def test_half_noise_is_caught_by_epsilon_alone() -> None:
    rng = np.random.default_rng(2)

    def laplace(scale: float) -> Callable[[float, int], np.ndarray]:
        return lambda value, runs: value + rng.laplace(scale=scale, size=runs)

    claim = Claim(epsilon=1, delta=0)
    assert held(laplace(1.0), 0.0, 1.0, claim).passed
    broken = held(laplace(0.5), 0.0, 1.0, claim)
    assert broken.epsilon > 1.3
    assert "does not hold" in broken.text()


def test_bounds_read_from_the_data_are_caught() -> None:
    """One person far out widens the range: noise is scaled to it, and the bins move."""
    rng = np.random.default_rng(3)

    def histogram(low: float | None, high: float | None) -> Callable[[np.ndarray, int], np.ndarray]:
        def run(values: np.ndarray, runs: int) -> np.ndarray:
            edges = np.linspace(values.min() if low is None else low, values.max() if high is None else high, 11)
            counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
            return counts + rng.laplace(scale=1.0, size=(runs, 10))

        return run

    people = np.linspace(20, 60, 200)
    richer = np.append(people, 1_000.0)
    claim = Claim(epsilon=1, delta=0)
    assert held(histogram(0, 100), people, richer, claim).passed
    assert held(histogram(None, None), people, richer, claim).epsilon > 2


def sgd(*, rate: float, steps: int = 20, noise: float = 1.0, clip: bool = True) -> Callable[[np.ndarray, int], np.ndarray]:
    """The sum of `steps` noisy sums of clipped gradients of Poisson-sampled rows, many runs at once."""
    rng = np.random.default_rng(4)

    def run(gradients: np.ndarray, runs: int) -> np.ndarray:
        moved = np.clip(gradients, -1, 1) if clip else gradients
        times = rng.binomial(steps, rate, size=(runs, len(moved)))
        return times @ moved + rng.normal(scale=noise * math.sqrt(steps), size=runs)

    return run


NOBODY, SOMEBODY = np.zeros(1), np.ones(1)


def stated(**training: Any) -> Claim:
    """What the accountant says of a training."""
    from lookalike.privacy.accounting import Cost, Sampled, total

    return Claim(epsilon=total([Cost(sampled=Sampled(**training))], delta=1e-5), delta=1e-5)


def test_a_wrong_sampling_rate_is_caught() -> None:
    pytest.importorskip("dp_accounting")
    claim = stated(noise=1.0, rate=0.05, steps=20)
    assert held(sgd(rate=0.05), NOBODY, SOMEBODY, claim, runs=100_000).passed
    broken = held(sgd(rate=1.0), NOBODY, SOMEBODY, claim, runs=100_000)
    assert broken.epsilon > 1.5 * claim.epsilon


def test_a_gradient_that_is_not_clipped_is_caught() -> None:
    pytest.importorskip("dp_accounting")
    claim = stated(noise=4.0, rate=0.5, steps=20)
    assert held(sgd(rate=0.5, noise=4.0), NOBODY, 9 * SOMEBODY, claim).passed
    assert held(sgd(rate=0.5, noise=4.0, clip=False), NOBODY, 9 * SOMEBODY, claim).epsilon > 1.5 * claim.epsilon


def test_noise_that_is_the_same_in_every_run_is_caught() -> None:
    def seeded(counts: np.ndarray) -> np.ndarray:
        return counts + np.random.default_rng(0).normal(scale=20, size=len(counts))

    broken = held(each(seeded), ONE, OTHER, Claim(epsilon=1, delta=1e-6, rho=0.0163), runs=2_000)
    assert broken.epsilon > 3


def test_a_threshold_with_too_little_delta_is_caught() -> None:
    """A level held by one person is released where its noisy count exceeds a threshold: that is what δ pays for."""
    rng = np.random.default_rng(6)

    def release(threshold: float) -> Callable[[int, int], np.ndarray]:
        return lambda count, runs: (
            np.where((noisy := count + rng.laplace(size=runs)) > threshold, noisy, -1) if count else np.full(runs, -1.0)
        )

    claim = Claim(epsilon=1, delta=0.005)
    sound, short = (1 + math.log(1 / (2 * delta)) for delta in (0.005, 0.05))
    assert held(release(sound), 1, 0, claim).passed
    assert held(release(short), 1, 0, claim).epsilon > 2


def test_a_biased_choice_is_caught() -> None:
    rng = np.random.default_rng(7)

    def choose(sensitivity: float) -> Callable[[np.ndarray, int], np.ndarray]:
        noise = 2 * sensitivity  # report noisy max with Gumbel noise of scale 2Δ/ε
        return lambda scores, runs: np.array(["a", "b", "c"])[np.argmax(scores + rng.gumbel(scale=noise, size=(runs, 3)), axis=1)]

    claim = Claim(epsilon=1, delta=0)
    scores, moved = np.array([0.0, 3.0, 3.0]), np.array([1.0, 2.0, 2.0])
    assert held(choose(1.0), scores, moved, claim).passed
    assert held(choose(0.25), scores, moved, claim).epsilon > 1.5


def test_what_is_no_number_is_looked_at_too() -> None:
    broken = held(lambda value, runs: np.full(runs, np.inf if value else np.nan), 1, 0, Claim(epsilon=1, delta=0), runs=400)
    assert broken.epsilon > 2
    same = held(lambda value, runs: np.full(runs, np.nan), 1, 0, Claim(epsilon=1, delta=0), runs=400)
    assert same.epsilon == 0
    assert "all outputs were the same" in same.findings[0].event


def test_outputs_of_other_length_are_refused() -> None:
    with pytest.raises(SettingError, match="2 numbers on one input and 3"):
        mechanism(lambda value, runs: np.zeros((runs, value)), 2, 3, claim=Claim(epsilon=1, delta=0))
    rng = np.random.default_rng(0)
    with pytest.raises(SettingError, match=r"shapes \(1,\) and \(2,\)"):
        mechanism(each(lambda value: np.zeros(rng.integers(1, 3))), 2, 3, claim=Claim(epsilon=1, delta=0), runs=100)


@pytest.mark.parametrize(
    "bad",
    [
        {"runs": 10},
        {"confidence": 1.0},
        {"confidence": 5},
    ],
)
def test_what_proves_nothing_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        mechanism(gaussian(1.0), ONE, OTHER, claim=Claim(epsilon=1, delta=0), **bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"epsilon": -1, "delta": 0},
        {"epsilon": math.nan, "delta": 0},
        {"epsilon": 1, "delta": 1},
        {"epsilon": 1, "delta": 0, "rho": -1},
        {"epsilon": 1, "delta": 0, "slack": 2},
        {"epsilon": 1, "delta": 0, "rows": 0},
    ],
)
def test_a_claim_that_is_none_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        Claim(**bad)


# ------------------------------------------------------------------------------------- our mechanisms, as they are


def allowance() -> Any:
    """One of which there is no end."""
    from lookalike.privacy.accounting import Budget
    from lookalike.privacy.ledger import Ledger

    return Ledger(Budget(1e4, 0.5)).allow()


def noisy_count(rho: float) -> Callable[[int, int], np.ndarray]:
    """One count, looked at many times: all in one call, each with noise for a sensitivity of 1."""
    from lookalike.privacy import mechanisms

    return lambda value, runs: mechanisms.counts(np.full(runs, value), allowance(), rho=rho, what="a count")[0]


@pytest.mark.parametrize("rho", [0.1, 4.0])
def test_counts_are_as_private_as_they_say_and_no_more(rho: float) -> None:
    pytest.importorskip("opendp")
    claim = Claim(epsilon=100, delta=1e-6, rho=rho)
    how: dict[str, Any] = {"runs": 40_000, "confidence": SURER}
    sound = held(noisy_count(rho), 7, 8, claim, **how)
    assert sound.passed
    assert sound.rho > 0.05 * rho  # the attacker is not blind: 0.30 ± 0.03 of the smaller, 0.46 ± 0.01 of the larger
    assert not held(noisy_count(4 * rho), 7, 8, claim, **how).passed  # half the noise: 1.77 ± 0.13, and 1.26 ± 0.03


def test_a_choice_is_as_private_as_it_says_and_no_more() -> None:
    pytest.importorskip("opendp")
    from lookalike.privacy import mechanisms

    def choose(sensitivity: float) -> Any:
        return each(lambda scores: mechanisms.best(scores, allowance(), rho=2.0, what="a choice", sensitivity=sensitivity))

    scores, moved = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    claim = Claim(epsilon=30, delta=1e-9, rho=2.0)
    sound = held(choose(1.0), scores, moved, claim, runs=1_500, confidence=SURER)
    assert sound.passed
    assert sound.rho > 0.1  # 0.63 ± 0.09
    assert not held(choose(0.25), scores, moved, claim, runs=1_500, confidence=SURER).passed  # 2.71 ± 0.04


def test_levels_of_one_unit_pass_as_rarely_as_they_say() -> None:
    pytest.importorskip("opendp")
    from lookalike.privacy import mechanisms

    def release(delta: float) -> Callable[[int, int], np.ndarray]:
        def run(held_by: int, runs: int) -> np.ndarray:
            names = [f"level {i}" for i in range(runs)]
            given = mechanisms.levels(dict.fromkeys(names, held_by), allowance(), rho=0.5, delta=delta, what="levels")
            return np.array([given.get(name, -1) for name in names])

        return run

    claim = Claim(epsilon=1, delta=1e-4, rho=0.5, slack=1e-4)
    how: dict[str, Any] = {"runs": 40_000, "confidence": SURER}
    assert held(release(1e-4), 1, 0, claim, **how).passed
    assert held(release(0.06), 1, 0, claim, **how).epsilon > 1.5  # 3.4 ± 0.05
    assert held(release(0.06), 1, 0, Claim(epsilon=1, delta=0.06, rho=0.5, slack=0.06), **how).passed


def test_a_claim_of_a_statement_is_what_its_epsilon_allows() -> None:
    said = {"epsilon": 1.0, "delta": 1e-6, "rho": 0.003, "chance": 1e-7}
    claim = Claim.of(said, rows=2)
    assert (claim.epsilon, claim.delta, claim.slack, claim.rows) == (1.0, 1e-6, 1e-7, 2)
    assert claim.rho == pytest.approx(0.0244, abs=1e-4)
    assert Claim.of(said | {"rho": None}).rho is None  # DP-SGD: there is no ρ to hold it against


# --------------------------------------------------------------------------------------------- made-up tables

PUBLIC = ("kind", "nullable", "levels", "low", "high", "number", "unique")


def column(name: str, kind: str, **facts: Any) -> Column:
    return Column(name=name, kind=kind, nullable=False, declared=PUBLIC, **facts)  # type: ignore[arg-type]


ALL = Schema(
    tables=(
        Table(
            name="t",
            columns=(
                column("who", "key", unique=True),
                column("job", "category", levels=("a", "b", "c", "d")),
                column("age", "integer", low=0, high=99),
                column("pay", "number", low=-0.5, high=10.5, number=NumberFormat(decimals=1)),
                column("ok", "boolean"),
                column("day", "date", low="2020-01-01", high="2020-12-31"),
                column("at", "datetime", low="2020-01-01", high="2020-12-31T12:00:00"),
                column("clock", "time"),
                column("span", "duration", low=0, high=3.6e9),
                column("same", "constant", levels=("x",)),
                column("none", "empty"),
            ),
        ),
    ),
    subject="who",
)


def test_the_stranger_shares_nothing_with_the_crowd() -> None:
    one, many = stranger(ALL).table().to_pylist()[0], crowd(ALL, 3).table().to_pylist()
    assert [r | {"who": ""} for r in many] == [many[0] | {"who": ""}] * 3
    assert {k for k in one if one[k] == many[0][k]} == {"same", "none"}
    assert (one["job"], one["age"], one["pay"], one["ok"]) == ("d", 99, 10.5, True)
    assert (many[0]["job"], many[0]["age"], many[0]["pay"], many[0]["ok"]) == ("a", 0, -0.5, False)
    assert str(one["day"]) == "2020-12-31"
    assert str(one["at"]) == "2020-12-31 12:00:00"
    varied = [k for k, c in enumerate(ALL.table) if c.kind not in ("key", "constant", "empty")]
    assert (cells(stranger(ALL))[varied, 0] > cells(crowd(ALL, 1))[varied, 0]).all()


def test_scattered_rows_lie_all_over_the_domain() -> None:
    rows = scattered(ALL, 320, np.random.default_rng(0))
    placed = dict(zip(ALL.table.names, cells(rows), strict=True))
    assert set(np.bincount(placed["job"])) == {80}
    assert set(np.bincount(placed["span"], minlength=32)) == {10}
    assert rows.subjects().max() == 319
    assert joined(crowd(ALL, 5), rows).subjects().max() == 324
    assert joined(crowd(ALL, 5), rows).table().schema == rows.table().schema


def test_a_missing_value_has_a_cell_of_its_own() -> None:
    gaps = Dataset.from_arrow(
        {"t": pa.Table.from_arrays([pa.nulls(1, t) for t in crowd(ALL, 1).table().schema.types], ALL.table.names)}, ALL
    )
    assert (cells(gaps) == -1).all()


def test_what_is_not_public_is_refused() -> None:
    with pytest.raises(SchemaError, match="levels"):
        crowd(Schema(tables=(Table(columns=(column("job", "category"),)),)), 3)
    with pytest.raises(CannotError):
        stranger(Schema(tables=(Table(columns=(column("said", "text"),)),)))


# ---------------------------------------------------------------------------------------------------- whole fits

SMALL = Schema(
    tables=(Table(name="t", columns=(column("a", "category", levels=tuple("pqrs")), column("b", "category", levels=tuple("wxyz")))),)
)
FIT_RHO = 0.5
FIT_CLAIM = Claim(epsilon=4.5, delta=1e-6, rho=FIT_RHO)


@dataclass
class Counts:
    """A toy model: a noisy count of every combination of two columns, and rows drawn from it."""

    counts: np.ndarray
    log: bool = False

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        chance = np.maximum(self.counts, 0).ravel()
        drawn = rng.choice(16, size=n, p=chance / chance.sum()) if chance.sum() else np.zeros(n, np.int64)
        levels = [pa.array(c.levels) for c in SMALL.table]
        made = [pa.DictionaryArray.from_arrays(pa.array(x, pa.int32()), v) for x, v in zip(np.divmod(drawn, 4), levels, strict=True)]
        return Dataset.from_arrow({"t": pa.Table.from_arrays(made, ["a", "b"])}, SMALL)


class Told(Counts):
    """One that also tells how likely a row is."""

    def log_prob(self, data: Dataset) -> np.ndarray:
        a, b = cells(data)
        return np.log(np.maximum(self.counts[a, b], 1e-3))


def counting(*, scale: float = 1.0, kind: type[Counts] = Counts, repeats: int = 1) -> Callable[[Dataset], Counts]:
    """A fit with Gaussian noise for FIT_RHO; a scale of 0.5 halves it, and `repeats` forgets that a subject had more than one row."""
    rng = np.random.default_rng(9)

    def fit(data: Dataset) -> Counts:
        a, b = cells(data)
        exact = np.bincount(4 * a + b, minlength=16).reshape(4, 4) * repeats
        return kind(exact + rng.normal(scale=scale / math.sqrt(2 * FIT_RHO), size=(4, 4)))

    return fit


def measured(model: Counts, row: Dataset) -> np.ndarray:
    """The model's own count of every combination."""
    return model.counts.ravel()


def worst(fit: Callable[[Dataset], Any], *, runs: int, score: Any = None, data: Dataset | None = None) -> Audit:
    return canary(fit, data or crowd(SMALL, 20), stranger(SMALL), claim=FIT_CLAIM, runs=runs, confidence=SURE, score=score)


def test_a_fit_with_half_noise_is_caught_by_its_canary() -> None:
    sound = worst(counting(), runs=2_000, score=measured)
    assert sound.passed
    assert sound.epsilon > 0.5  # the attacker is not blind
    assert not worst(counting(scale=0.5), runs=2_000, score=measured).passed


@pytest.mark.parametrize("kind", [Counts, Told])
def test_a_fit_is_caught_by_what_it_draws(kind: type[Counts]) -> None:
    assert worst(counting(kind=kind), runs=400).passed
    assert not worst(counting(kind=kind, scale=0.25), runs=400).passed


def test_a_model_shows_a_canary_where_it_draws_it() -> None:
    model = Told(np.diag([1.0, 0, 0, 3]))
    counts = shown(model, stranger(SMALL))
    assert counts.shape == (1, 4)  # each column, the pair, and what the model says
    assert counts[0, :3] == pytest.approx([3_072] * 3, rel=0.1)
    assert counts[0, 3] == pytest.approx(math.log(3))


WIDE = Schema(tables=(Table(name="t", columns=tuple(column(n, "category", levels=tuple(map(str, range(40)))) for n in ("a", "b"))),))


@dataclass
class Exact:
    """A model that remembers everything."""

    data: Dataset

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Dataset:
        return self.data.take(rng.integers(self.data.rows, size=n))


def test_one_run_finds_who_was_in() -> None:
    rows, base = scattered(WIDE, 300, np.random.default_rng(3)), crowd(WIDE, 30)
    score = found(Exact(joined(base, rows.take(np.arange(300) % 2 == 0))), rows, base)
    assert np.median(score[::2]) > 0.5 > np.median(score[1::2])
    claim = Claim(epsilon=1, delta=1e-6)
    broken = one_run(Exact, base, rows, claim=claim, confidence=SURE)
    assert broken.epsilon > 1.3
    assert broken.findings[0].runs == 1
    assert one_run(lambda data: Exact(base), base, rows, claim=claim, confidence=SURE).passed
    by_score = one_run(Exact, base, rows, claim=claim, confidence=SURE, score=lambda model, asked: np.isin(names(asked), names(model.data)))
    assert by_score.epsilon > 1.3


def test_a_canary_of_one_run_has_all_its_rows() -> None:
    wide = WIDE.model_copy(update={"tables": (Table(name="t", columns=(column("who", "key"), *WIDE.table.columns)),), "subject": "who"})
    rows, seen = scattered(wide, 40, np.random.default_rng(3)), []
    one_run(lambda data: seen.append(data) or Exact(data), crowd(wide, 7), rows, claim=Claim(epsilon=1, delta=0, rows=3))
    assert set(np.bincount(seen[0].subjects())) == {1, 3}


def names(data: Dataset) -> np.ndarray:
    """A number for every combination of values."""
    a, b = cells(data)
    return 1_000 * a + b


def test_a_score_must_fit_the_canaries() -> None:
    with pytest.raises(SettingError, match="one number for each of the 300"):
        one_run(
            Exact, crowd(WIDE, 9), scattered(WIDE, 300, np.random.default_rng(3)), claim=FIT_CLAIM, score=lambda model, asked: np.zeros(2)
        )
    with pytest.raises(SettingError, match="too few"):
        one_run(Exact, crowd(WIDE, 9), stranger(WIDE), claim=FIT_CLAIM)


def test_an_audit_costs_nothing_unless_it_is_given_data() -> None:
    seen: list[Step] = []
    made = audit(counting(), SMALL, claim=FIT_CLAIM, runs=60, canaries=40, on_step=seen.append)
    assert made.passed
    assert [f.method for f in made.findings] == ["canary", "one run"]
    assert made.origin == "public"
    assert "no budget was spent" in made.text()
    assert seen[-1].done == seen[-1].total
    assert [s.done / s.total for s in seen] == sorted(s.done / s.total for s in seen)
    real = audit(counting(), SMALL, claim=FIT_CLAIM, runs=60, canaries=0, data=crowd(SMALL, 50))
    assert real.to_json()["internal"] is True
    assert "internal" in real.text()
    assert made.to_json()["internal"] is False
    assert worst(counting(), runs=60).to_json()["internal"] is None
    with pytest.raises(SettingError, match="neither"):
        audit(counting(), SMALL, claim=FIT_CLAIM, runs=0, canaries=0)


def test_a_memory_is_caught_by_both_audits() -> None:
    caught = audit(Exact, WIDE, claim=Claim(epsilon=1, delta=1e-6), runs=400, canaries=300, confidence=SURE)
    assert not caught.passed
    assert min(f.epsilon for f in caught.findings) > 1


def test_an_audit_is_json_and_words() -> None:
    made = audit(counting(), SMALL, claim=FIT_CLAIM, runs=60, canaries=40)
    told = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert told["stated"] == {"epsilon": 4.5, "delta": 1e-6, "rho": FIT_RHO, "slack": 0.0, "rows": 1}
    assert told["epsilon"] == max(f["epsilon"] for f in told["findings"])
    assert told["passed"] is made.passed
    assert "60 fits, half of them with one more subject" in made.text()
    assert "40 canaries in or out by a fair coin" in made.text()


PEOPLE = Schema(
    tables=(Table(name="t", columns=(column("who", "key"), *SMALL.table.columns)),),
    subject="who",
)


def test_rows_of_a_subject_that_are_not_bounded_are_caught() -> None:
    from lookalike.privacy.domain import bounded

    canaries = stranger(PEOPLE, rows=6)
    assert canaries.rows == 6
    assert set(canaries.subjects()) == {0}
    fit = counting(kind=Counts)

    def counted(most: int) -> Callable[[Dataset], Counts]:
        return lambda data: fit(Dataset.from_arrow({"t": bounded(data, most).table().select(["a", "b"])}, SMALL))

    claim = Claim(epsilon=4.5, delta=1e-6, rho=FIT_RHO, rows=6)
    how: dict[str, Any] = {"claim": claim, "runs": 300, "confidence": SURE, "score": measured}
    assert canary(counted(1), crowd(PEOPLE, 20), canaries, **how).passed
    assert not canary(counted(6), crowd(PEOPLE, 20), canaries, **how).passed


def test_what_told_the_canary_is_said_in_words() -> None:
    told = audit(counting(kind=Told, scale=0.01), SMALL, claim=FIT_CLAIM, runs=60, canaries=0)
    assert any(words in told.text() for words in ("share the canary's", "the canary's log-probability", "a weighted sum of all"))


# ---------------------------------------------------------------------------------------------------- our models

ONE_COLUMN = Schema(tables=(Table(name="t", columns=(column("a", "category", levels=tuple("pqrs")),)),))


def private(name: str, epsilon: float, **settings: Any) -> Callable[[Dataset], Any]:
    """A private fit with a ledger that is kept nowhere."""
    from lookalike import models
    from lookalike.private import Private

    learner = Private(models.build(name, settings), epsilon=epsilon)
    return lambda data: learner.fit(data, rng=np.random.default_rng())


def booked(model: Any) -> Claim:
    """What the looks of a fit came to, where that does not hang on what they saw."""
    return replace(Claim.of(model.privacy_), rho=model.privacy_["rho"])


def with_noise(monkeypatch: pytest.MonkeyPatch, share: float) -> Callable[[Any, Dataset], float]:
    """From now on noisy counts get only a share of the noise that is booked. Returns a score: what a fit was told of the last cell."""
    from lookalike.privacy import mechanisms
    from lookalike.privacy.accounting import Cost

    real, told = mechanisms.counts, []

    def counts(values: np.ndarray, spent: Any, *, rho: float, what: str, sensitivity: int = 1) -> tuple[np.ndarray, float]:
        spent.spend(Cost(rho=rho), what)
        noisy, sigma = real(values, allowance(), rho=rho / share**2, what=what, sensitivity=sensitivity)
        told.append(float(noisy[-1]) * rho)
        return noisy, sigma / share

    monkeypatch.setattr(mechanisms, "counts", counts)

    def score(model: Any, canaries: Dataset) -> float:
        heard = sum(told)
        told.clear()
        return heard

    return score


def test_marginals_are_as_private_as_they_say() -> None:
    pytest.importorskip("opendp")
    fit = private("marginals", 9.0)
    made = audit(fit, SMALL, claim=Claim(epsilon=9, delta=1e-6), runs=60, canaries=60, confidence=SURER)
    assert made.passed, made.text()
    assert made.claim.rho == pytest.approx(1.287, abs=1e-3)  # what (9, 1e-6) allows, found in the model's own statement


def test_marginals_with_too_little_noise_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opendp")
    fit = private("marginals", 9.0)
    claim = booked(fit(crowd(ONE_COLUMN, 100)))
    with_noise(monkeypatch, 0.15)
    assert booked(fit(crowd(ONE_COLUMN, 100))) == claim  # the ledger says what it said
    broken = canary(fit, crowd(ONE_COLUMN, 100), stranger(ONE_COLUMN), claim=claim, runs=160, confidence=0.99)
    assert broken.rho > 1.5 * claim.rho


@pytest.mark.slow
def test_marginals_with_half_the_noise_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an attacker who sees every noisy count; what the model makes of them hides some."""
    pytest.importorskip("opendp")
    fit = private("marginals", 9.0)
    claim = booked(fit(crowd(ONE_COLUMN, 100)))
    for share, holds in ((1.0, True), (0.5, False)):
        with monkeypatch.context() as patch:
            seen = with_noise(patch, share)
            made = canary(fit, crowd(ONE_COLUMN, 100), stranger(ONE_COLUMN), claim=claim, runs=3_000, confidence=0.99, score=seen)
        assert made.passed is holds
        assert made.rho > 0.2 * claim.rho  # the attacker is not blind
