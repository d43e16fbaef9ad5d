"""What every metric must do, whichever it is: found by folder, so that a new metric is a new file and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from lookalike import metrics
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, code
from lookalike.compare.stats import variance
from lookalike.report.measure import stage, trial
from lookalike.schema import Column
from lookalike.score import Score

pytestmark = pytest.mark.usefixtures("fewer_trees")

COLUMNS = tuple(
    Column(name=name, kind=kind)
    for name, kind in (("age", "integer"), ("pay", "number"), ("job", "category"), ("day", "date"), ("rich", "boolean"))
)
ROWS = 800


def people(seed: int) -> pa.Table:
    """Rows of mixed kinds that depend on each other, with missing cells that depend on a column."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, ROWS)
    job = rng.choice(["clerk", "nurse", "cook", "judge"], ROWS, p=[0.4, 0.3, 0.2, 0.1])
    pay = np.where(rng.random(ROWS) < 0.2, 0.0, np.round(age * 100 + (job == "judge") * 3_000 + rng.normal(0, 600, ROWS), 2))
    gone = rng.random(ROWS) < np.where(job == "cook", 0.8, 0.02)
    return pa.table(
        {
            "age": pa.array(age, pa.int64()),
            "pay": pa.array(pay, mask=gone),
            "job": pa.array(job).dictionary_encode(),
            "day": pa.array((age * 30 + rng.integers(0, 300, ROWS)).astype(np.int32)).cast(pa.date32()),
            "rich": pa.array(pay > np.median(pay)),
        }
    )


@pytest.fixture(scope="module")
def frames() -> dict[str, Frame]:
    return code({"real": people(1), "fresh": people(2), "other": people(3)}, COLUMNS)


def damaged(frame: Frame) -> Frame:
    """Each column shuffled on its own, numbers moved, a tail cut, one label and the missing cells overwritten, every row there twice."""
    rng = np.random.default_rng(9)
    values = {k: rng.permutation(v) for k, v in frame.values.items()}
    values["age"] = values["age"] + 15
    values["pay"] = np.where(rng.random(frame.rows) < 0.5, np.nan, np.nan_to_num(values["pay"], nan=1.0))
    values["day"] = np.minimum(values["day"], np.quantile(values["day"], 0.9))
    values["job"] = np.maximum(values["job"], 1)
    return Frame(frame.columns, values, frame.levels, frame.rows).take(np.arange(frame.rows) // 2 * 2)


def measure(name: str, real: Frame, other: Frame, fresh: Frame, seed: int = 0) -> list[Finding]:
    return metrics.load(name).measure(real, other, context=Context(np.random.default_rng(seed), fresh, "rich", train=fresh))


@pytest.fixture(scope="module")
def usual(frames: dict[str, Frame]) -> Callable[[str], list[Finding]]:
    """What a metric finds in rows of the same law; measured once, and before it nothing was changed."""
    before = {role: {k: v.copy() for k, v in f.values.items()} for role, f in frames.items()}

    def found(name: str) -> list[Finding]:
        made = measure(name, frames["real"], frames["other"], frames["fresh"])
        for role, values in before.items():
            for k, v in values.items():
                np.testing.assert_array_equal(frames[role][k], v, err_msg=f"{name} changes {k} of {role}")
        return made

    return cache(found)


@pytest.mark.parametrize("name", metrics.names())
def test_it_says_what_it_is(name: str) -> None:
    module = metrics.load(name)
    assert isinstance(module.ABOUT, About)
    assert module.ABOUT.title and module.ABOUT.definition.endswith(".") and module.ABOUT.source
    assert module.BETTER in ("higher", "lower", "target")


@pytest.mark.parametrize("name", metrics.names())
def test_rows_of_the_same_law_beat_what_it_has_to_find(name: str, frames: dict[str, Frame], usual: Callable[[str], list[Finding]]) -> None:
    module = metrics.load(name)
    # What looks for memory must find copies; what looks for likeness must find damage.
    bad = frames["real"] if module.ABOUT.fresh else damaged(frames["other"])
    good_ones = usual(name)
    bad_ones = measure(name, frames["real"], bad, frames["fresh"])
    for good, worse in zip(good_ones, bad_ones, strict=True):
        width, better = good.high - good.low, good.better or module.BETTER
        if better == "higher":
            assert worse.high < good.low
        elif better == "lower":
            assert worse.low > good.high
        else:
            assert abs(worse.value - good.value) > width


@pytest.mark.parametrize("name", metrics.names())
@pytest.mark.parametrize("which", ["same", "damaged"])
def test_values_and_intervals_are_bounded(name: str, which: str, frames: dict[str, Frame]) -> None:
    other = {"same": frames["real"], "damaged": damaged(frames["real"])}[which]
    least, most = (0, 100) if metrics.load(name).ABOUT.unit == "%" else (-1, 1)
    for found in measure(name, frames["real"], other, frames["fresh"]):
        assert least <= found.low <= found.value + 1e-9
        assert found.value <= found.high + 1e-9 <= most + 1e-6


@pytest.mark.parametrize("name", metrics.names())
def test_the_order_of_rows_does_not_matter(name: str, frames: dict[str, Frame], usual: Callable[[str], list[Finding]]) -> None:
    turned = {k: f.take(np.random.default_rng(5).permutation(f.rows)) for k, f in frames.items()}
    a = usual(name)
    b = measure(name, turned["real"], turned["other"], turned["fresh"])
    for x, y in zip(a, b, strict=True):
        # Exact, but where rows are drawn into folds or into a learner.
        assert x.value == pytest.approx(y.value, abs=0.06 if name in ("c2st", "utility") else 1e-6)


@pytest.mark.parametrize("name", metrics.names())
def test_it_changes_nothing_and_repeats_itself(name: str, frames: dict[str, Frame], usual: Callable[[str], list[Finding]]) -> None:
    assert usual(name) == measure(name, frames["real"], frames["other"], frames["fresh"])


@pytest.mark.parametrize("name", metrics.names())
def test_a_table_it_cannot_judge_gets_a_reason(name: str) -> None:
    nothing = code({"a": pa.table({"x": pa.nulls(60, pa.float64())}), "b": pa.table({"x": pa.nulls(60, pa.float64())})}, COLUMNS[:0])
    for found in measure(name, nothing["a"], nothing["b"], nothing["a"]):
        assert found.value is None and found.note


# ---- beside its controls

DEALT_WITH = ("fidelity", "utility")
NEARLY_THE_SAME = ("missing_patterns",)
"""What a uniform table gets nearly right: cells are missing as often as in the real one."""


@pytest.fixture(scope="module")
def beside(frames: dict[str, Frame]) -> Callable[[str], list[Score]]:
    """The scores of a metric on rows of the same law, with all controls; measured once."""
    roles = {"real": frames["real"], "holdout": frames["fresh"], "synthetic": frames["other"]}
    setting = stage(roles, target="rich", rng=np.random.default_rng(0), protected=("job",))
    return cache(lambda name: trial(name, setting, seed=0))


def beyond(score: Score, control: float) -> float:
    """How much worse a control is than the ceiling, in standard errors of the ceiling."""
    gap = control - score.ceiling
    noise = variance(score.ceiling, score.ceiling_interval) ** 0.5
    return (abs(gap) if score.better == "target" else gap if score.better == "lower" else -gap) / max(noise, 1e-9)


@pytest.mark.parametrize("name", metrics.names())
def test_it_finds_rows_of_the_same_law_near_the_ceiling(name: str, beside: Callable[[str], list[Score]]) -> None:
    for score in beside(name):
        assert score.low <= score.value <= score.high
        assert None not in (score.ceiling, score.floor, score.copy, score.uniform), score.name
        # A wide band: tables of 800 rows, many figures; a figure of real rows must not be called far off.
        assert score.skill is None or score.skill_interval is None or score.skill_interval[1] > 0.7, score.name


@pytest.mark.parametrize("name", [n for n in metrics.names() if metrics.load(n).ABOUT.area in DEALT_WITH])
def test_uniform_rows_are_worse_than_real_ones(name: str, beside: Callable[[str], list[Score]]) -> None:
    for score in beside(name):
        assert score.name in NEARLY_THE_SAME or beyond(score, score.uniform) > 0, score.name


@pytest.mark.parametrize("name", [n for n in metrics.names() if metrics.load(n).ABOUT.area in DEALT_WITH])
def test_a_copy_wins_likeness_and_use(name: str, beside: Callable[[str], list[Score]]) -> None:
    for score in beside(name):
        assert beyond(score, score.copy) < 3, score.name  # as good as fresh rows, or better


@pytest.mark.parametrize("name", [n for n in metrics.names() if metrics.load(n).ABOUT.area == "privacy"])
def test_a_copy_loses_privacy(name: str, beside: Callable[[str], list[Score]]) -> None:
    for score in beside(name):
        assert beyond(score, score.copy) > 10, score.name
        assert score.zero == "copy", score.name


def test_names_of_findings_are_unique(beside: Callable[[str], list[Score]]) -> None:
    found = [s.name for name in metrics.names() for s in beside(name)]
    assert len(found) == len(set(found))
    assert all(n.isidentifier() and n == n.lower() for n in found)
