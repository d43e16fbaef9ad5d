"""The language of rules: what it says of a row, what it refuses, and that nothing impossible gets past it."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.data import Dataset
from lookalike.data.formats import canonical
from lookalike.errors import SettingError, UnknownName
from lookalike.rules import Rule, Rules, Seen
from lookalike.schema import Column, NumberFormat, Schema, Table

MONEY = NumberFormat(decimals=2)
D, M = datetime.date, datetime.datetime


def data(**columns: tuple[str, list[Any]] | tuple[str, list[Any], dict[str, Any]]) -> Dataset:
    """A dataset of columns given as (kind, values) or (kind, values, facts)."""
    made = tuple(Column(name=n.replace("__", " "), kind=c[0], **(c[2] if len(c) > 2 else {})) for n, c in columns.items())
    table = pa.table({c.name: pa.array(v[1]).cast(canonical(c)) for c, v in zip(made, columns.values(), strict=True)})
    return Dataset.from_arrow({"table": table}, Schema(tables=(Table(columns=made),)))


def holds(text: str, d: Dataset) -> list[bool]:
    (found,) = Rules.of([text], d.schema).holds(d.table()).values()
    return found.tolist()


SHOP = data(
    price=("number", [0.1, 2.5, 19.99, None], {"number": MONEY}),
    quantity=("integer", [3, 4, 7, 2]),
    total=("number", [0.3, 10.0, 139.94, 5.0], {"number": MONEY}),
    status=("category", ["paid", "open", None, "paid"]),
    paid=("date", [D(2024, 1, 5), None, None, None]),
    start=("date", [D(2024, 1, 1), D(2024, 2, 28), D(2024, 3, 1), None]),
    end=("date", [D(2024, 1, 4), D(2024, 3, 1), D(2024, 2, 1), D(2024, 1, 1)]),
    stay=("integer", [3, 2, 5, 1]),
    at=("datetime", [M(2024, 1, 1, 8), M(2024, 2, 28, 23, 30), M(2024, 1, 1), None]),
    until=("datetime", [M(2024, 1, 1, 9, 30), M(2024, 2, 29, 0, 30), M(2024, 1, 2), None]),
    zip=("category", ["01234", "9999", "12345x", None]),
    member=("boolean", [True, False, None, False]),
    odd__name=("integer", [1, 2, 3, 4]),
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("total = price * quantity", [1, 1, 0, 1]),  # 0.1 * 3 is not 0.3 in floats; 19.99 * 7 is 139.93
        ("quantity >= 3", [1, 1, 1, 0]),
        ("2 < quantity <= 4", [1, 1, 0, 0]),
        ("quantity > 2 and quantity < 7 or total = 5", [1, 1, 0, 1]),
        ("not (quantity = 4)", [1, 0, 1, 1]),
        ("start <= end", [1, 1, 0, 1]),
        ("IF status = 'paid' THEN paid IS NOT NULL", [1, 1, 1, 0]),
        ("paid is null OR NOT quantity = 3", [0, 1, 1, 1]),
        ("stay = end - start", [1, 1, 0, 1]),  # days, over a leap day
        ("end = start + stay", [1, 1, 0, 1]),
        ("end - start <= 2", [0, 1, 1, 1]),
        ("hours(until - at) = 1", [0, 1, 0, 1]),
        ("minutes(until - at) in (90, 60)", [1, 1, 0, 1]),
        ("at >= start", [1, 1, 0, 1]),  # a date against a moment: the day counts
        ("at <= '2024-01-01T08:00'", [1, 0, 1, 1]),
        ("end > \"2024-01-01\"", [1, 1, 1, 0]),
        ('status in ("paid")', [1, 0, 1, 1]),
        ('status not in ("paid", "void")', [0, 1, 1, 0]),
        ("status = open", [0, 1, 1, 0]),
        ('zip ~ "[0-9]{5}"', [1, 0, 0, 1]),
        ('if status = "paid" then paid is known', [1, 1, 1, 0]),
        ("if member = no then paid is missing", [1, 1, 1, 1]),
        ("if status = open then total < 5", [1, 0, 1, 1]),
        ("paid is missing or member = yes", [1, 1, 1, 1]),
        ("status is not missing", [1, 1, 0, 1]),
        ("together_missing(start, at)", [1, 1, 1, 1]),
        ("together_missing(paid, status)", [1, 0, 1, 0]),
        ("step(quantity, 2, 1)", [1, 0, 1, 0]),
        ("step(total, 0.1)", [1, 1, 0, 1]),
        ("`odd name` = 1", [1, 0, 0, 0]),
        ("unique(member)", [1, 1, 1, 0]),
        ("max(price, quantity) >= 4", [0, 1, 1, 1]),
        ("min(price, quantity, 2) = 2", [0, 1, 1, 1]),
        ("total ≤ 10", [1, 1, 0, 1]),
        ("(price + 1) * 2 = 2 * price + 2", [1, 1, 1, 1]),
        ('combination(status, member) in (("paid", true), ("open", false))', [1, 1, 1, 0]),
        ('combination(quantity, status) in ((3, "paid"), (4, "open"), (7, "void"))', [1, 1, 1, 0]),
    ],
)  # fmt: skip
def test_what_a_rule_says(rule: str, expected: list[int]) -> None:
    assert holds(rule, SHOP) == [bool(e) for e in expected]


def test_unknown_holds_in_every_composition() -> None:
    """Kleene's tables: a rule is broken where it is false, never where it is unknown; so not(unknown) holds as well."""
    d = data(a=("integer", [1, None]), b=("integer", [2, 2]))
    for rule in ("a > 5", "not a > 5", "a > 5 or b > 5", "a < 5 and b = 2", "if a > 5 then b = 9", "if b = 2 then a > 5"):
        assert holds(rule, d)[1], rule
    assert not holds("a > 5 and b > 5", d)[1]  # false whatever a is


def test_rounding_follows_the_columns_digits() -> None:
    d = data(
        a=("number", [1.0, 1.0, 1.0], {"number": MONEY}), b=("number", [1.004, 1.006, 0.9951]), c=("number", [1.0, 1.0 + 1e-13, 1.001])
    )
    assert holds("a = b * 1", d) == [True, False, True]
    assert holds("c = b - b + 1", d) == [True, True, False]


def test_one_hot_needs_exactly_one() -> None:
    d = data(
        a=("integer", [1, 0, 1, 0, None, None]),
        b=("boolean", [False, True, True, False, False, True]),
        c=("number", [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]),
    )
    assert holds("onehot(a, b, c)", d) == [True, True, False, False, True, False]


def test_combinations_are_those_that_enough_rows_have() -> None:
    city, country = ["Oslo"] * 6 + ["Bergen"] * 5 + ["Lund"] * 2, ["N"] * 11 + ["S"] * 2
    d = data(city=("category", city), country=("category", country))
    rules = Rules.of(["combination(city, country)"], d.schema)
    with pytest.raises(SettingError, match="has not seen"):
        rules.holds(d.table())
    learned = rules.learn(d, protect=5)
    wrong = data(city=("category", ["Oslo", "Bergen", "Oslo", None, None, "Lund"]), country=("category", ["N", "N", "S", "N", "S", "S"]))
    assert learned.check(wrong.table()).tolist() == [True, True, False, True, False, False]  # Lund is held by two rows only
    assert "Lund" not in json.dumps(learned.to_json())
    again = Rules.from_json(json.loads(json.dumps(learned.to_json())), d.schema)
    assert again == learned


def test_unique_remembers_what_was_accepted() -> None:
    d = data(a=("integer", [1, 1, 2, None, None]), b=("integer", [1, 1, 3, 1, 1]))
    rules, seen = Rules.of(["unique(a, b)", "b < 3"], d.schema), Seen()
    assert rules.check(d.table(), seen).tolist() == [True, False, False, True, True]
    assert rules.check(d.table(), seen).tolist() == [False, False, False, True, True]
    later = data(a=("integer", [2, 2]), b=("integer", [3, 2]))  # (2, 3) was not accepted, so it was not remembered
    assert Rules.of(["unique(a, b)"], d.schema).check(later.table(), seen).tolist() == [True, True]


def test_a_python_rule_is_checked_but_not_stored() -> None:
    rule = Rule.of(lambda f: f["quantity"] % 2 == 1, columns=["quantity"], name="odd quantity")
    rules = Rules.of(["quantity > 0", rule], SHOP.schema)
    assert rules.check(SHOP.table()).tolist() == [True, False, True, False]
    with pytest.raises(SettingError, match="Python function"):
        rules.to_json()
    wrong = Rule.of(lambda f: f["quantity"] + 1, columns=["quantity"], name="sum")
    with pytest.raises(SettingError, match="true or false"):
        Rules.of([wrong], SHOP.schema).check(SHOP.table())
    with pytest.raises(UnknownName, match="'quantity'"):
        Rules.of([Rule.of(len, columns=["quantety"], name="x")], SHOP.schema)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("total = prise * quantity", "did you mean 'price'"),
        ("`od name` = 1", "did you mean 'odd name'"),
        ("start <= total", "a date and a number cannot be compared"),
        ('quantity ~ "[0-9]"', "patterns are for texts"),
        ('zip ~ "[0-9"', "not a regular expression"),
        ("status < 5", "no order"),
        ("status + 1 = 2", "nothing can be calculated"),
        ("at - start = 3", "days\\(end - start\\)"),
        ("start + end = at", "cannot be added"),
        ("quantity", "says nothing"),
        ("much", "says nothing"),
        ("quantity > ", "lacking at the end"),
        ("if quantity > 3", "'then' is lacking"),
        ("quantity > 3 total < 4", "nothing can be made of"),
        ("(quantity > 3", "'\\)' is lacking"),
        ("__import__('os') = 1", "no function named"),
        ("quantity > 3; import os", "cannot read"),
        ("mx(price, quantity) > 1", "did you mean 'max'"),
        ("not unique(price)", "a rule of its own"),
        ("unique(price, price)", "twice"),
        ("step(price, 0)", "above 0"),
        ("onehot(status, member)", "takes columns of 0 and 1"),
        ("combination(at, status)", "combinations are of"),
        ("end < 'yesterday'", "is not a date"),
        ("total <= 'ten'", "without quotes"),
        ("member = perhaps", "no level of member"),
        ("status = zap", "did you mean 'zip'"),
        ("", "empty"),
        ("1 = 1 = 2", "no row can obey"),
    ],
)
def test_what_cannot_be_is_refused_with_the_place(rule: str, said: str) -> None:
    with pytest.raises((SettingError, UnknownName), match=said) as error:
        Rules.of(["quantity > 0", rule], SHOP.schema)
    assert str(error.value).startswith("rules")
    if rule and "obey" not in said:
        assert str(error.value).startswith(f"rules[1] {rule.strip()!r}") and "→" in str(error.value)


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (["quantity < stay", "stay < quantity"], 2),
        (["quantity <= stay", "stay <= total", "quantity > total"], 3),
        (["quantity >= 5", "quantity <= 3"], 2),
        (["quantity > 5", "quantity <= 5"], 2),
        (["end >= start + 5", "end - start <= 3"], 2),
        (["start < end < start"], 1),
        (["age >= 130"], 2),
        (["age + 10 > stay", "stay > 500"], 3),
        (['status = "paid"', 'status in ("open", "void")'], 2),
        (["must is missing"], 2),
        (["paid is missing", "paid is known and quantity > 1"], 2),
        (['grade ~ "[0-9]"'], 2),
    ],
)
def test_contradictions_are_told_before_any_row(rules: list[str], named: int) -> None:
    extra = (
        Column(name="age", kind="integer", low=0, high=120, declared=("high", "low")),
        Column(name="must", kind="integer", nullable=False),
        Column(name="grade", kind="category", levels=("A", "B"), declared=("levels",)),
    )
    schema = Schema(tables=(Table(columns=(*SHOP.schema.table.columns, *extra)),))
    with pytest.raises(SettingError, match="no row can obey") as error:
        Rules.of(["quantity >= 0", *rules], schema)
    assert error.value.what.count("'") // 2 == named or error.value.what.count('"') >= named
    for one in rules[:1]:
        assert one in error.value.what.replace("\\'", "'") or "and quantity" in rules[1]
    assert "quantity >= 0" not in error.value.what


def test_a_level_that_is_not_declared_is_refused() -> None:
    schema = SHOP.schema.amend("status", levels=("paid", "open"))
    with pytest.raises(UnknownName, match="did you mean 'paid'"):
        Rules.of(['status = "payed"'], schema)


def test_what_is_possible_is_not_refused() -> None:
    fine = [
        "quantity <= stay",
        "stay <= quantity",
        "start <= end",
        "end - start >= 0",
        "quantity != 3",
        "if quantity > 5 then stay < 2",
        "stay > 5",
    ]
    assert len(Rules.of(fine, SHOP.schema)) == len(fine)


def test_mending_computes_snaps_and_empties() -> None:
    d = data(
        price=("number", [1.5, 2.0, None], {"number": MONEY}),
        quantity=("integer", [2, 3, 4]),
        total=("number", [9.0, 6.0, 7.0], {"number": MONEY}),
        tax=("number", [0.5, 0.25, 1.0], {"number": MONEY}),
        gross=("number", [1.0, 1.0, 8.0], {"number": MONEY}),
        weight=("number", [0.12, 0.5, None], {"number": MONEY}),
        status=("category", ["open", "paid", "open"]),
        paid=("date", [D(2024, 1, 1), D(2024, 1, 1), None]),
    )
    texts = ["gross = total + tax", "total = price * quantity", "step(weight, 0.25)", "if status = open then paid is missing"]
    rules = Rules.of(texts, d.schema)
    made = rules.mend(d.table())
    assert rules.check(made).all()
    assert made["total"].to_pylist() == [3.0, 6.0, 7.0] and made["gross"].to_pylist() == [3.5, 6.25, 8.0]
    assert made["weight"].to_pylist() == [0.0, 0.5, None] and made["paid"].to_pylist() == [None, D(2024, 1, 1), None]
    assert made.schema == d.table().schema


def test_mending_breaks_no_rule_that_holds() -> None:
    d = data(a=("integer", [1, 1]), b=("integer", [1, 1]), c=("integer", [9, 9]), top=("integer", [1, 5]))
    rules = Rules.of(["c = a + b", "a <= top", "top >= c - 8"], d.schema)
    assert rules.mend(d.table())["c"].to_pylist() == [2, 2]
    rules = Rules.of(["c = a + b", "c >= top + 3"], d.schema)
    assert rules.mend(d.table())["c"].to_pylist() == [9, 9]


def test_random_rules_agree_with_python() -> None:
    """Expressions and conditions made at random mean what the same text means in Python."""
    rng = np.random.default_rng(5)
    d = data(a=("integer", rng.integers(-5, 6, 60).tolist()), b=("integer", rng.integers(-5, 6, 60).tolist()), c=("integer", [2] * 60))
    frame = d.table().to_pandas()

    def side(depth: int) -> str:
        if depth == 0 or rng.random() < 0.3:
            return str(rng.choice(["a", "b", "c", "3", "1.5"]))
        return f"({side(depth - 1)} {rng.choice(['+', '-', '*'])} {side(depth - 1)})"

    def condition(depth: int) -> str:
        if depth == 0 or rng.random() < 0.3:
            return f"{side(2)} {rng.choice(['<', '<=', '>', '>=', '!='])} {side(2)}"
        if rng.random() < 0.3:
            return f"not ({condition(depth - 1)})"
        return f"({condition(depth - 1)}) {rng.choice(['and', 'or'])} ({condition(depth - 1)})"

    from lookalike.rules.cells import Cells
    from lookalike.rules.language import read

    for _ in range(60):
        text = condition(2)
        expected = [bool(eval(text, {}, row)) for row in frame.to_dict("records")]
        assert (read(text, d.schema.table).truth(Cells(d.table())) >= 0).tolist() == expected, text
