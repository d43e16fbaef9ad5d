"""The report as text and as Markdown: whole, for each audience and several tables, as wide as asked, harmless whatever names there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lookalike as la
from lookalike.report import markdown, terminal
from lookalike.report.markdown import escape

pytestmark = pytest.mark.usefixtures("fewer_trees")

PIPE = "pay|day <b>*x*</b>\x1b[31m"


def people(seed: int, rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    job = rng.choice(["clerk", "nurse", "cook"], rows)
    pay = np.round(age * 100 + (job == "nurse") * 1_500 + rng.normal(0, 500, rows), 2)
    return pd.DataFrame({"age": age, PIPE: pay, "job": job, "rich": np.where(pay > 5_000, "yes", "no")})


@pytest.fixture(scope="module")
def report() -> la.Report:
    worse = people(1).assign(**{PIPE: people(1)[PIPE].sample(frac=1, random_state=0).to_numpy() + 9_000})
    asked = {"require": ["shape<=50%", "c2st<=0.1"], "target": PIPE, "effort": "quick"}
    return la.report(people(0), {"mine": people(1), "their|s": worse}, holdout=people(2, 700), **asked)


def alone(data: dict[str, Any]) -> dict[str, Any]:
    """The same report of its first table only."""
    return {**data, "others": [], "gates": data["gates"][:2]}


VIEWS: dict[str, Callable[[dict[str, Any]], str]] = {"terminal": lambda d: terminal.render(d, width=120), "markdown": markdown.render}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_part_of_an_internal_report_is_there(report: la.Report, view: Callable[[dict[str, Any]], str]) -> None:
    data = alone(report.json())
    text = " ".join(view(data).replace("\\", "").replace("&lt;", "<").split())
    assert "Split" in text and "classifier cannot tell the holdout" in text
    for said in data["verdict"]:
        assert said["title"] in text
    for score in data["scores"]:
        assert score["title"] in text, score["name"]
        if score["note"]:
            assert score["note"].split()[0] in text
    for attack in data["attacks"]:
        assert attack["title"] in text
    assert "95 % interval" in text and "independent" in text and "TPR at 1 %" in text and "ε at least" in text
    assert "met" in text and "not met" in text and "and up to" in text
    for untested in data["untested"]:
        assert untested["what"].lower() in text.lower()
    assert text.index("Split") < text.index("Verdict") < text.index("Fidelity") < text.index("TPR at 1 %") < text.index("Not tested")


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_public_report_has_only_what_it_may_say(report: la.Report, view: Callable[[dict[str, Any]], str]) -> None:
    for data in (report.public().json(), alone(report.public().json())):
        text = view(data)
        assert "This page is for the public" in text and "confidential" not in text
        for hidden in ("95 % interval", "TPR at", "AUC", "Exact copies", "Worst columns", " of 3 "):
            assert hidden not in text, hidden
        assert not re.search(r"\d\.\d+ %", text), "a public figure is a whole percent"
        assert "about 200 real rows" in text


def test_several_tables_stand_beside_one_another(report: la.Report) -> None:
    for text in (terminal.render(report.json(), width=120), markdown.render(report.json()).replace("\\", "").replace(" | ", "  ")):
        head = next(line for line in text.splitlines() if "mine" in line and "real rows" in line)
        assert "their|s" in head and "independent" in head
        shape = next(line for line in text.splitlines() if "Column shapes" in line)
        assert len(re.findall(r"[\d.]+ %", shape)) == 4, shape
        assert "Verdict on their|s" in text or "### their|s" in text
        assert "mine: c2st is" in text and "their|s: c2st is" in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
@pytest.mark.parametrize("public", [False, True])
def test_text_keeps_its_width(report: la.Report, width: int, public: bool) -> None:
    data = report.public().json() if public else report.json()
    for found in (data, alone(data)):
        text = terminal.render(found, width=width)
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text
        assert text.count("mine") >= (len(found["others"]) > 0)
    if width == 60:
        assert "Fidelity of their|s" in terminal.render(data, width=width), "what has no room beside stands below"


def test_colour_is_all_that_colour_adds(report: la.Report) -> None:
    plain, coloured = (terminal.render(report.json(), width=100, color=c) for c in (False, True))
    bare = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert "\x1b[" in coloured and "\x1b" not in bare
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


def test_markdown_tables_are_whole(report: la.Report) -> None:
    for data in (report.json(), report.public().json(), alone(report.json())):
        text = markdown.render(data)
        for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
            lines = table.splitlines()
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
            assert len(cells) == 1, lines
            assert set(lines[1]) <= set("|-: ")
        assert "<b>" not in text and "*x*" not in text.replace("\\*x\\*", "")


@pytest.mark.parametrize(
    ("words", "escaped"),
    [
        ("a|b", "a\\|b"),
        ("a\nb", "a b"),
        ("<script>", "&lt;script&gt;"),
        ("_x_ snake_case", "\\_x\\_ snake_case"),
        ("[a](b) `c` *d* \\", "\\[a\\](b) \\`c\\` \\*d\\* \\\\"),
        ("R&amp;D", "R&amp;amp;D"),
    ],
)
def test_what_markdown_would_read_is_escaped(words: str, escaped: str) -> None:
    assert escape(words) == escaped


def test_a_report_without_holdout_target_and_figures_is_drawn() -> None:
    data = la.report(pd.DataFrame({"v": ["x"] * 60}), pd.DataFrame({"v": ["x"] * 20}), effort="quick").json()
    for view in VIEWS.values():
        text = view(data)
        assert "no holdout" in text and "No holdout was given" in text
        assert "needs" in text, "what was not computed has a reason"


def test_markdown_is_written(report: la.Report, tmp_path: Any) -> None:
    path = report.write(tmp_path / "report.md")
    assert path.read_text(encoding="utf-8") == report.markdown() == markdown.render(report.json())
