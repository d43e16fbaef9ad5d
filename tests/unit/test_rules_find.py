"""Rules that are found are those that were planted; where columns know nothing of each other, nothing is found."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lookalike.data import Dataset
from lookalike.errors import SettingError
from lookalike.rules import Found, Rules, find

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "steer"))

from planted import FOLLOWS, PLANTED, orders


def texts(frame: pd.DataFrame, **how: float) -> set[str]:
    return {f.text for f in find(Dataset.of(frame), **how)}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return find(Dataset.of(orders(4_000, 3)))


def test_all_planted_rules_are_found_and_no_others(found: list[Found]) -> None:
    said = {f.text for f in found}
    assert [rule for rule, ways in PLANTED.items() if not said & set(ways)] == []
    assert said - FOLLOWS - {way for ways in PLANTED.values() for way in ways} == set()


def test_what_is_found_is_read_back_and_holds(found: list[Found]) -> None:
    data = Dataset.of(orders(4_000, 3))
    rules = Rules.of([f.text for f in found], data.schema).learn(data)
    assert all(h.all() for h in rules.holds(data.table()).values())
    assert all(f.share == 1 and 0 < f.support <= 4_000 and f.distinct > 1 and f.to_json()["source"] == "found" for f in found)
    assert json.loads(json.dumps([f.to_json() for f in found]))[0]["text"] == found[0].text


def test_support_counts_the_rows_that_a_rule_speaks_of(found: list[Found]) -> None:
    frame, by_text = orders(4_000, 3), {f.text: f for f in found}
    assert by_text["ordered <= shipped"].support == frame["shipped"].notna().sum()
    gone = by_text["together_missing(shipped, delivered, transit)"]
    assert gone.support == frame["shipped"].isna().sum()
    assert by_text["net = price * quantity"].distinct == frame["net"].nunique()


@pytest.mark.parametrize(("rows", "seed"), [(1_000, 0), (1_000, 1), (1_000, 2), (5_000, 3), (20_000, 4)])
def test_nothing_is_found_where_columns_know_nothing_of_each_other(rows: int, seed: int) -> None:
    g = rng(seed)
    frame = pd.DataFrame(
        {f"i{k}": g.integers(0, 3 ** (k + 1), rows) for k in range(7)}
        | {f"f{k}": g.lognormal(3, 1, rows).round(2) for k in range(4)}
        | {f"c{k}": g.choice(list("abcdefghij")[: k + 2], rows) for k in range(6)}
        | {f"b{k}": g.random(rows) < 0.02 * (k + 1) ** 2 for k in range(5)}
        | {f"d{k}": pd.Timestamp("2020-01-01") + pd.to_timedelta(g.integers(0, 900, rows), "D") for k in range(3)}
    )
    for k, name in enumerate(("i5", "f2", "c2", "c5", "d1")):
        frame.loc[g.random(rows) < (0.02, 0.2, 0.6, 0.97, 0.5)[k], name] = None
    assert texts(frame) == set()


def test_ranges_that_hardly_overlap_are_no_rule() -> None:
    g = rng()
    frame = pd.DataFrame({"age": g.integers(18, 90, 3_000), "income": g.integers(80, 9_000, 3_000), "born": g.integers(1930, 2005, 3_000)})
    assert texts(frame) == set()


def test_what_follows_is_left_out() -> None:
    g = rng()
    a = g.integers(0, 100, 2_000)
    b = a + g.geometric(0.1, 2_000) - 1
    c = b + g.geometric(0.1, 2_000) - 1
    copy = pd.DataFrame({"a": a, "b": b, "c": c, "again": a})
    assert texts(copy) == {"a <= b", "b <= c", "again = a"}
    parts = g.integers(1, 60, (3, 2_000))
    total = pd.DataFrame({"x": parts[0], "y": parts[1], "z": parts[2], "total": parts.sum(0)})
    assert texts(total) == {"total = x + y + z"}


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        ("f = 1.8 * c + 32", lambda a, b, g: {"c": a, "f": (1.8 * a + 32).round(1)}),
        ("net = gross - tax", lambda a, b, g: {"gross": a, "tax": b, "net": (a - b).round(2)}),
        ("speed = way / hours", lambda a, b, g: {"way": a, "hours": b, "speed": (a / b).round(1)}),
        ("pay = price * pieces * (1 - rebate)", lambda a, b, g: _rebate(a, g)),
    ],
)
def test_identities_of_several_forms(rule: str, make: object) -> None:
    g = rng(7)
    made = make((g.gamma(3, 50, 2_000) + 10).round(2), g.gamma(3, 3, 2_000).round(2) + 0.5, g)  # type: ignore[operator]
    other = {"gross = tax + net", "gross = net + tax"} if rule.startswith("net") else {rule}
    assert texts(pd.DataFrame(made)) & (other | {rule})


def _rebate(price: np.ndarray, g: np.random.Generator) -> dict[str, np.ndarray]:
    pieces, rebate = g.integers(1, 20, len(price)), g.choice([0, 0.05, 0.1, 0.2], len(price))
    return {"price": price, "pieces": pieces, "rebate": rebate, "pay": (price * pieces * (1 - rebate)).round(2)}


def test_spans_of_moments() -> None:
    g = rng()
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(g.integers(0, 10**7, 1_000), "s")
    seconds = g.integers(60, 9_000, 1_000)
    frame = pd.DataFrame({"start": start, "end": start + pd.to_timedelta(seconds, "s"), "minutes": (seconds / 60).round(2)})
    assert "minutes = minutes(end - start)" in {t.replace("`", "") for t in texts(frame)}


def test_rare_levels_are_not_spelled_out() -> None:
    g = rng()
    kind = np.array(["common"] * 1_990 + ["secret"] * 4 + ["other"] * 6)
    frame = pd.DataFrame({"kind": kind, "value": g.normal(size=2_000).round(3), "x": g.integers(0, 50, 2_000)})
    frame.loc[kind != "common", "value"] = None
    said = texts(frame)
    assert not any("secret" in t for t in said)
    who, kind = ["one"] * 40 + [f"p{k}" for k in range(1_960)], ["rare"] * 40 + ["b"] * 1_960
    data = Dataset.of(pd.DataFrame({"who": who, "kind": kind, "value": [None] * 40 + list(range(1_960))}))
    assert any("rare" in f.text for f in find(data))
    mine = Dataset.from_arrow({data.schema.table.name: data.table()}, data.schema.model_copy(update={"subject": "who"}))
    assert not any('"rare"' in f.text for f in find(mine))  # forty rows of one person


def test_rules_with_exceptions_only_if_asked_for() -> None:
    g = rng()
    a, b = g.integers(0, 500, 3_000), g.integers(1, 500, 3_000)
    frame = pd.DataFrame({"a": a, "b": b, "c": a + b})
    frame.loc[:4, "c"] = 7
    assert texts(frame) == set()
    found = {f.text: f.share for f in find(Dataset.of(frame), share=0.99)}
    assert 0.998 < found["c = a + b"] < 1
    with pytest.raises(SettingError, match=r"above 0\.5"):
        find(Dataset.of(frame), share=0.2)


def test_few_rows_say_nothing() -> None:
    assert find(Dataset.of(pd.DataFrame({"a": range(20), "b": range(20)}))) == []


def test_uniqueness_formats_and_steps() -> None:
    g = rng()
    pairs = g.permutation(3_600)[:2_000]
    frame = pd.DataFrame(
        {
            "hall": [f"h{h}" for h in pairs // 60],
            "course": [f"c{c}" for c in pairs % 60],
            "plate": [f"{'ABC'[z % 3]}B-{z:04d}" for z in g.integers(0, 400, 2_000)],
            "limit": 10_000 * g.integers(1, 40, 2_000),
        }
    )
    said = texts(frame)
    assert {"unique(hall, course)", "step(limit, 10000)"} <= said
    assert not any(t.startswith("unique") and "limit" in t for t in said)
    frame.loc[0, "limit"] = 16_000  # one odd value makes no step of 2,000
    assert not any(t.startswith("step(limit") for t in texts(frame))


def test_formats_name_classes_and_signs_only() -> None:
    from lookalike.data.formats import canonical
    from lookalike.schema import Column, Schema, Table

    values = [f"{'AB'[k % 2]}X-{k % 97:03d}.{k % 10}" for k in range(500)]
    column = Column(name="plate", kind="category")
    table = pa.table({"plate": pa.array(values).cast(canonical(column))})
    data = Dataset.from_arrow({"table": table}, Schema(tables=(Table(columns=(column,)),)))
    assert [f.text for f in find(data)] == [r'plate ~ "[A-Z]{2}-[0-9]{3}\.[0-9]"']
    assert Rules.of([f.text for f in find(data)], data.schema).check(data.table()).all()
