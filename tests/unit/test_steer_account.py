"""What steering counts and promises, to the row: shares in whole rows, rows that move between strata, blocks, and the account in words."""

from __future__ import annotations

import math
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike as la
from lookalike import rare
from lookalike.condition import Condition
from lookalike.errors import CannotError, DataError, SettingError, UnknownName
from lookalike.plan import Plan, Share
from lookalike.rules import Rules
from lookalike.steer import (
    Account,
    Line,
    Steering,
    Stratum,
    _apart,
    _apportioned,
    _known,
    _margin,
    _memberships,
    _native,
    _repaired,
    _share,
    _tilted,
    check,
    completed,
    given_in_part,
)

STEER = import_module("lookalike.steer")  # the name in the package is the verb's


def half() -> pd.DataFrame:
    """40 rows of two columns that say the same, and one of four levels."""
    return pd.DataFrame({"a": ["x", "y"] * 20, "b": ["x", "y"] * 20, "c": list("kkklkkmn") * 5})


@pytest.fixture(scope="module")
def model() -> Any:
    return la.fit(half(), model="independent", seed=0)


def steering(model: Any, n: int = 100, **plan: Any) -> Steering:
    return Steering(model, Plan(**plan), n, rng=np.random.default_rng(0))


# ---- whole rows


@pytest.mark.parametrize(
    ("shares", "n", "rows"),
    [
        ([0.5, 0.3, 0.2], 10, [5, 3, 2]),
        ([1, 1, 1], 10, [4, 3, 3]),  # of those that miss alike the first gets the row
        ([1, 1, 1], 11, [4, 4, 3]),
        ([0.26, 0.26, 0.48], 10, [3, 2, 5]),
        ([0.1] * 10, 30, [3] * 10),  # 0.1 · 30 is 3 up to rounding
        ([2.0, 6.0], 4, [1, 3]),
        ([0.3, 0.7], 0, [0, 0]),
    ],
)
def test_largest_remainders(shares: list[float], n: int, rows: list[int]) -> None:
    assert _apportioned(np.array(shares), n).tolist() == rows


def test_the_margin_of_counts_leaves_the_rest() -> None:
    cells = ((Condition.of("x"),), (Condition.of("y"),), None)
    assert _margin(Share(("a",), cells, (0.5, 0.2, 0.3)), 7).tolist() == [0.5, 0.2, 0.3]
    counts = Share(("a",), cells, (30, 10, None), rows=True)
    np.testing.assert_allclose(_margin(counts, 100), [0.3, 0.1, 0.6])
    np.testing.assert_allclose(_margin(counts, 40), [0.75, 0.25, 0])  # all of them may be asked for
    with pytest.raises(SettingError, match="40 rows are asked for, of 39 in all"):
        _margin(counts, 39)


def test_rows_move_until_every_share_is_met(model: Any) -> None:
    """Two columns, half each, of 3 rows: what is rounded for each stratum alone would miss."""
    made = steering(model, 10, shares={"a": {"x": 0.5, "y": 0.5}, "c": {"k": 0.5, "*": 0.5}})
    cells = np.array([s.cells for s in made.strata])
    assert cells.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    for start in ([4, 1, 4, 1], [5, 5, 0, 0], [0, 5, 5, 0], [3, 3, 2, 2], [10, 0, 0, 0], [1, 4, 2, 3]):
        whole = made._evened(np.array(start))
        assert whole.sum() == 10 and whole.min() >= 0
        assert [np.bincount(cells[:, axis], whole).tolist() for axis in (0, 1)] == [[5, 5], [5, 5]]
    assert made._evened(np.array([5, 0, 0, 5])).tolist() == [5, 0, 0, 5]  # all is met: nothing moves


def test_blocks_are_due_in_turn(model: Any) -> None:
    made = steering(model, 10, shares={"a": {"x": 0.5, "y": 0.5}})
    due = [made._due(upto, rows) for upto, rows in ((3, 3), (4, 1), (9, 5), (10, 1))]
    assert [sum(d) for d in due] == [3, 1, 5, 1]
    assert np.sum(due, axis=0).tolist() == made.whole.tolist() == [5, 5]
    so_far = np.cumsum(due, axis=0)
    assert (np.abs(so_far - np.array([[1.5], [2], [4.5], [5]])) < 1).all()


@pytest.mark.parametrize("shares", [[0.45, 0.3, 0.15, 0.1], [0.26, 0.26, 0.24, 0.24], [0.97, 0.01, 0.01, 0.01]])
def test_blocks_of_any_size_keep_to_the_shares_and_end_in_them(model: Any, shares: list[float]) -> None:
    rng = np.random.default_rng(0)
    for n in (4, 37, 200, 1_000):
        made = steering(model, n, shares={"c": dict(zip("klmn", shares, strict=True))})
        upto = 0
        while upto < n:
            rows = min(int(rng.integers(1, max(n // 7, 2) + 1)), n - upto)
            upto += rows
            assert sum(made._due(upto, rows)) == rows
            assert (made.given <= made.whole).all() and (np.abs(made.given - made.whole * upto / n) < 2).all()
        assert made.given.tolist() == made.whole.tolist()


def test_the_rest_is_what_no_other_cell_holds(model: Any) -> None:
    table = pa.table({"c": pa.array(["k", "l", None, "m"])}).cast(pa.schema([("c", pa.string())]))
    share = Share(("c",), ((Condition.of("k"),), None, (Condition.of("m"),)), (0.2, 0.3, 0.5))
    found = _memberships(table, share, model.schema)
    assert [m.tolist() for m in found] == [[True, False, False, False], [False, True, True, False], [False, False, False, True]]
    assert [m.tolist() for m in _memberships(table, Share(("c",), (None,), (1.0,)), model.schema)] == [[True] * 4]


def test_joint_shares_have_the_margins_and_the_odds_of_the_pilot(model: Any) -> None:
    made = steering(model, 100, shares={"a": {"x": 0.8, "y": 0.2}, "b": {"x": 0.3, "y": 0.7}})
    counts = {("x", "x"): 40, ("x", "y"): 10, ("y", "x"): 20, ("y", "y"): 30}
    rows = [pair for pair, n in counts.items() for _ in range(n)]
    made._pilot = pa.table({"a": [a for a, _ in rows], "b": [b for _, b in rows]})
    joint = made._joint([np.array([0.8, 0.2]), np.array([0.3, 0.7])])
    np.testing.assert_allclose(joint.sum(axis=1), [0.8, 0.2], atol=2e-7)
    np.testing.assert_allclose(joint.sum(axis=0), [0.3, 0.7], atol=2e-7)
    assert joint[0, 0] * joint[1, 1] / (joint[0, 1] * joint[1, 0]) == pytest.approx(40 * 30 / (10 * 20), rel=1e-6)
    made._pilot = pa.table({"a": ["x", "x"], "b": ["x", "y"]})  # what is never drawn need not be, if nothing of it is asked
    assert made._joint([np.array([1.0, 0.0]), np.array([0.3, 0.7])]).tolist() == pytest.approx(np.array([[0.3, 0.7], [0, 0]]))
    made._pilot = pa.table({"a": ["x", "y"], "b": ["x", "y"]})
    with pytest.raises(CannotError, match="levels that would have to go together never do"):
        made._joint([np.array([0.8, 0.2]), np.array([0.3, 0.7])])
    made._pilot = pa.table({"a": ["x", "x"], "b": ["x", "y"]})
    with pytest.raises(CannotError, match="hardly ever draws a = y"):
        made._joint([np.array([0.8, 0.2]), np.array([0.5, 0.5])])


def test_balance_is_alike_or_as_asked_for_the_rarest(model: Any) -> None:
    made = steering(model)
    made._pilot = pa.table({"c": pa.array(["k"] * 6 + ["l"] * 3 + ["m"] + [None] * 4).dictionary_encode()})
    texts = [made._balanced("c", None).text(cell) for cell in range(3)]
    assert texts == ["c = m", "c = l", "c = k"]
    assert made._balanced("c", None).amounts == pytest.approx([1 / 3] * 3)
    assert made._balanced("c", 0.4).amounts == pytest.approx([0.4, 0.6 * 3 / 9, 0.6 * 6 / 9])
    made._pilot = pa.table({"c": pa.array(["k", None]).dictionary_encode()})
    with pytest.raises(CannotError, match="one level only"):
        made._balanced("c", None)


def test_a_stratum_without_a_share_is_none(model: Any) -> None:
    made = steering(model, 50, shares={"a": {"x": 1.0, "y": 0.0}})
    assert [(s.cells, s.share) for s in made.strata] == [((0,), 1.0)]
    meeting = {"columns": ["c"], "of": [[[["k", "l"]], 0.4], [[["l", "m"]], 0.4], [["n"], 0.2]]}
    met = steering(model, 50, shares=[meeting])
    assert [[cell[0].text() for _, cell in s.outside] for s in met.strata] == [
        [],
        ["k or l"],
        [],
    ]  # a row counts for the first that holds it
    rest = steering(model, 50, shares={"c": {"k": 0.25, "l": 0.25, "*": 0.5}})
    assert [s.outside for s in rest.strata[:2]] == [[], []]
    assert [cell[0].text() for _, cell in rest.strata[2].outside] == ["k", "l"] and not rest.strata[2].conditions


# ---- drawing


class Scripted:
    """A model without conditions, which draws x in one of `every` rows."""

    def __init__(self, schema: Any, every: int) -> None:
        self.schema, self.every, self.asked = schema, every, []

    def sample(self, n: int, *, rng: np.random.Generator, start: int = 0) -> Any:
        self.asked.append((n, start))
        return self.rows(np.arange(start, start + n))

    def rows(self, i: np.ndarray) -> Any:
        return drawn(i % self.every != 0, np.zeros(len(i), int), np.zeros(len(i), int))


def drawn(*codes: np.ndarray) -> Any:
    """Rows of a, b and c by the numbers of their levels, as a model gives them."""
    made = [pa.DictionaryArray.from_arrays(pa.array(c, pa.int32()), list(of)) for c, of in zip(codes, ("xy", "xy", "klmn"), strict=True)]
    return SimpleNamespace(table=lambda: pa.table(made, names=list("abc")))


def test_no_more_is_tried_than_is_needed_and_no_key_twice(model: Any) -> None:
    drawn = Scripted(model.schema, 10)
    made = steering(drawn, 1_000, given={"a": "x"})
    table = made.draw(1_000, first=0, rng=np.random.default_rng(0))
    assert table.num_rows == 1_000 and set(table["a"].to_pylist()) == {"x"}
    assert drawn.asked[0] == (1_046, 0)  # three in a hundred, and 16, to spare
    assert drawn.asked[1][0] == math.ceil(1.03 * (1_000 - 105) / (106 / 1_047)) + 16  # by what was met so far
    ends = [start + n for n, start in drawn.asked]
    assert [start for _, start in drawn.asked[1:]] == ends[:-1]
    told = made.account()
    assert told.kept == told.obeyed == 1_000 and told.tried == 9_991 < ends[-1]  # what follows the last row that was needed does not count
    assert told.tried < 12_000
    assert [line.to_json() for line in told.lines] == [{"what": "given a", "asked": "x", "achieved": "100 %", "met": True}]


def test_giving_up_says_how_much_was_tried_and_what_hinders(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STEER, "LEAST_TRIED", 400)
    monkeypatch.setattr(STEER, "AT_ONCE", 200)
    drawn = Scripted(model.schema, 10**9)
    made = steering(drawn, 5, given={"a": "y"}, rules=['if b = "x" then a = "x"'])
    with pytest.raises(CannotError) as told:
        made.draw(5, first=0, rng=np.random.default_rng(0))
    tried = sum(n for n, _ in drawn.asked)
    assert 400 <= tried <= 600 and f"of {tried:,} rows that were tried obey the plan where a = y" in str(told.value)
    assert 'most fail at: rule if b = "x" then a = "x"' in str(told.value)
    assert "ask for less, or fit with these rules (--rule), or take the model forest or autoregressive" in str(told.value)
    without = steering(Scripted(model.schema, 10**9), 5, given={"a": "x", "b": "x"})
    without._within, without.tried = {}, 0
    with pytest.raises(CannotError, match="most fail at: a = x") as told:
        without._stratum(0, 5, rng=np.random.default_rng(0))
    assert "--rule" not in str(told.value) and "where a = x and b = x" in str(told.value)


def test_a_plan_that_is_met_seldom_is_tried_so_often_for_each_row(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STEER, "LEAST_TRIED", 100)
    made = steering(Scripted(model.schema, 2_000), 3, given={"a": "x"})
    with pytest.raises(CannotError, match="1 of "):
        made.draw(3, first=0, rng=np.random.default_rng(0))  # 400 tries for each of 3 rows are not enough at 1 in 2,000
    fine = steering(Scripted(model.schema, 300), 3, given={"a": "x"})
    assert fine.draw(3, first=0, rng=np.random.default_rng(0)).num_rows == 3


def test_rows_that_are_refused_are_counted_by_what_refuses_them(model: Any) -> None:
    made = steering(model, given={"a": "x"})
    table = Scripted(model.schema, 4).sample(40, rng=np.random.default_rng(0)).table()
    stratum = Stratum({"a": Condition.of("x"), "b": Condition.of("y")}, 1.0, outside=[(("c",), (Condition.of("k"),))])
    kept, last = made._accepted(table, stratum, rng=np.random.default_rng(0), most=40)
    assert kept.num_rows == last == 0
    assert made.refused == {"a = x": 30, "b = y": 40, "the rest of a share": 40}
    ruled = steering(model, rules=['a = "x"', 'b = "x"'])
    for _ in range(2):  # rows that were refused before do not count
        kept, last = ruled._accepted(table, Stratum({"a": Condition.of("y")}, 1.0), rng=np.random.default_rng(0), most=40)
        assert kept.num_rows == last == 0
    assert ruled.refused == {"a = y": 20, 'rule a = "x"': 60, 'rule b = "x"': 0}


# ---- the account


def test_the_account_in_words_and_as_json() -> None:
    made = Account((Line("given a", "x", "100 %"), Line("rule", "p < q", "3 violations", False)), 3_000, 400, 200, ("one", "two"))
    assert made.text() == (
        "✓ given a  asked x, got 100 %\n✗ rule     asked p < q, got 3 violations\n"
        "200 rows; of 3,000 that were tried 13.3 % obeyed\nnote: one\nnote: two"
    )
    assert made.to_json() == {
        "lines": [
            {"what": "given a", "asked": "x", "achieved": "100 %", "met": True},
            {"what": "rule", "asked": "p < q", "achieved": "3 violations", "met": False},
        ],
        "tried": 3_000, "obeyed": 400, "kept": 200, "accepted": 0.133333, "notes": ["one", "two"],
    }  # fmt: skip
    empty = Account((), 0, 0, 0)
    assert empty.accepted == 0 and empty.text() == "0 rows; of 0 that were tried 0 % obeyed"
    assert Account((), 0, 3, 3).accepted == 3


def test_the_account_of_shares_counts_and_rules(model: Any) -> None:
    made = steering(
        model, 10, shares={"a": {"x": 0.3, "y": 0.7}}, counts={"c": {"k": 4}}, rules=['if a = "x" then b = "x"'], given={"b": ["x", "y"]}
    )
    for first, rows in ((0, 6), (6, 4)):
        made.draw(rows, first=first, rng=np.random.default_rng(first))
        half_way = made.account()
        assert all(line.met for line in half_way.lines)  # what is not due yet is not missed
    lines = [(line.what, line.asked, line.achieved) for line in half_way.lines]
    assert lines == [
        ("given b", half_way.lines[0].asked, "100 %"),
        ("a = x", "30 %", "30 %"),
        ("a = y", "70 %", "70 %"),
        ("c = k", "4 rows", "4 rows"),
        ("c: any other", "6 rows", "6 rows"),
        ("rule", 'if a = "x" then b = "x"', "0 violations"),
    ]
    assert half_way.kept == 10 and "not faithful" in half_way.notes[0]
    made.met[0] += np.array([-1, 1, -1, 1, -1, -1])  # as if a row were another
    told = made.account()
    assert not any(line.met for line in told.lines)
    assert [line.achieved for line in told.lines] == ["90 %", "40 %", "60 %", "5 rows", "5 rows", "1 violations"]


def test_nothing_asked_and_nothing_drawn(model: Any) -> None:
    assert steering(model).account() == Account((), 0, 0, 0)


@pytest.mark.parametrize(("got", "kept", "met"), [(1_499, 10_000, True), (1_501, 10_000, False), (501, 10_000, True), (499, 10_000, False)])
def test_rare_rows_are_as_many_as_asked_up_to_chance(got: int, kept: int, met: bool) -> None:
    """0.1 of 10,000 rows: 0.02 + 3 / √10,000 more or less."""
    spec = rare.Rare.of({"columns": {"score": "both", "age": "high"}, "share": 0.1, "beyond": 0.98})
    line = _tilted(spec, got, kept)
    assert line.met is met and line.asked == "10 %" and line.achieved == f"{got / 100:g} %"
    assert line.what == "rare: score at either end, age high, beyond 98 % of rows"
    assert _tilted(spec, 0, 0).met  # of no rows nothing is known
    assert _tilted(rare.Rare.of(lambda frame: frame["age"]), 1, 2).what.startswith("rare: by the score, beyond")


def test_what_a_repair_did_in_words() -> None:
    assert _repaired({"what": "cells", "achieved": 1_200, "of": 3_000}, 9) == Line("cells", "as few as can be", "1,200 of 3,000")
    assert _repaired({"what": "gap", "achieved": 0.1, "before": 0.25}, 9) == Line("gap", "as small as can be", "0.100, where it was 0.250")
    for got, met in ((0.039, True), (0.041, False), (-0.039, True), (-0.041, False)):
        line = _repaired({"what": "gap", "achieved": got, "before": 0.25, "asked": 0.0}, 10_000)  # 0.02 + 2 / √10,000
        assert line == Line("gap", "0.000", f"{got:.3f}, where it was 0.250", met)
    assert _repaired({"what": "gap", "achieved": 0.5, "before": 0.5, "asked": 0.0}, 0).met


def test_rows_given_in_part_are_a_table_of_all_columns(model: Any) -> None:
    made = given_in_part(pd.DataFrame({"c": ["k", None]}), model.schema)
    assert made.column_names == ["a", "b", "c"] and [made[c].null_count for c in "abc"] == [2, 2, 1]
    with pytest.raises(UnknownName, match="cc"):
        given_in_part(pd.DataFrame({"cc": ["k"]}), model.schema)
    keyed = la.schema(half().assign(id=[f"P-{k}" for k in range(40)]))
    assert keyed.table["id"].unique and given_in_part(pd.DataFrame({"id": ["P-9", "P-9", None]}), keyed).num_rows == 3


def test_shares_in_words() -> None:
    assert [_share(1, 3), _share(0, 0), _share(2, 0), _share(5, 5)] == ["33.33 %", "0 %", "200 %", "100 %"]


def test_levels_that_a_model_cannot_draw_are_named(model: Any) -> None:
    column = model.schema.table["a"]
    for fine in ("x", ["x", "y"], None, {"none_of": ["y"]}):
        _known(model, column, Condition.of(fine))
    for bad in ("z", ["x", "z"], {"none_of": ["z"]}):
        with pytest.raises(UnknownName, match="z"):
            _known(model, column, Condition.of(bad))
    _known(SimpleNamespace(), column, Condition.of("z"))  # a model that tells nothing
    recast = SimpleNamespace(steps_=[SimpleNamespace(columns=[column], kept=[("x",), ("w",)])])
    _known(recast, column, Condition.of("w"))
    with pytest.raises(UnknownName, match="y"):
        _known(recast, column, Condition.of("y"))


def test_a_rule_that_always_holds_costs_no_rows(model: Any) -> None:
    made = steering(model, rules=["a is known"])
    made.draw(500, first=0, rng=np.random.default_rng(0))
    told = made.account()
    assert (told.tried, told.obeyed, told.kept) == (500, 500, 500)


# ---- what is learned and refused before


class Cycling(Scripted):
    """a is x, y, x, y …, c is k, k, l, l, m, m, and from row `late` on n, n as well."""

    def __init__(self, schema: Any, late: int = 0) -> None:
        super().__init__(schema, 2)
        self.late = late

    def rows(self, i: np.ndarray) -> Any:
        c = i // 2 % 4
        return drawn(i % 2, np.zeros(len(i), int), np.where((c == 3) & (i < self.late), 0, c))


HALF = {"x": 0.5, "y": 0.5}


@pytest.mark.parametrize(
    ("every", "least", "plan", "asked", "rows"),
    [
        (2, 120, {"shares": {"a": HALF}}, [], 0),
        (2, 120, {"shares": {"a": HALF, "b": {"x": 1.0}}}, [(50, 0)], 50),  # shares of several columns hang together
        (3, 120, {"rebalance": ["a"]}, [(50, 0)], 50),
        (3, 120, {"rebalance": ["a"], "given": {"b": "x"}}, [(50, 0)], 50),
        (2, 120, {"rebalance": ["a"], "given": {"c": "l"}}, None, 0),
        (7, 1_000, {"rebalance": ["b", "c"], "given": {"a": "x"}}, [(50, 50 * k) for k in range(7)], 50),
        (5, 120, {"rebalance": ["b", "c"], "given": {"a": "x"}}, [(50, 0), (50, 50), (50, 100)], 30),
        (5, 20, {"rebalance": ["b", "c"], "given": {"a": "x"}}, [(50, 0)], 10),
    ],
)
def test_a_pilot_is_as_large_as_it_has_to_be(
    model: Any, monkeypatch: pytest.MonkeyPatch, every: int, least: int, plan: Any, asked: Any, rows: int
) -> None:
    """None where nothing hangs together; of rows that meet what is given, until there are enough or too many were tried."""
    monkeypatch.setattr(STEER, "PILOT", 50)
    monkeypatch.setattr(STEER, "LEAST_TRIED", least)
    monkeypatch.setattr(Steering, "_balanced", lambda self, name, share: Share((name,), (None,), (1.0,)))
    drawn = Scripted(model.schema, every)
    if asked is None:
        with pytest.raises(CannotError, match="0 of 150 rows that were tried obey the plan where c = l; most fail at: the plan as a whole"):
            steering(drawn, **plan)
        return
    made = steering(drawn, **plan)
    assert drawn.asked == asked
    assert (0 if made._pilot is None else made._pilot.num_rows) == rows
    assert rows == 0 or "given" not in plan or "a" not in plan["given"] or set(made._pilot["a"].to_pylist()) == {"x"}


def test_parity_is_learned_from_a_pilot_of_its_own(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STEER, "PARITY_PILOT", 70)
    drawn = Scripted(model.schema, 2)
    made = steering(drawn)
    assert made._try_out(np.random.default_rng(0)) is None
    made.parity = object()  # type: ignore[assignment]
    assert made._try_out(np.random.default_rng(0)).num_rows == 70 and drawn.asked == [(70, 0)]


def test_two_levels_can_be_balanced(model: Any) -> None:
    made = steering(Scripted(model.schema, 4), 40, rebalance=["a"])
    assert made.draw(40, first=0, rng=np.random.default_rng(0))["a"].to_pylist().count("x") == 20


def test_a_private_plan_is_refused_for_what_it_read_and_names_it(model: Any) -> None:
    schema = model.schema
    assert check(Plan(rules=["a is known"]), schema, private=True) == (None, None)
    assert check(Plan(rules=["a is known"], found=["rules"], fix="x.csv"), schema, private=False) == (None, None)
    for plan, named in (
        (Plan(found=["rules", "given"]), "private, and rules, given of the plan"),
        (Plan(fix="x.csv"), "private, and fix of the plan"),
    ):
        with pytest.raises(CannotError, match=named):
            check(plan, schema, private=True)


@pytest.mark.parametrize(
    "more",
    [
        {"given": {"a": "x"}},
        {"rebalance": ["a"]},
        {"shares": {"a": HALF}},
        {"counts": {"a": {"x": 3}}},
        {"shares": [{"columns": ["c", "a"], "of": [[["k", "x"], 0.5], ["*", 0.5]]}]},
    ],
)
def test_an_outcome_is_asked_for_once(model: Any, more: dict[str, Any]) -> None:
    parity = {"target": "a", "group": "c"}
    assert check(Plan(parity=parity, given={"b": "x"}), model.schema, private=False)[0].target == "a"
    with pytest.raises(UnknownName, match="zz"):
        check(Plan(parity={"target": "a", "group": "zz"}), model.schema, private=False)
    with pytest.raises(SettingError, match=r"parity\.a: its shares follow from those of the groups"):
        check(Plan(parity=parity, **more), model.schema, private=False)


def test_which_models_draw_under_conditions() -> None:
    def of(given: bool, **more: Any) -> Any:
        return SimpleNamespace(can=SimpleNamespace(given=given), **more)

    able = of(True, within=len)
    assert _native(able) is able and _native(SimpleNamespace(winner_=able)) is able
    assert _native(of(False, within=len)) is _native(of(True)) is _native(SimpleNamespace(within=len)) is None
    recast = SimpleNamespace(inner_=able, within=len)  # rows are recast: it can what the model of the recast rows can
    assert _native(recast) is recast and _native(of(True, inner_=of(False), within=len)) is None


def test_conditions_are_turned_into_codes_once_and_only_of_columns_that_are_drawn_as_they_are(model: Any) -> None:
    told: list[list[str]] = []
    made = steering(model)
    made.native = SimpleNamespace(
        codebook_=SimpleNamespace(within=lambda given: told.append(sorted(given)) or len(told)), plain_={"a", "c"}
    )
    asked = {"a": Condition.of("x"), "b": Condition.of("y")}
    assert [made._conditions(k, asked) for k in (0, 0, 1)] == [1, 1, 2] and told == [["a"], ["a"]]
    del made.native.plain_
    made._conditions(2, asked)
    assert told[-1] == ["a", "b"]


def test_what_a_model_has_learned_of_rules_is_used(model: Any) -> None:
    texts = ["a is known", "b is known"]
    learned = Rules.of(texts, model.schema)
    drawn = Scripted(model.schema, 2)
    drawn.rules_ = learned  # type: ignore[attr-defined]
    made = steering(drawn, rules=["c is known", "b is known"])
    assert [rule.text for rule in made.rules] == ["c is known", "b is known", "a is known"]
    assert list(made.rules)[1] is list(learned)[1]


def test_cells_that_name_other_values_share_no_row() -> None:
    x, y, both, high = (Condition.of(raw) for raw in ("x", "y", ["x", "y"], {"low": 3}))
    assert _apart((x,), (y,)) and _apart((x, high), (y, high)) and _apart((high, y), (high, x))
    assert not _apart((x,), (both,)) and not _apart((high,), (y,)) and not _apart((x,), (high,)) and not _apart((x, x), (x, x))


class Native(Scripted):
    """A model that draws under conditions, and keeps which."""

    can = SimpleNamespace(given=True)

    def __init__(self, schema: Any) -> None:
        super().__init__(schema, 1)
        self.codebook_ = SimpleNamespace(within=dict, table=(), books=(), renewed=lambda table, **_: table)

    def within(self, n: int, told: dict[str, Condition], *, rng: np.random.Generator, start: int) -> Any:
        self.asked.append(" ".join(f"{name}={told[name].text()}" for name in sorted(told)))
        of = [
            np.full(n, levels.index(told[name].values[0])) if name in told else (np.arange(n) // (1 + (name == "c"))) % 2
            for name, levels in zip("abc", ("xy", "xy", "klmn"), strict=True)
        ]
        return drawn(*of).table(), None


def test_each_stratum_is_drawn_under_its_own_conditions(model: Any) -> None:
    """The pilot under what is given, and no stratum under what another was."""
    model = Native(model.schema)
    made = steering(model, 8, given={"b": "x"}, shares={"a": HALF, "c": {"k": 0.5, "l": 0.5}})
    assert model.asked == ["b=x"]
    table = made.draw(8, first=0, rng=np.random.default_rng(0))
    assert sorted(model.asked[1:]) == [f"a={a} b=x c={c}" for a in "xy" for c in "kl"] and table.num_rows == 8
    assert all(line.met for line in made.account().lines)


def test_levels_that_the_model_has_no_code_for_are_refused_before_rows_are_drawn(model: Any) -> None:
    plain = Scripted(model.schema, 2)
    plain.codebook_ = SimpleNamespace(table=model.schema.table, books=[{"levels": ["x"]}, {}, {}])  # type: ignore[attr-defined]
    with pytest.raises(UnknownName, match="y"):
        steering(plain, given={"a": "y"})
    assert plain.asked == []


def test_what_no_code_will_do_for_is_refused_before_rows_are_drawn(model: Any) -> None:
    def within(told: dict[str, Condition]) -> None:
        if "c" in told:
            raise CannotError("the model never draws it", where="c", fix="ask for something else")

    able = Native(model.schema)
    able.codebook_.within = within
    with pytest.raises(CannotError, match="never draws it"):
        steering(able, 8, shares={"c": {"k": 0.5, "l": 0.5}})
    assert able.asked == []


# ---- lots and blocks


@pytest.mark.parametrize(("many", "few", "together"), [(8, 3, True), (9, 3, False), (8, 2, False)])
def test_many_small_strata_come_from_one_lot(model: Any, monkeypatch: pytest.MonkeyPatch, many: int, few: int, together: bool) -> None:
    """Eight strata of two rows each; of n there are none in the lot, which are drawn after it, with other keys."""
    monkeypatch.setattr(STEER, "MANY", many)
    monkeypatch.setattr(STEER, "FEW_EACH", few)
    size = STEER.POOL * 16
    drawn = Cycling(model.schema, late=size)
    made = steering(drawn, 16, shares={"a": HALF, "c": dict.fromkeys("klmn", 0.25)})
    drawn.asked.clear()
    table = made.draw(16, first=0, rng=np.random.default_rng(0)).to_pandas()
    assert pd.crosstab(table.a, table.c).to_numpy().tolist() == [[2] * 4] * 2
    if together:
        assert drawn.asked[:2] == [(size, 0), (drawn.asked[1][0], size)] and len(drawn.asked) == 3
        told = made.account()
        assert told.obeyed == told.kept == 16 and all(line.met for line in told.lines)
        assert told.tried == 6 * 2 + 15 + 13  # of each stratum in the lot the first two are looked at; then up to the second n of each
    else:
        assert len(drawn.asked) >= 8


def test_a_block_comes_mixed_and_its_keys_follow_those_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = half().assign(id=[f"P-{k:04d}" for k in range(40)])
    made = la.fit(frame, model="independent", seed=0)
    keys = made.sample(60, rng=np.random.default_rng(0)).table()["id"].to_pylist()
    plan = steering(made, 60, shares={"a": {"x": 0.5, "y": 0.5}})
    blocks = [plan.draw(30, first=first, rng=np.random.default_rng(first)) for first in (0, 30)]
    assert [k for block in blocks for k in block["id"].to_pylist()] == keys
    runs = [np.diff(block["a"].to_pandas() == "x", prepend=False).sum() for block in blocks]
    assert min(runs) > 5
    ruled = steering(made, 30, given={"a": "x"}, rules=['id ~ "P-.*"']).draw(30, first=0, rng=np.random.default_rng(0))
    assert sorted(ruled["id"].to_pylist()) != sorted(keys[:30])  # a rule has looked at them: they stay as they were drawn
    assert len(set(ruled["id"].to_pylist())) == 30


def test_what_is_repaired_is_judged_and_counted_as_it_is_then(model: Any) -> None:
    """Repaired first, then mended, then looked at; counts of kept rows add up over lots."""
    made = steering(model, given={"a": "x"})
    seen: list[tuple[list[str], list[str]]] = []

    def turned(table: Any, *, rng: Any) -> Any:
        a = ["x" if v == "y" else "y" for v in table["a"].to_pylist()]
        return table.set_column(0, table.schema.field("a"), pa.array(a).cast(table.schema.field("a").type))

    def counts(before: Any, after: Any) -> int:
        seen.append((before["a"].to_pylist(), after["a"].to_pylist()))
        return after.num_rows

    made.repair = SimpleNamespace(
        apply=turned, counts=counts, notes=["repaired"], told=lambda n: [{"what": "cells", "achieved": n, "of": 9}]
    )
    lot = Scripted(model.schema, 4).sample(8, rng=np.random.default_rng(0)).table()
    kept = [made._accepted(lot, made.strata[0], rng=np.random.default_rng(0), most=most) for most in (4, 9)]
    assert [(t.num_rows, last) for t, last in kept] == [(4, 6), (6, 8)]  # six of eight are y, and x when they are repaired
    assert seen == [(["y"] * n, ["x"] * n) for n in (4, 6)]
    made._count(kept[0][0])
    told = made.account()
    assert told.lines[-1] == Line("cells", "as few as can be", "10 of 9") and told.notes == ("repaired",)


def test_the_account_of_rare_rows_is_of_those_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STEER, "PILOT", 1_500)
    frame = pd.DataFrame({"n": np.arange(400) % 100, "a": ["x", "y"] * 200})
    model = la.fit(frame, model="independent", seed=0)
    made = steering(model, 200, rare={"columns": {"n": "high"}, "share": 0.5, "beyond": 0.9}, given={"a": "x"}, rules=["n >= 0", "n < 100"])
    table = made.draw(200, first=0, rng=np.random.default_rng(0))
    rows = int(made.tilt.rare(table).sum())
    assert 70 < rows < 130 and made.account().lines[-1].achieved == f"{rows / 2:g} %"
    assert made.refused["the tilt towards rare rows"] > 0 and "says nothing of how frequent" in made.account().notes[0]
    with pytest.raises(SettingError, match=r"rare\.a: a category has no order"):
        steering(model, rare={"a": "high"})


# ---- rows given in part


class Completing:
    """Completes rows: c stays missing in the first of each call, b is y but in as many rows as `mends` says for each call."""

    def __init__(self, schema: Any, mends: list[int]) -> None:
        self.schema, self.mends, self.asked = schema, mends, []

    def complete(self, table: Any, columns: list[str], *, rng: np.random.Generator, start: int = 0) -> Any:
        assert columns == ["a", "b", "c"] and table["b"].null_count == table["c"].null_count == table.num_rows
        n, mended = table.num_rows, self.mends[min(len(self.asked), len(self.mends) - 1)]
        self.asked.append((n, start))
        b = pa.array(["x" if k < mended else "y" for k in range(n)]).cast(table.schema.field("b").type)
        c = pa.array([None, *"k" * (n - 1)]).cast(table.schema.field("c").type)
        return pa.table([table["a"], b, c], names=columns)


RULE = 'if a = "x" then b = "x"'
PART = pd.DataFrame({"a": ["y", "x", "x", "y", "x"]})


def test_rows_that_break_a_rule_are_completed_anew_in_their_place(model: Any) -> None:
    drawn = Completing(model.schema, [0, 1, 9])
    table, told = completed(drawn, Plan(fix=PART, rules=[RULE]), 5, rng=np.random.default_rng(0))
    assert drawn.asked == [(5, 0), (3, 5), (2, 8)]  # no key twice
    assert table["a"].to_pylist() == PART.a.to_list() and table["b"].to_pylist() == ["y", "x", "x", "y", "x"]
    assert table["c"].to_pylist() == [None, None, None, "k", "k"]
    assert (told.tried, told.obeyed, told.kept) == (10, 5, 5)
    assert told.lines == (Line("cells", "10 not given", "7 drawn, the others missing"), Line("rule", RULE, "0 violations"))
    plain, told = completed(Completing(model.schema, [2]), Plan(fix=PART), None, rng=np.random.default_rng(0))
    assert plain["b"].to_pylist() == ["x", "x", "y", "y", "y"] and len(told.lines) == 1 and told.tried == 5


def test_rows_that_cannot_be_completed_are_counted_and_the_first_is_named(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STEER, "REDRAWN", 2)
    drawn = Completing(model.schema, [0, 1, 0])
    with pytest.raises(CannotError) as told:
        completed(drawn, Plan(fix=PART, rules=['if a = "y" then b = "y"', RULE]), None, rng=np.random.default_rng(0))
    assert drawn.asked == [(5, 0), (3, 5), (2, 8)]
    assert str(told.value).startswith(f"fix, row 3: 2 of 5 rows cannot be completed so that they obey: {RULE}")


@pytest.mark.parametrize(
    ("plan", "n", "error", "what"),
    [
        ({"given": {"b": "x"}}, None, SettingError, "leave out given, parity and rare"),
        ({"parity": {"target": "b", "group": "c"}}, None, SettingError, "leave out given, parity and rare"),
        ({"rare": lambda frame: frame["a"]}, None, SettingError, "leave out given, parity and rare"),
        ({}, 4, SettingError, "5 rows are given, not 4"),
        ({"fix": PART.head(0)}, 0, DataError, "there are no rows"),
    ],
)
def test_what_does_not_go_with_rows_given_in_part(model: Any, plan: Any, n: int | None, error: type, what: str) -> None:
    with pytest.raises(error, match=what):
        completed(Completing(model.schema, [0]), Plan(**{"fix": PART} | plan), n, rng=np.random.default_rng(0))
    private = Completing(model.schema, [0])
    private.privacy_ = {}  # type: ignore[attr-defined]
    with pytest.raises(CannotError, match="the model is private, and fix of the plan"):
        completed(private, Plan(fix=PART), None, rng=np.random.default_rng(0))
    with pytest.raises(CannotError, match="cannot draw the rest of a row"):
        completed(Scripted(model.schema, 2), Plan(**{"fix": PART} | plan), n, rng=np.random.default_rng(0))
