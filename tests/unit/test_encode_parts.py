"""The small parts that encoders are made of, by values worked out by hand: tallies, grids, cycles, fresh numbers, masks, units, levels."""

from __future__ import annotations

import itertools
import re
import zlib
from dataclasses import FrozenInstanceError
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike as la
from lookalike import encode
from lookalike.condition import Condition
from lookalike.data._people import names
from lookalike.encode import (
    Codebook,
    _arrow,
    _cells,
    _found,
    _fresh,
    _looks,
    _manner,
    _noisy,
    _people,
    _round,
    _shape,
    _steps,
    _tally,
    _turn,
    _turns,
    _within,
    category,
    constant,
    encoder,
    key,
    moment,
    number,
)
from lookalike.encode import _fill as fill
from lookalike.encode._round import Grid
from lookalike.encode._tally import Tally
from lookalike.errors import CannotError, DataError, LookalikeError, StoreError
from lookalike.privacy.look import Ranges
from lookalike.schema import Column, NumberFormat, Schema, Table

INT = np.int64
DAY = moment.DAY
HOUR = 3_600_000_000


def ints(*x: int) -> np.ndarray:
    return np.array(x, INT)


# ---- counting


def test_people_share_their_weight_over_the_values_they_hold() -> None:
    ids, who = ints(0, 0, 1, 1, 2, 2), ints(7, 7, 7, 9, 9, 4)
    rows, holders, weight = _people.count(ids, 4, who)
    assert rows.tolist() == [2, 2, 2, 0] and holders.tolist() == [1, 2, 2, 0]
    half = _people.UNIT // 2
    assert weight.tolist() == [half, 2 * half, half + _people.UNIT, 0]
    rows, holders, weight = _people.count(ids, 3, None)
    assert holders.tolist() == [2, 2, 2] and weight.tolist() == [2 * _people.UNIT] * 3
    assert [x.tolist() for x in _people.count(ints(), 2, ints())] == [[0, 0]] * 3


def test_tallies_of_values_and_of_both() -> None:
    one = _tally.tally(ints(3, 1, 3, 3), ints(1, 1, 1, 2))
    assert [x.tolist() for x in (one.low, one.high, one.rows, one.holders)] == [[1, 3], [1, 3], [1, 3], [1, 2]]
    two = _tally.tally(ints(3, 5), None)
    both = _tally.merge(one, two)
    assert both.low.tolist() == [1, 3, 5] and both.rows.tolist() == [1, 4, 1] and both.holders.tolist() == [1, 3, 1] and both.level == 0
    assert both.weight.tolist() == (np.append(one.weight, 0) + np.array([0, 1, 1]) * _people.UNIT).tolist()
    again = Tally.from_json(both.to_json())
    assert again.low.dtype == INT and again.to_json() == both.to_json() and both.to_json()["high"] is None
    assert both.exact.all() and both.middle(base=1).tolist() == [0, 2, 4]


def test_too_many_values_are_joined_at_the_finest_level_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tally, "CAP", 4)
    assert _tally.tally(ints(0, 1, 2, 3), None).level == 0
    five = _tally.tally(ints(0, 1, 2, 3, 3, 9), None)  # in pairs: 0 1 | 2 3 | 9
    assert five.level == 1 and five.low.tolist() == [0, 2, 9] and five.high.tolist() == [1, 3, 9] and five.rows.tolist() == [2, 3, 1]
    assert five.exact.tolist() == [False, False, True] and five.middle().tolist() == [0.5, 2.5, 9]
    assert Tally.from_json(five.to_json()).high.tolist() == [1, 3, 9]
    merged = _tally.merge(_tally.tally(ints(-3, 40), None), five)
    assert merged.level == 1 or len(merged.low) <= 4
    assert merged.rows.sum() == 8 and merged.low[0] == -3 and merged.high[-1] == 40
    assert _tally.merge(five, _tally.tally(ints(), None)).low.tolist() == five.low.tolist()
    floats = _tally.tally(np.array([-2.5, -0.25, 0.0, 0.25, 1.5, 2.5]), None)
    assert len(floats.low) <= 4 and (np.diff(floats.low) > 0).all() and floats.rows.sum() == 6


def test_large_integers_have_a_base() -> None:
    assert _tally.base(_tally.tally(ints(5, 1 << 53), None)) == 0
    big = (1 << 53) + 1
    assert _tally.base(_tally.tally(ints(5, big), None)) == (big >> 32) << 32
    assert _tally.base(_tally.tally(ints(-big, 5, 6), None)) == 0  # the middle value is near 0
    assert _tally.base(_tally.tally(ints(-(2**63) + 1, 5, 2**63 - 1), None)) == 0
    assert _tally.base(_tally.tally(ints(-big, 2 - big, 7), None)) == -(1 << 53)
    assert _tally.base(_tally.tally(np.array([1e300]), None)) == 0 and _tally.base(_tally.tally(ints(), None)) == 0


def test_noisy_ranges_become_a_tally() -> None:
    ranges = Ranges(first=ints(0, 1, 17), last=ints(0, 16, 18), rows=np.array([5.0, 16.0, 3.0]), missing=2.0)
    made, rows = _noisy.tally(ranges, lambda at: at * 10, open_above=False)
    assert rows == made.rows.sum() == 24
    assert (made.low[0], made.high[0], made.rows[0]) == (0, 0, 5)
    assert made.low[1:9].tolist() == [10, 30, 50, 70, 90, 110, 130, 150] and made.high[1:9].tolist() == [20, 40, 60, 80, 100, 120, 140, 160]
    assert made.rows[1:9].tolist() == [2] * 8 and made.low[9:].tolist() == [170, 180]
    assert made.weight.tolist() == (made.rows * _people.UNIT).tolist() and made.holders.tolist() == made.rows.tolist()
    assert Tally.from_json(made.to_json()).high.tolist() == made.high.tolist()  # ranges stay ranges
    above, _ = _noisy.tally(ranges, lambda at: at * 10, open_above=True)
    assert above.high[:3].tolist() == [10, 30, 50]
    empty, none = _noisy.tally(Ranges(ints(), ints(), np.zeros(0), 0.0), lambda at: at, open_above=False)
    assert none == 0 and len(empty.low) == 0
    line = {"low": [0, 100], "high": [90, 180], "cuts": [100]}
    assert _noisy.held(made, line, 7.0).tolist() == [7.0, 15.0, 9.0]


# ---- grids


def test_what_a_grid_does_with_numbers() -> None:
    tenths, fives, free = Grid(decimals=1), Grid(unit=5), Grid()
    assert [g.half for g in (tenths, fives, free)] == [0.05, 2.5, 0.0] and [g.free for g in (tenths, fives, free)] == [False, False, True]
    assert tenths.snap(np.array([0.26, -0.04, 1e300])).tolist() == [0.3, 0.0, 1e300]
    assert not np.signbit(tenths.snap(np.array([-0.04]))).any()
    assert fives.snap(np.array([12.4, 12.6, -3.0])).tolist() == [10, 15, -5] and fives.snap(np.array([1.0])).dtype == INT
    assert Grid(unit=1, base=1 << 60).snap(np.array([2.4])).tolist() == [(1 << 60) + 2]
    assert Grid(unit=1).snap(np.array([1e19, -1e19])).tolist() == [2**63 - 1024, -(2**63)]
    assert free.snap(np.array([0.123])).tolist() == [0.123]
    assert tenths.within(0.12, 0.38, bottom=True) == (0.2, 0.3) and tenths.within(0.1, 0.3, bottom=True) == (0.1, 0.3)
    assert tenths.within(0.12, 0.18, bottom=True) == (0.2, 0.2) and tenths.within(0.12, 0.18, bottom=False) == (0.1, 0.1)
    assert free.within(0.12, 0.18, bottom=True) == (0.12, 0.18)
    assert tenths.edge(0.31) == pytest.approx(0.35) and tenths.edge(0.29) == pytest.approx(0.25) and free.edge(0.31) == 0.31
    assert fives.edge(np.array([11.0, 9.0])).tolist() == [12.5, 7.5]
    assert tenths.between(0.1, 0.4) == pytest.approx(0.25) and tenths.between(0.1, 0.1) == 0.1
    assert fives.between(10, 15) == 12.5 and fives.between(12.5, 14) == 13.25 and free.between(1.0, 3.0) == 2.0
    assert fives.limits(8, 21, open_above=True) == (10, 20) and fives.limits(8, 8, open_above=True) == (8, 8)
    assert fives.limits(11, 14, open_above=False) == (15, 15) and fives.limits(8, float("8"), open_above=False) == (8, 8)
    low, high = free.limits(1.0, 2.0, open_above=True)
    assert (low, high) == (1.0, np.nextafter(2.0, 1.0)) and free.limits(1.0, 2.0, open_above=False) == (1.0, 2.0)
    assert Grid.from_json(Grid(decimals=2, steps=(5, 10)).to_json()) == Grid(decimals=2, steps=(5, 10))


def test_ladders_of_decimal_numbers() -> None:
    assert _round.tens(None) == _round.tens(0) == _round.tens(2) == _round.TENS
    assert _round.tens(3) == (10, 100, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000)
    steps = _round.tens(5)
    assert all(b % a == 0 for a, b in itertools.pairwise(steps))


def test_the_share_of_rounder_numbers_is_what_chance_does_not_explain() -> None:
    """Of 1,000 rows in one cell 400 are multiples of ten, and the others spread over all last digits alike."""
    spread = [v for v in range(1_000, 1_600)]
    tens = [1_000 + 10 * (k % 60) for k in range(400)]
    t = _tally.tally(ints(*spread, *tens), None)
    loose, cell = np.ones(len(t.low), bool), np.zeros(len(t.low), INT)
    grid = Grid(unit=1, steps=(5, 10, 20))
    (share,) = _round.ladder(t, loose, cell, 1, grid)
    five = 520 - 200  # multiples of 5: 120 by chance among 600, and 400; of 1,000 rows a fifth is chance
    assert share[0] == pytest.approx(five / (1_000 * (1 - 1 / 5)), abs=1e-4)
    assert share[1] == pytest.approx(min((460 - 520 * 5 / 10) / (1_000 * (1 - 5 / 10)), share[0]), abs=1e-4)
    assert share[2] == 0  # half of the tens are twenties, as they would be
    assert _round.ladder(t, ~loose, cell, 1, grid) == [] and _round.ladder(t, loose, cell, 1, Grid()) == []
    assert _round.ladder(t, loose, cell, 1, Grid(unit=1, steps=())) == [] and _round.ladder(t, loose, cell, 1, Grid(unit=1, base=1)) == []
    plain = _tally.tally(ints(*range(1_000, 1_600)), None)
    assert _round.ladder(plain, np.ones(600, bool), np.zeros(600, INT), 1, grid) == []


def test_some_are_rounded_further_and_stay_in_their_cell() -> None:
    x, u, cell = np.array([13.0, 17.0, 98.0, 13.0]), np.array([0.7 / 104_729, 0.0, 0.0, 0.5]), ints(0, 0, 0, 1)
    share = np.array([[1.0, 0.5], [0.0, 0.0]])
    limits = np.array([11.0, 0.0]), np.array([99.0, 99.0])
    made = _round.coarsen(x, u, cell, share=share, limits=limits, grid=Grid(unit=1, steps=(5, 10)))
    assert made.tolist() == [15.0, 20.0, 98.0, 13.0]  # 13 → 15; 17 → 15, then 20 (half to even of 1.5); 100 is outside
    assert x.tolist() == [13.0, 17.0, 98.0, 13.0]


# ---- cells


def test_codes_and_places_of_a_line() -> None:
    book = {"low": [0, 5, 10], "high": [3, 5, 20], "cuts": [4, 6], "key": [1.0, 2.0, 2.0, 3.0, 3.0, 4.0], "unit": 1, "base": 0,
            "value": [0.0, 3.0, 5.0, 5.0, 10.0, 20.0], "decimals": None, "steps": [], "coarse": []}  # fmt: skip
    x = ints(-9, 0, 3, 4, 5, 6, 20, 99)
    codes = _cells.code(x, book)
    assert codes.tolist() == [1, 1, 1, 2, 2, 3, 3, 3]
    assert _cells.code(x.astype(float), book).tolist() == codes.tolist()
    assert _cells.size(book) == 4 and _cells.code(x, {"low": []}).tolist() == [0] * 8
    at = _cells.locate(ints(0, 3, 5, 15, 20), ints(1, 1, 2, 3, 3), book)
    assert at[0] == 0 and at[1] == pytest.approx(1, abs=1e-6) and at[2] == 0.5 and at[3] == pytest.approx(0.5) and at[4] < 1
    assert _cells.value(ints(1, 2, 3, 3, 0), np.array([0.0, 0.9, 0.0, 0.5, 0.0]), book)[:4].tolist() == [0, 5, 10, 15]
    assert _cells.value(ints(3), np.array([1.0]), book).tolist() == [20] and _cells.value(ints(1), np.array([-1.0]), book).tolist() == [0]


@pytest.mark.parametrize(("held", "told"), [(4, False), (5, True)])
def test_a_value_is_a_point_from_so_many_subjects_on(held: int, told: bool) -> None:
    values = np.repeat([10.0, 20.0], [40, held])
    book = _cells.freeze(_tally.tally(values, None), Grid(decimals=0), protect=5, cells=8)
    assert (20.0 in book["low"]) is told and 10.0 in book["low"]
    assert book["thin"] == (0 if told else held)


def test_of_so_few_nothing_is_told_but_what_is_public() -> None:
    t = _tally.tally(np.array([3.0, 4.0]), None)
    for bounds, neutral in (((None, None), 0), ((10.0, None), 10), ((None, -7.0), -7), ((-1.0, 1.0), 0)):
        book = _cells.freeze(t, Grid(decimals=0), protect=5, cells=8, bounds=bounds)
        assert book["low"] == book["high"] == [neutral] and book["thin"] == 2 and book["tails"] == 0
    assert _cells.freeze(_tally.tally(np.zeros(0), None), Grid(), protect=5, cells=8)["low"] == []


def test_no_cell_has_few_people_and_none_is_cut_out_of_thin_air() -> None:
    rng = np.random.default_rng(0)
    values = np.round(rng.normal(50, 9, 3_000), 1)
    book = _cells.freeze(_tally.tally(values, None), Grid(decimals=1), protect=5, cells=16)
    assert len(book["low"]) == 16
    rows = np.bincount(_cells.code(values, book))[1:]
    assert rows.min() > 3_000 / 16 / 2 and rows.max() < 3_000 / 16 * 2  # about even mass
    edges = [v for pair in zip(book["low"], book["high"], strict=True) for v in pair]
    assert edges == sorted(edges) and values.min() <= edges[0] and edges[-1] <= values.max()
    assert all(a < c <= b for a, c, b in zip(book["high"], book["cuts"], book["low"][1:], strict=False))
    wide = _cells.freeze(_tally.tally(values, None), Grid(decimals=1), protect=5, cells=16, bounds=(0.0, 200.0))
    assert 0 <= wide["low"][0] < book["low"][0] and book["high"][-1] < wide["high"][-1] <= 200


# ---- numbers that come back


def test_how_often_values_come_back() -> None:
    assert _turns.freeze({}, 2) == [1] and _turns.freeze({"a": 9, "b": 1, "c": 1}, 2) == [1]
    assert _turns.freeze({str(i): 1 for i in range(50)}, 5) == [1]
    assert _turns.freeze({str(i): 3 for i in range(50)}, 5) == [3] * _turns.CYCLE
    skewed = _turns.freeze({str(i): n for i, n in enumerate([1] * 60 + [100, 2, 2, 2])}, 2)
    assert len(skewed) == _turns.CYCLE and max(skewed) < 100 and min(skewed) == 1 and sum(skewed) == pytest.approx(166, rel=0.1)
    assert _turns.freeze({str(i): n for i, n in enumerate([200, *[1] * 62, 100])}, 2) == [1] * 62 + [150, 150]
    assert _turns.numbers(ints(0, 1, 2), [1]).tolist() == [0, 1, 2]
    found = _turns.numbers(np.arange(12), [1, 2, 3])
    assert sorted(found[:6]) == [0, 1, 1, 2, 2, 2] and sorted(found[6:]) == [3, 4, 4, 5, 5, 5]
    assert _turns.merge({"5": 1, "30": 2}, {"5": 4, "7": 1}) == {"5": 5, "7": 1, "30": 2}
    told = _turns.measure(pa.array(["a", "b", "a"]))
    assert sorted(told.values()) == [1, 2]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 10, 97, 1_000])
def test_scattered_numbers_are_all_there(size: int) -> None:
    assert sorted(_fresh.scatter(np.arange(size), size)) == list(range(size))
    assert _fresh.scatter(np.arange(3), 0).tolist() == [0, 0, 0]


def test_free_blocks_are_at_most_every_second_and_none_that_is_used() -> None:
    used = ints(1, 4, 5)
    assert _fresh.free_blocks(used, 0, 9) == [0, 3, 7, 9]  # of 0 2 3 6 7 8 9
    assert _fresh.free_blocks(ints(*range(10)), 0, 9) == []
    many = _fresh.free_blocks(ints(), 0, 4 * _fresh.MOST_FREE)
    assert len(many) == _fresh.MOST_FREE and many[0] == 0


def test_where_fresh_keys_come_from() -> None:
    assert _fresh.choose(ints(1), span=None, need=1, width=99, finest=True) is None
    assert _fresh.choose(ints(5, 6, 7, 8), span=None, need=250, width=100, finest=True) == ([9, 10, 11], True)  # a sequence goes on
    assert _fresh.choose(ints(5, 6, 7, 8), span=10, need=250, width=100, finest=True) == ([9], True)
    assert _fresh.choose(ints(), span=None, need=100, width=100, finest=False) == ([1, 2], True)
    assert _fresh.choose(ints(0, 9), span=None, need=400, width=100, finest=True) == ([1, 3, 5, 7], False)
    assert _fresh.choose(ints(0, 9), span=None, need=401, width=100, finest=True) is None
    assert _fresh.choose(ints(0, 1, 2, 3, 4, 5, 9), span=None, need=1, width=100, finest=False) == ([6, 8], False)
    assert _fresh.choose(ints(0, 1, 2, 3, 4, 5, 6, 7, 9), span=None, need=1, width=100, finest=False) is None  # a tenth is free
    assert _fresh.choose(ints(3), span=11, need=1, width=100, finest=False) == ([0, 2, 5, 7, 9], False)  # none that there is not
    assert _fresh.choose(ints(0, _fresh.SPAN), span=None, need=1, width=100, finest=False) is None


def test_slots_fill_blocks_one_after_the_other_or_all_alike() -> None:
    block, offset = _fresh.slots(np.arange(6), [7, 9], 3, ordered=True)
    assert block.tolist() == [7, 7, 7, 9, 9, 9] and offset.tolist() == [0, 1, 2, 0, 1, 2]
    block, offset = _fresh.slots(np.arange(200), [7, 9], 100, ordered=False)
    assert sorted(zip(block.tolist(), offset.tolist(), strict=True)) == [(b, o) for b in (7, 9) for o in range(100)]
    assert np.bincount(block[:20])[[7, 9]].tolist() == [10, 10]


def test_digits_characters_and_turns() -> None:
    x = ints(0, 1, 119, 120)
    made = _fresh.digits(x, [2, 6, 10])
    assert made.tolist() == [[0, 0, 0], [0, 0, 1], [1, 5, 9], [0, 0, 0]] and _fresh.number(made, [2, 6, 10]).tolist() == [0, 1, 119, 0]
    codes = _fresh.codes(np.array(["ab", "c"]), 3)
    assert codes.tolist() == [[97, 98, 0], [99, 0, 0]] and _fresh.text(codes).tolist() == ["ab", "c"]
    for alphabet in (["abc", "xyz"], ["cab", "zyx"]):
        chars = _fresh.spread(ints(0, 1, 2)[:, None] * ints(1, 1), alphabet)
        back, fits = _fresh.gather(chars, alphabet)
        assert back.tolist() == [[0, 0], [1, 1], [2, 2]] and fits.all()
    assert _fresh.gather(np.array([[97, 96], [97, 120]], np.uint32), ["abc", "xyz"])[1].tolist() == [False, True]
    plan = _fresh.cycle([3, 1], 8)
    assert np.bincount(plan).tolist() == [6, 2]
    kind, rank = _fresh.turns(np.arange(16), plan)
    assert all(rank[kind == k].tolist() == list(range(n)) for k, n in ((0, 12), (1, 4)))
    assert np.bincount(_fresh.cycle([1, 1, 1], 8)).tolist() == [4, 2, 2]
    lots = _fresh.draw(np.arange(4_000), [10] * 6, 3)
    assert all(abs(np.corrcoef(lots[:, a], lots[:, b])[0, 1]) < 0.06 for a, b in itertools.combinations(range(6), 2))
    assert (np.abs(np.apply_along_axis(np.bincount, 0, lots) - 400) < 110).all()


def test_chains_step_by_their_counts() -> None:
    table = _steps.table({(1, 2): [3], (1, 0): [1], (4, 1): [2]})
    assert table == {"from": [[1], [4]], "first": [0, 2, 3], "to": [0, 2, 1], "edge": [1, 4, 6]}
    keyed = _steps.keyed(table, 10)
    u = np.array([0.0, 0.2, 0.26, 0.999, 0.5, 0.5])
    assert _steps.step(keyed, ints(1, 1, 1, 1, 4, 3), u).tolist() == [0, 0, 2, 2, 1, -1]
    assert _steps.step(keyed, ints(9), np.zeros(1)).tolist() == [-1]
    often = _steps.keyed(_steps.table({(1, 2): [2**30], (3, 4): [1], (5, 6): [1]}), 10)
    assert _steps.step(often, ints(3, 5), np.full(2, 1 - 2.0**-53)).tolist() == [4, 6]  # where the sum is rounded up
    assert _steps.holds(keyed, ints(1, 1, 4, 4, 3, 9), ints(2, 1, 1, 2, 1, 1)).tolist() == [True, False, True, False, False, False]
    pairs = _steps.keyed(_steps.table({(1, 2, 3): [1], (0, 5, 4): [2]}), 10)
    assert pairs["key"].tolist() == [5, 12] and _steps.step(pairs, ints(12, 5), np.zeros(2)).tolist() == [3, 4]
    none = _steps.keyed(_steps.table({}), 10)
    assert _steps.step(none, ints(1), np.zeros(1)).tolist() == [-1] and not _steps.holds(none, ints(1), ints(1)).any()
    lots = _steps.uniform(np.arange(4_000, dtype=np.uint64), 1)
    assert 0 <= lots.min() and lots.max() < 1 and abs(lots.mean() - 0.5) < 0.02 and abs(lots.std() - 12**-0.5) < 0.01
    assert abs(np.corrcoef(lots, _steps.uniform(np.arange(4_000, dtype=np.uint64), 2))[0, 1]) < 0.06


def test_masks_are_filled_and_numbers_told_apart() -> None:
    lot = _fresh.mix(np.arange(300))
    rule = fill.Rule(bare="-", ranges={2: (2, 5, 8)}, leading={0: 4})
    made = fill.fill("#@-##-x%", lot, np.arange(300), rule).to_pylist()
    assert all(m[0] in "456789" and m[1].isupper() and m[2] == m[5] == "-" and m[6] == "x" and m[7] in "0123456789abcdef" for m in made)
    assert {m[3:5] for m in made} == {"05", "06", "07", "08"}
    assert len(set(made)) == 300 and {m[0] for m in made} == set("456789")
    small = fill.fill("##", lot[:100], np.arange(100), fill.Rule()).to_pylist()
    assert sorted(small) == [f"{i:02d}" for i in range(100)]
    shifted = fill.fill("##", lot[:100], np.arange(100), fill.Rule(shift=1)).to_pylist()
    assert shifted[:99] == small[1:]
    assert len(set(fill.fill("##", lot, None, fill.Rule()).to_pylist())) > 80


# ---- Arrow


def test_arrow_and_back() -> None:
    x, present = _arrow.split(pa.chunked_array([[1, None], [3]]))
    assert x.tolist() == [1, 0, 3] and present.tolist() == [True, False, True]
    assert _arrow.join(x, present).to_pylist() == [1, None, 3] and _arrow.join(x, present, like=pa.int8()).type == pa.int8()
    assert _arrow.split(pa.array([1, 2]), like=pa.float64())[0].dtype == np.float64
    assert _arrow.presence(pa.array([None, "a"])).tolist() == [[0, 1]]
    assert _arrow.add_counts(_arrow.count_missing(pa.array([1, None])), {"rows": 5, "missing": 3}) == {"rows": 7, "missing": 4}


# ---- kinds


def test_levels_that_few_hold_go_to_others_by_their_own_text() -> None:
    column = Column(name="x", kind="category")
    values = pa.array(["b"] * 30 + ["a"] * 10 + ["u"] * 3 + ["v"] * 2 + [None] * 4).dictionary_encode()
    stats = category.measure(values, column)
    assert stats["levels"] == {"b": [30, 30], "a": [10, 10], "u": [3, 3], "v": [2, 2]} and (stats["rows"], stats["missing"]) == (49, 4)
    book = category.freeze(stats, column, protect=5)
    assert book["levels"] == ["b", "a"] and book["share"] == [30, 10] and not book["pool"]
    assert book["protected"] == {"levels": 2, "rows": 5} and book["parts"] == [{"name": "", "size": 3, "ordered": False}]
    assert category.freeze(stats, column, protect=3)["levels"] == ["b", "a", "u"]
    codes = category.encode(values, book, column)[0]
    assert codes[:40].tolist() == [1] * 30 + [2] * 10 and codes[-4:].tolist() == [0] * 4
    for level, code in (("u", codes[40]), ("v", codes[43])):
        assert code == (1 if zlib.crc32(level.encode()) / 2**32 * 40 < 30 else 2)
    both = category.merge(stats, {"rows": 3, "missing": 1, "levels": {"a": [1, 1], "z": [1, 1]}})
    assert both["levels"]["a"] == [11, 11] and both["levels"]["z"] == [1, 1] and (both["rows"], both["missing"]) == (52, 5)
    assert category.held(stats, book, column)[0].tolist() == [4, 30, 10]


@pytest.mark.parametrize(("rare", "pool"), [(19, False), (20, True)])
def test_rare_levels_are_pooled_where_they_are_half(rare: int, pool: bool) -> None:
    column = Column(name="x", kind="category")
    stats = {"rows": 20 + rare, "missing": 0, "levels": {"a": [20, 20], **{f"r{i}": [1, 1] for i in range(rare)}}}
    book = category.freeze(stats, column, protect=5)
    assert book["pool"] is pool and book["levels"] == (["a", category.RARE] if pool else ["a"])
    if pool:
        assert category.encode(pa.array(["r1", "a", "new"]), book, column)[0].tolist() == [2, 1, 2] and book["share"] == [20, 20]
    numeric = {"rows": 40, "missing": 0, "levels": {"7": [20, 20], **{str(100 + i): [1, 1] for i in range(20)}}}
    made = category.freeze(numeric, column, protect=5)
    assert not made["pool"] and made["parts"][0]["ordered"]
    assert category.encode(pa.array(["105"]), made, column)[0].tolist() == [1]
    nothing = category.freeze({"rows": 1, "missing": 0, "levels": {"7": [1, 1]}}, column, protect=5)
    assert nothing["levels"] == [] and category.encode(pa.array(["7"]), nothing, column)[0].tolist() == [0]


def test_constants_are_told_from_so_many_on() -> None:
    column = Column(name="x", kind="constant")
    for rows, told in ((4, None), (5, "v")):
        stats = constant.measure(pa.array(["v"] * rows + [None]), column)
        book = constant.freeze(stats, column)
        assert book["value"] == told and book["parts"][0]["size"] == (1 if told is None else 2)
        assert book["protected"] == ({"levels": 1, "rows": rows} if told is None else {})
        assert constant.encode(pa.array(["v", None]), book, column).tolist() == [[int(told is not None), 0]]
        assert constant.held(stats, book, column)[0].tolist() == ([1, rows] if told else [rows + 1])
    many = constant.merge(constant.measure(pa.array(["c", "b", "b"]), column), constant.measure(pa.array(["a", "b"]), column))
    assert many["values"] == {"a": [1, 1], "b": [3, 3]} and many["rows"] == 5
    assert constant.decode(np.array([[1, 0]]), np.zeros(2), book, column).to_pylist() == ["v", None]


def test_decimals_are_counted_as_they_are_written() -> None:
    column = Column(name="x", kind="number")
    x = np.array([1.0, 2.0, 0.5, 0.25, 1 / 3, 2.0**60])
    counts = number._digits(x, column)
    assert counts[:3] == [3, 1, 1] and counts[number.DIGITS] + counts[number.DIGITS - 1] == 1 and sum(counts) == 6
    short = Column(name="x", kind="number", storage="float")
    assert number._digits(np.array([0.1], np.float32).astype(float), short)[1] == 1
    assert number._digits(np.array([3.0, 4.0]), Column(name="x", kind="integer"))[0] == 2
    stats = number.measure(pa.array([0.5, None, float("nan"), float("inf"), -0.0]), column)
    assert (stats["rows"], stats["missing"]) == (5, 3) and stats["digits"][:2] == [1, 1]
    for odd, decimals in ((4, 1), (6, 2)):  # 0.995 of 1,000 rows
        made = [0] * 17
        made[1], made[2] = 1_000 - odd, odd
        assert number._grid({"digits": made}, _tally.tally(np.array([1.0]), None), column).decimals == decimals
    huge = _tally.tally(np.array([1e251]), None)
    assert number._grid({"digits": [1] + [0] * 16}, huge, column).free


@pytest.mark.parametrize(
    ("pattern", "kind", "unit"),
    [("s", "datetime", 1_000_000), ("ms", "datetime", 1_000), ("us", "datetime", 1), ("ns", "datetime", 1),
     ("%Y-%m-%d %H:%M:%S.%f", "datetime", 1), ("%T", "time", 1_000_000), ("%H:%M:%S", "time", 1_000_000), ("%H:%M", "time", 60_000_000),
     ("%H", "time", 3_600_000_000), ("%Y-%m-%d", "datetime", moment.DAY), ("%Y", "duration", 1_000_000), (None, "datetime", 1_000_000)],
)  # fmt: skip
def test_the_unit_that_a_format_writes(pattern: str | None, kind: str, unit: int) -> None:
    assert moment._public_unit(Column(name="x", kind=kind, format=pattern)) == unit


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 60_000_000, 3_600_000_000])
def test_rounder_steps_of_a_clock_divide_each_other_and_the_day(unit: int) -> None:
    column = Column(name="x", kind="time")
    book = moment.freeze(moment.measure(pa.array(np.arange(20) * unit, pa.time64("us")), column), column)
    steps = book["clock"]["steps"]
    assert book["clock"]["unit"] == unit and (len(steps) > 0) == (unit < HOUR)
    assert all(b % a == 0 for a, b in itertools.pairwise((*steps, DAY // unit)))


def test_units_limits_and_packed_positions() -> None:
    column = Column(name="x", kind="time")
    clock = [0, 3_600_000_000, 60_000_000, 5_000_000, 7_000, 3]
    stats = moment.measure(pa.array(clock, pa.time64("us")), column)
    assert stats["units"] == [1] * 6 and moment._unit(stats) == 1
    assert moment._unit({"units": [0, 0, 999, 0, 0, 1]}) == 60_000_000 and moment._unit({"units": [0, 0, 998, 2, 0, 0]}) == 1_000_000
    assert moment._limits(Column(name="x", kind="date", low="1970-01-02", high="1970-01-04")) == (moment.DAY, 3 * moment.DAY)
    assert moment._limits(Column(name="x", kind="datetime", low="1970-01-01 00:00:01")) == (1_000_000, None)
    assert moment._limits(Column(name="x", kind="duration", low=5, high=9)) == (5, 9)
    shade, at = moment._unpack(np.array([(3 + 0.25) / 1_024, 0.0, 1.0]))
    assert shade[:2] == pytest.approx([3.5 / 1_024, 0.5 / 1_024]) and at[:2] == pytest.approx([0.25, 0]) and at[2] < 1 and shade[2] < 1
    day = moment.measure(pa.array([0, 1, 7], pa.int32()).cast(pa.date32()), Column(name="x", kind="date"))
    assert day["week"] == [0, 0, 0, 2, 1, 0, 0]  # 1970 began on a Thursday


def test_integers_that_are_free() -> None:
    text, small = Column(name="x", kind="key", storage="string"), Column(name="x", kind="key", storage="uint8")
    assert key._storage(text) == (-(10**18) + 1, 10**18 - 1) and key._storage(small) == (0, 255)
    assert key._storage(Column(name="x", kind="key", storage="uint64")) == (0, 2**63 - 1)
    assert key._storage(Column(name="x", kind="key", storage="int64")) == (-(2**63), 2**63 - 1)
    blocks = {"blocks": [2, 5], "width": 10, "ordered": True, "above": 60, "below": 9, "limits": [0, 62]}
    made = key._integers(np.arange(33), blocks, small)
    assert made.tolist() == [*range(20, 30), *range(50, 60), 60, 61, 62, *range(9, -1, -1)]
    with pytest.raises(DataError, match="no room for 34 fresh keys"):
        key._integers(np.arange(34), blocks, small)
    assert key._integers(np.arange(2), blocks | {"blocks": []}, small).tolist() == [60, 61]
    whole: Any = key._whole(pa.array(["12", "7", "-3", "0"]))
    assert whole == {"level": 0, "blocks": [-3, 0, 7, 12]} and key._whole(pa.array(["07", "7"])) is None
    assert key._at_level({"level": 1, "blocks": [3, 41]}, 2).tolist() == [0, 4]
    dense = key._free_whole({"level": 0, "blocks": list(range(1, 401))}, 400, 0, 10**6)
    assert dense["ordered"] and dense["width"] == 100 and dense["blocks"][0] == 5 and dense["below"] == -1
    assert dense["above"] == (dense["blocks"][-1] + 1) * 100


def test_fresh_numbers_are_splitmix64() -> None:
    """The first outputs of the published generator, from states 0 and 1234567."""
    assert _fresh.mix(np.array([0, 1_234_567], np.uint64)).tolist() == [0xE220A8397B1DCDAF, 6_457_827_717_110_365_317]


def test_no_room_above_is_none() -> None:
    small = Column(name="x", kind="key", storage="uint8")
    blocks = {"blocks": [2], "width": 10, "ordered": True, "above": 70, "below": 9, "limits": [0, 62]}
    assert key._integers(np.arange(12), blocks, small).tolist() == [*range(20, 30), 9, 8]


def test_knots_are_two_protections_apart_and_each_a_mean_of_one() -> None:
    values, ones = np.arange(100.0), np.ones(100)
    made = _cells._run(values, ones, ones, Grid(), protect=5, step=1e-9, edges=(True, True))
    assert len(made.value) == 11 and made.rows.tolist() == pytest.approx(np.arange(0, 101, 10))
    assert made.value.tolist() == pytest.approx([2.0, *np.arange(9.5, 90, 10), 97.0])  # means of the first, of the middle, of the last five
    assert len(_cells._run(values, ones, ones, Grid(), protect=5, step=50.0, edges=(True, True)).value) == 3


def test_what_conditions_mean_for_codes() -> None:
    frame = pd.DataFrame({"n": np.tile(np.arange(50), 20), "x": np.tile(np.arange(50) / 4, 20)})
    book = Codebook.measure_all(la.Dataset.of(frame))
    assert book.books[0]["line"]["low"] == list(range(50))

    def weight(**given: Any) -> np.ndarray:
        return book.within({name: Condition.of(raw) for name, raw in given.items()}).weight[list(given) == ["x"]]

    assert np.flatnonzero(weight(n=[5, 7])).tolist() == [6, 8] and weight(n=[5, 7]).max() == 1
    assert np.flatnonzero(weight(n=[5, None])).tolist() == [0, 6] and np.flatnonzero(weight(n=None)).tolist() == [0]
    assert np.flatnonzero(weight(n={"low": 3, "high": 5})).tolist() == [4, 5, 6]
    assert np.flatnonzero(weight(n={"missing": False})).tolist() == list(range(1, 51))
    assert np.flatnonzero(weight(n={"none_of": [0, 49]})).tolist() == list(range(2, 50))
    assert np.flatnonzero(weight(n={"none_of": [None]})).tolist() == list(range(1, 51))
    assert np.flatnonzero(weight(x=2.25)).tolist() == [10]
    for beyond in (52, -2):
        with pytest.raises(CannotError, match=f"never draws {beyond}"):
            weight(n=beyond)
    with pytest.raises(CannotError, match="it draws 0 to 49"):
        weight(n={"low": 60})
    columns = [Column(name="x", kind=kind) for kind in ("integer", "date", "number", "time")]
    assert [_within._unit(c, {"line": {"decimals": 2}}) for c in columns] == [1, 1, 0.01, 0.01]
    assert [_within._unit(c, {"line": {"decimals": None}}) for c in columns] == [1, 1, 0, 0] and _within._unit(columns[3], {}) == 0


def test_values_that_are_named_are_put_there_and_places_moved() -> None:
    made = _within.Within(inside={0: np.array([[0, 0.25], [1, 0.5]], np.float32)}, put={0: (ints(1, 1, 2), pa.array([7, 8, 9]))})
    at = np.array([0.0, 0.5, 1.0], np.float32)
    assert made.place(at, ints(1, 1, 1), 0).tolist() == [0.25, 0.375, 0.5] and made.place(at, ints(1, 1, 1), 3) is at
    assert made.place(at, ints(0, 0, 0), 0)[2] < 1
    n = 600
    codes = np.repeat(ints(0, 1, 2), n // 3)
    table = made.settled(
        pa.table({"x": pa.array([None] * (n // 3) + [0] * (2 * n // 3), pa.int64())}), {0: codes}, np.random.default_rng(0)
    )
    drawn = table["x"].to_pylist()
    assert drawn[: n // 3] == [None] * (n // 3) and drawn[2 * n // 3 :] == [9] * (n // 3)
    assert 70 < drawn[n // 3 : 2 * n // 3].count(7) < 130 and set(drawn[n // 3 : 2 * n // 3]) == {7, 8}


def test_names_are_told_apart() -> None:
    column = Column(name="x", kind="personal", personal="name")
    told = _manner.classes(pa.array(["Anna Smith", "Peter Jones", "Qwxq Zzyzx", "Smith, Mary", "Dr. John Miller"]), column).to_pylist()
    assert told == ["female", "male", "unknown", "female", "male"]
    assert moment._midnight({"rows": 3, "missing": 5})["rows"] == [0] and moment._midnight({"rows": 5, "missing": 3})["rows"] == [2]


# ---- what a private fit is told


class Exact:
    """A look without noise, which keeps what was asked of it: how much of the whole each question may spend."""

    def __init__(self, share: float = 1.0, spent: list[float] | None = None) -> None:
        self.share, self.spent = share, [] if spent is None else spent
        self.rows = SimpleNamespace(estimate=20.0)

    def part(self, share: float, what: str) -> Exact:
        return Exact(self.share * share, self.spent)

    def counts(self, ids: np.ndarray, size: int) -> np.ndarray:
        self.spent.append(self.share)
        return np.bincount(ids, minlength=size).astype(float)

    def levels(self, found: dict[str, int], missing: int) -> tuple[dict[str, float], float]:
        self.spent.append(self.share)
        return {level: float(n) for level, n in found.items()}, float(missing)

    def span(self, values: np.ndarray, *, otherwise: tuple[float, float] = (0.0, 1.0)) -> tuple[float, float]:
        self.spent.append(self.share)
        return (float(values.min()), float(values.max())) if len(values) else otherwise

    def tree(self, numbers: np.ndarray, size: int, missing: int | None) -> Ranges:
        self.spent.append(self.share)
        assert len(numbers) == 0 or (0 <= numbers.min() and numbers.max() < size)
        at, rows = np.unique(numbers, return_counts=True)
        return Ranges(at, at, rows.astype(float), float(missing or 0))


DAYS = [-3, 0, 0, 4, 5, 6, 7, 40]
TOLD: dict[str, tuple[pa.Array, dict[str, Any], list[float]]] = {
    "integer": (pa.array([3, 3, 9, -4, None]), {"low": -5, "high": 10}, [1]),
    "integer, bounds bought": (pa.array([3, 3, 9, -4]), {"nullable": False}, [0.15, 0.85]),
    "integer, one bound bought": (pa.array([3, 3, 9]), {"nullable": False, "low": 0}, [0.15, 0.85]),
    "number": (pa.array([0.25, 0.5, 0.5, None]), {"low": -1, "high": 1, "number": NumberFormat(decimals=2)}, [1]),
    "date": (pa.array([*DAYS, None], pa.int32()).cast(pa.date32()), {"low": "1969-12-01", "high": "1970-03-01"}, [0.9, 0.1]),
    "datetime": (
        pa.array([DAY * d + HOUR * (d % 5) for d in DAYS] + [None], pa.timestamp("us")),
        {"low": "1969-12-01", "high": "1970-03-01", "format": "%Y-%m-%d %H"},
        [0.5, 0.1, 0.4],
    ),
    "datetime, at midnight": (
        pa.array([DAY * d for d in DAYS], pa.timestamp("us")),
        {"low": "1969-12-01", "high": "1970-03-01", "format": "%Y-%m-%d", "nullable": False},
        [0.9, 0.1],
    ),
    "datetime, bounds bought": (pa.array([DAY * d for d in DAYS], pa.timestamp("us")), {"format": "%Y-%m-%d"}, [0.135, 0.765, 0.1]),
    "time": (pa.array([HOUR, 1_000_000, 23 * HOUR, HOUR, None], pa.time64("us")), {}, [1]),
    "duration": (pa.array([5_000_000, 0, 5_000_000], pa.duration("us")), {"low": 0, "high": 9_000_000, "nullable": False}, [1]),
    "boolean": (pa.array([True, False, True, None]), {}, [1]),
    "category": (pa.array(["a", "b", "a", None]).dictionary_encode(), {"levels": ("b", "a")}, [1]),
    "category, found": (pa.array(["a", "b", "a", None]).dictionary_encode(), {}, [1]),
    "constant": (pa.array(["a", None, "a"]), {"levels": ("a",)}, [1]),
    "constant, found": (pa.array(["a", None, "a"]), {}, [1]),
    "key": (pa.array(["a", None, "b"]), {}, [1]),
    "personal": (pa.array(["a", None, "b"]), {"personal": "city"}, [1]),
}


@pytest.mark.parametrize("kind", TOLD)
def test_without_noise_a_private_fit_is_told_what_is_so_and_spends_all_that_it_may(kind: str) -> None:
    values, facts, spent = TOLD[kind]
    column, look = Column(name="x", kind=kind.partition(",")[0], **facts), Exact()
    module = encoder(column)
    told, counted = module.noisy(values, column, look), module.measure(values, column)
    assert look.spent == pytest.approx(spent)
    assert (told["rows"], told["missing"]) == (len(values), values.null_count)
    if column.kind in ("key", "personal"):  # nothing of the values
        assert {k: v for k, v in told.items() if k not in ("rows", "missing", "lot")} == {
            k: v for k, v in module.measure(values[:0], column).items() if k not in ("rows", "missing")
        }
        return
    assert told == pytest.approx(counted) if column.kind == "boolean" else told["rows"] == counted["rows"]
    books = [module.freeze(stats, column, protect=1) for stats in (told, counted)]
    assert books[0] == books[1]
    codes = module.encode(values, books[0], column)
    for row, rows in zip(codes, module.held(told, books[0], column), strict=True):
        assert rows.tolist() == np.bincount(row, minlength=len(rows)).tolist()


@pytest.mark.parametrize(
    ("kind", "facts", "rows", "missing"),
    [
        ("boolean", {"nullable": False}, 3, 0),
        ("category", {"nullable": False, "levels": ("a", "b")}, 3, 0),
        ("key", {"nullable": False}, 20, 0),
        ("personal", {"nullable": False, "personal": "city"}, 20, 0),
        ("constant", {"nullable": False, "levels": ("a",)}, 20, 0),
        ("empty", {}, 20, 20),
    ],
)
def test_where_nothing_may_be_missing_nothing_is(kind: str, facts: dict[str, Any], rows: float, missing: float) -> None:
    """How many rows there are is known of the columns before; a cell that is missing all the same counts as one of the known values, or not
    at all."""
    column = Column(name="x", kind=kind, **facts)
    values = {"boolean": pa.array([True, False, None]), "empty": pa.nulls(3)}.get(kind, pa.array(["a", "a", "b", "c", None]))
    look = Exact()
    told = encoder(column).noisy(values.dictionary_encode() if kind == "category" else values, column, look)
    assert (told["rows"], told["missing"]) == (rows, missing) and len(look.spent) == (kind in ("boolean", "category"))
    if kind == "boolean":
        assert told["true"] == 1


def test_what_lies_beyond_public_limits_counts_at_them() -> None:
    column = Column(name="x", kind="date", low="1970-01-02", high="1970-01-11", nullable=False)
    told = moment.noisy(pa.array([-50, 3, 500, 501], pa.int32()).cast(pa.date32()), column, Exact())
    assert (told["day"]["low"], told["day"]["rows"]) == ([1, 3, 10], [1, 1, 2])
    book = moment.freeze(told, column, protect=1)
    assert book["day"]["low"] == [1, 3, 10]
    sizes: list[int] = []
    look = Exact()
    tree = look.tree
    look.tree = lambda numbers, size, missing: sizes.append(size) or tree(numbers, size, missing)  # type: ignore[method-assign, func-returns-value]
    spans = Column(name="x", kind="duration", low=2_000_000, high=9_000_000, nullable=False)
    seen = moment.noisy(pa.array([0, 5_000_000, 10**8], pa.duration("us")), spans, look)
    assert sizes == [8] and seen["clock"]["low"] == [2_000_000, 5_000_000, 9_000_000]  # in whole seconds


@pytest.mark.parametrize(("kind", "low", "high"), [("date", -25_567, 47_481), ("duration", 0, 1), ("time", 0, 86_399)])
def test_where_the_budget_shows_nothing_limits_are_public(kind: str, low: int, high: int) -> None:
    """Two centuries for days, one second for spans; a time of day needs no limits."""
    sizes: list[int] = []
    look = Exact()
    look.part = lambda share, what: look  # type: ignore[method-assign]
    tree = look.tree
    look.tree = lambda numbers, size, missing: sizes.append(size) or tree(numbers, size, missing)  # type: ignore[method-assign, func-returns-value]
    moment.noisy(
        pa.array([], pa.int64()).cast({"date": pa.int32()}.get(kind, pa.int64())).cast(MOMENTS[kind]), Column(name="x", kind=kind), look
    )
    assert sizes == [high - low + 1]


MOMENTS = {"date": pa.date32(), "time": pa.time64("us"), "duration": pa.duration("us")}


# ---- cells by hand

WHOLE = Grid(unit=1)


def cut(x: Any, *, protect: int = 5, cells: int = 4, grid: Grid = WHOLE, **more: Any) -> dict[str, Any]:
    return _cells.freeze(_tally.tally(np.asarray(x), None), grid, protect=protect, cells=cells, **more)


def lines(book: dict[str, Any]) -> tuple[list[Any], list[Any], list[Any]]:
    return book["cuts"], book["low"], book["high"]


def test_even_values_are_cut_at_even_mass_and_the_outermost_are_not_told() -> None:
    book = cut(np.arange(100))
    assert lines(book) == ([25, 50, 75], [2, 25, 50, 75], [24, 49, 74, 97]) and (book["tails"], book["thin"]) == (4, 0)
    second = [(k, v) for k, v in zip(book["key"], book["value"], strict=True) if 2 < k < 3 and v > 25]
    assert np.array(second) == pytest.approx(np.array([[2.2, 29.5], [2.6, 39.5]]))  # four knots a cell, each the mean of five, less a half
    assert (book["value"][0], book["value"][-1]) == (1.5, 97.5)
    assert lines(cut(np.arange(100), bounds=(50, None))) == ([51, 75], [50, 51, 75], [50, 74, 97])  # what is beyond goes to the bound
    assert lines(cut(np.arange(100), bounds=(None, 50))) == ([25, 50], [2, 25, 50], [24, 49, 50])
    assert lines(cut(np.arange(100), bounds=(500, None))) == ([], [500], [500])
    assert lines(cut(np.arange(100), bounds=(None, -500))) == ([], [-500], [-500])
    wide = cut([*range(100), 1_000], bounds=(0, 2_000))
    assert (wide["low"][0], wide["high"][-1], wide["tails"]) == (0, 466, 1)  # by as much again as the last two knots differ
    assert lines(cut([1, 2, 3], protect=1)) == ([2, 3], [1, 2, 3], [1, 2, 3])
    spike = cut([*range(100), *[50] * 60])
    assert lines(spike) == ([49, 52], [2, 50, 53], [47, 50, 97])  # a spike has a cell of its own


def test_more_points_than_cells_share_them() -> None:
    x = np.repeat(np.arange(8), [10, 10, 10, 200, 10, 10, 10, 10])
    assert lines(cut(x, cells=8))[1] == list(range(8))
    assert lines(cut(x, cells=5)) == ([3, 4, 7], [0, 3, 4, 7], [2, 3, 6, 7])  # what has twice a cell's rows keeps one for itself
    few = cut(x, cells=4)
    assert lines(few) == ([3], [0, 3], [2, 7])
    at = ints(0, 1, 2, 3, 7)
    assert _cells.locate(at, _cells.code(at, few), few) == pytest.approx([1 / 6, 1 / 2, 5 / 6, 5 / 12, 47 / 48])  # the middle of its rows
    back = _cells.value(_cells.code(x, few), np.random.default_rng(0).random(len(x)), few)
    assert abs((back == 3).mean() - 200 / 270) < 0.05


@pytest.mark.parametrize(
    ("shared", "single", "cells", "points"),
    [
        ([5] * 8, 40, 1, 8),  # few values of half the rows
        ([5] * 8, 41, 1, 0),  # of less than half: only spikes, and no more than four for each cell, but none is above the fifth
        ([5] * 9, 40, 1, 0),
        ([5, 9, 5, 8, 5, 7, 5, 6], 60, 1, 4),
        ([30, 5, 20, 5, 5, 25, 5, 40], 200, 1, 4),
        ([5, 5, 4], 60, 1, 2),  # four are not enough
        ([5, 5, 5], 60, 1, 3),
    ],
)
def test_which_values_stand_alone(shared: list[int], single: int, cells: int, points: int) -> None:
    t = _tally.tally(np.concatenate([np.repeat(np.arange(len(shared)), shared), 1_000 + np.arange(single)]), None)
    assert _cells._points(t, 5, cells).sum() == points
    spread = _tally.tally(np.repeat(np.arange(30), [*[20] * 2, *[6] * 28]), None)
    assert (
        _cells._points(spread, 5, 1).sum() == 0
        and _cells._points(_tally.tally(np.repeat(np.arange(30), [24, *[6] * 29]), None), 5, 1).sum() == 1
    )


@pytest.mark.parametrize(
    ("edges", "ends"), [((True, False), (5, 15)), ((False, True), (-5, 5)), ((True, True), (-5, 5)), ((False, False), (-5, 5))]
)
def test_a_run_between_two_places_of_the_grid_goes_to_the_inner_one(edges: tuple[bool, bool], ends: tuple[int, int]) -> None:
    """All means lie between 0 and 10: the first run of a column has 10, the last 0, half a step around."""
    made = _cells._run(np.array([0.0, 10.0]), ints(6, 6), np.array([6.0, 6.0]), Grid(unit=10), protect=10, step=1e-9, edges=edges)
    assert tuple(made.value) == ends and made.rows.tolist() == [0, 12]


def test_stretches_are_cut_evenly_with_enough_people_on_each_side() -> None:
    even = _cells.Curve(*[np.arange(101.0)] * 3)
    assert _cells._even(even, 3, Grid(), 5) == [25, 50, 75] and _cells._even(even, 3, WHOLE, 5) == [24.5, 50.5, 74.5]
    assert _cells._even(even, 9, Grid(), 5) == [20, 40, 60, 80] and _cells._even(even, 3, Grid(), 10) == [
        50
    ]  # four times as many rows a cell
    assert _cells._even(even, 0.9, Grid(), 5) == [] and _cells._even(even, 1, Grid(), 5) == [50]
    steep = _cells.Curve(np.array([0, 10, 90, 100.0]), np.array([0, 10, 20, 30.0]), np.array([0, 1, 9, 10.0]))
    assert _cells._even(steep, 5, Grid(), 5) == pytest.approx([10 / 3])  # between 3.3 and 6.7 there are too few
    assert _cells._even(steep, 5, Grid(), 4) == pytest.approx([10 / 3, 20 / 3])
    below = _cells._mass_below(np.array([0, 1, 1.5, 5, 9]), np.array([0, 1, 1, 9.0]), np.array([0, 1, 5, 9.0]))
    assert below.tolist() == [0, 1, 5.25, 7, 9]  # what is flat at 1 is not below it


@pytest.mark.parametrize("most", [1e-300, 1.0, 1e300])
def test_places_in_a_cell_come_back_however_large_numbers_are(most: float) -> None:
    x = np.linspace(0.1, 1, 1_000) * most
    book = cut(x, grid=Grid(), cells=8)
    codes = _cells.code(x, book)
    inside = _cells.locate(x, codes, book)
    told = (x >= book["low"][0]) & (x <= book["high"][-1])
    assert np.allclose(_cells.value(codes, inside, book)[told], x[told], rtol=1e-6) and told.mean() > 0.98
    assert 0.2 < np.std(inside) < 0.4 and len(np.unique(codes)) == 8


def test_cells_in_the_columns_own_type_do_not_overlap() -> None:
    t = _tally.tally(np.arange(10), None)
    assert _round.settle(np.array([5.5]), [0, 5], [5, 9], t, WHOLE) == ([5], [0, 5], [4, 9])
    assert _round.settle(np.array([2.5, 7.5]), [0, 3, 8], [2, 7, 9], t, WHOLE) == ([3, 8], [0, 3, 8], [2, 7, 9])
    assert _round.settle(np.array([2.5, 3.5]), [0, 3, 3], [4, 7, 9], t, WHOLE) == ([2, 3], [0, 2, 3], [1, 2, 9])
    based = _round.settle(np.array([2.5]), [0, 3], [2, 9], _tally.tally(100 + np.arange(10), None), Grid(unit=1, base=100))
    assert based == ([103], [100, 103], [102, 109])
    floats = _tally.tally(np.arange(10.0), None)
    cuts, low, high = _round.settle(np.array([4.5]), [0.0, 4.0], [4.0, 9.0], floats, Grid())
    assert (cuts, low, high) == ([4.0], [0.0, 4.0], [np.nextafter(4.0, -np.inf), 9.0])
    assert _round.settle(np.zeros(0), [-1e19], [1e19], t, WHOLE) == ([], [-(2**63)], [2**63 - 1])
    exact = (1 << 60) + 1
    point = _round.settle(np.zeros(0), [1.0], [1.0], _tally.tally(ints(exact), None), Grid(unit=1, base=1 << 60))
    assert point == ([], [exact], [exact])  # a point is as it was counted


def test_rounder_numbers_are_told_cell_by_cell() -> None:
    """Of 100 rows in the first cell all are tens, of 200 in the second as many as chance has; a base or half steps tell nothing."""
    t = _tally.tally(np.concatenate([np.repeat(np.arange(0, 100, 10), 10), np.arange(100, 300)]), None)
    cell = (t.low >= 100).astype(INT)
    told = _round.ladder(t, np.ones(len(t.low), bool), cell, 2, Grid(unit=1, steps=(5, 10)))
    assert told == [[1.0, 1.0], [0.0, 0.0]]
    assert _round.ladder(t, cell == 1, cell, 2, Grid(unit=1, steps=(5, 10))) == []  # points do not count
    fives = _round.ladder(t, np.ones(len(t.low), bool), cell, 2, Grid(unit=5, steps=(2,)))  # in steps of five, where others lie between
    assert fives == [[1.0], [0.0]]
    assert [all(b % a == 0 for a, b in itertools.pairwise(_round.tens(d))) for d in (0, 2, 3, 6)] == [True] * 4


def test_noisy_rows_of_cells_go_by_the_middle_of_their_range() -> None:
    near = 1 << 60
    t = Tally(0, ints(near, near + 1), ints(near, near + 2), ints(4, 5), ints(4, 5), ints(4, 5))
    assert _noisy.held(t, {"low": [near, near + 1], "high": [near, near + 2], "cuts": [near + 1]}, 1.0).tolist() == [1, 4, 5]
    f = Tally(0, np.array([0.2]), np.array([0.8]), ints(5), ints(5), ints(5))
    assert _noisy.held(f, {"low": [0.0, 0.4], "high": [0.3, 1.0], "cuts": [0.4]}, 0.0).tolist() == [0, 0, 5]
    made, rows = _noisy.tally(Ranges(ints(0, 3, 7), ints(2, 6, 9), np.array([3.0, 0.2, 3.0]), 0.0), lambda at: at, open_above=False)
    assert (made.low.tolist(), made.high.tolist(), rows) == ([0, 1, 2, 7, 8, 9], [0, 1, 2, 7, 8, 9], 6)  # ranges without rows are left out


# ---- conditions on wide cells


@pytest.fixture(scope="module")
def quarters() -> Codebook:
    """200 rows in about four cells of 25 or 50 values each; cells of t are of days and of three hours."""
    i = np.arange(200)
    start = pd.Timestamp("2020-01-01")
    frame = pd.DataFrame(
        {
            "x": i / 2 + 0.123456789 * np.sin(i),
            "n": pd.array(np.where(i % 50 == 49, None, i // 2), dtype="Int64"),
            "t": start + pd.to_timedelta((i % 20) * 86_400 + (i % 3) * 3_600, unit="s"),
            "d": start + pd.to_timedelta(i, unit="D"),
            "c": pd.array(np.where(i % 50 == 49, None, np.array(list("pqrr"))[i % 4])),
            "b": i % 3 == 0,
        }
    )
    return Codebook.measure_all(la.Dataset.of(frame), cells=4)


def asked(book: Codebook, **given: Any) -> _within.Within:
    return book.within({name: Condition.of(raw) for name, raw in given.items()})


def test_what_will_do_of_a_wide_cell_is_its_share(quarters: Codebook) -> None:
    """Cells of x begin at about 1, 24.7, 49.7 and 74.7; within 30 to 60 are 0.79 of the second and 0.41 of the third."""
    made = asked(quarters, x={"low": 30, "high": 60})
    assert made.weight[0].tolist() == pytest.approx([0, 0, (49.73 - 30) / 25, (60 - 49.73) / 25, 0], abs=2e-3)
    low, high = made.inside[0]
    assert low[2] == pytest.approx(1 - made.weight[0][2], abs=1e-6) and high[3] == made.weight[0][3] and low[3] == 0 and high[2] == 1
    codes = np.repeat(ints(2, 3), 300)
    at = made.place(np.tile(np.linspace(0, 1, 300, dtype=np.float32), 2), codes, 0)
    drawn = _cells.value(codes, at, quarters.books[0]["line"])
    assert drawn.min() == pytest.approx(30, abs=0.01) and drawn.max() == pytest.approx(60, abs=0.01)
    whole = asked(quarters, n={"low": 30, "high": 60})  # of integers those next to the bounds are let in, and refused later
    drawn = _cells.value(codes, whole.place(np.tile(np.linspace(0, 1, 300, dtype=np.float32), 2), codes, 1), quarters.books[1]["line"])
    assert (drawn.min(), drawn.max()) == (29, 61)
    days = asked(quarters, d={"low": "2020-02-05"})
    assert days.weight[4].tolist() == pytest.approx([0, 0.31, 1, 1, 1], abs=5e-3) and days.inside[3][0].tolist()[1] == pytest.approx(
        0.69, abs=5e-3
    )
    assert asked(quarters, x={"low": 90}).weight[0][4] == pytest.approx((99.6 - 90) / (99.6 - 74.7), abs=0.01)
    ends = asked(quarters, x={"low": 49.8, "high": 49.8001})
    assert ends.weight[0][3] == pytest.approx(_within.THIN) and ends.weight[0].sum() == ends.weight[0][3]
    assert np.flatnonzero(asked(quarters, x={"low": -7, "high": 1.5}).weight[0]).tolist() == [1]


def test_values_that_are_named_stand_for_their_share_of_a_cell(quarters: Codebook) -> None:
    made = asked(quarters, n=[30, 31, 60, None])
    low, high = quarters.books[1]["line"]["low"], quarters.books[1]["line"]["high"]
    widths = [h - a + 1 for a, h in zip(low, high, strict=True)]
    assert made.weight[1].tolist() == pytest.approx([1, 0, 2 / widths[1], 1 / widths[2], 0])
    codes, values = made.put[1]
    assert codes.tolist() == [2, 2, 3] and values.to_pylist() == [30, 31, 60] and made.inside == {}
    assert asked(quarters, x=30.0).weight[0].tolist() == pytest.approx([0, 0, _within.THIN, 0, 0])  # without a grid a value has no width
    third = np.concatenate([np.repeat(1 / 3, 30), 2 + np.sin(np.arange(170))])
    alone = Codebook.measure_all(la.Dataset.of(pd.DataFrame({"x": third})), cells=4)
    assert asked(alone, x=1 / 3).weight[0].max() == 1  # but a value that stands alone is all of its cell
    many = asked(quarters, n=list(range(25, 50))).weight[1]
    assert many[2] == 1 and many.sum() == 1
    moment_ = asked(quarters, t="2020-01-12 02:00:00")
    when = pa.array([pd.Timestamp("2020-01-12 02:00:00")], pa.timestamp("us"))
    day, clock = moment.encode(when, quarters.books[2], quarters.table["t"])[:, 0].tolist()
    assert np.flatnonzero(moment_.weight[2]).tolist() == [day] and moment_.weight[3].tolist() == [float(k == clock) for k in range(4)]
    assert moment_.put[2][0].tolist() == [day]


@pytest.mark.parametrize(
    ("given", "weight"),
    [
        ({"c": "r"}, [0, 1, 0, 0]),
        ({"c": ["p", None]}, [1, 0, 1, 0]),
        ({"c": {"none_of": ["r"]}}, [0, 0, 1, 1]),
        ({"c": None}, [1, 0, 0, 0]),
        ({"c": {"missing": False}}, [0, 1, 1, 1]),
        ({"b": True}, [0, 0, 1]),
        ({"n": [None]}, [1, 0, 0, 0, 0]),
        ({"n": {"none_of": [None]}}, [0, 1, 1, 1, 1]),
        ({"n": {"none_of": [30, 31]}}, [0, 1, 1, 1, 1]),
        ({"t": {"low": "2020-01-06"}}, [0, 0, 1, 1, 1]),
        ({"t": {"low": "2020-01-20 01:30:00"}}, [0, 0, 0, 0, 1]),
        ({"t": {"high": "2020-01-01 00:30:00"}}, [0, 1, 0, 0, 0]),
    ],
)
def test_levels_and_what_is_missing(quarters: Codebook, given: dict[str, Any], weight: list[float]) -> None:
    made = asked(quarters, **given)
    assert [w.tolist() for w in made.weight.values()] == [weight] and list(made.weight) == [
        {"n": 1, "t": 2, "b": 6, "c": 5}[next(iter(given))]
    ]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"x": {"low": 300}}, r"never draws at least 300\s.*draws 1\.\d+ to 98\.5\d+, and nothing is missing"),
        ({"n": {"high": -5}}, r"never draws at most -5\s.*draws 1 to 97$"),
        ({"t": "2021-01-01"}, r"never draws 2021-01-01\s.*draws 2020-01-01 00:00:00 to 2020-01-20 02:00:00, and nothing is missing"),
        ({"n": [30, 200]}, "never draws 200"),
        ({"c": {"none_of": ["p", "q", "r"]}}, r"never draws none of p, q, r\s.*ask for something that occurs"),
        ({"c": "z"}, "named 'z'"),
    ],
)
def test_what_is_never_drawn_is_refused_and_what_is_drawn_told(quarters: Codebook, given: dict[str, Any], what: str) -> None:
    with pytest.raises(LookalikeError, match=what):
        asked(quarters, **given)


def test_places_in_cells_are_below_one(quarters: Codebook) -> None:
    """In 32 bits as well, at the very end of the last cell; 0.5 where there is no place."""
    top = quarters.books[0]["line"]["high"][-1]
    rows = pa.table({"x": [top, -1e9], "n": [10**9, None], "t": pa.array([10**17, 0], pa.timestamp("us")),
                     "d": pa.array([10**6, 0], pa.int32()).cast(pa.date32()), "c": pa.array(["z", None]), "b": [True, None]})  # fmt: skip
    inside = quarters.encode(rows).inside
    assert inside.dtype == np.float32 and inside[0].tolist() == [1 - 2.0**-24, 0]
    assert inside[1, 0] > 0.95 and inside[3, 0] > 0.95 and inside[3, 1] < 0.05
    assert inside[1, 1] == inside[4, 0] == inside[5, 1] == 0.5


def test_of_a_column_that_is_always_missing_nothing_can_be_asked() -> None:
    book = Codebook.measure_all(la.Dataset.of(pd.DataFrame({"n": pd.array([1, 2], dtype="Int64"), "b": [True, False]})))
    none = number.freeze(number.measure(pa.array([None] * 9, pa.int64()), book.table["n"]), book.table["n"])
    with pytest.raises(CannotError, match="the column is always missing"):
        Codebook(book.table, (none, book.books[1])).within({"n": Condition.of({"missing": False})})


# ---- a codebook of several columns


PURSE = SimpleNamespace(budget=SimpleNamespace(delta=1e-6))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What each look is for, what it may spend, how many rows a subject has, and its delta; nothing is noisy."""
    asked: list[Any] = []

    def look(allowance: Any, rho: float, what: str, rows: Any, *, sensitivity: int, cells: int = 256, delta: float = 0.0) -> Exact:
        asked.append((what, rho, sensitivity, delta))
        made = Exact()
        made.rows, counts = rows, made.counts
        made.counts = lambda ids, size: rows.hear(len(ids), 1.0) and counts(ids, size)  # type: ignore[method-assign]
        return made

    monkeypatch.setattr("lookalike.privacy.look.Look", look)
    return asked


def test_what_a_budget_is_shared_by_and_in_which_turn(looks: list[Any]) -> None:
    """Columns of few values first; those of many need twice as much, those of which nothing is looked at none."""
    facts: dict[str, dict[str, Any]] = {
        "e": {"kind": "empty"}, "k": {"kind": "key", "nullable": False}, "i": {"kind": "integer"}, "v": {"kind": "category"},
        "w": {"kind": "category", "levels": ("a", "b", "c")}, "b": {"kind": "boolean"}, "o": {"kind": "constant", "nullable": False},
        "p": {"kind": "personal", "personal": "city"},
    }  # fmt: skip
    columns = {name: Column(name=name, **more) for name, more in facts.items()}
    assert {name: _looks(c) for name, c in columns.items()} == {"e": 0, "k": 0, "i": 2, "v": 2, "w": 2, "b": 1, "o": 1, "p": 1}
    order = "".join(sorted(columns, key=lambda name: _turn(columns[name])))
    assert order[:3] == "bop" and order[3:] == "wviek"
    assert [name for name, c in columns.items() if _found(c)] == ["v", "o"]
    frame = pd.DataFrame({"b": [True, False] * 50, "i": np.arange(100) // 2})
    schema = la.schema(frame).amend("i", low=0, high=100, nullable=False).amend("b", nullable=False)
    Codebook.private(la.Dataset.of(frame, schema=schema), PURSE, rho=30.0, sensitivity=3)  # type: ignore[arg-type]
    assert looks == [("b", pytest.approx(10), 3, 0.0), ("i", pytest.approx(20), 3, 0.0)]
    bare = Schema(tables=(Table(columns=(Column(name="c", kind="category"), Column(name="v", kind="category"))),))
    assert Codebook.chance(bare, PURSE) == pytest.approx(1e-7) and Codebook.chance(schema, PURSE) == 0  # type: ignore[arg-type]
    looks.clear()
    table = pa.table({name: pa.array(["x", "y"] * 9).dictionary_encode() for name in "cv"})
    Codebook.private(la.Dataset.from_arrow({"table": table}, bare), PURSE, rho=1.0)  # type: ignore[arg-type]
    assert looks == [(name, pytest.approx(0.5), 1, pytest.approx(5e-8)) for name in "cv"]  # what is found is paid for in delta as well


def test_of_keys_alone_only_the_number_of_rows_is_looked_at(looks: list[Any]) -> None:
    table = pa.table({"k": pa.array([f"A{i}" for i in range(500)])})
    schema = Schema(tables=(Table(columns=(Column(name="k", kind="key", nullable=False, unique=True),)),))
    _, counts = Codebook.private(la.Dataset.from_arrow({"table": table}, schema), PURSE, rho=7.0)  # type: ignore[arg-type]
    assert looks == [("number of rows", 7.0, 1, 0.0), ("k", 0.0, 1, 0.0)] and counts[0].tolist() == [0, 500]


class Read:
    """Rows of one column of subjects, which counts how often they are read."""

    def __init__(self, who: list[Any], subject: str | None = "who", holders: Any = None) -> None:
        column = Column(name="who", kind="key", unique=False)
        self.table, self.times, self.holders = pa.table({"who": pa.array(who, pa.string())}), 0, holders
        self.schema = Schema(tables=(Table(columns=(column,)),), subject=subject)

    def batches(self, name: str | None = None, *, rows: int = 0) -> Any:
        self.times += 1
        return iter(self.table.to_batches(max_chunksize=rows))


def test_subjects_are_parted_over_as_many_readings_as_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "BATCH", 16)
    monkeypatch.setattr(encode, "MOST_ROWS", 60)
    who = [f"p{k % 40}" if k % 41 else None for k in range(200)]
    data = Read(who)
    found = [(batch.column("who").to_pylist(), subjects) for batch, subjects in encode._batches(data)]
    assert data.times in (4, 8) and len(found) <= data.times and all(len(mine) == len(s) for mine, s in found)
    assert sorted(str(name) for mine, _ in found for name in mine) == sorted(map(str, who))
    parts = [set(mine) for mine, _ in found]
    assert sum(map(len, parts)) == len(set(who))  # nobody is in two
    assert max(len(mine) for mine, _ in found) <= 60 + 16
    for mine, subjects in found:
        assert len(set(subjects.tolist())) == len(set(mine)) and subjects.min() >= 0
    one = Read(["p"] * 200)
    assert [len(s) for _, s in encode._batches(one)] == [200] and one.times == 1  # one subject cannot be parted
    rows = Read(who, subject=None)
    assert [(batch.num_rows, s) for batch, s in encode._batches(rows)] == [(16, None)] * 12 + [(8, None)]
    held = Read(who, holders="those")
    assert [(batch.num_rows, s) for batch, s in encode._batches(held)] == [(200, "those")]


def test_subjects_have_the_same_number_in_every_batch() -> None:
    plain, coded = (encode._hashes(x) for x in (pa.array(["a", None, "", "b"]), pa.array(["b", "a", None, ""]).dictionary_encode()))
    assert len(set(plain.tolist())) == 4 and coded.tolist() == plain[[3, 0, 1, 2]].tolist() and plain.min() >= 0
    assert encode._divisible([(None, ints(3, 7))], 4) and not encode._divisible([(None, ints(3)), (None, ints(7, 3))], 2)
    assert not encode._divisible([(None, ints(3, 7))], 1) and encode._divisible([(None, ints(3, 5))], 2)


@pytest.mark.parametrize("sizes", [[], [0], [65_537], [True], ["3"], [2.0], [2] * 17, [3, -1]])
def test_books_with_parts_that_no_column_has_are_refused(quarters: Codebook, sizes: list[Any]) -> None:
    raw = quarters.to_json()
    books = raw["books"] | {"b": raw["books"]["b"] | {"parts": [{"name": "", "size": size, "ordered": True} for size in sizes]}}
    with pytest.raises(StoreError, match="b: the codebook has parts that no column has"):
        Codebook.from_json(raw | {"books": books}, quarters.table)
    fine = [{"name": "", "size": 65_536, "ordered": True}] * 16
    assert len(Codebook.from_json(raw | {"books": raw["books"] | {"b": {"parts": fine}}}, quarters.table).parts) == 6 + 16
    for fewer in (raw["books"] | {"z": {}}, {k: v for k, v in raw["books"].items() if k != "d"}):
        with pytest.raises(StoreError, match=r"no book for (some columns|d): fit the model anew"):
            Codebook.from_json(raw | {"books": fewer}, quarters.table)


def test_who_codes_a_column() -> None:
    own = SimpleNamespace()
    assert encoder(SimpleNamespace(kind="text", encoder=own, name="x")) is own and encoder(Column(name="x", kind="integer")) is number
    with pytest.raises(CannotError, match="x: is coded by Icd, which is not here"):
        encoder(SimpleNamespace(kind="text", encoder="Icd", name="x"))
    with pytest.raises(CannotError, match="no encoder for kind 'sound'"):
        encoder(SimpleNamespace(kind="sound", encoder=None, name="x"))
    book = Codebook.measure_all(la.Dataset.of(pd.DataFrame({"c": ["a"] * 9 + ["b"], "n": [1] * 10})), protect=5)
    assert book.protected() == {"c": {"levels": 1, "rows": 1}} and book.owners.tolist() == [0, 1]


# ---- moments by hand


def test_in_cells_of_weeks_weekdays_are_as_frequent_as_they_are() -> None:
    column = Column(name="x", kind="date")
    days = pa.array(np.arange(364), pa.int32()).cast(pa.date32())
    book = moment.freeze(moment.measure(days, column), column, cells=2)
    assert book["protected"] == {"tails": 4, "thin": 0} and book["week"] == [0.1429] * 7
    codes, inside = np.repeat([[1, 2]], 500, axis=1).astype(np.int32), np.tile(np.linspace(0, 0.999, 500), 2)

    def made(week: list[float]) -> np.ndarray:
        return moment.decode(codes, inside, book | {"week": week}, column).cast(pa.int32()).to_numpy()

    even, none = made([1 / 7] * 7), made([0.0] * 7)
    assert np.abs(np.bincount((even + 3) % 7) / 1_000 - 1 / 7).max() < 0.03 and np.abs(even - none).max() <= 7
    low, high = (np.array(book["day"][k])[codes[0] - 1] for k in ("low", "high"))
    for weekday in (0, 3, 6):
        only = made([float(k == weekday) for k in range(7)])
        assert set(((only + 3) % 7).tolist()) == {weekday} and ((low <= only) & (only <= high)).all()
        assert np.abs(only - none).max() <= 12 and len(np.unique(only)) > 45  # moved within their week, but for weeks cut by an edge
    two = made([0.75, 0.25, 0, 0, 0, 0, 0])
    assert abs(((two + 3) % 7 == 0).mean() - 0.75) < 0.06
    short = moment.freeze(moment.measure(pa.array(np.repeat(np.arange(40), 3), pa.int32()).cast(pa.date32()), column), column, cells=4)
    told = moment.decode(np.full((1, 100), 2, np.int32), np.linspace(0, 0.99, 100), short | {"week": [1, 0, 0, 0, 0, 0, 0]}, column)
    assert len(set((told.cast(pa.int32()).to_numpy() + 3) % 7)) == 7  # of so few days the cell itself tells the weekdays


def test_a_datetime_is_a_day_and_a_clock_in_its_zone() -> None:
    berlin = Column(name="x", kind="datetime", zone="Europe/Berlin")
    utc = pa.array([0, 23 * HOUR, None, 180 * DAY], pa.timestamp("us", "UTC"))
    day, clock, present = moment._split(utc, berlin)
    assert (
        day[present].tolist() == [0, 1, 180]
        and (clock[present] // HOUR).tolist() == [1, 0, 1]
        and present.tolist() == [True, True, False, True]
    )
    assert (moment._split(utc, Column(name="x", kind="datetime"))[1][present] // HOUR).tolist() == [0, 23, 0]  # else as the source has it
    before = moment._split(pa.array([-1], pa.timestamp("us")), Column(name="x", kind="datetime"))
    assert (before[0].tolist(), before[1].tolist()) == ([-1], [DAY - 1])
    values = pa.array([DAY * (k % 40) + HOUR * (9 + k % 3) for k in range(400)] + [None], pa.timestamp("us"))
    plain = Column(name="x", kind="datetime")
    book = moment.freeze(moment.measure(values, plain), plain, cells=8)
    codes, inside = moment.encode(values, book, plain), moment.locate(values, book, plain)
    assert [p["name"] for p in book["parts"]] == ["day", "clock"] and codes.shape == (2, 401) and codes[:, -1].tolist() == [0, 0]
    back = moment.decode(codes, inside, book, plain)
    gone = back.cast(pa.int64()).to_numpy(zero_copy_only=False)[:-1] - values.cast(pa.int64()).to_numpy(zero_copy_only=False)[:-1]
    assert (gone % HOUR == 0).all() and np.abs(gone).max() <= 2 * DAY and (gone == 0).mean() > 0.9 and back[-1].as_py() is None
    zoned = moment.decode(codes, inside, book, berlin)
    assert str(zoned.type) == "timestamp[us, tz=Europe/Berlin]" and moment._split(zoned, berlin)[1][:9].tolist() == [
        HOUR * (9 + k % 3) for k in range(9)
    ]
    twice = moment.measure(pa.concat_arrays([values, values]), plain)
    assert moment.merge(*[moment.measure(values, plain)] * 2) == twice and twice["week"] == [
        2 * n for n in moment.measure(values, plain)["week"]
    ]


def test_spans_beyond_what_a_float_tells_apart_come_back_exactly() -> None:
    column = Column(name="x", kind="duration")
    values = pa.array(np.repeat([(1 << 60) + 1, (1 << 60) + 3], 10), pa.duration("us"))
    book = moment.freeze(moment.measure(values, column), column)
    assert moment.decode(moment.encode(values, book, column), np.full(20, 0.3), book, column).equals(values)


# ---- keys by hand


def test_leading_characters_are_kept_as_far_as_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key, "CAP", 3)
    assert key._shorten(np.array(["abx", "aby", "ba", "bb"]), 64) == {"length": 2, "used": ["ab", "ba", "bb"]}
    assert key._shorten(np.array(["ab", "cd", "ef"]), 64) == {"length": 64, "used": ["ab", "cd", "ef"]}
    assert key._shorten(np.array(["ab"] * 5), 64) == {"length": 64, "used": ["ab"]}
    assert key._shorten(np.array(["a", "b", "c", "d"]), 64)["length"] <= 1
    assert key._coarsen(ints(3, 12, 17, 25, 3), 0) == {"level": 1, "blocks": [0, 1, 2]} and key._coarsen(ints(3, 1, 3), 2) == {
        "level": 2,
        "blocks": [1, 3],
    }
    one, two = ({"level": 1, "blocks": [3, 41]}, {"level": 0, "blocks": [7]})
    bare = {"rows": 2, "missing": 0, "prefix": {"length": 64, "used": ["a"]}, "shape": {"level": 2, "found": {}}}
    stats = [bare | {"longest": n, "whole": whole} for n, whole in ((3, one), (2, two))]
    both = key.merge(*stats)
    assert both["whole"] == {"level": 1, "blocks": [0, 3, 41]} and both["longest"] == 3
    assert key.merge(stats[0], stats[1] | {"whole": None})["whole"] is None
    assert key._at_level({"level": 1, "blocks": [3, 412]}, 3).tolist() == [0, 4]


def test_where_integers_have_no_room_between_they_go_on_beyond_in_whole_blocks() -> None:
    """So that where the last original lies is not told more finely than to a hundred."""
    tight = key._free_whole({"level": 0, "blocks": list(range(46))}, 46, 0, 255)
    assert (tight["blocks"], tight["width"], tight["above"], tight["below"]) == ([], 100, 100, -1)
    assert key._free_whole({"level": 0, "blocks": [150, 199]}, 2, 0, 255)["above"] == 200
    lone = key._free_whole({"level": 0, "blocks": [150, 199]}, 2, 0, 255)
    assert key._integers(np.arange(3), lone, Column(name="x", kind="key", storage="uint8")).tolist() == [200, 201, 202]
    none = key._free_whole({"level": 0, "blocks": []}, 0, -100, 10**18)
    assert none["ordered"] and none["below"] == -1
    wide = key._free_whole({"level": 0, "blocks": [5 * 10**8, 10**9]}, 2, -(10**18), 10**18)
    assert not {b for b in wide["blocks"]} & {5 * 10**8 // wide["width"], 10**9 // wide["width"]} and not wide["ordered"]


def test_patterns_and_counters() -> None:
    assert _fresh.text(_shape._classes(np.array([[ord(c) for c in "a{Z[9:@`/z0A"]], np.uint32))).tolist() == ["a{A[9:@`/a9A"]
    two = {"alphabets": ["0123456789", "-", *["0123456789"] * 2, "x"]}
    assert _shape._longer(ints(0, 7), two, 5).to_pylist()[0][1:] == "-100x"  # the last run of digits counts
    assert all(re.fullmatch(r"\d-1\d\dx", v) for v in _shape._longer(np.arange(50), two, 5).to_pylist())
    assert [v[3:] for v in _shape._longer(ints(0, 1), {"alphabets": list("ABC")}, 4).to_pylist()] == ["10", "11"]  # none: at the end
    assert {v[:2] for v in _shape._longer(np.arange(9), {"alphabets": ["0123456789", "AB"]}, 2).to_pylist()} == {
        "10",
        "11",
        "12",
        "13",
        "14",
        "15",
        "16",
        "17",
        "18",
    }


# ---- numbers by hand


def test_numbers_without_a_known_grid_are_told_to_a_millionth_of_their_range() -> None:
    values, look = pa.array([0.1, 0.4, 0.4, 0.999, None]), Exact()
    told = number.noisy(values, Column(name="x", kind="number", low=0, high=1), look)
    t = Tally.from_json(told["tally"])
    assert (told["rows"], told["missing"], t.rows.tolist(), told["digits"][-1]) == (5, 1, [1, 2, 1], 4)
    x = np.array([0.1, 0.4, 0.999])
    assert ((t.low <= x) & (x < t.high)).all() and (t.high - t.low) == pytest.approx(2.0**-20)
    fine = Column(name="x", kind="number", low=0, high=4.4e13, number=NumberFormat(decimals=2))
    assert number.noisy(pa.array([0.25, 4e13 + 0.25]), fine, Exact())["tally"]["low"] == [0.25, 4e13 + 0.25]
    coarse = number.noisy(pa.array([2.5, 7.5]), Column(name="x", kind="number", low=0, high=10, number=NumberFormat(decimals=0)), Exact())
    assert coarse["tally"]["low"] == [2.0, 8.0] and coarse["digits"][0] == 2  # the nearest on the grid
    beyond = number.noisy(pa.array([-5, 50]), Column(name="x", kind="integer", low=0, high=10, nullable=False), Exact())
    assert beyond["tally"]["low"] == [0, 10]


def test_levels_stand_in_by_share_and_numbers_have_an_order() -> None:
    column = Column(name="x", kind="category")
    book = {"levels": ["a", "b"], "share": [30, 10], "pool": False}
    levels = [f"l{k}" for k in range(400)]
    codes = category.encode(pa.array(levels), book, column)[0]
    assert set(codes) == {1, 2} and abs((codes == 1).mean() - 0.75) < 0.07
    assert category.encode(pa.array(levels), book | {"share": [0, 0]}, column)[0].tolist() == [1] * 400
    assert category.encode(pa.array(levels), book | {"share": [0, 9]}, column)[0].tolist() == [2] * 400
    assert [category._is_number(text) for text in ("1e3", "-.5", " 7 ", "nan", "inf", "x", "")] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    many = {"rows": 9, "missing": 0, "levels": {"10": [5, 5], "9": [6, 6], "9.0": [6, 6]}}
    assert category.freeze(many, column)["levels"] == ["9", "9.0", "10"]
    declared = category.freeze(many, Column(name="x", kind="category", levels=("9", "10", "11")))
    assert (declared["levels"], declared["share"], declared["protected"]) == (["9", "10", "11"], [6, 5, 0], {"levels": 1, "rows": 6})
    once = {"rows": 9, "missing": 0, "levels": {"b": [20, 6], "a": [10, 9], "c": [10, 5]}}
    assert category.freeze(once, column)["levels"] == ["b", "a", "c"]  # the most frequent first, however many have it
    null = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int32()), pa.array(["a", None]))
    assert category.measure(null, column)["levels"] == {"a": [1, 1]}
    shared = pa.chunked_array([pa.array(["b"]).dictionary_encode(), pa.array(["a", "b"]).dictionary_encode()])
    assert category.measure(shared, column)["levels"] == {"a": [1, 1], "b": [2, 2]}


# ---- what holds unless it is said otherwise

FIVE: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "integer": ({}, [7] * 40, 9),
    "number": ({}, [7.5] * 40, 9.25),
    "date": ({}, [7] * 40, 9),
    "datetime": ({}, [7 * DAY + HOUR] * 40, 9 * DAY + 3 * HOUR),
    "time": ({}, [7 * HOUR] * 40, 9 * HOUR),
    "category": ({}, ["a"] * 40, "b"),
    "constant": ({}, [], "b"),
    "text": ({}, ["a"] * 40, "b"),
    "personal": ({"personal": "postcode"}, ["10115"] * 40, "12-34"),
    "key": ({"unique": True}, [f"A-{7_919 * k % 100_000:05d}" for k in range(40)], "b"),
}
TYPES = {"date": (pa.int32(), pa.date32()), "datetime": (pa.int64(), pa.timestamp("us")), "time": (pa.int64(), pa.time64("us"))}


@pytest.mark.parametrize("kind", FIVE)
def test_what_five_hold_is_told_and_what_four_hold_is_not(kind: str) -> None:
    """Unless it is said otherwise; the same holds of both halves put together."""
    facts, most, value = FIVE[kind]
    column, books = Column(name="x", kind=kind, **facts), []
    module = encoder(column)

    def canonical(values: list[Any]) -> pa.Array:
        raw, made = TYPES.get(kind, (None, None))
        return pa.array(values, raw).cast(made) if made is not None else pa.array(values)

    for n in (4, 5):
        few = [f"{value}{k:07d}" for k in range(n)] if kind == "key" else [value] * n
        books.append(module.freeze(module.measure(canonical([*most, *few]), column), column))
        assert books[-1] == module.freeze(module.measure(canonical([*most, *few]), column), column, protect=5, cells=256)
    told = [
        {
            "personal": book.get("classes"),
            "key": [len(p["alphabets"]) for p in book.get("patterns", ())],
            "constant": book.get("value"),
        }.get(kind, book.get("levels") or book.get("words") or [book[k]["low"] for k in ("line", "day", "clock") if k in book])
        for book in books
    ]
    if kind == "constant":
        assert told == [None, "b"]
        return
    for few, enough in zip(*told, strict=True) if kind == "datetime" else (told,):
        assert len(enough) == len(few) + 1 or (len(enough) == 1 and len(enough[0]) == len(few[0]) + 1)


def test_where_no_day_may_be_told_it_is_the_first_of_2000_and_no_time_midnight() -> None:
    for kind, values, told in (
        ("date", pa.array([7, 8], pa.int32()).cast(pa.date32()), "2000-01-01"),
        ("datetime", pa.array([7 * DAY, 8 * DAY + 5], pa.timestamp("us")), "2000-01-01 00:00:00"),
        ("time", pa.array([7, 8], pa.time64("us")), "00:00:00"),
    ):
        column = Column(name="x", kind=kind)
        book = moment.freeze(moment.measure(values, column), column)
        drawn = moment.decode(moment.encode(values, book, column), np.full(2, 0.5), book, column)
        assert [str(v) for v in drawn.to_pylist()] == [told] * 2
    late = Column(name="x", kind="date", low="2010-05-05")
    book = moment.freeze(moment.measure(pa.array([15_000], pa.int32()).cast(pa.date32()), late), late)
    assert moment.decode(np.ones((1, 1), np.int32), np.full(1, 0.5), book, late).to_pylist()[0].isoformat() == "2010-05-05"


def test_rows_are_made_from_the_first_on() -> None:
    values = {
        "key": pa.array([f"A-{k}" for k in range(20)]),
        "text": pa.array(["12345"] * 9),
        "personal": pa.array([f"1.2.3.{k}" for k in range(9)]),
    }
    for kind, x in values.items():
        column = Column(name="x", kind=kind, personal="ipv4" if kind == "personal" else None, unique=kind == "key")
        module = encoder(column)
        book = module.freeze(module.measure(x, column), column)
        what = (np.ones((1, 4), np.int32), np.linspace(0, 0.9, 4), book, column)
        assert module.decode(*what).equals(module.decode(*what, start=0)) and not module.decode(*what).equals(module.decode(*what, start=1))
    table = Table(columns=(Column(name="x", kind="key", unique=True),))
    keys = Codebook(table, (key.freeze(key.measure(values["key"], table["x"]), table["x"]),))
    rows = pa.table({"x": values["key"]})
    assert keys.decode(keys.encode(rows)).equals(keys.decode(keys.encode(rows), start=0))
    rng = np.random.default_rng
    assert keys.renewed(rows, rng=rng(0)).equals(keys.renewed(rows, rng=rng(0), start=0)) and keys.renewed(rows, rng=rng(0)) != rows


def test_what_threads_share_cannot_be_set(quarters: Codebook) -> None:
    shared = (
        quarters,
        quarters.parts[0],
        Grid(),
        _tally.tally(ints(1), None),
        _within.Within(),
        fill.Rule(),
        encode.Coded(ints(1), ints(1)),
        _cells.Curve(*[np.zeros(2)] * 3),
    )
    for made in shared:
        with pytest.raises(FrozenInstanceError):
            made.table = None


def test_digits_of_integers_stay_below_the_greatest() -> None:
    ten = "0123456789"
    assert _shape._within([ten, ten], "42") == ["123", ten] and _shape._within(["4", ten], "42") == ["4", "01"]
    assert _shape._within(["-", ten, ten], "42") == ["-", "123", ten] and _shape._within(["-"], "42") == ["-"]
    assert _shape._within([ten, ten], "421") == ["123456789", ten] and _shape._within(["0", ten], "421") == ["0", ten]
    assert _shape._within([ten, "x"], "") == [ten, "x"] and _shape._within(["4", "2"], "42") == ["4", "2"]
    assert _shape._within(["45", ten, ten], "421") == ["4", "01", ten]
    assert [_shape._counted_from({"alphabets": [ten] * 12, "head": head}) for head in (1, 5)] == [3, 5]
    assert [_shape._fits([ten] * 7 + ["x"], head) for head in range(1, 9)] == [True] * 5 + [False] * 3  # a hundred keys each, at least
    assert not _shape._fits(["A", *[ten] * 5], 1) and _shape._fits(["A", *[ten] * 5], 2)
    assert not _shape._fits([ten] * 9, 7) and _shape._fits([ten] * 9, 6)  # and blocks that can be listed


def test_names_of_a_row_fit_it_and_are_made_again_with_it() -> None:
    female, male = ("Anna", "Maria", "Julia"), ("Peter", "Paul", "Thomas")
    frame = {
        "id": pa.array([f"A-{7_919 * k % 100_000:05d}" for k in range(60)]),
        "first": pa.array([(female, male)[k % 2][k % 3] for k in range(60)]),
        "sex": pa.array(["F", "M"] * 30).dictionary_encode(),
    }
    columns = (Column(name="id", kind="key", unique=True), Column(name="first", kind="personal", personal="first_name", locale="de_DE"),
               Column(name="sex", kind="category"))  # fmt: skip
    table = pa.table(frame)
    books = tuple(encoder(c).freeze(encoder(c).measure(table[c.name], c), c) for c in columns)
    book = Codebook(Table(columns=columns), books)
    coded = book.encode(table)
    assert coded.codes[0].tolist() == [1] * 60 and (coded.inside == 0.5).all()
    known = [set(names("de_DE").female), set(names("de_DE").male)]
    for made in (book.decode(coded, start=7), book.renewed(table, rng=np.random.default_rng(0), start=7)):
        assert made.schema.types == table.schema.types and made["sex"].to_pylist() == ["F", "M"] * 30
        assert set(made["first"].to_pylist()[::2]) <= known[0] and set(made["first"].to_pylist()[1::2]) <= known[1]
        assert made["id"].to_pylist() == key.decode(coded.codes[:1], np.zeros(60), books[0], columns[0], start=7).to_pylist()
    alone = book.renewed(table.select(["sex", "id"]), rng=np.random.default_rng(0))
    assert alone.column_names == ["sex", "id"] and alone["sex"].equals(table["sex"]) and len(set(alone["id"].to_pylist())) == 60


def test_levels_that_are_not_public_are_not_counted() -> None:
    column = Column(name="x", kind="category", levels=("a",))
    told = category.noisy(pa.array(["a", "b", None, "a"]).dictionary_encode(), column, Exact())
    assert told == {"rows": 3, "missing": 1, "levels": {"a": [2, 2]}}
    for kind, values in (("constant", pa.array(["a", None, "a"])), ("boolean", pa.array([True, None, False]))):
        public = Column(name="x", kind=kind, levels=("a",) if kind == "constant" else None)
        assert encoder(public).noisy(values, public, Exact()) == encoder(public).measure(values, public)
