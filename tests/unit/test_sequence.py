"""Sequences: known processes are learned again, and what cannot be learned is refused before work begins."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike as la
from lookalike import models
from lookalike.data import Dataset
from lookalike.encode import Coded
from lookalike.errors import CannotError, DataError, SchemaError, SettingError
from lookalike.models import _chain_cells, _chain_memory, _chain_steps
from lookalike.models._chain import Chain, How
from lookalike.protocol import Model
from lookalike.schema import Column, Schema, Table

OWNERS, STATES = 400, np.array(["u", "v", "w"])
MOVES = np.array([[0.8, 0.2, 0.0], [0.1, 0.7, 0.2], [0.3, 0.0, 0.7]])
PERSIST = 0.8
WAIT = {"a": 2.0, "b": 10.0}
LEVELS = pa.dictionary(pa.int32(), pa.string())
KINDS = {
    "who": "key", "at": "datetime", "group": "category", "born": "date", "state": "category", "level": "number", "count": "integer",
    "reading": "number",
}  # fmt: skip


def process(owners: int = OWNERS, seed: int = 0) -> dict[str, np.ndarray]:
    """Rows of a known law, one owner's after the other's: group b has twice the rows and waits five times as long."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b"], owners)
    sizes = 2 + rng.poisson(np.where(group == "b", 16, 8))
    made: dict[str, list[Any]] = {name: [] for name in KINDS}
    for k in range(owners):
        n, at, state, level = sizes[k], rng.uniform(0, 90 * 24), rng.integers(3), rng.normal()
        born, reading = datetime.date(1950, 1, 1) + datetime.timedelta(int(rng.integers(18_000))), None
        for row in range(n):
            if row:
                at += rng.exponential(WAIT[group[k]])
                state = rng.choice(3, p=MOVES[state])
                level = PERSIST * level + np.sqrt(1 - PERSIST**2) * rng.normal()
            reading = round(rng.normal(50 * (1 + (state == 2)), 4), 2) if reading is None or rng.random() < 0.3 else reading
            values = (f"P-{k:05d}", round(at * 3600) * 1_000_000, group[k], born, STATES[state], round(level, 3), 0, reading)
            for name, value in zip(KINDS, values, strict=True):
                made[name].append(value)
        made["count"][-n:] = np.cumsum(rng.poisson(1.5, n)).tolist()
    return {name: np.array(v) for name, v in made.items()}


def schema(kinds: dict[str, str], subject: str | None = "who", order: str | None = "at") -> Schema:
    columns = tuple(Column(name=n, kind=k, nullable=k not in ("key",)) for n, k in kinds.items())
    return Schema(tables=(Table(name="events", columns=columns, order=order),), subject=subject)


def table(made: dict[str, Any]) -> pa.Table:
    types = {"at": pa.timestamp("us"), "group": LEVELS, "state": LEVELS, "born": pa.date32()}
    arrays = {}
    for name, values in made.items():
        plain = pa.array(values.tolist() if isinstance(values, np.ndarray) else values)
        arrays[name] = plain.cast(types[name]) if name in types else plain
    return pa.table(arrays)


def dataset(made: pa.Table, kinds: dict[str, str] | None = None, **named: Any) -> Dataset:
    chosen = {n: (kinds or KINDS)[n] for n in made.column_names}
    return Dataset.from_arrow({"events": made}, schema(chosen, **named))


@pytest.fixture(scope="module")
def real() -> pa.Table:
    return table(process())


@pytest.fixture(scope="module")
def fitted(real: pa.Table) -> Model:
    return models.build("sequence").fit(dataset(real), rng=np.random.default_rng(1))


@pytest.fixture(scope="module")
def made(fitted: Model) -> pa.Table:
    return fitted.sample(OWNERS, rng=np.random.default_rng(2)).table()


def column(of: pa.Table, name: str) -> np.ndarray:
    """The values of a column as numpy; a moment in hours."""
    values = of[name].combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.string())
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.int64()).to_numpy() / 3.6e9
    return values.to_numpy(zero_copy_only=False)


def pairs(of: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Each value that has one of its owner before it: the one before, and itself."""
    who, values = column(of, "who"), column(of, name)
    after = who[1:] == who[:-1]
    return values[:-1][after], values[1:][after]


def sizes(of: pa.Table) -> dict[str, float]:
    """Mean rows of an owner by group."""
    who, group = column(of, "who"), column(of, "group")
    return {g: (group == g).sum() / len(set(who[group == g])) for g in WAIT}


def test_owners_come_whole_with_fresh_keys(fitted: Model, made: pa.Table, real: pa.Table) -> None:
    who = column(made, "who")
    assert len(set(who)) == OWNERS == 1 + (who[1:] != who[:-1]).sum()
    assert not set(who) & set(column(real, "who")) and all(len(k) == 7 and k.startswith("P-") for k in who)
    later = fitted.sample(50, rng=np.random.default_rng(3), start=OWNERS).table()
    assert not set(column(later, "who")) & set(who)
    assert fitted.statics_ == ("group", "born")
    for name in fitted.statics_:
        before, after = pairs(made, name)
        assert (before == after).all(), name


def test_moves_between_states_are_those_of_the_markov_chain(made: pa.Table) -> None:
    before, after = pairs(made, "state")
    found = np.array([[((before == a) & (after == b)).sum() / (before == a).sum() for b in STATES] for a in STATES])
    assert np.abs(found - MOVES).max() < 0.04
    assert found[MOVES == 0].max() < 0.02


def test_a_level_persists_as_it_did(made: pa.Table) -> None:
    before, after = pairs(made, "level")
    assert np.corrcoef(before, after)[0, 1] == pytest.approx(PERSIST, abs=0.04)
    assert column(made, "level").std() == pytest.approx(1.0, abs=0.08)


def test_how_many_rows_there_are_and_how_long_they_wait_goes_with_the_group(made: pa.Table, real: pa.Table) -> None:
    for g, mean in sizes(real).items():
        assert sizes(made)[g] == pytest.approx(mean, rel=0.08)
    before, after = pairs(made, "at")
    group = pairs(made, "group")[1]
    for g, wait in WAIT.items():
        gaps = (after - before)[group == g]
        assert gaps.mean() == pytest.approx(wait, rel=0.15)
        assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.2)  # exponential


def test_order_rises_strictly_and_counters_never_fall(made: pa.Table, real: pa.Table) -> None:
    before, after = pairs(made, "at")
    assert (after > before).all()
    assert column(real, "at").min() - 24 < before.min() and after.max() <= column(real, "at").max()
    before, after = pairs(made, "count")
    assert (after >= before).all()
    assert (after - before).mean() == pytest.approx(1.5, rel=0.1)


def test_what_is_said_again_is_said_exactly(made: pa.Table, real: pa.Table) -> None:
    shares = [np.mean(np.equal(*pairs(of, "reading"))) for of in (real, made)]
    assert shares[0] == pytest.approx(0.7, abs=0.02)
    assert shares[1] == pytest.approx(shares[0], abs=0.04)


def test_state_restores_the_same_model_and_the_same_seed_the_same_rows(fitted: Model, made: pa.Table) -> None:
    state = fitted.state()
    again = models.build("sequence").restore(fitted.schema, type(state)(json.loads(json.dumps(state.card)), state.arrays))
    assert again.sample(OWNERS, rng=np.random.default_rng(2)).table().equals(made)
    assert not fitted.sample(OWNERS, rng=np.random.default_rng(4)).table().equals(made)


def test_what_is_missing_is_drawn_given_what_came_before(fitted: Model, real: pa.Table) -> None:
    rng = np.random.default_rng(11)
    mixed = table(process(350, seed=12)).slice(0, 4_000)
    holes = rng.random(mixed.num_rows) < 0.3
    lacking = mixed
    for at, name in enumerate(mixed.column_names):
        if name in ("state", "level", "count"):
            empty = pa.array(
                [None if gone else v for gone, v in zip(holes, mixed[name].to_pylist(), strict=True)], mixed.schema.field(at).type
            )
            lacking = lacking.set_column(at, mixed.schema.field(at), empty)
    made = fitted.complete(lacking, ["state", "level", "count"], rng=rng, fill=True)
    assert made.schema == mixed.schema and not any(c.null_count for c in made.columns)
    for name in mixed.column_names:
        kept = np.ones(len(holes), bool) if name not in ("state", "level", "count") else ~holes
        assert made[name].filter(pa.array(kept)).to_pylist() == mixed[name].filter(pa.array(kept)).to_pylist(), name
    told = np.append(False, holes[1:] & ~holes[:-1] & (column(mixed, "who")[1:] == column(mixed, "who")[:-1]))
    assert np.corrcoef(column(made, "level")[told], column(made, "level")[np.flatnonzero(told) - 1])[0, 1] > 0.6
    assert (column(made, "count")[told] >= column(made, "count")[np.flatnonzero(told) - 1]).all()
    moved = (column(made, "state")[np.flatnonzero(told) - 1] == "u") & (column(made, "state")[told] == "w")
    assert moved.mean() < 0.02 and told.sum() > 300
    gone = lacking.set_column(0, "who", pa.array([None, *lacking["who"].to_pylist()[1:]]))
    with pytest.raises(DataError, match=r"events.who: 1 of 4,000 rows lack it"):
        fitted.complete(gone, ["level"], rng=rng)


def test_rows_out_of_order_are_sorted_and_ties_are_told(real: pa.Table, fitted: Model, made: pa.Table) -> None:
    assert fitted.told_ == []
    mixed = real.take(pa.array(np.random.default_rng(5).permutation(real.num_rows)))
    found = models.build("sequence", {"trees": 2}).fit(dataset(mixed), rng=np.random.default_rng(1))
    assert found.told_ == ["rows were sorted by at within each who"]
    short = {"who": "key", "t": "integer"}
    tied = pa.table({"who": [f"P{k:03d}" for k in range(30) for _ in range(3)], "t": [0, 1, 1] * 30})
    found = models.build("sequence").fit(dataset(tied, short, order="t"), rng=np.random.default_rng(1))
    assert found.told_ == ["30 rows have the same t as the row before of their who: they keep the order of the file"]
    drawn = found.sample(20, rng=np.random.default_rng(1)).table()
    assert drawn["t"].to_pylist() == [0, 1, 1] * 20


def test_rows_of_nobody_are_left_out_and_missing_values_follow_one_another() -> None:
    rng = np.random.default_rng(6)
    who = np.repeat(np.arange(100), 20)
    gone = np.repeat(rng.random(100) < 0.5, 20)  # an owner either tells it or does not
    x = [None if g else float(v) for g, v in zip(gone, rng.normal(50, 9, size=2_000).round(2), strict=True)]
    kinds = {"who": "integer", "t": "integer", "x": "number"}
    told = pa.table({"who": pa.array([None if w == 0 else w for w in who]), "t": np.tile(np.arange(20), 100), "x": pa.array(x)})
    model = models.build("sequence", {"trees": 5}).fit(dataset(told, kinds, order="t"), rng=rng)
    assert model.told_ == ["20 rows without who were left out: whose they are is not known"]
    drawn = model.sample(200, rng=rng).table()
    assert drawn["who"].type == pa.int64() and drawn["t"].to_pylist() == [*range(20)] * 200
    missing = drawn["x"].is_null().to_numpy().reshape(200, 20)
    assert np.isin(missing.mean(axis=1), (0, 1)).mean() > 0.95
    assert missing.mean() == pytest.approx(gone.mean(), abs=0.15)
    there = drawn["x"].combine_chunks().drop_null().to_numpy()
    assert there.mean() == pytest.approx(50, abs=1.5) and there.std() == pytest.approx(9, rel=0.1)


def test_a_chain_draws_owners_without_rows_and_keeps_the_order_of_owners() -> None:
    rng = np.random.default_rng(7)
    spec = Table(name="visits", columns=(Column(name="cost", kind="integer"), Column(name="kind", kind="category")))
    home = Table(name="people", columns=(Column(name="age", kind="integer"),))
    age = rng.integers(20, 80, 300)
    counts = rng.integers(0, 5, 300)
    cost = np.repeat(np.where(age > 50, 100, 10), counts) + rng.integers(0, 9, counts.sum())
    rows = pa.table({"cost": cost, "kind": pa.array(rng.choice(["x", "y"], counts.sum())).cast(LEVELS)})
    chain = Chain(home, spec, How(trees=5)).fit(pa.table({"age": age}), rows, counts, rng=rng)
    assert chain.draw(pa.table({"age": age}), np.zeros(300, int), rng=rng).num_rows == 0
    drawn = chain.draw(pa.table({"age": age}), counts, rng=np.random.default_rng(1))
    old = np.repeat(age > 50, counts)
    assert drawn.schema.names == ["cost", "kind"] and drawn.num_rows == counts.sum()
    assert ((drawn["cost"].to_numpy() > 50) != old).mean() < 0.03


def test_memory_sums_up_what_has_been() -> None:
    layout = _chain_memory.Layout(
        sizes=np.array([4, 4]),
        ordered=np.array([True, False]),
        gaps=np.array([True, False]),
        maps=np.tile(np.arange(4, dtype=np.uint8), (2, 1)),
        lags=2,
    )
    codes = np.array([[1, 0, 3, 2, 2], [1, 1, 2, 3, 3]], np.uint16)
    seen = _chain_memory.looking_back(layout, codes, np.array([4, 1]))
    assert seen.shape == (len(layout.about), 5) == (len(layout.nominal), 5)
    assert seen[0].tolist() == [0, 1, 0, 3, 0] and seen[2].tolist() == [0, 0, 1, 0, 0]  # one before, two before
    assert seen[4].tolist() == [0, 1, 1, 3, 0]  # what was last known
    ages = seen[5]
    assert ages[1] == 0 < ages[2] and not seen[:, [0, 4]].any()
    shares = seen[-3:]
    assert shares[:, 3].tolist() == [84, 42, 0]  # two thirds and one third of 126
    assert _chain_memory.active(np.array([3, 1, 1])).tolist() == [3, 1, 1]


def test_steps_are_found_and_lead_where_they_should() -> None:
    x, counts = np.array([1.0, np.nan, 4.0, 7.0, 2.0]), np.array([3, 2])
    np.testing.assert_array_equal(_chain_steps.before(x, counts), [np.nan, 1, 1, np.nan, 7])
    rng = np.random.default_rng(8)
    counts = np.full(20, 200)
    walk, noise = np.cumsum(rng.normal(size=4_000)), rng.normal(size=4_000)
    rising = np.concatenate([np.cumsum(rng.poisson(0.2, 200)) for _ in counts]).astype(float)
    found = [_chain_steps.glides(v, _chain_steps.before(v, counts)) for v in (walk, noise, rising, np.ones(4_000))]
    assert found == [True, False, True, False]
    glide = _chain_steps.Glide(0, 1, 1, 0.0, 5.0)
    assert glide.add(np.array([1.0, 4.9]), np.array([0.26, 3.0]), free=False).tolist() == [1.3, 5.0]


def test_cells_tell_no_value_of_few_owners_and_do_not_coarsen_with_the_number_of_owners() -> None:
    rng = np.random.default_rng(9)
    counts = np.full(40, 100)
    x = rng.normal(size=4_000).round(6)
    x[:100] = 9.123456  # one owner says the same a hundred times
    spec = Table(name="t", columns=(Column(name="x", kind="number"),))
    book = _chain_cells.measured(pa.table({"x": x}), spec, counts, protect=5, cells=255)
    assert book.parts[0].size > 100
    line = book.books[0]["line"]
    assert 9.123456 not in line["value"] and max(line["high"]) <= _chain_cells.shared(x, counts, 5)[1] < 9
    tops = np.sort(x.reshape(40, 100).max(axis=1))
    assert _chain_cells.shared(x, counts, 5)[1] == tops[-5]


def test_where_all_begin_is_drawn_as_it_is_however_far_they_go() -> None:
    owners, length = 40, 600
    rows = pa.table({"count": np.tile(1 + np.arange(length), owners), "level": np.arange(float(owners * length))})
    spec = Table(name="rows", columns=(Column(name="count", kind="integer"), Column(name="level", kind="number")))
    sizes = np.full(owners, length)

    def begins(order: int | None) -> set[int]:
        book = _chain_cells.measured(rows, spec, sizes, protect=5, cells=255, order=order)
        code = book.encode(rows.slice(0, 1)).codes
        made = book.decode(Coded(np.repeat(code, 99, axis=1), np.tile(np.linspace(0, 0.99, 99, dtype=np.float32), (2, 1))))
        return set(made["count"].to_pylist())

    assert begins(0) == {1}
    assert begins(None) > {1}


def refused(made: pa.Table, kinds: dict[str, str] | None = None, **named: Any) -> Exception:
    with pytest.raises((SchemaError, DataError, CannotError)) as caught:
        models.build("sequence").fit(dataset(made, kinds, **named), rng=np.random.default_rng(0))
    return caught.value


def test_what_cannot_be_learned_is_refused(real: pa.Table) -> None:
    few = real.filter(pa.array(np.isin(column(real, "who"), [f"P-{k:05d}" for k in range(9)])))
    one = real.filter(pa.array(column(real, "who") == "P-00000"))
    firsts = np.unique(column(real, "who"), return_index=True)[1]
    gone = real.set_column(1, "at", pa.array([None, None, *real["at"].to_pylist()[2:]], pa.timestamp("us")))
    cases = [
        (refused(real, subject=None), "events: no subject is named", "series"),
        (refused(real, order=None), "events: no column is named that orders", "order"),
        (refused(real, order="who"), "events.who: one column is both", "another column"),
        (refused(real, order="state"), "events.state: rows cannot be put in order by a column of kind 'category'", "numbers, dates"),
        (refused(gone), f"events.at: 2 of {real.num_rows:,} rows have no value", "leave those rows out"),
        (refused(one), f"events.who: all {one.num_rows} rows are of one subject", "series or surrogate"),
        (refused(few), "events.who: there are only 9 subjects", "at least 10"),
        (refused(real.take(pa.array(firsts))), f"events.who: each of the {OWNERS} subjects has one row", "forest"),
    ]
    for error, what, fix in cases:
        assert str(error).startswith(what) and fix in error.fix, error


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="table of owners is none"):
        models.build("sequence", {"inner": "surrogate"})
    with pytest.raises(SettingError, match="cannot learn for itself"):
        models.build("sequence", {"inner": "sequence"})
    with pytest.raises(SettingError, match="not json"):
        models.build("sequence", {"inner_settings": "{"})
    assert models.build("sequence", {"inner_settings": '{"trees": 3}'}).settings.inner_settings == {"trees": 3}


def bills(subjects: int, seed: int = 0) -> pd.DataFrame:
    """Rows of customers whose total is the sum of goods and freight."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 12, subjects)
    n = int(sizes.sum())
    goods, freight = rng.gamma(2, 50, n).round(2), rng.gamma(2, 5, n).round(2)
    return pd.DataFrame(
        {
            "who": np.repeat([f"C{k:04d}" for k in range(subjects)], sizes),
            "day": np.concatenate([np.cumsum(rng.integers(1, 30, k)) for k in sizes]),
            "goods": goods,
            "freight": freight,
            "total": (goods + freight).round(2),
        }
    )


def test_identities_of_a_row_hold_in_rows_that_are_drawn_and_completed(tmp_path: Path) -> None:
    model = la.fit(bills(300), subject="who", order="day", seed=0)
    assert model.exact_.texts == ("total = goods + freight",)
    for one in (model, la.load(la.save(model, tmp_path / "m.lookalike"))):
        drawn = la.sample(one, 100, seed=1)
        assert np.allclose(drawn.total, drawn.goods + drawn.freight, atol=0.0051)
        table = Dataset.of(drawn, schema=one.schema).table()
        table = table.set_column(table.column_names.index("total"), "total", pa.nulls(table.num_rows, pa.float64()))
        made = one.complete(table, ["total"], rng=np.random.default_rng(0), fill=True)
        assert np.allclose(made["total"].to_numpy(), drawn.total, atol=0.0051)
        assert abs(drawn.total.mean() - bills(300).total.mean()) < 0.1 * bills(300).total.mean()
