"""The attack harness: it finds what was planted, stays at chance where there is nothing, and says what it cannot say."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

import lookalike as la
from lookalike.compare.frame import Frame, code, stack
from lookalike.data import Dataset
from lookalike.report import attacked as harness
from lookalike.report import danger
from lookalike.report.attacked import BEST, attacked, chosen
from lookalike.report.measure import stage
from lookalike.schema import Column

COLUMNS = (*(Column(name=f"x{j}", kind="number") for j in range(6)), Column(name="place", kind="category"))
KEYS = {"name", "title", "threat", "value", "low", "high", "tpr", "epsilon", "roc", "controls", "informative", "outliers", "rows", "note"}


def table(seed: int, rows: int) -> Frame:
    """Rows that lie near a bent surface, with a level that depends on where."""
    rng = np.random.default_rng(seed)
    t = rng.normal(size=(rows, 2))
    x = np.column_stack([t[:, 0], t[:, 1], t[:, 0] * t[:, 1], t[:, 0] ** 2, t.sum(1), np.abs(t[:, 1])]) + rng.normal(0, 0.3, (rows, 6))
    place = (x[:, 0] > 0).astype(np.int32) + (rng.random(rows) < 0.2)
    values = {f"x{j}": np.round(x[:, j], 3) for j in range(6)} | {"place": place.astype(np.int32)}
    return Frame(COLUMNS, values, {"place": ("a", "b", "c")}, rows)


def attack(train: Frame, synthetic: Frame, holdout: Frame | None, seed: int = 0, **more: object) -> dict[str, dict]:
    frames = {"real": train, "synthetic": synthetic} | ({"holdout": holdout} if holdout is not None else {})
    setting = stage(frames, target=None, rng=np.random.default_rng(seed))
    return {a["name"]: a for a in attacked(setting, seed=seed, **more)}


def test_nothing_is_found_where_there_is_nothing() -> None:
    covered: dict[str, list[bool]] = {}
    found: dict[str, list[float]] = {}
    proven = 0
    for k in range(50):
        out = attack(table(3 * k, 300), table(3 * k + 1, 300), table(3 * k + 2, 660), seed=k)
        for name, a in out.items():
            if a["value"] is not None:
                covered.setdefault(name, []).append(a["low"] <= 0.5 <= a["high"])
                proven += a["epsilon"] > 0
            if a["tpr"]["0.1"]["value"] is not None:
                found.setdefault(name, []).append(a["tpr"]["0.1"]["value"])
                covered.setdefault(f"{name} 10 %", []).append(a["tpr"]["0.1"]["low"] <= 0.1 <= a["tpr"]["0.1"]["high"])
                covered.setdefault(f"{name} 1 %", []).append((a["tpr"]["0.01"]["low"] or 0) <= 0.01 <= (a["tpr"]["0.01"]["high"] or 1))
    assert len(found) >= 6
    for name, inside in covered.items():
        assert np.mean(inside) >= 0.86, name  # 43 of 50: fewer would be rarer than one in a hundred at 95 %
    for name, rates in found.items():
        assert abs(np.mean(rates) - 0.1) < 4 * np.std(rates) / np.sqrt(50) + 0.005, name
    assert proven <= 0.05 * sum(len(v) for k, v in covered.items() if "%" not in k)


def test_an_overfitted_forest_gives_its_rows_away() -> None:
    def bent(seed: int, rows: int = 2_000) -> pa.Table:
        rng, turn = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(3, 6))
        t = rng.normal(size=(rows, 3)) @ turn
        x = np.round(np.sin(t) * 1.5 + 0.3 * t + rng.normal(0, 0.1, t.shape), 3)
        return pa.table({f"x{j}": x[:, j] for j in range(6)})

    train = bent(1)
    learned = la.fit(train, model=la.model("forest", leaf=1, trees=1, sample=1.0, features=1.0, rounds=0, protect=1), seed=0)
    tables = {"train": train, "synthetic": la.sample(learned, 2_000, seed=1), "holdout": bent(2)}
    frames = code(tables, Dataset.of(train).schema.table.columns)
    out = attack(frames["train"], frames["synthetic"], frames["holdout"])
    caught = max(out.values(), key=lambda a: a["tpr"]["0.01"]["value"] or 0)
    assert caught["tpr"]["0.01"]["value"] >= 0.2 and caught["tpr"]["0.01"]["low"] > 0.1
    assert out[BEST]["informative"] and out[BEST]["low"] > 0.6 and out[BEST]["epsilon"] > 1
    assert out[BEST]["outliers"]["rows"] > 0


def test_a_tenth_leaked_is_caught_and_entries_are_plain_json() -> None:
    train, holdout = table(5, 4_000), table(6, 6_600)
    synthetic = stack([table(7, 3_600), train.take(np.arange(400))])
    out = attack(train, synthetic, holdout)
    json.dumps(list(out.values()), allow_nan=False)
    for name, a in out.items():
        assert set(a) >= KEYS and set(a["threat"]) == {"knows", "wants", "strength", "holds"}, name
        assert len(a["roc"]["fpr"]) <= 60
    copies = out["near_copies"]
    assert copies["tpr"]["0.01"]["low"] > 0.05 and copies["tpr"]["0.001"]["low"] > 0.03
    assert copies["controls"]["leak"]["caught"] and copies["controls"]["noise"]["caught"] and not copies["controls"]["fresh"]["caught"]
    assert copies["informative"] and copies["note"] == ""
    assert out[BEST]["rows"]["members"] < copies["rows"]["members"]
    assert out[BEST]["tpr"]["0.001"] == {"value": None, "low": None, "high": None, "note": out[BEST]["tpr"]["0.001"]["note"]}
    assert "2,000" in out[BEST]["tpr"]["0.001"]["note"]


def test_success_is_told_for_members_strangers_and_one_who_holds_real_rows() -> None:
    train = table(8, 600)
    frames = {"real": train, "synthetic": train, "holdout": table(9, 1_500)}
    setting = stage(frames, target=None, rng=np.random.default_rng(0))
    budget = harness.BUDGETS["quick"]
    scene = harness.Scene(setting, budget, np.random.default_rng(0), refit=None, log_prob=None)
    rng = np.random.default_rng(1)
    cast = scene.cast(harness.attacks.load("attribute").THREAT)
    sure = np.where(cast.role == harness.MEMBER, 1.0, rng.random(len(cast.role)) < 0.5)
    hits = {
        ("a", "nearest row"): sure,
        ("a", "trees"): 1 - sure,
        ("a", "real"): np.ones(len(sure)),
        ("b", "trees"): np.full(len(sure), np.nan),
    }
    told = harness.rights.success(hits, cast, np.arange(len(sure)) % 2 == 0)
    assert told["items"][0]["method"] == "nearest row" and told["success"]["members"]["value"] == 1
    assert told["success"]["strangers"]["value"] == pytest.approx(0.5, abs=0.1)
    assert told["success"]["real"]["value"] == 1 and told["success"]["leak"]["low"] > 0.3
    assert told["success"]["risk"]["value"] == pytest.approx(1, abs=1e-6)
    assert told["items"][1]["members"]["value"] is None


def test_members_a_little_moved_are_still_the_same_people() -> None:
    rows = table(10, 400)
    near = harness.moved(rows, np.random.default_rng(0))
    assert 0 < np.abs(near["x0"] - rows["x0"]).mean() < 0.03 * np.ptp(rows["x0"])
    assert 0.97 < (near["place"] == rows["place"]).mean() <= 1


def test_what_cannot_be_judged_says_why() -> None:
    for out in (attack(table(1, 300), table(2, 300), None), attack(table(1, 300), table(2, 300), table(3, 60))):
        assert set(out) == set(chosen("quick"))
        for a in out.values():
            assert a["value"] is None and a["note"] and not a["informative"] and set(a) >= KEYS
    out = attack(table(1, 300), table(2, 300), table(3, 400))
    assert out["likelihood"]["value"] is None and "likelihood" in out["likelihood"]["note"]


def test_a_model_that_tells_likelihoods_is_asked() -> None:
    train = table(11, 500)

    def log_prob(rows: Frame) -> np.ndarray:
        known = {tuple(r) for r in np.column_stack([train["x0"], train["x1"]])}
        return np.array([0.0 if tuple(r) in known else -np.inf for r in np.column_stack([rows["x0"], rows["x1"]])])

    found = attack(train, table(12, 500), table(13, 900), log_prob=log_prob)["likelihood"]
    assert found["value"] == 1 and found["high"] == 1 and found["low"] < 1
    assert found["controls"]["leak"]["caught"] is None and not found["controls"]["fresh"]["caught"] and found["informative"]


def test_a_model_that_cannot_learn_other_rows_costs_one_attack_only() -> None:
    def refit(rows: Frame) -> Frame:
        raise la.errors.DataError("too few rows", where="table", fix="give more")

    found = attack(table(17, 150), table(18, 150), table(19, 330), effort="standard", refit=refit)
    assert found["shadow"]["value"] is None and "too few rows" in found["shadow"]["note"]
    assert found["classifier"]["value"] is not None and found["attribute"]["detail"]["items"]


def test_the_same_seed_gives_the_same_entries() -> None:
    frames = table(14, 400), table(15, 400), table(16, 600)
    assert json.dumps(attack(*frames)) == json.dumps(attack(*frames))


def test_what_the_model_would_tell_is_said_apart_from_what_the_table_tells() -> None:
    def entry(name: str, holds: str, value: float) -> dict:
        rate = {"value": value / 2, "low": value / 2 - 0.02, "high": value / 2 + 0.02}
        threat = {"knows": "", "wants": "membership", "strength": "strong", "holds": holds}
        area = {"value": value, "low": value - 0.02, "high": value + 0.02}
        told = {"tpr": {"0.01": rate}, "epsilon": 1.0, "informative": True, "note": ""}
        return {"name": name, "title": name, "threat": threat, **area, **told}

    table = entry("distance", "table", 0.5) | {"tpr": {"0.01": {"value": 0.01, "low": 0.0, "high": 0.02}}}
    alone, shared = danger.attacked([table, entry("likelihood", "model", 0.97)], given=True)
    assert alone["tone"] == "good" and alone["text"].startswith("The one attack does not do better than chance")
    assert shared["text"].startswith("The one attack tells members")
    assert shared["tone"] == "poor" and "model file" in shared["title"] and "share rows" in shared["text"]
