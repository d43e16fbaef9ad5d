"""Fidelity metrics against known values: scipy's, scikit-learn's, and what follows from the definition."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import scipy.spatial.distance
import scipy.stats
import sklearn.metrics

from lookalike.compare import chance, pairs
from lookalike.compare.about import Context
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame, code, grid
from lookalike.metrics import columns, correlation, marginals, missing, shape, subgroups, tails, trend
from lookalike.schema import Column


def frames(**tables: dict[str, np.ndarray]) -> dict[str, Frame]:
    """Frames of arrays; text arrays are categories."""
    first = next(iter(tables.values()))
    kinds = [Column(name=k, kind="number" if np.issubdtype(v.dtype, np.number) else "category") for k, v in first.items()]
    return code({role: pa.table({k: pa.array(v, from_pandas=True) for k, v in t.items()}) for role, t in tables.items()}, kinds)


def context(seed: int = 0, **more: object) -> Context:
    return Context(np.random.default_rng(seed), **more)


def by_name(module: object, pair: dict[str, Frame], **more: object) -> dict[str, object]:
    real, other = pair.values()
    return {f.name: f for f in module.measure(real, other, context=context(**more))}


# ---- chance


def test_chi_square_is_scipys_and_rare_levels_are_pooled() -> None:
    p, q = np.array([50, 30, 20]), np.array([20, 40, 40])
    known = scipy.stats.chi2_contingency(np.array([p, q]), correction=False)
    assert chance.chi_square(p, q) == pytest.approx((known.statistic, known.pvalue), abs=1e-9)
    rare, pooled = np.array([50, 30, 20, 1, 2]), np.array([50, 30, 20, 3])
    other, other_pooled = np.array([20, 40, 40, 2, 1]), np.array([20, 40, 40, 3])
    assert chance.chi_square(rare, other) == pytest.approx(chance.chi_square(pooled, other_pooled), abs=1e-9)
    assert chance.chi_square(np.array([9, 0]), np.array([0, 0]))[1] == 1


def test_kolmogorov_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=400), rng.normal(0.1, 1, 300)
    known = scipy.stats.ks_2samp(a, b, method="asymp")
    assert chance.kolmogorov(known.statistic, 400, 300) == pytest.approx(known.pvalue, abs=1e-9)


def test_expected_total_variation_is_the_mean_of_many_draws() -> None:
    rng, law = np.random.default_rng(0), np.array([0.5, 0.25, 0.15, 0.1])
    p, q = rng.multinomial(900, law, 4_000), rng.multinomial(500, law, 4_000)
    known = 0.5 * np.abs(p / 900 - q / 500).sum(1).mean()
    assert chance.total_variation(900 * law, 500 * law, (900, 500)).sum() == pytest.approx(known, rel=0.03)


@pytest.mark.parametrize("strength", [0.0, 0.9])
@pytest.mark.parametrize("rows", [(600, 600), (2_000, 300)])
def test_pairs_of_one_law_differ_by_chance_as_often_as_they_should(strength: float, rows: tuple[int, int]) -> None:
    low = []
    for seed in range(25):
        rng = np.random.default_rng(seed)

        def draw(n: int, rng: np.random.Generator = rng) -> dict[str, np.ndarray]:
            z = rng.normal(size=n)
            return {f"c{j}": strength * z + (1 - strength**2) ** 0.5 * rng.normal(size=n) for j in range(8)}

        pair = frames(a=draw(rows[0]), b=draw(rows[1]))
        bins = grid(pair["a"], pair["a"].names)
        with one_thread():
            counts = [pairs.tables(f, bins, rng).sum(0, dtype=float) for f in pair.values()]
        low += pairs.differ(*counts, bins)[np.triu_indices(8, 1)].tolist()
    share = np.mean(np.array(low) < 0.05)
    assert 0.01 < share < 0.08  # of 700 tests; 5 % are due


def test_a_shift_of_one_column_is_no_change_of_dependence() -> None:
    rng = np.random.default_rng(0)

    def draw(up: float) -> dict[str, np.ndarray]:
        x = rng.normal(size=3_000)
        return {"x": np.where(rng.random(3_000) < up, "a", "b"), "y": x, "z": x + rng.normal(size=3_000)}

    tests = by_name(trend, frames(a=draw(0.5), b=draw(0.7)))["dependence"].tests
    assert min(tests["x × y"], tests["x × z"]) > 0.001


# ---- single columns


@pytest.mark.parametrize("rows", [300, 4_000])
def test_moved_mass_is_scipys_wasserstein(rows: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=rows), rng.normal(0.4, 1.3, rows)
    low, high = np.quantile(a, [0.01, 0.99])
    known = scipy.stats.wasserstein_distance(*(np.clip((x - low) / (high - low), 0, 1) for x in (a, b)))
    assert by_name(shape, frames(a={"x": a}, b={"x": b}))["wasserstein"].value == pytest.approx(100 * known, abs=1e-9)


def test_moved_mass_of_two_constants_is_all_of_it() -> None:
    found = by_name(shape, frames(a={"x": np.full(60, 3.0)}, b={"x": np.full(60, 4.0)}))
    assert (found["wasserstein"].value, found["shape"].value, found["jensen_shannon"].value) == (100, 100, 100)
    assert by_name(shape, frames(a={"x": np.full(60, 3.0)}, b={"x": np.full(60, 3.0)}))["wasserstein"].value == 0


def test_jensen_shannon_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.choice(list("abcd"), 900), rng.choice(list("abce"), 700, p=[0.1, 0.2, 0.3, 0.4])
    known = scipy.spatial.distance.jensenshannon(*([np.mean(x == k) for k in "abcde"] for x in (a, b)), 2)
    found = by_name(shape, frames(a={"c": a}, b={"c": b}))
    assert found["jensen_shannon"].value == pytest.approx(100 * known, abs=1e-9)
    assert found["wasserstein"].value is None
    assert found["wasserstein"].note


def test_tests_of_columns_are_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = ({"x": rng.normal(m, 1, 500), "c": rng.choice(list("ab"), 500, p=[0.5 + m, 0.5 - m])} for m in (0, 0.1))
    tests = by_name(shape, frames(a=a, b=b))["shape"].tests
    assert tests["x"] == pytest.approx(scipy.stats.ks_2samp(a["x"], b["x"], method="asymp").pvalue, abs=1e-9)
    table = [[np.sum(t["c"] == k) for k in "ab"] for t in (a, b)]
    assert tests["c"] == pytest.approx(scipy.stats.chi2_contingency(table, correction=False).pvalue, abs=1e-9)


# ---- pairs


def contingency(**values: np.ndarray) -> tuple[np.ndarray, object]:
    frame = frames(a=values)["a"]
    bins = grid(frame, frame.names)
    return pairs.tables(frame, bins, np.random.default_rng(0)).sum(0, dtype=float), bins


def test_information_is_scikit_learns_and_theils_u_its_share() -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(0, 4, 3_000)
    v = np.where(rng.random(3_000) < 0.5, u % 3, rng.integers(0, 3, 3_000))
    counts, bins = contingency(u=u.astype(str), v=v.astype(str))
    mutual, own = sklearn.metrics.mutual_info_score(u, v), [scipy.stats.entropy(np.bincount(x)) for x in (u, v)]
    known = sklearn.metrics.normalized_mutual_info_score(u, v)
    assert pairs.normalised(counts, bins, corrected=False)[0, 1] == pytest.approx(known, abs=1e-9)
    theil = pairs.theil(counts, bins, corrected=False)
    assert (theil[0, 1], theil[1, 0]) == pytest.approx((mutual / own[0], mutual / own[1]), abs=1e-9)


def test_corrected_information_of_independent_columns_is_near_nothing() -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(20):
        counts, bins = contingency(u=rng.normal(size=500), v=rng.normal(size=500))
        found.append([pairs.information(counts, bins, corrected=c)[0][0, 1] for c in (True, False)])
    corrected, plain = np.mean(found, axis=0)
    assert plain > 0.07
    assert corrected < 0.01


def test_correlation_is_scipys_spearman_and_one_outlier_does_not_move_it() -> None:
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(2, 700)), 1)
    y = rng.normal(size=(2, 700)) + x
    pair = frames(a={"x": x[0], "y": y[0]}, b={"x": x[1], "y": rng.permutation(y[1])})
    found = by_name(correlation, pair)["correlation"]
    known = [scipy.stats.spearmanr(f["x"], f["y"]).statistic for f in pair.values()]
    assert found.value == pytest.approx(50 * abs(known[0] - known[1]), abs=1e-9)
    wild = y[0].copy()
    wild[0] = 1e9
    moved = by_name(correlation, frames(a={"x": x[0], "y": y[0]}, b={"x": x[0], "y": wild}))["correlation"]
    assert moved.value < 0.3


def test_correlation_ratio_is_that_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    group = rng.choice(list("abc"), 600)
    x = rng.uniform(size=600) + (group == "a") * 0.3
    pair = frames(a={"g": group, "x": x}, b={"g": group, "x": np.full(600, 0.5)})
    found = by_name(correlation, pair)["correlation_ratio"]
    low, high = np.quantile(x, [0.005, 0.995])
    f = scipy.stats.f_oneway(*(np.clip(x, low, high)[group == g] for g in "abc")).statistic
    square = f * 2 / (f * 2 + 600 - 3)
    assert found.value == pytest.approx(100 * np.sqrt(1 - (1 - square) * 599 / 597), abs=1e-9)  # the other's x does not vary: all is lost
    assert by_name(correlation, pair)["correlation"].note


# ---- more than two columns


def test_three_way_is_the_total_variation_of_the_table_and_sees_what_no_pair_shows() -> None:
    rng = np.random.default_rng(0)

    def draw(odd: bool) -> dict[str, np.ndarray]:
        u, v = rng.integers(0, 2, (2, 2_000))
        w = (u + v) % 2 if odd else rng.integers(0, 2, 2_000)
        return {"u": u.astype(str), "v": v.astype(str), "w": w.astype(str)}

    pair = frames(a=draw(True), b=draw(False))
    cells = [np.bincount(f["u"] * 4 + f["v"] * 2 + f["w"], minlength=8) / 2_000 for f in pair.values()]
    found = by_name(marginals, pair)["three_way"]
    assert found.value == pytest.approx(50 * np.abs(cells[0] - cells[1]).sum(), abs=1e-9)
    assert found.value > 45
    assert by_name(trend, pair)["trend"].value < 5
    same = by_name(marginals, frames(a=draw(True), b=draw(True)))["three_way"]
    assert same.detail["chance"] == pytest.approx(same.value, abs=2)


def test_of_many_triples_some_are_drawn_and_the_note_says_so() -> None:
    rng = np.random.default_rng(0)
    tables = [{f"c{j}": rng.normal(size=60) for j in range(20)} for _ in range(2)]
    found = by_name(marginals, frames(a=tables[0], b=tables[1]))["three_way"]
    assert found.detail["triples"] == 500
    assert found.note == "500 of 1,140 triples, drawn at random"


def test_what_is_drawn_at_random_is_the_same_for_every_table() -> None:
    rng = np.random.default_rng(0)
    wide = frames(a={f"c{j}": rng.normal(size=120) for j in range(20)}, b={f"c{j}": rng.normal(size=120) for j in range(20)})
    for module, name in ((marginals, "three_way"), (columns, "column_prediction")):
        one, two = (module.measure(*wide.values(), context=context(seed))[0] for seed in (1, 2))
        assert "drawn at random" in one.note, name
        assert one.detail.get("worst") == two.detail.get("worst")
        assert list(one.detail.get("columns", ())) == list(two.detail.get("columns", ()))


# ---- tails


def test_tails_are_the_shares_beyond_real_quantiles() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=2_000), rng.normal(0, 0.6, 2_000)
    found = by_name(tails, frames(a={"x": a}, b={"x": b}))["tails"]
    gaps = []
    for q in (0.01, 0.05, 0.95, 0.99):
        cut = np.quantile(a, q)
        one, two = (np.mean(x < cut if q < 0.5 else x > cut) for x in (a, b))
        gaps.append(abs(one - two) / (one + two))
    assert found.value == pytest.approx(100 * np.mean(gaps), abs=1e-9)
    assert found.detail["columns"]["x"]["above 99 %"][0] == 1.0


def test_joint_extremes_are_one_together_and_none_apart() -> None:
    x = np.random.default_rng(0).normal(size=1_000)
    found = by_name(tails, frames(a={"x": x, "y": x}, b={"x": x, "y": -x}))["tail_dependence"]
    assert found.value == pytest.approx(100, abs=3)
    assert {c["real"] for c in found.detail["corners"]} == {0.0, 1.0}


# ---- missing cells


def test_patterns_of_missing_cells_are_counted_and_rare_ones_not_shown() -> None:
    x = np.arange(400.0)
    two = np.where(x < 100, np.nan, x)
    apart = np.where(x >= 300, np.nan, x)
    lone = np.where(x < 3, np.nan, x)
    pair = frames(a={"x": x, "u": two, "v": two, "w": lone}, b={"x": x, "u": two, "v": apart, "w": x})
    found = by_name(missing, pair)["missing_patterns"]
    assert found.value == pytest.approx(50)  # 25 % lost both cells, 50 % one, in the other table none and 25 % each
    shown = [(p["missing"], p["real"]) for p in found.detail["patterns"]]
    assert shown == [([], 0.75), (["u", "v"], 0.2425)]  # the pattern of three rows is not told


# ---- subgroups and columns


def test_subgroups_are_the_conditional_distances() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b"], [600, 200])
    y = rng.choice(["no", "yes"], 800)
    flipped = np.where(group == "b", "yes", y)
    pair = frames(a={"g": group, "y": y}, b={"g": group, "y": flipped})
    found = by_name(subgroups, pair, protected=("g",))["subgroup_shape"]
    in_b = 100 * np.mean(y[600:] == "no")
    worst = found.detail["groups"]
    assert (worst[0]["column"], worst[0]["level"], worst[0]["rows"]) == ("g", "b", [200, 200])
    assert worst[0]["value"] == pytest.approx(in_b, abs=1e-3)
    assert found.tests["g = b: y"] < 1e-9
    assert found.tests["g = a: y"] == 1
    numbers = {"x": rng.normal(size=800), "y": y}
    quarters = by_name(subgroups, frames(a=numbers, b=numbers), protected=("x",))["subgroup_shape"].detail["groups"]
    assert {g["level"] for g in quarters if g["column"] == "x"} == set(subgroups.QUARTERS)


def test_a_group_that_is_not_there_is_wholly_wrong() -> None:
    group = np.repeat(["a", "b"], 100)
    y = np.tile(["no", "yes"], 100)
    pair = frames(a={"g": group, "y": y}, b={"g": np.full(200, "a"), "y": y})
    worst = by_name(subgroups, pair)["subgroup_shape"].detail["groups"][0]
    assert (worst["level"], worst["value"]) == ("b", 100)


def test_columns_are_predicted_from_the_others() -> None:
    rng = np.random.default_rng(0)

    def draw() -> dict[str, np.ndarray]:
        x, noise = rng.normal(size=(2, 1_500))
        return {"x": x, "y": x + 0.5 * noise, "c": np.where(x > 0, "up", "down"), "z": rng.normal(size=1_500)}

    found = by_name(columns, frames(a=draw(), b=draw()))["column_prediction"].detail["columns"]
    assert 0.7 < found["y"]["value"] < 0.8  # 1 / 1.25 at best
    assert found["c"]["value"] > 0.97
    assert found["c"]["f1"] > 0.95
    assert found["z"]["value"] == pytest.approx(0, abs=0.02)
