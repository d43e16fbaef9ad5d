"""Rates at few false alarms: known values, and intervals and bounds that hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve

from lookalike.compare import roc
from lookalike.compare.space import neighbours


@pytest.mark.parametrize(("hits", "rows"), [(0, 40), (3, 40), (40, 40), (17, 1000)])
def test_the_exact_interval_is_scipys(hits: int, rows: int) -> None:
    known = binomtest(hits, rows).proportion_ci(method="exact")
    assert roc.clopper(hits, rows) == pytest.approx((known.low, known.high), abs=1e-9)


def test_the_curve_is_sklearns_and_ties_are_one_threshold() -> None:
    rng = np.random.default_rng(0)
    yes, no = rng.integers(0, 12, 300) / 3 + 0.5, rng.integers(0, 12, 200) / 3
    truth, score = np.repeat([1, 0], [300, 200]), np.concatenate([yes, no])
    fpr, tpr, _ = roc_curve(truth, score, drop_intermediate=False)
    x, y = roc.curve(yes, no)
    np.testing.assert_allclose(np.interp(fpr, x, y), [tpr[fpr == f].min() for f in fpr])
    assert roc.area(yes, no)[0] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    drawn = roc.drawn(yes, no)
    assert len(drawn["fpr"]) <= roc.POINTS and drawn["fpr"][0] == 0 and drawn["tpr"][-1] == 1
    assert all(a <= b for k in drawn for a, b in zip(drawn[k], drawn[k][1:], strict=False))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_interval_of_members_found_covers_the_truth(shift: float, rate: float) -> None:
    rng = np.random.default_rng(1)
    truth, n = ndtr(shift - ndtri(1 - rate)), 600
    held = 0
    for _ in range(400):
        _, low, high = roc.found_at(rng.normal(shift, 1, n), rng.normal(0, 1, n), rate) or (0, 1, 0)
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.995


def test_too_few_strangers_are_not_asked_for_a_small_rate() -> None:
    rng = np.random.default_rng(2)
    assert roc.found_at(rng.random(5_000), rng.random(1_999), 0.001) is None
    assert roc.found_at(rng.random(5_000), rng.random(2_000), 0.001) is not None


def test_epsilon_is_never_proven_beyond_the_truth_and_not_far_below_it() -> None:
    rng, epsilon, n = np.random.default_rng(3), 2.0, 1_000
    right = np.exp(epsilon) / (1 + np.exp(epsilon))
    bounds = []
    for _ in range(200):  # randomised response, the mechanism that ε describes exactly
        yes, no = ((rng.random((2, n)) < p).astype(float) for p in (right, 1 - right))
        bounds.append(roc.bound(yes[0], no[0], yes[1], no[1]))
    assert np.mean(np.array(bounds) > epsilon) <= 0.05
    assert np.median(bounds) > 1.7


def test_neighbours_are_those_of_all_distances() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(70, 5)).astype(np.float32), rng.normal(size=(333, 5)).astype(np.float32)
    gap = np.sqrt(((a[:, None].astype(float) - b[None]) ** 2).sum(2))
    near, rows = neighbours(a, b, 9)
    np.testing.assert_array_equal(rows, np.argsort(gap, axis=1)[:, :9])
    np.testing.assert_allclose(near, np.sort(gap, axis=1)[:, :9], atol=1e-4)
    assert neighbours(a, b[:4], 9)[1].shape == (70, 4)
