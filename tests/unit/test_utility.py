"""Utility: learners and scores against scikit-learn's and closed forms, and the damage that each metric is there to notice."""

from __future__ import annotations

import json
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error
from sklearn.neighbors import KNeighborsRegressor

from lookalike.compare import judge, learn
from lookalike.compare.about import Context, Finding
from lookalike.compare.frame import Frame, code
from lookalike.compare.rows import apart
from lookalike.compare.space import Space
from lookalike.metrics import augment, coefficients, importance, learners, queries, reverse, utility, worth
from lookalike.schema import Column

ALL = (augment, coefficients, importance, learners, queries, reverse, utility, worth)


def frames(**tables: dict[str, np.ndarray]) -> dict[str, Frame]:
    """Frames of arrays; text arrays are categories."""
    first = next(iter(tables.values()))
    kinds = [Column(name=k, kind="number" if np.issubdtype(v.dtype, np.number) else "category") for k, v in first.items()]
    return code({role: pa.table({k: pa.array(v, from_pandas=True) for k, v in t.items()}) for role, t in tables.items()}, kinds)


def context(seed: int = 0, **more: object) -> Context:
    return Context(np.random.default_rng(seed), **more)


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {f.name: f for f in found}


def people(rng: np.random.Generator, rows: int = 1_500, *, noise: float = 1.0, slope: float = 1.5) -> dict[str, np.ndarray]:
    """A number and a label that `a`, `b` and `g` decide, and two columns that decide nothing."""
    a, b, g = rng.normal(size=rows), rng.normal(size=rows), rng.choice(["u", "v", "w"], rows, p=[0.5, 0.3, 0.2])
    score = slope * a - b + 1.5 * (g == "w") + noise * rng.normal(size=rows)
    idle = {"c": rng.normal(size=rows), "h": rng.choice(["p", "q"], rows)}
    return {"a": a, "b": b, "g": g, **idle, "pay": score, "rich": np.where(score > 0.3, "yes", "no")}


LABEL = (*"abgch", "rich")
NUMBER = (*"abgch", "pay")


@pytest.fixture(scope="module")
def tables() -> dict[str, Frame]:
    rng = np.random.default_rng(0)
    shuffled = people(rng)
    return frames(
        train=people(rng),
        held=people(rng),
        same=people(rng),
        smooth=people(rng, noise=0.0),
        noisy=people(rng, noise=4.0),
        turned=people(rng, slope=-1.5),
        apart={k: rng.permutation(v) for k, v in shuffled.items()},
    )


def only(tables: dict[str, Frame], names: tuple[str, ...]) -> dict[str, Frame]:
    return {k: learn.features(f, names) for k, f in tables.items()}


# ---- learners


def test_the_linear_model_is_scikit_learns(tables: dict[str, Frame]) -> None:
    for target in ("g", "pay"):
        data = only(tables, NUMBER)
        train, held = data["train"], data["held"]
        what = learn.task(target, train, held)
        assert isinstance(what, learn.Task)
        features = [learn.features(f, what.features) for f in (train, held)]
        space = Space(features[0])
        x, z = (space.embed(f).astype(float) for f in features)
        found = learn.predict(what, train, [held], by="linear")[0]
        if target == "g":
            known = LogisticRegression(max_iter=2_000, tol=1e-8).fit(x, train[target]).predict_proba(z)
            np.testing.assert_allclose(found.chance, known, atol=0.005)
        else:
            np.testing.assert_allclose(found.value, Ridge(alpha=1.0).fit(x, train[target]).predict(z), atol=0.03)


def test_the_neighbours_are_scikit_learns(tables: dict[str, Frame]) -> None:
    data = only(tables, NUMBER)
    what = learn.task("pay", *data.values())
    features = [learn.features(data[k], what.features) for k in ("train", "held")]
    space = Space(features[0])
    known = KNeighborsRegressor(learn.NEIGHBOURS).fit(space.embed(features[0]), data["train"]["pay"]).predict(space.embed(features[1]))
    found = learn.predict(what, data["train"], [data["held"]], by="neighbours")[0].value
    assert np.mean(np.abs(found - known) < 1e-6) > 0.99  # but where single precision swaps two that tie


# ---- scores


def test_scores_of_a_label_are_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 900)
    chance = learn.softmax(rng.normal(size=(900, 3)) + 1.5 * np.eye(3)[truth])
    found = judge.judge(truth, learn.Guess(np.arange(3), chance), rng)
    assert found.value == pytest.approx(roc_auc_score(truth, chance, multi_class="ovr"), abs=1e-9)
    assert found.detail["accuracy"] == pytest.approx(accuracy_score(truth, chance.argmax(1)), abs=1e-4)
    assert found.detail["f1"] == pytest.approx(f1_score(truth, chance.argmax(1), average="macro"), abs=1e-4)
    assert found.detail["brier"] == pytest.approx(((chance - np.eye(3)[truth]) ** 2).sum(1).mean(), abs=1e-4)
    assert found.low < found.value < found.high


def test_scores_of_a_number_are_scikit_learns() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=700)
    value = truth + rng.normal(size=700) * 0.5
    found = judge.judge(truth, learn.Guess(value=value), rng)
    assert found.value == pytest.approx(r2_score(truth, value), abs=1e-9)
    assert found.detail["rmse"] == pytest.approx(root_mean_squared_error(truth, value), rel=1e-4)
    assert found.detail["mae"] == pytest.approx(mean_absolute_error(truth, value), rel=1e-4)
    assert 1 - judge.losses(truth, learn.Guess(value=value)).mean() == pytest.approx(found.value, abs=1e-9)


def test_calibration_error_knows_honest_chances_from_boasting_ones() -> None:
    rng = np.random.default_rng(3)
    chance = rng.random(20_000)
    truth = rng.random(20_000) < chance
    assert judge.calibration_error(truth, chance) < 0.01
    assert judge.calibration_error(truth, (chance > 0.5).astype(float)) == pytest.approx(0.25, abs=0.02)


def test_an_unlearned_class_counts_and_a_constant_guess_explains_nothing() -> None:
    truth = np.array([0, 0, 1, 1, 2, 2])
    guess = learn.Guess(np.array([0, 1]), np.tile([0.5, 0.5], (6, 1)))
    assert judge.figure(truth, guess) == 0.5
    share = learn.Guess(np.arange(3), np.full((6, 3), 1 / 3))
    assert judge.losses(truth, share).mean() == pytest.approx(1)


# ---- rows held out


def test_held_rows_are_taken_out_of_the_table_they_came_from() -> None:
    rng = np.random.default_rng(4)
    table = frames(a={"x": np.round(rng.normal(size=600), 2), "g": rng.choice(["u", "v"], 600)})["a"]
    one, other = table.halves(rng)
    left = apart(table, one)
    assert left.rows == 300
    assert sorted(left["x"]) == sorted(other["x"])
    assert apart(other, one).rows == 300


# ---- what each is there to notice


def test_other_learners_see_that_nothing_hangs_together(tables: dict[str, Frame]) -> None:
    data = only(tables, LABEL)
    same, apart_ = (by_name(learners.measure(data["held"], data[k], context=context(target="rich"))) for k in ("same", "apart"))
    for name in ("utility_linear", "utility_neighbours"):
        assert same[name].low > 0.8
        assert apart_[name].high < same[name].low - 0.1


def test_a_too_smooth_table_is_too_easy_for_a_real_model(tables: dict[str, Frame]) -> None:
    for names, target in ((LABEL, "rich"), (NUMBER, "pay")):
        data = only(tables, names)
        found = {k: reverse.measure(data["train"], data[k], context=context(target=target))[0] for k in ("same", "smooth", "noisy")}
        assert found["smooth"].low > found["same"].high
        assert found["noisy"].high < found["same"].low


def test_good_rows_help_and_wrong_ones_harm(tables: dict[str, Frame]) -> None:
    data = only(tables, NUMBER)
    gain = {k: augment.measure(data["held"], data[k], context=context(target="pay", train=data["train"]))[0] for k in ("same", "turned")}
    assert gain["same"].low > 0.02
    assert gain["turned"].high < -0.1
    assert gain["same"].detail["together"]["value"] > gain["same"].detail["alone"]["value"]


def test_worth_counts_the_rows_that_carry_something() -> None:
    rng = np.random.default_rng(5)
    part = people(rng, 1_500)
    few = {k: np.concatenate([v[:150]] * 10) for k, v in part.items()}  # 150 different rows, ten times each
    data = only(frames(train=people(rng, 1_500), held=people(rng, 3_000), few=few, whole=part), NUMBER)
    found = {k: worth.measure(data["held"], data[k], context=context(target="pay", train=data["train"]))[0] for k in ("few", "whole")}
    assert found["few"].high < 40
    assert found["whole"].value > 60
    assert 2 < found["few"].value < 20  # a tenth of the rows are different ones
    rising = [p["value"] for p in found["few"].detail["curve"]]
    assert rising[0] < rising[-1]


def test_the_power_law_is_found_and_read() -> None:
    sizes = np.array([100, 200, 400, 800, 1_600])
    curve = worth._fitted(sizes, 0.9 - 3.0 * sizes**-0.55)
    assert (curve.top, curve.power) == pytest.approx((0.9, 0.55), abs=1e-6)
    assert curve.rows(0.9 - 3.0 * 300**-0.55, 1_600) == pytest.approx(300, rel=1e-6)
    assert curve.rows(0.95, 1_600) == 1_600
    assert curve.rows(-5.0, 1_600) < 2


def test_importance_moves_with_the_reason(tables: dict[str, Frame]) -> None:
    data = only(tables, NUMBER)
    rng = np.random.default_rng(6)
    other = people(rng)
    other["pay"] = other["c"] * 2 + rng.normal(size=1_500)  # another column decides
    data["wrong"] = learn.features(frames(wrong=other)["wrong"], NUMBER)
    found = {k: importance.measure(data["held"], data[k], context=context(target="pay", train=data["train"]))[0] for k in ("same", "wrong")}
    assert found["same"].low > 0.8
    assert found["wrong"].high < 0.3
    assert {c["name"] for c in found["same"].detail["columns"][:3]} == {"a", "b", "g"}


def test_coefficients_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(5_000, 2))
    data = frames(t={"u": x[:, 0], "v": x[:, 1], "y": 2 * x[:, 0] - x[:, 1] + rng.normal(size=5_000)})["t"]
    found = coefficients.measure(data, data, context=context(target="y"))[0]
    z = np.column_stack([np.ones(5_000), *((data[n] - data[n].mean()) / data[n].std() for n in "uv")])
    y = (data["y"] - data["y"].mean()) / data["y"].std()
    known = np.linalg.lstsq(z, y, rcond=None)[0]
    error = np.sqrt(((y - z @ known) ** 2).sum() / 4_997 * np.diag(np.linalg.inv(z.T @ z)))
    shown = {c["name"]: c["real"] for c in found.detail["coefficients"]}
    for i, name in enumerate("uv", start=1):
        assert shown[name] == pytest.approx([known[i], known[i] - 1.96 * error[i], known[i] + 1.96 * error[i]], abs=1e-3)
    assert found.value == pytest.approx(1)


def test_coefficients_of_real_rows_overlap_by_seven_tenths_and_turned_ones_do_not(tables: dict[str, Frame]) -> None:
    rng, found = np.random.default_rng(8), []
    for k in range(12):
        pair = only(frames(a=people(rng, 600), b=people(rng, 600)), LABEL)
        found.append(coefficients.measure(pair["a"], pair["b"], context=context(k, target="rich"))[0].value)
    assert np.mean(found) == pytest.approx(0.7, abs=0.08)
    data = only(tables, NUMBER)
    turned = coefficients.measure(data["train"], data["turned"], context=context(target="pay"))[0]
    assert next(c for c in turned.detail["coefficients"] if c["name"] == "a")["overlap"] == 0


def test_answers_to_queries_are_counted() -> None:
    real = {"g": np.array(["a"] * 600 + ["b"] * 400), "x": np.arange(1_000.0)}
    other = {"g": np.array(["a"] * 300 + ["b"] * 700), "x": np.arange(1_000.0)}
    pair = frames(real=real, other=other)
    asked = [[queries.Condition("g", 0.0, None)], [queries.Condition("g", 1.0, None), queries.Condition("x", 0.0, 899.0)]]
    group = np.arange(1_000) % 20
    p, q = (queries._answers(pair[k], asked, ["x", "x"], group) for k in ("real", "other"))
    assert p[0].tolist() == [[600, 600, sum(range(600)), 1_000], [300, 300, sum(range(600, 900)), 1_000]]
    counts, means = queries._errors(p[:1], q[:1], np.array([1_000.0, 1_000.0]))
    assert counts[0] == pytest.approx([50, 100])
    assert means[0] == pytest.approx([100 * (299.5 - 149.5) / 1_000, 100 * (749.5 - 599.5) / 1_000])


def test_queries_see_that_nothing_hangs_together(tables: dict[str, Frame]) -> None:
    same, apart_ = (by_name(queries.measure(tables["train"], tables[k], context=context())) for k in ("same", "apart"))
    for name in ("query_counts", "query_means"):
        assert apart_[name].low > same[name].high
    assert len(apart_["query_counts"].detail["worst"]) == queries.SHOWN


@pytest.mark.parametrize("metric", ALL)
def test_odd_tables_get_a_value_or_a_reason(metric: ModuleType) -> None:
    rng = np.random.default_rng(9)
    good = {"x": rng.normal(size=120), "y": rng.choice(["a", "b"], 120)}
    odd = frames(
        good=good,
        one={"x": good["x"], "y": np.full(120, "a")},
        empty={"x": np.full(120, np.nan), "y": good["y"]},
        few={k: v[:20] for k, v in good.items()},
        lost={"x": good["x"], "y": np.full(120, None, object)},
    )
    for target in ("y", "x", None, "nobody"):
        for other in odd.values():
            for found in metric.measure(odd["good"], other, context=context(target=target, train=odd["good"])):
                assert found.note if found.value is None else np.isfinite([found.value, found.low, found.high]).all()
                json.dumps([found.detail, dict(found.tests)], allow_nan=False)


def test_without_training_rows_there_is_a_reason(tables: dict[str, Frame]) -> None:
    for metric in (augment, importance, worth):
        found = metric.measure(tables["held"], tables["same"], context=context(target="rich"))[0]
        assert found.value is None
        assert "learned from" in found.note
