"""Steering: what a plan asks is met in every row, shares to the row, conditionals as the model has them; what cannot be is refused."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.errors import CannotError, LookalikeError, SettingError, UnknownName


def people(n: int, seed: int = 0) -> pd.DataFrame:
    """People of three towns: what they earn hangs on age and sex, the region follows from the town, the end comes after the start."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n, p=[0.3, 0.7])
    age = rng.integers(18, 80, n)
    town = rng.choice(["Oslo", "Rome", "Lima"], n, p=[0.68, 0.3, 0.02])
    high = rng.random(n) < 0.05 + 0.3 * (sex == "m") + 0.4 * (age > 60)
    start = rng.integers(0, 500, n)
    return pd.DataFrame(
        {
            "id": [f"P-{i:06d}" for i in rng.permutation(10 * n)[:n]],
            "sex": sex,
            "age": age,
            "town": town,
            "region": pd.Series(town).map({"Oslo": "north", "Rome": "south", "Lima": "west"}),
            "start": start,
            "end": start + rng.integers(0, 90, n),
            "score": np.where(rng.random(n) < 0.2, np.nan, np.round(rng.normal(50, 10, n), 2)),
            "income": np.where(high, "high", "low"),
        }
    )


REAL = people(6_000)


@pytest.fixture(scope="module")
def forest() -> Any:
    return la.fit(REAL, seed=0)


@pytest.fixture
def small_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    """What parity costs is tried on as few rows as some thousand people deserve."""
    monkeypatch.setattr(importlib.import_module("lookalike.steer"), "PARITY_PILOT", 8_000)


@pytest.fixture(scope="module")
def network() -> Any:
    pytest.importorskip("torch")
    return la.fit(REAL, model=la.model("autoregressive", epochs=12), seed=0)


@pytest.fixture(scope="module")
def plain() -> Any:
    return la.fit(REAL, model="copula", seed=0)


@pytest.fixture(params=["forest", "network", "plain"])
def model(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def given(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """What the conditions of `ASKED` mean for a frame."""
    return {
        "level": frame.sex == "f",
        "levels": frame.town.isin(["Oslo", "Lima"]),
        "range": frame.age.between(30, 35),
        "number": frame.score.between(48.5, 51.25),
        "exact": frame.age == 47,
        "missing": frame.score.isna(),
        "known": frame.score.notna(),
        "none": ~frame.town.isin(["Oslo"]),
        "late": (frame.income == "high") & (frame.region == "south"),
    }


ASKED: dict[str, dict[str, Any]] = {
    "level": {"sex": "f"},
    "levels": {"town": ["Oslo", "Lima"]},
    "range": {"age": {"low": 30, "high": 35}},
    "number": {"score": {"low": 48.5, "high": 51.25}},
    "exact": {"age": 47},
    "missing": {"score": None},
    "known": {"score": {"missing": False}},
    "none": {"town": {"none_of": ["Oslo"]}},
    "late": {"income": "high", "region": "south"},
}


@pytest.mark.parametrize("what", ASKED)
def test_every_row_meets_what_is_given(model: Any, what: str) -> None:
    rows = la.sample(model, 400, plan={"given": ASKED[what]}, seed=1)
    assert len(rows) == 400
    assert given(rows)[what].all()
    assert rows.id.is_unique


def test_the_rest_is_as_it_is_in_such_rows(forest: Any) -> None:
    """Drawing Lima, a level of 2 % that comes late in the chain, changes nothing that does not hang on it."""
    rows = la.sample(forest, 4_000, plan={"given": {"town": "Lima", "income": "high"}}, seed=1)
    real = people(400_000, seed=9)
    real = real[(real.town == "Lima") & (real.income == "high")]
    assert (rows.region == "west").all()
    assert abs((rows.sex == "m").mean() - (real.sex == "m").mean()) < 0.06
    assert abs(rows.age.mean() - real.age.mean()) < 2.5
    assert abs(rows.score.mean() - real.score.mean()) < 2.0
    assert rows.drop(columns="id").duplicated().mean() < 0.02


def test_what_decides_another_column_follows_from_it(forest: Any) -> None:
    rows = la.sample(forest, 300, plan={"given": {"region": "west"}}, seed=1)
    assert (rows.town == "Lima").all()


def test_shares_are_met_to_the_row(model: Any) -> None:
    rows = la.sample(model, 1_001, plan={"shares": {"sex": {"f": 0.5, "m": 0.5}}}, seed=2)
    assert abs((rows.sex == "f").sum() - 500.5) < 1
    rows = la.sample(model, 1_000, plan={"shares": {"income": {"high": 0.8, "*": 0.2}}}, seed=2)
    assert (rows.income == "high").sum() == 800


def test_shares_of_two_columns_are_both_met_and_keep_how_they_hang_together(forest: Any) -> None:
    asked = la.steer(forest, {"shares": {"sex": {"f": 0.5, "m": 0.5}, "income": {"high": 0.5, "low": 0.5}}}, n=4_000, seed=1)
    table = pd.crosstab(asked.rows.sex, asked.rows.income)
    assert abs(table.sum(axis=1) - 2_000).max() <= 4
    assert abs(table.sum(axis=0) - 2_000).max() <= 4
    odds = table.loc["m", "high"] * table.loc["f", "low"] / (table.loc["m", "low"] * table.loc["f", "high"])
    real = pd.crosstab(REAL.sex, REAL.income)
    true = real.loc["m", "high"] * real.loc["f", "low"] / (real.loc["m", "low"] * real.loc["f", "high"])
    assert 0.6 < odds / true < 1.6  # proportional fitting keeps odds ratios
    assert all(line.met for line in asked.account.lines)


def test_joint_shares_ranges_and_counts(forest: Any) -> None:
    joint = {"columns": ["sex", "age"], "of": [[["f", {"high": 29}], 0.25], [["m", {"low": 70}], 0.25], ["*", 0.5]]}
    rows = la.sample(forest, 800, plan={"shares": [joint]}, seed=1)
    young, old = (rows.sex == "f") & (rows.age <= 29), (rows.sex == "m") & (rows.age >= 70)
    assert (young.sum(), old.sum()) == (200, 200)
    rows = la.sample(forest, 700, plan={"counts": {"town": {"Lima": 300}}}, seed=1)
    assert (rows.town == "Lima").sum() == 300


def test_rules_hold_in_every_row_and_what_can_be_mended_is(model: Any) -> None:
    drawn = la.steer(model, {"rules": ["start <= end", 'if sex = "m" then age >= 20']}, n=1_000, seed=1)
    assert (drawn.rows.start <= drawn.rows.end).all()
    assert (drawn.rows.age[drawn.rows.sex == "m"] >= 20).all()
    assert [line.achieved for line in drawn.account.lines] == ["0 violations", "0 violations"]
    assert 0 < drawn.account.accepted <= 1


def test_long_draws_keep_shares_over_blocks_and_keys_fresh(forest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lookalike._drawing.BLOCK", 256)
    plan = {"shares": {"town": {"Oslo": 0.5, "Rome": 0.3, "Lima": 0.2}}, "given": {"age": {"low": 40}}}
    rows = la.sample(forest, 1_500, plan=plan, seed=1)
    assert rows.town.value_counts().to_dict() == {"Oslo": 750, "Rome": 450, "Lima": 300}
    assert rows.id.is_unique
    first = rows.town[:256].value_counts()
    assert abs(first["Oslo"] - 128) <= 2  # strata come mixed
    parts = pd.concat(list(la.stream(forest, 1_500, plan=plan, batch=400, seed=1)), ignore_index=True)
    pd.testing.assert_frame_equal(parts, rows)


def test_the_same_seed_draws_the_same_rows(forest: Any) -> None:
    plan = {"given": {"town": "Lima"}, "shares": {"sex": {"f": 0.5, "m": 0.5}}}
    one, two, other = (la.sample(forest, 200, plan=plan, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)


@pytest.mark.parametrize("source", ["forest", "network"])
def test_rows_given_in_part_are_completed(source: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(source)
    fresh = people(500, seed=5)
    part = fresh[["town", "sex", "income"]].copy()
    part.loc[::3, "town"] = None
    drawn = la.steer(model, {"fix": part}, seed=1)
    rows = drawn.rows
    assert len(rows) == 500
    assert (rows.sex == part.sex).all()
    assert (rows.town[part.town.notna()] == part.town.dropna()).all()
    assert rows.age.notna().all()
    known = part.town.notna()
    assert (rows.region[known] == fresh.region[known]).mean() > (0.95 if source == "forest" else 0.85)
    assert rows.age[rows.income == "high"].mean() > rows.age[rows.income == "low"].mean() + 3  # drawn given a column that comes later


def test_rules_and_rows_given_in_part(forest: Any) -> None:
    part = pd.DataFrame({"start": [100] * 50, "age": [20] * 50})
    rows = la.sample(forest, plan={"fix": part, "rules": ["start <= end"]}, seed=1)
    assert (rows.end >= 100).all()
    with pytest.raises(CannotError, match="cannot be completed"):
        la.sample(forest, plan={"fix": part, "rules": ["age >= 30"]}, seed=1)


@pytest.mark.parametrize(
    ("plan", "kind", "what"),
    [
        ({"given": {"sexx": "f"}}, UnknownName, "sexx"),
        ({"given": {"town": "Olso"}}, UnknownName, "Olso"),
        ({"given": {"age": {"low": 200}}}, CannotError, "never draws"),
        ({"given": {"town": "Lima", "region": "north"}}, CannotError, "meets all conditions"),
        ({"shares": {"town": {"Oslo": 0.5, "Olso": 0.5}}}, UnknownName, "Olso"),
        ({"counts": {"town": {"Lima": 5_000}}}, SettingError, "of 100 in all"),
        ({"rules": ["start > 5000"]}, CannotError, "start > 5000"),
        ({"rules": ["start < end", "end < start"]}, SettingError, "together"),
        ({"shares": {"town": {"Lima": 0.9, "*": 0.1}, "region": {"north": 0.9, "*": 0.1}}}, CannotError, "cannot all be met"),
        ({"fix": "none.csv"}, LookalikeError, "none.csv"),
    ],
)
def test_what_cannot_be_met_is_refused_with_the_reason(forest: Any, plan: dict[str, Any], kind: type, what: str) -> None:
    with pytest.raises(kind) as told:
        la.sample(forest, None if "fix" in plan else 100, plan=plan)
    assert what in str(told.value)


def test_a_level_that_is_not_there_is_refused_before_rows_are_drawn(plain: Any) -> None:
    ruled = la.fit(REAL, model=la.model("ruled", rules=["combination(town, region)"], inner="copula"), seed=0)
    for model in (plain, ruled):
        with pytest.raises(UnknownName, match="Olso"):
            la.sample(model, 50, plan={"given": {"town": "Olso"}})


def test_a_model_without_conditions_says_which_have_them(plain: Any) -> None:
    with pytest.raises(CannotError) as told:
        la.sample(plain, 50, plan={"given": {"age": {"low": 18, "high": 18}, "town": "Lima", "score": 50.01}})
    assert "forest" in str(told.value)
    with pytest.raises(CannotError, match="given in part"):
        la.sample(plain, plan={"fix": REAL[["sex"]].head(5)})


def test_a_private_model_refuses_what_was_read_from_private_data(forest: Any) -> None:
    pytest.importorskip("opendp")
    frame = REAL[["sex", "age", "income"]]
    facts = {"sex": {"levels": ("f", "m")}, "income": {"levels": ("high", "low")}, "age": {"low": 18, "high": 80}}
    schema = la.privacy.skeleton(la.schema(frame))
    for name, known in facts.items():
        schema = schema.amend(name, nullable=False, **known)
    model = la.fit(frame, schema=schema, model=la.Private(epsilon=3.0))
    rows = la.sample(model, 200, plan={"given": {"sex": "f"}, "rules": ["age >= 20"]}, seed=1)
    assert (rows.sex == "f").all() and (rows.age >= 20).all()  # what is asked of a private model costs nothing
    with pytest.raises(CannotError, match="private"):
        la.sample(model, 50, plan={"rules": ["age >= 20"], "found": ["rules"]})


@pytest.mark.usefixtures("few_trees")
def test_make_draws_as_a_plan_asks_and_the_report_says_so() -> None:
    made = la.make(REAL.head(800), plan={"shares": {"sex": {"f": 0.5, "m": 0.5}}}, rows=300, seed=0)
    assert (made.synthetic.sex == "f").sum() == 150
    assert made.account.lines[0].met
    assert any("unlike the data" in note for note in made.report.json()["notes"])


@pytest.mark.usefixtures("small_pilot")
def test_an_outcome_is_drawn_free_of_a_group_and_the_account_says_what_it_cost(forest: Any) -> None:
    plan = {"parity": {"target": "income", "group": "sex"}, "given": {"age": {"low": 25}}}
    drawn = la.steer(forest, plan, n=3_000, seed=1)
    rates = (drawn.rows.income == "high").groupby(drawn.rows.sex).mean()
    assert abs(rates["f"] - rates["m"]) < 0.05 < REAL.groupby("sex").income.apply(lambda v: (v == "high").mean()).diff().abs().max()
    assert (drawn.rows.age >= 25).all()
    assert any("deliberately not faithful" in note for note in drawn.account.notes)
    with pytest.raises(SettingError, match="follow from those of the groups"):
        la.sample(forest, 10, plan=plan | {"shares": {"income": {"high": 0.5, "low": 0.5}}})


def test_tails_are_drawn_as_often_as_asked(forest: Any) -> None:
    drawn = la.steer(forest, {"rare": {"columns": {"score": "both"}, "share": 0.4, "beyond": 0.9}}, n=1_500, seed=1)
    low, high = np.quantile(REAL.score.dropna(), [0.05, 0.95])
    assert 0.3 < ((drawn.rows.score < low) | (drawn.rows.score > high)).mean() < 0.5
    assert drawn.account.lines[0].met
    old = la.sample(forest, 300, plan={"rare": lambda frame: frame["age"]}, seed=1)
    assert old.age.mean() > REAL.age.mean() + 10
    with pytest.raises(SettingError, match="no tails"):
        la.sample(forest, 10, plan={"rare": {"town": "high"}})


def test_conditions_are_drawn_natively_where_rules_are_built_in() -> None:
    ruled = la.fit(REAL, model=la.model("ruled", rules=["start <= end"], inner_settings={"trees": 6}), seed=0)
    drawn = la.steer(ruled, {"given": {"town": "Lima", "end": {"low": 200}}, "shares": {"sex": {"f": 0.5, "m": 0.5}}}, n=300, seed=1)
    rows = drawn.rows
    assert (rows.town == "Lima").all() and (rows.end >= 200).all() and (rows.sex == "f").sum() == 150
    assert (rows.start <= rows.end).all() and rows.id.is_unique
    assert drawn.account.accepted > 0.2  # Lima is 2 % of the rows


def test_counts_and_shares_together_are_each_met_to_the_row(forest: Any) -> None:
    plan = {
        "counts": {"town": {"Lima": 101}},
        "shares": {"sex": {"f": 0.37, "m": 0.63}, "income": {"high": 0.501, "low": 0.499}},
    }
    drawn = la.steer(forest, plan, n=1_003, seed=1)
    assert (drawn.rows.town == "Lima").sum() == 101
    assert abs((drawn.rows.sex == "f").sum() - 0.37 * 1_003) < 1
    assert abs((drawn.rows.income == "high").sum() - 0.501 * 1_003) < 1
    assert all(line.met for line in drawn.account.lines)


def test_rules_on_keys_hold_in_what_is_given_out(forest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are made anew after rows were refused, but not those that a rule has looked at."""
    monkeypatch.setattr("lookalike._drawing.BLOCK", 200)
    plan = {"rules": ['id ~ "P-[0-9]*[02468]"', "unique(id)"], "shares": {"sex": {"f": 0.5, "m": 0.5}}}
    rows = la.sample(forest, 500, plan=plan, seed=1)
    assert rows.id.str.fullmatch("P-[0-9]*[02468]").all()
    assert rows.id.is_unique


def test_keys_of_a_model_without_a_codebook_come_once(forest: Any) -> None:
    class Plain:
        schema = forest.schema

        def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Any:
            return forest.sample(n, rng=rng, start=start)

    rows = la.sample(Plain(), 600, plan={"shares": {"sex": {"f": 0.5, "m": 0.5}}}, seed=1)
    assert rows.id.is_unique


@pytest.mark.usefixtures("small_pilot")
def test_the_account_of_parity_is_of_the_rows_given_out(forest: Any) -> None:
    plan = {"parity": {"target": "income", "group": "sex"}, "rules": ["age >= 40"]}
    drawn = la.steer(forest, plan, n=1_000, seed=1)
    changed = next(line for line in drawn.account.lines if line.what.startswith("cells of income"))
    assert changed.achieved.endswith(" of 1,000")


def test_a_private_make_is_refused_before_it_spends(tmp_path: Any) -> None:
    pytest.importorskip("opendp")
    ledger = tmp_path / "ledger.json"
    private = la.Private(epsilon=1.0, ledger=ledger, buy=True)
    with pytest.raises(CannotError, match="private"):
        schema = la.privacy.skeleton(la.schema(REAL[["sex", "age"]]))
        la.make(REAL[["sex", "age"]], schema=schema, model=private, plan={"rules": ["age >= 20"], "found": ["rules"]})
    assert not ledger.exists()
    with pytest.raises(UnknownName, match="incme"):
        la.make(REAL[["sex", "age"]], plan={"parity": {"target": "incme", "group": "sex"}})


def test_a_pilot_is_of_rows_that_meet_what_is_given(plain: Any) -> None:
    real = people(4_000, seed=1).assign(age=lambda f: f.age + 100 * (f.sex == "m"))
    model = la.fit(real[["sex", "age", "town", "income"]], model="copula", seed=0)
    plan = {"given": {"sex": "f"}, "rare": {"columns": {"age": "high"}, "share": 0.3}}
    made = la.steer(model, plan, n=2_000, seed=1)
    usual = la.sample(model, 2_000, plan={"given": {"sex": "f"}}, seed=2).age
    assert (made.rows.sex == "f").all()
    assert (made.rows.age > usual.quantile(0.95)).mean() > 0.15  # the tail of the women, whose greatest age is below every man's


def test_rows_completed_under_a_rule_have_keys_of_their_own(forest: Any) -> None:
    part = REAL[["sex", "age", "town"]].head(300).assign(income=None)
    made = la.steer(forest, {"fix": part, "rules": ["end > start"]}, seed=3).rows
    assert (made.end > made.start).all() and made.id.is_unique


def test_ranges_that_meet_share_no_row(forest: Any) -> None:
    asked = {"shares": [{"columns": ["age"], "of": [[[{"low": 20, "high": 40}], 0.5], [[{"low": 40, "high": 60}], 0.5]]}]}
    made = la.steer(forest, asked, n=1_000, seed=1)
    assert (made.rows.age <= 40).sum() == 500 and made.rows.age.between(41, 60).sum() == 500
    assert all(line.met for line in made.account.lines)


def test_many_small_strata_are_drawn_together_and_keep_how_columns_hang_together(forest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    drawn = type(forest).within
    monkeypatch.setattr(type(forest), "within", lambda self, n, *a, **k: asked.append(n) or drawn(self, n, *a, **k))
    ages = [[{"low": low, "high": low + 4}] for low in range(18, 78, 5)]
    plan = {
        "shares": [
            {"columns": ["age"], "of": [*([cell, 1 / 13] for cell in ages), ["*", 1 / 13]]},
            {"columns": ["sex"], "of": [["f", 0.5], ["m", 0.5]]},
            {"columns": ["town"], "of": [["Oslo", 0.5], ["Rome", 0.4], ["Lima", 0.1]]},
        ],
        "rules": ["start <= end"],
    }
    made = la.sample(forest, 1_300, plan=plan, seed=3)
    assert len(asked) < 40  # of 78 strata, those of Lima mostly
    assert made.sex.value_counts().to_dict() == {"f": 650, "m": 650}
    assert made.town.value_counts().to_dict() == {"Oslo": 650, "Rome": 520, "Lima": 130}
    assert set(pd.cut(made.age, [*range(17, 78, 5), 200]).value_counts()) == {100}
    assert (made.start <= made.end).all() and made.id.is_unique
    free = la.sample(forest, 20_000, seed=4)
    for old in (False, True):
        for sex in ("f", "m"):
            here, there = (f[(f.sex == sex) & ((f.age > 60) == old)] for f in (made, free))
            error = np.sqrt(0.25 / len(here) + 0.25 / len(there))
            assert abs((here.income == "high").mean() - (there.income == "high").mean()) < 4 * error
