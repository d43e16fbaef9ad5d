"""The benchmark's own arithmetic: how tables are cut and how figures become rows."""

from __future__ import annotations

import datetime
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from lookalike import models

BENCH = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ("data", "tools", "lines", "rivals", "table", "clock", "run")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The benchmark's modules, which live outside the package and leave no trace behind."""
    monkeypatch.syspath_prepend(str(BENCH))
    yield {name: importlib.import_module(name) for name in NAMES}
    for name in NAMES:
        sys.modules.pop(name)


def test_cut_is_repeatable_and_keeps_each_subject_on_one_side(bench: dict[str, ModuleType]) -> None:
    frame = pd.DataFrame({"who": [i // 3 for i in range(300)], "x": range(300)})
    real = bench["data"].Real(path="", target="x", about="", subject="who")
    train, test = bench["data"].cut(frame, real)
    assert not set(train["who"]) & set(test["who"])
    assert (len(train), len(test)) == (201, 99)
    assert train.equals(bench["data"].cut(frame, real)[0])


def test_moments_are_days_for_the_judge_and_missing_stays_missing(bench: dict[str, ModuleType]) -> None:
    frame = pd.DataFrame({"when": ["1970-01-02 12:00:00", None], "x": [1, 2]})
    seen = bench["data"].judged(frame, bench["data"].Real(path="", target="x", about="", moments=("when",)))
    assert seen["when"].iloc[0] == 1.5
    assert seen["when"].isna().tolist() == [False, True]
    assert seen["x"].tolist() == [1, 2]


def test_names_are_plain_for_the_judge(bench: dict[str, ModuleType]) -> None:
    frame = pd.DataFrame({"Torque [Nm]": [1.5]})
    assert list(bench["data"].judged(frame, bench["data"].Real(path="", target="x", about=""))) == ["Torque__Nm_"]


def test_an_ask_says_missed_met_or_aim_met(bench: dict[str, ModuleType]) -> None:
    table = bench["table"]
    quicker = table.Ask("fit", 20, 100, table.ratio("fit_s"), higher=True)
    for seconds, verdict in ((5.0, "**missed**"), (2.0, "met"), (0.5, "aim met")):
        results = {"adult/mostlyai": {"fit_s": 80.0}, "adult/lookalike": {"fit_s": seconds}}
        assert quicker.line(results).endswith(f"| {verdict} |")
    assert quicker.line({}).endswith("| not measured |")


def test_a_million_that_was_only_reckoned_gives_no_ratio(bench: dict[str, ModuleType]) -> None:
    results = {"adult/mostlyai": {"million_s": 300.0, "reckoned": True}, "adult/lookalike": {"million_s": 1.0, "reckoned": False}}
    assert bench["table"].ratio("million_s")(results) is None
    assert bench["table"].pace(results["adult/mostlyai"])[3:] == ["300.0x", "3,333x"]


def test_rows_have_as_many_cells_as_the_head(bench: dict[str, ModuleType]) -> None:
    table = bench["table"]
    head = table.head(("tool", *table.COLUMNS), 1)[0].count("|")
    score = dict.fromkeys(
        ("shape_err", "trend_err", "null_err", "c2st_auc", "c2st_auc_hold", "tstr", "trtr", "dcr_share", "copy_rate", "copy_rate_hold"), 0.5
    )
    for cell in (
        {},
        {"failed": "fit not done in 600 s"},
        {"fit_s": 1.0},
        {"score": score},
        {"fit_s": 1.0, "score": {"failed": "ValueError"}},
    ):
        assert table.line(["x"], cell).count("|") == head


def test_the_measured_part_is_replaced_and_the_rest_stays(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    table, path = bench["table"], tmp_path / "page.md"
    path.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write(path, "new")
    assert path.read_text() == f"before\n{table.BEGIN}\nnew\n{table.END}\nafter\n"
    path.write_text("no marks")
    with pytest.raises(SystemExit, match="lacks the marks"):
        table.write(path, "new")


def test_the_word_of_a_log_names_the_error_and_no_folder(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text('Traceback …\n  File "/somewhere/x.py"\nlookalike.errors.FileError: nothing in /somewhere/y\n  → name a file\n\n')
    assert bench["tools"].last(log) == "FileError"
    log.write_text("")
    assert bench["tools"].last(log) == "no message"


def test_every_model_is_a_tool_and_runs_on_the_tables_meant_for_it(bench: dict[str, ModuleType]) -> None:
    tools, meant, real = bench["tools"].TOOLS, bench["run"].meant, bench["data"].REAL
    assert {tool.model for tool in tools.values() if tool.script == "lookalike"} == set(models.names()) - {
        "auto",
        "relational",
        "ruled",
        "sequence",
        "series",
        "surrogate",
    }
    assert [name for name in real if meant("lookalike-vae", name)] == ["adult", "credit_default", "online_shoppers", "california_housing"]
    assert all(meant("lookalike", name) and meant("floor", name) for name in real)
    assert {name for name in real if meant("sdv-tvae", name)} == {name for name in real if real[name].peers}
    assert set(real) > {name for name in real if real[name].peers} >= {name for name in real if real[name].models}


def test_rivals_are_models_and_tools_that_there_are(bench: dict[str, ModuleType]) -> None:
    for rival in bench["rivals"].RIVALS:
        assert rival.model in bench["tools"].own_models()
        assert rival.tool in bench["tools"].TOOLS or rival.published
        assert set(rival.figures) <= set(bench["rivals"].FIGURES)


def cells(fit: float, million: float, *, shape: float, tell: float, use: float) -> dict[str, Any]:
    """A cell as the benchmark keeps it."""
    score = {"shape_err": shape, "trend_err": 2.0 * shape, "c2st_auc_hold": tell, "c2st_lr_score": 0.99, "tstr": use, "trtr": 0.9}
    return {"fit_s": fit, "million_s": million, "reckoned": False, "score": score | {"dcr_share": 0.51}}


def verdict(bench: dict[str, ModuleType], model: str, mine: dict[str, Any], theirs: dict[str, Any]) -> str:
    """What is said of a model beside its reference."""
    rivals = bench["rivals"]
    rival = next(r for r in rivals.RIVALS if r.model == model)
    return rivals.told(list(rivals.checks(rival, mine, theirs)))


def test_a_model_beside_its_reference_is_below_met_or_aim_met(bench: dict[str, ModuleType]) -> None:
    theirs = cells(100.0, 30.0, shape=5.0, tell=0.99, use=0.85)
    good = {"shape": 0.5, "tell": 0.6, "use": 0.9}
    assert verdict(bench, "ctgan", cells(9.0, 10.0, **good), theirs) == "aim met"
    assert verdict(bench, "ctgan", cells(50.0, 10.0, **good), theirs) == "met"
    assert verdict(bench, "ctgan", cells(51.0, 11.0, **good), theirs) == "**below** (fit, 1M rows)"
    assert verdict(bench, "ctgan", cells(9.0, 10.0, **good | {"use": 0.85}), theirs) == "**below** (TSTR)", "as good is not better"
    assert verdict(bench, "ctgan", cells(9.0, 10.0, **good), {}) == "not measured"
    assert verdict(bench, "ctgan", {}, theirs) == "not measured"
    assert verdict(bench, "ctgan", {"failed": "fit not done in 600 s"}, theirs) == "**below** (fit)"


def test_a_million_that_was_only_reckoned_is_not_measured(bench: dict[str, ModuleType]) -> None:
    mine, theirs = cells(9.0, 10.0, shape=0.5, tell=0.6, use=0.9), cells(100.0, 300.0, shape=5.0, tell=0.99, use=0.85)
    assert verdict(bench, "vae", mine, theirs | {"reckoned": True}) == "not measured: 1M rows"
    assert verdict(bench, "vae", mine | {"fit_s": 90.0}, theirs | {"reckoned": True}) == "**below** (fit); not measured: 1M rows"


def test_autoregressive_may_differ_by_chance_and_diffusion_by_a_tenth(bench: dict[str, ModuleType]) -> None:
    theirs = cells(30.0, 30.0, shape=1.0, tell=0.6, use=0.9)
    assert verdict(bench, "autoregressive", cells(10.0, 9.0, shape=1.04, tell=0.609, use=0.898), theirs) == "aim met"
    far = cells(20.0, 9.0, shape=1.0, tell=0.611, use=0.896)
    assert verdict(bench, "autoregressive", far, theirs) == "**below** (C2ST vs holdout, TSTR)"
    published = {"score": dict(next(r for r in bench["rivals"].RIVALS if r.model == "diffusion").published)}
    for shape, tell, use, fit, said in (
        (0.5, 0.55, 0.92, 60.0, "aim met"),
        (0.5, 0.57, 0.92, 60.0, "met"),
        (0.84, 0.65, 0.9, 60.0, "met"),
        (0.9, 0.65, 0.9, 60.0, "**below** (shape)"),
        (0.5, 0.55, 0.92, 1_201.0, "**below** (fit)"),
    ):
        mine = cells(fit, 10.0, shape=shape, tell=tell, use=use)
        mine["score"] |= {"c2st_lr_score": 0.999, "trend_err": 1.5}
        assert verdict(bench, "diffusion", mine, published) == said


def test_tables_of_the_models_are_drawn_from_what_is_known(bench: dict[str, ModuleType]) -> None:
    mine, theirs = cells(9.0, 10.0, shape=0.5, tell=0.6, use=0.9), cells(100.0, 30.0, shape=5.0, tell=0.99, use=0.85)
    mine["score"]["dcr_share"] = 0.53
    theirs["note"] = "9 of 300 epochs"
    results = {"adult/lookalike-ctgan": mine, "adult/sdv-ctgan": theirs}
    lines = bench["rivals"].verdicts(results)
    summary = next(line for line in lines if line.startswith("| `ctgan` | SDV CTGAN | better"))
    assert summary.endswith("| fit ≥ 10 × faster | aim met on 1, not measured on 3 of 4 |")
    detail = next(line for line in lines if line.startswith("| `ctgan` | SDV CTGAN (9 of 300 epochs) | adult |"))
    assert "| 0.50 / 5.00 |" in detail and detail.endswith("| 9.0 / 3,333.3r | 10.0 / 30.0 | aim met |")
    assert "`ctgan` **0.530** (on 1 of 4)" in next(line for line in lines if line.startswith("| all |"))
    for start in ("| model | beside | at least", "| model | beside | table"):
        at = next(i for i, line in enumerate(lines) if line.startswith(start))
        rows = lines[at : lines.index("", at)]
        assert len({line.count("|") for line in rows}) == 1
    overview = bench["rivals"].overview(results).splitlines()
    assert "| `ctgan` | 9.0 | 10.0 | 0.600 | – | – | – | – | 0.530 |" in overview
    assert len([line for line in overview if line.startswith("| `")]) == len(set(models.names()) - set(bench["tools"].BY_OTHERS))


def test_the_page_says_where_tools_run(bench: dict[str, ModuleType]) -> None:
    page = (BENCH.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    told = re.findall(r"`(\w+)`", page.partition("the other tools on ")[2].partition(";")[0])
    real = bench["data"].REAL
    assert set(told) == {name for name in real if real[name].peers}
    assert set(told[:4]) == {name for name in real if real[name].models}, "this project's other models on the first four of these"


def test_two_runs_on_one_file_keep_what_the_other_found(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    first, second = (bench["run"].Results(tmp_path / "results.json") for _ in range(2))
    first.keep("adult/lookalike", {"fit_s": 1.0})
    second.keep("adult/mostlyai", {"fit_s": 9.0})
    first.keep("adult/lookalike", {"fit_s": 2.0})
    found = bench["run"].Results(tmp_path / "results.json").all
    assert {key: cell["fit_s"] for key, cell in found.items()} == {"adult/lookalike": 2.0, "adult/mostlyai": 9.0}


def test_a_cell_says_when_and_where_it_was_measured_and_has_a_line(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    results = bench["run"].Results(tmp_path / "new" / "results.json")
    results.keep("b", {"fit_s": 1 / 3, "score": {"tstr": [2 / 3]}})
    results.keep("a", {"fit_s": 1.0})
    first, second, third, last = results.path.read_text().splitlines()
    assert (first, last) == ("{", "}") and second.startswith('"a": {') and third.startswith('"b": {')
    assert '"fit_s": 0.33333333, "score": {"tstr": [0.66666667]}' in third
    today = datetime.date.today().isoformat()
    assert all(cell["date"] == today and cell["machine"] == bench["run"].machine() for cell in results.all.values())
    assert re.fullmatch(r"\d+ cores? \(.+\), \d+ GB", bench["run"].machine())


def test_cells_of_other_days_and_machines_are_marked(bench: dict[str, ModuleType]) -> None:
    old, new, late = ({"date": day, "machine": box} for day, box in (("2026-01-01", "x"), ("2026-01-02", "y"), ("2026-01-02", "x")))
    origins = bench["lines"].Origins([old, new, old, late, {"published": 1}])
    assert origins.told() == "Measured 2026-01-01 on x; [1] 2026-01-02 on x; [2] 2026-01-02 on y."
    assert [origins.mark(old), origins.mark(new), origins.mark(old, new, late), origins.mark({})] == ["", " [2]", " [1, 2]", ""]
    assert bench["lines"].Origins([old]).told() == "Measured 2026-01-01 on x."


def test_seconds_of_two_machines_are_not_compared(bench: dict[str, ModuleType]) -> None:
    mine, theirs = cells(9.0, 10.0, shape=0.5, tell=0.6, use=0.9), cells(100.0, 30.0, shape=5.0, tell=0.99, use=0.85)
    assert verdict(bench, "ctgan", mine | {"machine": "x"}, theirs | {"machine": "x"}) == "aim met"
    apart = verdict(bench, "ctgan", mine | {"machine": "x"}, theirs | {"machine": "y"})
    assert apart == "measured on different machines: fit, 1M rows"
    worse = cells(9.0, 10.0, shape=0.5, tell=0.6, use=0.8) | {"machine": "x"}
    assert verdict(bench, "ctgan", worse, theirs | {"machine": "y"}) == f"**below** (TSTR); {apart}"
    quicker = next(ask for ask in bench["table"].ASKS if ask.what.startswith("fit, times faster"))
    results = {"adult/lookalike": {"fit_s": 1.0, "machine": "x"}, "adult/mostlyai": {"fit_s": 90.0, "machine": "y"}}
    assert quicker.line(results).endswith("| – | measured on different machines |")
    assert quicker.line({"adult/lookalike": results["adult/lookalike"]}).endswith("| – | not measured |")
    results["adult/mostlyai"]["machine"] = "x"
    assert quicker.line(results).endswith("| 90 × | met |")


def test_what_was_measured_belongs_to_the_repository(bench: dict[str, ModuleType]) -> None:
    page = (BENCH.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8").splitlines()
    results, table = bench["run"].Results(bench["run"].RESULTS / "tables.json").all, bench["table"]
    origins = bench["lines"].Origins(results.values())
    drawn = [line for name in bench["data"].REAL if bench["data"].REAL[name].peers for line in table.beside(results, name, origins)]
    assert len(drawn) > 60 and set(drawn) <= set(page), "benchmarks/run.py --table draws the page from benchmarks/results/tables.json"
    for path in bench["run"].RESULTS.glob("*.json"):
        assert all({"date", "machine"} <= set(cell) for cell in bench["run"].Results(path).all.values()), path.name


@pytest.mark.parametrize("name", ["linked", "sequences", "series"])
def test_tables_beside_other_tools_are_drawn_from_the_repository(
    bench: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(str(BENCH / name))
    monkeypatch.syspath_prepend(str(BENCH))
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / name / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for taken in ("sets", "side"):
        sys.modules.pop(taken, None)
    results = bench["run"].Results(bench["run"].RESULTS / f"{name}.json").all
    page = (BENCH.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "\n".join(module.BENCH.page(results)) in page, f"benchmarks/{name}/run.py --table draws the page from benchmarks/results"
