"""Numbers of which only a bound is known: <0.5, 90+. Found, kept in order, drawn as often, never made up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import lookalike as la
from lookalike.condition import Condition
from lookalike.data import detect, formats
from lookalike.encode import number
from lookalike.encode._tally import CAP
from lookalike.errors import SchemaError, SettingError
from lookalike.privacy.accounting import Budget
from lookalike.privacy.ledger import Ledger
from lookalike.privacy.look import Look
from lookalike.schema import Column, Limits, NumberFormat

NUMBERS = [f"{v:.2f}" for v in np.random.default_rng(0).lognormal(0, 1, 300).clip(0.1, 8)]
CRP = Column(name="crp", kind="number", number=NumberFormat(decimals=2, pad=2, limits=Limits(below="<", above=">", decimals=1)))


def detected(cells: list[str], name: str = "crp") -> Column:
    return detect.detect(pa.table({name: cells}))[name]


def canonical(cells: list[str], column: Column) -> pa.Array:
    return formats.parse_column(pa.array(cells), column)


@pytest.mark.parametrize(
    ("cells", "limits"),
    [
        ([*NUMBERS, *["<0.5"] * 40, "> 100"], {"below": "<", "above": "> ", "decimals": 1}),
        ([*NUMBERS, *["<0.50"] * 40], {"below": "<", "decimals": 2, "pad": 2}),
        ([*NUMBERS, "≤1", "≥1.25"], {"below": "≤", "above": "≥", "decimals": 2}),
        ([*map(str, range(18, 90)), *map(str, range(30, 70)), *["90+"] * 30], {"above": "+"}),
        ([*map(str, range(18, 90)), *map(str, range(30, 70)), "<0.5"], {"below": "<", "decimals": 1, "pad": 1}),
        ([*(f"${n}.25" for n in range(1, 90)), "<$100", "<$1"], {"below": "<"}),
        ([f"{n},5" for n in range(90)] + ["<0,5"], {"below": "<", "decimals": 1, "pad": 1}),
        ([*NUMBERS, "-0.50", "<-3"], {"below": "<"}),
    ],
)
def test_bounds_among_numbers_are_found_and_come_back_as_written(cells: list[str], limits: dict[str, object]) -> None:
    column = detected(cells)
    assert column.kind == "number"
    assert column.number is not None
    assert column.number.limits == Limits(**limits)
    assert formats.restore_column(canonical(cells, column), column).to_pylist() == cells
    assert "bounds" in str(column.note)


def test_marks_that_differ_by_a_blank_are_one_and_the_usual_is_written() -> None:
    column = detected([*NUMBERS, "< 0.5", "<0.5", "<0.5"])
    assert formats.restore_column(canonical(["< 0.5", "<0.5"], column), column).to_pylist() == ["<0.5", "<0.5"]


@pytest.mark.parametrize(
    "cells",
    [
        [*NUMBERS, "<0.5", "<=0.5"],  # two meanings
        [*NUMBERS, ">90", "90+"],
        [*NUMBERS, "<0.5 mg"],
        [*NUMBERS, "<high"],
        ["<18", "18-24", "25-64", "65+"] * 50,
        [*(f"{n}e-07" for n in range(1, 90)), "<1e-9"],  # no fixed decimals
        ["<1", "<2"] * 20,
        [*("1 2 3 4".split() * 200), *["5+"] * 9],  # a code, whose levels are kept as they are
    ],
)
def test_what_is_no_number_or_bound_stays_words(cells: list[str]) -> None:
    assert detected(cells, "rooms_code").kind in ("category", "text", "key")


def test_a_word_among_numbers_and_bounds_is_missing() -> None:
    column = detected([*NUMBERS, *["<0.5"] * 9, *["hemolyzed"] * 7])
    assert (column.kind, column.missing) == ("number", ("hemolyzed",))
    assert column.number is not None
    assert column.number.limits is not None


def test_a_bound_stands_just_beside_its_number() -> None:
    below, at, above = canonical(["<0.5", "0.5", ">0.5"], CRP).to_pylist()
    assert below < at < above
    assert at == 0.5
    assert (np.nextafter(below, 1), np.nextafter(above, 0)) == (0.5, 0.5)
    assert Condition.of({"high": 0.49}).met(pa.array([below]), CRP).tolist() == [False]
    assert Condition.of({"high": 0.5}).met(pa.array([below, at, above]), CRP).tolist() == [True, True, False]


def test_a_bound_that_the_schema_does_not_know_does_not_fit() -> None:
    plain = CRP.model_copy(update={"number": NumberFormat(decimals=2, limits=Limits(below="<", decimals=1))})
    with pytest.raises(formats.Misfit, match=r"row 2: '>9' does not fit"):
        canonical(["<9", ">9"], plain)
    with pytest.raises(formats.Misfit, match="does not fit"):
        canonical([f"<{2**51}"], CRP)  # no float stands between it and the next number


def test_limits_need_a_number_with_known_decimals() -> None:
    with pytest.raises(ValueError, match="known number of decimals"):
        Column(name="n", kind="integer", number=NumberFormat(decimals=0, limits=Limits(below="<")))
    with pytest.raises(ValueError, match="known number of decimals"):
        Column(name="n", kind="number", number=NumberFormat(limits=Limits(below="<")))
    schema = la.Schema(tables=({"name": "t", "columns": (CRP,)},))
    with pytest.raises(SchemaError, match="known number of decimals"):
        schema.amend("crp", kind="integer")


def test_a_condition_may_name_a_bound() -> None:
    cells = canonical(["<0.5", "0.50", "1.00"], CRP)
    assert Condition.of("<0.5").met(cells, CRP).tolist() == [True, False, False]
    assert Condition.of(["<0.5", 1]).met(cells, CRP).tolist() == [True, False, True]
    with pytest.raises(SettingError, match="'<x' is not of the kind number"):
        Condition.of("<x").check(CRP, where="given.crp")


# ── cells ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def drawn(texts: list[str], *, n: int = 20_000, cut: int | None = None, **asked: int) -> dict[str, float]:
    """Shares of the bounds among values drawn from a column's own codes."""
    values = canonical(texts, CRP)
    parts = [values] if cut is None else [values[:cut], values[cut:]]
    stats = [number.measure(part, CRP) for part in parts]
    book = number.freeze(stats[0] if cut is None else number.merge(*stats), CRP, **asked)
    rng = np.random.default_rng(0)
    codes = number.encode(values, book, CRP)[:, rng.integers(0, len(values), n)]
    made = formats.restore_column(number.decode(codes, rng.random(n), book, CRP), CRP)
    marked = made.filter(pc.match_substring_regex(made, "[<>]")).value_counts().to_pylist()
    return {one["values"]: one["counts"] / n for one in marked}


@pytest.mark.parametrize("cells", [4, 256])
@pytest.mark.parametrize("cut", [None, 100])
def test_bounds_are_drawn_as_often_as_they_occur(cells: int, cut: int | None) -> None:
    """Beside numbers that are just at the bound, and whatever the number of cells."""
    found = drawn(["<0.5"] * 60 + ["0.50"] * 40 + ["0.51", "0.49"] * 6 + [">9"] * 20 + ["9.00"] * 9 + NUMBERS, cut=cut, cells=cells)
    total = 60 + 40 + 12 + 20 + 9 + len(NUMBERS)
    assert found.keys() == {"<0.5", ">9"}
    assert found["<0.5"] == pytest.approx(60 / total, abs=0.01)
    assert found[">9"] == pytest.approx(20 / total, abs=0.01)


def test_a_bound_that_few_hold_is_never_told_and_none_is_made_up() -> None:
    assert drawn(["<0.3"] * 4 + ["<0.5"] * 5 + NUMBERS).keys() == {"<0.5"}
    assert drawn([">7.31"] * 4 + NUMBERS) == {}
    assert drawn(["<0.3"] * 4 + NUMBERS, protect=4).keys() == {"<0.3"}


def test_more_bounds_than_cells_leave_room_for_numbers() -> None:
    cells = [f"<{n / 10:.1f}" for n in range(1, 40) for _ in range(5 + n)]
    found = drawn(cells + NUMBERS, cells=16)
    assert found.keys() == {f"<{n / 10:.1f}" for n in range(32, 40)}  # the eight most common


def test_bounds_stay_apart_from_numbers_that_are_counted_together() -> None:
    values = np.round(np.random.default_rng(0).lognormal(8, 2, 2 * CAP), 2)
    values = np.unique(values[values > 300])
    x = pa.array(np.concatenate([values, np.repeat(np.nextafter(301.0, 0), 9_000)]))
    assert len(values) > CAP
    book = number.freeze(number.measure(x, CRP), CRP)
    assert book["limits"] == [np.nextafter(301.0, 0)]
    held = number.encode(x, book, CRP)[0]
    assert (held == held[-1]).mean() == pytest.approx(9_000 / len(x), abs=0.003)


def test_a_private_fit_keeps_common_bounds_and_makes_none_up() -> None:
    column = CRP.model_copy(update={"low": 0.0, "high": 20.0, "nullable": False})
    x = canonical(["<0.5"] * 600 + [f"{v:.2f}" for v in np.random.default_rng(0).uniform(0.5, 19, 1_400)], column)
    look = Look(Ledger(Budget(1e6, 1e-6)).allow(), 2.0, "crp")
    stats = number.noisy(x, column, look)
    book = number.freeze(stats, column)
    assert book["limits"] == [np.nextafter(0.5, 0)]
    assert number.held(stats, book, column)[0][number.encode(x, book, column)[0, 0]] == pytest.approx(600, abs=60)


def test_a_table_with_bounds_from_frame_to_frame() -> None:
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    age = rng.integers(20, 99, 600)
    value = rng.lognormal(0.03 * (age - 60), 0.5)
    frame = pd.DataFrame({"age": age, "crp": [f"{v:.2f}" if v > 0.6 else "<0.6" for v in value]})
    made = la.sample(la.fit(frame, seed=0), 600, seed=0)
    low, real = made.crp == "<0.6", frame.crp == "<0.6"
    assert low.mean() == pytest.approx(real.mean(), abs=0.06)
    assert made.age[low].mean() == pytest.approx(frame.age[real].mean(), abs=4)
    assert pd.to_numeric(made.crp[~low]).min() >= 0.6
