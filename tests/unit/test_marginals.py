"""The model `marginals`: what it keeps, and what a private fit of it promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.errors import BudgetError, CannotError, SchemaError, SettingError
from lookalike.models._grouped import Groups
from lookalike.privacy.domain import bounded, skeleton, undeclared
from lookalike.privacy.ledger import Ledger
from lookalike.schema import Schema

ROWS = 2_000
LEVELS = {"color": ("red", "green", "blue"), "shape": ("round", "square")}


def frame(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Two colours that decide a third column together, and numbers with a spike."""
    rng = np.random.default_rng(seed)
    color, shape = rng.choice(LEVELS["color"], rows, p=[0.5, 0.3, 0.2]), rng.choice(LEVELS["shape"], rows)
    price = np.where(rng.random(rows) < 0.4, 0, rng.integers(1, 1_000, rows))
    return pd.DataFrame(
        {"color": color, "shape": shape, "odd": (color == "red") ^ (shape == "round"), "price": price, "id": np.arange(rows)}
    )


def public(data: Any, **facts: dict[str, Any]) -> Schema:
    """The schema with all that a private fit needs declared."""
    made = skeleton(la.schema(data))
    known = {"color": {"levels": LEVELS["color"]}, "shape": {"levels": LEVELS["shape"]}, "price": {"low": 0, "high": 999}} | facts
    for c in made.table:
        made = made.amend(c.name, nullable=False, **known.get(c.name, {}))
    return made


def drawn(model: Any, n: int = 5_000) -> pd.DataFrame:
    return la.sample(model, n, seed=1)


def test_three_columns_that_only_together_say_anything_are_kept() -> None:
    rows = drawn(la.fit(frame(), model="marginals"))
    assert ((rows["color"] == "red") ^ (rows["shape"] == "round")).eq(rows["odd"]).mean() > 0.99
    assert abs((rows["price"] == 0).mean() - 0.4) < 0.03


def test_a_generous_budget_comes_near_a_fit_without_one() -> None:
    data = frame()
    rows = drawn(la.fit(data, schema=public(data), model=la.Private(epsilon=1_000.0)))
    assert ((rows["color"] == "red") ^ (rows["shape"] == "round")).eq(rows["odd"]).mean() > 0.98
    assert abs((rows["price"] == 0).mean() - 0.4) < 0.03


def test_a_small_budget_still_tells_shares_and_keeps_to_what_is_declared() -> None:
    data = frame(20_000)
    rows = drawn(la.fit(data, schema=public(data), model=la.Private(epsilon=1.0)))
    assert set(rows["color"]) <= set(LEVELS["color"])
    assert rows["price"].between(0, 999).all()
    assert not rows.isna().any().any()
    assert abs((rows["color"] == "red").mean() - 0.5) < 0.1


def test_no_seed_repeats_the_noise() -> None:
    data = frame()
    models = [la.fit(data, schema=public(data), model=la.Private(epsilon=1.0), seed=0) for _ in "ab"]
    assert not np.array_equal(models[0].counts_, models[1].counts_)


def test_all_is_booked_and_no_more_than_was_allowed(tmp_path: Path) -> None:
    path, data = tmp_path / "ledger.json", frame()
    made = la.fit(data, schema=public(data), model=la.Private(epsilon=0.5, delta=1e-6, ledger=path))
    ledger = Ledger.open(path)
    assert {"counts of a marginal", "choice of a marginal", "color", "price"} <= {e.what for e in ledger.entries}
    assert 0.45 < ledger.epsilon() <= 0.5
    assert made.privacy_["epsilon"] <= 0.5
    with pytest.raises(BudgetError, match="left"):
        la.fit(data, schema=public(data), model=la.Private(epsilon=0.5, ledger=path))
    again = la.load(la.save(made, tmp_path / "model.lookalike"))
    assert again.privacy_ == made.privacy_
    assert "add or remove" in la.privacy.Statement.from_json(again.privacy_).text()


def test_a_budget_is_shared_by_several_fits(tmp_path: Path) -> None:
    path, data = tmp_path / "ledger.json", frame()
    Ledger.open(path, budget=la.privacy.Budget(1.0, 1e-6))
    for _ in "ab":
        la.fit(data, schema=public(data), model=la.Private(epsilon=0.5, ledger=path))
    assert 0.6 < Ledger.open(path).epsilon() <= 1.0


def test_what_was_read_from_the_data_is_refused_with_what_to_declare() -> None:
    data = frame()
    with pytest.raises(SchemaError, match=r"color: .*levels.*price: .*low, high") as refused:
        la.fit(data, model=la.Private(epsilon=1.0))
    assert "lookalike schema DATA --public" in refused.value.fix
    with pytest.raises(SchemaError, match=r"from the data: color: levels;"):
        la.fit(data, schema=skeleton(la.schema(data)), model=la.Private(epsilon=1.0))


def test_a_skeleton_holds_no_value_of_the_data() -> None:
    data = frame()
    told = skeleton(la.schema(data).amend("price", low=0)).to_json()
    assert not any(f'"{level}"' in told for levels in LEVELS.values() for level in levels)
    assert undeclared(skeleton(la.schema(data)), buy=True) == []
    assert json.loads(told)["tables"][0]["columns"][3]["low"] == 0  # a person said so


def test_notes_that_quote_the_data_stay_out_of_skeleton_and_model() -> None:
    data = frame(300)
    noted = la.schema(data)
    columns = tuple(c.model_copy(update={"note": "such as 'mauve'"}) for c in noted.table.columns)
    noted = noted.model_copy(update={"tables": (noted.table.model_copy(update={"columns": columns}),)})
    assert "mauve" not in skeleton(noted).to_json()
    columns = tuple(c.model_copy(update={"note": "such as 'mauve'"}) for c in public(data).table.columns)
    schema = public(data).model_copy(update={"tables": (noted.table.model_copy(update={"columns": columns}),)})
    assert "mauve" not in la.fit(data, schema=schema, model=la.Private(epsilon=1.0)).schema.to_json()


def test_levels_and_bounds_can_be_bought() -> None:
    data = frame(20_000)
    data.loc[0, "color"] = "mauve"  # one person's, never told
    model = la.fit(data, schema=skeleton(la.schema(data)), model=la.Private(epsilon=50.0, buy=True))
    rows = drawn(model)
    assert {"red", "green", "blue"} <= set(rows["color"].dropna()) <= {"red", "green", "blue"}
    assert rows["price"].max() <= 1_024
    assert model.privacy_["epsilon"] <= 50.0


def test_only_so_many_rows_of_a_subject_are_looked_at() -> None:
    data = frame()
    data["id"] = ["p1"] * 1_500 + [f"q{i}" for i in range(ROWS - 1_500)]
    schema = public(data).model_copy(update={"subject": "id"})
    kept = bounded(la.Dataset.of(data, schema=schema), 3).table().column("id").to_pylist()
    assert kept.count("p1") == 3
    assert len(kept) == 503


def test_a_row_without_a_subject_is_left_out() -> None:
    data = frame(100)
    data["id"] = [None if i % 2 else f"q{i}" for i in range(100)]
    schema = la.schema(data).model_copy(update={"subject": "id"})
    assert bounded(la.Dataset.of(data, schema=schema), 1).rows == 50


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"epsilon": 0}, SettingError, "above 0"),
        ({"epsilon": -1.0}, SettingError, "above 0"),
        ({"epsilon": float("nan")}, SettingError, "epsilon"),
        ({"epsilon": "one"}, SettingError, "epsilon"),
        ({"delta": 0.01}, BudgetError, "one over the number of rows"),
        ({"delta": 1.0}, SettingError, "delta"),
        ({"rows_per_subject": 0}, SettingError, "rows_per_subject"),
        ({"model": "forest"}, CannotError, "differential privacy"),
    ],
)
def test_bad_budgets_are_refused_before_anything_is_looked_at(change: dict[str, Any], error: type[Exception], said: str) -> None:
    data = frame(200)
    with pytest.raises(error, match=said):
        la.fit(data, schema=public(data), model=la.Private(**{"epsilon": 1.0} | change))


def test_free_text_is_refused_with_the_reason() -> None:
    data = frame(200)
    data["story"] = [f"a long story number {i} of somebody who went {'out ' * (i % 5)}home" for i in range(200)]
    schema = la.schema(data).amend("story", kind="text")
    with pytest.raises(CannotError, match="free text"):
        la.fit(data, schema=schema, model=la.Private(epsilon=1.0))


def test_a_level_that_is_not_declared_is_never_drawn() -> None:
    data = frame()
    data.loc[:50, "color"] = "mauve"
    rows = drawn(la.fit(data, schema=public(data), model=la.Private(epsilon=100.0)))
    assert "mauve" not in set(rows["color"])


def test_numbers_beyond_the_declared_bounds_count_as_the_bound() -> None:
    data = frame()
    rows = drawn(la.fit(data, schema=public(data, price={"low": 0, "high": 500}), model=la.Private(epsilon=1_000.0)))
    assert rows["price"].max() == 500
    assert abs((rows["price"] == 500).mean() - (data["price"] >= 500).mean()) < 0.05


@pytest.mark.usefixtures("few_trees")
def test_make_tells_neither_the_number_of_rows_nor_hides_the_promise() -> None:
    data = frame(1_000)
    made = la.make(data, schema=public(data), model=la.Private(epsilon=1.0))
    assert len(made.synthetic) == max(round(made.model.counts_[: made.model.codebook_.parts[0].size].sum()), 1)  # noisy
    assert made.report.json()["privacy"]["epsilon"] <= 1.0
    assert made.report.public().json()["privacy"] is not None


@pytest.mark.parametrize("of", [[0, 1, 2, 7_000_000], [0, -1, 0, 1], [0, 0, 0]])
def test_groups_of_other_codes_are_refused(of: list[int]) -> None:
    with pytest.raises(ValueError, match="not of these codes"):
        Groups(np.array(of), np.ones(4), [0, 2, 4])
