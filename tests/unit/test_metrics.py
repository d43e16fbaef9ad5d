"""Metrics against known values: scipy's, scikit-learn's, and what follows from the definition."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from lookalike.compare import near, pairs, stats
from lookalike.compare.about import Context
from lookalike.compare.frame import Frame, code, grid
from lookalike.compare.rows import among
from lookalike.errors import DataError
from lookalike.metrics import c2st, copies, missing, nearness, shape, trend, utility
from lookalike.schema import Column


def frame(**columns: np.ndarray) -> Frame:
    return frames(a=columns)["a"]


def frames(**tables: dict[str, np.ndarray]) -> dict[str, Frame]:
    """Frames of arrays; text arrays are categories."""
    first = next(iter(tables.values()))
    kinds = [Column(name=k, kind="number" if np.issubdtype(v.dtype, np.number) else "category") for k, v in first.items()]
    return code({role: pa.table({k: pa.array(v, from_pandas=True) for k, v in t.items()}) for role, t in tables.items()}, kinds)


def context(seed: int = 0, **more: object) -> Context:
    return Context(np.random.default_rng(seed), **more)


# ---- intervals


def test_auc_is_scikit_learns_and_its_error_is_the_bootstraps() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(600) < 0.4
    score = np.round(rng.normal(truth, 1.0), 1)  # with ties
    value, error = stats.auc(truth, score)
    assert value == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    draws = [rng.integers(0, 600, 600) for _ in range(300)]
    assert error == pytest.approx(np.std([roc_auc_score(truth[d], score[d]) for d in draws]), rel=0.15)


@pytest.mark.parametrize(("hits", "rows"), [(0, 40), (3, 40), (20, 40), (40, 40)])
def test_wilson_is_scipys(hits: int, rows: int) -> None:
    known = scipy.stats.binomtest(hits, rows).proportion_ci(method="wilson")
    assert stats.wilson(hits, rows) == pytest.approx((known.low, known.high), abs=1e-12)


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=4_000)
    group = stats.blocks(len(values), np.random.default_rng(2))
    found = [float(stats.jackknife(np.array([np.delete(values, np.flatnonzero(group == g)).mean() for g in range(stats.BLOCKS)])))]
    assert found[0] == pytest.approx(values.std() / np.sqrt(len(values)), rel=0.4)


def test_shape_intervals_cover_the_truth() -> None:
    rng, truth, covered = np.random.default_rng(3), 100 * (scipy.stats.norm.cdf(0.25) - 0.5) * 2, 0
    for k in range(60):
        pair = frames(a={"x": rng.normal(size=1_500)}, b={"x": rng.normal(0.5, 1, 1_500)})
        found = shape.measure(pair["a"], pair["b"], context=context(k))[0]
        covered += found.low <= truth <= found.high
    assert covered >= 52  # 95 % of 60 is 57; fewer than 52 happens once in 100 runs


# ---- shape


def test_shape_is_scipys_kolmogorov_smirnov() -> None:
    rng = np.random.default_rng(0)
    pair = frames(a={"x": np.round(rng.normal(size=700), 1)}, b={"x": np.round(rng.normal(0.3, 1.2, 500), 1)})
    known = scipy.stats.ks_2samp(pair["a"]["x"], pair["b"]["x"]).statistic
    assert shape.measure(pair["a"], pair["b"], context=context())[0].value == pytest.approx(100 * known, abs=1e-9)


def test_shape_of_labels_is_total_variation_with_missing_as_a_level() -> None:
    a, b = np.array(["x"] * 50 + ["y"] * 50, object), np.array(["x"] * 20 + ["y"] * 50 + [None] * 30, object)
    pair = frames(a={"c": a}, b={"c": b})
    assert shape.measure(pair["a"], pair["b"], context=context())[0].value == pytest.approx(30)


def test_shape_sees_missing_numbers() -> None:
    x = np.arange(100.0)
    pair = frames(a={"x": x}, b={"x": np.where(x < 25, np.nan, x)})
    assert shape.measure(pair["a"], pair["b"], context=context())[0].value == pytest.approx(25)


# ---- pairs


def test_a_heavy_value_has_its_own_bin() -> None:
    x = np.concatenate([np.zeros(900), np.linspace(1, 100, 100)])
    table = frame(x=x)
    bins = grid(table, ["x"])
    codes = bins.codes(table)[0]
    assert len(set(codes[:900])) == 1
    assert not set(codes[:900]) & set(codes[900:])


def test_trend_is_the_total_variation_of_the_two_way_table() -> None:
    rng = np.random.default_rng(0)
    draw = lambda w: {"u": rng.choice(list("abc"), 900), "v": rng.choice(list("xyz"), 900, p=w)}  # noqa: E731
    pair = frames(a=draw([0.5, 0.3, 0.2]), b=draw([0.2, 0.3, 0.5]))
    joint = [np.bincount(f["u"] * 3 + f["v"], minlength=9) / 900 for f in pair.values()]
    found = trend.measure(pair["a"], pair["b"], context=context())[0]
    assert found.value == pytest.approx(50 * np.abs(joint[0] - joint[1]).sum(), abs=1e-6)
    assert found.detail["error"][0][1] == pytest.approx(found.value, abs=0.01)


def test_one_outlier_does_not_move_trend() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=2_000)
    group = np.where(x > 0, "up", "down")
    wild = x.copy()
    wild[0] = 1e9
    pair = frames(a={"x": x, "g": group}, b={"x": wild, "g": group})
    assert trend.measure(pair["a"], pair["b"], context=context())[0].value < 0.2


def test_association_is_cramers_v() -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(0, 4, 3_000)
    v = np.where(rng.random(3_000) < 0.5, u % 3, rng.integers(0, 3, 3_000))
    table = frame(u=u.astype(str), v=v.astype(str))
    bins = grid(table, table.names)
    found = pairs.association(pairs.tables(table, bins, np.random.default_rng(0)).sum(0, dtype=float), bins)[0, 1]
    known = scipy.stats.contingency.association(np.histogram2d(u, v, (4, 3))[0].astype(int), method="cramer")
    assert found == pytest.approx(known, abs=0.01)


def test_pearson_is_numpys_over_rows_with_both() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 500))
    x[1] += x[0]
    x[0, :50], x[2, 30:90] = np.nan, np.nan
    r = pairs.pearson(frame(a=x[0], b=x[1], c=x[2]), ["a", "b", "c"])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        both = ~np.isnan(x[i]) & ~np.isnan(x[j])
        assert r[i, j] == pytest.approx(np.corrcoef(x[i, both], x[j, both])[0, 1], abs=1e-9)


# ---- missing


def test_missing_sees_the_rate_and_the_place() -> None:
    rng = np.random.default_rng(0)
    g = rng.choice(["a", "b"], 4_000)
    x = rng.normal(size=4_000)
    lost = lambda where: {"g": g, "x": np.where(where, np.nan, x)}  # noqa: E731
    bound, random, fewer = (g == "a") & (rng.random(4_000) < 0.4), rng.random(4_000) < 0.2, (g == "a") & (rng.random(4_000) < 0.2)
    tables = frames(real=lost(bound), same=lost(bound), random=lost(random), fewer=lost(fewer))
    value = {k: missing.measure(tables["real"], f, context=context())[0].value for k, f in tables.items()}
    assert value["same"] == 0
    assert value["random"] == pytest.approx(50, abs=5)  # half of the missing cells are in the wrong group
    assert value["fewer"] == pytest.approx(50, abs=5)  # half of them are not there


# ---- classifier test


def test_copying_the_training_rows_does_not_help_and_reasons_name_the_column() -> None:
    rng = np.random.default_rng(0)
    draw = lambda n: {"x": rng.normal(size=n), "y": rng.normal(size=n), "z": rng.choice(["a", "b"], n)}  # noqa: E731
    train, hold = draw(800), draw(800)
    bad = draw(800)
    bad["y"] = bad["y"] * 2
    tables = frames(train=train, hold=hold, copy=hold, bad=bad)
    assert c2st.measure(tables["hold"], tables["train"], context=context())[0].value == pytest.approx(0.5, abs=0.05)
    # An exact copy of the rows it is compared with scores half, not far below: equal rows share a fold.
    assert c2st.measure(tables["hold"], tables["copy"], context=context())[0].value == pytest.approx(0.5, abs=0.05)
    found = c2st.measure(tables["hold"], tables["bad"], context=context(explain=True))[0]
    assert found.low > 0.6
    assert found.detail["reasons"][0]["name"] == "y"


# ---- copies and nearness


def test_copies_are_counted() -> None:
    rng = np.random.default_rng(0)
    draw = lambda n: {"x": rng.normal(size=n), "y": rng.normal(size=n), "z": rng.choice(list("abc"), n), "w": rng.normal(size=n)}  # noqa: E731
    train, synthetic = draw(500), draw(400)
    for k in train:
        synthetic[k][:100] = train[k][:100]
    synthetic["w"][:60] += 1  # near copies: all but one column
    synthetic["x"][60:80] *= 1 + 1e-14  # exact but for rounding
    tables = frames(train=train, synthetic=synthetic)
    exact, near = copies.measure(tables["train"], tables["synthetic"], context=context())
    assert (exact.value, near.value) == (10, 25)
    forced = copies.measure(tables["train"], tables["synthetic"], context=context(fresh=tables["train"].take(np.arange(60, 70))))[0]
    assert forced.detail["forced"] == pytest.approx(100 * 10 / 400)


def test_nearest_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((700, 9), np.float32), rng.random((300, 9), np.float32)
    known, index = (x[:, 0] for x in NearestNeighbors(n_neighbors=1).fit(b).kneighbors(a))
    found, squared = near.closest(a, b)
    np.testing.assert_allclose(np.sqrt(squared), known, atol=1e-5)
    np.testing.assert_array_equal(found, index)


def test_ties_count_half_and_copies_are_seen() -> None:
    rng = np.random.default_rng(0)
    draw = lambda: {"z": rng.choice(["a", "b"], 400), "y": rng.choice(["c", "d"], 400)}  # noqa: E731
    few = frames(train=draw(), hold=draw(), synthetic=draw())
    found = nearness.measure(few["train"], few["synthetic"], context=context(fresh=few["hold"]))[0]
    assert found.value == 0.5
    draw = lambda: {"x": rng.normal(size=400), "y": rng.normal(size=400)}  # noqa: E731
    many = frames(train=draw(), hold=draw())
    assert nearness.measure(many["train"], many["train"], context=context(fresh=many["hold"]))[0].value == 1


def test_a_table_far_outside_is_not_called_near_to_the_training_rows() -> None:
    for seed in range(3):  # whichever table the one outermost row stands in
        rng = np.random.default_rng(seed)
        tables = frames(
            **{k: {"x": rng.normal(size=400), "y": rng.normal(size=400)} for k in ("train", "hold")},
            far={"x": rng.normal(40, 0.1, 400), "y": rng.normal(40, 0.1, 400)},
        )
        found = nearness.measure(tables["train"], tables["far"], context=context(fresh=tables["hold"]))[0]
        assert found.low <= 0.5 <= found.high and found.high - found.low > 0.5
        assert found.note.startswith("its rows are nearest to the same")
        usual = nearness.measure(tables["train"], tables["hold"], context=context(fresh=tables["hold"]))[0]
        assert not usual.note and usual.high - usual.low < 0.2


# ---- utility


def test_utility_of_numbers_is_r2() -> None:
    rng = np.random.default_rng(0)

    def draw() -> dict[str, np.ndarray]:
        x = rng.normal(size=800)
        return {"x": x, "y": 2 * x + rng.normal(size=800)}

    pair = frames(a=draw(), b=draw())
    found = utility.measure(pair["a"], pair["b"], context=context(target="y"))[0]
    assert found.detail["measure"] == "R²"
    assert found.value == pytest.approx(0.8, abs=0.1)


def test_utility_counts_classes_that_were_never_learned() -> None:
    rng = np.random.default_rng(0)

    def draw(classes: int) -> dict[str, np.ndarray]:
        y = rng.integers(0, classes, 900)
        return {"x": y + rng.normal(0, 0.3, 900), "y": y.astype(str)}

    pair = frames(real=draw(3), all=draw(3), two=draw(2))
    whole, part = (utility.measure(pair["real"], pair[k], context=context(target="y"))[0].value for k in ("all", "two"))
    assert whole > 0.97
    assert part < whole - 0.1


def test_a_target_is_guessed_and_the_reason_given() -> None:
    few, x = np.array(["a", "b"] * 50), np.arange(100.0)
    assert utility.guess(frame(x=x, out=few)) == ("out", "the last column, with few levels")
    assert utility.guess(frame(Class=few, x=x)) == ("Class", "by its name")
    assert utility.guess(frame(u=few, v=few, x=x))[0] == "u"
    assert utility.guess(frame(x=x, y2=x)) == ("y2", "the last number")
    assert utility.guess(frame(name=np.array([f"n{i}" for i in range(100)])))[0] is None


# ---- frames


def test_values_of_another_kind_are_refused_by_name() -> None:
    table = pa.table({"x": pa.array(["a", "b"])})
    with pytest.raises(DataError, match="real table holds values that are not of kind number"):
        code({"real": table}, [Column(name="x", kind="number")])


@pytest.mark.parametrize(
    ("kind", "type_"), [("date", pa.date32()), ("datetime", pa.timestamp("us")), ("time", pa.time64("us")), ("duration", pa.duration("us"))]
)
def test_moments_become_numbers(kind: str, type_: pa.DataType) -> None:
    column = pa.array([5, None, 7], pa.int32() if kind == "date" else pa.int64()).cast(type_)
    found = code({"a": pa.table({"t": column})}, [Column(name="t", kind=kind)])["a"]["t"]
    np.testing.assert_array_equal(found, [5, np.nan, 7])


def test_a_table_that_repeats_one_row_is_told_from_real_rows() -> None:
    rng = np.random.default_rng(0)
    real = {"x": rng.normal(size=400), "z": rng.choice(["a", "b"], 400)}
    tables = frames(real=real, one={"x": np.full(400, 0.1), "z": np.full(400, "a")}, copied={k: v[:1].repeat(400) for k, v in real.items()})
    assert c2st.measure(tables["real"], tables["one"], context=context())[0].low > 0.95
    assert c2st.measure(tables["real"], tables["copied"], context=context())[0].low > 0.95
    assert c2st.measure(tables["one"], tables["one"], context=context())[0].value == pytest.approx(0.5, abs=0.01)


def test_hashes_are_found_among_the_known() -> None:
    rng = np.random.default_rng(0)
    known = rng.integers(0, 2**64, 50_000, dtype=np.uint64)
    rows = np.concatenate([known[:300], rng.integers(0, 2**64, 700, dtype=np.uint64), known[:5] ^ np.uint64(1 << 63)])
    assert np.array_equal(among(rows, known), np.isin(rows, known))
    assert not among(rows, known[:0]).any()
