"""The resampler, how `auto` chooses, and the classifier that is trained on augmented rows."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from lookalike import models
from lookalike.augment.rows import BESIDE, Rows, plain
from lookalike.augment.shares import wanted
from lookalike.errors import CannotError, DataError, SettingError, UnknownName, near_matches
from lookalike.protocol import in_turn

if TYPE_CHECKING:
    from typing import Self

    from lookalike.protocol import Model

Share = Literal["auto", "balanced"] | float | Mapping[Any, float]

FEWEST = 10
"""Rows of a class that a model of it needs: fewer would be told of one by one."""
MOST_DRAWN = 60
"""Rows drawn for each that was asked, before too few of them are plausible."""
FRACTIONS = (0.03, 0.1, 0.3)
"""`auto`: how far towards balance is tried."""
FOLDS = 4


class _Params:
    """What scikit-learn asks of an estimator, without importing it: parameters by name, and tags."""

    @classmethod
    def _names(cls) -> list[str]:
        return sorted(name for name in inspect.signature(cls.__init__).parameters if name != "self")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters as they were given; with `deep` also those of parts that have some, as `part__name`."""
        own = {name: getattr(self, name) for name in self._names()}
        if deep:
            for name, value in list(own.items()):
                if hasattr(value, "get_params") and not isinstance(value, type):
                    own |= {f"{name}__{inner}": v for inner, v in value.get_params().items()}
        return own

    def set_params(self, **given: Any) -> Self:
        """Change parameters, `part__name` for those of a part.

        Raises:
            SettingError: there is no such parameter; names the near matches.
        """
        for name, value in given.items():
            head, _, inner = name.partition("__")
            if head not in self._names():
                near = near_matches(head, self._names())
                fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self._names())}"
                raise SettingError(f"no parameter {head!r}", where=type(self).__name__, fix=fix)
            if inner:
                getattr(self, head).set_params(**{inner: value})
            else:
                setattr(self, head, value)
        return self

    def __repr__(self) -> str:
        usual = inspect.signature(type(self).__init__).parameters
        told = [f"{n}={getattr(self, n)!r}" for n in self._names() if getattr(self, n) is not usual[n].default]
        return f"{type(self).__name__}({', '.join(told)})"


class Augmentation(_Params):
    """Adds synthetic rows of the classes and groups that have few, as imbalanced-learn's resamplers do: `fit_resample(X, y)`.

    It is a step of `imblearn.pipeline.Pipeline`; `AugmentedClassifier` does the same in scikit-learn's own pipelines. Both resample
    when they are fitted and never when they predict, so that no row that is judged is learned from.

    Args:
        target: for `augment(frame)`, which takes the target among the columns: its name.
        share: "balanced": every class as many rows as the largest; a number: at least this share of all rows for each but the largest;
            {class: rows} or {class: share of all rows}; "auto": by cross-validation on the rows given, and none if none surely helps.
        model: a name, or a model not yet fitted; it is fitted for each class that gets rows.
        groups: columns of X whose groups are raised as well: every combination of class and groups is a class of its own, named
            (class, group, …).
        keep_real: the real rows come first and synthetic ones after them; without, all rows that come back are synthetic.
        plausible: rows that lie outside the real rows of their class, or that a classifier of real rows does not take for it, are
            drawn anew.
        judge: for "auto", the classifier that is to be trained on the rows, not yet fitted; gradient-boosted trees if not given.
        seed: the same seed gives the same rows.

    Attributes after `fit_resample`: `synthetic_` (bool [rows that came back]), `counts_` ({class: rows before and after}), `account_`
    (what was drawn and refused for each class), `chosen_` (what "auto" tried; None otherwise).
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        share: Share = "auto",
        model: str | Model = "forest",
        groups: Sequence[str] | None = None,
        keep_real: bool = True,
        plausible: bool = True,
        judge: Any = None,
        seed: int = 0,
    ) -> None:
        self.target, self.share, self.model, self.groups = target, share, model, groups
        self.keep_real, self.plausible, self.judge, self.seed = keep_real, plausible, judge, seed

    def fit_resample(self, X: Any, y: Any, **_: Any) -> tuple[Any, Any]:
        """Learn from the rows given and add to them.

        Args:
            X: pandas, polars or pyarrow table, or a 2-dimensional numpy array.
            y: the class of each row, a Series or array; with `groups`, None means that groups alone count.

        Returns:
            (X, y) of the kinds that came in: columns, their order and types as they were.

        Raises:
            SettingError: a parameter has a bad value.
            DataError: X or y cannot be used, or a class has too few rows to be learned.
            CannotError: the model hardly ever draws such rows.
        """
        rows = Rows.of(X, y, self.groups)
        names = rows.names
        self.chosen_: dict[str, Any] | None = None
        have = rows.counts
        if isinstance(self.share, str) and self.share == "auto":
            if not self.keep_real:
                raise SettingError("'auto' weighs rows added to real ones, and these are not kept", where="share", fix="share='balanced'")
            total = self._choose(rows)
        else:
            total = wanted(have, self.share, names=names)
        extra = total - have if self.keep_real else total
        made, of, self.account_ = self._make(rows, extra, rng=np.random.default_rng([self.seed, 1]))
        self.counts_ = {name: {"before": int(b), "after": int(a)} for name, b, a in zip(names, have, total, strict=True)}
        kept = len(rows) if self.keep_real else 0
        self.synthetic_ = np.arange(kept + len(of)) >= kept
        return rows.together(made, of, keep_real=self.keep_real)

    def augment(self, frame: Any) -> Any:
        """A table with its target among the columns, in and out; see `fit_resample`.

        Raises:
            SettingError: no `target` was named.
            UnknownName: there is no such column.
        """
        if self.target is None:
            raise SettingError("no target was named", where="Augmentation", fix="Augmentation(target='isFraud').augment(frame)")
        names = [str(name) for name in getattr(frame, "column_names", getattr(frame, "columns", ()))]
        if self.target not in names:
            raise UnknownName(self.target, names, what="column", where="target")
        if isinstance(frame, pa.Table):
            X, y = self.fit_resample(frame.drop_columns([self.target]), frame[self.target])
            return X.append_column(frame.schema.field(self.target), y).select(names)
        if hasattr(frame, "to_series"):  # polars
            X, y = self.fit_resample(frame.drop(self.target), frame[self.target])
            return X.with_columns(y.alias(self.target)).select(names)
        X, y = self.fit_resample(frame.drop(columns=self.target), frame[self.target])
        return X.assign(**{self.target: y})[list(frame.columns)]

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(None, TargetTags(required=True), input_tags=InputTags(allow_nan=True, string=True, categorical=True))

    # ------------------------------------------------------------------------------------------------------ drawing

    def _make(self, rows: Rows, extra: np.ndarray, *, rng: np.random.Generator) -> tuple[pa.Table, np.ndarray, dict[Any, Any]]:
        """Canonical rows, the class of each (int64), and what was drawn for them: `extra` rows of each class, one class after the other."""
        short = [c for c in np.flatnonzero(extra) if rows.counts[c] < FEWEST]
        if short:
            what = f"{rows.counts[short[0]]} rows of class {rows.names[short[0]]!r}; {FEWEST} are needed to learn what it looks like"
            raise DataError(what, where="y", fix="join it with another class, or leave it out: share={class: rows}")
        parts, account = [rows.table.slice(0, 0)], {}
        for c in np.flatnonzero(extra):
            name = rows.names[c]
            drawn, account[name] = self._draw(rows, int(c), int(extra[c]), np.random.default_rng([int(rng.integers(1 << 62)), int(c)]))
            parts.append(drawn)
        return pa.concat_tables(parts), np.repeat(np.arange(len(extra)), extra), account

    def _draw(self, rows: Rows, c: int, n: int, rng: np.random.Generator) -> tuple[pa.Table, dict[str, Any]]:
        """`n` rows of class `c`, and how many were drawn and refused."""
        model = in_turn(self._fitted(rows, c, rng))
        tried, kept, account = 0, rows.table.slice(0, 0), {"rows": 0, "plausible": 0, "outside": 0, "not_accepted": 0}
        rate = 1 / (1 + BESIDE)
        while kept.num_rows < n:
            size = int(np.clip(1.2 * (n - kept.num_rows) / rate, 1_000, 200_000))
            drawn = rows.of_class(model.sample(size, rng=rng, start=tried).table(), c)
            tried += size
            if self.plausible and drawn.num_rows:
                keep, told = rows.plausible(drawn, c, rng)
                drawn, account = drawn.filter(pa.array(keep)), {k: account[k] + told[k] for k in account}
            kept = pa.concat_tables([kept, drawn])
            rate = max(kept.num_rows / tried, 1e-3)
            if kept.num_rows < n and tried > MOST_DRAWN * (n + 1_000):
                why = "plausible" if self.plausible else "drawn"
                what = f"of {tried:,} rows drawn only {kept.num_rows:,} are {why} rows of class {rows.names[c]!r}, and {n:,} are wanted"
                raise CannotError(what, where="share", fix="ask for fewer, take plausible=False, or another model")
        return kept.slice(0, n), {"made": n, "drawn": tried, **account}

    def _fitted(self, rows: Rows, c: int, rng: np.random.Generator) -> Model:
        """A model of the rows of class `c`, beside others."""
        if isinstance(self.model, str):
            model = models.build(self.model)
        else:
            lacking = [verb for verb in ("fit", "sample") if not hasattr(self.model, verb)]
            if lacking:
                fix = "give a name, or lookalike.model('forest', …)"
                raise SettingError(f"{type(self.model).__name__} is not a model: it has no {', '.join(lacking)}", where="model", fix=fix)
            model = copy.deepcopy(self.model)
        return model.fit(rows.beside(c, rng), rng=rng)

    # ------------------------------------------------------------------------------------------------------ choosing

    def _choose(self, rows: Rows) -> np.ndarray:
        """Rows of each class by cross-validation: the step towards balance that surely helps the judge most, or none."""
        if rows.y is None:
            raise SettingError("'auto' asks what helps to predict the class, and there is no class", where="share", fix="share='balanced'")
        have, gap = rows.counts, rows.counts.max() - rows.counts
        folds = int(min(FOLDS, have.min() // 2))
        self.chosen_ = {"measure": "average precision", "folds": folds, "fraction": 0.0, "tried": {}, "why": ""}
        if not gap.any():
            self.chosen_["why"] = "all classes are as large as each other"
            return have
        if have[gap > 0].min() * (folds - 1) < FEWEST * folds:
            self.chosen_["why"] = f"a class has too few rows to be learned from in {folds} folds"
            return have
        rng = np.random.default_rng([self.seed, 2])
        fold = np.empty(len(rows), np.int64)
        for c in range(len(have)):
            fold[rows.codes == c] = rng.permutation(np.arange(have[c]) % folds)
        chance = np.empty((1 + len(FRACTIONS), len(rows), len(rows.label_names)))
        try:
            for k in range(folds):
                chance[:, fold == k] = self._fold(rows, fold == k, rng)
        except CannotError as error:
            self.chosen_["why"] = f"rows could not be made in a fold: {error.what}"
            return have
        gain, error = _gains(rows, chance, rng)
        told = {f: {"gain": float(g), "error": float(e)} for f, g, e in zip(FRACTIONS, gain, error, strict=True)}
        best = int(gain.argmax())
        sure = bool(gain[best] > error[best])
        why = "the greatest gain, and greater than its standard error" if sure else "no gain is greater than its standard error"
        without = _precision(rows.labels, chance[0], rows.main)
        self.chosen_ |= {"without": without, "tried": told, "why": why, "fraction": FRACTIONS[best] if sure else 0.0}
        return have + np.rint(self.chosen_["fraction"] * gap).astype(np.int64)

    def _fold(self, rows: Rows, held: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """float64 [1 + fractions, rows held, labels]: chances after learning from the other rows, alone and with rows added."""
        learn, test = rows.take(np.flatnonzero(~held)), rows.take(np.flatnonzero(held))
        gap = learn.counts.max() - learn.counts
        made, of, _ = self._make(learn, np.rint(max(FRACTIONS) * gap).astype(np.int64), rng=rng)
        rank = np.concatenate([np.arange(0), *(np.arange(n) for n in np.bincount(of, minlength=len(gap)))])
        seed, out = int(rng.integers(2**31)), []
        for fraction in (0.0, *FRACTIONS):
            keep = np.flatnonzero(rank < np.rint(fraction * gap)[of])
            out.append(_guess(self.judge, learn, made.take(pa.array(keep)), of[keep], test, seed=seed))
        return np.stack(out)


def _gains(rows: Rows, chance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Gain in average precision by each fraction, over all folds together, and its standard error by leaving out groups of rows."""
    from lookalike.compare.stats import BLOCKS, jackknife

    block = np.empty(len(rows), np.int64)
    for c in range(len(rows.counts)):
        mine = rows.codes == c
        block[mine] = (rng.permutation(int(mine.sum())) + c) % BLOCKS

    def gains(keep: np.ndarray) -> np.ndarray:
        found = np.array([_precision(rows.labels[keep], told[keep], rows.main) for told in chance])
        return found[1:] - found[0]

    return gains(np.ones(len(rows), bool)), jackknife(np.array([gains(block != g) for g in range(BLOCKS)]))


def _guess(judge: Any, learn: Rows, made: pa.Table, of: np.ndarray, test: Rows, *, seed: int) -> np.ndarray:
    """float64 [rows of `test`, labels]: chance of each label, after learning from `learn` and the rows made."""
    labels = learn.label_of
    if judge is None:
        from lookalike.compare import boost
        from lookalike.compare.frame import code

        tables = {"learn": pa.concat_tables([learn.table, made]), "test": test.table}
        frames = code(tables, learn.data.schema.table.columns)
        with boost.one_thread():
            (x, asked), flags = boost.matrices([frames["learn"], frames["test"]], frames["learn"].names)
            model = boost.classifier(x, np.concatenate([learn.labels, labels[of]]), flags, seed=seed)
            chance, classes = model.predict_proba(asked), model.classes_
    else:
        from sklearn.base import clone

        X, y = learn.together(made, of, keep_real=True)
        model = clone(judge).fit(X, y)
        chance = model.predict_proba(test.X)
        classes = np.array([learn.label_names.index(plain(v)) for v in model.classes_])
    out = np.zeros((len(test), len(learn.label_names)))
    out[:, classes] = chance
    return out


def _precision(truth: np.ndarray, chance: np.ndarray, main: int) -> float:
    """Mean average precision of the labels except the commonest."""
    from sklearn.metrics import average_precision_score

    rest = [k for k in np.unique(truth) if k != main]
    return float(np.mean([average_precision_score(truth == k, chance[:, k]) for k in rest]))


class AugmentedClassifier(_Params):
    """A classifier that is trained on augmented rows: in scikit-learn's own pipelines, searches and cross-validation.

    fit: `augmentation` resamples the rows given, `estimator` learns from them. predict and all else: as the estimator does, on the rows
    given. Both are cloned first, so that a fold never knows another one.

    Attributes after `fit`: `estimator_`, `augmentation_`, `classes_`, and `n_features_in_` if the estimator has it.
    """

    def __init__(self, estimator: Any, augmentation: Augmentation | None = None) -> None:
        self.estimator, self.augmentation = estimator, augmentation

    def fit(self, X: Any, y: Any) -> Self:
        """Augment the rows, then learn from them; "auto" weighs by this very estimator.

        Raises:
            SettingError: a parameter of the augmentation has a bad value.
            DataError: X or y cannot be used.
        """
        from sklearn.base import clone

        self.augmentation_ = clone(self.augmentation if self.augmentation is not None else Augmentation())
        if self.augmentation_.judge is None:
            self.augmentation_.set_params(judge=clone(self.estimator))
        more, classes = self.augmentation_.fit_resample(X, y)
        self.estimator_ = clone(self.estimator).fit(more, classes)
        self.classes_ = self.estimator_.classes_
        return self

    def predict(self, X: Any) -> Any:
        """The class of each row."""
        return self.estimator_.predict(X)

    def score(self, X: Any, y: Any) -> float:
        """As the estimator scores itself, by default the share of rows whose class is right."""
        return self.estimator_.score(X, y)

    def __getattr__(self, name: str) -> Any:
        if name in ("predict_proba", "predict_log_proba", "decision_function", "n_features_in_", "feature_names_in_"):
            mine = self.__dict__
            return getattr(mine["estimator_"] if "estimator_" in mine else mine["estimator"], name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import get_tags

        return get_tags(self.estimator)
