"""What looks at private data cost, and what a budget allows: zCDP and DP-SGD, turned into (ε, δ) without ever promising too much.

Neighbours are data sets of which one has one unit more (add or remove). Looks with Gaussian or Gumbel noise are counted in
ρ of zero-concentrated differential privacy (Bun and Steinke, 2016, arXiv 1605.02065), whose parts add up; ρ becomes (ε, δ) by
the tight conversion of Canonne, Kamath and Steinke (2020, arXiv 2004.00010, Proposition 12). Training by Poisson-sampled
Gaussian noise is counted by privacy loss distributions (Doroshenko and others, 2022, arXiv 2207.04380), and by Rényi
divergences where the two meet (Mironov, Talwar and Zhang, 2019, arXiv 1908.10530). No central limit theorem anywhere: it
promises too much. Where a number is searched for, the search ends on the side that is safe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.errors import MissingExtra, SettingError

if TYPE_CHECKING:
    from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution

# Floating point may round a cost down by a few units of the last place. Costs are raised by this share, which is far more
# than all roundings together, and far less than anybody can notice.
_GUARD = 1e-12
SLACK = 1e-12  # parts of a budget that sum to it may exceed it by this share, which what a budget allows leaves room for

CURVE = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9)  # the δ at which a statement names ε
_WHOLE = (*range(2, 65), 72, 80, 96, 112, 128, 160, 192, 256, 384, 512, 768, 1024)  # Rényi orders
_BROKEN = (1.02, 1.04, 1.08, *(1 + j / 8 for j in range(1, 24) if j % 8))  # those between, where a large ε is least
ORDERS = np.array([*_BROKEN, *map(float, _WHOLE)])
_SPLITS = (0.01, 0.1, 0.5, 0.9, 0.99)  # shares of δ that the first of two guarantees may get when they are added up
_CELLS = 500_000  # of a privacy loss distribution; more cost more time than they are worth
_ROUNDED = 1e-15  # of probability, which a fast Fourier transform may lose
_FINEST_DELTA = 1e-13  # below it that is too large a share
_NOISES = 2.0**-40, 2.0**41  # noise multipliers whose squares can be reckoned with; no budget needs others
_MOST_STEPS, _COMPOSED = 2**53, 1_000_000  # steps of a training; those whose privacy loss distributions are composed
_WIDEST = 300.0  # cells of a privacy loss distribution, whose ends are taken to the power of e


@dataclass(frozen=True)
class Budget:
    """What may be learnt of one unit: `epsilon` (finite, above 0), up to the chance `delta` (between 0 and 1).

    Raises:
        SettingError: either is not such a number.
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        epsilon = _number(self.epsilon, "epsilon", fix="give a finite number above 0, such as 1; smaller is more private")
        delta = _number(self.delta, "delta", fix=_DELTA_FIX)
        if not 0 < epsilon < math.inf:
            fix = "give a finite number above 0, such as 1; smaller is more private, and a fit without epsilon promises nothing"
            raise SettingError(f"a privacy budget must be above 0 and finite, not {self.epsilon!r}", where="epsilon", fix=fix)
        _check_delta(delta)
        object.__setattr__(self, "epsilon", epsilon)
        object.__setattr__(self, "delta", delta)

    @property
    def rho(self) -> float:
        """The largest ρ of zCDP that gives (epsilon, delta)."""
        return most_rho(self.epsilon, self.delta)


_DELTA_FIX = "give a number between 0 and 1, well below one over the number of people, such as 1e-6"


@dataclass(frozen=True)
class Sampled:
    """A training by DP-SGD: `steps` sums, each over rows drawn with chance `rate` (Poisson), with Gaussian noise of
    standard deviation `noise` times the bound on what one unit adds.
    """

    noise: float
    rate: float
    steps: int

    def __post_init__(self) -> None:
        noise, rate = _number(self.noise, "noise"), _number(self.rate, "rate")
        if not 0 < noise < math.inf:
            raise SettingError(f"a noise multiplier must be above 0 and finite, not {self.noise!r}", where="noise", fix="see least_noise")
        if not _NOISES[0] <= noise <= _NOISES[1]:
            raise SettingError(f"a noise multiplier must be from 2⁻⁴⁰ to 2⁴¹, not {self.noise!r}", where="noise", fix="see least_noise")
        if not 0 < rate <= 1:
            fix = "give the chance with which a row is in a batch: expected batch size over number of rows"
            raise SettingError(f"a sampling rate must be above 0 and at most 1, not {self.rate!r}", where="rate", fix=fix)
        if isinstance(self.steps, bool) or not isinstance(self.steps, int | np.integer) or self.steps < 1:
            raise SettingError(f"steps must be a whole number from 1 up, not {self.steps!r}", where="steps", fix="count the noisy sums")
        if self.steps > _MOST_STEPS:
            raise SettingError("steps must be at most 2⁵³", where="steps", fix="count the noisy sums")
        for name, value in (("noise", noise), ("rate", rate), ("steps", int(self.steps))):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Cost:
    """What one look costs: `rho` of zCDP, the chance `delta` that this guarantee does not hold, and a DP-SGD training."""

    rho: float = 0.0
    delta: float = 0.0
    sampled: Sampled | None = None

    def __post_init__(self) -> None:
        rho, delta = _number(self.rho, "rho"), _number(self.delta, "delta")
        if not 0 <= rho < math.inf:
            raise SettingError(f"the cost of a look must be finite and not negative, not {self.rho!r}", where="rho", fix="use more noise")
        if not 0 <= delta < 1:
            raise SettingError(f"a chance must be from 0 to below 1, not {self.delta!r}", where="delta", fix="raise the threshold")
        if self.sampled is not None and not isinstance(self.sampled, Sampled):
            raise SettingError(f"not a training: {self.sampled!r}", where="sampled", fix="give Sampled(noise, rate, steps)")
        object.__setattr__(self, "rho", rho)
        object.__setattr__(self, "delta", delta)


@dataclass(frozen=True)
class Sum:
    """All looks of a row of them: ρ and chances added up, trainings as a list. What `total` is a function of."""

    rho: float = 0.0
    delta: float = 0.0
    sampled: tuple[Sampled, ...] = ()

    @classmethod
    def of(cls, costs: Iterable[Cost]) -> Sum:
        costs = list(costs)
        trainings = tuple(c.sampled for c in costs if c.sampled is not None)
        return cls(math.fsum(c.rho for c in costs), math.fsum(c.delta for c in costs), trainings)

    def plus(self, cost: Cost) -> Sum:
        """This and one look more."""
        trainings = self.sampled if cost.sampled is None else (*self.sampled, cost.sampled)
        return Sum(self.rho + cost.rho, self.delta + cost.delta, trainings)

    def epsilon(self, delta: float) -> float:
        """The ε of all together at `delta`; infinite where the chances alone reach it."""
        _check_delta(_number(delta, "delta", fix=_DELTA_FIX))
        if not (self.rho or self.delta or self.sampled):
            return 0.0
        if self.delta >= delta:
            return math.inf
        left = delta - self.delta
        if not self.sampled:
            return epsilon_of(self.rho, left)
        trainings = tuple(sorted(self.sampled, key=lambda s: (s.noise, s.rate, s.steps)))  # their order does not matter
        return _trained(trainings, left) if self.rho == 0 else _mixed(self.rho, trainings, left)

    def within(self, budget: Budget) -> bool:
        """Whether all together stays in `budget`. For zCDP alone this compares sums, and costs microseconds."""
        if self.delta >= budget.delta:
            return not (self.rho or self.delta or self.sampled)
        if not self.sampled:
            return self.rho <= most_rho(budget.epsilon, budget.delta - self.delta) * (1 + SLACK)
        return self.epsilon(budget.delta) <= budget.epsilon * (1 + SLACK)

    def room(self, budget: Budget, delta: float = 0.0) -> float:
        """The ρ that `budget` has left beside all of these, and beside a further chance `delta`."""
        chance = budget.delta - self.delta - delta
        if chance <= 0:
            return 0.0
        high = most_rho(budget.epsilon, chance)
        if not self.sampled:
            return high - self.rho if high - self.rho > SLACK * high else 0.0  # what is lost in rounding is not left
        if not self.plus(Cost(delta=delta)).within(budget):
            return 0.0
        low = 0.0
        while high - low > 1e-6 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self.plus(Cost(middle, delta)).within(budget) else (low, middle)
        return low


def total(costs: Iterable[Cost], *, delta: float) -> float:
    """The ε of all `costs` together at `delta`, for neighbours that differ by one unit added or removed.

    zCDP alone is converted tightly; DP-SGD alone is counted by privacy loss distributions, in both directions, and never
    above what Rényi divergences say; both together by the better of summed Rényi divergences and the sum of the two ε.
    Infinite where the chances of the costs alone reach `delta`. Trainings must have been set before the first of them: a
    privacy loss distribution does not cover settings chosen by what an earlier training showed.

    Raises:
        SettingError: `delta` is not between 0 and 1.
        MissingExtra: a training is among the costs, and dp-accounting is not installed.
    """
    return Sum.of(costs).epsilon(delta)


def curve(costs: Iterable[Cost], *, deltas: Sequence[float] = CURVE) -> list[tuple[float, float]]:
    """(δ, ε) of all `costs` together at each of `deltas`; those at which ε would be infinite are left out."""
    summed = Sum.of(costs)
    points = [(delta, summed.epsilon(delta)) for delta in deltas]
    return [(delta, epsilon) for delta, epsilon in points if math.isfinite(epsilon)]


# ---------------------------------------------------------------------------------------------------------------- zCDP

_GREATEST = 2.0**1000
"""No more ρ than this is asked for; what it costs can still be told."""


@lru_cache(maxsize=4096)
def epsilon_of(rho: float, delta: float) -> float:
    """The smallest ε for which `rho`-zCDP implies (ε, `delta`), and never less: each order α gives a valid

        ε(α) = α·ρ + (ln(1/δ) − ln α) / (α − 1) + ln(1 − 1/α),

    and the best α is where ρ·(α − 1)² + ln α = ln(1/δ), whose left side grows.
    """
    if rho <= 0:
        return 0.0
    tail = -math.log(delta)
    low, high = 0.0, min(math.sqrt(tail / rho), 1 / delta)
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if rho * middle * middle + math.log1p(middle) < tail:
            low = middle
        else:
            high = middle
    x = high  # α − 1
    if x <= 0:
        return 0.0
    found = (1 + x) * rho + (tail - math.log1p(x)) / x - math.log1p(1 / x)
    return max(0.0, found * (1 + _GUARD))


@lru_cache(maxsize=4096)
def most_rho(epsilon: float, delta: float) -> float:
    """The largest ρ that implies (`epsilon`, `delta`), up to rounding, which is down; SLACK more is still inside."""
    high = 1.0
    while epsilon_of.__wrapped__(high, delta) <= epsilon and high < _GREATEST:
        high *= 2
    low = 0.0
    for _ in range(1100):  # as many as it takes to reach the smallest number there is
        middle = (low + high) / 2
        if high - low <= low * 1e-15 or middle in (low, high):
            break
        if epsilon_of.__wrapped__(middle, delta) <= epsilon:
            low = middle
        else:
            high = middle
    return low * (1 - 3 * SLACK)


# -------------------------------------------------------------------------------------------------------------- DP-SGD


def least_noise(fits: Callable[[float], bool]) -> float:
    """The least noise multiplier for which `fits` holds, to a thousandth above it; `fits` may only turn from no to yes.

    Raises:
        SettingError: no noise is enough.
    """
    high = 1.0
    while not fits(high):
        high *= 2
        if high > 2**40:
            fix = "train for fewer steps, or with a larger budget"
            raise SettingError("no noise is large enough for this budget", where="epsilon", fix=fix)
    low = high / 2
    while fits(low):
        low, high = low / 2, low
        if high < 2**-20:
            return high
    while high > low * 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


@lru_cache(maxsize=4096)
def _trained(trainings: tuple[Sampled, ...], delta: float) -> float:
    """ε of trainings alone."""
    renyi = _from_renyi(_renyi_of(trainings), delta)
    if delta < _FINEST_DELTA or renyi == 0 or sum(s.steps for s in trainings) > _COMPOSED or max(map(_interval, trainings)) > _WIDEST:
        return renyi
    exact = _distribution(trainings).get_epsilon_for_delta(delta - _ROUNDED) * (1 + _GUARD)
    return believed(float(exact), renyi, max(_least(s, delta) for s in trainings))


def believed(exact: float, renyi: float, least: float) -> float:
    """The ε to go by, of one from privacy loss distributions and one from Rényi divergences: each is an upper bound if it is right.

    A privacy loss distribution that says less than `least`, a lower bound, has lost its tail to rounding, and is not believed.
    """
    lost = not math.isfinite(exact) or exact < least * (1 - 1e-9)
    return renyi if lost else min(renyi, exact)


def _least(s: Sampled, delta: float) -> float:
    """A lower bound on the ε of a training, nearly all of it where there is little noise: how well the largest of its sums tells
    whether a unit is there. Above a bound t lies one of n sums with chance 1 − (1 − p)ⁿ, p being larger for those with the unit.
    """
    from scipy.special import ndtr

    t = np.linspace(0, 1 + 8 * s.noise, 400)
    without = ndtr(-t / s.noise)
    with_unit = without + s.rate * (ndtr((1 - t) / s.noise) - without)
    false, true = (-np.expm1(s.steps * np.log1p(-np.minimum(p, 1 - 1e-16))) for p in (without, with_unit))
    seen = (true > delta) & (false > 0)
    with np.errstate(over="ignore"):
        telling = np.log((true[seen] - delta) / false[seen])
    return max(0.0, float(telling.max(initial=0.0)))


def _mixed(rho: float, trainings: tuple[Sampled, ...], delta: float) -> float:
    """ε of `rho`-zCDP and trainings: the best of the sum of Rényi divergences, and of the two ε with δ shared."""
    found = _from_renyi(_renyi_of(trainings) + rho * ORDERS, delta)
    for share in _SPLITS:
        apart = epsilon_of(rho, delta * share * (1 - _GUARD)) + _trained(trainings, delta * (1 - share) * (1 - _GUARD))
        found = min(found, apart)
    return found


def _from_renyi(divergence: np.ndarray, delta: float) -> float:
    """ε at `delta` from Rényi divergences at all orders (Canonne, Kamath and Steinke 2020, Proposition 12)."""
    found = divergence + (-math.log(delta) - np.log(ORDERS)) / (ORDERS - 1) + np.log1p(-1 / ORDERS)
    return max(0.0, float(found.min()) * (1 + _GUARD))


@lru_cache(maxsize=256)
def _renyi_of(trainings: tuple[Sampled, ...]) -> np.ndarray:
    """Rényi divergences of `trainings` together at all orders."""
    return np.sum([s.steps * _renyi(s.noise, s.rate) for s in trainings], axis=0)


@lru_cache(maxsize=256)
def _renyi(noise: float, rate: float) -> np.ndarray:
    """Rényi divergences of one Poisson-sampled Gaussian sum at all orders, when one unit is added or removed.

    They are ln A(α) / (α − 1), where A(α) is the mean of (1 + u)^α for u = q (exp((2z − 1) / 2σ²) − 1) and z normal with
    variance σ². Since u is 0 on average, A(α) − 1 is the mean of (1 + u)^α − 1 − αu, which is never negative: nothing
    cancels, however rare a row is.
    """
    if rate == 1:
        return ORDERS / (2 * noise * noise) * (1 + _GUARD)
    above = np.array([*_above_broken(noise, rate), *(_above_whole(noise, rate, order) for order in _WHOLE)])  # ln(A − 1)
    logs = np.where(above > -30, np.logaddexp(0.0, above), np.exp(np.minimum(above, 0.0)))
    return logs / (ORDERS - 1) * (1 + 1e-9)  # the logarithms of factorials are good to 1e-11


def _above_whole(noise: float, rate: float, order: int) -> float:
    """ln(A − 1) at a whole order: A − 1 = Σ over i ≥ 2 of C(α, i) qⁱ (1 − q)^(α − i) (exp((i² − i) / 2σ²) − 1)."""
    from scipy.special import gammaln

    i = np.arange(2, order + 1, dtype=np.float64)
    growth = (i * i - i) / (2 * noise * noise)
    beyond = np.where(growth < 30, np.log(np.expm1(np.minimum(growth, 30.0))), growth)  # ln(eˣ − 1), which is x where x is large
    chosen = gammaln(order + 1) - gammaln(i + 1) - gammaln(order - i + 1)
    return float(np.logaddexp.reduce(chosen + i * math.log(rate) + (order - i) * math.log1p(-rate) + beyond))


def _above_broken(noise: float, rate: float) -> np.ndarray:
    """ln(A − 1) at the orders between, by the trapezoid rule; it converges geometrically, since the integrand has no
    singularity nearer to the real line than πσ². Infinite for a noise so small that nobody would call it private.
    """
    orders = np.array(_BROKEN)[:, None]
    if noise < 0.02:
        return np.full(len(_BROKEN), np.inf)
    step = min(noise / 4, noise * noise / 2)
    z = np.arange(-12 * noise, max(_BROKEN) + 12 * noise, step)
    w = (2 * z - 1) / (2 * noise * noise)
    near = rate * np.expm1(np.minimum(w, 30.0))  # u
    y = np.where(w < 30, np.log1p(near), np.logaddexp(math.log1p(-rate), math.log(rate) + w))  # ln(1 + u)
    grown = orders * y
    small = np.expm1(np.minimum(grown, 30.0)) - orders * np.minimum(near, 1e15)
    tiny = orders * (orders - 1) / 2 * near * near * (1 + (orders - 2) / 3 * near)
    inside = np.where(np.abs(near) < 1e-5, tiny, np.maximum(small, 0.0))
    with np.errstate(divide="ignore"):  # ln 0 where u is 0
        logs = np.where(grown < 30, np.log(inside), grown)  # without − 1 − αu: more, so safe
    return np.logaddexp.reduce(logs - z * z / (2 * noise * noise), axis=1) + math.log(step / (noise * math.sqrt(2 * math.pi)))


@lru_cache(maxsize=4)  # megabytes each
def _distribution(trainings: tuple[Sampled, ...]) -> PrivacyLossDistribution:
    """The privacy loss of `trainings` together, rounded up throughout; it covers adding and removing a unit."""
    pld = _library()
    interval = max(map(_interval, trainings))
    found = None
    for s in trainings:
        one = pld.from_gaussian_mechanism(
            s.noise, sampling_prob=s.rate, value_discretization_interval=interval, pessimistic_estimate=True, use_connect_dots=True
        ).self_compose(s.steps)
        found = one if found is None else found.compose(one)
    return found


def _interval(s: Sampled) -> float:
    """Cells of a privacy loss distribution: a thirtieth of one step's spread keeps the rounding below a thousandth of ε;
    wider where there would be too many of them.
    """
    spread = s.rate * math.sqrt(math.expm1(min(1 / (s.noise * s.noise), 50.0)))
    once = max(0.0, math.log(s.rate) + 0.5 / (s.noise * s.noise) + 10 / s.noise)
    reach = once + _from_renyi(_renyi_of((s,)), 1e-15)
    return max(min(0.03 * spread, 1e-3), reach / _CELLS, 1e-6)


def _library() -> Any:
    try:
        from dp_accounting.pld import privacy_loss_distribution
    except ImportError:
        raise MissingExtra("dp-accounting", "dp", purpose="training under a privacy budget") from None
    return privacy_loss_distribution


# -------------------------------------------------------------------------------------------------------------- checks


def _number(value: Any, where: str, *, fix: str = "give a number") -> float:
    """`value` as a float; a text, a truth value or nothing is not a number here."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise SettingError(f"{where} must be a number, not {value!r}", where=where, fix=fix)
    try:
        return float(value)
    except OverflowError:
        raise SettingError(f"{where} is beyond all numbers that are reckoned with", where=where, fix=fix) from None


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise SettingError(f"delta must be between 0 and 1, not {delta!r}", where="delta", fix=_DELTA_FIX)
