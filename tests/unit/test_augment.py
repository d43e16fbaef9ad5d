"""Augmentation: how many rows, which kinds of frames, what scikit-learn asks of an estimator, and that no validation row is ever seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from lookalike import models
from lookalike.augment import Augmentation, AugmentedClassifier, wanted
from lookalike.compare.frame import code
from lookalike.compare.plausible import judged, supported, told
from lookalike.errors import DataError, LookalikeError, SettingError, UnknownName
from lookalike.schema import Column


def table(rows: int = 1_200, share: float = 0.06, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """A rare class that lies higher in `a` and more often at `v`."""
    rng = np.random.default_rng(seed)
    rare = np.arange(rows) < share * rows
    X = pd.DataFrame(
        {
            "a": rng.normal(size=rows) + 2.5 * rare,
            "kind": pd.Categorical(np.where(rng.random(rows) < 0.2 + 0.6 * rare, "v", "u"), categories=["w", "v", "u"]),
            "count": rng.integers(0, 60, rows).astype(np.int32),
            "gap": np.where(rng.random(rows) < 0.1, np.nan, rng.gamma(2, 2, rows)),
        }
    )
    order = rng.permutation(rows)
    return X.iloc[order].reset_index(drop=True), pd.Series(np.where(rare, "fraud", "fine")[order], name="class")


X, Y = table()


class Near:
    """A model that draws the rows it learned from with a little noise: as little as a resampler needs of a model."""

    def fit(self, data: Any, *, rng: np.random.Generator) -> Near:
        self.data = data
        return self

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Any:
        return self.data.take(rng.integers(0, self.data.rows, n))


@pytest.mark.parametrize(
    ("have", "share", "rows"),
    [
        ([90, 10], "balanced", [90, 90]),
        ([90, 10], 0.5, [90, 90]),
        ([90, 10], 0.25, [90, 30]),
        ([80, 20], 0.1, [80, 20]),  # it has more already
        ([70, 20, 10], 0.2, [70, 23, 23]),  # 23/116 = 0.2 for each
        ([70, 20, 10], {2: 0.25}, [70, 20, 30]),
        ([60, 30, 10], {0: 0.5, 1: 0.25, 2: 0.25}, [60, 30, 30]),
        ([70, 20, 10], {1: 40}, [70, 40, 10]),
    ],
)
def test_shares_come_to_rows(have: list[int], share: Any, rows: list[int]) -> None:
    assert wanted(have, share).tolist() == rows


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (1.5, "between 0 and 1"),
        ("balance", "'balanced'"),
        (True, "between 0 and 1"),
        ({"fraude": 0.5}, "did you mean 'fraud'"),
        ({"fraud": -1}, "neither"),
        ({"fraud": 5}, "no real row is taken away"),
        ({"fine": 0.2}, "no real row is taken away"),
        ({"fraud": 500, "fine": 0.2}, "mixed"),
        ({"fraud": 0.7, "fine": 0.7}, "sum to 1.4"),
    ],
)
def test_impossible_shares_are_refused(share: Any, told: str) -> None:
    with pytest.raises(SettingError, match=told) as error:
        wanted([100, 10], share, names=["fine", "fraud"])
    assert told in str(error.value)


def test_rows_come_back_as_they_went_in_and_new_ones_follow() -> None:
    more = Augmentation(share=0.2, seed=3)
    Xr, yr = more.fit_resample(X, Y)
    pd.testing.assert_frame_equal(Xr.iloc[: len(X)], X)
    pd.testing.assert_series_equal(yr.iloc[: len(Y)], Y)
    assert Xr.dtypes.equals(X.dtypes) and yr.dtype == Y.dtype and yr.name == "class"
    assert more.synthetic_.tolist() == [False] * len(X) + [True] * (len(Xr) - len(X))
    assert (yr[more.synthetic_] == "fraud").all()
    assert (yr == "fraud").mean() == pytest.approx(0.2, abs=1e-3)
    assert more.counts_["fraud"] == {"before": 72, "after": 282} and more.counts_["fine"]["before"] == more.counts_["fine"]["after"]
    told = more.account_["fraud"]
    assert told["made"] == 210 <= told["plausible"] <= told["rows"] <= told["drawn"]


def test_new_rows_are_like_those_of_their_class_and_copy_none() -> None:
    Xr, _ = Augmentation(share="balanced").fit_resample(X, Y)
    made, real = Xr.iloc[len(X) :], X[Y == "fraud"]
    assert abs(made["a"].mean() - real["a"].mean()) < 0.4 < abs(made["a"].mean() - X["a"].mean())
    assert abs((made["kind"] == "v").mean() - (real["kind"] == "v").mean()) < 0.15
    assert not set(made["a"]) & set(X["a"])


@pytest.mark.parametrize("kind", ["numpy", "polars", "arrow"])
def test_other_frames_come_back_as_they_went_in(kind: str) -> None:
    plain = X.assign(kind=X["kind"].astype(str))
    into = {
        "numpy": lambda: (X[["a", "count", "gap"]].to_numpy(), (Y == "fraud").to_numpy().astype(np.int8)),
        "polars": lambda: (pl.from_pandas(plain), pl.Series("class", Y.to_list())),
        "arrow": lambda: (pa.Table.from_pandas(plain, preserve_index=False), pa.array(Y.to_list())),
    }[kind]
    given, labels = into()
    more = Augmentation(share=0.2, model=Near())
    out, found = more.fit_resample(given, labels)
    assert type(out) is type(given) and type(found) is type(labels)
    assert len(out) == len(found) == len(more.synthetic_) == 1410
    if kind == "numpy":
        assert out.dtype == given.dtype and found.dtype == np.int8
        np.testing.assert_array_equal(out[: len(given)], given)
    else:
        assert out.schema == given.schema
        assert out[: len(given)].equals(given) if kind == "polars" else out.slice(0, len(given)).equals(given)


def test_an_index_is_no_column() -> None:
    named = X.set_axis(pd.Index(np.arange(len(X))[::-1], name="row"))
    out, _ = Augmentation(share=0.2, model=Near()).fit_resample(named, Y)
    assert list(out.columns) == list(X.columns) and isinstance(out.index, pd.RangeIndex)
    np.testing.assert_array_equal(out["a"][: len(X)], X["a"])


def test_without_real_rows_all_are_made() -> None:
    more = Augmentation(share="balanced", model=Near(), keep_real=False, plausible=False)
    _, yr = more.fit_resample(X, Y)
    assert more.synthetic_.all() and yr.value_counts().to_dict() == {"fraud": 1128, "fine": 1128}


def test_groups_are_raised_with_and_without_classes() -> None:
    more = Augmentation(share="balanced", model=Near(), groups=["kind"])
    Xr, yr = more.fit_resample(X, Y)
    assert set(pd.crosstab(Xr["kind"], yr).to_numpy()[:2].ravel()) == {max(c["after"] for c in more.counts_.values())}
    assert ("fraud", "v") in more.counts_
    alone, nothing = more.fit_resample(X, None)
    assert nothing is None and alone["kind"].value_counts()[["u", "v"]].nunique() == 1


def test_a_table_with_its_target_inside() -> None:
    frame = X.assign(**{"class": Y})[["class", *X.columns]]
    more = Augmentation("class", share=0.2, model=Near())
    out = more.augment(frame)
    assert list(out.columns) == list(frame.columns) and (out["class"] == "fraud").mean() == pytest.approx(0.2, abs=1e-3)
    as_polars = more.augment(pl.from_pandas(frame.assign(kind=frame["kind"].astype(str))))
    assert as_polars.columns == list(frame.columns) and as_polars.height == len(out)
    as_arrow = more.augment(pa.Table.from_pandas(frame, preserve_index=False))
    assert as_arrow.column_names == list(frame.columns) and as_arrow.num_rows == len(out)
    with pytest.raises(UnknownName, match="clas"):
        more.set_params(target="clas").augment(frame)


def test_the_same_seed_gives_the_same_rows() -> None:
    quick = models.build("forest", {"trees": 2, "rounds": 0})
    one, two, three = (Augmentation(share=0.1, model=quick, seed=s).fit_resample(X, Y)[0] for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(three)


def test_it_is_an_estimator_to_scikit_learn() -> None:
    more = Augmentation("class", share={"fraud": 0.3}, model=models.build("forest", {"trees": 3}), seed=5)
    again = clone(more)
    assert again is not more and again.get_params()["share"] == {"fraud": 0.3} and again.seed == 5
    assert more.set_params(seed=7) is more and more.seed == 7 and again.seed == 5
    assert repr(Augmentation(share=0.2)) == "Augmentation(share=0.2)"
    with pytest.raises(SettingError, match="no parameter"):
        more.set_params(sede=1)
    assert get_tags(more).target_tags.required and not hasattr(more, "transform") and not hasattr(more, "predict")
    whole = AugmentedClassifier(LogisticRegression(), Augmentation(share=0.2))
    assert is_classifier(whole)
    assert whole.set_params(augmentation__share=0.4, estimator__C=2.0).get_params()["augmentation__share"] == 0.4
    assert clone(whole).estimator.C == 2.0


def numbers(rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y = (np.arange(rows) % 10 == 0).astype(int)
    return rng.normal(size=(rows, 3)) + y[:, None] * [1.5, 0, 0], y


def whole(**how: Any) -> Any:
    return make_pipeline(StandardScaler(), AugmentedClassifier(LogisticRegression(), Augmentation(share=0.4, model=Near(), **how)))


def test_it_works_in_pipelines_and_searches() -> None:
    x, y = numbers()
    scores = cross_val_score(whole(), x, y, cv=3, scoring="average_precision")
    assert (scores > 0.2).all()
    search = GridSearchCV(whole(), {"augmentedclassifier__augmentation__share": [0.2, 0.5]}, cv=2).fit(x, y)
    assert search.predict(x[:5]).shape == (5,) and search.best_estimator_[-1].classes_.tolist() == [0, 1]


@pytest.mark.parametrize("share", [0.4, "auto"])
def test_no_validation_row_is_ever_learned_from(share: Any) -> None:
    """Whatever a row that is judged holds, the other rows of its fold are judged as before: nothing was learned from it."""
    x, y = numbers(300)
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    learn, held = next(folds.split(x, y))
    part = [(learn, held)]
    model = whole().set_params(augmentedclassifier__augmentation__share=share)
    before = clone(model).fit(x[learn], y[learn]).predict_proba(x[held])
    changed, other = x.copy(), y.copy()
    changed[held[0]], other[held[0]] = 1e6, 1 - y[held[0]]
    again = [clone(model).fit(changed[a], other[a]).predict_proba(changed[b]) for a, b in part]
    np.testing.assert_array_equal(again[0][1:], before[1:])
    through = cross_val_predict(model, changed, other, cv=[(learn, held), (held, learn)], method="predict_proba")
    np.testing.assert_array_equal(through[held][1:], before[1:])


def test_rows_are_added_in_fit_and_never_in_predict() -> None:
    seen: list[tuple[str, int]] = []

    class Counting(LogisticRegression):
        def fit(self, X: Any, y: Any) -> Any:
            seen.append(("fit", len(X)))
            return super().fit(X, y)

        def predict(self, X: Any) -> Any:
            seen.append(("predict", len(X)))
            return super().predict(X)

    x, y = numbers()
    AugmentedClassifier(Counting(), Augmentation(share=0.5, model=Near())).fit(x, y).predict(x)
    assert seen == [("fit", 1080), ("predict", 600)]


def test_auto_adds_nothing_where_nothing_can_be_learned() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(400, 3)), np.arange(400) % 8 == 0
    more = Augmentation(share="auto", model=Near(), plausible=False)
    out, _ = more.fit_resample(x, y)
    told = more.chosen_
    assert set(told["tried"]) == {0.03, 0.1, 0.3} and told["folds"] == 4
    sure = max(t["gain"] - t["error"] for t in told["tried"].values()) > 0
    assert (len(out) > 400) == sure == (told["fraction"] > 0)
    few = Augmentation(share="auto", model=Near())
    assert len(few.fit_resample(x[:60], y[:60])[0]) == 60 and "too few" in few.chosen_["why"]


def test_auto_adds_rows_where_they_help() -> None:
    """The judge is blind to a class of less than a quarter: only added rows let it see."""

    class Blind(HistGradientBoostingClassifier):
        def predict_proba(self, X: Any) -> Any:
            return super().predict_proba(X) if self.share > 1 / 4 else np.full((len(X), 2), 0.5)

        def fit(self, X: Any, y: Any) -> Any:
            self.share = np.mean(y)
            return super().fit(X, y)

    x, y = numbers(400)
    more = Augmentation(share="auto", model=Near(), judge=Blind(max_iter=10))
    more.fit_resample(x, y)
    assert more.chosen_["fraction"] == 0.3 and more.synthetic_.sum() == 96


@pytest.mark.parametrize(
    ("how", "rows", "error", "told"),
    [
        ({"share": "balanced"}, (X, Y[:10]), DataError, "10 classes for 1,200 rows"),
        ({"share": "balanced"}, (X, Y.where(Y.index > 3)), DataError, "4 classes are missing"),
        ({"share": "balanced"}, (X, X["a"]), SettingError, "100 at most"),
        ({"share": "balanced"}, (X, None), SettingError, "neither a class"),
        ({"share": "balanced"}, (X, np.arange(1200) > 1196), DataError, "10 are needed"),
        ({"share": "balanced", "model": "forrest"}, (X, Y), UnknownName, "forest"),
        ({"share": "balanced", "model": object()}, (X, Y), SettingError, "is not a model"),
        ({"share": "balanced", "groups": ["knd"]}, (X, Y), UnknownName, "kind"),
        ({"share": "auto", "keep_real": False}, (X, Y), SettingError, "real ones"),
        ({"share": "auto", "groups": ["kind"]}, (X, None), SettingError, "no class"),
        ({"share": "balanced"}, (X["a"].to_numpy(), Y), DataError, "1 dimension"),
    ],
)
def test_bad_input_is_refused(how: dict[str, Any], rows: tuple[Any, Any], error: type[LookalikeError], told: str) -> None:
    with pytest.raises(error) as found:
        Augmentation(**how).fit_resample(*rows)
    assert told in str(found.value)


def frames(**tables: np.ndarray) -> dict[str, Any]:
    """Frames of points [n, 2]."""
    columns = [Column(name=n, kind="number") for n in "ab"]
    return code({role: pa.table({"a": p[:, 0], "b": p[:, 1]}) for role, p in tables.items()}, columns)


def test_what_lies_outside_is_not_plausible() -> None:
    rng = np.random.default_rng(0)
    angle = rng.random(800) * 2 * np.pi
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 + 0.02 * rng.normal(size=(800, 1)))
    f = frames(real=ring[:400], made=np.concatenate([ring[400:], np.zeros((50, 2)), np.full((50, 2), 3.0)]))
    inside = supported(f["real"], f["made"], rng=rng)
    assert inside[:400].mean() > 0.95 and not inside[400:].any()


def test_what_a_learner_takes_for_another_class_is_not_plausible() -> None:
    rng = np.random.default_rng(0)
    f = frames(yes=rng.normal(2, 1, (150, 2)), no=rng.normal(-1, 1, (900, 2)), made=rng.normal([[2, 2]] * 100 + [[-1, -1]] * 100, 1))
    own, score = told(f["yes"], f["no"], f["made"], rng=np.random.default_rng(1))
    assert own.shape == (150,) and score[:100].mean() > 2 > -2 > score[100:].mean()
    verdict = judged(f["yes"], f["no"], f["made"], rng=np.random.default_rng(1))
    assert verdict.accepted[:100].mean() > 0.8 and verdict.accepted[100:].mean() < 0.1
    account = verdict.account()
    assert account["rows"] == 200 and account["plausible"] == verdict.plausible.sum() == (verdict.inside & verdict.accepted).sum()
    least = np.quantile(own, 0.1)
    np.testing.assert_array_equal(verdict.accepted, score >= least)
    one = f["yes"].take(np.arange(1))
    assert judged(one, f["no"], f["made"], rng=rng).accepted.all()  # nothing to learn from: nothing is refused


def test_classes_may_be_anything_that_can_be_told_apart() -> None:
    days = np.where(Y == "fraud", np.datetime64("2026-01-02", "D"), np.datetime64("2026-01-01", "D"))
    for y, name in (
        (pd.Series(days), pd.Timestamp("2026-01-02")),
        (np.where(Y == "fraud", 2.5, 0.0), 2.5),
        ((Y == "fraud").to_list(), True),
    ):
        more = Augmentation(share=0.2, model=Near())
        _, found = more.fit_resample(X, y)
        assert more.counts_[name] == {"before": 72, "after": 282} and type(found) is type(y) and len(found) == 1410
