"""Looks at private data: each is booked first, and then answered with exact noise on whole numbers.

The noise is OpenDP's discrete Gaussian and Gumbel, drawn without floating point from the operating system's
randomness (Canonne, Kamath and Steinke, 2020, arXiv 2004.00010). There is no seed: who knows the seed knows the noise. What may
depend on the data is only what a function returns; what it is asked (sensitivity, cost, how many values) must be public.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.errors import DataError, MissingExtra, SettingError
from lookalike.privacy.accounting import Cost

if TYPE_CHECKING:
    from lookalike.privacy.ledger import Allowance

_GRID = 2**20  # steps into which a score's sensitivity is divided: rounding to them costs two millionths of the budget
_EXACT = 2**53  # whole numbers up to here are exact as floats
_LARGEST = 2**62  # counts beyond it could leave 64 bits when noise is added
_WIDEST = 1e5  # standard deviation up to which a threshold's tail is summed term by term


def counts(values: np.ndarray, allowance: Allowance, *, rho: float, what: str, sensitivity: float = 1) -> tuple[np.ndarray, float]:
    """`values` (int64 [k]) with discrete Gaussian noise on each, and its standard deviation σ.

    `sensitivity` is by how much one unit moves all values together, in Euclidean length: 1 for a histogram of rows of which a
    unit has one. The look costs `rho` = sensitivity² / 2σ² of zCDP.

    Raises:
        BudgetError: the budget does not allow it; nothing was looked at.
        SettingError: values are not whole numbers, or sensitivity or rho not above 0.
    """
    values = _whole(values, what)
    _positive(sensitivity, "sensitivity"), _positive(rho, "rho")
    allowance.spend(Cost(rho=rho), what)
    noisy, scale = _gaussian(rho, sensitivity)
    return _answer(noisy, values, what), scale


def best(scores: np.ndarray, allowance: Allowance, *, rho: float, what: str, sensitivity: float) -> int:
    """The place of about the largest of `scores` (float64 [k]), by Gumbel noise; the look costs `rho` of zCDP.

    `sensitivity` is by how much one unit can move any one score, up or down. Scores are rounded to a grid of 2⁻²⁰ of it; what
    the rounding, and as much again from computing the scores in floating point, adds to the sensitivity is paid for.

    Raises:
        BudgetError: the budget does not allow it; nothing was looked at.
        SettingError: there are no scores, or sensitivity or rho are not above 0.
        DataError: a score is not finite, or beyond 2³² sensitivities.
    """
    scores = np.asarray(scores, dtype=np.float64)
    _positive(sensitivity, "sensitivity"), _positive(rho, "rho")
    if scores.ndim != 1 or not scores.size:
        raise SettingError(
            f"there is nothing to choose from: scores of shape {scores.shape}", where=what, fix="give one score for each choice"
        )
    chooser, _ = _chooser(rho)
    allowance.spend(Cost(rho=rho), what)
    grid = scores * (_GRID / sensitivity)
    if not np.abs(grid).max() < _EXACT:  # nan fails too
        fix = "bound the scores, or state their true sensitivity"
        raise DataError("scores are too large for their sensitivity to be computed with exactly", where=what, fix=fix)
    return int(chooser(np.rint(grid).astype(np.int64)))


def levels(
    found: Mapping[str, int],
    allowance: Allowance,
    *,
    rho: float,
    delta: float,
    what: str,
    sensitivity: int = 1,
    per_unit: int = 1,
    length: float | None = None,
) -> dict[str, int]:
    """The levels among `found` (level → how often) that are frequent enough to be named, with noisy counts, in order of name.

    Each count gets discrete Gaussian noise, and only levels whose noisy count reaches a threshold are returned. A level that is
    there because of one unit alone passes with a chance of at most `delta` / `per_unit`, which is summed from the exact
    probabilities; a level that nobody has is never returned. `sensitivity` is the most that a unit adds to one level,
    `per_unit` the most levels that a unit has, `length` by how much it moves all counts together, in Euclidean length, where that
    is less than √per_unit · sensitivity. The look costs `rho` of zCDP and the chance `delta`.

    Raises:
        BudgetError: the budget does not allow it; nothing was looked at.
        SettingError: a setting is out of its range, or rho so small that no threshold can be computed.
    """
    for name, value in (("sensitivity", sensitivity), ("per_unit", per_unit)):
        _positive(value, name)
        if value != int(value):
            raise SettingError(f"{name} must be a whole number, not {value!r}", where=what, fix="round it up")
    _positive(rho, "rho")
    if not 0 < delta < 1:
        raise SettingError(f"delta must be between 0 and 1, not {delta!r}", where=what, fix="give a small part of the budget's delta")
    length = math.sqrt(per_unit) * sensitivity if length is None else length
    _positive(length, "length")
    noisy, scale = _gaussian(rho, length)
    least = threshold(scale, delta / per_unit, sensitivity=int(sensitivity))
    allowance.spend(Cost(rho=rho, delta=delta), what)
    names = sorted(name for name, count in found.items() if count > 0)  # the order of rows would tell of them
    answered = _answer(noisy, _whole([found[name] for name in names], what), what)
    return {name: int(count) for name, count in zip(names, answered, strict=True) if count >= least}


def threshold(scale: float, delta: float, *, sensitivity: int = 1) -> int:
    """The least whole τ with Pr[sensitivity + noise ≥ τ] ≤ `delta`, for discrete Gaussian noise of standard deviation `scale`.

    The tail is the sum of the probabilities themselves, exp(−x² / 2σ²) over all x; formulas for continuous noise, or for
    noise *above* τ instead of *at* it, miss a part of it.

    Raises:
        SettingError: `scale` is too large to sum.
    """
    if not 0 < scale <= _WIDEST:
        fix = "give the levels a larger share of the budget, or declare them in the schema"
        raise SettingError(f"noise of {scale:.3g} hides every level", where="rho", fix=fix)
    reach = math.ceil(scale * (math.sqrt(2 * math.log(1 / delta)) + 12)) + 2
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    mass = np.exp(-x * x / (2 * scale * scale))
    tail = np.cumsum(mass[::-1])[::-1]  # small terms first; tail[i] is the mass at x[i] and above
    tail = tail / tail[0] * (1 + 1e-9)  # more than all rounding of the sum
    return sensitivity + int(x[np.argmax(tail <= delta)])


# ------------------------------------------------------------------------------------------------------------- building


def _gaussian(rho: float, sensitivity: float) -> tuple[Any, float]:
    """The measurement that adds discrete Gaussian noise, and its standard deviation."""
    dp = _library()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
    start = sensitivity / math.sqrt(2 * rho)
    return _least(lambda s: dp.m.make_gaussian(*space, scale=s), start, float(sensitivity), rho)


def _chooser(rho: float) -> tuple[Any, float]:
    """The measurement that tells the place of the largest score on the grid, and its scale in grid steps."""
    dp = _library()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64"), dp.zero_concentrated_divergence()
    moved = _GRID + 2  # rounding moves two scores by half a step each; floating point is granted as much
    return _least(lambda s: dp.m.make_noisy_max(*space, s), moved / math.sqrt(2 * rho), moved, rho)


def _least(build: Callable[[float], Any], start: float, distance: float, most: float) -> tuple[Any, float]:
    """The measurement of about scale `start` whose cost at `distance`, by the library's own map, is at most `most`."""
    scale = start
    for _ in range(60):
        measurement = build(scale)
        if measurement.map(distance) <= most:
            return measurement, scale
        scale *= 1 + 1e-12 if scale == start else 1 + 1e-9
    raise SettingError(
        f"no noise of about {start:.3g} costs as little as {most:.3g}", where="rho", fix="ask for a larger part of the budget"
    )


def _answer(measurement: Any, values: np.ndarray, what: str) -> np.ndarray:
    if not values.size:
        return np.empty(0, dtype=np.int64)
    if np.abs(values).max() >= _LARGEST:
        raise DataError("counts are too large for noise to be added in 64 bits", where=what, fix="bound the counts")
    return np.asarray(measurement(values), dtype=np.int64)


def _whole(values: Any, what: str) -> np.ndarray:
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        fix = "count rows, or round to a grid and scale the sensitivity with it: floating point leaks through noise"
        raise SettingError(f"exact noise needs whole numbers, not {array.dtype}", where=what, fix=fix)
    if array.ndim != 1:
        raise SettingError(f"values of shape {array.shape} are not a list", where=what, fix="flatten them")
    return array.astype(np.int64)


def _positive(value: Any, where: str) -> None:
    number = not isinstance(value, bool | np.bool_) and isinstance(value, int | float | np.integer | np.floating)
    if not number or not 0 < value < math.inf:
        raise SettingError(f"{where} must be a finite number above 0, not {value!r}", where=where, fix="give a number above 0")


def _library() -> Any:
    try:
        import opendp.prelude as dp
    except ImportError:
        raise MissingExtra("opendp", "dp", purpose="looking at data under a privacy budget") from None
    dp.enable_features("contrib")
    return dp
