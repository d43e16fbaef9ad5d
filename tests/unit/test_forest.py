"""The forest: it learns what is planted, keeps what holds exactly, and gives away no single row."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike as la
from lookalike import _drawing
from lookalike.data import Dataset
from lookalike.errors import StoreError
from lookalike.models import _boost, _grow, _stage, _ties, _trees, _walk
from lookalike.models._ties import Tie
from lookalike.models.forest import Forest
from lookalike.protocol import State

ROWS = 4_000
ENTROPY = np.concatenate([[0.0], np.arange(1, ROWS + 1) * np.log(np.arange(1, ROWS + 1))])


def frame(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Levels that decide others, numbers that follow from others exactly, nearly, and not at all."""
    rng = np.random.default_rng(seed)
    town = rng.choice(list("abcdefghij"), rows, p=np.arange(10, 0, -1) / 55)
    price, count = np.exp(rng.normal(3, 0.8, rows)).round(2), rng.integers(1, 40, rows)
    paid = np.where(rng.random(rows) < 0.3, price, np.exp(rng.normal(3, 0.8, rows))).round(2)
    spike = np.where(rng.random(rows) < 0.7, 0, rng.integers(1, 5_000, rows))
    both = (rng.random(rows) < 0.5) ^ (count > 20)
    made = {"town": town, "county": pd.Series(town).map(dict(zip("abcdefghij", "xxxyyyzzzz", strict=True))), "price": price}
    made |= {"count": count, "total": (price * count).round(2), "paid": paid, "spike": spike, "side": np.where(count > 20, "r", "l")}
    return pd.DataFrame(made | {"flip": np.where(both, "yes", "no")})


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return frame()


@pytest.fixture(scope="module")
def made(real: pd.DataFrame) -> pd.DataFrame:
    return la.sample(la.fit(real, seed=3), ROWS, seed=4)


def test_a_level_that_another_decides_is_never_wrong(real: pd.DataFrame, made: pd.DataFrame) -> None:
    assert set(zip(made.town, made.county, strict=True)) <= set(zip(real.town, real.county, strict=True))


def test_a_product_of_two_columns_is_reproduced_exactly(made: pd.DataFrame) -> None:
    assert np.allclose(made.total, (made.price * made["count"]).round(2), atol=0.0051)


def test_two_numbers_are_equal_as_often_as_they_were(real: pd.DataFrame, made: pd.DataFrame) -> None:
    was, now = (real.paid == real.price).mean(), (made.paid == made.price).mean()
    assert abs(was - now) < 4 * np.sqrt(was / ROWS)


def test_spikes_stay_spikes(real: pd.DataFrame, made: pd.DataFrame) -> None:
    assert abs((real.spike == 0).mean() - (made.spike == 0).mean()) < 0.04
    assert made.spike.nunique() > 300


def test_a_threshold_is_learned(made: pd.DataFrame) -> None:
    assert ((made["count"] > 20) == (made.side == "r")).mean() > 0.99


def test_dependence_on_two_columns_at_once_is_learned() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(ROWS) < 0.5, rng.random(ROWS) < 0.5
    made = la.sample(la.fit(pd.DataFrame({"a": a, "b": b, "c": a ^ b, "d": rng.random(ROWS)})), ROWS)
    assert ((made.a ^ made.b) == made.c).mean() > 0.98


def test_numbers_are_new_and_rows_are_not_copied(real: pd.DataFrame, made: pd.DataFrame) -> None:
    assert not made.merge(real, how="inner", on=list(real.columns)).shape[0] > 0.001 * ROWS
    drawn = made.loc[made.paid != made.price, "paid"]
    assert drawn.isin(real.paid).mean() < frame(seed=9).paid.isin(real.paid).mean() + 0.08


def test_threads_change_nothing(real: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(cores: int) -> pd.DataFrame:
        monkeypatch.setattr("os.cpu_count", lambda: cores)
        return la.sample(la.fit(real.head(800), seed=1), 40_000, seed=2)

    pd.testing.assert_frame_equal(rows(1), rows(5))


def test_the_target_may_come_first_or_last(real: pd.DataFrame) -> None:
    model = la.fit(real, settings={"target": "flip"})
    parts = [model.codebook_.parts[s.part].column for s in model.stages_]
    assert parts.index("flip") in (0, len(parts) - 1)


@pytest.mark.parametrize("target", ["town", "county"])
def test_a_target_that_decides_or_is_decided_stays_consistent(real: pd.DataFrame, target: str) -> None:
    made = la.sample(la.fit(real, settings={"target": target}), 2_000)
    assert set(zip(made.town, made.county, strict=True)) <= set(zip(real.town, real.county, strict=True))


def test_an_equality_keeps_the_digits_of_its_own_column() -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random(ROWS) < 0.5, rng.normal(500, 90, ROWS).round(2), rng.normal(500, 90, ROWS).round(0))
    y = np.where((x == x.round(0)) & (rng.random(ROWS) < 0.6), x, rng.normal(500, 90, ROWS).round(0))
    made = la.sample(la.fit(pd.DataFrame({"x": x, "y": y})), ROWS)
    assert (made.y == made.y.round(0)).all()


def test_a_target_that_is_not_there_is_refused(real: pd.DataFrame) -> None:
    with pytest.raises(la.errors.UnknownName, match="did you mean 'county'"):
        la.fit(real, settings={"target": "conty"})


def test_a_tree_finds_the_planted_cut_and_keeps_its_leaves() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 50, (3, ROWS)).astype(np.uint8)
    y = (X[1] > 30).astype(np.int32)
    rows = rng.permutation(ROWS).astype(np.int32)
    feature, cut, left, low, high, _ = _grow.grow(X.T.copy(), np.zeros(3, bool), y, 2, rows, (20, 3, 0, True, 2.0), 7, ENTROPY)
    assert (feature[0], cut[0]) == (1, 30)
    assert (feature[left[0]], feature[left[0] + 1]) == (-1, -1)
    assert sorted(rows) == list(range(ROWS))
    assert not y[rows[low[left[0]] : high[left[0]]]].any()


def test_a_nominal_feature_is_parted_by_what_its_levels_do() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(1, 200, (1, ROWS)).astype(np.uint8)
    y = np.isin(X[0], rng.permutation(200)[:70]).astype(np.int32)
    rows = np.arange(ROWS, dtype=np.int32)
    feature, *_ = _grow.grow(X.T.copy(), np.ones(1, bool), y, 2, rows, (5, 1, 0, False, 2.0), 7, ENTROPY)
    assert len(feature) <= 7


@pytest.mark.parametrize(("levels", "few", "groups"), [(3, 40, 2), (90, 40, 9), (90, 900, 9), (256, 1_500, 20), (2, 1_500, 20)])
def test_a_cut_is_the_best_there_is(levels: int, few: int, groups: int) -> None:
    rng = np.random.default_rng(levels + few)
    x = rng.integers(0, levels, few).astype(np.uint8)
    y = ((x // 5 + rng.integers(0, 4, few)) % groups).astype(np.int32)
    limits = (few // 8, 1, 0, True, 0.0)
    _, cut, *_ = _grow.grow(x[:, None], np.zeros(1, bool), y, groups, np.arange(few, dtype=np.int32), limits, 0, ENTROPY)

    def mixed(at: int) -> float:
        sides = [np.bincount(y[side], minlength=groups) for side in (x <= at, x > at)]
        return sum(ENTROPY[side.sum()] - ENTROPY[side].sum() for side in sides)

    able = [at for at in range(levels) if min((x <= at).sum(), (x > at).sum()) >= limits[0]]
    assert mixed(int(cut[0])) == pytest.approx(min(map(mixed, able))), "as trying all of them finds"


def test_a_tree_does_not_split_on_noise() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 200, (1, ROWS)).astype(np.uint8), rng.integers(0, 2, ROWS).astype(np.int32)
    limits = (50, 1, 0, True, 2.0)
    grown = [_grow.grow(X.T.copy(), np.zeros(1, bool), y, 2, rng.permutation(ROWS).astype(np.int32), limits, s, ENTROPY) for s in range(9)]
    assert np.mean([len(g[0]) for g in grown]) < 60  # 159 if every leaf of 50 rows were cut out


def test_cut_back_keeps_leaves_of_the_size_asked_and_wider_slices_around_them() -> None:
    rng = np.random.default_rng(2)
    X = rng.integers(0, 100, (2, ROWS)).astype(np.uint8)
    y = ((X[0] // 7 + X[1] // 9) % 3).astype(np.int32)
    tree = _grow.grow(X.T.copy(), np.zeros(2, bool), y, 3, rng.permutation(ROWS).astype(np.int32), (5, 2, 0, True, 1.0), 1, ENTROPY)
    feature, _, left, low, high, _, wide_low, wide_high = _trees.cut_back(tree, 60, 400)
    leaves = feature < 0
    assert (high - low)[leaves].min() >= 60
    assert (high - low)[leaves].sum() == ROWS
    assert ((wide_low <= low) & (high <= wide_high))[leaves].all()
    assert (wide_high - wide_low)[leaves].min() >= 400
    assert left[0] == 1


@pytest.mark.parametrize("levels", [60, 64, 65, 256])
def test_rows_that_walk_side_by_side_end_where_each_would_alone(levels: int) -> None:
    rng = np.random.default_rng(3)
    X = rng.integers(0, 60, (ROWS, 3)).astype(np.uint8)
    X[:, 1] = rng.integers(0, levels, ROWS)
    y, flags = (X[:, 0] // 9 + X[:, 1] % 3).astype(np.int32), np.array([False, True, False])
    rows = rng.permutation(ROWS).astype(np.int32)
    feature, cut, left, low, high, sets = _grow.grow(X, flags, y, 9, rows, (5, 2, 0, False, 1.0), 1, ENTROPY)
    leaf = feature < 0
    nodes = np.column_stack([feature, np.where(leaf, low, cut), np.where(leaf, high, left)]).astype(np.int32)
    ends = np.zeros(ROWS, np.uint32)
    trees = _trees.Trees(np.zeros(1, np.int32), nodes, sets, np.zeros(ROWS, np.uint16), np.zeros((0, 2), np.int32), np.zeros(0, np.uint16))
    _walk._leaves(X, np.arange(ROWS, dtype=np.uint32), ends, *trees.paths, (np.empty(ROWS, np.uint16), np.empty(ROWS, np.uint64)))
    assert len(trees.paths[1]) == (len(sets) if levels > 64 else 0), "the first 64 bins lie in the path"
    assert (cut[~leaf] < 0).any(), "some cuts are between sets of levels"
    assert leaf[ends].all()
    assert all(ends[i] == k for k in np.flatnonzero(leaf) for i in rows[low[k] : high[k]]), "in the leaf that they were put in"


@pytest.mark.parametrize("rows", [2_000, 999])
def test_blocks_drawn_side_by_side_are_those_drawn_in_turn(rows: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": range(300), "a": np.arange(300) % 7, "b": np.arange(300) % 4, "x": np.arange(300.0) ** 2})
    model = la.fit(frame.assign(c=frame.a * frame.b), settings={"trees": 2}, seed=0)
    drawn, begun, plain = [], [], Forest.alone
    monkeypatch.setattr(_drawing, "BLOCK", 100)
    monkeypatch.setattr(Forest, "alone", lambda self, n, **how: begun.append(how["start"]) or plain(self, n, **how))
    for cores in (1, 2):
        monkeypatch.setattr(_drawing.os, "cpu_count", lambda cores=cores: cores)
        la.sample(model, rows, seed=3, out=tmp_path / f"{cores}.csv")
        drawn.append((tmp_path / f"{cores}.csv").read_text())
        assert sorted(begun) == (list(range(0, rows, 100)) if cores == 2 else [])
    assert drawn[0] == drawn[1] and drawn[0].count("\n") == rows + 1


@pytest.mark.parametrize("rows", [5_000, 100_000])
def test_a_tree_learns_from_different_rows_in_random_order(rows: int) -> None:
    chosen = _stage._chosen(rows, None, 0.6, 3_000, np.random.default_rng(0))
    assert len(chosen) == len(set(chosen.tolist())) == 3_000
    assert 0.4 < chosen[:500].mean() / rows < 0.6, "the first are as good as any"
    assert abs(np.corrcoef(chosen, np.arange(3_000))[0, 1]) < 0.1


def test_a_score_explains_what_adds_up() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 30, (6, ROWS)).astype(np.uint8)
    y = X.sum(axis=0) / 180 + rng.normal(0, 0.01, ROWS)
    boost, bins, worth = _boost.cross_fit(X, np.zeros(6, bool), y, logistic=False, effort=(150, ROWS), bins=64, rng=rng)
    assert worth > 0.9
    assert np.corrcoef(bins, y)[0, 1] > 0.95
    assert (boost.bins(np.ascontiguousarray(X.T), np.zeros(ROWS, np.int64)).max()) <= 63


def test_a_score_of_noise_explains_nothing() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 30, (4, ROWS)).astype(np.uint8), (rng.random(ROWS) < 0.3).astype(float)
    assert _boost.cross_fit(X, np.zeros(4, bool), y, logistic=True, effort=(50, ROWS), bins=64, rng=rng)[2] < 0.01


@pytest.mark.parametrize(
    ("form", "of", "y"),
    [
        ("sum", (0, 1), lambda x, z: x + z),
        ("difference", (0, 1), lambda x, z: x - z),
        ("difference", (1, 0), lambda x, z: z - x),
        ("product", (0, 1), lambda x, z: x * z),
        ("ratio", (0, 1), lambda x, z: x / z),
    ],
)
def test_what_holds_between_numbers_is_found(form: str, of: tuple[int, ...], y: object) -> None:
    rng = np.random.default_rng(0)
    x, z = rng.normal(50, 9, ROWS).round(1), rng.lognormal(2, 1, ROWS).round(1) + 1
    value = np.round(y(x, z), 3)
    value[::50] = np.nan
    assert _ties.find_ties(value, np.ones(ROWS, bool), {0: x, 1: z}, 3) == [Tie(form, of, decimals=3)]


def test_a_line_is_found_with_its_coefficients() -> None:
    x = np.random.default_rng(0).normal(20, 9, ROWS).round(1)
    (tie,) = _ties.find_ties((x * 1.8 + 32).round(1), np.ones(ROWS, bool), {4: x}, 1)
    assert (tie.form, tie.of) == ("same", (4,))
    assert (tie.a, tie.b) == (pytest.approx(1.8, abs=1e-3), pytest.approx(32, abs=0.05))
    assert (tie.value({4: x}) == (x * 1.8 + 32).round(1)).mean() > 0.98


@pytest.fixture(scope="module")
def bought() -> tuple[pd.DataFrame, Any]:
    """What was paid, of which dear purchases are left out: price and count are often large, but not both; and a model of it."""
    rng = np.random.default_rng(3)
    price, many = np.round(rng.lognormal(2, 1.5, 6_000), 2) + 0.01, np.ceil(rng.lognormal(2, 1.5, 6_000))
    seen = pd.DataFrame({"price": price, "many": many, "paid": np.round(price * many, 2), "shop": rng.choice(["n", "s"], 6_000)})
    seen = seen.query("paid < 200").reset_index(drop=True)
    return seen, la.fit(seen, seed=0)


def test_a_product_that_is_drawn_stays_in_the_range_of_those_that_were_seen(bought: tuple[pd.DataFrame, Any]) -> None:
    seen, model = bought
    drawn = la.sample(model, 5_000, seed=1)
    assert drawn.paid.max() <= seen.paid.max()
    assert (np.abs(drawn.price * drawn.many - drawn.paid) < 0.006).all()


@pytest.mark.parametrize("given", [{"shop": "n"}, {"many": {"low": 20}}, {"price": {"low": 10}, "shop": "s"}])
def test_a_product_stays_in_range_under_conditions(bought: tuple[pd.DataFrame, Any], given: dict[str, Any]) -> None:
    seen, model = bought
    drawn = la.sample(model, 2_000, plan={"given": given}, seed=1)
    assert len(drawn) == 2_000 and drawn.paid.max() <= seen.paid.max()


@pytest.mark.parametrize(
    "given",
    [
        {"price": {"low": 10.37, "high": 10.9}},
        {"price": {"low": 3, "high": 4}, "many": {"low": 2, "high": 9}},
        {"many": [3, 7, 18]},
        {"price": [2.51, 4.99]},
        {"paid": {"low": 50, "high": 60}},
    ],
    ids=str,
)
def test_a_product_is_exact_where_its_factors_are_asked_for(bought: tuple[pd.DataFrame, Any], given: dict[str, Any]) -> None:
    drawn = la.sample(bought[1], 1_000, plan={"given": given}, seed=1)
    assert (np.abs(drawn.price * drawn.many - drawn.paid) < 0.006).all()
    for name, asked in given.items():
        assert drawn[name].isin(asked).all() if isinstance(asked, list) else drawn[name].between(asked["low"], asked["high"]).all()


def test_a_condition_that_leads_out_of_range_is_met_all_the_same(bought: tuple[pd.DataFrame, Any]) -> None:
    model = bought[1]
    drawn = la.sample(model, 20, plan={"given": {"price": {"low": 13}, "many": {"low": 16}}}, seed=1)
    assert len(drawn) == 20 and drawn.price.min() >= 13 and drawn.many.min() >= 16


def test_a_product_that_completes_a_row_stays_in_range_and_one_that_is_given_stays(bought: tuple[pd.DataFrame, Any]) -> None:
    seen, model = bought
    table = Dataset.of(seen.nlargest(300, "many"), schema=model.schema).table()
    names = ["price", "paid"]
    empty = {c: pa.chunked_array([pa.nulls(table.num_rows, table[c].type)]) if c in names else table[c] for c in table.column_names}
    made = model.complete(pa.table(empty), names, rng=np.random.default_rng(0)).to_pandas()
    assert made.many.equals(table["many"].to_pandas()) and made.paid.max() <= seen.paid.max()
    both = model.complete(pa.table(empty | {"paid": table["paid"]}), names, rng=np.random.default_rng(0)).to_pandas()
    assert both.paid.equals(table["paid"].to_pandas())


def test_independent_numbers_are_not_tied() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (2, ROWS)).round(2)
    assert _ties.find_ties(y, np.ones(ROWS, bool), {0: x}, 2) == []


def test_two_columns_of_zeros_are_not_tied_by_them() -> None:
    rng = np.random.default_rng(0)
    x, y = (np.where(rng.random(ROWS) < 0.8, 0, rng.lognormal(5, 2, ROWS)) for _ in range(2))
    assert _ties.find_ties(y, y != 0, {0: x}, None) == []


def test_a_tie_with_a_missing_number_gives_none() -> None:
    assert np.isnan(Tie("ratio", (0, 1)).value({0: np.array([np.nan, 1.0]), 1: np.array([2.0, 0.0])})).all()


def test_the_deciding_part_is_drawn_first() -> None:
    fine = np.random.default_rng(0).integers(1, 40, ROWS).astype(np.uint16)
    codes = np.stack([fine // 8 + 1, fine])
    order, found = _ties.find_lookups(codes, [7, 41], [0, 1])
    assert (order, found) == ([1, 0], {0: 1})


def test_parts_that_decide_each_other_keep_their_order() -> None:
    x = np.random.default_rng(0).integers(1, 9, ROWS).astype(np.uint16)
    assert _ties.find_lookups(np.stack([x, 9 - x]), [10, 10], [0, 1]) == ([0, 1], {1: 0})


def test_a_part_with_nearly_as_many_levels_as_rows_decides_nothing() -> None:
    codes = np.stack([np.arange(ROWS), np.random.default_rng(0).integers(0, 5, ROWS)]).astype(np.uint16)
    assert _ties.find_lookups(codes, [ROWS, 5], [0, 1])[1] == {}


@pytest.mark.parametrize("ordered", [True, False])
def test_bins_fit_a_byte_and_keep_missing_apart(ordered: bool) -> None:
    counts = np.random.default_rng(0).integers(1, 900, 1_000)
    bins = _stage.bin_map(counts, ordered=ordered)
    assert bins[0] == 0 and (bins[1:] > 0).all()
    assert (np.diff(bins.astype(int)) >= 0).all()


def learned_stage(x: np.ndarray, y: np.ndarray, size: int) -> _stage.Stage:
    """A stage that draws `y` (codes) from the bins `x`, alone."""
    target = _stage.Target(1, y.astype(np.uint16), size, True)
    how = _stage.Growing(trees=8, sample=0.6, leaf=8, features=1.0)
    none = {"boosts": (), "rows": None, "rng": np.random.default_rng(0)}
    return _stage.learn(target, [0], x[None].astype(np.uint8), np.zeros(2, bool), how=how, **none)


def test_a_stage_is_tilted_back_to_what_it_learned_where_earlier_parts_are_off() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(1, 9, ROWS)
    y = np.clip(2 * x + rng.integers(-6, 7, ROWS), 1, 20)
    stage = learned_stage(x, y, 21)
    off = np.clip(x[rng.integers(0, ROWS, 100_000)] + (rng.random(100_000) < 0.5), 1, 8)
    bins, codes = (np.stack([off, np.zeros_like(off)]).astype(t) for t in (np.uint8, np.uint16))
    tilted = stage.tilted(bins, codes, np.arange(100_000), seed=5)
    want = np.bincount(stage.trees.donors, minlength=21) / len(stage.trees.donors)
    drawn = [np.bincount(s.draw(bins, codes, seed=9, first=0), minlength=21) / 100_000 for s in (stage, tilted)]
    before, after = (np.abs(d - want).sum() for d in drawn)
    assert after < before / 2


def test_a_tilt_leaves_alone_what_chance_explains_and_what_is_decided() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(1, 9, ROWS)
    drawn = x[rng.integers(0, ROWS, 20_000)]
    stage = learned_stage(x, rng.integers(1, 9, ROWS), 9)
    bins, codes = (np.stack([drawn, np.zeros_like(drawn)]).astype(t) for t in (np.uint8, np.uint16))
    assert stage.tilted(bins, codes, np.arange(20_000), seed=5) is stage
    decided = learned_stage(x, x, 9)
    off = np.where(drawn > 6, 1, drawn)
    bins, codes = (np.stack([off, np.zeros_like(off)]).astype(t) for t in (np.uint8, np.uint16))
    tilted = decided.tilted(bins, codes, np.arange(20_000), seed=5)
    np.testing.assert_array_equal(tilted.draw(bins, codes, seed=2, first=0), off)


def test_in_a_wide_table_a_stage_looks_at_the_parts_that_tell() -> None:
    rng = np.random.default_rng(0)
    bins = rng.integers(1, 9, (300, ROWS)).astype(np.uint8)
    y = (bins[7] + bins[211]) // 2
    target = _stage.Target(300, y.astype(np.uint16), 10, True)
    kept = _stage.telling(target, list(range(300)), bins)
    assert {7, 211} <= set(kept)
    assert kept == sorted(kept) and len(kept) == _stage.MOST_FEATURES
    assert _stage.telling(target, [5, 3], bins) == [5, 3]


def test_the_chance_of_a_code_is_how_often_it_is_drawn() -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(1, 4, ROWS)
    for stage in (
        learned_stage(x, np.clip(x + rng.integers(0, 3, ROWS), 0, 8), 9),
        learned_stage(x, 30 * x + rng.integers(0, 25, ROWS), 130),
    ):
        stage = replace(stage, keep=rng.uniform(0.5, 1, 130).astype(np.float32))
        bins = np.stack([np.full(200_000, 2), np.zeros(200_000)]).astype(np.uint8)
        drawn = np.bincount(stage.draw(bins, bins.astype(np.uint16), seed=1, first=0), minlength=130) / 200_000
        codes = np.arange(stage.size)
        told = stage.chance(bins[:, : stage.size], bins[:, : stage.size].astype(np.uint16), codes)
        assert np.abs(told - drawn[: stage.size]).max() < 0.01


def test_likely_rows_have_a_greater_log_prob_than_shuffled_ones(real: pd.DataFrame) -> None:
    model = la.fit(real, seed=3)
    fresh = frame(seed=8)
    mixed = fresh.assign(county=fresh.county.sample(frac=1, random_state=1).to_numpy(), total=fresh.total + 1)
    told = [model.log_prob(Dataset.of(f, schema=model.schema)) for f in (fresh, mixed)]
    assert all(t.shape == (ROWS,) and np.isfinite(t).all() for t in told)
    assert (told[0] > told[1]).mean() > 0.95


def companions(rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Codes of two nominal parts of 200 levels each: those from 60 to 99 of the first bring a rare one of the second with them."""
    weight = 1 / np.arange(5, 205)
    x, y = rng.choice(200, (2, rows), p=weight / weight.sum())
    tied = (x >= 60) & (x < 100) & (rng.random(rows) < 0.6)
    return x.astype(np.uint16), np.where(tied, x + 80, y).astype(np.uint16)


def test_rare_levels_keep_their_rare_companions() -> None:
    rng = np.random.default_rng(0)
    x, y = companions(20_000, rng)
    real = pd.DataFrame({"first": [f"a{v}" for v in x], "second": [f"b{v}" for v in y]})
    made = la.sample(la.fit(real, seed=1), 20_000, seed=2)
    together = ((real["first"] == "a70") & (real["second"] == "b150")).sum()
    pairs = [(f["first"].str[1:].astype(int) + 80 == f["second"].str[1:].astype(int)).sum() for f in (real, made)]
    assert together > 10
    assert pairs[1] > 0.8 * pairs[0]
    shares = [f["second"].value_counts(normalize=True) for f in (real, made)]
    assert shares[0].sub(shares[1], fill_value=0).abs().sum() / 2 < 0.05


def test_pairs_that_are_put_are_in_the_chance_of_a_code() -> None:
    rng = np.random.default_rng(0)
    x, y = companions(20_000, rng)
    target = _stage.Target(1, y, 200, ordered=False)
    bins = np.minimum(x, 255).astype(np.uint8)[None]
    how = _stage.Growing(trees=4, sample=0.6, leaf=8, features=1.0)
    stage = _stage.learn(target, [0], bins, np.array([True]), how=how, boosts=[], rows=None, rng=rng)
    learned = np.stack([x, y])
    mended = stage.paired(learned, bins, learned, {0: 200, 1: 200}, seed=1)
    assert len(mended.pairs) == 1
    rows = np.repeat([[70, 5]], 40_000, axis=0).T.ravel().astype(np.uint16)
    codes = np.stack([rows, rows])
    drawn = mended.draw(codes.astype(np.uint8)[:1], codes, seed=3, first=0)
    for level, code in ((70, 150), (5, 150), (5, 3)):
        here = rows == level
        told = mended.chance(codes[:1, here].astype(np.uint8), codes[:, here], np.full(here.sum(), code))
        assert told[0] == pytest.approx((drawn[here] == code).mean(), abs=0.02), (level, code)
    again = _stage.Stage.restore(*mended.state())
    np.testing.assert_array_equal(again.draw(codes.astype(np.uint8)[:1], codes, seed=3, first=0), drawn)


def given_context(real: pd.DataFrame, rows: int) -> tuple[object, pd.DataFrame, pd.DataFrame]:
    """A forest with the context town, price and count; the rows asked, and what it completes them to."""
    from lookalike import models

    data = Dataset.of(real)
    forest = models.build("forest", {"context": ("town", "price", "count")}).fit(data, rng=np.random.default_rng(0))
    table, drawn = data.table().slice(0, rows), ["county", "total", "paid", "spike", "side", "flip"]
    for name in drawn:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.nulls(rows, table.schema.field(name).type))
    made = [forest.complete(table, drawn, rng=np.random.default_rng(1)) for _ in range(2)]
    assert made[0].equals(made[1])
    return forest, table.to_pandas(), made[0].to_pandas()


def test_columns_of_the_context_stay_and_decide_the_others(real: pd.DataFrame) -> None:
    forest, asked, made = given_context(real, 2_000)
    for name in ("town", "price", "count"):
        assert made[name].tolist() == asked[name].tolist()
    assert (made.county == made.town.map(real.groupby("town").county.first()).astype(str)).all()
    assert np.allclose(made.total, (made.price * made["count"]).round(2), atol=0.0051)
    assert ((made["count"] > 20) == (made.side == "r")).mean() > 0.99
    assert {forest.codebook_.parts[s.part].column for s in forest.stages_} == {"county", "total", "paid", "spike", "side", "flip"}


def test_a_forest_with_context_draws_only_by_it(real: pd.DataFrame) -> None:
    forest, *_ = given_context(real, 5)
    with pytest.raises(la.errors.CannotError, match="draws by its context"):
        forest.sample(3, rng=np.random.default_rng(0))
    with pytest.raises(la.errors.CannotError, match="'town' is context"):
        forest.complete(Dataset.of(real).table(), ["town"], rng=np.random.default_rng(0))
    with pytest.raises(la.errors.UnknownName, match="did you mean 'town'"):
        la.fit(real, settings={"context": ("twon",)})


def test_a_line_that_always_holds_is_computed_though_a_cell_decides_the_other() -> None:
    x = np.random.default_rng(0).normal(50, 10, ROWS).round(2)
    made = la.sample(la.fit(pd.DataFrame({"x": x, "y": (2 * x + 1).round(2)})), 1_000)
    assert np.allclose(made.y, 2 * made.x + 1, atol=1e-9)


def test_a_share_of_another_number_that_many_rows_have_is_kept() -> None:
    rng = np.random.default_rng(2)
    price = np.exp(rng.normal(3, 0.8, ROWS)).round(2)
    off = rng.random(ROWS) < 0.4
    paid = np.where(off, (0.8 * price).round(2), np.where(rng.random(ROWS) < 0.8, price, np.exp(rng.normal(3, 0.8, ROWS)).round(2)))
    made = la.sample(la.fit(pd.DataFrame({"price": price, "paid": paid})), ROWS)
    assert abs(np.isclose(made.paid, (0.8 * made.price).round(2), atol=1e-9).mean() - off.mean()) < 0.04
    ties = _ties.find_ties(paid, np.ones(ROWS, bool), {0: price}, 2)
    assert [(t.a, t.b) for t in ties] == [(1.0, 0.0), (0.8, 0.0)]
    counts, other = rng.integers(1, 40, (2, ROWS)).astype(float)
    assert all(t.a == 1 for t in _ties.find_ties(counts / 2, np.ones(ROWS, bool), {0: other}, 1))


def stays(n: int, seed: int = 0) -> pd.DataFrame:
    """Stays that end after they begin, if they have ended; amounts paid that are not above those billed; two numbers that go together."""
    rng = np.random.default_rng(seed)
    begun = rng.integers(0, 300, n)
    billed = (20 + rng.integers(1, 8, n) * 60 + rng.normal(0, 20, n)).round(2)
    frame = pd.DataFrame(
        {
            "ward": rng.choice(["a", "b", "c"], n),
            "begun": pd.Timestamp("2015-01-01") + pd.to_timedelta(begun, unit="D"),
            "ended": pd.Timestamp("2015-01-01") + pd.to_timedelta(begun + rng.integers(0, 60, n), unit="D"),
            "billed": billed,
            "paid": (billed * (1 - rng.exponential(0.1, n).clip(max=0.9))).round(2),
            "beside": (billed + rng.normal(0, 10, n)).round(2),
        }
    )
    frame.loc[rng.random(n) < 0.3, "ended"] = pd.NaT
    return frame


@pytest.fixture(scope="module")
def ordered() -> tuple[pd.DataFrame, Forest]:
    frame = stays(3_000)
    return frame, la.fit(frame, seed=0)


def in_order(frame: pd.DataFrame) -> bool:
    return bool(((frame.begun <= frame.ended) | frame.ended.isna()).all() and (frame.paid <= frame.billed).all())


def test_columns_that_are_never_out_of_order_are_not_when_drawn(ordered: tuple[pd.DataFrame, Forest]) -> None:
    real, model = ordered
    names = real.columns.tolist()
    assert {(names[low], names[high]) for low, high in model.orders_} == {("begun", "ended"), ("paid", "billed")}
    drawn = la.sample(model, 20_000, seed=1)
    assert in_order(drawn) and abs(drawn.ended.isna().mean() - 0.3) < 0.03
    lasted = [(f.ended - f.begun).dt.days.median() for f in (real, drawn)]
    assert abs(lasted[0] - lasted[1]) < 5
    assert in_order(la.sample(model, 2_000, plan={"given": {"ward": "a", "paid": {"low": 300}}}, seed=2))


@pytest.mark.parametrize("lacking", [["ended"], ["begun", "paid"], ["billed"]])
def test_what_is_completed_is_in_order_with_what_is_given(ordered: tuple[pd.DataFrame, Forest], lacking: list[str]) -> None:
    real, model = ordered
    part = real.dropna().head(500)
    made = la.steer(model, {"fix": part.assign(**dict.fromkeys(lacking))[real.columns]}, seed=3).rows
    assert in_order(made)
    assert (made.drop(columns=lacking).reset_index(drop=True) == part.drop(columns=lacking).reset_index(drop=True)).all().all()


def test_rows_in_order_are_the_same_on_any_number_of_cores_and_after_keeping(
    ordered: tuple[pd.DataFrame, Forest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model, found = ordered[1], []
    for cores in (1, 3, 8):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        found.append(la.sample(model, 70_000, seed=4))
    la.save(model, tmp_path / "m.lookalike")
    found.append(la.sample(la.load(tmp_path / "m.lookalike"), 70_000, seed=4))
    assert all(found[0].equals(other) for other in found[1:])


@pytest.mark.parametrize("orders", ["no list", [[0]], [[0, 99]], [[1, 1]], [[0, 1]]])
def test_orders_of_a_damaged_file_are_refused(ordered: tuple[pd.DataFrame, Forest], orders: object) -> None:
    model, state = ordered[1], ordered[1].state()
    with pytest.raises(StoreError, match="order"):
        Forest().restore(model.schema, State(card=state.card | {"orders": orders}, arrays=state.arrays))


def test_a_gap_that_leaves_cannot_tell_is_told_of() -> None:
    close = stays(2_000).assign(ended=lambda f: f.begun + pd.to_timedelta(np.arange(2_000) % 9, unit="D"))
    model = Forest().fit(Dataset.of(close[["ward", "begun", "ended"]]), rng=np.random.default_rng(0))
    assert model.trained_["notes"] == ["ended lies close above begun: --rule 'begun <= ended' learns the gap between them"]
    assert Forest().restore(model.schema, model.state()).trained_ == model.trained_
    wide = close.assign(ended=lambda f: f.begun + pd.to_timedelta(np.arange(2_000) % 200, unit="D"))[["begun", "ended"]]
    far = Forest().fit(Dataset.of(wide), rng=np.random.default_rng(0))
    assert len(far.orders_) == 1 and far.trained_ == {"notes": []}
    equal = Forest().fit(Dataset.of(close[["begun"]].assign(ended=close.begun)), rng=np.random.default_rng(0))
    assert len(equal.orders_) == 1 and equal.trained_ == {"notes": []}
    ruled = la.sample(la.fit(close[["ward", "begun", "ended"]], model=la.model("ruled", rules=["begun <= ended"]), seed=0), 1_000)
    assert (ruled.ended - ruled.begun).dt.days.between(0, 8).all()


def test_whole_numbers_that_no_float_holds_are_learned() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"ns": rng.integers(2**54, 2**60, 500), "group": rng.choice(list("ab"), 500)})
    drawn = la.sample(la.fit(rows, model="forest"), 200)
    assert drawn.ns.between(rows.ns.min(), rows.ns.max()).all()
