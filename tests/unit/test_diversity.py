"""Diversity: what follows from the definitions, computed the long way, and the damage that each metric is there to notice."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
from sklearn.neighbors import NearestNeighbors

from lookalike.compare import near
from lookalike.compare.about import Context, Finding
from lookalike.compare.frame import Frame, code
from lookalike.metrics import clusters, coverage, duplicates, support, typical
from lookalike.schema import Column


def frames(**tables: dict[str, np.ndarray]) -> dict[str, Frame]:
    """Frames of arrays; text arrays are categories."""
    first = next(iter(tables.values()))
    kinds = [Column(name=k, kind="number" if np.issubdtype(v.dtype, np.number) else "category") for k, v in first.items()]
    return code({role: pa.table({k: pa.array(v, from_pandas=True) for k, v in t.items()}) for role, t in tables.items()}, kinds)


def context(seed: int = 0, **more: object) -> Context:
    return Context(np.random.default_rng(seed), **more)


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {f.name: f for f in found}


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """All distances at once, in double precision."""
    return np.sqrt(((a[:, None, :].astype(float) - b[None, :, :].astype(float)) ** 2).sum(2))


# ---- neighbours


def test_neighbours_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((700, 6), np.float32), rng.random((900, 6), np.float32)
    gap, index = NearestNeighbors(n_neighbors=4).fit(b).kneighbors(a)
    found, squared = near.closest(a, b)
    assert np.array_equal(found, index[:, 0])
    np.testing.assert_allclose(np.sqrt(squared), gap[:, 0], atol=1e-4)
    others = NearestNeighbors(n_neighbors=4).fit(b).kneighbors(b)[0]
    np.testing.assert_allclose(np.sqrt(near.radii(b, 3)), others[:, 3], atol=1e-4)


# ---- support


def test_support_is_prdc_the_long_way() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(400, 3)).astype(np.float32), (0.6 * rng.normal(size=(300, 3)) + 0.5).astype(np.float32)
    reach = [np.sort(distances(x, x), axis=1)[:, 5] for x in (a, b)]
    gap = distances(a, b)
    found = support.prdc(a, b, 5)
    assert found.precision()[0] == (gap < reach[0][:, None]).any(0).mean()
    assert found.recall == (gap < reach[1][None, :]).any(1).mean()
    assert found.density == pytest.approx((gap < reach[0][:, None]).sum() / (5 * 300))
    assert found.coverage()[0] == (gap.min(1) < reach[0]).mean()


def test_support_of_labels_alone_is_whole_for_equal_rows() -> None:
    rng = np.random.default_rng(0)
    draw = lambda: {"u": rng.choice(list("abc"), 500), "v": rng.choice(list("xyz"), 500)}  # noqa: E731
    pair = frames(a=draw(), b=draw())
    assert [f.value for f in support.measure(pair["a"], pair["b"], context=context())] == [1, 1]


def test_support_intervals_cover_the_spread_of_repeated_draws() -> None:
    rng = np.random.default_rng(2)
    draws = [support.prdc(*(rng.normal(size=(500, 2)).astype(np.float32) for _ in range(2)), 5).coverage() for _ in range(60)]
    middle = np.mean([d[0] for d in draws])
    assert sum(low <= middle <= high for _, low, high in draws) >= 52  # of 60: 57 expected, fewer than 52 happens once in 100 runs


def mixture(rng: np.random.Generator, modes: list[int], rows: int = 1_000) -> dict[str, np.ndarray]:
    mode = rng.choice(modes, rows)
    return {"x": 10 * mode + rng.normal(size=rows), "y": 7 * (mode % 2) + rng.normal(size=rows), "g": np.array(list("abcdefgh"))[mode]}


@pytest.fixture(scope="module")
def modes() -> dict[str, Frame]:
    rng = np.random.default_rng(3)
    return frames(
        real=mixture(rng, [0, 1, 2, 3, 4]),
        same=mixture(rng, [0, 1, 2, 3, 4]),
        collapsed=mixture(rng, [0, 1, 2, 4]),
        invented=mixture(rng, [0, 1, 2, 3, 4, 6]),
    )


def test_support_tells_a_collapsed_mode_from_an_invented_one(modes: dict[str, Frame]) -> None:
    values = {k: by_name(support.measure(modes["real"], f, context=context())) for k, f in modes.items() if k != "real"}
    assert values["collapsed"]["neighbourhoods"].high < values["same"]["neighbourhoods"].low - 0.1
    assert values["collapsed"]["precision"].value > 0.95
    assert values["invented"]["precision"].high < values["same"]["precision"].low - 0.1
    assert values["invented"]["neighbourhoods"].value > 0.9


def test_an_over_smooth_table_loses_neighbourhoods() -> None:
    rng = np.random.default_rng(4)
    draw = lambda s: {k: s * rng.standard_t(3, 1_000) for k in "xyz"}  # noqa: E731
    pair = frames(real=draw(1), same=draw(1), smooth=draw(0.4))
    same, smooth = (by_name(support.measure(pair["real"], pair[k], context=context()))["neighbourhoods"] for k in ("same", "smooth"))
    assert smooth.high < same.low - 0.1


# ---- typical


def long_way(real: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """α-precision, β-recall and authenticity, straight from their definitions."""
    steps = np.linspace(0, 1, 31)
    far = [np.sqrt(((x - real.mean(0)) ** 2).sum(1)) for x in (real, other)]
    alpha = [(far[1] <= np.quantile(far[0], a, method="higher")).mean() if a else 0.0 for a in steps]
    own = distances(real, real) + np.diag(np.full(len(real), np.inf))
    gap = distances(real, other)
    spread = np.sqrt(((other - other.mean(0)) ** 2).sum(1))
    met = gap.min(1) <= own.min(1)
    beta = [(met & (spread[gap.argmin(1)] <= np.quantile(spread, b, method="higher"))).mean() if b else 0.0 for b in steps]
    authentic = gap.min(0) > own.min(1)[gap.argmin(0)]
    score = lambda curve: 1 - 2 * np.trapezoid(np.abs(np.array(curve) - steps), steps)  # noqa: E731
    return score(alpha), score(beta), authentic.mean()


def test_typical_is_the_definition_the_long_way() -> None:
    rng = np.random.default_rng(5)
    table = lambda n, s: {k: s * rng.random(n) for k in "xyz"}  # noqa: E731
    pair = frames(a=table(500, 1), b=table(500, 0.8))
    from lookalike.compare.space import Space

    space = Space(pair["a"])
    alpha, beta, authentic = long_way(space.embed(pair["a"]), space.embed(pair["b"]))
    found = by_name(typical.measure(pair["a"], pair["b"], context=context()))
    assert found["alpha_precision"].value == pytest.approx(alpha, abs=0.005)
    assert found["beta_recall"].value == pytest.approx(beta, abs=0.005)
    assert found["beta_recall"].detail["authenticity"] == pytest.approx(authentic, abs=1e-4)


def test_authenticity_looks_at_the_nearest_real_row() -> None:
    rng = np.random.default_rng(6)
    wide = np.where(rng.random(600) < 0.5, 0.02, 3.0)  # dense rows and scattered ones: whose distance is taken matters
    real = {"x": wide * rng.normal(size=600), "y": wide * rng.normal(size=600)}
    half = {k: np.concatenate([v[:300], 5 + 50 * rng.random(300)]) for k, v in real.items()}  # half copied, half far from everything
    pair = frames(real=real, half=half)
    found = by_name(typical.measure(pair["real"], pair["half"], context=context()))["beta_recall"]
    assert found.detail["authenticity"] == pytest.approx(0.5, abs=0.01)


def test_typical_sees_smooth_and_collapsed(modes: dict[str, Frame]) -> None:
    same, collapsed = (by_name(typical.measure(modes["real"], modes[k], context=context())) for k in ("same", "collapsed"))
    assert collapsed["beta_recall"].high < same["beta_recall"].low
    rng = np.random.default_rng(7)
    pair = frames(real={"x": rng.normal(size=900)}, same={"x": rng.normal(size=900)}, smooth={"x": 0.4 * rng.normal(size=900)})
    same, smooth = (by_name(typical.measure(pair["real"], pair[k], context=context()))["alpha_precision"] for k in ("same", "smooth"))
    assert same.value > 0.88
    assert smooth.high < 0.7


# ---- values reached


def test_the_chance_of_a_missed_level_is_the_hypergeometric_one() -> None:
    real = np.array(["a"] * 380 + ["b"] * 12 + ["c"] * 8)
    pair = frames(real={"g": real}, other={"g": np.where(np.arange(300) % 3, "a", "c")})
    found = coverage.measure(pair["real"], pair["other"], context=context())
    known = scipy.stats.hypergeom(700, 12, 300).pmf(0)  # none of the 12 is among the 300
    assert found[0].tests["g"] == pytest.approx(3 * known, rel=1e-9)
    assert found[0].value == pytest.approx(200 / 3)
    assert found[0].detail["columns"]["g"]["missed"] == [{"level": "b", "rows": 12}]
    assert found[1].value is None  # no level is as rare as 1 %


def test_a_dropped_rare_level_and_a_cut_tail_are_named() -> None:
    rng = np.random.default_rng(8)

    def draw(*, rare: bool = True, tail: bool = True) -> dict[str, np.ndarray]:
        g = rng.choice(["u", "v", "w"] if rare else ["u", "v"], 4_000, p=[0.6, 0.392, 0.008] if rare else [0.6, 0.4])
        x = rng.normal(size=4_000)
        return {"g": g, "h": rng.choice(["p", "q"], 4_000), "x": x if tail else np.minimum(x, 2.0), "z": rng.normal(size=4_000)}

    tables = frames(real=draw(), same=draw(), level=draw(rare=False), tail=draw(tail=False))
    found = {k: coverage.measure(tables["real"], f, context=context()) for k, f in tables.items()}
    assert min(found["same"][0].tests.values()) > 0.1
    assert {k for k, p in found["level"][0].tests.items() if p < 0.001} == {"g"}
    assert {k for k, p in found["tail"][0].tests.items() if p < 0.001} == {"x"}
    assert found["same"][1].value == 100
    assert found["level"][1].high < 100
    assert found["tail"][1].high < 100
    assert found["tail"][0].detail["columns"]["x"]["range"] < found["same"][0].detail["columns"]["x"]["range"]


def test_chances_of_missed_places_do_not_cry_wolf() -> None:
    rng = np.random.default_rng(9)
    rare = 1 / np.arange(1, 60) ** 1.5
    draw = lambda: {"g": rng.choice([f"l{i}" for i in range(59)], 500, p=rare / rare.sum()), "x": rng.normal(size=500)}  # noqa: E731
    low = 0
    for k in range(60):
        pair = frames(a=draw(), b=draw())
        low += min(coverage.measure(pair["a"], pair["b"], context=context(k))[0].tests.values()) < 0.05
    assert low <= 10  # two tests each: at most 6 are expected, more than 10 happens once in 30 runs


# ---- clusters


def test_clusters_name_lost_and_invented_modes(modes: dict[str, Frame]) -> None:
    found = {k: clusters.measure(modes["real"], modes[k], context=context())[0] for k in ("same", "collapsed", "invented")}
    assert (found["same"].detail["lost"], found["same"].detail["invented"]) == (0, 0)
    assert found["collapsed"].detail["lost"] >= 1
    assert found["invented"].detail["invented"] >= 1
    lost = [c for c in found["collapsed"].detail["clusters"] if c["flag"] == "lost"]
    assert all("g = d" in c["words"] for c in lost)
    assert found["collapsed"].value == pytest.approx(20, abs=5)
    for name in ("collapsed", "invented"):
        assert found[name].low > found["same"].high


def test_tests_of_clusters_hold_their_level() -> None:
    rng = np.random.default_rng(10)
    chances = []
    for k in range(25):
        pair = frames(a=mixture(rng, [0, 1, 2], 300), b=mixture(rng, [0, 1, 2], 300))
        chances += clusters.measure(pair["a"], pair["b"], context=context(k))[0].tests.values()
    assert np.mean(np.array(chances) < 0.05) < 0.08


# ---- duplicates


def test_repeated_rows_are_counted() -> None:
    rng = np.random.default_rng(11)
    real = {"x": rng.normal(size=400), "g": rng.choice(["a", "b"], 400)}
    other = {k: np.concatenate([v[:300], v[:60], v[:40]]) for k, v in real.items()}
    tables = frames(real=real, other=other)
    found = duplicates.measure(tables["real"], tables["other"], context=context())[0]
    assert found.value == 100 * 160 / 400  # 20 rows twice, 40 three times
    assert found.detail["times"] == [{"times": 1, "rows": 240}, {"times": 2, "rows": 20}, {"times": 3, "rows": 40}]
    assert duplicates.measure(tables["real"], tables["real"], context=context())[0].value == 0


@pytest.mark.parametrize("metric", [clusters, coverage, duplicates, support, typical])
def test_odd_tables_get_a_value_or_a_reason(metric: object) -> None:
    one = {"x": np.full(200, 1.0), "g": np.full(200, "a", object), "n": np.full(200, np.nan)}
    none = {"x": np.full(200, np.nan), "g": np.full(200, None, object), "n": np.full(200, np.nan)}
    few = {k: v[:3] for k, v in one.items()}
    tables = frames(one=one, none=none, few=few)
    for a in tables.values():
        for b in tables.values():
            for found in metric.measure(a, b, context=context()):
                assert found.note if found.value is None else np.isfinite(found.value)
                json.dumps([found.detail, dict(found.tests)], allow_nan=False)
