"""What a model promises that says it can be private (`Can.private`). Models are found by their folder."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookalike import models
from lookalike.data import Dataset
from lookalike.errors import BudgetError, SchemaError
from lookalike.privacy import mechanisms
from lookalike.privacy.accounting import Budget, total
from lookalike.privacy.domain import skeleton
from lookalike.privacy.ledger import Ledger
from lookalike.privacy.statement import Statement
from lookalike.protocol import Model

_found = importlib.util.spec_from_file_location("contract_models", Path(__file__).with_name("test_models.py"))
contract = importlib.util.module_from_spec(_found)
sys.modules[_found.name] = contract  # as an import would: dataclasses look there
_found.loader.exec_module(contract)

PRIVATE = [name for name in models.names() if models.find(name).can.private]
KINDS = [kind for kind in contract.CANONICAL if kind != "text"]
BOUNDS = {
    "integer": (0, 500), "number": (0, 400), "date": ("2014-01-01", "2027-01-01"), "datetime": ("2014-01-01", "2027-01-01"),
    "duration": (0, 10**10),
}  # fmt: skip
LEVELS = {"category": tuple(f"c{i}" for i in range(1, 31)), "constant": ("same",)}
QUICK = {"private_steps": 5, "private_batch": 64, "views": 1, "width": 16, "depth": 1, "groups": 16}


@pytest.fixture(scope="module")
def data() -> Dataset:
    """A table of all kinds but text, with public facts for all of it."""
    plain = contract.dataset(KINDS, 300)
    schema = skeleton(plain.schema)
    for c in plain.schema.table:
        low, high = BOUNDS.get(c.kind, (None, None))
        facts = {"low": low, "high": high} if low is not None else {"levels": LEVELS[c.kind]} if c.kind in LEVELS else {}
        schema = schema.amend(c.name, **facts) if facts else schema
    return Dataset.from_arrow({"table": plain.table()}, schema)


def build(name: str) -> Model:
    fields = models.settings_of(name).model_fields
    return models.build(name, {k: v for k, v in QUICK.items() if k in fields})


def fitted(name: str, data: Dataset, ledger: Ledger, *, seed: int = 0) -> Model:
    return build(name).fit(data, rng=contract.rng(seed), allowance=ledger.allow(fit=name))


@pytest.fixture(scope="module")
def once(data: Dataset) -> Callable[[str], tuple[Model, Ledger]]:
    """A private fit of a model for ε = 1, and its ledger; made once."""

    def fit(name: str) -> tuple[Model, Ledger]:
        ledger = Ledger(Budget(1.0, 1e-6))
        return fitted(name, data, ledger), ledger

    return cache(fit)


@pytest.mark.parametrize("name", PRIVATE)
def test_spends_what_it_may_and_says_so(name: str, once: Callable[[str], tuple[Model, Ledger]]) -> None:
    made, ledger = once(name)
    spent = total((e.cost for e in ledger.entries), delta=1e-6)
    assert 0.7 < spent <= 1.0
    statement = Statement.from_json(made.privacy_)
    assert (statement.epsilon, statement.delta) == (1.0, 1e-6)
    assert abs(statement.spent - spent) < 1e-9
    assert statement.covered and statement.public and statement.uncovered


@pytest.mark.parametrize("name", PRIVATE)
def test_rows_keep_to_what_is_public(name: str, data: Dataset, once: Callable[[str], tuple[Model, Ledger]]) -> None:
    made = once(name)[0].sample(500, rng=contract.rng(1)).table()
    assert made.schema.types == [contract.CANONICAL[c.kind] for c in data.schema.table]
    for c in data.schema.table:
        seen = [v for v in made[c.name].to_pylist() if v is not None]
        if not c.nullable:
            assert len(seen) == 500, c.name
        if c.levels:
            assert set(seen) <= set(c.levels), c.name
        if c.kind in ("integer", "number"):
            assert not seen or c.low <= min(seen) <= max(seen) <= c.high, c.name


@pytest.mark.parametrize("name", PRIVATE)
def test_every_look_is_booked_before_it_is_taken(name: str, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """No mechanism runs without its entry, and a spent ledger allows no more."""
    ledger, looks = Ledger(Budget(1.0, 1e-6)), []
    true: Callable[..., Any] = mechanisms.counts

    def counted(*args: Any, **more: Any) -> Any:
        before = len(ledger.entries)
        out = true(*args, **more)
        looks.append(len(ledger.entries) - before)
        return out

    monkeypatch.setattr(mechanisms, "counts", counted)
    fitted(name, data, ledger)
    assert looks and set(looks) == {1}
    with pytest.raises(BudgetError, match="is spent"):
        ledger.allow(1.0)


@pytest.mark.parametrize("name", PRIVATE)
def test_no_seed_anywhere_repeats_the_noise(name: str, data: Dataset) -> None:
    found = []
    for _ in "ab":
        random.seed(0)
        np.random.seed(0)
        found.append(fitted(name, data, Ledger(Budget(1.0, 1e-6)), seed=3).counts_)
    assert not np.array_equal(*found)


@pytest.mark.parametrize("name", PRIVATE)
def test_facts_that_were_read_are_refused_and_cost_nothing(name: str) -> None:
    ledger = Ledger(Budget(1.0, 1e-6))
    with pytest.raises(SchemaError, match="public"):
        fitted(name, contract.dataset(KINDS, 60), ledger)
    assert not ledger.entries


@pytest.mark.parametrize("name", PRIVATE)
def test_the_promise_is_stored(name: str, once: Callable[[str], tuple[Model, Ledger]]) -> None:
    made, _ = once(name)
    again = build(name).restore(made.schema, made.state())
    assert again.privacy_ == made.privacy_
    assert contract.digest(contract.drawn(again)) == contract.digest(contract.drawn(made))


@pytest.mark.parametrize("name", PRIVATE)
def test_a_fit_without_an_allowance_promises_nothing(name: str, data: Dataset) -> None:
    assert contract.build(name).fit(data, rng=contract.rng()).privacy_ is None


def test_there_are_private_models() -> None:
    assert {"marginals", "autoregressive"} <= set(PRIVATE)
