"""The benchmark of scale: the tables that it makes up, and how its figures become rows."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

import lookalike as la

ROOT = Path(__file__).resolve().parents[2]
CENSUS = ROOT / "src" / "lookalike" / "samples" / "adult.csv.gz"
NAMES = ("made", "scale", "table", "data", "lines", "run", "tools", "rivals", "clock")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The benchmark's modules, which live outside the package and leave no trace behind."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield {name: importlib.import_module(name) for name in ("made", "scale")}
    for name in NAMES:
        sys.modules.pop(name, None)


def test_tables_of_any_size_are_of_one_law(bench: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench["made"], "PIECE", 300)
    for rows, columns in ((700, 12), (700, 40)):
        bench["made"].write(CENSUS, rows, columns, tmp_path / f"{columns}.parquet", seed=0)
    few, many = (pq.read_table(tmp_path / f"{columns}.parquet") for columns in (12, 40))
    assert (few.shape, many.shape) == ((700, 12), (700, 40))
    assert many.select(few.column_names).equals(few), "a wider table begins with the same columns"
    assert {name.partition("_")[0] for name in many.column_names[15:]} == set(bench["made"].KINDS)
    kinds = {c.kind for c in la.schema(tmp_path / "40.parquet").table}
    assert {"number", "integer", "category", "date", "boolean"} <= kinds
    assert many["gaps_8"].null_count > 0


def test_a_figure_is_held_against_what_was_asked(bench: dict[str, ModuleType]) -> None:
    ask = bench["scale"].ASKS[0]
    assert ask.line({ask.cell: {ask.figure: 299.0, "cpu_s": 310.0}}).endswith("| 299 s (310 CPU s) | met |")
    assert ask.line({ask.cell: {ask.figure: 301.0, "cpu_s": 310.0}}).endswith("| 301 s (310 CPU s) | **missed** |")
    assert ask.line({ask.cell: {ask.figure: 900.0, "cpu_s": 200.0}}).endswith("| missed beside other work, met by one core alone |")
    memory = bench["scale"].ASKS[1]
    assert memory.line({memory.cell: {memory.figure: 9_000, "cpu_s": 1.0}}).endswith("| 9,000 MB | **missed** |")
    assert ask.line({}).endswith("| – | not measured |")


def test_the_page_has_a_line_a_size_and_tells_growth(bench: dict[str, ModuleType]) -> None:
    scale = bench["scale"]
    results: dict[str, dict[str, float | str]] = {}
    for size, seconds in (("10000x20", 2.0), ("100000x20", 20.0), ("10000x10", 1.0)):
        results[f"{size}/fit"] = {"seconds": seconds, "cpu_s": seconds, "megabytes": 300, "file_mb": 1.5}
    results["10000x30/fit"] = {"failed": "MemoryError"}
    lines = list(scale.page(results))
    heads = next(line for line in lines if line.startswith("| rows × columns"))
    rows = [line for line in lines if line.count("|") == heads.count("|")]
    assert len(rows) == 2 + len(scale.ROWS) + len(scale.COLUMNS) + 2
    assert next(line for line in rows if line.startswith("| 10,000 × 20 ")).startswith("| 10,000 × 20 | 2.0 | 2.0 | 300 |")
    assert "| MemoryError | – | – |" in next(line for line in rows if line.startswith("| 10,000 × 30 "))
    assert any(line.startswith("| growth of the last step ∝ rows^ | 1.00 | 1.00 | 0.00 |") for line in rows)
