"""A score's arithmetic, against closed forms: skill, its interval, what a comparison could show; what is unknown stays so."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from lookalike.score import Score, _fieller, _variance

FULL = Score(
    name="x", value=0.6, better="lower", low=0.58, high=0.63, ceiling=0.5, ceiling_interval=(0.48, 0.51), floor=0.9,
    zero="floor", zero_interval=(0.88, 0.94), uniform=1.1, copy=0.45,
)  # fmt: skip
"""Lengths of the longer sides of its intervals: 0.03, 0.02, 0.04."""
Z = float(norm.ppf(0.975))


def ends(top: float, bottom: float, above: float, below: float, common: float) -> tuple[float, float]:
    """Where a ratio t is just not refused: (top − t·bottom)² = Z² (above − 2t·common + t²·below)."""

    def beyond(t: float) -> float:
        return (top - t * bottom) ** 2 - Z**2 * (above - 2 * t * common + t * t * below)

    return brentq(beyond, top / bottom - 5, top / bottom, xtol=1e-14), brentq(beyond, top / bottom, top / bottom + 5, xtol=1e-14)


def test_worthless_is_the_control_that_is_named() -> None:
    found = [replace(FULL, zero=zero).worthless for zero in ("floor", "uniform", "copy", None)]
    assert found == [0.9, 1.1, 0.45, None]


@pytest.mark.parametrize(
    ("better", "value", "skill"),
    [("lower", 0.6, 0.75), ("lower", 0.4, 1.25), ("lower", 1.0, -0.25), ("target", 0.4, 0.75), ("target", 0.6, 0.75), ("target", 1.3, -1)],
)
def test_skill_is_the_way_from_worthless_to_real(better: str, value: float, skill: float) -> None:
    assert replace(FULL, better=better, value=value).skill == pytest.approx(skill, rel=1e-12)
    up = replace(FULL, better="higher", value=-value, ceiling=-0.5, floor=-0.9)
    assert up.skill == pytest.approx(1 - (value - 0.5) / 0.4, rel=1e-12)


@pytest.mark.parametrize("gone", ["value", "ceiling", "floor", "zero"])
def test_without_one_of_them_there_is_no_skill(gone: str) -> None:
    made = replace(FULL, **{gone: None})
    assert made.skill is None and made.skill_interval is None
    same = replace(FULL, ceiling=0.9)
    assert same.skill is None and same.skill_interval is None


@pytest.mark.parametrize("gone", ["low", "high", "ceiling_interval", "zero_interval"])
def test_without_one_of_the_intervals_there_is_none_of_the_skill(gone: str) -> None:
    made = replace(FULL, **{gone: None})
    assert made.skill == pytest.approx(0.75) and made.skill_interval is None
    assert (made.detectable is None) == (gone != "zero_interval")


def test_the_interval_of_the_skill_is_fiellers() -> None:
    v, c, z = ((side / Z) ** 2 for side in (0.03, 0.02, 0.04))  # the longer sides
    near, far = ends(0.1, 0.4, v + c, z + c, c)
    assert FULL.skill_interval == pytest.approx((1 - far, 1 - near), rel=1e-9)
    assert replace(FULL, better="target").skill_interval == pytest.approx((1 - far, 1 - near), rel=1e-9)
    beyond = replace(FULL, value=0.4, low=0.39, high=0.43)  # as far on the other side
    near, far = ends(-0.1, 0.4, v + c, z + c, c)
    assert beyond.skill_interval == pytest.approx((1 - far, 1 - near), rel=1e-9)
    assert replace(beyond, better="target").skill_interval == pytest.approx((1 + near, 1 + far), rel=1e-9)


@pytest.mark.parametrize("value", [0.495, 0.505])
def test_where_the_ceiling_is_the_aim_it_may_be_reached(value: float) -> None:
    """An interval that has 0 in it ends at skill 1, and begins at what is missed most on either side."""
    v, c, z = ((side / Z) ** 2 for side in (0.03, 0.02, 0.04))
    near, far = ends(value - 0.5, 0.4, v + c, z + c, c)
    low, high = replace(FULL, better="target", value=value, low=value - 0.03, high=value + 0.03).skill_interval
    assert high == 1 and low == pytest.approx(1 - max(-near, far), rel=1e-9) and near < 0 < far


def test_a_ratio_whose_interval_has_no_end() -> None:
    assert _fieller((1.0, 1.0), 0.01, 1.0, 0.0) is None  # the lower part may be 0
    assert _fieller((1.0, 2.0), 0.0, 0.0, 0.0) == (0.5, 0.5)
    assert _fieller((1.0, 1.0), 0.0, 0.2, 0.0) is not None  # 1² − Z² · 0.2 is above 0
    assert _fieller((1.0, 1.0), 0.0, 0.3, 0.0) is None
    for top in range(1, 40):  # where all is certain, rounding may make a root of less than nothing
        found = _fieller((top / 10, 0.3), 0.0, 0.0, 0.0)
        assert found == pytest.approx((top / 3, top / 3)) and all(isinstance(end, float) for end in found)  # not complex
    both = _fieller((0.1, 0.4), 1e-3, 2e-3, 5e-4)
    assert both == pytest.approx(ends(0.1, 0.4, 1e-3, 2e-3, 5e-4), rel=1e-9)


def test_variance_is_of_the_longer_side() -> None:
    assert _variance(0.5, (0.4, 0.53)) == pytest.approx((0.1 / Z) ** 2)
    assert _variance(0.5, (0.47, 0.6)) == pytest.approx((0.1 / Z) ** 2)
    assert _variance(0.5, (0.5, 0.5)) == 0
    assert _variance(0.5, (0.0, 2.5)) == pytest.approx((2 / Z) ** 2)


def test_what_would_have_shown_in_four_of_five_comparisons() -> None:
    spread = math.hypot(0.03, 0.02) / Z
    assert FULL.detectable == pytest.approx((norm.ppf(0.975) + norm.ppf(0.8)) * spread, rel=1e-9)
    for gone in ("value", "ceiling"):
        assert replace(FULL, **{gone: None}).detectable is None


def test_a_bare_score_claims_nothing() -> None:
    bare = Score(name="x", value=0.5, better="target")
    assert [bare.tested, bare.flagged, bare.draws, bare.note, bare.detail, bare.zero] == [0, (), (), "", {}, None]
    assert bare.skill is None and bare.skill_interval is None and bare.detectable is None
    with pytest.raises(AttributeError):
        bare.value = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        Score("x", 0.5, "target")  # type: ignore[misc]
