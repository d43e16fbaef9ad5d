"""The noise is exactly what is booked for: its probabilities, its privacy, its thresholds, and where its randomness comes from.

The operating system's randomness cannot be seeded, so all statistical checks together have a false alarm of one in a million, and each
is shown to notice the error it is there for.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import logsumexp

from lookalike.errors import BudgetError, DataError, SettingError
from lookalike.privacy import mechanisms
from lookalike.privacy.accounting import Budget, epsilon_of
from lookalike.privacy.ledger import Allowance, Ledger
from lookalike.privacy.mechanisms import best, counts, levels, threshold

ALARM = 1e-8
DRAWS = 20_000


@pytest.fixture
def allowance() -> Allowance:
    return Ledger(Budget(1e4, 0.5)).allow()


# --------------------------------------------------------------------------------------- exact probabilities, and checks by them


def gaussian(scale: float, centre: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """The probability of each whole number under the discrete Gaussian, term by term."""
    reach = math.ceil(45 * scale) + 5
    whole = math.fsum(math.exp(-x * x / (2 * scale * scale)) for x in range(-reach, reach + 1))
    return lambda x: np.exp(-((np.asarray(x, float) - centre) ** 2) / (2 * scale * scale)) / whole


def differs(draws: np.ndarray, pmf: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether `draws` do not come from `pmf`: chi-square over bins of at least 20 expected draws."""
    values = np.arange(draws.min() - 1, draws.max() + 2)
    expected, bins = pmf(values) * len(draws), []
    seen = np.array([(draws == v).sum() for v in values])
    start, mass = 0, 0.0
    for i in range(len(values)):
        mass += expected[i]
        if mass >= 20:
            bins.append((start, i + 1))
            start, mass = i + 1, 0.0
    e = np.array([expected[a:b].sum() for a, b in bins])
    o = np.array([seen[a:b].sum() for a, b in bins])
    e, o = np.append(e, len(draws) - e.sum()), np.append(o, len(draws) - o.sum())  # all the rest, far tails included
    keep = e >= 5
    return bool(stats.chi2.sf(((o - e)[keep] ** 2 / e[keep]).sum(), max(int(keep.sum()) - 1, 1)) < ALARM)


def surely_more_than(hits: int, draws: int, chance: float) -> bool:
    """Whether `hits` of `draws` are more than a chance of at most `chance` allows."""
    return bool(stats.binom.sf(hits - 1, draws, chance) < ALARM)


def leaks(one: np.ndarray, other: np.ndarray, epsilon: float, delta: float) -> bool:
    """Whether outputs on two neighbouring inputs show more than (ε, δ): the event (a threshold) is chosen on one half of the
    draws, and judged on the other half by Clopper and Pearson's bounds.
    """
    for a, b in ((one, other), (other, one)):
        half = len(a) // 2
        edges = np.unique(np.concatenate([a, b]))
        for sign in (1, -1):
            excess = [(sign * a[:half] >= sign * t).mean() - math.exp(epsilon) * (sign * b[:half] >= sign * t).mean() for t in edges]
            t = edges[int(np.argmax(excess))]
            hit, n = int((sign * a[half:] >= sign * t).sum()), len(a) - half
            missed = int((sign * b[half:] >= sign * t).sum())
            low = stats.beta.ppf(ALARM, hit, n - hit + 1) if hit else 0.0
            high = stats.beta.ppf(1 - ALARM, missed + 1, n - missed) if missed < n else 1.0
            if low - math.exp(epsilon) * high > delta:
                return True
    return False


def exact_delta(pmf: Callable[[int], Callable[[np.ndarray], np.ndarray]], moved: int, epsilon: float, reach: int) -> float:
    """δ at ε of noise on a count that one unit moves by `moved`, summed over all outputs."""
    x = np.arange(-reach, reach + 1)
    p, q = pmf(0)(x), pmf(moved)(x)
    return float(max(np.maximum(p - math.exp(epsilon) * q, 0).sum(), np.maximum(q - math.exp(epsilon) * p, 0).sum()))


# -------------------------------------------------------------------------------------------------------------------- counts


@pytest.mark.parametrize(("rho", "sensitivity"), [(2.0, 1), (0.5, 1), (0.02, 1), (0.5, math.sqrt(2)), (0.5, 4)])
def test_noise_on_counts_is_the_discrete_gaussian_that_was_paid_for(allowance: Allowance, rho: float, sensitivity: float) -> None:
    noisy, sigma = counts(np.full(DRAWS, 100), allowance, rho=rho, what="counts", sensitivity=sensitivity)
    assert noisy.dtype == np.int64 and noisy.shape == (DRAWS,)
    assert sigma == pytest.approx(sensitivity / math.sqrt(2 * rho), rel=1e-9)
    assert sensitivity**2 / (2 * sigma**2) <= rho
    assert not differs(noisy, gaussian(sigma, 100))
    assert [e.cost.rho for e in allowance.entries] == [rho]


def test_other_noise_is_noticed_by_the_check_that_ours_passes() -> None:
    rng = np.random.default_rng(5)
    pmf = gaussian(1.0)
    assert not differs(rng.choice(np.arange(-9, 10), DRAWS, p=pmf(np.arange(-9, 10)) / pmf(np.arange(-9, 10)).sum()), pmf)
    assert differs(np.rint(rng.normal(0, 1.0, 2 * DRAWS)).astype(int), pmf)  # continuous noise, rounded: its variance is 1/12 more
    assert differs(np.rint(rng.normal(0, 0.5, DRAWS)).astype(int), pmf)  # half the noise
    assert differs(np.floor(rng.normal(0, 1.0, DRAWS)).astype(int), pmf)  # floor is not centred
    assert differs(rng.choice(np.arange(-3, 4), 2 * DRAWS, p=pmf(np.arange(-3, 4)) / pmf(np.arange(-3, 4)).sum()), gaussian(1.05))
    assert differs(np.zeros(DRAWS, int), pmf)  # none


def test_neighbours_look_as_alike_as_was_promised(allowance: Allowance) -> None:
    """Histograms of one bin that holds 10 rows, and 11."""
    rho, epsilon = 0.5, 1.0
    one, other = (counts(np.full(DRAWS, n), allowance, rho=rho, what="counts")[0] for n in (10, 11))
    exact = exact_delta(lambda c: gaussian(1.0, c), 1, epsilon, 60)
    assert epsilon_of(rho, exact) >= epsilon
    assert not leaks(one, other, epsilon, exact)
    # and the same check notices half the noise, a unit with two rows, and a ρ booked at a quarter of what it is
    half, _ = counts(np.full(DRAWS, 10), allowance, rho=4 * rho, what="counts")
    half_other, _ = counts(np.full(DRAWS, 11), allowance, rho=4 * rho, what="counts")
    assert leaks(half, half_other, epsilon, exact)
    two, _ = counts(np.full(DRAWS, 12), allowance, rho=rho, what="counts")
    assert leaks(one, two, epsilon, exact)
    assert leaks(one, other, epsilon, exact_delta(lambda c: gaussian(2.0, c), 1, epsilon, 90))
    # with the sensitivity of that unit said, it is private again
    for n in (10, 12):
        assert not leaks(counts(np.full(DRAWS, 10), allowance, rho=rho, what="c", sensitivity=2)[0],
                         counts(np.full(DRAWS, n), allowance, rho=rho, what="c", sensitivity=2)[0], epsilon, exact)  # fmt: skip


def test_each_value_has_noise_of_its_own(allowance: Allowance) -> None:
    a, sigma = counts(np.zeros(4000, int), allowance, rho=0.005, what="a")
    b, _ = counts(np.zeros(4000, int), allowance, rho=0.005, what="b")
    for x, y in ((a, b), (a[:-1], a[1:]), (a[::2], a[1::2])):
        assert abs(np.corrcoef(x, y)[0, 1]) < 6 / math.sqrt(len(x))
    assert len(set(a.tolist())) > 3 * sigma


def test_seeds_steer_nothing(allowance: Allowance) -> None:
    def seeded() -> tuple[list[int], ...]:
        random.seed(1)
        np.random.seed(1)
        try:
            import torch
        except ImportError:
            pass
        else:
            torch.manual_seed(1)
        lot = np.zeros(40, int)
        noisy = counts(lot, allowance, rho=1e-4, what="counts")[0]
        named = levels({str(i): 10**6 for i in range(40)}, allowance, rho=1e-4, delta=1e-7, what="levels")
        picked = [best(np.zeros(1000), allowance, rho=0.01, what="best", sensitivity=1.0) for _ in range(20)]
        return noisy.tolist(), list(named.values()), picked

    state = np.random.get_state(), random.getstate()
    try:
        first, second = seeded(), seeded()
    finally:
        np.random.set_state(state[0])
        random.setstate(state[1])
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_the_source_has_no_random_numbers_of_its_own() -> None:
    source = Path(mechanisms.__file__).read_text(encoding="utf-8")
    assert "random" not in source.replace("randomness", "") and "seed" not in source.split('"""', 2)[2]


def test_nothing_is_looked_at_when_the_budget_is_spent() -> None:
    ledger = Ledger(Budget(1.0, 1e-6))
    allowance = ledger.allow()
    looked: list[str] = []

    class Watched(dict[str, int]):
        def items(self) -> Iterator[tuple[str, int]]:  # type: ignore[override]
            looked.append("items")
            return iter(super().items())

    for use in (
        lambda: counts(np.zeros(3, int), allowance, rho=1.0, what="counts"),
        lambda: best(np.zeros(3), allowance, rho=1.0, what="best", sensitivity=1.0),
        lambda: levels(Watched(a=1), allowance, rho=1.0, delta=1e-7, what="levels"),
        lambda: levels(Watched(a=1), allowance, rho=1e-3, delta=1e-6, what="levels"),
    ):
        with pytest.raises(BudgetError):
            use()
    assert ledger.entries == () and not looked


@pytest.mark.parametrize("values", [np.zeros(3), np.array(["1"]), np.zeros((2, 2), int), np.array([True, False])])
def test_counts_of_something_else(allowance: Allowance, values: np.ndarray) -> None:
    with pytest.raises(SettingError) as caught:
        counts(values, allowance, rho=0.1, what="c")
    assert caught.value.where == "c" and caught.value.fix
    assert allowance.entries == ()


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, True, "1", None])
def test_numbers_that_are_none(allowance: Allowance, bad: float) -> None:
    some = np.zeros(3, int)
    for look in (
        lambda: counts(some, allowance, rho=bad, what="c"),
        lambda: counts(some, allowance, rho=0.1, what="c", sensitivity=bad),
        lambda: best(some.astype(float), allowance, rho=bad, what="c", sensitivity=1.0),
        lambda: best(some.astype(float), allowance, rho=0.1, what="c", sensitivity=bad),
        lambda: levels({"a": 1}, allowance, rho=bad, delta=1e-7, what="c"),
        lambda: levels({"a": 1}, allowance, rho=0.1, delta=bad if bad is not True else 1.0, what="c"),
        lambda: levels({"a": 1}, allowance, rho=0.1, delta=1e-7, what="c", per_unit=bad),
    ):
        with pytest.raises((SettingError, TypeError)):
            look()
    assert allowance.entries == ()


def test_large_and_empty(allowance: Allowance) -> None:
    noisy, _ = counts(np.array([2**53 + 1, -(2**60)]), allowance, rho=50.0, what="large")
    assert np.abs(noisy - [2**53 + 1, -(2**60)]).max() < 5  # no float in between
    assert counts(np.empty(0, int), allowance, rho=0.1, what="none")[0].shape == (0,)
    with pytest.raises(DataError, match="64 bits"):
        counts(np.array([2**62]), allowance, rho=0.1, what="too large")
    tiny, sigma = counts(np.arange(50), allowance, rho=5e3, what="hardly any noise")
    assert tiny.tolist() == list(range(50)) and sigma < 0.02


# ---------------------------------------------------------------------------------------------------------------------- best


def chosen(allowance: Allowance, gap: float, *, rho: float, sensitivity: float = 1.0, draws: int = 3000) -> int:
    """How often the second of two scores, larger by `gap`, is chosen."""
    scores = np.array([5.0, 5.0 + gap])
    return sum(best(scores, allowance, rho=rho, what="best", sensitivity=sensitivity) for _ in range(draws))


def logistic(gap: float, rho: float, sensitivity: float = 1.0) -> float:
    """The chance of the same by Gumbel noise of scale sensitivity / √(2ρ)."""
    return 1 / (1 + math.exp(-gap * math.sqrt(2 * rho) / sensitivity))


@pytest.mark.parametrize(("gap", "rho", "sensitivity"), [(0.0, 0.5, 1.0), (1.0, 0.5, 1.0), (3.0, 0.1, 2.0), (0.001, 2.0, 0.001)])
def test_choices_are_as_likely_as_gumbel_noise_makes_them(allowance: Allowance, gap: float, rho: float, sensitivity: float) -> None:
    n = 1500
    hits, chance = chosen(allowance, gap, rho=rho, sensitivity=sensitivity, draws=n), logistic(gap, rho, sensitivity)
    assert not surely_more_than(hits, n, chance) and not surely_more_than(n - hits, n, 1 - chance)
    if gap:  # half the noise would be noticed
        wrong = logistic(2 * gap, rho, sensitivity)
        assert surely_more_than(hits, n, wrong) or surely_more_than(n - hits, n, 1 - wrong)
    assert {e.cost.rho for e in allowance.entries} == {rho}


@given(st.floats(0.01, 5), st.lists(st.floats(-4, 4), min_size=2, max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_a_choice_costs_what_it_says(rho: float, scores: list[float], data: st.DataObject) -> None:
    """ρ of the choice between neighbours, whose scores differ by at most 1 each: Rényi divergences of the exact chances."""
    moved = [s + data.draw(st.floats(-1, 1)) for s in scores]
    inverse = math.sqrt(2 * rho)
    p, q = (np.array(s) * inverse - logsumexp(np.array(s) * inverse) for s in (scores, moved))
    for order in (1.1, 2.0, 8.0, 64.0):
        assert logsumexp(order * p + (1 - order) * q) / (order - 1) <= rho * order * (1 + 1e-9) + 1e-12


def test_the_library_agrees_to_the_price_of_a_choice() -> None:
    for rho in (1e-4, 0.1, 3.0):
        chooser, scale = mechanisms._chooser(rho)
        assert chooser.map(2**20 + 2) <= rho < chooser.map(2**20 + 2) * (1 + 1e-9)
        assert scale == pytest.approx((2**20 + 2) / math.sqrt(2 * rho), rel=1e-9)


def test_the_best_of_many_is_found_when_it_is_far_ahead(allowance: Allowance) -> None:
    scores = np.linspace(-1e6, 1e6, 5000)
    scores[1234] = 2e6
    assert best(scores, allowance, rho=0.01, what="best", sensitivity=1.0) == 1234
    assert best(np.array([3.0]), allowance, rho=0.01, what="best", sensitivity=1.0) == 0


@pytest.mark.parametrize("scores", [[math.nan, 1.0], [math.inf, 1.0], [2.0**34, 0.0], [-(2.0**34), 0.0]])
def test_scores_that_cannot_be_computed_with(allowance: Allowance, scores: list[float]) -> None:
    with pytest.raises(DataError, match="too large"):
        best(np.array(scores), allowance, rho=0.1, what="choice", sensitivity=1.0)
    assert len(allowance.entries) == 1  # that they cannot was learnt from the data


@pytest.mark.parametrize("scores", [[], [[1.0, 2.0]]])
def test_nothing_to_choose_from(allowance: Allowance, scores: list[float]) -> None:
    with pytest.raises(SettingError, match="nothing to choose"):
        best(np.array(scores), allowance, rho=0.1, what="choice", sensitivity=1.0)
    assert allowance.entries == ()


# -------------------------------------------------------------------------------------------------------------------- levels


def passing(scale: float, tau: int, *, count: int = 1) -> float:
    """The exact chance that a level of `count` rows reaches `tau`."""
    reach = math.ceil(45 * scale) + abs(tau) + 5
    terms = {x: math.exp(-x * x / (2 * scale * scale)) for x in range(-reach, reach + 1)}
    return math.fsum(t for x, t in terms.items() if count + x >= tau) / math.fsum(terms.values())


def is_safe(scale: float, delta: float, tau: int, *, count: int = 1) -> bool:
    """Whether a threshold keeps its promise: the check that wrong formulas are held against."""
    return passing(scale, tau, count=count) <= delta


@given(st.floats(0.05, 60), st.floats(1e-12, 0.4), st.integers(1, 5))
@settings(max_examples=80, deadline=None)
def test_a_threshold_is_the_least_that_is_safe(scale: float, delta: float, count: int) -> None:
    tau = threshold(scale, delta, sensitivity=count)
    assert is_safe(scale, delta, tau, count=count)
    assert not is_safe(scale, delta * (1 - 1e-6), tau - 1, count=count)  # one less is not, so that none is given away


@pytest.mark.parametrize("scale", [0.7, 2.0, 10.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-6])
def test_the_thresholds_of_others_are_caught_by_the_check_that_ours_passes(scale: float, delta: float) -> None:
    assert is_safe(scale, delta, threshold(scale, delta))
    above = threshold(scale, delta) - 1  # Pr[noisy > τ] in place of Pr[noisy ≥ τ]
    assert passing(scale, above + 1) <= delta and not is_safe(scale, delta, above)
    continuous = math.floor(1 + scale * stats.norm.isf(delta))  # a formula for continuous noise, as OpenDP 0.16's (issue 2922) has
    assert not is_safe(scale, delta, continuous)
    assert not is_safe(scale, delta, threshold(scale, delta, sensitivity=1), count=2)  # a unit with two rows


def test_the_library_threshold_that_is_wrong_is_caught() -> None:
    """OpenDP 0.16's own stable selection with Laplace noise: it states δ = 0.0049 where 0.0134 is true."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i32")), dp.l01inf_distance(dp.absolute_distance(T="i32"))
    scale, tau = 1.0, 5
    stated = dp.m.make_laplace_threshold(*space, scale=scale, threshold=tau).map((1, 1, 1))[1]
    p = math.exp(-1 / scale)
    truth = math.fsum((1 - p) / (1 + p) * p ** abs(x) for x in range(tau - 1, 400))
    assert stated < truth / 2


@pytest.mark.parametrize(("rho", "per_unit", "sensitivity"), [(0.3, 1, 1), (0.5, 10, 1), (0.5, 1, 2)])
def test_what_one_unit_brings_is_named_no_more_often_than_promised(
    allowance: Allowance, rho: float, per_unit: int, sensitivity: int
) -> None:
    n, scale = 20_000, math.sqrt(per_unit) * sensitivity / math.sqrt(2 * rho)
    tau = sensitivity + round(2.3 * scale)
    truth = passing(scale, tau, count=sensitivity)
    delta = per_unit * truth * (1 + 1e-6)  # so that τ is the threshold, and one less is far from it
    found = {f"of one {i}": sensitivity for i in range(n)}
    named = levels(found, allowance, rho=rho, delta=delta, what="levels", sensitivity=sensitivity, per_unit=per_unit)
    assert not surely_more_than(len(named), n, delta / per_unit) and not surely_more_than(n - len(named), n, 1 - truth)
    assert min(named.values()) == tau  # at the threshold a level is in
    assert not differs(np.array(list(named.values())), lambda x: gaussian(scale, sensitivity)(x) * (np.asarray(x) >= tau) / truth)
    # one less would be noticed by the same check
    noisy, _ = counts(np.full(n, sensitivity), allowance, rho=rho, what="counts", sensitivity=math.sqrt(per_unit) * sensitivity)
    assert surely_more_than(int((noisy >= tau - 1).sum()), n, delta / per_unit)
    cost = allowance.entries[0].cost
    assert (cost.rho, cost.delta) == (rho, delta)


def test_levels_that_many_share_are_named_and_those_of_nobody_are_not(allowance: Allowance) -> None:
    found = {"zebra": 5000, "apple": 400, "nobody": 0, "rare": 1}
    named = levels(found, allowance, rho=0.1, delta=1e-9, what="levels")
    assert list(named) == ["apple", "zebra"]  # by name: the order of rows tells of them
    assert abs(named["zebra"] - 5000) < 40 and type(named["zebra"]) is int
    assert levels(dict(reversed(found.items())), allowance, rho=0.1, delta=1e-9, what="levels").keys() == named.keys()
    assert levels({}, allowance, rho=0.1, delta=1e-9, what="levels") == levels({"x": 0}, allowance, rho=0.1, delta=1e-9, what="l") == {}
    many = levels({f"of nobody {i}": 0 for i in range(1000)}, allowance, rho=1e-3, delta=0.4, what="levels")
    assert many == {}


def test_a_shorter_length_makes_less_noise(allowance: Allowance) -> None:
    """A unit with three rows in up to three levels moves all counts by 3 at most, not by 3·√3."""
    found = {str(i): 10**6 for i in range(3000)}
    wide = np.std(list(levels(found, allowance, rho=0.1, delta=1e-6, what="l", sensitivity=3, per_unit=3).values()))
    near = np.std(list(levels(found, allowance, rho=0.1, delta=1e-6, what="l", sensitivity=3, per_unit=3, length=3.0).values()))
    assert near == pytest.approx(3 / math.sqrt(0.2), rel=0.1) and wide == pytest.approx(math.sqrt(3) * near, rel=0.15)


def test_thresholds_grow_with_noise_and_certainty() -> None:
    assert all(threshold(a, 1e-6) <= threshold(b, 1e-6) for a, b in pairwise([0.1, 0.5, 1.0, 3.0, 50.0, 1e4]))
    assert all(threshold(3.0, a) <= threshold(3.0, b) for a, b in pairwise([0.5, 0.1, 1e-3, 1e-9, 1e-30]))
    with pytest.raises(SettingError, match="hides every level"):
        threshold(1e6, 1e-6)


@pytest.mark.parametrize("bad", [{"per_unit": 1.5}, {"sensitivity": 0.5}, {"delta": 1.0}, {"delta": 0.0}, {"length": -1.0}])
def test_levels_with_settings_that_cannot_be(allowance: Allowance, bad: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        levels({"a": 5}, allowance, **{"rho": 0.1, "delta": 1e-6, "what": "levels", **bad})  # type: ignore[arg-type]
    assert allowance.entries == ()


@pytest.mark.parametrize("refused", [0, 1, 5, 59])
def test_noise_is_hardly_more_than_the_least_that_the_library_takes_for_the_price(refused: int) -> None:
    tried = []

    class Priced:
        def map(self, distance: float) -> float:
            return 1.0 if len(tried) > refused else 1.1

    measurement, scale = mechanisms._least(lambda scale: tried.append(scale) or Priced(), 7.0, 1.0, 1.0)
    assert isinstance(measurement, Priced) and tried == sorted(tried) and tried[0] == 7.0 and tried[-1] == scale
    assert len(tried) == refused + 1 and 7.0 <= scale < 7.0 * (1 + 1e-7)


def test_a_price_that_no_noise_has_is_refused() -> None:
    class Dear:
        def map(self, distance: float) -> float:
            return 2.0

    with pytest.raises(SettingError, match="costs as little"):
        mechanisms._least(lambda scale: Dear(), 7.0, 1.0, 1.0)
