"""The benchmark's own arithmetic: how tables are cut and how figures become rows."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

BENCH = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ("data", "tools", "table")


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
