"""Rules that real rows obey, and the share of synthetic rows that do: found, counted, worst first, and in every view."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike as la
from lookalike.data import Dataset
from lookalike.report import obeyed


def orders(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    goods, freight = rng.gamma(2, 50, n).round(2), rng.gamma(2, 5, n).round(2)
    city = rng.choice(["Bonn", "Köln", "Lyon", "Nice"], n)
    return pd.DataFrame(
        {
            "city": city,
            "country": np.where(np.isin(city, ["Bonn", "Köln"]), "DE", "FR"),
            "goods": goods,
            "freight": freight,
            "total": (goods + freight).round(2),
            "start": start,
            "end": start + pd.to_timedelta(rng.integers(0, 9, n), unit="D"),
        }
    )


def broken(n: int, seed: int) -> pd.DataFrame:
    """Rows of which three in ten have a wrong total, and one in ten ends before it starts."""
    made = orders(n, seed)
    made.loc[: 3 * n // 10 - 1, "total"] += 7
    made.loc[: n // 10 - 1, "end"] = made["start"] - pd.Timedelta(days=3)
    return made


REAL = Dataset.of(orders(2_000, 0))


def tables(**frames: pd.DataFrame) -> dict[str, pa.Table]:
    return {"real": REAL.table()} | {k.replace("_", ": "): Dataset.of(f, schema=REAL.schema).table() for k, f in frames.items()}


def test_each_rule_has_the_share_of_rows_that_obey_worst_first() -> None:
    held = tables(synthetic=broken(1_000, 1), holdout=orders(500, 2), other_b=orders(1_000, 3))
    told = obeyed.rules(held, REAL.schema, REAL.schema.table.names, 0)
    assert set(told) == {"synthetic", "other: b"}
    found = {r["text"]: r for r in told["synthetic"]}
    assert found["total = goods + freight"]["synthetic"] == pytest.approx(70)
    assert found["start <= end"]["synthetic"] == pytest.approx(90)
    assert found["combination(city, country)"]["synthetic"] == 100
    assert [r["synthetic"] for r in told["synthetic"]] == sorted(r["synthetic"] for r in told["synthetic"])
    assert all(r["real"] == r["holdout"] == 100 for r in found.values())
    assert all(r["synthetic"] == 100 for r in told["other: b"])


def test_a_rule_of_few_rows_that_most_others_break_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obeyed, "ROWS", 60)
    told = obeyed.rules(tables(synthetic=orders(100, 1)), REAL.schema, REAL.schema.table.names, 0)
    assert told["synthetic"] and all(r["real"] >= 99 and r["holdout"] is None for r in told["synthetic"])


def test_only_some_columns_of_wide_tables_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obeyed, "COLUMNS", 4)
    told = obeyed.rules(tables(synthetic=broken(400, 1)), REAL.schema, REAL.schema.table.names, 0)
    assert {c for r in told["synthetic"] for c in r["columns"]} <= set(REAL.schema.table.names[:4])
    assert "combination(city, country)" in {r["text"] for r in told["synthetic"]}


@pytest.fixture(scope="module")
def report() -> Any:
    return la.report(orders(400, 0), {"made": broken(400, 1), "whole": orders(400, 3)}, holdout=orders(400, 2), effort="quick")


def test_all_views_tell_of_broken_rules(report: Any) -> None:
    data = report.json()
    assert data["rules"][0]["text"] == "total = goods + freight" and data["rules"][0]["synthetic"] == pytest.approx(70)
    assert all(r["synthetic"] == 100 for r in data["others"][0]["rules"])
    assert "total = goods + freight" in report.text() and "total = goods + freight" in report.markdown()
    page = report.html()
    assert 'id="rules"' in page and "total = goods + freight" in page and "start &lt;= end" in page


def test_the_public_report_has_no_rules(report: Any) -> None:
    public = report.public()
    assert public.json()["rules"] == [] and public.json()["others"][0]["rules"] == []
    views = (public.text(), public.markdown(), public.html())
    assert not any("goods + freight" in view or 'id="rules"' in view for view in views)
