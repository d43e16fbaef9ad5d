"""Rare rows: the share that was asked, by the least change; what is implausible; and copies that are seen for what they are."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.data import Dataset
from lookalike.errors import DataError, LookalikeError, SettingError, UnknownName
from lookalike.rare import Rare, Tilted, copied, plausible, rarity, tilt, weights
from lookalike.schema import Column, Schema, Table


def table(rows: int = 20_000, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    amount = rng.lognormal(0, 1, rows)
    days = [date(2026, 1, 1) + timedelta(int(d)) for d in rng.integers(0, 300, rows)]
    kind = np.where(rng.random(rows) < 0.01, "odd", "plain")
    return pa.table({"amount": amount, "age": rng.integers(18, 90, rows), "day": days, "kind": kind})


@pytest.mark.parametrize(("share", "beyond"), [(0.5, 0.95), (0.9, 0.99), (0.06, 0.95), (0.3, 0.5 + 0.3)])
def test_tails_get_the_share_asked(share: float, beyond: float) -> None:
    free, other = table(), table(seed=1)
    spec = Rare(columns={"amount": "high"}, share=share, beyond=beyond)
    weight = weights(other, spec, reference=free)
    assert weight.shape == (20_000,) and weight.dtype == np.float64 and (weight > 0).all() and (weight <= 1).all()
    amount = other["amount"].to_numpy()
    rare = amount > np.quantile(free["amount"], beyond)
    assert weight[rare].sum() / weight.sum() == pytest.approx(share, abs=0.02)
    kept = amount[np.random.default_rng(2).random(20_000) < weight]
    assert (kept > np.quantile(free["amount"], beyond)).mean() == pytest.approx(share, abs=0.05)


def test_rows_are_kept_by_chance_and_their_share_is_told() -> None:
    tilted = Tilted.of({"columns": {"amount": "both"}, "share": 0.4, "beyond": 0.9}, table())
    drawn = table(seed=1)
    kept = drawn.filter(pa.array(tilted.keep(drawn, rng=np.random.default_rng(0))))
    assert tilted.rare(drawn).mean() == pytest.approx(0.1, abs=0.01)
    assert tilted.rare(kept).mean() == pytest.approx(0.4, abs=0.03)
    assert kept.num_rows / drawn.num_rows == pytest.approx(tilted.weights(drawn).mean(), rel=0.05)
    ranks = np.searchsorted(np.sort(table()["amount"].to_numpy()), kept["amount"].to_numpy()) / 20_000
    assert abs((ranks < 0.05).mean() - (ranks > 0.95).mean()) < 0.03  # both ends alike


def test_the_tilt_is_exponential_in_the_rank() -> None:
    free = np.arange(1_000.0)
    found = tilt(free, Rare(columns={"x": "high"}, share=0.5, beyond=0.95))
    log = np.log(found.weights(free))
    np.testing.assert_allclose(np.diff(log), found.rate / 1_000)
    assert found.rate == pytest.approx(np.log(2) / 0.05, rel=0.01)  # 1 − exp(−0.05 rate) = 0.5
    assert found.effective == pytest.approx(2 / found.rate, rel=0.01)  # (1/rate)² / (1/(2 rate))


def test_rows_alike_in_rank_count_alike() -> None:
    values = table()
    weight = weights(values, Rare(columns={"age": "high"}))
    age = values["age"].to_numpy()
    assert all(len(np.unique(weight[age == a])) == 1 for a in (20, 50, 89))
    assert abs(np.corrcoef(weight, values["amount"].to_numpy())[0, 1]) < 0.03


def test_sides_and_several_columns() -> None:
    t = pa.table({"x": [1.0, 2.0, 3.0, 4.0, 5.0, None], "y": [5, 5, 5, 5, 5, 50], "d": [date(2026, 1, k) for k in range(1, 7)]})
    assert rarity(t, Rare(columns={"x": "high"})).tolist() == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9, 0.0])
    assert rarity(t, Rare(columns={"x": "low"})).tolist() == pytest.approx([0.9, 0.7, 0.5, 0.3, 0.1, 0.0])
    assert rarity(t, Rare(columns={"x": "both"})).tolist() == pytest.approx([0.8, 0.4, 0.0, 0.4, 0.8, 0.0])
    assert rarity(t, Rare(columns={"x": "low", "y": "high"})).tolist() == pytest.approx([0.9, 0.7, 0.5, 5 / 12, 5 / 12, 11 / 12])
    assert rarity(t, Rare(columns={"d": "high"})).argmax() == 5


def test_a_users_score_sees_the_frame() -> None:
    values = table()
    spec = Rare(score=lambda rows: (rows["kind"] == "odd") * 1.0, share=0.5, beyond=0.98)
    weight = weights(values, spec)
    odd = values["kind"].to_numpy(zero_copy_only=False) == "odd"
    assert weight[odd].sum() / weight.sum() == pytest.approx(0.5, abs=0.01)


def test_short_forms_and_files() -> None:
    assert Rare.of("amount") == Rare(columns={"amount": "high"}) == Rare.of({"amount": "high"})
    spec = Rare.of({"columns": {"amount": "both"}, "share": 0.2, "beyond": 0.9})
    assert Rare.of(spec.model_dump()) == spec and Rare.of(spec) is spec
    assert Rare.of(len).score is len and "score" not in Rare.of(len).model_dump()


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({}, SettingError, "columns or a score"),
        (5, SettingError, "does not say what is rare"),
        ({"columns": {"amount": "top"}}, SettingError, "rare.columns.amount"),
        ({"columns": {"amount": "high"}, "shair": 0.5}, UnknownName, "share"),
        ({"columns": {"amount": "high"}, "share": 0.01}, SettingError, "is less"),
        ({"columns": {"amount": "high"}, "share": 1.5}, SettingError, "rare.share"),
        ({"columns": {"amount": "high"}, "score": len}, SettingError, "not both"),
    ],
)
def test_bad_specs_are_refused(given: Any, error: type[LookalikeError], told: str) -> None:
    with pytest.raises(error) as found:
        Rare.of(given)
    assert told in str(found.value)


@pytest.mark.parametrize(
    ("spec", "error", "told"),
    [
        (Rare(columns={"amont": "high"}), UnknownName, "amount"),
        (Rare(columns={"kind": "high"}), SettingError, "no order"),
        (Rare(score=lambda rows: 1.0), SettingError, "shape ()"),
        (Rare(score=lambda rows: rows["kind"]), SettingError, "one number"),
        (Rare(score=lambda rows: np.where(rows["age"] > 80, np.nan, 1)), SettingError, "missing for"),
        (Rare(score=lambda rows: np.ones(len(rows))), SettingError, "equally rare"),
        (Rare(columns={"amount": "high"}, share=0.9999, beyond=0.99999), SettingError, "rare"),
    ],
)
def test_tilts_that_cannot_be_are_refused(spec: Rare, error: type[LookalikeError], told: str) -> None:
    with pytest.raises(error) as found:
        weights(table(1_000), spec)
    assert told in str(found.value)


SCHEMA = Schema(tables=(Table(columns=tuple(Column(name=n, kind="number") for n in "abcd")),))


def points(values: np.ndarray) -> pa.Table:
    return pa.table(dict(zip("abcd", values.T, strict=True)))


def test_rows_off_the_support_are_not_plausible() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(600, 2)) @ np.array([[1, 1, 0, 0], [0, 0, 1, 1]]) + 0.05 * rng.normal(size=(600, 4))  # b is a, d is c
    free = rng.normal(size=(600, 2)) @ np.array([[1, 1, 0, 0], [0, 0, 1, 1]]) + 0.05 * rng.normal(size=(600, 4))
    torn = rng.normal(size=(200, 4))
    data = Dataset.from_arrow({"table": points(real)}, SCHEMA)
    made = points(np.concatenate([free[:200], torn]))
    verdict = plausible(data, made, rng=rng)
    assert verdict.plausible[:200].mean() > 0.95 and verdict.plausible[200:].mean() < 0.5
    assert verdict.account()["not_accepted"] == 0
    pilot = points(np.concatenate([free[200:], rng.normal(size=(400, 4))]))  # a model that tears half of its rows
    judged = plausible(data, made, pilot=pilot, rng=rng)
    assert judged.plausible[:200].mean() > 0.8 and judged.plausible[200:].mean() < verdict.plausible[200:].mean()


def test_copies_of_rare_rows_are_found_and_fresh_rows_are_not() -> None:
    rng = np.random.default_rng(0)
    real, fresh, held = (np.round(rng.normal(size=(n, 4)), 3) for n in (60, 300, 120))
    leak = np.concatenate([fresh[:200], np.repeat(real, 2, axis=0)[:100]])
    one_off = real[rng.integers(0, 60, 300)].copy()
    one_off[:, 0] += 0.5
    report = {
        name: copied(points(real), points(made), points(held), schema=SCHEMA, rng=np.random.default_rng(1))
        for name, made in (("fresh", fresh), ("leak", leak), ("near", one_off))
    }
    fine = report["fresh"]
    assert not fine.copies and not fine.noticed and fine.exact == {"real": 0.0, "held": 0.0}
    assert fine.rows == {"real": 60, "synthetic": 300, "held": 120}
    assert all(0.35 < a["area"] < 0.65 and a["leak"] > a["area"] for a in fine.attacks.values())
    leaked, near = report["leak"], report["near"]
    assert leaked.copies and leaked.noticed and leaked.exact["real"] == pytest.approx(1 / 3) and leaked.attacks["distance"]["area"] > 0.7
    assert near.copies and near.near["real"] == 1.0 > near.exact["real"]
    assert (
        "No more copies than by chance" in fine.text()
        and "more often than rows never seen" in leaked.text()
        and leaked.to_json()["copies"] is True
    )


def test_too_few_rare_rows_are_refused() -> None:
    few = points(np.zeros((3, 4)))
    many = points(np.random.default_rng(0).normal(size=(20, 4)))
    for tables, where in (((few, many, many), "real"), ((many, few, many), "synthetic"), ((many, many, few), "holdout")):
        with pytest.raises(DataError, match="too few") as error:
            copied(*tables, schema=SCHEMA, rng=np.random.default_rng(0))
        assert where in str(error.value)
