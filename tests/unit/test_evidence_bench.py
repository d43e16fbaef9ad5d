"""The evidence benchmark's own arithmetic: what is planted is planted and nothing else, and what "notices" means."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

BENCH = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ("data", "sets", "flaws", "notice", "pages", "prepare", "cost")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The benchmark's modules, which live outside the package and leave no trace behind."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.syspath_prepend(str(BENCH / "evidence"))
    yield {name: importlib.import_module(name) for name in NAMES}
    for name in NAMES:
        sys.modules.pop(name)


@pytest.fixture
def table() -> pd.DataFrame:
    """Four thousand rows of labels, numbers, dates and missing cells that depend on each other."""
    rng = np.random.default_rng(0)
    rows = 4_000
    group = rng.choice(["a", "b", "c", "rare"], rows, p=[0.5, 0.29, 0.2, 0.01])
    size = np.round(rng.gamma(2, 10, rows) + 20 * (group == "b"), 1)
    near = np.round(size + rng.normal(0, 3, rows), 2)
    label = np.where(rng.random(rows) < 1 / (1 + np.exp((size - 30) / 8)), "no", "yes")
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), "D")
    paid = pd.Series(rng.integers(0, 5, rows).astype(float)).where(pd.Series(label) == "yes")
    return pd.DataFrame({"group": group, "size": size, "near": near, "label": label, "day": day.strftime("%Y-%m-%d"), "paid": paid})


@pytest.fixture
def plan(bench: dict[str, ModuleType]) -> Any:
    """What the flaws do to it."""
    pair = bench["sets"].Pair
    return bench["sets"].Plan(
        target="label", about="", strong=pair(first="size", second="near", keep=("label",)),
        weak=pair(first="group", second="label", keep=("size",)), level=("group", "rare"), tails=("size",), flip=("label", "yes", "no"),
        group={"group": "c"}, dates={"day": "%Y-%m-%d"}, shift=30, holes=("paid",),
    )  # fmt: skip


@pytest.fixture
def flawed(bench: dict[str, ModuleType], table: pd.DataFrame, plan: Any) -> dict[str, pd.DataFrame]:
    """Every flawed table, and the clean parts under their own names."""
    parts = bench["sets"].cut(table, np.random.default_rng(1), rows=900)
    made = {name: flaw.make(parts, plan, np.random.default_rng(2)) for name, flaw in bench["flaws"].FLAWS.items()}
    return made | parts._asdict()


def equal_rows(frame: pd.DataFrame, other: pd.DataFrame) -> int:
    """Rows of the first that the other has too."""
    known = set(map(tuple, other.astype(str).to_numpy()))
    return sum(row in known for row in map(tuple, frame.astype(str).to_numpy()))


def test_parts_are_disjoint_and_a_table_too_small_is_refused(bench: dict[str, ModuleType], table: pd.DataFrame) -> None:
    numbered = table.assign(row=range(len(table)))
    parts = bench["sets"].cut(numbered, np.random.default_rng(0), rows=1_000)
    assert sorted(pd.concat(parts)["row"]) == list(range(4_000))
    with pytest.raises(ValueError, match="cannot be cut"):
        bench["sets"].cut(numbered, np.random.default_rng(0), rows=1_001)


def test_flawed_tables_keep_rows_columns_and_types(flawed: dict[str, pd.DataFrame], bench: dict[str, ModuleType]) -> None:
    for name in bench["flaws"].FLAWS:
        assert flawed[name].shape == flawed["clean"].shape, name
        assert list(flawed[name].dtypes) == list(flawed["clean"].dtypes), name
        assert not flawed[name].equals(flawed["clean"]), name


def test_columns_stay_whole_where_only_dependence_is_broken(flawed: dict[str, pd.DataFrame]) -> None:
    for name in ("shuffled", "strong_pair", "weak_pair"):
        for column in flawed["clean"]:
            counts = [flawed[n][column].value_counts(dropna=False).to_dict() for n in (name, "clean")]
            assert str(sorted(counts[0].items(), key=str)) == str(sorted(counts[1].items(), key=str)), (name, column)
    assert flawed["clean"][["size", "near"]].corr().iloc[0, 1] > 0.95
    assert flawed["strong_pair"][["size", "near"]].corr().iloc[0, 1] < 0.6
    by_label = [flawed[n].groupby("label")["near"].mean() for n in ("strong_pair", "clean")]
    assert by_label[0].to_numpy() == pytest.approx(by_label[1].to_numpy())


def test_what_is_dropped_is_gone_and_what_takes_its_place_is_fresh(flawed: dict[str, pd.DataFrame]) -> None:
    assert (flawed["clean"]["group"] == "rare").any()
    assert not (flawed["rare_level"]["group"] == "rare").any()
    low, high = flawed["train"]["size"].quantile([0.02, 0.98])
    assert flawed["tails"]["size"].between(low, high).all()
    for name in ("rare_level", "tails"):
        assert equal_rows(flawed[name], flawed["train"]) <= equal_rows(flawed["clean"], flawed["train"])
        assert equal_rows(flawed[name], pd.concat([flawed["clean"], flawed["spare"]])) == 900


def test_copies_are_as_many_as_planted(flawed: dict[str, pd.DataFrame], bench: dict[str, ModuleType]) -> None:
    by_nature = equal_rows(flawed["clean"], flawed["train"])
    for name, many in (("copies_1", 9), ("copies_10", 90), ("outliers", 9)):
        assert many <= equal_rows(flawed[name], flawed["train"]) <= many + by_nature
    odd = bench["flaws"].surprise(flawed["train"])
    copied = flawed["train"].iloc[np.argsort(-odd)[:9]]
    assert equal_rows(copied, flawed["outliers"]) == 9
    assert (copied["group"] == "rare").mean() > 5 * (flawed["train"]["group"] == "rare").mean()


def test_noise_is_small_and_smooth_is_narrow(flawed: dict[str, pd.DataFrame]) -> None:
    train, noise = (flawed[n].sort_values(["day", "size"])["size"].std() for n in ("train", "noise"))
    assert noise == pytest.approx(train, rel=0.02)
    assert equal_rows(flawed["noise"], flawed["train"]) < 90
    assert flawed["smooth"]["near"].std() < flawed["clean"]["near"].std()
    assert flawed["collapse"].round(0).duplicated().mean() > flawed["clean"].round(0).duplicated().mean()


def test_missing_cells_are_as_many_but_elsewhere(flawed: dict[str, pd.DataFrame]) -> None:
    clean, moved = flawed["clean"], flawed["missing"]
    assert moved["paid"].isna().sum() == clean["paid"].isna().sum()
    assert clean["paid"].isna()[clean["label"] == "no"].all()
    assert 0 < moved["paid"].isna()[moved["label"] == "yes"].sum()


def test_labels_flip_in_their_group_alone_and_dates_are_late(flawed: dict[str, pd.DataFrame]) -> None:
    changed = flawed["flipped"]["label"] != flawed["clean"]["label"]
    assert (changed == (flawed["clean"]["group"] == "c")).all()
    gap = pd.to_datetime(flawed["dates"]["day"]) - pd.to_datetime(flawed["clean"]["day"])
    assert (gap == pd.Timedelta(days=30)).all()


def test_a_flaw_that_a_table_has_no_place_for_is_not_planted(bench: dict[str, ModuleType]) -> None:
    plans, flaws = bench["sets"].PLANS, bench["flaws"]
    assert not flaws.fits(flaws.FLAWS["dates"], plans["adult"])
    assert flaws.fits(flaws.FLAWS["dates"], plans["airbnb_nyc"])
    assert set(bench["pages"].TITLES) == set(flaws.FLAWS)


def test_a_figure_notices_beyond_the_widened_range_of_the_clean_tables(bench: dict[str, ModuleType]) -> None:
    notice = bench["notice"]
    clean = [{"score": 0.90 + 0.01 * i, "same": 1.0, **({"often": 1.0} if i else {})} for i in range(4)]
    bounds = notice.ranges(clean)
    assert bounds["score"] == pytest.approx((0.87, 0.96))
    assert bounds["same"] == pytest.approx((0.999, 1.001))
    assert "often" not in bounds
    assert notice.beyond({"score": 0.88, "same": 1.0, "often": 0.0}, bounds) == []
    assert notice.beyond({"score": 0.86, "same": 0.9}, bounds) == ["same", "score"]
    assert notice.false_alarms([{"a": 1.0}, {"a": 1.1}, {"a": 1.2}, {"a": 9.0}]) == [[], [], [], ["a"]]


def test_the_verdict_notices_with_any_statement_that_is_not_good(bench: dict[str, ModuleType]) -> None:
    report = {"verdict": [{"tone": t, "title": t.upper()} for t in ("good", "open", "fair", "poor")], "scores": []}
    assert bench["notice"].words(report) == ["FAIR (fair)", "POOR (poor)"]
    report["scores"] = [{"name": "shape", "value": 1.0, "flagged": [{"name": "age"}]}, {"name": "c2st", "value": None}]
    assert bench["notice"].marks(report) == ["shape: age"]
    assert bench["notice"].beside(["FAIR (fair)", "POOR (poor)"], ["FAIR (fair)", "POOR (fair)"]) == ["POOR (poor)"]
    assert bench["notice"].readings(report) == {"shape": 1.0}


def test_growth_is_the_exponent(bench: dict[str, ModuleType]) -> None:
    assert bench["notice"].power([10.0, 30.0, 100.0], [5.0, 15.0, 50.0]) == pytest.approx(1.0)
    assert bench["notice"].power([10.0, 100.0], [1.0, 100.0]) == pytest.approx(2.0)
    assert bench["notice"].power([10.0], [1.0]) is None


def results(pages: ModuleType) -> dict[str, Any]:
    """Findings of each part, small."""
    good = {"verdict": [{"tone": "good", "title": "All"}], "scores": [{"name": "shape", "value": 1.0, "tested": 5, "flagged": []}]}
    bad = {"verdict": [{"tone": "poor", "title": "Copies | rows"}], "scores": [{"name": "shape", "value": 9.0}]}
    tables: dict[str, Any] = {
        f"clean_{i}": {"lookalike": {"report": good}, "sdmetrics": {"figures": {"report quality": 0.9 + i / 100}}} for i in range(4)
    }
    tables |= {"copies_1": {"lookalike": {"report": bad, "versions": {"x": "1"}}, "sdmetrics": {"failed": "MemoryError"}}, "rows": 2_000}
    attack = {
        "title": "Nearest", "value": 0.6, "low": 0.55, "high": 0.65, "epsilon": 0.1, "informative": True,
        "tpr": {"0.01": {"value": 0.1, "low": 0.05, "high": 0.2}, "0.1": {"value": None, "note": "few"}},
    }  # fmt: skip
    case = {"name": "rate", "known": "formula", "truth": 0.5, "mean": 0.5, "repeats": 400, "held": 380, "held_mean": 381, "width": 0.1}
    skills = {"repeats": 4, "rows": 500, "asked": {"shape": 4}, "held": {"shape": 3}}
    forests = {
        "default": {"attacks": [attack], "rows": 9, "copies": 0.0},
        "fresh 0": {"attacks": [attack]},
        "fresh 1": {"attacks": [attack]},
    }
    found: dict[str, Any] = {
        "flaws/adult": pages.seen(tables),
        "cost/lookalike quick 1000": {"seconds": 2.0, "megabytes": 300, "page_mb": 1.5},
        "cost/sdmetrics 1000": {"failed": "MemoryError"},
        "intervals": {"found": {"rate": case, "skills": skills}},
        "attacks": {"found": forests},
    }
    return {part: f | {"date": "2026-01-01", "machine": "2 cores (x), 8 GB"} for part, f in found.items()}


def test_pages_count_hits_and_false_alarms_and_every_row_has_its_cells(bench: dict[str, ModuleType]) -> None:
    pages = bench["pages"]
    found = json.loads(json.dumps(results(pages)))
    text = "\n\n".join(pages.drawn(part, found) for part in pages.SECTIONS)
    assert text.count("Measured 2026-01-01 on 2 cores (x), 8 GB.") == len(pages.SECTIONS)
    assert pages.drawn("cost", {"attacks": found["attacks"]}) == "", "a part that is not known is not drawn"
    assert "| lookalike, its verdict | 1 of 1 | 0 of 4 | 0 % (0 to 49) |" in text
    assert "**yes**: Copies ¦ rows (poor)" in text
    assert "| SDMetrics, its two reports | not measured | 0 of 4 |" in text
    assert "95.0" in text and "MemoryError" in text
    lines = text.splitlines()
    for above, line in pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            assert above.count("|") == line.count("|"), line
    assert "lookalike: x 1." in lines


def test_the_document_has_the_marks_and_names_every_tool(bench: dict[str, ModuleType]) -> None:
    text = (BENCH.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    marks = [mark for part in bench["pages"].SECTIONS for mark in bench["pages"].placed(part)]
    assert sorted(marks, key=text.index) == marks and all(text.count(mark) == 1 for mark in marks)
    assert {p.stem for p in (BENCH / "evidence" / "judges").glob("*.py")} == {"lookalike", "sdmetrics", "mostlyai_qa"}


def test_wide_tables_have_their_columns_and_real_rows(bench: dict[str, ModuleType], table: pd.DataFrame) -> None:
    wide = bench["cost"].widened(table, 10, np.random.default_rng(0))
    assert wide.shape == (4_000, 10)
    assert wide.iloc[:, :6].equals(table)
    assert sorted(wide["Neighbour: size"]) == sorted(table["size"])
    assert bench["cost"].parts(100, 250) == (100, 100, 50)
