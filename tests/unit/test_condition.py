"""Conditions: what their short forms mean, which cells meet them, and what is refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.condition import Condition, scalar
from lookalike.errors import SettingError
from lookalike.schema import Column

AGE = Column(name="age", kind="integer")
TOWN = Column(name="town", kind="category")
BORN = Column(name="born", kind="date")
PAID = Column(name="paid", kind="boolean", labels=("no", "yes"))


@pytest.mark.parametrize(
    ("raw", "column", "values", "met"),
    [
        (3, AGE, [2, 3, None], [False, True, False]),
        ([2, None], AGE, [2, 3, None], [True, False, True]),
        ({"low": 3}, AGE, [2, 3, None], [False, True, False]),
        ({"low": 2, "high": 2.5}, AGE, [2, 3, None], [True, False, False]),
        (None, AGE, [2, 3, None], [False, False, True]),
        ({"missing": False}, AGE, [2, 3, None], [True, True, False]),
        ({"none_of": [2]}, AGE, [2, 3, None], [False, True, False]),
        ("Oslo", TOWN, ["Oslo", "Rome", None], [True, False, False]),
        (["Oslo", "Rome"], TOWN, ["Oslo", "Rome", None], [True, True, False]),
        ({"none_of": ["Oslo"]}, TOWN, ["Oslo", "Rome", None], [False, True, False]),
        ("yes", PAID, [True, False, None], [True, False, False]),
        (False, PAID, [True, False, None], [False, True, False]),
        ({"high": "2020-01-31"}, BORN, [date(2020, 1, 31), date(2020, 2, 1), None], [True, False, False]),
    ],
)
def test_cells_that_meet_a_condition(raw: Any, column: Column, values: list[Any], met: list[bool]) -> None:
    condition = Condition.of(raw)
    condition.check(column, where="given")
    assert condition.met(pa.chunked_array([pa.array(values)]), column).tolist() == met
    labelled = pa.array(values).dictionary_encode() if column.kind == "category" else pa.array(values)
    assert condition.met(labelled, column).tolist() == met


@pytest.mark.parametrize(
    ("raw", "column", "what"),
    [
        ([], AGE, "empty list"),
        ({"lowest": 3}, AGE, "unknown entry"),
        ({}, AGE, "not a condition"),
        ({"low": 3, "missing": True}, AGE, "not a condition"),
        ({"low": 5, "high": 3}, AGE, "above high"),
        ({"low": "Oslo"}, TOWN, "has no order"),
        ("old", AGE, "not of the kind integer"),
        (True, AGE, "not of the kind integer"),
        (float("inf"), AGE, "not of the kind integer"),
        ("maybe", PAID, "not of the kind boolean"),
        ("2020-13-01", BORN, "not of the kind date"),
        ("A1", Column(name="id", kind="key"), "made anew"),
        (None, Column(name="age", kind="integer", nullable=False), "never missing"),
        ({"low": 130}, Column(name="age", kind="integer", high=120.0), "beyond the high"),
    ],
)
def test_what_cannot_be_asked_is_refused(raw: Any, column: Column, what: str) -> None:
    with pytest.raises(SettingError, match=what):
        Condition.of(raw).check(column, where="given.x")


def test_numpy_values_and_nan_are_read() -> None:
    assert Condition.of(np.int64(3)) == Condition.of(3)
    assert Condition.of([np.str_("a"), float("nan")]) == Condition.of(["a", None])


def test_moments_are_read_as_the_source_writes_them_or_as_iso() -> None:
    written = Column(name="born", kind="date", format="%d.%m.%Y")
    assert scalar("31.01.2020", written).to_pylist() == scalar("2020-01-31", written).to_pylist() == [date(2020, 1, 31)]
    clock = Column(name="at", kind="time")
    assert str(scalar("09:30", clock)[0]) == "09:30:00"
    span = Column(name="took", kind="duration")
    assert scalar(90, span).equals(scalar("0 days 00:01:30", span))
    stamp = Column(name="when", kind="datetime", zone="Europe/Oslo")
    assert scalar("2020-01-31T12:00", stamp).equals(scalar("2020-01-31T11:00Z", stamp))
    assert scalar("1970-01-01T00:00:01", Column(name="when", kind="datetime")).cast(pa.int64()).to_pylist() == [1_000_000]
