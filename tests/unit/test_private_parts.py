"""The parts of a private fit, by values worked out by hand: how a look is divided and booked, what is declared, what a step is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lookalike as la
from lookalike.errors import BudgetError, CannotError, SchemaError, SettingError
from lookalike.privacy import accounting, domain, ledger, mechanisms, statement
from lookalike.privacy.accounting import Budget, Cost, Sampled, Sum, epsilon_of, most_rho
from lookalike.privacy.ledger import Ledger
from lookalike.privacy.look import Look, Rows, _families, _widths, project, smoothed
from lookalike.schema import Column, Schema, Table

SURE = 1e5
"""zCDP with which nothing is noisy."""
CHANCE = 1e-8
"""Chance with which one check of noise fails though all is well."""


def look(rho: float = SURE, **more: Any) -> Look:
    return Look(Ledger(Budget(1e6, 1e-6)).allow(), rho, "x", **more)


def booked(seen: Look) -> list[tuple[str, float, float]]:
    return [(e.what, e.cost.rho, e.cost.delta) for e in seen.allowance.entries]


def is_spread(values: np.ndarray, sigma: float) -> bool:
    """Values around 0 are as far out as noise of deviation `sigma` is."""
    low, high = stats.chi2.ppf([CHANCE, 1 - CHANCE], len(values))
    return bool(low < (values**2).sum() / sigma**2 < high)


# ---- looks


def test_levels_of_a_tree() -> None:
    sizes = {1: [1], 256: [1], 257: [16, 1], 1_024: [16, 1], 1_025: [256, 16, 1], 16_384: [256, 16, 1], 16_385: [4_096, 256, 16, 1]}
    assert {size: _widths(size) for size in sizes} == sizes


def test_projection_by_hand() -> None:
    assert project(np.array([50.0, -20.0, 3.0, 30.0, 1.0]), 60.0).tolist() == [40, 0, 0, 20, 0]
    assert project(np.array([1.0, 2.0, 6.0]), 12.0).tolist() == [2, 3, 7]
    assert project(np.array([-1.0, -3.0]), 4.0).tolist() == [3, 1] and project(np.array([5.0, 5.0]), 0.0).tolist() == [0, 0]
    assert project(np.zeros(0), 3.0).tolist() == []


def test_families_sum_to_what_they_were_cut_from() -> None:
    noisy = np.arange(35.0)
    made = _families(noisy, np.array([16.0, 32.0, 9.0]), 1.0)
    assert [made[:16].sum(), made[16:32].sum(), made[32:].sum()] == pytest.approx([16, 32, 9])
    assert made[32:].tolist() == pytest.approx([2, 3, 4]) and made.min() >= 0


def test_the_number_of_rows_is_weighed_by_precision() -> None:
    rows = Rows()
    assert rows.estimate == 1
    assert rows.hear(100.0, 4.0) == 100 and rows.hear(200.0, 12.0) == pytest.approx((100 / 4 + 200 / 12) / (1 / 4 + 1 / 12))
    assert Rows().hear(-50.0, 1.0) == 1 and Rows().hear(0.5, 1.0) == 1


def slowly_smoothed(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """The same, place by place: means of a mirrored ring over 2, 4, … places, and half their differences where they are large."""
    n, ring = len(noisy), [*noisy, *noisy[::-1]]
    m = len(ring)
    reach, kept = 1, []
    while reach < n:
        bound = sigma * math.sqrt(2 * math.log(n)) / math.sqrt(2) ** (len(kept) + 1)
        halves = [(ring[i] - ring[(i + reach) % m]) / 2 for i in range(m)]
        kept.append((reach, [h if abs(h) > bound else 0.0 for h in halves]))
        ring, reach = [(ring[i] + ring[(i + reach) % m]) / 2 for i in range(m)], 2 * reach
    for reach, halves in reversed(kept):
        ring = [(ring[i] + halves[i] + ring[(i - reach) % m] - halves[(i - reach) % m]) / 2 for i in range(m)]
    return np.array(ring[:n])


def test_smoothing_place_by_place() -> None:
    ring = np.array([1.0, 2, 4, 8, 8, 4, 2, 1])
    wide = [sum(w * ring[(i + k) % 8] for k, w in zip(range(-3, 4), (1, 2, 3, 4, 3, 2, 1), strict=True)) / 16 for i in range(4)]
    assert smoothed(ring[:4], 1e9) == pytest.approx(wide)  # all is noise: a triangle over the mirrored ring
    assert smoothed(ring[:3], 1e9).tolist() == [1, 2, 4]
    rng = np.random.default_rng(0)
    for n in (4, 5, 16, 33):
        for sigma in (0.1, 1.0, 3.0):
            noisy = rng.normal(size=n) * 2 + (np.arange(n) == n // 2) * 10
            np.testing.assert_allclose(smoothed(noisy, sigma), slowly_smoothed(noisy, sigma), rtol=1e-12)


def test_a_part_of_a_look_is_a_part_of_what_it_may_spend() -> None:
    whole = look(8.0, sensitivity=3, cells=40, delta=1e-7)
    part = whole.part(0.25, "day")
    assert (part.rho, part.delta, part.what, part.sensitivity, part.cells) == (2.0, 2.5e-8, "x day", 3, 40)
    assert part.rows is whole.rows and part.allowance is whole.allowance
    bare = look()
    assert (bare.sensitivity, bare.cells, bare.delta) == (1, 256, 0.0) and bare.rows is not look().rows


@pytest.mark.parametrize("sensitivity", [1, 3])
def test_counts_have_the_noise_that_is_paid_for(sensitivity: int) -> None:
    seen = look(0.5, sensitivity=sensitivity)
    seen.rows.hear(1e6, 1e-9)  # so that no count is cut off at 0
    made = seen.counts(np.repeat(np.arange(400), 2_500), 400)
    assert made.sum() == pytest.approx(1e6) and booked(seen) == [("x", 0.5, 0)]
    assert is_spread(made - 2_500, sensitivity) and not is_spread((made - 2_500) / 2, sensitivity)
    sure = look(sensitivity=sensitivity)
    assert sure.counts(np.array([0, 2, 2]), 4).tolist() == pytest.approx([1, 0, 2, 0])
    assert sure.rows.estimate == pytest.approx(3) and sure.rows.weight == pytest.approx(2 * SURE / sensitivity**2 / 4, rel=1e-6)


def test_levels_are_paid_for_by_halves() -> None:
    seen = look(2.0, delta=1e-7, sensitivity=2)
    found, missing = seen.levels({f"l{i:03d}": 1_000 for i in range(300)} | {"rare": 1}, 500)
    assert booked(seen) == [("levels of x", 1.0, 1e-7), ("x", 1.0, 0)]
    assert "rare" not in found and len(found) == 300 and abs(missing - 500) < 12
    assert is_spread(np.array(list(found.values())) - 1_000, 2 / math.sqrt(2)) and all(type(n) is float for n in found.values())
    gone = [look(2.0, delta=1e-7).levels({}, 0)[1] for _ in range(20)]
    assert min(gone) == 0  # never below


def test_limits_are_powers_of_two() -> None:
    assert look().span(np.array([3.0] * 40 + [900.0] * 40)) == (2.0, 1_024.0)
    assert look().span(np.repeat([-5.0, 0.3], 40)) == (-8.0, 0.5)
    assert look().span(np.zeros(0)) == (0.0, 1.0) and look().span(np.array([7.0])) == (0.0, 1.0)  # one person's is not told
    assert look().span(np.array([7.0] * 2)) == (4.0, 8.0) and look().span(np.repeat(1e30, 9)) == (2.0**59, 2.0**60)
    assert look().span(np.repeat(-1e30, 9)) == (-(2.0**60), -(2.0**59)) and look().span(np.repeat(1e-9, 9)) == (0.0, 2.0**-20)
    seen = look(1.0)
    seen.span(np.full(99, 3.0))
    assert booked(seen) == [("limits of x", 1.0, 0)]
    hidden = sum(look(0.5, sensitivity=10).span(np.full(20, 3.0)) == (2.0, 4.0) for _ in range(10))
    assert hidden < 5  # 51 would be five times the noise of 10


def test_a_tree_spends_more_on_what_is_deeper_to_come() -> None:
    seen = look(1.96)
    seen.tree(np.zeros(50_000, np.int64), 16_384, None)
    assert [rho for _, rho, _ in booked(seen)] == pytest.approx([1.0, 0.6, 0.36])
    early = look(1.96)
    found = early.tree(np.zeros(0, np.int64), 16_384, None)  # nothing to be cut
    assert [rho for _, rho, _ in booked(early)] == [pytest.approx(1.0)] and len(found.first) == 64
    assert found.first[:3].tolist() == [0, 256, 512] and found.last[[0, 1, -1]].tolist() == [255, 511, 16_383]


def test_what_has_its_share_of_rows_is_cut() -> None:
    numbers = np.repeat([0, 300, 600], [100, 100, 800])
    fine = look(cells=9).tree(numbers, 1_024, None)
    coarse = look(cells=11).tree(numbers, 1_024, None)
    assert fine.last[fine.first == 0].tolist() == [15] and coarse.last[coarse.first == 0].tolist() == [0]
    assert fine.rows[fine.first == 600].tolist() == pytest.approx([800]) and fine.missing == 0
    beyond = look(cells=2).tree(np.full(90, 1_000), 1_001, 10)
    assert beyond.last[-1] == 1_000 and beyond.rows.sum() == pytest.approx(90, abs=1) and beyond.missing == pytest.approx(10, abs=1)


@pytest.mark.parametrize(("rows", "cut"), [(350, False), (450, True)])
def test_a_range_is_cut_from_four_times_the_noise_of_its_parts(rows: int, cut: bool) -> None:
    """63 ranges alike, whose parts would have noise of 100; so many are smoothed that their own noise is hardly there."""
    hits = 0
    for _ in range(4):
        found = look(1.6 / 0.6 / (2 * 100**2)).tree(np.repeat(np.arange(0, 1_008, 16), rows), 1_008, None)
        hits += int((found.first == found.last).sum()) // 16
    assert hits > 200 if cut else hits < 50


def test_noise_of_a_tree_is_for_all_rows_of_a_subject() -> None:
    ranges = look(0.5, sensitivity=4)
    made, sigma = ranges._level(np.repeat(np.arange(300), 999), np.arange(300), 1, rho=0.5, missing=999)
    assert sigma == pytest.approx(4) and len(made) == 301 and is_spread(made - 999, 4)
    exact, _ = look()._level(np.array([0, 4, 5, 9, 10, 14]), np.array([5, 10]), 4, rho=SURE, missing=None)
    assert exact.tolist() == [1, 1]


def test_unless_it_is_said_a_unit_has_one_row() -> None:
    allowance = look().allowance
    assert mechanisms.levels({"a": 2, "b": 1}, allowance, rho=SURE, delta=1e-9, what="x") == {"a": 2}  # one person's level is not told
    assert mechanisms.levels({"a": 3, "b": 2}, allowance, rho=SURE, delta=1e-9, what="x", sensitivity=2) == {"a": 3}
    assert mechanisms.counts(np.arange(3), allowance, rho=0.5, what="x")[1] == pytest.approx(1, rel=1e-6)
    assert mechanisms.threshold(1e-3, 1e-9) == 2 and mechanisms.threshold(1e-3, 1e-9, sensitivity=5) == 6


# ---- what is declared


def schema(*columns: Column) -> Schema:
    return Schema(tables=(Table(name="t", columns=columns),))


def test_what_is_not_declared_is_listed_column_by_column() -> None:
    known = ("kind", "nullable")
    bare = schema(
        Column(name="a", kind="integer", low=0, high=9),
        Column(name="b", kind="category", levels=("x",), declared=(*known, "levels")),
        Column(name="c", kind="category", declared=(*known, "levels")),
        Column(name="d", kind="date", low="2020-01-01", declared=(*known, "low")),
        Column(name="e", kind="boolean", declared=known),
        Column(name="f", kind="constant", declared=known),
    )
    assert domain.undeclared(bare) == ["a: kind, nullable, low, high", "c: levels", "d: high", "f: levels"]
    assert domain.undeclared(bare, buy=True) == ["a: kind, nullable, low, high"]
    assert domain.undeclared(schema(Column(name="a", kind="integer")), buy=True) == ["a: kind, nullable"]


def test_a_refusal_names_eight_columns_and_says_what_to_do() -> None:
    for n, more in ((8, False), (9, True)):
        with pytest.raises(SchemaError) as told:
            domain.check(schema(*(Column(name=f"c{i}", kind="boolean") for i in range(n))))
        assert "c7: kind" in str(told.value) and ("; and 1 more columns" in str(told.value)) is more and "c8" not in str(told.value)
        assert "--buy" in told.value.fix and told.value.where == "t"
    with pytest.raises(SchemaError) as told:
        domain.check(schema(Column(name="c", kind="boolean")), buy=True)
    assert "--buy" not in told.value.fix
    with pytest.raises(CannotError, match="free text") as text:
        domain.check(schema(Column(name="c", kind="text", declared=("kind", "nullable"))))
    assert text.value.where == "t.c"
    domain.check(schema(Column(name="c", kind="boolean", declared=("kind", "nullable"))))


def test_a_skeleton_hides_values_that_were_read_and_says_what_is_to_be_filled_in() -> None:
    made = domain.skeleton(
        schema(
            Column(name="a", kind="integer", low=3, high=9, declared=("low",), note="seen 3 to 9"),
            Column(name="b", kind="category", levels=("x", "y")),
            Column(name="c", kind="boolean", note="seen"),
            Column(name="d", kind="category", levels=("x",), declared=("levels",)),
        )
    ).table
    assert [(c.low, c.high, c.levels) for c in made] == [(3, None, None), (None, None, None), (None, None, None), (None, None, ("x",))]
    assert [c.note for c in made] == [
        "fill in high, from what is publicly known",
        "fill in levels, from what is publicly known",
        None,
        None,
    ]
    assert set(made["a"].declared) >= {"kind", "nullable", "low", "high"} and "note" not in made["c"].declared
    both = domain.skeleton(schema(Column(name="a", kind="integer"))).table["a"]
    assert both.note == "fill in low and high, from what is publicly known"
    assert [c.note for c in domain.published(schema(Column(name="a", kind="integer", note="seen"))).table] == [None]


def test_of_each_subject_some_rows_are_kept_by_chance() -> None:
    frame = pd.DataFrame({"who": ["a"] * 4 + ["b"] * 2 + [None] * 3 + ["c"], "at": range(10)})
    data = la.Dataset.of(frame, schema=la.schema(frame).model_copy(update={"subject": "who"}))
    seen, counts = np.zeros(10), []
    for _ in range(200):
        kept = domain.bounded(data, 2).table()
        at = kept["at"].to_pylist()
        seen[at] += 1
        counts.append(len(at))
        assert set(at) >= {4, 5, 9} and not {6, 7, 8} & set(at)
    assert set(counts) == {5} and (np.abs(seen[:4] - 100) < 45).all()  # 2 of 4, by even chances
    assert domain.bounded(data, 4).rows == 7 and domain.bounded(data, 1).rows == 3
    assert domain.bounded(la.Dataset.of(frame[["at"]]), 1).rows == 10


# ---- budgets


def test_sums_and_what_is_left_of_a_budget() -> None:
    budget = Budget(1.0, 1e-6)
    most = most_rho(1.0, 1e-6)
    assert Sum().room(budget) == most and Sum(most / 4).room(budget) == pytest.approx(most * 3 / 4, rel=1e-12)
    assert Sum(most).room(budget) == 0 and Sum(most * 2).room(budget) == 0
    assert Sum(0.0, 4e-7).room(budget) == most_rho(1.0, 6e-7) and Sum(0.0, 4e-7).room(budget, 1e-7) == pytest.approx(most_rho(1.0, 5e-7))
    assert Sum(0.0, 1e-6).room(budget) == 0 and Sum(0.0, 4e-7).room(budget, 6e-7) == 0
    assert Sum(0.0, 1e-6).epsilon(1e-6) == math.inf and Sum().epsilon(1e-6) == 0 and Sum(0.0, 1e-6).epsilon(2e-6) == 0
    assert Sum().within(Budget(1e-9, 1e-12)) and not Sum(0.0, 1e-6).within(budget) and Sum(most).within(budget)
    assert not Sum(most * (1 + 1e-9)).within(budget)
    parts = [Cost(0.1, 1e-9), Cost(0.2, 2e-9, Sampled(2.0, 0.1, 3))]
    assert Sum.of(parts) == Sum(math.fsum([0.1, 0.2]), math.fsum([1e-9, 2e-9]), (Sampled(2.0, 0.1, 3),)) and Sum().plus(parts[0]).plus(
        parts[1]
    ) == Sum.of(parts)


def test_a_training_is_within_a_budget_or_not() -> None:
    trained = Sum(sampled=(Sampled(2.0, 0.01, 10),))
    assert not trained.within(Budget(0.05, 1e-6)) and trained.within(Budget(1.0, 1e-6))
    assert not Sum(most_rho(1.0, 1e-6), 0.0, trained.sampled).within(Budget(1.0, 1e-6))


def test_what_others_spent_is_no_longer_left(tmp_path: Path) -> None:
    mine = Ledger(Budget(1.0, 1e-6), path=tmp_path / "ledger.json")
    part = mine.allow(fit="mine")
    Ledger.open(tmp_path / "ledger.json").allow(fit="other").spend(Cost(rho=part.rho / 2), "look")
    assert part.rho_with(0.0) == part.left == pytest.approx(part.rho / 2) and mine.left() < 1 and len(mine.entries) == 1


def test_the_ledger_in_a_table_line_by_line() -> None:
    made = Ledger(Budget(3.0, 1e-6), data="adult", unit="person")
    made.allow(1.0, fit="one").spend(Cost(rho=0.01), "counts")
    made.allow(1.0, fit="one").spend(Cost(rho=0.02), "counts")
    made.allow(1.0, fit="two").spend(Cost(rho=0.005, delta=1e-9), "levels of job")
    spent = epsilon_of(0.035, 1e-6 - 1e-9)
    when = made.entries[0].when[:16]
    head, budget, gap, *table = made.text().splitlines()
    assert head == "Privacy ledger of adult: one person is protected" and gap == ""
    assert budget == f"budget ε = 3 at δ = 1e-06; spent ε = {spent:.4g}; left ε = {made.left():.4g}"
    assert [line.split() for line in table] == [
        ["fit", "what", "looks", "ρ", "δ", "first"],
        ["one", "counts", "2", "0.03", when],
        ["two", "levels", "of", "job", "1", "0.005", "1e-09", when],
    ]
    assert len({line.index(what) for line, what in zip(table, ("what", "counts", "levels"), strict=True)}) == 1
    assert Ledger(Budget(3.0, 1e-6)).text() == (
        "Privacy ledger: one row is protected\nbudget ε = 3 at δ = 1e-06; spent ε = 0; left ε = 3\nnothing was asked yet"
    )
    assert made.left() == pytest.approx(epsilon_of(made._sum.room(made.budget), 1e-6), rel=1e-9)


def test_a_refusal_names_five_fits() -> None:
    made = Ledger(Budget(1.0, 1e-6))
    for i in range(6):
        allowance = made.allow(fit=f"fit {i}")
        for _ in range(1 + (i == 0)):
            allowance.spend(Cost(rho=1e-4), "look")
    with pytest.raises(BudgetError) as told:
        made.allow(5.0)
    assert "spent on fit 0 (2 looks), fit 1 (1 look), fit 2 (1 look), fit 3 (1 look), fit 4 (1 look), …" in str(told.value)
    assert told.value.fix == f"ask for at most {made.left():.4g}, or use what was already fitted: sampling from a model costs nothing"
    assert ledger._fix(0.0) == "use what was already fitted: sampling from a model costs nothing"
    with pytest.raises(BudgetError, match="a delta of 2e-06 is more than the ledger has"):
        made.allow(0.1, delta=2e-6)
    part = made.allow(0.1, delta=1e-7, fit="small")
    assert (part.budget, part.most, part.buy, part.unit) == (Budget(0.1, 1e-7), 1, False, "row")
    assert part.rho == most_rho(0.1, 1e-7) == part.left and part.entries == () and part.epsilon() == 0
    part.spend(Cost(rho=part.rho / 4), "quarter")
    assert part.left == pytest.approx(part.rho * 3 / 4) and part.rho_with(5e-8) < part.rho == pytest.approx(part.rho_with(0.0))
    before = part.rho_with(5e-8)
    part.spend(Cost(delta=5e-8), "chance")
    assert part.rho_with(0.0) == part.rho_with(5e-8) == pytest.approx(before) and part.rho_with(8e-8) < before  # no chance comes back
    with pytest.raises(BudgetError, match=r"'much' would go over what this fit may spend \(epsilon 0.1 at delta 1e-07\): rho "):
        part.spend(Cost(rho=part.rho), "much")
    assert len(part.entries) == 2 and len(made.entries) == 9


def test_a_guard_is_a_share_of_what_it_guards() -> None:
    orders = accounting.ORDERS
    for divergence in (0.01 * orders, 3.0 * orders):
        exact = (divergence + (math.log(1e6) - np.log(orders)) / (orders - 1) + np.log1p(-1 / orders)).min()
        assert accounting._from_renyi(divergence, 1e-6) / exact - 1 == pytest.approx(1e-12, abs=4e-16)


# ---- words and groups


def test_groups_by_the_definition() -> None:
    zcdp = statement._together(3, Budget(1.0, 1e-6), Sum(0.01))
    assert (zcdp.size, zcdp.delta) == (3, 1e-6) and zcdp.epsilon == epsilon_of(0.09, 1e-6)
    for summed in (Sum(0.01, 1e-9), Sum(0.0, 0.0, (Sampled(2.0, 0.1, 3),))):
        made = statement._together(3, Budget(1.0, 1e-6), summed)
        assert made.epsilon == 3 and made.delta == pytest.approx(1e-6 * (1 + math.e + math.e**2))
    assert statement._together(2, Budget(math.log(999), 1e-3), Sum(0.01, 1e-9)).epsilon is None  # δ becomes 1
    assert statement._together(2, Budget(math.log(998), 1e-3), Sum(0.01, 1e-9)).delta == pytest.approx(0.999)


def test_figures_in_words() -> None:
    assert [statement._chance(d) for d in (1e-6, 0.05, 0.1, 0.25)] == ["1 in 1,000,000", "1 in 20", "0.1", "0.25"]
    assert [statement._plain(x) for x in (2.718, 9_999.0, 1e4)] == ["2.72", "1e+04", "1.00e+04"]
    assert [statement._percent(x) for x in (0.0, 0.001, 0.9991, 0.99951, 1 - 1e-11)] == [
        "0.0 %",
        "0.1 %",
        "99.91 %",
        "99.96 %",
        "99.999999999 %",
    ]
    assert statement._listed("Head", ("aa bb cc", "dd"), 15) == ["", "Head:", "  - aa bb", "    cc", "  - dd"]
    assert statement._listed("Head", ("aa bb cc",), 16) == ["", "Head:", "  - aa bb cc"]
    assert statement._listed("Head", (), 80) == ["", "Head:", "  - nothing"]


# ---- training


def test_gradients_that_cancel_keep_a_little_length() -> None:
    torch = pytest.importorskip("torch")
    from lookalike.privacy import sgd

    left, right = torch.tensor([[[3.0], [-3.0]], [[3.0], [4.0]]]), torch.tensor([[[2.0, 0.0], [2.0, 0.0]], [[2.0, 0.0], [0.0, 1.0]]])
    both = sgd.Outer(left, right)
    most = torch.tensor([12.0, 10.0])
    assert both.squares().tolist() == pytest.approx((torch.tensor([0.0, 36 + 16]) + 2.0**-17 * most**2).tolist(), rel=1e-6)
    one = sgd.Outer(left[1:, :1], right[1:, :1])
    assert one.squares().tolist() == [36.0]
    weights = torch.tensor([0.5, 2.0])
    assert both.total(weights).tolist() == [[12.0, 8.0]]
    wide = sgd.Outer(torch.cat([left, 2 * left, left], 2), right)
    assert wide.total(weights).tolist() == [[12.0, 8.0], [24.0, 16.0], [12.0, 8.0]]
    assert both.take(torch.tensor([False, True])).squares().tolist() == pytest.approx([52 + 2.0**-17 * 100])
    spread = sgd.Spread(torch.tensor([[0, 2], [2, 1]]), torch.tensor([[[1.0], [2.0]], [[3.0], [4.0]]]), 4)
    assert spread.squares().tolist() == [5, 25] and spread.total(weights).tolist() == [[0.5], [8.0], [7.0], [0.0]]
    whole = sgd.Whole(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert whole.squares().tolist() == [5, 25] and whole.total(weights).tolist() == [6.5, 9.0]
    stacked = sgd.Stacked((whole, whole))
    assert stacked.squares().tolist() == [10, 50] and stacked.total(weights).tolist() == [[6.5, 9.0]] * 2


def test_a_plan_that_is_public() -> None:
    pytest.importorskip("torch")
    from lookalike.privacy import sgd

    class Purse:
        def noise(self, *, rate: float, steps: int) -> float:
            self.asked = rate, steps
            return 1.5

    purse = Purse()
    made = sgd.planned(purse, rows=1_000, batch=100, steps=7, clip=0.5, per_unit=3, views=2)
    assert purse.asked == (made.rate, 7) and made.rate == round(2**32 / 10) / 2**32 and made.batch == made.rate * 1_000
    assert (made.noise, made.clip, made.per_unit, made.views, made.steps) == (1.5, 0.5, 3, 2, 7) and made.sigma == 1.5 * 0.5 * 3
    assert (
        sgd.planned(purse, rows=0.2, batch=1, steps=1, clip=1.0).batch == 1
        and sgd.planned(purse, rows=9, batch=99, steps=1, clip=1.0).rate == 1
    )
    assert sgd.planned(purse, rows=1e12, batch=1, steps=1, clip=1.0).rate == 2**-32
    assert sgd.chosen(1_000, 1.0).all() and not sgd.chosen(1_000, 0.0).any() and len(sgd.chosen(7, 0.5)) == 7
    assert abs(sgd.chosen(100_000, 0.25).mean() - 0.25) < 0.01


def test_training_is_adam_along_a_cosine_and_an_average_of_its_steps() -> None:
    """One weight whose gradient is the same in every step, as good as without noise."""
    torch = pytest.importorskip("torch")
    from lookalike.privacy import sgd

    class Slope(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1, bias=False)
            torch.nn.init.zeros_(self.layer.weight)

        def forward(self, batch: Any, draw: Any, turn: str) -> Any:
            return self.layer(batch[0]).mean()

    class Purse:
        def spend(self, cost: Cost, what: str) -> None:
            self.spent = cost, what

    def rule(tap: Any) -> Any:
        return [(tap.layer.weight, sgd.Outer(tap.views_of(tap.back), tap.views_of(tap.seen[0])))]

    purse, told, net = Purse(), [], Slope()
    plan = sgd.Plan(steps=4, rate=1.0, batch=4.0, clip=100.0, noise=1e-12, speed=0.1, average=0.3)
    rows = np.array([[1.0], [2.0], [3.0], [-2.0]], np.float32)
    sgd.train(net, (rows,), plan=plan, rules={torch.nn.Linear: rule}, allowance=purse, on_step=told.append)
    weight, mean, first, second = 0.0, 0.0, 0.0, 0.0
    for step in range(4):
        first, second = 0.9 * first + 0.1, 0.99 * second + 0.01  # the gradient is 4 / 4
        rate = 0.1 * (1 + math.cos(math.pi * step / 4)) / 2
        weight -= rate * (first / (1 - 0.9 ** (step + 1))) / (math.sqrt(second / (1 - 0.99 ** (step + 1))) + 1e-8)
        memory = min(0.3, (step + 1) / (step + 10))
        mean = memory * mean + (1 - memory) * weight
    assert net.layer.weight.item() == pytest.approx(mean, rel=1e-4) and told == [1, 2, 3, 4] and not net.training
    assert purse.spent == (Cost(sampled=Sampled(1e-12, 1.0, 4)), "4 noisy gradients, each of a share 1 of the units")
    clipped = sgd.Plan(steps=1, rate=1.0, batch=2.0, clip=1.5, noise=1e-12)
    (made,) = sgd.noisy_means(net, (rows,), plan=clipped, rules={torch.nn.Linear: rule}, allowance=purse)
    assert made[0].item() == pytest.approx((1 + 1.5 + 1.5 - 1.5) / 2, rel=1e-4)
    twice = sgd.Plan(steps=1, rate=1.0, batch=2.0, clip=1.5, noise=1e-12, per_unit=2)
    with pytest.raises(SettingError, match="more than 2 rows"):
        next(sgd.noisy_means(net, (rows,), plan=twice, rules={torch.nn.Linear: rule}, allowance=purse, units=np.array([0, 0, 0, 1])))
    next(sgd.noisy_means(net, (rows,), plan=twice, rules={torch.nn.Linear: rule}, allowance=purse, units=np.array([0, 0, 1, 1])))
    net.extra = torch.nn.Linear(1, 1, bias=False)
    heard = net.forward
    net.forward = lambda batch, draw, turn: net.extra(batch[0]).detach().mean() * 0 + heard(batch, draw, turn)
    made = next(sgd.noisy_means(net, (rows,), plan=clipped, rules={torch.nn.Linear: rule}, allowance=purse))
    assert made[1].item() == pytest.approx(0, abs=1e-9) and made[0].item() == pytest.approx(1.25, rel=1e-4)  # what the loss does not see
