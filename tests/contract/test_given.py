"""What a model promises that says it draws under conditions: each kind of condition, on each kind of column, in every row."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike import models
from lookalike.condition import LABELLED, ORDERED, Condition
from lookalike.data import Dataset
from lookalike.protocol import Model

_spec = importlib.util.spec_from_file_location("models_contract", Path(__file__).with_name("test_models.py"))
contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contract)

ABLE = [name for name in models.names() if models.find(name).can.given]
KINDS = sorted(ORDERED | LABELLED - {"constant"})


@pytest.fixture(scope="module", params=ABLE)
def fitted(request: pytest.FixtureRequest) -> Model:
    kinds = models.find(request.param).can.kinds
    return contract.build(request.param).fit(contract.dataset(kinds), rng=contract.rng())


def asked(fitted: Model, conditions: dict[str, Any], n: int = 150) -> pa.Table:
    found = {name: Condition.of(raw) for name, raw in conditions.items()}
    table, chance = fitted.within(n, fitted.codebook_.within(found), rng=contract.rng(2))
    assert 0 < chance <= 1
    assert table.num_rows <= n
    return table


def share_met(fitted: Model, table: pa.Table, name: str, raw: Any) -> float:
    return float(Condition.of(raw).met(table[name], fitted.schema.table[name]).mean())


def test_there_are_such_models() -> None:
    assert {"forest", "autoregressive"} <= set(ABLE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_is_named_is_drawn(fitted: Model, kind: str) -> None:
    name = f"a_{kind}"
    values = [v for v in contract.drawn(fitted)[name].to_pylist() if v is not None]
    for raw in (values[0], values[:3]):
        table = asked(fitted, {name: raw})
        assert table.num_rows and share_met(fitted, table, name, raw) == 1.0


@pytest.mark.parametrize("kind", sorted(ORDERED))
def test_bounds_are_obeyed_in_nearly_all_rows(fitted: Model, kind: str) -> None:
    """Cells at the bounds hold values beyond them, which are refused afterwards; they must be few."""
    name = f"a_{kind}"
    values = sorted(v for v in contract.drawn(fitted)[name].to_pylist() if v is not None)
    bounds = {"low": values[len(values) // 4], "high": values[3 * len(values) // 4]}
    table = asked(fitted, {name: bounds})
    assert table.num_rows and share_met(fitted, table, name, bounds) > 0.8


@pytest.mark.parametrize("raw", [None, {"missing": False}])
@pytest.mark.parametrize("kind", sorted(set(contract.CANONICAL) - {"key", "constant", "empty"}))
def test_missing_and_known_are_obeyed(fitted: Model, kind: str, raw: Any) -> None:
    table = asked(fitted, {f"a_{kind}": raw})
    assert table.num_rows and share_met(fitted, table, f"a_{kind}", raw) == 1.0


def test_a_condition_leaves_other_columns_their_kinds(fitted: Model) -> None:
    table = asked(fitted, {"a_boolean": True})
    assert table.schema.equals(contract.drawn(fitted).schema)


def test_what_is_missing_is_filled_in_and_nothing_else_changes(fitted: Model) -> None:
    data = contract.dataset(fitted.can.kinds)
    table = data.table().slice(0, 60)
    learned = [c.name for c in data.schema.table if c.kind not in ("key", "constant", "empty")]
    made = fitted.complete(table, learned, rng=contract.rng(3), fill=True)
    assert made.schema.equals(table.schema)
    for name in table.column_names:
        known = table[name].is_valid().to_numpy() if isinstance(table[name], pa.Array) else np.array(table[name].is_valid())
        before, after = table[name].to_pylist(), made[name].to_pylist()
        assert all(b == a for b, a, k in zip(before, after, known, strict=True) if k)
        assert name not in learned or made[name].null_count == 0


def test_the_same_random_numbers_draw_the_same_rows(fitted: Model) -> None:
    one, two = (asked(fitted, {"a_boolean": True}) for _ in range(2))
    assert contract.digest(one) == contract.digest(two)
    part = contract.dataset(fitted.can.kinds).table().slice(0, 30)
    one, two = (fitted.complete(part, ["a_integer", "a_category"], rng=contract.rng(4)) for _ in range(2))
    assert contract.digest(one) == contract.digest(two)


def test_a_restored_model_draws_the_same(fitted: Model) -> None:
    again = type(fitted)(**fitted.settings.model_dump()).restore(fitted.schema, fitted.state())
    assert isinstance(Dataset.from_arrow({"table": asked(again, {"a_boolean": True})}, fitted.schema), Dataset)
    assert contract.digest(asked(again, {"a_boolean": True})) == contract.digest(asked(fitted, {"a_boolean": True}))
