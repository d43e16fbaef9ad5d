"""Personal columns in a report: not compared, but looked up, beside what chance gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lookalike.data import Dataset
from lookalike.report import build, fresh
from lookalike.schema import Column, Schema, Table

COLUMNS = (
    Column(name="mail", kind="personal", personal="email"), Column(name="first", kind="personal", personal="first_name"),
    Column(name="id", kind="key"), Column(name="age", kind="integer"),
)  # fmt: skip


def table(mails: range, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    names = rng.choice(["Anna", "Paul", "Max", f"Zoe{seed}"], len(mails), p=[0.5, 0.3, 0.1, 0.1])
    columns = {
        "mail": [f"p{i}@gmx.de" for i in mails],
        "first": names,
        "id": [str(i) for i in mails],
        "age": rng.integers(20, 70, len(mails)),
    }
    return pa.table(columns)


def test_shares_stand_beside_those_of_held_out_rows() -> None:
    tables = {"real": table(range(400), 1), "synthetic": table(range(300, 700), 2), "holdout": table(range(700, 900), 3)}
    mail, first, key = fresh.left_out(COLUMNS, ("age",), tables, {})
    assert (mail["copied"], mail["chance"]) == (0.25, 0.0) and 0.2 < mail["low"] < 0.25
    known = set(tables["real"]["first"].to_pylist())
    for role, share in (("synthetic", first["copied"]), ("holdout", first["chance"])):
        assert share == np.mean([v in known for v in tables[role]["first"].to_pylist()]) > 0.8
    assert key == {"name": "id", "why": "a key: values are made afresh"}
    said = fresh.copied([mail, first, key])
    assert said == ["25.0 % of the synthetic values of the personal column 'mail' are values of real rows, and 0.0 % of the held-out ones."]


def test_no_values_and_no_holdout() -> None:
    tables = {"real": table(range(40), 1), "synthetic": table(range(40), 2)}
    tables["synthetic"] = tables["synthetic"].set_column(0, "mail", pa.nulls(40, pa.string()))
    mail, first, _ = fresh.left_out(COLUMNS, ("age",), tables, {})
    assert mail["copied"] is None and first["chance"] is None and first["copied"] > 0.8
    assert [s.startswith("9") and "'first'" in s for s in fresh.copied([mail, first])] == [True]


def test_a_report_tells_of_copied_values_but_not_in_public() -> None:
    schema = Schema(tables=(Table(columns=COLUMNS),))
    real, copied, made = (
        Dataset.from_arrow({"table": t}, schema) for t in (table(range(80), 1), table(range(80), 2), table(range(80, 160), 2))
    )
    report = build(real, copied, effort="quick", others={"fresh": made})
    entry = report.json()["compared"]["left_out"][0]
    assert entry["name"] == "mail" and entry["copied"] == 1.0
    assert any("'mail'" in note for note in report.json()["notes"]) and "mail" not in report.json()["compared"]["columns"]
    assert report.public().json()["compared"]["left_out"] == [] and report.public().json()["notes"] == []
    clean = build(real, made, effort="quick").json()
    assert clean["compared"]["left_out"][0]["copied"] == 0.0 and not any("'mail'" in note for note in clean["notes"])
