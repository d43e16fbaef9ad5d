"""The model `ruled`: every row obeys, whatever the inner model draws, and what was learned is still there."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike
from lookalike import models
from lookalike.data import Dataset
from lookalike.errors import CannotError, SettingError, UnknownName
from lookalike.models import _recast, _recasting
from lookalike.protocol import State
from lookalike.rules import Rules

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "steer"))

from planted import PLANTED, orders

QUICK = {"trees": 4, "rounds": 0}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ruled(data: Dataset, rules: list[str], inner: str = "independent", **settings: Any) -> Any:
    return models.build("ruled", {"rules": rules, "inner": inner, **settings}).fit(data, rng=rng())


@pytest.fixture(scope="module")
def shop() -> Dataset:
    return Dataset.of(orders(3_000, 1))


@pytest.fixture(scope="module")
def fitted(shop: Dataset) -> Any:
    return ruled(shop, list(PLANTED), "forest", inner_settings=QUICK)


@pytest.fixture(scope="module")
def small() -> Dataset:
    g = rng(4)
    a = g.integers(0, 90, 1_500)
    frame = pd.DataFrame(
        {
            "a": a, "b": a + g.integers(0, 30, 1_500), "c": g.integers(-40, 60, 1_500), "when": pd.Timestamp("2024-01-01"),
            "kind": g.choice(["x", "y", "z"], 1_500), "size": 5.0 * g.integers(0, 50, 1_500),
        }
    )  # fmt: skip
    frame["when"] += pd.to_timedelta(g.integers(0, 300, 1_500), "D")
    frame["then"] = frame["when"] + pd.to_timedelta(g.integers(0, 20, 1_500), "D")
    frame["d"] = frame["a"] + frame["c"]
    frame.loc[g.random(1_500) < 0.1, "a"] = None
    frame.loc[g.random(1_500) < 0.2, "then"] = None
    return Dataset.of(frame)


@pytest.mark.parametrize("inner", ["forest", "independent"])
def test_all_rows_obey_all_rules(shop: Dataset, fitted: Any, inner: str) -> None:
    """Also where the inner model knows nothing of how columns hang together."""
    model = fitted if inner == "forest" else ruled(shop, list(PLANTED))
    made = model.sample(4_000, rng=rng(1)).table()
    assert {rule: int((~held).sum()) for rule, held in model.rules_.holds(made).items()} == dict.fromkeys(PLANTED, 0)
    keys = made["order_no"].to_pylist()
    assert len(set(keys)) == 4_000 and not set(keys) & set(shop.table()["order_no"].to_pylist())
    assert made.schema == shop.table().schema
    assert 0 < model.accepted_ <= 1


def test_what_was_learned_is_still_there(shop: Dataset, fitted: Any) -> None:
    """Gaps, totals and levels come as often as they did; so do missing cells."""
    made, real = (t.to_pandas() for t in (fitted.sample(6_000, rng=rng(2)).table(), shop.table()))
    for column in ("gross", "cost", "high_bid", "net", "weight"):
        assert abs(made[column].mean() - real[column].mean()) < 0.12 * real[column].std(), column
    gaps = [(f["high_bid"] - f["low_bid"]).mean() for f in (made, real)]
    assert abs(gaps[0] - gaps[1]) < 1.5
    assert abs((made["high_bid"] == made["low_bid"]).mean() - 0.2) < 0.04
    assert abs(made["shipped"].isna().mean() - real["shipped"].isna().mean()) < 0.03
    assert abs((made["city"] == "Oslo").mean() - (real["city"] == "Oslo").mean()) < 0.03
    assert abs(made["by_rail"].mean() - real["by_rail"].mean()) < 0.03


@pytest.mark.parametrize(
    "rules",
    [
        ["a <= b"],
        ["a < b"],
        ["b >= a + 2"],
        ["a <= b", "a <= d", "c <= d"],
        ["a <= b <= 100"],
        ["when <= then"],
        ["then - when <= 12", "when <= then"],
        ["d = a + c"],
        ["d = a + c", "d <= b"],
        ["c = d - a", "step(size, 10)"],
        ["2 * a + size <= 2 * b + 100"],
        ['if kind = "x" then c >= 0'],
        ['if kind = "x" then then is missing', "c != 3"],
        ["a is missing or then is missing"],
        ["together_missing(a, then)"],
        ["unique(b, c)"],
        ["combination(kind, size)", "step(size, 5)"],
        ['combination(kind, size) in (("x", 5), ("x", 10), ("y", 5))'],
        ["min(a, b) >= 10 or kind = z"],
    ],
)
def test_rules_of_all_sorts_hold_in_every_row(small: Dataset, rules: list[str]) -> None:
    try:
        model = ruled(small, rules)
    except SettingError as error:  # half of the rows break it: learn from those that do not
        assert "of the rows learned from break a rule" in str(error)
        held = Rules.of(rules, small.schema).check(small.table())
        model = ruled(small.take(held), rules, protect=1)
    made = model.sample(700, rng=rng(3)).table()
    assert made.num_rows == 700 and all(h.all() for h in model.rules_.holds(made).values())
    assert made.schema == small.table().schema


def test_rows_that_break_a_rule_are_left_out(small: Dataset) -> None:
    model = ruled(small, ["a <= c + 60"])
    held = Rules.of(["a <= c + 60"], small.schema).check(small.table())
    assert model.left_out_ == (~held).sum() > 100
    with pytest.raises(SettingError, match="holds in") as error:
        ruled(small, ["a >= 0", "b < a"])
    assert "'b < a'" in str(error.value)


def test_missing_cells_stay_as_they_were(small: Dataset) -> None:
    """The lower, the upper, both or neither of two columns may be missing; nothing of that changes by recasting."""
    model = ruled(small, ["a <= b", "when <= then", "d = a + c"], "forest", inner_settings=QUICK)
    made, real = (t.to_pandas() for t in (model.sample(4_000, rng=rng(5)).table(), small.table()))
    for column in ("a", "b", "d", "then", "when"):
        assert abs(made[column].isna().mean() - real[column].isna().mean()) < 0.03, column
    assert made.loc[made["a"].isna(), "b"].notna().all() and made["d"].notna().all()


def test_there_and_back_is_the_same_table(shop: Dataset, small: Dataset) -> None:
    """Recasting loses nothing of rows that obey."""
    for data, texts in (
        (shop, list(PLANTED)),
        (small, ["a <= b", "when <= then", "c = d - a", "step(size, 5)", "combination(kind, size)"]),
    ):
        rules = Rules.of(texts, data.schema).learn(data, protect=1)
        steps = _recasting.plan(rules, data.table(), data.schema, None, 1)
        recast = _recast.there(data.table(), steps)
        assert tuple(recast.column_names) == tuple(c.name for c in _recast.columns_of(data.schema.table, steps))
        again = [_recast.from_json(json.loads(json.dumps(_recast.to_json(s)))) for s in steps]
        table, fine = _recast.back(recast, again, data.schema.table.names)
        assert table.num_rows == data.rows and fine.mean() > 0.99
        for name in data.schema.table.names:
            assert table[name].to_pylist() == data.table()[name].to_pylist(), name


def test_what_no_row_can_meet_is_refused_by_name() -> None:
    g = rng()
    x, y = g.permutation(2_000) * 7, g.permutation(2_000) * 11
    frame = pd.DataFrame({"x": x, "y": y, "rest": (x * y) % 1_009, "kind": g.choice(["u", "v"], 2_000)})
    data = Dataset.of(frame)
    far = 'x * y = rest * rest or kind = "w"'
    with pytest.raises(SettingError, match="holds in 0% of them"):
        ruled(data, [far])
    model = ruled(data, ["x >= 0"])
    model.rules_ = Rules.of(["x >= 0", far], data.schema)  # as if rows had obeyed it of which the model learned nothing
    with pytest.raises(CannotError, match=r"of the rows that independent draws obey all rules; 'x \* y = rest") as error:
        model.sample(200, rng=rng())
    assert error.value.where == "ruled.rules"
    with pytest.raises(CannotError, match=r"unique\(kind\)"):
        ruled(data, ["unique(kind)"]).sample(50, rng=rng())


def test_unique_holds_over_blocks(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = ruled(small, ["unique(when, kind)"])
    model = fitted.in_turn()
    blocks = [model.sample(200, rng=rng(k), start=200 * k).table().to_pandas() for k in range(3)]
    pairs = pd.concat(blocks)[["when", "kind"]]
    assert not pairs.duplicated().any()
    again = [model.sample(200, rng=rng(k), start=200 * k).table().to_pandas() for k in range(3)]
    assert all(a.equals(b) for a, b in zip(blocks, again, strict=True))
    assert fitted.sample(200, rng=rng(0)).table().to_pandas().equals(blocks[0])
    with pytest.raises(CannotError, match="must differ from those, by 'unique"):
        fitted.sample(200, rng=rng(1), start=200)
    monkeypatch.setattr("lookalike._drawing.BLOCK", 150)
    whole = lookalike.sample(fitted, 500, seed=1)
    assert not whole[["when", "kind"]].duplicated().any()
    assert lookalike.sample(fitted, 500, seed=1).equals(whole)


def test_stored_and_restored_it_draws_the_same(shop: Dataset, fitted: Any) -> None:
    state = fitted.state()
    card = json.loads(json.dumps(state.card, allow_nan=False))
    assert card == state.card
    again = models.build("ruled", {"rules": list(PLANTED)}).restore(shop.schema, State(card=card, arrays=state.arrays))
    a, b = (m.sample(500, rng=rng(9)).table() for m in (fitted, again))
    assert a.to_pylist() == b.to_pylist()
    assert again.accepted_ == fitted.accepted_


def test_rare_combinations_are_kept_nowhere() -> None:
    g = rng()
    city = np.array(["Oslo", "Bergen"])[g.integers(0, 2, 800)].tolist() + ["Hidden"] * 4
    country = ["N"] * 800 + ["Secretia"] * 4
    data = Dataset.of(pd.DataFrame({"city": city, "country": country, "x": g.normal(size=804).round(2)}))
    model = ruled(data, ["combination(city, country)"], "forest", inner_settings=QUICK)
    state = model.state()
    assert "Hidden" not in json.dumps(state.card) and "Secretia" not in json.dumps(state.card)
    assert set(model.sample(3_000, rng=rng()).table()["city"].to_pylist()) == {"Oslo", "Bergen"}


def test_no_extreme_value_of_anybody_is_stored() -> None:
    g = rng()
    low = g.integers(0, 1_000, 500) / 8
    high = low + g.integers(1, 400_000, 500) / 1_024
    data = Dataset.of(pd.DataFrame({"low": low, "high": high, "sum": low + high}))
    card = json.dumps(ruled(data, ["low <= high", "sum = low + high"]).state().card["steps"])
    told = {float(x) for x in re.findall(r"-?\d+\.\d+", card)}
    assert told and not told & {*low, *high, *(low + high)}


def test_a_subject_is_never_recast() -> None:
    g = rng()
    who = g.integers(100, 400, 1_000)
    frame = pd.DataFrame({"low": who - g.integers(0, 9, 1_000), "who": who, "x": g.normal(size=1_000).round(2)})
    data = Dataset.of(frame)
    data = Dataset.from_arrow({data.schema.table.name: data.table()}, data.schema.model_copy(update={"subject": "who"}))
    model = ruled(data, ["low <= who"])
    assert model.rules_.check(model.sample(500, rng=rng()).table()).all()


def test_keys_that_rules_speak_of() -> None:
    g = rng()
    a, kind = g.integers(0, 50, 1_000), g.choice(["x", "y"], 1_000)
    code = pd.Series([f"K-{k:06d}" for k in g.permutation(900_000)[:1_000]]).where(kind == "x")
    data = Dataset.of(pd.DataFrame({"code": code, "kind": kind, "a": a, "b": a + g.integers(0, 9, 1_000)}))
    assert data.schema.table["code"].kind == "key"
    model = ruled(data, ['if kind = "y" then code is missing', 'if kind = "x" then code is known', "b - a != 3"])
    assert 0.3 < model.accepted_ < 0.7
    blocks = [model.sample(800, rng=rng(k), start=800 * k).table() for k in range(2)]
    assert all(model.rules_.check(t).all() for t in blocks)
    keys = [k for t in blocks for k in t["code"].to_pylist() if k is not None]
    assert len(keys) > 500 and len(set(keys)) == len(keys)


def test_personal_values_stay_with_their_rows() -> None:
    """A person is made for each row's number: drawing rows again makes nobody twice, and a name still fits the sex of its row."""
    g = rng()
    sex = g.choice(["female", "male"], 600)
    names = {"female": ["Anna", "Emma", "Laura", "Julia", "Sarah", "Lisa"], "male": ["Peter", "Paul", "Lukas", "Jonas", "David", "Simon"]}
    first = [names[s][g.integers(0, 6)] for s in sex]
    mail = [f"{f.lower()}.{k}@mail{k % 7}.com" for k, f in enumerate(first)]
    data = Dataset.of(pd.DataFrame({"sex": sex, "mail": mail, "a": g.integers(0, 99, 600), "b": g.integers(0, 99, 600)}))
    assert data.schema.table["mail"].kind == "personal"
    kept = Rules.of(["a * a + b * b <= 9000"], data.schema).check(data.table())
    model = ruled(data.take(kept), ["a * a + b * b <= 9000"])
    assert model.accepted_ < 0.95
    made = model.sample(900, rng=rng(1)).table()
    assert model.rules_.check(made).all()
    again = model.sample(900, rng=rng(1)).table()
    assert again.to_pylist() == made.to_pylist()
    plain = model.inner_.sample(900, rng=rng(1)).table()["mail"].to_pylist()
    assert len(set(made["mail"].to_pylist())) >= len(set(plain)) - 5


def test_settings_from_a_command_line() -> None:
    s = models.build("ruled", {"rules": "a <= b; c = a + b", "inner_settings": '{"trees": 3}'}).settings
    assert s.rules == ("a <= b", "c = a + b") and s.inner_settings == {"trees": 3}
    for wrong, said in (
        ({"rules": "much"}, "is no rule"),
        ({"inner": "ruled"}, "cannot learn for itself"),
        ({"inner_settings": "{trees}"}, "not json"),
    ):
        with pytest.raises(SettingError, match=said):
            models.build("ruled", wrong)
    with pytest.raises(UnknownName, match="forest"):
        models.build("ruled", {"inner": "forrest"})


def test_bad_rules_are_refused_before_work(small: Dataset) -> None:
    with pytest.raises(UnknownName, match="did you mean 'kind'"):
        ruled(small, ["kin = 3"])
    with pytest.raises(SettingError, match="together"):
        ruled(small, ["a < b", "b < a"])
    with pytest.raises(UnknownName, match="setting"):
        ruled(small, ["a <= b"], "forest", inner_settings={"tree": 3})


def test_rows_that_were_left_out_are_told_of() -> None:
    import lookalike as la

    frame = pd.DataFrame({"a": [k // 4 for k in range(100)], "b": [k // 4 + (3 if k % 10 else -3) for k in range(100)]})
    model = la.fit(frame, model=la.model("ruled", rules=["a <= b"], inner="independent"))
    assert model.left_out_ == 10
    assert any("10 rows that break a rule" in note for note in model.notes_)
