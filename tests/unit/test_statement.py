"""A statement says the whole promise and all that it leaves out, with figures that are right, to people and to machines."""

from __future__ import annotations

import json
import math
from importlib import metadata
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lookalike.errors import SettingError, StoreError
from lookalike.privacy.accounting import Budget, Cost, Sampled, epsilon_of, total
from lookalike.privacy.ledger import Allowance, Ledger
from lookalike.privacy.mechanisms import counts, levels
from lookalike.privacy.statement import ALWAYS_OUT, NEIGHBOURS, STRETCHED, Statement, _percent, state


def stated(allowance: Allowance, **more: Any) -> Statement:
    said = {
        "covered": ["counts of every column", "what is drawn from the model"],
        "public": ["the schema's levels and bounds"],
        "uncovered": ["the choice of the model"],
        "numerics": "exact whole numbers",
        "accountant": "zCDP, converted tightly",
        "rows": "1/δ = 1,000,000 is more than there are rows",
    }
    return state(allowance, **{**said, **more})


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(Budget(3.0, 1e-6), data="adult", unit="person")


@pytest.fixture
def statement(ledger: Ledger) -> Statement:
    ledger.allow(0.5, fit="earlier").spend(Cost(rho=0.001), "a look")
    allowance = ledger.allow(1.0, fit="marginals of adult")
    for _ in range(4):
        counts(np.arange(5), allowance, rho=allowance.rho / 4, what="counts")
    allowance.most = 4
    return stated(allowance)


def test_the_figures_are_those_of_the_fit_and_of_the_ledger(statement: Statement, ledger: Ledger) -> None:
    rho = Budget(1.0, 1e-6).rho
    assert (statement.epsilon, statement.delta, statement.unit) == (1.0, 1e-6, "person")
    assert statement.rho == pytest.approx(rho, rel=1e-12)
    assert statement.spent == pytest.approx(1.0, rel=1e-9) and statement.spent <= 1
    assert [p.delta for p in statement.curve] == [1e-5, 1e-6, 1e-7, 1e-8, 1e-9]
    for point in statement.curve:
        assert point.epsilon == pytest.approx(epsilon_of(rho, point.delta), rel=1e-9)
    account = statement.ledger
    assert (account.data, account.budget, account.delta, account.fits, account.looks) == ("adult", 3.0, 1e-6, 2, 5)
    assert account.epsilon == ledger.epsilon() == pytest.approx(epsilon_of(rho + 0.001, 1e-6), rel=1e-9)
    assert statement.versions["opendp"] == metadata.version("opendp")
    assert statement.versions["dp-accounting"] == metadata.version("dp-accounting")


def test_groups_grow_with_the_square_in_zcdp_and_else_as_the_definition_says(statement: Statement) -> None:
    two, five = statement.group
    assert (two.size, five.size, two.delta) == (2, 5, 1e-6)
    assert two.epsilon == pytest.approx(epsilon_of(4 * statement.rho, 1e-6), rel=1e-9)
    assert five.epsilon == pytest.approx(epsilon_of(25 * statement.rho, 1e-6), rel=1e-9)
    allowance = Ledger(Budget(1.0, 1e-6)).allow()
    levels({"a": 10_000}, allowance, rho=0.01, delta=1e-8, what="levels")
    two, five = stated(allowance).group
    assert (two.epsilon, five.epsilon) == (2.0, 5.0)
    assert two.delta == pytest.approx(1e-6 * (1 + math.e)) and five.delta == pytest.approx(1e-6 * sum(math.e**i for i in range(5)))
    wide = Ledger(Budget(10.0, 1e-6)).allow()
    wide.spend(Cost(sampled=Sampled(2.0, 0.01, 10)), "training")
    two, five = stated(wide).group
    assert two.epsilon == 20 and five.epsilon is None  # δ·e⁴⁰ promises nothing
    assert "nothing is promised to 5 together" in stated(wide).text()


def test_a_training_is_stated_as_one() -> None:
    allowance = Ledger(Budget(2.0, 1e-6)).allow(fit="net")
    cost = Cost(sampled=Sampled(2.0, 0.01, 100))
    allowance.spend(cost, "training")
    made = stated(allowance)
    assert made.rho is None and "zCDP" not in made._spent() and made.randomness.endswith(STRETCHED)
    assert made.spent == total([cost], delta=1e-6) < 2
    assert made.curve[0].epsilon == total([cost], delta=1e-5)
    assert made.epsilon == 2.0  # what was allowed is what was promised, whatever the looks came to


def test_chances_of_thresholds_are_said_and_end_the_curve() -> None:
    allowance = Ledger(Budget(1.0, 1e-6)).allow()
    levels({"a": 10_000}, allowance, rho=0.01, delta=2e-8, what="levels")
    made = stated(allowance)
    assert made.chance == 2e-8 and "but for a chance of 2e-08" in made.text()
    assert [p.delta for p in made.curve] == [1e-5, 1e-6, 1e-7]


def test_nothing_spent_is_stated_too() -> None:
    made = stated(Ledger(Budget(1.0, 1e-6)).allow())
    assert made.spent == made.rho == 0 and "0 looks in 0 fits" in made.text()


# ---------------------------------------------------------------------------------------------------------------------- words


def test_everything_that_must_be_said_is_said(statement: Statement) -> None:
    said = " ".join(statement.text().split())
    for part in (
        "ε = 1, δ = 1e-06, for one person",
        NEIGHBOURS,
        "add or remove one unit",
        "person: at most 4 rows of one person, chosen at random; the others are left out",
        "-zCDP",
        "0.884 at 1e-05; 1 at 1e-06",
        "2 together have",
        "5 together have",
        "zCDP, converted tightly",
        f"opendp {metadata.version('opendp')}",
        f"dp-accounting {metadata.version('dp-accounting')}",
        "counts of every column",
        "the schema's levels and bounds",
        "the choice of the model",
        *ALWAYS_OUT,
        "exact whole numbers",
        "operating system's secure randomness",
        "ledger of adult: 5 looks in 2 fits came to",
        "Audit: none yet",
        "1/δ = 1,000,000",
        *statement.meaning(),
    ):
        assert " ".join(part.split()) in said, part
    covered, uncovered = said.index("Covered by the guarantee"), said.index("NOT covered")
    assert covered < said.index("counts of every column") < uncovered < said.index("logs, progress")
    for topic in ("report", "schema", "names of tables and columns", "how long", "logs", "number of rows was compared with 1/δ"):
        assert topic in said[uncovered:], topic
    assert max(map(len, statement.text(width=80).splitlines())) <= 80


@pytest.mark.parametrize(
    ("epsilon", "sure", "times", "found"),
    [
        (0.1, "52.5 %", "1.11", "1.2 %"),
        (1.0, "73.2 %", "2.72", "2.8 %"),
        (3.0, "95.3 %", "20.1", "20.1 %"),
        (8.0, "99.97 %", "2.98e+03", "99.97 %"),
    ],
)
def test_what_it_means_for_one_person(statement: Statement, epsilon: float, sure: str, times: str, found: str) -> None:
    first, second = statement.model_copy(update={"epsilon": epsilon}).meaning()
    assert f"at most {sure} sure" in first and "1 in 1,000,000" in first and "one person" in first
    assert f"e^ε = {times} times" in second and f"finds at most {found} of" in second
    assert first.count(". ") == second.count(". ") == 0  # a sentence each
    grown = math.exp(epsilon)
    assert float(sure[:-2]) / 100 >= grown / (1 + grown) - 1e-9
    assert float(found[:-2]) / 100 >= min(grown * 0.01 + 1e-6, 1 - (0.99 - 1e-6) / grown) - 1e-9


@pytest.mark.parametrize(
    ("share", "shown"), [(0.5, "50.0 %"), (0.7310585, "73.2 %"), (0.9996646, "99.97 %"), (0.9999999979, "99.9999998 %"), (1.0, "100 %")]
)
def test_certainty_is_never_rounded_to_nor_away(share: float, shown: str) -> None:
    assert _percent(share) == shown


def test_a_row_is_said_to_be_a_row() -> None:
    allowance = Ledger(Budget(1.0, 1e-6)).allow()
    assert "somebody with several is protected for each apart" in " ".join(stated(allowance).text().split())
    person = Ledger(Budget(1.0, 1e-6), unit="person").allow()
    assert "at most 1 row of one person, chosen at random; the others are left out" in " ".join(stated(person).text().split())


def test_huge_epsilons_are_honest(statement: Statement) -> None:
    text = statement.model_copy(update={"epsilon": 1e4}).text()
    assert "at most 100 % sure" in " ".join(text.split())


# ---------------------------------------------------------------------------------------------------------------------- audit


def test_an_audit_is_told_and_contradicts_if_it_does(statement: Statement) -> None:
    assert statement.audit is None and not statement.contradicted
    found = {"epsilon": 0.62, "confidence": 0.95, "passed": True, "findings": [{"method": "canary"}, {"method": "one run"}]}
    passed = statement.with_audit(found)
    assert passed.audit == found and not passed.contradicted and statement.audit is None
    said = " ".join(passed.text().split())
    assert "attacks (canary, one run) showed that ε is at least 0.62, with 95 % confidence, which does not contradict" in said
    for bad in ({"epsilon": 1.4}, {"epsilon": 0.2, "passed": False}):
        failed = statement.with_audit(bad)
        assert failed.contradicted and "does not hold, do not publish" in " ".join(failed.text().split())


@pytest.mark.parametrize("audit", [{}, {"epsilon": None}, {"epsilon": "1"}, {"epsilon": -1}, {"epsilon": math.nan}, {"epsilon": True}])
def test_an_audit_without_a_bound(statement: Statement, audit: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="lower bound"):
        statement.with_audit(audit)


# ----------------------------------------------------------------------------------------------------------------------- JSON


def test_it_comes_back_from_json_the_same(statement: Statement) -> None:
    for made in (statement, statement.with_audit({"epsilon": 0.5, "findings": []})):
        raw = json.loads(json.dumps(made.to_json(), allow_nan=False))
        assert Statement.from_json(raw) == made
        assert raw["meaning"] == list(made.meaning())
        assert Statement.from_json(raw).text() == made.text()


def test_it_is_frozen(statement: Statement) -> None:
    with pytest.raises(ValidationError):
        statement.epsilon = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: {**raw, "version": 2}, "format 2"),
        (lambda raw: None, "format 'NoneType'"),
        (lambda raw: {**raw, "epsilon": "small"}, "damaged: epsilon"),
        (lambda raw: {k: v for k, v in raw.items() if k != "unit"}, "damaged: unit"),
        (lambda raw: {**raw, "more": 1}, "damaged: more"),
        (lambda raw: {**raw, "ledger": {**raw["ledger"], "looks": "x"}}, r"damaged: ledger\.looks"),
    ],
)
def test_a_damaged_statement_is_refused(statement: Statement, change: Any, said: str) -> None:
    with pytest.raises(StoreError, match=said) as caught:
        Statement.from_json(change(statement.to_json()), where="model.lookalike")
    assert caught.value.where == "model.lookalike" and caught.value.fix
