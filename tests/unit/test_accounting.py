"""What looks cost: never less than exact computations say, hardly more, and none of the errors that other accountants were found with."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from lookalike.errors import SettingError
from lookalike.privacy import accounting
from lookalike.privacy.accounting import (
    CURVE,
    ORDERS,
    Budget,
    Cost,
    Sampled,
    Sum,
    _from_renyi,
    _least,
    _renyi,
    _renyi_of,
    believed,
    curve,
    epsilon_of,
    least_noise,
    most_rho,
    total,
)

SANE = [(1.0, 0.01, 2000, 1e-6), (2.0, 0.02, 5000, 1e-6), (0.7, 0.005, 3000, 1e-9), (10.0, 1.0, 100, 1e-6), (4.0, 0.1, 500, 1e-5)]
"""Noise, rate, steps and δ of trainings as people do them."""


# ------------------------------------------------------------------------------------------------- what is known to be true


def delta_of(rho: float, epsilon: float) -> float:
    """By the other way round: the smallest δ for which `rho`-zCDP implies (`epsilon`, δ): the minimum over α > 1, where it is convex, of

    exp((α − 1)(α·ρ − ε)) / (α − 1) · (1 − 1/α)^α.
    """
    if rho <= 0:
        return 0.0

    def slope(x: float) -> float:
        return (2 * x + 1) * rho - epsilon - math.log1p(1 / x)

    low, high = 0.0, 1.0
    while slope(high) < 0:
        high *= 2
    for _ in range(200):
        middle = low + (high - low) / 2  # their sum may be beyond the largest number
        if middle in (low, high):
            break
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    x = high
    exponent = x * ((1 + x) * rho - epsilon) - math.log(x) - (1 + x) * math.log1p(1 / x)
    return min(1.0, math.exp(min(0.0, exponent * (1 - 1e-12))))


def gaussian_delta(mu: float, epsilon: float) -> float:
    """The exact δ of Gaussian noise whose standard deviation is 1/`mu` of what one unit moves (Balle and Wang 2018)."""
    return float(stats.norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon + stats.norm.logcdf(-mu / 2 - epsilon / mu)))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The exact ε of the same."""
    if gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    return float(optimize.brentq(lambda e: gaussian_delta(mu, e) - delta, 0, 1e4, xtol=1e-12))


def sampled_delta(s: Sampled, epsilon: float) -> float:
    """The exact δ of one Poisson-sampled sum, the worse of adding and removing a unit, by integration of densities."""
    with_unit = lambda z: (1 - s.rate) * stats.norm.pdf(z, 0, s.noise) + s.rate * stats.norm.pdf(z, 1, s.noise)  # noqa: E731
    without = lambda z: stats.norm.pdf(z, 0, s.noise)  # noqa: E731
    found = []
    for p, q in ((with_unit, without), (without, with_unit)):
        beyond = lambda z, p=p, q=q: max(0.0, p(z) - math.exp(epsilon) * q(z))  # noqa: E731
        edge = 0.5 + s.noise**2 * math.log(max(math.expm1(epsilon) / s.rate + 1, 1e-12))
        points = sorted({min(max(edge, -12 * s.noise), 1 + 12 * s.noise), 0.0, 1.0})
        found.append(integrate.quad(beyond, -12 * s.noise, 1 + 12 * s.noise, points=points, limit=400, epsabs=1e-15)[0])
    return max(found)


def least_epsilon(s: Sampled, delta: float) -> float:
    """A lower bound on the ε of a training: privacy loss distributions rounded down throughout."""
    from dp_accounting.pld import privacy_loss_distribution as pld

    one = pld.from_gaussian_mechanism(
        s.noise, sampling_prob=s.rate, pessimistic_estimate=False, use_connect_dots=False, value_discretization_interval=1e-4
    )
    return float(one.self_compose(s.steps).get_epsilon_for_delta(delta))


def promises_too_much(stated: float, truth: float) -> bool:
    """Whether an accountant states less than is true: the check that wrong formulas are held against."""
    return stated < truth * (1 - 1e-9)


def central_limit(s: Sampled, delta: float) -> float:
    """The ε that a central limit theorem states of a training (Bu and others 2020), as some libraries do."""
    return gaussian_epsilon(s.rate * math.sqrt(s.steps * math.expm1(1 / s.noise**2)), delta)


# --------------------------------------------------------------------------------------------------------------------- zCDP


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.3, 1, 3, 10, 30, 100])
@pytest.mark.parametrize("delta", [1e-2, 1e-6, 1e-9])
def test_a_conversion_made_elsewhere_says_the_same(epsilon: float, delta: float) -> None:
    def least(rho: float) -> float:
        def log_delta(x: float) -> float:
            return x * ((1 + x) * rho - epsilon) - math.log(x) + (1 + x) * math.log(x / (1 + x))

        return float(
            optimize.minimize_scalar(lambda u: log_delta(math.exp(u)), bounds=(-12, 25), method="bounded", options={"xatol": 1e-10}).fun
        )

    rho = optimize.brentq(lambda r: least(r) - math.log(delta), 1e-12, 1e4, xtol=1e-16, rtol=1e-14)
    assert Budget(epsilon, delta).rho == pytest.approx(rho, rel=1e-8)
    assert epsilon_of(rho, delta) == pytest.approx(epsilon, rel=1e-8)
    assert delta_of(rho, epsilon) == pytest.approx(delta, rel=1e-6)


def test_the_library_of_the_mechanisms_converts_alike() -> None:
    import opendp.prelude as dp

    dp.enable_features("contrib")
    noise = (dp.atom_domain(T="i64"), dp.absolute_distance(T=float)) >> dp.m.then_gaussian(scale=3.0)
    there = dp.c.make_zCDP_to_approxDP(noise).map(1.0)
    for delta in (1e-3, 1e-6, 1e-9):
        assert epsilon_of(1 / 18, delta) == pytest.approx(there.epsilon(delta), rel=1e-5)


reals = st.floats(1e-3, 50)
chances = st.floats(1e-12, 0.1)


@given(reals, chances)
@settings(max_examples=150, deadline=None)
def test_what_a_budget_allows_is_the_most_that_stays_inside(epsilon: float, delta: float) -> None:
    rho = most_rho(epsilon, delta)
    assert epsilon_of(rho, delta) <= epsilon
    assert epsilon_of(rho * (1 + 1e-12), delta) <= epsilon  # the slack that sums may have
    assert epsilon_of(rho * (1 + 1e-9), delta) > epsilon
    assert delta_of(rho, epsilon) <= delta * (1 + 1e-9)


@given(reals, chances)
@settings(max_examples=100, deadline=None)
def test_it_is_more_than_the_simple_formula_allows_and_less_than_the_truth(epsilon: float, delta: float) -> None:
    simple = (math.sqrt(epsilon + math.log(1 / delta)) - math.sqrt(math.log(1 / delta))) ** 2
    rho = most_rho(epsilon, delta)
    assert rho > simple
    assert gaussian_epsilon(math.sqrt(2 * rho), delta) <= epsilon  # Gaussian noise of this ρ leaks no more


@given(st.floats(1e-8, 20), st.floats(1e-8, 20), chances)
@settings(max_examples=100, deadline=None)
def test_more_costs_more(a: float, b: float, delta: float) -> None:
    assert epsilon_of(a, delta) <= epsilon_of(a + b, delta) * (1 + 1e-11)
    assert epsilon_of(a, delta) >= epsilon_of(a, min(delta * 2, 0.5))
    assert delta_of(a, 1.0) <= delta_of(a + b, 1.0) * (1 + 1e-11) and delta_of(a + b, 1.0) <= 1


@pytest.mark.parametrize(("epsilon", "delta"), [(1e-9, 1e-6), (1e6, 1e-6), (1.0, 1e-300), (1.0, 1 - 1e-9), (5e-324, 1e-5), (1e300, 0.5)])
def test_extreme_budgets_are_safe(epsilon: float, delta: float) -> None:
    rho = Budget(epsilon, delta).rho
    assert 0 <= rho < math.inf
    assert epsilon_of(rho, delta) <= epsilon


def test_nothing_costs_nothing() -> None:
    assert total([], delta=1e-6) == total([Cost()], delta=1e-6) == epsilon_of(0.0, 1e-6) == delta_of(0.0, 1.0) == 0


def test_next_to_nothing_costs_next_to_nothing() -> None:
    assert epsilon_of(5e-324, 1e-6) == delta_of(5e-324, 1.0) == 0
    assert delta_of(1e-12, 1e-3) == 0 < delta_of(1e-8, 1e-3) < 1e-10
    assert delta_of(50.0, 1.0) == pytest.approx(1, abs=1e-6)


def test_chances_take_from_delta() -> None:
    costs = [Cost(rho=0.02, delta=2e-7), Cost(rho=0.01, delta=3e-7)]
    assert total(costs, delta=1e-6) == pytest.approx(epsilon_of(0.03, 5e-7), rel=1e-9)
    assert total(costs, delta=5e-7) == math.inf
    assert Sum.of(costs).within(Budget(1.3, 1e-6)) and not Sum.of(costs).within(Budget(1.3, 5e-7))


@given(st.lists(st.floats(0, 1), max_size=40), st.floats(0.1, 5))
@settings(max_examples=60, deadline=None)
def test_being_within_a_budget_is_a_matter_of_the_total(parts: list[float], epsilon: float) -> None:
    summed = Sum.of(Cost(rho=p) for p in parts)
    stays = total([Cost(rho=p) for p in parts], delta=1e-6) <= epsilon
    assert summed.within(Budget(epsilon, 1e-6)) == stays or summed.rho == pytest.approx(most_rho(epsilon, 1e-6), rel=1e-9)


def test_the_slack_of_sums_is_for_rounding_only() -> None:
    budget = Budget(1.0, 1e-6)
    assert Sum(budget.rho * (1 + 5e-13)).within(budget)
    assert not Sum(budget.rho * (1 + 1e-10)).within(budget)


def test_room_is_what_is_left() -> None:
    budget = Budget(2.0, 1e-6)
    spent = Sum.of([Cost(rho=0.03, delta=1e-7)])
    assert spent.plus(Cost(rho=spent.room(budget))).within(budget)
    assert not spent.plus(Cost(rho=spent.room(budget) * 1.001)).within(budget)
    assert spent.room(budget, 2e-7) < spent.room(budget)
    assert spent.room(budget, 9.1e-7) == 0
    trained = Sum.of([Cost(sampled=Sampled(2.0, 0.01, 500))])
    assert trained.plus(Cost(rho=trained.room(budget))).within(budget)
    assert not trained.plus(Cost(rho=trained.room(budget) * 1.001)).within(budget)
    assert Sum.of([Cost(rho=9.0)]).room(budget) == Sum.of([Cost(sampled=Sampled(0.5, 1.0, 50))]).room(budget) == 0


def test_the_curve_falls_and_meets_the_total() -> None:
    costs = [Cost(rho=0.05, delta=1e-8)]
    points = curve(costs)
    assert [d for d, _ in points] == [d for d in CURVE if d > 1e-8]  # where the chances alone reach δ, nothing is promised
    assert all(e == total(costs, delta=d) for d, e in points)
    assert all(a < b for (_, a), (_, b) in pairwise(points))


# ------------------------------------------------------------------------------------------------------------------- DP-SGD


@pytest.mark.parametrize("training", SANE)
def test_two_accountants_agree(training: tuple[float, float, int, float]) -> None:
    noise, rate, steps, delta = training
    s = Sampled(noise, rate, steps)
    exact = total([Cost(sampled=s)], delta=delta)
    renyi = _from_renyi(_renyi_of((s,)), delta)
    assert least_epsilon(s, delta) * (1 - 1e-9) <= exact <= renyi <= 1.2 * exact


@pytest.mark.parametrize("steps", [1, 10, 100])
@pytest.mark.parametrize("noise", [0.5, 1.0, 5.0, 20.0])
def test_without_sampling_it_is_gaussian_noise(noise: float, steps: int) -> None:
    truth = gaussian_epsilon(math.sqrt(steps) / noise, 1e-6)
    assert truth * (1 - 1e-9) <= total([Cost(sampled=Sampled(noise, 1.0, steps))], delta=1e-6) <= truth * 1.002 + 1e-4


@pytest.mark.parametrize(("noise", "rate"), [(0.5, 0.01), (1.0, 0.1), (0.3, 0.001), (2.0, 0.5)])
def test_one_step_is_what_integration_says(noise: float, rate: float) -> None:
    s = Sampled(noise, rate, 1)
    for delta in (1e-3, 1e-5):
        stated = total([Cost(sampled=s)], delta=delta)
        assert sampled_delta(s, stated) <= delta * (1 + 1e-6)
        assert stated < 1e-3 or sampled_delta(s, stated * 0.99 - 1e-3) > delta


@pytest.mark.parametrize(("noise", "rate"), [(0.5, 0.01), (1.0, 0.1), (3.0, 0.7), (0.8, 1e-4), (2.0, 1.0)])
def test_renyi_divergences_are_what_integration_and_the_library_say(noise: float, rate: float) -> None:
    from dp_accounting import dp_event, rdp

    mine = _renyi(noise, rate)
    for order in (2, 3, 8, 32, 64):
        accountant = rdp.RdpAccountant(orders=[order])
        accountant.compose(dp_event.PoissonSampledDpEvent(rate, dp_event.GaussianDpEvent(noise)))
        assert mine[ORDERS == order][0] == pytest.approx(float(accountant._rdp[0]), rel=1e-6, abs=0)
    for order in (1.04, 1.25, 1.5, 2.5, 3.875):

        def part(z: float, order: float = order) -> float:
            u = rate * math.expm1((2 * z - 1) / (2 * noise * noise))
            return (math.expm1(order * math.log1p(u)) - order * u) * float(stats.norm.pdf(z, 0, noise))

        above = integrate.quad(part, -12 * noise, order + 12 * noise, points=[0.0, order], limit=500, epsabs=0, epsrel=1e-9)[0]
        assert mine[ORDERS == order][0] == pytest.approx(math.log1p(above) / (order - 1), rel=1e-6, abs=0)


@pytest.mark.parametrize("rate", [1e-4, 1e-7, 1e-10])
def test_rare_rows_do_not_cancel_to_nothing(rate: float) -> None:
    """Where A(α) − 1 is below the precision of A(α), the library says 0 or less, and with it ε = 0 for any number of steps."""
    mine = _renyi(1.0, rate)
    for order in (1.125, 2.0, 4.0):
        assert mine[ORDERS == order][0] == pytest.approx(order * rate**2 * math.expm1(1.0) / 2, rel=5e4 * rate + 1e-6, abs=0)


def test_the_wrong_formulas_of_others_are_caught_by_the_check_that_ours_passes() -> None:
    from dp_accounting import NeighboringRelation, dp_event, rdp

    # dp-accounting 0.6.0: Rényi divergences for replaced units, which move a sum by two and are counted as moving it by one
    replaced = rdp.RdpAccountant(neighboring_relation=NeighboringRelation.REPLACE_ONE)
    replaced.compose(dp_event.GaussianDpEvent(2.0))
    assert promises_too_much(replaced.get_epsilon(1e-6), gaussian_epsilon(2 / 2.0, 1e-6))
    # Opacus before its pull request 400: a central limit theorem
    s = Sampled(0.6, 0.005, 400)
    truth = least_epsilon(s, 1e-6)
    assert promises_too_much(central_limit(s, 1e-6), truth)
    assert not promises_too_much(total([Cost(sampled=s)], delta=1e-6), truth)
    # half the noise, a rate half as high, half the steps: stated for what was not done
    for wrong in (Sampled(1.2, 0.005, 400), Sampled(0.6, 0.0025, 400), Sampled(0.6, 0.005, 200)):
        assert promises_too_much(total([Cost(sampled=wrong)], delta=1e-6), truth)


def test_a_loss_distribution_that_lost_its_tail_is_not_believed() -> None:
    assert believed(2.9, 3.2, 1.0) == 2.9
    assert believed(3.4, 3.2, 1.0) == 3.2  # both are upper bounds
    assert believed(0.9, 3.2, 1.0) == believed(math.nan, 3.2, 1.0) == believed(math.inf, 3.2, 1.0) == 3.2
    assert believed(0.01, 0.4, 0.0) == 0.01  # Rényi divergences are loose where little is spent
    # and what a training can cost at least is enough to notice a lost tail where there is little noise, or there are few steps
    for noise, rate, steps in ((0.3, 0.01, 100), (0.05, 0.001, 1000), (1.0, 1.0, 1), (1.0, 0.01, 2000)):
        assert _least(Sampled(noise, rate, steps), 1e-6) > 0.5


@pytest.mark.parametrize(("noise", "rate", "steps"), [(1.0, 0.01, 2000), (0.5, 0.01, 1), (0.3, 0.001, 1000), (0.1, 0.01, 100)])
def test_the_least_that_a_training_can_cost_is_no_more_than_it_costs(noise: float, rate: float, steps: int) -> None:
    s = Sampled(noise, rate, steps)
    least, found = _least(s, 1e-6), total([Cost(sampled=s)], delta=1e-6)
    assert 0.2 * found < least <= found if noise <= 0.5 else least <= found
    if steps == 1:
        assert sampled_delta(s, least * (1 - 1e-4)) >= 1e-6


@pytest.mark.parametrize("noise", [0.5, 0.2, 0.05, 0.01])
def test_hardly_any_noise_is_seen_to_be_hardly_any(noise: float) -> None:
    found = total([Cost(sampled=Sampled(noise, 0.01, 100))], delta=1e-6)
    # with a chance of 1 % the unit is in the first step, and there it is seen as clearly as Gaussian noise lets it
    alone = gaussian_epsilon(1 / noise, 1e-6 / 0.01) + math.log(0.01)
    assert 0 < alone < found < math.inf


@pytest.mark.parametrize("delta", [1e-12, 1e-14, 1e-20])
def test_tiny_chances_do_not_run_into_rounding(delta: float) -> None:
    truth = gaussian_epsilon(1.0, delta)
    s = Sampled(10.0, 1.0, 100)
    found = total([Cost(sampled=s)], delta=delta)
    assert truth <= found <= 1.1 * truth
    assert delta > 1e-13 or found == _from_renyi(_renyi_of((s,)), delta)


def test_looks_and_trainings_together() -> None:
    look, training = Cost(rho=0.02), Cost(sampled=Sampled(1.0, 0.01, 1000))
    alone = [total([look], delta=1e-6), total([training], delta=1e-6)]
    both = total([look, training], delta=1e-6)
    assert max(alone) < both < sum(total([c], delta=5e-7) for c in (look, training)) + 1e-9
    assert both == total([training, look], delta=1e-6)
    plain = Cost(rho=0.02), Cost(sampled=Sampled(10.0, 1.0, 50))  # all Gaussian, so that the truth is known
    truth = gaussian_epsilon(math.sqrt(2 * 0.02 + 50 / 100), 1e-6)
    assert truth <= total(plain, delta=1e-6) <= 1.1 * truth


@pytest.mark.parametrize("s", [Sampled(1.0, 0.01, 1000), Sampled(0.5, 0.01, 200)])
def test_guarantees_that_are_added_up_share_delta(s: Sampled) -> None:
    """With next to nothing looked at, the training gets 99 % of δ, not all of it."""
    found = total([Cost(rho=1e-13), Cost(sampled=s)], delta=1e-6)
    assert found > total([Cost(sampled=s)], delta=1e-6) * (1 + 1e-5)
    assert found == pytest.approx(total([Cost(sampled=s)], delta=0.99e-6), rel=1e-6)
    half = total([Cost(rho=0.02), Cost(sampled=s)], delta=1e-6)
    assert half <= total([Cost(rho=0.02)], delta=5e-7) + total([Cost(sampled=s)], delta=5e-7) + 1e-9


def test_several_trainings_compose() -> None:
    a, b = Sampled(10.0, 1.0, 20), Sampled(5.0, 1.0, 10)
    truth = gaussian_epsilon(math.sqrt(20 / 100 + 10 / 25), 1e-6)
    found = total([Cost(sampled=a), Cost(sampled=b)], delta=1e-6)
    assert truth <= found <= truth * 1.01
    assert found == total([Cost(sampled=b), Cost(sampled=a)], delta=1e-6)


# --------------------------------------------------------------------------------------------------------------------- noise


def test_a_search_that_cannot_end_is_refused() -> None:
    with pytest.raises(SettingError, match="no noise is large enough"):
        least_noise(lambda noise: False)
    assert least_noise(lambda noise: True) < 1e-5


@pytest.mark.parametrize("least", [2.0**-19, 0.013, 0.5, 1.0, 1.0004, 3.7, 900.0, 2.0**40])
def test_the_least_noise_is_found_to_a_thousandth_above(least: float) -> None:
    assert least <= least_noise(lambda noise: noise >= least) <= least * 1.001


def test_trainings_without_an_end_are_added_up_at_once_and_never_to_less(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(noise: float, rate: float, steps: int) -> float:
        return total([Cost(sampled=Sampled(noise, rate, steps))], delta=1e-6)

    assert 0 < told(1.0, 0.1, 10**9) < told(1.0, 0.1, 2**53) < math.inf
    assert told(2.0**41, 0.1, 10) < 1e-6 and told(2.0**-40, 0.1, 10) > 1e20
    monkeypatch.setattr(accounting, "_COMPOSED", 1_000)
    assert told(4.0, 0.1, 1_000) < told(4.0, 0.1, 1_001) < 1.1 * told(4.0, 0.1, 1_000)
    together = [Cost(sampled=Sampled(4.0, 0.1, 600))] * 2
    assert told(4.0, 0.1, 600) < total(together, delta=1e-6) == pytest.approx(told(4.0, 0.1, 1_200), rel=1e-6)


# ------------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("epsilon", [0, -1, math.nan, math.inf, -math.inf, True, "1", None, 10**400])
def test_an_epsilon_that_is_none(epsilon: object) -> None:
    with pytest.raises(SettingError) as caught:
        Budget(epsilon, 1e-6)  # type: ignore[arg-type]
    assert caught.value.where == "epsilon" and "above 0" in str(caught.value)


@pytest.mark.parametrize("delta", [0, 1, -1e-6, 1.5, math.nan, math.inf, False, "1e-6", None, 10**400])
def test_a_delta_that_is_none(delta: object) -> None:
    with pytest.raises(SettingError) as caught:
        Budget(1.0, delta)  # type: ignore[arg-type]
    assert caught.value.where == "delta" and "1e-6" in caught.value.fix


@pytest.mark.parametrize(
    "bad",
    [
        {"rho": -1e-9},
        {"rho": math.nan},
        {"rho": math.inf},
        {"rho": "1"},
        {"rho": 10**400},
        {"delta": 1.0},
        {"delta": -0.1},
        {"delta": math.nan},
        {"sampled": 3},
    ],
)
def test_a_cost_that_is_none(bad: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        Cost(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [
        *((0.0, 0.1, 5), (math.nan, 0.1, 5), (math.inf, 0.1, 5), (1.0, 0.0, 5), (1.0, 1.1, 5), (1.0, 0.1, 0), (1.0, 0.1, 2.0)),
        *((1.0, 0.1, True), (2.0**-41, 0.1, 5), (2.0**42, 0.1, 5), (1e308, 0.1, 5), (1.0, 0.1, 2**53 + 1), (1.0, 0.1, 10**400)),
    ],
)
def test_a_training_that_is_none(bad: tuple[float, float, int]) -> None:
    with pytest.raises(SettingError):
        Sampled(*bad)


@pytest.mark.parametrize(
    ("thing", "field"),
    [(Budget(1.0, 1e-6), "epsilon"), (Cost(rho=0.1), "rho"), (Sampled(1.0, 0.1, 5), "noise"), (accounting.Sum(0.1), "rho")],
    ids=lambda v: type(v).__name__,
)
def test_what_was_agreed_is_not_changed_afterwards(thing: object, field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(thing, field, 0.0)
    assert hash(thing) == hash(replace(thing)) and thing == replace(thing)  # type: ignore[type-var]


def test_a_total_at_no_chance_at_all() -> None:
    for delta in (0.0, 1.0, math.nan):
        with pytest.raises(SettingError):
            total([Cost(rho=0.1)], delta=delta)


def test_what_it_computes_with_is_loaded_only_where_it_is_needed() -> None:
    code = (
        "import sys; from lookalike.privacy import accounting as a, ledger, mechanisms, statement; a.Budget(1, 1e-6).rho; "
        "print([m for m in ('opendp', 'dp_accounting', 'scipy', 'torch', 'filelock') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
