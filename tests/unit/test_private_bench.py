"""The private benchmark's own arithmetic: what is told to the tools, how marginals are compared, and what becomes a verdict."""

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

from lookalike.schema import Schema

BENCH = Path(__file__).resolve().parents[2] / "benchmarks"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
NAMES = ("data", "lines", "tools", "rivals", "table", "facts", "prepared", "margins", "wide", "sheet")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The benchmark's modules, which live outside the package and leave no trace behind."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.syspath_prepend(str(BENCH / "private"))
    yield {name: importlib.import_module(name) for name in NAMES}
    for name in NAMES:
        sys.modules.pop(name)


@pytest.fixture
def facts(bench: dict[str, ModuleType]) -> dict[str, Any]:
    """A column of each kind."""
    fact = bench["facts"].Fact
    return {
        "few": fact(kind="integer", low=0, high=9),
        "many": fact(kind="integer", low=0, high=1000, nullable=True),
        "size": fact(kind="number", low=0, high=1, decimals=2),
        "label": fact(kind="category", levels=("1", "2", "a"), nullable=True),
    }


@pytest.fixture
def table() -> pd.DataFrame:
    """Four thousand rows within these facts."""
    rng = np.random.default_rng(0)
    rows = 4_000
    many = pd.Series(np.minimum(np.round(rng.exponential(20, rows)), 1000)).where(rng.random(rows) > 0.1)
    label = pd.Series(rng.choice(["1", "2", "a"], rows, p=[0.6, 0.3, 0.1])).where(rng.random(rows) > 0.05)
    return pd.DataFrame({"few": rng.integers(0, 10, rows), "many": many, "size": np.round(rng.random(rows), 2), "label": label})


def test_integers_with_few_values_have_a_bin_each(facts: dict[str, Any]) -> None:
    assert facts["few"].grid(32) == (-0.5, 9.5, 10)
    assert facts["many"].grid(32) == (0, 1000, 32)
    assert facts["size"].grid(32) == (0, 1, 32)


def test_codes_that_look_like_numbers_stay_text_and_only_the_empty_cell_is_missing(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("code,size\n1,5\n02,\n,7\nNA,8\n")
    fact = bench["facts"].Fact
    frame = bench["facts"].read(path, {"code": fact(kind="category"), "size": fact(kind="integer", high=9)})
    assert frame["code"].fillna("-").tolist() == ["1", "02", "-", "NA"]
    assert frame["size"].isna().tolist() == [False, True, False, False]


def test_tidy_rows_have_the_public_decimals_and_bounds(bench: dict[str, ModuleType], facts: dict[str, Any]) -> None:
    raw = pd.DataFrame({"label": ["a"], "size": [0.123456], "many": [1234.5], "few": ["3.4"], "more": [1]})
    made = bench["facts"].tidy(raw, facts)
    assert list(made) == list(facts)
    assert made.iloc[0].tolist() == [3, 1000, 0.12, "a"]
    assert str(made["many"].dtype) == "Int64"


def test_distances_are_nothing_to_itself_and_known_where_a_share_of_a_label_moves(
    bench: dict[str, ModuleType], facts: dict[str, Any], table: pd.DataFrame
) -> None:
    margins = bench["margins"]
    assert set(margins.distances(table, table, facts).values()) == {0.0}
    moved = table.assign(label=table["label"].where(table["label"] != "a", "never seen"))
    real, made = (margins.coded(frame, facts, table, even=False) for frame in (table, moved))
    share = (table["label"] == "a").mean()
    assert margins.variation(real, made, ("label",)) == pytest.approx(share)
    assert margins.variation(real, made, ("few", "label")) == pytest.approx(share)
    assert margins.variation(real, made, ("few", "many")) == 0.0
    assert margins.variation(*(margins.coded(f, facts, table, even=False) for f in (table, table.assign(label=None))), ("label",)) > 0.9


def test_dependence_that_is_broken_shows_in_pairs_alone(bench: dict[str, ModuleType], facts: dict[str, Any], table: pd.DataFrame) -> None:
    margins, rng = bench["margins"], np.random.default_rng(1)
    tied = table.assign(label=np.where(table["few"] < 5, "1", "2"))
    loose = tied.assign(label=rng.permutation(tied["label"]))
    real, made = (margins.coded(frame, facts, tied, even=False) for frame in (tied, loose))
    assert margins.variation(real, made, ("label",)) == pytest.approx(0.0)
    assert margins.variation(real, made, ("few", "label")) == pytest.approx(0.5, abs=0.03)


def test_bins_of_equal_share_see_what_bins_of_equal_width_do_not(
    bench: dict[str, ModuleType], facts: dict[str, Any], table: pd.DataFrame
) -> None:
    margins = bench["margins"]
    flat = table.assign(many=table["many"].mask(table["many"] <= 31, 15))
    one = {}
    for even in (False, True):
        real, made = (margins.coded(frame, facts, table, even=even) for frame in (table, flat))
        one[even] = margins.variation(real, made, ("many",))
        codes, size = real["many"]
        assert (codes == 0).mean() == table["many"].isna().mean()
        assert codes.max() == size - 1 if even else codes.max() < size
    assert one[False] < 0.01
    assert one[True] > 0.5
    shares = np.bincount(margins.coded(table, facts, table, even=True)["size"][0])[1:] / len(table)
    assert shares == pytest.approx(np.full(16, 1 / 16), abs=0.012)


def test_triples_are_chosen_once_and_for_all(bench: dict[str, ModuleType]) -> None:
    names = [f"c{i}" for i in range(20)]
    assert len(bench["margins"].chosen(names, 2)) == 190
    triples = bench["margins"].chosen(names, 3)
    assert len(set(triples)) == 300
    assert triples == bench["margins"].chosen(names, 3)
    assert len(bench["margins"].chosen(names[:5], 3)) == 10


def test_the_wide_table_keeps_to_its_facts_and_its_rows_differ_while_its_law_does_not(bench: dict[str, ModuleType]) -> None:
    frame, facts = bench["wide"].made(2_000, 30, 0)
    other, same = bench["wide"].made(2_000, 30, 1)
    assert facts == same and not frame.equals(other)
    assert frame.equals(bench["wide"].made(2_000, 30, 0)[0])
    numbers = [name for name, known in facts["columns"].items() if known["kind"] == "integer"]
    assert len(numbers) == 12
    for name, known in facts["columns"].items():
        assert frame[name].between(known["low"], known["high"]).all() if name in numbers else set(frame[name]) <= set(known["levels"])
    strong = frame[numbers].corr(method="spearman").abs().to_numpy()[np.triu_indices(12, 1)]
    assert (strong > 0.2).sum() >= 5
    assert frame[numbers].mean().to_numpy() == pytest.approx(other[numbers].mean().to_numpy(), rel=0.1)


@pytest.mark.parametrize("name", ["adult", "credit_default", "acs_ma2019"])
def test_public_facts_hold_and_name_every_column(bench: dict[str, ModuleType], name: str, tmp_path: Path) -> None:
    prepared, facts = bench["prepared"], bench["facts"].load(bench["prepared"].known(name))
    assert prepared.SETS[name].target in facts
    assert prepared.judged(name).cats == tuple(c for c in facts if facts[c].kind == "category")
    for known in facts.values():
        assert known.low < known.high if known.numeric else len(set(known.levels)) == len(known.levels) > 1
        assert bool(known.why) == known.numeric
    if not SHARED.is_dir():
        pytest.skip(f"no real tables at {SHARED.name}: whether the facts hold is not checked")
    sizes = prepared.prepare(name, SHARED, tmp_path, most=3_000)
    assert sizes["columns"] == len(facts)
    for part in ("train", "holdout"):
        frame = bench["facts"].read(tmp_path / f"{part}.csv", facts)
        for column, known in facts.items():
            seen = frame[column].dropna()
            assert seen.between(known.low, known.high).all() if known.numeric else set(seen) <= set(known.levels), column
            assert known.nullable or len(seen) == len(frame), column


def test_lookalike_is_told_all_that_a_private_fit_asks_for(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    from lookalike.privacy import domain

    spec = importlib.util.spec_from_file_location("tool", BENCH / "peers" / "lookalike.py")
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    frame, facts = bench["wide"].made(300, 6, 0)
    frame.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    schema = peer.declared(tmp_path / "train.csv", tmp_path / "facts.json")
    assert isinstance(schema, Schema)
    assert domain.undeclared(schema) == []
    assert [c.low for c in schema.table][:2] == [0.0, 0.0]
    assert schema.table["c005"].levels == tuple(facts["columns"]["c005"]["levels"])


def cells(fit: float, error: float, **more: Any) -> dict[str, Any]:
    """One run as it is kept."""
    distances = {f"{grid}_{ways}": error * ways for grid in ("width", "share") for ways in (1, 2, 3)}
    score = {"c2st_auc_hold": 0.6, "tstr": 0.9, "dcr_share": 0.5}
    return {"fit_s": fit, "fit_cpu_s": 2 * fit, "draw_s": 1.0, "process_mb": 300, "error": distances, "score": score, "busy": 0.0, **more}


def results() -> dict[str, Any]:
    """Findings, small: one rival that is better and slow, one that is worse, one that did not get through."""
    found: dict[str, Any] = {"adult/sizes": {"rows": 9, "columns": 3, "unseen": 4}, "adult/ceiling": cells(0, 0.1)}
    found |= {f"adult/marginals/1/{seed}": cells(2.0, 1.0 + seed / 10, versions={"x": "1"}) for seed in range(3)}
    found |= {"adult/dpmm-mst/1/0": cells(30.0, 1.5, busy=0.5), "adult/smartnoise-mst/1/0": cells(5.0, 9.0, note="noted")}
    found |= {"adult/dpmm-aim/1/0": {"failed": "fit not done in 240 s"}}
    return found | {"adult/marginals/1000/0": cells(2.0, 0.3), "adult/open-forest/open/0": cells(1.0, 0.2)}


def test_the_verdict_is_by_the_best_rival_on_both_grids_and_its_time(bench: dict[str, ModuleType]) -> None:
    sheet, found = bench["sheet"], results()
    assert sheet.asked(found, "adult", 1.0)[-1] == "met; not measured: mostlyai-engine with DP, smartnoise-synth AIM"
    found |= {f"adult/{tool}/1/0": {"failed": "fit not done in 240 s"} for tool in ("mostlyai", "smartnoise-aim")}
    said = sheet.asked(found, "adult", 1.0)
    assert said == ["adult", "1", "2.20", "3.00 (dpmm MST)", "2.20", "3.00 (dpmm MST)", "15.0 ×", "met"]
    assert sheet.faster([cells(2.0, 1.0)], [cells(30.0, 1.0, fit_cpu_s=2.0)]) == 15.0
    assert sheet.faster([cells(2.0, 1.0)], [cells(30.0, 1.0, fit_cpu_s=2.0, busy=0.5)]) == 0.5
    found["adult/marginals/1/0"]["fit_cpu_s"] = 120.0
    assert sheet.asked(found, "adult", 1.0)[-1] == "**below** (time)"
    for ways in (1, 2, 3):
        found["adult/dpmm-mst/1/0"]["error"][f"share_{ways}"] = 0.5
    assert sheet.asked(found, "adult", 1.0)[-1] == "**below** (even bins, time)"
    assert sheet.asked(found, "adult", 1000.0)[-1] == "not measured"
    assert sheet.asked(found, "adult", 3.0) is None


def test_seconds_of_two_machines_are_not_compared(bench: dict[str, ModuleType]) -> None:
    sheet, found = bench["sheet"], results()
    for key, cell in found.items():
        cell["machine"] = "x" if "marginals" in key else "y"
    assert sheet.faster([found["adult/marginals/1/0"]], [found["adult/dpmm-mst/1/0"]]) is None
    times, said = sheet.asked(found, "adult", 1.0)[-2:]
    assert (times, said.partition("; not measured")[0]) == ("–", "nearer; time: measured on different machines")
    for ways in (1, 2, 3):
        found["adult/dpmm-mst/1/0"]["error"][f"share_{ways}"] = 0.5
    assert sheet.asked(found, "adult", 1.0)[-1].startswith("**below** (even bins); time: measured on different machines")


def test_pages_show_mean_and_range_and_why_a_tool_has_no_figures(bench: dict[str, ModuleType]) -> None:
    sheet, found = bench["sheet"], results()
    text = sheet.page(found)
    assert "| 1 | lookalike, `marginals` | 3 | 2.0 (2.0 to 2.0) | 4.0 | 1.00 (1.00 to 1.00) | 300 | 1.10 (1.00 to 1.20) |" in text
    assert "| 1 | dpmm AIM | fit not done in 240 s | – |" in text
    assert "dpmm MST | 1 | 30.0* |" in text
    assert "| 1 | smartnoise-synth MST (noted) | 1 |" in text
    assert text.index("| 1000 | lookalike, `marginals` |") < text.index("| – | lookalike, `forest`, not private |")
    assert "| adult | 1000 |" not in text
    found |= {"wide/sizes": {"rows": 9, "columns": 3}, "wide/ceiling": cells(0, 0.1), "wide/marginals/1/0": cells(301.0, 0.5)}
    assert "**missed**" in sheet.page(found)
    for above, line in pairwise(sheet.page(found).splitlines()):
        if above.startswith("|") and line.startswith("|"):
            assert above.count("|") == line.count("|"), line


def test_the_document_has_the_marks_and_every_tool_has_its_script_and_environment(bench: dict[str, ModuleType]) -> None:
    text = (BENCH.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert all(text.count(mark) == 1 for mark in bench["sheet"].MARKS)
    for tool in bench["sheet"].TOOLS.values():
        assert (BENCH / "peers" / f"{tool.script}.py").is_file()
        assert not tool.env or (BENCH / "peers" / f"{tool.env}.txt").is_file()
