"""Damage that each fidelity metric must notice, and fresh real rows about which all must keep quiet."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from lookalike import metrics
from lookalike.compare.about import Context, Finding
from lookalike.compare.boost import one_thread
from lookalike.compare.frame import Frame
from lookalike.compare.rules import rules
from lookalike.compare.stats import false_discovery
from lookalike.metrics import c2st
from lookalike.schema import Column

ROWS = 4_000
JOBS = ("clerk", "cook", "judge", "nurse")
KINDS = {"age": "integer", "pay": "number", "job": "category", "day": "date", "rich": "boolean", "debt": "number"}
QUIET = ("shape", "trend", "correlation", "marginals", "tails", "missing", "subgroups")


def people(seed: int, rows: int = ROWS) -> Frame:
    """Rows of mixed kinds: pay follows age, is missing for cooks; nobody comes on Sundays; big debts go with big pay."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows).astype(float)
    job = rng.choice(4, rows, p=[0.4, 0.24, 0.01, 0.35]).astype(np.int32)
    full = age * 100 + (job == 2) * 3_000 + rng.normal(0, 900, rows)
    pay = np.where(rng.random(rows) < np.where(job == 1, 0.5, 0.02), np.nan, np.round(full, 2))
    day = rng.integers(0, 300, rows) * 7 + rng.integers(0, 6, rows) + 3.0
    rich = (full > 6_000).astype(np.int32)
    debt = np.round(np.exp(full / 2_000 + rng.normal(0, 0.7, rows)), 1)
    values = {"age": age, "pay": pay, "job": job, "day": day, "rich": rich, "debt": debt}
    return Frame(tuple(Column(name=n, kind=k) for n, k in KINDS.items()), values, {"job": JOBS, "rich": ("false", "true")}, rows)


def changed(frame: Frame, **values: np.ndarray) -> Frame:
    return Frame(frame.columns, {**frame.values, **values}, frame.levels, frame.rows)


def shuffled(f: Frame, rng: np.random.Generator) -> Frame:
    return changed(f, debt=rng.permutation(f["debt"]))


def decorrelated(f: Frame, rng: np.random.Generator) -> Frame:
    """Debt keeps its law and what it has to do with being rich, but not with how much is earned."""
    debt = f["debt"].copy()
    for side in (0, 1):
        at = np.flatnonzero(f["rich"] == side)
        debt[at] = rng.permutation(debt[at])
    return changed(f, debt=debt)


def without_judges(f: Frame, rng: np.random.Generator) -> Frame:
    return changed(f, job=np.where(f["job"] == 2, rng.choice([0, 1, 3], f.rows), f["job"]).astype(np.int32))


def cut_tails(f: Frame, rng: np.random.Generator) -> Frame:
    low, high = np.quantile(f["debt"], [0.02, 0.98])
    return changed(f, debt=np.where((f["debt"] < low) | (f["debt"] > high), rng.permutation(np.clip(f["debt"], low, high)), f["debt"]))


def missing_anywhere(f: Frame, rng: np.random.Generator) -> Frame:
    pay = np.where(np.isnan(f["pay"]), f["age"] * 100, f["pay"])
    return changed(f, pay=np.where(rng.random(f.rows) < np.isnan(f["pay"]).mean(), np.nan, pay))


def flipped_in_a_group(f: Frame, rng: np.random.Generator) -> Frame:
    flip = (f["job"] == 1) & (rng.random(f.rows) < 0.5)
    return changed(f, rich=np.where(flip, 1 - f["rich"], f["rich"]).astype(np.int32))


def shifted_days(f: Frame, rng: np.random.Generator) -> Frame:
    return changed(f, day=f["day"] + 3)


def decimals_added(f: Frame, rng: np.random.Generator) -> Frame:
    return changed(f, debt=f["debt"] * (1 + rng.normal(0, 0.001, f.rows)))


def extremes_parted(f: Frame, rng: np.random.Generator) -> Frame:
    """Among the highest debts, debt no longer follows pay; the rest is untouched."""
    at = np.flatnonzero(f["debt"] > np.quantile(f["debt"], 0.7))
    debt = f["debt"].copy()
    debt[at] = rng.permutation(debt[at])
    return changed(f, debt=debt)


def untied_in_a_group(f: Frame, rng: np.random.Generator) -> Frame:
    debt, at = f["debt"].copy(), np.flatnonzero(f["job"] == 3)
    debt[at] = rng.permutation(debt[at])
    return changed(f, debt=debt)


def outliers_invented(f: Frame, rng: np.random.Generator) -> Frame:
    return changed(f, age=np.where(rng.random(f.rows) < 0.02, 130.0, f["age"]))


@pytest.fixture(scope="module")
def tables() -> tuple[Frame, Frame, Frame]:
    return people(1), people(2), people(3)


def measure(module: str, real: Frame, other: Frame) -> dict[str, Finding]:
    with one_thread():
        return {f.name: f for f in metrics.load(module).measure(real, other, context=Context(np.random.default_rng(0), target="rich"))}


def flagged(finding: Finding) -> set[str]:
    names = list(finding.tests)
    rates = false_discovery(np.array([finding.tests[n] for n in names])) if names else np.empty(0)
    return {n for n, rate in zip(names, rates, strict=True) if rate < 0.05}


@pytest.mark.parametrize(
    ("damage", "module", "name", "culprit"),
    [
        (shuffled, "trend", "trend", None),
        (shuffled, "trend", "dependence", "pay × debt"),
        (shuffled, "correlation", "correlation", "age × debt"),
        (shuffled, "correlation", "correlation_ratio", "rich × debt"),
        (shuffled, "marginals", "three_way", None),
        (shuffled, "subgroups", "subgroup_pairs", None),
        (decorrelated, "trend", "dependence", "pay × debt"),
        (decorrelated, "correlation", "correlation", "pay × debt"),
        (cut_tails, "tails", "tails", "debt above 99 %"),
        (missing_anywhere, "missing", "missing", "pay missing × job"),
        (flipped_in_a_group, "subgroups", "subgroup_shape", "job = cook: rich"),
        (flipped_in_a_group, "trend", "dependence", "job × rich"),
        (untied_in_a_group, "subgroups", "subgroup_pairs", None),
    ],
)
def test_damage_is_noticed(damage: Callable, module: str, name: str, culprit: str | None, tables: tuple[Frame, Frame, Frame]) -> None:
    real, fresh, other = tables
    good = measure(module, real, fresh)[name]
    bad = measure(module, real, damage(other, np.random.default_rng(0)))[name]
    assert bad.low > good.high
    assert culprit is None or culprit in flagged(bad)


@pytest.mark.parametrize(
    ("damage", "module", "name", "culprit"),
    [
        (shifted_days, "shape", "shape", "day (weekday)"),
        (decimals_added, "shape", "shape", "debt (decimals)"),
        (without_judges, "shape", "shape", "job"),
        (outliers_invented, "tails", "tails", "age above 99 %"),
        (extremes_parted, "tails", "tail_dependence", "pay high & debt high"),
    ],
)
def test_what_hardly_moves_a_mean_is_flagged(
    damage: Callable, module: str, name: str, culprit: str, tables: tuple[Frame, Frame, Frame]
) -> None:
    real, fresh, other = tables
    assert culprit not in flagged(measure(module, real, fresh)[name])
    assert culprit in flagged(measure(module, real, damage(other, np.random.default_rng(0)))[name])


def test_a_lost_rare_level_shows_in_its_column(tables: tuple[Frame, Frame, Frame]) -> None:
    real, fresh, other = tables
    bad = without_judges(other, np.random.default_rng(0))
    good, bad = (measure("shape", real, t)["jensen_shannon"].detail["columns"]["job"] for t in (fresh, bad))
    assert bad["low"] > good["high"]


def test_the_worst_subgroup_is_named(tables: tuple[Frame, Frame, Frame]) -> None:
    real, fresh, other = tables
    worst = measure("subgroups", real, untied_in_a_group(other, np.random.default_rng(0)))["subgroup_pairs"].detail["groups"][0]
    assert (worst["column"], worst["level"]) == ("job", "nurse")
    assert worst["low"] > worst["chance"]
    fine = measure("subgroups", real, fresh)["subgroup_pairs"].detail["groups"]
    assert all(g["value"] == pytest.approx(g["chance"], rel=0.35) for g in fine)


def test_damage_of_what_others_are_needed_for_is_noticed(tables: tuple[Frame, Frame, Frame]) -> None:
    real, fresh, other = (t.take(np.arange(1_500)) for t in tables)
    good, bad = (measure("columns", real, t)["column_prediction"] for t in (fresh, shuffled(other, np.random.default_rng(0))))
    assert bad.high < good.low


@pytest.mark.parametrize("module", QUIET)
def test_fresh_rows_raise_no_alarm(module: str) -> None:
    """Beside 10 pairs of tables of one law: 5 % of flagged tables are due for each quantity."""
    alarms = [flagged(f) for k in range(10) for f in measure(module, people(100 + k, 1_500), people(200 + k, 1_200)).values()]
    assert np.mean([bool(a) for a in alarms]) <= 0.2, alarms


# ---- tables that are hard to judge


def odd(rows: int, which: str) -> Frame:
    rng = np.random.default_rng(0)
    values = {
        "number": rng.normal(size=rows),
        "constant": np.zeros(rows),
        "empty": np.full(rows, np.nan),
        "label": rng.integers(0, 3, rows).astype(np.int32),
        "void": np.full(rows, -1, np.int32),
        "huge": rng.choice([0.0, 1e300, -1e300], rows),
    }
    if which == "swapped":  # what was there is gone, and what was not there is
        values |= {"number": values["empty"], "empty": values["number"], "label": values["void"], "void": values["label"]}
    kinds = {"number": "number", "constant": "integer", "empty": "date", "label": "category", "void": "boolean", "huge": "number"}
    columns = tuple(Column(name=n, kind=k) for n, k in kinds.items())
    return Frame(columns, values, {"label": ("a", "b", "c"), "void": ("a", "b", "c")}, rows)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("module", [*QUIET, "columns", "c2st"])
@pytest.mark.parametrize("rows", [(300, 300), (300, 1), (1, 300), (300, 0), (0, 0)])
@pytest.mark.parametrize("which", ["same", "swapped"])
def test_odd_tables_are_judged_or_get_a_reason(module: str, rows: tuple[int, int], which: str) -> None:
    context = Context(np.random.default_rng(0), target="label", protected=("number", "empty", "void"), explain=True)
    for found in metrics.load(module).measure(odd(rows[0], "same"), odd(rows[1], which), context=context):
        assert found.note if found.value is None else 0 <= found.low <= found.value + 1e-9 <= found.high + 2e-9 <= 100 + 1e-6
        assert all(0 <= p <= 1 for p in found.tests.values())
        json.dumps(found.detail, allow_nan=False)


# ---- the reasons of the classifier test


def reasons(real: Frame, other: Frame) -> dict[str, object]:
    return c2st.measure(real, other, context=Context(np.random.default_rng(0), explain=True))[0].detail


@pytest.fixture(scope="module")
def fewer(tables: tuple[Frame, Frame, Frame]) -> tuple[Frame, Frame, Frame]:
    return tuple(t.take(np.arange(2_000)) for t in tables)


def test_rules_name_what_gives_the_table_away(fewer: tuple[Frame, Frame, Frame]) -> None:
    real, _, other = fewer
    rng = np.random.default_rng(0)
    real = changed(real, debt=np.where(rng.random(real.rows) < 0.1, np.nan, real["debt"]))
    gone = rng.random(other.rows) < np.where(other["age"] > 65, 0.7, 0.1)
    found = reasons(real, changed(other, debt=np.where(gone, np.nan, other["debt"])))
    best = next(r for r in found["rules"] if r["text"].startswith("age > 6"))
    assert best["columns"] == ["age", "debt"]
    assert best["text"].endswith((" and debt known", " and debt missing"))
    assert max(best["other"] / best["real"], best["real"] / best["other"]) > 2
    assert "debt" in (found["pairs"][0]["a"], found["pairs"][0]["b"])
    assert not found["saturated"]


def test_rules_give_no_value_away_that_hardly_any_real_row_has(fewer: tuple[Frame, Frame, Frame]) -> None:
    real, _, other = fewer
    one = real["age"].copy()
    one[0] = 117.0  # this person would be found by "age > 110"
    found = reasons(changed(real, age=one), changed(other, age=np.where(np.arange(other.rows) % 20 == 0, 117.0, other["age"])))
    texts = [r["text"] for r in found["rules"]]
    assert "age high (value hidden)" in texts
    assert not any(number in text for text in texts for number in ("110", "117", "80", "90", "100"))


def test_fresh_rows_give_no_reasons_and_a_wild_table_saturates(fewer: tuple[Frame, Frame, Frame]) -> None:
    real, fresh, _ = fewer
    found = reasons(real, fresh)
    assert (found["rules"], found["pairs"], found["saturated"]) == ([], [], False)
    wild = c2st.measure(real, changed(fresh, debt=fresh["debt"] + 1e6), context=Context(np.random.default_rng(0)))[0]
    assert wild.detail["saturated"]
    assert "cannot tell bad from worse" in wild.note


def test_rules_are_written_as_people_write_levels_and_days() -> None:
    real, other = people(1, 1_500), people(2, 1_500)
    other = changed(other, job=np.where(other["job"] == 0, 1, other["job"]).astype(np.int32), day=other["day"] + 400)
    late = (other["day"] > 2_000).astype(float) + np.random.default_rng(0).normal(0, 0.1, 1_500)
    scores = np.concatenate([np.random.default_rng(1).normal(0, 0.1, 1_500), late + (other["job"] == 1)]) / 3 + 0.2
    texts = [r["text"] for r in rules((real, other), scores, ["day", "job"], np.random.default_rng(0))]
    lost = changed(real, debt=np.full(real.rows, np.nan))
    told = rules((real, lost), np.repeat([0.1, 0.9], 1_500), ["debt"], np.random.default_rng(0))
    assert len(told) == 1
    assert {(r["text"], r["hidden"]) for r in told} <= {("debt missing", False), ("debt known", False)}
    assert any(t.startswith("day > 197") and "-01 and job is" in t for t in texts)


def test_of_two_levels_the_one_is_named() -> None:
    real, other = people(1, 2_000), people(2, 2_000)
    flipped = changed(other, rich=np.where(other["age"] > 40, 0, other["rich"]).astype(np.int32))
    scores = np.concatenate([np.full(2_000, 0.2), np.where(other["age"] > 40, 0.9, 0.2)])
    texts = [r["text"] for r in rules((real, flipped), scores, ["rich", "age"], np.random.default_rng(0))]
    assert any("rich is true" in t or "rich is false" in t for t in texts)
    assert not any("is not" in t for t in texts)
