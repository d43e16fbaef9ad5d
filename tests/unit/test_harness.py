"""The harness: controls, skill and its interval, further draws, many tests at once, what a crash costs, and who may read what."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import false_discovery_control

from lookalike import metrics
from lookalike.compare.about import About, Context, Finding
from lookalike.compare.frame import Frame, code
from lookalike.compare.stats import around, false_discovery
from lookalike.compare.uncode import recode, uncode
from lookalike.report import audience, measure, split
from lookalike.report.masked import masked
from lookalike.report.verdict import judged, tone
from lookalike.schema import Column
from lookalike.score import Score

KINDS = {"age": "integer", "pay": "number", "job": "category", "day": "date", "rich": "boolean", "at": "datetime", "note": "text"}
COLUMNS = tuple(Column(name=n, kind=k) for n, k in KINDS.items())


def people(seed: int, rows: int = 400) -> pa.Table:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    pay = np.round(age * 100 + rng.normal(0, 500, rows), 2)
    return pa.table(
        {
            "age": pa.array(age, pa.int64()),
            "pay": pa.array(pay, mask=rng.random(rows) < 0.1),
            "job": pa.array(rng.choice(["clerk", "nurse", "cook"], rows), mask=rng.random(rows) < 0.1).dictionary_encode(),
            "day": pa.array((age * 30).astype(np.int32)).cast(pa.date32()),
            "rich": pa.array(pay > 5_000),
            "at": pa.array(age * 86_400_000_000, pa.int64()).cast(pa.timestamp("us")),
            "note": pa.array(["x" * int(a % 7) for a in age]),
        }
    )


@pytest.fixture(scope="module")
def frames() -> dict[str, Frame]:
    return code({"real": people(1), "synthetic": people(2), "holdout": people(3), "draw 1": people(4), "draw 2": people(5)}, COLUMNS)


@pytest.fixture(scope="module")
def setting(frames: dict[str, Frame]) -> measure.Stage:
    return measure.stage(frames, target="rich", rng=np.random.default_rng(0))


# ---- controls


def plant(monkeypatch: pytest.MonkeyPatch, run: Any, **about: Any) -> None:
    """One metric, `planted`, and no other."""
    told = About(title="Planted", definition="For a test.", source="a test", **about)
    module = SimpleNamespace(ABOUT=told, BETTER="lower", measure=run, __name__="planted")
    monkeypatch.setattr(metrics, "names", lambda: ("planted",))
    monkeypatch.setattr(metrics, "load", lambda name: module)


def only(setting: measure.Stage, seed: int = 0, **more: Any) -> list[Score]:
    return next(measure.scores(setting, seed, **more))[1]


def shared_rows(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
    """Percent of rows of `other` whose pay, in tens, is among those of `real`."""
    value = 100 * float(np.isin(np.rint(other["pay"][~np.isnan(other["pay"])] / 10), np.rint(real["pay"] / 10)).mean())
    return [Finding(name="planted", value=value, low=value, high=value, detail={"rows": other.rows, "real": real.rows})]


def test_each_control_plays_its_part(setting: measure.Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, shared_rows, unit="%", area="privacy")
    (score,) = only(setting)
    assert score.copy == 100 and score.floor == 100  # both have nothing but training values
    assert 0 < score.value < 60 and 0 < score.uniform < 60
    assert score.zero == "copy" and score.skill > 0.8
    assert score.detail["synthetic"]["rows"] == score.detail["ceiling"]["rows"] == 400


def test_real_and_other_change_places_for_what_is_judged_against_the_holdout(
    setting: measure.Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Frame] = {}

    def run(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
        seen["real"], seen["train"] = real, context.train
        return shared_rows(real, other, context=context)

    plant(monkeypatch, run, against="holdout")
    (score,) = only(setting)
    assert seen["real"] is setting.holdout and seen["train"] is setting.train
    assert score.copy == score.ceiling < 60  # both are training rows, judged against the holdout


def test_all_roles_have_as_many_rows(setting: measure.Stage, frames: dict[str, Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []

    def run(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
        rows.append(other.rows)
        return [Finding(name="planted", value=0.0, low=0.0, high=0.0)]

    plant(monkeypatch, run)
    only(replace(setting, holdout=frames["holdout"].take(np.arange(150)), draws=()))
    assert rows == [150] * 5


def test_what_a_metric_may_know(setting: measure.Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Context] = []

    def run(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
        seen.append(context)
        return [Finding(name="planted", value=0.5, low=0.4, high=0.6)]

    plant(monkeypatch, run, fresh=True)
    only(replace(setting, protected=("rich",), draws=()))
    assert [c.explain for c in seen] == [True, False, False, False, False]
    assert {c.target for c in seen} == {"rich"} and {c.protected for c in seen} == {("rich",)}
    assert sorted(c.fresh.rows for c in seen) == [200, 400, 400, 400, 400]  # the ceiling's fresh rows are not those it judges


def test_uniform_rows_keep_to_the_range_and_the_holes(frames: dict[str, Frame]) -> None:
    real = frames["real"]
    flat = measure.uniform(real, 3_000, np.random.default_rng(0))
    for c in real.columns:
        seen, made = (f[c.name][~f.missing(c.name)] for f in (real, flat))
        assert made.min() >= seen.min() and made.max() <= seen.max()
        assert abs(flat.missing(c.name).mean() - real.missing(c.name).mean()) < 0.03
        assert c.kind == "number" or real.is_label(c.name) or (made == np.rint(made)).all()
    assert np.ptp(np.bincount(flat["job"][flat["job"] >= 0]) / 3_000) < 0.06
    nothing = real.take(np.arange(0))
    assert measure.uniform(nothing, 5, np.random.default_rng(0)).missing("pay").all()


def test_controls_are_measured_once_for_several_tables(setting: measure.Stage, frames: dict[str, Frame], monkeypatch: Any) -> None:
    runs: list[int] = []

    def run(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
        runs.append(1)
        return [Finding(name="planted", value=float(other["age"].mean() / 100), low=0.0, high=1.0)]

    plant(monkeypatch, run)
    kept: measure.Kept = {}
    (first,) = only(replace(setting, draws=()), kept=kept)
    (second,) = only(measure.swapped(setting, frames["draw 1"]), kept=kept)
    assert len(runs) == 5 + 1
    assert first.value != second.value and first.ceiling == second.ceiling
    assert only(measure.swapped(setting, frames["draw 1"])) == [second]  # the same numbers as when it is judged alone


def test_a_metric_that_stumbles_costs_only_itself(setting: measure.Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
        raise ValueError("this table is odd")

    plant(monkeypatch, run)
    (score,) = only(setting)
    assert score.value is None and "this table is odd" in score.note


def test_the_quick_report_runs_what_is_quick(setting: measure.Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, shared_rows, quick=False)
    assert list(measure.scores(setting, 0, effort="quick")) == []
    assert len(list(measure.scores(setting, 0, effort="standard"))) == 1


# ---- figures


def figure(value: float | None = 0.6, ceiling: float | None = 0.5, floor: float | None = 0.9, *, half: float = 0.01, **more: Any) -> Score:
    def interval(at: float | None) -> tuple[float, float] | None:
        return None if at is None else (at - half, at + half)

    low, high = interval(value) or (None, None)
    made = {"ceiling_interval": interval(ceiling), "zero_interval": interval(floor), "zero": "floor"} | more
    return Score(name="x", value=value, low=low, high=high, better=made.pop("better", "lower"), ceiling=ceiling, floor=floor, **made)


def test_skill_is_one_for_real_rows_and_zero_for_the_worthless_control() -> None:
    assert figure(0.5).skill == 1 and figure(0.9).skill == 0 and figure(0.6).skill == pytest.approx(0.75)
    assert figure(0.4, better="target").skill == figure(0.6, better="target").skill == pytest.approx(0.75)
    assert figure(ceiling=None).skill is None and figure(floor=None).skill is None and figure(zero=None).skill is None


def test_the_interval_of_the_skill_widens_with_those_it_comes_from() -> None:
    low, high = figure().skill_interval
    assert low < 0.75 < high
    wide = figure(half=0.05).skill_interval
    assert wide[0] < low and wide[1] > high
    assert figure(half=0.4).skill_interval is None  # ceiling and floor cannot be told apart: any skill would do
    assert figure(half=0.0).skill_interval == pytest.approx((0.75, 0.75))
    near, far = figure(0.5, half=0.02, better="target").skill_interval
    assert far == 1 and 0.9 < near < 1


def test_the_interval_of_the_skill_covers() -> None:
    rng, hits, error = np.random.default_rng(0), 0, 0.02
    for value, ceiling, floor in np.array([0.6, 0.5, 0.9]) + rng.normal(0, error, (2_000, 3)):
        low, high = figure(float(value), float(ceiling), float(floor), half=1.96 * error).skill_interval
        hits += low <= 0.75 <= high
    assert 0.935 < hits / 2_000 < 0.965


def test_what_could_have_been_seen() -> None:
    assert figure(half=0.0196).detectable == pytest.approx(2.8 * 0.01 * 2**0.5, rel=0.01)
    assert figure(ceiling=None).detectable is None


def test_false_discovery_rates_are_those_of_scipy() -> None:
    p = np.random.default_rng(0).random(50) ** 3
    np.testing.assert_allclose(false_discovery(p), false_discovery_control(p), rtol=1e-12)


def test_of_many_tests_those_are_flagged_that_stay_after_correction(setting: measure.Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    p = {f"c{i}": (i + 1) / 101 for i in range(100)} | {"age × pay": 1e-6, "job": 1e-5}
    plant(monkeypatch, lambda real, other, *, context: [Finding(name="planted", value=1.0, low=0.9, high=1.0, tests=p)])
    (score,) = only(setting)
    assert [f["name"] for f in score.flagged] == ["age × pay", "job"]
    assert score.tested == 102 and score.flagged[0]["q"] == pytest.approx(1.02e-4)


@pytest.mark.parametrize(("spread", "wider"), [(0.0, False), (0.1, True)])
def test_draws_that_differ_widen_the_interval(
    setting: measure.Stage, frames: dict[str, Frame], monkeypatch: pytest.MonkeyPatch, spread: float, wider: bool
) -> None:
    values = {id(frames[f"draw {i}"]): 0.5 + spread * (-1) ** i for i in (1, 2)}

    def run(real: Frame, other: Frame, *, context: Context) -> list[Finding]:
        value = values.get(id(other), 0.5)
        return [Finding(name="planted", value=value, low=value - 0.01, high=value + 0.01)]

    plant(monkeypatch, run)
    (score,) = only(setting)
    assert score.draws == pytest.approx((0.5, 0.5 - spread, 0.5 + spread))
    assert (score.high - score.low > 0.1) is wider
    assert wider or (score.low, score.high) == pytest.approx((0.49, 0.51))


def test_a_tone_needs_a_sure_and_a_notable_difference() -> None:
    assert tone(figure(0.5)) == tone(figure(0.51)) == "good"
    assert tone(figure(0.55)) == "fair"
    assert tone(figure(0.7)) == "poor"
    assert tone(figure(0.3)) == "good"  # better than real rows, where less is better
    assert tone(figure(0.3, better="target")) == "poor"
    assert tone(figure(0.505, half=0.0001)) == "good"  # sure, and of no consequence
    assert tone(figure(None)) == tone(figure(ceiling=None)) == "open"


def pair_score(name: str, value: float, ceiling: float = 1.0, floor: float = 9.0) -> Score:
    low, high = ((at - 0.1, at + 0.1) for at in (ceiling, floor))
    known = {"ceiling": ceiling, "ceiling_interval": low, "floor": floor, "floor_interval": high, "zero": "floor", "zero_interval": high}
    words = {"area": "fidelity", "unit": "%", "title": name.title()}
    return Score(name=name, value=value, better="lower", low=value - 0.1, high=value + 0.1, **known, **words)


@pytest.mark.parametrize(
    ("trend", "dependence", "correlation", "tone_", "words"),
    [
        (1.0, 1.0, 1.0, "good", "As good as real rows: 1.00 %"),
        (1.6, 1.0, 1.0, "fair", "Near real rows: 1.60 %"),
        (1.6, 5.0, 1.0, "poor", "Far from real rows in dependence (5.00 %, real rows 1.00 %). Cells of two-way tables: 1.60 % error"),
        (1.0, 1.0, 5.0, "poor", "Far from real rows in correlation (5.00 %"),
        (1.0, 1.8, 1.0, "fair", "Off as well: dependence (1.80 %"),
        (8.0, 5.0, 5.0, "poor", "Off as well: dependence (5.00 %, real rows 1.00 %) and correlation"),
    ],
)
def test_pairs_are_as_good_as_the_worst_that_is_said_of_them(
    trend: float, dependence: float, correlation: float, tone_: str, words: str
) -> None:
    scores = [pair_score("trend", trend), pair_score("dependence", dependence), pair_score("correlation", correlation)]
    said = judged(scores, given=True, target=None)
    assert [s["title"] for s in said] == ["Pairs of columns"], "told once"
    assert said[0]["tone"] == tone_ and words in said[0]["text"], said
    assert not ("Near real rows" in said[0]["text"] and tone_ == "poor")


def test_a_nearness_that_says_nothing_is_open() -> None:
    vague = Score(name="dcr_share", value=1.0, better="target", area="privacy", low=0.2, high=1.0, ceiling=0.5, note="all far off")
    said = judged([vague], given=True, target=None)
    assert [(s["tone"], s["text"]) for s in said] == [("open", "Cannot be judged: all far off.")]


def test_intervals_of_a_rate_cover_on_simulated_tables() -> None:
    """Copies among draws from a known table: the share of values that the training rows hold is the truth."""
    run, column, rng = metrics.load("copies").measure, (Column(name="x", kind="integer"),), np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        real, other = (Frame(column, {"x": rng.integers(0, 1_000, 300).astype(float)}, {}, 300) for _ in range(2))
        found = run(real, other, context=Context(rng))[0]
        hits += found.low <= 100 * len(np.unique(real["x"])) / 1_000 <= found.high
    low, high = around(0.95, (0.95 * 0.05 / 200) ** 0.5)
    assert low <= hits / 200 <= high


# ---- the split


def test_a_holdout_that_overlaps_the_training_rows_is_found(setting: measure.Stage) -> None:
    mixed = setting.holdout.take(np.arange(400))
    rows = {k: v.copy() for k, v in mixed.values.items()}
    for k in rows:
        rows[k][:60] = setting.train[k][:60]
    found = split.split(replace(setting, holdout=Frame(mixed.columns, rows, mixed.levels, 400)), None)
    assert found["tone"] == "poor" and found["doubts"] == ["privacy"]
    shared = found["overlap"]["rows"]
    assert 60 <= shared < 65 and found["overlap"]["percent"] == shared / 4  # a few of the others are equal by chance
    assert f"{shared} rows of the holdout ({shared / 4:.1f} %) also stand in the training table" in found["text"]


def test_rows_that_are_equal_by_nature_are_no_overlap(setting: measure.Stage) -> None:
    few = Frame(setting.train.columns[4:5], {"rich": setting.train["rich"]}, setting.train.levels, 400)
    other = Frame(few.columns, {"rich": setting.holdout["rich"]}, few.levels, 400)
    found = split.split(replace(setting, train=few, holdout=other), None)
    assert found["tone"] == "open"  # nothing told of the classifier
    assert found["overlap"] == {"rows": 400, "percent": 100, "natural": 100}


def test_without_a_holdout_there_is_no_split_to_judge(setting: measure.Stage) -> None:
    found = split.split(replace(setting, given=False), None)
    assert (found["tone"], found["c2st"], found["overlap"]) == ("open", None, None)


# ---- rows out of frames


def test_a_frame_can_be_turned_back_into_the_table_it_came_from(frames: dict[str, Frame]) -> None:
    table = uncode(frames["real"])
    before = people(1).drop_columns(["note"])
    for name in before.column_names:
        assert table[name].to_pylist() == before[name].to_pylist(), name
    again = recode(table, frames["real"])
    for c in frames["real"].columns:
        if c.name != "note":
            np.testing.assert_array_equal(again[c.name], frames["real"][c.name])
    assert again.missing("note").all()  # of a text only the length was known


def test_levels_of_few_real_people_lose_their_names() -> None:
    columns = (Column(name="job", kind="category"), Column(name="rich", kind="boolean"))
    jobs = {"real": ["cook"] * 40 + ["pope"] + ["spy"] * 4, "synthetic": ["cook"] * 40 + ["pope"] + ["elf"] * 4, "holdout": ["spy"] * 45}
    tables = {role: pa.table({"job": pa.array(j).dictionary_encode(), "rich": pa.array([True] + [False] * 44)}) for role, j in jobs.items()}
    found = masked(code(tables, columns))["synthetic"]
    assert found.levels == {"job": ("cook", "elf", "(rare 1)", "spy"), "rich": ("false", "true")}


# ---- who may read what

INSIDE = "secret 31337"


def planted_report() -> dict[str, Any]:
    """A report in which everything that may not leave bears a mark."""
    score = {
        "name": "shape", "title": "Column shapes", "metric": "shape", "area": "fidelity", "unit": "%", "better": "lower",
        "value": 1.23456, "low": 1.1, "high": 1.3, "ceiling": 1.01234, "ceiling_interval": [0.98765, 1.1], "floor": 0.54321,
        "floor_interval": [0.4, 0.6], "copy": 0.77777, "uniform": 41.4141, "zero": "uniform", "skill": 0.98989, "skill_low": 0.9,
        "skill_high": 1.0, "draws": [1.2, 1.3], "detectable": 0.2, "tested": 4, "flagged": [{"name": INSIDE, "p": 0.001, "q": 0.002}],
        "note": INSIDE, "detail": {"synthetic": {"columns": {INSIDE: 1}}},
    }  # fmt: skip
    near = score | {"name": "dcr_share", "area": "privacy"}
    attack = {
        "name": "domias", "title": "Density ratio",
        "threat": {"knows": "rows", "wants": "membership", "strength": "medium", "holds": "table"}, "informative": True,
        "value": 0.61616, "low": 0.6, "high": 0.7, "tpr": {"0.01": {"value": 0.05}}, "epsilon": 0.5,
        "roc": {"fpr": [0.1], "tpr": [0.2]}, "controls": {INSIDE: 1}, "outliers": {INSIDE: 1}, "rows": {"members": 1234},
        "note": INSIDE, "detail": {INSIDE: 1},
    }  # fmt: skip
    said = {"tone": "poor", "area": "fidelity", "title": "Single columns", "text": INSIDE}
    rule = {"text": INSIDE, "kind": "inequality", "columns": [INSIDE], "real": 100.0, "holdout": None, "synthetic": 31.337}
    return {
        "format": "lookalike.report", "version": 2, "audience": "internal", "effort": "quick", "name": "synthetic",
        "rows": {"real": 31337, "synthetic": 31337, "holdout": None}, "about": {"model": "forest", "source": INSIDE},
        "target": {"name": "rich", "given": False, "why": INSIDE}, "protected_columns": ["rich"], "notes": [INSIDE], "seed": 31337,
        "compared": {"columns": ["age", "rich"], "left_out": [{"name": INSIDE, "why": INSIDE}]},
        "split": {"tone": "good", "text": INSIDE, "c2st": {"value": 0.50505}, "overlap": {"rows": 1}, "doubts": []},
        "verdict": [said], "limits": [INSIDE], "scores": [score, near], "attacks": [attack], "rules": [rule],
        "columns": [{"name": INSIDE}], "map": {"x": [31337]}, "protected": {INSIDE: {"levels": 1}}, "privacy": None,
        "untested": [{"what": "Text", "why": "not read"}],
        "definitions": [
            {k: "x" for k in audience.DEFINITION} | {"area": area, "kind": "metric"} for area in ("fidelity", "privacy")
        ],
        "others": [
            {"name": "b", "rows": {"real": 31337}, "scores": [score, near], "attacks": [attack], "verdict": [said], "rules": [rule]}
        ],
        "gates": [{"require": "shape<=1", "table": "synthetic", "met": False, "text": INSIDE}], "added later": INSIDE,
    }  # fmt: skip


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [x for k, v in value.items() for x in (k, *leaves(v))]
    return [x for v in value for x in leaves(v)] if isinstance(value, list) else [value]


def test_the_public_report_says_only_what_is_on_the_list() -> None:
    inside = planted_report()
    shown = audience.public(inside)
    assert "31337" not in json.dumps(shown)
    assert set(shown) == set(inside) - {"added later"}  # a view finds every entry, if only an empty one
    numbers = [x for x in leaves(shown) if isinstance(x, int | float) and not isinstance(x, bool)]
    assert set(numbers) <= {2, 31_000, 1.0, 0.99, 0.0}
    assert [s["name"] for s in shown["scores"]] == ["shape"]  # none of privacy
    assert {k for s in shown["scores"] for k in s} == set(inside["scores"][0])
    assert {k for a in shown["attacks"] for k in a} == set(inside["attacks"][0])
    assert [d["area"] for d in shown["definitions"]] == ["fidelity"]
    assert shown["verdict"][0]["text"] == "Far from real rows."
